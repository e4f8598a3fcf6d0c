/* Privileged instructions, flags, and the edges of user space that the return from a call goes over. */
#include "attack.h"
#include <argument.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define LAST_PAGE 0x7fffffffe000ull /* of user space */

extern const struct instruction {
    void (*run)(uint64_t);
    const char *name;
} instructions[];

static bool privileged_instructions_fault(void)
{
    bool fine = true;

    for (const struct instruction *i = instructions; i->run; i++)
        if (!fault_catch(i->run, 0)) {
            exo_print("  %s does not fault", i->name);
            fine = false;
        }
    return fine;
}

static bool interrupts_stay_on_whatever_popf_loads(void)
{
    uint64_t flags;

    __asm__ volatile("pushq $0x3002\n\tpopfq\n\tpushfq\n\tpopq %0" : "=r"(flags) : : "cc", "memory");
    bool fine = check_equal("interrupt flag", flags & 0x200, 0x200);
    return fine & check_equal("input-output level", flags & 0x3000, 0);
}

/* Tables for the last 2 MiB of user space, which exo_space does not know. They stay. */
static uint32_t last_table(void)
{
    static uint32_t table1;

    if (table1)
        return table1;
    uint32_t table3 = memory_table(3), table2 = memory_table(2);
    table1 = memory_table(1);
    check_must("table 3", memory_bind(LAST_PAGE, exo_start.table4, table3, 0, EXO_MAP_READ));
    check_must("table 2", memory_bind(LAST_PAGE, table3, table2, 0, EXO_MAP_READ));
    check_must("table 1", memory_bind(LAST_PAGE, table2, table1, 0, EXO_MAP_READ));
    return table1;
}

/*
 * A call whose return address would be the first one behind user space. The page there cannot be mapped, and beyond
 * 2^47 a return by sysret would fault in the kernel.
 */
static bool a_call_from_the_last_bytes_of_user_space_faults_there(void)
{
    uint32_t frame = memory_page(ATTACK_ADDRESS), table = last_table();
    uint8_t *page = (uint8_t *)ATTACK_ADDRESS;
    static const uint8_t code[] = { 0xb8, 0x00, 0x00, 0x78, 0x45, 0x0f, 0x05 }; /* mov $CALL_MAGIC, %eax; syscall */

    memcpy(page + EXO_FRAME_SIZE - sizeof code, code, sizeof code);
    bool fine =
        check_equal("bind",
                    memory_bind(LAST_PAGE, table, frame, memory_frames.capability, EXO_MAP_READ | EXO_MAP_EXECUTE),
                    1);
    fine &= check_equal("fault", fault_at_execute(LAST_PAGE + EXO_FRAME_SIZE - sizeof code), true);
    if (!check_is_quiet())
        exo_print("  it is exception %u at %#lx", fault_last.vector, fault_last.address);
    fine &= check_equal("bind behind the end",
                        memory_bind(EXO_USER_LIMIT, table, frame, memory_frames.capability, EXO_MAP_READ),
                        EXO_BAD_ARGUMENT);
    fine &= check_equal("jump behind the end", fault_at_execute(EXO_USER_LIMIT), true);
    check_must("unbind", memory_unbind(LAST_PAGE, table, 0));
    memory_page_end(ATTACK_ADDRESS, frame);
    return fine;
}

void attack_edge(uint8_t call)
{
    uint32_t frame = memory_page(ATTACK_ADDRESS), table = last_table();
    uint8_t *page = (uint8_t *)ATTACK_ADDRESS;
    const uint64_t alias = EXO_FRAME_SIZE * (EXO_TABLE_ENTRIES - 1); /* the table's last entry, by an address that may be named */
    const uint8_t code[] = { 0xb8, call, 0x00, 0x78, 0x45, 0x0f, 0x05 }; /* mov $CALL_MAGIC | call, %eax; syscall */

    memcpy(page + EXO_FRAME_SIZE - sizeof code, code, sizeof code);
    check_must("bind", memory_bind(alias, table, frame, memory_frames.capability, EXO_MAP_READ | EXO_MAP_EXECUTE));
    ((void (*)(uint64_t))(LAST_PAGE + 2 * EXO_FRAME_SIZE - sizeof code))(0);
}

