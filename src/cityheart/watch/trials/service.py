"""The verbs of trials: start a backtest, see how far it is, stop it; and detectors as people read them.

One trial runs at a time, in a thread of low priority that rests between its steps, so that the live city goes first.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import structlog

from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock, SystemClock, stopwatch
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Invalid, NotFound, Problem
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import Text, text
from cityheart.watch.backtest import BacktestReport, with_parameters
from cityheart.watch.models import Detector, Person, QueryDetector, Survey
from cityheart.watch.service import Watch
from cityheart.watch.trials import store
from cityheart.watch.trials.compare import Case, compared, of_alert, of_past, summary
from cityheart.watch.trials.models import Trial

__all__ = ["Trials"]

_LOG = structlog.get_logger("trials")
_NOTED_SECONDS = 1.0  # between two notes of how far a trial is
_NICE = 15

Application = Mapping[str, object]  # {"id", "title"}
_COMMON: Mapping[str, Text] = {  # what parameters of these names mean wherever they are
    "keep_days": text("情况结束后继续显示的天数", "days for which a case is still shown after it is over"),
    "raise": text("概率达到此值才提示", "the probability from which on a case is raised"),
}


class _Stopped(Problem):
    """Somebody stopped the trial."""


class Trials:
    """Trials of one city's detectors. ``zone`` is the city's, by which days are counted."""

    def __init__(self, database: Database, watch: Watch, zone: ZoneInfo, wall: Clock | None = None) -> None:
        self._database = database
        self._watch = watch
        self._zone = zone
        self._wall = wall or SystemClock()
        self._apps: Mapping[str, Application] = {}
        self._meanings: Mapping[str, Mapping[str, Text]] = {}
        self._thread: threading.Thread | None = None  # of the newest trial of this program
        self._own: str | None = None
        self._halt = threading.Event()

    def register(self, apps: Mapping[str, Application], meanings: Mapping[str, Mapping[str, Text]]) -> None:
        """Make known which application each detector is of, and what its parameters mean, by detector id."""
        self._apps, self._meanings = dict(apps), dict(meanings)

    # ── detectors ──────────────────────────────────────────────────────────────────────────────────────────────

    def detectors(self, actor: Actor, freshness: Mapping[str, Mapping[str, object]]) -> list[dict[str, object]]:
        """Every detector: of which application, how fresh its inputs are, its last look, what it found in 30 days.

        ``freshness``: of each dataset ``{"title", "freshness_seconds", "state"}`` as far as the actor may see it.
        """
        require(actor, "alert.read")
        kinds = {kind.kind: kind.title for kind in self._watch.kinds()}
        with self._database.read() as conn:
            counts = store.counted(conn, self._database.clock.now() - timedelta(days=30))
            last = store.looked(conn)
        return [
            {
                **shown,
                "app": self._apps.get(str(shown["id"])),
                "kind_title": kinds.get(str(shown["kind"])),
                "inputs": [
                    {"dataset": name, **freshness.get(name, {})} for name in cast("Sequence[str]", shown["inputs"])
                ],
                "last_look_at": last.get(str(shown["id"])),
                "every_seconds": _every(self._watch.detector(str(shown["id"]))),
                "last_30_days": _fates(counts.get(str(shown["id"]), {})),
            }
            for shown in self._watch.detectors(actor)
        ]

    def detector(
        self, actor: Actor, detector_id: str, freshness: Mapping[str, Mapping[str, object]]
    ) -> dict[str, object]:
        """One detector with what its parameters mean, its findings by day, and what a look costs."""
        self._watch.detector(detector_id)
        shown = next(one for one in self.detectors(actor, freshness) if one["id"] == detector_id)
        since = self._database.clock.now() - timedelta(days=limits.DETECTOR_DAYS)
        with self._database.read() as conn:
            found = store.moments(conn, detector_id, since, limits.DETECTOR_FINDINGS)
            before, _ = store.trials(conn, detector_id, None, 20)
        meanings = {**_COMMON, **self._meanings.get(detector_id, {})}
        values = cast("Mapping[str, object]", shown["parameters"])
        counter = Counter((at.astimezone(self._zone).date(), level) for at, level in found)
        first = min((day for day, _ in counter), default=None)
        today = self._database.clock.now().astimezone(self._zone).date()
        days = [] if first is None else [first + timedelta(days=n) for n in range((max(today, first) - first).days + 1)]
        return {
            **shown,
            "parameters": [
                {"name": name, "value": value, "meaning": meanings.get(name)} for name, value in values.items()
            ],
            "look_seconds": _measured(before, "look_seconds"),
            "rows_per_second": _measured(before, "rows_per_second"),
            "days": [
                {"day": day.isoformat(), "levels": {str(level): counter[day, level] for level in (1, 2, 3, 4)}}
                for day in days
            ],
            "trials": [self._alive(one).json() for one in before],
        }

    # ── trials ─────────────────────────────────────────────────────────────────────────────────────────────────

    def trials(
        self, actor: Actor, detector: str | None = None, after: str | None = None, limit: int = 50
    ) -> dict[str, object]:
        """A page of trials, the newest first: ``{"items", "total", "next"}``."""
        require(actor, "alert.read")
        with self._database.read() as conn:
            found, total = store.trials(conn, detector, after, limit + 1)
        items = [self._alive(one).json() for one in found[:limit]]
        return {"items": items, "total": total, "next": found[limit - 1].id if len(found) > limit else None}

    def trial(self, actor: Actor, trial_id: str) -> dict[str, object]:
        """One trial with its days and cases. Raises :class:`NotFound`."""
        require(actor, "alert.read")
        return self._alive(self._of(trial_id)).json(whole=True)

    def start(
        self,
        actor: Actor,
        command_id: str,
        detector_id: str,
        since: datetime,
        until: datetime,
        parameters: Mapping[str, object],
        name: str = "",
    ) -> dict[str, object]:
        """Start a trial; its result is kept under ``name``. Raises :class:`Conflict` while another runs.

        Raises :class:`Invalid` for a parameter that the detector does not have, a period that is none or too long.
        """
        require(actor, "detector.backtest")
        detector = self._watch.detector(detector_id)
        with_parameters(detector, parameters)
        if since.tzinfo is None or until.tzinfo is None or not since < until:
            raise Invalid(
                "a backtest runs from an aware moment to a later one", remedy="e.g. 2015-11-01T00:00:00+08:00"
            )
        if until - since > limits.TRIAL_SPAN:
            raise Invalid("this period is too long", remedy=f"at most {limits.TRIAL_SPAN.days} days")
        if not since < self._database.clock.now():
            raise Invalid("nothing has happened yet from there on", remedy="a backtest begins in the past")
        changed = {key: value for key, value in parameters.items() if value != detector.parameters[key]}
        called = " ".join(name.split()) or f"{detector_id} {since.astimezone(self._zone):%Y-%m-%d}"
        if len(called) > limits.TRIAL_NAME_CHARS or not called.isprintable():
            raise Invalid(f"a name has at most {limits.TRIAL_NAME_CHARS} characters", remedy="take a shorter one")
        fresh: list[Trial] = []

        def do(work: Work) -> dict[str, object]:
            store.alone(work.conn)
            now = self._wall.now()
            for other in store.running(work.conn):
                if now - other.beat_at <= limits.TRIAL_SILENT:
                    raise Conflict(
                        f"{other.by.name['en']} is running a backtest: {other.name}",
                        remedy="wait for its end, or stop it",
                    )
                store.finish(work.conn, other.id, state="interrupted", ended_at=now)
            trial = Trial(
                work.ids.new("trial"), detector_id, called, Person(actor.id, actor.name), changed, since, until,
                "running", 0.0, now, now, None, None, None, None,
            )  # fmt: skip
            store.insert(work.conn, trial)
            told = {"detector": detector_id, "name": called, "parameters": changed, "since": since, "until": until}
            work.emit(_stream(trial), "trial.started", told)
            fresh.append(trial)
            return {"id": trial.id}

        payload = {"detector": detector_id, "since": since, "until": until, "parameters": parameters, "name": name}
        started = self._database.once(actor, command_id, "trial.start", payload, do)
        if fresh:
            self._halt, self._own = threading.Event(), fresh[0].id
            self._thread = threading.Thread(
                target=self._go, args=(actor, detector, fresh[0], self._halt), daemon=True, name="trial"
            )
            self._thread.start()
        return self.trial(actor, str(started["id"]))

    def stop(self, actor: Actor, command_id: str, trial_id: str) -> dict[str, object]:
        """Stop a trial that is under way; one that is over stays what it is."""
        require(actor, "detector.backtest")
        self._of(trial_id)

        def do(work: Work) -> dict[str, object]:
            store.stop(work.conn, trial_id, self._wall.now())
            return {"id": trial_id}

        self._database.once(actor, command_id, "trial.stop", {"trial": trial_id}, do)
        if trial_id == self._own:  # one of another program sees it when it next notes how far it is
            self.close()
        return self.trial(actor, trial_id)

    def wait(self) -> None:
        """Until the trial of this program is over."""
        if self._thread is not None:
            self._thread.join(limits.STOP_PATIENCE.total_seconds())

    def close(self) -> None:
        """Stop what is under way in this program."""
        self._halt.set()
        self.wait()

    # ── at work ────────────────────────────────────────────────────────────────────────────────────────────────

    def _go(self, actor: Actor, detector: Detector, trial: Trial, halt: threading.Event) -> None:
        _step_back()
        began = stopwatch()
        try:
            result = self._result(detector, trial, halt)
            self._over(actor, trial, "done", "trial.finished", stopwatch() - began, result=result)
        except _Stopped:
            self._over(actor, trial, "stopped", "trial.stopped", stopwatch() - began)
        except Problem as problem:
            why = f"{problem.detail}. {problem.remedy or ''}".strip()
            self._over(actor, trial, "failed", "trial.failed", stopwatch() - began, failure=why)
        except Exception as error:  # the store went away, or a detector broke in a way nobody thought of
            _LOG.exception("trial.failed")
            self._over(actor, trial, "failed", "trial.failed", stopwatch() - began, failure=type(error).__name__)

    def _result(self, detector: Detector, trial: Trial, halt: threading.Event) -> dict[str, object]:
        parts = 2 if trial.parameters else 1
        tried, seconds = self._run(detector, trial, trial.parameters, self._pace(trial, halt, 0, parts))
        until = tried.until
        present: tuple[BacktestReport, float] | None = None
        if trial.parameters:
            present = self._run(detector, trial, {}, self._pace(trial, halt, 1, parts))
        with self._database.read() as conn:
            rows = store.alerts_of(conn, detector.id, trial.since, until, limits.TRIAL_ALERTS)
        real = [of_alert(row) for row in rows]
        cases: list[Case] = [of_past(past) for past in tried.alerts]
        beside = None if present is None else [of_past(past) for past in present[0].alerts]
        return {
            "until": until,
            "trial": summary(tried, seconds),
            "present": None if present is None else summary(*present),
            **compared(cases, beside, real, trial.since, until, self._zone),
        }

    def _run(
        self, detector: Detector, trial: Trial, parameters: Mapping[str, object], pace: Callable[[float], None]
    ) -> tuple[BacktestReport, float]:
        began = stopwatch()
        report = self._watch.replay(pace).run(detector, trial.since, trial.until, parameters)
        return report, stopwatch() - began

    def _pace(self, trial: Trial, halt: threading.Event, part: int, parts: int) -> Callable[[float], None]:
        noted = last = stopwatch()

        def pace(share: float) -> None:
            nonlocal noted, last
            now = stopwatch()
            if halt.wait(min(1.0, (now - last) * limits.TRIAL_REST)):
                raise _Stopped("stopped", remedy="start it again")
            last = stopwatch()
            if last - noted < _NOTED_SECONDS:
                return
            noted = last
            with self._database.work(Actor.system("watch")) as work:
                goes_on = store.note(work.conn, trial.id, (part + share) / parts, self._wall.now())
            if not goes_on:
                raise _Stopped("stopped", remedy="start it again")

        return pace

    def _over(
        self,
        actor: Actor,
        trial: Trial,
        state: str,
        event: str,
        seconds: float,
        *,
        result: dict[str, object] | None = None,
        failure: str | None = None,
    ) -> None:
        told: dict[str, object] = {"detector": trial.detector, "name": trial.name, "seconds": round(seconds, 3)}
        if result is not None:
            told |= {name: result[name] for name in ("against", "gained_total", "lost_total", "kept_total")}
        if failure is not None:
            told["failure"] = failure[: limits.DETECTOR_FAILURE_CHARS]
        try:
            with self._database.work(actor) as work:
                store.finish(
                    work.conn,
                    trial.id,
                    state=state,
                    share=1.0 if state == "done" else trial.share,
                    ended_at=self._wall.now(),
                    seconds=round(seconds, 3),
                    failure=told.get("failure"),
                    result=_plain(result),
                )
                work.emit(_stream(trial), event, told)
        except Exception:  # the store went away: the trial is silent and counts as interrupted
            _LOG.exception("trials.lost")

    def _of(self, trial_id: str) -> Trial:
        with self._database.read() as conn:
            found = store.trial_of(conn, trial_id)
        if found is None:
            raise NotFound(f"no backtest {trial_id}")
        return found

    def _alive(self, trial: Trial) -> Trial:
        """The trial, interrupted if it is said to run and has been silent for too long."""
        silent = trial.state == "running" and self._wall.now() - trial.beat_at > limits.TRIAL_SILENT
        return replace(trial, state="interrupted") if silent else trial


def _plain(result: dict[str, object] | None) -> object:
    return None if result is None else json.loads(canonical(result))


def _measured(trials: Sequence[Trial], name: str) -> float | None:
    """What the newest trial that measured it says of the present costs."""
    parts = (cast("Mapping[str, object]", (one.result or {}).get("trial") or {}) for one in trials)
    return next((cast(float, part[name]) for part in parts if part.get(name) is not None), None)


def _every(detector: Detector) -> float | None:
    return detector.every.total_seconds() if isinstance(detector, (QueryDetector, Survey)) else None


def _fates(counted: Mapping[str, int]) -> dict[str, object]:
    fates = {fate: counted.get(fate, 0) for fate in ("taken", "silenced", "over", "waiting")}
    return {"findings": counted.get("findings", 0), "alerts": sum(fates.values()), **fates}


def _stream(trial: Trial) -> str:
    return f"trial:{trial.id}"


def _step_back() -> None:
    """Let every other thread go first, where the system knows how."""
    if hasattr(os, "setpriority"):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        except OSError:  # not allowed here: the rests between steps remain
            return
