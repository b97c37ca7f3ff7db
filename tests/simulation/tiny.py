"""A tiny test city, written here: five systems, one for each transport, and the application that reads them."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cityheart.share.wire import jt808

BEGIN = datetime.fromisoformat("2026-03-24T00:00:00+08:00")
HOURS = 3
FRAME: Mapping[str, object] = {
    "name": "Tiny 1",
    "title": "小城",
    "zone": "Asia/Shanghai",
    "from": BEGIN.isoformat(),
    "to": (BEGIN + timedelta(hours=HOURS)).isoformat(),
    "seed": 7,
    "generator": "by hand",
}
DEPARTMENTS = "code,name,name_en,parent,kind\nport,港口局,Port Authority,,government\nfire,消防,Fire Brigade,,line\n"

_FIELDS: Mapping[str, Sequence[tuple[str, str]]] = {
    "tiny_firm": [("firm_id", "string"), ("name", "string"), ("updated_at", "datetime")],
    "tiny_permit": [("permit_no", "string"), ("tonnes", "number"), ("updated_at", "datetime")],
    "tiny_sheet": [("item", "string"), ("amount", "integer")],
    "tiny_reading": [("tank", "string"), ("time", "datetime"), ("value", "number")],
    "tiny_position": [("terminal_phone", "string"), ("time", "datetime"), ("lon", "number"), ("lat", "number")],
}
_KEYS = {
    "tiny_firm": ["firm_id"],
    "tiny_permit": ["permit_no"],
    "tiny_sheet": ["item"],
    "tiny_reading": ["tank", "time"],
    "tiny_position": ["terminal_phone", "time"],
}
_SOURCES = """
[[sources]]
id = "register.firm"
department = "port"
title = { zh-CN = "企业", en = "Firms" }
connector = "sql"
dataset = "tiny_firm"
schedule = "PT10M"
options = { url = "sqlite:///nowhere.sqlite", table = "firm", updated = "updated_at", overlap = "PT10M" }

[[sources]]
id = "permits.permit"
department = "port"
title = { zh-CN = "许可", en = "Permits" }
connector = "http"
dataset = "tiny_permit"
schedule = "PT10M"

[sources.options]
url = "https://permits.invalid/permits"
style = "cursor"
records = "items"
next = "next"
since_param = "since"
since_field = "updated_at"
size_param = "limit"
size = 5

[[sources]]
id = "sheets.sheet"
department = "fire"
title = { zh-CN = "报表", en = "Sheets" }
connector = "folder"
dataset = "tiny_sheet"
schedule = "PT10M"
options = { path = "inbox/sheets/sheet", pattern = "*.csv" }

[[sources]]
id = "tanks.reading"
department = "port"
title = { zh-CN = "读数", en = "Readings" }
connector = "mqtt"
dataset = "tiny_reading"

[sources.options]
url = "mqtt://tanks.invalid"
topic = "tanks/{tank}/level"
fields = { t = "time:ms", v = "value" }

[[sources]]
id = "trucks.position"
department = "port"
title = { zh-CN = "定位", en = "Positions" }
connector = "jt808"
dataset = "tiny_position"
options = { port = 7808 }
"""
_APP = """
[app]
id = "tiny"
version = "1.0.0"
title = { zh-CN = "小应用", en = "A tiny application" }
description = { zh-CN = "用于测试", en = "For tests" }
contracts = [CONTRACTS]
detectors = "detectors:detectors"
alerts = "alerts.toml"

[[departments]]
code = "port"
title = { zh-CN = "港口局", en = "Port Authority" }

[[departments]]
code = "fire"
title = { zh-CN = "消防", en = "Fire Brigade" }

