"""Compiled reading of JSON objects that hold nothing but numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cityheart.share.wire.compiled import Bools, Bytes, Floats, Ints, compiled, inner

__all__ = ["numbers"]

_DIGITS = 15  # of a number that doubles hold and divide exactly
_POWERS = np.array([10.0**places for places in range(23)])  # these, too, are exact


@inner
def _blank(data: Bytes, p: int, end: int) -> int:
    """The first place from ``p`` on that is no white space."""
    while p < end and (data[p] == 32 or data[p] == 10 or data[p] == 13 or data[p] == 9):
        p += 1
    return p


@inner
def _name(data: Bytes, p: int, end: int, words: Bytes, ends: Ints) -> int:
    """Which of the words, quotation marks included, stands at ``p``; -1 for none."""
    begin = 0
    for each in range(len(ends)):
        size = ends[each] - begin
        if p + size <= end:
            same = True
            for i in range(size):
                if data[p + i] != words[begin + i]:
                    same = False
                    break
            if same:
                return each
        begin = ends[each]
    return -1


@inner
def _number(data: Bytes, p: int, end: int) -> tuple[int, float, int]:
    """Where the number at ``p`` ends, its value, and its kind: 1 whole, 2 with a fraction, -1 null; an end of -1 for another.

    A number of more digits than are exact is left to another reader, as is one with an exponent.
    """
    if p + 4 <= end and data[p] == 110 and data[p + 1] == 117 and data[p + 2] == 108 and data[p + 3] == 108:  # null
        return p + 4, 0.0, -1
    sign = 1.0
    if p < end and data[p] == 45:
        sign = -1.0
        p += 1
    begin, value, places, kind = p, 0, 0, 1
    while p < end and 48 <= data[p] <= 57:
        value = value * 10 + data[p] - 48
        p += 1
        if p - begin > _DIGITS:
            return -1, 0.0, 0
    digits = p - begin
    if digits == 0 or (digits > 1 and data[begin] == 48):
        return -1, 0.0, 0
    if p < end and data[p] == 46:
        kind = 2
        p += 1
        while p < end and 48 <= data[p] <= 57:
            value = value * 10 + data[p] - 48
            places += 1
            p += 1
            if digits + places > _DIGITS:
                return -1, 0.0, 0
        if places == 0:
            return -1, 0.0, 0
    return p, sign * (value / _POWERS[places]), kind


@inner
def _read(data: Bytes, p: int, end: int, words: Bytes, ends: Ints, row: int, values: Floats, kinds: Kinds) -> bool:
    """Whether the bytes [p, end) are an object of known names and numbers, which are then noted."""
    p = _blank(data, p, end)
    if p >= end or data[p] != 123:
        return False
    while True:
        p = _blank(data, p + 1, end)  # after { or ,
        name = _name(data, p, end, words, ends)
        if name < 0:
            return False
        p = _blank(data, p + ends[name] - (ends[name - 1] if name else 0), end)
        if p >= end or data[p] != 58:
            return False
        p, value, kind = _number(data, _blank(data, p + 1, end), end)
        if p < 0:
            return False
        values[name, row], kinds[name, row] = value, kind
        p = _blank(data, p, end)
        if p >= end:
            return False
        if data[p] == 125:
            return _blank(data, p + 1, end) == end
        if data[p] != 44:
            return False


Kinds = npt.NDArray[np.int8]


@compiled
def numbers(
    data: Bytes, offsets: Ints, longest: int, words: Bytes, ends: Ints, values: Floats, kinds: Kinds, read: Bools
) -> None:
    """Reads the objects at [offsets[i], offsets[i + 1]): ``values`` and ``kinds`` by name and object, and which were ``read``.

    An object that holds anything else than numbers and null under ``words`` (in quotation marks) is left as it was.
    """
    for row in range(len(offsets) - 1):
        start, end = offsets[row], offsets[row + 1]
        read[row] = end - start <= longest and _read(data, start, end, words, ends, row, values, kinds)
        if not read[row]:
            for name in range(len(ends)):
                values[name, row], kinds[name, row] = 0.0, 0
