"""The databases of a test city's systems: SQLite files of row versions, read as logs, or served as they were at a moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from cityheart.sdk import Delivery, Invalid
from cityheart.simulation.player.handed import VISIBLE, micros, newest
from cityheart.simulation.player.wire import stream

__all__ = ["ServedDatabase", "TableLog", "columns_of", "tables"]

ROWS_TOGETHER = 10_000  # rows of one delivery


def tables(path: Path) -> dict[str, list[str]]:
    """The tables of a database with their columns. Raises :class:`Invalid` for a file that is no SQLite database."""
    try:
        with closing(_opened(path)) as conn:
            names = [
                str(name)
                for (name,) in conn.execute(
                    "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name"
                )
            ]
            return {name: columns_of(conn, name) for name in names}
    except sqlite3.Error as error:
        raise Invalid(f"{path.name} cannot be read: {error}", remedy="have it written again") from None


def columns_of(conn: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's columns."""
    return [str(row[1]) for row in conn.execute(f"pragma table_info({_quoted(table)})")]


class TableLog:
    """The row versions of one table. Raises :class:`Invalid` for a damaged table or one that does not say since when.

    A source shows of each ``key`` (columns of the table) the newest version that is there when it is asked; an empty
    key keeps all.
    """

    def __init__(self, path: Path, table: str, key: Sequence[str]) -> None:
        self._name = table
        try:
            with closing(_opened(path)) as conn:
                names = columns_of(conn, table)
                if VISIBLE not in names:
                    raise Invalid(f"{path.name}: the table {table} has no column {VISIBLE}", remedy="add it")
                rows = conn.execute(f"select * from {_quoted(table)}").fetchall()  # noqa: S608  (quoted)
        except sqlite3.Error as error:
            raise Invalid(f"{path.name}: {table} cannot be read: {error}", remedy="have it written again") from None
        at = names.index(VISIBLE)
        moments = np.array([_micros(row[at], f"{path.name}: {table}") for row in rows], dtype=np.int64)
        order = np.argsort(moments, kind="stable")
        self.moments = moments[order]
        self.names = [name for name in names if name != VISIBLE]
        self._key = [self.names.index(name) for name in key]
        self._rows = [
            tuple(value for index, value in enumerate(rows[place]) if index != at) for place in order.tolist()
        ]

    def rows(self, start: int, end: int) -> list[tuple[object, ...]]:
        """Entries [start, end), without the moment of their being there."""
        return self._rows[start:end]

    def deliveries(self, start: int, end: int, at: datetime) -> Iterator[Delivery]:
        """Arrow streams of rows, as the SQL connector makes them."""
        rows = self._rows[start:end]
        kept = newest([tuple(row[index] for index in self._key) for row in rows])
        for part, first in enumerate(range(0, len(kept), ROWS_TOGETHER), 1):
            chosen = [rows[index] for index in kept[first : first + ROWS_TOGETHER]]
            table = pa.table({name: _column([row[index] for row in chosen]) for index, name in enumerate(self.names)})
            yield Delivery(f"{self._name} #{part}", at, stream(table), "arrow", at.isoformat())


_PATIENCE = 30.0  # seconds that a reader may hold the file


class ServedDatabase:
    """A system's database at work: a SQLite file in which rows come to be and change as time goes on.

    A table has a row for each ``key`` and none of the columns that say since when. ``tables``: by table the key.
    """

    def __init__(self, path: Path, file: Path, tables: Mapping[str, Sequence[str]]) -> None:
        self.file = file
        self._logs = {table: TableLog(path, table, key) for table, key in tables.items()}
        self._shown = dict.fromkeys(tables, 0)
        file.unlink(missing_ok=True)
        with closing(_opened(path)) as conn:
            kinds = {
                table: {
                    str(row[1]): _affinity(str(row[2])) for row in conn.execute(f"pragma table_info({_quoted(table)})")
                }
                for table in tables
            }
        self._conn = sqlite3.connect(file, timeout=_PATIENCE, check_same_thread=False)
        self._conn.execute("pragma journal_mode = wal")
        for table, log in self._logs.items():
            columns = [f"{_quoted(name)} {kinds[table][name]}" for name in log.names]
            if tables[table]:
                columns.append(f"primary key ({', '.join(_quoted(name) for name in tables[table])})")
            self._conn.execute(f"create table {_quoted(table)} ({', '.join(columns)})")
        self._conn.commit()

    def show(self, until: datetime) -> None:
        """Let everything be there that was by ``until``; readers see all of it or nothing."""
        for table, log in self._logs.items():
            end = int(np.searchsorted(log.moments, micros(until), side="right"))
            rows = log.rows(self._shown[table], end)
            if rows:
                values = ", ".join("?" * len(log.names))
                self._conn.executemany(f"insert or replace into {_quoted(table)} values ({values})", rows)  # noqa: S608
                self._shown[table] = end
        self._conn.commit()

    def close(self) -> None:
        """Close the file; it stays."""
        self._conn.close()


def _affinity(declared: str) -> str:
    """The plain type of a declared one: what looks like a date in SQLite is text."""
    kind = declared.upper()
    if "INT" in kind and "POINT" not in kind:
        return "INTEGER"
    return "REAL" if any(part in kind for part in ("REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL")) else "TEXT"


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _micros(value: object, where: str) -> int:
    try:
        moment = datetime.fromisoformat(str(value))
        if moment.tzinfo is None:
            raise ValueError("no offset")
    except ValueError:
        raise Invalid(
            f"{where}: {VISIBLE} {value!r} is no time with an offset", remedy="have it written again"
        ) from None
    return micros(moment)


def _column(values: list[object]) -> pa.Array:
    """A column of one kind as it is, one of mixed kinds as text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str} or kinds <= {int} or kinds <= {int, float}:
        return pa.array(values, pa.float64() if float in kinds else None)
    texts = [None if value is None else value.hex() if isinstance(value, bytes) else str(value) for value in values]
    return pa.array(texts, pa.string())
