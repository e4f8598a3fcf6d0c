"""exo run PROGRAM -- WORDS: a static Linux program of this computer on libos-unix, in a system made for it."""
import shutil
from pathlib import Path

from . import archive, manifest
from .trouble import Trouble

EXECUTABLE_FILE = 0o100755
BUSYBOX = Path("/bin/busybox")
SYSTEM = """\
spec = 1
[machine]
memory = "256M"
processors = {processors}
[[environment]]
name = "unix"
image = "libos-unix/unix.elf"
archive = "root.cpio"
arguments = {arguments}
memory = "128M"
slots = [{slots}]
terminal = {terminal}
"""


def is_wanted(name):
    return not name.endswith(".toml")


def found(name):
    path = shutil.which(name) if "/" not in name else name
    if not path or not Path(path).is_file():
        raise Trouble(f"{name}: no such program or manifest: name a system.toml, or a static program of this computer")
    contents = Path(path).read_bytes()
    if contents[:4] != b"\x7fELF":
        raise Trouble(f"{path}: is no program for Linux (ELF): run a shell on it, as in: exo run busybox -- sh -c '...'")
    return Path(path), contents


def quoted(word):
    """As libos-unix splits its arguments: quotes keep what is between them together."""
    if word and not set(word) & set(" '\""):
        return word
    for quote in "'\"":
        if quote not in word:
            return quote + word + quote
    raise Trouble(f"{word}: has both kinds of quotes: put it into a script, and give its name")


def with_program(tree, name, contents):
    """The archive with one file more, before its last member."""
    return tree[:tree.rindex(archive.MAGIC.encode())] + archive.member(name, contents, 1, EXECUTABLE_FILE) + \
        archive.member("TRAILER!!!", b"", 0)


def prepare(build, name, words, processors, terminal=False):
    """Write the system beside the build's others; returns its manifest's path. terminal: it reads what the user types."""
    path, contents = found(name)
    folder = build / "systems" / f"run-{path.name}"
    folder.mkdir(parents=True, exist_ok=True)
    tree, target = (build / "libos-unix/root.cpio").read_bytes(), "bin/busybox"
    if contents != BUSYBOX.read_bytes():
        target = f"usr/{path.name}"
        tree = with_program(tree, target, contents)
    (folder / "root.cpio").write_bytes(tree)
    line = " ".join(quoted(word) for word in [f"/{target}", *words])
    if len(line) > manifest.ARGUMENTS_MOST:
        raise Trouble(f"the command line has {len(line)} bytes, {manifest.ARGUMENTS_MOST} is the most: put it into a script")
    slots = ", ".join(f"[{number}, 0, {60 if number == 0 else 64}]" for number in range(processors))
    text = SYSTEM.format(processors=processors, slots=slots, terminal=str(terminal).lower(),
                         arguments='"' + line.replace("\\", "\\\\").replace('"', '\\"') + '"')
    (folder / "system.toml").write_text(text)
    return folder / "system.toml"
