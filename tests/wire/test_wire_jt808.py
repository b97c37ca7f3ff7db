"""JT/T 808: from a stream of bytes to positions, whatever happens to the stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.share.formats import Reading, decode
from cityheart.share.models import Refused
from cityheart.share.wire import jt808
from cityheart.share.wire.frames import CHUNKS, delivery

from .scene import BEGIN, GOLDEN, PHONE, batch, message, place, position

Row = dict[str, object]


def rows(*frames: bytes) -> tuple[list[Row], list[str]]:
    """The positions of frames and the codes of what is wrong, each as it lands."""
    decoded = jt808.decode(pa.array(frames, pa.binary()))
    return decoded.rows.to_pylist(), [jt808.problem(each.problem, each.item)[0] for each in decoded.errors]


def framed(*pieces: bytes) -> list[bytes]:
    """The frames of one connection that reads these pieces."""
    framer = jt808.framer()
    found: list[bytes] = []
    for piece in pieces:
        framer.feed(BEGIN, 1, piece)
        found += framer.take()["frame"].to_pylist()
    return found


def test_the_golden_frame() -> None:
    """The frame of the protocol's description, field by field."""
    found, errors = rows(GOLDEN)
    assert errors == []
    assert found == [
        {
            "terminal_phone": "13912345678", "time": datetime(2026, 7, 1, 4, tzinfo=UTC), "serial": 7,
            "lon": 121.054321, "lat": 32.044123, "altitude_m": 5, "speed_kmh": 62.3, "direction": 87, "alarm": 0,
            "status": 0x303, "ignition": True, "valid": True, "load": 3, "mileage_km": 12345.6, "fuel_l": None,
            "supplement": False, "version": 2019,
        }
    ]  # fmt: skip


def test_the_format_of_2013() -> None:
    """Six bytes of phone number and no version byte."""
    found, errors = rows(position(5, 65_535, old=True))
    assert errors == []
    assert (found[0]["terminal_phone"], found[0]["version"], found[0]["serial"]) == (PHONE, 2013, 65_535)
    assert found[0]["time"] == BEGIN + timedelta(seconds=5)


def test_longer_numbers_keep_their_digits() -> None:
    """Leading zeros go down to eleven digits, no further."""
    (long, short), _ = rows(position(phone="86139123456789"), position(phone="00000000042"))
    assert (long["terminal_phone"], short["terminal_phone"]) == ("86139123456789", "00000000042")


def test_south_and_west_are_negative_and_extras_are_read() -> None:
    """Status bits 2 and 3; fuel; an extra that nobody knows is passed over."""
    extras = bytes.fromhex("0202 03e8 3001 17 0104 0000000a")
    (found,), _ = rows(position(lon=-70.5, lat=-33.25, status=0b1100, extras=extras))
    assert (found["lon"], found["lat"], found["fuel_l"], found["mileage_km"]) == (-70.5, -33.25, 100.0, 1.0)
    assert (found["ignition"], found["valid"], found["load"]) == (False, False, 0)


def test_a_batch_and_its_one_bad_position() -> None:
    """A backlog in one message; a position with a wrong time is left out alone, and is named."""
    broken = bytearray(place(BEGIN + timedelta(seconds=30)))
    broken[23] = 0x13  # a thirteenth month
    frame = message(0x0704, batch([place(BEGIN), bytes(broken), place(BEGIN + timedelta(seconds=60))]), 9)
    decoded = jt808.decode(pa.array([GOLDEN, frame]))
    assert decoded.number.tolist() == [1, 2, 4]
    assert [(each.frame, each.item, each.number) for each in decoded.errors] == [(1, 2, 3)]
    assert jt808.problem(decoded.errors[0].problem, 2)[0] == "bcd"
    assert decoded.rows["supplement"].to_pylist() == [False, True, True]
    (normal,), _ = rows(message(0x0704, batch([place()], kind=0)))
    assert normal["supplement"] is False


def changed(frame: bytes, at: int, value: int) -> bytes:
    """A frame with another byte in its content, and the check byte that belongs to it."""
    content = jt808.unescaped(frame)
    assert content is not None
    return jt808.escaped(content[:at] + bytes([value]) + content[at + 1 : -1])


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (GOLDEN[:-2] + b"\xdf\x7e", "check"),
        (GOLDEN[:20] + b"\x7d\x03" + GOLDEN[20:], "escape"),
        (changed(GOLDEN, 3, 0x21), "length"),
        (message(0x0200, place()[:27]), "length"),
        (position(extras=b"\x01\x04\x00"), "length"),
        (message(0x0704, batch([place()]) + b"\x00"), "length"),
        (message(0x0704, b"\x00\x02\x00" + batch([place()])[3:]), "length"),
        (changed(GOLDEN, 2, 0x44), "encrypted"),
        (changed(GOLDEN, 8, 0x1A), "bcd"),
        (changed(GOLDEN, 17 + 22, 0xF0), "bcd"),
        (changed(changed(GOLDEN, 17 + 23, 0x02), 17 + 24, 0x30), "bcd"),  # 30 February
        (position(lat=90.000001), "position"),
        (position(lon=180.000001), "position"),
        (b"\x7e\x02\x00\x02\x7e", "short"),
        (b"GET / HTTP/1.1", "garbage"),
        (b"\x7e", "garbage"),
    ],
)
def test_a_bad_frame_is_dropped_alone(frame: bytes, code: str) -> None:
    """With its reason; what stands before and after it is read."""
    found, errors = rows(position(1), frame, position(2))
    assert errors == [code]
    assert [each["time"] for each in found] == [BEGIN + timedelta(seconds=1), BEGIN + timedelta(seconds=2)]


