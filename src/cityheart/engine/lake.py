"""The lake: tables of row versions, each row with the moment the city knew it.

``append`` answers when the rows are on the disk. ``current`` is the newest version by key, or what was known at a
moment; ``changes`` hands over what landed after a version; ``query`` is SQL with spatial functions over both. Safe for
threads and for several processes on one folder. All times are aware; stored in microseconds UTC. Positions are WGS84.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine import log
from cityheart.engine.backends.sedona import Files, Sedona, Veiled, View
from cityheart.engine.layout import (
    BATCH,
    CELL,
    KNOWN_AT,
    SEQ,
    SEQ_ROWS,
    SOURCE,
    TIMESTAMP,
    DataFile,
    TableSpec,
    arrange,
    cells,
    conform,
    lake_type,
    read_file,
    read_pieces,
    together,
    write_files,
)
from cityheart.engine.log import Raced, TableLog
from cityheart.engine.statement import columns_named, references
from cityheart.engine.veil import Veil
from cityheart.engine.versions import known_by, newest, newest_sql, within
from cityheart.kernel import limits
from cityheart.kernel.errors import BadRequest, Conflict, Invalid, NotFound, TooLarge, Unavailable

if TYPE_CHECKING:
    from cityheart.engine.polygons import Polygons
    from cityheart.engine.sayings import Sayings
    from cityheart.engine.within import Footers

__all__ = ["Changes", "Compacted", "Lake", "TableSpec"]

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_VERSIONS = "__versions"
_INNER = re.compile(r".*__(plain|mixed)(_\d+)?")  # views over files that a table's own view is made of
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Changes:
    """Rows in landing order with their system columns, and the version up to which they reach."""

    rows: pa.Table
    version: int


@dataclass
class Compacted:
    """What one compaction did: files before and after, rows rewritten."""

    files: int
    into: int
    rows: int


@dataclass(frozen=True)
class _Window:
    """Event times [start, end) in microseconds since 1970 UTC."""

    start: int
    end: int

    def meets(self, file: DataFile) -> bool:
        return file.time[1] >= self.start and file.time[0] < self.end

    def holds(self, files: Iterable[DataFile]) -> bool:
        return all(file.time[0] >= self.start and file.time[1] < self.end for file in files)


class _Table:
    """One table of this process: its log, and the rows that landed lately.

    ``writing`` is held while rows are written, so that writers of this process follow each other; ``lock`` only while
    the log is looked at or a commit is linked, so that readers do not wait for a large batch. First the one, then the
    other.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.writing = threading.Lock()
        self.lock = threading.Lock()
        self.log = TableLog(directory)
        self.spec = self.log.spec
        self.recent: deque[tuple[int, pa.Table, int]] = deque()  # (version, rows in landing order, place among all)
        self.recent_bytes = 0
        self.recent_after = self.log.version  # `recent` holds everything that landed after this version
        self.sayings: Sayings | None = None  # made when it is asked whether rows say anything new

    def refresh(self) -> None:
        """Takes in the commits of other processes; with them `recent` has a gap and begins anew."""
        before = self.log.schema
        if self.log.refresh():
            self.recent.clear()
            self.recent_bytes = 0
            self.recent_after = self.log.version
        if self.log.schema is not before:
            self.spec = self.log.spec

    def remember(self, version: int, rows: pa.Table, place: int) -> None:
        self.recent.append((version, rows, place))
        self.recent_bytes += rows.nbytes
        while self.recent_bytes > limits.LAKE_RECENT_BYTES:
            self.forget()

    def forget(self) -> None:
        """Lets go of the rows that landed first of those in memory; `changes` reads them from the files."""
        self.recent_after, rows, _ = self.recent.popleft()
        self.recent_bytes -= rows.nbytes


