"""An inbox, and the timeline of an incident, in a store of ten million closed tasks and some ten thousand open ones.

Thirty-one runs of twenty steps are played through the product, once with open and once with closed tasks, and copied inside
SQLite until there are as many as asked for: every column and index is there. Events are copied for one incident in
``--share``: more would be 30 GB. Copied events are not hash-chained anew, which reading does not look at. Asked is as the
console asks: a department's open tasks, all open tasks, and everything that happened in an incident, as JSON; each time
another department or incident. ``python -m bench.closed_tasks [--tasks N] [--share N]``
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench._filled import copies, templates
from bench._harness import Measure, milliseconds, report
from cityheart.command.models import Task
from cityheart.command.service import Command
from cityheart.command.views import task_json
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import text

DEPARTMENTS, STEPS, TEMPLATES = 62, 20, 31
OPEN_COPIES = 16  # of the runs whose tasks are open: about 160 tasks for each department
PAGE = 50  # rows, as the console asks
SYSTEM = Actor.system("bench")


class City:
    """A store with many tasks, and how to ask it."""

    def __init__(self, folder: Path, tasks: int, share: int) -> None:
        self.clock = VirtualClock(datetime(2015, 11, 1, tzinfo=UTC))
        self.database = Database(f"sqlite:///{folder / 'city.sqlite'}", self.clock, Ids(self.clock, seed=1))
        self.database.create_all()
        self.command = Command(self.database, folder / "files")
        self.command.register_units({f"unit-{n}": text(f"部门{n}", f"unit {n}") for n in range(DEPARTMENTS)})
        done = [self._run(number) for number in range(TEMPLATES)]
        for _, run in done:
            self._finish(run)
        still = [self._run(number, again=True) for number in range(TEMPLATES)]
        last = tasks // (TEMPLATES * STEPS)
        self.database.engine.dispose()
        conn = sqlite3.connect(folder / "city.sqlite", isolation_level=None)
        # made in one go and never broken off; the product's own settings come back with its own connections
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-2000000"):
            conn.execute(f"pragma {pragma}")
        conn.execute("begin")
        templates(conn.execute, [run for _, run in done])
        year = "cast(1984 + n.i % 30 as text) || substr(t.{0}, 5)"  # the copies are spread over thirty years
        spread = {name: year.format(name) for name in ("opened_at", "planned_at", "dispatched_at", "due", "closed_at")}
        copies(conn.execute, ("incident", "run", "task"), 1, last, {"task": spread})
        copies(conn.execute, ("event",), 1, max(1, last // share))
        templates(conn.execute, [run for _, run in still])
        copies(conn.execute, ("incident", "run", "task", "timer", "event"), last + 1, last + OPEN_COPIES)
        conn.execute("commit")
        conn.execute("analyze")
        conn.close()
        self.incidents = [
            f"{100_000_000 + number}{incident}"
            for number in range(1, max(1, last // share) + 1)
            for incident, _ in done
        ]
        with self.database.read() as conn:
            self.rows = [
                int(conn.exec_driver_sql(f"select count(*) from {table}").scalar_one()) for table in ("task", "event")
            ]
        self.megabytes = sum(each.stat().st_size for each in folder.glob("city.sqlite*")) / 1e6

    def _run(self, number: int, *, again: bool = False) -> tuple[str, str]:
        steps = [
            {
                "id": f"step-{n}", "title": text(f"第{n}步", f"step {n}"), "unit": f"unit-{(number * STEPS + n) % DEPARTMENTS}",
                "accept_within": "PT30M", "due": "PT6H",
            }
            for n in range(STEPS)
        ]  # fmt: skip
        plan = {"plan": f"many-{number}", "version": "1", "title": text("许多", "many"), "steps": steps}
        digest = self.command.publish(SYSTEM, plan)
        spec = {"alert_id": f"alert-{number}-{again}", "level": 2}
        result = self.command.dispatch(SYSTEM, f"click-{number:04d}-{again}", spec, digest)
        return str(result["incident_id"]), str(result["run_id"])

    def _finish(self, run: str) -> None:
        for verb in ("accept", "submit", "verify"):
            self.clock.advance_to(self.clock.now() + timedelta(minutes=7))
            for task in self.command.run(SYSTEM, run)[1]:
                self.command.act(SYSTEM, f"{verb}-{task.id}", task.id, verb, note="巡查完毕")

    def inbox(self, unit: str | None) -> None:
        """One page of the open tasks of a department, or of all, as JSON."""
        found, total = self.command.tasks(SYSTEM, unit=unit, over=False, limit=PAGE)
        assert len(found) == PAGE
        assert total >= PAGE
        self._shown(found)

    def closed(self, unit: str) -> None:
        """One page of the closed tasks of a department, of which there are very many."""
        found, total = self.command.tasks(SYSTEM, unit=unit, state="closed", limit=PAGE)
        assert min(PAGE, total) == len(found)
        self._shown(found)

    def _shown(self, found: Sequence[Task]) -> None:
        plans = self.command.plans_of(task.run for task in found)
        receipts = self.command.receipts(task.id for task in found)
        for task in found:
            canonical(task_json(self.command, SYSTEM, task, plans[task.run], receipts.get(task.id, ()), ()))

    def timeline(self, incident: str) -> None:
        """Everything that happened in an incident, as JSON."""
        found = self.command.log(SYSTEM, incident)
        assert len(found) > 4 * STEPS, f"{len(found)} events"
        canonical([event.json() for event in found])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000_000)
    parser.add_argument("--share", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as name:
        begun = stopwatch()
        city = City(Path(name), asked.tasks, asked.share)
        made = stopwatch() - begun
        chosen = random.Random(5)
        units = [f"unit-{number}" for number in range(DEPARTMENTS)]

        def p95(action: Callable[[str], None], cases: list[str]) -> float:
            return float(np.percentile([milliseconds(action, case) for case in cases], 95))

        city.inbox(units[0])  # imports and statements
        inbox = p95(city.inbox, units * 3)
        whole = p95(lambda _: city.inbox(None), units)
        timeline = p95(city.timeline, chosen.sample(city.incidents, min(200, len(city.incidents))))
        closed = p95(city.closed, units[:8])
        city.database.close()
    tasks, events = city.rows
    report(
        f"{tasks:,} tasks, {events:,} events in SQLite",
        [
            Measure("a department's open tasks, p95", "ms", inbox, target=50.0, aim="at most"),
            Measure("the city's open tasks, p95", "ms", whole, target=50.0, aim="at most"),
            Measure("timeline of an incident, p95", "ms", timeline, target=100.0, aim="at most"),
            Measure("a department's closed tasks, counted, p95", "ms", closed),
        ],
        notes=[f"{city.megabytes:,.0f} MB, made in {made:.0f} s"],
    )


if __name__ == "__main__":
    main()
