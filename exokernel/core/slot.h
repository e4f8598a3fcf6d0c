/*
 * Time slots: who owns which position of which processor's vector, under which capability, and to whom it is lent. Changed
 * only under the lock. A slot's vcpu and borrower are 0 or name virtual processors of environments that exist.
 */
#pragma once
#include <state.h>

/* The slot's table entry; NULL if the machine has no such slot. */
struct exo_slot *slot_named(uint32_t slot);
/* Nobody owns it any more; who runs in it is interrupted. */
void slot_clear(uint32_t slot);
/* A dying environment owns and borrows no slot of this processor any more (SLOTS_PER_PROCESSOR steps). */
void slot_forget_borrower(frame_name environment, uint32_t processor);
