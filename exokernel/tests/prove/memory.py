"""Typed memory: one log of guarded stores for each scalar field of each region, so that a read is an if-then-else
over the stores that may matter, and below them an uninterpreted function of the indices: the state before the call.
A store under a guard is nothing when the guard is false, so paths need not be merged."""
import itertools
from dataclasses import dataclass

import z3

import ir
import term as t


class Guard:
    """When a block runs: a condition, and the numbers of the decisions and blocks whose conjunction it is."""

    def __init__(self, condition, tokens=frozenset()):
        self.condition, self.tokens = condition, tokens

    def implies(self, other):
        return other.tokens <= self.tokens

    def excludes(self, other):
        return any(-token in self.tokens for token in other.tokens)


ALWAYS = Guard(t.TRUE)


class Region:
    """A variable, a function's local one, or what an argument points to."""
    numbers = itertools.count()

    def __init__(self, name, kind, local=False, racy=False):
        self.name, self.kind, self.local, self.racy = name, kind, local, racy
        self.number = next(Region.numbers)

    def __repr__(self):
        return self.name


@dataclass(frozen=True)
class Index:
    """A step into an array; term None stands for every index."""
    term: object
    count: int

    @property
    def bits(self):
        return max(1, (self.count - 1).bit_length())


@dataclass(frozen=True)
class Place:
    """A typed part of a region. Steps are field numbers and Index."""
    region: Region
    path: tuple
    kind: object


@dataclass(frozen=True)
class Key:
    region: Region
    fields: tuple    # field numbers, with "*" for array steps
    widths: tuple    # of the indices
    kind: object

    def __repr__(self):
        return self.region.name + "".join("[]" if f == "*" else f".{f}" for f in self.fields)


@dataclass
class Entry:
    guard: Guard
    where: tuple     # a term for each index, or None for any; or a function from indices to a condition
    value: object    # a term, or a function from indices to one


