"""What a section of a page may hold: one shape for each kind, checked before it leaves, whoever made it.

``checked`` takes what a function gives, or what the SQL of a declaration was made into, and returns it as the console
reads it. What does not fit is the application's mistake and is said with the place in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Literal, cast

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.sdk.page import Section
from cityheart.sdk.shapes import Line, Link, Threshold
from cityheart.watch.models import plain as _plain

__all__ = ["ALLOWED", "checked", "from_rows", "lines", "thresholds"]

Words = dict[str, str]
Cell = bool | int | float | str | Words | None
Point = tuple[str, float | None]
Take = Callable[[str], list[object]]


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class _Fact(_Content):
    label: Words
    value: Cell
    unit: str | None = None
    kind: str | None = None
    digits: int | None = None
    link: Link | None = None
    id: str | None = None
    dataset: str | None = None
    at: str | None = None


class _Facts(_Content):
    type: Literal["facts"]
    items: list[_Fact]
    note: Words | None = None


class _Column(_Content):
    name: str
    title: Words
    unit: str | None = None
    kind: Literal["text", "number", "time", "day", "level", "share"] | None = None
    digits: int | None = None
    link: Link | None = None
    hidden: bool = False


class _Table(_Content):
    type: Literal["table"]
    title: Words | None = None
    columns: list[_Column]
    rows: list[list[Cell]]
    note: Words | None = None

    @model_validator(mode="after")
    def _even(self) -> _Table:
        width = len(self.columns)
        if any(len(row) != width for row in self.rows):
            raise ValueError(f"a row does not have {width} cells")
        names = {one.name for one in self.columns}
        for column in self.columns:
            link = column.link
            wanted = set() if link is None else {*link.set.values(), *([link.column] if link.column else [])}
            if wanted - names:
                raise ValueError(f"the link of {column.name} takes {min(wanted - names)}, which is no column")
        return self


class _Rows(_Content):
    type: Literal["rows"]
    title: Words
    dataset: str
    source: str
    known_at: str | None = None
    columns: list[str]
    rows: list[list[Cell]]


class _SeriesLine(_Content):
    name: Words
    points: list[Point]
    style: str = "observed"


class _Threshold(_Content):
    name: Words
    value: float


class _Series(_Content):
    type: Literal["series"]
    title: Words | None = None
    unit: str = ""
    series: list[_SeriesLine]
    thresholds: list[_Threshold] = []
    band: dict[Literal["low", "high"], list[Point]] | None = None
    note: Words | None = None


class _Bar(_Content):
    label: Words | str
    value: float | None
    low: float | None = None
    high: float | None = None
    level: Annotated[int, Field(ge=1, le=4)] | None = None
    id: str | None = None


class _Bars(_Content):
    type: Literal["bar"]
    unit: str = ""
    bars: list[_Bar]
    thresholds: list[_Threshold] = []
    link: Link | None = None
    note: Words | None = None


class _Stage(_Content):
    id: str
    title: Words


class _Node(_Content):
    id: str
    label: Words | str
    stage: str
    department: str | None = None
    value: float | None = None
    link: Link | None = None
    link_id: str | None = None


class _Way(_Content):
    origin: str = Field(alias="from")
    to: str
    t: float | None
    error_t: float | None = None
    source: str | None = None
    level: Annotated[int, Field(ge=1, le=4)] | None = None


class _Flow(_Content):
    type: Literal["flow"]
    unit: str = "t"
    stages: list[_Stage] = []
    nodes: list[_Node]
    links: list[_Way]
    note: Words | None = None

    @model_validator(mode="after")
    def _joined(self) -> _Flow:
        known = {one.id for one in self.nodes}
        lost = {end for one in self.links for end in (one.origin, one.to)} - known
        if lost:
            raise ValueError(f"a link has the end {min(lost)}, which is no node")
        if len(known) != len(self.nodes):
            raise ValueError("two nodes have one id")
        return self


class _Holding(_Content):
    source: str
    dataset: str | None = None
    state: str | None = None
    rows: int | None = None
    quarantined: int | None = None
    freshness_seconds: float | None = None


class _System(_Content):
    title: Words
    department: str
    department_title: Words
    stages: list[str]
    page: str | None = None
    state: str | None = None
    rows: int | None = None
    quarantined: int | None = None
    freshness_seconds: float | None = None
    sources: list[_Holding] = []


class _Stages(_Content):
    type: Literal["stages"]
    stages: list[_Stage]
    systems: list[_System]
    note: Words | None = None


class _MapPoint(_Content):
    key: str
    lon: Annotated[float, Field(ge=-180, le=180)]
    lat: Annotated[float, Field(ge=-90, le=90)]
    name: Words | str
    value: float | None = None
    level: Annotated[int, Field(ge=1, le=4)] | None = None
    at: str | None = None


class _Track(_Content):
    name: Words | str
    points: list[tuple[str, float, float] | tuple[str, float, float, float | None]]


class _Map(_Content):
    type: Literal["map"]
    unit: str = ""
    points: list[_MapPoint] = []
    tracks: list[_Track] = []
    bands: list[dict[str, object]] = []
    link: Link | None = None
    note: Words | None = None


class _Text(_Content):
    type: Literal["text"]
    text: Words


class _Part(_Content):
    title: Words | None = None
    content: Annotated[_Facts | _Table | _Rows | _Series | _Bars | _Flow | _Map | _Text, Field(discriminator="type")]


class _Group(_Content):
    type: Literal["group"]
    parts: list[_Part]


_SHAPES: dict[str, type[BaseModel]] = {
    "facts": _Facts,
    "table": _Table,
    "rows": _Rows,
    "series": _Series,
    "bar": _Bars,
    "flow": _Flow,
    "stages": _Stages,
    "map": _Map,
    "text": _Text,
    "group": _Group,
}

ALLOWED: Mapping[str, tuple[str, ...]] = {
    **{kind: (kind,) for kind in _SHAPES},
    "table": ("table", "rows"),
}
"""Which types of content a section of a kind may give; any of them may say with a text that there is nothing."""


def plain(value: object) -> object:
    """``value`` as JSON can hold it, days as 2015-12-01."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    found = _plain(value)
    return found.isoformat() if isinstance(found, date) else found


