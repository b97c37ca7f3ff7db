"""Cleaning in landing: what a contract declares is done, counted and shown; what it refuses can be replayed."""

from __future__ import annotations

import copy
import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cityheart.engine.lake import Lake
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Unavailable
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract, ContractError
from cityheart.share.datum import from_wgs84
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.share.service import Share

SYSTEM = Actor.system("test")
BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
GOOD = "91320614MAKKJDPA1B"

PORT: dict[str, object] = {
    "name": "declaration",
    "schema": {
        "fields": [
            {"name": "number", "type": "string"},
            {"name": "uscc", "type": "string"},
            {"name": "cas", "type": "string"},
            {"name": "tonnes", "type": "number", "constraints": {"minimum": 0}},
            {"name": "begins", "type": "datetime", "constraints": {"required": True}},
            {"name": "lon", "type": "number"},
            {"name": "lat", "type": "number"},
            {"name": "to_lon", "type": "number"},
            {"name": "to_lat", "type": "number"},
        ],
        "primaryKey": "number",
    },
    "cityheart": {
        "owner": "maritime",
        "time": "begins",
        "rename": {"货物数量": "tonnes"},
        "clean": {
            "uscc": ["uscc"],
            "cas": [{"step": "cas", "else": "empty"}],
            "tonnes": [{"step": "quantity", "to": "t"}],
            "begins": ["dates", {"step": "clock", "ahead": "P30D"}],
        },
        "position": [
            {"lon": "lon", "lat": "lat", "datum": "CGCS2000"},
            {"lon": "to_lon", "lat": "to_lat", "datum": "GCJ-02"},
        ],
        "unchanged": "drop",
    },
}
HEADER = "number,uscc,cas,货物数量,begins,lon,lat,to_lon,to_lat\n"
ROWS = (
    f"1,{GOOD},7732-18-5,77.4吨,2026/3/1,120.9,32.0,120.9,32.0\n"
    f"2,{GOOD.lower()},7732-18-6,５００千克,2026年3月2日,120.9,32.0,,\n"
    f"3,{GOOD[:-1]}X,,12 桶,46082,,,,\n"
    f"4,,,三吨,3月4日,,,,\n"
    f"5,,,1,2027-03-05,,,,\n"
)


def contract(**section: object) -> Contract:
    document = copy.deepcopy(PORT)
    document["cityheart"].update(section)  # type: ignore[attr-defined]
    return Contract.parse(document)


def city(database: Database, home: Path, declared: Contract | None = None) -> Share:
    share = Share(database, Lake(home / "lake"), home=home)
    share.register(
        [Department("maritime", text("海事局", "maritime"))],
        [Dataset.of(declared or contract())],
        [Source("maritime.port", "maritime", text("申报", "declarations"), "push", {}, "declaration")],
    )
    return share


def land(share: Share, body: str = ROWS, name: str = "1.csv") -> tuple[int, dict[str, int]]:
    (landed,) = share.land("maritime.port", [Delivery(name, BEGIN, (HEADER + body).encode())])
    assert landed.refused is None
    return landed.rows, dict(landed.reasons)


def test_what_is_declared_is_done_and_counted(database: Database, tmp_path: Path) -> None:
    """Values are right in the lake, refused ones in quarantine as they came, and the source's quality says how many."""
    share = city(database, tmp_path)
    assert land(share) == (3, {"checksum": 1, "quantity": 1})
    rows = {row["number"]: row for row in share._lake.current("declaration").to_pylist()}
    assert {key: (row["uscc"], row["cas"], row["tonnes"]) for key, row in rows.items()} == {
        "1": (GOOD, "7732-18-5", 77.4), "2": (GOOD, None, 0.5), "5": (None, None, 1.0),
    }  # fmt: skip
    east = timedelta(hours=8)
    begins = {key: row["begins"] for key, row in rows.items()}
    assert begins == {
        "1": datetime(2026, 3, 1, tzinfo=UTC) - east,
        "2": datetime(2026, 3, 2, tzinfo=UTC) - east,
        "5": BEGIN,  # said to be in a year: the clock of who wrote it
    }
    entries, _ = share.quarantine(SYSTEM)
    assert sorted((entry.row, entry.code, entry.field) for entry in entries) == [
        (3, "checksum", "uscc"),
        (4, "quantity", "tonnes"),
    ]
    assert "12 桶".encode() in next(entry.raw for entry in entries if entry.row == 3)
    fields = {field["name"]: field for field in share.quality(SYSTEM, "maritime.port")["fields"]}  # type: ignore[attr-defined,misc]
    assert {name: (field["cleaned"], field["refused"]) for name, field in fields.items() if field["cleaned"]} == {
        "uscc": ({"uscc": 1}, {"uscc": 1}),
        "cas": ({"cas": 1}, {}),
        "tonnes": ({"quantity": 2}, {"quantity": 2}),
        "begins": ({"clock": 1, "dates": 4}, {}),
    }
    assert (fields["uscc"]["missing"], fields["uscc"]["invalid"]) == (2, 1)


