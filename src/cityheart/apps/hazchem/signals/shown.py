"""What detectors of streams show: lines, thresholds, rows, subjects, and probabilities from log-odds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.sdk import SubjectRef, Text, text

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

POINTS = 400
"""Points of a line at most; longer lines are thinned, their highest points kept."""

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
    """A line of a series; ``at`` in microseconds, NaN left out."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) > POINTS:
        parts = np.array_split(known, POINTS)
        known = np.array([part[np.argmax(values[part])] for part in parts])
    times = np.datetime_as_string(at[known].astype("datetime64[us]"), unit="s").tolist()
    found = np.round(values[known], digits).tolist()
    points = [[f"{time}Z", value] for time, value in zip(times, found, strict=True)]
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
    """Row evidence."""
    return {
        "type": "rows",
        "title": title,
        "dataset": dataset,
        "source": source,
        "known_at": iso(known_at),
        "columns": list(columns),
        "rows": [list(row) for row in found],
    }


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
