"""Receipts of field officers, a phone's queue at a time: beside SpiffWorkflow that loads, completes one task and saves.

A receipt is the whole verb: idempotency row, permission, form and evidence, the run's state, the step that follows
dispatched, hash-chained events, the receipt's row, one durable commit each, in queues of a hundred acts
(``Command.play``), each in another run of four steps. SpiffWorkflow keeps the same four steps as JSON in one row of an
SQLite file with the same settings, and saves with one commit; no events, no deadlines, no permissions, no second click.
They take turns; the median round counts. ``python -m bench.receipts [--receipts N] [--rounds N]``
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench._harness import Measure, report
from bench._peers import ask
from bench.plan_starts import STEPS, plan
from cityheart.command.service import Command
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from tests import postgres

TOGETHER = 100  # acts of one queue
SYSTEM = Actor.system("bench")


class Receipts:
    """Runs whose first step is in hand, in one store."""

    def __init__(self, url: str, folder: Path) -> None:
        clock = VirtualClock(datetime(2015, 11, 1, tzinfo=UTC))
        self._database = Database(url, clock, Ids(clock, seed=1))
        self._database.create_all()
        self._command = Command(self._database, folder / "files")
        self._command.register_units({f"unit-{n}": text(f"部门{n}", f"unit {n}") for n in range(STEPS)})
        self._digest = self._command.publish(SYSTEM, plan())
        self._made = 0
        self.rate(TOGETHER)

    def rate(self, count: int) -> float:
        """Receipts a second over ``count`` of them, accepted before; every one is checked to have been taken."""
        tasks = []
        for number in range(self._made, self._made + count):
            spec = {"alert_id": f"alert-{number}", "level": 2}
            result = self._command.dispatch(SYSTEM, f"click-{number:06d}", spec, self._digest)
            _, open_tasks, _ = self._command.run(SYSTEM, str(result["run_id"]))
            task = next(task for task in open_tasks if task.state == "dispatched")
            self._command.act(SYSTEM, f"accept-{number:06d}", task.id, "accept")
            tasks.append(task.id)
        self._made += count
        acts = [
            {"command_id": f"done-{task}", "task_id": task, "verb": "submit", "note": "巡查完毕，正常"}
            for task in tasks
        ]
        begun = stopwatch()
        played = [
            each for at in range(0, count, TOGETHER) for each in self._command.play(SYSTEM, acts[at : at + TOGETHER])
        ]
        seconds = stopwatch() - begun
        assert all(each["ok"] for each in played), "a receipt was refused"
        assert len(played) == count
        return count / seconds

    def close(self) -> None:
        """Close the store."""
        self._database.close()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receipts", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    notes: list[str] = []
    spiff: list[float] = []
    bare: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cityheart-bench-")))
        stores = {"SQLite": f"sqlite:///{folder / 'city.sqlite'}"}
        if postgres.binaries() is None:
            notes.append(postgres.INSTALL)
        else:
            stores["PostgreSQL"] = stack.enter_context(postgres.cluster())
        opened = {name: Receipts(url, folder) for name, url in stores.items()}
        ours: dict[str, list[float]] = {name: [] for name in stores}
        for number in range(asked.rounds):
            for name, each in opened.items():
                ours[name].append(each.rate(asked.receipts))
            if (told := ask("spiff", str(folder / f"spiff-{number}.sqlite"), str(asked.receipts))) is not None:
                spiff.append(told["per_second"])
                bare.append(told["unstored_per_second"])
        for each in opened.values():
            each.close()
    if bare:
        notes.append(f"SpiffWorkflow without the store, its processor time alone: {median(bare):,.0f}/s")
    measures = [
        Measure(
            f"receipts, {name}", "/s", median(ours[name]), median(spiff) if spiff and name == "SQLite" else None,
            2.0 if name == "SQLite" else None, smaller_is_better=False,
            beside="SpiffWorkflow, SQLite" if name == "SQLite" else "",
        )
        for name in stores
    ]  # fmt: skip
    report(f"receipts in queues of {TOGETHER}, {asked.rounds} rounds of {asked.receipts}", measures, notes=notes)


if __name__ == "__main__":
    main()
