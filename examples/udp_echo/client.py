"""Sends datagrams of all sizes to a port of this computer, compares what comes back, and says how long that took: first
from the libOS, then, after the datagram "ash", from its handler in the kernel.

usage: client.py PORT [COUNT]
"""
import socket
import statistics
import sys
import time

SMALL, MOST = 18, 1472


def exchange(connection, data):
    """Microseconds until the same came back; sent again while nothing comes."""
    started = time.monotonic()
    connection.send(data)
    while True:
        try:
            answer = connection.recv(2048)
        except (TimeoutError, ConnectionRefusedError):
            connection.send(data)
            continue
        if answer == data:
            return (time.monotonic() - started) * 1e6


def exchange_all(connection, count):
    """Datagrams of all sizes."""
    for n in range(count):
        exchange(connection, bytes((n + i) & 0xff for i in range(1 + n * 7919 % MOST)))


def measure(connection, who, count):
    """Datagrams that make packets of 60 bytes."""
    taken = [exchange(connection, bytes((n + i) & 0xff for i in range(SMALL))) for n in range(count)]
    print(f"client: {count} answers of {who}, all right, median {statistics.median(taken):.0f} us, least {min(taken):.0f} us",
          flush=True)


def main(port, count=200):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect(("127.0.0.1", int(port)))
        connection.settimeout(0.5)
        exchange(connection, b"first")  # the machine may still be booting
        exchange_all(connection, int(count))
        measure(connection, "the libOS", int(count))
        exchange(connection, b"ash")
        exchange_all(connection, int(count))
        measure(connection, "its handler", int(count))
        connection.send(b"end")


if not 2 <= len(sys.argv) <= 3 or not all(word.isdecimal() for word in sys.argv[1:]):
    sys.exit("usage: client.py PORT [COUNT]: exo run says which port leads into the machine")
main(*sys.argv[1:])
