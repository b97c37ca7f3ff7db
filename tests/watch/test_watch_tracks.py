"""Vehicles followed as their positions land: once each, whatever dies or comes late, and read as the rules allow."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from cityheart.engine.lake import Lake
from cityheart.engine.layout import TIMESTAMP
from cityheart.engine.tracks.parameters import Parameters
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Forbidden, Invalid, NotFound, Problem
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Department
from cityheart.share.service import Share
from cityheart.watch.service import Watch
from cityheart.watch.tracks.api import router
from cityheart.watch.tracks.models import Sites, Tracking, contracts_of
from cityheart.watch.tracks.service import Tracks
from cityheart.watch.tracks.step import Follower

START = datetime(2026, 3, 24, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LORRY = Tracking(
    "lorry", text("货车", "Lorries"), "position", "phone", "load", "valid", "zones.geojson", Sites("site", "id", "wkt", 300.0)
)  # fmt: skip
DEPOT, PLANT = (121.0, 32.0), (121.06, 32.0)
WALLS = "POLYGON((121.062 31.999, 121.065 31.999, 121.065 32.001, 121.062 32.001, 121.062 31.999))"
ZONES = {
    "features": [
        {
            "properties": {"id": "Z1"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[121.02, 31.9], [121.04, 31.9], [121.04, 32.1], [121.02, 31.9]]],
            },
        }
    ]
}


def contract(name: str, fields: dict[str, str], key: list[str], **section: object) -> Contract:
    listed = [
        {"name": field, "type": kind, "title": text(field, field), "constraints": {"required": field in key}}
        for field, kind in fields.items()
    ]
    return Contract.parse(
        {
            "name": name,
            "title": text(name, name),
            "schema": {"fields": listed, "primaryKey": key},
            "cityheart": {
                "owner": "transport",
                "sharing": 2,
                "classification": "internal",
                "purpose": text("测试", "a test"),
                "position": {"lon": "lon", "lat": "lat", "datum": "WGS84"},
            }
            | section,
        }
    )


POSITION = contract(
    "position",
    {"phone": "string", "time": "datetime", "lon": "number", "lat": "number", "load": "integer", "valid": "boolean"},
    ["phone", "time"],
    time="time",
)
SITE = contract("site", {"id": "string", "lon": "number", "lat": "number", "wkt": "string"}, ["id"], sharing=1)


def system(rows: pa.Table, known: list[datetime]) -> pa.Table:
    rows = rows.append_column("_known_at", pa.array(known, TIMESTAMP))
    for name in ("_source", "_batch"):
        rows = rows.append_column(name, pa.array(["test"] * rows.num_rows, pa.string()))
    return rows


def sites(*found: tuple[str, float, float, str | None], known: datetime = START - MINUTE) -> pa.Table:
    id, lon, lat, wkt = zip(*found, strict=True)
    rows = pa.table({"id": id, "lon": lon, "lat": lat, "wkt": pa.array(wkt, pa.string())})
    return system(rows.append_column("landed_at", pa.array([known] * len(id), TIMESTAMP)), [known] * len(id))


def journey(phone: str, hour: int = 0) -> list[tuple[str, datetime, float, float, int, bool]]:
    """Half an hour at the depot, a way through the zone to the plant, half an hour there, loaded, and on."""
    found = []
    at = START + timedelta(hours=hour)
    for step in range(100):
        if step < 30:
            lon, load = DEPOT[0], 0
        elif step < 60:
            lon, load = DEPOT[0] + (step - 29) * 0.002, 0
        elif step < 90:
            lon, load = PLANT[0], 0 if step < 75 else 3
        else:
            lon, load = PLANT[0] + (step - 89) * 0.005, 3
        found.append((phone, at + step * MINUTE, round(lon + 0.00005 * (step % 3), 6), 32.0, load, True))
    found.insert(40, (phone, at + 40 * MINUTE - timedelta(seconds=30), 125.0, 30.0, 0, True))  # a jump
    found.insert(20, (phone, at + 20 * MINUTE - timedelta(seconds=30), 0.0, 0.0, 0, False))
    return found


def positions(
    rows: list[tuple[str, datetime, float, float, int, bool]], known: list[datetime] | None = None
) -> pa.Table:
    phone, time, lon, lat, load, valid = zip(*rows, strict=True)
    table = pa.table(
        {"phone": phone, "time": pa.array(time, TIMESTAMP), "lon": lon, "lat": lat, "load": load, "valid": valid}
    )
    return system(table, known or [each + timedelta(seconds=2) for each in time])


class Town:
    """A lake, a share and a watch in one folder."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        (folder / "zones.geojson").write_text(json.dumps(ZONES))
        self.lake = Lake(folder / "lake")
        self.share = Share(database, self.lake, home=folder)
        made = contracts_of(LORRY, POSITION)
        datasets = [Dataset.of(each) for each in (POSITION, SITE, *made)]
        self.share.register([Department("transport", text("交通局", "Transport"))], datasets, [])
        self.start()

    def start(self) -> None:
        """Begins anew from what is stored."""
        self.watch = Watch(self.database, self.lake, self.share)
        self.watch.follow([LORRY], self.folder)
        self.tracks = Tracks(self.lake, self.share)
        self.tracks.register([LORRY])

    def land(self, rows: pa.Table) -> None:
        self.lake.append("position", rows)

    def detect(self) -> None:
        self.watch.detect(START + timedelta(days=1))

    def said(self, name: str, at: datetime | None = None) -> list[dict[str, Any]]:
        rows = self.lake.current(f"lorry_{name}", at=at).to_pylist()
        return sorted(
            ({key: value for key, value in row.items() if key not in ("_seq", "_batch", "_cell")} for row in rows),
            key=lambda row: (row["phone"], row["since"], str(row.get("place"))),
        )

    def versions(self) -> dict[str, int]:
        return {
            name: self.lake.query(f"SELECT count(*) AS n FROM lorry_{name}__versions")["n"][0].as_py()
            for name in ("stay", "trip", "visit")
        }


