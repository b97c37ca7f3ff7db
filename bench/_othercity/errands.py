"""Trips that are not plain supply: waste to its disposal, ways through closed zones, stops at places nobody registered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bench._othercity.common import BULK, DAY, HOUR, WASTES, chance, rfc
from bench._othercity.roads import Drive, Zone
from bench._othercity.stories import Story
from bench._othercity.world import Account, Place, Site, Vehicle, within_city

if TYPE_CHECKING:
    from bench._othercity.life import Dispatcher, Trip


class Errands:
    """Keeps what is left to do of the plot on the roads."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.d = dispatcher
        self.order = dispatcher.world.order
        self.random = chance(self.order.seed, "errands")
        self.heap: dict[str, float] = {
            s.id: float(self.random.uniform(0, 5)) for s in dispatcher.world.sites if s.waste_t
        }
        self.mark = {s.id: float(self.random.uniform(3.0, 9.0)) for s in dispatcher.world.sites}
        self.receivers = [s for s in dispatcher.world.sites if s.firm.kind == "disposal"]
        self.due: list[tuple[float, Story]] = []
        self._zones()
        self._places()

    # Plans

    def _zones(self) -> None:
        plot, zones = self.d.life.plot, self.d.world.zones
        level = self.order.level
        if not zones:
            return
        cases = ["through", "empty", "through", "rest", "edge"] if level.effect < 0.3 else ["through", "empty", "rest"]
        innocents = ["skirts", "open_hours", "skirts", "jump"]
        for number in range(self.order.counted(level.cases) + self.order.counted(level.innocents)):
            case = number < self.order.counted(level.cases)
            variant = (cases if case else innocents)[number % len(cases if case else innocents)]
            timed = [z for z in zones if z.hours]
            zone = (timed if variant == "open_hours" and timed else zones)[
                number % len(timed if variant == "open_hours" and timed else zones)
            ]
            at = self.order.start + DAY * float(self.random.integers(0, max(1, self.order.days - 1)))
            story = Story("restricted_zone", variant, case, None, at, None, {"zone": zone})
            plot.stories.append(story)
            self.due.append((at, story))

    def _places(self) -> None:
        plot, level = self.d.life.plot, self.order.level
        taken = np.array([p.xy for p in (*self.d.world.sites, *self.d.world.partners, *self.d.world.unnamed)])
        innocents = ["layby", "once", "layby", "once"]
        cases, others = self.order.counted(level.cases), self.order.counted(level.innocents)
        for number in range(cases + others):
            case = number < cases
            variant = "dump" if case else innocents[number % len(innocents)]
            place = self._lonely(taken)
            taken = np.vstack([taken, place])
            spot = Place("", "", float(place[0]), float(place[1]))
            visits = (2 + round(4 * level.effect) if case else 5) if variant != "once" else 1
            first = float(self.random.uniform(0.0, 0.45)) * self.order.days
            gap = max(1.0, (self.order.days - first - 2) / visits * float(self.random.uniform(0.4, 0.8)))
            story = Story("unlicensed_site", variant, case, spot, self.order.start + first * DAY, None, {"visits": []})
            plot.stories.append(story)
            for visit in range(visits):
                at = self.order.start + math.floor(first + visit * gap) * DAY
                if at < self.order.end - DAY:
                    self.due.append((at, story))

    def _lonely(self, taken: np.ndarray) -> np.ndarray:
        """A place beside a road, 1.3 km or more from everybody and clear of the closed zones."""
        nodes = self.d.world.roads.nodes
        while True:
            spot = nodes[int(self.random.integers(len(nodes)))] + self.random.normal(0, 0.5, 2)
            near = np.hypot(*(taken - spot).T).min()
            if (
                1.3 < near < 9.0
                and within_city(*map(float, spot))
                and all(math.dist(z.centre, spot) > 3.2 for z in self.d.world.zones)
            ):
                return np.asarray(spot)

    # The days

    def waste(self, day: int, midnight: float) -> None:
        """Waste leaves."""
        told = {id(s.subject) for s in self.d.life.plot.of("waste_leak") if not s.about["done"]}
        for site in sorted(self.d.world.sites, key=lambda s: id(s) not in told):
            if site.id not in self.heap:
                continue
            self.heap[site.id] += site.waste_t * float(site.activity[day * 96 : (day + 1) * 96].mean()) * 2.0
            story = next(
                (s for s in self.d.life.plot.of("waste_leak") if s.subject is site and not s.about["done"]), None
            )
            due = story is not None and midnight >= story.start - DAY and midnight >= self.order.start
            if self.heap[site.id] > self.mark[site.id] or (due and self.heap[site.id] > 1.2):
                self._waste(site, story if due else None, midnight)

    def _waste(self, site: Site, story: Story | None, midnight: float) -> None:
        if any(a <= midnight + 9 * HOUR < b for a, b in site.quiet) or not self.receivers:
            return
        at = midnight + float(self.random.triangular(7, 9, 15)) * HOUR
        vehicle = self.d.vehicle("waste", at)
        if vehicle is None or vehicle.free > midnight + 15 * HOUR:
            return
        variant = story.variant if story else ""
        receiver: Place = self.receivers[int(self.random.integers(len(self.receivers)))]
        if variant == "unlicensed":
            others = [
                s
                for s in self.d.world.sites
                if s.firm.kind in ("user", "dealer") and s.firm is not site.firm and not s.stories
            ]
            receiver = others[int(self.random.integers(len(others)))] if others else receiver
        target = receiver
        if variant == "never":
            taken = np.array([p.xy for p in (*self.d.world.sites, *self.d.world.partners, *self.d.world.unnamed)])
            spot = self._lonely(taken)
            target = Place("", "", float(spot[0]), float(spot[1]))
        tonnes = min(self.heap[site.id], vehicle.tonnes * 0.95)
        made = self.d.trip(vehicle, None, site, target, tonnes, at)
        if variant == "detour":
            self._detour(made, vehicle)
        self.heap[site.id] -= tonnes
        code, name = WASTES[site.waste]
        made.cargo, made.un, made.story, made.paper = name, "UN3077", story, receiver
        made.waste = {"code": code, "variant": variant, "light": story.about["light"] if story else 0.0}
        if story:
            story.about["done"] = True
            story.start, story.about["trip"] = made.load_to, made

    def _detour(self, trip: Trip, vehicle: Vehicle) -> None:
        """The truck goes home first and arrives a day later."""
        roads, yard = self.d.world.roads, vehicle.yard.xy
        avoid = frozenset(zone.id for zone in roads.zones)
        home = roads.drive(self.random, trip.origin.xy, yard, avoid)
        rest = float(self.random.uniform(14, 22)) * HOUR
        trip.loaded = home.then(roads.drive(self.random, yard, trip.target.xy, avoid), rest)
        trip.unload_from = trip.load_to + 240 + trip.loaded.seconds + 600
        trip.unload_to = trip.unload_from + 2700
        vehicle.free = trip.unload_to + 600

    def plot(self, midnight: float) -> None:
        """Trips of the plot; what finds no truck waits a day."""
        waiting: list[tuple[float, Story]] = []
        for at, story in self.due:
            if at > midnight:
                waiting.append((at, story))
            elif midnight < self.order.end - DAY:
                done = (
                    self._through(story, midnight) if story.kind == "restricted_zone" else self._stop(story, midnight)
                )
                if not done:
                    waiting.append((at, story))
        self.due = waiting

    def _vehicle(self, latest: float, families: tuple[str, ...] = ("liquid", "acid", "gas")) -> Vehicle | None:
        used = {id(s.subject) for s in self.d.life.plot.of("restricted_zone")}
        free = [v for v in self.d.world.vehicles if v.family in families and v.free < latest and id(v) not in used
                and self.d.may(v, latest)]  # fmt: skip
        return free[int(self.random.integers(len(free)))] if free else None

    def _load(self, family: str, near: Place | None = None) -> tuple[Account, Place] | None:
        """An account with stock to spare that a truck of the family may fetch for a partner."""
        accounts = [
            a
            for s in self.d.world.sites
            for a in s.accounts
            if a.chemical.family == family
            and a.rate >= 0
            and self.d.level[id(a)] > 90
            and not s.stories & {"work", "mass"}
            and not a.holds
        ]
        if not accounts:
            return None
        middle = near.xy if near else (0.0, 0.0)
        pairs = [(a, p) for a in accounts for p in self.d.world.partners]
        pairs.sort(
            key=lambda ap: (
                math.dist(ap[0].site.xy, middle)
                + math.dist(middle, ap[1].xy)
                - 0.8 * math.dist(ap[0].site.xy, ap[1].xy)
            )
        )
        return pairs[int(self.random.integers(max(1, len(pairs) // 12)))]

    def _through(self, story: Story, midnight: float) -> bool:
        """A trip whose way leads through, around or past a zone, at an hour that makes it a case or not."""
        zone: Zone = story.about["zone"]
        if zone.hours is None:
            hour = float(self.random.uniform(9.5, 16))
        else:
            begin, end = zone.hours
            length = (end - begin) % 24
            hour = begin + length * float(self.random.uniform(0.25, 0.7))
            if story.variant == "open_hours":
                hour = begin + length + (24 - length) * float(self.random.uniform(0.3, 0.6))
            hour = hour % 24
            hour += 24 if hour < 9.5 else 0
        vehicle = self._vehicle(midnight + min(hour - 3.5, 20) * HOUR)
        found = self._load(vehicle.family, Place("", "", *zone.centre)) if vehicle else None
        if vehicle is None or found is None:
            return False
        account, partner = found
        roads = self.d.world.roads
        others = frozenset(z.id for z in roads.zones if z is not zone)
        via = self._via(zone, story.variant)
        avoid = others if story.variant not in ("skirts", "jump") else others | {zone.id}
        leg = roads.drive(self.random, account.site.xy if story.variant != "empty" else vehicle.at, via, avoid)
        pause = float(self.random.uniform(600, 1500)) if story.variant == "rest" else 5.0
        rest = roads.drive(self.random, via, partner.xy if story.variant != "empty" else account.site.xy, avoid)
        way = leg.then(rest, pause)
        empty = roads.drive(self.random, vehicle.at, account.site.xy, others | {zone.id})
        lead = leg.seconds if story.variant == "empty" else leg.seconds + empty.seconds + 3000
        leave = max(midnight + hour * HOUR - lead, vehicle.free)
        made = self.d.trip(
            vehicle, account.chemical, account.site, partner, vehicle.tonnes * 0.93, leave, others | {zone.id}
        )
        self._replace(made, way, empty, story.variant == "empty")
        vehicle.free = made.unload_to + 600
        made.from_account, made.story = account, story
        self.d.move(account, made.load_from, made.load_to, -made.tonnes)
        story.subject, story.start = vehicle, made.leave
        story.about["trip"] = made
        return True

    def _via(self, zone: Zone, variant: str) -> tuple[float, float]:
        middle = np.array(zone.centre)
        reach = np.hypot(*(zone.ring - middle).T)
        if variant == "edge":
            corner = zone.ring[int(self.random.integers(len(zone.ring) - 1))]
            spot = middle + (corner - middle) * 0.6
            return float(spot[0]), float(spot[1])
        if variant == "skirts":
            towards = self.random.uniform(0, 2 * math.pi)
            spot = middle + (reach.max() + self.random.uniform(0.15, 0.35)) * np.array(
                [math.cos(towards), math.sin(towards)]
            )
            return float(spot[0]), float(spot[1])
        if variant == "jump":
            far = middle + np.array([4.5, 0.5])
            return float(far[0]), float(far[1])
        return zone.centre

    def _replace(self, trip: Trip, way: Drive, empty: Drive, on_empty: bool) -> None:
        """Put another way into a trip and shift what follows."""
        trip.empty = way if on_empty else empty
        trip.load_from = trip.leave + trip.empty.seconds + 300
        trip.load_to = trip.load_from + 2700 - 300
        if not on_empty:
            trip.loaded = way
        trip.unload_from = trip.load_to + 240 + trip.loaded.seconds + 300
        trip.unload_to = trip.unload_from + 2700

    def _stop(self, story: Story, midnight: float) -> bool:
        """A trip that stops at a place on its way; what it leaves there depends on the story."""
        visits: list[Trip] = story.about["visits"]
        vehicle = None
        if visits and self.random.random() < 0.65 and story.case:
            last = visits[-1].vehicle
            free = last is not None and last.free < midnight + 10 * HOUR and self.d.may(last, midnight + DAY)
            vehicle = last if free else None
        vehicle = vehicle or self._vehicle(midnight + 10 * HOUR)
        found = self._load(vehicle.family, story.subject) if vehicle else None
        if vehicle is None or found is None:
            return False
        account, partner = found
        roads = self.d.world.roads
        avoid = frozenset(z.id for z in roads.zones)
        begin = max(midnight + float(self.random.uniform(6, 11 if not story.case else 19)) * HOUR, vehicle.free)
        made = self.d.trip(vehicle, account.chemical, account.site, partner, vehicle.tonnes * 0.93, begin, avoid)
        wobble = self.random.normal(0, 0.02, 2)
        spot = (story.subject.x + float(wobble[0]), story.subject.y + float(wobble[1]))
        first = roads.drive(self.random, account.site.xy, spot, avoid)
        dwell = float(self.random.uniform(22, 50)) * 60
        left = made.load_to + 240 + first.seconds
        made.from_account, made.story = account, story
        self.d.move(account, made.load_from, made.load_to, -made.tonnes)
        whole = story.case and self.random.random() < 0.4
        if whole:
            made.paper, made.target = partner, Place("", "", *spot)
            made.loaded, made.unload_from, made.unload_to = first, left + 200, left + dwell
        else:
            made.loaded = first.then(roads.drive(self.random, spot, partner.xy, avoid), dwell)
            made.stops = [(left, left + dwell, 1 if story.variant != "layby" else -1)]
            made.unload_from = made.load_to + 240 + made.loaded.seconds + 300
            made.unload_to = made.unload_from + 2700
        vehicle.free = made.unload_to + 600
        vehicle.at = made.target.xy
        visits.append(made)
        return True


def describe(trip: Trip) -> str:
    """A few words on a trip for the truth's detail."""
    goods = trip.cargo or next((c.name for c in BULK if c is trip.chemical), "")
    return f"{goods} {trip.tonnes:g} t {rfc(trip.load_to)}"
