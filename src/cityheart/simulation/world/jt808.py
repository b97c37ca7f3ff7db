"""What vehicle terminals put on the wire: JT/T 808-2019 and, from some old terminals, 2013. All frames of a day at once.

Frames are built as one array of bytes: header, body and check byte, then escaped, then cut into writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from .chance import Bools, Bytes, Floats, Ints, numbers
from .firms import Town
from .times import DAY
from .trails import Samples

__all__ = ["Wires", "cut", "escaped"]

_BLOCK = 50_000  # frames that are escaped at once, for the sake of memory
_REGISTER, _AUTHENTICATE, _HEARTBEAT, _POSITION, _BACKLOG = 0x0100, 0x0102, 0x0002, 0x0200, 0x0704
_SCHEMA = pa.schema([("sent_at", pa.timestamp("us", "UTC")), ("connection", pa.int32()), ("bytes", pa.binary())])


@dataclass(frozen=True, slots=True)
class _Events:
    """Messages in order of vehicle and time; ``ref`` is a sample, the first sample of a backlog, or -1."""

    vehicle: Ints
    sent: Floats
    kind: Ints
    ref: Ints

    def sorted(self) -> _Events:
        order = np.lexsort((np.arange(len(self.sent)), self.sent, self.vehicle))
        return _Events(self.vehicle[order], self.sent[order], self.kind[order], self.ref[order])


class Wires:
    """The terminals' connections through all days: serial numbers, which connection each is on."""

    def __init__(self, town: Town) -> None:
        self.town = town
        rng = numbers(town.seed, "terminals")
        count = len(town.vehicles)
        self.serial = rng.integers(0, 65536, count)
        self.connection = np.zeros(count, dtype=np.int64)
        self.opened = 0
        self.delay = rng.uniform(0.02, 0.08, count)  # minutes from taking a position to sending it
        self.fuel = rng.random(count) < 0.4
        self.old = np.array([vehicle.terminal == 2013 for vehicle in town.vehicles])
        self.phones = np.array([_bcd(vehicle.phone, 20) for vehicle in town.vehicles], dtype=np.uint8)

    def day(self, samples: Samples, day: int) -> pa.Table:
        """One day's writes in sending order, each with its connection."""
        rng = numbers(self.town.seed, "wires", str(day))
        events = self._events(samples, day, rng)
        connection = self._connections(events)
        serial = self._serials(events.vehicle)
        flat, starts = self._frames(samples, events, serial, day)
        wire, ends = escaped(flat, starts)
        sent = np.minimum(events.sent, (day + 1) * DAY - 2e-3)
        return cut(wire, ends, self.town.span.micro(sent), connection, rng, 0.012, 0.3)

    def _events(self, samples: Samples, day: int, rng: np.random.Generator) -> _Events:
        count = len(self.town.vehicles)
        begin = float(day * DAY)
        sent = samples.at + self.delay[samples.vehicle] + rng.exponential(0.02, len(samples))
        alone = samples.batch < 0
        parts: list[tuple[Ints, Floats, int, Ints]] = [
            (samples.vehicle[alone], sent[alone], _POSITION, np.flatnonzero(alone))
        ]
        held = np.flatnonzero(~alone)
        if len(held):  # a backlog goes out together once there is a network again
            batch = samples.batch[held]
            first = held[np.concatenate([[True], batch[1:] != batch[:-1]])]
            last = held[np.concatenate([batch[1:] != batch[:-1], [True]])]
            group = samples.batch[first] // 64
            final = np.array([sent[last[group == number]].max() for number in group])
            parts.append((samples.vehicle[first], final + 0.15 + 0.004 * (samples.batch[first] % 64), _BACKLOG, first))
        again = np.flatnonzero(alone & (rng.random(len(samples)) < 0.002))  # no answer came in time
        parts.append((samples.vehicle[again], sent[again] + 0.2, _POSITION, again))
        idle = np.flatnonzero(~samples.engine & (rng.random(len(samples)) < 0.12))
        parts.append((samples.vehicle[idle], sent[idle] + 1.7, _HEARTBEAT, np.full(len(idle), -1)))
        fresh = np.flatnonzero(self.connection == 0)
        if len(fresh):
            parts.append((fresh, begin + rng.uniform(0, 0.005, len(fresh)), _REGISTER, np.full(len(fresh), -1)))
        again = np.concatenate([fresh, np.flatnonzero((self.connection > 0) & (rng.random(count) < 0.25))])
        when = np.where(self.connection[again] == 0, begin + 0.01, begin + rng.uniform(5, DAY - 5, len(again)))
        parts.append((again, when, _AUTHENTICATE, np.full(len(again), -1)))
        return _Events(
            np.concatenate([part[0] for part in parts]).astype(np.int64),
            np.concatenate([part[1] for part in parts]),
            np.concatenate([np.full(len(part[0]), part[2]) for part in parts]),
            np.concatenate([part[3] for part in parts]).astype(np.int64),
        ).sorted()

    def _connections(self, events: _Events) -> Ints:
        """The connection of each message: a new one whenever a terminal registers or authenticates anew."""
        opens = (events.kind == _REGISTER) | ((events.kind == _AUTHENTICATE) & (self.connection[events.vehicle] > 0))
        after = self.opened + np.cumsum(opens)
        own = np.concatenate([[True], events.vehicle[1:] != events.vehicle[:-1]])
        start = np.flatnonzero(own)
        opened_before = np.cumsum(opens) - opens
        here = np.repeat(np.arange(len(start)), np.diff(np.append(start, len(own))))
        since_start = np.cumsum(opens) - opened_before[start][here]
        connection = np.where(since_start > 0, after, self.connection[events.vehicle])
        self.opened += int(opens.sum())
        last = np.append(start[1:], len(own)) - 1
        self.connection[events.vehicle[last]] = connection[last]
        return connection

    def _serials(self, vehicle: Ints) -> Ints:
        start = np.flatnonzero(np.concatenate([[True], vehicle[1:] != vehicle[:-1]]))
        counts = np.diff(np.append(start, len(vehicle)))
        nth = np.arange(len(vehicle)) - np.repeat(start, counts)
        serial = (self.serial[vehicle] + nth) & 0xFFFF
        self.serial[vehicle[start]] = (self.serial[vehicle[start]] + counts) & 0xFFFF
        return np.asarray(serial, dtype=np.int64)

    def _frames(self, samples: Samples, events: _Events, serial: Ints, day: int) -> tuple[Bytes, Ints]:
        """All frames unescaped, one after the other, and where each starts (with the end as last)."""
        bodies = _positions(samples, self.fuel[samples.vehicle])
        _stamp(bodies, self._local(samples.at, day))
        sizes = np.where(self.fuel[samples.vehicle], 38, 34)
        counts = _backlog_counts(samples)
        names = [_register(vehicle.plate, vehicle.phone) for vehicle in self.town.vehicles]
        codes = [_authenticate(vehicle.phone, vehicle.terminal) for vehicle in self.town.vehicles]
        length = np.zeros(len(events.kind), dtype=np.int64)
        ref = events.ref
        length[events.kind == _POSITION] = sizes[ref[events.kind == _POSITION]]
        batch = np.flatnonzero(events.kind == _BACKLOG)
        length[batch] = 3 + counts[ref[batch]] * (2 + sizes[ref[batch]])
        for kind, bodies_of in ((_REGISTER, names), (_AUTHENTICATE, codes)):
            rows = np.flatnonzero(events.kind == kind)
            length[rows] = [len(bodies_of[vehicle]) for vehicle in events.vehicle[rows]]
        old = self.old[events.vehicle]
        head = np.where(old, 12, 17)
        starts = np.concatenate([[0], np.cumsum(head + length + 1)])
        flat = np.zeros(int(starts[-1]), dtype=np.uint8)
        self._headers(flat, starts[:-1], events, length, serial, old)
        body = starts[:-1] + head
        rows = np.flatnonzero(events.kind == _POSITION)
        for size in (34, 38):
            these = rows[sizes[ref[rows]] == size]
            flat[body[these, None] + np.arange(size)] = bodies[ref[these], :size]
        for row in batch:
            first, size = int(ref[row]), int(sizes[ref[row]])
            count = int(counts[first])
            block = np.zeros((count, 2 + size), dtype=np.uint8)
            block[:, 1] = size
            block[:, 2:] = bodies[first : first + count, :size]
            front = np.array([0, count, 1], dtype=np.uint8)
            flat[body[row] : body[row] + length[row]] = np.concatenate([front, block.ravel()])
        for kind, bodies_of in ((_REGISTER, names), (_AUTHENTICATE, codes)):
            for row in np.flatnonzero(events.kind == kind):
                told = bodies_of[int(events.vehicle[row])]
                flat[body[row] : body[row] + len(told)] = np.frombuffer(told, dtype=np.uint8)
        flat[starts[1:] - 1] = np.bitwise_xor.reduceat(flat, starts[:-1])
        return flat, starts

    def _local(self, at: Floats, day: int) -> Ints:
        """The local time of samples as the whole number YYMMDDhhmmss."""
        today = self.town.span.day(day * DAY)
        second = np.floor((at - day * DAY) * 60 + 1e-6).astype(np.int64)
        clock = second // 3600 * 10_000 + second % 3600 // 60 * 100 + second % 60
        return np.asarray(int(today.strftime("%y%m%d")) * 1_000_000 + clock, dtype=np.int64)

    def _headers(self, flat: Bytes, starts: Ints, events: _Events, length: Ints, serial: Ints, old: Bools) -> None:
        attributes = length | np.where(old, 0, 0x4000)
        for offset, values in ((0, events.kind), (2, attributes)):
            flat[starts + offset] = values >> 8
            flat[starts + offset + 1] = values & 0xFF
        new = np.flatnonzero(~old)
        flat[starts[new] + 4] = 1
        flat[starts[new, None] + 5 + np.arange(10)] = self.phones[events.vehicle[new]]
        flat[starts[new] + 15], flat[starts[new] + 16] = serial[new] >> 8, serial[new] & 0xFF
        aged = np.flatnonzero(old)
        flat[starts[aged, None] + 4 + np.arange(6)] = self.phones[events.vehicle[aged], 4:]
        flat[starts[aged] + 10], flat[starts[aged] + 11] = serial[aged] >> 8, serial[aged] & 0xFF


