"""Statements of the hottest paths: compiled once, and on SQLite handed to the driver as they are.

What SQLAlchemy does anew at each execution costs several times what SQLite needs for a row that is in memory. The words,
the types and the errors are SQLAlchemy's all the same, the connection and its transaction too. On PostgreSQL, where each
statement travels to a server and connections may be lost, SQLAlchemy executes them.
"""

from __future__ import annotations

import json
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from cityheart.kernel.schema import UtcDateTime, spelling

__all__ = ["Statement", "savepoint"]

Values = Mapping[str, Any]
Process = Callable[[Any], Any]
NO_VALUES: Values = {}

_DECODER = json.JSONDecoder()
_SQLITE = sqlite.dialect(dbapi=sqlite3, json_serializer=spelling)


class Statement:
    """A statement that is executed very often. Rows have their columns as attributes, and ``_asdict()``.

    Its values are named; which of them are given may differ from one execution to the next, as in a statement of SQLAlchemy.
    Lists (``expanding``) and defaults that Python computes are not for it.
    """

    def __init__(self, statement: sa.Select[Any] | sa.UpdateBase) -> None:
        self._statement = statement
        self._direct: dict[tuple[str, ...], _Direct] = {}

    def all(self, conn: sa.Connection, values: Values = NO_VALUES) -> Sequence[Any]:
        """Execute it; every row it gives."""
        if conn.dialect.name == "sqlite":
            return self._for(values).rows(conn, values)
        return conn.execute(self._statement, values).all()

    def one(self, conn: sa.Connection, values: Values = NO_VALUES) -> Any:
        """Execute it; its first row, ``None`` when it gives none."""
        rows = self.all(conn, values)
        return rows[0] if rows else None

    def value(self, conn: sa.Connection, values: Values = NO_VALUES) -> Any:
        """Execute it; the first column of its first row, ``None`` when it gives none."""
        rows = self.all(conn, values)
        return rows[0][0] if rows else None

    def run(self, conn: sa.Connection, values: Values) -> None:
        """Execute it; it gives no rows."""
        if conn.dialect.name == "sqlite":
            self._for(values).run(conn, [values])
        else:
            conn.execute(self._statement, values)

    def run_all(self, conn: sa.Connection, rows: Sequence[Values]) -> None:
        """Execute it for each of these values, all of the same names; it gives no rows."""
        if conn.dialect.name == "sqlite":
            self._for(rows[0]).run(conn, rows)
        else:
            conn.execute(self._statement, rows)

    def _for(self, values: Values) -> _Direct:
        names = tuple(values)
        direct = self._direct.get(names)
        if direct is None:
            direct = self._direct[names] = _Direct(self._statement, names)
        return direct


class _Direct:
    """A statement for SQLite's driver, with values of these names."""

    def __init__(self, statement: sa.Select[Any] | sa.UpdateBase, names: tuple[str, ...]) -> None:
        compiled = statement.compile(dialect=_SQLITE, column_keys=list(names))
        assert isinstance(compiled, SQLCompiler)
        assert not compiled.insert_prefetch, "a default that Python computes"
        assert not compiled.update_prefetch, "a default that Python computes"
        self._sql = compiled.string
        self._given: list[tuple[str | None, Process | None, Any]] = []
        for name in compiled.positiontup or ():
            bind = compiled.binds[name]
            assert not bind.expanding, f"{name} is a list"
            process = _spelled(bind.type)
            assert name in names or not bind.required, f"{name} is not given"
            self._given.append((name if name in names else None, process, bind.effective_value))
        columns = list(statement.exported_columns)
        row: Any = namedtuple("Row", [str(each.key) for each in columns], rename=True)  # type: ignore[misc]
        self._make: Callable[[Sequence[Any]], Any] = row._make
        found = [_read(each.type) for each in columns]
        self._found = [(at, process) for at, process in enumerate(found) if process is not None]

    def rows(self, conn: sa.Connection, values: Values) -> Sequence[Any]:
        """Execute it and read every row, so that nothing is left open on the connection."""
        given = self._bound(values)
        try:
            found = _driver(conn).execute(self._sql, given).fetchall()
        except sqlite3.Error as error:
            self._raise(error)
        make = self._make
        rows = []
        for row in found:
            read = list(row)
            for at, process in self._found:
                if read[at] is not None:
                    read[at] = process(read[at])
            rows.append(make(read))
        return rows

    def run(self, conn: sa.Connection, rows: Sequence[Values]) -> None:
        """Execute it for each of these values."""
        given = [self._bound(values) for values in rows]
        try:
            if len(given) == 1:
                _driver(conn).execute(self._sql, given[0])
            else:
                _driver(conn).executemany(self._sql, given)
        except sqlite3.Error as error:
            self._raise(error)

    def _bound(self, values: Values) -> list[Any]:
        given = []
        for name, process, constant in self._given:
            value = constant if name is None else values[name]
            given.append(value if process is None or value is None else process(value))
        return given

    def _raise(self, error: sqlite3.Error) -> NoReturn:
        """Raise what SQLAlchemy raises; of values nothing is told."""
        raise _of_sqlalchemy(self._sql, error) from error


@contextmanager
def savepoint(conn: sa.Connection) -> Iterator[None]:
    """A part of a transaction of SQLite that is undone alone when it raises."""
    driver = _driver(conn)
    _said(driver, "savepoint part")
    try:
        yield
    except BaseException:
        _said(driver, "rollback to part")
        _said(driver, "release part")
        raise
    _said(driver, "release part")


def _said(driver: sqlite3.Connection, words: str) -> None:
    try:
        driver.execute(words)
    except sqlite3.Error as error:
        raise _of_sqlalchemy(words, error) from error


def _driver(conn: sa.Connection) -> sqlite3.Connection:
    """The driver's connection, on which a transaction is open."""
    assert conn.in_transaction(), "outside of a transaction"
    driver = conn.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _spelled(kind: sa.types.TypeEngine[Any]) -> Process | None:
    """How SQLAlchemy hands values of a type to the driver; nothing stays nothing, which need not be asked."""
    if isinstance(kind, UtcDateTime):
        return partial(kind.process_bind_param, dialect=_SQLITE)
    if isinstance(kind, sa.JSON):
        assert kind.none_as_null
        return spelling
    process = kind.dialect_impl(_SQLITE).bind_processor(_SQLITE)
    assert process is None or process(None) is None
    return process


def _read(kind: sa.types.TypeEngine[Any]) -> Process | None:
    """How SQLAlchemy reads what the driver gives for a type, without the steps that do nothing for moments and JSON."""
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat
    if isinstance(kind, sa.JSON):
        return _DECODER.decode
    process = kind.dialect_impl(_SQLITE).result_processor(_SQLITE, None)
    assert process is None or process(None) is None
    return process


def _of_sqlalchemy(sql: str, error: sqlite3.Error) -> BaseException:
    raised = sa.exc.DBAPIError.instance(sql, (), error, sqlite3.Error, dialect=_SQLITE)
    assert isinstance(raised, BaseException)
    return raised
