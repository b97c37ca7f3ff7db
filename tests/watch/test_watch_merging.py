"""One alert per matter: what a sequence of findings makes of it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from cityheart.kernel.text import text
from cityheart.watch.backtest import merged
from cityheart.watch.merging import merge
from cityheart.watch.models import Finding, SubjectRef

from . import scene


def found(hour: int, level: int | None, detector: str = "a", subject: str = "s") -> Finding:
    at = scene.START + hour * scene.HOUR
    return Finding(detector, "loud", SubjectRef("station", subject, text(subject, subject)), at, at, None, level, 1.0)


def history(*findings: Finding) -> list[list[int | None]]:
    return [[change.level for change in alert.levels] for alert in merged(findings)]


def test_levels_rise_and_fall_and_end_once() -> None:
    assert history(found(0, 4), found(1, 4), found(2, 2), found(3, 3), found(4, None), found(5, None)) == [
        [4, 2, 3, None]
    ]


def test_a_matter_that_comes_back_is_a_new_alert() -> None:
    assert history(found(0, 3), found(1, None), found(2, 1)) == [[3, None], [1]]


def test_an_end_without_a_matter_is_nothing() -> None:
    assert merge(None, found(0, None)) == ("nothing", None)


def test_two_detectors_on_one_matter_make_one_alert_at_the_worse_level() -> None:
    assert history(found(0, 4, "a"), found(1, 2, "b"), found(2, None, "a"), found(3, None, "b")) == [[4, 2, None]]
    assert history(found(0, 1, "a"), found(1, 3, "b"), found(2, None, "a"), found(3, None, "b")) == [[1, 3, None]]


def test_subjects_do_not_mix() -> None:
    alerts = merged([found(0, 4, subject="x"), found(0, 3, subject="y"), found(1, None, subject="x")])
    assert [(one.subject.id, one.ended_at is None) for one in alerts] == [("x", False), ("y", True)]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, 1, 2, 3, 4])), max_size=40))
def test_an_alert_stands_exactly_while_somebody_says_so(says: list[tuple[str, int | None]]) -> None:
    said: dict[str, int | None] = {}
    matter = None
    for hour, (detector, level) in enumerate(says):
        turn, merged_into = merge(matter, found(hour, level, detector))
        said[detector] = level
        standing = [level for level in said.values() if level is not None]
        if not standing:
            assert turn in ("nothing", "ended")
            matter = None
            continue
        assert merged_into is not None and merged_into.level == min(standing)
        was = None if matter is None else matter.level
        expected = "raised" if was is None else {True: "rose", False: "fell"}.get(merged_into.level < was)
        assert turn == ("confirmed" if merged_into.level == was else expected)
        matter = merged_into


def test_history_never_runs_backwards() -> None:
    _, matter = merge(None, found(5, 3))
    _, matter = merge(matter, found(2, 1))
    assert matter is not None and matter.updated_at == scene.START + timedelta(hours=5)
