/* The trees of db.h: the way down, splits on the way up, and pages that run empty. */
#include "hardware.h"
#include "log.h"
#include "node.h"
#include <string.h>

enum { DEPTH_MAX = 16 };

/* The way from the root to a leaf: pages, and which child was taken. */
struct path {
    uint32_t depth; /* of the leaf */
    uint32_t page[DEPTH_MAX], way[DEPTH_MAX];
};

static bool key_is_good(uint32_t tree, struct db_bytes key)
{
    return tree < DB_TREES && key.size >= 1 && key.size <= DB_KEY_MAX;
}

static uint32_t pages_for(uint32_t size)
{
    return (size + PAGE_SIZE - 1) / PAGE_SIZE;
}

static const struct node *leaf_of(uint32_t tree, struct db_bytes key, uint32_t *ret_page)
{
    uint32_t page = tree_root(tree);
    const struct node *node = page_at(page);

    if (!page)
        return 0;
    while (node->kind == NODE_INNER) {
        page = node_child(node, key.size ? node_way(node, key) : 0);
        node = page_at(page);
    }
    *ret_page = page;
    return node;
}

static void path_find(uint32_t tree, struct db_bytes key, struct path *path)
{
    uint32_t page = tree_root(tree);

    for (path->depth = 0;; path->depth++) {
        const struct node *node = page_at(page);
        path->page[path->depth] = page;
        if (node->kind == NODE_LEAF)
            return;
        path->way[path->depth] = node_way(node, key);
        page = node_child(node, path->way[path->depth]);
    }
}

int64_t db_get(uint32_t tree, struct db_bytes key, struct db_bytes *ret_value)
{
    uint32_t page;
    bool is_it;

    if (!key_is_good(tree, key))
        return DB_BAD_SIZE;
    const struct node *leaf = leaf_of(tree, key, &page);
    uint32_t index = leaf ? node_find(leaf, key, &is_it) : 0;
    if (!leaf || !is_it)
        return DB_NOT_FOUND;
    *ret_value = node_value(leaf, index);
    return DB_OK;
}

/* A long value gets pages of its own, in a row. */
static int64_t value_store(struct cell_new *cell, struct db_bytes value)
{
    cell->cell = (struct cell){ .size = value.size };
    if (value.size <= VALUE_INLINE_MAX) {
        cell->bytes = value;
        return DB_OK;
    }
    uint32_t count = pages_for(value.size), page = pages_alloc(count);
    if (!page)
        return DB_FULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i * PAGE_SIZE, part = value.size - at < PAGE_SIZE ? value.size - at : PAGE_SIZE;
        uint8_t *to = page_begin(page + i);
        if (!to)
            return DB_TOO_LARGE;
        memcpy(to, (const uint8_t *)value.data + at, part);
        if (!page_change(page + i, 0, part))
            return DB_TOO_LARGE;
    }
    cell->cell.page = page;
    return DB_OK;
}

static bool value_free(const struct cell *cell)
{
    return !cell->page || pages_free(cell->page, pages_for(cell->size));
}

static struct node *node_new(uint8_t kind, uint32_t *ret_page, int64_t *ret_error)
{
    uint32_t page = pages_alloc(1);
    struct node *node = page ? page_begin(page) : 0;

    *ret_error = !page ? DB_FULL : DB_TOO_LARGE;
    if (!node)
        return 0;
    node_make(node, kind);
    *ret_page = page;
    return node;
}

/* The page, of which these bytes are about to be written; 0: there is no room for more changes. */
static struct node *ranges_change(uint32_t page, const struct node_range *ranges, uint32_t count)
{
    struct node *node = page_at(page);

    for (uint32_t i = 0; i < count && node; i++)
        node = page_change(page, ranges[i].offset, ranges[i].size);
    return node;
}

static struct node *header_change(uint32_t page)
{
    return page_change(page, 0, sizeof(struct node));
}

static bool cell_insert(uint32_t page, uint32_t index, const struct cell_new *cell)
{
    struct node_range ranges[NODE_RANGES];
    struct node *node = ranges_change(page, ranges, node_insert_ranges(page_at(page), index, cell, ranges));

    if (node)
        node_insert(node, index, cell);
    return node != 0;
}