def test_what_was_refused_lands_when_the_contract_is_mended(database: Database, tmp_path: Path) -> None:
    """A replay cleans again, by the new contract, what came; a day without a year is of when it came, not of now."""
    share = city(database, tmp_path)
    land(share)
    database.clock.advance_to(BEGIN + timedelta(days=400))  # type: ignore[attr-defined]
    mended = copy.deepcopy(PORT["cityheart"]["clean"]) | {"uscc": [{"step": "uscc", "else": "empty"}]}  # type: ignore[index]
    mended["tonnes"] = [{"step": "quantity", "to": "t", "else": "empty"}]
    share = city(database, tmp_path, contract(clean=mended))
    replayed = share.replay(SYSTEM, "replay-1", "maritime.port")
    assert (replayed.tried, replayed.landed) == (2, 2)
    rows = {row["number"]: row for row in share._lake.current("declaration").to_pylist()}
    assert (rows["3"]["uscc"], rows["3"]["tonnes"], rows["4"]["tonnes"]) == (None, None, None)
    assert rows["4"]["begins"] == datetime(2026, 3, 4, tzinfo=UTC) - timedelta(hours=8)
    assert share.replay(SYSTEM, "replay-2", "maritime.port").tried == 0


def test_a_row_with_two_places(sqlite: Database, tmp_path: Path) -> None:
    """Each is converted from its own datum and checked; the first is where the row is."""
    lon, lat = from_wgs84(np.array([120.9]), np.array([32.0]))
    share = city(sqlite, tmp_path)
    body = f"1,,,1,2026-03-01,120.9,32.0,{lon[0]},{lat[0]}\n2,,,1,2026-03-01,120.9,32.0,120.9,99\n"
    assert land(share, body) == (1, {"position": 1})
    (row,) = share._lake.current("declaration").to_pylist()
    assert (row["lon"], row["lat"]) == (120.9, 32.0)
    assert (row["to_lon"], row["to_lat"]) == (pytest.approx(120.9, abs=1e-7), pytest.approx(32.0, abs=1e-7))
    assert share.quarantine(SYSTEM)[0][0].field == "to_lat"
    spec = share._lake.spec("declaration")
    assert (spec.lon, spec.lat) == ("lon", "lat")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"clean": {"weight": ["width"]}}, "cityheart.clean.weight: 'weight' is no field"),
        ({"clean": {"uscc": ["tidy"]}}, "cityheart.clean.uscc: nobody knows the step 'tidy'"),
        ({"clean": {"tonnes": ["uscc"]}}, "cityheart.clean.tonnes: step 'uscc' is for string"),
        ({"clean": ["width"]}, "cityheart.clean: must be an object"),
        (
            {"position": [{"lon": "lon", "lat": "number"}]},
            r"cityheart.position\[0\]: 'number' must be a declared field",
        ),
        ({"position": {"lon": "lon", "lat": "lat", "datum": "WGS72"}}, "cityheart.position: datum 'WGS72' must be"),
        ({"position": [{"lon": "lon", "lat": "lat"}] * 2}, "cityheart.position: a field belongs to one place only"),
    ],
)
def test_a_contract_that_cannot_be_used_says_where(section: dict[str, object], said: str) -> None:
    """The message names the place in the file."""
    with pytest.raises(ContractError, match=said):
        contract(**section)


