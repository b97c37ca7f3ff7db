"""The same ledger and rates once more, task by task in plain words: what ``verify`` holds the vectorised ones against.

Nothing of it is shared with :mod:`cityheart.account.ledger` or :mod:`cityheart.account.rates`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

__all__ = ["Story", "dispatchers", "effects", "points", "rates", "stories"]

Told = tuple[str, Mapping[str, Any], str]

_ENDS = {"task.closed", "task.cancelled", "task.rejected", "task.return_upheld", "task.reassigned", "task.delegated"}
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
    offline: bool = False  # the verifier counted the moment it was done offline
    urgent: bool = False
    sender: str = ""
    failures: int = 0  # how often the work of its step had been rejected when its own was
    answer: tuple[datetime, bool] | None = None  # the newest one of a call-back

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


def stories(events: Iterable[Told], until: datetime | None = None) -> dict[str, Story]:
    """One story a task, from ``(type, data, actor)`` in order; only what happened before ``until`` when given.

    Levels of incidents are known to all: a run is urgent by the level its incident had when it was started.
    """
    told: dict[str, Story] = {}
    urgent: dict[str, bool] = {}
    starters: dict[str, str] = {}
    levels: dict[str, int | None] = {}
    sent_by: dict[tuple[str, str], str] = {}
    failed: Counter[tuple[str, str]] = Counter()
    for type, data, actor in events:
        if type == "appeal.upheld":
            continue
        if type == "run.patched":
            for added in data.get("tasks", ()):
                sent_by[data["run"], added["step"]] = actor
            continue
        at = datetime.fromisoformat(data["at"])
        if type in ("incident.opened", "incident.level_changed"):
            levels[data["incident"]] = data.get("level") if type == "incident.opened" else data["to"]
            continue
        if type == "run.started":
            level = levels.get(data.get("incident") or "")
            urgent[data["run"]], starters[data["run"]] = level in (1, 2), "" if data.get("imported") else actor
        if until is not None and at >= until:
            continue
        if type == "run.started":
            for opened in data["tasks"]:
                told[opened["task"]] = Story(
                    opened["task"],
                    opened.get("unit") or "plan",
                    at,
                    urgent=urgent[data["run"]],
                    sender=starters[data["run"]],
                )
            continue
        task, branch = data["task"], (data["run"], data.get("step", ""))
        if task not in told:
            opened_at = datetime.fromisoformat(data.get("opened_at") or data["at"])
            sender = sent_by.get(branch) or starters.get(data["run"], "")
            urgency = urgent.get(data["run"], False)
            told[task] = Story(task, data.get("unit") or "plan", opened_at, urgent=urgency, sender=sender)
        story = told[task]
        if type == "task.dispatched" and data.get("unit"):
            story.unit = data["unit"]
        if type == "task.rejected":
            failed[branch] += 1
            story.failures, sent_by[branch] = failed[branch], story.sender
        elif type in ("task.return_upheld", "task.reassigned", "task.delegated") or (
            type == "task.cancelled" and data.get("reason") == "reassigned"
        ):
            sent_by[branch] = actor
        if type == "task.extension_requested":
            continue
        if data.get("due"):
            story.due = datetime.fromisoformat(data["due"])
        if type == "task.evaluated":
            if data.get("satisfied") is not None:
                story.answer = (at, bool(data["satisfied"]))
        elif type == "task.offline_counted":
            story.offline = True
        elif type == "task.late_accept":
            story.late_accept = True
        elif type == "task.extension_decided":
            story.added += datetime.fromisoformat(data["due"]) - datetime.fromisoformat(data["before"])
        else:
            story.log.append((at, type, str(data.get("state") or "")))
            if type == "task.submitted":
                story.verifier = data["verify_by"] or "coordinator"
    return told


def effects(events: Iterable[Told]) -> dict[tuple[str, str], str]:
    """What upheld appeals say: ``(task, rate)`` → effect, for every rate that says the same."""
    alike = (
        ("on_time", "overdue", "concluded_on_time", "urgent_concluded_on_time"),
        ("closed", "concluded", "urgent_concluded"),
        ("rework", "rework_again"),
    )
    found = {}
    for type, data, _ in events:
        if type == "appeal.upheld":
            for rate in next((each for each in alike if data["rate"] in each), (data["rate"],)):
                found[data["task"], rate] = data["effect"]
    return found


def rates(
    told: Iterable[Story], since: datetime, until: datetime, upheld: Mapping[tuple[str, str], str]
) -> dict[str, dict[str, tuple[int, int]]]:
    """For each department: rate → (numerator, denominator), with what ``upheld`` appeals say."""
    bad = {"overdue", "rework", "rework_again", "return", "extension"}
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for story in told:
        for rate, (counts, among) in _counted(story, since, until).items():
            effect = upheld.get((story.task, rate))
            if effect == "exclude":
                among = False
            elif effect == "count_as_good":
                counts = rate not in bad
            num, den = found.setdefault(story.unit, {}).get(rate, (0, 0))
            found[story.unit][rate] = (num + (counts and among), den + among)
    return found


def dispatchers(told: Iterable[Story], since: datetime, until: datetime) -> dict[str, tuple[int, int]]:
    """For each person: dispatches in the period, and those of them that were rightly returned."""
    found: dict[str, tuple[int, int]] = {}
    for story in told:
        sent = story.when("task.dispatched")
        if sent is not None and since <= sent < until:
            all_of, wrong = found.get(story.sender, (0, 0))
            found[story.sender] = (all_of + 1, wrong + (story.when("task.return_upheld") is not None))
    return found


def points(formula: Mapping[str, Any], counted: Mapping[str, tuple[int, int]]) -> float | None:
    """The score of a department by a formula as plain data; ``None`` without anything to divide by."""
    bad = {"overdue", "rework", "rework_again", "return", "extension"}
    got = most = total = 0.0
    for term in formula["terms"]:
        total += term["weight"]
        deductions = term.get("deductions", [])
        looked_at = [each["rate"] for each in deductions] or [term["rate"]]
        if not any(counted[rate][1] for rate in looked_at):
            continue
        most += term["weight"]
        if deductions:
            lost = 0.0
            for each in deductions:
                num, den = counted[each["rate"]]
                if "bound" not in each:
                    lost += num * each["points"]
                elif den:
                    above = num / den - each["bound"]
                    lost += max(0.0, above if each["rate"] in bad else -above) * 100 * each["points"]
            got += max(0.0, term["weight"] - lost)
        else:
            num, den = counted[term["rate"]]
            got += term["weight"] * ((den - num) / den if term.get("less_is_better") else num / den)
    return None if most == 0 else got * total / most


def _counted(story: Story, since: datetime, until: datetime) -> dict[str, tuple[bool, bool]]:
    sent, done, ended, rest = (
        story.when("task.dispatched"),
        story.when("task.submitted"),
        story.ended(),
        story.resting(),
    )
    in_time = story.offline or (done is not None and story.due is not None and done < story.due)
    closed = story.when("task.closed") is not None
    mine = story.when("task.return_upheld") is None and story.due is not None and sent is not None
    passed = None if rest is not None and story.due is not None and story.due > rest else story.due
    settled = min((moment for moment in (done, passed) if moment is not None), default=None)
    among = mine and settled is not None and since <= settled < until and (ended is None or settled <= ended)
    due = mine and passed is not None and since <= passed < until and (closed or ended is None or passed <= ended)
    dispatched = sent is not None and since <= sent < until
    rejected = story.when("task.rejected") is not None
    return {
        "sign_in": (story.when("task.accepted") is not None and not story.late_accept, among),
        "handled": (done is not None, among),
        "on_time": (in_time, among),
        "overdue": (not in_time, among),
        "closed": (closed, among),
        "extension": (story.added > _NOTHING, among),
        "rework": (rejected, among and done is not None),
        "rework_again": (rejected and story.failures >= 3, among and done is not None),
        "return": (story.when("task.returned") is not None, dispatched),
        "concluded": (closed, due),
        "concluded_on_time": (closed and in_time, due),
        "urgent_concluded": (closed, due and story.urgent),
        "urgent_concluded_on_time": (closed and in_time, due and story.urgent),
        "satisfied": (
            story.answer is not None and story.answer[1],
            sent is not None and story.answer is not None and since <= story.answer[0] < until,
        ),
    }
