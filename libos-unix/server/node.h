/*
 * The file system: a tree of nodes in the server's memory, the pages of regular files in the store. A node lives while a name or an
 * open file refers to it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NODES_MAX = 4096, NAME_SIZE = 256, FILE_PAGES_MAX = 65536 };
enum { ENTRY_PLACES = 2 }; /* the first place of an entry: . and .. have those before */
enum device { DEVICE_NULL = 0x103, DEVICE_ZERO = 0x105, DEVICE_RANDOM = 0x108, DEVICE_URANDOM = 0x109, DEVICE_TTY = 0x500,
              DEVICE_CONSOLE = 0x501 };

struct entry {
    struct entry *next;
    struct node *node;
    uint64_t place; /* in its folder, for ever: where reading goes on, whatever goes meanwhile */
    char name[];
};

struct node {
    uint32_t number, mode, uid, gid, device;
    uint32_t names;   /* entries that name it */
    uint32_t users;   /* open files, working directories */
    uint64_t size;
    uint64_t modified; /* ns */
    struct node *parent; /* of a directory */
    struct entry *entries, *last;
    uint64_t places;  /* of entries, since ever */
    struct lock *locks; /* lock.h */
    char *target;     /* of a symbolic link */
    uint32_t *frames; /* of a regular file: its pages in the store; 0: a hole */
    uint32_t room;    /* entries of frames */
    uint32_t run;     /* if its frames lie in a row, the first; else 0 */
    struct pipe *pipe; /* of a named pipe that is open */
};

extern struct node *node_root;
extern uint64_t node_changes; /* of names, since the beginning */

bool node_is(const struct node *node, uint32_t type);
/* A node without a name yet; 0: no memory. */
struct node *node_new(uint32_t mode);
/* How many more there can be. */
uint32_t node_left(void);
struct node *node_numbered(uint32_t number);
/* Let it go if nothing refers to it any more. */
void node_settle(struct node *node);
struct entry *node_entry(const struct node *directory, const char *name, size_t length);
/* 0 or -errno. */
int64_t node_link(struct node *directory, const char *name, size_t length, struct node *node);
void node_unlink(struct node *directory, struct entry *entry);

/* A regular file's bytes: how many were moved, or -errno. */
int64_t node_read(struct node *node, uint64_t offset, void *target, size_t size);
/* The contents of a new file, on frames in a row if there are such. */
int64_t node_fill(struct node *node, const void *source, size_t size);
int64_t node_write(struct node *node, uint64_t offset, const void *source, size_t size);
int64_t node_resize(struct node *node, uint64_t size);
