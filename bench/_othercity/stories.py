"""What goes wrong, and what only looks like it: which subject, when, how much. Truth is drawn later from what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench._othercity.common import DAY, HOUR, Random, chance, local
from bench._othercity.world import Firm, Site, World

CONFLICTS = {
    "work": {"work", "tank", "mass", "emission", "waste", "held"},
    "tank": {"work", "tank", "mass"},
    "mass": {"work", "tank", "mass"},
    "emission": {"work", "emission"},
    "waste": {"work", "waste"},
    "held": {"work", "held", "mass"},
}


@dataclass(slots=True)
class Story:
    """One thing that happens to one subject; ``case`` when the contract calls it a case."""

    kind: str
    variant: str
    case: bool
    subject: Any
    start: float
    end: float | None
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Decree:
    """An order of the emergency bureau."""

    firm: Firm
    site: Site | None
    kind: str
    scope: str
    issued: float
    start: float
    end: float | None
    lifted: float | None
    entered: float | None  # when lifted_at came into the books


@dataclass(slots=True)
class Visit:
    """An inspection by the emergency bureau."""

    site: Site
    at: float
    result: str
    findings: str


@dataclass(slots=True)
class Plot:
    """All of it."""

    stories: list[Story] = field(default_factory=list)
    decrees: list[Decree] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)

    def of(self, kind: str, *variants: str) -> list[Story]:
        """Stories of a kind, of some variants."""
        return [s for s in self.stories if s.kind == kind and (not variants or s.variant in variants)]


@dataclass(slots=True)
class Writer:
    """Writes the plot: picks subjects that nothing else happens to."""

    world: World
    random: Random
    plot: Plot = field(default_factory=Plot)

    @property
    def effect(self) -> float:
        """1 plain, 0 barely beyond the definition."""
        return self.world.order.level.effect

    def size(self, low: float, high: float) -> float:
        """A size between barely and plainly, as the level asks."""
        middle = low + (high - low) * self.effect
        return float(max(low, middle * self.random.lognormal(0.0, 0.12)))

    def moment(self, first: float, last: float) -> float:
        """A moment between two shares of the city's time."""
        order = self.world.order
        return order.start + float(self.random.uniform(first, last)) * order.days * DAY

    def pick(self, domain: str, fits: Callable[[Site], bool]) -> Site | None:
        """A site that fits and is free."""
        sites = [s for s in self.world.sites if not (s.stories & CONFLICTS[domain]) and fits(s)]
        if not sites:
            return None
        site = sites[int(self.random.integers(len(sites)))]
        site.stories.add(domain)
        return site

    def tell(
        self, kind: str, variant: str, case: bool, subject: Any, start: float, end: float | None, **about: Any
    ) -> Story:
        """Write one down."""
        story = Story(kind, variant, case, subject, start, end, about)
        self.plot.stories.append(story)
        return story

    def rounds(self, cases: Sequence[str], innocents: Sequence[str]) -> list[tuple[str, bool]]:
        """Variants in turn, as many as a city of this size and level has; cases first."""
        order = self.world.order
        some = order.counted(order.level.cases), order.counted(order.level.innocents)
        first = int(self.random.integers(len(cases)))
        found = [(cases[(first + i) % len(cases)], True) for i in range(some[0])]
        return found + [(innocents[i % len(innocents)], False) for i in range(some[1])]


def _works(site: Site) -> bool:
    return site.firm.kind in ("producer", "user")


def _evening(at: float) -> float:
    """Midnight before the moment, plus the hour at which bureaus date their orders."""
    moment = local(at)
    return at - (moment.hour * HOUR + moment.minute * 60 + moment.second)


