"""Codes with a check character: the unified social credit code (GB 32100-2015) and the CAS registry number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.share.cleaning.letters import run_of, width

__all__ = ["cas", "good_cas", "good_uscc", "uscc"]

Mask = npt.NDArray[np.bool_]

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100: without I, O, S, V, Z
_VALUE = np.full(128, -1, dtype=np.int64)
_VALUE[[ord(each) for each in _ALPHABET]] = np.arange(31)
_WEIGHTS = np.array([pow(3, position, 31) for position in range(17)], dtype=np.int64)
_USCC = r"^[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$"
_CAS = r"^[1-9]\d{1,6}-\d{2}-\d$"


def uscc(values: pa.Array) -> tuple[pa.Array, Mask]:
    """Codes in capitals without blanks, and which of them are none."""
    tidy = pc.utf8_upper(pc.replace_substring_regex(width(values), r"[\s\-]", ""))
    return tidy, ~good_uscc(tidy) & _there(values)


def good_uscc(values: pa.Array) -> Mask:
    """Which texts are codes of GB 32100: the 18th character is 31 − Σ value × 3^position mod 31, mod 31."""
    shaped = _true(pc.match_substring_regex(values, _USCC))
    letters = _letters(values, shaped, 18)
    numbers = _VALUE[letters]
    check = (31 - (numbers[:, :17] * _WEIGHTS).sum(axis=1) % 31) % 31
    shaped[shaped] = check == numbers[:, 17]
    return shaped


def cas(values: pa.Array) -> tuple[pa.Array, Mask]:
    """Numbers as 7732-18-5, also those written with other dashes or none, and which of them are none."""
    tidy = pc.replace_substring_regex(width(values), r"(?i)^cas\s*(号|no\.?)?\s*:?\s*", "")
    tidy = pc.replace_substring_regex(tidy, r"\s*[\x{2010}-\x{2015}\x{2212}—－–-]\s*", "-")
    tidy = pc.replace_substring_regex(tidy, r"^0*(\d{2,7})-?(\d{2})-?(\d)$", r"\1-\2-\3")
    return tidy, ~good_cas(tidy) & _there(values)


def good_cas(values: pa.Array) -> Mask:
    """Which texts are CAS numbers: the last digit is Σ digit × place counted from the right, mod 10."""
    shaped = _true(pc.match_substring_regex(values, _CAS))
    digits = pc.utf8_lpad(pc.replace_substring(values, "-", ""), width=10, padding="0")
    numbers = _letters(digits, shaped, 10) - ord("0")
    check = (numbers[:, :9] * np.arange(9, 0, -1)).sum(axis=1) % 10
    shaped[shaped] = check == numbers[:, 9]
    return shaped


def _letters(values: pa.Array, chosen: Mask, size: int) -> npt.NDArray[np.int64]:
    """The characters of the chosen texts, which all are ASCII of one length, a row each."""
    run, _ = run_of(values.filter(pa.array(chosen)))
    return run.reshape(-1, size).astype(np.int64)


def _true(values: pa.Array) -> Mask:
    result: Mask = pc.fill_null(values, False).to_numpy(zero_copy_only=False).copy()
    return result


def _there(values: pa.Array) -> Mask:
    result: Mask = pc.is_valid(values).to_numpy(zero_copy_only=False)
    return result
