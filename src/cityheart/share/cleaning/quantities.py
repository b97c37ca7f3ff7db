"""Quantities as people write them: a number, a unit in any of its spellings, and words around it.

Masses and volumes are converted within themselves by their definition. A volume becomes a mass only by the density that
the contract declares (``m3_as``, tonnes a cubic metre): without one it is refused, because any number would be a guess.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["UNITS", "to_unit"]

_SPELLINGS: Mapping[str, tuple[str, int, int]] = {
    # spelling (small letters) → (measure, times, divided by) to tonnes, cubic metres, metres, kilowatts
    **dict.fromkeys(("t", "吨", "公吨", "噸", "ton", "tons", "tonne", "tonnes"), ("mass", 1, 1)),
    "万吨": ("mass", 10_000, 1),
    "千吨": ("mass", 1_000, 1),
    **dict.fromkeys(("kg", "kgs", "千克", "公斤"), ("mass", 1, 1_000)),
    **dict.fromkeys(("斤", "市斤"), ("mass", 1, 2_000)),
    **dict.fromkeys(("g", "克"), ("mass", 1, 1_000_000)),
    **dict.fromkeys(("m3", "m³", "㎥", "m^3", "立方米", "立方", "方", "cbm"), ("volume", 1, 1)),
    "万立方米": ("volume", 10_000, 1),
    **dict.fromkeys(("l", "升", "公升", "立升", "dm3", "dm³"), ("volume", 1, 1_000)),
    **dict.fromkeys(("ml", "毫升"), ("volume", 1, 1_000_000)),
    **dict.fromkeys(("m", "米", "公尺"), ("length", 1, 1)),
    **dict.fromkeys(("cm", "厘米", "公分"), ("length", 1, 100)),
    **dict.fromkeys(("mm", "毫米"), ("length", 1, 1_000)),
    **dict.fromkeys(("km", "千米", "公里"), ("length", 1_000, 1)),
    **dict.fromkeys(("kw", "千瓦"), ("power", 1, 1)),
    **dict.fromkeys(("mw", "兆瓦"), ("power", 1_000, 1)),
    **dict.fromkeys(("w", "瓦"), ("power", 1, 1_000)),
    **dict.fromkeys(("kwh", "千瓦时", "度"), ("energy", 1, 1)),
    **dict.fromkeys(("mwh", "兆瓦时"), ("energy", 1_000, 1)),
    "万千瓦时": ("energy", 10_000, 1),
}

UNITS: Mapping[str, tuple[str, int, int]] = {
    each: _SPELLINGS[each.lower()] for each in ("t", "kg", "g", "m3", "L", "m", "km", "kW", "MW", "kWh", "MWh")
}
"""The units that a contract may ask for."""

_SHAPE = (
    r"^(?:约|大约|共|计|合计|≈|~)?\s*(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:[eE][+-]?\d{1,3})?)"
    r"\s*(?P<unit>[^\d\s().,+-][^\s()]*)?\s*(?:\((?:约|估|估计|大约)\)|左右|上下)?$"
)


def to_unit(values: pa.Array, wanted: str, tonnes_per_m3: float | None) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Half-width texts as numbers in `wanted`, written out; and which of them are no such quantity (null then)."""
    parts = pc.extract_regex(values, pattern=_SHAPE)
    number = pc.replace_substring(pc.struct_field(parts, "number"), ",", "")
    unit = pc.utf8_lower(pc.replace_substring_regex(pc.struct_field(parts, "unit"), r"(左右|上下|整)$", ""))
    measure, times, divided = UNITS[wanted]
    encoded = pc.fill_null(unit, "").dictionary_encode()
    kinds, index = encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)
    over = np.ones(len(kinds))
    under = np.full(len(kinds), np.nan)
    for position, spelling in enumerate(kinds):
        found = _SPELLINGS.get(spelling) if spelling else UNITS[wanted]
        if found is None:
            continue
        if found[0] == measure:
            over[position], under[position] = found[1] * divided, found[2] * times
        elif tonnes_per_m3 is not None and {found[0], measure} == {"mass", "volume"}:
            over[position], under[position] = found[1] * divided, found[2] * times
            if measure == "mass":
                over[position] *= tonnes_per_m3
            else:
                under[position] *= tonnes_per_m3
    amount = pc.cast(number, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        result = amount * over[index] / under[index]
    good = np.isfinite(result)
    written = pc.cast(pa.array(_rounded(result, good), mask=~good), pa.string())
    whole = pc.replace_substring_regex(written, r"\.0$", "")
    return whole, ~good & pc.is_valid(values).to_numpy(zero_copy_only=False)


def _rounded(numbers: npt.NDArray[np.float64], good: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """To twelve significant digits: 285.6 × 0.8 is 228.48."""
    sane = good & (np.abs(numbers) > 1e-100) & (np.abs(numbers) < 1e100)
    size = np.floor(np.log10(np.where(sane, np.abs(numbers), 1.0)))
    scale = 10.0 ** np.abs(11 - size)
    up = size <= 11
    with np.errstate(invalid="ignore", over="ignore"):
        rounded = np.where(up, np.rint(numbers * scale) / scale, np.rint(numbers / scale) * scale)
    return np.where(sane, rounded, numbers)
