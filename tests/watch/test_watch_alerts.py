"""Alerts as people see them: raised, acknowledged, risen, ended; with the law's fields, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cityheart.engine.lake import Lake
from cityheart.kernel import events
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from cityheart.watch.service import Watch

from . import scene


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return scene.lake_at(tmp_path / "lake")


@pytest.fixture
def watch(database: Database, lake: Lake) -> Watch:
    return scene.watch_over(database, lake, [scene.Loud()])


@pytest.fixture
def hear(lake: Lake, watch: Watch, clock: VirtualClock) -> Callable[..., datetime]:
    """Let a station report levels hour by hour, and the city live through it."""
    hours: dict[str, int] = {}

    def report(*levels: float, station: str = "east") -> datetime:
        first = hours.get(station, 0)
        hours[station] = first + len(levels)
        rows = [
            {"station": station, "observed_at": scene.START + (first + n) * scene.HOUR, "level": level}
            for n, level in enumerate(levels)
        ]
        table = scene.landed(rows)
        lake.append("noise", table)
        moment = scene.last_known(table)
        watch.detect(moment)
        clock.advance_to(moment)
        watch.apply(moment)
        return moment

    return report


def only(watch: Watch, actor: Actor, state: str = "open") -> dict[str, Any]:
    items: Sequence[Any] = watch.alerts(actor, state=state)["items"]  # type: ignore[assignment]
    assert len(items) == 1
    return watch.alert(actor, items[0]["id"])


def levels(alert: dict[str, Any]) -> list[int | None]:
    return [change["level"] for change in alert["levels"]]


def test_an_alert_states_what_the_law_asks_for(watch: Watch, hear: Callable[..., datetime], officer: Actor) -> None:
    hear(120)
    alert = only(watch, officer)
    assert (alert["level"], alert["state"], alert["issued_at"]) == (4, "raised", None)
    assert alert["class"] == {"zh-CN": "环境", "en": "Environment"}
    assert alert["area"] == {"zh-CN": "east周边", "en": "around east"}
    assert alert["advice"] == [{"zh-CN": "建议4", "en": "advice 4"}]
    assert alert["measures"] == [{"zh-CN": "措施4", "en": "measure 4"}]
    assert alert["issuer"]["en"] == "Ecology bureau"
    assert alert["start_at"] == scene.START
    assert alert["raised_at"] == scene.START + scene.HOUR + scene.LAG
    assert alert["reasons"] == [{"zh-CN": "120.0 分贝", "en": "120.0 dB"}]
    assert alert["evidence"][0]["series"][0]["points"][1][1] is None  # what is not a number is not shown as one


def test_levels_rise_and_fall_with_the_facts(
    watch: Watch, hear: Callable[..., datetime], officer: Actor, database: Database
) -> None:
    hear(120, 210, 160, 20, 20)
    alert = only(watch, officer, "ended")
    assert levels(alert) == [4, 2, 3, None]
    assert [change["at"] for change in alert["levels"]] == [
        scene.START + hours * scene.HOUR + scene.LAG for hours in (1, 2, 3, 5)
    ]
    assert (alert["level"], alert["findings"], alert["ended_at"]) == (3, 4, alert["levels"][-1]["at"])
    assert watch.alerts(officer)["total"] == 0
    with database.read() as conn:
        told = events.read(conn, stream=f"alert:{alert['id']}")
        assert events.verify(conn) == []
    assert [event.type for event in told] == [
        "alert.raised",
        "alert.level_changed",
        "alert.level_changed",
        "alert.ended",
    ]
    assert [(event.data["from_level"], event.data["level"]) for event in told] == [(None, 4), (4, 2), (2, 3), (3, None)]


def test_the_same_matter_again_is_a_new_alert(watch: Watch, hear: Callable[..., datetime], officer: Actor) -> None:
    hear(120, 20, 20, 130)
    both = scene.everything(watch, officer)
    assert len({alert["id"] for alert in both}) == 2
    assert sorted(str(alert["state"]) for alert in both) == ["ended", "raised"]


def test_a_named_person_acknowledges_and_so_issues(
    watch: Watch, hear: Callable[..., datetime], officer: Actor, database: Database
) -> None:
    now = hear(120)
    alert = only(watch, officer)
    first = watch.acknowledge(officer, alert["id"], "click-0001", "seen")
    again = watch.acknowledge(officer, alert["id"], "click-0001", "seen")
    assert first == again
    assert (first.state, first.acknowledged_at, first.issued_at) == ("acknowledged", now, now)
    assert first.acknowledged_by is not None and first.acknowledged_by.id == officer.id
    with database.read() as conn:
        told = [event.type for event in events.read(conn, stream=f"alert:{alert['id']}")]
    assert told == ["alert.raised", "alert.acknowledged"]
    with pytest.raises(Conflict, match="acknowledged the alert at this level already"):
        watch.acknowledge(officer, alert["id"], "click-0002")
    with pytest.raises(Conflict, match="used for something else"):
        watch.acknowledge(officer, alert["id"], "click-0001", "another note")


def test_a_rise_has_to_be_acknowledged_anew_a_fall_does_not(
    watch: Watch, hear: Callable[..., datetime], officer: Actor
) -> None:
    hear(160)
    alert_id = only(watch, officer)["id"]
    watch.acknowledge(officer, alert_id, "click-0001")
    hear(120)
    fallen = watch.alert(officer, alert_id)
    assert (fallen["level"], fallen["state"]) == (4, "acknowledged")
    assert fallen["advice"] == [{"zh-CN": "建议4", "en": "advice 4"}]
    hear(260)
    risen = watch.alert(officer, alert_id)
    assert (risen["level"], risen["state"], risen["acknowledged_by"], risen["issued_at"]) == (1, "raised", None, None)
    watch.acknowledge(officer, alert_id, "click-0002")
    hear(20, 20)
    with pytest.raises(Conflict, match="over"):
        watch.acknowledge(officer, alert_id, "click-0003")


def test_findings_wait_for_their_moment(watch: Watch, lake: Lake, officer: Actor, clock: VirtualClock) -> None:
    rows = scene.landed([
        {"station": "east", "observed_at": scene.START + n * scene.HOUR, "level": level}
        for n, level in enumerate([20.0, 120.0, 20.0, 20.0])
    ])  # fmt: skip
    lake.append("noise", rows)
    assert watch.detect(scene.last_known(rows)) == 2
    due = scene.START + 2 * scene.HOUR + scene.LAG
    assert watch.next_due() == due
    assert watch.apply(clock.now()) == 0
    assert watch.alerts(officer, state="all")["total"] == 0
    clock.advance_to(due)
    assert watch.apply(due) == 1
    assert only(watch, officer)["raised_at"] == due
    assert watch.next_due() == scene.START + 4 * scene.HOUR + scene.LAG


def test_who_may(
    watch: Watch, hear: Callable[..., datetime], officer: Actor, nobody: Actor, clerk: Callable[[str], Actor]
) -> None:
    hear(120)
    alert_id = only(watch, officer)["id"]
    someone = clerk("transport")
    assert watch.alert(someone, alert_id)["id"] == alert_id
    for act in (
        lambda: watch.alerts(nobody),
        lambda: watch.alert(nobody, alert_id),
        lambda: watch.counts(nobody),
        lambda: watch.detectors(nobody),
        lambda: watch.acknowledge(someone, alert_id, "click-0001"),
        lambda: watch.acknowledge(Actor.system("watch"), alert_id, "click-0001"),
        lambda: watch.backtest(officer, "noise.loud", scene.START, scene.START + scene.HOUR),
    ):
        with pytest.raises(Forbidden):
            act()
    with pytest.raises(NotFound):
        watch.alert(officer, "alert-0000")
    with pytest.raises(NotFound):
        watch.acknowledge(officer, "alert-0000", "click-0009")


def test_pages_of_alerts_are_whole_and_in_order(watch: Watch, hear: Callable[..., datetime], officer: Actor) -> None:
    for number in range(7):
        hear(100.0 + 30 * number, station=f"station-{number}")
    seen: list[Any] = []
    after = None
    while True:
        page: Any = watch.alerts(officer, limit=2, after=after)
        assert page["total"] == 7
        seen += page["items"]
        after = page["next"]
        if after is None:
            break
    assert [item["level"] for item in seen] == [1, 1, 2, 3, 3, 4, 4]
    assert len({item["id"] for item in seen}) == 7
    assert watch.alerts(officer, level=1)["total"] == 2
    assert watch.counts(officer) == {
        "open": 7,
        "raised": 7,
        "levels": {"1": 2, "2": 1, "3": 2, "4": 2},
        "suppressed": 0,
    }
    for wrong in ({"state": "gone"}, {"limit": 0}, {"limit": 10_000}, {"after": "alert-0000"}):
        with pytest.raises(Invalid):
            watch.alerts(officer, **wrong)  # type: ignore[arg-type]
