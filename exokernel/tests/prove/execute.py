"""Symbolic execution of one routine, path by path. A routine without stores or loops is evaluated at once, its paths met in
if-then-elses. A routine with a contract (contract.c) is not entered: what it may change is forgotten and what it promises
assumed. A loop is cut: its invariant is shown where it is entered and after a round, and assumed for any round.
What has to be shown is collected as goals."""
import itertools
import re
from dataclasses import dataclass

import z3

import ir
import term as t
from claims import anything
from flow import Flow
from memory import Index, Memory, Place, Region, Version

DEEP = 40
UNROLLED = {"vcpu_end_call", "message_keep"}     # loops of so few rounds that they need no invariant
# Roots whose paths are met again where nothing but plain stores is between.
GATHERED = {"run_bind", "space_clear_entry", "disk_close", "call_slice_sleep_on", "call_frame_take", "call_frame_free", "call_frame_return"}
PATHS_MAX = 4000
NAMES_MAX = 4         # parts of the names that a promise is about
RLIMIT = 400_000      # of z3, for asking whether a path is possible


@dataclass
class Goal:
    """To be shown: where the conditions hold, so does this. The claims hold at the epochs."""
    kind: str
    what: str
    conditions: tuple
    epochs: tuple
    quantified: tuple
    holds: object
    claim: tuple = None     # (name, names) of the claim that it is


class Epoch:
    """A state in which all claims hold; bare: only what is assumed of every state."""
    numbers = itertools.count()

    def __init__(self, memory, bare=False):
        self.memory, self.number, self.bare = memory, next(Epoch.numbers), bare


class Frame:
    """One activation of a routine."""

    def __init__(self, routine, flow, values, result=""):
        self.routine, self.flow, self.values, self.result = routine, flow, values, result
        self.block, self.at, self.line = routine.order[0], 0, 0
        self.loops = {}       # header: Round, while in it
        self.phis = []        # names of the phis of the loop's header that is looked at
        self.gathered = None  # values of the phis of the block that is entered next, if several edges lead there at once
        self.arguments = dict(values)

    def fork(self):
        other = Frame.__new__(Frame)
        other.__dict__.update(self.__dict__)
        other.values, other.loops = dict(self.values), dict(self.loops)
        return other


@dataclass
class Round:
    """The loop that is being proved: the state at which it began, and at its head; the fields that a round may change."""
    label: str
    before: object
    head: object
    keys: list
    first_inside: int      # number of the first region that is the round's own

    @property
    def changes(self):
        return [key for key in self.keys if not key.region.local]


class State:
    """One path so far."""

    def __init__(self, memory):
        self.frames, self.memory = [], memory
        self.conditions, self.decided, self.epochs = (), {}, ()
        self.quantified = ()     # (sorts, function from names to a fact)
        self.dry, self.result = False, None
        self.cleared = None      # the frame whose page was cleared last

    def fork(self):
        other = State.__new__(State)
        other.__dict__.update(self.__dict__)
        other.frames = [frame.fork() for frame in self.frames]
        other.memory, other.decided = self.memory.fork(), dict(self.decided)
        return other

    def assume(self, condition):
        for term in condition.children() if z3.is_and(condition) else [condition]:
            if t.is_true(term) or self.knows(term):
                continue
            self.conditions += (term,)
            self.note(term)

    def note(self, term):
        holds, inner = (False, term.arg(0)) if z3.is_not(term) else (True, term)
        self.decided[inner.get_id()] = holds
        KEPT.append(inner)

    def knows(self, term):
        if t.is_true(term):
            return True
        holds, inner = (False, term.arg(0)) if z3.is_not(term) else (True, term)
        return self.decided.get(inner.get_id()) is holds

    @property
    def where(self):
        return ">".join(f"{frame.routine.name}:{frame.line}" for frame in self.frames)


KEPT = []     # terms whose ids are in use


def of_names(says):
    """The function from names to a fact, but evaluated once: then the names are put into that. So it must be the same fact at
    each look: what holds anything then would hold the same of all names."""
    general, facts = [z3.BitVec(f"name{i}", 32) for i in range(NAMES_MAX)], []

    def fact(*names):
        if not facts:
            first, again = (says(*general[:len(names)]) for _ in range(2))
            if not t.same(first, again):
                raise ir.IrError("a promise about what holds anything at each look")
            facts.append(first)
        return z3.substitute(facts[0], *zip(general, names))
    return fact


