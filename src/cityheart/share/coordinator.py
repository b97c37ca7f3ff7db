"""Asking sources: when, how often, and what is kept in mind about those that do not answer.

All of it lives once, for every kind of connector: polling by schedule with a little jitter so that a hundred sources
do not ask in the same second, exponential back-off after failures, a circuit that after several failures in a row
tries only once an hour, and a state with a reason and the next try, which survives a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from cityheart.kernel import duration, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Invalid, Problem, Unavailable
from cityheart.kernel.hooks import plugins
from cityheart.kernel.text import Text, text
from cityheart.share import store
from cityheart.share.connectors.base import ConnectorKind, DropFolder, Pull, SourceFailed
from cityheart.share.models import Delivery, Landed, Source
from cityheart.share.unset import unset

__all__ = ["Coordinator"]

SYSTEM = Actor.system("share")

_log = structlog.get_logger("share")


class Land(Protocol):
    """``Share.land``."""

    def __call__(
        self, source_id: str, deliveries: Sequence[Delivery], *, cursor: Mapping[str, object] | None = None
    ) -> list[Landed]: ...


class Coordinator:
    """Asks the sources of one city when they are due; relative paths in their options are below ``home``."""

    def __init__(
        self, database: Database, land: Land, kinds: Iterable[ConnectorKind] | None, home: Path | None
    ) -> None:
        self._database = database
        self._home = home
        self._land = land
        self._given = kinds
        self._kinds: dict[str, ConnectorKind] | None = None
        self._scheduled: dict[str, Source] = {}
        self._due: dict[str, datetime] = {}

    def kind(self, name: str) -> ConnectorKind:
        """A kind of connector. Raises Invalid with the names there are."""
        if self._kinds is None:
            kinds = self._given if self._given is not None else plugins().connectors()
            self._kinds = {each.name: each for each in kinds}
        if name not in self._kinds:
            raise Invalid(
                f"no kind of connector is called {name!r}", remedy=f"there are: {', '.join(sorted(self._kinds))}"
            )
        return self._kinds[name]

    def title(self, name: str) -> Text:
        """What a kind of connector is called; its name when it is not installed here."""
        try:
            return self.kind(name).title
        except Invalid:
            return text(name, name)

    def make_folder(self, source: Source) -> None:
        """Make the drop folder of a source when it is to lie in the city's; what hinders it shows at the first visit."""
        kind = self.kind(source.connector)
        if self._home is not None and isinstance(kind, DropFolder):
            folder = kind.folder(source.options, self._home).resolve()
            if folder.is_relative_to(self._home.resolve()):
                with suppress(OSError):
                    folder.mkdir(parents=True, exist_ok=True)

    def schedule(self, sources: Iterable[Source]) -> None:
        """Know the sources that are asked by the clock; a new one is due at once, others when they were before.

        One that nobody has given an address is not asked.
        """
        self._scheduled = {each.id: each for each in sources if each.schedule is not None and not unset(each.options)}
        with self._database.read() as conn:
            rows = store.source_rows(conn, ids=list(self._scheduled)) if self._scheduled else []
        now = self._database.clock.now()
        self._due = {row.source.id: row.next_try_at or now for row in rows}

    def next_due(self) -> datetime | None:
        """When the next source is due."""
        return min(self._due.values(), default=None)

    def tick(self, now: datetime) -> int:
        """Ask what is due, by time and id; returns how many sources were asked."""
        due = sorted((moment, id) for id, moment in self._due.items() if moment <= now)
        for _, id in due:
            try:
                self.pull(self._scheduled[id])
            except Problem as problem:
                _log.warning("source did not answer", source=id, reason=str(problem))
        return len(due)

    def pull(self, source: Source) -> list[Landed]:
        """Ask one source. Raises Unavailable when it fails; then its state, reason and next try are on record.

        Raises Conflict for a source that nobody has given an address.
        """
        kind = self.kind(source.connector)
        if missing := unset(source.options):
            raise Conflict(
                f"source {source.id} is not connected: its {', '.join(missing)} leads nowhere yet",
                remedy=f'give it under [sources."{source.id}"] in cityheart.toml',
            )
        with self._database.read() as conn:
            cursor = store.cursor_of(conn, source.id)
        pull = Pull(
            source.id, source.options, cursor, self._database.clock.now(), self._known(source.id), self._home or Path()
        )
        landed: list[Landed] = []
        try:
            for count, pulled in enumerate(kind.pull(pull), start=1):
                landed += self._land(source.id, [pulled.delivery] if pulled.delivery else [], cursor=pulled.cursor)
                if count >= limits.PULL_DELIVERIES:
                    break
        except SourceFailed as failed:
            if failed.retry_after is not None and landed:  # it answered, and asked for a pause before the rest
                self._answered(source, landed, failed.retry_after)
                return landed
            self._failed(source, failed.message, failed.retry_after)
            detail = text(
                f"数据源 {source.id}：{failed.message['zh-CN']}", f"source {source.id}: {failed.message['en']}"
            )
            raise Unavailable(detail, remedy="its page says when it is tried again") from failed
        except Unavailable as problem:  # what came cannot be kept now: it is asked for again
            reason = text(f"暂时无法入库：{problem.said('zh-CN')[0]}", f"nothing can be landed now: {problem.detail}")
            self._failed(source, reason, None)
            raise
        except Problem:
            raise
        except Exception as error:  # a plug-in may fail in any way; the city goes on
            shown = f"{type(error).__name__}: {error}"[:300]
            self._failed(source, text(f"连接器出错：{shown}", f"the connector failed: {shown}"), None)
            raise Unavailable(f"source {source.id}: {shown}", remedy="its page says when it is tried again") from error
        self._answered(source, landed)
        return landed

    def _known(self, source: str) -> Callable[[Sequence[str]], set[tuple[str, str]]]:
        def known(names: Sequence[str]) -> set[tuple[str, str]]:
            with self._database.read() as conn:
                return store.delivered_stamps(conn, source, names)

        return known

    def _answered(self, source: Source, landed: Sequence[Landed], pause: timedelta | None = None) -> None:
        now = self._database.clock.now()
        following = self._following(source, now)
        if pause is not None and following is not None:
            following = min(following, now + self._wait(0, pause))
        with self._database.work(SYSTEM) as work:
            row = store.lock_source(work.conn, source.id)
            values: dict[str, object] = {"failures": 0, "next_try_at": following}
            if row.state in ("failing", "idle") or (row.state == "refused" and landed):
                refused = next((each.refused for each in landed if each.refused), None)
                answered = "ok" if landed or row.deliveries else "idle"  # there, but with nothing to say so far
                values |= {"state": "refused" if refused else answered, "reason": refused}
            if row.state == "failing":
                work.emit(f"source:{source.id}", "source.recovered", {"source": source.id, "failures": row.failures})
            store.set_source(work.conn, source.id, values)
        if following is not None:
            self._due[source.id] = following

    def _failed(self, source: Source, reason: Text, retry_after: timedelta | None) -> None:
        now = self._database.clock.now()
        with self._database.work(SYSTEM) as work:
            row = store.lock_source(work.conn, source.id)
            failures = row.failures + 1
            wait = self._wait(failures, retry_after)
            values = {"state": "failing", "reason": reason, "failures": failures, "next_try_at": now + wait}
            store.set_source(work.conn, source.id, values)
            if row.state != "failing":
                work.emit(f"source:{source.id}", "source.failing", {"source": source.id, "reason": reason})
        if source.id in self._scheduled:
            self._due[source.id] = now + wait

    def _wait(self, failures: int, retry_after: timedelta | None) -> timedelta:
        """Doubling from ``RETRY_FIRST`` with up to a fifth of jitter; an hour with the circuit open."""
        if retry_after is not None:
            return min(max(retry_after, timedelta(seconds=1)), limits.RETRY_AFTER_LONGEST)
        if failures >= limits.CIRCUIT_FAILURES:
            wait = limits.RETRY_LONGEST
        else:
            wait = min(limits.RETRY_FIRST * 2 ** (failures - 1), limits.RETRY_LONGEST)
        return wait * (1 + 0.2 * self._database.ids.rng.random())

    def _following(self, source: Source, now: datetime) -> datetime | None:
        if source.schedule is None:
            return None
        every = duration.parse(source.schedule)
        jitter = min(every * 0.05, timedelta(seconds=30)) * self._database.ids.rng.random()
        return now + every + jitter
