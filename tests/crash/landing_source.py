"""A source that delivers without end, made to be killed: ``python landing_source.py HOME KILLS SEED``.

Children are forked from one warm process and killed with SIGKILL at random moments, before, while and after they land.
Each goes on at the first delivery that nobody answered, in other groups than before, as a source would. Acknowledged
deliveries go to standard output, one number a line; the last child is left to finish and prints ``done N``.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cityheart.engine.lake import Lake
from cityheart.kernel import limits
from cityheart.kernel.clock import VirtualClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.share.connectors.push import Push
from cityheart.share.contracts import Contract
from cityheart.share.landing import examine, identify
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.share.service import Share

BEGIN = datetime(2015, 11, 1, tzinfo=UTC)
ROWS = 6  # good rows of a small delivery; a bad one comes with them
LARGE = 7  # every so manyth delivery is large and lands block by block
LARGE_ROWS = 300

CONTRACT = {
    "name": "readings",
    "schema": {
        "fields": [
            {"name": "id", "type": "integer"},
            {"name": "at", "type": "datetime"},
            {"name": "value", "type": "number"},
        ],
        "primaryKey": "id",
    },
    "cityheart": {"owner": "ecology", "time": "at"},
}

SOURCE = Source("ecology.readings", "ecology", text("读数", "readings"), "push", {}, "readings")


def size(number: int) -> int:
    """How many good rows a delivery has."""
    return LARGE_ROWS if number % LARGE == 0 else ROWS


def delivery(number: int) -> Delivery:
    """Delivery `number`: always the same bytes."""
    first = number * 1_000
    at = BEGIN + timedelta(hours=number)
    rows = [f"{first + row},{at + timedelta(minutes=row):%Y-%m-%d %H:%M},{row}.5" for row in range(size(number))]
    body = "\n".join(["id,at,value", *rows[:3], f"{first + 999},{at:%Y-%m-%d %H:%M},broken", *rows[3:]])
    return Delivery(f"readings-{number}.csv", at, body.encode())


def opened(home: Path) -> Share:
    """The share on the folder."""
    clock = VirtualClock(BEGIN)
    database = Database(f"sqlite:///{home / 'city.sqlite'}", clock, Ids(clock, 1))
    database.create_all()
    share = Share(database, Lake(home / "lake"), connectors=[Push()])
    share.register(
        [Department("ecology", text("生态环境局", "ecology"))],
        [Dataset.of(Contract.parse(CONTRACT))],
        [SOURCE],
    )
    return share


def deliver(home: Path, first: int, last: int | None, pipe: int, rng: random.Random) -> None:
    """Land from `first` on, in groups of one to four, and say each number after it was acknowledged."""
    share = opened(home)
    os.write(pipe, b"ready\n")
    number = first
    while last is None or number < last:
        group = range(number, number + rng.randint(1, 4))
        share.land("ecology.readings", [delivery(each) for each in group])
        os.write(pipe, b"".join(b"%d\n" % each for each in group))
        number = group[-1] + 1


def child(home: Path, first: int, last: int | None, rng: random.Random) -> tuple[int, int]:
    """A process that delivers; its id and the pipe it answers through."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        try:
            deliver(home, first, last, writing, rng)
        finally:
            os._exit(0)
    os.close(writing)
    return process, reading


class Ear:
    """Listens to a child: lines in the order they come, until a number of them, a time or the child's end."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe
        self.data = b""

    def listen(self, *, lines: int | None = None, seconds: float | None = None) -> None:
        begun = stopwatch()
        while lines is None or self.data.count(b"\n") < lines:
            left = None if seconds is None else seconds - (stopwatch() - begun)
            if left is not None and left <= 0:
                return
            ready, _, _ = select.select([self.pipe], [], [], left)
            if ready:
                piece = os.read(self.pipe, 65_536)
                if not piece:
                    return
                self.data += piece

    @property
    def numbers(self) -> list[int]:
        return [int(line) for line in self.data.split() if line != b"ready"]


def main(home: Path, kills: int, seed: int) -> None:
    limits.LAND_TOGETHER_BYTES = 2_000  # of this process and its children: large deliveries take several blocks
    limits.BLOCK_BYTES = limits.COMMIT_BYTES = 4_096
    rng = random.Random(seed)
    examine(SOURCE, Contract.parse(CONTRACT), [identify(SOURCE.id, delivery(1))])  # children then start warm
    following = 0
    landing = 0.05  # seconds one call takes on this machine, as seen last
    for kill in range(kills):
        process, pipe = child(home, following, None, random.Random(rng.random()))
        ear = Ear(pipe)
        if kill % 10 == 9:  # while it starts
            ear.listen(seconds=rng.uniform(0, 0.2))
        else:  # after some acknowledgements, at a random moment of the next call
            ear.listen(lines=1)
            begun, calls = stopwatch(), rng.randint(0, 1)
            ear.listen(lines=1 + 2 * calls)
            if calls:
                landing = (stopwatch() - begun) / calls
            ear.listen(seconds=rng.uniform(0, 1.2 * landing))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        ear.listen()  # what the dead one had still said
        os.close(pipe)
        print(*ear.numbers, sep="\n", end="\n" if ear.numbers else "")
        following = max([following, *(number + 1 for number in ear.numbers)])
    process, pipe = child(home, following, following + 8, random.Random(seed))
    ear = Ear(pipe)
    ear.listen()
    os.waitpid(process, 0)
    print(*ear.numbers, sep="\n")
    print("done", max(ear.numbers) + 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
