"""A real broker: what it has been told is kept came to stay; what was not acknowledged comes again."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from cityheart.kernel import limits
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.share.service import Share

from .broker import Broker, publish, until
from .scene import BEGIN, SOURCE, SYSTEM, city, messages, values


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch, clock: VirtualClock) -> None:
    """Landing and connecting are tried again soon, and the city's clock stands after the readings."""
    monkeypatch.setattr(limits, "MQTT_RETRY_FIRST", 0.05)
    monkeypatch.setattr(limits, "MQTT_RETRY_LONGEST", 0.2)
    monkeypatch.setattr(limits, "WIRE_RETRY_FIRST", timedelta(seconds=0.02))
    monkeypatch.setattr(limits, "WIRE_RETRY_LONGEST", timedelta(seconds=0.1))
    clock.advance_to(BEGIN + timedelta(days=1))


@contextmanager
def listening(share: Share) -> Iterator[Share]:
    share.listen()
    try:
        yield share
    finally:
        share.stop_listening(10)


def figures(share: Share) -> dict[str, int | float]:
    return dict(share.listeners()[SOURCE])


def subscribed(share: Share) -> None:
    """Wait until the broker knows what the city wants."""
    until(
        lambda: share.source(SYSTEM, SOURCE)["state"] in ("idle", "ok") and figures(share)["connections"], "connected"
    )


@pytest.mark.parametrize("options", [{"version": 3}, {"version": 5}, {"version": 5, "group": "city"}], ids=str)
def test_what_is_published_lands_and_is_acknowledged(
    sqlite: Database, tmp_path: Path, broker: Broker, options: dict[str, object]
) -> None:
    """A row a message, the bad one with its bytes in quarantine, every one acknowledged: nothing comes again."""
    bad = ("hazards/S1/T1/level_m", b"\xff not json")
    share = city(sqlite, tmp_path, url=broker.url, **options)
    with listening(share):
        subscribed(share)
        publish(broker, [*messages(range(300)), bad, *messages(range(50))])
        until(lambda: figures(share)["answers"] == 351, "all acknowledged")
        seen = figures(share)
        assert (seen["frames"], seen["rows"], seen["quarantined"], seen["waiting_frames"]) == (351, 300, 1, 0)
    assert values(share) == [number / 100 for number in range(300)]
    ((entry,), _) = share.quarantine(SYSTEM)
    assert (entry.code, entry.raw) == ("payload", b"hazards/S1/T1/level_m\n\xff not json")
    again = city(sqlite, tmp_path, url=broker.url, **options)
    with listening(again):
        subscribed(again)
        publish(broker, messages([300]))
        until(lambda: figures(again)["answers"] == 1, "the new one")
        assert figures(again)["frames"] == 1
    assert again.source(SYSTEM, SOURCE)["state"] == "ok"


@pytest.mark.parametrize("version", [3, 5])
def test_nothing_is_acknowledged_before_it_is_durable(
    sqlite: Database, tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """The disk is full: no acknowledgement, a state that says why; a program that ends then gets all of it again."""
    share = city(sqlite, tmp_path, url=broker.url, version=version)
    with monkeypatch.context() as full, listening(share):
        subscribed(share)

        def append(*arguments: object, **keywords: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr(share._lake, "append", append)
        publish(broker, messages(range(40)))
        until(lambda: figures(share)["failures"] > 2 and figures(share)["frames"] == 40, "tried several times")
        shown = share.source(SYSTEM, SOURCE)
        assert (shown["state"], figures(share)["answers"]) == ("failing", 0)
        assert "No space left" in str(shown["reason"])
    assert share._lake.current("reading").num_rows == 0
    again = city(sqlite, tmp_path, url=broker.url, version=version)
    with listening(again):
        until(lambda: figures(again)["answers"] == 40, "sent again")
    assert values(again) == [number / 100 for number in range(40)]


def test_room_again_goes_on_where_it_was(
    sqlite: Database, tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same listener lands what it kept as soon as there is room, and says that it listens again."""
    share = city(sqlite, tmp_path, url=broker.url)
    room = share._lake.append
    tries = []

    def append(*arguments: object, **keywords: object) -> int:
        tries.append(1)
        if len(tries) < 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return room(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(share._lake, "append", append)
    with listening(share):
        subscribed(share)
        publish(broker, messages(range(40)))
        until(lambda: figures(share)["answers"] == 40, "landed after all")
        assert figures(share)["failures"] >= 3
    assert values(share) == [number / 100 for number in range(40)]
    assert share.source(SYSTEM, SOURCE)["state"] == "ok"


@pytest.mark.parametrize("version", [3, 5])
def test_a_killed_broker_loses_and_doubles_nothing(
    sqlite: Database, tmp_path: Path, broker: Broker, version: int
) -> None:
    """Messages before the kill, while the city is away, and after; the source says when the broker is gone."""
    share = city(sqlite, tmp_path, url=broker.url, version=version)
    with listening(share):
        subscribed(share)
        publish(broker, messages(range(100)))
        until(lambda: figures(share)["answers"] == 100, "the first hundred")
    publish(broker, messages(range(100, 200)))  # nobody listens: the broker keeps them
    broker.save()
    broker.kill()
    again = city(sqlite, tmp_path, url=broker.url, version=version)
    with listening(again):
        until(lambda: again.source(SYSTEM, SOURCE)["state"] == "failing", "the broker is away")
        assert broker.host in str(again.source(SYSTEM, SOURCE)["reason"])
        broker.start()
        until(lambda: figures(again)["answers"] >= 100, "what was kept")
        publish(broker, messages(range(200, 300)))
        until(lambda: again._lake.current("reading").num_rows == 300, "the rest")
        broker.kill()
        until(lambda: again.source(SYSTEM, SOURCE)["state"] == "failing", "gone again")
    assert values(again) == [number / 100 for number in range(300)]


def test_who_is_refused_says_so(
    sqlite: Database, tmp_path: Path, start_broker: Callable[..., Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name nobody knows is the source's state, with the broker's own reason; the password comes from outside."""
    monkeypatch.setenv("BROKER_PASSWORD", "wrong")
    broker = start_broker("allow_anonymous false")
    share = city(sqlite, tmp_path, url=broker.url, username="city", password_env="BROKER_PASSWORD")
    with listening(share):
        until(lambda: "refuses the connection" in str(share.source(SYSTEM, SOURCE)["reason"]), "refused")
    monkeypatch.delenv("BROKER_PASSWORD")
    share = city(sqlite, tmp_path, url=broker.url, username="city", password_env="BROKER_PASSWORD")
    with listening(share):
        assert "BROKER_PASSWORD is not set" in str(share.source(SYSTEM, SOURCE)["reason"])


def test_a_broker_that_makes_no_sense_is_connected_to_anew(
    sqlite: Database, tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the client cannot read ends the connection, not the listener; what was not acknowledged comes again."""
    share = city(sqlite, tmp_path, url=broker.url)
    with listening(share):
        subscribed(share)
        client = share._listeners._running[SOURCE]._client  # type: ignore[attr-defined]
        read = client._handle_publish
        broken = []

        def senseless() -> object:
            if len(broken) == 5:
                broken.append(1)
                raise ValueError("a packet of no kind")
            broken.append(1)
            return read()

        monkeypatch.setattr(client, "_handle_publish", senseless)
        publish(broker, messages(range(50)))
        until(lambda: share._lake.current("reading").num_rows == 50, "all of them")
        assert figures(share)["connected"] == 2
        until(lambda: share.source(SYSTEM, SOURCE)["state"] == "ok", "and it says so")
    assert values(share) == [number / 100 for number in range(50)]
