"""Patterns in the tasks of a period that may be gaming. Each is a reason to look, not a finding; none changes a score."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cityheart.account.index import Index
from cityheart.account.index import around as tasks_around
from cityheart.account.ledger import I64, NEVER, Facts, Flags, Log
from cityheart.account.models import Flag
from cityheart.account.rates import IN_TIME, Clocks
from cityheart.kernel import duration, limits
from cityheart.kernel.text import Text, text

__all__ = ["Rule", "Rules", "found", "rules"]

_FILE = Path(__file__).parent / "rules" / "flags.toml"
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a pattern is worth a look: ``within`` microseconds, ``share`` of a span of time, ``least`` tasks."""

    title: Text
    words: Text
    within: int
    share: float
    least: int


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules by kind, since when, from where."""

    version: str
    valid_from: date
    source: Text
    by_kind: Mapping[str, Rule]


@cache
def rules(file: Path = _FILE) -> Rules:
    """The rules of a file."""
    raw = tomllib.loads(file.read_text("utf-8"))
    kinds = {
        kind: Rule(
            dict(rule["title"]), dict(rule["words"]),
            duration.parse(rule["within"]) // _MICROSECOND if "within" in rule else 0,
            float(rule.get("share", 0)), int(rule["least"]),
        )
        for kind, rule in raw.items()
        if isinstance(rule, dict) and kind != "source"
    }  # fmt: skip
    return Rules(raw["version"], raw["valid_from"], dict(raw["source"]), kinds)


@dataclass(frozen=True, slots=True)
class _Period:
    """The tasks of a period with what is known of them at its end."""

    log: Log
    tasks: I64
    unit: I64
    facts: Facts
    clocks: Clocks
    since: int
    until: int

    def inside(self, moment: I64) -> Flags:
        found: Flags = (moment >= self.since) & (moment < self.until)
        return found


def found(log: Log, index: Index, since: int, until: int, by: Rules) -> list[Flag]:
    """Flags of ``[since, until)`` by kind and department, from what was known at its end."""
    tasks, clocks, facts = tasks_around(log, index, since, until)
    period = _Period(log, tasks, log.of("unit", tasks).astype(np.int64), facts, clocks, since, until)
    told = []
    for kind, look in _LOOKS.items():
        rule = by.by_kind[kind]
        chosen, among = look(period, rule)
        told += _by_department(period, kind, rule, chosen, among)
    return told


def _by_department(period: _Period, kind: str, rule: Rule, chosen: Flags, among: Flags) -> list[Flag]:
    names = period.log.names
    counts = np.bincount(period.unit[chosen], minlength=len(names))
    of = np.bincount(period.unit[among], minlength=len(names))
    flags = []
    for unit in np.flatnonzero(counts >= max(1, rule.least)).tolist():
        rows = np.flatnonzero(chosen & (period.unit == unit))[: limits.FLAG_TASKS]
        n, all_of = int(counts[unit]), int(of[unit])
        words = text(*(rule.words[language].format(n=n, of=all_of) for language in ("zh-CN", "en")))
        shown = tuple(period.log.ids[code] for code in period.tasks[rows].tolist())
        flags.append(Flag(kind, names[unit], n, all_of, shown, rule.title, words))
    return flags


# ── the patterns: (tasks that show it, tasks among which) ──────────────────────────────────────────────────────


def _reopened(period: _Period, rule: Rule) -> tuple[Flags, Flags]:
    """Closed, and the same step of the same plan was started again soon after for the same incident."""
    facts, runs = period.facts, period.log.of("run", period.tasks)
    of_run = {run: period.log.incidents[run] for run in np.unique(runs).tolist()}
    numbers = {incident: number for number, incident in enumerate(sorted(set(of_run.values())))}
    incident = np.array([numbers[of_run[run]] for run in runs.tolist()], dtype=np.int64)
    kind = period.log.of("kind", period.tasks).astype(np.int64)
    order = np.lexsort((facts.opened, period.unit, kind, incident))
    a, b = order[:-1], order[1:]
    again = (
        (incident[a] == incident[b]) & (kind[a] == kind[b]) & (period.unit[a] == period.unit[b]) & (runs[a] != runs[b])
    )
    closed = facts.closed[a]
    soon = again & (closed != NEVER) & (facts.opened[b] >= closed)
    soon &= facts.opened[b] - np.where(soon, closed, 0) < rule.within
    chosen = np.zeros(len(period.tasks), dtype=bool)
    chosen[a[soon]] = True
    among = period.inside(facts.closed)
    return chosen & among, among


def _bare_return(period: _Period, rule: Rule) -> tuple[Flags, Flags]:
    among = period.facts.returned & period.inside(period.facts.dispatched)
    return among & period.facts.bare, among


def _late_request(period: _Period, rule: Rule) -> tuple[Flags, Flags]:
    facts = period.facts
    among = period.inside(facts.asked) & (facts.asked_due != NEVER) & (facts.dispatched != NEVER)
    left = np.where(among, facts.asked_due, 0) - np.where(among, facts.asked, 0)
    span = np.where(among, facts.asked_due, 0) - np.where(among, facts.dispatched, 0)
    return among & (left <= rule.share * span), among


def _bulk(period: _Period, rule: Rule) -> tuple[Flags, Flags]:
    """Submissions of one department that lie in a window with at least ``least`` of them."""
    among = period.inside(period.facts.submitted)
    rows = np.flatnonzero(among)
    rows = rows[np.lexsort((period.facts.submitted[rows], period.unit[rows]))]
    unit, at = period.unit[rows], period.facts.submitted[rows]
    upto = _window(unit, at, rule.within)
    full = np.flatnonzero(upto - np.arange(len(rows)) >= rule.least)
    edges = np.zeros(len(rows) + 1, dtype=np.int64)
    np.add.at(edges, full, 1)
    np.add.at(edges, upto[full], -1)
    chosen = np.zeros(len(period.tasks), dtype=bool)
    chosen[rows[np.cumsum(edges[:-1]) > 0]] = True
    return chosen, among


def _window(unit: I64, at: I64, within: int) -> NDArray[np.int64]:
    """For each row, sorted by unit and time, the row behind the last one of its unit within ``within`` of it."""
    ends = np.zeros(len(at), dtype=np.int64)
    for begin, end in _spans(unit):
        ends[begin:end] = begin + np.searchsorted(at[begin:end], at[begin:end] + within, side="right")
    return ends


def _spans(unit: I64) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(unit)) + 1).tolist(), len(unit)]
    return [(a, b) for a, b in pairwise(edges) if a < b]


def _sit(period: _Period, rule: Rule) -> tuple[Flags, Flags]:
    """Signed for early, not done in time, no more time asked for."""
    facts = period.facts
    among = period.inside(period.clocks.moments["settled"])
    known = among & (facts.accepted != NEVER)
    took = np.where(known, facts.accepted - np.where(known, facts.dispatched, 0), 0)
    span = np.where(known, facts.due - np.where(known, facts.dispatched, 0), 0)
    late = (period.clocks.mask & IN_TIME) == 0
    return known & late & (took <= rule.share * span) & (facts.asked == NEVER), among


_LOOKS = {
    "reopened": _reopened,
    "bare_return": _bare_return,
    "late_request": _late_request,
    "bulk": _bulk,
    "sit": _sit,
}
