"""Who is there: firms with their sites, tanks, licences, outlets, meters and vehicles."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np

from cityheart.sdk import Invalid

from .chance import numbers
from .models import Chemical, Firm, Holding, Licence, Meter, Outlet, Site, Tank, Vehicle
from .places import LAT_METRES, LON_METRES, Area, Areas, Place, Plot, Roads
from .times import Span

__all__ = [
    "GAS",
    "LICENCES",
    "VAPOUR",
    "VEHICLES",
    "WATER",
    "Town",
    "licence_no",
    "people",
    "settle",
    "uscc",
    "wording",
]

_HERE = Path(__file__).parent
_SHARES = (
    ("producer", 0.14),
    ("storage", 0.06),
    ("dealer", 0.20),
    ("user", 0.48),
    ("carrier", 0.08),
    ("disposal", 0.04),
)
_LEAST = {"producer": 3, "storage": 2, "dealer": 3, "user": 4, "carrier": 2, "disposal": 2}
LICENCES = {
    "producer": "安全生产许可证",
    "storage": "危险化学品经营许可证",
    "dealer": "危险化学品经营许可证",
    "user": "危险化学品安全使用许可证",
    "carrier": "危险货物道路运输经营许可证",
    "disposal": "危险废物经营许可证",
}
_NUMBERS = {
    "producer": "(苏)WH安许证字[{year}]{no}号",
    "storage": "苏(F)危化经字[{year}]{no}号",
    "dealer": "苏(F)危化经字[{year}]{no}号",
    "user": "苏危化使字[{year}]{no}号",
    "carrier": "苏交运管许可通字[{year}]{no}号",
    "disposal": "苏环危废[{year}]{no}号",
}
_FLEET = (("waste", 0.12), ("boxed", 0.08), ("pressure", 0.10), ("corrosive", 0.16), ("fuel", 0.24), ("liquid", 0.30))
VEHICLES = {
    "liquid": "液体罐车", "fuel": "油罐车", "corrosive": "腐蚀品罐车", "waste": "危废厢式车", "pressure": "压力罐车",
    "boxed": "厢式车",
}  # fmt: skip
GAS = (("a00000", "a21026", "a21002", "a34013", "a19001", "a01012"), (0.0, 200.0, 240.0, 50.0, 0.0, 0.0))
VAPOUR = (("a00000", "a24088", "a01012"), (0.0, 120.0, 0.0))
WATER = (("w00000", "w01001", "w01018", "w21003"), (0.0, 0.0, 500.0, 45.0))
_CODE = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PLATE = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@cache
def wording() -> dict[str, Any]:
    """The syllables of names."""
    return tomllib.loads((_HERE / "wording.toml").read_text("utf-8"))


@cache
def substances() -> tuple[tuple[Chemical, ...], tuple[tuple[str, str], ...]]:
    """The chemicals, bulk before controlled, and the kinds of waste (name, code)."""
    told = tomllib.loads((_HERE / "chemicals.toml").read_text("utf-8"))
    return (
        tuple(
            Chemical(one["name"], one["cas"], one["un"], one["density"], one.get("carried", "boxed"), group != "bulk")
            for group in ("bulk", "controlled")
            for one in told[group]
        ),
        tuple((one["name"], one["code"]) for one in told["waste"]),
    )


def uscc(rng: np.random.Generator, county: str) -> str:
    """A unified social credit code with both checksums (GB 32100-2015, GB 11714-1997)."""
    body = "MA" + "".join(_CODE[k] for k in rng.integers(0, len(_CODE), 6))
    total = sum(_ORGANISATION.index(c) * w for c, w in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    check = 11 - total % 11
    code = f"91{county}{body}{'X' if check == 10 else 0 if check == 11 else check}"
    rest = 31 - sum(_CODE.index(c) * pow(3, n, 31) for n, c in enumerate(code)) % 31
    return code + _CODE[rest % 31]


def people(rng: np.random.Generator) -> str:
    """The made-up name of a person."""
    told = wording()
    return str(told["surnames"][int(rng.integers(len(told["surnames"])))] + rng.choice(told["given"]))


@dataclass
class Town:
    """Everybody and everything of the simulated city."""

    seed: int
    span: Span
    areas: Areas
    roads: Roads
    chemicals: tuple[Chemical, ...]
    wastes: tuple[tuple[str, str], ...]
    firms: list[Firm] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    holdings: list[Holding] = field(default_factory=list)
    tanks: list[Tank] = field(default_factory=list)
    licences: list[Licence] = field(default_factory=list)
    outlets: list[Outlet] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    vehicles: list[Vehicle] = field(default_factory=list)
    halts: dict[str, list[int]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def fresh(self, rng: np.random.Generator, letter: str, low: int, high: int) -> str:
        """An id that nothing else has."""
        while True:
            found = f"{letter}{int(rng.integers(low, high))}"
            if found not in self.used:
                self.used.add(found)
                return found


def settle(seed: int, span: Span, areas: Areas, roads: Roads, firms: int, vehicles: int) -> Town:
    """The city of a seed: so many firms, so many vehicles."""
    chemicals, wastes = substances()
    town = Town(seed, span, areas, roads, chemicals, wastes)
    rng = numbers(seed, "firms")
    land = _Land(roads.plots(rng, areas, span.start), roads)
    kinds = _kinds(rng, firms)
    for kind in kinds:
        _firm(town, rng, kind, land)
    _beyond(town, rng)
    _halts(town, land)
    _watched(town, numbers(seed, "tanks"), firms)
    _licensed(town, numbers(seed, "licences"))
    _outlets(town, numbers(seed, "outlets"), firms)
    _metered(town, numbers(seed, "meters"))
    _fleet(town, numbers(seed, "vehicles"), vehicles)
    return town


def _kinds(rng: np.random.Generator, firms: int) -> list[str]:
    counts = {kind: max(_LEAST[kind], round(share * firms)) for kind, share in _SHARES}
    counts["user"] = max(_LEAST["user"], counts["user"] + firms - sum(counts.values()))
    kinds = [kind for kind, _ in _SHARES for _ in range(counts[kind])]
    return [kinds[k] for k in rng.permutation(len(kinds))]


class _Land:
    """What land is left: nothing stands nearer than 420 m to anything else."""

    def __init__(self, plots: list[Plot], roads: Roads) -> None:
        self._plots, self._roads = plots, roads
        self._cells: dict[tuple[int, int], list[Place]] = {}
        self.areas: dict[int, Area] = {}

    def take(self, remote: bool = False) -> int:
        """The number of the next place, near the parks or as remote as can be."""
        while self._plots:
            plot = self._plots.pop(-1 if remote else 0)
            place = plot.place
            cell = (int(place.lon / 0.0045), int(place.lat / 0.0039))
            around = [
                other
                for dx in (-1, 0, 1)
                for dy in (-1, 0, 1)
                for other in self._cells.get((cell[0] + dx, cell[1] + dy), ())
            ]
            if all(hypot((o.lon - place.lon) * LON_METRES, (o.lat - place.lat) * LAT_METRES) > 420 for o in around):
                self._cells.setdefault(cell, []).append(place)
                number = self._roads.keep(place)
                self.areas[number] = plot.area
                return number
        raise Invalid(
            "the roads of the simulated city have no land left for so many firms",
            remedy="ask for fewer firms (about 3,000 fit)",
        )


def _firm(town: Town, rng: np.random.Generator, kind: str, land: _Land) -> None:
    told, number = wording(), len(town.firms)
    station = kind == "dealer" and bool(rng.random() < 0.62)
    place = land.take()
    area = land.areas[place]
    trade = str(rng.choice(told["trades"]["station" if station else kind]))
    firm = Firm(
        id=town.fresh(rng, "F", 100_000, 999_999),
        uscc=uscc(rng, area.code),
        name=_name(town, rng, area.name, trade),
        kind=kind,
        person=people(rng),
        phone=f"1{rng.choice([35, 36, 38, 39, 58, 86])}{int(rng.integers(10**7, 10**8)):08d}",
        address=_address(rng, area.name),
        founded=date(int(rng.integers(1995, 2017)), int(rng.integers(1, 13)), int(rng.integers(1, 29))),
        station=station,
        depot=place if kind == "carrier" else -1,
    )
    town.firms.append(firm)
    if kind == "carrier":
        return
    most = 4 if station else 2
    count = 1 + int(rng.random() < (0.45 if station else 0.15)) * int(rng.integers(1, most))
    for k in range(count):
        where = place if k == 0 else land.take()
        _site(town, rng, number, where, k, land.areas[where])


def _short(area: str) -> str:
    return (
        next((area[: -len(end)] for end in ("示范区", "产业园区", "经济技术开发区") if area.endswith(end)), area[:-1])
        or area
    )


def _name(town: Town, rng: np.random.Generator, area: str, trade: str) -> str:
    stems = wording()["stems"]
    while True:
        stem = "".join(str(stems[k]) for k in rng.choice(len(stems), 2, replace=False))
        front = "南通" if rng.random() < 0.6 else _short(area)
        name = f"{front}{stem}{trade}{'股份' if rng.random() < 0.06 else ''}有限公司"
        if name not in town.used:
            town.used.add(name)
            return name


def _address(rng: np.random.Generator, area: str) -> str:
    part = rng.choice(["化工园区", "工业园", "经济区", "街道", "镇"])
    return f"{area}{part}{rng.choice(wording()['roads'])}路{int(rng.integers(1, 400))}号"


def _site(town: Town, rng: np.random.Generator, firm: int, place: int, rank: int, area: Area) -> None:
    owner, at = town.firms[firm], town.roads.places[place]
    ends = {"producer": "厂区", "user": "厂区", "storage": "库区", "dealer": "仓库", "disposal": "处置中心"}
    words = "一二三四五六"
    if owner.station:
        name = owner.name.removesuffix("有限公司") + ("" if rank == 0 else f"第{words[rank]}") + "加油站"
    else:
        name = owner.name if rank == 0 else f"{owner.name}{words[rank]}{ends[owner.kind]}"
    shift = {
        "producer": rng.choice(["continuous", "continuous", "batch", "two"]),
        "user": rng.choice(["day", "day", "two", "batch"]),
        "disposal": "continuous",
    }.get(owner.kind, "day")
    site = Site(
        number=len(town.sites),
        id=town.fresh(rng, "S", 100_000, 999_999),
        firm=firm,
        kind="station" if owner.station else owner.kind,
        name=name,
        address=owner.address if rank == 0 else _address(rng, area.name),
        place=place,
        lon=at.lon,
        lat=at.lat,
        district=area.code,
        residents=int(rng.exponential(160) * (rng.random() < 0.7)),
        boundary=bool(rng.random() < 0.7),
        shift=str(shift),
        waste=float(rng.uniform(0.25, 1.3)) if owner.kind in ("producer", "user") and rng.random() < 0.75 else 0.0,
        waste_kind=int(rng.integers(len(town.wastes))),
    )
    owner.sites.append(site.number)
    town.sites.append(site)
    for chemical, makes, uses, retail, turn in _goods(town, rng, site):
        _holding(town, rng, site, chemical, makes, uses, retail, turn)


def _goods(town: Town, rng: np.random.Generator, site: Site) -> list[tuple[int, float, float, float, float]]:
    """What a site deals in: chemical, made, used and retailed a day, and what it turns over."""
    bulk = [n for n, one in enumerate(town.chemicals) if not one.controlled and one.carried != "fuel"]
    controlled = [n for n, one in enumerate(town.chemicals) if one.controlled]
    fuels = [n for n, one in enumerate(town.chemicals) if one.carried == "fuel"]
    picked = [int(n) for n in rng.permutation(bulk)]
    if site.kind == "producer":
        made, raw = int(rng.integers(1, 3)), int(rng.integers(1, 3))
        return [(n, float(rng.uniform(14, 40)), 0.0, 0.0, 0.0) for n in picked[:made]] + [
            (n, 0.0, float(rng.uniform(10, 26)), 0.0, 0.0) for n in picked[made : made + raw]
        ]
    if site.kind == "storage":
        return [(n, 0.0, 0.0, 0.0, float(rng.uniform(40, 90))) for n in [*fuels, *picked[: int(rng.integers(2, 4))]]]
    if site.kind == "station":
        return [(n, 0.0, 0.0, float(rng.uniform(4, 11)), 0.0) for n in fuels]
    if site.kind == "dealer":
        some = [int(n) for n in rng.permutation(controlled)[: int(rng.integers(1, 3))]]
        return [(n, 0.0, 0.0, 0.0, float(rng.uniform(0.5, 1.2))) for n in some]
    if site.kind == "user":
        goods = [(n, 0.0, float(rng.uniform(3, 11)), 0.0, 0.0) for n in picked[: int(rng.integers(1, 3))]]
        if rng.random() < 0.4:
            goods.append((int(rng.choice(controlled)), 0.0, float(rng.uniform(0.03, 0.22)), 0.0, 0.0))
        return goods
    return []


def _holding(
    town: Town,
    rng: np.random.Generator,
    site: Site,
    chemical: int,
    makes: float,
    uses: float,
    retail: float,
    turn: float,
) -> None:
    daily = max(makes, uses, retail, turn)
    if town.chemicals[chemical].controlled:
        allowed = max(3.0, round(daily * rng.uniform(16, 26), 1))
    else:
        allowed = max(140.0, 10 * round(daily * rng.uniform(11, 16) / 10))
    holding = Holding(
        number=len(town.holdings),
        site=site.number,
        chemical=chemical,
        allowed=float(allowed),
        capacity=float(allowed) / rng.uniform(0.62, 0.68),
        makes=makes,
        uses=uses,
        retail=retail,
        opening=float(allowed) * rng.uniform(0.45, 0.75),
        ceiling=0.9 * float(allowed),
    )
    site.holdings.append(holding.number)
    town.holdings.append(holding)


def _beyond(town: Town, rng: np.random.Generator) -> None:
    """Firms in the towns beyond: suppliers and customers that no system of the city registers."""
    for node, (name, code) in sorted(town.roads.towns.items()):
        for _ in range(3):
            place = town.roads.town_place(node, rng)
            where = town.roads.keep(place)
            title = _name(town, rng, f"{name}市", str(rng.choice(["石化", "化工", "化学"])))
            title = title if title.startswith(name) else name + title.removeprefix("南通")
            town.firms.append(
                Firm("", uscc(rng, code), title, "beyond", people(rng), "", f"{name}市", date(2005, 1, 1), False)
            )
            site = Site(
                len(town.sites), "", len(town.firms) - 1, "beyond", title, f"{name}市", where,
                place.lon, place.lat, code, 0, False, "day", 0.0, 0, beyond=True,
            )  # fmt: skip
            town.firms[-1].sites.append(site.number)
            town.sites.append(site)


def _halts(town: Town, land: _Land) -> None:
    """Lay-bys, washing stations, repair shops, a customer's ground, and the ground that only some know."""
    several = max(2, min(30, len(town.firms) // 30))
    for kind, count in (
        ("lay-by", 10),
        ("wash", 4),
        ("repair", 4),
        ("customer", 6),
        ("yard", several),
        ("dump", several),
    ):
        town.halts[kind] = [land.take(remote=kind != "lay-by") for _ in range(count)]


def _watched(town: Town, rng: np.random.Generator, firms: int) -> None:
    """Tanks of the sites whose major hazards are monitored: of storages and producers, about one for four firms."""
    wanted = max(8, round(firms / 3.5))
    able = [site for site in town.sites if site.kind in ("storage", "producer")]
    for k in rng.permutation(len(able)):
        site = able[k]
        if len(town.tanks) >= wanted:
            return
        site.monitored = True
        for number in site.holdings:
            holding = town.holdings[number]
            fuel = town.chemicals[holding.chemical].carried == "fuel"
            if site.kind == "storage" and fuel:
                continue
            count = 1 if rng.random() < 0.75 else 2
            parts = rng.dirichlet(np.full(count, 12.0))
            for part in parts:
                height = round(float(rng.uniform(7.5, 15)), 1)
                holding.tanks.append(len(town.tanks))
                town.tanks.append(
                    Tank(
                        town.fresh(rng, "T", 1000, 99_999),
                        number,
                        round(holding.capacity * float(part), 1),
                        height,
                        round(height * float(rng.uniform(0.92, 0.95)), 2),
                        float(rng.choice([50, 55, 60])),
                        float(rng.choice([40, 60, 120])),
                    )
                )
            holding.capacity = sum(town.tanks[tank].capacity for tank in holding.tanks)


def _licensed(town: Town, rng: np.random.Generator) -> None:
    """A licence for every activity, some with an expired predecessor that nobody has edited."""
    base = town.span.base
    for number, firm in enumerate(town.firms):
        if firm.kind == "beyond":
            continue
        for site in firm.sites or [-1]:
            until = town.span.day(town.span.last) + timedelta(days=int(rng.integers(60, 900)))
            since = until - timedelta(days=3 * 365 - 1)
            holdings = tuple(town.sites[site].holdings) if site >= 0 else ()
            entered = (since - base).days * 1440 - float(rng.uniform(600, 9000))
            town.licences.append(
                Licence(licence_no(rng, firm.kind, since.year), number, site, LICENCES[firm.kind], since, until, "有效",
                        min(entered, -2000.0), holdings)
            )  # fmt: skip
            if rng.random() < 0.25:  # the one before
                before = since - timedelta(days=1)
                begun = before - timedelta(days=3 * 365 - 1)
                town.licences.append(
                    Licence(licence_no(rng, firm.kind, begun.year), number, site, LICENCES[firm.kind], begun, before,
                            "有效" if rng.random() < 0.4 else "注销", (begun - base).days * 1440 - 4000.0,
                            holdings, 0.8)
                )  # fmt: skip


def licence_no(rng: np.random.Generator, kind: str, year: int) -> str:
    """A made-up licence number of the kind that firms of ``kind`` hold."""
    return _NUMBERS[kind].format(year=year, no=f"{int(rng.integers(10**5, 10**6)):06d}")


def _outlets(town: Town, rng: np.random.Generator, firms: int) -> None:
    """One outlet for five firms, at producers, disposal plants and large users; a site has at most two."""
    able = [site for site in town.sites if site.kind in ("producer", "disposal")]
    able += [site for site in town.sites if site.kind == "user" and site.shift != "day"]
    wanted = max(6, round(firms / 5))
    shuffled = [able[k] for k in rng.permutation(len(able))]
    for site in sorted(shuffled, key=lambda site: site.shift != "continuous"):
        for _ in range(1 + int(rng.random() < 0.2)):
            if len(town.outlets) >= wanted:
                return
            factors, limits = (GAS, GAS, WATER, WATER, VAPOUR)[int(rng.integers(5))]
            mn = "320600" + hashlib.sha256(f"{town.seed}/{len(town.outlets)}".encode()).hexdigest()[:18].upper()
            kind = "废水" if factors[0][0] == "w" else "废气"
            design = round(float(rng.uniform(4, 18)), 1)
            town.outlets.append(
                Outlet(mn, site.number, kind, factors, limits, design, f"{int(rng.integers(10**6)):06d}")
            )


def _metered(town: Town, rng: np.random.Generator) -> None:
    """A meter for every site; some name only the firm, some roofs have solar panels."""
    for site in town.sites:
        if site.beyond:
            continue
        solar = float(rng.uniform(60, 260)) if site.kind in ("producer", "user") and rng.random() < 0.12 else 0.0
        single = len(town.firms[site.firm].sites) == 1
        named = not (single and rng.random() < 0.08)
        no = f"3{int(rng.integers(5 * 10**8, 10**9)):09d}"
        while no in town.used:
            no = f"3{int(rng.integers(5 * 10**8, 10**9)):09d}"
        town.used.add(no)
        town.meters.append(Meter(no, site.number, (site.number,), named, solar))


def _fleet(town: Town, rng: np.random.Generator, vehicles: int) -> None:
    """The vehicles, by kind; each belongs to a carrier and is parked at its depot."""
    kinds = [kind for kind, share in _FLEET for _ in range(max(1, round(share * vehicles)))]
    kinds = (kinds + ["liquid"] * vehicles)[: max(vehicles, 0)]
    kinds = [kinds[k] for k in rng.permutation(len(kinds))]
    carriers = [n for n, firm in enumerate(town.firms) if firm.kind == "carrier"]
    tonnes: dict[str, Sequence[float]] = {"boxed": (8, 12), "waste": (9, 12), "pressure": (20, 22)}
    for number in range(vehicles):
        kind = kinds[number]
        carrier = int(rng.choice(carriers))
        plate = _plate(town, rng, "苏F", "")
        phone = f"14{int(rng.integers(10**8, 10**9)):09d}"
        town.vehicles.append(
            Vehicle(
                number=number,
                plate=plate,
                trailer=_plate(town, rng, "苏F", "挂") if rng.random() < 0.5 else "",
                phone=phone,
                carrier=carrier,
                kind=kind,
                tonnes=float(rng.choice(tonnes.get(kind, (25, 28, 30)))),
                permit=town.span.start + timedelta(days=int(rng.integers(90, 1500))),
                terminal=2013 if number % 8 == 3 else 2019,
                driver=hashlib.sha256(f"{town.seed}/driver/{number}".encode()).hexdigest()[:16],
                depot=town.firms[carrier].depot,
            )
        )


def _plate(town: Town, rng: np.random.Generator, front: str, end: str) -> str:
    while True:
        body = "".join(_PLATE[k] for k in rng.integers(0, len(_PLATE), 4 if end else 5))
        plate = f"{front}{body}{end}"
        if plate not in town.used:
            town.used.add(plate)
            return plate
