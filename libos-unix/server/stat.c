#include "stat.h"
#include <exo/abi.h>

enum { DEVICE_TREE = 1, DEVICE_PIPES = 2 };

static uint32_t names_of(const struct node *node)
{
    uint32_t count = 2;

    if (!node_is(node, S_IFDIR))
        return node->names;
    for (const struct entry *entry = node->entries; entry; entry = entry->next)
        count += node_is(entry->node, S_IFDIR);
    return count;
}

void stat_fill(const struct file *file, const struct node *node, struct linux_stat *ret_stat)
{
    if (file && file->kind != FILE_NODE) {
        *ret_stat = (struct linux_stat){ .dev = DEVICE_PIPES, .ino = (uint64_t)file->pipe >> 4, .nlink = 1, .mode = S_IFIFO | 0600,
                                         .block_size = EXO_FRAME_SIZE };
        return;
    }
    node = file ? file->node : node;
    int64_t s = (int64_t)(node->modified / 1000000000), ns = (int64_t)(node->modified % 1000000000);
    *ret_stat = (struct linux_stat){
        .dev = DEVICE_TREE, .ino = node->number, .nlink = names_of(node), .mode = node->mode, .uid = node->uid, .gid = node->gid,
        .rdev = node->device, .size = (int64_t)node->size, .block_size = EXO_FRAME_SIZE,
        .blocks = (int64_t)((node->size + 4095) / 4096 * 8), .access_s = s, .access_ns = ns, .modify_s = s, .modify_ns = ns,
        .change_s = s, .change_ns = ns,
    };
}
