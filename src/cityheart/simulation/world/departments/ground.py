"""Where the departments' things are: places in every area, people, and which area a place lies in on a day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from ..chance import Floats, Ints, numbers
from ..places import APP_DATA, Area, Areas
from ..times import DAY, Span

__all__ = ["Ground"]

_PLACES = 240  # of every area
_PERSONS = 100_000.0  # an area nobody has counted


@dataclass(frozen=True)
class Ground:
    """Places (WGS84), each in one area on every day. Areas go by their position in ``areas``.

    ``people`` are residents in units of 100,000; ``epochs`` the minutes at which the set of valid areas changes.
    """

    areas: tuple[Area, ...]
    people: Floats
    lon: Floats
    lat: Floats
    epochs: Ints
    of: Ints  # (epochs, places): the area of each place
    valid: tuple[Ints, ...]  # of each epoch

    @classmethod
    def build(cls, seed: int, span: Span, areas: Areas) -> Ground:
        """The ground of the city of ``seed`` from the month before its books on."""
        first = -31
        days = [span.base + timedelta(days=number) for number in range(first, span.whole)]
        sets = [tuple(area.code for area in areas.at(day)) for day in days]
        begins = [n for n in range(len(days)) if n == 0 or sets[n] != sets[n - 1]]
        number = {area.code: n for n, area in enumerate(areas.all)}
        lon, lat = [], []
        for area in areas.all:
            seen = [day for day, there in zip(days, sets, strict=True) if area.code in there]
            if seen:
                x, y = _places(seed, areas, area, seen)
                lon.append(x)
                lat.append(y)
        where = np.concatenate(lon), np.concatenate(lat)
        of = [[number[found.code] if found else -1 for found in areas.of(*where, days[begin])] for begin in begins]
        sorted_in = np.asarray(of, dtype=np.int64)
        kept = (sorted_in >= 0).all(axis=0)
        return cls(
            areas.all,
            _people(areas),
            np.round(where[0][kept], 6),
            np.round(where[1][kept], 6),
            np.array([(first + begin) * DAY for begin in begins], dtype=np.int64),
            sorted_in[:, kept],
            tuple(np.array([number[code] for code in sets[begin]], dtype=np.int64) for begin in begins),
        )

    def epoch(self, minute: Floats) -> Ints:
        """Which set of areas is valid at each minute."""
        return np.maximum(np.searchsorted(self.epochs, minute, side="right") - 1, 0).astype(np.int64)

    def at(self, place: Ints, minute: Floats) -> Ints:
        """The area of places at minutes."""
        return np.asarray(self.of[self.epoch(minute), place], dtype=np.int64)

    def within(self, area: int, epoch: int) -> Ints:
        """The places of an area."""
        return np.flatnonzero(self.of[epoch] == area)


def _places(seed: int, areas: Areas, area: Area, days: list[date]) -> tuple[Floats, Floats]:
    """Places within an area, denser towards its middle."""
    rng = numbers(seed, "ground", area.code)
    corners = np.vstack(area.rings)
    low, high = corners.min(axis=0), corners.max(axis=0)
    lon, lat = np.empty(0), np.empty(0)
    day = days[0]
    while len(lon) < _PLACES:
        mixed = 0.5 + (rng.uniform(-0.5, 0.5, (4 * _PLACES, 2)) + rng.normal(0, 0.18, (4 * _PLACES, 2))) / 1.4
        points = low + mixed * (high - low)
        inside = [found is not None and found.code == area.code for found in areas.of(points[:, 0], points[:, 1], day)]
        lon, lat = np.append(lon, points[inside, 0]), np.append(lat, points[inside, 1])
    return lon[:_PLACES], lat[:_PLACES]


def _people(areas: Areas) -> Floats:
    """Residents of every area in 100,000. One that the census never counted has its part of what it became."""
    told = json.loads((APP_DATA / "areas.geojson").read_text("utf-8"))["features"]
    counted = {each["properties"]["code"]: each["properties"]["residents_2020"] for each in told}
    sizes = [_size(area) for area in areas.all]
    found = []
    for area, size in zip(areas.all, sizes, strict=True):
        residents = counted.get(area.code)
        if residents is None:
            middle = np.vstack(area.rings).mean(axis=0)
            heirs = [
                (counted.get(heir.code), other)
                for heir, other in zip(areas.all, sizes, strict=True)
                if heir.since == area.until and _around(heir, middle)
            ]
            residents = next((count * min(1.0, size / other) for count, other in heirs if count), _PERSONS)
        found.append(residents / 1e5)
    return np.array(found)


def _size(area: Area) -> float:
    """The area of its rings in square degrees (outer rings; holes are small)."""
    return sum(abs(float(np.sum(ring[:-1, 0] * ring[1:, 1] - ring[1:, 0] * ring[:-1, 1]))) / 2 for ring in area.rings)


def _around(area: Area, point: Floats) -> bool:
    corners = np.vstack(area.rings)
    return bool(np.all(corners.min(axis=0) <= point) and np.all(point <= corners.max(axis=0)))
