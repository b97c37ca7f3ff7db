"""HJ 212-2017: the readings of pollution-source monitors.

A packet is ``##``, the length of the data segment as four digits, the segment, its CRC as four hexadecimal digits, and
CR LF. Decoded are real-time, minute, hour and day data (CN 2011, 2051, 2061, 2031), one row for each factor of a packet;
other packets are frames without rows. Times are local on the wire and UTC in the rows.
"""

from __future__ import annotations

import re
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.values import to_utc
from cityheart.share.wire.compiled import Bytes, Floats, Ints, compiled, inner
from cityheart.share.wire.frames import joined, raw, strings
from cityheart.share.wire.framing import Framer, Part, Rules
from cityheart.share.wire.jt808 import Decoded, Error

__all__ = ["PROBLEMS", "crc", "decode", "framer", "packet", "problem", "segment"]

DATA = (2011, 2051, 2061, 2031)

_GARBAGE, _LENGTH, _CRC, _FIELDS, _TIME, _NUMBER, _PARTS, _MISSING, _ASCII = range(1, 10)

PROBLEMS: dict[int, tuple[str, Text]] = {
    _GARBAGE: ("garbage", text("字节不在任何数据包内", "bytes outside of any packet")),
    _LENGTH: ("length", text("长度与包头所述不符", "the length is not what the packet says")),
    _CRC: ("check", text("CRC 校验不符", "the CRC is wrong")),
    _FIELDS: ("fields", text("缺少 MN、CN、CP 或 DataTime", "MN, CN, CP or DataTime is missing")),
    _TIME: ("time", text("DataTime 不是有效时间", "DataTime is no date and time")),
    _NUMBER: ("number", text("监测值不是数", "a value is no number")),
    _PARTS: ("part_missing", text("拆分包不完整", "parts of a divided packet are missing")),
    _MISSING: ("part_missing", text("拆分包不完整", "parts of a divided packet are missing")),
    _ASCII: ("encoding", text("数据段含有非 ASCII 字节", "the data segment holds bytes that are not ASCII")),
}
"""What can be wrong with a packet: the number the decoder uses, the code in quarantine, the words."""

_DIVIDED = re.compile(rb"(?:^|;)PNUM=(\d{1,5});PNO=(\d{1,5});")
_FLAG = re.compile(rb"(^|;)Flag=(\d{1,3});")
_COMPLETE = re.compile(rb"(?:^|[;,])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)?=[^=;,]+$")
_PAIR = re.compile(rb"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)?=")


def problem(number: int, item: int) -> tuple[str, Text]:
    """Code and words for an error."""
    return PROBLEMS[number]


def framer() -> Framer:
    """A framer of this protocol."""
    return Framer(Rules(cut, _marks, _divided, _part_of, limits.WIRE_PACKET_BYTES))


def crc(data: bytes) -> int:
    """The check value of a data segment."""
    return _crc(np.frombuffer(data, dtype=np.uint8), 0, len(data))


def packet(data: bytes) -> bytes:
    """A packet around a data segment."""
    return b"##%04d%s%04X\r\n" % (len(data), data, crc(data))


def segment(frame: bytes) -> bytes | None:
    """The data segment of a packet; None when the packet is damaged."""
    if len(frame) < 12 or frame[:2] != b"##" or frame[-2:] != b"\r\n" or not frame[2:6].isdigit():
        return None
    data = frame[6:-6]
    try:
        good = int(frame[2:6]) == len(data) and int(frame[-6:-2], 16) == crc(data)
    except ValueError:
        return None
    return data if good else None


