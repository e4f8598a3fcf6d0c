"""Prove the call handlers of the core, as clang compiles them, with z3.

For each handler: (memory) every access is in bounds, and every access to a donated page is to a frame whose kind agrees;
(failure) a call that fails changes nothing; (claims) what invariant.c says of the state before a call holds after it.
For each routine with a contract (contract.c): that it keeps it. Of each also that it is reached at all. TAP; what z3 does not
answer has failed."""
import argparse
import multiprocessing
import pathlib
import re
import signal
import subprocess
import sys
import time

import z3

import claims
import ir
import machine
import term as t
from execute import Epoch, Executor, State
from memory import INITIAL, Memory, Place, Region
from solve import FACTS_AGAINST, ROUNDS_AGAINST, Attempt, Claims

PROPERTIES = ("memory", "failure", "claims")
AGAIN = -9
SPECIFIED = ("invariant", "contract", "time", "device")    # claims and contracts
KIND_FIELD = 5     # of struct exo_frame
ROUTINE_SECONDS = 3000    # only against a stuck solver; the slowest that is proved takes a twentieth of it here
FAILURES_MAX = 6
SLOW_SECONDS = 5
SHARE_MAX = 1 / 3        # of the limit, that a goal should need at most
FIRST = ("call_gate_create", "call_slice_sleep_on", "call_capability_derive", "call_large_free", "call_frame_return")    # the longest
# These never fail.
UNREACHED = {("call_slice_yield", "failure"), ("call_timer_set", "failure")}


def breaks():
    """{fault: routine whose proof it breaks}."""
    text = (pathlib.Path(__file__).parent / "faults" / "breaks.txt").read_text()
    return dict(line.split() for line in text.splitlines() if not line.startswith("#"))


BREAKS = breaks()


# ---------------------------------------------------------------- the module under proof

def compile_core(root, includes, work, clang="clang-14", suffix="-14"):
    """Compile the core's files under root, the claims and the contracts to one textual module, locals in registers. What has
    not changed since it was compiled in this folder is not compiled again."""
    work.mkdir(parents=True, exist_ok=True)
    here = pathlib.Path(__file__).parent
    folders = [root / "arch/prove/include", root / "arch/x86_64/include", root / "core", root / "code", *includes]
    sources = [f for f in sorted((root / "core").glob("*.c")) if f.name not in ("ash.c", "boot.c", "call.c")]
    headers = [header for folder in folders for header in pathlib.Path(folder).rglob("*.h")]
    objects, common = [], max(each.stat().st_mtime for each in (pathlib.Path(__file__), *headers))
    for source in [*sources, *(here / f"{name}.c" for name in SPECIFIED)]:
        out = work / (source.stem + ".ll")
        if not out.exists() or out.stat().st_mtime <= max(common, source.stat().st_mtime):
            run([clang, "-std=gnu11", "-O0", "-Xclang", "-disable-O0-optnone", "-gline-tables-only", "-fno-builtin", "-w",
                 "-fno-discard-value-names", *(f"-I{f}" for f in folders), "-S", "-emit-llvm", str(source), "-o", str(out)])
        objects.append(str(out))
    run([f"llvm-link{suffix}", "-S", *objects, "-o", str(work / "linked.ll")])
    run([f"opt{suffix}", "-S", "-passes=sroa,simplifycfg,sroa,loop-simplify,lcssa", str(work / "linked.ll"),
         "-o", str(work / "core.ll")])
    return work / "core.ll"


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")


def handlers_of(module):
    return [name for name in module.routines if re.match(r"call_(?!enter|dispatch|is$|as_subject)", name)
            and any(kind == ir.Pointer(ir.Struct("struct.caller")) for kind, _ in module.routines[name].arguments[:1])]


def contracts_of(module):
    found = [match[2] for match in (re.match(r"(pre|post|modifies)_(.*)", name) for name in module.routines) if match]
    return [name for name in dict.fromkeys(found) if name in module.routines]


# ---------------------------------------------------------------- one routine

