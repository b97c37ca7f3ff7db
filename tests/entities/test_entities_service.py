"""Subjects of a small city: what lands is followed, found, shown as the reader may see it, decided by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from cityheart.entities import api
from cityheart.entities.declared import Declaration, check
from cityheart.entities.previewing import Previews
from cityheart.kernel import events
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from cityheart.kernel.jobs.service import Jobs
from cityheart.kernel.text import text

from .scene import CODE_A, CODE_B, CODE_C, CONTRACTS, DECLARED, FIRE, MARKET, MAYOR, POLICE, STEWARD, Scene

NAME, HERE, THERE = "南通天万化工有限公司", "海门区通海路47号", "如东县长州路388号"
REGISTERED = {"firm_id": "F1", "uscc": CODE_A, "name": NAME, "person": "许超", "address": HERE}
ENTRY = {
    "entry": CODE_A,
    "uscc": CODE_A,
    "name": "南通天万化工集团有限公司",
    "former": NAME,
    "person": "许超",
    "address": HERE,
}
PLACE = {"site_id": "S1", "firm_id": "F1", "name": f"{NAME}二厂区", "address": THERE, "lon": 121.3, "lat": 32.2}
INSPECTED = {"name": "南通天万化工公司", "address": THERE, "result": "合格"}
FLOW = {
    "flow_id": "L1",
    "seller": CODE_A,
    "buyer": CODE_B,
    "day": "2015-10-01",
    "loaded_at_site": f"{NAME}二厂区",
    "lon": 121.3002,
    "lat": 32.2,
}


def told(scene: Scene, type: str) -> list[Mapping[str, Any]]:
    """The data of all events of a type."""
    with scene.database.read() as conn:
        return [event.data for event in events.read(conn, types={type})]


def records(scene: Scene, id: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The records of a subject by dataset and role."""
    found = cast("Sequence[Mapping[str, Any]]", scene.entities.subject(STEWARD, id)["records"])
    return {(one["dataset"], one["role"]): one for one in found}


def test_five_departments_speak_of_one_firm(scene: Scene) -> None:
    scene.land("register", REGISTERED)
    scene.land("market", ENTRY)
    scene.land("place", PLACE)
    scene.land("fire", INSPECTED)
    scene.land("flow", FLOW)
    firm = scene.one("天万化工")
    found = records(scene, firm)
    assert set(found) == {
        ("register", "self"), ("market", "self"), ("place", "firm"), ("fire", "self"), ("flow", "seller"),
    }  # fmt: skip
    why = found["fire", "self"]["why"]
    assert {one["name"] for one in why["evidence"]} >= {"name_exact", "address_same"}
    assert why["score"] == sum(one["points"] for one in why["evidence"]) and why["model"]
    assert found["market", "self"]["why"]["rule"] == "identifier:uscc"
    assert scene.entities.subject_of("firm", {"firm_id": "F1"}) == firm
    assert scene.entities.subject_of("firm", name="天万化工公司", address=HERE) == firm
    assert scene.entities.subject_of("firm", name="天万化工公司") is None
    site = scene.one("天万", "site")
    assert set(records(scene, site)) == {("place", "self"), ("flow", "site")}
    shown = scene.entities.subject(STEWARD, site)
    assert cast("Mapping[str, Any]", shown["area"])["code"] == "320623"
    assert scene.entities.follow() == 0


def test_all_at_once_is_the_same_as_one_by_one(quick: Scene) -> None:
    rows = {"flow": [FLOW], "fire": [INSPECTED], "place": [PLACE], "market": [ENTRY], "register": [REGISTERED]}
    for dataset, some in rows.items():
        quick.land(dataset, *some, follow=False)
    quick.entities.follow()
    assert len(records(quick, quick.one("天万化工"))) == 5
    assert quick.entities.figures(STEWARD)["questions"] == 0


def test_the_same_rows_again_change_nothing(quick: Scene) -> None:
    assert quick.land("market", ENTRY) == 1
    quick.clock.advance_to(quick.clock.now() + timedelta(days=1))
    assert quick.land("market", ENTRY) == 0
    assert quick.land("market", {**ENTRY, "address": THERE}) == 1
    assert len(told(quick, "subject.resolved")) == 2
    shown = quick.entities.subject(STEWARD, quick.one("天万"))
    assert shown["addresses"] == [{"value": THERE, "datasets": ["market"]}]


