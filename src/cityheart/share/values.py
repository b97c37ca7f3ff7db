"""From what a source wrote to a typed column.

The plain case (every value well written) is one cast of the whole column. Only when that fails is the column looked at
closer: blanks trimmed, full-width characters narrowed, Chinese and slashed dates brought to ISO 8601, and what still
cannot be read marked invalid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.share.cleaning.dates import DATE, MOMENT, iso, serial_moments, tidy
from cityheart.share.contracts import Field

__all__ = ["Typed", "to_utc", "typed"]

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
_INTEGER = r"^[+-]?0*\d{1,18}(\.0*)?$"
_OFFSET = r"(Z|[+-]\d\d:?\d\d)$"
_TIME = r"^([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"


@dataclass(frozen=True, slots=True)
class Typed:
    """A column in its field's type; `invalid` marks values that could not be read (null in `values`), None for none."""

    values: pa.ChunkedArray
    invalid: npt.NDArray[np.bool_] | None


def typed(column: pa.ChunkedArray, field: Field, missing: tuple[str, ...], zone: str) -> Typed:
    """Read `column` as `field`: `missing` texts are null; times without an offset are of `zone`."""
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_binary(column.type) or pa.types.is_string_view(column.type):
        column = pc.cast(column, pa.string())
    if pa.types.is_null(column.type):
        return Typed(pc.cast(column, field.arrow), None)
    if not pa.types.is_string(column.type):
        return _from_typed(column, field, zone)
    absent = pc.is_in(column, value_set=pa.array(missing, pa.string()))
    if pc.any(absent).as_py():
        column = pc.if_else(absent, pa.scalar(None, pa.string()), column)
    return _READ[field.type](column, field, zone)


def to_utc(local: pa.Array, zone: str) -> pa.Array:
    """Wall-clock times of `zone` as moments; an hour that a clock change doubles or skips is its first reading."""
    aware = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="earliest")
    return aware.cast(pa.timestamp("us", tz="UTC"))


# ── from text ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _string(column: pa.ChunkedArray, field: Field, zone: str) -> Typed:
    return Typed(column, None)


def _number(column: pa.ChunkedArray, field: Field, zone: str) -> Typed:
    try:
        values = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        column = tidy(column)
        readable = pc.match_substring_regex(column, pattern=_NUMBER)
        values, invalid = _cast_readable(column, readable, pa.float64())
    else:
        invalid = None
    return _finite(values, invalid)


def _integer(column: pa.ChunkedArray, field: Field, zone: str) -> Typed:
    try:
        values = pc.cast(column, pa.int64())
        if not pc.any(pc.match_substring(column, "x", ignore_case=True)).as_py():  # Arrow reads 0x10 as 16
            return Typed(values, None)
    except pa.ArrowInvalid:
        pass
    column = tidy(column)
    readable = pc.match_substring_regex(column, pattern=_INTEGER)
    column = pc.replace_substring_regex(column, pattern=r"^\+|\.0*$", replacement="")
    return Typed(*_cast_readable(column, readable, pa.int64()))


def _boolean(column: pa.ChunkedArray, field: Field, zone: str) -> Typed:
    column = pc.utf8_trim_whitespace(column)
    yes = pc.is_in(column, value_set=pa.array(field.true_values, pa.string()))
    no = pc.is_in(column, value_set=pa.array(field.false_values, pa.string()))
    values = pc.if_else(pc.or_(yes, no), yes, pa.scalar(None, pa.bool_()))
    return Typed(values, _lost(column, values))


def _date(column: pa.ChunkedArray, field: Field, zone: str) -> Typed:
    if field.format not in ("default", "any"):
        return _patterned(column, field, zone)
    try:
        return Typed(pc.cast(column, pa.date32()), None)
    except pa.ArrowInvalid:
        pass
    plain = iso(column)
    plain = pc.replace_substring_regex(plain, pattern=r" 00:00(:00(\.0+)?)?$", replacement="")
    readable = _real_days(plain, pc.match_substring_regex(plain, pattern=DATE))
    values, invalid = _cast_readable(plain, readable, pa.date32())
    if field.format == "any" and invalid is not None:
        values, invalid = _serials(plain, values, invalid, None)
    return Typed(values, invalid)


