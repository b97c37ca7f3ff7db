"""The databases of departments: one SQLite file a system, one table, all row versions that ever were."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

__all__ = ["write_table"]

_TYPES = {"i": "INTEGER", "n": "REAL", "b": "INTEGER"}


def write_table(path: Path, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[object]]) -> None:
    """A new database with one table; ``columns`` are names with their kinds."""
    path.unlink(missing_ok=True)
    declared = ", ".join(f'"{name}" {_TYPES.get(kind, "TEXT")}' for name, kind in columns)
    places = ", ".join("?" * len(columns))
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("PRAGMA page_size = 4096")
        conn.execute(f'CREATE TABLE "{table}" ({declared})')
        conn.executemany(f'INSERT INTO "{table}" VALUES ({places})', rows)  # noqa: S608  (names are declared, not given)
