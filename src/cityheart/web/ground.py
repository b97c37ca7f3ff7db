"""What the map stands on: the areas and zones of the city's folder, and the city's own base layers, all served from here.

Nothing is asked of anybody outside. A city without its own layers has outlines that are labelled as schematic.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock
from cityheart.kernel.errors import Invalid, NotFound, TooLarge
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import Text, text

__all__ = ["Ground"]

AREAS = "areas.geojson"
_AREA_COLUMNS = ("code", "kind", "parent", "schematic")
_ZONE_COLUMNS = ("id", "closed", "goods", "kind")
_NO_FEATURES: dict[str, Any] = {"type": "FeatureCollection", "features": []}


class Ground:
    """The ground of one city's map. ``zones`` are GeoJSON files in its folder with areas of rules, by name."""

    def __init__(self, settings: Settings, clock: Clock, zones: Sequence[str]) -> None:
        self._home = settings.home
        self._layers = settings.map
        self._clock = clock
        self._zone = ZoneInfo(settings.zone)
        self._zones = list(dict.fromkeys(zones))
        self._lock = threading.Lock()
        self._read: dict[Path, tuple[int, dict[str, Any]]] = {}

    def declared(self, actor: Actor) -> dict[str, object]:
        """What there is: ``{"schematic", "areas", "zones", "layers"}``; the city's own layers with where to fetch them."""
        require(actor, "layer.read")
        layers = [
            {
                **one.model_dump(exclude={"file"}),
                "kind": "pmtiles" if one.file.endswith(".pmtiles") else "geojson",
                "url": f"/api/ground/layers/{number}/{Path(one.file).name}",
            }
            for number, one in enumerate(self._layers)
            if self._file(one.file) is not None
        ]
        return {
            "schematic": not layers,
            "areas": (self._home / AREAS).is_file(),
            "zones": any((self._home / name).is_file() for name in self._zones),
            "layers": layers,
        }

    def areas(self, actor: Actor, at: datetime | None = None) -> dict[str, object]:
        """The areas in force at a moment (default now) as GeoJSON (WGS84): ``code, title, kind, parent, schematic``."""
        require(actor, "layer.read")
        on = (at or self._clock.now()).astimezone(self._zone).date()
        found = [
            _feature(one, _AREA_COLUMNS) for one in self._features(self._home / AREAS) if _valid(_properties(one), on)
        ]
        return {**_NO_FEATURES, "features": found}

    def zones(self, actor: Actor) -> dict[str, object]:
        """Zones of rules (closed to some traffic at some hours) as GeoJSON, WGS84: ``id``, ``title``, ``closed``, ``goods``."""
        require(actor, "layer.read")
        found = [
            _feature(one, _ZONE_COLUMNS) for name in self._zones for one in self._features(self._home / name)
        ]  # fmt: skip
        return {**_NO_FEATURES, "features": found}

    def file(self, actor: Actor, number: int, name: str) -> Path:
        """The file of one of the city's own layers. Raises :class:`NotFound`, :class:`TooLarge`."""
        require(actor, "layer.read")
        file = self._file(self._layers[number].file) if 0 <= number < len(self._layers) else None
        if file is None or file.name != name:
            raise NotFound(f"the map has no layer {number} {name}", remedy="GET /api/ground lists them")
        if file.suffix != ".pmtiles" and file.stat().st_size > limits.GROUND_BYTES:
            raise TooLarge(f"{name} is larger than {limits.GROUND_BYTES} bytes", remedy="make tiles of it (PMTiles)")
        return file

    def _file(self, name: str) -> Path | None:
        file = (self._home / name).resolve()
        return file if file.is_file() and file.is_relative_to(self._home.resolve()) else None

    def _features(self, file: Path) -> list[dict[str, Any]]:
        if not file.is_file():
            return []
        stat = file.stat()
        if stat.st_size > limits.AREAS_BYTES:
            raise TooLarge(f"{file.name} is larger than {limits.AREAS_BYTES} bytes", remedy="simplify its outlines")
        with self._lock:
            known = self._read.get(file)
            if known is None or known[0] != stat.st_mtime_ns:
                try:
                    content = json.loads(file.read_text("utf-8"))
                except ValueError as error:
                    raise Invalid(f"{file.name} is no GeoJSON: {error}", remedy="give a FeatureCollection") from None
                if not isinstance(content, dict) or not isinstance(content.get("features"), list):
                    raise Invalid(f"{file.name} is no GeoJSON", remedy="give a FeatureCollection")
                known = self._read[file] = (stat.st_mtime_ns, content)
        return [one for one in known[1]["features"] if isinstance(one, dict) and one.get("geometry")]


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    found = feature.get("properties")
    return found if isinstance(found, dict) else {}


def _valid(properties: dict[str, Any], on: date) -> bool:
    since, until = properties.get("valid_from"), properties.get("valid_to")
    return (not since or str(since) <= on.isoformat()) and (not until or on.isoformat() < str(until))


def _feature(feature: dict[str, Any], columns: Sequence[str]) -> dict[str, object]:
    own = _properties(feature)
    shown = {name: own[name] for name in columns if isinstance(own.get(name), str | int | float | bool)}
    return {"type": "Feature", "geometry": feature["geometry"], "properties": {**shown, "title": _title(own)}}


def _title(properties: dict[str, Any]) -> Text:
    name = str(properties.get("name") or properties.get("id") or properties.get("code") or "")
    return text(name, str(properties.get("name_en") or name))
