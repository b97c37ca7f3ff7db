"""What the files of an application are written with: words in both languages, names, spans, bands, lines, columns, links."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cityheart.kernel.text import LANGUAGES

__all__ = [
    "Band",
    "Column",
    "ColumnDeclaration",
    "Declared",
    "Entry",
    "Line",
    "Link",
    "Moment",
    "Name",
    "Scalar",
    "Span",
    "Threshold",
    "Words",
]


def _both(words: dict[str, str]) -> dict[str, str]:
    if set(words) != set(LANGUAGES) or not all(words.values()):
        raise ValueError(f"write it in both languages: {' and '.join(LANGUAGES)}")
    return words


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return span


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("write the offset, e.g. 2013-03-01T00:00:00+08:00")
    return moment


Words = Annotated[dict[str, str], AfterValidator(_both)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,79}$")]
Column = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
Entry = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")]
Span = Annotated[timedelta, AfterValidator(_positive)]
Moment = Annotated[datetime, AfterValidator(_aware)]
Scalar = bool | int | float | str


class Declared(BaseModel):
    """What stands in a file of an application: nothing can be changed, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Band(Declared):
    """A range of values with its colour: above ``low`` (the first band: from it on) up to and with ``high``."""

    low: float = Field(alias="from")
    high: float | None = Field(default=None, alias="to")
    label: Words
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Link(Declared):
    """Where a value leads: to a subject by one of its identifiers, an alert, a task, …, or a page with parameters."""

    to: Literal["subject", "alert", "incident", "task", "source", "dataset", "department", "page"]
    by: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = Field(
        default=None, description="of a subject: the kind of identifier, e.g. site_id, uscc, plate"
    )
    column: Column | None = Field(default=None, description="the column with the id, when it is not this one")
    page: Name | None = None
    set: dict[Column, Column] = Field(default={}, description="of a page: parameter = column")

    @model_validator(mode="after")
    def _whole(self) -> Link:
        if (self.to == "subject") != (self.by is not None):
            raise ValueError("a link to a subject, and no other, says by which identifier")
        if (self.to == "page") != (self.page is not None):
            raise ValueError("a link to a page, and no other, names the page")
        return self


class ColumnDeclaration(Declared):
    """A column of a table, or an item of facts."""

    name: str
    title: Words
    unit: str | None = None
    kind: Literal["text", "number", "time", "day", "level", "share"] | None = Field(
        default=None, description="how it is shown, when its value does not say it: share is 0…1 shown as per cent"
    )
    digits: Annotated[int, Field(ge=0, le=6)] | None = None
    link: Link | None = None
    hidden: bool = Field(default=False, description="there for links only")
    dataset: str | None = Field(default=None, description="of a fact: the dataset that says it")
    at: str | None = Field(default=None, description="of a fact: the column with the time of which it holds")


class Line(Declared):
    """A line of a series panel: which column, how it is called and drawn."""

    column: str
    name: Words
    style: Literal["observed", "forecast", "expected", "band_low", "band_high"] = "observed"


class Threshold(Declared):
    """A named horizontal line."""

    name: Words
    value: float
