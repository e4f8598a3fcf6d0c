#include <slice.h>
#include <capability.h>
#include <disk.h>
#include <dispatch.h>
#include <gate.h>
#include <net.h>
#include <predicate.h>
#include <trace.h>
#include <upcall.h>
#include <vcpu.h>

enum verdict { VERDICT_KEEP, VERDICT_RECALL, VERDICT_END };
enum { ENDING = 1, ENDING_LOAN }; /* kernel.processor[].ending */

static const struct exo_slot *slot_now(uint32_t processor)
{
    return slot_at(kernel.processor[processor].slot);
}

/* ---- timers */

static uint64_t sooner(uint64_t timer, uint64_t now, uint64_t deadline)
{
    return timer > now && timer < deadline ? timer : deadline;
}

/* The timers of `name` and of whom it has called that are over. Returns the soonest of the others, at most `deadline`; what is over
 * and stays belongs to another processor. */
static uint64_t callees_expire(vcpu_name name, uint64_t now, uint64_t deadline)
{
    for (uint32_t depth = 0; name && depth <= DEPTH_MAX; depth++) {
        const struct vcpu *vcpu = vcpu_at(name);

        if (vcpu->timer <= now)
            vcpu_expire(name, now);
        deadline = sooner(vcpu->timer, now, deadline);
        name = vcpu->callee;
    }
    return deadline;
}

/* Likewise, of `name` and of those that it works for. *ended becomes true if the gate call that the first one works for was ended. */
static uint64_t callers_expire(vcpu_name name, uint64_t now, uint64_t deadline, bool *ended)
{
    for (uint32_t depth = 0; name && depth <= DEPTH_MAX; depth++) {
        const struct vcpu *vcpu = vcpu_at(name);
        vcpu_name caller = vcpu->caller;

        if (vcpu->timer <= now)
            *ended |= vcpu_expire(name, now);
        deadline = sooner(vcpu->timer, now, deadline);
        name = caller;
    }
    return deadline;
}

/* Only looks. */
static uint64_t callers_deadline(vcpu_name name, uint64_t now, uint64_t deadline)
{
    for (uint32_t depth = 0; name && depth <= DEPTH_MAX; depth++) {
        const struct vcpu *vcpu = vcpu_at(name);

        deadline = sooner(vcpu->timer, now, deadline);
        name = vcpu->caller;
    }
    return deadline;
}

/* All timers that this processor watches. Returns when the next one is due, or the slot ends. *ended becomes true if the running one
 * works for nobody any more. */
static inline uint64_t slice_expire(uint32_t processor, uint64_t now, bool *ended)
{
    const struct exo_slot *slot = slot_now(processor);
    const struct processor *self = &kernel.processor[processor];
    uint64_t deadline = callers_expire(self->running, now, self->slot_end, ended);

    deadline = callees_expire(slot->vcpu, now, deadline);
    return callees_expire(slot->borrower, now, deadline);
}

void slice_arm(uint32_t processor, uint64_t deadline)
{
    struct processor *self = &kernel.processor[processor];

    if (deadline >= self->armed)
        return;
    self->armed = deadline;
    arch_timer(deadline);
}

/* For the deadline that slice_expire found, or a grace before it. */
static void slice_arm_all(uint32_t processor, uint64_t deadline)
{
    struct processor *self = &kernel.processor[processor];

    if (self->ending && self->grace < deadline)
        deadline = self->grace;
    if (deadline != self->armed) {
        self->armed = deadline;
        arch_timer(deadline);
    }
}

/* ---- accounting */

