/* The smallest program: it says who it is and ends. */
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

int main(void)
{
    exo_print("hello from environment %u, %lu us after boot", exo_start.environment, exo_time() / 1000);
    if (*exo_start.arguments)
        exo_print("arguments: %s", exo_start.arguments);
    return 0;
}
