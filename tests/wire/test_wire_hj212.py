"""HJ 212: from a stream of bytes to readings, whatever happens to the stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.share.wire import hj212

from .scene import BEGIN, PACKET, reading

Row = dict[str, object]
MN = "320600A8900016F000169DC0"


def rows(*packets: bytes, zone: str = "Asia/Shanghai") -> tuple[list[Row], list[str]]:
    """The readings of packets and the codes of what is wrong."""
    decoded = hj212.decode(pa.array(packets, pa.binary()), zone)
    return decoded.rows.to_pylist(), [hj212.problem(each.problem, 0)[0] for each in decoded.errors]


def framed(*pieces: bytes) -> list[bytes]:
    """The packets of one connection that reads these pieces."""
    framer = hj212.framer()
    found: list[bytes] = []
    for piece in pieces:
        framer.feed(BEGIN, 1, piece)
        found += framer.take()["frame"].to_pylist()
    return found


def packet(head: str, cp: str) -> bytes:
    return hj212.packet(f"{head}CP=&&{cp}&&".encode())


HEAD = f"QN=20260701120000000;ST=32;CN=2011;PW=123456;MN={MN};Flag=5;"


def test_the_golden_packet() -> None:
    """The packet and the check value of the protocol's description."""
    known = b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
    assert hj212.crc(known) == 0x1C80
    common = {
        "mn": MN, "time": datetime(2026, 7, 1, 4, tzinfo=UTC), "cn": 2011, "minimum": None, "maximum": None,
        "total": None, "flag": "N", "qn": "20260701120000000", "st": 32,
    }  # fmt: skip
    found, errors = rows(PACKET)
    assert errors == []
    assert found == [{**common, "factor": "w00000", "value": 12.5}, {**common, "factor": "w01018", "value": 88.2}]
    assert rows(reading())[0] == found


def test_minute_data_in_groups() -> None:
    """Minimum, average, maximum and total of each factor, in groups of their own or together."""
    cp = "DataTime=20260701121000;w01018-Min=1,w01018-Avg=2.5,w01018-Max=4,w01018-Flag=N;w00000-Cou=7500,w00000-Avg=-.5"
    found, errors = rows(packet(HEAD.replace("2011", "2051"), cp))
    assert errors == []
    shown = [
        (each["cn"], each["factor"], each["value"], each["minimum"], each["maximum"], each["total"]) for each in found
    ]
    assert shown == [(2051, "w01018", 2.5, 1.0, 4.0, None), (2051, "w00000", -0.5, None, None, 7500.0)]
    assert [each["flag"] for each in found] == ["N", None]
    assert found[0]["time"] == datetime(2026, 7, 1, 4, 10, tzinfo=UTC)


def test_the_time_is_the_devices_own() -> None:
    """Of the zone that the source names."""
    assert rows(PACKET, zone="UTC")[0][0]["time"] == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_other_commands_are_no_rows_and_no_errors() -> None:
    """Answers, notices, device messages."""
    assert rows(packet(HEAD.replace("2011", "9014"), ""), packet(HEAD.replace("2011", "3019"), "PolId=x")) == ([], [])


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (PACKET[:-6] + b"3241\r\n", "check"),
        (PACKET[:-6] + b"zzzz\r\n", "check"),
        (PACKET.replace(b"##0170", b"##0171"), "length"),
        (PACKET.replace(b"##0170", b"##9999"), "length"),
        (PACKET.replace(b"##0170", b"##0017"), "length"),
        (PACKET.replace(b"##0170", b"##x170"), "length"),
        (PACKET.replace(b"88.2", b"89.2"), "check"),
        (packet(HEAD.replace("MN=", "NM="), "DataTime=20260701120000;a-Rtd=1"), "fields"),
        (packet(HEAD, "a-Rtd=1"), "fields"),
        (hj212.packet(HEAD.encode()), "fields"),
        (packet(HEAD, "DataTime=20260230120000;a-Rtd=1"), "time"),
        (packet(HEAD, "DataTime=2026070112;a-Rtd=1"), "time"),
        (packet(HEAD, "DataTime=20260701120000;a-Rtd=1.2.3"), "number"),
        (packet(HEAD, "DataTime=20260701120000;a-Rtd=abc"), "number"),
        (hj212.packet(HEAD.encode() + "CP=&&DataTime=20260701120000;浓度-Rtd=1&&".encode()), "encoding"),
        (packet(HEAD.replace("Flag=5", "Flag=7;PNUM=2;PNO=1"), "DataTime=20260701120000;a-Rtd=1"), "part_missing"),
        (b"GET / HTTP/1.1\r\n", "garbage"),
    ],
)  # fmt: skip
def test_a_bad_packet_is_dropped_alone(bad: bytes, code: str) -> None:
    """With its reason, as one piece; what stands before and after it is read."""
    pieces = framed(reading(1), bad, reading(2), reading(3))
    if code == "part_missing":
        pieces.insert(1, bad)  # it would be waited for
    found, errors = rows(*pieces)
    assert errors == [code]
    assert sorted({str(each["time"]) for each in found}) == [str(BEGIN + timedelta(seconds=i)) for i in (1, 2, 3)]


