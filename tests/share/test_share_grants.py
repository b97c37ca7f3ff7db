"""Who reads what: requests with their deadline, grants with their end, and that nothing withheld leaks by any way."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityheart.engine.lake import Lake
from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound, Problem
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.sdk.reader import Closed, Reader
from cityheart.share import api
from cityheart.share.contracts import Contract, ContractError
from cityheart.share.grants.condition import compiled
from cityheart.share.grants.deadlines import due, read, rules
from cityheart.share.grants.models import Party, Person, Proposal
from cityheart.share.grants.reading import Wanted
from cityheart.share.grants.service import Asked
from cityheart.share.models import Dataset, Department, Source
from cityheart.share.service import Share

from .scene import BEGIN, SYSTEM, delivery

Clerk = Callable[[str], Actor]

CALLS: dict[str, Any] = {
    "name": "calls",
    "title": {"zh-CN": "来电", "en": "Calls"},
    "schema": {
        "fields": [
            {"name": "id", "type": "string", "constraints": {"required": True}},
            {"name": "at", "type": "datetime", "constraints": {"required": True}},
            {"name": "street", "type": "string", "title": {"zh-CN": "街道", "en": "Street"}},
            {"name": "caller", "type": "string", "cityheart": {"personal": True}},
            {"name": "cost", "type": "number", "cityheart": {"sensitive": True}},
            {"name": "urgent", "type": "boolean"},
            {"name": "day", "type": "date"},
        ],
        "primaryKey": ["id"],
    },
    "cityheart": {"owner": "health", "time": "at", "zone": "UTC", "sharing": 2},
}
OPEN = ("id", "at", "street", "urgent", "day")
ROWS = [
    {
        "id": f"c{n}", "at": f"2015-11-01T{n % 24:02}:00:00Z", "street": "AB"[n % 2], "caller": f"SECRET{n}",
        "cost": 7_000_000.0 + n, "urgent": n % 3 == 0, "day": f"2015-10-{n % 28 + 1:02}",
    }
    for n in range(30)
]  # fmt: skip


def calls(sharing: int) -> Contract:
    document = json.loads(json.dumps(CALLS))
    document["cityheart"]["sharing"] = sharing
    document["name"] = f"calls{sharing}"
    return Contract.parse(document)


def shared(database: Database, home: Path) -> Share:
    """Three datasets of the health bureau, one for each way of sharing, with personal and sensitive columns."""
    share = Share(database, Lake(home / "lake"))
    departments = [Department(code, text(code, code)) for code in ("health", "police", "fire")]
    contracts = [calls(sharing) for sharing in (1, 2, 3)]
    sources = [Source(f"s.{one.name}", "health", text("s", "s"), "push", {}, one.name) for one in contracts]
    share.register(departments, [Dataset.of(one) for one in contracts], sources)
    body = "\n".join(json.dumps(row) for row in ROWS)
    for one in sources:
        (landed,) = share.land(one.id, [delivery("1.jsonl", body)])
        assert (landed.rows, landed.quarantined) == (30, 0), landed
    return share


def steward_of(department: str | None) -> Actor:
    return Actor(f"user:steward-{department}", text("s", "s"), department, frozenset({"steward"}))


OWNER = steward_of("health")


@pytest.fixture
def share(database: Database, tmp_path: Path) -> Share:
    return shared(database, tmp_path)


@pytest.fixture
def lone(sqlite: Database, tmp_path: Path) -> Share:
    return shared(sqlite, tmp_path)


def seen(share: Share, actor: Actor, dataset: str) -> dict[str, set[object]]:
    """The values of each column that the actor reads."""
    rows = share.read(actor, dataset, columns=[each.name for each in calls(2).fields])
    return {name: {value for value in rows[name].to_pylist() if value is not None} for name in rows.column_names}


# ── asking and deciding ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_is_asked_decided_and_ends(
    share: Share, database: Database, clerk: Clerk, clock: VirtualClock
) -> None:
    """A department asks, the owner grants less, it is read, it ends by itself; each step is an event."""
    police, grants = clerk("police"), share.grants
    asked = Asked(
        "calls2", "tracing of hoax calls", ("id", "street", "caller"), None, ("read",), BEGIN + timedelta(days=30)
    )
    with pytest.raises(Forbidden):
        share.read(police, "calls2")
    request = cast("dict[str, Any]", grants.ask(police, "ask-00001", asked))
    assert request["to"]["department"] == "police" and request["state"] == "open" and not request["late"]
    # Sunday 2015-11-01 08:00 in the city: ten working days from Monday 09:00 on
    assert request["due_at"] == datetime(2015, 11, 16, 1, tzinfo=UTC)
    assert grants.ask(police, "ask-00001", asked) == request, "the same click twice is one request"
    with pytest.raises(Conflict, match="asked for in"):
        grants.ask(police, "ask-00002", asked)
    for stranger in (police, clerk("health"), steward_of("fire")):
        with pytest.raises(Forbidden):
            grants.decide(stranger, "decide-01", request["id"], grant=True, reason="yes")
    with pytest.raises(NotFound):
        grants.request(clerk("fire"), request["id"])
    with pytest.raises(Invalid, match="reason"):
        grants.decide(OWNER, "decide-02", request["id"], grant=False, reason=" ")
    with pytest.raises(Invalid, match="not asked for"):
        grants.decide(OWNER, "decide-03", request["id"], grant=True, reason="yes", columns=["cost"])
    assert cast("Any", grants.requests(OWNER))["items"][0]["may"]["decide"]

    answer = grants.decide(
        OWNER,
        "decide-04",
        request["id"],
        grant=True,
        reason="for street A",
        columns=["id", "caller"],
        rows="street == 'A'",
    )
    assert answer["state"] == "granted" and answer["late"] is False
    found = seen(share, police, "calls2")
    assert found["caller"] == {f"SECRET{n}" for n in range(0, 30, 2)} and found["id"] == {
        f"c{n}" for n in range(0, 30, 2)
    }
    assert found["street"] == found["cost"] == set()
    with pytest.raises(Conflict, match="granted already"):
        grants.decide(OWNER, "decide-05", request["id"], grant=False, reason="no")
    with pytest.raises(Forbidden):
        share.read(clerk("fire"), "calls2")

    clock.advance_to(BEGIN + timedelta(days=30))
    with pytest.raises(Forbidden):
        share.read(police, "calls2")
    assert grants.tick(clock.now()) == 1 and grants.tick(clock.now()) == 0
    with database.read() as conn:
        told = [one.type for one in events.read(conn, stream="dataset:calls2")]
    kinds = ("request.filed", "request.decided", "grant.given", "dataset.read", "grant.ended")
    assert {kind: told.count(kind) for kind in kinds} == dict.fromkeys(kinds, 1)


def test_what_is_not_answered_in_time_is_told_once(
    share: Share, database: Database, clerk: Clerk, clock: VirtualClock
) -> None:
    request = share.grants.ask(clerk("police"), "ask-00001", Asked("calls2", "why"))
    clock.advance_to(cast("datetime", request["due_at"]))
    assert share.grants.tick(clock.now()) == 0
    clock.advance_to(clock.now() + timedelta(seconds=1))
    assert share.grants.tick(clock.now()) == 1 and share.grants.tick(clock.now()) == 0
    assert share.grants.request(OWNER, str(request["id"]))["late"] is True
    answer = share.grants.decide(
        OWNER, "decide-01", str(request["id"]), grant=False, reason="another law is in the way"
    )
    assert (answer["state"], answer["late"], answer["reason"]) == ("refused", True, "another law is in the way")
    with database.read() as conn:
        assert [one.type for one in events.read(conn, stream="dataset:calls2")].count("request.overdue") == 1


def test_what_cannot_be_asked(lone: Share, clerk: Clerk, nobody: Actor, officer: Actor) -> None:
    police, ask = clerk("police"), lone.grants.ask
    with pytest.raises(Forbidden):
        ask(nobody, "ask-00001", Asked("calls2", "why"))
    for wrong in (
        Asked("calls2", " "),
        Asked("calls2", "why", ("no_such",)),
        Asked("calls2", "why", ("id", "id")),
        Asked("calls2", "why", uses=()),
        Asked("calls2", "why", rows="import os"),
        Asked("calls2", "why", until=BEGIN),
        Asked("calls2", "why", until=BEGIN + limits.GRANT_LONGEST + timedelta(days=1)),
    ):
        with pytest.raises(Invalid):
            ask(police, "ask-00001", wrong)
    with pytest.raises(NotFound):
        ask(police, "ask-00001", Asked("no_such", "why"))
    with pytest.raises(Conflict, match="not shared"):
        ask(police, "ask-00001", Asked("calls3", "why"))
    with pytest.raises(Conflict, match="already"):
        ask(police, "ask-00001", Asked("calls1", "why"))
    with pytest.raises(Invalid, match="role"):
        ask(police, "ask-00001", Asked("calls2", "why"), role="mayor")
    mine = ask(officer, "ask-00002", Asked("calls1", "why", ("caller",)))
    assert cast("Any", mine["to"])["role"] == "duty_officer"
    with pytest.raises(Forbidden):
        lone.grants.withdraw(police, "withdraw1", str(mine["id"]))
    assert lone.grants.withdraw(officer, "withdraw2", str(mine["id"]))["state"] == "withdrawn"


def test_the_owner_gives_and_revokes(lone: Share, officer: Actor, clerk: Clerk) -> None:
    """Without a request; to nobody's own advantage; what is revoked stops at once."""
    city_steward = steward_of(None)
    given = lone.grants.give(
        city_steward, "give-0001", Asked("calls2", "exercise", ("id", "caller")), Party(role="duty_officer")
    )
    assert lone.sight(officer, "calls2").withheld == ("at", "street", "cost", "urgent", "day")
    assert seen(lone, officer, "calls2")["caller"] == {f"SECRET{n}" for n in range(30)}
    for party in (Party(role="steward"), Party()):
        with pytest.raises(Problem):
            lone.grants.give(city_steward, "give-0002", Asked("calls2", "me", ("caller",)), party)
    for wrong in (Party("no_such"), Party(role="no_such"), Party(role="system"), Party(handlers=True)):
        with pytest.raises(Invalid):
            lone.grants.give(OWNER, "give-0003", Asked("calls2", "x"), wrong)
    with pytest.raises(Forbidden):
        lone.grants.revoke(steward_of("police"), "revoke-01", str(given["id"]), "no")
    done = lone.grants.revoke(OWNER, "revoke-02", str(given["id"]), "over")
    assert done["state"] == "revoked" and cast("Any", done["ended_by"])["id"] == OWNER.id
    with pytest.raises(Forbidden):
        lone.read(officer, "calls2")
    with pytest.raises(Conflict):
        lone.grants.revoke(OWNER, "revoke-03", str(given["id"]), "over")


