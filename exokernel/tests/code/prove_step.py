"""Proves what exokernel/code/arithmetic.c and branch.c make of numbers, for every opcode, at full width: if the operands lie in their sets,
the machine's result lies in what `arithmetic_numbers` and `arithmetic_extend` leave; and if a jump is taken, or not, `branch_assume` says that it
can be, and both numbers lie in what it leaves. The opcodes and what they do are written down here again, from RFC 9669.

The routines call those of scalar.c, each of which stands here for what prove_scalar.py shows of it: where it is called, the numbers are
shown to lie in the sets given, and any set that holds the result may come back. With each set goes the number that it is shown to hold."""
import argparse
import sys
from pathlib import Path

import z3

sys.path.insert(0, str(Path(__file__).parent))
from prove_scalar import FIELDS, Execution, Prover, compiled, fresh_set, half, holds, ir, members   # noqa: E402

VALUE_SCALAR = 16       # where struct code_value has its set
CLASSES = {"alu32": 4, "alu64": 7, "jmp32": 6, "jmp64": 5}
HELD = "held"
WAY_UNKNOWN, WAY_CLOSED, WAY_OPEN = range(3)


def occupied(s):
    """What follows for each set that holds a number."""
    return z3.And(z3.ULE(s["low"], s["high"]), s["least"] <= s["most"], z3.ULE(s["low32"], s["high32"]), s["least32"] <= s["most32"])


def contracts(any_of, by):
    """Routine: what it makes of the numbers held and of its further argument. any_of: where every number is in the set that comes back,
    the one to hold; by: the distance of a shift by one that is not known."""
    return {
        "scalar_any": lambda a: any_of, "scalar_set": lambda a, value: value,
        "scalar_add": lambda a, b: a + b, "scalar_subtract": lambda a, b: a - b, "scalar_multiply": lambda a, b: a * b,
        "scalar_and": lambda a, b: a & b, "scalar_or": lambda a, b: a | b, "scalar_xor": lambda a, b: a ^ b,
        "scalar_divide": lambda a, b: z3.If(b == 0, z3.BitVecVal(0, 64), z3.UDiv(a, b)),
        "scalar_remainder": lambda a, b: z3.If(b == 0, a, z3.URem(a, b)),
        "scalar_shift_left": lambda a, n: a << z3.ZeroExt(32, n), "scalar_shift_right": lambda a, n: z3.LShR(a, z3.ZeroExt(32, n)),
        "scalar_shift_signed": lambda a, n: a >> z3.ZeroExt(32, n), "scalar_shift_right_somewhat": lambda a: z3.LShR(a, by),
        "scalar_truncate": lambda a: z3.ZeroExt(32, half(a)), "scalar_extend_sign": lambda a: z3.SignExt(32, half(a)),
    }


def below(a, b, strict):
    return z3.If(strict == 1, z3.ULT(a, b), z3.ULE(a, b))


def less(a, b, strict):
    return z3.If(strict == 1, a < b, a <= b)


# What must hold where one of these is called. The numbers stay what they are.
ASSUMED = {
    "scalar_assume_equal": lambda a, b: a == b, "scalar_assume_unequal": lambda a, b: a != b,
    "scalar_assume_equal32": lambda a, b: half(a) == half(b), "scalar_assume_unequal32": lambda a, b: half(a) != half(b),
    "scalar_assume_below": below, "scalar_assume_less": less,
    "scalar_assume_below32": lambda a, b, strict: below(half(a), half(b), strict),
    "scalar_assume_less32": lambda a, b, strict: less(half(a), half(b), strict),
    "scalar_assume_clear": lambda a, mask: a & mask == 0, "scalar_assume_touch": lambda a, mask: a & mask != 0,
}


