"""Keyed runs: the rows of each key go, in the order the city knew them, through a step that keeps a state per key.

A step is plain code over Arrow and numpy, without an engine in it, so the same step runs embedded and on a cluster.
States are dictionaries of numpy arrays and JSON values, saved as bytes without pickle.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.engine.layout import KNOWN_AT, SEQ, epoch_us
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge

__all__ = ["ALL", "KeyedStep", "KeyedSteps", "Ran", "State", "Step", "dump_state", "keys_of", "load_state", "run_keyed"]

State: TypeAlias = (
    "dict[str, npt.NDArray[np.generic] | int | float | str | bool | Sequence[object] | Mapping[str, object] | None]"
)
FindingT = TypeVar("FindingT")

ALL = ""  # the one key of a step without a key column

_MAGIC = b"CHS1"
_KINDS = "biufMmUS"  # numpy kinds that are saved: no objects


@dataclass
class Step(Generic[FindingT]):
    """What one step gives: the new state, findings, and rows for derived datasets by name."""

    state: State
    findings: list[FindingT] = field(default_factory=list)
    outputs: dict[str, pa.Table] = field(default_factory=dict)


class KeyedStep(Protocol[FindingT]):
    """A computation per key. ``key``: the column; None means one key for all rows.

    ``step`` gets rows of one key in (known, event time) order. It returns a new state and leaves the old one as it is.
    Its result must not depend on how the rows are cut into batches.
    """

    @property
    def key(self) -> str | None: ...

    def init(self, key: str) -> State: ...

    def step(self, state: State, batch: pa.Table) -> Step[FindingT]: ...


@runtime_checkable
class KeyedSteps(Protocol[FindingT]):
    """A step that takes the rows of all keys of a batch at once, which is quicker; what it gives is the same."""

    def step_all(self, states: Mapping[str, State], rows: pa.Table) -> Ran[FindingT]: ...


@dataclass
class Ran(Generic[FindingT]):
    """States of the keys that had rows, findings in the order of the keys, outputs by dataset; rows without a key."""

    states: dict[str, State]
    findings: list[FindingT]
    outputs: dict[str, pa.Table]
    skipped: int


def run_keyed(step: KeyedStep[FindingT], states: Mapping[str, State], rows: pa.Table, *, time: str) -> Ran[FindingT]:
    """Runs a step over landed rows: keys in the order of their text, each key's rows by (_known_at, time, landing).

    ``time``: the event time column. ``states`` is left as it is; keys without one begin with ``init``. A row whose key
    is null belongs to nobody: it is counted in ``skipped``.
    """
    if isinstance(step, KeyedSteps):
        return step.step_all(states, rows)
    ran: Ran[FindingT] = Ran({}, [], {}, 0)
    outputs: dict[str, list[pa.Table]] = {}
    total = rows.num_rows
    if step.key is not None and rows[step.key].null_count:
        rows = rows.filter(rows[step.key].is_valid())
    ran.skipped = total - rows.num_rows
    if rows.num_rows == 0:
        return ran
    names, codes = keys_of(step.key, rows)
    order = np.lexsort((*_landing(rows), epoch_us(rows[time]), epoch_us(rows[KNOWN_AT]), codes))
    rows = rows.take(pa.array(order)).combine_chunks()
    codes = codes[order]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    for start, end in zip(starts.tolist(), np.r_[starts[1:], len(codes)].tolist(), strict=True):
        key = names[int(codes[start])]
        state = states[key] if key in states else step.init(key)
        done = step.step(state, rows.slice(start, end - start))
        ran.states[key] = done.state
        ran.findings += done.findings
        for dataset, table in done.outputs.items():
            if table.num_rows:
                outputs.setdefault(dataset, []).append(table)
    ran.outputs = {
        dataset: pa.concat_tables(tables, promote_options="default") for dataset, tables in sorted(outputs.items())
    }
    return ran


def keys_of(column: str | None, rows: pa.Table) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The keys of rows as sorted text, and for each row the place of its key; one key where no column is named."""
    if column is None:
        return [ALL], np.zeros(rows.num_rows, dtype=np.int64)
    encoded = rows[column].combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    names: list[str] = encoded.dictionary.cast(pa.string()).to_pylist()
    place = np.empty(len(names), dtype=np.int64)
    order = sorted(range(len(names)), key=names.__getitem__)
    place[order] = np.arange(len(names))
    return [names[at] for at in order], place[encoded.indices.to_numpy()]


def _landing(rows: pa.Table) -> tuple[npt.NDArray[np.int64], ...]:
    return (rows[SEQ].to_numpy(),) if SEQ in rows.column_names else ()


def dump_state(state: State) -> bytes:
    """A state as bytes: equal states give equal bytes.

    Invalid for a value that cannot be saved; TooLarge beyond ``limits.STATE_BYTES``.
    """
    header: dict[str, list[object]] = {}
    bodies: list[bytes] = []
    for name in sorted(state):
        value = state[name]
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in _KINDS:
                raise Invalid(f"State {name!r}: arrays of {value.dtype} cannot be saved.")
            array = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
            header[name] = ["array", array.dtype.str, list(value.shape)]
            bodies.append(array.tobytes())
        else:
            if isinstance(value, np.generic):
                value = value.item()
            _check_json(name, value)
            header[name] = ["value", value]
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    saved = b"".join([_MAGIC, struct.pack("<I", len(head)), head, *bodies])
    if len(saved) > limits.STATE_BYTES:
        raise TooLarge(
            f"The state of one key has {len(saved)} bytes; the limit is {limits.STATE_BYTES}.",
            remedy="Let the detector forget what it no longer needs.",
        )
    return saved


def load_state(saved: bytes) -> State:
    """The state that :func:`dump_state` saved; Invalid for other bytes."""
    if len(saved) > limits.STATE_BYTES:
        raise TooLarge(f"The state of one key has {len(saved)} bytes; the limit is {limits.STATE_BYTES}.")
    try:
        if saved[:4] != _MAGIC:
            raise ValueError("it was not saved by this version")
        (length,) = struct.unpack_from("<I", saved, 4)
        header = json.loads(saved[8 : 8 + length])
        at = 8 + length
        state: State = {}
        for name, entry in header.items():
            if entry[0] == "value":
                state[name] = entry[1]
                continue
            dtype = np.dtype(entry[1])
            if dtype.kind not in _KINDS:
                raise ValueError(f"arrays of {dtype}")
            count = int(np.prod(entry[2], dtype=np.int64))
            state[name] = np.frombuffer(saved, dtype=dtype, count=count, offset=at).reshape(entry[2]).copy()
            at += count * dtype.itemsize
        if at != len(saved):
            raise ValueError("its length is wrong")
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error) as error:
        raise Invalid(
            f"A saved state cannot be read: {error}", remedy="Delete the checkpoint; the detector starts anew."
        ) from error
    return state


def _check_json(name: str, value: object) -> None:
    if value is None or isinstance(value, bool | int | float | str):
        return
    if isinstance(value, list):
        for item in value:
            _check_json(name, item)
        return
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        for item in value.values():
            _check_json(name, item)
        return
    raise Invalid(
        f"State {name!r}: a {type(value).__name__} cannot be saved.", remedy="Use numbers, text, lists, arrays."
    )
