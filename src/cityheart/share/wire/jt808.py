"""JT/T 808-2019 and 2013: the positions of vehicle terminals.

Frames are ``0x7E`` escaped(header, body, check byte) ``0x7E``. Decoded are position reports (0x0200) and batches of them
(0x0704); other messages are frames without rows. Positions are WGS84 as the terminal gives them, times UTC. What is
wrong with a frame is told by ``PROBLEMS``; a batch with one bad position loses that position only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.wire.compiled import Bytes, Ints, compiled, inner
from cityheart.share.wire.frames import joined, raw, strings
from cityheart.share.wire.framing import Framer, Part, Rules

__all__ = ["PROBLEMS", "Decoded", "Error", "decode", "escaped", "framer", "problem", "unescaped"]

MARK = 0x7E
POSITION, BATCH = 0x0200, 0x0704

# columns of the decoder's whole numbers
_TIME, _SERIAL, _LON, _LAT, _ALTITUDE, _SPEED, _DIRECTION, _ALARM, _STATUS = range(9)
_MILEAGE, _FUEL, _SUPPLEMENT, _VERSION, _FRAME, _NUMBER = range(9, 15)
_COLUMNS = 15

_GARBAGE, _SHORT, _ESCAPE, _CHECK, _LENGTH, _ENCRYPTED, _BCD, _PLACE, _PARTS, _MISSING = range(1, 11)

PROBLEMS: dict[int, tuple[str, Text]] = {
    _GARBAGE: ("garbage", text("字节不在任何帧内", "bytes outside of any frame")),
    _SHORT: ("short", text("帧短于消息头", "the frame is shorter than its header")),
    _ESCAPE: ("escape", text("0x7D 之后不是 0x01 或 0x02", "0x7D is not followed by 0x01 or 0x02")),
    _CHECK: ("check", text("校验码不符", "the check byte is wrong")),
    _LENGTH: ("length", text("长度与消息头或项目所述不符", "a length is not what the header or an item says")),
    _ENCRYPTED: ("encrypted", text("消息体已加密，无密钥", "the body is encrypted and there is no key")),
    _BCD: ("bcd", text("终端手机号或时间不是有效的 BCD 码", "the phone number or the time is not valid BCD")),
    _PLACE: ("position", text("经纬度超出范围", "the coordinates are no place on Earth")),
    _PARTS: ("part_missing", text("分包消息不完整", "parts of a divided message are missing")),
    _MISSING: ("part_missing", text("分包消息不完整", "parts of a divided message are missing")),
}
"""What can be wrong with a frame: the number the decoder uses, the code in quarantine, the words."""


def problem(number: int, item: int) -> tuple[str, Text]:
    """Code and words for an error; ``item`` is the position in a batch from 1, 0 for the whole frame."""
    code, message = PROBLEMS[number]
    if not item:
        return code, message
    return code, text(f"第 {item} 个位置：{message['zh-CN']}", f"position {item}: {message['en']}")


@dataclass(frozen=True)
class Error:
    """A frame, or the item of a batch, that was left out; `number` is its place among rows and errors, from 1."""

    frame: int
    item: int
    problem: int
    number: int


@dataclass(frozen=True)
class Decoded:
    """Rows in the order of the frames, the frame and the running number of each, and what was left out."""

    rows: pa.Table
    frame: Ints
    number: Ints
    errors: list[Error]


def framer() -> Framer:
    """A framer of this protocol."""
    return Framer(Rules(cut, _marks, _divided, _part_of, limits.WIRE_FRAME_BYTES))


def decode(frames: pa.ChunkedArray | pa.Array) -> Decoded:
    """The positions in a column of frames."""
    data, offsets = raw(frames)
    form = np.zeros(len(offsets) - 1, dtype=np.int64)
    numbers, phones, errors = _run(data, offsets, form)
    if (errors[:, 2] == _PARTS).any():
        divided = errors[errors[:, 2] == _PARTS, 0].tolist()
        data, offsets, form = joined(data, offsets, divided, _whole, _MISSING)
        numbers, phones, errors = _run(data, offsets, form)
    listed = [Error(frame, item, problem, number) for frame, item, problem, number in errors.tolist()]
    return Decoded(_table(numbers, phones), numbers[_FRAME], numbers[_NUMBER], listed)


def _run(data: Bytes, offsets: Ints, form: Ints) -> tuple[Ints, Bytes, Ints]:
    room = int(offsets[-1] - offsets[0]) // 28 + 1
    numbers = np.empty((_COLUMNS, room), dtype=np.int64)
    phones = np.empty((room, 20), dtype=np.uint8)
    errors = np.empty((room + len(form), 4), dtype=np.int64)
    rows, wrong = _decode(data, offsets, form, numbers, phones, errors)
    return numbers[:, :rows], phones[:rows], errors[:wrong]


def _table(numbers: Ints, phones: Bytes) -> pa.Table:
    digits = phones.shape[1]
    count = phones.shape[0]
    some = phones != ord("0")
    first = np.where(some.any(axis=1), some.argmax(axis=1), digits)
    begin = np.arange(count, dtype=np.int64) * digits
    # left-padded with 0 on the wire: what remains has eleven digits or more
    phone = strings(phones.reshape(-1), begin + np.minimum(first, digits - 11), begin + digits)
    status = numbers[_STATUS]
    return pa.table(
        {
            "terminal_phone": phone,
            "time": pa.array(numbers[_TIME]).cast(pa.timestamp("us", tz="UTC")),
            "serial": numbers[_SERIAL],
            "lon": numbers[_LON] / 1e6,
            "lat": numbers[_LAT] / 1e6,
            "altitude_m": numbers[_ALTITUDE],
            "speed_kmh": numbers[_SPEED] / 10.0,
            "direction": numbers[_DIRECTION],
            "alarm": numbers[_ALARM],
            "status": status,
            "ignition": (status & 1) != 0,
            "valid": (status & 2) != 0,
            "load": (status >> 8) & 3,
            "mileage_km": _optional(numbers[_MILEAGE]),
            "fuel_l": _optional(numbers[_FUEL]),
            "supplement": numbers[_SUPPLEMENT] == 1,
            "version": numbers[_VERSION],
        }
    )


def _optional(tenths: Ints) -> pa.Array:
    return pa.array(tenths / 10.0, mask=tenths < 0)


# ── divided messages ───────────────────────────────────────────────────────────────────────────────────────────────


def escaped(content: bytes) -> bytes:
    """A frame around header and body: check byte, escapes and marks added."""
    check = 0
    for byte in content:
        check ^= byte
    whole = content + bytes([check])
    return b"\x7e" + whole.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def unescaped(frame: bytes) -> bytes | None:
    """Header, body and check byte of a frame; None when it is damaged."""
    inner = frame[1:-1]
    if frame[:1] != b"\x7e" or frame[-1:] != b"\x7e" or b"\x7e" in inner:
        return None
    whole = inner.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    check = 0
    for byte in whole:
        check ^= byte
    return whole if check == 0 and len(whole) >= 13 else None


def _part_of(frame: bytes) -> Part | None:
    content = unescaped(frame)
    if content is None:
        return None
    head = 17 if content[2] & 0x40 else 12
    if not content[2] & 0x20 or len(content) < head + 5:
        return None
    serial = int.from_bytes(content[head - 2 : head])
    total, number = int.from_bytes(content[head : head + 2]), int.from_bytes(content[head + 2 : head + 4])
    first = (serial - number + 1) % 65_536
    return (content[:2], content[2] & 0x40, content[head - 12 : head - 2], first, total), number, total


def _whole(frames: bytes) -> bytes | None:
    """Header and body of a message of which all parts are there, as if it had never been divided."""
    bodies: dict[int, bytes] = {}
    start, names = b"", set()
    total = 0
    for piece in frames.split(b"\x7e"):
        if not piece:
            continue
        frame = b"\x7e" + piece + b"\x7e"
        part, content = _part_of(frame), unescaped(frame)
        if part is None or content is None:
            return None
        head = 17 if content[2] & 0x40 else 12
        name, number, total = part
        names.add(name)
        bodies[number] = content[head + 4 : -1]
        if len(bodies[number]) != int.from_bytes(content[2:4]) & 0x3FF:
            return None
        start = start or content[:2] + bytes([content[2] & 0x5C, 0]) + content[4:head]
    if len(names) != 1 or len(bodies) != total:
        return None
    return start + b"".join(bodies[number] for number in sorted(bodies))


# ── compiled ───────────────────────────────────────────────────────────────────────────────────────────────────────


@compiled
def _marks(data: Bytes) -> int:
    count = 0
    for p in range(len(data)):
        if data[p] == 0x7E:
            count += 1
    return count + len(data) // 1_000


@compiled
def cut(
    data: Bytes, offsets: Ints, owner: Ints, longest: int, starts: Ints, ends: Ints, closed: Ints, tails: Ints
) -> int:
    """Pieces between two marks, the marks with them; bytes before the first mark, and runs that are too long, alone."""
    count, group, first, chunks = 0, 0, 0, len(owner)
    while first < chunks:
        last = first
        while last < chunks and owner[last] == owner[first]:
            last += 1
        start, chunk = offsets[first], first
        for p in range(offsets[first], offsets[last]):
            while p >= offsets[chunk + 1]:
                chunk += 1
            if data[p] == 0x7E:
                marked = p > start and data[start] == 0x7E
                if p > start + 1 or (p > start and not marked):
                    starts[count], ends[count], closed[count] = start, p + 1 if marked else p, chunk
                    count += 1
                start = p
            elif p - start >= longest:
                starts[count], ends[count], closed[count] = start, p, chunk
                count += 1
                start = p
        tails[group, 0], tails[group, 1] = start, offsets[last]
        group += 1
        first = last
    return count


@compiled
def _divided(data: Bytes, offsets: Ints) -> Ints:
    """Frames whose header says that they are a part."""
    found = np.empty(len(offsets) - 1, dtype=np.int64)
    count = 0
    for frame in range(len(offsets) - 1):
        p, end = offsets[frame] + 1, offsets[frame + 1]
        byte = 0
        for _ in range(3):
            if p >= end:
                break
            byte = data[p]
            p += 2 if byte == 0x7D else 1
        if p < end and byte != 0x7D and byte & 0x20:
            found[count] = frame
            count += 1
    return found[:count]


@inner
def _number(data: Bytes, at: int, size: int) -> int:
    value: int = 0
    for p in range(at, at + size):
        value = value << 8 | data[p]
    return value


@inner
def _local(data: Bytes, at: int) -> int:
    """Microseconds since 1970 UTC of six BCD bytes in UTC+8, or -1."""
    part = np.empty(6, dtype=np.int64)
    for i in range(6):
        high, low = data[at + i] >> 4, data[at + i] & 15
        if high > 9 or low > 9:
            return -1
        part[i] = high * 10 + low
    year, month, day = 2000 + part[0], part[1], part[2]
    if month < 1 or month > 12 or day < 1 or part[3] > 23 or part[4] > 59 or part[5] > 59:
        return -1
    leap = year % 4 == 0  # in this century
    longest = 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
    if month == 2:
        longest = 29 if leap else 28
    if day > longest:
        return -1
    # days since 1970-01-01 by counting from 1 March (Howard Hinnant, chrono-compatible date algorithms)
    y = year - 1 if month <= 2 else year
    shifted = month - 3 if month > 2 else month + 9
    days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * shifted + 2) // 5 + day - 1 - 719_468
    seconds: int = ((days * 24 + part[3] - 8) * 60 + part[4]) * 60 + part[5]
    return seconds * 1_000_000


@inner
def _position(body: Bytes, at: int, end: int, numbers: Ints, row: int) -> int:
    """Reads one position into a row; 0 or what is wrong with it."""
    if end - at < 28:
        return 5
    moment = _local(body, at + 22)
    if moment < 0:
        return 7
    status = _number(body, at + 4, 4)
    lat, lon = _number(body, at + 8, 4), _number(body, at + 12, 4)
    if lat > 90_000_000 or lon > 180_000_000:
        return 8
    mileage, fuel = -1, -1
    p = at + 28
    while p < end:
        if p + 2 > end or p + 2 + body[p + 1] > end:
            return 5
        if body[p] == 1 and body[p + 1] == 4:
            mileage = _number(body, p + 2, 4)
        elif body[p] == 2 and body[p + 1] == 2:
            fuel = _number(body, p + 2, 2)
        p += 2 + body[p + 1]
    numbers[0, row] = moment
    numbers[2, row] = -lon if status & 8 else lon
    numbers[3, row] = -lat if status & 4 else lat
    numbers[4, row] = _number(body, at + 16, 2)
    numbers[5, row] = _number(body, at + 18, 2)
    numbers[6, row] = _number(body, at + 20, 2)
    numbers[7, row] = _number(body, at, 4)
    numbers[8, row] = status
    numbers[9, row] = mileage
    numbers[10, row] = fuel
    return 0


@inner
def _content(data: Bytes, start: int, end: int, form: int, into: Bytes) -> int:
    """Unescapes a frame; the length of header and body, or minus what is wrong."""
    if form > 1:
        return -form
    size = 0
    if form == 1:
        for p in range(start, end):
            into[size] = data[p]
            size += 1
        return size
    if end - start < 2 or data[start] != 0x7E or data[end - 1] != 0x7E:
        return -1
    check, p = 0, start + 1
    while p < end - 1:
        byte = data[p]
        if byte == 0x7E:
            return -9
        if byte == 0x7D:
            p += 1
            if p >= end - 1 or data[p] < 1 or data[p] > 2:
                return -3
            byte = 0x7D if data[p] == 1 else 0x7E
        into[size] = byte
        check ^= byte
        size += 1
        p += 1
    if check != 0:
        return -4
    return size - 1 if size >= 13 else -2


@inner
def _opened(content: Bytes, size: int, form: int, phone: Bytes) -> int:
    """Reads the header and the phone number; where the body begins, or minus what is wrong."""
    recent = content[2] & 0x40
    head = 17 if recent else 12
    if size < head:
        return -2
    if content[2] & 0x20:
        return -9
    if content[2] & 0x1C:
        return -6
    if form == 0 and size - head != (content[2] & 3) << 8 | content[3]:
        return -5
    first = 5 if recent else 4
    for i in range(20):
        phone[i] = 48
    for i in range(head - 2 - first):
        high, low = content[first + i] >> 4, content[first + i] & 15
        if high > 9 or low > 9:
            return -7
        place = 20 - 2 * (head - 2 - first - i)
        phone[place], phone[place + 1] = 48 + high, 48 + low
    return head


@inner
def _batched(content: Bytes, head: int, size: int) -> bool:
    """Whether the lengths of a batch's items add up to it."""
    if size - head < 3:
        return False
    p = head + 3
    for _ in range(_number(content, head, 2)):
        if p + 2 > size:
            return False
        p += 2 + _number(content, p, 2)
    return p == size


