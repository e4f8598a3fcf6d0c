/* Calls that a rewritten site gets served without a frame of all registers. Also for assembler. */
#pragma once

#define QUICK_CALLS 235
#define QUICK_NOT   -600 /* what a quick call answers to be made in full */
