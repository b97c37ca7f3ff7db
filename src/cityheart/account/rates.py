"""Rates and scores of departments over a period, on whole columns.

Each rate belongs to a moment that says in which period a task counts:

* *settled*: when it is decided whether the task was on time: when it is submitted, or when its due time passes. A
  department should handle the tasks settled in the period; not those it rightly returned, nor those that were
  cancelled, reassigned or at rest before they were due, nor those without a due time.
* *sent*: when it was dispatched.
* *due*: when it is due. One put off beyond the period, by extension or suspension, falls due in a later one.
* *answered*: when the newest answer of a call-back came.

Every round of a step is a task of its own. A figure uses only what was known before the end of the period; what changes
figures of the past is an upheld appeal, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cityheart.account.ledger import I64, NEVER, Facts, Flags
from cityheart.account.models import LESS_IS_BETTER, RATES, Formula, Rate, Score

__all__ = [
    "CLOCKS",
    "CLOCK_OF",
    "FAIR",
    "IN_TIME",
    "LINKED",
    "MASKS",
    "RANKED",
    "UPHELD",
    "Clocks",
    "Tally",
    "clocks",
    "corrected",
    "matter",
    "members",
    "scores",
]

RANKED = 10  # fewer tasks give no rank
FAIR = 20  # tasks' worth of the mean that a department's on-time share is drawn towards
AGAIN = 3  # from this rejection on, work is rejected "again"

# what is known of a task, as bits
(SIGNED, SUBMITTED, IN_TIME, CLOSED, EXTENDED, REJECTED, RETURNED, SATISFIED, URGENT, REJECTED_AGAIN, UPHELD) = (
    1 << bit for bit in range(11)
)
MASKS = 1 << 11

# rate -> its moment, bits that must be set to count in the numerator, bits for the denominator
_RULES: Mapping[str, tuple[str, int, int]] = {
    "sign_in": ("settled", SIGNED, 0),
    "handled": ("settled", SUBMITTED, 0),
    "on_time": ("settled", IN_TIME, 0),
    "overdue": ("settled", IN_TIME, 0),  # the others
    "closed": ("settled", CLOSED, 0),
    "rework": ("settled", REJECTED, SUBMITTED),
    "rework_again": ("settled", REJECTED_AGAIN, SUBMITTED),
    "return": ("sent", RETURNED, 0),
    "extension": ("settled", EXTENDED, 0),
    "concluded": ("due", CLOSED, 0),
    "concluded_on_time": ("due", CLOSED | IN_TIME, 0),
    "urgent_concluded": ("due", CLOSED, URGENT),
    "urgent_concluded_on_time": ("due", CLOSED | IN_TIME, URGENT),
    "satisfied": ("answered", SATISFIED, 0),
}
CLOCKS = ("settled", "sent", "due", "answered")
CLOCK_OF: Mapping[str, str] = {rate: clock for rate, (clock, _, _) in _RULES.items()}

# rates that say the same of a task: an appeal against one of them corrects all
LINKED: Mapping[str, tuple[str, ...]] = {
    "on_time": ("on_time", "overdue", "concluded_on_time", "urgent_concluded_on_time"),
    "closed": ("closed", "concluded", "urgent_concluded"),
    "rework": ("rework", "rework_again"),
}


def matter(rate: str) -> str:
    """The rate that stands for ``rate`` and all that say the same."""
    return next((first for first, linked in LINKED.items() if rate in linked), rate)


_MASK = np.arange(MASKS)
_TABLES = {
    rate: (
        (((_MASK & num) == num) != (rate == "overdue")) & ((_MASK & den) == den),
        (_MASK & den) == den,
    )
    for rate, (_, num, den) in _RULES.items()
}


@dataclass(frozen=True, slots=True)
class Clocks:
    """For each task the moment of each clock (``NEVER`` where it does not count) and what is known of it as bits."""

    moments: Mapping[str, I64]
    mask: I64

    def take(self, rows: I64) -> Clocks:
        """Those of some rows."""
        return Clocks({clock: moment[rows] for clock, moment in self.moments.items()}, self.mask[rows])


def clocks(facts: Facts, urgent: Flags, fails: I64) -> Clocks:
    """What each task counts for, and when; ``fails`` is how often the work of its step had been rejected."""
    in_time, has_due = (facts.submitted < facts.due) | facts.offline, facts.due != NEVER
    settled = np.minimum(facts.submitted, np.where(facts.due > facts.held, NEVER, facts.due))
    sent = facts.dispatched != NEVER
    counts = sent & has_due & ~facts.upheld
    moments = {
        "settled": np.where(counts & (settled <= facts.ended), settled, NEVER),
        "sent": facts.dispatched,
        "due": np.where(
            counts & (facts.due <= facts.held) & ((facts.closed != NEVER) | (facts.due <= facts.ended)),
            facts.due,
            NEVER,
        ),
        "answered": np.where(sent, facts.evaluated, NEVER),
    }
    bits = (
        (SIGNED, (facts.accepted != NEVER) & ~facts.late_accept),
        (SUBMITTED, facts.submitted != NEVER),
        (IN_TIME, in_time),
        (CLOSED, facts.closed != NEVER),
        (EXTENDED, facts.added > 0),
        (REJECTED, facts.rejected),
        (RETURNED, facts.returned),
        (SATISFIED, facts.satisfied),
        (URGENT, urgent),
        (REJECTED_AGAIN, facts.rejected & (fails >= AGAIN)),
        (UPHELD, facts.upheld),
    )
    mask = np.zeros(len(sent), dtype=np.int64)
    for bit, holds in bits:
        mask |= np.where(holds, bit, 0)
    return Clocks(moments, mask)


def members(rate: str, found: Clocks, since: int, until: int) -> tuple[Flags, Flags]:
    """Which tasks are in the rate's numerator, and which in its denominator, before appeals."""
    clock, (num, den) = _RULES[rate][0], _TABLES[rate]
    moment = found.moments[clock]
    inside = (moment >= since) & (moment < until)
    return inside & num[found.mask], inside & den[found.mask]


