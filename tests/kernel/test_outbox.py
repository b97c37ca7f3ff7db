"""The outbox: each way out has its own tries, nothing is sent twice, nothing holds up anything else; on both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cityheart.kernel import events, limits, outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.deliveries.relays import Relays
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from cityheart.kernel.outbox import SENT, UNTRIED, FileDelivery, Message, Outcome, Sending, failed, refused

ALICE = Actor.system("alice")


class Way:
    """A way out that does as it is told: ``poison`` keys fail, ``bad`` ones are refused, ``down`` raises."""

    def __init__(self, name: str = "way", batch: int = 50, topics: Sequence[str] = ()) -> None:
        self.name, self.batch, self.topics = name, batch, topics
        self.sent: list[str] = []
        self.calls: list[list[str]] = []
        self.poison: set[str] = set()
        self.bad: set[str] = set()
        self.after: timedelta | None = None
        self.down = False

    def recipients(self, message: Message) -> Sequence[str]:
        if message.payload.get("unreadable"):
            raise ValueError("what is this?")
        return ("",) if not self.topics or message.topic in self.topics else ()

    def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
        self.calls.append([message.key for message in messages])
        if self.down:
            raise OSError("no route")
        outcomes = []
        for message in messages:
            if message.key in self.poison:
                outcomes.append(failed("indigestible", self.after))
            elif message.key in self.bad:
                outcomes.append(refused("no such address"))
            else:
                self.sent.append(message.key)
                outcomes.append(SENT)
        return outcomes


@pytest.fixture
def sending(database: Database, tmp_path: Path) -> Sending:
    return Sending(tmp_path, database)


def post(database: Database, *keys: str, topic: str = "orders", **payload: object) -> None:
    with database.work(ALICE) as work:
        for key in keys:
            work.post(key, topic, {"n": key, **payload})


def states(database: Database) -> dict[tuple[str, str], str]:
    table = outbox.delivery_table
    with database.read() as conn:
        return {(row.key, row.channel): row.state for row in conn.execute(sa.select(table))}


def later(clock: VirtualClock, **span: float) -> None:
    clock.advance_to(clock.now() + timedelta(**span))


def test_each_way_has_its_own_tries(database: Database, clock: VirtualClock, sending: Sending) -> None:
    post(database, "k1", "k1", "k2")
    fine, broken = Way("fine"), Way("broken")
    broken.down = True
    relays = Relays(database, sending, [broken, fine])
    relays.carry()
    assert sorted(fine.sent) == ["k1", "k2"], "one that is down does not hold up the other"
    relays.carry()
    assert len(broken.calls) == 1, "not before the back-off is over"
    broken.down = False
    later(clock, seconds=6)
    relays.carry()
    assert sorted(broken.sent) == ["k1", "k2"] == sorted(fine.sent)
    assert set(states(database).values()) == {"sent"}


def test_what_failed_is_tried_alone_and_the_rest_goes_out(
    database: Database, clock: VirtualClock, sending: Sending
) -> None:
    post(database, *(f"k{n}" for n in range(5)))
    way = Way()
    way.down = True
    relays = Relays(database, sending, [way])
    relays.carry()
    way.down, way.poison = False, {"k3"}
    later(clock, seconds=6)
    relays.carry()
    assert [len(call) for call in way.calls] == [5, 1, 1, 1, 1, 1]
    assert sorted(way.sent) == ["k0", "k1", "k2", "k4"]


def test_waits_double_up_to_an_hour_and_then_a_person_is_asked(
    database: Database, clock: VirtualClock, sending: Sending
) -> None:
    post(database, "k1")
    way = Way()
    way.poison = {"k1"}
    relays = Relays(database, sending, [way])
    relays.carry()
    waits = []
    while True:
        ((row,), _) = outbox.listed(database, ALICE)
        if row["state"] == "given_up":
            break
        waits.append(row["next_at"] - clock.now())  # type: ignore[operator]
        clock.advance_to(row["next_at"])  # type: ignore[arg-type]
        relays.carry()
    assert len(way.calls) == limits.OUTBOX_ATTEMPTS and len(waits) == limits.OUTBOX_ATTEMPTS - 1
    assert waits[:3] == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]
    assert max(waits) == timedelta(hours=1) and sum(waits, timedelta()) > timedelta(hours=12)
    with database.read() as conn:
        (event,) = events.read(conn, types={"outbox.given_up"})
    assert event.data == {"key": "k1", "topic": "orders", "channel": "way", "tries": limits.OUTBOX_ATTEMPTS}
    later(clock, days=2)
    relays.carry()
    assert len(way.calls) == limits.OUTBOX_ATTEMPTS, "it waits for a person"


def test_a_person_sends_again_what_was_given_up(database: Database, sending: Sending, officer: Actor) -> None:
    post(database, "k1", "k2")
    way, other = Way(), Way("other")
    way.bad = {"k1"}
    relays = Relays(database, sending, [way, other])
    relays.carry()
    assert states(database)["k1", "way"] == "given_up", "refused for good is not tried again by itself"
    items, total = outbox.listed(database, ALICE, "given_up")
    assert total == 1 and items[0]["error"] == "no such address" and items[0]["next_at"] is None
    with pytest.raises(Forbidden):
        outbox.listed(database, officer, "given_up")
    with pytest.raises(Forbidden):
        outbox.resend(database, officer, "click-resend", "k1")
    way.bad = set()
    assert outbox.resend(database, ALICE, "click-resend", "k1") == {"key": "k1", "deliveries": 1}
    assert outbox.resend(database, ALICE, "click-resend", "k1") == {"key": "k1", "deliveries": 1}, "the same click"
    relays.carry()
    assert way.sent == ["k2", "k1"] and sorted(other.sent) == ["k1", "k2"], "only what was given up goes out again"
    with pytest.raises(Conflict):
        outbox.resend(database, ALICE, "click-resend-2", "k1")
    with pytest.raises(NotFound):
        outbox.resend(database, ALICE, "click-resend-3", "nothing")
    with pytest.raises(Invalid):
        outbox.listed(database, ALICE, "lost")


def test_a_message_one_way_cannot_read_stops_nobody(database: Database, sending: Sending) -> None:
    post(database, "odd", unreadable=True)
    post(database, "k1")
    way, file = Way(), FileDelivery()
    Relays(database, sending, [way, file]).carry()
    assert states(database) == {
        ("odd", "way"): "given_up", ("odd", "file"): "sent", ("k1", "way"): "sent", ("k1", "file"): "sent",
    }  # fmt: skip


def test_a_way_gets_the_topics_it_wants(database: Database, sending: Sending) -> None:
    post(database, "k1")
    post(database, "k2", topic="escalations")
    way = Way(topics=["escalations"])
    Relays(database, sending, [way]).carry()
    assert way.sent == ["k2"] and set(states(database)) == {("k2", "way")}


def test_a_receiver_that_asks_for_a_pause_gets_it(database: Database, clock: VirtualClock, sending: Sending) -> None:
    post(database, "k1")
    way = Way()
    way.poison, way.after = {"k1"}, timedelta(minutes=7)
    relays = Relays(database, sending, [way])
    relays.carry()
    later(clock, minutes=6)
    relays.carry()
    assert len(way.calls) == 1
    later(clock, minutes=1)
    relays.carry()
    assert len(way.calls) == 2


def test_what_was_not_tried_keeps_its_tries(database: Database, clock: VirtualClock, sending: Sending) -> None:
    class Down(Way):
        def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
            self.calls.append([message.key for message in messages])
            return [failed("connection refused"), *[UNTRIED] * (len(messages) - 1)]

    post(database, "k1", "k2", "k3")
    way = Down()
    Relays(database, sending, [way]).carry()
    items, _ = outbox.listed(database, ALICE)
    assert [item["attempts"] for item in items] == [1, 0, 0] and len(way.calls) == 1


def test_a_lease_that_ended_does_not_undo_what_another_did(
    database: Database, clock: VirtualClock, sending: Sending
) -> None:
    """The first relay hangs past its lease; another sends; the first one's failure must not make it wait again."""
    post(database, "k1")
    quick = Way("slow")

    class Slow(Way):
        def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
            later(clock, seconds=limits.OUTBOX_LEASE.total_seconds() + 1)
            assert outbox.relay(database, sending, quick) == 1
            return [failed("timed out")]

    outbox.route(database, [quick])
    assert outbox.relay(database, sending, Slow("slow")) == 1
    assert quick.sent == ["k1"] and states(database) == {("k1", "slow"): "sent"}


