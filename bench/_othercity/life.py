"""What happens from day to day: work by the quarter of an hour, stocks, and the trips that keep them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench._othercity.common import (
    DAY,
    HOUR,
    QUARTER,
    Chemical,
    Floats,
    Order,
    Random,
    chance,
)
from bench._othercity.roads import Drive
from bench._othercity.stories import Plot, Story
from bench._othercity.world import Account, Place, Tank, Vehicle, World


@dataclass(slots=True, eq=False)
class Trip:
    """One trip of one truck; ``vehicle`` None when it is a carrier from elsewhere, whose trucks the city does not see."""

    vehicle: Vehicle | None
    chemical: Chemical | None
    cargo: str
    un: str
    origin: Place
    target: Place
    tonnes: float
    empty: Drive
    loaded: Drive
    leave: float
    load_from: float
    load_to: float
    unload_from: float
    unload_to: float
    waybill: str = "ok"
    late_h: float = 0.0
    stops: list[tuple[float, float, int]] = field(default_factory=list)  # from, to, load after
    to_account: Account | None = None
    from_account: Account | None = None
    story: Story | None = None
    waste: dict[str, Any] | None = None
    paper: Place | None = None  # where the papers say it goes, when that is not where it goes

    def load(self) -> list[tuple[float, int]]:
        """Load status as it changes: 0 empty, 1 half, 3 full."""
        full = 3 if self.vehicle is None or self.tonnes > 0.62 * self.vehicle.tonnes else 1
        found = [((self.load_from + self.load_to) / 2, full)]
        found += [((a + b) / 2, after) for a, b, after in self.stops if after >= 0]
        return [*found, ((self.unload_from + self.unload_to) / 2, 0)]


@dataclass(slots=True, eq=False)
class Ship:
    """A ship at a storage site's berth."""

    account: Account
    start: float
    end: float
    tonnes: float  # + unloaded here, − loaded
    partner: Place


@dataclass(slots=True)
class Life:
    """All that moved."""

    world: World
    plot: Plot
    trips: list[Trip] = field(default_factory=list)
    ships: list[Ship] = field(default_factory=list)
    illicit: dict[int, list[Trip]] = field(default_factory=dict)


# Work


def weather(order: Order) -> tuple[Floats, Floats]:
    """Air temperature (°C) and rain (0 to 1) by the quarter of an hour since the beginning of the books."""
    random = chance(order.seed, "weather")
    count = (order.end - order.books) // QUARTER
    at = order.books + np.arange(count) * QUARTER

    def knots(step: int, spread: float) -> Floats:
        places = np.arange(0, count + step, step)
        return np.interp(np.arange(count), places, random.normal(0, spread, len(places)))

    season = 16.0 - 12.5 * np.cos(2 * np.pi * ((at / DAY) % 365.25 - 20) / 365.25)
    daily = 4.2 * np.sin(2 * np.pi * ((at + 8 * HOUR) % DAY / DAY - 0.375))
    fronts, wet = knots(384, 3.0), knots(48, 1.0)
    return season + daily + fronts, np.clip((wet - 1.1) * 1.6, 0.0, 1.0)


