"""SedonaDB, behind the few calls the lake needs: views by name, one statement with parameters, an Arrow table."""

from __future__ import annotations

import datetime as dt
import decimal
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for PROJ and GDAL, which nothing here uses
    import sedonadb

from cityheart.engine.layout import TIMESTAMP
from cityheart.engine.veil import Veil
from cityheart.kernel.errors import BadRequest

__all__ = ["Files", "Sedona", "Veiled", "View"]


_SCANS = frozenset({"?table?", "generate_series()", "range()"})
_CHECKED = 2_000  # statement texts remembered as harmless

_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "Boolean",
    pa.int8(): "Int8",
    pa.int16(): "Int16",
    pa.int32(): "Int32",
    pa.int64(): "Int64",
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.string(): "Utf8",
    pa.binary(): "Binary",
    pa.date32(): "Date32",
    TIMESTAMP: 'Timestamp(Microsecond, Some("UTC"))',
}


class Files:
    """Parquet files of one table, too large to be held in memory; each has the first ``columns`` of the schema."""

    def __init__(self, paths: Sequence[Path], schema: pa.Schema, columns: int) -> None:
        self.paths = [str(path) for path in paths]
        self.schema = schema
        self.columns = columns


class Veiled:
    """Rows, or a SELECT over views before it, seen through a veil; ``schema`` names and types all its columns."""

    def __init__(self, inner: pa.Table | str, veil: Veil, schema: pa.Schema) -> None:
        self.inner, self.veil, self.schema = inner, veil, schema


View: TypeAlias = pa.Table | Files | Veiled | str  # rows in memory, files, a veiled view, a SELECT over views before it


class Sedona:
    """Answers statements; safe for threads: each call has a context of its own, kept for the next."""

    def __init__(self) -> None:
        self._idle: list[sedonadb.context.SedonaContext] = []
        self._lock = threading.Lock()
        self._checked: set[str] = set()

    def run(self, sql: str, views: Mapping[str, View], params: Mapping[str, object]) -> pa.Table:
        """The rows of ``sql`` over ``views``; plain string and microsecond UTC types. BadRequest says what is wrong."""
        bound = {name: _value(name, value) for name, value in params.items()}
        with self._context() as context:
            try:
                for name, view in views.items():
                    _register(context, name, view)
                frame = context.sql(sql)
                self._check(sql, frame)
                if bound:
                    frame = frame.with_params(**bound)
                return _plain(frame.to_arrow_table())
            except (sedonadb._lib.SedonaError, pa.ArrowInvalid) as error:
                raise BadRequest(f"The query cannot be answered: {_reason(error)}") from error
            finally:
                for name in views:
                    with suppress(sedonadb._lib.SedonaError):  # not made, when making it failed
                        context.drop_view(name)

    @contextmanager
    def _context(self) -> Iterator[sedonadb.context.SedonaContext]:
        with self._lock:
            context = self._idle.pop() if self._idle else None
        if context is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                context = sedonadb.connect()
        yield context  # a context in which something failed is not used again
        with self._lock:
            self._idle.append(context)

    def _check(self, sql: str, frame: sedonadb.dataframe.DataFrame) -> None:
        """No scan but of the given views, which a plan calls ``?table?``; looked at once per statement text."""
        if sql in self._checked:
            return
        plan = frame.explain().to_arrow_table().column("plan").to_pylist()[0]
        for scan in re.findall(
            r"TableScan: (.+?)(?: projection=| partial_filters=| full_filters=|$)", plan, re.MULTILINE
        ):
            if scan not in _SCANS:
                raise BadRequest(f"{scan} is not a dataset of the lake.")
        if len(self._checked) >= _CHECKED:
            self._checked.clear()
        self._checked.add(sql)


def _register(context: sedonadb.context.SedonaContext, name: str, view: View) -> None:
    if isinstance(view, pa.Table):
        context.create_data_frame(view).to_view(name, overwrite=True)
    elif isinstance(view, str):
        context.sql(view).to_view(name, overwrite=True)
    elif isinstance(view, Veiled):
        null = {each.name: f"arrow_cast(NULL, '{_type(each.type)}')" for each in view.schema}
        source = name
        if isinstance(view.inner, str):
            source = f"({view.inner}) AS {name}"
        else:
            _register(context, name, view.inner)
        context.sql(view.veil.select(source, view.schema, null)).to_view(name, overwrite=True)
    else:
        context.read_parquet(view.paths, partitioning=[]).to_view(name, overwrite=True)
        if view.columns < len(view.schema):
            names = ['"' + column.replace('"', '""') + '"' for column in view.schema.names]
            missing = [f"arrow_cast(NULL, '{_type(kind)}')" for kind in view.schema.types[view.columns :]]
            added = [f"{null} AS {column}" for null, column in zip(missing, names[view.columns :], strict=True)]
            select = f"SELECT {', '.join(names[: view.columns] + added)} FROM {name}"  # noqa: S608  no values
            context.sql(select).to_view(name, overwrite=True)


def _type(kind: pa.DataType) -> str:
    """A lake type as ``arrow_cast`` names it."""
    if pa.types.is_list(kind):
        return f"List({_type(kind.value_type)})"
    if pa.types.is_decimal128(kind):
        return f"Decimal128({kind.precision}, {kind.scale})"
    return _TYPES[kind]


def _value(name: str, value: object) -> object:
    """A parameter as the engine takes it: aware times in UTC, numpy scalars and sequences as Arrow knows them."""
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise BadRequest(f"Parameter {name} is a time without a zone.")
        return pa.scalar(value.astimezone(dt.UTC), TIMESTAMP)
    if isinstance(value, np.generic):
        return _value(name, value.item())
    if isinstance(value, dt.timedelta):
        return pa.scalar(value, pa.duration("us"))
    if isinstance(value, tuple | frozenset | set | list):
        items = sorted(value) if isinstance(value, frozenset | set) else list(value)
        return [_value(name, item) for item in items]
    if value is None or isinstance(value, str | int | float | bool | bytes | dt.date | decimal.Decimal | pa.Scalar):
        return value
    raise BadRequest(f"Parameter {name} has a type that a query cannot take: {type(value).__name__}.")


def _plain(rows: pa.Table) -> pa.Table:
    fields = []
    for field in rows.schema:
        kind = field.type
        if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
            kind = pa.string()
        elif pa.types.is_binary_view(kind) or pa.types.is_large_binary(kind):
            kind = pa.binary()
        elif pa.types.is_timestamp(kind):
            kind = TIMESTAMP
        fields.append(pa.field(field.name, kind, metadata=field.metadata))
    schema = pa.schema(fields)
    return rows if schema.equals(rows.schema) else rows.cast(schema)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
