"""Areas of the city by time: which district a place lies in at a moment, as the areas were then.

Districts are merged, renamed and given other codes. So nothing here counts on a number of areas or on a code that stays:
every question names a moment. The file is GeoJSON (WGS84) in the city's folder; each feature has ``code``, ``name``,
``kind``, ``parent``, ``valid_from`` and ``valid_to`` (days of the city; the end does not belong to it, null is open).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import shapely

from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import Text, text

if TYPE_CHECKING:
    from cityheart.engine.polygons import Polygons

__all__ = ["FILE", "Area", "Areas"]

FILE = "areas.geojson"
_MANY = 2_000  # places from which a prepared grid is worth its preparation


@dataclass(frozen=True)
class Area:
    """One area as it was from a day on, until (and without) another day. ``schematic``: its outline is a sketch."""

    code: str
    title: Text
    kind: str
    parent: str | None
    valid_from: date
    valid_to: date | None
    schematic: bool

    def valid(self, on: date) -> bool:
        """Whether the area was in force on a day."""
        return self.valid_from <= on and (self.valid_to is None or on < self.valid_to)


class Areas:
    """The areas of one city, in all their versions. Without a file there are none."""

    def __init__(
        self, areas: Sequence[Area] = (), shapes: Sequence[shapely.Geometry] = (), zone: str = "Asia/Shanghai"
    ) -> None:
        self._areas = list(areas)
        self._shapes = np.array([shapely.make_valid(shape) for shape in shapes], dtype=object)
        self._zone = ZoneInfo(zone)
        self._tree = shapely.STRtree(self._shapes)
        self._polygons: Polygons | None = None

    @classmethod
    def load(cls, file: Path, zone: str) -> Areas:
        """The areas in ``file``, none when it is missing. Raises :class:`Invalid` naming the feature that is wrong."""
        if not file.is_file():
            return cls(zone=zone)
        if file.stat().st_size > limits.AREAS_BYTES:
            raise TooLarge(f"{file} is larger than {limits.AREAS_BYTES} bytes", remedy="simplify its outlines")
        try:
            features = json.loads(file.read_text("utf-8"))["features"]
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(f"{file} is no GeoJSON: {error}", remedy="give a FeatureCollection") from None
        areas, shapes = [], []
        for position, feature in enumerate(features):
            try:
                areas.append(_area(feature["properties"]))
                shapes.append(shapely.from_geojson(json.dumps(feature["geometry"])))
            except (KeyError, TypeError, ValueError, shapely.errors.GEOSException) as error:
                raise Invalid(f"{file}: feature {position}: {error}", remedy="mend it or leave it out") from None
        return cls(areas, shapes, zone)

    def day(self, at: datetime) -> date:
        """The day of the city at a moment."""
        return at.astimezone(self._zone).date()

    def all(self) -> list[Area]:
        """Every version of every area."""
        return list(self._areas)

    def areas(self, at: datetime) -> list[Area]:
        """The areas in force at a moment, by code."""
        on = self.day(at)
        return sorted((area for area in self._areas if area.valid(on)), key=lambda area: area.code)

    def area_at(self, lon: float, lat: float, at: datetime) -> Area | None:
        """The area a place (degrees, WGS84) lies in at a moment; the smallest, where a zone lies in its district."""
        found = self.places(np.array([lon]), np.array([lat]), at)[0]
        return self._areas[found] if found >= 0 else None

    def codes(
        self, lons: npt.NDArray[np.float64], lats: npt.NDArray[np.float64], at: datetime
    ) -> list[str | None]:  # fmt: skip
        """The code of the area of each place at a moment; ``None`` outside and for places that are not numbers."""
        return [self._areas[found].code if found >= 0 else None for found in self.places(lons, lats, at)]

    def places(
        self, lons: npt.NDArray[np.float64], lats: npt.NDArray[np.float64], at: datetime
    ) -> npt.NDArray[np.int64]:  # fmt: skip
        """The position in :meth:`all` of the area of each place at a moment, -1 where there is none."""
        on = self.day(at)
        chosen = np.full(len(lons), -1, dtype=np.int64)
        known = np.flatnonzero(np.isfinite(lons) & np.isfinite(lats))
        if not len(known) or not len(self._areas):
            return chosen
        which, shape = self._met(lons[known], lats[known])
        valid = np.array([area.valid(on) for area in self._areas])
        size = shapely.area(self._shapes)
        keep = valid[shape]
        which, shape = which[keep], shape[keep]
        order = np.lexsort((shape, -size[shape], which))  # of several the smallest comes last and stays
        chosen[known[which[order]]] = shape[order]
        return chosen

    def _met(
        self, lons: npt.NDArray[np.float64], lats: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Every pair of a place and a version of an area that holds it, its edge included."""
        if len(lons) < _MANY:
            which, shape = self._tree.query(shapely.points(lons, lats), predicate="intersects")
            return which, shape
        if self._polygons is None:
            from cityheart.engine.polygons import Polygons  # compiled code is loaded where many places are looked up

            self._polygons = Polygons(self._shapes.tolist())
        return self._polygons.pairs(lons, lats)

    def successors(self) -> dict[str, str]:
        """For every code of the past and present the code that holds its ground now (its own, where it stays)."""
        newest: dict[str, str] = {}
        for index, area in enumerate(self._areas):
            newest[area.code] = self._areas[self._follow(index)].code
        return newest

    def _follow(self, index: int) -> int:
        size = shapely.area(self._shapes).tolist()
        for _ in range(len(self._areas)):
            area = self._areas[index]
            if area.valid_to is None:
                break
            inside = shapely.point_on_surface(self._shapes[index])
            later = [
                int(other)
                for other in self._tree.query(inside, predicate="intersects")
                if self._areas[other].valid(area.valid_to)
            ]
            if not later:
                break
            index = min(later, key=lambda other: abs(size[other] - size[index]))
        return index


def _area(given: dict[str, object]) -> Area:
    name = str(given["name"])
    until = given.get("valid_to")
    parent = given.get("parent")
    return Area(
        code=str(given["code"]),
        title=text(name, str(given.get("name_en") or name)),
        kind=str(given.get("kind") or "district"),
        parent=None if parent is None else str(parent),
        valid_from=_day(given["valid_from"]),
        valid_to=None if until is None else _day(until),
        schematic=bool(given.get("schematic", False)),
    )


def _day(value: object) -> date:
    moment = datetime.fromisoformat(cast(str, value))
    return moment.astimezone(UTC).date() if moment.tzinfo else moment.date()
