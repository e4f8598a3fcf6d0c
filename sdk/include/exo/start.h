/* struct exo_start is a part of the ABI; here is only how many entries its arrays have. */
#pragma once
#include <exo/abi.h>

enum {
    EXO_START_TABLES = sizeof ((struct exo_start *)0)->table1 / sizeof(struct exo_start_table),
    EXO_START_CAPABILITIES = sizeof ((struct exo_start *)0)->capability / sizeof(struct exo_start_capability),
};
