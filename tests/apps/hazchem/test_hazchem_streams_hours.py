"""Hours of tanks and outlets: what they hold, and that nothing depends on how readings come."""

from __future__ import annotations

import itertools
import json
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.apps.hazchem.detectors.emission_hours import EmissionHours
from cityheart.apps.hazchem.detectors.tank_hours import TankHours
from cityheart.apps.hazchem.signals.tanks import METRICS
from cityheart.sdk import State, run_keyed

from ..landing import application
from . import plain_hours, streams
from .streams import HOUR, START, emission_hours, emitted, newest, of_tank, quiet, readings, tank_hours


def rows_by_hour(table: pa.Table) -> dict[datetime, dict[str, object]]:
    return {row["hour"]: row for row in table.to_pylist() if row.get("tank_id", "T1") == "T1"}


def in_pieces(
    detector: TankHours | EmissionHours, rows: pa.Table, cuts: list[int]
) -> tuple[list[object], list[object]]:
    """What is written, in order, and the states in the end."""
    states: dict[str, State] = {}
    written: list[object] = []
    bounds = sorted({0, rows.num_rows, *(cut % (rows.num_rows + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(bounds):
        ran = run_keyed(detector, states, rows.slice(begin, end - begin), time="time")
        states.update(ran.states)
        for table in ran.outputs.values():
            written += table.to_pylist()
    kept = [{name: np.asarray(value).tolist() for name, value in states[key].items()} for key in sorted(states)]
    return sorted(written, key=str), list(kept)


def test_an_hour_of_a_tank_is_what_its_minutes_say() -> None:
    level = np.round(np.concatenate([np.full(60, 4.0), np.linspace(4.0, 6.0, 60), np.full(60, 6.0)]), 3)
    table = rows_by_hour(tank_hours(of_tank({**quiet(3), "level_m": level})))
    rest, fill, full = (table[START + n * HOUR] for n in range(3))
    assert rest["level_median_m"] == 4.0 and rest["in_m"] == 0.0 and rest["out_m"] == 0.0
    assert rest["frozen_min"] == 60.0
    assert fill["level_first_m"] == pytest.approx(4.07, abs=0.03)
    assert fill["level_last_m"] == pytest.approx(5.93, abs=0.03)
    assert fill["in_m"] + full["in_m"] == pytest.approx(2.0, abs=0.05)  # type: ignore[operator]
    assert fill["out_m"] == 0.0
    assert (fill["good"], fill["suspect"], fill["bad"]) == (60, 0, 0)
    profile = json.loads(str(fill["profile"]))
    assert [len(each) for each in profile] == [12, 12, 12] and profile[0] == sorted(profile[0])
    assert fill["jumps"] is None


def test_spikes_and_bad_readings_leave_no_trace() -> None:
    level = np.full(120, 5.0)
    level[[7, 8, 33, 70]] = 12.0
    quality = np.zeros(120, dtype=np.int64)
    quality[40:60] = 2
    level[40:60] = 11.0
    quality[90] = 1
    table = rows_by_hour(tank_hours(readings("level_m", level, quality=quality)))
    first, second = table[START], table[START + HOUR]
    assert first["level_max_m"] == 5.0 and second["level_max_m"] == 5.0
    assert first["in_m"] == 0.0 and (first["good"], first["bad"]) == (40, 20)
    assert second["suspect"] == 1
    assert second["temperature_median_c"] is None


def test_a_broken_wire_is_a_jump_and_no_rise() -> None:
    level = np.concatenate([np.full(30, 5.0), np.full(50, 10.0), np.full(40, 5.0)])
    rng = np.random.default_rng(1)
    table = rows_by_hour(tank_hours(readings("level_m", level + np.round(rng.normal(0, 0.005, 120), 2))))
    first, second = table[START], table[START + HOUR]
    (out,) = json.loads(str(first["jumps"]))["level_m"]
    (back,) = json.loads(str(second["jumps"]))["level_m"]
    assert out[0] == 30.0 and out[1:3] == pytest.approx([5.0, 10.0], abs=0.05)
    assert back[0] == 20.0 and back[1:3] == pytest.approx([10.0, 5.0], abs=0.05)
    assert first["in_m"] == 0.0 and second["out_m"] == 0.0


def test_a_quick_rise_is_no_jump() -> None:
    level = np.concatenate([np.full(60, 3.0), np.linspace(3.0, 9.0, 30), np.full(30, 9.0)])  # 2 % of the range a minute
    noisy = np.round(level + np.random.default_rng(2).normal(0, 0.01, 120), 2)
    assert all(row["jumps"] is None for row in rows_by_hour(tank_hours(readings("level_m", noisy))).values())


def test_what_comes_late_completes_its_hour_and_what_comes_twice_counts_once() -> None:
    values = quiet(6)
    rows = of_tank(values)
    known = rows["_known_at"].cast(pa.int64()).to_numpy().copy()
    place = np.arange(rows.num_rows)
    known[(place > 200) & (place < 500)] += 4 * 3_600_000_000  # a link that was down for an hour and a half
    late = rows.set_column(rows.column_names.index("_known_at"), "_known_at", pa.array(known, streams.MOMENT))
    doubled = pa.concat_tables([late, late.slice(100, 300)])
    whole = tank_hours(rows).drop_columns(["_known_at"])
    assert tank_hours(doubled).drop_columns(["_known_at"]).to_pylist()[:6] == whole.to_pylist()[:6]


def test_a_corrected_reading_replaces_the_one_before() -> None:
    level = np.full(60, 5.0)
    later = readings("level_m", np.full(60, 6.0), late=70.0)
    table = rows_by_hour(tank_hours(pa.concat_tables([readings("level_m", level), later])))
    assert table[START]["level_median_m"] == 6.0 and table[START]["good"] == 60


def test_full_hours_are_forgotten_and_hours_too_old_left_out() -> None:
    values = {"level_m": quiet(60)["level_m"]}
    states: dict[str, State] = {}
    ran = run_keyed(TankHours(), states, of_tank(values), time="time")
    kept = ran.states["S1"]["ms"]
    assert isinstance(kept, np.ndarray) and len(kept) < 3 * 60
    stale = readings("level_m", np.full(5, 9.9), minute=np.arange(5.0), late=60 * 60.0)
    after = run_keyed(TankHours(), ran.states, stale, time="time")
    assert after.states["S1"]["ms"].shape == kept.shape or len(after.states["S1"]["ms"]) <= len(kept)  # type: ignore[arg-type,union-attr]
    assert not any(row["level_max_m"] == 9.9 for t in after.outputs.values() for row in t.to_pylist())


def test_nothing_usable_is_nothing_written() -> None:
    rows = of_tank(quiet(1))
    assert run_keyed(TankHours(), {}, rows.slice(0, 0), time="time").outputs == {}
    strange = rows.set_column(2, "metric", pa.array(["depth"] * rows.num_rows))
    ran = run_keyed(TankHours(), {}, strange, time="time")
    assert (ran.outputs, ran.states, ran.skipped) == ({}, {}, rows.num_rows)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.integers(0, 10_000), max_size=6),
    st.lists(st.tuples(st.integers(0, 719), st.integers(0, 300)), max_size=25),
    st.integers(0, 5),
)
def test_hours_of_tanks_do_not_depend_on_how_rows_are_cut(
    cuts: list[int], late: list[tuple[int, int]], seed: int
) -> None:
    rows = pa.concat_tables([
        of_tank(quiet(2, seed=seed)),
        of_tank(quiet(2, seed=seed + 10), tank="T2", site="S2"),
    ])  # fmt: skip
    known = rows["_known_at"].cast(pa.int64()).to_numpy().copy()
    for place, minutes in late:
        known[place] += minutes * 60_000_000
    rows = rows.set_column(rows.column_names.index("_known_at"), "_known_at", pa.array(known, streams.MOMENT))
    rows = pa.concat_tables([rows, rows.slice(17, 40)]).sort_by([("_known_at", "ascending"), ("time", "ascending")])
    assert in_pieces(TankHours(), rows, cuts) == in_pieces(TankHours(), rows, [])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=6))
