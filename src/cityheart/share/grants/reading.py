"""Reading datasets for somebody: every way in asks here what may be seen, and what is restricted leaves an event."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa

from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.statement import references
from cityheart.engine.veil import Veil
from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Forbidden, Invalid, NotFound, TooLarge
from cityheart.kernel.text import text
from cityheart.share.grants.condition import compiled
from cityheart.share.grants.models import Sight, Use
from cityheart.share.grants.sight import Sights
from cityheart.share.models import Dataset

__all__ = ["Reading", "Through", "Wanted", "veiled"]

_VERSIONS = "__versions"
_CONTENT_ROWS = 1_000  # rows of an export that are written at once


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows of a dataset to be listed: which columns, under what condition, in what order (``-name`` for downwards)."""

    columns: tuple[str, ...] = ()
    where: str | None = None
    order: str | None = None
    facets: tuple[str, ...] = ()


class Reading:
    """Reads the lake of one city as somebody may."""

    def __init__(self, database: Database, lake: Lake, sights: Sights, dataset: Callable[[str], Dataset]) -> None:
        self._database, self._lake, self._sights, self._dataset = database, lake, sights, dataset
        self._told: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def sight(self, actor: Actor, dataset: str, use: Use = "read", *, handling: bool = False) -> Sight:
        """What the actor sees of a dataset. Raises NotFound."""
        return self._sights.of(actor, dataset, use, handling=handling)

    def admit(
        self,
        actor: Actor,
        dataset: str,
        *,
        at: datetime | None = None,
        columns: Sequence[str] | None = None,
        use: Use = "read",
    ) -> Sight:
        """Let the actor read all rows of a dataset in a way of the caller's own; without columns those not classified.

        For what cannot be shown in part. Reading restricted data is an event. Raises Forbidden, NotFound.
        """
        sight = self._admitted(actor, dataset, use)
        needed = columns if columns is not None else self._open_columns(dataset)
        if not sight.shows(*needed):
            hidden = [name for name in needed if name not in sight.whole]
            what = f"{', '.join(hidden)} of {dataset}" if hidden else f"all rows of {dataset}"
            raise Forbidden(f"{what} is not shown to you", remedy=f"ask its owner, {sight.owner}, for a grant")
        self._tell(actor, sight, at, columns)
        return sight

    def _open_columns(self, dataset: str) -> list[str]:
        return [each.name for each in self._dataset(dataset).contract.stored if not each.secrecy]

    def _admitted(self, actor: Actor, dataset: str, use: Use) -> Sight:
        sight = self._sights.of(actor, dataset, use)
        require(actor, "dataset.read")
        if not sight.open:
            raise Forbidden(
                f"{dataset} is not shared unconditionally and belongs to {sight.owner}",
                remedy="ask its owner for a grant",
            )
        return sight

    def _tell(self, actor: Actor, sight: Sight, at: datetime | None, columns: Sequence[str] | None) -> None:
        if not sight.restricted:
            return
        with self._database.work(actor) as work:
            data = {"dataset": sight.dataset, "columns": list(columns) if columns is not None else None, "at": at}
            if sight.grants:
                data["grants"] = list(sight.grants)
            work.emit(f"dataset:{sight.dataset}", "dataset.read", data)

    def read(
        self,
        actor: Actor,
        dataset: str,
        *,
        at: datetime | None = None,
        time: tuple[datetime, datetime] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The rows of a dataset that the actor sees; columns that are withheld are there without their values."""
        sight = self._admitted(actor, dataset, "read")
        self._tell(actor, sight, at, columns)
        return self.rows(sight, at=at, time=time, columns=columns)

    def rows(
        self,
        sight: Sight,
        *,
        at: datetime | None = None,
        time: tuple[datetime, datetime] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The current rows that a sight shows, or those known ``at`` a moment; as ``Lake.current``."""
        return veiled(self._lake, sight.dataset, sight.veil, at=at, time=time, columns=columns)

    def query(
        self,
        actor: Actor,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        at: datetime | None = None,
        time: tuple[datetime, datetime] | None = None,
    ) -> pa.Table:
        """Answer one SELECT as :meth:`Lake.query`, through what the actor sees. Raises Forbidden for a closed dataset."""
        veils: dict[str, Veil] = {}
        for name in sorted({each.removesuffix(_VERSIONS) for each in references(sql)}):
            try:
                sight = self._sights.of(actor, name)
            except NotFound:  # a column, a common table expression, or nothing
                continue
            if not sight.open:
                raise Forbidden(f"{name} is not shared with you", remedy=f"ask its owner, {sight.owner}, for a grant")
            if sight.veil is not None:
                veils[name] = sight.veil
        return self._lake.query(sql, params, at=at, time=time, veils=veils)

    def through(self, actor: Actor) -> Through:
        """The lake as the actor sees it."""
        return Through(self, self._lake, actor)

    # ── listing rows ───────────────────────────────────────────────────────────────────────────────────────────

    def listed(
        self, actor: Actor, dataset: str, wanted: Wanted, *, after: int = 0, limit: int = 50
    ) -> dict[str, object]:
        """A page of the current rows that the actor sees, the newest first unless an order is asked for.

        ``{items, total, next, columns: [{name, title, unit, type, withheld}], facets: {column: [{value, n}]}, limited}``.
        Raises Forbidden; Invalid for a column that there is not; Forbidden for a condition, an order or a facet by a
        column that is withheld: an answer would tell of it.
        """
        sight, sql, condition, names = self._prepared(actor, dataset, wanted)
        veils = {} if sight.veil is None else {dataset: sight.veil}
        where = f" WHERE {condition}" if condition else ""
        page = f"{sql} LIMIT {limit + 1:d} OFFSET {after:d}"
        rows = self._lake.query(page, veils=veils).to_pylist()
        count = f"SELECT count(*) AS n FROM {dataset}{where}"  # noqa: S608  compiled above
        total = self._lake.query(count, veils=veils)["n"][0].as_py()
        facets = {name: self._facet(dataset, name, where, veils) for name in wanted.facets}
        self.tell_once(actor, sight, names)
        return {
            "items": [{name: _plain(value) for name, value in row.items()} for row in rows[:limit]],
            "total": total,
            "next": after + limit if len(rows) > limit else None,
            "columns": self._columns(dataset, sight, names),
            "facets": facets,
            "limited": sight.limited,
        }

    def export(self, actor: Actor, dataset: str, wanted: Wanted) -> Iterator[list[dict[str, object]]]:
        """All rows of a list in pieces, without columns that are withheld; always an event when restricted.

        Raises as :meth:`listed`, and TooLarge above ``limits.EXPORT_ROWS``.
        """
        sight, _, _, names = self._prepared(actor, dataset, wanted)
        shown = tuple(name for name in names if name not in sight.withheld)
        if not shown:
            raise Forbidden("all of these columns are withheld", remedy="ask the owner of the dataset for a grant")
        sight, sql, _, _ = self._prepared(actor, dataset, Wanted(shown, wanted.where, wanted.order))
        veils = {} if sight.veil is None else {dataset: sight.veil}
        found = self._lake.query(f"{sql} LIMIT {limits.EXPORT_ROWS + 1:d}", veils=veils)
        if found.num_rows > limits.EXPORT_ROWS:
            raise TooLarge(f"these are more than {limits.EXPORT_ROWS} rows", remedy="narrow them by a condition")
        self._tell(actor, sight, None, list(shown))

        def pieces() -> Iterator[list[dict[str, object]]]:
            for start in range(0, found.num_rows, _CONTENT_ROWS):
                part = found.slice(start, _CONTENT_ROWS).to_pylist()
                yield [{name: _plain(value) for name, value in row.items()} for row in part]

        return pieces()

    def _prepared(self, actor: Actor, dataset: str, wanted: Wanted) -> tuple[Sight, str, str | None, list[str]]:
        """What the actor sees, the SELECT, its condition, and its columns."""
        sight = self._admitted(actor, dataset, "read")
        contract = self._dataset(dataset).contract
        known = [each.name for each in contract.stored]
        names = list(wanted.columns) or known
        order = (wanted.order or "").removeprefix("-")
        strange = [name for name in (*names, *([order] if order else []), *wanted.facets) if name not in known]
        if strange or len(set(names)) != len(names) or len(wanted.facets) > limits.FACETS:
            what = f"no column {strange[0]}" if strange else "each column once, and not so many facets"
            raise Invalid(f"{dataset} has {what}", remedy=f"columns: {', '.join(known)}")
        condition = compiled(wanted.where, contract) if wanted.where else None
        reads = {*(condition.reads if condition else ()), *([order] if order else []), *wanted.facets}
        hidden = sorted(reads - sight.whole) if sight.veil is not None else []
        if hidden:
            raise Forbidden(
                f"{hidden[0]} is withheld, so nothing is selected or ordered by it",
                remedy=f"ask its owner, {sight.owner}, for a grant",
            )
        listed = ", ".join(f'"{name}"' for name in names)
        where = f" WHERE {condition.sql}" if condition else ""
        by = f'"{order}" {"DESC" if (wanted.order or "").startswith("-") else "ASC"} NULLS LAST, ' if order else ""
        spec = self._lake.spec(dataset)
        sql = f'SELECT {listed} FROM {dataset}{where} ORDER BY {by}"{spec.time}" DESC, "_seq" DESC'  # noqa: S608
        return sight, sql, condition.sql if condition else None, names

    def _facet(self, dataset: str, name: str, where: str, veils: Mapping[str, Veil]) -> list[dict[str, object]]:
        sql = (
            f'SELECT "{name}" AS value, count(*) AS n FROM {dataset}{where} '  # noqa: S608  a column of the contract
            f'GROUP BY "{name}" ORDER BY n DESC, value LIMIT {limits.FACET_VALUES:d}'
        )
        rows = self._lake.query(sql, veils=veils).to_pylist()
        return [{"value": _plain(row["value"]), "n": row["n"]} for row in rows]

    def _columns(self, dataset: str, sight: Sight, names: Sequence[str]) -> list[dict[str, object]]:
        contract = self._dataset(dataset).contract
        fields = [contract.field(name) for name in names]
        return [
            {
                "name": each.name, "title": each.title or text(each.name, each.name), "unit": each.unit,
                "type": each.type, "labels": each.labels, "withheld": each.name in sight.withheld,
            }
            for each in fields
        ]  # fmt: skip

    def tell_once(self, actor: Actor, sight: Sight, names: Sequence[str] | None) -> None:
        """What is looked at page by page is told once in a while."""
        if not sight.restricted:
            return
        now, key = self._database.clock.now(), (actor.id, sight.dataset)
        with self._lock:
            last = self._told.get(key)
            if last is not None and timedelta(0) <= now - last < limits.READ_TOLD:
                return
            self._told = {one: at for one, at in self._told.items() if now - at < limits.READ_TOLD} | {key: now}
        self._tell(actor, sight, None, names)


class Through:
    """The lake as one reader sees it; for parts that ask it much."""

    def __init__(self, reading: Reading, lake: Lake, actor: Actor) -> None:
        self._reading, self._lake, self._actor = reading, lake, actor

    def spec(self, name: str) -> TableSpec:
        """The shape of a table."""
        return self._lake.spec(name)

    def query(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        at: datetime | None = None,
        time: tuple[datetime, datetime] | None = None,
    ) -> pa.Table:
        """Answer one SELECT (:meth:`Reading.query`)."""
        return self._reading.query(self._actor, sql, params, at=at, time=time)

    def withheld(self, name: str) -> frozenset[str]:
        """The columns of a dataset that the reader does not see."""
        return frozenset(self._reading.sight(self._actor, name).withheld)


def veiled(
    lake: Lake,
    dataset: str,
    veil: Veil | None,
    *,
    at: datetime | None = None,
    time: tuple[datetime, datetime] | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The rows of ``Lake.current`` as a veil shows them."""
    if veil is None or veil.plain:
        rows = lake.current(dataset, at=at, time=time, columns=columns)
        return rows if veil is None else veil.emptied(rows)
    names = columns if columns is not None else lake.current(dataset, at=at, time=(_DAWN, _DAWN)).column_names
    listed = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    return lake.query(f"SELECT {listed} FROM {dataset}", at=at, time=time, veils={dataset: veil})  # noqa: S608


_DAWN = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _plain(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and value != value else value
