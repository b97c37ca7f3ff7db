"""What account works with: pieces of custody, rates with their numerators and denominators, formulas, scores, appeals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from cityheart.kernel.text import Text, text

__all__ = [
    "LESS_IS_BETTER",
    "RATES",
    "RATE_TITLES",
    "SUPPLY",
    "Appeal",
    "Counted",
    "Custody",
    "Deduction",
    "Dispatcher",
    "Effect",
    "Flag",
    "Formula",
    "Rate",
    "Score",
    "Scores",
    "Supplied",
    "Term",
]

# rate -> what it counts, over what
RATES: Mapping[str, str] = {
    "sign_in": "accepted in time / should handle",
    "handled": "submitted / should handle",
    "on_time": "submitted before due / should handle",
    "overdue": "not submitted before due / should handle",
    "closed": "verified / should handle",
    "rework": "rejected / submitted",
    "rework_again": "rejected for the third time or more / submitted",
    "return": "returned / dispatched",
    "extension": "granted more time / should handle",
    "concluded": "verified / due, without those put off beyond the period",
    "concluded_on_time": "submitted before due and verified / due, without those put off beyond the period",
    "urgent_concluded": "verified / due, of urgent incidents (levels 1 and 2)",
    "urgent_concluded_on_time": "submitted before due and verified / due, of urgent incidents (levels 1 and 2)",
    "satisfied": "satisfied / answers to call-backs",
}
LESS_IS_BETTER = frozenset({"overdue", "rework", "rework_again", "return", "extension"})

# of departments as suppliers of data
SUPPLY: Mapping[str, str] = {
    "fresh": "deliveries on schedule / deliveries expected",
    "good": "good rows / rows delivered",
    "taken": "deliveries taken / deliveries made",
}

RATE_TITLES: Mapping[str, Text] = {
    "sign_in": text("按时签收率", "signed for in time"),
    "handled": text("处置率", "handled"),
    "on_time": text("按期处置率", "handled on time"),
    "overdue": text("超期率", "overdue"),
    "closed": text("办结率", "verified"),
    "rework": text("返工率", "rework"),
    "rework_again": text("三次及以上返工率", "rework for the third time or more"),
    "return": text("退单率", "returned"),
    "extension": text("延期率", "given more time"),
    "concluded": text("结案率", "concluded"),
    "concluded_on_time": text("按期结案率", "concluded on time"),
    "urgent_concluded": text("紧急问题结案率", "urgent, concluded"),
    "urgent_concluded_on_time": text("紧急问题按期结案率", "urgent, concluded on time"),
    "satisfied": text("满意率", "satisfied"),
    "fresh": text("供数及时率", "delivered on schedule"),
    "good": text("供数合格率", "good rows"),
    "taken": text("批次接收率", "deliveries taken"),
}

Effect = Literal["exclude", "count_as_good"]


@dataclass(frozen=True, slots=True)
class Custody:
    """One stretch of one task's time and who held it; together the pieces cover the task's time exactly."""

    task: str
    holder: str  # a department code, coordinator, or plan
    start: datetime
    end: datetime
    charged: bool
    reason: str  # waiting, to_accept, to_do, to_verify, return, suspended, extension, misdispatch

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "holder": self.holder,
            "from": self.start,
            "to": self.end,
            "seconds": (self.end - self.start).total_seconds(),
            "charged": self.charged,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with what it is made of."""

    num: int
    den: int

    @property
    def rate(self) -> float | None:
        """``num / den``; ``None`` when there is nothing to divide by."""
        return self.num / self.den if self.den else None

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {"num": self.num, "den": self.den, "rate": self.rate}


