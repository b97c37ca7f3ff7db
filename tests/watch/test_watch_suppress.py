"""What is silenced stays recorded, raises nothing in the queue, and comes back; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cityheart.engine.lake import Lake
from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany
from cityheart.kernel.text import text
from cityheart.watch import store
from cityheart.watch.models import Finding, SubjectRef
from cityheart.watch.service import Watch

from . import scene

HOUR = scene.HOUR


class Desk:
    """A watch whose findings are told by hand."""

    def __init__(self, database: Database, watch: Watch, clock: VirtualClock) -> None:
        self.database, self.watch, self.clock = database, watch, clock
        self.clicks = self.told = 0

    def say(self, subject: str, level: int | None, *, detector: str = "noise.loud", after: timedelta = HOUR) -> None:
        """A detector says something, and the city lives up to it."""
        at = self.clock.now() + after
        finding = Finding(
            detector, "loud", SubjectRef("station", subject, text(subject, subject)), at, at, None, level, 1.0
        )
        self.told += 1
        with self.database.work(Actor.system("test")) as work:
            store.add_findings(work.conn, detector, 1_000 + self.told, [finding])
        self.watch._pending_known = False
        self.until(at)

    def until(self, at: datetime) -> None:
        """The city lives on."""
        self.clock.advance_to(at)
        due = self.watch.next_due()
        while due is not None and due <= at:
            self.watch.apply(at)
            due = self.watch.next_due()

    def alert(self, subject: str) -> dict[str, Any]:
        """The newest alert on a subject."""
        found = [one for one in scene.everything(self.watch, OFFICER) if one["subject"]["id"] == subject]  # type: ignore[index]
        return max(found, key=lambda one: one["raised_at"])  # type: ignore[arg-type,return-value]

    def queue(self) -> list[str]:
        """The subjects in the queue."""
        return self.listed("open")

    def listed(self, state: str) -> list[str]:
        """The subjects of alerts in a state."""
        items: Any = self.watch.alerts(OFFICER, state=state)["items"]
        return sorted(item["subject"]["id"] for item in items)

    def silence(self, subject: str, scope: Any = "matter", hours: float = 24, **more: Any) -> dict[str, Any]:
        """A click on "suppress"."""
        self.clicks += 1
        until = self.clock.now() + timedelta(hours=hours)
        return self.watch.suppressing.suppress(
            OFFICER,
            self.alert(subject)["id"],
            f"silence-{self.clicks}",
            scope=scope,
            until=until,
            reason="检修",
            **more,
        )

    def story(self, subject: str) -> list[str]:
        """What happened to the alert."""
        with self.database.read() as conn:
            return [event.type for event in events.read(conn, stream=f"alert:{self.alert(subject)['id']}")]


OFFICER = Actor("user:officer", text("值班长", "Officer"), None, frozenset({"duty_officer"}))


@pytest.fixture
def desk(database: Database, tmp_path: Path, clock: VirtualClock) -> Desk:
    lake = Lake(tmp_path / "lake")
    lake.ensure(scene.NOISE)
    return Desk(database, scene.watch_over(database, lake, [scene.Loud()]), clock)


def test_a_silenced_matter_leaves_the_queue_and_is_counted(desk: Desk) -> None:
    desk.say("east", 3)
    desk.say("west", 3)
    made = desk.silence("east")
    assert (made["scope"], made["level"], made["state"], made["alerts"]) == (
        "matter",
        3,
        "in_force",
        {"held": 1, "ever": 1},
    )
    assert made["by"]["id"] == OFFICER.id and made["reason"] == "检修" and made["detector"] is None
    assert (desk.queue(), desk.listed("suppressed"), desk.listed("all")) == (["west"], ["east"], ["east", "west"])
    counts = desk.watch.counts(OFFICER)
    assert (counts["open"], counts["suppressed"], counts["levels"]) == (1, 1, {"1": 0, "2": 0, "3": 1, "4": 0})
    assert desk.alert("east")["suppression"]["id"] == made["id"]
    assert desk.story("east") == ["alert.raised", "alert.suppressed"]


def test_a_new_alert_on_a_silenced_matter_is_recorded_and_not_told(desk: Desk) -> None:
    desk.say("east", 3)
    made = desk.silence("east", hours=24)
    desk.say("east", None)
    desk.say("east", 4)
    assert desk.queue() == [] and desk.listed("suppressed") == ["east"] and desk.listed("ended") == ["east"]
    shown = desk.watch.suppressing.suppression(OFFICER, made["id"])
    assert shown["alerts"] == {"held": 1, "ever": 2}
    assert desk.story("east") == ["alert.raised"]
    assert desk.watch.rates.rate(OFFICER)["silent"] == 1


def test_it_comes_back_when_its_time_is_over_if_it_stands(desk: Desk) -> None:
    desk.say("east", 3)
    desk.say("west", 3)
    desk.silence("east", hours=5)
    desk.silence("west", hours=5)
    end = desk.clock.now() + 5 * HOUR
    desk.say("west", None)
    assert desk.watch.next_due() == end
    desk.until(end - timedelta(seconds=1))
    assert desk.queue() == []
    desk.until(end)
    assert desk.queue() == ["east"]
    assert desk.story("east") == ["alert.raised", "alert.suppressed", "alert.returned"]
    assert desk.story("west") == ["alert.raised", "alert.suppressed", "alert.ended"]
    assert desk.watch.next_due() is None
    states = [one["state"] for one in desk.watch.suppressing.suppressions(OFFICER, state="ended")["items"]]  # type: ignore[attr-defined]
    assert states == ["expired", "expired"]


def test_it_comes_back_at_once_when_its_level_rises_above_the_one_silenced(desk: Desk) -> None:
    desk.say("east", 3)
    desk.silence("east", hours=48)
    desk.say("east", 4)
    assert desk.queue() == []
    desk.say("east", 3)
    assert desk.queue() == []
    desk.say("east", 2)
    assert desk.queue() == ["east"]
    assert desk.story("east")[-2:] == ["alert.level_changed", "alert.returned"]
    desk.say("east", 3)  # it was told: it does not vanish again under somebody's hands
    assert desk.queue() == ["east"]


def test_lifting_brings_it_back_and_is_one_click(desk: Desk) -> None:
    desk.say("east", 3)
    made = desk.silence("east")
    lifted = [desk.watch.suppressing.lift(OFFICER, made["id"], "lift-0001", "检修完成") for _ in range(2)]
    assert lifted[0] == lifted[1] and lifted[0]["state"] == "lifted"
    assert lifted[0]["ended_by"] == {"id": OFFICER.id, "name": OFFICER.name}
    assert desk.queue() == ["east"]
    with pytest.raises(Conflict):
        desk.watch.suppressing.lift(OFFICER, made["id"], "lift-0002")
    with desk.database.read() as conn:
        told = [event.type for event in events.read(conn, stream=f"suppression:{made['id']}")]
        assert events.verify(conn) == []
    assert told == ["suppression.set", "suppression.lifted"]


def test_a_kind_is_silenced_for_all_but_what_is_in_hand_or_worse(desk: Desk) -> None:
    for subject, level in (("east", 3), ("north", 3), ("south", 2), ("west", 4)):
        desk.say(subject, level)
    desk.watch.acknowledge(OFFICER, desk.alert("north")["id"], "acknowledge-1")
    desk.silence("east", "kind")
    assert desk.queue() == ["north", "south"]  # one that somebody has taken, one that is above the level
    desk.say("mid", 4)
    desk.say("far", 1)
    assert desk.queue() == ["far", "north", "south"] and "mid" in desk.listed("suppressed")


def test_one_detector_is_silenced_while_another_is_heard(desk: Desk) -> None:
    desk.say("east", 3)
    desk.silence("east", "detector")
    assert desk.queue() == []
    desk.say("east", 4, detector="noise.other")
    assert desk.queue() == ["east"]
    desk.say("west", 3)
    desk.say("west", 4, detector="noise.other")
    with pytest.raises(Invalid, match="says nothing"):
        desk.silence("west", "detector", detector="noise.third")
    desk.silence("west", "detector", detector="noise.other")
    assert desk.queue() == ["east", "west"]  # the other detector still stands
    desk.silence("west", "detector", detector="noise.loud")
    assert desk.queue() == ["east"]


def test_where_two_cover_it_the_end_of_one_changes_nothing(desk: Desk) -> None:
    desk.say("east", 3)
    first = desk.silence("east", "detector", hours=10)
    desk.say("west", 3)
    desk.silence("west", "kind", hours=20)
    desk.watch.suppressing.lift(OFFICER, first["id"], "lift-0001")
    assert desk.queue() == [] and desk.alert("east")["suppressed_by"] != first["id"]


def test_what_cannot_be_silenced(
    desk: Desk, nobody: Actor, coordinator: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.say("east", 3)
    desk.say("red", 1)
    alert, now = desk.alert("east")["id"], desk.clock.now()
    suppress = desk.watch.suppressing.suppress

    def click(**changes: Any) -> Callable[[], object]:
        asked: dict[str, Any] = {"scope": "matter", "until": now + HOUR, "reason": "检修", **changes}
        who, which = asked.pop("actor", OFFICER), asked.pop("alert", alert)
        return lambda: suppress(who, which, f"click-{len(str(changes)):05d}-{id(changes)}", **asked)

    for refused, error in (
        (click(until=now), Invalid),
        (click(until=now + limits.SUPPRESSION_SPAN + timedelta(seconds=1)), Invalid),
        (click(until=(now + HOUR).replace(tzinfo=None)), Invalid),
        (click(reason="  "), Invalid),
        (click(scope="city"), Invalid),
        (click(alert="alert-0"), NotFound),
        (click(alert=desk.alert("red")["id"], scope="kind"), Conflict),
        (click(actor=coordinator), Forbidden),
        (click(actor=nobody), Forbidden),
        (click(actor=Actor.system("watch")), Forbidden),
    ):
        with pytest.raises(error):
            refused()
    monkeypatch.setattr(limits, "SUPPRESSIONS", 0)
    with pytest.raises(TooMany):
        click()()
    monkeypatch.undo()
    desk.silence("east")
    with pytest.raises(Conflict, match="already"):
        desk.silence("east")
    desk.say("red", None)
    with pytest.raises(Conflict, match="over"):
        desk.silence("red")
    assert desk.watch.suppressing.suppressions(OFFICER, state="all")["total"] == 1


def test_pages_of_suppressions(desk: Desk, nobody: Actor) -> None:
    for n in range(3):
        desk.say(f"s{n}", 3)
        desk.silence(f"s{n}")
    first: Any = desk.watch.suppressing.suppressions(OFFICER, limit=2)
    second: Any = desk.watch.suppressing.suppressions(OFFICER, limit=2, after=first["next"])
    told = [item["subject"]["id"] for page in (first, second) for item in page["items"]]
    assert (told, first["total"], second["next"]) == (["s2", "s1", "s0"], 3, None)
    for refused in (
        lambda: desk.watch.suppressing.suppressions(OFFICER, state="gone"),
        lambda: desk.watch.suppressing.suppressions(OFFICER, limit=0),
        lambda: desk.watch.suppressing.suppressions(OFFICER, after="nothing"),
    ):
        with pytest.raises(Invalid):
            refused()
    with pytest.raises(Forbidden):
        desk.watch.suppressing.suppressions(nobody)
