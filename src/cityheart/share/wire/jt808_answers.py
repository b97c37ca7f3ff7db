"""What the platform says to vehicle terminals: registration, authentication, heartbeats, and the general answer.

An answer to a position goes out only after the position has landed. Every answer is addressed to the phone number of the
message it answers, in that message's format (2019 or 2013).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from cityheart.share.wire import jt808
from cityheart.share.wire.compiled import Bools, Bytes, Ints, compiled
from cityheart.share.wire.dialogue import Answers, Turn
from cityheart.share.wire.frames import raw, slices
from cityheart.share.wire.framing import Framer

__all__ = ["Terminals"]

OK, FAILED, WRONG, UNSUPPORTED = range(4)
NO_SUCH_TERMINAL = 4  # result of a registration

_REGISTER, _AUTHENTICATE, _HEARTBEAT, _LEAVE, _ANSWER = 0x0100, 0x0102, 0x0002, 0x0003, 0x0001
_BEGINNING = (_REGISTER, _AUTHENTICATE, _HEARTBEAT)  # may be said before the code is shown
_KNOWN = np.array([_REGISTER, _AUTHENTICATE, _HEARTBEAT, _LEAVE, _ANSWER, jt808.POSITION, jt808.BATCH])


class Terminals:
    """The platform's side of the conversation with terminals; not safe for threads.

    ``listed`` gives the phone numbers that may speak, None for all; with ``authenticate`` a terminal must have shown its
    code, which is its phone number, on the connection before its positions are taken.
    """

    format = "jt808"

    def __init__(self, *, authenticate: bool = False, listed: Callable[[], frozenset[str]] | None = None) -> None:
        self._authenticate = authenticate
        self._listed = listed
        self._shown: dict[int, set[str]] = {}  # phone numbers that a connection has authenticated
        self._serials: dict[int, int] = {}  # the platform's next serial number on a connection

    def framer(self) -> Framer:
        """A framer of the protocol."""
        return jt808.framer()

    def close(self, connection: int) -> None:
        """Forget a connection."""
        self._shown.pop(connection, None)
        self._serials.pop(connection, None)

    def hear(self, frames: pa.Table) -> Turn:
        """What is to land of some frames, and what is to be answered to them, at once or after that."""
        data, offsets = raw(frames["frame"])
        connection = np.asarray(frames["connection"].to_numpy(), dtype=np.int64)
        count = len(connection)
        heads = np.zeros((count, 3), dtype=np.int64)
        phones = np.zeros((count, 10), dtype=np.uint8)
        _heads(data, offsets, heads, phones)
        message = heads[:, 0]
        decoded = jt808.decode(frames["frame"])
        whole = {each.frame: each.problem for each in decoded.errors if each.item == 0}
        result = np.zeros(count, dtype=np.int64)
        result[list(whole)] = WRONG
        positions = (message == jt808.POSITION) | (message == jt808.BATCH)
        damaged = message < 0
        divided = self._parts(data, offsets, whole, damaged)
        refused = self._refused(data, offsets, connection, heads, phones, result)
        result[~np.isin(message, _KNOWN)] = UNSUPPORTED
        land = (positions & ~refused) | damaged
        speaks = ~damaged & (message != _ANSWER)
        after = speaks & positions & ~refused
        late = self._general(connection, heads, phones, result, np.flatnonzero(after))
        late += self._to_parts(data, offsets, connection, divided)
        soon = self._general(
            connection, heads, phones, result, np.flatnonzero(speaks & ~after & (message != _REGISTER))
        )
        soon += self._registered(connection, heads, phones, result, np.flatnonzero(message == _REGISTER))
        bad = damaged.copy()
        bad[divided] = False
        return Turn(
            land=frames if land.all() else frames.filter(pa.array(land)),
            soon=soon,
            late=late,
            bad=[(int(connection[i]), int(offsets[i + 1] - offsets[i])) for i in np.flatnonzero(bad)],
            good=np.unique(connection[~bad]).tolist(),
            refused=int(refused.sum()),
        )

    def _parts(self, data: Bytes, offsets: Ints, whole: dict[int, int], damaged: Bools) -> list[int]:
        """Rows that are divided messages put together: their heads say nothing, their parts are answered one by one."""
        return [
            row for row in np.flatnonzero(damaged).tolist()
            if row not in whole and next(slices(data, offsets, [row])).count(b"\x7e") > 2
        ]  # fmt: skip

    def _refused(self, data: Bytes, offsets: Ints, connection: Ints, heads: Ints, phones: Bytes, result: Ints) -> Bools:
        """Marks in ``result`` what may not speak; returns which frames those are."""
        refused = np.zeros(len(connection), dtype=bool)
        message = heads[:, 0]
        for row in np.flatnonzero(message == _AUTHENTICATE).tolist():
            phone = _digits(phones[row])
            content = jt808.unescaped(next(slices(data, offsets, [row])))
            code = _code(content) if content is not None else b""
            if code.lstrip(b"0").decode("ascii", "replace") == phone.lstrip("0"):
                self._shown.setdefault(int(connection[row]), set()).add(phone)
            else:
                refused[row] = True
        if self._listed is not None or self._authenticate:
            listed = self._listed() if self._listed is not None else None
            digits: dict[bytes, str] = {}
            for row in np.flatnonzero(message >= 0).tolist():
                packed = phones[row].tobytes()
                phone = digits.get(packed) or digits.setdefault(packed, _digits(phones[row]))
                known = listed is None or phone in listed
                shown = not self._authenticate or phone in self._shown.get(int(connection[row]), ())
                refused[row] |= not known or not (shown or message[row] in _BEGINNING)
        result[refused] = FAILED
        result[refused & (message == _REGISTER)] = NO_SUCH_TERMINAL
        return refused

    def _general(self, connection: Ints, heads: Ints, phones: Bytes, result: Ints, rows: Ints) -> Answers:
        """General answers (0x8001) to some frames: (connection, bytes), all of a connection together."""
        if len(rows) == 0:
            return []
        rows = rows[np.argsort(connection[rows], kind="stable")]
        owners, first, counts = np.unique(connection[rows], return_index=True, return_counts=True)
        begin = np.array([self._serials.get(owner, 0) for owner in owners.tolist()], dtype=np.int64)
        serial = (np.repeat(begin - first, counts) + np.arange(len(rows))) % 65_536
        for owner, next_one in zip(owners.tolist(), ((begin + counts) % 65_536).tolist(), strict=True):
            self._serials[owner] = next_one
        out = np.empty(len(rows) * 48, dtype=np.uint8)
        ends = np.empty(len(rows), dtype=np.int64)
        _answers(heads[rows], phones[rows], result[rows], serial, out, ends)
        stops = ends[first + counts - 1].tolist()
        starts = [0, *stops[:-1]]
        return [(o, out[a:b].tobytes()) for o, a, b in zip(owners.tolist(), starts, stops, strict=True)]

    def _registered(self, connection: Ints, heads: Ints, phones: Bytes, result: Ints, rows: Ints) -> Answers:
        answers: Answers = []
        for row in rows.tolist():
            owner, phone = int(connection[row]), _digits(phones[row])
            serial = self._serials.get(owner, 0)
            self._serials[owner] = (serial + 1) % 65_536
            said = int(result[row])
            body = int(heads[row, 1]).to_bytes(2) + bytes([said]) + (phone.encode() if said == OK else b"")
            answers.append((owner, _message(0x8100, bool(heads[row, 2]), phones[row].tobytes(), serial, body)))
        return answers

    def _to_parts(self, data: Bytes, offsets: Ints, connection: Ints, rows: Iterable[int]) -> Answers:
        """General answers to every part of divided messages."""
        answers: Answers = []
        for row in rows:
            pieces = [piece for piece in next(slices(data, offsets, [row])).split(b"\x7e") if piece]
            parts = pa.array([b"\x7e" + piece + b"\x7e" for piece in pieces], pa.binary())
            heads = np.zeros((len(pieces), 3), dtype=np.int64)
            phones = np.zeros((len(pieces), 10), dtype=np.uint8)
            _heads(*raw(parts), heads, phones)
            owner = np.full(len(pieces), connection[row], dtype=np.int64)
            sound = np.flatnonzero(heads[:, 0] >= 0)
            answers += self._general(owner, heads, phones, np.zeros(len(pieces), dtype=np.int64), sound)
        return answers


def _digits(phone: Bytes) -> str:
    """The phone number of ten BCD bytes, as rows have it."""
    return phone.tobytes().hex().lstrip("0").rjust(11, "0")


def _code(content: bytes) -> bytes:
    """The authentication code of a message 0x0102: 2019 gives its length, in 2013 it is the whole body."""
    recent = content[2] & 0x40
    body = content[17:-1] if recent else content[12:-1]
    return body[1 : 1 + body[0]] if recent and body else body


def _message(id: int, recent: bool, phone: bytes, serial: int, body: bytes) -> bytes:
    attributes = len(body) | (0x4000 if recent else 0)
    head = id.to_bytes(2) + attributes.to_bytes(2) + (b"\x01" + phone if recent else phone[4:])
    return jt808.escaped(head + serial.to_bytes(2) + body)


@compiled
def _heads(data: Bytes, offsets: Ints, heads: Ints, phones: Bytes) -> None:
    """Of every sound frame its message id, serial number, format (1 is 2019), phone; id -1 for what is damaged."""
    head = np.empty(20, dtype=np.uint8)
    for frame in range(len(offsets) - 1):
        start, end = offsets[frame], offsets[frame + 1]
        heads[frame, 0] = -1
        if end - start < 2 or data[start] != 0x7E or data[end - 1] != 0x7E:
            continue
        check, size, p, sound = 0, 0, start + 1, True
        while p < end - 1:
            byte = data[p]
            if byte == 0x7E:
                sound = False
                break
            if byte == 0x7D:
                p += 1
                if p >= end - 1 or data[p] < 1 or data[p] > 2:
                    sound = False
                    break
                byte = 0x7D if data[p] == 1 else 0x7E
            if size < 20:
                head[size] = byte
            check ^= byte
            size += 1
            p += 1
        recent = head[2] & 0x40 if size > 2 else 0
        if not sound or check != 0 or size < (18 if recent else 13):
            continue
        opening = (18 if recent else 13) + (4 if head[2] & 0x20 else 0)
        if size - opening != (head[2] & 3) << 8 | head[3]:
            continue
        heads[frame, 0] = head[0] << 8 | head[1]
        for i in range(10):
            phones[frame, i] = head[5 + i] if recent else head[i] if i >= 4 else 0
        if recent:
            heads[frame, 1], heads[frame, 2] = head[15] << 8 | head[16], 1
        else:
            heads[frame, 1], heads[frame, 2] = head[10] << 8 | head[11], 0


@compiled
def _answers(heads: Ints, phones: Bytes, result: Ints, serial: Ints, out: Bytes, ends: Ints) -> None:
    """General answers one after another, and where each ends."""
    content = np.empty(23, dtype=np.uint8)
    at = 0
    for i in range(len(heads)):
        content[0], content[1], content[3] = 0x80, 0x01, 5
        if heads[i, 2]:
            content[2], content[4] = 0x40, 1
            for p in range(10):
                content[5 + p] = phones[i, p]
            size = 15
        else:
            content[2] = 0
            for p in range(6):
                content[4 + p] = phones[i, 4 + p]
            size = 10
        content[size], content[size + 1] = serial[i] >> 8, serial[i] & 255
        content[size + 2], content[size + 3] = heads[i, 1] >> 8, heads[i, 1] & 255
        content[size + 4], content[size + 5] = heads[i, 0] >> 8, heads[i, 0] & 255
        content[size + 6] = result[i]
        size += 7
        check = 0
        for p in range(size):
            check ^= content[p]
        content[size] = check
        out[at] = 0x7E
        at += 1
        for p in range(size + 1):
            byte = content[p]
            if byte == 0x7E or byte == 0x7D:
                out[at], out[at + 1] = 0x7D, 2 if byte == 0x7E else 1
                at += 2
            else:
                out[at] = byte
                at += 1
        out[at] = 0x7E
        at += 1
        ends[i] = at
