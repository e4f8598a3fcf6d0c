"""The prover must refute seeded faults: each patch, of this folder's faults/ or the explorer's, on a copy of the core."""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
# The routine whose proof each fault breaks.
BREAKS = {
    "space_set_before_check": "call_environment_space",
    "table_free_trusts_name": "call_table_free",
    "derive_amplifies_rights": "call_capability_derive",
    "derive_forgets_length": "call_capability_derive",
    "check_forgets_stamp": "capability_check",
    "closing_is_live": "capability_walk",
    "excess_not_charged": "slice_charge",
    "kept_is_ignored": "revoke_may_force",
    "console_forgets_length": "call_console_write",
    "stopped_one_pays_on": "vcpu_interrupt",
}


def refute(patch, root, includes, jobs):
    """0: refuted; 2: z3 gave up before; else the faulty core was proved, or could not be read."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for part in ("core", "arch"):
            shutil.copytree(root / part, copy / part)
        subprocess.run(["patch", "-s", "-p1", "-d", copy / "core", "-i", patch.resolve()], check=True)
        command = [sys.executable, HERE / "prove.py", "--root", copy, "--work", copy / "work", "--jobs", str(jobs), "--refute",
                   "--routine", BREAKS[patch.stem], *(f"--include={i}" for i in includes)]
        return subprocess.run(command, capture_output=True).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, required=True, help="the exokernel folder")
    parser.add_argument("--include", action="append", default=[], help="generated headers")
    options = parser.parse_args()
    folders = (HERE / "faults", options.root / "tests" / "faults")
    patches = [patch for folder in folders for patch in sorted(folder.glob("*.patch")) if patch.stem in BREAKS]
    print(f"1..{len(BREAKS)}", flush=True)
    missed = len(BREAKS) - len(patches)
    for number, patch in enumerate(patches, 1):
        status = refute(patch, options.root, options.include, 1)
        missed += status not in (0, 2)
        print(f"{'not ok' if status not in (0, 2) else 'ok'} {number} - {patch.stem} is refuted" +
              (" # SKIP not answered" if status == 2 else ""), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
