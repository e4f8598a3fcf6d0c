"""Prove that the tests of downloaded code can find bugs: each fault is put into a copy of verifier or compiler, and one of the tests must fail.

TAP; a case tells which test found it."""
import argparse
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
import seeded  # noqa: E402, in the folder above

KERNEL = HERE.parent.parent
TESTS = [("verify", ["test_verify.c"], ["-lcheck", "-lsubunit", "-lm", "-lrt", "-lpthread"], []),
         ("generated", ["test_generated.c", "generate.c"], [], ["100000"]),
         ("differential", ["test_differential.c", "generate.c"], [], ["40000"]),
         ("compile", ["test_compile.c"], ["-lcheck", "-lsubunit", "-lm", "-lrt", "-lpthread"], [])]
SECONDS = 50           # the longest, compile, takes a third of it
SECONDS_NARROW = 300   # it ends at the first number that is wrong, but looks at all where none is: two minutes


def find(patch, args):
    """The name of the first test that fails on the faulty copy, or None."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shutil.copytree(KERNEL / "code", folder / "code")
        shutil.copytree(KERNEL / "arch/x86_64", folder / "arch/x86_64")
        seeded.apply(patch, folder)
        flags = [*shlex.split(args.compiler), "-std=gnu11", "-O1", "-w", f"-I{folder / 'code'}", f"-I{HERE}"]
        sources = [*sorted((folder / "code").glob("*.c")), folder / "arch/x86_64/compile.c", HERE / "runner.c"]
        subprocess.run([*flags, "-c", *sources], cwd=folder, check=True)
        for test, files, libraries, options in TESTS:
            subprocess.run([*flags, *(HERE / file for file in files), *folder.glob("*.o"), *libraries, "-o", folder / test], check=True)
            found = fails([folder / test, *options], SECONDS)
            if found is not None:
                return test + found
        subprocess.run([args.clang, "-std=gnu11", "-O3", "-w", f"-I{folder / 'code'}", HERE / "test_narrow.c", "-o", folder / "narrow"], check=True)
        found = fails([folder / "narrow"], SECONDS_NARROW)
        return None if found is None else "narrow" + found


def fails(command, seconds):
    """How a test fails, in words that may be none, or None. It has so many seconds of processor time, however busy the computer is."""
    ran = subprocess.run(["prlimit", f"--cpu={seconds}", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if ran.returncode == -signal.SIGXCPU:
        return " (it does not end)"
    return "" if ran.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="cc", help="a C compiler for this computer")
    parser.add_argument("--clang", default="clang-14", help="for test_narrow.c")
    parser.add_argument("patches", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    patches = args.patches or sorted((HERE / "faults").glob("*.patch"))
    print(f"1..{len(patches)}", flush=True)
    return seeded.report(patches, lambda patch: find(patch, args))


if __name__ == "__main__":
    raise SystemExit(main())
