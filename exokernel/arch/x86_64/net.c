/* No network device. */
#include <arch.h>

bool arch_net_is_there(void)
{
    return false;
}

bool arch_net_send(const uint8_t *header, uint32_t header_size, const uint8_t *rest, uint32_t rest_size)
{
    (void)header;
    (void)header_size;
    (void)rest;
    (void)rest_size;
    return false;
}
