"""What applications show: map layers at a moment, series of their values, panels and pages, all as known at that moment.

Everything is shown to somebody: what is made of data that the person may not read is not.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.lake import Lake
from cityheart.engine.veil import Veil
from cityheart.kernel import limits
from cityheart.kernel.access import can, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock
from cityheart.kernel.errors import Invalid, NotFound, TooLarge
from cityheart.kernel.text import Text
from cityheart.sdk.application import App
from cityheart.sdk.manifest import Layer, Panel
from cityheart.sdk.reader import City, Closed, Reader
from cityheart.sdk.showing import Parts, Showing, Told, withheld
from cityheart.share.grants.reading import veiled
from cityheart.share.grants.sight import everybodys
from cityheart.watch.models import plain

__all__ = ["Pages"]

_TICK = timedelta(microseconds=1)


PanelFunction = Callable[[Reader, datetime], Mapping[str, object]]
LayerFunction = Callable[[Reader, datetime, Mapping[str, object]], Sequence[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Place:
    """A point of a layer that is known by name, WGS84 degrees."""

    lon: float
    lat: float
    name: Text


class Pages:
    """Layers, panels and pages of the applications of a city.

    ``parts`` are what of the city stands behind them; without them there are only layers and panels, of unconditionally
    shared datasets. ``zone`` is the city's, ``home`` its folder.
    """

    def __init__(
        self,
        lake: Lake,
        apps: Sequence[App],
        clock: Clock,
        parts: Parts | None = None,
        *,
        zone: str = "UTC",
        home: Path | None = None,
    ) -> None:
        self._lake = lake
        self._clock = clock
        self._parts, self._zone, self._home = parts, zone, home
        self._layers = {layer.id: (app, layer) for app in apps for layer in app.layers}
        self._panels = {panel.id: (app, panel) for app in apps for panel in app.panels}
        self._places = {
            layer.id: _places(app.folder / layer.points) for app, layer in self._layers.values() if layer.points
        }
        contracts = {one.name: one for app in apps for one in app.contracts}
        self._open = frozenset(name for name, one in contracts.items() if one.sharing == 1)
        self._veils = {name: everybodys(contracts[name]) for name in self._open}
        self._told = None if parts is None else Told(parts.database)
        self._showing = (
            None if parts is None or self._told is None else Showing(apps, parts, self._told, self._read, zone)
        )

    @property
    def showing(self) -> Showing:
        """The pages. Raises :class:`NotFound` where nothing of the city stands behind them."""
        if self._showing is None:
            raise NotFound("there are no pages here")
        return self._showing

    def reader(self, at: datetime | None = None) -> Reader:
        """Reads what everybody may read, as known ``at`` the moment (default now)."""
        return Reader(
            self._lake, at or self._clock.now(), self._open.__contains__, zone=self._zone, home=self._home,
            veil=self._veils.get,
        )  # fmt: skip

    def _read(self, actor: Actor, at: datetime | None, city: City | None = None) -> Reader:
        """Reads what the actor may read."""

        def may(dataset: str) -> bool:
            return self._open_to(actor, dataset)

        share = None if self._parts is None else self._parts.share
        return Reader(
            self._lake, at or self._clock.now(), may, zone=self._zone, home=self._home, city=city, veil=self._veils.get,
            sight=None if share is None else partial(share.sight, actor),
        )  # fmt: skip

    def _veil(self, actor: Actor, dataset: str) -> Veil | None:
        return self._veils.get(dataset) if self._parts is None else self._parts.share.sight(actor, dataset).veil

    def _named(self, hidden: Mapping[str, Collection[str]]) -> dict[str, object]:
        """What was withheld, to be named beside what is shown; nothing where nothing was."""
        if self._parts is None or not hidden:
            return {}
        return {"withheld": withheld(self._parts.share, hidden)}

    def _open_to(self, actor: Actor, dataset: str) -> bool:
        if self._parts is None:
            return dataset in self._open
        try:
            return can(actor, "dataset.read") and self._parts.share.open_to(actor, dataset)
        except NotFound:  # a table that no contract describes
            return False

    # ── layers ─────────────────────────────────────────────────────────────────────────────────────────────────

    def layers(self, actor: Actor) -> list[dict[str, object]]:
        """Every layer as declared, of those that the actor may read."""
        require(actor, "layer.read")
        return [_shown_layer(layer) for _, layer in self._layers.values() if self._shown_to(actor, layer)]

    def _shown_to(self, actor: Actor, layer: Layer) -> bool:
        # unconditional data is for whoever may see layers, as it always was
        return layer.dataset in self._open or self._open_to(actor, layer.dataset)

    def features(self, actor: Actor, layer_id: str, at: datetime | None = None) -> dict[str, object]:
        """A GeoJSON FeatureCollection (WGS84): of each key the newest value known ``at`` the moment (default now).

        A place without a value in the layer's look-back is there with ``value`` null and ``stale`` true.
        """
        app, layer = self._layer(actor, layer_id)
        moment = at or self._clock.now()
        if layer.entry is not None:
            return self._made(actor, app, layer, moment)
        self._tell(actor, layer_id, [layer.dataset])
        hidden = self._named(self._hidden(actor, layer))
        values = {cast(str, one["key"]): one for one in self._newest(actor, layer, moment)}
        places = self._places.get(layer_id)
        if places is None:
            features = [
                _feature(one, cast(float, one.pop("lon")), cast(float, one.pop("lat"))) for one in values.values()
            ]
            return {"type": "FeatureCollection", "features": features, **hidden}
        empty = dict.fromkeys(layer.fields)
        features = []
        for key, place in places.items():
            known = values.get(key, {**empty, "key": key, "value": None, "at": None, "stale": True})
            features.append(_feature({**known, "name": place.name}, place.lon, place.lat))
        return {"type": "FeatureCollection", "features": features, **hidden}

    def _hidden(self, actor: Actor, layer: Layer) -> dict[str, list[str]]:
        if self._parts is None:
            return {}
        missing = self._parts.share.sight(actor, layer.dataset).withheld
        shown = [name for name in (layer.key, layer.value, *layer.fields) if name in missing]
        return {layer.dataset: shown} if shown else {}

    def _made(self, actor: Actor, app: App, layer: Layer, moment: datetime) -> dict[str, object]:
        """The points that a function gives: rows with key, name, lon, lat, value, at and what else the layer lists."""
        reader = self._read(actor, moment)
        found = cast(LayerFunction, app.functions[cast(str, layer.entry)])(reader, moment, {})
        if len(found) > limits.LAYER_FEATURES:
            raise TooLarge(f"layer {layer.id} has {len(found)} points", remedy=f"at most {limits.LAYER_FEATURES}")
        features = []
        for given in found:
            lacking = {"key", "lon", "lat", "value"} - set(given)
            if lacking:
                raise Invalid(f"layer {layer.id}: its function gives no {min(lacking)}")
            one = cast(dict[str, object], plain(given))
            lon, lat, key = cast(float, one.pop("lon")), cast(float, one.pop("lat")), str(one["key"])
            at = given.get("at")
            stale = isinstance(at, datetime) and moment - at > layer.stale_after
            one |= {"key": key, "name": one.get("name") or {"zh-CN": key, "en": key}, "at": at, "stale": stale}
            features.append(_feature(one, lon, lat))
        self._tell(actor, layer.id, sorted(reader.read_from))
        return {"type": "FeatureCollection", "features": features, **self._named(reader.hidden)}

    def _tell(self, actor: Actor, layer_id: str, datasets: Sequence[str]) -> None:
        if self._parts is None or self._told is None:
            return
        restricted = [name for name in datasets if self._parts.share.sight(actor, name).restricted]
        if not restricted:
            return
        data = {"layer": layer_id, "datasets": restricted}
        if self._told.due(actor, data):
            with self._parts.database.work(actor) as work:
                work.emit(f"layer:{layer_id}", "layer.read", data)

    def _newest(self, actor: Actor, layer: Layer, moment: datetime) -> list[dict[str, object]]:
        spec = self._lake.spec(layer.dataset)
        time = spec.time
        positions = [] if layer.id in self._places else [cast(str, spec.lon), cast(str, spec.lat)]
        columns = list(dict.fromkeys([layer.key, time, layer.value, *layer.fields, *positions]))
        span = (moment - layer.lookback + _TICK, moment + _TICK)
        veil = self._veil(actor, layer.dataset)
        rows = veiled(self._lake, layer.dataset, veil, at=moment, time=span, columns=columns)
        shown = rows[layer.value].is_valid()
        for column in (layer.key, *positions):  # a point without its key or its place is none
            shown = pc.and_(shown, rows[column].is_valid())
        rows = rows.filter(shown).sort_by(time)
        if rows.num_rows == 0:
            return []
        keys = rows[layer.key].cast(pa.string()).combine_chunks().dictionary_encode()
        last = np.zeros(len(keys.dictionary), dtype=np.int64)
        last[keys.indices.to_numpy()] = np.arange(rows.num_rows)  # the last assignment of a key is its newest row
        if len(last) > limits.LAYER_FEATURES:
            raise TooLarge(f"layer {layer.id} has {len(last)} points", remedy=f"at most {limits.LAYER_FEATURES}")
        found = []
        for row in rows.take(pa.array(last)).to_pylist():
            known_at = cast(datetime, row[time])
            one: dict[str, object] = {
                "key": str(row[layer.key]),
                "name": {"zh-CN": str(row[layer.key]), "en": str(row[layer.key])},
                "value": plain(row[layer.value]),
                "at": known_at,
                "stale": moment - known_at > layer.stale_after,
            }
            one.update({name: plain(row[name]) for name in layer.fields})
            if positions:
                one.update(lon=row[positions[0]], lat=row[positions[1]])
            found.append(one)
        return sorted(found, key=lambda one: cast(str, one["key"]))

    def series(
        self, actor: Actor, layer_id: str, key: str, hours: int = 72, at: datetime | None = None
    ) -> dict[str, object]:
        """The values of one key over the last hours, in the shape of series evidence."""
        _, layer = self._layer(actor, layer_id)
        if layer.entry is not None:
            raise NotFound(f"layer {layer_id} has no series", remedy="its points are made by a function")
        if not 1 <= hours <= limits.SERIES_HOURS:
            raise Invalid(f"hours is {hours}", remedy=f"1 to {limits.SERIES_HOURS}")
        moment = at or self._clock.now()
        time = self._lake.spec(layer.dataset).time
        span = (moment - timedelta(hours=hours) + _TICK, moment + _TICK)
        veil, columns = self._veil(actor, layer.dataset), [layer.key, time, layer.value]
        rows = veiled(self._lake, layer.dataset, veil, at=moment, time=span, columns=columns)
        self._tell(actor, layer_id, [layer.dataset])
        rows = rows.filter(pc.equal(rows[layer.key].cast(pa.string()), key)).sort_by(time)
        if rows.num_rows == 0 and key not in self._places.get(layer_id, {key: None}):
            raise NotFound(f"layer {layer_id} has no {key}")
        if rows.num_rows > limits.SERIES_POINTS:
            raise TooLarge(f"the series has {rows.num_rows} points", remedy="ask for fewer hours")
        places = self._places.get(layer_id, {})
        name = places[key].name if key in places else {"zh-CN": key, "en": key}
        values = rows[layer.value].to_pylist()
        points = [[plain(moment), plain(value)] for moment, value in zip(rows[time].to_pylist(), values, strict=True)]
        return {
            "type": "series",
            "key": key,
            "title": {language: f"{layer.title[language]} · {name[language]}" for language in name},
            "unit": layer.unit,
            "series": [{"name": layer.title, "points": points, "style": "observed"}],
            "thresholds": [],
        }

    def _layer(self, actor: Actor, layer_id: str) -> tuple[App, Layer]:
        require(actor, "layer.read")
        if layer_id not in self._layers:
            raise NotFound(f"no layer {layer_id}", remedy="GET /api/layers lists them")
        app, layer = self._layers[layer_id]
        if not self._shown_to(actor, layer):
            raise Closed(layer.dataset)
        return app, layer

    # ── panels ─────────────────────────────────────────────────────────────────────────────────────────────────

    def panels(self, actor: Actor) -> list[dict[str, object]]:
        """Every panel as declared, without its content."""
        require(actor, "layer.read")
        return [
            {"id": panel.id, "title": panel.title, "kind": panel.kind, "page": panel.page, "app": app.id}
            for app, panel in self._panels.values()
        ]

    def panel(self, actor: Actor, panel_id: str, at: datetime | None = None) -> dict[str, object]:
        """The content of a panel as known ``at`` a moment (default now): evidence, a table or a text."""
        require(actor, "layer.read")
        if panel_id not in self._panels:
            raise NotFound(f"no panel {panel_id}", remedy="GET /api/panels lists them")
        app, panel = self._panels[panel_id]
        if panel.text is not None:
            return {"type": "text", "text": panel.text}
        reader = self._read(actor, at)
        if panel.entry is not None:
            made = _content(panel, cast(PanelFunction, app.functions[panel.entry])(reader, reader.now))
            return {**made, **self._named(reader.hidden)}
        assert panel.sql is not None
        rows = reader.query(panel.sql, panel.parameters, window=panel.window, ahead=panel.ahead)
        if rows.num_rows > limits.SERIES_POINTS:
            raise TooLarge(f"panel {panel_id} has {rows.num_rows} rows", remedy=f"at most {limits.SERIES_POINTS}")
        shown = _series(panel, rows) if panel.kind == "series" else _table(panel, rows)
        return {**shown, **self._named(reader.hidden)}


def _places(file: Path) -> dict[str, Place]:
    """The points of a CSV with key, lon, lat, zh-CN, en. Raises :class:`Invalid` naming the line."""
    places = {}
    with file.open(encoding="utf-8-sig", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            try:
                place = Place(float(row["lon"]), float(row["lat"]), {"zh-CN": row["zh-CN"], "en": row["en"]})
            except (KeyError, ValueError, TypeError) as error:
                raise Invalid(f"{file}:{number}: {error!r}", remedy="columns: key, lon, lat, zh-CN, en") from None
            if not (-180 <= place.lon <= 180 and -90 <= place.lat <= 90):
                raise Invalid(f"{file}:{number}: {place.lon}, {place.lat} is no place", remedy="degrees WGS84")
            places[row["key"]] = place
    return places


def _shown_layer(layer: Layer) -> dict[str, object]:
    return {
        "id": layer.id,
        "title": layer.title,
        "kind": "points",
        "dataset": layer.dataset,
        "key": layer.key,
        "value": layer.value,
        "unit": layer.unit,
        "fields": list(layer.fields),
        "bands": [{"from": b.low, "to": b.high, "label": b.label, "colour": b.colour} for b in layer.bands],
        "legend": layer.legend,
        "series": layer.entry is None,
        "link": layer.link.model_dump(mode="json") if layer.link else None,
    }


def _feature(properties: Mapping[str, object], lon: float, lat: float) -> dict[str, object]:
    geometry = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "id": properties["key"], "geometry": geometry, "properties": dict(properties)}


def _content(panel: Panel, given: Mapping[str, object]) -> dict[str, object]:
    allowed = {"series": ("series",), "table": ("table", "rows"), "text": ("text",)}[panel.kind]
    if given.get("type") not in allowed:
        raise Invalid(
            f"panel {panel.id}: its function gives {given.get('type')!r}", remedy=f"give {' or '.join(allowed)}"
        )
    return cast(dict[str, object], plain(given))


def _series(panel: Panel, rows: pa.Table) -> dict[str, object]:
    assert panel.x is not None
    rows = rows.sort_by(_there(panel, rows, panel.x))
    moments = [plain(moment) for moment in rows[panel.x].to_pylist()]
    lines = []
    for line in panel.lines:
        values = rows[_there(panel, rows, line.column)].to_pylist()
        points = [[moment, plain(value)] for moment, value in zip(moments, values, strict=True)]
        lines.append({"name": line.name, "points": points, "style": line.style})
    thresholds = [{"name": one.name, "value": one.value} for one in panel.thresholds]
    return {"type": "series", "title": panel.title, "unit": panel.unit, "series": lines, "thresholds": thresholds}


def _table(panel: Panel, rows: pa.Table) -> dict[str, object]:
    columns = [{"name": one.name, "title": one.title, "unit": one.unit} for one in panel.columns]
    values = [rows[_there(panel, rows, one.name)].to_pylist() for one in panel.columns]
    cells = [[plain(cell) for cell in row] for row in zip(*values, strict=True)]
    return {"type": "table", "columns": columns, "rows": cells, "note": panel.note}


def _there(panel: Panel, rows: pa.Table, column: str) -> str:
    if column not in rows.column_names:
        raise Invalid(
            f"panel {panel.id}: the SQL gives no column {column}", remedy=f"it gives {', '.join(rows.column_names)}"
        )
    return column