def test_other_messages_are_no_rows_and_no_errors() -> None:
    """Registrations, heartbeats, and what nobody knows."""
    assert rows(message(0x0002, b""), message(0x0100, b"x" * 40), message(0x0F01, b"")) == ([], [])


def test_a_stream_cut_anywhere_gives_the_same_frames() -> None:
    """Byte by byte, and in two pieces at every place; junk between the frames is a piece of its own."""
    stream = b"noise" + GOLDEN + position(status=0x7D7E) + b"junk" + GOLDEN + GOLDEN[1:] + b"\x7e\x7e" + GOLDEN
    whole = framed(stream)
    assert whole == [b"noise", GOLDEN, position(status=0x7D7E), b"\x7ejunk\x7e", GOLDEN, GOLDEN, GOLDEN]
    assert framed(*(stream[i : i + 1] for i in range(len(stream)))) == whole
    assert framed(*stream.partition(b"junk")) == whole
    for at in range(0, len(stream), 7):
        assert framed(stream[:at], stream[at:]) == whole


def test_connections_do_not_mix() -> None:
    """Halves of frames that come by turns on many connections belong to their own."""
    framer = jt808.framer()
    frames = {number: position(number, phone=f"139{number:08}") for number in range(1, 40)}
    pieces = [
        (number, half)
        for cut in (0, 1)
        for number in frames
        for half in [frames[number][cut * 20 :][: 20 if not cut else None]]
    ]
    chunks = pa.table(
        [
            pa.array([BEGIN] * len(pieces), CHUNKS.field(0).type),
            pa.array([n for n, _ in pieces], pa.int32()),
            pa.array([p for _, p in pieces]),
        ],
        schema=CHUNKS,
    )
    found = framer.frames(chunks.slice(0, 50)), framer.frames(chunks.slice(50))
    table = pa.concat_tables(found)
    assert dict(zip(table["connection"].to_pylist(), table["frame"].to_pylist(), strict=True)) == frames
    assert table["connection"].to_pylist() == list(frames)


def test_a_stream_without_marks_does_not_fill_the_memory() -> None:
    """It comes out in pieces, and the frames after it are read."""
    found = framed(*[b"\x00" * 1_000] * 50, GOLDEN)
    assert found[-1] == GOLDEN
    assert sum(map(len, found)) == 50_000 + len(GOLDEN)


def test_a_connection_that_ends_leaves_nothing_behind() -> None:
    """Its half frame is forgotten; what never became whole can be had at the end."""
    framer = jt808.framer()
    framer.feed(BEGIN, 1, GOLDEN[:20])
    framer.feed(BEGIN, 2, GOLDEN[:30])
    assert framer.take().num_rows == 0
    assert framer.close(1) == 20
    assert framer.rest(BEGIN)["frame"].to_pylist() == [GOLDEN[:30]]
    assert framer.rest(BEGIN).num_rows == 0


def test_a_divided_message_is_put_together() -> None:
    """In whatever order its parts come, beside other messages; each part alone says nothing."""
    places = [place(BEGIN + timedelta(seconds=30 * i)) for i in range(60)]
    body = batch(places)
    parts = [body[i : i + 700] for i in range(0, len(body), 700)]
    frames = [message(0x0704, part, 100 + i, part=(len(parts), i + 1)) for i, part in enumerate(parts)]
    found, errors = rows(*framed(frames[2], GOLDEN, frames[0], *frames[3:], frames[1], position(7)))
    assert errors == []
    assert len(found) == 62
    assert {each["time"] for each in found} >= {BEGIN + timedelta(seconds=30 * i) for i in range(60)}
    assert rows(frames[0]) == ([], ["part_missing"])


def test_parts_that_never_come_are_not_waited_for_without_end() -> None:
    """After some minutes the others are handed over, as what they are."""
    framer = jt808.framer()
    lone = message(0x0704, b"\x00" * 50, 5, part=(3, 2))
    framer.feed(BEGIN, 1, lone)
    assert framer.take().num_rows == 0
    framer.feed(BEGIN + timedelta(minutes=5), 2, GOLDEN)
    found = framer.take()["frame"].to_pylist()
    assert found == [GOLDEN, lone]
    assert rows(*found)[1] == ["part_missing"]


