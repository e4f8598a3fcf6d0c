/*
 * A page of a tree: a header, slots sorted by key from the front, cells from the back. A leaf's cell is the key and its value, or where
 * the value stands when it is long: in pages in a row of its own. An inner page's cell is the key and the child with the keys from it on;
 * `first` is the child with the keys below all. Slots carry the first four bytes of the key, so that a search reads few cells.
 */
#pragma once
#include "db.h"

enum { NODE_LEAF = 0x6c, NODE_INNER = 0x69, VALUE_INLINE_MAX = 1024 };

struct node_slot {
    uint32_t prefix; /* of the key, the first byte highest, zeros behind it */
    uint16_t cell;   /* offset */
    uint16_t key_size;
};

struct node {
    uint8_t kind, reserved[3];
    uint16_t count;
    uint16_t cells;             /* where the lowest cell begins */
    uint16_t used, reserved2;   /* bytes of cells that count */
    uint32_t first;             /* of an inner page */
    uint32_t previous, next;    /* of a leaf: its neighbours, or 0 */
    struct node_slot slot[];
};

/* In front of the key in a cell, at any address. A leaf: the value's size; its bytes follow the key, or `page` is where they stand. */
struct __attribute__((packed, aligned(1))) cell {
    uint32_t size, page;
};

void node_make(struct node *node, uint8_t kind);
/* The first slot whose key is not below; is it the key itself? */
uint32_t node_find(const struct node *node, struct db_bytes key, bool *ret_is_it);
struct db_bytes node_key(const struct node *node, uint32_t index);
struct cell *node_cell(const struct node *node, uint32_t index);
/* The value's bytes, wherever they stand. */
struct db_bytes node_value(const struct node *node, uint32_t index);
/* Of a key that is looked for: the child to go to, 0 being `first`. */
uint32_t node_way(const struct node *node, struct db_bytes key);
uint32_t node_child(const struct node *node, uint32_t way);

/* A cell to be put in: the key, and behind it `bytes` (a leaf's short value). */
struct cell_new {
    struct db_bytes key, bytes;
    struct cell cell;
};
uint32_t node_room_for(const struct cell_new *cell);
bool node_has_room(const struct node *node, const struct cell_new *cell);

/* Bytes of a page that a change is going to write. */
struct node_range {
    uint32_t offset, size;
};
enum { NODE_RANGES = 3 };
/* Those of node_insert, and of node_remove; how many. */
uint32_t node_insert_ranges(const struct node *node, uint32_t index, const struct cell_new *cell, struct node_range *ranges);
uint32_t node_remove_ranges(const struct node *node, uint32_t index, struct node_range *ranges);
void node_insert(struct node *node, uint32_t index, const struct cell_new *cell);
void node_remove(struct node *node, uint32_t index);

/* Where a full page is to be split: so many cells, of the old ones and the new one at index, are to stay. */
uint32_t node_split_choose(const struct node *node, uint32_t index, const struct cell_new *cell);
/* The cells from `split` on go to right, an empty one, the new one among them if it belongs there (else it is still to be inserted); of node
 * only the header changes. An inner page's middle key goes to neither, but to ret_middle (of DB_KEY_MAX bytes); of a leaf it is a copy of
 * the right one's first. Returns the middle key's size. */
uint32_t node_split(struct node *node, struct node *right, uint32_t split, uint32_t index, const struct cell_new *cell, uint8_t *ret_middle);
/* Would the cells of both fit into one, with room to grow? Then right's are appended to a leaf. */
bool nodes_fit(const struct node *left, const struct node *right);
void node_append(struct node *left, const struct node *right);
bool node_is_sound(const struct node *node);
