"""Who and what is there: firms, sites, tanks, outlets, licences, vehicles, partners beyond the city's border."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench._othercity.common import (
    BULK,
    CONTROLLED,
    DAY,
    OIL,
    VEHICLES,
    WASTES,
    Chemical,
    Floats,
    Order,
    Random,
    chance,
    inside,
    old_number,
    plate,
    to_lonlat,
    to_plane,
    uscc,
)
from bench._othercity.roads import Roads, Zone, lattice, zones

AREAS = Path(__file__).parents[2] / "src/cityheart/apps/prefecture/data"


@dataclass(slots=True, eq=False)
class Place:
    """Where goods are loaded or unloaded: a registered site, a partner beyond the border, a farm, a building site."""

    name: str
    uscc: str
    x: float
    y: float
    site: Site | None = None

    @property
    def xy(self) -> tuple[float, float]:
        """On the plane."""
        return self.x, self.y


@dataclass(slots=True, eq=False)
class Firm:
    """A firm with its sites."""

    id: str
    uscc: str
    name: str
    kind: str
    district: str
    district_name: str
    address: str
    legal: str
    phone: str | None
    old: str | None  # number of the time before the uscc, if the register still has it
    former: str | None
    founded: int
    sites: list[Site] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Tank:
    """A tank: t, m; what its gauges say is in ``series`` of the tank farm."""

    id: str
    account: Account
    capacity: float
    height: float
    alarm_level: float
    alarm_c: float
    alarm_kpa: float
    metrics: tuple[str, ...]
    stock: float = 0.0  # t, as the planner reckons it, at the end of the day planned last
    first: float = 0.0  # t at the beginning of the books


@dataclass(slots=True, eq=False)
class Account:
    """One chemical at one site: rate t per active hour (+ made, − used), stock in tanks or in a store."""

    site: Site
    chemical: Chemical
    rate: float
    limit: float  # t the licence allows
    tanks: list[Tank] = field(default_factory=list)
    stock: float = 0.0  # t at the beginning of the books
    room: float = 0.0  # t that fit
    retail: bool = False  # sold to whoever comes, without waybills
    moves: list[tuple[int, int, float, Tank | None]] = field(default_factory=list)  # start, end, ± t, tank
    runs: dict[int, Tank] = field(default_factory=dict)  # day → tank that production or use is on
    holds: list[tuple[int, int]] = field(default_factory=list)  # days in which nothing goes out and much comes in
    aim: float = 0.0  # t to reach in a hold


@dataclass(slots=True, eq=False)
class Outlet:
    """A monitored outlet of flue gas, organic vapours or waste water."""

    mn: str
    site: Site
    style: str  # flue | voc | water
    limits: dict[str, float]
    flow: float
    password: str
    connection: int


@dataclass(slots=True, eq=False)
class Licence:
    """A licence; versions are the rows that the registry has had of it."""

    no: str
    firm: Firm
    site: Site | None
    kind: str
    valid_from: str
    valid_to: str
    versions: list[tuple[int, str, str, str]] = field(default_factory=list)  # seen, valid_from, valid_to, status
    chemicals: list[tuple[Chemical, float, float | None]] = field(default_factory=list)
    entered: int = 0


@dataclass(slots=True, eq=False)
class Site(Place):
    """A site of a firm, with how it works."""

    id: str = ""
    firm: Firm = None  # type: ignore[assignment]
    address: str = ""
    shift: str = "day"
    load_kw: float = 100.0  # at full work, beyond the base
    base_kw: float = 20.0
    solar_kw: float = 0.0
    waste_t: float = 0.0  # a working day
    waste: int = 0
    residents: int = 0
    accounts: list[Account] = field(default_factory=list)
    outlets: list[Outlet] = field(default_factory=list)
    licences: list[Licence] = field(default_factory=list)
    stories: set[str] = field(default_factory=set)
    stops: list[tuple[float, float, float, float]] = field(
        default_factory=list
    )  # from, to, part left, hours to wind down
    night_only: list[tuple[float, float]] = field(default_factory=list)
    heating: list[tuple[float, float]] = field(default_factory=list)
    quiet: list[tuple[float, float]] = field(default_factory=list)  # no deliveries in or out
    activity: Floats = field(default_factory=lambda: np.zeros(0))

    def place(self) -> Place:
        """Itself, as a place."""
        return self


@dataclass(slots=True, eq=False)
class Vehicle:
    """A truck; its day is a list of trips."""

    plate: str
    phone: str
    carrier: Firm
    family: str
    kind: str
    tonnes: float
    goods: list[str]
    yard: Site
    trailer: str | None
    driver: str
    old_protocol: bool
    free: float = 0.0
    at: tuple[float, float] = (0.0, 0.0)
    night: bool = False


@dataclass(slots=True)
class World:
    """Everything that stands still."""

    order: Order
    roads: Roads
    zones: list[Zone]
    firms: list[Firm]
    sites: list[Site]
    vehicles: list[Vehicle]
    partners: list[Place]
    unnamed: list[Place]  # customers inside the city that are no registered sites: farms, building sites
    shops: list[Firm]  # firms of the market register that have nothing to do with chemicals


_SYLLABLES = "恒泽瑞丰嘉禾川达锦腾博远浩润凯盛辰益通海江林东启源鑫安泰隆永康正华科力诺信"
_SURNAMES = "陆顾沈施季曹缪蔡邵葛黄马倪钱冒丁保吉徐蒋"
_GIVEN = "建国志明丽华海燕晓峰秀兰文斌永强玉梅小军红霞卫东国平"
_KINDS = {
    "producer": ("化工", "精细化工", "新材料", "农化"),
    "storage": ("液体仓储", "石化储运"),
    "dealer": ("化工贸易", "石油销售", "化学试剂"),
    "user": ("制药", "印染", "表面处理", "电子材料", "橡塑"),
    "carrier": ("危货运输", "物流"),
    "disposal": ("固废处置", "环境服务"),
}
_SHARES = {"producer": 0.21, "storage": 0.08, "dealer": 0.22, "user": 0.38, "carrier": 0.07, "disposal": 0.04}


def _areas(day: str) -> list[tuple[str, str, list[Floats]]]:
    """Areas valid on the day: code, name, outer rings on the plane."""
    found = []
    for feature in json.loads((AREAS / "areas.geojson").read_text())["features"]:
        about = feature["properties"]
        if about["valid_from"] > day or (about["valid_to"] and about["valid_to"] <= day):
            continue
        shape = feature["geometry"]
        polygons = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
        rings = [np.array([to_plane(*point[:2]) for point in polygon[0]]) for polygon in polygons]
        found.append((about["code"], about["name"], rings))
    return found


_RINGS: list[Floats] = []


def within_city(x: float, y: float) -> bool:
    """Whether a point of the plane lies in one of the city's areas."""
    if not _RINGS:
        _RINGS.extend(ring for _, _, rings in _areas("2026-06-01") for ring in rings)
    return any(inside(np.array([x]), np.array([y]), ring)[0] for ring in _RINGS)


