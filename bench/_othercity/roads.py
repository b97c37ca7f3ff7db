"""Roads that never were: a crooked lattice over the plane, ways through it, and drives along them with traffic lights."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, field

import numpy as np

from bench._othercity.common import HOUR, Bools, Floats, Random, inside, local, to_plane

PACE = 4.3  # km between two crossings
CLEAR = 0.45  # km that a law-abiding way keeps from a closed zone


@dataclass(frozen=True, slots=True)
class Zone:
    """A closed zone: ring on the plane in km; closed all day or within two hours of the clock."""

    id: str
    name: str
    ring: Floats
    hours: tuple[int, int] | None  # None = always

    @property
    def closed(self) -> str:
        """As the zones' file says it."""
        return "always" if self.hours is None else f"{self.hours[0]:02d}:00-{self.hours[1]:02d}:00"

    def shut(self, at: Floats) -> Bools:
        """Whether the zone is closed at the moments."""
        if self.hours is None:
            return np.ones(len(at), dtype=bool)
        clock = ((at + 8 * HOUR) % 86_400) / HOUR
        begin, end = self.hours
        return (clock >= begin) & (clock < end) if begin < end else (clock >= begin) | (clock < end)

    def shut_between(self, start: float, end: float) -> bool:
        """Whether it is closed at any time between the two, 25 minutes of margin on both sides."""
        return bool(self.shut(np.arange(start - 1500, end + 1500, 300.0)).any())

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the ring."""
        return float(self.ring[:-1, 0].mean()), float(self.ring[:-1, 1].mean())


@dataclass(frozen=True, slots=True)
class Drive:
    """One drive: seconds since its start, and the plane's x and y at them; standing at lights included."""

    t: Floats
    x: Floats
    y: Floats

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return float(self.t[-1])

    @property
    def km(self) -> float:
        """How far it goes."""
        return float(np.hypot(np.diff(self.x), np.diff(self.y)).sum())

    def then(self, other: Drive, pause: float = 0.0) -> Drive:
        """This drive, a stop at its end, then the other."""
        shift = self.seconds + pause
        return Drive(
            np.concatenate([self.t, other.t + shift]),
            np.concatenate([self.x, other.x]),
            np.concatenate([self.y, other.y]),
        )


