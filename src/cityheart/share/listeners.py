"""The listeners of a city: which sources speak by themselves, and whether they can be heard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Problem
from cityheart.kernel.text import Text
from cityheart.share import store
from cityheart.share.connectors.base import ConnectorKind, Listener, ListenerKind, Listening, SourceFailed
from cityheart.share.models import Delivery, Landed, Source
from cityheart.share.unset import unset

__all__ = ["Listeners"]

SYSTEM = Actor.system("share")
_WHERE = ("port", "url", "url_env")  # the options of which one must be there for a source to be listened for

log = structlog.get_logger("share")


class Land(Protocol):
    """``Share.land``."""

    def __call__(self, source_id: str, deliveries: Sequence[Delivery]) -> list[Landed]: ...


class Listeners:
    """Starts and stops the listeners of a city, and knows why one does not hear anything. Safe for threads."""

    def __init__(
        self,
        database: Database,
        land: Land,
        kind: Callable[[str], ConnectorKind],
        home: Path | None,
        known: Callable[[str, str], frozenset[str]],
        settle: Callable[[Source], None],
    ) -> None:
        self._database = database
        self._land = land
        self._kind = kind
        self._home = home
        self._known = known
        self._settle = settle
        self._lock = threading.Lock()
        self._wanted: dict[str, Source] = {}
        self._running: dict[str, Listener] = {}
        self._reasons: dict[str, Text] = {}  # why a source cannot be heard now
        self._again: datetime | None = None

    def listen(self, sources: Iterable[Source]) -> None:
        """Listen for those of the sources whose kind listens and whose options say where; others stay as they are.

        An address that is taken is tried again with :meth:`keep`; the source's state says so meanwhile.
        """
        for source in sources:
            said = any(name in source.options for name in _WHERE) and not unset(source.options)
            if said and isinstance(self._kind(source.connector), ListenerKind):
                self._wanted[source.id] = source
        self._begin()

    def keep(self, now: datetime) -> None:
        """Try again what could not begin, now and then."""
        if self._again is not None and now >= self._again:
            self._begin()

    def _begin(self) -> None:
        with self._lock:
            self._again = None
            for id, source in self._wanted.items():
                if id in self._running:
                    continue
                kind = self._kind(source.connector)
                assert isinstance(kind, ListenerKind)
                try:
                    self._settle(source)
                    self._running[id] = kind.listen(self._listening(source))
                except SourceFailed as failed:
                    self._report(id, failed.message)
                    self._again = self._database.clock.now() + limits.LISTEN_AGAIN
                else:
                    log.info("listening", source=id, address=self._running[id].address)

    def stop(self, seconds: float = 10.0) -> None:
        """Stop all of them, at once beside each other; what had come is landed and answered."""
        with self._lock:
            self._wanted.clear()
            self._again = None
            running, self._running = self._running, {}
        threads = [
            threading.Thread(target=each.stop, args=(seconds,), name="stop listening") for each in running.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def figures(self) -> dict[str, Mapping[str, int | float]]:
        """The figures of every listener, by source."""
        return {id: each.figures() for id, each in sorted(self._running.items())}

    def addresses(self) -> dict[str, tuple[str, int] | None]:
        """Where every listener listens, by source."""
        return {id: each.address for id, each in sorted(self._running.items())}

    def reason(self, source: str) -> Text | None:
        """Why a source cannot be heard now, None when it can."""
        return self._reasons.get(source)

    def _listening(self, source: Source) -> Listening:
        return Listening(
            source=source.id,
            options=source.options,
            home=self._home or Path(),
            clock=self._database.clock,
            land=lambda deliveries: self._land(source.id, deliveries),
            report=lambda reason: self._report(source.id, reason),
            known=self._known,
        )

    def _report(self, id: str, reason: Text | None) -> None:
        """Note whether a source is heard: at once in memory, and on record when the store can be written."""
        if reason is None:
            self._reasons.pop(id, None)
        else:
            self._reasons[id] = reason
        try:
            with self._database.work(SYSTEM) as work:
                row = store.lock_source(work.conn, id)
                if reason is not None:
                    values = {"state": "failing", "reason": reason, "failures": row.failures + 1}
                    store.set_source(work.conn, id, values)
                    if row.state != "failing":
                        work.emit(f"source:{id}", "source.failing", {"source": id, "reason": reason})
                elif row.state == "failing":
                    state = "ok" if row.deliveries else "idle"
                    store.set_source(work.conn, id, {"state": state, "reason": None, "failures": 0})
                    work.emit(f"source:{id}", "source.recovered", {"source": id, "failures": row.failures})
        except (Problem, OSError) as error:
            log.warning("listener.unrecorded", source=id, reason=str(error)[:300])
