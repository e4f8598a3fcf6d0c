"""Names beside the kernel's addresses in its own panic output."""
import re
import subprocess

ADDRESS = re.compile(r"\b(?:0x)?(ffffffff[89a-f][0-9a-f]{7})\b")
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
            return line + "".join(f"\n    {name}" for name in self.callers(line))
        names = [name for name in map(self.of, ADDRESS.findall(line)) if name]
        return line + (f"  {', '.join(names)}" if names else "")

    def callers(self, line):
        """Where the calls stand: a return address is one behind its call, maybe on the next line already."""
        return [self.of(f"{int(address, 16) - 1:x}") or address for address in ADDRESS.findall(line)]

    def of(self, address):
        if address not in self.known:
            self.known[address] = self.look_up(address)
        return self.known[address]

    def look_up(self, address):
        """The name by addr2line, or None for data and for addresses outside."""
        command = ["addr2line", "-f", "-s", "-e", str(self.kernel), address]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        if done.returncode or len(lines) < 2 or lines[0] == "??":
            return None
        return lines[0] if lines[1].startswith("??") else f"{lines[0]} ({lines[1].split(' ')[0]})"
