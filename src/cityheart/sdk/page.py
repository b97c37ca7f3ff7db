"""A page as an application declares it: where it stands, what is asked of the reader, and its sections in a grid.

A page has parameters, which the console keeps in the address, and sections, each with content of one kind: from SQL with
the parameters bound, from a function ``module:function(reader, now, parameters)``, or as written. A page with
``subject`` is a tab on the 360° page of subjects of these kinds: its parameter ``subject`` is there by itself, and the
identifiers of the subject that the reader may see are bound as lists: ``$site_id``, ``$uscc``, … Of any other parameter
that is a subject, functions are given ``NAME_identifiers``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from cityheart.command.forms import check_schema
from cityheart.entities.models import IDENTIFIERS
from cityheart.kernel.access import PERMISSIONS
from cityheart.kernel.errors import Problem
from cityheart.sdk.shapes import (
    Band,
    Column,
    ColumnDeclaration,
    Declared,
    Entry,
    Line,
    Link,
    Name,
    Scalar,
    Span,
    Threshold,
    Words,
)
from cityheart.watch.models import ALL_TIME

__all__ = ["Choice", "FormAct", "Page", "Parameter", "Section", "Stage", "System"]

_MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"
_BOUND = frozenset({"now", "subject", "kind", *IDENTIFIERS})
SubjectKind = Literal["firm", "site", "vehicle", "tank", "outlet", "meter"]


def _schema(given: dict[str, object]) -> dict[str, object]:
    try:
        return check_schema(given)
    except Problem as error:
        raise ValueError(error.detail) from None


def _permission(given: str) -> str:
    if given not in PERMISSIONS:
        raise ValueError(f"there is no permission {given}")
    return given


class Choice(Declared):
    """A value that can be chosen."""

    value: Scalar
    title: Words


class Parameter(Declared):
    """``[[pages.parameters]]``: what a page asks of its reader.

    ``select`` offers ``options``, or what ``sql`` gives (columns value and label). The default of a month or a date may be
    ``today``, of a month also ``last``; a select without a default takes the first option.
    """

    name: Column
    title: Words
    kind: Literal["select", "date", "month", "text", "number", "subject"]
    options: tuple[Choice, ...] = ()
    sql: str | None = None
    window: Span = ALL_TIME
    default: Scalar | None = None
    required: bool = Field(default=False, description="without it the page shows what it waits for")
    kinds: tuple[SubjectKind, ...] = Field(default=(), description="kinds of subjects that can be chosen")
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _whole(self) -> Parameter:
        if (self.kind == "select") != bool(self.options or self.sql) or (self.options and self.sql):
            raise ValueError("a select, and no other, has either options or sql")
        if (self.kind == "subject") != bool(self.kinds):
            raise ValueError("a subject, and no other, says of which kinds")
        if self.kind == "date" and self.default not in (None, "today"):
            raise ValueError("the default of a date is today or nothing")
        if self.kind == "month" and self.default not in (None, "today", "last"):
            raise ValueError("the default of a month is today, last or nothing")
        if self.name in _BOUND:
            raise ValueError(f"{self.name} is bound by itself")
        return self

    def shape(self) -> dict[str, object]:
        """The value as JSON Schema."""
        if self.kind == "number":
            bounds = {"minimum": self.minimum, "maximum": self.maximum}
            return {"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}}
        if self.kind == "date":
            return {"type": "string", "format": "date"}
        if self.kind == "month":
            return {"type": "string", "pattern": _MONTH}
        if self.options:
            return {"enum": [one.value for one in self.options]}
        return {"type": "string", "maxLength": 200}


class Stage(Declared):
    """A stage of a whole, in the order in which they are listed."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
    title: Words


class System(Declared):
    """A system of a department in a picture of stages, with the sources that bring in what it holds."""

    title: Words
    department: str
    stages: tuple[str, ...] = Field(min_length=1)
    sources: tuple[str, ...] = ()
    page: Name | None = None


class FormAct(Declared):
    """What sending a form means: a record, with the event ``form.submitted``, by somebody who may."""

    department: str = Field(
        description="whose form it is: its own people, and who may for every department, fill it in"
    )
    permission: Annotated[str, AfterValidator(_permission)] = "form.submit"
    sharing: Literal[1, 2] = Field(default=2, description="who may read the records: as datasets are shared")
    button: Words
    done: Words = Field(description="said when it was recorded")