static bool cell_remove(uint32_t page, uint32_t index)
{
    struct node_range ranges[NODE_RANGES];
    struct node *node = ranges_change(page, ranges, node_remove_ranges(page_at(page), index, ranges));

    if (node)
        node_remove(node, index);
    return node != 0;
}

/* All that a page holds that was begun in this transaction. */
static bool node_log(uint32_t page)
{
    const struct node *node = page_at(page);

    return page_change(page, 0, (uint32_t)(sizeof *node + node->count * sizeof node->slot[0])) &&
           page_change(page, node->cells, PAGE_SIZE - node->cells);
}

static int64_t root_make(uint32_t tree, const struct cell_new *cell, uint8_t kind, uint32_t first)
{
    uint32_t page;
    int64_t error;
    struct node *root = node_new(kind, &page, &error);

    if (!root)
        return error;
    root->first = first;
    node_insert(root, 0, cell);
    return node_log(page) && tree_root_set(tree, page) ? DB_OK : DB_TOO_LARGE;
}

/* A leaf's new right neighbour joins the chain. */
static bool leaf_link(struct node *left, uint32_t left_page, struct node *right, uint32_t right_page)
{
    struct node *after = left->next ? header_change(left->next) : 0;

    if (left->next && !after)
        return false;
    right->next = left->next;
    right->previous = left_page;
    if (after)
        after->previous = right_page;
    left->next = right_page;
    return true;
}

static int64_t insert_at(uint32_t tree, const struct path *path, uint32_t depth, uint32_t index, const struct cell_new *cell);

/* A full page gets a right neighbour, and the page above a cell for it. */
static int64_t split_at(uint32_t tree, const struct path *path, uint32_t depth, uint32_t index, const struct cell_new *cell)
{
    struct node *node = header_change(path->page[depth]), *right;
    uint8_t middle[DB_KEY_MAX];
    uint32_t page;
    int64_t error;

    if (!node)
        return DB_TOO_LARGE;
    right = node_new(node->kind, &page, &error);
    if (!right)
        return error;
    if (node->kind == NODE_LEAF && !leaf_link(node, path->page[depth], right, page))
        return DB_TOO_LARGE;
    uint32_t split = node_split_choose(node, index, cell);
    struct cell_new above = { .cell = { .page = page }, .key = { middle, node_split(node, right, split, index, cell, middle) } };
    if (!node_log(page) || (index < split && !cell_insert(path->page[depth], index, cell)))
        return DB_TOO_LARGE;
    if (depth == 0)
        return root_make(tree, &above, NODE_INNER, path->page[0]);
    return insert_at(tree, path, depth - 1, path->way[depth - 1], &above);
}

/* The cell goes into the page at this depth of the path, which is split when it is full, and so on upwards. */
static int64_t insert_at(uint32_t tree, const struct path *path, uint32_t depth, uint32_t index, const struct cell_new *cell)
{
    if (!node_has_room(page_at(path->page[depth]), cell))
        return split_at(tree, path, depth, index, cell);
    return cell_insert(path->page[depth], index, cell) ? DB_OK : DB_TOO_LARGE;
}

/* Bytes that stand in the store may move when it changes. */
static struct db_bytes bytes_keep(struct db_bytes bytes, uint8_t *room)
{
    if (bytes.size)
        memcpy(room, bytes.data, bytes.size);
    return (struct db_bytes){ room, bytes.size };
}

/* Can the new value stand where the old one does? */
static bool value_fits(const struct node *leaf, uint32_t index, const struct cell_new *cell)
{
    const struct cell *old = node_cell(leaf, index);
    return !old->page && !cell->cell.page && old->size == cell->cell.size;
}

static int64_t value_replace(uint32_t page, uint32_t index, struct db_bytes value)
{
    uint8_t *to = (uint8_t *)node_value(page_at(page), index).data;

    if (!page_change(page, (uint32_t)((uint64_t)to % PAGE_SIZE), value.size))
        return DB_TOO_LARGE;
    if (value.size)
        memcpy(to, value.data, value.size);
    return DB_OK;
}

