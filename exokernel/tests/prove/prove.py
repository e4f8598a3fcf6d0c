"""Prove the call handlers of the core, as clang compiles them, with z3.

For each handler: (memory) every access is in bounds, and every access to a donated page is to a frame whose kind agrees;
(failure) a call that fails changes nothing; (claims) what invariant.c says of the state before a call holds after it.
TAP; a timeout is a failure."""
import argparse
import multiprocessing
import pathlib
import re
import signal
import subprocess
import sys
import time

import z3

import ir
import machine
import term as t
from execute import Executor
from memory import ALWAYS, Memory, Place, Region

PROPERTIES = ("memory", "failure", "claims")
AGAIN = -9
# Routines whose loops are unrolled: short walks whose result matters. All others are proved by induction over one round.
UNROLLED = {"capability_walk", "link_below", "label_write", "vcpu_end_call", "gate_message", "message_copy"}
# claim: the regions whose reads name things to claim it of, and how many names it takes
FRAME_CLAIMS = ("claim_frame_owner", "claim_frame_pair", "claim_frame_bindings", "claim_large")
BINDING_CLAIMS = ("claim_binding", "claim_binding_list")
SKOLEM = {
    "claim_kernel": (), **{name: (23,) for name in FRAME_CLAIMS}, **{name: (23, 9) for name in BINDING_CLAIMS},
    "claim_large_part": (23, 9), "claim_capability_table": (23,), "claim_environment_table": (23, 5),
    "claim_capability": (30,), "claim_derivation": (30,), "claim_environment": (23,), "claim_vcpu": (23, 3),
}
# Facts of the state before that help most often come first.
PRIORITY = ("claim_environment_table", "claim_capability_table", "claim_environment", "claim_vcpu", "claim_capability",
            "claim_frame_pair", "claim_binding", "claim_binding_list", "claim_frame_bindings", "claim_frame_owner",
            "claim_derivation", "claim_large", "claim_large_part", "claim_kernel")
TRY_MS = 10_000
PROPERTY_SECONDS = 40
HANDLER_SECONDS = 70
FACTS_AT_ONCE = 16   # added for each counterexample
NEAR = 8             # added for sharing reads
SMALL = 60           # reads of a condition that is tried as it is


# ---------------------------------------------------------------- the module under proof

def compile_core(root, includes, work, clang="clang-14", suffix="-14"):
    """Compile the core's files under root and the claims to one textual module, locals in registers."""
    work.mkdir(parents=True, exist_ok=True)
    here = pathlib.Path(__file__).parent
    folders = [root / "arch/prove/include", root / "arch/x86_64/include", root / "core", *includes]
    sources = [f for f in sorted((root / "core").glob("*.c")) if f.name not in ("boot.c", "call.c")]
    objects = []
    for source in [*sources, here / "invariant.c"]:
        out = work / (source.stem + ".ll")
        run([clang, "-std=gnu11", "-O0", "-Xclang", "-disable-O0-optnone", "-gline-tables-only", "-fno-builtin", "-w",
             *(f"-I{f}" for f in folders), "-S", "-emit-llvm", str(source), "-o", str(out)])
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


# ---------------------------------------------------------------- one handler