def _bcd(digits: str, width: int) -> list[int]:
    padded = digits.zfill(width)
    return [int(padded[n]) * 16 + int(padded[n + 1]) for n in range(0, width, 2)]


def _register(plate: str, phone: str) -> bytes:
    maker, model = b"70111".ljust(11, b"\0"), b"BD-88".ljust(30, b"\0")
    return b"\x00\x20\x02\x58" + maker + model + phone[-7:].encode().ljust(30, b"\0") + b"\x02" + plate.encode("gbk")


def _authenticate(phone: str, terminal: int) -> bytes:
    code = phone.encode()
    if terminal == 2013:
        return code
    return bytes([len(code)]) + code + (phone + "0000")[:15].encode() + b"V2.1".ljust(20, b"\0")


def _put(into: Bytes, column: int, width: int, values: Any) -> None:
    whole = np.asarray(values, dtype=np.int64)
    for k in range(width):
        into[:, column + k] = (whole >> (8 * (width - 1 - k))) & 0xFF


def _positions(samples: Samples, fuel: Bools) -> Bytes:
    """The bodies of position reports, 38 bytes each (the last four only for terminals that know the fuel)."""
    body = np.zeros((len(samples), 38), dtype=np.uint8)
    status = samples.engine * 1 + samples.valid * 2 + samples.load * 256
    _put(body, 0, 4, np.where(samples.speed > 77, 2, 0))
    _put(body, 4, 4, status)
    _put(body, 8, 4, np.rint(samples.lat * 1e6))
    _put(body, 12, 4, np.rint(samples.lon * 1e6))
    _put(body, 16, 2, np.full(len(samples), 5))
    _put(body, 18, 2, np.clip(np.rint(samples.speed * 10), 0, 1400))
    _put(body, 20, 2, np.where(samples.speed > 0, np.rint(samples.heading) % 360, 0))
    body[:, 28:30] = (1, 4)
    _put(body, 30, 4, np.rint(samples.metres / 100))
    body[:, 34:36] = (2, 2)
    _put(body, 36, 2, np.where(fuel, 1200 + np.rint(900 * np.cos(samples.metres / 4e5)), 0))
    return body


