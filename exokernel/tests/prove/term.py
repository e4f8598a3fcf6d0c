"""z3 terms built so that names stay readable to the solver: constants are folded, and dividing or multiplying by a
power of two becomes extraction and concatenation. One-bit values of the IR are z3 booleans."""
import z3

TRUE, FALSE = z3.BoolVal(True), z3.BoolVal(False)


def bits_of(value, bits):
    return z3.BitVecVal(value, bits)


def number(value, bits):
    """A constant of the IR: of one bit, a boolean."""
    if bits == 1:
        return TRUE if value & 1 else FALSE
    return z3.BitVecVal(value, bits)


def is_true(term):
    """z3 has just one of each term: so it is enough to look where it is, which is faster by far than to ask z3 what it is."""
    return term.ast.value == TRUE.ast.value


def is_false(term):
    return term.ast.value == FALSE.ast.value


def known(term):
    """The value of a constant, else None."""
    if isinstance(term, z3.BitVecNumRef):
        return term.as_long()
    if is_true(term):
        return 1
    if is_false(term):
        return 0
    return None


def same(a, b):
    return a.ast.value == b.ast.value


def conjunction(terms):
    kept = {}
    for term in terms:
        if is_false(term):
            return FALSE
        if not is_true(term):
            kept[term.get_id()] = term
    if not kept:
        return TRUE
    return next(iter(kept.values())) if len(kept) == 1 else z3.And(*kept.values())


def disjunction(terms):
    kept = {}
    for term in terms:
        if is_true(term):
            return TRUE
        if not is_false(term):
            kept[term.get_id()] = term
    if not kept:
        return FALSE
    for term in kept.values():
        if z3.is_not(term) and term.arg(0).get_id() in kept:
            return TRUE
    return next(iter(kept.values())) if len(kept) == 1 else z3.Or(*kept.values())


def negation(term):
    if is_true(term):
        return FALSE
    if is_false(term):
        return TRUE
    return term.arg(0) if z3.is_not(term) else z3.Not(term)


def implication(condition, term):
    if is_true(condition) or is_true(term):
        return term
    return z3.Implies(condition, term) if not is_false(condition) else TRUE


def fit(term, bits):
    """The term with this many bits."""
    return extend(term, bits) if term.size() <= bits else cut(term, bits - 1)


def choice(condition, first, second):
    if is_true(condition) or same(first, second):
        return first
    if is_false(condition):
        return second
    if is_true(first):
        return disjunction([condition, second])
    if is_false(first):
        return conjunction([negation(condition), second])
    if is_true(second):
        return disjunction([negation(condition), first])
    if is_false(second):
        return conjunction([condition, first])
    return z3.If(condition, first, second)


def equal(a, b):
    if same(a, b):
        return TRUE
    x, y = known(a), known(b)
    if x is not None and y is not None:
        return TRUE if x == y else FALSE
    if y is None:
        a, b, x, y = b, a, y, x
    if y is not None and z3.is_bool(a):
        return a if y else negation(a)
    if y is not None and is_if(a):
        first, second = known(a.arg(1)), known(a.arg(2))
        if first is not None and second is not None:
            return choice(a.arg(0), TRUE if first == y else FALSE, TRUE if second == y else FALSE)
    if y is not None and a.decl().kind() == z3.Z3_OP_ZERO_EXT:
        inner = a.arg(0)
        return equal(inner, bits_of(y, inner.size())) if y >> inner.size() == 0 else FALSE
    return a == b


def is_if(term):
    return z3.is_app(term) and term.decl().kind() == z3.Z3_OP_ITE


def extend(term, bits):
    if z3.is_bool(term):
        return choice(term, bits_of(1, bits), bits_of(0, bits))
    more = bits - term.size()
    if more == 0:
        return term
    if known(term) is not None:
        return bits_of(known(term), bits)
    if term.decl().kind() == z3.Z3_OP_ZERO_EXT:
        return z3.ZeroExt(bits - term.arg(0).size(), term.arg(0))
    return z3.ZeroExt(more, term)


def sign_extend(term, bits):
    if z3.is_bool(term):
        return choice(term, bits_of(-1, bits), bits_of(0, bits))
    value = known(term)
    if value is not None:
        return bits_of(value - (1 << term.size()) if value >> (term.size() - 1) else value, bits)
    return z3.SignExt(bits - term.size(), term)


def cut(term, high, low=0):
    """Bits high down to low."""
    if low == 0 and high == term.size() - 1:
        return term
    value = known(term)
    if value is not None:
        return bits_of(value >> low & ((1 << (high - low + 1)) - 1), high - low + 1)
    kind = term.decl().kind()
    if kind == z3.Z3_OP_EXTRACT:
        base = term.decl().params()[1]
        return cut(term.arg(0), high + base, low + base)
    if kind == z3.Z3_OP_ZERO_EXT:
        inner = term.arg(0)
        if high < inner.size():
            return cut(inner, high, low)
        if low >= inner.size():
            return bits_of(0, high - low + 1)
        return extend(cut(inner, inner.size() - 1, low), high - low + 1)
    if kind == z3.Z3_OP_CONCAT:
        at = term.size()
        for part in term.children():
            at -= part.size()
            if low >= at:
                return cut(part, high - at, low - at) if high < at + part.size() else z3.Extract(high, low, term)
    if is_if(term) and known(term.arg(1)) is not None and known(term.arg(2)) is not None:
        return choice(term.arg(0), cut(term.arg(1), high, low), cut(term.arg(2), high, low))
    return z3.Extract(high, low, term)