@compiled
def _decode(data: Bytes, offsets: Ints, form: Ints, numbers: Ints, phones: Bytes, errors: Ints) -> tuple[int, int]:
    """Rows of all frames; how many rows and how many errors there are."""
    longest = 64
    for frame in range(len(form)):
        longest = max(longest, offsets[frame + 1] - offsets[frame])
    content, phone = np.empty(longest, dtype=np.uint8), np.empty(20, dtype=np.uint8)
    row, wrong, number = 0, 0, 0
    for frame in range(len(form)):
        size = _content(data, offsets[frame], offsets[frame + 1], form[frame], content)
        head = _opened(content, size, form[frame], phone) if size >= 0 else size
        message = _number(content, 0, 2) if head >= 0 else 0
        if head >= 0 and message == 0x0704 and not _batched(content, head, size):
            head = -5
        if head < 0:
            number += 1
            errors[wrong, 0], errors[wrong, 1], errors[wrong, 2], errors[wrong, 3] = frame, 0, -head, number
            wrong += 1
            continue
        items, at, supplement = 0, head, 0
        if message == 0x0200:
            items = 1
        elif message == 0x0704:
            items, supplement, at = _number(content, head, 2), content[head + 2], head + 3
        recent = content[2] & 0x40
        for item in range(items):
            end = size
            if message == 0x0704:
                end = at + 2 + _number(content, at, 2)
                at += 2
            number += 1
            bad = _position(content, at, end, numbers, row)
            at = end
            if bad:
                errors[wrong, 0], errors[wrong, 2], errors[wrong, 3] = frame, bad, number
                errors[wrong, 1] = item + 1 if message == 0x0704 else 0
                wrong += 1
                continue
            numbers[1, row] = _number(content, head - 2, 2)
            numbers[11, row], numbers[12, row] = supplement, 2019 if recent else 2013
            numbers[13, row], numbers[14, row] = frame, number
            for i in range(20):
                phones[row, i] = phone[i]
            row += 1
    return row, wrong
