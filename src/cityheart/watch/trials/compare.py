"""A trial compared: by day, and case by case what other parameters would have gained and lost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cityheart.kernel import limits
from cityheart.kernel.text import Text
from cityheart.watch.backtest import BacktestReport, PastAlert

__all__ = ["Case", "compared", "of_alert", "of_past", "summary"]


@dataclass(frozen=True, slots=True)
class Case:
    """An alert as it was or would have been; ``alert`` is the id of a real one."""

    kind: str
    subject: tuple[str, str]
    name: Text
    level: int | None
    raised_at: datetime
    ended_at: datetime | None
    alert: str | None = None

    def meets(self, other: Case) -> bool:
        """Whether both are about the same matter at some moment."""
        return (
            (self.kind, self.subject) == (other.kind, other.subject)
            and (other.ended_at is None or self.raised_at <= other.ended_at)
            and (self.ended_at is None or other.raised_at <= self.ended_at)
        )


def of_past(past: PastAlert) -> Case:
    """A case of a backtest."""
    subject = (past.subject.kind, past.subject.id)
    return Case(past.kind, subject, past.subject.name, past.highest, past.raised_at, past.ended_at)


def of_alert(row: Mapping[str, Any]) -> Case:
    """A case that was raised, as :func:`cityheart.watch.trials.store.alerts_of` gives it."""
    subject = (row["subject_kind"], row["subject_id"])
    return Case(
        row["kind"], subject, row["subject_name"], row["level"], row["raised_at"], row["ended_at"], row["id"]
    )  # fmt: skip


def summary(report: BacktestReport, seconds: float) -> dict[str, object]:
    """A backtest in numbers. ``look_seconds``: what one look cost; ``rows_per_second`` where rows are stepped over instead."""
    whole = report.json()
    kept = ("raised", "highest", "alerted_hours", "alerted_days", "findings", "rows", "runs", "parameters")
    return {
        **{name: whole[name] for name in kept},
        "seconds": round(seconds, 3),
        "look_seconds": round(seconds / report.runs, 4) if report.runs else None,
        "rows_per_second": round(report.rows / seconds) if not report.runs and seconds > 0 else None,
    }


def compared(
    trial: Sequence[Case],
    present: Sequence[Case] | None,
    real: Sequence[Case],
    since: datetime,
    until: datetime,
    zone: ZoneInfo,
) -> dict[str, object]:
    """By day how many were raised; which cases are gained and lost against the present parameters, or else what was real."""
    base = real if present is None else present
    of_trial, of_base, of_real = _by_matter(trial), _by_matter(base), _by_matter(real)
    gained = [case for case in trial if case.raised_at >= since and _met(case, of_base) is None]
    lost = [case for case in base if case.raised_at >= since and _met(case, of_trial) is None]
    columns = {"trial": trial, "present": present, "real": real}
    by_day = {
        name: None
        if cases is None
        else Counter(one.raised_at.astimezone(zone).date() for one in cases if since <= one.raised_at < until)
        for name, cases in columns.items()
    }
    day, last = since.astimezone(zone).date(), (until - timedelta(microseconds=1)).astimezone(zone).date()
    days: list[dict[str, object]] = []
    while day <= last:
        counts = {name: None if counter is None else counter[day] for name, counter in by_day.items()}
        days.append({"day": day.isoformat(), **counts})
        day += timedelta(days=1)
    return {
        "against": "real" if present is None else "present",
        "days": days,
        "real": sum(case.raised_at >= since for case in real),
        "gained_total": len(gained),
        "lost_total": len(lost),
        "kept_total": sum(case.raised_at >= since for case in trial) - len(gained),
        "gained": [_shown(case, of_real) for case in gained[: limits.TRIAL_CASES]],
        "lost": [_shown(case, of_real) for case in lost[: limits.TRIAL_CASES]],
    }


_Matters = Mapping[tuple[str, tuple[str, str]], Sequence[Case]]


def _by_matter(cases: Sequence[Case]) -> _Matters:
    found: dict[tuple[str, tuple[str, str]], list[Case]] = {}
    for case in cases:
        found.setdefault((case.kind, case.subject), []).append(case)
    return found


def _met(case: Case, others: _Matters) -> Case | None:
    return next((other for other in others.get((case.kind, case.subject), ()) if case.meets(other)), None)


def _shown(case: Case, real: _Matters) -> dict[str, object]:
    raised = case if case.alert is not None else _met(case, real)
    return {
        "subject": {"kind": case.subject[0], "id": case.subject[1], "name": case.name},
        "level": case.level,
        "raised_at": case.raised_at,
        "ended_at": case.ended_at,
        "alert": None if raised is None else raised.alert,
    }