def test_hours_of_outlets_do_not_depend_on_how_rows_are_cut(cuts: list[int]) -> None:
    rows = emitted(streams.gas(3))
    assert in_pieces(EmissionHours(), rows, cuts) == in_pieces(EmissionHours(), rows, [])


def test_one_site_alone_and_all_together_give_the_same() -> None:
    one, two = of_tank(quiet(2)), of_tank(quiet(2, seed=8), tank="T2", site="S2")
    both = run_keyed(TankHours(), {}, pa.concat_tables([one, two]), time="time").outputs["hazchem_tank_hour"]
    detector = TankHours()
    alone = [
        detector.step(detector.init(site), rows).outputs["hazchem_tank_hour"]
        for site, rows in (("S1", one), ("S2", two))
    ]
    apart = pa.concat_tables(alone)
    keys = ["tank_id", "hour", "_known_at"]
    assert sorted(both.to_pylist(), key=lambda r: [r[k] for k in keys]) == sorted(
        apart.to_pylist(), key=lambda r: [r[k] for k in keys]
    )


def test_an_hour_of_a_factor_counts_normal_minutes_only() -> None:
    values = np.concatenate([np.full(30, 100.0), np.full(20, 900.0), np.full(10, 50.0)])
    flags = ["N"] * 30 + ["C"] * 20 + ["N"] * 10
    (row,) = emission_hours(emitted({"a21026": values}, {"a21026": flags})).to_pylist()
    assert row["mean"] == pytest.approx((30 * 100 + 10 * 50) / 40)
    assert (row["n_minutes"], row["minutes"]) == (40, 60)
    assert json.loads(row["flags"]) == {"N": 40, "C": 20}
    assert (row["minimum"], row["maximum"], row["same_run_min"]) == (50.0, 100.0, 30.0)
    assert row["total"] is None


