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

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.formats.batch import Malformed, Reading
from cityheart.share.formats.bodies import Bodies
from cityheart.share.formats.wire import Read, Wire
from cityheart.share.models import Refused

__all__ = ["MESSAGES", "Meaning", "MeaningError", "messages"]

MESSAGES = pa.schema([("at", pa.timestamp("us", tz="UTC")), ("topic", pa.string()), ("payload", pa.binary())])
"""The columns of recorded messages: when each came, its topic, its bytes."""

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_LAST = 2.5e17  # µs: years before 1 and after 9999 are no times of a city


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


def messages(reading: Reading) -> Wire:
    """How a source's messages are read. Raises Refused when its options say nothing usable."""
    try:
        meaning = Meaning.of(reading.options)
    except MeaningError as error:
        raise Refused("options", text(f"来源的选项不可用：{error}", f"the source's options: {error}")) from error
    return Wire(tuple(MESSAGES.names), lambda table: _decoded(table, meaning), tabular=False)


def _decoded(table: pa.Table, meaning: Meaning) -> Read:
    topics, payloads = _flat(table["topic"].cast(pa.string())), _flat(table["payload"].cast(pa.binary()))
    problems: dict[int, tuple[str, Text]] = {}
    levels = _levels(topics, meaning, problems)
    bodies = Bodies.of(payloads)
    for row in bodies.wrong:
        problems.setdefault(row, ("payload", text("消息内容不是 JSON 对象", "the payload is no JSON object")))
    columns: dict[str, pa.Array] = {name: pc.struct_field(levels, name) for name in meaning.levels}
    columns |= _columns(bodies, meaning, problems)
    bad = np.array(sorted(problems), dtype=np.int64)
    malformed = [
        Malformed(row + 1, code, _raw(topics[row].as_py(), payloads[row].as_py()), message)
        for row, (code, message) in sorted(problems.items())
    ]
    rows, good = pa.table(columns), np.delete(np.arange(table.num_rows, dtype=np.int64), bad)
    if problems:
        rows = rows.take(pa.array(good))
    return Read(rows, good, good + 1, malformed, bad)


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


# ── columns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _columns(bodies: Bodies, meaning: Meaning, problems: dict[int, tuple[str, Text]]) -> dict[str, pa.Array]:
    """The columns of the payloads: those agreed, then those under their own names."""
    columns: dict[str, pa.Array] = {}
    agreed = meaning.fields or {}
    for name, (column, unit) in agreed.items():
        values = bodies.column(name)
        columns[column] = _moments(values, unit, name, problems) if unit else values
    reserved = {*columns, *meaning.levels}
    roots = {name.partition(".")[0] for name in agreed if "." in name}
    for name in [each for each in bodies.names() if each not in agreed and each not in roots][: limits.DRIFT_COLUMNS]:
        own = name if name not in reserved else f"payload.{name}"
        columns[own] = bodies.column(name, inside=False)
    return columns


def _moments(whole: pa.Array, unit: str, name: str, problems: dict[int, tuple[str, Text]]) -> pa.Array:
    """Numbers since 1970 as moments; anything else is a problem of its row, and absent stays absent."""
    if pa.types.is_integer(whole.type) or pa.types.is_floating(whole.type):
        numbers = pc.cast(whole, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    else:
        numbers = np.array([_number(value) for value in whole.to_pylist()], dtype=np.float64)
    there = whole.is_valid().to_numpy(zero_copy_only=False)
    micros = numbers / (_PER_SECOND[unit] / 1e6)
    good = np.abs(micros) < _LAST
    for row in np.flatnonzero(there & ~good).tolist():
        shown = str(whole[row].as_py())[:60]
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
