"""The books: all events of tasks as columns in memory, read on from where they end, kept on disk as derived data.

A city with many tasks does not read its whole log at every start: what was read is kept as Arrow files in a folder of
the city, with the place in the log up to which it goes and the hash of the event there. A log that has another event at
that place makes the files worthless, and they are read from the log anew. The folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cityheart.account import store
from cityheart.account.index import Index
from cityheart.account.ledger import MATTERS, TASK_COLUMNS, TYPES, Frozen, Log
from cityheart.kernel import limits
from cityheart.kernel.database import Database

__all__ = ["READ", "Books", "load", "save"]

READ = frozenset({*TYPES, *MATTERS})
_FORMAT = hashlib.sha256(json.dumps([5, sorted(TYPES.items()), TASK_COLUMNS]).encode()).hexdigest()
_PREFIX = "scores-"


class Books:
    """The log of one city as columns. ``folder`` is where they are kept between two processes; ``None`` for nowhere."""

    def __init__(self, database: Database, folder: Path | None = None) -> None:
        self._database = database
        self._folder = folder
        self._log = Log()
        self._index = Index.of(self._log)
        self._read = 0
        self._begun = False
        self._reading = threading.RLock()

    @contextmanager
    def open(self) -> Iterator[tuple[Log, Index]]:
        """The columns up to the newest settled event, for as long as the context lasts."""
        with self._reading:
            with self._database.read() as conn:
                if not self._begun:
                    self._begin(conn)
                for seq, type, data, actor in store.run_events(conn, self._read, READ):
                    self._log.feed(type, data, actor)
                    self._read = seq
                most = max(limits.SCORES_TAIL_EVENTS, len(self._log.frozen.at) // 10)
                if self._log.loose_events > most:
                    self._keep(conn)
            yield self._log, self._index

    def _begin(self, conn: Any) -> None:
        self._begun = True
        if self._folder is None or not self._folder.is_dir():
            return
        for there in sorted(self._folder.glob(f"{_PREFIX}*"), reverse=True):
            with suppress(OSError, ValueError, KeyError, pa.ArrowException):
                log, index, seq, mark = load(there)
                if store.mark(conn, seq) == mark:
                    self._log, self._index, self._read = log, index, seq
                    return

    def _keep(self, conn: Any) -> None:
        self._log.freeze()
        self._index = Index.of(self._log)
        if self._folder is not None:
            mark = store.mark(conn, self._read)
            with suppress(OSError):  # no room, not ours: the next process reads the log
                if mark is not None:
                    save(self._log, self._index, self._read, mark, self._folder)


def save(log: Log, index: Index, seq: int, mark: str, folder: Path) -> Path:
    """Write a log of which everything is frozen; older files of the folder go."""
    assert log.loose_events == 0, "what is kept is frozen"
    there = folder / f"{_PREFIX}{seq:020d}"
    fresh = folder / f"new-{there.name}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    frozen = log.frozen
    _write(fresh / "events.arrow", code=frozen.code, at=frozen.at, due=frozen.due, value=frozen.value)
    _write(fresh / "offsets.arrow", offsets=frozen.offsets)
    _write(fresh / "tasks.arrow", id=pa.array(log.ids, pa.string()), **{n: log.column(n) for n in TASK_COLUMNS})
    _write(
        fresh / "runs.arrow",
        **{name: pa.array(getattr(log, name), pa.string()) for name in ("runs", "incidents", "plans")},
        urgent=pa.array(log.urgent, pa.bool_()),
    )
    columns = index.columns()
    for name, column in columns.items():
        _write(fresh / f"{name}.arrow", column=column)
    head = {"format": _FORMAT, "seq": seq, "mark": mark, "rest": log.rest(), "index": sorted(columns)}
    (fresh / "head.json").write_text(json.dumps(head), "utf-8")
    older = [each for each in folder.glob(f"{_PREFIX}*") if each != there]
    shutil.rmtree(there, ignore_errors=True)
    fresh.rename(there)
    for each in older:
        shutil.rmtree(each, ignore_errors=True)
    return there


def load(there: Path) -> tuple[Log, Index, int, str]:
    """What :func:`save` wrote: the log, its index, up to which event, and that event's hash. Raises :class:`ValueError`."""
    head = json.loads((there / "head.json").read_text("utf-8"))
    if head["format"] != _FORMAT:
        raise ValueError("written by another version")
    events = _read(there / "events.arrow")
    tasks, runs = _read(there / "tasks.arrow"), _read(there / "runs.arrow")
    log = Log()
    log.restore(
        Frozen(
            _column(_read(there / "offsets.arrow"), "offsets"),
            *(_column(events, name) for name in ("code", "at", "due", "value")),
        ),
        tasks["id"].to_pylist(),
        tuple(array("i", _column(tasks, name).astype(np.int32).tobytes()) for name in TASK_COLUMNS),
        {name: runs[name].to_pylist() for name in ("runs", "incidents", "plans", "urgent")},
        head["rest"],
    )
    index = Index.restored({name: _column(_read(there / f"{name}.arrow"), "column") for name in head["index"]})
    if index.tasks != log.frozen.tasks or log.frozen.tasks != log.tasks:
        raise ValueError("the files do not belong together")
    return log, index, head["seq"], head["mark"]


def _write(file: Path, **columns: Any) -> None:
    table = pa.table(columns)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _read(file: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(file))).read_all()


def _column(table: pa.Table, name: str) -> Any:
    if not table.num_rows:
        return np.zeros(0, dtype=table.schema.field(name).type.to_pandas_dtype())
    return table[name].chunk(0).to_numpy() if table[name].num_chunks == 1 else table[name].to_numpy()
