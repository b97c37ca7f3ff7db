"""Devices for the tests of live protocols: vehicle terminals and monitors that say what they are told to, and a city."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from cityheart.engine.lake import Lake
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Department, Source
from cityheart.share.service import Share
from cityheart.share.wire import hj212, jt808

BEGIN = datetime(2026, 7, 1, 4, tzinfo=UTC)
PHONE = "13912345678"
GOLDEN = bytes.fromhex(
    "7e0200402201000000000139123456780007000000000000030301e8f45b073724710005026f005726070112000001040001e240de7e"
)
PACKET = (
    b"##0170QN=20260701120000000;ST=32;CN=2011;PW=123456;MN=320600A8900016F000169DC0;Flag=5;CP=&&"
    b"DataTime=20260701120000;w00000-Rtd=12.5,w00000-Flag=N;w01018-Rtd=88.2,w01018-Flag=N&&3240\r\n"
)
PATIENCE = 20.0  # seconds until a test gives up waiting

_TEXT = {"type": "string", "constraints": {"required": True}}
_TYPES = {
    "terminal_phone": _TEXT, "time": {"type": "datetime"}, "serial": {"type": "integer"},
    "lon": {"type": "number"}, "lat": {"type": "number"}, "altitude_m": {"type": "integer"},
    "speed_kmh": {"type": "number", "constraints": {"minimum": 0, "maximum": 300}}, "direction": {"type": "integer"},
    "alarm": {"type": "integer"}, "status": {"type": "integer"}, "ignition": {"type": "boolean"},
    "valid": {"type": "boolean"}, "load": {"type": "integer"}, "mileage_km": {"type": "number"},
    "fuel_l": {"type": "number"}, "supplement": {"type": "boolean"}, "version": {"type": "integer"},
}  # fmt: skip
POSITIONS = Contract.parse(
    {
        "name": "transport_position",
        "schema": {
            "fields": [{"name": name, **kind} for name, kind in _TYPES.items()],
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
)
READINGS = Contract.parse(
    {
        "name": "emission_reading",
        "schema": {
            "fields": [
                {"name": "mn", **_TEXT}, {"name": "time", "type": "datetime"}, {"name": "cn", "type": "integer"},
                {"name": "factor", **_TEXT}, {"name": "value", "type": "number"},
                {"name": "minimum", "type": "number"}, {"name": "maximum", "type": "number"},
                {"name": "total", "type": "number"}, {"name": "flag", "type": "string"},
                {"name": "qn", "type": "string"}, {"name": "st", "type": "integer"},
            ],
            "primaryKey": ["mn", "cn", "factor", "time"],
        },
        "cityheart": {"owner": "ecology", "time": "time", "omit": ["qn"], "unchanged": "drop"},
    }
)  # fmt: skip


def city(database: Database, home: Path, **options: object) -> Share:
    """A share that listens for terminals and monitors on free ports."""
    share = Share(database, Lake(home / "lake"), home=home)
    quick = {"port": 0, "batch_seconds": 0.05, **options}
    terminals = Source("transport.position", "transport", text("车", "vehicles"), "jt808", quick, "transport_position")
    plain = {name: value for name, value in quick.items() if name not in ("authenticate", "terminals")}
    monitors = Source("ecology.reading", "ecology", text("站", "outlets"), "hj212", plain, "emission_reading")
    share.register(
        [Department("transport", text("交通", "transport")), Department("ecology", text("生态", "ecology"))],
        [Dataset.of(POSITIONS), Dataset.of(READINGS)],
        [terminals, monitors],
    )
    return share


# ── what devices say ───────────────────────────────────────────────────────────────────────────────────────────────


def bcd(digits: str) -> bytes:
    """Two digits a byte."""
    return bytes.fromhex(digits)


def message(
    id: int, body: bytes, serial: int = 0, *, phone: str = PHONE, old: bool = False, part: tuple[int, int] | None = None
) -> bytes:
    """A frame; `old` for the format of 2013; `part` is (total, number) of a divided message."""
    attributes = len(body) | (0 if old else 0x4000) | (0x2000 if part else 0)
    head = id.to_bytes(2) + attributes.to_bytes(2)
    head += bcd(phone.zfill(12)) if old else b"\x01" + bcd(phone.zfill(20))
    head += serial.to_bytes(2)
    if part:
        head += part[0].to_bytes(2) + part[1].to_bytes(2)
    return jt808.escaped(head + body)


def place(
    at: datetime = BEGIN, *, lon: float = 121.054321, lat: float = 32.044123, status: int = 3, speed: float = 62.3,
    extras: bytes = b"",
) -> bytes:  # fmt: skip
    """The body of a position."""
    body = (0).to_bytes(4) + status.to_bytes(4)
    body += round(abs(lat) * 1e6).to_bytes(4) + round(abs(lon) * 1e6).to_bytes(4)
    body += (5).to_bytes(2) + round(speed * 10).to_bytes(2) + (87).to_bytes(2)
    return body + bcd(f"{at + timedelta(hours=8):%y%m%d%H%M%S}") + extras


def position(second: int = 0, serial: int = 0, *, phone: str = PHONE, old: bool = False, **what: object) -> bytes:
    """A position report of a moment some seconds after the beginning."""
    body = place(BEGIN + timedelta(seconds=second), **what)  # type: ignore[arg-type]
    return message(0x0200, body, serial, phone=phone, old=old)


def batch(places: Iterable[bytes], kind: int = 1) -> bytes:
    """The body of a batch of positions."""
    items = [len(each).to_bytes(2) + each for each in places]
    return len(items).to_bytes(2) + bytes([kind]) + b"".join(items)


def reading(
    second: int = 0, *, mn: str = "320600A8900016F000169DC0", flag: int = 5, cn: int = 2011, cp: str = ""
) -> bytes:
    """A packet of a moment some seconds after the beginning."""
    at = f"{BEGIN + timedelta(hours=8, seconds=second):%Y%m%d%H%M%S}"
    data = cp or f"DataTime={at};w00000-Rtd=12.5,w00000-Flag=N;w01018-Rtd=88.2,w01018-Flag=N"
    return hj212.packet(f"QN={at}000;ST=32;CN={cn};PW=123456;MN={mn};Flag={flag};CP=&&{data}&&".encode())


# ── devices ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Device:
    """A device's end of a connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.heard = b""

    def say(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def hear(self, frames: int, end: bytes = b"\x7e") -> list[bytes]:
        """Wait for so many frames in all; what came."""
        while len(found := self.frames(end)) < frames:
            more = self.socket.recv(65_536)
            assert more, f"closed after {found}"
            self.heard += more
        return found

    def frames(self, end: bytes = b"\x7e") -> list[bytes]:
        if end == b"\x7e":
            pieces = self.heard.split(end)
            return [piece.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d") for piece in pieces[:-1] if piece]
        return [piece + end for piece in self.heard.split(end)[:-1]]

    def closed(self) -> bool:
        """Wait until the other side has closed."""
        try:
            while more := self.socket.recv(65_536):
                self.heard += more
        except ConnectionError:
            pass
        return True

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *failure: object) -> None:
        self.socket.close()


def general(answer: bytes) -> tuple[int, int, int, int]:
    """Of an unescaped general answer: its id, the serial and id of what it answers, the result."""
    body = answer[17:-1] if answer[2] & 0x40 else answer[12:-1]
    return int.from_bytes(answer[:2]), int.from_bytes(body[:2]), int.from_bytes(body[2:4]), body[4]


def until(true: Callable[[], object]) -> None:
    """Wait for a condition."""
    begun = stopwatch()
    waiting = socket.socketpair()  # something to wait on that nobody ever signals
    waiting[0].settimeout(0.01)
    try:
        while not true():
            assert stopwatch() - begun < PATIENCE, "it did not come true"
            try:
                waiting[0].recv(1)
            except TimeoutError:
                continue
    finally:
        for each in waiting:
            each.close()


def current(share: Share, dataset: str = "transport_position") -> pa.Table:
    """The newest rows of a dataset."""
    return share._lake.current(dataset)