def suspended(w: Writer) -> None:
    """Orders that stop a whole site, and what the site makes of it."""
    hard = w.effect < 0.3
    cases = ["night", "reduced", "carry_on", "resume"] if hard else ["carry_on", "resume", "reduced", "carry_on"]
    innocents = ["stopped", "workshop", "qualified", "cleaning", "rectify", "wind_down", "heating", "lifted", "expired_order",
                 "shared_meter"]  # fmt: skip
    for variant, case in w.rounds(cases, innocents):
        continuous = variant == "wind_down"

        def fits(s: Site, only: bool = continuous) -> bool:
            return _works(s) and (s.shift == "continuous" if only else s.shift != "round")

        site = w.pick("work", fits)
        if site is None:
            continue
        before = hard and case and w.random.random() < 0.4
        start = _evening(w.moment(0.2, 0.6)) + float(w.random.choice([0, 9, 12, 14.5])) * HOUR
        if before:
            start = w.world.order.start - float(w.random.integers(2, 6)) * DAY
        issued = start - float(w.random.uniform(5, 30)) * HOUR
        kind = "停产停业整顿" if w.random.random() < 0.7 else "暂扣许可证"
        scope = str(w.random.choice(["全厂停产整顿", "责令停产停业", "停止一切生产活动,经验收合格后方可恢复"]))
        end, lifted, entered = None, None, None
        far = w.world.order.end + 40 * DAY
        active_from: float = start
        if variant == "workshop":
            kind, scope = "停产停业整顿", str(w.random.choice(["二车间停产", "硝化工段停产整改", "仅限3号装置"]))
            site.stops.append((start, far, 0.7, 4.0))
        elif variant == "rectify":
            kind, scope, end = "限期整改", "限期整改,整改期间落实防范措施", start + 30 * DAY
        elif variant in ("qualified", "lifted", "expired_order"):
            over = start + float(w.random.uniform(4, 7)) * DAY
            lifted = over if variant != "expired_order" else None
            entered = {"qualified": over + 19 * DAY, "lifted": over + 5 * HOUR}.get(variant)
            end = over if variant == "expired_order" else None
            if variant == "qualified":
                w.plot.visits.append(Visit(site, over - 5 * HOUR, "合格", "复查合格,同意恢复生产"))
            site.stops.append((start, over + 4 * HOUR, 0.0, 6.0))
        elif case:
            if variant == "resume":
                active_from = start + float(w.random.uniform(3.2, 5.5)) * DAY
                site.stops.append((start, active_from, 0.0, 5.0))
            elif variant == "reduced":
                site.stops.append((start, far, w.size(0.45, 0.75), 6.0))
            elif variant == "night":
                site.night_only.append((start, far))
        else:
            site.stops.append((start, far, 0.0, 30.0 if continuous else 6.0))
            site.quiet.append((start, far))
            if variant == "heating":
                site.heating.append((start, far))
        named = None if len(site.firm.sites) == 1 and w.random.random() < 0.4 else site
        w.plot.decrees.append(Decree(site.firm, named, kind, scope, issued, start, end, lifted, entered))
        w.tell("suspended_producing", variant, case, site, active_from, None, order=start)


def expired(w: Writer) -> None:
    """Licences that end, with and without what follows."""
    innocents = ["renewed", "renewed_late", "stopped", "edited", "two", "renewed_late"]
    for number, (variant, case) in enumerate(w.rounds(["goes_on", "goes_on", "goes_on", "carrier"], innocents)):
        if variant == "carrier" or (variant == "stopped" and number % 2):
            _carrier(w, case)
            continue
        site = w.pick(
            "work", lambda s: s.firm.kind in ("user", "dealer", "producer") and all(not a.tanks for a in s.accounts)
        )
        if site is None:
            continue
        start = _evening(w.moment(0.15, 0.65))
        if case and w.effect < 0.3 and w.random.random() < 0.4:
            start = w.world.order.start - float(w.random.integers(3, 20)) * DAY
        if variant == "stopped":
            far = w.world.order.end + DAY
            site.stops.append((start, far, 0.0, 2.0))
            site.quiet.append((start, far))
        w.tell("expired_licence", variant, case, site, start, None, late=float(w.random.uniform(1.0, 4.4)))


def _carrier(w: Writer, case: bool) -> None:
    used = {s.subject.id for s in w.plot.of("expired_licence") if isinstance(s.subject, Firm)}
    carriers = [f for f in w.world.firms if f.kind == "carrier" and f.id not in used]
    if len(carriers) < 3:
        return
    firm = min(carriers, key=lambda f: sum(v.carrier is f for v in w.world.vehicles))
    start = _evening(w.moment(0.35, 0.6))
    w.tell("expired_licence", "carrier" if case else "carrier_stopped", case, firm, start, None, late=0.0)


def storage(w: Writer) -> None:
    """Tanks that hold more than is allowed."""
    for variant, case in w.rounds(["overfill", "licence_cut", "overfill"], ["near", "raised", "near", "spike"]):
        site = w.pick("tank", lambda s: any(a.tanks and a.room > 450 for a in s.accounts))
        if site is None:
            continue
        account = max(site.accounts, key=lambda a: a.room if a.tanks else 0.0)
        start = _evening(w.moment(0.2, 0.6) if w.effect > 0.3 else w.moment(-0.05, 0.85))
        end = start + float(w.random.integers(2, 6)) * DAY
        w.tell("over_storage", variant, case, site, start, end, account=account, over=w.size(0.035, 0.16))


def excursions(w: Writer) -> None:
    """Tanks near and beyond their alarms."""
    innocents = ["near_hot", "spikes", "wire", "bad_quality", "clock", "near_level", "stuck"]
    for variant, case in w.rounds(["level", "hot", "pressure"], innocents):
        need = {"pressure": "pressure_kpa"}.get(variant, "level_m")
        site = w.pick("tank", lambda s, n=need: any(n in t.metrics for a in s.accounts for t in a.tanks))  # type: ignore[misc]
        if site is None:
            continue
        tanks = [t for a in site.accounts for t in a.tanks if need in t.metrics]
        tank = max(tanks, key=lambda t: len(t.account.tanks))
        start = w.moment(0.1, 0.85)
        hours = float(w.random.uniform(2.0, 9.0)) if w.effect > 0.3 else float(w.random.uniform(0.7, 2.5))
        if not case:
            hours = float(w.random.uniform(1.0, 5.0))
        w.tell("tank_excursion", variant, case, site, start, start + hours * HOUR, tank=tank, reach=w.size(0.979, 1.05))


