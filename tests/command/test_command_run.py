"""Runs of whole plans on both databases: automatic steps, lists, boundary timers, a commander's changes, phones offline."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa

from cityheart.account.service import Account
from cityheart.command.models import Place, Task
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database, Work, metadata
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge, TooMany
from cityheart.kernel.events import read, verify
from cityheart.kernel.outbox import outbox_table
from cityheart.kernel.text import text

from .scene import FORM, PNG, START, SYSTEM, UNITS, Desk, centre, minutes, plan, step


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """A command centre on either database."""
    return Desk(centre(database, tmp_path))


def auto(id: str, does: str, **more: object) -> dict[str, object]:
    """An automatic step."""
    return {"id": id, "title": text(f"{id}步", id), "does": does, **more}


def asking(id: str, **more: object) -> dict[str, object]:
    """A task whose form leaves n in the run."""
    return step(id, evidence=[{"kind": "form", "schema": FORM}], sets={"n": "n"}, **more)


def go(desk: Desk, clock: VirtualClock, count: float) -> None:
    """Let time pass and tick once."""
    clock.advance_to(clock.now() + minutes(count))
    desk.command.tick(clock.now())


def posted(database: Database, topic: str) -> list[dict[str, object]]:
    """What was put into the outbox under a topic."""
    table = metadata.tables["outbox"]
    with database.read() as conn:
        rows = conn.execute(sa.select(table.c.payload).where(table.c.topic == topic).order_by(table.c.key))
        return [row.payload for row in rows]


def states(desk: Desk, incident: str) -> dict[str, tuple[str, str | None]]:
    """Of each step its newest round: state and outcome."""
    return {task.step: (task.state, task.outcome) for task in desk.tasks(incident)}


ASSESS = plan(
    asking("look", unit="ecology"),
    auto("who", "decide", table="good", after=["look"]),
    step("clean", "$owner", after=["who"], when="go"),
    step("watch", "$owner", after=["who"], when="not go"),
    auto(
        "tell", "message", topic="public-warning", after=["who"], payload={"n": "$n", "text": text("注意", "Take care")}
    ),
    auto("pause", "wait", after=["clean", "watch"], delay="PT2H"),
    step("report", "health", after=["pause"]),
)


def test_what_a_form_says_decides_who_does_what(desk: Desk, clock: VirtualClock, database: Database) -> None:
    incident, run = desk.start(ASSESS)
    assert set(states(desk, incident)) == {"look", "clean", "watch", "report"}, "what is automatic is nobody's task"
    assert desk.task(incident, "clean").unit == ""
    started = next(each for each in desk.command.log(SYSTEM, incident) if each.type == "run.started").data
    assert [each["step"] for each in started["tasks"]] == ["look", "report"]  # type: ignore[attr-defined]
    assert [each["step"] for each in started["automatic"]] == ["who", "tell", "pause"]  # type: ignore[attr-defined]
    assert [each["step"] for each in started["later"]] == ["clean", "watch"]  # type: ignore[attr-defined]
    go(desk, clock, 10)
    desk.act(incident, "look", "accept")
    desk.act(incident, "look", "submit", form={"n": 2})
    desk.act(incident, "look", "verify")
    found, _, automatic = desk.command.run(SYSTEM, run)
    assert found.variables == {"n": 2, "owner": sorted(UNITS)[2], "go": True}
    assert {task.step: task.state for task in automatic} == {"who": "closed", "tell": "closed", "pause": "scheduled"}
    assert states(desk, incident)["watch"] == ("cancelled", "not_needed")
    clean = desk.task(incident, "clean")
    assert (clean.state, clean.unit, clean.dispatched_at) == ("dispatched", sorted(UNITS)[2], START + minutes(10))
    (message,) = posted(database, "public-warning")
    assert (message["n"], message["text"], message["step"]) == (2, text("注意", "Take care"), "tell")
    desk.finish(incident, "clean")
    go(desk, clock, 119)
    assert desk.task(incident, "report").state == "scheduled"
    go(desk, clock, 1)
    desk.finish(incident, "report")
    assert desk.command.run(SYSTEM, run)[0].state == "closed"
    assert desk.command.task_counts([incident])[0][incident] == {"closed": 3, "cancelled": 1}
    assert Account(database).verify() == []
    with pytest.raises(NotFound):
        desk.command.task(SYSTEM, automatic[0].id)


@pytest.mark.parametrize("name", ["broken", "silent", "odd"])
def test_what_cannot_be_decided_goes_to_the_coordinator(desk: Desk, database: Database, name: str) -> None:
    source = plan(
        auto("who", "decide", table=name, inputs={"n": 1}),
        step("clean", "$owner", after=["who"]),
        step("more", "health", after=["who"], when="go and true"),
    )
    incident, _ = desk.start(source)
    clean = desk.task(incident, "clean")
    assert (clean.state, clean.unit) == ("dispatched", "coordinator")
    assert desk.command.unit_title(clean.unit)["en"] == "Coordinator"
    assert states(desk, incident)["more"] == ("cancelled", "not_needed")
    reasons = [message["reason"] for message in posted(database, "escalations")]
    assert sorted(map(str, reasons)) == (["no-department", "undecided"] if name == "broken" else ["no-department"])
    desk.act(incident, "clean", "reassign", to="industry", reason="属于工业")
    desk.finish(incident, "clean")
    assert Account(database).verify() == []


def test_a_step_for_each_district_and_one_that_waits_for_all(desk: Desk, database: Database) -> None:
    source = plan(
        step("check", "$area", each={"as": "area", "in": "areas"}, when="area != 'health'"),
        step("sum", "ecology", after=["check"]),
        parameters={"areas": ["industry", "transport"]},
    )
    incident, run = desk.start(source, parameters={"areas": ["health", "industry", "ecology"]})
    assert {task.step: task.unit for task in desk.tasks(incident)} == {
        "check-industry": "industry", "check-ecology": "ecology", "sum": "ecology",
    }  # fmt: skip
    desk.finish(incident, "check-industry")
    assert desk.task(incident, "sum").state == "scheduled"
    desk.finish(incident, "check-ecology")
    desk.finish(incident, "sum")
    assert desk.command.run(SYSTEM, run)[0].state == "closed"
    for wrong in (["navy"], "industry", 3):
        with pytest.raises(Invalid):
            desk.start(source, parameters={"areas": wrong})
    empty, _ = desk.start(source, parameters={"areas": []})
    assert desk.task(empty, "sum").state == "dispatched", "nothing to wait for"


HURRY = plan(
    step("a", "industry"),
    step("nudge", "emergency-office", during={"step": "a", "after": "PT2H"}),
    step("take-over", "ecology", during={"step": "a", "after": "PT3H", "interrupt": True}),
    step("fine", "health", after=["a"], when="not interrupted_a"),
    step("repair", "health", after=["a"], when="interrupted_a"),
)


def test_a_boundary_timer_that_nobody_needs(desk: Desk, clock: VirtualClock) -> None:
    incident, _ = desk.start(HURRY)
    go(desk, clock, 100)
    desk.finish(incident, "a")
    assert states(desk, incident) == {
        "a": ("closed", "done"), "nudge": ("cancelled", "not_needed"), "take-over": ("cancelled", "not_needed"),
        "fine": ("dispatched", None), "repair": ("cancelled", "not_needed"),
    }  # fmt: skip
    assert desk.command.next_due() == clock.now() + minutes(30), "no timer is left behind"


def test_a_boundary_timer_that_interrupts(desk: Desk, clock: VirtualClock, database: Database) -> None:
    incident, _ = desk.start(HURRY)
    go(desk, clock, 10)
    desk.act(incident, "a", "accept")
    go(desk, clock, 600)  # one very late tick
    assert states(desk, incident) == {
        "a": ("cancelled", "interrupted"), "nudge": ("dispatched", None), "take-over": ("dispatched", None),
        "fine": ("cancelled", "not_needed"), "repair": ("dispatched", None),
    }  # fmt: skip
    assert desk.task(incident, "nudge").dispatched_at == START + minutes(120)
    assert desk.task(incident, "a").closed_at == desk.task(incident, "repair").dispatched_at == START + minutes(180)
    assert not desk.task(incident, "a").late, "it was taken away before it was due"
    with pytest.raises(Conflict):
        desk.act(incident, "a", "submit")
    assert Account(database).verify() == []


def test_a_boundary_timer_rests_with_its_task(desk: Desk, clock: VirtualClock) -> None:
    incident, _ = desk.start(HURRY)
    go(desk, clock, 60)
    desk.act(incident, "a", "suspend", reason="台风")
    go(desk, clock, 1000)
    assert states(desk, incident)["take-over"] == ("scheduled", None)
    desk.act(incident, "a", "resume")
    assert desk.task(incident, "nudge").planned_at == START + minutes(1120)
    go(desk, clock, 119)
    assert states(desk, incident)["a"] == ("dispatched", None)
    go(desk, clock, 1)
    assert states(desk, incident)["a"] == ("cancelled", "interrupted")


def test_deadlines_in_working_time_leave_out_the_weekend(desk: Desk, clock: VirtualClock) -> None:
    friday = datetime(2015, 11, 6, 8, 30, tzinfo=UTC)  # 16:30 in the city, half an hour before the end of work
    clock.advance_to(friday)
    incident, _ = desk.start(plan(step("a", accept_within="PT1H", due="P2D", clock="working"), step("b", due="P2D")))
    task = desk.task(incident, "a")
    assert (task.accept_due, task.due) == (
        datetime(2015, 11, 9, 1, 30, tzinfo=UTC),
        datetime(2015, 11, 10, 8, 30, tzinfo=UTC),
    )
    assert desk.task(incident, "b").due == friday + timedelta(days=2)
    clock.advance_to(datetime(2015, 11, 9, 1, 0, tzinfo=UTC))  # Monday 9:00
    desk.act(incident, "a", "suspend", reason="停电")
    clock.advance_to(datetime(2015, 11, 10, 1, 0, tzinfo=UTC))
    desk.act(incident, "a", "resume")
    assert desk.task(incident, "a").accept_due == datetime(2015, 11, 10, 1, 30, tzinfo=UTC), "half an hour was left"


# ── a commander's changes ──────────────────────────────────────────────────────────────────────────────────────

ROAD = plan(
    step("close", "transport", escalate=[{"at": "due", "to": "mayor"}]),
    step("sweep", "industry", after=["close"]),
    step("open", "transport", after=["sweep"], delay="PT1H"),
)


def patch(desk: Desk, run: str, op: str, actor: Actor | None = None, **more: object) -> dict[str, object]:
    """The commander changes a run."""
    given = {"reason": "现场需要", **more}
    return desk.command.patch(actor or SYSTEM, desk.click(), run, op, **given)  # type: ignore[arg-type]


def test_a_commander_changes_one_run_and_no_plan(
    desk: Desk, clock: VirtualClock, database: Database, coordinator: Actor, clerk: Callable[[str], Actor]
) -> None:
    incident, run = desk.start(ROAD)
    other, other_run = desk.start(ROAD, title=text("另一件", "another"))
    digest = desk.command.plan_of(run).digest
    go(desk, clock, 10)
    assert patch(desk, run, "add", coordinator, step=step("ask", "health"), before=["open"]) == {
        "run_id": run,
        "patch_no": 1,
    }
    assert patch(desk, run, "skip", coordinator, step="sweep")["patch_no"] == 2
    assert patch(desk, run, "reassign", coordinator, step="open", unit="emergency-office")["patch_no"] == 3
    until = clock.now() + timedelta(days=1)
    assert patch(desk, run, "extend", coordinator, step="close", due=until)["patch_no"] == 4
    assert patch(desk, run, "extend", coordinator, step="open", due=until + timedelta(days=9))["patch_no"] == 5
    close = desk.task(incident, "close")
    assert close.due == close.rungs[0].at == until
    assert states(desk, incident)["sweep"] == ("cancelled", "skipped")
    ask = desk.task(incident, "ask")
    assert (ask.state, ask.dispatched_at, ask.due) == ("dispatched", START + minutes(10), START + minutes(250))
    desk.finish(incident, "close")
    go(desk, clock, 90)
    assert desk.task(incident, "open").state == "scheduled", "it waits for the step that was put before it"
    desk.finish(incident, "ask")
    go(desk, clock, 60)
    opened = desk.task(incident, "open")
    assert (opened.unit, opened.round, opened.state, opened.due) == (
        "emergency-office", 2, "dispatched", until + timedelta(days=9),
    )  # fmt: skip
    desk.finish(incident, "open")
    kept, _, _ = desk.command.run(SYSTEM, run)
    assert (kept.state, [each.op for each in kept.patches]) == (
        "closed",
        ["add", "skip", "reassign", "extend", "extend"],
    )
    assert kept.patches[0].by["id"] == coordinator.id and kept.patches[0].reason == "现场需要"
    told = [each for each in desk.command.log(SYSTEM, incident) if each.type == "run.patched"]
    assert [(each.data["patch"], each.data["op"], each.actor) for each in told][:2] == [
        (1, "add", coordinator.id), (2, "skip", coordinator.id),
    ]  # fmt: skip
    assert desk.command.plan(digest).steps == desk.command.plan_of(other_run).steps, "nobody else's run is different"
    assert set(states(desk, other)) == {"close", "sweep", "open"}
    assert "run.patched" not in {each.type for each in desk.command.log(clerk("health"), incident)}
    assert Account(database).verify() == []


def test_changes_that_come_too_late_or_make_no_sense(desk: Desk, clerk: Callable[[str], Actor]) -> None:
    incident, run = desk.start(ROAD)
    desk.act(incident, "close", "accept")
    desk.act(incident, "close", "submit")
    soon = START + timedelta(days=1)
    wrong: list[tuple[type[Exception], str, dict[str, object]]] = [
        (Invalid, "fly", {"step": "close"}),
        (Invalid, "skip", {"step": "nowhere"}),
        (Invalid, "skip", {}),
        (Invalid, "skip", {"step": "close", "unit": "health"}),
        (Invalid, "skip", {"step": "close", "reason": " "}),
        (Invalid, "reassign", {"step": "sweep", "unit": "navy"}),
        (Conflict, "reassign", {"step": "sweep", "unit": "industry"}),
        (Conflict, "reassign", {"step": "close", "unit": "health"}),
        (Conflict, "extend", {"step": "close", "due": soon}),
        (Invalid, "extend", {"step": "sweep", "due": START - minutes(1)}),
        (Invalid, "extend", {"step": "sweep", "due": START + limits.EXTENSION + minutes(1)}),
        (Invalid, "extend", {"step": "sweep", "due": datetime(2015, 11, 2)}),
        (Invalid, "add", {"step": step("close")}),
        (Invalid, "add", {"step": step("new", "navy")}),
        (Invalid, "add", {"step": step("new", after=["nowhere"])}),
        (Invalid, "add", {"step": step("new", when="wind > 3")}),
        (Invalid, "add", {"step": {"id": "new", "call": {"plan": "trial"}}}),
        (Invalid, "add", {"step": step("new", after=["open"]), "before": ["open"]}),
        (Conflict, "add", {"step": step("new"), "before": ["close"]}),
        (Conflict, "add", {"step": step("new", when="level == 1")}),
    ]
    before = desk.told(incident)
    for kind, op, more in wrong:
        with pytest.raises(kind) as refused:
            patch(desk, run, op, **more)
        assert getattr(refused.value, "remedy", None), (op, more)
    with pytest.raises(Forbidden):
        patch(desk, run, "skip", clerk("industry"), step="sweep")
    with pytest.raises(NotFound):
        patch(desk, "run-none", "skip", step="sweep")
    assert desk.told(incident) == before and desk.command.run(SYSTEM, run)[0].patches == ()
    desk.act(incident, "close", "verify")
    patch(desk, run, "skip", step="sweep")
    patch(desk, run, "skip", step="open")
    assert desk.command.run(SYSTEM, run)[0].state == "closed"
    with pytest.raises(Conflict, match="over"):
        patch(desk, run, "add", step=step("late"))


def test_the_same_change_twice_is_one(desk: Desk) -> None:
    incident, run = desk.start(ROAD)
    again = [desk.command.patch(SYSTEM, "change-0001", run, "skip", step="sweep", reason="so") for _ in range(3)]
    assert again == [{"run_id": run, "patch_no": 1}] * 3
    ask = [
        lambda n=n: desk.command.patch(SYSTEM, f"change-1{n:03}", run, "add", step=step(f"x{n}"), reason="so")
        for n in range(8)
    ]
    with ThreadPoolExecutor(8) as threads:
        numbers = [each["patch_no"] for each in threads.map(lambda call: call(), ask)]
    assert sorted(numbers) == list(range(2, 10)), "changes at the same time all count, one after the other"  # type: ignore[type-var]
    assert {f"x{n}" for n in range(8)} <= set(states(desk, incident))


def test_a_plan_published_anew_leaves_its_runs_alone(desk: Desk) -> None:
    incident, run = desk.start(ROAD)
    desk.command.publish(SYSTEM, {**ROAD, "version": "2", "steps": [step("other")]})
    desk.finish(incident, "close")
    assert desk.task(incident, "sweep").state == "dispatched"
    assert desk.command.plan_of(run).version == "1"


def test_the_same_text_keeps_what_it_pinned(desk: Desk) -> None:
    desk.command.publish(SYSTEM, plan(step("x"), plan="inner"))
    outer = plan({"id": "c", "call": {"plan": "inner"}}, step("y", after=["c"]), plan="outer")
    digest = desk.command.publish(SYSTEM, outer)
    desk.command.publish(SYSTEM, plan(step("x2"), plan="inner", version="2"))
    assert desk.command.publish(SYSTEM, outer) == digest, "installed again, an application says nothing new"
    newer = desk.command.plan(desk.command.publish(SYSTEM, {**outer, "version": "2"}))
    assert [each.id for each in newer.steps] == ["c-x2", "y"]
    with pytest.raises(Conflict, match="another content"):
        desk.command.publish(SYSTEM, {**outer, "steps": [step("z")]})


# ── receipts ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_receipt_with_form_and_place(desk: Desk) -> None:
    asked = [{"kind": "form", "schema": FORM}, {"kind": "place"}]
    incident, _ = desk.start(plan(step("a", evidence=asked)))
    desk.act(incident, "a", "accept")
    with pytest.raises(Conflict, match="1 × place"):
        desk.act(incident, "a", "submit", form={"n": 1})
    here = Place(120.86, 32.01, 8.5)
    with pytest.raises(Invalid) as refused:
        desk.act(incident, "a", "submit", form={"n": -1, "x": "y"}, place=here)
    (field,) = refused.value.extra["fields"]  # type: ignore[misc]
    assert field == {"field": "n", "message": text("不得小于 0", "must not be less than 0")}
    for wrong in (Place(181, 0, 1), Place(0, 91, 1), Place(0, 0, -1), Place(float("nan"), 0, 1), Place(0, 0, 1e9)):
        with pytest.raises(Invalid):
            desk.act(incident, "a", "submit", form={"n": 1}, place=wrong)
    for form in ({"n": float("inf")}, {"n": 1, "x": "\x00"}, {"n": 1, "x": "x" * limits.FORM_BYTES}):
        with pytest.raises((Invalid, TooLarge)):
            desk.act(incident, "a", "submit", form=form, place=here)
    with pytest.raises(Invalid):
        desk.act(incident, "a", "submit", note="a\x00b", form={"n": 1}, place=here)
    desk.act(incident, "a", "submit", form={"n": 1}, place=here)
    task = desk.task(incident, "a")
    (receipt,) = desk.command.receipts([task.id])[task.id]
    assert (receipt.place, receipt.form, receipt.done_at) == (here, {"n": 1}, None)


def late_receipt(desk: Desk, clock: VirtualClock, done: timedelta, phone: timedelta = timedelta(0)) -> tuple[str, Task]:
    """A task due at four hours, submitted at six, done at ``done``, with a phone that is off by ``phone``."""
    incident, _ = desk.start(plan(step("a")), title=text(str(done), str(done)))
    begun = clock.now()
    go(desk, clock, 20)
    desk.act(incident, "a", "accept")
    go(desk, clock, 340)
    sent = clock.now() + phone
    desk.act(incident, "a", "submit", note="done", done_at=begun + done + phone, sent_at=sent)
    return incident, desk.task(incident, "a")


@pytest.mark.parametrize("phone", [minutes(0), minutes(60), minutes(-61)])
def test_who_finished_in_time_without_a_connection_is_not_late(
    desk: Desk, clock: VirtualClock, database: Database, phone: timedelta
) -> None:
    incident, task = late_receipt(desk, clock, minutes(200), phone)
    assert task.late and task.done_at == START + minutes(200), "the phone's clock is set right by what it says it is"
    (receipt,) = desk.command.receipts([task.id])[task.id]
    assert (receipt.at, receipt.done_at, receipt.clock_off) == (
        START + minutes(360), START + minutes(200), -phone.total_seconds(),
    )  # fmt: skip
    desk.act(incident, "a", "verify", count_offline=True)
    assert not desk.task(incident, "a").late
    types = [type for type, _ in desk.told(incident)]
    assert types[-5:] == ["task.submitted", "task.offline_counted", "task.verified", "task.closed", "run.closed"]
    assert Account(database).verify() == []


def test_offline_time_counts_only_when_it_was_in_time_and_somebody_says_so(desk: Desk, clock: VirtualClock) -> None:
    incident, task = late_receipt(desk, clock, minutes(241))
    with pytest.raises(Conflict, match="in time"):
        desk.act(incident, "a", "verify", count_offline=True)
    desk.act(incident, "a", "verify")
    assert desk.task(incident, "a").late
    incident, task = late_receipt(desk, clock, minutes(-500))
    assert task.done_at == task.dispatched_at, "never before it was ordered"
    incident, task = late_receipt(desk, clock, minutes(5000))
    assert task.done_at == task.submitted_at, "never after it came"
    incident, _ = desk.start(plan(step("a")), title=text("直接", "plain"))
    desk.act(incident, "a", "accept")
    with pytest.raises(Invalid, match="sent_at"):
        desk.act(incident, "a", "submit", done_at=clock.now())
    desk.act(incident, "a", "submit")
    with pytest.raises(Conflict):
        desk.act(incident, "a", "verify", count_offline=True)


def test_a_second_phone_hears_who_was_first(desk: Desk, clock: VirtualClock, clerk: Callable[[str], Actor]) -> None:
    incident, _ = desk.start(plan(step("a", "industry")))
    wang = clerk("industry")
    li = Actor("user:li", text("李", "Li"), "industry", frozenset({"clerk"}))
    desk.act(incident, "a", "accept", wang)
    with pytest.raises(Conflict, match="clerk-industry accepted this task at 2015-11-01T00:00:00"):
        desk.act(incident, "a", "accept", li)
    go(desk, clock, 5)
    first = desk.task(incident, "a").id
    desk.act(incident, "a", "submit", wang, note="done")
    with pytest.raises(Conflict, match="submitted this task at 2015-11-01T00:05:00") as refused:
        desk.act(incident, "a", "submit", li, note="me too")
    assert refused.value.extra["by"] == {"id": wang.id, "name": wang.name}
    assert "verifier" in str(refused.value.remedy)
    assert len(desk.command.receipts([first])[first]) == 1
    desk.act(incident, "a", "reject", reason="再拍")
    with pytest.raises(Conflict) as refused:
        desk.command.act(li, desk.click(), first, "submit", note="me too")
    assert "round 2" in str(refused.value.remedy) and refused.value.extra["next"] == desk.task(incident, "a").id


def test_a_stream_that_never_ends_is_cut_off(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    incident, _ = desk.start(plan(step("a")))
    monkeypatch.setattr(limits, "RECEIPT_FILE_BYTES", 3 * 2**20)
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        for _ in itertools.count():
            taken += 1
            drafts = list((tmp_path / "files").glob("draft-*"))
            assert sum(file.stat().st_size for file in drafts) <= limits.RECEIPT_FILE_BYTES
            yield PNG + bytes(2**16)

    with pytest.raises(TooLarge):
        desk.command.attach(SYSTEM, desk.task(incident, "a").id, "film.mp4", endless())
    assert taken <= 3 * 16 + 1 and list((tmp_path / "files").iterdir()) == [], "nothing is left of it"


# ── residents, phones, lists ───────────────────────────────────────────────────────────────────────────────────


def test_what_the_caller_says_is_an_event(desk: Desk, database: Database, clerk: Callable[[str], Actor]) -> None:
    incident, run = desk.start(plan(step("a", "industry")))
    operator = Actor("user:op", text("话务员", "Operator"), None, frozenset({"operator"}))
    with pytest.raises(Conflict):
        desk.act(incident, "a", "evaluate", operator, satisfied=True)
    desk.finish(incident, "a")
    with pytest.raises(Forbidden):
        desk.act(incident, "a", "evaluate", clerk("industry"), satisfied=True)
    desk.act(incident, "a", "evaluate", operator)  # nobody answered
    assert desk.task(incident, "a").satisfied == "no_answer"
    desk.act(incident, "a", "evaluate", operator, satisfied=False, note="还有垃圾")
    with pytest.raises(Conflict):
        desk.act(incident, "a", "evaluate", operator, satisfied=True)
    told = [each.data for each in desk.command.log(SYSTEM, incident) if each.type == "task.evaluated"]
    task = desk.task(incident, "a")
    assert [each["satisfied"] for each in told] == [None, False] and task.satisfied == "no"
    assert {told[0][name] for name in ("task", "unit", "run", "incident", "step")} == {
        task.id,
        "industry",
        run,
        incident,
        "a",
    }
    assert desk.command.actions(SYSTEM, task, desk.command.plan_of(run)) == []
    assert Account(database).verify() == []


def test_a_phone_plays_what_it_kept(desk: Desk, clock: VirtualClock, clerk: Callable[[str], Actor]) -> None:
    first, _ = desk.start(plan(step("a", "industry"), step("b", "health")))
    second, _ = desk.start(plan(step("a", "industry"), plan="other"), title=text("二", "two"))
    wang = clerk("industry")
    one, two, foreign = (desk.task(*each).id for each in ((first, "a"), (second, "a"), (first, "b")))
    clock.advance_to(START + minutes(300))
    phone = START + minutes(330)  # half an hour ahead
    acts: list[dict[str, object]] = [
        {"command_id": "phone-0001", "task_id": one, "verb": "accept", "at": START + minutes(40)},
        {"command_id": "phone-0002", "task_id": one, "verb": "submit", "note": "好了", "at": START + minutes(320)},
        {"command_id": "phone-0003", "task_id": foreign, "verb": "accept", "at": START + minutes(60)},
        {"command_id": "phone-0004", "task_id": two, "verb": "accept"},
        {"command_id": "phone-0005", "task_id": "task-none", "verb": "accept"},
        {"command_id": "phone-0006", "task_id": two, "verb": "fly"},
        {"command_id": "x", "task_id": two, "verb": "submit"},
    ]
    played = desk.command.play(wang, acts, phone)
    assert [each["ok"] for each in played] == [True, True, False, True, False, False, False]
    assert played[2]["problem"]["code"] == "forbidden" and played[4]["problem"]["remedy"]  # type: ignore[index]
    task = desk.task(first, "a")
    assert (task.state, task.done_at) == ("submitted", START + minutes(290))
    events = desk.told(first)
    again = desk.command.play(wang, acts[:2], START + minutes(400))  # sent again later: another sent_at, the same acts
    assert again == played[:2] and desk.told(first) == events
    with pytest.raises(TooMany):
        desk.command.play(wang, acts * 100)


def test_what_is_undone_alone_leaves_no_trace_among_what_is_committed_together(desk: Desk, database: Database) -> None:
    _, run = desk.start(plan(step("a")))

    def write(work: Work, *, well: bool) -> dict[str, object]:
        work.emit(f"run:{run}", "run.told", {"well": well})
        work.post(f"told:{well}:{work.stream_heads[f'run:{run}'][0]}", "orders", {"orders": []})
        if not well:
            raise Conflict("not so", remedy="otherwise")
        return {"n": work.stream_heads[f"run:{run}"][0]}

    told = []
    with database.together(SYSTEM):
        for number, well in enumerate((True, False, True, False, True)):
            try:
                told.append(database.once(SYSTEM, f"told-{number:04d}", "tell", {}, partial(write, well=well))["n"])
            except Conflict:
                told.append(None)
    first = cast("int", told[0])
    assert told == [first, None, first + 1, None, first + 2]
    with database.read() as conn:
        assert verify(conn) == []
        assert conn.execute(sa.select(sa.func.count()).where(outbox_table.c.key.startswith("told:False"))).scalar() == 0
    with database.together(SYSTEM):  # the same again changes nothing
        assert database.once(SYSTEM, "told-0004", "tell", {}, partial(write, well=True)) == {"n": first + 2}
    with pytest.raises(ZeroDivisionError), database.together(SYSTEM):
        database.once(SYSTEM, "told-0010", "tell", {}, partial(write, well=True))
        raise ZeroDivisionError
    with database.read() as conn:
        kept = read(conn, stream=f"run:{run}", types=["run.told"])
    assert len(kept) == (3 if database.dialect == "sqlite" else 4)


def test_a_phone_hears_what_changed_since(desk: Desk, clock: VirtualClock, clerk: Callable[[str], Actor]) -> None:
    wang = clerk("industry")
    incident, _ = desk.start(
        plan(step("a", "industry"), step("b", "health", verify_by="industry"), step("c", "industry", delay="PT1H"))
    )
    began = desk.command.changes(wang)
    assert [task.step for task in began.tasks] == ["a"] and not began.more, "what is to be done, not what is planned"
    assert desk.command.changes(wang, began.cursor).tasks == []
    go(desk, clock, 60)
    desk.act(incident, "a", "accept", wang)
    since = desk.command.changes(wang, began.cursor)
    assert sorted(task.step for task in since.tasks) == ["a", "b", "c"], (
        "b was not accepted in time, and is industry's to verify"
    )
    desk.act(incident, "b", "accept")
    desk.act(incident, "b", "submit")
    assert [task.step for task in desk.command.changes(wang, since.cursor).tasks] == ["b"]
    assert [task.step for task in desk.command.changes(clerk("ecology"), 0).tasks] == []
    everything = desk.command.changes(SYSTEM, 0)
    assert {task.step for task in everything.tasks} == {"a", "b", "c"} and everything.cursor > since.cursor


def test_tasks_are_found_by_what_people_look_for(desk: Desk, clock: VirtualClock) -> None:
    desk.start(
        plan(step("sweep", title=text("清扫道路", "Sweep the road"), due="PT1H"), step("wait", due="PT9H")),
        title=text("沙尘 100%", "Dust 100%"),
    )
    desk.start(
        plan(step("sweep", title=text("清扫河道", "Sweep the river")), plan="other"), title=text("洪水", "Flood")
    )
    found = desk.command.tasks

    def steps(**query: object) -> list[str]:
        tasks, total = found(SYSTEM, **query)  # type: ignore[arg-type]
        assert total == len(tasks)
        return sorted(task.step for task in tasks)

    assert steps(words="清扫") == ["sweep", "sweep"]
    assert steps(words="SWEEP flood") == ["sweep"]
    assert steps(words="100%") == ["sweep", "wait"] and steps(words="%") == ["sweep", "wait"] and steps(words="_") == []
    assert steps(due_before=START + minutes(61)) == ["sweep"]
    assert steps(words="河道", over=True) == []