def _spots(random: Random, count: int) -> list[tuple[str, str, float, float]]:
    """Places of work: half in parks, the rest anywhere; no two within 650 m."""
    areas = _areas("2026-06-01")
    boxes = [(code, name, max(rings, key=len)) for code, name, rings in areas]

    def anywhere() -> tuple[str, str, float, float]:
        while True:
            code, name, ring = boxes[random.integers(len(boxes))]
            x, y = (float(random.uniform(ring[:, k].min(), ring[:, k].max())) for k in (0, 1))
            if inside(np.array([x]), np.array([y]), ring)[0]:
                return code, name, x, y

    parks = [anywhere() for _ in range(7)]
    found: list[tuple[str, str, float, float]] = []
    while len(found) < count:
        spot = anywhere()
        if random.random() < 0.5:
            code, name, x, y = parks[random.integers(len(parks))]
            spot = (code, name, x + float(random.normal(0, 1.5)), y + float(random.normal(0, 1.5)))
        if all(math.dist(spot[2:], other[2:]) > 0.65 for other in found):
            found.append(spot)
    return found


def _person(random: Random) -> str:
    return _SURNAMES[random.integers(len(_SURNAMES))] + "".join(
        _GIVEN[i] for i in random.integers(0, len(_GIVEN), random.integers(1, 3))
    )


