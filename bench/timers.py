"""Timers with a million pending: how late they fire, what an idle look costs, how soon a restarted worker dispatches.

A city on SQLite, then one on PostgreSQL, holds 250,000 runs of four open tasks, a million timers over the
years to come, copied inside the store from runs that were really played. *Idle*: ``Command.tick`` when nothing is due.
*Restart*: from starting the command ``cityheart work`` to the commit in which it dispatches what has become due meanwhile;
beside it the same without the interpreter and its imports. *Late*: a worker runs, and a few timers a second become due; how
much later than its moment each was fired and could be read by others. No peer does this with its own store.
``python -m bench.timers [--tasks N] [--seconds N]``
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median

import numpy as np
import sqlalchemy as sa

from bench._filled import copies, templates
from bench._harness import Measure, milliseconds, report
from cityheart.city import City
from cityheart.command.service import Command
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import SystemClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.schema import Json
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text
from tests import postgres

STEPS, TEMPLATES, RESTARTS = 4, 10, 5
RATE = 10  # timers a second that become due while lateness is measured
SYSTEM = Actor.system("bench")


def plan(name: str, *delays: timedelta) -> dict[str, object]:
    """Steps that are dispatched after these delays, to one department."""
    steps = [
        {
            "id": f"step-{n}", "title": text(f"第{n}步", f"step {n}"), "unit": "unit-1",
            "accept_within": "PT1H", "due": "PT6H",
            **({"delay": f"PT{delay.total_seconds():.0f}S"} if delay else {}),
        }
        for n, delay in enumerate(delays)
    ]  # fmt: skip
    return {"plan": name, "version": "1", "title": text("定时", "timed"), "steps": steps}


def started(command: Command, number: str, digest: str) -> str:
    """One run of a plan."""
    spec = {"title": text("事件", "incident"), "kind": "bench", "level": 2}
    return str(command.dispatch(SYSTEM, f"click-{number}", spec, digest)["run_id"])


def fill(city: City, tasks: int) -> None:
    """Runs with open tasks, ``tasks`` in all, each with a timer in the years to come."""
    digest = city.command.publish(SYSTEM, plan("pending", *[timedelta()] * STEPS))
    runs = [started(city.command, f"pending-{number}", digest) for number in range(TEMPLATES)]
    for run in runs:
        for task in city.command.run(SYSTEM, run)[1]:
            city.command.act(SYSTEM, f"accept-{task.id}", task.id, "accept")  # one timer is left of each: it is due
    last = tasks // (TEMPLATES * STEPS)
    postgresql = city.database.dialect == "postgresql"
    later = (
        "t.fire_at + interval '1 day' + n.i * interval '1 minute'"
        if postgresql
        else "strftime('%Y-%m-%dT%H:%M:%f', t.fire_at, '+1 day', '+' || n.i || ' minutes') || '000Z'"
    )
    with city.database.engine.begin() as conn:
        templates(conn.exec_driver_sql, runs)
        tables = ("incident", "run", "task", "timer")
        copies(conn.exec_driver_sql, tables, 1, last, {"timer": {"fire_at": later}})
        for table in tables:
            conn.exec_driver_sql(f"drop table of_{table}")
    with city.database.engine.begin() as conn:
        conn.exec_driver_sql("analyze")


@contextmanager
def worker(home: Path) -> Iterator[None]:
    """``cityheart work`` for as long as the context lasts."""
    command = [sys.executable, "-m", "cityheart.cli", "work", str(home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)


def dispatched(database: Database, runs: list[str]) -> list[str]:
    """Those of these runs whose first task is dispatched, as others see it."""
    named = ", ".join(f"'{run}'" for run in runs)
    with database.read() as conn:
        found = conn.execute(sa.text(f"select distinct run from task where run in ({named}) and state = 'dispatched'"))
        return [str(run) for run in found.scalars()]


def restart(city: City) -> tuple[float, float]:
    """Seconds to the first dispatch, medians: of the whole command, and in a process that is loaded already."""
    digest = city.command.publish(SYSTEM, plan("restarted", timedelta(seconds=2)))

    def overdue() -> str:
        run = started(city.command, f"restart-{time.time_ns()}", digest)
        time.sleep(3)  # nobody works: it becomes due
        return run

    whole, loaded = [], []
    for _ in range(RESTARTS):
        run = overdue()
        begun = stopwatch()
        with worker(city.settings.home):
            while not dispatched(city.database, [run]):
                time.sleep(0.005)
                assert stopwatch() - begun < 120, "the worker does not dispatch"
            whole.append(stopwatch() - begun)
        run = overdue()
        begun = stopwatch()
        fresh = City.open(city.settings.home)
        fresh.command.tick(fresh.clock.now())
        loaded.append(stopwatch() - begun)
        assert dispatched(city.database, [run])
        fresh.close()
    return median(whole), median(loaded)


def lateness(city: City, seconds: int) -> list[float]:
    """Seconds between the moment of each timer and the moment others could read that it was fired."""
    ahead = timedelta(seconds=20)  # for starting the runs and the worker
    delays = [ahead + timedelta(seconds=n) for n in range(seconds)]
    digest = city.command.publish(SYSTEM, plan("timely", *delays))
    runs = [started(city.command, f"timely-{number}-{time.time_ns()}", digest) for number in range(RATE)]
    named = ", ".join(f"'run:{run}'" for run in runs)
    asked = sa.text(
        "select seq, data from event where seq > :after and type = 'task.dispatched' "
        f"and stream in ({named}) order by seq"
    ).columns(data=Json)
    waiting = {task.id: task.planned_at for run in runs for task in city.command.run(SYSTEM, run)[1]}
    late: list[float] = []
    with worker(city.settings.home):
        until = stopwatch() + ahead.total_seconds() + seconds + 30
        after = 0
        while waiting and stopwatch() < until:
            with city.database.read() as conn:
                found = conn.execute(asked, {"after": after}).all()
            now = city.clock.now()
            for seq, data in found:
                after = seq
                moment = waiting.pop(data["task"], None)
                assert moment is not None, "a timer was fired twice"
                late.append((now - moment).total_seconds())
            time.sleep(0.01)
    assert not waiting, f"{len(waiting)} timers were not fired"
    return late


def measured(folder: Path, name: str, url: str | None, tasks: int, seconds: int) -> list[Measure]:
    """All measures of one store."""
    home = folder / f"city-{name}"
    city = City.create(Settings(home=home, name="bench", **({"database_url": url} if url else {})), SystemClock())
    (home / "departments.csv").write_text("code,name,name_en\nunit-1,部门,unit\n", "utf-8")
    city.install()
    fill(city, tasks)
    with city.database.read() as conn:
        pending = conn.execute(sa.text("select count(*) from timer")).scalar_one()
    assert pending >= tasks
    whole, loaded = restart(city)
    idle = [milliseconds(city.command.tick, city.clock.now()) for _ in range(300)]
    late = lateness(city, seconds)
    city.close()
    return [
        Measure(f"timer fired late, {name}, p99", "s", float(np.percentile(late, 99)), target=2.0, aim="at most"),
        Measure(f"idle tick, {name}, p50", "ms", float(np.percentile(idle, 50)), target=1.0, aim="at most"),
        Measure(f"idle tick, {name}, p99", "ms", float(np.percentile(idle, 99))),
        Measure(f"restart to dispatch, {name}: the city opened", "s", loaded, target=2.0, aim="at most"),
        Measure(f"restart to dispatch, {name}: from the command line", "s", whole, target=2.0, aim="at most"),
    ]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=30)
    asked = parser.parse_args()
    notes: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cityheart-bench-")))
        stores: dict[str, str | None] = {"SQLite": None}
        if postgres.binaries() is None:
            notes.append(postgres.INSTALL)
        else:
            stores["PostgreSQL"] = stack.enter_context(postgres.cluster())
        measures = [
            each for name, url in stores.items() for each in measured(folder, name, url, asked.tasks, asked.seconds)
        ]
    report(f"{asked.tasks:,} open tasks, each with a timer pending", measures, notes=notes)


if __name__ == "__main__":
    main()
