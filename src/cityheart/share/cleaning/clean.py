"""Doing the steps to a whole column: each different value once, and every change counted for the rows that have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.share.cleaning import codes, dates, letters, quantities
from cityheart.share.cleaning.steps import Step

__all__ = ["CODES", "Cleaned", "clean", "set_clock"]

Mask = npt.NDArray[np.bool_]
Micros = npt.NDArray[np.int64]

CODES = {"uscc": "checksum", "cas": "checksum", "quantity": "quantity", "map": "unmapped"}
"""The reason in quarantine of what a step refuses; other steps give ``type``."""


@dataclass
class Cleaned:
    """A column after its steps. `changed` and `refused` count rows by step; `bad` marks the refused rows of each."""

    values: pa.ChunkedArray
    changed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[Step, Mask]] = field(default_factory=list)


def clean(
    column: pa.ChunkedArray, steps: Sequence[Step], *, missing: tuple[str, ...], arrived: Micros, zone: str
) -> Cleaned:
    """Do `steps` to a column as the source wrote it; `arrived` says when each row came (µs since 1970, UTC).

    Typed columns (Parquet, SQL) have nothing to clean but day numbers and values of a table; others stay as they are.
    """
    texts = _texts(column, steps)
    cleaned = Cleaned(column)
    work = [step for step in steps if step.name != "clock"]
    if texts is None or not work:
        return cleaned
    encoded = _Encoded.of(_without(texts, missing))
    for step in work:
        encoded = _do(step, encoded, cleaned, arrived, zone)
    cleaned.values = pa.chunked_array([_without(encoded.rows(), missing)])
    return cleaned


def set_clock(values: pa.ChunkedArray, step: Step, arrived: Micros) -> tuple[pa.ChunkedArray, int]:
    """Times further from the arrival than the step allows, as the arrival; and how many were."""
    moments = pc.fill_null(pc.cast(values, pa.int64()), 0).to_numpy()
    there = pc.is_valid(values).to_numpy()
    wrong = np.zeros(len(moments), dtype=bool)
    if step.ahead is not None:
        wrong |= moments > arrived + int(step.ahead.total_seconds() * 1e6)
    if step.behind is not None:
        wrong |= moments < arrived - int(step.behind.total_seconds() * 1e6)
    wrong &= there
    count = int(wrong.sum())
    if count:
        right = pa.array(np.where(wrong, arrived, moments), mask=~there).cast(pa.timestamp("us", tz="UTC"))
        values = pa.chunked_array([right])
    return values, count


@dataclass(frozen=True)
class _Encoded:
    """A column as its different values and where each stands."""

    values: pa.Array
    index: npt.NDArray[np.int64]  # -1 for none
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, column: pa.Array) -> _Encoded:
        encoded = column.dictionary_encode()
        index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        counts = np.bincount(index[index >= 0], minlength=len(encoded.dictionary))
        return cls(encoded.dictionary, index, counts)

    def rows(self) -> pa.Array:
        return self.values.take(pa.array(self.index, mask=self.index < 0))

    def count(self, chosen: Mask) -> int:
        return int(self.counts[chosen].sum())

    def where(self, chosen: Mask) -> Mask:
        """The rows that have one of the chosen values."""
        return np.concatenate((chosen, [False]))[self.index]  # the last is for index -1


def _do(step: Step, encoded: _Encoded, cleaned: Cleaned, arrived: Micros, zone: str) -> _Encoded:
    if step.name == "dates":
        encoded = _with_years(encoded, cleaned, arrived, zone)
    old = encoded.values
    new, unfit = _values(step, old)
    if unfit.any() and step.otherwise == "keep":
        new = pc.if_else(pa.array(unfit), old, new)
    elif unfit.any():
        new = pc.if_else(pa.array(unfit), pa.scalar(None, pa.string()), new)
        if step.otherwise == "refuse":
            cleaned.refused[step.name] += encoded.count(unfit)
            cleaned.bad.append((step, encoded.where(unfit)))
    same = pc.or_(pc.fill_null(pc.equal(old, new), False), pc.is_null(old)).to_numpy(zero_copy_only=False)
    changed = ~same & ~unfit if step.otherwise == "refuse" else ~same
    if count := encoded.count(changed):
        cleaned.changed[step.name] += count
    return _Encoded(new, encoded.index, encoded.counts)


def _values(step: Step, values: pa.Array) -> tuple[pa.Array, Mask]:
    """The different values after one step, and which of them it could make nothing of."""
    fit = np.zeros(len(values), dtype=bool)
    match step.name:
        case "width":
            return letters.width(values), fit
        case "squeeze":
            return letters.squeeze(values), fit
        case "plate":
            return letters.plate(values), fit
        case "number":
            plain = letters.number(values)
            return plain, _unlike(plain, r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$")
        case "dates":
            return dates.dated(values)
        case "quantity":
            return quantities.to_unit(letters.digits(values), step.to, step.m3_as)
        case "uscc":
            return codes.uscc(values)
        case "cas":
            return codes.cas(values)
    return _mapped(step, values)


def _mapped(step: Step, values: pa.Array) -> tuple[pa.Array, Mask]:
    known = pa.array(list(step.values), pa.string())
    at = pc.index_in(values, value_set=known)
    found = pc.is_valid(at)
    targets = pa.array(list(step.values.values()), pa.string())
    mapped = pc.if_else(found, targets.take(at), values)
    right = pc.or_(found, pc.is_in(values, value_set=targets.drop_null()))  # what is right already needs no entry
    unfit = pc.and_(pc.invert(right), pc.is_valid(values)).to_numpy(zero_copy_only=False)
    return mapped, unfit


def _with_years(encoded: _Encoded, cleaned: Cleaned, arrived: Micros, zone: str) -> _Encoded:
    """A day without a year means another one with every arrival, so it is put right row by row."""
    yearless = dates.without_year(encoded.values)
    if not yearless.any():
        return encoded
    rows = encoded.where(yearless)
    texts = encoded.rows()
    whole = dates.with_year(texts.filter(pa.array(rows)), arrived[rows], zone)
    cleaned.changed["dates"] += int(rows.sum())
    return _Encoded.of(pc.replace_with_mask(texts, pa.array(rows), whole))


def _unlike(values: pa.Array, pattern: str) -> Mask:
    result: Mask = pc.invert(pc.fill_null(pc.match_substring_regex(values, pattern), True)).to_numpy(
        zero_copy_only=False
    )
    return result


def _texts(column: pa.ChunkedArray, steps: Sequence[Step]) -> pa.Array | None:
    """The column as text; None when it is of a type that needs no cleaning."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = pc.cast(column, kind.value_type), kind.value_type
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if not textual and not (numeric and any(step.name in ("dates", "map") for step in steps)):
        return None
    column = pc.cast(column, pa.string())
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], pa.string())])


def _without(values: pa.Array, missing: tuple[str, ...]) -> pa.Array:
    absent = pc.is_in(values, value_set=pa.array(missing, pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), values) if pc.any(absent).as_py() else values
