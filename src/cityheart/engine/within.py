"""Counting a table's positions in areas: of its files only the row groups are read that an area comes near.

Within a day rows lie by place, so a row group is a small part of the city; its bounds are in the file's footer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from cityheart.engine.polygons import Floats, Ints, Polygons

__all__ = ["Footers", "counted"]

_KEPT = 4_096  # files whose bounds are remembered
_GROUPS = 40  # row groups read at a time by one thread
_THREADS = 2


class Footers:
    """The bounds of the row groups of files, which never change: west, south, east, north a line. Safe for threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[Path, Floats | None] = OrderedDict()
        self._lock = Lock()

    def of(self, path: Path, lon: str, lat: str) -> Floats | None:
        """The bounds; None where the file does not tell them of every group."""
        with self._lock:
            if path in self._known:
                self._known.move_to_end(path)
                return self._known[path]
        bounds = _bounds(path, lon, lat)
        with self._lock:
            self._known[path] = bounds
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return bounds


def _bounds(path: Path, lon: str, lat: str) -> Floats | None:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if lon not in names or lat not in names:
            return np.zeros((0, 4))  # written before the table had positions
        x, y = names.index(lon), names.index(lat)
        found = []
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            across, up = group.column(x).statistics, group.column(y).statistics
            if across is None or up is None or not (across.has_min_max and up.has_min_max):
                return None
            found.append((across.min, up.min, across.max, up.max))
    return np.array(found, dtype=np.float64).reshape(-1, 4)


def counted(
    polygons: Polygons, footers: Footers, plain: Sequence[Path], rest: Callable[[], pa.Table], lon: str, lat: str
) -> Ints:
    """How many positions each area holds: of all rows of the ``plain`` files, and of the table that ``rest`` gives."""
    bounds = polygons.bounds
    tree = shapely.STRtree(shapely.box(*bounds[np.isfinite(bounds).all(axis=1)].T))
    tasks: list[Callable[[], Ints]] = [lambda: _in_table(polygons, rest(), lon, lat)]
    for path in plain:
        boxes = footers.of(path, lon, lat)
        if boxes is None:
            tasks.append(lambda path=path: _in_groups(polygons, path, None, lon, lat))  # type: ignore[misc]
            continue
        near = np.unique(tree.query(shapely.box(*boxes.T))[0])
        for first in range(0, len(near), _GROUPS):
            groups = near[first : first + _GROUPS]
            tasks.append(lambda path=path, groups=groups: _in_groups(polygons, path, groups, lon, lat))  # type: ignore[misc]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="areas") as pool:
        total: Ints = np.sum(list(pool.map(lambda task: task(), tasks)), axis=0, dtype=np.int64)
    return total


def _in_groups(polygons: Polygons, path: Path, groups: npt.NDArray[np.int64] | None, lon: str, lat: str) -> Ints:
    with pq.ParquetFile(path, memory_map=True) as file:
        chosen = list(range(file.num_row_groups)) if groups is None else groups.tolist()
        rows = file.read_row_groups(chosen, columns=[lon, lat], use_threads=False)
    return _in_table(polygons, rows, lon, lat)


def _in_table(polygons: Polygons, rows: pa.Table, lon: str, lat: str) -> Ints:
    x, y = (np.asarray(rows[name].to_numpy(), dtype=np.float64) for name in (lon, lat))
    return polygons.counts(x, y, threads=1)