def balances(w: Writer) -> None:
    """Books that do not add up, and books that only seem not to."""
    cases = ["unbalanced", "bought_off_books", "sold_off_books", "paper_stock"]
    for variant, case in w.rounds(cases, ["honest", "in_transit", "corrected", "losses"]):

        def fits(s: Site, v: str = variant) -> bool:
            return any(
                not a.retail
                and a.chemical.family != "van"
                and {"bought_off_books": a.rate < 0, "sold_off_books": a.rate > 0, "paper_stock": bool(a.tanks)}.get(
                    v, a.rate != 0
                )
                for a in s.accounts
            )

        site = w.pick("mass", fits)
        if site is None:
            continue
        good = [a for a in site.accounts if not a.retail and a.chemical.family != "van"]
        want = {"bought_off_books": [a for a in good if a.rate < 0], "sold_off_books": [a for a in good if a.rate > 0],
                "paper_stock": [a for a in good if a.tanks]}.get(variant, [a for a in good if a.rate])  # fmt: skip
        w.tell(
            "mass_imbalance", variant, case, site, w.world.order.books, None, account=want[0], share=w.size(0.07, 0.22)
        )


def diversions(w: Writer) -> None:
    """Controlled chemicals bought and not explained; holders with several sites, so that no single site's book breaks."""
    holders = [
        f for f in w.world.firms if any(a.chemical.family == "van" and a.rate < 0 for s in f.sites for a in s.accounts)
    ]
    order = [holders[i] for i in w.random.permutation(len(holders))]
    order.sort(key=lambda f: -len(f.sites))
    for variant, case in w.rounds(["diverted"], ["honest", "loss", "transfer", "stocked", "late_report"]):
        firm = next((f for f in order if all(not (s.stories & CONFLICTS["held"]) for s in f.sites)), None)
        if firm is None:
            return
        for site in firm.sites:
            site.stories.add("held")
        w.tell("controlled_diversion", variant, case, firm, w.world.order.books, None, share=w.size(0.18, 0.5))


def emissions(w: Writer) -> None:
    """Probes that are cheated, limits that are broken, and instruments that only behave badly."""
    hard = w.effect < 0.3
    running = lambda s: bool(s.outlets) and s.shift in ("continuous", "campaign", "two")  # noqa: E731
    steady = lambda s: bool(s.outlets) and s.shift == "continuous"  # noqa: E731
    odd = ["frozen_short", "frozen_flagged", "frozen_stopped", "rain", "frozen_short", "half_load"]
    for variant, case in w.rounds(["frozen", "diluted", "frozen"], odd):
        site = w.pick("emission", steady) or w.pick("emission", running)
        if site is None:
            continue
        start = w.moment(0.12, 0.8)
        hours = {
            "frozen": w.size(9.0, 26.0),
            "diluted": w.size(10.0, 30.0),
            "frozen_short": float(w.random.uniform(2, 6.2)),
        }.get(variant, float(w.random.uniform(10, 20)))
        w.tell("emission_tampering", variant, case, site, start, start + hours * HOUR, outlet=site.outlets[0],
               factor=w.size(1.7, 3.2))  # fmt: skip
    calm = ["flagged", "short", "few_minutes", "near", "near", "start_up"]
    for variant, case in w.rounds(["over"], calm):
        site = w.pick("emission", running)
        if site is None:
            continue
        start = w.moment(0.1, 0.88)
        hours = float(w.random.integers(1, 3) if hard else w.random.integers(2, 9))
        w.tell("emission_exceedance", variant, case, site, start, start + hours * HOUR, outlet=site.outlets[0],
               reach=w.size(1.07, 1.6))  # fmt: skip


def wastes(w: Writer) -> None:
    """Waste that does not arrive as it left."""
    for variant, case in w.rounds(["never", "light", "unlicensed"], ["missing", "late", "within", "detour"]):
        site = w.pick("waste", lambda s: s.waste_t > 0)
        if site is not None:
            w.tell("waste_leak", variant, case, site, w.moment(0.08, 0.75), None, light=w.size(0.062, 0.2), done=False)


def write(world: World) -> Plot:
    """The whole plot of the city."""
    writer = Writer(world, chance(world.order.seed, "plot"))
    for chapter in (expired, suspended, balances, storage, excursions, diversions, emissions, wastes):
        chapter(writer)
    return writer.plot