int64_t db_put(uint32_t tree, struct db_bytes key, struct db_bytes value)
{
    static uint8_t key_room[DB_KEY_MAX], value_room[VALUE_INLINE_MAX];
    struct cell_new cell = { 0 };
    struct path path;
    bool is_it = false;

    if (!key_is_good(tree, key) || value.size > DB_VALUE_MAX)
        return DB_BAD_SIZE;
    if (!log_is_in_transaction())
        return DB_BAD_STATE;
    cell.key = key = bytes_keep(key, key_room);
    if (value.size <= VALUE_INLINE_MAX)
        value = bytes_keep(value, value_room);
    int64_t result = value_store(&cell, value);
    if (result != DB_OK)
        return result;
    if (!tree_root(tree))
        return root_make(tree, &cell, NODE_LEAF, 0);
    path_find(tree, key, &path);
    const struct node *leaf = page_at(path.page[path.depth]);
    uint32_t index = node_find(leaf, key, &is_it);
    if (is_it && value_fits(leaf, index, &cell))
        return value_replace(path.page[path.depth], index, value);
    if (is_it && (!value_free(node_cell(leaf, index)) || !cell_remove(path.page[path.depth], index)))
        return DB_TOO_LARGE;
    return insert_at(tree, &path, path.depth, index, &cell);
}

/* The child of an inner page goes; the page at depth of the path may run empty by that, and go too. */
static bool child_remove(uint32_t tree, const struct path *path, uint32_t depth)
{
    struct node *node = header_change(path->page[depth]);
    uint32_t way = path->way[depth];

    if (!node)
        return false;
    if (node->count == 0) {
        if (!pages_free(path->page[depth], 1))
            return false;
        return depth ? child_remove(tree, path, depth - 1) : tree_root_set(tree, 0);
    }
    if (way == 0)
        node->first = node_cell(node, 0)->page;
    if (!cell_remove(path->page[depth], way ? way - 1 : 0))
        return false;
    if (node->count || depth)
        return true;
    return tree_root_set(tree, node->first) && pages_free(path->page[0], 1); /* a root with one child is not needed */
}

static bool leaf_remove(uint32_t tree, const struct path *path)
{
    uint32_t page = path->page[path->depth];
    const struct node *leaf = page_at(page);
    uint32_t previous_page = leaf->previous, next_page = leaf->next;
    struct node *previous = previous_page ? header_change(previous_page) : 0, *next = next_page ? header_change(next_page) : 0;

    if ((previous_page && !previous) || (next_page && !next))
        return false;
    if (previous)
        previous->next = next_page;
    if (next)
        next->previous = previous_page;
    if (!pages_free(page, 1))
        return false;
    return path->depth ? child_remove(tree, path, path->depth - 1) : tree_root_set(tree, 0);
}

/* A leaf that shrank takes in its right neighbour below the same page, if both fit into one. */
static bool leaf_merge(uint32_t tree, struct path *path)
{
    struct node *leaf = page_at(path->page[path->depth]);
    const struct node *above = path->depth ? page_at(path->page[path->depth - 1]) : 0;

    if (!above || path->way[path->depth - 1] >= above->count || !nodes_fit(leaf, page_at(leaf->next)))
        return true;
    leaf = page_change(path->page[path->depth], 0, PAGE_SIZE); /* it is compacted */
    if (!leaf)
        return false;
    path->way[path->depth - 1]++;
    path->page[path->depth] = leaf->next;
    node_append(leaf, page_at(leaf->next));
    return leaf_remove(tree, path);
}

int64_t db_delete(uint32_t tree, struct db_bytes key)
{
    struct path path;
    bool is_it;

    if (!key_is_good(tree, key))
        return DB_BAD_SIZE;
    if (!log_is_in_transaction())
        return DB_BAD_STATE;
    if (!tree_root(tree))
        return DB_NOT_FOUND;
    path_find(tree, key, &path);
    uint32_t index = node_find(page_at(path.page[path.depth]), key, &is_it);
    if (!is_it)
        return DB_NOT_FOUND;
    const struct node *leaf = page_at(path.page[path.depth]);
    if (!value_free(node_cell(leaf, index)) || !cell_remove(path.page[path.depth], index))
        return DB_TOO_LARGE;
    bool good = leaf->count ? leaf_merge(tree, &path) : leaf_remove(tree, &path);
    return good ? DB_OK : DB_TOO_LARGE;
}

