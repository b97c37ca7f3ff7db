"""Vehicle terminals for the benchmark, in a process of their own: they send positions and wait for their answers.

``python -m bench._terminals PORT CONNECTIONS RATE SECONDS`` sends RATE positions a second over CONNECTIONS, each second's
share of a connection in twenty pieces, and prints as JSON what was sent and answered and how long answers took.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from bench import _positions
from cityheart.kernel.clock import stopwatch

TICKS = 20  # pieces of a second
PATIENCE = 30.0  # seconds after the last position


@dataclass
class Terminal:
    """One connection: what is to be sent, and when what is not answered was sent."""

    socket: socket.socket
    unsent: bytes = b""
    waiting: deque[tuple[float, int]] = field(default_factory=deque)  # (when, how many positions)
    marks: int = 0  # 0x7E of an answer of which only the first has come


class Terminals:
    """All connections of the process."""

    def __init__(self, port: int, connections: int) -> None:
        self.selector = selectors.DefaultSelector()
        self.terminals = []
        for _ in range(connections):
            terminal = Terminal(socket.create_connection(("127.0.0.1", port)))
            terminal.socket.setblocking(False)
            self.selector.register(terminal.socket, selectors.EVENT_READ, terminal)
            self.terminals.append(terminal)
        self.sent = self.answered = 0
        self.latencies: list[tuple[float, int]] = []

    def send(self, terminal: Terminal, data: bytes, positions: int, due: float) -> None:
        """Send positions that were due at a moment; what the socket does not take goes later, and counts from then."""
        terminal.unsent += data
        terminal.waiting.append((due, positions))
        self.sent += positions
        self.push(terminal)

    def push(self, terminal: Terminal) -> None:
        try:
            while terminal.unsent:
                terminal.unsent = terminal.unsent[terminal.socket.send(terminal.unsent) :]
        except BlockingIOError:
            return

    def hear(self, until: float) -> None:
        """Take answers until a moment."""
        while (left := until - stopwatch()) > 0:
            for key, _ in self.selector.select(left):
                terminal: Terminal = key.data
                data = terminal.socket.recv(262_144)
                assert data, "the city closed a connection"
                self.take(terminal, data, stopwatch())
                self.push(terminal)

    def take(self, terminal: Terminal, data: bytes, now: float) -> None:
        terminal.marks += data.count(b"\x7e")
        answers, terminal.marks = divmod(terminal.marks, 2)
        self.answered += answers
        while answers:
            at, positions = terminal.waiting[0]
            taken = min(answers, positions)
            self.latencies.append((now - at, taken))
            answers -= taken
            if taken == positions:
                terminal.waiting.popleft()
            else:
                terminal.waiting[0] = (at, positions - taken)

    def percentile(self, share: float) -> float:
        """The time within which so many of a hundred answers came."""
        seconds, weights = (np.array(each) for each in zip(*self.latencies, strict=True))
        order = np.argsort(seconds)
        reached = np.searchsorted(np.cumsum(weights[order]), share / 100 * weights.sum())
        return float(seconds[order][min(reached, len(order) - 1)])


def main(port: int, connections: int, rate: int, seconds: int) -> None:
    terminals = Terminals(port, connections)
    each = rate // connections  # positions of a connection in a second: so many vehicles behind it
    begun = stopwatch() + 0.5
    for second in range(seconds):
        vehicle = np.arange(each * connections)
        frames = _positions.frames(vehicle, np.full(len(vehicle), second), np.full(len(vehicle), second))
        for tick in range(TICKS):
            due = begun + second + tick / TICKS
            terminals.hear(due)
            for number, terminal in enumerate(terminals.terminals):
                first, last = each * tick // TICKS, each * (tick + 1) // TICKS
                piece = frames[number * each + first : number * each + last]
                if piece:
                    terminals.send(terminal, b"".join(piece), len(piece), due)
    ends = stopwatch() + PATIENCE
    while terminals.answered < terminals.sent and stopwatch() < ends:
        for terminal in terminals.terminals:
            terminals.push(terminal)
        terminals.hear(stopwatch() + 0.05)
    print(
        json.dumps(
            {
                "sent": terminals.sent,
                "answered": terminals.answered,
                "seconds": stopwatch() - begun,
                "p50": terminals.percentile(50),
                "p99": terminals.percentile(99),
                "longest": max(each for each, _ in terminals.latencies),
            }
        )
    )


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
