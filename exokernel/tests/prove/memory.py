"""Typed memory along one path. Each scalar field of each region has a version, an uninterpreted function of the indices, and
a log of the stores since; a read is an if-then-else over the stores that may matter. At a cut (seal) a field that was
stored to gets a new version, whose definition is the log before: so the state at a cut is functions alone."""
import itertools
from dataclasses import dataclass

import z3

import ir
import term as t

ANY = z3.BitVec("any!", 32)     # as an index: every element


class Region:
    """A variable, or one activation's local variable."""
    numbers = itertools.count()

    def __init__(self, name, kind, local=False, racy=False):
        self.name, self.kind, self.local, self.racy = name, kind, local, racy
        self.number = next(Region.numbers)
        self.keys = {}

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


class Key:
    """A scalar field of a region, whatever the indices. Its hash is a number of its own, so that sets of keys have the same
    order each time: what z3 answers, and how fast, hangs on the order."""
    numbers = itertools.count()

    def __init__(self, region, fields, widths, kind):
        self.number = next(Key.numbers)
        self.region, self.fields, self.widths, self.kind = region, fields, widths, kind
        self.text = region.name + "".join("[]" if f == "*" else f".{f}" for f in fields)

    def __repr__(self):
        return self.text

    def __hash__(self):
        return self.number


@dataclass
class Entry:
    where: tuple      # a term for each index, None: any
    condition: object # TRUE, a condition, or a function from indices to one
    value: object     # a term, a pointer, or a function from indices to a term


class Version:
    """What a field holds below its log: a function of its own, and what that was defined as."""
    numbers = itertools.count()

    def __init__(self, key, label="", definition=None):
        self.key, self.definition = key, definition
        bits = key.kind.bits
        name = f"{key}{label}" + (f"#{key.region.number}" if key.region.local else "")
        self.number = next(Version.numbers)
        if label:
            name += f".{self.number}"
        if key.widths:
            self.symbol = z3.Function(name, *(z3.BitVecSort(w) for w in key.widths), z3.BitVecSort(bits))
        else:
            self.symbol = z3.BitVec(name, bits)
        BY_NAME[name] = self

    def at(self, where):
        return self.symbol(*where) if self.key.widths else self.symbol


BY_NAME = {}       # name of a function: its version


