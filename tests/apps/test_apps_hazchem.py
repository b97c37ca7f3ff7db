"""A piece of a test city from another generator lands through the contracts of the twelve hazardous-chemical systems."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Forbidden
from cityheart.kernel.text import text

from .landing import Landed, application, land

CITY = Path(__file__).parents[1] / "data" / "sample-city"
ZONE = timedelta(hours=8)


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Landed:
    """All that the piece holds, asked twice a month."""
    end = datetime(2026, 4, 7, tzinfo=UTC) - ZONE
    return land(CITY, ["hazchem"], tmp_path_factory.mktemp("hazchem"), every=timedelta(days=15), until=end)


def test_nothing_is_in_quarantine_but_damaged_frames_and_doubles(landed: Landed) -> None:
    assert landed.troubles == []
    codes = Counter((row.source, row.code) for row in landed.quarantined())
    assert {source for source, _ in codes} <= {"ecology-emissions.reading", "transport-positions.position"}
    assert {code for _, code in codes} <= {"check", "duplicate"}


def test_every_dataset_has_rows(landed: Landed) -> None:
    rows = {source.dataset: len(landed.rows(source.dataset)) for source in application("hazchem").sources}
    assert all(rows.values()), rows
    with closing(sqlite3.connect(CITY / "systems/approval-registry/approval-registry.sqlite")) as conn:
        (sites,) = conn.execute("select count(distinct site_id) from site").fetchone()
    assert rows["approval_site"] == sites
    messages = pq.read_table(CITY / "systems/emergency-hazards/messages.parquet")
    distinct = {
        (topic, json.loads(load)["t"])
        for topic, load in zip(messages["topic"].to_pylist(), messages["payload"].to_pylist(), strict=True)
    }
    assert rows["hazard_reading"] == len(distinct)


def test_the_register_of_firms_is_keyed_by_what_a_row_has(landed: Landed) -> None:
    entities = landed.rows("market_entity")
    old = [row for row in entities if row["uscc"] is None]
    assert old and all(row["entity_key"] == row["registration_no"] for row in old)
    assert all(row["entity_key"] == row["uscc"] for row in entities if row["uscc"] is not None)
    assert all(row["established"] is not None for row in entities)  # 2003年1月5日, 2014-03-09, 2009/2/25
    assert not any(char in str(row["address"]) for row in entities for char in "０１２３４５６７８９（）")


def test_days_of_fire_inspections_come_as_serials_texts_and_without_a_year(landed: Landed) -> None:
    inspections = landed.rows("fire_inspection")
    assert len(inspections) > 20
    days = {(row["inspected_at"] + ZONE).date() for row in inspections if isinstance(row["inspected_at"], datetime)}
    assert all(day.year == 2026 and day.month == 2 for day in days)
    failed = [row for row in inspections if row["result"] == "不合格"]
    assert failed and all(row["deadline"] is not None and row["hazards"] for row in failed)


def test_quantities_of_the_port_are_tonnes(landed: Landed) -> None:
    rows = landed.rows("maritime_declaration")
    assert all(isinstance(row["quantity"], float) and 0.5 < row["quantity"] < 20_000 for row in rows)


def test_both_places_of_a_waybill_are_moved_to_wgs84(landed: Landed) -> None:
    with (CITY / "systems/transport-waybills/waybill.jsonl").open(encoding="utf-8") as lines:
        source = {row["waybill_no"]: row for row in map(json.loads, lines)}
    for row in landed.rows("transport_waybill"):
        told = source[str(row["waybill_no"])]
        for place in ("load", "unload"):
            assert 0.002 < told[f"{place}_lon"] - row[f"{place}_lon"] < 0.008  # type: ignore[operator]
            assert abs(told[f"{place}_lat"] - row[f"{place}_lat"]) < 0.006  # type: ignore[operator]


def test_telephone_numbers_are_not_kept(landed: Landed) -> None:
    assert "phone" not in landed.rows("approval_firm")[0]


def test_raw_loads_are_for_their_owner_alone(landed: Landed) -> None:
    other = Actor("user:other", text("别人", "Other"), "fire", frozenset({"officer"}))
    with pytest.raises(Forbidden):
        landed.share.read(other, "power_load")
    rows = landed.rows("power_load")
    assert rows and all(f"p{number:02d}" in rows[0] for number in range(96))
