"""Prove that explorer and walker can find bugs: each patch in faults/ is applied to a copy of the core, which one of them must refuse.

A patch is a sentence, then a unified diff. TAP; a case tells who found the fault, in which scope, and how fast."""
import argparse
import concurrent.futures
import pathlib
import re
import shlex
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
KERNEL = HERE.parent
HARNESS = [*(HERE / f"{name}.c" for name in ("world", "invariants", "disk_invariants", "network")),
           *(HERE / "explorer" / f"{name}.c" for name in ("world_state", "scope", "step", "isolation", "transition")),
           *(KERNEL / "arch/host" / f"{name}.c" for name in ("machine", "device"))]
CODE = [*(path for path in sorted((KERNEL / "code").glob("*.c")) if path.name != "interpret.c"), KERNEL / "arch/x86_64/compile.c"]
# In this order: most faults are seen at once.
FINDERS = [("walker", "walk", ["--first", "--jobs", "1", "--calls", "16000000"]),
           ("walker", "walk", ["--first", "--jobs", "1", "--calls", "200000000", "--seed", "2"]),
           ("explorer", "explore", ["--jobs", "1", "--states", "4000000"])]


class Stale(Exception):
    """A patch that does not fit the core any more."""


def hunks(diff):
    """(file, old text, new text) of each hunk."""
    file = None
    for part in re.split(r"^(?=--- |@@ )", diff, flags=re.MULTILINE):
        if part.startswith("--- "):
            file = re.search(r"^\+\+\+ b/(\S+)", part, re.MULTILINE)[1]
        elif part.startswith("@@ "):
            lines = part.splitlines(True)[1:]
            yield (file, "".join(line[1:] for line in lines if line[0] in " -"), "".join(line[1:] for line in lines if line[0] in " +"))


def apply(patch, core):
    for file, old, new in hunks(patch.read_text()):
        text = (core / file).read_text()
        if text.count(old) != 1:
            raise Stale(f"{patch.name} does not fit {file}: renew it")
        (core / file).write_text(text.replace(old, new))


def build(folder, core, args):
    """Explorer and walker of this core."""
    include = [HERE / "explorer/include", KERNEL / "arch/host/include", core, KERNEL / "code", HERE, HERE.parent.parent / "sdk/include", *args.include]
    flags = [*shlex.split(args.compiler), "-std=gnu11", "-O2", "-w", *(f"-I{path}" for path in include)]
    sources = [str(path) for path in [*sorted(core.glob("*.c")), *HARNESS] if path.name != "boot.c"]
    objects = folder / "objects"
    for part, files in ((objects, sources), (objects / "code", CODE)): # both have a program.c
        part.mkdir()
        subprocess.run([*flags, "-c", *files], cwd=part, check=True)
    for program in {program for _, program, _ in FINDERS}:
        subprocess.run([*flags, HERE / "explorer" / f"{program}.c", *objects.rglob("*.o"), "-o", folder / program], check=True)


def find(folder):
    """(who, where, what, seconds) of the first that sees the fault, or None."""
    started = time.monotonic()
    for finder, program, options in FINDERS:
        ran = subprocess.run([folder / program, *options], stdout=subprocess.PIPE, text=True, timeout=600, check=False)
        what = re.search(r"^# (?:VIOLATION[^:]*: (.*)|the core (crashed.*) in)", ran.stdout, re.MULTILINE)
        scope = re.search(r"^not ok \d+ - (\w+):", ran.stdout, re.MULTILINE)
        if ran.returncode and what and scope:
            return finder, scope[1], what[1] or what[2], time.monotonic() - started
    return None


def try_fault(patch, args):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        core = folder / "core"
        core.mkdir()
        for file in (KERNEL / "core").glob("*.[ch]"):
            (core / file.name).write_text(file.read_text())
        apply(patch, core)
        build(folder, core, args)
        return find(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="cc", help="a C compiler for this computer")
    parser.add_argument("--include", action="append", default=[], type=pathlib.Path, help="where the generated headers are")
    parser.add_argument("patches", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    args.include = [path.resolve() for path in args.include]
    patches = args.patches or sorted((HERE / "faults").glob("*.patch"))
    print(f"1..{len(patches)}", flush=True)
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(try_fault, patch, args) for patch in patches]
        for number, (patch, job) in enumerate(zip(patches, running), 1):
            try:
                found = job.result()
                note = "nobody found it"
            except (Stale, subprocess.SubprocessError) as trouble:
                found, note = None, str(trouble)
            if found:
                finder, scope, what, seconds = found
                print(f"ok {number} - {patch.stem}: found by the {finder} in {scope} after {seconds:.1f} s: {what}", flush=True)
            else:
                missed += 1
                print(f"not ok {number} - {patch.stem}\n# {note}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
