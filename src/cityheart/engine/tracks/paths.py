"""The way of a trip or a visit as text: a few dozen points that a row can carry.

Points are divided by ``;``. Each has four whole numbers: seconds, longitude and latitude in 0.00001 degrees, and the load (-1
unknown). Those of the first point count from 1970-01-01 UTC and from zero degrees, those of the others from the point
before; the load is always itself.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.engine.compiled import compiled, innermost
from cityheart.kernel.errors import Invalid

__all__ = ["read", "written"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATITUDES = 18_000_001  # of 0.00001 degrees
_POINT = 36  # bytes of one at most, with what divides it from the next
_LINES = 8_192  # written by one thread at a time


def written(ways: _Floats, lines: _Ints) -> pa.ChunkedArray:
    """The texts of some lines of ways, null for line 0.

    A way is the time in microseconds since 1970 UTC and the place as the kernel codes it of one point after another, time
    0 where there is no more.
    """
    parts = [lines[start : start + _LINES] for start in range(0, len(lines), _LINES)]
    if len(parts) > 1:
        with ThreadPoolExecutor(2, thread_name_prefix="paths") as pool:
            texts = list(pool.map(lambda part: _written(ways, part), parts))
    else:
        texts = [_written(ways, part) for part in parts]
    return pa.chunked_array(texts, pa.string())


def _written(ways: _Floats, lines: _Ints) -> pa.StringArray:
    told = int((lines > 0).sum())
    room = np.empty(told * (ways.shape[1] // 2) * _POINT, dtype=np.uint8)
    ends = np.zeros(len(lines) + 1, dtype=np.int32)
    _write(ways, lines, room, ends)
    valid = np.packbits(lines > 0, bitorder="little")
    buffers = [pa.py_buffer(valid.tobytes()), pa.py_buffer(ends), pa.py_buffer(room[: ends[-1]].tobytes())]
    return pa.StringArray.from_buffers(len(lines), buffers[1], buffers[2], buffers[0])


@innermost
def _number(value: int, room: _Bytes, end: int) -> int:
    """Writes a whole number in decimals; where it ends."""
    if value < 0:
        room[end] = 45  # -
        end += 1
        value = -value
    digits, rest = 1, value
    while rest >= 10:
        rest //= 10
        digits += 1
    for i in range(digits - 1, -1, -1):
        room[end + i] = 48 + value % 10
        value //= 10
    return end + digits


@compiled
def _write(ways: _Floats, lines: _Ints, room: _Bytes, ends: npt.NDArray[np.int32]) -> None:
    """Writes the texts one after another; where each ends."""
    end = 0
    for i in range(len(lines)):
        second = east = north = 0
        for k in range(0, ways.shape[1] if lines[i] > 0 else 0, 2):
            time, place = ways[lines[i], k], int(ways[lines[i], k + 1])
            if time <= 0.0:
                break
            if k > 0:
                room[end] = 59  # ;
                end += 1
            seconds = int(np.rint(time / 1e6))
            turn = place // 8
            right, up = turn // _LATITUDES - 18_000_000, turn % _LATITUDES - 9_000_000
            end = _number(seconds - second, room, end)
            room[end] = 32
            end = _number(right - east, room, end + 1)
            room[end] = 32
            end = _number(up - north, room, end + 1)
            room[end] = 32
            end = _number(place % 8 - 1, room, end + 1)
            second, east, north = seconds, right, up
        ends[i + 1] = end


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
