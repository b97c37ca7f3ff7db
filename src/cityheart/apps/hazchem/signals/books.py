"""Reading the books of departments: columns as arrays, sites by name, months of the city, deviations and what they weigh.

Pure functions over the tables of the lake, as known at one moment: no clock, no state, no loop over rows. A table may be
empty; what is missing takes no part.

Masses are tonnes unless a name ends in ``_kg``; moments are UTC; months and days are those of the city's calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Literal, TypeAlias, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "DAY",
    "EPOCH",
    "HOUR",
    "NEVER",
    "Array",
    "Column",
    "Flags",
    "Parameters",
    "Whole",
    "bare",
    "chance",
    "codes",
    "day_numbers",
    "joined",
    "looked_up",
    "month_begin",
    "month_named",
    "month_of",
    "month_text",
    "number",
    "numbers",
    "overlapping",
    "plain",
    "present",
    "robust",
    "seconds",
    "site_of",
    "weight",
]

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Column: TypeAlias = pa.ChunkedArray | pa.Array
Parameters = Mapping[str, object]

HOUR = 3600
DAY = 24 * HOUR
NEVER = np.iinfo(np.int64).max // 4
EPOCH = date(1970, 1, 1).toordinal()


# ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def numbers(column: Column) -> Array:
    """A column of numbers; null is NaN."""
    return (
        np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        if len(column)
        else np.empty(0)
    )


def seconds(column: Column) -> Whole:
    """Whole seconds since 1970-01-01 UTC; null is :data:`NEVER`."""
    moments = pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), pa.int64())
    micros = np.asarray(pc.fill_null(moments, NEVER).to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.where(micros == NEVER, NEVER, micros // 1_000_000)


def present(column: Column) -> Flags:
    """Where a column is not null."""
    return np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), dtype=np.bool_)


def codes(*columns: Column) -> list[npt.NDArray[np.int64]]:
    """The same whole number for the same text in all of the columns; -1 for null."""
    known = pc.unique(pa.chunked_array([plain(each) for each in columns], pa.string()).drop_null())
    return [
        np.asarray(pc.fill_null(pc.index_in(each, value_set=known), -1).to_numpy(zero_copy_only=False)).astype(np.int64)
        for each in columns
    ]


def looked_up(keys: Column, known: Column, values: Column) -> pa.Array:
    """For each key the value beside the first such ``known``; null where there is none."""
    at = pc.index_in(plain(keys), value_set=plain(known))
    return plain(values).take(at)


def chance(log_odds: Array) -> Array:
    """The probability (0…1) that log-odds stand for."""
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0)))


def number(parameters: Parameters, name: str) -> float:
    """A parameter that is a number."""
    return float(cast("float", parameters[name]))


def plain(column: Column) -> pa.Array:
    """A column in one piece."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def overlapping(of: Whole, low: Whole, high: Whole, key: Whole, at: Whole) -> tuple[Whole, Whole]:
    """All pairs (i, j) with ``of[i] == key[j]`` and ``low[i] <= at[j] <= high[i]``; times in seconds, keys at least 0.

    Ordered by i, then by time. A negative ``of`` pairs with nothing.
    """
    order = np.lexsort((at, key))
    sorted_key, sorted_at = key[order], at[order]
    first = _rank(sorted_key, sorted_at, of, low, "left")
    last = np.maximum(_rank(sorted_key, sorted_at, of, high, "right"), first)
    count = np.where(of < 0, 0, last - first)
    left = np.repeat(np.arange(len(of)), count)
    within = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
    return left, order[np.repeat(first, count) + within]


def _rank(key: Whole, at: Whole, of: Whole, moment: Whole, side: Literal["left", "right"]) -> Whole:
    """Where (of, moment) belongs among (key, at), sorted."""
    span = np.int64(1) << 34  # more seconds than any date has
    clipped = np.clip(moment, 0, span - 1)
    found = np.searchsorted(key * span + np.clip(at, 0, span - 1), of * span + clipped, side=side)
    return np.asarray(found, dtype=np.int64)


