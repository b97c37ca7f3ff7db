"""Values of the decision language, their order and their spelling in JSON.

Numbers are decimals of 34 digits, as the DMN standard asks; text, booleans, dates, times, moments, two kinds of durations,
lists and structures. What cannot be compared gives None, "unknown", never an error: logic has three values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal
from zoneinfo import ZoneInfo

from cityheart.kernel import limits

__all__ = [
    "KINDS",
    "NUMBERS",
    "ORDERED",
    "Months",
    "cast_to",
    "equal",
    "kind",
    "less",
    "number",
    "parse_date",
    "parse_duration",
    "parse_moment",
    "parse_time",
    "plain",
    "spelled",
    "typed",
]

NUMBERS = Context(prec=34, Emax=6144, Emin=-6143, traps=[])  # nothing raises: what is no number becomes null


@dataclass(frozen=True, slots=True, order=True)
class Months:
    """A duration of years and months, as a number of months."""

    months: int


KINDS: Mapping[type, str] = {
    bool: "boolean",
    Decimal: "number",
    str: "string",
    date: "date",
    time: "time",
    datetime: "date and time",
    timedelta: "days and time duration",
    Months: "years and months duration",
    list: "list",
    dict: "structure",
}
ORDERED = frozenset({"number", "string", "date", "time", "date and time", "days and time duration"}) | {
    "years and months duration"
}
_ORDERED_TYPES = frozenset(type_ for type_, name in KINDS.items() if name in ORDERED)
_DAYS = re.compile(r"(-)?P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?")
_MONTHS = re.compile(r"(-)?P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?")
_TIME = re.compile(
    r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d\d):(\d\d)(?::(\d\d))?|@([A-Za-z_+\-/0-9]{1,60}))?"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_WHOLE = Decimal(2**53)


def kind(value: object) -> str | None:
    """The kind of a value; None for null."""
    return KINDS.get(type(value))


def number(value: int | float | Decimal) -> Decimal | None:
    """A number of the language; None for what is none (infinity)."""
    given = Decimal(value) if isinstance(value, (int, Decimal)) else Decimal(repr(value))
    given = NUMBERS.plus(given)
    return given if given.is_finite() else None


def equal(a: object, b: object) -> bool | None:
    """``a = b``: null equals null only; values of two kinds cannot be compared (None)."""
    if a is None or b is None:
        return a is b
    if type(a) is not type(b):
        return None
    return a == b


def less(a: object, b: object) -> bool | None:
    """``a < b``, None when that cannot be said."""
    if type(a) is not type(b) or type(a) not in _ORDERED_TYPES:
        return None
    try:
        return a < b  # type: ignore[operator,no-any-return]
    except TypeError:  # one has a time zone and the other has none
        return None


def parse_date(raw: str) -> date | None:
    """``2026-05-01``."""
    if _DATE.fullmatch(raw) is None:
        return None
    try:
        return date.fromisoformat(raw)
    except ValueError:
        return None


def parse_time(raw: str) -> time | None:
    """``08:30:00``, with ``Z``, ``+08:00`` or ``@Asia/Shanghai`` when it has a zone."""
    found = _TIME.fullmatch(raw)
    if found is None:
        return None
    hour, minute, second = (int(found[n]) for n in (1, 2, 3))
    try:
        zone = _zone(found)
        return time(hour, minute, second, int((found[4] or "0").ljust(6, "0")[:6]), tzinfo=zone)
    except (ValueError, OSError):  # ZoneInfo raises both for names that it does not know
        return None


def _zone(found: re.Match[str]) -> timezone | ZoneInfo | None:
    if found[5]:
        return UTC
    if found[6]:
        offset = timedelta(hours=int(found[7]), minutes=int(found[8]), seconds=int(found[9] or 0))
        return timezone(offset if found[6] == "+" else -offset)
    if found[10]:
        try:
            return ZoneInfo(found[10])
        except KeyError:
            raise ValueError(found[10]) from None
    return None


def parse_moment(raw: str) -> datetime | None:
    """``2026-05-01T08:30:00+08:00``; a day alone is its midnight."""
    day, separator, rest = raw.partition("T")
    on = parse_date(day)
    at = parse_time(rest) if separator else time()
    return None if on is None or at is None else datetime.combine(on, at)


def parse_duration(raw: str) -> timedelta | Months | None:
    """``P1DT2H`` or ``P1Y2M``."""
    if (found := _DAYS.fullmatch(raw)) and any(found.groups()[1:]) and not raw.endswith("T"):
        days, hours, minutes = (int(found[n] or 0) for n in (2, 3, 4))
        try:
            span = timedelta(days=days, hours=hours, minutes=minutes, seconds=float(found[5] or 0))
            return -span if found[1] else span
        except OverflowError:
            return None
    if (found := _MONTHS.fullmatch(raw)) and any(found.groups()[1:]):
        months = int(found[2] or 0) * 12 + int(found[3] or 0)
        return Months(-months if found[1] else months)
    return None


def plain(value: object) -> object:
    """The value as JSON: whole numbers as such, times and durations as ISO 8601 text."""
    if isinstance(value, Decimal):
        return int(value) if abs(value) <= _WHOLE and value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    return _iso(value)


def _iso(value: object) -> str:
    if isinstance(value, (date, time)):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Months):
        years, months = divmod(abs(value.months), 12)
        spelt = (f"{years}Y" if years else "") + (f"{months}M" if months or not years else "")
        return ("-" if value.months < 0 else "") + "P" + spelt
    assert isinstance(value, timedelta)
    sign, span = ("-", -value) if value < timedelta(0) else ("", value)
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    second = f"{seconds}.{span.microseconds:06d}".rstrip("0").rstrip(".") if span.microseconds else str(seconds)
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (second, "S")) if str(n) != "0")
    days = f"{span.days}D" if span.days else ""
    return f"{sign}P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"


def spelled(value: object) -> str:
    """The value as the decision language writes it: ``"red"``, ``3``, ``date("2026-05-01")``."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Decimal):
        return format(value, "f") if -20 < value.adjusted() < 30 else f"{value:f}"
    if isinstance(value, list):
        return "[" + ", ".join(spelled(item) for item in value) + "]"
    named = {"date": "date", "time": "time", "date and time": "date and time"}.get(str(kind(value)), "duration")
    return f'{named}("{_iso(value)}")'


