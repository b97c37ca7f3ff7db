"""What the simulated city is made of. Masses are tonnes, times minutes of :class:`Span`, positions WGS84."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

__all__ = [
    "Case", "Chemical", "Firm", "Holding", "Licence", "Meter", "Order", "Outlet", "Site", "Stop", "Tank", "Trip",
    "Vehicle",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chemical:
    """A substance. ``carried`` is the kind of vehicle; ``controlled`` means that the police follow every kilogram."""

    name: str
    cas: str
    un: str
    density: float
    carried: str
    controlled: bool


@dataclass(slots=True)
class Firm:
    """A legal entity. Firms beyond the city have no ``id``: no system of the city registers them."""

    id: str
    uscc: str
    name: str
    kind: str
    person: str
    phone: str
    address: str
    founded: date
    station: bool = False
    sites: list[int] = field(default_factory=list)
    former: str = ""
    depot: int = -1  # carriers: the place where vehicles are parked


@dataclass(slots=True)
class Site:
    """Ground of a firm on which goods are made, stored or used."""

    number: int
    id: str
    firm: int
    kind: str
    name: str
    address: str
    place: int
    lon: float
    lat: float
    district: str
    residents: int
    boundary: bool
    shift: str  # continuous, batch, two, day
    waste: float  # tonnes of hazardous waste a day of full work
    waste_kind: int
    holdings: list[int] = field(default_factory=list)
    monitored: bool = False
    beyond: bool = False
    role: str = ""  # the case or the innocent look-alike that it plays; empty for most


@dataclass(slots=True)
class Holding:
    """One chemical at one site: how fast it is made, used and sold by the litre, and how much may lie there."""

    number: int
    site: int
    chemical: int
    allowed: float  # what the licence allows to be stored
    capacity: float  # of all tanks together
    makes: float  # t a day of full work
    uses: float
    retail: float
    opening: float
    ceiling: float = 0.0  # up to which the firm really fills its tanks
    tanks: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Tank:
    """A tank of a holding; its level is mass / capacity × height."""

    id: str
    holding: int
    capacity: float
    height: float
    alarm_level: float
    alarm_temperature: float
    alarm_pressure: float


@dataclass(slots=True)
class Licence:
    """A licence as the registry enters it: ``entered`` is when its row becomes visible."""

    no: str
    firm: int
    site: int  # -1: the firm's
    kind: str
    since: date
    until: date
    status: str
    entered: float
    holdings: tuple[int, ...]
    factor: float = 1.0  # of what the holdings are allowed, for older licences


@dataclass(slots=True)
class Outlet:
    """A monitored outlet; ``factors`` and ``limits`` are parallel, a limit of 0 is none."""

    mn: str
    site: int
    kind: str
    factors: tuple[str, ...]
    limits: tuple[float, ...]
    design: float
    password: str


@dataclass(slots=True)
class Meter:
    """An electricity meter, the site in whose name it is, and the sites that it really feeds."""

    id: str
    site: int
    feeds: tuple[int, ...]
    named: bool
    solar: float


@dataclass(slots=True)
class Vehicle:
    """A vehicle of a carrier. ``terminal`` is 2019 or 2013, the edition its terminal speaks."""

    number: int
    plate: str
    trailer: str
    phone: str
    carrier: int
    kind: str
    tonnes: float
    permit: date
    terminal: int
    driver: str
    depot: int
    night: bool = False
    role: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """A halt on the loaded part of a trip at a place; ``after`` is the load with which it goes on (3, 1 or 0)."""

    place: int
    minutes: float
    after: int
    engine: bool


@dataclass(slots=True)
class Trip:
    """A load from one place to another. Times are filled by the dispatcher."""

    number: int
    vehicle: int
    origin: int  # holding, or -1 - site for waste and sites beyond
    target: int
    origin_site: int
    target_site: int
    chemical: int  # -1: waste
    quantity: float
    planned: float
    load: tuple[float, float] = (0.0, 0.0)
    unload: tuple[float, float] = (0.0, 0.0)
    depart: float = 0.0
    paper: str = "timely"  # timely, late, none, cancelled, replaced
    waste: str = ""  # for waste: what becomes of it: arrives, vanishes, lighter, unlicensed, unweighed
    dumped: int = -1


@dataclass(slots=True)
class Order:
    """An order of the emergency department and what really follows."""

    id: str
    firm: int
    site: int  # -1: names the firm only
    kind: str
    scope: str
    issued: float
    since: float
    until: float | None
    lifted: float | None
    entered_lift: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A planted matter, a row of ``truth.csv``."""

    kind: str
    subject: str
    since: float
    until: float | None
    detail: str