def _firms(random: Random, count: int) -> list[Firm]:
    kinds = [kind for kind, share in _SHARES.items() for _ in range(max(1, round(share * count)))]
    while len(kinds) > count:  # one of each kind stays
        kinds.remove(max(_SHARES, key=kinds.count))
    kinds += ["user"] * (count - len(kinds))
    names: set[str] = set()
    firms = []
    for number, kind in enumerate(kinds):
        code, area, _, _ = ("320600", "南通市", 0.0, 0.0)
        while True:
            core = "".join(_SYLLABLES[i] for i in random.integers(0, len(_SYLLABLES), random.integers(2, 4)))
            if core not in names:
                names.add(core)
                break
        trade = _KINDS[kind][random.integers(len(_KINDS[kind]))]
        form = ("有限公司", "有限公司", "股份有限公司", "(南通)有限公司")[random.integers(4)]
        firms.append(
            Firm(
                f"QY{number + 1:05d}", "", f"{core}{trade}{form}", kind, code, area, "", _person(random),
                None if random.random() < 0.2 else f"0513-{random.integers(80_000_000, 89_999_999)}", None,
                f"南通{core[:1]}{trade}厂" if random.random() < 0.09 else None, int(random.integers(1996, 2022)),
            )
        )  # fmt: skip
    return firms


def _tank_farm(random: Random, account: Account, count: int, size: float) -> None:
    for _ in range(count):
        capacity = float(np.round(size * random.lognormal(0.0, 0.35), 1))
        height = float(np.round(random.uniform(7.5, 16.5), 1))
        chemical, site = account.chemical, account.site
        metrics = ["level_m", "temperature_c"]
        if chemical.vapour or random.random() < 0.25:
            metrics.append("pressure_kpa")
        if random.random() < 0.2:
            metrics.append("gas_ppm")
        number = sum(len(other.tanks) for other in site.accounts) + 1
        account.tanks.append(
            Tank(
                f"{site.id}-V{100 + number}", account, capacity, height,
                float(np.round(height * random.uniform(0.91, 0.95), 2)),
                80.0 if chemical.hot_c else float(random.choice([50.0, 55.0, 65.0])),
                float(random.choice([1250.0, 1450.0])) if chemical.vapour else float(random.choice([45.0, 80.0])),
                tuple(metrics),
            )
        )  # fmt: skip
    account.room = sum(tank.capacity for tank in account.tanks)
    account.limit = float(np.round(account.room * random.uniform(0.64, 0.72), 0))
    for tank in account.tanks:
        tank.stock = tank.first = tank.capacity * float(random.uniform(0.3, 0.5))
    account.stock = sum(tank.stock for tank in account.tanks)


def _stores(random: Random, site: Site) -> None:
    """What a site has, by the kind of its firm."""
    kind = site.firm.kind

    def account(chemical: Chemical, rate: float, room: float, retail: bool = False) -> Account:
        made = Account(site, chemical, rate, float(np.round(room * 1.15, 0)), room=room, retail=retail)
        made.stock = room * float(random.uniform(0.4, 0.6))
        site.accounts.append(made)
        return made

    bulk = [BULK[i] for i in random.permutation(len(BULK))]
    if kind == "producer":
        for place, rate in enumerate((float(random.uniform(0.5, 1.5)), -float(random.uniform(0.4, 1.2)))):
            made = account(bulk[place], rate, 260.0)
            if random.random() < (0.48, 0.1)[place]:
                _tank_farm(random, made, int(random.integers(1, 3)), float(random.uniform(260, 520)))
    elif kind == "storage":
        for chemical in bulk[: random.choice([1, 1, 2])]:
            _tank_farm(
                random, account(chemical, 0.0, 0.0), int(random.integers(2, 4)), float(random.uniform(500, 1400))
            )
    elif kind == "dealer" and "石油" in site.firm.name:
        for chemical in OIL:
            account(chemical, -float(random.uniform(0.25, 0.6)), 70.0, retail=True)
    elif kind == "dealer":
        for chemical in CONTROLLED[: random.integers(2, 5)]:
            account(chemical, 0.0, float(random.uniform(9, 20)))
    elif kind == "user":
        made = account(bulk[0], -float(random.uniform(0.25, 1.1)), float(random.uniform(60, 130)))
        if random.random() < 0.12:
            _tank_farm(random, made, 2, float(random.uniform(110, 240)))