class Memory:
    def __init__(self, layout):
        self.layout = layout
        self.logs = {}
        self.touched = {}      # region name: {ids: indices}, of the reads that reached the base
        self.bases = {}
        self.fresh = itertools.count()
        self.written = None    # a set of keys while a loop body is run dry

    # ------------------------------------------------------------ places

    def place_key(self, place):
        fields, terms, widths = [], [], []
        for step in place.path:
            if isinstance(step, Index):
                fields.append("*")
                widths.append(step.bits)
                terms.append(None if step.term is None else
                             t.cut(step.term, step.bits - 1) if step.term.size() >= step.bits else
                             t.extend(step.term, step.bits))
            else:
                fields.append(step)
        return Key(place.region, tuple(fields), tuple(widths), place.kind), tuple(terms)

    def child(self, place, step):
        kind = place.kind
        if isinstance(kind, ir.Array):
            if not isinstance(step, Index):
                step = Index(step, kind.count)
            return Place(place.region, place.path + (step,), kind.of)
        return Place(place.region, place.path + (step,), self.layout.fields(kind)[step])

    def children(self, place, whole=False):
        """(offset, part) of each member of an aggregate. Long arrays in one part if `whole`."""
        kind = place.kind
        if isinstance(kind, ir.Array):
            if whole and kind.count > 8:
                yield 0, self.child(place, Index(None, kind.count))
                return
            size = self.layout.size(kind.of)
            for i in range(kind.count):
                yield i * size, self.child(place, Index(t.number(i, 32), kind.count))
        else:
            for i in range(len(self.layout.fields(kind))):
                yield self.layout.offset(kind, i), self.child(place, i)

    def scalars(self, place, whole=False):
        """(offset, part) of each scalar in the place."""
        if isinstance(place.kind, (ir.Int, ir.Pointer)):
            yield 0, place
            return
        for offset, part in self.children(place, whole):
            for inner, scalar in self.scalars(part, whole):
                yield offset + inner, scalar

    def parent(self, place):
        """(offset of the place in it, the aggregate around the place)."""
        kind = place.region.kind
        for step in place.path[:-1]:
            kind = kind.of if isinstance(step, Index) else self.layout.fields(kind)[step]
        around = Place(place.region, place.path[:-1], kind)
        last = place.path[-1]
        if isinstance(last, Index):
            at = t.known(last.term)
            if at is None:
                raise ir.IrError(f"offset of a variable index: {place}")
            return at * self.layout.size(place.kind), around
        return self.layout.offset(kind, last), around

    def at_offset(self, place, offset, size):
        """The smallest part at this offset that holds `size` bytes, and the offset left in it."""
        while offset < 0 or offset + size > self.layout.size(place.kind):
            more, place = self.parent(place)
            offset += more
        while not isinstance(place.kind, (ir.Int, ir.Pointer)):
            if isinstance(place.kind, ir.Array):
                each = self.layout.size(place.kind.of)
                i = offset // each
                if offset - i * each + size > each:
                    return place, offset
                place, offset = self.child(place, Index(t.number(i, 32), place.kind.count)), offset - i * each
                continue
            for start, part in self.children(place):
                if start <= offset and offset + size <= start + self.layout.size(part.kind):
                    place, offset = part, offset - start
                    break
            else:
                return place, offset
        return place, offset

    # ------------------------------------------------------------ reading and writing scalars

    def log(self, key):
        return self.logs.setdefault(key, [])

    def append(self, key, entry):
        self.log(key).append(entry)
        if self.written is not None:
            self.written.add(key)

    def write_scalar(self, place, value, guard):
        if place.region.racy:
            return
        key, where = self.place_key(place)
        self.append(key, Entry(guard, where, value))

    def base(self, key, where):
        if key.region.local and not key.region.racy and key.region.name.startswith("%"):
            return self.unknown(key.kind, str(key))
        name = repr(key)
        bits = key.kind.bits
        if not where:
            return z3.BitVec(name, bits)
        if name not in self.bases:
            self.bases[name] = z3.Function(name, *(z3.BitVecSort(w) for w in key.widths), z3.BitVecSort(bits))
        self.touch(key, where)
        return self.bases[name](*where)

    def touch(self, key, where):
        group = self.touched.setdefault(key.region.name, {})
        group.setdefault(tuple(w.get_id() for w in where), where)

    def unknown(self, kind, name="any"):
        if isinstance(kind, ir.Pointer):
            return []
        if kind.bits == 1:
            return z3.Bool(f"{name}!{next(self.fresh)}")
        return z3.BitVec(f"{name}!{next(self.fresh)}", kind.bits)

    def read_scalar(self, place, guard, limits=None):
        if place.region.racy:
            return self.unknown(place.kind, "shared")
        key, where = self.place_key(place)
        log = self.logs.get(key, [])
        return self.read_key(key, where, guard, log if limits is None else log[:limits.get(key, 0)])

    def read_key(self, key, where, guard, log):
        hits, last = [], None
        for entry in reversed(log):
            if guard.excludes(entry.guard):
                continue
            match = self.matches(entry, where)
            if z3.is_false(match):
                continue
            value = entry.value(where) if callable(entry.value) else entry.value
            if z3.is_true(match) and guard.implies(entry.guard):
                last = value
                break
            hits.append((t.conjunction([match] if guard.implies(entry.guard) else [entry.guard.condition, match]), value))
        if isinstance(key.kind, ir.Pointer):
            return self.merge_pointers(hits, last)
        result = self.base(key, where) if last is None else last
        for condition, value in reversed(hits):
            result = t.choice(condition, value, result)
        return result

    @staticmethod
    def matches(entry, where):
        if callable(entry.where):
            return entry.where(where)
        return t.conjunction([t.equal(mine, theirs) for mine, theirs in zip(entry.where, where) if mine is not None])

    @staticmethod
    def merge_pointers(hits, last):
        targets, before = [], []
        for condition, value in hits + ([(t.TRUE, last)] if last is not None else []):
            for inner, place in value:
                targets.append((t.conjunction([*map(t.negation, before), condition, inner]), place))
            before.append(condition)
        return targets

    def stored(self, place, kind, guard):
        """[(guard, conditions that must not hold, value)] of what a local scalar may hold; None if that is not known so well."""
        if not place.region.local or place.kind != kind or not isinstance(kind, (ir.Int, ir.Pointer)):
            return None
        key, where = self.place_key(place)
        found, newer = [], []
        for entry in reversed(self.logs.get(key, [])):
            if guard.excludes(entry.guard):
                continue
            if callable(entry.value) or not z3.is_true(self.matches(entry, where)):
                return None
            overlapping = [g.condition for g in newer if not g.excludes(entry.guard)]
            found.append((entry.guard, overlapping, entry.value))
            if guard.implies(entry.guard):
                return found
            newer.append(entry.guard)
        return None

    # ------------------------------------------------------------ reading and writing any type

    def load(self, place, kind, guard, limits=None):
        if isinstance(kind, (ir.Struct, ir.Array)):
            place = self.narrow(place, kind)
            return tuple(self.load(part, part.kind, guard, limits) for _, part in self.children(place))
        size = self.layout.size(kind)
        part, offset = self.at_offset(place, 0, size)
        if self.layout.size(part.kind) == size and isinstance(part.kind, (ir.Int, ir.Pointer)):
            value = self.read_scalar(part, guard, limits)
            return t.equal(t.cut(value, 0), t.bits_of(1, 1)) if kind == ir.Int(1) else value
        if isinstance(kind, ir.Pointer):
            raise ir.IrError(f"pointer read from {place}")
        return self.bytes(part, offset, kind, guard)

    def store(self, place, kind, value, guard):
        if isinstance(kind, (ir.Struct, ir.Array)):
            place = self.narrow(place, kind)
            for (_, part), member in zip(self.children(place), value):
                self.store(part, part.kind, member, guard)
            return
        size = self.layout.size(kind)
        part, offset = self.at_offset(place, 0, size)
        if kind == ir.Int(1):
            value = t.extend(value, 8)
        if self.layout.size(part.kind) == size and isinstance(part.kind, (ir.Int, ir.Pointer)):
            self.write_scalar(part, value, guard)
            return
        done = 0
        for start, scalar in self.scalars(part):
            if offset <= start < offset + size:
                if start - offset != done:
                    raise ir.IrError(f"store over a hole: {place}")
                width = self.layout.size(scalar.kind)
                self.write_scalar(scalar, t.cut(value, (done + width) * 8 - 1, done * 8), guard)
                done += width
        if done and done != size:
            raise ir.IrError(f"store of {size} bytes into a part of {part}")

    def narrow(self, place, kind):
        while place.kind != kind:
            first = next(self.children(place), None) if not isinstance(place.kind, (ir.Int, ir.Pointer)) else None
            if first is None:
                raise ir.IrError(f"{place} is no {kind}")
            place = first[1]
        return place

    def cover(self, place, size):
        """The aggregate that these bytes are: as large as the size."""
        part, offset = self.at_offset(place, 0, size)
        if offset or self.layout.size(part.kind) != size:
            return None
        return part

    def copy(self, target, source, size, guard):
        """memcpy: for each scalar of the target, the same bytes of the source."""
        part, offset = self.at_offset(target, 0, size)
        values = []
        for start, scalar in self.scalars(part):
            if offset <= start < offset + size:
                place, rest = self.at_offset(source, start - offset, self.layout.size(scalar.kind))
                values.append((scalar, self.bytes(place, rest, scalar.kind, guard)))
        for scalar, value in values:
            self.write_scalar(scalar, value, guard)

    def bytes(self, part, offset, kind, guard):
        """A scalar's worth of bytes at an offset in the part, whatever stands there."""
        size = self.layout.size(kind)
        if isinstance(part.kind, ir.Pointer) or isinstance(kind, ir.Pointer):
            return self.read_scalar(part, guard) if part.kind == kind else []
        pieces = []
        for start, scalar in self.scalars(part):
            width = self.layout.size(scalar.kind)
            low, high = max(start, offset), min(start + width, offset + size)
            if low < high and isinstance(scalar.kind, ir.Int):
                pieces.append(t.cut(self.read_scalar(scalar, guard), (high - start) * 8 - 1, (low - start) * 8))
        whole = pieces[0] if len(pieces) == 1 else z3.Concat(*reversed(pieces))
        if whole.size() != size * 8:
            raise ir.IrError(f"hole in {part}")
        return whole

    def zero(self, target, size, guard):
        part = self.cover(target, size)
        if part is None:
            raise ir.IrError(f"zeroing {size} bytes of {target}")
        for _, scalar in self.scalars(part, whole=True):
            self.write_scalar(scalar, [] if isinstance(scalar.kind, ir.Pointer) else t.number(0, scalar.kind.bits), guard)

    # ------------------------------------------------------------ whole states

    def snapshot(self):
        return {key: len(log) for key, log in self.logs.items()}

    def restore(self, snapshot):
        for key, log in self.logs.items():
            del log[snapshot.get(key, 0):]

    def forget(self, keys, guard, name):
        """The fields hold anything from here on: what a loop's earlier rounds may have left there."""
        for key in keys:
            self.append(key, Entry(guard, tuple(None for _ in key.widths), self.anything(key, name)))

    def anything(self, key, name):
        if isinstance(key.kind, ir.Pointer):
            return []
        label, bits = f"{key}@{name}", key.kind.bits
        if not key.widths:
            value = z3.BitVec(label, bits)
            return lambda where: value
        function = z3.Function(label, *(z3.BitVecSort(w) for w in key.widths), z3.BitVecSort(bits))

        def read(where):
            self.touch(key, where)
            return function(*where)
        return read