def shift_left(term, by):
    if by == 0:
        return term
    bits = term.size()
    if by >= bits:
        return bits_of(0, bits)
    if known(term) is not None:
        return bits_of(known(term) << by, bits)
    return z3.Concat(cut(term, bits - 1 - by), bits_of(0, by))


def shift_right(term, by):
    bits = term.size()
    return term if by == 0 else bits_of(0, bits) if by >= bits else extend(cut(term, bits - 1, by), bits)


def concatenation(parts):
    """Bits of the parts, the first one highest."""
    result = parts[0]
    for part in parts[1:]:
        x, y = known(result), known(part)
        if x is not None and y is not None:
            result = bits_of(x << part.size() | y, result.size() + part.size())
        else:
            result = z3.Concat(result, part)
    return result


def power(value):
    """k when value is 2**k, else None."""
    return value.bit_length() - 1 if value and value & (value - 1) == 0 else None


def low_zeros(term):
    value = known(term)
    if value is not None:
        return (value & -value).bit_length() - 1 if value else term.size()
    if z3.is_app(term) and term.decl().kind() == z3.Z3_OP_CONCAT:
        last = term.arg(term.num_args() - 1)
        if known(last) == 0:
            return last.size()
    return 0


def width(term):
    """Bits above this are known to be zero."""
    value = known(term)
    if value is not None:
        return value.bit_length()
    if term.decl().kind() == z3.Z3_OP_ZERO_EXT:
        return term.arg(0).size()
    if is_if(term):
        return max(width(term.arg(1)), width(term.arg(2)))
    return term.size()


def join(a, b):
    """a + b or a | b where they have no bits in common; else None."""
    for high, low in ((a, b), (b, a)):
        zeros = low_zeros(high)
        if zeros and known(high) is None and width(low) <= zeros:
            return z3.Concat(cut(high, high.size() - 1, zeros), cut(low, zeros - 1))
    return None


def binary(op, a, b):
    if z3.is_bool(a):
        if op == "and":
            return conjunction([a, b])
        if op == "or":
            return disjunction([a, b])
        if op in ("xor", "add", "sub"):
            return negation(equal(a, b))
        raise ValueError(op)
    x, y, bits = known(a), known(b), a.size()
    if x is not None and y is None and op in ("add", "mul", "and", "or", "xor"):
        a, b, x, y = b, a, y, x
    if x is not None and y is not None and (y or op not in ("udiv", "urem", "sdiv", "srem")):
        return z3.simplify(RAW[op](a, b))
    if y == 0 and op in ("add", "sub", "or", "xor", "shl", "lshr", "ashr"):
        return a
    if y == 0 and op in ("mul", "and"):
        return b
    if op in ("mul", "udiv", "urem") and y is not None and power(y) is not None:
        k = power(y)
        if op == "urem":
            return extend(cut(a, k - 1), bits) if k else bits_of(0, bits)
        return shift_left(a, k) if op == "mul" else shift_right(a, k)
    if op == "shl" and y is not None:
        return shift_left(a, y)
    if op == "lshr" and y is not None:
        return shift_right(a, y)
    if op == "and" and y is not None:
        if y == (1 << bits) - 1:
            return a
        k = power(y + 1)
        if k is not None:
            return extend(cut(a, k - 1), bits)
        low = (y & -y).bit_length() - 1
        k = power((y >> low) + 1)
        if k is not None:
            return shift_left(extend(cut(a, low + k - 1, low), bits), low)
        if is_if(a) and known(a.arg(1)) is not None and known(a.arg(2)) is not None:
            return choice(a.arg(0), bits_of(known(a.arg(1)) & y, bits), bits_of(known(a.arg(2)) & y, bits))
    if op in ("add", "or"):
        joined = join(a, b)
        if joined is not None:
            return joined
    return RAW[op](a, b)


RAW = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b, "lshr": z3.LShR, "ashr": lambda a, b: a >> b,
    "udiv": z3.UDiv, "urem": z3.URem, "sdiv": lambda a, b: a / b, "srem": z3.SRem,
}

COMPARE = {
    "ult": z3.ULT, "ule": z3.ULE, "ugt": z3.UGT, "uge": z3.UGE,
    "slt": lambda a, b: a < b, "sle": lambda a, b: a <= b, "sgt": lambda a, b: a > b, "sge": lambda a, b: a >= b,
}
SWAPPED = {"ugt": "ult", "uge": "ule", "sgt": "slt", "sge": "sle"}
SIGNED = {"slt": "ult", "sle": "ule"}


def compare(predicate, a, b):
    if predicate == "eq":
        return equal(a, b)
    if predicate == "ne":
        return negation(equal(a, b))
    if z3.is_bool(a):
        a, b = extend(a, 2), extend(b, 2)
    if predicate in SWAPPED:
        predicate, a, b = SWAPPED[predicate], b, a
    if known(a) is not None and known(b) is not None:
        found = z3.simplify(COMPARE[predicate](a, b))
        return TRUE if is_true(found) else FALSE
    most = max(width(a), width(b))
    if most < a.size():
        predicate = SIGNED.get(predicate, predicate)
        a, b = cut(a, max(most, 1) - 1), cut(b, max(most, 1) - 1)
    if predicate == "ult" and known(b) == 0:
        return FALSE
    if same(a, b):
        return TRUE if predicate in ("ule", "sle") else FALSE
    for side, other, flip in ((a, b, False), (b, a, True)):
        if is_if(side) and known(other) is not None and None not in (known(side.arg(1)), known(side.arg(2))):
            return choice(side.arg(0), *(compare(predicate, *((other, v) if flip else (v, other)))
                                         for v in (side.arg(1), side.arg(2))))
    return COMPARE[predicate](a, b)
