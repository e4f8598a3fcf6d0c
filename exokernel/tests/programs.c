#include "programs.h"
#include <string.h>

void programs_setup(void)
{
    scene_setup();
    world_hold(ROOT_PROGRAMS, EXO_KIND_PROGRAMS, RIGHTS_ALL, 1, PROGRAM_PAGES - 1);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_PROGRAMS, ANN_SLOT, OWN_PROGRAMS, RIGHTS_GIVEN, ANN_PAGE, ANN_PAGES));
    world_take(ANN_SLOT, OWN_FRAMES, CODE, COUNT);
}

void program_write(uint32_t kind, const struct code_instruction *slots, uint32_t count)
{
    struct exo_code_header header = {.kind = kind, .count = count, .budget = SPENT_BUDGET, .visits = 10000};
    memset(data_page(CODE), 0xa5, (size_t)COUNT * EXO_FRAME_SIZE);
    memcpy(data_page(CODE + 1), &header, sizeof header);
    memcpy((uint8_t *)data_page(CODE + 1) + sizeof header, slots, count * sizeof *slots);
}

void settle(void)
{
    machine.time += 30000; /* a processor is asked to flush only now and then */
    interrupts_settle();
}

exo_result program_continued(uint32_t page)
{
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 1000 && result == EXO_AGAIN; i++) {
        settle();
        result = CALL_FOR(ANN_SLOT, PROGRAM_CONTINUE, page);
    }
    return result;
}

exo_result program_loaded(void)
{
    exo_result result = CALL_FOR(ANN_SLOT, PROGRAM_LOAD, OWN_PROGRAMS, ANN_PAGE, 1, OWN_FRAMES, CODE, COUNT);
    return result < 0 ? result : program_continued(ANN_PAGE);
}

exo_result program_unloaded(uint32_t page)
{
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 1000 && result == EXO_AGAIN; i++) {
        settle();
        result = CALL_FOR(ANN_SLOT, PROGRAM_UNLOAD, OWN_PROGRAMS, page);
    }
    return result;
}
