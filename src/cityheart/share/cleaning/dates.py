"""Dates as Chinese systems write them, brought to the spelling of ISO 8601."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["DATE", "MOMENT", "SERIAL", "dated", "iso", "serial_moments", "tidy", "with_year", "without_year"]

DATE = r"^\d{4}-\d\d-\d\d$"
MOMENT = r"^\d{4}-\d\d-\d\d( ([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?)?(Z|[+-]\d\d:\d\d)?$"
SERIAL = r"^\d{5}(\.\d+)?$"

_YEARLESS = r"^(?P<month>\d{1,2})月(?P<day>\d{1,2})日?$"
_BY = r"\s*(之前|以前|前|止)$"  # a deadline written 2026-03-07前 is that day
_EXCEL_EPOCH = np.datetime64("1899-12-30", "us")


def tidy(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Without blanks around, full-width characters narrowed (１２ → 12)."""
    return pc.utf8_trim_whitespace(pc.utf8_normalize(column, form="NFKC"))


def iso(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Dates as 2020/7/1, 2020.7.1, 2020年7月1日 8时30分, 20200701 in the spelling 2020-07-01 08:30."""
    text = tidy(column)
    text = pc.replace_substring_regex(text, pattern=r"^(\d{4})(\d\d)(\d\d)$", replacement=r"\1-\2-\3")
    text = pc.replace_substring_regex(
        text, pattern=r"^(\d{4})[年/.\-](\d{1,2})[月/.\-](\d{1,2})日?", replacement=r"\1-\2-\3"
    )
    text = pc.replace_substring_regex(text, pattern=r"^(\d{4})-(\d)-", replacement=r"\1-0\2-")
    text = pc.replace_substring_regex(text, pattern=r"^(\d{4}-\d\d)-(\d)($|\D)", replacement=r"\1-0\2\3")
    text = pc.replace_substring_regex(text, pattern=r"^(\d{4}-\d\d-\d\d)[Tt]?\s*(\d)", replacement=r"\1 \2")
    text = pc.replace_substring_regex(text, pattern=r"[时時](\d{1,2})分((\d{1,2})秒)?$", replacement=r":\1:\3")
    text = pc.replace_substring_regex(text, pattern=r"[时時]$", replacement=":00")
    text = pc.replace_substring_regex(text, pattern=r":$", replacement="")
    text = pc.replace_substring_regex(text, pattern=r" (\d):", replacement=r" 0\1:")
    text = pc.replace_substring_regex(text, pattern=r" (\d\d)(Z|[+-]\d\d:?\d\d)?$", replacement=r" \1:00\2")
    text = pc.replace_substring_regex(text, pattern=r"(\.\d{6})\d+", replacement=r"\1")
    text = pc.replace_substring_regex(text, pattern=r"\s*z$", replacement="Z")
    return pc.replace_substring_regex(text, pattern=r"\s*([+-]\d\d):?(\d\d)$", replacement=r"\1:\2")


def serial_moments(plain: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.datetime64]:
    """Excel's day numbers as wall-clock times; NaT for every other text. Exact to the millisecond."""
    serial = pc.match_substring_regex(plain, pattern=SERIAL)
    number = pc.cast(pc.if_else(serial, plain, pa.scalar(None, pa.string())), pa.float64())
    days = number.to_numpy() if isinstance(number, pa.ChunkedArray) else number.to_numpy(zero_copy_only=False)
    known = ~np.isnan(days.astype(np.float64))
    millis = np.where(known, np.nan_to_num(days) * 86_400_000, 0).round().astype(np.int64)
    moments = _EXCEL_EPOCH + (millis * 1000).astype("timedelta64[us]")
    return np.where(known, moments, np.datetime64("NaT", "us"))


def dated(values: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Texts in the spelling of ISO 8601, Excel's day numbers among them; and which are in none."""
    plain = iso(pc.replace_substring_regex(tidy(values), pattern=_BY, replacement=""))
    moments = serial_moments(plain)
    serial = ~np.isnat(moments)
    if serial.any():
        days = moments.astype("datetime64[D]")
        whole = np.datetime_as_string(days)
        full = np.char.replace(np.datetime_as_string(moments, unit="s"), "T", " ")
        written = np.where(moments == days, whole, full)
        plain = pc.if_else(pa.array(serial), pa.array(written, pa.string()), plain)
    good = pc.fill_null(pc.match_substring_regex(plain, MOMENT), True).to_numpy(zero_copy_only=False)
    return plain, ~good


def without_year(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Which texts are a day and a month (3月15日)."""
    matched: npt.NDArray[np.bool_] = pc.fill_null(pc.match_substring_regex(tidy(values), _YEARLESS), False).to_numpy(
        zero_copy_only=False
    )
    return matched


def with_year(values: pa.Array, arrived: npt.NDArray[np.int64], zone: str) -> pa.Array:
    """Days and months with the year of the last such day that was not after the arrival (µs since 1970, UTC)."""
    parts = pc.extract_regex(tidy(values), _YEARLESS)
    month = pc.cast(pc.struct_field(parts, "month"), pa.int64()).to_numpy(zero_copy_only=False)
    day = pc.cast(pc.struct_field(parts, "day"), pa.int64()).to_numpy(zero_copy_only=False)
    moments = pa.array(arrived).cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us", tz=ZoneInfo(zone).key))
    local = pc.local_timestamp(moments)
    today = pc.month(local).to_numpy() * 100 + pc.day(local).to_numpy()
    year = pc.year(local).to_numpy() - (month * 100 + day > today)
    written = [f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in zip(year.tolist(), month.tolist(), day.tolist(), strict=True)]
    return pa.array(written, pa.string())
