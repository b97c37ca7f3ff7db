"""Arithmetic of the decision language, and the functions that it has. What has no meaning gives None, never an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from cityheart.command.decisions.values import (
    NUMBERS,
    Months,
    equal,
    kind,
    less,
    number,
    parse_date,
    parse_duration,
    parse_moment,
    parse_time,
    plain,
)
from cityheart.kernel import limits
from cityheart.kernel.text import text

__all__ = ["ARITHMETIC", "FUNCTIONS", "MADE", "minus", "part_of"]

_NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,4})?")


def minus(value: object) -> object:
    """The number or duration with the other sign; None for anything else."""
    if isinstance(value, Decimal):
        return NUMBERS.minus(value)
    if isinstance(value, timedelta):
        return -value
    return Months(-value.months) if isinstance(value, Months) else None


def _finite(value: Decimal) -> Decimal | None:
    return value if value.is_finite() else None


def _plus(a: object, b: object) -> object:
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return _finite(NUMBERS.add(a, b))
    if isinstance(a, str) and isinstance(b, str):
        return a + b if len(a) + len(b) <= limits.TEXT_CHARS else None
    return _moved(a, b) if isinstance(b, (timedelta, Months)) else _moved(b, a)


def _less_by(a: object, b: object) -> object:
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return _finite(NUMBERS.subtract(a, b))
    try:
        if isinstance(a, datetime) and isinstance(b, datetime):
            return a - b
    except TypeError:  # one has a zone and the other has none
        return None
    if type(a) is date and type(b) is date:
        return a - b
    return _moved(a, minus(b)) if isinstance(b, (timedelta, Months)) else None


def _moved(a: object, by: object) -> object:
    """A day, a time, a moment or a duration, later by a duration."""
    try:
        if isinstance(by, timedelta):
            if isinstance(a, time):
                moved = datetime.combine(date(2000, 1, 1), a) + by  # midnight comes round
                return moved.timetz()
            if type(a) is date:
                return a + timedelta(days=by // timedelta(days=1))
            return a + by if isinstance(a, (datetime, timedelta)) else None
        if isinstance(by, Months):
            if isinstance(a, Months):
                return Months(a.months + by.months)
            if isinstance(a, date):
                years, month = divmod(a.year * 12 + a.month - 1 + by.months, 12)
                return a.replace(year=years, month=month + 1, day=min(a.day, _month_days(years, month + 1)))
    except (OverflowError, ValueError):
        return None
    return None


def _month_days(year: int, month: int) -> int:
    after = date(year + month // 12, month % 12 + 1, 1)
    return (after - timedelta(days=1)).day


def _times(a: object, b: object) -> object:
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return _finite(NUMBERS.multiply(a, b))
    span, factor = (a, b) if isinstance(b, Decimal) else (b, a)
    if not isinstance(factor, Decimal):
        return None
    try:
        if isinstance(span, timedelta):
            return span * float(factor)
        return Months(int(span.months * factor)) if isinstance(span, Months) else None
    except (OverflowError, ValueError):
        return None


def _over(a: object, b: object) -> object:
    if isinstance(b, Decimal):
        if b == 0:
            return None
        if isinstance(a, Decimal):
            return _finite(NUMBERS.divide(a, b))
        return _times(a, NUMBERS.divide(Decimal(1), b))
    if isinstance(a, timedelta) and isinstance(b, timedelta) and b:
        return number(a / b)
    if isinstance(a, Months) and isinstance(b, Months) and b.months:
        return NUMBERS.divide(Decimal(a.months), Decimal(b.months))
    return None


def _power(a: object, b: object) -> object:
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return _finite(NUMBERS.power(a, b))
    return None


ARITHMETIC: Mapping[str, Callable[[object, object], object]] = {
    "+": _plus, "-": _less_by, "*": _times, "/": _over, "**": _power,
}  # fmt: skip


def part_of(value: object, name: str) -> object:
    """A member of a structure, or a part of a date, a time or a duration."""
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, Months):
        years, months = divmod(abs(value.months), 12)
        sign = -1 if value.months < 0 else 1
        return {"years": Decimal(sign * years), "months": Decimal(sign * months)}.get(name)
    if isinstance(value, timedelta):
        sign, whole = (-1, -value) if value < timedelta(0) else (1, value)
        parts = {"days": whole.days, "hours": whole.seconds // 3600, "minutes": whole.seconds // 60 % 60}
        parts["seconds"] = whole.seconds % 60
        return Decimal(sign * parts[name]) if name in parts else None
    if isinstance(value, date) and name == "weekday":
        return Decimal(value.isoweekday())
    if isinstance(value, (date, time)) and name in ("year", "month", "day", "hour", "minute", "second"):
        part = getattr(value, name, None)
        return None if part is None else Decimal(part)
    return None


# ── functions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _date(*given: object) -> object:
    if len(given) == 1:
        value = given[0]
        if isinstance(value, datetime):
            return value.date()
        return parse_date(value) if isinstance(value, str) else value if type(value) is date else None
    try:
        return date(*(int(part) for part in given if isinstance(part, Decimal)))
    except (TypeError, ValueError, OverflowError):
        return None


def _time(*given: object) -> object:
    if len(given) == 1:
        value = given[0]
        if isinstance(value, datetime):
            return value.timetz()
        return parse_time(value) if isinstance(value, str) else value if isinstance(value, time) else None
    if len(given) == 2 or not all(isinstance(part, Decimal) for part in given):
        return None
    hour, minute, second = (int(part) for part in given if isinstance(part, Decimal))
    try:
        return time(hour, minute, second)
    except ValueError:
        return None


def _moment(*given: object) -> object:
    if len(given) == 1:
        return parse_moment(given[0]) if isinstance(given[0], str) else None
    day, at = given
    if isinstance(day, datetime):
        day = day.date()
    return datetime.combine(day, at) if isinstance(day, date) and isinstance(at, time) else None


def _rounded(mode: str) -> Callable[..., object]:
    def function(value: object, digits: object = Decimal(0)) -> object:
        if not isinstance(value, Decimal) or not isinstance(digits, Decimal) or not -30 <= digits <= 30:
            return None
        return _finite(value.quantize(Decimal(1).scaleb(-int(digits)), rounding=mode, context=NUMBERS))

    return function


def _items(given: tuple[object, ...]) -> list[object]:
    return given[0] if len(given) == 1 and isinstance(given[0], list) else list(given)


def _total(*given: object) -> object:
    items = _items(given)
    total: object = items[0] if items else None
    for item in items[1:]:
        total = _plus(total, item)
    return total if kind(total) in ("number", "days and time duration", "years and months duration") else None


def _extreme(first: bool) -> Callable[..., object]:
    def function(*given: object) -> object:
        items = _items(given)
        best: object = items[0] if items else None
        for item in items[1:]:
            before = less(item, best)
            if before is None:
                return None
            best = item if before is first and item != best else best
        return best

    return function


def _of_text(function: Callable[..., object]) -> Callable[..., object]:
    return lambda *given: function(*given) if all(isinstance(each, str) for each in given) else None


def _count(*given: object) -> object:
    return Decimal(len(_items(given)))


def _absolute(value: object) -> object:
    if isinstance(value, Decimal):
        return NUMBERS.abs(value)
    below = less(value, timedelta(0)) or less(value, Months(0))
    return (minus(value) if below else value) if isinstance(value, (timedelta, Months)) else None


def _modulo(value: object, by: object) -> object:
    if not isinstance(value, Decimal) or not isinstance(by, Decimal) or by == 0:
        return None
    floor = NUMBERS.divide(value, by).to_integral_value(ROUND_FLOOR, NUMBERS)
    return _finite(NUMBERS.subtract(value, NUMBERS.multiply(by, floor)))


def _to_number(value: object) -> object:
    return number(Decimal(value)) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _to_text(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    shown = plain(value)
    return str(shown).lower() if isinstance(shown, bool) else str(shown)


def _holds(items: object, value: object) -> object:
    return any(equal(item, value) is True for item in items) if isinstance(items, list) else None


FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., object]]] = {  # least and most arguments
    "date": (1, 3, _date),
    "time": (1, 3, _time),
    "date and time": (1, 2, _moment),
    "duration": (1, 1, lambda value: parse_duration(value) if isinstance(value, str) else None),
    "number": (1, 1, _to_number),
    "string": (1, 1, _to_text),
    "not": (1, 1, lambda value: not value if isinstance(value, bool) else None),
    "abs": (1, 1, _absolute),
    "floor": (1, 2, _rounded(ROUND_FLOOR)),
    "ceiling": (1, 2, _rounded(ROUND_CEILING)),
    "decimal": (2, 2, _rounded("ROUND_HALF_EVEN")),
    "round up": (2, 2, _rounded("ROUND_UP")),
    "round down": (2, 2, _rounded("ROUND_DOWN")),
    "round half up": (2, 2, _rounded("ROUND_HALF_UP")),
    "modulo": (2, 2, _modulo),
    "min": (1, 100, _extreme(True)),
    "max": (1, 100, _extreme(False)),
    "sum": (1, 100, _total),
    "count": (1, 1, _count),
    "list contains": (2, 2, _holds),
    "contains": (2, 2, _of_text(lambda value, part: part in value)),
    "starts with": (2, 2, _of_text(lambda value, part: value.startswith(part))),
    "ends with": (2, 2, _of_text(lambda value, part: value.endswith(part))),
    "string length": (1, 1, _of_text(lambda value: Decimal(len(value)))),
    "upper case": (1, 1, _of_text(lambda value: value.upper())),
    "lower case": (1, 1, _of_text(lambda value: value.lower())),
}
MADE = {  # what is written out must be right
    "date": text('例如 date("2026-05-01")', 'e.g. date("2026-05-01")'),
    "time": text('例如 time("08:30:00")', 'e.g. time("08:30:00")'),
    "date and time": text('例如 date and time("2026-05-01T08:30:00")', 'e.g. date and time("2026-05-01T08:30:00")'),
    "duration": text('例如 duration("PT2H")', 'e.g. duration("PT2H")'),
}
