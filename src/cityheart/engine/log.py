"""The Delta log of one table, followed commit by commit and written durably.

The tables are plain Delta Lake (protocol 1/2): created, checkpointed and vacuumed by ``deltalake`` and readable by
every Delta reader. Commits of data are written here, because the library does not force its log to the disk and
accepts the same application transaction twice: a commit is one JSON file, synced before it is linked to its number,
so that it is there whole or not at all, and a number is taken by one writer only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema

from cityheart.engine.layout import DAY, KNOWN_AT, SEQ, SYSTEM, DataFile, TableSpec, sync_directory
from cityheart.kernel.errors import Conflict, Unavailable

__all__ = ["Raced", "TableLog", "add", "remove"]

Action = dict[str, object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAG = "cityheart"


class Raced(Conflict):
    """Another writer took the version."""


class TableLog:
    """The present state of one table: ``version``, ``spec``, ``files`` by path, ``transactions`` by application.

    Not safe for threads: the lake holds a lock around it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.version = -1
        self.files: dict[str, DataFile] = {}
        self.transactions: dict[str, int] = {}
        self.schema: pa.Schema = pa.schema([])  # with the system columns, without the partition
        self.checkpoint = -1
        self._metadata: Action = {}
        self._load()

    @property
    def spec(self) -> TableSpec:
        """What the table is now, drifted columns included."""
        options = cast(Mapping[str, str], self._metadata["configuration"])
        own = pa.schema([field for field in self.schema if field.name not in SYSTEM.names])
        return TableSpec(
            name=self.directory.name,
            key=tuple(json.loads(options["cityheart.key"])),
            time=options["cityheart.time"],
            schema=own,
            lon=options.get("cityheart.lon"),
            lat=options.get("cityheart.lat"),
        )

    @staticmethod
    def exists(directory: Path) -> bool:
        """Whether a table is there whole; one that a crash cut short while it was made is not."""
        for first in (f"{0:020}.json", "_last_checkpoint"):
            try:
                if (directory / "_delta_log" / first).stat().st_size:
                    return True
            except (FileNotFoundError, NotADirectoryError):
                continue
        return False

    @staticmethod
    def create(directory: Path, spec: TableSpec) -> None:
        """Makes an empty table; a table that is there already is left as it is."""
        directory.mkdir(parents=True, exist_ok=True)
        if not TableLog.exists(directory):
            (directory / "_delta_log" / f"{0:020}.json").unlink(missing_ok=True)
        options = {"cityheart.key": json.dumps(list(spec.key)), "cityheart.time": spec.time}
        if spec.lon is not None and spec.lat is not None:
            options |= {"cityheart.lon": spec.lon, "cityheart.lat": spec.lat}
        schema = pa.schema([*SYSTEM, *spec.schema, pa.field(DAY, pa.date32())])
        DeltaTable.create(
            directory,
            schema,
            mode="ignore",
            partition_by=[DAY],
            configuration={**options, "delta.checkpointInterval": "1000000"},
            raise_if_key_not_exists=False,
        )
        sync_log(directory)
        sync_directory(directory)
        sync_directory(directory.parent)

    # Reading

    def _load(self) -> None:
        hint = self.directory / "_delta_log" / "_last_checkpoint"
        try:
            start = int(json.loads(hint.read_bytes())["version"])
            rows = pq.read_table(self._path(start, "checkpoint.parquet")).to_pylist()
        except (FileNotFoundError, ValueError, KeyError, pa.ArrowInvalid):
            start = -1  # no checkpoint, or one that a crash cut short: the commits hold everything it held
            rows = []
        for row in rows:
            for kind, action in row.items():
                if action is not None:
                    self._apply(kind, action)
        self.version = self.checkpoint = start
        self.refresh()
        if self.version < 0 or not self._metadata:
            raise Unavailable(
                f"The lake table {self.directory.name} has no readable log.",
                remedy=f"Restore {self.directory.name}/_delta_log from a backup.",
            )

    def refresh(self) -> list[DataFile]:
        """Takes in commits made since; returns the files of rows that they added (not those of compactions)."""
        added: list[DataFile] = []
        while True:
            try:
                lines = self._path(self.version + 1, "json").read_bytes().splitlines()
            except FileNotFoundError:
                return added
            try:
                actions = [json.loads(line) for line in lines if line]
            except ValueError as error:
                raise Unavailable(
                    f"Commit {self.version + 1} of {self.directory.name} is damaged: {error}",
                    remedy="Restore the table from a backup.",
                ) from error
            added += self._take(actions)

    def _take(self, actions: Sequence[Action]) -> list[DataFile]:
        added = []
        for entry in actions:
            for kind, action in entry.items():
                file = self._apply(kind, cast(Mapping[str, object], action))
                if file is not None and cast(Mapping[str, object], action)["dataChange"]:
                    added.append(file)
        self.version += 1
        return added

    def _apply(self, kind: str, action: Mapping[str, object]) -> DataFile | None:
        if kind == "add":
            file = _read_add(action)
            self.files[file.path] = file
            return file
        if kind == "remove":
            self.files.pop(str(action["path"]), None)
        elif kind == "txn":
            self.transactions[str(action["appId"])] = cast(int, action["version"])
        elif kind == "metaData":
            self._metadata = dict(action)
            self._metadata["configuration"] = dict(cast(Mapping[str, str], action["configuration"]))
            format_ = dict(cast(Mapping[str, object], action["format"]))
            format_["options"] = dict(cast(Mapping[str, str], format_.get("options") or {}))
            self._metadata["format"] = format_
            arrow = pa.schema(Schema.from_json(str(action["schemaString"])).to_arrow())
            self.schema = pa.schema([field for field in arrow if field.name != DAY])
        elif kind == "protocol":
            reader, writer = cast(int, action["minReaderVersion"]), cast(int, action["minWriterVersion"])
            if reader > 1 or writer > 2:
                raise Conflict(
                    f"The lake table {self.directory.name} was upgraded to Delta protocol {reader}/{writer}, "
                    "which this engine does not write.",
                    remedy="Restore the table, or copy its rows into a new one.",
                )
        return None

    # Writing

    def commit(self, operation: str, actions: Sequence[Action]) -> int:
        """Writes the next version durably and takes it in; Raced when another writer was first."""
        version = self.version + 1
        payload = "\n".join(json.dumps(action, separators=(",", ":"), ensure_ascii=False) for action in actions)
        staged, handle = self._stage(version)
        try:
            written = os.fstat(handle).st_mtime_ns // 1_000_000
            first = {"commitInfo": {"timestamp": written, "operation": operation, "engineInfo": "cityheart"}}
            left = memoryview(f"{json.dumps(first)}\n{payload}\n".encode())
            while left:  # a disk that is nearly full takes a part, and says that it is full at the next
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        except OSError:
            os.unlink(staged)
            raise
        finally:
            os.close(handle)
        target = self._path(version, "json")
        try:
            os.link(staged, target)
        except FileExistsError:
            raise Raced(f"Another writer took version {version} of {self.directory.name}.") from None
        finally:
            os.unlink(staged)
        sync_directory(target.parent)
        self._take(actions)
        return version

    def _stage(self, version: int) -> tuple[Path, int]:
        """A file of one's own for a commit that is not linked yet. What a crash leaves here is never read."""
        folder = self.directory / "_staged"
        folder.mkdir(exist_ok=True)
        number = 0
        while True:
            path = folder / f"{version}-{number}.json"
            try:
                return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                number += 1

    def widened(self, columns: Sequence[pa.Field]) -> Action:
        """The action that adds columns (null in the rows that are there)."""
        arrow = pa.schema([*self.schema, *columns, pa.field(DAY, pa.date32())])
        return {"metaData": {**self._metadata, "schemaString": Schema.from_arrow(arrow).to_json()}}

    def write_checkpoint(self) -> None:
        """Sums the log up in one file, so that opening stays quick."""
        table = DeltaTable(self.directory)
        table.create_checkpoint()
        sync_log(self.directory)
        self.checkpoint = table.version()

    def clean(self, hours: int) -> None:
        """Deletes files that were replaced, or never committed, more than ``hours`` ago, and log older than 30 days."""
        table = DeltaTable(self.directory)
        table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=True)
        table.cleanup_metadata()

    def _path(self, version: int, suffix: str) -> Path:
        return self.directory / "_delta_log" / f"{version:020}.{suffix}"


