"""Letters: full-width characters, blanks and what cannot be seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["digits", "number", "plate", "run_of", "squeeze", "width"]

_WIDE = r"[\x{FF01}-\x{FF5E}\x{3000}\x{00A0}\x{2007}\x{202F}\x{200B}-\x{200D}\x{2060}\x{FEFF}\x{3014}\x{3015}]"
_KEPT = "，；！？～"  # marks of Chinese text: a sentence keeps them
_CHINESE = r"[\p{Han}（）()《》、，。；：]"


_SAME = 0xFF  # in the table: stays as it is


def _table() -> npt.NDArray[np.uint8]:
    """By code point: the half-width character, 0 for none at all, `_SAME` for what stays."""
    table = np.full(0x1_0000, _SAME, dtype=np.uint8)
    table[0xFF01:0xFF5F] = np.arange(0x21, 0x7F, dtype=np.uint8)
    table[[ord(each) for each in _KEPT]] = _SAME
    table[[0x3000, 0x2007, 0x202F]] = ord(" ")
    table[[0x3014, 0x3015]] = [ord("["), ord("]")]
    table[[0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF]] = 0
    return table


_HALF = _table()


def width(values: pa.Array) -> pa.Array:
    """Full-width letters, digits, brackets and blanks as half-width ones; blanks around and unseen characters gone."""
    wide = pc.fill_null(pc.match_substring_regex(values, _WIDE), False)
    if pc.any(wide).as_py():
        values = pc.replace_with_mask(values, wide, _narrowed(values.filter(wide)))
    return pc.utf8_trim_whitespace(values)


def _narrowed(values: pa.Array) -> pa.Array:
    """Character by character through the table, in the UTF-8 bytes of all values at once; none may be null."""
    data, offsets = run_of(values)
    out, kept = data.copy(), np.ones(len(data), dtype=bool)
    lead = np.flatnonzero((data == 0xE2) | (data == 0xE3) | (data == 0xEF))  # of three bytes: all but one of the table
    code = (data[lead] & 0x0F).astype(np.int64) << 12
    code |= (data[lead + 1] & 0x3F).astype(np.int64) << 6
    code |= data[lead + 2] & 0x3F
    half = _HALF[code]
    lead, half = lead[half != _SAME], half[half != _SAME]
    out[lead] = half
    kept[lead] = half != 0
    kept[lead + 1] = kept[lead + 2] = False
    hard = np.flatnonzero(data == 0xC2)
    hard = hard[data[hard + 1] == 0xA0]  # a blank at which no line is broken
    out[hard], kept[hard + 1] = ord(" "), False
    gone = np.flatnonzero(~kept)
    places = (offsets - np.searchsorted(gone, offsets)).astype(np.int32)
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(places), pa.py_buffer(out[kept]))


def run_of(values: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """A text column without nulls as one run of its UTF-8 bytes and n + 1 offsets into it."""
    _, places, data = values.buffers()
    if len(values) == 0 or data is None:
        return np.zeros(0, dtype=np.uint8), np.zeros(len(values) + 1, dtype=np.int64)
    offsets = np.frombuffer(places, dtype=np.int32)[values.offset : values.offset + len(values) + 1].astype(np.int64)
    run = np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]
    return run, offsets - offsets[0]


def squeeze(values: pa.Array) -> pa.Array:
    """Blanks beside a Chinese character gone, others in a row one."""
    values = pc.utf8_trim_whitespace(pc.replace_substring_regex(values, r"[\s\x{3000}\x{00A0}]+", " "))
    values = pc.replace_substring_regex(values, rf"({_CHINESE}) ", r"\1")
    return pc.replace_substring_regex(values, rf" ({_CHINESE})", r"\1")


def digits(values: pa.Array) -> pa.Array:
    """As ``width``, and the marks within a number with it: a full-width comma between digits, a minus sign."""
    plain = pc.replace_substring_regex(width(values), r"^\x{2212}", "-")
    return pc.replace_substring_regex(plain, r"(\d)，(\d)", r"\1,\2")


def number(values: pa.Array) -> pa.Array:
    """Without thousands separators; 1,5 is none and stays."""
    plain = digits(values)
    grouped = pc.match_substring_regex(plain, r"^[+-]?\d{1,3}([, ']\d{3})+(\.\d+)?$")
    return pc.if_else(grouped, pc.replace_substring_regex(plain, r"[, ']", ""), plain)


def plate(values: pa.Array) -> pa.Array:
    """Capitals, without dots, blanks and hyphens."""
    return pc.utf8_upper(pc.replace_substring_regex(width(values), r"[\s.·•・‧∙\-]", ""))
