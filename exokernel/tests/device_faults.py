"""Prove that the tests of disks, flows and packets can find bugs: each patch in faults/device/ is applied to a copy of core and drivers,
and one of the tests of that part must fail.

TAP; a case tells which test found the fault."""
import argparse
import os
import pathlib
import re
import shlex
import subprocess
import tempfile

import faults
import seeded

HERE, KERNEL = faults.HERE, faults.KERNEL
SUITES = {"disk.c": ["disk"], "flow.c": ["flow", "net"], "net.c": ["net", "net_places", "net_offsets", "net_entries", "handler"]} # of core's files
DRIVERS = ["block", "net"]
SUPPORT = [*(HERE / f"{name}.c" for name in ("world", "invariants", "disk_invariants", "network", "packet", "programs", "scene", "snapshot")),
           *(KERNEL / "arch/host" / f"{name}.c" for name in ("machine", "device"))]
SECONDS = 60


class Builder:
    """Objects of what a patch does not touch are made once."""

    def __init__(self, folder, args):
        include = [KERNEL / "arch/host/include", KERNEL / "core", KERNEL / "code", KERNEL / "device", HERE, HERE.parent.parent / "sdk/include",
                   *args.include]
        self.flags = [*shlex.split(args.compiler), "-std=gnu11", "-O1", "-w", "-iquote", str(KERNEL / "device"), *(f"-I{path}" for path in include)]
        self.libraries = shlex.split(subprocess.run(["pkg-config", "--cflags", "--libs", "check"], check=True, capture_output=True, text=True).stdout)
        self.core = self.objects(folder / "core", [path for path in sorted((KERNEL / "core").glob("*.c")) if path.name != "boot.c"])
        self.drivers = self.objects(folder / "device", [KERNEL / "device" / f"{name}.c" for name in (*DRIVERS, "virtqueue")])
        tests = [HERE / f"test_{name}.c" for name in ("disk", "flow", "net", "handler")]
        suites = " ".join(f"suite({path.stem.removeprefix('test_')})" for path in tests)
        self.support = [*self.objects(folder / "support", SUPPORT).values(), *self.objects(folder / "code", faults.CODE).values(),
                        *self.objects(folder / "tests", tests).values(),
                        *self.objects(folder / "unit", [HERE / "unit.c"], f"-DSUITES(suite)={suites}").values()]
        self.transport = {name: [*self.objects(folder / name, [HERE / f"device/test_{name}.c", HERE / "device/transport.c",
                                                               KERNEL / "arch/host/machine.c"]).values()] for name in DRIVERS}

    def objects(self, folder, sources, *more):
        """{file name: its object}"""
        folder.mkdir(parents=True)
        subprocess.run([*self.flags, *more, "-c", *map(str, sources)], cwd=folder, check=True)
        return {path.name: folder / f"{path.stem}.o" for path in sources}

    def link(self, program, objects):
        subprocess.run([*self.flags, *map(str, objects), "-o", program, *self.libraries], check=True)
        return program

    def programs(self, folder, patched):
        """[(program, suite)] that could see what changed: {"core/disk.c": source}."""
        if any(name.startswith("core/") for name in patched):
            objects = self.core | self.objects(folder / "core", [path for name, path in patched.items()])
            unit = self.link(folder / "unit", [*objects.values(), *self.support])
            return [(unit, suite) for name in sorted(patched) for suite in SUITES[name.removeprefix("core/")]]
        objects = self.drivers | self.objects(folder / "device", [path for name, path in patched.items()])
        return [(self.link(folder / name, [objects[f"{name}.c"], objects["virtqueue.c"], *self.transport[name]]), "device")
                for name in DRIVERS if name == "block" or "device/block.c" not in patched]


def find(programs):
    """The first test that fails, or None."""
    for program, suite in programs:
        ran = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=SECONDS, check=False,
                             env={**os.environ, "CK_RUN_SUITE": suite})
        failed = re.search(r"^not ok \d+ - [^:]*:[^:]*:(\w+)", ran.stdout, re.MULTILINE)
        if ran.returncode and failed:
            return failed[1]
    return None


def try_fault(builder, patch):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        files = seeded.files(patch) if patch else {"core/disk.c", "core/flow.c", "core/net.c"}
        for file in files:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text((KERNEL / file).read_text())
        if patch:
            seeded.apply(patch, folder)
        (folder / "objects").mkdir()
        return find(builder.programs(folder / "objects", {file: folder / file for file in files}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="cc", help="a C compiler for this computer")
    parser.add_argument("--include", action="append", default=[], type=pathlib.Path, help="where the generated headers are")
    parser.add_argument("patches", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    args.include = [path.resolve() for path in args.include]
    patches = args.patches or sorted((HERE / "faults/device").glob("*.patch"))
    print(f"1..{len(patches) + 1}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        builder = Builder(pathlib.Path(name), args)
        found = try_fault(builder, None)
        print(f"{'not ' if found else ''}ok 1 - without a fault no test fails{': ' + found if found else ''}", flush=True)
        return seeded.report(patches, lambda patch: try_fault(builder, patch), 2, bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