def _shift(random: Random, shift: str, order: Order, steady: bool = False) -> Floats:
    """0 to 1 by the quarter of an hour; a steady one has no repairs and no quiet weeks."""
    count = (order.end - order.books) // QUARTER
    at = order.books + np.arange(count) * QUARTER
    hour = ((at + 8 * HOUR) % DAY) / HOUR
    weekday = ((at + 8 * HOUR) // DAY + 3) % 7
    if shift == "continuous":
        plan = np.ones(count)
        if random.random() < 0.3 and not steady:  # trips of the plant, a few hours
            trip = int(random.integers(0, count))
            plan[trip : trip + int(random.integers(10, 60))] = 0.05
    elif shift == "two":
        begin = random.uniform(5.5, 7.0)
        plan = ((hour >= begin) & (hour < begin + 16) & (weekday < (6 if random.random() < 0.7 else 7))).astype(float)
    elif shift == "campaign":
        plan, here = np.zeros(count), -int(random.integers(0, 300))
        while here < count:
            long = int(random.integers(190, 420))
            plan[max(here, 0) : max(here + long, 0)] = 1.0
            here += long + int(random.integers(70, 190))
    elif shift == "night":
        plan = (((hour >= 21.5) | (hour < 6.5)) & (weekday < 6)).astype(float)
    elif shift == "shop":
        plan = np.where((hour >= 6.5) & (hour < 20.5), 0.6 + 0.4 * np.sin((hour - 6.5) / 14 * np.pi), 0.08)
    elif shift == "round":
        plan = np.where((hour >= 7) & (hour < 22), 0.75, 0.35)
    else:
        begin = random.uniform(7.5, 8.6)
        weekend = 5 if random.random() < 0.6 else 6
        plan = ((hour >= begin) & (hour < begin + random.uniform(8.5, 10)) & (weekday < weekend)).astype(float)
        plan *= np.where((hour > 11.8) & (hour < 12.8), 0.6, 1.0)
    knots = np.arange(0, count + 24, 24)
    mood = np.interp(np.arange(count), knots, random.standard_t(5, len(knots)) * 0.035)
    for _ in range(
        int(random.poisson(0.35)) if shift in ("two", "day", "campaign") and not steady else 0
    ):  # repairs, a quiet week
        quiet = int(random.integers(0, count))
        plan[quiet : quiet + int(random.integers(60, 260))] *= 0.0
    return np.asarray(np.clip(plan * (0.94 + mood), 0.0, 1.1), dtype=float)


def work(world: World, plot: Plot) -> None:
    """Fill every site's activity, orders and stories taken into account."""
    order = world.order
    needed = {id(s.subject) for s in plot.stories if s.kind in ("suspended_producing", "expired_licence") and s.case}
    for site in world.sites:
        if id(site) in needed and site.shift == "campaign":
            site.shift = "two"
        active = _shift(chance(order.seed, "work", site.id), site.shift, order, id(site) in needed)
        at = order.books + np.arange(len(active)) * QUARTER
        for start, end, left, hours in site.stops:
            down = np.clip((at - start) / (hours * HOUR), 0.0, 1.0)
            active = np.where((at >= start) & (at < end), active * (1 - down * (1 - left)), active)
        for start, end in site.night_only:
            hour = ((at + 8 * HOUR) % DAY) / HOUR
            dark = (hour >= 21.0) | (hour < 5.0)
            active = np.where((at >= start) & (at < end), np.where(dark, 0.85, 0.0), active)
        site.activity = active
    for story in plot.of("emission_tampering") + plot.of("emission_exceedance"):
        _steady(order, story)


def _steady(order: Order, story: Story) -> None:
    """What the tale needs of the plant: that it runs, stands, or halves its load meanwhile."""
    begin = int((story.start - order.books) // QUARTER)
    end = int(((story.end or story.start) - order.books) // QUARTER) + 1
    active = story.subject.activity
    if story.variant == "frozen_stopped":
        active[begin - 12 : end + 8] = 0.0
    elif story.variant == "half_load":
        active[begin:end] *= 0.5
    elif story.kind == "emission_tampering" or story.case or story.variant in ("near", "flagged", "few_minutes"):
        active[max(begin - 16, 0) : end + 8] = np.maximum(active[max(begin - 16, 0) : end + 8], 0.9)


# Trips


@dataclass(slots=True)
class Dispatcher:
    """Finds trucks for goods, day by day."""

    life: Life
    random: Random
    level: dict[int, float] = field(default_factory=dict)  # account → t now
    dry: list[Account] = field(default_factory=list)

    @property
    def world(self) -> World:
        """The city."""
        return self.life.world

    def vehicle(self, family: str, at: float, tonnes: float = 0.0) -> Vehicle | None:
        """A truck of the family that is free about then."""
        free = [v for v in self.world.vehicles if v.family == family and v.free <= at + 3 * HOUR and self.may(v, at)]
        return min(free, key=lambda v: v.free + float(self.random.uniform(0, 5 * HOUR))) if free else None

    def may(self, vehicle: Vehicle, at: float) -> bool:
        """Whether the truck's carrier still works then."""
        for story in self.life.plot.of("expired_licence", "carrier_stopped"):
            if story.subject is vehicle.carrier and at > story.start - DAY:
                return False
        return True

    def trip(
        self, vehicle: Vehicle | None, chemical: Chemical | None, origin: Place, target: Place, tonnes: float, at: float,
        avoid: frozenset[str] | None = None,
    ) -> Trip:  # fmt: skip
        """Plan a trip: drive there empty, load, drive loaded, unload. The truck is busy until it is done."""
        random, roads = self.random, self.world.roads
        start = vehicle.at if vehicle else origin.xy
        begin = max(at, vehicle.free) if vehicle else at
        lawful = roads.avoided(begin, begin + 9 * HOUR) if avoid is None else avoid
        empty = roads.drive(random, start, origin.xy, lawful)
        if random.random() < 0.12:
            empty = _waiting(random, empty)
        load_from = begin + empty.seconds + float(random.gamma(2.0, 240.0))
        load_to = load_from + float(random.uniform(25, 60)) * 60
        loaded = roads.drive(random, origin.xy, target.xy, lawful)
        if random.random() < 0.16 and loaded.seconds > 1500:
            loaded = _layby(random, loaded)
        if random.random() < 0.15:
            loaded = _waiting(random, loaded)
        unload_from = load_to + 240 + loaded.seconds + float(random.gamma(2.0, 300.0))
        unload_to = unload_from + float(random.uniform(30, 70)) * 60
        made = Trip(
            vehicle, chemical, chemical.name if chemical else "", chemical.un if chemical else "UN3077", origin, target,
            round(tonnes, 2), empty, loaded, begin, load_from, load_to, unload_from, unload_to,
        )  # fmt: skip
        if vehicle:
            vehicle.free, vehicle.at = unload_to + 600, target.xy
        self.life.trips.append(made)
        return made

    def ship_goods(self, source: Account | None, sink: Account | None, origin: Place, target: Place, at: float,
                   chemical: Chemical, tonnes: float | None = None) -> Trip | None:  # fmt: skip
        """A truckload from an account or a partner to an account or a partner."""
        for place in (origin, target):
            if place.site and any(a <= at < b for a, b in place.site.quiet):
                return None
        vehicle = self.vehicle(chemical.family, at)
        size = 29.0 if vehicle is None else vehicle.tonnes
        load = size * float(self.random.uniform(0.86, 0.995)) if tonnes is None else tonnes
        if self.random.random() < 0.07 and tonnes is None:
            load = size * float(self.random.uniform(0.35, 0.6))
        if sink is not None:
            load = min(load, sink.room - self.level[id(sink)]) if sink.chemical.family != "van" else load
        if load < 0.05 or (load < 4.0 and chemical.family != "van"):
            return None
        made = self.trip(vehicle, chemical, origin, target, load, at)
        made.from_account, made.to_account = source, sink
        self.move(source, made.load_from, made.load_to, -made.tonnes)
        self.move(sink, made.unload_from, made.unload_to, made.tonnes)
        return made

    def move(self, account: Account | None, start: float, end: float, tonnes: float) -> None:
        """Book a movement, at a tank when there are tanks."""
        if account is None:
            return
        tank: Tank | None = None
        if account.tanks:
            room = [t.capacity * 0.86 - t.stock for t in account.tanks]
            tank = account.tanks[int(np.argmax(room if tonnes > 0 else [-r for r in room]))]
            tank.stock += tonnes
        account.moves.append((int(start), int(end), tonnes, tank))
        self.level[id(account)] += tonnes


def _waiting(random: Random, drive: Drive) -> Drive:
    """A queue in front of a gate: the last 300 to 800 m are driven after a wait."""
    back = float(random.uniform(0.35, 0.9))
    x, y = drive.x, drive.y
    far = np.cumsum(np.concatenate([[0.0], np.hypot(np.diff(x), np.diff(y))]))
    if far[-1] < 2.5:
        return drive
    spot, wait = far[-1] - back, float(random.uniform(900, 4200))
    t0 = float(np.interp(spot, far, drive.t))
    where = int(np.searchsorted(far, spot))
    px, py = float(np.interp(spot, far, x)), float(np.interp(spot, far, y))
    return Drive(
        np.concatenate([drive.t[:where], [t0, t0 + wait], drive.t[where:] + wait]),
        np.concatenate([x[:where], [px, px], x[where:]]),
        np.concatenate([y[:where], [py, py], y[where:]]),
    )


def _layby(random: Random, drive: Drive) -> Drive:
    """A rest in a lay-by somewhere in the middle."""
    where = int(len(drive.t) * random.uniform(0.35, 0.7))
    wait = float(random.uniform(900, 3600))
    return Drive(
        np.concatenate([drive.t[: where + 1], drive.t[where:] + wait]),
        np.concatenate([drive.x[: where + 1], drive.x[where:]]),
        np.concatenate([drive.y[: where + 1], drive.y[where:]]),
    )


def _day_hour(random: Random, day: float, begin: float = 6.0, end: float = 18.0) -> float:
    return day + float(random.triangular(begin, begin + (end - begin) * 0.3, end)) * HOUR


def _made(account: Account, day: int) -> float:
    """Tonnes that production adds (or use takes) on a day."""
    return account.rate * float(account.site.activity[day * 96 : (day + 1) * 96].sum()) / 4.0


def _produce(d: Dispatcher, day: int) -> None:
    """Production and use of the day, each on one tank."""
    for site in d.world.sites:
        for account in site.accounts:
            tonnes = _made(account, day)
            if account.tanks:
                room = [t.capacity * 0.86 - t.stock for t in account.tanks]
                tank = account.tanks[int(np.argmax(room if tonnes > 0 else [-r for r in room]))]
                tank.stock += tonnes
                account.runs[day] = tank
            d.level[id(account)] += tonnes


def _suppliers(d: Dispatcher, account: Account, day: int) -> list[Account]:
    return [
        other
        for site in d.world.sites
        for other in site.accounts
        if other.chemical is account.chemical
        and other.site is not account.site
        and (other.rate > 0 or (site.firm.kind == "storage") or (site.firm.kind == "dealer" and other.rate == 0))
        and d.level[id(other)] > (0.28 * other.room if other.chemical.family != "van" else 0.8)
        and not any(a <= day < b for a, b in other.holds)
        and site.firm is not account.site.firm
    ]


def _demand(d: Dispatcher, day: int, midnight: float) -> None:
    """Orders of those who use or store, sales of those who make or store."""
    accounts = [a for site in d.world.sites for a in site.accounts]
    for i in d.random.permutation(len(accounts)):
        account = accounts[i]
        held = any(a <= day < b for a, b in account.holds)
        if account.chemical.family == "van":
            _controlled_order(d, account, midnight)
            continue
        share = d.level[id(account)] / account.room
        kind = account.site.firm.kind
        if held:
            _hold(d, account, midnight)
        elif account.rate < 0 and share < 0.42:
            for _ in range(2 if share < 0.2 else 1):
                sources = _suppliers(d, account, day)
                source = sources[int(d.random.integers(len(sources)))] if sources and d.random.random() < 0.85 else None
                origin: Place = (
                    source.site if source else d.world.partners[int(d.random.integers(len(d.world.partners)))]
                )
                d.ship_goods(source, account, origin, account.site, _day_hour(d.random, midnight), account.chemical)
        elif account.rate > 0 or kind == "storage":
            _sell(d, account, midnight, share)


def _sell(d: Dispatcher, account: Account, midnight: float, share: float) -> None:
    limit = account.limit / account.room
    for _ in range(int((share > 0.36) + (share > 0.5) + 2 * (share > limit * 0.88) + 3 * (share > limit * 0.95))):
        local_buyer = d.random.random() < 0.12 and bool(d.world.unnamed) and account.chemical.family == "acid"
        places = d.world.unnamed if local_buyer else d.world.partners
        target = places[int(d.random.integers(len(places)))]
        d.ship_goods(account, None, account.site, target, _day_hour(d.random, midnight), account.chemical)
    if account.site.firm.kind == "storage" and share < 0.38 and d.random.random() < 0.45:
        _ship(
            d,
            account,
            midnight,
            min(account.room * float(d.random.uniform(0.12, 0.2)), account.limit * 0.85 - d.level[id(account)]),
        )


def _ship(d: Dispatcher, account: Account, midnight: float, tonnes: float) -> None:
    """A ship unloads over most of a day, into every tank in turn."""
    start = midnight + float(d.random.uniform(2, 12)) * HOUR
    end = start + float(d.random.uniform(7, 15)) * HOUR
    count = max(1, min(len(account.tanks), 3))
    for part in range(count):
        step = (end - start) / count
        d.move(account, start + part * step, start + (part + 1) * step, tonnes / count)
    partner = d.world.partners[int(d.random.integers(len(d.world.partners)))]
    d.life.ships.append(Ship(account, start, end, tonnes, partner))


def _hold(d: Dispatcher, account: Account, midnight: float) -> None:
    """A day on which an account is filled up to its aim and nothing is sold."""
    lack = account.aim - d.level[id(account)] - max(_made(account, int((midnight - d.world.order.books) // DAY)), 0.0)
    while lack < -6.0:  # what is made meanwhile has to go
        partner = d.world.partners[int(d.random.integers(len(d.world.partners)))]
        made = d.ship_goods(
            account, None, account.site, partner, _day_hour(d.random, midnight, 1.0, 12.0), account.chemical
        )
        if made is None:
            return
        lack += made.tonnes
    if lack <= 1.0:
        return
    if account.site.firm.kind == "storage" and lack > 60:
        _ship(d, account, midnight, lack)
        return
    while lack > 4.0:
        partner = d.world.partners[int(d.random.integers(len(d.world.partners)))]
        at = _day_hour(d.random, midnight, 1.0, 15.0)
        made = d.ship_goods(None, account, partner, account.site, at, account.chemical)
        if made is None:
            return
        lack -= made.tonnes


def _controlled_order(d: Dispatcher, account: Account, midnight: float) -> None:
    """Holders buy small lots of dealers, dealers of makers elsewhere; by van."""
    level = d.level[id(account)]
    if account.site.firm.kind == "dealer":
        if level < 0.35 * account.room:
            partner = d.world.partners[int(d.random.integers(len(d.world.partners)))]
            d.ship_goods(None, account, partner, account.site, _day_hour(d.random, midnight, 7, 15), account.chemical,
                         float(np.round(account.room * d.random.uniform(0.3, 0.5), 2)))  # fmt: skip
        return
    about = next(
        (s for s in d.life.plot.of("controlled_diversion", "diverted") if s.subject is account.site.firm), None
    )
    floor = 0.5 if about is None else 0.5 + float(about.about["share"]) * 0.2
    if level < floor * account.room and d.random.random() < 0.4:
        sources = [a for a in _suppliers(d, account, 0) if a.site.firm.kind == "dealer"]
        source = sources[int(d.random.integers(len(sources)))] if sources and d.random.random() < 0.75 else None
        origin: Place = source.site if source else d.world.partners[int(d.random.integers(len(d.world.partners)))]
        lot = float(np.round(account.room * d.random.uniform(0.22, 0.4), 3))
        d.ship_goods(source, account, origin, account.site, _day_hour(d.random, midnight, 7, 15), account.chemical, lot)


def _scheme(d: Dispatcher) -> None:
    """Holds for what the plot says about storage."""
    order = d.world.order
    for story in d.life.plot.of("over_storage"):
        account: Account = story.about["account"]
        first, last = (int((at - order.books) // DAY) for at in (story.start, story.end or story.start))
        if story.variant == "overfill":
            account.aim = min(account.limit * (1 + story.about["over"] + 0.03), account.room * 0.8)
        elif story.variant == "near":
            account.aim = account.limit * 0.96 - max(account.rate, 0.0) * 12 - 12
        elif story.variant in ("raised", "licence_cut"):
            account.aim = account.limit * 0.93 - max(account.rate, 0.0) * 12
        else:
            continue
        account.holds.append((first - 1, last))


def live(world: World, plot: Plot) -> Life:
    """Run the days."""
    from bench._othercity.errands import Errands

    life = Life(world, plot)
    dispatcher = Dispatcher(life, chance(world.order.seed, "days"))
    dispatcher.level = {id(a): a.stock for site in world.sites for a in site.accounts}
    _scheme(dispatcher)
    errands = Errands(dispatcher)
    days = (world.order.end - world.order.books) // DAY
    for day in range(days):
        midnight = world.order.books + day * DAY
        _produce(dispatcher, day)
        errands.plot(midnight)
        errands.waste(day, midnight)
        _demand(dispatcher, day, midnight)
        for vehicle in world.vehicles:  # night at home: the drive is drawn when the tracks are
            if vehicle.free < midnight + 30 * HOUR:
                vehicle.at = vehicle.yard.xy if vehicle.free < midnight + 20 * HOUR else vehicle.at
    life.trips.sort(key=lambda trip: trip.leave)
    return life
