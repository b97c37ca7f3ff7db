"""The heavy-pollution detector: independent of batches, blind to the future, robust against bad rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cityheart.apps.air.detectors import HeavyPollution
from cityheart.engine.keyed import dump_state, load_state
from cityheart.sdk import Finding, State

HOUR = 12  # rows
DAY = 24 * HOUR
HOUR_US = 3_600_000_000


def _run(batches: Iterable[pa.Table], state: State | None = None) -> tuple[State, list[Finding], dict[str, pa.Table]]:
    detector = HeavyPollution()
    state = detector.init("") if state is None else state
    findings: list[Finding] = []
    tables: dict[str, list[pa.Table]] = {name: [] for name in detector.outputs}
    for batch in batches:
        step = detector.step(state, batch)
        state = step.state
        findings += step.findings
        for name, table in step.outputs.items():
            tables[name].append(table)
    return state, findings, {name: pa.concat_tables(parts).combine_chunks() for name, parts in tables.items()}


def _cut(rows: pa.Table, size: int) -> Iterable[pa.Table]:
    return (rows.slice(start, size) for start in range(0, rows.num_rows, size))


@pytest.fixture(scope="module")
def season(readings: pa.Table) -> pa.Table:
    """Four months from November 2013: learning, several warnings."""
    return readings.slice(245 * DAY, 120 * DAY)


@pytest.fixture(scope="module")
def whole(season: pa.Table) -> tuple[State, list[Finding], dict[str, pa.Table]]:
    return _run(_cut(season, 7 * DAY))


def _same_state(one: State, other: State) -> bool:
    return dump_state(one) == dump_state(other)


@pytest.mark.parametrize("size", [DAY, 30 * DAY, 5 * HOUR + 24 * DAY])
def test_result_does_not_depend_on_how_rows_are_cut(
    season: pa.Table, whole: tuple[State, list[Finding], dict[str, pa.Table]], size: int
) -> None:
    state, findings, tables = _run(_cut(season, size))
    assert findings == whole[1]
    assert len({finding.level for finding in findings}) >= 4
    assert all(tables[name].equals(whole[2][name]) for name in tables)
    assert _same_state(state, whole[0])


def test_hour_by_hour_with_the_state_saved_between_is_the_same(season: pa.Table) -> None:
    warm, later = season.slice(0, 80 * DAY), season.slice(80 * DAY, 4 * DAY)
    state, _, _ = _run([warm])
    expected = _run([later], state)
    findings: list[Finding] = []
    for batch in _cut(later, HOUR):
        state, found, _ = _run([batch], load_state(dump_state(state)))
        findings += found
    assert findings == expected[1]
    assert _same_state(state, expected[0])


def test_a_step_leaves_the_state_before_it_as_it_was(season: pa.Table) -> None:
    state, _, _ = _run([season.slice(0, 70 * DAY)])
    saved = dump_state(state)
    HeavyPollution().step(state, season.slice(70 * DAY, 3 * DAY))
    assert dump_state(state) == saved


def test_the_future_changes_nothing_that_was_said(
    season: pa.Table, whole: tuple[State, list[Finding], dict[str, pa.Table]]
) -> None:
    now = 75 * DAY + 7 * HOUR
    later = season.slice(now)
    shaken = later.set_column(
        later.column_names.index("pm25"), "pm25", pc.multiply(pc.if_else(pc.is_valid(later["pm25"]), 7.0, 1.0), 99.0)
    )
    _, findings, tables = _run([pa.concat_tables([season.slice(0, now), shaken])])
    until = season["_known_at"][now].as_py()
    before = [finding for finding in whole[1] if finding.at < until]
    assert before
    assert [finding for finding in findings if finding.at < until] == before
    for name, table in tables.items():
        said = pc.less(table["_known_at"], pa.scalar(until, table["_known_at"].type))
        assert table.filter(said).equals(whole[2][name].filter(said))
    assert findings != whole[1]


def _levels(findings: list[Finding]) -> list[tuple[object, int | None]]:
    return [(finding.at, finding.level) for finding in findings]


def test_rows_of_the_future_and_of_unknown_stations_are_left_out(season: pa.Table) -> None:
    rows = season.slice(0, 20 * DAY)
    ahead = rows.slice(5 * DAY, HOUR)
    years = pc.add(ahead["observed_at"], pa.scalar(timedelta(days=30_000), pa.duration("us")))
    ahead = ahead.set_column(ahead.column_names.index("observed_at"), "observed_at", years)
    strange = rows.slice(5 * DAY, HOUR)
    names = pa.array(["Nowhere"] * HOUR)
    strange = strange.set_column(strange.column_names.index("station"), "station", names)
    spoilt = pa.concat_tables([rows.slice(0, 5 * DAY + HOUR), ahead, strange, rows.slice(5 * DAY + HOUR)])
    clean = _run([rows])
    state, findings, tables = _run([spoilt])
    assert findings == clean[1]
    assert tables["air_city"].equals(clean[2]["air_city"])
    assert _same_state(state, clean[0])


def _delayed(rows: pa.Table, hours: int) -> pa.Table:
    later = pc.add(rows["_known_at"], pa.scalar(timedelta(hours=hours), pa.duration("us")))
    return rows.set_column(rows.column_names.index("_known_at"), "_known_at", later)


def _by_known(*parts: pa.Table) -> pa.Table:
    order = [("_known_at", "ascending"), ("observed_at", "ascending"), ("station", "ascending")]
    return pa.concat_tables(parts).sort_by(order).combine_chunks()


@pytest.mark.parametrize("size", [DAY, 30 * DAY])
def test_late_rows_complete_the_past_however_rows_are_cut(season: pa.Table, size: int) -> None:
    rows = season.slice(0, 70 * DAY)
    position = np.arange(rows.num_rows)
    late = pa.array((position // HOUR % 50 < 5) & (position % HOUR < 5))
    mixed = _by_known(rows.filter(pc.invert(late)), _delayed(rows.filter(late), 30))
    # a batch never parts what became known in one moment
    moments = mixed["_known_at"].cast(pa.int64()).to_numpy()
    edges = [0, *(int(np.searchsorted(moments, moments[i])) for i in range(size, len(moments), size)), len(moments)]
    state, findings, tables = _run(mixed.slice(a, b - a) for a, b in itertools.pairwise(edges))
    whole_state, whole_findings, whole_tables = _run([mixed])
    assert findings == whole_findings
    assert _same_state(state, whole_state)
    assert tables["air_city"].equals(whole_tables["air_city"])
    on_time = _run([rows])
    assert len(tables["air_aqi"]) == rows.num_rows
    assert not tables["air_city"].equals(on_time[2]["air_city"])
    np.testing.assert_array_equal(state["ring"], on_time[0]["ring"])


def test_the_newest_hour_is_evaluated_again_when_more_stations_report(season: pa.Table) -> None:
    rows = season.slice(0, 10 * DAY)
    first, second = rows.slice(9 * DAY, 8), _delayed(rows.slice(9 * DAY + 8, 4), 0)
    second = _delayed(second, 1).slice(0, 4)
    _, _, tables = _run([rows.slice(0, 9 * DAY), first, second])
    newest = tables["air_city"].slice(tables["air_city"].num_rows - 2).to_pylist()
    assert newest[0]["observed_at"] == newest[1]["observed_at"]
    assert newest[0]["_known_at"] < newest[1]["_known_at"]
    _, _, complete = _run([rows.slice(0, 9 * DAY + HOUR)])
    assert complete["air_city"]["aqi_24h"][-1].as_py() == newest[1]["aqi_24h"]


def test_a_gap_of_weeks_starts_the_windows_anew_and_keeps_what_was_learnt(season: pa.Table) -> None:
    before, after = season.slice(0, 75 * DAY), season.slice(95 * DAY, 3 * DAY)
    state, _, _ = _run([before])
    gone, _, tables = _run([after], state)
    city = tables["air_city"]
    assert city["aqi_24h"].slice(0, 19).null_count == 19
    assert city["aqi_24h"].slice(24).null_count == 0
    assert np.array_equal(np.asarray(gone["moments"]), np.asarray(state["moments"]))  # no day's five days were all seen
    learnt = np.asarray(state["moments"], dtype=float)[0, 0] / 3
    assert city["days_learnt"][0].as_py() == learnt > 60
    assert np.isnan(np.asarray(gone["daily"], dtype=float)).sum() >= 11


def test_everything_known_in_one_moment_gives_one_finding_at_most(season: pa.Table) -> None:
    rows = season.slice(0, 70 * DAY)
    moment = rows["_known_at"][rows.num_rows - 1]
    at_once = rows.set_column(
        rows.column_names.index("_known_at"), "_known_at", pa.array([moment.as_py()] * rows.num_rows, moment.type)
    )
    _, findings, tables = _run([at_once])
    assert len(findings) <= 1
    _, in_order, ordered = _run([rows])
    assert tables["air_city"]["level"].equals(ordered["air_city"]["level"])
    assert [finding.level for finding in findings] == [finding.level for finding in in_order[-1:] if finding.level]


def test_no_row_and_only_missing_values_are_harmless(season: pa.Table) -> None:
    empty = season.slice(0, 0)
    blank = season.slice(0, 3 * DAY)
    for name in ("pm25", "pm10", "so2", "no2", "co", "o3", "temp", "pres", "dewp", "rain", "wspm", "wd"):
        blank = blank.set_column(
            blank.column_names.index(name), name, pa.nulls(blank.num_rows, blank.schema.field(name).type)
        )
    _, findings, tables = _run([empty, blank])
    assert findings == []
    assert tables["air_city"]["aqi_24h"].null_count == 72
    assert tables["air_aqi"].num_rows == blank.num_rows


def test_co_is_converted_and_a_wind_has_a_direction(season: pa.Table) -> None:
    _, _, tables = _run([season.slice(0, DAY)])
    given = season.slice(0, DAY).to_pylist()[0]
    row = next(one for one in tables["air_aqi"].to_pylist() if one["station"] == given["station"])
    assert row["co"] == given["co"] / 1000
    assert row["observed_at"] == given["observed_at"]
    assert row["_known_at"] == given["_known_at"]


def test_a_finding_says_what_it_rests_on(whole: tuple[State, list[Finding], dict[str, pa.Table]]) -> None:
    finding = next(one for one in reversed(whole[1]) if one.level == 3)
    index, particulates, rows = finding.evidence
    assert index["type"] == particulates["type"] == "series"
    styles = [line["style"] for line in index["series"]]  # type: ignore[attr-defined]
    assert styles == ["observed", "observed", "forecast", "band_low", "band_high"]
    assert {one["value"] for one in index["thresholds"]} == {200, 300}  # type: ignore[attr-defined]
    assert len(rows["rows"]) == 12  # type: ignore[arg-type]
    assert finding.start < finding.end  # type: ignore[operator]
    assert "黄色预警" in finding.reasons[0]["zh-CN"]
    assert "yellow warning" in finding.reasons[0]["en"]
    assert any("%" in reason["en"] for reason in finding.reasons)


def test_parameters_change_the_rule(season: pa.Table, whole: tuple[State, list[Finding], dict[str, pa.Table]]) -> None:
    never = HeavyPollution(parameters={"heavy_probability": [1.01] * 5})
    assert never.step(never.init(""), season).findings == []
    assert whole[1]
