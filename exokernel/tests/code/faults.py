"""Prove that the tests of downloaded code can find bugs: each fault is put into a copy of verifier or compiler, and one of the tests must fail.

A fault is a sentence, then file, old text and new text, as in explorer's faults/. TAP; a case tells which test found it."""
import argparse
import concurrent.futures
import importlib.util
import pathlib
import shlex
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KERNEL = HERE.parent.parent
TESTS = [("verify", ["test_verify.c"], ["-lcheck", "-lsubunit", "-lm", "-lrt", "-lpthread"], []),
         ("compile", ["test_compile.c"], ["-lcheck", "-lsubunit", "-lm", "-lrt", "-lpthread"], []),
         ("generated", ["test_generated.c", "generate.c"], [], ["100000"]),
         ("differential", ["test_differential.c", "generate.c"], [], ["40000"])]


def explorer():
    """The explorer's faults.py: how a patch is applied is written down there."""
    spec = importlib.util.spec_from_file_location("explorer_faults", HERE.parent / "faults.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find(patch, args, apply):
    """The name of the first test that fails on the faulty copy, or None."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shutil.copytree(KERNEL / "code", folder / "code")
        shutil.copytree(KERNEL / "arch/x86_64", folder / "arch/x86_64")
        apply(patch, folder)
        flags = [*shlex.split(args.compiler), "-std=gnu11", "-O1", "-w", f"-I{folder / 'code'}", f"-I{HERE}"]
        sources = [*sorted((folder / "code").glob("*.c")), folder / "arch/x86_64/compile.c", HERE / "runner.c"]
        subprocess.run([*flags, "-c", *sources], cwd=folder, check=True)
        for test, files, libraries, options in TESTS:
            subprocess.run([*flags, *(HERE / file for file in files), *folder.glob("*.o"), *libraries, "-o", folder / test], check=True)
            try:
                ran = subprocess.run([folder / test, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200, check=False)
            except subprocess.TimeoutExpired:
                return f"{test} (it does not end)"
            if ran.returncode:
                return test
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="cc", help="a C compiler for this computer")
    parser.add_argument("patches", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    patches = args.patches or sorted((HERE / "faults").glob("*.patch"))
    shared = explorer()
    print(f"1..{len(patches)}", flush=True)
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(find, patch, args, shared.apply) for patch in patches]
        for number, (patch, job) in enumerate(zip(patches, running), 1):
            try:
                found, note = job.result(), "no test found it"
            except (shared.Stale, subprocess.SubprocessError) as trouble:
                found, note = None, str(trouble)
            missed += not found
            print(f"ok {number} - {patch.stem}: found by {found}" if found else f"not ok {number} - {patch.stem}\n# {note}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
