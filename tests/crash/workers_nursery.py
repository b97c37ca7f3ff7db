"""Workers that are shot at their benches: ``python -m tests.crash.workers_nursery URL FOLDER KILLS SEED``.

Three processes fire what is due and carry messages out, all in the same database. Now and then one kills itself after the
receiver has a message and before that is noted; the parent kills others at random moments. In the end one is left until
nothing waits.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from cityheart.command.service import Command
from cityheart.kernel import limits, outbox
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.deliveries.relays import Relays
from cityheart.kernel.ids import Ids
from cityheart.kernel.outbox import SENT, Message, Outcome, Sending
from cityheart.kernel.text import text

from ..command.scene import START, SYSTEM, centre, plan, step

LANES = 3
RUNS = 24
AFTER = START + timedelta(hours=12)  # everything the plan has is due by then
LADDER = [{"at": "accept", "to": "coordinator"}, {"at": "PT2H", "to": "mayor"}, {"at": "due", "to": "duty_officer"}]
PLAN = plan(
    *(step(f"now-{number}", "industry", escalate=LADDER) for number in range(2)),
    step("soon", "health", delay="PT1H", escalate=LADDER),
    step("late", "ecology", delay="PT3H", escalate=LADDER[:1]),
)


class Journal:
    """A receiver that remembers every key it is handed, for good, in one write."""

    name = "journal"
    batch = 5

    def __init__(self, path: Path, dice: random.Random | None) -> None:
        self.path, self.dice = path, dice

    def recipients(self, message: Message) -> Sequence[str]:
        """Everything."""
        return ("",)

    def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Write it down; sometimes die before anybody hears of it."""
        with self.path.open("ab", buffering=0) as file:
            file.write(b"".join(f"{message.key}\n".encode() for message in messages))
        if self.dice is not None and self.dice.random() < 0.2:
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


def work(url: str, folder: Path, life: int, *, mortal: bool) -> None:
    """One life: fire and carry until nothing is left. A later life has a later clock, past the leases of the dead."""
    clock = VirtualClock(AFTER + life * limits.OUTBOX_LEASE)
    database = Database(url, clock, Ids(clock, seed=life))
    command = centre(database, folder)
    journal = Journal(folder / "journal", random.Random(life) if mortal else None)
    relays = Relays(database, Sending(folder, database), [journal])
    while True:
        command.tick(clock.now())
        relays.carry()
        with database.read() as conn:
            waiting = sa.select(sa.func.count()).select_from(outbox.delivery_table)
            left = conn.execute(waiting.where(outbox.delivery_table.c.state == "waiting")).scalar_one()
        if command.next_due() is None and not left:
            return
        if not mortal:
            clock.advance_to(clock.now() + limits.OUTBOX_LEASE)


def main(url: str, folder: Path, kills: int, seed: int) -> None:
    """Let them work, see ``kills`` of them die, and let a last one finish."""
    dice = random.Random(seed)
    clock = VirtualClock(START)
    database = Database(url, clock, Ids(clock, seed=seed))
    dispatched(database, folder)
    database.close()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    lives, alive, dead, own = 0, set[int](), 0, 0
    while dead < kills:
        while len(alive) < LANES:
            lives += 1
            alive.add(_born(url, folder, lives))
        signal.sigtimedwait({signal.SIGCHLD}, dice.uniform(0.02, 0.12))
        for pid in list(alive):  # those that shot themselves between sending and noting
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                alive.remove(pid)
                if not os.WIFSIGNALED(status):
                    assert os.WEXITSTATUS(status) == 0, "a worker died of itself"
                    lives += 1  # it finished; others still hold leases
                else:
                    dead, own = dead + 1, own + 1
        if alive and dice.random() < 0.5:
            pid = dice.choice(sorted(alive))
            alive.remove(pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            dead += 1
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    work(url, folder, lives + 1, mortal=False)
    print(dead, own)


def _born(url: str, folder: Path, life: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(url, folder, life, mortal=True)
            code = 0
        finally:
            os._exit(code)
    return child


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
