/*
 * The kernel's own faults: every line begins with "panic: ", return addresses are raw (the exo command names them), and
 * the machine ends with a failure. Uses neither %gs nor the lock: both may be what is broken.
 */
#include "machine.h"

enum { PANIC_EXIT = 99, BACKTRACE_MAX = 16 };

static void print(const char *text)
{
    uint32_t length = 0;
    while (text[length])
        length++;
    arch_console_write(text, length);
}

static void print_hex(const char *name, uint64_t value)
{
    char digits[17];
    for (uint32_t i = 0; i < 16; i++)
        digits[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    digits[16] = 0;
    print(name);
    print(digits);
}

/* From the descriptor table, which lies in this processor's struct cpu. */
static uint64_t panic_processor(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table;
    __asm__ volatile("sgdt %0" : "=m"(table));
    uint64_t offset = table.base - (uint64_t)cpus;
    return offset < sizeof cpus ? offset / sizeof cpus[0] : 0;
}

static bool is_return_address(uint64_t word)
{
    return word > (uint64_t)kernel_start_of_image + 5 && word <= (uint64_t)kernel_end_of_text &&
           *(const uint8_t *)(word - 5) == 0xe8;
}

/* What on the stack looks like return addresses of calls, innermost first. There are no frame pointers. */
static void print_backtrace(uint64_t stack)
{
    uint64_t top = cpus[panic_processor()].stack;
    uint64_t end = stack < top && top - stack <= CPU_STACK_SIZE ? top : (stack | 4095) + 1;
    uint32_t found = 0;
    print("panic: backtrace");
    for (uint64_t at = stack & ~7ull; at < end && found < BACKTRACE_MAX; at += 8)
        if (is_return_address(*(const uint64_t *)at)) {
            print_hex(" ", *(const uint64_t *)at);
            found++;
        }
    print("\n");
}

static void panic_begin(const char *why)
{
    static uint32_t panicking;
    __asm__ volatile("cli");
    if (__atomic_exchange_n(&panicking, 1, __ATOMIC_SEQ_CST))
        for (;;)
            __asm__ volatile("hlt");
    print("\n");
    print("panic: ");
    print(why);
    print_hex(" on processor ", panic_processor());
    print("\n");
}

static void print_registers(const struct exo_registers *registers)
{
    static const char *const name[] = {"rax ", "rbx ", "rcx ", "rdx ", "rsi ", "rdi ", "rbp ", "r8  ", "r9  ",
                                       "r10 ", "r11 ", "r12 ", "r13 ", "r14 ", "r15 ", "rip ", "rfl ", "rsp "};
    const uint64_t *value = (const uint64_t *)registers;
    for (uint32_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        print(i % 3 == 0 ? "panic: " : " ");
        print_hex(name[i], value[i]);
        print(i % 3 == 2 ? "\n" : "");
    }
}

/* An exception in the kernel; trap.S. */
_Noreturn void panic_exception(const struct exo_registers *registers, uint32_t vector, uint32_t error);
_Noreturn void panic_exception(const struct exo_registers *registers, uint32_t vector, uint32_t error)
{
    uint64_t address;
    __asm__ volatile("movq %%cr2, %0" : "=r"(address));
    panic_begin("exception in the kernel");
    print_hex("panic: vector ", vector);
    print_hex(" error ", error);
    print_hex(" address ", address);
    print("\n");
    print_registers(registers);
    if (registers->rsp >= KERNEL_BASE)
        print_backtrace(registers->rsp);
    arch_exit(PANIC_EXIT);
    __builtin_unreachable();
}

_Noreturn void arch_panic(const char *message)
{
    uint64_t stack;
    __asm__ volatile("movq %%rsp, %0" : "=r"(stack));
    panic_begin(message);
    print_hex("panic: rsp ", stack);
    print_hex(" caller ", (uint64_t)__builtin_return_address(0));
    print("\n");
    print_backtrace(stack);
    arch_exit(PANIC_EXIT);
    __builtin_unreachable();
}
