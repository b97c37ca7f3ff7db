"""Evidence that a person can read: titles of the contracts, words for codes, and lines that break where nothing is known."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import cityheart.apps.hazchem as app
from cityheart.apps.hazchem.signals import shown
from cityheart.sdk import text

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = shown.HOUR_US
DETECTORS = Path(app.__file__).parent / "detectors"


def test_columns_go_by_titles_and_codes_by_words() -> None:
    title = text("停", "stops")
    found = shown.rows(title, "transport_trip", "x", NOW, ["plate", "load_before", "lon"], [["A", 0, 1.5], ["B", 9, 2]])
    assert found["columns"] == ["plate", "load_before", "lon"]  # by which columns are withheld
    assert found["titles"] == {
        "plate": text("号牌", "Plate"),
        "load_before": text("到达前载重", "Load before"),
        "lon": text("经度（°）", "Longitude (°)"),
    }
    rows = found["rows"]
    assert isinstance(rows, list)
    assert rows[0][1] == text("空车", "empty") and rows[1] == ["B", 9, 2]  # a code without a word stays
    waybill = shown.title_of("transport_waybill", "quantity_t")
    assert "（t）" in waybill["zh-CN"] and "(t)" in waybill["en"]
    assert shown.title_of("nowhere", "made_up") == text("made_up", "made_up")


def test_every_column_that_a_detector_names_has_a_title() -> None:
    named = re.compile(r"columns \+?= \[(.*?)\]", re.DOTALL)
    every = " ".join(path.read_text("utf-8") for path in sorted(DETECTORS.glob("*.py")))
    columns = {name for listed in named.findall(every) for name in re.findall(r'"([a-z][a-z_0-9]*)"', listed)}
    assert len(columns) > 30
    datasets = ", ".join(sorted(path.stem for path in (DETECTORS.parent / "contracts").glob("*.json")))
    assert [name for name in sorted(columns) if shown.title_of(datasets, name)["zh-CN"] == name] == []


def test_a_line_breaks_where_nothing_is_known() -> None:
    at = np.arange(8, dtype=np.int64) * HOUR
    values = np.array([np.nan, 1, 2, np.nan, np.nan, 3, 4, np.nan])
    points = shown.line(text("线", "line"), at, values)["points"]
    assert isinstance(points, list)
    assert [value for _, value in points] == [1, 2, None, 3, 4]
    assert points[2][0] == "1970-01-01T03:00:00Z" and [one[0] for one in points] == sorted(one[0] for one in points)
    many = np.where(np.arange(4000) % 3 == 0, np.nan, np.arange(4000.0))
    thinned = shown.line(text("线", "line"), np.arange(4000, dtype=np.int64) * HOUR, many)["points"]
    assert isinstance(thinned, list) and len(thinned) <= 500 and max(v for _, v in thinned if v is not None) == 3998
    json.dumps(thinned)
