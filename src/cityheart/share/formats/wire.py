"""Recorded frames of live protocols: an Arrow stream or a Parquet file of ``wire.frames.FRAMES``, decoded to rows.

A frame that is wrong is a malformed piece with its bytes; frames that are no readings (registrations, heartbeats) are no
rows and no errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cityheart.engine.layout import epoch_us
from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.formats.batch import Batch, Malformed, Payload, Reading, opened, size_of
from cityheart.share.models import Refused

if TYPE_CHECKING:
    from cityheart.share.wire.jt808 import Decoded

__all__ = ["Read", "Recorded", "Wire", "hj212", "in_pieces", "jt808", "tables", "together"]

Problem = Callable[[int, int], tuple[str, Text]]
Indexes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Read:
    """What some recorded messages say: rows and pieces that are none, each with its message and its running number from 1.

    ``frame`` and ``number`` are of the rows; of each malformed piece ``frames`` has the message, and it knows its number.
    """

    rows: pa.Table
    frame: Indexes
    number: Indexes
    malformed: list[Malformed]
    frames: Indexes


@dataclass(frozen=True)
class Wire:
    """How recorded messages of one protocol are read. ``columns``: of the recording, when each message came first."""

    columns: tuple[str, ...]
    read: Callable[[pa.Table], Read]
    tabular: bool


@dataclass(frozen=True)
class Recorded:
    """A batch over several recordings. ``of``: the recording of each row; ``bad_of``: of each malformed piece."""

    batch: Batch
    of: Indexes
    bad_of: list[int]


def jt808(reading: Reading) -> Wire:
    """The positions in recorded frames of vehicle terminals."""
    from cityheart.share.wire import jt808  # machine code is loaded by those cities only that have such a source

    return _frames(jt808.decode, jt808.problem)


def hj212(reading: Reading) -> Wire:
    """The readings in recorded packets of pollution-source monitors; option ``zone`` says whose time they tell."""
    from cityheart.share.wire import hj212  # as above

    zone = reading.option("zone") or "Asia/Shanghai"
    return _frames(lambda frames: hj212.decode(frames, zone), hj212.problem)


def _frames(decode: Callable[[pa.Array], Decoded], problem: Problem) -> Wire:
    def read(table: pa.Table) -> Read:
        frames = table["frame"].combine_chunks()
        decoded = decode(frames)
        malformed = [
            Malformed(each.number, code, frames[each.frame].as_py(), message)
            for each in decoded.errors
            for code, message in [problem(each.problem, each.item)]
        ]
        wrong = np.array([each.frame for each in decoded.errors], dtype=np.int64)
        return Read(decoded.rows, decoded.frame, decoded.number, malformed, wrong)

    return Wire(("at", "frame"), read, tabular=True)


def in_pieces(payload: Payload, wire: Wire) -> Iterator[Batch]:
    """One recording, a bounded piece at a time. Raises Refused when it is none."""
    first = 0
    for table in tables(payload, wire.columns):
        _timed(table)
        read = wire.read(table)
        for each in read.malformed:
            each.row += first
        arrived = epoch_us(table["at"])[read.frame]
        yield Batch(read.rows, read.number + first, read.malformed, wire.tabular, arrived=arrived)
        first += len(read.number) + len(read.malformed)


def together(payloads: Sequence[Payload], wire: Wire) -> tuple[list[Recorded], dict[int, Refused]]:
    """Several recordings as if each were read by itself, and which of them are none.

    Small ones cost little more than one of their size.
    """
    parts: list[pa.Table] = []
    owners: list[Indexes] = []
    refused: dict[int, Refused] = {}
    for index, payload in enumerate(payloads):
        try:
            if size_of(payload) == 0:
                raise Refused("empty", text("文件是空的", "the file is empty"))
            read = [_alike(table) for table in tables(payload, wire.columns)]
        except Refused as why:
            refused[index] = why
            continue
        parts += read
        owners.append(np.full(sum(part.num_rows for part in read), index, dtype=np.int64))
    if not parts:
        return [], refused
    whole, owner = pa.concat_tables(parts), np.concatenate(owners)
    before = np.zeros(len(payloads), dtype=np.int64)  # rows and pieces of each recording in the parts that were read
    found: list[Recorded] = []
    for start in range(0, max(1, whole.num_rows), limits.WIRE_BATCH_FRAMES):
        table = whole.slice(start, limits.WIRE_BATCH_FRAMES)
        found.append(_recorded(table, owner[start : start + limits.WIRE_BATCH_FRAMES], wire, before))
    return found, refused


def _recorded(table: pa.Table, owner: Indexes, wire: Wire, before: Indexes) -> Recorded:
    """What these messages say, numbered within the recording of each; ``before`` is moved on."""
    read = wire.read(table)
    of, bad_of = owner[read.frame], owner[read.frames]
    counts = np.bincount(of, minlength=len(before)) + np.bincount(bad_of, minlength=len(before))
    shift = before - (np.cumsum(counts) - counts)  # messages stand in the order of their recordings
    for each, recording in zip(read.malformed, bad_of.tolist(), strict=True):
        each.row += int(shift[recording])
    before += counts
    arrived = epoch_us(table["at"])[read.frame]
    batch = Batch(read.rows, read.number + shift[of], read.malformed, wire.tabular, arrived=arrived)
    return Recorded(batch, of, bad_of.tolist())


def _timed(table: pa.Table) -> None:
    if table["at"].null_count or ("frame" in table.column_names and table["frame"].null_count):
        raise Refused(
            "unreadable", text("录制的数据帧缺少时间或字节", "a frame of the recording has no time or no bytes")
        )


def _alike(table: pa.Table) -> pa.Table:
    """A part of a recording with the types that all have."""
    _timed(table)
    kinds = {"at": pa.timestamp("us", tz="UTC"), "topic": pa.string()}
    schema = pa.schema([(name, kinds.get(name, pa.binary())) for name in table.column_names])
    return table if table.schema.equals(schema) else table.cast(schema)


def tables(payload: Payload, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """A recording in pieces of at most ``limits.WIRE_BATCH_FRAMES`` rows. Raises Refused when it is none."""
    try:
        with opened(payload) as stream:
            parquet = stream.read(4) == b"PAR1"
            stream.seek(0)
            if parquet:
                # read ahead, a file keeps all that was ever read of it
                with pq.ParquetFile(stream, pre_buffer=False) as file:
                    _complete(file.schema_arrow, columns)
                    for part in file.iter_batches(limits.WIRE_BATCH_FRAMES, columns=list(columns)):
                        yield pa.Table.from_batches([part])
                return
            with pa.ipc.open_stream(stream) as recorded:
                _complete(recorded.schema, columns)
                for part in recorded:
                    whole = pa.Table.from_batches([part]).select(list(columns))
                    for start in range(0, max(1, whole.num_rows), limits.WIRE_BATCH_FRAMES):
                        yield whole.slice(start, limits.WIRE_BATCH_FRAMES)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise Refused(
            "unreadable", text(f"录制的数据帧损坏：{reason}", f"the recording is damaged: {reason}")
        ) from error


def _complete(schema: pa.Schema, columns: tuple[str, ...]) -> None:
    absent = [name for name in columns if name not in schema.names]
    if absent:
        names = ", ".join(absent)
        raise Refused("missing_column", text(f"缺少录制的列：{names}", f"the recording lacks {names}"))
    for name in columns:
        kind = schema.field(name).type
        if name == "at" and not (pa.types.is_timestamp(kind) and kind.tz):
            raise Refused("unreadable", text("列 at 不是带时区的时间", "the column at holds no moments"))
        if name in ("frame", "payload") and not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise Refused("unreadable", text(f"列 {name} 不是字节", f"the column {name} holds no bytes"))
