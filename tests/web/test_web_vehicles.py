"""Positions on the live channel: only the newest, only in view, only for those who may read them, nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import numpy as np
import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from cityheart.city import City
from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.text import text
from cityheart.share.grants.models import Party, Use
from cityheart.share.grants.service import Asked
from cityheart.watch.tracks.models import Tracking
from cityheart.web.app import create_app
from cityheart.web.vehicles import FRAME, RECORD, Fleet, Looking

from .scene import PASSWORD, POSITIONS, START, drive, road_city

HOUR = timedelta(hours=1)
EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
Told = dict[str, tuple[float, float, int]]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    city = road_city(tmp_path_factory.mktemp("road") / "city")
    yield city
    city.close()


@pytest.fixture
def tracking(city: City) -> Tracking:
    (tracking,) = [each for app in city.apps for each in app.tracks]
    return tracking


def read(frame: bytes | None, names: list[str]) -> tuple[bool, Told]:
    """Whether a frame replaces everything, and what it says: name → lon, lat, seconds after START."""
    assert frame is not None
    version, whole, _, count, _ = FRAME.unpack_from(frame)
    records = np.frombuffer(frame, dtype=RECORD, offset=FRAME.size)
    assert version == 1 and len(records) == count
    begin = int(START.timestamp())
    return bool(whole), {
        names[one["vehicle"]]: (one["lon"] / 1e6, one["lat"] / 1e6, int(one["at"]) - begin) for one in records
    }


def test_only_what_is_new_and_in_view_is_told(city: City, tracking: Tracking) -> None:
    fleet, now = Fleet(city.lake, tracking), city.clock.now()
    drive(city, [("13800000001", -60, 120.5, 31.5), ("13800000001", -30, 120.6, 31.5), ("13800000002", -40, 121.5, 32)])
    fleet.refresh(now)
    looking = Looking((120.0, 31.0, 121.0, 32.0))
    names, frame = fleet.news(looking, now)
    assert sorted(names) == ["13800000001", "13800000002"]
    assert read(frame, fleet.names) == (True, {"13800000001": (120.6, 31.5, -30)})
    assert fleet.news(looking, now) == ((), None)

    drive(city, [("13800000001", -50, 120.1, 31.1)])  # a late one is older than what is known
    drive(city, [("13800000002", -5, 120.9, 31.9)])  # comes into view
    fleet.refresh(now)
    assert read(fleet.news(looking, now)[1], fleet.names) == (False, {"13800000002": (120.9, 31.9, -5)})
    drive(city, [("13800000002", -2, 121.2, 31.9)])  # leaves it: told once more
    fleet.refresh(now)
    assert read(fleet.news(looking, now)[1], fleet.names)[1] == {"13800000002": (121.2, 31.9, -2)}
    drive(city, [("13800000002", -1, 121.3, 31.9)])
    fleet.refresh(now)
    assert fleet.news(looking, now) == ((), None)

    looking.turn(EVERYWHERE)
    whole, told = read(fleet.news(looking, now)[1], fleet.names)
    assert whole and set(told) == {"13800000001", "13800000002"}


def test_bad_positions_and_clocks_ahead_are_left_out(city: City, tracking: Tracking) -> None:
    fleet, now = Fleet(city.lake, tracking), city.clock.now()
    drive(city, [("13900000001", -10, 120.5, 31.5)], valid=False)
    drive(city, [("13900000002", 3600, 120.5, 31.5)])
    fleet.refresh(now)
    assert not {"13900000001", "13900000002"} & set(fleet.names)
    drive(city, [("13900000001", -9, 120.5, 31.5)], valid=False)
    fleet.refresh(now)
    assert "13900000001" not in fleet.names


def test_a_vehicle_silent_for_too_long_is_not_on_the_map(city: City, tracking: Tracking) -> None:
    fleet, now = Fleet(city.lake, tracking), city.clock.now()
    drive(city, [("13700000001", -10, 120.5, 31.5)])
    fleet.refresh(now)
    later = now + limits.LIVE_POSITION_AGE + timedelta(hours=1)
    assert read(fleet.news(Looking(EVERYWHERE), later)[1], fleet.names) == (True, {})


def test_many_vehicles_are_told_as_they_are(city: City, tracking: Tracking) -> None:
    rng = np.random.default_rng(7)
    fixes = [
        (f"1450000{n:04}", float(-second), float(lon), float(lat))
        for second in (3, 2, 1)
        for n, (lon, lat) in enumerate(rng.uniform((120, 31), (122, 33), (500, 2)))
    ]
    fleet, now = Fleet(city.lake, tracking), city.clock.now()
    fleet.refresh(now)
    for part in (fixes[500:1000], fixes[:500], fixes[1000:]):
        drive(city, part)
        fleet.refresh(now)
    _, told = read(fleet.news(Looking(EVERYWHERE), now)[1], fleet.names)
    assert {name: told[name] for name, *_ in fixes[1000:]} == {
        name: (pytest.approx(lon, abs=1e-6), pytest.approx(lat, abs=1e-6), -1) for name, _, lon, lat in fixes[1000:]
    }


def signed_in(city: City, username: str) -> TestClient:
    client = TestClient(create_app(city), base_url="http://testserver")
    assert client.post("/api/session", json={"username": username, "password": PASSWORD}).status_code == 200
    return client


def hear(socket: Any, wanted: str) -> dict[str, Any]:
    """The next text frame of a type; what else comes is passed over."""
    while True:
        message = socket.receive()
        if message.get("text") is not None:
            frame = cast("dict[str, Any]", json.loads(message["text"]))
            if frame["type"] == wanted:
                return frame


def test_those_who_may_read_positions_see_them_move(city: City) -> None:
    drive(city, [("13600000001", -10, 121.8, 32.9)])
    clock = cast(VirtualClock, city.clock)
    with signed_in(city, "steward").websocket_connect("/api/live") as socket:
        socket.send_text(json.dumps({"follow": [POSITIONS, "no_such"], "box": [121.7, 32.8, 121.9, 33.0]}))
        said = hear(socket, "following")
        assert said["datasets"] == [POSITIONS] and set(said["refused"]) == {"no_such"}
        names = hear(socket, "vehicles")
        at = names["first"] + names["names"].index("13600000001")

        def position() -> tuple[int, int, int]:
            while True:
                message = socket.receive()
                if message.get("bytes") is not None:
                    records = np.frombuffer(message["bytes"], dtype=RECORD, offset=FRAME.size)
                    (own,) = records[records["vehicle"] == at]
                    return int(own["lon"]), int(own["lat"]), int(own["at"])

        assert position() == (121_800_000, 32_900_000, int(START.timestamp()) - 10)
        clock.advance_to(START + timedelta(seconds=5))
        drive(city, [("13600000001", 3, 121.81, 32.91)])
        assert position() == (121_810_000, 32_910_000, int(START.timestamp()) + 3)
    with city.database.read() as conn:
        reads = [one for one in events.read(conn, stream=f"dataset:{POSITIONS}") if one.type == "dataset.read"]
    assert len(reads) == 1, "following restricted positions is one event, however often they move"


def test_a_new_city_shows_its_command_centre_the_vehicles_and_little_of_them(city: City) -> None:
    def sees(role: str, use: Use) -> set[str]:
        actor = Actor(f"user:{role}", text(role, role), None, frozenset({role}))
        sight = city.share.sight(actor, POSITIONS, use)
        return set(sight.whole) & columns if sight.open else set()

    columns = {each.name for each in city.share.dataset(POSITIONS).contract.stored}
    placed = {"terminal_phone", "time", "lon", "lat"}
    moving = placed | {"speed_kmh", "direction", "load", "valid"}
    assert moving < columns
    for role in ("duty_officer", "coordinator"):
        assert sees(role, "live") == sees(role, "read") == moving
    assert (sees("mayor", "live"), sees("mayor", "read")) == (placed, set())
    assert sees("analyst", "live") == sees("clerk", "live") == sees("inspector", "read") == set()
    drive(city, [("13400000001", -10, 121.2, 32.2)])
    with signed_in(city, "officer").websocket_connect("/api/live") as socket:
        socket.send_text(json.dumps({"follow": [POSITIONS], "box": [121.1, 32.1, 121.3, 32.3]}))
        assert hear(socket, "following") == {"type": "following", "datasets": [POSITIONS], "refused": {}}
        assert "13400000001" in hear(socket, "vehicles")["names"]


def test_the_department_sees_its_own_vehicles_and_others_none(city: City) -> None:
    drive(city, [("13500000001", -10, 121.5, 32.5)])
    follow = json.dumps({"follow": [POSITIONS]})
    with signed_in(city, "analyst").websocket_connect("/api/live") as socket:
        socket.send_text(follow)
        said = hear(socket, "following")
        assert said["datasets"] == [] and "not shared" in said["refused"][POSITIONS]["en"]
        for _ in range(3):  # beats of the clock follow, and never a position or a name
            message = socket.receive()
            assert message.get("bytes") is None and json.loads(message["text"])["type"] != "vehicles"
    with signed_in(city, "carrier").websocket_connect("/api/live") as socket:
        socket.send_text(follow)
        assert hear(socket, "following")["datasets"] == [POSITIONS]
        assert "13500000001" in hear(socket, "vehicles")["names"]


def test_who_is_blocked_hears_nothing_more(city: City) -> None:
    client = signed_in(city, "analyst")
    with client.websocket_connect("/api/live") as socket:
        hear(socket, "clock")
        city.serve.block(Actor.system("test"), "officer")  # somebody else: the link stays
        hear(socket, "clock")
        city.serve.block(Actor.system("test"), "analyst")
        with pytest.raises(WebSocketDisconnect) as ended:
            while True:
                socket.receive_json()
        assert ended.value.code == 1012
    with client.websocket_connect("/api/live") as socket, pytest.raises(WebSocketDisconnect) as refused:
        socket.receive_json()
    assert refused.value.code == 4401
    for username in ("officer", "analyst"):
        city.serve.managing.unblock(Actor.system("test"), username)


def test_officers_see_vehicles_by_a_grant_until_it_is_revoked(city: City) -> None:
    """The proposal of the application is taken over by a new city; the owner's steward ends it, and the map with it."""
    drive(city, [("13400000001", -10, 121.2, 32.2)])
    owner = Actor("user:owner", text("s", "s"), "transport", frozenset({"steward"}))
    given = city.share.grants.grants(owner, dataset=POSITIONS, state="given")["items"]
    (grant,) = [
        one
        for one in cast("list[dict[str, Any]]", given)
        if one["to"]["role"] == "duty_officer" and one["uses"] == ["read"]
    ]
    assert grant["given_by"]["name"]["en"] == "the city's default policy" and grant["may"]["revoke"]
    clock = cast(VirtualClock, city.clock)
    with signed_in(city, "officer").websocket_connect("/api/live") as socket:
        socket.send_text(json.dumps({"follow": [POSITIONS], "box": [121.1, 32.1, 121.3, 32.3]}))
        assert hear(socket, "following")["datasets"] == [POSITIONS]
        assert "13400000001" in hear(socket, "vehicles")["names"]
        city.share.grants.revoke(owner, "revoke-0001", grant["id"], "no longer needed")
        said = hear(socket, "following")
        assert said["datasets"] == [] and "revoked" in said["refused"][POSITIONS]["en"]
        drive(city, [("13400000001", 3, 121.21, 32.2)])
        for _ in range(2):  # the clock beats on, and nothing moves
            message = socket.receive()
            assert message.get("bytes") is None and json.loads(message["text"])["type"] != "vehicles"
        columns = ("terminal_phone", "time", "lon", "lat")
        given_again = Asked(POSITIONS, "an exercise", columns, None, ("live",), clock.now() + HOUR)
        back = city.share.grants.give(owner, "give-0001", given_again, Party(role="duty_officer"))
        socket.send_text(json.dumps({"follow": [POSITIONS]}))
        assert hear(socket, "following")["datasets"] == [POSITIONS]
        clock.advance_to(clock.now() + HOUR + timedelta(seconds=1))  # its time is over
        assert hear(socket, "following")["datasets"] == []
    assert city.share.grants.grant(owner, str(back["id"]))["state"] == "expired"
    assert city.share.grants.tick(clock.now()) == 1


@pytest.mark.parametrize(
    "said",
    [
        '{"follow": "transport_position"}',
        '{"follow": [1]}',
        '{"follow": ["a", "a"]}',
        '{"follow": ["a", "b", "c", "d", "e"]}',
        '{"follow": [], "box": [1, 2, 3]}',
        '{"follow": [], "box": [3, 0, 1, 1]}',
        '{"follow": [], "box": ["west", 0, 1, 1]}',
        '{"follow": [], "box": [NaN, 0, 1, 1]}',
        "{}",
    ],
)
def test_a_wish_that_makes_no_sense_is_answered(city: City, said: str) -> None:
    with signed_in(city, "steward").websocket_connect("/api/live") as socket:
        socket.send_text(said)
        assert set(hear(socket, "following")["refused"][""]) == {"zh-CN", "en"}


@pytest.mark.parametrize("said", ["{", "[]", "7", "[" * 1_500, "x" * 3_000])
def test_what_is_no_message_ends_the_link(city: City, said: str) -> None:
    with signed_in(city, "steward").websocket_connect("/api/live") as socket:
        socket.send_text(said)
        with pytest.raises(WebSocketDisconnect):
            while True:
                socket.receive_text()