_READ = {"date": parse_date, "time": parse_time, "date and time": parse_moment}


def cast_to(raw: object, kind_: object) -> tuple[object, bool]:
    """A JSON value as one of a declared type: a kind, or a mapping with ``base``, ``fields`` or ``list``, member by member."""
    if not isinstance(kind_, Mapping):
        return typed(raw, kind_ if isinstance(kind_, str) else None)
    if "list" in kind_:
        found = [cast_to(item, kind_["list"]) for item in raw] if isinstance(raw, (list, tuple)) else None
        if found is None:
            return None, raw is None
        return [value for value, _ in found], all(fits for _, fits in found)
    fields = kind_.get("fields")
    if isinstance(fields, Mapping):
        if not isinstance(raw, Mapping):
            return None, raw is None
        members = {" ".join(str(name).split()): cast_to(raw.get(name), inner) for name, inner in fields.items()}
        return {name: value for name, (value, _) in members.items()}, all(fits for _, fits in members.values())
    return cast_to(raw, kind_.get("base"))


def typed(raw: object, base: str | None, depth: int = 0) -> tuple[object, bool]:
    """A JSON value as one of kind ``base`` (None: as it comes); and whether it is of that kind. Null is of every kind."""
    if depth > limits.CONDITION_DEPTH:
        return None, False
    if raw is None:
        return None, True
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        value: object = number(raw)
    elif isinstance(raw, (list, tuple)):
        value = [typed(item, None, depth + 1)[0] for item in raw]
    elif isinstance(raw, Mapping):
        value = {str(name): typed(item, None, depth + 1)[0] for name, item in raw.items()}
    elif isinstance(raw, Decimal):
        value = number(raw)
    else:
        value = raw
    if isinstance(value, str) and base is not None and base != "string":
        value = _READ[base](value) if base in _READ else parse_duration(value) if base.endswith("duration") else value
    if base is None:
        return (value, True) if kind(value) is not None else (None, False)
    return (value, True) if kind(value) == base else (None, False)
