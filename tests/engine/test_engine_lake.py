"""The lake: what is current, what was known, what has changed, and what survives."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityheart.engine.compaction import Compactor
from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.layout import TIMESTAMP
from cityheart.kernel import limits
from cityheart.kernel.errors import BadRequest, Conflict, Invalid, NotFound

START = datetime(2015, 12, 1, tzinfo=UTC)

AIR = TableSpec(
    "air_hourly",
    ("station", "observed_at"),
    "observed_at",
    pa.schema([("station", pa.string()), ("observed_at", TIMESTAMP), ("pm25", pa.float64())]),
)
FIRMS = TableSpec(
    "firms",
    ("firm",),
    "updated_at",
    pa.schema(
        [
            ("firm", pa.string()),
            ("updated_at", TIMESTAMP),
            ("name", pa.string()),
            ("lon", pa.float64()),
            ("lat", pa.float64()),
        ]
    ),
    "lon",
    "lat",
)


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


def air(rows: list[tuple[str, datetime, float, datetime]], **more: list[object]) -> pa.Table:
    """Rows (station, observed at, pm25, known at) as a source lands them."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return pa.table(
        {
            "station": pa.array(columns[0], pa.string()),
            "observed_at": pa.array(columns[1], TIMESTAMP),
            "pm25": pa.array(columns[2], pa.float64()),
            "_known_at": pa.array(columns[3], TIMESTAMP),
            "_source": pa.array(["ecology.air"] * len(rows)),
            "_batch": pa.array(["b"] * len(rows)),
            **more,
        }
    )