def checked(section: Section, given: object, where: str) -> dict[str, object]:
    """The content of a section as JSON. Raises :class:`Invalid` naming the place in it, :class:`TooLarge`."""
    content = plain(given)
    kind = content.get("type") if isinstance(content, dict) else None
    allowed = (*ALLOWED.get(section.kind, ()), "text")
    if kind not in allowed:
        raise Invalid(f"{where}: its function gives {kind!r}", remedy=f"give {' or '.join(allowed)}")
    try:
        found = _SHAPES[str(kind)].model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise Invalid(f"{where}: {place}: {first['msg']}", remedy="mend what the application gives") from None
    _bounded(found, where)
    return cast("dict[str, object]", found.model_dump(mode="json", by_alias=True))


def _bounded(found: BaseModel, where: str) -> None:
    if isinstance(found, _Group):
        for part in found.parts:
            _bounded(part.content, where)
    if isinstance(found, (_Table, _Rows)) and len(found.rows) > limits.PANEL_ROWS:
        raise TooLarge(f"{where}: {len(found.rows)} rows", remedy=f"at most {limits.PANEL_ROWS}: sum up, or choose")
    if isinstance(found, _Series) and sum(len(one.points) for one in found.series) > limits.SERIES_POINTS:
        raise TooLarge(f"{where}: too many points", remedy=f"at most {limits.SERIES_POINTS}")
    if isinstance(found, _Flow) and len(found.nodes) + len(found.links) > limits.FLOW_PARTS:
        raise TooLarge(f"{where}: too many nodes and links", remedy=f"at most {limits.FLOW_PARTS}")
    if isinstance(found, _Bars) and len(found.bars) > limits.BARS:
        raise TooLarge(f"{where}: {len(found.bars)} bars", remedy=f"at most {limits.BARS}: take the largest")
    if isinstance(found, _Map) and len(found.points) > limits.LAYER_FEATURES:
        raise TooLarge(f"{where}: {len(found.points)} points", remedy=f"at most {limits.LAYER_FEATURES}")


# ── from rows of SQL ───────────────────────────────────────────────────────────────────────────────────────────────


