"""The flow of data into the city: who delivers, how much, how fresh, how good, and who is late or silent.

Rates are read from small counts by minute and by hour that a landing writes with its deliveries, in one statement of the
same transaction; the deliveries themselves, which may be millions, are never scanned. Times are the city's.

A state is the worst of what is below it: a system that fails, one that delivers what is refused, one that is late (nothing
for twice its update cycle), one that flows (ok), one that never delivered (idle). A department flows when one of its
systems does and none needs a person.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cityheart.kernel import limits
from cityheart.kernel.access import can, departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import NotFound
from cityheart.kernel.text import Text, text
from cityheart.share import store
from cityheart.share.contracts import Contract
from cityheart.share.contracts import Field as Declared
from cityheart.share.models import Dataset, Department, Source, SourceState
from cityheart.share.store import DeliveryRow, FlowRow, QuarantineRow, SourceRow
from cityheart.share.unset import awaited

__all__ = ["WORST_FIRST", "Flow", "Standing", "counted", "declaration", "delivered", "standing"]

WORST_FIRST: tuple[SourceState, ...] = ("failing", "refused", "late", "ok", "idle")

_MINUTE, _HOUR = 60, 3_600
_DAY_HOURS = 24
_HOUR_MINUTES = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Figures = Mapping[str, int | float]
"""What a listener says of itself: connections, frames, waiting and so on."""


@dataclass(frozen=True)
class Standing:
    """How a source stands at a moment: its state, why, and for how long nothing has come (``None``: nothing ever did)."""

    state: SourceState
    reason: Text | None
    silent: timedelta | None


def standing(row: SourceRow, cycle: timedelta | None, now: datetime) -> Standing:
    """How a source stands: what its last visit said, and late when nothing has come for twice its update `cycle`."""
    silent = now - row.last_delivery_at if row.last_delivery_at else None
    if row.state == "ok" and cycle is not None and silent is not None and silent > 2 * cycle:
        hours = silent.total_seconds() / 3600
        return Standing(
            "late", text(f"已有 {hours:.1f} 小时没有新数据", f"nothing has come for {hours:.1f} hours"), silent
        )
    known: SourceState = next((each for each in WORST_FIRST if each == row.state), "idle")
    reason = row.reason or (awaited(row.source.id, row.source.options) if known == "idle" else None)
    return Standing(known, reason, silent)


def counted(rows: Iterable[DeliveryRow]) -> list[FlowRow]:
    """Deliveries as counts of the minutes and hours in which they were received, in a fixed order."""
    sums: dict[tuple[str, int, int], list[int]] = {}
    for row in rows:
        for size in (_MINUTE, _HOUR):
            total = sums.setdefault((row.source, size, _begin(row.received_at, size)), [0, 0, 0, 0])
            bad = row.quarantined + (row.state == "refused")
            for index, value in enumerate((1, row.rows, bad, row.bytes)):
                total[index] += value
    return [FlowRow(*key, *total) for key, total in sorted(sums.items())]


@dataclass
class _Sum:
    """What some sources delivered, and how they stand."""

    now: float = 0.0  # rows within the last minute
    hour: int = 0
    hour_bad: int = 0
    day: int = 0
    day_bad: int = 0
    day_bytes: int = 0
    open: int = 0
    states: dict[str, int] = dataclasses.field(default_factory=dict)
    last: datetime | None = None
    hours: list[int] = dataclasses.field(default_factory=lambda: [0] * _DAY_HOURS)
    hours_bad: list[int] = dataclasses.field(default_factory=lambda: [0] * _DAY_HOURS)

    def add(self, other: _Sum) -> None:
        self.now += other.now
        self.hour += other.hour
        self.hour_bad += other.hour_bad
        self.day += other.day
        self.day_bad += other.day_bad
        self.day_bytes += other.day_bytes
        self.open += other.open
        for state, count in other.states.items():
            self.states[state] = self.states.get(state, 0) + count
        if other.last is not None:
            self.last = max(other.last, self.last or other.last)
        self.hours = [left + right for left, right in zip(self.hours, other.hours, strict=True)]
        self.hours_bad = [left + right for left, right in zip(self.hours_bad, other.hours_bad, strict=True)]

    @property
    def state(self) -> str:
        return next((each for each in WORST_FIRST if self.states.get(each)), "none")

    def shown(self, now: datetime, day_seconds: float) -> dict[str, object]:
        checked = self.day + self.day_bad
        return {
            "state": self.state,
            "rate": {"now": self.now / 60, "hour": self.hour / 3600, "day": self.day / day_seconds},
            "rows": {"hour": self.hour, "day": self.day},
            "bad": {"hour": self.hour_bad, "day": self.day_bad},
            "bytes_day": self.day_bytes,
            "quality": self.day / checked if checked else None,
            "open": self.open,
            "last_delivery_at": self.last,
            "freshness_seconds": max(0.0, (now - self.last).total_seconds()) if self.last else None,
            "hours": self.hours,
        }


class Flow:
    """The counts of what flows, and the answers made of them."""

    def __init__(
        self,
        database: Database,
        *,
        departments: Callable[[], Sequence[Department]],
        datasets: Callable[[], Sequence[Dataset]],
        sources: Callable[[], Sequence[Source]],
        listeners: Callable[[], Mapping[str, Figures]] = dict,
    ) -> None:
        self._database = database
        self.departments = departments
        self.datasets = datasets
        self.sources = sources
        self._listeners = listeners
        self._swept: dict[str, int] = {}  # by source the hour up to which old counts were dropped

    def record(self, work: Work, rows: Sequence[DeliveryRow]) -> None:
        """Count deliveries of one source in the transaction that records them; old minutes and hours are dropped."""
        counts = counted(rows)
        store.count_flow(work.conn, counts)
        newest = max((each for each in counts if each.size == _HOUR), key=lambda each: each.bucket, default=None)
        if newest is not None and self._swept.get(newest.source, 0) < newest.bucket:
            self._swept[newest.source] = newest.bucket
            for size, kept in ((_MINUTE, limits.FLOW_MINUTES_KEPT), (_HOUR, limits.FLOW_HOURS_KEPT)):
                store.forget_flow(work.conn, newest.source, size, newest.bucket - int(kept.total_seconds()))

    # ── answers ────────────────────────────────────────────────────────────────────────────────────────────────

    def overview(self, actor: Actor) -> dict[str, object]:
        """Every department that the actor may see with what it delivers, and the sources that need a person.

        Departments of the city without a source are listed too, in the state ``none``. Rates are rows a second over the
        last minute, hour and day. Raises Forbidden.
        """
        sources, seen = self._seen(actor)
        now = self._database.clock.now()
        sums, standings = self._summed(sources, now)
        by_department: dict[str, _Sum] = {}
        everything = _Sum()
        for source in sources:
            by_department.setdefault(source.department, _Sum()).add(sums[source.id])
            everything.add(sums[source.id])
        seconds = _day_seconds(now)
        items = [
            {**_named(each), **_states(total), **total.shown(now, seconds)}
            for each in self.departments()
            if seen is None or each.code in seen
            for total in (by_department.get(each.code, _Sum()),)
            if total.states or each.level == "city"
        ]
        titles = self.titles()
        wanting = [self._wanting(source, standings[source.id], sums[source.id], titles, now) for source in sources]
        attention = sorted((each for each in wanting if each is not None), key=_urgency)
        return {
            "at": now,
            "total": {
                **_states(everything),
                **everything.shown(now, seconds),
                "minutes": self._minutes(sources, now)["rows"],
            },
            "departments": items,
            "attention": attention[: limits.PAGE_ROWS],
        }

    def department(self, actor: Actor, code: str) -> dict[str, object]:
        """One department with its sources and its rates over the last hour and day. Raises NotFound, Forbidden."""
        every, seen = self._seen(actor)
        found = next((each for each in self.departments() if each.code == code), None)
        if found is None or (seen is not None and code not in seen):
            raise NotFound(f"no department has the code {code!r}", remedy="look at GET /api/flow")
        sources = [each for each in every if each.department == code]
        now = self._database.clock.now()
        sums, standings = self._summed(sources, now)
        total = _Sum()
        for each in sums.values():
            total.add(each)
        seconds = _day_seconds(now)
        datasets = {each.name: each for each in self.datasets()}
        listeners = self._listeners()
        items: list[dict[str, object]] = []
        for source in sources:
            row, stands = standings[source.id]
            dataset = datasets.get(source.dataset)
            items.append(
                {
                    "id": source.id,
                    "title": source.title,
                    "connector": source.connector,
                    "dataset": source.dataset,
                    "dataset_title": dataset.contract.title if dataset else None,
                    "schedule": source.schedule,
                    "update_cycle_seconds": dataset.update_cycle.total_seconds()
                    if dataset and dataset.update_cycle
                    else None,
                    **sums[source.id].shown(now, seconds),
                    "state": stands.state,
                    "reason": stands.reason,
                    "next_try_at": row.next_try_at,
                    "deliveries": row.deliveries,
                    "listener": dict(listeners[source.id]) if source.id in listeners else None,
                }
            )
        items.sort(key=lambda each: (WORST_FIRST.index(each["state"]), each["id"]))
        shown = {**_named(found), **_states(total), **total.shown(now, seconds)}
        hours = {
            "from": _moment(_begin(now, _HOUR) - (_DAY_HOURS - 1) * _HOUR),
            "step_seconds": _HOUR,
            "rows": total.hours,
            "bad": total.hours_bad,
        }
        series = {"minutes": self._minutes(sources, now), "hours": hours}
        return {"at": now, "department": shown, "series": series, "sources": items}

    def source(self, actor: Actor, id: str, hours: int) -> dict[str, object]:
        """What a source delivered over the last `hours`: equal steps of a minute, ten minutes or an hour, oldest first.

        Raises NotFound, also for a source not to be seen; Forbidden.
        """
        source = self._to_see(actor, id)
        now = self._database.clock.now()
        step = 60 if hours <= 2 else 600 if timedelta(hours=hours) < limits.FLOW_MINUTES_KEPT else 3_600
        size = _HOUR if step == _HOUR else _MINUTE
        end = _begin(now, step) + step
        begin = end - hours * _HOUR
        points = (end - begin) // step
        series: dict[str, list[int]] = {name: [0] * points for name in ("rows", "bad", "bytes", "deliveries")}
        with self._database.read() as conn:
            for _, bucket, *counts in store.flow_of(conn, [id], size, begin, end):
                for values, count in zip(series.values(), counts, strict=True):
                    values[(bucket - begin) // step] += count
        sums, standings = self._summed([source], now)
        figures = self._listeners().get(id)
        return {
            "source": id,
            "at": now,
            "from": _moment(begin),
            "step_seconds": step,
            **series,
            "now": {**sums[id].shown(now, _day_seconds(now)), "state": standings[id][1].state},
            "listener": dict(figures) if figures is not None else None,
        }

    def deliveries(
        self,
        actor: Actor,
        source_id: str,
        *,
        bad: bool = False,
        after: str | None = None,
        limit: int = limits.PAGE_ROWS,
    ) -> tuple[list[dict[str, object]], int]:
        """A page of a source's deliveries, the newest first, and how many there are in all.

        `bad`: only those of which something went to quarantine. Raises NotFound, Forbidden.
        """
        source = self._to_see(actor, source_id)
        with self._database.read() as conn:
            rows = store.deliveries_page(conn, source.id, min(limit, limits.PAGE_ROWS), bad=bad, after=after)
            (row,) = store.standings(conn, [source])
            total = store.count_bad_deliveries(conn, source.id) if bad else row.deliveries
        return [delivered(each) for each in rows], total

    def delivery(self, actor: Actor, id: str) -> dict[str, object]:
        """One delivery: what it was, what became of it by reason, and how many of its entries are still open.

        Raises NotFound, also for one not to be seen; Forbidden.
        """
        require(actor, "source.read")
        known = {each.id: each for each in self.sources()}
        with self._database.read() as conn:
            row = store.deliveries_by_id(conn, [id]).get(id)
            source = known.get(row.source) if row is not None else None
            if row is None or source is None or not can(actor, "source.read", source.department):
                raise NotFound("there is no such delivery", remedy="look at the deliveries of its source")
            open = store.count_quarantine(conn, store.Chosen(state="open", delivery=id))
        return {
            **delivered(row),
            **self._of(source),
            "stamp": row.stamp,
            "sha256": row.sha256,
            "reasons": dict(row.reasons),
            "open": sum(open.values()),
            "open_reasons": open,
            "version": row.version,
        }

    def entry(self, actor: Actor, row: QuarantineRow) -> dict[str, object]:
        """What stands around an entry of quarantine: its source, the field as the contract has it, its neighbours.

        Raises Forbidden.
        """
        source = next(each for each in self.sources() if each.id == row.source)
        require(actor, "quarantine.read", source.department)
        contract = next(each.contract for each in self.datasets() if each.name == source.dataset)
        field = next((each for each in contract.fields if each.name == row.field), None)
        with self._database.read() as conn:
            before, after = store.quarantine_beside(conn, row, row.state)
        return {
            **self._of(source),
            "declared": declaration(contract, field) if field else None,
            "may_replay": can(actor, "quarantine.replay", source.department),
            "previous": before,
            "next": after,
        }

    def titles(self) -> dict[str, Text]:
        """The title of every department by its code."""
        return {each.code: each.title for each in self.departments()}

    # ── how ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _seen(self, actor: Actor) -> tuple[list[Source], frozenset[str] | None]:
        require(actor, "source.read")
        seen = departments(actor, "source.read")
        return [each for each in self.sources() if seen is None or each.department in seen], seen

    def _to_see(self, actor: Actor, id: str) -> Source:
        sources, _ = self._seen(actor)
        source = next((each for each in sources if each.id == id), None)
        if source is None:
            raise NotFound(f"no source is called {id!r}", remedy="look at GET /api/sources")
        return source

    def _of(self, source: Source) -> dict[str, object]:
        title = self.titles().get(source.department, text(source.department, source.department))
        return {
            "source": source.id,
            "source_title": source.title,
            "department": source.department,
            "department_title": title,
            "dataset": source.dataset,
        }

    def _summed(
        self, sources: Sequence[Source], now: datetime
    ) -> tuple[dict[str, _Sum], dict[str, tuple[SourceRow, Standing]]]:
        """What each source delivered within the last minute, hour and day, and how it stands."""
        ids = [each.id for each in sources]
        sums = {id: _Sum() for id in ids}
        if not ids:
            return sums, {}
        minute, first = _begin(now, _MINUTE), _begin(now, _HOUR) - (_DAY_HOURS - 1) * _HOUR
        with self._database.read() as conn:
            rows = store.standings(conn, sources)
            uncounted = [row.source.id for row in rows if row.open is None]
            open = store.count_open(conn, uncounted) if uncounted else {}
            lately = store.flow_by_source(conn, ids, minute - (_HOUR_MINUTES - 1) * _MINUTE, minute)
            by_hour = store.flow_of(conn, ids, _HOUR, first, first + _DAY_HOURS * _HOUR)
        left = 1 - (now.timestamp() - minute) / 60  # how much of the minute before lies within the last 60 seconds
        for id, (good, bad, here, before) in lately.items():
            total = sums[id]
            total.hour, total.hour_bad, total.now = good, bad, here + before * left
        for id, bucket, good, bad, size, _ in by_hour:
            total = sums[id]
            place = (bucket - first) // _HOUR
            total.hours[place] += good
            total.hours_bad[place] += bad
            total.day += good
            total.day_bad += bad
            total.day_bytes += size
        cycles = {each.name: each.update_cycle for each in self.datasets()}
        standings: dict[str, tuple[SourceRow, Standing]] = {}
        for row in rows:
            stands = standing(row, cycles.get(row.source.dataset), now)
            standings[row.source.id] = row, stands
            total = sums[row.source.id]
            total.states = {stands.state: 1}
            total.last = row.last_delivery_at
            total.open = row.open if row.open is not None else open.get(row.source.id, 0)
        return sums, standings

    def _minutes(self, sources: Sequence[Source], now: datetime) -> dict[str, object]:
        """What these sources delivered together in each of the last sixty minutes."""
        last = _begin(now, _MINUTE)
        first = last - (_HOUR_MINUTES - 1) * _MINUTE
        with self._database.read() as conn:
            found = store.flow_by_minute(conn, [each.id for each in sources], first, last)
        counts = [found.get(minute, (0, 0)) for minute in range(first, last + 1, _MINUTE)]
        return {
            "from": _moment(first),
            "step_seconds": _MINUTE,
            "rows": [rows for rows, _ in counts],
            "bad": [bad for _, bad in counts],
        }

    def _wanting(
        self,
        source: Source,
        stands: tuple[SourceRow, Standing],
        total: _Sum,
        titles: Mapping[str, Text],
        now: datetime,
    ) -> dict[str, object] | None:
        """A source that needs a person, None when it does not."""
        row, how = stands
        if how.state not in ("failing", "refused", "late"):
            return None
        return {
            "id": source.id,
            "title": source.title,
            "department": source.department,
            "department_title": titles.get(source.department, text(source.department, source.department)),
            "state": how.state,
            "reason": how.reason,
            "last_delivery_at": row.last_delivery_at,
            "freshness_seconds": max(0.0, how.silent.total_seconds()) if how.silent is not None else None,
            "failures": row.failures,
            "next_try_at": row.next_try_at,
            "open": total.open,
        }


def delivered(row: DeliveryRow) -> dict[str, object]:
    """A delivery as lists show it."""
    return {
        "id": row.id,
        "name": row.name,
        "received_at": row.received_at,
        "state": row.state,
        "rows": row.rows,
        "quarantined": row.quarantined,
        "bytes": row.bytes,
        "reason": row.reason,
    }


def declaration(contract: Contract, field: Declared) -> dict[str, object]:
    """A field as its contract has it: type, unit, rules, and the names it has in sources."""
    rules = {
        "required": field.required or None,
        "unique": field.unique or None,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "enum": list(field.enum) if field.enum is not None else None,
        "pattern": field.pattern,
        "minLength": field.min_length,
        "maxLength": field.max_length,
    }
    return {
        "name": field.name,
        "title": field.title,
        "description": field.description,
        "type": field.type,
        "unit": field.unit,
        "key": field.name in contract.key,
        "labels": field.labels,
        "named": sorted(name for name, target in contract.rename.items() if target == field.name),
        "rules": {name: value for name, value in rules.items() if value is not None},
    }


def _begin(moment: datetime, size: int) -> int:
    """When the bucket that holds a moment begins, in seconds since 1970; those of an hour and less suit every zone."""
    since = (moment - _EPOCH) // timedelta(seconds=1)
    return since - since % size


def _moment(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def _day_seconds(now: datetime) -> float:
    """The time that the hours of the last day cover so far."""
    return now.timestamp() - _begin(now, _HOUR) + (_DAY_HOURS - 1) * _HOUR


def _named(department: Department) -> dict[str, object]:
    return {
        "code": department.code,
        "title": department.title,
        "kind": department.kind,
        "level": department.level,
        "parent": department.parent,
    }


def _states(total: _Sum) -> dict[str, object]:
    return {"sources": sum(total.states.values()), "states": {each: total.states.get(each, 0) for each in WORST_FIRST}}


def _urgency(item: Mapping[str, object]) -> tuple[int, float, str]:
    state = WORST_FIRST.index(item["state"])
    silent = item["freshness_seconds"]
    return state, -(silent if isinstance(silent, float) else float("inf")), str(item["id"])
