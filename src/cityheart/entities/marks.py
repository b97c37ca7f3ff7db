"""Marks: what records are compared by, one row of numbers a record, the same in a batch of one and of a million."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.entities.hashing import Hashes, both, hashes
from cityheart.entities.normalise import (
    Gazetteer,
    codes,
    credit_codes,
    packed_codes,
    registration,
    repaired_codes,
    valid_codes,
)  # fmt: skip
from cityheart.entities.rules import KindRules

__all__ = ["COLUMNS", "Block", "Marks", "blocking", "identifier_marks", "mark"]

COLUMNS: Final = (
    "core", "stem", "sound", "region", "form", "former_core", "former_stem", "former_sound", "area", "road", "number",
    "person", "phone", "registration", "code", "tail_of_code", "head", "tail", "of", "letters", "ending",
    "brand",     "code_high", "code_low",
)  # fmt: skip
"""The columns of ``numbers``. ``code`` is a valid unified social credit code, ``tail_of_code`` its nine characters,
``code_high`` and ``code_low`` are its letters, also when its check character is wrong. New columns come last: records that
were stored with fewer have 0 there.
"""
AT: Final = {name: place for place, name in enumerate(COLUMNS)}


@dataclass(frozen=True)
class Marks:
    """The marks of records. ``stems``: the stem of each name, for likeness; ``unique``, ``decisive``: identifiers."""

    numbers: npt.NDArray[np.int64]  # (records, COLUMNS)
    stems: npt.NDArray[np.object_]
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    unique: npt.NDArray[np.int64]  # (records, unique identifiers of the kind)
    decisive: npt.NDArray[np.int64]  # (records, decisive identifiers of the kind)

    def __len__(self) -> int:
        return len(self.numbers)

    def joined(self, more: Marks) -> Marks:
        """These records, and after them the others."""
        return Marks(
            np.concatenate([self.numbers, more.numbers]),
            np.concatenate([self.stems, more.stems]),
            np.concatenate([self.lon, more.lon]),
            np.concatenate([self.lat, more.lat]),
            np.concatenate([self.unique, more.unique]),
            np.concatenate([self.decisive, more.decisive]),
        )

    def taken(self, which: npt.NDArray[np.int64]) -> Marks:
        """Some of the records."""
        return Marks(
            self.numbers[which], self.stems[which], self.lon[which], self.lat[which], self.unique[which],
            self.decisive[which],
        )  # fmt: skip


def mark(
    records: Mapping[str, pa.Array], kind: str, rules: KindRules, gazetteer: Gazetteer, *, of: Hashes | None = None
) -> Marks:
    """The marks of records.

    ``records`` are columns of equal length: texts ``name former address uscc registration person phone`` and numbers
    ``lon lat`` (degrees), all optional, and ``id:TYPE`` for each identifier. ``person`` and ``phone`` are keyed hashes.
    ``of`` says to which subject each belongs (a site to its firm), 0 where that is not known.
    """
    length = len(next(iter(records.values()))) if records else 0

    def column(name: str) -> pa.Array:
        found = records.get(name)
        if found is None:
            return pa.nulls(length, pa.string())
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found

    numbers = np.zeros((length, len(COLUMNS)), dtype=np.int64)
    numbers[:, AT["person"]] = hashes(column("person"), "person")
    numbers[:, AT["phone"]] = hashes(column("phone"), "phone")
    raw = credit_codes(codes(column("id:uscc")))
    valid = valid_codes(raw)
    numbers[:, AT["code_high"]], numbers[:, AT["code_low"]] = packed_codes(raw)
    numbers[:, AT["code"]] = identifier_marks(kind, "uscc", valid)
    long = pc.fill_null(pc.greater_equal(pc.utf8_length(raw), 17), False)
    tail = pc.if_else(long, pc.utf8_slice_codeunits(raw, 8, 17), pa.scalar(None, pa.string()))
    numbers[:, AT["tail_of_code"]] = hashes(tail, "tail of code")
    numbers[:, AT["registration"]] = hashes(registration(codes(column("id:registration"))), "registration")
    stems = np.full(length, "", dtype=object)
    if rules.points is not None and length:
        stems = _named(numbers, column("name"), column("former"), gazetteer)
        address = gazetteer.addresses(column("address"))
        numbers[:, AT["area"]], numbers[:, AT["road"]] = address.area, address.road
        numbers[:, AT["number"]] = address.number
    if of is not None:
        numbers[:, AT["of"]] = of
    given = {name: codes(column(f"id:{name}")) for name in {*rules.unique, *rules.decisive}}
    if "uscc" in given:
        given["uscc"] = valid
    return Marks(
        numbers,
        stems,
        _degrees(records, "lon", length),
        _degrees(records, "lat", length),
        _stacked([identifier_marks(kind, name, given[name]) for name in rules.unique], length),
        _stacked([identifier_marks(kind, name, given[name]) for name in rules.decisive], length),
    )


def identifier_marks(kind: str, name: str, values: pa.Array) -> Hashes:
    """Numbers of tidied identifiers of one type."""
    return hashes(values, f"{kind}:id:{name}")


class Block(NamedTuple):
    """Records by which others are found: the mark that each has, which is never 0. One record may have several."""

    who: npt.NDArray[np.int64]
    mark: Hashes


def blocking(marks: Marks, kind: str) -> dict[str, Block]:
    """The marks by which records find each other, by name."""
    at = marks.numbers.T
    area, road, number = at[AT["area"]], at[AT["road"]], at[AT["number"]]
    found = {
        "stem": at[AT["stem"]],
        "former": at[AT["former_stem"]],  # among the stems: the former name of one is the name of another
        "sound": at[AT["sound"]],
        "former_sound": at[AT["former_sound"]],
        "address": both(road, number),
        "head": at[AT["head"]],
        "tail_road": both(at[AT["tail"]], area, road),
        "head_area": both(at[AT["head"]], area),
        "letters": at[AT["letters"]],
    }
    if kind == "firm":
        found |= {
            "code": at[AT["tail_of_code"]],
            "registration": at[AT["registration"]],
            "phone": at[AT["phone"]],
            "person": at[AT["person"]],
            "person_head": both(at[AT["person"]], at[AT["head"]]),
            "person_road": both(at[AT["person"]], road),
        }
    else:
        found |= {"of": at[AT["of"]], "of_stem": both(at[AT["of"]], at[AT["stem"]]), **_cells(marks)}
    whole = {name: _block(column, kind, _FAMILY.get(name, name)) for name, column in found.items()}
    return whole | (_repaired(marks, kind) if kind == "firm" else {})


_FAMILY = {"former": "stem", "former_sound": "sound"}
_CELL_DEGREES = 0.004  # some 400 m: two grids, shifted by half a cell, hold every pair nearer than half of that


def _cells(marks: Marks) -> dict[str, Hashes]:
    known = np.isfinite(marks.lon) & np.isfinite(marks.lat)
    found = {}
    for name, shift in (("cell", 0.0), ("cell_shifted", 0.5)):
        x = np.floor(np.where(known, marks.lon, 0.0) / _CELL_DEGREES + shift).astype(np.int64)
        y = np.floor(np.where(known, marks.lat, 0.0) / _CELL_DEGREES + shift).astype(np.int64)
        found[name] = np.where(known, (x + 200_000) * 1_000_003 + (y + 100_000), 0)
    return found


def _repaired(marks: Marks, kind: str) -> dict[str, Block]:
    """Right codes, and what wrong ones may have been: a mistyped code finds the firm whose code it was meant to be."""
    at = marks.numbers.T
    high, low = at[AT["code_high"]], at[AT["code_low"]]
    right = _block(np.where(at[AT["code"]] != 0, both(high, low), 0), kind, "code_whole")
    wrong = np.flatnonzero((at[AT["code"]] == 0) & (high != 0))
    whose, high, low = repaired_codes(high[wrong], low[wrong])
    meant = _block(both(high, low), kind, "code_whole")
    return {"code_whole": right, "code_meant": Block(wrong[whose[meant.who]], meant.mark)}


def _block(column: Hashes, kind: str, name: str) -> Block:
    who = np.flatnonzero(column)
    salt = np.full(len(who), int(hashes([f"{kind}:block:{name}"])[0]), dtype=np.int64)
    return Block(who, both(column[who], salt))


def _named(
    numbers: npt.NDArray[np.int64], name: pa.Array, former: pa.Array, gazetteer: Gazetteer
) -> npt.NDArray[np.object_]:  # fmt: skip
    names = gazetteer.names(name)
    for column in ("core", "stem", "sound", "letters", "ending", "brand", "region", "form", "head", "tail"):
        numbers[:, AT[column]] = getattr(names, column)
    if former.null_count < len(former):
        before = gazetteer.names(former)
        numbers[:, AT["former_core"]] = before.core
        numbers[:, AT["former_stem"]] = before.stem
        numbers[:, AT["former_sound"]] = before.sound
    texts: npt.NDArray[np.object_] = pc.fill_null(names.text, "").to_numpy(zero_copy_only=False)
    return texts


def _degrees(records: Mapping[str, pa.Array], name: str, length: int) -> npt.NDArray[np.float64]:
    if name not in records:
        return np.full(length, np.nan)
    return np.asarray(pc.cast(records[name], pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _stacked(columns: Sequence[Hashes], length: int) -> npt.NDArray[np.int64]:
    return np.stack(columns, axis=1) if columns else np.zeros((length, 0), dtype=np.int64)
