"""Points in areas are what shapely says, on any areas: ragged, nested, with holes, in parts, degenerate, edge upon edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.engine import polygons, within
from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.layout import TIMESTAMP
from cityheart.engine.polygons import Polygons
from cityheart.kernel import limits
from cityheart.kernel.errors import BadRequest

START = datetime(2026, 3, 24, tzinfo=UTC)
Pairs = list[tuple[int, int]]


def agreed(shapes: list[shapely.Geometry], x: np.ndarray, y: np.ndarray) -> Pairs:
    """The pairs, after a look at shapely's."""
    point, area = Polygons(shapes).pairs(x, y)
    held = np.array([shapely.intersects_xy(shape, x, y) for shape in shapes]).reshape(len(shapes), len(x))
    expected = np.argwhere(held.T)
    found = list(zip(point.tolist(), area.tolist(), strict=True))
    assert found == [tuple(each) for each in expected.tolist()]
    return found


def star(rng: np.random.Generator, corners: int, size: float) -> shapely.Polygon:
    centre = rng.uniform(0, 10, 2)
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    far = size * rng.uniform(0.2, 1.0, corners)
    return shapely.Polygon(np.column_stack([np.cos(angle), np.sin(angle)]) * far[:, None] + centre)


@pytest.mark.parametrize("seed", range(3))
def test_random_areas(seed: int) -> None:
    """Hundreds of star-shaped areas with holes and parts; as many points beside their corners and edges as anywhere."""
    rng = np.random.default_rng(seed)
    shapes: list[shapely.Geometry] = [
        star(rng, int(rng.integers(3, 60)), 10 ** rng.uniform(-2, 0.7)) for _ in range(80)
    ]
    shapes += [one.difference(other) for one, other in zip(shapes[:20], shapes[20:40], strict=True)]
    shapes += [shapely.union_all(shapes[start : start + 3]) for start in range(0, 60, 3)]
    corners = shapely.get_coordinates(np.array(shapes, dtype=object))
    some = corners[rng.integers(0, len(corners), 3_000)]
    middle = (some[:-1] + some[1:]) / 2
    beside = some + rng.normal(0, 1e-9, some.shape)
    anywhere = rng.uniform(-2, 12, (6_000, 2))
    x, y = np.concatenate([some, middle, beside, anywhere]).T
    assert len(agreed(shapes, x, y)) > 5_000


lattice = st.tuples(st.integers(0, 6), st.integers(0, 6))


@st.composite
def areas(draw: st.DrawFn) -> shapely.Geometry:
    """Areas on a lattice, where points fall on edges and corners all the time; not all are valid."""
    ring = draw(st.lists(lattice, min_size=3, max_size=9))
    drawn = shapely.Polygon(ring)
    form = draw(st.sampled_from(["raw", "valid", "hull", "holed", "parts", "line", "empty"]))
    if form == "raw":
        return drawn
    if form == "hull":
        return drawn.convex_hull
    if form == "line":
        return shapely.LineString(ring)
    if form == "empty":
        return shapely.Polygon()
    whole = shapely.make_valid(drawn)
    if form == "holed":
        return shapely.box(-1, -1, 7, 7).difference(whole)
    if form == "parts":
        return shapely.union_all([whole, shapely.box(2, 2, 3, 3), shapely.box(9, 0, 11, 5)])
    return whole


@settings(max_examples=150, deadline=None)
@given(st.lists(areas(), min_size=1, max_size=5), st.sampled_from([1.0, 0.1, 1e-7, 1e6]), st.sampled_from([0.0, 121.3]))
def test_points_on_edges_and_corners(shapes: list[shapely.Geometry], scale: float, shift: float) -> None:
    moved = [shapely.transform(each, lambda points: points * scale + shift) for each in shapes]
    x, y = (each.ravel() * scale + shift for each in np.meshgrid(np.arange(-2, 12, 0.5), np.arange(-2, 9, 0.5)))
    agreed(moved, np.append(x, [np.nan, np.inf, -np.inf]), np.append(y, [shift, shift, np.nan]))


