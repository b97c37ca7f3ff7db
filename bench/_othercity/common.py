"""What every part of the generator shares: chance, time, codes, coordinates, chemicals."""

from __future__ import annotations

import itertools
import math
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, overload

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Random = np.random.Generator

ZONE = timezone(timedelta(hours=8))
DAY = 86_400
HOUR = 3_600
QUARTER = 900
LON0, LAT0 = 120.9, 32.15  # centre of the plane that distances are reckoned in
KM_LON, KM_LAT = 94.22, 110.92  # km a degree at LAT0


def chance(seed: int, *names: object) -> Random:
    """A stream of chance of its own for every named thing: what is added elsewhere does not move it."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


# Time: seconds since 1970, whole


def seconds(day: date) -> int:
    """Local midnight at which the day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp())


def local(at: float) -> datetime:
    """Local time of the moment."""
    return datetime.fromtimestamp(int(at), ZONE)


@overload
def rfc(at: float) -> str: ...
@overload
def rfc(at: None) -> None: ...
@overload
def rfc(at: float | None) -> str | None: ...


def rfc(at: float | None) -> str | None:
    """RFC 3339 with the city's offset; nothing for nothing."""
    return None if at is None else local(at).isoformat()


def month_of(at: float) -> str:
    """YYYY-MM of the moment."""
    return local(at).strftime("%Y-%m")


def month_start(month: str) -> int:
    """The moment the month begins."""
    return seconds(date(int(month[:4]), int(month[5:]), 1))


def next_month(month: str) -> str:
    """The month that follows."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def previous_month(month: str) -> str:
    """The month before."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year - (number == 1):04d}-{(number - 2) % 12 + 1:02d}"


def utc_column(at: Ints) -> npt.NDArray[np.datetime64]:
    """Microseconds since 1970 as numpy's datetimes."""
    return at.astype("datetime64[us]")


def utc(at: float) -> datetime:
    """Aware UTC."""
    return datetime.fromtimestamp(at, UTC)


# Codes

_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGAN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def uscc(random: Random, district: str) -> str:
    """A unified social credit code with both checksums (GB 32100-2015, GB 11714-1997)."""
    while True:
        organ = "MA" + "".join(_USCC[i] for i in random.integers(0, 31, 6))
        weights = (3, 7, 9, 10, 5, 8, 4, 2)
        left = 11 - sum(_ORGAN.index(c) * w for c, w in zip(organ, weights, strict=True)) % 11
        body = "91" + district + organ + ("X" if left == 10 else "0" if left == 11 else str(left))
        check = (31 - sum(_USCC.index(c) * pow(3, i, 31) for i, c in enumerate(body)) % 31) % 31
        return body + _USCC[check]


def old_number(random: Random, district: str) -> str:
    """A 15-digit registration number of the time before the uscc (ISO 7064 mod 11,10 check digit)."""
    body = district + "".join(str(i) for i in random.integers(0, 10, 8))
    left = 10
    for digit in body:
        left = ((left + int(digit)) % 10 or 10) * 2 % 11
    return body + str((11 - left) % 10)


