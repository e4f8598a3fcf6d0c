"""What the kernel has set the processors and page tables to, as QEMU's monitor shows them in a running system: no program can look."""
import re
import socket
import threading
import time

from . import image, machine, manifest, place

SYSTEM = "tests/system/fuzz/system.toml"  # runs for some seconds
PROCESSORS = 2
PATIENCE = 20
PROMPT = b"(qemu) "
REGISTER_BITS = {  # Intel SDM 3A 2.5, 2.2.1
    "CR0": {"write protection": 1 << 16, "paging": 1 << 31},
    "CR4": {"UMIP": 1 << 11, "SMEP": 1 << 20, "SMAP": 1 << 21},
    "EFER": {"NX": 1 << 11},
}
PAGE = re.compile(r"^(ffff[0-9a-f]{12}): [0-9a-f]{16} (\S{9})$", re.MULTILINE)


class Monitor:
    """QEMU's human monitor on a unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.answer()

    def answer(self):
        said = b""
        while not said.endswith(PROMPT):
            part = self.socket.recv(65536)
            if not part:
                break
            said += part
        return said.decode(errors="replace").replace("\r", "")

    def ask(self, question):
        self.socket.sendall(question.encode() + b"\n")
        return self.answer()


def register_complaints(registers):
    """registers: what `info registers -a` says."""
    found = []
    for name, bits in REGISTER_BITS.items():
        values = [int(value, 16) for value in re.findall(rf"\b{name}=([0-9a-f]+)", registers)]
        found += [f"{name} of {len(values)} processors instead of {PROCESSORS}"] * (len(values) != PROCESSORS)
        found += [f"processor {number} is without {what}" for number, value in enumerate(values) for what, bit in bits.items() if not value & bit]
    return found


def page_complaints(pages):
    """pages: what `info tlb` says; X means that a page cannot be executed, U that programs may use it."""
    kernel = PAGE.findall(pages)
    found = [f"{at} can be written and executed" for at, flags in kernel if "W" in flags and "X" not in flags]
    found += [f"{at} can be executed by programs" for at, flags in kernel if "U" in flags and "X" not in flags]
    return found or ([] if any("X" not in flags for _, flags in kernel) else ["no code of the kernel's was seen"])


def look(log, path, ret):
    """As soon as the system has printed something: stop it, and ask."""
    until = time.monotonic() + PATIENCE
    while not log.stat().st_size and time.monotonic() < until:
        time.sleep(0.01)
    monitor = Monitor(path)
    monitor.ask("stop")
    ret += register_complaints(monitor.ask("info registers -a")) + page_complaints(monitor.ask("info tlb")) or ["fine"]
    monitor.socket.sendall(b"quit\n")


def complaints(build):
    system = manifest.read(place.SOURCE / SYSTEM, processors=PROCESSORS)
    module = image.pack(build, system, build / "systems/test-protection.img")
    path, log = build / "monitor.sock", build / "systems/test-protection.log"
    path.unlink(missing_ok=True)
    log.write_text("")
    line = machine.command(system.machine, place.kernel(build), module, extra=["-monitor", f"unix:{path},server=on,wait=off"])
    at = line.index("-serial")
    line[at:at + 2] = ["-chardev", f"stdio,id=console,logfile={log}", "-serial", "chardev:console"]
    found = []
    asking = threading.Thread(target=look, args=(log, path, found), daemon=True)
    asking.start()
    machine.run(line, PATIENCE, show=False)
    asking.join(PATIENCE)
    return [] if found == ["fine"] else found or ["QEMU's monitor did not answer"]