def corrected(rate: str, num: Flags, den: Flags, effects: Mapping[int, str]) -> tuple[Flags, Flags]:
    """With what upheld appeals say: ``effects`` maps a row to ``exclude`` or ``count_as_good``."""
    num, den = num.copy(), den.copy()
    for row, effect in effects.items():
        if effect == "exclude":
            den[row] = False
        num[row] = den[row] and effect == "count_as_good" and rate not in LESS_IS_BETTER
    return num, den


@dataclass(slots=True)
class Tally:
    """Counts over a period: per department and mask, per pair of department and kind, and charged microseconds."""

    masks: dict[str, NDArray[np.int64]]  # clock -> departments × MASKS
    on_time: NDArray[np.int64]  # pairs × (late, in time)
    worked: NDArray[np.int64]  # pairs × (tasks submitted, microseconds from dispatch to submission)
    senders: NDArray[np.int64]  # people × (right, upheld returns)
    charged: I64  # by holder
    corrections: dict[str, tuple[I64, I64]]  # rate -> by department: to add to numerator and denominator
    appeals: I64  # corrected tasks by department

    @classmethod
    def empty(cls, names: int, pairs: int, people: int) -> Tally:
        """Nothing counted yet."""
        return cls(
            {clock: np.zeros((names, MASKS), dtype=np.int64) for clock in CLOCKS},
            np.zeros((pairs, 2), dtype=np.int64),
            np.zeros((pairs, 2), dtype=np.int64),
            np.zeros((people, 2), dtype=np.int64),
            np.zeros(names, dtype=np.int64),
            {},
            np.zeros(names, dtype=np.int64),
        )

    def rates(self) -> dict[str, tuple[I64, I64]]:
        """Before appeals, for each rate: numerators and denominators by department."""
        found = {}
        for rate in RATES:
            counts, (num, den) = self.masks[_RULES[rate][0]], _TABLES[rate]
            found[rate] = (counts @ num.astype(np.int64), counts @ den.astype(np.int64))
        return found


