"""What a rebuild would change, found beside the live city: how far it is, a stop, and the result until the next one.

A million records take a minute and more. So comparing is long work: one at a time, in a thread of low priority, which says
how far it is and stops where it is told to. Nothing is written, so the result lives as long as the program; it says
whether the city has changed since.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from cityheart.entities import rebuilding, store
from cityheart.entities.models import KIND_TITLES
from cityheart.entities.resolving import Resolving
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.database import Database

__all__ = ["Compared", "Previews", "compare"]

_LOG = structlog.get_logger("previews")
_NICE = 15
_NAMED = 3  # records of a change whose names are shown


class _StoppedError(Exception):
    """Somebody stopped the work."""


@dataclass(frozen=True)
class Compared:
    """What would change. ``examples`` hold, apart from what is shown, the dataset and name of some of their records."""

    model: str
    models: Sequence[tuple[str, int]]
    kinds: Sequence[Mapping[str, object]]
    examples: Sequence[tuple[Mapping[str, object], Sequence[tuple[str, str | None]]]]
    stamp: tuple[int, int]

    def shown(self, readable: Collection[str]) -> dict[str, object]:
        """As people read it; names of records of datasets that the reader may not see are left out."""
        return {
            "model": self.model,
            "due": any(name != self.model for name, _ in self.models),
            "models": [{"model": name, "records": count} for name, count in self.models],
            "kinds": [dict(one) for one in self.kinds],
            "examples": [
                {**one, "names": sorted({name for dataset, name in spoken if name and dataset in readable})}
                for one, spoken in self.examples
            ],
        }


def compare(database: Database, rules: Resolving, pace: rebuilding.Pace) -> Compared:
    """What a rebuild under these rules would change; nothing is written. ``pace`` hears how far it is."""
    with database.read() as conn:
        stamp, models = store.stamp(conn), store.models(conn)
        plans = rebuilding.plan(conn, rules, pace)
        chosen = [(one, change) for one in plans for change in one.examples()]
        ids = {record for _, change in chosen for record in change.records[:_NAMED]}
        records = store.records_by_ids(conn, ids)
    examples = [
        (
            {
                "kind": one.kind,
                "kind_title": KIND_TITLES[one.kind],
                "type": "merged" if change.merged else "split",
                "subject": change.subject,
                "into": None if change.into in one.made else change.into,
                "records": len(change.records),
            },
            [(records[record].dataset, records[record].name) for record in change.records[:_NAMED]],
        )
        for one, change in chosen
    ]
    kinds = [{"kind": one.kind, "title": KIND_TITLES[one.kind], **one.counts()} for one in plans]
    return Compared(rules.rules.model, models, kinds, examples, stamp)


@dataclass(frozen=True)
class _Run:
    state: str
    by: str
    started_at: datetime
    share: float = 0.0
    seconds: float | None = None
    failure: str | None = None
    found: Compared | None = None


class Previews:
    """The one preview of a program. Safe for threads."""

    def __init__(self, database: Database, rules: Callable[[], Resolving]) -> None:
        self._database, self._rules = database, rules
        self._lock = threading.Lock()
        self._run: _Run | None = None
        self._thread: threading.Thread | None = None
        self._halt = threading.Event()

    def start(self, actor: Actor) -> None:
        """Begin; where one is under way already it goes on."""
        with self._lock:
            if self._run is not None and self._run.state == "running":
                return
            self._run = _Run("running", actor.id, self._database.clock.now())
            self._halt = threading.Event()
            self._thread = threading.Thread(target=self._go, args=(self._halt,), daemon=True, name="subjects-preview")
            self._thread.start()

    def stop(self, patience: float | None = None) -> None:
        """Stop what is under way, and wait until it stands still."""
        self._halt.set()
        self.wait(patience)

    def wait(self, patience: float | None = None) -> None:
        """Until what is under way is over."""
        if (thread := self._thread) is not None:
            thread.join(patience)

    def told(self, readable: Collection[str]) -> dict[str, object]:
        """``{state, by, started_at, share, seconds, failure, outdated, result}``.

        ``state``: none, running, done, stopped, failed. ``outdated``: records changed since, or people decided something.
        """
        run = self._run
        if run is None:
            return {
                "state": "none", "by": None, "started_at": None, "share": 0.0, "seconds": None, "failure": None,
                "outdated": False, "result": None,
            }  # fmt: skip
        with self._database.read() as conn:
            outdated = run.found is not None and store.stamp(conn) != run.found.stamp
        return {
            "state": run.state,
            "by": run.by,
            "started_at": run.started_at,
            "share": round(run.share, 3),
            "seconds": run.seconds,
            "failure": run.failure,
            "outdated": outdated,
            "result": None if run.found is None else run.found.shown(readable),
        }

    def _go(self, halt: threading.Event) -> None:
        _step_back()
        began = stopwatch()

        def pace(share: float) -> None:
            if halt.is_set():
                raise _StoppedError
            self._note(share=share)

        try:
            found = compare(self._database, self._rules(), pace)
            self._note(state="done", share=1.0, seconds=round(stopwatch() - began, 3), found=found)
        except _StoppedError:
            self._note(state="stopped", seconds=round(stopwatch() - began, 3))
        except Exception as error:  # the store went away, or a record broke the rules in a way nobody thought of
            _LOG.exception("preview.failed")
            self._note(state="failed", seconds=round(stopwatch() - began, 3), failure=type(error).__name__)

    def _note(self, **values: object) -> None:
        with self._lock:
            assert self._run is not None
            self._run = replace(self._run, **values)  # type: ignore[arg-type]


def _step_back() -> None:
    """Let every other thread go first, where the system knows how."""
    if hasattr(os, "setpriority"):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        except OSError:  # not allowed here
            return
