/*
 * The local APIC (Intel SDM 3A 11): end of interrupt, interrupts to other processors, the one-shot timer. Through
 * MSRs where the firmware left it in x2APIC mode, else through its page at APIC_ADDRESS.
 */
#include "machine.h"
#include <arch_device.h>
#include <device.h>
#include <slice.h>

enum {
    APIC_ID = 0x20,
    APIC_EOI = 0xb0,
    APIC_SPURIOUS = 0xf0,
    APIC_COMMAND = 0x300,
    APIC_COMMAND_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_TIMER_START = 0x380,
    APIC_TIMER_LEFT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
    APIC_MASKED = 0x10000,
    APIC_PENDING = 0x1000,
    DIVIDE_BY_1 = 0xb,
    COMMAND_INIT = 0x4500,
    COMMAND_STARTUP = 0x4600,
    COMMAND_FIXED = 0x4000,
};
enum { MSR_APIC_BASE = 0x1b, BASE_ENABLED = 1 << 11, BASE_X2APIC = 1 << 10, MSR_X2APIC = 0x800 };

static bool apic_is_x2;
static bool apic_device_runs, apic_must_look; /* processor 0 is in a device's interrupt; and was interrupted by itself there */

static uint32_t apic_read(uint32_t reg)
{
    return apic_is_x2 ? rdmsr(MSR_X2APIC + (reg >> 4)) : *(volatile uint32_t *)(APIC_ADDRESS + reg);
}

static void apic_write(uint32_t reg, uint32_t value)
{
    if (apic_is_x2)
        wrmsr(MSR_X2APIC + (reg >> 4), value);
    else
        *(volatile uint32_t *)(APIC_ADDRESS + reg) = value;
}

static void apic_command(uint32_t target, uint32_t command)
{
    if (apic_is_x2) {
        wrmsr(MSR_X2APIC + (APIC_COMMAND >> 4), (uint64_t)target << 32 | command);
        return;
    }
    while (apic_read(APIC_COMMAND) & APIC_PENDING)
        pause();
    apic_write(APIC_COMMAND_HIGH, target << 24);
    apic_write(APIC_COMMAND, command);
}

/* On each processor. Also silences the old interrupt controller. */
void apic_enable(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    apic_is_x2 = base & BASE_X2APIC;
    wrmsr(MSR_APIC_BASE, base | BASE_ENABLED);
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    apic_write(APIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
    apic_write(APIC_LVT_LINT0, APIC_MASKED);
    apic_write(APIC_LVT_LINT1, APIC_MASKED);
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
}

/* Before apic_enable. */
uint64_t apic_physical(void)
{
    return rdmsr(MSR_APIC_BASE) & 0xffffff000ull;
}

uint32_t apic_id(void)
{
    uint32_t id = apic_read(APIC_ID);
    return apic_is_x2 ? id : id >> 24;
}

void apic_send_init(uint32_t id)
{
    apic_command(id, COMMAND_INIT);
}

void apic_send_startup(uint32_t id, uint64_t address)
{
    apic_command(id, COMMAND_STARTUP | address >> 12);
}

void arch_interrupt(uint32_t processor)
{
    if (processor == 0 && __atomic_load_n(&apic_device_runs, __ATOMIC_RELAXED) && arch_processor() == 0) {
        apic_must_look = true;
        return;
    }
    apic_command(cpus[processor].apic_id, COMMAND_FIXED | VECTOR_INTERRUPT);
}

void arch_device_interrupt(uint8_t number)
{
    apic_command(cpus[0].apic_id, COMMAND_FIXED | (VECTOR_AGAIN + number));
}

void apic_timer_set(uint32_t ticks)
{
    apic_write(APIC_TIMER_START, ticks);
}

uint32_t apic_timer_left(void)
{
    return apic_read(APIC_TIMER_LEFT);
}

/* trap.S. The timer may also be early: its ticks are coarser than the deadline, and its count is 32 bits. */
void apic_timer(struct exo_registers *registers)
{
    apic_write(APIC_EOI, 0);
    uint64_t now = timer_due();
    if (now)
        slice_timer(registers, now);
}

/* trap.S */
void apic_interrupt(struct exo_registers *registers)
{
    apic_write(APIC_EOI, 0);
    slice_interrupted(registers);
}

/* trap.S. Who should run is looked at only if the device's work has a say in it. */
void apic_device(struct exo_registers *registers, uint32_t number)
{
    apic_device_runs = true;
    arch_lock(); /* interrupts come from user mode or the idle loop, so this processor does not hold it */
    device_interrupt(number);
    arch_unlock();
    apic_device_runs = false;
    apic_write(APIC_EOI, 0);
    if (apic_must_look) {
        apic_must_look = false;
        slice_interrupted(registers);
    }
}
