"""Real history is the judge: episodes, warned days, skill, and thresholds that were not tuned on what judges them."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from cityheart.apps.air import evaluate, forecast, levels
from cityheart.apps.air.evaluate import Played

END = date(2017, 3, 1)


def test_every_known_episode_reached_its_level_before_it_ended(played: Played) -> None:
    judged = evaluate.episodes(evaluate.warnings(played.findings))
    assert [one.first for one in judged if not one.met] == []


def test_heavy_days_are_warned_of(played: Played) -> None:
    values = evaluate.daily(played.city)
    found = evaluate.warnings(played.findings)
    all_days = evaluate.days(found, values, date(2013, 3, 1), END)
    judged = evaluate.days(found, values, evaluate.TUNED_UNTIL, END)
    assert all_days.heavy == 182
    assert all_days.heavy_not_warned <= 2
    assert judged.warned_not_heavy < judged.warned / 2
    assert all_days.warned_not_heavy < 200


def test_the_forecast_beats_persistence_where_it_claims_to(played: Played) -> None:
    used = levels.rules()[0].heavy_probability
    judged = evaluate.skill(played.city, used, evaluate.TUNED_UNTIL, END)
    assert [one.lead for one in judged] == [0, 1, 2, 3, 4]
    for one in judged:
        assert one.error < 0.85 * one.error_persistence
    for one in judged[:2]:
        assert one.csi > one.csi_persistence
        assert one.hits > one.false_alarms
    assert judged[1].brier_skill is not None and judged[1].brier_skill > 0.2


def test_skill_of_few_days_and_of_none(played: Played) -> None:
    used = levels.rules()[0].heavy_probability
    weeks = played.city.slice(400 * 24, 20 * 24)
    few = evaluate.skill(weeks, used, date(2014, 1, 1), END)
    assert [one.lead for one in few] == [0, 1, 2, 3, 4]
    assert {one.error_climatology for one in few} == {None}
    assert evaluate.skill(played.city.slice(0, 0), used, date(2014, 1, 1), END) == []


def test_thresholds_are_those_the_first_two_years_give(played: Played) -> None:
    assert evaluate.thresholds(played.city) == list(levels.rules()[0].heavy_probability)


def test_the_first_weeks_say_that_they_know_too_little(played: Played) -> None:
    learnt = played.city["days_learnt"].to_pylist()
    assert learnt[0] == learnt[50 * 24] == 0
    assert learnt[90 * 24] > 55
    early = next(one for one in played.findings if one.level is not None)
    assert early.at.date() < date(2013, 3, 10)
    assert any("persistence" in reason["en"] for reason in early.reasons)


def test_the_known_worst_day_is_in_the_data(played: Played) -> None:
    values = evaluate.daily(played.city)
    assert values[date(2015, 12, 1)] == 482
    assert values[date(2015, 12, 2)] == 24
    assert len(values) == (END - date(2013, 3, 1)).days - 7  # seven days lack a valid index


def test_warnings_and_their_worst_level(played: Played) -> None:
    found = evaluate.warnings(played.findings)
    assert all(one.ended is None or one.ended > one.raised for one in found)
    assert all(a.ended is not None and a.ended <= b.raised for a, b in itertools.pairwise(found))
    red = next(one for one in found if one.raised.date() > date(2015, 12, 15))
    assert red.worst(red.raised, red.raised + timedelta(minutes=1)) == red.levels[0][1]
    assert red.worst(red.raised - timedelta(days=2), red.raised) is None


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_every_level_occurs(played: Played, level: int) -> None:
    assert any(one.level == level for one in played.findings)


def test_what_two_years_taught_is_what_the_detector_learns_of_them(readings: pa.Table) -> None:
    again = evaluate.teach(readings)
    kept = forecast.taught()
    assert again["first_day"] == kept.first_day == (evaluate.TUNED_UNTIL - date(1970, 1, 1)).days
    np.testing.assert_allclose(np.asarray(again["moments"]), kept.moments, rtol=1e-9, atol=1e-9)


def test_a_city_begins_with_what_was_taught_only_after_it_was_learnt(readings: pa.Table) -> None:
    def learnt(first: date) -> list[int]:
        start = (first - date(2013, 3, 1)).days * 24 * 12
        days: list[int] = evaluate.play(readings.slice(start, 12 * 24 * 3)).city["days_learnt"].to_pylist()
        return days

    assert set(learnt(date(2014, 12, 28))) == {0}
    assert min(learnt(date(2015, 1, 1))) > 500
    assert learnt(date(2014, 12, 30))[47:49] == [0, learnt(date(2015, 1, 1))[0]]


def test_the_readme_states_what_the_judge_says(played: Played) -> None:
    readme = (evaluate.DATA.parent.parent / "README.md").read_text("utf-8").splitlines()
    missing = [line for line in evaluate.table(played, levels.rules()[0].heavy_probability) if line not in readme]
    assert missing == []
