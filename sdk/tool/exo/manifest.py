"""system.toml: read, checked and compiled to the `system` file that the root reads (sdk/root).

A manifest is right as a whole or refused as a whole: every mistake is found in one go and names file, line and mend.
The tables of keys below are the format, version 1; the root checks nothing again but what the kernel would refuse.
"""
import difflib
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from . import disk, network
from .trouble import Trouble

SPEC = 1
FRAME = 4096
PROCESSOR_LIMIT = 8
SLOTS_PER_PROCESSOR = 64
DISK_LIMIT = 4
DISK_BLOCKS = 1 << 28
MEMORY_LEAST, MEMORY_MOST = 64 << 20, 16 << 30
ENVIRONMENT_LEAST = 128 << 10  # nothing starts in less
TIMEOUT_MOST = 86400
STATUS_MOST = 127  # QEMU's debug exit passes on seven bits
SIZE = re.compile(r"([0-9]{1,9})([KMG])")
UNIT = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
ARGUMENTS_MOST = 231  # bytes, by struct exo_start
PROGRAMS_MOST = 511  # pages of the kernel's window but the first
ENVIRONMENTS_MOST, RANGES_MOST, IMAGE_NAME_MOST = 24, 8, 63  # by sdk/root/root.h
LOANS_MOST, TURNS_MOST = 4, 8  # by sdk/root/loan.c
LEND_MOST = 127  # by sdk/root/root.h
NAME = re.compile(r"[a-z0-9_-]{1,8}")
ROOT_NAME = "root"  # stands before the root's own lines
IMAGE_NAME = re.compile(r"[A-Za-z0-9._+-]+")
MANIFEST_NAME = "system"  # what the manifest is called in the boot module
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
RESTARTS = ("never", "always")
MACHINES = ("q35", "microvm")
CLOCKS = ("wall", "counted")
REQUIRED = object()

# key: (type, default, what it means)
TOP_KEYS = {
    "spec": ("whole number", REQUIRED, "version of this format: 1"),
    "machine": ("table", {}, "the machine that `exo run` makes"),
    "environment": ("list of tables", REQUIRED, "[[environment]], once for each"),
    "loan": ("list of tables", [], "[[loan]], once for each: memory that environments have in turn"),
    "judge": ("text", "", "a Python program beside the manifest that checks the output of a run that ended well"),
    "report": ("true or false", False, "at the end the root says who had how much memory when"),
    "test": ("table", {}, "what `exo test` runs and expects"),
}
MACHINE_KEYS = {
    "memory": ("size", 512 << 20, "its RAM, 64M to 16G"),
    "processors": ("whole number", 1, "1 to 8"),
    "timeout": ("whole number", 60, "seconds after which the run is ended by force"),
    "machine": ("text", "q35", "q35 or microvm"),
    "clock": ("text", "wall", "wall; counted: its time is what it executes, 8 ns an instruction, so that it stands still when the emulator does"),
    "network": ("text", "none", "none; user: a device on QEMU's user network; wire: one whose packets are datagrams of this computer"),
    "forward": ("list of texts", [], "ports of this computer that lead into it: \"udp HERE:THERE\""),
    "disks": ("list of texts", [], "a size (an empty disk) or an image each; then read-only, errors=FILE, iops=N, null=US"),
}
ENVIRONMENT_KEYS = {
    "name": ("text", REQUIRED, "1 to 8 of a-z 0-9 _ -; stands before each line that it prints"),
    "image": ("text", REQUIRED, "its program: a path in the build folder, or beside the manifest"),
    "arguments": ("text", "", "one line that the program is given"),
    "memory": ("size", 16 << 20, "what it may take"),
    "kept": ("size", 256 << 10, "the part of it that is never taken back by force"),
    "slots": ("list of [processor, first, count]", [], "the time slots that it owns, by position"),
    "extents": ("list of [disk, first, count]", [], "the blocks of 4K that it may read and write"),
    "flows": ("list of texts", [], "the packets that are its own: \"arp ADDRESS\", \"udp PORT\", \"udp ADDRESS:PORT\", the same of tcp"),
    "positions": ("whole number", 0, "of the table of flows, where it may claim others"),
    "archive": ("text", None, "a file that it may read, such as a root file system: a path like that of image"),
    "lend": ("text", None, "the environment that runs in its slots while it sleeps; or some: \"db, unix 8 8, root 62 2\", by position and count"),
    "wait": ("true or false", True, "the system ends when all that have it are finished"),
    "restart": ("text", "never", "never or always: start it again when it fails"),
    "console": ("true or false", True, "may it print"),
    "terminal": ("true or false", False, "the machine's console is its terminal: it reads what is typed (one may)"),
    "trace": ("true or false", False, "may it read the kernel's trace rings"),
    "programs": ("whole number", 0, "pages of machine code that it may have of downloaded programs, 511 for all together"),
    "give": ("size", 0, "what the root asks back of it after a while, as memory pressure would"),
}
LOAN_KEYS = {
    "memory": ("size", REQUIRED, "frames in a row"),
    "holders": ("list of texts", REQUIRED, "the environments that have it in turn, the first from the start"),
    "at": ("list of whole numbers", [], "milliseconds after the start at which it is asked back and goes on: one less than holders"),
    "within": ("whole number", 1000, "milliseconds that a holder has to give it back, and as long again before it is taken by force"),
}
TEST_KEYS = {
    "expect": ("list of texts", [], "regular expressions, each to be found in the output"),
    "refuse": ("list of texts", [], "regular expressions, none to be found in the output"),
    "status": ("whole number", 0, "the exit status"),
    "machines": ("list of texts", ["q35"], "q35, microvm, iso (multiboot2 from a GRUB disc)"),
    "processors": ("list of whole numbers", [1], "numbers of processors to run with"),
    "memory": ("list of texts", [], "sizes of RAM to run with; else the machine's"),
    "client": ("text", "", "a Python program beside the manifest that runs beside the machine, given the ports"),
    "counted": ("true or false", False, "virtual time counts instructions: runs are repeatable, on one processor"),
}


