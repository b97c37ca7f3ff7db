"""Publishers of an MQTT broker for the benchmark, in a process of their own: positions as JSON with QoS 1 (MQTT 3.1.1).

``python -m bench._publishers HOST PORT CONNECTIONS RATE SECONDS`` publishes RATE positions a second over CONNECTIONS, each
second's share of a connection in twenty pieces, whether the broker answers or not, and prints as JSON when it began (the
monotonic clock of the machine), what was sent and what the broker acknowledged.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
from dataclasses import dataclass

from bench._terminals import PATIENCE, TICKS, Terminals
from cityheart.kernel.clock import stopwatch

_PUBACK = 4  # bytes of an acknowledgement


@dataclass
class Publisher:
    """One connection: what is to be sent, what came, and the number of the last message."""

    socket: socket.socket
    unsent: bytes = b""
    heard: int = 0
    number: int = 0


def connected(host: str, port: int, name: str) -> socket.socket:
    """A clean session of MQTT 3.1.1."""
    client = socket.create_connection((host, port))
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name.encode()
    client.sendall(bytes([0x10, len(body)]) + body)
    answer = client.recv(4)
    assert answer == b"\x20\x02\x00\x00", answer
    return client


def published(publisher: Publisher, vehicle: int, second: int) -> bytes:
    """A position as one packet."""
    topic = b"positions/1390%07d" % vehicle
    payload = b'{"t":%d,"lon":%.6f,"lat":%.6f,"v":%.1f,"load":%d}' % (
        1_782_878_400_000 + second * 1_000, 121.05 + 5e-6 * vehicle, 32.04 + 3e-6 * second, 30.0 + vehicle % 60, vehicle % 3,
    )  # fmt: skip
    publisher.number = publisher.number % 65_535 + 1
    body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", publisher.number) + payload
    assert len(body) < 16_384
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) % 128 | 128, len(body) // 128])
    return b"\x32" + length + body


class Publishers(Terminals):
    """All connections of the process: an answer is a PUBACK."""

    def __init__(self, host: str, port: int, connections: int) -> None:
        self.selector = selectors.DefaultSelector()
        self.publishers = []
        for number in range(connections):
            publisher = Publisher(connected(host, port, f"bench-{number}"))
            publisher.socket.setblocking(False)
            self.selector.register(publisher.socket, selectors.EVENT_READ, publisher)
            self.publishers.append(publisher)
        self.sent = self.answered = 0

    def take(self, terminal: Publisher, data: bytes, now: float) -> None:  # type: ignore[override]
        """Count acknowledgements."""
        terminal.heard += len(data)
        answers, terminal.heard = divmod(terminal.heard, _PUBACK)
        self.answered += answers


def main(host: str, port: int, connections: int, rate: int, seconds: int, since: int) -> None:
    publishers = Publishers(host, port, connections)
    each = rate // connections
    begun = stopwatch() + 0.5
    for second in range(seconds):
        for tick in range(TICKS):
            publishers.hear(begun + second + tick / TICKS)
            for number, publisher in enumerate(publishers.publishers):
                first, last = each * tick // TICKS, each * (tick + 1) // TICKS
                vehicles = range(number * each + first, number * each + last)
                publisher.unsent += b"".join(published(publisher, vehicle, since + second) for vehicle in vehicles)
                publishers.sent += len(vehicles)
                publishers.push(publisher)  # type: ignore[arg-type]
    ends = stopwatch() + PATIENCE
    while publishers.answered < publishers.sent and stopwatch() < ends:
        for publisher in publishers.publishers:
            publishers.push(publisher)  # type: ignore[arg-type]
        publishers.hear(stopwatch() + 0.05)
    print(json.dumps({"begun": begun, "sent": publishers.sent, "answered": publishers.answered}))


if __name__ == "__main__":
    main(sys.argv[1], *(int(each) for each in sys.argv[2:]))
