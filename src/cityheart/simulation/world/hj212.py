"""What monitors of pollution put on the wire: HJ 212-2017 packets as text, all of a day at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .chance import Bytes, Floats, Ints, numbers
from .emissions import Probes, Reading
from .firms import Town
from .jt808 import cut
from .models import Outlet
from .times import DAY

__all__ = ["Monitors", "crc", "limits_of"]

_TEN = 10
NDArray16 = np.ndarray[Any, np.dtype[np.uint16]]


def _crc_table() -> NDArray16:
    table = np.arange(256, dtype=np.uint16)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ 0xA001, table >> 1).astype(np.uint16)
    return table


_TABLE = _crc_table()
_LENGTHS = pa.array([f"{length:04d}" for length in range(2000)])
_CODES = pa.array([f"{code:04X}" for code in range(65536)])


def crc(data: Bytes, starts: Ints, lengths: Ints) -> NDArray16:
    """The CRC of HJ 212-2017 (annex A) of many segments in one array of bytes."""
    order = np.argsort(-lengths, kind="stable")
    begin, left = starts[order], lengths[order]
    state = np.full(len(starts), 0xFFFF, dtype=np.uint16)
    alive = len(left)
    for k in range(int(left[0]) if len(left) else 0):
        while alive and left[alive - 1] <= k:
            alive -= 1
        state[:alive] = _TABLE[(state[:alive] >> 8) ^ data[begin[:alive] + k]]
    found = np.empty_like(state)
    found[order] = state
    return found


class Monitors:
    """The devices: one connection each, real-time data every minute and ten-minute data."""

    def __init__(self, town: Town, probes: Probes) -> None:
        self.town, self.probes = town, probes
        rng = numbers(town.seed, "monitors")
        count = len(town.outlets)
        self.second = rng.uniform(0.5, 50, count)
        self.asks = np.where(rng.random(count) < 0.2, 5, 4)
        self.connection = rng.permutation(count) + 1
        self.groups: dict[tuple[str, ...], list[int]] = {}
        for number, outlet in enumerate(town.outlets):
            self.groups.setdefault(outlet.factors, []).append(number)

    def day(self, day: int) -> pa.Table:
        """One day's writes in sending order."""
        rng = numbers(self.town.seed, "packets", str(day))
        texts: list[pa.Array] = []
        sent: list[Ints] = []
        whose: list[Ints] = []
        for factors, members in sorted(self.groups.items()):
            for first in range(0, len(members), 64):
                some = members[first : first + 64]
                readings = [self.probes.day(number, day) for number in some]
                for made in (self._live(factors, readings, day, rng), self._ten(factors, readings, day, rng)):
                    texts.append(made[0])
                    sent.append(made[1])
                    whose.append(made[2])
        text = pa.concat_arrays(texts)
        micro, connection = np.concatenate(sent), np.concatenate(whose)
        kept = np.flatnonzero(rng.random(len(micro)) > 0.002)
        order = kept[np.lexsort((micro[kept], connection[kept]))]
        text, micro, connection = text.take(pa.array(order)), micro[order], connection[order]
        wire, ends = _packets(text, rng)
        return cut(wire, ends, micro, connection, rng, 0.018, 0.1)

    def _head(self, members: Sequence[int], sent: Ints, rows: Ints, cn: int) -> list[Any]:
        """QN to MN of each packet; ``rows`` tells which member sends it."""
        outlets = [self.town.outlets[number] for number in members]
        kinds = ["32" if outlet.kind == "废水" else "31" for outlet in outlets]
        front = [
            f";ST={kind};CN={cn};PW={outlet.password};MN={outlet.mn};Flag={self.asks[number]};CP=&&DataTime="
            for kind, outlet, number in zip(kinds, outlets, members, strict=True)
        ]
        return ["QN=", _digits(sent, True), pa.array(front).take(pa.array(rows))]

    def _live(
        self, factors: tuple[str, ...], readings: Sequence[Reading], day: int, rng: np.random.Generator
    ) -> tuple[pa.Array, Ints, Ints]:
        members = [reading.outlet for reading in readings]
        rows = np.repeat(np.arange(len(members)), DAY)
        minute = np.tile(np.arange(DAY), len(members)) + day * DAY
        sent = self._sent(members, rows, minute, day, rng, 0.0)
        flag = pa.array(np.concatenate([reading.flags for reading in readings]).astype(object), pa.string())
        parts = [*self._head(members, sent, rows, 2011), _digits(self.town.span.micro(minute), False)]
        for k, factor in enumerate(factors):
            values = np.concatenate([reading.values[k] for reading in readings])
            parts += [f";{factor}-Rtd=", _decimals(values), f",{factor}-Flag=", flag]
        return _joined([*parts, "&&"]), sent, self.connection[np.array(members)][rows]

    def _ten(
        self, factors: tuple[str, ...], readings: Sequence[Reading], day: int, rng: np.random.Generator
    ) -> tuple[pa.Array, Ints, Ints]:
        """Ten-minute data: the ten minutes before, stamped with their end."""
        members = [reading.outlet for reading in readings]
        pieces = DAY // _TEN
        rows = np.repeat(np.arange(len(members)), pieces)
        minute = np.tile(np.arange(1, pieces + 1) * _TEN, len(members)) + day * DAY
        sent = self._sent(members, rows, np.minimum(minute, (day + 1) * DAY - 1), day, rng, 5.0)
        folded = [reading.flags.reshape(pieces, _TEN) for reading in readings]
        flags = np.concatenate([np.where((f == "N").sum(axis=1) >= 8, "N", f[:, -1]) for f in folded])
        flag = pa.array(flags.astype(object), pa.string())
        parts = [*self._head(members, sent, rows, 2051), _digits(self.town.span.micro(minute), False)]
        for k, factor in enumerate(factors):
            values = np.concatenate([reading.values[k].reshape(pieces, _TEN) for reading in readings])
            for name, reduced in (
                ("Min", values.min(axis=1)),
                ("Avg", values.mean(axis=1)),
                ("Max", values.max(axis=1)),
            ):
                parts += [f"{';' if name == 'Min' else ','}{factor}-{name}=", _decimals(np.round(reduced, 2))]
            parts += [f",{factor}-Flag=", flag]
        return _joined([*parts, "&&"]), sent, self.connection[np.array(members)][rows]

    def _sent(
        self, members: Sequence[int], rows: Ints, minute: Ints, day: int, rng: np.random.Generator, later: float
    ) -> Ints:
        second = self.second[np.array(members)][rows] + later + rng.uniform(0, 3, len(rows))
        at = np.minimum(minute + second / 60, (day + 1) * DAY - 2e-3)
        return self.town.span.micro(at) // 1000 * 1000


