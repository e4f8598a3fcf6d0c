/* What stat tells of a file, or of a node (then file is 0). */
#pragma once
#include "file.h"
#include <unix/linux.h>

void stat_fill(const struct file *file, const struct node *node, struct linux_stat *ret_stat);
