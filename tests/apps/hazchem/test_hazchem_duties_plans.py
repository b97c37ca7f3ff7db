"""Warnings, plans, tables and clauses of hazardous chemicals fit together, and every plan comes to its end."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from cityheart.command.decisions.compile import compile_decision
from cityheart.command.decisions.service import Decisions
from cityheart.command.knowledge.advice import advise
from cityheart.command.knowledge.models import Advice, Matter
from cityheart.command.knowledge.parameters import parameters
from cityheart.command.models import Plan, Step, Task
from cityheart.command.plan import Table, compile
from cityheart.command.service import Command, Place
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import LANGUAGES, text

from ..landing import APPS, application

KINDS = (
    "suspended_producing", "unlicensed_site", "no_waybill", "restricted_zone", "over_storage", "mass_imbalance",
    "expired_licence", "waste_leak", "emission_tampering", "emission_exceedance", "controlled_diversion", "tank_excursion",
)  # fmt: skip
SYSTEM = Actor.system("test")
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
APP = application("hazchem")


class Centre:
    """A command centre with the application's tables and plans."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.clock = clock
        self.database = Database(f"sqlite:///{folder / 'city.sqlite'}", clock, Ids(clock, seed=1))
        self.database.create_all()
        self.decisions = Decisions(self.database)
        for source in APP.decisions:
            self.decisions.publish(SYSTEM, source)
        self.command = Command(self.database, folder / "files")
        self.command.register_units({one.code: one.title for one in APP.departments})
        self.command.register_decisions(self.decisions.table, self.decisions.resolve)
        self.plans: dict[str, Plan] = {}
        for source in APP.plans:
            plan = self.command.plan(self.command.publish(SYSTEM, source))
            self.plans[plan.name] = plan
        self.acts = 0

    def ruled(self, kind: str, level: int) -> dict[str, object]:
        """What the table of the kind says."""
        table = self.decisions.find(f"triage.{kind}", self.clock.now())
        assert table is not None
        return dict(self.decisions.decide(table.digest, {"level": level}).outputs)

    def click(self) -> str:
        """A new command id."""
        self.acts += 1
        return f"click-{self.acts:06d}"

    def carried_out(self, plan: Plan, kind: str, level: int, answer: bool) -> list[Task]:
        """The tasks of a run in which every question of a form is answered with ``answer``."""
        spec = {"title": text("事件", "Incident"), "kind": kind, "level": level}
        incident = str(self.command.dispatch(SYSTEM, self.click(), spec, plan.digest)["incident_id"])
        for _ in range(200):
            tasks = [task for _, found in self.command.runs(SYSTEM, incident) for task in found]
            ready = [task for task in tasks if task.state == "dispatched"]
            for task in ready:
                self.do(task, plan.step(task.step), answer)
            if not ready:
                due = self.command.next_due()
                if all(task.state in ("closed", "skipped", "cancelled") for task in tasks) or due is None:
                    return tasks
                self.clock.advance_to(due)
                self.command.tick(due)
        raise AssertionError(f"{plan.name} does not end")

    def do(self, task: Task, step: Step, answer: bool) -> None:
        """A department does what the step asks for."""
        self.command.act(SYSTEM, self.click(), task.id, "accept")
        form = None
        for asked in step.evidence:
            if asked.kind == "photo":
                for number in range(asked.min):
                    self.command.attach(SYSTEM, task.id, f"{number}.png", [PNG + bytes([number])])
            if asked.kind == "form":
                form = filled(asked.schema or {}, answer)
        self.command.act(
            SYSTEM, self.click(), task.id, "submit", note="完成", form=form, place=Place(120.9, 32.0, 10.0)
        )
        self.command.act(SYSTEM, self.click(), task.id, "verify")


def filled(schema: object, answer: bool) -> dict[str, object]:
    """A form with every field filled."""
    assert isinstance(schema, dict)
    values: dict[str, object] = {"boolean": answer, "number": 1.5, "integer": 2, "string": "已核实"}
    properties: dict[str, dict[str, str]] = schema.get("properties", {})
    return {name: values[each["type"]] for name, each in properties.items()} or {"result": "完成"}


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    built = Centre(tmp_path_factory.mktemp("centre"), VirtualClock(datetime.fromisoformat("2026-06-01T00:00:00+00:00")))
    yield built
    built.database.close()


