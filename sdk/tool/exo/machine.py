"""Running a system in QEMU: the command line, a time limit, live output, and what the end meant.

The accelerator is always named, and is always emulation. The kernel ends the machine through isa-debug-exit, which
makes QEMU's exit status (code << 1) | 1; anything else was not the kernel's doing.
"""
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

from . import device, symbol

PANICKED = 99  # as the kernel's panic says
TIMED_OUT = 124
CRASHED = 125
OUTPUT_MOST = 16 << 20
COUNTED = ["-icount", "shift=0,sleep=off", "-seed", "42", "-rtc", "base=2024-01-01,clock=vm"]

# Eight ns an instruction, about what emulation takes: the clock stands still when the emulator does. While all sleep it jumps to the
# next timer (with sleep=on it would go on by this computer's clock, and bring its delays in).
PACED = ["-icount", "shift=3,sleep=off"]


@dataclass
class Outcome:
    status: int     # the machine's code, or TIMED_OUT or CRASHED
    reason: str     # "" when the kernel ended the machine, else what happened
    seconds: float
    output: str
    first_output: float  # seconds until the first byte of output, or None
    moments: list = field(default_factory=list)  # likewise until each line of output was whole


def command(machine, kernel, module, counted=False, disc=None, extra=(), devices=()):
    """machine: {"machine", "memory" (bytes), "processors", perhaps "clock"}; disc: boot this by GRUB instead of the kernel by PVH.

    With devices counted time goes on while the machine waits for them, so it is not the same in each run; with a counted clock it does not.
    """
    time = PACED if machine.get("clock") == "counted" else []
    if counted:
        waits = devices and machine.get("clock") != "counted"
        time = [word.replace("sleep=off", "sleep=on") if waits else word for word in COUNTED]
    boot = ["-cdrom", str(disc), "-boot", "d"] if disc else ["-kernel", str(kernel), "-initrd", str(module)]
    return ["qemu-system-x86_64", "-accel", "tcg", "-M", machine["machine"], "-cpu", "max,-erms",
            "-m", f"{machine['memory'] >> 20}M", "-smp", str(machine["processors"]), *boot,
            "-nodefaults", "-display", "none", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
            "-no-reboot", *time,
            *device.arguments(machine["machine"], devices), *extra]


def version():
    """QEMU's own name and version."""
    return subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def described(machine):
    count = machine["processors"]
    return (f"{machine['machine']}, {count} processor{'s' * (count != 1)}, {machine['memory'] >> 20} MiB, "
            f"at most {machine['timeout']} s")


def run(line, timeout, show=True, kernel=None, until_output=False):
    """Run QEMU to its end or the time limit. Output goes to stdout as it comes, panics with names beside addresses.

    until_output: end it by force at its first output.
    """
    names = symbol.Names(kernel) if kernel else None
    started = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process:
            try:
                output, first, ended = follow(process, started, timeout, show, names, until_output, moments := [])
            finally:
                process.kill()
        errors.seek(0)
        complaint = errors.read().decode(errors="replace")
    seconds = time.monotonic() - started
    status, reason = meaning(process.returncode, complaint, ended, timeout)
    return Outcome(status, reason, seconds, output, first, moments)


def has_terminal():
    return sys.stdin.isatty() and sys.stdout.isatty()


def run_at_terminal(line, timeout=None):
    """Run QEMU with the user's terminal as the machine's console, until it ends, the user ends it, or the time limit passes if there is one."""
    at = line.index("-serial")
    line = [*line[:at], "-chardev", "stdio,id=terminal,mux=on,signal=off", "-serial", "chardev:terminal", *line[at + 2:]]
    started = time.monotonic()
    ended = None
    with subprocess.Popen(line) as process:
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            ended = "time"
            process.terminate()  # then it gives the terminal back as it was
    returncode = process.returncode
    status, reason = (0, "") if returncode == 0 and not ended else meaning(returncode, "", ended, timeout)
    return Outcome(status, reason, time.monotonic() - started, "", None)


def follow(process, started, timeout, show, names, until_output, moments):
    """Read lines until the end of output or the limit: (output, seconds to its first byte, None or why it was cut)."""
    pending, lines, size, first = b"", [], 0, None
    while True:
        left = started + timeout - time.monotonic()
        if left <= 0:
            return finish(lines, pending, show, names), first, "time"
        if not select.select([process.stdout], [], [], left)[0]:
            continue
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            wait_for_end(process, left)
            return finish(lines, pending, show, names), first, None if process.poll() is not None else "time"
        first = first if first is not None else time.monotonic() - started
        size += len(data)
        if size > OUTPUT_MOST or until_output:
            return finish(lines, pending, show, names), first, "output"
        *whole, pending = (pending + data).split(b"\n")
        for raw in whole:
            take_line(lines, raw, show, names)
            moments.append(time.monotonic() - started)


def wait_for_end(process, seconds):
    try:
        process.wait(max(seconds, 0.1))
    except subprocess.TimeoutExpired:
        pass


def take_line(lines, raw, show, names):
    text = printable(raw.decode(errors="replace").rstrip("\r"))
    if names:
        text = names.beside(text)
    lines.append(text)
    if show:
        print(text, flush=True)


def finish(lines, pending, show, names):
    if pending:
        take_line(lines, pending, show, names)
    return "\n".join(lines)


def printable(text):
    """What a libOS prints must not drive the user's terminal."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "?", text)


def meaning(returncode, complaint, ended, timeout):
    """(status, reason) of QEMU's end."""
    if ended == "time":
        return TIMED_OUT, f"the time limit of {timeout} s passed"
    if ended == "output":
        return TIMED_OUT, f"it printed more than {OUTPUT_MOST >> 20} MiB"
    errors = [text for text in complaint.splitlines() if "warning:" not in text and text.strip()]
    if returncode & 1 and returncode > 0 and not (returncode == 1 and errors):
        return returncode >> 1, ""
    if returncode == 0:
        return CRASHED, "the machine was reset: the kernel faulted beyond help"
    return CRASHED, f"QEMU ended with status {returncode}: {errors[-1] if errors else 'no message'}"


def print_command(line):
    print("+ " + " ".join(line), file=sys.stderr, flush=True)
