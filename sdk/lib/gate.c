/* Who serves the program's gates (see exo/gate.h). */
#include <exo/gate.h>
#include <exo/program.h>

void (*exo_gate_handler)(uint64_t badge, uint32_t index, struct exo_message *message) EXO_EAGER_DATA = 0;
