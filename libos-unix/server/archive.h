/* The root file system: a cpio archive in the `newc` format in memory that the root of the system lets us read. */
#pragma once
#include <stdint.h>

/* Fill the tree. 0, or what is wrong with the archive. */
const char *archive_unpack(void);
