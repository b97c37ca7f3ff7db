"""The library over HTTP: what the console asks, as two signed-in people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from fastapi.testclient import TestClient

from cityheart.city import City
from cityheart.command.bpmn import compile_bpmn
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import SystemClock
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text
from cityheart.share.models import Department
from cityheart.web.app import create_app

from ..bpmn.scene import Pen
from ..command.scene import UNITS, plan, step

PASSWORD = "a-long-password"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TestClient]]:
    """Ann and Ben of the command centre, and a clerk, signed in to a city without applications."""
    home = tmp_path_factory.mktemp("library") / "city"
    city = City.create(Settings.checked(home=home, name="city", zone="Asia/Shanghai", apps=()), SystemClock())
    city.share.register([Department(code, title, "bureau") for code, title in UNITS.items()], [], [])
    city.command.register_units(UNITS)
    app = create_app(city)
    clients: dict[str, TestClient] = {}
    for name, department, role in (
        ("ann", None, "coordinator"),
        ("ben", None, "duty_officer"),
        ("eve", "health", "clerk"),
    ):
        city.serve.create(
            Actor.system("test"), name, PASSWORD, name=text(name, name), department=department, roles=[role]
        )
        clients[name] = TestClient(app, base_url="http://testserver")
        assert clients[name].post("/api/session", json={"username": name, "password": PASSWORD}).status_code == 200
    yield clients
    for client in clients.values():
        client.close()
    city.close()


def test_a_drawing_from_the_first_line_to_the_published_plan(people: dict[str, TestClient]) -> None:
    ann, ben = people["ann"], people["ben"]
    xml = Pen().start().task("Task_1").flow("begin", "Task_1").xml().decode()
    broken = ann.post("/api/library/check", json={"kind": "bpmn", "source": xml.replace("PT4H", "soon")}).json()
    assert broken["ok"] is False and broken["plan"] is None
    assert {(one["element"], one["field"]) for one in broken["problems"] if one["severity"] == "error"} == {
        ("Task_1", "due")
    }
    draft = ann.post("/api/library/drafts", json={"kind": "bpmn", "source": xml}).json()
    assert (draft["state"], draft["revision"], draft["source"]) == ("draft", 1, xml)
    assert draft["actions"] == ["save", "submit", "withdraw"]
    path = f"/api/library/drafts/{draft['id']}"
    changed = xml.replace("PT4H", "PT5H")
    assert ann.put(path, json={"source": changed, "revision": 1}).json()["revision"] == 2
    late = ben.put(path, json={"source": xml, "revision": 1})
    assert (late.status_code, late.json()["revision"]) == (409, 2)
    history = ann.get(f"{path}/revisions").json()["items"]
    assert [(one["revision"], one["author"]) for one in history] == [(2, draft["authors"][0]), (1, draft["authors"][0])]
    first = ann.get(f"{path}/revisions/1").json()
    assert (first["source"], first["at"], first["against"]) == (xml, history[1]["at"], 2) and first["plan"]["steps"]
    (change,) = first["changed"]["steps"]["changed"]
    assert (change["field"], change["before"], change["after"]) == ("due", "PT4H", "PT5H")
    assert ann.get(f"{path}/revisions/2?against=1").json()["changed"] == first["changed"]
    assert ann.get(f"{path}/revisions/3").status_code == ann.get(f"{path}/revisions/1?against=9").status_code == 404
    assert ann.post(f"{path}/submit", json={"command_id": "press-submit"}).json()["state"] == "submitted"
    assert ann.post(f"{path}/approve", json={"command_id": "press-own"}).status_code == 403
    assert ben.get("/api/library/drafts", params={"state": "submitted"}).json()["items"][0]["actions"] == [
        "approve", "reject", "withdraw",
    ]  # fmt: skip
    published = ben.post(f"{path}/approve", json={"command_id": "press-approve", "revision": 2}).json()
    assert published["state"] == "published"
    digest = published["digest"]
    shown = people["eve"].get(f"/api/library/plans/{digest}").json()
    assert shown["plan"]["steps"][0]["due"] == "PT5H" and shown["in_force"] is True and shown["runs"] == []
    answer = ann.get(f"/api/library/plans/{digest}/source", params={"as": "bpmn"})
    assert answer.text == changed and answer.headers["content-type"].startswith("application/xml")


def test_a_written_plan_and_its_next_version(people: dict[str, TestClient]) -> None:
    ann, ben = people["ann"], people["ben"]
    digests = []
    for number, body in enumerate((plan(step("a")), plan(step("a", due="PT5H"), step("b"), version="2")), 1):
        source = yaml.safe_dump({**body, "plan": "written"}, allow_unicode=True)
        checked = ann.post("/api/library/check", json={"kind": "yaml", "source": source}).json()
        assert checked["ok"] and compile_bpmn(checked["bpmn"]).plan["plan"] == "written"
        draft = ann.post("/api/library/drafts", json={"kind": "yaml", "source": source}).json()
        for who, verb in ((ann, "submit"), (ben, "approve")):
            done = who.post(f"/api/library/drafts/{draft['id']}/{verb}", json={"command_id": f"press-{verb}-{number}"})
        digests.append(done.json()["digest"])
    diff = ann.get("/api/library/diff", params={"from": digests[0], "to": digests[1]}).json()
    assert diff["steps"]["added"] == ["b"]
    assert diff["steps"]["changed"] == [{"id": "a", "field": "due", "before": "PT4H", "after": "PT5H"}]
    [family] = [one for one in ann.get("/api/library/plans").json()["items"] if one["name"] == "written"]
    assert [(one["version"], one["in_force"]) for one in family["versions"]] == [("2", True), ("1", False)]
    text_ = ann.get(f"/api/library/plans/{digests[1]}/source", params={"as": "yaml"}).text
    assert yaml.safe_load(text_)["steps"][1]["id"] == "b"


def test_what_is_asked_wrong(people: dict[str, TestClient]) -> None:
    ann, eve = people["ann"], people["eve"]
    assert eve.post("/api/library/drafts", json={"kind": "yaml", "source": "x"}).status_code == 403
    assert eve.get("/api/library/drafts").status_code == 403
    assert ann.post("/api/library/drafts", json={"kind": "docx", "source": "x"}).status_code == 422
    assert ann.get("/api/library/drafts/none").status_code == 404
    assert ann.get("/api/library/drafts", params={"after": "x"}).status_code == 400
    assert ann.get("/api/library/drafts", params={"limit": 0}).status_code == 400
    assert ann.get("/api/library/plans/none/source", params={"as": "pdf"}).status_code == 422
    assert ann.get("/api/library/plans/none").status_code == 404
    assert ann.get("/api/library/decisions").json() == {"items": [], "total": 0, "next": None}
    assert ann.get("/api/library/decisions/none").status_code == 404
    wrong = ann.post("/api/library/drafts", json={"kind": "yaml", "source": "plan: ["}).json()
    answer = ann.post(f"/api/library/drafts/{wrong['id']}/submit", json={"command_id": "press-wrong"})
    assert answer.status_code == 422 and answer.json()["problems"][0]["severity"] == "error"
