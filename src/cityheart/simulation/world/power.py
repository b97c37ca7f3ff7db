"""Electricity: what every meter draws from the grid, 96 points a day, with all that makes loads hard to read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from .business import Business
from .chance import Floats, numbers
from .models import Meter
from .times import DAY, SLOTS

__all__ = ["Grid"]

_FULL = {"producer": 620.0, "storage": 90.0, "dealer": 25.0, "station": 35.0, "user": 260.0, "disposal": 380.0}


class Grid:
    """The meters of the city through all days."""

    def __init__(self, business: Business) -> None:
        self.business, town = business, business.town
        self.town = town
        rng = numbers(town.seed, "loads")
        count = len(town.sites)
        size = rng.lognormal(0, 0.4, count)
        self.full = np.array([_FULL.get(site.kind, 0.0) for site in town.sites]) * size
        self.base = self.full * rng.uniform(0.06, 0.14, count)
        self.cool = rng.uniform(0.0, 0.05, count)
        self.air = town.span.temperature(numbers(town.seed, "air"))
        self.cloud = rng.uniform(0.15, 1.0, town.span.whole + 1)
        self.shops = np.array([site.kind in ("station", "storage", "dealer") for site in town.sites])
        self.stops = {stop.thing: stop for stop in business.plot.stops if stop.how != "workshop"}
        plain = [meter.site for meter in town.meters if not town.sites[meter.site].role and len(meter.feeds) == 1]
        chosen = rng.permutation(len(plain))[: 2 * max(1, len(plain) // 120)]
        self.swapped = {}
        for one, other in zip(chosen[::2], chosen[1::2], strict=False):
            since = int(rng.integers(0, town.span.whole))
            self.swapped[plain[one]] = (plain[other], since, since + 6)
            self.swapped[plain[other]] = (plain[one], since, since + 6)

    def loads(self, day: int) -> Floats:
        """What every site uses on a day: sites × 96 kW."""
        rng = numbers(self.town.seed, "loads", str(day))
        slots = slice(day * SLOTS, (day + 1) * SLOTS)
        hour = np.arange(SLOTS) / 4
        run = self.business.run[:, slots].astype(np.float64)
        run[self.shops] *= np.where((hour > 6.5) & (hour < 21), 0.6, 0.25)
        open_hours = (hour > 7) & (hour < 19)
        light = np.where(open_hours, 1.0, 0.55)
        warm = np.clip(self.air[slots] - 24, 0, None) * (0.3 + 0.7 * open_hours)
        cooling = self.cool[:, None] * warm
        load = self.base[:, None] * light + self.full[:, None] * (run * (0.86 + cooling * 0.5) + 0.2 * cooling)
        minute = day * DAY + np.arange(SLOTS) * 15
        for number, stop in self.stops.items():
            stopped = (minute >= stop.since) & (minute < stop.until)
            if stopped.any():
                load[number] = np.where(stopped, self._idle(number, stop.how, load[number], hour, day), load[number])
        return np.asarray(load * (1 + rng.normal(0, 0.025, load.shape)), dtype=np.float64)

    def _idle(self, number: int, how: str, load: Floats, hour: Floats, day: int) -> Floats:
        """What a stopped site still draws."""
        full = float(self.full[number])
        if how == "maintenance":  # welders and cranes by day
            return load + full * np.where((hour > 8) & (hour < 17), 0.22, 0.0)
        if how == "heating":  # tanks must not freeze or set
            return load + 0.12 * full
        if how == "cleaning":
            return load + full * np.where((hour > 9 + day % 4) & (hour < 11 + day % 4), 0.4, 0.0)
        if how == "emptying":
            return load + full * np.where((hour > 8) & (hour < 18), 0.06, 0.0)
        return load

    def day(self, day: int) -> pa.Table:
        """The rows of one day, as the power company hands them out."""
        rng = numbers(self.town.seed, "meters", str(day))
        ids, owners, sites, rows = [], [], [], []
        loads = self.loads(day)
        sun = np.clip(np.sin((np.arange(SLOTS) / 4 - 6) / 12 * np.pi), 0, None) * self.cloud[day]
        for meter in self.town.meters:
            site = self.town.sites[meter.site]
            if rng.random() < 0.004 or not self._reads(meter):
                continue
            load = np.zeros(SLOTS)
            for number in meter.feeds:
                load = load + loads[self._behind(number, day)]
            load = np.clip(load - meter.solar * sun, 0, None)
            ids.append(meter.id)
            owners.append(self.town.firms[site.firm].uscc)
            sites.append(site.id if meter.named else None)
            rows.append(np.round(load, 1))
        table = np.array(rows) if rows else np.zeros((0, SLOTS))
        missing = rng.random(table.shape) < 0.003
        today = self.town.span.day(day * DAY)
        columns = [
            pa.array(ids, pa.string()),
            pa.array(owners, pa.string()),
            pa.array(sites, pa.string()),
            pa.array([today] * len(ids), pa.date32()),
            *(pa.array(table[:, k], pa.float64(), mask=missing[:, k]) for k in range(SLOTS)),
        ]
        return pa.table(columns, names=["meter_id", "uscc", "site_id", "day", *(f"p{k:02d}" for k in range(SLOTS))])

    def _reads(self, meter: Meter) -> bool:
        return len(meter.feeds) > 0

    def _behind(self, site: int, day: int) -> int:
        """The site whose load a meter really shows: for some days two meters were mixed up."""
        other = self.swapped.get(site)
        return other[0] if other is not None and other[1] <= day < other[2] else site
