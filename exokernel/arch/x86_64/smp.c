/*
 * Starting the other processors (Intel SDM 3A 8.4): one after another, each up to a gate, so that numbers have no holes
 * and the tables can be filled before anyone schedules.
 */
#include "machine.h"

enum { STARTUP_TRIES = 2, ONLINE_TRIES = 1000, ONLINE_STEP_NS = 100000, INIT_NS = 10000 };

void (*start_function)(uint32_t magic, uint32_t info) = boot_main;
static uint32_t smp_starting, smp_online, smp_released;

static void smp_main(uint32_t magic, uint32_t info)
{
    (void)magic, (void)info;
    uint32_t number = smp_starting;
    cpu_start(number);
    paging_load();
    apic_enable();
    cpus[number].apic_id = apic_id();
    __atomic_store_n(&smp_online, number, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&smp_released, __ATOMIC_ACQUIRE))
        pause();
    cpu_enter();
}

static bool smp_start_one(uint32_t number, uint32_t id)
{
    smp_starting = number;
    start_stack = cpu_stack_top(number);
    apic_send_init(id);
    timer_delay(INIT_NS);
    for (uint32_t tries = 0; tries < STARTUP_TRIES; tries++) {
        apic_send_startup(id, TRAMPOLINE);
        for (uint32_t wait = 0; wait < ONLINE_TRIES; wait++) {
            if (__atomic_load_n(&smp_online, __ATOMIC_ACQUIRE) == number)
                return true;
            timer_delay(ONLINE_STEP_NS);
        }
    }
    return false;
}

uint32_t smp_start(const uint32_t *apic_ids, uint32_t count)
{
    char *trampoline = direct_page(TRAMPOLINE / EXO_FRAME_SIZE);
    for (uint32_t i = 0; i < trampoline_end - trampoline_start; i++)
        trampoline[i] = trampoline_start[i];
    start_function = smp_main;
    uint32_t online = 1;
    for (uint32_t i = 0; i < count && online < PROCESSOR_LIMIT; i++)
        if (apic_ids[i] != cpus[0].apic_id && smp_start_one(online, apic_ids[i]))
            online++;
    return online;
}

void smp_release(void)
{
    __atomic_store_n(&smp_released, 1, __ATOMIC_RELEASE);
}