def test_a_value_left_empty_is_no_value() -> None:
    """The flag says why; the row stays."""
    (found,), errors = rows(packet(HEAD, "DataTime=20260701120000;w01018-Rtd=,w01018-Flag=D"))
    assert (errors, found["value"], found["flag"]) == ([], None, "D")


def test_a_stream_cut_anywhere_gives_the_same_packets() -> None:
    """Byte by byte, and in two pieces at every place; line ends between packets are nothing."""
    stream = b"noise" + PACKET + b"\r\n\r\n" + reading(1) + b"junk#" + reading(2) + PACKET
    whole = framed(stream)
    assert whole == [b"noise", PACKET, reading(1), b"junk#", reading(2), PACKET]
    assert framed(*(stream[i : i + 1] for i in range(len(stream)))) == whole
    for at in range(0, len(stream), 11):
        assert framed(stream[:at], stream[at:]) == whole


@pytest.mark.parametrize("cut", [7, 24, 31, 45, 46, 47, 60])
def test_a_divided_packet_is_put_together(cut: int) -> None:
    """Wherever its data is cut, also between two pairs, and in whatever order the parts come."""
    data = "DataTime=20260701120000;w00000-Rtd=12.5,w00000-Flag=N;w01018-Rtd=88.2,w01018-Flag=N"
    first, second = data[:cut], data[cut:]
    parts = [
        packet(HEAD.replace("Flag=5", f"Flag=7;PNUM=2;PNO={number}"), part)
        for number, part in ((1, first), (2, second))
    ]  # fmt: skip
    for order in (parts, parts[::-1]):
        pieces = framed(order[0], reading(60), order[1])
        found, errors = rows(*pieces)
        assert errors == []
        assert [(each["factor"], each["value"]) for each in found if each["time"] == BEGIN] == [
            ("w00000", 12.5), ("w01018", 88.2),
        ]  # fmt: skip


def test_parts_cut_between_pairs_lose_no_separator() -> None:
    """Devices that leave the separator out at the cut are understood."""
    parts = [
        packet(HEAD.replace("Flag=5", f"Flag=7;PNUM=2;PNO={number}"), part)
        for number, part in ((1, "DataTime=20260701120000;w00000-Rtd=12.5"), (2, "w01018-Rtd=88.2"))
    ]  # fmt: skip
    found, errors = rows(*framed(*parts))
    assert (errors, [(each["factor"], each["value"]) for each in found]) == ([], [("w00000", 12.5), ("w01018", 88.2)])


noise = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([PACKET, PACKET[:50], b"##", b"#", b"\r\n", b"##0000", reading(3)]),
)


@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(noise, max_size=12), cut=st.integers(1, 60))
def test_no_byte_is_lost_and_nothing_breaks(pieces: list[bytes], cut: int) -> None:
    """Every byte but line ends comes out, in order; however the stream is cut, the same packets."""
    stream = b"".join(pieces)
    framer = hj212.framer()
    found: list[bytes] = []
    for start in range(0, len(stream), cut):
        framer.feed(BEGIN, 1, stream[start : start + cut])
        found += framer.take()["frame"].to_pylist()
    assert found == framed(stream)
    out = b"".join([*found, *framer.rest(BEGIN)["frame"].to_pylist()])
    assert out.translate(None, b"\r\n") == stream.translate(None, b"\r\n")
    decoded = hj212.decode(pa.array(found, pa.binary()))
    assert sorted([*decoded.number.tolist(), *(each.number for each in decoded.errors)]) == list(
        range(1, decoded.rows.num_rows + len(decoded.errors) + 1)
    )


@settings(max_examples=40, deadline=None)
@given(cp=st.text(st.sampled_from("DataTime=20260701;,-&=RtdFlagCouMinAvgMax0123456789.#"), max_size=120))
def test_any_data_is_rows_or_an_error(cp: str) -> None:
    """A sound packet with whatever in it."""
    made = packet(HEAD, cp)
    decoded = hj212.decode(pa.array([PACKET, made, packet(HEAD, "DataTime=20260701120000;" + cp), PACKET]))
    assert decoded.frame.tolist()[:2] == [0, 0]
    assert decoded.frame.tolist()[-2:] == [3, 3]


@settings(max_examples=40, deadline=None)
@given(value=st.decimals(-(10**9), 10**9, places=4), at=st.datetimes(datetime(1990, 1, 2), datetime(2099, 1, 1)))
def test_what_a_device_says_is_what_is_read(value: object, at: datetime) -> None:
    """There and back for any value and time."""
    (found,), errors = rows(packet(HEAD, f"DataTime={at:%Y%m%d%H%M%S};a21026-Rtd={value}"), zone="UTC")
    assert errors == []
    assert found["value"] == float(str(value))
    assert found["time"] == at.replace(microsecond=0, tzinfo=UTC)
