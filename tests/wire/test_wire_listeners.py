"""Listeners for devices: who is answered what and when, and what happens when nothing can be landed."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Unavailable
from cityheart.kernel.text import Text
from cityheart.share.connectors.base import Listening
from cityheart.share.connectors.hj212 import Hj212
from cityheart.share.connectors.jt808 import Jt808
from cityheart.share.models import Delivery, Landed
from cityheart.share.wire import hj212
from cityheart.share.wire.server import Server

from .scene import (
    BEGIN,
    GOLDEN,
    PACKET,
    PHONE,
    Device,
    batch,
    city,
    current,
    general,
    message,
    place,
    position,
    reading,
    until,
)

SYSTEM = Actor.system("test")
CR = b"\r\n"
BAD = position(1, 13)


class Landing:
    """A landing that takes everything, or nothing, or waits to be allowed."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.tried: list[Delivery] = []
        self.trouble: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        self.said: list[Text | None] = []

    def land(self, deliveries: Sequence[Delivery]) -> list[Landed]:
        self.tried += deliveries
        assert self.open.wait(20)
        if self.trouble:
            raise self.trouble
        self.deliveries += deliveries
        return [Landed(str(len(self.deliveries)), "d", self.frames(each).num_rows, 0, {}, 1) for each in deliveries]

    @staticmethod
    def frames(delivery: Delivery) -> pa.Table:
        assert isinstance(delivery.payload, bytes)
        with pa.ipc.open_stream(delivery.payload) as stream:
            return stream.read_all()

    @property
    def landed(self) -> list[bytes]:
        return [frame for each in self.deliveries for frame in self.frames(each)["frame"].to_pylist()]


@pytest.fixture
def landing() -> Landing:
    return Landing()