def test_a_message_that_kills_every_relay_is_given_up(
    database: Database, clock: VirtualClock, sending: Sending
) -> None:
    class Deadly(Way):
        def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
            self.calls.append([message.key for message in messages])
            raise KeyboardInterrupt  # not an Exception: the relay is gone before it notes anything

    post(database, "k1")
    way = Deadly()
    outbox.route(database, [way])
    for _ in range(limits.OUTBOX_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            outbox.relay(database, sending, way)
        later(clock, minutes=2)
    assert outbox.relay(database, sending, way) == 1
    assert states(database) == {("k1", "way"): "given_up"} and len(way.calls) == limits.OUTBOX_ATTEMPTS


def test_many_relays_at_once_send_each_message_once(database: Database, sending: Sending) -> None:
    keys = [f"k{n}" for n in range(120)]
    post(database, *keys)
    way = Way(batch=7)

    def carry() -> None:
        Relays(database, sending, [way]).carry()

    threads = [threading.Thread(target=carry) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(way.sent) == sorted(keys)


def test_threads_carry_what_is_posted_at_once_and_end(database: Database, sending: Sending) -> None:
    arrived = threading.Event()

    class Told(Way):
        def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
            arrived.set()
            return super().send(sending, messages)

    way = Told()
    relays = Relays(database, sending, [way])
    relays.start()
    relays.start()
    post(database, "k1")
    assert arrived.wait(20)
    relays.stop()
    assert not relays.running and way.sent == ["k1"]


def test_messages_of_an_earlier_version_leave(database: Database, sending: Sending) -> None:
    with database.work(ALICE) as work:
        row = {"topic": "orders", "payload": {}, "attempts": 12, "next_at": work.now, "posted_at": work.now}
        for state in ("waiting", "sent", "given_up"):
            work.conn.execute(outbox.outbox_table.insert(), {"key": state, "state": state, **row})
    way = Way()
    Relays(database, sending, [way]).carry()
    assert sorted(way.sent) == ["given_up", "waiting"]


def test_what_left_long_ago_is_dropped_and_what_hangs_is_not(
    database: Database, clock: VirtualClock, sending: Sending
) -> None:
    post(database, "k1", "k2", "k3")
    way, file = Way(), FileDelivery()
    way.bad, way.poison = {"k2"}, {"k3"}
    relays = Relays(database, sending, [way, file])
    relays.carry()
    assert outbox.forget(database) == 0
    clock.advance_to(clock.now() + limits.OUTBOX_KEPT + timedelta(seconds=1))
    post(database, "k4")
    relays.carry()
    assert outbox.forget(database) == 1 and outbox.forget(database) == 0
    assert {key for key, _ in states(database)} == {"k2", "k3", "k4"}


def test_what_hangs_is_counted_by_channel(database: Database, clock: VirtualClock, sending: Sending) -> None:
    posted = clock.now()
    post(database, "k1", "k2")
    with database.read() as conn:
        assert outbox.hanging(conn) == [outbox.Hanging("", 2, 0, posted)]
    way = Way()
    way.bad, way.poison = {"k1"}, {"k2"}
    Relays(database, sending, [way, FileDelivery()]).carry()
    with database.read() as conn:
        assert outbox.hanging(conn) == [outbox.Hanging("way", 1, 1, posted)]


def test_the_file_delivery_appends_json_lines(database: Database, sending: Sending, tmp_path: Path) -> None:
    post(database, "k1", topic="task", 标题="停工")
    post(database, "k2", topic="../../etc/x")
    Relays(database, sending, [FileDelivery()]).carry()
    (line,) = (tmp_path / "outbox" / "task.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line) == {"key": "k1", "payload": {"n": "k1", "标题": "停工"}}
    assert sorted(path.name for path in (tmp_path / "outbox").iterdir()) == ["______etc_x.jsonl", "task.jsonl"]
