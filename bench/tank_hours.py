"""Readings of tanks by the minute become hours, as they come: beside DuckDB, which makes them once when all are there.

Seeded readings of 600 tanks of 200 sites: four metrics a minute, some bad, some of a frozen device, one in a thousand an
hour late, one in five hundred twice. They come in batches of a quarter of an hour, and as many hours at a time as a city
that is played takes in; every quarter of the city's clock the hours under way are written anew. DuckDB has them in memory
in their order, on one thread, and makes a part of what an hour holds. Seconds are those of the processor. Where nothing
came late, twice or frozen the medians of both are compared. ``python -m bench.tank_hours [--tanks N]``
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench._harness import Measure, report
from bench._peers import ask
from cityheart.apps.hazchem.detectors.tank_hours import TankHours
from cityheart.sdk import State, run_keyed

START_MS = 1_774_281_600_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
METRICS = np.array(["level_m", "temperature_c", "pressure_kpa", "gas_ppm"], dtype=object)
LEVELS, NOISE = np.array([5.0, 20.0, 30.0, 1.0]), np.array([0.01, 0.15, 0.2, 0.1])
MOMENT = pa.timestamp("us", tz="UTC")
ROUNDS = 3


def readings(tanks: int, hours: int, *, plain: bool, seed: int = 1) -> pa.Table:
    """All readings of so many hours, in the order known; ``plain``: nothing bad, late, twice or frozen."""
    rng = np.random.default_rng(seed)
    minutes = np.repeat(np.arange(hours * 60), tanks * 4)
    tank = np.tile(np.repeat(np.arange(tanks), 4), hours * 60)
    metric = np.tile(np.arange(4), hours * 60 * tanks)
    size = len(minutes)
    ms = START_MS + minutes * MINUTE_MS + (tank * 97 + metric * 13) % MINUTE_MS
    value = LEVELS[metric] + rng.normal(0, 1, size) * NOISE[metric]
    value += np.where((metric == 0) & (tank % 5 == 0), 2.0 * np.abs(minutes % 240 / 120 - 1), 0.0)
    quality, late = np.zeros(size, dtype=np.int64), rng.exponential(800, size)
    if not plain:
        value = np.where((metric == 0) & (tank % 97 == 3) & (minutes % 300 > 200), 4.2, value)
        quality = np.where(rng.random(size) < 0.003, 2, 0)
        late += np.where(rng.random(size) < 0.001, HOUR_MS, 0)
    known = (ms + late).astype(np.int64)
    chosen = np.concatenate([np.arange(size), np.zeros(0, np.int64) if plain else rng.integers(0, size, size // 500)])
    known = np.concatenate([known, known[chosen[size:]] + 5 * MINUTE_MS])
    order = np.argsort(known, kind="stable")
    at = chosen[order]
    names, sites = (
        np.array([f"{letter}{n // by:05d}" for n in range(tanks)], dtype=object) for letter, by in (("T", 1), ("S", 3))
    )
    return pa.table({
        "site_id": pa.array(sites[tank[at]]), "tank_id": pa.array(names[tank[at]]), "metric": pa.array(METRICS[metric[at]]),
        "time": pa.array(ms[at] * 1000, MOMENT), "value": np.round(value[at], 2), "quality": quality[at],
        "_known_at": pa.array(known[order] * 1000, MOMENT),
    })  # fmt: skip


def ours(rows: pa.Table, batch_minutes: int) -> tuple[float, pa.Table]:
    """Readings a second of the processor, and the newest version of each hour."""
    states: dict[str, State] = {}
    written: list[pa.Table] = []
    spent = 0.0
    detector = TankHours()
    for batch in _batches(rows, batch_minutes):
        begun = time.process_time()
        ran = run_keyed(detector, states, batch, time="time")
        spent += time.process_time() - begun
        states.update(ran.states)
        written += ran.outputs.values()
    made = pa.concat_tables(written).sort_by("_known_at")
    newest = made.group_by(["tank_id", "hour"], use_threads=False).aggregate([
        (name, "last") for name in made.column_names if name not in ("tank_id", "hour")
    ])  # fmt: skip
    return rows.num_rows / spent, newest.rename_columns([name.removesuffix("_last") for name in newest.column_names])


def _batches(rows: pa.Table, minutes: int) -> Iterator[pa.Table]:
    turn = rows["_known_at"].cast(pa.int64()).to_numpy() // (minutes * MINUTE_MS * 1000)
    bounds = np.flatnonzero(np.r_[True, turn[1:] != turn[:-1], True])
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield rows.slice(begin, end - begin)


def _without_zone(rows: pa.Table) -> pa.Table:
    """What DuckDB reads without an extension that it would fetch."""
    moment = rows["time"].cast(pa.timestamp("us"))
    return rows.select(["tank_id", "metric", "value", "quality"]).append_column("time", moment)


def compared(mine: pa.Table, theirs: pa.Table) -> int:
    """How many hours of tanks both have; AssertionError where their levels are others."""
    known = {(row["tank_id"], row["hour"].replace(tzinfo=None)): row for row in mine.to_pylist()}
    last = max(hour for _, hour in known)
    same = 0
    for row in theirs.filter(pc.field("metric") == "level_m").to_pylist():
        one = known.get((row["tank_id"], row["hour"]))
        if one is not None and row["hour"] < last:
            # values are despiked here, so that medians may lie a little apart
            assert abs(one["level_median_m"] - row["middle"]) < 0.02, (one, row)
            assert one["good"] == row["good"], (one, row)
            same += 1
    assert same
    return same


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tanks", type=int, default=600)
    parser.add_argument("--hours", type=int, default=8)
    asked = parser.parse_args()
    rows = readings(asked.tanks, asked.hours, plain=False)
    notes: list[str] = []
    ours(readings(asked.tanks, 2, plain=False), 120)  # compiled, warm
    rates: dict[int, list[float]] = {15: [], 120: []}
    peer: list[float] = []
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
        file, out = Path(folder) / "readings.parquet", Path(folder) / "hours.parquet"
        plain = readings(asked.tanks, 4, plain=True)
        pq.write_table(_without_zone(plain), file)
        if ask("duckdb", str(file), str(out)) is not None:
            notes.append(f"the same {compared(ours(plain, 120)[1], pq.read_table(out)):,} hours of tanks as DuckDB")
        pq.write_table(_without_zone(rows), file)
        for _ in range(ROUNDS):
            for minutes, some in rates.items():
                some.append(ours(rows, minutes)[0])
            if (told := ask("duckdb", str(file), str(out))) is not None:
                peer.append(told["per_second"])
    measures = [
        Measure(
            f"readings to hours, {name}", "/s", median(rates[minutes]), median(peer) if peer else None, target, aim="at least",
            smaller_is_better=False, beside="DuckDB, once, one thread",
        )
        for name, minutes, target in (("two hours at a time", 120, 1e6), ("as they come by the quarter", 15, None))
    ]  # fmt: skip
    report(f"{rows.num_rows:,} readings of {asked.tanks} tanks, one core", measures, notes=notes)


if __name__ == "__main__":
    main()
