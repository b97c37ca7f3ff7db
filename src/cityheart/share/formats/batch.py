"""What every format hands over: a bounded batch of rows, and the pieces that are no rows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.models import Refused

__all__ = ["Batch", "Malformed", "Payload", "Reading", "column_names", "find_header", "opened", "size_of", "whole"]

Payload = bytes | Path


@dataclass(frozen=True)
class Reading:
    """What a reader may know beforehand: the column names the contract knows, and the source's options.

    Options: ``encoding`` (a Python codec name instead of finding out), ``delimiter``, ``records`` (the path of the
    list in a JSON document, ``data.items``), ``record`` (the XML element that is a row), ``sheets`` (names).
    """

    headers: frozenset[str]
    options: Mapping[str, object] = field(default_factory=dict)

    def option(self, name: str) -> str | None:
        """The text of an option, None without it."""
        value = self.options.get(name)
        return None if value is None else str(value)


@dataclass(slots=True)
class Malformed:
    """A piece of a file that is no row: its number among the rows, its bytes, and what is wrong."""

    row: int
    code: str
    raw: bytes
    message: Text


@dataclass
class Batch:
    """Rows in the order of the file. `rows` numbers them from 1, malformed ones counted, over the whole file.

    `tabular` is whether the file declares its columns once for all rows, so that an absent one is an error; `damaged`
    that bytes of no encoding stand in it as U+FFFD. `arrived` is when each row came (µs since 1970, UTC) where the format
    knows it more closely than by the delivery.
    """

    table: pa.Table
    rows: npt.NDArray[np.int64]
    malformed: list[Malformed] = field(default_factory=list)
    tabular: bool = True
    damaged: bool = False
    member: str | None = None
    arrived: npt.NDArray[np.int64] | None = None


def opened(payload: Payload) -> AbstractContextManager[BinaryIO]:
    """The payload as a readable stream."""
    return io.BytesIO(payload) if isinstance(payload, bytes) else payload.open("rb")


def size_of(payload: Payload) -> int:
    """Its size in bytes."""
    return len(payload) if isinstance(payload, bytes) else payload.stat().st_size


def whole(payload: Payload, what: str) -> bytes:
    """All bytes of a document that cannot be read in pieces. Raises Refused above ``limits.DOCUMENT_BYTES``."""
    size = size_of(payload)
    if size > limits.DOCUMENT_BYTES:
        allowed = limits.DOCUMENT_BYTES // 2**20
        raise Refused(
            "too_large",
            text(
                f"{what} 有 {size // 2**20} MB，超过上限 {allowed} MB；请分成多个文件，或改用 CSV、JSON 行、Parquet",
                f"{what} of {size // 2**20} MB is above {allowed} MB: split it, or send CSV, JSON lines or Parquet",
            ),
        )
    return payload if isinstance(payload, bytes) else payload.read_bytes()


def find_header(rows: Sequence[Sequence[str]], headers: frozenset[str]) -> tuple[int, int]:
    """Which of the first rows is the header: the first with the most known column names; and how many it has."""
    best, matches = 0, 0
    for index, row in enumerate(rows[: limits.HEADER_ROWS]):
        known = len({each.strip() for each in row} & headers)
        if known > matches:
            best, matches = index, known
    return best, matches


def column_names(header: Sequence[str]) -> list[str]:
    """Column names from header cells: trimmed, empty ones numbered, repeated ones told apart."""
    if len(header) > limits.COLUMNS:
        raise Refused(
            "too_many_columns",
            text(
                f"有 {len(header)} 列，超过上限 {limits.COLUMNS}",
                f"{len(header)} columns, the limit is {limits.COLUMNS}",
            ),
        )
    names: list[str] = []
    for position, cell in enumerate(header, start=1):
        name = cell.strip() or f"column {position}"
        tried, count = name, 1
        while tried in names:
            count += 1
            tried = f"{name} {count}"
        names.append(tried)
    return names
