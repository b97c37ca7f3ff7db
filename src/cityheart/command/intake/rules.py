"""The rules of intake as data: kinds of matter, duties of departments, areas, the weights of merging.

Each file comes with the product and may be replaced by one of the same name in the city's folder ``intake``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from cityheart.command.intake.models import Area, Duty, Service
from cityheart.kernel import duration, limits
from cityheart.kernel.errors import Invalid

__all__ = ["Rules", "Weights"]

_DATA = Path(__file__).parent / "data"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each likeness counts (log odds), from which probability on reports are merged, and how."""

    factors: Mapping[str, float]
    threshold: float
    floor: float  # the founding report must be at least this likely the same event
    mean: float  # share of the mean over the representatives in a matter's score; the rest is the best of them
    representatives: int
    abstain: float  # a department less likely than this is not proposed
    sharpness: float  # of the probabilities of departments
    told: str  # how these were chosen


@dataclass(frozen=True)
class Rules:
    """All rules of one city."""

    services: Mapping[str, Service]
    duties: tuple[Duty, ...]
    areas: tuple[Area, ...]
    weights: Weights

    @classmethod
    def load(cls, folder: Path | None = None) -> Rules:
        """The product's rules, each replaced by the city's own where ``folder`` has it. Raises :class:`Invalid`."""
        services = _read(folder, "services.toml", _services)
        duties = _read(folder, "duties.toml", _duties)
        unknown = sorted({code for duty in duties for code in duty.services} - services.keys())
        if unknown:
            raise Invalid(f"duties name services that do not exist: {', '.join(unknown)}", remedy="mend duties.toml")
        weights = _read(folder, "merging.toml", _weights)
        file = None if folder is None else folder / "areas.geojson"
        areas: tuple[Area, ...] = ()
        if file is not None and file.is_file():
            areas = _tried(file, lambda: _areas(json.loads(file.read_text("utf-8"))))
        return cls(services, duties, areas, weights)


def _read(folder: Path | None, name: str, parse: Callable[[Mapping[str, Any]], _T]) -> _T:
    own = None if folder is None else folder / name
    file = own if own is not None and own.is_file() else _DATA / name
    return _tried(file, lambda: parse(tomllib.loads(file.read_text("utf-8"))))


def _tried(file: Path, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(
            f"{file} cannot be used: {error!r}", remedy="compare it with docs/how-to/connect-the-hotline.md"
        ) from None


def _services(raw: Mapping[str, Any]) -> dict[str, Service]:
    found = {
        str(each["code"]): Service(
            str(each["code"]),
            {"zh-CN": str(each["name"]["zh-CN"]), "en": str(each["name"]["en"])},
            str(each["group"]),
            duration.parse(each["window"]),
            float(each["radius"]),
            tuple(each.get("attributes", ())),
        )
        for each in raw["service"]
    }
    if "other" not in found:
        raise ValueError("there must be a service 'other'")
    return found


def _duties(raw: Mapping[str, Any]) -> tuple[Duty, ...]:
    return tuple(
        Duty(
            str(each["unit"]),
            tuple(str(code) for code in each["services"]),
            tuple(str(word).lower() for word in each["words"] if str(word)),
        )
        for each in raw["duty"]
    )


def _weights(raw: Mapping[str, Any]) -> Weights:
    return Weights(
        {str(name): float(value) for name, value in raw["factors"].items()},
        float(raw["threshold"]),
        float(raw["floor"]),
        float(raw["mean"]),
        int(raw["representatives"]),
        float(raw["abstain"]),
        float(raw["sharpness"]),
        str(raw["told"]),
    )


def _areas(raw: Mapping[str, Any]) -> tuple[Area, ...]:
    found = []
    for feature in raw["features"]:
        geometry, properties = feature["geometry"], feature["properties"]
        polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        rings = tuple(
            tuple((float(lon), float(lat)) for lon, lat, *_ in ring) for polygon in polygons for ring in polygon
        )
        if sum(map(len, rings)) > limits.AREA_POINTS:
            raise ValueError(f"the area of {properties['unit']} has more than {limits.AREA_POINTS} points")
        names = tuple(cast("list[str]", properties.get("names", [])))
        found.append(Area(str(properties["unit"]), str(properties.get("level", "township")), rings, names))
    return tuple(found)
