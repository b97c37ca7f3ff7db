"""Letters: full-width characters, blanks and what cannot be seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["digits", "number", "plate", "squeeze", "width"]

_WIDE = r"[\x{FF01}-\x{FF5E}\x{3000}\x{00A0}\x{2007}\x{202F}\x{200B}-\x{200D}\x{2060}\x{FEFF}\x{3014}\x{3015}]"
_UNSEEN = r"[\x{200B}-\x{200D}\x{2060}\x{FEFF}]"
_KEPT = "，；！？～"  # marks of Chinese text: a sentence keeps them
_CHINESE = r"[\p{Han}（）()《》、，。；：]"


def _table() -> npt.NDArray[np.uint32]:
    table = np.arange(0x11_0000, dtype=np.uint32)
    table[0xFF01:0xFF5F] = np.arange(0x21, 0x7F, dtype=np.uint32)
    for each in _KEPT:
        table[ord(each)] = ord(each)
    table[[0x3000, 0x00A0, 0x2007, 0x202F]] = 0x20
    table[[0x3014, 0x3015]] = [ord("["), ord("]")]
    return table


_HALF = _table()


def width(values: pa.Array) -> pa.Array:
    """Full-width letters, digits, brackets and blanks as half-width ones; blanks around and unseen characters gone."""
    wide = pc.fill_null(pc.match_substring_regex(values, _WIDE), False)
    if pc.any(wide).as_py():
        chosen = values.filter(wide)
        unseen = pc.replace_substring_regex(chosen, _UNSEEN, "")
        values = pc.replace_with_mask(values, wide, _narrowed(unseen))
    return pc.utf8_trim_whitespace(values)


def _narrowed(values: pa.Array) -> pa.Array:
    """Character by character through the table, over all values at once."""
    lengths = pc.utf8_length(values).to_numpy(zero_copy_only=False)
    together = "".join(values.to_pylist())
    codes = _HALF[np.frombuffer(together.encode("utf-32-le"), dtype=np.uint32)]
    joined = codes.astype("<u4").tobytes().decode("utf-32-le").encode()
    size = np.ones(len(codes), dtype=np.int64)
    for bound in (0x80, 0x800, 0x1_0000):
        size += codes >= bound
    ends = np.concatenate(([0], np.cumsum(size)))
    offsets = ends[np.concatenate(([0], np.cumsum(lengths)))].astype(np.int32)
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(joined))


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
