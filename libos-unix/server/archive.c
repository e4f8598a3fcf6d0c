#include "archive.h"
#include "heap.h"
#include "memory.h"
#include "path.h"
#include <exo/program.h>
#include <exo/text.h>
#include <unix/linux.h>

#define ARCHIVE_ADDRESS 0x400000000ull

enum { HEADER_SIZE = 110, LINKS_MAX = 512 };
enum field { FIELD_NUMBER, FIELD_MODE, FIELD_UID, FIELD_GID, FIELD_LINKS, FIELD_TIME, FIELD_SIZE, FIELD_MAJOR, FIELD_MINOR,
             FIELD_DEVICE_MAJOR, FIELD_DEVICE_MINOR, FIELD_NAME_SIZE };

struct member {
    const char *name;
    const uint8_t *data;
    uint32_t mode, number, links, device;
    uint64_t size;
    uint64_t time;
};

/* Files with several names: the archive holds their contents once, with the last of them. */
static struct {
    uint32_t number;
    struct node *node;
} linked[LINKS_MAX];
static uint32_t linked_count;

static uint32_t field_read(const uint8_t *header, enum field field)
{
    char digits[11] = "0x";
    const char *text = digits;

    memcpy(digits + 2, header + 6 + 8 * field, 8);
    return (uint32_t)exo_text_number(&text);
}

static uint64_t aligned(uint64_t offset)
{
    return (offset + 3) & ~3ull;
}

/* The member at *offset, which moves behind it. False: there is none. */
static bool member_read(const uint8_t *archive, uint64_t size, uint64_t *offset, struct member *ret_member)
{
    const uint8_t *header = archive + *offset;

    if (*offset + HEADER_SIZE > size || memcmp(header, "070701", 6))
        return false;
    uint64_t name_size = field_read(header, FIELD_NAME_SIZE), data = aligned(*offset + HEADER_SIZE + name_size);
    uint64_t length = field_read(header, FIELD_SIZE);
    if (!name_size || data > size || length > size - data || header[HEADER_SIZE + name_size - 1])
        return false;
    *ret_member = (struct member){
        .name = (const char *)header + HEADER_SIZE, .data = archive + data, .size = length,
        .mode = field_read(header, FIELD_MODE), .number = field_read(header, FIELD_NUMBER),
        .links = field_read(header, FIELD_LINKS), .time = field_read(header, FIELD_TIME),
        .device = field_read(header, FIELD_DEVICE_MAJOR) << 8 | field_read(header, FIELD_DEVICE_MINOR),
    };
    *offset = aligned(data + length);
    return true;
}

static struct node *member_linked(const struct member *member)
{
    for (uint32_t i = 0; i < linked_count; i++)
        if (linked[i].number == member->number)
            return linked[i].node;
    return 0;
}

static struct node *member_node(const struct member *member)
{
    bool many = (member->mode & S_IFMT) == S_IFREG && member->links > 1;
    struct node *node = many ? member_linked(member) : 0;

    if (node)
        return node;
    if (!(node = node_new(member->mode)))
        return 0;
    node->device = member->device;
    if (many && linked_count < LINKS_MAX) {
        linked[linked_count].number = member->number;
        linked[linked_count++].node = node;
    }
    return node;
}

static bool contents_fill(struct node *node, const struct member *member)
{
    if (node_is(node, S_IFREG) && member->size)
        return node_fill(node, member->data, member->size) == (int64_t)member->size;
    if (!node_is(node, S_IFLNK))
        return true;
    if (!(node->target = heap_alloc(member->size + 1)))
        return false;
    memcpy(node->target, member->data, member->size);
    node->size = member->size;
    return true;
}

/* Names with a leading / or ./ are taken from the root, like all others. */
static const char *member_add(const struct member *member)
{
    struct place place;

    if (exo_text_equals(member->name, ".") || exo_text_equals(member->name, "/"))
        return 0;
    if (path_find(node_root, member->name, false, &place) < 0)
        return "it names a file before its folder";
    if (place.node)
        return node_is(place.node, S_IFDIR) ? 0 : "it names a file twice";
    struct node *node = member_node(member);
    if (!node || node_link(place.directory, place.name, place.length, node) < 0 || !contents_fill(node, member))
        return "there is not memory enough for it";
    node->modified = member->time * 1000000000;
    return 0;
}

static const char *archive_read(const uint8_t *archive, uint64_t size)
{
    uint64_t offset = 0;
    struct member member;

    while (member_read(archive, size, &offset, &member)) {
        if (exo_text_equals(member.name, "TRAILER!!!"))
            return 0;
        const char *error = member_add(&member);
        if (error)
            return error;
    }
    return "it is cut off, or no cpio archive in the newc format";
}

/* The frames that may only be read are the archive. */
static const struct exo_start_capability *archive_capability(void)
{
    for (uint32_t i = 0; i < exo_start.capability_count; i++)
        if (exo_start.capability[i].kind == EXO_KIND_FRAMES && exo_start.capability[i].rights == EXO_RIGHT_READ)
            return &exo_start.capability[i];
    return 0;
}

const char *archive_unpack(void)
{
    const struct exo_start_capability *held = archive_capability();

    node_root = node_new(S_IFDIR | 0755);
    if (!node_root)
        return "there is no memory";
    node_root->parent = node_root;
    if (!held)
        return "the manifest names none (archive = \"...\")";
    if (exo_space_map(&memory.space, ARCHIVE_ADDRESS, held->first, held->count, held->slot, EXO_MAP_READ) != EXO_OK)
        return "it cannot be mapped";
    const char *error = archive_read((const uint8_t *)ARCHIVE_ADDRESS, (uint64_t)held->count * EXO_FRAME_SIZE);
    exo_space_unmap(&memory.space, ARCHIVE_ADDRESS, held->count);
    return error;
}
