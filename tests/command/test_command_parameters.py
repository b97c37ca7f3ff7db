"""What whoever dispatches may give a plan, what is refused and at which parameter; and the log that is checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from cityheart.command.models import Value
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, NotFound
from cityheart.kernel.events import event_table

from .scene import SYSTEM, Desk, centre, plan, step

DECLARED = {"who": "industry", "wind": 3, "open": True, "bureaus": ["health"], "words": "x"}


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(centre(database, tmp_path))


def test_a_parameter_is_refused_by_its_name(desk: Desk) -> None:
    chosen = plan(
        step("look", "$who"),
        step("tell", "$bureau", each={"as": "bureau", "in": "$bureaus"}),
        parameters=DECLARED,
    )
    refused: list[tuple[str, Value]] = [
        ("storm", 1), ("who", "nobody"), ("who", 3), ("wind", "3"), ("wind", True), ("wind", float("nan")), ("open", 1),
        ("bureaus", "health"), ("bureaus", [1]), ("bureaus", ["nobody"]), ("words", "a\x00b"), ("words", "x" * 10_001),
    ]  # fmt: skip
    for name, value in refused:
        with pytest.raises(Invalid) as problem:
            desk.start(chosen, parameters={name: value})
        assert problem.value.json()["parameter"] == name
        assert len(problem.value.detail) < 200
    incident, _ = desk.start(chosen, parameters={"who": "transport", "wind": 4.5, "bureaus": ["ecology", "health"]})
    assert sorted(task.unit for task in desk.tasks(incident)) == ["ecology", "health", "transport"]


def test_a_log_that_was_changed_is_found_out(desk: Desk, database: Database) -> None:
    incident, run = desk.start(plan(step("look")))
    whole = desk.command.check_log(SYSTEM, incident)
    assert (whole["ok"], whole["broken"]) == (True, []) and int(str(whole["events"])) >= 3
    with database.work(SYSTEM) as work:
        table = event_table.c
        changed = sa.update(event_table).where(table.stream == f"run:{run}", table.n == 1).values(actor="somebody else")
        work.conn.execute(changed)
    found = desk.command.check_log(SYSTEM, incident)
    assert (found["ok"], found["broken"]) == (
        False, [{"stream": f"run:{run}", "n": 1, "what": "content was changed"}],
    )  # fmt: skip
    with pytest.raises(NotFound):
        desk.command.check_log(SYSTEM, "incident-nowhere")