def sync_log(directory: Path) -> None:
    """Forces every file of the log that ``deltalake`` may just have written to the disk."""
    log = directory / "_delta_log"
    recent = [*log.glob("*.checkpoint.parquet"), log / "_last_checkpoint", log / f"{0:020}.json"]
    for path in recent:
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    sync_directory(log)


def add(file: DataFile, spec: TableSpec, modified_ms: int, *, change: bool) -> Action:
    """The action that adds a file. ``change``: it brings rows; false for a compaction."""
    low = {SEQ: file.seq[0], KNOWN_AT: _stamp(file.known[0]), spec.time: _stamp(file.time[0])}
    high = {SEQ: file.seq[1], KNOWN_AT: _stamp(file.known[1]), spec.time: _stamp(file.time[1])}
    nulls = dict.fromkeys(low, 0)
    stats = {"numRecords": file.rows, "minValues": low, "maxValues": high, "nullCount": nulls}
    own = {"time": file.time, "known": file.known, "seq": file.seq, "columns": file.columns, "unique": file.unique}
    return {
        "add": {
            "path": file.path,
            "partitionValues": {DAY: file.day.isoformat()},
            "size": file.bytes,
            "modificationTime": modified_ms,
            "dataChange": change,
            "stats": json.dumps(stats),
            "tags": {_TAG: json.dumps(own)},
        }
    }


def remove(file: DataFile, at_ms: int) -> Action:
    """The action that takes a compacted file out; its rows live on in another."""
    return {
        "remove": {
            "path": file.path,
            "deletionTimestamp": at_ms,
            "dataChange": False,
            "extendedFileMetadata": True,
            "partitionValues": {DAY: file.day.isoformat()},
            "size": file.bytes,
        }
    }


def _stamp(value: int) -> str:
    return (_EPOCH + timedelta(microseconds=value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _read_add(action: Mapping[str, object]) -> DataFile:
    own = json.loads(dict(cast(Mapping[str, str], action["tags"]))[_TAG])
    stats = json.loads(str(action["stats"]))
    return DataFile(
        path=str(action["path"]),
        day=date.fromisoformat(dict(cast(Mapping[str, str], action["partitionValues"]))[DAY]),
        rows=int(stats["numRecords"]),
        bytes=cast(int, action["size"]),
        time=(own["time"][0], own["time"][1]),
        known=(own["known"][0], own["known"][1]),
        seq=(own["seq"][0], own["seq"][1]),
        columns=int(own["columns"]),
        unique=bool(own["unique"]),
    )
