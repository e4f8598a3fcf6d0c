#include "node.h"
#include "heap.h"
#include "memory.h"
#include "vector.h"
#include <exo/machine.h>
#include <exo/text.h>
#include <unix/linux.h>

struct node *node_root;
uint64_t node_changes;
static struct node *nodes[NODES_MAX];
static uint32_t node_next = 1;

bool node_is(const struct node *node, uint32_t type)
{
    return (node->mode & S_IFMT) == type;
}

static uint32_t number_find(void)
{
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        uint32_t number = (node_next + i) % NODES_MAX;
        if (number && !nodes[number])
            return number;
    }
    return 0;
}

struct node *node_new(uint32_t mode)
{
    uint32_t number = number_find();
    struct node *node = number ? heap_alloc(sizeof *node) : 0;

    if (!node)
        return 0;
    node_next = number + 1;
    node->number = number;
    node->mode = mode;
    node->modified = exo_time();
    nodes[number] = node;
    return node;
}

uint32_t node_left(void)
{
    uint32_t left = 0;

    for (uint32_t i = 1; i < NODES_MAX; i++)
        left += !nodes[i];
    return left;
}

struct node *node_numbered(uint32_t number)
{
    return number < NODES_MAX ? nodes[number] : 0;
}

void node_settle(struct node *node)
{
    if (node->names || node->users || node == node_root)
        return;
    if (node_is(node, S_IFREG))
        node_resize(node, 0);
    heap_free(node->frames);
    heap_free(node->target);
    nodes[node->number] = 0;
    heap_free(node);
}

struct entry *node_entry(const struct node *directory, const char *name, size_t length)
{
    for (struct entry *entry = directory->entries; entry; entry = entry->next)
        if (entry->name[0] == *name && !memcmp(entry->name, name, length) && !entry->name[length])
            return entry;
    return 0;
}

int64_t node_link(struct node *directory, const char *name, size_t length, struct node *node)
{
    struct entry *entry = heap_alloc(sizeof *entry + length + 1);

    if (!entry)
        return -ENOSPC;
    node_changes++;
    memcpy(entry->name, name, length);
    entry->node = node;
    entry->place = ENTRY_PLACES + directory->places++;
    if (directory->last)
        directory->last->next = entry;
    else
        directory->entries = entry;
    directory->last = entry;
    directory->modified = exo_time();
    node->names++;
    if (node_is(node, S_IFDIR))
        node->parent = directory;
    return 0;
}

void node_unlink(struct node *directory, struct entry *entry)
{
    struct entry *before = 0, **at = &directory->entries;
    struct node *node = entry->node;

    node_changes++;
    while (*at != entry) {
        before = *at;
        at = &(*at)->next;
    }
    *at = entry->next;
    if (directory->last == entry)
        directory->last = before;
    heap_free(entry);
    directory->modified = exo_time();
    node->names--;
    node_settle(node);
}

static int64_t frames_make_room(struct node *node, uint64_t pages)
{
    if (pages <= node->room)
        return 0;
    if (pages > FILE_PAGES_MAX)
        return -EFBIG;
    uint64_t room = node->room ? node->room : 4;
    while (room < pages)
        room *= 2;
    uint32_t *frames = heap_alloc(room * sizeof *frames);
    if (!frames)
        return -ENOSPC;
    memcpy(frames, node->frames, node->room * sizeof *frames);
    heap_free(node->frames);
    node->frames = frames;
    node->room = (uint32_t)room;
    return 0;
}

int64_t node_resize(struct node *node, uint64_t size)
{
    uint64_t pages = (size + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE;
    int64_t result = frames_make_room(node, pages);

    if (result < 0)
        return result;
    if (size < node->size || pages > node->room)
        node->run = 0;
    for (uint64_t i = pages; i < node->room; i++) {
        if (node->frames[i])
            store_free(node->frames[i]);
        node->frames[i] = 0;
    }
    if (size < node->size && size % EXO_FRAME_SIZE && node->frames[pages - 1])
        memset(store_page(node->frames[pages - 1]) + size % EXO_FRAME_SIZE, 0, EXO_FRAME_SIZE - size % EXO_FRAME_SIZE);
    node->size = size;
    node->modified = exo_time();
    return 0;
}

/* The bytes from offset on that lie in one page. */
static size_t part_of(uint64_t offset, size_t size)
{
    size_t room = EXO_FRAME_SIZE - offset % EXO_FRAME_SIZE;
    return size < room ? size : room;
}

int64_t node_read(struct node *node, uint64_t offset, void *target, size_t size)
{
    if (offset >= node->size)
        return 0;
    if (size > node->size - offset)
        size = node->size - offset;
    for (size_t done = 0, part; done < size; done += part) {
        uint32_t frame = node->frames[(offset + done) / EXO_FRAME_SIZE];
        part = part_of(offset + done, size - done);
        if (frame)
            vector_copy((uint8_t *)target + done, store_page(frame) + (offset + done) % EXO_FRAME_SIZE, part);
        else
            memset((uint8_t *)target + done, 0, part);
    }
    return (int64_t)size;
}

int64_t node_write(struct node *node, uint64_t offset, const void *source, size_t size)
{
    int64_t result = frames_make_room(node, (offset + size + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE);
    size_t done = 0;

    if (result < 0)
        return result;
    for (size_t part; done < size; done += part) {
        uint32_t *frame = &node->frames[(offset + done) / EXO_FRAME_SIZE];
        part = part_of(offset + done, size - done);
        if (!*frame && !(*frame = store_alloc()))
            break;
        vector_copy(store_page(*frame) + (offset + done) % EXO_FRAME_SIZE, (const uint8_t *)source + done, part);
    }
    if (offset + done > node->size)
        node->size = offset + done;
    node->modified = exo_time();
    return done || !size ? (int64_t)done : -ENOSPC;
}

int64_t node_fill(struct node *node, const void *source, size_t size)
{
    uint32_t pages = (uint32_t)((size + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE);
    uint32_t first = frames_make_room(node, pages) == 0 ? store_alloc_run(pages) : 0;

    for (uint32_t i = 0; first && i < pages; i++)
        node->frames[i] = first + i;
    int64_t result = node_write(node, 0, source, size);
    node->run = first;
    return result;
}
