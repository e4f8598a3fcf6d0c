"""The suite `linux`: the same cases, binary and archive on Linux 6.1 and on libos-unix, in the same QEMU; outputs are compared.

Both run libos-unix/tests/gather.sh, which prints what each case printed, and its status, between the lines `case NAME` and
`end NAME`. When Linux's kernel cannot be had, this computer's own kernel runs the cases instead, with the same busybox.
"""
import base64
import binascii
import difflib
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import image, linux, machine, manifest, place, tap
from .trouble import Trouble

BUSYBOX = Path("/bin/busybox")
GATHER = "sh /test/gather.sh"
LINUX_SECONDS, CASE_SECONDS = 240, 20
SYSTEMS = ("libos-unix/tests/cases.toml", "libos-unix/tests/cases-two.toml")
CASE = re.compile(r"^(?:\w+\| )?case (\w+)\n(.*?)^(?:\w+\| )?end \1$", re.MULTILINE | re.DOTALL)
SOUND = re.compile(r"the first ended with 0; every frame that they had is back$", re.MULTILINE)
PREFIX = re.compile(r"^\w+\| ", re.MULTILINE)
DIFFERENT_MOST = 20


def gathered(text):
    """{case: what it printed} of gather.sh's output; one that cannot be read is left out."""
    found = {}
    for name, encoded in CASE.findall(text):
        try:
            found[name] = base64.b64decode(PREFIX.sub("", encoded).replace("\n", ""), validate=True)
        except binascii.Error:
            pass
    return found


def cases_of(text):
    """{name: script} of a file of cases."""
    return dict(part.split("\n", 1) for part in re.split("^== ", text, flags=re.MULTILINE)[1:])


def cases_here(build, scripts):
    """The same on this computer's kernel."""
    with tempfile.TemporaryDirectory() as folder:
        programs = Path(folder) / "bin"
        programs.mkdir()
        shutil.copy(BUSYBOX, programs / "busybox")
        subprocess.run([programs / "busybox", "--install", "-s", programs], check=True)
        return {name: case_here(build, programs, script) for name, script in scripts.items()}


def case_here(build, programs, script):
    script = script.replace("/test/", f"{build}/libos-unix/")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "case.sh").write_text(script)
        done = subprocess.run([programs / "busybox", "sh", "-c", 'sh case.sh; echo "status $?"'], cwd=folder,
                              env={"PATH": str(programs), "HOME": "/root", "TERM": "dumb"}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=CASE_SECONDS)
    return done.stdout


def differences(wanted, found):
    """Notes: what Linux printed and libos-unix did not, and the other way round."""
    if found is None:
        return ["it did not come"]
    lines = difflib.unified_diff(wanted.decode(errors="replace").splitlines(), found.decode(errors="replace").splitlines(),
                                 "Linux", "libos-unix", lineterm="", n=1)
    return [machine.printable(line) for line in lines][:DIFFERENT_MOST]


def compared(wanted, found, title):
    return [tap.Case(f"{name} {title}", found.get(name) == output, notes=differences(output, found.get(name)))
            for name, output in wanted.items()]


def exo_cases(build, path, wanted, verbose):
    """The cases on libos-unix, in one of the systems."""
    system = manifest.read(place.SOURCE / path)
    module = image.pack(build, system, build / f"systems/{Path(path).stem}.img")
    line = machine.command(system.machine, place.kernel(build), module)
    if verbose:
        machine.print_command(line)
    outcome = machine.run(line, system.machine["timeout"], show=False, kernel=place.kernel(build))
    processors = system.machine["processors"]
    title = f"on {processors} processor{'s' * (processors != 1)}"
    sound = not outcome.status and SOUND.search(outcome.output)
    end = tap.Case(f"libos-unix comes to its end whole {title}", bool(sound),
                   notes=[outcome.reason, *outcome.output.splitlines()[-20:]])
    return compared(wanted, gathered(outcome.output), title) + [end]


def run_all(report, build, verbose):
    scripts = cases_of((place.SOURCE / "libos-unix/tests/cases.txt").read_text())
    started, name = time.monotonic(), "6.1 in QEMU"
    try:
        line = linux.command(build, GATHER)
        if verbose:
            machine.print_command(line)
        wanted = gathered(linux.run(line, LINUX_SECONDS))
        reference = [tap.Case(f"{case} on Linux", case in wanted, notes=["it did not come"]) for case in scripts]
    except Trouble as trouble:
        wanted, name = cases_here(build, scripts), "this computer's kernel instead"
        reference = [tap.Case(f"Linux 6.1: {trouble.lines[-1]}", True, skipped=True)]
        print(f"          {'; '.join(trouble.lines)}", flush=True)
    report.add("linux", name, reference, time.monotonic() - started)
    for path in SYSTEMS:
        started = time.monotonic()
        report.add("linux", Path(path).stem, exo_cases(build, path, wanted, verbose), time.monotonic() - started)
