"""The verbs of sharing: register, land, pull, replay, read.

Landing keeps two promises. *Acknowledged means durable*: ``land`` returns after the rows are in the lake and the
delivery is on record. *Once*: a delivery is known by source, name, content and stamp; the same one again is answered
with the earlier result. The lake is written inside the transaction that records the delivery, so between the two only
one thing can go wrong: the process dies after the lake has the rows and before the transaction commits. The record then
lags behind the lake's version, the next landing sees that, notes those deliveries as *unacknowledged*, and when their
source delivers them again, as it must without an answer, they are recorded and not written a second time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.lake import Lake
from cityheart.kernel import duration, limits
from cityheart.kernel.access import can, departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Invalid, NotFound, TooMany, Unavailable
from cityheart.kernel.text import Text, text
from cityheart.share import departments as tree
from cityheart.share import store
from cityheart.share.catalogue import Catalogue
from cityheart.share.check import codes_of
from cityheart.share.connectors.base import ConnectorKind, ListenerKind
from cityheart.share.contracts import LANDED_AT, Contract
from cityheart.share.coordinator import Coordinator
from cityheart.share.flow import Flow, delivered, standing
from cityheart.share.grants.models import Sight, Use
from cityheart.share.grants.quarantined import Seen, cut
from cityheart.share.grants.reading import Reading
from cityheart.share.grants.service import Grants
from cityheart.share.grants.sight import Sights
from cityheart.share.handing import Handing
from cityheart.share.incoming import Incoming
from cityheart.share.landing import (
    Examined,
    Identified,
    Outcome,
    Prepared,
    add_quality,
    examine,
    examine_blocks,
    merge_quality,
    prepare,
    said_once,
)
from cityheart.share.listeners import Listeners
from cityheart.share.models import Dataset, Delivery, Department, Landed, Refused, Replayed, Source
from cityheart.share.replaying import Again, Replays, delivery_row, reasons_of
from cityheart.share.store import DeliveryRow, QuarantineRow, SourceRow

__all__ = ["Share"]

SYSTEM = Actor.system("share")

_FEW = 20_000
"""Rows of a dataset that are simply compared with new ones."""


class Share:
    """Sharing of one city: its catalogue, its sources, and the way into its lake.

    Relative paths in the options of sources are taken from ``home``, the city's folder; without one, from the present one.
    """

    def __init__(
        self,
        database: Database,
        lake: Lake,
        *,
        home: Path | None = None,
        connectors: Iterable[ConnectorKind] | None = None,
        zone: str = "Asia/Shanghai",
    ) -> None:
        self._database = database
        self._lake = lake
        self._departments: dict[str, Department] = {}
        self._datasets: dict[str, Dataset] = {}
        self._sources: dict[str, Source] = {}
        self._loaded = False
        self.arrived = threading.Event()  # set when something has landed; whoever looks at it clears it
        self._coordinator = Coordinator(database, self.land, connectors, home)
        self._listeners = Listeners(database, self.land, self._coordinator.kind, home, self._column, self._settle)
        self.flow = Flow(
            database,
            departments=self.departments,
            datasets=self.datasets,
            sources=self.declared,
            listeners=self.listeners,
        )
        self.sights = Sights(database, lake, self.dataset)
        self.reading = Reading(database, lake, self.sights, self.dataset)
        self.grants = Grants(
            database, self.sights, dataset=self.dataset, titles=self.department_titles, home=home, zone=zone
        )
        self.catalogue = Catalogue(database, self.flow, self.quality, self.sights)
        self._replays = Replays(
            database, lake, self.flow, land=self.land, dataset=self.dataset, orphans=self._note_orphans,
            write=self._write,
        )  # fmt: skip
        self.handing = Handing(database, self.land, self._coordinator.kind, home)

    # ── catalogue ──────────────────────────────────────────────────────────────────────────────────────────────

    def register(
        self, departments: Sequence[Department], datasets: Sequence[Dataset], sources: Sequence[Source]
    ) -> None:
        """Put departments, datasets and sources into the catalogue, or change what is there.

        Raises Invalid for a source whose dataset, department or connector nobody declared, or whose options are wrong;
        Conflict when a contract changes the key, time or a column's type of a table that exists. Drop folders that lie in
        the city's folder are made.
        """
        self._load()
        known = self._departments | {each.code: each for each in departments}
        tree.check(known)
        tables = self._datasets | {each.name: each for each in datasets}
        for dataset in datasets:
            if dataset.owner not in known:
                raise Invalid(f"dataset {dataset.name}: no department has the code {dataset.owner!r}")
        for source in sources:
            self._check_source(source, known, tables)
        states: dict[str, list[str]] = {}
        with self._database.read() as conn:
            for dataset in datasets:
                if dataset.name in self._datasets:
                    states[dataset.name] = store.dataset_state(conn, dataset.name)[1]
        for dataset in datasets:
            self._lake.ensure(dataset.contract.spec(states.get(dataset.name, [])))
        with self._database.work(SYSTEM) as work:
            for department in departments:
                store.put_department(work.conn, department)
            for dataset in datasets:
                version = self._lake.version(dataset.name)
                if store.put_dataset(work.conn, dataset, version, work.now):
                    data = {"dataset": dataset.name, "owner": dataset.owner, "contract": dataset.contract.digest}
                    work.emit(f"dataset:{dataset.name}", "dataset.registered", data)
            for source in sources:
                if store.put_source(work.conn, source):
                    work.emit(
                        f"source:{source.id}", "source.registered", {"source": source.id, "dataset": source.dataset}
                    )
        self._departments, self._datasets = known, tables
        self._sources |= {each.id: each for each in sources}
        self.sights.forget()
        for source in sources:
            self._coordinator.make_folder(source)
        self._coordinator.schedule(self._sources.values())

    def _check_source(
        self, source: Source, departments: Mapping[str, Department], datasets: Mapping[str, Dataset]
    ) -> None:
        where = f"source {source.id}"
        if source.department not in departments:
            raise Invalid(f"{where}: no department has the code {source.department!r}")
        if source.dataset not in datasets:
            raise Invalid(f"{where}: no dataset is called {source.dataset!r}")
        problems = self._coordinator.kind(source.connector).problems(source.options)
        if problems:
            raise Invalid(f"{where}: {'; '.join(problems)}")
        if source.schedule is not None:
            try:
                duration.parse(source.schedule)
            except Invalid as error:
                raise Invalid(f"{where}: schedule: {error}") from error

    def _load(self) -> None:
        if self._loaded:
            return
        with self._database.read() as conn:
            found_departments, found_datasets, found_sources = store.catalogue(conn)
        self._departments = {each.code: each for each in found_departments} | self._departments
        self._datasets = {each.name: each for each in found_datasets} | self._datasets
        self._sources = {each.id: each for each in found_sources} | self._sources
        self._loaded = True
        self._coordinator.schedule(self._sources.values())

    def departments(self) -> list[Department]:
        """Every department of the catalogue, by code."""
        self._load()
        return [self._departments[code] for code in sorted(self._departments)]

    def department_titles(self) -> dict[str, Text]:
        """The title of every department by its code."""
        return {each.code: each.title for each in self.departments()}

    def departments_below(self) -> dict[str, frozenset[str]]:
        """For every department those that stand below it, at any depth."""
        return tree.below(self.departments())

    def datasets(self) -> list[Dataset]:
        """Every dataset of the catalogue, by name."""
        self._load()
        return [self._datasets[name] for name in sorted(self._datasets)]

    def dataset(self, name: str) -> Dataset:
        """A dataset. Raises NotFound."""
        self._load()
        if name not in self._datasets:
            raise NotFound(f"no dataset is called {name!r}")
        return self._datasets[name]

    def declared(self) -> list[Source]:
        """Every source of the catalogue, by id."""
        self._load()
        return [self._sources[id] for id in sorted(self._sources)]

    def _source(self, id: str) -> Source:
        self._load()
        if id not in self._sources:
            raise NotFound(f"no source is called {id!r}", remedy="register it first, or look at GET /api/sources")
        return self._sources[id]

    # ── landing ────────────────────────────────────────────────────────────────────────────────────────────────

    def land(
        self, source_id: str, deliveries: Sequence[Delivery], *, cursor: Mapping[str, object] | None = None
    ) -> list[Landed]:
        """Land deliveries of a source, in order; when it returns they are durable.

        Small deliveries are one lake commit and one transaction together; a large one is read block by block. A
        delivery that cannot be taken is refused (``Landed.refused``) and does not hinder the others; a row that breaks
        its contract is in quarantine. `cursor` is kept in the transaction of the last delivery.
        Raises NotFound for an unknown source, TooMany above ``limits.LAND_DELIVERIES``, Unavailable when the lake cannot be
        written (a full disk): then nothing has been taken, and the same call lands it once there is room.
        """
        return self.land_prepared(self.prepare(source_id, deliveries), cursor=cursor)

    def prepare(self, source_id: str, deliveries: Sequence[Delivery]) -> Prepared:
        """Read and check deliveries, to be landed with :meth:`land_prepared`; in any thread, also while others land.

        Raises NotFound for an unknown source, TooMany above ``limits.LAND_DELIVERIES``.
        """
        source = self._source(source_id)
        if len(deliveries) > limits.LAND_DELIVERIES:
            raise TooMany(
                f"{len(deliveries)} deliveries in one call; the limit is {limits.LAND_DELIVERIES}",
                remedy="hand them over in several calls",
            )
        return prepare(source, self._datasets[source.dataset].contract, deliveries)

    def land_prepared(self, prepared: Prepared, *, cursor: Mapping[str, object] | None = None) -> list[Landed]:
        """The second half of :meth:`land`."""
        source, steps = prepared.source, prepared.steps
        results = {place: _refused(one, source.dataset, why) for place, (one, why) in prepared.refused.items()}
        for step in steps:
            kept = cursor if step is steps[-1] else None
            if step.examined is None:
                landed = [self._land_large(source, step.deliveries[0], cursor=kept)]
            else:
                landed = self._land_small(source, step.deliveries, step.examined, cursor=kept)
            results.update(zip(step.places, landed, strict=True))
        if not steps and cursor is not None:
            self._land_small(source, [], cursor=cursor)
        for place, original in prepared.doubles.items():
            results[place] = replace(results[original], repeated=True)
        if steps:
            self.arrived.set()
        return [results[place] for place in range(prepared.count)]

    def _land_small(
        self,
        source: Source,
        deliveries: Sequence[Identified],
        examined: Examined | None = None,
        *,
        cursor: Mapping[str, object] | None = None,
        in_lake: bool = False,
    ) -> list[Landed]:
        """One lake commit, one transaction. `in_lake`: the rows are in the lake since a crash and only go on record."""
        contract = self._datasets[source.dataset].contract
        if examined is None and deliveries:
            examined = examine(source, contract, deliveries)
        with self._database.work(SYSTEM) as work:
            version, extra = store.lock_dataset(work.conn, source.dataset)
            version = self._note_orphans(work, source.dataset, version, extra)
            known = store.deliveries_by_id(work.conn, [each.id for each in deliveries])
            fresh = not any(row.state != "unacknowledged" or not in_lake for row in known.values())
            if fresh:
                if examined is not None:
                    if not in_lake:
                        version = self._append(source, contract, examined, version)
                    elif contract.unchanged == "drop":
                        for id, outcome in examined.outcomes.items():
                            outcome.rows = self._rows_of(source.dataset, id)
                    self._record(work, source, deliveries, examined, version, extra)
                if cursor is not None:
                    store.set_cursor(work.conn, source.id, cursor)
        if fresh:
            assert examined is not None or not deliveries
            outcomes = examined.outcomes if examined is not None else {}
            return [_landed(each, source.dataset, outcomes[each.id], version) for each in deliveries]
        # some were here before: each kind of them goes its own way, then the answers are put in order again
        answers = {id: _from_record(row) for id, row in known.items() if row.state != "unacknowledged"}
        begun = [each for each in deliveries if each.id in known and known[each.id].sha256 and each.id not in answers]
        for each in begun:  # landed block by block when limits were others; it is finished that way
            answers[each.id] = self._land_large(source, each, cursor=None)
        waiting = [each for each in deliveries if each.id in known and each.id not in answers]
        new = [each for each in deliveries if each.id not in known]
        if waiting:
            answers.update(
                zip((each.id for each in waiting), self._land_small(source, waiting, in_lake=True), strict=True)
            )
        if new or cursor is not None:
            answers.update(zip((each.id for each in new), self._land_small(source, new, cursor=cursor), strict=True))
        return [answers[each.id] for each in deliveries]

    def _append(self, source: Source, contract: Contract, examined: Examined, version: int) -> int:
        """Write the good rows to the lake; the version they are in."""
        rows = examined.rows
        if rows is not None and contract.unchanged == "drop":
            rows = self._news(contract, said_once(contract, rows) if len(examined.outcomes) > 1 else rows)
            counts = Counter(rows["_batch"].to_pylist()) if rows is not None else Counter()
            for id, outcome in examined.outcomes.items():
                outcome.rows = counts[id]
        if rows is None or rows.num_rows == 0:
            return version
        return self._write(source.dataset, self._within_columns(source.dataset, rows))

    def _write(self, dataset: str, rows: pa.Table, *, transaction: tuple[str, int] | None = None) -> int:
        """Append to the lake. Raises Unavailable when it cannot be written: the transaction around it then ends, too, so
        nothing is on record and nothing is acknowledged, and the same delivery is taken when there is room again."""
        try:
            return self._lake.append(dataset, rows, transaction=transaction)
        except OSError as error:
            why = error.strerror or str(error).partition("\n")[0][:200]
            raise Unavailable(
                f"the lake cannot be written: {why}",
                remedy="make room on the disk of the city's folder; what was not taken is asked for again by itself",
            ) from error

    def _within_columns(self, dataset: str, rows: pa.Table) -> pa.Table:
        """Without undeclared columns above the limit; they stay reported."""
        there = set(self._lake.spec(dataset).schema.names)
        extra = [name for name in rows.column_names if name.startswith("extra_")]
        room = limits.DRIFT_COLUMNS - sum(1 for name in there if name.startswith("extra_"))
        surplus = [name for name in extra if name not in there][max(0, room) :]
        return rows.drop_columns(surplus) if surplus else rows

    def _news(self, contract: Contract, rows: pa.Table) -> pa.Table | None:
        """Of `rows` those that say something else than the newest version of their key (contract: unchanged = drop)."""
        names = [each.name for each in contract.stored]
        if contract.time in contract.key and contract.time != LANDED_AT:
            extremes = pc.min_max(rows[contract.time])
            span = (extremes["min"].as_py(), extremes["max"].as_py() + timedelta(microseconds=1))
            near = self._lake.rows_between(contract.name, span)
            if near == 0:
                return rows
            if near > _FEW:  # a stream: what was said lately is known without reading it
                same = self._lake.unchanged(contract.name, rows, names)
                return rows.filter(pa.array(~same)) if same.any() else rows
            current = self._lake.current(contract.name, time=span, columns=names)
        else:
            current = self._lake.current(contract.name, columns=names)
        if current.num_rows == 0:
            return rows
        both = pa.concat_tables([current.select(names), rows.select(names)], promote_options="default")
        codes = codes_of(both.columns)
        news = ~np.isin(codes[current.num_rows :], codes[: current.num_rows])
        return rows.filter(pa.array(news))

    def _note_orphans(
        self, work: Work, dataset: str, version: int, extra: Sequence[str], devices: Source | None = None
    ) -> int:
        """Put on record what a crash left in the lake without one; returns the lake's version.

        A source delivers again what nobody answered, and it is recorded in full then. ``devices`` names one that does not:
        its devices send the same again in other company, so that what is in the lake is all that will be of it.
        """
        there = self._lake.version(dataset)
        if there == version:
            return version
        rows = self._lake.changes(dataset, version).rows
        found = (
            rows.select(["_batch", "_source", "_known_at"])
            .group_by(["_batch", "_source", "_known_at"])
            .aggregate([([], "count_all")])
        )
        ids = [id for id in found["_batch"].to_pylist() if id]
        known = store.deliveries_by_id(work.conn, ids)
        orphans = [
            DeliveryRow(
                id=row["_batch"], source=row["_source"], dataset=dataset, name="", stamp="", sha256="", bytes=0,
                received_at=row["_known_at"], state="unacknowledged", rows=0, quarantined=0, reasons={}, reason=None,
                version=None,
            )
            if devices is None or row["_source"] != devices.id
            else DeliveryRow(
                id=row["_batch"], source=devices.id, dataset=dataset, name="after a crash", stamp="", sha256="",
                bytes=0, received_at=row["_known_at"], state="landed", rows=row["count_all"], quarantined=0,
                reasons={}, reason=None, version=there,
            )
            for row in found.to_pylist()
            if row["_batch"] and row["_batch"] not in known and row["_batch"].startswith("delivery-")
        ]  # fmt: skip
        noted = list({each.id: each for each in orphans}.values())
        store.add_deliveries(work.conn, noted)
        store.set_dataset_state(work.conn, dataset, there, extra)
        landed = [each for each in noted if each.state == "landed"]
        if devices is not None and landed:
            state = store.lock_source(work.conn, devices.id)
            rows_landed = sum(each.rows for each in landed)
            counted = {"rows": state.rows + rows_landed, "deliveries": state.deliveries + len(landed)}
            store.set_source(work.conn, devices.id, counted)
            self.flow.record(work, landed)
            self._tell(work, devices, landed, [], [], {}, there)
        return there

    def _settle(self, source: Source) -> None:
        """Before devices are heard again: what a crash left of theirs in the lake goes on record."""
        with self._database.work(SYSTEM) as work:
            version, extra = store.lock_dataset(work.conn, source.dataset)
            self._note_orphans(work, source.dataset, version, extra, source)

    def _record(
        self,
        work: Work,
        source: Source,
        deliveries: Sequence[Identified],
        examined: Examined,
        version: int,
        extra: Sequence[str],
    ) -> None:
        """Put deliveries, quarantine, drift, quality and events on record."""
        rows = [delivery_row(each, source, examined.outcomes[each.id], version) for each in deliveries]
        store.discard_unacknowledged(work.conn, [each.id for each in deliveries])
        store.add_deliveries(work.conn, rows)
        fresh = store.add_quarantine(work.conn, examined.quarantine)
        state = store.lock_source(work.conn, source.id)
        self.flow.record(work, rows)
        new = store.add_drift(work.conn, source.id, examined.drift, work.now) if examined.drift else []
        kept = [*extra, *(name for name in examined.drift.values() if name not in extra)]
        store.set_dataset_state(work.conn, source.dataset, version, kept[: limits.DRIFT_COLUMNS])
        taken = [row for row in rows if row.state == "landed"]
        refused = [row for row in rows if row.state == "refused"]
        reasons: Counter[str] = Counter()
        for row in rows:
            reasons.update(row.reasons)
        received = max(row.received_at for row in rows)
        last = max((row for row in rows), key=lambda row: row.received_at)
        store.set_source(
            work.conn,
            source.id,
            {
                "state": "ok" if last.state == "landed" else "refused",
                "reason": last.reason,
                "last_delivery_at": max(received, state.last_delivery_at) if state.last_delivery_at else received,
                "rows": state.rows + sum(row.rows for row in rows),
                "quarantined": state.quarantined + sum(row.quarantined for row in rows),
                "deliveries": state.deliveries + len(rows),
                "quality": merge_quality(state.quality, examined.checked, examined.quality),
                "open": state.open + fresh if state.open is not None else None,
            },
        )
        if state.open is None:
            store.recount_open(work.conn, source.id)
        self._tell(work, source, taken, refused, new, reasons, version)

    def _tell(
        self,
        work: Work,
        source: Source,
        taken: Sequence[DeliveryRow],
        refused: Sequence[DeliveryRow],
        new: Sequence[str],
        reasons: Mapping[str, int],
        version: int,
    ) -> None:
        stream = f"source:{source.id}"
        if taken:
            data: dict[str, object] = {
                "source": source.id,
                "dataset": source.dataset,
                "deliveries": len(taken),
                "first": taken[0].id,
                "digest": _digest(row.id for row in taken),
                "rows": sum(row.rows for row in taken),
                "quarantined": sum(row.quarantined for row in taken),
                "version": version,
            }
            work.emit(stream, "source.delivered", data)
        for row in refused[:100]:
            work.emit(
                stream,
                "source.refused",
                {"source": source.id, "delivery": row.id, "name": row.name, "reason": row.reason},
            )
        if len(refused) > 100:
            work.emit(stream, "source.refused", {"source": source.id, "deliveries": len(refused) - 100})
        if new:
            work.emit(stream, "source.drifted", {"source": source.id, "dataset": source.dataset, "columns": list(new)})
        if reasons:
            work.emit(
                stream, "quarantine.added", {"source": source.id, "dataset": source.dataset, "reasons": dict(reasons)}
            )

    def _land_large(self, source: Source, one: Identified, *, cursor: Mapping[str, object] | None) -> Landed:
        """Block by block: each block is one lake commit under the delivery's own transaction number.

        Read again after a crash, the blocks that the lake has are passed over.
        """
        contract = self._datasets[source.dataset].contract
        with self._database.work(SYSTEM) as work:
            known = store.deliveries_by_id(work.conn, [one.id]).get(one.id)
            if known is not None and known.state != "unacknowledged":
                if cursor is not None:
                    store.set_cursor(work.conn, source.id, cursor)
                return _from_record(known)
            noted = known is not None and not known.sha256
            if known is None:
                begun = replace(delivery_row(one, source, Outcome(), None), state="unacknowledged")
                store.add_deliveries(work.conn, [begun])
        if noted:  # landed in one piece when limits were others
            return self._land_small(source, [one], cursor=cursor, in_lake=True)[0]
        total = Examined(None, {one.id: Outcome()}, [], {}, 0, {})
        kept = 0
        commits = 0
        waiting: list[pa.Table] = []
        for block in examine_blocks(source, contract, one):
            total.outcomes = block.outcomes
            total.checked += block.checked
            total.drift |= block.drift
            add_quality(total.quality, block.quality)
            for entry in block.quarantine:
                kept += len(entry.raw)
                if kept > limits.QUARANTINE_DELIVERY_BYTES and entry.form != "delivery":
                    entry = replace(entry, raw=b"", complete=False)
                total.quarantine.append(entry)
            if block.rows is not None:
                waiting.append(block.rows)
            if sum(rows.nbytes for rows in waiting) >= limits.COMMIT_BYTES:
                commits += 1
                self._commit_block(source, contract, waiting, (one.id, commits))
        if waiting:
            self._commit_block(source, contract, waiting, (one.id, commits + 1))
        if contract.unchanged == "drop":
            total.outcomes[one.id].rows = self._rows_of(source.dataset, one.id)
        with self._database.work(SYSTEM) as work:
            _, extra = store.lock_dataset(work.conn, source.dataset)
            known = store.deliveries_by_id(work.conn, [one.id]).get(one.id)
            if known is not None and known.state != "unacknowledged":
                return _from_record(known)
            version = self._lake.version(source.dataset)
            self._record(work, source, [one], total, version, extra)
            if cursor is not None:
                store.set_cursor(work.conn, source.id, cursor)
        return _landed(one, source.dataset, total.outcomes[one.id], version)

    def _commit_block(
        self, source: Source, contract: Contract, waiting: list[pa.Table], transaction: tuple[str, int]
    ) -> None:
        """One lake commit of what waits; a transaction that the lake has is passed over."""
        rows: pa.Table | None = pa.concat_tables(waiting, promote_options="default")
        waiting.clear()
        with self._database.work(SYSTEM) as work:
            recorded, extra = store.lock_dataset(work.conn, source.dataset)
            version = self._note_orphans(work, source.dataset, recorded, extra)
            if rows is not None and contract.unchanged == "drop":
                rows = self._news(contract, rows)
            if rows is not None and rows.num_rows:
                rows = self._within_columns(source.dataset, rows)
                version = self._write(source.dataset, rows, transaction=transaction)
            store.set_dataset_state(work.conn, source.dataset, version, extra)

    def _rows_of(self, dataset: str, delivery: str) -> int:
        """How many rows of a delivery the lake holds."""
        sql = f'SELECT count(*) AS n FROM {dataset}__versions WHERE "_batch" = $delivery'  # noqa: S608  (our own name)
        return int(self._lake.query(sql, {"delivery": delivery})["n"][0].as_py())

    def derived(self, dataset: str, rows: pa.Table, *, transaction: tuple[str, int]) -> int:
        """Land rows of a derived dataset (a detector's output); returns the lake version.

        The rows carry ``_known_at`` and the contract's stored fields, in its types. The same transaction (producer,
        number) twice lands once. Derived rows are checked, not quarantined: Invalid says what the producer did wrong.
        """
        contract = self.dataset(dataset).contract
        if rows.num_rows == 0:
            return self._lake.version(dataset)
        missing = [each.name for each in contract.stored if each.name not in rows.column_names and each.required]
        missing += [each for each in (*contract.key, contract.time, "_known_at") if each not in rows.column_names]
        if missing:
            raise Invalid(f"rows for {dataset} lack {', '.join(missing)}")
        for each in contract.stored:
            if each.name in rows.column_names and (each.required or each.name in contract.key):
                nulls = rows[each.name].null_count
                if nulls:
                    raise Invalid(f"{nulls} rows for {dataset} have no {each.name}")
        rows = rows.select([each.name for each in contract.stored if each.name in rows.column_names] + ["_known_at"])
        producer, number = transaction
        rows = rows.append_column("_source", pa.repeat(pa.scalar(producer, pa.string()), rows.num_rows))
        rows = rows.append_column("_batch", pa.repeat(pa.scalar(f"{producer}#{number}", pa.string()), rows.num_rows))
        return self._lake.append(dataset, rows, transaction=transaction)

    def hand_over(self, actor: Actor, command_id: str, source_id: str, name: str, file: Incoming) -> Landed:
        """Land a file that a person hands over (:class:`Handing`). Raises NotFound, and as :meth:`Handing.take`."""
        return self.handing.take(actor, command_id, self._source(source_id), name, file)

    def may_hand_over(self, actor: Actor, source_id: str, name: str, size: int) -> None:
        """Raise what :meth:`hand_over` would for such a file. Raises NotFound, and as :meth:`Handing.check`."""
        self.handing.check(actor, self._source(source_id), name, size)

    # ── asking sources ─────────────────────────────────────────────────────────────────────────────────────────

    def pull(self, source_id: str, actor: Actor = SYSTEM) -> list[Landed]:
        """Ask a source now, whatever its schedule. Raises Forbidden, Conflict when it does not deliver by asking,
        Unavailable when it does not answer; its state says so, too."""
        source = self._source(source_id)
        require(actor, "source.manage", source.department)
        if source.connector == "push" or isinstance(self._coordinator.kind(source.connector), ListenerKind):
            raise Conflict(
                f"{source_id} delivers by itself; it cannot be asked", remedy="ask the department to deliver again"
            )
        return self._coordinator.pull(source)

    def tick(self, now: datetime) -> int:
        """Ask every scheduled source that is due; returns how many were asked. A failing one hinders no other."""
        self._load()
        self._listeners.keep(now)
        return self._coordinator.tick(now)

    def next_due(self) -> datetime | None:
        """When the next scheduled source is due, None without any."""
        self._load()
        return self._coordinator.next_due()

    # ── listening ──────────────────────────────────────────────────────────────────────────────────────────────

    def listen(self) -> None:
        """Listen for every source that speaks by itself and whose options name an address.

        A source that cannot be heard (an address that is taken, a full disk, a store that is away) is ``failing`` with
        the reason, and is tried again.
        """
        self._load()
        self._listeners.listen(self._sources.values())

    def stop_listening(self, seconds: float = 10.0) -> None:
        """Stop listening; what had come by then is landed and answered within so many seconds."""
        self._listeners.stop(seconds)

    def listeners(self) -> dict[str, Mapping[str, int | float]]:
        """The figures of every listener by its source: connections, frames, bytes, rows, what waits, …"""
        return self._listeners.figures()

    def addresses(self) -> dict[str, tuple[str, int] | None]:
        """Where every listener listens, by its source; None for one that has connected itself."""
        return self._listeners.addresses()

    def _column(self, dataset: str, column: str) -> frozenset[str]:
        """The values of a column of a dataset's current rows, as texts."""
        if column not in self._lake.spec(dataset).schema.names:
            return frozenset()
        values = self._lake.current(dataset, columns=[column])[column]
        return frozenset(pc.unique(pc.cast(values, pa.string())).drop_null().to_pylist())

    # ── quarantine ─────────────────────────────────────────────────────────────────────────────────────────────

    def quarantine(
        self,
        actor: Actor,
        *,
        source: str | None = None,
        reason: str | None = None,
        state: str | None = "open",
        after: str | None = None,
        limit: int = limits.PAGE_ROWS,
        delivery: str | None = None,
        field: str | None = None,
    ) -> tuple[list[QuarantineRow], int]:
        """A page of entries that the actor may see, and how many there are in all; `state` None for every state."""
        require(actor, "quarantine.read")
        chosen = store.Chosen(departments(actor, "quarantine.read"), source, reason, state, delivery, field)
        with self._database.read() as conn:
            rows = store.quarantine(conn, chosen, after=after, limit=min(limit, limits.PAGE_ROWS))
            counts = store.count_quarantine(conn, chosen)
        return rows, sum(counts.values())

    def quarantine_facets(
        self,
        actor: Actor,
        *,
        source: str | None = None,
        reason: str | None = None,
        state: str | None = "open",
        delivery: str | None = None,
        field: str | None = None,
    ) -> dict[str, dict[str, int]]:
        """How many entries there are by ``source``, ``reason`` and ``field`` ("": of no field), each among those that
        the other choices leave."""
        require(actor, "quarantine.read")
        chosen = store.Chosen(departments(actor, "quarantine.read"), state=state, delivery=delivery)
        wanted = {"source": source, "reason": reason, "field": field}
        counted: dict[str, Counter[str]] = {name: Counter() for name in wanted}
        with self._database.read() as conn:
            for *values, count in store.quarantine_groups(conn, chosen):
                missed = [name for name, value in zip(wanted, values, strict=True) if wanted[name] not in (None, value)]
                for name, value in zip(wanted, values, strict=True):
                    if missed in ([], [name]):
                        counted[name][value or ""] += count
        return {name: dict(found) for name, found in counted.items()}

    def quarantine_entry(self, actor: Actor, id: str) -> QuarantineRow | None:
        """One entry, None when there is none that the actor may see."""
        require(actor, "quarantine.read")
        with self._database.read() as conn:
            rows = store.quarantine_rows(conn, [id])
        seen = departments(actor, "quarantine.read")
        return next((row for row in rows if seen is None or self._source(row.source).department in seen), None)

    def quarantine_seen(self, actor: Actor, rows: Sequence[QuarantineRow]) -> list[Seen]:
        """Entries that the actor may see, without the values that are withheld. Reading restricted ones is an event."""
        seen = []
        for row in rows:
            sight = self.reading.sight(actor, row.dataset)
            delivered = actor.department is not None and actor.department == self._source(row.source).department
            one = cut(row, sight, self.dataset(row.dataset).contract, delivered=delivered)
            if one.row.raw:
                self.reading.tell_once(actor, sight, None)
            seen.append(one)
        return seen

    def quarantine_counts(self, actor: Actor, *, state: str | None = None) -> dict[str, int]:
        """Entries by reason, of every state unless one is named."""
        require(actor, "quarantine.read")
        with self._database.read() as conn:
            return store.count_quarantine(conn, store.Chosen(departments(actor, "quarantine.read"), state=state))

    def replay(
        self,
        actor: Actor,
        command_id: str,
        source_id: str,
        reason: str | None = None,
        *,
        field: str | None = None,
        after: str | None = None,
        limit: int = limits.REPLAY_ROWS,
    ) -> Replayed:
        """Check open entries of a source against its present contract and land those that are good now, `limit` at once.

        Those of one `reason` or one `field`, in the order they came, from `after` on: the entry that ``Replayed.next``
        named. Rows become known now, not when they first came: the city did not know them in between. A row about which
        something newer has landed since is closed as ``superseded`` and not landed. Duplicates are taken up only when
        `reason` names them, refused deliveries when their bytes were kept in full.
        Raises Forbidden; NotFound for an `after` that is no entry; Conflict for a used command id.
        """
        source = self._source(source_id)
        require(actor, "quarantine.replay", source.department)
        wanted = Again(reason, field, after, min(limit, limits.REPLAY_ROWS))
        return self._replays.replay(actor, command_id, source, wanted)

    def dismiss(self, actor: Actor, command_id: str, ids: Sequence[str]) -> int:
        """Close entries without landing them; returns how many were open. Raises Forbidden, NotFound."""
        require(actor, "quarantine.replay")

        def do(work: Work) -> dict[str, object]:
            rows = store.quarantine_rows(work.conn, ids)
            if len(rows) < len(set(ids)):
                raise NotFound("not all of these quarantine entries exist")
            for row in rows:
                require(actor, "quarantine.replay", self._source(row.source).department)
            still = [row for row in rows if row.state == "open"]
            store.set_quarantine_state(work.conn, [row.id for row in still], "dismissed", actor.id, work.now)
            for id, count in sorted(Counter(row.source for row in still).items()):
                store.recount_open(work.conn, id)
                work.emit(f"source:{id}", "quarantine.dismissed", {"source": id, "entries": count})
            return {"dismissed": len(still)}

        stored = self._database.once(actor, command_id, "quarantine.dismiss", {"ids": sorted(ids)}, do)
        return cast("int", stored["dismissed"])

    # ── looking ────────────────────────────────────────────────────────────────────────────────────────────────

    def sources(self, actor: Actor) -> list[dict[str, object]]:
        """Every source that the actor may see, with state, counts, freshness and drift (the shape of the API)."""
        require(actor, "source.read")
        self._load()
        seen = departments(actor, "source.read")
        now = self._database.clock.now()
        with self._database.read() as conn:
            rows = [row for row in store.source_rows(conn) if seen is None or row.source.department in seen]
            drift = store.drift_of(conn, [row.source.id for row in rows])
        return [self._shown(row, drift.get(row.source.id, []), now) for row in rows]

    def source(self, actor: Actor, id: str) -> dict[str, object]:
        """One source with its newest deliveries and quality. Raises NotFound, also for one not to be seen."""
        source = self._source(id)
        if not can(actor, "source.read", source.department):
            raise NotFound(f"no source is called {id!r}")
        with self._database.read() as conn:
            (row,) = store.source_rows(conn, ids=[id])
            drift = store.drift_of(conn, [id])
            deliveries = store.deliveries_page(conn, id, limits.PAGE_ROWS)
        shown = self._shown(row, drift.get(id, []), self._database.clock.now())
        shown["deliveries"] = [delivered(each) for each in deliveries]
        shown["quality"] = self.quality(actor, id)
        return shown

    def quality(self, actor: Actor, source_id: str) -> dict[str, object]:
        """Counts over all checked rows of a source.

        ``{rows, fields: [{name, missing, invalid, min, max, cleaned: {step: n}, refused: {step: n}}]}``: ``cleaned`` and
        ``refused`` count by cleaning step the values that it changed and the rows that it refused.
        """
        source = self._source(source_id)
        require(actor, "source.read", source.department)
        with self._database.read() as conn:
            (row,) = store.source_rows(conn, ids=[source_id])
        found = cast("Mapping[str, Mapping[str, object]]", row.quality.get("fields", {}))
        order = [each.name for each in self._datasets[source.dataset].contract.fields]
        names = [name for name in order if name in found] + sorted(name for name in found if name not in order)
        sight = self.sights.of(actor, source.dataset)
        bare = {"min": None, "max": None}  # of what is withheld the extremes are values
        shown = [{"name": name, **found[name], **({} if sight.shows(name) else bare)} for name in names]
        return {"rows": row.quality.get("rows", 0), "fields": shown}

    def _shown(self, row: SourceRow, drift: Sequence[Mapping[str, object]], now: datetime) -> dict[str, object]:
        source = row.source
        dataset = self._datasets.get(source.dataset)
        stands = standing(row, dataset.update_cycle if dataset else None, now)
        department = self._departments.get(source.department)
        unheard = self._listeners.reason(source.id)  # known also while the store could not be told
        return {
            "id": source.id,
            "department": source.department,
            "department_title": department.title if department else text(source.department, source.department),
            "title": source.title,
            "connector": source.connector,
            "connector_title": self._coordinator.title(source.connector),
            "dataset": source.dataset,
            "state": "failing" if unheard else stands.state,
            "reason": unheard or stands.reason,
            "next_try_at": row.next_try_at,
            "last_delivery_at": row.last_delivery_at,
            "rows": row.rows,
            "quarantined": row.quarantined,
            "freshness_seconds": max(0.0, stands.silent.total_seconds()) if stands.silent is not None else None,
            "deliveries": row.deliveries,
            "files": self.handing.takes(source),
            "drift": list(drift),
        }

    def landed_rows(self) -> dict[str, int]:
        """Acknowledged rows by dataset, for the datasets that have a source."""
        with self._database.read() as conn:
            counted: dict[str, int] = {}
            for row in store.source_rows(conn):
                counted[row.source.dataset] = counted.get(row.source.dataset, 0) + row.rows
        return counted

    def read(
        self,
        actor: Actor,
        dataset: str,
        *,
        at: datetime | None = None,
        time: tuple[datetime, datetime] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The current rows of a dataset, or those known `at` a moment; `time` keeps event times [start, end).

        Unconditionally shared data (1) is for everybody with ``dataset.read``; conditional (2) and unshared (3) data
        for its owner, stewards, administrators, the system, and whom it was granted to; each such read is an event.
        Columns that are withheld are there without their values. Raises Forbidden.
        """
        return self.reading.read(actor, dataset, at=at, time=time, columns=columns)

    def sight(self, actor: Actor, dataset: str, use: Use = "read", *, handling: bool = False) -> Sight:
        """What the actor sees of a dataset (:mod:`cityheart.share.grants.sight`). Raises NotFound."""
        return self.reading.sight(actor, dataset, use, handling=handling)

    def open_to(self, actor: Actor, dataset: str) -> bool:
        """Whether there are rows of a dataset for the actor, if not all of them or of their columns. Raises NotFound."""
        return self.sight(actor, dataset).open

    def admit(
        self,
        actor: Actor,
        dataset: str,
        *,
        at: datetime | None = None,
        columns: Sequence[str] | None = None,
        use: Use = "read",
    ) -> None:
        """Let the actor read all rows of a dataset in a way of the caller's own (:meth:`Reading.admit`)."""
        self.reading.admit(actor, dataset, at=at, columns=columns, use=use)


# ── small change ───────────────────────────────────────────────────────────────────────────────────────────────────


def _landed(one: Identified, dataset: str, outcome: Outcome, version: int) -> Landed:
    refused = outcome.refused.message if outcome.refused else None
    return Landed(
        one.id,
        dataset,
        outcome.rows,
        outcome.quarantined,
        reasons_of(outcome),
        version if outcome.rows else None,
        refused,
    )


def _refused(one: Identified, dataset: str, refused: Refused) -> Landed:
    return Landed(one.id, dataset, 0, 0, {refused.code: 1}, None, refused.message)


def _from_record(row: DeliveryRow) -> Landed:
    return Landed(row.id, row.dataset, row.rows, row.quarantined, row.reasons, row.version, row.reason, repeated=True)


def _digest(ids: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()
