"""Which site a position belongs to, as the city knew the sites at the moment; and the areas of a city's own file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from shapely.geometry import shape

from cityheart.engine.lake import Lake
from cityheart.engine.layout import KNOWN_AT, epoch_us
from cityheart.engine.tracks.areas import layer_of, no_layer
from cityheart.engine.tracks.motion import Layer
from cityheart.engine.versions import known_by, newest
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.watch.tracks.models import Sites

__all__ = ["SiteBook", "zones_of"]

_Floats = npt.NDArray[np.float64]
_METRES = 6_371_008.8 * np.pi / 180.0  # of a degree of latitude


@dataclass(frozen=True)
class _Places:
    """Sites as shapes in metres east and north of the null point, true to scale in their own latitude."""

    ids: npt.NDArray[np.str_]
    tree: shapely.STRtree
    scale: tuple[float, float]

    @classmethod
    def of(cls, ids: Sequence[str], shapes: npt.NDArray[np.object_]) -> _Places:
        middle = float(np.mean(shapely.get_y(shapely.centroid(shapes)))) if len(ids) else 0.0
        scale = (_METRES * float(np.cos(np.radians(middle))), _METRES)
        flat = shapely.transform(shapes, lambda points: points * scale)
        return cls(np.array(ids, dtype=np.str_), shapely.STRtree(flat), scale)

    def nearest(self, lon: _Floats, lat: _Floats, within_m: float) -> tuple[npt.NDArray[np.int64], _Floats]:
        """For each position the place of its site in ``ids`` (-1 without one) and how far it is."""
        place, distance = np.full(len(lon), -1, dtype=np.int64), np.zeros(len(lon))
        points = shapely.points(lon * self.scale[0], lat * self.scale[1])
        (which, found), far = self.tree.query_nearest(
            points, max_distance=within_m, return_distance=True, all_matches=False
        )
        place[which], distance[which] = found, far
        return place, distance


class SiteBook:
    """The sites of a dataset as they were known at any moment."""

    def __init__(self, lake: Lake, sites: Sites) -> None:
        self._lake = lake
        self._sites = sites
        self._version = -1
        self._rows: pa.Table | None = None
        self._changes: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._known: dict[int, _Places] = {}

    def nearest(
        self, lon: _Floats, lat: _Floats, known: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.bool_], _Floats]:
        """For each position the site it is at, as known then (microseconds since 1970 UTC): its id, whether there is one,
        and how many metres it lies outside."""
        self._refresh()
        turn = np.searchsorted(self._changes, known, side="right")
        ids = np.full(len(lon), "", dtype=object)
        there, distance = np.zeros(len(lon), dtype=np.bool_), np.zeros(len(lon))
        for number in np.unique(turn).tolist():
            chosen = np.flatnonzero(turn == number)
            places = self._as_known(number)
            if not len(places.ids):
                continue
            place, far = places.nearest(lon[chosen], lat[chosen], self._sites.within_m)
            hit = place >= 0
            ids[chosen[hit]] = places.ids[place[hit]]
            there[chosen], distance[chosen] = hit, far
        return ids.astype(np.str_), there, distance

    def _refresh(self) -> None:
        version = self._lake.version(self._sites.dataset)
        if version != self._version or self._rows is None:
            self._rows = self._lake.changes(self._sites.dataset, -1).rows
            self._changes = np.unique(epoch_us(self._rows[KNOWN_AT]))
            self._version = version
            self._known.clear()

    def _as_known(self, number: int) -> _Places:
        """The sites after so many changes."""
        if number not in self._known:
            self._known[number] = (
                self._places(int(self._changes[number - 1])) if number else _Places.of([], np.empty(0, object))
            )
        return self._known[number]

    def _places(self, at: int) -> _Places:
        assert self._rows is not None
        spec = self._lake.spec(self._sites.dataset)
        rows = newest(known_by(self._rows, at), spec.key)
        rows = rows.filter(rows[self._sites.id].is_valid())
        lon, lat = (np.asarray(rows[cast(str, name)].to_numpy(), dtype=np.float64) for name in (spec.lon, spec.lat))
        shapes = shapely.points(lon, lat)
        if self._sites.boundary is not None:
            drawn = shapely.from_wkt(
                np.array(rows[self._sites.boundary].to_pylist(), dtype=object), on_invalid="ignore"
            )
            usable = shapely.is_valid(drawn) & np.isin(
                shapely.get_type_id(drawn), (3, 6)
            )  # polygons of one or more parts
            shapes = np.where(usable, drawn, shapes)
        good = np.isfinite(shapely.bounds(shapes)).all(axis=1)
        ids = [
            each for each, kept in zip(rows[self._sites.id].cast(pa.string()).to_pylist(), good, strict=True) if kept
        ]
        return _Places.of(ids, shapes[good])


def zones_of(file: Path) -> tuple[Layer, npt.NDArray[np.str_]]:
    """The areas of a GeoJSON file (WGS84, each feature with an ``id`` among its properties) and their ids.

    No areas when there is no such file. Invalid for another content.
    """
    if not file.is_file():
        return no_layer(), np.empty(0, dtype=np.str_)
    if file.stat().st_size > limits.TRACK_AREAS_BYTES:
        raise TooLarge(f"{file} is larger than {limits.TRACK_AREAS_BYTES} bytes", remedy="simplify the areas")
    try:
        features = json.loads(file.read_bytes())["features"]
        ids = [str(each["properties"]["id"]) for each in features]
        shapes = [shape(each["geometry"]) for each in features]
    except (ValueError, LookupError, TypeError, AttributeError, shapely.errors.ShapelyError) as error:
        raise Invalid(
            f"{file} is no GeoJSON of areas: {error!r}", remedy="polygons, each with an id among its properties"
        ) from error
    if len(set(ids)) < len(ids):
        raise Invalid(f"{file}: two areas have one id", remedy="give each an id of its own")
    try:
        return layer_of(shapes), np.array(ids, dtype=np.str_)
    except Invalid as error:
        raise Invalid(f"{file}: {error.detail}", remedy=error.remedy) from error