def test_every_kind_of_case_is_a_kind_of_warning_at_every_level() -> None:
    kinds = {kind.kind: kind for kind in APP.alert_kinds}
    assert set(kinds) == set(KINDS)
    departments = {one.code for one in APP.departments}
    for kind in kinds.values():
        assert kind.department in departments
        assert set(kind.levels) == {1, 2, 3, 4}
        for words in kind.levels.values():
            assert words.advice and words.measures
            assert all(each[tag].strip() for each in (*words.advice, *words.measures) for tag in LANGUAGES)
        assert kind.source and "2024" in kind.source  # the law that says what a warning states


@pytest.mark.parametrize("kind", KINDS)
def test_every_level_has_a_plan_and_a_lead(centre: Centre, kind: str) -> None:
    named = {level: centre.ruled(kind, level) for level in (1, 2, 3, 4)}
    issuer = next(one.department for one in APP.alert_kinds if one.kind == kind)
    assert {each["unit"] for each in named.values()} == {issuer}
    assert [each["level"] for each in named.values()] == [1, 2, 3, 4]
    for level, each in named.items():
        plan = centre.plans[str(each["plan"])]
        if level == 4:
            assert plan.name == "hazchem-enquiry"
        else:
            assert plan.kind == kind and level in plan.levels, "a table names another plan than the one declared"


def test_what_a_step_asks_for() -> None:
    departments = {one.code for one in APP.departments}
    for name, plan in _plans().items():
        for step in plan.steps:
            if step.does != "task":
                continue
            where = f"{name}: {step.id}"
            unit = plan.parameters.get(step.unit[1:]) if step.unit.startswith("$") else step.unit
            assert unit in departments or step.unit == "$unit", where
            assert step.verify_by is None or step.verify_by in departments, where
            assert step.escalate and step.evidence, f"{where}: nobody is told, or nothing has to be shown"
            assert all(rung.to in {*departments, "coordinator", "duty_officer", "mayor"} for rung in step.escalate), (
                where
            )
            assert step.accept_within < step.due, where
    whole = {name: {step.unit for step in plan.steps} for name, plan in _plans().items() if plan.kind}
    alone = {name for name, units in whole.items() if len(units) < 2}
    assert alone == {"hazchem-tank-check"}, "a plan that one department carries out alone"


def test_the_operator_is_called_within_ten_minutes_and_a_suspended_site_visited_within_an_hour() -> None:
    plans = _plans()
    call = plans["hazchem-tank-emergency"].step("call-operator")
    assert call.due == timedelta(minutes=10) and not call.after and call.delay == timedelta(0)
    assert plans["hazchem-tank-emergency"].step("fire-standby").after == ()
    visit = plans["hazchem-suspended-producing"].step("on-site")
    assert visit.due == timedelta(hours=1) and not visit.after
    assert plans["hazchem-emission-tampering"].step("sample").due <= timedelta(hours=4)


@pytest.mark.parametrize("answer", [True, False], ids=["true", "false"])
def test_every_plan_comes_to_its_end(centre: Centre, answer: bool) -> None:
    for plan in centre.plans.values():
        kind = plan.kind or "restricted_zone"
        level = plan.levels[0] if answer and plan.levels else plan.levels[-1] if plan.levels else 4
        tasks = centre.carried_out(plan, kind, level, answer)
        states = {task.state for task in tasks}
        assert states <= {"closed", "skipped", "cancelled"}, (plan.name, states)
        assert any(task.state == "closed" for task in tasks)


def test_what_turns_out_to_be_nothing_is_not_punished(centre: Centre) -> None:
    done = {task.step for task in centre.carried_out(
        centre.plans["hazchem-suspended-producing"], "suspended_producing", 2, False
    ) if task.state == "closed"}  # fmt: skip
    assert done == {"power-confirm", "on-site", "verify-standstill"}
    done = {task.step for task in centre.carried_out(
        centre.plans["hazchem-suspended-producing"], "suspended_producing", 2, True
    ) if task.state == "closed"}  # fmt: skip
    assert done >= {
        "seal",
        "power-cut",
        "stop-loading",
        "sample",
        "watch",
        "review-licence",
        "hand-over",
        "verify-standstill",
    }
    assert "fire-standby" not in done
    done = {task.step: task.unit for task in centre.carried_out(
        centre.plans["hazchem-enquiry"], "waste_leak", 4, False
    ) if task.state == "closed"}  # fmt: skip
    assert done == {"ask": "ecology"}


