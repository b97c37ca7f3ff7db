"""Warning levels from the expected run of heavy days, and how they rise, fall and end."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityheart.apps.air import levels
from cityheart.sdk import Invalid

RULE = replace(levels.rules()[0], rise_hours=2, fall_hours=4, end_hours=3)


def test_the_table_of_the_plan() -> None:
    assert [RULE.level(run) for run in range(7)] == [0, 4, 3, 2, 1, 1, 1]


def test_a_day_is_judged_by_the_table_in_force() -> None:
    assert levels.rule(date(2013, 3, 1)) == levels.rules()[0]
    assert levels.rule(date(2016, 1, 1), {"rise_hours": 5}).rise_hours == 5
    assert levels.rule(date(2016, 1, 1), {"heavy_probability": [0.5] * 5}).heavy_probability == (0.5,) * 5
    with pytest.raises(Invalid, match="heavy_probability"):
        levels.rule(date(2016, 1, 1), {"heavy_probability": 0.5})
    with pytest.raises(TypeError):
        levels.rule(date(2016, 1, 1), {"no_such_rule": 1})


@pytest.mark.parametrize(
    ("past", "probability", "run"),
    [
        (0, [0.1, 0.1, 0.1], levels.Run(0, 0, 0)),
        (0, [0.9, 0.1, 0.9], levels.Run(1, 0, 0)),
        (2, [0.9, 0.9, 0.1], levels.Run(4, -2, 2)),
        (2, [0.1, 0.9, 0.9], levels.Run(2, 1, 2)),
        (3, [0.1, 0.1, 0.1], levels.Run(0, 0, 3)),
    ],
)
def test_the_run_to_expect(past: int, probability: list[float], run: levels.Run) -> None:
    assert levels.expected(past, probability, [0.5, 0.5, 0.5]) == run


def _follow(seen: list[int], kept: list[int] | None = None, start: int = 0) -> list[int]:
    standing, held = levels.Standing(start), []
    for one, other in zip(seen, kept or seen, strict=True):
        standing = levels.follow(standing, one, other, RULE)
        held.append(standing.level)
    return held


def test_a_rise_needs_two_hours_in_a_row() -> None:
    assert _follow([4, 0, 4, 4, 3, 3]) == [0, 0, 0, 4, 4, 3]


def test_a_fall_takes_four_hours_and_the_end_three() -> None:
    assert _follow([3, 3, 3, 3], start=1) == [1, 1, 1, 3]
    assert _follow([0, 0, 0], start=1) == [1, 1, 0]
    assert _follow([0, 0, 0, 0, 0], [0, 0, 1, 0, 0], start=1) == [1, 1, 1, 1, 1]


def test_no_end_while_the_moving_index_is_heavy() -> None:
    assert RULE.kept(0, 201.0) == 4
    assert RULE.kept(0, 200.0) == 0
    assert RULE.kept(0, float("nan")) == 0
    assert RULE.kept(3, 300.0) == 2


@given(st.lists(st.integers(0, 4), max_size=60), st.integers(0, 4))
def test_a_level_moves_only_to_one_that_was_seen(seen: list[int], start: int) -> None:
    for before, after, now in zip([start, *_follow(seen, start=start)], _follow(seen, start=start), seen, strict=False):
        assert after in (before, now)