def test_nothing_gives_nothing() -> None:
    for shapes in ([], [shapely.Polygon()]):
        prepared = Polygons(shapes)
        assert prepared.pairs(np.array([1.0]), np.array([1.0]))[0].tolist() == []
        assert prepared.counts(np.array([1.0]), np.array([1.0])).tolist() == [0] * len(shapes)
    assert Polygons([shapely.box(0, 0, 1, 1)]).pairs(np.zeros(0), np.zeros(0))[1].tolist() == []


def test_many_points_are_shared_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces of a long run of points, more pairs than there was room for, come together in order."""
    monkeypatch.setattr(polygons, "_POINTS", 100)
    rng = np.random.default_rng(7)
    nested = [shapely.Point(5, 5).buffer(size) for size in np.linspace(0.5, 6, 40)]
    x, y = rng.uniform(0, 10, (2, 5_050))
    found = agreed(nested, x, y)
    assert len(found) > 4 * len(x)
    assert Polygons(nested).counts(x, y).tolist() == np.bincount([area for _, area in found]).tolist()


# ── positions of the lake ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr(limits, "LAKE_ROW_GROUP", 50)
    monkeypatch.setattr(within, "_GROUPS", 2)
    lake = Lake(tmp_path)
    columns = [("car", pa.string()), ("at", TIMESTAMP), ("lon", pa.float64()), ("lat", pa.float64())]
    lake.ensure(TableSpec("fixes", ("car", "at"), "at", pa.schema(columns), lon="lon", lat="lat"))
    lake.ensure(TableSpec("words", ("car",), "at", pa.schema(columns[:2])))
    return lake


def fixes(rng: np.random.Generator, day: int, rows: int, known: timedelta) -> pa.Table:
    """Positions of one day, some of them unknown; their keys are those of every call for the day."""
    begun = START + timedelta(days=day)
    at = [begun + timedelta(seconds=number) for number in range(rows)]
    lon, lat = rng.uniform(120, 122, rows), rng.uniform(31, 33, rows)
    table = {
        "car": [f"c{number % 7}" for number in range(rows)],
        "at": pa.array(at, TIMESTAMP),
        "lon": pa.array(lon, mask=rng.uniform(size=rows) < 0.02),
        "lat": lat,
        "_known_at": pa.array([begun + known] * rows, TIMESTAMP),
        "_source": ["s"] * rows,
        "_batch": ["b"] * rows,
    }
    return pa.table(table)


def test_positions_of_a_table_are_counted_as_of_any_moment(lake: Lake) -> None:
    """From files that are read in part, from days in which rows have later versions, and within a time."""
    rng = np.random.default_rng(3)
    day = timedelta(days=1)
    for number in range(3):
        lake.append("fixes", fixes(rng, number, 2_000, day))
    lake.append("fixes", fixes(rng, 1, 900, 5 * day))  # corrections of the second day
    drawn = [shapely.Point(*rng.uniform([120, 31], [122, 33])).buffer(0.05) for _ in range(12)]
    drawn += [shapely.box(100, 20, 101, 21), shapely.box(119, 30, 123, 34)]
    prepared = Polygons(drawn)
    moments = (None, START + 2 * day, START + 4 * day, START + 7 * day)
    windows = (None, (START + 0.5 * day / 24, START + 1.01 * day), (START + 2 * day, START + 9 * day))
    for at in moments:
        for time in windows:
            rows = lake.current("fixes", at=at, time=time)
            lon, lat = (np.asarray(rows[name].to_numpy(), dtype=np.float64) for name in ("lon", "lat"))
            expected = [int(shapely.intersects_xy(shape, lon, lat).sum()) for shape in drawn]
            assert lake.counts("fixes", prepared, at=at, time=time).tolist() == expected
    assert lake.counts("fixes", prepared)[-1] > 5_000
    lake.compact("fixes")
    assert lake.counts("fixes", prepared)[-1] == sum(lake.current("fixes")["lon"].is_valid().to_pylist())


def test_a_table_without_positions_has_none_to_count(lake: Lake) -> None:
    with pytest.raises(BadRequest, match="position"):
        lake.counts("words", Polygons([shapely.box(0, 0, 1, 1)]))
