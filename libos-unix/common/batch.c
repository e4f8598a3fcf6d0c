#include "batch.h"
#include <exo/calls.h>
#include <exo/space.h>
#include <exo/text.h>
#include <exo/upcall.h>

bool batch_unbind(struct batch *batch)
{
    struct exo_mapping *mapping = batch->mapping, *end = mapping + batch->count;

    batch->count = 0;
    while (mapping < end) {
        memcpy(EXO_CONTEXT->batch, mapping + 1, (size_t)((uint8_t *)end - (uint8_t *)(mapping + 1)));
        int64_t done = exo_space_unbind(batch->subject, mapping->address, exo_mapping_entry(mapping->table, 0),
                                        exo_mapping_way(0, 0, mapping->more), (uint64_t)(end - mapping) - 1);
        if (done <= 0)
            return false;
        for (; mapping < end && done > mapping->more; mapping++)
            done -= mapping->more + 1;
        mapping->address += (uint64_t)done * EXO_FRAME_SIZE; /* where the call ended in the middle of one */
        mapping->more -= (uint32_t)done;
    }
    return true;
}

bool batch_add(struct batch *batch, uint32_t table, uint64_t address, uint32_t count)
{
    if (batch->count == BATCH_MAPPINGS && !batch_unbind(batch))
        return false;
    batch->mapping[batch->count++] = (struct exo_mapping){ address, table, 0, 0, 0, count - 1 };
    return true;
}
