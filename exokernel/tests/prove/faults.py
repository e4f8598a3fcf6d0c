"""The prover must refute seeded faults: each patch, of this folder's faults/ or the explorer's, on a copy of the core."""
import argparse
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys
import tempfile

from prove import BREAKS, compile_core

HERE = pathlib.Path(__file__).parent


def refute(patch, root, includes, compiled):
    """Is something refuted in the faulty core? What is only not answered does not count. Claims are used of no names of names,
    else z3 looks for the end of a counterexample for too long; the sound core is proved like that, which prove.py sees to."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for part in ("core", "code", "arch"):
            shutil.copytree(root / part, copy / part)
        shutil.copytree(compiled, copy / "work")
        subprocess.run(["patch", "-s", "-p1", "-d", copy / "core", "-i", patch.resolve()], check=True)
        command = [sys.executable, HERE / "prove.py", "--root", copy, "--work", copy / "work", "--refute", "--jobs=1", "--depth=0",
                   f"--routine={BREAKS[patch.stem]}", *(f"--include={i}" for i in includes)]
        return subprocess.run(command, capture_output=True, text=True)


def show(number, what, done):
    print(f"{'not ok' if done.returncode else 'ok'} {number} - {what}", flush=True)
    if done.returncode:
        print("".join(f"#   {line}\n" for line in (done.stdout + done.stderr).splitlines()[-20:]), flush=True)
    return done.returncode != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, required=True, help="the exokernel folder")
    parser.add_argument("--include", action="append", default=[], help="generated headers")
    parser.add_argument("--fault", action="append", help="only these")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    wanted = options.fault or BREAKS
    folders = (HERE / "faults", options.root / "tests" / "faults")
    patches = [patch for folder in folders for patch in sorted(folder.glob("*.patch")) if patch.stem in BREAKS and patch.stem in wanted]
    print(f"1..{len(wanted)}", flush=True)
    missed = len(wanted) - len(patches)
    with tempfile.TemporaryDirectory() as compiled, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        compile_core(options.root, options.include, pathlib.Path(compiled))
        found = pool.map(lambda patch: refute(patch, options.root, options.include, compiled), patches)
        for number, (patch, done) in enumerate(zip(patches, found), 1):
            missed += show(number, f"{patch.stem} is refuted", done)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