class Step(Execution):
    """One routine, with scalar.c's by their contracts. (name, HELD) in memory is the number that the set holds."""

    def __init__(self, module, known, cases):
        super().__init__(module, {})
        self.known, self.cases, self.taken = known, cases, []

    def choose(self, condition):
        """Is it so? One case after the other, since the solver takes long where answers stay open."""
        case = self.cases[len(self.taken)] if len(self.taken) < len(self.cases) else 0
        self.taken.append(case)
        self.assumptions.append(condition if case else z3.Not(condition))
        return case

    def block(self, block, label, values, guard, memory, ways, arriving, results):
        if not z3.is_false(guard):
            super().block(block, label, values, guard, memory, ways, arriving, results)

    def branch(self, i, label, values, guard, memory, arriving):
        ways = [(i.labels[0], z3.BoolVal(True))]
        if i.op == "br" and i.operands:
            test = self.value(i.operands[0], values) == 1
            ways = list(zip(i.labels, (test, z3.Not(test))))
        for target, condition in ways:
            self.go(label, target, z3.simplify(z3.And(guard, condition)), memory, arriving)

    def go(self, label, target, guard, memory, arriving):
        if not z3.is_false(guard):
            arriving.setdefault(target, []).append((guard, dict(memory), label))

    def plain(self, i, operands):
        if i.op == "alloca":
            self.count += 1
            return f"local{self.count}", 0
        return super().plain(i, operands)

    def merge(self, ways):
        """Objects of a routine that is left are known on some ways only."""
        places = set.intersection(*(set(memory) for _, memory in ways))
        return super().merge([(guard, {place: memory[place] for place in places}) for guard, memory in ways])

    def call(self, i, values, guard, memory):
        arguments = [self.value(operand, values) for operand in i.operands]
        name = i.detail
        if name.startswith("llvm.memcpy"):
            (to, _), (of, _) = arguments[:2]
            return None, memory | {(to, field): memory[of, field] for field in (*FIELDS, HELD)}
        if name.startswith("llvm.lifetime"):
            return None, memory
        if name == "scalar_contains":
            found = holds({field: memory[arguments[0][0], field] for field in FIELDS}, arguments[1])
            return z3.BitVecVal(self.choose(found), 1), memory
        if name == "scalar_is_constant":
            of = arguments[0][0]
            return z3.BitVecVal(self.choose(memory[of, "low"] == memory[of, "high"]), 1), memory
        if name == "is_an_end":     # whatever it says
            return z3.BitVecVal(self.choose(self.fresh(1) == 1), 1), memory
        if name == "assume_constant":
            return self.constant(arguments[0][0], guard, memory)
        if name.startswith("scalar_") and name not in self.module.routines:
            return None, self.contract(name, arguments, guard, memory)
        return super().call(i, values, guard, memory)

    def contract(self, name, arguments, guard, memory):
        """The sets given hold their numbers; each that may be changed is another one after, which holds what comes of it."""
        sets = [argument[0] for argument in arguments if isinstance(argument, tuple)]
        rest = [argument for argument in arguments if not isinstance(argument, tuple)]
        given = [name for name in sets if (name, HELD) in memory and self.whole(memory, name)]
        for of in given:
            for part, condition in members({field: memory[of, field] for field in FIELDS}, memory[of, HELD]).items():
                self.obligations.append((f"{name} of {of}, {part}", len(self.assumptions), z3.Implies(guard, condition)))
        numbers = [memory.get((of, HELD)) for of in sets]
        if name in ASSUMED:
            self.obligations.append((name, len(self.assumptions), z3.Implies(guard, ASSUMED[name](*numbers, *rest))))
            changed = dict(zip(sets, numbers))
        else:
            if name.startswith("scalar_shift") and rest:
                self.obligations.append((f"{name}: distance", len(self.assumptions), z3.Implies(guard, z3.ULT(rest[0], 64))))
            changed = {sets[0]: self.known[name](*numbers, *rest)}
        memory = dict(memory)
        for of, number in changed.items():
            self.count += 1
            after = fresh_set(f"{of}!{self.count}")
            self.assumptions.append(z3.Implies(guard, z3.And(holds(after, number), occupied(after))))
            if name == "scalar_set":
                self.assumptions.append(z3.Implies(guard, z3.And(after["low"] == number, after["high"] == number)))
            memory |= {(of, field): value for field, value in after.items()} | {(of, HELD): number}
        return memory

    def constant(self, name, guard, memory):
        """assume_constant, which is shown by itself: whatever it finds, its set holds the number, and it does not say that the way is closed."""
        self.count += 1
        number, after = memory[name, HELD], fresh_set(f"{name}!{self.count}")
        way = WAY_OPEN if self.choose(self.fresh(1) == 1) else WAY_UNKNOWN
        self.assumptions.append(z3.Implies(guard, z3.And(holds(after, number), occupied(after))))
        return z3.BitVecVal(way, 32), memory | {(name, field): value for field, value in after.items()}

    @staticmethod
    def whole(memory, name):
        return all((name, field) in memory for field in FIELDS)


class Switch(Step):
    """Switches come as branches with many ways."""

    def branch(self, i, label, values, guard, memory, arriving):
        if i.op != "switch":
            super().branch(i, label, values, guard, memory, arriving)
            return
        chosen = self.value(i.operands[0], values)
        tests = [chosen == self.value(operand, values) for operand in i.operands[1:]]
        for target in dict.fromkeys(i.labels):
            ways = [test for test, to in zip(tests, i.labels[1:]) if to == target]
            if i.labels[0] == target:
                ways.append(z3.Not(z3.Or(*tests)))
            self.go(label, target, z3.simplify(z3.And(guard, z3.Or(*ways))), memory, arriving)


