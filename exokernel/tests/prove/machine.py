"""What the machine does to the kernel's state when the core calls it: the effects that the contract (core/arch.h)
promises, and results that may be anything else."""
import z3

import ir
import term as t
from memory import Entry, Index, Place

PAGES = ("environment_pages", "capability_pages", "table_pages", "shadow_pages", "context_pages", "trace_pages")
SILENT = ("arch_timer", "arch_flush_page", "arch_flush_all", "arch_interrupt", "arch_switch", "arch_idle", "arch_entries",
          "arch_save_fpu", "arch_lock", "arch_unlock", "arch_console_write", "arch_exit")
USER_ROOT_ENTRIES = 256


def silent(executor, guard, arguments):
    return None


def time(executor, guard, arguments):
    return executor.memory.unknown(ir.Int(64), "time")


def processor(executor, guard, arguments):
    """The same processor all through a call."""
    return z3.BitVec("processor", 32)


def console_read(executor, guard, arguments):
    """A byte, or -1."""
    byte = executor.memory.unknown(ir.Int(8), "byte")
    return t.choice(z3.Bool("console has a byte"), t.extend(byte, 32), t.number(-1, 32))


def frame_index(frame):
    return t.cut(frame, 22)


def every_key(executor, region):
    """Keys of all scalars of one page of the region."""
    memory, region = executor.memory, executor.global_region(region)
    page = memory.child(Place(region, (), region.kind), Index(None, region.kind.count))
    for _, scalar in memory.scalars(page, whole=True):
        yield from every_index(memory, scalar)


def every_index(memory, place):
    """The place's key with any index in place of its small constant ones."""
    path = tuple(Index(None, step.count) if isinstance(step, Index) else step for step in place.path)
    yield memory.place_key(Place(place.region, path, place.kind))[0]


def clear_page(executor, guard, arguments):
    """Whatever the page is looked at as, it is zero."""
    frame = frame_index(arguments[0])
    executor.check_view("frame_table", arguments[0], guard, "clearing")
    for region in PAGES:
        if region in executor.racy:
            continue
        for key in dict.fromkeys(every_key(executor, region)):
            where = (frame, *(None for _ in key.widths[1:]))
            executor.memory.append(key, Entry(guard, where, t.number(0, key.kind.bits)))


def fill_root_table(executor, guard, arguments):
    """Entries that environments do not write change."""
    frame = frame_index(arguments[0])
    executor.check_view("table_pages", arguments[0], guard, "filling")
    region = executor.global_region("table_pages")
    page = memory_entry(executor, region)
    key = executor.memory.place_key(page)[0]
    anything = executor.memory.anything(key, f"root{next(executor.memory.fresh)}")
    executor.memory.append(key, Entry(guard, lambda where: t.conjunction(
        [t.equal(where[0], frame), z3.UGE(where[1], USER_ROOT_ENTRIES)]), anything))


def memory_entry(executor, region):
    page = executor.memory.child(Place(region, (), region.kind), Index(None, region.kind.count))
    return executor.memory.child(page, Index(None, page.kind.count))


def table_is_empty(executor, guard, arguments):
    """If so, no entry that environments write is present: told to the solver for each entry that is asked about."""
    frame = frame_index(arguments[0])
    executor.check_view("table_pages", arguments[0], guard, "looking through")
    answer = executor.memory.unknown(ir.Int(1), "empty")
    key = executor.memory.place_key(memory_entry(executor, executor.global_region("table_pages")))[0]
    log = list(executor.memory.log(key))
    level = arguments[1]

    def fact(table, index):
        entry = executor.memory.read_key(key, (table, index), guard, log)
        written = z3.Or(level != 4, z3.ULT(index, USER_ROOT_ENTRIES))
        return z3.Implies(z3.And(guard.condition, answer, table == frame, written), z3.Extract(0, 0, entry) == 0)
    executor.entry_facts.append(fact)
    return answer


MODELS = {name: silent for name in SILENT} | {
    "arch_time": time, "arch_processor": processor, "arch_console_read": console_read, "arch_clear_page": clear_page,
    "arch_fill_root_table": fill_root_table, "arch_table_is_empty": table_is_empty,
}