class Section(Declared):
    """``[[pages.sections]]``: one part of a page.

    Content comes from ``sql`` (one SELECT over the datasets as known now, event times in (now - window, now + ahead]),
    from ``entry``, from ``text``, from ``systems``, or is a ``form``. ``links`` decorates
    columns of tables that a function gives.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]
    title: Words
    kind: Literal["facts", "table", "series", "bar", "flow", "stages", "map", "text", "form", "group"]
    width: Annotated[int, Field(ge=3, le=12)] = Field(default=12, description="of the twelve columns of the grid")
    sql: str | None = None
    entry: Entry | None = None
    text: Words | None = None
    parameters: dict[Column, Scalar] = Field(default={})
    window: Span = timedelta(days=30)
    ahead: timedelta = timedelta(0)
    columns: tuple[ColumnDeclaration, ...] = Field(default=(), description="of a table or of facts")
    links: dict[str, Link] = Field(default={})
    note: Words | None = None
    empty: Words | None = Field(default=None, description="said when there is nothing to show: why, and what to do")
    x: str | None = Field(default=None, description="time of a series; label of bars")
    value: str | None = Field(default=None, description="value of bars or of points on a map")
    link: Link | None = Field(default=None, description="where bars or points lead")
    lon: str = "lon"
    lat: str = "lat"
    key: str = "key"
    name: str = "name"
    unit: str = ""
    lines: tuple[Line, ...] = ()
    bands: tuple[Band, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    stages: tuple[Stage, ...] = Field(default=(), description="of stages and of a flow, in their order")
    systems: tuple[System, ...] = ()
    form: Annotated[dict[str, object], AfterValidator(_schema)] | None = None
    act: FormAct | None = None

    @model_validator(mode="after")
    def _whole(self) -> Section:
        given = [name for name in ("sql", "entry", "text", "form") if getattr(self, name) is not None]
        if self.kind == "stages" and not given:
            given = ["systems"]
        allowed = {"text": ("text",), "form": ("form",), "flow": ("entry",), "group": ("entry",)}.get(
            self.kind, ("systems", "entry") if self.kind == "stages" else ("sql", "entry")
        )
        if len(given) != 1 or given[0] not in allowed:
            raise ValueError(f"the content of {self.kind} comes from {' or '.join(allowed)}")
        if (self.kind == "form") != (self.act is not None):
            raise ValueError("a form, and no other, says in act what sending it means")
        needs = {
            "table": self.columns,
            "facts": self.columns,
            "series": self.x and self.lines,
            "bar": self.x and self.value,
        }
        if self.sql is not None and not needs.get(self.kind, True):
            raise ValueError("from sql, tables and facts name columns, series x and lines, bars x and value")
        strange = {stage for one in self.systems for stage in one.stages} - {one.id for one in self.stages}
        if strange or (given == ["systems"] and not self.systems):
            raise ValueError(f"stages that are not there: {', '.join(sorted(strange))}" if strange else "no systems")
        return self


class Page(Declared):
    """``[[pages]]``: a page of an application, at ``/app/ID``, or a tab on the pages of subjects of some kinds."""

    id: Name
    title: Words
    about: Words | None = None
    order: int = 100
    subject: tuple[SubjectKind, ...] = ()
    refresh: Span | None = Field(default=None, description="how often an open page asks again; without it, when asked")
    parameters: tuple[Parameter, ...] = ()
    sections: tuple[Section, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Page:
        for what, names in (
            ("section", [one.id for one in self.sections]),
            ("parameter", [one.name for one in self.parameters]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{what} {min(twice)} is declared twice")
        known = _BOUND | {one.name for one in self.parameters}
        if not self.subject:
            known -= {"subject", "kind", *IDENTIFIERS}
        for section in self.sections:
            asked = set(re.findall(r"\$([A-Za-z]\w*)", section.sql or "")) - known - set(section.parameters)
            if asked:
                raise ValueError(f"section {section.id}: ${min(asked)} is no parameter of the page")
        return self
