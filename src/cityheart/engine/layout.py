"""How rows lie in the lake: system columns, the z-order cell, order within a file, and files that survive power loss.

A table is partitioned by the UTC day of its event time; within a day rows are sorted by (cell, time) in small row
groups, so that a box in space and time touches few of them. Every timestamp is in microseconds UTC.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cityheart.engine.marks import marked, repeated
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, Unavailable

__all__ = [
    "BATCH",
    "CELL",
    "CELL_BITS",
    "DAY",
    "KNOWN_AT",
    "SEQ",
    "SEQ_ROWS",
    "SOURCE",
    "SYSTEM",
    "TIMESTAMP",
    "DataFile",
    "TableSpec",
    "arrange",
    "cells",
    "conform",
    "epoch_us",
    "lake_type",
    "read_file",
    "read_pieces",
    "spread",
    "sync_directory",
    "together",
    "write_files",
]

TIMESTAMP = pa.timestamp("us", "UTC")

SEQ = "_seq"  # landing order: commit version * SEQ_ROWS + position of the row in its batch
KNOWN_AT = "_known_at"  # when the city's clock first held the row
SOURCE = "_source"
BATCH = "_batch"
CELL = "_cell"  # Morton code of the position, 0 without one
DAY = "_day"  # partition: UTC day of the event time; not a column of the files

SEQ_ROWS = 2**28  # rows of one commit, at most

# First in every file, so that a Delta writer's statistics of the first columns always cover them.
SYSTEM = pa.schema(
    [(SEQ, pa.int64()), (KNOWN_AT, TIMESTAMP), (SOURCE, pa.string()), (BATCH, pa.string()), (CELL, pa.int64())]
)

CELL_BITS = 16  # a cell is 360/2^16 degrees of longitude by 180/2^16 of latitude: about 0.5 km by 0.3 km

_EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class TableSpec:
    """What a lake table is.

    ``key``: columns that name one fact; rows of the same key are versions of it. ``time``: the event time, a
    timestamp in microseconds UTC, never null. ``schema``: the columns, without the system columns.
    ``lon``, ``lat``: WGS84 degrees as doubles, where the rows have a position.
    """

    name: str
    key: tuple[str, ...]
    time: str
    schema: pa.Schema
    lon: str | None = None
    lat: str | None = None

    @property
    def timed(self) -> bool:
        """Whether the key contains the time: then all versions of a fact lie in one day."""
        return self.time in self.key


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a table. Times in microseconds since 1970 UTC.

    ``columns``: it has the first so many of the table, which only ever gains columns at the end. ``unique``: no key
    occurs twice in it.
    """

    path: str  # relative to the table, "_day=2015-12-01/…"
    day: date
    rows: int
    bytes: int
    time: tuple[int, int]
    known: tuple[int, int]
    seq: tuple[int, int]
    columns: int
    unique: bool