class Prover(Executor):
    racy = ("context_pages", "ring_pages", "net_ring_pages")

    def __init__(self, module, name):
        super().__init__(module, machine.MODELS)
        self.root, self.claims = name, Claims(self)
        self.is_handler = not any(self.contract(part, name) for part in ("pre", "post", "modifies"))
        self.arguments, self.caller = [], None

    def begin(self):
        state = State(Memory(self.module.layout))
        self.constants_into(state.memory)
        self.merged(state, "ships", [])
        state.memory.seal()
        state.memory.dirty = frozenset()
        for kind, argument in self.module.routines[self.root].arguments:
            self.arguments.append(self.argument(kind, argument))
        self.leans = not self.contract("anywhere", self.root)
        state.epochs = (Epoch(state.memory.fork(), bare=not self.leans),)
        if self.caller and self.is_handler:
            for assumed in ("assumed_caller", "assumed_entry"):
                state.assume(self.specified(state.memory, assumed, [self.caller]))
        state.assume(self.specified(state.memory, "assumed_kernel", []))
        pre = self.contract("pre", self.root)
        if pre:
            state.assume(self.specified(state.memory, pre.name, self.arguments))
        self.initial = state.memory.fork()
        return state

    def argument(self, kind, name):
        if not isinstance(kind, ir.Pointer):
            return z3.BitVec(f"argument_{name}", kind.bits) if kind.bits > 1 else z3.Bool(f"argument_{name}")
        shared = kind.to == ir.Struct("struct.exo_registers")
        place = [(t.TRUE, Place(Region(name, kind.to, local=True, racy=shared), (), kind.to))]
        if kind.to == ir.Struct("struct.caller"):
            self.caller = place
        return place

    def stored(self, state, place, value, guard):
        if place.region.name == "frame_table" and place.path[1:] == (KIND_FIELD,):
            if not t.is_true(guard):
                raise ir.IrError("a frame's kind is stored on some of the paths that are met")
            machine.kind_stored(self, state, place.path[0].term, value)

    # ---- what is shown at cuts and at the end

    def establish(self, state, what, condition=t.TRUE, kind="cut"):
        """Every claim that what was stored may have broken."""
        if state.dry:
            return
        for name, sorts in claims.CLAIMS.items():
            if name in self.claims.sorts and any(key in state.memory.dirty for key in self.claims.fields(name)):
                names = [part for number, sort in enumerate(sorts) for part in claims.anything(sort, number)]
                holds = self.specified(state.memory, name, names)
                self.oblige(state, condition, holds, f"{name} {what}", kind, (name, names))

    def show_caller(self, state, what):
        """At the head of a handler's loop the caller is what it was."""
        if self.caller and self.is_handler:
            self.oblige(state, t.TRUE, self.specified(state.memory, "assumed_caller", [self.caller]), f"assumed_caller {what}", "cut")

    def assume_caller(self, state):
        if self.caller and self.is_handler:
            state.assume(self.specified(state.memory, "assumed_caller", [self.caller]))

    def unchanged(self, state, before, condition, what, kind="cut"):
        """Where the condition holds, every field is at every index what it was. Writes to shared pages do not come back."""
        if state.dry or t.is_false(condition):
            return
        for key in list({**state.memory.logs, **state.memory.versions}):
            if key.region.local or not self.may_differ(state.memory, before, key):
                continue
            where = tuple(z3.BitVec(f"any{i}_{width}", width) for i, width in enumerate(key.widths))
            holds = t.FALSE if key.region.racy else t.equal(state.memory.read_key(key, where), before.read_key(key, where))
            self.oblige(state, condition, holds, f"{key} is unchanged {what}", kind)

    @staticmethod
    def may_differ(now, before, key):
        if isinstance(key.kind, ir.Pointer):
            return False
        return now.version(key) is not before.version(key) or now.logs.get(key, ()) != before.logs.get(key, ())

    def finish(self, state):
        """At a return."""
        state.frames = []
        if not self.is_handler:
            self.probe(state, "a return")
        else:
            failed = failing(state.result)
            self.probe(state, "failure", failed)
            self.probe(state, "success", t.compare("sge", state.result, t.number(0, 64)))
            self.unchanged(state, self.initial, failed, "when the call fails", "failure")
            self.establish(state, "after", t.negation(failed), "claims")
            return
        arguments = self.arguments + ([] if state.result is None else [state.result])
        if self.leans:
            self.establish(state, "at the return")
        post, same = self.contract("post", self.root), self.contract("same", self.root)
        if post:
            self.old = self.initial
            names = [part for _, a in post.arguments if a.startswith("any_") for part in claims.anything(a.split("_")[1], 0)]
            holds = self.specified(state.memory, post.name, arguments + names)
            self.oblige(state, t.TRUE, holds, f"{post.name}", "cut")
        if same:
            self.unchanged(state, self.initial, self.specified(state.memory, same.name, arguments), f"if {same.name}")
        self.only_allowed(state, arguments)

    def only_allowed(self, state, arguments):
        """What is changed is what modifies_ names."""
        modifies, allowed = self.contract("modifies", self.root), Memory(self.module.layout)
        if modifies:
            trial = State(self.initial.fork())
            trial.memory.dirty = frozenset()
            self.quiet += 1
            self.merged(trial, modifies.name, arguments[:len(modifies.arguments)])
            self.quiet -= 1
            allowed = trial.memory
        for key in list({**state.memory.logs, **state.memory.versions}):
            if key.region.name.startswith("%") or not self.may_differ(state.memory, self.initial, key):
                continue
            if key.region.racy:
                self.oblige(state, t.TRUE, t.TRUE if key in allowed.dirty else t.FALSE, f"{key} may change", "cut")
                continue
            where = tuple(z3.BitVec(f"any{i}_{width}", width) for i, width in enumerate(key.widths))
            self.oblige(state, t.negation(self.is_allowed(allowed, key, where)),
                        t.equal(state.memory.read_key(key, where), self.initial.read_key(key, where)), f"{key} may change", "cut")

    @staticmethod
    def is_allowed(allowed, key, where):
        if key not in allowed.dirty:
            return t.FALSE
        log = allowed.logs.get(key, ())
        return t.disjunction([allowed.matches(entry, where) for entry in log]) if log else t.TRUE


