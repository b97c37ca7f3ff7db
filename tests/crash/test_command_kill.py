"""Thirty kill −9 among three processes that dispatch and act: nothing acknowledged is lost, nothing is done twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from cityheart.account.service import Account
from cityheart.command import store
from cityheart.command.engine import timers
from cityheart.kernel import events
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database, command_table
from cityheart.kernel.ids import derive

from ..command.scene import SYSTEM, Desk, centre, minutes

KILLS = 30
EVENT_OF = {
    "task.accept": "task.accepted", "task.submit": "task.submitted", "task.verify": "task.closed", "task.reject": "task.rejected",
    "task.return": "task.returned", "task.decide_return": "task.sent_back", "task.suspend": "task.suspended",
    "task.resume": "task.resumed", "task.cancel": "task.cancelled", "incident.dispatch": "run.started",
}  # fmt: skip


@pytest.mark.parametrize("seed", [7])
def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(
    database: Database, tables_url: str, clock: VirtualClock, tmp_path: Path, seed: int
) -> None:
    arguments = [
        sys.executable,
        "-m",
        "tests.crash.command_nursery",
        tables_url,
        str(tmp_path),
        str(KILLS),
        str(seed),
    ]
    done = subprocess.run(
        arguments, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = [json.loads(line) for path in tmp_path.glob("lane-*.jsonl") for line in path.read_text("utf-8").splitlines()]
    acknowledged = {each["ack"]: each for each in said if "ack" in each and not each.get("refused")}
    assert len(acknowledged) > KILLS

    with database.read() as conn:
        clock.advance_to(events.latest(conn) or clock.now())
        commands = conn.execute(sa.select(command_table)).all()
        log = _log(conn)
        receipts = conn.execute(sa.select(store.receipt_table.c.id)).scalars().all()
        waiting = {tuple(row) for row in conn.execute(sa.select(store.timer_table))}
        runs = conn.execute(sa.select(store.run_table.c.id)).scalars().all()
        tasks = [task for run in runs for task in store.tasks_of(conn, run)]

    # every acknowledged command is on record, with the answer that was given
    on_record = {row.id: row.result for row in commands}
    assert all(on_record.get(id) == each["result"] for id, each in acknowledged.items())
    # every command on record happened exactly once
    happened = Counter(
        (event.type, event.data.get("task") or event.data["run"]) for event in log if event.type in EVENT_OF.values()
    )
    ordered = Counter((EVENT_OF[row.verb], row.result.get("task_id") or row.result["run_id"]) for row in commands)
    assert ordered == happened
    assert sorted(receipts) == sorted(
        derive("receipt", row.result["task_id"], row.id) for row in commands if row.verb == "task.submit"
    )
    assert sorted(runs) == sorted(row.result["run_id"] for row in commands if row.verb == "incident.dispatch")
    assert Counter((task.run, task.step, task.round) for task in tasks).most_common(1)[0][1] == 1
    # whatever waits, waits for the right moment
    assert waiting == {
        (timer.run, timer.step, timer.round, timer.kind, timer.fire_at) for task in tasks for timer in timers(task)
    }
    # hash chains, custody to the microsecond, scores
    assert Account(database).verify() == []
    _goes_on(database, clock, tmp_path)


def _log(conn: sa.Connection) -> list[events.Event]:
    found: list[events.Event] = []
    while page := events.read(conn, after=found[-1].seq if found else 0):
        found += page
    return found


def _goes_on(database: Database, clock: VirtualClock, folder: Path) -> None:
    """Whoever comes next can bring a run to its end."""
    desk = Desk(centre(database, folder))
    clock.advance_to(clock.now() + minutes(24 * 60))
    desk.command.tick(clock.now())
    desk.command.tick(clock.now())
    (incident, *_), _ = desk.command.incidents(SYSTEM, "open")
    desk.command.lift(SYSTEM, "lift-after-all", incident.id, "演练结束")
    for task in [task for task in desk.tasks(incident.id) if not task.over]:
        desk.command.act(SYSTEM, f"cancel-{task.id}", task.id, "cancel", reason="演练结束")
    assert desk.command.incident(SYSTEM, incident.id).state == "closed"
    assert Account(database).verify() == []
