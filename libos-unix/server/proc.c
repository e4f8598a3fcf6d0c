#include "proc.h"
#include "heap.h"
#include "memory.h"
#include <exo/machine.h>
#include <exo/text.h>
#include <unix/linux.h>

enum { TEXT_MOST = 1024, TICKS_NS = 10000000, DIRECTORY = S_IFDIR | 0555, FILE_MODE = S_IFREG | 0444 };

static struct node *top(void)
{
    struct entry *entry = node_entry(node_root, "proc", 4);
    return entry && node_is(entry->node, S_IFDIR) ? entry->node : 0;
}

static bool begins(const char *text, const char *with)
{
    while (*with && *text == *with) {
        text++;
        with++;
    }
    return !*with;
}

bool proc_is_meant(const struct process *process, const char *path)
{
    if (*path == '/')
        return path[1] == 'p' && begins(path, "/proc") && (path[5] == '/' || !path[5]);
    const struct node *proc = top();
    for (const struct node *at = process->directory; proc && at && at != node_root; at = at->parent)
        if (at == proc)
            return true;
    return process->directory == node_root && begins(path, "proc");
}

/* The node of this name, made if it is not there; 0: no memory. */
static struct node *named(struct node *directory, const char *name, uint32_t mode)
{
    struct entry *entry = node_entry(directory, name, exo_text_length(name));
    struct node *node = entry ? entry->node : node_new(mode);

    if (!entry && node && node_link(directory, name, exo_text_length(name), node) < 0) {
        node_settle(node);
        return 0;
    }
    return node;
}

static void file_write_text(struct node *directory, const char *name, const char *text, size_t size)
{
    struct node *node = named(directory, name, FILE_MODE);

    if (node && node_write(node, 0, text, size) >= 0)
        node_resize(node, size);
}

static void file_write_format(struct node *directory, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void file_write_format(struct node *directory, const char *name, const char *format, ...)
{
    static char text[TEXT_MOST];
    va_list list;

    va_start(list, format);
    size_t size = exo_format_list(text, sizeof text, format, list);
    va_end(list);
    file_write_text(directory, name, text, size);
}

static char state_of(const struct process *process)
{
    return process->state == PROCESS_ZOMBIE ? 'Z' : process->stopped ? 'T' : process->runnable && pipe_wait_is_over(process, false) ? 'R' : 'S';
}

static uint32_t frames_of(const struct process *process)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < process->chunk_count; i++)
        count += process->chunk[i].count;
    return count;
}

static void process_write(struct node *proc, const struct process *process)
{
    char name[16];
    uint32_t parent = process->parent ? process->parent->pid : 0, frames = frames_of(process);

    exo_format(name, sizeof name, "%u", process->pid);
    struct node *directory = named(proc, name, DIRECTORY);
    if (!directory)
        return;
    file_write_format(directory, "stat", "%u (%s) %c %u %u %u 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %lu %lu %u 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n",
                      process->pid, process->name, state_of(process), parent, process->group, process->session,
                      process->started / TICKS_NS, (uint64_t)frames * EXO_FRAME_SIZE, frames);
    file_write_format(directory, "status", "Name:\t%s\nState:\t%c\nTgid:\t%u\nPid:\t%u\nPPid:\t%u\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmSize:\t%u kB\n",
                      process->name, state_of(process), process->pid, process->pid, parent, frames * 4);
    file_write_format(directory, "statm", "%u %u 0 0 0 0 0\n", frames, frames);
    file_write_format(directory, "comm", "%s\n", process->name);
    file_write_text(directory, "cmdline", process->command, process->command_size);
}

static bool is_there(uint64_t pid)
{
    for (uint32_t i = 0; i < PROCESSES_MAX; i++)
        if ((processes[i].state == PROCESS_ALIVE || processes[i].state == PROCESS_ZOMBIE) && processes[i].pid == pid)
            return true;
    return false;
}

static void directory_forget(struct node *proc, struct entry *entry)
{
    while (entry->node->entries)
        node_unlink(entry->node, entry->node->entries);
    node_unlink(proc, entry);
}

/* Directories of processes that are no more. */
static void gone_forget(struct node *proc)
{
    for (struct entry *entry = proc->entries, *next; entry; entry = next) {
        const char *name = entry->name;
        next = entry->next;
        if (*name >= '0' && *name <= '9' && !is_there(exo_text_number(&name)))
            directory_forget(proc, entry);
    }
}

static void self_write(struct node *proc, uint32_t pid)
{
    char text[16];
    struct node *node = named(proc, "self", S_IFLNK | 0777);
    size_t size = exo_format(text, sizeof text, "%u", pid);

    if (!node || (!node->target && !(node->target = heap_alloc(sizeof text))))
        return;
    memcpy(node->target, text, size + 1);
    node->size = size;
}

static void machine_write(struct node *proc)
{
    uint64_t total = (uint64_t)memory.count * EXO_FRAME_SIZE / 1024;
    uint64_t left = ((uint64_t)exo_frames_free(&memory.store) + memory_chunks_free()) * EXO_FRAME_SIZE / 1024, now = exo_time() / TICKS_NS;

    file_write_format(proc, "meminfo", "MemTotal: %lu kB\nMemFree: %lu kB\nMemAvailable: %lu kB\nBuffers: 0 kB\nCached: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nShmem: 0 kB\nSReclaimable: 0 kB\n",
                      total, left, left);
    file_write_format(proc, "uptime", "%lu.%02lu 0.00\n", now / 100, now % 100);
    file_write_format(proc, "loadavg", "0.00 0.00 0.00 1/1 1\n");
    file_write_format(proc, "stat", "cpu  0 0 0 %lu 0 0 0 0 0 0\nbtime 0\n", now);
    file_write_format(proc, "mounts", "tmpfs / tmpfs rw 0 0\nproc /proc proc rw 0 0\n");
    file_write_format(proc, "filesystems", "nodev\ttmpfs\nnodev\tproc\n");
    file_write_format(proc, "version", "Linux version 6.1.0 (libos-unix on Exo)\n");
    file_write_format(proc, "cpuinfo", "processor\t: 0\nvendor_id\t: unknown\nflags\t\t: fpu\n");
}

void proc_refresh(const struct process *process)
{
    struct node *proc = top();

    if (!proc)
        return;
    gone_forget(proc);
    for (uint32_t i = 0; i < PROCESSES_MAX; i++)
        if (processes[i].state == PROCESS_ALIVE || processes[i].state == PROCESS_ZOMBIE)
            process_write(proc, &processes[i]);
    self_write(proc, process->pid);
    machine_write(proc);
}
