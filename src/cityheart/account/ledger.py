"""The custody ledger: from the events of runs to columns, and from columns, without a loop over rows, to who held what.

On each branch of a run (the rounds of one step) every microsecond belongs to exactly one holder:

===========================  =============  =======  ===============
from … to                    holder         charged  reason
===========================  =============  =======  ===============
opened … dispatched          plan           no       waiting
dispatched … accepted        department     yes      to_accept
accepted … submitted         department     yes      to_do
submitted … verdict          verifier       yes      to_verify
returned … decided           coordinator    yes      return
suspended … resumed          department     no       suspended
granted extra time           department     no       extension
before an upheld return      department     no       misdispatch
===========================  =============  =======  ===============

Times are int64 microseconds since 1970 UTC.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEVER", "TYPES", "Facts", "Ledger", "Log", "Pieces", "from_us", "to_us"]

I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max  # a moment that has not come
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

(OPENED, DISPATCHED, ACCEPTED, SUBMITTED, RETURNED, TO_ACCEPT, TO_DO, SUSPENDED) = range(8)  # begin a stretch
(CLOSED, CANCELLED, REJECTED, UPHELD, REASSIGNED) = range(8, 13)  # end the round
(LATE_ACCEPT, EXTENDED) = range(13, 15)  # change no holder

TYPES: Mapping[str, int] = {
    "run.started": OPENED,
    "task.dispatched": DISPATCHED,
    "task.accepted": ACCEPTED,
    "task.submitted": SUBMITTED,
    "task.returned": RETURNED,
    "task.sent_back": TO_ACCEPT,
    "task.resumed": TO_ACCEPT,
    "task.suspended": SUSPENDED,
    "task.closed": CLOSED,
    "task.cancelled": CANCELLED,
    "task.rejected": REJECTED,
    "task.return_upheld": UPHELD,
    "task.reassigned": REASSIGNED,
    "task.late_accept": LATE_ACCEPT,
    "task.extension_decided": EXTENDED,
}

PLAN, UNIT, VERIFIER, COORDINATOR = range(4)
REASONS = ("waiting", "to_accept", "to_do", "to_verify", "return", "suspended", "extension", "misdispatch")
_HOLDER = np.array([PLAN, UNIT, UNIT, VERIFIER, COORDINATOR, UNIT, UNIT, UNIT])
_CHARGED = np.array([False, True, True, True, True, True, True, False])
_REASON = np.array([0, 1, 2, 3, 4, 1, 2, 5])
_EXTENSION, _MISDISPATCH = 6, 7

# which event may follow which within a round
_FOLLOWS: Mapping[int, tuple[int, ...]] = {
    OPENED: (DISPATCHED, CANCELLED),
    DISPATCHED: (ACCEPTED, RETURNED, SUSPENDED, REASSIGNED, CANCELLED),
    ACCEPTED: (SUBMITTED, RETURNED, SUSPENDED, REASSIGNED, CANCELLED),
    SUBMITTED: (CLOSED, REJECTED, CANCELLED),
    RETURNED: (UPHELD, TO_ACCEPT, TO_DO, CANCELLED),
    SUSPENDED: (TO_ACCEPT, TO_DO, REASSIGNED, CANCELLED),
    TO_ACCEPT: (ACCEPTED, RETURNED, SUSPENDED, REASSIGNED, CANCELLED),
    TO_DO: (SUBMITTED, RETURNED, SUSPENDED, REASSIGNED, CANCELLED),
}
_LEGAL = np.zeros((13, 13), dtype=bool)
for _before, _after in _FOLLOWS.items():
    _LEGAL[_before, list(_after)] = True


def to_us(moment: object) -> int:
    """An aware moment, or its RFC 3339 spelling, as microseconds since 1970 UTC."""
    when = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
    return (when - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The aware UTC moment of ``us`` microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(us))


class Log:
    """Events of runs as growing columns; :meth:`ledger` gives them as arrays. Feed it every event once, in order."""

    def __init__(self) -> None:
        self.names: list[str] = ["plan", "coordinator"]  # holders by code
        self.ids: list[str] = []
        self.runs: list[str] = []
        self.steps: list[str] = []
        self.kinds: list[str] = []
        self._name_codes = {name: code for code, name in enumerate(self.names)}
        self._kind_codes: dict[str, int] = {}
        self.codes: dict[str, int] = {}  # of tasks, by id
        self.by_run: dict[str, list[int]] = {}
        self._plans: dict[str, str] = {}
        self._round, self._unit, self._kind, self._verifier = array("q"), array("q"), array("q"), array("q")
        self._task, self._code, self._at, self._due, self._added = (array("q") for _ in range(5))

    def feed(self, type: str, data: Mapping[str, Any]) -> None:
        """Take in one event."""
        at = to_us(data["at"])
        if type == "run.started":
            self._plans[data["run"]] = data["plan"]["id"]
            for opened in data["tasks"]:
                self._open(data["run"], opened)
                self._event(opened["task"], OPENED, at)
            return
        task = str(data["task"])
        if task not in self.codes:
            self._open(data["run"], data)
            self._event(task, OPENED, to_us(data["opened_at"]))
        code, added = TYPES[type], 0
        if code == TO_ACCEPT and data["state"] == "accepted":
            code = TO_DO
        elif code == SUBMITTED:
            self._verifier[self.codes[task]] = self._name(data["verify_by"] or "coordinator")
        elif code == EXTENDED:
            added = to_us(data["due"]) - to_us(data["before"])
        due = data.get("due")
        self._event(task, code, at, NEVER if due is None else to_us(due), added)

    def _open(self, run: str, data: Mapping[str, Any]) -> None:
        self.codes[data["task"]] = len(self.ids)
        self.by_run.setdefault(run, []).append(len(self.ids))
        self.ids.append(data["task"])
        self.runs.append(run)
        self.steps.append(data["step"])
        kind = f"{self._plans.get(run, '')}:{data['step']}"
        if kind not in self._kind_codes:
            self._kind_codes[kind] = len(self.kinds)
            self.kinds.append(kind)
        self._round.append(data["round"])
        self._unit.append(self._name(data["unit"]))
        self._kind.append(self._kind_codes[kind])
        self._verifier.append(self._name("coordinator"))

    def _name(self, name: str) -> int:
        if name not in self._name_codes:
            self._name_codes[name] = len(self.names)
            self.names.append(name)
        return self._name_codes[name]

    def _event(self, task: str, code: int, at: int, due: int = NEVER, added: int = 0) -> None:
        self._task.append(self.codes[task])
        self._code.append(code)
        self._at.append(at)
        self._due.append(due)
        self._added.append(added)

    def ledger(self) -> Ledger:
        """The columns as they are now; what is fed later does not change it."""
        columns = (
            self._round,
            self._unit,
            self._kind,
            self._verifier,
            self._task,
            self._code,
            self._at,
            self._due,
            self._added,
        )
        return Ledger(*(np.array(column, dtype=np.int64) for column in columns))


@dataclass(frozen=True, slots=True)
class Pieces:
    """Stretches of custody, ordered by task and time. ``holder`` is a code of :attr:`Log.names`."""

    task: I64
    holder: I64
    start: I64
    end: I64
    charged: Flags
    reason: I64


@dataclass(frozen=True, slots=True)
class Facts:
    """What each task came to by a moment; ``NEVER`` where it has not."""

    dispatched: I64
    accepted: I64
    submitted: I64
    closed: I64
    ended: I64
    due: I64
    added: I64
    late_accept: Flags
    returned: Flags
    upheld: Flags
    rejected: Flags
    held: I64  # since when the clock stands still, while it does


@dataclass(frozen=True, slots=True)
class Ledger:
    """Columns of tasks (``round`` to ``verifier``) and of events (``task`` to ``added``) in the order they happened."""

    round: I64
    unit: I64
    kind: I64
    verifier: I64
    task: I64
    code: I64
    at: I64
    due: I64
    added: I64

    def joints(self, log: Log) -> list[tuple[int, int]]:
        """Pairs of rounds of one step that follow each other, the earlier first."""
        by_round = {(log.runs[task], log.steps[task], int(self.round[task])): task for task in range(self.tasks)}
        return [
            (by_round[run, step, n - 1], task)
            for (run, step, n), task in by_round.items()
            if (run, step, n - 1) in by_round
        ]

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self.unit)

    def until(self, moment: int) -> Ledger:
        """The ledger as it was known just before ``moment``."""
        return self._only(self.at < moment)

    def of(self, tasks: I64) -> Ledger:
        """The events of these tasks only."""
        wanted = np.zeros(self.tasks, dtype=bool)
        wanted[tasks] = True
        return self._only(wanted[self.task])

    def _only(self, events: Flags) -> Ledger:
        chosen = (column[events] for column in (self.task, self.code, self.at, self.due, self.added))
        return Ledger(self.round, self.unit, self.kind, self.verifier, *chosen)

    def facts(self) -> Facts:
        """What each task came to."""
        due, extended = np.full(self.tasks, NEVER), self.code == EXTENDED
        named = self.due != NEVER
        due[self.task[named]] = self.due[named]
        added = np.zeros(self.tasks, dtype=np.int64)
        np.add.at(added, self.task[extended], self.added[extended])
        held, rests = np.full(self.tasks, NEVER), (self.code == RETURNED) | (self.code == SUSPENDED)
        stretch = self.code <= REASSIGNED
        held[self.task[stretch]] = np.where(rests, self.at, NEVER)[stretch]
        ended = np.full(self.tasks, NEVER)
        over = (self.code >= CLOSED) & (self.code <= REASSIGNED)
        ended[self.task[over]] = self.at[over]
        return Facts(
            dispatched=self._first(DISPATCHED),
            accepted=self._first(ACCEPTED),
            submitted=self._first(SUBMITTED),
            closed=self._first(CLOSED),
            ended=ended,
            due=due,
            added=added,
            late_accept=self._ever(LATE_ACCEPT),
            returned=self._ever(RETURNED),
            upheld=self._ever(UPHELD),
            rejected=self._ever(REJECTED),
            held=held,
        )

    def _first(self, code: int) -> I64:
        moment = np.full(self.tasks, NEVER)
        found = self.code == code
        moment[self.task[found][::-1]] = self.at[found][::-1]
        return moment

    def _ever(self, code: int) -> Flags:
        ever = np.zeros(self.tasks, dtype=bool)
        ever[self.task[self.code == code]] = True
        return ever

    def pieces(self, now: int) -> Pieces:
        """Custody up to ``now``: without gap or overlap from the opening of each task to its end."""
        task, code, at = self._stretches()
        begins = code < CLOSED
        following = np.append(at[1:], now)
        following[np.append(task[1:] != task[:-1], True)] = now
        task, code, start, end = task[begins], code[begins], at[begins], following[begins]
        end = np.maximum(start, end)
        holders = np.stack(
            [np.zeros(self.tasks, dtype=np.int64), self.unit, self.verifier, np.ones(self.tasks, dtype=np.int64)]
        )
        charged, reason, kind = _CHARGED[code], _REASON[code], _HOLDER[code]
        facts = self.facts()
        wrong = facts.upheld[task] & (kind == UNIT) & charged
        charged, reason = charged & ~wrong, np.where(wrong, _MISDISPATCH, reason)
        pieces = Pieces(task, holders[kind, task], start, end, charged, reason)
        pieces = _granted(pieces, (kind == UNIT) & charged & (facts.added[task] > 0), facts)
        keep = pieces.end > pieces.start
        return _chosen(pieces, keep)

    def faults(self) -> list[tuple[int, str]]:
        """Tasks whose events cannot have happened in this order, or whose rounds do not join: ``(task, what)``."""
        task, code, at = self._stretches()
        same = task[1:] == task[:-1]
        found = [
            (int(task[i + 1]), "an event that cannot follow the one before")
            for i in np.flatnonzero(same & ~_LEGAL[code[:-1], code[1:]])
        ]
        found += [(int(task[i + 1]), "time went back") for i in np.flatnonzero(same & (at[1:] < at[:-1]))]
        first = np.append(True, ~same) if len(task) else np.zeros(0, dtype=bool)
        found += [(int(task[i]), "it was never opened") for i in np.flatnonzero(first & (code != OPENED))]
        return found

    def span(self, now: int) -> tuple[I64, I64]:
        """When each task was opened, and when it ended (``now`` while it is open)."""
        return self._first(OPENED), np.minimum(self.facts().ended, now)

    def _stretches(self) -> tuple[I64, I64, I64]:
        stretch = self.code <= REASSIGNED
        task, code, at = self.task[stretch], self.code[stretch], self.at[stretch]
        order = np.argsort(task, kind="stable")
        return task[order], code[order], at[order]


def _granted(pieces: Pieces, may: Flags, facts: Facts) -> Pieces:
    """Cut the extra time that was granted out of the stretches that ``may``: the last ``added`` before the due time."""
    if not may.any():
        return pieces
    due = facts.due[pieces.task]
    begin = np.clip(
        np.where(may, due - np.where(may, facts.added[pieces.task], 0), pieces.end), pieces.start, pieces.end
    )
    finish = np.clip(np.where(may, due, pieces.end), begin, pieces.end)
    parts = np.where(may, 3, 1)
    row = np.repeat(np.arange(len(parts)), parts)
    part = np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts)
    cuts = np.stack([pieces.start, begin, finish, pieces.end])
    cut = _chosen(pieces, row)
    return Pieces(
        cut.task, cut.holder, cuts[part, row], np.where(may[row], cuts[part + 1, row], cut.end),
        cut.charged & (part != 1), np.where(part == 1, _EXTENSION, cut.reason),
    )  # fmt: skip


def _chosen(pieces: Pieces, rows: Flags | I64) -> Pieces:
    return Pieces(
        pieces.task[rows], pieces.holder[rows], pieces.start[rows],
        pieces.end[rows], pieces.charged[rows], pieces.reason[rows],
    )  # fmt: skip