OPTIONS = {"processors": "--cpus", "memory": "--memory", "machine": "--machine", "timeout": "--timeout",
           "disks": "--disk", "forward": "--forward"}
SYNTAX_MENDS = {
    "Cannot overwrite": "give each key once, and write [[environment]] above each environment",
    "Cannot declare": "write each table once; only [[environment]] may come again",
    "Cannot mutate": "write each table once; only [[environment]] may come again",
    "Invalid value": "write text in quotes, and numbers without",
    "Invalid statement": "write KEY = VALUE, [TABLE] or [[environment]]",
    "Unterminated string": "close the quotes",
    "Expected newline": "write one KEY = VALUE a line",
    "Expected '='": "write KEY = VALUE",
}


def is_slot_list(value):
    return isinstance(value, list) and all(
        isinstance(part, list) and len(part) == 3 and all(type(n) is int and n >= 0 for n in part) for part in value)


IS = {
    "whole number": lambda value: type(value) is int and value >= 0,
    "true or false": lambda value: type(value) is bool,
    "text": lambda value: isinstance(value, str) and not CONTROL.search(value),
    "size": lambda value: isinstance(value, str) and size_of(value) is not None,
    "table": lambda value: isinstance(value, dict),
    "list of tables": lambda value: isinstance(value, list) and all(isinstance(part, dict) for part in value),
    "list of texts": lambda value: isinstance(value, list) and all(isinstance(part, str) for part in value),
    "list of whole numbers": lambda value: isinstance(value, list) and all(type(part) is int for part in value),
    "list of [processor, first, count]": is_slot_list,
    "list of [disk, first, count]": is_slot_list,
}
EXAMPLE = {
    "whole number": "1", "true or false": "true", "text": '"text", in one line and without control characters', "size": '"16M" (K, M or G, whole frames of 4K)',
    "list of texts": '["text"]', "list of whole numbers": "[1, 2]", "list of [processor, first, count]": "[[0, 16, 8]]",
    "list of [disk, first, count]": "[[0, 0, 1024]]",
    "table": "a [table]", "list of tables": "[[environment]] above its keys",
}


def size_of(text):
    """Bytes of "16M", or None when it is no size of whole frames."""
    match = SIZE.fullmatch(text)
    size = int(match[1]) * UNIT[match[2]] if match else 0
    return size if match and size % FRAME == 0 else None