def failing(status):
    """AGAIN is no failure: it says that part of the work was done. Nor is a register of who runs next."""
    if z3.is_const(status) and status.decl().name().startswith("registers!"):
        return t.FALSE
    return t.conjunction([t.compare("slt", status, t.number(0, 64)), t.negation(t.equal(status, t.number(AGAIN, 64)))])


class Case:
    """failures: None if it is not tried, `used` says why."""

    def __init__(self, name, prop, goals, seconds, failures, used=()):
        self.name, self.property, self.goals, self.seconds, self.failures, self.used = name, prop, goals, seconds, failures, used


def prove_routine(module, name, properties, refute=False):
    started = time.process_time()
    prover = Prover(module, name)
    for state in prover.run(prover.begin(), name, prover.arguments):
        prover.finish(state)
    print(f"# {name}: {len(prover.goals)} goals, {time.process_time() - started:.1f} s to run", flush=True)
    failures, counts = {"cut": vacuous(prover)}, {}
    for goal in () if refute and failures["cut"] else prover.goals:
        if goal.kind != "cut" and goal.kind not in properties and prover.is_handler:
            continue
        counts[goal.kind] = counts.get(goal.kind, 0) + 1
        answer = answer_of(prover, goal)
        if answer != "proved":
            failures.setdefault(goal.kind, []).append(f"{goal.what}: {answer}")
        if sum(map(len, failures.values())) >= FAILURES_MAX or refute and answer == "refuted":
            failures["cut"].append("no more was tried")
            break
    seconds = time.process_time() - started
    if not prover.is_handler:
        return [Case(name, "contract", len(prover.goals), seconds, sum(failures.values(), []), prover.used)]
    return [Case(name, prop, counts.get(prop, 0) + counts.get("cut", 0), seconds,
                 failures.get(prop, []) + failures["cut"], prover.used) for prop in properties]


def answer_of(prover, goal):
    begun = time.process_time()
    attempt = Attempt(prover.claims, goal)
    answer = attempt.prove()
    if answer == "proved" and attempt.depth > 0 and prover.root in BREAKS.values():
        answer = "proved, but only by names of names, without which its seeded fault is looked for"
    if time.process_time() - begun > SLOW_SECONDS or attempt.share > SHARE_MAX:
        print(f"# slow: {time.process_time() - begun:.1f} s, {attempt.share * 100:.0f} % of the limit, {attempt.facts} facts: "
              f"{goal.what}", flush=True)
    return answer


def vacuous(prover):
    """What cannot be reached, or only from assumptions that contradict each other, so that all would be shown of it: the
    failure and the success of a handler, a return, the head of each loop. What stands on the way to what is possible is possible."""
    wanted = set(prover.probes) | ({"success", "failure"} if prover.is_handler else {"a return"})
    wanted -= {what for routine, what in UNREACHED if routine == prover.root}
    possible, missed = [], []
    for what in sorted(wanted, key=lambda each: (each.startswith("the head of"), each)):
        ways = sorted(prover.probes.get(what, ()), key=lambda goal: len(goal.conditions))
        if any(assumes_all(further, goal) for goal in ways for further in possible):
            continue
        found = next((goal for goal in ways if is_possible(prover, goal)), None)
        if found:
            possible.append(found)
        else:
            missed.append(f"{what} is never reached: vacuous")
    return missed