def decode(frames: pa.ChunkedArray | pa.Array, zone: str = "Asia/Shanghai") -> Decoded:
    """The readings in a column of packets; their times are of ``zone``."""
    data, offsets = raw(frames)
    form = np.zeros(len(offsets) - 1, dtype=np.int64)
    rows, errors = _run(data, offsets, form, zone)
    if (errors[:, 2] == _PARTS).any():
        divided = errors[errors[:, 2] == _PARTS, 0].tolist()
        data, offsets, form = joined(data, offsets, divided, _whole, _MISSING)
        rows, errors = _run(data, offsets, form, zone)
    listed = [Error(frame, item, problem, number) for frame, item, problem, number in errors.tolist()]
    frame, number = (np.asarray(rows[name].to_numpy(), dtype=np.int64) for name in ("_frame", "_number"))
    return Decoded(rows.drop_columns(["_frame", "_number"]), frame, number, listed)


def _run(data: Bytes, offsets: Ints, form: Ints, zone: str) -> tuple[pa.Table, Ints]:
    room = _marks(data, ord("=")) + 1
    numbers = np.empty((5, room), dtype=np.int64)
    values = np.empty((4, room), dtype=np.float64)
    places = np.empty((8, room), dtype=np.int64)
    errors = np.empty((len(form), 4), dtype=np.int64)
    count, wrong = _decode(data, offsets, form, numbers, values, places, errors)
    numbers, values, places = numbers[:, :count], values[:, :count], places[:, :count]
    local = pa.array(numbers[0]).cast(pa.timestamp("us"))
    device, factor, flag, request = (strings(data, places[2 * i], places[2 * i + 1]) for i in range(4))
    columns = {
        "mn": device,
        "time": to_utc(local, ZoneInfo(zone).key),
        "cn": numbers[1],
        "factor": factor,
        "value": _optional(values[0]),
        "minimum": _optional(values[1]),
        "maximum": _optional(values[2]),
        "total": _optional(values[3]),
        "flag": flag,
        "qn": request,
        "st": pa.array(numbers[2], mask=numbers[2] < 0),
        "_frame": numbers[3],
        "_number": numbers[4],
    }
    return pa.table(columns), errors[:wrong]


def _optional(values: Floats) -> pa.Array:
    return pa.array(values, from_pandas=True)


# ── divided packets ────────────────────────────────────────────────────────────────────────────────────────────────


def _part_of(frame: bytes) -> Part | None:
    data = segment(frame)
    if data is None:
        return None
    head = data.partition(b"CP=&&")[0]
    found = _DIVIDED.search(head)
    if found is None:
        return None
    return re.sub(rb"(^|;)PNO=\d+;", rb"\1", head), int(found[2]), int(found[1])


def _whole(frames: bytes) -> bytes | None:
    """The data segment of a packet of which all parts are there, as if it had never been divided."""
    contents: dict[int, bytes] = {}
    names: set[bytes] = set()
    total = 0
    for piece in frames.split(b"\r\n"):
        if not piece:
            continue
        part = _part_of(piece + b"\r\n")
        data = segment(piece + b"\r\n")
        if part is None or data is None:
            return None
        name, number, total = part
        names.add(cast("bytes", name))
        contents[number] = data.partition(b"CP=&&")[2].removesuffix(b"&&")
    if len(names) != 1 or len(contents) != total:
        return None
    whole = b""
    for number in sorted(contents):
        more = contents[number]
        # cut between two pairs their separator is gone; cut anywhere else the pieces belong side by side
        between = whole and whole[-1:] not in b";," and more[:1] not in b";,"
        whole += (b";" if between and _COMPLETE.search(whole) and _PAIR.match(more) else b"") + more
    head = re.sub(rb"(^|;)PNUM=\d+;", rb"\1", names.pop())
    head = _FLAG.sub(lambda found: b"%sFlag=%d;" % (found[1], int(found[2]) & ~2), head)
    return head + b"CP=&&" + whole + b"&&"


# ── compiled ───────────────────────────────────────────────────────────────────────────────────────────────────────


@compiled
def _marks(data: Bytes, mark: int = 35) -> int:
    count = 0
    for p in range(len(data)):
        if data[p] == mark:
            count += 1
    return count + len(data) // 1_000


