"""A test city's folder: its frame (name, zone, span, place) and what each of its systems has to hand out."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cityheart.sdk import LANGUAGES, Invalid, Text, text

__all__ = ["Artefact", "CityFolder", "Drop", "Trouble", "read_drops"]

FRAME = "city.json"
DROPS = "drops.csv"
Kind = Literal["table", "records", "drops", "messages", "packets"]
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_MARGIN = 0.02  # of the extent, left free around the areas
_CITY = (120.0, 31.5, 122.2, 32.9)  # shown when a folder says nothing of where its city lies


@dataclass(frozen=True)
class Trouble:
    """Something of a system that cannot be played; the others go on."""

    system: str
    what: str

    def __str__(self) -> str:
        return f"{self.system}: {self.what}"


@dataclass(frozen=True)
class Artefact:
    """What one system hands out in one way: a file of the folder, of the system's ``resource`` where the name tells it."""

    system: str
    kind: Kind
    path: Path
    resource: str | None = None


@dataclass(frozen=True)
class Drop:
    """A file that a system delivered, and when."""

    path: Path
    name: str
    at: datetime


@dataclass(frozen=True)
class CityFolder:
    """A test city as its ``city.json`` tells it. Moments are aware; ``bounds`` west, south, east, north in WGS84."""

    path: Path
    name: str
    title: Text
    zone: str
    since: datetime
    until: datetime
    seed: int
    bounds: tuple[float, float, float, float]
    areas: Path | None
    zones: Path | None
    departments: Path | None
    frame: Mapping[str, object]

    @classmethod
    def read(cls, path: Path) -> CityFolder:
        """The test city in ``path``. Raises :class:`Invalid` that says what is wrong and what to do."""
        file = path / FRAME
        if not file.is_file():
            where = f"{path} holds no {FRAME}" if path.is_dir() else f"there is no folder {path}"
            raise Invalid(where, remedy="name the folder of a test city; `cityheart simulate` writes one")
        try:
            frame = json.loads(file.read_text("utf-8-sig"))
        except (ValueError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid(f"{file} is not JSON: {error}", remedy="mend it, or have the city written again") from None
        if not isinstance(frame, dict):
            raise Invalid(f"{file} is no JSON object", remedy='it holds {"name", "zone", "from", "to", …}')
        zone = str(frame.get("zone", ""))
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Invalid(f"{file}: zone: {zone!r} is no time zone", remedy="write one such as Asia/Shanghai") from None
        since, until = _moment(file, frame, "from", zone), _moment(file, frame, "to", zone)
        if not since < until:
            raise Invalid(f"{file}: `from` {since} is not before `to` {until}", remedy="mend the span")
        seed = frame.get("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise Invalid(f"{file}: seed: {seed!r} is no whole number", remedy="write a number")
        areas = _beside(path, frame, "areas", "areas.geojson")
        return cls(
            path=path,
            name=_name(str(frame.get("name") or path.name)),
            title=_title(frame.get("title"), str(frame.get("name") or path.name)),
            zone=zone,
            since=since,
            until=until,
            seed=seed,
            bounds=_bounds(areas),
            areas=areas,
            zones=_beside(path, frame, "zones", "zones.geojson"),
            departments=_beside(path, frame, "departments", "departments.csv"),
            frame=frame,
        )

    def systems(self) -> list[str]:
        """The names of its systems' folders."""
        folder = self.path / "systems"
        return sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []

    def artefacts(self) -> tuple[list[Artefact], list[Trouble]]:
        """What every system hands out, by system and file, and the systems that hold nothing that is known."""
        found: list[Artefact] = []
        troubles: list[Trouble] = []
        for system in self.systems():
            here = list(_artefacts(self.path / "systems" / system, system))
            found += here
            if not here:
                troubles.append(Trouble(system, "the folder holds nothing to hand out"))
        return found, troubles


def _artefacts(folder: Path, system: str) -> Iterator[Artefact]:
    if (folder / DROPS).is_file():
        yield Artefact(system, "drops", folder / DROPS)
    if (folder / "messages.parquet").is_file():
        yield Artefact(system, "messages", folder / "messages.parquet")
    if (folder / "packets.parquet").is_file():
        yield Artefact(system, "packets", folder / "packets.parquet")
    for path in sorted(folder.glob("*.jsonl")):
        yield Artefact(system, "records", path, path.stem)
    for path in sorted(folder.glob("*.sqlite")):
        yield Artefact(system, "table", path)


def read_drops(file: Path) -> tuple[list[Drop], list[str]]:
    """The files that a ``drops.csv`` lists, by time and in its order, and what is wrong with its lines.

    Only files within the system's folder are taken. Raises :class:`Invalid` when the list itself cannot be read.
    """
    folder = file.parent.resolve()
    try:
        lines = list(csv.DictReader(file.read_text("utf-8-sig").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"{file.name} cannot be read: {error}", remedy="write it as CSV in UTF-8") from None
    if lines and not {"path", "delivered_at"} <= lines[0].keys():
        raise Invalid(f"{file.name} has no columns path and delivered_at", remedy="write both")
    drops: list[Drop] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, 2):
        name = (line["path"] or "").strip()
        path = (folder / name).resolve()
        if not name or not path.is_relative_to(folder):
            wrong.append(f"{file.name}, line {number}: {name!r} is no file of the system")
            continue
        if not path.is_file():
            wrong.append(f"{file.name}, line {number}: the file {name} is missing")
            continue
        try:
            at = datetime.fromisoformat((line["delivered_at"] or "").strip())
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            wrong.append(f"{file.name}, line {number}: {line['delivered_at']!r} is no time with an offset")
            continue
        drops.append(Drop(path, name, at.astimezone(UTC)))
    drops.sort(key=lambda drop: drop.at)
    return drops, wrong


def _moment(file: Path, frame: Mapping[str, object], name: str, zone: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(frame.get(name)))
    except ValueError:
        raise Invalid(
            f"{file}: {name}: {frame.get(name)!r} is no time", remedy="write it like 2026-03-24T00:00:00+08:00"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _name(name: str) -> str:
    """A short name as settings want it."""
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:40]
    return plain if plain[:1].isalpha() else f"city-{plain}"[:40].rstrip("-")


def _title(title: object, name: str) -> Text:
    if isinstance(title, Mapping) and all(isinstance(title.get(each), str) and title[each] for each in LANGUAGES):
        return {each: str(title[each]) for each in LANGUAGES}
    shown = str(title).strip() if title else name
    return text(shown, name if _CHINESE.search(shown) else shown)


def _beside(path: Path, frame: Mapping[str, object], name: str, usual: str) -> Path | None:
    """A file that the frame names, of this folder and nowhere else."""
    file = (path / str(frame.get(name) or usual)).resolve()
    return file if file.is_file() and file.is_relative_to(path.resolve()) else None


def _bounds(areas: Path | None) -> tuple[float, float, float, float]:
    """The extent of the areas with a little margin; a place on the coast when there are none."""
    west = south = math.inf
    east = north = -math.inf
    if areas is not None:
        try:
            document = json.loads(areas.read_text("utf-8-sig"))
            for lon, lat in _positions([feature["geometry"]["coordinates"] for feature in document["features"]]):
                west, east = min(west, lon), max(east, lon)
                south, north = min(south, lat), max(north, lat)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Invalid(f"{areas} is no GeoJSON of areas: {error!r}", remedy="mend it, or leave it out") from None
    if not west < east or not south < north or max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
        return _CITY
    wide, high = (east - west) * _MARGIN, (north - south) * _MARGIN
    return round(west - wide, 4), round(south - high, 4), round(east + wide, 4), round(north + high, 4)


def _positions(coordinates: object) -> Iterator[tuple[float, float]]:
    if not isinstance(coordinates, list):
        raise TypeError("coordinates are no list")
    if coordinates and isinstance(coordinates[0], int | float):
        yield float(coordinates[0]), float(coordinates[1])
        return
    for each in coordinates:
        yield from _positions(each)