# ---------------------------------------------------------------- RFC 9669, once more

def signed_division(a, b, width, remainder):
    """By 0: 0, and the dividend; the least number by -1: itself, and 0. As the machine of the RFC wraps."""
    zero = z3.BitVecVal(0, width)
    return z3.If(b == 0, a, z3.SRem(a, b)) if remainder else z3.If(b == 0, zero, a / b)


def arithmetic(x, y, width):
    """(operation, offset, immediate, result of so many bits)."""
    by = y & (width - 1)
    zero = z3.BitVecVal(0, width)
    yield 0x00, 0, None, x + y
    yield 0x10, 0, None, x - y
    yield 0x20, 0, None, x * y
    yield 0x30, 0, None, z3.If(y == 0, zero, z3.UDiv(x, y))
    yield 0x30, 1, None, signed_division(x, y, width, False)
    yield 0x40, 0, None, x | y
    yield 0x50, 0, None, x & y
    yield 0x60, 0, None, x << by
    yield 0x70, 0, None, z3.LShR(x, by)
    yield 0x80, 0, None, -x
    yield 0x90, 0, None, z3.If(y == 0, x, z3.URem(x, y))
    yield 0x90, 1, None, signed_division(x, y, width, True)
    yield 0xa0, 0, None, x ^ y
    yield 0xc0, 0, None, x >> by


def swapped(x, bits):
    return z3.Concat(*[z3.Extract(at + 7, at, x) for at in range(0, bits, 8)])


def conversions(x):
    """(class, source bit, bits, result): to little endian on this machine, to big endian, and swapped."""
    for bits in (16, 32, 64):
        kept = z3.Extract(bits - 1, 0, x)
        yield 4, 0, bits, kept
        yield 4, 8, bits, swapped(x, bits)
        yield 7, 0, bits, swapped(x, bits)


def comparisons(a, b):
    yield 0x10, "jeq", a == b
    yield 0x20, "jgt", z3.UGT(a, b)
    yield 0x30, "jge", z3.UGE(a, b)
    yield 0x40, "jset", a & b != 0
    yield 0x50, "jne", a != b
    yield 0x60, "jsgt", a > b
    yield 0x70, "jsge", a >= b
    yield 0xa0, "jlt", z3.ULT(a, b)
    yield 0xb0, "jle", z3.ULE(a, b)
    yield 0xc0, "jslt", a < b
    yield 0xd0, "jsle", a <= b


# ---------------------------------------------------------------- what is to be shown

