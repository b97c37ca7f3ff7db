"""A small city for the tests of sharing: one department, one dataset, one source that delivers by itself."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from cityheart.engine.lake import Lake
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.share.service import Share

SYSTEM = Actor.system("test")
BEGIN = datetime(2015, 11, 1, tzinfo=UTC)

AIR: dict[str, object] = {
    "name": "air",
    "title": {"zh-CN": "空气", "en": "Air"},
    "schema": {
        "fields": [
            {"name": "station", "type": "string", "constraints": {"required": True, "maxLength": 20}},
            {"name": "observed_at", "type": "datetime", "constraints": {"required": True}},
            {"name": "pm25", "type": "number", "constraints": {"minimum": 0, "maximum": 2000}},
            {"name": "wind", "type": "string", "constraints": {"enum": ["N", "S", "E", "W"]}},
        ],
        "primaryKey": ["station", "observed_at"],
        "missingValues": ["NA", ""],
    },
    "cityheart": {
        "owner": "ecology",
        "time": "observed_at",
        "rename": {"PM2.5": "pm25"},
        "update_cycle": "PT1H",
    },
}

HEADER = "station,observed_at,PM2.5,wind\n"


def contract(**section: object) -> Contract:
    """The air contract with other keys in its `cityheart` section."""
    document = copy.deepcopy(AIR)
    document["cityheart"].update(section)  # type: ignore[attr-defined]
    return Contract.parse(document)


def city(database: Database, home: Path, *, air: Contract | None = None, **source: object) -> Share:
    """A share with the department, the dataset and the source ``ecology.air``."""
    share = Share(database, Lake(home / "lake"), home=home)
    declared: dict[str, object] = {
        "id": "ecology.air",
        "department": "ecology",
        "title": text("空气站", "air stations"),
        "connector": "push",
        "options": {},
        "dataset": "air",
        "schedule": None,
    }
    share.register(
        [Department("ecology", text("生态环境局", "ecology bureau")), Department("police", text("公安局", "police"))],
        [Dataset.of(air or contract())],
        [Source(**{**declared, **source})],  # type: ignore[arg-type]
    )
    return share


def delivery(name: str, body: str | bytes, *, minutes: int = 0) -> Delivery:
    """A delivery received some minutes after the beginning."""
    payload = body.encode() if isinstance(body, str) else body
    return Delivery(name, BEGIN + timedelta(minutes=minutes), payload)


def csv(*rows: str) -> str:
    """The header and rows."""
    return HEADER + "".join(f"{row}\n" for row in rows)


def lake(share: Share) -> pa.Table:
    """Every row version of the air dataset, in the order of landing."""
    return share._lake.query('SELECT * FROM air__versions ORDER BY "_seq"')


def values(table: pa.Table, *columns: str) -> list[tuple[object, ...]]:
    """Rows as tuples."""
    return list(zip(*(table[column].to_pylist() for column in columns), strict=True))


def reasons(share: Share, **where: object) -> list[tuple[int, str, str | None]]:
    """Quarantine entries as (row, code, field), by row."""
    rows, _ = share.quarantine(SYSTEM, **where)  # type: ignore[arg-type]
    return sorted((row.row, row.code, row.field) for row in rows)
