/* Calls to the server, and what has to be kept across them. */
#include "runtime.h"
#include "signal.h"
#include "vector.h"
#include <exo/calls.h>
#include <exo/gate.h>
#include <exo/program.h>
#include <exo/text.h>

static uint8_t saved_fpu[FPU_SIZE] EXO_EAGER __attribute__((aligned(64)));

/* All components as they are at first, with MXCSR 0x1f80 (Intel SDM 1, 13.6). */
enum { MXCSR_AT = 24, TEXT_PIECE = 32 /* of a text: not more than may be wasted, and never over a page's end */ };
static const uint8_t initial_fpu[FPU_SIZE] __attribute__((aligned(64))) = { [MXCSR_AT] = 0x80, [MXCSR_AT + 1] = 0x1f };

void fpu_reset(void)
{
    fpu_load(initial_fpu);
}

bool server_try(uint64_t words[7])
{
    struct exo_message message;

    __builtin_memcpy(message.word, words, 7 * sizeof *words);
    message.word[7] = message.word[8] = message.word[9] = message.word[10] = 0;
    fpu_save(saved_fpu);
    int64_t result = exo_gate_invoke(SLOT_SERVER, &message);
    fpu_load(saved_fpu);
    if (result == EXO_BUSY)
        return false;
    while (result != EXO_OK)
        exo_yield(); /* there is no instance any more */
    __builtin_memcpy(words, message.word, 7 * sizeof *words);
    return true;
}

void processor_give_up(void)
{
    fpu_save(saved_fpu);
    exo_yield();
    fpu_load(saved_fpu);
}

bool processor_hand_over(uint16_t peer)
{
    fpu_save(saved_fpu);
    int64_t result = exo_yield_to(peer, 0);
    fpu_load(saved_fpu);
    return result == EXO_OK;
}

int64_t server_call(uint64_t words[7])
{
    while (!server_try(words))
        processor_give_up(); /* it serves a process on another processor, or was interrupted in the middle */
    return (int64_t)words[0];
}

int64_t server_ask(uint64_t request, uint64_t a0, uint64_t a1, uint64_t a2)
{
    uint64_t words[7] = { request, a0, a1, a2 };
    return server_call(words);
}

int64_t server_wait(uint64_t words[7])
{
    uint64_t sent[7];

    if (signals_own && signal_interrupts())
        return RESTART;
    __builtin_memcpy(sent, words, sizeof sent);
    for (;;) {
        int64_t result = server_call(words);
        if (result != UNIX_WAIT)
            return result;
        if (signal_interrupts())
            return RESTART;
        processor_give_up();
        if (signal_interrupts())
            return RESTART;
        __builtin_memcpy(words, sent, sizeof sent);
    }
}

void process_die(uint32_t signal)
{
    server_ask(UNIX_END, signal, 0, 0);
    for (;;)
        exo_yield();
}

uint64_t user_copy_many(void *target, const void *source, uint64_t size)
{
    uint64_t done = vector_copy_begin(target, source, size);

    return done == VECTOR_FAULT ? size : user_copy((uint8_t *)target + done, (const uint8_t *)source + done, size - done);
}

int64_t user_text(char *target, uint64_t address, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t part = TEXT_PIECE - (address + done) % TEXT_PIECE;
        if (part > size - done)
            part = size - done;
        if (user_copy(target + done, (const void *)(address + done), part))
            return -EFAULT;
        size_t end = done + part;
        for (uint64_t word; done + sizeof word <= end; done += sizeof word) {
            __builtin_memcpy(&word, target + done, sizeof word);
            if (unix_text_end(word))
                return 0;
        }
        for (; done < end; done++)
            if (!target[done])
                return 0;
    }
    return -ENAMETOOLONG;
}