def test_values_are_said_as_the_contract_says_them(quick: Scene) -> None:
    quick.land("fire", INSPECTED)
    firm = quick.one("天万")
    label = text("合格", "Passed")
    (happened,) = cast("Any", quick.entities.subject(FIRE, firm))["timeline"]
    (result,) = [one for one in happened["values"] if one["name"] == "result"]
    assert (result["value"], result["label"]) == ("合格", label)
    columns = cast("Any", quick.entities.rows(FIRE, firm, "fire"))["columns"]
    assert {one["name"]: one["labels"].get("合格") for one in columns} == {
        "name": None,
        "address": None,
        "result": label,
    }


def test_evidence_that_comes_later_merges_and_the_older_id_stays(scene: Scene) -> None:
    scene.land("flow", FLOW)
    seller = scene.entities.subject_of("firm", {"uscc": CODE_A})
    scene.clock.advance_to(scene.clock.now() + timedelta(hours=1))
    scene.land("register", {**REGISTERED, "uscc": None})
    registered = scene.entities.subject_of("firm", {"firm_id": "F1"})
    assert seller is not None and registered is not None and seller != registered
    scene.land("register", REGISTERED)
    assert scene.entities.subject_of("firm", {"firm_id": "F1"}) == seller
    assert [(one["subject"], one["from"]) for one in told(scene, "subject.merged")] == [(seller, registered)]
    assert scene.entities.subject(STEWARD, registered)["id"] == seller
    assert scene.entities.subject(STEWARD, seller)["merged"] == [registered]


def test_a_code_that_contradicts_takes_the_record_out(quick: Scene) -> None:
    quick.land("register", REGISTERED)
    quick.land("market", ENTRY)
    firm = quick.one("天万")
    quick.land("register", {**REGISTERED, "uscc": CODE_C})
    other = quick.entities.subject_of("firm", {"firm_id": "F1"})
    assert other not in (None, firm) and quick.entities.subject_of("firm", {"uscc": CODE_A}) == firm
    assert [(one["subject"], one["into"]) for one in told(quick, "subject.split")] == [(firm, other)]


def test_a_site_that_is_of_another_firm_now_has_ended_the_tie(quick: Scene) -> None:
    quick.land("register", REGISTERED, {"firm_id": "F2", "uscc": CODE_B, "name": "海安利晨环保科技有限公司"})
    quick.land("place", PLACE)
    quick.clock.advance_to(quick.clock.now() + timedelta(days=3))
    quick.land("place", {**PLACE, "firm_id": "F2"})
    graph = quick.entities.links(STEWARD, quick.one("天万", "site"))
    edges = {one["to"]: one["until"] for one in cast("Sequence[Mapping[str, Any]]", graph["edges"])}
    assert edges == {quick.one("天万"): quick.clock.now(), quick.one("利晨"): None}


def test_links_over_two_hops(scene: Scene) -> None:
    scene.land("register", REGISTERED, {"firm_id": "F2", "uscc": CODE_B, "name": "海安利晨环保科技有限公司"})
    scene.land("place", PLACE)
    scene.land("flow", FLOW, {**FLOW, "flow_id": "L2", "day": "2015-10-09"})
    site, firm, buyer = scene.one("天万", "site"), scene.one("天万"), scene.one("利晨")
    near = scene.entities.links(STEWARD, site)
    assert {one["id"] for one in cast("Any", near["nodes"])} == {site, firm}
    far = scene.entities.links(STEWARD, site, hops=2)
    assert {one["id"] for one in cast("Any", far["nodes"])} == {site, firm, buyer}
    (sold,) = [one for one in cast("Any", far["edges"]) if one["relation"] == "sells_to"]
    assert (sold["from"], sold["to"], sold["since"].day, sold["until"].day) == (
        firm,
        buyer,
        30,
        8,
    )  # midnights of the city
    hidden = scene.entities.links(FIRE, site, hops=2)
    assert {one["id"] for one in cast("Any", hidden["nodes"])} == {site, firm}
    assert [one["dataset"] for one in cast("Any", hidden["restricted"])] == ["flow"]


