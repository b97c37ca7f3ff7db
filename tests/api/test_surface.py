"""The web surface as a whole: default deny, problems that say what to do, headers, the console's pages."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from cityheart.city import City
from cityheart.kernel import limits
from cityheart.web.app import create_app

from .conftest import SignIn

DECIDED = {"command_id": "12345678", "grant": True, "reason": "said"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
OPEN = {("get", "/api/health"), ("post", "/api/session"), ("get", "/api/session"), ("delete", "/api/session")}


def _operations(client: TestClient) -> list[tuple[str, str, dict[str, object]]]:
    paths = client.get("/api/openapi.json").json()["paths"]
    return [(method, path, spec) for path, methods in paths.items() for method, spec in methods.items()]


def test_nobody_gets_anything_but_the_door(sign_in: SignIn) -> None:
    nobody, officer = sign_in(""), sign_in("officer")
    for method, path, _ in _operations(officer):
        answer = nobody.request(method, re.sub(r"\{.*?\}", "x", path), json={})
        if (method, path) not in OPEN:
            assert answer.status_code == 401, (method, path, answer.status_code)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["remedy"]
    assert nobody.get("/api/openapi.json").status_code == 401
    assert nobody.get("/api/session").status_code == 401
    assert nobody.get("/api/health").json()["ok"] is True


def test_a_person_without_a_role_sees_nothing(sign_in: SignIn, city: City) -> None:
    from cityheart.kernel.actors import Actor
    from cityheart.kernel.text import text

    from ..played import PASSWORD

    city.serve.create(Actor.system("test"), "idle", PASSWORD, name=text("闲", "idle"), department=None, roles=[])
    idle = sign_in("idle")
    for path in (
        "alerts",
        "incidents",
        "tasks",
        "scores",
        "sources",
        "quarantine",
        "events",
        "layers",
        "panels",
        "accounts",
    ):
        answer = idle.get(f"/api/{path}")
        told = answer.json()
        assert answer.status_code == 403 or told == [] or told.get("items") == [], (path, answer.text)


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(sign_in: SignIn, city: City) -> None:
    from ..played import PASSWORD

    client = TestClient(create_app(city), base_url="http://testserver")
    answer = client.post("/api/session", json={"username": "officer", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert client.get("/api/session").json()["actor"]["roles"] == ["duty_officer"]
    assert client.delete("/api/session").status_code == 204
    assert client.get("/api/session").status_code == 401


def test_a_full_disk_is_said_and_no_fault_of_the_program(
    sign_in: SignIn, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    client = sign_in("officer")
    monkeypatch.setattr(city.jobs, "jobs", full)
    answer = client.get("/api/jobs", headers={"accept-language": "zh-CN"})
    assert answer.status_code == 503 and answer.json()["detail"] == "城市所在磁盘空间已用尽"


def test_another_sites_page_cannot_act(sign_in: SignIn) -> None:
    answer = sign_in("officer").post("/api/alerts/x/acknowledge", json={}, headers={"origin": "http://evil.test"})
    assert answer.status_code == 403 and answer.json()["code"] == "forbidden"
    answer = sign_in("officer").post("/api/alerts/x/acknowledge", json={}, headers={"origin": "http://testserver"})
    assert answer.status_code == 422


def test_a_body_past_the_limit_is_refused_before_it_is_read(sign_in: SignIn) -> None:
    length = {"content-length": str(limits.REQUEST_BYTES + 1), "content-type": "application/json"}
    answer = sign_in("officer").post("/api/alerts/x/acknowledge", headers=length, content=b"{}")
    assert answer.status_code == 413


def test_a_body_of_unknown_length_and_a_file_past_its_limit_are_refused(sign_in: SignIn) -> None:
    def endless() -> Iterator[bytes]:
        yield b"{}"

    answer = sign_in("officer").post("/api/alerts/x/acknowledge", content=endless())
    assert answer.status_code == 400 and "Content-Length" in answer.json()["remedy"]
    length = {"content-length": str(limits.UPLOAD_BYTES + 1)}
    assert sign_in("industry").post("/api/tasks/x/files", headers=length, content=b"").status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("get", "/api/alerts/none", None, 404),
        ("get", "/api/incidents/none", None, 404),
        ("get", "/api/tasks/none", None, 404),
        ("get", "/api/sources/none", None, 404),
        ("get", "/api/layers/none", None, 404),
        ("get", "/api/panels/none", None, 404),
        ("get", "/api/nothing", None, 404),
        ("get", "/api/alerts?state=purple", None, 422),
        ("get", "/api/alerts?limit=0", None, 422),
        ("get", "/api/alerts?limit=9999999", None, 422),
        ("get", "/api/events?after=-1", None, 422),
        ("get", "/api/scores?from=yesterday", None, 422),
        ("post", "/api/alerts/none/dispatch", {"command_id": "12345678", "plan": "x"}, 404),
        ("post", "/api/tasks/none/accept", {"command_id": "12345678"}, 404),
        ("post", "/api/tasks/none/destroy", {"command_id": "12345678"}, 422),
        ("post", "/api/requests/none/decide", DECIDED | {"until": "9999-12-31T23:59:59-12:00"}, 422),
        ("post", "/api/requests/none/decide", DECIDED | {"until": "0001-01-01T00:00:00+14:00"}, 422),
        ("post", "/api/requests/none/decide", DECIDED | {"reason": "half \ud800"}, 422),
        ("put", "/api/alerts", {}, 405),
    ],
)
def test_a_bad_request_is_a_problem_that_says_what_to_do(
    sign_in: SignIn, method: str, path: str, body: object, status: int
) -> None:
    sent = {} if body is None else {"content": json.dumps(body), "headers": {"content-type": "application/json"}}
    answer = sign_in("officer").request(method, path, **sent)  # type: ignore[arg-type]
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= answer.json().keys()
    asked = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8", "content-type": "application/json"}
    chinese = sign_in("officer").request(method, path, **sent | {"headers": asked})  # type: ignore[arg-type]
    told = [chinese.json()[name] for name in ("title", "detail", "remedy") if answer.json()[name]]
    assert all(CHINESE.search(words) for words in told), told
    assert (chinese.status_code, chinese.headers["content-language"]) == (status, "zh-CN")
    assert not CHINESE.search(answer.text) and answer.headers["content-language"] == "en"


NASTY = [
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+14:00",
    "",
    "x" * 3000,
    "-1",
    "nan",
    "1e400",
    "2015-13-01",
    "' or 1=1 --",
    "../../etc/passwd",
    "\u0000",
    "😀",
    "[]",
    "9" * 40,
]


def test_no_reading_route_breaks_on_nasty_parameters(sign_in: SignIn) -> None:
    """Each in turn as every parameter that a route reads: of its address, and of its question."""
    officer = sign_in("officer")
    broken = []
    for method, path, spec in _operations(officer):
        if method != "get":
            continue
        asked = [p["name"] for p in spec.get("parameters", []) if p["in"] == "query"]  # type: ignore[attr-defined]
        filled = re.sub(r"\{.*?\}", "none", path)
        for value in NASTY:
            tried = [(filled, {name: value}) for name in asked]
            if filled != path and value:
                tried.append((re.sub(r"\{.*?\}", lambda _: quote(value, safe=""), path), {}))  # noqa: B023
            for address, question in tried:
                answer = officer.get(address, params=question)
                if answer.status_code >= 500:
                    broken.append((path, question, value[:20], answer.status_code))
    assert not broken


def test_pages_of_the_console_are_served_and_nothing_above_them(sign_in: SignIn) -> None:
    nobody = sign_in("")
    page = nobody.get("/command")
    assert page.status_code == 200 and "<div id=" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for path in ("/../../pyproject.toml", "/%2e%2e/%2e%2e/city.py", "/..%2f..%2fcity.py", "//etc/passwd"):
        answer = nobody.get(path)
        assert "CityHeart" not in answer.text or "<div id=" in answer.text
        assert "import" not in answer.text.split("<")[0]


def test_every_answer_forbids_caching_and_sniffing(sign_in: SignIn) -> None:
    answer = sign_in("officer").get("/api/alerts")
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