/* Cursors. */
static int64_t cursor_set(struct db_cursor *cursor, uint32_t leaf, uint32_t index)
{
    const struct node *node = page_at(leaf);

    *cursor = (struct db_cursor){ .leaf = leaf, .index = index, .key = node_key(node, index), .value = node_value(node, index) };
    return DB_OK;
}

int64_t db_seek(uint32_t tree, struct db_bytes key, struct db_cursor *cursor)
{
    uint32_t page, index = 0;
    bool is_it;

    if (tree >= DB_TREES || key.size > DB_KEY_MAX)
        return DB_BAD_SIZE;
    const struct node *leaf = leaf_of(tree, key, &page);
    if (!leaf)
        return DB_NOT_FOUND;
    if (key.size)
        index = node_find(leaf, key, &is_it);
    if (index < leaf->count)
        return cursor_set(cursor, page, index);
    return leaf->next ? cursor_set(cursor, leaf->next, 0) : DB_NOT_FOUND;
}

int64_t db_seek_last(uint32_t tree, struct db_cursor *cursor)
{
    uint32_t page = tree < DB_TREES ? tree_root(tree) : 0;

    if (!page)
        return tree < DB_TREES ? DB_NOT_FOUND : DB_BAD_SIZE;
    const struct node *node = page_at(page);
    while (node->kind == NODE_INNER) {
        page = node_child(node, node->count);
        node = page_at(page);
    }
    return cursor_set(cursor, page, node->count - 1u);
}

int64_t db_next(struct db_cursor *cursor)
{
    const struct node *leaf = page_at(cursor->leaf);

    if (cursor->index + 1 < leaf->count)
        return cursor_set(cursor, cursor->leaf, cursor->index + 1);
    return leaf->next ? cursor_set(cursor, leaf->next, 0) : DB_NOT_FOUND;
}

int64_t db_previous(struct db_cursor *cursor)
{
    const struct node *leaf = page_at(cursor->leaf);

    if (cursor->index)
        return cursor_set(cursor, cursor->leaf, cursor->index - 1);
    if (!leaf->previous)
        return DB_NOT_FOUND;
    return cursor_set(cursor, leaf->previous, ((const struct node *)page_at(leaf->previous))->count - 1u);
}

/* Invariants: pages reached are counted, so that a page that is reached twice, or lost, makes the sum wrong. */
struct survey {
    uint32_t pages, leaf; /* leaf: the last one, from left to right */
    bool is_sound;
};

static void survey_node(struct survey *survey, uint32_t page, uint32_t depth)
{
    const struct node *node = page_at(page);

    survey->pages++;
    if (depth == DEPTH_MAX || !node_is_sound(node)) {
        survey->is_sound = false;
        return;
    }
    if (node->kind == NODE_INNER) {
        for (uint32_t way = 0; way <= node->count && survey->is_sound; way++)
            survey_node(survey, node_child(node, way), depth + 1);
        return;
    }
    survey->is_sound &= node->count && node->previous == survey->leaf;
    survey->is_sound &= !survey->leaf || ((const struct node *)page_at(survey->leaf))->next == page;
    survey->leaf = page;
    for (uint32_t i = 0; i < node->count; i++)
        survey->pages += node_cell(node, i)->page ? pages_for(node_cell(node, i)->size) : 0;
}

bool db_is_sound(void)
{
    struct survey survey = { .is_sound = true };

    for (uint32_t tree = 0; tree < DB_TREES && survey.is_sound; tree++) {
        survey.leaf = 0;
        if (tree_root(tree))
            survey_node(&survey, tree_root(tree), 0);
        survey.is_sound &= !survey.leaf || !((const struct node *)page_at(survey.leaf))->next;
    }
    return survey.is_sound && survey.pages + log_pages_free() == log_pages_used();
}