@dataclass(frozen=True, slots=True)
class Deduction:
    """What a term loses: ``points`` for each percentage point of a rate beyond ``bound``, or for each counted task.

    With a ``bound`` (0 to 1) the rate loses for what it lies below it, or above it where less is better; without one
    every task in the rate's numerator costs ``points``.
    """

    rate: str
    points: float
    bound: float | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a formula: ``weight`` × rate (or × (1 − rate)); with deductions ``weight`` less those, at least 0."""

    rate: str
    weight: float
    less_is_better: bool
    deductions: tuple[Deduction, ...] = ()

    @property
    def rates(self) -> frozenset[str]:
        """The rates it looks at."""
        return frozenset({each.rate for each in self.deductions} or {self.rate})

    def points(self, rates: Mapping[str, Rate]) -> float | None:
        """Points of this term; ``None`` when none of its rates has anything to divide by."""
        if all(not rates[rate].den for rate in self.rates):
            return None
        if not self.deductions:
            share = rates[self.rate].rate or 0.0
            return self.weight * (1 - share if self.less_is_better else share)
        return max(0.0, self.weight - sum(_lost(each, rates[each.rate]) for each in self.deductions))


def _lost(deduction: Deduction, rate: Rate) -> float:
    if deduction.bound is None:
        return deduction.points * rate.num
    share = rate.rate
    if share is None:
        return 0.0
    beyond = share - deduction.bound if deduction.rate in LESS_IS_BETTER else deduction.bound - share
    return deduction.points * 100 * max(0.0, beyond)


@dataclass(frozen=True, slots=True)
class Formula:
    """A scoring rule in force from ``valid_from`` on, with its source.

    ``of`` says whom it scores: departments that handle tasks, or that supply data. One that is not ``adopted`` is only
    offered: it scores when asked for by its id. ``appeal_within`` is working time after a task counted.
    """

    id: str
    version: str
    valid_from: date
    title: Text
    source: Text
    terms: tuple[Term, ...]
    of: Literal["handling", "supply"] = "handling"
    adopted: bool = True
    appeal_within: timedelta = timedelta(days=10)
    published_by: str | None = None
    published_at: datetime | None = None

    @property
    def out_of(self) -> float:
        """The most points there are."""
        return sum(term.weight for term in self.terms)

    def score(self, rates: Mapping[str, Rate]) -> float | None:
        """Points out of the sum of the weights; ``None`` without a task.

        A term that has nothing to divide by is left out and the others are scaled up in proportion.
        """
        found = [(term.weight, points) for term in self.terms if (points := term.points(rates)) is not None]
        weight = sum(most for most, _ in found)
        if not weight:
            return None
        return round(sum(points for _, points in found) * self.out_of / weight, 4)


@dataclass(frozen=True, slots=True)
class Score:
    """A department's figures over a period. ``rank`` is hidden below ten tasks.

    ``on_time_fair`` draws the on-time share of a department with few tasks towards the mean of the kinds of task it
    had: (on_time + 20 μ) / (n + 20). ``time_ratio`` is the time it worked over the mean time of everybody at the same
    kinds of task. ``custody_seconds`` are charged seconds within the period. ``before_appeals`` is the score without
    the ``corrections`` that upheld appeals made.
    """

    department: str
    n: int
    score: float | None
    rank: int | None
    rates: Mapping[str, Rate]
    on_time_fair: float | None
    custody_seconds: float
    late: int
    time_ratio: float | None = None
    corrections: int = 0
    before_appeals: float | None = None


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """How often somebody sent tasks to the right department: ``accuracy`` is 1 − upheld returns / dispatches."""

    dispatcher: str
    accuracy: Rate
    upheld: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all departments that had a task in a period, best first."""

    since: datetime
    until: datetime
    formula: Formula
    departments: tuple[Score, ...]
    dispatchers: tuple[Dispatcher, ...] = ()
    changes: tuple[Formula, ...] = ()  # formulas that came into force inside the period


@dataclass(frozen=True, slots=True)
class Supplied:
    """How a department supplied data over a period."""

    department: str
    sources: int
    rates: Mapping[str, Rate]
    score: float | None


@dataclass(frozen=True, slots=True)
class Counted:
    """One task behind a rate: whether it is in the numerator, and what an upheld appeal made of it."""

    task: str
    run: str
    step: str
    round: int
    counts: bool
    dispatched_at: datetime
    accepted_at: datetime | None
    due: datetime | None
    submitted_at: datetime | None
    closed_at: datetime | None
    correction: str | None = None


@dataclass(frozen=True, slots=True)
class Appeal:
    """A department's appeal against one task in one rate."""

    id: str
    task: str
    run: str
    department: str
    rate: str
    reason: str
    evidence: str
    state: Literal["open", "upheld", "dismissed"]
    filed_at: datetime
    filed_by: Mapping[str, object]
    effect: Effect | None = None
    decision: str = ""
    decided_at: datetime | None = None
    decided_by: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """A pattern that may be gaming: how many of how many, with tasks to look at. It accuses nobody."""

    kind: str
    department: str
    n: int
    of: int
    tasks: tuple[str, ...]
    title: Text = field(default_factory=dict)
    words: Text = field(default_factory=dict)
