/* Requests about names. Paths are taken from the window once, so that they cannot change while they are walked. */
#include "path.h"
#include "proc.h"
#include "heap.h"
#include "memory.h"
#include "request.h"
#include "stat.h"
#include "terminal.h"
#include <exo/machine.h>
#include <exo/text.h>
#include <unix/linux.h>

static char paths[2][PATH_SIZE] __attribute__((aligned(8)));

static uint32_t path_words[2];

/* Up to the word with its end, behind which it gets zeros. How many words. */
static uint32_t path_copy(char *target, const char *source)
{
    const volatile uint64_t *from = (const volatile uint64_t *)source;
    uint64_t *to = (uint64_t *)target, word, end;
    uint32_t i = 0;

    do {
        word = from[i];
        end = unix_text_end(word);
        to[i] = end ? word & (((end & -end) >> 7) - 1) : word;
    } while (++i < PATH_SIZE / 8 && !end);
    target[PATH_SIZE - 1] = 0;
    return i;
}

static const char *path_take(const struct request *request, uint32_t n)
{
    path_words[n] = path_copy(paths[n], request->window->path[n]);
    if (proc_is_meant(request->process, paths[n]))
        proc_refresh(request->process);
    return paths[n];
}

/* Where relative paths of this call begin. */
static int64_t start_of(const struct request *request, uint64_t descriptor, const char *path, struct node **ret_node)
{
    *ret_node = request->process->directory;
    if (*path == '/' || (int32_t)descriptor == AT_FDCWD)
        return 0;
    const struct file *file = descriptor_file(request->process, (uint32_t)descriptor);
    if (!file)
        return -EBADF;
    if (file->kind != FILE_NODE || !node_is(file->node, S_IFDIR))
        return -ENOTDIR;
    *ret_node = file->node;
    return 0;
}

/* path n, from the descriptor in a[argument]. */
static int64_t place_find(const struct request *request, uint32_t n, uint32_t argument, bool follow, struct place *ret_place)
{
    const char *path = path_take(request, n);
    struct node *from;
    int64_t result = start_of(request, request->a[argument], path, &from);

    return result < 0 ? result : path_find_again(from, path, path_words[n], follow, ret_place);
}

static int64_t node_find(const struct request *request, uint32_t n, uint32_t argument, bool follow, struct node **ret_node)
{
    struct place place;
    int64_t result = place_find(request, n, argument, follow, &place);

    if (result < 0)
        return result;
    *ret_node = place.node;
    return place.node ? 0 : -ENOENT;
}

static bool is_dot(const struct place *place)
{
    return place->length == 0 || (place->name[0] == '.' && (place->length == 1 || (place->length == 2 && place->name[1] == '.')));
}

/* A new node at an empty place. */
static int64_t node_make(const struct request *request, const struct place *place, uint32_t mode, struct node **ret_node)
{
    struct node *node = node_new((mode & S_IFMT) | (mode & 07777 & ~request->process->umask));
    int64_t result = node ? node_link(place->directory, place->name, place->length, node) : -ENOSPC;

    if (result < 0 && node)
        node_settle(node);
    *ret_node = node;
    return result;
}

/* a: directory, (path), flags, mode */
int64_t request_openat(struct request *request)
{
    uint32_t flags = (uint32_t)request->a[2];
    bool creates = flags & O_CREAT;
    struct place place;
    struct file *file;
    int64_t result = place_find(request, 0, 0, !(flags & O_NOFOLLOW) && !(creates && flags & O_EXCL), &place);

    if (result < 0)
        return result;
    if (place.node && creates && flags & O_EXCL)
        return -EEXIST;
    if (place.node && node_is(place.node, S_IFLNK))
        return -ELOOP;
    if (!place.node && !creates)
        return -ENOENT;
    if (!place.node && (result = node_make(request, &place, S_IFREG | (request->a[3] & 07777), &place.node)) < 0)
        return result;
    result = terminal_enter(request->process, place.node, flags);
    if (result == 0)
        result = file_open(request->process, place.node, flags, &file);
    if (result < 0)
        return result;
    result = descriptor_give(request->process, file, 0, flags & O_CLOEXEC);
    if (result < 0)
        file_close(file);
    return result;
}

/* a: directory, (path), -, flags */
int64_t request_fstatat(struct request *request)
{
    struct node *node;

    if (request->a[3] & AT_EMPTY_PATH && !*path_take(request, 0)) {
        if ((int32_t)request->a[0] != AT_FDCWD)
            return request_fstat(request);
        node = request->process->directory;
    } else {
        int64_t result = node_find(request, 0, 0, !(request->a[3] & AT_SYMLINK_NOFOLLOW), &node);
        if (result < 0)
            return result;
    }
    stat_fill(0, node, (struct linux_stat *)request->window->data);
    return 0;
}