@pytest.fixture
def inspectors(share: Share) -> tuple[Actor, Actor]:
    """Two inspectors of the police, known by the names that they sign in with; and one who is blocked."""
    pair = [Actor(f"user-{name}", text(name, name), "police", frozenset({"clerk"})) for name in ("one", "two")]
    known = {one.id: Person(one.id, f"in-{one.id}", one.name, "police") for one in pair}
    blocked = Person("user-gone", "gone", text("gone", "gone"), None, True)
    by_name = {one.username: one for one in [*known.values(), blocked]}

    def person(username: str) -> Person:
        if username not in by_name:
            raise NotFound(f"there is no user {username}")
        return by_name[username]

    share.grants.register_people(person, lambda ids: {id: known[id] for id in ids if id in known})
    return pair[0], pair[1]


def test_one_person_is_let_in_until_a_date(share: Share, clock: VirtualClock, inspectors: tuple[Actor, Actor]) -> None:
    """Nobody else of the department, nobody who stands in, no other columns and rows; it ends, and can be revoked."""
    one, two = inspectors
    stand_in = replace(two, deputy_for=(one.id,))
    until = clock.now() + timedelta(days=3)
    asked = Asked("calls2", "case 7", ("id", "street", "caller"), "street == 'A'", until=until)
    for wrong, username in ((asked, "gone"), (replace(asked, until=None), f"in-{one.id}")):
        with pytest.raises(Invalid):
            share.grants.give(OWNER, "give-0000", wrong, Party(), username=username)
    with pytest.raises(NotFound):
        share.grants.give(OWNER, "give-0000", asked, Party(), username="nobody")
    with pytest.raises(Forbidden):
        share.grants.give(steward_of("police"), "give-0000", asked, Party(), username=f"in-{one.id}")
    assert not share.open_to(one, "calls2")
    made: Any = share.grants.give(OWNER, "give-0001", asked, Party(), username=f"in-{one.id}")
    assert made["to"]["person"] == {
        "id": one.id, "username": f"in-{one.id}", "name": one.name, "department": "police",
    }  # fmt: skip
    shown = seen(share, one, "calls2")
    assert shown["caller"] == {f"SECRET{n}" for n in range(0, 30, 2)} and shown["street"] == {"A"} and not shown["cost"]
    for other in (two, stand_in, Actor("user-other", one.name, None, frozenset({"inspector"}))):
        assert not share.open_to(other, "calls2")
    rows: Any = [share.grants.grant(actor, made["id"])["rows"] for actor in (one, two, OWNER)]
    assert rows == ["street == 'A'", None, "street == 'A'"]
    with share._database.read() as conn:
        (given,) = events.read(conn, types={"grant.given"})
    assert (given.data["person"], given.data["department"]) == (one.id, None)
    moved = replace(one, department="fire", roles=frozenset({"inspector"}))
    assert share.open_to(moved, "calls2"), "it is the person who was let in"
    share.grants.revoke(OWNER, "revoke-01", made["id"], "closed")
    assert not share.open_to(one, "calls2")
    again: Any = share.grants.give(OWNER, "give-0002", asked, Party("police"), username=f"in-{one.id}")
    assert share.open_to(one, "calls2") and not share.open_to(moved, "calls2"), "what is named must all fit"
    clock.advance_to(until)
    share.grants.tick(clock.now())
    assert not share.open_to(one, "calls2") and share.grants.grant(OWNER, again["id"])["state"] == "expired"