# ── readers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_reader_sees_what_the_datasets_allow(quick: Scene) -> None:
    quick.land("register", REGISTERED)
    quick.land("flow", {**FLOW, "loaded_at_site": None})
    firm = quick.one("天万")
    seen = quick.entities.subject(FIRE, firm)
    assert seen["name"] is None and seen["records"] == [] and seen["identifiers"] == [] and seen["timeline"] == []
    assert [one["dataset"] for one in cast("Any", seen["restricted"])] == ["flow", "register"]
    assert quick.entities.find(FIRE, text="天万")["items"] == []
    assert quick.entities.find(FIRE)["items"] == [] and quick.entities.find(FIRE)["total"] == 0
    with pytest.raises(Forbidden, match="register"):
        quick.entities.rows(FIRE, firm, "register")
    own = quick.entities.subject(POLICE, firm)
    assert [one["dataset"] for one in cast("Any", own["records"])] == ["flow"] and own["name"] is None
    assert len(told(quick, "subject.read")) == 1
    assert cast("Any", quick.entities.rows(POLICE, firm, "flow")["items"])[0]["buyer"] == CODE_B
    assert [one["datasets"] for one in told(quick, "subject.read")] == [["flow"], ["flow"]]
    buyer = quick.entities.subject_of("firm", {"uscc": CODE_B})
    assert buyer is not None and quick.entities.subject(MAYOR, buyer)["records"] == []


def test_persons_appear_as_keyed_hashes_outside_their_department(quick: Scene) -> None:
    quick.land("market", ENTRY)
    firm = quick.one("天万")
    (mine,) = cast("Any", quick.entities.rows(MARKET, firm, "market")["items"])
    (other,) = cast("Any", quick.entities.rows(FIRE, firm, "market")["items"])
    assert mine["person"] == "许超" and len(other["person"]) == 16 and "许" not in other["person"]
    assert "许超" not in str(quick.entities.subject(FIRE, firm))
    assert "许超" not in str(quick.entities.subject(STEWARD, firm))
    with quick.database.engine.connect() as conn:
        rows = conn.exec_driver_sql("select * from entities_record").all()
    assert rows and "许超" not in str(rows)


def test_finding_by_what_people_type(quick: Scene) -> None:
    quick.land(
        "market", ENTRY, {"entry": CODE_B, "uscc": CODE_B, "name": "海安利晨万环保科技有限公司", "address": THERE}
    )
    firm, other = quick.one("天万"), quick.one("利晨")
    assert quick.one("天方化工集团") == firm and quick.one("利晨环保") == other and quick.one(CODE_B[:12]) == other
    assert quick.one("南通天万化工有限公司") == firm  # the former name
    assert quick.entities.find(FIRE, text="毫不相干的词语")["items"] == []
    assert quick.entities.find(FIRE, text="万", kind="site")["items"] == []
    quick.land("market", {**ENTRY, "name": "南通改名实业有限公司", "former": None})
    assert quick.one("改名实业") == firm
    assert firm not in {one["id"] for one in cast("Any", quick.entities.find(FIRE, text="天万化工")["items"])}
    page = quick.entities.find(FIRE, limit=1)
    (first,) = cast("Any", page["items"])
    (second,) = cast("Any", quick.entities.find(FIRE, after=cast("str", page["next"]), limit=1)["items"])
    assert {first["id"], second["id"]} == {firm, other} and page["total"] == 2
    with pytest.raises(Invalid, match="kind"):
        quick.entities.find(FIRE, kind="person")


# ── people decide ──────────────────────────────────────────────────────────────────────────────────────────────────


def asked(scene: Scene) -> Mapping[str, Any]:
    """Two records of which it is doubtful whether they are one firm, and the question."""
    scene.land("register", {**REGISTERED, "person": None})
    scene.land("fire", {"name": "南通天万化工有限公司", "address": "海门区滨江路3号", "result": "合格"})
    found = cast("Any", scene.entities.reviews(STEWARD))
    assert found["total"] == 1
    question: Mapping[str, Any] = found["items"][0]
    return question


