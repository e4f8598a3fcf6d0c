/*
 * The server of a Unix instance: it fills the file system, starts the first process, answers requests until that one has ended,
 * and says what came of it.
 */
#include "archive.h"
#include "device.h"
#include "memory.h"
#include "process.h"
#include "request.h"
#include "schedule.h"
#include "shell.h"
#include "terminal.h"
#include "path.h"
#include "vector.h"
#include <exo/calls.h>
#include <exo/gate.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>
#include <unix/linux.h>

enum { GATE_KEYS = 8 /* behind those of the schedulers */, GATE_STACK_SIZE = 32768, FPU_SIZE = 2048, STATUS_BAD_START = 1, STATUS_LOST = 3 };

static uint8_t slice_fpu[FPU_SIZE] __attribute__((aligned(64)));
static uint8_t gate_stack[GATE_STACK_SIZE] __attribute__((aligned(16)));

static int64_t gate_open(void)
{
    exo_gate_handler = request_serve;
    int64_t result = exo_gate_create(GATE_KEYS, 0, (uint64_t)exo_event_entry, 0, SERVER_SLOT_KEYS);
    return result == EXO_OK ? exo_gate_create(0, 0, (uint64_t)exo_gate_entry, (uint64_t)(gate_stack + sizeof gate_stack), SERVER_SLOT_GATE)
                            : result;
}

static const char *server_open(void)
{
    uint32_t table;
    int64_t result = memory_open();

    exo_threads[0].fpu = (uint64_t)slice_fpu;
    vector_open();
    if (result == EXO_OK) {
        table = exo_frame_find(&memory.own);
        do
            result = exo_environment_extend(0, memory.own.capability, table, 1);
        while (exo_again(result));
    }
    if (result == EXO_OK)
        result = shell_open(table);
    if (result == EXO_OK)
        result = gate_open();
    if (result == EXO_OK)
        result = process_image_load();
    if (result == EXO_OK)
        result = schedule_open();
    return result == EXO_OK ? 0 : exo_status_name(result);
}

/* Descriptors 0 to 2 are the console. */
static int64_t console_open(struct process *process)
{
    struct node *node;
    struct file *file;
    int64_t result = path_node(node_root, "/dev/console", true, &node);

    if (result == 0)
        result = file_open(process, node, O_RDWR, &file);
    for (uint32_t i = 0; i < 3 && result >= 0; i++) {
        result = descriptor_give(process, file, i, false);
        file->users += i > 0;
    }
    return result;
}

static const char *first_start(void)
{
    struct process *process = process_create(0);

    if (!process)
        return "there is no room for a process";
    if (console_open(process) < 0)
        return "/dev/console cannot be opened";
    terminal_open(process);
    process->state = PROCESS_ALIVE;
    int64_t result = process_build(process);
    if (result != EXO_OK)
        return exo_status_name(result);
    __atomic_store_n(&process->runnable, 1, __ATOMIC_SEQ_CST);
    schedule_kick();
    return 0;
}

static void event_note(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    if (events & (EXO_EVENT_REVOKE | EXO_EVENT_IMPERATIVE))
        loan_ask((uint16_t)EXO_CONTEXT->revoke_capability);
    if (events & EXO_EVENT_CHILD)
        __atomic_store_n(&instance.event_child, 1, __ATOMIC_SEQ_CST);
}

#define TRACE_ADDRESS 0x500000000ull

/* With `trace = true` in the manifest the kernel's trace rings are readable, behind the archive: what stopped a process, and where. */
static void fault_tell(uint32_t environment)
{
    const struct exo_system *system = exo_system_info();
    uint32_t frames = system->trace_frames * system->processor_count;
    const volatile struct exo_trace_record *record = (const void *)TRACE_ADDRESS;

    for (uint32_t i = 0; i < exo_start.capability_count; i++) {
        const struct exo_start_capability *held = &exo_start.capability[i];
        if (held->kind != EXO_KIND_FRAMES || held->rights != EXO_RIGHT_READ || held->first != system->trace_frame)
            continue;
        if (exo_space_map(&memory.space, TRACE_ADDRESS, held->first, frames, held->slot, EXO_MAP_READ) != EXO_OK)
            return;
        for (uint32_t n = 0; n < frames * (EXO_FRAME_SIZE / sizeof *record); n++)
            if (record[n].event == EXO_TRACE_FAULT && record[n].vcpu / EXO_VCPUS_PER_ENVIRONMENT == environment)
                exo_print("exception %u, address %#lx", record[n].detail, record[n].value);
        exo_space_unmap(&memory.space, TRACE_ADDRESS, frames);
    }
}

/* A process whose own fault handling failed has been stopped by the kernel. */
static void faulted_end(void)
{
    __atomic_store_n(&instance.event_child, 0, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < processes_end; i++)
        if (processes[i].state == PROCESS_ALIVE && exo_vcpu_start(processes[i].slot, 0) == EXO_OK) {
            exo_print("process %u (%s) was stopped by the kernel", processes[i].pid, processes[i].name);
            fault_tell(processes[i].frame);
            process_end(&processes[i], SIGSEGV);
        }
}

static void serve(void)
{
    while (!instance.over) {
        exo_events_block();
        __atomic_store_n(&EXO_CONTEXT->inbox_full, 0, __ATOMIC_SEQ_CST); /* a message says that there is something to do */
        terminal_keys_take();
        process_alarms_pass();
        if (instance.event_child)
            faulted_end();
        loan_look();
        if (!instance.event_child)
            exo_sleep(EXO_NEVER, EXO_EVENT_CHILD | EXO_EVENT_MESSAGE | EXO_EVENT_REVOKE | EXO_EVENT_IMPERATIVE, true);
        exo_events_restore(false);
    }
}

static int report(void)
{
    uint32_t lost = memory_lost();

    exo_print("%u processes made %lu requests, the first ended with %d; %s", instance.created, instance.requests,
              instance.status, lost ? "FRAMES ARE MISSING" : "every frame that they had is back");
    exo_print("%u processes began where others had ended; %u left their environment damaged", shell_counts.used, shell_counts.damaged);
    exo_print("system calls: %lu through the kernel, %lu from rewritten sites", instance.counts.trapped, instance.counts.direct);
    if (lost)
        exo_print("%u frames belong to environments that are gone", lost);
    return lost ? STATUS_LOST : instance.status;
}

int main(void)
{
    const char *error = server_open();

    if (!error) {
        error = archive_unpack();
        if (!error && devices_make() < 0)
            error = "there is no memory for /dev";
        request_command = exo_start.arguments;
    }
    if (!error) {
        exo_event_handler = event_note;
        error = first_start();
    }
    if (error) {
        exo_print("cannot start: %s", error);
        return STATUS_BAD_START;
    }
    serve();
    return report();
}
