"""Rows in quarantine that are tried again: against the contract as it is now, as many at once as one transaction holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, timedelta
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.lake import Lake
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import NotFound
from cityheart.share import store
from cityheart.share.check import codes_of
from cityheart.share.contracts import LANDED_AT, Contract
from cityheart.share.flow import Flow
from cityheart.share.landing import Identified, Outcome, examine_records
from cityheart.share.models import Dataset, Delivery, Landed, Replayed, Source
from cityheart.share.store import DeliveryRow, QuarantineRow

__all__ = ["Again", "Replays", "delivery_row", "reasons_of"]

_NOT_REPLAYED = ("duplicate", "conflicting_duplicate")
"""Rows that gave way to another row; a replay takes them up only when asked for this reason."""


@dataclass(frozen=True, slots=True)
class Again:
    """Which open entries of a source are tried again: of a reason, of a field, after an entry, how many."""

    reason: str | None
    field: str | None
    after: str | None
    limit: int


class Orphans(Protocol):
    """``Share._note_orphans``: what a crash left in the lake goes on record; the lake's version."""

    def __call__(self, work: Work, dataset: str, version: int, extra: Sequence[str]) -> int: ...


class Replays:
    """Tries entries of quarantine again."""

    def __init__(
        self,
        database: Database,
        lake: Lake,
        flow: Flow,
        *,
        land: Callable[[str, Sequence[Delivery]], list[Landed]],
        dataset: Callable[[str], Dataset],
        orphans: Orphans,
        write: Callable[[str, pa.Table], int],
    ) -> None:
        self._database, self._lake, self._flow = database, lake, flow
        self._land, self._dataset, self._orphans, self._write = land, dataset, orphans, write

    def replay(self, actor: Actor, command_id: str, source: Source, again: Again) -> Replayed:
        """As :meth:`Share.replay`."""
        entries = self._entries(source, again)
        whole = self._replay_files(actor, source, [each for each in entries if each.form == "delivery"])
        ids = [each.id for each in entries]

        def do(work: Work) -> dict[str, object]:
            still = {each.id: each for each in store.quarantine_rows(work.conn, ids) if each.state == "open"}
            rows = [still[id] for id in ids if id in still]
            records = [each for each in rows if each.form == "record"]
            others = [each for each in rows if each.form == "line"]
            done = self._replay_records(work, source, records)
            result = {
                "tried": len(records) + len(others) + whole.tried,
                "landed": done.landed + whole.landed,
                "still_bad": done.still_bad + len(others) + whole.still_bad,
                "superseded": done.superseded,
            }
            told = {"source": source.id, "reason": again.reason, "field": again.field, **result}
            work.emit(f"source:{source.id}", "quarantine.replayed", told)
            return {**result, "next": ids[-1] if len(ids) == again.limit else None}

        payload = {"source": source.id, **asdict(again)}
        stored = self._database.once(actor, command_id, "quarantine.replay", payload, do)
        return Replayed(**stored)  # type: ignore[arg-type]

    def _entries(self, source: Source, again: Again) -> list[QuarantineRow]:
        chosen = store.Chosen(source=source.id, code=again.reason, state="open", field=again.field)
        with self._database.read() as conn:
            after = None
            if again.after is not None:
                after = next(iter(store.quarantine_rows(conn, [again.after])), None)
                if after is None or after.source != source.id:
                    raise NotFound("no such quarantine entry", remedy="begin without after")
            without = _NOT_REPLAYED if again.reason is None else ()
            return store.quarantine_for_replay(conn, chosen, without, after, again.limit)

    def _replay_records(self, work: Work, source: Source, entries: Sequence[QuarantineRow]) -> Replayed:
        if not entries:
            return Replayed(0, 0, 0, 0)
        contract = self._dataset(source.dataset).contract
        version, extra = store.lock_dataset(work.conn, source.dataset)
        version = self._orphans(work, source.dataset, version, extra)
        examined, good = examine_records(source, contract, entries, work.now)
        landed = 0
        superseded = 0
        if examined.rows is not None:
            since = np.array([each.received_at.timestamp() for each, ok in zip(entries, good, strict=True) if ok])
            stale = self._superseded(contract, examined.rows, since)
            superseded = int(stale.sum())
            rows = examined.rows.filter(pa.array(~stale))
            landed = rows.num_rows
            if landed:
                version = self._write(source.dataset, rows)
        closed = [each.id for each, ok in zip(entries, good, strict=True) if ok]
        store.set_quarantine_state(work.conn, closed, "replayed", work.actor.id, work.now)
        store.recount_open(work.conn, source.id)
        store.set_dataset_state(work.conn, source.dataset, version, extra)
        if landed:
            batch = Identified(
                Delivery(f"replay {work.now:%Y-%m-%d %H:%M:%S}", work.now, b""),
                next(iter(examined.outcomes)),
                "",
                0,
                "json",
            )
            outcome = Outcome(rows=landed)
            row = delivery_row(batch, source, outcome, version)
            store.add_deliveries(work.conn, [row])
            state = store.lock_source(work.conn, source.id)
            self._flow.record(work, [row])
            store.set_source(work.conn, source.id, {"rows": state.rows + landed})
        return Replayed(len(entries), landed, len(entries) - len(closed), superseded)

    def _superseded(
        self, contract: Contract, rows: pa.Table, since: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which rows' keys have a version that the city heard when the row first came, or since."""
        names = [*contract.key, "_known_at"]
        if contract.time in contract.key and contract.time != LANDED_AT:
            extremes = pc.min_max(rows[contract.time])
            span = (extremes["min"].as_py(), extremes["max"].as_py() + timedelta(microseconds=1))
            current = self._lake.current(contract.name, time=span, columns=names)
        else:
            current = self._lake.current(contract.name, columns=names)
        both = pa.concat_tables([current.select(list(contract.key)), rows.select(list(contract.key))])
        codes = codes_of(both.columns)
        heard = dict(zip(codes[: current.num_rows].tolist(), current["_known_at"].to_pylist(), strict=True))
        return np.array(
            [
                code in heard and heard[code].timestamp() >= moment
                for code, moment in zip(codes[current.num_rows :].tolist(), since.tolist(), strict=True)
            ],
            dtype=bool,
        )

    def _replay_files(self, actor: Actor, source: Source, entries: Sequence[QuarantineRow]) -> Replayed:
        """Land refused deliveries again, as they were kept, under a stamp of their own."""
        landed = 0
        bad = 0
        for entry in entries:
            delivery = Delivery(entry.name, self._database.clock.now(), entry.raw, None, f"replay of {entry.id}")
            (result,) = self._land(source.id, [delivery])
            with self._database.work(actor) as work:
                if result.refused is None:
                    landed += result.rows
                    store.set_quarantine_state(work.conn, [entry.id], "replayed", actor.id, work.now)
                else:
                    bad += 1
                    store.forget_delivery(work.conn, result.delivery)
                store.recount_open(work.conn, source.id)
        return Replayed(len(entries), landed, bad, 0)


def delivery_row(one: Identified, source: Source, outcome: Outcome, version: int | None) -> DeliveryRow:
    """The record of a delivery and its outcome."""
    refused = outcome.refused
    return DeliveryRow(
        id=one.id,
        source=source.id,
        dataset=source.dataset,
        name=one.delivery.name,
        stamp=one.delivery.stamp,
        sha256=one.sha256,
        bytes=one.bytes,
        received_at=one.delivery.received_at.astimezone(UTC),
        state="refused" if refused else "landed",
        rows=outcome.rows,
        quarantined=outcome.quarantined,
        reasons=reasons_of(outcome),
        reason=refused.message if refused else None,
        version=version if outcome.rows else None,
    )


def reasons_of(outcome: Outcome) -> dict[str, int]:
    """Counts by reason; a delivery refused as a whole is one."""
    reasons = dict(sorted(outcome.reasons.items()))
    return {**reasons, outcome.refused.code: 1} if outcome.refused else reasons
