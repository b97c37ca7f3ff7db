"""Outlets by the minute and their HJ 212-2017 packets, byte by byte."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench._othercity.common import DAY, HOUR, Bools, Floats, Ints, Order, Random, chance, local, rfc, utc_column
from bench._othercity.life import Life, weather
from bench._othercity.stories import Story
from bench._othercity.world import Outlet

FLAGS = np.array(list("NFMSDCTB"))
N, F, M, S, D, C, T, B = range(8)
FACTORS = {
    "flue": ("a00000", "a21026", "a21002", "a34013", "a19001", "a01012"),
    "voc": ("a00000", "a24088", "a01012"),
    "water": ("w00000", "w01001", "w01018", "w21003"),
}
DIGITS = {"a00000": 2, "w00000": 2, "w01001": 2, "a19001": 2, "w21003": 2}
CALM = 0.93  # of the limit: no hour of an honest outlet has a higher mean


@dataclass(slots=True)
class Stream:
    """One outlet: values and flags a minute since the city's start, in the order of FACTORS."""

    outlet: Outlet
    values: dict[str, Floats]
    flags: dict[str, Ints]
    keep: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))  # minutes that are sent at all


def _walk(random: Random, count: int, memory: float, spread: float) -> Floats:
    """A heavy-tailed wandering around zero: a slow part by interpolation, a fast part by the minute."""
    step = int(1 / (1 - memory))
    knots = np.arange(0, count + step, step)
    slow = np.interp(np.arange(count), knots, random.standard_t(4, len(knots)))
    return np.asarray((slow * 0.8 + random.standard_t(5, count) * 0.45) * spread)


def _plain(order: Order, outlet: Outlet, rain: Floats) -> Stream:
    """An outlet whose owner is honest and whose instruments work."""
    random = chance(order.seed, "outlet", outlet.mn)
    count = (order.end - order.start) // 60
    skip = (order.start - order.books) // 60
    minutes = np.arange(len(outlet.site.activity) * 15)
    active = np.interp(minutes, np.arange(len(outlet.site.activity)) * 15, outlet.site.activity)
    lag = int(random.integers(12, 45))
    active = np.convolve(active, np.ones(lag) / lag)[: len(active)][skip:]
    stands = active < 0.06
    begun = (~stands[1:]) & stands[:-1]
    values: dict[str, Floats] = {}
    flow = outlet.flow * (0.15 + 0.8 * active) * np.exp(_walk(random, count, 0.97, 0.035))
    wet = 1.0 + 0.9 * np.repeat(rain, 15)[skip:][:count] if outlet.style == "water" else np.ones(count)
    for factor in FACTORS[outlet.style]:
        if factor in outlet.limits:
            share = float(random.uniform(0.22, 0.55))
            value = (
                outlet.limits[factor]
                * share
                * np.maximum(active, 0.0) ** 0.25
                * np.exp(_walk(random, count, 0.95, 0.11))
            )
            for start in np.flatnonzero(begun):
                value[start : start + 14] *= float(random.uniform(1.3, 2.6))
            value = value / np.sqrt(wet)
            values[factor] = np.where(stands, outlet.limits[factor] * 0.02 * random.uniform(0.6, 1.5, count), value)
        elif factor in ("a00000", "w00000"):
            values[factor] = np.where(stands, 0.0, flow * wet)
        elif factor == "w01001":
            values[factor] = float(random.uniform(7.1, 7.9)) + _walk(random, count, 0.99, 0.06)
        elif factor == "a19001":
            values[factor] = np.where(
                stands, 20.4, 7.5 + float(random.uniform(0, 3)) + _walk(random, count, 0.96, 0.25)
            )
        else:
            values[factor] = np.where(stands, 24.0, 90.0 + 40 * active) + _walk(random, count, 0.98, 1.4)
    flags = {factor: np.where(stands & (random.random() < 0.7), F, N).astype(np.int64) for factor in values}
    return Stream(outlet, values, flags)