@pytest.fixture
def town(tmp_path: Path, clock: VirtualClock, ids: Ids) -> Iterator[Town]:
    """On SQLite."""
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, ids)
    database.create_all()
    yield with_sites(Town(database, tmp_path))
    database.close()


@pytest.fixture
def either(database: Database, tmp_path: Path) -> Town:
    """Once on SQLite and once on PostgreSQL."""
    return with_sites(Town(database, tmp_path))


def with_sites(town: Town) -> Town:
    town.lake.append("site", sites(("depot", *DEPOT, None), ("plant", 121.0635, 32.0, WALLS)))
    return town


def test_a_day_of_lorries(town: Town) -> None:
    town.land(positions([*journey("a"), *journey("b", 3)]))
    town.detect()
    stays, trips, visits = (town.said(name) for name in ("stay", "trip", "visit"))
    assert [(each["phone"], each["state"], each["load_before"], each["load_after"]) for each in stays] == [
        ("a", "closed", 0, 0), ("a", "closed", 0, 3), ("b", "closed", 0, 0), ("b", "closed", 0, 3)
    ]  # fmt: skip
    assert [(each["phone"], each["state"], each["ended"], each["noise"]) for each in trips] == [
        ("a", "closed", "moved_on", 1), ("a", "open", None, 0), ("b", "closed", "moved_on", 1), ("b", "open", None, 0)
    ]  # fmt: skip
    assert trips[0]["since"] == stays[0]["until"] and trips[0]["until"] == stays[1]["since"]
    assert trips[0]["distance_m"] == pytest.approx(0.06 * 94_300, rel=0.02) and trips[1]["loaded_s"] > 0
    assert [(each["layer"], each["place"], each["state"]) for each in visits if each["phone"] == "a"] == [
        ("site", "depot", "closed"), ("zone", "Z1", "closed"), ("site", "plant", "closed")
    ]  # fmt: skip
    at_plant = next(each for each in visits if each["place"] == "plant")
    assert 100 < at_plant["distance_m"] < 300 and at_plant["load_after"] == 3
    # as it was known at the plant's gate: on the way, the trip not over
    then = town.said("trip", at=START + timedelta(minutes=55))
    assert [each["state"] for each in then] == ["open"] and town.said("visit", at=START)[0:] == []


