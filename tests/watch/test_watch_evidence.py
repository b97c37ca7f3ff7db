"""Evidence is shown to whom its data is shared, withheld from others with whose it is, and told once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cityheart.engine.lake import Lake
from cityheart.kernel import events
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.grants.models import Party
from cityheart.share.grants.service import Asked
from cityheart.share.models import Dataset, Department
from cityheart.share.service import Share
from cityheart.watch.evidence import Readers
from cityheart.watch.models import Alert

Clerk = Callable[[str], Actor]
OWNER = Actor("user:owner", text("s", "s"), "transport", frozenset({"steward"}))
ALERT = cast("Alert", SimpleNamespace(id="alert-1", incident_id="incident-1"))
TITLE = text("运单", "Waybills")

FIELDS: list[dict[str, object]] = [
    {"name": "no", "type": "string", "title": {"zh-CN": "运单号", "en": "Waybill"}},
    {"name": "at", "type": "datetime"},
    {
        "name": "driver",
        "type": "string",
        "title": {"zh-CN": "驾驶员", "en": "Driver"},
        "cityheart": {"personal": True},
    },
    {"name": "load", "type": "number"},
]
EVIDENCE: list[object] = [
    {
        "type": "rows", "title": TITLE, "dataset": "waybill", "source": "s", "known_at": None,
        "columns": ["运单号", "driver", "load", "computed"], "rows": [["W1", "SECRET", 7.5, "x"]],
    },
    {"type": "series", "title": TITLE, "unit": "t", "series": [{"name": TITLE, "points": [["t", 31.25]]}], "thresholds": []},
    {
        "type": "track", "title": TITLE, "plate": "苏F1", "points": [["t", 120.5, 31.5, 1]], "places": [],
        "source": {"dataset": "waybill"},
    },
    {"type": "series", "title": TITLE, "unit": "", "datasets": ["noise"], "series": [1], "thresholds": []},
]  # fmt: skip


def contract(name: str, sharing: int) -> Contract:
    section = {"owner": "transport", "time": "at", "sharing": sharing}
    schema = {"fields": copy.deepcopy(FIELDS), "primaryKey": ["no"]}
    return Contract.parse({"name": name, "schema": schema, "cityheart": section})


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock, ids: Ids) -> Iterator[Database]:
    """SQLite; both databases where a test asks for them."""
    if "database" in request.fixturenames:
        yield request.getfixturevalue("database")
        return
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, ids)
    database.create_all()
    yield database
    database.close()


@pytest.fixture
def share(store: Database, tmp_path: Path) -> Share:
    database = store
    share = Share(database, Lake(tmp_path / "lake"))
    departments = [Department(code, text(f"{code}局", code)) for code in ("transport", "fire", "police")]
    share.register(departments, [Dataset.of(contract("waybill", 2)), Dataset.of(contract("noise", 1))], [])
    return share


@pytest.fixture
def readers(store: Database, share: Share) -> Readers:
    readers = Readers(store, share)
    readers.handlers = lambda incident: {"fire"} if incident == "incident-1" else ()
    return readers


def see(readers: Readers, actor: Actor) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", readers.seen(actor, ALERT, EVIDENCE, ("waybill", "noise")))


def test_others_see_whose_it_is(readers: Readers, officer: Actor, clerk: Clerk) -> None:
    """Without a grant nothing of it, by none of the forms; what is made of open data is shown."""
    for stranger in (officer, clerk("fire")):
        rows, series, track, noise = see(readers, stranger)
        for one in (rows, series, track):
            assert (
                one["withheld"]["whole"]
                and "SECRET" not in str(one)
                and "31.25" not in str(one)
                and "120.5" not in str(one)
            )
            (whose,) = one["withheld"]["datasets"]
            assert (whose["dataset"], whose["department_title"]["zh-CN"]) == ("waybill", "transport局")
        assert (rows["type"], rows["rows"], series["series"], track["points"]) == ("rows", [], [], [])
        assert noise == EVIDENCE[3]


def test_the_owner_and_the_system_see_it_as_it_is(readers: Readers, clerk: Clerk) -> None:
    assert see(readers, clerk("transport")) == see(readers, Actor.system("x")) == EVIDENCE


def test_those_who_handle_the_alert_see_it_without_persons(
    readers: Readers, share: Share, database: Database, officer: Actor, clerk: Clerk
) -> None:
    """By grants for this purpose; columns go by name or title; one event for an alert and a reader; revoked is over."""
    purpose = Asked("waybill", "handling the alert", uses=("alert",))
    handlers = share.grants.give(OWNER, "give-0001", purpose, Party(handlers=True))
    share.grants.give(OWNER, "give-0002", purpose, Party(role="duty_officer"))
    for reader in (officer, clerk("fire"), officer, clerk("fire")):
        rows, series, track, _ = see(readers, reader)
        assert rows["rows"] == [["W1", None, 7.5, "x"]] and rows["withheld"]["columns"] == ["driver"]
        assert not rows["withheld"]["whole"] and series == EVIDENCE[1] and track == EVIDENCE[2]
    assert see(readers, clerk("police"))[0]["withheld"]["whole"]
    again = Readers(database, share)  # another process
    again.handlers = readers.handlers
    see(again, officer)
    with database.read() as conn:
        told = [one for one in events.read(conn) if one.type == "evidence.read"]
    assert [(one.actor, one.data["datasets"]) for one in told] == [
        (officer.id, ["waybill"]),
        (clerk("fire").id, ["waybill"]),
    ]
    assert not share.open_to(officer, "waybill"), "a grant for alerts opens nothing else"
    assert readers.shown(officer, EVIDENCE, ("waybill",))[0] != see(readers, officer)[0], "nor the evidence elsewhere"
    share.grants.revoke(OWNER, "revoke-01", str(handlers["id"]), "enough")
    assert see(readers, clerk("fire"))[0]["withheld"]["whole"]


def test_a_grant_of_some_columns_shows_those_rows_alone(readers: Readers, share: Share, officer: Actor) -> None:
    """A figure could be made of any column, so it is withheld; rows show the granted columns; rows of a part, nothing."""
    some = Asked("waybill", "why", ("no", "driver"), None, ("alert",))
    share.grants.give(OWNER, "give-0001", some, Party(role="duty_officer"))
    rows, series, track, _ = see(readers, officer)
    assert rows["rows"] == [["W1", "SECRET", None, None]]
    assert series["withheld"]["whole"] and track["withheld"]["whole"]
    share.grants.give(
        OWNER, "give-0002", Asked("waybill", "why", ("load",), "no == 'W9'", ("alert",)), Party(role="analyst")
    )
    analyst = Actor("user:a", text("a", "a"), None, frozenset({"analyst"}))
    assert see(readers, analyst)[0]["withheld"]["whole"]


def test_evidence_that_nobody_can_place_is_withheld(readers: Readers, share: Share, officer: Actor) -> None:
    """Of an unknown dataset, of a detector that is gone, and what is no evidence at all."""
    odd = [
        {"type": "rows", "dataset": "no_such", "title": TITLE, "columns": ["a"], "rows": [[1]]},
        {"type": "new"},
        "x",
    ]
    found = cast("list[dict[str, Any]]", readers.seen(officer, ALERT, odd, ()))
    assert [one["withheld"]["whole"] for one in found] == [True, True] and found[0]["rows"] == []
    assert found[0]["withheld"]["datasets"][0]["dataset"] == "no_such"
    both = [{"type": "rows", "dataset": "waybill, noise", "title": TITLE, "columns": ["no"], "rows": [["W1"]]}]
    (one,) = cast("list[dict[str, Any]]", readers.seen(officer, ALERT, both, ()))
    assert [each["dataset"] for each in one["withheld"]["datasets"]] == ["waybill"] and one["rows"] == []
