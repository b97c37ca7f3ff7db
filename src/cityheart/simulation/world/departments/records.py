"""Row versions of databases and interfaces, and messages: what is there from which moment on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..chance import Bools, Floats, Ints
from .columns import Values
from .frame import Frame
from .shown import encoded, iso, shown
from .store import write_table

__all__ = ["Handed", "write_messages", "write_records", "write_table_of"]

VISIBLE = "_visible_from"
_LATE, _CORRECTED, _DOUBLED = 0.03, 0.012, 0.005
_GROUP = 100_000  # rows of a Parquet row group


@dataclass(frozen=True, slots=True)
class Handed:
    """What was handed out: rows in all, of them those that break their contract, and those that were sent twice."""

    rows: int
    bad: int = 0
    doubled: int = 0


@dataclass(frozen=True)
class _Versions:
    """Versions in the order in which they appear: of which row, since when, when it was changed, and is it the first."""

    row: Ints
    visible: Floats
    updated: Floats
    first: Bools


def write_records(folder: Path, frame: Frame, made: Values) -> Handed:
    """``RESOURCE.jsonl`` of an interface, one version of a record a line."""
    versions = _versions(frame, made)
    columns, bad = _columns(frame, made, versions)
    names = [column.name for column in frame.system.columns]
    lines = encoded([*names, VISIBLE], [*columns, iso(frame.span, versions.visible)])
    (folder / f"{frame.system.resource}.jsonl").write_text(
        "".join(f"{line}\n" for line in lines), "utf-8", newline="\n"
    )
    return Handed(len(lines), bad)


def write_table_of(folder: Path, frame: Frame, made: Values) -> Handed:
    """``NAME.sqlite`` of a database with one table."""
    versions = _versions(frame, made)
    columns, bad = _columns(frame, made, versions)
    declared = [(column.name, column.kind) for column in frame.system.columns]
    rows = list(zip(*columns, iso(frame.span, versions.visible), strict=True))
    write_table(folder / f"{frame.system.name}.sqlite", frame.system.resource, [*declared, (VISIBLE, "s")], rows)
    return Handed(len(rows), bad)


def write_messages(folder: Path, frame: Frame, made: Values) -> Handed:
    """``messages.parquet`` of a broker: some come late, some twice."""
    rng, span, system = frame.rng("sending"), frame.span, frame.system
    count = len(frame)
    sent = frame.minute + rng.uniform(0.02, 0.4, count)
    late = rng.random(count) < _LATE
    sent[late] += rng.uniform(10, 240, int(late.sum()))
    twice = np.flatnonzero(rng.random(count) < _DOUBLED)
    row = np.concatenate([np.arange(count), twice])
    sent = np.concatenate([sent, sent[twice] + rng.uniform(0.2, 9, len(twice))])
    kept = sent < span.last
    row, sent = row[kept], sent[kept]
    order = np.argsort(sent, kind="stable")
    row, sent = row[order], sent[order]
    template = system.transport[1]
    name = template[template.index("{") + 1 : template.index("}")]
    topics = [template.replace(f"{{{name}}}", str(unit)) for unit in made[name].tolist()]
    payloads = encoded(list(system.payload), [_payload(frame, made, each) for each in system.payload.values()])
    table = pa.table(
        {
            "sent_at": pa.array(span.micro(sent), pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            "topic": pa.array(topics, pa.string()).take(pa.array(row)),
            "payload": pa.array([each.encode() for each in payloads], pa.binary()).take(pa.array(row)),
        }
    )
    pq.write_table(table, folder / "messages.parquet", compression="zstd", row_group_size=_GROUP)
    return Handed(len(row), 0, int(kept[count:].sum()))


def _payload(frame: Frame, made: Values, target: str) -> list[object]:
    """A value of every message; ``time:ms`` is a moment since 1970 in that unit."""
    name, _, unit = target.partition(":")
    column = frame.system.column(name)
    if unit:
        micros = frame.span.micro(np.asarray(made[name], np.float64))
        return list((micros // {"ms": 1_000, "s": 1_000_000, "us": 1}[unit]).tolist())
    return shown(column, made[name], frame.span)


def _versions(frame: Frame, made: Values) -> _Versions:
    """Every row once, and again when it is closed or corrected; only what is there before the span ends."""
    rng, span = frame.rng("entering"), frame.span
    count = len(frame)
    visible = frame.ready + rng.uniform(3, 40, count)
    late = rng.random(count) < _LATE
    visible[late] += rng.uniform(120, 1200, int(late.sum()))
    closing = _closing(frame)
    if closing is not None:
        ended = np.asarray(made[closing], np.float64)
        again = np.flatnonzero(~np.isnan(ended))
        second = np.maximum(ended[again], visible[again]) + rng.uniform(2, 30, len(again))
    else:
        again = np.flatnonzero(rng.random(count) < _CORRECTED) if _counted(frame) else np.empty(0, np.int64)
        second = visible[again] + rng.uniform(1440, 4320, len(again))
    row = np.concatenate([np.arange(count), again])
    seen = np.round(np.concatenate([visible, second]) * 60) / 60
    first = np.concatenate([np.ones(count, np.bool_), np.zeros(len(again), np.bool_)])
    kept = np.flatnonzero(seen < span.last)
    order = kept[np.argsort(seen[kept], kind="stable")]
    return _Versions(row[order], seen[order], seen[order], first[order])


def _columns(frame: Frame, made: Values, versions: _Versions) -> tuple[list[list[object]], int]:
    """The columns of all versions as plain values, and how many rows have a value that breaks the contract."""
    closing, counted = _closing(frame), _counted(frame)
    told: dict[str, NDArray[np.generic]] = {}
    for column in frame.system.columns:
        values = made[column.name][versions.row]
        if column.verb == "updated":
            values = versions.updated
        elif column.name == closing:
            values = np.where(versions.first, np.nan, np.asarray(values, np.float64))
        elif column.verb == "progress":
            values = np.where(versions.first, column.args[0], values.astype(str)).astype(object)
        elif closing is None and column.name == counted:
            values = np.asarray(values, np.float64) + ~versions.first
        told[column.name] = values
    columns = [shown(column, told[column.name], frame.span) for column in frame.system.columns]
    planted = _planted(frame, np.flatnonzero(versions.first))
    if frame.system.bad:
        name, value = frame.system.bad
        place = [column.name for column in frame.system.columns].index(name)
        for row in planted.tolist():
            columns[place][row] = _plain(value)
    return columns, len(planted)


def _planted(frame: Frame, rows: Ints) -> Ints:
    """The few of these rows that get a value nobody can use."""
    if frame.system.bad is None or not len(rows):
        return np.empty(0, np.int64)
    return np.sort(frame.rng("bad").choice(rows, min(len(rows), 1 + len(rows) // 8_000), replace=False))


def _plain(value: str) -> object:
    try:
        return float(value)
    except ValueError:
        return value


def _closing(frame: Frame) -> str | None:
    """The column whose moment closes a matter."""
    return next((column.args[2] for column in frame.system.columns if column.verb == "progress"), None)


def _counted(frame: Frame) -> str | None:
    """The count that is corrected now and then."""
    return next((column.name for column in frame.system.columns if column.verb == "count"), None)
