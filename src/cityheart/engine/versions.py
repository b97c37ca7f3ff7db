"""The newest version of every fact: by (moment known, order of landing)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.layout import KNOWN_AT, SEQ, TIMESTAMP

__all__ = ["known_by", "newest", "newest_sql", "within"]


def newest(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Of the rows of each key the one known last, and of those the one landed last; in the order they stand."""
    columns = list(key)
    if rows.num_rows < 2:
        return rows
    groups = rows.select(columns).combine_chunks()
    if groups.group_by(columns).aggregate([]).num_rows == rows.num_rows:
        return rows
    known = rows[KNOWN_AT].cast(pa.int64()).to_numpy()
    order = np.lexsort((rows[SEQ].to_numpy(), known))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    best = groups.append_column("_rank", pa.array(rank)).group_by(columns).aggregate([("_rank", "max")])
    return rows.take(pa.array(np.sort(order[best["_rank_max"].to_numpy()])))


def known_by(rows: pa.Table, at_us: int) -> pa.Table:
    """The rows that the city held at that moment (microseconds since 1970 UTC)."""
    return rows.filter(pc.less_equal(rows[KNOWN_AT], pa.scalar(at_us, TIMESTAMP)))


def within(rows: pa.Table, time: str, start_us: int, end_us: int) -> pa.Table:
    """The rows with start <= time < end."""
    after = pc.greater_equal(rows[time], pa.scalar(start_us, TIMESTAMP))
    return rows.filter(pc.and_(after, pc.less(rows[time], pa.scalar(end_us, TIMESTAMP))))


def newest_sql(source: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """The same as :func:`newest` as a SELECT over the view ``source``."""
    names = ", ".join(_quoted(name) for name in columns)
    keys = ", ".join(_quoted(name) for name in key)
    ranked = f'row_number() OVER (PARTITION BY {keys} ORDER BY "{KNOWN_AT}" DESC, "{SEQ}" DESC)'
    return f'SELECT {names} FROM (SELECT *, {ranked} AS "_rank" FROM {source}) WHERE "_rank" = 1'  # noqa: S608


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
