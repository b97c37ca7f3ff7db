"""Closed incidents become cases, cases and clauses are imported, and what is suggested says why; on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from cityheart.command.knowledge import api as knowledge_api
from cityheart.command.knowledge.clauses import read_clauses
from cityheart.command.knowledge.models import Described, Matter
from cityheart.command.knowledge.service import Knowledge
from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Problem, TooLarge
from cityheart.kernel.text import text

from ..command.scene import START, SYSTEM, UNITS, Desk, centre, plan, step

KEY = b"a key of tests, long enough"
TRIAL = {"kind": "smog", "levels": [2]}
CLAUSE = """
[[clauses]]
id = "{id}"
title = {{ zh-CN = "医疗待命", en = "Hospitals stand by" }}
text = {{ zh-CN = "医疗机构应当待命。", en = "Hospitals shall stand by." }}
law = {{ zh-CN = "试行办法", en = "Trial rules" }}
article = "第三条"
source = "made up for tests"
from = {since}
{until}
[[clauses.mandates]]
kind = "smog"
levels = [1, 2]
step = "hospitals*"
duty = {{ zh-CN = "医院待命", en = "Hospitals" }}
unit = "health"
due = "PT3H"
"""


def clause(id: str = "trial-3", since: str = "2015-01-01", until: str = "") -> str:
    """A clause that mandates a step of the health department."""
    return CLAUSE.format(id=id, since=since, until=until and f"until = {until}")


def row(number: int, **more: object) -> dict[str, object]:
    """A case of another system."""
    return {
        "id": f"old-{number}", "kind": "smog", "level": 2, "opened_at": f"2015-09-{1 + number % 28:02d}T08:00:00+08:00",
        "closed_at": f"2015-09-{1 + number % 28:02d}T20:00:00+08:00", "text": f"化工厂夜间排放刺鼻气体{number}", "plan": "smog-a",
        "steps": [{"step": "a", "unit": "industry", "due": "PT4H", "took": 3_600}], **more,
    }  # fmt: skip


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """A command centre with two plans for smog."""
    desk = Desk(centre(database, tmp_path))
    desk.command.publish(SYSTEM, plan(step("a"), step("b", "ecology"), plan="smog-a", **{"for": TRIAL}))
    desk.command.publish(SYSTEM, plan(step("a", "ecology"), plan="smog-b", **{"for": TRIAL}))
    return desk


@pytest.fixture
def knowledge(database: Database, desk: Desk) -> Knowledge:
    """The knowledge of this city."""
    return made(database, desk)


def made(database: Database, desk: Desk) -> Knowledge:
    knowledge = Knowledge(database, desk.command, key=lambda: KEY, zone="Asia/Shanghai")
    knowledge.register_units(UNITS)
    return knowledge


def ask(knowledge: Knowledge, clock: VirtualClock, words: str = "化工厂排放刺鼻气体", **more: object) -> Matter:
    return Matter(**{"kind": "smog", "level": 2, "at": clock.now(), "text": words, **more})  # type: ignore[arg-type]


def closed(desk: Desk, clock: VirtualClock, name: str, *, words: str = "演练", **spec: object) -> str:
    """An incident that was handled with a plan and closed."""
    digest = next(one.digest for one in desk.command.plans(SYSTEM) if one.name == name)
    given = {"title": text(words, words), "kind": "smog", "level": 2, **spec}
    incident = str(desk.command.dispatch(SYSTEM, desk.click(), given, digest)["incident_id"])
    for task in list(desk.tasks(incident)):
        clock.advance_to(clock.now() + timedelta(minutes=10))
        desk.finish(incident, task.step)
    desk.command.lift(SYSTEM, desk.click(), incident, "over")
    return incident


# ── cases of the city's own ────────────────────────────────────────────────────────────────────────────────────────


def test_a_closed_incident_becomes_a_case(knowledge: Knowledge, desk: Desk, clock: VirtualClock) -> None:
    knowledge.register_describer(
        lambda incident: Described("王先生13812345678报告化工厂冒烟", "district-7", 120.9, 32.0)
    )
    incident = closed(desk, clock, "smog-a", words="化工厂")
    ((_, case),), total = knowledge.cases(SYSTEM)
    assert total == 1 and (case.origin, case.incident, case.kind, case.level) == ("city", incident, "smog", 2)
    assert case.plan == "smog-a" and [step.step for step in case.steps] == ["a", "b"] and case.changes == ()
    assert (case.place, case.lon) == ("district-7", 120.9) and case.steps[0].took == 600
    assert "13812345678" not in case.text and "王" not in case.text and "化工厂冒烟" in case.text
    assert case.opened_at == START and case.known_at == clock.now() and case.late == 0 and case.outcome == 1
    assert knowledge.follow() == 0 and knowledge.cases(SYSTEM)[1] == 1
    assert knowledge.case(SYSTEM, case.id) == case


def test_what_was_done_to_tasks_is_learned(knowledge: Knowledge, desk: Desk, clock: VirtualClock) -> None:
    for _ in range(3):
        digest = next(one.digest for one in desk.command.plans(SYSTEM) if one.name == "smog-a")
        given = {"title": text("化工厂排放", "Plant"), "kind": "smog", "level": 2}
        incident = str(desk.command.dispatch(SYSTEM, desk.click(), given, digest)["incident_id"])
        desk.act(incident, "b", "cancel", reason="张先生说不需要")
        desk.act(incident, "a", "reassign", to="transport", reason="归交通管")
        clock.advance_to(clock.now() + timedelta(hours=5))
        desk.command.tick(clock.now())
        desk.finish(incident, "a")
        desk.command.lift(SYSTEM, desk.click(), incident, "over")
    (_, case), *_ = knowledge.cases(SYSTEM)[0]
    assert [(change.op, change.step, change.unit) for change in case.changes] == [
        ("reassign", "a", "transport"), ("skip", "b", None),
    ]  # fmt: skip
    assert "张" not in case.changes[1].reason and [step.unit for step in case.steps if step.step == "a"] == [
        "transport"
    ]
    assert case.late == 1 and case.outcome < 1
    advice = knowledge.advise(ask(knowledge, clock, "化工厂排放。Plant"))
    best = advice.plans[0]
    assert best.plan.name == "smog-a" and (best.n, best.m) == (3, 3)
    assert {(one.change.op, one.change.step) for one in best.changes} == {("reassign", "a"), ("skip", "b")}
    for proposed in best.changes:
        (reason,) = proposed.reasons
        assert (
            (reason.kind, reason.n, reason.m) == ("cases", 3, 3) and len(proposed.cases) == 3 and not proposed.mandated
        )


def test_a_commanders_patches_are_learned(knowledge: Knowledge, desk: Desk, clock: VirtualClock) -> None:
    digest = next(one.digest for one in desk.command.plans(SYSTEM) if one.name == "smog-b")
    given = {"title": text("烟囱", "Stack"), "kind": "smog", "level": 2}
    started = desk.command.dispatch(SYSTEM, desk.click(), given, digest)
    incident, run = str(started["incident_id"]), str(started["run_id"])
    new = {"id": "c", "title": text("驻厂", "Stay"), "unit": "industry", "accept_within": "PT30M", "due": "PT6H"}
    desk.command.patch(SYSTEM, desk.click(), run, "add", reason="多派一组", step=new)
    for id in ("a", "c"):
        desk.finish(incident, id)
    desk.command.lift(SYSTEM, desk.click(), incident, "over")
    ((_, case),), _ = knowledge.cases(SYSTEM)
    (change,) = case.changes
    assert (change.op, change.step, change.unit, change.due) == ("add", "c", "industry", 6 * 3_600)
    assert change.title == text("驻厂", "Stay") and change.reason == "多派一组" and len(case.steps) == 2


def test_runs_of_one_incident_are_cases_at_their_own_levels(
    knowledge: Knowledge, desk: Desk, clock: VirtualClock
) -> None:  # fmt: skip
    plans = {one.name: one.digest for one in desk.command.plans(SYSTEM)}
    given = {"title": text("烟", "Smoke"), "kind": "smog", "level": 3}
    incident = str(desk.command.dispatch(SYSTEM, desk.click(), given, plans["smog-b"])["incident_id"])
    clock.advance_to(clock.now() + timedelta(hours=1))
    desk.command.dispatch(SYSTEM, desk.click(), {"id": incident, "level": 2}, plans["smog-a"])
    for task in desk.tasks(incident):
        for verb in ("accept", "submit", "verify"):
            desk.command.act(SYSTEM, desk.click(), task.id, verb, note="done")
    desk.command.lift(SYSTEM, desk.click(), incident, "over")
    found = {case.plan: case.level for _, case in knowledge.cases(SYSTEM)[0]}
    assert found == {"smog-a": 2, "smog-b": 3}


def test_a_process_that_starts_again_suggests_the_same(
    knowledge: Knowledge, database: Database, desk: Desk, clock: VirtualClock
) -> None:
    knowledge.import_cases(SYSTEM, "import-0001", "elsewhere", "json", json.dumps([row(n) for n in range(6)]))
    closed(desk, clock, "smog-b", words="化工厂")
    clock.advance_to(clock.now() + timedelta(days=1))
    matter = ask(knowledge, clock)
    first = knowledge.advise(matter)
    closed(desk, clock, "smog-b", words="锅炉房")  # of which nothing was known then
    again = made(database, desk)
    again.ready()
    second = again.advise(matter)
    assert [(one.plan.digest, one.n) for one in first.plans] == [(one.plan.digest, one.n) for one in second.plans]
    assert [case.id for case, _ in first.cases] == [case.id for case, _ in second.cases] and len(first.cases) == 5


# ── clauses ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_clause_mandates_is_always_there(knowledge: Knowledge, clock: VirtualClock) -> None:
    before = knowledge.advise(ask(knowledge, clock))
    assert all(one.changes == () for one in before.plans) and before.clauses == ()
    knowledge.import_clauses(SYSTEM, "import-0001", "trial", clause())
    advice = knowledge.advise(ask(knowledge, clock))
    assert [one.id for one in advice.clauses] == ["trial-3"]
    for suggested in advice.plans:
        (proposed,) = suggested.changes
        assert proposed.mandated and (proposed.change.op, proposed.change.unit) == ("add", "health")
        assert proposed.change.step.startswith("hospitals") and proposed.reasons[0].clause == "trial-3"
        assert "未核对" in proposed.reasons[0].text["zh-CN"], "nobody compared its words with the official text"
    assert knowledge.advise(ask(knowledge, clock, level=3)).clauses == ()


def test_a_step_that_fulfils_a_clause_says_so_and_is_not_voted_away(
    knowledge: Knowledge, desk: Desk, clock: VirtualClock
) -> None:
    desk.command.publish(
        SYSTEM, plan(step("a"), step("hospitals-ready", "health"), plan="smog-a", version="2", **{"for": TRIAL})
    )
    knowledge.import_clauses(SYSTEM, "import-0001", "trial", clause())
    skipped = [{"op": "skip", "step": "hospitals-ready"}, {"op": "skip", "step": "a"}]
    rows = [row(n, changes=skipped) for n in range(5)]
    knowledge.import_cases(SYSTEM, "import-0002", "elsewhere", "json", json.dumps(rows))
    best = knowledge.advise(ask(knowledge, clock)).plans[0]
    assert best.plan.version == "2" and [one.change.step for one in best.changes] == ["a"]
    assert [reason.kind for reason in best.reasons["hospitals-ready"]] == ["clause", "plan"]
    assert [reason.kind for reason in best.reasons["a"]] == ["cases", "plan"]


def test_a_step_left_out_at_this_level_fulfils_nothing(knowledge: Knowledge, desk: Desk, clock: VirtualClock) -> None:
    only_red = step("hospitals-ready", "health", when="level == 1")
    desk.command.publish(
        SYSTEM, plan(step("a"), only_red, plan="smog-c", **{"for": {"kind": "smog", "levels": [1, 2]}})
    )
    knowledge.import_clauses(SYSTEM, "import-0001", "trial", clause())

    def mandated(level: int) -> list[bool]:
        found = knowledge.advise(ask(knowledge, clock, level=level)).plans
        return [change.mandated for one in found if one.plan.name == "smog-c" for change in one.changes]

    assert mandated(1) == [] and mandated(2) == [True]


@pytest.mark.parametrize(
    ("since", "until", "holds"),
    [
        ("2015-11-01", "", True),
        ("2015-11-02", "", False),
        ("2015-01-01", "2015-11-01", False),
        ("2015-01-01", "2015-11-02", True),
    ],
)  # fmt: skip
def test_clauses_hold_on_the_citys_days(
    knowledge: Knowledge, clock: VirtualClock, since: str, until: str, holds: bool
) -> None:
    knowledge.import_clauses(SYSTEM, "import-0001", "trial", clause(since=since, until=until))
    clock.advance_to(START + timedelta(hours=15, minutes=59))  # 23:59 in Shanghai
    assert bool(knowledge.advise(ask(knowledge, clock)).clauses) is holds
    day = date(2015, 11, 1)
    assert bool(knowledge.clauses(SYSTEM, kind="smog", on=day)) is holds and len(knowledge.clauses(SYSTEM)) == 1
    assert knowledge.clauses(SYSTEM, kind="flood") == []


def test_a_changed_clause_is_another_revision(knowledge: Knowledge, database: Database, clock: VirtualClock) -> None:
    assert knowledge.register_clauses(SYSTEM, "app:trial", read_clauses(clause(), "here")) == 1
    assert knowledge.register_clauses(SYSTEM, "app:trial", read_clauses(clause(), "here")) == 0
    before = clock.now()
    clock.advance_to(START + timedelta(days=1))
    result = knowledge.import_clauses(SYSTEM, "import-0001", "trial", clause(until="2015-11-20"))
    assert result == {"imported": 1, "known": 0}
    assert knowledge.import_clauses(SYSTEM, "import-0001", "trial", clause(until="2015-11-20")) == result
    assert [one.until for one in knowledge.clauses(SYSTEM)] == [date(2015, 11, 20)]
    then = knowledge.advise(Matter("smog", 2, before)).clauses
    assert [one.until for one in then] == [None], "what was known then"
    with database.read() as conn:
        told = events.read(conn, types={"clause.registered"})
    assert [event.data["revision"] for event in told] == [1, 2]


def test_a_source_is_told_in_both_languages_or_as_it_was_entered() -> None:
    both = clause().replace('source = "made up for tests"', 'source = { zh-CN = "公报", en = "The gazette" }')
    assert read_clauses(both, "here")[0].source == {"zh-CN": "公报", "en": "The gazette"}
    assert isinstance(read_clauses(clause(), "here")[0].source, str)


BAD_CLAUSES = {
    "no TOML [": "neither TOML nor JSON",
    '{"clauses": [{"id": "a"}]}': "clauses.0.title",
    clause().replace('en = "Trial rules"', 'en = ""'): "both languages",
    clause(since="2015-02-01", until="2015-01-01"): "until is not after from",
    clause().replace("PT3H", "3 hours"): "not a duration",
    clause().replace('unit = "health"', 'unit = "nobody"'): "there is no department nobody",
    clause().replace('source = "made up for tests"', "source = 5"): "clauses.0.source: write 1 to 400",
    clause().replace('source = "made up for tests"', 'source = { en = "Read" }'): "clauses.0.source: write it in both",
    clause() + clause(): "there twice",
    clause().replace("levels = [1, 2]", "levels = [5]"): "levels.0",
    "[" * 5_000: "neither TOML nor JSON",
}


@pytest.mark.parametrize(("content", "said"), BAD_CLAUSES.items(), ids=lambda value: value[:12].strip())
def test_bad_clauses_are_refused_whole(knowledge: Knowledge, content: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        knowledge.import_clauses(SYSTEM, "import-0001", "trial", content)
    assert refused.value.remedy and knowledge.clauses(SYSTEM) == []


# ── imports of cases ───────────────────────────────────────────────────────────────────────────────────────────────


def test_good_rows_are_taken_and_bad_ones_named(knowledge: Knowledge, database: Database, clock: VirtualClock) -> None:
    rows: list[object] = [
        row(1, text="联系人：赵小明，电话13812345678，车牌苏F12345，化工厂冒烟"),
        row(1, text="联系人：赵小明，电话13812345678，车牌苏F12345，化工厂冒烟"),
        row(2, phone="13812345678"),
        row(3, colour="blue"),
        row(4, closed_at="2015-08-01T00:00:00Z"),
        row(5, closed_at="2016-08-01T00:00:00Z"),
        row(6, opened_at="2015-09-01T08:00:00"),
        row(7, level=5),
        row(8, lon=1e400),
        row(9, lon=120.0),
        row(1, text="something else"),
        "no case",
        row(10, steps=[{"step": "a", "unit": "industry", "due": "soon"}]),
        row(11, text="水" * (limits.CASE_CHARS + 1)),
        row(12, changes=[{"op": "dance", "step": "a"}]),
        row(13, plan="../../etc"),
    ]
    content = json.dumps(rows)
    checked = knowledge.check_cases(SYSTEM, "elsewhere", "json", content)
    assert knowledge.cases(SYSTEM) == ([], 0), "looking writes nothing"
    shown: Any = checked.pop("items")
    assert [one["kind"] for one in shown] == ["smog"] and "13812345678" not in shown[0]["text"]
    result = knowledge.import_cases(SYSTEM, "import-0001", "elsewhere", "json", content)
    assert result == checked and (result["imported"], result["known"], result["refused"]) == (1, 1, 14)
    refusals = {one["row"]: one["reason"]["en"] for one in result["refusals"]}  # type: ignore[attr-defined]
    assert sorted(refusals) == list(range(3, 17)) and all(one["remedy"] for one in result["refusals"])  # type: ignore[attr-defined]
    for number, said in (
        (3, "phone: personal data"),
        (4, "colour"),
        (6, "in the future"),
        (7, "opened_at"),
        (11, "another content"),
    ):
        assert said in refusals[number]
    ((_, case),), _ = knowledge.cases(SYSTEM)
    assert not any(secret in case.text for secret in ("赵小明", "13812345678", "F12345")) and "化工厂冒烟" in case.text
    assert knowledge.import_cases(SYSTEM, "import-0001", "elsewhere", "json", content) == result, "the same click"
    again = knowledge.import_cases(SYSTEM, "import-0002", "elsewhere", "json", json.dumps(rows[:1]))
    assert (again["imported"], again["known"]) == (0, 1)
    with database.read() as conn:
        told = events.read(conn, types={"case.imported"})
    assert [event.data["imported"] for event in told] == [1, 0] and "赵小明" not in json.dumps([e.data for e in told])


def test_a_spreadsheet_is_taken_as_csv(knowledge: Knowledge) -> None:
    content = (
        "\ufeffid,kind,level,opened_at,closed_at,text,plan,steps,changes\r\n"
        '1,smog,2,2015-09-01T08:00:00+08:00,2015-09-01T20:00:00+08:00,"厂区, 冒烟",smog-a,a@industry;b@ecology,'
        "skip:b; extend:a@PT6H;add:c@health\r\n"
        "2,smog,2,2015-09-01T08:00:00+08:00\r\n"
    )
    result = knowledge.import_cases(SYSTEM, "import-0001", "sheet", "csv", content)
    assert (result["imported"], result["refused"]) == (1, 1)
    ((_, case),), _ = knowledge.cases(SYSTEM)
    assert [(step.step, step.unit) for step in case.steps] == [("a", "industry"), ("b", "ecology")]
    assert [(one.op, one.step, one.unit, one.due) for one in case.changes] == [
        ("skip", "b", None, None), ("extend", "a", None, 6 * 3_600), ("add", "c", "health", None),
    ]  # fmt: skip


def test_what_the_source_corrects_stands_and_the_old_version_is_kept(
    knowledge: Knowledge, database: Database, desk: Desk, clock: VirtualClock, steward: Actor
) -> None:
    def take(number: int, *rows: dict[str, object]) -> tuple[object, ...]:
        found = knowledge.import_cases(steward, f"import-{number:04d}", "elsewhere", "json", json.dumps(rows))
        return tuple(found[name] for name in ("imported", "revised", "known", "refused"))

    other = made(database, desk)  # another process, which has read some of it
    assert take(1, row(1), row(2)) == (2, 0, 0, 0)
    before = ask(other, clock)
    assert len(other.advise(before).cases) == 2
    first = next(case for _, case in knowledge.cases(SYSTEM)[0] if "气体1" in case.text)
    clock.advance_to(clock.now() + timedelta(days=1))
    assert take(2, row(1, text="锅炉房爆炸", level=1, plan="smog-b"), row(2), row(3)) == (1, 1, 1, 0)
    clock.advance_to(clock.now() + timedelta(days=1))
    assert take(3, row(1, text="锅炉房爆炸", level=1, plan="smog-b")) == (0, 0, 1, 0), "the same again is no revision"
    assert take(4, row(1, kind="fire", text="锅炉房起火")) == (0, 1, 0, 0)

    now = knowledge.case(SYSTEM, first.id)
    assert (now.text, now.kind, now.plan, now.revision, now.revised_at) == (
        "锅炉房起火",
        "fire",
        "smog-a",
        3,
        clock.now(),
    )
    assert now.known_at == first.known_at and knowledge.cases(SYSTEM)[1] == 3
    assert [case.id for _, case in knowledge.cases(SYSTEM, text="锅炉房")[0]] == [first.id]
    assert knowledge.cases(SYSTEM, text="气体1")[0] == [], "what no longer stands is not searched"
    second, oldest = knowledge.revisions(SYSTEM, first.id)
    assert (oldest["revision"], oldest["since"], oldest["replaced_by"]) == (1, first.known_at, steward.id)
    assert oldest["until"] == second["since"] and second["until"] == clock.now()
    assert [(one["field"], one["before"], one["after"]) for one in oldest["changed"]] == [  # type: ignore[attr-defined]
        ("level", 2, 1),
        ("text", first.text, "锅炉房爆炸"),
        ("plan", *({"id": id, "version": None, "digest": None} for id in ("smog-a", "smog-b"))),
    ]
    assert oldest["case"]["text"] == first.text  # type: ignore[index]
    with database.read() as conn:
        told = events.read(conn, types={"case.revised"})
    assert [(one.data["revision"], one.data["changed"]) for one in told] == [
        (2, ["level", "text", "plan"]), (3, ["kind", "level", "text", "plan"]),
    ]  # fmt: skip

    for reader in (knowledge, other, made(database, desk)):  # that wrote it, that knew the first version, that begins
        assert first.id not in {case.id for case, _ in reader.advise(ask(reader, clock)).cases}
        ((found, _),) = reader.advise(ask(reader, clock, "锅炉房", kind="fire")).cases
        assert found == now
        then = {case.id: case.text for case, _ in reader.advise(before).cases}
        assert len(then) == 2 and then[first.id] == first.text, "what was known then"
        assert [
            plan.reason["en"] for plan in reader.advise(ask(reader, clock)).plans if plan.plan.name == "smog-a"
        ] == ["used in 2 of 2 similar cases; declared for this alert at orange; 3 closed cases in all"]


def test_no_import_revises_what_the_city_did_itself(knowledge: Knowledge, desk: Desk, clock: VirtualClock) -> None:
    incident = closed(desk, clock, "smog-a", words="化工厂")
    ((_, own),), _ = knowledge.cases(SYSTEM)
    knowledge.import_cases(
        SYSTEM, "import-0001", "elsewhere", "json", json.dumps([row(1, id=own.id), row(2, id=incident)])
    )
    assert knowledge.case(SYSTEM, own.id) == own and knowledge.revisions(SYSTEM, own.id) == []
    with pytest.raises(Invalid):
        knowledge.import_cases(SYSTEM, "import-0002", "city", "json", json.dumps([row(1, id=own.id)]))


@pytest.mark.parametrize(
    ("format", "content"), [("json", "{}"), ("json", "[" * 100_000), ("csv", 'a,b\n"1'), ("xml", "<a/>"), ("json", "\x00")]
)  # fmt: skip
def test_what_cannot_be_read_is_refused_whole(knowledge: Knowledge, format: str, content: str) -> None:
    with pytest.raises(Invalid) as refused:
        knowledge.import_cases(SYSTEM, "import-0001", "elsewhere", format, content)
    assert refused.value.remedy


def test_imports_have_limits(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CASE_IMPORT_ROWS", 3)
    with pytest.raises(TooLarge):
        knowledge.import_cases(SYSTEM, "import-0001", "elsewhere", "json", json.dumps([row(n) for n in range(4)]))
    monkeypatch.setattr(limits, "CASE_IMPORT_BYTES", 10)
    with pytest.raises(TooLarge):
        knowledge.import_cases(SYSTEM, "import-0002", "elsewhere", "json", json.dumps([row(1)]))
    assert knowledge.cases(SYSTEM)[1] == 0
    with pytest.raises(Invalid):
        knowledge.import_cases(SYSTEM, "import-0003", "city", "json", "[]")


# ── suggestions ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cases_decide_between_plans_of_one_level(knowledge: Knowledge, clock: VirtualClock) -> None:
    rows = [row(n) for n in range(8)] + [row(20 + n, text=f"烧烤店油烟{n}", plan="smog-b") for n in range(8)]
    knowledge.import_cases(SYSTEM, "import-0001", "elsewhere", "json", json.dumps(rows))
    plant, grill = (knowledge.advise(ask(knowledge, clock, words)) for words in ("化工厂刺鼻气体", "烧烤店油烟扰民"))
    assert (plant.plans[0].plan.name, grill.plans[0].plan.name) == ("smog-a", "smog-b")
    assert plant.confident and grill.confident and plant.plans[0].score > 0.5
    assert len(plant.cases) == 5 and {case.plan for case, _ in plant.cases} == {"smog-a"}
    assert "相似案例中有" in plant.plans[0].reason["zh-CN"] and "similar cases" in plant.plans[0].reason["en"]


def test_without_plan_and_cases_nothing_is_suggested(knowledge: Knowledge, clock: VirtualClock) -> None:
    advice = knowledge.advise(ask(knowledge, clock, kind="earthquake"))
    assert advice.plans == () and advice.cases == () and advice.silence is not None and not advice.confident
    declared = knowledge.advise(ask(knowledge, clock))
    assert [one.plan.name for one in declared.plans] == ["smog-a", "smog-b"] and not declared.confident
    assert declared.silence is None and declared.cases == ()


def test_an_incident_does_not_teach_itself(knowledge: Knowledge, desk: Desk, clock: VirtualClock) -> None:
    incident = closed(desk, clock, "smog-a", words="化工厂")
    assert knowledge.for_incident(SYSTEM, incident)["cases"] == []
    other = closed(desk, clock, "smog-b", words="化工厂")
    (similar,) = knowledge.for_incident(SYSTEM, other)["cases"]  # type: ignore[misc]
    assert similar["incident_id"] == incident


def test_cases_of_another_kind_are_shown_with_the_reason_and_have_no_vote(
    knowledge: Knowledge, desk: Desk, clock: VirtualClock
) -> None:
    told = "化工厂液氯储罐阀门气体泄漏"
    knowledge.import_cases(SYSTEM, "import-0001", "elsewhere", "json", json.dumps([row(1, text=told)]))
    alone = knowledge.advise(ask(knowledge, clock, told))
    others = [
        row(9 + n, kind="chemical_accident", text=f"chlorine, storage vessel {n}", plan="smog-b") for n in range(9)
    ]
    knowledge.import_cases(SYSTEM, "import-0002", "epa", "json", json.dumps(others))
    advice = knowledge.advise(ask(knowledge, clock, told))
    assert [(one.plan.name, one.score, one.n, one.m) for one in advice.plans] == [
        (one.plan.name, one.score, one.n, one.m) for one in alone.plans
    ]
    assert advice.cases == alone.cases and advice.confidence == alone.confidence
    assert len(advice.related) == 5 and {case.kind for case, _ in advice.related} == {"chemical_accident"}
    incident = closed(desk, clock, "smog-b", words=told)
    shown = knowledge.for_incident(SYSTEM, incident)["cases"]
    assert [one["other_kind"] for one in shown] == [False] + 5 * [True]  # type: ignore[attr-defined]
    first, *rest = ([why["en"] for why in one["why"]] for one in shown)  # type: ignore[attr-defined]
    assert first[:3] == ["same kind of matter", "same substance: chlorine", "same equipment: storage tank, valve"]
    assert rest == 5 * [["same substance: chlorine", "same equipment: storage tank"]]
    quiet = knowledge.advise(ask(knowledge, clock, told, kind="earthquake"))
    assert quiet.plans == () and quiet.cases == () and len(quiet.related) == 5
    assert quiet.silence is not None and "similar cases are shown" in quiet.silence["en"]


def test_who_may_not_does_not(
    knowledge: Knowledge, clerk: Callable[[str], Actor], steward: Actor, nobody: Actor, officer: Actor
) -> None:
    for actor in (nobody, officer, clerk("industry")):
        with pytest.raises(Forbidden):
            knowledge.import_cases(actor, "import-0001", "elsewhere", "json", "[]")
        with pytest.raises(Forbidden):
            knowledge.import_clauses(actor, "import-0001", "elsewhere", "")
    with pytest.raises(Forbidden):
        knowledge.cases(nobody)
    with pytest.raises(Forbidden):
        knowledge.clauses(nobody)
    with pytest.raises(Forbidden):
        knowledge.case(nobody, "case-x")
    with pytest.raises(Forbidden):
        knowledge.revisions(nobody, "case-x")
    with pytest.raises(Forbidden):
        knowledge.for_incident(nobody, "incident-x")
    assert (
        knowledge.cases(clerk("industry"))[1]
        == 0
        == knowledge.import_cases(steward, "import-0001", "x", "json", "[]")["imported"]
    )
    with pytest.raises(NotFound):
        knowledge.case(officer, "case-x")
    knowledge.import_cases(steward, "import-0009", "x", "json", json.dumps([row(1)]))
    with pytest.raises(Conflict):
        knowledge.import_cases(steward, "import-0009", "x", "json", "[ ]")


# ── over HTTP ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def web(knowledge: Knowledge, steward: Actor) -> Iterator[TestClient]:
    """A client signed in as the steward, who also sees incidents here."""
    app = FastAPI()
    actor = Actor(steward.id, steward.name, None, frozenset({"steward", "duty_officer"}))

    @app.middleware("http")
    async def sign_in(request: Request, call: Callable[[Request], object]) -> Response:
        request.state.actor = actor
        return await call(request)  # type: ignore[misc, no-any-return]

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> JSONResponse:
        return JSONResponse(error.json(), error.status)

    app.include_router(knowledge_api.router(knowledge))
    with TestClient(app) as client:
        yield client


def test_the_routes(web: TestClient, desk: Desk, clock: VirtualClock) -> None:
    content = json.dumps([row(n, changes=[{"op": "add", "step": "c", "unit": "health"}]) for n in range(7)])
    order = {"command_id": "import-0001", "origin": "elsewhere", "content": content}
    assert web.post("/api/cases/import", json=order).json()["imported"] == 7
    file = {"origin": "elsewhere", "content": content}
    checked = web.post("/api/cases/check", json=file).json()
    assert (checked["known"], checked["imported"], checked["items"], checked["refusals"]) == (7, 0, [], [])
    (told,) = web.post("/api/clauses/check", json={**file, "content": clause()}).json()["items"]
    assert told["state"] == "new" and web.get("/api/clauses").json()["total"] == 0
    assert web.post("/api/clauses/check", json={**file, "content": "["}).status_code == 422
    answer = web.post("/api/clauses/import", json={**order, "command_id": "import-0002", "content": clause()})
    assert answer.status_code == 201 and answer.json() == {"imported": 1, "known": 0}
    seen: list[str] = []
    after: dict[str, int] = {}
    while True:
        page = web.get("/api/cases", params={"limit": 3, "kind": "smog", "text": "刺鼻", **after}).json()
        assert page["total"] == 7
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert len(set(seen)) == 7
    one = web.get(f"/api/cases/{seen[0]}").json()
    assert one["plan"] == {"id": "smog-a", "version": None, "digest": None} and one["steps"][0]["took"] == 3_600
    assert one["revision"] == 1 and one["revised_at"] is None
    assert web.get(f"/api/cases/{seen[0]}/revisions").json() == {"items": [], "total": 0, "next": None}
    (shown,) = web.get("/api/clauses", params={"kind": "smog", "on": "2015-11-01"}).json()["items"]
    assert shown["from"] == "2015-01-01" and shown["mandates"][0]["unit"] == "health"
    (told,) = web.post("/api/clauses/check", json={**file, "content": clause()}).json()["items"]
    assert told["state"] == "known"
    incident = closed(desk, clock, "smog-b", words="化工厂排放刺鼻气体")
    told = web.get(f"/api/incidents/{incident}/suggestions").json()
    first = told["plans"][0]
    assert set(first) >= {"digest", "id", "version", "title", "reason", "steps", "score", "exact", "changes"}
    assert first["id"] == "smog-a" and first["steps"][0]["unit_title"] == UNITS["industry"] and first["exact"]
    assert {reason["kind"] for reason in first["steps"][0]["reasons"]} == {"cases", "plan"}
    required, learned = told["changes"]
    assert required["mandated"] and required["patch"]["op"] == "add" and not learned["mandated"]
    assert learned["patch"]["step"]["id"] == "c" and len(learned["cases"]) == 3 and len(told["cases"]) == 5
    assert told["clauses"][0]["id"] == "trial-3" and told["silence"] is None and told["confident"] is True
    run = desk.start(plan(step("z"), plan="other"), kind="smog")[1]
    patch = learned["patch"]
    desk.command.patch(SYSTEM, desk.click(), run, "add", reason="suggested", step=patch["step"])


REFUSED = {
    "/cases?limit=0": 422,
    "/cases?level=9": 422,
    "/cases/x": 404,
    "/cases/x/revisions": 404,
    "/incidents/x/suggestions": 404,
    "/clauses?on=x": 422,
}


@pytest.mark.parametrize(("path", "status"), REFUSED.items())
def test_what_makes_no_sense_is_refused(web: TestClient, path: str, status: int) -> None:
    assert web.get(f"/api{path}").status_code == status
