"""Proves exokernel/code/scalar.c sound with z3, at full width and from what clang makes of it: if a number lies in the set before,
the machine's result lies in the set after, for every operation and for every comparison that is assumed to hold.

The routines have no loops: their LLVM IR is executed once, all paths at once. scalar_reduce and its
parts are proved by themselves; where a routine calls one, the number is shown to lie in the set there, and any set that holds it
may come back.
Products and quotients of two unknowns are beyond the solver: they become names, of which it is told a few facts of arithmetic
(`Products.facts`), each of which it has shown first (`facts_hold`). test_narrow.c tries them exhaustively at 8 bits."""
import argparse
import subprocess
import sys
from pathlib import Path

import z3

sys.path.insert(0, str(Path(__file__).parent.parent / "prove"))
import ir   # noqa: E402

FIELDS = {"low": (0, 64), "high": (8, 64), "least": (16, 64), "most": (24, 64), "bits": (32, 64), "unknown": (40, 64),
          "low32": (48, 32), "high32": (52, 32), "least32": (56, 32), "most32": (60, 32)}
LIMIT_MS = 120000
REDUCTIONS = ("range_from_bits", "ranges_by_sign", "ranges_by_half", "scalar_reduce")


# ---------------------------------------------------------------- sets

def fresh_set(name):
    return {field: z3.BitVec(f"{name}.{field}", bits) for field, (_, bits) in FIELDS.items()}


def members(s, x):
    """The five descriptions, each as a condition on x."""
    half = z3.Extract(31, 0, x)
    return {"unsigned": z3.And(z3.ULE(s["low"], x), z3.ULE(x, s["high"])),
            "signed": z3.And(s["least"] <= x, x <= s["most"]),
            "unsigned 32": z3.And(z3.ULE(s["low32"], half), z3.ULE(half, s["high32"])),
            "signed 32": z3.And(s["least32"] <= half, half <= s["most32"]),
            "bits": x & ~s["unknown"] == s["bits"]}


def holds(s, x):
    return z3.And(*members(s, x).values())


# ---------------------------------------------------------------- execution