def _outlets(random: Random, site: Site, count: int) -> None:
    for _ in range(count):
        style = ("flue", "voc", "water")[random.choice(3, p=[0.4, 0.25, 0.35])]
        limits = {
            "flue": {
                "a21026": float(random.choice([50, 100, 200])),
                "a21002": float(random.choice([100, 150, 200])),
                "a34013": float(random.choice([20, 30])),
            },
            "voc": {"a24088": float(random.choice([60, 80, 120]))},
            "water": {"w01018": float(random.choice([80, 300, 500])), "w21003": float(random.choice([15, 35, 45]))},
        }[style]
        site.outlets.append(
            Outlet(
                "3206" + "".join("0123456789ABCDEF"[i] for i in random.integers(0, 16, 20)), site, style, limits,
                float(np.round(random.uniform(4, 24), 1)), f"{random.integers(0, 1_000_000):06d}", 0,
            )
        )  # fmt: skip


def _work(random: Random, site: Site) -> None:
    kind = site.firm.kind
    shifts = {
        "producer": ("continuous", "continuous", "two", "campaign"),
        "storage": ("round",),
        "dealer": ("shop",),
        "user": ("day", "two", "two", "campaign", "night"),
        "carrier": ("shop",),
        "disposal": ("continuous", "two"),
    }[kind]
    site.shift = shifts[random.integers(len(shifts))]
    scale = {"producer": 900, "storage": 130, "dealer": 22, "user": 330, "carrier": 18, "disposal": 420}[kind]
    site.load_kw = float(scale * random.lognormal(0.0, 0.5))
    site.base_kw = site.load_kw * float(random.uniform(0.07, 0.2))
    if kind in ("user", "producer") and random.random() < 0.16:
        site.solar_kw = site.load_kw * float(random.uniform(0.15, 0.45))
    if kind == "producer" or (kind == "user" and random.random() < 0.75):
        site.waste_t = float(random.uniform(0.7, 2.0))
        site.waste = int(random.integers(len(WASTES)))
    if kind == "producer":
        _outlets(random, site, 1 if random.random() < 0.85 else 2)
    elif (kind == "user" and random.random() < 0.3) or kind == "disposal":
        _outlets(random, site, 1)


def _sites(random: Random, firms: list[Firm]) -> list[Site]:
    """Sites of the firms; where a firm has its first site, there it is registered."""
    more = {"producer": (0.66, 0.26, 0.08), "dealer": (0.5, 0.25, 0.25), "user": (0.78, 0.17, 0.05)}
    counts = [int(random.choice([1, 2, 3], p=more[f.kind])) if f.kind in more else 1 for f in firms]
    spots = _spots(random, sum(counts))
    found: list[Site] = []
    tails = ("", "二厂", "三厂")
    for firm, count in zip(firms, counts, strict=True):
        for number in range(count):
            code, area, x, y = spots.pop()
            if number == 0:
                firm.district, firm.district_name = code, area
                firm.uscc = uscc(random, code)
                firm.name = f"{'南通' if random.random() < 0.5 else area[:2]}{firm.name}"
                road = "港城化海新"[random.integers(5)] + "兴纬经园"[random.integers(4)]
                firm.address = f"{area}{road}路{random.integers(1, 400)}号"
                firm.old = old_number(random, code) if random.random() < 0.1 else None
            name = (
                f"{firm.name}{'第' + '一二三'[number] + '门店' if firm.kind == 'dealer' and number else tails[number]}"
            )
            address = firm.address if not number else f"{area}工业集中区{random.integers(1, 90)}号"
            site = Site(name, firm.uscc, x, y, id=f"PS-{code}-{len(found) + 1:04d}", firm=firm, address=address)
            site.site = site
            site.residents = int(random.choice([0, 0, 40, 180, 760, 2100]))
            firm.sites.append(site)
            _stores(random, site)
            _work(random, site)
            found.append(site)
    return found


def _controlled(random: Random, order: Order, sites: list[Site]) -> None:
    """A good part of the users hold controlled chemicals, some at all of their sites."""
    holders = [firm for firm in {s.firm.id: s.firm for s in sites}.values() if firm.kind == "user"]
    count = order.counted(24)
    for firm in sorted(holders, key=lambda f: -len(f.sites))[:count]:
        chemical = CONTROLLED[random.integers(len(CONTROLLED))]
        for site in firm.sites:
            room = float(random.uniform(1.2, 4.0))
            held = Account(
                site, chemical, -room / float(random.uniform(300, 420)), float(np.round(room * 1.4, 1)), room=room
            )
            held.stock = room * 0.6
            site.accounts.append(held)


