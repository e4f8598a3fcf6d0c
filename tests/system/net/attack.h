/* What an environment must not be able to do with the flows of another one. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* port: that of the attacker's own flow; victim: that of another's. */
void attack_run(uint32_t port, uint32_t victim);
