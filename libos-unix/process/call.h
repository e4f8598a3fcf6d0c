/* The program's system calls: call_list.h names them all, call.c finds who answers, the others answer by subject. */
#pragma once
#include "runtime.h"
#include "signal.h"

/* Arguments in the order of the registers; the result is Linux's, or RESTART. */
typedef int64_t linux_call(const uint64_t a[6], struct exo_upcall_frame *frame);

void system_trap(struct exo_upcall_frame *frame);
void system_enter(struct exo_upcall_frame *frame);
void site_interrupted(void);

#define FULL(number, name, function, note)    linux_call function;
#define PARTIAL(number, name, function, note) linux_call function;
#define NONE(number, name, note)
#include "call_list.h"
#undef FULL
#undef PARTIAL
#undef NONE
