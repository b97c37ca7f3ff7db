"""Where every truck truly is, and the JT/T 808 frames that its terminal sends of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench._othercity.common import (
    DAY,
    HOUR,
    KM_LAT,
    KM_LON,
    LAT0,
    LON0,
    Floats,
    Ints,
    Order,
    Random,
    chance,
    local,
    rfc,
    utc_column,
)
from bench._othercity.life import Life, Trip
from bench._othercity.roads import within
from bench._othercity.world import Vehicle

MOVING, PARKED = 45, 420  # seconds between reports; city.json says so too


@dataclass(slots=True)
class Track:
    """A truck's way by its reports, true: s since 1970, km on the plane, load 0/1/3, driving or not."""

    vehicle: Vehicle
    at: Floats
    x: Floats
    y: Floats
    load: Ints
    on: Ints


def _line(life: Life, vehicle: Vehicle, trips: list[Trip]) -> tuple[Floats, Floats, Floats, list[tuple[float, float]]]:
    """Break points of the whole way and the times at which the ignition is on."""
    order, roads = life.world.order, life.world.roads
    random = chance(order.seed, "home", vehicle.plate)
    t, x, y = [float(order.books)], [vehicle.yard.x], [vehicle.yard.y]
    on: list[tuple[float, float]] = []

    def go(begin: float, drive: object) -> None:
        pieces = drive.t, drive.x, drive.y  # type: ignore[attr-defined]
        begin = max(begin, t[-1] + 1.0)
        t.extend((begin + pieces[0]).tolist())
        x.extend(pieces[1].tolist())
        y.extend(pieces[2].tolist())
        on.append((begin - 120, t[-1] + 90))

    for trip in trips:
        here = (x[-1], y[-1])
        start = (float(trip.empty.x[0]), float(trip.empty.y[0]))
        if np.hypot(here[0] - start[0], here[1] - start[1]) > 0.5:
            begin = t[-1] + 900
            if trip.leave > order.start - DAY:
                go(begin, roads.drive(random, here, start, roads.avoided(begin, begin + 4 * HOUR)))
            else:
                t.append(t[-1] + 1800)
                x.append(start[0])
                y.append(start[1])
        go(trip.leave, trip.empty)
        t.append(max(trip.load_to + 240, t[-1] + 60))
        x.append(x[-1])
        y.append(y[-1])
        go(trip.load_to + 240, trip.loaded)
        t.append(max(trip.unload_to, t[-1] + 60))
        x.append(x[-1])
        y.append(y[-1])
    return np.array(t), np.array(x), np.array(y), on


def _track(life: Life, vehicle: Vehicle, trips: list[Trip]) -> Track:
    order = life.world.order
    random = chance(order.seed, "track", vehicle.plate)
    t, x, y, on = _line(life, vehicle, trips)
    edges: list[tuple[float, float]] = []
    for begin, end in sorted(on):
        if edges and begin <= edges[-1][1] + 300:
            edges[-1] = (edges[-1][0], max(end, edges[-1][1]))
        else:
            edges.append((begin, end))
    phase = float(random.uniform(0, 40))
    here, times, state = order.start + phase, [], []
    for begin, end in [*edges, (float(order.end), float(order.end))]:
        if end < here:
            continue
        rest = np.arange(here, min(begin, order.end), PARKED)
        times.append(rest)
        state.append(np.zeros(len(rest), dtype=np.int64))
        begin = max(begin, here)
        move = np.arange(begin, min(end, order.end), MOVING)
        times.append(move)
        state.append(np.ones(len(move), dtype=np.int64))
        here = max(end, here)
    every = np.asarray(np.round(np.concatenate(times)), dtype=np.float64)
    at, first = np.unique(every, return_index=True)
    moves = sorted((when, load) for trip in trips for when, load in trip.load())
    when = np.array([-1.0, *(m[0] for m in moves)])
    loads = np.array([0, *(m[1] for m in moves)])
    load = loads[np.searchsorted(when, at, side="right") - 1]
    return Track(vehicle, at, np.interp(at, t, x), np.interp(at, t, y), load, np.concatenate(state)[first])


