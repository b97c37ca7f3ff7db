"""One contract for every kind of connector that listens for devices over TCP, whatever they speak.

What is acknowledged has landed; what is sent again is there once; nothing is acknowledged while nothing can be landed, and
nothing of it is lost; the source's state says so; an address is free again when the listening has stopped.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cityheart.engine.lake import Lake
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.hooks import plugins
from cityheart.kernel.ids import Ids
from cityheart.share.connectors.base import ListenerKind, Pull
from cityheart.share.service import Share
from tests.wire import scene

SYSTEM = Actor.system("test")


@dataclass(frozen=True)
class Kind:
    """A kind and how its devices speak: `frame(n)` is one reading, answered once, of `rows` rows."""

    name: str
    source: str
    dataset: str
    end: bytes
    rows: int

    def frame(self, number: int) -> bytes:
        return scene.position(number, number) if self.name == "jt808" else scene.reading(number)


KINDS = [
    Kind("jt808", "transport.position", "transport_position", b"\x7e", 1),
    Kind("hj212", "ecology.reading", "emission_reading", b"\r\n", 2),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def share(tmp_path: Path, clock: VirtualClock) -> Iterator[Share]:
    """A city that listens."""
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    share = scene.city(database, tmp_path)
    share.listen()
    yield share
    share.stop_listening()
    database.close()


def address(share: Share, kind: Kind) -> tuple[str, int]:
    found = share.addresses()[kind.source]
    assert found is not None
    return found


def state(share: Share, kind: Kind) -> str:
    return str(next(each["state"] for each in share.sources(SYSTEM) if each["id"] == kind.source))


def test_what_it_says_of_itself(kind: Kind) -> None:
    """A name, a title and options in both languages; what is wrong with options; nothing to be asked for."""
    found = next(each for each in plugins().connectors() if each.name == kind.name)
    assert isinstance(found, ListenerKind)
    for words in (found.title, *found.options.values()):
        assert set(words) == {"zh-CN", "en"}
    assert found.problems({"port": 7_808, "host": "0.0.0.0"}) == []  # noqa: S104
    for wrong in (
        {"port": 70_000},
        {"port": "x"},
        {"port": True},
        {"prot": 1},
        {"port": 1, "idle_seconds": -1},
        {"host": ""},
    ):
        assert found.problems(wrong), wrong
    assert list(found.pull(Pull("s", {}, {}, scene.BEGIN))) == []


def test_what_is_acknowledged_has_landed_once(share: Share, kind: Kind) -> None:
    """However often it is sent, on whatever connection."""
    with scene.Device(address(share, kind)) as first:
        first.say(kind.frame(0))
        first.hear(1, kind.end)
        assert scene.current(share, kind.dataset).num_rows == kind.rows
        first.say(kind.frame(0), kind.frame(1))
        first.hear(3, kind.end)
    with scene.Device(address(share, kind)) as second:
        second.say(kind.frame(1))
        second.hear(1, kind.end)
    assert share._lake.query(f"SELECT count(*) AS n FROM {kind.dataset}__versions")["n"].to_pylist() == [2 * kind.rows]
    assert state(share, kind) == "ok"
    assert share.quarantine_counts(SYSTEM) == {}
    figures = share.listeners()[kind.source]
    assert all(isinstance(each, int | float) for each in figures.values())
    assert (figures["accepted"], figures["rows"]) == (2, 2 * kind.rows)


def test_a_full_disk_stops_the_intake_and_loses_nothing(
    share: Share, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer, a state that says why; with room again everything is answered."""
    monkeypatch.setattr(limits, "WIRE_RETRY_FIRST", limits.WIRE_RETRY_FIRST / 50)
    append = Lake.append
    full = True

    def tight(self: Lake, name: str, rows: object, **options: object) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return append(self, name, rows, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "append", tight)
    with scene.Device(address(share, kind)) as device:
        device.say(kind.frame(0))
        scene.until(lambda: state(share, kind) == "failing")
        device.say(kind.frame(1))
        scene.until(lambda: share.listeners()[kind.source]["failures"] > 1)
        assert device.frames(kind.end) == []
        full = False
        device.hear(2, kind.end)
    scene.until(lambda: state(share, kind) == "ok")
    assert scene.current(share, kind.dataset).num_rows == 2 * kind.rows


def test_an_address_is_free_when_the_listening_has_stopped(share: Share, kind: Kind) -> None:
    """And is listened at again."""
    before = address(share, kind)
    share.stop_listening()
    with pytest.raises(OSError):
        scene.Device(before)
    share.listen()
    with scene.Device(address(share, kind)) as device:
        device.say(kind.frame(0))
        device.hear(1, kind.end)


def test_without_a_port_nothing_listens(share: Share, kind: Kind) -> None:
    """A source of history that is only played."""
    share.stop_listening()
    plain = replace(next(each for each in share.declared() if each.id == kind.source), options={})
    share.register([], [], [plain])
    share.listen()
    assert kind.source not in share.listeners()
