"""Words of a case as numbers: pairs of Chinese characters, triples of other letters and digits.

Chinese has no spaces between words, and pairs of characters find what matters without a dictionary. Everything is done
over one long array of code points, so that a hundred thousand texts take a second.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["keys", "terms"]

U64 = npt.NDArray[np.uint64]
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: multiplying by it spreads neighbours apart
_POINT = np.uint64(21)  # bits of a code point
_HALF = np.uint64(32)
_TOGETHER = 2_000


def keys(texts: Sequence[str]) -> tuple[U64, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """``(keys, counts, lengths)``: for each term of each text ``term << 32 | number of the text``, sorted, with how
    often it is there; and how many terms each text has. Terms are 32-bit hashes: two of some ten thousand fall together
    once in a while, which costs nothing that is noticed.
    """
    parts, lengths = [], np.zeros(len(texts), np.float32)
    for start in range(0, len(texts), _TOGETHER):  # pieces that fit a processor's own memory
        piece, size = _terms(texts[start : start + _TOGETHER])
        parts.append(piece + np.uint64(start))
        lengths[start : start + len(size)] = size
    found = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)
    first = np.flatnonzero(np.concatenate([np.ones(min(1, len(found)), bool), found[1:] != found[:-1]]))
    counts = np.diff(np.append(first, len(found))).astype(np.float32)
    return found[first], counts, lengths


def _terms(texts: Sequence[str]) -> tuple[U64, npt.NDArray[np.int64]]:
    joined = "\0".join(text.replace("\0", " ") for text in texts)
    folded = unicodedata.normalize("NFKC", joined).lower()
    points = np.frombuffer(f"\0{folded}\0\0".encode("utf-32-le"), dtype=np.uint32)
    of = np.cumsum(points[1:-2] == 0, dtype=np.uint32)
    han, other = _han(points), _other(points)
    pair = np.flatnonzero(han[1:-2] & han[2:-1])
    alone = np.flatnonzero(han[1:-2] & ~han[:-3] & ~han[2:-1])
    triple = np.flatnonzero(other[1:-2])
    first, second = points[pair + 1].astype(np.uint64), points[pair + 2].astype(np.uint64)
    left = np.where(other[triple], points[triple], np.uint32(32)).astype(np.uint64)
    right = np.where(other[triple + 2], points[triple + 2], np.uint32(32)).astype(np.uint64)
    middle = points[triple + 1].astype(np.uint64)
    raw = np.concatenate([
        first << _POINT | second,
        points[alone + 1].astype(np.uint64),
        left << _POINT + _POINT | middle << _POINT | right,
    ])  # fmt: skip
    text = np.concatenate([of[pair], of[alone], of[triple]])
    return (raw * _SPREAD >> _HALF) << _HALF | text, np.bincount(text, minlength=len(texts))


def terms(text: str) -> tuple[U64, npt.NDArray[np.float32]]:
    """The terms of one text, sorted, and how often each is there."""
    found, counts, _ = keys([text])
    return found >> _HALF, counts


def _han(points: npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
    kana = (points >= 0x3040) & (points <= 0x30FF)
    return np.asarray(((points >= 0x3400) & (points <= 0x9FFF)) | kana | (points >= 0x20000))


def _other(points: npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
    digit = (points >= 0x30) & (points <= 0x39)
    latin = (points >= 0x61) & (points <= 0x7A)
    return np.asarray(digit | latin | ((points >= 0xC0) & (points < 0x2000) & (points != 0xD7) & (points != 0xF7)))
