"""Formulas are dated data: files of the system and versions that the city published, each with its source.

The newest adopted one in force at the end of a period counts. A file that is only *offered* scores when asked for by
its id; publishing it adopts it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cityheart.account.models import LESS_IS_BETTER, RATES, SUPPLY, Deduction, Formula, Term
from cityheart.kernel import duration, limits
from cityheart.kernel.errors import Invalid, NotFound
from cityheart.kernel.text import LANGUAGES

__all__ = ["in_force", "load", "mapping", "parse", "read"]

_FOLDER = Path(__file__).parent / "formulas"
_FIELDS = {"id", "version", "valid_from", "title", "source", "terms", "of", "adopted", "appeal_within"}
_TERM = {"rate", "weight", "less_is_better", "deductions"}
_DEDUCTION = {"rate", "points", "bound"}
_APPEAL_WITHIN = "P10D"


def load(folder: Path = _FOLDER) -> list[Formula]:
    """Every formula of a folder, oldest first. Raises :class:`Invalid` naming the file."""
    return sorted((read(file) for file in sorted(folder.glob("*.toml"))), key=lambda formula: formula.valid_from)


def read(file: Path) -> Formula:
    """One formula. Raises :class:`Invalid` naming the file and what is wrong in it."""
    try:
        return parse(tomllib.loads(file.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, Invalid) as error:
        what = error.detail if isinstance(error, Invalid) else str(error)
        raise Invalid(f"formula {file.name}: {what}", remedy="compare it with formulas/jinniu.toml") from None


def parse(raw: Mapping[str, Any]) -> Formula:
    """A formula from a mapping, as :func:`mapping` gives it. Raises :class:`Invalid` saying what is wrong in it."""
    try:
        return _formula(raw)
    except Invalid:
        raise
    except KeyError as error:
        raise Invalid(f"{error.args[0]} is missing", remedy=_EXAMPLE) from None
    except (AttributeError, TypeError, ValueError) as error:
        raise Invalid(str(error), remedy=_EXAMPLE) from None


_EXAMPLE = "see docs/how-to/read-the-scores.md for an example"


def mapping(formula: Formula) -> dict[str, object]:
    """The formula as plain data; :func:`parse` reads it back."""
    terms: list[dict[str, object]] = []
    for term in formula.terms:
        one: dict[str, object] = {"rate": term.rate, "weight": term.weight}
        if term.less_is_better:
            one["less_is_better"] = True
        if term.deductions:
            one["deductions"] = [
                {"rate": each.rate, "points": each.points} | ({} if each.bound is None else {"bound": each.bound})
                for each in term.deductions
            ]
        terms.append(one)
    return {
        "id": formula.id, "version": formula.version, "valid_from": formula.valid_from.isoformat(), "of": formula.of,
        "adopted": formula.adopted, "appeal_within": duration.iso(formula.appeal_within),
        "title": dict(formula.title), "source": dict(formula.source), "terms": terms,
    }  # fmt: skip


def in_force(
    formulas: Sequence[Formula], at: date, id: str | None = None, version: str | None = None, of: str = "handling"
) -> Formula:
    """The newest adopted formula valid at ``at``; of the name ``id`` when given, adopted or not, in ``version``.

    Raises :class:`NotFound`.
    """
    found = [
        formula
        for formula in formulas
        if formula.of == of
        and formula.valid_from <= at
        and (formula.adopted if id is None else formula.id == id)
        and version in (None, formula.version)
    ]
    if not found:
        known = ", ".join(sorted({formula.id for formula in formulas if formula.of == of}))
        raise NotFound(f"no formula {id or ''} is in force at {at}", remedy=f"formulas: {known}")
    return found[-1]


def _formula(raw: Mapping[str, Any]) -> Formula:
    _known(raw, _FIELDS, "a formula")
    of = raw.get("of", "handling")
    if of not in ("handling", "supply"):
        raise Invalid(f"of is {of!r}, it is handling or supply")
    for name in ("id", "version"):
        if not isinstance(raw[name], str) or not 1 <= len(raw[name]) <= 40:
            raise Invalid(f"{name} is a text of 1 to 40 characters")
    if len(raw["terms"]) > limits.FORMULA_TERMS:
        raise Invalid(f"a formula has at most {limits.FORMULA_TERMS} terms")
    rates = RATES if of == "handling" else SUPPLY
    terms = tuple(_term(term, rates) for term in raw["terms"])
    if not terms:
        raise Invalid("it has no terms")
    for name in ("title", "source"):
        words = raw[name]
        if set(words) != set(LANGUAGES) or not all(isinstance(each, str) and each.strip() for each in words.values()):
            raise Invalid("title and source are in both languages")
        if max(len(each) for each in words.values()) > limits.TEXT_CHARS:
            raise Invalid(f"a text has at most {limits.TEXT_CHARS} characters")
    valid_from = raw["valid_from"]
    if isinstance(valid_from, str):
        valid_from = date.fromisoformat(valid_from)
    if type(valid_from) is not date:
        raise Invalid("valid_from is a date")
    adopted = raw.get("adopted", True)
    if not isinstance(adopted, bool):
        raise Invalid("adopted is true or false")
    within = duration.parse(str(raw.get("appeal_within", _APPEAL_WITHIN)))
    if not timedelta(0) < within <= limits.APPEAL_WITHIN:
        raise Invalid(f"appeal_within is more than nothing and at most {limits.APPEAL_WITHIN.days} days")
    return Formula(
        raw["id"], raw["version"], valid_from, dict(raw["title"]), dict(raw["source"]), terms, of, adopted, within
    )


def _known(raw: Mapping[str, Any], fields: set[str], what: str) -> None:
    if strange := sorted(raw.keys() - fields):
        raise Invalid(f"{what} has no {', '.join(strange)}", remedy=f"it has {', '.join(sorted(fields))}")


def _term(raw: Mapping[str, Any], rates: Mapping[str, str]) -> Term:
    _known(raw, _TERM, "a term")
    rate = _rate(raw["rate"], rates)
    less = raw.get("less_is_better", False)
    if not isinstance(less, bool):
        raise Invalid(f"less_is_better of {rate} is true or false")
    weight = _number(raw["weight"], f"the weight of {rate}")
    given = raw.get("deductions", ())
    if len(given) > limits.FORMULA_TERMS:
        raise Invalid(f"a term has at most {limits.FORMULA_TERMS} deductions")
    deductions = tuple(_deduction(each, rates) for each in given)
    if deductions and less:
        raise Invalid(f"{rate}: what a deduction takes is said by its bound, not by less_is_better")
    if not deductions and less != (rate in LESS_IS_BETTER):
        raise Invalid(f"{rate}: less_is_better is {str(rate in LESS_IS_BETTER).lower()} for this rate")
    return Term(rate, weight, less, deductions)


def _deduction(raw: Mapping[str, Any], rates: Mapping[str, str]) -> Deduction:
    _known(raw, _DEDUCTION, "a deduction")
    rate, bound = _rate(raw["rate"], rates), raw.get("bound")
    if bound is not None and not 0 <= _number(bound, f"the bound of {rate}", zero=True) <= 1:
        raise Invalid(f"the bound of {rate} is a share, 0 to 1")
    return Deduction(rate, _number(raw["points"], f"the points of {rate}"), None if bound is None else float(bound))


def _rate(rate: object, rates: Mapping[str, str]) -> str:
    if not isinstance(rate, str) or rate not in rates:
        raise Invalid(f"there is no rate {rate!r}; rates are {', '.join(rates)}")
    return rate


def _number(value: object, what: str, *, zero: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e6 or not (value or zero):
        raise Invalid(f"{what} is {value!r}, it is a number above 0")
    return float(value)
