/* The order of the measurements. */
#include "io.h"

int main(void)
{
    bench_open();
    bench_code();
    bench_net();
    bench_disk();
    return 0;
}