def assumes_all(further, goal):
    """All that is assumed on the way to this goal is assumed on the way to the further one: where that is possible, so is this."""
    return all(set(map(id, getattr(goal, part))) <= set(map(id, getattr(further, part))) for part in ("epochs", "quantified")) and \
        {term.get_id() for term in goal.conditions} <= {term.get_id() for term in further.conditions}


def is_possible(prover, goal):
    """No contradiction is found about as deep as proofs are found."""
    attempt = Attempt(prover.claims, goal)
    return attempt.prove(ROUNDS_AGAINST, FACTS_AGAINST) != "proved" and attempt.last == z3.sat


# ---------------------------------------------------------------- the whole

MODULE = None


def unproved(path):
    """{(routine, property): reason} of what is known not to be proved yet."""
    if path is None:
        return {}
    lines = [line.split(" ", 2) for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {(routine, prop): reason for routine, props, reason in lines for prop in (PROPERTIES if props == "*" else (props,))}


def overdue(*_):
    raise TimeoutError(f"not done in {ROUTINE_SECONDS} s")


def work_on(job):
    name, properties, refute = job
    signal.signal(signal.SIGALRM, overdue)
    signal.alarm(ROUTINE_SECONDS)
    try:
        return prove_routine(MODULE, name, properties, refute)
    except Exception as error:
        import traceback
        failure = [f"{type(error).__name__}: {error}", *traceback.format_exc().splitlines()[-40:]]
        return [Case(name, prop, 0, 0, failure) for prop in properties]


def main():
    global MODULE
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, required=True, help="the exokernel folder")
    parser.add_argument("--include", type=pathlib.Path, action="append", default=[], help="generated headers")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for compiled files")
    parser.add_argument("--routine", action="append", help="only these handlers or routines with a contract")
    parser.add_argument("--property", action="append", choices=["memory", "failure", "claims"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--open", type=pathlib.Path, help="file of `routine property reason`: not proved yet, not tried")
    parser.add_argument("--refute", action="store_true", help="the core is a faulty copy: something must be refuted")
    parser.add_argument("--depth", type=int, default=Attempt.generations, help="of names of names, that claims are used of")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    return report(options, list(results(options)))


def results(options):
    """(name, property, reason or None, case or None), as they come."""
    global MODULE
    Attempt.generations = options.depth
    MODULE = ir.Module(compile_core(options.root, options.include, options.work).read_text())
    left, jobs = unproved(options.open), []
    contracts = contracts_of(MODULE)
    names = options.routine or contracts + handlers_of(MODULE)
    for name in sorted(names, key=lambda each: each not in FIRST):
        wanted = ["contract"] if name in contracts else options.property or PROPERTIES
        properties = [prop for prop in wanted if (name, prop) not in left]
        if properties:
            jobs.append((name, properties, options.refute))
    with multiprocessing.Pool(options.jobs, maxtasksperchild=1) as pool:
        for cases in pool.imap_unordered(work_on, jobs):
            for case in cases:
                print(f"# {'FAILED' if case.failures else 'proved'} {case.name} {case.property}, {case.seconds:.1f} s", flush=True)
                yield case
    for (name, prop), reason in left.items():
        if not options.routine or name in options.routine:
            yield Case(name, prop, 0, 0, None, reason)


def leaning(cases):
    """Routines whose contracts are not proved, and with them all that use them."""
    open_ones = {case.name for case in cases if case.property == "contract" and (case.failures or case.failures is None)}
    uses = {case.name: case.used for case in cases if case.failures is not None}
    while True:
        more = {name for name, used in uses.items() if name not in open_ones and set(used) & open_ones}
        if not more:
            return open_ones
        open_ones |= more


def report(options, cases):
    shaky, bad, goals = leaning(cases), 0, 0
    for number, case in enumerate(sorted(cases, key=lambda each: each.name), 1):
        what = f"{number} - {case.name} {case.property}"
        if case.failures is None:
            print(f"ok {what} # SKIP {case.used}")
        elif not case.failures and case.name in shaky:
            print(f"ok {what} # SKIP rests on {', '.join(sorted(set(case.used) & shaky))}, not proved yet")
        else:
            print(f"{'not ok' if case.failures else 'ok'} {what} # {case.goals} goals")
            bad, goals = bad + bool(case.failures), goals + case.goals
            for failure in case.failures[:None if options.verbose else 5]:
                print(f"#   {failure}")
    if options.refute:
        refuted = any(failure.endswith((": refuted", ": vacuous")) for case in cases for failure in case.failures or ())
        print(f"{'ok' if refuted else 'not ok'} {len(cases) + 1} - the fault is refuted")
        return 0 if refuted else 1
    print(f"1..{len(cases)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