class Prover(Executor):
    racy = ("context_pages",)

    def __init__(self, module):
        super().__init__(module, Memory(module.layout), machine.MODELS, UNROLLED, Prover.check_access)
        self.entry_facts, self.epochs, self.goals = [], [], []
        self.cut_loop = Prover.loop
        self.caller = [(t.TRUE, Place(Region("caller", ir.Struct("struct.caller")), (), ir.Struct("struct.caller")))]
        self.seen = {}
        self.views = {}

    # ---- obligations of an access

    def check_access(self, guard, place, what):
        name = place.region.name
        if f"view_{name}" not in self.module.routines:
            return
        index = place.path[0].term
        self.check_view(name, t.cut(index, 31) if index.size() > 32 else t.extend(index, 32), guard, what)

    def check_view(self, region, index, guard, what):
        holds = self.specified(f"view_{region}", [index], guard)
        self.oblige(guard, holds, f"{what} of {region}: the kind agrees")

    def oblige(self, guard, holds, what, group="memory"):
        """What was obliged before, on every path to here, need not be again."""
        if self.quiet or z3.is_true(holds):
            return
        before = self.seen.setdefault(holds.get_id(), [])
        if not any(guard.implies(other) for other in before):
            before.append(guard)
            self.kept.append(holds)
            super().oblige(guard, holds, what, group)

    def specified(self, name, arguments, guard=ALWAYS, limits=None):
        """What a function of invariant.c says of the state now, or as it was at a snapshot."""
        kept = self.memory.logs
        if limits is not None:
            self.memory.logs = {key: log[:limits.get(key, 0)] for key, log in kept.items()}
        self.quiet += 1
        try:
            return self.plain(ir.Int(1), self.call(name, arguments, guard))
        finally:
            self.quiet -= 1
            self.memory.logs = kept

    # ---- claims

    @staticmethod
    def anything(widths):
        """Names of a thing that nothing is known of."""
        return [t.extend(z3.BitVec(f"any{i}_{width}", width), 32) for i, width in enumerate(widths)]

    def claim_goals(self, guard, label):
        for name, widths in SKOLEM.items():
            holds = self.specified(name, self.anything(widths), guard)
            if not z3.is_true(holds):
                self.goals.append(self.goal(f"{name} {label}", guard, holds))

    def loop(self, guard, label, stage):
        if self.quiet:
            return
        if stage == "assume":
            self.epochs.append((guard, self.memory.snapshot()))
            return
        self.claim_goals(guard, f"{label} {stage}")
        self.goals.append(self.goal(f"assumed_caller {label} {stage}", guard,
                                    self.specified("assumed_caller", [self.caller], guard)))

    def instances(self):
        """Claims worth knowing of the state before: at everything that was read."""
        touched = self.memory.touched
        for name, widths in SKOLEM.items():
            if widths:
                yield name, self.anything(widths)
        wide = [t.extend(w[0], 32) for w in touched.get("frame_table", {}).values()]
        for frame in wide:
            for name in FRAME_CLAIMS:
                yield name, [frame]
        for where in touched.get("table_pages", {}).values():
            for name in BINDING_CLAIMS:
                yield name, [t.extend(w, 32) for w in where]
        for where in touched.get("capability_pages", {}).values():
            table = t.extend(where[0], 32)
            yield "claim_capability_table", [table]
            if len(where) == 2 and where[1].size() == 7:
                capability = z3.Concat(z3.Extract(24, 0, table), where[1] + 1)
                yield "claim_capability", [capability]
                yield "claim_derivation", [capability]
        for where in touched.get("environment_pages", {}).values():
            environment = t.extend(where[0], 32)
            yield "claim_environment", [environment]
            if len(where) == 2 and where[1].size() == 5:
                yield "claim_environment_table", [environment, t.extend(where[1], 32)]
            if len(where) == 2 and where[1].size() == 3:
                yield "claim_vcpu", [environment, t.extend(where[1], 32)]

    def general_facts(self):
        """What is known without naming a thing."""
        general = [self.specified(name, [], limits={}) for name in ("claim_kernel", "assumed_kernel")]
        general.append(self.specified("assumed_caller", [self.caller], limits={}))
        general.append(z3.BitVec("processor", 32) == self.memory.read_scalar(
            self.memory.child(self.caller[0][1], 0), ALWAYS))
        for guard, limits in self.epochs:
            for name in ("claim_kernel", "assumed_kernel"):
                general.append(z3.Implies(guard.condition, self.specified(name, [], guard, limits)))
            general.append(z3.Implies(guard.condition, self.specified("assumed_caller", [self.caller], guard, limits)))
        return general + self.facts

    def state_facts(self, rounds):
        """(claim, fact) for each claim of each thing that was read."""
        facts, done = [], set()
        for _ in range(rounds):
            for name, arguments in list(self.instances()):
                key = (name, *(a.get_id() for a in arguments))
                if key in done:
                    continue
                done.add(key)
                known = [self.specified(name, arguments, limits={})]
                for guard, limits in self.epochs:
                    known.append(z3.Implies(guard.condition, self.specified(name, arguments, guard, limits)))
                facts += [(name, fact) for fact in known]
                self.kept.append(arguments)
        for where in list(self.memory.touched.get("table_pages", {}).values()):
            facts += [("claim_binding", fact(*where)) for fact in self.entry_facts]
        return [(name, fact) for name, fact in facts if not z3.is_true(fact)]


def run_handler(module, name):
    """Execute the handler: the prover with its obligations, and (guard, status) of each way out."""
    prover = Prover(module)
    routine = module.routines[name]
    arguments = [prover.caller]
    for kind, argument in routine.arguments[1:]:
        if isinstance(kind, ir.Pointer):
            arguments.append([(t.TRUE, Place(Region("registers", kind.to, racy=True), (), kind.to))])
        else:
            arguments.append(z3.BitVec(f"argument_{argument}", kind.bits))
    prover.call(name, arguments, ALWAYS)
    return prover, list(prover.flat((edge.guard, edge.values[""]) for edge in prover.last_returns))