# ── clauses ────────────────────────────────────────────────────────────────────────────────────────────────────


def _advice(centre: Centre, kind: str, level: int, day: date) -> Advice:
    at = datetime.fromisoformat(f"{day}T04:00:00+00:00")
    matter = Matter(kind, level, at, "")
    plan = str(centre.ruled(kind, level)["plan"])
    return advise(matter, [], centre.plans, APP.clauses, day, parameters(), ruled=plan)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_plan_does_what_law_asks_for_and_says_so(centre: Centre, kind: str, level: int) -> None:
    for day in (date(2025, 6, 1), date(2026, 4, 30), date(2026, 5, 1)):
        advice = _advice(centre, kind, level, day)
        first = advice.plans[0]
        assert first.plan.name == centre.ruled(kind, level)["plan"]
        assert [change for change in first.changes if change.mandated] == [], "the plan lacks what a clause mandates"
        assert advice.clauses, f"no clause speaks of {kind} at level {level}"
        told = {reason.clause for reasons in first.reasons.values() for reason in reasons if reason.kind == "clause"}
        assert {clause.id for clause in advice.clauses} <= told


def test_the_regulation_holds_until_the_law_does(centre: Centre) -> None:
    before = {clause.id for clause in _advice(centre, "tank_excursion", 1, date(2026, 4, 30)).clauses}
    after = {clause.id for clause in _advice(centre, "tank_excursion", 1, date(2026, 5, 1)).clauses}
    assert {"hazchem-reg-6", "hazchem-reg-72"} <= before and not any(one.startswith("hazchem-law") for one in before)
    assert {"hazchem-law-duties", "hazchem-law-response"} <= after and not any(
        one.startswith("hazchem-reg") for one in after
    )


def test_every_mandate_speaks_of_a_step_of_its_kinds_plans() -> None:
    plans = _plans()
    for clause in APP.clauses:
        assert not clause.verified
        for mandate in clause.mandates:
            assert mandate.kind in KINDS
            mine = [step for plan in plans.values() if plan.kind == mandate.kind for step in plan.steps]
            assert any(mandate.fulfilled_by(step.id, step.unit) for step in mine), (
                clause.id,
                mandate.kind,
                mandate.step,
            )
    cited = {id for plan in plans.values() for step in plan.steps for id in step.clauses}
    assert cited <= {clause.id for clause in APP.clauses}


def test_laws_follow_each_other_without_gap() -> None:
    laws = {one["id"]: one for one in _rules("law")["laws"]}
    for one in laws.values():
        assert set(one["title"]) == set(LANGUAGES) and set(one["kinds"]) <= set(KINDS) and one["verified"] is False
        if "replaced_by" in one:
            following = laws[one["replaced_by"]]
            assert one["until"] == following["from"] and following["replaces"] == one["id"]
        if "until" in one:
            assert one["from"] < one["until"]
    departments = {each.code for each in APP.departments}
    divided = _rules("duties")["duties"]
    assert [each["from"] for each in divided[1:]] == [each["until"] for each in divided[:-1]]
    for duty in divided:
        assert duty["law"] in laws and laws[duty["law"]]["from"] <= duty["from"]
        assert {code for codes in duty["stages"].values() for code in codes} <= departments
        assert set(duty["stages"]) == {"production", "storage", "sale", "use", "transport", "disposal"}
    for day in (date(2025, 6, 1), date(2026, 6, 1)):
        for kind in KINDS:
            held = [
                one for one in laws.values() if kind in one["kinds"] and one["from"] <= day < one.get("until", date.max)
            ]
            assert len(held) >= 2, f"no law for {kind} on {day}"


def _rules(name: str) -> dict[str, list[dict[str, object]]]:
    document: dict[str, list[dict[str, object]]] = tomllib.loads(
        (APPS / "hazchem" / "rules" / f"{name}.toml").read_text("utf-8")
    )
    return document


def _plans() -> dict[str, Plan]:
    tables = {one.name: one for one in map(compile_decision, APP.decisions)}

    def table(name: str, digest: str | None) -> Table:
        one = tables[name]
        return Table(one.digest, tuple(i.name for i in one.inputs), tuple(o.name for o in one.outputs))

    units = {one.code for one in APP.departments}
    return {plan.name: plan for plan in (compile(source, units, tables=table) for source in APP.plans)}
