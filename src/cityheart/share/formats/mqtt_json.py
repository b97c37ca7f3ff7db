"""MQTT messages with JSON in them: an Arrow stream or a Parquet file of {at, topic, payload}, decoded to rows.

What a topic and a payload mean is the source's to say, by its options

- ``topic``: a pattern such as ``hazards/{site_id}/{tank_id}/{metric}``: a level in braces is a column, ``+`` is any level,
  ``#`` any levels at the end;
- ``fields``: JSON name → column, with the unit of a number that is a time: ``{t = "time:ms", v = "value"}``. Dots lead into
  objects (``data.v``). Other names stay under their own, so the check sees what nobody declared. Without ``fields`` every
  name is its own column.

A message that fits neither is a malformed piece: it names what is wrong and holds topic and payload.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.formats.batch import Batch, Malformed, Payload, Reading
from cityheart.share.formats.json_records import column_of
from cityheart.share.formats.wire import tables
from cityheart.share.models import Refused

__all__ = ["MESSAGES", "Meaning", "MeaningError", "batches"]

MESSAGES = pa.schema([("at", pa.timestamp("us", tz="UTC")), ("topic", pa.string()), ("payload", pa.binary())])
"""The columns of recorded messages: when each came, its topic, its bytes."""

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_LAST = 2.5e17  # µs: years before 1 and after 9999 are no times of a city
_WORD = r'"[^"\\\x00-\x1f]*"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,40})(?:\.[0-9]{1,60})?(?:[eE][+-]?[0-9]{1,4})?"
_VALUE = rf"(?:{_WORD}|{_NUMBER}|true|false|null)"
_PAIR = rf"[ \t\r\n]*{_WORD}[ \t\r\n]*:[ \t\r\n]*{_VALUE}[ \t\r\n]*"
_FLAT = rf"^[ \t\r\n]*\{{{_PAIR}(?:,{_PAIR})*\}}[ \t\r\n]*$"
"""An object of plain values without escapes: such payloads are read as one document and cannot run into each other.

Numbers of sixty digits and more are left to the reading one by one: Python refuses the longest, and only that one."""


class MeaningError(ValueError):
    """Options that say nothing usable about topics and payloads."""


@dataclass(frozen=True)
class Meaning:
    """What a source's topics and payloads mean. `filter` is the topic as one subscribes to it."""

    filter: str
    levels: tuple[str, ...]  # columns of the topic
    pattern: str  # of the topic, a group a column
    fields: Mapping[str, tuple[str, str | None]] | None  # JSON name → column, unit of time

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Meaning:
        """The meaning that options give. Raises MeaningError."""
        topic = options.get("topic")
        if not isinstance(topic, str) or not topic or topic.startswith(("/", "$")):
            raise MeaningError("the option 'topic' must be a pattern such as plant/{tank}/level")
        subscribed, pattern, levels = [], [], []
        parts = topic.split("/")
        for number, part in enumerate(parts):
            if match := re.fullmatch(r"\{([^\W\d]\w*)\}", part):
                levels.append(match[1])
                subscribed.append("+")
                pattern.append(f"(?P<{match[1]}>[^/]+)")
            elif part in ("+", "#"):
                if part == "#" and number != len(parts) - 1:
                    raise MeaningError("the option 'topic': # stands at the end only")
                subscribed.append(part)
                pattern.append("[^/]*" if part == "+" else ".*")
            elif re.search(r"[{}+#\x00]", part):
                raise MeaningError(f"the option 'topic': {part!r} is neither a level nor a column in braces")
            else:
                subscribed.append(part)
                pattern.append(re.escape(part))
        fields = _fields(options.get("fields"))
        columns = [*levels, *(column for column, _ in (fields or {}).values())]
        if len(set(columns)) < len(columns):
            raise MeaningError("the options 'topic' and 'fields' give one column twice")
        return cls("/".join(subscribed), tuple(levels), f"^{'/'.join(pattern)}$", fields)


def _fields(raw: object) -> dict[str, tuple[str, str | None]] | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or not raw or not all(isinstance(each, str) and each for each in raw.values()):
        raise MeaningError("the option 'fields' must say which JSON name is which column, such as {v = \"value\"}")
    fields: dict[str, tuple[str, str | None]] = {}
    for name, target in raw.items():
        column, _, unit = str(target).partition(":")
        if (unit and unit not in _PER_SECOND) or not column:
            raise MeaningError(f"the option 'fields': {target!r} must be COLUMN or COLUMN:{'|'.join(_PER_SECOND)}")
        fields[str(name)] = (column, unit or None)
    return fields


def batches(payload: Payload, reading: Reading) -> Iterator[Batch]:
    """The rows in recorded messages. Raises Refused when the recording is damaged or the options say nothing usable."""
    try:
        meaning = Meaning.of(reading.options)
    except MeaningError as error:
        raise Refused("options", text(f"来源的选项不可用：{error}", f"the source's options: {error}")) from error
    first = 1
    for table in tables(payload, tuple(MESSAGES.names)):
        batch = _decoded(table, meaning, first)
        first += table.num_rows
        yield batch


