"""A hotline that never was: synthetic reports of residents, each with the event it is truly about and its department.

Wording comes from two pools that share no phrase and no street (``wording/*.toml``): on ``development`` parameters are
chosen, on ``evaluation`` the result is measured. An event is told by one or by dozens of people, in their own words, with
typing errors, local words, wrong or missing places. Beside many events stand look-alikes: the same trouble a few doors
on, another trouble at the same door, the same trouble again weeks later. Nothing of this is real data.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cityheart.sdk import dice

if TYPE_CHECKING:
    from random import Random

__all__ = ["POOLS", "Area", "Told", "areas", "tell", "wording"]

Pool = Literal["development", "evaluation"]
POOLS: tuple[Pool, ...] = ("development", "evaluation")

Bounds = tuple[float, float, float, float]
_METRES = 111_320.0  # of one degree of latitude
_DOOR = 9.0  # metres from one house number to the next
_SPREAD = 60.0  # metres by which an honest place is off
_RECUR_DAYS = 45  # a trouble that comes back later than this is another event
_LASTS_DAYS = 3.0  # mean of the time over which an event is told
_QUICK = {"flooding": 0.3, "power": 0.2, "signal": 0.4, "water_supply": 0.4, "elevator": 0.4, "parking": 0.5}
_ROWS, _COLUMNS = 2, 3  # townships of the synthetic city


@dataclass(frozen=True, slots=True)
class Told:
    """One synthetic report. ``event``, ``unit`` and ``service`` are the truth; ``category`` is what the
    operator chose, if anything.

    ``at`` is aware UTC; ``lon`` and ``lat`` WGS84 degrees; ``unit`` is a department, or ``@township`` resolved to the
    township in which the event is.
    """

    id: str
    at: datetime
    text: str
    address: str
    lon: float | None
    lat: float | None
    category: str | None
    caller: str
    event: str
    unit: str
    service: str


@dataclass(frozen=True, slots=True)
class Area:
    """A township of the synthetic city: a rectangle, west, south, east, north."""

    unit: str
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class _Spot:
    kind: str  # roadside, crossing, inside, beside
    name: str
    no: int
    other: str
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class _Event:
    id: str
    category: int
    thing: int
    spot: _Spot
    at: datetime


@cache
def wording(pool: Pool) -> Mapping[str, Any]:
    """The phrases of a pool."""
    return tomllib.loads((Path(__file__).parent / "wording" / f"{pool}.toml").read_text("utf-8"))


def areas(bounds: Bounds) -> list[Area]:
    """The townships into which the synthetic city is cut."""
    west, south, east, north = bounds
    wide, high = (east - west) / _COLUMNS, (north - south) / _ROWS
    return [
        Area(
            f"township-{row * _COLUMNS + column + 1}",
            (
                west + column * wide,
                south + row * high,
                west + (column + 1) * wide,
                south + (row + 1) * high,
            ),
        )
        for row in range(_ROWS)
        for column in range(_COLUMNS)
    ]


def tell(
    pool: Pool, *, seed: int, events: int, start: datetime, days: int, bounds: Bounds, half: int | None = None
) -> list[Told]:
    """Reports about ``events`` events, look-alikes among them, within ``days`` from ``start``, in order of time.

    ``half`` (0 or 1) takes every other phrase of the pool only: for trying parameters on words they were not chosen on.
    """
    words = wording(pool) if half is None else _half(wording(pool), half)
    rng = dice("hotline", pool, str(seed), str(half))
    told: list[Told] = []
    for event in _events(words, rng, events, start, days, bounds):
        for one in _reports(words, rng, event, bounds):
            chance = rng.random()
            if told and chance < 0.03:  # somebody who has called about something else
                one = replace(one, caller=rng.choice(told).caller)
            elif told and told[-1].event == one.event and chance < 0.15:  # somebody who calls again
                one = replace(one, caller=told[-1].caller)
            told.append(one)
    told.sort(key=lambda one: (one.at, one.event, one.text))
    return [replace(one, id=f"{pool[:3]}-{seed}-{number:06d}") for number, one in enumerate(told)]


def _half(words: Mapping[str, Any], half: int) -> Mapping[str, Any]:
    """The pool with every other phrase; where there is only one, it stays."""
    categories = []
    for category in words["category"]:
        things = [
            {**thing, **{name: thing[name][half::2] or thing[name] for name in ("names", "troubles")}}
            for thing in category["thing"]
        ]
        categories.append({**category, "harm": category["harm"][half::2] or category["harm"], "thing": things})
    return {**words, "category": categories}


# ── what happened ──────────────────────────────────────────────────────────────────────────────────────────────


def _events(
    words: Mapping[str, Any], rng: Random, count: int, start: datetime, days: int, bounds: Bounds
) -> Iterator[_Event]:
    number = 0
    while number < count:
        category = rng.randrange(len(words["category"]))
        things = words["category"][category]["thing"]
        first = _Event(
            f"event-{number}",
            category,
            rng.randrange(len(things)),
            _spot(words, rng, bounds),
            start + timedelta(days=rng.uniform(0, days)),
        )
        yield first
        number += 1
        if number < count and rng.random() < 0.4:
            yield _look_alike(words, rng, first, f"event-{number}", bounds)
            number += 1


def _look_alike(words: Mapping[str, Any], rng: Random, event: _Event, id: str, bounds: Bounds) -> _Event:
    """Another event that is easily taken for ``event``."""
    soon = event.at + timedelta(hours=rng.uniform(-30, 30))
    things = words["category"][event.category]["thing"]
    kind = rng.random()
    if kind < 0.35:  # the same trouble, some doors on
        spot = event.spot
        moved = spot.no + rng.choice([-1, 1]) * rng.randint(20, 60)
        no = moved if moved > 0 else spot.no + rng.randint(20, 60)
        away = (no - spot.no) * _DOOR / _METRES
        if spot.kind not in ("roadside", "inside"):
            return replace(event, id=id, spot=_spot(words, rng, bounds), at=soon)
        return replace(event, id=id, spot=replace(spot, no=no, lon=spot.lon + away), at=soon)
    if kind < 0.6 and len(things) > 1:  # another thing of the same kind at the same door
        return replace(event, id=id, thing=(event.thing + 1) % len(things), at=soon)
    if kind < 0.85:  # a trouble of another kind at the same door
        other = (event.category + rng.randint(1, len(words["category"]) - 1)) % len(words["category"])
        thing = rng.randrange(len(words["category"][other]["thing"]))
        return replace(event, id=id, category=other, thing=thing, at=soon)
    return replace(event, id=id, at=event.at + timedelta(days=_RECUR_DAYS + rng.uniform(0, 20)))


def _spot(words: Mapping[str, Any], rng: Random, bounds: Bounds) -> _Spot:
    place = words["place"]
    kind = rng.choices(["roadside", "crossing", "inside", "beside"], [5, 2, 4, 1.5])[0]
    named: Sequence[str] = {"inside": place["estates"], "beside": place["marks"]}.get(kind, place["roads"])
    name = rng.choice(named)
    other = rng.choice([road for road in place["roads"] if road != name])
    no = rng.randint(1, 40) if kind == "inside" else rng.randint(1, 300)
    west, south, east, north = bounds
    base = dice("place", name, other if kind == "crossing" else "")
    margin = 0.1
    lon = west + (east - west) * base.uniform(margin, 1 - margin)
    lat = south + (north - south) * base.uniform(margin, 1 - margin)
    if kind in ("roadside", "inside"):
        lon += no * _DOOR / _METRES
    return _Spot(kind, name, no, other, lon, lat)


# ── what is said ───────────────────────────────────────────────────────────────────────────────────────────────


def _reports(words: Mapping[str, Any], rng: Random, event: _Event, bounds: Bounds) -> Iterator[Told]:
    category = words["category"][event.category]
    thing = category["thing"][event.thing]
    lasting = _LASTS_DAYS * _QUICK.get(category["code"], 1.0) / 2
    size = rng.choices([1, rng.randint(2, 4), rng.randint(5, 12), rng.randint(18, 45)], [48, 32, 16, 4])[0]
    burst = size >= 18
    for number in range(size):
        after = 0.0 if number == 0 else rng.expovariate(8.0 if burst else 1.0) * lasting
        lon, lat = _place(rng, event.spot, bounds)
        yield Told(
            "",
            event.at + timedelta(days=min(after, lasting * 3)),
            _text(words, rng, category, thing, event.spot),
            _address(words, rng, event.spot),
            lon,
            lat,
            _category(words, rng, category["code"]),
            f"139{rng.randrange(10**8):08d}",
            event.id,
            _unit(thing["unit"], event.spot, bounds),
            category["code"],
        )


def _unit(unit: str, spot: _Spot, bounds: Bounds) -> str:
    if unit != "@township":
        return unit
    for area in areas(bounds):
        west, south, east, north = area.bounds
        if west <= spot.lon <= east and south <= spot.lat <= north:
            return area.unit
    return unit


def _text(
    words: Mapping[str, Any], rng: Random, category: Mapping[str, Any], thing: Mapping[str, Any], spot: _Spot
) -> str:
    say = words["say"]
    vague = rng.random() < 0.12
    said: str = rng.choice(say["templates"]).format(
        open=rng.choice(say["open"]),
        close=rng.choice(say["close"]),
        when=rng.choice(say["when"]),
        where=rng.choice(words["place"]["vague"]) if vague else _where(words, rng, spot),
        thing=rng.choice(thing["names"]),
        trouble=rng.choice(thing["troubles"]),
        harm=rng.choice(category["harm"]),
    )
    for standard, local in say["dialect"]:
        if standard in said and rng.random() < 0.3:
            said = said.replace(standard, local)
    for right, wrong in say["typos"]:
        if right in said and rng.random() < 0.08:
            said = said.replace(right, wrong, 1)
    if rng.random() < 0.06 and len(said) > 12:
        at = rng.randrange(len(said) - 1)
        swapped = said[at + 1] + said[at] if rng.random() < 0.5 else said[at + 1]
        said = said[:at] + swapped + said[at + 2 :]
    return said


def _where(words: Mapping[str, Any], rng: Random, spot: _Spot) -> str:
    place = words["place"]
    no = spot.no if rng.random() > 0.02 else max(1, spot.no + rng.choice([-9, -1, 1, 10]))
    if spot.kind == "inside":
        return str(rng.choice(place["inside"]).format(estate=spot.name, no=no))
    if spot.kind == "beside":
        return str(rng.choice(place["beside"]).format(mark=spot.name))
    if spot.kind == "crossing":
        road, other = (spot.name, spot.other) if rng.random() < 0.6 else (spot.other, spot.name)
        return str(rng.choice(place["crossing"]).format(road=road, other=other))
    if rng.random() < 0.12:  # the road alone
        return spot.name
    return str(rng.choice(place["roadside"]).format(road=spot.name, no=no))


def _address(words: Mapping[str, Any], rng: Random, spot: _Spot) -> str:
    return "" if rng.random() < 0.4 else _where(words, rng, spot)


def _place(rng: Random, spot: _Spot, bounds: Bounds) -> tuple[float | None, float | None]:
    chance = rng.random()
    if chance < 0.25:
        return None, None
    spread = _SPREAD if chance > 0.29 else rng.uniform(1_000, 4_000)
    squeeze = math.cos(math.radians(spot.lat))
    lon = spot.lon + rng.gauss(0, spread) / (_METRES * squeeze)
    lat = spot.lat + rng.gauss(0, spread) / _METRES
    west, south, east, north = bounds
    return round(min(max(lon, west), east), 6), round(min(max(lat, south), north), 6)


def _category(words: Mapping[str, Any], rng: Random, code: str) -> str | None:
    chance = rng.random()
    if chance < 0.06:
        return None
    if chance < 0.12:
        return str(rng.choice(words["category"])["code"])
    return code