class Steps(Prover):
    def __init__(self, arithmetic_module, branch_module):
        super().__init__(arithmetic_module)
        self.branch_module = branch_module

    @staticmethod
    def instruction(opcode, offset=0, immediate=None):
        high = z3.BitVec("immediate", 32) if immediate is None else z3.BitVecVal(immediate, 32)
        return z3.simplify(z3.Concat(high, z3.BitVecVal(offset, 16), z3.BitVec("registers", 8), z3.BitVecVal(opcode, 8)))

    def step(self, module, name, arguments, any_of, by, condition=True, returns=None):
        """What is wrong, or None, in all cases."""
        cases = []
        while cases is not None:
            wrong, taken = self.case(module, name, arguments, any_of, by, condition, returns, cases)
            if wrong:
                return wrong
            while taken and taken[-1]:
                taken.pop()
            cases = [*taken[:-1], 1] if taken else None
        return None

    def case(self, module, name, arguments, any_of, by, condition, returns, cases):
        """What is wrong, or None, and the cases: of a routine that gets the sets a and b, holding x and y, where a holds `any_of` at the end, and, if
        `returns` is given, b still holds y and that is true of the value."""
        x, y = self.x, self.y
        sets = {"a": fresh_set("a"), "b": fresh_set("b")}
        memory = {(s, field): value for s, fields in sets.items() for field, value in fields.items()}
        memory |= {("a", HELD): x, ("b", HELD): y}
        run = Switch(module, contracts(any_of, by), cases)
        value, after = run.run(name, arguments, memory, z3.BoolVal(True))
        given = [holds(sets["a"], x), holds(sets["b"], y), condition]
        goals = list(run.obligations)
        last = len(run.assumptions)
        for s, number in (("a", any_of), ("b", y))[:2 if returns else 1]:
            end = {field: after[s, field] for field in FIELDS}
            goals += [(f"{s} at the end, {part}", last, goal) for part, goal in members(end, number).items()]
        if returns:
            goals.append(("the way is open", last, returns(value)))
        for what, known, goal in goals:
            wrong = self.decide(given + run.assumptions[:known], goal)
            if wrong:
                return f"{what}: {wrong}".replace("\n", " "), run.taken
        return None, run.taken

    def numbers(self, title, opcode, offset, immediate, width, result, by):
        # a signed quotient is any number for the verifier, so nothing is asked of it: the result is a name
        arguments = [("a", -VALUE_SCALAR), ("b", -VALUE_SCALAR), self.instruction(opcode, offset, immediate), z3.BitVecVal(width, 32)]
        self.report(title, self.step(self.module, "arithmetic_numbers", arguments, result, by))

    def all(self):
        x, y = self.x, self.y
        s = fresh_set("s")
        self.report("a set that holds a number is not empty", self.decide([holds(s, x)], occupied(s)))
        for name, width in (("alu32", 32), ("alu64", 64)):
            a, b = (half(x), half(y)) if width == 32 else (x, y)
            for operation, offset, immediate, result in arithmetic(a, b, width):
                wide = self.widened(operation, offset, a, b, width, result)
                by = z3.ZeroExt(64 - width, b & (width - 1)) if width < 64 else b & 63
                self.numbers(f"{name} operation {operation:#04x} offset {offset}", CLASSES[name] | operation, offset, immediate, width, wide, by)
        for kind, source, bits, result in conversions(x):
            wide = z3.ZeroExt(64 - bits, result) if bits < 64 else result
            self.numbers(f"class {kind} end {source} of {bits} bits", kind | 0xd0 | source, 0, bits, 32 if kind == 4 else 64, wide, y)
        for bits in (8, 16, 32):
            wide = z3.SignExt(64 - bits, z3.Extract(bits - 1, 0, x))
            self.report(f"sign of {bits} bits", self.step(self.module, "arithmetic_extend", [("a", 0), z3.BitVecVal(bits, 32)], wide, y))
        for name, (a, b) in {"jmp64": (x, y), "jmp32": (half(x), half(y))}.items():
            for operation, text, holds_then in comparisons(a, b):
                for taken in (1, 0):
                    self.jump(f"{name} {text} {'taken' if taken else 'passed'}", CLASSES[name], operation, taken,
                              holds_then if taken else z3.Not(holds_then))
        print(f"1..{self.tests}")
        return self.failed

    def jump(self, title, kind, operation, taken, condition):
        """Both for numbers of 32 bits and for those with more."""
        small = self.x == z3.ZeroExt(32, half(self.x))
        cases = [z3.And(small, condition), z3.And(z3.Not(small), condition)] if kind == CLASSES["jmp32"] else [condition]
        self.report(title, next(filter(None, (self.jump_in(kind, operation, taken, case) for case in cases)), None))

    def jump_in(self, kind, operation, taken, condition):
        x, y, sets, taken = self.x, self.y, [("a", 0), ("b", 0)], z3.BitVecVal(taken, 1)
        wrong = self.step(self.branch_module, "assume_constant", [*sets, z3.BitVecVal(operation, 8), z3.BitVecVal(kind == CLASSES["jmp64"], 1), taken],
                          x, y, condition, lambda way: z3.And(way != WAY_CLOSED, z3.ULE(way, WAY_OPEN)))
        return wrong or self.step(self.branch_module, "branch_assume", [*sets, self.instruction(kind | operation), taken], x, y, condition,
                                  lambda value: value == 1)

    @staticmethod
    def widened(operation, offset, a, b, width, result):
        """A result of 32 bits clears the upper half. Products and quotients are written as the contracts write them, of 64 bits, whose
        lower half, or all, is the same: the solver would take long to find that."""
        if width == 64:
            return result
        wide_a, wide_b = z3.ZeroExt(32, a), z3.ZeroExt(32, b)
        if operation == 0x20:
            return z3.ZeroExt(32, half(wide_a * wide_b))
        if operation == 0x30 and not offset:
            return z3.ZeroExt(32, half(z3.If(wide_b == 0, z3.BitVecVal(0, 64), z3.UDiv(wide_a, wide_b))))
        if operation == 0x90 and not offset:
            return z3.ZeroExt(32, half(z3.If(wide_b == 0, wide_a, z3.URem(wide_a, wide_b))))
        return z3.ZeroExt(32, result)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clang", default="clang-14")
    parser.add_argument("--include", required=True, help="exokernel/code")
    parser.add_argument("sources", nargs=2, help="arithmetic.c and branch.c")
    options = parser.parse_args()
    return 1 if Steps(*(compiled(options.clang, options.include, source) for source in options.sources)).all() else 0


if __name__ == "__main__":
    sys.exit(main())
