"""Parquet files and Arrow streams: typed columns, read in bounded batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cityheart.kernel import limits
from cityheart.kernel.text import text
from cityheart.share.formats.batch import Batch, Payload, Reading, opened
from cityheart.share.models import Refused

__all__ = ["parquet_batches", "stream_batches"]


def parquet_batches(payload: Payload, reading: Reading) -> Iterator[Batch]:
    """The rows of a Parquet file. Raises Refused when it is damaged."""
    try:
        # read ahead, a file keeps all that was ever read of it
        with opened(payload) as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
            names = file.schema_arrow.names
            _bounded(len(names))
            row = 1
            if file.metadata.num_rows == 0:
                yield _batch(file.schema_arrow.empty_table(), row)
            size = max(1_000, limits.BATCH_CELLS // max(1, len(names)))
            for part in file.iter_batches(batch_size=size):
                yield _batch(pa.Table.from_batches([part]), row)
                row += part.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("Parquet", error) from error


def stream_batches(payload: Payload, reading: Reading) -> Iterator[Batch]:
    """The rows of an Arrow IPC stream. Raises Refused when it is damaged."""
    try:
        with opened(payload) as stream, pa.ipc.open_stream(stream) as file:
            _bounded(len(file.schema.names))
            row = 1
            for part in file:
                yield _batch(pa.Table.from_batches([part]), row)
                row += part.num_rows
            if row == 1:
                yield _batch(file.schema.empty_table(), row)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("Arrow", error) from error


def _batch(table: pa.Table, first: int) -> Batch:
    return Batch(table, np.arange(first, first + table.num_rows, dtype=np.int64))


def _bounded(columns: int) -> None:
    if columns > limits.COLUMNS:
        raise Refused(
            "too_many_columns",
            text(f"有 {columns} 列，超过上限 {limits.COLUMNS}", f"{columns} columns, the limit is {limits.COLUMNS}"),
        )


def _unreadable(kind: str, error: Exception) -> Refused:
    reason = str(error).splitlines()[0][:200]
    return Refused("unreadable", text(f"{kind} 文件损坏：{reason}", f"the {kind} file is damaged: {reason}"))