def state_logs(prover):
    """The fields of the kernel's state that the handler may have written."""
    for key, log in list(prover.memory.logs.items()):
        variable = prover.module.variables.get(key.region.name)
        if variable and not variable.constant and log and not isinstance(key.kind, ir.Pointer):
            yield key, log


def failing(status):
    """AGAIN is no failure: it says that part of the work was done."""
    return t.conjunction([t.compare("slt", status, t.number(0, 64)), t.negation(t.equal(status, t.number(AGAIN, 64)))])


def failure_goals(prover, exits):
    """On each failing way out, each field is at every index what it was. Writes that the way out excludes do not count."""
    for guard, status in exits:
        guard = prover.narrow(guard, failing(status))
        if guard is None:
            continue
        for key, log in state_logs(prover):
            if all(guard.excludes(entry.guard) for entry in log):
                continue
            where = tuple(z3.BitVec(f"any{i}_{width}", width) for i, width in enumerate(key.widths))
            holds = t.equal(prover.memory.read_key(key, where, guard, log), prover.memory.read_key(key, where, guard, []))
            if not z3.is_true(holds):
                yield prover.goal(f"{key} is unchanged when the call fails", guard, holds)


def claims_after(prover, exits):
    """On each way out that may have changed something, all claims hold."""
    guards = []
    for guard, status in exits:
        guard = prover.narrow(guard, t.negation(failing(status)))
        if guard and any(not guard.excludes(entry.guard) for _, log in state_logs(prover) for entry in log):
            guards.append(guard)
    for guard in guards if len(guards) <= 4 else [prover.meet(guards)]:
        prover.claim_goals(guard, "after")


class Case:
    def __init__(self, name, prop, count, seconds, failures):
        self.name, self.property, self.count, self.seconds, self.failures = name, prop, count, seconds, failures


def prove_handler(module, name, properties, rounds):
    started = time.time()
    prover, exits = run_handler(module, name)
    cases = []
    for prop in PROPERTIES:
        if prop not in properties:
            continue
        if prop == "claims":
            claims_after(prover, exits)
        goals = {"memory": prover.obligations, "failure": list(failure_goals(prover, exits)), "claims": prover.goals}[prop]
        cases.append(check(name, prop, Ladder(prover, rounds), goals, time.time() - started))
        started = time.time()
    return cases


def check(name, prop, ladder, goals, seconds):
    started, failures = time.time(), []
    for i, goal in enumerate(goals):
        if time.time() - started > PROPERTY_SECONDS:
            failures.append(f"{len(goals) - i} of {len(goals)} obligations not reached in {PROPERTY_SECONDS} s")
            break
        answer = ladder.climb(goal)
        if answer != "proved":
            failures.append(f"{goal.what}: {answer}")
    return Case(name, prop, len(goals), seconds + time.time() - started, failures)


class Reads:
    """Which reads of the state before a term depends on."""

    def __init__(self):
        self.seen = {}

    def of(self, term):
        """Ids of the reads in the term."""
        key = term.get_id()
        if key not in self.seen:
            found, visited, work = set(), {key}, [term]
            while work:
                node = work.pop()
                if node.num_args() and node.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                    found.add(node.get_id())
                for child in node.children():
                    if child.get_id() not in visited:
                        visited.add(child.get_id())
                        work.append(child)
            self.seen[key] = found, term
        return self.seen[key][0]