/* a: directory, (path), mode. Everybody is root: only execution needs a bit. */
int64_t request_faccessat(struct request *request)
{
    struct node *node;

    if (request->a[2] & ~7ull)
        return -EINVAL;
    int64_t result = node_find(request, 0, 0, true, &node);
    if (result < 0)
        return result;
    return request->a[2] & 1 && !node_is(node, S_IFDIR) && !(node->mode & 0111) ? -EACCES : 0;
}

int64_t request_getcwd(struct request *request)
{
    return path_write(request->process->directory, request->window->path[0], PATH_SIZE);
}

static int64_t directory_enter(struct request *request, struct node *node)
{
    if (!node_is(node, S_IFDIR))
        return -ENOTDIR;
    node->users++;
    request->process->directory->users--;
    node_settle(request->process->directory);
    request->process->directory = node;
    return 0;
}

int64_t request_chdir(struct request *request)
{
    struct node *node;
    int64_t result = path_node(request->process->directory, path_take(request, 0), true, &node);

    return result < 0 ? result : directory_enter(request, node);
}

int64_t request_fchdir(struct request *request)
{
    struct file *file = descriptor_file(request->process, request->a[0]);

    if (!file)
        return -EBADF;
    return file->kind == FILE_NODE ? directory_enter(request, file->node) : -ENOTDIR;
}

/* a: directory, (path), mode */
int64_t request_mkdirat(struct request *request)
{
    struct place place;
    int64_t result = place_find(request, 0, 0, false, &place);

    if (result < 0)
        return result;
    return place.node ? -EEXIST : node_make(request, &place, S_IFDIR | (request->a[2] & 01777), &place.node);
}

/* a: directory, (path), flags */
int64_t request_unlinkat(struct request *request)
{
    bool directory = request->a[2] & AT_REMOVEDIR;
    struct place place;

    if (request->a[2] & ~(uint64_t)AT_REMOVEDIR)
        return -EINVAL;
    int64_t result = place_find(request, 0, 0, false, &place);

    if (result < 0)
        return result;
    if (!place.node)
        return -ENOENT;
    if (is_dot(&place))
        return place.node == node_root ? -EBUSY : directory ? -EINVAL : -EISDIR;
    if (node_is(place.node, S_IFDIR) != directory)
        return directory ? -ENOTDIR : -EISDIR;
    if (directory && place.node->entries)
        return -ENOTEMPTY;
    node_unlink(place.directory, node_entry(place.directory, place.name, place.length));
    return 0;
}

static bool is_within(const struct node *directory, const struct node *above)
{
    for (; directory != node_root; directory = directory->parent)
        if (directory == above)
            return true;
    return above == node_root;
}

/* a: directory, (path 0), directory, (path 1) */
int64_t request_renameat(struct request *request)
{
    struct place from, to;
    int64_t result = place_find(request, 0, 0, false, &from);

    if (result == 0)
        result = place_find(request, 1, 2, false, &to);
    if (result < 0)
        return result;
    if (!from.node)
        return -ENOENT;
    if (is_dot(&from) || is_dot(&to))
        return -EBUSY;
    if (to.node && request->a[4] & RENAME_NOREPLACE)
        return -EEXIST;
    if (to.node == from.node)
        return 0;
    if (node_is(from.node, S_IFDIR) && is_within(to.directory, from.node))
        return -EINVAL;
    if (to.node && node_is(to.node, S_IFDIR) != node_is(from.node, S_IFDIR))
        return node_is(to.node, S_IFDIR) ? -EISDIR : -ENOTDIR;
    if (to.node && to.node->entries)
        return -ENOTEMPTY;
    if ((result = node_link(to.directory, to.name, to.length, from.node)) < 0)
        return result;
    if (to.node)
        node_unlink(to.directory, node_entry(to.directory, to.name, to.length));
    node_unlink(from.directory, node_entry(from.directory, from.name, from.length));
    return 0;
}

/* (path 0) is what (path 1), from the directory a[1], is to name. */
int64_t request_link(struct request *request)
{
    struct node *node;
    struct place place;
    int64_t result = node_find(request, 0, 0, request->a[4] & AT_SYMLINK_FOLLOW, &node);

    if (result == 0)
        result = place_find(request, 1, 2, false, &place);
    if (result < 0)
        return result;
    if (place.node)
        return -EEXIST;
    return node_is(node, S_IFDIR) ? -EPERM : node_link(place.directory, place.name, place.length, node);
}

/* (path 0), directory a[1], (path 1) */
int64_t request_symlink(struct request *request)
{
    const char *target = path_take(request, 0);
    size_t length = exo_text_length(target);
    struct place place;
    struct node *node;
    int64_t result = place_find(request, 1, 1, false, &place);

    if (result < 0)
        return result;
    if (!length)
        return -ENOENT;
    if (place.node)
        return -EEXIST;
    char *copy = heap_alloc(length + 1);
    if (!copy)
        return -ENOSPC;
    memcpy(copy, target, length + 1);
    result = node_make(request, &place, S_IFLNK, &node);
    if (result < 0) {
        heap_free(copy);
        return result;
    }
    node->mode |= 0777;
    node->target = copy;
    node->size = length;
    return 0;
}

