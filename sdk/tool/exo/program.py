"""Programs to be downloaded into the kernel, taken from the objects that `clang -target bpf` makes of C.

One function is one program. What the kernel has no place for (global variables, calls between functions) is refused
here with its C line; the line table serves to name the line of what the kernel's verifier refuses. The object is
believed in nothing: every offset is checked.
"""
import struct
from bisect import bisect_right
from collections import namedtuple
from pathlib import Path

from .trouble import Trouble

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QQ")
BTF = struct.Struct("<HBBIIIII")
BTF_EXT = struct.Struct("<HBBIIIII")
BTF_SECTION = struct.Struct("<II")
BTF_LINE = struct.Struct("<IIII")

SYMBOLS, REL, FUNCTION, RELOCATABLE, MACHINE_BPF, BTF_MAGIC = 2, 9, 2, 1, 247, 0xEB9F
INSTRUCTION = 8
CALL, CALL_LOCAL = 0x85, 1
LIMIT = 4096

Section = namedtuple("Section", "name kind link info size data")
Symbol = namedtuple("Symbol", "name kind section value size")
Line = namedtuple("Line", "index file line column text")
Program = namedtuple("Program", "name instructions lines")


class BadObject(Exception):
    pass


def string_at(table, offset):
    if offset >= len(table):
        raise BadObject("has a name outside its string table")
    return table[offset:].split(b"\0", 1)[0].decode(errors="replace")


def unpack(layout, data, offset):
    if offset < 0 or offset + layout.size > len(data):
        raise BadObject("is cut off")
    return layout.unpack_from(data, offset)


def sections(image):
    if image[:4] != b"\x7fELF":
        raise BadObject("is no ELF file")
    fields = unpack(HEADER, image, 0)
    if image[4:6] != b"\x02\x01" or fields[1] != RELOCATABLE or fields[2] != MACHINE_BPF:
        raise BadObject("is no object of clang -target bpf -c")
    at, entry_size, count, names_at = fields[6], fields[11], fields[12], fields[13]
    if entry_size != SECTION.size or names_at >= count:
        raise BadObject("has a broken section table")
    raw = [unpack(SECTION, image, at + index * SECTION.size) for index in range(count)]
    found = []
    for name, kind, _, _, offset, size, link, info, _, _ in raw:
        data = b"" if kind == 8 else image[offset:offset + size]
        if kind != 8 and len(data) != size:
            raise BadObject("is cut off")
        found.append(Section(name, kind, link, info, size, data))
    names = found[names_at].data
    return [section._replace(name=string_at(names, section.name)) for section in found]


