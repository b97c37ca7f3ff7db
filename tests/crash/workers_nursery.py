"""Workers that are shot at their benches: ``python -m tests.crash.workers_nursery URL FOLDER KILLS SEED``.

Three processes fire what is due and carry messages out, all in the same database. Every second one kills itself after the
receiver has a message and before that is noted; the others are killed by the parent at random moments, and none of them
carries more than a little, so that there is work for all. In the end one is left until nothing waits.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from cityheart.command import worker
from cityheart.command.service import Command
from cityheart.kernel import limits, outbox
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.outbox import SENT, Message, Outcome, Sending
from cityheart.kernel.text import text

from ..command.scene import START, SYSTEM, centre, plan, step

LANES = 3
RUNS = 30
LITTLE = 2  # batches that a worker may carry before its end
AFTER = START + timedelta(hours=12)  # everything the plan has is due by then
LADDER = [{"at": "accept", "to": "coordinator"}, {"at": "PT2H", "to": "mayor"}, {"at": "due", "to": "duty_officer"}]
PLAN = plan(
    *(step(f"now-{number}", "industry", escalate=LADDER) for number in range(2)),
    step("soon", "health", delay="PT1H", escalate=LADDER),
    step("late", "ecology", delay="PT3H", escalate=LADDER[:1]),
)


class Journal:
    """A receiver that remembers every key it is handed, for good, in one write. ``dies_at``: at which call its caller does."""

    name = "journal"
    batch = 5

    def __init__(self, path: Path, dies_at: int | None = None) -> None:
        self.path, self.dies_at, self.calls = path, dies_at, 0

    def recipients(self, message: Message) -> Sequence[str]:
        """Everything."""
        return ("",)

    def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Write it down; die before anybody hears of it."""
        self.calls += 1
        with self.path.open("ab", buffering=0) as file:
            file.write(b"".join(f"{message.key}\n".encode() for message in messages))
        if self.calls == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return [SENT] * len(messages)


def dispatched(database: Database, folder: Path) -> Command:
    """The runs that are going to be due."""
    command = centre(database, folder)
    digest = command.publish(SYSTEM, PLAN)
    for number in range(RUNS):
        name = f"run-{number:04d}"
        command.dispatch(SYSTEM, f"click-{name}", {"title": text(name, name), "level": 2}, digest)
    return command


class Worker:
    """One life. A later life carries messages by a later clock, past the leases of the dead.

    What is due is fired and handed to channels by one clock for all: a message that a later life posts can be
    carried by an earlier one, so that nobody waits for work that is not there.
    """

    def __init__(self, url: str, folder: Path, life: int, dies_at: int | None = None) -> None:
        self.clock, firing = VirtualClock(AFTER + life * limits.OUTBOX_LEASE), VirtualClock(AFTER)
        self.database = Database(url, self.clock, Ids(self.clock, seed=life))
        self.posting = Database(url, firing, Ids(firing, seed=life))
        self.command = centre(self.posting, folder)
        self.journal = Journal(folder / "journal", dies_at)
        self.sending = Sending(folder, self.database)

    def turn(self) -> None:
        """Fire what is due, carry one batch."""
        self.command.tick(AFTER)
        outbox.route(self.posting, [self.journal])
        outbox.relay(self.database, self.sending, self.journal)

    def finish(self) -> None:
        """Go on until nothing waits."""
        while self._left():
            self.turn()
            self.clock.advance_to(self.clock.now() + limits.OUTBOX_LEASE)

    def _left(self) -> bool:
        waiting = sa.select(sa.literal(1)).where(outbox.delivery_table.c.state == "waiting").limit(1)
        with self.database.read() as conn:
            return self.command.next_due() is not None or conn.execute(waiting).first() is not None


def main(url: str, folder: Path, kills: int, seed: int) -> None:
    """Let them work, see ``kills`` of them die, and let a last one finish."""
    worker.INSTANTS = 7  # more transactions to be killed in
    dice = random.Random(seed)
    clock = VirtualClock(START)
    database = Database(url, clock, Ids(clock, seed=seed))
    dispatched(database, folder)
    database.close()
    lives, own, alive = 0, 0, dict[int, tuple[int, int]]()  # process: its life, and where it says that it lives
    for death in range(kills + LANES - 1):
        while len(alive) < LANES and death < kills:
            lives += 1
            alive.update([_born(url, folder, lives)])
        process = dice.choice(sorted(alive))
        life, ear = alive.pop(process)
        if life % 2:
            assert os.read(ear, 1), "a worker died of itself"
            select.select([], [], [], dice.uniform(0, 0.15))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        assert os.WIFSIGNALED(status), "a worker died of itself"
        os.close(ear)
        own += 1 - life % 2
    Worker(url, folder, lives + 1).finish()
    print(kills + LANES - 1, own)


def _born(url: str, folder: Path, life: int) -> tuple[int, tuple[int, int]]:
    ear, mouth = os.pipe()
    child = os.fork()
    if child:
        os.close(mouth)
        return child, (life, ear)
    try:
        _live(url, folder, life, mouth)
    finally:
        os._exit(1)


def _live(url: str, folder: Path, life: int, mouth: int) -> None:
    one = Worker(url, folder, life, None if life % 2 else 1 + life // 2 % LITTLE)
    os.write(mouth, b"I")
    parent = os.getppid()
    while one.journal.calls < LITTLE and os.getppid() == parent:
        one.turn()
    while os.getppid() == parent:  # until it comes
        select.select([], [], [], 1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
