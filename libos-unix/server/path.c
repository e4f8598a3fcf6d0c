#include "path.h"
#include <exo/text.h>
#include <unix/linux.h>

enum { LINKS_MAX = 16, TARGET_MAX = 4096 };

static const char *part_end(const char *at)
{
    while (*at && *at != '/')
        at++;
    return at;
}

static bool name_is(const struct place *place, const char *name)
{
    return place->length == exo_text_length(name) && !memcmp(place->name, name, place->length);
}

/* One name in place->directory. */
static int64_t part_find(struct place *place)
{
    if (!node_is(place->directory, S_IFDIR))
        return -ENOTDIR;
    if (place->length >= NAME_SIZE)
        return -ENAMETOOLONG;
    if (name_is(place, ".") || place->length == 0) {
        place->node = place->directory;
    } else if (name_is(place, "..")) {
        place->node = place->directory->parent;
    } else {
        struct entry *entry = node_entry(place->directory, place->name, place->length);
        place->node = entry ? entry->node : 0;
    }
    return 0;
}

/* depth: symbolic links gone through. The place's name lies in `path`, or in the last link's target. */
static int64_t walk(struct node *from, const char *path, bool follow, uint32_t depth, struct place *ret_place)
{
    struct place place = { .directory = *path == '/' ? node_root : from };

    if (!*path)
        return -ENOENT;
    if (depth > LINKS_MAX)
        return -ELOOP;
    for (;;) {
        while (*path == '/')
            path++;
        place.name = path;
        path = part_end(path);
        place.length = (size_t)(path - place.name);
        bool must_be_directory = *path == '/';
        while (*path == '/')
            path++;
        int64_t result = part_find(&place);
        if (result < 0)
            return result;
        if (place.node && node_is(place.node, S_IFLNK) && (*path || must_be_directory || follow)) {
            result = walk(place.directory, place.node->target, true, depth + 1, *path ? &place : ret_place);
            if (result < 0 || !*path)
                return result;
        }
        if (!*path) {
            *ret_place = place;
            return place.node && must_be_directory && !node_is(place.node, S_IFDIR) ? -ENOTDIR : 0;
        }
        if (!place.node)
            return -ENOENT;
        place.directory = place.node;
    }
}

int64_t path_find(struct node *from, const char *path, bool follow, struct place *ret_place)
{
    return walk(from, path, follow, 0, ret_place);
}

int64_t path_node(struct node *from, const char *path, bool follow, struct node **ret_node)
{
    struct place place;
    int64_t result = path_find(from, path, follow, &place);

    if (result < 0)
        return result;
    if (!place.node)
        return -ENOENT;
    *ret_node = place.node;
    return 0;
}

static const char *name_of(const struct node *directory)
{
    for (const struct entry *entry = directory->parent->entries; entry; entry = entry->next)
        if (entry->node == directory)
            return entry->name;
    return "";
}

int64_t path_write(const struct node *directory, char *text, size_t size)
{
    size_t at = size - 1;

    text[at] = 0;
    for (; directory != node_root && directory->parent; directory = directory->parent) {
        const char *name = name_of(directory);
        size_t length = exo_text_length(name);
        if (length + 1 > at)
            return -ERANGE;
        at -= length;
        memcpy(text + at, name, length);
        text[--at] = '/';
    }
    if (text[at] == 0)
        text[--at] = '/';
    memmove(text, text + at, size - at);
    return (int64_t)(size - at);
}
