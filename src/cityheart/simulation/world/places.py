"""Where things are: the prefecture's areas with their dates, a net of roads and bridges, closed zones, and the way.

Areas are the schematic ones of the prefecture application. Roads are made up: a jittered net of arterials and lesser
roads inside the areas, and bridges and motorways to four towns beyond. Positions are WGS84 degrees, lengths metres.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from .chance import Bools, Floats, Ints, numbers

__all__ = ["APP_DATA", "Area", "Areas", "Place", "Plot", "Roads", "Route", "Zone", "gcj02", "metres"]

APP_DATA = Path(__file__).parents[2] / "apps" / "prefecture" / "data"
LAT_METRES = 110_900.0  # of one degree of latitude at 32 degrees north
LON_METRES = 94_500.0  # of one degree of longitude there
_STEP = (0.050, 0.043)  # degrees from one crossing to the next, about 4.7 km
_TOWNS = (  # towns beyond: name, lon, lat, code of their county
    ("泰州", 120.010, 32.430, "321202"),
    ("盐城", 120.480, 32.860, "320982"),
    ("苏州", 120.760, 31.660, "320581"),
    ("上海", 121.480, 31.560, "310151"),
)
_ZONE_NAMES = ("禁行区", "限时禁行区", "限时禁行区", "禁行区", "限时禁行区")
_ZONE_HOURS = ("always", "22:00-06:00", "07:00-09:00", "always", "17:00-19:00")
_SLOT = 520.0  # metres from one plot of land to the next
_FAR = 1e9
_REMEMBERED = 20_000  # routes that are kept drawn


def metres(lon: Floats, lat: Floats, lon2: Floats | float, lat2: Floats | float) -> Floats:
    """The distance in metres, flat, good to a part in a hundred within the prefecture."""
    return np.asarray(np.hypot((lon - lon2) * LON_METRES, (lat - lat2) * LAT_METRES), dtype=np.float64)


def _inside(rings: Sequence[Floats], lon: Floats, lat: Floats) -> Bools:
    """Which points lie inside the rings (even-odd, so holes count as outside)."""
    odd = np.zeros(lon.shape, dtype=np.bool_)
    for ring in rings:
        x, y = ring[:-1, 0], ring[:-1, 1]
        x2, y2 = ring[1:, 0], ring[1:, 1]
        for k in range(len(x)):
            crosses = (y[k] > lat) != (y2[k] > lat)
            if crosses.any():
                at = (x2[k] - x[k]) * (lat - y[k]) / (y2[k] - y[k] if y2[k] != y[k] else 1e-12) + x[k]
                odd ^= crosses & (lon < at)
    return odd


@dataclass(frozen=True, slots=True)
class Area:
    """One county-level area while it was valid."""

    code: str
    name: str
    since: date
    until: date | None
    rings: tuple[Floats, ...]

    def valid(self, day: date) -> bool:
        """Whether the area is there on a day."""
        return self.since <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Areas:
    """All areas that ever were; how many are valid depends on the day."""

    all: tuple[Area, ...]

    @classmethod
    def read(cls, file: Path) -> Areas:
        """The areas of a geojson file with ``code``, ``name``, ``valid_from`` and ``valid_to``."""
        found = []
        for feature in json.loads(file.read_text("utf-8"))["features"]:
            shape, told = feature["geometry"], feature["properties"]
            polygons = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
            rings = tuple(np.array(ring, dtype=np.float64) for polygon in polygons for ring in polygon)
            until = told["valid_to"]
            found.append(
                Area(
                    told["code"],
                    told["name"],
                    date.fromisoformat(told["valid_from"]),
                    date.fromisoformat(until) if until else None,
                    rings,
                )
            )
        return cls(tuple(found))

    def at(self, day: date) -> list[Area]:
        """The areas that are valid on a day."""
        return [area for area in self.all if area.valid(day)]

    def of(self, lon: Floats, lat: Floats, day: date) -> list[Area | None]:
        """For each point the area it lies in on a day."""
        found: list[Area | None] = [None] * len(lon)
        for area in self.at(day):
            for number in np.flatnonzero(_inside(area.rings, lon, lat)):
                found[number] = found[number] or area
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """Something beside a road: the edge it stands at, how far along (0 to 1), its foot on the road and itself."""

    edge: int
    along: float
    foot: tuple[float, float]
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class Plot:
    """Land beside a road on which something may stand, and the area in which it lies on the first day."""

    place: Place
    area: Area


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone that hazardous goods may not enter while it is closed; it lies around one crossing."""

    id: str
    name: str
    closed: str
    node: int
    ring: Floats

    def inside(self, lon: Floats, lat: Floats) -> Bools:
        """Which points lie in it."""
        return _inside([self.ring], lon, lat)

    def shut(self, minute: Floats) -> Bools:
        """At which minutes (of any day) it is closed."""
        if self.closed == "always":
            return np.ones(np.shape(minute), dtype=np.bool_)
        begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in self.closed.split("-"))
        clock = np.mod(minute, 1440)
        return (clock >= begin) & (clock < end) if begin < end else (clock >= begin) | (clock < end)