@dataclass(slots=True)
class Roads:
    """The lattice: crossings, edges with bends and speeds, and which of them keep away from which zones."""

    nodes: Floats
    edges: dict[int, list[tuple[int, float, Floats, float]]]  # node → (other, hours, bends, km/h)
    zones: list[Zone] = field(default_factory=list)
    _middles: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    _near: dict[int, frozenset[str]] = field(default_factory=dict)
    _edge_zones: dict[tuple[int, int], frozenset[str]] = field(default_factory=dict)
    _trees: dict[tuple[int, frozenset[str]], list[int]] = field(default_factory=dict)
    _open: dict[frozenset[str], list[list[tuple[int, float]]]] = field(default_factory=dict)
    _places: dict[tuple[float, float, frozenset[str]], int] = field(default_factory=dict)

    def close(self, zones: list[Zone]) -> None:
        """Lay the zones over the lattice."""
        self.zones = zones
        self._middles = np.array([zone.centre for zone in zones])
        for node, (x, y) in enumerate(self.nodes):
            self._near[node] = self._touching(np.array([[x, y]]))
        for node, out in self.edges.items():
            for other, _, bends, _ in out:
                line = np.vstack([self.nodes[node], bends, self.nodes[other]])
                self._edge_zones[node, other] = self._touching(_dense(line, 0.2))

    def _touching(self, points: Floats) -> frozenset[str]:
        touched: set[str] = set()
        if not self.zones or np.hypot(*(self._middles - points[0]).T).min() > 12.0:
            return frozenset()
        for zone in self.zones:
            middle = np.array(zone.centre)
            reach = float(np.hypot(*(zone.ring - middle).T).max()) + CLEAR
            if (np.hypot(*(points - middle).T) < reach).any():
                touched.add(zone.id)
        return frozenset(touched)

    def avoided(self, start: float, end: float) -> frozenset[str]:
        """Zones that a lawful drive between the two moments keeps away from: all when one of the timed ones is shut."""
        timed = any(zone.hours and zone.shut_between(start, end) for zone in self.zones)
        return frozenset(zone.id for zone in self.zones if timed or not zone.hours)

    def nearest(self, point: tuple[float, float], avoid: frozenset[str]) -> int:
        """The crossing next to a point."""
        key = (*point, avoid)
        if key not in self._places:
            far = np.hypot(self.nodes[:, 0] - point[0], self.nodes[:, 1] - point[1])
            near = (int(node) for node in np.argsort(far))
            self._places[key] = next(node for node in near if not self._near.get(node, frozenset()) & avoid)
        return self._places[key]

    def _tree(self, node: int, avoid: frozenset[str]) -> list[int]:
        """Shortest ways from a crossing (Dijkstra): for each crossing the one before it."""
        key = (node, avoid)
        if key not in self._trees:
            if avoid not in self._open:
                self._open[avoid] = [
                    [(o, h) for o, h, _, _ in self.edges[n] if not self._edge_zones.get((n, o), frozenset()) & avoid]
                    for n in range(len(self.nodes))
                ]
            out = self._open[avoid]
            before, best = [-1] * len(self.nodes), [math.inf] * len(self.nodes)
            best[node] = 0.0
            queue = [(0.0, node)]
            while queue:
                cost, here = heapq.heappop(queue)
                if cost > best[here]:
                    continue
                for other, hours in out[here]:
                    if cost + hours < best[other]:
                        best[other], before[other] = cost + hours, here
                        heapq.heappush(queue, (cost + hours, other))
            self._trees[key] = before
        return self._trees[key]

    def drive(
        self, random: Random, start: tuple[float, float], end: tuple[float, float], avoid: frozenset[str] = frozenset()
    ) -> Drive:
        """A drive from point to point that keeps away from some zones."""
        first, last = self.nearest(start, avoid), self.nearest(end, avoid)
        before = self._tree(first, avoid)
        way, node = [last], last
        while node != first and before[node] >= 0:
            node = before[node]
            way.append(node)
        way.reverse()
        if math.dist(start, end) < 1.2 * PACE:
            way = way[:1] if first == last else way
        points, speeds = [np.array(start)], []
        for place, node in enumerate(way):
            if place:
                _, _, bends, speed = next(out for out in self.edges[way[place - 1]] if out[0] == node)
                points.extend(bends)
                speeds.extend([speed] * len(bends))
            points.append(self.nodes[node])
            speeds.append(30.0 if not place else speeds[-1])
        points.append(np.array(end))
        speeds.append(28.0)
        return _timed(random, np.array(points), np.array(speeds))


def _dense(line: Floats, step: float) -> Floats:
    pieces = []
    for a, b in itertools.pairwise(line):
        count = max(2, int(math.dist(a, b) / step) + 1)
        pieces.append(a + (b - a) * np.linspace(0, 1, count)[:, None])
    return np.vstack(pieces)


def _timed(random: Random, points: Floats, speeds: Floats) -> Drive:
    """Times for a line: every stretch has its own pace, a third of the bends a light of half a minute or so."""
    lengths = np.hypot(*np.diff(points, axis=0).T)
    mood = random.lognormal(0.0, 0.09)
    took = lengths / (speeds * mood * random.lognormal(0.0, 0.16, len(lengths))) * 3600.0
    waits = np.where(random.random(len(lengths)) < 0.22, random.gamma(2.0, 16.0, len(lengths)), 0.0)
    t, x, y = [0.0], [points[0, 0]], [points[0, 1]]
    for took_one, wait, (px, py) in zip(took, waits, points[1:], strict=True):
        t.append(t[-1] + max(float(took_one), 1.0))
        x.append(px)
        y.append(py)
        if wait > 8.0:
            t.append(t[-1] + float(wait))
            x.append(px)
            y.append(py)
    return Drive(np.array(t), np.array(x), np.array(y))