def day(number: int, *, stations: int = 3, pm25: float = 50.0) -> pa.Table:
    """One day of hourly readings, known at the end of the day."""
    return air(
        [
            (f"s{station}", hours(24 * number + hour), pm25 + station, hours(24 * number + 24))
            for hour in range(24)
            for station in range(stations)
        ]
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.ensure(AIR)
    return lake


def facts(rows: pa.Table) -> set[tuple[object, ...]]:
    return {
        (row["station"], row["observed_at"], row["pm25"])
        for row in rows.select(["station", "observed_at", "pm25"]).to_pylist()
    }


def test_a_later_version_replaces_an_earlier_one_and_both_stay(lake: Lake) -> None:
    lake.append("air_hourly", air([("a", hours(0), 10.0, hours(1)), ("b", hours(0), 20.0, hours(1))]))
    lake.append("air_hourly", air([("a", hours(0), 11.0, hours(5))]))

    assert facts(lake.current("air_hourly")) == {("a", hours(0), 11.0), ("b", hours(0), 20.0)}
    assert facts(lake.current("air_hourly", at=hours(4))) == {("a", hours(0), 10.0), ("b", hours(0), 20.0)}
    assert facts(lake.current("air_hourly", at=hours(0.5))) == set()
    assert lake.query("SELECT count(*) AS n FROM air_hourly__versions")["n"].to_pylist() == [3]
    assert lake.query("SELECT pm25 FROM air_hourly WHERE station = 'a'")["pm25"].to_pylist() == [11.0]
    assert lake.query("SELECT pm25 FROM air_hourly WHERE station = 'a'", at=hours(4))["pm25"].to_pylist() == [10.0]


def test_of_versions_known_at_the_same_moment_the_last_landed_counts(lake: Lake) -> None:
    lake.append("air_hourly", air([("a", hours(0), 1.0, hours(1)), ("a", hours(0), 2.0, hours(1))]))
    assert lake.current("air_hourly")["pm25"].to_pylist() == [2.0]
    lake.append("air_hourly", air([("a", hours(0), 3.0, hours(1))]))
    assert lake.current("air_hourly")["pm25"].to_pylist() == [3.0]
    lake.append("air_hourly", air([("a", hours(0), 4.0, hours(0.5))]))  # landed later, known earlier
    assert lake.current("air_hourly")["pm25"].to_pylist() == [3.0]


def test_time_keeps_the_window_to_the_microsecond(lake: Lake) -> None:
    for number in range(4):
        lake.append("air_hourly", day(number))
    window = (hours(30), hours(54))
    expected = {hours(hour) for hour in range(30, 54)}
    rows = lake.current("air_hourly", time=window, columns=["observed_at"])
    assert rows.column_names == ["observed_at"]
    assert set(rows["observed_at"].to_pylist()) == expected
    for view in ("air_hourly", "air_hourly__versions"):
        rows = lake.query(f"SELECT DISTINCT observed_at FROM {view}", time=window)
        assert set(rows["observed_at"].to_pylist()) == expected


def test_a_fact_that_moved_out_of_the_window_is_not_shown_as_it_was(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.ensure(FIRMS)
    old = firm("f1", hours(0), "Old", hours(1))
    new = firm("f1", hours(48), "New", hours(49))
    lake.append("firms", old)
    lake.append("firms", new)
    assert lake.current("firms", time=(hours(0), hours(24))).num_rows == 0
    assert lake.current("firms", time=(hours(0), hours(24)), at=hours(2))["name"].to_pylist() == ["Old"]
    assert lake.current("firms")["name"].to_pylist() == ["New"]


def firm(key: str, updated: datetime, name: str, known: datetime, lon: float = 120.9, lat: float = 32.0) -> pa.Table:
    return pa.table(
        {
            "firm": [key],
            "updated_at": pa.array([updated], TIMESTAMP),
            "name": [name],
            "lon": [lon],
            "lat": [lat],
            "_known_at": pa.array([known], TIMESTAMP),
            "_source": ["register"],
            "_batch": ["b"],
        }
    )


Landing = list[list[tuple[str, int, int, int]]]
LANDINGS: st.SearchStrategy[Landing] = st.lists(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.integers(0, 9), st.integers(0, 60)),
        min_size=1,
        max_size=8,
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    landings=LANDINGS,
    moments=st.lists(st.integers(-1, 61), min_size=1, max_size=3),
    window=st.tuples(st.integers(0, 50), st.integers(0, 50)),
    compact=st.booleans(),
    large=st.booleans(),
)
def test_current_and_as_of_equal_a_plain_model(
    tmp_path_factory: pytest.TempPathFactory,
    landings: Landing,
    moments: list[int],
    window: tuple[int, int],
    compact: bool,
    large: bool,
) -> None:
    """Rows with versions in any order of knowledge; from memory and from files; before and after compaction."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    lake.ensure(AIR)
    for landing in landings:
        rows = [(key, hours(hour), float(value), hours(known)) for key, hour, value, known in landing]
        lake.append("air_hourly", air(rows))
    if compact:
        lake.compact("air_hourly")
        lake = Lake(lake.home)
    time = (hours(min(window)), hours(max(window)))
    with pytest.MonkeyPatch.context() as patch:
        if large:
            patch.setattr(limits, "LAKE_MEMORY_ROWS", 0)
        for moment in [*moments, None]:
            model: dict[tuple[str, datetime], tuple[datetime, float]] = {}
            for landing in landings:
                for key, hour, value, known in landing:
                    fact = (key, hours(hour))
                    if (moment is None or known <= moment) and (fact not in model or hours(known) >= model[fact][0]):
                        model[fact] = (hours(known), float(value))
            expected = {(key, when, value) for (key, when), (_, value) in model.items()}
            inside = {fact for fact in expected if time[0] <= fact[1] < time[1]}  # type: ignore[operator]
            at = None if moment is None else hours(moment)
            sql = "SELECT station, observed_at, pm25 FROM air_hourly"
            assert facts(lake.current("air_hourly", at=at)) == expected
            assert facts(lake.current("air_hourly", at=at, time=time)) == inside
            assert facts(lake.query(sql, at=at)) == expected
            answer = lake.query(sql, at=at, time=time)
            assert facts(answer) == inside and answer.num_rows == len(inside)


def test_the_same_transaction_lands_once(lake: Lake) -> None:
    first = lake.append("air_hourly", day(0), transaction=("ecology.air", 1))
    again = lake.append("air_hourly", day(0), transaction=("ecology.air", 1))
    older = lake.append("air_hourly", day(0), transaction=("ecology.air", 0))
    other = lake.append("air_hourly", day(1), transaction=("weather", 1))
    assert (again, older, other) == (first, first, first + 1)
    reopened = Lake(lake.home)
    assert reopened.append("air_hourly", day(0), transaction=("ecology.air", 1)) == other
    assert reopened.query("SELECT count(*) AS n FROM air_hourly__versions")["n"].to_pylist() == [144]


def test_a_batch_without_rows_counts_as_landed(lake: Lake) -> None:
    version = lake.append("air_hourly", air([]), transaction=("ecology.air", 1))
    assert lake.append("air_hourly", day(0), transaction=("ecology.air", 1)) == version
    assert lake.changes("air_hourly", 0).rows.num_rows == 0
    assert lake.query("SELECT count(*) AS n FROM air_hourly")["n"].to_pylist() == [0]


def test_missing_keys_and_values_are_kept_as_they_are(lake: Lake) -> None:
    rows = air([("a", hours(1), 1.0, hours(1)), ("b", hours(1), 2.0, hours(2))])
    rows = rows.set_column(0, "station", pa.nulls(2)).set_column(2, "pm25", pa.array([1.0, None]))
    lake.append("air_hourly", rows)
    for reader in (lake, Lake(lake.home)):
        assert facts(reader.current("air_hourly")) == {(None, hours(1), None)}


def test_a_repeat_is_known_after_a_checkpoint(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append("air_hourly", day(0), transaction=("ecology.air", 7))
    monkeypatch.setattr(limits, "LAKE_CHECKPOINT", 1)
    lake.compact("air_hourly")
    log = lake.home / "air_hourly" / "_delta_log"
    assert (log / "_last_checkpoint").exists()
    for commit in log.glob("*.json"):
        commit.unlink()  # as the clean-up of old logs does
    reopened = Lake(lake.home)
    version = reopened.version("air_hourly")
    assert reopened.append("air_hourly", day(0), transaction=("ecology.air", 7)) == version
    assert reopened.append("air_hourly", day(1), transaction=("ecology.air", 8)) == version + 1
    assert reopened.current("air_hourly").num_rows == 144
    assert reopened.spec("air_hourly").key == AIR.key


def test_a_checkpoint_cut_short_by_a_crash_is_passed_over(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append("air_hourly", day(0))
    monkeypatch.setattr(limits, "LAKE_CHECKPOINT", 1)
    lake.compact("air_hourly")
    (checkpoint,) = (lake.home / "air_hourly" / "_delta_log").glob("*.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert Lake(lake.home).current("air_hourly").num_rows == 72


def test_a_table_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    cut = tmp_path / "air_hourly" / "_delta_log"
    cut.mkdir(parents=True)
    (cut / f"{0:020}.json").touch()
    lake = Lake(tmp_path)
    assert lake.tables() == []
    lake.ensure(AIR)
    lake.append("air_hourly", day(0))
    assert Lake(tmp_path).current("air_hourly").num_rows == 72


def test_columns_that_drift_in_are_kept(lake: Lake) -> None:
    lake.append("air_hourly", day(0))
    lake.append("air_hourly", air([("a", hours(24), 1.0, hours(25))], wind=["NW"]))
    lake.append("air_hourly", day(2))  # a source that still has the old header
    assert lake.spec("air_hourly").schema.field("wind").type == pa.string()
    assert lake.query("SELECT station, wind FROM air_hourly WHERE wind IS NOT NULL").to_pylist() == [
        {"station": "a", "wind": "NW"}
    ]
    assert lake.current("air_hourly")["wind"].null_count == 144
    assert lake.changes("air_hourly", 0).rows.num_rows == 145
    reopened = Lake(lake.home)
    assert reopened.current("air_hourly")["wind"].null_count == 144
    assert reopened.compact("air_hourly").files == 0
    assert DeltaTable(lake.home / "air_hourly").to_pyarrow_table()["wind"].null_count == 144


def test_columns_of_a_later_spec_are_added_and_read_from_old_files(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append("air_hourly", day(0))
    wider = pa.schema([*AIR.schema, ("no2", pa.float64()), ("tags", pa.list_(pa.string())), ("checked", pa.bool_())])
    lake.ensure(TableSpec(AIR.name, AIR.key, AIR.time, wider))
    assert lake.spec("air_hourly").schema == wider
    monkeypatch.setattr(limits, "LAKE_MEMORY_ROWS", 0)  # by the SQL engine from the files
    assert lake.query("SELECT count(*) AS n, count(no2) AS m FROM air_hourly").to_pylist() == [{"n": 72, "m": 0}]
    lake.append("air_hourly", air([("a", hours(1), 1.0, hours(2))], no2=[40.0], tags=[["x"]], checked=[True]))
    row = lake.query("SELECT no2, tags, checked FROM air_hourly WHERE station = 'a'").to_pylist()
    assert row == [{"no2": 40.0, "tags": ["x"], "checked": True}]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (air([("a", hours(0), 1.0, hours(1))]).drop_columns(["_known_at"]), "without _known_at"),
        (air([("a", hours(0), 1.0, hours(1))]).drop_columns(["observed_at"]), "without observed_at"),
        (
            air([("a", hours(0), 1.0, hours(1))]).set_column(1, "observed_at", pa.nulls(1, TIMESTAMP)),
            "without a value in observed_at",
        ),
        (
            air([("a", hours(0), 1.0, hours(1))]).set_column(2, "pm25", pa.array(["high"])),
            "'pm25' is double",
        ),
        (air([("a", hours(0), 1.0, hours(1))], seen=pa.array([START.replace(tzinfo=None)])), "without a zone"),
        (air([("a", hours(0), 1.0, hours(1))], _rank=pa.array([1])), "the lake's own"),
    ],
)
def test_rows_that_do_not_fit_are_refused_whole(lake: Lake, rows: pa.Table, words: str) -> None:
    before = lake.version("air_hourly")
    with pytest.raises(Invalid, match=words):
        lake.append("air_hourly", rows)
    assert lake.version("air_hourly") == before
    assert lake.current("air_hourly").num_rows == 0


def test_a_table_keeps_its_key(lake: Lake) -> None:
    lake.ensure(AIR)
    with pytest.raises(Conflict, match="exists with key"):
        lake.ensure(TableSpec("air_hourly", ("station",), AIR.time, AIR.schema))
    with pytest.raises(Conflict, match="is double in the lake"):
        lake.ensure(TableSpec("air_hourly", AIR.key, AIR.time, AIR.schema.set(2, pa.field("pm25", pa.string()))))
    for name in ("../air", "air hourly", "air__versions", "Air"):
        with pytest.raises(Invalid, match="no table name"):
            lake.ensure(TableSpec(name, AIR.key, AIR.time, AIR.schema))
    with pytest.raises(NotFound):
        lake.current("../lake/air_hourly")
    assert lake.tables() == ["air_hourly"]


def test_changes_hand_over_what_landed_in_its_order(lake: Lake) -> None:
    start = lake.version("air_hourly")
    lake.append("air_hourly", day(1))
    middle = lake.changes("air_hourly", start)
    backwards = day(0).take(list(range(71, -1, -1)))
    lake.append("air_hourly", backwards)
    after = lake.changes("air_hourly", middle.version)
    assert after.rows.select(["station", "observed_at"]).equals(backwards.select(["station", "observed_at"]))
    nothing = lake.changes("air_hourly", after.version)
    assert (nothing.rows.num_rows, nothing.version) == (0, after.version)
    assert nothing.rows.schema == after.rows.schema
    with pytest.raises(BadRequest, match="none 99 yet"):
        lake.changes("air_hourly", 99)


def test_changes_are_the_same_after_restart_compaction_and_clean_up(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = lake.version("air_hourly")
    versions = [lake.append("air_hourly", day(0, pm25=float(turn))) for turn in range(10)]
    hot = lake.changes("air_hourly", versions[4]).rows
    assert hot.num_rows == 5 * 72

    monkeypatch.setattr(limits, "LAKE_CHECKPOINT", 1)
    monkeypatch.setattr(limits, "LAKE_RETENTION_HOURS", 0)
    done = lake.compact("air_hourly")
    assert (done.files, done.into, done.rows) == (10, 1, 720)
    assert [path.name for path in lake.files("air_hourly")] == [
        path.name for path in sorted((lake.home / "air_hourly").glob("_day=*/*.parquet"))
    ]
    for reader in (lake, Lake(lake.home)):
        again = reader.changes("air_hourly", versions[4])
        assert again.rows.equals(hot)
        assert again.version > versions[-1]
        assert reader.changes("air_hourly", again.version).rows.num_rows == 0
        assert reader.changes("air_hourly", start).rows.num_rows == 720
        assert set(reader.current("air_hourly")["pm25"].to_pylist()) == {9.0, 10.0, 11.0}


def test_a_merged_file_holds_every_text_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row group carries the words of its own rows; with those of the whole day a day of messages is many times as large."""
    monkeypatch.setattr(limits, "LAKE_ROW_GROUP", 24)
    words = [[f"message {turn} {number}" for number in range(72)] for turn in range(10)]
    for turn, said in enumerate(words):
        lake.append("air_hourly", day(0, pm25=float(turn)).append_column("said", pa.array(said)))
    assert lake.compact("air_hourly").into == 1
    (file,) = lake.files("air_hourly")
    with pq.ParquetFile(file) as merged:
        place = merged.schema_arrow.names.index("said")
        groups = [merged.metadata.row_group(number) for number in range(merged.num_row_groups)]
        assert [group.num_rows for group in groups] == [24] * 30
        assert max(group.column(place).total_uncompressed_size for group in groups) < 24 * len("message 0 00") * 3
        assert sorted(merged.read()["said"].to_pylist()) == sorted(word for said in words for word in said)


def test_what_landed_lately_is_kept_within_a_bound_of_all_tables(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    second = TableSpec("air_second", AIR.key, AIR.time, AIR.schema)
    lake.ensure(second)
    start = {name: lake.version(name) for name in ("air_hourly", "air_second")}
    size = lake.changes("air_hourly", lake.append("air_hourly", day(0)) - 1).rows.nbytes
    monkeypatch.setattr(limits, "LAKE_RECENT_TOGETHER_BYTES", 3 * size)
    for number in range(1, 4):
        lake.append("air_second", day(number))
        lake.append("air_hourly", day(number))
    held = {name: [version for version, *_ in lake._table(name).recent] for name in start}
    assert {name: len(versions) for name, versions in held.items()} == {"air_hourly": 2, "air_second": 2}
    for name, version in start.items():
        for after in range(version, lake.version(name)):
            assert lake.changes(name, after).rows.equals(Lake(lake.home).changes(name, after).rows)


def test_another_process_on_the_same_folder_is_seen(lake: Lake) -> None:
    other = Lake(lake.home)
    first = lake.append("air_hourly", day(0))
    assert other.version("air_hourly") == first
    second = other.append("air_hourly", day(1))
    assert lake.changes("air_hourly", first).rows.num_rows == 72
    third = lake.append("air_hourly", day(2))
    assert third == second + 1
    assert lake.changes("air_hourly", 0).rows.num_rows == 216
    assert other.current("air_hourly").num_rows == 216


def test_writers_and_a_compactor_at_once_lose_and_double_nothing(lake: Lake) -> None:
    """Three handles on one folder, as three processes would have: two landing, one compacting all the time."""
    turns, failures = 25, []
    done = threading.Event()

    def write(name: str) -> None:
        handle = Lake(lake.home)
        try:
            for turn in range(turns):
                handle.append("air_hourly", air([(f"{name}{turn}", hours(turn % 3), 1.0, hours(9))]))
        except Exception as error:
            failures.append(error)

    def compact() -> None:
        handle = Lake(lake.home)
        try:
            while not done.is_set():
                handle.compact("air_hourly")
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in "xy"]
    compactor = threading.Thread(target=compact)
    compactor.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    compactor.join()
    assert failures == []
    rows = lake.current("air_hourly")
    assert sorted(rows["station"].to_pylist()) == sorted(f"{name}{turn}" for name in "xy" for turn in range(turns))
    seq = lake.changes("air_hourly", 0).rows["_seq"].to_pylist()
    assert len(set(seq)) == 2 * turns == len(seq)
    lake.compact("air_hourly")
    assert len(lake.files("air_hourly")) == 1


def test_the_background_compactor_takes_days_with_many_files(lake: Lake) -> None:
    compactor = Compactor(lake, seconds=0.001)
    lake.append("air_hourly", day(5))
    for hour in range(limits.LAKE_DAY_FILES - 1):
        lake.append("air_hourly", air([("a", hours(hour), 1.0, hours(hour))]))
    assert compactor.run() == {}
    lake.append("air_hourly", air([("b", hours(0), 1.0, hours(1))]))
    before = lake.current("air_hourly").num_rows
    assert compactor.run()["air_hourly"].files == limits.LAKE_DAY_FILES
    assert len(lake.files("air_hourly")) == 2
    assert lake.current("air_hourly").num_rows == before
    compactor.start()
    compactor.stop()
    assert compactor.problems == {}


def test_every_delta_reader_reads_the_table(lake: Lake) -> None:
    lake.append("air_hourly", day(0), transaction=("ecology.air", 3))
    lake.append("air_hourly", day(1))
    table = DeltaTable(lake.home / "air_hourly")
    assert table.version() == lake.version("air_hourly")
    assert table.transaction_version("ecology.air") == 3
    assert table.to_pyarrow_table().num_rows == 144
    assert table.to_pyarrow_table(filters=pc.field("observed_at") >= hours(24)).num_rows == 72
    assert facts(table.to_pyarrow_table()) == facts(lake.current("air_hourly"))


def test_rows_lie_by_day_cell_and_time(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.ensure(FIRMS)
    rng = np.random.default_rng(3)
    rows = pa.concat_tables(
        [
            firm(f"f{turn}", hours(float(rng.uniform(0, 47))), "n", hours(48), *rng.uniform((120, 31), (121, 32)))
            for turn in range(200)
        ]
        + [firm("nowhere", hours(1), "n", hours(48), float("nan"), 31.0)]
    )
    lake.append("firms", rows)
    files = lake.files("firms")
    assert [path.parent.name for path in files] == ["_day=2015-12-01", "_day=2015-12-02"]
    for path in files:
        part = pq.read_table(path, partitioning=None)
        order = list(zip(part["_cell"].to_pylist(), part["updated_at"].to_pylist(), strict=True))
        assert order == sorted(order)
    cells = dict(zip(*[lake.current("firms")[name].to_pylist() for name in ("firm", "_cell")], strict=True))
    assert cells["nowhere"] == 0 and all(cell > 0 for key, cell in cells.items() if key != "nowhere")


def test_a_box_in_sql(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.ensure(FIRMS)
    lake.append(
        "firms",
        pa.concat_tables([firm("in", hours(1), "通州", hours(2)), firm("out", hours(1), "x", hours(2), 10.0, 10.0)]),
    )
    sql = """
        SELECT firm, name FROM firms
        WHERE ST_Intersects(ST_Point(lon, lat), ST_GeomFromText($box))
    """
    box = "POLYGON((120 31, 121 31, 121 33, 120 33, 120 31))"
    assert lake.query(sql, {"box": box}).to_pylist() == [{"firm": "in", "name": "通州"}]
