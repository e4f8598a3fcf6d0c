/* From names to nodes. All answers are 0 or -errno. */
#pragma once
#include "node.h"

/* Where a path leads: the directory and the last name in it, and the node there, if there is one. */
struct place {
    struct node *directory, *node;
    const char *name;
    size_t length;
};

/* `from`: where a path that does not begin with / starts. follow: go through a symbolic link at its end. */
int64_t path_find(struct node *from, const char *path, bool follow, struct place *ret_place);
/* The same for a path of so many words, with zeros behind its end; for paths that come again and again. */
int64_t path_find_again(struct node *from, const char *path, uint32_t words, bool follow, struct place *ret_place);
/* Only what is there. */
int64_t path_node(struct node *from, const char *path, bool follow, struct node **ret_node);
/* The absolute path of a directory. */
int64_t path_write(const struct node *directory, char *text, size_t size);
