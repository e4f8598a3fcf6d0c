/*
 * The machine contract: what core asks of a machine. Each arch/NAME/ gives all of it, the small hot ones as
 * inline functions in arch/NAME/include/arch_inline.h. Core calls nothing else outside itself.
 */
#pragma once
#include <state.h>

/* arch_inline.h gives, as static inline or as extern arrays behind inline functions:
 *
 *   struct exo_frame        *frame_at(frame_name)         frame < kernel.frame_count
 *   struct exo_slot         *slot_at(uint32_t slot)       slot < processor_count * SLOTS_PER_PROCESSOR
 *   struct exo_processor    *processor_info(uint32_t)
 *   struct exo_system       *system_info(void)
 *   struct vcpu             *vcpu_at(vcpu_name)           in its environment's page
 *   struct environment      *environment_page(frame_name) the frame's kind must agree:
 *   struct capability_table *capability_page(frame_name)  every use is checked against it
 *   uint64_t                *table_page(frame_name)       by the prover
 *   struct shadow_entry     *shadow_page(frame_name)
 *   struct exo_context      *context_page(frame_name)
 *   struct exo_trace_record *trace_page(frame_name)
 *   struct exo_program      *program_at(uint32_t page)    page < PROGRAM_PAGES
 *   struct exo_ring         *ring_page(frame_name)        written by its libOS at any time
 *   struct queue            *queue_page(frame_name)
 *   struct exo_disk         *disk_info(uint32_t)          disk < DISK_LIMIT
 *   struct exo_flow         *flow_at(uint32_t)            below FLOW_LIMIT
 *   struct exo_shape        *shape_at(uint32_t)           below SHAPE_LIMIT
 *   struct exo_net_ring     *net_ring_page(frame_name)
 *   struct net_queue        *net_queue_page(frame_name)
 *   void                    *data_page(frame_name)        a frame's bytes; those of the next one follow
 *   struct processor        *processor_here(void)          this processor's
 *   struct vcpu             *vcpu_here(void)               what arch_switch was last told, and its context page
 *   struct exo_context      *context_here(void)
 *   uint64_t arch_clamp(uint64_t index, uint64_t limit)   index if below limit, else 0, also under speculation
 *
 *   Notes that spare walks: capabilities (by id) that this processor found valid, and kernel.generation as it was before
 *   the check. A machine may keep none.
 *   bool arch_check_is_noted(uint64_t id)       it was valid, and nothing has been withdrawn since
 *   void arch_check_note(uint64_t id, uint64_t generation)
 *
 *   page-table entries:
 *   uint64_t   entry_make(frame_name, uint32_t map_flags, uint32_t may_flags, uint32_t slot)   leaf, user
 *   uint64_t   entry_make_table(frame_name)                                                     upper
 *   bool       entry_is_present(uint64_t)
 *   frame_name entry_frame(uint64_t)
 *   uint32_t   entry_flags(uint64_t)    EXO_MAP_READ | WRITE | EXECUTE | LARGE as they are now
 *   uint32_t   entry_may(uint64_t)      the same as they may become
 *   uint32_t   entry_slot(uint64_t)     the capability slot recorded when it was bound
 *   struct entry_plan entry_plan(uint32_t flags, bool is_large)  write and execute as flags (MAP_WRITE, MAP_EXECUTE) say, clear
 *                                       accessed (MAP_AGE) and dirty (MAP_CLEAN); .required: bits that an entry must have
 *   void       entry_change(uint64_t *, const struct entry_plan *)  keeps the rest, and what the hardware sets meanwhile
 *   uint32_t   table_index(uint64_t address, uint32_t level)   the entry for the address in a table of level 1 up
 */
#include <arch_inline.h>

uint32_t arch_processor(void); /* this processor's number, 0 up */
void arch_lock(void);          /* the kernel's one lock; not recursive */
void arch_unlock(void);

/* Time: nanoseconds since boot, monotonic, the same on all processors. */
uint64_t arch_time(void);
void arch_timer(uint64_t deadline); /* of this processor: interrupts once at or after it; EXO_NEVER: not */
bool arch_timer_is_due(void);       /* will it interrupt as soon as the kernel lets it? */

/* Translations of this processor. */
void arch_flush_page(uint64_t address);
void arch_flush_all(void); /* loads the running environment's root anew: it may have changed; passes the flush epoch */
/* Ask another processor to call slice_interrupted() at once. */
void arch_interrupt(uint32_t processor);

void arch_clear_page(frame_name frame);
/* Bytes that do not overlap; size is at most EXO_PACKET_MOST. */
void arch_copy(void *to, const void *from, uint32_t size);
void arch_fill_root_table(frame_name frame); /* the kernel's own entries of a TABLE4 */
bool arch_table_is_empty(frame_name frame, uint32_t level); /* no present entry among those that environments write */

/* Make the machine run this virtual processor, `name`: address space, cleared FPU and bases, speculation barrier; processor_info
 * shows it (running, switches). Exceptions and foreign system calls use its entry points as they are when they happen. */
void arch_switch(vcpu_name name, struct vcpu *vcpu);
void arch_idle(void); /* the same for nobody, in the kernel's own space */
/* Save the FPU state of the interrupted virtual processor into its context page's forced_fpu. */
void arch_save_fpu(frame_name context);

/* The window: pages in which the kernel executes, and nobody writes. Frames in a row from a page on; and none any more, which
 * processors know once they pass the flush epoch. */
struct code_run;
void arch_program_map(uint32_t page, frame_name frame, uint32_t count);
void arch_program_unmap(uint32_t page, uint32_t count);
/* Run the machine code that begins in this page (code.h). */
uint64_t arch_program_run(uint32_t page, struct code_run *run);

const uint8_t *arch_module(void); /* the boot module's first byte, as the kernel sees it */

void arch_console_write(const char *text, uint32_t length); /* a newline only at its end */
int arch_console_read(void); /* a byte, or -1 */
void arch_exit(uint32_t code);
/* The kernel's own fault: says so on the console and ends the machine with a failure. */
_Noreturn void arch_panic(const char *message);
