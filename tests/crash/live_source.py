"""A city that listens for vehicle terminals, made to be killed: ``python live_source.py HOME KILLS SEED``.

Children are forked from one warm process, listen, and are killed with SIGKILL at random moments, before, while and after
they land. The terminal goes on as terminals do: what nobody answered it sends again to the next one, then new positions.
The last child is left to answer everything; printed are the numbers of the positions that were answered, a line a kill.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from cityheart.kernel.clock import SystemClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.share.service import Share
from cityheart.share.wire.jt808_answers import Terminals
from tests.wire import scene

TOGETHER = 25  # positions that the terminal sends at once
ROUND = 150  # positions of one round, at most


def opened(home: Path) -> Share:
    """The city on the folder."""
    clock = SystemClock()
    database = Database(f"sqlite:///{home / 'city.sqlite'}", clock, Ids(clock))
    database.create_all()
    return scene.city(database, home, batch_seconds=0.01)


def frame(number: int) -> bytes:
    """Position `number`: always the same bytes but for its serial number."""
    return scene.message(0x0200, scene.place(scene.BEGIN + timedelta(seconds=number)), number)


def child(home: Path) -> tuple[int, int, int]:
    """A process that listens: its id, its port, and the pipe whose end lets it stop in order."""
    told, tell = os.pipe()
    wait, go = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(told)
        os.close(go)
        code = 1
        try:
            share = opened(home)
            share.listen()
            address = share.addresses()["transport.position"]
            assert address is not None
            os.write(tell, b"%d" % address[1])
            os.read(wait, 1)  # nothing is written there: the other end closes
            share.stop_listening()
            code = 0
        finally:
            os._exit(code)
    os.close(tell)
    os.close(wait)
    port = int(os.read(told, 16))
    os.close(told)
    return process, port, go


class Terminal:
    """Keeps what nobody answered."""

    def __init__(self) -> None:
        self.unanswered: dict[int, bytes] = {}
        self.next = 0

    def more(self, count: int) -> bytes:
        fresh = {number: frame(number) for number in range(self.next, self.next + count)}
        self.next += count
        self.unanswered |= fresh
        return b"".join(fresh.values())

    def take(self, data: bytes) -> tuple[list[int], bytes]:
        """The numbers that are answered, and the beginning of an answer that is not complete."""
        whole, _, rest = data.rpartition(b"\x7e")
        found = []
        for piece in whole.split(b"\x7e"):
            if piece:
                answer = piece.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
                _, serial, id, result = scene.general(answer)
                assert (id, result) == (0x0200, 0)
                found.append(serial)
                self.unanswered.pop(serial, None)
        return found, rest


def round(terminal: Terminal, port: int, until: float | None, least: int) -> list[int]:
    """Send, and hear answers: until a moment after so many came, or until everything is answered."""
    answered: list[int] = []
    held = b""
    limit = terminal.next + ROUND
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"".join(terminal.unanswered.values()))
        begun: float | None = None
        while True:
            if len(terminal.unanswered) < 2 * TOGETHER and terminal.next < limit:
                connection.sendall(terminal.more(TOGETHER))
            if until is not None and len(answered) >= least:
                begun = begun if begun is not None else stopwatch()
                if stopwatch() - begun >= until:
                    return answered
            ready, _, _ = select.select([connection], [], [], 30 if until is None or begun is None else until)
            if ready:
                data = connection.recv(65_536)
                assert data, "the city closed the connection"
                found, held = terminal.take(held + data)
                answered += found
            if until is None and not terminal.unanswered and terminal.next >= limit:
                return answered


def main(home: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    golden = pa.table({"at": [scene.BEGIN], "connection": pa.array([1], pa.int32()), "frame": [frame(0)]})
    Terminals().hear(golden)  # children then start warm
    framer = Terminals().framer()
    framer.feed(scene.BEGIN, 1, frame(0))
    framer.take()
    terminal = Terminal()
    for _ in range(kills):
        process, port, go = child(home)
        answered = round(terminal, port, rng.uniform(0, 0.15), rng.choice([0, 1, TOGETHER, 2 * TOGETHER]))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(go)
        print("answered", *answered)
    process, port, go = child(home)
    print("answered", *round(terminal, port, None, 0))
    os.close(go)
    _, status = os.waitpid(process, 0)
    assert status == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
