"""Clauses as they are written in files and imports, checked as they are read.

```toml
[[clauses]]
id = "air-law-96"
title = { zh-CN = "…", en = "…" }
text = { zh-CN = "…", en = "…" }      # what it says
law = { zh-CN = "…", en = "…" }       # the law, rule or plan it is a clause of
article = "第九十六条"
source = { zh-CN = "…", en = "…" }    # where the words were read; one language will do
verified = false                       # were they compared with the official text?
from = 2016-01-01                      # in force from this day on
until = 2018-10-26                     # optional: before this day
mandates = [{ kind = "flood", levels = [1, 2], step = "gates-*", duty = { … }, unit = "water", stage = "…", due = "PT2H" }]
```
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cityheart.command.knowledge.models import Clause, Mandate
from cityheart.kernel import duration, limits
from cityheart.kernel.errors import Invalid, TooLarge, TooMany
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import LANGUAGES

__all__ = ["clause_from", "clause_json", "read_clauses", "spelled"]


_LINE_CHARS = 400


def _both(words: dict[str, str]) -> dict[str, str]:
    if set(words) != set(LANGUAGES) or not all(value.strip() for value in words.values()):
        raise ValueError(f"write it in both languages: {' and '.join(LANGUAGES)}")
    return words


def _where(words: object) -> object:
    each = list(words.values()) if isinstance(words, dict) else [words]
    if not all(isinstance(one, str) and 0 < len(one) <= _LINE_CHARS for one in each):
        raise ValueError(f"write 1 to {_LINE_CHARS} characters, in one language or in both")
    return _both(words) if isinstance(words, dict) else words


def _span(value: str) -> str:
    try:
        duration.parse(value)
    except Invalid as error:
        raise ValueError(str(error.detail)) from None
    return value


Words = Annotated[dict[str, Annotated[str, Field(max_length=limits.TEXT_CHARS)]], AfterValidator(_both)]
Line = Annotated[str, Field(min_length=1, max_length=_LINE_CHARS)]
Source = Annotated[Any, AfterValidator(_where)]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class _Mandate(_Declared):
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
    levels: Annotated[tuple[Annotated[int, Field(ge=1, le=4)], ...], Field(min_length=1, max_length=4)]
    step: Annotated[str, Field(pattern=r"^[a-z0-9*?][a-z0-9*?-]{0,59}$")] | None = None
    duty: Words | None = None
    unit: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")] | None = None
    stage: Line | None = None
    due: Annotated[str, AfterValidator(_span)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> _Mandate:
        if self.step is None and self.duty is None:
            raise ValueError("a mandate names a step or a duty")
        return self


class _Clause(_Declared):
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,59}$")]
    title: Words
    text: Words
    law: Words
    article: Line
    source: Source
    verified: bool = False
    since: date = Field(alias="from")
    until: date | None = None
    mandates: Annotated[tuple[_Mandate, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _in_order(self) -> _Clause:
        if self.until is not None and self.until <= self.since:
            raise ValueError("until is not after from")
        return self


class _File(_Declared):
    clauses: tuple[_Clause, ...]


def read_clauses(source: str, where: str) -> list[Clause]:
    """The clauses of a TOML or JSON text; ``where`` names it in errors.

    Raises :class:`Invalid` naming the place, :class:`TooLarge`, :class:`TooMany` past the limits.
    """
    if len(source.encode()) > limits.CLAUSE_BYTES:
        raise TooLarge(f"{where} is larger than {limits.CLAUSE_BYTES} bytes", remedy="cut it into several files")
    try:
        raw = json.loads(source) if source.lstrip().startswith("{") else tomllib.loads(source)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{where}: neither TOML nor JSON: {error}", remedy="mend the line it names") from None
    try:
        found = _File.model_validate(raw).clauses
    except ValidationError as error:
        raise _refused(where, error) from None
    if len(found) > limits.CLAUSES_TOGETHER:
        raise TooMany(f"{where} holds {len(found)} clauses", remedy=f"at most {limits.CLAUSES_TOGETHER} together")
    twice = sorted({one.id for one in found if sum(other.id == one.id for other in found) > 1})
    if twice:
        raise Invalid(f"{where}: clause {', '.join(twice)} is there twice", remedy="give each its own id")
    return [_clause(one) for one in found]


def clause_from(raw: Mapping[str, object]) -> Clause:
    """A stored clause. Raises :class:`Invalid`."""
    try:
        return _clause(_Clause.model_validate(raw))
    except ValidationError as error:
        raise _refused("the clause", error) from None


def _refused(where: str, error: ValidationError) -> Invalid:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    words = first["msg"].removeprefix("Value error, ")
    return Invalid(f"{where}: {place}: {words}", remedy="docs/how-to/teach-the-city-its-plans.md lists the fields")


def _clause(one: _Clause) -> Clause:
    return Clause(
        one.id, one.title, one.text, one.law, one.article, one.source, one.verified, one.since, one.until,
        tuple(
            Mandate(
                each.kind, tuple(sorted(set(each.levels))), each.step, each.duty, each.unit, each.stage,
                None if each.due is None else duration.parse(each.due),
            )
            for each in one.mandates
        ),
    )  # fmt: skip


def clause_json(clause: Clause) -> dict[str, object]:
    """The clause as files, the store and the API have it."""
    return {
        "id": clause.id,
        "title": clause.title,
        "text": clause.text,
        "law": clause.law,
        "article": clause.article,
        "source": clause.source,
        "verified": clause.verified,
        "from": clause.since.isoformat(),
        "until": clause.until and clause.until.isoformat(),
        "mandates": [
            {
                "kind": one.kind, "levels": list(one.levels), "step": one.step, "duty": one.duty, "unit": one.unit,
                "stage": one.stage, "due": None if one.due is None else duration.iso(one.due),
            }
            for one in clause.mandates
        ],
    }  # fmt: skip


def spelled(clause: Clause) -> str:
    """The clause's one spelling, by which a change of it is noticed."""
    return canonical(clause_json(clause))