def tracks(life: Life) -> list[Track]:
    """Every truck's true way since the city's start."""
    mine: dict[str, list[Trip]] = {v.plate: [] for v in life.world.vehicles}
    for trip in life.trips:
        if trip.vehicle is not None:
            mine[trip.vehicle.plate].append(trip)
    return [_track(life, vehicle, mine[vehicle.plate]) for vehicle in life.world.vehicles]


def in_zones(life: Life, track: Track) -> list[tuple[str, float, float]]:
    """Stays of a truck in closed zones during closed hours: zone, from, to; at least two reports each."""
    found = []
    for zone in life.world.zones:
        bad = within(zone, track.x, track.y) & zone.shut(track.at)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], bad.astype(int), [0]])))
        for begin, end in edges.reshape(-1, 2):
            if end - begin >= 2:
                found.append((zone.id, float(track.at[begin]), float(track.at[end - 1])))
    return found


# Frames


def _bcd(number: Ints, size: int) -> np.ndarray:
    out = np.zeros((len(number), size), dtype=np.uint8)
    left = number.copy()
    for place in range(size - 1, -1, -1):
        two = left % 100
        out[:, place] = (two // 10) * 16 + two % 10
        left //= 100
    return out


def _big(number: Ints, size: int) -> np.ndarray:
    shifts = np.arange(size - 1, -1, -1) * 8
    return ((number[:, None] >> shifts) & 0xFF).astype(np.uint8)


def frame(message: int, phone: str, serial: int, body: bytes, old: bool) -> bytes:
    """One frame, escaped, with its check byte."""
    attributes = len(body) | (0 if old else 0x4000)
    number = bytes.fromhex(phone.zfill(12 if old else 20))
    raw = message.to_bytes(2, "big") + attributes.to_bytes(2, "big") + (b"" if old else b"\x01") + number
    raw += (serial & 0xFFFF).to_bytes(2, "big") + body
    check = 0
    for byte in raw:
        check ^= byte
    return _wrapped(raw + bytes([check]))


def _wrapped(raw: bytes) -> bytes:
    return b"\x7e" + raw.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def _bodies(
    at: Ints, lon: Floats, lat: Floats, speed: Floats, course: Floats, status: Ints, km: Floats, high: Floats
) -> np.ndarray:
    """Position bodies with the mileage as an extra, 34 bytes each."""
    count = len(at)
    body = np.zeros((count, 34), dtype=np.uint8)
    body[:, 4:8] = _big(status, 4)
    body[:, 8:12] = _big(np.round(lat * 1e6).astype(np.int64), 4)
    body[:, 12:16] = _big(np.round(lon * 1e6).astype(np.int64), 4)
    body[:, 16:18] = _big(np.round(high).astype(np.int64), 2)
    body[:, 18:20] = _big(np.round(speed * 10).astype(np.int64), 2)
    body[:, 20:22] = _big(np.round(course).astype(np.int64) % 360, 2)
    shifted = (at + 8 * HOUR).astype("datetime64[s]")
    days = shifted.astype("datetime64[D]")
    months = shifted.astype("datetime64[M]")
    year = shifted.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (days - months).astype(np.int64) + 1
    clock = (shifted - days).astype(np.int64)
    packed = year % 100
    for part in (month, day, clock // 3600, clock // 60 % 60, clock % 60):
        packed = packed * 100 + part
    body[:, 22:28] = _bcd(packed, 6)
    body[:, 28] = 1
    body[:, 29] = 4
    body[:, 30:34] = _big(np.round(km * 10).astype(np.int64), 4)
    return body


@dataclass(slots=True)
class _Sent:
    at: list[Ints]
    connection: list[Ints]
    data: list[bytes]


def _reports(order: Order, track: Track, number: int, jump: tuple[float, float, float] | None, out: _Sent) -> int:
    """All frames of one truck; how many positions."""
    random, vehicle = chance(order.seed, "terminal", track.vehicle.plate), track.vehicle
    mess, count = order.level.mess, len(track.at)
    dx, dy = np.diff(track.x, prepend=track.x[0]), np.diff(track.y, prepend=track.y[0])
    step = np.hypot(dx, dy)
    speed = np.minimum(step / np.maximum(np.diff(track.at, prepend=track.at[0] - MOVING), 1.0) * 3600.0, 110.0)
    speed = np.where(speed > 1.5, np.abs(speed * random.normal(1.0, 0.03, count)), 0.0)
    still = step < 0.002
    slow = np.interp(
        np.arange(count), np.arange(0, count + 9, 9), random.standard_t(3, len(np.arange(0, count + 9, 9)))
    )
    x = track.x + random.normal(0, 0.004, count) + np.where(still, slow * 0.007 * mess, 0.0)
    y = track.y + random.normal(0, 0.004, count) + np.where(still, np.roll(slow, 5) * 0.007 * mess, 0.0)
    far = random.random(count) < 0.0004 * mess
    x[far] += random.standard_t(2, int(far.sum())) * 4.0
    y[far] += random.standard_t(2, int(far.sum())) * 4.0
    if jump is not None:
        place = int(np.argmin(np.abs(track.at - jump[0])))
        x[place], y[place] = jump[1], jump[2]
    load = track.load.copy()
    if random.random() < 0.05 * mess:  # a loose contact: single reports with another load
        flick = random.random(count) < 0.004
        load[flick] = np.where(load[flick] == 3, 0, 3)
    course = np.degrees(np.arctan2(dx, dy)) % 360
    status = track.on | 2 | (load << 8)
    lost = random.random(count) < 0.01 * mess
    status = np.where(lost & still, status & ~2, status)
    lon, lat = LON0 + x / KM_LON, LAT0 + y / KM_LAT
    km = float(40_000 + random.integers(0, 90_000)) + np.asarray(np.cumsum(step), dtype=np.float64)
    bodies = _bodies(
        track.at.astype(np.int64), lon, lat, speed, course, status, km, random.uniform(2, 9) + np.abs(slow)
    )
    _send(order, random, vehicle, track.at, bodies, number, out)
    return count


def _send(
    order: Order, random: Random, vehicle: Vehicle, at: Floats, bodies: np.ndarray, number: int, out: _Sent
) -> None:
    """Session, single reports, gaps that come later as batches, frames sent twice and frames that break."""
    mess, count, old = order.level.mess, len(at), vehicle.old_protocol
    serial = int(random.integers(55_000, 65_000))
    first = int(at[0] * 1e6) - 4_000_000
    data: list[bytes] = []
    when: list[int] = []
    if number % 4 == 0 or old:
        body = (
            b"\x00\x20\x02\x58"
            + b"OC808".ljust(11, b"\0")
            + b"T-9".ljust(30, b"\0")
            + vehicle.phone[-7:].encode().ljust(30, b"\0")
        )
        if old:
            body = b"\x00\x20\x02\x58" + b"OC808" + b"T-9".ljust(20, b"\0") + vehicle.phone[-7:].encode()
        data.append(frame(0x0100, vehicle.phone, serial, body + b"\x02" + vehicle.plate.encode("gbk"), old))
        when.append(first)
    code = vehicle.phone.encode()
    login = (
        code if old else bytes([len(code)]) + code + b"86000" + vehicle.phone[-10:].encode() + b"OC1".ljust(20, b"\0")
    )
    data.append(frame(0x0102, vehicle.phone, serial + 1, login, old))
    when.append(first + 1_500_000)
    hidden = np.zeros(count, dtype=bool)
    blind: list[tuple[int, int]] = []
    for _ in range(int(random.poisson(order.days * 0.12 * mess))):
        begin = int(random.integers(0, count))
        end = min(begin + int(random.integers(4, 40)), count - 1)
        if not hidden[begin : end + 1].any():
            hidden[begin:end] = True
            blind.append((begin, end))
    drop = random.random(count) < order.level.missing + 0.002 * mess
    for begin, end in blind:
        if random.random() < 0.6:  # a backlog is sent in one batch; the rest is a tunnel and never comes
            part = np.flatnonzero(~drop[begin:end]) + begin
            for start in range(0, len(part), 20):
                some = part[start : start + 20]
                body = (
                    len(some).to_bytes(2, "big") + b"\x01" + b"".join(b"\x00\x22" + bodies[i].tobytes() for i in some)
                )
                data.append(frame(0x0704, vehicle.phone, serial + 7 + end + start, body, old))
                when.append(int(at[end] * 1e6) + 9_000_000 + start)
    index = np.flatnonzero(~hidden & ~drop)
    head = 12 if old else 17
    raw = np.zeros((len(index), head + 35), dtype=np.uint8)
    raw[:, 0] = 2
    raw[:, 2] = 0 if old else 0x40
    raw[:, 3] = 34
    if not old:
        raw[:, 4] = 1
    raw[:, head - 2 - (6 if old else 10) : head - 2] = np.frombuffer(
        bytes.fromhex(vehicle.phone.zfill(12 if old else 20)), dtype=np.uint8
    )
    raw[:, head - 2 : head] = _big((serial + 2 + index) & 0xFFFF, 2)
    raw[:, head : head + 34] = bodies[index]
    raw[:, -1] = np.bitwise_xor.reduce(raw[:, :-1], axis=1)
    flat, size = raw.tobytes(), head + 35
    special = ((raw == 0x7E) | (raw == 0x7D)).any(1)
    frames = [
        _wrapped(flat[i * size : (i + 1) * size]) if odd else b"\x7e" + flat[i * size : (i + 1) * size] + b"\x7e"
        for i, odd in enumerate(special.tolist())
    ]
    sent = (at[index] * 1e6).astype(np.int64) + (random.gamma(1.5, 0.8, len(index)) * 1e6).astype(
        np.int64
    ) // 1000 * 1000
    for i in np.flatnonzero(random.random(len(index)) < 0.001 * mess):  # sent again, as terminals do without an answer
        data.append(frames[i])
        when.append(int(sent[i]) + 12_000_000)
    for i in np.flatnonzero(random.random(len(index)) < 0.00006 * mess):  # a byte falls over on the way
        broken = bytearray(frames[i])
        broken[20] = 0x11 if broken[20] != 0x11 else 0x12
        frames[i] = bytes(broken)
    out.data.extend(data)
    out.data.extend(frames)
    out.at.append(np.concatenate([np.array(when, dtype=np.int64), sent]))
    out.connection.append(np.full(len(when) + len(sent), number + 1, dtype=np.int64))


def write(folder: Path, life: Life, found: list[Track]) -> int:
    """The packets and the list of vehicles; how many positions."""
    order = life.world.order
    (folder / "drops").mkdir(parents=True, exist_ok=True)
    _vehicles(folder, life)
    jumps = {}
    for story in life.plot.of("restricted_zone", "jump"):
        if story.subject is not None:
            trip: Trip = story.about["trip"]
            jumps[story.subject.plate] = (trip.load_to + 900, *story.about["zone"].centre)
    out = _Sent([], [], [])
    total = sum(
        _reports(order, t, number, jumps.get(t.vehicle.plate), out) for number, t in enumerate(found) if len(t.at)
    )
    schema = pa.schema([("sent_at", pa.timestamp("us", "UTC")), ("connection", pa.int32()), ("bytes", pa.binary())])
    at = np.concatenate(out.at) if out.at else np.zeros(0, dtype=np.int64)
    line = np.concatenate(out.connection) if out.at else np.zeros(0, dtype=np.int64)
    rank = np.argsort(at, kind="stable")
    when = pa.array(utc_column(at[rank])).cast(pa.timestamp("us", "UTC"))
    data = pa.array(out.data, pa.binary()).take(pa.array(rank))
    table = pa.table([when, pa.array(line[rank].astype(np.int32)), data], schema=schema)
    pq.write_table(table, folder / "packets.parquet", compression="zstd", row_group_size=200_000)
    return total


def _vehicles(folder: Path, life: Life) -> None:
    day = life.world.order.start - DAY
    name = f"vehicle_{local(day):%Y%m%d}.csv"
    random = chance(life.world.order.seed, "permits")
    with (folder / "drops" / name).open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(
            [
                "plate",
                "terminal_phone",
                "carrier_uscc",
                "vehicle_kind",
                "approved_goods",
                "approved_t",
                "permit_valid_to",
            ]
        )
        for v in life.world.vehicles:
            until = local(life.world.order.end + DAY * float(random.integers(120, 900))).date()
            rows.writerow([v.plate, v.phone, v.carrier.uscc, v.kind, "、".join(v.goods), v.tonnes, until.isoformat()])
    (folder / "drops.csv").write_text(f"path,delivered_at\ndrops/{name},{rfc(day + 7 * HOUR)}\n", encoding="utf-8")
