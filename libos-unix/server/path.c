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

/* Is it . (1) or .. (2)? */
static bool is_dots(const struct place *place, size_t dots)
{
    return place->name[0] == '.' && place->length == dots && place->name[dots - 1] == '.';
}

static uint64_t links_followed;

/* One name in place->directory. */
static int64_t part_find(struct place *place)
{
    if (!node_is(place->directory, S_IFDIR))
        return -ENOTDIR;
    if (place->length >= NAME_SIZE)
        return -ENAMETOOLONG;
    if (place->length == 0 || is_dots(place, 1)) {
        place->node = place->directory;
    } else if (is_dots(place, 2)) {
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
            links_followed++;
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

/* Where paths led, as long as no name was made or removed since. What is not there is not here, nor what has to do with symbolic links. */
enum { KNOWN = 64, KNOWN_WORDS = 8 };

static struct known {
    const struct node *from;
    uint64_t changes, word[KNOWN_WORDS];
    uint32_t words, name_at;
    struct place place;
} known[KNOWN];

static struct known *known_at(const struct node *from, const uint64_t *word, uint32_t words)
{
    uint64_t hash = (uint64_t)from;

    for (uint32_t i = 0; i < words; i++)
        hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15; /* Knuth 6.4: the golden ratio */
    return &known[hash >> 58];
}

static bool is_known(const struct known *entry, const struct node *from, const uint64_t *word, uint32_t words)
{
    uint32_t i = 0;

    if (entry->changes != node_changes || entry->from != from || entry->words != words)
        return false;
    while (i < words && entry->word[i] == word[i])
        i++;
    return i == words;
}

int64_t path_find_again(struct node *from, const char *path, uint32_t words, bool follow, struct place *ret_place)
{
    const uint64_t *word = (const uint64_t *)path;

    if (words > KNOWN_WORDS)
        return path_find(from, path, follow, ret_place);
    struct known *entry = known_at(from, word, words);
    if (is_known(entry, from, word, words)) {
        *ret_place = entry->place;
        ret_place->name = path + entry->name_at;
        return 0;
    }
    uint64_t links = links_followed;
    int64_t result = path_find(from, path, follow, ret_place);
    if (result < 0 || !ret_place->node || node_is(ret_place->node, S_IFLNK) || links != links_followed)
        return result;
    *entry = (struct known){ .from = from, .changes = node_changes, .words = words, .name_at = (uint32_t)(ret_place->name - path), .place = *ret_place };
    memcpy(entry->word, word, words * sizeof *word);
    return 0;
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
