"""Symbolic execution of one routine, all paths at once: blocks run in topological order under guards, values meet in
phis as if-then-else, loops are unrolled, or cut: proved by induction over one round. Calls are executed in place.
What has to be shown of each access is collected as obligations."""
import itertools
from dataclasses import dataclass

import z3

import ir
import term as t
from memory import ALWAYS, Guard, Index, Place, Region

UNROLL_MAX = 16


@dataclass
class Goal:
    """To be shown: where the condition holds, so does this. `near` is what the innermost routine tested, which is most often
    enough; `decisions` is all that was tested on the way."""
    what: str
    near: object
    decisions: list
    condition: object
    holds: object


class Choice:
    """A value where paths met: one alternative for each guard, so that a later test of it tells the path again."""
    def __init__(self, alternatives):
        self.alternatives = alternatives     # of (guard, value), of which one guard holds


class Flow:
    """Order of the blocks of a routine, and its loops."""

    def __init__(self, routine):
        self.next = {name: list(dict.fromkeys(block.instructions[-1].labels)) for name, block in routine.blocks.items()}
        self.order = self.reverse_postorder(routine.order[0])
        place = {name: i for i, name in enumerate(self.order)}
        self.loops = {}     # header: blocks
        before = {name: [] for name in self.order}
        for name in self.order:
            for follower in self.next[name]:
                before[follower].append(name)
        for name in self.order:
            for header in self.next[name]:
                if place[header] <= place[name]:
                    self.loops.setdefault(header, {header}).update(self.body(header, name, before))
        self.before = before

    def reverse_postorder(self, entry):
        seen, order, stack = {entry}, [], [(entry, iter(self.next[entry]))]
        while stack:
            name, followers = stack[-1]
            for follower in followers:
                if follower not in seen:
                    seen.add(follower)
                    stack.append((follower, iter(self.next[follower])))
                    break
            else:
                order.append(name)
                stack.pop()
        return order[::-1]

    @staticmethod
    def body(header, latch, before):
        blocks, work = {header}, [latch]
        while work:
            name = work.pop()
            if name not in blocks:
                blocks.add(name)
                work.extend(before[name])
        return blocks


@dataclass
class Edge:
    guard: Guard
    values: dict      # of the target's phis


class Frame:
    """One activation of a routine."""

    def __init__(self, routine, flow, guard):
        self.routine, self.flow, self.guard = routine, flow, guard
        self.values, self.returns = {}, []