def test_somebody_asks_for_oneself_alone(share: Share, clock: VirtualClock, inspectors: tuple[Actor, Actor]) -> None:
    one, two = inspectors
    asked = Asked("calls2", "case 7", until=clock.now() + timedelta(days=3))
    with pytest.raises(Invalid, match="has an end"):
        share.grants.ask(one, "ask-00001", replace(asked, until=None), alone=True)
    made: Any = share.grants.ask(one, "ask-00001", asked, alone=True)
    assert made["to"]["person"]["id"] == one.id and made["to"]["department"] is None
    with pytest.raises(NotFound):
        share.grants.request(two, made["id"])
    share.grants.decide(OWNER, "decide-01", made["id"], grant=True, reason="the case")
    assert share.open_to(one, "calls2") and not share.open_to(two, "calls2")


def test_another_process_sees_a_revocation_in_time(
    lone: Share, tmp_path: Path, clock: VirtualClock, officer: Actor
) -> None:
    """Two processes on one store: what one revokes the other shows no longer than ``limits.GRANTS_LOOK``."""
    other = Share(lone._database, Lake(tmp_path / "lake"))
    given = lone.grants.give(OWNER, "give-0001", Asked("calls2", "x"), Party(role="duty_officer"))
    assert other.open_to(officer, "calls2")
    lone.grants.revoke(OWNER, "revoke-01", str(given["id"]), "over")
    clock.advance_to(clock.now() + limits.GRANTS_LOOK)
    assert not other.open_to(officer, "calls2") and not lone.open_to(officer, "calls2")
    assert timedelta(minutes=1) > limits.GRANTS_LOOK