def plate(random: Random, taken: set[str]) -> str:
    """A plate of the city that nobody has yet."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    while True:
        text = "苏F" + "".join(
            letters[random.integers(len(letters))] if random.random() < 0.3 else str(random.integers(10))
            for _ in range(5)
        )
        if text not in taken:
            taken.add(text)
            return text


# Places: WGS84 degrees outside, km on a plane inside


def to_lonlat(x: float, y: float) -> tuple[float, float]:
    """Degrees of a point of the plane."""
    return LON0 + x / KM_LON, LAT0 + y / KM_LAT


def to_plane(lon: float, lat: float) -> tuple[float, float]:
    """Kilometres of a point on earth."""
    return (lon - LON0) * KM_LON, (lat - LAT0) * KM_LAT


def gcj(lon: float, lat: float) -> tuple[float, float]:
    """WGS84 to GCJ-02, the Chinese map datum, by the published formula."""
    x, y = lon - 105.0, lat - 35.0
    wave = 20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)
    d_lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    d_lat += (wave + 20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
    d_lat += (160.0 * math.sin(y / 12.0 * math.pi) + 320.0 * math.sin(y * math.pi / 30.0)) * 2.0 / 3.0
    d_lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    d_lon += (wave + 20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
    d_lon += (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    axis, flat = 6_378_245.0, 0.006_693_421_622_965_943
    radians = math.radians(lat)
    magic = 1.0 - flat * math.sin(radians) ** 2
    d_lat = d_lat * 180.0 / (axis * (1.0 - flat) / (magic * math.sqrt(magic)) * math.pi)
    d_lon = d_lon * 180.0 / (axis / math.sqrt(magic) * math.cos(radians) * math.pi)
    return lon + d_lon, lat + d_lat


def inside(x: Floats, y: Floats, ring: Floats) -> Bools:
    """Which points lie in the ring ((n, 2), closed), by the even-odd rule."""
    found = np.zeros(np.shape(x), dtype=bool)
    for (x1, y1), (x2, y2) in itertools.pairwise(ring):
        crosses = (y1 > y) != (y2 > y)
        if y1 != y2:
            found ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return found


# Chemicals: made-up trade, real names and numbers


@dataclass(frozen=True, slots=True)
class Chemical:
    """A substance: density in t/m³, family (which vehicle may carry it), alarms a tank of it usually has."""

    cas: str
    name: str
    un: str
    density: float
    family: str
    hot_c: float = 0.0  # temperature a heated tank is kept at; 0 = not heated
    vapour: bool = False  # kept under pressure


OIL = [
    Chemical("86290-81-5", "汽油", "UN1203", 0.74, "oil"),
    Chemical("68334-30-5", "柴油", "UN1202", 0.84, "oil"),
]
BULK = [
    Chemical("67-56-1", "甲醇", "UN1230", 0.792, "liquid"),
    Chemical("108-88-3", "甲苯", "UN1294", 0.867, "liquid"),
    Chemical("71-43-2", "苯", "UN1114", 0.879, "liquid"),
    Chemical("100-42-5", "苯乙烯", "UN2055", 0.906, "liquid"),
    Chemical("67-64-1", "丙酮", "UN1090", 0.79, "liquid"),
    Chemical("107-13-1", "丙烯腈", "UN1093", 0.806, "liquid"),
    Chemical("141-78-6", "乙酸乙酯", "UN1173", 0.902, "liquid"),
    Chemical("108-95-2", "苯酚", "UN1671", 1.07, "liquid", hot_c=48.0),
    Chemical("7664-93-9", "硫酸", "UN1830", 1.84, "acid"),
    Chemical("7647-01-0", "盐酸", "UN1789", 1.18, "acid"),
    Chemical("64-19-7", "乙酸", "UN2789", 1.05, "acid"),
    Chemical("1310-73-2", "氢氧化钠溶液", "UN1824", 1.33, "acid"),
    Chemical("7664-41-7", "液氨", "UN1005", 0.61, "gas", vapour=True),
    Chemical("75-21-8", "环氧乙烷", "UN1040", 0.87, "gas", vapour=True),
    Chemical("68476-85-7", "液化石油气", "UN1075", 0.54, "gas", vapour=True),
]
CONTROLLED = [
    Chemical("143-33-9", "氰化钠", "UN1689", 1.6, "van"),
    Chemical("3811-04-9", "氯酸钾", "UN1485", 2.3, "van"),
    Chemical("7722-64-7", "高锰酸钾", "UN1490", 2.7, "van"),
    Chemical("7757-79-1", "硝酸钾", "UN1486", 2.1, "van"),
    Chemical("77-78-1", "硫酸二甲酯", "UN1595", 1.33, "van"),
]
WASTES = [
    ("900-039-49", "废活性炭"),
    ("900-252-12", "漆渣"),
    ("900-013-11", "精馏残渣"),
    ("336-064-17", "物化污泥"),
    ("900-404-06", "废有机溶剂"),
]
VEHICLES = {  # family → vehicle kind, approved tonnes
    "oil": ("油罐车", 25.0),
    "liquid": ("液体罐车", 29.5),
    "acid": ("腐蚀品罐车", 28.0),
    "gas": ("压力罐车", 21.5),
    "van": ("厢式车", 12.0),
    "waste": ("危废厢式车", 11.0),
}


@dataclass(frozen=True, slots=True)
class Level:
    """How hard a city is: effects, mess and the ratio of look-alikes to cases."""

    name: str
    cases: int  # of each kind at 120 firms
    innocents: int  # look-alikes of each kind at 120 firms
    effect: float  # 1 = plain to see, 0 = barely beyond the definition
    mess: float  # 1 = as the contract's text suggests
    missing: float  # share of rows of sensors and meters that never come


LEVELS = {
    "easy": Level("easy", 5, 5, 1.0, 0.25, 0.0),
    "normal": Level("normal", 5, 7, 0.55, 1.0, 0.012),
    "hard": Level("hard", 5, 10, 0.12, 1.8, 0.10),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of the generator."""

    seed: int  # of this city: made of the seed asked for and the level
    firms: int
    vehicles: int
    days: int
    level: Level
    start: int  # the city's first moment
    books: int  # the first moment of its books: the start of that month

    @property
    def end(self) -> int:
        """The moment after the last."""
        return self.start + self.days * DAY

    def counted(self, count: int) -> int:
        """How many of something a city of this size has, at least one."""
        return max(1, round(count * min(1.0, self.firms / 110.0)))


def order(seed: int, firms: int, vehicles: int, days: int, level: str) -> Order:
    """The order with its dates: a city begins within a month and its first month ends well before the city does."""
    seed = seed * 8 + sorted(LEVELS).index(level)  # another city for every level
    random = chance(seed, "calendar")
    month = f"2026-{int(random.choice([3, 4, 5, 8, 9, 10])):02d}"
    left = min(max(1, days // 3), 9)  # days after the end of the first month
    end_of_month = month_start(next_month(month))
    start = max(end_of_month - (days - left) * DAY, month_start(month))
    return Order(seed, firms, vehicles, days, LEVELS[level], start, month_start(month))


Row = dict[str, Any]
