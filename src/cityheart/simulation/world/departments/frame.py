"""The rows a system has: about which moment, area, place, unit and category each of them is.

Grains: ``station N EVERY`` (N units an area; minutes, or day, weekday, month), ``area PERIOD [by a,b]``, ``city PERIOD [by
a,b]``, ``event RATE PROFILE`` (so many a day and 100,000 residents), ``register N`` (N units an area, all of them every time).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from ..chance import Floats, Ints, numbers
from ..times import DAY, Span
from .declared import System
from .ground import Ground

__all__ = ["Frame", "Texts", "frame", "period", "starts"]

Texts = NDArray[np.object_]
_OFF = {"office": 0.12, "day": 0.85}  # what is left of events on days off
_NEW = 0.06  # share of a register's units that come to be within the span


@dataclass(frozen=True)
class Frame:
    """Rows of a system. ``minute`` is what a row is about, ``ready`` when it can be told; -1 is no unit, place or area."""

    seed: int
    system: System
    span: Span
    ground: Ground
    minute: Floats
    ready: Floats
    area: Ints
    place: Ints
    unit: Ints
    units: int
    category: Texts | None
    people: Floats  # residents it is about, in 100,000

    def __len__(self) -> int:
        return len(self.minute)

    def rng(self, *parts: str) -> np.random.Generator:
        """The chance of one thing of this system."""
        return numbers(self.seed, "department", self.system.source, *parts)

    @property
    def hour(self) -> Floats:
        """The hour of the day."""
        return np.mod(self.minute, DAY) / 60

    @property
    def day(self) -> Ints:
        """The day, counted from the start of the books."""
        return np.floor(self.minute / DAY).astype(np.int64)

    @property
    def off(self) -> NDArray[np.bool_]:
        """Whether offices rest on its day."""
        rest = self.span.off()
        return np.asarray(rest[np.clip(self.day, 0, len(rest) - 1)], dtype=np.bool_)

    def at(self, minute: float) -> Frame:
        """A register as it stands at a minute: its units have the areas of that day."""
        return replace(self, area=self.ground.at(self.place, np.full(len(self), minute)))


def period(word: str) -> float:
    """The minutes of a period (a month: 31 days at most)."""
    return {"hour": 60.0, "day": DAY, "weekday": DAY, "week": 7.0 * DAY, "month": 31.0 * DAY}.get(word) or float(word)


def frame(seed: int, system: System, span: Span, ground: Ground) -> Frame:
    """The rows of a system over the span, in the order of time."""
    return _GRAINS[system.grain[0]](seed, system, span, ground)


def starts(span: Span, word: str) -> tuple[Floats, Floats]:
    """The beginnings and ends of all periods that end within the span; a month may have begun before it."""
    if word == "month":
        last = span.base - timedelta(days=1)
        months = [(float(-last.day * DAY), 0.0), *((float(a), float(b)) for a, b in span.months())]
        told = [each for each in months if each[1] < span.last]
        return np.array([a for a, _ in told]), np.array([b for _, b in told])
    step = period(word)
    first = float(span.first)
    if word == "week":
        first -= ((span.base.toordinal() + span.first // DAY - 1) % 7) * DAY  # back to Monday
    begins = np.arange(first, span.last - step + 0.5, step)
    if word == "weekday":
        rest = span.off()
        begins = begins[~rest[(begins // DAY).astype(np.int64)]]
    return begins, begins + step


def _stations(seed: int, system: System, span: Span, ground: Ground) -> Frame:
    places = _units(seed, system, span, ground, int(system.grain[1]))
    begins, ends = starts(span, system.grain[2])
    if system.grain[2].isdigit():
        ends = begins  # a reading is there at once
    unit = np.tile(np.arange(len(places)), len(begins))
    minute, ready = np.repeat(begins, len(places)), np.repeat(ends, len(places))
    return _made(seed, system, span, ground, minute, ready, places[unit], unit, len(places))


def _units(seed: int, system: System, span: Span, ground: Ground, each: int) -> Ints:
    """So many places in every area that is there when the span begins."""
    rng = numbers(seed, "department", system.source, "units")
    epoch = int(ground.epoch(np.array([float(span.first)]))[0])
    chosen = [rng.choice(ground.within(int(area), epoch), each) for area in ground.valid[epoch]]
    return np.concatenate(chosen)


def _register(seed: int, system: System, span: Span, ground: Ground) -> Frame:
    places = _units(seed, system, span, ground, int(system.grain[1]))
    rng = numbers(seed, "department", system.source, "entered")
    entered = np.where(rng.random(len(places)) < _NEW, rng.uniform(span.first, span.last, len(places)), -1e6)
    unit = np.arange(len(places))
    return _made(
        seed, system, span, ground, np.full(len(places), float(span.first)), entered, places, unit, len(places)
    )


def _areas(seed: int, system: System, span: Span, ground: Ground) -> Frame:
    begins, ends = starts(span, system.grain[1])
    categories = system.grain[3].split(",") if len(system.grain) > 3 else [""]
    everywhere = system.grain[0] == "area"
    valid = [ground.valid[epoch] if everywhere else np.array([-1]) for epoch in ground.epoch(begins).tolist()]
    count = [len(each) * len(categories) for each in valid]
    area = np.concatenate([np.repeat(each, len(categories)) for each in valid]) if valid else np.empty(0, np.int64)
    named = np.array(categories, dtype=object)
    category = np.concatenate([np.tile(named, len(each)) for each in valid]) if valid else np.empty(0, object)
    made = _made(seed, system, span, ground, np.repeat(begins, count), np.repeat(ends, count), None, None, 0)
    people = ground.people[area] if everywhere else np.full(len(area), float(ground.people.sum()))
    return replace(made, area=area, category=category if len(categories) > 1 else None, people=people)


def _events(seed: int, system: System, span: Span, ground: Ground) -> Frame:
    rate, profile = float(system.grain[1]), system.grain[2]
    rng = numbers(seed, "department", system.source, "events")
    rest = span.off()
    minutes, places = [], []
    before = 7 if system.transport[-1] == "week" else 0  # the first weekly file tells of the week before the span
    for day in range(span.first // DAY - before, span.whole):
        epoch = int(ground.epoch(np.array([float(day * DAY)]))[0])
        for area in ground.valid[epoch].tolist():
            count = int(rng.poisson(rate * ground.people[area] * (_OFF[profile] if rest[max(day, 0)] else 1.0)))
            low, middle, high = (8.4, 10.5, 17.6) if profile == "office" else (6.0, 12.0, 23.0)
            minutes.append(day * DAY + rng.triangular(low, middle, high, count) * 60)
            places.append(rng.choice(ground.within(area, epoch), count))
    minute, place = np.concatenate(minutes), np.concatenate(places).astype(np.int64)
    order = np.argsort(minute, kind="stable")
    return _made(seed, system, span, ground, minute[order], minute[order], place[order], None, 0)


def _made(
    seed: int, system: System, span: Span, ground: Ground, minute: Floats, ready: Floats,
    place: Ints | None, unit: Ints | None, units: int,
) -> Frame:  # fmt: skip
    nothing = np.full(len(minute), -1, dtype=np.int64)
    area = nothing if place is None else ground.at(place, np.maximum(minute, span.first))
    return Frame(
        seed, system, span, ground, minute, ready, area,
        nothing if place is None else place, nothing if unit is None else unit, units, None, np.ones(len(minute)),
    )  # fmt: skip


_GRAINS = {"station": _stations, "register": _register, "area": _areas, "city": _areas, "event": _events}
