#include "node.h"
#include "hardware.h"
#include "log.h"
#include <string.h>

enum { NODE_ROOM = PAGE_SIZE - sizeof(struct node) };

void node_make(struct node *node, uint8_t kind)
{
    memset(node, 0, PAGE_SIZE);
    node->kind = kind;
    node->cells = PAGE_SIZE;
}

static uint32_t prefix_of(struct db_bytes key)
{
    uint32_t prefix = 0;

    if (key.size >= sizeof prefix)
        memcpy(&prefix, key.data, sizeof prefix);
    else
        memcpy(&prefix, key.data, key.size);
    return __builtin_bswap32(prefix);
}

struct cell *node_cell(const struct node *node, uint32_t index)
{
    return (struct cell *)((uint8_t *)node + node->slot[index].cell);
}

struct db_bytes node_key(const struct node *node, uint32_t index)
{
    return (struct db_bytes){ node_cell(node, index) + 1, node->slot[index].key_size };
}

/* As memcmp, in words, since a key is compared a dozen times on the way to its place. */
static inline int bytes_order(const void *a, const void *b, uint32_t size)
{
    const uint8_t *x = a, *y = b;
    uint64_t v, w;

    for (; size >= sizeof v; size -= sizeof v, x += sizeof v, y += sizeof v) {
        memcpy(&v, x, sizeof v);
        memcpy(&w, y, sizeof w);
        if (v != w)
            return __builtin_bswap64(v) < __builtin_bswap64(w) ? -1 : 1;
    }
    for (; size; size--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}

/* Is the slot's key below? */
static bool slot_is_below(const struct node *node, uint32_t index, struct db_bytes key, uint32_t prefix)
{
    const struct node_slot *slot = &node->slot[index];

    if (slot->prefix != prefix)
        return slot->prefix < prefix;
    int order = bytes_order(node_cell(node, index) + 1, key.data, slot->key_size < key.size ? slot->key_size : key.size);
    return order < 0 || (order == 0 && slot->key_size < key.size);
}

uint32_t node_find(const struct node *node, struct db_bytes key, bool *ret_is_it)
{
    uint32_t prefix = prefix_of(key), low = 0, high = node->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (slot_is_below(node, middle, key, prefix))
            low = middle + 1;
        else
            high = middle;
    }
    *ret_is_it = low < node->count && node->slot[low].key_size == key.size && node->slot[low].prefix == prefix &&
                 !bytes_order(node_cell(node, low) + 1, key.data, key.size);
    return low;
}

uint32_t node_way(const struct node *node, struct db_bytes key)
{
    bool is_it;
    uint32_t index = node_find(node, key, &is_it);

    return index + is_it;
}

uint32_t node_child(const struct node *node, uint32_t way)
{
    return way ? node_cell(node, way - 1)->page : node->first;
}

/* Bytes that stand behind the key of a leaf's cell. */
static uint32_t inline_size(const struct node *node, uint32_t index)
{
    const struct cell *cell = node_cell(node, index);

    return node->kind == NODE_LEAF && !cell->page ? cell->size : 0;
}

static uint32_t cell_size(const struct node *node, uint32_t index)
{
    return (uint32_t)sizeof(struct cell) + node->slot[index].key_size + inline_size(node, index);
}

struct db_bytes node_value(const struct node *node, uint32_t index)
{
    const struct cell *cell = node_cell(node, index);

    if (cell->page)
        return (struct db_bytes){ page_at(cell->page), cell->size };
    return (struct db_bytes){ (const uint8_t *)(cell + 1) + node->slot[index].key_size, cell->size };
}

uint32_t node_room_for(const struct cell_new *cell)
{
    return (uint32_t)(sizeof(struct node_slot) + sizeof(struct cell)) + cell->key.size + cell->bytes.size;
}

bool node_has_room(const struct node *node, const struct cell_new *cell)
{
    return node->count * sizeof(struct node_slot) + node->used + node_room_for(cell) <= NODE_ROOM;
}

static void node_put(struct node *node, uint32_t index, struct db_bytes key, const struct cell *cell, struct db_bytes bytes)
{
    node->cells -= (uint16_t)(sizeof *cell + key.size + bytes.size);
    node->used += (uint16_t)(sizeof *cell + key.size + bytes.size);
    uint8_t *at = (uint8_t *)node + node->cells;
    memcpy(at, cell, sizeof *cell);
    memcpy(at + sizeof *cell, key.data, key.size);
    if (bytes.size)
        memcpy(at + sizeof *cell + key.size, bytes.data, bytes.size);
    memmove(&node->slot[index + 1], &node->slot[index], (node->count - index) * sizeof node->slot[0]);
    node->slot[index] = (struct node_slot){ prefix_of(key), node->cells, (uint16_t)key.size };
    node->count++;
}