def _instruments(order: Order, stream: Stream, told: Story | None) -> None:
    """Calibrations at night, faults, short freezes, gaps: what is not anybody's fault."""
    random = chance(order.seed, "instruments", stream.outlet.mn)
    count, mess = len(next(iter(stream.values.values()))), order.level.mess
    window = np.zeros(count, dtype=bool)
    if told is not None:
        begin, end = _span(order, told)
        window[max(begin - 90, 0) : end + 90] = True
    for factor, limit in stream.outlet.limits.items():
        night = int(random.integers(60, 300))
        for day in range(int(random.integers(0, 4)), order.days, 4):
            begin = day * 1440 + night
            if not window[begin : begin + 25].any():
                stream.flags[factor][begin : begin + 25] = C
                stream.values[factor][begin : begin + 25] = limit * random.uniform(0.5, 1.6)
        for flag, long in ((M, 150), (D, 240), (T, 30), (B, 40)):
            for _ in range(int(random.poisson(0.25 * mess))):
                begin = int(random.integers(0, count))
                if not window[begin : begin + long].any():
                    stream.flags[factor][begin : begin + long] = flag
                    if flag == T:
                        stream.values[factor][begin : begin + long] = limit * 5
        if random.random() < 0.18 * mess:
            begin = int(random.integers(0, count))
            long = int(random.integers(70, 330))
            if not window[begin : begin + long].any():
                stream.values[factor][begin : begin + long] = stream.values[factor][begin]
    keep = random.random(count) >= order.level.missing + 0.002 * mess
    for _ in range(int(random.poisson(0.5 * mess))):
        begin = int(random.integers(0, count))
        if not window[begin : begin + 200].any():
            keep[begin : begin + int(random.integers(10, 180))] = False
    stream.keep = keep