def _vehicles(random: Random, order: Order, firms: list[Firm]) -> list[Vehicle]:
    carriers = [firm for firm in firms if firm.kind == "carrier"]
    families = ["oil", "liquid", "liquid", "liquid", "acid", "acid", "gas", "van", "waste", "waste"]
    taken: set[str] = set()
    names = {family: [c.name for c in (*OIL, *BULK, *CONTROLLED) if c.family == family] for family in VEHICLES}
    names["waste"] = ["危险废物"]
    found = []
    for number in range(order.vehicles):
        family = families[number % len(families)]
        kind, tonnes = VEHICLES[family]
        carrier = carriers[int(random.integers(len(carriers)))] if number >= len(carriers) else carriers[number]
        yard = carrier.sites[0]
        found.append(
            Vehicle(
                plate(random, taken), f"1{random.integers(3, 10)}{random.integers(10**8, 10**9)}", carrier, family, kind,
                tonnes, names[family], yard, f"苏F{random.integers(1000, 9999)}挂" if tonnes > 20 and random.random() < 0.7
                else None, f"{random.integers(0, 2**63):016x}", bool(random.random() < 0.2), order.books + 6.0 * 3600,
                yard.xy, bool(random.random() < 0.12),
            )
        )  # fmt: skip
    return found


def build(order: Order) -> World:
    """The city before anything happens in it."""
    random = chance(order.seed, "world")
    roads = lattice(random)
    firms = _firms(random, order.firms)
    sites = _sites(random, firms)
    _controlled(random, order, sites)
    towns = [("泰州", 119.93, 32.33), ("泰兴", 120.02, 32.16), ("张家港", 120.42, 31.66), ("盐城", 120.5, 32.88),
             ("东台", 120.36, 32.84), ("常熟", 120.85, 31.56), ("靖江", 120.12, 31.98)]  # fmt: skip
    partners = []
    for town, lon, lat in towns:
        x, y = to_plane(lon + float(random.normal(0, 0.02)), lat + float(random.normal(0, 0.02)))
        code = {"盐城": "320981", "东台": "320981", "张家港": "320582", "常熟": "320581"}.get(town, "321283")
        partners.append(Place(f"{town}{_SYLLABLES[random.integers(len(_SYLLABLES))]}{_SYLLABLES[random.integers(len(_SYLLABLES))]}化工有限公司",
                              uscc(random, code), x, y))  # fmt: skip
    near = np.array([site.xy for site in sites])
    unnamed: list[Place] = []
    while len(unnamed) < order.counted(4):
        base = near[random.integers(len(near))] + random.normal(0, 3.0, 2)
        if np.hypot(*(near - base).T).min() > 1.0:
            title = ("污水处理站工地", "农场加油点", "大桥项目部", "电镀园集中处理站")[len(unnamed) % 4]
            owner = [f for f in firms if f.kind == "user"][len(unnamed) % 3]
            unnamed.append(
                Place(f"{owner.district_name[:2]}{title}", uscc(random, owner.district), float(base[0]), float(base[1]))
            )
    taken = np.vstack([near, np.array([place.xy for place in (*partners, *unnamed)])])
    names = ["主城区", "滨江", "老城", "高铁站片区", "开发区生活区", "海安城区"]
    closed = zones(random, roads, taken, names, 6 if order.firms > 60 else 3)
    roads.close(closed)
    shops = _firms(chance(order.seed, "shops"), max(4, order.firms // 4))
    for shop in shops:
        shop.district, shop.district_name = "320613", "崇川区"
        shop.uscc, shop.address = uscc(random, "320613"), f"崇川区人民路{random.integers(1, 500)}号"
    return World(order, roads, closed, firms, sites, _vehicles(random, order, firms), partners, unnamed, shops)


def degrees(place: Place) -> tuple[float, float]:
    """WGS84 of a place, to a metre or so."""
    lon, lat = to_lonlat(place.x, place.y)
    return round(lon, 6), round(lat, 6)


def day_index(order: Order, at: float) -> int:
    """Day since the beginning of the books."""
    return int((at - order.books) // DAY)