def test_nulls_and_unknown_flags_are_no_normal_minutes() -> None:
    rows = emitted({"a21026": np.full(60, 10.0)}, {"a21026": ["N"] * 30 + ["Z"] * 30})
    value = [None if n % 3 == 0 else 10.0 for n in range(60)]
    rows = rows.set_column(rows.column_names.index("value"), "value", pa.array(value, pa.float64()))
    (row,) = emission_hours(rows).to_pylist()
    assert (row["n_minutes"], row["mean"]) == (20, 10.0)
    assert json.loads(row["flags"]) == {"N": 30, "?": 30}


def test_totals_come_from_ten_minute_data() -> None:
    ten = emitted({"w00000": np.zeros(60)}, cn=2051).take(pa.array(range(0, 60, 10)))
    ten = ten.set_column(ten.column_names.index("total"), "total", pa.array([7.5] * 6))
    rows = pa.concat_tables([emitted({"w00000": np.full(60, 12.0)}), ten]).sort_by("_known_at")
    (row,) = emission_hours(rows).to_pylist()
    assert (row["total"], row["mean"], row["minutes"]) == (45.0, 12.0, 60)


def test_rows_are_as_their_contracts_say() -> None:
    contracts = {contract.name: contract for contract in application("hazchem").contracts}
    for name, table in (
        ("hazchem_tank_hour", tank_hours(of_tank(quiet(1)))),
        ("hazchem_emission_hour", emission_hours(emitted(streams.gas(1)))),
    ):
        fields = {field.name: field.arrow for field in contracts[name].fields}
        assert set(fields) == set(table.column_names) - {"_known_at"}
        assert all(table.schema.field(field).type == kind for field, kind in fields.items())
        assert newest(table, list(contracts[name].key)).num_rows == table.num_rows


def strange(seed: int) -> pa.Table:
    """Readings of two sites with gaps, jumps, spikes, frozen values, doubles, late rows and bad ones, as they are known."""
    rng = np.random.default_rng(seed)
    size, hours = 500, float(rng.choice([1.0, 4.0, 60.0]))
    minute = np.sort(rng.uniform(0, 60 * hours, size))
    minute = np.round(minute) if seed % 2 else minute
    metric = rng.choice(4, size, p=[0.5, 0.2, 0.2, 0.1])
    value = np.array([5.0, 20.0, 30.0, 1.0])[metric] + rng.normal(0, 0.02 + seed % 3 * 0.1, size)
    value = np.round(
        value + (rng.random(size) < 0.03) * rng.normal(0, 5, size) + (minute // 90 % 2) * rng.choice([0, 2.0]), 2
    )
    value = np.where((metric == 0) & (minute // 30 % 4 == 3), 4.2, value)
    late = np.where(
        rng.random(size) < 0.1, rng.exponential(rng.choice([30.0, 3_000.0]), size), rng.exponential(0.02, size)
    )
    there = np.flatnonzero((minute // 15 % 7 != 3) | (seed % 4 != 0))
    chosen = np.concatenate([there, rng.choice(there, 80)])
    known = (minute + late)[chosen] + np.r_[np.zeros(len(there)), rng.uniform(0, 100, 80)]
    chosen = chosen[np.argsort(known, kind="stable")]
    tank = rng.integers(0, 5, size)[chosen]
    return pa.table({
        "site_id": pa.array([f"S{n // 3}" for n in tank]), "tank_id": pa.array([f"T{n % 4}" for n in tank]),
        "metric": pa.array([METRICS[n] for n in metric[chosen]]), "time": streams.moments(minute[chosen]),
        "value": value[chosen] + 0.0, "quality": rng.choice(3, size, p=[0.9, 0.05, 0.05])[chosen],
        "_known_at": streams.moments(np.sort(known)),
    })  # fmt: skip


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.integers(0, 10_000))
def test_compiled_loops_give_what_plain_ones_give(seed: int) -> None:
    """To the last bit, whatever comes."""
    rows = strange(seed)
    known = rows["_known_at"].cast(pa.int64()).to_numpy()
    moment = rows["time"].cast(pa.int64()).to_numpy()
    rows = rows.take(pa.array(np.lexsort((moment, known))))
    detector = TankHours(parameters={"every_s": 1800, "phase_s": 180})
    (made,) = run_keyed(detector, {}, rows, time="time").outputs.values()
    told = [{name: repr(value) for name, value in row.items()} for row in made.to_pylist()]
    plain = [{name: repr(value) for name, value in row.items()} for row in plain_hours.by_rows(rows, every=1800)]

    def place(row: dict[str, str]) -> list[str]:
        return [row["_known_at"], row["site_id"], row["tank_id"], row["hour"]]

    assert sorted(told, key=place) == sorted(plain, key=place)
    assert told