def lattice(random: Random) -> Roads:
    """A crooked lattice from 30 km west of the city to 20 km east of it; every sixth line is a fast road."""
    west, south = to_plane(119.85, 31.45)
    east, north = to_plane(122.15, 32.95)
    columns, rows = int((east - west) / PACE) + 1, int((north - south) / PACE) + 1
    nodes = np.zeros((columns * rows, 2))
    for i in range(columns):
        for j in range(rows):
            nodes[i * rows + j] = (west + i * PACE, south + j * PACE)
    nodes += random.normal(0.0, 0.55, nodes.shape)
    edges: dict[int, list[tuple[int, float, Floats, float]]] = {node: [] for node in range(len(nodes))}
    for i in range(columns):
        for j in range(rows):
            here = i * rows + j
            for di, dj in ((1, 0), (0, 1), (1, 1)):
                if i + di >= columns or j + dj >= rows:
                    continue
                fast = (dj == 0 and j % 6 == 2) or (di == 0 and i % 6 == 3)
                if not fast and random.random() < (0.92 if di and dj else 0.14):
                    continue
                there = (i + di) * rows + j + dj
                speed = float(random.uniform(66, 80) if fast else random.uniform(36, 58))
                a, b = nodes[here], nodes[there]
                across = np.array([-(b - a)[1], (b - a)[0]])
                bend = float(random.normal(0.0, 0.07))
                bends = np.array(
                    [a + (b - a) * s + across * bend * w for s, w in ((0.3, 0.8), (0.55, 1.0), (0.8, 0.6))]
                )
                hours = float(np.hypot(*(b - a))) * (1 + bend * bend) / speed
                edges[here].append((there, hours, bends, speed))
                edges[there].append((here, hours, bends[::-1].copy(), speed))
    return Roads(nodes, edges)


def zones(random: Random, roads: Roads, taken: Floats, names: list[str], count: int) -> list[Zone]:
    """Closed zones around crossings of fast roads that are no closer than 4.2 km to any place of work."""
    hours: list[tuple[int, int] | None] = [None, (22, 6), (7, 9), None, (17, 20), (0, 5)]
    degrees = [len(roads.edges[node]) for node in range(len(roads.nodes))]
    found: list[Zone] = []
    for node in random.permutation(len(roads.nodes)):
        x, y = roads.nodes[node]
        if degrees[node] < 3 or abs(x) > 60 or abs(y) > 36 or np.hypot(*(taken - np.array([x, y])).T).min() < 4.2:
            continue
        if found and min(math.dist(zone.centre, (x, y)) for zone in found) < 9.0:
            continue
        if np.hypot(*(taken - np.array([x, y])).T).min() > 13.0:
            continue
        angles = np.sort(random.uniform(0, 2 * np.pi, 14))
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False) + random.uniform(-0.1, 0.1, 14)
        radius = random.uniform(0.95, 1.5) * random.uniform(0.88, 1.12, 14)
        ring = np.column_stack([x + radius * np.cos(angles), y + radius * np.sin(angles)])
        number = len(found)
        shut = hours[number % len(hours)]
        title = f"{names[number % len(names)]}{'危险货物车辆禁行区' if shut is None else '危险货物车辆限时禁行区'}"
        found.append(Zone(f"JX-{number + 1:02d}", title, np.vstack([ring, ring[:1]]), shut))
        if len(found) == count:
            break
    return found


def within(zone: Zone, x: Floats, y: Floats) -> Bools:
    """Which points of the plane lie in the zone."""
    return inside(x, y, zone.ring)


def clock(at: float) -> float:
    """Hour of the local day."""
    moment = local(at)
    return moment.hour + moment.minute / 60.0