static bool entry_points_beyond_user_space_are_refused(void)
{
    const uint64_t places[] = {
        EXO_USER_LIMIT, 0x7fffffffffff, 0x800000000000, 0xffff800000000000, 0xffffffff80000000, EXO_NEVER,
    };
    bool fine = true;

    for (uint32_t i = 0; i < sizeof places / sizeof places[0]; i++)
        for (uint8_t entry = 0; entry < 3; entry++) {
            fine &= check_equal("vcpu_entry", exo_vcpu_entry(0, 0, entry, places[i]), EXO_BAD_ARGUMENT);
            fine &= check_equal("gate_create", exo_gate_create(1, 0, places[i], ATTACK_ADDRESS, 101), EXO_BAD_ARGUMENT);
        }
    return fine & check_equal("a fourth entry", exo_vcpu_entry(0, 0, 3, 0x400000), EXO_BAD_ARGUMENT);
}

/* A stack pointer that is no address: events and calls must not need it. */
static void call_without_stack(uint64_t stack)
{
    uint64_t kept, word = EXO_CALL_MAGIC | EXO_CALL_NULL;

    __asm__ volatile("movq %%rsp, %0\n\tmovq %2, %%rsp\n\tsyscall\n\tmovq %0, %%rsp"
                     : "=&b"(kept), "+a"(word), "+D"(stack)
                     :
                     : "rcx", "r11", "rsi", "rdx", "r8", "r9", "r10", "memory");
}

static bool a_wild_stack_pointer_does_not_matter_to_calls(void)
{
    const uint64_t stacks[] = { 0, 8, 0x7ffffffffff8, 0x800000000000, 0xffffffff80100000, EXO_NEVER };

    bool blocked = exo_events_block();
    for (uint32_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
        call_without_stack(stacks[i]);
    exo_events_restore(blocked);
    return true;
}

static bool stray_bits_of_a_call_word_are_refused(void)
{
    bool fine = true;

    for (uint32_t bit = 48; bit < 64; bit++)
        fine &= check_refused("rax", exo_trap0(EXO_CALL_MAGIC | EXO_CALL_NULL | 1ull << bit));
    for (uint32_t number = EXO_CALL_COUNT; number < 0x10000; number++)
        fine &= check_equal("number", exo_trap0(EXO_CALL_MAGIC | number), EXO_BAD_CALL);
    return fine;
}

/* Each argument of each call with each bit above its type's width, all else 0. */
static bool stray_high_bits_of_arguments_are_refused(void)
{
    bool fine = true;

    for (uint32_t call = 0; call < EXO_CALL_COUNT; call++)
        for (uint32_t i = 0; i < ARGUMENTS && argument_bytes[call][i]; i++)
            for (uint32_t bit = argument_bytes[call][i] * 8; bit < 64; bit++) {
                uint64_t a[ARGUMENTS] = { 0 };
                a[i] = 1ull << bit;
                if (exo_trap6(EXO_CALL_MAGIC | call, a[0], a[1], a[2], a[3], a[4], a[5]) != EXO_BAD_ARGUMENT) {
                    exo_print("  call %u takes argument %u with bit %u", call, i, bit);
                    fine = false;
                }
            }
    return fine;
}

static bool calls_without_a_subject_refuse_one(void)
{
    bool fine = true;

    for (uint32_t call = 0; call < EXO_CALL_COUNT; call++)
        if (!(CALLS_WITH_SUBJECT >> call & 1))
            fine &= check_equal("subject", exo_trap6(EXO_CALL_MAGIC | call | 1ull << 32, 0, 0, 0, 0, 0, 0), EXO_BAD_ARGUMENT);
    return fine;
}

void attack_instructions(void)
{
    static const struct check_case cases[] = {
        CASE(privileged_instructions_fault),
        CASE(interrupts_stay_on_whatever_popf_loads),
        CASE(a_call_from_the_last_bytes_of_user_space_faults_there),
        CASE(entry_points_beyond_user_space_are_refused),
        CASE(a_wild_stack_pointer_does_not_matter_to_calls),
        CASE(stray_bits_of_a_call_word_are_refused),
        CASE(stray_high_bits_of_arguments_are_refused),
        CASE(calls_without_a_subject_refuse_one),
    };
    check_run(CASES(cases));
}
