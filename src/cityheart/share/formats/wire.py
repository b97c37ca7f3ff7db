"""Recorded frames of live protocols: an Arrow stream or a Parquet file of ``wire.frames.FRAMES``, decoded to rows.

A frame that is wrong is a malformed piece with its bytes; frames that are no readings (registrations, heartbeats) are no
rows and no errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from cityheart.engine.layout import epoch_us
from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.formats.batch import Batch, Malformed, Payload, Reading, opened
from cityheart.share.models import Refused

if TYPE_CHECKING:
    from cityheart.share.wire.jt808 import Decoded

__all__ = ["hj212_batches", "jt808_batches", "tables"]

Problem = Callable[[int, int], tuple[str, Text]]


def jt808_batches(payload: Payload, reading: Reading) -> Iterator[Batch]:
    """The positions in recorded frames of vehicle terminals."""
    from cityheart.share.wire import jt808  # machine code is loaded by those cities only that have such a source

    return _batches(payload, jt808.decode, jt808.problem)


def hj212_batches(payload: Payload, reading: Reading) -> Iterator[Batch]:
    """The readings in recorded packets of pollution-source monitors; option ``zone`` says whose time they tell."""
    from cityheart.share.wire import hj212  # as above

    zone = reading.option("zone") or "Asia/Shanghai"
    return _batches(payload, lambda frames: hj212.decode(frames, zone), hj212.problem)


def _batches(payload: Payload, decode: Callable[[pa.Array], Decoded], problem: Problem) -> Iterator[Batch]:
    first = 0
    for table in tables(payload, ("at", "frame")):
        if table["at"].null_count or table["frame"].null_count:
            raise Refused(
                "unreadable", text("录制的数据帧缺少时间或字节", "a frame of the recording has no time or no bytes")
            )
        frames = table["frame"].combine_chunks()
        decoded = decode(frames)
        arrived = epoch_us(table["at"])[decoded.frame]
        malformed = [
            Malformed(first + each.number, code, frames[each.frame].as_py(), message)
            for each in decoded.errors
            for code, message in [problem(each.problem, each.item)]
        ]
        yield Batch(decoded.rows, decoded.number + first, malformed, arrived=arrived)
        first += decoded.rows.num_rows + len(malformed)


def tables(payload: Payload, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """A recording in pieces of at most ``limits.WIRE_BATCH_FRAMES`` rows. Raises Refused when it is none."""
    try:
        with opened(payload) as stream:
            parquet = stream.read(4) == b"PAR1"
            stream.seek(0)
            if parquet:
                with pq.ParquetFile(stream) as file:
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
