"""What an application declares to have vehicles followed, and the datasets that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cityheart.engine.tracks.parameters import Parameters
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text, text
from cityheart.share.contracts import Contract

__all__ = ["KINDS", "Sites", "Tracking", "columns_of", "contracts_of"]

KINDS = ("stay", "trip", "visit")


@dataclass(frozen=True, slots=True)
class Sites:
    """Places that are points or have a boundary (WGS84, polygons as WKT) in a dataset; ``within_m`` from them is there."""

    dataset: str
    id: str
    boundary: str | None = None
    within_m: float = 200.0


@dataclass(frozen=True, slots=True)
class Tracking:
    """Vehicles of one dataset to be followed.

    ``name``: of the derived datasets, ``<name>_stay``, ``<name>_trip``, ``<name>_visit``. ``key``: the column that names
    the vehicle, ``load`` (0 empty, above 0 loaded) and ``valid`` those of the load and of good positions. ``zones``: a
    GeoJSON file in the city's folder with areas whose visits are told; a city without the file has none.
    """

    name: str
    title: Text
    dataset: str
    key: str
    load: str | None = None
    valid: str | None = None
    zones: str | None = None
    sites: Sites | None = None
    parameters: Parameters = field(default_factory=Parameters)

    @property
    def id(self) -> str:
        """Under which its progress is kept."""
        return f"tracks.{self.name}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The derived datasets, in the order of ``KINDS``."""
        return tuple(f"{self.name}_{kind}" for kind in KINDS)


_Column = tuple[str, str, Text, str | None]  # name, type, title, unit

_SINCE: _Column = ("since", "datetime", text("起", "From"), None)
_UNTIL: _Column = ("until", "datetime", text("止（未结束时为最近一次）", "To; the latest known while it goes on"), None)
_POSITION: tuple[_Column, ...] = (
    ("lon", "number", text("经度", "Longitude"), "°"),
    ("lat", "number", text("纬度", "Latitude"), "°"),
)
_COMMON: tuple[_Column, ...] = (
    ("load_before", "integer", text("开始时载重", "Load at the beginning"), None),
    ("load_after", "integer", text("结束时载重", "Load at the end"), None),
    ("loaded_s", "number", text("载货时间", "Time with a load"), "s"),
    ("half_s", "number", text("其中半载时间（载重 1）", "Of it with a load of 1, half loaded"), "s"),
    ("empty_s", "number", text("空载时间", "Time without a load"), "s"),
    ("fixes", "integer", text("定位数", "Fixes"), None),
    ("noise", "integer", text("剔除的噪声定位数", "Fixes left out as noise"), None),
    ("silence_s", "number", text("最长静默", "Longest silence"), "s"),
    (
        "state",
        "string",
        text("状态：open 进行中，closed 已结束，withdrawn 已撤回", "State: open, closed, withdrawn"),
        None,
    ),
    ("ended", "string", text("如何结束：moved_on、silence、jump", "How it ended: moved_on, silence, jump"), None),
)
_OWN: Mapping[str, tuple[_Column, ...]] = {
    "stay": (*_POSITION, ("radius_m", "number", text("最远偏离", "Farthest fix from the middle"), "m")),
    "trip": (
        ("from_lon", "number", text("起点经度", "Longitude of the beginning"), "°"),
        ("from_lat", "number", text("起点纬度", "Latitude of the beginning"), "°"),
        ("to_lon", "number", text("终点经度", "Longitude of the end"), "°"),
        ("to_lat", "number", text("终点纬度", "Latitude of the end"), "°"),
        ("distance_m", "number", text("行程", "Way"), "m"),
        ("fastest_kmh", "number", text("最高平均速度（两点间）", "Highest speed between two fixes"), "km/h"),
        ("path", "string", text("简化轨迹（结束后）", "Its way in at most 24 points, when it is over"), None),
    ),
    "visit": (
        ("layer", "string", text("场所类别：site 厂址，zone 区域", "What it is a visit to: site, zone"), None),
        ("place", "string", text("场所编号", "Place"), None),
        *_POSITION,
        ("distance_m", "number", text("与场所的距离", "Distance from the place"), "m"),
        ("deepest_m", "number", text("深入区域的最远距离", "How far inside the area, at most"), "m"),
        ("deep_fixes", "integer", text("明确在区域内的定位数", "Fixes clearly inside the area"), None),
        ("path", "string", text("区域内的简化轨迹", "Its way inside an area in at most 24 points"), None),
    ),
}
_TITLES: Mapping[str, Text] = {
    "stay": text("停留", "stays"),
    "trip": text("行程", "trips"),
    "visit": text("到访", "visits"),
}
_KEYS: Mapping[str, tuple[str, ...]] = {"stay": (), "trip": (), "visit": ("layer", "place")}


def columns_of(kind: str) -> list[_Column]:
    """The columns of a derived dataset beside the vehicle: name, type, title, unit."""
    return [_SINCE, _UNTIL, *_OWN[kind], *_COMMON]


def contracts_of(tracking: Tracking, source: Contract) -> tuple[Contract, ...]:
    """The contracts of the derived datasets: owner, sharing and class are those of the dataset they come from.

    Raises :class:`Invalid` when that has no such columns or no position.
    """
    columns = {each.name: each for each in source.stored}
    spec = source.spec()
    if spec.lon is None or spec.lat is None:
        raise Invalid(f"tracks {tracking.name}: {source.name} has no position", remedy="give it one in its contract")
    for name in (tracking.key, tracking.load, tracking.valid):
        if name is not None and name not in columns:
            raise Invalid(f"tracks {tracking.name}: {source.name} has no column {name}")
    vehicle = columns[tracking.key]
    if vehicle.type != "string":
        raise Invalid(f"tracks {tracking.name}: {tracking.key} is {vehicle.type}", remedy="name vehicles by text")
    key_title = vehicle.title or text(vehicle.name, vehicle.name)
    return tuple(
        _contract(tracking, source, kind, [(tracking.key, "string", key_title, None), *columns_of(kind)])
        for kind in KINDS
    )


def _contract(tracking: Tracking, source: Contract, kind: str, columns: Sequence[_Column]) -> Contract:
    key = [tracking.key, *_KEYS[kind], "since"]
    position = {"lon": "to_lon", "lat": "to_lat"} if kind == "trip" else {"lon": "lon", "lat": "lat"}
    fields = [
        {"name": name, "type": form, "title": title}
        | ({"unit": unit} if unit else {})
        | ({"constraints": {"required": True}} if name in (*key, "until", "state") else {})
        for name, form, title, unit in columns
    ]
    title = {
        language: f"{tracking.title[language]}{':' if language == 'en' else '：'}{' ' if language == 'en' else ''}{what}"
        for language, what in _TITLES[kind].items()
    }
    section = {
        "owner": source.owner,
        "time": "since",
        "zone": source.zone,
        "position": {**position, "datum": "WGS84"},
        "sharing": source.sharing,
        "classification": source.classification,
        "purpose": source.purpose or text("由定位推算", "Worked out from positions"),
        "unchanged": "keep",
    }
    document = {
        "name": f"{tracking.name}_{kind}",
        "title": title,
        "description": text(f"由 {source.name} 随到随算。", f"Worked out from {source.name} as it lands."),
        "schema": {"fields": fields, "primaryKey": key},
        "cityheart": section,
    }
    return Contract.parse(document, where=f"tracks {tracking.name}")
