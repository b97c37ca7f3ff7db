"""What detectors of streams show: lines, thresholds, rows, subjects, and probabilities from log-odds."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.sdk import SubjectRef, Text, text

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

_FOLDER = Path(__file__).parents[1]

POINTS = 400
"""Points of a line at most; longer lines are thinned, their highest points kept."""

HOLES = 90
"""Holes of a line at most, the widest."""

HOUR_US = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def chance(log_odds: float) -> float:
    """The probability that log-odds stand for."""
    return 1.0 / (1.0 + math.exp(-log_odds))


def number(parameters: Mapping[str, object], name: str) -> float:
    """A parameter that is a number."""
    value = parameters[name]
    assert isinstance(value, int | float), name
    return float(value)


def weights(parameters: Mapping[str, object], name: str) -> Mapping[str, float]:
    """A parameter that is a table of log-odds."""
    table = parameters[name]
    assert isinstance(table, Mapping), name
    return table


def moment(micro: float) -> datetime:
    """Microseconds since 1970 as an aware datetime."""
    return EPOCH + timedelta(microseconds=int(micro))


def iso(at: datetime) -> str:
    """As evidence writes moments."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at: datetime, zone: ZoneInfo) -> str:
    """A moment by the city's clock, for people."""
    return at.astimezone(zone).strftime("%m-%d %H:%M")


def site(site_id: str, names: Mapping[str, str]) -> SubjectRef:
    """A site as subject, by its registered name or, where it has none, its number."""
    name = names.get(site_id) or site_id
    return SubjectRef("site", site_id, text(name, name))


def line(name: Text, at: Whole, values: Array, style: str = "observed", digits: int = 2) -> dict[str, object]:
    """A line of a series; ``at`` in microseconds. What is not known between two known values is a hole: one point without a
    value, at which the line breaks."""
    known = np.flatnonzero(~np.isnan(values))
    wide = np.diff(known)
    holes = np.flatnonzero(wide > 1)
    holes = known[holes[np.argsort(-wide[holes], kind="stable")[:HOLES]]] + 1
    if len(known) > POINTS:
        parts = np.array_split(known, POINTS)
        known = np.array([part[np.argmax(values[part])] for part in parts])
    times = np.datetime_as_string(at[known].astype("datetime64[us]"), unit="s").tolist()
    found = np.round(values[known], digits).tolist()
    points: list[list[object]] = [[f"{time}Z", value] for time, value in zip(times, found, strict=True)]
    if len(holes):
        broken = np.datetime_as_string(at[holes].astype("datetime64[us]"), unit="s").tolist()
        points += [[f"{time}Z", None] for time in broken]
        points.sort(key=lambda point: str(point[0]))
    return {"name": name, "points": points, "style": style}


def series(
    title: Text, unit: str, lines: Sequence[Mapping[str, object]], thresholds: Iterable[tuple[Text, float]]
) -> dict[str, object]:
    """Series evidence."""
    return {
        "type": "series",
        "title": title,
        "unit": unit,
        "series": list(lines),
        "thresholds": [{"name": name, "value": value} for name, value in thresholds],
    }


def rows(
    title: Text,
    dataset: str,
    source: str,
    known_at: datetime,
    columns: Sequence[str],
    found: Iterable[Sequence[object]],
) -> dict[str, object]:
    """Row evidence: columns with their titles, codes as words where there are some."""
    words = [_evidence()["words"].get(name, {}) for name in columns]
    return {
        "type": "rows",
        "title": title,
        "dataset": dataset,
        "source": source,
        "known_at": iso(known_at),
        "columns": list(columns),
        "titles": {name: title_of(dataset, name) for name in columns},
        "rows": [[said.get(str(cell), cell) for said, cell in zip(words, row, strict=True)] for row in found],
    }


@cache
def title_of(dataset: str, column: str) -> Text:
    """What people read above a column: what a detector calls it, else its title and unit in the contract, else its name."""
    if column in _evidence()["columns"]:
        own: Text = _evidence()["columns"][column]
        return own
    for name in dataset.split(", "):
        path = _FOLDER / "contracts" / f"{name}.json"
        fields = json.loads(path.read_text("utf-8"))["schema"]["fields"] if path.is_file() else []
        for field in fields:
            if field["name"] == column and field.get("title"):
                unit = field.get("unit")
                zh, en = (field["title"][tag] for tag in ("zh-CN", "en"))
                return text(f"{zh}（{unit}）", f"{en} ({unit})") if unit else text(zh, en)
    return text(column, column)


@cache
def _evidence() -> dict[str, dict[str, Any]]:
    given: dict[str, dict[str, Any]] = tomllib.loads((_FOLDER / "data" / "evidence.toml").read_text("utf-8"))
    return given


def place_of(wanted: pa.ChunkedArray, among: Sequence[str]) -> Whole:
    """The place of each value of a column of text in a list, -1 where it is not in it."""
    found = pa.compute.index_in(wanted, value_set=pa.array(among, pa.string()))
    whole: Whole = pa.compute.fill_null(found, -1).to_numpy().astype(np.int64)
    return whole


def floats(column: pa.ChunkedArray) -> Array:
    """A column of numbers, null as NaN."""
    values: Array = column.cast(pa.float64()).to_numpy().astype(np.float64)
    return values


def micro(column: pa.ChunkedArray) -> Whole:
    """A column of moments as microseconds since 1970; null is 0."""
    moments = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    whole: Whole = pa.compute.fill_null(moments, 0).to_numpy()
    return whole
