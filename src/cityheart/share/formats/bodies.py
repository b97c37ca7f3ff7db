"""The bodies of many small messages: JSON objects, one a message, as columns.

Nearly all that devices send are flat objects of plain numbers, ``{"t": 1782878400000, "v": 3.25, "q": 0}``: these are read
by compiled code, to the same values that Python's own reading gives. Every other object is read by itself, in Python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.kernel import limits
from cityheart.share.formats.json_records import column_of

__all__ = ["Bodies"]

_TRIED = 100  # messages that are looked at for the names of their values


@dataclass
class Bodies:
    """The objects of some messages. ``wrong``: messages that hold none, which have no value of any name."""

    count: int
    wrong: list[int]
    _names: list[str]  # of the values that are numbers
    _values: npt.NDArray[np.float64]  # by name and message
    _kinds: npt.NDArray[np.int8]  # of these: -1 null, 0 absent, 1 a whole number, 2 any number
    _others: dict[int, Mapping[str, object]]  # what was read by itself

    @classmethod
    def of(cls, payloads: pa.Array) -> Bodies:
        """The objects of a binary column; a payload beyond ``limits.MQTT_PAYLOAD_BYTES`` holds none."""
        names = _names_of(payloads)
        values, kinds, read = _numbers(payloads, names)
        others: dict[int, Mapping[str, object]] = {}
        wrong: list[int] = []
        for row in np.flatnonzero(~read).tolist():
            found = _object(payloads[row].as_py())
            if found is None:
                wrong.append(row)
            else:
                others[row] = found
        return cls(len(payloads), wrong, names, values, kinds, others)

    def names(self) -> list[str]:
        """Every name that occurs, sorted."""
        there = [name for name, kinds in zip(self._names, self._kinds, strict=True) if kinds.any()]
        return sorted({*there, *(name for body in self._others.values() for name in body)})

    def column(self, name: str, *, inside: bool = True) -> pa.Array:
        """The values of a name. ``inside``: where a message has no such name, dots in it lead into objects."""
        at = self._names.index(name) if name in self._names else -1
        kinds = self._kinds[at] if at >= 0 else np.zeros(self.count, dtype=np.int8)
        given = {row: _value(body, name, inside) for row, body in self._others.items()} if self._others else {}
        if all(value is None for value in given.values()):
            return _of_numbers(self._values[at] if at >= 0 else np.zeros(self.count), kinds)
        values: list[object] = [None] * self.count
        for row in np.flatnonzero(kinds > 0).tolist():
            number = self._values[at, row].item()
            values[row] = int(number) if kinds[row] == 1 else number
        for row, value in given.items():
            values[row] = value
        return column_of(values)


def _value(body: Mapping[str, object], name: str, inside: bool) -> object:
    found = body.get(name)
    if found is not None or not inside or "." not in name:
        return found
    found = body
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _of_numbers(values: npt.NDArray[np.float64], kinds: npt.NDArray[np.int8]) -> pa.Array:
    if not (kinds > 0).any():
        return pa.nulls(len(values))
    if (kinds < 2).all():
        return pa.array(values.astype(np.int64), mask=kinds <= 0)
    return pa.array(values, mask=kinds <= 0)


def _names_of(payloads: pa.Array) -> list[str]:
    """The names in the first of the messages that is an object."""
    for payload in payloads.slice(0, _TRIED).to_pylist():
        found = _object(payload)
        if found:
            return [name for name in found if name.isascii() and name.isprintable() and not {*name} & {'"', "\\"}]
    return []


def _numbers(
    payloads: pa.Array, names: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Numbers by name and message, what they are, and which messages were read: those of nothing else."""
    from cityheart.share.formats.compiled import numbers  # compiled code is loaded where messages are read
    from cityheart.share.wire.frames import raw

    shape = (len(names), len(payloads))
    values, kinds = np.zeros(shape), np.zeros(shape, dtype=np.int8)
    read = np.zeros(len(payloads), dtype=np.bool_)
    if names and len(payloads):
        data, offsets = raw(payloads)
        words = [f'"{name}"'.encode() for name in names]
        ends = np.cumsum([len(word) for word in words])
        listed = np.frombuffer(b"".join(words), dtype=np.uint8)
        numbers(data, offsets, limits.MQTT_PAYLOAD_BYTES, listed, ends, values, kinds, read)
    return values, kinds, read


def _object(payload: bytes | None) -> dict[str, object] | None:
    if payload is None or len(payload) > limits.MQTT_PAYLOAD_BYTES:
        return None
    try:
        found = json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")  # NaN and Infinity, which Python would take
