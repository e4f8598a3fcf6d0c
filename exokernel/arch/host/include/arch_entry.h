/* Page-table entries of the host machine are those of the machine that ships, so that tests read the same bits. */
#pragma once
#include "../../x86_64/include/arch_entry.h"
