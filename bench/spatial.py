"""Nearest points, points in areas, and stays, on ten million positions: beside warm PostGIS, the same answers.

Seeded synthetic data: 2,000 vehicles over four days in a box of the size of Nantong, which park, drive, and wobble a
little while they park. PostGIS as in ``box_queries``, its points once more in a plane where a degree is equally long
both ways, so that its index walks by true distance. Its stays are those of the quickest SQL (windows that cut a track
at every step of more than 150 m, a chain of short steps being a stay however far it leads); ours are compact, with
trips and visits to 300 areas beside them, and are compared with the same definition in PL/pgSQL for some of the vehicles.
``python -m bench.spatial [--rows N]``
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from rich.console import Console

from bench._harness import Measure, milliseconds, report, side_by_side
from bench.box_queries import DAYS, EAST, NORTH, SOUTH, START, VEHICLES, WEST, PostGIS, landed
from cityheart.engine.hot import HotWindow
from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.layout import TIMESTAMP
from cityheart.engine.polygons import Polygons
from cityheart.engine.tracks.areas import layer_of
from cityheart.engine.tracks.parameters import Parameters
from cityheart.engine.tracks.tracker import Columns, Tracker
from tests import postgres

PLACES = 20
NEAREST = 10
AREAS, CORNERS = 300, 40
CHECKED = 100  # vehicles whose stays are compared
SCALE = float(np.cos(np.radians(32.0)))
PARAMETERS = Parameters(update=timedelta(days=30))  # each stay is said when it is recognised and when it is over
Case = tuple[float, float, datetime, datetime]


def day(number: int, rows: int, rng: np.random.Generator, home: np.ndarray) -> pa.Table:
    """One day of fixes: about a minute apart, in turns parked and under way, reflected at the edges of the box.

    ``home``: where the vehicles begin; it is moved to where they end.
    """
    each = rows // VEHICLES
    gap = 86_400 / each
    second = np.arange(each) * gap + rng.uniform(0, 0.5 * gap, (VEHICLES, each))
    turn = (np.arange(each) + rng.integers(0, 60, (VEHICLES, 1))) // 30
    moving = (turn + rng.integers(0, 2, (VEHICLES, 1))) % 2
    course = rng.uniform(0, 2 * np.pi, (VEHICLES, int(turn.max()) + 1))[np.arange(VEHICLES)[:, None], turn]
    step = rng.uniform(200, 1_000, (VEHICLES, each)) * moving / 111_195
    wobble = rng.normal(0.0, 8 / 111_195, (2, VEHICLES, each))
    east = home[:, :1] + (step * np.cos(course) / SCALE).cumsum(axis=1)
    north = home[:, 1:] + (step * np.sin(course)).cumsum(axis=1)
    home[:, 0], home[:, 1] = east[:, -1], north[:, -1]
    lon = _reflected(east, WEST, EAST) + wobble[0] / SCALE
    lat = _reflected(north, SOUTH, NORTH) + wobble[1]
    begun = int((START + timedelta(days=number)).timestamp() * 1_000_000)
    at = begun + (second.ravel() * 1_000_000).astype(np.int64)
    vehicle = np.repeat(np.arange(VEHICLES, dtype=np.int32), each)
    place = (np.round(each.ravel(), 6) for each in (lon, lat))
    return pa.table(
        dict(zip(("vehicle", "at", "lon", "lat"), (vehicle, pa.array(at).cast(TIMESTAMP), *place), strict=True))
    )


def _reflected(value: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.asarray(high - np.abs((value - low) % (2 * (high - low)) - (high - low)))


def areas(rng: np.random.Generator) -> list[shapely.Polygon]:
    """Star-shaped areas of 40 corners, half a kilometre to three across."""
    found = []
    for _ in range(AREAS):
        centre = rng.normal([121.0, 32.0], [0.25, 0.16])
        angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        far = rng.uniform(0.003, 0.015) * rng.uniform(0.6, 1.0, CORNERS)
        found.append(shapely.Polygon(np.column_stack([np.cos(angle), np.sin(angle)]) * far[:, None] + centre))
    return found


class Peer(PostGIS):
    """PostGIS with what these questions need."""

    NEAREST = """
        SELECT lon, lat FROM fixes WHERE at >= %s AND at < %s
        ORDER BY plane <-> ST_SetSRID(ST_MakePoint(%s, %s), 4326) LIMIT 10
    """
    JOIN = "SELECT area, count(*) FROM areas JOIN fixes ON ST_Intersects(areas.geom, fixes.geom) GROUP BY area ORDER BY area"
    CHAINS = """
        SELECT count(*) FROM (
          SELECT max(at) - min(at) AS span FROM (
            SELECT vehicle, at, sum(cut) OVER (PARTITION BY vehicle ORDER BY at) AS chain FROM (
              SELECT vehicle, at, CASE WHEN ST_DistanceSphere(geom, lag(geom) OVER track) > 150 THEN 1 ELSE 0 END AS cut
              FROM fixes WINDOW track AS (PARTITION BY vehicle ORDER BY at)
            ) AS steps
          ) AS chains GROUP BY vehicle, chain
        ) AS spans WHERE span >= interval '10 minutes'
    """
    STAYS = """
        CREATE FUNCTION apart(x1 float8, y1 float8, x2 float8, y2 float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS
          'SELECT sqrt(((x2 - x1) * cos(radians((y1 + y2) / 2))) ^ 2 + (y2 - y1) ^ 2) * radians(6371008.8)';
        CREATE FUNCTION stays(which int) RETURNS TABLE (since timestamptz, until timestamptz, n int) LANGUAGE plpgsql AS $$
        DECLARE
          r record; t timestamptz[] := '{}'; x float8[] := '{}'; y float8[] := '{}';
          staying bool := false; waiting bool := false; wt timestamptz; wx float8; wy float8;
          sx float8; sy float8; far bool;
        BEGIN
          FOR r IN SELECT at, lon, lat FROM fixes WHERE vehicle = which ORDER BY at LOOP
            IF staying THEN
              IF apart(sx / n, sy / n, r.lon, r.lat) <= 150 THEN
                n := n + 1; sx := sx + r.lon; sy := sy + r.lat; until := r.at; waiting := false;
                CONTINUE;
              ELSIF NOT waiting THEN
                waiting := true; wt := r.at; wx := r.lon; wy := r.lat;
                CONTINUE;
              END IF;
              RETURN NEXT;
              staying := false; waiting := false; t := ARRAY[wt]; x := ARRAY[wx]; y := ARRAY[wy];
            END IF;
            t := t || r.at; x := x || r.lon; y := y || r.lat;
            LOOP
              far := false;
              FOR i IN 2 .. cardinality(t) LOOP
                IF apart(x[1], y[1], x[i], y[i]) > 150 THEN far := true; EXIT; END IF;
              END LOOP;
              EXIT WHEN NOT far;
              t := t[2:]; x := x[2:]; y := y[2:];
            END LOOP;
            IF r.at - t[1] >= interval '10 minutes' THEN
              staying := true; since := t[1]; until := r.at; n := cardinality(t);
              SELECT sum(v) INTO sx FROM unnest(x) AS v;
              SELECT sum(v) INTO sy FROM unnest(y) AS v;
            END IF;
          END LOOP;
          IF staying THEN RETURN NEXT; END IF;
        END $$;
    """

    def __init__(self, url: str, folder: Path, days: list[pa.Table], drawn: list[shapely.Polygon]) -> None:
        super().__init__(url, folder, days)
        self._conn.execute("CREATE TABLE areas (area int, geom geometry(Polygon, 4326))")
        with self._conn.cursor() as cursor:
            rows = [(number, shape.wkt) for number, shape in enumerate(drawn)]
            cursor.executemany("INSERT INTO areas VALUES (%s, ST_GeomFromText(%s, 4326))", rows)
        self._conn.execute("CREATE INDEX ON areas USING gist (geom)")
        self._conn.execute(f"ALTER TABLE fixes ADD COLUMN plane geometry(Point, 4326) GENERATED ALWAYS AS (ST_SetSRID(ST_MakePoint(lon * {SCALE!r}, lat), 4326)) STORED")  # fmt: skip  # noqa: E501
        self._conn.execute("CREATE INDEX ON fixes USING gist (plane)")
        self._conn.execute("VACUUM ANALYZE fixes, areas")
        self._conn.execute(self.STAYS)

    def nearest(self, case: Case) -> list[tuple[float, float]]:
        lon, lat, start, end = case
        return self._conn.execute(self.NEAREST, (start, end, lon * SCALE, lat), prepare=True, binary=True).fetchall()

    def joined(self) -> list[tuple[int, int]]:
        return self._conn.execute(self.JOIN).fetchall()

    def chains(self) -> int:
        found = self._conn.execute(self.CHAINS).fetchone()
        assert found is not None
        return int(found[0])

    def stays(self, vehicle: int) -> list[tuple[datetime, datetime, int]]:
        return self._conn.execute("SELECT since, until, n FROM stays(%s)", (vehicle,)).fetchall()


def start_peer(
    stack: ExitStack, folder: Path, days: list[pa.Table], drawn: list[shapely.Polygon]
) -> tuple[Peer | None, str]:
    """PostGIS with the data, or why there is none."""
    if postgres.binaries() is None:
        return None, postgres.INSTALL
    url = stack.enter_context(
        postgres.cluster("shared_buffers=4GB", "maintenance_work_mem=1GB", "fsync=off", "max_wal_size=8GB")
    )
    try:
        return Peer(url, folder, days, drawn), ""
    except psycopg.errors.FeatureNotSupported:
        return None, "PostGIS is not installed: apt-get install postgresql-postgis"


def nearest(days: list[pa.Table], peer: Peer | None, rng: np.random.Generator) -> list[Measure]:
    """Ten nearest of a day and of an hour, around places on the roads."""
    window = HotWindow(lon="lon", lat="lat", time="at")
    for part in days:
        window.add(part)
    every = pa.concat_tables(days)
    sample = every.take(pa.array(rng.integers(0, every.num_rows, PLACES))).to_pylist()
    measures = []
    for label, span in (("1 day", timedelta(days=1)), ("1 h", timedelta(hours=1))):
        cases: list[Case] = []
        for row in sample:
            start = row["at"].replace(hour=0, minute=0, second=0, microsecond=0) if span.days else row["at"] - span / 2
            cases.append((row["lon"] + 0.001, row["lat"] - 0.0007, start, start + span))
        if peer is not None:
            for case in cases:
                lon, lat = case[:2]
                theirs = sorted(float(np.hypot((x - lon) * SCALE, y - lat)) for x, y in peer.nearest(case))
                rows = window.nearest(lon, lat, NEAREST, *case[2:])[0]
                ours = np.sort(np.hypot((rows["lon"].to_numpy() - lon) * SCALE, rows["lat"].to_numpy() - lat))
                if not np.allclose(ours, theirs, rtol=0.02):  # our plane touches the earth at the place, theirs at 32°
                    raise SystemExit(f"The nearest differ for {case}: {ours} {theirs}")
        ours_ms, peer_ms = side_by_side(
            cases,
            lambda case: window.nearest(case[0], case[1], NEAREST, *case[2:]),
            peer.nearest if peer else None,
            rounds=5,
        )
        assert ours_ms is not None
        measures.append(
            Measure(f"10 nearest within {label}, hot window", "ms", ours_ms, peer_ms, 1.0, beside="PostGIS")
        )
    return measures


def joined(lake: Lake, drawn: list[shapely.Polygon], peer: Peer | None) -> list[Measure]:
    """How many points lie in each area: by the engine's own join, its preparation included, and by SQL over the lake."""
    spec = TableSpec(
        "areas", ("area",), "at", pa.schema([("area", pa.int32()), ("wkt", pa.string()), ("at", TIMESTAMP)])
    )
    lake.ensure(spec)
    rows = pa.table({"area": pa.array(range(AREAS), pa.int32()), "wkt": [shape.wkt for shape in drawn]})
    for name in ("at", "_known_at"):
        rows = rows.append_column(name, pa.array([START] * AREAS, TIMESTAMP))
    for name in ("_source", "_batch"):
        rows = rows.append_column(name, pa.array(["bench"] * AREAS))
    lake.append("areas", rows)
    sql = """
        SELECT area, count(*) AS n FROM areas JOIN fixes ON ST_Intersects(ST_GeomFromWKT(wkt), ST_Point(lon, lat))
        GROUP BY area ORDER BY area
    """

    def ours(_: int) -> list[tuple[int, int]]:
        counts = lake.counts("fixes", Polygons(drawn)).tolist()
        return [(area, count) for area, count in enumerate(counts) if count]

    def by_sql(_: int) -> list[tuple[int, int]]:
        answer = lake.query(sql)
        return list(zip(answer["area"].to_pylist(), answer["n"].to_pylist(), strict=True))

    if ours(0) != by_sql(0) or (peer is not None and ours(0) != peer.joined()):
        raise SystemExit("The points in the areas differ.")
    theirs = (lambda _: peer.joined()) if peer else None
    measures = []
    for label, run, target in (("", ours, 2.5), (", by SQL", by_sql, None)):
        ours_ms, peer_ms = side_by_side([0], run, theirs, rounds=5)
        assert ours_ms is not None
        name = f"points in {AREAS} areas, lake{label}"
        measures.append(Measure(name, "s", ours_ms / 1_000, peer_ms and peer_ms / 1_000, target, beside="PostGIS"))
    return measures


def followed(lake: Lake, drawn: list[shapely.Polygon], peer: Peer | None) -> tuple[list[Measure], str]:
    """Stays and trips of all vehicles, read from the lake."""
    columns = Columns("vehicle", "at", "lon", "lat")
    layer = layer_of(
        [shape for shape in drawn if not any(shape.intersects(other) for other in drawn if other is not shape)]
    )

    def run(areas: bool) -> tuple[pa.Table, pa.Table]:
        rows = lake.current("fixes", columns=["vehicle", "at", "lon", "lat", "_known_at"])
        records = Tracker(columns, PARAMETERS, layer if areas else None).run({}, rows).records
        return records.stays("vehicle"), records.trips("vehicle")

    run(True)  # compiled, and the files once read
    stays, _ = run(False)
    times = {areas: [milliseconds(run, areas) for _ in range(3)] for areas in (False, True)}
    chains_ms, note = None, ""
    if peer is not None:
        newest: dict[tuple[str, datetime], tuple[datetime, int] | None] = {}
        few = {str(vehicle) for vehicle in range(0, VEHICLES, VEHICLES // CHECKED)}
        for row in stays.filter(pc.is_in(stays["vehicle"], pa.array(sorted(few)))).to_pylist():
            # of a stay that goes on the last word may be a while ago
            newest[row["vehicle"], row["since"]] = (row["until"], row["fixes"]) if row["state"] == "closed" else None
        for vehicle in sorted(few):
            ours = [(since, newest[name, since]) for name, since in sorted(newest) if name == vehicle]
            theirs = [(since, (until, count)) for since, until, count in peer.stays(int(vehicle))]
            if [each[0] for each in ours] != [each[0] for each in theirs] or any(
                mine is not None and mine != other for (_, mine), (_, other) in zip(ours, theirs, strict=True)
            ):
                raise SystemExit(f"The stays of {vehicle} differ: {ours} {theirs}")
        peer.chains()
        taken = [milliseconds(peer.chains) for _ in range(2)]
        chains_ms = min(taken) / 1_000
        note = f"{len(newest):,} stays of {len(few)} vehicles are the same in PL/pgSQL; chains in PostGIS: {peer.chains():,}."
    measures = [
        Measure("stays and trips, from the lake", "s", float(np.median(times[False])) / 1_000, chains_ms, 5.0, beside="PostGIS"),
        Measure("the same with visits to areas", "s", float(np.median(times[True])) / 1_000, chains_ms, 5.0, beside="PostGIS"),
    ]  # fmt: skip
    return measures, note


def main(rows: int) -> None:
    console = Console(stderr=True)
    rng = np.random.default_rng(20_260_324)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cityheart-bench-")))
        console.print(f"Making {rows:,} points …")
        home = rng.normal([121.0, 32.0], [0.22, 0.14], (VEHICLES, 2))
        days = [day(number, rows // DAYS, rng, home) for number in range(DAYS)]
        drawn = areas(rng)
        lake, _ = landed(folder / "lake", days)
        console.print("Loading PostGIS …")
        peer, absent = start_peer(stack, folder, days, drawn)
        console.print("Nearest points …")
        measures = nearest(days, peer, rng)
        console.print("Points in areas …")
        measures += joined(lake, drawn, peer)
        console.print("Stays …")
        more, note = followed(lake, drawn, peer)
        measures += more
        points = sum(part.num_rows for part in days)
        report(f"{points:,} points", measures, notes=[each for each in (absent, note) if each])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="points over four days (default: 10 million)")
    main(parser.parse_args().rows)
