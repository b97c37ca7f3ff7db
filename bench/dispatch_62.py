"""One click that gives 62 departments a task: how long until it is durable, on SQLite and on PostgreSQL.

A click is the whole verb: idempotency row, incident, run, 62 tasks with their timers and escalations, 64 hash-chained
events, the message to the departments, commit. The databases are the product's own settings: SQLite with WAL and
``synchronous=FULL``, PostgreSQL over a Unix socket with fsync. The peer is DBOS with one workflow of 62 recorded steps
that do nothing, on SQLite; not like for like, since it commits each step by itself.
``python -m bench.dispatch_62 [--clicks N]``
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench._harness import Measure, milliseconds, report
from bench._peers import ask
from cityheart.command.service import Command
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from tests import postgres

DEPARTMENTS = 62
TARGET_MS = 50.0
SYSTEM = Actor.system("bench")


def plan() -> dict[str, object]:
    """A plan that tells every department at once, each with a ladder of two rungs."""
    ladder = [{"at": "accept", "to": "coordinator"}, {"at": "due", "to": "mayor"}]
    steps = [
        {
            "id": f"step-{number}", "title": text(f"第{number}步", f"step {number}"), "unit": f"unit-{number}",
            "accept_within": "PT30M", "due": "PT6H", "escalate": ladder, "evidence": [{"kind": "note", "min": 1}],
        }
        for number in range(DEPARTMENTS)
    ]  # fmt: skip
    return {"plan": "everybody", "version": "1", "title": text("全体", "everybody"), "steps": steps}


def clicks(url: str, folder: Path, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Milliseconds of each of ``count`` clicks after ten that warm up; every one is checked to have written 62 tasks."""
    clock = VirtualClock(datetime(2015, 11, 1, tzinfo=UTC))
    database = Database(url, clock, Ids(clock, seed=1))
    database.create_all()
    command = Command(database, folder / "files")
    command.register_units({f"unit-{number}": text(f"部门{number}", f"unit {number}") for number in range(DEPARTMENTS)})
    digest = command.publish(SYSTEM, plan())

    def click(number: int) -> None:
        command.dispatch(SYSTEM, f"click-{number:06d}", {"alert_id": f"alert-{number}", "level": 1}, digest)

    for number in range(10):
        click(number)
    taken = np.array([milliseconds(click, number) for number in range(10, 10 + count)])
    _, tasks = command.tasks(SYSTEM, state="dispatched", limit=1)
    assert tasks == DEPARTMENTS * (count + 10), f"{tasks} tasks were written"
    database.close()
    return taken


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=100)
    count = parser.parse_args().clicks
    measures, notes = [], []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cityheart-bench-")))
        told = ask("dbos", f"sqlite:///{folder / 'dbos.sqlite'}", str(DEPARTMENTS), str(max(3, count // 10)))
        peer = None if told is None else told["median_ms"]
        stores = {"SQLite": f"sqlite:///{folder / 'city.sqlite'}"}
        if postgres.binaries() is None:
            notes.append(postgres.INSTALL)
        else:
            stores["PostgreSQL"] = stack.enter_context(postgres.cluster())
        for name, url in stores.items():
            taken = clicks(url, folder, count)
            beside = "DBOS" if name == "SQLite" else ""
            median, slowest = float(np.percentile(taken, 50)), float(np.percentile(taken, 95))
            measures += [
                Measure(
                    f"one click, 62 departments, {name}, p50", "ms", median, peer if beside else None, beside=beside
                ),
                Measure(f"one click, 62 departments, {name}, p95", "ms", slowest, target=TARGET_MS, aim="at most"),
            ]
    report(f"one click, 62 departments, {count} clicks", measures, notes=notes)


if __name__ == "__main__":
    main()
