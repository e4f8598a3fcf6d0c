/*
 * The trace rings: one a processor, written only by that processor, read by who may bind its frames. Nothing
 * is recorded on the directed paths (yield_to, gates), whose cost would double.
 */
#pragma once
#include <state.h>

/* time: ns; event: EXO_TRACE_ */
void trace_record(uint64_t time, uint32_t event, vcpu_name vcpu, uint32_t detail, uint64_t value);