class Memory:
    def __init__(self, layout, logs=None, versions=None, dirty=frozenset()):
        self.layout = layout
        self.logs = logs or {}
        self.versions = versions or {}
        self.dirty = dirty         # keys stored to since the last cut
        self.watch = None          # a set of keys while a loop is run dry
        self.fresh = itertools.count()

    def fork(self):
        other = Memory(self.layout, dict(self.logs), dict(self.versions), self.dirty)
        other.watch, other.fresh = self.watch, self.fresh
        return other

    # ------------------------------------------------------------ places

    def place_key(self, place):
        fields, terms, widths = [], [], []
        for step in place.path:
            if isinstance(step, Index):
                fields.append("*")
                widths.append(step.bits)
                terms.append(self.index_term(step))
            else:
                fields.append(step)
        fields = tuple(fields)
        key = place.region.keys.get((fields, place.kind))
        if key is None:
            key = place.region.keys[fields, place.kind] = Key(place.region, fields, tuple(widths), place.kind)
        return key, tuple(terms)

    @staticmethod
    def index_term(step):
        if step.term is None:
            return None
        narrow = t.cut(step.term, step.bits - 1) if step.term.size() >= step.bits else t.extend(step.term, step.bits)
        return None if mentions_any(step.term) else narrow

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

    def append(self, key, entry):
        self.logs[key] = self.logs.get(key, ()) + (entry,)
        self.dirty |= {key}
        if self.watch is not None:
            self.watch.add(key)

    def write_scalar(self, place, value, condition=t.TRUE):
        key, where = self.place_key(place)
        self.append(key, Entry(where, condition, value))

    def write_scalar_key(self, key, value):
        """Of a field without indices."""
        self.append(key, Entry((), t.TRUE, value))

    def version(self, key):
        found = self.versions.get(key)
        if found is None:
            found = self.versions[key] = INITIAL.get(key) or INITIAL.setdefault(key, Version(key))
        return found

    def unknown(self, kind, name="any"):
        if isinstance(kind, ir.Pointer):
            return []
        if kind.bits == 1:
            return z3.Bool(f"{name}!{next(self.fresh)}")
        return z3.BitVec(f"{name}!{next(self.fresh)}", kind.bits)

    def read_scalar(self, place):
        if place.region.racy:
            return self.unknown(place.kind, place.region.name)
        return self.read_key(*self.place_key(place))

    def read_key(self, key, where):
        return self.look(key, where, self.logs.get(key, ()))

    def look(self, key, where, log):
        hits, last = [], None
        for entry in reversed(log):
            match = self.matches(entry, where)
            if t.is_false(match):
                continue
            value = entry.value(where) if callable(entry.value) else entry.value
            if t.is_true(match):
                last = value
                break
            hits.append((match, value))
        if isinstance(key.kind, ir.Pointer):
            return self.merge_pointers(hits, last)
        result = self.version(key).at(where) if last is None else last
        for condition, value in reversed(hits):
            result = t.choice(condition, value, result)
        return result

    @staticmethod
    def matches(entry, where):
        inner = entry.condition(where) if callable(entry.condition) else entry.condition
        return t.conjunction([inner, *(t.equal(mine, theirs) for mine, theirs in zip(entry.where, where) if mine is not None)])

    @staticmethod
    def merge_pointers(hits, last):
        targets, before = [], []
        for condition, value in hits + ([(t.TRUE, last)] if last is not None else []):
            for inner, place in value:
                targets.append((t.conjunction([*map(t.negation, before), condition, inner]), place))
            before.append(condition)
        return targets

    # ------------------------------------------------------------ reading and writing any type

    def load(self, place, kind):
        if isinstance(kind, (ir.Struct, ir.Array)):
            place = self.narrow(place, kind)
            return tuple(self.load(part, part.kind) for _, part in self.children(place))
        if place.region.racy:
            return self.unknown(kind, place.region.name)
        size = self.layout.size(kind)
        part, offset = self.at_offset(place, 0, size)
        if self.layout.size(part.kind) == size and isinstance(part.kind, (ir.Int, ir.Pointer)):
            value = self.read_scalar(part)
            return t.equal(t.cut(value, 0), t.bits_of(1, 1)) if kind == ir.Int(1) else value
        return self.bytes(part, offset, kind)

    def store(self, place, kind, value, condition=t.TRUE):
        if isinstance(kind, (ir.Struct, ir.Array)):
            place = self.narrow(place, kind)
            for (_, part), member in zip(self.children(place), value):
                self.store(part, part.kind, member, condition)
            return
        size = self.layout.size(kind)
        part, offset = self.at_offset(place, 0, size)
        if kind == ir.Int(1):
            value = t.extend(value, 8)
        if self.layout.size(part.kind) == size and isinstance(part.kind, (ir.Int, ir.Pointer)):
            self.write_scalar(part, value, condition)
            return
        for start, scalar in self.scalars(part):
            width = self.layout.size(scalar.kind)
            low, high = max(start, offset), min(start + width, offset + size)
            if low >= high:
                continue
            new = t.cut(value, (high - offset) * 8 - 1, (low - offset) * 8)
            if high - low != width:
                old = self.read_scalar(scalar)
                new = z3.Concat(*([t.cut(old, width * 8 - 1, (high - start) * 8)] if high < start + width else []), new,
                                *([t.cut(old, (low - start) * 8 - 1)] if low > start else []))
            self.write_scalar(scalar, new, condition)

    def narrow(self, place, kind):
        while place.kind != kind:
            first = next(self.children(place), None) if not isinstance(place.kind, (ir.Int, ir.Pointer)) else None
            if first is None:
                raise ir.IrError(f"{place} is no {kind}")
            place = first[1]
        return place

    def copy(self, target, source, size):
        """memcpy: for each scalar of the target, the same bytes of the source."""
        part, offset = self.at_offset(target, 0, size)
        values = []
        for start, scalar in self.scalars(part):
            if offset <= start < offset + size:
                place, rest = self.at_offset(source, start - offset, self.layout.size(scalar.kind))
                values.append((scalar, self.bytes(place, rest, scalar.kind)))
        for scalar, value in values:
            self.write_scalar(scalar, value)

    def bytes(self, part, offset, kind):
        """A scalar's worth of bytes at an offset in the part, whatever stands there."""
        size = self.layout.size(kind)
        if part.region.racy:
            return self.unknown(kind, part.region.name)
        if isinstance(part.kind, ir.Pointer) or isinstance(kind, ir.Pointer):
            return self.read_scalar(part) if part.kind == kind else []
        pieces, at = [], offset
        for start, scalar in self.scalars(part):
            width = self.layout.size(scalar.kind)
            low, high = max(start, offset), min(start + width, offset + size)
            if low < high and isinstance(scalar.kind, ir.Int):
                if low > at:
                    pieces.append(self.unknown(ir.Int((low - at) * 8), "padding"))
                pieces.append(t.cut(self.read_scalar(scalar), (high - start) * 8 - 1, (low - start) * 8))
                at = high
        if at < offset + size:
            pieces.append(self.unknown(ir.Int((offset + size - at) * 8), "padding"))
        return pieces[0] if len(pieces) == 1 else t.concatenation(pieces[::-1])

    def fill(self, target, size, byte):
        """memset."""
        part, offset = self.at_offset(target, 0, size)
        for start, scalar in self.scalars(part, whole=True):
            width = self.layout.size(scalar.kind)
            if isinstance(part.kind, ir.Array) and offset == 0 and self.layout.size(part.kind) == size:
                pass
            elif not offset <= start < offset + size:
                continue
            elif start + width > offset + size:
                raise ir.IrError(f"memset of a part of {scalar}")
            value = [] if isinstance(scalar.kind, ir.Pointer) else t.concatenation([byte] * width)
            self.write_scalar(scalar, value)

    # ------------------------------------------------------------ whole states

    def seal(self):
        """A cut: every field that was stored to becomes a function of its own, defined by what was stored."""
        for key in list(self.dirty):
            if isinstance(key.kind, ir.Pointer) or key.region.local:
                continue
            log, below = self.logs.pop(key, ()), self.version(key)
            if log:
                self.versions[key] = Version(key, "'", (log, below))
        self.dirty = frozenset(key for key in self.dirty if key.region.local)

    def forget(self, key, unless=t.FALSE):
        """The field holds anything from here on, unless the condition holds."""
        if isinstance(key.kind, ir.Pointer):
            raise ir.IrError(f"a pointer that a loop changes: {key}")
        anything = Version(key, "?")
        self.append(key, Entry(tuple(None for _ in key.widths), t.negation(unless), anything.at))
        if t.is_false(unless):
            self.logs[key], self.versions[key] = (), anything


INITIAL = {}       # key: the version that the state begins with


def define(version, where):
    """What the version is there in terms of those before it; None if it is free."""
    if version.definition is None:
        return None
    log, below = version.definition
    state = Memory(None, versions={version.key: below})
    return version.at(where) == state.look(version.key, where, log)


def mentions_any(term):
    return any(each.eq(ANY) for each in (term, *(term.children() if z3.is_app(term) else ())))
