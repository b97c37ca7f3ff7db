"""Rates and scores of departments over a period, on whole columns.

A task is *settled* at the moment that decides whether it was on time: when it is submitted, or when its due time
passes. A department should handle the tasks settled in the period; not those it rightly returned, nor those that were
cancelled, reassigned or at rest before they were due. Every round of a step is a task of its own. A figure uses only
what was known before the end of the period, so the figures of a past period never change.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cityheart.account.ledger import I64, NEVER, Facts, Flags, Ledger
from cityheart.account.models import RATES, Formula, Rate, Score

__all__ = ["FAIR", "RANKED", "members", "scores"]

RANKED = 10  # fewer tasks give no rank
FAIR = 20  # tasks' worth of the mean that a department's on-time share is drawn towards


def members(facts: Facts, since: int, until: int) -> dict[str, tuple[Flags, Flags]]:
    """For each rate: which tasks are in the numerator, and which in the denominator."""
    in_time = facts.submitted < facts.due
    settled = np.minimum(facts.submitted, np.where(facts.due > facts.held, NEVER, facts.due))
    counted = (
        (facts.dispatched != NEVER) & ~facts.upheld & (settled >= since) & (settled < until) & (settled <= facts.ended)
    )
    submitted, sent = facts.submitted != NEVER, (facts.dispatched >= since) & (facts.dispatched < until)
    parts = {
        "sign_in": (facts.accepted != NEVER) & ~facts.late_accept,
        "handled": submitted,
        "on_time": in_time,
        "overdue": ~in_time,
        "closed": facts.closed != NEVER,
        "extension": facts.added > 0,
    }
    found = {rate: (counted & part, counted) for rate, part in parts.items()}
    found["rework"] = (counted & submitted & facts.rejected, counted & submitted)
    found["return"] = (sent & facts.returned, sent)
    return {rate: found[rate] for rate in RATES}


def scores(ledger: Ledger, names: list[str], formula: Formula, since: int, until: int) -> list[Score]:
    """The score of every department that had a task in the period, best first."""
    known = ledger.until(until)
    facts = known.facts()
    parts = members(facts, since, until)
    counts = {
        rate: (_count(ledger.unit, num, names), _count(ledger.unit, den, names)) for rate, (num, den) in parts.items()
    }
    seconds = _charged(known, names, since, until)
    on_time, counted = parts["on_time"]
    expected = _expected(ledger, on_time, counted, names)
    found = []
    for code, name in enumerate(names):
        rates = {rate: Rate(int(num[code]), int(den[code])) for rate, (num, den) in counts.items()}
        n = rates["on_time"].den
        if name in ("plan", "coordinator") or not (n or rates["return"].den or seconds[code]):
            continue
        fair = (rates["on_time"].num + FAIR * expected[code]) / (n + FAIR) if n else None
        score = formula.score({rate: rates[rate] for rate in RATES}) if n else None
        found.append(
            Score(
                name,
                n,
                score,
                None,
                rates,
                None if fair is None else round(float(fair), 6),
                float(seconds[code]),
                rates["overdue"].num,
            )
        )
    return _ranked(found)


def _count(unit: I64, chosen: Flags, names: list[str]) -> I64:
    return np.bincount(unit[chosen], minlength=len(names))


def _expected(
    ledger: Ledger, on_time: Flags, counted: Flags, names: list[str]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The on-time share that a department's mix of tasks had with everybody."""
    kinds = int(ledger.kind.max(initial=-1)) + 1
    of_kind = np.bincount(ledger.kind[counted], minlength=kinds)
    share = np.bincount(ledger.kind[on_time], minlength=kinds) / np.maximum(of_kind, 1)
    total = np.bincount(ledger.unit[counted], weights=share[ledger.kind[counted]], minlength=len(names))
    return total / np.maximum(_count(ledger.unit, counted, names), 1)


def _charged(known: Ledger, names: list[str], since: int, until: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    pieces = known.pieces(until)
    length = np.clip(pieces.end, since, until) - np.clip(pieces.start, since, until)
    held = pieces.charged
    total = np.zeros(len(names), dtype=np.int64)
    np.add.at(total, pieces.holder[held], length[held])
    return total / 1e6


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
        ranked.append(_with_rank(score, place))
    return ranked


def _with_rank(score: Score, rank: int) -> Score:
    rates: Mapping[str, Rate] = score.rates
    return Score(
        score.department, score.n, score.score, rank, rates, score.on_time_fair, score.custody_seconds, score.late
    )
