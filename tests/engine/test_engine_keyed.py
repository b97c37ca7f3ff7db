"""Keyed runs: order, states, cuts into batches, and states as bytes."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityheart.engine.keyed import ALL, State, Step, dump_state, load_state, run_keyed
from cityheart.engine.layout import TIMESTAMP
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge

START = datetime(2015, 12, 1, tzinfo=UTC)


@dataclass
class Rises:
    """Finds a value above the one before, per key; an order-sensitive step."""

    key: str | None = "car"
    started: list[str] = field(default_factory=list)

    def init(self, key: str) -> State:
        self.started.append(key)
        return {"key": key, "last": None, "seen": np.zeros(0, dtype=np.int64)}

    def step(self, state: State, batch: pa.Table) -> Step[tuple[str, int]]:
        values = batch["value"].to_numpy()
        last, seen = state["last"], state["seen"]
        assert last is None or isinstance(last, int)
        assert isinstance(seen, np.ndarray)
        before = np.r_[values[:1] if last is None else last, values[:-1]]
        key = str(state["key"])
        findings = [(key, int(value)) for value in values[values > before]]
        new: State = {"key": key, "last": int(values[-1]), "seen": np.r_[seen, values]}
        return Step(new, findings, {"rises": pa.table({"car": [key] * len(findings)})})


def rows(items: list[tuple[str | None, int, int, int]]) -> pa.Table:
    """(car, known at hour, event hour, value)"""
    car, known, at, value = zip(*items, strict=True) if items else ((), (), (), ())
    return pa.table(
        {
            "car": pa.array(car, pa.string()),
            "_known_at": pa.array([START + timedelta(hours=hour) for hour in known], TIMESTAMP),
            "at": pa.array([START + timedelta(hours=hour) for hour in at], TIMESTAMP),
            "value": pa.array(value, pa.int64()),
        }
    )


def test_each_key_is_stepped_once_in_the_order_of_knowledge() -> None:
    step = Rises()
    ran = run_keyed(
        step, {}, rows([("b", 2, 0, 5), ("a", 1, 9, 2), ("a", 0, 3, 1), ("b", 1, 0, 9), ("a", 1, 4, 3)]), time="at"
    )
    assert step.started == ["a", "b"]
    assert ran.findings == [("a", 3)]  # 1, then 3 (event hour 4) before 2 (event hour 9)
    assert ran.states["b"]["last"] == 5
    assert ran.outputs["rises"]["car"].to_pylist() == ["a"]
    assert ran.skipped == 0


def test_a_state_given_is_continued_and_left_as_it_is() -> None:
    given_state: State = {"key": "a", "last": 4, "seen": np.array([4])}
    ran = run_keyed(Rises(), {"a": given_state, "z": given_state}, rows([("a", 0, 0, 5), (None, 0, 0, 1)]), time="at")
    assert ran.findings == [("a", 5)]
    assert set(ran.states) == {"a"}
    assert given_state["last"] == 4
    assert ran.skipped == 1


def test_one_key_for_all_and_nothing_at_all() -> None:
    ran = run_keyed(Rises(key=None), {}, rows([("b", 0, 0, 1), ("a", 1, 0, 2)]), time="at")
    assert list(ran.states) == [ALL] and ran.findings == [(ALL, 2)]
    empty = run_keyed(Rises(), {}, rows([]), time="at")
    assert (empty.states, empty.findings, empty.outputs) == ({}, [], {})


def test_keys_that_are_numbers_and_chunks_with_other_dictionaries() -> None:
    parts = [rows([("x", 0, 0, 1)]), rows([("y", 0, 0, 1), ("x", 1, 0, 2)])]
    table = pa.concat_tables(
        [part.set_column(0, "car", part["car"].combine_chunks().dictionary_encode()) for part in parts]
    )
    assert run_keyed(Rises(), {}, table, time="at").findings == [("x", 2)]
    numbers = parts[1].set_column(0, "car", pa.array([7, 7]))
    assert list(run_keyed(Rises(), {}, numbers, time="at").states) == ["7"]


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(0, 5), st.integers(0, 9))),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    seed=st.integers(0, 9),
)
def test_cuts_and_saved_states_change_nothing(
    items: list[tuple[str, int, int, int]], cuts: list[int], seed: int
) -> None:
    """Rows arriving in any number of batches, with states saved and loaded between, give the same findings."""
    unique = list({item[:3]: item for item in items}.values())
    whole = run_keyed(Rises(), {}, rows(unique), time="at")  # type: ignore[arg-type]
    saved: dict[str, bytes] = {}
    found: list[tuple[str, int]] = []
    edges = [-1, *sorted(cuts), 31]
    for low, high in itertools.pairwise(edges):
        part = [item for item in unique if low < item[1] <= high]
        random.Random(seed).shuffle(part)
        ran = run_keyed(Rises(), {key: load_state(value) for key, value in saved.items()}, rows(part), time="at")  # type: ignore[arg-type]
        saved |= {key: dump_state(state) for key, state in ran.states.items()}
        found += ran.findings
    assert sorted(found) == sorted(whole.findings)
    assert saved == {key: dump_state(state) for key, state in whole.states.items()}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ARRAYS = hnp.arrays(
    st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="?"),
        hnp.floating_dtypes(sizes=(32, 64)),
        hnp.datetime64_dtypes(),
        hnp.unicode_string_dtypes(max_len=4),
    ),
    hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4),
)


@settings(max_examples=150, deadline=None)
@given(state=st.dictionaries(st.text(max_size=5), st.one_of(JSON, ARRAYS), max_size=4))
def test_a_state_comes_back_as_it_was(state: State) -> None:
    saved = dump_state(state)
    back = load_state(saved)
    assert back.keys() == state.keys()
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            other = back[name]
            assert isinstance(other, np.ndarray)
            assert other.dtype == value.dtype.newbyteorder("<") and other.shape == value.shape
            assert other.flags.writeable
            np.testing.assert_array_equal(other, value)
        else:
            assert back[name] == value and type(back[name]) is type(value)
    assert dump_state(back) == saved == dump_state(dict(reversed(state.items())))


def test_numbers_of_numpy_and_not_a_number() -> None:
    back = load_state(dump_state({"n": np.int64(3), "x": float("nan"), "y": np.float32(0.5)}))  # type: ignore[dict-item]
    assert back["n"] == 3 and back["y"] == 0.5 and math.isnan(back["x"])  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [object(), {1: 2}, (1, 2), np.array([object()]), START, [START], b"x"])
def test_what_cannot_be_saved_is_refused(value: object) -> None:
    with pytest.raises(Invalid, match="cannot be saved"):
        dump_state({"x": value})  # type: ignore[dict-item]


def test_states_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = dump_state({"x": np.zeros(1000)})
    monkeypatch.setattr(limits, "STATE_BYTES", 4_000)
    with pytest.raises(TooLarge, match="forget"):
        dump_state({"x": np.zeros(1000)})
    with pytest.raises(TooLarge):
        load_state(saved)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read_but_never_run(data: st.DataObject) -> None:
    saved = bytearray(dump_state({"x": np.arange(4), "y": [1, "a"]}))
    at = data.draw(st.integers(0, len(saved) - 1))
    damaged = (
        bytes(saved[:at]) if data.draw(st.booleans()) else bytes([*saved[:at], saved[at] ^ 0xFF, *saved[at + 1 :]])
    )
    try:
        load_state(damaged)
    except Invalid as error:
        assert "cannot be read" in str(error)
