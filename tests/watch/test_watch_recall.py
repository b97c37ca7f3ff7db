"""What surveys remember of a lake is what the lake itself says was known, however rows came and were read before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cityheart.engine.lake import Lake, TableSpec
from cityheart.kernel import limits
from cityheart.watch.models import Input
from cityheart.watch.recall import Recall

T0 = datetime(2026, 1, 5, tzinfo=UTC)
SCHEMA = pa.schema(
    [("station", pa.string()), ("at", pa.timestamp("us", "UTC")), ("level", pa.float64()), ("note", pa.string())]
)
SPECS = {"timed": ("station", "at"), "books": ("station",)}


def landed(lake: Lake, name: str, rng: np.random.Generator, day: int) -> None:
    """A batch of that day: new facts, and corrections of earlier ones that come late, some at one moment."""
    count = 40
    hours = rng.integers(max(24 * (day - 2), 0), 24 * (day + 1), count)
    known = 24 * day + rng.integers(0, 24, count)
    rows = pa.table(
        {
            "station": [f"s{each}" for each in rng.integers(0, 6, count)],
            "at": pa.array([T0 + timedelta(hours=int(each)) for each in hours], SCHEMA.field("at").type),
            "level": rng.normal(size=count),
            "note": ["n"] * count,
            "_known_at": pa.array(
                sorted(T0 + timedelta(hours=int(each) + 1) for each in known), SCHEMA.field("at").type
            ),
            "_source": ["test"] * count,
            "_batch": [f"b{day}"] * count,
        }
    )
    lake.append(name, rows)


def alike(ours: pa.Table, theirs: pa.Table) -> bool:
    """The same rows, whatever their order."""
    order = [(name, "ascending") for name in ("station", "at", "_known_at", "level") if name in ours.column_names]
    return bool(ours.sort_by(order).equals(theirs.select(ours.column_names).sort_by(order)))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("seed", range(2))
def test_what_was_known_at_any_instant_is_what_the_lake_says(
    tmp_path: Path, name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, rng = Lake(tmp_path), np.random.default_rng(seed)
    lake.ensure(TableSpec(name, SPECS[name], "at", SCHEMA))
    recall = Recall(lake)
    if seed == 1:
        monkeypatch.setattr(limits, "SURVEY_BYTES", 1_000)  # hardly anything is kept
    asked = 0
    for day in range(5):
        landed(lake, name, rng, day)
        if day == 3:
            lake.compact(name)
        for _ in range(8):
            now = T0 + timedelta(hours=int(rng.integers(0, 24 * (day + 2))))
            ahead = timedelta(hours=int(rng.integers(0, 12)))
            columns = [("station", "at", "level"), ("station", "at")][int(rng.integers(0, 2))]
            wanted = Input(timedelta(hours=int(rng.integers(1, 72))), columns, ahead)
            time = (now - wanted.window + timedelta(microseconds=1), now + ahead + timedelta(microseconds=1))
            theirs = lake.current(name, at=now, time=time)
            ours = recall.rows(name, wanted, now)
            assert ours.column_names == [*columns, "_known_at"]
            assert alike(ours, theirs)
            asked += theirs.num_rows
    assert asked > 100


def test_all_columns_and_nothing_at_all(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.ensure(TableSpec("timed", SPECS["timed"], "at", SCHEMA))
    recall = Recall(lake)
    week = timedelta(days=7)
    assert recall.rows("timed", Input(week, ("level",)), T0).schema.names == ["level", "_known_at"]
    landed(lake, "timed", np.random.default_rng(1), 0)
    narrow = recall.rows("timed", Input(week, ("level",)), T0 + week / 2)
    wide = recall.rows("timed", Input(week), T0 + week / 2)
    assert narrow.num_rows == wide.num_rows > 0
    assert {"station", "at", "level", "note", "_known_at", "_source"} <= set(wide.column_names)
    assert recall.rows("timed", Input(week), T0 - week).num_rows == 0
