"""Fail if a promise frozen with a release is no longer made.  usage: check_frozen.py FROZEN NOW

Each line is one promise. From version 1 on all lines of the frozen list must still be made, and new ones may come.
Before it nothing is promised yet, but no change goes unseen: the list changes in the same commit as the ABI.
"""
import sys
from pathlib import Path


def broken(frozen, now, version):
    """What is wrong, a sentence each."""
    gone = [f"broken: {line}" for line in sorted(frozen - now)]
    if int(version.split(".")[0]) == 0:
        gone += [f"not in the list: {line}" for line in sorted(now - frozen)]
    return gone


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    lists = [set(path.read_text().splitlines()) for path in paths]
    complaints = broken(*lists, paths[0].stem)
    print("\n".join(complaints) or "all promises are kept")
    sys.exit(bool(complaints))
