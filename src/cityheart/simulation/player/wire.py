"""What devices sent by themselves: recorded writes on TCP connections and MQTT messages, a stretch of time at a time.

A recording is a Parquet file in sending order. It is read as it is needed, so memory does not grow with it; of a play
that goes on in the middle only the row groups that are still to come are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cityheart.sdk import Delivery, Invalid
from cityheart.simulation.player.handed import Moments, micros

__all__ = ["MESSAGES", "PACKETS", "Framing", "Messages", "Packets", "Recording", "stream"]

ROWS_READ = 50_000  # rows of a recording decoded at a time
WARM_UP = timedelta(hours=1)  # of packets read again when a play goes on, for what was cut off in the middle
_AT = pa.timestamp("us", tz="UTC")
PACKETS = pa.schema([("sent_at", _AT), ("connection", pa.int32()), ("bytes", pa.binary())])
MESSAGES = pa.schema([("sent_at", _AT), ("topic", pa.string()), ("payload", pa.binary())])

Framing = Callable[[pa.Table], pa.Table]
"""Makes whole frames (at, connection, frame) of chunks (at, connection, bytes); keeps what is cut off for the next call."""


class Recording:
    """A Parquet file of what was sent. Raises :class:`Invalid` when it is damaged or lacks a column."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        try:
            with pq.ParquetFile(path) as file:
                names = set(file.schema_arrow.names)
        except (pa.ArrowException, OSError) as error:
            raise Invalid(f"{path.name} is damaged: {_short(error)}", remedy="have it written again") from None
        missing = [name for name in schema.names if name not in names]
        if missing:
            raise Invalid(f"{path.name} has no column {', '.join(missing)}", remedy="have it written again")
        self._parts: Iterator[pa.Table] | None = None
        self._held: list[tuple[Moments, pa.Table]] = []
        self._latest = -(2**62)
        self._from = -(2**62)

    def skip(self, until: datetime) -> None:
        """Begin after ``until``; only before anything is taken."""
        self._from = micros(until)

    def take(self, until: datetime) -> pa.Table:
        """Rows sent up to ``until`` that were not taken before; one that stands after a later one was sent with that.

        Raises :class:`Invalid` when the file turns out to be damaged on the way.
        """
        end = micros(until)
        taken: list[pa.Table] = []
        while True:
            if not self._held:
                part = self._read()
                if part is None:
                    break
                self._held.append(part)
            moments, table = self._held[0]
            count = int(np.searchsorted(moments, end, side="right"))
            taken.append(table.slice(0, count))
            if count < table.num_rows:
                self._held[0] = (moments[count:], table.slice(count))
                break
            self._held.pop(0)
        return pa.concat_tables(taken) if taken else self._schema.empty_table()

    def _read(self) -> tuple[Moments, pa.Table] | None:
        if self._parts is None:
            self._parts = self._pieces()
        try:
            table = next(self._parts, None)
        except (pa.ArrowException, OSError) as error:
            raise Invalid(f"{self._path.name} is damaged: {_short(error)}", remedy="have it written again") from None
        if table is None:
            return None
        moments = np.maximum.accumulate(np.maximum(table["sent_at"].cast(pa.int64()).to_numpy(), self._latest))
        self._latest = int(moments[-1])
        first = int(np.searchsorted(moments, self._from, side="right"))
        return moments[first:], table.slice(first)

    def _pieces(self) -> Iterator[pa.Table]:
        # read ahead, a file keeps all that was ever read of it
        with pq.ParquetFile(self._path, pre_buffer=False) as file:
            column = file.schema_arrow.get_field_index("sent_at")
            groups = [
                group
                for group in range(file.num_row_groups)
                if not _before(file.metadata.row_group(group).column(column).statistics, self._from)
            ]
            for batch in file.iter_batches(batch_size=ROWS_READ, row_groups=groups, columns=self._schema.names):
                table = pa.Table.from_batches([batch]).select(self._schema.names).cast(self._schema)
                whole = np.ones(table.num_rows, dtype=bool)
                for name in self._schema.names:
                    if table[name].null_count:
                        whole &= np.asarray(table[name].is_valid())
                if not whole.all():
                    table = table.filter(pa.array(whole))
                if table.num_rows:
                    yield table


class Packets:
    """Writes on connections, as frames of a protocol; ``seen`` learns what else was sent since, such as garbage."""

    def __init__(self, source: str, path: Path, protocol: str, framing: Framing) -> None:
        self.source = source
        self._recording = Recording(path, PACKETS)
        self._protocol = protocol
        self._framing = framing
        self._warm: datetime | None = None

    def skip(self, until: datetime) -> None:
        """Pass over what was sent by ``until``, but for frames that were only half sent."""
        self._recording.skip(until - WARM_UP)
        self._warm = until

    def take(self, until: datetime) -> list[Delivery]:
        """The frames that were whole by ``until`` and not before, as one delivery; none when nothing was."""
        if self._warm is not None:
            before, self._warm = self._warm, None
            self._frames(before)
        frames = self._frames(until)
        if frames.num_rows == 0:
            return []
        return [Delivery(f"frames {until.isoformat()}", until, stream(frames), self._protocol)]

    def _frames(self, until: datetime) -> pa.Table:
        chunks = self._recording.take(until)
        return self._framing(chunks.rename_columns(["at", "connection", "bytes"]))


class Messages:
    """MQTT messages."""

    def __init__(self, source: str, path: Path) -> None:
        self.source = source
        self._recording = Recording(path, MESSAGES)

    def skip(self, until: datetime) -> None:
        """Pass over what was sent by ``until``."""
        self._recording.skip(until)

    def take(self, until: datetime) -> list[Delivery]:
        """The messages sent up to ``until`` and not taken before, as one delivery; none when there are none."""
        messages = self._recording.take(until).rename_columns(["at", "topic", "payload"])
        if messages.num_rows == 0:
            return []
        return [Delivery(f"messages {until.isoformat()}", until, stream(messages), "mqtt-json")]


def stream(table: pa.Table) -> bytes:
    """A table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def _before(statistics: pq.Statistics | None, moment: int) -> bool:
    """Whether all of a row group was sent by a moment."""
    if statistics is None or not statistics.has_min_max or not isinstance(statistics.max, datetime):
        return False
    return micros(statistics.max) <= moment


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