/* a: directory, (path), -, size. The text comes back as path 1. */
int64_t request_readlinkat(struct request *request)
{
    struct node *node;
    int64_t result = node_find(request, 0, 0, false, &node);

    if (result < 0)
        return result;
    if (!node_is(node, S_IFLNK) || !(int64_t)request->a[3])
        return -EINVAL;
    uint64_t size = node->size < request->a[3] ? node->size : request->a[3];
    memcpy(request->window->path[1], node->target, size);
    return (int64_t)size;
}

static int64_t mode_set(struct node *node, uint64_t mode)
{
    node->mode = (node->mode & S_IFMT) | (mode & 07777);
    return 0;
}

/* a: directory, (path), mode */
int64_t request_fchmodat(struct request *request)
{
    struct node *node;
    int64_t result = node_find(request, 0, 0, true, &node);

    return result < 0 ? result : mode_set(node, request->a[2]);
}

int64_t request_fchmod(struct request *request)
{
    struct file *file = descriptor_file(request->process, request->a[0]);

    if (!file)
        return -EBADF;
    return file->kind == FILE_NODE ? mode_set(file->node, request->a[1]) : 0;
}

/* -1 leaves it. */
static int64_t owner_set(struct node *node, uint64_t uid, uint64_t gid)
{
    node->uid = (uint32_t)uid == UINT32_MAX ? node->uid : (uint32_t)uid;
    node->gid = (uint32_t)gid == UINT32_MAX ? node->gid : (uint32_t)gid;
    return 0;
}

/* a: directory, (path), uid, gid, flags */
int64_t request_fchownat(struct request *request)
{
    struct node *node;
    int64_t result = node_find(request, 0, 0, !(request->a[4] & AT_SYMLINK_NOFOLLOW), &node);

    return result < 0 ? result : owner_set(node, request->a[2], request->a[3]);
}

int64_t request_fchown(struct request *request)
{
    struct file *file = descriptor_file(request->process, request->a[0]);

    if (!file)
        return -EBADF;
    return file->kind == FILE_NODE ? owner_set(file->node, request->a[1], request->a[2]) : 0;
}

/* a: directory, (path), -, flags, the time in s, ns */
int64_t request_utimens(struct request *request)
{
    struct node *node;
    int64_t result = node_find(request, 0, 0, !(request->a[3] & AT_SYMLINK_NOFOLLOW), &node);

    if (result < 0)
        return result;
    node->modified = request->a[4] * 1000000000 + request->a[5];
    return 0;
}

/* a: directory, (path), size */
int64_t request_truncate(struct request *request)
{
    struct node *node;
    int64_t result = node_find(request, 0, 0, true, &node);

    if (result < 0)
        return result;
    if (node_is(node, S_IFDIR))
        return -EISDIR;
    return !node_is(node, S_IFREG) || (int64_t)request->a[2] < 0 ? -EINVAL : node_resize(node, request->a[2]);
}

/* a: directory, (path), mode, device */
int64_t request_mknodat(struct request *request)
{
    uint32_t type = (uint32_t)request->a[2] & S_IFMT;
    struct place place;
    int64_t result = place_find(request, 0, 0, false, &place);

    if (result < 0)
        return result;
    if (place.node)
        return -EEXIST;
    if (type != 0 && type != S_IFREG && type != S_IFCHR)
        return -EPERM;
    result = node_make(request, &place, (type ? type : S_IFREG) | (request->a[2] & 07777), &place.node);
    if (result == 0 && type == S_IFCHR)
        place.node->device = (uint32_t)request->a[3];
    return result;
}

static int64_t statfs_fill(struct request *request)
{
    const struct linux_statfs statfs = {
        .type = STATFS_TMPFS, .block_size = EXO_FRAME_SIZE, .blocks = memory.store.count, .free = exo_frames_free(&memory.store),
        .available = exo_frames_free(&memory.store), .files = NODES_MAX, .free_files = node_left(), .name_length = NAME_SIZE - 1,
        .fragment_size = EXO_FRAME_SIZE,
    };
    memcpy(request->window->data, &statfs, sizeof statfs);
    return 0;
}

/* a: directory, (path) */
int64_t request_statfs(struct request *request)
{
    struct node *node;
    int64_t result = node_find(request, 0, 0, true, &node);

    return result < 0 ? result : statfs_fill(request);
}

int64_t request_fstatfs(struct request *request)
{
    return descriptor_file(request->process, request->a[0]) ? statfs_fill(request) : -EBADF;
}

/* more[0]: the size */
int64_t request_exec_open(struct request *request)
{
    struct node *node;
    int64_t result = path_node(request->process->directory, path_take(request, 0), true, &node);

    if (result < 0)
        return result;
    if (!node_is(node, S_IFREG) || !(node->mode & 0111))
        return -EACCES;
    request->more[0] = node->size;
    return node->number;
}