[[grants]]
id = "trucks"
title = { zh-CN = "车辆位置", en = "Trucks" }
purpose = { zh-CN = "用于测试", en = "For tests" }
datasets = ["tiny_position"]
to = { role = "duty_officer" }
"""
_DETECTORS = '''"""Finds tanks that are too full."""

from __future__ import annotations

from datetime import timedelta

from cityheart.sdk import QueryDetector, QueryFinding, text


def detectors() -> list[QueryDetector]:
    """One query."""
    return [QueryDetector(
        id="tiny.full", title=text("储罐过满", "Tanks too full"), kind="tank_full",
        sql="SELECT tank, max(value) AS value, min(time) AS since FROM tiny_reading WHERE value > $limit GROUP BY tank",
        inputs=("tiny_reading",), every=timedelta(minutes=10), window=timedelta(minutes=20), parameters={"limit": 9.0},
        finding=QueryFinding(
            "tank", "tank", text("储罐 {tank}", "tank {tank}"), 2, score="value", start="since",
            reasons=(text("液位 {value:.1f}", "level {value:.1f}"),),
        ),
    )]
'''
_ALERTS = """
[[alerts]]
kind = "tank_full"
department = "port"
title = { zh-CN = "储罐过满", en = "Tank too full" }
class = { zh-CN = "事故灾难", en = "Accident" }
issuer = { zh-CN = "港口局", en = "Port Authority" }
area = { zh-CN = "港口", en = "The port" }

