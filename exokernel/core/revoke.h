/*
 * Visible revocation: ask, ask again as an imperative, then take by force. Who asks keeps the record, so nobody can keep
 * it from asking; it ends when what was asked for came back, or when the asker ends it.
 */
#pragma once
#include <state.h>

/* May what is claimed under (claim, stamp) be taken by force under the capability in the environment's slot? OK stores the name of the
 * capability just below the slot's, whose holder was asked in vain; is_under_way: it was counted at the first step. KEPT or NO_RIGHT if not. */
exo_result revoke_may_force(frame_name environment, uint32_t slot, capability_name claim, uint64_t stamp, bool is_under_way,
                            capability_name *ret_victim);
/* Who asks for what is held under this capability, or 0. */
frame_name revoke_asker(capability_name victim);
/* It gave things back that it held under this slot. */
void revoke_note_returned(frame_name environment, uint32_t slot, uint32_t count);
/* Something was taken by force: count it, enter it in the repossession vector, tell its holder. */
void revoke_note_taken(capability_name victim, uint32_t name);
