/* What the manifest gave the program to read (its key `archive`): one text, or a cpio archive in the `newc` format. */
#pragma once
#include <stdint.h>

void archive_open(const void *bytes, uint64_t size);
/* A file by its name, or (name 0) the first whose name ends in .sql; of an archive that is one text, that. 0: there is none. */
const char *archive_find(const char *name, uint64_t *ret_size);
