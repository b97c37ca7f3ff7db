"""Webhooks: CloudEvents a receiver can verify with what Standard Webhooks says, and no way into private networks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cityheart.kernel import limits, outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.deliveries.channel import Channel, ChannelKind, open_channels
from cityheart.kernel.deliveries.relays import Relays
from cityheart.kernel.deliveries.webhook import Webhook, signed
from cityheart.kernel.errors import Invalid
from cityheart.kernel.ids import Ids
from cityheart.kernel.outbox import Sending

from .servers import Receiver, certificate

AT = datetime(2015, 11, 25, tzinfo=UTC)
KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
SYSTEM = Actor.system("test")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Database]:
    clock = VirtualClock(AT)
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, Ids(clock, 1))
    database.create_all()
    yield database
    database.close()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    receiver = Receiver()
    yield receiver
    receiver.close()


def channel(port: int, **more: object) -> Channel:
    base: dict[str, object] = {"name": "hook", "kind": "webhook", "address": f"http://localhost:{port}/in?x=1"}
    return Channel.model_validate({**base, "secret_env": "HOOK_SECRET", "allow_private": True, **more})


def post(database: Database, *keys: str, **payload: object) -> None:
    with database.work(SYSTEM) as work:
        for key in keys:
            work.post(key, "orders", {"orders": [], "说明": "停产", **payload})


def relays(database: Database, folder: Path, way: Webhook) -> Relays:
    return Relays(database, Sending(folder, database, "beijing"), [way])


def states(database: Database) -> dict[str, tuple[object, object]]:
    items, _ = outbox.listed(database, SYSTEM)
    return {str(item["key"]): (item["state"], item["error"]) for item in items}


def verified(headers: dict[str, str], body: bytes, key: bytes, now: datetime) -> dict[str, object]:
    """What the how-to tells receivers to do."""
    stamp = headers["webhook-timestamp"]
    assert abs(now.timestamp() - int(stamp)) < 300
    signed_over = f"{headers['webhook-id']}.{stamp}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed_over, hashlib.sha256).digest()).decode()
    given = [mark.partition(",")[2] for mark in headers["webhook-signature"].split() if mark.startswith("v1,")]
    assert any(hmac.compare_digest(wanted, mark) for mark in given)
    event: dict[str, object] = json.loads(body)
    return event


def test_a_receiver_verifies_a_cloud_event(small: Database, receiver: Receiver, tmp_path: Path) -> None:
    post(small, "orders:1:62")
    relays(small, tmp_path, Webhook(channel(receiver.port))).carry()
    ((headers, body),) = receiver.calls
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert headers["host"] == f"localhost:{receiver.port}"
    event = verified(headers, body, KEY, AT)
    assert event == {
        "specversion": "1.0", "id": "orders:1:62", "source": "/cityheart/beijing", "type": "org.cityheart.orders",
        "time": "2015-11-25T00:00:00.000000Z", "datacontenttype": "application/json",
        "data": {"orders": [], "说明": "停产"},
    }  # fmt: skip
    assert headers["webhook-id"] == event["id"] and states(small) == {"orders:1:62": ("sent", None)}
    with pytest.raises(AssertionError):
        verified(headers, body + b" ", KEY, AT)
    with pytest.raises(AssertionError):
        verified(headers, body, KEY[::-1], AT)


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of standardwebhooks.com's reference libraries."""
    headers = signed(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}',
    )  # fmt: skip
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "sent"), (202, "sent"), (302, "waiting"), (400, "given_up"), (403, "waiting"), (404, "waiting"),
     (410, "given_up"), (422, "given_up"), (429, "waiting"), (500, "waiting"), (503, "waiting")],
)  # fmt: skip
def test_what_an_answer_means(small: Database, receiver: Receiver, tmp_path: Path, status: int, state: str) -> None:
    receiver.default = (status, {"location": f"http://127.0.0.1:{receiver.port}/elsewhere"}, b"secret of the receiver")
    post(small, "k1")
    relays(small, tmp_path, Webhook(channel(receiver.port))).carry()
    assert states(small)["k1"][0] == state
    assert len(receiver.calls) == 1, "a redirect is not followed"
    assert "secret" not in str(states(small)["k1"][1])