@compiled
def _crc(data: Bytes, start: int, end: int) -> int:
    value = 0xFFFF
    for p in range(start, end):
        value = (value >> 8) ^ data[p]
        for _ in range(8):
            low = value & 1
            value >>= 1
            if low:
                value ^= 0xA001
    return value


@inner
def _declared(data: Bytes, start: int, end: int) -> int:
    """The length that a packet gives for its data segment, or -1."""
    if end - start < 6:
        return -1
    length = 0
    for p in range(start + 2, start + 6):
        if data[p] < 48 or data[p] > 57:
            return -1
        length = length * 10 + data[p] - 48
    return length


@compiled
def cut(
    data: Bytes, offsets: Ints, owner: Ints, longest: int, starts: Ints, ends: Ints, closed: Ints, tails: Ints
) -> int:
    """Packets from ## to the CR LF where their length says it is, or to the next ##; what lies between alone."""
    count, group, first, chunks = 0, 0, 0, len(owner)
    while first < chunks:
        last = first
        while last < chunks and owner[last] == owner[first]:
            last += 1
        start, chunk, finish = offsets[first], first, offsets[last]
        opened, blank, least = False, True, 0
        for p in range(start, finish):
            while p >= offsets[chunk + 1]:
                chunk += 1
            # of a run of # the last two are the mark; at the end of what has come it shows later
            mark = data[p] == 35 and p + 2 < finish and data[p + 1] == 35 and data[p + 2] != 35
            if mark:
                if p > start and not blank:
                    starts[count], ends[count] = start, p
                    closed[count] = chunk
                    while p + 2 >= offsets[closed[count] + 1]:
                        closed[count] += 1
                    count += 1
                start, opened, blank, least = p, True, False, 0
                continue
            if blank and not opened:
                if data[p] == 13 or data[p] == 10:
                    continue
                start, blank = p, False  # line ends between packets are nothing
            if opened and p == start + 5:
                length = _declared(data, start, p + 1)
                least = start + 6 + length + 4 if length >= 0 else 0
            if opened and data[p] == 10 and data[p - 1] == 13 and p >= start + 6 and p > least:
                starts[count], ends[count], closed[count] = start, p + 1, chunk
                count += 1
                start, opened, blank = p + 1, False, True
            elif p - start >= longest:
                if not blank:
                    starts[count], ends[count], closed[count] = start, p, chunk
                    count += 1
                start, opened, blank = p, False, data[p] == 13 or data[p] == 10
        tails[group, 0], tails[group, 1] = (finish if blank else start), finish
        group += 1
        first = last
    return count


@compiled
def _divided(data: Bytes, offsets: Ints) -> Ints:
    """Packets that name a number of parts."""
    found = np.empty(len(offsets) - 1, dtype=np.int64)
    count = 0
    for frame in range(len(offsets) - 1):
        for p in range(offsets[frame], min(offsets[frame + 1], offsets[frame] + 256) - 5):
            if data[p] == 67 and data[p + 1] == 80 and data[p + 2] == 61:  # CP=
                break
            if data[p] == 80 and data[p + 1] == 78 and data[p + 2] == 85 and data[p + 3] == 77 and data[p + 4] == 61:
                found[count] = frame
                count += 1
                break
    return found[:count]


@inner
def _digits(data: Bytes, start: int, end: int) -> int:
    """A whole number of plain digits, or -1."""
    if end <= start or end - start > 18:
        return -1
    value = 0
    for p in range(start, end):
        if data[p] < 48 or data[p] > 57:
            return -1
        value = value * 10 + data[p] - 48
    return value