def _joined(parts: Sequence[Any]) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _decimals(values: Floats) -> pa.Array:
    return pc.cast(pa.array(values), pa.string())


def _digits(micro: Ints, thousandths: bool) -> pa.Array:
    """UTC microseconds as local YYYYMMDDhhmmss[zzz]."""
    local = micro + 8 * 3_600_000_000
    days = local // 86_400_000_000
    date = days.astype("datetime64[D]")
    year = date.astype("datetime64[Y]").astype(np.int64) + 1970
    month = date.astype("datetime64[M]").astype(np.int64) % 12 + 1
    of_month = (date - date.astype("datetime64[M]")).astype(np.int64) + 1
    milli = local % 86_400_000_000 // 1000
    clock = milli // 3_600_000 * 10_000 + milli % 3_600_000 // 60_000 * 100 + milli % 60_000 // 1000
    number = (year * 10_000 + month * 100 + of_month) * 1_000_000 + clock
    return pc.cast(pa.array(number * 1000 + milli % 1000 if thousandths else number), pa.string())


def _packets(text: pa.Array, rng: np.random.Generator) -> tuple[Bytes, Ints]:
    """Data segments as packets with length and CRC, a few CRCs wrong; the bytes and where each packet ends."""
    offsets = _offsets(text)
    lengths = np.diff(offsets)
    codes = crc(np.frombuffer(text.buffers()[2], dtype=np.uint8), offsets[:-1], lengths).astype(np.int64)
    wrong = rng.random(len(text)) < 0.0015
    codes = np.where(wrong, (codes + rng.integers(1, 65535, len(text))) & 0xFFFF, codes)
    front, back = (names.take(pa.array(chosen)) for names, chosen in ((_LENGTHS, lengths), (_CODES, codes)))
    packets = pc.binary_join_element_wise("##", front, text, back, "\r\n", "")
    ends = _offsets(packets)
    wire = np.frombuffer(packets.buffers()[2], dtype=np.uint8)[ends[0] : ends[-1]]
    return wire, ends[1:] - ends[0]


def _offsets(text: pa.Array) -> Ints:
    told = np.frombuffer(text.buffers()[1], dtype=np.int32)[text.offset : text.offset + len(text) + 1]
    return np.asarray(told, dtype=np.int64)


def limits_of(outlet: Outlet) -> str:
    """The limits as the list of outlets writes them."""
    return ";".join(f"{factor}={limit:g}" for factor, limit in zip(outlet.factors, outlet.limits, strict=True) if limit)