def size_shown(size):
    unit = next(unit for unit in "GMK" if size % UNIT[unit] == 0 or unit == "K")
    return f"{size // UNIT[unit]}{unit}"


@dataclass
class Lines:
    """Where keys stand in the text, since tomllib does not tell: (table, index, key) to line."""
    found: dict = field(default_factory=dict)

    @classmethod
    def scan(cls, text):
        lines, table, index, counts, quoted = cls(), "", 0, {}, False
        for number, line in enumerate(text.splitlines(), 1):
            header = re.match(r"\s*\[(\[?)\s*[\"']?([\w-]+)[\"']?\s*\]", line)
            key = re.match(r"\s*(?:([\w-]+)\s*\.\s*)?[\"']?([\w-]+)[\"']?\s*=", line)
            if not quoted and header:
                table, index = header[2], counts.get(header[2], 0)
                counts[table] = index + 1
                lines.found.setdefault((table, index, None), number)
                lines.found.setdefault(("", 0, table), number)
            elif not quoted and key:
                lines.found.setdefault((key[1] or table, index, key[2]), number)
            quoted ^= len(re.findall(r"\"{3}|'{3}", line)) % 2 == 1
        return lines

    def of(self, table, index=0, key=None):
        """The key's line; else that of its table, be it in one line; else the first."""
        places = ((table, index, key), (table, index, None), ("", 0, table))
        return next((self.found[place] for place in places if place in self.found), 1)


@dataclass
class Environment:
    """One [[environment]], its sizes in bytes."""
    index: int
    values: dict

    def __getattr__(self, key):
        try:
            return self.values[key]
        except KeyError:
            raise AttributeError(key) from None


@dataclass
class Manifest:
    path: Path
    lines: Lines
    machine: dict
    environments: list
    test: dict
    loans: list = field(default_factory=list)
    report: bool = False
    judge: str = ""
    test_given: bool = False
    given: dict = field(default_factory=dict)  # keys of [machine] that the command line set: the option
    problems: list = field(default_factory=list)

    def problem(self, where, text, mend):
        """where: (table, index, key); the message is FILE:LINE: TEXT: MEND, or OPTION: TEXT: MEND."""
        option = self.given.get(where[2]) if where[0] == "machine" else None
        line = 0 if option else self.lines.of(*where)
        self.problems.append((line, f"{option or f'{self.path}:{line}'}: {text}: {mend}"))

    def refuse_problems(self):
        if self.problems:
            raise Trouble(*(text for _, text in sorted(self.problems)))