def _backlog_counts(samples: Samples) -> Ints:
    """For the first sample of each backlog how many it has; elsewhere nothing that matters."""
    change = np.concatenate([[True], samples.batch[1:] != samples.batch[:-1]])
    start = np.flatnonzero(change)
    return np.repeat(np.diff(np.append(start, len(change))), np.diff(np.append(start, len(change))))


def _stamp(bodies: Bytes, local: Ints) -> None:
    """Write local times (YYMMDDhhmmss as a whole number) into the bodies as BCD."""
    for k in range(6):
        two = (local // 100 ** (5 - k)) % 100
        bodies[:, 22 + k] = two // 10 * 16 + two % 10


def escaped(flat: Bytes, starts: Ints) -> tuple[Bytes, Ints]:
    """Frames with their delimiters and escapes, and where each ends."""
    wires, ends, reached = [], [], 0
    for first in range(0, len(starts) - 1, _BLOCK):
        some = starts[first : first + _BLOCK + 1]
        wire, end = _escaped(flat[some[0] : some[-1]], some - some[0])
        wires.append(wire)
        ends.append(end + reached)
        reached += len(wire)
    return np.concatenate(wires), np.concatenate(ends)


def _escaped(flat: Bytes, starts: Ints) -> tuple[Bytes, Ints]:
    special = (flat == 0x7E) | (flat == 0x7D)
    count = np.cumsum(special)
    frame = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    place = np.arange(len(flat)) + count - special + 2 * frame + 1
    ends = starts[1:] + count[starts[1:] - 1] + 2 * np.arange(1, len(starts))
    wire = np.zeros(int(ends[-1]), dtype=np.uint8)
    wire[place] = np.where(special, 0x7D, flat)
    wire[place[special] + 1] = np.where(flat[special] == 0x7E, 2, 1)
    wire[ends - 1] = 0x7E
    wire[np.concatenate([[0], ends[:-1]])] = 0x7E
    return wire, ends


def cut(
    wire: Bytes, ends: Ints, micro: Ints, connection: Ints, rng: np.random.Generator, split: float, join: float
) -> pa.Table:
    """Frames as writes: some frames go out in two, some with the next one; in sending order over all connections.

    Frames must lie in order of connection and time. ``split`` and ``join`` are how often.
    """
    starts = np.concatenate([[0], ends[:-1]])
    halved = np.flatnonzero((rng.random(len(ends)) < split) & (ends - starts > 8))
    middle = starts[halved] + 1 + (rng.random(len(halved)) * (ends[halved] - starts[halved] - 2)).astype(np.int64)
    near = np.zeros(len(ends), dtype=np.bool_)
    near[:-1] = (connection[1:] == connection[:-1]) & (micro[1:] - micro[:-1] < 2_000_000)
    joined = near & (rng.random(len(ends)) < join)
    places = np.concatenate([ends[~joined], middle])
    sent = np.concatenate([micro[~joined], micro[halved]])
    rest = np.isin(np.arange(len(ends)), halved) * rng.integers(2_000, 60_000, len(ends))  # the second part comes later
    late = np.concatenate([rest[~joined], np.zeros(len(halved), dtype=np.int64)])
    whose = np.concatenate([connection[~joined], connection[halved]])
    order = np.argsort(places, kind="stable")
    places, sent, whose = places[order], (sent + late)[order], whose[order]
    step = 1 << 40  # microseconds, far more than a day has
    rank = np.cumsum(np.concatenate([[0], whose[1:] != whose[:-1]]))
    base = sent.min() if len(sent) else 0
    sent = np.maximum.accumulate(sent - base + rank * step) - rank * step + base
    offsets = np.concatenate([[0], places]).astype(np.int32)
    column = pa.BinaryArray.from_buffers(pa.binary(), len(places), [None, pa.py_buffer(offsets), pa.py_buffer(wire)])
    by_time = np.lexsort((whose, sent))
    return pa.table(
        [
            pa.array(sent[by_time], pa.timestamp("us", "UTC")),
            pa.array(whose[by_time].astype(np.int32)),
            column.take(pa.array(by_time)),
        ],
        schema=_SCHEMA,
    )
