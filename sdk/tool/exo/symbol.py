"""Names beside the kernel's addresses in its own panic output."""
import re
import subprocess

ADDRESS = re.compile(r"\b(?:0x)?(ffffffff[89a-f][0-9a-f]{7})\b")
NAMED = re.compile(r"(caller )?\b(?:0x)?(ffffffff[89a-f][0-9a-f]{7})\b")
PANIC = re.compile(r"\bpanic:")
BACKTRACE = re.compile(r"\bpanic: backtrace\b")


class Names:
    """Adds `function (file:line)` to lines with kernel addresses, from the first panic on.

    Before it the kernel prints no address, and a libOS may print anything.
    """

    def __init__(self, kernel):
        self.kernel = kernel
        self.panicked = False
        self.known = {}

    def beside(self, line):
        self.panicked = self.panicked or bool(PANIC.search(line))
        if not self.panicked:
            return line
        if BACKTRACE.search(line):
            return line + "".join(f"\n    {self.of(int(at, 16) - 1) or at}" for at in ADDRESS.findall(line))
        # A return address is one behind its call, maybe on the next line already.
        names = [self.of(int(at, 16) - bool(before)) for before, at in NAMED.findall(line)]
        return line + "".join(f"  {name}" for name in names if name)

    def of(self, address):
        if address not in self.known:
            self.known[address] = self.look_up(address)
        return self.known[address]

    def look_up(self, address):
        """`inner (file:line) in outer`, or None for data and for addresses outside."""
        command = ["addr2line", "-f", "-i", "-s", "-e", str(self.kernel), f"{address:x}"]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        if done.returncode or len(lines) < 2 or lines[0] == "??":
            return None
        place = "" if lines[1].startswith("?") else f" ({lines[1].split(' ')[0]})"
        return lines[0] + place + (f" in {lines[-2]}" if len(lines) > 2 else "")
