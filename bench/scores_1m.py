"""Scores of a million closed tasks out of the event log, and KPIs of ten million: how long, and are they right?

A store is made with five events a task, the first 50,000 tasks in hash chains, the rest copied from them. *Cold*
reads the whole log and keeps its columns on disk. *Fresh* is another process that finds those columns, checks the
hash of the event they end at, reads what came since, and scores every department over all time. Its figures are
compared with those that follow from the numbers the tasks were made of. The ten million are columns in memory (their
log would be 25 GB); a KPI is the whole table of departments for one period. No peer does this.
``python -m bench.scores_1m [--tasks N] [--warm N]``
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from bench._harness import Measure, milliseconds, report
from cityheart.account import formula as formulas
from cityheart.account import rates
from cityheart.account.index import Index, tally
from cityheart.account.ledger import to_us
from cityheart.account.models import Scores
from cityheart.account.service import Account
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from tests.account.many import synthetic

DEPARTMENTS, STEPS = 62, 20  # a run gives this many steps
DIFFERENT = 2_500  # runs that differ; further ones are their copies under other ids, made inside SQLite
SYSTEM = Actor.system("bench")
START = datetime(2015, 1, 1, tzinfo=UTC)
EVER = (datetime(2014, 1, 1, tzinfo=UTC), datetime(2018, 1, 1, tzinfo=UTC))
DUE = timedelta(hours=6)


def worked(run: int) -> list[timedelta]:
    """How long each step of a run takes, seeded by its number; a quarter is late."""
    draw = np.random.default_rng(run % DIFFERENT)
    return [timedelta(seconds=int(each)) for each in draw.integers(60, 8 * 3600, STEPS)]


def started(run: int) -> datetime:
    """When a run is started."""
    return START + timedelta(minutes=10 * (run % DIFFERENT))


def unit(run: int, step: int) -> str:
    """The department of a step."""
    return f"unit-{(run % DIFFERENT * STEPS + step) % DEPARTMENTS}"


def happened(run: int) -> Iterator[tuple[str, dict[str, object]]]:
    """The events of one run in which every step is done."""
    at, name = started(run), f"run-{run:07d}"
    abouts = [
        {"incident": f"incident-{run}", "run": name, "task": f"task-{run:07d}-{step:02d}", "step": f"s{step}", "round": 1,
         "unit": unit(run, step)}
        for step in range(STEPS)
    ]  # fmt: skip
    yield (
        "run.started",
        {
            "incident": f"incident-{run}", "run": name, "supersedes": [], "skipped": [], "at": at,
            "plan": {"id": "bench", "version": "1", "digest": "0" * 64},
            "tasks": [{key: about[key] for key in ("task", "step", "round", "unit")} | {"planned_at": at} for about in abouts],
        },
    )  # fmt: skip
    due = at + DUE
    for about, took in zip(abouts, worked(run), strict=True):
        done, late = at + took, at + took >= due
        yield "task.dispatched", about | {"accept_due": at + DUE / 6, "due": due, "opened_at": at, "at": at}
        yield "task.accepted", about | {"late": False, "at": at + took / 10}
        yield "task.submitted", about | {"late": late, "due": due, "receipt": None, "verify_by": None, "at": done}
        yield "task.verified", about | {"note": "", "at": done + timedelta(minutes=1)}
        yield "task.closed", about | {"late": late, "due": due, "at": done + timedelta(minutes=1)}


def opened(folder: Path) -> Database:
    """The store in ``folder``."""
    clock = VirtualClock(EVER[1])
    return Database(f"sqlite:///{folder / 'city.sqlite'}", clock, Ids(clock, seed=1))


def make(folder: Path, first: int, runs: int) -> None:
    """Write the events of some runs, many in one transaction."""
    database = opened(folder)
    database.create_all()
    for begin in range(first, first + runs, 200):
        with database.work(SYSTEM) as work:
            for run in range(begin, min(begin + 200, first + runs)):
                work.emit_all(f"run:run-{run:07d}", happened(run))
    database.close()


def multiply(folder: Path, runs: int) -> None:
    """Copy the :data:`DIFFERENT` runs that are there until there are as many as asked for, in the order of the log."""
    conn = sqlite3.connect(folder / "city.sqlite", isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
        conn.execute(f"pragma {pragma}")
    conn.execute("begin")
    (last,) = conn.execute("select max(seq) from event").fetchone()
    number = "printf('%07d', cast(substr(stream, 9) as integer) + ?1)"  # of run:run-0000000
    for copied in range(DIFFERENT, runs, DIFFERENT):
        conn.execute(
            "insert into event (stream, n, type, at, actor, data, prev, hash) "
            f"select 'run:run-' || {number}, n, type, at, actor, replace(data, substr(stream, 8), '-' || {number}), prev, "
            "hash from event where seq <= ?2 order by seq",
            (copied, last),
        )
    conn.execute("commit")
    conn.execute("analyze")
    conn.close()


def score(folder: Path) -> tuple[float, Scores]:
    """Seconds from nothing in memory to the scores of all time, with the columns that are kept on disk."""
    database = opened(folder)
    begun = stopwatch()
    found = Account(database, folder=folder / "cache").scores(*EVER)
    seconds = stopwatch() - begun
    database.close()
    return seconds, found


def figures(scores: Scores) -> dict[str, tuple[int, int, float]]:
    """By department: in time, tasks, charged seconds."""
    return {
        each.department: (each.rates["on_time"].num, each.n, round(each.custody_seconds, 3))
        for each in scores.departments
    }


def expected(runs: int) -> dict[str, tuple[int, int, float]]:
    """The same from what the runs were made of."""
    found: dict[str, list[float]] = {}
    for run in range(runs):
        for step, took in enumerate(worked(run)):
            mine = found.setdefault(unit(run, step), [0, 0, 0.0])
            mine[0] += took < DUE
            mine[1] += 1
            mine[2] += took.total_seconds()
    return {name: (int(a), int(b), round(c, 3)) for name, (a, b, c) in found.items()}


def warm(tasks: int) -> tuple[float, float, float]:
    """Seconds to sort the columns; milliseconds of the KPIs of all time and of one month."""
    log, _, _ = synthetic(tasks, DEPARTMENTS)
    begun = stopwatch()
    index = Index.of(log)
    sorting = stopwatch() - begun
    formula = formulas.in_force(formulas.load(), date(2017, 1, 1))

    def kpi(since: datetime, until: datetime) -> None:
        found = rates.scores(tally(log, index, to_us(since), to_us(until)), log.names, log.pairs, formula)
        assert len(found) == DEPARTMENTS

    month = datetime(2015, 6, 1, tzinfo=UTC), datetime(2015, 7, 1, tzinfo=UTC)
    ever, one = (min(milliseconds(kpi, *period) for _ in range(5)) for period in (EVER, month))
    return sorting, ever, one


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--warm", type=int, default=10_000_000)
    parser.add_argument("--fresh", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.fresh is not None:
        seconds, found = score(asked.fresh)
        print(json.dumps({"seconds": seconds, "figures": figures(found)}))
        return
    runs = asked.tasks // STEPS
    assert runs <= DIFFERENT or runs % DIFFERENT == 0, f"more than {DIFFERENT * STEPS} tasks: a multiple of that"
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as name:
        folder = Path(name)
        make(folder, 0, min(runs, DIFFERENT))
        multiply(folder, runs)
        cold, _ = score(folder)
        make(folder, runs, 50)  # what comes after the columns were kept
        told = subprocess.run(
            [sys.executable, "-m", "bench.scores_1m", "--fresh", name], check=True, capture_output=True, text=True
        )
        fresh = json.loads(told.stdout.splitlines()[-1])
        right = {unit: tuple(values) for unit, values in fresh["figures"].items()} == expected(runs + 50)
        assert right, "the scores are not those of the tasks"
    sorting, ever, month = warm(asked.warm)
    whole = asked.tasks >= 1_000_000
    report(
        f"scores of {asked.tasks:,} closed tasks from events; KPIs of {asked.warm:,}",
        [
            Measure("scores: a fresh process", "s", fresh["seconds"], target=5.0 if whole else None, aim="at most"),
            Measure("scores: the whole log, read for the first time", "s", cold),
            Measure("KPI of all time, warm", "ms", ever, target=1000.0, aim="at most"),
            Measure("KPI of one month, warm", "ms", month, target=1000.0, aim="at most"),
            Measure("sorting the columns once", "s", sorting),
        ],
        notes=["every figure of the fresh process equals the one that follows from how the tasks were made"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