static void node_copy(struct node *node, const struct node *from, uint32_t index)
{
    struct db_bytes key = node_key(from, index);
    struct db_bytes bytes = { (const uint8_t *)key.data + key.size, inline_size(from, index) };

    node_put(node, node->count, key, node_cell(from, index), bytes);
}

/* Nothing between the slots and the cells is lost afterwards. */
static void node_compact(struct node *node)
{
    uint8_t page[PAGE_SIZE] __attribute__((aligned(8)));
    const struct node *old = (const struct node *)page;

    memcpy(page, node, PAGE_SIZE);
    node->count = node->used = 0;
    node->cells = PAGE_SIZE;
    for (uint32_t i = 0; i < old->count; i++)
        node_copy(node, old, i);
}

void node_insert(struct node *node, uint32_t index, const struct cell_new *cell)
{
    uint32_t slots_end = (uint32_t)(sizeof *node + node->count * sizeof node->slot[0]);

    if (node->cells - slots_end < node_room_for(cell))
        node_compact(node);
    node_put(node, index, cell->key, &cell->cell, cell->bytes);
}

void node_remove(struct node *node, uint32_t index)
{
    node->used -= (uint16_t)cell_size(node, index);
    node->count--;
    memmove(&node->slot[index], &node->slot[index + 1], (node->count - index) * sizeof node->slot[0]);
}

/* Room that the cells below `split` take, of the old ones and the new one at index. */
static uint32_t room_below(const struct node *old, uint32_t index, const struct cell_new *cell, uint32_t split)
{
    uint32_t room = 0;

    for (uint32_t i = 0; i < split; i++)
        room += i == index ? node_room_for(cell) : (uint32_t)sizeof(struct node_slot) + cell_size(old, i - (i > index));
    return room;
}

/* The first split that leaves the right one small enough; the last cell alone goes right when keys come in order. */
static uint32_t split_choose(const struct node *old, uint32_t index, const struct cell_new *cell)
{
    uint32_t count = old->count + 1u, total = room_below(old, index, cell, count), split = 1;

    if (index == old->count && !old->next && room_below(old, index, cell, count - 1) <= NODE_ROOM)
        return count - 1;
    while (split < count - 1 && (total - room_below(old, index, cell, split) > NODE_ROOM || room_below(old, index, cell, split) < total / 2))
        split++;
    return room_below(old, index, cell, split) <= NODE_ROOM ? split : split - 1;
}

uint32_t node_split(struct node *node, struct node *right, uint32_t index, const struct cell_new *cell, uint8_t *ret_middle)
{
    uint8_t page[PAGE_SIZE] __attribute__((aligned(8)));
    const struct node *old = (const struct node *)page;
    uint32_t split, size = 0;

    memcpy(page, node, PAGE_SIZE);
    split = split_choose(old, index, cell);
    node->count = node->used = 0;
    node->cells = PAGE_SIZE;
    for (uint32_t i = 0; i <= old->count; i++) {
        struct node *into = i < split ? node : right;
        struct db_bytes key = i == index ? cell->key : node_key(old, i - (i > index));
        if (i == split) {
            memcpy(ret_middle, key.data, size = key.size);
            if (old->kind == NODE_INNER) {
                right->first = i == index ? cell->cell.page : node_cell(old, i - (i > index))->page;
                continue;
            }
        }
        if (i == index)
            node_put(into, into->count, cell->key, &cell->cell, cell->bytes);
        else
            node_copy(into, old, i - (i > index));
    }
    return size;
}

bool nodes_fit(const struct node *left, const struct node *right)
{
    return (left->count + right->count) * sizeof(struct node_slot) + left->used + right->used <= NODE_ROOM / 4 * 3;
}

void node_append(struct node *left, const struct node *right)
{
    node_compact(left);
    for (uint32_t i = 0; i < right->count; i++)
        node_copy(left, right, i);
}

bool node_is_sound(const struct node *node)
{
    uint32_t used = 0;

    if (node->kind != NODE_LEAF && node->kind != NODE_INNER)
        return false;
    for (uint32_t i = 0; i < node->count; i++) {
        struct db_bytes key = node_key(node, i);
        if (node->slot[i].cell < node->cells || node->slot[i].cell + cell_size(node, i) > PAGE_SIZE || node->slot[i].prefix != prefix_of(key))
            return false;
        if (i && !slot_is_below(node, i - 1, key, prefix_of(key)))
            return false;
        used += cell_size(node, i);
    }
    return used == node->used && sizeof *node + node->count * sizeof node->slot[0] <= node->cells;
}