def _datetime(column: pa.ChunkedArray, field: Field, zone: str) -> Typed:
    if field.format not in ("default", "any"):
        return _patterned(column, field, zone)
    try:
        return Typed(pc.cast(column, pa.timestamp("us", tz="UTC")), None)  # every value has its offset
    except pa.ArrowInvalid:
        pass
    try:
        return Typed(_zoned(pc.cast(column, pa.timestamp("us")), zone), None)  # none has
    except pa.ArrowInvalid:
        pass
    plain = iso(column)
    readable = _real_days(plain, pc.match_substring_regex(plain, pattern=MOMENT))
    aware = pc.match_substring_regex(plain, pattern=_OFFSET)
    nothing = pa.scalar(None, pa.string())
    with_offset = pc.cast(pc.if_else(pc.and_(readable, aware), plain, nothing), pa.timestamp("us", tz="UTC"))
    without = pc.cast(pc.if_else(pc.and_(readable, pc.invert(aware)), plain, nothing), pa.timestamp("us"))
    values = pc.coalesce(with_offset, _zoned(without, zone))
    invalid = _lost(plain, values)
    if field.format == "any" and invalid is not None:
        values, invalid = _serials(plain, values, invalid, zone)
    return Typed(values, invalid)


def _time(column: pa.ChunkedArray, field: Field, zone: str) -> Typed:
    column = tidy(column)
    readable = pc.match_substring_regex(column, pattern=_TIME)
    values = pc.if_else(readable, column, pa.scalar(None, pa.string()))
    values = pc.replace_substring_regex(values, pattern=r"^(\d):", replacement=r"0\1:")
    values = pc.replace_substring_regex(values, pattern=r"^(\d\d:\d\d)$", replacement=r"\1:00")
    return Typed(values, _lost(column, values))


def _patterned(column: pa.ChunkedArray, field: Field, zone: str) -> Typed:
    """Dates and moments in the ``strptime`` pattern of the contract; 31 February is not 3 March."""
    column = pc.utf8_trim_whitespace(column)
    values = pc.strptime(column, format=field.format, unit="us", error_is_null=True)
    if "%z" not in field.format:
        back = pc.strftime(values, format=field.format)
        back = pc.replace_substring_regex(back, pattern=r"(\d\d)\.0{6}", replacement=r"\1")  # %S writes microseconds
        same = pc.equal(_unpadded(back), _unpadded(column))
        values = pc.if_else(same, values, pa.scalar(None, values.type))
        if field.type == "datetime":
            values = _zoned(values, zone)
    elif field.type == "datetime":
        values = pc.cast(values, pa.timestamp("us", tz="UTC"))
    if field.type == "date":
        values = pc.cast(pc.floor_temporal(values, unit="day"), pa.date32())
    return Typed(values, _lost(column, values))


_READ = {
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
}


# ── from typed columns (Parquet, SQL, JSON) ────────────────────────────────────────────────────────────────────────


def _from_typed(column: pa.ChunkedArray, field: Field, zone: str) -> Typed:
    kind = column.type
    temporal = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if field.type == "number" and numeric:
        values = pc.cast(column, pa.float64(), safe=False)
        return _finite(values, None, nan_is_missing=True)
    if field.type == "integer" and numeric:
        if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
            return Typed(pc.cast(column, pa.int64()), None)
        whole = _finite(pc.cast(column, pa.float64(), safe=False), None, nan_is_missing=True).values
        sane = pc.and_(pc.equal(whole, pc.floor(whole)), pc.less(pc.abs(whole), 2.0**63))
        kept = pc.if_else(sane, whole, pa.scalar(None, pa.float64()))
        source = pc.cast(column, pa.float64(), safe=False)
        known = pc.if_else(pc.is_nan(source), pa.scalar(None, pa.float64()), source)
        return Typed(pc.cast(kept, pa.int64(), safe=False), _lost(known, kept))
    if field.type == "boolean" and pa.types.is_boolean(kind):
        return Typed(column, None)
    if field.type == "datetime" and temporal:
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            return Typed(pc.cast(column, pa.timestamp("us", tz="UTC"), safe=False), None)
        return Typed(_zoned(pc.cast(column, pa.timestamp("us"), safe=False), zone), None)
    if field.type == "date" and temporal:
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            column = pc.local_timestamp(pc.cast(column, pa.timestamp("us", tz=zone), safe=False))
        if pa.types.is_timestamp(column.type):
            column = pc.floor_temporal(column, unit="day")
        return Typed(pc.cast(column, pa.date32(), safe=False), None)
    if pa.types.is_nested(kind) or pa.types.is_fixed_size_binary(kind):
        return Typed(
            pa.chunked_array([pa.nulls(len(column), field.arrow)]),
            cast("npt.NDArray[np.bool_]", pc.is_valid(column).to_numpy()),
        )
    return _READ[field.type](pc.cast(column, pa.string()), field, zone)


