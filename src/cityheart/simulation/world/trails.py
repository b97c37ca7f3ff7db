"""Where every vehicle is: its legs sampled as its terminal does, with the errors of satellites, and what zones saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .business import Leg
from .chance import Bools, Floats, Ints, numbers
from .firms import Town
from .models import Case
from .places import LAT_METRES, LON_METRES
from .times import DAY

__all__ = ["MOVING", "PARKED", "Samples", "sampled", "trespasses"]

MOVING, PARKED = 0.5, 5.0  # minutes between reports
_APART = 1e5  # minutes between two routes on the common axis


@dataclass(frozen=True, slots=True)
class Samples:
    """Reports in order of vehicle and time. ``at`` is when it was taken, ``batch`` the backlog it waited in or -1.

    ``lon`` and ``lat`` are WGS84 degrees, ``speed`` km/h, ``heading`` degrees, ``metres`` the odometer.
    """

    vehicle: Ints
    at: Floats
    lon: Floats
    lat: Floats
    speed: Floats
    heading: Floats
    load: Ints
    engine: Bools
    valid: Bools
    metres: Floats
    batch: Ints

    def __len__(self) -> int:
        return len(self.at)

    def where(self, chosen: Bools | Ints) -> Samples:
        """Those samples only, in the order asked for."""
        return Samples(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class _Axis:
    """The routes of some legs laid end to end on one axis, so that one look-up serves all."""

    minutes: Floats
    lon: Floats
    lat: Floats
    metres: Floats
    dark: Bools
    mute: Bools
    length: Floats
    number: dict[tuple[int, int, int, int], int]

    @classmethod
    def of(cls, town: Town, legs: Sequence[Leg]) -> _Axis:
        keys = sorted({leg.route for leg in legs if leg.route is not None})
        routes = [town.roads.route(*key) for key in keys] or [town.roads.route(0, 1)]  # an axis is never empty
        flat = [np.append(route.dark, False) for route in routes]
        still = [np.append(route.mute, False) for route in routes]
        return cls(
            np.concatenate([route.minutes + n * _APART for n, route in enumerate(routes)]),
            np.concatenate([route.lon for route in routes]),
            np.concatenate([route.lat for route in routes]),
            np.concatenate([route.metres for route in routes]),
            np.concatenate(flat),
            np.concatenate(still),
            np.array([route.minutes[-1] for route in routes]),
            {key: n for n, key in enumerate(keys)},
        )


def sampled(town: Town, legs: Sequence[Leg], day: int, odometer: Floats) -> Samples:
    """The reports of a day out of the legs that touch it (in order of vehicle and time).

    ``odometer`` holds the metres of each vehicle at the start of the day and is moved on.
    """
    rng = numbers(town.seed, "trails", str(day))
    begin, end = float(day * DAY), float((day + 1) * DAY)
    since = np.array([max(leg.since, begin) for leg in legs])
    until = np.array([min(leg.until, end) for leg in legs])
    engine = np.array([leg.engine for leg in legs])
    period = np.where(engine, MOVING, PARKED)
    count = np.maximum(0, np.ceil((until - since) / period)).astype(np.int64)
    of = np.repeat(np.arange(len(legs)), count)
    nth = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    at = since[of] + nth * period[of]
    axis = _Axis.of(town, legs)
    whole = np.array([max(leg.until - leg.since, 1e-9) for leg in legs])
    start = np.array([leg.since for leg in legs])
    done = (at - start[of]) / whole[of]
    lon, lat, metres, speed, heading, dark, mute = _positions(town, legs, axis, of, done, whole, rng, odometer)
    before, after = (np.array([getattr(leg, name) for leg in legs]) for name in ("before", "after"))
    load = np.where(before == after, before, 1)[of]
    changing = (before != after)[of]
    load = np.where(changing & (done < 0.15), before[of], np.where(changing & (done > 0.85), after[of], load))
    flicker = rng.random(len(at)) < 0.0002  # a sensor that slips for one report
    load = np.where(flicker, np.where(load == 3, 0, 3), load)
    vehicle = np.array([leg.vehicle for leg in legs], dtype=np.int64)[of]
    told = Samples(
        vehicle,
        at,
        lon,
        lat,
        speed,
        heading,
        load,
        engine[of],
        ~dark,
        metres,
        _batches(of, mute & ~dark, until[of] >= end),
    )
    lost = rng.random(len(at)) < np.where(dark, 0.8, 0.004)
    second = np.floor(at * 60 + 1e-6)
    again = np.concatenate([[False], (second[1:] == second[:-1]) & (vehicle[1:] == vehicle[:-1])])
    return told.where(~lost & ~again)


def _positions(
    town: Town,
    legs: Sequence[Leg],
    axis: _Axis,
    of: Ints,
    done: Floats,
    whole: Floats,
    rng: np.random.Generator,
    odometer: Floats,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Bools, Bools]:
    number = np.array([-1 if leg.route is None else axis.number[leg.route] for leg in legs])
    marks = np.array([leg.marks for leg in legs]) * axis.length[np.maximum(number, 0), None]
    mark = marks[of, 0] + done * (marks[of, 1] - marks[of, 0])
    pace = ((marks[:, 1] - marks[:, 0]) / whole)[of]
    on = mark + number[of] * _APART
    moving = number[of] >= 0
    place = np.array([max(leg.place, 0) for leg in legs])
    spots = np.array([(spot.lon, spot.lat) for spot in town.roads.places])
    vehicle = np.array([leg.vehicle for leg in legs])
    slot = ((vehicle * 7919 + place * 104729) % 997)[of] / 997.0 * 2 * np.pi
    lon = np.where(moving, np.interp(on, axis.minutes, axis.lon), spots[place[of], 0] + 28 * np.cos(slot) / LON_METRES)
    lat = np.where(moving, np.interp(on, axis.minutes, axis.lat), spots[place[of], 1] + 28 * np.sin(slot) / LAT_METRES)
    ahead, behind = on + 0.05, on - 0.05
    east = (np.interp(ahead, axis.minutes, axis.lon) - np.interp(behind, axis.minutes, axis.lon)) * LON_METRES
    north = (np.interp(ahead, axis.minutes, axis.lat) - np.interp(behind, axis.minutes, axis.lat)) * LAT_METRES
    run = np.interp(ahead, axis.minutes, axis.metres) - np.interp(behind, axis.minutes, axis.metres)
    speed = np.where(moving & (pace > 0), np.abs(run) / 0.1 * pace * 0.06, 0.0)
    heading = np.degrees(np.arctan2(east, north)) % 360
    still = speed < 0.5
    drift = np.where(still, 7.0, 3.5)
    slow = 9.0 * np.sin(done * whole[of] / 37.0 + slot) * still  # the slow wander of a parked receiver
    lon = lon + (rng.normal(0, 1, len(on)) * drift + slow) / LON_METRES
    lat = lat + (rng.normal(0, 1, len(on)) * drift - slow * 0.6) / LAT_METRES
    jump = rng.random(len(on)) < 0.0007
    lon = np.where(jump, lon + rng.normal(0, 2500, len(on)) / LON_METRES, lon)
    lat = np.where(jump, lat + rng.normal(0, 2500, len(on)) / LAT_METRES, lat)
    speed = np.where(still, np.where(rng.random(len(on)) < 0.03, rng.uniform(0, 3, len(on)), 0.0), speed)
    stretch = np.clip(np.searchsorted(axis.minutes, on, side="right") - 1, 0, len(axis.dark) - 1)
    dark, mute = axis.dark[stretch] & moving & ~still, axis.mute[stretch] & moving & ~still
    gone = np.where(moving, np.interp(on, axis.minutes, axis.metres), 0.0)
    begun = np.interp(marks[:, 0] + np.maximum(number, 0) * _APART, axis.minutes, axis.metres)
    ended = np.interp(marks[:, 1] + np.maximum(number, 0) * _APART, axis.minutes, axis.metres)
    length = np.where(number >= 0, ended - begun, 0.0)
    base = np.zeros(len(legs))
    for n, leg in enumerate(legs):
        base[n] = odometer[leg.vehicle]
        odometer[leg.vehicle] += length[n]
    return lon, lat, base[of] + np.where(moving, gone - begun[of], 0.0), speed, heading, dark, mute


def _batches(of: Ints, mute: Bools, open_end: Bools) -> Ints:
    """Numbers of the backlogs in which reports wait while there is no network; at most 20 reports each."""
    waits = mute & ~open_end
    fresh = waits & ~np.concatenate([[False], waits[:-1] & (of[1:] == of[:-1])])
    number = np.cumsum(fresh) - 1
    first = np.flatnonzero(fresh)
    if not len(first):
        return np.full(len(of), -1, dtype=np.int64)
    within = np.arange(len(of)) - first[np.clip(number, 0, None)]
    return np.where(waits, number * 64 + within // 20, -1)


def trespasses(town: Town, legs: Sequence[Leg]) -> list[Case]:
    """Every stay of a vehicle inside a zone while it was closed, from where it really was, to five seconds."""
    found: list[Case] = []
    suspects = [leg for leg in legs if leg.route is not None and leg.route[2] > 0 and leg.until > leg.since]
    for leg in suspects:
        assert leg.route is not None
        route = town.roads.route(*leg.route)
        at = np.arange(leg.since, min(leg.until, town.span.last), 1 / 12)
        mark = leg.marks[0] + (at - leg.since) / (leg.until - leg.since) * (leg.marks[1] - leg.marks[0])
        mark = mark * route.minutes[-1]
        lon, lat = np.interp(mark, route.minutes, route.lon), np.interp(mark, route.minutes, route.lat)
        for zone in town.roads.zones:
            hit = np.flatnonzero(zone.inside(lon, lat) & zone.shut(at))
            if len(hit):
                plate = town.vehicles[leg.vehicle].plate
                detail = f"{zone.id} {zone.closed}, {'loaded' if leg.before else 'empty'}"
                found.append(Case("restricted_zone", plate, float(at[hit[0]]), float(at[hit[-1]]), detail))
    return found
