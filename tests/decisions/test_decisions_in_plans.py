"""A drawn plan in which a table decides: which department does the next step, and whether another is needed at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityheart.command.bpmn import compile_bpmn
from cityheart.command.decisions.service import Decisions
from cityheart.command.service import Command
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import text

from ..bpmn.scene import Pen
from ..command.scene import SYSTEM, UNITS, Desk, minutes

TABLE = {
    "decision": "triage.leak",
    "version": "1",
    "title": text("泄漏分派", "Leak: who goes"),
    "inputs": [
        {"name": "level", "type": "number"},
        {"name": "kind", "type": "string"},
        {"name": "litres", "type": "number"},
    ],
    "hit": "F",
    "outputs": [{"name": "leader", "type": "string"}, {"name": "evacuate", "type": "boolean", "default": False}],
    "rules": [
        {"when": {"level": "<= 2", "litres": ">= 1000"}, "then": ["emergency-office", True]},
        {"when": {"kind": "leak", "litres": "< 1000"}, "then": ["ecology", False]},
    ],
}


@pytest.fixture
def decisions(database: Database) -> Decisions:
    return Decisions(database)


@pytest.fixture
def desk(database: Database, tmp_path: Path, decisions: Decisions) -> Desk:
    command = Command(database, tmp_path / "files")
    command.register_units(UNITS)
    command.register_decisions(decisions.table, decisions.resolve)
    return Desk(command)


def drawing() -> dict[str, object]:
    """Ask the table, then the leader acts; people are brought out only where the table says so."""
    pen = Pen().start().end()
    pen.put("businessRuleTask", "triage", name="分派", ch__en="Who goes", ch__table="triage.leak")
    pen.task("lead", lane=None, ch__unit="$leader")
    pen.gateway("exclusive", "split", default="split-join").gateway("exclusive", "join")
    pen.task("evacuate", lane="transport")
    pen.flow("begin", "triage", "lead", "split").flow("split", "evacuate", when="evacuate == true")
    pen.flow("evacuate", "join", "end").flow("split", "join")
    return dict(compile_bpmn(pen.xml(), units=UNITS, outputs=lambda name: ("leader", "evacuate")).plan) | {
        "parameters": {"litres": 50}
    }


@pytest.mark.parametrize(
    ("litres", "level", "leader", "evacuated"),
    [(5000, 1, "emergency-office", True), (20, 1, "ecology", False), (5000, 3, None, False)],
)
def test_a_drawn_plan_asks_a_table_who_leads(
    desk: Desk, decisions: Decisions, litres: int, level: int, leader: str | None, evacuated: bool
) -> None:
    digest = decisions.publish(SYSTEM, TABLE)
    incident, run = desk.start(drawing(), kind="leak", level=level, parameters={"litres": litres})
    told = {event.type: event.data for event in desk.command.log(SYSTEM, incident)}
    assert told["step.done"]["decision"] == digest
    lead = desk.task(incident, "lead")
    assert lead.unit == (leader or "coordinator")
    if leader is not None:
        assert told["step.done"]["outputs"] == {"leader": leader, "evacuate": evacuated}
        desk.finish(incident, "lead")
        assert desk.task(incident, "evacuate").state == ("dispatched" if evacuated else "cancelled")
    assert run


def test_a_run_goes_on_with_the_table_it_began_with(desk: Desk, decisions: Decisions, clock: VirtualClock) -> None:
    first = decisions.publish(SYSTEM, TABLE)
    plan = drawing()
    steps = [dict(step) for step in plan["steps"]]  # type: ignore[union-attr,attr-defined]
    steps[0]["delay"] = "PT10M"
    incident, _ = desk.start({**plan, "steps": steps}, kind="leak", level=1, parameters={"litres": 20})
    changed = dict(TABLE, version="2", rules=[{"when": {}, "then": ["health", False]}])
    second = decisions.publish(SYSTEM, changed)
    clock.advance_to(clock.now() + minutes(11))
    desk.command.tick(clock.now())
    assert desk.task(incident, "lead").unit == "ecology"
    told = {event.type: event.data for event in desk.command.log(SYSTEM, incident)}
    assert told["step.done"]["decision"] == first
    pinned = desk.command.compiled({**plan, "version": "9"}).step("triage").decision
    assert (pinned, second) == (second, pinned)


def test_a_plan_without_its_table_is_refused(desk: Desk) -> None:
    with pytest.raises(Invalid, match=r"triage\.leak"):
        desk.command.publish(SYSTEM, drawing())
