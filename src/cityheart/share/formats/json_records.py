"""JSON: lines of objects, an array of objects, or an object that holds such an array."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from cityheart.kernel import limits
from cityheart.kernel.text import text
from cityheart.share.formats.batch import Batch, Malformed, Payload, Reading, opened, whole
from cityheart.share.formats.delimited import text_blocks
from cityheart.share.models import Refused

__all__ = ["JSON_TYPES", "batches", "column_of", "records_at", "table_of"]

_LISTS = ("items", "data", "records", "results", "rows", "features", "list")


def batches(payload: Payload, reading: Reading) -> Iterator[Batch]:
    """The objects of a JSON document or of JSON lines. Raises Refused when it is neither."""
    with opened(payload) as stream:
        head = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if reading.option("records") is None and head[:1] == b"{" and _is_lines(payload):
        yield from _lines(payload, reading)
        return
    encoding = reading.option("encoding")
    data = whole(payload, "JSON")
    try:
        document = json.loads(data.decode(encoding) if encoding else data)
    except (ValueError, LookupError, RecursionError) as error:
        if head[:1] == b"{" and b"\n" in data.strip():
            yield from _lines(payload, reading)
            return
        raise Refused("unreadable", text(f"不是 JSON：{error}", f"this is not JSON: {error}")) from error
    yield _batch(records_at(document, reading.option("records")), 1)


def records_at(document: object, path: str | None) -> list[object]:
    """The list of records in a document: itself, at `path` (``data.items``), or where such lists usually are."""
    found = document
    if isinstance(document, list):
        return document
    if path:
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    elif isinstance(document, Mapping):
        found = next((document[name] for name in _LISTS if isinstance(document.get(name), list)), [document])
    if not isinstance(found, list):
        where = path or "."
        raise Refused(
            "no_records", text(f"JSON 中 {where} 处没有记录列表", f"the JSON holds no list of records at {where}")
        )
    return found


def table_of(records: Sequence[Mapping[str, object]]) -> pa.Table:
    """A column for every name that occurs; a column of mixed kinds becomes text, a nested value its JSON."""
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
    if len(names) > limits.COLUMNS:
        raise Refused(
            "too_many_columns",
            text(
                f"有 {len(names)} 列，超过上限 {limits.COLUMNS}", f"{len(names)} columns, the limit is {limits.COLUMNS}"
            ),
        )
    return pa.table({str(name): column_of([record.get(name) for record in records]) for name in names})


# Said, never left to be found out: for that pyarrow looks for pandas on the disk, at every call where it is not there.
JSON_TYPES: dict[frozenset[type], pa.DataType] = {
    frozenset(): pa.null(),
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({int, float}): pa.float64(),
    frozenset({bool}): pa.bool_(),
    frozenset({str}): pa.string(),
}


def column_of(values: list[object]) -> pa.Array:
    """Values of JSON as a typed column where they are of one kind, else as text."""
    kinds = frozenset(type(value) for value in values if value is not None)
    if kinds in JSON_TYPES:
        try:
            return pa.array(values, JSON_TYPES[kinds])
        except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
            pass
    return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown.encode("utf-8", "replace").decode()


def _batch(records: Sequence[object], first: int) -> Batch:
    """Objects are rows, everything else is malformed."""
    good = [isinstance(record, Mapping) for record in records]
    numbers = np.arange(first, first + len(records), dtype=np.int64)
    malformed = [
        _no_record(first + index, json.dumps(record, ensure_ascii=False).encode())
        for index, record in enumerate(records)
        if not good[index]
    ]
    rows = [record for record in records if isinstance(record, Mapping)]
    return Batch(table_of(rows), numbers[np.array(good, dtype=bool)], malformed, tabular=False)


def _no_record(row: int, raw: bytes) -> Malformed:
    return Malformed(row, "no_record", raw, text("不是 JSON 对象", "this is no JSON object"))


# ── lines ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_lines(payload: Payload) -> bool:
    """Whether the first line is a whole object and another line follows."""
    with opened(payload) as stream:
        line = stream.readline(limits.LINE_BYTES)
        more = stream.readline(limits.LINE_BYTES)
    if not more.strip():
        return False
    try:
        return isinstance(json.loads(line), Mapping)
    except ValueError:
        return False


def _lines(payload: Payload, reading: Reading) -> Iterator[Batch]:
    row = 1
    with opened(payload) as stream:
        for block in text_blocks(stream, reading.option("encoding")):
            lines = [line for line in block.splitlines() if line.strip()]
            try:
                records = json.loads(b"[" + b",".join(lines) + b"]")
            except (ValueError, RecursionError):
                records = []
            if len(records) == len(lines):
                yield _batch(records, row)
            else:
                yield _one_by_one(lines, row)
            row += len(lines)


def _one_by_one(lines: Sequence[bytes], first: int) -> Batch:
    """A block with a line that is no JSON: the others are rows all the same."""
    records: list[Mapping[str, object]] = []
    numbers: list[int] = []
    malformed: list[Malformed] = []
    for number, line in enumerate(lines, start=first):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, Mapping):
            records.append(record)
            numbers.append(number)
        else:
            malformed.append(_no_record(number, line))
    return Batch(table_of(records), np.array(numbers, dtype=np.int64), malformed, tabular=False)
