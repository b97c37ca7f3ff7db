"""The broker that comes with the player: what one publishes everybody hears who listens, in order, once or again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cityheart.simulation.player import embedded
from cityheart.simulation.player.embedded import SUBSCRIPTIONS, Embedded

PATIENCE = 20.0


@pytest.fixture
def broker() -> Iterator[Embedded]:
    running = Embedded()
    yield running
    running.close()


class Client:
    """A client of the library that the city uses; what it hears is kept."""

    def __init__(self, broker: Embedded, name: str, *, clean: bool = True, by_hand: bool = False) -> None:
        self.heard: list[tuple[str, bytes, int]] = []
        self.acknowledged = True
        self._news = threading.Condition()
        self._events: set[str] = set()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean, protocol=paho.MQTTv311, manual_ack=by_hand
        )
        self._client.max_inflight_messages_set(1_000)
        self._client.max_queued_messages_set(0)
        self._client.on_connect = lambda *_: self._happened("connected")
        self._client.on_subscribe = lambda *_: self._happened("subscribed")
        self._client.on_unsubscribe = lambda *_: self._happened("unsubscribed")
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self._until(lambda: "connected" in self._events)

    def _happened(self, what: str) -> None:
        with self._news:
            self._events.add(what)
            self._news.notify_all()

    def _message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        with self._news:
            self.heard.append((message.topic, bytes(message.payload), message.qos))
            if self.acknowledged:
                client.ack(message.mid, message.qos)
            self._news.notify_all()

    def _until(self, holds: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(holds, PATIENCE)

    def subscribe(self, topic: str, quality: int = 1) -> None:
        self._events.discard("subscribed")
        self._client.subscribe(topic, qos=quality)
        self._until(lambda: "subscribed" in self._events)

    def unsubscribe(self, topic: str) -> None:
        self._client.unsubscribe(topic)
        self._until(lambda: "unsubscribed" in self._events)

    def publish(self, topic: str, payload: bytes, quality: int = 1) -> paho.MQTTMessageInfo:
        return self._client.publish(topic, payload, qos=quality)

    def hears(self, count: int) -> list[bytes]:
        self._until(lambda: len(self.heard) >= count)
        return [payload for _, payload, _ in self.heard]

    def break_off(self) -> None:
        """Without a word, as when the power fails."""
        sock = self._client.socket()
        assert sock is not None
        self._client.loop_stop()
        sock.close()

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_many_messages_come_in_order_to_all_who_listen(broker: Embedded) -> None:
    """More than may be on the way at once."""
    every, some = Client(broker, "every"), Client(broker, "some")
    every.subscribe("plants/+/level")
    some.subscribe("plants/b/#", 0)
    sender = Client(broker, "sender")
    count = 3_000
    for number in range(count):
        last = sender.publish(f"plants/{'ab'[number % 2]}/level", b"%d" % number)
    last.wait_for_publish(PATIENCE)
    assert last.is_published()
    assert every.hears(count) == [b"%d" % number for number in range(count)]
    assert some.hears(count // 2) == [b"%d" % number for number in range(1, count, 2)]
    assert {quality for _, _, quality in every.heard} == {1} and {quality for _, _, quality in some.heard} == {0}
    every.unsubscribe("plants/+/level")
    sender.publish("plants/a/level", b"unheard").wait_for_publish(PATIENCE)
    sender.publish("plants/b/level", b"end").wait_for_publish(PATIENCE)
    assert some.hears(count // 2 + 1)[-1] == b"end" and len(every.heard) == count
    for client in (every, some, sender):
        client.leave()


def test_what_was_not_acknowledged_comes_again_in_the_next_connection(broker: Embedded) -> None:
    listener = Client(broker, "city", clean=False, by_hand=True)
    listener.subscribe("t")
    sender = Client(broker, "sender")
    sender.publish("t", b"taken").wait_for_publish(PATIENCE)
    listener.hears(1)
    listener.acknowledged = False
    for payload in (b"one", b"two"):
        sender.publish("t", payload).wait_for_publish(PATIENCE)
    listener.hears(3)
    listener.break_off()
    sender.publish("t", b"meanwhile").wait_for_publish(PATIENCE)
    again = Client(broker, "city", clean=False, by_hand=True)
    assert again.hears(3) == [b"one", b"two", b"meanwhile"]
    again.leave()
    anew = Client(broker, "city")  # who wants nothing of before gets nothing of it
    anew.subscribe("t")
    sender.publish("t", b"fresh").wait_for_publish(PATIENCE)
    assert anew.hears(1) == [b"fresh"]
    for client in (anew, sender):
        client.leave()


def test_a_publisher_waits_for_a_listener_that_is_far_behind(broker: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "INFLIGHT", 2)
    monkeypatch.setattr(embedded, "BEHIND", 5)
    slow = Client(broker, "slow", clean=False, by_hand=True)
    slow.subscribe("t")
    slow.acknowledged = False
    sender = Client(broker, "sender")
    sent = [sender.publish("t", b"%d" % number) for number in range(30)]
    slow.hears(2)
    sent[6].wait_for_publish(PATIENCE)
    assert not sent[-1].is_published()
    slow.break_off()
    quick = Client(broker, "slow", clean=False)
    assert quick.hears(30) == [b"%d" % number for number in range(30)]
    sent[-1].wait_for_publish(PATIENCE)
    assert sent[-1].is_published()
    for client in (quick, sender):
        client.leave()


def test_the_count_of_subscriptions_is_told(broker: Embedded) -> None:
    watcher, other = Client(broker, "watcher"), Client(broker, "other")
    watcher.subscribe(SUBSCRIPTIONS)
    other.subscribe("#")
    watcher.hears(2)
    other.leave()
    assert watcher.hears(3) == [b"1", b"2", b"1"] and other.heard == []  # # does not take what begins with $
    watcher.leave()


@pytest.mark.parametrize(
    ("filter", "topic", "fits"),
    [
        ("a/b", "a/b", True), ("a/b", "a/b/c", False), ("a/+/c", "a/b/c", True), ("a/+", "a/b/c", False), ("#", "a/b", True),
        ("a/#", "a", True), ("a/#", "a/b/c", True), ("+/b", "a/b", True), ("+", "/a", False), ("/+", "/a", True),
        ("#", "$SYS/x", False), ("+/x", "$SYS/x", False), ("$SYS/#", "$SYS/x", True),
    ],
)  # fmt: skip
def test_filters(filter: str, topic: str, fits: bool) -> None:
    assert embedded._matches(filter, topic) is fits


CONNECT = bytes.fromhex("100d00044d5154540402003c000161")
PUBLISH_2 = bytes.fromhex("34050001740001")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"\x10\xff\xff\xff\xff\x7f", b""),
        (b"\x10\xff\xff\xff\x7f", b""),
        (CONNECT.replace(b"MQTT\x04", b"MQTT\x05"), b"\x20\x02\x00\x01"),
        (CONNECT.replace(b"\x00\x01a", b"\x00\x09a"), b""),
        (CONNECT + PUBLISH_2, b"\x20\x02\x00\x00"),
        (CONNECT + b"\xc0\x00\xf0\x00", b"\x20\x02\x00\x00\xd0\x00"),
        (CONNECT + b"\x82\x06\x00\x07\x00\x01#\x01\xf0\x00", b"\x20\x02\x00\x00\x90\x03\x00\x07\x01"),
        (CONNECT + b"\x82\x08\x00\x07\x00\x03#/a\x01\xf0\x00", b"\x20\x02\x00\x00\x90\x03\x00\x07\x80"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_ends_its_connection_and_no_other(broker: Embedded, said: bytes, answer: bytes) -> None:
    with socket.create_connection(("127.0.0.1", broker.port), timeout=PATIENCE) as wire:
        wire.sendall(said)
        wire.shutdown(socket.SHUT_WR)
        heard = b""
        while more := wire.recv(100):
            heard += more
    assert heard == answer
    good = Client(broker, "good")
    good.subscribe("t")
    good.publish("t", b"x")
    assert good.hears(1) == [b"x"]
    good.leave()