def from_rows(section: Section, rows: pa.Table, where: str) -> dict[str, object]:
    """Content of a section out of the rows of its SQL. Raises :class:`Invalid` when a column is not there."""
    if rows.num_rows > limits.PANEL_ROWS and section.kind != "series":
        raise TooLarge(f"{where}: {rows.num_rows} rows", remedy=f"at most {limits.PANEL_ROWS}: sum up, or choose")

    def column(name: str) -> list[object]:
        if name not in rows.column_names:
            raise Invalid(f"{where}: the SQL gives no column {name}", remedy=f"it gives {', '.join(rows.column_names)}")
        return [plain(cell) for cell in rows[name].to_pylist()]

    if section.kind == "facts":
        return _facts(section, rows.slice(0, 1), column)
    if section.kind == "series":
        return lines(section.unit, section.x or "", section.lines, rows, column) | {
            "thresholds": thresholds(section.thresholds),
            "note": section.note,
        }
    if section.kind == "bar":
        labels, values = column(section.x or ""), column(section.value or "")
        ids = column(section.key) if section.key in rows.column_names else [None] * len(labels)
        bars = [
            {
                "label": "—" if label is None else label if isinstance(label, dict) else str(label),
                "value": value,
                "id": id,
            }
            for label, value, id in zip(labels, values, ids, strict=True)
        ]
        return {
            "type": "bar", "unit": section.unit, "bars": bars, "link": section.link, "note": section.note,
            "thresholds": thresholds(section.thresholds),
        }  # fmt: skip
    if section.kind == "map":
        return _map(section, rows, column)
    shown = [
        {"name": one.name, "title": one.title, "unit": one.unit, "kind": one.kind, "digits": one.digits,
         "link": one.link, "hidden": one.hidden}
        for one in section.columns
    ]  # fmt: skip
    cells = [list(row) for row in zip(*(column(one.name) for one in section.columns), strict=True)]
    return {"type": "table", "columns": shown, "rows": cells, "note": section.note}


def _facts(section: Section, rows: pa.Table, take: Take) -> dict[str, object]:
    items = []
    if rows.num_rows:
        for one in section.columns:
            if one.hidden:
                continue
            link = one.link
            items.append(
                {
                    "label": one.title, "value": take(one.name)[0], "unit": one.unit, "kind": one.kind,
                    "digits": one.digits, "link": link, "dataset": one.dataset,
                    "id": None if link is None or link.column is None else str(take(link.column)[0]),
                    "at": None if one.at is None else take(one.at)[0],
                }
            )  # fmt: skip
    return {"type": "facts", "items": items, "note": section.note}


def _map(section: Section, rows: pa.Table, take: Take) -> dict[str, object]:
    keys, lons, lats = take(section.key), take(section.lon), take(section.lat)
    names = take(section.name) if section.name in rows.column_names else keys
    values = take(section.value) if section.value else [None] * len(keys)
    points = [
        {"key": str(key), "lon": lon, "lat": lat, "name": str(name), "value": value}
        for key, lon, lat, name, value in zip(keys, lons, lats, names, values, strict=True)
        if lon is not None and lat is not None
    ]
    bands = [{"from": b.low, "to": b.high, "label": b.label, "colour": b.colour} for b in section.bands]
    return {
        "type": "map", "unit": section.unit, "points": points, "bands": bands, "link": section.link, "note": section.note
    }  # fmt: skip


def lines(unit: str, x: str, declared: Sequence[Line], rows: pa.Table, take: Take) -> dict[str, object]:
    """A series out of rows: one line for each that is declared, over the times of column ``x``."""
    moments = take(x)
    order = sorted((at for at, moment in enumerate(moments) if moment is not None), key=lambda at: str(moments[at]))
    found = []
    for line in declared:
        values = take(line.column)
        points = [[moments[at], values[at]] for at in order]
        found.append({"name": line.name, "points": points, "style": line.style})
    return {"type": "series", "unit": unit, "series": found}


def thresholds(declared: Sequence[Threshold]) -> list[dict[str, object]]:
    """Named lines as content."""
    return [{"name": one.name, "value": one.value} for one in declared]
