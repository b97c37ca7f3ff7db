"""Stable 64-bit numbers for texts, a column at a time: equal texts are equal numbers, on every machine and in every run.

Records are compared by these numbers, and found again by them in the store; 0 stands for nothing there. They are no
secret: what must be one (names and telephone numbers of persons) is hashed with the city's key before it comes here.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.entities.compiled import kernel

__all__ = ["Hashes", "both", "columnwise", "hashes", "keyed", "number", "salted", "scattered"]

Hashes = npt.NDArray[np.int64]

_FNV = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_WORD = 0xFFFFFFFFFFFFFFFF
_FEW = 2_000  # texts that are hashed in Python: the same numbers, without compiling
_GOLD = np.uint64(0x9E3779B97F4A7C15)


def hashes(values: pa.Array | pa.ChunkedArray | Sequence[str | None], salt: str = "") -> Hashes:
    """A number for each text; 0 for a missing or empty one. Another ``salt`` gives other numbers."""
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not pa.types.is_large_string(column.type):
        column = column.cast(pa.large_string())
    if len(column) == 0:
        return np.zeros(0, dtype=np.int64)
    column = pc.fill_null(column, "")
    seed = salted(salt)
    if len(column) < _FEW:
        few = [_one(value.encode(), seed) for value in column.to_pylist()]
        return np.array(few, dtype=np.uint64).view(np.int64)
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64, count=len(column) + 1, offset=column.offset * 8)
    letters = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(1, dtype=np.uint8)
    result: Hashes = _hash(10 * len(column), letters, bounds, np.uint64(seed)).view(np.int64)
    return result


def salted(salt: str) -> int:
    """The number that a salt stands for."""
    return int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "little")


def number(salt: str, *parts: str) -> int:
    """The number of one text, or of several joined."""
    return int(hashes(["\x1f".join(parts)], salt)[0])


def both(*columns: Hashes) -> Hashes:
    """A number for what stands side by side; 0 where any of them is missing."""
    whole = columns[0] != 0
    joined = columns[0].view(np.uint64)
    with np.errstate(over="ignore"):
        for column in columns[1:]:
            whole &= column != 0
            joined = _mixed(joined * _GOLD + column.view(np.uint64))
    result: Hashes = np.where(whole, joined, np.uint64(0)).view(np.int64)
    return result


def scattered(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Numbers far apart for numbers that are near each other; never 0."""
    with np.errstate(over="ignore"):
        return _mixed(values * _GOLD)


def keyed(values: pa.Array | pa.ChunkedArray, key: bytes, what: str) -> pa.Array:
    """Personal values as keyed hashes (HMAC-SHA256, 16 hexadecimal digits); ``what`` keeps kinds apart. Null stays null."""
    encoded = values.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    said = what.encode() + b"\x1f"
    marks = [
        None if value is None or not value else hmac.digest(key, said + value.encode(), "sha256").hex()[:16]
        for value in encoded.dictionary.to_pylist()
    ]
    return pa.array(marks, pa.string()).take(encoded.indices)


def columnwise(
    letters: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64], seed: np.uint64
) -> npt.NDArray[np.uint64]:  # fmt: skip
    """FNV-1a and a mix of every text; ``bounds`` say where each begins and ends among the letters (UTF-8)."""
    found = np.zeros(len(bounds) - 1, dtype=np.uint64)
    for i in range(len(found)):
        if bounds[i] == bounds[i + 1]:
            continue
        value = _FNV ^ seed
        for at in range(bounds[i], bounds[i + 1]):
            value = (value ^ np.uint64(letters[at])) * _PRIME
        value = (value ^ (value >> np.uint64(30))) * _MIX_A
        value = (value ^ (value >> np.uint64(27))) * _MIX_B
        value = value ^ (value >> np.uint64(31))
        found[i] = value if value != np.uint64(0) else np.uint64(1)
    return found


_hash = kernel(columnwise)


def _one(letters: bytes, seed: int) -> int:
    """The same as :func:`columnwise` for one text."""
    if not letters:
        return 0
    value = int(_FNV) ^ seed
    for letter in letters:
        value = (value ^ letter) * int(_PRIME) & _WORD
    value = (value ^ (value >> 30)) * int(_MIX_A) & _WORD
    value = (value ^ (value >> 27)) * int(_MIX_B) & _WORD
    return (value ^ (value >> 31)) or 1


def _mixed(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * _MIX_A
    value = (value ^ (value >> np.uint64(27))) * _MIX_B
    value = value ^ (value >> np.uint64(31))
    return np.where(value == 0, np.uint64(1), value)
