"""Checking a batch of rows against a contract, column by column.

Every rule is a whole-column operation; Python looks at single rows only to say what is wrong with a bad one. A row that
breaks several rules is reported with the first: what a cleaning step refuses, then type, required, range, enum, pattern,
length, position, duplicate.

Duplicates inside one delivery
    Rows with an equal key are versions of one row. Where they say the same, the first is good and the others are
    ``duplicate``, or simply dropped where the contract drops what is unchanged. Where they differ, the last in the
    delivery is taken for the correction of the earlier ones and is good; the earlier ones are
    ``conflicting_duplicate``. Either way exactly one row of a key lands and the others stay in quarantine with their
    bytes, so nothing good is lost. Rows of an earlier delivery are no duplicates: a later
    delivery is a newer version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.kernel.text import Text, text
from cityheart.share.cleaning.clean import CODES, Cleaned, clean, set_clock
from cityheart.share.contracts import Computed, Contract, Field, Position
from cityheart.share.datum import to_wgs84
from cityheart.share.models import FieldQuality, Refused
from cityheart.share.values import Typed, to_utc, typed

__all__ = ["Bad", "Checked", "check", "codes_of", "extra_name"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that broke its contract: its position in the checked batch, the rule's `code`, the column."""

    row: int
    code: str
    field: str | None
    message: Text


@dataclass(frozen=True)
class Checked:
    """What a check found. `good` has the contract's stored fields in its types, then kept columns nobody declared.

    `index` gives each good row's position in the checked batch, ascending.
    """

    good: pa.Table
    index: npt.NDArray[np.int64]
    bad: list[Bad]
    quality: dict[str, FieldQuality]
    drift: dict[str, str]  # column of the source nobody declared → name under which it is kept


def extra_name(header: str) -> str:
    """The lake column of a source column that the contract does not declare.

    The prefix keeps it apart from fields declared later: the day the contract learns of the column, its type is free.
    """
    return "extra_" + "".join(each if each.isalnum() else "_" for each in header.strip()).lower()


def check(
    contract: Contract,
    rows: pa.Table,
    *,
    tabular: bool = True,
    damaged: bool = False,
    groups: npt.NDArray[np.int64] | None = None,
    arrived: npt.NDArray[np.int64] | None = None,
) -> Checked:
    """Check `rows` (columns named as in the source, text or typed) against `contract`.

    `groups` says which delivery of a sequence each row belongs to: duplicates are looked for inside one only. In
    `tabular` input every declared column must be there; in records (JSON, XML) only the required ones. In `damaged`
    input a row with U+FFFD in it held bytes of no encoding and is bad. `arrived` is when each row came (µs since 1970,
    UTC); the cleaning of clocks and of days without a year needs it.
    Raises Refused with code ``missing_column`` or ``ambiguous_column``.
    """
    columns, drift = _columns(contract, rows, tabular)
    found = _Findings(rows.num_rows)
    values: dict[str, pa.ChunkedArray] = {}
    quality: dict[str, FieldQuality] = {}
    sources: dict[str, pa.ChunkedArray] = {}

    if damaged:
        for header in rows.column_names:
            garbled = pc.match_substring(_as_text(rows.column(header)), "\ufffd")
            if pc.any(garbled).as_py():
                found.add(_mask(garbled), "encoding", None, _garbled, rows.column(header))
    for field in contract.delivered:
        header = columns.get(field.name)
        if header is None:
            values[field.name] = _nothing(field, rows.num_rows)
            quality[field.name] = FieldQuality(missing=rows.num_rows)
            continue
        sources[field.name] = rows.column(header)
        column, cleaned = sources[field.name], None
        if field.name in contract.clean:
            cleaned = _clean(contract, field, column, arrived, found)
            column = cleaned.values
        result = typed(column, field, contract.missing, contract.zone)
        values[field.name] = result.values
        quality[field.name] = _quality(field, result)
        if result.invalid is not None:
            found.add(result.invalid, "type", field, _not_a, sources[field.name])
        if cleaned is not None:
            _note(quality[field.name], cleaned)
    for computed in contract.computed:
        made, invalid = _compute(computed, values, rows.num_rows)
        values[computed.name] = made
        quality[computed.name] = _quality(contract.field(computed.name), Typed(made, invalid))
        if invalid is not None:
            found.add(invalid, "computed", contract.field(computed.name), _cannot_compute(computed), None)

    _set_clocks(contract, values, quality, arrived)
    needed = {*contract.key, contract.time}
    for field in contract.fields:
        column = values[field.name]
        if (field.required or field.name in needed) and column.null_count:
            found.add(_mask(pc.is_null(column)), "required", field, _is_missing, None)
        quality[field.name].invalid += _constraints(field, column, sources.get(field.name), quality[field.name], found)
    for position in contract.positions:
        _place(contract, position, values, found)

    if found.any:
        index = np.flatnonzero(found.code == 0)
        good = pa.table(values).take(pa.array(index))
    else:
        index = np.arange(rows.num_rows)
        good = pa.table(values)
    good = good.select([field.name for field in contract.stored])  # what is not kept makes no difference either
    good, index = _once(good, index, contract, groups, found)
    for header, name in drift.items():
        kept = _as_text(rows.column(header))
        good = good.append_column(name, kept.take(pa.array(index)) if len(index) < rows.num_rows else kept)
    return Checked(good, index, found.bad(), quality, drift)


