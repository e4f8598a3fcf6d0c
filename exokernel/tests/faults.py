"""Prove that explorer and walker can find bugs: each patch in faults/ is applied to a copy of the core, which one of them must refuse.

TAP; a case tells who found the fault, in which scope, and how fast."""
import argparse
import pathlib
import re
import shlex
import subprocess
import tempfile
import time

import seeded

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
    """Who sees the fault first, where, when, and as what; or None."""
    started = time.monotonic()
    for finder, program, options in FINDERS:
        ran = subprocess.run([folder / program, *options], stdout=subprocess.PIPE, text=True, timeout=600, check=False)
        what = re.search(r"^# (?:VIOLATION[^:]*: (.*)|the core (crashed.*) in)", ran.stdout, re.MULTILINE)
        scope = re.search(r"^not ok \d+ - (\w+):", ran.stdout, re.MULTILINE)
        if ran.returncode and what and scope:
            return f"the {finder} in {scope[1]} after {time.monotonic() - started:.1f} s: {what[1] or what[2]}"
    return None


def try_fault(patch, args):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        core = folder / "core"
        core.mkdir()
        for file in (KERNEL / "core").glob("*.[ch]"):
            (core / file.name).write_text(file.read_text())
        seeded.apply(patch, core)
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
    return seeded.report(patches, lambda patch: try_fault(patch, args))


if __name__ == "__main__":
    raise SystemExit(main())