def _span(order: Order, story: Story) -> tuple[int, int]:
    begin = int((story.start - order.start) // 60)
    count = (order.end - order.start) // 60
    return max(begin, 0), min(int(((story.end or story.start) - order.start) // 60), count)


def _calm(order: Order, stream: Stream, exempt: Bools) -> None:
    """Press hours that happen to be near the limit below it: whatever is above was planted."""
    hours = len(exempt) // 60
    for factor, limit in stream.outlet.limits.items():
        valid = ((stream.flags[factor] == N) & stream.keep).reshape(hours, 60)
        value = stream.values[factor].reshape(hours, 60)
        mean = np.where(valid, value, 0.0).sum(1) / np.maximum(valid.sum(1), 1)
        scale = np.where(
            (mean > CALM * limit) & ~exempt.reshape(hours, 60).any(1), CALM * limit / np.maximum(mean, 1e-9), 1.0
        )
        stream.values[factor] = (value * np.where(valid, scale[:, None], 1.0)).reshape(-1)


def _tale(order: Order, stream: Stream, story: Story) -> Bools:
    """Work a story into an outlet; minutes that may be above the limit."""
    begin, end = _span(order, story)
    outlet, values, flags = stream.outlet, stream.values, stream.flags
    random = chance(order.seed, "tale", outlet.mn)
    exempt = np.zeros(len(stream.keep), dtype=bool)
    factor = sorted(outlet.limits)[int(random.integers(len(outlet.limits)))]
    limit, variant = outlet.limits[factor], story.variant
    story.about["factor_code"] = factor
    if variant.startswith("frozen"):
        values[factor][begin:end] = min(max(float(values[factor][begin]), 0.05 * limit), 0.85 * limit)
        flags[factor][begin:end] = D if variant == "frozen_flagged" else N
    elif variant == "diluted":
        times = story.about["factor"]
        values[next(iter(values))][begin:end] *= times**0.8
        for name in outlet.limits:
            values[name][begin:end] /= times
        if "a19001" in values:
            oxygen = values["a19001"]
            oxygen[begin:end] = 20.9 - (20.9 - oxygen[begin:end]) / times
    elif story.kind == "emission_exceedance":
        first, last = -(-begin // 60), max(-(-end // 60), -(-begin // 60) + 1)
        if variant == "flagged":
            flags[factor][begin:end] = int(random.choice([M, C, T, D]))
            values[factor][begin:end] = limit * random.uniform(1.1, 2.2, end - begin)
        elif variant == "short":
            values[factor][begin : begin + 13] = limit * 2.2
        elif variant in ("over", "near", "few_minutes"):
            for hour in range(first, min(last, len(exempt) // 60)):
                part = slice(hour * 60, hour * 60 + 60)
                reach = {"near": float(random.uniform(0.9, 0.955))}.get(
                    variant, story.about["reach"] * float(random.uniform(1.0, 1.1))
                )
                raw = np.maximum(values[factor][part], 0.05 * limit)
                values[factor][part] = raw / raw.mean() * limit * reach
                flags[factor][part] = N
                if variant == "few_minutes":
                    flags[factor][hour * 60 + int(random.integers(30, 40)) : hour * 60 + 60] = D
                exempt[part] = True
    return exempt


def streams(life: Life) -> list[Stream]:
    """Every outlet's minutes."""
    order = life.world.order
    _, rain = weather(order)
    tales = {s.about["outlet"].mn: s for s in life.plot.of("emission_tampering") + life.plot.of("emission_exceedance")}
    found = []
    for site in life.world.sites:
        for outlet in site.outlets:
            stream = _plain(order, outlet, rain)
            story = tales.get(outlet.mn)
            _instruments(order, stream, story)
            exempt = np.zeros(len(stream.keep), dtype=bool)
            frozen = story is not None and story.variant.startswith("frozen")
            if story is not None and not frozen:
                exempt = _tale(order, stream, story)
            _calm(order, stream, exempt)
            if story is not None and frozen:  # last, or it would not stay one value
                _tale(order, stream, story)
            for factor, values in stream.values.items():
                stream.values[factor] = np.asarray(
                    np.round(np.maximum(values, 0.0), DIGITS.get(factor, 1)), dtype=np.float64
                )
            found.append(stream)
    for number, stream in enumerate(found):
        stream.outlet.connection = number + 1
    return found


# Packets

_TABLE = np.zeros(256, dtype=np.uint16)
for _value in range(256):
    _crc = _value
    for _ in range(8):
        _crc = (_crc >> 1) ^ 0xA001 if _crc & 1 else _crc >> 1
    _TABLE[_value] = _crc


def checks(segments: pa.Array) -> Ints:
    """CRC of every data segment, all of them side by side."""
    offsets = np.frombuffer(segments.buffers()[1], dtype=np.int32)[
        segments.offset : segments.offset + len(segments) + 1
    ].astype(np.int64)
    data = np.frombuffer(segments.buffers()[2], dtype=np.uint8)
    lengths = np.diff(offsets)
    crc = np.full(len(segments), 0xFFFF, dtype=np.uint16)
    rank = np.argsort(-lengths, kind="stable")
    crc_r, offsets_r, lengths_r = crc[rank], offsets[:-1][rank], lengths[rank]
    for place in range(int(lengths.max()) if len(lengths) else 0):
        alive = int(np.searchsorted(-lengths_r, -place, side="left"))
        part = crc_r[:alive]
        crc_r[:alive] = _TABLE[(part >> 8) ^ data[offsets_r[:alive] + place]]
    crc[rank] = crc_r
    return crc.astype(np.int64)


_HEX = pa.array([f"{i:04X}" for i in range(65536)])
_FOUR = pa.array([f"{i:04d}" for i in range(10_000)])


def _joined(parts: list[object]) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _packets(segments: pa.Array) -> pa.Array:
    lengths = pc.binary_length(segments)
    return _joined(["##", _FOUR.take(lengths), segments, _HEX.take(pa.array(checks(segments))), "\r\n"])


def _stamps(at: Ints, millis: bool) -> pa.Array:
    """YYYYMMDDhhmmss(zzz) of local moments in µs."""
    naive = pa.array(utc_column(at + 8 * HOUR * 1_000_000)).cast(pa.timestamp("ms"), safe=False)
    text = pc.strftime(naive, format="%Y%m%d%H%M%S")  # %S has the milliseconds of the unit: 05.123
    text = pc.replace_substring(text, ".", "")
    return text if millis else pc.utf8_slice_codeunits(text, 0, 14)


def _segments(
    style: str, numbers: Ints, about: dict[str, pa.Array], at: Ints, sent: Ints, pairs: list[object], command: str
) -> pa.Array:
    picked = pa.array(numbers)
    head = [
        "QN=",
        _stamps(sent, True),
        ";ST=",
        "32" if style == "water" else "31",
        f";CN={command};PW=",
        about["pw"].take(picked),
        ";MN=",
        about["mn"].take(picked),
        ";Flag=",
        about["flag"].take(picked),
        ";CP=&&DataTime=",
        _stamps(at, False),
    ]
    return _joined([*head, *pairs, "&&"])


@dataclass(slots=True)
class _Wire:
    sent: list[Ints] = field(default_factory=list)
    connection: list[Ints] = field(default_factory=list)
    data: list[pa.Array] = field(default_factory=list)

    def add(self, sent: Ints, connection: Ints, packets: pa.Array) -> None:
        self.sent.append(sent)
        self.connection.append(connection)
        self.data.append(packets.cast(pa.binary()))


def write(folder: Path, life: Life, found: list[Stream]) -> int:
    """The packets and the list of outlets; how many packets were written."""
    order = life.world.order
    (folder / "drops").mkdir(parents=True, exist_ok=True)
    _outlets(folder, life, found)
    schema = pa.schema([("sent_at", pa.timestamp("us", "UTC")), ("connection", pa.int32()), ("bytes", pa.binary())])
    random = chance(order.seed, "wire")
    total = 0
    with pq.ParquetWriter(folder / "packets.parquet", schema, compression="zstd") as out:
        for day in range(order.days):
            wire = _Wire()
            for style in FACTORS:
                group = [s for s in found if s.outlet.style == style]
                if group:
                    _day(order, random, style, group, day, wire)
            if not wire.sent:
                continue
            sent, connection = np.concatenate(wire.sent), np.concatenate(wire.connection)
            data = pa.chunked_array(wire.data).combine_chunks()
            sent, connection, data = _broken(random, order, sent, connection, data)
            rank = np.argsort(sent, kind="stable")
            when = pa.array(utc_column(sent[rank])).cast(pa.timestamp("us", "UTC"))
            out.write_table(
                pa.table([when, pa.array(connection[rank].astype(np.int32)), data.take(pa.array(rank))], schema=schema)
            )
            total += len(rank)
        if not found:
            out.write_table(schema.empty_table())
    return total


def _day(order: Order, random: Random, style: str, group: list[Stream], day: int, wire: _Wire) -> None:
    """Packets of a day for all outlets of one style: real-time, then ten-minute data."""
    about = {
        "pw": pa.array([s.outlet.password for s in group]),
        "mn": pa.array([s.outlet.mn for s in group]),
        "flag": pa.array(["5" if i % 3 == 1 else "4" for i in range(len(group))]),
    }
    lines = np.array([s.outlet.connection for s in group])
    part = slice(day * 1440, (day + 1) * 1440)
    keep = np.array([s.keep[part] for s in group])
    numbers, minutes = np.nonzero(keep)
    at = (order.start + day * DAY + minutes * 60) * 1_000_000
    delay = (
        np.array([chance(order.seed, s.outlet.mn).uniform(0.2, 6) for s in group])[numbers]
        + random.gamma(1.3, 0.4, len(numbers))
    ) * 1e6
    sent = at + delay.astype(np.int64) // 1000 * 1000
    pairs: list[object] = []
    marks = pa.array(FLAGS)
    for place, factor in enumerate(FACTORS[style]):
        value = np.array([s.values[factor][part] for s in group])[keep]
        flag = np.array([s.flags[factor][part] for s in group])[keep]
        pairs += [
            f"{';'}{factor}-Rtd=",
            pc.cast(pa.array(value), pa.string()),
            f",{factor}-Flag=",
            marks.take(pa.array(flag)),
        ]
        del place
    wire.add(sent, lines[numbers], _packets(_segments(style, numbers, about, at, sent, pairs, "2011")))
    tens = keep.reshape(len(group), 144, 10).any(2)
    numbers, slots = np.nonzero(tens)
    at = (order.start + day * DAY + slots * 600) * 1_000_000
    sent = at + (600_000_000 + random.gamma(2.0, 1.5, len(numbers)) * 1e6).astype(np.int64) // 1000 * 1000
    pairs = []
    for factor in FACTORS[style]:
        value = np.array([s.values[factor][part] for s in group]).reshape(len(group), 144, 10)[tens]
        flag = np.array([s.flags[factor][part] for s in group]).reshape(len(group), 144, 10)[tens]
        good = flag == N
        mean = np.where(good.any(1), np.where(good, value, 0).sum(1) / np.maximum(good.sum(1), 1), value.mean(1))
        worst = np.where(good.sum(1) >= 5, N, flag.max(1))
        for name, series in (("Min", value.min(1)), ("Avg", np.round(mean, 2)), ("Max", value.max(1))):
            pairs += [f"{';' if name == 'Min' else ','}{factor}-{name}=", pc.cast(pa.array(series), pa.string())]
        pairs += [f",{factor}-Flag=", marks.take(pa.array(worst))]
    wire.add(sent, lines[numbers], _packets(_segments(style, numbers, about, at, sent, pairs, "2051")))


def _broken(random: Random, order: Order, sent: Ints, connection: Ints, data: pa.Array) -> tuple[Ints, Ints, pa.Array]:
    """Packets cut over two writes, packets sent twice, and now and then a wrong check."""
    mess = order.level.mess
    draw = random.random(len(sent))
    split, twice, wrong = (
        np.flatnonzero(m)
        for m in (draw < 0.01 * mess, (draw > 0.5) & (draw < 0.5 + 0.001 * mess), draw > 1 - 0.00008 * mess)
    )
    rows: list[bytes] = [data[int(i)].as_py() for i in np.concatenate([split, wrong])]
    cuts = [int(random.integers(3, len(row) - 3)) for row in rows[: len(split)]]
    heads = [row[:cut] for row, cut in zip(rows, cuts, strict=False)]
    tails = [row[cut:] for row, cut in zip(rows, cuts, strict=False)]
    bad = [row[:-6] + (b"0000" if row[-6:-2] != b"0000" else b"FFFF") + row[-2:] for row in rows[len(split) :]]
    keep = np.ones(len(sent), dtype=bool)
    keep[split] = keep[wrong] = False
    stay = np.flatnonzero(keep)
    extra = pa.array(heads + tails + bad, pa.binary())
    index = np.concatenate([stay, twice])
    merged = pa.chunked_array([data.take(pa.array(index)), extra]).combine_chunks()
    when: npt.NDArray[np.int64] = np.concatenate(
        [sent[stay], sent[twice] + 40_000_000, sent[split], sent[split] + 1, sent[wrong]]
    )
    lines = np.concatenate(
        [connection[stay], connection[twice], connection[split], connection[split], connection[wrong]]
    )
    return when, lines, merged


def _outlets(folder: Path, life: Life, found: list[Stream]) -> None:
    day = life.world.order.start - DAY
    name = f"outlet_{local(day):%Y%m%d}.csv"
    with (folder / "drops" / name).open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(["mn", "site_id", "uscc", "kind", "limits", "design_flow"])
        for stream in found:
            o = stream.outlet
            limits = ";".join(f"{factor}={limit:g}" for factor, limit in o.limits.items())
            rows.writerow([o.mn, o.site.id, o.site.uscc, "废水" if o.style == "water" else "废气", limits, o.flow])
    (folder / "drops.csv").write_text(f"path,delivered_at\ndrops/{name},{rfc(day + 6.5 * HOUR)}\n", encoding="utf-8")