[alerts.levels.2]
advice = [{ zh-CN = "远离", en = "Keep away" }]
measures = [{ zh-CN = "停止进料", en = "Stop filling" }]
"""


def at(minutes: float) -> str:
    """City time as text."""
    return (BEGIN + timedelta(minutes=minutes)).isoformat()


def write_app(folder: Path) -> Path:
    """The application that reads the tiny city; its folder."""
    (folder / "contracts").mkdir(parents=True)
    for name, fields in _FIELDS.items():
        timed = {"time": "time"} if "time" in dict(fields) else {}
        contract = {
            "name": name,
            "title": {"zh-CN": "数据", "en": name},
            "schema": {
                "fields": [{"name": each, "type": kind, "title": {"zh-CN": "列", "en": each}} for each, kind in fields],
                "primaryKey": _KEYS[name],
            },
            "cityheart": {"owner": "fire" if name == "tiny_sheet" else "port", "zone": "Asia/Shanghai", **timed},
        }
        (folder / "contracts" / f"{name}.json").write_text(json.dumps(contract, ensure_ascii=False), "utf-8")
    contracts = ", ".join(f'"contracts/{name}.json"' for name in _FIELDS)
    (folder / "manifest.toml").write_text(_APP.replace("CONTRACTS", contracts) + _SOURCES, "utf-8")
    (folder / "detectors.py").write_text(_DETECTORS, "utf-8")
    (folder / "alerts.toml").write_text(_ALERTS, "utf-8")
    return folder


def write_city(folder: Path) -> Path:
    """The tiny city; its folder."""
    systems = folder / "systems"
    for name in ("register", "permits", "sheets/drops", "tanks", "trucks"):
        (systems / name).mkdir(parents=True)
    (folder / "city.json").write_text(json.dumps(FRAME, ensure_ascii=False), "utf-8")
    (folder / "departments.csv").write_text(DEPARTMENTS, "utf-8")
    _register(systems / "register" / "register.sqlite")
    _permits(systems / "permits" / "permit.jsonl")
    _sheets(systems / "sheets")
    pq.write_table(_messages(), systems / "tanks" / "messages.parquet")
    pq.write_table(packets(), systems / "trucks" / "packets.parquet", row_group_size=40)
    return folder


def _register(path: Path) -> None:
    """Twelve firms of long ago, one that comes, one that changes twice in ten minutes; a table that nobody reads."""
    rows = [(f"F{number}", f"企业{number}", at(-60 * 24 * number), at(-60 * 24 * number)) for number in range(12)]
    rows += [("F12", "新企业", at(61), at(61)), ("F3", "更名", at(62), at(62)), ("F3", "再更名", at(63), at(63))]
    with closing(sqlite3.connect(path)) as conn:
        conn.execute('create table "firm" (firm_id TEXT, name TEXT, updated_at TEXT, _visible_from TEXT)')
        conn.execute("create table stray (a TEXT, _visible_from TEXT)")
        conn.executemany("insert into firm values (?, ?, ?, ?)", rows)
        conn.commit()


def _permits(path: Path) -> None:
    """Seventeen permits from before, of which four change on the way."""
    lines = [(number, float(number), -500 + number) for number in range(17)]
    lines += [(number, 100.0 + number, 30 + 25 * number) for number in range(4)]
    path.write_text(
        "".join(
            json.dumps({"permit_no": f"P{no}", "tonnes": t, "updated_at": at(when), "_visible_from": at(when)}) + "\n"
            for no, t, when in lines
        )
    )


def _sheets(folder: Path) -> None:
    """Three files, of which one has a line that is no row, and one is listed and missing."""
    with (folder / "drops.csv").open("w", newline="") as file:
        listed = csv.writer(file)
        listed.writerow(["path", "delivered_at"])
        for number, when in enumerate((-100, 45, 100)):
            (folder / "drops" / f"sheet_{number}.csv").write_text(f"item,amount\na,{number}\nb{number},x\nc,3\n")
            listed.writerow([f"drops/sheet_{number}.csv", at(when)])
        listed.writerow(["drops/lost.csv", at(50)])
        listed.writerow(["../../city.json", at(50)])


def _messages() -> pa.Table:
    """A reading of two tanks every two minutes; one tank is too full for half an hour."""
    rows = []
    for minute in range(0, HOURS * 60, 2):
        for tank in ("T1", "T2"):
            moment = BEGIN + timedelta(minutes=minute, seconds=1 if tank == "T1" else 2)
            value = 9.5 if tank == "T2" and 60 <= minute < 90 else 3.0
            payload = json.dumps({"t": int(moment.timestamp() * 1000), "v": value}).encode()
            rows.append({"sent_at": moment + timedelta(seconds=1), "topic": f"tanks/{tank}/level", "payload": payload})
    schema = pa.schema([("sent_at", pa.timestamp("us", tz="UTC")), ("topic", pa.string()), ("payload", pa.binary())])
    return pa.Table.from_pylist(rows, schema=schema)


def packets() -> pa.Table:
    """Three terminals, a position a minute, in writes that end anywhere, with noise between; one is sent twice."""
    rows = []
    for terminal in range(3):
        said = b"".join(_said(terminal))
        cut = 23 + terminal * 17
        pieces = [said[start : start + cut] for start in range(0, len(said), cut)]
        for number, piece in enumerate(pieces):
            moment = BEGIN + timedelta(minutes=HOURS * 60 * number / len(pieces), seconds=terminal)
            rows.append({"sent_at": moment, "connection": 10 + terminal, "bytes": piece})
    rows.sort(key=lambda row: row["sent_at"])
    schema = pa.schema([("sent_at", pa.timestamp("us", tz="UTC")), ("connection", pa.int32()), ("bytes", pa.binary())])
    return pa.Table.from_pylist(rows, schema=schema)


def _said(terminal: int) -> Iterator[bytes]:
    for minute in range(HOURS * 60 - 5):
        yield position(terminal, minute)
        if minute == 30:
            yield b"noise" + position(terminal, minute)


def position(terminal: int, minute: int) -> bytes:
    """A position report of 2019."""
    clock = (BEGIN + timedelta(minutes=minute)).strftime("%y%m%d%H%M%S")
    body = bytes(4) + (3).to_bytes(4) + (32_000_000 + minute).to_bytes(4) + (120_900_000 + terminal).to_bytes(4)
    body += bytes(6) + bytes.fromhex(clock)
    head = b"\x02\x00" + (0x4000 | len(body)).to_bytes(2) + b"\x01" + bytes.fromhex(f"{13_900_000_000 + terminal:020d}")
    return jt808.escaped(head + (minute % 65_536).to_bytes(2) + body)
