/* The root's life: find its memory, read the manifest, start the system, watch it, end the machine. */
#include "root.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { ROOT_FRAMES = 1024, SLOT_GATE = 8, SLOT_CONSOLE = 9, STATUS_MANIFEST = 2 };
enum { STATUS_MOST = 127 }; /* QEMU's debug exit passes on seven bits */

struct root root;

/* The root's own memory: the highest run of ROOT_FRAMES free frames. */
static void memory_open(void)
{
    uint32_t run = 0, frame = exo_system_info()->frame_count;

    while (frame-- > 1 && run < ROOT_FRAMES)
        run = exo_frame_info(frame)->kind == EXO_FRAME_FREE ? run + 1 : 0;
    exo_frames_open(&root.frames, 0, exo_start_slot(EXO_KIND_FRAMES, 0), frame + 1, run);
    exo_space_open(&root.space, &exo_start, &root.frames);
}

/* Messages come to gate 0. Nobody is given the right to call it. */
static void gate_open(void)
{
    int64_t result = exo_gate_create(0, 0, (uint64_t)exo_event_entry, 0, SLOT_GATE);
    if (result != EXO_OK)
        exo_print("no gate: %s", exo_status_name(result));
}

/* The root's own lines carry its name, too. */
static void console_open(void)
{
    int64_t result = exo_capability_derive(0, exo_start_slot(EXO_KIND_CONSOLE, 0), 0, SLOT_CONSOLE, EXO_RIGHT_WRITE,
                                           0x746f6f72, 0);
    if (result == EXO_OK)
        exo_console = SLOT_CONSOLE;
}

static bool members_start(void)
{
    size_t size = 0;
    const char *text = archive_find("system", &size), *error = text ? manifest_read(text, size) : "it is missing";

    if (error) {
        exo_print("the system file in the boot module is wrong: %s", error);
        return false;
    }
    flows_make();
    loans_place();
    for (uint32_t i = 0; i < root.member_count; i++)
        member_build(&root.member[i]);
    for (uint32_t i = 0; i < root.member_count; i++)
        if (root.member[i].state == MEMBER_BUILT)
            member_lend(&root.member[i]);
    for (uint32_t i = 0; i < root.member_count; i++)
        if (root.member[i].state == MEMBER_BUILT)
            member_start(&root.member[i]);
    return true;
}

/* Nothing unless this kernel measures its paths. */
static void longest_path_print(void)
{
    uint32_t path = 0, stretch = 0;

    for (uint32_t i = 0; i < exo_system_info()->processor_count; i++) {
        const volatile struct exo_processor *info = exo_processor_info(i);
        path = info->longest_path > path ? info->longest_path : path;
        stretch = info->longest_stretch > stretch ? info->longest_stretch : stretch;
    }
    if (path)
        exo_print("longest path %u ticks, %u without a look at the timer", path, stretch);
}

static void verdict_print(int status)
{
    uint32_t failed = 0;

    for (uint32_t i = 0; i < root.member_count; i++)
        failed += root.member[i].status != 0;
    exo_print("system over after %lu ms: %u environments, %u failed, status %d", exo_time() / 1000000, root.member_count,
              failed, status);
}

int main(void)
{
    int status = STATUS_MANIFEST;

    console_open();
    memory_open();
    gate_open();
    exo_print("%u processors, %u frames, %u of them the kernel's", exo_system_info()->processor_count,
              exo_system_info()->frame_count, exo_system_info()->kernel_frames);
    if (members_start())
        status = watch();
    report_print();
    longest_path_print();
    verdict_print(status);
    exo_machine_exit(exo_start_slot(EXO_KIND_MACHINE, 0), (uint8_t)(status < STATUS_MOST ? status : STATUS_MOST));
    return status;
}