def test_one_message_that_is_refused_does_not_hold_up_the_next(
    small: Database, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = {"k2": (500, {}, b"")}
    post(small, "k1", "k2", "k3")
    relays(small, tmp_path, Webhook(channel(receiver.port))).carry()
    assert {key: state for key, (state, _) in states(small).items()} == {"k1": "sent", "k2": "waiting", "k3": "sent"}


@pytest.mark.parametrize("pause", ["600", "Wed, 25 Nov 2015 00:10:00 GMT"])
def test_a_receiver_that_is_busy_is_left_alone(small: Database, receiver: Receiver, tmp_path: Path, pause: str) -> None:
    receiver.default = (503, {"retry-after": pause}, b"")
    post(small, "k1", "k2")
    carrier = relays(small, tmp_path, Webhook(channel(receiver.port)))
    carrier.carry()
    assert len(receiver.calls) == 1
    ((first, second), _) = outbox.listed(small, SYSTEM)
    assert first["next_at"] == AT + timedelta(minutes=10) and second["attempts"] == 0


def test_a_receiver_that_is_away_costs_one_try_of_one_message(
    small: Database, receiver: Receiver, tmp_path: Path
) -> None:
    way = Webhook(channel(receiver.port))
    receiver.close()
    post(small, "k1", "k2", "k3")
    relays(small, tmp_path, way).carry()
    items, _ = outbox.listed(small, SYSTEM)
    assert [item["attempts"] for item in items] == [1, 0, 0]


def test_an_answer_without_end_is_not_read(small: Database, receiver: Receiver, tmp_path: Path) -> None:
    receiver.endless, receiver.default = True, (200, {}, b"")
    post(small, "k1")
    relays(small, tmp_path, Webhook(channel(receiver.port))).carry()
    assert states(small)["k1"] == ("sent", None)
    assert receiver.written < 2**28 and limits.WEBHOOK_ANSWER_BYTES < 2**20


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1", "::1", "fe80::1%eth0",
     "fc00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::"],
)  # fmt: skip
def test_nothing_private_is_called(small: Database, receiver: Receiver, tmp_path: Path, address: str) -> None:
    """Also when the name has a public address beside it."""
    given = channel(receiver.port, address=f"https://hooks.example:{receiver.port}/", allow_private=False)
    way = Webhook(given, resolve=lambda host, port: ["93.184.216.34", address])
    post(small, "k1")
    relays(small, tmp_path, way).carry()
    assert receiver.calls == [] and states(small)["k1"][0] == "given_up"
    assert "private" in str(states(small)["k1"][1])


def test_the_call_goes_to_the_address_that_was_looked_at_and_the_certificate_is_the_hosts(
    small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    both = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    secure = Receiver(tls=both)
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    right = Webhook(channel(secure.port, address=f"https://hooks.example:{secure.port}/in"), resolve)
    wrong = Webhook(channel(secure.port, name="wrong", address=f"https://other.example:{secure.port}/in"), resolve)
    post(small, "k1")
    Relays(small, Sending(tmp_path, small), [right, wrong]).carry()
    secure.close()
    assert asked == ["hooks.example", "other.example"], "once a call"
    ((headers, _),) = secure.calls
    assert headers["host"] == f"hooks.example:{secure.port}"
    items, _ = outbox.listed(small, SYSTEM)
    assert {item["channel"]: item["state"] for item in items} == {"hook": "sent", "wrong": "waiting"}


def test_only_the_departments_and_topics_of_the_channel(small: Database, receiver: Receiver, tmp_path: Path) -> None:
    post(small, "k1", orders=[{"unit": "health"}])
    post(small, "k2", orders=[{"unit": "industry"}])
    with small.work(SYSTEM) as work:
        work.post("k3", "escalations", {"unit": "health"})
    given = channel(receiver.port, topics=["orders"], departments=["health"])
    relays(small, tmp_path, Webhook(given)).carry()
    assert [headers["webhook-id"] for headers, _ in receiver.calls] == ["k1"]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"allow_private": False}, "https://"),
        ({"address": "ftp://x"}, "does not begin"),
        ({"address": "https://"}, "does not begin"),
        ({"address": "https://u:p@x.example/"}, "a password"),
        ({"secret_env": ""}, "secret_env is missing"),
        ({"sender": "a@b.c"}, "for e-mail"),
        ({"secret_env": "SHORT_SECRET"}, "fewer than 24 bytes"),
        ({"secret_env": "BROKEN_SECRET"}, "not base64"),
    ],
)
def test_a_wrong_channel_says_so_in_one_line(
    more: dict[str, object], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOOK_SECRET": SECRET, "SHORT_SECRET": "abc", "BROKEN_SECRET": "whsec_$$$"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Invalid, match=complaint) as refusal:
        open_channels([channel(80, **more)], [ChannelKind("webhook", Webhook.problems, Webhook)])
    assert "\n" not in refusal.value.detail and refusal.value.remedy
