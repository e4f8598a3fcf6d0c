"""What the machine does to the kernel's state when the core calls it: the effects that the contract (core/arch.h)
promises, and results that may be anything else."""
import z3

import ir
import term as t
from memory import ANY, Entry, Index, Place, Version

# Kind of a frame (EXO_FRAME_...): how its page is looked at. Context pages are shared: they hold anything at each look.
VIEWS = {**dict.fromkeys(range(5, 9), "table_pages"), 9: "shadow_pages", 10: "environment_pages", 11: "capability_pages", 15: "trace_pages",
         18: "queue_pages", 20: "net_queue_pages"}
SILENT = ("arch_timer", "arch_flush_page", "arch_flush_all", "arch_interrupt", "arch_switch", "arch_idle", "arch_entries",
          "arch_save_fpu", "arch_lock", "arch_unlock", "arch_console_write", "arch_exit", "device_net_again", "device_disk_put",
          "device_disk_kick", "device_disk_again")
USER_ROOT_ENTRIES = 256
BUCKETS = 9       # field number of struct network


def silent(executor, state, arguments):
    return None


def time(executor, state, arguments):
    return state.memory.unknown(ir.Int(64), "time")


def timer_is_due(executor, state, arguments):
    """Either, at each look."""
    return state.memory.unknown(ir.Int(1), "due")


def processor(executor, state, arguments):
    """The same processor all through a call."""
    return z3.BitVec("processor", 32)


def any_name(executor, state, arguments):
    """Of contracts: an index that stands for all."""
    return ANY


def console_read(executor, state, arguments):
    """A byte, or -1."""
    memory = state.memory
    return t.choice(memory.unknown(ir.Int(1), "silence"), t.number(-1, 32), t.extend(memory.unknown(ir.Int(8), "byte"), 32))


def predicate_holds(executor, state, arguments):
    """Of downloaded code: a run changes nothing but its own context, and may say anything."""
    executor.havoc(state, arguments[2], t.TRUE)
    return state.memory.unknown(ir.Int(1), "holds")


def any_bucket(executor, state, arguments):
    """Wherever a pattern's hash leads."""
    network = executor.global_region("network")
    place = executor.constants.child(Place(network, (), network.kind), BUCKETS)
    return [(t.TRUE, executor.constants.child(place, state.memory.unknown(ir.Int(12), "bucket")))]


for pure in (time, timer_is_due, processor, any_name):
    pure.is_pure = True


def frame_index(frame):
    return t.cut(frame, 22)


def page(executor, region):
    """All elements of the region."""
    region = executor.global_region(region)
    return executor.constants.child(Place(region, (), region.kind), Index(None, region.kind.count))


def page_keys(executor, region):
    """Keys of all scalars of one page of the region."""
    memory = executor.constants
    for _, scalar in memory.scalars(page(executor, region), whole=True):
        path = tuple(Index(None, step.count) if isinstance(step, Index) else step for step in scalar.path)
        yield memory.place_key(Place(scalar.region, path, scalar.kind))[0]


def check(executor, state, region, frame, what):
    executor.check_place(state, t.TRUE, Place(executor.global_region(region), (Index(frame, 1 << 23),), None), what)


def clear_page(executor, state, arguments):
    """It is zero, whatever it is looked at as next: see kind_stored."""
    check(executor, state, "frame_table", arguments[0], "clearing")
    state.cleared = arguments[0]


def may_be_seen_as(executor, state, kind, region):
    hit = t.disjunction([t.equal(kind, t.number(each, kind.size())) for each, view in VIEWS.items() if view == region])
    return not t.is_false(hit) and executor.is_possible(state, hit)


def kind_stored(executor, state, frame, kind):
    """The frame gets this kind. If its page has a view then, it was cleared just before, and the view shows that."""
    views = [region for region in dict.fromkeys(VIEWS.values()) if may_be_seen_as(executor, state, kind, region)]
    if not views:
        return
    was_cleared = t.FALSE if state.cleared is None else t.equal(t.fit(state.cleared, 64), t.fit(frame, 64))
    viewed = t.disjunction([t.equal(kind, t.number(each, kind.size())) for each in VIEWS])
    executor.oblige(state, viewed, was_cleared, "a page that is used in a new way was cleared")
    for region in views:
        for key in dict.fromkeys(page_keys(executor, region)):
            where = (frame_index(frame), *(None for _ in key.widths[1:]))
            state.memory.append(key, Entry(where, t.TRUE, t.number(0, key.kind.bits)))


def entries(executor):
    return next(page_keys(executor, "table_pages"))


def fill_root_table(executor, state, arguments):
    """Entries that environments do not write change."""
    frame = frame_index(arguments[0])
    check(executor, state, "table_pages", arguments[0], "filling")
    written = Version(entries(executor), "root")
    state.memory.append(entries(executor), Entry((frame, None), lambda where: z3.UGE(where[1], USER_ROOT_ENTRIES), written.at))


def table_is_empty(executor, state, arguments):
    """If so, no entry that environments write is present."""
    frame, level = frame_index(arguments[0]), arguments[1]
    check(executor, state, "table_pages", arguments[0], "looking through")
    answer, memory, key = state.memory.unknown(ir.Int(1), "empty"), state.memory.fork(), entries(executor)

    def fact(table, index):
        entry = memory.read_key(key, (t.cut(table, 22), t.cut(index, 8)))
        written = z3.Or(level != 4, z3.ULT(index, USER_ROOT_ENTRIES))
        return z3.Implies(z3.And(answer, t.cut(table, 22) == frame, written), z3.Extract(0, 0, entry) == 0)
    state.quantified += ((("binding",), fact),)
    return answer


MODELS = {name: silent for name in SILENT} | {
    "arch_time": time, "arch_timer_is_due": timer_is_due, "arch_processor": processor, "arch_console_read": console_read,
    "arch_clear_page": clear_page,
    "arch_fill_root_table": fill_root_table, "arch_table_is_empty": table_is_empty, "any_name": any_name,
    "predicate_holds": predicate_holds, "bucket_of_flow": any_bucket,
}
