"""Thirty kill −9 among three workers, some between sending and noting: everything fired once, everything received once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from cityheart.account.service import Account
from cityheart.command import store
from cityheart.kernel import events, outbox
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids

from ..command.scene import START
from . import workers_nursery

KILLS = 30


def test_workers_that_are_killed_lose_and_double_nothing(
    database: Database, tables_url: str, clock: VirtualClock, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-m", "tests.crash.workers_nursery", tables_url, str(tmp_path), str(KILLS), "11"]
    done = subprocess.run(
        arguments, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    dead, own = (int(word) for word in done.stdout.split())
    assert dead >= KILLS and 0 < own < dead
    clock.advance_to(workers_nursery.AFTER)

    quiet = _as_if_nobody_died(tmp_path)
    assert _facts(database) == _facts(quiet), "each timer fired once, at its own moment, whoever did it"
    with database.read() as conn:
        assert store.next_due(conn) is None
        assert events.verify(conn) == []
        rows = conn.execute(sa.select(outbox.delivery_table)).all()
        keys = set(conn.execute(sa.select(outbox.outbox_table.c.key)).scalars())
    with quiet.read() as conn:
        assert keys == set(conn.execute(sa.select(outbox.outbox_table.c.key)).scalars())
    assert {row.state for row in rows} == {"sent"} and sorted(row.key for row in rows) == sorted(keys)
    received = Counter((tmp_path / "journal").read_text("utf-8").split())
    assert set(received) == keys, "nothing is lost"
    tries = {row.key: row.attempts for row in rows}
    assert all(times <= tries[key] for key, times in received.items()), "sent again only when it was claimed again"
    assert 0 < received.total() - len(keys) <= dead * workers_nursery.Journal.batch
    assert Account(database).verify() == []
    quiet.close()


def _as_if_nobody_died(folder: Path) -> Database:
    clock = VirtualClock(START)
    quiet = Database(f"sqlite:///{folder / 'quiet.sqlite'}", clock, Ids(clock, 1))
    quiet.create_all()
    command = workers_nursery.dispatched(quiet, folder)
    clock.advance_to(workers_nursery.AFTER)
    command.tick(clock.now())
    return quiet


def _facts(database: Database) -> tuple[list[object], list[object]]:
    """What happened in every run in its order, each with its own moment; and every task as it is now."""
    with database.read() as conn:
        happened = [
            (event.stream, event.n, event.type, event.data)
            for run in sorted(conn.execute(sa.select(store.run_table.c.id)).scalars())
            for event in events.read(conn, stream=f"run:{run}")
        ]
        tasks = [
            task
            for run in sorted(conn.execute(sa.select(store.run_table.c.id)).scalars())
            for task in sorted(store.tasks_of(conn, run), key=lambda task: task.id)
        ]
    return list(happened), list(tasks)