class Ladder:
    """Show a goal from as little as will do: first from what the innermost routine tested, then from all that the path did,
    then with the facts of the state before that read what it reads, then with those that a counterexample violates."""

    def __init__(self, prover, rounds):
        self.prover, self.rounds = prover, rounds
        self.general, self.spare = prover.general_facts(), None
        self.bare = z3.SolverFor("QF_UFBV")
        self.bare.set("timeout", 2000)
        self.bare.add(*self.general)
        self.reads, self.users = Reads(), {}

    def know(self):
        """The facts of the state before, once they are needed."""
        if self.spare is None:
            self.spare = sorted(self.prover.state_facts(self.rounds), key=lambda each: PRIORITY.index(each[0]))
            for _, fact in self.spare:
                for read in self.reads.of(fact):
                    self.users[read] = self.users.get(read, 0) + 1

    def climb(self, goal):
        """First what the innermost routine tested, if that is little."""
        if len(self.reads.of(goal.near)) < SMALL:
            self.bare.push()
            self.bare.add(goal.near, z3.Not(goal.holds))
            answer = self.bare.check()
            self.bare.pop()
            if answer == z3.unsat:
                return "proved"
        return self.with_more(goal)

    def with_more(self, goal):
        """Then decisions of the path and facts that read what the goal reads; then those that a counterexample violates."""
        self.know()
        spare = {term.get_id(): term for term in goal.decisions} | {fact.get_id(): fact for _, fact in self.spare}
        chosen, wanted = [], set(self.reads.of(goal.holds))
        for _ in range(3):
            taken = self.nearest(spare, wanted)
            chosen += taken
            for term in taken:
                del spare[term.get_id()]
                wanted |= self.reads.of(term)
            answer, model = self.attempt(chosen, goal)
            if answer == z3.unsat:
                return "proved"
        return self.by_counterexample(goal, chosen, spare)

    def by_counterexample(self, goal, chosen, spare):
        while True:
            answer, model = self.attempt(chosen, goal)
            if answer != z3.sat:
                return "proved" if answer == z3.unsat else "unknown"
            violated = [term for term in spare.values() if z3.is_false(model.eval(term, model_completion=True))]
            if not violated:
                final = self.attempt(chosen + [goal.condition, *spare.values()], goal)[0]
                return "proved" if final == z3.unsat else "refuted" if final == z3.sat else "unknown"
            for term in violated[:FACTS_AT_ONCE]:
                chosen = chosen + [term]
                del spare[term.get_id()]

    def attempt(self, chosen, goal):
        solver = z3.SolverFor("QF_UFBV")
        solver.set("timeout", TRY_MS)
        solver.add(*self.general, *chosen, z3.Not(goal.holds))
        answer = solver.check()
        return answer, solver.model() if answer == z3.sat else None

    def nearest(self, spare, wanted):
        score = []
        for key, term in spare.items():
            shared = self.reads.of(term) & wanted
            if shared:
                score.append((sum(1 / (1 + self.users.get(read, 0)) for read in shared) / (1 + len(self.reads.of(term))), key))
        return [spare[key] for _, key in sorted(score, reverse=True)[:NEAR]]


# ---------------------------------------------------------------- the whole

MODULE = None
FAILED = []


def unproved(path):
    """{(handler, property): reason} of what is known not to be proved yet."""
    if path is None:
        return {}
    lines = [line.split(" ", 2) for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {(handler, prop): reason for handler, prop, reason in lines}


def overdue(*_):
    raise TimeoutError(f"not done in {HANDLER_SECONDS} s")


def work_on(job):
    name, properties, rounds = job
    signal.signal(signal.SIGALRM, overdue)
    signal.alarm(HANDLER_SECONDS)
    try:
        return prove_handler(MODULE, name, properties, rounds)
    except Exception as error:
        import traceback
        return [Case(name, "all", 0, 0, [f"{type(error).__name__}: {error}", *traceback.format_exc().splitlines()[-40:]])]


def main():
    global MODULE
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, required=True, help="the exokernel folder")
    parser.add_argument("--include", type=pathlib.Path, action="append", default=[], help="generated headers")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for compiled files")
    parser.add_argument("--handler", action="append", help="only these")
    parser.add_argument("--property", action="append", choices=["memory", "failure", "claims"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--open", type=pathlib.Path, help="file of `handler property reason`: not proved yet, not tried")
    parser.add_argument("--refute", action="store_true", help="the core is a faulty copy: something must be refuted")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    started = time.time()
    MODULE = ir.Module(compile_core(options.root, options.include, options.work).read_text())
    names = options.handler or handlers_of(MODULE)
    number, bad, obligations = 0, 0, 0
    left, jobs = unproved(options.open), []
    for name in names:
        properties = {prop for prop in options.property or PROPERTIES if (name, prop) not in left}
        if properties:
            jobs.append((name, properties, options.rounds))
        for prop in (p for p in PROPERTIES if (name, p) in left):
            number += 1
            print(f"ok {number} - {name} {prop} # SKIP {left[name, prop]}")
    with multiprocessing.Pool(options.jobs, maxtasksperchild=1) as pool:
        for cases in pool.imap_unordered(work_on, jobs):
            for case in cases:
                number += 1
                bad += bool(case.failures)
                obligations += case.count
                print(f"{'not ok' if case.failures else 'ok'} {number} - {case.name} {case.property} "
                      f"# {case.count} obligations, {case.seconds:.1f} s", flush=True)
                FAILED.extend(case.failures)
                for failure in case.failures[:None if options.verbose else 5]:
                    print(f"#   {failure}", flush=True)
    if options.refute:
        refuted = any(failure.endswith(": refuted") for failure in FAILED)
        print(f"{'ok' if refuted else 'not ok'} {number + 1} - the fault is refuted")
        return 0 if refuted else 1
    print(f"1..{number}")
    print(f"# {len(names)} handlers, {obligations} obligations, {time.time() - started:.0f} s, {bad} cases not proved")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