@pytest.mark.parametrize("pieces", [1, 7])
def test_restarts_and_deaths_between_outputs_and_checkpoint_double_nothing(either: Town, pieces: int) -> None:
    town = either
    rows = positions([*journey("a"), *journey("b")]).sort_by("_known_at")
    step = -(-rows.num_rows // pieces)
    land = town.share.derived

    def torn(dataset: str, rows: pa.Table, *, transaction: tuple[str, int]) -> int:
        version = land(dataset, rows, transaction=transaction)
        if dataset.endswith("trip"):
            raise KeyboardInterrupt
        return version

    for piece in range(pieces):
        town.land(rows.slice(piece * step, step))
        if piece % 2 == 0:
            town.watch._share = type("Torn", (), {"derived": staticmethod(torn)})()
            try:
                town.detect()
            except KeyboardInterrupt:
                town.lake.append("site", sites((f"late {piece}", 0.0, 0.0, None), known=START + timedelta(days=2)))
            town.start()
        town.detect()
    town.detect()
    undisturbed = Follower(LORRY, town.lake, town.folder).step_all({}, rows).outputs
    assert town.versions() == {name.removeprefix("lorry_"): table.num_rows for name, table in undisturbed.items()}
    assert len(town.said("stay")) == 4 and town.said("stay")[-1]["state"] == "closed"


def test_a_backlog_corrects_what_was_said(town: Town) -> None:
    rows = journey("a")
    silent = [row for row in rows if not 58 <= (row[1] - START) / MINUTE < 92]
    late = [row for row in rows if row not in silent]
    town.land(positions(silent))
    town.detect()
    before = town.said("stay")
    assert [each["state"] for each in before] == ["closed"] and len(town.said("trip")) == 2
    town.land(positions(late, [START + timedelta(minutes=110)] * len(late)))
    town.detect()
    stays, trips = town.said("stay"), town.said("trip")
    assert [each["load_after"] for each in stays] == [0, 3]
    assert [each["state"] for each in trips if each["state"] != "withdrawn"] == ["closed", "open"]
    assert town.said("stay", at=START + timedelta(minutes=105)) == before  # the city did not know it then


def test_sites_are_those_known_at_the_moment(town: Town) -> None:
    far = (("new", 121.0, 32.001, None),)
    town.land(positions(journey("a")))
    town.lake.append("site", sites(*far, known=START + timedelta(hours=2)))
    town.detect()
    town.land(positions(journey("b", 6)))
    town.detect()
    at = {each["phone"]: each["place"] for each in town.said("visit") if each["place"] in ("depot", "new")}
    assert at == {"a": "depot", "b": "depot"}
    town.lake.append("site", sites(("depot", 0.0, 0.0, None), known=START + timedelta(hours=7)))
    town.land(positions(journey("c", 9)))
    town.detect()
    assert [each["place"] for each in town.said("visit") if each["phone"] == "c"] == ["new", "Z1", "plant"]


def test_areas_that_are_wrong_are_refused(town: Town) -> None:
    for wrong in (
        "{",
        '{"features": [{"properties": {}, "geometry": null}]}',
        json.dumps({"features": ZONES["features"] * 2}),
    ):
        (town.folder / "zones.geojson").write_text(wrong)
        with pytest.raises(Invalid, match=r"zones\.geojson"):
            town.start()
    (town.folder / "zones.geojson").unlink()
    town.start()
    town.land(positions(journey("a")))
    town.detect()
    assert {each["layer"] for each in town.said("visit")} == {"site"}


def test_what_cannot_be_followed_is_refused(town: Town) -> None:
    with pytest.raises(Invalid, match="two tracks lorry"):
        town.watch.follow([LORRY], town.folder)
    with pytest.raises(Invalid, match="no position"):
        contracts_of(LORRY, without_place())
    with pytest.raises(Invalid, match="no column tonnes"):
        contracts_of(Tracking("lorry", text("货", "l"), "position", "phone", load="tonnes"), POSITION)
    with pytest.raises(Invalid, match="by text"):
        contracts_of(Tracking("lorry", text("货", "l"), "position", "load"), POSITION)


def without_place() -> Contract:
    document = {key: value for key, value in POSITION.document.items() if key != "cityheart"}
    section = {key: value for key, value in dict(POSITION.document["cityheart"]).items() if key != "position"}  # type: ignore[call-overload]
    return Contract.parse({**document, "cityheart": section})


@pytest.fixture
def client(either: Town) -> Callable[[Actor], TestClient]:
    either.land(positions([*journey("a"), *journey("b")]))
    either.detect()

    def acting(actor: Actor) -> TestClient:
        app = FastAPI()
        app.include_router(router(either.tracks))

        @app.exception_handler(Problem)
        def problem(request: Request, error: Problem) -> Response:
            return JSONResponse(error.json(), error.status)

        @app.middleware("http")
        async def signed_in(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
            request.state.actor = actor
            return await call(request)

        return TestClient(app)

    return acting


ASKED = {"dataset": "position", "key": "a", "from": "2026-03-24T00:00:00Z", "to": "2026-03-24T06:00:00Z"}


def test_a_track_is_read_by_whom_it_concerns(
    client: Callable[[Actor], TestClient], clerk: Callable[[str], Actor], nobody: Actor, either: Town
) -> None:
    shown = client(clerk("transport")).get("/api/tracks", params=ASKED).json()
    assert (shown["fixes"], shown["noise"], shown["invalid"]) == (101, 1, 1)
    (piece,) = shown["pieces"]
    assert 4 <= len(piece) < 40 and piece[0][0] == "2026-03-24T00:00:00Z" and piece[-1][3] == 3
    assert all(121 <= lon < 121.2 for _, lon, _, _ in piece)
    assert [each["state"] for each in shown["stays"]] == ["closed", "closed"]
    assert [each["place"] for each in shown["visits"]] == ["depot", "Z1", "plant"] and len(shown["trips"]) == 2
    assert "phone" not in shown["stays"][0] and "_known_at" not in shown["stays"][0]
    whole = client(clerk("transport")).get("/api/tracks", params={**ASKED, "tolerance_m": 0}).json()
    assert len(whole["pieces"][0]) > len(piece)
    early = client(clerk("transport")).get("/api/tracks", params={**ASKED, "at": "2026-03-24T00:30:05Z"}).json()
    assert len(early["stays"]) == 1 and early["trips"] == [] and early["fixes"] == 31
    for stranger in (clerk("health"), nobody):
        assert client(stranger).get("/api/tracks", params=ASKED).status_code == 403
    with either.database.read() as conn:
        read = conn.exec_driver_sql("SELECT count(*) FROM event WHERE type = 'dataset.read'").scalar()
    assert read == 12  # each of four datasets, three times


def test_what_cannot_be_shown_says_so(client: Callable[[Actor], TestClient], steward: Actor) -> None:
    for changed, status in (
        ({"key": "nobody's"}, 404),
        ({"key": "' OR 1=1 --"}, 404),
        ({"dataset": "site"}, 404),
        ({"to": "2026-06-24T00:00:00Z"}, 422),
        ({"to": "2026-03-23T00:00:00Z"}, 422),
        ({"from": "2026-03-24T00:00:00"}, 422),
        ({"tolerance_m": "-1"}, 422),
    ):
        assert client(steward).get("/api/tracks", params={**ASKED, **changed}).status_code == status


def test_a_long_track_is_simplified_to_fit(town: Town, steward: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    town.land(positions(journey("a")))
    town.detect()
    monkeypatch.setattr(limits, "TRACK_POINTS", 6)
    shown = town.tracks.track(steward, "position", "a", START, START + timedelta(hours=6), tolerance_m=0.0)
    pieces = shown["pieces"]
    assert isinstance(pieces, list) and sum(map(len, pieces)) <= 6 and float(str(shown["tolerance_m"])) >= 1
    listed = town.tracks.followed(steward)
    assert listed[0]["outputs"] == {"stay": "lorry_stay", "trip": "lorry_trip", "visit": "lorry_visit"}
    assert Parameters.of(listed[0]["parameters"]) == Parameters()  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="followed are: position"):
        town.tracks.track(steward, "other", "a", START, START + MINUTE)
    with pytest.raises(Forbidden):
        town.tracks.followed(Actor("user:x", text("x", "x"), None, frozenset()))
