"""The same ledger and rates once more, task by task in plain words: what ``verify`` holds the vectorised ones against.

Nothing of it is shared with :mod:`cityheart.account.ledger` or :mod:`cityheart.account.rates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

__all__ = ["Story", "rates", "stories"]

_ENDS = {"task.closed", "task.cancelled", "task.rejected", "task.return_upheld", "task.reassigned"}
_NOTHING = timedelta(0)


@dataclass(slots=True)
class Story:
    """What happened to one task, as told by its events."""

    task: str
    unit: str
    opened: datetime
    log: list[tuple[datetime, str, str]] = field(default_factory=list)  # when, event, state it came back to
    verifier: str = "coordinator"
    due: datetime | None = None
    added: timedelta = _NOTHING
    late_accept: bool = False

    def when(self, type: str) -> datetime | None:
        """When ``type`` first happened."""
        return next((at for at, what, _ in self.log if what == type), None)

    def ended(self) -> datetime | None:
        """When the round ended."""
        return next((at for at, what, _ in self.log if what in _ENDS), None)

    def resting(self) -> datetime | None:
        """Since when the clock stands still, while it does."""
        return self.log[-1][0] if self.log and self.log[-1][1] in ("task.returned", "task.suspended") else None

    def custody(self, now: datetime) -> list[tuple[str, datetime, datetime, bool, str]]:
        """``(holder, from, to, charged, reason)`` from the opening to the end, or ``now``."""
        pieces: list[tuple[str, datetime, datetime, bool, str]] = []
        since, holding = self.opened, ("plan", False, "waiting")
        for at, what, back in [*self.log, (now, "now", "")]:
            pieces += self._cut(holding, since, at)
            if what in _ENDS:
                break
            since, holding = at, self._holding(what, back)
        return [piece for piece in pieces if piece[1] < piece[2]]

    def _holding(self, what: str, back: str) -> tuple[str, bool, str]:
        if what == "task.submitted":
            return self.verifier, True, "to_verify"
        if what == "task.returned":
            return "coordinator", True, "return"
        if what == "task.suspended":
            return self.unit, False, "suspended"
        to_do = what == "task.accepted" or back == "accepted"
        if self.when("task.return_upheld") is not None:
            return self.unit, False, "misdispatch"
        return self.unit, True, "to_do" if to_do else "to_accept"

    def _cut(
        self, holding: tuple[str, bool, str], start: datetime, end: datetime
    ) -> list[tuple[str, datetime, datetime, bool, str]]:
        holder, charged, reason = holding
        if self.added == _NOTHING or not charged or reason not in ("to_do", "to_accept") or self.due is None:
            return [(holder, start, end, charged, reason)]
        first = min(max(self.due - self.added, start), end)
        second = min(max(self.due, first), end)
        return [
            (holder, start, first, True, reason),
            (holder, first, second, False, "extension"),
            (holder, second, end, True, reason),
        ]


def stories(events: Iterable[tuple[str, Mapping[str, Any]]], until: datetime | None = None) -> dict[str, Story]:
    """One story a task, from ``(type, data)`` in order; only what happened before ``until`` when given."""
    told: dict[str, Story] = {}
    for type, data in events:
        at = datetime.fromisoformat(data["at"])
        if until is not None and at >= until:
            continue
        if type == "run.started":
            for opened in data["tasks"]:
                told[opened["task"]] = Story(opened["task"], opened["unit"], at)
            continue
        task = data["task"]
        if task not in told:
            told[task] = Story(task, data["unit"], datetime.fromisoformat(data["opened_at"]))
        story = told[task]
        if data.get("due"):
            story.due = datetime.fromisoformat(data["due"])
        if type == "task.late_accept":
            story.late_accept = True
        elif type == "task.extension_decided":
            story.added += datetime.fromisoformat(data["due"]) - datetime.fromisoformat(data["before"])
        else:
            story.log.append((at, type, str(data.get("state") or "")))
            if type == "task.submitted":
                story.verifier = data["verify_by"] or "coordinator"
    return told


def rates(told: Iterable[Story], since: datetime, until: datetime) -> dict[str, dict[str, tuple[int, int]]]:
    """For each department: rate → (numerator, denominator)."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for story in told:
        for rate, (counts, among) in _counted(story, since, until).items():
            num, den = found.setdefault(story.unit, {}).get(rate, (0, 0))
            found[story.unit][rate] = (num + (counts and among), den + among)
    return found


def _counted(story: Story, since: datetime, until: datetime) -> dict[str, tuple[bool, bool]]:
    sent, done, ended, rest = (
        story.when("task.dispatched"),
        story.when("task.submitted"),
        story.ended(),
        story.resting(),
    )
    in_time = done is not None and story.due is not None and done < story.due
    passed = None if rest is not None and story.due is not None and story.due > rest else story.due
    settled = min((moment for moment in (done, passed) if moment is not None), default=None)
    among = (
        settled is not None
        and since <= settled < until
        and (ended is None or settled <= ended)
        and story.when("task.return_upheld") is None
    )
    dispatched = sent is not None and since <= sent < until
    return {
        "sign_in": (story.when("task.accepted") is not None and not story.late_accept, among),
        "handled": (done is not None, among),
        "on_time": (in_time, among),
        "overdue": (not in_time, among),
        "closed": (story.when("task.closed") is not None, among),
        "extension": (story.added > _NOTHING, among),
        "rework": (story.when("task.rejected") is not None, among and done is not None),
        "return": (story.when("task.returned") is not None, dispatched),
    }
