#include "node.h"
#include "hardware.h"
#include "log.h"
#include <string.h>

enum { NODE_ROOM = PAGE_SIZE - sizeof(struct node) };

void node_make(struct node *node, uint8_t kind)
{
    *node = (struct node){ .kind = kind, .cells = PAGE_SIZE };
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

/* Cells from first to end - 1, behind the others; those that lie below each other, as cells do that came in order, as one. How many bytes. */
static uint32_t cells_copy(struct node *node, const struct node *from, uint32_t first, uint32_t end)
{
    uint32_t before = node->used;

    for (uint32_t next = first; first < end; first = next) {
        uint32_t low = from->slot[first].cell, high = low + cell_size(from, first);
        for (next = first + 1; next < end && from->slot[next].cell + cell_size(from, next) == low; next++)
            low = from->slot[next].cell;
        node->cells -= (uint16_t)(high - low);
        node->used += (uint16_t)(high - low);
        memcpy((uint8_t *)node + node->cells, (const uint8_t *)from + low, high - low);
        for (uint16_t way = (uint16_t)(node->cells - low); first < next; first++)
            node->slot[node->count++] = (struct node_slot){ from->slot[first].prefix, (uint16_t)(from->slot[first].cell + way), from->slot[first].key_size };
    }
    return node->used - before;
}

/* Nothing between the slots and the cells is lost afterwards. */
static void node_compact(struct node *node)
{
    uint8_t page[PAGE_SIZE] __attribute__((aligned(8)));
    const struct node *old = (const struct node *)page;

    memcpy(page, node, PAGE_SIZE);
    node->count = node->used = 0;
    node->cells = PAGE_SIZE;
    cells_copy(node, old, 0, old->count);
}

static bool node_is_fragmented(const struct node *node, const struct cell_new *cell)
{
    return sizeof *node + node->count * sizeof node->slot[0] + node_room_for(cell) > node->cells;
}

/* The header, and the slots from index on. */
static uint32_t front_ranges(uint32_t index, uint32_t count, struct node_range *ranges)
{
    ranges[0] = (struct node_range){ 0, sizeof(struct node) };
    ranges[1] = (struct node_range){ (uint32_t)(sizeof(struct node) + index * sizeof(struct node_slot)),
                                     (uint32_t)((count - index) * sizeof(struct node_slot)) };
    return 2;
}

uint32_t node_insert_ranges(const struct node *node, uint32_t index, const struct cell_new *cell, struct node_range *ranges)
{
    uint32_t size = node_room_for(cell) - (uint32_t)sizeof(struct node_slot);

    if (node_is_fragmented(node, cell)) {
        ranges[0] = (struct node_range){ 0, PAGE_SIZE };
        return 1;
    }
    front_ranges(index, node->count + 1u, ranges);
    ranges[2] = (struct node_range){ node->cells - size, size };
    return 3;
}

uint32_t node_remove_ranges(const struct node *node, uint32_t index, struct node_range *ranges)
{
    return front_ranges(index, node->count, ranges);
}

void node_insert(struct node *node, uint32_t index, const struct cell_new *cell)
{
    if (node_is_fragmented(node, cell))
        node_compact(node);
    node_put(node, index, cell->key, &cell->cell, cell->bytes);
}

void node_remove(struct node *node, uint32_t index)
{
    node->used -= (uint16_t)cell_size(node, index);
    node->count--;
    memmove(&node->slot[index], &node->slot[index + 1], (node->count - index) * sizeof node->slot[0]);
}

/* The first split that leaves both small enough and the left one half of all; the last cell alone goes right when keys come in order. */
uint32_t node_split_choose(const struct node *node, uint32_t index, const struct cell_new *cell)
{
    uint32_t count = node->count + 1u, room = node_room_for(cell), below = 0, split;
    uint32_t old_room = (uint32_t)(node->count * sizeof node->slot[0]) + node->used, total = old_room + room;

    if (index == node->count && !node->next && old_room <= NODE_ROOM)
        return count - 1;
    for (split = 0; split < count - 1 && (!split || total - below > NODE_ROOM || below < total / 2); split++) {
        uint32_t more = split == index ? room : (uint32_t)sizeof node->slot[0] + cell_size(node, split - (split > index));
        if (split && below + more > NODE_ROOM)
            break;
        below += more;
    }
    return split;
}

uint32_t node_split(struct node *node, struct node *right, uint32_t split, uint32_t index, const struct cell_new *cell, uint8_t *ret_middle)
{
    bool is_inner = node->kind == NODE_INNER, goes = index > split || (index == split && !is_inner); /* the new one, to the right */
    uint32_t from = split - (split > index), next = from + (is_inner && split != index); /* old cells: the first to leave, the first for the right */
    struct db_bytes middle = split == index ? cell->key : node_key(node, from);

    memcpy(ret_middle, middle.data, middle.size);
    if (is_inner)
        right->first = split == index ? cell->cell.page : node_cell(node, from)->page;
    uint32_t left = next > from ? cell_size(node, from) : 0;
    left += cells_copy(right, node, next, goes ? index : node->count);
    if (goes) {
        node_put(right, right->count, cell->key, &cell->cell, cell->bytes);
        left += cells_copy(right, node, index, node->count);
    }
    node->used -= (uint16_t)left;
    node->count = (uint16_t)from;
    return middle.size;
}

bool nodes_fit(const struct node *left, const struct node *right)
{
    return (left->count + right->count) * sizeof(struct node_slot) + left->used + right->used <= NODE_ROOM / 4 * 3;
}

void node_append(struct node *left, const struct node *right)
{
    node_compact(left);
    cells_copy(left, right, 0, right->count);
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
