"""How account's things look as JSON: the shapes of the API, of reports and of files."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cityheart.account import formula as formulas
from cityheart.account.models import (
    LESS_IS_BETTER,
    RATE_TITLES,
    RATES,
    Appeal,
    Flag,
    Formula,
    Score,
    Scores,
    Supplied,
)

if TYPE_CHECKING:
    from cityheart.account.service import Account

__all__ = ["appeal", "department", "dispatchers", "flag", "formula", "shown", "supplied"]


def shown(account: Account, scores: Scores) -> dict[str, object]:
    """Scores as the API and reports show them."""
    return {
        "from": scores.since,
        "to": scores.until,
        "formula": formula(scores.formula),
        "formula_changes": [formula(each) for each in scores.changes],
        "rates": {
            rate: {"title": RATE_TITLES[rate], "what": what, "less_is_better": rate in LESS_IS_BETTER}
            for rate, what in RATES.items()
        },
        "departments": [department(account, score) for score in scores.departments],
        "dispatchers": dispatchers(scores),
    }


def dispatchers(scores: Scores) -> list[dict[str, object]]:
    """Who dispatched, and how often to the right department, as the API shows it."""
    return [
        {"dispatcher": each.dispatcher, "accuracy": each.accuracy.json(), "upheld_returns": each.upheld}
        for each in scores.dispatchers
    ]


def formula(rule: Formula) -> dict[str, object]:
    """A formula as the API shows it."""
    return {
        "id": rule.id,
        "version": rule.version,
        "valid_from": rule.valid_from,
        "title": rule.title,
        "source": rule.source,
        "of": rule.of,
        "adopted": rule.adopted,
        "out_of": rule.out_of,
        "appeal_within": formulas.mapping(rule)["appeal_within"],
        "published_at": rule.published_at,
        "weights": {term.rate: term.weight for term in rule.terms},
        "terms": [asdict(term) for term in rule.terms],
    }


def department(account: Account, score: Score) -> dict[str, object]:
    """A department's score as the API shows it."""
    return {
        "department": score.department,
        "title": account.unit_title(score.department),
        "n": score.n,
        "score": score.score,
        "rank": score.rank,
        "rates": {rate: score.rates[rate].json() for rate in RATES},
        "on_time_fair": score.on_time_fair,
        "time_ratio": score.time_ratio,
        "custody_seconds": score.custody_seconds,
        "late": score.late,
        "corrections": score.corrections,
        "score_before_appeals": score.before_appeals,
    }


def supplied(account: Account, found: Supplied) -> dict[str, object]:
    """A department's supply of data as the API shows it."""
    return {
        "department": found.department,
        "title": account.unit_title(found.department),
        "sources": found.sources,
        "score": found.score,
        "rates": {rate: part.json() for rate, part in found.rates.items()},
    }


def flag(account: Account, found: Flag) -> dict[str, object]:
    """A flag as the API shows it."""
    return asdict(found) | {"department_title": account.unit_title(found.department)}


def appeal(account: Account, found: Appeal) -> dict[str, object]:
    """An appeal as the API shows it."""
    return asdict(found) | {
        "department_title": account.unit_title(found.department),
        "rate_title": RATE_TITLES[found.rate],
    }