@pytest.fixture
def listen(landing: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Makes listeners that land in ``landing``; they end with the test."""
    monkeypatch.setattr(limits, "WIRE_RETRY_FIRST", limits.WIRE_RETRY_FIRST / 50)
    made: list[Server] = []

    def make(kind: Jt808 | Hj212 | None = None, *, known: frozenset[str] = frozenset(), **options: object) -> Server:
        options = {"port": 0, "batch_seconds": 0, **options}
        assert (kind or Jt808()).problems(options) == []
        listening = Listening(
            "s", options, tmp_path, VirtualClock(BEGIN), landing.land, landing.said.append, lambda d, c: known
        )
        server = (kind or Jt808()).listen(listening)
        assert isinstance(server, Server)
        made.append(server)
        return server

    yield make
    landing.open.set()
    for each in made:
        each.stop(5)


def at(server: Server) -> tuple[str, int]:
    assert server.address is not None
    return server.address


Make = Callable[..., Server]

# ── what is said ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_terminal_from_registration_to_positions(listen: Make, landing: Landing) -> None:
    """Registered with its code, authenticated by it, heard; each message has its answer, what is unknown is told."""
    with Device(at(listen())) as terminal:
        terminal.say(message(0x0100, b"\x00" * 76, 1))
        (registered,) = terminal.hear(1)
        assert registered[:2] == b"\x81\x00"
        assert registered[17:20] == b"\x00\x01\x00"
        code = registered[20:-1]
        terminal.say(message(0x0102, bytes([len(code)]) + code + b"\x00" * 35, 2), message(0x0002, b"", 3))
        terminal.say(GOLDEN, message(0x0704, batch([place()]), 8), message(0x0F00, b"?", 9), message(0x0003, b"", 10))
        answers = {general(each) for each in terminal.hear(7)[1:]}
    assert answers == {
        (0x8001, 2, 0x0102, 0), (0x8001, 3, 0x0002, 0), (0x8001, 7, 0x0200, 0), (0x8001, 8, 0x0704, 0),
        (0x8001, 9, 0x0F00, 3), (0x8001, 10, 0x0003, 0),
    }  # fmt: skip
    assert landing.landed == [GOLDEN, message(0x0704, batch([place()]), 8)]


def test_answers_in_the_format_of_2013_and_with_escapes(listen: Make) -> None:
    """An answer is addressed as the message was, and its own bytes are escaped."""
    with Device(at(listen())) as terminal:
        terminal.say(message(0x0102, PHONE.encode(), 0x7E7D, old=True), position(1, 0x7D7E, old=True))
        answers = terminal.hear(2)
    assert {each[4:10] for each in answers} == {bytes.fromhex("013912345678")}
    assert {general(each) for each in answers} == {(0x8001, 0x7E7D, 0x0102, 0), (0x8001, 0x7D7E, 0x0200, 0)}


def test_bad_frames_are_kept_and_only_readable_ones_answered(listen: Make, landing: Landing) -> None:
    """Wrong check byte: no answer, since nobody knows who speaks. Wrong content: told so. Both keep their bytes."""
    wrong, far = GOLDEN[:-2] + b"\x00\x7e", position(1, 5, lat=95.0)
    with Device(at(listen())) as terminal:
        terminal.say(wrong, far, GOLDEN)
        assert [general(each) for each in terminal.hear(2)] == [(0x8001, 5, 0x0200, 2), (0x8001, 7, 0x0200, 0)]
    assert landing.landed == [wrong, far, GOLDEN]


def test_no_answer_before_the_landing_has_returned(listen: Make, landing: Landing) -> None:
    """What is answered is durable; what promises nothing is answered at once."""
    landing.open.clear()
    with Device(at(listen())) as terminal:
        terminal.say(GOLDEN)
        until(lambda: landing.tried)
        terminal.say(PACKET)  # no frame of this protocol, no answer
        terminal.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            terminal.socket.recv(1)
        terminal.socket.settimeout(20)
        landing.open.set()
        assert general(terminal.hear(1)[0]) == (0x8001, 7, 0x0200, 0)


def test_a_divided_message_is_answered_part_by_part(listen: Make, landing: Landing) -> None:
    """When it is whole and has landed, as one piece."""
    body = batch([place() for _ in range(40)])
    parts = [message(0x0704, body[i * 700 : i * 700 + 700], 20 + i, part=(2, i + 1)) for i in range(2)]
    with Device(at(listen())) as terminal:
        terminal.say(parts[0], GOLDEN)
        assert general(terminal.hear(1)[0])[1] == 7
        terminal.say(parts[1])
        assert sorted(general(each)[1] for each in terminal.hear(3)) == [7, 20, 21]
    assert landing.landed == [GOLDEN, b"".join(parts)]


def test_only_listed_terminals_are_heard(listen: Make, landing: Landing) -> None:
    """A list out of the city's own data; the others are told that nobody knows them."""
    server = listen(terminals="vehicle.terminal_phone", known=frozenset([PHONE]))
    with Device(at(server)) as terminal:
        terminal.say(message(0x0100, b"", 1, phone="13700000000"), position(1, 2, phone="13700000000"), GOLDEN)
        answers = terminal.hear(3)
    assert next(each[19] for each in answers if each[:2] == b"\x81\x00") == 4
    assert sorted(general(each)[1:] for each in answers if each[:2] == b"\x80\x01") == [(2, 0x200, 1), (7, 0x200, 0)]
    assert landing.landed == [GOLDEN]
    assert server.figures()["refused"] == 2


def test_authentication_can_be_demanded(listen: Make, landing: Landing) -> None:
    """Positions before it, or after a wrong code, or on another connection, are refused."""
    server = listen(authenticate=True)

    def said(*frames: bytes) -> list[int]:
        with Device(at(server)) as terminal:
            results = []
            for number, frame in enumerate(frames, start=1):
                terminal.say(frame)
                results.append(general(terminal.hear(number)[-1])[3])
            return results

    right = message(0x0102, b"\x0b" + PHONE.encode() + b"\x00" * 35)
    wrong = message(0x0102, b"\x0b" + PHONE[::-1].encode() + b"\x00" * 35)
    assert said(GOLDEN, wrong, GOLDEN, right, GOLDEN) == [1, 1, 1, 0, 0]
    assert said(GOLDEN) == [1]
    assert landing.landed == [GOLDEN]


def test_monitors_are_answered_when_their_flag_asks(listen: Make, landing: Landing) -> None:
    """Data after it has landed; a resend with the same number again; what needs no answer gets none."""
    other = hj212.packet(b"QN=1;ST=32;CN=3019;PW=1;MN=2;Flag=5;CP=&&&&")
    wrong = PACKET[:-6] + b"0000\r\n"
    with Device(at(listen(Hj212()))) as monitor:
        monitor.say(PACKET, wrong, reading(60, flag=4), PACKET, other)
        answers = monitor.hear(3, CR)
    data = b"QN=20260701120000000;ST=91;CN=9014;PW=123456;MN=320600A8900016F000169DC0;Flag=4;CP=&&&&"
    assert answers.count(hj212.packet(data)) == 2
    assert hj212.packet(b"QN=1;ST=91;CN=9014;PW=1;MN=2;Flag=4;CP=&&&&") in answers
    assert landing.landed == [PACKET, wrong, reading(60, flag=4), PACKET]


# ── when it does not go well ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "trouble",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        Unavailable("the store went away", remedy="wait"),
        KeyError("x"),
    ],
    ids=["disk", "store", "bug"],
)
def test_nothing_is_lost_while_nothing_can_be_landed(listen: Make, landing: Landing, trouble: Exception) -> None:
    """Nobody is answered, nobody is read from, the source says why; then everything goes on where it stood."""
    landing.trouble = trouble
    server = listen()
    with Device(at(server)) as terminal, Device(at(server)) as other:
        terminal.say(GOLDEN)
        until(lambda: len(landing.tried) > 2)
        until(lambda: landing.said[-1] is not None)
        until(lambda: server.figures()["paused"] == 2)
        other.say(position(9, 9))
        assert landing.deliveries == []
        assert len({each.payload for each in landing.tried}) == 1  # the same batch again
        landing.trouble = None
        assert general(terminal.hear(1)[0])[1] == 7
        assert general(other.hear(1)[0])[1] == 9
    assert landing.said[0] is None
    assert landing.said[-1] is None
    assert landing.landed == [GOLDEN, position(9, 9)]
    assert server.figures()["failures"] > 1


