"""Stays, trips and visits by their definition, slowly: the whole track is looked at, point by point, in plain Python."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import shapely

from cityheart.engine.tracks.parameters import Parameters

Fix = tuple[int, float, float]  # microseconds, degrees


@dataclass
class Matter:
    kind: str
    since: int
    until: int
    fixes: list[int]
    closed: bool = False
    ended: str | None = None
    place: int | None = None
    length: float = field(default=0.0)


def apart(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres, by the haversine formula."""
    (x1, y1), (x2, y2) = (tuple(map(math.radians, each)) for each in (a, b))
    h = math.sin((y2 - y1) / 2) ** 2 + math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(h))


def pieces(fixes: list[Fix], p: Parameters) -> list[list[Fix]]:
    """The fixes without noise, cut where the vehicle was suddenly elsewhere."""
    found: list[list[Fix]] = [[]]
    waiting: list[Fix] = []

    def possible(a: Fix, b: Fix) -> bool:
        return apart(a[1:], b[1:]) <= p.speed_kmh / 3.6 * (b[0] - a[0]) / 1e6 + p.radius_m

    for fix in fixes:
        last = found[-1][-1] if found[-1] else None
        if last is None or possible(last, fix):
            found[-1].append(fix)
            waiting = []
            continue
        waiting = [*waiting, fix] if waiting and possible(waiting[-1], fix) else [fix]
        if len(waiting) >= p.jumps:
            found.append([fix])
            waiting = []
    return [piece for piece in found if piece]


def matters(fixes: list[Fix], p: Parameters, areas: list[shapely.Polygon]) -> list[Matter]:
    """Every stay, every trip that is long enough, every visit."""
    found: list[Matter] = []
    cut = pieces(fixes, p)
    for number, piece in enumerate(cut):
        last = number == len(cut) - 1
        seen: list[tuple[int, str]] = []  # places in the piece that count, and what precedes each
        found += _stays_and_trips(piece, p, seen, last)
        found += _visits(piece, p, seen, areas, last)
    return [each for each in found if each.kind != "trip" or each.length >= p.trip_m]


def _stays_and_trips(piece: list[Fix], p: Parameters, seen: list[tuple[int, str]], last: bool) -> list[Matter]:
    stay, gap, bridge = (int(each.total_seconds() * 1e6) for each in (p.stay, p.stay_gap, p.bridge))
    found: list[Matter] = []
    way: list[Fix] = []  # of the trip under way

    def near(a: int, b: int) -> bool:
        return apart(piece[a][1:], piece[b][1:]) <= p.radius_m

    def trip(ended: str | None) -> None:
        if way:
            length = sum(apart(a[1:], b[1:]) for a, b in itertools.pairwise(way))
            found.append(Matter("trip", way[0][0], way[-1][0], [], ended is not None, ended, length=length))
            way.clear()

    i = 0
    while i < len(piece):
        j = i
        while j + 1 < len(piece) and near(i, j + 1) and piece[j + 1][0] - piece[j][0] <= gap:
            j += 1
        enough = next((k for k in range(i, j + 1) if piece[k][0] - piece[i][0] >= stay), None)
        if enough is None:
            if j + 1 == len(piece):
                seen += [(k, "") for k in range(i, j + 1)]
                if last:
                    trip(None)
                else:
                    way += piece[i:]
                    trip("jump")
                return found
            if piece[j + 1][0] - piece[j][0] > bridge:
                seen += [(k, "") for k in range(i, j + 1)] + [(j + 1, "silence")]
                way += piece[i : j + 1]
                trip("silence")
                i = j + 1
                seen.pop()
                silent = True
            else:
                way.append(piece[i])
                seen.append((i, ""))
                i += 1
                silent = False
            if silent:
                seen.append((-1, "silence"))
            continue
        way.append(piece[i])
        trip("moved_on")
        i = _stay(piece, i, enough, p, seen, found, way, last)
    if last:
        trip(None)
    else:
        trip("jump")
    return found


def _stay(
    piece: list[Fix], first: int, enough: int, p: Parameters,
    seen: list[tuple[int, str]], found: list[Matter], way: list[Fix], last: bool,
) -> int:  # fmt: skip
    """One stay from ``first`` on; returns where to go on, with the trip that follows begun."""
    gap, bridge = (int(each.total_seconds() * 1e6) for each in (p.stay_gap, p.bridge))
    inside = list(range(first, enough + 1))

    def centre() -> tuple[float, float]:
        return (sum(piece[k][1] for k in inside) / len(inside), sum(piece[k][2] for k in inside) / len(inside))

    one = Matter("stay", piece[first][0], 0, inside)
    found.append(one)
    waiting: int | None = None
    k = enough + 1
    while k < len(piece):
        silence = piece[k][0] - piece[inside[-1]][0]
        if apart(centre(), piece[k][1:]) <= p.radius_m and silence <= gap:
            inside.append(k)
            waiting = None
        elif waiting is None and silence <= bridge:
            waiting = k
        else:
            break
        k += 1
    seen += [(each, "") for each in inside]
    one.until = piece[inside[-1]][0]
    if k == len(piece):
        one.closed, one.ended = (False, None) if last else (True, "jump")
        return len(piece)
    one.closed = True
    if waiting is None:
        one.ended = "silence"
        seen.append((-1, "silence"))
        return k
    one.ended = "moved_on"
    way.append((one.until, *centre()))
    return waiting


def _visits(
    piece: list[Fix], p: Parameters, seen: list[tuple[int, str]], areas: list[shapely.Polygon], last: bool
) -> list[Matter]:
    found: list[Matter] = []
    for number, area in enumerate(areas):
        under: Matter | None = None
        for k, note in seen:
            if note == "silence":
                if under is not None:
                    under.closed, under.ended = True, "silence"
                under = None
                continue
            if area.contains(shapely.Point(piece[k][1:])):
                if under is None:
                    under = Matter("visit", piece[k][0], 0, [], place=number)
                    found.append(under)
                under.until = piece[k][0]
                under.fixes.append(k)
            elif under is not None:
                under.closed, under.ended, under = True, "moved_on", None
        if under is not None and not last:
            under.closed, under.ended = True, "jump"
    return found