def site_of(uscc: Column, name: Column, firm: pa.Table, site: pa.Table, *, sole: bool = False) -> pa.Array:
    """The site that a firm's books call by name: ``site_id`` or null.

    By the exact name within the firm, then by the name without spaces, brackets and signs; with ``sole`` then the firm's
    only site, where the books can mean no other place.
    """
    owner = looked_up(site["firm_id"], firm["firm_id"], firm["uscc"])
    exact = looked_up(joined(uscc, name), joined(owner, site["name"]), site["site_id"])
    loose = looked_up(joined(uscc, bare(name)), joined(owner, bare(site["name"])), site["site_id"])
    if not sole:
        return pc.coalesce(exact, loose)
    counted = pc.value_counts(owner.drop_null())
    single = counted.field("values").filter(pc.equal(counted.field("counts"), 1))
    only = looked_up(uscc, pc.if_else(pc.is_in(owner, single), owner, pa.scalar(None, pa.string())), site["site_id"])
    only = pc.if_else(pc.is_valid(uscc), only, pa.scalar(None, pa.string()))
    return pc.coalesce(exact, loose, only)


def joined(left: Column, right: Column) -> pa.Array:
    """Two texts as one key; null where either is."""
    return pc.binary_join_element_wise(plain(left), plain(right), "\x1f")


def bare(name: Column) -> pa.Array:
    """Names without spaces, brackets and signs, in lower case."""
    return pc.utf8_lower(pc.replace_substring_regex(plain(name), r"[\s()（）\[\]【】\-—_·.,，、]", ""))


# ── months ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def month_of(moments: Column, zone: ZoneInfo) -> Whole:
    """Months since year 0 (12 · year + month - 1) by the city's calendar; -1 for null."""
    local = pc.local_timestamp(pc.cast(plain(moments), pa.timestamp("us", tz=str(zone))))
    whole = pc.add(pc.multiply(pc.year(local), 12), pc.subtract(pc.month(local), 1))
    return np.asarray(pc.fill_null(whole, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def month_named(months: Column) -> Whole:
    """The same number for ``"2026-03"``; -1 for anything else."""
    text = plain(months)
    text = pc.if_else(pc.match_substring_regex(text, r"^\d{4}-(0[1-9]|1[0-2])$"), text, pa.scalar("0000-00"))
    text = pc.fill_null(text, "0000-00")
    year, month = (pc.cast(pc.utf8_slice_codeunits(text, a, b), pa.int64()) for a, b in ((0, 4), (5, 7)))
    return np.asarray(
        pc.subtract(pc.add(pc.multiply(year, 12), month), 1).to_numpy(zero_copy_only=False), dtype=np.int64
    )


def month_begin(month: int, zone: ZoneInfo) -> datetime:
    """The first moment of a month in the city, in UTC."""
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=zone).astimezone(UTC)


def month_text(month: int) -> str:
    """``"2026-03"``."""
    return f"{month // 12:04}-{month % 12 + 1:02}"


def robust(z: Array, floor: float, least: int) -> Array:
    """Deviations by the spread of the others (MAD), which never counts as less than ``floor``; as they are for a few."""
    known = z[np.isfinite(z)]
    if len(known) < least:
        return z
    spread = 1.4826 * float(np.median(np.abs(known - np.median(known))))
    return np.asarray(z / max(floor, spread), dtype=np.float64)


def weight(z: Array, parameters: Parameters, most: float) -> Array:
    """What a deviation of ``z`` standard errors adds to the log-odds: nothing up to 2, then evenly, at most ``most``."""
    steep = np.nan_to_num(z - 2.0, nan=0.0) * number(parameters, "per_sigma")
    return np.asarray(np.clip(steep, 0.0, most), dtype=np.float64)


def day_numbers(days: Column) -> Whole:
    """Days since 1970-01-01."""
    return np.asarray(pc.cast(pc.cast(days, pa.int32()), pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)
