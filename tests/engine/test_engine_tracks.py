"""Tracks: what is found is what the definition says, and neither cuts nor the order of arrival change it."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.engine.keyed import State, dump_state, load_state
from cityheart.engine.layout import TIMESTAMP
from cityheart.engine.tracks import motion, paths
from cityheart.engine.tracks.areas import layer_of
from cityheart.engine.tracks.motion import Layer
from cityheart.engine.tracks.parameters import Parameters
from cityheart.engine.tracks.tracker import Columns, Records, Tracker
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid
from tests.engine.track_reference import Fix, Matter, matters

START = int(datetime(2026, 3, 24, tzinfo=UTC).timestamp() * 1e6)
SECOND = 1_000_000
COLUMNS = Columns("car", "at", "lon", "lat", load="load", valid="valid")
AREAS = [shapely.box(121.0137, 31.9, 121.0611, 32.1), shapely.Point(121.0313, 32.0).buffer(0.02)]
PARAMETERS = Parameters(update=timedelta(microseconds=1))


def drive(seed: int, legs: int, period: int = 30) -> list[Fix]:
    """A vehicle that parks, drives, falls silent, drifts and jumps, for some legs."""
    dice = random.Random(seed)
    fixes: list[Fix] = []
    time, lon, lat = START, 121.0, 32.0

    def see(x: float, y: float) -> None:
        fixes.append((time, round(x, 6), round(y, 6)))

    for _ in range(legs):
        what = dice.choice(["park", "drive", "drive", "creep", "silence", "nap", "tunnel", "drift", "jump", "tow"])
        if what in ("park", "drift"):
            for _ in range(dice.randint(5, 40)):
                time += period * SECOND
                far = 0.003 if what == "drift" and dice.random() < 0.1 else 0.0003
                see(lon + dice.uniform(-far, far), lat + dice.uniform(-far, far))
        elif what in ("drive", "creep"):
            east, north = (dice.uniform(-1, 1) * (0.006 if what == "drive" else 0.0006) for _ in range(2))
            for _ in range(dice.randint(2, 30)):
                time += period * SECOND
                lon, lat = lon + east, lat + north
                see(lon, lat)
        elif what == "silence":
            time += dice.randint(31, 3000) * 60 * SECOND
            lon += dice.choice([0.0, 0.0, 0.02])
            see(lon, lat)
        elif what in ("tunnel", "nap"):
            time += dice.randint(3, 29) * 60 * SECOND
            lon += 0.02 if what == "tunnel" else dice.choice([0.0, 0.0005])
            see(lon, lat)
        elif what == "jump":
            for _ in range(dice.randint(1, 2)):
                time += period * SECOND
                see(lon + 1.5 + dice.random(), lat)
        else:
            time += period * SECOND
            lon += dice.choice([-0.8, 0.8])
            see(lon, lat)
    return fixes


def rows(fixes: list[Fix], known: list[int] | None = None, car: str = "a", load: int | None = 0) -> pa.Table:
    time = [fix[0] for fix in fixes]
    return pa.table(
        {
            "car": pa.array([car] * len(fixes), pa.string()),
            "at": pa.array(time, pa.int64()).cast(TIMESTAMP),
            "lon": pa.array([fix[1] for fix in fixes], pa.float64()),
            "lat": pa.array([fix[2] for fix in fixes], pa.float64()),
            "load": pa.array([load] * len(fixes), pa.int64()),
            "valid": pa.array([True] * len(fixes)),
            "_known_at": pa.array(known if known is not None else [t + SECOND for t in time]).cast(TIMESTAMP),
        }
    )


def newest(records: Records, until: int | None = None) -> dict[tuple[float, ...], tuple[float, ...]]:
    """Of each matter what is known by a moment, but for those withdrawn."""
    found = {}
    for vehicle, record in zip(records.vehicle.tolist(), records.values.tolist(), strict=True):
        if until is None or record[motion.KNOWN] <= until:
            matter = (vehicle, record[motion.KIND], record[motion.PLACE], record[motion.CONTENT])
            way = tuple(records.ways[int(record[motion.WAY])].tolist()) if record[motion.WAY] else ()
            found[matter] = (record[motion.STATUS], *record[motion.CONTENT : motion.WAY], *way)
    return {matter: said for matter, said in found.items() if said[0] != motion.WITHDRAWN}


def shown(records: Records) -> list[tuple[object, ...]]:
    kinds = {motion.STAY: "stay", motion.TRIP: "trip", motion.VISIT: "visit"}
    ends = {0.0: "moved_on", 1.0: "silence", 2.0: "jump"}
    found: list[tuple[object, ...]] = []
    for (_, kind, place, since), said in newest(records).items():
        content = said[1:]
        closed = said[0] == motion.CLOSED
        count = int(content[motion.FIXES]) if kind != motion.TRIP else None
        length = round(content[motion.MOVED] / 50) if kind == motion.TRIP else None
        found.append(
            (kinds[int(kind)], int(place) if kind == motion.VISIT else None, int(since), int(content[motion.UNTIL]), closed,
             ends[content[motion.ENDED]] if closed else None, count, length)
        )  # fmt: skip
    return sorted(found, key=repr)


def by_definition(found: list[Matter]) -> list[tuple[object, ...]]:
    listed: list[tuple[object, ...]] = [
        (one.kind, one.place, one.since, one.until, one.closed, one.ended, len(one.fixes) if one.kind != "trip" else None,
         round(one.length / 50) if one.kind == "trip" else None)
        for one in found
    ]  # fmt: skip
    return sorted(listed, key=repr)


def tracker(parameters: Parameters = PARAMETERS) -> Tracker:
    return Tracker(COLUMNS, parameters, layer_of(AREAS))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), legs=st.integers(1, 14))
def test_what_is_found_is_what_the_definition_says(seed: int, legs: int) -> None:
    fixes = drive(seed, legs)
    assert shown(tracker().run({}, rows(fixes)).records) == by_definition(matters(fixes, PARAMETERS, AREAS))


def whole(records: list[Records]) -> Records:
    befores = np.cumsum([0, *(len(each.ways) for each in records[:-1])]).tolist()
    return Records(
        records[0].names,
        np.concatenate([each.vehicle for each in records]),
        np.concatenate([_moved(each.values, before) for each, before in zip(records, befores, strict=True)]),
        np.concatenate([each.ways for each in records]),
    )


def _moved(values: np.ndarray, before: int) -> np.ndarray:
    values = values.copy()
    values[:, motion.WAY] += np.where(values[:, motion.WAY] > 0, before, 0)
    return values


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 400), max_size=4), minutes=st.sampled_from([0, 1, 30]))
def test_cuts_and_saved_states_change_nothing(seed: int, cuts: list[int], minutes: int) -> None:
    """As of every moment the same is said, also when rows known together land in several batches."""
    dice = random.Random(seed)
    fixes = drive(seed, 10)
    fixes += [(t, x + 0.0001, y) for t, x, y in dice.sample(fixes, len(fixes) // 10)]  # sent again, and not the same
    arriving = sorted((t + dice.choice([1, 1, 900, 2700, 3700, 4500]) * SECOND, n) for n, (t, _, _) in enumerate(fixes))
    step = max(1, minutes * 60 * SECOND)
    known = [-(-at // step) * step for at, _ in arriving]
    landed = rows([fixes[n] for _, n in arriving], known).append_column("_seq", pa.array(range(len(fixes)), pa.int64()))
    parameters = Parameters(lateness=timedelta(hours=1))
    expected = tracker(parameters).run({}, landed)

    saved: dict[str, bytes] = {}
    found = []
    for low, high in itertools.pairwise([0, *sorted(min(cut, len(fixes)) for cut in cuts), len(fixes)]):
        done = tracker(parameters).run(
            {key: load_state(each) for key, each in saved.items()}, landed.slice(low, high - low)
        )
        saved |= {key: dump_state(state) for key, state in done.states.items()}
        found.append(done.records)
    assert saved == {key: dump_state(state) for key, state in expected.states.items()}
    for moment in [known[-1], *dice.sample(known, min(len(known), 12))]:
        assert newest(whole(found), moment) == newest(expected.records, moment)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), together=st.booleans())
def test_late_rows_are_put_where_they_belong(seed: int, together: bool) -> None:
    """Whatever the order of arrival, in the end the same is said as if every row had come at once in order."""
    dice = random.Random(seed)
    fixes = drive(seed, 6)
    parameters = Parameters(lateness=timedelta(days=30))
    arriving = [(t, t + SECOND) for t, _, _ in fixes]
    begin = dice.randrange(len(fixes))
    back = arriving[min(len(fixes), begin + dice.randint(1, 40)) - 1][1]  # a backlog, in one batch
    late = [max(known, back) if begin <= n else known for n, (_, known) in enumerate(arriving)]
    known = late if together else [k + dice.choice([0, 0, 40, 600, 5000]) * SECOND for k in late]
    order = sorted(range(len(fixes)), key=lambda n: (known[n], dice.random()))
    mixed = rows([fixes[n] for n in order], [known[n] for n in order])
    states: dict[str, State] = {}
    assert len(fixes) <= limits.TRACK_ROWS
    expected = tracker(parameters).run({}, rows(fixes))
    found = tracker(parameters).run(states, mixed)
    assert newest(found.records) == newest(expected.records)
    again = tracker(parameters).run(found.states, rows(fixes, [max(known) + SECOND] * len(fixes)))
    assert newest(whole([found.records, again.records])) == newest(expected.records)
    assert len(again.records.values) == 0  # what was sent again says nothing new


def test_a_late_stay_withdraws_the_trip_it_divides() -> None:
    way = [(START + n * 30 * SECOND, 121.0 + 0.003 * n, 32.0) for n in range(20)]
    rest = [(way[-1][0] + n * 30 * SECOND, way[-1][1], 32.0) for n in range(1, 40)]
    onward = [(rest[-1][0] + n * 30 * SECOND, rest[-1][1] + 0.003 * n, 32.0) for n in range(1, 20)]
    one = Tracker(COLUMNS, Parameters())
    first = one.run({}, rows(way + onward))
    assert [each["state"] for each in first.records.trips("car").to_pylist()] == ["open", "open"]
    then = one.run(first.states, rows(rest, [onward[-1][0] + 60 * SECOND] * len(rest)))
    trips, stays = then.records.trips("car").to_pylist(), then.records.stays("car").to_pylist()
    assert [(each["state"], each["ended"]) for each in trips] == [("closed", "moved_on"), ("open", None)]
    assert trips[0]["until"] == stays[-1]["since"] and stays[-1]["state"] == "closed"
    assert trips[1]["since"] == stays[-1]["until"]
    # the same fixes without a stay between: what the stay had divided is one trip again
    gone = one.run(then.states, rows([(t, 121.06 + 0.002 * n, 32.0) for n, (t, _, _) in enumerate(rest)],
                                     [onward[-1][0] + 120 * SECOND] * len(rest)))  # fmt: skip
    assert {each["state"] for each in gone.records.stays("car").to_pylist()} == {"withdrawn"}


def test_rows_that_are_too_late_too_early_or_invalid_are_left_out() -> None:
    fixes = [(START + n * 60 * SECOND, 121.0 + 0.002 * n, 32.0) for n in range(120)]
    one = Tracker(COLUMNS, Parameters(lateness=timedelta(minutes=30), ahead=timedelta(minutes=1)))
    done = one.run({}, rows(fixes))
    late = rows([(START + 90, 121.5, 32.0), (START + 200 * 60 * SECOND, 121.5, 32.0)], [fixes[-1][0] + SECOND * 5] * 2)
    then = one.run(done.states, late)
    notes = then.states["a"]["notes"]
    assert isinstance(notes, np.ndarray) and notes[motion.LATE] == 1 and notes[motion.EARLY] == 1
    assert len(then.records.values) == 0
    bad = rows(fixes[:4])
    bad = bad.set_column(5, "valid", pa.array([True, False, None, True]))
    bad = bad.set_column(2, "lon", pa.array([None, 121.0, 121.0, 400.0], pa.float64()))
    assert one.run({}, bad).skipped == 3
    assert one.run({}, bad.slice(0, 2)).states == {}


def test_rows_known_together_are_judged_together() -> None:
    """What is too late is so by what was known before, not by a row that came in the same moment and landed first."""
    way = [(START + n * 60 * SECOND, 121.0 + 0.003 * n, 32.0) for n in range(120)]
    one = Tracker(COLUMNS, Parameters(lateness=timedelta(hours=1)))
    known = way[-1][0] + SECOND
    first = one.run({}, rows(way[:40]))
    newest_one, late = rows([way[110]], [known]), rows([way[45]], [known])
    together = one.run(first.states, pa.concat_tables([newest_one, late]))
    apart = one.run(one.run(first.states, newest_one).states, late)
    assert dump_state(apart.states["a"]) == dump_state(together.states["a"])
    notes = apart.states["a"]["notes"]
    assert isinstance(notes, np.ndarray) and notes[motion.LATE] == 0
    after = one.run(together.states, rows([way[46]], [known + SECOND])).states["a"]["notes"]
    assert isinstance(after, np.ndarray) and after[motion.LATE] == 1


def test_loads_are_those_before_and_after() -> None:
    still = [(START + n * 30 * SECOND, 121.0, 32.0) for n in range(40)]
    away = [(still[-1][0] + n * 30 * SECOND, 121.0 + 0.004 * n, 32.0) for n in range(1, 40)]
    table = pa.concat_tables([rows(still[:20], load=0), rows(still[20:], load=3), rows(away, load=3)])
    done = Tracker(COLUMNS, Parameters()).run({}, table).records
    (stay,) = [each for each in done.stays("car").to_pylist() if each["state"] == "closed"]
    assert (stay["load_before"], stay["load_after"], stay["fixes"]) == (0, 3, 40)
    trip = done.trips("car").to_pylist()[-1]
    assert trip["load_before"] == trip["load_after"] == 3 and trip["empty_s"] == 0 and trip["loaded_s"] > 900
    assert trip["distance_m"] == pytest.approx(377 * (trip["until"] - trip["since"]).total_seconds() / 30, rel=0.01)
    unknown = Tracker(COLUMNS, Parameters()).run({}, rows(still + away, load=None)).records.trips("car").to_pylist()[-1]
    assert unknown["load_before"] is None and unknown["loaded_s"] == unknown["empty_s"] == 0


def test_the_time_with_half_a_load_is_told_apart() -> None:
    away = [(START + n * 30 * SECOND, 121.0 + 0.004 * n, 32.0) for n in range(41)]
    table = pa.concat_tables([rows(away[:10], load=0), rows(away[10:30], load=1), rows(away[30:], load=3)])
    trip = Tracker(COLUMNS, Parameters(update=timedelta(minutes=1))).run({}, table).records.trips("car").to_pylist()[-1]
    assert trip["path"] is None and trip["state"] == "open"
    assert trip["empty_s"] == 300 and trip["half_s"] == 600 and trip["loaded_s"] - trip["half_s"] == 240


def test_how_deep_a_visit_is() -> None:
    """Fixes on the edge are not clearly inside."""
    metre = 1 / 111_195
    square = shapely.box(121.0, 32.0, 121.1, 32.1)
    one = Tracker(COLUMNS, Parameters(edge_m=50), layer_of([shapely.box(120.0, 31.0, 120.1, 31.1), square]))
    for depths, deep in (([20, 30, 40], 0), ([20, 49, 60, 1500, 70, 10], 3)):
        inside = [(START + n * 60 * SECOND, 121.05, 32.0 + far * metre) for n, far in enumerate(depths, 1)]
        fixes = [(START, 121.05, 31.99), *inside, (START + (len(depths) + 1) * 60 * SECOND, 121.05, 31.99)]
        ids = np.array(["A", "B"])
        visit = one.run({}, rows(fixes, load=3)).records.visits("car", "zone", ids).to_pylist()[-1]
        assert (visit["place"], visit["deep_fixes"], visit["fixes"]) == ("B", deep, len(depths))
        assert visit["deepest_m"] == pytest.approx(max(depths), rel=0.01)
        points = paths.read(visit["path"])
        assert [round((lat - 32.0) / metre) for _, _, lat, _ in points] == pytest.approx(depths, abs=1)
        assert all(load == 3 for _, _, _, load in points)


def test_a_visit_is_told_while_it_goes_on() -> None:
    """When two fixes are clearly inside, then four, eight: who looks need not wait for its end, nor read every fix."""
    fixes = [(START + n * 60 * SECOND, 121.002, 32.0 + 0.0001 * n) for n in range(41)]
    one = Tracker(COLUMNS, Parameters(update=timedelta(days=1)), layer_of([shapely.box(121.0, 31.9, 121.1, 32.1)]))
    told = one.run({}, rows(fixes)).records.visits("car", "zone", np.array(["A"])).to_pylist()
    assert [(each["deep_fixes"], each["state"]) for each in told] == [(n, "open") for n in (1, 2, 4, 8, 16, 32)]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_way_of_a_trip_is_its_fixes_but_for_those_that_matter_least(seed: int) -> None:
    fixes = drive(seed, 12)
    trips = tracker().run({}, rows(fixes, load=1)).records.trips("car").to_pylist()
    seen = {time: (lon, lat) for time, lon, lat in fixes}
    for trip in trips:
        if trip["state"] != "closed":
            assert trip["path"] is None
            continue
        points = paths.read(trip["path"])
        assert points[0][0] == trip["since"].replace(microsecond=0) and points[-1][0] == trip["until"]
        assert 2 <= len(points) <= motion.POINTS and all(load == 1 for *_, load in points)
        for at, lon, lat, _ in points[1:]:  # the first is the middle of the stay that it left
            assert (lon, lat) == pytest.approx(seen[int(at.timestamp()) * SECOND], abs=0.6e-5)
        assert len(points) == min(motion.POINTS, trip["fixes"])


def test_a_long_way_keeps_its_corners() -> None:
    """Four sides of a square in 400 fixes: each corner is among the few points that are kept."""
    corners = [(0.0, 0.0), (0.2, 0.0), (0.2, 0.2), (0.0, 0.2), (0.0, 0.01)]
    fixes, time = [], START
    for (x, y), (x2, y2) in itertools.pairwise(corners):
        for n in range(100):
            fixes.append((time, round(121 + x + (x2 - x) * n / 100, 6), round(32 + y + (y2 - y) * n / 100, 6)))
            time += 30 * SECOND
    fixes += [(time + n * 30 * SECOND, 121.0, 32.01) for n in range(40)]
    (trip,) = [
        each
        for each in Tracker(COLUMNS, Parameters()).run({}, rows(fixes)).records.trips("car").to_pylist()
        if each["state"] == "closed"
    ]
    points = {(lon, lat) for _, lon, lat, _ in paths.read(trip["path"])}
    assert {(121.2, 32.0), (121.2, 32.2), (121.0, 32.2)} <= points and len(points) <= motion.POINTS


def test_the_text_of_a_way() -> None:
    times = np.array([[1e12, 1.0e12 + 30e6, 0.0], [0.0, 0.0, 0.0], [1e12, 0.0, 0.0]])
    east = np.array([[-179.99999, 180.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    codes = (np.round((east + 180) * 1e5) * 18_000_001 + np.round((np.array([[-90.0], [0], [0]]) + 90) * 1e5)) * 8 + 4
    ways = np.stack([times, codes], axis=2).reshape(3, 6)
    text = paths.written(np.concatenate([np.zeros((1, 6)), ways]), np.array([1, 0, 2]))
    assert text.to_pylist() == ["1000000 -17999999 -9000000 3;30 35999999 0 3", None, ""]
    moment = datetime(1970, 1, 12, 13, 46, 40, tzinfo=UTC)
    assert paths.read(str(text[0])) == [
        (moment, -179.99999, -90.0, 3), (moment + timedelta(seconds=30), 180.0, -90.0, 3)
    ]  # fmt: skip
    assert paths.read("") == []
    for wrong in ("1 2 3", "1 2 3 x", ";", f"{10**30} 1 1 1"):
        with pytest.raises(Invalid, match="no way"):
            paths.read(wrong)


def test_a_state_of_another_version_begins_anew() -> None:
    fixes = [(START + n * 60 * SECOND, 121.0 + 0.003 * n, 32.0) for n in range(40)]
    one = Tracker(COLUMNS, Parameters())
    state = dict(one.run({}, rows(fixes[:20])).states["a"]) | {"size": 1}
    anew, fresh = one.run({"a": state}, rows(fixes[20:])), one.run({}, rows(fixes[20:]))
    assert dump_state(anew.states["a"]) == dump_state(fresh.states["a"])


def test_many_vehicles_are_followed_apart_and_a_dense_track_is_thinned() -> None:
    tables = [rows(drive(seed, 8), car=f"car {seed}") for seed in range(30)]
    done = tracker().run({}, pa.concat_tables(tables))
    for seed, table in enumerate(tables):
        number = done.records.names.index(f"car {seed}")
        chosen = np.flatnonzero(done.records.vehicle == number)
        alone = tracker().run({}, table).records
        mine = done.records.take(chosen)
        assert np.array_equal(mine.values[:, : motion.WAY], alone.values[:, : motion.WAY])
        named = [each.ways[each.values[:, motion.WAY].astype(int)] for each in (mine, alone)]
        assert np.array_equal(named[0][mine.values[:, motion.WAY] > 0], named[1][alone.values[:, motion.WAY] > 0])
        assert np.array_equal(mine.values[:, motion.WAY] > 0, alone.values[:, motion.WAY] > 0)
    second = [(START + n * SECOND, 121.0 + (0 if n < 1500 else 0.0003 * (n - 1500)), 32.0) for n in range(2000)]
    stay = Tracker(COLUMNS, Parameters()).run({}, rows(second)).records.stays("car").to_pylist()[-1]
    assert (stay["until"] - stay["since"]).total_seconds() == pytest.approx(1504, abs=3) and stay["state"] == "closed"


@given(
    points=st.lists(st.tuples(st.floats(-3, 13), st.floats(-3, 13)), min_size=1, max_size=20), seed=st.integers(0, 100)
)
@settings(max_examples=60, deadline=None)
def test_a_layer_finds_the_areas_of_a_position(points: list[tuple[float, float]], seed: int) -> None:
    dice = random.Random(seed)
    shapes: list[shapely.Geometry] = []
    for n in range(dice.randint(1, 12)):
        x, y = dice.uniform(0, 10), dice.uniform(0, 10)
        shape = shapely.Point(x, y).buffer(dice.uniform(0.05, 1.5), quad_segs=dice.randint(1, 8))
        if n % 3 == 0:
            shape = shape.difference(shapely.Point(x, y).buffer(0.04))
        shapes.append(shapely.MultiPolygon([shape, shapely.box(20 + n, 20, 20.5 + n, 21)]) if n % 4 == 1 else shape)
    try:
        layer = layer_of(shapes)
    except Invalid as error:
        assert "cover one place" in str(error)
        return
    for lon, lat in points:
        place = shapely.Point(lon, lat)
        assert found_in(layer, lon, lat) == [n for n, shape in enumerate(shapes) if shape.contains(place)]


def found_in(layer: Layer, lon: float, lat: float) -> list[int]:
    """The areas of a position, by way of the visits of a vehicle that is there once."""
    fix = rows([(START, lon, lat)])
    records = Tracker(COLUMNS, Parameters(), layer).run({}, fix).records.of(motion.VISIT)
    return sorted(records.values[:, motion.PLACE].astype(int).tolist())


def test_areas_that_are_drawn_anew_begin_new_visits() -> None:
    inside = [(START + n * 60 * SECOND, 121.03, 32.0) for n in range(60)]
    short = Parameters(lateness=timedelta(minutes=2))
    before = Tracker(COLUMNS, short, layer_of(AREAS)).run({}, rows(inside[:15]))
    again = Tracker(COLUMNS, short, layer_of(AREAS)).run(before.states, rows(inside[15:]))
    assert again.states["a"]["drawn"] == before.states["a"]["drawn"] and len(again.records.of(motion.VISIT).values) == 6
    moved = Tracker(COLUMNS, short, layer_of(AREAS[1:])).run(before.states, rows(inside[15:])).records.of(motion.VISIT)
    assert set(moved.values[:, motion.PLACE].tolist()) == {0.0}
    assert moved.column(motion.SINCE).min() > inside[10][0]


def test_layers_that_are_wrong_are_refused() -> None:
    with pytest.raises(Invalid, match="Point"):
        layer_of([shapely.Point(0, 0)])
    with pytest.raises(Invalid, match="area 2 is no area"):
        layer_of([shapely.box(0, 0, 1, 1), shapely.Polygon([(0, 0), (1, 1), (0, 1), (1, 0)])])
    with pytest.raises(Invalid, match="more than 4 areas"):
        layer_of([shapely.box(0, 0, 1 + n, 1) for n in range(5)])
    row = layer_of([shapely.box(n, 0, n + 1, 1) for n in range(9)])  # neighbours only touch
    assert found_in(row, 4.5, 0.5) == [4]
    assert found_in(layer_of([]), 4.5, 0.5) == []


def test_parameters_are_data() -> None:
    declared = {"radius_m": 80, "stay": "PT5M", "jumps": 2}
    parameters = Parameters.of(declared)
    assert (parameters.radius_m, parameters.stay, parameters.jumps) == (80, timedelta(minutes=5), 2)
    assert Parameters.of(parameters.declared()) == parameters
    for wrong in (
        {"radius": 80},
        {"radius_m": "far"},
        {"radius_m": -1},
        {"stay": "5 minutes"},
        {"stay": "PT0S"},
        {"jumps": True},
    ):
        with pytest.raises(Invalid):
            Parameters.of(wrong)


def test_a_real_track_is_what_the_definition_says() -> None:
    """An aircraft that circles for hours (data/SOURCE.md): silences, jumps, and waiting loops that are stays of a kind."""
    lines = (Path(__file__).parent / "data" / "relay-aircraft.csv").read_text("utf-8").splitlines()[1:]
    fixes = [(int(ms) * 1000, float(lon), float(lat)) for ms, lon, lat in (line.split(",") for line in lines)]
    micro = timedelta(microseconds=1)
    loops = Parameters(radius_m=8_000.0, stay=timedelta(minutes=5), speed_kmh=1200.0, trip_m=5_000.0, update=micro)
    for parameters, least in ((PARAMETERS, 4), (loops, 8)):
        found = shown(Tracker(COLUMNS, parameters).run({}, rows(fixes)).records)
        assert found == by_definition(matters(fixes, parameters, []))
        assert len(found) >= least
