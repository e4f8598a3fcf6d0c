"""The prover must refute each patch in faults/: the core with the patch, on a copy."""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
# What each fault breaks.
BREAKS = {
    "space_set_before_check": ("call_environment_space", "failure"),
    "table_free_trusts_name": ("call_table_free", "memory"),
}


def refuted(patch, root, includes):
    handler, prop = BREAKS[patch.stem]
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for part in ("core", "arch"):
            shutil.copytree(root / part, copy / part)
        subprocess.run(["patch", "-s", "-p1", "-d", copy / "core", "-i", patch.resolve()], check=True)
        command = [sys.executable, HERE / "prove.py", "--root", copy, "--work", copy / "work", "--jobs", "1", "--refute",
                   "--handler", handler, "--property", prop, *(f"--include={i}" for i in includes)]
        return subprocess.run(command, capture_output=True).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, required=True, help="the exokernel folder")
    parser.add_argument("--include", action="append", default=[], help="generated headers")
    options = parser.parse_args()
    patches = sorted((HERE / "faults").glob("*.patch"))
    print(f"1..{len(patches)}", flush=True)
    missed = 0
    for number, patch in enumerate(patches, 1):
        found = refuted(patch, options.root, options.include)
        missed += not found
        print(f"{'ok' if found else 'not ok'} {number} - {patch.stem} is refuted", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