def lake_type(name: str, kind: pa.DataType) -> pa.DataType:
    """The type the lake stores for an Arrow type; Invalid for one that it cannot store without loss."""
    if pa.types.is_dictionary(kind):
        return lake_type(name, kind.value_type)
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            raise Invalid(
                f"Column {name!r} holds local times without a zone.", remedy="Convert it to UTC before landing."
            )
        return TIMESTAMP
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_unsigned_integer(kind):
        return pa.int64()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(lake_type(name, kind.value_type))
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_date32(kind)
        or pa.types.is_decimal128(kind)
    ):
        return kind
    raise Invalid(f"Column {name!r} has type {kind}, which the lake does not store.", remedy="Give it as text.")


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """``rows`` with exactly the columns of ``schema``, missing ones null, each cast without loss; else Invalid."""
    columns = []
    for field in schema:
        at = rows.schema.get_field_index(field.name)
        if at < 0:
            columns.append(pa.nulls(rows.num_rows, field.type))
            continue
        column = rows.column(at)
        if column.type != field.type:
            lake_type(field.name, column.type)
            try:
                column = column.cast(field.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise Invalid(
                    f"Column {field.name!r} is {field.type} in the table and the rows do not fit: {error}"
                ) from error
        columns.append(column)
    return pa.table(columns, schema=schema)


def epoch_us(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A timestamp column without nulls as microseconds since 1970 UTC."""
    return np.asarray(column.cast(TIMESTAMP).cast(pa.int64()).to_numpy(), dtype=np.int64)


def cells(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Morton codes (z-order) of positions in degrees; 0 where one is missing or outside the globe."""
    good = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)
    side = float(2**CELL_BITS)
    x = np.where(good, (lon + 180.0) * (side / 360.0), 0.0)
    y = np.where(good, (lat + 90.0) * (side / 180.0), 0.0)
    top = 2**CELL_BITS - 1
    code = spread(np.minimum(x, top).astype(np.int64)) | (spread(np.minimum(y, top).astype(np.int64)) << 1)
    return np.where(good, code, 0)


def spread(value: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Puts a zero bit between each two bits of numbers below 2^16."""
    value = (value | (value << 8)) & 0x00FF00FF
    value = (value | (value << 4)) & 0x0F0F0F0F
    value = (value | (value << 2)) & 0x33333333
    return (value | (value << 1)) & 0x55555555


def arrange(rows: pa.Table, spec: TableSpec) -> Iterator[tuple[date, pa.Table]]:
    """Splits rows that carry the system columns by UTC day; each day sorted by (cell, time, landing order)."""
    if rows.num_rows == 0:
        return
    time = epoch_us(rows[spec.time])
    cell = rows[CELL].to_numpy()
    seq = rows[SEQ].to_numpy()
    day = time // _DAY_US
    order = np.lexsort((seq, time, cell, day))
    if not np.array_equal(order, np.arange(len(order))):
        rows = rows.take(pa.array(order))
        day = day[order]
    starts = np.flatnonzero(np.r_[True, day[1:] != day[:-1]])
    ends = np.r_[starts[1:], len(day)]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield _EPOCH + timedelta(days=int(day[start])), rows.slice(start, end - start)


def write_files(
    directory: Path, parts: list[tuple[date, pa.Table]], spec: TableSpec, stem: str
) -> list[tuple[DataFile, pa.Table]]:
    """Writes each day's rows as one Parquet file and forces it and its directory entry to the disk."""
    fresh = {day for day, _ in parts if not (directory / _partition(day)).exists()}
    for day in fresh:
        (directory / _partition(day)).mkdir(exist_ok=True)
    if len(parts) > 2:
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="lake-write") as pool:
            written = list(pool.map(lambda part: _write(directory, part[0], part[1], spec, stem), parts))
    else:
        written = [_write(directory, day, rows, spec, stem) for day, rows in parts]
    if fresh:
        sync_directory(directory)
    return written


def _partition(day: date) -> str:
    return f"{DAY}={day.isoformat()}"


def _write(directory: Path, day: date, rows: pa.Table, spec: TableSpec, stem: str) -> tuple[DataFile, pa.Table]:
    path = _reserve(directory, f"{_partition(day)}/{stem}")
    whole = directory / path
    packed = [name for name in (SEQ, KNOWN_AT, CELL, spec.time) if name in rows.column_names]
    split = [name for name in (spec.lon, spec.lat) if name is not None and rows.schema.field(name).type == pa.float64()]
    encoded = set(packed) | set(split)
    small = rows.num_rows < limits.LAKE_ROW_GROUP  # written often and soon merged: speed counts, not size
    with pq.ParquetWriter(
        whole,
        pa.schema([field.with_type(_value_type(field.type)) for field in rows.schema]),
        compression="lz4" if small else "zstd",
        write_statistics=packed if small else True,
        use_dictionary=[name for name in rows.column_names if name not in encoded],
        column_encoding=dict.fromkeys(packed, "DELTA_BINARY_PACKED") | dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
        store_schema=False,
    ) as file:
        # Of encoded text the dictionary would be written whole into every row group, so it is decoded group by group.
        for start in range(0, rows.num_rows, limits.LAKE_ROW_GROUP):
            group = rows.slice(start, limits.LAKE_ROW_GROUP)
            file.write_table(conform(group, file.schema), row_group_size=limits.LAKE_ROW_GROUP)
    size = _sync(whole)
    sync_directory(whole.parent)
    # different marks, different keys; that equal ones are of different keys is as good as impossible, and then only slower
    unique = not repeated(marked(rows, spec.key))
    return (
        DataFile(
            path=path,
            day=day,
            rows=rows.num_rows,
            bytes=size,
            time=_range(rows[spec.time]),
            known=_range(rows[KNOWN_AT]),
            seq=_range(rows[SEQ]),
            columns=rows.num_columns,
            unique=unique,
        ),
        rows,
    )


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _reserve(directory: Path, stem: str) -> str:
    """A file name that no other writer has taken, on this machine or another."""
    for number in range(limits.LAKE_COMMIT_TRIES):
        path = f"{stem}-{number}.parquet"
        try:
            os.close(os.open(directory / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            continue
        return path
    raise Unavailable(f"{directory.name}: no free file name for {stem}.", remedy="Compact the table and try again.")


def together(directory: Path, files: Sequence[DataFile], schema: pa.Schema, spec: TableSpec) -> pa.Table:
    """The rows of files of one day in the order of :func:`arrange`; text comes dictionary-encoded.

    A column after another, so that memory holds the rows once.
    """
    keys = {name: _column(directory, files, schema.field(name)) for name in (CELL, spec.time, SEQ)}
    order = pa.array(np.lexsort((keys[SEQ].to_numpy(), epoch_us(keys[spec.time]), keys[CELL].to_numpy())))
    columns = [
        (keys.pop(field.name) if field.name in keys else _column(directory, files, field)).take(order)
        for field in schema
    ]
    return pa.table(columns, names=schema.names)


def _column(directory: Path, files: Sequence[DataFile], field: pa.Field) -> pa.ChunkedArray:
    """One column of files; null in those that were written before the table had it."""
    chunks: list[pa.Array] = []
    for each in files:
        with pq.ParquetFile(directory / each.path, memory_map=True) as file:
            if field.name in file.schema_arrow.names:
                chunks += file.read([field.name]).column(0).cast(field.type).chunks
            else:
                chunks.append(pa.nulls(each.rows, field.type))
    whole = pa.chunked_array(chunks, field.type)
    return whole.dictionary_encode() if pa.types.is_string(field.type) or pa.types.is_binary(field.type) else whole


def _range(column: pa.ChunkedArray) -> tuple[int, int]:
    both = pc.min_max(column.cast(pa.int64()))
    return both["min"].as_py(), both["max"].as_py()


def _sync(path: Path) -> int:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        return os.fstat(handle).st_size
    finally:
        os.close(handle)


def sync_directory(path: Path) -> None:
    """Forces the entries of a directory to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_file(directory: Path, path: str, schema: pa.Schema) -> pa.Table:
    """One data file with the columns of ``schema``, those added to the table after it was written null."""
    with pq.ParquetFile(directory / path, memory_map=True) as file:
        return conform(file.read(), schema)


def read_pieces(directory: Path, path: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """The columns of ``schema`` of one data file, some row groups at a time: a whole day of text is many times its file."""
    with pq.ParquetFile(directory / path, memory_map=True) as file:
        names = [name for name in schema.names if name in file.schema_arrow.names]
        step = limits.LAKE_PIECE_ROWS // limits.LAKE_ROW_GROUP
        for first in range(0, file.num_row_groups, step):
            groups = list(range(first, min(first + step, file.num_row_groups)))
            yield conform(file.read_row_groups(groups, names), schema)