def test_a_terminal_that_floods_slows_itself_alone(
    listen: Make, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above its share it is not read from; another one is, and memory stays bounded."""
    monkeypatch.setattr(limits, "WIRE_CONNECTION_BYTES", 16_384)
    landing.open.clear()
    server = listen()
    flood = b"".join(position(i % 3_600, i % 65_536) for i in range(4_000))
    with Device(at(server)) as greedy, Device(at(server)) as modest:
        pouring = threading.Thread(target=greedy.say, args=(flood,))
        pouring.start()
        until(lambda: server.figures()["paused"] == 1)
        modest.say(GOLDEN)
        until(lambda: server.figures()["waiting_bytes"] >= 16_384 + len(GOLDEN))
        assert server.figures()["waiting_bytes"] <= 2 * (16_384 + 65_536)
        landing.open.set()
        modest.hear(1)
        greedy.hear(4_000)
        pouring.join(20)
    until(lambda: server.figures()["waiting_bytes"] == 0)
    assert len(landing.landed) == 4_001


def test_silent_connections_are_closed(listen: Make) -> None:
    """A terminal that lost its power does not hold its place."""
    server = listen(idle_seconds=0.1)
    with Device(at(server)) as silent:
        assert silent.closed()
    until(lambda: server.figures()["connections"] == 0)
    assert server.figures()["idle_closed"] == 1


def test_there_is_room_for_so_many(listen: Make) -> None:
    """One above is turned away; when one leaves there is room again."""
    server = listen(connections=1)
    with Device(at(server)) as first:
        first.say(GOLDEN)
        first.hear(1)
        with Device(at(server)) as second:
            assert second.closed()
    until(lambda: server.figures()["connections"] == 0)
    with Device(at(server)) as third:
        third.say(GOLDEN)
        third.hear(1)
    assert server.figures()["turned_away"] == 1


def test_who_speaks_another_language_is_cut_off(listen: Make) -> None:
    """After so many bytes without a frame; others go on."""
    server = listen()
    with Device(at(server)) as strange, Device(at(server)) as terminal:
        noise = b"\x7e" + b"GET / HTTP/1.1 " * 60 + b"\x7e"  # its bytes add up to the right check byte

        def pour() -> None:
            try:
                while True:
                    strange.say(noise)
            except OSError:
                return

        pouring = threading.Thread(target=pour)
        pouring.start()
        pouring.join(20)
        assert not pouring.is_alive()
        terminal.say(GOLDEN)
        terminal.hear(1)
    assert server.figures()["cut_off"] == 1


def test_a_fault_in_the_city_makes_it_deaf_to_nobody(
    listen: Make, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections it happened with are ended, the source says so; the next ones are heard."""
    server = listen()
    hear = server._dialogue.hear

    def stumble(frames: pa.Table) -> object:
        if BAD in frames["frame"].to_pylist():
            raise ZeroDivisionError("a fault")
        return hear(frames)

    monkeypatch.setattr(server._dialogue, "hear", stumble)
    with Device(at(server)) as first:
        first.say(BAD)
        assert first.closed()
    assert "a fault" in str(landing.said[-1])
    with Device(at(server)) as second:
        second.say(GOLDEN)
        second.hear(1)
    until(lambda: landing.said[-1] is None)
    assert landing.landed == [GOLDEN]


def test_stopping_lands_what_has_come(listen: Make, landing: Landing) -> None:
    """And answers it; a batch that waits for more does not hold it up."""
    server = listen(batch_seconds=1)
    with Device(at(server)) as terminal:
        terminal.say(GOLDEN)
        until(lambda: server.figures()["waiting_bytes"])
        server.stop(10)
        assert general(terminal.hear(1)[0]) == (0x8001, 7, 0x0200, 0)
        assert terminal.closed()
    assert landing.landed == [GOLDEN]


def test_stopping_does_not_wait_for_what_cannot_be_landed(listen: Make, landing: Landing) -> None:
    """It was never answered, so its terminal has it still."""
    landing.trouble = OSError(errno.ENOSPC, "No space left on device")
    server = listen()
    with Device(at(server)) as terminal:
        terminal.say(GOLDEN)
        until(lambda: landing.tried)
        server.stop(10)
        assert terminal.closed()
        assert terminal.heard == b""


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([GOLDEN, GOLDEN[:9], b"\x7e"])), max_size=6))
def test_whatever_is_sent_the_next_one_is_heard(listen: Make, landing: Landing, data: list[bytes]) -> None:
    """Random bytes, halves of frames, connections that end in the middle: nobody else notices."""
    server = listen()
    with Device(at(server)) as strange, Device(at(server)) as terminal:
        strange.say(*data)
        strange.socket.close()
        terminal.say(GOLDEN)
        assert general(terminal.hear(1)[0]) == (0x8001, 7, 0x0200, 0)
    server.stop(5)


