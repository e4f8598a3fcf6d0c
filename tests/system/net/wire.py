"""The other end of the machine's wire: each datagram of this computer is a frame.

usage: wire.py MACHINE_PORT OWN_PORT
"""
import random
import socket
import struct
import sys
import time

MACHINE, OWN = b"\x52\x54\0\x65\x78\x6f", b"\x02\0\0\0\0\x99"
FIRST_S, ANSWER_S, STORM, EXCHANGES = 20, 2, 12000, 50


def datagram(port, number, length=100):
    """As tests/system/net/peer.c makes them, from port 1000."""
    head = MACHINE + OWN + b"\x08\0\x45" + bytes(8) + b"\x11" + bytes(10) + struct.pack(">HH", 1000, port) + bytes(4)
    body = struct.pack("<I", number)
    return head + body + bytes((number * 31 + at * 7) & 0xff for at in range(len(head) + 4, length))


class Wire:
    def __init__(self, machine, own):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", int(own)))
        self.machine = ("127.0.0.1", int(machine))
        self.number = 0

    def send(self, frame):
        self.socket.sendto(frame, self.machine)

    def answered(self, seconds):
        """A datagram to port 9, sent until it comes back whole."""
        self.number += 1
        frame = datagram(9, self.number)
        wanted = OWN + MACHINE + frame[12:34] + frame[36:38] + frame[34:36] + frame[38:]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(frame)
            if self.came(wanted, min(time.monotonic() + 0.1, end)):
                return True
        return False

    def came(self, wanted, end):
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if self.socket.recv(4096) == wanted:
                    return True
            except TimeoutError:
                return False
        return False


def malformed():
    """Every bit of every byte of the header turned, every short length, too long ones, and noise."""
    whole = datagram(9, 0)
    for at in range(64):
        for bit in range(8):
            yield whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1:]
        yield whole[:at + 1]  # an empty datagram would end QEMU's wire
        yield whole[:at] + b"\xff" + whole[at + 1:]
    for length in (1513, 1514, 1515, 1516, 1600, 2036, 2037, 2048, 3000, 9000):
        yield datagram(9, 0, length)
    noise = random.Random(1)
    for _ in range(500):
        yield noise.randbytes(noise.randrange(1, 1515))
        yield MACHINE + OWN + noise.randbytes(noise.randrange(0, 300))


def must(holds, what):
    if not holds:
        sys.exit(f"wire: FAIL {what}")


def main(machine, own):
    wire = Wire(machine, own)
    must(wire.answered(FIRST_S), "the machine does not answer")
    sent = answers = 0
    for frame in malformed():
        wire.send(frame)
        sent += 1
        if sent % 100 == 0:
            must(wire.answered(ANSWER_S), f"no answer after {sent} malformed frames")
            answers += 1
    print(f"wire: {sent} malformed frames, {answers} answers between them", flush=True)
    for number in range(STORM):
        wire.send(datagram(77, number, 400))
        if number % (STORM // EXCHANGES) == 0:
            must(wire.answered(ANSWER_S), f"no answer in the storm's frame {number}")
    print(f"wire: {STORM} frames of a storm, {EXCHANGES} answers meanwhile", flush=True)


main(*sys.argv[1:])