def test_a_recording_is_a_delivery() -> None:
    """Frames in an Arrow stream: rows, pieces with their bytes, running numbers."""
    frames = jt808.framer()
    frames.feed(BEGIN, 1, position(1) + b"junk" + position(2))
    one = delivery("d", BEGIN, frames.take(), "jt808")
    (made,) = decode(one.name, one.payload, one.format, Reading(frozenset()))
    assert made.table.num_rows == 2
    assert made.rows.tolist() == [1, 3]
    assert [(each.row, each.code, each.raw) for each in made.malformed] == [(2, "check", b"\x7ejunk\x7e")]


def test_a_recording_that_is_none_is_refused() -> None:
    """Other columns, a frame without a time, bytes that are no recording."""
    for table in (
        pa.table({"frame": [GOLDEN]}),
        pa.table({"at": ["now"], "frame": [GOLDEN]}),
        pa.table({"at": pa.array([BEGIN], CHUNKS.field(0).type), "frame": ["text"]}),
        pa.table({"at": pa.array([None], CHUNKS.field(0).type), "frame": [GOLDEN]}),
    ):
        one = delivery("d", BEGIN, table, "jt808")
        with pytest.raises(Refused):
            list(decode(one.name, one.payload, one.format, Reading(frozenset())))
    with pytest.raises(Refused):
        list(decode("d", b"nothing of the sort", "jt808", Reading(frozenset())))


# ── anything at all ────────────────────────────────────────────────────────────────────────────────────────────────

noise = st.one_of(st.binary(max_size=40), st.sampled_from([GOLDEN, GOLDEN[:30], b"\x7e\x7e", b"\x7d", position(3)]))


@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(noise, max_size=12), cuts=st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_no_byte_is_lost_and_nothing_breaks(pieces: list[bytes], cuts: list[int]) -> None:
    """Every byte but the marks comes out, in order; however the stream is cut, the same frames."""
    stream = b"".join(pieces)
    cut: list[bytes] = []
    rest = stream
    for turn in range(len(stream)):
        size = cuts[turn % len(cuts)]
        if not rest:
            break
        cut.append(rest[:size])
        rest = rest[size:]
    framer = jt808.framer()
    found: list[bytes] = []
    for piece in cut:
        framer.feed(BEGIN, 1, piece)
        found += framer.take()["frame"].to_pylist()
    assert found == framed(stream)
    out = b"".join([*found, *framer.rest(BEGIN)["frame"].to_pylist()])
    assert out.replace(b"\x7e", b"") == stream.replace(b"\x7e", b"")
    decoded = jt808.decode(pa.array(found, pa.binary()))
    assert sorted([*decoded.number.tolist(), *(each.number for each in decoded.errors)]) == list(
        range(1, decoded.rows.num_rows + len(decoded.errors) + 1)
    )


@settings(max_examples=40, deadline=None)
@given(
    body=st.binary(max_size=80), id=st.sampled_from([0x0200, 0x0704]), old=st.booleans(),
    flip=st.tuples(st.integers(0, 200), st.integers(1, 255)),
)  # fmt: skip
def test_any_body_is_a_row_or_an_error(body: bytes, id: int, old: bool, flip: tuple[int, int]) -> None:
    """And a frame with any byte changed, too; its neighbours do not notice."""
    frame = bytearray(message(id, body, old=old))
    for changed_frame in (
        bytes(frame),
        bytes(b ^ flip[1] if i == flip[0] % len(frame) else b for i, b in enumerate(frame)),
    ):
        decoded = jt808.decode(pa.array([GOLDEN, changed_frame, GOLDEN]))
        assert decoded.frame.tolist()[0] == 0
        assert decoded.frame.tolist()[-1] == 2
        for row in decoded.rows.to_pylist():
            assert abs(row["lat"]) <= 90
            assert abs(row["lon"]) <= 180


@settings(max_examples=40, deadline=None)
@given(
    lon=st.integers(-180_000_000, 180_000_000), lat=st.integers(-90_000_000, 90_000_000),
    at=st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)), serial=st.integers(0, 65_535),
    speed=st.integers(0, 65_535), phone=st.from_regex(r"1[0-9]{10}", fullmatch=True), old=st.booleans(),
)  # fmt: skip
def test_what_a_terminal_says_is_what_is_read(
    lon: int, lat: int, at: datetime, serial: int, speed: int, phone: str, old: bool
) -> None:
    """There and back for any position."""
    at = at.replace(microsecond=0, tzinfo=UTC)
    status = (4 if lat < 0 else 0) | (8 if lon < 0 else 0)
    body = place(at, lon=lon / 1e6, lat=lat / 1e6, status=status, speed=speed / 10)
    (found,), errors = rows(message(0x0200, body, serial, phone=phone, old=old))
    assert errors == []
    assert (found["lon"], found["lat"]) == (lon / 1e6, lat / 1e6)
    assert (found["time"], found["serial"], found["terminal_phone"]) == (at, serial, phone)
    assert found["speed_kmh"] == speed / 10