# ── in a city ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_devices_of_a_city(database: Database, tmp_path: Path) -> None:
    """Positions and readings are in the lake when they are answered; what comes twice is stored once."""
    share = city(database, tmp_path)
    share.listen()
    try:
        terminals, monitors = share.addresses()["transport.position"], share.addresses()["ecology.reading"]
        assert terminals
        assert monitors
        with Device(terminals) as terminal, Device(monitors) as monitor:
            terminal.say(GOLDEN, position(0, 8, status=0x303, extras=bytes.fromhex("01040001e240")), b"junk\x7e")
            terminal.hear(2)
            assert current(share).num_rows == 1
            terminal.say(GOLDEN, position(30, 9))
            terminal.hear(4)
            assert current(share).num_rows == 2
            monitor.say(PACKET)
            monitor.hear(1, CR)
            monitor.say(PACKET)
            monitor.hear(2, CR)
            assert current(share, "emission_reading").num_rows == 2
        figures = share.listeners()["transport.position"]
        assert (figures["rows"], figures["bad"]) == (2, 1)
    finally:
        share.stop_listening()
    assert share.listeners() == {}
    assert share._lake.query("SELECT count(*) AS n FROM transport_position__versions")["n"].to_pylist() == [2]
    assert share.quarantine_counts(SYSTEM) == {"check": 1}
    (entry,), _ = share.quarantine(SYSTEM)
    assert entry.raw == b"\x7ejunk\x7e"
    with pytest.raises(Conflict):
        share.pull("transport.position")


def test_an_address_that_is_taken(database: Database, tmp_path: Path, clock: VirtualClock) -> None:
    """The source says so and is tried again; when the other one is gone it is heard."""
    first = city(database, tmp_path / "a")
    first.listen()
    taken = first.addresses()["transport.position"]
    assert taken is not None
    share = city(database, tmp_path / "b", port=taken[1])
    try:
        share.listen()
        states = {each["id"]: (each["state"], each["reason"]) for each in share.sources(SYSTEM)}
        state, reason = states["transport.position"]
        assert state == "failing"
        assert str(taken[1]) in str(reason)
        first.stop_listening()
        share.tick(clock.now())
        assert "transport.position" not in share.addresses()
        clock.advance_to(clock.now() + limits.LISTEN_AGAIN)
        share.tick(clock.now())
        assert taken in share.addresses().values()
    finally:
        first.stop_listening()
        share.stop_listening()
