"""Framing: where in a stream of bytes one frame ends and the next begins, for many connections at once.

Bytes are read as they come, split anywhere; what is not complete waits for the rest of its connection, never longer
than the longest frame of the protocol. What is no frame is handed on as a piece of its own, so nothing is lost and the
stream goes on at the next mark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from cityheart.kernel import limits
from cityheart.share.wire.compiled import Bytes, Ints
from cityheart.share.wire.frames import AT, CHUNKS, FRAMES, binary, raw

__all__ = ["Framer", "Part", "Rules"]

Part = tuple[object, int, int]
"""Of a divided message: what names it in its connection, the number of this part from 1, how many parts it has."""

PATIENCE = timedelta(minutes=2)  # for the missing parts of a message


@dataclass(frozen=True)
class Rules:
    """How a protocol is framed.

    ``cut(data, offsets, owner, longest, starts, ends, closed, tails)`` cuts chunks that are grouped by ``owner`` into
    pieces [start, end) of ``data``, each with the position of the chunk that ``closed`` it, and leaves of every owner the
    ``tails`` (start, end); it returns how many pieces there are, at most ``bound(data)`` and one a chunk. ``marked`` gives
    the rows that may be parts of divided messages, ``part_of`` says of one what it is.
    """

    cut: Callable[[Bytes, Ints, Ints, int, Ints, Ints, Ints, Ints], int]
    bound: Callable[[Bytes], int]
    marked: Callable[[Bytes, Ints], Ints]
    part_of: Callable[[bytes], Part | None]
    longest: int


@dataclass
class _Divided:
    """A message of which some parts have come."""

    since: datetime
    parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def whole(self) -> bytes:
        return b"".join(self.parts[number] for number in sorted(self.parts))


class Framer:
    """Makes frames of the chunks of many connections; not safe for threads.

    The parts of a divided message are handed over together, as one row, when the last of them has come; a message that
    stays incomplete for minutes is handed over as it is, for the decoder to say so.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._open: dict[int, bytes] = {}
        self._held: dict[tuple[int, object], _Divided] = {}
        self._fed: list[tuple[datetime, int, bytes]] = []

    def feed(self, at: datetime, connection: int, data: bytes) -> None:
        """Keep what was read from a connection until :meth:`take`."""
        self._fed.append((at, connection, data))

    def take(self) -> pa.Table:
        """The frames (``FRAMES``) that are complete with what was fed."""
        fed, self._fed = self._fed, []
        if not fed:
            return FRAMES.empty_table()
        at, connection, data = zip(*fed, strict=True)
        columns = [pa.array(at, AT), pa.array(connection, pa.int32()), pa.array(data, pa.binary())]
        return self.frames(pa.table(columns, schema=CHUNKS))

    def frames(self, chunks: pa.Table) -> pa.Table:
        """The frames (``FRAMES``) that are complete with these chunks (``CHUNKS``), in the order they became so."""
        if chunks.num_rows == 0:
            return FRAMES.empty_table()
        connection = np.asarray(chunks["connection"].to_numpy(), dtype=np.int64)
        names = np.unique(connection)
        carried = [each for each in names.tolist() if each in self._open]
        before = pa.array([self._open.pop(each) for each in carried], pa.binary())
        came = pa.concat_arrays([before, *(chunk.cast(pa.binary()) for chunk in chunks["bytes"].chunks)])
        owner = np.concatenate([np.array(carried, dtype=np.int64), connection])
        order = np.argsort(owner, kind="stable")
        data, offsets = raw(came.take(pa.array(order)))
        rules = self._rules
        room = rules.bound(data) + len(owner) + 1
        starts, ends, closed = np.empty((3, room), dtype=np.int64)
        tails = np.zeros((len(names), 2), dtype=np.int64)
        count = rules.cut(data, offsets, owner[order], rules.longest, starts, ends, closed, tails)
        for name, (start, end) in zip(names.tolist(), tails.tolist(), strict=True):
            if end > start:
                self._open[name] = data[start:end].tobytes()
        row = order[closed[:count]] - len(carried)
        sequence = np.lexsort((starts[:count], row))
        row = pa.array(row[sequence])
        pieces = binary(data, starts[:count][sequence], ends[:count][sequence])
        at = chunks["at"].take(row).cast(AT)
        frames = pa.table([at, pa.array(connection, pa.int32()).take(row), pieces], schema=FRAMES)
        return self._joined(frames, chunks["at"][chunks.num_rows - 1].as_py())

    def close(self, connection: int) -> int:
        """Forget a connection that has ended; returns how many bytes of unfinished frames it left."""
        left = len(self._open.pop(connection, b""))
        for key in [key for key in self._held if key[0] == connection]:
            left += len(self._held.pop(key).whole)
        return left

    def rest(self, at: datetime) -> pa.Table:
        """What never became whole, as pieces; the connections begin anew."""
        left = [(connection, data) for connection, data in self._open.items()]
        left += [(connection, divided.whole) for (connection, _), divided in self._held.items()]
        self._open.clear()
        self._held.clear()
        columns = [
            pa.array([at] * len(left), AT),
            pa.array([connection for connection, _ in left], pa.int32()),
            pa.array([data for _, data in left], pa.binary()),
        ]
        return pa.table(columns, schema=FRAMES)

    def _joined(self, frames: pa.Table, now: datetime) -> pa.Table:
        """The frames with the parts of divided messages held back until these are whole."""
        marked = self._rules.marked(*raw(frames["frame"])).tolist()
        if not marked and not self._held:
            return frames
        instead: dict[int, bytes | None] = {}
        for row in marked:
            frame = frames["frame"][row].as_py()
            part = self._rules.part_of(frame)
            if part is None:
                continue
            name, number, total = part
            if not 1 <= number <= total <= limits.WIRE_PARTS:
                continue
            key = (frames["connection"][row].as_py(), name)
            divided = self._held.setdefault(key, _Divided(frames["at"][row].as_py()))
            divided.parts[number] = frame
            instead[row] = None
            if len(divided.parts) == total:
                instead[row] = self._held.pop(key).whole
        late = [key for key, divided in self._held.items() if now - divided.since > PATIENCE]
        late += list(self._held)[: max(0, len(self._held) - len(late) - limits.WIRE_DIVIDED)]
        given_up = [(key[0], self._held.pop(key).whole) for key in dict.fromkeys(late)]
        keep = [row for row in range(frames.num_rows) if instead.get(row, b"") is not None]
        pieces = [instead.get(row) or frames["frame"][row].as_py() for row in keep]
        kept = frames.take(pa.array(keep, pa.int64())).set_column(2, FRAMES.field(2), pa.array(pieces, pa.binary()))
        if not given_up:
            return kept
        columns = [
            pa.array([now] * len(given_up), AT),
            pa.array([connection for connection, _ in given_up], pa.int32()),
            pa.array([data for _, data in given_up], pa.binary()),
        ]
        return pa.concat_tables([kept, pa.table(columns, schema=FRAMES)])
