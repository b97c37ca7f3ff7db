"""Recorded packets of vehicle terminals for the benchmarks: positions of many vehicles, byte by byte as on the wire."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Department, Source
from cityheart.share.wire.frames import CHUNKS

START = 1_782_878_400  # 2026-07-01T04:00:00Z, seconds since 1970

_TEXT: dict[str, object] = {"type": "string", "constraints": {"required": True}}
_FIELDS: dict[str, dict[str, object]] = {
    "terminal_phone": _TEXT, "time": {"type": "datetime"}, "serial": {"type": "integer"},
    "lon": {"type": "number"}, "lat": {"type": "number"}, "altitude_m": {"type": "integer"},
    "speed_kmh": {"type": "number", "constraints": {"minimum": 0, "maximum": 300}},
    "direction": {"type": "integer", "constraints": {"minimum": 0, "maximum": 360}},
    "alarm": {"type": "integer"}, "status": {"type": "integer"}, "ignition": {"type": "boolean"},
    "valid": {"type": "boolean"}, "load": {"type": "integer", "constraints": {"enum": [0, 1, 2, 3]}},
    "mileage_km": {"type": "number"}, "fuel_l": {"type": "number"}, "supplement": {"type": "boolean"},
    "version": {"type": "integer"},
}  # fmt: skip
CONTRACT_JSON: dict[str, object] = {
    "name": "transport_position",
    "schema": {
        "fields": [{"name": name, **kind} for name, kind in _FIELDS.items()],
        "primaryKey": ["terminal_phone", "time"],
    },
    "cityheart": {
        "owner": "transport",
        "time": "time",
        "position": {"lon": "lon", "lat": "lat"},
        "omit": ["serial", "supplement"],
        "unchanged": "drop",
    },
}
CONTRACT = Contract.parse(CONTRACT_JSON)
DEPARTMENT = Department("transport", text("交通运输局", "transport bureau"))
DATASET = Dataset.of(CONTRACT)


def source(**options: object) -> Source:
    """The source of the positions."""
    return Source(
        "transport.position", "transport", text("车辆定位", "positions"), "jt808", options, "transport_position"
    )


def frames(
    vehicle: npt.NDArray[np.int64], second: npt.NDArray[np.int64], serial: npt.NDArray[np.int64], alarm: int = 0
) -> list[bytes]:
    """Position reports of vehicles at seconds since START, each a frame of JT/T 808-2019 with mileage."""
    count = len(vehicle)
    raw = np.zeros((count, 52), dtype=np.uint8)
    raw[:, :5] = np.frombuffer(bytes.fromhex("0200402201"), dtype=np.uint8)
    phone = 13_900_000_000 + vehicle
    for place in range(6):
        pair = phone // 100**place % 100
        raw[:, 14 - place] = (pair // 10 << 4) | pair % 10
    put(raw, 15, serial % 65_536, 2)
    put(raw, 17, np.full(count, alarm), 4)
    put(raw, 21, np.full(count, 0x303), 4)
    angle = second / 400.0 + vehicle
    put(raw, 25, (32_040_000 + 150_000 * np.sin(angle) + 3 * vehicle).astype(np.int64), 4)
    put(raw, 29, (121_050_000 + 150_000 * np.cos(angle) + 5 * vehicle).astype(np.int64), 4)
    put(raw, 33, vehicle % 60, 2)
    put(raw, 35, 300 + (second * 7 + vehicle) % 600, 2)
    put(raw, 37, (second + vehicle) % 360, 2)
    at = (np.datetime64(START + 8 * 3_600, "s") + second.astype("timedelta64[s]")).astype("datetime64[s]")
    day = at.astype("datetime64[D]")
    month = at.astype("datetime64[M]")
    of_day = (at - day).astype(np.int64)
    parts = (
        at.astype("datetime64[Y]").astype(np.int64) - 30, month.astype(np.int64) % 12 + 1,
        (day - month.astype("datetime64[D]")).astype(np.int64) + 1, of_day // 3_600, of_day // 60 % 60, of_day % 60,
    )  # fmt: skip
    for place, part in enumerate(parts):
        raw[:, 39 + place] = (part // 10 << 4) | part % 10
    raw[:, 45], raw[:, 46] = 1, 4
    put(raw, 47, 100_000 + second // 10, 4)
    raw[:, 51] = np.bitwise_xor.reduce(raw[:, :51], axis=1)
    made = []
    for each in raw:
        content = each.tobytes()
        if b"\x7d" in content or b"\x7e" in content:
            content = content.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")
        made.append(b"\x7e" + content + b"\x7e")
    return made


def put(raw: npt.NDArray[np.uint8], at: int, values: npt.NDArray[np.int64], size: int) -> None:
    """Whole numbers into columns of bytes, the highest first."""
    for place in range(size):
        raw[:, at + place] = values >> 8 * (size - 1 - place) & 255


def packets(count: int, vehicles: int, first: int = 0, every: int = 30) -> pa.Table:
    """Recorded packets (``wire.frames.CHUNKS``) of so many positions in the order of time, from the ``first`` on."""
    number = np.arange(first, first + count, dtype=np.int64)
    vehicle, turn = number % vehicles, number // vehicles
    second = turn * every + vehicle % every
    at = pa.array((START + second) * 1_000_000, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    listed = pa.array(frames(vehicle, second, turn), pa.binary())
    return pa.table([at, pa.array(vehicle, pa.int32()), listed], schema=CHUNKS)
