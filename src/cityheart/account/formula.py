"""Formulas are dated data: one TOML file each, with its source; the newest in force at the end of a period counts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from cityheart.account.models import RATES, Formula, Term
from cityheart.kernel.errors import Invalid, NotFound
from cityheart.kernel.text import LANGUAGES

__all__ = ["in_force", "load", "read"]

_FOLDER = Path(__file__).parent / "formulas"


def load(folder: Path = _FOLDER) -> list[Formula]:
    """Every formula of a folder, oldest first. Raises :class:`Invalid` naming the file."""
    return sorted((read(file) for file in sorted(folder.glob("*.toml"))), key=lambda formula: formula.valid_from)


def read(file: Path) -> Formula:
    """One formula. Raises :class:`Invalid` naming the file and what is wrong in it."""
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
        terms = tuple(_term(term) for term in raw["terms"])
        if not terms:
            raise Invalid("it has no terms")
        for words in (raw["title"], raw["source"]):
            if set(words) != set(LANGUAGES):
                raise Invalid("title and source are in both languages")
        if type(raw["valid_from"]) is not date:
            raise Invalid("valid_from is a date")
        return Formula(
            str(raw["id"]), str(raw["version"]), raw["valid_from"], dict(raw["title"]), dict(raw["source"]), terms
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, Invalid) as error:
        raise Invalid(f"formula {file.name}: {error}", remedy="compare it with formulas/jinniu.toml") from None


def in_force(formulas: Sequence[Formula], at: date, id: str | None = None) -> Formula:
    """The newest formula valid at ``at``; of the name ``id`` when given. Raises :class:`NotFound`."""
    found = [formula for formula in formulas if formula.valid_from <= at and id in (None, formula.id)]
    if not found:
        raise NotFound(f"no formula {id or ''} is in force at {at}", remedy="add a file with an earlier valid_from")
    return found[-1]


def _term(raw: Mapping[str, object]) -> Term:
    rate, weight = raw["rate"], raw["weight"]
    if rate not in RATES:
        raise Invalid(f"there is no rate {rate!r}; rates are {', '.join(RATES)}")
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight <= 0:
        raise Invalid(f"the weight of {rate} is {weight!r}")
    return Term(str(rate), float(weight), bool(raw.get("less_is_better", False)))
