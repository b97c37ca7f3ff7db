"""Rows of the lake become records: one for each key by which a dataset names a subject, however many rows use it.

All a column at a time. Personal values are hashed with the city's key here and go no further.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.layout import KNOWN_AT, TIMESTAMP
from cityheart.entities.declared import LinkDeclaration, SubjectDeclaration
from cityheart.entities.hashing import Hashes, hashes, keyed
from cityheart.entities.models import Link
from cityheart.entities.normalise import codes

__all__ = ["Mentions", "concatenated", "links", "mentions", "nothing"]

_DIGITS = 3  # a place is new when it moved by about 100 m


@dataclass(frozen=True)
class Mentions:
    """Records of one or more roles of one kind; all columns are of one length.

    ``id``: the hash of dataset, role and key; ``of``: the id of the record it belongs to, 0 for none; ``digest`` changes
    with what the record says; ``rank``: the place of its declaration, the lower the more it is believed.
    """

    id: Hashes
    of: Hashes
    digest: Hashes
    rank: npt.NDArray[np.int64]
    columns: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.id)

    def taken(self, which: npt.NDArray[np.int64]) -> Mentions:
        """Some of the records."""
        index = pa.array(which)
        return Mentions(
            self.id[which], self.of[which], self.digest[which], self.rank[which],
            {name: column.take(index) for name, column in self.columns.items()},
        )  # fmt: skip


def ids(rows: pa.Table, declared: SubjectDeclaration) -> Hashes:
    """The id of the record that each row speaks of; 0 where it names nobody."""
    texts = [pc.fill_null(_text(rows, column), "") for column in declared.key]
    joined = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "\x1f")
    found = hashes(joined, f"record:{declared.dataset}:{declared.role}")
    named = [pc.is_valid(_text(rows, column)) for column in declared.identifiers.values()]
    if declared.name is not None:
        named.append(pc.is_valid(_text(rows, declared.name)))
    anybody = named[0]
    for one in named[1:]:
        anybody = pc.or_(anybody, one)
    result: Hashes = np.where(anybody.to_numpy(zero_copy_only=False), found, 0)
    return result


def mentions(
    rows: pa.Table,
    declared: SubjectDeclaration,
    owner: SubjectDeclaration | None,
    rank: int,
    key: bytes,
    zone: ZoneInfo,
) -> Mentions:
    """The records that rows speak of in a role; of a register the newest row counts, of a stream the first.

    ``owner``: the role that it belongs to, when it is declared.
    """
    every = ids(rows, declared)
    there = np.flatnonzero(every)
    if declared.role == "self":
        there = there[::-1]  # rows come in the order they landed: the last one of each key
    _, first = np.unique(every[there], return_index=True)
    which = np.sort(there[first])
    rows = rows.take(pa.array(which))
    of = ids(rows, owner) if owner is not None else np.zeros(len(which), dtype=np.int64)
    columns: dict[str, pa.Array] = {
        "dataset": pa.array([declared.dataset] * len(which), pa.string()),
        "role": pa.array([declared.role] * len(which), pa.string()),
        "columns": pa.array([json.dumps(declared.key, ensure_ascii=False)] * len(which), pa.string()),
        "key": _json(rows, declared.key),
        "name": _of(rows, declared.name),
        "former": _of(rows, declared.former),
        "address": _of(rows, declared.address),
        "person": _hashed(_of(rows, declared.person), key, "person"),
        "phone": _hashed(_of(rows, declared.phone), key, "phone"),
        "since": _moment(rows, declared.since, zone),
        "until": _moment(rows, declared.until, zone),
        "known": rows[KNOWN_AT].combine_chunks(),
    }
    for type, column in declared.identifiers.items():
        columns[f"id:{type}"] = codes(_text(rows, column))
    lon, lat = declared.where or (None, None)
    columns["lon"], columns["lat"] = _number(rows, lon), _number(rows, lat)
    return Mentions(every[which], of, _digest(columns, of, declared), np.full(len(which), rank), columns)


def concatenated(parts: list[Mentions]) -> Mentions:
    """Records of several roles, one after the other."""
    names = sorted({name for part in parts for name in part.columns})
    columns = {}
    for name in names:
        kind = next(part.columns[name].type for part in parts if name in part.columns)
        columns[name] = pa.concat_arrays(
            [part.columns.get(name, pa.nulls(len(part), kind)).cast(kind) for part in parts]
        )
    return Mentions(
        np.concatenate([part.id for part in parts]),
        np.concatenate([part.of for part in parts]),
        np.concatenate([part.digest for part in parts]),
        np.concatenate([part.rank for part in parts]),
        columns,
    )


def nothing() -> Mentions:
    """No record."""
    none = np.zeros(0, dtype=np.int64)
    texts = ("dataset", "role", "columns", "key", "name", "former", "address", "person", "phone")
    columns = {name: pa.array([], pa.string()) for name in texts}
    columns |= {name: pa.array([], TIMESTAMP) for name in ("since", "until", "known")}
    columns |= {name: pa.array([], pa.float64()) for name in ("lon", "lat")}
    return Mentions(none, none, none, none, columns)


def links(
    rows: pa.Table, declared: LinkDeclaration, subject: SubjectDeclaration, object: SubjectDeclaration, zone: ZoneInfo
) -> list[Link]:
    """The ties that rows speak of, each once with the time it was seen or is valid."""
    a, b = ids(rows, subject), ids(rows, object)
    which = np.flatnonzero((a != 0) & (b != 0))
    if not len(which):
        return []
    some = rows.take(pa.array(which))
    table = pa.table({
        "a": a[which], "b": b[which],
        "since": _moment(some, declared.seen or declared.since, zone),
        "until": _moment(some, declared.seen or declared.until, zone),
        "n": np.arange(len(which)),
    })  # fmt: skip
    if declared.seen is not None:
        found = table.group_by(["a", "b"]).aggregate([("since", "min"), ("until", "max")])
        found = found.rename_columns(["a", "b", "since", "until"])
    else:  # what the newest row says
        newest = table.group_by(["a", "b"]).aggregate([("n", "max")])["n_max"]
        found = table.take(newest).select(["a", "b", "since", "until"])
    found = found.sort_by([("a", "ascending"), ("b", "ascending")])
    return [
        Link(declared.dataset, declared.relation, row["a"], row["b"], row["since"], row["until"])
        for row in found.to_pylist()
    ]


# ── columns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _text(rows: pa.Table, column: str) -> pa.Array:
    found = rows[column].combine_chunks()
    plain = pc.utf8_trim_whitespace(found.cast(pa.string()))
    return pc.if_else(pc.equal(pc.utf8_length(plain), 0), pa.scalar(None, pa.string()), plain)


def _of(rows: pa.Table, column: str | None) -> pa.Array:
    return pa.nulls(len(rows), pa.string()) if column is None else _text(rows, column)


def _number(rows: pa.Table, column: str | None) -> pa.Array:
    if column is None:
        return pa.nulls(len(rows), pa.float64())
    return rows[column].combine_chunks().cast(pa.float64())


def _moment(rows: pa.Table, column: str | None, zone: ZoneInfo) -> pa.Array:
    """Moments as they are, days as their beginning in the city."""
    if column is None:
        return pa.nulls(len(rows), TIMESTAMP)
    found = rows[column].combine_chunks()
    if pa.types.is_date(found.type):
        encoded = found.dictionary_encode()
        begun = [
            None if day is None else datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
            for day in encoded.dictionary.to_pylist()
        ]
        return pa.array(begun, TIMESTAMP).take(encoded.indices)
    return found.cast(TIMESTAMP)


def _hashed(values: pa.Array, key: bytes, what: str) -> pa.Array:
    """Names of persons and telephone numbers; of a number the last eleven digits count."""
    plain = codes(values)
    if what == "phone":
        plain = pc.replace_substring_regex(plain, r"[^0-9]", "")
        plain = pc.utf8_slice_codeunits(plain, -11)
        plain = pc.if_else(pc.less(pc.utf8_length(plain), 5), pa.scalar(None, pa.string()), plain)
    return keyed(plain, key, what)


def _json(rows: pa.Table, columns: tuple[str, ...]) -> pa.Array:
    """The key of each row as a JSON list of its texts, exactly as the lake has them."""
    texts = [rows[column].to_pylist() for column in columns]
    return pa.array([json.dumps(one, ensure_ascii=False) for one in zip(*texts, strict=True)], pa.string())


def _digest(columns: Mapping[str, pa.Array], of: Hashes, declared: SubjectDeclaration) -> Hashes:
    """A number that changes with what a record says. Where a stream saw a place, the place is not part of it."""
    texts = []
    for name, column in columns.items():
        if name in ("dataset", "role", "columns", "key", "known"):
            continue
        if name in ("lon", "lat"):
            if declared.role != "self":
                continue
            column = pc.round(column, _DIGITS)
        texts.append(pc.fill_null(column.cast(pa.string()), ""))
    texts.append(pa.array(of).cast(pa.string()))
    return hashes(pc.binary_join_element_wise(*texts, "\x1f"), "digest")
