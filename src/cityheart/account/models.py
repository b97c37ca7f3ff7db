"""What account works with: pieces of custody, rates with their numerators and denominators, formulas, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from cityheart.kernel.text import Text

__all__ = ["RATES", "Counted", "Custody", "Formula", "Rate", "Score", "Scores", "Term"]

# rate -> what it counts, over what
RATES: Mapping[str, str] = {
    "sign_in": "accepted in time / should handle",
    "handled": "submitted / should handle",
    "on_time": "submitted before due / should handle",
    "overdue": "not submitted before due / should handle",
    "closed": "verified / should handle",
    "rework": "rejected / submitted",
    "return": "returned / dispatched",
    "extension": "granted more time / should handle",
}


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
class Term:
    """One term of a formula."""

    rate: str
    weight: float
    less_is_better: bool


@dataclass(frozen=True, slots=True)
class Formula:
    """A scoring rule in force from ``valid_from`` on, with its source."""

    id: str
    version: str
    valid_from: date
    title: Text
    source: Text
    terms: tuple[Term, ...]

    def score(self, rates: Mapping[str, Rate]) -> float | None:
        """Points out of the sum of the weights; ``None`` without a task.

        A term that has nothing to divide by is left out and the others are scaled up in proportion.
        """
        known = [(term, rate) for term in self.terms if (rate := rates[term.rate].rate) is not None]
        weight = sum(term.weight for term, _ in known)
        if not weight:
            return None
        points = sum(term.weight * (1 - rate if term.less_is_better else rate) for term, rate in known)
        return round(points * sum(term.weight for term in self.terms) / weight, 4)


@dataclass(frozen=True, slots=True)
class Score:
    """A department's figures over a period. ``rank`` is hidden below ten tasks.

    ``on_time_fair`` draws the on-time share of a department with few tasks towards the mean of the kinds of task it
    had: (on_time + 20 μ) / (n + 20). ``custody_seconds`` are charged seconds within the period.
    """

    department: str
    n: int
    score: float | None
    rank: int | None
    rates: Mapping[str, Rate]
    on_time_fair: float | None
    custody_seconds: float
    late: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all departments that had a task in a period, best first."""

    since: datetime
    until: datetime
    formula: Formula
    departments: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """One task behind a rate: whether it is in the numerator."""

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
