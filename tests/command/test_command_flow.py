"""The verbs on both databases: from one click to a closed incident, and every turn a task can take."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from cityheart.account.service import Account
from cityheart.command.models import Task
from cityheart.command.service import Command
from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from cityheart.kernel.text import text

from .scene import PNG, START, SYSTEM, UNITS, Desk, centre, minutes, plan, step

CHAIN = plan(
    step("tell", "emergency-office", escalate=[{"at": "accept", "to": "coordinator"}, {"at": "due", "to": "mayor"}]),
    step("stop", "industry", after=["tell"], delay="PT1H", evidence=[{"kind": "photo"}, {"kind": "form"}]),
    step("clinics", "health", delay="PT2H", verify_by="health"),
)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """A command centre on either database."""
    return Desk(centre(database, tmp_path))


def go(desk: Desk, clock: VirtualClock, count: float) -> int:
    """Let time pass and tick once."""
    clock.advance_to(clock.now() + minutes(count))
    return desk.command.tick(clock.now())


def test_from_one_click_to_a_closed_incident(desk: Desk, clock: VirtualClock, database: Database) -> None:
    incident, _ = desk.start(CHAIN, alert_id="alert-1")
    assert [(task.step, task.state, task.planned_at) for task in desk.tasks(incident)] == [
        ("clinics", "scheduled", START + minutes(120)),
        ("stop", "scheduled", None),
        ("tell", "dispatched", START),
    ]
    assert desk.command.next_due() == START + minutes(30)
    desk.finish(incident, "tell")
    assert desk.command.next_due() == START + minutes(60)
    go(desk, clock, 60)
    stop = desk.task(incident, "stop")
    assert (stop.state, stop.dispatched_at, stop.due) == ("dispatched", START + minutes(60), START + minutes(300))
    desk.act(incident, "stop", "accept")
    with pytest.raises(Conflict, match="1 × photo"):
        desk.act(incident, "stop", "submit", form={"factories": 3})
    assert desk.command.receipts([stop.id]) == {}, "a refused receipt leaves nothing behind"
    desk.command.attach(SYSTEM, stop.id, "../../gate.png", [PNG])
    desk.act(incident, "stop", "submit", note="停产", form={"factories": 3})
    (receipt,) = desk.command.receipts([stop.id])[stop.id]
    assert (receipt.note, receipt.form) == ("停产", {"factories": 3})
    assert [(file.name, file.media, file.bytes) for file in receipt.files] == [("_.._gate.png", "image/png", len(PNG))]
    assert desk.command.files.path(receipt.files[0].sha256).read_bytes() == PNG
    desk.act(incident, "stop", "verify")
    go(desk, clock, 60)
    desk.finish(incident, "clinics")
    assert desk.command.incident(SYSTEM, incident).state == "open", "its alert is not over"
    with database.work(SYSTEM) as work:
        work.emit("alert:alert-1", "alert.ended", {"alert_id": "alert-1"})
    desk.command.tick(clock.now())
    assert desk.command.incident(SYSTEM, incident).state == "closed"
    types = [type for type, _ in desk.told(incident)]
    assert types[0] == "incident.opened" and types[-3:] == ["run.closed", "incident.alert_over", "incident.closed"]
    assert desk.command.next_due() is None
    assert Account(database).verify() == []


def test_timers_fire_once_at_their_own_moment(desk: Desk, clock: VirtualClock, database: Database) -> None:
    incident, _ = desk.start(
        plan(
            step(
                "a",
                escalate=[
                    {"at": "accept", "to": "coordinator"},
                    {"at": "PT45M", "to": "mayor"},
                    {"at": "due", "to": "health"},
                ],
            )
        )
    )
    assert go(desk, clock, 600) == 5  # one very late tick
    assert desk.command.tick(clock.now()) == 0
    said = [(event.type, event.data["at"], event.data.get("to")) for event in desk.command.log(SYSTEM, incident)[3:]]

    def at(count: int) -> str:
        return (START + minutes(count)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    assert said == [
        ("task.late_accept", at(30), None),
        ("task.escalated", at(30), "coordinator"),
        ("task.escalated", at(45), "mayor"),
        ("task.overdue", at(240), None),
        ("task.escalated", at(240), "health"),
    ]
    task = desk.task(incident, "a")
    assert task.late and task.late_accept and all(rung.fired_at == rung.at for rung in task.rungs)


def test_an_act_fires_what_was_due_before_it(desk: Desk, clock: VirtualClock) -> None:
    incident, _ = desk.start(plan(step("a")))
    clock.advance_to(START + minutes(31))  # nobody ticked
    desk.act(incident, "a", "accept")
    assert desk.told(incident)[3:] == [("task.late_accept", "a"), ("task.accepted", "a")]


def test_timers_of_many_runs_fire_in_order_of_time(desk: Desk, clock: VirtualClock, database: Database) -> None:
    desk.start(plan(step("slow", due="PT10H", accept_within="PT9H")), title=text("一", "one"))
    desk.start(plan(step("quick", accept_within="PT10M"), plan="other"), title=text("二", "two"))
    go(desk, clock, 6000)
    with database.read() as conn:
        late = [event for event in events.read(conn) if event.type in ("task.late_accept", "task.overdue")]
    assert [event.data["step"] for event in late] == ["quick", "quick", "slow", "slow"]


def test_rejected_work_is_done_again_until_the_guard(desk: Desk, clock: VirtualClock) -> None:
    incident, _ = desk.start(plan(step("a", loop_guard=2)))
    for number in (1, 2, 3):
        go(desk, clock, 5)
        desk.act(incident, "a", "accept")
        desk.act(incident, "a", "submit")
        if number < 3:
            following = desk.act(incident, "a", "reject", reason="看不清")["next"]
            task = desk.task(incident, "a")
            assert (task.id, task.round, task.state, task.dispatched_at) == (
                following,
                number + 1,
                "dispatched",
                clock.now(),
            )
    with pytest.raises(Conflict):
        desk.act(incident, "a", "reject", reason="再来")
    desk.act(incident, "a", "verify")
    assert [(task.round, task.state, task.outcome) for task in desk.tasks(incident)] == [
        (1, "returned", "rework"), (2, "returned", "rework"), (3, "closed", "done"),
    ]  # fmt: skip


def test_a_return_that_is_right_goes_to_another_department(desk: Desk, clock: VirtualClock) -> None:
    incident, _ = desk.start(plan(step("a", "industry"), step("b", after=["a"])))
    go(desk, clock, 10)
    with pytest.raises(Invalid, match="needs a reason"):
        desk.act(incident, "a", "return")
    desk.act(incident, "a", "return", reason="不属本部门")
    assert desk.command.next_due() is None, "the clock stands still"
    go(desk, clock, 15)
    with pytest.raises(Invalid):
        desk.act(incident, "a", "decide_return", approve=True)
    desk.act(incident, "a", "decide_return", approve=True, to="transport")
    task = desk.task(incident, "a")
    assert (task.unit, task.round, task.due) == ("transport", 2, clock.now() + minutes(240))
    assert desk.task(incident, "b").state == "scheduled", "it waits for the newest round"
    desk.finish(incident, "a")
    assert desk.task(incident, "b").state == "dispatched"


def test_a_return_that_is_not_right_comes_back_with_its_time(desk: Desk, clock: VirtualClock) -> None:
    incident, _ = desk.start(plan(step("a", escalate=[{"at": "PT3H", "to": "mayor"}])))
    desk.act(incident, "a", "accept")
    before = desk.task(incident, "a")
    go(desk, clock, 10)
    desk.act(incident, "a", "return", reason="不属本部门")
    go(desk, clock, 50)
    desk.act(incident, "a", "decide_return", approve=False, reason="属于")
    after = desk.task(incident, "a")
    assert before.due is not None and after.due == before.due + minutes(50)
    assert (after.state, after.round, after.rungs[0].at) == ("accepted", 1, before.rungs[0].at + minutes(50))


def test_more_time_moves_the_due_time_only_when_granted(desk: Desk, clock: VirtualClock, database: Database) -> None:
    incident, _ = desk.start(plan(step("a", escalate=[{"at": "due", "to": "mayor"}])))
    desk.act(incident, "a", "accept")
    with pytest.raises(Invalid, match="not later"):
        desk.act(incident, "a", "request_extension", until=START + minutes(240), reason="雨")
    desk.act(incident, "a", "request_extension", until=START + minutes(300), reason="雨")
    with pytest.raises(Conflict):
        desk.act(incident, "a", "request_extension", until=START + minutes(400), reason="雨")
    desk.act(incident, "a", "decide_extension", approve=False, reason="不可")
    assert desk.task(incident, "a").due == START + minutes(240)
    desk.act(incident, "a", "request_extension", until=START + minutes(300), reason="雨")
    go(desk, clock, 250)  # overdue while it is decided
    assert desk.task(incident, "a").late
    desk.act(incident, "a", "decide_extension", approve=True)
    task = desk.task(incident, "a")
    assert (task.due, task.late, task.extension_until) == (START + minutes(300), False, None)
    go(desk, clock, 20)
    desk.act(incident, "a", "submit")
    custody = {piece.reason: piece.end - piece.start for piece in Account(database).custody(task.id)}
    assert custody == {"to_do": minutes(240), "extension": minutes(30)}


def test_a_suspended_task_rests(desk: Desk, clock: VirtualClock) -> None:
    incident, _ = desk.start(plan(step("a")))
    go(desk, clock, 10)
    desk.act(incident, "a", "suspend", reason="台风")
    go(desk, clock, 1000)
    assert desk.task(incident, "a").late_accept is False
    desk.act(incident, "a", "resume")
    assert desk.task(incident, "a").accept_due == START + minutes(1030)


def test_a_department_hands_a_task_on_to_one_below_it(desk: Desk, clock: VirtualClock, database: Database) -> None:
    desk.command.register_units({}, {"transport": frozenset({"health"})})
    incident, _ = desk.start(plan(step("a", "transport", verify_by="ecology")))
    county, township, other = (
        Actor(f"user:{unit}", text(unit, unit), unit, frozenset({"clerk"}))
        for unit in ("transport", "health", "industry")
    )
    clock.advance_to(clock.now() + minutes(200))
    due = desk.task(incident, "a").due
    assert due is not None
    with pytest.raises(Invalid, match="does not stand below"):
        desk.act(incident, "a", "delegate", county, to="industry")
    with pytest.raises(Forbidden):
        desk.act(incident, "a", "delegate", other, to="health")
    first = desk.task(incident, "a")
    desk.act(incident, "a", "delegate", county, to="health", reason="属地处置")
    handed = desk.task(incident, "a")
    assert (handed.unit, handed.round, handed.due, handed.passed, handed.verify_by) == ("health", 2, due, 0, "ecology")
    assert handed.accept_due == clock.now() + minutes(30)
    assert desk.command.task(SYSTEM, first.id).outcome == "delegated"
    with database.read() as conn:
        told = [event.type for event in events.read(conn, stream=f"run:{first.run}")]
    assert "task.delegated" in told and "task.reassigned" not in told, "nobody changed what the plan says"
    assert "delegate" not in desk.command.actions(township, handed, desk.command.plan_of(handed.run))
    desk.act(incident, "a", "accept", township)
    clock.advance_to(due + minutes(1))
    desk.command.tick(clock.now())
    late = desk.task(incident, "a")
    assert late.late, "handing on gives no time"
    desk.act(incident, "a", "return", township, reason="不属本镇")
    desk.act(incident, "a", "decide_return", approve=True, to="transport")
    desk.act(incident, "a", "delegate", county, to="health")
    assert desk.task(incident, "a").passed == 1
    assert Account(database).verify() == []


def test_reassigned_too_often_goes_to_the_coordinator(desk: Desk) -> None:
    incident, _ = desk.start(plan(step("a", "industry")))
    for unit in ("ecology", "health", "transport"):
        desk.act(incident, "a", "reassign", to=unit, reason="换")
    assert [task.unit for task in desk.tasks(incident)] == ["industry", "ecology", "health", "transport"]
    assert desk.told(incident).count(("task.escalated", "a")) == 1
    with pytest.raises(Invalid, match="no department navy"):
        desk.act(incident, "a", "reassign", to="navy", reason="换")


def test_a_higher_plan_takes_the_place_of_a_lower_one(desk: Desk, clock: VirtualClock) -> None:
    incident, old = desk.start(CHAIN, alert_id="alert-1", level=3)
    higher = plan(step("all", "ecology"), plan="higher")
    same, new = desk.start(higher, alert_id="alert-1", level=1)
    assert same == incident
    states = {(task.run, task.step): (task.state, task.outcome) for task in desk.tasks(incident)}
    assert states == {
        (old, "tell"): ("dispatched", None),
        (old, "stop"): ("cancelled", "superseded"),
        (old, "clinics"): ("cancelled", "superseded"),
        (new, "all"): ("dispatched", None),
    }
    assert desk.command.incident(SYSTEM, incident).level == 1
    with pytest.raises(Conflict, match="under way"):
        desk.start(higher, alert_id="alert-1", level=1)
    desk.finish(incident, "tell")
    assert [run.state for run, _ in desk.command.runs(SYSTEM, incident)] == ["closed", "active"]
    again, _ = desk.start(CHAIN, alert_id="alert-1", level=3)
    assert again == incident and len(desk.command.runs(SYSTEM, incident)) == 3


def test_lifting_cancels_what_is_not_dispatched_and_closes_when_the_rest_is_done(desk: Desk) -> None:
    incident, _ = desk.start(CHAIN)
    with pytest.raises(Invalid):
        desk.command.lift(SYSTEM, desk.click(), incident, " ")
    desk.command.lift(SYSTEM, desk.click(), incident, "解除")
    assert {task.step: task.state for task in desk.tasks(incident)} == {
        "tell": "dispatched",
        "stop": "cancelled",
        "clinics": "cancelled",
    }
    assert desk.command.incident(SYSTEM, incident).state == "open"
    desk.finish(incident, "tell")
    assert desk.command.incident(SYSTEM, incident).state == "closed"
    with pytest.raises(Conflict):
        desk.command.lift(SYSTEM, desk.click(), incident, "解除")


def test_conditions_choose_the_steps(desk: Desk) -> None:
    chosen = plan(
        step("a", when="level == 1"),
        step("b", after=["a"], when="schools"),
        step("c", when="level == 1"),
        parameters={"schools": False},
    )
    incident, _ = desk.start(chosen, level=2, parameters={"schools": True})
    assert [(task.step, task.state) for task in desk.tasks(incident)] == [("b", "dispatched")], (
        "what is left out is not waited for"
    )
    with pytest.raises(Conflict, match="no step"):
        desk.start(chosen, level=2)
    with pytest.raises(Invalid, match="no parameter"):
        desk.start(chosen, parameters={"wind": 3})


def test_a_cancelled_step_is_not_waited_for(desk: Desk) -> None:
    incident, _ = desk.start(plan(step("a"), step("b", after=["a"])))
    desk.act(incident, "a", "cancel", reason="不需要")
    assert desk.task(incident, "b").state == "dispatched"


# ── who may ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_departments_act_for_themselves_only(
    desk: Desk, clock: VirtualClock, clerk: Callable[[str], Actor], coordinator: Actor, nobody: Actor
) -> None:
    desk.actor = coordinator
    incident, _ = desk.start(CHAIN)
    for actor in (clerk("health"), coordinator, nobody):
        with pytest.raises(Forbidden):
            desk.act(incident, "tell", "accept", actor)
    desk.act(incident, "tell", "accept", clerk("emergency-office"))
    assert desk.task(incident, "tell").person == {
        "id": "user:clerk-emergency-office",
        "name": text("clerk-emergency-office", "clerk-emergency-office"),
    }
    desk.act(incident, "tell", "submit", clerk("emergency-office"))
    with pytest.raises(Forbidden):
        desk.act(incident, "tell", "verify", clerk("emergency-office"))  # the coordinator verifies this step
    desk.act(incident, "tell", "verify", coordinator)
    go(desk, clock, 120)
    desk.act(incident, "clinics", "accept", clerk("health"))
    with pytest.raises(Forbidden):
        desk.act(incident, "clinics", "suspend", clerk("health"), reason="x")
    desk.act(incident, "clinics", "submit", clerk("health"))
    desk.act(incident, "clinics", "verify", clerk("health"))
    for call in (
        lambda: desk.command.dispatch(clerk("health"), "click-xyz", {}, desk.command.publish(SYSTEM, CHAIN)),
        lambda: desk.command.lift(clerk("health"), "click-xyz", incident, "so"),
        lambda: desk.command.publish(clerk("health"), CHAIN),
        lambda: desk.command.incident(nobody, incident),
        lambda: desk.command.task(clerk("health"), desk.task(incident, "stop").id),
        lambda: desk.command.attach(clerk("health"), desk.task(incident, "stop").id, "a.png", [PNG]),
    ):
        with pytest.raises(Forbidden):
            call()


def test_lists_show_what_one_may_see(desk: Desk, clerk: Callable[[str], Actor], coordinator: Actor) -> None:
    incident, _ = desk.start(CHAIN)

    def seen(actor: Actor, unit: str | None = None) -> tuple[set[str], int]:
        tasks, total = desk.command.tasks(actor, unit=unit)
        return {task.step for task in tasks}, total

    assert seen(coordinator) == ({"tell", "stop", "clinics"}, 3)
    assert seen(coordinator, "health") == ({"clinics"}, 1)
    assert seen(clerk("industry")) == ({"stop"}, 1)
    assert seen(clerk("industry"), "health") == (set(), 0)
    ((_, tasks),) = desk.command.runs(clerk("industry"), incident)
    assert [task.step for task in tasks] == ["stop"]
    assert [event.type for event in desk.command.log(clerk("industry"), incident)] == ["incident.opened", "run.started"]
    assert ("task.dispatched", "tell") in desk.told(incident)

    def can(actor: Actor, step: str) -> list[str]:
        task: Task = desk.task(incident, step)
        return desk.command.actions(actor, task, desk.command.plan_of(task.run))

    assert can(clerk("emergency-office"), "tell") == ["accept", "return"]
    assert can(coordinator, "tell") == ["reassign", "suspend", "cancel"]
    assert can(clerk("health"), "tell") == []


# ── exactly once ───────────────────────────────────────────────────────────────────────────────────────────────


def test_fifty_times_the_same_click_is_one_run(desk: Desk, database: Database) -> None:
    digest = desk.command.publish(SYSTEM, CHAIN)
    spec = {"title": text("事", "it"), "level": 2, "alert_id": "alert-9"}

    def press(number: int) -> dict[str, object]:
        return desk.command.dispatch(SYSTEM, "the-same-click", spec, digest)

    with ThreadPoolExecutor(50) as threads:
        results = list(threads.map(press, range(50)))
    assert all(result == results[0] for result in results)
    incidents, total = desk.command.incidents(SYSTEM)
    assert total == 1 and len(desk.command.runs(SYSTEM, incidents[0].id)) == 1
    task = desk.task(incidents[0].id, "tell")

    def accept(number: int) -> object:
        try:
            return desk.command.act(SYSTEM, f"accept-{number:03d}", task.id, "accept")["state"]
        except Conflict:
            return "refused"

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(accept, range(20)))
    assert sorted(answers) == ["accepted"] + ["refused"] * 19
    assert desk.told(incidents[0].id).count(("task.accepted", "tell")) == 1
    assert Account(database).verify() == []


def test_different_people_clicking_the_same_plan_start_it_once(desk: Desk) -> None:
    digest = desk.command.publish(SYSTEM, CHAIN)

    def press(number: int) -> bool:
        try:
            desk.command.dispatch(
                SYSTEM, f"click-of-{number}", {"title": text("事", "it"), "alert_id": "alert-9"}, digest
            )
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(press, range(8))) == 1


def test_a_command_id_is_for_one_thing(desk: Desk) -> None:
    incident, _ = desk.start(plan(step("a")))
    task = desk.task(incident, "a")
    first = desk.command.act(SYSTEM, "accept-me-once", task.id, "accept")
    assert desk.command.act(SYSTEM, "accept-me-once", task.id, "accept") == first
    with pytest.raises(Conflict, match="something else"):
        desk.command.act(SYSTEM, "accept-me-once", task.id, "submit")


def test_many_tickers_fire_each_timer_once(desk: Desk, clock: VirtualClock, database: Database) -> None:
    for number in range(12):
        desk.start(plan(step("a"), plan=f"p{number}"))
    clock.advance_to(START + timedelta(days=2))
    with ThreadPoolExecutor(6) as threads:
        fired = list(threads.map(lambda _: desk.command.tick(clock.now()), range(6)))
    fired.append(desk.command.tick(clock.now()))
    assert sum(fired) == 24
    assert Account(database).verify() == []


# ── plans and files ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_published_plan_never_changes(desk: Desk, database: Database) -> None:
    digest = desk.command.publish(SYSTEM, CHAIN)
    assert desk.command.publish(SYSTEM, CHAIN) == digest
    with pytest.raises(Conflict, match="another content"):
        desk.command.publish(SYSTEM, plan(step("other")))
    later = desk.command.publish(SYSTEM, plan(step("other"), version="2"))
    assert {found.digest for found in desk.command.plans(SYSTEM)} == {digest, later}
    with database.read() as conn:
        assert len([event for event in events.read(conn) if event.type == "plan.published"]) == 2
    with pytest.raises(NotFound):
        desk.command.plan("0" * 64)


def test_suggestions_put_the_level_first_and_say_why(desk: Desk, clock: VirtualClock) -> None:
    for name, levels, more in (
        ("red", [1], {}), ("orange", [2], {}), ("yellow", [3], {}), ("blue", [4], {}), ("flood", [2], {}),
        ("old", [2], {"valid_until": "2015-10-01"}),
    ):  # fmt: skip
        kind = "flood" if name == "flood" else "smog"
        desk.command.publish(SYSTEM, plan(step("a"), plan=name, **{"for": {"kind": kind, "levels": levels}}, **more))
    found = desk.command.suggest("smog", 2, clock.now())
    assert [(each.plan.name, each.exact) for each in found] == [("orange", True), ("red", False), ("yellow", False)]
    assert "orange" in found[0].reason["en"] and "橙色" in found[0].reason["zh-CN"]
    assert desk.command.suggest("earthquake", 2, clock.now()) == []
    clock.advance_to(START + minutes(1))
    desk.command.publish(
        SYSTEM, plan(step("b"), plan="orange", version="2", **{"for": {"kind": "smog", "levels": [2]}})
    )
    assert desk.command.suggest("smog", 2, clock.now())[0].plan.version == "2"


def test_files_have_limits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    incident, _ = desk.start(plan(step("a")))
    task = desk.task(incident, "a")
    monkeypatch.setattr(limits, "RECEIPT_FILE_BYTES", 100)
    with pytest.raises(TooLarge):
        desk.command.attach(SYSTEM, task.id, "a", [b"x" * 60, b"x" * 60])
    with pytest.raises(Invalid, match="empty"):
        desk.command.attach(SYSTEM, task.id, "a", [])
    one = desk.command.attach(SYSTEM, task.id, "a.png", [b"<script>"])
    assert (one.media, one.name) == ("application/octet-stream", "a.png")
    assert desk.command.attach(SYSTEM, task.id, "b.png", [b"<script>"]).sha256 == one.sha256
    assert desk.told(incident).count(("task.file_added", "a")) == 1
    for wrong in ("../" + "a" * 61, "0" * 64):
        with pytest.raises(NotFound):
            desk.command.files.path(wrong)


def test_next_due_is_cheap_and_survives_a_restart(desk: Desk, database: Database, tmp_path: Path) -> None:
    incident, _ = desk.start(CHAIN)
    reopened: Command = centre(database, tmp_path)
    assert reopened.next_due() == desk.command.next_due() == START + minutes(30)
    assert reopened.tick(START + minutes(29)) == 0
    assert [task.step for task in Desk(reopened).tasks(incident)] == ["clinics", "stop", "tell"]
    assert set(UNITS) >= {task.unit for task in desk.tasks(incident)}


def test_alerts_that_end_while_others_tick(desk: Desk, clock: VirtualClock, database: Database) -> None:
    started = [desk.start(plan(step("a"), plan=f"p{number}"), alert_id=f"alert-{number}")[0] for number in range(8)]
    for incident in started[::2]:
        desk.finish(incident, "a")
    with database.work(SYSTEM) as work:
        work.emit("alert:other", "alert.ended", {"alert_id": "other"})
    desk.command.tick(clock.now())  # the subscription stands
    with database.work(SYSTEM) as work:
        for number in reversed(range(8)):
            work.emit(f"alert:alert-{number}", "alert.ended", {"alert_id": f"alert-{number}"})
    clock.advance_to(START + timedelta(days=1))
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: desk.command.tick(clock.now()), range(6)))
    desk.command.tick(clock.now())
    states = [desk.command.incident(SYSTEM, incident).state for incident in started]
    assert states == ["closed", "open"] * 4
    for incident in started:
        assert desk.told(incident).count(("incident.alert_over", "")) == 1


def test_who_verifies_sees_the_task_when_it_is_submitted(desk: Desk, clerk: Callable[[str], Actor]) -> None:
    incident, _ = desk.start(plan(step("stop", "industry", verify_by="ecology")))
    task = desk.task(incident, "stop")
    ecology, health = clerk("ecology"), clerk("health")
    assert [seen.id for _, tasks in desk.command.runs(ecology, incident) for seen in tasks] == [task.id]
    assert [tasks for _, tasks in desk.command.runs(health, incident)] == [[]]
    assert desk.command.tasks(ecology)[1] == 0
    desk.act(incident, "stop", "accept", clerk("industry"))
    desk.act(incident, "stop", "submit", clerk("industry"), note="done")
    assert [seen.id for seen in desk.command.tasks(ecology)[0]] == [task.id]
    assert desk.command.tasks(health)[1] == 0
    with pytest.raises(Forbidden):
        desk.command.task(health, task.id)
    desk.act(incident, "stop", "verify", ecology)
    assert desk.task(incident, "stop").state == "closed"