def test_proposals_wait_for_the_owner(lone: Share, officer: Actor) -> None:
    """What an application proposes gives nothing; the owner answers; the same is not proposed again, another wording is."""
    proposal = Proposal("app/map/calls2", "calls2", Party(role="duty_officer"), text("t", "t"), text("p", "p"), ("id",))
    (id,) = lone.grants.propose([proposal])
    assert lone.grants.propose([proposal]) == [] and not lone.open_to(officer, "calls2")
    with pytest.raises(Forbidden):
        lone.grants.answer(officer, "answer-01", id, accept=True, reason="me")
    lone.grants.answer(OWNER, "answer-02", id, accept=True, reason="good")
    assert lone.sight(officer, "calls2").grants == (id,)
    wider = Proposal(
        "app/map/calls2", "calls2", Party(role="duty_officer"), text("t", "t"), text("p", "p"), ("id", "street")
    )
    (second,) = lone.grants.propose([wider])
    assert lone.sight(officer, "calls2").grants == (id,), "nothing widens by itself"
    lone.grants.answer(OWNER, "answer-03", second, accept=True, reason="good")
    assert lone.sight(officer, "calls2").grants == (second,)
    lone.grants.revoke(OWNER, "revoke-01", second, "enough")
    assert lone.grants.propose([wider]) == [] and lone.grants.take_proposals() == []
    assert not lone.open_to(officer, "calls2")
    with pytest.raises(Invalid):
        lone.grants.propose(
            [Proposal("app/x/calls2", "calls2", Party(role="mayor"), text("t", "t"), text("p", "p"), ("nn",))]
        )


# ── nothing leaks ──────────────────────────────────────────────────────────────────────────────────────────────────

