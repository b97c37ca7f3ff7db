"""The values that a test lets through, as sets that can be cut and joined: what overlaps and gaps are proved with.

An ordered kind is a union of spans between *cuts*: ``(x, 0)`` lies just before x, ``(x, 1)`` just after it, so open and
closed ends are one arithmetic. Days, months and microseconds are counted, so that between two neighbours there is nothing.
Text and booleans are a set of words, or everything but a set of words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal

from cityheart.command.decisions.values import Months, kind

__all__ = ["ANYTHING", "NOTHING", "Axis", "Cut", "Region", "above", "below", "one", "span"]

Cut = tuple[Decimal | int | float, int]
_LOW: Cut = (float("-inf"), 0)
_HIGH: Cut = (float("inf"), 0)
_SECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the counting point of moments without a zone
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_FINE = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Region:
    """Values of one kind. ``kind`` None: of any kind, all (``others``) or none. ``null``: whether null belongs to it."""

    kind: str | None
    spans: tuple[tuple[Cut, Cut], ...] = ()
    words: frozenset[object] = frozenset()
    others: bool = False
    null: bool = False

    def empty(self) -> bool:
        """Whether nothing but null can be in it."""
        if self.kind in ("string", "boolean", None):
            return not (self.others or self.words)
        return not self.spans

    def nothing(self) -> bool:
        """Whether nothing at all is in it."""
        return self.empty() and not self.null

    def meet(self, other: Region) -> Region:
        """What is in both."""
        null = self.null and other.null
        if self.kind is None or other.kind is None:
            wide, narrow = (self, other) if self.kind is None else (other, self)
            if not wide.others:
                return Region(None, null=null)
            return Region(narrow.kind, narrow.spans, narrow.words, narrow.others, null)
        if self.kind != other.kind:
            return Region(None, null=null)
        if self.kind in ("string", "boolean"):
            return _words(self, other, null)
        return Region(self.kind, tuple(_both(self.spans, other.spans)), null=null)

    def join(self, other: Region) -> Region | None:
        """What is in one or the other; None when that has no name (two kinds)."""
        null = self.null or other.null
        if self.kind is None or other.kind is None:
            wide, narrow = (self, other) if self.kind is None else (other, self)
            return Region(None, others=True, null=null) if wide.others else _with_null(narrow, null)
        if self.kind != other.kind:
            return None
        return _with_null(self.but_not().meet(other.but_not()).but_not(), null)

    def but_not(self) -> Region:
        """Every value of the kind that is not in it; null stays out."""
        if self.kind is None:
            return Region(None, others=not self.others)
        if self.kind == "boolean":
            return Region("boolean", words=frozenset({True, False}) - self.words)
        if self.kind == "string":
            return Region("string", words=self.words, others=not self.others)
        ends = [_LOW, *(cut for pair in self.spans for cut in pair), _HIGH]
        return Region(self.kind, tuple((a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if a < b))

    def sample(self) -> object:
        """A value that is in it, as plain as possible."""
        if self.empty():
            return None
        if self.kind is None:
            return "…"
        if self.kind == "boolean":
            return True in self.words
        if self.kind == "string":
            if not self.others:
                return min(self.words, key=str)
            word = "other"
            while word in self.words:
                word += "-other"
            return word
        return _value(self.kind, _inside(*self.spans[0], whole=self.kind != "number"))


ANYTHING = Region(None, others=True, null=True)
NOTHING = Region(None)


def one(value: object) -> Region | None:
    """The one value; None when its kind has no order that is known."""
    if value is None:
        return Region(None, null=True)
    called = kind(value)
    if called in ("string", "boolean"):
        return Region(called, words=frozenset({value}))
    return span(value, True, value, True)


def span(low: object, low_in: bool, high: object, high_in: bool) -> Region | None:
    """From ``low`` to ``high``; None when these have no order that is known (text, times with a zone)."""
    a, b = _position(low), _position(high)
    if a is None or b is None or a[0] != b[0]:
        return None
    start, end = _cut(a[0], a[1], not low_in), _cut(b[0], b[1], high_in)
    return Region(a[0], ((start, end),) if start < end else ())


def below(value: object, included: bool) -> Region | None:
    """Everything up to ``value``."""
    at = _position(value)
    return None if at is None else Region(at[0], ((_LOW, _cut(at[0], at[1], included)),))


def above(value: object, included: bool) -> Region | None:
    """Everything from ``value`` on."""
    at = _position(value)
    return None if at is None else Region(at[0], ((_cut(at[0], at[1], not included), _HIGH),))


class Axis:
    """The line of one column, cut where any of ``regions`` begins or ends: each piece is wholly in or out of each.

    Sets of pieces are the bits of a number; the highest bit stands for null.
    """

    def __init__(self, domain: Region, regions: Iterable[Region]) -> None:
        given = [region for region in (domain, *regions) if region.kind is not None]
        self.kind = domain.kind or next((region.kind for region in given), None)
        given = [region for region in given if region.kind == self.kind]
        self._places: dict[object, int] = {}
        if self.kind in ("string", "boolean"):
            words: set[object] = {True, False} if self.kind == "boolean" else set()
            ordered = sorted(words.union(*(region.words for region in given)), key=str)
            self._places = {word: place for place, word in enumerate(ordered)}
            self.count = len(ordered) + (self.kind == "string")
        elif self.kind is None:
            self.count = 1
        else:
            self._cuts = sorted({_LOW, _HIGH, *(cut for region in given for pair in region.spans for cut in pair)})
            self._places = {cut: place for place, cut in enumerate(self._cuts)}
            self.count = len(self._cuts) - 1
        self.everything = (1 << self.count) - 1
        self.null = 1 << self.count
        self.domain = self.mask(domain) & self.everything

    def mask(self, region: Region) -> int:
        """The pieces that are in ``region``."""
        null = self.null if region.null else 0
        if region.kind is None:
            return null | (self.everything if region.others else 0)
        if region.kind != self.kind:
            return null
        if self.kind in ("string", "boolean"):
            named = sum(1 << self._places[word] for word in region.words)
            return null | ((self.everything & ~named) if region.others else named)
        bits = 0
        for low, high in region.spans:
            bits |= (1 << self._places[high]) - (1 << self._places[low])
        return null | bits

    def sample(self, bits: int) -> object:
        """A value in the lowest of these pieces; None where only null is left."""
        bits &= self.everything
        if not bits:
            return None
        place = (bits & -bits).bit_length() - 1
        if self.kind in ("string", "boolean"):
            words = list(self._places)
            if place < len(words):
                return words[place]
            return Region("string", words=frozenset(words), others=True).sample()
        if self.kind is None:
            return Region(None, others=True).sample()
        return Region(self.kind, ((self._cuts[place], self._cuts[place + 1]),)).sample()


# ── how ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _with_null(region: Region, null: bool) -> Region:
    return Region(region.kind, region.spans, region.words, region.others, null)


def _words(a: Region, b: Region, null: bool) -> Region:
    if a.others and b.others:
        return Region(a.kind, words=a.words | b.words, others=True, null=null)
    if a.others or b.others:
        out, within = (a, b) if a.others else (b, a)
        return Region(a.kind, words=within.words - out.words, null=null)
    return Region(a.kind, words=a.words & b.words, null=null)


def _both(a: Sequence[tuple[Cut, Cut]], b: Sequence[tuple[Cut, Cut]]) -> Iterable[tuple[Cut, Cut]]:
    i = j = 0
    while i < len(a) and j < len(b):
        low, high = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if low < high:
            yield low, high
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1


def _position(value: object) -> tuple[str, Decimal | int] | None:
    """Kind and place of a value on its line; kinds with and without a time zone are two."""
    if isinstance(value, Decimal):
        return "number", value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return "date and time", (value - _EPOCH) // _SECOND
        return "date and time with zone", (value - _EPOCH_UTC) // _SECOND
    if isinstance(value, date):
        return "date", value.toordinal()
    if isinstance(value, time) and value.tzinfo is None:
        return "time", (datetime.combine(_EPOCH, value) - _EPOCH) // _SECOND
    if isinstance(value, timedelta):
        return "days and time duration", value // _SECOND
    if isinstance(value, Months):
        return "years and months duration", value.months
    return None


def _cut(called: str, place: Decimal | int, after: bool) -> Cut:
    if called == "number":
        return place, int(after)
    return place + int(after), 0


def _inside(low: Cut, high: Cut, *, whole: bool) -> Decimal | int:
    """A place in the span: a whole number where one fits."""
    (a, after), (b, _) = low, high
    if low == _LOW:
        if high == _HIGH:
            return 0 if whole else Decimal(0)
        assert not isinstance(b, float)
        return b - 1
    assert not isinstance(a, float)
    if not after:
        return a
    assert isinstance(a, Decimal)
    if high == _HIGH:
        return a + 1
    assert isinstance(b, Decimal)
    following = a.to_integral_value("ROUND_FLOOR") + 1
    if (following, 0) < high and following > a:
        return following
    return _FINE.divide(_FINE.add(a, b), Decimal(2))


def _value(called: str, place: Decimal | int) -> object:
    if called == "number":
        return place
    count = int(place)
    try:
        if called == "date":
            return date.fromordinal(count)
        if called == "date and time":
            return _EPOCH + count * _SECOND
        if called == "date and time with zone":
            return _EPOCH_UTC + count * _SECOND
        if called == "time":
            return (_EPOCH + count * _SECOND).time()
        if called == "years and months duration":
            return Months(count)
        return timedelta(microseconds=count)
    except (OverflowError, ValueError):
        return None
