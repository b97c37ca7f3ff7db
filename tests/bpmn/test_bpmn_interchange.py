"""Files of other tools, from the public interchange suite: opened or refused by element, and never changed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from defusedxml import ElementTree

from cityheart.command.bpmn import Refused, compile_bpmn, draw
from cityheart.command.bpmn.document import read
from cityheart.command.library.service import Library
from cityheart.command.plan import compile
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database

from ..command.scene import UNITS, centre

FILES = sorted((Path(__file__).parent / "miwg").glob("*.bpmn"))
REFUSED = {  # elements that the profile lacks or that miss what a plan needs
    "A.1.1": {"A.1.1", "usertask1", "servicetask1", "usertask2"},
    "A.1.2": {
        "definitionsA12", "serviceInput", "sendResultOperation", "resource_Performer_1", "resource_Performer_2",
        "serviceInterface", "dataObject1", "dataObject2", "startEvent", "startEventDataOutput",
        "startEventDataOutputAssociation", "task1", "task2", "task3", "dataOutputAssociationTask1",
        "dataInputAssociationTask2", "dataOutputAssociationTask2", "dataInputAssociationTask3",
        "dataOutputAssociationTask3", "endEvent", "endEventDataInput", "dataObjectRef1", "dataObjectRef2", "process1",
    },
    "A.2.1-extract": {
        "_To9ZoTOCEeSknpIVFCxNIQ", "_cVGqYDOCEeSknpIVFCxNIQ", "_To9ZpzOCEeSknpIVFCxNIQ", "_To9ZtjOCEeSknpIVFCxNIQ",
        "_To9ZwDOCEeSknpIVFCxNIQ", "_To9ZzzOCEeSknpIVFCxNIQ", "_To9Z7TOCEeSknpIVFCxNIQ", "_To9Z-TOCEeSknpIVFCxNIQ",
        "_To9Z_DOCEeSknpIVFCxNIQ",
    },
}  # fmt: skip


def test_the_files_are_there() -> None:
    assert {path.stem for path in FILES} == REFUSED.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_read_whole_and_refused_by_its_elements(path: Path) -> None:
    theirs = Counter(element.tag for element in ElementTree.fromstring(path.read_bytes()).iter())
    ours = Counter(f"{{{element.space}}}{element.name}" for element in read(path.read_bytes()).walk())
    assert ours == theirs, "nothing is lost in reading"
    with pytest.raises(Refused) as caught:
        compile_bpmn(path.read_bytes(), units=UNITS)
    wrong = {problem.element for problem in caught.value.problems if problem.severity == "error"}
    assert wrong == REFUSED[path.stem]
    ids = {element.id for element in read(path.read_bytes()).walk()}
    assert wrong <= ids, "every problem is at an element of the file"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_draft_keeps_the_file_as_it_is(path: Path, database: Database, tmp_path: Path, officer: Actor) -> None:
    library = Library(database, centre(database, tmp_path), lambda: UNITS)
    source = path.read_bytes().decode("utf-8")
    draft = library.save(officer, source, kind="bpmn")
    assert library.source_of(officer, draft.id) == source


def test_a_foreign_file_becomes_a_plan_once_its_tasks_have_their_times() -> None:
    xml = (Path(__file__).parent / "miwg" / "A.1.1.bpmn").read_text("utf-8")
    times = ' xmlns:ch="https://cityheart.org/bpmn/1" ch:unit="industry" ch:acceptWithin="PT30M" ch:due="PT4H"'
    xml = xml.replace("<userTask", f"<userTask{times}").replace(
        "<serviceTask", '<serviceTask xmlns:ch="https://cityheart.org/bpmn/1" ch:topic="service"'
    )
    xml = xml.replace("<process", '<process xmlns:ch="https://cityheart.org/bpmn/1" ch:version="1"')
    plan = compile(dict(compile_bpmn(xml, units=UNITS).plan), UNITS)
    assert [(step.id, step.does, step.after) for step in plan.steps] == [
        ("usertask1", "task", ()), ("servicetask1", "message", ("usertask1",)), ("usertask2", "task", ("servicetask1",)),
    ]  # fmt: skip
    assert compile(dict(compile_bpmn(draw(plan)).plan)).digest == plan.digest