ROLES = ("duty_officer", "clerk", "analyst", "steward", "admin", "mayor")
SECRETS = {"caller": "SECRET", "cost": "70000"}
actors = st.builds(
    lambda department, roles: Actor("user:x", text("x", "x"), department, frozenset(roles)),
    st.sampled_from([None, "health", "police", "fire"]),
    st.sets(st.sampled_from(ROLES), min_size=1, max_size=2),
)
parties = st.one_of(
    st.builds(Party, st.sampled_from(["police", "fire"])),
    st.builds(lambda role: Party(None, role), st.sampled_from(ROLES)),
    st.builds(Party, st.sampled_from(["police", "fire"]), st.sampled_from(ROLES)),
)
conditions = st.sampled_from([None, "street == 'A'", "urgent and not day < '2015-10-10'", "cost > 7000020"])
gifts = st.tuples(
    st.sampled_from(["calls1", "calls2", "calls3"]),
    parties,
    st.lists(st.sampled_from([one["name"] for one in CALLS["schema"]["fields"]]), unique=True, max_size=4),
    conditions,
)
HOLDS: dict[str | None, Callable[[dict[str, Any]], bool]] = {
    None: lambda row: True,
    "street == 'A'": lambda row: row["street"] == "A",
    "urgent and not day < '2015-10-10'": lambda row: row["urgent"] and not row["day"] < "2015-10-10",
    "cost > 7000020": lambda row: row["cost"] > 7_000_020,
}


def allowed(actor: Actor, dataset: str, given: list[tuple[str, Party, list[str], str | None]]) -> dict[str, set[str]]:
    """What may be seen, said plainly: for each row's id the columns."""
    sharing = int(dataset[-1])
    pieces: list[tuple[set[str], str | None]] = []
    if actor.department == "health":
        pieces.append(({*OPEN, "caller", "cost"}, None))
    elif sharing == 1 or actor.roles & {"steward", "admin"}:
        pieces.append((set(OPEN), None))
    for name, party, columns, rows in given:
        mine = (party.department in (None, actor.department)) and (party.role is None or party.role in actor.roles)
        if name == dataset and mine:
            pieces.append((set(columns) or set(OPEN), rows))
    found: dict[str, set[str]] = {}
    for row in ROWS:
        columns = [each for each, rows in pieces if HOLDS[rows](row)]
        if columns:
            found[str(row["id"])] = set().union(*columns)
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Share]:
    home = tmp_path_factory.mktemp("world")
    clock = VirtualClock(BEGIN)
    database = Database(f"sqlite:///{home / 'city.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    yield shared(database, home)
    database.close()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    actors,
    st.sampled_from(["calls1", "calls2", "calls3"]),
    st.lists(gifts, max_size=3),
    st.sampled_from([one["name"] for one in CALLS["schema"]["fields"]]),
)
def test_no_way_of_reading_shows_what_is_withheld(
    world: Share, actor: Actor, dataset: str, given: list[tuple[str, Party, list[str], str | None]], column: str
) -> None:
    """Whoever reads whatever by whatever grants, through every way: just what the rules say, and no more."""
    for old in cast("Any", world.grants.grants(OWNER, state="given", limit=200))["items"]:
        world.grants.revoke(OWNER, world._database.ids.new("command"), old["id"], "again")
    for name, party, columns, rows in given:
        command = world._database.ids.new("command")
        world.grants.give(OWNER, command, Asked(name, "x", tuple(columns), rows), party)
    expected = allowed(actor, dataset, given)
    sight = world.sight(actor, dataset)
    names = [one["name"] for one in CALLS["schema"]["fields"]]
    lake = world._lake
    reader = Reader(lake, BEGIN, lambda name: world.open_to(actor, name), sight=lambda name: world.sight(actor, name))
    if not sight.open:
        assert not expected or not any(expected.values())
        for ask in (
            lambda: world.read(actor, dataset),
            lambda: world.reading.query(actor, f"SELECT * FROM {dataset}"),
            lambda: world.reading.listed(actor, dataset, Wanted()),
            lambda: reader.rows(dataset),
            lambda: reader.query(f"SELECT count(*) AS n FROM {dataset}__versions", window=timedelta(days=9)),
        ):
            with pytest.raises((Forbidden, Closed)):
                ask()
        return
    values = {str(row["id"]): row for row in ROWS}

    def check(rows: list[dict[str, Any]]) -> None:
        assert len(rows) == len(expected)
        told = json.dumps(rows, default=str)
        for id, columns in expected.items():
            row = values[id]
            assert ("caller" in columns) == (f'"{row["caller"]}"' in told), (id, columns)
            assert ("cost" in columns) == (str(row["cost"]) in told), (id, columns)
        for row in rows:
            if row.get("id") is not None:
                for name in set(row) & set(names):
                    assert (row[name] is not None) == (name in expected[row["id"]]), (row, name)

    window = timedelta(days=9)
    check(world.read(actor, dataset).to_pylist())
    check(world.reading.query(actor, f'SELECT * FROM "{dataset}"').to_pylist())
    check(reader.rows(dataset, columns=names, window=window, ahead=window).to_pylist())
    check(reader.query(f"SELECT * FROM {dataset}__versions", window=window, ahead=window).to_pylist())
    page = cast("Any", world.reading.listed(actor, dataset, Wanted(), limit=200))
    check(page["items"])
    assert page["total"] == len(expected)
    assert {one["name"] for one in page["columns"] if one["withheld"]} == set(sight.withheld)
    ways = (
        f"SELECT id FROM {dataset} WHERE caller = 'SECRET4'",
        f"SELECT min(cost) AS cost FROM {dataset}",
        f"SELECT a.id FROM {dataset} a JOIN {dataset}__versions b ON a.caller = b.caller WHERE b.cost = 7000003",
    )
    callers = {id for id, columns in expected.items() if "caller" in columns}
    costs = [values[id]["cost"] for id, columns in expected.items() if "cost" in columns]
    found = world.reading.query(actor, ways[0])
    assert found.num_rows == int("c4" in callers)
    assert world.reading.query(actor, ways[1])["cost"].to_pylist() == [min(costs, default=None)]
    assert world.reading.query(actor, ways[2]).num_rows == int("c3" in callers and "cost" in expected["c3"])
    wholly = sight.veil is None or column in sight.whole
    for wanted in (Wanted(order=f"-{column}"), Wanted(facets=(column,))):
        if wholly:
            world.reading.listed(actor, dataset, wanted)
        else:
            with pytest.raises(Forbidden):
                world.reading.listed(actor, dataset, wanted)
    if shown := set(names) - set(sight.withheld):
        pieces = [row for piece in world.reading.export(actor, dataset, Wanted()) for row in piece]
        assert len(pieces) == len(expected) and all(set(row) == shown for row in pieces)
    for inner in (f"{dataset}__plain_7", f"{dataset}__mixed"):
        if sight.veil is not None:
            with pytest.raises(BadRequest):
                world.reading.query(actor, f"SELECT * FROM {inner}, {dataset}")


