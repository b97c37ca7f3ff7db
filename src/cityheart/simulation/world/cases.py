"""What is planted, and what only looks like it: who does it, when, and what the departments will have on paper.

A case is planned here and carried out by the part of the world that it happens in; its row of the truth is written
from what physically happened there. Beside every kind stand innocents that do something alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from .chance import numbers
from .firms import LICENCES, Town
from .firms import licence_no as _licence_no
from .models import Case, Licence, Order, Site
from .times import DAY

__all__ = ["KINDS", "Plot", "Window", "scheme"]

KINDS = (
    "suspended_producing", "unlicensed_site", "no_waybill", "restricted_zone", "over_storage", "mass_imbalance",
    "expired_licence", "waste_leak", "emission_tampering", "emission_exceedance", "controlled_diversion",
    "tank_excursion",
)  # fmt: skip
_SCOPES = ("全厂停产停业", "停产停业整顿,未经复查同意不得恢复生产", "立即停止一切生产经营活动")
_INNOCENT_STOPS = ("maintenance", "heating", "cleaning", "emptying", "reinspected", "neighbour")
HOUR = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """Something that happens to a thing (a site, an outlet, a tank) from one minute to another."""

    thing: int
    since: float
    until: float
    how: str
    size: float = 0.0


@dataclass
class Plot:
    """All that was planned. ``cases`` grows while the world runs."""

    orders: list[Order] = field(default_factory=list)
    stops: list[Window] = field(default_factory=list)  # sites that stop (how: at once, winding, maintenance, …)
    inspections: list[tuple[int, float, str, str]] = field(default_factory=list)
    overfull: list[Window] = field(default_factory=list)  # holdings
    imbalances: list[Window] = field(default_factory=list)  # holdings, a whole month
    diversions: list[Window] = field(default_factory=list)  # holdings, a whole month
    probes: list[Window] = field(default_factory=list)  # outlets
    tanks: list[Window] = field(default_factory=list)
    leaks: dict[int, list[str]] = field(default_factory=dict)  # what becomes of the next loads of waste of a site
    yards: dict[int, tuple[int, int]] = field(default_factory=dict)  # vehicle → its quiet place, visits it will pay
    zones: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)  # vehicle → crossings it will cut through
    paperless: dict[int, list[str]] = field(default_factory=dict)  # vehicle → papers of its next trips in the city
    cases: list[Case] = field(default_factory=list)


def scheme(town: Town, firms: int) -> Plot:
    """The plan for a city: of every kind about one case for forty firms, at least one."""
    rng = numbers(town.seed, "cases")
    plot = Plot()
    count = max(1, min(round(firms / 40), 2 + round(firms / 100)))
    _Planner(town, plot, rng, count).all()
    return plot


class _Planner:
    def __init__(self, town: Town, plot: Plot, rng: np.random.Generator, count: int) -> None:
        self.town, self.plot, self.rng, self.count = town, plot, rng, count
        self.first, self.last = float(town.span.first), float(town.span.last)
        self.length = self.last - self.first
        self.metered = {meter.site: meter for meter in town.meters}
        self.outlets: dict[int, list[int]] = {}
        for number, outlet in enumerate(town.outlets):
            self.outlets.setdefault(outlet.site, []).append(number)

    def all(self) -> None:
        """Everything, the kinds with the fewest candidates first."""
        self._emissions()
        self._tanks()
        self._suspended()
        self._months()
        self._licences()
        self._waste()
        self._vehicles()

    def moment(self, low: float, high: float) -> float:
        """A minute between two parts of the city's time."""
        return self.first + float(self.rng.uniform(low, high)) * self.length

    def take(self, role: str, count: int, fits: Callable[[Site], bool]) -> list[Site]:
        """So many sites without a role, which now play this one."""
        able = [site for site in self.town.sites if not site.role and not site.beyond and fits(site)]
        able = [able[k] for k in self.rng.permutation(len(able))]
        chosen = sorted(able, key=lambda site: site.monitored and not role.endswith(("storage", "excursion")))[:count]
        for site in chosen:
            site.role = role
        return chosen

    def tanks_of(self, site: Site) -> list[int]:
        """The monitored tanks of a site."""
        return [tank for number in site.holdings for tank in self.town.holdings[number].tanks]

    # ── tanks ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _tanks(self) -> None:
        plot, rng = self.plot, self.rng
        for site in self.take("over_storage", self.count, lambda s: bool(self._fillable(s))):
            holding = int(rng.choice(self._fillable(site)))
            since = self.moment(0.02, 0.2)
            plot.overfull.append(Window(holding, since, self.last, "case", float(rng.uniform(1.18, 1.24))))
        for n, site in enumerate(self.take("tank_excursion", self.count, lambda s: bool(self.tanks_of(s)))):
            since = self.moment(0.15, 0.85)
            tank = int(rng.choice(self.tanks_of(site)))
            paired = [t for t in self.tanks_of(site) if len(self.town.holdings[self.town.tanks[t].holding].tanks) > 1]
            how = ("temperature", "pressure")[n % 2]
            if paired:  # filled to the brim from the tank beside it
                tank, how = paired[0], "level"
            plot.tanks.append(Window(tank, since, since + float(rng.uniform(1.2, 5)) * HOUR, how))
        others = [s for s in self.town.sites if s.role != "over_storage" and self._fillable(s)]
        for site in (others[k] for k in rng.permutation(len(others))[: self.count]):
            holding = int(rng.choice(self._fillable(site)))
            plot.overfull.append(Window(holding, self.first, self.last, "innocent", 0.965))
        everything = np.arange(len(self.town.tanks))
        taken = {window.thing for window in plot.tanks}
        innocents = ("wire", "spike", "noise", "clock", "frozen", "near", "wire0")
        for n, tank in enumerate(rng.permutation(everything)[: max(4, len(everything) // 2)]):
            if int(tank) in taken:
                continue
            since = self.moment(0.05, 0.9)
            span = float(rng.uniform(0.4, 9)) * HOUR
            plot.tanks.append(Window(int(tank), since, since + span, innocents[n % len(innocents)]))

    def _fillable(self, site: Site) -> list[int]:
        """Holdings that are filled by truck and whose tanks are all monitored."""
        return [n for n in site.holdings if (h := self.town.holdings[n]).tanks and h.uses > 0]

    # ── probes ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _emissions(self) -> None:
        plot, rng = self.plot, self.rng
        steady = ("continuous",)

        def able(site: Site) -> bool:
            return site.number in self.outlets and site.shift in steady

        for n, site in enumerate(self.take("emission_tampering", self.count, able)):
            since = self.moment(0.1, 0.75)
            how = "frozen" if n % 2 == 0 else "diluted"
            until = min(since + float(rng.uniform(9, 40)) * HOUR, self.last - 60)
            plot.probes.append(Window(self.outlets[site.number][0], since, until, how))
        for site in self.take("emission_exceedance", self.count, able):
            since = float(np.floor(self.moment(0.1, 0.85) / 60) * 60)
            until = since + int(rng.integers(2, 7)) * HOUR
            plot.probes.append(
                Window(self.outlets[site.number][0], since, until, "over", float(rng.uniform(1.25, 2.0)))
            )
        taken = {window.thing for window in plot.probes}
        innocents = ("short", "flagged", "peak", "maintained", "calibration", "broken_hour", "dip")
        for n, outlet in enumerate(rng.permutation(len(self.town.outlets))):
            if int(outlet) in taken:
                continue
            for k in range(2):
                how = innocents[(2 * n + k) % len(innocents)]
                hours = {"short": (2, 6), "flagged": (9, 30), "maintained": (2, 7), "dip": (3, 6)}.get(how, (0.3, 0.6))
                since = self.moment(0.05 + 0.47 * k, 0.42 + 0.47 * k)
                plot.probes.append(Window(int(outlet), since, since + float(rng.uniform(*hours)) * HOUR, how))

    # ── orders ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _order(self, site: Site, kind: str, scope: str, since: float, whole: bool = True) -> Order:
        firm, rng = self.town.firms[site.firm], self.rng
        span = self.town.span
        only_firm = len(firm.sites) == 1 and bool(rng.random() < 0.3) and whole
        until = since + 60 * DAY if rng.random() < 0.3 else None
        order = Order(
            f"YJZF{span.day(since).year}-{self.town.fresh(rng, 'O', 1000, 99_999)[1:]}",
            site.firm,
            -1 if only_firm else site.number,
            kind,
            scope,
            since - float(rng.uniform(6, 40)) * HOUR,
            since,
            until,
            None,
        )
        self.plot.orders.append(order)
        return order

    def _suspended(self) -> None:
        plot, rng = self.plot, self.rng

        def able(site: Site) -> bool:
            return site.kind in ("producer", "user") and not site.monitored and len(site.holdings) > 0

        for n, site in enumerate(self.take("suspended_producing", self.count, able)):
            since = float(np.floor(self.moment(0.08, 0.6) / 60) * 60)
            kind = "停产停业整顿" if n % 3 else "暂扣许可证"
            self._order(site, kind, str(rng.choice(_SCOPES)), since)
            until = None if n % 2 == 0 else min(since + float(rng.uniform(4, 9)) * DAY, self.last)
            if until is not None and until < self.last - DAY:
                plot.stops.append(Window(site.number, until, self.last, "at once"))
            else:
                until = None
            plot.cases.append(
                Case("suspended_producing", site.id, since, until, f"{site.shift} plant goes on under {kind}")
            )
        for n, site in enumerate(self.take("obeys", max(self.count, min(6, 2 * self.count)), able)):
            self._obeys(site, _INNOCENT_STOPS[n % len(_INNOCENT_STOPS)], n)
        for n, site in enumerate(self.take("ordered", self.count + 1, able)):
            since = self.moment(0.1, 0.6)
            if n % 2:
                self._order(site, "停产停业整顿", "合成工段停产", since, whole=False)
                plot.stops.append(Window(site.number, since, self.last, "workshop", 0.7))
            else:
                self._order(site, "限期整改", "限期整改,整改期间采取安全措施", since, whole=False)
        for site in rng.permutation(np.array([s.number for s in self.town.sites if s.kind in ("user", "station")])):
            if len(plot.orders) >= 4 * self.count + 6:
                break
            since = -float(rng.uniform(100, 400)) * DAY  # long over
            order = self._order(self.town.sites[int(site)], "停产停业整顿", _SCOPES[0], since)
            order.until, order.lifted, order.entered_lift = since + 30 * DAY, since + 28 * DAY, since + 50 * DAY

    def _obeys(self, site: Site, how: str, n: int) -> None:
        """A site that stops as ordered and still shows some life."""
        plot, rng = self.plot, self.rng
        since = self.moment(0.08, 0.45)
        kind = ("停产停业整顿", "暂扣许可证", "吊销")[n % 3] if how != "reinspected" else "停产停业整顿"
        order = self._order(site, kind, str(rng.choice(_SCOPES)), since)
        until = self.last
        if how == "reinspected":
            until = min(since + float(rng.uniform(3, 6)) * DAY, self.last - DAY)
            plot.inspections.append((site.number, until - 4 * HOUR, "复查合格,同意恢复生产", "合格"))
            order.lifted = until
            order.entered_lift = until + float(rng.uniform(14, 30)) * DAY
        elif how == "maintenance":
            plot.inspections.append((site.number, since + 2 * DAY, "停产期间设备检修,已报备检修方案", "合格"))
        elif how == "emptying":
            plot.inspections.append((site.number, since + DAY, "现场监督清空储罐,物料转移至有资质单位", "合格"))
        elif how == "neighbour":
            meter = self.metered[site.number]
            others = [m for m in self.town.meters if m.site != site.number and not self.town.sites[m.site].role]
            near = min(others, key=lambda m: self._apart(site, self.town.sites[m.site]))
            meter.feeds = (site.number, near.site)
            near.feeds = ()
            self.town.sites[near.site].role = "neighbour"
        plot.stops.append(Window(site.number, since, until, how))

    def _apart(self, one: Site, other: Site) -> float:
        return float((one.lon - other.lon) ** 2 + (one.lat - other.lat) ** 2)

    # ── books ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _months(self) -> None:
        """Monthly kinds need a month that ends while the city is still told, with a week for the returns."""
        plot, rng = self.plot, self.rng
        whole = [month for month in self.town.span.months() if month[1] + 7 * DAY <= self.last]
        if not whole:
            return

        def trades(site: Site) -> bool:
            return site.kind in ("producer", "user", "storage") and not site.monitored and self._bulk(site) >= 0

        def holds(site: Site) -> bool:
            return site.kind == "user" and self._controlled(site) >= 0

        for site in self.take("controlled_diversion", self.count, holds):
            since, until = whole[int(rng.integers(len(whole)))]
            part = float(rng.uniform(0.35, 0.6))
            plot.diversions.append(Window(self._controlled(site), since, until, "case", part))
            firm = self.town.firms[site.firm]
            cas = self.town.chemicals[self.town.holdings[self._controlled(site)].chemical].cas
            self.town.holdings[self._controlled(site)].uses *= 1.6
            plot.cases.append(
                Case(
                    "controlled_diversion", firm.uscc, since, until, f"{cas}: {part:.0%} of what was used is unreported"
                )
            )
        for n, site in enumerate(self.take("mass_imbalance", self.count, trades)):
            since, until = whole[int(rng.integers(len(whole)))]
            how = ("closing", "purchases")[n % 2] if self.town.holdings[self._bulk(site)].makes == 0 else "closing"
            plot.imbalances.append(Window(self._bulk(site), since, until, how, float(rng.uniform(0.16, 0.3))))
            cas = self.town.chemicals[self.town.holdings[self._bulk(site)].chemical].cas
            plot.cases.append(Case("mass_imbalance", site.id, since, until, f"{cas}: {how} do not add up"))

    def _bulk(self, site: Site) -> int:
        chemicals = self.town.chemicals
        able = [n for n in site.holdings if not chemicals[self.town.holdings[n].chemical].controlled]
        return able[-1] if able else -1

    def _controlled(self, site: Site) -> int:
        chemicals = self.town.chemicals
        able = [n for n in site.holdings if chemicals[self.town.holdings[n].chemical].controlled]
        return able[-1] if able else -1

    # ── licences ───────────────────────────────────────────────────────────────────────────────────────────────

    def _licences(self) -> None:
        plot, rng, span = self.plot, self.rng, self.town.span
        newest: dict[tuple[int, int], Licence] = {}
        for licence in self.town.licences:
            key = (licence.firm, licence.site)
            if key not in newest or licence.until > newest[key].until:
                newest[key] = licence

        def works(site: Site) -> bool:
            return site.kind in ("producer", "storage", "user", "station") and len(site.holdings) > 0

        def ends(licence: Licence) -> float:
            day = span.start + timedelta(days=int(rng.integers(-12, max(2, int(span.days * 0.6)))))
            licence.until = day
            licence.since = day - timedelta(days=3 * 365 - 1)
            for other in self.town.licences:
                if other is not licence and (other.firm, other.site) == (licence.firm, licence.site):
                    other.until = min(other.until, licence.since - timedelta(days=1))
                    other.since = min(other.since, other.until - timedelta(days=3 * 365 - 1))
            return float(span.minute(day + timedelta(days=1)))

        for site in self.take("expired_licence", self.count, works):
            since = ends(newest[site.firm, site.number])
            plot.cases.append(Case("expired_licence", site.id, since, None, f"{LICENCES[self._kind(site)]} ended"))
        carriers = [n for n, firm in enumerate(self.town.firms) if firm.kind == "carrier"]
        fleet = np.bincount([v.carrier for v in self.town.vehicles], minlength=len(self.town.firms))
        carriers = [n for n in carriers if fleet[n] > 0]
        picked = [carriers[k] for k in rng.permutation(len(carriers))[: max(1, self.count // 3) + 1]]
        for n, number in enumerate(picked):
            since = ends(newest[number, -1])
            if n == 0 and len(picked) > 1:
                self._renewed(newest[number, -1], since)
            else:
                uscc = self.town.firms[number].uscc
                plot.cases.append(Case("expired_licence", uscc, since, None, "危险货物道路运输经营许可证 ended"))
        for site in self.take("renewed", self.count, works):
            self._renewed(newest[site.firm, site.number], ends(newest[site.firm, site.number]))
        for site in self.take("closed", self.count, lambda s: s.kind in ("producer", "user") and works(s)):
            plot.stops.append(
                Window(site.number, ends(newest[site.firm, site.number]) - 12 * HOUR, self.last, "closed")
            )

    def _kind(self, site: Site) -> str:
        return self.town.firms[site.firm].kind

    def _renewed(self, old: Licence, since: float) -> None:
        """A renewal that the registry enters up to five days late."""
        begin = old.until + timedelta(days=1)
        kind = self.town.firms[old.firm].kind
        self.town.licences.append(
            Licence(
                _licence_no(self.rng, kind, begin.year), old.firm, old.site, old.kind, begin,
                begin + timedelta(days=3 * 365 - 1), "有效", since + float(self.rng.uniform(0.2, 4.8)) * DAY,
                old.holdings,
            )
        )  # fmt: skip

    # ── waste and vehicles ─────────────────────────────────────────────────────────────────────────────────────

    def _waste(self) -> None:
        def wastes(site: Site) -> bool:
            return site.waste > 0

        ends = ("vanishes", "lighter", "unlicensed")
        for n, site in enumerate(self.take("waste_leak", self.count, wastes)):
            self.plot.leaks[site.number] = [ends[(n + k) % 3] for k in range(1 + int(self.rng.random() < 0.4))]
            site.waste = max(site.waste, 1.6)

    def _vehicles(self) -> None:
        plot, rng, town = self.plot, self.rng, self.town
        tankers = [v for v in town.vehicles if v.kind in ("liquid", "fuel", "corrosive", "pressure")]
        order: Iterable[int] = rng.permutation(len(tankers))
        free = [tankers[k] for k in order]
        zones = town.roads.zones
        always = [zone.node for zone in zones if zone.closed == "always"]
        night = [zone.node for zone in zones if zone.closed == "22:00-06:00"]
        plenty = [v for kind in ("fuel", "corrosive", "liquid") for v in free if v.kind == kind]  # the last go far most
        for place in town.halts["yard"][: self.count]:
            for vehicle in (plenty.pop() for _ in range(min(2, len(plenty)))):
                free.remove(vehicle)
                vehicle.role = "yard"
                plot.yards[vehicle.number] = (place, int(rng.integers(2, 5)))
        for n in range(self.count):
            if len(free) < 4:
                return
            vehicle = free.pop()
            vehicle.role = "restricted"
            after_dark = n % 3 == 2 and bool(night)
            node = int(rng.choice(night if after_dark else always))
            plot.zones[vehicle.number] = [(node, after_dark)] * int(rng.integers(1, 3))
            vehicle = free.pop()
            vehicle.role = "paperless"
            plot.paperless[vehicle.number] = [str(rng.choice(["none", "none", "cancelled"]))] * int(rng.integers(1, 3))
            vehicle = free.pop()
            vehicle.role = "late_papers"
