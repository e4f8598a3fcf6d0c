"""The prover must refute seeded faults: each patch, of this folder's faults/ or the explorer's, on a copy of the core."""
import argparse
import concurrent.futures
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
    "page_not_cleared": "call_table_create",
    "protect_forgets_may": "run_protect",
    "table_freed_while_bound": "call_table_free",
    "writable_and_executable": "run_protect",
    "dead_capabilities_live": "environment_kill",
    "free_never_succeeds": "call_table_free",
    "loop_is_never_reached": "call_frame_free",
    "ring_close_forgets_places": "places_disown",
    "net_ring_takes_a_neighbour": "call_net_ring_create",
    "closed_shape_stays_in_order": "flow_clear",
}


def prove(root, work, routines, includes, *options):
    """With claims of names of names alone, else z3 looks for the end of a counterexample for too long: so the sound core
    must be proved like that too."""
    command = [sys.executable, HERE / "prove.py", "--root", root, "--work", work, "--depth", "1", *options,
               *(f"--routine={routine}" for routine in routines), *(f"--include={i}" for i in includes)]
    return subprocess.run(command, capture_output=True, text=True)


def refute(patch, root, includes):
    """Is something refuted in the faulty core? What is only not answered does not count."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for part in ("core", "code", "arch"):
            shutil.copytree(root / part, copy / part)
        subprocess.run(["patch", "-s", "-p1", "-d", copy / "core", "-i", patch.resolve()], check=True)
        return prove(copy, copy / "work", [BREAKS[patch.stem]], includes, "--refute", "--jobs=1")


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
    print(f"1..{len(wanted) + 1}", flush=True)
    missed = len(wanted) - len(patches)
    with tempfile.TemporaryDirectory() as folder:
        routines = dict.fromkeys(BREAKS[patch.stem] for patch in patches)
        missed += show(1, "without faults they are proved", prove(options.root, folder / pathlib.Path("work"), routines, options.include))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda patch: refute(patch, options.root, options.include), patches)
        for number, (patch, done) in enumerate(zip(patches, found), 2):
            missed += show(number, f"{patch.stem} is refuted", done)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
