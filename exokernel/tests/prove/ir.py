"""LLVM 14 textual IR (typed pointers), as much of it as clang -O0 and sroa make of the core: types with
their layout, constants, instructions. Everything unknown is an error, never skipped."""
import re
from dataclasses import dataclass, field


class IrError(Exception):
    pass


# ---------------------------------------------------------------- types

@dataclass(frozen=True)
class Int:
    bits: int


@dataclass(frozen=True)
class Pointer:
    to: object


@dataclass(frozen=True)
class Array:
    count: int
    of: object


@dataclass(frozen=True)
class Struct:
    name: str        # "" for a literal one
    fields: tuple = ()


@dataclass(frozen=True)
class Void:
    pass


@dataclass(frozen=True)
class Function:
    result: object
    arguments: tuple


class Layout:
    """Sizes and offsets by the x86-64 System V rules, which is what the shipped kernel has."""

    def __init__(self, structs):
        self.structs = structs
        self.known = {}

    def fields(self, kind):
        return self.structs[kind.name] if kind.name else kind.fields

    def size_align(self, kind):
        if kind not in self.known:
            self.known[kind] = self.compute(kind)
        return self.known[kind]

    def compute(self, kind):
        if isinstance(kind, Int):
            size = max(1, (kind.bits + 7) // 8)
            return size, size
        if isinstance(kind, Pointer):
            return 8, 8
        if isinstance(kind, Array):
            size, align = self.size_align(kind.of)
            return size * kind.count, align
        if isinstance(kind, Struct):
            at, most = 0, 1
            for member in self.fields(kind):
                size, align = self.size_align(member)
                at = -(-at // align) * align + size
                most = max(most, align)
            return -(-at // most) * most, most
        raise IrError(f"no size: {kind}")

    def size(self, kind):
        return self.size_align(kind)[0]

    def offset(self, kind, index):
        at = 0
        for i, member in enumerate(self.fields(kind)):
            size, align = self.size_align(member)
            at = -(-at // align) * align
            if i == index:
                return at
            at += size
        raise IrError(f"no field {index} in {kind}")


# ---------------------------------------------------------------- values and instructions

@dataclass(frozen=True)
class Local:
    name: str


@dataclass(frozen=True)
class Global:
    name: str


@dataclass(frozen=True)
class Number:
    value: int


@dataclass(frozen=True)
class Undefined:
    pass


@dataclass(frozen=True)
class Null:
    pass


@dataclass(frozen=True)
class Zero:
    pass


@dataclass(frozen=True)
class Aggregate:
    members: tuple   # of (type, value)


@dataclass(frozen=True)
class Expression:
    instruction: object


@dataclass
class Instruction:
    op: str
    name: str = ""
    type: object = None
    operands: list = field(default_factory=list)   # of (type, value)
    labels: list = field(default_factory=list)
    detail: object = None
    line: int = 0


@dataclass
class Block:
    name: str
    instructions: list


@dataclass
class Routine:
    name: str
    result: object
    arguments: list   # of (type, name)
    blocks: dict
    order: list


@dataclass
class Variable:
    name: str
    type: object
    value: object     # None: external
    constant: bool


TOKEN = re.compile(r'''c?"(?:[^"\\]|\\.)*"|[%@](?:"[^"]*"|[\w.$-]+)|![\w.]*|\#\d+|-?\d+\.\d+e[+-]\d+|0x[0-9A-F]+|-?\d+
                       |\.\.\.|[\w.]+|[()\[\]{}<>,*=:|]''', re.X)
WORDS = {"noundef", "zeroext", "signext", "nonnull", "noalias", "nocapture", "readonly", "readnone", "writeonly",
         "returned", "immarg", "inreg", "tail", "notail", "musttail", "fastcc", "ccc", "dso_local", "internal", "private",
         "external", "linkonce_odr", "weak", "hidden", "unnamed_addr", "local_unnamed_addr", "nuw", "nsw", "exact",
         "inbounds", "volatile", "nofree", "noreturn", "nounwind", "common", "inrange", "weak_odr", "unordered",
         "acquire", "release", "acq_rel", "seq_cst", "monotonic"}
BINARY = {"add", "sub", "mul", "udiv", "sdiv", "urem", "srem", "and", "or", "xor", "shl", "lshr", "ashr"}
CASTS = {"zext", "sext", "trunc", "bitcast", "ptrtoint", "inttoptr"}


class Parser:
    def __init__(self, text):
        self.tokens = TOKEN.findall(text)
        self.at = 0

    def peek(self, ahead=0):
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ""

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, token):
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def expect(self, token):
        if self.next() != token:
            raise IrError(f"expected {token!r}: {' '.join(self.tokens)}")

    def skip_words(self):
        while True:
            word = self.peek()
            if word in WORDS or word.startswith("#"):
                self.at += 1
            elif word in ("align", "dereferenceable", "dereferenceable_or_null", "sret", "byval", "elementtype"):
                self.at += 1
                if self.take("("):
                    depth = 1
                    while depth:
                        depth += {"(": 1, ")": -1}.get(self.next(), 0)
                elif word == "align":
                    self.at += 1
            else:
                return

    def type(self):
        token = self.next()
        if re.fullmatch(r"i\d+", token):
            kind = Int(int(token[1:]))
        elif token == "void":
            kind = Void()
        elif token[0] == "%":
            kind = Struct(name_of(token))
        elif token == "[":
            count = int(self.next())
            self.expect("x")
            kind = Array(count, self.type())
            self.expect("]")
        elif token == "{":
            members = []
            while not self.take("}"):
                members.append(self.type())
                self.take(",")
            kind = Struct("", tuple(members))
        elif token in ("label", "metadata", "opaque"):
            return token
        else:
            raise IrError(f"type {token!r}: {' '.join(self.tokens)}")
        while True:
            if self.take("*"):
                kind = Pointer(kind)
            elif self.peek() == "(":
                self.at += 1
                arguments = []
                while not self.take(")"):
                    arguments.append(None if self.take("...") else self.type())
                    self.skip_words()
                    self.take(",")
                kind = Function(kind, tuple(arguments))
            else:
                return kind

    def value(self, kind):
        token = self.next()
        if token[0] == "%":
            return Local(name_of(token))
        if token[0] == "@":
            return Global(name_of(token))
        if re.fullmatch(r"-?\d+", token):
            return Number(int(token))
        simple = {"true": Number(1), "false": Number(0), "undef": Undefined(), "poison": Undefined(), "null": Null(),
                  "zeroinitializer": Zero()}
        if token in simple:
            return simple[token]
        if token in ("getelementptr", *CASTS):
            self.skip_words()
            return Expression(self.constant_expression(token))
        if token in ("{", "["):
            members = []
            while not self.take("}" if token == "{" else "]"):
                members.append(self.typed())
                self.take(",")
            return Aggregate(tuple(members))
        if token.startswith('c"'):
            data = bytes(re.sub(rb"\\(..)", lambda m: bytes([int(m[1], 16)]), token[2:-1].encode()))
            return Aggregate(tuple((Int(8), Number(b)) for b in data))
        raise IrError(f"value {token!r}: {' '.join(self.tokens)}")

    def typed(self):
        kind = self.type()
        self.skip_words()
        return kind, self.value(kind)

    def constant_expression(self, op):
        self.expect("(")
        if op == "getelementptr":
            source = self.type()
            operands = []
            while self.take(","):
                self.skip_words()
                operands.append(self.typed())
            self.expect(")")
            return Instruction(op, operands=operands, detail=source)
        operand = self.typed()
        self.expect("to")
        kind = self.type()
        self.expect(")")
        return Instruction(op, type=kind, operands=[operand])

    def label(self):
        self.expect("label")
        return name_of(self.next())

    def instruction(self):
        name = ""
        if self.peek(1) == "=":
            name = name_of(self.next())
            self.at += 1
        self.skip_words()
        op = self.next()
        parse = getattr(self, "op_" + op, None)
        if op in BINARY:
            parse = self.binary
        elif op in CASTS:
            parse = self.cast
        if parse is None:
            raise IrError(f"instruction {op!r}: {' '.join(self.tokens)}")
        instruction = parse(op)
        instruction.name = name
        return instruction

    def binary(self, op):
        self.skip_words()
        kind = self.type()
        first = self.value(kind)
        self.expect(",")
        return Instruction(op, type=kind, operands=[(kind, first), (kind, self.value(kind))])

    def cast(self, op):
        operand = self.typed()
        self.expect("to")
        return Instruction(op, type=self.type(), operands=[operand])

    def op_icmp(self, op):
        predicate = self.next()
        found = self.binary(op)
        found.detail, found.type = predicate, Int(1)
        return found

    def op_select(self, op):
        operands = [self.typed()]
        for _ in range(2):
            self.expect(",")
            operands.append(self.typed())
        return Instruction(op, type=operands[1][0], operands=operands)

    def op_freeze(self, op):
        operand = self.typed()
        return Instruction(op, type=operand[0], operands=[operand])

    def op_phi(self, op):
        kind = self.type()
        operands, labels = [], []
        while True:
            self.expect("[")
            operands.append((kind, self.value(kind)))
            self.expect(",")
            labels.append(name_of(self.next()))
            self.expect("]")
            if not (self.peek() == "," and self.peek(1) == "["):
                return Instruction(op, type=kind, operands=operands, labels=labels)
            self.at += 1

    def op_alloca(self, op):
        return Instruction(op, type=self.type())

    def op_load(self, op):
        volatile = self.take("volatile")
        self.take("atomic")
        self.skip_words()
        kind = self.type()
        self.expect(",")
        return Instruction(op, type=kind, operands=[self.typed()], detail=volatile)

    def op_store(self, op):
        self.take("atomic")
        self.skip_words()
        value = self.typed()
        self.expect(",")
        return Instruction(op, operands=[value, self.typed()])

    def op_getelementptr(self, op):
        self.skip_words()
        source = self.type()
        operands = []
        while self.take(","):
            if self.peek().startswith("!"):
                break
            operands.append(self.typed())
        return Instruction(op, operands=operands, detail=source)

    def op_cmpxchg(self, op):
        self.skip_words()
        operands = [self.typed()]
        for _ in range(2):
            self.expect(",")
            operands.append(self.typed())
        return Instruction(op, type=operands[1][0], operands=operands)

    def op_atomicrmw(self, op):
        self.skip_words()
        action = self.next()
        operands = [self.typed()]
        self.expect(",")
        operands.append(self.typed())
        return Instruction(op, type=operands[1][0], operands=operands, detail=action)

    def op_fence(self, op):
        return Instruction(op)

    def op_extractvalue(self, op):
        operand = self.typed()
        return Instruction(op, operands=[operand], detail=self.indices())

    def op_insertvalue(self, op):
        operand = self.typed()
        self.expect(",")
        member = self.typed()
        return Instruction(op, type=operand[0], operands=[operand, member], detail=self.indices())

    def indices(self):
        path = []
        while self.take(","):
            if self.peek().startswith("!"):
                break
            path.append(int(self.next()))
        return path

    def op_call(self, op):
        self.skip_words()
        kind = self.type()
        if isinstance(kind, Function):
            kind = kind.result
        if self.peek() == "asm":
            return Instruction("asm", type=kind)
        callee = name_of(self.next())
        self.expect("(")
        operands = []
        while not self.take(")"):
            if self.peek() == "metadata":
                return Instruction("nothing")
            operands.append(self.typed())
            self.take(",")
        return Instruction(op, type=kind, operands=operands, detail=callee)

    def op_br(self, op):
        if self.peek() == "label":
            return Instruction(op, labels=[self.label()])
        condition = self.typed()
        self.expect(",")
        first = self.label()
        self.expect(",")
        return Instruction(op, operands=[condition], labels=[first, self.label()])

    def op_switch(self, op):
        operands = [self.typed()]
        self.expect(",")
        labels = [self.label()]
        self.expect("[")
        while not self.take("]"):
            operands.append(self.typed())
            self.expect(",")
            labels.append(self.label())
        return Instruction(op, operands=operands, labels=labels)

    def op_ret(self, op):
        if self.take("void"):
            return Instruction(op)
        return Instruction(op, operands=[self.typed()])

    def op_unreachable(self, op):
        return Instruction(op)


def name_of(token):
    return token[1:].strip('"')


class Module:
    """One linked module: structs, variables, routines by name."""

    def __init__(self, text):
        self.structs, self.variables, self.routines, self.lines = {}, {}, {}, {}
        lines = text.splitlines()
        for match in re.finditer(r"^(!\d+) = !DILocation\(line: (\d+)", text, re.M):
            self.lines[match[1]] = int(match[2])
        i = 0
        while i < len(lines):
            line = lines[i]
            if line.startswith("%"):
                self.struct(line)
            elif line.startswith("@"):
                self.variable(line)
            elif line.startswith("define"):
                end = lines.index("}", i)
                self.routine(lines[i:end])
                i = end
            i += 1
        self.layout = Layout(self.structs)

    def struct(self, line):
        name, body = line.split(" = type ", 1)
        kind = Parser(body).type()
        self.structs[name_of(name)] = kind.fields if isinstance(kind, Struct) else ()

    def variable(self, line):
        name, rest = line.split(" = ", 1)
        external = rest.startswith("external")
        match = re.match(r"(?:[a-z_]+(?:\(.*?\))? )*?(global|constant) ", rest)
        if not match:
            raise IrError(line)
        parser = Parser(rest[match.end():])
        kind = parser.type()
        value = None if external else parser.value(kind)
        self.variables[name_of(name)] = Variable(name_of(name), kind, value, match[1] == "constant")

    def routine(self, lines):
        parser = Parser(lines[0][len("define"):])
        parser.skip_words()
        result = parser.type()
        name = name_of(parser.next())
        parser.expect("(")
        arguments = []
        while not parser.take(")"):
            kind = parser.type()
            parser.skip_words()
            arguments.append((kind, name_of(parser.next())))
            parser.take(",")
        blocks, current, order = {}, None, []
        joined = self.join_switches(lines[1:])
        for line in joined:
            label = re.match(r'([\w.$-]+|"[^"]*"):', line)
            if label:
                current = blocks[label[1].strip('"')] = []
                order.append(label[1].strip('"'))
            elif line.strip():
                if current is None:
                    first = str(sum(1 for _, a in arguments if a.isdigit()))
                    current = blocks[first] = []
                    order.append(first)
                current.append(self.instruction(line))
        self.routines[name] = Routine(name, result, arguments, {n: Block(n, b) for n, b in blocks.items()}, order)

    @staticmethod
    def join_switches(lines):
        joined, inside = [], False
        for line in lines:
            line = line if '"' in line else line.split(";", 1)[0]
            if inside:
                joined[-1] += line
                inside = "]" not in line
            else:
                joined.append(line)
                inside = line.strip().startswith("switch ") and "]" not in line
        return joined

    def instruction(self, line):
        match = re.search(r"!dbg (!\d+)", line)
        instruction = Parser(re.sub(r", !.*$", "", line)).instruction()
        instruction.line = self.lines.get(match[1], 0) if match else 0
        return instruction
