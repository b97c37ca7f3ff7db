"""The stations of the city, read from ``reference/stations.csv``; their order is the station axis of every array."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

from cityheart.sdk import Text, text


@dataclass(frozen=True)
class Station:
    """One station: its code, WGS84 position in degrees (approximate), names, and ``part`` south, north or empty."""

    code: str
    lon: float
    lat: float
    name: Text
    part: str


@functools.cache
def stations() -> tuple[Station, ...]:
    """Every station, by code."""
    with (Path(__file__).parent / "reference" / "stations.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            Station(row["key"], float(row["lon"]), float(row["lat"]), text(row["zh-CN"], row["en"]), row["part"])
            for row in csv.DictReader(file)
        ]
    return tuple(sorted(rows, key=lambda row: row.code))