class Executor:
    def __init__(self, module, memory, models=None, unrolled=(), on_access=None):
        self.module, self.memory = module, memory
        self.models = models or {}
        self.unrolled = unrolled          # names of routines whose loops are unrolled; others are cut
        self.on_access = on_access
        self.obligations, self.facts = [], []
        self.cut_loop = None              # called with (executor, guard, name): the invariant at a loop's header
        self.flows, self.regions, self.tokens = {}, {}, {}
        self.count = itertools.count(1)
        self.stack = []
        self.quiet = 0                    # > 0: no obligations (specifications)
        self.decisions = {}               # condition of each token that is a test
        self.entered = []                 # guards at which the active routines were called
        self.kept = []                    # terms whose ids are in use

    # ------------------------------------------------------------ guards

    def token(self, condition):
        if z3.is_not(condition):
            return -self.token(condition.arg(0))
        found = self.tokens.get(condition.get_id())
        if found is None:
            found = self.tokens[condition.get_id()] = next(self.count)
            self.decisions[found], self.decisions[-found] = condition, t.negation(condition)
            self.kept.append(condition)
        return found

    def narrow(self, guard, condition):
        if z3.is_true(condition):
            return guard
        if z3.is_false(condition):
            return None
        token = self.token(condition)
        if token in guard.tokens:
            return guard
        if -token in guard.tokens:
            return None
        return Guard(t.conjunction([guard.condition, condition]), guard.tokens | {token})

    @staticmethod
    def combine(first, second):
        if second.tokens <= first.tokens:
            return first
        if first.tokens <= second.tokens:
            return second
        return Guard(t.conjunction([first.condition, second.condition]), first.tokens | second.tokens)

    def branch(self, guard, condition):
        """The guards of the two sides of a test; None: cannot be."""
        if not isinstance(condition, Choice):
            return self.narrow(guard, condition), self.narrow(guard, t.negation(condition))
        number = next(self.count)
        return (self.side(guard, condition.alternatives, number),
                self.side(guard, [(g, t.negation(b)) for g, b in condition.alternatives], -number))

    def side(self, guard, alternatives, number):
        possible = []
        for inner, holds in alternatives:
            if not guard.excludes(inner):
                narrowed = self.narrow(self.combine(guard, inner), holds)
                if narrowed:
                    possible.append(narrowed)
        if len(possible) <= 1:
            return possible[0] if possible else None
        return self.either(possible, number)

    def either(self, guards, number):
        """Where one of the guards holds; a token of its own tells what differs between them."""
        common = frozenset.intersection(*(guard.tokens for guard in guards))
        self.decisions[number] = t.disjunction([t.conjunction(self.tested(guard.tokens - common)) for guard in guards])
        return Guard(t.disjunction([guard.condition for guard in guards]), common | {number})

    def meet(self, guards):
        if len(guards) == 1:
            return guards[0]
        common = frozenset.intersection(*(guard.tokens for guard in guards))
        if len(guards) == 2:
            first, second = (guard.tokens - common for guard in guards)
            if len(first) == len(second) == 1 and next(iter(first)) == -next(iter(second)):
                return self.at_tokens(common, guards)
        return self.either(guards, next(self.count))

    def at_tokens(self, tokens, guards):
        return Guard(t.disjunction([guard.condition for guard in guards]), tokens)

    # ------------------------------------------------------------ obligations

    def oblige(self, guard, holds, what, group="memory"):
        if self.quiet or z3.is_true(holds):
            return
        where = ">".join(f"{name}:{line}" for name, line in self.stack)
        self.obligations.append(self.goal(f"{what} at {where}", guard, holds))

    def goal(self, what, guard, holds):
        inner = self.entered[-1].tokens if self.entered else frozenset()
        return Goal(what, t.conjunction(self.tested(guard.tokens - inner)), self.tested(guard.tokens), guard.condition, holds)

    def tested(self, tokens):
        return [self.decisions[token] for token in tokens if token in self.decisions]

    # ------------------------------------------------------------ values

    def value(self, frame, operand, guard):
        kind, value = operand
        if isinstance(value, ir.Local):
            return self.under(frame.values[value.name], guard)
        return self.constant(kind, value)

    @staticmethod
    def under(value, guard):
        """What the value is where the guard holds."""
        if not isinstance(value, Choice):
            return value
        left = [(g, v) for g, v in value.alternatives if not guard.excludes(g)]
        return left[0][1] if len(left) == 1 else Choice(left)

    def plain(self, kind, value):
        """A choice as one value."""
        return self.merge(kind, value.alternatives) if isinstance(value, Choice) else value

    def flat(self, alternatives):
        for guard, value in alternatives:
            if isinstance(value, Choice):
                yield from ((self.combine(guard, g), v) for g, v in value.alternatives if not guard.excludes(g))
            else:
                yield guard, value

    def gather(self, kind, alternatives):
        """One value out of (guard, value), of which one guard holds."""
        groups = []
        for guard, value in self.flat(alternatives):
            for group in groups:
                if self.identical(group[1], value):
                    group[0].append(guard)
                    break
            else:
                groups.append(([guard], value))
        merged = [(self.meet(guards), value) for guards, value in groups]
        constant = [(guard, value) for guard, value in merged if self.is_constant(value)]
        others = [(guard, value) for guard, value in merged if not self.is_constant(value)]
        if len(others) > 2 or (len(others) == 2 and not isinstance(kind, ir.Pointer) and kind != ir.Int(32)):
            others = [(self.meet([guard for guard, _ in others]), self.merge(kind, others))]
        return Choice(constant + others) if constant and len(constant + others) > 1 else (constant + others)[0][1]

    @staticmethod
    def is_constant(value):
        """What later tests look for: a status, no name, a null pointer."""
        return value == [] if isinstance(value, list) else not isinstance(value, tuple) and t.known(value) is not None

    @staticmethod
    def identical(a, b):
        if isinstance(a, z3.ExprRef):
            return t.same(a, b)
        if isinstance(a, list):
            return a == [] and b == [] or a is b
        return a is b

    def lift(self, kind, compute, operands, kinds):
        """Compute on each alternative of the operands."""
        for i, operand in enumerate(operands):
            if isinstance(operand, Choice):
                done = []
                for guard, value in operand.alternatives:
                    others = [self.under(o, guard) for o in operands]
                    others[i] = value
                    if sum(isinstance(o, Choice) for o in others) and len(operand.alternatives) > 4:
                        others = [self.plain(k, o) for k, o in zip(kinds, others)]
                    done.append((guard, self.lift(kind, compute, others, kinds)))
                return self.gather(kind, done)
        return compute(operands)

    def constant(self, kind, value):
        if isinstance(value, ir.Number):
            return t.number(value.value, kind.bits)
        if isinstance(value, ir.Undefined):
            if isinstance(kind, (ir.Struct, ir.Array)):
                return tuple(self.constant(part, value) for part in self.parts(kind))
            return self.memory.unknown(kind, "undefined")
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

    def global_region(self, name):
        if name not in self.regions:
            variable = self.module.variables[name]
            region = self.regions[name] = Region(name, variable.type, racy=name in self.racy)
            if variable.constant and variable.value is not None:
                self.memory.store(Place(region, (), variable.type), variable.type,
                                  self.constant(variable.type, variable.value), ALWAYS)
        return self.regions[name]

    racy = ()

    # ------------------------------------------------------------ running

    def call(self, name, arguments, guard):
        if name in self.models:
            return self.models[name](self, guard, arguments)
        routine = self.module.routines.get(name)
        if routine is None:
            raise ir.IrError(f"call of {name}, which is not defined and has no model")
        if len(self.stack) > 40:
            raise ir.IrError("recursion")
        if name not in self.flows:
            self.flows[name] = Flow(routine)
        frame = Frame(routine, self.flows[name], guard)
        for (_, argument), value in zip(routine.arguments, arguments):
            frame.values[argument] = value
        self.stack.append([name, 0])
        self.entered.append(guard)
        pending = {routine.order[0]: [Edge(guard, {})]}
        self.run(frame, frame.flow.order, None, pending)
        self.stack.pop()
        self.entered.pop()
        self.last_returns = frame.returns
        if isinstance(routine.result, ir.Void) or not frame.returns:
            return None
        return self.gather(routine.result, [(edge.guard, edge.values[""]) for edge in frame.returns])

    def run(self, frame, order, header, pending):
        """Run these blocks once. Edges to others are left in pending."""
        inside = set(order)
        done = set()
        for name in order:
            if name in done or not pending.get(name):
                continue
            if name != header and name in frame.flow.loops:
                body = [b for b in order if b in frame.flow.loops[name]]
                done.update(body)
                self.run_loop(frame, name, body, pending)
                continue
            edges = pending.pop(name)
            self.run_block(frame, name, edges, pending)
        return inside

    def run_loop(self, frame, header, body, pending):
        if frame.routine.name not in self.unrolled:
            self.run_cut(frame, header, body, pending)
            return
        for _ in range(UNROLL_MAX):
            self.run(frame, body, header, pending)
            if not pending.get(header):
                return
        for edge in pending.pop(header):
            self.oblige(edge.guard, t.FALSE, f"loop of more than {UNROLL_MAX} rounds", "bound")

    def run_cut(self, frame, header, body, pending):
        """The first round as it is; then from any state that the invariant allows, one round for all others."""
        if frame.routine.name.startswith("call_"):
            self.run(frame, body, header, pending)
        edges = pending.pop(header, [])
        if not edges:
            return
        label = f"{frame.routine.name}#{next(self.count)}"
        guard = self.meet([edge.guard for edge in edges])
        phis = self.phis(frame, header)
        self.cut_loop(self, guard, label, "enters")
        keys = self.written_by(frame, header, body, guard, phis, label)
        self.memory.forget(keys, guard, label)
        values = self.any_round(frame, edges, phis, label)
        self.cut_loop(self, guard, label, "assume")
        starts = self.round_facts(frame, guard, edges, phis, values)
        outer, self.memory.written = self.memory.written, set()
        pending[header] = [Edge(guard, values)]
        self.run(frame, body, header, pending)
        more, self.memory.written = self.memory.written, outer
        if outer is not None:
            outer |= more
        if any(not key.region.name.startswith("%") for key in more - keys):
            raise ir.IrError(f"{label} writes more than it did dry: {more - keys}")
        for edge in pending.pop(header, []):
            self.check_round(edge, phis, starts)
            self.cut_loop(self, edge.guard, label, "kept")

    def phis(self, frame, header):
        return [i for i in frame.routine.blocks[header].instructions if i.op == "phi"]

    def any_round(self, frame, edges, phis, label):
        values = {}
        for phi in phis:
            first = [edge.values[phi.name] for edge in edges]
            if isinstance(phi.type, ir.Pointer):
                raise ir.IrError(f"pointer carried by the loop {label}")
            values[phi.name] = self.memory.unknown(phi.type, f"{label}.{phi.name}")
            del first
        return values

    def round_facts(self, frame, guard, edges, phis, values):
        """Of a number that each round steps by one from a known start: it never was less. check_round shows it."""
        starts = {}
        steps = {i.name for block in frame.routine.blocks.values() for i in block.instructions
                 if i.op == "add" and i.operands[1][1] == ir.Number(1)}
        for phi in phis:
            first = [edge.values[phi.name] for edge in edges]
            stepped = any(isinstance(value, ir.Local) and value.name in steps for _, value in phi.operands)
            if stepped and len(first) == 1 and isinstance(first[0], z3.BitVecNumRef):
                starts[phi.name] = first[0]
                self.facts.append(z3.Implies(guard.condition, z3.UGE(values[phi.name], first[0])))
        return starts

    def check_round(self, edge, phis, starts):
        """By induction: not less than the start if this round's was not."""
        for phi in phis:
            if phi.name in starts:
                now = self.plain(phi.type, edge.values[phi.name])
                self.oblige(edge.guard, z3.UGE(now, starts[phi.name]), f"the loop's {phi.name} stays at or above its start")

    def written_by(self, frame, header, body, guard, phis, label):
        """The fields that a round writes, by running it dry."""
        snapshot, values, returns = self.memory.snapshot(), dict(frame.values), list(frame.returns)
        facts = list(self.facts)
        self.quiet += 1
        outer, self.memory.written = self.memory.written, set()
        dry = self.any_round(frame, [Edge(guard, {phi.name: None for phi in phis})], phis, label + "dry")
        self.run(frame, body, header, {header: [Edge(guard, dry)]})
        found, self.memory.written = self.memory.written, outer
        if outer is not None:
            outer |= found
        self.quiet -= 1
        self.memory.restore(snapshot)
        frame.values, frame.returns, self.facts = values, returns, facts
        return found

    def run_block(self, frame, name, edges, pending):
        guard = self.meet([edge.guard for edge in edges])
        block = frame.routine.blocks[name]
        for phi in block.instructions:
            if phi.op != "phi":
                break
            if len(edges) == 1:
                frame.values[phi.name] = edges[0].values[phi.name]
            else:
                frame.values[phi.name] = self.gather(phi.type, [(e.guard, e.values[phi.name]) for e in edges])
        for instruction in block.instructions:
            if instruction.op in ("phi", "nothing"):
                continue
            self.stack[-1][1] = instruction.line or self.stack[-1][1]
            end = getattr(self, "end_" + instruction.op, None)
            if end:
                end(frame, name, instruction, guard, pending)
                return
            result = self.step(frame, instruction, guard)
            if instruction.name:
                frame.values[instruction.name] = result

    def merge(self, kind, alternatives):
        """The same as one term."""
        return self.select(kind, [(guard.condition, self.plain(kind, value)) for guard, value in alternatives])

    def select(self, kind, choices):
        """What the value is, given that just one of the conditions holds."""
        if isinstance(kind, ir.Pointer):
            return [(t.conjunction([condition, inner]), place) for condition, value in choices for inner, place in value]
        if isinstance(kind, (ir.Struct, ir.Array)):
            return tuple(self.select(part, [(condition, value[i]) for condition, value in choices])
                         for i, part in enumerate(self.parts(kind)))
        result = choices[-1][1]
        for condition, value in reversed(choices[:-1]):
            result = t.choice(condition, value, result)
        return result

    # ------------------------------------------------------------ ends of blocks

    def go(self, frame, source, target, guard, pending):
        if guard is None:
            return
        values = {}
        for phi in frame.routine.blocks[target].instructions:
            if phi.op != "phi":
                break
            values[phi.name] = self.value(frame, phi.operands[phi.labels.index(source)], guard)
        pending.setdefault(target, []).append(Edge(guard, values))

    def end_br(self, frame, name, instruction, guard, pending):
        if not instruction.operands or instruction.labels[0] == instruction.labels[1]:
            self.go(frame, name, instruction.labels[0], guard, pending)
            return
        first, second = self.branch(guard, self.value(frame, instruction.operands[0], guard))
        self.go(frame, name, instruction.labels[0], first, pending)
        self.go(frame, name, instruction.labels[1], second, pending)

    def end_switch(self, frame, name, instruction, guard, pending):
        on = self.plain(instruction.operands[0][0], self.value(frame, instruction.operands[0], guard))
        targets, rest = {}, []
        for operand, label in zip(instruction.operands[1:], instruction.labels[1:]):
            hit = t.equal(on, self.value(frame, operand, guard))
            targets.setdefault(label, []).append(hit)
            rest.append(hit)
        targets.setdefault(instruction.labels[0], []).append(t.negation(t.disjunction(rest)))
        for label, conditions in targets.items():
            self.go(frame, name, label, self.narrow(guard, t.disjunction(conditions)), pending)

    def end_ret(self, frame, name, instruction, guard, pending):
        value = self.value(frame, instruction.operands[0], guard) if instruction.operands else None
        frame.returns.append(Edge(guard, {"": value}))

    def end_unreachable(self, frame, name, instruction, guard, pending):
        self.oblige(guard, t.FALSE, "unreachable", "bound")

    # ------------------------------------------------------------ instructions

    def step(self, frame, instruction, guard):
        op = instruction.op
        if op == "call":
            return self.step_call(frame, instruction, guard)
        if op == "alloca":
            region = Region(f"%{frame.routine.name}.{instruction.name}", instruction.type, local=True)
            return [(t.TRUE, Place(region, (), instruction.type))]
        operands = [self.value(frame, operand, guard) for operand in instruction.operands]
        kinds = [kind for kind, _ in instruction.operands]
        if op == "load":
            return self.load(operands[0], instruction.type, guard)
        if op == "store":
            self.store(operands[1], kinds[0], operands[0], guard)
            return None
        if op in ("cmpxchg", "atomicrmw"):
            return self.step_atomic(instruction, operands, guard)
        if op == "fence":
            return None
        kind = ir.Pointer(None) if op == "getelementptr" else instruction.type
        return self.lift(kind, lambda plain: self.compute(instruction, plain), operands, kinds)

    def step_atomic(self, instruction, operands, guard):
        """One step of the machine. Other processors' steps between two of ours are not looked at."""
        kind, values = instruction.type, [self.plain(instruction.type, value) for value in operands[1:]]
        old = self.plain(kind, self.load(operands[0], kind, guard))
        if instruction.op == "cmpxchg":
            hit = t.equal(old, values[0])
            self.store(operands[0], kind, t.choice(hit, values[1], old), guard)
            return (old, hit)
        new = values[0] if instruction.detail == "xchg" else t.binary(instruction.detail, old, values[0])
        self.store(operands[0], kind, new, guard)
        return old

    def step_call(self, frame, instruction, guard):
        name = instruction.detail
        arguments = [self.value(frame, operand, guard) for operand in instruction.operands]
        if name.startswith(("llvm.lifetime", "llvm.dbg", "llvm.assume")):
            return None
        if name in self.module.routines and name not in self.models:
            return self.call(name, arguments, guard)
        arguments = [self.plain(kind, value) for (kind, _), value in zip(instruction.operands, arguments)]
        if name.startswith(("llvm.memcpy", "llvm.memmove")):
            self.copy(arguments[0], arguments[1], t.known(arguments[2]), guard)
            return None
        if name.startswith("llvm.memset"):
            self.zero_memory(arguments[0], arguments[1], t.known(arguments[2]), guard)
            return None
        if name.startswith(("llvm.umin", "llvm.umax", "llvm.smin", "llvm.smax")):
            predicate = {"umin": "ult", "umax": "ugt", "smin": "slt", "smax": "sgt"}[name.split(".")[1]]
            return t.choice(t.compare(predicate, *arguments), *arguments)
        return self.call(name, arguments, guard)

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
        kind = instruction.operands[0][0]
        if not isinstance(kind, ir.Pointer):
            return t.compare(instruction.detail, *operands)
        null = [operand for operand in operands if not operand]
        if not null or instruction.detail not in ("eq", "ne"):
            return self.compare_places(instruction.detail, *operands)
        other = operands[0] if operands[1] == [] else operands[1]
        is_some = t.disjunction([condition for condition, _ in other])
        return t.negation(is_some) if instruction.detail == "eq" else is_some

    def compare_places(self, predicate, first, second):
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
        source = instruction.detail
        first = t.known(indices[0])
        if place.region.racy and place.kind != source and len(indices) == 1:
            return self.bytes_of(place, indices[0], source)
        if source == ir.Int(8) and place.kind != source:
            part, offset = self.memory.at_offset(place, first, 1)
            step = Index(t.bits_of(offset, 64), self.module.layout.size(part.kind))
            return Place(part.region, part.path + (step,), source) if offset else part
        if place.kind != source:
            place = self.memory.narrow(place, source)
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
                place = self.memory.child(place, Index(wide, place.kind.count))
            else:
                place = self.memory.child(place, t.known(index))
        return place

    def bytes_of(self, place, index, kind):
        """The index-th of the bytes or words that an array in a shared page is looked at as."""
        start, layout = 0, self.module.layout
        while not isinstance(place.kind, ir.Array):
            last = place.path[-1]
            if isinstance(last, Index) and t.known(last.term) is None:
                break
            more, place = self.memory.parent(place)
            start += more
        size = layout.size(kind)
        offset = t.binary("add", t.binary("mul", t.extend(index, 64), t.bits_of(size, 64)), t.bits_of(start, 64))
        return Place(place.region, place.path + (Index(offset, layout.size(place.kind) - size + 1),), kind)

    # ------------------------------------------------------------ accesses

    def targets(self, pointer, guard, what):
        """(guard, place) of each place that the pointer may be; obliges it to be one, in bounds, of the right kind."""
        self.oblige(guard, t.disjunction([condition for condition, _ in pointer]), f"{what} through a null pointer")
        for condition, place in pointer:
            inner = self.narrow(guard, condition)
            if inner is None:
                continue
            for step in place.path:
                if isinstance(step, Index) and step.term is not None:
                    limit = t.number(step.count, max(step.term.size(), step.count.bit_length()))
                    self.oblige(inner, t.compare("ult", t.extend(step.term, limit.size()), limit),
                                f"{what} in bounds of {place.region}[{step.count}]")
            if self.on_access and not self.quiet:
                self.on_access(self, inner, place, what)
            yield inner, place

    def load(self, pointer, kind, guard):
        if isinstance(pointer, Choice):
            return self.gather(kind, [(inner, self.load(place, kind, inner)) for inner, place in self.each(pointer, guard)])
        choices = [(inner, self.load_place(place, kind, inner)) for inner, place in self.targets(pointer, guard, "read")]
        return self.gather(kind, choices) if choices else self.havoc(kind)

    def load_place(self, place, kind, guard):
        """What a local variable holds keeps its paths."""
        found = self.memory.stored(place, kind, guard)
        if found is None:
            return self.memory.load(place, kind, guard)
        alternatives = [(self.narrow(self.combine(guard, inner), t.conjunction([*map(t.negation, before)])), value)
                        for inner, before, value in found]
        return self.gather(kind, [(inner, value) for inner, value in alternatives if inner is not None])

    def each(self, choice, guard):
        return [(self.combine(guard, inner), value) for inner, value in choice.alternatives if not guard.excludes(inner)]

    def havoc(self, kind):
        if isinstance(kind, (ir.Struct, ir.Array)):
            return tuple(self.havoc(part) for part in self.parts(kind))
        return self.memory.unknown(kind)

    def store(self, pointer, kind, value, guard):
        if isinstance(pointer, Choice):
            for inner, place in self.each(pointer, guard):
                self.store(place, kind, self.under(value, inner), inner)
            return
        if isinstance(value, Choice):
            if all(place.region.local for _, place in pointer):
                for inner, alternative in self.each(value, guard):
                    self.store(pointer, kind, alternative, inner)
                return
            value = self.plain(kind, value)
        for inner, place in self.targets(pointer, guard, "write"):
            self.memory.store(place, kind, value, inner)

    def copy(self, target, source, size, guard):
        for outer, place in self.targets(source, guard, "read"):
            for inner, onto in self.targets(target, outer, "write"):
                self.memory.copy(onto, place, size, inner)

    def zero_memory(self, target, byte, size, guard):
        if t.known(byte) != 0:
            raise ir.IrError("memset with another value than 0")
        for inner, place in self.targets(target, guard, "write"):
            self.memory.zero(place, size, inner)
