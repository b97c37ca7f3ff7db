"""The routes: the console's, and Open311 in both forms with its error documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response

from cityheart.command.intake import api, open311
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Problem
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text

from .scene import LAMP, LAMP_AGAIN, PLACE, SYSTEM, Hotline


class Front:
    """A web surface over one hotline; ``actor`` is who asks."""

    def __init__(self, desk: Hotline, clock: VirtualClock, ids: Ids) -> None:
        self.desk = desk
        self.actor = SYSTEM
        app = FastAPI()

        async def sign(request: Request, call: Callable[..., object]) -> Response:
            request.state.actor = self.actor
            return await call(request)  # type: ignore[misc, no-any-return]

        app.add_middleware(BaseHTTPMiddleware, dispatch=sign)  # type: ignore[arg-type]
        app.add_exception_handler(Problem, _problem)
        app.include_router(api.router(desk.intake, lambda ids: dict.fromkeys(ids, text("王敏", "Wang Min"))))
        app.include_router(open311.router(desk.intake, clock, ids, "testcity", "测试市"))
        self.http = TestClient(app)
        self.key = desk.intake.issue_key(SYSTEM, "市民应用")[1]

    def post(self, form: str = "json", **fields: str) -> Response:
        """Hand a report over by Open311."""
        given = {
            "api_key": self.key,
            "service_code": "street_light",
            "description": LAMP,
            "lat": "32.0",
            "long": "120.9",
        }
        return self.http.post(f"/open311/v2/requests.{form}", data={k: v for k, v in (given | fields).items() if v})


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return JSONResponse(error.json(), error.status)


@pytest.fixture
def front(tmp_path: Path, clock: VirtualClock, ids: Ids) -> Iterator[Front]:
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, ids)
    database.create_all()
    yield Front(Hotline(database, tmp_path), clock, ids)
    database.close()


def test_a_report_taken_down_becomes_a_matter_with_everything_the_console_shows(front: Front) -> None:
    order = {"command_id": "click-123", "text": LAMP, "category": "street_light", "place": {"lon": 120.9, "lat": 32.0},
             "caller": {"name": "张三", "phone": "13912345678"}}  # fmt: skip
    done = front.http.post("/api/reports", json=order)
    assert done.status_code == 201 and front.http.post("/api/reports", json=order).json()["state"] == "same"
    front.http.post("/api/reports", json={"command_id": "click-124", "text": LAMP_AGAIN, "address": "解放路128号"})
    page = front.http.get("/api/matters?state=open").json()
    assert page["total"] == 1 and page["counts"] == {"open": 1} and page["items"][0]["reports"] == 2
    matter = front.http.get(f"/api/matters/{page['items'][0]['id']}").json()
    assert matter["proposed"]["unit"] == "urban-management" and matter["proposed"]["candidates"][0]["reasons"]
    assert [item["why"]["by"] for item in matter["items"]] == ["system:intake"] * 2
    assert matter["items"][1]["why"]["score"] > 0.5 and "13912345678" not in str(matter) and "张三" not in str(matter)
    assert [event["type"] for event in matter["history"]] == ["matter.opened", "matter.joined"]
    assert {event["actor_name"]["zh-CN"] for event in matter["history"]} == {"王敏"}
    second = matter["items"][1]["id"]
    split = {"command_id": "click-125", "reports": [second], "reason": "两盏灯"}
    other = front.http.post(f"/api/matters/{matter['id']}/split", json=split).json()["new_matter_id"]
    merge = {"command_id": "click-126", "matters": [matter["id"], other], "reason": "一盏"}
    kept = front.http.post("/api/matters/merge", json=merge).json()["matter_id"]
    sent = front.http.post(f"/api/matters/{kept}/dispatch", json={"command_id": "click-127"})
    assert sent.status_code == 200 and sent.json()["incident_id"]
    assert front.http.get("/api/matters?state=dispatched").json()["items"][0]["handler"] == "urban-management"


def test_the_routes_refuse_what_is_wrong_and_who_may_not(
    front: Front, nobody: Actor, clerk: Callable[[str], Actor]
) -> None:
    assert front.http.get("/api/matters?state=purple").status_code == 422
    assert front.http.get("/api/matters?limit=0").status_code == 422
    assert front.http.get("/api/matters?after=xyz").status_code == 400
    assert front.http.get("/api/matters/none").status_code == 404
    assert front.http.post("/api/reports", json={"command_id": "click-123", "text": "字" * 10_000}).status_code == 413
    _, matter = front.desk.tell(LAMP)
    front.actor = clerk("market")
    assert front.http.get(f"/api/matters/{matter}").status_code == 404
    assert front.http.post(f"/api/matters/{matter}/dispatch", json={"command_id": "click-123"}).status_code == 403
    front.actor = nobody
    assert front.http.get("/api/matters").status_code == 403
    assert front.http.get("/api/callers").status_code == 403


def test_files_and_refused_rows(front: Front, nobody: Actor, tmp_path: Path) -> None:
    csv = f"编号,诉求内容\nA,{LAMP}\nB,\nC,\n".encode()
    asked = "/api/reports/files?name=x.csv&source=12345"
    done = front.http.post(asked, content=csv)
    assert done.json() == {
        "new": 1, "same": 0, "revised": 0, "refused": 2, "matters": 1, "mended": 0, "bytes": len(csv),
    }  # fmt: skip
    assert list((tmp_path / "incoming").iterdir()) == []
    refused = front.http.get("/api/reports/refused?limit=1").json()
    assert refused["total"] == 2 and refused["next"] and refused["items"][0]["code"] == "text_empty"
    assert refused["reasons"]["text_empty"]["en"] == "the text is missing" and refused["facets"]["file"] == {"x.csv": 2}
    order = {"command_id": "click-123", "rows": [refused["items"][0]["id"]], "reason": "空行"}
    assert front.http.post("/api/reports/refused/dismiss", json=order).json() == {"dismissed": 1}
    every = {"command_id": "click-124", "every": {"file": "x.csv", "upto": refused["items"][0]["at"]}, "reason": "空行"}
    assert front.http.post("/api/reports/refused/dismiss", json=every).json() == {"dismissed": 1}
    told = front.http.get("/api/reports/files").json()
    assert [each["type"] for each in told["items"]] == ["intake.dismissed", "intake.dismissed", "intake.taken"]
    assert told["items"][2]["actor_name"]["zh-CN"] == "王敏" and told["next"] is None
    for name, source in (("../x.csv", "12345"), ("x.csv", " "), ("", "12345")):
        assert front.http.post("/api/reports/files", params={"name": name, "source": source}).status_code == 422
    assert front.http.post("/api/reports/files?name=x.json", content=b"{broken").status_code == 422
    assert front.http.post("/api/reports/files?name=x.json", content=b"[{}, {}]").json()["refused"] == 2
    assert list((tmp_path / "incoming").iterdir()) == []
    front.actor = nobody
    assert front.http.post(asked, content=csv).status_code == 403
    assert front.http.get("/api/reports/files").status_code == front.http.get("/api/reports/refused").status_code == 403


# ── Open311 ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_discovery_and_services_in_both_forms(front: Front) -> None:
    told = front.http.get("/open311/v2/discovery.json").json()
    assert told["endpoints"][0]["url"].endswith("/open311/v2") and told["endpoints"][0]["type"] == "production"
    services = front.http.get("/open311/v2/services.json?jurisdiction_id=testcity").json()
    assert {"service_code", "service_name", "description", "metadata", "type", "keywords", "group"} == services[
        0
    ].keys()
    answer = front.http.get("/open311/v2/services.xml")
    root = fromstring(answer.content)
    assert answer.headers["content-type"].startswith("text/xml") and root.tag == "services"
    assert [each.findtext("service_code") for each in root.findall("service")] == [s["service_code"] for s in services]
    manhole = front.http.get("/open311/v2/services/manhole.json").json()
    assert manhole["attributes"][0]["code"] == "state" and manhole["attributes"][0]["required"] == "true"
    assert [value["key"] for value in manhole["attributes"][0]["values"]] == ["missing", "broken", "loose"]


def test_a_request_is_handed_over_and_its_status_follows_the_incident(front: Front, clock: VirtualClock) -> None:
    answer = front.post()
    assert answer.status_code == 201
    id = answer.json()[0]["service_request_id"]
    own = front.http.get(f"/open311/v2/requests/{id}.json?api_key={front.key}").json()[0]
    assert own["status"] == "open" and own["description"] == LAMP and own["lat"] == 32.0
    matter = front.desk.intake.matters(SYSTEM)[0][0]
    incident = str(front.desk.intake.dispatch(SYSTEM, "click-dispatch", matter.id)["incident_id"])
    sent = front.http.get(f"/open311/v2/requests/{id}.json").json()[0]
    assert "已派单" in sent["status_notes"] and sent["agency_responsible"] == "urban-management局"
    front.desk.close(incident)
    front.desk.intake.tick(clock.now())
    root = fromstring(front.http.get(f"/open311/v2/requests/{id}.xml").content)
    assert root.tag == "service_requests" and root.findtext("request/status") == "closed"
    assert front.http.get(f"/open311/v2/tokens/{id}.json").json()[0]["service_request_id"] == id


def test_the_public_sees_nothing_that_is_somebodys_own(front: Front) -> None:
    front.post(
        description="我家解放路128号3楼老李电话13912345678，路灯不亮",
        address_string="解放路128号3楼",
        phone="13912345678",
    )
    for answer in (front.http.get("/open311/v2/requests.json"), front.http.get("/open311/v2/requests.xml")):
        assert "128" not in answer.text and "老李" not in answer.text and "139" not in answer.text
        assert "street_light" in answer.text
    other = front.desk.intake.issue_key(SYSTEM, "别的应用")[1]
    assert front.http.get(f"/open311/v2/requests.json?api_key={other}").json()[0]["description"] == ""
    assert "139" not in front.http.get(f"/open311/v2/requests.json?api_key={front.key}").json()[0]["description"]


def test_keys_are_needed_and_can_be_revoked(front: Front) -> None:
    assert front.post(api_key="").status_code == 403
    assert front.post(api_key="wrong").status_code == 403
    caller = front.desk.intake.callers(SYSTEM)[0]
    assert front.http.post(f"/api/callers/{caller.id}/revoke").status_code == 204
    answer = front.post()
    assert answer.status_code == 403 and answer.json()[0]["code"] == 403
    assert front.desk.intake.matters(SYSTEM)[0] == []
    stored = Path(str(front.desk.database.engine.url.database)).read_bytes()
    assert front.key.encode() not in stored


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"service_code": ""}, 400),
        ({"service_code": "teleport"}, 404),
        ({"service_code": "manhole"}, 400),
        ({"service_code": "manhole", "attribute[state]": "melted"}, 400),
        ({"service_code": "manhole", "attribute[state]": "broken"}, 201),
        ({"jurisdiction_id": "elsewhere"}, 404),
        ({"lat": "", "long": ""}, 400),
        ({"lat": "", "long": "", "address_string": "解放路128号"}, 201),
        ({"lat": "120.9", "long": "32.0"}, 400),
        ({"lat": "48.85", "long": "2.35"}, 400),
        ({"lat": "north"}, 400),
        ({"lat": "nan"}, 400),
        ({"description": "字" * 5_000}, 400),
        ({"description": "x" * 1_000_000}, 400),
        ({"media_url": "file:///etc/passwd"}, 400),
    ],
)
@pytest.mark.parametrize("form", ["json", "xml"])
def test_errors_are_documents_of_the_standard(front: Front, form: str, fields: dict[str, str], status: int) -> None:
    answer = front.post(form, **fields)
    assert answer.status_code == status, answer.text
    if status == 201:
        return
    if form == "json":
        (error,) = answer.json()
        assert error["code"] == status and error["description"]
    else:
        root = fromstring(answer.content)
        assert (
            root.tag == "errors" and root.findtext("error/code") == str(status) and root.findtext("error/description")
        )


def test_a_body_that_is_no_form_is_refused(front: Front) -> None:
    doctype = '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e "x">]><r>&e;</r>'
    for media in ("text/xml", "application/json", "multipart/form-data; boundary=x"):
        answer = front.http.post("/open311/v2/requests.xml", content=doctype, headers={"content-type": media})
        assert answer.status_code == 400 and b"<errors>" in answer.content
    many = "&".join(f"attribute[a{n}]=1" for n in range(500))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert front.http.post("/open311/v2/requests.json", content=many, headers=headers).status_code == 400
    assert front.http.post("/open311/v2/requests.json", content=b"a=%ff%fe", headers=headers).status_code == 400


def test_what_is_asked_of_the_list(front: Front, clock: VirtualClock) -> None:
    id = front.post().json()[0]["service_request_id"]
    get = front.http.get
    assert [
        each["service_request_id"] for each in get(f"/open311/v2/requests.json?service_request_id={id},none").json()
    ] == [id]
    assert len(get("/open311/v2/requests.json?service_code=street_light,noise&status=open").json()) == 1
    assert get("/open311/v2/requests.json?status=closed").json() == []
    assert get("/open311/v2/requests.json?start_date=2015-01-01T00:00:00Z&end_date=2015-02-01T00:00:00Z").json() == []
    for wrong, status in (
        ("start_date=2010-01-01T00:00:00Z&end_date=2015-01-01T00:00:00Z", 400),
        ("start_date=yesterday", 400),
        ("status=broken", 400),
        ("service_code=teleport", 404),
        ("service_request_id=" + ",".join(["x"] * 101), 400),
        ("api_key=wrong", 403),
        ("jurisdiction_id=elsewhere", 404),
    ):
        assert get(f"/open311/v2/requests.json?{wrong}").status_code == status, wrong
    assert get("/open311/v2/requests/none.xml").status_code == 404
    assert get("/open311/v2/services/none.json").status_code == 404
    assert get("/open311/v2/services.yaml").status_code == 404


def test_the_same_key_of_idempotency_is_one_request_and_a_key_has_an_hourly_share(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {
        "api_key": front.key,
        "service_code": "noise",
        "description": "吵",
        "lat": str(PLACE[1]),
        "long": str(PLACE[0]),
    }
    ids = {
        front.http.post("/open311/v2/requests.json", data=fields, headers={"idempotency-key": "k1"}).json()[0][
            "service_request_id"
        ]
        for _ in range(3)
    }
    assert len(ids) == 1
    monkeypatch.setattr(limits, "REPORTS_PER_KEY", 1)
    assert front.post().status_code == 429
