"""The verbs of trials: ask for a backtest, which is a job (:mod:`cityheart.kernel.jobs`); detectors as people read them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid
from cityheart.kernel.jobs.models import Kind, Result, Sought
from cityheart.kernel.jobs.service import Jobs, Running
from cityheart.kernel.text import Text, text
from cityheart.watch.backtest import BacktestReport, with_parameters
from cityheart.watch.models import Detector, QueryDetector, Survey
from cityheart.watch.service import Watch
from cityheart.watch.trials import store
from cityheart.watch.trials.compare import Case, compared, of_alert, of_past, summary

__all__ = ["TRIAL", "Trials"]

TRIAL = "trial"
_SHOWN = 20  # newest trials shown with their detector

Application = Mapping[str, object]  # {"id", "title"}
_COMMON: Mapping[str, Text] = {  # what parameters of these names mean wherever they are
    "keep_days": text("情况结束后继续显示的天数", "days for which a case is still shown after it is over"),
    "raise": text("概率达到此值才提示", "the probability from which on a case is raised"),
}


class Trials:
    """Trials of one city's detectors. ``zone`` is the city's, by which days are counted."""

    def __init__(self, database: Database, watch: Watch, jobs: Jobs, zone: ZoneInfo) -> None:
        self._database, self._watch, self._jobs, self._zone = database, watch, jobs, zone
        self._apps: Mapping[str, Application] = {}
        self._meanings: Mapping[str, Mapping[str, Text]] = {}
        jobs.register(
            Kind(
                TRIAL, text("探测器回测", "Backtest of a detector"), text("小时", "hours"), "alert.read",
                "detector.backtest", self._run, told=_told, kept=limits.TRIAL_KEPT, long=("days", "gained", "lost"),
            )
        )  # fmt: skip

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
        before = self._jobs.newest(actor, Sought(kinds=(TRIAL,), about=detector_id), _SHOWN)
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
            "trials": before,
        }

    # ── trials ─────────────────────────────────────────────────────────────────────────────────────────────────

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
        """Ask for a trial, which begins when its turn comes; its result is kept under ``name``. The job as it is then.

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
        given = {"since": since.isoformat(), "until": until.isoformat(), "parameters": changed}
        asked = self._jobs.ask(
            actor, command_id, TRIAL, title=text(called, called), given=given, about=detector_id,
            path=f"/detectors/{detector_id}?trial={{id}}",
        )  # fmt: skip
        return self._jobs.job(actor, asked.id)

    def _run(self, running: Running) -> Result:
        given = running.job.given
        since, until = (datetime.fromisoformat(cast(str, given[name])) for name in ("since", "until"))
        parameters = cast("Mapping[str, object]", given["parameters"])
        detector = self._watch.detector(running.job.about)
        parts = 2 if parameters else 1
        running.of(parts * math.ceil((until - since) / timedelta(hours=1)))
        tried, seconds = self._replayed(
            detector, since, until, parameters, lambda share: running.pace(share / parts)
        )  # fmt: skip
        present: tuple[BacktestReport, float] | None = None
        if parameters:
            present = self._replayed(detector, since, until, {}, lambda share: running.pace((1 + share) / parts))
        with self._database.read() as conn:
            rows = store.alerts_of(conn, detector.id, since, tried.until, limits.TRIAL_ALERTS)
        real = [of_alert(row) for row in rows]
        cases: list[Case] = [of_past(past) for past in tried.alerts]
        beside = None if present is None else [of_past(past) for past in present[0].alerts]
        return {
            "until": tried.until,
            "trial": summary(tried, seconds),
            "present": None if present is None else summary(*present),
            **compared(cases, beside, real, since, tried.until, self._zone),
        }

    def _replayed(
        self,
        detector: Detector,
        since: datetime,
        until: datetime,
        parameters: Mapping[str, object],
        pace: Callable[[float], None],
    ) -> tuple[BacktestReport, float]:
        began = stopwatch()
        return self._watch.replay(pace).run(detector, since, until, parameters), stopwatch() - began


def _told(result: Result) -> Mapping[str, object]:
    return {name: result[name] for name in ("against", "gained_total", "lost_total", "kept_total")}


def _measured(trials: Sequence[Mapping[str, object]], name: str) -> float | None:
    """What the newest trial that measured it says of the present costs."""
    results = (cast("Mapping[str, Any]", one["result"] or {}) for one in trials)
    return next((part[name] for one in results if (part := one.get("trial") or {}).get(name) is not None), None)


def _every(detector: Detector) -> float | None:
    return detector.every.total_seconds() if isinstance(detector, (QueryDetector, Survey)) else None


def _fates(counted: Mapping[str, int]) -> dict[str, object]:
    fates = {fate: counted.get(fate, 0) for fate in ("taken", "silenced", "over", "waiting")}
    return {"findings": counted.get("findings", 0), "alerts": sum(fates.values()), **fates}