def test_a_computed_time_has_a_clock_only() -> None:
    """What a source did not write cannot be cleaned; the time made of it can be set right."""
    document = copy.deepcopy(PORT)
    document["schema"]["fields"].append({"name": "t", "type": "integer"})  # type: ignore[index]
    section = document["cityheart"]
    section["computed"] = [{"name": "begins", "epoch": "t", "unit": "ms"}]  # type: ignore[index]
    with pytest.raises(ContractError, match="'dates' cleans what a source wrote; this field is computed"):
        Contract.parse(document)
    section["clean"] = {"begins": [{"step": "clock", "ahead": "PT1M"}]}  # type: ignore[index]
    assert Contract.parse(document).clean["begins"][0].ahead == timedelta(minutes=1)


# ── a full disk ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("message", ["[Errno 28] Error writing bytes to file", None])
def test_a_full_disk_takes_nothing_and_loses_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str | None
) -> None:
    """No row, no record, no event; the answer says what to do; the same delivery lands once there is room."""
    share = city(database, tmp_path)

    def full(*arguments: object, **keywords: object) -> None:
        raise OSError(message) if message else OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("cityheart.engine.lake.write_files", full)
        with pytest.raises(Unavailable, match="the lake cannot be written") as refused:
            land(share)
        assert refused.value.remedy is not None and "make room" in refused.value.remedy
    assert share.landed_rows() == {"declaration": 0}
    assert share.quarantine(SYSTEM)[1] == 0
    assert share.sources(SYSTEM)[0]["deliveries"] == 0
    assert list((tmp_path / "lake").rglob("*.parquet")) == []
    assert land(share) == (3, {"checksum": 1, "quantity": 1})
    assert share._lake.current("declaration").num_rows == 3


def test_a_disk_that_fills_up_in_a_large_delivery(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some blocks are in, the rest is not: nothing is on record, and the second time nothing is doubled."""
    from cityheart.kernel import limits

    monkeypatch.setattr(limits, "LAND_TOGETHER_BYTES", 100)
    monkeypatch.setattr(limits, "COMMIT_BYTES", 20_000)
    monkeypatch.setattr(limits, "BLOCK_BYTES", 4_096)
    share = city(sqlite, tmp_path, contract(unchanged="keep"))
    body = "".join(f"{number},,,{number}吨,2026/3/1,,,,\n" for number in range(2_000))
    room = share._lake.append
    count = 0

    def filling(*arguments: object, **keywords: object) -> int:
        nonlocal count
        count += 1
        if count > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return room(*arguments, **keywords)  # type: ignore[arg-type]

    with monkeypatch.context() as disk:
        disk.setattr(share._lake, "append", filling)
        with pytest.raises(Unavailable):
            land(share, body)
    assert 0 < share._lake.current("declaration").num_rows < 2_000
    assert share.landed_rows() == {"declaration": 0}
    assert land(share, body) == (2_000, {})
    assert share._lake.query("SELECT count(*) AS n FROM declaration__versions")["n"].to_pylist() == [2_000]


def test_a_commit_is_written_whole_or_not_at_all(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk with room for a part of the commit only: the table stays as it was, and can be read and written on."""
    import os

    share = city(sqlite, tmp_path)
    land(share, f"9,{GOOD},,1,2026-03-01,,,,\n", "0.csv")
    write = os.write
    left = 40

    def nearly_full(handle: int, data: bytes) -> int:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part, left = data[:left], 0
        return write(handle, part)

    with monkeypatch.context() as disk:
        disk.setattr("cityheart.engine.log.os.write", nearly_full)
        with pytest.raises(Unavailable, match="No space left"):
            land(share)
    assert Lake(tmp_path / "lake").current("declaration").num_rows == 1
    assert land(share)[0] == 3
    assert isinstance(Lake(tmp_path / "lake").current("declaration"), pa.Table)
    assert Lake(tmp_path / "lake").current("declaration").num_rows == 4
