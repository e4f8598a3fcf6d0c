"""The network: flows of environments (flows = ["udp 7", ...]), the device that `exo run` attaches, and forwarded ports.

A flow's text becomes a pattern over a packet's first 64 bytes: what goes to the environment, and what it may send. The kernel
knows nothing of protocols.
"""
import re
import socket
import subprocess
import sys
from dataclasses import dataclass

from . import device, place

GUEST = "10.0.2.15"  # the address that QEMU's user network forwards to
FORWARD = re.compile(r"(udp|tcp) ([0-9]{1,5}):([0-9]{1,5})")
FLOW = re.compile(r"(arp|udp|tcp)(?: (?:([0-9.]+):)?([0-9.]+))?(?: from ([0-9.]+):([0-9]+))?")
PROTOCOL = {"udp": 17, "tcp": 6}
NETWORKS = ("none", "user", "wire")
POSITIONS = 2048  # of the kernel's flow table
FLOWS_MOST = 64   # by sdk/root/network.c
SHAPES_MOST = 16
EXAMPLES = 'write it like "arp 10.0.2.15", "udp 7", "udp 10.0.2.15:7" or "tcp 10.0.2.15:80 from 10.0.2.2:4000"'


@dataclass(frozen=True)
class Flow:
    mask: bytes
    value: bytes
    source_mask: bytes
    source: bytes


def pattern(*fields):
    """(mask, value) of fields (offset, mask, value), without the zeros at their ends."""
    mask, value = bytearray(64), bytearray(64)
    for at, bits, wanted in fields:
        mask[at:at + len(bits)] = bits
        value[at:at + len(wanted)] = wanted
    return bytes(mask), bytes(value)


def whole(at, value):
    return at, b"\xff" * len(value), value


def address_of(text):
    """Four bytes, or None."""
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isdigit() and len(part) <= 3 and int(part) < 256 for part in parts):
        return None
    return bytes(map(int, parts))


def parsed(text):
    """The Flow of a text, or None if it is none."""
    match = FLOW.fullmatch(text)
    if not match:
        return None
    kind, before, last, peer, peer_port = match.groups()
    if kind == "arp" and (before or peer):
        return None
    if kind == "arp":
        return arp(address_of(last)) if last and address_of(last) else arp(None) if not last else None
    ends = [(address_of(before) if before else None, port_of(last)), (address_of(peer) if peer else None, port_of(peer_port))]
    if not ends[0][1] or (before and not ends[0][0]) or (peer and not (all(ends[0]) and all(ends[1]))):
        return None
    return datagram(PROTOCOL[kind], *ends)


def port_of(text):
    """Two bytes, or None."""
    return int(text).to_bytes(2, "big") if text and text.isdigit() and 0 < int(text) < 65536 else None


def arp(address):
    """RFC 826 over Ethernet: all of it, or what concerns one IPv4 address."""
    kind = whole(12, b"\x08\x06")
    if not address:
        return Flow(*pattern(kind), *pattern(kind))
    return Flow(*pattern(kind, whole(38, address)), *pattern(kind, whole(28, address)))


def datagram(protocol, own, peer):
    """IPv4 without options (RFC 791), no fragments: to the own (address or None, port) from that of the peer, and back."""
    fixed = [whole(12, b"\x08\x00\x45"), (20, b"\x3f\xff", b"\0\0"), whole(23, bytes([protocol]))]
    def ends(source, target):
        return [whole(at, value) for at, value in ((26, source[0]), (30, target[0]), (34, source[1]), (36, target[1])) if value]
    return Flow(*pattern(*fixed, *ends(peer, own)), *pattern(*fixed, *ends(own, peer)))


def overlap(first, second):
    return all((a ^ b) & m & n == 0 for a, b, m, n in zip(first.value, second.value, first.mask, second.mask))


def with_station(mask):
    """A source's mask as the root completes it: the sender's station too."""
    return mask[:6] + b"\xff" * 6 + mask[12:]


