"""Sends datagrams of all sizes to a port of this computer, compares what comes back, and says how long that took.

usage: client.py PORT [COUNT]
"""
import socket
import statistics
import sys
import time

FIRST_S, ANSWER_S, MOST = 30, 5, 1472


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


def main(port, count=200):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect(("127.0.0.1", int(port)))
        connection.settimeout(0.5)
        exchange(connection, b"first")  # the machine may still be booting
        taken = [exchange(connection, bytes((n + i) & 0xff for i in range(1 + n * 7919 % MOST))) for n in range(int(count) - 1)]
        connection.send(b"end")
    print(f"client: {len(taken) + 1} answers, all right, median {statistics.median(taken):.0f} us, "
          f"least {min(taken):.0f} us", flush=True)


main(*sys.argv[1:])
