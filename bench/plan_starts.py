"""Starting plans of four steps, one after another: beside the store's own commits, and beside DBOS.

A start is the whole verb through one client: idempotency row, incident, run, four tasks with their timers, hash-chained
events, message to the department, one durable commit. *Commits* are transactions of one row in a bare SQLite file with the
product's settings, on the same disk. DBOS runs workflows of four recorded steps that do nothing; not like for like: it
commits each step by itself, and its start is over only when the workflow is. They take turns, round by round; the median
round counts. ``python -m bench.plan_starts [--starts N] [--rounds N]``
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench._harness import Measure, report
from bench._peers import PRAGMAS, ask
from cityheart.command.service import Command
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from tests import postgres

STEPS = 4
SYSTEM = Actor.system("bench")


def plan() -> dict[str, object]:
    """Four steps, each after the one before."""
    steps: list[dict[str, object]] = [
        {
            "id": f"step-{number}", "title": text(f"第{number}步", f"step {number}"), "unit": f"unit-{number}",
            "accept_within": "PT30M", "due": "PT6H", **({"after": [f"step-{number - 1}"]} if number else {}),
        }
        for number in range(STEPS)
    ]  # fmt: skip
    return {"plan": "four", "version": "1", "title": text("四步", "four steps"), "steps": steps}


class Starts:
    """Plans started in one store."""

    def __init__(self, url: str, folder: Path) -> None:
        clock = VirtualClock(datetime(2015, 11, 1, tzinfo=UTC))
        self._database = Database(url, clock, Ids(clock, seed=1))
        self._database.create_all()
        self._command = Command(self._database, folder / "files")
        self._command.register_units({f"unit-{n}": text(f"部门{n}", f"unit {n}") for n in range(STEPS)})
        self._digest = self._command.publish(SYSTEM, plan())
        self._started = 0
        self.rate(20)

    def rate(self, count: int) -> float:
        """Starts a second over ``count`` of them; every one is checked to have written its tasks."""
        begun = stopwatch()
        for number in range(self._started, self._started + count):
            spec = {"alert_id": f"alert-{number}", "level": 2}
            self._command.dispatch(SYSTEM, f"click-{number:06d}", spec, self._digest)
        seconds = stopwatch() - begun
        self._started += count
        _, tasks = self._command.tasks(SYSTEM, limit=1)
        assert tasks == STEPS * self._started, f"{tasks} tasks were written"
        return count / seconds

    def close(self) -> None:
        """Close the store."""
        self._database.close()


class Commits:
    """Transactions of one row each in a bare SQLite file."""

    def __init__(self, file: Path) -> None:
        self._conn: Any = sqlite3.connect(file, isolation_level=None)
        for pragma in PRAGMAS:
            self._conn.execute(f"pragma {pragma}")
        self._conn.execute("create table line (id integer primary key, said text not null)")

    def rate(self, count: int) -> float:
        """Commits a second over ``count`` of them."""
        begun = stopwatch()
        for number in range(count):
            self._conn.execute("begin immediate")
            self._conn.execute("insert into line (said) values (?)", (f"{number:0200d}",))
            self._conn.execute("commit")
        return count / (stopwatch() - begun)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    count, few = asked.starts, max(10, asked.starts // 10)
    notes: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cityheart-bench-")))
        stores = {"SQLite": f"sqlite:///{folder / 'city.sqlite'}"}
        peers = {"SQLite": f"sqlite:///{folder / 'dbos.sqlite'}"}
        if postgres.binaries() is None:
            notes.append(postgres.INSTALL)
        else:
            stores["PostgreSQL"] = stack.enter_context(postgres.cluster())
            peers["PostgreSQL"] = stack.enter_context(postgres.cluster())  # the same kind of server, its own
        starts = {name: Starts(url, folder) for name, url in stores.items()}
        commits = Commits(folder / "raw.sqlite")
        ours: dict[str, list[float]] = {name: [] for name in stores}
        dbos: dict[str, list[float]] = {name: [] for name in stores}
        raw: list[float] = []
        for _ in range(asked.rounds):
            raw.append(commits.rate(count))
            for name in stores:
                ours[name].append(starts[name].rate(count))
                if (told := ask("dbos", peers[name], str(STEPS), str(few if name == "SQLite" else count))) is not None:
                    dbos[name].append(told["per_second"])
        for each in starts.values():
            each.close()
    aims = {"SQLite": 10.0, "PostgreSQL": 1.5}
    measures = [
        Measure(
            f"plan starts, {name}", "/s", median(ours[name]), median(dbos[name]) if dbos[name] else None, aims[name],
            smaller_is_better=False, beside="DBOS workflows",
        )
        for name in stores
    ]  # fmt: skip
    measures.append(
        Measure(
            "plan starts, SQLite, beside commits of one row", "/s", median(ours["SQLite"]), median(raw), 0.7,
            smaller_is_better=False, beside="commits",
        )
    )  # fmt: skip
    report(f"starts of a plan of {STEPS} steps, {asked.rounds} rounds of {count}", measures, notes=notes)


if __name__ == "__main__":
    main()
