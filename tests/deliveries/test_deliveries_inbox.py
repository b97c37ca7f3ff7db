"""The inbox of the console: written exactly once, read by those it is for, through the API of a whole city."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cityheart import examine
from cityheart.city import City
from cityheart.kernel import events, limits, outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.deliveries.relays import Relays
from cityheart.kernel.errors import BadRequest, Invalid, NotFound
from cityheart.kernel.outbox import Sending
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text
from cityheart.serve.inbox.models import Sought
from cityheart.serve.inbox.service import Inbox, InboxDelivery
from cityheart.web.app import create_app

SYSTEM = Actor.system("test")
CHANNEL = {"name": "hook", "kind": "webhook", "address": "https://x.example/in", "secret_env": "HOOK_SECRET"}


def person(name: str, department: str | None, *roles: str, deputy_for: tuple[str, ...] = ()) -> Actor:
    return Actor(f"user:{name}", text(name, name), department, frozenset(roles), deputy_for=deputy_for)


def orders(*units: str) -> dict[str, object]:
    return {
        "orders": [
            {"unit": unit, "task": f"task-{unit}", "step": "a", "title": text("停产核查", "Check the stops")}
            for unit in units
        ]
    }


@pytest.fixture
def posted(database: Database, tmp_path: Path) -> Inbox:
    with database.work(SYSTEM) as work:
        work.post("orders:1", "orders", orders("industry", "health"))
        work.post("escalation:1", "escalations", {"to": "mayor", "unit": "industry", "reason": "due", "task": "task-1"})
        work.post(
            "note:1", "notice", {"to": "person:user:li", "title": text("换班", "Shift exchanged"), "text": "明早"}
        )
        work.post("note:2", "notice", {"title": "nobody is named"})
    Relays(database, Sending(tmp_path, database), [InboxDelivery()]).carry()
    return Inbox(database)


def test_everybody_reads_what_is_for_them(posted: Inbox) -> None:
    def subjects(actor: Actor) -> list[str]:
        return [message.subject["en"] for message in posted.messages(actor)[0]]

    assert subjects(person("wang", "industry", "clerk")) == ["New task: Check the stops"]
    assert subjects(person("chen", None, "mayor")) == ["Escalated: — (not finished in time)"]
    assert subjects(person("li", "health", "clerk")) in (
        ["New task: Check the stops", "Shift exchanged"],
        ["Shift exchanged", "New task: Check the stops"],
    )
    assert subjects(person("zhao", None, "operator", deputy_for=("user:li",))) == ["Shift exchanged"]
    assert subjects(person("sun", "water", "clerk")) == [] == subjects(person("nobody", None))


def test_a_message_is_written_once_however_often_it_is_sent(posted: Inbox, database: Database, tmp_path: Path) -> None:
    with database.read() as conn:
        (event,) = events.read(conn, types={"inbox.received"})
    assert event.data == {"messages": 4, "recipients": ["health", "industry", "mayor", "person:user:li"]}
    message = outbox.Message("orders:1", "orders", orders("industry", "health"), database.clock.now())
    InboxDelivery().send(Sending(tmp_path, database), [message, message])
    with database.read() as conn:
        assert len(events.read(conn, types={"inbox.received"})) == 1
    assert posted.messages(person("wang", "industry"))[1] == 1


def test_read_is_each_persons_own(posted: Inbox) -> None:
    wang, liu, li = person("wang", "industry"), person("liu", "industry"), person("li", "health")
    ((message,), total, unread) = posted.messages(wang)
    assert (total, unread, message.read_at) == (1, 1, None)
    assert posted.read(wang, message.id) == 0 == posted.read(wang, message.id)
    ((seen,), _, _) = posted.messages(wang)
    assert seen.read_at is not None and posted.messages(wang, Sought(unread=True))[:2] == ([], 0)
    assert posted.messages(liu)[2] == 1, "a colleague has not read it"
    with pytest.raises(NotFound):
        posted.read(li, message.id)
    with pytest.raises(NotFound):
        posted.messages(li, after=message.id)
    assert posted.messages(li)[2] == 2 and posted.read_all(li) == 0 and posted.messages(li)[2] == 0


def test_pages_go_on_where_they_ended_and_old_messages_leave(
    database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    relays = Relays(database, Sending(tmp_path, database), [InboxDelivery()])
    for number in range(7):
        with database.work(SYSTEM) as work:
            work.post(f"orders:{number}", "orders", orders("industry"))
        clock.advance_to(clock.now() + timedelta(minutes=number % 2))
    relays.carry()
    inbox, wang = Inbox(database), person("wang", "industry")
    seen, after = [], None
    while page := inbox.messages(wang, after=after, limit=3)[0]:
        seen += page
        after = page[-1].id
    assert len({message.id for message in seen}) == 7
    assert [message.at for message in seen] == sorted((message.at for message in seen), reverse=True)
    clock.advance_to(clock.now() + limits.INBOX_AGE + timedelta(minutes=1))
    assert inbox.messages(wang) == ([], 0, 0)


def test_what_is_sought_is_shown_counted_and_read_together(
    posted: Inbox, database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    """By topic, address, words of a letter and time; "mark as read" reaches what is sought, however much it is."""
    li, before = person("li", "health", "clerk"), clock.now()
    clock.advance_to(before + timedelta(hours=1))
    many = limits.INBOX_COUNTED + 5
    spill = text("东河油污", "Oil on the East River")
    with database.work(SYSTEM) as work:
        for number in range(many):
            told = {**orders("health")["orders"][0], "incident_title": spill, "incident": "incident-spill"}  # type: ignore[index]
            work.post(f"orders:spill:{number}", "orders", {"orders": [told]})
    Relays(database, Sending(tmp_path, database), [InboxDelivery()]).carry()

    def count(**sought: object) -> int:
        return posted.messages(li, Sought(**sought), limit=1)[1]  # type: ignore[arg-type]

    assert count() == many + 2 and count(topic="orders") == many + 1 and count(topic="other") == 1
    assert count(to="health") == many + 1 and count(to="person:user:li") == 1 and count(to="mayor") == 0
    assert count(text="EAST river") == many == count(text="东河") and count(text="100%") == 0
    assert count(incident="incident-spill") == many and count(incident="incident-other") == 0
    assert count(incident="incident-spill", to="mayor") == 0, "whose letters one may read stays the same"
    assert count(until=clock.now()) == 2 and count(since=clock.now()) == many

    assert posted.read_all(li, Sought(text="东河")) == 2, "every letter of the spill, not only those that are counted"
    assert count(unread=True) == 2 == posted.read_all(li, Sought(topic="escalations"))
    assert posted.read_all(li) == 0 == count(unread=True)
    for wrong in (
        Sought(topic="weather"),
        Sought(text="\x00"),
        Sought(incident="\x00"),
        Sought(since=datetime(2016, 1, 1)),
    ):
        with pytest.raises(BadRequest):
            posted.messages(li, wrong)


# ── a whole city ───────────────────────────────────────────────────────────────────────────────────────────────


class Standing:
    """A clock of the machine that stands still."""

    def now(self) -> datetime:
        return datetime(2016, 12, 20, tzinfo=UTC)


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    city = City.create(Settings(home=tmp_path / "city"), Standing())
    for name, department, role in (("admin", None, "admin"), ("wang", "industry", "clerk")):
        city.serve.create(
            SYSTEM, name, "correct horse battery", name=text(name, name), department=department, roles=[role]
        )
    yield city
    city.close()


def signed_in(city: City, name: str) -> TestClient:
    client = TestClient(create_app(city), base_url="http://testserver")
    assert client.post("/api/session", json={"username": name, "password": "correct horse battery"}).status_code == 200
    return client


def test_the_api_of_inbox_and_outbox(city: City) -> None:
    with city.database.work(SYSTEM) as work:
        work.post("orders:task-1:1", "orders", orders("industry"))
    city.beat()
    wang, admin = signed_in(city, "wang"), signed_in(city, "admin")
    shown = wang.get("/api/inbox").json()
    assert shown["total"] == shown["unread"] == 1 and shown["next"] is None
    (item,) = shown["items"]
    assert item["subject"] == {"zh-CN": "新任务：停产核查", "en": "New task: Check the stops"}
    assert item["path"] == "/tasks/task-industry" and item["read_at"] is None and item["topic"] == "orders"
    assert wang.post(f"/api/inbox/{item['id']}/read").json() == {"unread": 0}
    assert wang.post("/api/inbox/read").json() == {"unread": 0}
    assert shown["recipients"] == ["clerk", "industry", f"person:{city.serve.person('wang').id}"]
    assert wang.get("/api/inbox", params={"topic": "escalations"}).json()["total"] == 0
    assert wang.get("/api/inbox", params={"incident": "incident-1"}).json()["total"] == 0 and item["incident"] is None
    assert wang.get("/api/inbox", params={"topic": "weather"}).status_code == 400
    assert wang.post("/api/inbox/read", json={"topic": "orders", "unread": True}).json() == {"unread": 0}
    assert wang.post("/api/inbox/read", json={"colour": "red"}).status_code == 422
    assert wang.post("/api/inbox/nothing/read").status_code == 404
    assert wang.get("/api/inbox?limit=0").status_code == 400
    assert wang.get("/api/outbox").status_code == 403

    everything = admin.get("/api/outbox").json()
    assert {(one["channel"], one["state"]) for one in everything["items"]} == {("file", "sent"), ("inbox", "sent")}
    page = admin.get("/api/outbox?limit=1").json()
    rest = admin.get("/api/outbox", params={"limit": 1, "after": page["next"]}).json()
    assert page["items"] + rest["items"] == everything["items"]
    assert admin.get("/api/outbox?after=x").status_code == 400 and admin.get("/api/outbox?state=x").status_code == 422
    order = {"command_id": "click-resend-1"}
    assert admin.post("/api/outbox/orders:task-1:1/resend", json=order).status_code == 409
    assert admin.post("/api/outbox/a/b/resend", json={"command_id": "click-resend-2"}).status_code == 404
    with city.database.work(SYSTEM) as work:
        work.conn.execute(outbox.delivery_table.update().values(state="given_up", error="the disk was full"))
    assert admin.get("/api/outbox?state=given_up").json()["total"] == 2
    sent_again = admin.post("/api/outbox/orders:task-1:1/resend", json={**order, "command_id": "click-resend-3"})
    assert sent_again.json() == {"key": "orders:task-1:1", "deliveries": 2}


def test_the_doctor_says_what_hangs(city: City) -> None:
    found = {one.what: one for one in examine._hanging(city)}
    assert found["outbox"].state == "ok" and found["timers"].state == "ok"
    with city.database.work(SYSTEM) as work:
        work.post("k1", "orders", {})
        work.post("k2", "orders", {})
    city.beat()
    early = Standing().now() - timedelta(hours=3)
    with city.database.work(SYSTEM) as work:
        rows = outbox.delivery_table.update().where(outbox.delivery_table.c.key == "k1")
        work.conn.execute(rows.values(state="given_up"))
        work.conn.execute(outbox.outbox_table.update().values(posted_at=early))
        work.post("k3", "orders", {})
        work.conn.execute(outbox.outbox_table.update().where(outbox.outbox_table.c.key == "k3").values(posted_at=early))
    found = {one.what: one for one in examine._hanging(city)}
    assert found["outbox file"].state == "bad"
    assert found["outbox file"].finding == "1 message(s) given up, 0 waiting, the oldest for 3 h 0 min"
    assert found["outbox"].state == "warning" and "the oldest for 3 h 0 min" in found["outbox"].finding


def test_channels_are_settings_and_a_wrong_one_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "a secret of more than twenty-four bytes")
    home = tmp_path / "city"
    given = Settings.checked(home=home, channels=[CHANNEL])
    city = City.create(given, Standing())
    assert Settings.load(home) == given, "what is saved is read again"
    assert [way.name for way in city.relays._ways] == ["file", "inbox", "hook"]
    city.close()
    assert [(one.what, one.state) for one in examine._channels(given)] == [("channels", "ok")]

    monkeypatch.delenv("HOOK_SECRET")
    without = City.open(home, Standing())  # looking after accounts needs no secrets
    with pytest.raises(Invalid, match="channel hook: the environment has no HOOK_SECRET"):
        _ = without.relays
    without.close()
    (finding,) = examine._channels(given)
    assert finding.state == "bad" and "HOOK_SECRET" in finding.finding

    playing = City.open(home, VirtualClock(Standing().now()))
    assert [way.name for way in playing.relays._ways] == ["file", "inbox"], "history that is played goes nowhere else"
    playing.close()


@pytest.mark.parametrize(
    ("channels", "complaint"),
    [
        ([{**CHANNEL, "name": "Hook"}], "channels.0.name"),
        ([{**CHANNEL, "colour": "red"}], "channels.0.colour"),
        ([{"name": "hook"}], "channels.0.kind"),
        ([CHANNEL] * (limits.CHANNELS + 1), "channels"),
    ],
)
def test_settings_of_channels_are_checked(tmp_path: Path, channels: list[object], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        Settings.checked(home=tmp_path, channels=channels)


def test_channels_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cityheart.toml").write_text('[[channels]]\nname = "a"\nkind = "email"\naddress = "smtp://x"\n')
    assert [one.name for one in Settings.load(tmp_path).channels] == ["a"]
    monkeypatch.setenv("CITYHEART_CHANNELS", '[{"name": "b", "kind": "email", "address": "smtp://y"}]')
    assert [one.name for one in Settings.load(tmp_path).channels] == ["b"]
    monkeypatch.setenv("CITYHEART_CHANNELS", "[")
    with pytest.raises(Invalid, match="CITYHEART_CHANNELS is not JSON"):
        Settings.load(tmp_path)