@inner
def _moment(data: Bytes, start: int, end: int) -> int:
    """Microseconds since 1970 of a wall clock, from YYYYMMDDhhmmss, or -1."""
    if end - start != 14 or _digits(data, start, end) < 0:
        return -1
    year, month, day = (
        _digits(data, start, start + 4), _digits(data, start + 4, start + 6), _digits(data, start + 6, start + 8),
    )  # fmt: skip
    hour, minute, second = (
        _digits(data, start + 8, start + 10), _digits(data, start + 10, start + 12), _digits(data, start + 12, end),
    )  # fmt: skip
    if year < 1970 or month < 1 or month > 12 or day < 1 or hour > 23 or minute > 59 or second > 59:
        return -1
    longest = 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
    if month == 2:
        longest = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    if day > longest:
        return -1
    # days since 1970-01-01 by counting from 1 March (Howard Hinnant, chrono-compatible date algorithms)
    y = year - 1 if month <= 2 else year
    shifted = month - 3 if month > 2 else month + 9
    days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * shifted + 2) // 5 + day - 1 - 719_468
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000


@inner
def _value(data: Bytes, start: int, end: int) -> float:
    """A decimal number; NaN for nothing, infinity for what is no number."""
    if end <= start:
        return np.nan
    p, sign = start, 1.0
    if data[p] == 43 or data[p] == 45:
        sign = -1.0 if data[p] == 45 else 1.0
        p += 1
    whole, digits, places, seen, point = 0, 0, 0, False, False
    while p < end and (data[p] == 46 or 48 <= data[p] <= 57):
        if data[p] == 46:
            if point:
                return np.inf
            point = True
        else:
            seen = True
            if digits < 18:
                whole = whole * 10 + data[p] - 48
                digits += 1 if whole else 0
                places += 1 if point else 0
            elif not point:
                return np.inf
        p += 1
    if not seen or p < end:
        return np.inf
    return sign * (whole / 10.0**places)


@inner
def _factor_row(data: Bytes, places: Ints, begin: int, row: int, start: int, end: int) -> int:
    """The row of a factor among those of the packet, ``row`` when it has none yet."""
    for known in range(row - 1, begin - 1, -1):
        if places[3, known] - places[2, known] != end - start:
            continue
        same = True
        for i in range(end - start):
            if data[places[2, known] + i] != data[start + i]:
                same = False
                break
        if same:
            return known
    return row


@inner
def _bounds(data: Bytes, start: int, end: int, form: int) -> tuple[int, int]:
    """Where the data segment lies; a start below 0 says what is wrong."""
    if form > 1:
        return -form, 0
    if form == 1:
        return start, end
    if end - start < 2 or data[start] != 35 or data[start + 1] != 35:
        return -1, 0
    length = _declared(data, start, end)
    if length >= 0 and end - start > length + 12 and data[start + length + 12] == 35:
        return -7, 0  # the parts of a divided packet
    if length < 0 or end - start != length + 12 or data[end - 2] != 13 or data[end - 1] != 10:
        return -2, 0
    said = 0
    for p in range(end - 6, end - 2):
        byte = data[p]
        if 48 <= byte <= 57:
            said = said * 16 + byte - 48
        elif 65 <= byte <= 70 or 97 <= byte <= 102:
            said = said * 16 + (byte & 0xDF) - 55
        else:
            return -3, 0
    if said != _crc(data, start + 6, end - 6):
        return -3, 0
    for p in range(start + 6, end - 6):
        if data[p] > 126 or data[p] < 32:
            return -9, 0
    return start + 6, end - 6


@compiled
def _decode(
    data: Bytes, offsets: Ints, form: Ints, numbers: Ints, values: Floats, places: Ints, errors: Ints
) -> tuple[int, int]:
    """Rows of all packets; how many rows and how many errors there are."""
    row, wrong, number = 0, 0, 0
    for frame in range(len(form)):
        begin = row
        start, end = _bounds(data, offsets[frame], offsets[frame + 1], form[frame])
        row = _packet(data, start, end, numbers, values, places, row) if start >= 0 else start
        if row < 0:
            number += 1
            errors[wrong, 0], errors[wrong, 1], errors[wrong, 2], errors[wrong, 3] = frame, 0, -row, number
            wrong += 1
            row = begin
            continue
        for each in range(begin, row):
            number += 1
            numbers[3, each], numbers[4, each] = frame, number
    return row, wrong


