"""A city with one source of MQTT messages, and what its tanks say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from cityheart.engine.lake import Lake
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.formats.mqtt_json import MESSAGES
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.share.service import Share

SYSTEM = Actor.system("test")
BEGIN = datetime(2026, 3, 24, tzinfo=UTC)
SOURCE = "emergency.reading"
Message = tuple[str, bytes]

READING: dict[str, object] = {
    "name": "reading",
    "schema": {
        "fields": [
            {"name": "site_id", "type": "string", "constraints": {"required": True}},
            {"name": "tank_id", "type": "string", "constraints": {"required": True}},
            {"name": "metric", "type": "string", "constraints": {"enum": ["level_m", "gas_ppm"]}},
            {"name": "time", "type": "datetime", "constraints": {"required": True}},
            {"name": "value", "type": "number", "constraints": {"required": True}},
            {"name": "quality", "type": "integer", "constraints": {"enum": [0, 1, 2]}},
        ],
        "primaryKey": ["tank_id", "metric", "time"],
    },
    "cityheart": {"owner": "emergency", "time": "time", "unchanged": "drop", "clean": {
        "time": [{"step": "clock", "ahead": "PT10M"}],
    }},
}  # fmt: skip
OPTIONS: dict[str, object] = {
    "url": "mqtt://127.0.0.1:1883",
    "topic": "hazards/{site_id}/{tank_id}/{metric}",
    "fields": {"t": "time:ms", "v": "value", "q": "quality"},
    "batch_seconds": 0.05,
}


def city(database: Database, home: Path, **options: object) -> Share:
    """A share with the source; open it again on the same folder to see what a restart sees."""
    share = Share(database, Lake(home / "lake"), home=home)
    share.register(
        [Department("emergency", text("应急管理局", "emergency bureau"))],
        [Dataset.of(Contract.parse(READING))],
        [Source(SOURCE, "emergency", text("读数", "readings"), "mqtt", OPTIONS | options, "reading")],
    )
    return share


def messages(numbers: Iterable[int], *, tank: str = "T1") -> list[Message]:
    """A reading a second."""
    return [(f"hazards/S1/{tank}/level_m", body(number, number / 100)) for number in numbers]


def body(second: int, value: object, quality: object = 0) -> bytes:
    at = int((BEGIN + timedelta(seconds=second)).timestamp() * 1000)
    return json.dumps({"t": at, "v": value, "q": quality}).encode()


def recorded(said: Sequence[tuple[str | None, bytes | None]], *, at: datetime = BEGIN + timedelta(days=1)) -> bytes:
    """Messages as a listener records them."""
    sink = pa.BufferOutputStream()
    columns = [[at] * len(said), [topic for topic, _ in said], [payload for _, payload in said]]
    with pa.ipc.new_stream(sink, MESSAGES) as writer:
        writer.write_table(pa.table(columns, schema=MESSAGES))
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def delivery(name: str, said: Sequence[tuple[str | None, bytes | None]]) -> Delivery:
    return Delivery(name, BEGIN + timedelta(days=1), recorded(said), "mqtt-json")


def values(share: Share) -> list[float]:
    """The values of the current rows, in the order of their time."""
    return [
        value
        for _, value in sorted(
            zip(*(share._lake.current("reading")[n].to_pylist() for n in ("time", "value")), strict=True)
        )
    ]
