"""A few lorries in a small country: their positions become trips and visits as in a city, beside its books."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import shapely

import cityheart.apps.hazchem
from cityheart.engine.layout import TIMESTAMP
from cityheart.engine.tracks.areas import layer_of
from cityheart.engine.tracks.parameters import Parameters
from cityheart.engine.tracks.tracker import Columns, Tracker

FOLDER = Path(cityheart.apps.hazchem.__file__).parent
ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 3, 23, 16, tzinfo=UTC)  # midnight in the city
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
KM = 1 / 111.195  # degrees of latitude
HERE = (121.0, 32.0)
Place = tuple[float, float]


def at(east_km: float, north_km: float) -> Place:
    """A place by kilometres from the middle."""
    return HERE[0] + east_km * KM / np.cos(np.radians(32.0)), HERE[1] + north_km * KM


SITES: dict[str, Place] = {"华东化工": at(0, 0), "江海油库": at(30, 0), "通城石化": at(0, 25), "绿源处置": at(28, 20)}
JETTY = at(-12, 4)  # known by waybills alone
LONELY = at(14, -13)  # known to nobody


@dataclass
class Lorry:
    """A vehicle on its way: what it does next is told by its methods, in the order of time."""

    phone: str
    place: Place = SITES["华东化工"]
    now: datetime = START
    load: int = 0
    period: int = 30
    parked: int = 300
    seed: int = 1
    fixes: list[tuple[datetime, float, float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def see(self, place: Place, load: int | None = None, noise_m: float = 8.0) -> None:
        off = noise_m / 111_195
        self.fixes.append(
            (
                self.now,
                round(place[0] + self.dice.gauss(0, off), 6),
                round(place[1] + self.dice.gauss(0, off), 6),
                self.load if load is None else load,
            )
        )

    def stay(self, minutes: float, load: int | None = None, noise_m: float = 8.0) -> Lorry:
        """Stands so long; half-way the load becomes another."""
        end, half = self.now + minutes * MINUTE, self.now + minutes * MINUTE / 2
        while self.now < end:
            if load is not None and self.now >= half:
                self.load = load
            self.now += timedelta(seconds=min(self.parked, 120 if minutes < 60 else self.parked))
            self.see(self.place, noise_m=noise_m)
        self.load = self.load if load is None else load
        return self

    def drive(self, to: Place, kmh: float = 50.0, flicker: float = 0.0) -> Lorry:
        """Goes straight to a place; ``flicker``: how often the load sensor is wrong."""
        x, y = self.place
        km = float(np.hypot((to[0] - x) * np.cos(np.radians(32.0)), to[1] - y) / KM)
        steps = max(1, round(km / kmh * 3600 / self.period))
        for step in range(1, steps + 1):
            self.now += timedelta(seconds=self.period)
            wrong = self.dice.random() < flicker
            self.see((x + (to[0] - x) * step / steps, y + (to[1] - y) * step / steps), 3 - self.load if wrong else None)
        self.place = to
        return self

    def silent(self, minutes: float, to: Place | None = None) -> Lorry:
        """Nothing is heard."""
        self.now += minutes * MINUTE
        self.place = self.place if to is None else to
        return self

    def until(self, moment: datetime) -> Lorry:
        """Stands until then."""
        return self.stay(max(0.0, (moment - self.now) / MINUTE))

    def haul(self, begin: Place, end: Place, minutes: float = 40.0) -> Lorry:
        """Goes to be loaded, and to where it is emptied."""
        return self.drive(begin).stay(minutes, 3).drive(end).stay(minutes, 0)


def positions(lorries: Iterable[Lorry]) -> pa.Table:
    """Rows of ``transport_position`` as the follower reads them."""
    rows = [(lorry.phone, *fix) for lorry in lorries for fix in lorry.fixes]
    rows.sort(key=lambda row: row[1])
    phone, time, lon, lat, load = zip(*rows, strict=True)
    return pa.table(
        {
            "terminal_phone": phone,
            "time": pa.array(time, TIMESTAMP),
            "lon": lon,
            "lat": lat,
            "load": pa.array(load, pa.int64()),
            "valid": [True] * len(phone),
            "_known_at": pa.array([each + timedelta(seconds=2) for each in time], TIMESTAMP),
        }
    )


def versions(lorries: Iterable[Lorry], zones: bytes | None = None) -> dict[str, pa.Table]:
    """Every version of the rows of ``transport_trip``, and of the visits to zones in ``transport_visit``."""
    (declared,) = tomllib.loads((FOLDER / "tracks.toml").read_text())["tracks"]
    features = json.loads(zones or b'{"features": []}')["features"]
    layer = layer_of([shapely.from_geojson(json.dumps(each["geometry"])) for each in features])
    ids = np.array([each["properties"]["id"] for each in features], dtype=np.str_)
    columns = Columns(declared["key"], "time", "lon", "lat", declared["load"], declared["valid"])
    records = Tracker(columns, Parameters.of(declared["parameters"]), layer).run({}, positions(lorries)).records
    visits = records.visits("terminal_phone", "zone", ids)
    return {"transport_trip": records.trips("terminal_phone"), "transport_visit": visits}


def followed(lorries: Iterable[Lorry], zones: bytes | None = None, now: datetime | None = None) -> dict[str, pa.Table]:
    """``transport_trip`` and ``transport_visit`` as known at a moment, or in the end."""
    return as_known(versions(lorries, zones), now or datetime.max.replace(tzinfo=UTC))


def as_known(versions: Mapping[str, pa.Table], now: datetime) -> dict[str, pa.Table]:
    """Of all that was ever said the newest that was known at a moment."""
    found = {}
    for name, rows in versions.items():
        known = rows.filter(pa.compute.less_equal(rows["_known_at"], pa.scalar(now, TIMESTAMP)))
        found[name] = newest(known, [key for key in ("terminal_phone", "place", "since") if key in known.column_names])
    return found


def newest(rows: pa.Table, key: list[str]) -> pa.Table:
    keys = list(zip(*(rows[name].to_pylist() for name in key), strict=True))
    last = {each: place for place, each in enumerate(keys)}
    return rows.take(pa.array(sorted(last.values()), pa.int64()))


def waybill(
    number: str, plate: str, begin: Place, end: Place, departure: datetime, hours: float = 1.0, **more: object
) -> dict[str, object]:
    """A row of ``transport_waybill``."""
    named = {place: name for name, place in SITES.items()}
    return {
        "waybill_no": number,
        "plate": plate,
        "trailer_plate": None,
        "load_site": named.get(begin, "码头"),
        "load_lon": begin[0],
        "load_lat": begin[1],
        "unload_site": named.get(end, "码头"),
        "unload_lon": end[0],
        "unload_lat": end[1],
        "planned_departure": departure,
        "planned_arrival": departure + hours * HOUR,
        "loaded_at": None,
        "unloaded_at": None,
        "status": "完成",
        "updated_at": departure + hours * HOUR,
        **more,
    }


def table(rows: list[Mapping[str, object]], times: tuple[str, ...], texts: tuple[str, ...] = ()) -> pa.Table:
    found = pa.Table.from_pylist([dict(row) for row in rows])
    for kind, names in ((TIMESTAMP, times), (pa.string(), texts)):
        for name in names:
            place = found.schema.get_field_index(name)
            found = found.set_column(place, name, found[name].cast(kind))
    return found


def waybills(rows: list[dict[str, object]]) -> pa.Table:
    times = ("planned_departure", "planned_arrival", "loaded_at", "unloaded_at", "updated_at")
    empty = waybill("x", "y", HERE, HERE, START)
    return table(rows or [empty], times, ("trailer_plate",)).slice(0, len(rows))


def manifests(rows: list[dict[str, object]]) -> pa.Table:
    return table(list(rows), ("shipped_at", "received_at"))


def vehicles(plates: Mapping[str, str]) -> pa.Table:
    """``transport_vehicle``: plate and terminal of each."""
    return pa.table({"plate": list(plates), "terminal_phone": list(plates.values())})


def sites(extra: Mapping[str, Place] | None = None) -> pa.Table:
    """``approval_site``."""
    known = {**SITES, **(extra or {})}
    return pa.table(
        {
            "site_id": [f"S{number}" for number in range(len(known))],
            "firm_id": [f"F{number}" for number in range(len(known))],
            "name": list(known),
            "lon": [place[0] for place in known.values()],
            "lat": [place[1] for place in known.values()],
            "boundary_wkt": pa.nulls(len(known), pa.string()),
        }
    )