@inner
def _packet(data: Bytes, start: int, end: int, numbers: Ints, values: Floats, places: Ints, row: int) -> int:
    """Reads one data segment into rows; the row after the last, or minus what is wrong."""
    begin = row
    device, device_end, request, request_end, system, command = -1, -1, -1, -1, -1, -1
    moment, inside, divided = -1, False, False
    p = start
    while p < end:
        if not inside and data[p] == 67 and p + 5 <= end and data[p + 1] == 80 and data[p + 3] == 38:  # CP=&&
            inside = True
            p += 5
            continue
        if inside and data[p] == 38:  # && at the end
            break
        stop, equals, dash = p, -1, -1
        while stop < end and data[stop] != 59 and not (inside and (data[stop] == 44 or data[stop] == 38)):
            if equals < 0 and data[stop] == 61:
                equals = stop
            elif equals < 0 and data[stop] == 45:
                dash = stop
            stop += 1
        if equals >= 0:
            size = equals - p
            first = data[p]
            if not inside:
                if size == 2 and first == 77 and data[p + 1] == 78:  # MN
                    device, device_end = equals + 1, stop
                elif size == 2 and first == 81 and data[p + 1] == 78:  # QN
                    request, request_end = equals + 1, stop
                elif size == 2 and first == 83 and data[p + 1] == 84:  # ST
                    system = _digits(data, equals + 1, stop)
                elif size == 2 and first == 67 and data[p + 1] == 78:  # CN
                    command = _digits(data, equals + 1, stop)
                elif size == 4 and first == 70:  # Flag
                    divided = (_digits(data, equals + 1, stop) & 2) != 0 and _digits(data, equals + 1, stop) >= 0
            elif size == 8 and first == 68 and dash < 0 and data[p + 4] == 84:  # DataTime
                moment = _moment(data, equals + 1, stop)
                if moment < 0:
                    return -5
            elif dash > p:
                at = _factor_row(data, places, begin, row, p, dash)
                kind = _kind(data, dash + 1, equals)
                if kind >= 0:
                    if at == row:
                        row += 1
                        for each in range(4):
                            values[each, at] = np.nan
                        places[2, at], places[3, at], places[4, at], places[5, at] = p, dash, -1, -1
                    if kind == 4:
                        places[4, at], places[5, at] = equals + 1, stop
                    else:
                        value = _value(data, equals + 1, stop)
                        if value == np.inf:
                            return -6
                        values[kind, at] = value
        p = stop + 1
    if command != 2011 and command != 2051 and command != 2061 and command != 2031:
        return begin if command >= 0 else -4
    if divided:
        return -7
    if device < 0 or device_end <= device or not inside or moment < 0:
        return -4
    for each in range(begin, row):
        numbers[0, each], numbers[1, each], numbers[2, each] = moment, command, system
        places[0, each], places[1, each] = device, device_end
        places[6, each], places[7, each] = request, request_end
    return row


@inner
def _kind(data: Bytes, start: int, end: int) -> int:
    """What a pair says of its factor: 0 the value, 1 minimum, 2 maximum, 3 total, 4 flag, -1 anything else."""
    if end - start == 4:
        return 4 if data[start] == 70 and data[start + 1] == 108 and data[start + 2] == 97 else -1  # Flag
    if end - start != 3:
        return -1
    a, b, c = data[start], data[start + 1], data[start + 2]
    if (a == 82 and b == 116 and c == 100) or (a == 65 and b == 118 and c == 103):  # Rtd, Avg
        return 0
    if a == 77 and b == 105 and c == 110:  # Min
        return 1
    if a == 77 and b == 97 and c == 120:  # Max
        return 2
    return 3 if a == 67 and b == 111 and c == 117 else -1  # Cou