def symbols(parts):
    table = next((part for part in parts if part.kind == SYMBOLS), None)
    if not table or table.link >= len(parts):
        raise BadObject("has no symbols")
    names = parts[table.link].data
    return [Symbol(string_at(names, name), info & 15, section, value, size)
            for name, info, _, section, value, size in SYMBOL.iter_unpack(table.data[:table.size // SYMBOL.size * SYMBOL.size])]


def pick(parts, name):
    """The function called `name`, or the only global one."""
    functions = [symbol for symbol in symbols(parts) if symbol.kind == FUNCTION and symbol.section < len(parts)]
    found = [symbol for symbol in functions if name in (None, symbol.name)]
    if not found:
        raise BadObject(f'has no function "{name}"' if name else "has no function")
    if len(found) > 1 and name is None:
        raise BadObject("has several functions, name one: " + ", ".join(sorted(symbol.name for symbol in found)))
    return found[0]


def line_table(parts, section_name):
    """The C lines of a section by byte offset, as .BTF.ext has them; empty without -g."""
    by_name = {part.name: part.data for part in parts}
    if ".BTF" not in by_name or ".BTF.ext" not in by_name:
        return []
    btf, ext = by_name[".BTF"], by_name[".BTF.ext"]
    magic, _, _, header, _, _, strings_at, strings_size = unpack(BTF, btf, 0)
    strings = btf[header + strings_at:header + strings_at + strings_size]
    ext_magic, _, _, ext_header, _, _, lines_at, lines_size = unpack(BTF_EXT, ext, 0)
    if magic != BTF_MAGIC or ext_magic != BTF_MAGIC:
        raise BadObject("has a broken line table")
    data = ext[ext_header + lines_at:ext_header + lines_at + lines_size]
    found, at = [], 4
    record_size = struct.unpack_from("<I", data)[0] if len(data) >= 4 else 0
    while at < len(data) and record_size >= BTF_LINE.size:
        name, count = unpack(BTF_SECTION, data, at)
        at += BTF_SECTION.size
        for _ in range(count):
            offset, file, text, place = unpack(BTF_LINE, data, at)
            at += record_size
            if string_at(strings, name) == section_name:
                found.append(Line(offset, string_at(strings, file), place >> 10, place & 1023, string_at(strings, text)))
    return sorted(found)


def line_of(lines, index):
    """The line that instruction `index` was made of, or None."""
    at = bisect_right([line.index for line in lines], index) - 1
    return lines[at] if at >= 0 else None


def place_of(lines, index):
    line = line_of(lines, index)
    return f"{line.file}:{line.line}" if line else f"instruction {index}"


def check_alone(parts, function, code, lines):
    """Nothing that must be linked: the kernel gives a program its arguments, its stack and its helpers, no more."""
    for part in parts:
        if part.kind == REL and part.info == function.section:
            for offset, _ in RELOCATION.iter_unpack(part.data[:part.size // RELOCATION.size * RELOCATION.size]):
                index = (offset - function.value) // INSTRUCTION
                if 0 <= index < len(code) // INSTRUCTION:
                    what = "a function that is not in it" if code[index * INSTRUCTION] == CALL else "a global variable"
                    raise BadObject(f"{place_of(lines, index)}: uses {what}: a program has its arguments and its stack")
    for index in range(len(code) // INSTRUCTION):
        if code[index * INSTRUCTION] == CALL and code[index * INSTRUCTION + 1] >> 4 == CALL_LOCAL:
            raise BadObject(f"{place_of(lines, index)}: calls another function: mark that one "
                            "static inline __attribute__((always_inline))")


def extract(image, name=None):
    """The program that function `name` is, with its lines by instruction."""
    parts = sections(image)
    function = pick(parts, name)
    section = parts[function.section]
    code = section.data[function.value:function.value + function.size]
    if len(code) != function.size or not code or len(code) % INSTRUCTION or function.value % INSTRUCTION:
        raise BadObject(f'has a function "{function.name}" that is no whole number of instructions')
    if len(code) > LIMIT * INSTRUCTION:
        raise BadObject(f'has a function "{function.name}" of {len(code) // INSTRUCTION} instructions, at most {LIMIT}')
    first, end = function.value, function.value + function.size
    lines = [line._replace(index=(line.index - first) // INSTRUCTION)
             for line in line_table(parts, section.name) if first <= line.index < end]
    check_alone(parts, function, code, lines)
    return Program(function.name, code, lines)


def quoted(text):
    """A string literal of C: what is not plain is a question mark."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def header(program):
    """C that embeds the program: its instructions as 64-bit words, and the place in the source where slots come from."""
    words = [f"0x{word:016x}" for word, in struct.iter_unpack("<Q", program.instructions)]
    rows = ["    " + ", ".join(words[at:at + 4]) + "," for at in range(0, len(words), 4)]
    places = [f"    {quoted(f'{line.index} {Path(line.file).name}:{line.line}: {line.text.strip()}')}" for line in program.lines] or ['    ""']
    return "\n".join([f"/* The program {program.name}, made by `exo code`. */", "#include <stdint.h>", "",
                      f"static const uint64_t {program.name}_code[{len(words)}] = {{", *rows, "};", "",
                      "/* A line for each slot where another place in the source begins, ascending: the slot, file and line, and its text. */",
                      f"static const char {program.name}_places[] =", *places[:-1], places[-1] + ";", ""])


def command_code(args):
    try:
        text = header(extract(Path(args.object).read_bytes(), args.name))
    except OSError as error:
        raise Trouble(f"{args.object}: {error.strerror}") from None
    except BadObject as error:
        raise Trouble(f"{args.object}: {error}") from None
    if args.output:
        Path(args.output).write_text(text)
    else:
        print(text, end="")
    return 0