def test_the_department_whose_record_is_doubtful_decides(scene: Scene) -> None:
    question = asked(scene)
    assert question["department"] == "fire" and [one["department"] for one in told(scene, "link.questioned")] == [
        "fire"
    ]
    assert cast("Any", scene.entities.reviews(MARKET))["items"] == []
    with pytest.raises(NotFound):
        scene.entities.decide(MARKET, "decide-0", question["id"], "same")
    with pytest.raises(Forbidden):
        scene.entities.reviews(MAYOR)
    (hidden,) = [
        one for one in cast("Any", scene.entities.review(FIRE, question["id"]))["records"] if one["restricted"]
    ]
    assert hidden["dataset"] == "register" and "name" not in hidden
    done = scene.entities.decide(FIRE, "decide-1", question["id"], "same", "现场核对")
    assert scene.entities.decide(FIRE, "decide-1", question["id"], "same", "现场核对") == done
    with pytest.raises(Conflict, match="already"):
        scene.entities.decide(FIRE, "decide-2", question["id"], "different")
    assert set(records(scene, scene.one("天万"))) == {("register", "self"), ("fire", "self")}
    assert [one["decision"] for one in told(scene, "link.decided")] == ["same"]
    history = cast("Any", scene.entities.subject(STEWARD, scene.one("天万")))["history"]
    assert {one["type"] for one in history} == {"subject.merged", "link.decided"}


def test_what_is_different_stays_different(quick: Scene) -> None:
    question = asked(quick)
    quick.entities.decide(FIRE, "decide-1", question["id"], "different", "两家企业")
    quick.land("fire", {"name": "南通天万化工有限公司", "address": "海门区滨江路3号", "result": "不合格"})
    quick.land(
        "register", {**REGISTERED, "person": None, "address": "海门区滨江路3号"}
    )  # now the rules would join them
    firm = quick.entities.subject_of("firm", {"firm_id": "F1"})
    assert firm is not None and set(records(quick, firm)) == {("register", "self")}
    assert cast("Any", quick.entities.reviews(STEWARD))["total"] == 0


def test_a_question_that_rows_have_answered_is_closed(scene: Scene) -> None:
    question = asked(scene)
    scene.land("place", {**PLACE, "address": "海门区滨江路3号"})
    assert cast("Any", scene.entities.reviews(STEWARD))["total"] in (0, 1)
    scene.land("register", {**REGISTERED, "person": None, "address": "海门区滨江路3号"})
    assert cast("Any", scene.entities.reviews(STEWARD))["total"] == 0
    assert cast("Any", scene.entities.review(STEWARD, question["id"]))["state"] == "overtaken"


def test_splitting_and_merging_by_hand(scene: Scene) -> None:
    scene.land("register", REGISTERED)
    scene.land("market", {**ENTRY, "uscc": None, "number": "320683494005373"})
    firm = scene.one("天万")
    market = records(scene, firm)["market", "self"]["id"]
    with pytest.raises(Invalid, match="reason"):
        scene.entities.split(STEWARD, "split-00", firm, [market], " ")
    with pytest.raises(Invalid, match="nothing would be left"):
        scene.entities.split(STEWARD, "split-01", firm, [one["id"] for one in records(scene, firm).values()], "错")
    with pytest.raises(Forbidden, match="none of your department"):
        scene.entities.split(FIRE, "split-02", firm, [market], "错")
    scene.clock.advance_to(scene.clock.now() + timedelta(hours=1))
    done = scene.entities.split(STEWARD, "split-03", firm, [market], "不是同一家")
    other = cast("str", done["into"])
    assert set(records(scene, firm)) == {("register", "self")} and set(records(scene, other)) == {("market", "self")}
    assert scene.entities.subject(STEWARD, other)["name"] == ENTRY["name"]
    scene.land("market", {**ENTRY, "uscc": None, "number": "320683494005373", "address": f"{HERE}2幢"})
    assert set(records(scene, other)) == {("market", "self")}
    back = scene.entities.merge(STEWARD, "merge-01", other, firm, "还是同一家")
    assert back == {"subject": firm, "from": other} and len(records(scene, firm)) == 2
    scene.land("register", REGISTERED, {"firm_id": "F2", "uscc": CODE_B, "name": "海安利晨环保科技有限公司"})
    with pytest.raises(Conflict, match="unified social credit code"):
        scene.entities.merge(STEWARD, "merge-02", firm, scene.one("利晨"), "试试")
    assert [one["by"] for one in told(scene, "subject.merged")] == [STEWARD.id]


