"""Merging: what is one event, what only looks like it, and that bundling does not matter."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityheart.command.intake.filing import Filing
from cityheart.command.intake.merging import metres
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.simulation import hotline

from ..command.scene import START
from .scene import BOUNDS, LAMP, LAMP_AGAIN, PLACE, SYSTEM, Hotline


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Hotline:
    return Hotline(database, tmp_path)


def test_one_event_told_by_two_is_one_matter_with_reasons(desk: Hotline) -> None:
    _, matter = desk.tell(LAMP)
    second, joined = desk.tell(LAMP_AGAIN, place=(PLACE[0] + 0.0005, PLACE[1]))
    assert joined == matter and desk.matter(matter).reports == 2
    why = {report.id: why for report, why in desk.intake.reports(SYSTEM, matter)}[second]
    assert why.score is not None and why.score > 0.5 and why.by == "system:intake"
    assert any("门牌" in reason["zh-CN"] and "house" in reason["en"] for reason in why.reasons)
    assert desk.told(matter) == ["matter.opened", "matter.joined"]


@pytest.mark.parametrize(
    ("said", "service", "place", "days"),
    [
        ("解放路128号的烧烤店油烟直排，熏得头疼", "smell", PLACE, 0.0),  # another trouble at the same door
        ("解放路188号附近街灯坏了三天，老人走路看不见", "street_light", (PLACE[0] + 0.006, PLACE[1]), 0.0),  # doors on
        ("文昌街128号附近街灯坏了三天，老人走路看不见", "street_light", None, 0.0),  # another street
        (LAMP_AGAIN, "street_light", PLACE, 45.0),  # the same again, weeks later
    ],
)
def test_what_only_looks_alike_stays_apart(
    desk: Hotline, clock: VirtualClock, said: str, service: str, place: tuple[float, float] | None, days: float
) -> None:
    _, matter = desk.tell(LAMP)
    clock.advance_to(clock.now() + timedelta(days=days))
    _, other = desk.tell(said, service=service, place=place)
    assert other != matter


def test_a_matter_does_not_drift_along_a_chain(desk: Hotline) -> None:
    """Each report is like the one before it, forty metres and five doors on; the last is another event than the first."""
    matters = [
        desk.tell(f"解放路{128 + 5 * step}号附近街灯坏了", place=(PLACE[0] + 0.0005 * step, PLACE[1]))[1]
        for step in range(24)
    ]
    assert matters[0] == matters[1] and matters[0] != matters[-1]
    assert max(Counter(matters).values()) < 16


def test_a_report_without_a_place_joins_by_its_words_of_place(desk: Hotline) -> None:
    _, matter = desk.tell(LAMP)
    assert desk.tell(LAMP_AGAIN, place=None)[1] == matter


def test_a_closed_matter_takes_no_more_reports(desk: Hotline, clock: VirtualClock) -> None:
    _, matter = desk.tell(LAMP)
    desk.close(str(desk.intake.dispatch(SYSTEM, desk.click(), matter)["incident_id"]))
    desk.intake.tick(clock.now())
    assert desk.matter(matter).state == "closed"
    assert desk.tell(LAMP_AGAIN)[1] != matter


def _partition(folder: Path, told: list[hotline.Told], cuts: list[int]) -> set[frozenset[str]]:
    """The matters that come about when the reports arrive in bundles cut at these places."""
    clock = VirtualClock(START + timedelta(days=400))
    database = Database(f"sqlite:///{folder / 'city.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    desk = Hotline(database, folder)
    edges = [0, *cuts, len(told)]
    for first, last in pairwise(edges):
        lines = ["工单编号,受理时间,诉求类别,诉求内容,地址,经度,纬度"]
        for one in told[first:last]:
            lon, lat = ("", "") if one.lon is None else (one.lon, one.lat)
            lines.append(f"{one.id},{one.at.isoformat()},{one.category or ''},{one.text},{one.address},{lon},{lat}")
        if last > first:
            desk.intake.take_file(SYSTEM, "file", "reports.csv", "\n".join(lines).encode())
    matters, _ = desk.intake.matters(SYSTEM, limit=200)
    found = {frozenset(report.given.external for report in desk.reports(matter.id)) for matter in matters}
    database.close()
    return found


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 59), max_size=6))
def test_bundling_makes_no_difference(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    start = datetime(2015, 11, 1, tzinfo=START.tzinfo)
    told = hotline.tell("development", seed=3, events=25, start=start, days=20, bounds=BOUNDS)[:60]
    whole = _partition(tmp_path_factory.mktemp("whole"), told, [])
    assert _partition(tmp_path_factory.mktemp("cut"), told, sorted(set(cuts))) == whole
    assert len(whole) > 10


def test_synthetic_reports_are_merged_well(tmp_path: Path, clock: VirtualClock) -> None:
    """A floor far below the measured figures, so that a rule that breaks is noticed."""
    told = hotline.tell("development", seed=5, events=60, start=START, days=20, bounds=BOUNDS)
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    desk = Hotline(database, tmp_path)
    found: dict[str, list[hotline.Told]] = {}
    for one in told:
        clock.advance_to(one.at)
        filing = Filing("x", one.id, one.text, one.at, one.category, one.address, one.lon, one.lat, phone=one.caller)
        found.setdefault(str(desk.intake.take(SYSTEM, filing)["matter_id"]), []).append(one)
    together = sum(len(each) * (len(each) - 1) // 2 for each in found.values())
    rightly = sum(n * (n - 1) // 2 for each in found.values() for n in Counter(one.event for one in each).values())
    all_pairs = sum(n * (n - 1) // 2 for n in Counter(one.event for one in told).values())
    assert rightly / together > 0.85 and rightly / all_pairs > 0.75
    right = sum(
        desk.matter(id).proposal.candidates[:1] != () and desk.matter(id).proposal.candidates[0].unit == each[0].unit
        for id, each in found.items()
    )
    assert right / len(found) > 0.8
    database.close()


def test_distance_on_the_ground() -> None:
    assert metres(0.0, 0.0, 1.0, 0.0) == pytest.approx(111_195, rel=1e-3)
    assert metres(120.0, 60.0, 121.0, 60.0) == pytest.approx(55_597, rel=1e-3)
    assert metres(None, 0.0, 1.0, 0.0) is None
