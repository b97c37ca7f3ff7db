"""What a city delivers, read back with as little cleverness as possible: rows for the checker, nothing of the generator."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.parquet as pq

from bench._othercity.common import HOUR, Floats, Ints, seconds

Row = dict[str, Any]


def moment(text: str | None) -> float:
    """Seconds since 1970; infinity for nothing."""
    return datetime.fromisoformat(text).timestamp() if text else float("inf")


def table(city: Path, system: str, name: str, key: tuple[str, ...]) -> list[Row]:
    """Newest versions of the rows of an SQL table."""
    with sqlite3.connect(f"file:{city}/systems/{system}/{system}.sqlite?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute(f'SELECT * FROM "{name}" ORDER BY _visible_from')]
    return list({tuple(row[k] for k in key): row for row in rows}.values())


def lines(city: Path, system: str, name: str) -> list[Row]:
    """All row versions of a JSON-lines resource."""
    return [json.loads(line) for line in (city / "systems" / system / f"{name}.jsonl").open(encoding="utf-8")]


def drop(city: Path, system: str, encoding: str = "utf-8-sig") -> list[Row]:
    """Rows of the one CSV file a system dropped."""
    path = next((city / "systems" / system / "drops").glob("*.csv"))
    with path.open(encoding=encoding) as have:
        return list(csv.DictReader(have))


def truths(city: Path) -> dict[str, list[Row]]:
    """The truth by kind, with moments for times."""
    found: dict[str, list[Row]] = defaultdict(list)
    with (city / "truth/truth.csv").open(encoding="utf-8") as have:
        for row in csv.DictReader(have):
            found[row["kind"]].append({**row, "from": moment(row["from"]), "to": moment(row["to"])})
    return found


def gauges(city: Path) -> dict[tuple[str, str], tuple[Floats, Floats]]:
    """Good readings by tank and metric, in time order: s, value smoothed by the median of five; wrong clocks put right."""
    messages = pq.read_table(city / "systems/emergency-hazards/messages.parquet")
    payload = pj.read_json(io.BytesIO(b"\n".join(messages["payload"].to_pylist())), pj.ReadOptions(block_size=1 << 26))
    topics = messages["topic"].combine_chunks().dictionary_encode()
    which = topics.indices.to_numpy()
    at = payload["t"].to_numpy() / 1000.0
    sent = messages["sent_at"].cast(pa.int64()).to_numpy() / 1e6
    at = np.where(np.abs(sent - at) > 4 * HOUR, sent, at)
    value, good = payload["v"].to_numpy().astype(float), payload["q"].to_numpy() == 0
    found = {}
    for number, topic in enumerate(topics.dictionary.to_pylist()):
        part = np.flatnonzero((which == number) & good)
        part = part[np.argsort(at[part], kind="stable")]
        series = value[part]
        if len(series) > 5:
            series = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(series, 2, mode="edge"), 5), axis=1)
        _, _, tank, metric = topic.split("/")
        found[tank, metric] = at[part], series
    return found


def readings(city: Path, factors: dict[str, list[str]]) -> dict[tuple[str, str], tuple[Ints, Floats, Any]]:
    """Real-time readings by device and factor: minute since 1970 (DataTime), value, flag; broken packets left out."""
    packets = pq.read_table(city / "systems/ecology-emissions/packets.parquet", columns=["bytes"])["bytes"]
    found: dict[tuple[str, str], list[tuple[Ints, Floats, Any]]] = defaultdict(list)
    wanted = sorted({factor for names in factors.values() for factor in names})
    for chunk in packets.chunks:
        text = chunk.cast(pa.string(), safe=False)
        text = text.filter(
            pc.and_(
                pc.match_substring(text, "CN=2011"), pc.and_(pc.starts_with(text, "##"), pc.ends_with(text, "\r\n"))
            )
        )
        head = pc.extract_regex(text, r"MN=(?P<mn>\w+);.*DataTime=(?P<at>\d{14})")
        naive = (
            pc.strptime(head.field("at"), format="%Y%m%d%H%M%S", unit="s")
            .cast(pa.int64())
            .to_numpy(zero_copy_only=False)
        )
        minute = (naive - 8 * HOUR) // 60
        device = head.field("mn").dictionary_encode()
        numbers, names = device.indices.to_numpy(zero_copy_only=False), device.dictionary.to_pylist()
        for factor in wanted:
            pair = pc.extract_regex(text, rf"{factor}-Rtd=(?P<v>[\d.]+),{factor}-Flag=(?P<f>\w)")
            words = pc.if_else(pc.equal(pair.field("v"), ""), None, pair.field("v"))
            value = pc.cast(words, pa.float64()).to_numpy(zero_copy_only=False)
            flag = np.array(pair.field("f").to_pylist(), dtype=object)
            for number, name in enumerate(names):
                if factor in factors.get(name, ()):
                    part = np.flatnonzero(numbers == number)
                    found[name, factor].append((minute[part], value[part], flag[part]))
    joined = {}
    for key, parts in found.items():
        minute = np.concatenate([p[0] for p in parts])
        minute, first = np.unique(minute, return_index=True)
        joined[key] = minute, np.concatenate([p[1] for p in parts])[first], np.concatenate([p[2] for p in parts])[first]
    return joined


@dataclass(slots=True)
class Way:
    """A truck's reports in time order."""

    at: Floats
    lon: Floats
    lat: Floats
    load: Ints