def scores(tally: Tally, names: list[str], pairs: list[tuple[int, int]], formula: Formula) -> list[Score]:
    """The score of every department that had a task in the period, best first."""
    before = tally.rates()
    after = {
        rate: (num + tally.corrections[rate][0], den + tally.corrections[rate][1])
        if rate in tally.corrections
        else (num, den)
        for rate, (num, den) in before.items()
    }
    expected, ratio = _expected(tally, pairs, len(names)), _time_ratio(tally, pairs, len(names))
    found = []
    for code, name in enumerate(names):
        rates = {rate: Rate(int(num[code]), int(den[code])) for rate, (num, den) in after.items()}
        n = rates["on_time"].den
        seconds = float(tally.charged[code] / 1e6)
        seen = any(rate.den for rate in rates.values()) or tally.appeals[code]
        if name in ("plan", "coordinator") or not (seen or seconds):
            continue
        fair = (rates["on_time"].num + FAIR * expected[code]) / (n + FAIR) if n else None
        was = None
        if tally.appeals[code]:
            was = formula.score({rate: Rate(int(num[code]), int(den[code])) for rate, (num, den) in before.items()})
        found.append(
            Score(
                name, n, formula.score(rates) if n else None, None, rates, None if fair is None else round(float(fair), 6),
                seconds, rates["overdue"].num, ratio[code], int(tally.appeals[code]), was,
            )
        )  # fmt: skip
    return _ranked(found)


def _expected(tally: Tally, pairs: list[tuple[int, int]], names: int) -> NDArray[np.float64]:
    """The on-time share that a department's mix of tasks had with everybody."""
    unit, kind = _units_kinds(pairs)
    kinds = int(kind.max(initial=-1)) + 1
    counted, on_time = tally.on_time.sum(axis=1), tally.on_time[:, 1]
    share = _sums(kind, on_time, kinds) / np.maximum(_sums(kind, counted, kinds), 1)
    result: NDArray[np.float64] = _sums(unit, share[kind] * counted, names) / np.maximum(_sums(unit, counted, names), 1)
    return result


def _time_ratio(tally: Tally, pairs: list[tuple[int, int]], names: int) -> list[float | None]:
    """Time from dispatch to submission over what everybody needed on average for the same kinds of task."""
    unit, kind = _units_kinds(pairs)
    kinds = int(kind.max(initial=-1)) + 1
    tasks, time = tally.worked[:, 0], tally.worked[:, 1] / 1e6
    mean = _sums(kind, time, kinds) / np.maximum(_sums(kind, tasks, kinds), 1)
    expected, needed = _sums(unit, mean[kind] * tasks, names), _sums(unit, time, names)
    return [round(float(a / b), 4) if b > 0 else None for a, b in zip(needed, expected, strict=True)]


def _units_kinds(pairs: list[tuple[int, int]]) -> tuple[I64, I64]:
    both = np.array(pairs, dtype=np.int64).reshape(len(pairs), 2)
    return both[:, 0], both[:, 1]


def _sums(of: I64, what: NDArray[np.int64] | NDArray[np.float64], most: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.bincount(of, weights=what, minlength=most).astype(np.float64)
    return found


def _ranked(found: list[Score]) -> list[Score]:
    ordered = sorted(
        found,
        key=lambda score: (score.score is None, -(score.score or 0.0), -(score.on_time_fair or 0.0), score.department),
    )
    ranked, place, before = [], 0, None
    eligible = 0
    for score in ordered:
        if score.n < RANKED or score.score is None:
            ranked.append(score)
            continue
        eligible += 1
        if score.score != before:
            place, before = eligible, score.score
        ranked.append(replace(score, rank=place))
    return ranked
