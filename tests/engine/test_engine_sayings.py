"""What a table says already: whether a row says anything new, compared with the plain answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.engine.lake import Lake, TableSpec
from cityheart.kernel import limits
from cityheart.kernel.errors import BadRequest

BEGIN = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
COLUMNS = ["who", "at", "value", "note", "good"]
SCHEMA = pa.schema(
    [
        ("who", pa.string()), ("at", pa.timestamp("us", "UTC")), ("value", pa.float64()), ("note", pa.string()),
        ("good", pa.bool_()),
    ]
)  # fmt: skip
Row = tuple[str, int, float | None, str | None, bool]


def table(rows: list[Row], known: int = 0) -> pa.Table:
    """Rows as (who, minute, value, note, good), known some seconds after the beginning."""
    columns = list(zip(*rows, strict=True)) if rows else [[]] * 5
    at = [BEGIN + timedelta(minutes=minute) for minute in columns[1]]
    made = [columns[0], at, *columns[2:]]
    body = pa.table([pa.array(each, field.type) for each, field in zip(made, SCHEMA, strict=True)], schema=SCHEMA)
    stamp = pa.array([BEGIN + timedelta(seconds=known)] * len(rows), pa.timestamp("us", "UTC"))
    text = pa.array(["b"] * len(rows), pa.string())
    return body.append_column("_known_at", stamp).append_column("_source", text).append_column("_batch", text)


def lake(home: Path, name: str = "stream") -> Lake:
    made = Lake(home)
    made.ensure(TableSpec(name, ("who", "at"), "at", SCHEMA))
    return made


def test_what_was_said_is_known_and_what_differs_is_new(tmp_path: Path) -> None:
    """The same row again, another value, nothing where there was something, another key, minus nought."""
    stream = lake(tmp_path)
    first: list[Row] = [("a", 0, 1.5, "x", True), ("b", 0, None, None, False), ("c", 0, 0.0, "", True)]
    assert stream.unchanged("stream", table(first), COLUMNS).tolist() == [False] * 3
    stream.append("stream", table(first))
    assert stream.unchanged("stream", table(first), COLUMNS).tolist() == [True] * 3
    other: list[Row] = [
        ("a", 0, 1.5, "x", False), ("a", 0, None, "x", True), ("a", 1, 1.5, "x", True), ("b", 0, None, "", False),
        ("c", 0, -0.0, "", True), ("c", 0, 0.0, None, True),
    ]  # fmt: skip
    assert stream.unchanged("stream", table(other), COLUMNS).tolist() == [False, False, False, False, True, False]
    assert stream.unchanged("stream", table(first), ["who", "at"]).tolist() == [True] * 3


def test_it_is_learned_from_files_by_another_process(tmp_path: Path) -> None:
    """Also what a second process landed meanwhile, and after a compaction."""
    stream = lake(tmp_path)
    stream.append("stream", table([("a", 0, 1.0, "x", True)]))
    other = lake(tmp_path)
    assert other.unchanged("stream", table([("a", 0, 1.0, "x", True)]), COLUMNS).tolist() == [True]
    stream.append("stream", table([("a", 0, 2.0, "x", True), ("a", 60, 3.0, "y", True)], known=1))
    stream.compact("stream")
    asked = table(
        [("a", 0, 1.0, "x", True), ("a", 0, 2.0, "x", True), ("a", 60, 3.0, "y", True), ("a", 61, 3.0, "y", True)]
    )
    assert other.unchanged("stream", asked, COLUMNS).tolist() == [False, True, True, False]


def test_files_are_read_piece_by_piece_and_the_newest_version_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a compaction wrote what is old into the newest file."""
    monkeypatch.setattr(limits, "LAKE_ROW_GROUP", 2)
    monkeypatch.setattr(limits, "LAKE_PIECE_ROWS", 4)
    stream = lake(tmp_path)
    for turn in range(limits.LAKE_DAY_FILES):
        stream.append("stream", table([("a", 0, float(turn), "x", True)], known=turn))
    newest: list[Row] = [(f"v{number}", 0, 1.0, "y", True) for number in range(19)] + [("a", 0, 99.0, "x", True)]
    stream.append("stream", table(newest, known=60))
    assert stream.compact("stream", whole=False).files == limits.LAKE_DAY_FILES
    assert lake(tmp_path).unchanged("stream", table(newest), COLUMNS).all()
    assert not lake(tmp_path).unchanged("stream", table([("a", 0, 7.0, "x", True)]), COLUMNS).any()


def test_too_much_to_read_passes_for_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in memory and would take too long to read is not read; what lands from then on is known."""
    lake(tmp_path).append("stream", table([("a", 0, 1.0, "x", True), ("a", 1, 1.0, "x", True)]))
    monkeypatch.setattr(limits, "LAKE_SAYINGS_READ", 1)
    stream = lake(tmp_path)
    late = [("z", 45, 1.0, "x", True)]
    assert stream.unchanged("stream", table([("a", 0, 1.0, "x", True), *late]), COLUMNS).tolist() == [False, False]
    stream.append("stream", table(late))
    assert stream.unchanged("stream", table(late), COLUMNS).tolist() == [True]


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was forgotten is read again."""
    monkeypatch.setattr(limits, "LAKE_SAYINGS", 20)
    stream = lake(tmp_path)
    hours: list[list[Row]] = [[(f"v{i}", 10 * hour, float(i), None, True) for i in range(15)] for hour in range(8)]
    for hour in hours:
        assert not stream.unchanged("stream", table(hour), COLUMNS).any()
        stream.append("stream", table(hour))
    for hour in hours:
        assert stream.unchanged("stream", table(hour), COLUMNS).all()
    held = stream._table("stream").sayings
    assert held is not None
    assert sum(each.count for each in held._marks.values()) <= 30


def test_only_streams_have_it(tmp_path: Path) -> None:
    """A register is compared as it is."""
    register = Lake(tmp_path)
    register.ensure(TableSpec("register", ("who",), "at", SCHEMA))
    with pytest.raises(BadRequest):
        register.unchanged("register", table([("a", 0, 1.0, "x", True)]), COLUMNS)


row = st.tuples(
    st.sampled_from("abc"), st.sampled_from([0, 5, 29, 31, 40, 700]), st.sampled_from([None, 0.0, 1.0, 2.5]),
    st.sampled_from([None, "", "x"]), st.booleans(),
)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(batches=st.lists(st.lists(row, min_size=1, max_size=6, unique_by=lambda each: each[:2]), min_size=1, max_size=6))
def test_it_says_what_a_dictionary_would(batches: list[list[Row]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever lands in whatever order, over midnight too."""
    stream = lake(tmp_path_factory.mktemp("lake"))
    newest: dict[tuple[str, int], Row] = {}
    for number, rows in enumerate(batches):
        answers = stream.unchanged("stream", table(rows), COLUMNS).tolist()
        assert answers == [newest.get(each[:2]) == each for each in rows]
        stream.append("stream", table(rows, known=number))
        newest |= {each[:2]: each for each in rows}
