/*
 * Time: nanoseconds from the time-stamp counter, the same on all processors, and each processor's one-shot deadline on
 * its APIC timer. Frequencies come from CPUID where it tells, else from comparing with the 8254 timer (Intel 8254 data
 * sheet) at moments when its count changes; a result is rounded to a whole MHz when that is within the error.
 */
#include "machine.h"
#include <cpuid.h>

enum { PIT_HZ = 1193182, PIT_CHANNEL0 = 0x40, PIT_COMMAND = 0x43, PIT_WINDOW = PIT_HZ / 400, PIT_TRIES = 100000, EDGES = 4,
       MEASUREMENTS = 16, AGREEMENT = 256 };

uint64_t timer_tsc_base, timer_tsc_multiplier; /* ns = (tsc - base) * multiplier >> 32 */
static uint64_t timer_apic_multiplier;         /* APIC ticks = ns * multiplier >> 32: below 2^32 for AT_ONCE_NS */

enum { AT_ONCE_NS = 1000000000, APIC_HZ_MOST = 4000000000 };

static uint64_t scale(uint64_t value, uint64_t multiplier)
{
    return (unsigned __int128)value * multiplier >> 32;
}

uint64_t arch_time(void)
{
    return scale(rdtsc() - timer_tsc_base, timer_tsc_multiplier);
}

static void timer_program(struct cpu *cpu)
{
    uint64_t now = arch_time();
    uint64_t ns = cpu->deadline > now ? cpu->deadline - now : 0;
    apic_timer_set(scale(ns < AT_ONCE_NS ? ns : AT_ONCE_NS, timer_apic_multiplier) + 1);
}

void arch_timer(uint64_t deadline)
{
    struct cpu *cpu = cpu_here();
    if (cpu->deadline == deadline)
        return;
    cpu->deadline = deadline;
    if (deadline == EXO_NEVER)
        apic_timer_set(0);
    else
        timer_program(cpu);
}

bool arch_timer_is_due(void)
{
    bool is_due = arch_time() >= cpu_here()->deadline;
#ifdef PATH_CLOCK
    if (!is_due)
        path_look();
#endif
    return is_due;
}

/* In the timer's interrupt: the time, if the deadline passed; else 0, and if it is still to come the timer runs on. */
uint64_t timer_due(void)
{
    struct cpu *cpu = cpu_here();
    uint64_t now = arch_time();
    if (now < cpu->deadline) {
        if (cpu->deadline != EXO_NEVER)
            timer_program(cpu);
        return 0;
    }
    cpu->deadline = EXO_NEVER;
    return now;
}

void timer_delay(uint64_t ns)
{
    uint64_t end = arch_time() + ns;
    while (arch_time() < end)
        pause();
}

/* A moment at which the 8254's count changed: what all clocks said, and how well it is known. */
struct edge {
    uint64_t tsc, error; /* ticks */
    uint32_t apic;
    uint16_t pit;
    bool valid;
};

static uint16_t pit_read(void)
{
    outb(PIT_COMMAND, 0x00); /* latch channel 0 */
    uint16_t low = inb(PIT_CHANNEL0);
    return low | inb(PIT_CHANNEL0) << 8;
}

static struct edge edge_wait(void)
{
    struct edge edge = {.valid = false};
    uint64_t before = rdtsc();
    uint16_t old = pit_read();
    for (uint32_t i = 0; i < PIT_TRIES; i++) {
        uint64_t between = rdtsc();
        uint32_t apic = apic_timer_left();
        uint16_t now = pit_read();
        uint64_t after = rdtsc();
        if (now != old)
            return (struct edge){between, after - before, apic, now, true};
        before = between;
    }
    return edge;
}

/* The best known of a few. */
static struct edge edge_find(void)
{
    struct edge best = edge_wait();
    for (uint32_t i = 1; i < EDGES && best.valid; i++) {
        struct edge edge = edge_wait();
        if (edge.error < best.error)
            best = edge;
    }
    return best;
}

static uint64_t round_frequency(uint64_t hz, uint64_t error_hz)
{
    uint64_t mhz = (hz + 500000) / 1000000 * 1000000;
    uint64_t off = mhz > hz ? mhz - hz : hz - mhz;
    return off <= error_hz ? mhz : hz;
}

/* Both frequencies by the 8254, or 0. */
static void measure_once(uint64_t *tsc_hz, uint64_t *apic_hz)
{
    outb(PIT_COMMAND, 0x34); /* channel 0, rate generator, from 65536 */
    outb(PIT_CHANNEL0, 0);
    outb(PIT_CHANNEL0, 0);
    apic_timer_set(0xffffffff);
    struct edge first = edge_find(), last = first;
    while (last.valid && (uint16_t)(first.pit - last.pit) < PIT_WINDOW)
        last = edge_find();
    apic_timer_set(0);
    if (!last.valid)
        return;
    uint64_t ticks = (uint16_t)(first.pit - last.pit);
    uint64_t error = first.error + last.error;
    *tsc_hz = round_frequency((last.tsc - first.tsc) * PIT_HZ / ticks, error * PIT_HZ / ticks);
    uint64_t apic = (uint64_t)(first.apic - last.apic) * PIT_HZ / ticks;
    *apic_hz = round_frequency(apic, apic * error / (last.tsc - first.tsc));
}

/*
 * Until two in a row agree. An emulator that is held up between two reads spoils a measurement (the 8254 wraps after 55 ms), but
 * hardly two of them alike.
 */
static void measure(uint64_t *tsc_hz, uint64_t *apic_hz)
{
    uint64_t last, off = UINT64_MAX;
    measure_once(tsc_hz, apic_hz);
    for (uint32_t i = 1; i < MEASUREMENTS && *tsc_hz && off > *tsc_hz / AGREEMENT; i++) {
        last = *tsc_hz;
        measure_once(tsc_hz, apic_hz);
        off = last > *tsc_hz ? last - *tsc_hz : *tsc_hz - last;
    }
}

/* What CPUID tells (Intel SDM 2A CPUID leaf 15H; hypervisors' leaf 40000010H, in kHz), or 0. */
static void identify(uint64_t *tsc_hz, uint64_t *apic_hz)
{
    uint32_t a, b, c, d;
    if (__get_cpuid(0x15, &a, &b, &c, &d) && a && b && c) {
        *tsc_hz = (uint64_t)c * b / a;
        *apic_hz = c;
    }
    __cpuid(1, a, b, c, d);
    if (!(c & 1u << 31))
        return;
    __cpuid(0x40000000, a, b, c, d);
    if (a < 0x40000010)
        return;
    __cpuid(0x40000010, a, b, c, d);
    if (a && b) {
        *tsc_hz = a * 1000ull;
        *apic_hz = b * 1000ull;
    }
}

void timer_calibrate(void)
{
    uint64_t tsc_hz = 0, apic_hz = 0;
    identify(&tsc_hz, &apic_hz);
    if (!tsc_hz)
        measure(&tsc_hz, &apic_hz);
    if (!tsc_hz || !apic_hz)
        arch_panic("no clock: neither CPUID nor the 8254 timer tells the frequencies");
    timer_tsc_base = rdtsc();
    timer_tsc_multiplier = (1000000000ull << 32) / tsc_hz;
    timer_apic_multiplier = ((apic_hz < APIC_HZ_MOST ? apic_hz : APIC_HZ_MOST) << 32) / 1000000000;
}
