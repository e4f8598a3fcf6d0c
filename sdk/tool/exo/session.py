"""Sessions at the terminal: keys go to the serial line as a user would type them, and what the screen shows is compared.

libos-unix/tests/sessions.txt has them below lines `== NAME`: `> TEXT` types (with Python's escapes; Enter is \\r), `< TEXT` waits
until it was printed since the last wait, `~ TEXT` until it is on the screen; `? TEXT` as well, and keeps the screen after a pause.
One shell runs all; each leaves it at its prompt.
"""
import os
import re
import select
import subprocess
import time

from . import screen

PROMPT = "READY> "
FIRST = "/ # "
START = [(">", f"PS1='{PROMPT}'; cd /tmp; TERM=vt100; export TERM; umask 022\r"), ("<", f"\n{PROMPT}")]
END = [(">", "exit\r")]
STEP_SECONDS, PAUSE_SECONDS = 20, 0.3
FIRST_SECONDS = 240
STOOD_STILL = "stood still at:\n"
ASKS_CURSOR = "\x1b[6n"  # the shell does when nobody is typing ahead: a matter of time


def sessions_of(text):
    """{name: [(kind, text)]}"""
    found = {}
    for part in re.split("^== ", text, flags=re.MULTILINE)[1:]:
        name, *lines = part.splitlines()
        found[name] = [(line[0], line[2:].encode().decode("unicode_escape")) for line in lines if line]
    return found


class Line:
    """The serial line of a machine that runs."""

    def __init__(self, process):
        self.process, self.screen, self.unread, self.all = process, screen.Screen(), "", ""

    def receive(self, seconds):
        """False: nothing came, or the machine has ended."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return False
        data = os.read(self.process.stdout.fileno(), 65536).decode(errors="replace")
        self.screen.feed(data)
        self.all += data.replace("\r", "")
        self.unread = (self.unread + data.replace("\r", "")).replace(ASKS_CURSOR, "")
        return bool(data)

    def wait(self, text, seconds=STEP_SECONDS):
        until = time.monotonic() + seconds
        while text not in self.unread:
            left = until - time.monotonic()
            if left <= 0 or not self.receive(left):
                return False
        self.unread = self.unread[self.unread.index(text) + len(text):]
        return True

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_screen(self, text):
        until = time.monotonic() + STEP_SECONDS
        while text not in self.screen.shown():
            left = until - time.monotonic()
            if left <= 0 or not self.receive(left):
                return False
        return True

    def settle(self):
        while self.receive(PAUSE_SECONDS):
            pass
        return self.screen.shown()


def steps_play(line, steps):
    """The screens that were kept, or None when a text did not come."""
    kept = []
    for kind, text in steps:
        if kind == ">":
            line.type(text)
        elif kind in "?~":
            if not line.wait_screen(text):
                return None
            if kind == "?":
                kept.append(line.settle())
        elif not line.wait(text):
            return None
    return kept


def play(command, sessions):
    """(what the machine printed before its first prompt, {name: screens}), without sessions that were not reached."""
    found, before = {}, ""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        line = Line(process)
        try:
            line.wait(FIRST, FIRST_SECONDS)
            before, line.unread = line.all, ""
            if steps_play(line, START) is None:
                return before, found
            for name, steps in sessions.items():
                line.screen.clear()
                kept = steps_play(line, [*steps, ("?", "")])
                found[name] = kept if kept is not None else [STOOD_STILL + line.screen.shown()]
                if kept is None:
                    return before, found
            steps_play(line, END)
            while line.receive(STEP_SECONDS):
                pass
        except BrokenPipeError:
            pass
        finally:
            process.kill()
    return before, found


def differences(wanted, found):
    if not found or not wanted:
        return [f"it did not come on {'libos-unix' if wanted else 'Linux'}"]
    notes = [note for screens in (wanted, found) for note in screens[-1].splitlines() if screens[-1].startswith(STOOD_STILL)]
    for number, (one, other) in enumerate(zip(wanted, found), 1):
        if one != other:
            notes += [f"screen {number} on Linux:", *one.splitlines(), f"screen {number} on libos-unix:", *other.splitlines()]
    return notes + ([f"{len(found)} screens, {len(wanted)} on Linux"] if len(found) != len(wanted) else [])
