"""What the city says to pollution-source monitors: the data answer (CN 9014) to every packet whose flag asks for one."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from cityheart.share.wire import hj212
from cityheart.share.wire.dialogue import Answers, Turn
from cityheart.share.wire.framing import Framer

__all__ = ["Monitors"]

_FIELD = re.compile(rb"([A-Z][A-Za-z]{1,3})=([^;&]*);")
_ANSWERS = (9011, 9012, 9013, 9014)  # answers are not answered


class Monitors:
    """The city's side of the conversation with monitors."""

    format = "hj212"

    def framer(self) -> Framer:
        """A framer of the protocol."""
        return hj212.framer()

    def close(self, connection: int) -> None:
        """Nothing is remembered of a connection."""

    def hear(self, frames: pa.Table) -> Turn:
        """Data packets and what is damaged land; packets that ask are answered, data after it has landed."""
        land = np.ones(frames.num_rows, dtype=bool)
        turn = Turn(frames)
        good: set[int] = set()
        listed = zip(frames["frame"].to_pylist(), frames["connection"].to_pylist(), strict=True)
        for row, (frame, connection) in enumerate(listed):
            answers, command = [], -1
            for piece in frame.split(b"\r\n")[:-1] or [frame]:
                fields = _fields(piece + b"\r\n")
                if fields is None:
                    command = -1
                    break
                command = int(fields.get(b"CN", b"0")) if fields.get(b"CN", b"0").isdigit() else 0
                answer = _answer(fields, command)
                answers += [(connection, answer)] if answer else []
            if command < 0:
                turn.bad.append((connection, len(frame)))
                continue
            good.add(connection)
            data = command in hj212.DATA
            land[row] = data
            target: Answers = turn.late if data else turn.soon
            target += answers
        kept = frames if land.all() else frames.filter(pa.array(land))
        return Turn(kept, turn.soon, turn.late, turn.bad, sorted(good))


def _fields(packet: bytes) -> dict[bytes, bytes] | None:
    """The fields before the data of a sound packet, None for a damaged one."""
    segment = hj212.segment(packet)
    return None if segment is None else dict(_FIELD.findall(segment.partition(b"CP=")[0]))


def _answer(fields: dict[bytes, bytes], command: int) -> bytes | None:
    """The answer to a packet, None when it asks for none."""
    flag = fields.get(b"Flag", b"")
    if command in _ANSWERS or not flag.isdigit() or not int(flag) & 1 or not fields.get(b"QN"):
        return None
    said = b"QN=%s;ST=91;CN=9014;PW=%s;MN=%s;Flag=4;CP=&&&&"
    return hj212.packet(said % (fields[b"QN"], fields.get(b"PW", b""), fields.get(b"MN", b"")))