def _decoded(table: pa.Table, meaning: Meaning, first: int) -> Batch:
    topics, payloads = _flat(table["topic"].cast(pa.string())), _flat(table["payload"].cast(pa.binary()))
    problems: dict[int, tuple[str, Text]] = {}
    levels = _levels(topics, meaning, problems)
    bodies = _bodies(payloads, problems)
    columns: dict[str, pa.Array] = {name: pc.struct_field(levels, name) for name in meaning.levels}
    columns |= _columns(bodies, meaning, problems)
    arrived = table["at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    bad = np.zeros(table.num_rows, dtype=bool)
    bad[list(problems)] = True
    numbers = np.arange(first, first + table.num_rows, dtype=np.int64)
    malformed = [
        Malformed(first + row, code, _raw(topics[row].as_py(), payloads[row].as_py()), message)
        for row, (code, message) in sorted(problems.items())
    ]
    rows = pa.table(columns)
    if problems:
        rows = rows.filter(pa.array(~bad))
    return Batch(rows, numbers[~bad], malformed, tabular=False, arrived=arrived[~bad])


def _raw(topic: str | None, payload: bytes | None) -> bytes:
    """A message as it is kept: the topic in one line, the payload as it came."""
    return (topic or "").encode() + b"\n" + (payload or b"")


def _levels(topics: pa.Array, meaning: Meaning, problems: dict[int, tuple[str, Text]]) -> pa.StructArray | None:
    """The columns of the topics, each different topic once."""
    encoded = topics.dictionary_encode()
    fits = pc.fill_null(pc.match_substring_regex(encoded.dictionary, meaning.pattern), False)
    wrong = np.concatenate((~fits.to_numpy(zero_copy_only=False), [True]))
    index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(wrong[index]).tolist():
        shown = str(topics[row].as_py())[:120]
        problems[row] = (
            "topic",
            text(f"主题“{shown}”不是约定的样式", f"the topic {shown!r} is not of the pattern agreed"),
        )
    if not meaning.levels:
        return None
    return pc.extract_regex(encoded.dictionary, meaning.pattern).take(encoded.indices)


def _bodies(payloads: pa.Array, problems: dict[int, tuple[str, Text]]) -> list[dict[str, object]]:
    """The object of every payload; an empty one where there is none, which is then a problem."""
    texts = _texts(payloads)
    short = pc.less_equal(pc.binary_length(payloads), limits.MQTT_PAYLOAD_BYTES)
    fits = pc.and_(short, pc.match_substring_regex(texts, _FLAT))
    flat = pc.fill_null(fits, False).to_numpy(zero_copy_only=False)
    plain: list[dict[str, object]] = json.loads("[" + ",".join(texts.filter(pa.array(flat)).to_pylist()) + "]")
    if flat.all():
        return plain
    bodies: list[dict[str, object]] = [{}] * len(texts)
    for row, body in zip(np.flatnonzero(flat).tolist(), plain, strict=True):
        bodies[row] = body
    for row in np.flatnonzero(~flat).tolist():
        found = _object(payloads[row].as_py())
        if found is not None:
            bodies[row] = found
        elif row not in problems:
            problems[row] = ("payload", text("消息内容不是 JSON 对象", "the payload is no JSON object"))
    return bodies


def _object(payload: bytes | None) -> dict[str, object] | None:
    if payload is None or len(payload) > limits.MQTT_PAYLOAD_BYTES:
        return None
    try:
        found = json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")  # NaN and Infinity, which Python would take


def _texts(payloads: pa.Array) -> pa.Array:
    """Payloads as text; null where the bytes are none, so that these are looked at one by one."""
    try:
        return payloads.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text_of(each) for each in payloads.to_pylist()], pa.string())


def _text_of(payload: bytes | None) -> str | None:
    try:
        return payload.decode() if payload is not None else None
    except UnicodeDecodeError:
        return None


# ── columns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _columns(
    bodies: Sequence[Mapping[str, object]], meaning: Meaning, problems: dict[int, tuple[str, Text]]
) -> dict[str, pa.Array]:
    """The columns of the payloads: those agreed, then those under their own names."""
    names = sorted({name for keys in set(map(tuple, bodies)) for name in keys})
    columns: dict[str, pa.Array] = {}
    agreed = meaning.fields or {}
    for name, (column, unit) in agreed.items():
        values = [body.get(name) for body in bodies]
        if "." in name:
            values = [
                _inside(body, name) if value is None else value for body, value in zip(bodies, values, strict=True)
            ]
        columns[column] = _moments(values, unit, name, problems) if unit else column_of(values)
    reserved = {*columns, *meaning.levels}
    roots = {name.partition(".")[0] for name in agreed if "." in name}
    for name in [each for each in names if each not in agreed and each not in roots][: limits.DRIFT_COLUMNS]:
        own = name if name not in reserved else f"payload.{name}"
        columns[own] = column_of([body.get(name) for body in bodies])
    return columns


def _inside(body: Mapping[str, object], path: str) -> object:
    found: object = body
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _moments(values: list[object], unit: str, name: str, problems: dict[int, tuple[str, Text]]) -> pa.Array:
    """Numbers since 1970 as moments; anything else is a problem of its row, and absent stays absent."""
    numbers = np.full(len(values), np.nan)
    there = np.fromiter((value is not None for value in values), dtype=bool, count=len(values))
    whole = column_of(values)
    if pa.types.is_integer(whole.type) or pa.types.is_floating(whole.type):
        numbers = pc.cast(whole, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    else:
        for row, value in enumerate(values):
            numbers[row] = _number(value)
    micros = numbers / (_PER_SECOND[unit] / 1e6)
    good = np.abs(micros) < _LAST
    for row in np.flatnonzero(there & ~good).tolist():
        shown = str(values[row])[:60]
        problems.setdefault(
            row, ("payload", text(f"{name}“{shown}”不是时间", f"{name} {shown!r} is no time in {unit} since 1970"))
        )
    exact: npt.NDArray[np.int64] = np.where(good, micros, 0).round().astype(np.int64)
    return pa.array(exact, mask=~good).cast(pa.timestamp("us", tz="UTC"))


def _number(value: object) -> float:
    """A number, also one in quotation marks; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
