"""Seeded faults: patches that are put into a copy of the sources, where a test must find them.

A patch is a sentence, then a unified diff against the copy; its line numbers are not looked at, its old text must be there once."""
import concurrent.futures
import re
import subprocess


class Stale(Exception):
    """A patch that does not fit the sources any more."""


def hunks(diff):
    """(file, old text, new text) of each hunk."""
    file = None
    for part in re.split(r"^(?=--- |@@ )", diff, flags=re.MULTILINE):
        if part.startswith("--- "):
            file = re.search(r"^\+\+\+ b/(\S+)", part, re.MULTILINE)[1]
        elif part.startswith("@@ "):
            lines = part.splitlines(True)[1:]
            yield (file, "".join(line[1:] for line in lines if line[0] in " -"), "".join(line[1:] for line in lines if line[0] in " +"))


def files(patch):
    """The names of the files that it changes."""
    return {file for file, _, _ in hunks(patch.read_text())}


def apply(patch, folder):
    for file, old, new in hunks(patch.read_text()):
        text = (folder / file).read_text()
        if text.count(old) != 1:
            raise Stale(f"{patch.name} does not fit {file}: renew it")
        (folder / file).write_text(text.replace(old, new))


def report(patches, find, first=1, missed=0):
    """TAP of the cases from `first` on. find(patch) says by what the fault was found, or None. The exit status: was one missed,
    here or before?"""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(find, patch) for patch in patches]
        for number, (patch, job) in enumerate(zip(patches, running), first):
            try:
                found, note = job.result(), "nothing found it"
            except (Stale, subprocess.SubprocessError) as trouble:
                found, note = None, str(trouble)
            missed += not found
            print(f"ok {number} - {patch.stem}: found by {found}" if found else f"not ok {number} - {patch.stem}\n# {note}", flush=True)
    return 1 if missed else 0
