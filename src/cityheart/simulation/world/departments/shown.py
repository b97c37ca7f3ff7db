"""Values as text, the ways the sources write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from ..times import DAY, Span
from .declared import Column

__all__ = ["BLANK", "days", "encoded", "iso", "serial", "shown"]

BLANK = ""
_EXCEL = date(1899, 12, 30)
_TEXT = json.JSONEncoder(ensure_ascii=False).encode


def iso(span: Span, minutes: NDArray[np.float64]) -> list[str | None]:
    """Moments as RFC 3339 with the city's offset; none where there is none."""
    told = np.where(np.isnan(minutes), 0.0, minutes)
    base = np.datetime64(span.base.isoformat(), "s")
    written = np.datetime_as_string(base + np.rint(told * 60).astype("timedelta64[s]"), unit="s")
    return [
        None if nothing else f"{text}+08:00"
        for text, nothing in zip(written.tolist(), np.isnan(minutes).tolist(), strict=True)
    ]


def days(span: Span, minutes: NDArray[np.float64]) -> list[date | None]:
    """Days of moments."""
    return [None if minute != minute else span.base + timedelta(days=int(minute // DAY)) for minute in minutes.tolist()]


def serial(day: date) -> int:
    """A day as Excel numbers it."""
    return (day - _EXCEL).days


def shown(column: Column, values: NDArray[np.generic], span: Span) -> list[object]:
    """Plain values: text, int, float, bool, RFC 3339; ``None`` for none. A day is ``YYYY-MM-DD``."""
    if values.dtype == object:
        return [None if each is None else str(each) for each in values.tolist()]
    numbers = np.asarray(values, dtype=np.float64)
    if column.kind == "d" or (column.kind == "t" and column.verb == "day"):
        return [None if each is None else each.isoformat() for each in days(span, numbers)]
    if column.kind == "t":
        return list(iso(span, numbers))
    kinds = {"i": int, "n": float, "b": bool}
    make = kinds[column.kind]
    return [None if each != each else make(each) for each in numbers.tolist()]


def encoded(names: Sequence[str], columns: Sequence[Sequence[object]]) -> list[str]:
    """JSON objects, one a row."""
    parts = [
        [f"{begin}{_json(value)}" for value in column]
        for begin, column in zip((f"{_TEXT(name)}:" for name in names), columns, strict=True)
    ]
    return ["{" + ",".join(row) + "}" for row in zip(*parts, strict=True)]


def _json(value: object) -> str:
    """A plain value; the library looks at every one anew what it is, which is most of the time of a large city."""
    if isinstance(value, str):
        return _TEXT(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)
