"""Where things stand in a drawing of ours: one lane below the other, from left to right by what waits for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Box", "Picture", "Place", "lay_out"]

Point = tuple[float, float]

_SIZES: Mapping[str, tuple[int, int]] = {
    "activity": (130, 80),
    "gateway": (50, 50),
    "event": (36, 36),
}
_GAP = 50  # between two columns
_LABEL_GAP = 150  # before a column where a flow carries a condition
_ROW = 116  # from one row to the next
_HEAD = 60  # what pool and lanes take on the left for their names
_EDGE = 40


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, y downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The y of its centre."""
        return self.y + self.height / 2


@dataclass(slots=True)
class Place:
    """Something to be placed: its shape, its lane, and what leads to it (which stands before it in the list)."""

    id: str
    shape: str  # activity, gateway, event
    lane: int
    after: list[str] = field(default_factory=list)
    labelled: bool = False
    on: str | None = None  # the activity a boundary timer sits on


@dataclass(slots=True)
class Picture:
    """The finished picture: a box for each place and lane, points for each line."""

    boxes: dict[str, Box]
    lanes: list[Box]
    pool: Box
    lines: dict[tuple[str, str], list[Point]]


def lay_out(places: Sequence[Place], lanes: int) -> Picture:
    """Place everything. ``places`` are in such an order that each stands behind what leads to it."""
    columns = _columns(places)
    rows, height = _rows(places, columns, max(lanes, 1))
    lefts, widths = _lefts(places, columns)
    tops = [0.0]
    for count in height:
        tops.append(tops[-1] + count * _ROW)
    by_id = {place.id: place for place in places}
    boxes: dict[str, Box] = {}
    for place in places:
        width, tall = _SIZES[place.shape]
        if place.on is not None:
            host = boxes[place.on]
            sitting = sum(one.on == place.on for one in places[: places.index(place)])
            boxes[place.id] = Box(host.x + 20 + 40 * sitting - width / 2, host.y + host.height - tall / 2, width, tall)
            continue
        column = columns[place.id]
        middle = _EDGE + tops[place.lane] + rows[place.id] * _ROW + _ROW / 2
        boxes[place.id] = Box(lefts[column] + (widths[column] - width) / 2, middle - tall / 2, width, tall)
    right = max((box.x + box.width for box in boxes.values()), default=300) + _EDGE
    taken = {(place.lane, rows[place.id], columns[place.id]) for place in places if place.on is None}
    lines = {
        (before, place.id): _line(by_id[before], place, boxes, columns, rows, lefts, widths, taken)
        for place in places
        for before in place.after
    }
    pool = Box(_EDGE, _EDGE, right - _EDGE, tops[-1])
    inner = [Box(_EDGE + 30, _EDGE + tops[n], right - _EDGE - 30, tops[n + 1] - tops[n]) for n in range(lanes)]
    return Picture(boxes, inner, pool, lines)


def _columns(places: Sequence[Place]) -> dict[str, int]:
    columns: dict[str, int] = {}
    for place in places:
        if place.on is not None:
            columns[place.id] = columns[place.on]
        else:
            columns[place.id] = max((columns[before] + 1 for before in place.after), default=0)
    return columns


def _rows(places: Sequence[Place], columns: Mapping[str, int], lanes: int) -> tuple[dict[str, int], list[int]]:
    """The row of each place within its lane, and how many rows each lane has."""
    rows: dict[str, int] = {}
    height = [1] * lanes
    used: set[tuple[int, int, int]] = set()
    for place in places:
        if place.on is not None:
            rows[place.id] = rows[place.on] + 1
            height[place.lane] = max(height[place.lane], 1)
            continue
        same = [rows[before] for before in place.after if _lane(places, before) == place.lane]
        row = min(same, default=0)
        while (place.lane, row, columns[place.id]) in used:
            row += 1
        used.add((place.lane, row, columns[place.id]))
        rows[place.id] = row
        height[place.lane] = max(height[place.lane], row + 1)
    return rows, height


def _lane(places: Sequence[Place], id: str) -> int | None:
    found = next((place for place in places if place.id == id), None)
    return None if found is None else found.lane


def _lefts(places: Sequence[Place], columns: Mapping[str, int]) -> tuple[list[float], list[int]]:
    count = max(columns.values(), default=0) + 1
    widths, gaps = [36] * count, [_GAP] * count
    for place in places:
        if place.on is None:
            widths[columns[place.id]] = max(widths[columns[place.id]], _SIZES[place.shape][0])
            if place.labelled:
                gaps[columns[place.id]] = _LABEL_GAP
    lefts: list[float] = []
    x = float(_EDGE + _HEAD)
    for width, gap in zip(widths, gaps, strict=True):
        x += gap if lefts else 30
        lefts.append(x)
        x += width
    return lefts, widths


def _line(
    source: Place,
    target: Place,
    boxes: Mapping[str, Box],
    columns: Mapping[str, int],
    rows: Mapping[str, int],
    lefts: Sequence[float],
    widths: Sequence[int],
    taken: set[tuple[int, int, int]],
) -> list[Point]:
    """Right angles only, between the rows and columns where something is in the way."""
    here, there = boxes[source.id], boxes[target.id]
    end = (there.x, there.middle)
    turn = lefts[columns[target.id]] - 20
    if source.on is not None:  # down from a boundary timer, beside the lines of its task and of the timer before it
        second = here.x > boxes[source.on].x + 20
        low, turn = here.y + here.height + (6 if second else 14), turn - (24 if second else 12)
        middle = here.x + here.width / 2
        return _straightened([(middle, here.y + here.height), (middle, low), (turn, low), (turn, end[1]), end])
    start = (here.x + here.width, here.middle)
    between = range(columns[source.id] + 1, columns[target.id])
    if not any((source.lane, rows[source.id], column) in taken for column in between):
        return _straightened([start, (turn, start[1]), (turn, end[1]), end])
    leave = lefts[columns[source.id]] + widths[columns[source.id]] + 12
    gap = there.middle - _ROW / 2 + 9
    return _straightened([start, (leave, start[1]), (leave, gap), (turn, gap), (turn, end[1]), end])


def _straightened(points: list[Point]) -> list[Point]:
    """Without points that lie on the line between their neighbours."""
    kept: list[Point] = []
    for point in points:
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and (kept[-2][0] == kept[-1][0] == point[0] or kept[-2][1] == kept[-1][1] == point[1]):
            kept[-1] = point
        else:
            kept.append(point)
    return kept
