"""The flow of data: counts by minute and hour, states by the clock, what a steward opens, and who may see what."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Forbidden, NotFound, Problem
from cityheart.kernel.text import text
from cityheart.share import api, store
from cityheart.share.flow import WORST_FIRST, counted
from cityheart.share.models import Department, Source
from cityheart.share.service import Share
from cityheart.share.store import DeliveryRow

from .scene import BEGIN, HEADER, SYSTEM, city, csv, delivery

Sign = Callable[[Actor | None], TestClient]


def row(source: str, at: datetime, rows: int, bad: int, size: int) -> DeliveryRow:
    return DeliveryRow(
        f"d-{source}-{at.isoformat()}-{rows}", source, "air", "n", "", "x", size, at, "landed", rows, bad, {}, None, 1
    )


def department(share: Share, code: str, actor: Actor = SYSTEM) -> dict[str, Any]:
    found = cast("list[dict[str, Any]]", share.flow.overview(actor)["departments"])
    return next(each for each in found if each["code"] == code)


def total(share: Share, actor: Actor = SYSTEM) -> dict[str, Any]:
    return cast("dict[str, Any]", share.flow.overview(actor)["total"])


@given(
    st.lists(
        st.tuples(st.integers(0, 200_000), st.integers(0, 50), st.integers(0, 5), st.integers(0, 999)), max_size=40
    )
)
def test_every_row_is_counted_once_in_its_minute_and_once_in_its_hour(found: list[tuple[int, int, int, int]]) -> None:
    rows = [row("a", BEGIN + timedelta(seconds=at), good, bad, size) for at, good, bad, size in found]
    counts = counted(rows)
    assert len({(each.size, each.bucket) for each in counts}) == len(counts)
    for size in (60, 3600):
        of = [each for each in counts if each.size == size]
        assert sum(each.rows for each in of) == sum(good for _, good, _, _ in found)
        assert sum(each.bad for each in of) == sum(bad for _, _, bad, _ in found)
        assert sum(each.bytes for each in of) == sum(length for *_, length in found)
        assert sum(each.deliveries for each in of) == len(found)
        for each in of:
            inside = [r for r in rows if each.bucket <= r.received_at.timestamp() < each.bucket + size]
            assert (each.deliveries, each.rows) == (len(inside), sum(r.rows for r in inside))


def test_rates_follow_the_citys_clock(database: Database, tmp_path: Path, clock: VirtualClock) -> None:
    share = city(database, tmp_path)
    assert department(share, "ecology")["state"] == "idle"
    clock.advance_to(BEGIN + timedelta(minutes=30, seconds=30))
    good = [f"s{n},2015-11-01 08:00,1,N" for n in range(120)]
    share.land(
        "ecology.air", [delivery("1.csv", csv(*good[:60]), minutes=29), delivery("2.csv", csv(*good[60:]), minutes=30)]
    )
    found = department(share, "ecology")
    # half of the minute before lies within the last sixty seconds
    assert found["rate"]["now"] == pytest.approx((60 + 30) / 60)
    assert found["rate"]["hour"] == pytest.approx(120 / 3600)
    assert (found["rows"], found["bad"], found["quality"]) == ({"hour": 120, "day": 120}, {"hour": 0, "day": 0}, 1.0)
    assert (found["state"], found["sources"], found["freshness_seconds"]) == ("ok", 1, 30.0)
    assert found["hours"] == [0] * 23 + [120]
    assert total(share)["minutes"][-2:] == [60, 60]
    clock.advance_to(BEGIN + timedelta(hours=1, minutes=29, seconds=59))
    later = department(share, "ecology")
    assert (later["rows"]["hour"], later["rate"]["now"]) == (60, 0.0)
    clock.advance_to(BEGIN + timedelta(hours=24, minutes=31))
    silent = department(share, "ecology")
    assert (silent["rows"]["day"], silent["quality"], silent["state"]) == (0, None, "late")


def test_a_repeat_a_refusal_and_a_replay_are_counted_as_what_they_are(
    database: Database, tmp_path: Path, clock: VirtualClock, steward: Actor
) -> None:
    share = city(database, tmp_path)
    bad = csv("a,2015-11-01 08:00,1,N", "b,2015-11-01 08:00,x,N", "c,2015-11-01 08:00,-1,S")
    share.land("ecology.air", [delivery("1.csv", bad)])
    share.land("ecology.air", [delivery("1.csv", bad)])
    share.land("ecology.air", [delivery("2.csv", HEADER.replace("wind", "wind2"), minutes=1)])
    clock.advance_to(BEGIN + timedelta(minutes=1))
    found = department(share, "ecology")
    assert (found["rows"]["day"], found["bad"]["day"], found["open"], found["state"]) == (1, 3, 3, "refused")
    assert found["quality"] == pytest.approx(1 / 4)
    (entry,), _ = share.quarantine(steward, reason="type")
    assert share.dismiss(steward, "command-1", [entry.id]) == 1
    assert department(share, "ecology")["open"] == 2
    contract_later = city(database, tmp_path)  # a new program over the same store: nothing is kept in memory alone
    assert department(contract_later, "ecology")["open"] == 2
    wanting = cast("list[dict[str, Any]]", share.flow.overview(SYSTEM)["attention"])
    assert [(each["id"], each["state"], each["open"]) for each in wanting] == [("ecology.air", "refused", 2)]


def test_replayed_rows_are_counted_and_close_their_entries(
    database: Database, tmp_path: Path, clock: VirtualClock, steward: Actor
) -> None:
    share = city(database, tmp_path)
    share.land("ecology.air", [delivery("1.csv", csv("a,2015-11-01 08:00,5000,N", "b,2015-11-01 08:00,1,N"))])
    assert department(share, "ecology")["open"] == 1
    clock.advance_to(BEGIN + timedelta(minutes=5))
    from .scene import AIR, Contract  # the contract is mended

    document = cast("dict[str, Any]", {**AIR, "schema": {**AIR["schema"]}})  # type: ignore[dict-item]
    document["schema"]["fields"] = [
        {**each, "constraints": {"minimum": 0, "maximum": 9000}} if each["name"] == "pm25" else each
        for each in document["schema"]["fields"]
    ]
    mended = city(database, tmp_path, air=Contract.parse(document))
    done = mended.replay(steward, "command-1", "ecology.air")
    assert (done.tried, done.landed, done.still_bad) == (1, 1, 0)
    found = department(mended, "ecology")
    assert (found["rows"]["day"], found["open"]) == (2, 0)


def test_open_entries_of_an_older_store_are_counted(database: Database, tmp_path: Path) -> None:
    share = city(database, tmp_path)
    share.land("ecology.air", [delivery("1.csv", csv("a,2015-11-01 08:00,x,N"))])
    with database.work(SYSTEM) as work:
        work.conn.execute(sa.text("UPDATE share_source SET open = NULL"))
    assert department(share, "ecology")["open"] == 1
    share.land("ecology.air", [delivery("2.csv", csv("b,2015-11-01 08:00,x,N"))])
    with database.read() as conn:
        assert conn.execute(sa.text("SELECT open FROM share_source")).scalar() == 2


def test_old_minutes_and_hours_are_dropped(database: Database, tmp_path: Path) -> None:
    share = city(database, tmp_path)
    days = (limits.FLOW_HOURS_KEPT.days + 2) * 24 * 60
    for minutes in (0, days - 60, days):
        share.land(
            "ecology.air", [delivery(f"{minutes}.csv", csv(f"a{minutes},2015-11-01 08:00,1,N"), minutes=minutes)]
        )
    with database.read() as conn:
        kept = conn.execute(sa.text("SELECT size, count(*) FROM share_flow GROUP BY size ORDER BY size")).all()
    assert [tuple(each) for each in kept] == [(60, 2), (3600, 2)]


def test_a_source_in_steps(sqlite: Database, tmp_path: Path, clock: VirtualClock, nobody: Actor) -> None:
    share = city(sqlite, tmp_path)
    clock.advance_to(BEGIN + timedelta(hours=5, minutes=3))
    share.land("ecology.air", [delivery("1.csv", csv("a,2015-11-01 08:00,1,N", "b,2015-11-01 08:00,x,N"), minutes=301)])
    for hours, step, points in ((1, 60, 60), (24, 600, 144), (49, 3600, 49), (limits.FLOW_SHOWN_HOURS, 3600, 744)):
        found = cast("dict[str, Any]", share.flow.source(SYSTEM, "ecology.air", hours))
        assert (found["step_seconds"], len(found["rows"]), len(found["bytes"])) == (step, points, points)
        assert (sum(found["rows"]), sum(found["bad"]), sum(found["deliveries"])) == (1, 1, 1)
        place = int((BEGIN + timedelta(minutes=301) - found["from"]).total_seconds()) // step
        assert found["rows"][place] == 1
    with pytest.raises(NotFound):
        share.flow.source(SYSTEM, "none", 1)
    with pytest.raises(Forbidden):
        share.flow.source(nobody, "ecology.air", 1)


def test_deliveries_come_in_pages(database: Database, tmp_path: Path) -> None:
    share = city(database, tmp_path)
    share.land(
        "ecology.air",
        [
            delivery(f"{n}.csv", csv(f"a{n},2015-11-01 08:00,{'x' if n % 3 == 0 else 1},N"), minutes=n // 2)
            for n in range(10)
        ],
    )
    seen: list[str] = []
    after = None
    while True:
        page, count = share.flow.deliveries(SYSTEM, "ecology.air", after=after, limit=3)
        assert count == 10
        seen += [str(each["name"]) for each in page]
        if len(page) < 3:
            break
        after = str(page[-1]["id"])
    assert sorted(seen) == sorted(f"{n}.csv" for n in range(10))
    bad, count = share.flow.deliveries(SYSTEM, "ecology.air", bad=True)
    assert (count, {each["name"] for each in bad}) == (4, {"0.csv", "3.csv", "6.csv", "9.csv"})
    assert share.flow.deliveries(SYSTEM, "ecology.air", after="none")[0] == []


# ── the routes, and who may see what ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sign(sqlite: Database, tmp_path: Path) -> Sign:
    """A city with a good row, two bad ones and a police department without a source; a client signed in as an actor."""
    share = city(sqlite, tmp_path)
    raw = HEADER.encode() + b"a,2015-11-01 08:00,1,N\n<b>,2015-11-01 08:00,\x07x,N\nc,2015-11-01 08:00,-1,S\n"
    share.land("ecology.air", [delivery("1.csv", raw)])

    def client(actor: Actor | None) -> TestClient:
        app = FastAPI()

        @app.middleware("http")
        async def signed(request: Request, call_next):  # type: ignore[no-untyped-def]
            request.state.actor = actor
            return await call_next(request)

        @app.exception_handler(Problem)
        def problem(request: Request, error: Problem) -> JSONResponse:
            return JSONResponse(error.json(), error.status)

        app.include_router(api.router(share))
        return TestClient(app)

    return client


def test_a_steward_goes_from_the_city_to_a_bad_row(sign: Sign, steward: Actor) -> None:
    client = sign(steward)
    flow = client.get("/api/flow").json()
    assert {each["code"]: each["state"] for each in flow["departments"]} == {"ecology": "ok", "police": "none"}
    assert flow["total"]["states"] == {"failing": 0, "refused": 0, "late": 0, "idle": 0, "ok": 1}
    of = client.get("/api/flow/ecology").json()
    assert (sum(of["series"]["minutes"]["rows"]), sum(of["series"]["hours"]["bad"])) == (1, 2)
    assert [(each["id"], each["open"], each["update_cycle_seconds"]) for each in of["sources"]] == [
        ("ecology.air", 2, 3600.0)
    ]
    (one,) = client.get("/api/sources/ecology.air/deliveries").json()["items"]
    assert client.get("/api/sources/ecology.air/deliveries", params={"only": "bad"}).json()["total"] == 1
    found = client.get(f"/api/deliveries/{one['id']}").json()
    assert (found["rows"], found["reasons"], found["open"]) == (1, {"minimum": 1, "type": 1}, 2)
    assert found["source_title"] == {"zh-CN": "空气站", "en": "air stations"}
    listed = client.get("/api/quarantine", params={"delivery": one["id"]}).json()
    assert (listed["total"], client.get("/api/quarantine", params={"delivery": "none"}).json()["total"]) == (2, 0)
    first, second = (client.get(f"/api/quarantine/{each['id']}").json() for each in listed["items"])
    assert (first["previous"], first["next"], second["previous"], second["next"]) == (
        None,
        second["id"],
        first["id"],
        None,
    )
    assert (first["form"], first["reason"]["field"], first["may_replay"]) == ("record", "pm25", True)
    assert first["declared"] == {
        "name": "pm25", "title": None, "description": None, "type": "number", "unit": None, "key": False,
        "named": ["PM2.5"], "labels": {}, "rules": {"minimum": 0, "maximum": 2000},
    }  # fmt: skip
    assert b"\\u0007x" in base64.b64decode(first["bytes"])
    assert first["bytes_kept"] == first["bytes_shown"]


def test_the_catalogue_tells_of_every_dataset(sign: Sign, steward: Actor, clerk: Callable[[str], Actor]) -> None:
    (one,) = sign(steward).get("/api/datasets").json()["items"]
    assert (one["name"], one["owner_title"]["en"], one["sharing"], one["rows"], one["quarantined"]) == (
        "air", "ecology bureau", 1, 1, 2,
    )  # fmt: skip
    full = sign(steward).get("/api/datasets/air").json()
    assert [each["name"] for each in full["fields"]] == ["station", "observed_at", "pm25", "wind"]
    assert (full["key"], full["sources"][0]["quality"]["rows"]) == (["station", "observed_at"], 3)
    other = sign(clerk("police")).get("/api/datasets/air").json()
    assert (other["sources"], other["rows"], other["hidden_sources"], len(other["fields"])) == ([], 0, 1, 4)
    assert full["hidden_sources"] == 0
    assert sign(steward).get("/api/datasets/none").status_code == 404


def test_who_may_not_see_it_gets_nothing(
    sign: Sign, steward: Actor, officer: Actor, nobody: Actor, clerk: Callable[[str], Actor]
) -> None:
    known = sign(steward).get("/api/sources/ecology.air/deliveries").json()["items"][0]["id"]
    entry = sign(steward).get("/api/quarantine").json()["items"][0]["id"]
    police = sign(clerk("police"))
    flow = police.get("/api/flow").json()
    assert [(each["code"], each["sources"]) for each in flow["departments"]] == [("police", 0)]
    assert (flow["total"]["rows"]["day"], flow["attention"]) == (0, [])
    paths = ("flow/ecology", "sources/ecology.air/flow", "sources/ecology.air/deliveries", f"deliveries/{known}")
    for path in paths:
        assert (path, police.get(f"/api/{path}").status_code) == (path, 404)
        assert (path, sign(nobody).get(f"/api/{path}").status_code) == (path, 403)
        assert (path, sign(None).get(f"/api/{path}").status_code) == (path, 401)
        assert (path, sign(officer).get(f"/api/{path}").status_code) == (path, 200)
    assert police.get(f"/api/quarantine/{entry}").status_code == 404
    assert police.get("/api/quarantine", params={"delivery": known}).json()["total"] == 0
    assert sign(officer).get(f"/api/quarantine/{entry}").status_code == 403
    own = sign(clerk("ecology"))
    assert own.get(f"/api/quarantine/{entry}").json()["may_replay"] is False
    for path in ("flow", "datasets", "datasets/air"):
        assert (path, sign(None).get(f"/api/{path}").status_code) == (path, 401)
    assert sign(nobody).get("/api/flow").status_code == 403
    assert sign(nobody).get("/api/datasets").status_code == 403
    for wrong in ("hours=0", f"hours={limits.FLOW_SHOWN_HOURS + 1}", "hours=x"):
        assert sign(steward).get(f"/api/sources/ecology.air/flow?{wrong}").status_code == 422


# ── cost ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_answers_read_counts_never_the_deliveries(sqlite: Database, tmp_path: Path, clock: VirtualClock) -> None:
    """Sixty-two departments with two sources each: the statements of an answer, and what SQLite does for them."""
    share = city(sqlite, tmp_path)
    codes = [f"d{n}" for n in range(60)]
    share.register(
        [Department(code, text(f"部门{code}", code)) for code in codes],
        [],
        [
            Source(f"{code}.{n}", code, text("源", "source"), "push", {}, "air", None)
            for code in codes
            for n in range(2)
        ],
    )
    share.land("ecology.air", [delivery("1.csv", csv("a,2015-11-01 08:00,1,N"))])
    asked: list[str] = []

    def ask(conn: object, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    sa.event.listen(sqlite.engine, "before_cursor_execute", ask)
    found = share.flow.overview(SYSTEM)
    sa.event.remove(sqlite.engine, "before_cursor_execute", ask)
    assert len(cast("list[object]", found["departments"])) == 62
    reads = [each for each in asked if "share_" in each]
    assert len(reads) <= 4
    assert not any("share_delivery" in each or "share_quarantine" in each for each in reads)
    with sqlite.read() as conn:
        for filled in (
            "SELECT * FROM share_flow WHERE source IN ('a', 'b') AND size = 60 AND bucket >= 0 AND bucket < 99",
            "SELECT * FROM share_delivery WHERE source = 'a' AND (quarantined > 0 OR state = 'refused') "
            "ORDER BY received_at DESC, id DESC LIMIT 50",
            "SELECT count(*) FROM share_quarantine WHERE source = 'a' AND state = 'open'",
        ):
            plan = " ".join(str(each[3]) for each in conn.execute(sa.text(f"EXPLAIN QUERY PLAN {filled}")))
            assert "SEARCH" in plan, plan
            assert "SCAN" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan


def test_states_are_told_worst_first() -> None:
    assert WORST_FIRST[0] == "failing"
    assert WORST_FIRST[-2:] == ("ok", "idle")
    assert store.flow_table.primary_key.columns.keys() == ["source", "size", "bucket"]