def read(path, processors=None, memory=None, machine=None, timeout=None, disks=None, forward=None):
    """The checked manifest; the arguments, from the command line, come before its [machine]."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}: name a system.toml, such as examples/mixed/system.toml") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Trouble(f"{path}:{line}: is no text in UTF-8: save it as UTF-8") from None
    except RecursionError:
        raise Trouble(f"{path}:1: is nested too deep: write lists of at most two levels") from None
    except tomllib.TOMLDecodeError as error:
        raise Trouble(syntax_problem(path, text, str(error))) from None
    manifest = Manifest(path, Lines.scan(text), {}, [], {})
    top = checked(manifest, "", 0, document, TOP_KEYS)
    manifest.machine = checked(manifest, "machine", 0, top["machine"], MACHINE_KEYS)
    manifest.test = checked(manifest, "test", 0, top["test"], TEST_KEYS)
    manifest.report, manifest.judge = top["report"], top["judge"]
    manifest.test_given = "test" in document
    manifest.environments = [Environment(index, checked(manifest, "environment", index, values, ENVIRONMENT_KEYS))
                             for index, values in enumerate(top["environment"] or [])]
    manifest.loans = [checked(manifest, "loan", index, values, LOAN_KEYS) for index, values in enumerate(top["loan"] or [])]
    manifest.refuse_problems()
    given = {"processors": processors, "memory": memory, "machine": machine, "timeout": timeout, "disks": disks, "forward": forward}
    manifest.machine |= {key: value for key, value in given.items() if value is not None}
    manifest.given = {key: OPTIONS[key] for key, value in given.items() if value is not None}
    check_whole(manifest, top["spec"])
    manifest.refuse_problems()
    return manifest


def syntax_problem(path, text, message):
    match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", message)
    line = int(match[1]) if match and match[1] else max(len(text.splitlines()), 1)
    mend = next((mend for words, mend in SYNTAX_MENDS.items() if words in message), "mend the TOML")
    return f"{path}:{line}: {message[:match.start()] if match else message}: {mend}"


def checked(manifest, table, index, values, keys):
    """The values with defaults and sizes in bytes; unknown keys, wrong types and missing keys become problems."""
    title = {"": "the manifest", "environment": "[[environment]]", "loan": "[[loan]]"}.get(table, f"[{table}]")
    for key in values:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            mend = f'write "{near[0]}"' if near else f"remove it; known are {', '.join(keys)}"
            manifest.problem((table, index, key), f'unknown key "{key}" in {title}', mend)
    result = {}
    for key, (kind, default, meaning) in keys.items():
        if key not in values:
            result[key] = None if default is REQUIRED else default
            if default is REQUIRED:
                manifest.problem((table, index, None), f'{title} lacks "{key}"', f"add it ({meaning})")
        elif IS[kind](values[key]):
            result[key] = size_of(values[key]) if kind == "size" else values[key]
        else:
            result[key] = None if default is REQUIRED else default
            manifest.problem((table, index, key), f'"{key}" is no {kind}', f"write it like {EXAMPLE[kind]}")
    return result


def check_whole(manifest, spec):
    """What needs more than one key to be seen: names, claims, sums."""
    if spec != SPEC:
        manifest.problem(("", 0, "spec"), f"spec {spec} is not known to this exo", f"write spec = {SPEC}")
    if not manifest.environments:
        manifest.problem(("", 0, "environment"), "no environment", "add an [[environment]]")
    if len(manifest.environments) > ENVIRONMENTS_MOST:
        manifest.problem(("environment", ENVIRONMENTS_MOST, None), f"{len(manifest.environments)} environments",
                         f"have at most {ENVIRONMENTS_MOST}")
    check_machine(manifest)
    check_names(manifest)
    for environment in manifest.environments:
        check_environment(manifest, environment)
    check_terminal(manifest)
    check_slots(manifest)
    check_programs(manifest)
    check_extents(manifest)
    network.check(manifest)
    network.check_machine(manifest)
    check_loans(manifest)
    check_memory(manifest)
    check_test(manifest)


def check_machine(manifest):
    machine = manifest.machine
    if not 1 <= machine["processors"] <= PROCESSOR_LIMIT:
        manifest.problem(("machine", 0, "processors"), f"{machine['processors']} processors", "give 1 to 8")
    if not MEMORY_LEAST <= machine["memory"] <= MEMORY_MOST:
        manifest.problem(("machine", 0, "memory"), f"{size_shown(machine['memory'])} of memory", "give 64M to 16G")
    if machine["machine"] not in MACHINES:
        manifest.problem(("machine", 0, "machine"), f'no machine "{machine["machine"]}"', "write q35 or microvm")
    if machine["clock"] not in CLOCKS:
        manifest.problem(("machine", 0, "clock"), f'no clock "{machine["clock"]}"', "write wall or counted")
    if not 1 <= machine["timeout"] <= TIMEOUT_MOST:
        manifest.problem(("machine", 0, "timeout"), f"{machine['timeout']} seconds to run", f"give 1 to {TIMEOUT_MOST}")
    if len(machine["disks"]) > DISK_LIMIT:
        manifest.problem(("machine", 0, "disks"), f"{len(machine['disks'])} disks", f"give at most {DISK_LIMIT}")
    for text in machine["disks"]:
        problem = disk.problem_of(text)
        if problem:
            manifest.problem(("machine", 0, "disks"), *problem)


def check_names(manifest):
    first = {}
    for environment in manifest.environments:
        where = ("environment", environment.index, "name")
        if not NAME.fullmatch(environment.name):
            manifest.problem(where, f'"{environment.name}" is no name', "use 1 to 8 of a-z 0-9 _ -")
        if environment.name == ROOT_NAME:
            manifest.problem(where, f'"{ROOT_NAME}" is the name of who starts the system', "choose another")
        if environment.name in first:
            line = manifest.lines.of("environment", first[environment.name], "name")
            manifest.problem(where, f'the name "{environment.name}" is taken on line {line}', "choose another")
        first.setdefault(environment.name, environment.index)


def check_terminal(manifest):
    """What is typed goes to one."""
    having = [environment for environment in manifest.environments if environment.terminal]
    for environment in having[1:]:
        manifest.problem(("environment", environment.index, "terminal"), f"{having[0].name} has the terminal already",
                         "give it to one environment")


def check_environment(manifest, environment):
    def problem(key, text, mend):
        manifest.problem(("environment", environment.index, key), f"{environment.name}: {text}", mend)

    names = [other.name for other in manifest.environments]
    borrowed = any(name == environment.name for other in manifest.environments if other.slots for name, *_ in lent(other))
    image_name = Path(environment.image).name
    if not environment.slots and not borrowed:
        problem("slots", "owns no time slot and borrows none, so it never runs", "write slots = [[0, 16, 8]]")
    if environment.memory < ENVIRONMENT_LEAST:
        problem("memory", f"{size_shown(environment.memory)} of memory", f"give at least {size_shown(ENVIRONMENT_LEAST)}")
    elif environment.kept > environment.memory:
        problem("kept", f"keeps {size_shown(environment.kept)} of {size_shown(environment.memory)}",
                "keep at most its memory")
    if environment.give and environment.give > environment.memory - environment.kept:
        problem("give", f"is asked for {size_shown(environment.give)}, more than it has beside what it keeps",
                "ask for less")
    if len(environment.slots) > RANGES_MOST:
        problem("slots", f"{len(environment.slots)} ranges of slots", f"give at most {RANGES_MOST}")
    if environment.image and not IMAGE_NAME.fullmatch(image_name) or image_name == MANIFEST_NAME:
        problem("image", f'the program\'s file name is "{image_name}"',
                f'use letters, digits, ".", "_", "+" and "-", and not "{MANIFEST_NAME}"')
    if len(image_name) > IMAGE_NAME_MOST - 3:
        problem("image", "the program's file name is too long", f"use at most {IMAGE_NAME_MOST - 3} characters")
    if len(environment.arguments.encode()) > ARGUMENTS_MOST:
        problem("arguments", f"{len(environment.arguments.encode())} bytes of arguments",
                f"give at most {ARGUMENTS_MOST}")
    if environment.restart not in RESTARTS:
        problem("restart", f'"{environment.restart}" is no way to restart', "write never or always")
    check_lend(environment, names, problem)
    if not environment.image:
        problem("image", "names no program", "name a program of the build, such as libos-unix/unix.elf")


def lent(environment):
    """[(name, first position, count)] of what `lend` says; first is None in a part that is not like that."""
    parts = [part.split() for part in environment.lend.split(",")] if environment.lend is not None else []
    return [(part[0], int(part[1]), int(part[2])) if len(part) == 3 and part[1].isdigit() and part[2].isdigit()
            else (part[0], 0, SLOTS_PER_PROCESSOR) if len(part) == 1 else (" ".join(part), None, None) for part in parts]


def check_lend(environment, names, problem):
    for name, first, count in lent(environment):
        if first is None:
            problem("lend", f'lends "{name}"', 'write lend = "NAME", or "NAME FIRST COUNT" for each, with commas between them')
        elif name not in [*names, ROOT_NAME] or name == environment.name:
            problem("lend", f'lends to "{name}"', "name another environment of this manifest")
        elif not 0 < count <= SLOTS_PER_PROCESSOR - first:
            problem("lend", f"lends positions {first} to {first + count}", "choose a count from 1, and first + count up to 64")
    if len(words_of_lend(environment)) > LEND_MOST:
        problem("lend", "says too much", f"lend in fewer parts: at most {LEND_MOST} characters")


def words_of_lend(environment):
    return ",".join(f"{name}:{first}:{count}" for name, first, count in lent(environment))


def root_borrows(environment):
    """Does the root run in some slot of processor 0 while this environment sleeps?"""
    borrower = {}
    for name, first, count in lent(environment):
        borrower |= {position: name for position in range(first, first + count)} if first is not None else {}
    owned = {position for processor, first, count in environment.slots if processor == 0 for position in range(first, first + count)}
    return any(borrower.get(position) == ROOT_NAME for position in owned)


def check_slots(manifest):
    """Every position has one owner, exists, and the root owns or borrows at least one on processor 0."""
    owner, processors = {}, manifest.machine["processors"]
    for environment in manifest.environments:
        where = ("environment", environment.index, "slots")
        for processor, first, count in environment.slots:
            text = f"{environment.name}: slots [{processor}, {first}, {count}]"
            if processor >= processors:
                manifest.problem(where, f"{text} are on processor {processor} of {processors} (counted from 0)",
                                 "choose a lower one, or give the machine more processors")
            if not 0 < count <= SLOTS_PER_PROCESSOR - first:
                manifest.problem(where, f"{text} are not within positions 0 to 63", "choose a count from 1, and first + count up to 64")
                continue
            claim_slots(manifest, owner, environment, range(first, first + count), processor)
    borrows = any(root_borrows(environment) for environment in manifest.environments)
    if not borrows and all((0, position) in owner for position in range(SLOTS_PER_PROCESSOR)):
        last = manifest.environments[-1].index
        manifest.problem(("environment", last, "slots"), "all slots of processor 0 are given away",
                         "leave the root at least one to start and watch the system, or lend it one")


def claim_slots(manifest, owner, environment, positions, processor):
    taken = [position for position in positions if (processor, position) in owner]
    if taken:
        other = owner[processor, taken[0]]
        line = manifest.lines.of("environment", other.index, "slots")
        whose = "twice" if other is environment else f"too, as {other.name} does on line {line}"
        manifest.problem(("environment", environment.index, "slots"),
                         f"{environment.name}: claims slot {taken[0]} of processor {processor} {whose}",
                         "give each position to one environment")
    for position in positions:
        owner.setdefault((processor, position), environment)


def check_extents(manifest):
    """Each lies on a disk of the machine, and no two share a block."""
    disks, taken = manifest.machine["disks"], []
    for environment in manifest.environments:
        where = ("environment", environment.index, "extents")
        if len(environment.extents) > RANGES_MOST:
            manifest.problem(where, f"{environment.name}: {len(environment.extents)} extents", f"give at most {RANGES_MOST}")
        for number, first, count in environment.extents:
            text = f"{environment.name}: extent [{number}, {first}, {count}]"
            if number >= len(disks):
                manifest.problem(where, f"{text} is on disk {number} of {len(disks)} (counted from 0)",
                                 "choose a lower one, or give the machine more: disks = [\"64M\"]")
                continue
            most = disk.blocks_of(disks[number]) or DISK_BLOCKS
            if not 0 < count <= most - first:
                manifest.problem(where, f"{text} is not within blocks 0 to {most - 1}",
                                 f"choose a count from 1, and first + count up to {most}")
            for other, start, end in taken:
                if number == other[0] and first < end and start < first + count:
                    line = manifest.lines.of("environment", other[1].index, "extents")
                    manifest.problem(where, f"{text} has blocks that {other[1].name} has on line {line}",
                                     "give each block to one environment")
            taken.append(((number, environment), first, first + count))


def available(memory):
    """What environments may take of a machine's memory: all but the kernel's 1 % + 2 MiB and the root's 4 MiB."""
    return (memory - memory // 100 - (6 << 20)) // FRAME * FRAME


def check_memory(manifest):
    total, most = sum(loan["memory"] for loan in manifest.loans), available(manifest.machine["memory"])
    if manifest.machine["memory"] < MEMORY_LEAST:
        return
    for environment in manifest.environments:
        total += environment.memory
        if total > most:
            manifest.problem(("environment", environment.index, "memory"),
                             f"{environment.name}: {size_shown(environment.memory)} bring the sum to "
                             f"{size_shown(total)}, the machine has {most // UNIT['M']}M to give",
                             "take less, or give the machine more memory")
            return


def check_loans(manifest):
    names = [environment.name for environment in manifest.environments]
    if len(manifest.loans) > LOANS_MOST:
        manifest.problem(("loan", LOANS_MOST, None), f"{len(manifest.loans)} loans", f"have at most {LOANS_MOST}")
    for index, loan in enumerate(manifest.loans):
        for name in loan["holders"]:
            if name not in names:
                manifest.problem(("loan", index, "holders"), f'goes to "{name}"', "name environments of this manifest")
        if not 1 <= len(loan["holders"]) <= TURNS_MOST:
            manifest.problem(("loan", index, "holders"), f"{len(loan['holders'])} holders", f"name 1 to {TURNS_MOST}")
        if any(a == b for a, b in zip(loan["holders"], loan["holders"][1:])):
            manifest.problem(("loan", index, "holders"), "goes from one environment to itself", "name another")
        if len(loan["at"]) != max(len(loan["holders"]) - 1, 0) or sorted(loan["at"]) != loan["at"]:
            manifest.problem(("loan", index, "at"), f"{len(loan['at'])} times for {len(loan['holders'])} holders",
                             "give a time for each but the first, in order")
        if not loan["within"]:
            manifest.problem(("loan", index, "within"), "no time to give it back", "give at least 1")


def check_programs(manifest):
    total = 0
    for environment in manifest.environments:
        total += environment.programs or 0
        if total > PROGRAMS_MOST:
            manifest.problem(("environment", environment.index, "programs"),
                             f"{environment.name}: {environment.programs} pages for programs bring the sum to {total}",
                             f"give at most {PROGRAMS_MOST}")
            return


def check_test(manifest):
    test = manifest.test
    for key, known in (("machines", MACHINES + ("iso",)), ("processors", range(1, PROCESSOR_LIMIT + 1))):
        if not test[key]:
            manifest.problem(("test", 0, key), f'"{key}" is empty', "name at least one, or remove it")
        for value in test[key]:
            if value not in known:
                manifest.problem(("test", 0, key), f"cannot run with {value}",
                                 f"choose of {', '.join(map(str, known))}")
    for key in ("expect", "refuse"):
        for pattern in test[key]:
            try:
                re.compile(pattern)
            except re.error as error:
                manifest.problem(("test", 0, key), f'"{pattern}" is no regular expression ({error})', "mend it")
    for size in test["memory"]:
        if not MEMORY_LEAST <= (size_of(size) or 0) <= MEMORY_MOST:
            manifest.problem(("test", 0, "memory"), f'"{size}" is no size of a machine', "give 64M to 16G")
    if test["status"] > STATUS_MOST:
        manifest.problem(("test", 0, "status"), f"exit status {test['status']}", f"expect 0 to {STATUS_MOST}")


def triples(ranges):
    return ",".join(":".join(map(str, numbers)) for numbers in ranges)


def compiled(manifest, image_names, archive_names=None):
    """The text of the `system` file: `THING key=value ...` lines, memory in frames, arguments last to the line's end.

    image_names, archive_names: for each environment the name of its program in the module, and of its archive or None.
    """
    out = [f"machine processors={manifest.machine['processors']}"]
    archives = archive_names or [None] * len(image_names)
    for environment, image, archive, flows in zip(manifest.environments, image_names, archives, network.words(manifest)):
        slots = triples(environment.slots)
        words = [f"name={environment.name}", f"image={image}", f"memory={environment.memory // FRAME}",
                 f"kept={environment.kept // FRAME}", f"slots={slots}", f"wait={int(environment.wait)}",
                 f"restart={int(environment.restart == 'always')}", f"console={int(environment.console)}",
                 f"trace={int(environment.trace)}", f"give={environment.give // FRAME}"]
        if environment.terminal:
            words.append("terminal=1")
        if environment.programs:
            words.append(f"programs={environment.programs}")
        words += flows
        if environment.extents:
            words.append(f"extents={triples(environment.extents)}")
        if archive:
            words.append(f"archive={archive}")
        if environment.lend is not None:
            words.append(f"lend={words_of_lend(environment)}")
        out.append("environment " + " ".join(words + [f"arguments={environment.arguments}"]))
    for loan in manifest.loans:
        turns = ",".join(f"{name}:{at}" for name, at in zip(loan["holders"], [0, *loan["at"]]))
        out.append(f"loan memory={loan['memory'] // FRAME} within={loan['within']} turns={turns}")
    if manifest.report:
        out.append("report")
    out += network.lines(manifest)
    return "\n".join(out) + "\n"
