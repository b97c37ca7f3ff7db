"""The databases that departments hand out: SQLite files with row versions, the same bytes for the same city."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["write_database"]

_NUMBERS = {
    "lon", "lat", "max_storage_t", "max_annual_t", "opening_t", "produced_t", "purchased_t", "used_t", "sold_t",
    "disposed_t", "closing_t", "shipped_t", "received_t",
}  # fmt: skip
_WHOLE = {"residents_500m"}


def write_database(file: Path, tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[object]]]]) -> int:
    """Write each table (columns, rows); the last column is ``_visible_from``. Gives the number of rows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    count = 0
    with sqlite3.connect(file) as database:
        database.execute("pragma page_size = 4096")
        for name, (columns, rows) in tables.items():
            told = ", ".join(f'"{column}" {_kind(column)}' for column in columns)
            database.execute(f'create table "{name}" ({told})')
            marks = ", ".join("?" * len(columns))
            database.executemany(f'insert into "{name}" values ({marks})', rows)  # noqa: S608 - our own names
            count += len(rows)
    database.execute("vacuum")
    database.close()
    return count


def _kind(column: str) -> str:
    return "REAL" if column in _NUMBERS else "INTEGER" if column in _WHOLE else "TEXT"
