"""The manifest's `judge = "judge.py"`: a Python program beside it that is given the output of a run that ended well, says what it makes of
it, and fails by its exit status. It is told the build folder and what the system's disks are called there (systems/NAME-disk0.img ...).
"""
import subprocess
import sys

SECONDS = 120


def judged(build, system, name, output):
    """(what it said, what is wrong or None); nothing when the manifest names none."""
    if not system.judge:
        return "", None
    try:
        done = subprocess.run([sys.executable, str(system.path.parent / system.judge), str(build), name], input=output, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "", f"{system.judge} came to no end in {SECONDS} s"
    return done.stdout, f"{system.judge} ended with status {done.returncode}" if done.returncode else None