def test_a_large_table_is_veiled_like_a_small_one(lone: Share, clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from files row group by row group instead of from memory."""
    monkeypatch.setattr(limits, "LAKE_MEMORY_ROWS", 5)
    police = clerk("police")
    lone.grants.give(OWNER, "give-0001", Asked("calls2", "x", ("id", "caller"), "street == 'B'"), Party("police"))
    sql = "SELECT id, caller, cost, street FROM calls2 ORDER BY id"
    rows = lone.reading.query(police, sql).to_pylist()
    assert {row["caller"] for row in rows} == {f"SECRET{n}" for n in range(1, 30, 2)} and len(rows) == 15
    assert {(row["cost"], row["street"]) for row in rows} == {(None, None)}


def test_the_catalogue_names_what_is_withheld(lone: Share, officer: Actor) -> None:
    """Fields say so, the quality of such a field shows no values, and a bare count is not told either."""
    shown = cast("Any", lone.catalogue.dataset(officer, "calls1"))
    assert {one["name"]: one["secrecy"] for one in shown["fields"] if one["withheld"]} == {
        "caller": "personal",
        "cost": "sensitive",
    }
    told = {one["name"]: one for one in shown["sources"][0]["quality"]["fields"]}
    assert told["cost"]["min"] is told["cost"]["max"] is None and told["at"]["min"] is not None
    mine = cast("Any", lone.catalogue.dataset(OWNER, "calls1"))
    assert mine["sight"]["own"] and {one["withheld"] for one in mine["fields"]} == {False}
    assert {one["name"]: one for one in mine["sources"][0]["quality"]["fields"]}["cost"]["min"] == 7_000_000.0


# ── conditions, contracts, deadlines, routes ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "source",
    [
        "", "street", "street == caller", "street == 'A' or", "no_such == 1", "street == 1", "cost == 'x'", "urgent > true",
        "street in []", "street in 'A'", "1 < cost < 2", "lambda: 1", "street == __import__('os')", "cost == 1e999",
        "day == 'yesterday'", "at > '2015-11-01T00:00:00'", "street == 'a\\n'", "street == 'a\nb'", "(" * 400,
        "not " * 200 + "urgent",
        "street == f'{id}'", "street == 'A'; DROP TABLE x", "urgent is true", "x" * 5_000, "street == b'A'", "true",
    ],
)  # fmt: skip
def test_conditions_that_say_nothing(source: str) -> None:
    with pytest.raises(Invalid):
        compiled(source, calls(2))


def test_conditions_mean_what_they_say(lone: Share) -> None:
    """Compiled to SQL they choose the rows that they say; quotes stay values."""

    def chosen(where: str) -> int:
        return cast("int", lone.reading.listed(OWNER, "calls2", Wanted(where=where))["total"])

    assert chosen("street == 'A' and urgent") == sum(r["street"] == "A" and bool(r["urgent"]) for r in ROWS)
    assert chosen("cost >= 7000010 and not (street in ['A', 'x'])") == 10
    assert chosen("day < '2015-10-05'") == sum(str(r["day"]) < "2015-10-05" for r in ROWS)
    assert chosen("at >= '2015-11-01T20:00:00+00:00'") == sum(str(r["at"]) >= "2015-11-01T20" for r in ROWS)
    assert chosen("street == \"x' OR 'a' = 'a\"") == 0
    assert chosen("cost > -1.5") == 30 and chosen("urgent == false") == 20


def test_contracts_say_what_is_classified() -> None:
    assert calls(2).classified == {"caller", "cost"}
    for key in ("time", "unknown", "kind"):
        document = json.loads(json.dumps(CALLS))
        fields = {one["name"]: one for one in document["schema"]["fields"]}
        if key == "time":
            fields["at"]["cityheart"] = {"personal": True}
        elif key == "unknown":
            fields["id"]["cityheart"] = {"secret": True}
        else:
            fields["id"]["cityheart"] = {"personal": "yes"}
        with pytest.raises(ContractError):
            Contract.parse(document)


def test_deadlines_are_dated_data() -> None:
    """Every rule has a day from which it holds; days off do not count."""
    from zoneinfo import ZoneInfo

    from cityheart.kernel.calendar import Calendar

    zone, friday = ZoneInfo("Asia/Shanghai"), datetime(2025, 9, 5, 2, tzinfo=UTC)
    at, rule = due(2, friday, Calendar.load(), zone)
    assert rule.since.isoformat() == "2025-08-01" and at == datetime(2025, 9, 19, 2, tzinfo=UTC)
    assert due(1, friday, Calendar.load(), zone)[0] == datetime(2025, 9, 8, 2, tzinfo=UTC)
    assert rules()[0].since > rules()[-1].since
    for wrong in ({}, {"rules": []}, {"rules": [{"from": friday.date()}]}):
        with pytest.raises(Invalid):
            read(wrong, "x.toml")


def test_routes(lone: Share, clerk: Clerk) -> None:
    """Asking, deciding, listing, reading and taking away, as the console and programs do."""
    signed: list[Actor] = [clerk("police")]
    app = FastAPI()

    @app.middleware("http")
    async def sign(request: Request, call_next):  # type: ignore[no-untyped-def]
        request.state.actor = signed[0]
        return await call_next(request)

    @app.exception_handler(Problem)
    def problem(request: Request, error: Problem) -> JSONResponse:
        return JSONResponse(error.json(), error.status)

    app.include_router(api.router(lone))
    client = TestClient(app)
    assert client.get("/api/datasets/calls2/rows").status_code == 403
    body = {"command_id": "command-1", "dataset": "calls2", "purpose": "why", "columns": ["id", "street"]}
    asked = client.post("/api/requests", json=body).json()
    assert client.get("/api/requests").json()["total"] == 1
    assert client.post("/api/requests", json={**body, "extra": 1}).status_code == 422
    signed[0] = OWNER
    order = {"command_id": "command-2", "grant": True, "reason": "so be it"}
    assert client.post(f"/api/requests/{asked['id']}/decide", json=order).json()["state"] == "granted"
    (grant,) = client.get("/api/grants", params={"dataset": "calls2"}).json()["items"]
    signed[0] = clerk("police")
    page = client.get(
        "/api/datasets/calls2/rows",
        params={"columns": "id,street,caller", "where": "street == 'A'", "facets": "street"},
    )
    assert page.json()["total"] == 15 and page.json()["facets"] == {"street": [{"value": "A", "n": 15}]}
    assert [one["withheld"] for one in page.json()["columns"]] == [False, False, True]
    refused = client.get("/api/datasets/calls2/rows", params={"order": "caller"})
    assert refused.status_code == 403 and "withheld" in refused.json()["detail"]
    file = client.get("/api/datasets/calls2/export", params={"order": "id"})
    assert file.text.splitlines()[:2] == ["\ufeffid,street", "c0,A"] and "SECRET" not in file.text
    lines = client.get("/api/datasets/calls2/export", params={"form": "jsonl", "columns": "id", "where": "id == 'c7'"})
    assert [json.loads(line) for line in lines.text.splitlines()] == [{"id": "c7"}]
    signed[0] = OWNER
    ended = client.post(f"/api/grants/{grant['id']}/revoke", json={"command_id": "command-3", "reason": "over"})
    assert ended.json()["state"] == "revoked"
    signed[0] = clerk("police")
    assert client.get("/api/datasets/calls2/export").status_code == 403
    assert SYSTEM.roles == {"system"}


def test_quarantine_shows_values_of_columns_in_sight_only(lone: Share, clerk: Clerk) -> None:
    """A steward of the city mends what broke its contract without seeing what the owner withholds."""
    row = {"id": "q1", "at": "2015-11-01T00:00:00Z", "street": "A", "caller": "SECRET", "cost": 1, "more": "SECRET"}
    lines = [
        json.dumps({**row, "cost": "SECRET"}), json.dumps({**row, "id": "q2", "day": "never"}),
        json.dumps({**row, "id": "q3", "urgent": "SECRET"}), '{"id": "q4", "caller": "SECRET',
    ]  # fmt: skip
    (landed,) = lone.land("s.calls2", [delivery("2.jsonl", "\n".join(lines))])
    assert landed.quarantined == 4

    def told(actor: Actor) -> dict[int, dict[str, Any]]:
        app = FastAPI()

        @app.middleware("http")
        async def sign(request: Request, call_next):  # type: ignore[no-untyped-def]
            request.state.actor = actor
            return await call_next(request)

        app.include_router(api.router(lone))
        client = TestClient(app)
        items = client.get("/api/quarantine").json()["items"]
        whole = {one["row"]: client.get(f"/api/quarantine/{one['id']}").json() for one in items}
        for one in items:
            assert whole[one["row"]].items() >= one.items()
            assert b64decode(whole[one["row"]]["bytes"]).decode() == one["raw"]
        return whole

    for all_of_it in (OWNER, SYSTEM, clerk("health")):
        found = told(all_of_it)
        assert [one["withheld"] for one in found.values()] == [None] * 4
        assert all("SECRET" in one["raw"] for one in found.values())
        assert "SECRET" in found[1]["reason"]["message"]["en"]
    city = steward_of(None)
    found = told(city)
    reasons = [(one["reason"]["code"], one["reason"]["field"]) for _, one in sorted(found.items())]
    assert reasons == [("type", "cost"), ("type", "day"), ("type", "urgent"), ("no_record", None)], reasons
    hidden = json.dumps({number: one for number, one in found.items() if number != 3})
    assert "SECRET" not in hidden, "urgent is shown, and so is what stood in its place"
    assert json.loads(found[2]["raw"]) == {"id": "q2", "at": row["at"], "street": "A", "day": "never"}
    assert found[2]["withheld"] == {"all": False, "columns": ["caller", "cost", "more"]}
    assert "never" in found[2]["reason"]["message"]["en"]
    assert found[4]["withheld"] == {"all": True, "columns": []} and found[4]["raw"] == ""
    given = lone.grants.give(OWNER, "give-0001", Asked("calls2", "x", ("cost",)), Party(role="steward"))
    assert json.loads(told(city)[1]["raw"])["cost"] == "SECRET" and "caller" in told(city)[1]["withheld"]["columns"]
    lone.grants.revoke(OWNER, "revoke-01", str(given["id"]), "over")
    assert "cost" not in json.loads(told(city)[1]["raw"])
    with lone._database.read() as conn:
        reads = [one for one in events.read(conn, types=["dataset.read"]) if one.actor == city.id]
    assert [one.data["dataset"] for one in reads] == ["calls2"], "told once, not for every row"


def test_a_grant_of_some_rows_shows_no_values_in_quarantine(lone: Share) -> None:
    """Whether a row that broke its contract is meant by the condition cannot be told."""
    row = {"id": "q1", "at": "never", "street": "A", "caller": "SECRET"}
    lone.land("s.calls3", [delivery("2.jsonl", json.dumps(row))])
    entries, _ = lone.quarantine(SYSTEM, source="s.calls3")
    lone.grants.give(OWNER, "give-0001", Asked("calls3", "x", (), "street == 'A'"), Party("fire"))
    (one,) = lone.quarantine_seen(Actor("user:x", text("x", "x"), "fire", frozenset({"clerk"})), entries)
    assert (one.row.raw, one.withheld) == (b"", {"all": True, "columns": []})
    assert "never" not in one.row.message["en"]


def test_what_was_decided_on_a_proposal_stays_decided_under_another_program() -> None:
    """Ids of proposals are made of their spelling, in which older programs had no person."""
    assert repr(Party(role="mayor")) == "Party(department=None, role='mayor', handlers=False)"