class _Cache:
    """Tables in memory up to a number of bytes, the least recently used dropped first. Safe for threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._tables: OrderedDict[object, tuple[pa.Table, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], pa.Table]) -> pa.Table:
        with self._lock:
            held = self._tables.get(key)
            if held is not None:
                self._tables.move_to_end(key)
                return held[0]
        table = make()
        self.put(key, table)
        return table

    def put(self, key: object, table: pa.Table) -> None:
        size = table.nbytes
        if size > self._limit // 4:
            return
        with self._lock:
            if key in self._tables:
                return
            self._tables[key] = (table, size)
            self._bytes += size
            while self._bytes > self._limit:
                _, (_, dropped) = self._tables.popitem(last=False)
                self._bytes -= dropped


class Lake:
    """All tables under one folder; a folder that holds nothing else."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self._tables: dict[str, _Table] = {}
        self._lock = threading.Lock()
        self._cache = _Cache(limits.LAKE_CACHE_BYTES)
        self._sql = Sedona()
        self._landings = count()
        self._footers: Footers | None = None

    # What there is

    def ensure(self, spec: TableSpec) -> None:
        """Makes the table if it is missing; adds columns that a later spec has more.

        Conflict when key, time or position of the table differ; Invalid when a name or type cannot be stored.
        """
        if not _NAME.fullmatch(spec.name):
            raise Invalid(
                f"{spec.name!r} is no table name.", remedy="Use small letters, digits and single underscores."
            )
        kinds = {field.name: lake_type(field.name, field.type) for field in spec.schema}
        for name in (*spec.key, spec.time, *(name for name in (spec.lon, spec.lat) if name)):
            if name not in kinds:
                raise Invalid(f"{spec.name}: the column {name!r} is named but not in the schema.")
        if not spec.key:
            raise Invalid(f"{spec.name} has no key.")
        if kinds[spec.time] != TIMESTAMP:
            raise Invalid(f"{spec.name}: the event time {spec.time!r} is {kinds[spec.time]}, not a time in UTC.")
        if clash := [name for name in kinds if name.startswith("_")]:
            raise Invalid(f"{spec.name}: names that begin with an underscore are the lake's own: {', '.join(clash)}.")
        if len(kinds) > limits.LAKE_COLUMNS:
            raise TooLarge(f"{spec.name} has {len(kinds)} columns; the limit is {limits.LAKE_COLUMNS}.")
        schema = pa.schema([pa.field(name, kind) for name, kind in kinds.items()])
        stored = TableSpec(spec.name, spec.key, spec.time, schema, spec.lon, spec.lat)
        directory = self.home / spec.name
        if not TableLog.exists(directory):
            TableLog.create(directory, stored)
        table = self._table(spec.name)
        with table.writing, table.lock:
            table.refresh()
            there = table.spec
            if (there.key, there.time, there.lon, there.lat) != (spec.key, spec.time, spec.lon, spec.lat):
                raise Conflict(
                    f"The table {spec.name} exists with key {list(there.key)}, time {there.time!r}, "
                    f"position {there.lon!r}, {there.lat!r}.",
                    remedy="Give the dataset another name.",
                )
            for field in schema:
                at = table.log.schema.get_field_index(field.name)
                if at >= 0 and table.log.schema.field(at).type != field.type:
                    raise Conflict(
                        f"{spec.name}.{field.name} is {table.log.schema.field(at).type} in the lake, not {field.type}.",
                        remedy="Give the column another name.",
                    )
            self._widen(table, schema)

    def spec(self, name: str) -> TableSpec:
        """What the table is, columns that drifted in included. NotFound for an unknown name."""
        table = self._table(name)
        with table.lock:
            table.refresh()
            return table.spec

    def tables(self) -> list[str]:
        """The names of all tables, sorted."""
        return sorted(path.name for path in self.home.iterdir() if TableLog.exists(path))

    def version(self, name: str) -> int:
        """The newest Delta version of the table."""
        table = self._table(name)
        with table.lock:
            table.refresh()
            return table.log.version

    def files(self, name: str) -> list[Path]:
        """The Parquet files that hold the table's rows now, oldest day first."""
        table = self._table(name)
        with table.lock:
            table.refresh()
            return [table.directory / file.path for file in sorted(table.log.files.values(), key=_place)]

    # Landing

    def append(self, name: str, rows: pa.Table, *, transaction: tuple[str, int] | None = None) -> int:
        """Lands rows as new versions of their facts and returns the Delta version when they are on the disk.

        The rows carry ``_known_at`` (timestamp), ``_source`` and ``_batch`` (text) beside the table's columns; columns
        that the table does not have are added to it. ``transaction`` = (application, number): a number that is not
        above the last one of that application has landed already, and nothing is written.
        """
        if rows.num_rows >= SEQ_ROWS:
            raise TooLarge(f"{rows.num_rows} rows in one batch; the limit is {SEQ_ROWS - 1}.")
        table = self._table(name)
        self._spare()
        with table.writing:
            with table.lock:
                table.refresh()
                if _landed(table, transaction):
                    return table.log.version
                spec = table.spec
                _check(name, spec, rows)
                body, new = self._body(table, spec, rows)
            for _ in range(limits.LAKE_COMMIT_TRIES):
                version = table.log.version + 1
                seq = pa.array(np.arange(rows.num_rows, dtype=np.int64) + version * SEQ_ROWS)
                landed = body.set_column(body.schema.get_field_index(SEQ), SEQ, seq)
                written = write_files(table.directory, list(arrange(landed, spec)), spec, f"{version:012}")
                actions: list[log.Action] = [table.log.widened(new)] if new else []
                if transaction is not None:
                    actions.append({"txn": {"appId": transaction[0], "version": transaction[1]}})
                actions += [
                    log.add(file, spec, _modified(table.directory / file.path), change=True) for file, _ in written
                ]
                with table.lock:
                    table.refresh()
                    if table.log.version + 1 == version:
                        with suppress(Raced):
                            table.log.commit("WRITE", actions)
                            if new:
                                table.spec = table.log.spec
                            self._remember(table, version, landed, written)
                            return version
                    # Another process was first. The landing order in the files names the version: write them again.
                    for file, _ in written:
                        (table.directory / file.path).unlink()
                    table.refresh()
                    if _landed(table, transaction):
                        return table.log.version
                    body, new = self._body(table, spec, rows)
        raise Unavailable(f"{limits.LAKE_COMMIT_TRIES} other writers were first at {name}.", remedy="Land it again.")

    def _body(self, table: _Table, spec: TableSpec, rows: pa.Table) -> tuple[pa.Table, list[pa.Field]]:
        """The rows with the columns and types of the table and their cells, and the columns that it must gain."""
        new = _new_columns(table, rows.schema)
        schema = pa.schema([*table.log.schema, *new])
        body = conform(rows.drop_columns([c for c in (SEQ, CELL) if c in rows.column_names]), schema)
        if spec.lon is not None and spec.lat is not None:
            place = cells(_degrees(body, spec.lon), _degrees(body, spec.lat))
        else:
            place = np.zeros(rows.num_rows, dtype=np.int64)
        return body.set_column(schema.get_field_index(CELL), CELL, pa.array(place)), new

    def _remember(
        self, table: _Table, version: int, landed: pa.Table, written: Sequence[tuple[DataFile, pa.Table]]
    ) -> None:
        table.remember(version, landed, next(self._landings))
        if table.sayings is not None:
            table.sayings.learn(landed, version)
        if landed.nbytes <= limits.LAKE_RECENT_BYTES:
            for file, part in written:
                self._cache.put((table.directory.name, file.path, landed.num_columns), part)

    def _spare(self) -> None:
        """Keeps what landed lately in all tables within its bounds: what landed first is forgotten first."""
        while True:
            with self._lock:
                tables = list(self._tables.values())
            if sum(table.recent_bytes for table in tables) <= limits.LAKE_RECENT_TOGETHER_BYTES:
                return
            oldest = min(tables, key=_first_landing)
            with oldest.lock:
                if oldest.recent:
                    oldest.forget()

    def unchanged(self, name: str, rows: pa.Table, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which rows say in ``columns`` just what the newest version of their key says already.

        For tables whose key holds the event time. Where more than ``limits.LAKE_SAYINGS_READ`` rows would have to be read
        to know, a row passes for new: it lands as one more version of the same.
        """
        table = self._table(name)
        with table.lock:
            table.refresh()
            version, files, schema, spec = (
                table.log.version,
                list(table.log.files.values()),
                table.log.schema,
                table.spec,
            )
            if table.sayings is None:
                # only tables of streams have them: what they are compiled with takes its time to load
                from cityheart.engine.sayings import Sayings

                table.sayings = Sayings(spec.key, spec.time)
            sayings = table.sayings
            gap = sayings.version < table.recent_after and sayings.version != version
            missed = [rows for at, rows, _ in table.recent if at > sayings.version]
        if not spec.timed:
            raise BadRequest(f"The key of {name} does not hold its time.", remedy="Compare with `current`.")
        if missed and not gap:
            sayings.catch_up(missed, version)

        def read(stretches: Sequence[int]) -> Iterable[pa.Table] | None:
            windows = [_Window(*sayings.span(each)) for each in stretches]
            days = {file.day for file in files for window in windows if window.meets(file)}
            near = [file for file in files if file.day in days]
            if sum(file.rows for file in near) > limits.LAKE_SAYINGS_READ:
                return None
            names = dict.fromkeys([SEQ, *spec.key, spec.time, *columns])
            wanted = pa.schema([schema.field(each) for each in names])
            return (piece for file in near for piece in read_pieces(table.directory, file.path, wanted))

        return sayings.unchanged(rows, columns, version, gap, read)

    def rows_between(self, name: str, time: tuple[datetime, datetime]) -> int:
        """How many rows the files hold that have any event time in [start, end): never fewer than there are."""
        window = _window(time)
        assert window is not None
        table = self._table(name)
        with table.lock:
            table.refresh()
            return sum(file.rows for file in table.log.files.values() if window.meets(file))

    def changes(self, name: str, after: int) -> Changes:
        """The rows that landed after a version, in landing order, however the files were compacted since."""
        table = self._table(name)
        with table.lock:
            table.refresh()
            version, schema = table.log.version, table.log.schema
            if after > version:
                raise BadRequest(f"{name} is at version {version}; there is none {after} yet.")
            if after >= table.recent_after:
                parts = [rows for at, rows, _ in table.recent if at > after]
                if len(parts) == 1 and parts[0].schema.equals(schema):
                    return Changes(parts[0], version)
                return Changes(_concat(parts, schema), version)
            first = (after + 1) * SEQ_ROWS
            chosen = [file for file in table.log.files.values() if file.seq[1] >= first]
        parts = []
        for file in chosen:
            rows = self._rows(table, file, schema)
            if file.seq[0] < first:
                rows = rows.filter(pc.greater_equal(rows[SEQ], pa.scalar(first, pa.int64())))
            parts.append(rows)
        return Changes(_concat(parts, schema).sort_by(SEQ), version)

    # Asking

    def current(
        self,
        name: str,
        *,
        at: datetime | None = None,
        time: tuple[datetime, datetime] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The newest version of every fact, or with ``at`` of what was known then; ``time`` keeps [start, end).

        System columns included; ``columns`` chooses. Rows come in no promised order.
        """
        table = self._table(name)
        with table.lock:
            table.refresh()
            files, schema, spec = list(table.log.files.values()), table.log.schema, table.spec
        rows = self._current(table, files, schema, spec, _us(at), _window(time))
        return rows.select(list(columns)) if columns is not None else rows

    def query(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        at: datetime | None = None,
        time: tuple[datetime, datetime] | None = None,
        veils: Mapping[str, Veil] | None = None,
    ) -> pa.Table:
        """Answers one SELECT (SedonaDB's dialect) over tables of the lake.

        A table's name stands for its current rows, or those known ``at`` a moment; the name with ``__versions`` for
        all row versions (known by then). ``time`` keeps event times [start, end) of every table and spares the files
        of other days. Values come as ``$name`` parameters: text, numbers, aware times, dates, durations, lists.
        ``veils``: what of a table the statement may see, by the table's name. BadRequest for SQL that cannot be answered.
        """
        moment, window = _us(at), _window(time)
        views: dict[str, View] = {}
        for reference in sorted(references(sql)):
            name = reference.removesuffix(_VERSIONS)
            if veils and _INNER.fullmatch(reference):
                raise BadRequest(f"{reference} is not a dataset of the lake.")
            if not _NAME.fullmatch(name) or not TableLog.exists(self.home / name):
                continue
            table = self._table(name)
            with table.lock:
                table.refresh()
                files, schema, spec = list(table.log.files.values()), table.log.schema, table.spec
            veil = None if veils is None else veils.get(name)
            any_one = next((each for each in schema.names if veil is None or veil.bare([each])), schema.names[0])
            named = columns_named(sql, schema.names, every=False) or [any_one]
            if veil is not None and veil.bare(named):
                veil = None
            wanted = {*named, *(veil.reads if veil is not None else ())}
            columns = [each for each in schema.names if each in wanted]
            self._view(views, table, reference, files, schema, spec, moment, window, columns)
            if veil is not None:
                kinds = pa.schema([each for each in schema if each.name in set(named)])
                views[reference] = _veiled(views[reference], veil, kinds)
        return self._sql.run(sql, views, params or {})

    def counts(
        self,
        name: str,
        areas: Polygons,
        *,
        at: datetime | None = None,
        time: tuple[datetime, datetime] | None = None,
    ) -> npt.NDArray[np.int64]:
        """How many of the current rows have their position in each area, on its edge included; ``at`` and ``time`` as above.

        The same as a join by ``ST_Intersects``, and much quicker. BadRequest for a table without positions.
        """
        from cityheart.engine.within import Footers, counted  # compiled code is loaded where areas are asked for

        table = self._table(name)
        with table.lock:
            table.refresh()
            files, schema, spec = list(table.log.files.values()), table.log.schema, table.spec
        if spec.lon is None or spec.lat is None:
            raise BadRequest(f"The rows of {name} have no position.", remedy="Ask for another dataset.")
        moment, window = _us(at), _window(time)
        per_day: dict[date, int] = {}
        for file in files:
            per_day[file.day] = per_day.get(file.day, 0) + 1

        def whole(file: DataFile) -> bool:
            """Whether every row of the file is a current one of the window."""
            alone = spec.timed and file.unique and per_day[file.day] == 1
            return alone and (moment is None or file.known[1] <= moment) and (window is None or window.holds([file]))

        plain = [file for file in files if whole(file)]
        paths = {file.path for file in plain}
        others = [file for file in files if file.path not in paths]
        lon, lat = spec.lon, spec.lat
        self._footers = self._footers or Footers()
        return counted(
            areas,
            self._footers,
            [table.directory / file.path for file in plain],
            lambda: self._current(table, others, schema, spec, moment, window).select([lon, lat]),
            lon,
            lat,
        )

    # Housekeeping

    def compact(self, name: str, *, whole: bool = True) -> Compacted:
        """Merges the files of each day into one in order, sums the log up, and deletes files long replaced.

        ``whole=False`` is the cheap form for a running city: only days with many files, and in them not the files that
        are larger than all smaller ones together. Safe beside writers and readers of this and other processes: the
        rows, their versions and ``changes`` stay as they are.
        """
        table = self._table(name)
        with table.lock:
            table.refresh()
            days: dict[date, list[DataFile]] = {}
            for file in table.log.files.values():
                days.setdefault(file.day, []).append(file)
            schema, spec, version = table.log.schema, table.spec, table.log.version
            due = version - table.log.checkpoint >= limits.LAKE_CHECKPOINT
        least = 2 if whole else limits.LAKE_DAY_FILES
        groups = [_mergeable(files, whole) for files in days.values() if len(files) >= least]
        done = Compacted(0, 0, 0)
        batch: list[list[DataFile]] = []
        rows = 0
        for group in groups:
            if len(group) > 1:
                batch.append(group)
                rows += sum(file.rows for file in group)
            if batch and (rows > limits.LAKE_MEMORY_ROWS or group is groups[-1]):
                self._merge(table, batch, schema, spec, f"{version:012}-c", done)
                batch, rows = [], 0
        if due:
            table.log.write_checkpoint()
            table.log.clean(limits.LAKE_RETENTION_HOURS)
        return done

    def _merge(
        self,
        table: _Table,
        groups: Sequence[list[DataFile]],
        schema: pa.Schema,
        spec: TableSpec,
        stem: str,
        done: Compacted,
    ) -> None:
        """Rewrites some days and swaps the files in one commit; days that another compaction took are left."""
        written: list[tuple[list[DataFile], DataFile]] = []
        for files in groups:
            rows = together(table.directory, files, schema, spec)
            for new, part in write_files(table.directory, [(files[0].day, rows)], spec, stem):
                written.append((files, new))
                if new.rows <= limits.LAKE_MEMORY_ROWS // 10:
                    self._cache.put((table.directory.name, new.path, len(schema)), conform(part, schema))
            del rows, part
        with table.writing, table.lock:
            for _ in range(limits.LAKE_COMMIT_TRIES):
                table.refresh()
                good = [(old, new) for old, new in written if all(file.path in table.log.files for file in old)]
                lost = [new for old, new in written if not all(file.path in table.log.files for file in old)]
                actions: list[log.Action] = []
                for old, new in good:
                    at = _modified(table.directory / new.path)
                    actions += [log.remove(file, at) for file in old]
                    actions.append(log.add(new, spec, at, change=False))
                if actions:
                    try:
                        table.log.commit("OPTIMIZE", actions)
                    except Raced:
                        continue
                for file in lost:
                    (table.directory / file.path).unlink()
                done.files += sum(len(old) for old, _ in good)
                done.into += len(good)
                done.rows += sum(new.rows for _, new in good)
                return
        raise Unavailable(f"Other writers were always first at {table.directory.name}.", remedy="Compact it later.")

    # How

    def _table(self, name: str) -> _Table:
        table = self._tables.get(name)
        if table is not None:
            return table
        with self._lock:
            table = self._tables.get(name)
            if table is None:
                directory = self.home / name
                if not _NAME.fullmatch(name) or not TableLog.exists(directory):
                    raise NotFound(f"The lake has no table {name!r}.", remedy="`tables()` lists what there is.")
                table = self._tables[name] = _Table(directory)
            return table

    def _widen(self, table: _Table, schema: pa.Schema) -> None:
        for _ in range(limits.LAKE_COMMIT_TRIES):
            new = _new_columns(table, schema)
            if not new:
                return
            try:
                table.log.commit("ADD COLUMN", [table.log.widened(new)])
            except Raced:
                table.refresh()
                continue
            table.spec = table.log.spec
            return
        raise Unavailable(f"Other writers were always first at {table.directory.name}.", remedy="Try again.")

    def _rows(self, table: _Table, file: DataFile, schema: pa.Schema) -> pa.Table:
        key = (table.directory.name, file.path, len(schema))
        return self._cache.get(key, lambda: read_file(table.directory, file.path, schema))

    def _current(
        self,
        table: _Table,
        files: Sequence[DataFile],
        schema: pa.Schema,
        spec: TableSpec,
        at: int | None,
        window: _Window | None,
    ) -> pa.Table:
        if at is not None:
            files = [file for file in files if file.known[0] <= at]
        if not spec.timed:
            rows = self._newest(table, tuple(files), schema, spec, at)
            return within(rows, spec.time, window.start, window.end) if window is not None else rows
        if window is not None:
            files = [file for file in files if window.meets(file)]
        days: dict[date, list[DataFile]] = {}
        for file in files:
            days.setdefault(file.day, []).append(file)
        parts = []
        for group in days.values():
            rows = self._newest(table, tuple(group), schema, spec, at)
            if window is not None and not window.holds(group):
                rows = within(rows, spec.time, window.start, window.end)
            parts.append(rows)
        return _concat(parts, schema)

    def _newest(
        self, table: _Table, files: tuple[DataFile, ...], schema: pa.Schema, spec: TableSpec, at: int | None
    ) -> pa.Table:
        """The newest versions within some files, kept in memory where all their rows were known by then."""
        if at is not None and any(file.known[1] > at for file in files):
            rows = pa.concat_tables([self._rows(table, file, schema) for file in files])
            return newest(known_by(rows, at), spec.key)
        if len(files) == 1 and files[0].unique:
            return self._rows(table, files[0], schema)
        if not files:
            return schema.empty_table()
        key = (table.directory.name, tuple(sorted(file.path for file in files)), len(schema))
        return self._cache.get(
            key, lambda: newest(pa.concat_tables([self._rows(table, file, schema) for file in files]), spec.key)
        )

    def _versions(
        self,
        table: _Table,
        file: DataFile,
        schema: pa.Schema,
        spec: TableSpec,
        at: int | None,
        window: _Window | None,
    ) -> pa.Table:
        """All rows of a file, or those known ``at`` the moment and inside the window."""
        rows = self._rows(table, file, schema)
        if at is not None and file.known[1] > at:
            rows = known_by(rows, at)
        return rows if window is None or window.holds([file]) else within(rows, spec.time, window.start, window.end)

    def _view(
        self,
        views: dict[str, View],
        table: _Table,
        reference: str,
        files: Sequence[DataFile],
        schema: pa.Schema,
        spec: TableSpec,
        at: int | None,
        window: _Window | None,
        columns: list[str],
    ) -> None:
        every = reference.endswith(_VERSIONS)
        chosen = [file for file in files if at is None or file.known[0] <= at]
        if window is not None and (every or spec.timed):
            chosen = [file for file in chosen if window.meets(file)]
        if sum(file.rows for file in chosen) <= limits.LAKE_MEMORY_ROWS:
            if every:
                rows = _concat([self._versions(table, file, schema, spec, at, window) for file in chosen], schema)
            else:
                rows = self._current(table, chosen, schema, spec, at, window)
            views[reference] = rows.select(columns)
            return
        self._large_view(views, table, reference, chosen, schema, spec, at, window, columns)

    def _large_view(
        self,
        views: dict[str, View],
        table: _Table,
        reference: str,
        files: Sequence[DataFile],
        schema: pa.Schema,
        spec: TableSpec,
        at: int | None,
        window: _Window | None,
        columns: list[str],
    ) -> None:
        """The view as SELECTs over the files, so that the SQL engine reads only the row groups that it needs.

        Days with one file that holds no key twice need no search for the newest version. The SQL is made of quoted
        column names and of moments as integers; no value of a caller is in it.
        """
        every = reference.endswith(_VERSIONS)
        inner: list[str] = []
        outer: list[str] = []
        if at is not None and any(file.known[1] > at for file in files):
            inner.append(f'"{KNOWN_AT}" <= {_literal(at)}')
        if window is not None and not window.holds(files):
            time = spec.time.replace('"', '""')
            clause = f'"{time}" >= {_literal(window.start)} AND "{time}" < {_literal(window.end)}'
            (inner if every or spec.timed else outer).append(clause)
        per_day: dict[date, int] = {}
        for file in files:
            per_day[file.day] = per_day.get(file.day, 0) + 1
        plain = [file for file in files if every or (spec.timed and file.unique and per_day[file.day] == 1)]
        paths = {file.path for file in plain}
        mixed = [file for file in files if file.path not in paths]
        names = [*columns, *([spec.time] if outer and spec.time not in columns else [])]
        ranked = list(dict.fromkeys([*names, *spec.key, KNOWN_AT, SEQ]))  # what the newest version is told by as well
        where = f" WHERE {' AND '.join(inner)}" if inner else ""
        selects = []
        for suffix, part in (("plain", plain), ("mixed", mixed)):
            if not part:
                continue
            source = f"{reference}__{suffix}"
            # The engine takes the columns of a list of files from the first, so those of one width go together.
            widths = sorted({file.columns for file in part})
            for width in widths:
                same = [table.directory / file.path for file in sorted(part, key=_place) if file.columns == width]
                views[f"{source}_{width}"] = Files(same, schema, width)
            views[source] = " UNION ALL ".join(
                f"SELECT {_listed(ranked if suffix == 'mixed' else names)} FROM {source}_{width}{where}"  # noqa: S608
                for width in widths
            )
            if suffix == "mixed":
                selects.append(newest_sql(source, names, spec.key))
            else:
                selects.append(f"SELECT {_listed(names)} FROM {source}")  # noqa: S608
        view = " UNION ALL ".join(selects)
        if outer:
            view = f"SELECT {_listed(columns)} FROM ({view}) WHERE {' AND '.join(outer)}"  # noqa: S608
        views[reference] = view


def _listed(names: Sequence[str]) -> str:
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


def _first_landing(table: _Table) -> float:
    """When the first of a table's rows in memory landed, among all landings."""
    try:
        return table.recent[0][2]
    except IndexError:  # it holds none, or no longer
        return inf


def _us(at: datetime | None) -> int | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise BadRequest("A moment without a time zone.", remedy="Give an aware datetime.")
    return (at - _EPOCH) // _MICROSECOND


def _window(time: tuple[datetime, datetime] | None) -> _Window | None:
    if time is None:
        return None
    start, end = _us(time[0]), _us(time[1])
    assert start is not None and end is not None
    return _Window(start, end)


def _veiled(view: View, veil: Veil, schema: pa.Schema) -> View:
    if isinstance(view, pa.Table):
        return veil.emptied(view) if veil.plain else Veiled(view, veil, view.schema)
    assert isinstance(view, str), "a large table is a SELECT over its files"
    return Veiled(view, veil, schema)


def _literal(at_us: int) -> str:
    return f"arrow_cast({at_us:d}, 'Timestamp(Microsecond, Some(\"UTC\"))')"


def _place(file: DataFile) -> tuple[date, str]:
    return file.day, file.path


def _landed(table: _Table, transaction: tuple[str, int] | None) -> bool:
    return transaction is not None and table.log.transactions.get(transaction[0], -1) >= transaction[1]


def _check(name: str, spec: TableSpec, rows: pa.Table) -> None:
    for column in (KNOWN_AT, SOURCE, BATCH, spec.time, *spec.key):
        if column not in rows.column_names:
            raise Invalid(f"Rows for {name} without {column}.")
    for column in (KNOWN_AT, spec.time):
        if rows[column].null_count:
            raise Invalid(f"{rows[column].null_count} rows for {name} without a value in {column}.")


def _new_columns(table: _Table, schema: pa.Schema) -> list[pa.Field]:
    there = set(table.log.schema.names)
    new = [pa.field(field.name, lake_type(field.name, field.type)) for field in schema if field.name not in there]
    if clash := [field.name for field in new if field.name.startswith("_")]:
        raise Invalid(f"Names that begin with an underscore are the lake's own: {', '.join(clash)}.")
    if len(there) + len(new) > limits.LAKE_COLUMNS:
        raise TooLarge(f"{table.directory.name} would have more than {limits.LAKE_COLUMNS} columns.")
    return new


def _degrees(rows: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(rows[name].cast(pa.float64()).to_numpy(), dtype=np.float64)


def _concat(parts: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    if not parts:
        return schema.empty_table()
    return pa.concat_tables([part if part.schema.equals(schema) else conform(part, schema) for part in parts])


def _mergeable(files: Sequence[DataFile], whole: bool) -> list[DataFile]:
    """The files of a day that one compaction merges: the smallest first, up to the limit of rows."""
    chosen: list[DataFile] = []
    rows = 0
    for file in sorted(files, key=lambda file: (file.rows, file.path)):
        if rows + file.rows > limits.LAKE_DAY_ROWS:
            break
        if not whole and len(chosen) >= limits.LAKE_DAY_FILES // 2 and file.rows > rows:
            break
        rows += file.rows
        chosen.append(file)
    return chosen


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns // 1_000_000