def _columns(contract: Contract, rows: pa.Table, tabular: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Field → column of the source, and the columns nobody declared."""
    columns: dict[str, str] = {}
    drift: dict[str, str] = {}
    declared = {field.name for field in contract.delivered}
    for header in rows.column_names:
        name = contract.rename.get(header, header)
        if name not in declared:
            drift[header] = extra_name(header)
        elif name in columns:
            raise Refused(
                "ambiguous_column",
                text(
                    f"“{header}”和“{columns[name]}”都是字段 {name}",
                    f"{header!r} and {columns[name]!r} both mean {name}",
                ),
            )
        else:
            columns[name] = header
    absent = [
        field.name
        for field in contract.delivered
        if field.name not in columns and (tabular or field.required or field.name in contract.key)
    ]
    if absent and rows.num_rows + len(rows.column_names):
        names = ", ".join(absent)
        raise Refused("missing_column", text(f"缺少约定的列：{names}", f"declared columns are missing: {names}"))
    return columns, drift


# ── cleaning ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _clean(
    contract: Contract, field: Field, column: pa.ChunkedArray, arrived: npt.NDArray[np.int64] | None, found: _Findings
) -> Cleaned:
    """The column after its cleaning steps; what they refuse is found."""
    moments = arrived if arrived is not None else np.zeros(len(column), dtype=np.int64)
    cleaned = clean(column, contract.clean[field.name], missing=contract.missing, arrived=moments, zone=contract.zone)
    for step, bad in cleaned.bad:
        found.add(bad, CODES.get(step.name, "type"), field, _REFUSES.get(step.name, _not_a), column)
    return cleaned


def _note(quality: FieldQuality, cleaned: Cleaned) -> None:
    """What the steps changed and refused; a refused value was not missing."""
    quality.cleaned += cleaned.changed
    quality.refused += cleaned.refused
    refused = sum(cleaned.refused.values())
    quality.missing -= refused
    quality.invalid += refused


def _set_clocks(
    contract: Contract,
    values: dict[str, pa.ChunkedArray],
    quality: dict[str, FieldQuality],
    arrived: npt.NDArray[np.int64] | None,
) -> None:
    """Times that run away from the arrival, set to it."""
    if arrived is None:
        return
    for name, steps in contract.clean.items():
        if steps[-1].name == "clock":
            values[name], count = set_clock(values[name], steps[-1], arrived)
            if count:
                quality[name].cleaned["clock"] += count
                low_high = pc.min_max(values[name])
                quality[name].min, quality[name].max = (
                    each.as_py().astimezone(UTC) for each in (low_high["min"], low_high["max"])
                )


# ── rules ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _constraints(
    field: Field, column: pa.ChunkedArray, source: pa.ChunkedArray | None, quality: FieldQuality, found: _Findings
) -> int:
    """Apply the constraints of one field; returns how many rows broke one."""
    broken = 0
    if field.minimum is not None and quality.min is not None and quality.min < field.minimum:  # type: ignore[operator]
        broken += found.add(_mask(pc.less(column, _scalar(field.minimum, field))), "minimum", field, _below, source)
    if field.maximum is not None and quality.max is not None and quality.max > field.maximum:  # type: ignore[operator]
        broken += found.add(_mask(pc.greater(column, _scalar(field.maximum, field))), "maximum", field, _above, source)
    if field.enum is not None:
        allowed = pa.array(field.enum, type=field.arrow)
        wrong = pc.and_(pc.is_valid(column), pc.invert(pc.is_in(column, value_set=allowed)))
        if pc.any(wrong).as_py():
            broken += found.add(_mask(wrong), "enum", field, _not_in, source)
    if field.pattern is not None:
        wrong = pc.invert(pc.match_substring_regex(column, pattern=f"^(?:{field.pattern})$"))
        if pc.any(wrong).as_py():
            broken += found.add(_mask(wrong), "pattern", field, _not_like, source)
    if field.min_length is not None or field.max_length is not None:
        length = pc.utf8_length(column)
        low = pc.less(length, field.min_length or 0)
        high = pc.greater(length, field.max_length if field.max_length is not None else 2**31 - 1)
        wrong = pc.or_(low, high)
        if pc.any(wrong).as_py():
            broken += found.add(_mask(wrong), "length", field, _bad_length, source)
    if field.unique and len(column) > 1:
        repeated = _repeated(column)
        if repeated.any():
            broken += found.add(repeated, "unique", field, _not_unique, source)
    return broken


def _compute(computed: Computed, values: dict[str, pa.ChunkedArray], rows: int) -> tuple[pa.ChunkedArray, Mask | None]:
    """A moment from parts or an epoch number, or the first text there is.

    The mask marks rows whose parts are no date (31 February, hour 25).
    """
    if computed.first_of:
        return pc.coalesce(*(values[name] for name in computed.first_of)), None
    valid = np.ones(rows, dtype=bool)
    for name in computed.inputs:
        if values[name].null_count:
            valid &= _mask(pc.is_valid(values[name]))
    if computed.epoch is not None:
        number = _numbers(values[computed.epoch], np.float64)
        moment = number * {"s": 1e6, "ms": 1e3, "us": 1.0}[computed.unit]
        sane = np.abs(moment) < 2.5e17  # years before 1 and after 9999 are no dates of a city
        micros = np.where(sane, moment, 0).round().astype(np.int64)
        made = pa.chunked_array([pa.array(micros, mask=~(valid & sane)).cast(pa.timestamp("us", tz="UTC"))])
        invalid = valid & ~sane
        return made, invalid if invalid.any() else None
    parts = [_numbers(values[name], np.int64) for name in computed.parts]
    parts += [np.zeros(rows, dtype=np.int64)] * (6 - len(parts))
    year, month, day, hour, minute, second = parts
    sane = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    sane &= (hour >= 0) & (hour < 24) & (minute >= 0) & (minute < 60) & (second >= 0) & (second < 60)
    months = np.where(sane, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + np.where(sane, day - 1, 0)
    sane &= days.astype("datetime64[M]") == months
    seconds = np.where(sane, hour * 3600 + minute * 60 + second, 0).astype("timedelta64[s]")
    local = pa.array((days + seconds).astype("datetime64[us]"), mask=~(valid & sane))
    made = pa.chunked_array([to_utc(local, computed.zone)])
    invalid = valid & ~sane
    return made, invalid if invalid.any() else None


def _place(contract: Contract, position: Position, values: dict[str, pa.ChunkedArray], found: _Findings) -> None:
    """Check longitude and latitude and convert them to WGS84."""
    lon, lat = values[position.lon], values[position.lat]
    for name, column, bound in ((position.lon, lon, 180.0), (position.lat, lat, 90.0)):
        wrong = pc.greater(pc.abs(column), bound)
        if pc.any(wrong).as_py():
            found.add(_mask(wrong), "position", contract.field(name), _no_place, column)
    if position.datum in ("WGS84", "CGCS2000"):
        return
    missing = _mask(pc.or_(pc.is_null(lon), pc.is_null(lat)))
    x, y = to_wgs84(_numbers(lon, np.float64), _numbers(lat, np.float64), position.datum)
    values[position.lon] = pa.chunked_array([pa.array(x, mask=missing)])
    values[position.lat] = pa.chunked_array([pa.array(y, mask=missing)])


def _once(
    good: pa.Table,
    index: npt.NDArray[np.int64],
    contract: Contract,
    groups: npt.NDArray[np.int64] | None,
    found: _Findings,
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """The good rows and their positions without those that give way to another of their key."""
    doubled, same = _duplicates(good, contract, groups[index] if groups is not None else None)
    if doubled is None:
        return good, index
    at, equal = index[doubled], same[doubled]
    if contract.unchanged == "keep":  # else a row that says nothing new is dropped, as one of a later delivery is
        found.put(at[equal], "duplicate", None, _doubled)
    found.put(at[~equal], "conflicting_duplicate", None, _conflicting)
    keep = np.flatnonzero(~doubled)
    return good.take(pa.array(keep)), index[keep]


def _duplicates(
    good: pa.Table, contract: Contract, groups: npt.NDArray[np.int64] | None
) -> tuple[Mask, Mask] | tuple[None, Mask]:
    """Which rows give way to another of the same key, and which of them say the same as the one that stays."""
    nothing = np.zeros(0, dtype=bool)
    if good.num_rows < 2:
        return None, nothing
    codes = codes_of([good.column(name) for name in contract.key], groups)
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    if first.all():
        return None, nothing
    run = np.cumsum(first) - 1
    last = np.concatenate((np.flatnonzero(first)[1:], [len(order)])) - 1
    several = ~(first & np.concatenate((first[1:], [True])))
    at = np.flatnonzero(several)  # positions, in key order, of rows that have a namesake
    here, there = pa.array(order[at]), pa.array(order[last[run[at]]])
    equal = np.ones(len(at), dtype=bool)
    for column in good.columns:
        left, right = column.take(here), column.take(there)
        same = pc.fill_null(pc.equal(left, right), False)
        equal &= _mask(pc.or_(same, pc.and_(pc.is_null(left), pc.is_null(right))))
    # of the rows that say what the last one says, the first stays
    candidate = np.where(equal, at, len(order))
    starts = np.flatnonzero(np.concatenate(([True], run[at][1:] != run[at][:-1])))
    stays = np.zeros(len(order), dtype=bool)
    stays[order[np.minimum.reduceat(candidate, starts)]] = True
    doubled = np.zeros(len(order), dtype=bool)
    doubled[order[at]] = True
    doubled &= ~stays
    same_row = np.zeros(len(order), dtype=bool)
    same_row[order[at]] = equal
    return doubled, same_row


def codes_of(columns: Sequence[pa.ChunkedArray], groups: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.int64]:
    """One number a row, equal exactly for rows with equal values in all `columns` (and an equal group)."""
    codes = groups if groups is not None else np.zeros(len(columns[0]), dtype=np.int64)
    size = int(codes.max(initial=0)) + 1
    for column in columns:
        encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(encoded, pa.ChunkedArray):
            encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else pa.array([], type=encoded.type)
        encoded = encoded.dictionary_encode(null_encoding="encode")
        part = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        count = max(1, len(encoded.dictionary))
        if size * count >= 2**62:
            _, codes = np.unique(codes, return_inverse=True)
            size = int(codes.max(initial=0)) + 1
        codes = codes * count + part
        size *= count
    return codes


def _repeated(column: pa.ChunkedArray) -> Mask:
    """Rows whose value stood in an earlier row already."""
    codes = codes_of([column], None)
    _, first = np.unique(codes, return_index=True)
    repeated = np.ones(len(codes), dtype=bool)
    repeated[first] = False
    return repeated & _mask(pc.is_valid(column))


# ── what is found ──────────────────────────────────────────────────────────────────────────────────────────────────

Say = Callable[[Field | None, object], Text]


class _Findings:
    """The first broken rule of every row."""

    def __init__(self, rows: int) -> None:
        self.code = np.zeros(rows, dtype=np.int32)
        self._rules: list[tuple[str, Field | None, Say, pa.ChunkedArray | None]] = []

    @property
    def any(self) -> bool:
        return bool(self._rules)

    def add(self, mask: Mask, code: str, field: Field | None, say: Say, source: pa.ChunkedArray | None) -> int:
        self._rules.append((code, field, say, source))
        self.code[mask & (self.code == 0)] = len(self._rules)
        return int(mask.sum())

    def put(self, rows: npt.NDArray[np.int64], code: str, field: Field | None, say: Say) -> None:
        if len(rows):
            self._rules.append((code, field, say, None))
            self.code[rows] = len(self._rules)

    def bad(self) -> list[Bad]:
        result: list[Bad] = []
        if not self.any:
            return result
        for number, (code, field, say, source) in enumerate(self._rules, start=1):
            rows = np.flatnonzero(self.code == number)
            values = source.take(pa.array(rows)).to_pylist() if source is not None else [None] * len(rows)
            name = field.name if field else None
            result += [Bad(int(row), code, name, say(field, value)) for row, value in zip(rows, values, strict=True)]
        result.sort(key=lambda each: each.row)
        return result


def _shown(value: object) -> str:
    shown = str(value)
    return shown if len(shown) <= 60 else shown[:57] + "…"


_KINDS = {
    "string": text("文本", "text"),
    "integer": text("整数", "a whole number"),
    "number": text("数", "a number"),
    "boolean": text("是否值", "a yes or no"),
    "date": text("日期", "a date"),
    "datetime": text("时间", "a date and time"),
    "time": text("时刻", "a time of day"),
}


def _not_a(field: Field | None, value: object) -> Text:
    assert field is not None
    kind = _KINDS[field.type]
    return text(
        f"{field.name}“{_shown(value)}”不是{kind['zh-CN']}", f"{field.name} {_shown(value)!r} is not {kind['en']}"
    )


def _no_code(field: Field | None, value: object) -> Text:
    assert field is not None
    return text(
        f"{field.name}“{_shown(value)}”的校验码不符", f"{field.name} {_shown(value)!r} is no such code: its check fails"
    )


def _no_quantity(field: Field | None, value: object) -> Text:
    assert field is not None
    return text(
        f"{field.name}“{_shown(value)}”不能换算为约定的单位",
        f"{field.name} {_shown(value)!r} cannot be turned into the unit that was agreed",
    )


def _not_listed(field: Field | None, value: object) -> Text:
    assert field is not None
    return text(
        f"{field.name}“{_shown(value)}”不在对照表中", f"{field.name} {_shown(value)!r} is not in the contract's table"
    )


_REFUSES: dict[str, Say] = {"uscc": _no_code, "cas": _no_code, "quantity": _no_quantity, "map": _not_listed}


def _garbled(field: Field | None, value: object) -> Text:
    return text(f"“{_shown(value)}”含有无法解码的字节", f"{_shown(value)!r} holds bytes that are no text")


def _is_missing(field: Field | None, value: object) -> Text:
    assert field is not None
    return text(f"{field.name} 不能为空", f"{field.name} is missing")


def _below(field: Field | None, value: object) -> Text:
    assert field is not None
    return text(
        f"{field.name} = {_shown(value)}，低于下限 {field.minimum}",
        f"{field.name} = {_shown(value)} is below {field.minimum}",
    )


def _above(field: Field | None, value: object) -> Text:
    assert field is not None
    return text(
        f"{field.name} = {_shown(value)}，高于上限 {field.maximum}",
        f"{field.name} = {_shown(value)} is above {field.maximum}",
    )


def _not_in(field: Field | None, value: object) -> Text:
    assert field is not None and field.enum is not None
    allowed = ", ".join(map(str, field.enum[:12]))
    return text(
        f"{field.name}“{_shown(value)}”不在允许的值之内（{allowed}）",
        f"{field.name} {_shown(value)!r} is not one of {allowed}",
    )


def _not_like(field: Field | None, value: object) -> Text:
    assert field is not None
    return text(
        f"{field.name}“{_shown(value)}”不符合格式 {field.pattern}",
        f"{field.name} {_shown(value)!r} does not match {field.pattern}",
    )


def _bad_length(field: Field | None, value: object) -> Text:
    assert field is not None
    low, high = field.min_length or 0, field.max_length if field.max_length is not None else "∞"
    return text(
        f"{field.name}“{_shown(value)}”的长度不在 {low} 到 {high} 之间",
        f"{field.name} {_shown(value)!r} is not {low} to {high} characters long",
    )


def _not_unique(field: Field | None, value: object) -> Text:
    assert field is not None
    return text(f"{field.name}“{_shown(value)}”重复", f"{field.name} {_shown(value)!r} stood in an earlier row")


def _no_place(field: Field | None, value: object) -> Text:
    assert field is not None
    return text(f"{field.name} = {_shown(value)} 不是经纬度", f"{field.name} = {_shown(value)} is no place on Earth")


def _cannot_compute(computed: Computed) -> Say:
    inputs = ", ".join(computed.inputs)

    def say(field: Field | None, value: object) -> Text:
        return text(f"{inputs} 不构成一个时间", f"{inputs} make no date and time")

    return say


def _doubled(field: Field | None, value: object) -> Text:
    return text("同一次交付中有完全相同的一行", "the delivery holds an identical row already")


def _conflicting(field: Field | None, value: object) -> Text:
    return text(
        "同一次交付中后面有主键相同而内容不同的一行，以后者为准",
        "a later row of the delivery has the same key and says otherwise; the later one was taken",
    )


# ── small change ───────────────────────────────────────────────────────────────────────────────────────────────────


def _mask(values: pa.ChunkedArray | pa.Array) -> Mask:
    filled = pc.fill_null(values, False) if values.null_count else values
    result: Mask = filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy()
    return result


def _numbers(column: pa.ChunkedArray, kind: type) -> npt.NDArray[np.float64]:
    filled = pc.fill_null(column, 0) if column.null_count else column
    result: npt.NDArray[np.float64] = filled.to_numpy().astype(kind)
    return result


def _scalar(value: object, field: Field) -> pa.Scalar:
    return pa.scalar(value, type=field.arrow)


def _nothing(field: Field, rows: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(rows, type=field.arrow)])


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(column.type):
        return column
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.chunked_array(
            [pa.array([None if each is None else str(each) for each in column.to_pylist()], pa.string())]
        )


def _quality(field: Field, result: Typed) -> FieldQuality:
    """Counts, and the extremes of numbers and times."""
    invalid = int(result.invalid.sum()) if result.invalid is not None else 0
    low: float | int | date | datetime | None = None
    high: float | int | date | datetime | None = None
    if field.type in ("integer", "number", "date", "datetime"):
        extremes = pc.min_max(result.values)
        low, high = extremes["min"].as_py(), extremes["max"].as_py()
        if isinstance(low, datetime) and isinstance(high, datetime):
            low, high = low.astimezone(UTC), high.astimezone(UTC)
    return FieldQuality(missing=result.values.null_count - invalid, invalid=invalid, min=low, max=high)