/* An owner that used a whole slot of others' time forfeits one of its own. */
static bool slice_repay(vcpu_name owner)
{
    uint64_t *excess = &vcpu_at(owner)->excess_ns;
    uint64_t owed = __atomic_load_n(excess, __ATOMIC_SEQ_CST);

    return owed >= EXO_SLOT_NS &&
           __atomic_compare_exchange_n(excess, &owed, owed - EXO_SLOT_NS, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* If the slice was over: what was used past the boundary is the payer's debt. */
static void slice_charge(uint32_t processor, uint64_t now)
{
    struct processor *self = &kernel.processor[processor];

    if (!self->ending)
        return;
    self->ending = 0;
    if (self->payer)
        __atomic_fetch_add(&vcpu_at(self->payer)->excess_ns, now - (self->slot_end - EXO_SLOT_NS), __ATOMIC_SEQ_CST);
}

static bool slot_is_over(uint32_t processor, uint64_t now)
{
    return now >= kernel.processor[processor].slot_end;
}

/* The slot in which `now` is begins. */
static void slice_advance(uint32_t processor, uint64_t now)
{
    struct processor *self = &kernel.processor[processor];
    struct exo_processor *info = processor_info(processor);

    if (info->flushed < system_info()->flush_epoch)
        arch_flush_all();
    uint64_t slots = now / EXO_SLOT_NS;
    uint32_t slot = processor * SLOTS_PER_PROCESSOR + slots % SLOTS_PER_PROCESSOR;
    net_slot_began();
    self->slot_end = (slots + 1) * EXO_SLOT_NS;
    self->passed = 0;
    __atomic_store_n(&self->slot, slot, __ATOMIC_SEQ_CST);
    info->slot = slot;
    info->slot_end = self->slot_end;
    vcpu_name owner = slot_at(slot)->vcpu;
    if (owner && slice_repay(owner))
        self->passed = PASSED_OWNER;
    if (owner)
        predicate_wake(owner, now);
}

static void slice_pay(uint32_t processor, vcpu_name payer)
{
    struct exo_slot *slot = slot_at(kernel.processor[processor].slot);

    __atomic_store_n(&kernel.processor[processor].payer, payer, __ATOMIC_SEQ_CST);
    processor_info(processor)->payer = payer;
    if (payer && payer == slot->vcpu)
        slot->turns++;
}

/* Who was stopped pays no more: after the next flush its environment may be gone. */
static void slice_drop_payer(uint32_t processor)
{
    vcpu_name payer = kernel.processor[processor].payer;

    if (payer && vcpu_state(vcpu_at(payer)) == EXO_VCPU_OFF)
        slice_pay(processor, 0);
}

/* ---- who runs */

/* Who runs on the time of `name` here: itself, or whom it has called. 0: nobody can. */
static vcpu_name slice_stand_in(uint32_t processor, vcpu_name name)
{
    for (uint32_t depth = 0; name && depth <= DEPTH_MAX; depth++) {
        const struct vcpu *vcpu = vcpu_at(name);
        uint32_t state = vcpu_state(vcpu);

        if (state == EXO_VCPU_READY || name == kernel.processor[processor].running)
            return name;
        name = state == EXO_VCPU_CALLING ? vcpu->callee : 0;
    }
    return 0;
}

/* Who should run now, nobody being claimed yet, and on whose time. */
static inline vcpu_name slice_pick(uint32_t processor, vcpu_name *ret_payer)
{
    const struct exo_slot *slot = slot_now(processor);
    uint32_t passed = kernel.processor[processor].passed;
    vcpu_name owner = passed & PASSED_OWNER ? 0 : slot->vcpu;
    vcpu_name borrower = passed & PASSED_BORROWER ? 0 : slot->borrower;
    vcpu_name next = slice_stand_in(processor, owner);

    *ret_payer = next ? owner : borrower;
    return next ? next : slice_stand_in(processor, borrower);
}

/* Does who runs go on, whoever else may want to? */
static bool slice_is_owned(uint32_t processor)
{
    const struct processor *self = &kernel.processor[processor];

    return self->running && !self->ending && self->payer && self->payer == slot_now(processor)->vcpu;
}

/* What becomes of who runs, if `next` should run now, on the time of `next_payer`. Against its lender a borrower (loan) has no grace,
 * even if that one's next slot is lent to another. */
static enum verdict slice_judge(uint32_t processor, bool boundary, bool loan, vcpu_name next, vcpu_name next_payer)
{
    const struct processor *self = &kernel.processor[processor];
    const struct exo_slot *slot = slot_now(processor);
    bool lent = !boundary && self->payer && self->payer == slot->borrower;
    bool owners = next && next != self->running && next_payer == slot->vcpu;

    if (self->ending)
        return self->ending == ENDING_LOAN && owners ? VERDICT_RECALL : VERDICT_KEEP;
    if (lent && (!next || next_payer == self->payer))
        return VERDICT_KEEP;
    if (next == self->running) {
        slice_pay(processor, next_payer);
        slice_drop_payer(processor);
        return VERDICT_KEEP;
    }
    return lent || (loan && owners) ? VERDICT_RECALL : VERDICT_END;
}

inline void slice_enter(vcpu_name name, struct exo_registers *registers)
{
    struct vcpu *vcpu = vcpu_at(name);

    if (vcpu->resume == RESUME_EVENT) {
        upcall_start(name, registers);
        return;
    }
    gate_return(vcpu, registers);
    upcall_deliver(name, registers);
}

static void slice_idle(uint32_t processor, uint64_t now)
{
    struct processor *self = &kernel.processor[processor];

    self->idle_since = now;
    slice_pay(processor, 0);
    if (self->idle)
        return;
    self->idle = 1;
    arch_idle();
}

/* Nobody runs, and `next` should, on the time of `payer`. It may be taken by another processor meanwhile; then nobody runs until the
 * next interrupt. In one piece with who picked it: a wake-up is little else. */
static inline __attribute__((always_inline)) void slice_run(uint32_t processor, uint64_t now, struct exo_registers *registers,
                                                            uint64_t deadline, vcpu_name next, vcpu_name payer)
{
    struct processor *self = &kernel.processor[processor];

    processor_info(processor)->idle_ns += self->idle ? now - self->idle_since : 0;
    slice_pay(processor, payer);
    if (next && slice_claim(self, next, EXO_VCPU_READY)) {
        self->idle = 0;
        if (next != payer && vcpu_state(vcpu_at(payer)) == EXO_VCPU_OFF)
            slice_pay(processor, next);
        deadline = callers_deadline(vcpu_at(next)->caller, now, deadline);
        arch_switch(next, vcpu_at(next));
        slice_enter(next, registers);
        trace_record(now, EXO_TRACE_SWITCH, next, EXO_EVENT_START, self->slot);
    } else {
        slice_idle(processor, now);
    }
    slice_arm_all(processor, deadline);
}

static void slice_next(uint32_t processor, uint64_t now, struct exo_registers *registers, uint64_t deadline)
{
    vcpu_name payer, next = slice_pick(processor, &payer);

    slice_run(processor, now, registers, deadline, next, payer);
}

/* Nobody runs: a slot may begin and timers be over, then choose. */
static void slice_turn(uint32_t processor, uint64_t now, struct exo_registers *registers)
{
    bool ended = false;

    if (slot_is_over(processor, now))
        slice_advance(processor, now);
    slice_next(processor, now, registers, slice_expire(processor, now, &ended));
}

void slice_leave(uint32_t processor, struct exo_registers *registers)
{
    uint64_t now = arch_time();

    slice_charge(processor, now);
    kernel.processor[processor].running = 0;
    slice_turn(processor, now, registers);
}

static void slice_force(uint32_t processor, uint64_t now, const struct exo_registers *registers)
{
    vcpu_name running = kernel.processor[processor].running;

    upcall_force(running, now, registers);
    kernel.processor[processor].running = 0;
    vcpu_set(vcpu_at(running), EXO_VCPU_READY);
    slice_charge(processor, now);
}

static void slice_end(uint32_t processor, uint64_t now, bool loan)
{
    struct processor *self = &kernel.processor[processor];

    self->ending = loan ? ENDING_LOAN : ENDING;
    self->grace = now + EXO_GRACE_NS;
    upcall_mark(vcpu_at(self->running)->context, EXO_EVENT_END);
    trace_record(now, EXO_TRACE_END, self->running, 0, self->slot);
}

/* Take off its processor one that must not run on: it is being stopped, or its grace is over. */
static void slice_evict(uint32_t processor, uint64_t now, const struct exo_registers *registers)
{
    struct processor *self = &kernel.processor[processor];
    struct vcpu *vcpu = vcpu_at(self->running);

    if (vcpu->stop) {
        self->running = 0;
        vcpu_set(vcpu, EXO_VCPU_OFF);
        slice_charge(processor, now);
    } else if (self->ending && now >= self->grace) {
        slice_force(processor, now, registers);
    }
}

/* Whose loan the time is that is being used here; 0: nobody's. */
static vcpu_name slice_lender(uint32_t processor)
{
    const struct exo_slot *slot = slot_now(processor);
    vcpu_name payer = kernel.processor[processor].payer;

    return payer && payer == slot->borrower && payer != slot->vcpu ? slot->vcpu : 0;
}

/* Look again who should run. */
static void slice_look(uint32_t processor, uint64_t now, struct exo_registers *registers)
{
    struct processor *self = &kernel.processor[processor];
    bool ended = false, loan = false;

    slice_drop_payer(processor);
    if (self->running)
        slice_evict(processor, now, registers);
    bool boundary = slot_is_over(processor, now);
    if (boundary) {
        vcpu_name lender = slice_lender(processor);
        slice_advance(processor, now);
        loan = lender && lender == slot_now(processor)->vcpu;
    }
    if (processor == 0 && kernel.watch && now >= kernel.watch)
        disk_watch(now);
    uint64_t deadline = slice_expire(processor, now, &ended);
    if (boundary || ended || !slice_is_owned(processor)) {
        vcpu_name payer, next = slice_pick(processor, &payer);
        if (self->running) {
            enum verdict verdict = ended && !self->ending ? VERDICT_RECALL : slice_judge(processor, boundary, loan, next, payer);
            if (verdict == VERDICT_RECALL)
                slice_force(processor, now, registers);
            else if (verdict == VERDICT_END)
                slice_end(processor, now, loan);
        }
        if (!self->running) {
            slice_run(processor, now, registers, deadline, next, payer);
            return;
        }
    }
    upcall_deliver(self->running, registers);
    slice_arm_all(processor, deadline);
}

void slice_timer(struct exo_registers *registers, uint64_t now)
{
    uint32_t processor = arch_processor();

    kernel.processor[processor].armed = EXO_NEVER;
    slice_look(processor, now, registers);
}

void slice_interrupted(struct exo_registers *registers)
{
    uint32_t processor = arch_processor();

    slice_drop_payer(processor);
    if (processor_info(processor)->flushed < system_info()->flush_epoch)
        arch_flush_all();
    slice_look(processor, arch_time(), registers);
}

void slice_start(struct exo_registers *registers)
{
    uint32_t processor = arch_processor();

    kernel.processor[processor].armed = EXO_NEVER;
    processor_info(processor)->online = 1;
    slice_look(processor, arch_time(), registers);
}

/* ---- from other modules */

void slice_slot_changed(uint32_t slot)
{
    uint32_t processor = slot / SLOTS_PER_PROCESSOR;

    if (__atomic_load_n(&kernel.processor[processor].slot, __ATOMIC_SEQ_CST) == slot)
        arch_interrupt(processor);
}

void slice_notice(vcpu_name name)
{
    for (uint32_t depth = 0; name && depth <= DEPTH_MAX; depth++) {
        for (uint32_t p = 0; p < PROCESSOR_LIMIT && p < kernel.processor_count; p++) {
            const struct exo_slot *slot = slot_at(__atomic_load_n(&kernel.processor[p].slot, __ATOMIC_SEQ_CST));

            if (slot->vcpu == name || slot->borrower == name)
                arch_interrupt(p);
        }
        name = vcpu_at(name)->caller;
    }
}

/* ---- calls */

exo_result call_slice_yield(const struct caller *caller, struct exo_registers *registers)
{
    struct processor *self = &kernel.processor[arch_processor()];
    const struct exo_slot *slot = slot_now(arch_processor());

    if (!self->ending) {
        self->passed |= slot->vcpu == caller->vcpu ? PASSED_OWNER : 0;
        self->passed |= slot->borrower == caller->vcpu ? PASSED_BORROWER : 0;
    }
    vcpu_set(vcpu_at(caller->vcpu), EXO_VCPU_READY);
    slice_leave(arch_processor(), registers);
    return (exo_result)registers->rax;
}

exo_result call_slice_yield_to(const struct caller *caller, struct exo_registers *registers, uint16_t target, uint8_t vcpu)
{
    struct processor *self = &kernel.processor[arch_processor()];
    uint64_t generation = __atomic_load_n(&kernel.generation, __ATOMIC_ACQUIRE);
    frame_name environment;

    if (vcpu >= VCPUS_PER_ENVIRONMENT)
        return EXO_BAD_NAME;
    exo_result result = capability_environment(caller->environment, target, EXO_RIGHT_RUN, &environment);
    if (result < 0)
        return result;
    if (self->ending)
        return call_slice_yield(caller, registers);
    vcpu_name name = environment * VCPUS_PER_ENVIRONMENT + (uint32_t)arch_clamp(vcpu, VCPUS_PER_ENVIRONMENT);
    if (!slice_claim(self, name, EXO_VCPU_READY))
        return EXO_BUSY;

    self->target[target % RECENT_MAX] = (struct recent_target){
        .slot = target, .index = vcpu, .generation = generation, .caller = caller->vcpu, .vcpu = name,
    };
    vcpu_set(vcpu_at(caller->vcpu), EXO_VCPU_READY);
    arch_switch(name, vcpu_at(name));
    slice_enter(name, registers);
    slice_arm(arch_processor(), vcpu_at(name)->timer);
    return (exo_result)registers->rax;
}

const struct place *slice_yield_fast(uint64_t target, uint64_t index)
{
    struct processor *here = processor_here();
    const struct recent_target *known = &here->target[target % RECENT_MAX];
    vcpu_name self = here->running;

    if (known->slot != target || known->index != index || known->caller != self ||
        known->generation != kernel.generation || here->ending)
        return NULL;
    vcpu_name name = known->vcpu;
    struct vcpu *vcpu = vcpu_at(name);
    if (vcpu->timer < here->armed || !slice_claim(here, name, EXO_VCPU_READY))
        return NULL;
    if (vcpu->resume != RESUME_EVENT) {
        vcpu_set(vcpu, EXO_VCPU_READY);
        slice_unclaim(here, self);
        return NULL;
    }

    vcpu_set(vcpu_here(), EXO_VCPU_READY);
    arch_switch(name, vcpu);
    upcall_begin(vcpu);
    return &vcpu->start;
}

exo_result slice_sleep(vcpu_name name, struct exo_registers *registers, uint64_t deadline, uint32_t events, bool gates)
{
    struct vcpu *vcpu = vcpu_at(name);
    const uint32_t *pending = &context_here()->pending;
    uint32_t asleep = gates ? EXO_VCPU_WAITING : EXO_VCPU_ASLEEP;

    vcpu->timer = deadline;
    vcpu->wake = events;
    slice_arm(arch_processor(), deadline);
    if (__atomic_load_n(pending, __ATOMIC_SEQ_CST) & events)
        return EXO_OK;
    if (gates) {
        vcpu_give_up(name);
        vcpu->depth = 0;
    }
    vcpu_set(vcpu, asleep);
    if (__atomic_load_n(pending, __ATOMIC_SEQ_CST) & events)
        vcpu_move(vcpu, asleep, EXO_VCPU_READY);
    predicate_wake(name, arch_time());
    slice_leave(arch_processor(), registers);
    return (exo_result)registers->rax;
}

exo_result call_slice_sleep(const struct caller *caller, struct exo_registers *registers, uint64_t deadline, uint32_t events,
                            uint8_t gates)
{
    if (events & ~(uint32_t)SLEEP_EVENTS || gates > 1)
        return EXO_BAD_ARGUMENT;
    vcpu_at(caller->vcpu)->watch.program = 0;
    return slice_sleep(caller->vcpu, registers, deadline, events, gates);
}

exo_result call_timer_set(const struct caller *caller, uint64_t deadline)
{
    vcpu_at(caller->vcpu)->timer = deadline;
    slice_arm(arch_processor(), deadline);
    return EXO_OK;
}