class Execution:
    """One routine, with sets as arguments. `witness` says which number an object holds where it is reduced."""

    def __init__(self, module, witness):
        self.module, self.witness = module, witness
        self.obligations, self.assumptions, self.count = [], [], 0

    def fresh(self, bits):
        self.count += 1
        return z3.BitVec(f"any{self.count}", bits)

    def run(self, name, arguments, memory, guard):
        routine = self.module.routines[name]
        values = dict(zip([argument for _, argument in routine.arguments], arguments))
        arriving = {routine.order[0]: [(guard, memory, None)]}
        results = []
        for label in self.order(routine):
            ways = arriving.get(label, [])
            if not ways:
                continue
            guard = z3.simplify(z3.Or(*[way[0] for way in ways]))
            memory = self.merge([(way[0], way[1]) for way in ways])
            self.block(routine.blocks[label], label, values, guard, memory, ways, arriving, results)
        if len(results) == 1:
            return results[0][1], results[0][2]
        value = results[-1][1]
        for way, other, _ in results[:-1]:
            value = None if other is None else z3.If(way, other, value)
        return value, self.merge([(way, after) for way, _, after in results])

    @staticmethod
    def order(routine):
        done, order = set(), []

        def visit(label, path):
            if label in path:
                raise ir.IrError(f"loop in {routine.name}")
            if label not in done:
                for target in routine.blocks[label].instructions[-1].labels:
                    visit(target, path | {label})
                done.add(label)
                order.append(label)
        visit(routine.order[0], frozenset())
        return order[::-1]

    @staticmethod
    def merge(ways):
        merged = dict(ways[-1][1])
        for guard, memory in ways[:-1]:
            merged = {place: value if memory[place].eq(value) else z3.If(guard, memory[place], value) for place, value in merged.items()}
        return merged

    def block(self, block, label, values, guard, memory, ways, arriving, results):
        for i in block.instructions:
            if i.op == "phi":
                values[i.name] = self.phi(i, values, ways)
            elif i.op == "ret":
                results.append((guard, self.value(i.operands[0], values) if i.operands else None, memory))
            elif i.op in ("br", "switch"):
                self.branch(i, label, values, guard, memory, arriving)
            elif i.op == "call":
                values[i.name], memory = self.call(i, values, guard, memory)
            elif i.op == "store":
                self.store(memory, self.value(i.operands[1], values), self.value(i.operands[0], values))
            elif i.op == "load":
                values[i.name] = self.load(memory, self.value(i.operands[0], values), i.type.bits)
            else:
                values[i.name] = self.plain(i, [self.value(operand, values) for operand in i.operands])

    def phi(self, i, values, ways):
        incoming = dict(zip(i.labels, i.operands))
        found = [(way[0], self.value(incoming[way[2]], values)) for way in ways]
        value = found[-1][1]
        for guard, other in found[:-1]:
            value = z3.If(guard, other, value)
        return value

    def branch(self, i, label, values, guard, memory, arriving):
        if not i.operands:
            arriving.setdefault(i.labels[0], []).append((guard, dict(memory), label))
            return
        test = self.value(i.operands[0], values) == 1
        for target, condition in zip(i.labels, (test, z3.Not(test))):
            arriving.setdefault(target, []).append((z3.And(guard, condition), dict(memory), label))

    def value(self, operand, values):
        kind, value = operand
        if isinstance(value, ir.Local):
            return values[value.name]
        if isinstance(value, ir.Number):
            return z3.BitVecVal(value.value, kind.bits)
        raise ir.IrError(f"operand {value}")

    def call(self, i, values, guard, memory):
        arguments = [self.value(operand, values) for operand in i.operands]
        if i.detail.startswith("llvm."):
            return self.intrinsic(i.detail.split(".")[1], arguments), memory
        if i.detail not in REDUCTIONS:
            return self.run(i.detail, arguments, memory, guard)
        name = arguments[0][0]
        before = {field: memory[name, field] for field in FIELDS}
        after = fresh_set(f"{name}!{len(self.assumptions)}")
        number = self.witness[name]
        for part, condition in members(before, number).items():
            self.obligations.append((f"{name}, {part}", len(self.assumptions), z3.Implies(guard, condition)))
        self.assumptions.append(z3.Implies(guard, holds(after, number)))
        return None, {**memory, **{(name, field): value for field, value in after.items()}}

    @staticmethod
    def intrinsic(name, arguments):
        if name == "ctpop":
            bits = arguments[0].size()
            return z3.Sum(*[z3.ZeroExt(bits - 1, z3.Extract(n, n, arguments[0])) for n in range(bits)])
        a, b = arguments[:2]
        if name == "fshl":
            bits = a.size()
            return z3.Extract(2 * bits - 1, bits, z3.Concat(a, b) << z3.ZeroExt(bits, z3.URem(arguments[2], bits)))
        less = {"umin": z3.ULT, "umax": z3.UGT, "smin": lambda x, y: x < y, "smax": lambda x, y: x > y}
        if name not in less:
            raise ir.IrError(f"intrinsic {name}")
        return z3.If(less[name](a, b), a, b)

    def plain(self, i, operands):
        if i.op == "getelementptr":
            return self.element(i, operands)
        if i.op == "bitcast":
            return operands[0]
        if i.op in ("zext", "sext"):
            extend = z3.ZeroExt if i.op == "zext" else z3.SignExt
            return extend(i.type.bits - operands[0].size(), operands[0])
        if i.op == "trunc":
            return z3.Extract(i.type.bits - 1, 0, operands[0])
        if i.op == "select":
            return z3.If(operands[0] == 1, operands[1], operands[2])
        if i.op == "freeze":
            return operands[0]
        if i.op == "icmp":
            tests = {"eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "ult": z3.ULT, "ule": z3.ULE, "ugt": z3.UGT, "uge": z3.UGE,
                     "slt": lambda a, b: a < b, "sle": lambda a, b: a <= b, "sgt": lambda a, b: a > b, "sge": lambda a, b: a >= b}
            return z3.If(tests[i.detail](*operands), z3.BitVecVal(1, 1), z3.BitVecVal(0, 1))
        operations = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "and": lambda a, b: a & b,
                      "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b, "shl": lambda a, b: a << b, "lshr": z3.LShR,
                      "ashr": lambda a, b: a >> b, "udiv": z3.UDiv, "urem": z3.URem}
        return operations[i.op](*operands)

    def element(self, i, operands):
        (name, offset), indices = operands[0], [index.as_long() for index in operands[1:]]
        offset += indices[0] * self.module.layout.size(i.detail)
        kind = i.detail
        for index in indices[1:]:
            offset += self.module.layout.offset(kind, index)
            kind = self.module.layout.fields(kind)[index]
        return name, offset

    @staticmethod
    def parts(pointer, bits):
        name, offset = pointer
        found = [(name, field, width) for field, (at, width) in FIELDS.items() if offset <= at < offset + bits // 8]
        if sum(width for _, _, width in found) != bits:
            raise ir.IrError(f"{bits} bits at {pointer}")
        return found

    def load(self, memory, pointer, bits):
        values = [memory[name, field] for name, field, _ in self.parts(pointer, bits)]
        return values[0] if len(values) == 1 else z3.Concat(*reversed(values))

    def store(self, memory, pointer, value):
        at = 0
        for name, field, width in self.parts(pointer, value.size()):
            memory[name, field] = z3.Extract(at + width - 1, at, value)
            at += width


# ---------------------------------------------------------------- products and quotients

def all_below(bound, *numbers):
    return z3.And(*(z3.ULT(number, z3.BitVecVal(bound, 64)) for number in numbers))


def is_power(x):
    """Of two, or 0, which stands for 2^64."""
    return x & (x - 1) == 0


def divides(power, x):
    return x & (power - 1) == 0


class Products(Execution):
    """Each product and quotient is a name."""

    def __init__(self, module, witness):
        super().__init__(module, witness)
        self.named = {"mul": [], "udiv": []}

    def plain(self, i, operands):
        if i.op not in self.named:
            return super().plain(i, operands)
        result = self.fresh(64)
        self.name(i.op, *operands, result)
        return result

    def name(self, operation, a, b, result):
        self.named[operation].append((a, b, result))
        if operation == "mul":
            self.named[operation].append((b, a, result))

    def facts(self):
        for a, b, m in self.named["mul"]:
            for c, d, n in self.named["mul"]:
                yield z3.Implies(z3.And(a == c, b == d), m == n)
                yield z3.Implies(z3.And(all_below(1 << 32, a, b, c, d), z3.ULE(a, c), z3.ULE(b, d)), z3.ULE(m, n))
                yield z3.Implies(z3.And(is_power(c), is_power(d), divides(c, a), divides(d, b)), divides(n, m))
        for a, b, m in self.named["udiv"]:
            yield z3.Implies(b != 0, z3.ULE(m, a))
            for c, d, n in self.named["udiv"]:
                yield z3.Implies(z3.And(z3.ULE(a, c), z3.ULE(d, b), d != 0), z3.ULE(m, n))


def impossible(*conditions):
    """None, or what the solver says."""
    solver = z3.SolverFor("QF_NRA" if any(z3.is_real(x) for c in conditions for x in c.children()) else "QF_BV")
    solver.set("timeout", LIMIT_MS)
    solver.add(*conditions)
    found = solver.check()
    return None if found == z3.unsat else str(found)


def with_zeros(x, count):
    """Any multiple of 2^count, made of x."""
    return z3.simplify(x << count) if count < 64 else z3.BitVecVal(0, 64)


def common_zeros():
    """Multiples of 2^i and 2^j have a product that ends in i + j zeros, or all."""
    x, y = z3.BitVecs("x y", 64)
    for i in range(65):
        for j in range(i, 65):
            count = min(i + j, 64)
            wrong = count and impossible(z3.Extract(count - 1, 0, with_zeros(x, i) * with_zeros(y, j)) != 0)
            if wrong:
                return f"2^{i} and 2^{j}: {wrong}"
    return None


def facts_hold():
    """(fact, what is wrong): over all real numbers, so of whole ones, too. A quotient is the q with a = q b + r, 0 <= r < b."""
    a, b, c, d, m, n, r, s = z3.Reals("a b c d m n r s")
    most = (1 << 32) - 1
    division = [a >= 0, b >= 1, m >= 0, a == m * b + r, r >= 0, r < b]
    yield "products of 32 bits do not overflow", impossible(a >= 0, a <= most, b >= 0, b <= most, a * b > (1 << 64) - 1)
    yield "products grow with their factors", impossible(a >= 0, a <= c, b >= 0, b <= d, a * b > c * d)
    yield "products end in as many zeros as both factors", common_zeros()
    yield "quotients are at most the dividend", impossible(*division, m > a)
    yield "remainders are at most the dividend", impossible(*division, r > a)
    yield "quotients grow with the dividend and fall with the divisor", impossible(
        *division, a <= c, d >= 1, d <= b, n >= 0, c == n * d + s, s >= 0, s < d, m >= n + 1)


# ---------------------------------------------------------------- what is to be shown

def half(x):
    return z3.Extract(31, 0, x)


def operations(x, y):
    """(routine, result) of two sets."""
    yield "scalar_add", x + y
    yield "scalar_subtract", x - y
    yield "scalar_and", x & y
    yield "scalar_or", x | y
    yield "scalar_xor", x ^ y
    yield "scalar_truncate", z3.ZeroExt(32, half(x))
    yield "scalar_extend_sign", z3.SignExt(32, half(x))
    yield "scalar_shift_right_somewhat", z3.LShR(x, y)


def shifts(x, by):
    yield "scalar_shift_left", x << by
    yield "scalar_shift_right", z3.LShR(x, by)
    yield "scalar_shift_signed", x >> by


def comparisons(x, y):
    a, b = half(x), half(y)
    yield "scalar_assume_equal", None, x == y
    yield "scalar_assume_unequal", None, x != y
    yield "scalar_assume_equal32", None, a == b
    yield "scalar_assume_unequal32", None, a != b
    for strict in (0, 1):
        yield "scalar_assume_below", strict, z3.ULT(x, y) if strict else z3.ULE(x, y)
        yield "scalar_assume_less", strict, x < y if strict else x <= y
        yield "scalar_assume_below32", strict, z3.ULT(a, b) if strict else z3.ULE(a, b)
        yield "scalar_assume_less32", strict, a < b if strict else a <= b


def number(value, bits):
    return z3.BitVecVal(value, bits)


class Prover:
    def __init__(self, module):
        self.module, self.tests, self.failed = module, 0, 0
        self.x, self.y, self.result = z3.BitVecs("x y result", 64)

    def report(self, name, what):
        self.tests += 1
        self.failed += what is not None
        print(f"{'not ok' if what else 'ok'} {self.tests} - {name}" + (f"\n# {what}" if what else ""), flush=True)

    def decide(self, given, goal):
        solver = z3.SolverFor("QF_BV")
        solver.set("timeout", LIMIT_MS)
        solver.add(*given, z3.Not(goal))
        found = solver.check()
        if found == z3.unsat:
            return None
        return str(solver.model()) if found == z3.sat else "not decided in time"

    def routine(self, name, witness, extra=(), condition=True, both=False, result_of=None):
        """What is wrong with a routine, or None. `result_of`: "mul" or "udiv" of x and y is called `result` in the witness."""
        module, x, y = self.module, self.x, self.y
        takes = sum(isinstance(kind, ir.Pointer) for kind, _ in module.routines[name].arguments)
        sets = {"a": fresh_set("a"), "b": fresh_set("b")}
        memory = {(s, field): value for s, fields in sets.items() for field, value in fields.items()}
        given = [holds(sets["a"], x), holds(sets["b"], y), condition]
        execution = Products(module, witness)
        if result_of:
            execution.name(result_of, x, y, self.result)
        _, after = execution.run(name, [("a", 0), ("b", 0)][:takes] + list(extra), memory, z3.BoolVal(True))
        given += execution.facts()
        goals = list(execution.obligations)
        for s in ("a", "b") if both else ("a",):
            end = {field: after[s, field] for field in FIELDS}
            goals += [(f"{s} at the end, {part}", len(execution.assumptions), goal) for part, goal in members(end, witness[s]).items()]
        for what, known, goal in goals:
            wrong = self.decide(given + execution.assumptions[:known], goal)
            if wrong:
                return f"{what}: {wrong}".replace("\n", " ")
        return None

    def sets(self):
        x, y = self.x, self.y
        a, b = fresh_set("a"), fresh_set("b")
        memory = {(s, field): value for s, fields in (("a", a), ("b", b)) for field, value in fields.items()}
        for name in ("scalar_join", "scalar_widen"):
            for of, inside in (("its own", a), ("the other", b)):
                execution = Execution(self.module, {})
                _, after = execution.run(name, [("a", 0), ("b", 0)], dict(memory), z3.BoolVal(True))
                end = {field: after["a", field] for field in FIELDS}
                well = [a["bits"] & a["unknown"] == 0, b["bits"] & b["unknown"] == 0]
                wrong = [self.decide([holds(inside, x), *well], goal) for goal in members(end, x).values()]
                self.report(f"{name} keeps {of}", next(filter(None, wrong), None))
        covers, _ = Execution(self.module, {}).run("scalar_covers", [("a", 0), ("b", 0)], memory, z3.BoolVal(True))
        well = [a["bits"] & a["unknown"] == 0, b["bits"] & b["unknown"] == 0]
        wrong = [self.decide([covers == 1, part, *well], goal) for part, goal in zip(members(b, x).values(), members(a, x).values())]
        self.report("scalar_covers is inclusion", next(filter(None, wrong), None))
        contains, _ = Execution(self.module, {}).run("scalar_contains", [("a", 0), y], memory, z3.BoolVal(True))
        self.report("scalar_contains is membership", self.decide([], (contains == 1) == holds(a, y)))

    def all(self):
        x, y = self.x, self.y
        for name in REDUCTIONS:
            self.report(name, self.routine(name, {"a": x, "b": y}))
        self.sets()
        for name, result in operations(x, y):
            self.report(name, self.routine(name, {"a": result, "b": y}))
        for fact, wrong in facts_hold():
            self.report(fact, wrong)
        self.report("scalar_multiply", self.routine("scalar_multiply", {"a": self.result, "b": y}, result_of="mul"))
        quotient = z3.If(y == 0, number(0, 64), self.result)
        self.report("scalar_divide", self.routine("scalar_divide", {"a": quotient, "b": y}, result_of="udiv"))
        rest = z3.BitVec("rest", 64)    # any number with what all remainders have in common
        self.report("scalar_remainder", self.routine("scalar_remainder", {"a": rest, "b": y}, (),
                                                     z3.If(y == 0, rest == x, z3.And(z3.ULT(rest, y), z3.ULE(rest, x)))))
        for n in range(3):
            wrong = None
            for by in range(64):
                name, result = list(shifts(x, by))[n]
                wrong = wrong or self.routine(name, {"a": result, "b": y}, [number(by, 32)])
            self.report(f"{name} by 0 to 63", wrong)
        for name, strict, condition in comparisons(x, y):
            extra = [] if strict is None else [number(strict, 32)]
            self.report(name + ("" if strict is None else f" strict={strict}"),
                        self.routine(name, {"a": x, "b": y}, extra, condition, both=True))
        mask = z3.BitVec("mask", 64)
        self.report("scalar_assume_clear", self.routine("scalar_assume_clear", {"a": x, "b": y}, [mask], x & mask == 0))
        self.report("scalar_assume_touch", self.routine("scalar_assume_touch", {"a": x, "b": y}, [mask], x & mask != 0))
        print(f"1..{self.tests}")
        return self.failed


def compiled(clang, include, source):
    command = [clang, "-std=gnu11", "-O1", "-fno-inline", "-fno-vectorize", "-fno-slp-vectorize", "-fno-jump-tables", "-I", include, "-S", "-emit-llvm", "-o", "-", source]
    return ir.Module(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clang", default="clang-14")
    parser.add_argument("--include", required=True, help="exokernel/code")
    parser.add_argument("source")
    options = parser.parse_args()
    return 1 if Prover(compiled(options.clang, options.include, options.source)).all() else 0


if __name__ == "__main__":
    sys.exit(main())