# ── small change ───────────────────────────────────────────────────────────────────────────────────────────────────


def _real_days(plain: pa.ChunkedArray, readable: pa.ChunkedArray) -> pa.ChunkedArray:
    """Of values that begin with YYYY-MM-DD, those whose day is in the calendar."""
    safe = pc.if_else(readable, plain, pa.scalar("1970-01-01"))
    safe = pc.fill_null(safe, "1970-01-01")
    year = pc.cast(pc.utf8_slice_codeunits(safe, 0, 4), pa.int64()).to_numpy()
    month = pc.cast(pc.utf8_slice_codeunits(safe, 5, 7), pa.int64()).to_numpy()
    day = pc.cast(pc.utf8_slice_codeunits(safe, 8, 10), pa.int64()).to_numpy()
    real = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    first = np.where(real, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    real &= (first.astype("datetime64[D]") + np.where(real, day - 1, 0)).astype("datetime64[M]") == first
    return pc.and_(readable, pa.chunked_array([pa.array(real)]))


def _serials(
    plain: pa.ChunkedArray, values: pa.ChunkedArray, invalid: npt.NDArray[np.bool_], zone: str | None
) -> tuple[pa.ChunkedArray, npt.NDArray[np.bool_] | None]:
    """Excel's day numbers (45321.5) among dates, for fields of format ``any``."""
    found = serial_moments(plain)
    local = pa.array(found, mask=np.isnat(found) | ~invalid)
    moments = pc.cast(pc.floor_temporal(local, unit="day"), pa.date32()) if zone is None else to_utc(local, zone)
    values = pc.coalesce(values, pa.chunked_array([moments]))
    return values, _lost(plain, values)


def _zoned(local: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    return pc.cast(
        pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="earliest"), pa.timestamp("us", tz="UTC")
    )


def _unpadded(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(text, pattern=r"\b0+(\d)", replacement=r"\1")


def _cast_readable(
    column: pa.ChunkedArray, readable: pa.ChunkedArray, kind: pa.DataType
) -> tuple[pa.ChunkedArray, npt.NDArray[np.bool_] | None]:
    values = pc.cast(pc.if_else(readable, column, pa.scalar(None, pa.string())), kind)
    return values, _lost(column, values)


def _lost(column: pa.ChunkedArray, values: pa.ChunkedArray) -> npt.NDArray[np.bool_] | None:
    """Rows where there was a value and none could be read."""
    if values.null_count == column.null_count:
        return None
    lost: npt.NDArray[np.bool_] = pc.and_(pc.is_valid(column), pc.is_null(values)).to_numpy()
    return lost if lost.any() else None


def _finite(values: pa.ChunkedArray, invalid: npt.NDArray[np.bool_] | None, *, nan_is_missing: bool = False) -> Typed:
    """Infinity is no reading of anything; NaN is a missing value where the type has no other."""
    numbers = pc.fill_null(values, 0.0) if values.null_count else values
    if np.isfinite(sum(np.sum(chunk.to_numpy(zero_copy_only=False)) for chunk in numbers.chunks)):
        return Typed(values, invalid)  # one sum sees every NaN and infinity
    wild = pc.invert(pc.is_finite(values))
    cleaned = pc.if_else(wild, pa.scalar(None, pa.float64()), values)
    wrong = pc.and_(wild, pc.invert(pc.is_nan(values))) if nan_is_missing else wild
    mask: npt.NDArray[np.bool_] = pc.fill_null(wrong, False).to_numpy()
    if invalid is not None:
        mask = mask | invalid
    return Typed(cleaned, mask if mask.any() else None)
