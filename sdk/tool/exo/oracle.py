"""The suite `linux`: the same cases, binary and archive on Linux 6.1 and on libos-unix, in the same QEMU; outputs are compared.

Both run libos-unix/tests/gather.sh, which prints what each case printed, and its status, between the lines `case NAME` and
`end NAME`. Then a shell at the terminal is driven by keys on both (session.py), and their screens are compared. When Linux's kernel cannot be had, this computer's own kernel runs the cases instead, with the same busybox.
"""
import base64
import binascii
import concurrent.futures
import difflib
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import image, linux, machine, manifest, place, session, tap
from .trouble import Trouble

BUSYBOX = Path("/bin/busybox")
GATHER = "sh /test/gather.sh"
TERMINAL = "setsid -c sh < /dev/ttyS0 > /dev/ttyS0 2>&1"
TERMINAL_SYSTEM = "libos-unix/tests/sessions.toml"
CASE_SECONDS = 20
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


def is_crash(output):
    """Did a signal end what the case did last? Both systems might agree on that, and nothing behind it be compared."""
    status = re.search(rb"^status (\d+)\n$", output, re.MULTILINE)
    return not status or int(status[1]) >= 128


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


def exo_command(build, path, verbose):
    """(the line of QEMU that runs one of our systems, the system)."""
    system = manifest.read(place.SOURCE / path)
    module = image.pack(build, system, build / f"systems/linux-{Path(path).stem}.img")
    line = machine.command(system.machine, place.kernel(build), module)
    if verbose:
        machine.print_command(line)
    return line, system


def exo_outputs(build, path, verbose):
    """(outputs of the cases, the run's own case)."""
    line, system = exo_command(build, path, verbose)
    outcome = machine.run(line, system.machine["timeout"], show=False, kernel=place.kernel(build))
    sound = not outcome.status and SOUND.search(outcome.output)
    end = tap.Case(f"libos-unix comes to its end whole, {title_of(path)}", bool(sound),
                   notes=[outcome.reason, *outcome.output.splitlines()[-20:]])
    return gathered(outcome.output), end


def title_of(path):
    return "on 2 processors" if path == SYSTEMS[1] else "on 1 processor"


def linux_outputs(build, sessions, verbose):
    """(outputs of the cases, screens of the sessions, why there are none or "") of one boot."""
    try:
        line = linux.command(build, f"{GATHER}\n{TERMINAL}")
    except Trouble as trouble:
        return None, None, "; ".join(trouble.lines)
    if verbose:
        machine.print_command(line)
    before, screens = session.play(line, sessions)
    return gathered(before), screens, ""


def sessions_compared(wanted, found):
    return [tap.Case(f"{name} at the terminal", wanted.get(name) == screens and not session.differences(screens, wanted.get(name)),
                     notes=session.differences(wanted.get(name), screens)) for name, screens in found.items()]


def run_all(report, build, verbose):
    scripts = cases_of((place.SOURCE / "libos-unix/tests/cases.txt").read_text())
    sessions = session.sessions_of((place.SOURCE / "libos-unix/tests/sessions.txt").read_text())
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # Linux in one thread, libos-unix in the other
        peer = pool.submit(linux_outputs, build, sessions, verbose)
        one = pool.submit(exo_outputs, build, SYSTEMS[0], verbose)
        played = pool.submit(lambda: session.play(exo_command(build, TERMINAL_SYSTEM, verbose)[0], sessions)[1])
        wanted, screens, trouble = peer.result()
        found, end = one.result()
        ours = played.result()
    if trouble:
        print(f"          {trouble}", flush=True)
        wanted, screens = cases_here(build, scripts), None
    report_reference(report, wanted, scripts, trouble, time.monotonic() - started)
    report.add("linux", "cases", compared(wanted, found, title_of(SYSTEMS[0])) + [end], 0)
    if screens is not None:
        missing = [tap.Case(f"{name} at the terminal", False, notes=["it did not come"]) for name in sessions if name not in ours]
        report.add("linux", "sessions", sessions_compared(screens, ours) + missing, 0)
    started = time.monotonic()
    found, end = exo_outputs(build, SYSTEMS[1], verbose)
    report.add("linux", "cases-two", compared(wanted, found, title_of(SYSTEMS[1])) + [end], time.monotonic() - started)


def report_reference(report, wanted, scripts, trouble, seconds):
    if trouble:
        report.add("linux", "this computer's kernel instead", [tap.Case(f"Linux 6.1: {trouble}", True, skipped=True)], seconds)
        return
    came = [tap.Case(f"{case} on Linux", case in wanted and not is_crash(wanted[case]), notes=["it did not come to its end"]) for case in scripts]
    report.add("linux", "6.1 in QEMU", came, seconds)
