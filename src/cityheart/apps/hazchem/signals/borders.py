"""Loads near the border of two months: which of them explain that one book shows more or less than another.

A load of the 31st may be in April's return, one of the 1st in March's. That forgives a difference only where some of these
loads together *are* the difference; that there are such loads forgives nothing.

Pure functions; only the doubtful differences are gone through one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from cityheart.apps.hazchem.signals.books import HOUR, Array, Whole, month_begin

__all__ = ["SUMS", "Loads", "beside", "unexplained", "within"]

SUMS = 2048
"""Sums of loads that are told apart at most: more loads are weighed together more coarsely."""

WITHIN = 2.0
"""Standard errors to which loads must come to the difference: else they have nothing to do with it."""

SPREADS = 3.0
"""The same in spreads of what the rows of the month differ by, where they are enough to tell it and agree better."""

LEAST_SPREAD = 0.3
"""Standard errors that the spread counts at least."""

COSTLY = 3.0
"""Standard errors that one load counts at most for being in the other month's return."""


@dataclass(frozen=True, slots=True)
class Loads:
    """What came (or went) near the border: ``of`` which row of an account, and by how much that row has more for it
    (less than nothing: a load dated in the other month, which this month's return may have)."""

    of: Whole
    mass: Array


def beside(at: Whole, month: Whole, zone: ZoneInfo, hours: float) -> Whole:
    """For each moment (s) of a month the other month in whose return it may be, -1 where no border is near."""
    other = np.full(len(at), -1, dtype=np.int64)
    for each in np.unique(month).tolist():  # a few months, not rows
        if each >= 12:
            begin, end = (int(month_begin(each + n, zone).timestamp()) for n in (0, 1))
            of = month == each
            other[of & (end - at < hours * HOUR)] = each + 1
            other[of & (at - begin < hours * HOUR)] = each - 1
    return other


def within(difference: Array, error: Array, month: Whole, least: int) -> Array:
    """How near loads must come to each difference to explain it: by the errors, or by how well most rows of the month agree."""
    near = WITHIN * error
    far = np.abs(difference) / error
    for each in np.unique(month).tolist():  # a few months, not rows
        here = month == each
        known = far[here & (far < SPREADS)]
        if len(known) >= least:
            spread = max(1.4826 * float(np.median(known)), LEAST_SPREAD)
            near[here] = np.minimum(near[here], SPREADS * spread * error[here])
    return near


def unexplained(difference: Array, error: Array, near: Array, loads: Loads, month: Whole, steep: float) -> Array:
    """What of each difference is left when those loads are in the other month's return that explain it to what is ``near``.

    Each load that would have to be there counts as up to three standard errors, by how rarely (log-odds, ``steep`` for each
    standard error) other rows of the month are explained like this. What is left has the sign of the difference and is
    never more.
    """
    left = difference.copy()
    order = np.argsort(loads.of, kind="stable")
    of, mass = loads.of[order], loads.mass[order]
    doubtful = np.unique(of[np.abs(difference[of]) > error[of]])
    sums: dict[int, tuple[Array, Array]] = {}
    moved = np.zeros(len(difference), dtype=np.bool_)
    for row in doubtful.tolist():
        own = mass[np.searchsorted(of, row) : np.searchsorted(of, row, "right")]
        sums[row] = _sums(own, float(error[row]))
        far = np.abs(difference[row] - sums[row][0])
        moved[row] = abs(difference[row]) > 2 * error[row] and bool((far <= near[row]).any())
    having = np.zeros(len(difference), dtype=np.bool_)
    having[of] = True
    for each in np.unique(month[doubtful]).tolist():
        here = month == each
        share = (1 + np.count_nonzero(moved & here)) / (2 + np.count_nonzero(having & here))
        cost = min(max(float(np.log((1 - share) / share)) / steep, 0.0), COSTLY)
        for row in doubtful[month[doubtful] == each].tolist():
            whole, count = sums[row]
            far = np.abs(difference[row] - whole)
            paid = np.where(far <= near[row], far + cost * count * error[row], np.inf)
            left[row] = np.sign(difference[row]) * min(abs(difference[row]), float(paid.min()))
    return left


def _sums(mass: Array, error: float) -> tuple[Array, Array]:
    """What some of the loads come to together, and how many it takes; sums nearer than a part of the error are one."""
    apart = max(error / 8, float(np.abs(mass).sum()) / SUMS)
    total, count = np.zeros(1), np.zeros(1)
    for each in mass[np.argsort(-np.abs(mass), kind="stable")].tolist():
        total, count = np.concatenate([total, total + each]), np.concatenate([count, count + 1.0])
        cell = np.rint(total / apart)
        order = np.lexsort((count, cell))
        first = order[np.concatenate([[True], np.diff(cell[order]) > 0])]
        total, count = total[first], count[first]
    return total, count
