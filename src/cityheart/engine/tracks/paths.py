"""The way of a trip or a visit as text: a few dozen points that a row can carry.

Points are divided by ``;``. Each has four whole numbers: seconds, longitude and latitude in 0.00001 degrees, and the load (-1
unknown). Those of the first point count from 1970-01-01 UTC and from zero degrees, those of the others from the point
before; the load is always itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.kernel.errors import Invalid

__all__ = ["read", "written"]

_Floats = npt.NDArray[np.float64]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATITUDES = 18_000_001  # of 0.00001 degrees


def written(times: _Floats, codes: _Floats, told: npt.NDArray[np.bool_]) -> pa.Array:
    """A text for each line of points: times in microseconds since 1970 UTC (0 where there is no point) and places as the
    kernel codes them. Null for lines that are not ``told`` or have no point."""
    there = (times > 0) & told[:, None]
    counts = there.sum(axis=1)
    line, _ = np.nonzero(there)
    place = codes[there].astype(np.int64)
    turn, load = place // 8, place % 8 - 1
    numbers = [
        (times[there] / 1e6).round().astype(np.int64),
        turn // _LATITUDES - 180 * 100_000,
        turn % _LATITUDES - 90 * 100_000,
    ]
    further = np.concatenate([[False], line[1:] == line[:-1]]) if len(line) else np.empty(0, dtype=np.bool_)
    steps = [np.where(further, np.diff(each, prepend=0), each) for each in numbers]
    words = [pa.array(each).cast(pa.string()) for each in (*steps, load)]
    points = pc.binary_join_element_wise(*words, " ")
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), points), ";")
    return pc.if_else(pa.array(counts > 0), joined, pa.scalar(None, pa.string()))


def read(path: str) -> list[tuple[datetime, float, float, int]]:
    """The points of a text: time (UTC), longitude and latitude (WGS84 degrees), load. Invalid for another text."""
    found: list[tuple[datetime, float, float, int]] = []
    second = east = north = 0
    try:
        for point in path.split(";") if path else ():
            ahead, right, up, load = map(int, point.split(" "))
            second, east, north = second + ahead, east + right, north + up
            found.append((_EPOCH + timedelta(seconds=second), east / 1e5, north / 1e5, load))
    except (ValueError, OverflowError) as error:
        raise Invalid(f"no way of a vehicle: {path[:60]!r}", remedy="read it from a column path") from error
    return found
