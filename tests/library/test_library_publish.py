"""Drafts: saved by one, published by another; nothing is lost between two people, and versions can be compared."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from cityheart.command.bpmn import Refused, compile_bpmn
from cityheart.command.decisions.service import Decisions
from cityheart.command.library.service import Library
from cityheart.command.plan import compile
from cityheart.command.service import Command
from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge, TooMany
from cityheart.kernel.text import text

from ..bpmn.scene import Pen
from ..command.scene import SYSTEM, UNITS, Desk, centre, plan, step

TABLE = """
decision: triage.fire
version: "1"
title: {zh-CN: 火警分派, en: Fire triage}
inputs: [{name: level, type: number}]
hit: F
outputs: [{name: who, type: string}]
rules:
  - {id: bad, when: "<= 2", then: [ecology]}
  - {id: rest, when: "-", then: [health]}
"""


def person(name: str) -> Actor:
    """Somebody of the command centre, who may draft and publish."""
    return Actor(f"user:{name}", text(name, name), None, frozenset({"coordinator"}))


ANN, BEN, CAT = person("ann"), person("ben"), person("cat")


@dataclass
class Shelf:
    """A library with its command centre and tables."""

    library: Library
    command: Command
    decisions: Decisions
    database: Database
    clicks: int = 0

    def act(self, who: Actor, draft: str, verb: str, **more: object) -> str:
        """Do something to a draft; its state afterwards."""
        self.clicks += 1
        return self.library.decide(who, f"press-{self.clicks:06d}", draft, verb, **more).state  # type: ignore[arg-type]

    def told(self) -> list[str]:
        """The types of what happened to drafts, plans and tables."""
        with self.database.read() as conn:
            found = events.read(conn)
        return [one.type for one in found if one.type.split(".")[0] in ("draft", "plan", "decision")]


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    command = centre(database, tmp_path)
    decisions = Decisions(database)
    command.register_decisions(decisions.find, decisions.decide)
    return Shelf(Library(database, command, lambda: UNITS, decisions), command, decisions, database)


def written(version: str = "1", **more: object) -> str:
    """A plan as YAML."""
    escalate = [{"at": "due", "to": "mayor"}]
    body = plan(step("a", evidence=[{"kind": "note"}], escalate=escalate), version=version, **more)
    return yaml.safe_dump(body, allow_unicode=True)


def test_a_draft_is_published_by_another_person(shelf: Shelf) -> None:
    draft = shelf.library.save(ANN, written(), kind="yaml")
    assert (draft.state, draft.revision, draft.name, draft.authors) == ("draft", 1, "trial", (ANN.id,))
    assert shelf.act(ANN, draft.id, "submit") == "submitted"
    with pytest.raises(Forbidden):
        shelf.act(ANN, draft.id, "approve")
    assert shelf.command.plans(SYSTEM) == []
    assert shelf.act(BEN, draft.id, "approve") == "published"
    [published] = shelf.command.plans(SYSTEM)
    assert shelf.library.draft(ANN, draft.id).digest == published.digest
    assert shelf.told() == ["draft.saved", "draft.submitted", "plan.published", "draft.approved"]
    [(name, versions)] = shelf.library.families(ANN)
    assert (name, [(row[4], current) for _, row, current in versions]) == ("trial", [(BEN.id, True)])


def test_nobody_publishes_what_he_wrote_any_part_of(shelf: Shelf) -> None:
    draft = shelf.library.save(ANN, written(), kind="yaml")
    shelf.library.save(BEN, written(title=text("改", "Changed")), draft_id=draft.id, revision=1)
    shelf.library.save(ANN, written(title=text("再改", "Again")), draft_id=draft.id, revision=2)
    shelf.act(ANN, draft.id, "submit")
    for author in (ANN, BEN):
        assert "approve" not in shelf.library.actions(author, shelf.library.draft(ANN, draft.id))
        with pytest.raises(Forbidden):
            shelf.act(author, draft.id, "approve")
    assert shelf.library.actions(CAT, shelf.library.draft(CAT, draft.id)) == ["approve", "reject", "withdraw"]
    assert shelf.act(CAT, draft.id, "approve") == "published"
    assert shelf.command.plans(SYSTEM)[0].title == text("再改", "Again")


def test_two_people_who_save_the_same_revision(shelf: Shelf) -> None:
    draft = shelf.library.save(ANN, written(), kind="yaml")
    first = shelf.library.save(ANN, written("2"), draft_id=draft.id, revision=1)
    assert first.revision == 2
    with pytest.raises(Conflict) as caught:
        shelf.library.save(BEN, written("3"), draft_id=draft.id, revision=1)
    assert (caught.value.extra["revision"], caught.value.extra["saved_by"]) == (2, ANN.id)
    again = shelf.library.save(ANN, written("2"), draft_id=draft.id, revision=1)
    assert again.revision == 2, "the same click again is one revision"
    assert shelf.library.save(BEN, written("2"), draft_id=draft.id, revision=2).revision == 2, "nothing changed"
    assert [shelf.library.revision(ANN, draft.id, n).source for n in (1, 2)] == [written(), written("2")]
    with pytest.raises(NotFound):
        shelf.library.revision(ANN, draft.id, 3)


def test_many_savers_at_once_are_one_after_the_other(shelf: Shelf) -> None:
    draft = shelf.library.save(ANN, written(), kind="yaml")
    kept: list[str] = []
    refused: list[Conflict] = []
    gate = threading.Barrier(8)

    def save(number: int) -> None:
        gate.wait()
        try:
            shelf.library.save(person(f"p{number}"), written(f"{number}"), draft_id=draft.id, revision=1)
            kept.append(f"{number}")
        except Conflict as conflict:
            refused.append(conflict)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(10, 18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(kept), len(refused)) == (1, 7)
    assert shelf.library.source_of(ANN, draft.id) == written(kept[0])


def test_two_people_who_approve_at_once_publish_once(shelf: Shelf) -> None:
    draft = shelf.library.save(ANN, written(), kind="yaml")
    shelf.act(ANN, draft.id, "submit")
    assert shelf.library.decide(BEN, "the-same-click", draft.id, "approve").state == "published"
    assert shelf.library.decide(BEN, "the-same-click", draft.id, "approve").state == "published"
    with pytest.raises(Conflict) as caught:
        shelf.library.decide(CAT, "another-click", draft.id, "approve")
    assert caught.value.extra["state"] == "published"
    assert shelf.told().count("plan.published") == 1


def test_what_is_wrong_is_not_handed_in(shelf: Shelf) -> None:
    draft = shelf.library.save(ANN, yaml.safe_dump(plan(step("a", "navy"), step("b", due="PT1M"))), kind="yaml")
    assert draft.name is None, "a draft may be wrong"
    with pytest.raises(Refused) as caught:
        shelf.act(ANN, draft.id, "submit")
    assert {problem.element for problem in caught.value.problems if problem.severity == "error"} == {"a", "b"}
    assert shelf.library.draft(ANN, draft.id).state == "draft"


def test_a_draft_is_sent_back_mended_and_taken_back(shelf: Shelf) -> None:
    draft = shelf.library.save(ANN, written(), kind="yaml")
    shelf.act(ANN, draft.id, "submit")
    with pytest.raises(Invalid, match="reason is missing"):
        shelf.act(BEN, draft.id, "reject")
    with pytest.raises(Conflict, match="submitted"):
        shelf.library.save(ANN, written("2"), draft_id=draft.id, revision=1)
    assert shelf.act(BEN, draft.id, "reject", reason="办理时限太短") == "rejected"
    assert shelf.library.draft(ANN, draft.id).reason == "办理时限太短"
    assert shelf.library.save(ANN, written("2"), draft_id=draft.id, revision=1).state == "draft"
    shelf.act(ANN, draft.id, "submit")
    assert shelf.act(ANN, draft.id, "withdraw") == "draft", "what is handed in is taken back"
    assert shelf.act(ANN, draft.id, "withdraw") == "withdrawn", "and what is not is over"
    for verb in ("submit", "approve", "reject", "withdraw"):
        with pytest.raises(Conflict):
            shelf.act(BEN, draft.id, verb, reason="why")
    assert shelf.command.plans(SYSTEM) == []


def test_who_looked_at_an_older_revision_does_not_decide(shelf: Shelf) -> None:
    draft = shelf.library.save(ANN, written(), kind="yaml")
    shelf.library.save(ANN, written("2"), draft_id=draft.id, revision=1)
    shelf.act(ANN, draft.id, "submit", revision=2)
    with pytest.raises(Conflict) as caught:
        shelf.act(BEN, draft.id, "approve", revision=1)
    assert caught.value.extra["revision"] == 2


def test_a_version_is_published_once(shelf: Shelf) -> None:
    for author in (ANN, CAT):
        draft = shelf.library.save(author, written(), kind="yaml")
        shelf.act(author, draft.id, "submit")
        assert shelf.act(BEN, draft.id, "approve") == "published", "the same content again changes nothing"
    other = shelf.library.save(ANN, written(title=text("另", "Other")), kind="yaml")
    with pytest.raises(Conflict, match="published with another content"):
        shelf.act(ANN, other.id, "submit")
    assert shelf.told().count("plan.published") == 1


def test_a_version_taken_meanwhile_is_told_at_approval(shelf: Shelf) -> None:
    first = shelf.library.save(ANN, written(), kind="yaml")
    second = shelf.library.save(ANN, written(title=text("另", "Other")), kind="yaml")
    for draft in (first, second):
        shelf.act(ANN, draft.id, "submit")
    shelf.act(BEN, first.id, "approve")
    with pytest.raises(Conflict, match="give the draft a new version"):
        shelf.act(BEN, second.id, "approve")
    assert shelf.library.draft(ANN, second.id).state == "submitted"


def test_a_drawing_is_kept_as_its_author_drew_it(shelf: Shelf) -> None:
    pen = Pen().start().task("Task_1").task("Task_2").end().flow("begin", "Task_1", "Task_2", "end")
    xml = pen.xml().decode().replace("<bpmn:userTask", "<!-- 手绘 -->\n<bpmn:userTask", 1)
    draft = shelf.library.save(ANN, xml, kind="bpmn")
    assert shelf.library.source_of(BEN, draft.id) == xml
    shelf.act(ANN, draft.id, "submit")
    shelf.act(BEN, draft.id, "approve")
    [published] = shelf.command.plans(SYSTEM)
    assert published.drawn and [one.id for one in published.steps] == ["task-1", "task-2"]
    assert shelf.library.source(ANN, published.digest, "bpmn") == xml
    assert compile(shelf.library.source(ANN, published.digest, "yaml")).digest == published.digest
    with pytest.raises(Invalid):
        shelf.library.source(ANN, published.digest, "docx")


def test_a_written_plan_can_be_seen_as_a_drawing_and_read_as_yaml(shelf: Shelf) -> None:
    digest = shelf.command.publish(SYSTEM, written())
    assert compile(dict(compile_bpmn(shelf.library.source(ANN, digest, "bpmn")).plan)).digest == digest
    again = shelf.library.source(ANN, digest, "yaml")
    assert compile(again).digest == digest
    assert "verify_by" not in again and "loop_guard" not in again, "what goes without saying is left out"


def test_a_table_and_a_drawing_that_decides_by_it(shelf: Shelf) -> None:
    table = shelf.library.save(ANN, TABLE, kind="dmn")
    assert table.name == "triage.fire"
    shelf.act(ANN, table.id, "submit")
    with pytest.raises(Forbidden):
        shelf.act(ANN, table.id, "approve")
    assert shelf.library.tables(ANN) == []
    shelf.act(BEN, table.id, "approve")
    [(version, current)] = shelf.library.tables(ANN)
    assert (version.decision.name, version.published_by, current) == ("triage.fire", BEN.id, True)
    pen = Pen().start().put("businessRuleTask", "pick", name="定", ch__table="triage.fire").flow("begin", "pick", "do")
    pen.task("do", None, ch__unit="$who")
    draft = shelf.library.save(ANN, pen.xml().decode(), kind="bpmn")
    shelf.act(ANN, draft.id, "submit")
    shelf.act(BEN, draft.id, "approve")
    [published] = shelf.command.plans(SYSTEM)
    assert published.step("pick").decision == version.decision.digest, "pinned when it was published"
    desk = Desk(shelf.command)
    result = shelf.command.dispatch(
        SYSTEM, desk.click(), {"title": text("火", "Fire"), "kind": "fire", "level": 1}, published.digest
    )
    assert desk.task(str(result["incident_id"]), "do").unit == "ecology"
    assert shelf.told().count("decision.published") == 1


def test_a_plan_that_is_called_must_be_published(shelf: Shelf) -> None:
    calling = plan(
        step("a"), {"id": "more", "title": text("疏散", "More"), "call": {"plan": "evacuate"}, "after": ["a"]}
    )
    [problem] = [
        one for one in shelf.library.check(ANN, "yaml", yaml.safe_dump(calling)).problems if one.severity == "error"
    ]
    assert problem.element == "more" and "no published plan evacuate" in problem.detail["en"]
    shelf.command.publish(SYSTEM, plan(step("out"), plan="evacuate"))
    checked = shelf.library.check(ANN, "yaml", yaml.safe_dump(calling))
    assert checked.plan is not None and [one.id for one in checked.plan.steps] == ["a", "more-out"]


def test_what_changed_between_two_versions(shelf: Shelf) -> None:
    old = shelf.command.publish(SYSTEM, plan(step("a"), step("b", after=["a"]), step("gone")))
    new = shelf.command.publish(
        SYSTEM, plan(step("a", due="PT6H", clock="working"), step("b"), step("new"), version="2", parameters={"x": 1})
    )
    assert shelf.library.diff(ANN, old, new) == {
        "steps": {
            "added": ["new"], "removed": ["gone"],
            "changed": [
                {"id": "a", "field": "clock", "before": "elapsed", "after": "working"},
                {"id": "a", "field": "due", "before": "PT4H", "after": "PT6H"},
                {"id": "b", "field": "after", "before": ["a"], "after": []},
                {"id": "b", "field": "from", "before": "predecessors", "after": "start"},
            ],
        },
        "fields": [
            {"field": "parameters", "before": {}, "after": {"x": 1}},
            {"field": "version", "before": "1", "after": "2"},
        ],
    }  # fmt: skip
    nothing = shelf.library.diff(ANN, old, old)
    assert nothing == {"steps": {"added": [], "removed": [], "changed": []}, "fields": []}
    with pytest.raises(NotFound):
        shelf.library.diff(ANN, old, "0" * 64)


def test_the_newest_version_in_force_is_marked(shelf: Shelf) -> None:
    for version, more in (("1", {}), ("2", {"valid_until": "2015-10-01"}), ("3", {"valid_from": "2016-01-01"})):
        shelf.command.publish(SYSTEM, plan(step("a"), version=version, **more))
    found = shelf.library.family(ANN, "trial")
    assert {plan.version: current for plan, _, current in found} == {"1": True, "2": False, "3": False}


def test_permissions(shelf: Shelf, nobody: Actor, clerk: Callable[[str], Actor], steward: Actor) -> None:
    draft = shelf.library.save(ANN, written(), kind="yaml")
    shelf.act(ANN, draft.id, "submit")
    for actor in (nobody, clerk("ecology"), steward):
        for verb in (
            lambda who=actor: shelf.library.save(who, written(), kind="yaml"),
            lambda who=actor: shelf.library.draft(who, draft.id),
            lambda who=actor: shelf.library.drafts(who, None, None, 10),
            lambda who=actor: shelf.library.check(who, "yaml", written()),
            lambda who=actor: shelf.act(who, draft.id, "approve"),
            lambda who=actor: shelf.act(who, draft.id, "withdraw"),
        ):
            with pytest.raises(Forbidden):
                verb()
    with pytest.raises(Forbidden):
        shelf.library.families(nobody)
    assert shelf.library.families(clerk("ecology")) == []


@pytest.mark.parametrize(
    ("kind", "source", "error"),
    [("docx", "x", Invalid), ("yaml", "x" * (limits.PLAN_BYTES + 1), TooLarge), ("bpmn", "\0", Invalid),
     ("yaml", "\ud800", Invalid)],
)  # fmt: skip
def test_drafts_that_cannot_be_kept(shelf: Shelf, kind: str, source: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        shelf.library.save(ANN, source, kind=kind)
    with pytest.raises(error):
        shelf.library.check(ANN, kind, source)


def test_drafts_have_limits_and_pages(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DRAFTS_OPEN", 3)
    monkeypatch.setattr(limits, "DRAFT_REVISIONS", 2)
    kept = [shelf.library.save(ANN, written(str(n)), kind="yaml", command_id=f"click-new-{n}") for n in range(3)]
    assert shelf.library.save(ANN, written("0"), kind="yaml", command_id="click-new-0").id == kept[0].id
    with pytest.raises(TooMany):
        shelf.library.save(ANN, written(), kind="yaml")
    shelf.library.save(ANN, written("9"), draft_id=kept[0].id, revision=1)
    with pytest.raises(TooMany):
        shelf.library.save(ANN, written("8"), draft_id=kept[0].id, revision=2)
    first, total = shelf.library.drafts(ANN, "open", None, 2)
    rest, _ = shelf.library.drafts(ANN, "open", (first[-1].updated_at, first[-1].id), 2)
    assert total == 3 and sorted(one.id for one in first + rest) == sorted(one.id for one in kept)
    with pytest.raises(Invalid):
        shelf.library.drafts(ANN, "lost", None, 2)


def test_a_run_keeps_its_plan_while_a_new_version_is_published(shelf: Shelf) -> None:
    desk = Desk(shelf.command)
    incident, run = desk.start(plan(step("a"), step("b", after=["a"])))
    before = shelf.command.plan_of(run).digest
    draft = shelf.library.save(ANN, written("2"), kind="yaml")
    shelf.act(ANN, draft.id, "submit")
    shelf.act(BEN, draft.id, "approve")
    desk.finish(incident, "a")
    assert desk.task(incident, "b").state == "dispatched" and shelf.command.plan_of(run).digest == before
    assert [row[0] for row in shelf.library.runs(ANN, before)] == [run]