def test_another_process_goes_on_where_this_one_was(quick: Scene) -> None:
    quick.land("register", REGISTERED, follow=False)
    other = quick.made()
    assert other.follow() == 1 and quick.entities.follow() == 0
    quick.land("market", ENTRY, follow=False)
    assert quick.entities.follow() == 1
    assert len(cast("Any", other.subject(STEWARD, quick.one("天万")))["records"]) == 2
    assert cast("Any", other.find(STEWARD, text="天万"))["items"][0]["records"] == 2


# ── declarations and routes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": ["nothing"]}, "no column nothing"),
        ({"of": "owner"}, "no role of a firm"),
        ({"dataset": "nowhere"}, "no contract"),
        ({"where": ["name", "name"]}, "no number"),
        ({"since": "name"}, "no moment"),
    ],
)
def test_declarations_that_do_not_fit_say_where(change: Mapping[str, object], said: str) -> None:
    check(Declaration.model_validate(DECLARED), CONTRACTS, "test")
    subjects = [*DECLARED["subjects"], {**cast("Any", DECLARED["subjects"][3]), "role": "extra", **change}]
    wrong = Declaration.model_validate({**DECLARED, "subjects": subjects})
    with pytest.raises(Invalid, match=said):
        check(wrong, CONTRACTS, "test")


def test_routes(quick: Scene, tmp_path: Path) -> None:
    question = asked(quick)
    app = FastAPI()
    jobs = Jobs(quick.database, tmp_path / "jobs")
    previews = Previews(quick.database, jobs, lambda: quick.entities.resolving, quick.entities.readable)
    app.include_router(api.router(quick.entities, previews))

    @app.middleware("http")
    async def who(request: Request, call_next: Any) -> Any:
        request.state.actor = STEWARD
        return await call_next(request)

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> JSONResponse:
        return JSONResponse(error.json(), error.status)

    client = TestClient(app)
    found = client.get("/api/subjects", params={"q": "天万", "kind": "firm"}).json()
    id = quick.entities.subject_of("firm", {"firm_id": "F1"})
    assert id in {one["id"] for one in found["items"]}
    shown = client.get(f"/api/subjects/{id}").json()
    assert shown["kind_title"] == text("企业", "firm") and shown["restricted"] == []
    assert client.get(f"/api/subjects/{id}/rows", params={"dataset": "register"}).json()["items"]
    assert client.get(f"/api/subjects/{id}/rows", params={"dataset": "nowhere"}).status_code == 404
    assert client.get(f"/api/subjects/{id}/links", params={"hops": 3}).status_code == 422
    assert client.get(f"/api/subjects/{id}/links").json()["nodes"][0]["id"] == id
    assert client.get("/api/subjects/figures").json()["questions"] == 1
    assert client.get("/api/subjects/nobody").status_code == 404
    assert client.get("/api/links/reviews").json()["items"][0]["id"] == question["id"]
    order = {"command_id": "decide-01", "decision": "different", "reason": "两家"}
    assert client.post(f"/api/links/reviews/{question['id']}", json=order).json()["state"] == "different"
    assert client.get(f"/api/links/reviews/{question['id']}").json()["reason"] == "两家"
    was = client.get("/api/areas", params={"at": "2020-07-05T12:00:00+08:00"}).json()
    now = client.get("/api/areas", params={"at": "2020-07-06T12:00:00+08:00", "lon": 120.75, "lat": 32.0}).json()
    assert was["total"] == 4 and [one["code"] for one in now["items"]] == ["320613"]
    assert client.get("/api/areas", params={"lon": 120.75}).status_code == 422
