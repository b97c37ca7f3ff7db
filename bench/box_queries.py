"""Boxes of 1 km over an hour and over a day, on moving points: the hot window and the lake beside warm PostGIS.

Seeded synthetic data: 2,000 vehicles over four days in a box of the size of Nantong. PostGIS has a GiST index on the
point and a BRIN index on the time, its rows in Hilbert order within each day, its whole table in shared buffers, and
prepared statements, planned for each box, over a Unix socket; it is asked with both indexes and with the point index
alone, and the better counts.
``python -m bench.box_queries [--rows N]``
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
from rich.console import Console

from bench._harness import Measure, milliseconds, report, side_by_side
from cityheart.engine.hot import HotWindow
from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.layout import TIMESTAMP
from tests import postgres

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 4
VEHICLES = 2_000
WEST, SOUTH, EAST, NORTH = 120.2, 31.65, 121.95, 32.7
BOXES = 20
HALF_LON, HALF_LAT = 0.5 / 94.4, 0.5 / 111.2  # half a kilometre in degrees at 32° N

SPEC = TableSpec(
    "fixes",
    ("vehicle", "at"),
    "at",
    pa.schema([("vehicle", pa.int32()), ("at", TIMESTAMP), ("lon", pa.float64()), ("lat", pa.float64())]),
    "lon",
    "lat",
)
Case = tuple[float, float, float, float, datetime, datetime]


def day(number: int, rows: int, rng: np.random.Generator) -> pa.Table:
    """One day of fixes: each vehicle walks between a few dozen places where the city is dense."""
    each = rows // VEHICLES
    vehicle = np.repeat(np.arange(VEHICLES, dtype=np.int32), each)
    second = np.sort(rng.uniform(0, 86_400, (VEHICLES, each)), axis=1)
    homes = rng.normal([121.0, 32.0], [0.22, 0.14], (VEHICLES, 2))
    step = rng.normal(0.0, 0.0025, (VEHICLES, each, 2)).cumsum(axis=1)
    drift = np.linspace(0, 1, each)[None, :, None] * step[:, -1:, :]
    place = homes[:, None, :] + (step - drift)  # back home in the evening
    lon = np.clip(place[..., 0].ravel(), WEST, EAST)
    lat = np.clip(place[..., 1].ravel(), SOUTH, NORTH)
    begun = int((START + timedelta(days=number)).timestamp() * 1_000_000)
    at = begun + (second.ravel() * 1_000_000).astype(np.int64)
    return pa.table(
        {"vehicle": vehicle, "at": pa.array(at).cast(TIMESTAMP), "lon": np.round(lon, 6), "lat": np.round(lat, 6)}
    )


def boxes(sample: pa.Table, rng: np.random.Generator, span: timedelta) -> list[Case]:
    """Boxes of 1 km around real fixes, beginning at or before the fix."""
    cases = []
    for row in sample.take(pa.array(rng.integers(0, sample.num_rows, BOXES))).to_pylist():
        if span >= timedelta(days=1):
            start = row["at"].replace(hour=0, minute=0, second=0, microsecond=0)
        else:
            start = row["at"] - span / 2
        lon, lat = row["lon"], row["lat"]
        cases.append((lon - HALF_LON, lat - HALF_LAT, lon + HALF_LON, lat + HALF_LAT, start, start + span))
    return cases


class PostGIS:
    """The peer: one table, warm."""

    COUNT = """
        SELECT count(*) FROM fixes
        WHERE ST_Intersects(geom, ST_MakeEnvelope(%s, %s, %s, %s, 4326)) AND at >= %s AND at < %s
    """
    ROWS = COUNT.replace("count(*)", "vehicle, at, lon, lat")

    def __init__(self, url: str, folder: Path, days: list[pa.Table]) -> None:
        self._conn = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        for setting in ("plan_cache_mode = force_custom_plan", "random_page_cost = 1.1", "work_mem = '256MB'"):
            self._conn.execute(f"SET {setting}")
        self._conn.execute("CREATE EXTENSION postgis")
        self._conn.execute(
            "CREATE TABLE fixes (vehicle int4, at timestamptz, lon float8, lat float8, geom geometry(Point, 4326))"
        )
        self._conn.execute("CREATE TEMP TABLE loaded (vehicle int4, at timestamptz, lon float8, lat float8)")
        options = pyarrow.csv.WriteOptions(include_header=False)
        for rows in days:
            file = folder / "day.csv"
            pyarrow.csv.write_csv(rows, file, options)
            with self._conn.cursor().copy("COPY loaded FROM STDIN (FORMAT csv)") as copy, file.open("rb") as source:
                while chunk := source.read(2**20):
                    copy.write(chunk)
            # Each day in Hilbert order, as our files are in z-order: in order of time a day's box takes 10 ms and more.
            self._conn.execute(
                "INSERT INTO fixes SELECT *, ST_SetSRID(ST_MakePoint(lon, lat), 4326) AS geom FROM loaded ORDER BY geom"
            )
            self._conn.execute("TRUNCATE loaded")
        self._conn.execute("CREATE INDEX ON fixes USING gist (geom)")
        self._conn.execute("CREATE INDEX ON fixes USING brin (at)")
        self._conn.execute("VACUUM ANALYZE fixes")

    def by_point_index(self, alone: bool) -> None:
        """With ``alone`` the point index is not combined with that of the time, which is quicker for some boxes."""
        self._conn.execute(f"SET enable_bitmapscan = {'off' if alone else 'on'}")

    def count(self, case: Case) -> int:
        found = self._conn.execute(self.COUNT, case, prepare=True).fetchone()
        assert found is not None
        return int(found[0])

    def rows(self, case: Case) -> int:
        return len(self._conn.execute(self.ROWS, case, prepare=True, binary=True).fetchall())

    def bytes(self) -> int:
        found = self._conn.execute("SELECT pg_total_relation_size('fixes')").fetchone()
        assert found is not None
        return int(found[0])


def landed(folder: Path, days: list[pa.Table]) -> tuple[Lake, float]:
    """A lake with the points, one batch a day, and the milliseconds that landing took."""
    lake = Lake(folder)
    lake.ensure(SPEC)
    spent = 0.0
    for number, rows in enumerate(days):
        none = np.zeros(rows.num_rows, dtype=np.int8)
        known = pa.array([START + timedelta(days=number + 1)], TIMESTAMP).take(pa.array(none))
        text = pa.DictionaryArray.from_arrays(none, ["bench"])
        landing = rows.append_column("_known_at", known).append_column("_source", text).append_column("_batch", text)
        spent += milliseconds(lake.append, "fixes", landing)
    return lake, spent


def main(rows: int) -> None:
    console = Console(stderr=True)
    rng = np.random.default_rng(20_260_302)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cityheart-bench-")))
        console.print(f"Making {rows:,} points …")
        days = [day(number, rows // DAYS, rng) for number in range(DAYS)]

        console.print("Landing them in the lake and in the hot window …")
        lake, land = landed(folder / "lake", days)
        window = HotWindow(lon="lon", lat="lat", time="at")
        warm = sum(milliseconds(window.add, part) for part in days)
        points = sum(part.num_rows for part in days)

        peer: PostGIS | None = None
        absent = ""
        if postgres.binaries() is None:
            absent = postgres.INSTALL
        else:
            console.print("Loading PostGIS …")
            url = stack.enter_context(
                postgres.cluster("shared_buffers=3GB", "maintenance_work_mem=1GB", "fsync=off", "max_wal_size=8GB")
            )
            try:
                peer = PostGIS(url, folder, days)
            except psycopg.errors.FeatureNotSupported:
                absent = "PostGIS is not installed: apt-get install postgresql-postgis"

        console.print("Asking …")
        measures: list[Measure] = []
        sql = """
            SELECT count(*) AS n FROM fixes
            WHERE lon BETWEEN $w AND $e AND lat BETWEEN $s AND $n AND at >= $start AND at < $end
        """

        def hot_count(case: Case) -> int:
            return window.count(*case)

        def hot_rows(case: Case) -> int:
            return len(window.box(*case))

        def in_lake(case: Case) -> int:
            names = ("w", "s", "e", "n", "start", "end")
            answer = lake.query(sql, dict(zip(names, case, strict=True)), time=(case[4], case[5]))
            return int(answer["n"][0].as_py())

        for label, span in (("1 h", timedelta(hours=1)), ("1 day", timedelta(days=1))):
            cases = boxes(pa.concat_tables(days), rng, span)
            for case in cases:
                found = {hot_count(case), hot_rows(case), in_lake(case)}
                if peer is not None:
                    found |= {peer.count(case), peer.rows(case)}
                if len(found) != 1:
                    raise SystemExit(f"The answers differ for {case}: {sorted(found)}")
            total = sum(hot_count(case) for case in cases)
            console.print(f"Boxes of 1 km × {label}: {total:,} points in {BOXES} boxes, the same everywhere.")
            asked = (hot_count, hot_rows, in_lake, peer.count if peer else None, peer.rows if peer else None)
            count, rows_ours, sedona, count_peer, rows_peer = side_by_side(cases, *asked)
            assert count is not None and rows_ours is not None and sedona is not None
            if peer is not None and count_peer is not None and rows_peer is not None:
                peer.by_point_index(True)
                count_alone, rows_alone = side_by_side(cases, peer.count, peer.rows)
                assert count_alone is not None and rows_alone is not None
                count_peer, rows_peer = min(count_peer, count_alone), min(rows_peer, rows_alone)
                peer.by_point_index(False)
            name = f"box 1 km × {label}"
            measures += [
                Measure(f"{name}, hot window, count", "ms", count, count_peer, 1.5, beside="PostGIS"),
                Measure(f"{name}, hot window, rows", "ms", rows_ours, rows_peer, 1.5, beside="PostGIS"),
                Measure(f"{name}, lake (SedonaDB), count", "ms", sedona, count_peer, beside="PostGIS"),
            ]
        stored = sum(file.stat().st_size for file in lake.files("fixes")) / 2**20
        measures.append(
            Measure("storage", "MB", stored, None if peer is None else peer.bytes() / 2**20, 6, beside="PostGIS")
        )
        measures.append(
            Measure("landing in the lake, durable", "points/s", points / land * 1_000, None, 200_000, "at least", False)
        )
        measures.append(Measure("filling the hot window", "points/s", points / warm * 1_000, smaller_is_better=False))
        report(f"{points:,} points", measures, notes=[absent] if absent else [])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="points over four days (default: 10 million)")
    main(parser.parse_args().rows)
