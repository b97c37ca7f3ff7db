"""PostgreSQL is stopped in the middle of commits, twice: what was acknowledged is there, a repeated click counts once."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa

from cityheart.account.service import Account
from cityheart.command import store
from cityheart.command.service import Command
from cityheart.kernel import events
from cityheart.kernel.clock import SystemClock
from cityheart.kernel.database import Database, command_table
from cityheart.kernel.errors import Unavailable
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text

from .. import postgres
from ..command.scene import SYSTEM, centre, plan, step

Answer = TypeVar("Answer")

CLERKS = 3
CLICKS = 8  # of each clerk, at least, before and after each stop
PLAN = plan(step("a", "industry"), step("b", "health", after=["a"]), step("c", "ecology", delay="PT2H"))


class Clerk:
    """Clicks until told to stop; a click that was not answered is repeated under its own id until it is."""

    def __init__(self, number: int, command: Command, digest: str) -> None:
        self.number, self.command, self.digest = number, command, digest
        self.answered: dict[str, dict[str, object]] = {}
        self.interrupted = 0
        self.enough = threading.Event()
        self.progress = threading.Condition()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        try:
            for click in itertools.count(1):
                if self.enough.is_set():
                    return
                self._click(f"clerk-{self.number}-click-{click}")
        except BaseException as error:
            self.failure = error
            with self.progress:
                self.progress.notify_all()

    def _click(self, id: str) -> None:
        spec = {"title": text(id, id), "level": 2}
        answer = self._insist(lambda: self.command.dispatch(SYSTEM, id, spec, self.digest))
        self._note(id, answer)
        ((_, tasks),) = self._insist(lambda: self.command.runs(SYSTEM, str(answer["incident_id"])))
        first = next(task for task in tasks if task.step == "a")
        accept = f"{id}-accept"
        self._note(accept, self._insist(lambda: self.command.act(SYSTEM, accept, first.id, "accept")))

    def _note(self, id: str, answer: dict[str, object]) -> None:
        with self.progress:
            self.answered[id] = answer
            self.progress.notify_all()

    def _insist(self, do: Callable[[], Answer]) -> Answer:
        while True:
            try:
                return do()
            except Unavailable:
                self.interrupted += 1
                self.enough.wait(0.02)

    def more(self, count: int) -> None:
        """Wait until so many more clicks were answered."""
        with self.progress:
            wanted = len(self.answered) + count
            assert self.progress.wait_for(lambda: len(self.answered) >= wanted or self.failure is not None, 60)
        assert self.failure is None, self.failure


def test_a_store_that_is_stopped_mid_commit_loses_and_doubles_nothing(tmp_path: Path) -> None:
    if postgres.binaries() is None:
        if os.environ.get("CI"):
            pytest.fail(postgres.INSTALL)
        pytest.skip(postgres.INSTALL)
    with postgres.server("fsync=off") as server:  # the machine goes on: what was written stays written
        clock = SystemClock()
        database = Database(server.url, clock, Ids(clock))
        database.create_all()
        command = centre(database, tmp_path)
        digest = command.publish(SYSTEM, PLAN)
        clerks = [Clerk(number, command, digest) for number in range(CLERKS)]
        for clerk in clerks:
            clerk.thread.start()
        for _ in range(2):
            clerks[0].more(CLICKS)
            server.stop_at_once()
            server.start()
        for clerk in clerks:
            clerk.more(CLICKS)
        for clerk in clerks:
            clerk.enough.set()
        for clerk in clerks:
            clerk.thread.join()
        assert sum(clerk.interrupted for clerk in clerks) > 0, "the stops came in the middle of something"
        _proved(database, clerks)
        database.close()


def _proved(database: Database, clerks: list[Clerk]) -> None:
    answered = {id: answer for clerk in clerks for id, answer in clerk.answered.items()}
    with database.read() as conn:
        on_record = {row.id: row.result for row in conn.execute(sa.select(command_table))}
        runs = conn.execute(sa.select(store.run_table.c.id)).scalars().all()
        started = [event.data["run"] for event in _all(conn, "run.started")]
        accepted = [event.data["task"] for event in _all(conn, "task.accepted")]
        assert events.verify(conn) == []
    assert on_record == answered
    assert (
        sorted(runs) == sorted(started) == sorted(str(a["run_id"]) for id, a in answered.items() if "accept" not in id)
    )
    assert sorted(map(str, accepted)) == sorted(str(a["task_id"]) for id, a in answered.items() if "accept" in id)
    assert Account(database).verify() == []


def _all(conn: sa.Connection, type: str) -> list[events.Event]:
    found: list[events.Event] = []
    while page := events.read(conn, after=found[-1].seq if found else 0, types={type}):
        found += page
    return found
