"""From deliveries to checked rows: what may go to the lake, and what goes to quarantine with its reason and its bytes.

No SQL and no lake here: ``service.Share.land`` commits what this module prepares. Small deliveries of one source are
read and checked together, so a thousand small files cost little more than one; a large one goes block by block.
Duplicates are then looked for within a block: of equal keys in different blocks the later row is the newer version.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.kernel import limits
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text, text
from cityheart.share import formats
from cityheart.share.check import Checked, check, codes_of
from cityheart.share.contracts import LANDED_AT, Contract
from cityheart.share.formats.batch import Batch, Malformed, Reading, opened, size_of
from cityheart.share.formats.delimited import together
from cityheart.share.formats.json_records import table_of
from cityheart.share.models import Delivery, FieldQuality, Refused, Source, printable, seen
from cityheart.share.store import QuarantineRow

__all__ = [
    "Examined",
    "Identified",
    "Outcome",
    "Prepared",
    "add_quality",
    "examine",
    "examine_blocks",
    "examine_records",
    "identify",
    "merge_quality",
    "prepare",
    "said_once",
]

_TIMESTAMP = pa.timestamp("us", tz="UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Identified:
    """A delivery with its id, which follows from source, name, content and stamp, so that a repeat is known."""

    delivery: Delivery
    id: str
    sha256: str
    bytes: int
    format: str

    @property
    def small(self) -> bool:
        """Whether it is examined and landed together with others; follows from name and content alone."""
        if self.format in ("csv", "json", "xml"):
            return self.bytes <= limits.LAND_TOGETHER_BYTES
        if self.format in formats.WIRE:
            return self.bytes <= limits.WIRE_LAND_BYTES
        return self.bytes <= limits.LAND_TOGETHER_BYTES // 16


@dataclass
class Outcome:
    """What examining one delivery found so far."""

    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refused: Refused | None = None
    kept: int = 0  # quarantine entries made

    @property
    def quarantined(self) -> int:
        return sum(self.reasons.values())


@dataclass
class Examined:
    """Checked rows of some deliveries, ready to land: `rows` with their system columns, None when there are none."""

    rows: pa.Table | None
    outcomes: dict[str, Outcome]
    quarantine: list[QuarantineRow]
    quality: dict[str, FieldQuality]
    checked: int  # rows looked at, bad ones included
    drift: dict[str, str]


@dataclass(frozen=True)
class Step:
    """Deliveries that are landed with one commit, or a large one (``examined`` is None) that goes block by block.

    ``places``: of the deliveries among those handed over.
    """

    places: list[int]
    deliveries: list[Identified]
    examined: Examined | None


@dataclass(frozen=True)
class Prepared:
    """Deliveries of one source, read and checked as far as that needs neither the store nor the lake."""

    source: Source
    count: int
    steps: list[Step]
    refused: dict[int, tuple[Identified, Refused]]
    doubles: dict[int, int]  # deliveries that stand twice: place → place of the first


def prepare(source: Source, contract: Contract, deliveries: Sequence[Delivery]) -> Prepared:
    """Read and check deliveries, all but the large ones; may run in any thread. Raises nothing for what is wrong in them."""
    prepared = Prepared(source, len(deliveries), [], {}, {})
    run: dict[int, Identified] = {}
    first: dict[str, int] = {}

    def together() -> None:
        if run:
            some = list(run.values())
            prepared.steps.append(Step(list(run), some, examine(source, contract, some)))
            run.clear()

    for place, delivery in enumerate(deliveries):
        try:
            one = identify(source.id, delivery)
        except Refused as refused:
            one = Identified(delivery, f"delivery-{source.id}-{place}", "", 0, "csv")
            prepared.refused[place] = one, refused
            continue
        if one.id in first:
            prepared.doubles[place] = first[one.id]
            continue
        first[one.id] = place
        if one.small:
            run[place] = one
        else:
            together()
            prepared.steps.append(Step([place], [one], None))
    together()
    return prepared


def identify(source: str, delivery: Delivery) -> Identified:
    """Know a delivery by its content. Raises Refused for a file above ``limits.FILE_BYTES``."""
    size = size_of(delivery.payload)
    if size > limits.FILE_BYTES:
        allowed = limits.FILE_BYTES // 2**30
        raise Refused("too_large", text(f"文件超过 {allowed} GB", f"the file is larger than {allowed} GB"))
    if isinstance(delivery.payload, bytes):
        sha256 = hashlib.sha256(delivery.payload).hexdigest()
    else:
        with delivery.payload.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    id = derive("delivery", source, delivery.name, sha256, delivery.stamp)
    return Identified(delivery, id, sha256, size, delivery.format or formats.detect(delivery.name, delivery.payload))


def examine(source: Source, contract: Contract, deliveries: Sequence[Identified]) -> Examined:
    """Read and check small deliveries together."""
    reading = Reading(contract.headers, source.options)
    examined = _Examination(source, contract, deliveries)
    plain = [
        index
        for index, each in enumerate(deliveries)
        if each.format == "csv" and isinstance(each.delivery.payload, bytes)
    ]
    joined = None
    if len(plain) > 1:
        payloads = [each.delivery.payload for each in deliveries if isinstance(each.delivery.payload, bytes)]
        joined = together(payloads, reading) if len(payloads) == len(deliveries) == len(plain) else None
    if joined is not None:
        table, counts = joined
        groups = np.repeat(np.arange(len(deliveries)), counts)
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.arange(table.num_rows, dtype=np.int64) - starts + 1
        nowhere = np.zeros(table.num_rows, dtype=np.int64)
        everyone = frozenset(range(len(deliveries)))
        examined.take(_Portion(table, rows, groups, [None], nowhere, True, False, everyone))
        return examined.result()
    portions: dict[tuple[object, ...], list[_Portion]] = {}
    if len(deliveries) > 1 and {each.format for each in deliveries} <= {deliveries[0].format} & set(formats.WIRE):
        for portion in _recorded(examined, reading):
            portions.setdefault(portion.shape, []).append(portion)
        deliveries = ()
    for index, each in enumerate(deliveries):
        try:
            batches = list(formats.decode(each.delivery.name, each.delivery.payload, each.format, reading))
        except Refused as refused:
            examined.refuse(index, refused)
            continue
        for batch in batches:
            examined.malformed(index, batch)
            portion = _Portion.of(batch, index)
            portions.setdefault(portion.shape, []).append(portion)
    for alike in portions.values():
        examined.take(_Portion.joined(alike))
    return examined.result()


def _recorded(examined: _Examination, reading: Reading) -> Iterator[_Portion]:
    """The rows of recordings of one format, read together; what cannot be read is refused."""
    deliveries = examined.deliveries
    try:
        found, refused = formats.together(deliveries[0].format, [each.delivery.payload for each in deliveries], reading)
    except Refused as why:
        found, refused = [], dict.fromkeys(range(len(deliveries)), why)
    for index, reason in refused.items():
        examined.refuse(index, reason)
    everyone = frozenset(range(len(deliveries))) - refused.keys()
    for each in found:
        batch = each.batch
        for index, malformed in zip(each.bad_of, batch.malformed, strict=True):
            examined.malformed(index, Batch(batch.table, batch.rows, [malformed]))
        nowhere = np.zeros(len(batch.rows), dtype=np.int64)
        yield _Portion(batch.table, batch.rows, each.of, [None], nowhere, batch.tabular, False, everyone, batch.arrived)


def examine_blocks(source: Source, contract: Contract, one: Identified) -> Iterator[Examined]:
    """Read and check a large delivery block by block; blocks are the same whenever the same bytes are read again.

    A fault met on the way (a damaged page in the middle) ends the iteration with an Examined that says so.
    """
    reading = Reading(contract.headers, source.options)
    outcome = Outcome()
    waiting: list[_Portion] = []
    held = 0
    pending: list[Batch] = []

    def checked() -> Examined:
        examination = _Examination(source, contract, [one], [outcome])
        for batch in pending:
            examination.malformed(0, batch)
        if waiting:
            examination.take(_Portion.joined(waiting))
        waiting.clear()
        pending.clear()
        return examination.result()

    try:
        for batch in formats.decode(one.delivery.name, one.delivery.payload, one.format, reading):
            portion = _Portion.of(batch, 0)
            size = portion.table.nbytes
            if waiting and (waiting[0].shape != portion.shape or held + size > limits.BLOCK_BYTES):
                yield checked()
                if outcome.refused:
                    return
                held = 0
            pending.append(batch)
            waiting.append(portion)
            held += size
        yield checked()
    except Refused as refused:
        if waiting:
            yield checked()
        examination = _Examination(source, contract, [one], [outcome])
        examination.refuse(0, refused)
        yield examination.result()


def examine_records(
    source: Source, contract: Contract, entries: Sequence[QuarantineRow], now: datetime
) -> tuple[Examined, list[bool]]:
    """Check quarantined records again, as rows known from `now`; and which of the entries are good now."""
    records: list[Mapping[str, object]] = []
    for entry in entries:
        record = json.loads(entry.raw)
        records.append(record if isinstance(record, dict) else {})
    table = table_of(records)
    one = Identified(
        Delivery("replay", now, b""),
        derive("delivery", source.id, "replay", *(each.id for each in entries)),
        "",
        0,
        "json",
    )
    examination = _Examination(source, contract, [one])
    numbers = np.arange(len(entries), dtype=np.int64)
    zeros = np.zeros(len(entries), dtype=np.int64)
    arrived = np.array([_micros(each.received_at) for each in entries], dtype=np.int64)
    good = examination.take(_Portion(table, numbers, zeros, [None], zeros, False, False, frozenset({0}), arrived))
    landed = [False] * len(entries)
    for index in good.tolist():
        landed[index] = True
    return examination.result(), landed


def merge_quality(stored: Mapping[str, object], checked: int, fields: Mapping[str, FieldQuality]) -> dict[str, object]:
    """A source's quality with more rows.

    ``{"rows": n, "fields": {name: {missing, invalid, min, max, cleaned: {step: n}, refused: {step: n}}}}``.
    """
    known = stored.get("fields")
    merged: dict[str, dict[str, object]] = (
        {name: dict(each) for name, each in known.items()} if isinstance(known, Mapping) else {}
    )
    for name, quality in fields.items():
        old = merged.get(name, {})
        low, high = _plain(quality.min), _plain(quality.max)
        merged[name] = {
            "missing": _count(old.get("missing")) + quality.missing,
            "invalid": _count(old.get("invalid")) + quality.invalid,
            "min": _extreme(old.get("min"), low, least=True),
            "max": _extreme(old.get("max"), high, least=False),
            "cleaned": _summed(old.get("cleaned"), quality.cleaned),
            "refused": _summed(old.get("refused"), quality.refused),
        }
    return {"rows": _count(stored.get("rows")) + checked, "fields": merged}


def said_once(contract: Contract, rows: pa.Table) -> pa.Table:
    """Of the rows of several deliveries those that say something else than the one before of the same key."""
    keys = codes_of([rows[name] for name in contract.key])
    known = rows["_known_at"].cast(pa.int64()).to_numpy()
    order = np.lexsort((known, keys))  # by key, then as the city heard them; equal ones stay in order
    again = np.concatenate(([False], keys[order][1:] == keys[order][:-1]))
    if not again.any():
        return rows
    content = codes_of([rows[each.name] for each in contract.stored])[order]
    again &= np.concatenate(([False], content[1:] == content[:-1]))
    news = np.ones(len(order), dtype=bool)
    news[order[again]] = False
    return rows.filter(pa.array(news))


@dataclass
class _Portion:
    """Rows of some deliveries with equal columns."""

    table: pa.Table
    rows: npt.NDArray[np.int64]  # number of the row in its file
    groups: npt.NDArray[np.int64]  # position of its delivery
    members: list[str | None]
    member: npt.NDArray[np.int64]  # position in `members`
    tabular: bool
    damaged: bool
    deliveries: frozenset[int]  # positions of the deliveries, also of those without a row
    arrived: npt.NDArray[np.int64] | None = None  # when each row came, where that is known more closely

    @classmethod
    def of(cls, batch: Batch, index: int) -> _Portion:
        size = len(batch.rows)
        return cls(
            batch.table,
            batch.rows,
            np.full(size, index, dtype=np.int64),
            [batch.member],
            np.zeros(size, dtype=np.int64),
            batch.tabular,
            batch.damaged,
            frozenset({index}),
            batch.arrived,
        )

    @property
    def shape(self) -> tuple[object, ...]:
        """What must be equal for two portions to be checked as one."""
        names = self.table.column_names
        timed = self.arrived is not None
        return (self.tabular, timed, *names, *map(str, self.table.schema.types)) if self.tabular else (False, timed)

    @classmethod
    def joined(cls, portions: Sequence[_Portion]) -> _Portion:
        if len(portions) == 1:
            return portions[0]
        members: list[str | None] = []
        member = []
        for portion in portions:
            member.append(portion.member + len(members))
            members += portion.members
        return cls(
            _concatenated([portion.table for portion in portions]),
            np.concatenate([portion.rows for portion in portions]),
            np.concatenate([portion.groups for portion in portions]),
            members,
            np.concatenate(member),
            portions[0].tabular,
            any(portion.damaged for portion in portions),
            frozenset().union(*(portion.deliveries for portion in portions)),
            np.concatenate([portion.arrived for portion in portions if portion.arrived is not None])
            if portions[0].arrived is not None
            else None,
        )


class _Examination:
    """Collects what is found about some deliveries."""

    def __init__(
        self,
        source: Source,
        contract: Contract,
        deliveries: Sequence[Identified],
        outcomes: Sequence[Outcome] | None = None,
    ) -> None:
        self.source = source
        self.contract = contract
        self.deliveries = deliveries
        self.outcomes = list(outcomes) if outcomes else [Outcome() for _ in deliveries]
        self.tables: list[pa.Table] = []
        self.quarantine: list[QuarantineRow] = []
        self.quality: dict[str, FieldQuality] = {}
        self.checked = 0
        self.drift: dict[str, str] = {}

    def take(self, portion: _Portion) -> npt.NDArray[np.int64]:
        """Check a portion; returns the positions of its good rows."""
        groups = portion.groups if len(self.deliveries) > 1 else None
        arrived = portion.arrived
        if arrived is None and self.contract.clean:
            received = [_micros(each.delivery.received_at) for each in self.deliveries]
            arrived = np.array(received, dtype=np.int64)[portion.groups]
        try:
            checked = check(
                self.contract,
                portion.table,
                tabular=portion.tabular,
                damaged=portion.damaged,
                groups=groups,
                arrived=arrived,
            )
        except Refused as refused:
            for index in sorted(portion.deliveries):
                self.refuse(index, refused)
            return np.zeros(0, dtype=np.int64)
        self.checked += len(portion.rows)
        add_quality(self.quality, checked.quality)
        self.drift.update({seen(header): name for header, name in checked.drift.items()})
        if checked.good.num_rows:
            owner = portion.groups[checked.index]
            self.tables.append(self._with_system(checked.good, owner))
            for index, count in enumerate(np.bincount(owner, minlength=len(self.deliveries)).tolist()):
                self.outcomes[index].rows += count
        if checked.bad:
            self._bad(portion, checked)
        return checked.index

    def _with_system(self, good: pa.Table, owner: npt.NDArray[np.int64]) -> pa.Table:
        received = np.array([_micros(each.delivery.received_at) for each in self.deliveries], dtype=np.int64)
        known = pa.array(received[owner]).cast(_TIMESTAMP)
        ids = pa.array([each.id for each in self.deliveries], pa.string())
        if self.contract.time == LANDED_AT:
            good = good.append_column(LANDED_AT, known)
        good = good.append_column("_known_at", known)
        good = good.append_column("_source", pa.repeat(pa.scalar(self.source.id, pa.string()), len(owner)))
        return good.append_column("_batch", ids.take(pa.array(owner)))

    def _bad(self, portion: _Portion, checked: Checked) -> None:
        rows = np.array([each.row for each in checked.bad], dtype=np.int64)
        owners = portion.groups[rows].tolist()
        for index, bad in zip(owners, checked.bad, strict=True):
            self.outcomes[index].reasons[bad.code] += 1
        room = max(0, limits.QUARANTINE_ROWS - max(self.outcomes[index].kept for index in set(owners)))
        raws = portion.table.take(pa.array(rows[:room])).to_pylist()
        for index, bad, raw in zip(owners, checked.bad, raws, strict=False):
            member = portion.members[int(portion.member[bad.row])]
            record = {name: value for name, value in raw.items() if value is not None}
            data = json.dumps(record, ensure_ascii=False, default=_plain).encode("utf-8", "replace")
            self._keep(index, member, int(portion.rows[bad.row]), bad.code, bad.field, bad.message, "record", data)

    def malformed(self, index: int, batch: Batch) -> None:
        """Note the pieces of a batch that are no rows."""
        self.checked += len(batch.malformed)
        for each in batch.malformed:
            self.outcomes[index].reasons[each.code] += 1
            self._malformed(index, batch.member, each)

    def _malformed(self, index: int, member: str | None, each: Malformed) -> None:
        if self.outcomes[index].kept < limits.QUARANTINE_ROWS:
            self._keep(index, member, each.row, each.code, None, each.message, "line", each.raw)

    def refuse(self, index: int, refused: Refused) -> None:
        """Refuse a delivery and keep its bytes; the first reason stands."""
        if self.outcomes[index].refused:
            return
        self.outcomes[index].refused = refused
        with opened(self.deliveries[index].delivery.payload) as stream:
            raw = stream.read(limits.QUARANTINE_FILE_BYTES)
        self._keep(index, None, 0, refused.code, None, refused.message, "delivery", raw)

    def _keep(
        self,
        index: int,
        member: str | None,
        row: int,
        code: str,
        field: str | None,
        message: Text,
        form: str,
        raw: bytes,
    ) -> None:
        one = self.deliveries[index]
        allowed = limits.QUARANTINE_FILE_BYTES if form == "delivery" else limits.QUARANTINE_ROW_BYTES
        complete = one.bytes <= allowed if form == "delivery" else len(raw) <= allowed
        outcome = self.outcomes[index]
        outcome.kept += 1
        if outcome.kept == limits.QUARANTINE_ROWS and form != "delivery":
            # the last entry that is kept says that the others are not
            row, code, form, complete = 0, "too_many_bad_rows", "line", False
            kept = limits.QUARANTINE_ROWS
            message = text(f"坏行超过 {kept} 条，其余只计数", f"more than {kept} bad rows; the rest is only counted")
        self.quarantine.append(
            QuarantineRow(
                id=derive("quarantine", one.id, member or "", str(row), code),
                source=self.source.id,
                dataset=self.contract.name,
                delivery=one.id,
                name=one.delivery.name,
                member=None if member is None else seen(member),
                row=row,
                code=code,
                field=field,
                message=printable(message),
                form=form,
                raw=raw[:allowed],
                complete=complete,
                received_at=one.delivery.received_at,
            )
        )

    def result(self) -> Examined:
        rows = pa.concat_tables(self.tables, promote_options="default") if self.tables else None
        halves = [
            (each.id, outcome)
            for each, outcome in zip(self.deliveries, self.outcomes, strict=True)
            if outcome.refused and outcome.rows and each.small
        ]
        if halves and rows is not None:  # refused is refused as a whole
            ids = pa.array([id for id, _ in halves], pa.string())
            rows = rows.filter(pc.invert(pc.is_in(rows["_batch"], value_set=ids)))
            for _, outcome in halves:
                outcome.rows = 0
        outcomes = {each.id: outcome for each, outcome in zip(self.deliveries, self.outcomes, strict=True)}
        return Examined(rows, outcomes, self.quarantine, self.quality, self.checked, self.drift)


# ── small change ───────────────────────────────────────────────────────────────────────────────────────────────────


def _concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables as one; a column that is of different kinds in them becomes text."""
    try:
        return pa.concat_tables(tables, promote_options="default")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        kinds: dict[str, set[str]] = {}
        for table in tables:
            for column in table.schema:
                kinds.setdefault(column.name, set()).add(str(column.type))
        mixed = {name for name, found in kinds.items() if len(found - {"null"}) > 1}
        texts = [
            pa.table(
                {
                    name: column.cast(pa.string()) if name in mixed else column
                    for name, column in zip(table.column_names, table.columns, strict=True)
                }
            )
            for table in tables
        ]
        return pa.concat_tables(texts, promote_options="default")


def add_quality(total: dict[str, FieldQuality], more: Mapping[str, FieldQuality]) -> None:
    """Add the counts of some rows to those of others."""
    for name, quality in more.items():
        known = total.setdefault(name, FieldQuality())
        known.missing += quality.missing
        known.invalid += quality.invalid
        known.cleaned += quality.cleaned
        known.refused += quality.refused
        if quality.min is not None and (known.min is None or quality.min < known.min):  # type: ignore[operator]
            known.min = quality.min
        if quality.max is not None and (known.max is None or quality.max > known.max):  # type: ignore[operator]
            known.max = quality.max


def _micros(moment: datetime) -> int:
    since = moment.astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value.tzinfo else value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int | float | str) or value is None:
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _summed(old: object, more: Mapping[str, int]) -> dict[str, int]:
    known = {str(step): _count(count) for step, count in old.items()} if isinstance(old, Mapping) else {}
    return dict(sorted((Counter(known) + Counter(more)).items()))


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _extreme(old: object, new: object, *, least: bool) -> object:
    if old is None or new is None or (type(old) is not type(new) and not {type(old), type(new)} <= {int, float}):
        return new if new is not None else old
    return min(old, new) if least else max(old, new)  # type: ignore[call-overload]
