"""Files of departments, with what is wrong with them: late, missing, in another encoding, under other headers.

A file holds the rows of a day, a week or a month and is dropped some hours or days after its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa

from ..chance import Ints
from ..files import archive, csv_bytes, parquet_bytes, workbook
from ..times import DAY
from .columns import Values
from .declared import Column
from .frame import Frame, starts
from .records import Handed
from .shown import serial, shown

__all__ = ["write_files"]

_LATE, _MISSING, _ENCODED, _DOUBLED = 0.04, 0.015, 0.05, 0.08
_DRIFT = 0.55  # of the span, after which sources write their second headers

Cell = str | int | float | None


@dataclass
class _File:
    """One file to be: its rows, and how it is written."""

    frame: Frame
    rows: Ints
    begin: float
    end: float
    delivered: float
    rng: np.random.Generator
    columns: Mapping[str, list[object]]  # plain values of all rows of the frame
    drifted: bool

    @property
    def label(self) -> str:
        """The last day it is about."""
        return f"{self.frame.span.day(self.end - 1):%Y%m%d}"

    @property
    def headers(self) -> list[str]:
        """The names of the columns, as the source writes them by then."""
        return [each.headers[-1] if self.drifted else each.headers[0] for each in self.frame.system.columns]

    def column(self, column: Column) -> list[object]:
        """The plain values of a column."""
        values = self.columns[column.name]
        return [values[row] for row in self.rows.tolist()]


def write_files(folder: Path, frame: Frame, made: Values) -> Handed:
    """``drops/`` and ``drops.csv`` of a system."""
    (folder / "drops").mkdir()
    write, ending = _FORMATS[frame.system.transport[1]]
    dropped, rows, doubled = [], 0, 0
    files = list(_files(frame, made))
    bad = _plant(frame, files)
    for file in files:
        if file.rng.random() < _DOUBLED and frame.system.transport[1].startswith("csv") and len(file.rows):
            file.rows = np.append(file.rows, file.rows[-1])
            doubled += 1
        name = (
            f"drops/{frame.system.title}_{file.label}{ending}"
            if ending in (".csv", ".xlsx")
            else (f"drops/{frame.system.resource}_{file.label}{ending}")
        )
        (folder / name).write_bytes(write(file))
        dropped.append((file.delivered, name))
        rows += len(file.rows)
    lines = [f"{name},{frame.span.iso(at)}\n" for at, name in sorted(dropped)]
    (folder / "drops.csv").write_text("path,delivered_at\n" + "".join(lines), "utf-8", newline="\n")
    return Handed(rows, bad, doubled)


def _files(frame: Frame, made: Values) -> Iterator[_File]:
    """The files of the span with their rows, but those that never come."""
    system, span = frame.system, frame.span
    rng = frame.rng("files")
    word = system.transport[2]
    begins, ends = starts(span, word)
    of = np.searchsorted(begins, frame.minute, side="right") - 1
    if len(ends):  # no week, or no month, may end within the span
        of[(of >= 0) & (frame.minute >= ends[np.maximum(of, 0)])] = -1
    register = system.grain[0] == "register"
    plain = {column.name: shown(column, made[column.name], span) for column in system.columns}
    for number, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        delivered = end + _wait(word, rng)
        late, missing, seed = rng.random(), rng.random(), int(rng.integers(2**62))
        if late < _LATE:
            delivered += late / _LATE * 1440 + 360
        if delivered >= span.last or (missing < _MISSING and number and not register):
            continue
        rows = np.flatnonzero(frame.ready < end) if register else np.flatnonzero(of == number)
        if not len(rows) and not system.transport[1].startswith("csv"):
            continue
        told = plain
        if register:  # the areas of that day, whatever they were when the unit was entered
            now = frame.at(end)
            codes = [area.code for area in frame.ground.areas]
            told = plain | {
                column.name: [codes[area] for area in now.area.tolist()]
                for column in system.columns
                if column.verb == "code"
            }
        drifted = begin > span.first + _DRIFT * (span.last - span.first)
        yield _File(
            frame,
            rows,
            begin,
            end,
            delivered,
            np.random.default_rng(seed),
            _until(frame, told, made, delivered),
            drifted,
        )


def _wait(word: str, rng: np.random.Generator) -> float:
    """Minutes from the end of what a file is about to its delivery."""
    if word == "day":
        return float(rng.uniform(300, 480))
    if word == "week":
        return float(rng.uniform(540, 760))
    return float(rng.integers(2, 6)) * DAY + float(rng.uniform(500, 1020))


def _until(
    frame: Frame, plain: Mapping[str, list[object]], made: Values, delivered: float
) -> Mapping[str, list[object]]:
    """What had happened by the delivery: later moments are not in the file."""
    later = [column.name for column in frame.system.columns if column.verb == "after"]
    if not later:
        return plain
    found = dict(plain)
    for name in later:
        moments = np.asarray(made[name], np.float64)
        known = (moments <= delivered).tolist()
        found[name] = [value if seen else None for value, seen in zip(plain[name], known, strict=True)]
    return found


def _plant(frame: Frame, files: Sequence[_File]) -> int:
    """A few values that break the contract; how many."""
    if frame.system.bad is None:
        return 0
    rows = np.unique(np.concatenate([file.rows for file in files])) if files else np.empty(0, np.int64)
    if not len(rows):
        return 0
    name, value = frame.system.bad
    chosen = frame.rng("bad").choice(rows, min(len(rows), 1 + len(rows) // 8_000), replace=False)
    plain = float(value) if frame.system.transport[1] == "parquet" else value
    for values in {id(file.columns[name]): file.columns[name] for file in files}.values():
        for row in chosen.tolist():
            values[row] = plain
    return len(chosen)


# ── text ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _csv(file: _File) -> bytes:
    usual, other = ("gb18030", "utf-8-sig") if file.frame.system.transport[1] == "csvgb" else ("utf-8-sig", "gb18030")
    cells = [_cells(file, column) for column in file.frame.system.columns]
    return csv_bytes(file.headers, zip(*cells, strict=True), other if file.rng.random() < _ENCODED else usual)


def _cells(file: _File, column: Column) -> list[str]:
    """A column as text: dates in several ways, numbers with separators, moments to the minute."""
    values = file.column(column)
    if column.name in file.frame.system.dates:
        return [_date(value, style) for value, style in zip(values, file.rng.random(len(values)).tolist(), strict=True)]
    if column.name in file.frame.system.thousands:
        odd = (file.rng.random(len(values)) < 0.5).tolist()
        return [
            f"{value:,}" if comma and isinstance(value, int | float) else _text(value)
            for value, comma in zip(values, odd, strict=True)
        ]
    return [_text(value) for value in values]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    return str(value)


def _date(value: object, style: float) -> str:
    """A day as people write it; a moment keeps its time of day."""
    if value is None:
        return ""
    text = str(value)
    day, clock = date.fromisoformat(text[:10]), f" {text[11:16]}" if len(text) > 10 else ""
    if style < 0.6:
        return f"{day.isoformat()}{clock}"
    return f"{day.year}/{day.month}/{day.day}{clock}" if style < 0.8 else f"{day.year}年{day.month}月{day.day}日{clock}"


# ── other formats ──────────────────────────────────────────────────────────────────────────────────────────────────


def _xlsx(file: _File) -> bytes:
    """A sheet for every area, each with a title above its headers and a blank row now and then."""
    columns = file.frame.system.columns
    cells = [_row_cells(file, column) for column in columns]
    areas = file.frame.area[file.rows]
    sheets: list[tuple[str, Sequence[Sequence[Cell]], int]] = []
    for area in dict.fromkeys(areas.tolist()):
        name = file.frame.ground.areas[area].name if area >= 0 else "全市"
        rows = [[cell[row] for cell in cells] for row in np.flatnonzero(areas == area).tolist()]
        if len(rows) > 2 and file.rng.random() < 0.4:
            rows.insert(int(file.rng.integers(1, len(rows))), [None] * len(columns))
        title = f"{name}{file.frame.system.title}（{file.frame.span.day(file.begin):%Y年%m月%d日}起）"
        sheets.append((name, [[title], file.headers, *rows], len(columns)))
    return workbook(sheets)


def _row_cells(file: _File, column: Column) -> list[Cell]:
    values = file.column(column)
    if column.name in file.frame.system.dates:
        styles = file.rng.random(len(values)).tolist()
        return [
            serial(date.fromisoformat(str(value)[:10]))
            if value is not None and style < 0.5
            else _date(value, 2 * style - 1)
            for value, style in zip(values, styles, strict=True)
        ]
    if column.name in file.frame.system.thousands:
        return list(_cells(file, column))
    return [
        value if isinstance(value, int | float) and not isinstance(value, bool) else _text(value) for value in values
    ]


def _xml(file: _File) -> bytes:
    """An archive of one document a row, in GB 18030, named after the first column."""
    system = file.frame.system
    columns = [file.column(column) for column in system.columns]
    members = []
    for row in zip(*columns, strict=True):
        inner = "".join(
            f"  <{column.name}>{escape(_text(value))}</{column.name}>\n"
            for column, value in zip(system.columns, row, strict=True)
            if value is not None
        )
        document = f'<?xml version="1.0" encoding="GB18030"?>\n<{system.resource}>\n{inner}</{system.resource}>\n'
        members.append((f"{row[0]}.xml", document.encode("gb18030")))
    return archive(members)


def _json(file: _File) -> bytes:
    columns = file.frame.system.columns
    rows = zip(*(file.column(column) for column in columns), strict=True)
    listed = [dict(zip((column.name for column in columns), row, strict=True)) for row in rows]
    return json.dumps({"data": listed}, ensure_ascii=False, separators=(",", ":")).encode()


def _parquet(file: _File) -> bytes:
    return parquet_bytes(pa.table({column.name: _typed(file, column) for column in file.frame.system.columns}))


def _typed(file: _File, column: Column) -> pa.Array:
    values = pa.array(file.column(column))
    kinds = {"i": pa.int64(), "n": pa.float64(), "s": pa.string(), "b": pa.bool_()}
    if column.kind in kinds:
        return values.cast(kinds[column.kind])
    return values.cast(pa.date32()) if column.verb == "day" else values.cast(pa.timestamp("us", tz="UTC"))


_FORMATS: Mapping[str, tuple[Callable[[_File], bytes], str]] = {
    "csv": (_csv, ".csv"),
    "csvgb": (_csv, ".csv"),
    "xlsx": (_xlsx, ".xlsx"),
    "xmlzip": (_xml, ".zip"),
    "json": (_json, ".json"),
    "parquet": (_parquet, ".parquet"),
}