class Executor:
    racy = ()

    def __init__(self, module, models):
        self.module, self.models = module, models
        self.flows, self.regions, self.purity, self.plain_regions = {}, {}, {}, {}
        self.goals, self.used = [], set()
        self.probes = {}                  # what must be reachable: [Goal], each that it is not
        self.quiet = 0                    # > 0: no goals (specifications, dry runs)
        self.depth = 0
        self.old = None                   # the memory that old_ helpers see
        self.root, self.initial = None, None     # the routine under proof, and the memory that it began with
        self.solver = z3.SolverFor("QF_UFBV")
        self.solver.set("rlimit", RLIMIT)
        self.constants = Memory(module.layout)

    # ------------------------------------------------------------ goals

    def oblige(self, state, guard, holds, what, kind="memory", claim=None):
        if self.quiet or state.dry:
            return
        holds = t.implication(guard, holds)
        if state.knows(holds):
            return
        self.goals.append(Goal(kind, f"{what} at {state.where}", state.conditions, state.epochs, state.quantified, holds, claim))
        state.note(holds)

    def probe(self, state, what, condition=t.TRUE):
        """One of the states in which this is reached."""
        if not (self.quiet or state.dry or t.is_false(condition)):
            goal = Goal("probe", what, (*state.conditions, condition), state.epochs, state.quantified, t.FALSE)
            self.probes.setdefault(what, []).append(goal)

    def contract(self, part, name):
        return self.module.routines.get(f"{part}_{name}")

    def is_summarised(self, name):
        return name != self.root and any(self.contract(part, name) for part in ("pre", "post", "modifies"))

    # ------------------------------------------------------------ values

    def value(self, values, operand):
        kind, value = operand
        return values[value.name] if isinstance(value, ir.Local) else self.constant(kind, value)

    def constant(self, kind, value):
        if isinstance(value, ir.Number):
            return t.number(value.value, kind.bits)
        if isinstance(value, ir.Undefined):
            if isinstance(kind, (ir.Struct, ir.Array)):
                return tuple(self.constant(part, value) for part in self.parts(kind))
            return self.constants.unknown(kind, "undefined")
        if isinstance(value, ir.Null):
            return []
        if isinstance(value, ir.Zero):
            return self.zero(kind)
        if isinstance(value, ir.Global):
            return [(t.TRUE, Place(self.global_region(value.name), (), self.module.variables[value.name].type))]
        if isinstance(value, ir.Aggregate):
            return tuple(self.constant(*member) for member in value.members)
        if isinstance(value, ir.Expression):
            instruction = value.instruction
            return self.compute(instruction, [self.constant(*operand) for operand in instruction.operands])
        raise ir.IrError(f"constant {value}")

    def parts(self, kind):
        return [kind.of] * kind.count if isinstance(kind, ir.Array) else self.module.layout.fields(kind)

    def zero(self, kind):
        if isinstance(kind, ir.Int):
            return t.number(0, kind.bits)
        if isinstance(kind, ir.Pointer):
            return []
        return tuple(self.zero(part) for part in self.parts(kind))

    def unknown(self, memory, kind, name):
        if isinstance(kind, (ir.Struct, ir.Array)):
            return tuple(self.unknown(memory, part, name) for part in self.parts(kind))
        return memory.unknown(kind, name)

    def global_region(self, name):
        if name not in self.regions:
            variable = self.module.variables[name]
            self.regions[name] = Region(name, variable.type, racy=name in self.racy)
        return self.regions[name]

    def constants_into(self, memory):
        """Constant tables hold what they were initialised with."""
        for name, variable in self.module.variables.items():
            if variable.constant and variable.value is not None and not name.startswith(".str"):
                place = Place(self.global_region(name), (), variable.type)
                memory.store(place, variable.type, self.constant(variable.type, variable.value))
        memory.dirty = frozenset()

    def select(self, kind, choices):
        """What the value is, given that just one of the conditions holds."""
        if isinstance(kind, ir.Pointer):
            found = {}
            for condition, value in choices:
                for inner, place in value:
                    key = (place.region.number, tuple(s.term.get_id() if isinstance(s, Index) else s for s in place.path), place.kind)
                    found.setdefault(key, (place, []))[1].append(t.conjunction([condition, inner]))
            return [(t.disjunction(conditions), place) for place, conditions in found.values()]
        if isinstance(kind, (ir.Struct, ir.Array)):
            return tuple(self.select(part, [(condition, value[i]) for condition, value in choices])
                         for i, part in enumerate(self.parts(kind)))
        result = choices[-1][1]
        for condition, value in reversed(choices[:-1]):
            result = t.choice(condition, value, result)
        return result

    # ------------------------------------------------------------ all paths at once

    def flow(self, name):
        if name not in self.flows:
            self.flows[name] = Flow(self.module.routines[name])
        return self.flows[name]

    def is_pure(self, name):
        """Has neither stores nor loops, nor calls anything that has."""
        if name not in self.purity:
            self.purity[name] = False
            self.purity[name] = self.find_purity(name)
        return self.purity[name]

    def find_purity(self, name):
        routine = self.module.routines.get(name)
        if routine is None or isinstance(routine.result, ir.Void) or self.flow(name).loops:
            return False
        for block in routine.blocks.values():
            for instruction in block.instructions:
                if instruction.op in ("store", "cmpxchg", "atomicrmw", "asm", "alloca"):
                    return False
                if instruction.op == "call" and not self.call_is_pure(instruction.detail):
                    return False
        return True

    def call_is_pure(self, name):
        if name in self.models:
            return getattr(self.models[name], "is_pure", False)
        if self.is_summarised(name):
            return not self.contract("modifies", name)
        return name.startswith("llvm.") and not name.startswith(("llvm.memcpy", "llvm.memset", "llvm.memmove")) or self.is_pure(name)

    def merged(self, state, name, arguments, guard=t.TRUE):
        routine, flow = self.module.routines[name], self.flow(name)
        values = {argument: value for (_, argument), value in zip(routine.arguments, arguments)}
        edges, returns = {routine.order[0]: [(guard, None)]}, []
        if flow.loops or self.depth > DEEP:
            raise ir.IrError(f"{name} has a loop and no contract, in a place where all paths are met")
        self.depth += 1
        for block in flow.order:
            arrived = edges.get(block)
            if arrived:
                self.merged_block(state, routine, block, arrived, values, edges, returns)
        self.depth -= 1
        if isinstance(routine.result, ir.Void) or not returns:
            return None
        return self.select(routine.result, returns)

    def merged_block(self, state, routine, block, arrived, values, edges, returns):
        guard = t.disjunction([condition for condition, _ in arrived])
        for instruction in routine.blocks[block].instructions:
            if instruction.op == "phi":
                choices = [(condition, self.value(values, instruction.operands[instruction.labels.index(source)]))
                           for condition, source in arrived]
                values[instruction.name] = self.select(instruction.type, choices)
            elif instruction.op == "ret":
                returns.append((guard, self.value(values, instruction.operands[0]) if instruction.operands else None))
            elif instruction.op in ("br", "switch"):
                for condition, label in self.targets_of(values, instruction):
                    condition = t.conjunction([guard, condition])
                    if not t.is_false(condition):
                        edges.setdefault(label, []).append((condition, block))
            elif instruction.op == "unreachable":
                self.oblige(state, guard, t.FALSE, "unreachable")
            elif instruction.op != "nothing":
                values[instruction.name] = self.merged_step(state, values, instruction, guard)

    def merged_step(self, state, values, instruction, guard):
        operands = [self.value(values, operand) for operand in instruction.operands]
        if instruction.op != "call":
            return self.step(state, instruction, operands, guard)
        name = instruction.detail
        if name == "havoc":
            self.havoc(state, operands[0], guard)
            return None
        if name in self.models:
            return self.models[name](self, state, operands)
        if name.startswith("llvm."):
            return self.intrinsic(state, name, operands, guard)
        if self.is_summarised(name) and not self.quiet:
            return self.summary(state, name, operands, guard)
        if name.startswith("old_"):
            return self.specified(self.old, name, operands)
        return self.merged(state, name, operands, guard)

    def specified(self, memory, name, arguments):
        """What a function of invariant.c or contract.c says of this state."""
        state = State(memory)
        self.quiet += 1
        try:
            return self.merged(state, name, arguments)
        finally:
            self.quiet -= 1

    def targets_of(self, values, instruction):
        """[(condition, label)] of the ways out of a block."""
        if instruction.op == "br":
            if not instruction.operands or instruction.labels[0] == instruction.labels[1]:
                return [(t.TRUE, instruction.labels[0])]
            condition = self.value(values, instruction.operands[0])
            return [(condition, instruction.labels[0]), (t.negation(condition), instruction.labels[1])]
        on = self.value(values, instruction.operands[0])
        targets, rest = {}, []
        for operand, label in zip(instruction.operands[1:], instruction.labels[1:]):
            hit = t.equal(on, self.value(values, operand))
            targets.setdefault(label, []).append(hit)
            rest.append(hit)
        targets.setdefault(instruction.labels[0], []).append(t.negation(t.disjunction(rest)))
        return [(t.disjunction(conditions), label) for label, conditions in targets.items()]

    # ------------------------------------------------------------ path by path

    def run(self, state, name, arguments):
        """Every path of the routine: the states at its ends, with .result."""
        self.push(state, name, arguments)
        return self.explore(state)

    def push(self, state, name, arguments, result=""):
        routine = self.module.routines.get(name)
        if routine is None:
            raise ir.IrError(f"call of {name}, which is not defined and has no model")
        if len(state.frames) > DEEP:
            raise ir.IrError("recursion")
        values = {argument: value for (_, argument), value in zip(routine.arguments, arguments)}
        state.frames.append(Frame(routine, self.flow(name), values, result))

    def explore(self, state, floor=0, leaves=None):
        """Depth first, until no more than `floor` activations are left. `leaves` says where a dry run of a loop ends."""
        work, ends = [state], []
        while work:
            state = work.pop()
            branches = self.advance(state)
            if branches is None:
                (work if len(state.frames) > floor else ends).append(state)
                continue
            for label, branch in reversed(branches):
                if not (leaves and leaves(branch, label)) and self.go(branch, label):
                    work.append(branch)
            if len(work) + len(ends) > PATHS_MAX:
                raise ir.IrError("too many paths")
        return ends

    def advance(self, state):
        """Up to the end of a block: [(label, state)] of where to go, or None after a return."""
        frame = state.frames[-1]
        instructions = frame.routine.blocks[frame.block].instructions
        while True:
            instruction = instructions[frame.at]
            frame.line = instruction.line or frame.line
            frame.at += 1
            op = instruction.op
            if op in ("phi", "nothing"):
                continue
            if op in ("br", "switch"):
                if self.root in GATHERED:
                    return self.gather(state, frame, instruction)
                return self.branch(state, self.targets_of(frame.values, instruction))
            if op == "ret":
                self.end(state, instruction)
                return None
            if op == "unreachable":
                self.oblige(state, t.TRUE, t.FALSE, "unreachable")
                return []
            operands = [self.value(frame.values, operand) for operand in instruction.operands]
            if op == "call":
                before = len(state.frames)
                result = self.call(state, instruction, operands)
                if len(state.frames) > before:
                    frame = state.frames[-1]
                    instructions = frame.routine.blocks[frame.block].instructions
                    continue
            elif op == "alloca":
                region = Region(f"%{frame.routine.name}.{instruction.name}", instruction.type, local=True)
                result = [(t.TRUE, Place(region, (), instruction.type))]
            else:
                result = self.step(state, instruction, operands, t.TRUE)
            if instruction.name:
                frame.values[instruction.name] = result

    def end(self, state, instruction):
        frame = state.frames.pop()
        value = self.value(frame.values, instruction.operands[0]) if instruction.operands else None
        self.haunt(state, frame)
        if state.frames and frame.result:
            state.frames[-1].values[frame.result] = value
        state.result = value

    def haunt(self, state, frame):
        """What the routine does to the ghosts of invariant.c."""
        ghost = self.contract("ghost", frame.routine.name)
        if ghost:
            self.quiet += 1
            self.merged(state, ghost.name, [frame.arguments[argument] for _, argument in frame.routine.arguments])
            self.quiet -= 1

    def branch(self, state, targets):
        targets = [(condition, label) for condition, label in targets if not t.is_false(condition)]
        open_ends = [(condition, label) for condition, label in targets
                     if not state.knows(t.negation(condition)) and self.is_possible(state, condition)]
        branches = []
        for i, (condition, label) in enumerate(open_ends):
            branch = state if i == len(open_ends) - 1 else state.fork()
            branches.append((label, branch, condition))
        for _, branch, condition in branches:
            branch.assume(condition)
        return [(label, branch) for label, branch, _ in branches]

    def gather(self, state, frame, instruction):
        """The branch and the plain blocks after it, all at once: one state for each block to go on from."""
        edges = {}
        for condition, label in self.targets_of(frame.values, instruction):
            if not t.is_false(condition):
                edges.setdefault(label, []).append((condition, frame.block))
        for block in self.plain_after(frame):
            arrived = edges.pop(block, None)
            if arrived:
                self.merged_block(state, frame.routine, block, arrived, frame.values, edges, [])
        ways = []
        for label, arrived in edges.items():
            loop = frame.flow.loops.get(label, ())
            for inside in (False, True):
                some = [(condition, source) for condition, source in arrived if (source in loop) == inside]
                if some:
                    ways.append((t.disjunction([condition for condition, _ in some]), (label, some)))
        branches = []
        for (label, some), branch in self.branch(state, ways):
            after = branch.frames[-1]
            phis = [i for i in after.routine.blocks[label].instructions if i.op == "phi"]
            after.gathered = {phi.name: self.select(phi.type, [(condition, self.value(after.values, phi.operands[phi.labels.index(source)]))
                                                               for condition, source in some]) for phi in phis}
            after.block = some[0][1]
            branches.append((label, branch))
        return branches

    def plain_after(self, frame):
        """The blocks after this one that are reached from it alone, begin no loop and call nothing that changes the state, in order."""
        known = self.plain_regions.get((frame.routine.name, frame.block))
        if known is not None:
            return known
        flow, found = frame.flow, {frame.block: None}
        for name in flow.order[flow.order.index(frame.block) + 1:]:
            before = [other for other in flow.order if name in flow.next[other]]
            if name not in flow.loops and all(other in found for other in before) and self.block_is_plain(frame.routine.blocks[name]):
                found[name] = None
        self.plain_regions[frame.routine.name, frame.block] = list(found)[1:]
        return list(found)[1:]

    def block_is_plain(self, block):
        return not any(i.op in ("cmpxchg", "atomicrmw", "asm", "alloca", "ret", "unreachable") or
                       i.op == "call" and not self.call_is_pure(i.detail) for i in block.instructions)

    def is_possible(self, state, condition):
        if state.dry or t.is_true(condition) or state.knows(condition):
            return True
        self.solver.push()
        self.solver.add(*state.conditions, condition)
        answer = self.solver.check()
        self.solver.pop()
        return answer != z3.unsat

    def go(self, state, label):
        """Enter a block. False: the path ends here, at the end of a loop's round."""
        frame = state.frames[-1]
        phis = [i for i in frame.routine.blocks[label].instructions if i.op == "phi"]
        values, frame.gathered = frame.gathered, None
        if values is None:
            values = {phi.name: self.value(frame.values, phi.operands[phi.labels.index(frame.block)]) for phi in phis}
        loops, source = frame.flow.loops, frame.block
        for header in [h for h in frame.loops if label not in loops[h]]:
            del frame.loops[header]
        frame.values.update(values)
        if label in loops and frame.routine.name not in UNROLLED:
            frame.phis = [phi.name for phi in phis]
            if label in frame.loops and source in loops[label]:
                self.end_round(state, frame, label)
                return False
            self.enter_loop(state, frame, label, phis)
        frame.block, frame.at = label, 0
        return True

    # ------------------------------------------------------------ loops

    def loop_label(self, frame, header):
        number = list(frame.flow.loops).index(header) + 1
        return f"loop{number if number > 1 else ''}_{frame.routine.name}"

    def loop_says(self, state, frame, name, anything=None):
        """A condition of contract.c about the routine's registers, by their names. What begins with any_ is any name."""
        routine = self.module.routines.get(name)
        if routine is None:
            return None
        arguments = [anything[argument] if anything and argument in anything else self.register(frame, argument)
                     for _, argument in routine.arguments]
        self.old = self.initial
        return self.specified(state.memory, name, arguments)

    def loop_shown(self, state, frame, label, when):
        routine = self.module.routines.get(label)
        if routine:
            names = {a: anything(a.split("_")[1], "")[0] for _, a in routine.arguments if a.startswith("any_")}
            self.oblige(state, t.TRUE, self.loop_says(state, frame, label, names), f"{label} {when}", "cut")

    def loop_assumed(self, state, frame, label):
        routine = self.module.routines.get(label)
        if not routine:
            return
        wanted = [a for _, a in routine.arguments if a.startswith("any_")]
        if not wanted:
            state.assume(self.loop_says(state, frame, label))
            return
        snapshot, held = State(state.memory.fork()), frame.fork()
        state.quantified += ((tuple(a.split("_")[1] for a in wanted),
                              of_names(lambda *names: self.loop_says(snapshot, held, label, dict(zip(wanted, names))))),)

    @staticmethod
    def register(frame, name):
        plain = re.escape(name.replace("_addr", ".addr"))
        head = [phi for phi in frame.phis if re.fullmatch(rf"{plain}(\.i)*\.\d+", phi)]
        if head:
            return frame.values[head[-1]]
        for pattern in (rf"{plain}(\.i)*\.0", rf"{plain}(\.i)*"):
            found = [register for register in frame.values if re.fullmatch(pattern, register)]
            if found:
                return frame.values[found[-1]]
        raise ir.IrError(f"{frame.routine.name} has no register {name}: {', '.join(frame.values)}")

    def enter_loop(self, state, frame, header, phis):
        label = self.loop_label(frame, header)
        self.loop_shown(state, frame, label, "when entered")
        keys = self.loop_keys(state, header, phis)
        changes = [key for key in keys if not key.region.local]
        if changes:
            self.establish(state, f"{label} when entered")
            self.show_caller(state, f"{label} when entered")
        before = state.memory.fork()
        self.any_round(state, frame, phis)
        same = self.loop_says(state, frame, f"same_{label}")
        for key in keys:
            self.forget(state, key, t.FALSE if key.region.local or same is None else same)
        if changes:
            self.begin_epoch(state)
            self.assume_caller(state)
        self.loop_assumed(state, frame, label)
        self.probe(state, f"the head of {label}")
        frame.loops[header] = Round(label, before, state.memory.fork(), keys, next(Region.numbers))

    def any_round(self, state, frame, phis):
        for phi in phis:
            if isinstance(phi.type, ir.Pointer):
                if len({str(operand) for operand in phi.operands}) > 1:
                    raise ir.IrError(f"pointer carried by a loop of {frame.routine.name}")
                continue
            frame.values[phi.name] = state.memory.unknown(phi.type, phi.name)

    def forget(self, state, key, unless=t.FALSE):
        """The field holds anything; a local pointer to a capability, any."""
        if not isinstance(key.kind, ir.Pointer):
            state.memory.forget(key, unless)
            return
        table = self.module.variables["capability_pages"].type
        if key.kind.to != ir.Struct("struct.capability") or not key.region.local:
            raise ir.IrError(f"a pointer that a loop changes: {key}")
        place = Place(self.global_region("capability_pages"), (), table)
        for step in (state.memory.unknown(ir.Int(32), "frame"), 1, state.memory.unknown(ir.Int(32), "position")):
            place = state.memory.child(place, step)
        state.memory.write_scalar_key(key, [(state.memory.unknown(ir.Int(1), "some"), place)])

    def loop_keys(self, state, header, phis):
        """The fields that a round writes, by running it dry until nothing new is found."""
        keys = {}
        while True:
            found = self.run_dry(state, header, phis, keys)
            if not found - keys.keys():
                return list(keys)
            keys.update(dict.fromkeys(sorted(found, key=str)))

    def run_dry(self, state, header, phis, keys):
        first_inside = next(Region.numbers)
        state = state.fork()
        state.dry, state.memory.watch = True, set()
        found = state.memory.watch
        frame, depth = state.frames[-1], len(state.frames)
        self.any_round(state, frame, phis)
        for key in keys:
            self.forget(state, key)
        body = frame.flow.loops[header]
        frame.block, frame.at = header, 0
        self.explore(state, depth - 1, lambda branch, label: len(branch.frames) == depth and (label == header or label not in body))
        return {key for key in found if not key.region.local or key.region.number < first_inside}

    def end_round(self, state, frame, header):
        running = frame.loops[header]
        self.loop_shown(state, frame, running.label, "after a round")
        self.check_keys(state, running)
        if running.changes:
            self.establish(state, f"{running.label} after a round")
            self.show_caller(state, f"{running.label} after a round")
        same = self.loop_says(state, frame, f"same_{running.label}")
        if same is not None:
            self.unchanged(state, running.before, same, f"in a round of {running.label}")

    @staticmethod
    def check_keys(state, running):
        """The dry run found all that a round changes."""
        for key, log in state.memory.logs.items():
            is_own = key.region.local and key.region.number >= running.first_inside
            if not is_own and key not in running.keys and log != running.head.logs.get(key, ()):
                raise ir.IrError(f"{running.label} changes {key}, which it did not when run dry")

    # ------------------------------------------------------------ cuts; the prover says what is shown there

    def establish(self, state, what):
        pass

    def unchanged(self, state, before, condition, what):
        pass

    def show_caller(self, state, what):
        pass

    def assume_caller(self, state):
        pass

    def begin_epoch(self, state):
        state.memory.seal()
        state.epochs += (Epoch(state.memory.fork()),)

    def havoc(self, state, pointer, guard):
        """Of modifies_ functions: the place may change."""
        for condition, place in pointer:
            for _, scalar in state.memory.scalars(place, whole=True):
                if isinstance(scalar.kind, ir.Pointer):
                    self.forget(state, state.memory.place_key(scalar)[0])
                    continue
                self.havoc_scalar(state, scalar, t.conjunction([condition, guard, t.negation(self.same)]))

    def havoc_scalar(self, state, scalar, condition):
        key, where = state.memory.place_key(scalar)
        everywhere = all(term is None for term in where)
        if everywhere and t.is_true(condition):
            state.memory.forget(key)
        else:
            state.memory.write_scalar(scalar, Version(key, "?").at if key.widths else Version(key, "?").symbol, condition)

    same = t.FALSE

    def stored(self, state, place, value, guard):
        pass

    def summary(self, state, name, arguments, guard=t.TRUE):
        """A call of a routine by its contract."""
        routine = self.module.routines[name]
        self.used.add(name)
        self.check_pointers(name, routine, arguments)
        pre, post, modifies = (self.contract(part, name) for part in ("pre", "post", "modifies"))
        if pre:
            self.oblige(state, guard, self.specified(state.memory, pre.name, arguments), f"what {name} asks for", "cut")
        leans = not self.contract("anywhere", name)
        changes = leans and modifies and self.changes_state(state, modifies.name, arguments)
        if leans:
            self.establish(state, f"call of {name}", guard)
        result = None if isinstance(routine.result, ir.Void) else self.unknown(state.memory, routine.result, name)
        arguments = arguments + ([] if result is None else [result])
        before = state.memory.fork()
        if modifies:
            self.forget_by(state, name, modifies, arguments)
        if changes:
            self.begin_epoch(state)
        if post:
            self.assume_post(state, post, arguments, before, guard)
        return result

    @staticmethod
    def check_pointers(name, routine, arguments):
        """A contract is shown for pointers to variables that are nobody else's."""
        places = [place for value in arguments if isinstance(value, list) for _, place in value]
        regions = [place.region for place in places if place.kind != ir.Struct("struct.caller")]
        if any(not region.local for region in regions) or len(set(regions)) < len(regions):
            raise ir.IrError(f"{name} is called with pointers that its contract does not allow")

    def assume_post(self, state, post, arguments, before, guard):
        wanted = [a.split("_")[1] for _, a in post.arguments if a.startswith("any_")]
        memory = state.memory.fork()

        def says(*names):
            self.old = before
            holds = t.implication(guard, self.specified(memory, post.name, [*arguments, *names]))
            self.old = None
            return holds
        if wanted:
            state.quantified += ((tuple(wanted), of_names(says)),)
        else:
            state.assume(says())

    def forget_by(self, state, name, modifies, arguments):
        same = self.contract("same", name)
        self.same = self.specified(state.memory, same.name, arguments) if same else t.FALSE
        self.quiet += 1
        self.merged(state, modifies.name, arguments[:len(modifies.arguments)])
        self.quiet -= 1
        self.same = t.FALSE

    def changes_state(self, state, name, arguments):
        """Does it change more than what its pointer arguments lead to?"""
        trial = State(state.memory.fork())
        trial.memory.watch = set()
        self.quiet += 1
        self.merged(trial, name, arguments)
        self.quiet -= 1
        return any(not key.region.local for key in trial.memory.watch)

    # ------------------------------------------------------------ instructions

    def call(self, state, instruction, operands):
        name = instruction.detail
        if name in self.models:
            return self.models[name](self, state, operands)
        if name.startswith("llvm."):
            return self.intrinsic(state, name, operands, t.TRUE)
        if self.is_summarised(name):
            return self.summary(state, name, operands)
        if self.is_pure(name):
            return self.merged(state, name, operands)
        self.push(state, name, operands, instruction.name)
        return None

    def intrinsic(self, state, name, operands, guard):
        if name.startswith(("llvm.lifetime", "llvm.dbg", "llvm.assume")):
            return None
        if name.startswith(("llvm.memcpy", "llvm.memmove")):
            self.copy(state, operands[0], operands[1], t.known(operands[2]))
            return None
        if name.startswith("llvm.memset"):
            for _, place in self.targets(state, operands[0], guard, "write"):
                state.memory.fill(place, t.known(operands[2]), operands[1])
            return None
        if name.startswith(("llvm.umin", "llvm.umax", "llvm.smin", "llvm.smax")):
            predicate = {"umin": "ult", "umax": "ugt", "smin": "slt", "smax": "sgt"}[name.split(".")[1]]
            return t.choice(t.compare(predicate, *operands), *operands)
        raise ir.IrError(f"{name} has no model")

    def copy(self, state, target, source, size):
        sources = self.targets(state, source, t.TRUE, "read")
        targets = self.targets(state, target, t.TRUE, "write")
        if len(sources) != 1 or len(targets) != 1:
            raise ir.IrError("copy through a pointer that may be several")
        state.memory.copy(targets[0][1], sources[0][1], size)

    def step(self, state, instruction, operands, guard):
        op = instruction.op
        if op == "load":
            return self.load(state, operands[0], instruction.type, guard)
        if op == "store":
            self.store(state, operands[1], instruction.operands[0][0], operands[0], guard)
            return None
        if op in ("cmpxchg", "atomicrmw"):
            return self.step_atomic(state, instruction, operands, guard)
        if op in ("fence", "asm"):
            return None
        return self.compute(instruction, operands)

    def step_atomic(self, state, instruction, operands, guard):
        """One step of the machine. Other processors' steps between two of ours are not looked at."""
        kind = instruction.type
        old = self.load(state, operands[0], kind, guard)
        if instruction.op == "cmpxchg":
            hit = t.equal(old, operands[1])
            self.store(state, operands[0], kind, t.choice(hit, operands[2], old), guard)
            return (old, hit)
        new = operands[1] if instruction.detail == "xchg" else t.binary(instruction.detail, old, operands[1])
        self.store(state, operands[0], kind, new, guard)
        return old

    def compute(self, instruction, operands):
        op = instruction.op
        if op in ir.BINARY:
            return t.binary(op, *operands)
        if op == "icmp":
            return self.compare(instruction, operands)
        if op == "zext":
            return t.extend(operands[0], instruction.type.bits)
        if op == "sext":
            return t.sign_extend(operands[0], instruction.type.bits)
        if op == "trunc":
            found = t.cut(operands[0], instruction.type.bits - 1)
            return t.equal(found, t.bits_of(1, 1)) if instruction.type.bits == 1 else found
        if op == "select":
            return self.select(instruction.type, [(operands[0], operands[1]), (t.negation(operands[0]), operands[2])])
        if op in ("bitcast", "freeze"):
            return operands[0]
        if op == "getelementptr":
            return [(guard, self.step_into(place, instruction, operands[1:])) for guard, place in operands[0]]
        if op == "extractvalue":
            value = operands[0]
            for index in instruction.detail:
                value = value[index]
            return value
        if op == "insertvalue":
            return self.insert(operands[0], operands[1], instruction.detail)
        raise ir.IrError(f"instruction {op}")

    def insert(self, whole, member, path):
        inner = member if len(path) == 1 else self.insert(whole[path[0]], member, path[1:])
        return (*whole[:path[0]], inner, *whole[path[0] + 1:])

    def compare(self, instruction, operands):
        if not isinstance(instruction.operands[0][0], ir.Pointer):
            return t.compare(instruction.detail, *operands)
        null = [operand for operand in operands if not operand]
        if not null or instruction.detail not in ("eq", "ne"):
            return self.compare_places(instruction.detail, *operands)
        other = operands[0] if operands[1] == [] else operands[1]
        is_some = t.disjunction([condition for condition, _ in other])
        return t.negation(is_some) if instruction.detail == "eq" else is_some

    @staticmethod
    def compare_places(predicate, first, second):
        hits = []
        for a_guard, a in first:
            for b_guard, b in second:
                if a.region is b.region and len(a.path) == len(b.path):
                    steps = [t.equal(t.extend(x.term, 64), t.extend(y.term, 64)) if isinstance(x, Index) else
                             (t.TRUE if x == y else t.FALSE) for x, y in zip(a.path, b.path)]
                    hits.append(t.conjunction([a_guard, b_guard, *steps]))
        same = t.disjunction(hits)
        if predicate not in ("eq", "ne"):
            raise ir.IrError("order of pointers")
        return same if predicate == "eq" else t.negation(same)

    def step_into(self, place, instruction, indices):
        source, memory = instruction.detail, self.constants
        first = t.known(indices[0])
        if place.region.racy and place.kind != source and len(indices) == 1:
            return self.bytes_of(place, indices[0], source)
        if source == ir.Int(8) and place.kind != source:
            part, offset = memory.at_offset(place, first, 1)
            step = Index(t.bits_of(offset, 64), self.module.layout.size(part.kind))
            return Place(part.region, part.path + (step,), source) if offset else part
        beside = self.array_beside(place, source)
        if beside and first != 0:
            place, before = beside
            index = t.binary("sub", t.sign_extend(indices[0], 64) if indices[0].size() < 64 else indices[0], t.number(before, 64))
            place, first = memory.child(place, Index(index, place.kind.count)), 0
        if place.kind != source:
            place = memory.narrow(place, source)
        if first != 0:
            last = place.path[-1] if place.path else None
            if not isinstance(last, Index):
                raise ir.IrError(f"pointer arithmetic on {place}")
            offset = t.sign_extend(indices[0], 64) if indices[0].size() < 64 else indices[0]
            moved = t.binary("add", t.extend(last.term, 64), offset)
            place = Place(place.region, place.path[:-1] + (Index(moved, last.count),), place.kind)
        for index in indices[1:]:
            if isinstance(place.kind, ir.Array):
                wide = index if index.size() == 64 else t.sign_extend(index, 64)
                place = memory.child(place, Index(wide, place.kind.count))
            else:
                place = memory.child(place, t.known(index))
        return place

    def array_beside(self, place, kind):
        """A struct is looked at as an array of what follows its head: (that array, how many its head is as large as)."""
        if not isinstance(place.kind, ir.Struct) or place.kind == kind:
            return None
        layout = self.module.layout
        for number, member in enumerate(layout.fields(place.kind)):
            if isinstance(member, ir.Array) and member.of == kind:
                return self.constants.child(place, number), layout.offset(place.kind, number) // layout.size(kind)
        return None

    def bytes_of(self, place, index, kind):
        """The index-th of the bytes or words that an array in a shared page is looked at as."""
        start, layout = 0, self.module.layout
        while not isinstance(place.kind, ir.Array):
            last = place.path[-1]
            if isinstance(last, Index) and t.known(last.term) is None:
                break
            more, place = self.constants.parent(place)
            start += more
        size = layout.size(kind)
        offset = t.binary("add", t.binary("mul", t.extend(index, 64), t.bits_of(size, 64)), t.bits_of(start, 64))
        return Place(place.region, place.path + (Index(offset, layout.size(place.kind) - size + 1),), kind)

    # ------------------------------------------------------------ accesses

    def targets(self, state, pointer, guard, what):
        """[(condition, place)] of each place that the pointer may be; obliges it to be one, in bounds, of the right kind."""
        if not self.quiet and not state.dry:
            self.oblige(state, guard, t.disjunction([condition for condition, _ in pointer]), f"{what} through a null pointer")
            for condition, place in pointer:
                self.check_place(state, t.conjunction([guard, condition]), place, what)
        return pointer

    def check_place(self, state, guard, place, what):
        for step in place.path:
            if isinstance(step, Index) and step.term is not None:
                limit = t.number(step.count, max(step.term.size(), step.count.bit_length()))
                self.oblige(state, guard, t.compare("ult", t.extend(step.term, limit.size()), limit),
                            f"{what} in bounds of {place.region}[{step.count}]")
        view = f"view_{place.region.name}"
        if view in self.module.routines:
            index = place.path[0].term
            self.oblige(state, guard, self.specified(state.memory, view, [t.fit(index, 32)]),
                        f"{what} of {place.region}: the kind agrees")

    def load(self, state, pointer, kind, guard):
        choices = [(condition, state.memory.load(place, kind)) for condition, place in self.targets(state, pointer, guard, "read")]
        return self.select(kind, choices) if choices else self.unknown(state.memory, kind, "null")

    def store(self, state, pointer, kind, value, guard):
        places = self.targets(state, pointer, guard, "write")
        for condition, place in places:
            inner = t.conjunction([guard, condition]) if len(places) > 1 else guard
            state.memory.store(place, kind, value, inner)
            self.stored(state, place, value, inner)

