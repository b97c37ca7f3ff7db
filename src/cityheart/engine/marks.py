"""Marks of rows: 64 bits over the values of some columns, equal for equal values.

Rows with different marks differ for certain; different rows have the same mark once in 10^19 pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Marks", "marked", "repeated"]

Marks = npt.NDArray[np.uint64]

_NOTHING = np.uint64(0x9E3779B97F4A7C15)


def marked(rows: pa.Table, columns: Sequence[str]) -> Marks:
    """A mark of every row over some columns; never 0."""
    marks: Marks = np.full(rows.num_rows, 0x51_7C_C1_B7_27_22_0A_95, dtype=np.uint64)
    for column in columns:
        marks = _mixed(marks ^ _values(rows[column]))
    marks[marks == 0] = 1
    return marks


def repeated(marks: Marks) -> bool:
    """Whether a mark is there twice. Sorted, as that is many times quicker than numpy's own search for unique numbers."""
    ordered = np.sort(marks)
    return bool((ordered[1:] == ordered[:-1]).any())


def _values(column: pa.ChunkedArray) -> Marks:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _encoded(column)
    if pa.types.is_floating(kind):
        numbers = pc.fill_null(column, 0.0).to_numpy().astype(np.float64) + 0.0  # -0.0 is 0.0
        values = numbers.view(np.uint64)
    elif (
        pa.types.is_timestamp(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_date(kind)
    ):
        whole = pc.cast(column, pa.int32()) if pa.types.is_date32(kind) else column
        whole = pc.cast(whole, pa.int64())
        values = pc.fill_null(whole, 0).to_numpy().astype(np.int64).view(np.uint64)
    else:
        texts = column if pa.types.is_string(kind) or pa.types.is_binary(kind) else pc.cast(column, pa.string())
        listed = pc.unique(texts).drop_null()
        # text repeats itself: each different one is marked once
        marks = np.fromiter((_text(each) for each in listed.to_pylist()), dtype=np.uint64, count=len(listed))
        at = pc.fill_null(pc.index_in(texts, value_set=listed), 0).to_numpy()
        values = marks[at] if len(marks) else np.zeros(len(column), dtype=np.uint64)
    values = _mixed(values)
    if column.null_count:
        values = np.where(pc.is_null(column).to_numpy(), _NOTHING, values)
    return cast("Marks", values)


def _encoded(column: pa.ChunkedArray) -> Marks:
    """Each value of the dictionary is marked once."""
    parts = [np.zeros(0, dtype=np.uint64)]
    for chunk in column.unify_dictionaries().chunks:
        marks = np.append(_values(pa.chunked_array([chunk.dictionary])), _NOTHING)
        parts.append(marks[pc.fill_null(chunk.indices, len(marks) - 1).to_numpy(zero_copy_only=False)])
    return np.concatenate(parts)


def _text(value: str | bytes) -> int:
    data = value.encode() if isinstance(value, str) else value
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


def _mixed(values: Marks) -> Marks:
    """Every bit in influences every bit out (splitmix64)."""
    values = values + _NOTHING
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
