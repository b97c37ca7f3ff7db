"""Synthetic worlds are repeatable and labelled, and what is suggested in one is far better than the most frequent plan."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from statistics import fmean

import pytest

from bench.suggest_plans import Trial, asked_by_law, cases_of, nearly_the_same, share
from cityheart.command.knowledge.parameters import parameters
from cityheart.command.plan import compile
from cityheart.kernel.errors import Invalid
from cityheart.kernel.secret import FILE, city_key
from cityheart.simulation.cases import World


@pytest.fixture(scope="module")
def trial() -> Trial:
    """A small world of one of the seeds on which parameters were chosen."""
    return Trial(2, 4_000, asked=150)


def test_a_world_comes_from_its_seed() -> None:
    first, again, other = World(5), World(5), World(6)
    assert first.cases(50) == again.cases(50) != other.cases(50)
    assert first.plans() == again.plans() and first.clauses() == again.clauses()
    assert all("模拟" in plan["title"]["zh-CN"] and "simulated" in plan["title"]["en"] for plan in first.plans())
    assert all("synthetic" in clause["source"] for clause in first.clauses())
    for plan in first.plans():
        compile(plan, first.departments)


def test_a_case_has_what_the_law_of_its_day_asks_for() -> None:
    world = World(3)
    for case in cases_of(world, 300):
        done = {step.step for step in case.steps}
        for mark, _ in asked_by_law(world, case.kind, case.level, case.opened_at.date()):
            assert any(step.startswith(mark) for step in done), case.id


def test_nearly_the_same_words_are_one_cluster() -> None:
    cases = cases_of(World(4), 400)
    clusters = nearly_the_same([*cases, *cases[:20]])
    assert clusters[400:] == clusters[:20]
    assert len(set(clusters[:400])) > 350


def test_suggestions_are_far_better_than_the_most_frequent_plan(trial: Trial) -> None:
    tally = trial.run(parameters())
    assert len(tally.hits) >= 140
    assert share(tally.hits, 1) >= max(0.85, share(tally.usual, 1) + 0.10)
    assert share(tally.hits, 0) > 1.5 * share(tally.usual, 0)
    assert fmean(tally.mandated) == 1.0 > fmean(tally.mandated_declared)
    assert fmean(tally.departments) > fmean(tally.departments_declared)
    relied = [hit for (hit, _, _), confident in zip(tally.hits, tally.relied, strict=True) if confident]
    assert 0.4 < len(relied) / len(tally.hits) < 1 and fmean(relied) > share(tally.hits, 0)


def test_no_case_asked_for_is_known(trial: Trial) -> None:
    known = {case.id for case in trial.known}
    assert not known & {case.id for case in trial.asked}
    assert max(case.opened_at for case in trial.known) <= min(case.opened_at for case in trial.asked)


def test_the_citys_key_is_its_own_and_nobody_elses(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    key = city_key(first)
    assert city_key(first) == key != city_key(second) and len(key) == 32
    assert stat.S_IMODE(os.stat(first / FILE).st_mode) == 0o600 and os.listdir(first) == [FILE]
    (first / FILE).write_bytes(b"short")
    with pytest.raises(Invalid):
        city_key(first)


def test_a_seeded_city_has_the_same_key_again(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    assert city_key(first, 1) == city_key(second, 1)