@dataclass(frozen=True, slots=True)
class Route:
    """A way: its vertices, the metres from its start and the minutes at ordinary speed at which each is reached.

    ``dark`` tells for each stretch (one fewer than vertices) whether satellites are hidden, ``mute`` whether there is
    no mobile network.
    """

    lon: Floats
    lat: Floats
    metres: Floats
    minutes: Floats
    dark: Bools
    mute: Bools


@dataclass
class Roads:
    """The net: crossings, edges with bends, and the shortest way between any two crossings for three kinds of trip.

    ``ways`` 0 avoids every closed zone, 1 only those that are always closed, 2 none.
    """

    lon: Floats
    lat: Floats
    edges: Ints  # (n, 2) crossings
    bends: Floats  # (n, 6, 2) positions, both ends included
    marks: Floats  # (n, 6) how far along each bend is, 0 to 1
    length: Floats
    speed: Floats  # metres a minute
    dark: Bools
    mute: Bools
    cost: Floats  # minutes from end to end
    zones: tuple[Zone, ...]
    towns: Mapping[int, tuple[str, str]]
    time: list[Floats] = field(default_factory=list)
    step: list[Ints] = field(default_factory=list)
    _edge: dict[tuple[int, int], int] = field(default_factory=dict)
    _routes: dict[tuple[int, int, int, int], Route] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)

    @classmethod
    def build(cls, seed: int, areas: Areas, day: date) -> Roads:
        """The roads of a city of ``seed`` whose areas are those of ``day``."""
        rng = numbers(seed, "roads")
        lon, lat, edges, grade = _net(rng, areas.at(day))
        count = len(lon)
        towns = {}
        for number, (name, x, y, code) in enumerate(_TOWNS):
            near = int(np.argmin(metres(lon[:count], lat[:count], x, y)))
            lon, lat = np.append(lon, x), np.append(lat, y)
            edges = np.vstack([edges, [near, count + number]])
            grade = np.append(grade, 2)
            towns[count + number] = (name, code)
        bends = _bends(rng, lon, lat, edges)
        pieces = metres(bends[:, :-1, 0], bends[:, :-1, 1], bends[:, 1:, 0], bends[:, 1:, 1])
        length = pieces.sum(axis=1)
        marks = np.concatenate([np.zeros((len(edges), 1)), np.cumsum(pieces, axis=1) / length[:, None]], axis=1)
        speed = np.array([800.0, 1000.0, 1200.0])[grade] * rng.uniform(0.9, 1.1, len(edges))
        inner = grade < 2
        dark, mute = np.zeros(len(edges), np.bool_), np.zeros(len(edges), np.bool_)
        hidden = rng.permutation(np.flatnonzero(inner))
        dark[hidden[: max(3, len(hidden) // 40)]] = True
        mute[hidden[-max(4, len(hidden) // 25) :]] = True
        roads = cls(lon, lat, edges, bends, marks, length, speed, dark, mute, length / speed, (), towns)
        roads._edge = {(int(a), int(b)): n for n, (a, b) in enumerate(edges)}
        roads.zones = _zones(rng, roads, areas, day)
        closed = {zone.node for zone in roads.zones}
        always = {zone.node for zone in roads.zones if zone.closed == "always"}
        for avoided in (closed, always, set[int]()):
            time, step = roads._shortest(avoided)
            roads.time.append(time)
            roads.step.append(step)
        return roads

    def _shortest(self, avoided: set[int]) -> tuple[Floats, Ints]:
        """Minutes between every two crossings and the first crossing on the way (Floyd and Warshall)."""
        count = len(self.lon)
        time = np.full((count, count), _FAR)
        step = np.full((count, count), -1, dtype=np.int64)
        for (a, b), cost in zip(self.edges, self.cost, strict=True):
            if int(a) not in avoided and int(b) not in avoided:
                time[a, b] = time[b, a] = cost
                step[a, b], step[b, a] = b, a
        np.fill_diagonal(time, 0)
        for middle in range(count):
            if middle in avoided:
                continue
            through = time[:, middle, None] + time[None, middle, :]
            better = through < time - 1e-9
            np.copyto(time, through, where=better)
            np.copyto(step, step[:, middle, None], where=better)
        return time, step

    def plots(self, rng: np.random.Generator, areas: Areas, day: date) -> list[Plot]:
        """Plots of land beside inner roads, those at the parks first and the remotest last."""
        closed = {zone.node for zone in self.zones} | set(self.towns)
        free = [n for n in range(len(self.edges)) if not closed & set(map(int, self.edges[n]))]
        parks = self.bends[rng.choice(free, max(4, len(free) // 30), replace=False), 3]
        ranked, spots = [], []
        for n in free:
            middle = self.bends[n, 3]
            away = float(metres(parks[:, 0], parks[:, 1], middle[0], middle[1]).min())
            for slot in range(int(self.length[n] // _SLOT)):
                along = (slot + 0.5) * _SLOT / float(self.length[n])
                offset = float(rng.uniform(130, 230)) * (1 if slot % 2 else -1)
                ranked.append(away / 4000 + float(rng.exponential(1.2)))
                spots.append(self._aside(n, along, offset))
        lon, lat = np.array([spot.lon for spot in spots]), np.array([spot.lat for spot in spots])
        found = areas.of(lon, lat, day)
        order = np.argsort(np.array(ranked), kind="stable")
        return [Plot(spots[n], area) for n in order if (area := found[n]) is not None]

    def keep(self, place: Place) -> int:
        """Take a place into the list of places; its number."""
        self.places.append(place)
        return len(self.places) - 1

    def _aside(self, edge: int, along: float, offset: float) -> Place:
        """The place ``offset`` metres beside a point of an edge."""
        lon, lat = self._on(edge, along)
        (x, y), (x2, y2) = self.bends[edge, 0], self.bends[edge, -1]
        east, north = (x2 - x) * LON_METRES, (y2 - y) * LAT_METRES
        size = float(np.hypot(east, north))
        return Place(
            edge,
            along,
            (lon, lat),
            round(float(lon - north / size * offset / LON_METRES), 6),
            round(float(lat + east / size * offset / LAT_METRES), 6),
        )

    def town_place(self, node: int, rng: np.random.Generator) -> Place:
        """A place near a town beyond."""
        edge = next(n for n, ends in enumerate(self.edges) if node in ends)
        side = float(rng.uniform(250, 900)) * (1 if rng.random() < 0.5 else -1)
        return self._aside(edge, float(rng.uniform(0.93, 0.985)), side)

    def _on(self, edge: int, along: float) -> tuple[float, float]:
        marks, points = self.marks[edge], self.bends[edge]
        k = min(max(int(np.searchsorted(marks, along)) - 1, 0), len(marks) - 2)
        part = (along - marks[k]) / (marks[k + 1] - marks[k])
        x, y = points[k] + (points[k + 1] - points[k]) * part
        return float(x), float(y)

    def minutes(self, a: int, b: int, way: int = 0, via: int = -1) -> float:
        """Minutes at ordinary speed from place ``a`` to place ``b`` (numbers in ``places``), without drawing the way."""
        one, other = self.places[a], self.places[b]
        if one.edge == other.edge and via < 0:
            return abs(one.along - other.along) * float(self.cost[one.edge]) + 2.0
        return self._ends(one, other, way, via)[0] + 2.0

    def route(self, a: int, b: int, way: int = 0, via: int = -1) -> Route:
        """The way from place ``a`` to place ``b``, through the crossing ``via`` if it is one."""
        key = (a, b, way, via)
        if key not in self._routes:
            if len(self._routes) >= _REMEMBERED:
                self._routes.clear()
            self._routes[key] = self._drawn(self.places[a], self.places[b], way, via)
        return self._routes[key]

    def _ends(self, a: Place, b: Place, way: int, via: int) -> tuple[float, int, int]:
        """The least minutes from one place to another, and by which end of its edge each is left and reached."""
        time = self.time[way]
        best = (_FAR, 0, 0)
        for i in (0, 1):
            node = self.edges[a.edge, i]
            out = self.cost[a.edge] * (a.along if i == 0 else 1 - a.along)
            for j in (0, 1):
                other = self.edges[b.edge, j]
                between = time[node, other] if via < 0 else time[node, via] + time[via, other]
                into = self.cost[b.edge] * (b.along if j == 0 else 1 - b.along)
                best = min(best, (float(out + between + into), i, j))
        return best

    def _drawn(self, a: Place, b: Place, way: int, via: int) -> Route:
        """The way as points: every point between the two feet is a bend of an edge (number × 6 + its place there)."""
        bends: list[int] = []
        hidden: list[bool] = []
        if a.edge == b.edge and via < 0:
            bends += self._between(a.edge, a.along, b.along)
            hidden += [False] * len(bends)
        else:
            _, i, j = self._ends(a, b, way, via)
            bends += [*self._between(a.edge, a.along, float(i)), a.edge * 6 + 5 * i]
            hidden += [False] * len(bends)
            here, last = int(self.edges[a.edge, i]), int(self.edges[b.edge, j])
            for aim in (via, last) if via >= 0 else (last,):
                while here != aim:
                    after = int(self.step[way][here, aim])
                    edge = self._edge.get((here, after))
                    if edge is not None:
                        bends += range(edge * 6 + 1, edge * 6 + 6)
                        hidden += (False, True, True, True, False)
                    else:
                        edge = self._edge[after, here]
                        bends += range(edge * 6 + 4, edge * 6 - 1, -1)
                        hidden += (False, True, True, True, False)
                    here = after
            rest = self._between(b.edge, float(j), b.along)
            bends += rest
            hidden += [False] * len(rest)
        which = np.array(bends, dtype=np.int64)
        at = np.concatenate([[(a.lon, a.lat), a.foot], self.bends.reshape(-1, 2)[which], [b.foot, (b.lon, b.lat)]])
        on = np.concatenate([[a.edge], which // 6, [b.edge, b.edge]])
        run = metres(at[:-1, 0], at[:-1, 1], at[1:, 0], at[1:, 1]) + 0.01
        speed = self.speed[on]
        speed[0] = speed[-1] = 250.0
        return Route(
            at[:, 0],
            at[:, 1],
            np.concatenate([[0.0], np.cumsum(run)]),
            np.concatenate([[0.0], np.cumsum(run / speed)]),
            self.dark[on] & np.array([False, *hidden, False, False]),
            self.mute[on] & np.array([False, *([True] * len(hidden)), False, False]),
        )

    def _between(self, edge: int, begin: float, end: float) -> list[int]:
        """The bends of an edge strictly between two marks, in the order in which they are passed."""
        marks = self.marks[edge]
        inner = [edge * 6 + k for k in range(6) if min(begin, end) < marks[k] < max(begin, end)]
        return inner if end > begin else inner[::-1]

    def zones_geojson(self) -> dict[str, Any]:
        """The closed zones as the test city's ``zones.geojson``."""
        return {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"id": zone.id, "name": zone.name, "closed": zone.closed, "goods": "hazardous"},
                    "geometry": {
                        "type": "Polygon",
                        "coordinates": [[[round(float(x), 6), round(float(y), 6)] for x, y in zone.ring]],
                    },
                }
                for zone in self.zones
            ],
        }


def _net(rng: np.random.Generator, areas: Sequence[Area]) -> tuple[Floats, Floats, Ints, Ints]:
    """Crossings inside the areas, edges between neighbours that stay inside, their grade (0 lesser, 1 arterial)."""
    rings = [ring for area in areas for ring in area.rings]
    west, south = (min(float(ring[:, axis].min()) for ring in rings) for axis in (0, 1))
    east, north = (max(float(ring[:, axis].max()) for ring in rings) for axis in (0, 1))
    columns, rows = int((east - west) / _STEP[0]) + 1, int((north - south) / _STEP[1]) + 1
    column, row = (part.ravel() for part in np.meshgrid(np.arange(columns), np.arange(rows)))
    lon = west + (column + 0.5 + rng.uniform(-0.2, 0.2, column.size)) * _STEP[0]
    lat = south + (row + 0.5 + rng.uniform(-0.2, 0.2, row.size)) * _STEP[1]

    def within(x: Floats, y: Floats) -> Bools:
        hit = np.zeros(x.shape, dtype=np.bool_)
        for area in areas:
            hit |= _inside(area.rings, x, y)
        return hit

    there = within(lon, lat)
    pairs, grade = [], []
    for dx, dy in ((1, 0), (0, 1)):
        other = (row + dy) * columns + column + dx
        possible = np.flatnonzero((column + dx < columns) & (row + dy < rows))
        possible = possible[there[possible] & there[other[possible]]]
        ok = np.ones(len(possible), dtype=np.bool_)
        for part in (0.25, 0.5, 0.75):
            ok &= within(
                lon[possible] * (1 - part) + lon[other[possible]] * part,
                lat[possible] * (1 - part) + lat[other[possible]] * part,
            )
        big = (row[possible] % 3 == 0) if dx else (column[possible] % 3 == 0)
        ok &= big | (rng.random(len(possible)) > 0.12)  # not every lesser road was built
        pairs.append(np.stack([possible, other[possible]], axis=1)[ok])
        grade.append(big[ok].astype(np.int64))
    edges, grades = np.concatenate(pairs), np.concatenate(grade)
    label = _parts(edges, column.size)
    biggest = int(np.argmax(np.bincount(label[edges[:, 0]])))
    kept = label[edges[:, 0]] == biggest
    used = np.unique(edges[kept])
    number = np.full(column.size, -1, dtype=np.int64)
    number[used] = np.arange(len(used))
    return lon[used], lat[used], number[edges[kept]], grades[kept]


def _parts(edges: Ints, count: int) -> Ints:
    """For each crossing the least crossing that can be reached from it."""
    label = np.arange(count)
    while True:
        least = np.minimum(label[edges[:, 0]], label[edges[:, 1]])
        before = label.copy()
        np.minimum.at(label, edges[:, 0], least)
        np.minimum.at(label, edges[:, 1], least)
        if np.array_equal(before, label):
            return label


def _connected(edges: Ints, count: int, without: set[int]) -> bool:
    """Whether every crossing can reach every other one without those."""
    gone = np.zeros(count, dtype=np.bool_)
    gone[sorted(without)] = True
    label = _parts(edges[~(gone[edges[:, 0]] | gone[edges[:, 1]])], count)
    return len(np.unique(label[~gone])) == 1


def _bends(rng: np.random.Generator, lon: Floats, lat: Floats, edges: Ints) -> Floats:
    """Each edge as six points: straight, with some metres to the left and right."""
    part = np.linspace(0, 1, 6)
    a, b = edges[:, 0], edges[:, 1]
    x = lon[a, None] * (1 - part) + lon[b, None] * part
    y = lat[a, None] * (1 - part) + lat[b, None] * part
    sway = np.sin(part * np.pi) * rng.normal(0, 160, (len(edges), 1)) + np.sin(2 * np.pi * part) * rng.normal(
        0, 90, (len(edges), 1)
    )
    east, north = (lon[b] - lon[a]) * LON_METRES, (lat[b] - lat[a]) * LAT_METRES
    size = np.hypot(east, north)
    x = x - (north / size)[:, None] * sway / LON_METRES
    y = y + (east / size)[:, None] * sway / LAT_METRES
    return np.stack([x, y], axis=2)


def _zones(rng: np.random.Generator, roads: Roads, areas: Areas, day: date) -> tuple[Zone, ...]:
    """Five zones around crossings of four roads, far from one another; what is left of the net stays connected."""
    inner = np.setdiff1d(np.arange(len(roads.lon)), np.array(sorted(roads.towns)))
    degree = np.bincount(roads.edges.ravel(), minlength=len(roads.lon))
    beside_town = {int(n) for edge in roads.edges for n in edge if set(map(int, edge)) & set(roads.towns)}
    chosen: list[int] = []
    for node in rng.permutation(inner[degree[inner] == 4]):
        if int(node) in beside_town or any(
            metres(roads.lon[node], roads.lat[node], roads.lon[other], roads.lat[other]) < 14_000 for other in chosen
        ):
            continue
        if _connected(roads.edges, len(roads.lon), {*chosen, int(node)}):
            chosen.append(int(node))
        if len(chosen) == len(_ZONE_NAMES):
            break
    at = areas.of(roads.lon[chosen], roads.lat[chosen], day)
    found = []
    for number, (node, area) in enumerate(zip(chosen, at, strict=True)):
        angle = np.linspace(0, 2 * np.pi, 13)[:-1]
        radius = 1300 * rng.uniform(0.8, 1.2, 12)
        ring = np.stack(
            [
                roads.lon[node] + radius * np.cos(angle) / LON_METRES,
                roads.lat[node] + radius * np.sin(angle) / LAT_METRES,
            ],
            axis=1,
        )
        found.append(
            Zone(
                f"Z{number + 1:02d}",
                f"{area.name if area else '市区'}{_ZONE_NAMES[number]}",
                _ZONE_HOURS[number],
                node,
                np.round(np.vstack([ring, ring[:1]]), 6),
            )
        )
    return tuple(found)


def gcj02(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """WGS84 as GCJ-02, the offset Chinese datum (the published approximation of its formula)."""
    a, ee = 6_378_245.0, 0.006_693_421_622_965_943
    x, y = lon - 105.0, lat - 35.0
    wave = (20 * np.sin(6 * x * np.pi) + 20 * np.sin(2 * x * np.pi)) * 2 / 3
    dlat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x)) + wave
    dlat += (20 * np.sin(y * np.pi) + 40 * np.sin(y / 3 * np.pi)) * 2 / 3
    dlat += (160 * np.sin(y / 12 * np.pi) + 320 * np.sin(y * np.pi / 30)) * 2 / 3
    dlon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x)) + wave
    dlon += (20 * np.sin(x * np.pi) + 40 * np.sin(x / 3 * np.pi)) * 2 / 3
    dlon += (150 * np.sin(x / 12 * np.pi) + 300 * np.sin(x / 30 * np.pi)) * 2 / 3
    flat = np.radians(lat)
    magic = 1 - ee * np.sin(flat) ** 2
    dlat = dlat * 180 / (a * (1 - ee) / (magic * np.sqrt(magic)) * np.pi)
    dlon = dlon * 180 / (a / np.sqrt(magic) * np.cos(flat) * np.pi)
    return lon + dlon, lat + dlat
