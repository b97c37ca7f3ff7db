"""Frames: the table of what came over a wire, and the way it is recorded.

A row is one whole message: a frame with its delimiters, the frames of a divided message one after another, or a piece
of the stream that is none and that the decoder will name as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from cityheart.kernel import limits
from cityheart.share.models import Delivery
from cityheart.share.wire.compiled import Bytes, Ints, compiled

__all__ = ["CHUNKS", "FRAMES", "binary", "delivery", "gathered", "joined", "raw", "slices", "strings"]

AT = pa.timestamp("us", tz="UTC")

CHUNKS = pa.schema([("at", AT), ("connection", pa.int32()), ("bytes", pa.binary())])
"""What was read from sockets, in the order it was read: when, which connection, the bytes."""

FRAMES = pa.schema([("at", AT), ("connection", pa.int32()), ("frame", pa.binary())])
"""Whole frames in the order they were complete: when that was, which connection, the frame with its delimiters."""


def delivery(name: str, received_at: datetime, frames: pa.Table, format: str, *, stamp: str = "") -> Delivery:
    """Frames as a delivery of a protocol's format (``jt808``, ``hj212``)."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, frames.schema) as writer:
        writer.write_table(frames, max_chunksize=limits.WIRE_BATCH_FRAMES)
    return Delivery(name, received_at, sink.getvalue().to_pybytes(), format, stamp)


def raw(column: pa.ChunkedArray | pa.Array) -> tuple[Bytes, Ints]:
    """A binary or text column without nulls as one run of bytes and n + 1 offsets into it."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if len(array) == 0:
        return np.frombuffer(b"", dtype=np.uint8), np.zeros(1, dtype=np.int64)
    wide = pa.types.is_large_binary(array.type) or pa.types.is_large_string(array.type)
    _, offsets, data = array.buffers()
    kind = np.int64 if wide else np.int32
    places = np.frombuffer(offsets, dtype=kind, count=array.offset + len(array) + 1)[array.offset :].astype(np.int64)
    held = np.frombuffer(data if data is not None else b"", dtype=np.uint8)
    held.flags.writeable = False  # whatever Arrow says: compiled functions know one kind of bytes
    return held, places


def gathered(data: Bytes, starts: Ints, ends: Ints) -> tuple[Bytes, Ints]:
    """The pieces [start, end) of ``data`` one after another, and n + 1 offsets."""
    offsets = np.zeros(len(starts) + 1, dtype=np.int64)
    np.cumsum(ends - starts, out=offsets[1:])
    out = np.empty(int(offsets[-1]), dtype=np.uint8)
    _copy(data, starts, offsets, out)
    out.flags.writeable = False
    return out, offsets


def joined(
    data: Bytes, offsets: Ints, divided: Sequence[int], whole: Callable[[bytes], bytes | None], missing: int
) -> tuple[Bytes, Ints, Ints]:
    """Messages with the ``divided`` ones put together by ``whole``, and what became of each.

    0 for one that was never divided, 1 for one put together, ``missing`` where ``whole`` says that parts are absent.
    """
    form = np.zeros(len(offsets) - 1, dtype=np.int64)
    pieces: list[Bytes] = []
    starts, ends = offsets[:-1].copy(), offsets[1:].copy()
    at = len(data)
    for frame in divided:
        content = whole(data[offsets[frame] : offsets[frame + 1]].tobytes())
        if content is None:
            form[frame] = missing
            continue
        form[frame] = 1
        pieces.append(np.frombuffer(content, dtype=np.uint8))
        starts[frame], ends[frame] = at, at + len(content)
        at += len(content)
    together = np.concatenate([data, *pieces])
    together.flags.writeable = False
    return *gathered(together, starts, ends), form


def binary(data: Bytes, starts: Ints, ends: Ints) -> pa.Array:
    """The pieces [start, end) of ``data`` as a binary column."""
    return _array(pa.binary(), *gathered(data, starts, ends))


def strings(data: Bytes, starts: Ints, ends: Ints) -> pa.Array:
    """The pieces [start, end) of ASCII ``data`` as a text column; a negative start is null."""
    absent = starts < 0
    if not absent.any():
        return _array(pa.string(), *gathered(data, starts, ends))
    ends = np.where(absent, 0, ends)
    out, offsets = gathered(data, np.where(absent, 0, starts), ends)
    valid = pa.array(~absent).buffers()[1]
    places = pa.py_buffer(offsets.astype(np.int32))
    return pa.Array.from_buffers(pa.string(), len(starts), [valid, places, pa.py_buffer(out)])


def slices(data: Bytes, offsets: Ints, rows: Sequence[int] | Ints) -> Iterator[bytes]:
    """The bytes of some rows."""
    for row in np.asarray(rows, dtype=np.int64).tolist():
        yield data[offsets[row] : offsets[row + 1]].tobytes()


def _array(kind: pa.DataType, data: Bytes, offsets: Ints) -> pa.Array:
    if offsets[-1] >= 2**31:
        wide = pa.large_binary() if pa.types.is_binary(kind) else pa.large_string()
        return pa.Array.from_buffers(wide, len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    places = pa.py_buffer(offsets.astype(np.int32))
    return pa.Array.from_buffers(kind, len(offsets) - 1, [None, places, pa.py_buffer(data)])


@compiled
def _copy(data: Bytes, starts: Ints, offsets: Ints, out: Bytes) -> None:
    for i in range(len(starts)):
        at = offsets[i]
        for p in range(offsets[i + 1] - at):
            out[at + p] = data[starts[i] + p]