def check(manifest):
    """Texts that are no flows, flows of two environments that overlap, more than there is room for."""
    claimed, shapes, positions = [], set(), 0
    for environment in manifest.environments:
        where = ("environment", environment.index, "flows")
        for text in environment.flows:
            flow = parsed(text)
            if not flow:
                manifest.problem(where, f'{environment.name}: "{text}" is no flow', EXAMPLES)
                continue
            for other, owner, name in claimed:
                if overlap(flow, other):
                    line = manifest.lines.of("environment", owner.index, "flows")
                    manifest.problem(where, f'{environment.name}: the flow "{text}" has packets of "{name}" on line {line}',
                                     "give each packet to one environment, by its port or address")
            claimed.append((flow, environment, text))
            shapes |= {flow.mask, with_station(flow.source_mask)}
        positions += environment.positions
        if positions + FLOWS_MOST > POSITIONS:
            manifest.problem(("environment", environment.index, "positions"), f"{environment.name}: {positions} positions in all",
                             f"ask for at most {POSITIONS - FLOWS_MOST} together")
            return
    if len(claimed) > FLOWS_MOST or len(shapes) > SHAPES_MOST:
        manifest.problem(("environment", claimed[-1][1].index, "flows"), f"{len(claimed)} flows of {len(shapes)} shapes",
                         f"have at most {FLOWS_MOST} flows, and {SHAPES_MOST} shapes: flows like each other share theirs")


def check_machine(manifest):
    machine = manifest.machine
    for text in machine["forward"]:
        match = FORWARD.fullmatch(text)
        if not match or not (int(match[2]) < 65536 and 0 < int(match[3]) < 65536):
            manifest.problem(("machine", 0, "forward"), f'"{text}" forwards nothing', 'write it like "udp 5007:7": here, there; 0 for any port here')
    if machine["network"] not in NETWORKS:
        manifest.problem(("machine", 0, "network"), f'no network "{machine["network"]}"', f"write {', '.join(NETWORKS)}")
    elif machine["forward"] and machine["network"] != "user":
        manifest.problem(("machine", 0, "forward"), "ports of a machine that is not on the user network", 'write network = "user"')


def words(manifest):
    """For each environment the words that tell the root of its flows."""
    first, next_position = 0, FLOWS_MOST
    for environment in manifest.environments:
        flows = [f"flow={first}", f"flows={len(environment.flows)}"] if environment.flows else []
        yield flows + ([f"position={next_position}", f"positions={environment.positions}"] if environment.positions else [])
        first += len(environment.flows)
        next_position += environment.positions


def lines(manifest):
    """The root's `flow` lines, in the order of positions."""
    def shown(data):
        return data.rstrip(b"\0").hex()
    for environment in manifest.environments:
        for flow in map(parsed, environment.flows):
            yield (f"flow station=1 mask={shown(flow.mask)} value={shown(flow.value)} "
                   f"source_mask={shown(flow.source_mask)} source={shown(flow.source)}")


def port_found(kind, here, there):
    """With a free port of this computer instead of 0."""
    if int(here) == 0:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            here = str(probe.getsockname()[1])
    return kind, here, there


def attached(system):
    """The devices for machine.command."""
    if system.machine["network"] == "none":
        return []
    return [device.Device("net", "netdev=net0,mac=52:54:00:65:78:6f" + (",romfile=" if system.machine["machine"] == "q35" else ""),
                          ["-netdev", wire(system) if system.machine["network"] == "wire" else user(system)])]


def wire(system):
    """Each packet is a datagram between two ports of this computer: the machine's and another program's."""
    system.machine["forward"] = [f"udp {port_found('udp', 0, 0)[1]}:1" for _ in range(2)]
    machine, other = (FORWARD.fullmatch(text).group(2) for text in system.machine["forward"])
    return f"socket,id=net0,udp=127.0.0.1:{other},localaddr=127.0.0.1:{machine}"


def user(system):
    """With forwarded ports. QEMU's `restrict` would also hold back answers to forwarded datagrams, so it is off."""
    forwards = [port_found(*FORWARD.fullmatch(text).groups()) for text in system.machine["forward"]]
    system.machine["forward"] = [f"{kind} {here}:{there}" for kind, here, there in forwards]
    return "user,id=net0" + "".join(f",hostfwd={kind}:127.0.0.1:{here}-{GUEST}:{there}"
                                      for kind, here, there in forwards)


def client_line(python, system):
    """The command of [test] client, for the ports that `attached` found."""
    return [python, str(system.path.parent / system.test["client"]),
            *(FORWARD.fullmatch(text).group(2) for text in system.machine["forward"])]


class Client:
    """[test] client = "client.py": runs beside the machine, given the ports here that are forwarded, or the two of a wire: the
    machine's and its own. Its lines join the output."""

    def __init__(self, system):
        self.process = None
        if system.test["client"]:
            self.process = subprocess.Popen(client_line(sys.executable, system), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self, seconds=10):
        """(its output, why it failed or None)."""
        if not self.process:
            return "", None
        try:
            output, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, _ = self.process.communicate()
            return output, "the client did not end"
        return output, f"the client ended with status {self.process.returncode}" if self.process.returncode else None