def _positions(data: bytes) -> list[tuple[int, int, int, int]]:
    """Position bodies of one frame: status, lat, lon, time."""
    raw = data[1:-1].replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    check = 0
    for byte in raw:
        check ^= byte
    head = 17 if raw[2] & 0x40 else 12
    if check or raw[0:2] not in (b"\x02\x00", b"\x07\x04"):
        return []
    bodies = [raw[head:-1]]
    if raw[0] == 7:
        bodies, place = [], head + 3
        while place < len(raw) - 1:
            size = int.from_bytes(raw[place : place + 2], "big")
            bodies.append(raw[place + 2 : place + 2 + size])
            place += 2 + size
    found = []
    for body in bodies:
        when = datetime.strptime("20" + body[22:28].hex() + "+0800", "%Y%m%d%H%M%S%z")
        found.append(
            (
                int.from_bytes(body[4:8], "big"),
                int.from_bytes(body[8:12], "big"),
                int.from_bytes(body[12:16], "big"),
                int(when.timestamp()),
            )
        )
    return found


def ways(city: Path) -> dict[str, Way]:
    """Every truck's reports by plate, in time order, far jumps left out."""
    plates = {row["terminal_phone"]: row["plate"] for row in drop(city, "transport-positions")}
    points: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    packets = pq.read_table(city / "systems/transport-positions/packets.parquet", columns=["bytes"])["bytes"]
    for data in packets.to_pylist():
        if data[1:3] in (b"\x02\x00", b"\x07\x04"):
            raw = data[1:26].replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
            phone = raw[5:15].hex() if raw[2] & 0x40 else raw[4:10].hex()
            points[phone[-11:]].extend(_positions(data))
    found = {}
    for phone, rows in points.items():
        if phone in plates:
            every = np.array(sorted(set(rows), key=lambda row: row[3]))
            lat, lon = every[:, 1] / 1e6, every[:, 2] / 1e6
            step = np.hypot(np.diff(lon) * 94, np.diff(lat) * 111)
            odd = np.zeros(len(every), dtype=bool)
            odd[1:-1] = (step[:-1] > 2.2) & (step[1:] > 2.2)
            found[plates[phone]] = Way(every[~odd, 3].astype(float), lon[~odd], lat[~odd], (every[~odd, 0] >> 8) & 3)
    return found


def loads(city: Path) -> dict[str, tuple[Ints, Floats]]:
    """Hourly mean kW by site (by firm's only site where the meter names none): hour since 1970, kW."""
    sums: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    only: dict[str, str] = {}
    sites = table(city, "approval-registry", "site", ("site_id",))
    firms = {row["firm_id"]: row["uscc"] for row in table(city, "approval-registry", "firm", ("firm_id",))}
    for site in sites:
        only[firms[site["firm_id"]]] = site["site_id"]
    for path in sorted((city / "systems/power-load").glob("*.parquet")):
        rows = pq.read_table(path)
        matrix = np.array([rows[f"p{i:02d}"].to_numpy(zero_copy_only=False) for i in range(96)]).T
        quarters = matrix.reshape(len(matrix), 24, 4)
        present = (~np.isnan(quarters)).sum(axis=2)
        hours = np.where(present > 0, np.nansum(quarters, axis=2) / np.maximum(present, 1), np.nan)
        for site, uscc, day, values in zip(
            rows["site_id"].to_pylist(), rows["uscc"].to_pylist(), rows["day"].to_pylist(), hours, strict=True
        ):
            first = seconds(day) // HOUR
            for hour, value in enumerate(values.tolist()):
                sums[site or only[uscc]][first + hour].append(value)
    return {
        site: (np.array(sorted(hours)), np.array([sum(hours[h]) for h in sorted(hours)]))
        for site, hours in sums.items()
    }
