"""What happens: plants run by their shifts, stocks rise and fall, trucks and ships carry what is needed.

Every tonne that is made, used, sold, loaded or unloaded is a flow of a holding, so that its mass at any minute is its
opening plus the flows: nothing appears or vanishes. A plant slows down when its tanks are full or empty. A trip exists
because somebody needed the load, and a vehicle does one thing at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .cases import Plot
from .chance import Floats, numbers
from .firms import Town
from .models import Case, Trip, Vehicle
from .times import DAY, SLOTS

__all__ = ["Business", "Leg", "Ship", "carry_on"]

HOUR = 60.0
_NORM = {"continuous": 96.0, "two": 64.0, "batch": 60.0, "day": 36.0}
_HOURLY = (  # how petrol sells over the day
    0.2, 0.1, 0.1, 0.1, 0.2, 0.5, 1.2, 2.0, 1.8, 1.4, 1.2, 1.2, 1.1, 1.1, 1.1, 1.2, 1.5, 2.0, 1.8, 1.4, 1.1, 0.8, 0.5,
    0.3,
)  # fmt: skip
_RETAIL = np.repeat(np.array(_HOURLY), 4)
_MARK = 0.55  # of what is allowed: below it more is ordered


@dataclass(frozen=True, slots=True)
class Leg:
    """A vehicle between two minutes: on a route from one mark to another (0 its start, 1 its end), or at a place."""

    vehicle: int
    since: float
    until: float
    route: tuple[int, int, int, int] | None
    marks: tuple[float, float]
    place: int
    engine: bool
    before: int  # load
    after: int


@dataclass(frozen=True, slots=True)
class Ship:
    """A ship at a berth: positive mass is unloaded into the holding."""

    holding: int
    since: float
    until: float
    mass: float
    partner: int  # site beyond


@dataclass
class Business:
    """The course of events. ``run`` is how hard each site works at every quarter-hour, 0 to about 1."""

    town: Town
    plot: Plot
    run: NDArray[np.float32]
    trips: list[Trip] = field(default_factory=list)
    ships: list[Ship] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    flows: list[tuple[int, float, float, float]] = field(default_factory=list)  # holding, since, until, tonnes
    transfers: list[tuple[int, int, float, float]] = field(default_factory=list)  # holdings, minute, tonnes
    losses: list[tuple[int, float, float]] = field(default_factory=list)  # holding, minute, tonnes
    mass: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # holdings × days: at the start of each day

    def totals(self, day: int) -> Floats:
        """Tonnes that each holding gains (makes) or loses (uses, retails) on a day."""
        run = self.run[:, day * SLOTS : (day + 1) * SLOTS]
        norm = np.array([_NORM[site.shift] for site in self.town.sites])
        work, first = run.sum(axis=1, dtype=np.float64) / norm, run[:, 0].astype(np.float64)
        site = np.array([one.site for one in self.town.holdings], dtype=np.int64)
        gain = np.array([one.makes - one.uses for one in self.town.holdings])
        retail = np.array([one.retail for one in self.town.holdings])
        return np.asarray(np.where(retail > 0, -retail * first[site], gain * work[site]), dtype=np.float64)

    def rate(self, holding: int, day: int) -> Floats:
        """Tonnes made (positive) or used and retailed (negative) in each quarter-hour of a day."""
        one = self.town.holdings[holding]
        if one.retail:
            return np.asarray(-one.retail * _RETAIL / _RETAIL.sum() * self.run[one.site, day * SLOTS], dtype=np.float64)
        part = self.run[one.site, day * SLOTS : (day + 1) * SLOTS]
        return np.asarray(part * ((one.makes - one.uses) / _NORM[self.town.sites[one.site].shift]), dtype=np.float64)


def carry_on(town: Town, plot: Plot) -> Business:
    """Let the city live from the start of its books to its end."""
    business = Business(town, plot, _shifts(town, plot))
    _scaled(town)
    _Dispatch(business).all()
    business.trips.sort(key=lambda trip: (trip.load[0], trip.number))
    return business


def _shifts(town: Town, plot: Plot) -> NDArray[np.float32]:
    """How hard each site works by its shift, weekends, holidays, and by what was ordered."""
    span = town.span
    rng = numbers(town.seed, "shifts")
    slots = np.arange(span.whole * SLOTS)
    hour = slots % SLOTS / 4
    off = np.repeat(span.off(), SLOTS)
    sunday = np.repeat((span.weekday() == 6), SLOTS)
    run = np.zeros((len(town.sites), len(slots)), dtype=np.float32)
    for site in town.sites:
        jitter = float(rng.uniform(-0.75, 0.75))
        if site.beyond or site.kind in ("station", "storage", "dealer"):
            run[site.number] = 1.0
            continue
        if site.shift == "continuous":
            knots = rng.normal(0.95, 0.04, span.whole + 1)
            work = np.interp(slots / SLOTS, np.arange(span.whole + 1), knots)
        elif site.shift == "two":
            work = np.where((hour >= 6 + jitter / 3) & (hour < 22 + jitter / 3) & ~sunday, 0.95, 0.0)
        elif site.shift == "day":
            there = (hour >= 8 + jitter) & (hour < 17.5 + jitter) & ~off
            work = np.where(there, np.where(np.abs(hour - 12) < 0.5, 0.55, 0.95), 0.0)
        else:
            work = np.zeros(len(slots))
            at = float(rng.uniform(0, 40))
            while at < len(slots):
                length = float(rng.uniform(24, 56))
                work[int(at) : int(at + length)] = rng.uniform(0.85, 1.0)
                at += length + float(rng.uniform(12, 30))
        run[site.number] = np.clip(work, 0, 1.05)
    for stop in plot.stops:
        _stopped(rng, run[stop.thing], stop.since, stop.until, stop.how, stop.size)
    return run


def _stopped(
    rng: np.random.Generator, run: NDArray[np.float32], since: float, until: float, how: str, size: float
) -> None:
    begin, end = int(since // 15), min(int(until // 15), len(run))
    first = max(0, begin)  # an order may be older than the days that are simulated, and outlast them
    if how == "workshop":
        run[first:end] *= size
        return
    winding = int(rng.uniform(10, 34) * 4) if float(run[max(0, begin - SLOTS) : first].min(initial=1)) > 0.3 else 2
    run[first:end] *= np.clip(1 - (np.arange(first, end) - begin) / winding, 0, 1)


def _scaled(town: Town) -> None:
    """Trade no more than the vehicles can carry: about 1.5 loads a day for each, kind by kind."""
    loads: dict[str, float] = {}
    for one in town.holdings:
        carried, site = town.chemicals[one.chemical].carried, town.sites[one.site]
        size = 1.2 if carried == "boxed" else 22.0
        daily = one.uses + one.retail + (one.makes * 0.8)
        daily += {"storage": 25.0, "dealer": 1.0}.get(site.kind, 0.0)
        loads[carried] = loads.get(carried, 0.0) + daily / size
    for carried, wanted in sorted(loads.items()):
        able = 1.5 * sum(vehicle.kind == carried for vehicle in town.vehicles)
        factor = min(1.0, able / wanted) if wanted else 1.0
        for one in town.holdings:
            if town.chemicals[one.chemical].carried == carried:
                one.makes, one.uses, one.retail = one.makes * factor, one.uses * factor, one.retail * factor
    wasted = sum(site.waste for site in town.sites) / 6.0
    able = 1.4 * sum(vehicle.kind == "waste" for vehicle in town.vehicles)
    for site in town.sites:
        if site.role != "waste_leak":
            site.waste *= min(1.0, able / wasted) if wasted else 1.0


class _Dispatch:
    """Day by day: who needs what, who has it, which vehicle brings it."""

    def __init__(self, business: Business) -> None:
        self.b, self.town, self.plot = business, business.town, business.plot
        self.rng = numbers(self.town.seed, "dispatch")
        town, whole = self.town, self.town.span.whole
        count = len(town.holdings)
        self.stock = np.array([one.opening for one in town.holdings])
        self.moves = np.zeros((count, whole + 3))  # what trucks and ships bring and take, by the day it ends
        self.coming = np.zeros(count)
        self.going = np.zeros(count)
        self.site_of = np.array([one.site for one in town.holdings], dtype=np.int64)
        self.allowed = np.array([one.allowed for one in town.holdings])
        self.free = np.array([-1000.0] * len(town.vehicles))
        self.where = [vehicle.depot for vehicle in town.vehicles]
        self.by_kind: dict[str, list[Vehicle]] = {}
        for vehicle in town.vehicles:
            self.by_kind.setdefault(vehicle.kind, []).append(vehicle)
        self.sellers: dict[int, list[int]] = {}
        for one in town.holdings:
            if one.makes > 0 or town.sites[one.site].kind in ("storage", "dealer"):
                self.sellers.setdefault(one.chemical, []).append(one.number)
        self.outside = [site.number for site in town.sites if site.beyond]
        self.disposal = [site.number for site in town.sites if site.kind == "disposal"]
        self.waste = {s.number: float(self.rng.uniform(0, 5)) for s in town.sites if s.waste > 0}
        self.closed = self._closed()
        self.driven = np.zeros(len(town.vehicles))
        self.since_rest = np.zeros(len(town.vehicles))
        self.ceilings = self._ceilings()
        self.unlicensed = self._unlicensed()
        self.dumps = list(self.town.halts["dump"])

    def _closed(self) -> set[tuple[int, int]]:
        """(site, day) on which nothing is fetched or brought because the site has stopped."""
        found: set[tuple[int, int]] = set()
        for stop in self.plot.stops:
            if stop.how != "workshop":
                last = min(int(stop.until // DAY) + 1, self.town.span.whole + 2)
                found.update((stop.thing, day) for day in range(max(0, int(stop.since // DAY)), last))
        return found

    def _ceilings(self) -> Floats:
        """Holdings × days: how full the firm lets its tanks become, in tonnes."""
        ceilings = np.repeat(0.9 * self.allowed[:, None], self.town.span.whole + 3, axis=1)
        for window in self.plot.overfull:
            ceilings[window.thing, max(0, int(window.since // DAY)) :] = window.size * self.allowed[window.thing]
        return ceilings

    def _unlicensed(self) -> list[int]:
        """Sites that take waste without any licence for it: dealers' yards."""
        return [site.number for site in self.town.sites if site.kind == "dealer" and not site.role] or [
            site.number for site in self.town.sites if site.kind == "user" and not site.role
        ]

    def all(self) -> None:
        """Every day of the books."""
        town, whole = self.town, self.town.span.whole
        mass = np.zeros((len(town.holdings), whole + 1))
        for day in range(whole):
            mass[:, day] = self.stock
            self.driven[:] = self.since_rest[:] = 0.0
            self._work(day)
            orders = [*self._buy(day), *self._sell(day), *self._dispose(day)]
            shuffled = [orders[int(number)] for number in self.rng.permutation(len(orders))]
            shuffled.sort(key=lambda order: not (order[2] < 0 and bool(self.plot.leaks.get(-1 - order[0]))))
            for order in shuffled:
                self._send(day, *order)
            self._home(day)
            self._lend(day)
            self.stock += self.change + self.moves[:, day]
        mass[:, whole] = self.stock
        self.b.mass = mass
        for vehicle in self.town.vehicles:
            self._stay(vehicle.number, float(self.town.span.last), 0)

    # ── plants ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _work(self, day: int) -> None:
        """What plants make and use on a day; full or empty tanks slow them down."""
        change = self.b.totals(day)
        low = self.stock + change + np.minimum(self.moves[:, day], 0) - self.going
        factor = np.ones(len(self.stock))
        short = (change < 0) & (low < 0.06 * self.allowed)
        factor[short] = np.clip(1 + (low[short] - 0.06 * self.allowed[short]) / -change[short], 0, 1)
        high = self.stock + change + np.maximum(self.moves[:, day], 0) + self.coming
        most = np.maximum(self.ceilings[:, day], 0.0)
        full = (change > 0) & (high > most)
        factor[full] = np.minimum(factor[full], np.clip(1 - (high[full] - most[full]) / change[full], 0, 1))
        slower = np.ones(len(self.town.sites))
        np.minimum.at(slower, self.site_of, factor)
        hit = np.flatnonzero(slower < 1)
        if len(hit):
            self.b.run[hit, day * SLOTS : (day + 1) * SLOTS] *= slower[hit, None].astype(np.float32)
            change = self.b.totals(day)
        self.change = change

    # ── who needs what ─────────────────────────────────────────────────────────────────────────────────────────

    def _room(self, holding: int, day: int) -> float:
        return float(self.ceilings[holding, day] - self.stock[holding] - self.coming[holding])

    def _size(self, chemical: int) -> float:
        if self.town.chemicals[chemical].controlled:
            return round(float(self.rng.uniform(0.3, 1.8)), 2)
        return round(float(self.rng.uniform(18, 27.5)), 2)

    def _buy(self, day: int) -> list[tuple[int, int, int, float]]:
        """Orders of those who run low: origin, target, chemical, tonnes. Origins below zero are sites beyond."""
        found = []
        level = self.stock + self.coming + 0.7 * self.change
        for number in np.flatnonzero(level < self._marks(day)):
            one = self.town.holdings[number]
            site = self.town.sites[one.site]
            if (one.site, day) in self.closed or (one.site, day + 1) in self.closed or one.makes > 0:
                continue
            if site.kind == "storage":
                self._ship(day, int(number))
                continue
            for _ in range(3):
                size = self._size(one.chemical)
                if site.kind == "dealer":
                    size = round(size * 1.6, 2)
                if self._room(int(number), day) < size or level[number] > self._marks(day)[number]:
                    break
                origin = self._supplier(day, int(number), size)
                found.append((origin, int(number), one.chemical, size))
                self.coming[number] += size
                level[number] += size
                if origin >= 0:
                    self.going[origin] += size
        return found

    def _marks(self, day: int) -> Floats:
        """Below which tonnes more is ordered: by habit, and up to the brim by those who overfill."""
        marks = np.where(self.ceilings[:, day] > 0.95 * self.allowed, self.ceilings[:, day] - 28, _MARK * self.allowed)
        return np.asarray(marks, dtype=np.float64)

    def _supplier(self, day: int, holding: int, size: float) -> int:
        """Who sells it: mostly somebody in the city who has enough, else somebody beyond."""
        one = self.town.holdings[holding]
        able = [
            other
            for other in self.sellers.get(one.chemical, ())
            if self.town.holdings[other].site != one.site
            and self.stock[other] - self.going[other] + min(0.0, self.change[other]) > size + 0.25 * self.allowed[other]
            and (self.town.holdings[other].site, day) not in self.closed
        ]
        if able and (self.rng.random() < 0.8):
            near = able[holding % len(able)] if self.rng.random() < 0.7 else able[int(self.rng.integers(len(able)))]
            return near
        return -1 - self.outside[int((holding + self.rng.integers(2)) % len(self.outside))]

    def _ship(self, day: int, holding: int) -> None:
        """A ship brings what fits below the ceiling, tomorrow or the day after."""
        mass = round(self._room(holding, day) * float(self.rng.uniform(0.75, 0.97)), 1)
        if mass < 60 or day + 2 >= self.town.span.whole:
            return
        since = (day + 1) * DAY + float(self.rng.uniform(0, 900))
        until = since + 90 + mass / float(self.rng.uniform(2.0, 3.5))
        partner = self.outside[int(self.rng.integers(len(self.outside)))]
        self.b.ships.append(Ship(holding, since, until, mass, partner))
        self._flow(holding, since, until, mass)
        self.coming[holding] += mass

    def _flow(self, holding: int, since: float, until: float, tonnes: float) -> None:
        """Mass that enters or leaves evenly between two minutes."""
        self.b.flows.append((holding, since, until, tonnes))
        first, last = int(since // DAY), int((until - 1e-9) // DAY)
        for day in range(first, min(last, self.moves.shape[1] - 1) + 1):
            share = (min(until, (day + 1) * DAY) - max(since, day * DAY)) / (until - since)
            self.moves[holding, day] += tonnes * share

    def _sell(self, day: int) -> list[tuple[int, int, int, float]]:
        """Producers with full tanks and storages with much send loads to customers beyond."""
        found = []
        for number, one in enumerate(self.town.holdings):
            site = self.town.sites[one.site]
            emptying = (one.site, day) in self.closed and any(
                stop.thing == one.site and stop.how == "emptying" and stop.since < (day - 1) * DAY
                for stop in self.plot.stops
            )
            if (one.site, day) in self.closed and not emptying:
                continue
            mark = 0.6 if one.makes > 0 else 0.7
            if self.ceilings[number, day] > 0.95 * self.allowed[number]:
                mark = float(self.ceilings[number, day] / self.allowed[number]) - 0.12
            if not (one.makes > 0 or site.kind == "storage" or emptying):
                continue
            spare = self.stock[number] - self.going[number] - (0.1 if emptying else mark) * self.allowed[number]
            for _ in range(3):
                size = self._size(one.chemical)
                if spare < size:
                    break
                spare -= size
                target = -1 - self.outside[int(self.rng.integers(len(self.outside)))]
                found.append((number, target, one.chemical, size))
                self.going[number] += size
            if site.kind == "storage" and spare > 280 and self.rng.random() < 0.12:
                self._export(day, number, spare)
        return found

    def _export(self, day: int, holding: int, spare: float) -> None:
        """A ship fetches some hundred tonnes tomorrow."""
        mass = round(float(self.rng.uniform(0.4, 0.8)) * spare, 1)
        since = (day + 1) * DAY + float(self.rng.uniform(0, 900))
        until = since + 90 + mass / float(self.rng.uniform(2.0, 3.5))
        if day + 2 >= self.town.span.whole:
            return
        partner = self.outside[int(self.rng.integers(len(self.outside)))]
        self.b.ships.append(Ship(holding, since, until, -mass, partner))
        self._flow(holding, since, until, -mass)
        self.going[holding] += mass

    def _lend(self, day: int) -> None:
        """Now and then one user of a controlled chemical helps another out, or spills some."""
        users = [
            one
            for one in self.town.holdings
            if one.uses > 0
            and self.town.chemicals[one.chemical].controlled
            and not self.town.sites[one.site].role
            and (one.site, day) not in self.closed
            and self.stock[one.number] - self.going[one.number] > 0.35 * one.allowed
        ]
        if not users or self.rng.random() > 0.3:
            return
        giver = users[int(self.rng.integers(len(users)))]
        at = day * DAY + float(self.rng.uniform(9, 16)) * HOUR
        if self.rng.random() < 0.3:
            tonnes = round(float(self.rng.uniform(0.001, 0.008)), 4)
            self.b.losses.append((giver.number, at, tonnes))
            self._flow(giver.number, at, at + 10, -tonnes)
            return
        takers = [one for one in users if one.chemical == giver.chemical and one.site != giver.site]
        if takers:
            taker = takers[int(self.rng.integers(len(takers)))]
            tonnes = round(float(self.rng.uniform(0.02, 0.08)), 4)
            if self._room(taker.number, day) > tonnes:
                self.b.transfers.append((giver.number, taker.number, at, tonnes))
                self._flow(giver.number, at, at + 30, -tonnes)
                self._flow(taker.number, at, at + 30, tonnes)

    def _dispose(self, day: int) -> list[tuple[int, int, int, float]]:
        """Loads of waste for the disposal plants: origin and target are -1 - site."""
        found = []
        for number in sorted(self.waste):
            site = self.town.sites[number]
            work = float(self.b.run[number, day * SLOTS : (day + 1) * SLOTS].sum()) / _NORM[site.shift]
            self.waste[number] += site.waste * work
            size = round(min(self.waste[number], float(self.rng.uniform(4, 9))), 2)
            leaky = number in self.plot.leaks and day * DAY >= self.town.span.first
            if size < (2.5 if leaky else 4.0) or (number, day) in self.closed:
                continue
            self.waste[number] -= size
            target = self.disposal[(number + int(self.rng.integers(2))) % len(self.disposal)]
            found.append((-1 - number, -1 - target, -1, size))
        return found

    # ── who brings it ──────────────────────────────────────────────────────────────────────────────────────────

    def _send(self, day: int, origin: int, target: int, chemical: int, size: float) -> None:
        """Find a vehicle and let it make the trip; without one the order lapses."""
        sites = tuple(self.town.holdings[end].site if end >= 0 else -1 - end for end in (origin, target))
        kind = "waste" if chemical < 0 else self.town.chemicals[chemical].carried
        vehicle = self._vehicle(day, kind, sites)
        if vehicle is None:
            if chemical < 0:
                self.waste[sites[0]] += size
            else:
                if target >= 0:
                    self.coming[target] -= size
                if origin >= 0:
                    self.going[origin] -= size
            return
        trip = Trip(len(self.b.trips), vehicle.number, origin, target, sites[0], sites[1], chemical,
                    min(size, vehicle.tonnes * 0.98), 0.0)  # fmt: skip
        if chemical >= 0:
            if target >= 0:
                self.coming[target] -= size - trip.quantity
            if origin >= 0:
                self.going[origin] -= size - trip.quantity
        self._papers(trip, vehicle)
        self._drive(day, trip, vehicle)
        self.b.trips.append(trip)

    def _vehicle(self, day: int, kind: str, sites: Sequence[int]) -> Vehicle | None:
        """Some vehicle of the kind that is free early enough to be back at night."""
        able = self.by_kind.get(kind, [])
        start = int(self.rng.integers(max(1, len(able))))
        best, least = None, np.inf
        far = any(self.town.sites[site].beyond for site in sites)
        for k in range(len(able) if len(able) <= 40 else 9):
            vehicle = able[(start + k) % len(able)]
            ready = max(float(self.free[vehicle.number]), day * DAY + 330.0)
            if ready > day * DAY + (13.2 if far else 15.5) * HOUR or self.driven[vehicle.number] > 7.5 * HOUR:
                continue
            wish = ready - (500 if self._wanted(vehicle, sites, day) else 0)
            if wish < least:
                best, least = vehicle, wish
        return best

    def _wanted(self, vehicle: Vehicle, sites: Sequence[int], day: int) -> bool:
        """Whether an offender among the drivers waits for such a trip."""
        if day * DAY < self.town.span.first:
            return False
        beyond = [self.town.sites[site].beyond for site in sites]
        if vehicle.role == "paperless":
            return bool(self.plot.paperless.get(vehicle.number)) and not any(beyond)
        if vehicle.role == "yard" and vehicle.number in self.plot.yards:
            return self.plot.yards[vehicle.number][1] > 0 and beyond == [False, True]
        return False

    def _papers(self, trip: Trip, vehicle: Vehicle) -> None:
        """How the trip's waybill will be filed."""
        chance = float(self.rng.random())
        late = 0.5 if vehicle.role == "late_papers" else 0.07
        trip.paper = "late" if chance < late else "replaced" if chance > 0.98 else "timely"

    def _drive(self, day: int, trip: Trip, vehicle: Vehicle) -> None:
        """The whole trip: there, queue, load, on the road, queue, unload; every minute of it a leg."""
        rng, number = self.rng, vehicle.number
        sites = self.town.sites
        begin = max(float(self.free[number]) + float(rng.uniform(3, 25)), day * DAY + float(rng.uniform(330, 520)))
        self._stay(number, begin, 0)
        at = self._go(vehicle, begin, self.where[number], sites[trip.origin_site].place, 0)
        trip.depart = begin
        at = self._wait(number, at, sites[trip.origin_site].place, float(rng.gamma(2.0, 7.0)), 0)
        took = float(rng.uniform(24, 55)) if trip.chemical >= 0 else float(rng.uniform(18, 35))
        trip.load = (at, at + took)
        self._leg(number, at, at + took, None, (0, 0), sites[trip.origin_site].place, bool(rng.random() < 0.3), 0, 3)
        at = at + took + float(rng.uniform(2, 9))
        self._leg(number, trip.load[1], at, None, (0, 0), sites[trip.origin_site].place, True, 3, 3)
        trip.planned = round((trip.load[1] + float(rng.normal(0, 20))) / 10) * 10.0
        end = sites[trip.target_site].place
        if trip.chemical < 0 and trip.load[0] >= self.town.span.first:
            end = self._fate(trip, end)
        elif trip.chemical >= 0 and sites[trip.target_site].beyond and rng.random() < 0.03:
            grounds = self.town.halts["customer"]  # the customer wants it on his building ground; the waybill says so
            trip.dumped = end = grounds[trip.number % len(grounds)]
        load = 3
        if trip.dumped < 0 and self._offends(trip, vehicle):
            yard, visits = self.plot.yards[number]
            self.plot.yards[number] = (yard, visits - 1)
            at = self._go(vehicle, at, sites[trip.origin_site].place, yard, 3)
            halt = float(rng.uniform(28, 55))
            self._leg(number, at, at + halt, None, (0, 0), yard, False, 3, 1)
            self._yard(number, yard, at, at + halt)
            at, load = at + halt, 1
            at = self._go(vehicle, at, yard, end, load)
        else:
            at = self._go(vehicle, at, sites[trip.origin_site].place, end, 3, trip)
        at = self._wait(number, at, end, float(rng.gamma(2.0, 8.0)) if trip.dumped < 0 else 2.0, load)
        took = float(rng.uniform(25, 60))
        trip.unload = (at, at + took)
        self._leg(number, at, at + took, None, (0, 0), end, bool(rng.random() < 0.25), load, 0)
        self.where[number] = end
        self.free[number] = at + took
        self._book(trip)
        if rng.random() < 0.06:
            self._errand(vehicle, str(rng.choice(["wash", "repair", "lay-by"])))

    def _book(self, trip: Trip) -> None:
        """The trip's flows of mass, and the paper of an offender's trip once it is known."""
        if trip.origin >= 0:
            self._flow(trip.origin, *trip.load, -trip.quantity)
        if trip.target >= 0:
            self._flow(trip.target, *trip.unload, trip.quantity)
        vehicle = self.town.vehicles[trip.vehicle]
        pending = self.plot.paperless.get(vehicle.number)
        inside = not (self.town.sites[trip.origin_site].beyond or self.town.sites[trip.target_site].beyond)
        whole = trip.load[0] >= self.town.span.first and trip.unload[1] < self.town.span.last - 2 * DAY
        if pending and inside and whole and trip.chemical >= 0:
            trip.paper = pending.pop()
            names = [self.town.sites[site].id for site in (trip.origin_site, trip.target_site)]
            detail = f"{names[0]} to {names[1]}, {'cancelled waybill' if trip.paper == 'cancelled' else 'no waybill'}"
            self.plot.cases.append(Case("no_waybill", vehicle.plate, trip.load[1], trip.unload[1], detail))
        for holding, sign in ((trip.origin, -1), (trip.target, 1)):
            if holding >= 0:
                waiting = self.going if sign < 0 else self.coming
                waiting[holding] -= trip.quantity

    def _fate(self, trip: Trip, end: int) -> int:
        """What becomes of a load of waste, and the place at which it really ends."""
        pending = self.plot.leaks.get(trip.origin_site)
        if not pending:
            trip.waste = "unweighed" if self.rng.random() < 0.06 else "arrives"
            return end
        trip.waste = pending.pop()
        site = self.town.sites[trip.origin_site]
        until: float | None = None
        if trip.waste == "vanishes" and not self.dumps:
            trip.waste = "lighter"
        if trip.waste == "vanishes":
            trip.dumped = end = self.dumps.pop()  # nobody dumps at one place twice
        elif trip.waste == "unlicensed":
            trip.target_site = self.unlicensed[trip.number % len(self.unlicensed)]
            end = self.town.sites[trip.target_site].place
        else:
            until = trip.load[1] + DAY
        self.plot.cases.append(Case("waste_leak", site.id, trip.load[1], until, f"{trip.quantity} t {trip.waste}"))
        return end

    def _offends(self, trip: Trip, vehicle: Vehicle) -> bool:
        return (
            self.plot.yards.get(vehicle.number, (0, 0))[1] > 0
            and trip.load[0] >= self.town.span.first
            and self.town.sites[trip.target_site].beyond
            and not self.town.sites[trip.origin_site].beyond
        )

    def _yard(self, vehicle: int, place: int, since: float, until: float) -> None:
        at = self.town.roads.places[place]
        detail = f"{self.town.vehicles[vehicle].plate} unloads"
        self.plot.cases.append(Case("unlicensed_site", f"{at.lon:.6f},{at.lat:.6f}", since, until, detail))

    # ── legs ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _leg(
        self,
        vehicle: int,
        since: float,
        until: float,
        route: tuple[int, int, int, int] | None,
        marks: tuple[float, float],
        place: int,
        engine: bool,
        before: int,
        after: int,
    ) -> None:
        if until > self.town.span.first and since < self.town.span.last:
            self.b.legs.append(Leg(vehicle, since, until, route, marks, place, engine, before, after))

    def _stay(self, vehicle: int, until: float, load: int) -> None:
        """Parked since it was last busy."""
        since = float(self.free[vehicle])
        if until > since:
            self._leg(vehicle, since, until, None, (0, 0), self.where[vehicle], False, load, load)

    def _wait(self, vehicle: int, at: float, place: int, minutes: float, load: int) -> float:
        """In the queue at a gate; now and then for hours."""
        if self.rng.random() < 0.03:
            minutes += float(self.rng.uniform(40, 150))
        self._leg(vehicle, at, at + minutes, None, (0, 0), place, minutes < 30, load, load)
        return at + minutes

    def _go(self, vehicle: Vehicle, at: float, start: int, end: int, load: int, trip: Trip | None = None) -> float:
        """On the road from one place to another, with the rests that a driver must take; when it arrives."""
        if start == end:
            return at + 1.0
        route, roads = self._choose(vehicle, at, start, end), self.town.roads
        whole = roads.minutes(*route)
        slow = 1 / float(self.rng.uniform(0.78, 1.0))
        mark = 0.0
        pauses = self._pauses(vehicle.number, whole, slow, load, trip is not None)
        for pause, minutes in pauses:
            marks = (mark / whole, pause / whole)
            self._leg(vehicle.number, at, at + (pause - mark) * slow, route, marks, -1, True, load, load)
            at += (pause - mark) * slow
            self._leg(vehicle.number, at, at + minutes, route, (marks[1], marks[1]), -1, minutes < 8, load, load)
            at, mark = at + minutes, pause
        self._leg(vehicle.number, at, at + (whole - mark) * slow, route, (mark / whole, 1.0), -1, True, load, load)
        self.driven[vehicle.number] += whole * slow
        return at + (whole - mark) * slow

    def _pauses(self, vehicle: int, whole: float, slow: float, load: int, trip: bool) -> list[tuple[float, float]]:
        """Where on the way it halts and for how long: after less than four hours at the wheel, and for a meal."""
        found = []
        left = 225.0 - float(self.since_rest[vehicle])
        if whole * slow > left > 0:
            found.append((left / slow, float(self.rng.uniform(21, 45))))
            self.since_rest[vehicle] = 0.0
        elif trip and load and self.rng.random() < 0.07:  # a lay-by with a full load, as innocent as can be
            found.append((whole * float(self.rng.uniform(0.2, 0.8)), float(self.rng.uniform(15, 70))))
            self.since_rest[vehicle] = 0.0
        self.since_rest[vehicle] += whole * slow
        return found

    def _choose(self, vehicle: Vehicle, at: float, start: int, end: int) -> tuple[int, int, int, int]:
        """Which way: round the closed zones; through one in its open hours; or through it in spite of all."""
        clock = at % DAY
        zones = self.town.roads.zones
        pending = self.plot.zones.get(vehicle.number)
        if pending and at >= self.town.span.first and at < self.town.span.last - DAY:
            node, after_dark = pending[-1]
            if not after_dark:
                pending.pop()
                return (start, end, 2, node)
        if 9.1 * HOUR < clock < 14 * HOUR:
            if self.rng.random() < 0.02:
                limited = [zone.node for zone in zones if zone.closed != "always"]
                via = limited[int(self.rng.integers(len(limited)))]
                if self.town.roads.minutes(start, end, 0) < 90 and self._near(start, via):
                    return (start, end, 1, via)
            if self.town.roads.minutes(start, end, 1) < 110:
                return (start, end, 1, -1)
        return (start, end, 0, -1)

    def _near(self, place: int, node: int) -> bool:
        at, roads = self.town.roads.places[place], self.town.roads
        return abs(at.lon - float(roads.lon[node])) + abs(at.lat - float(roads.lat[node])) < 0.35

    def _errand(self, vehicle: Vehicle, kind: str) -> None:
        """An empty vehicle at a washing station, in a repair shop, or at a lay-by."""
        number = vehicle.number
        places = self.town.halts[kind]
        place = places[int(self.rng.integers(len(places)))]
        at = self._go(vehicle, float(self.free[number]), self.where[number], place, 0)
        until = at + float(self.rng.uniform(25, 80))
        self._leg(number, at, until, None, (0, 0), place, kind == "wash", 0, 0)
        self.where[number], self.free[number] = place, until

    def _home(self, day: int) -> None:
        """In the evening whoever can drives to the depot; one or another cuts through a zone that is closed by night."""
        for vehicle in self.town.vehicles:
            number = vehicle.number
            free = float(self.free[number])
            if self.where[number] == vehicle.depot or free < day * DAY or free > (day + 1) * DAY - 120:
                continue
            pending = self.plot.zones.get(number)
            begin = free + float(self.rng.uniform(2, 12))
            if pending and pending[-1][1] and self.town.span.first < begin < self.town.span.last - DAY:
                begin = max(begin, day * DAY + 22 * HOUR + float(self.rng.uniform(3, 30)))
                node, _ = pending.pop()
                self._stay(number, begin, 0)
                route = (self.where[number], vehicle.depot, 2, node)
                whole = self.town.roads.minutes(*route)
                self._leg(number, begin, begin + whole * 1.05, route, (0, 1), -1, True, 0, 0)
                at = begin + whole * 1.05
            else:
                self._stay(number, begin, 0)
                at = self._go(vehicle, begin, self.where[number], vehicle.depot, 0)
            self.where[number], self.free[number] = vehicle.depot, at
