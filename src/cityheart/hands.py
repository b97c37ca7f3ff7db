"""What carries a city's orders: its store, tasks and plans, decisions, duty and the ways out, without the city's data.

A worker begins with this alone: it takes half as long to load, and what fell due while nobody worked is fired before the
rest is there. A whole city is built around it (:class:`cityheart.city.City`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from cityheart.command.decisions.service import Decisions
from cityheart.command.duty.service import Duty
from cityheart.command.service import Command
from cityheart.kernel import migrate
from cityheart.kernel.calendar import Calendar
from cityheart.kernel.clock import Clock, StoreClock, SystemClock, VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.deliveries.channel import open_channels
from cityheart.kernel.deliveries.relays import Relays
from cityheart.kernel.errors import Invalid
from cityheart.kernel.hooks import plugins
from cityheart.kernel.ids import Ids
from cityheart.kernel.outbox import Sending
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import Text
from cityheart.serve.service import Serve
from cityheart.share import departments, store

__all__ = ["Hands", "upgraded"]

LOOK_SECONDS = 1.0  # longest time between two looks for what is due

log = structlog.get_logger("cityheart")


class Hands:
    """The hands of a city on ``clock``.

    ``titles`` gives what departments are called, for letters; ``beside`` is what else is done at each look, e.g. long work.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.ids = Ids(clock, settings.seed)
        self.database = Database(settings.store_url, clock, self.ids)
        self.clock = self.database.clock  # on PostgreSQL a live city has the store's time
        self.schema = migrate.Schema(self.database)
        self.calendar = Calendar.load(settings.home)
        self.command = Command(self.database, settings.home / "files", calendar=self.calendar, zone=settings.zone)
        self.decisions = Decisions(self.database)
        self.command.register_decisions(self.decisions.table, self.decisions.resolve)
        self.serve = Serve(self.database, wall=self.clock if isinstance(self.clock, StoreClock) else None)
        self.duty = Duty(self.database, self.serve, self.calendar, ZoneInfo(settings.zone))
        self.serve.register_deputies(self.duty.standing_in)
        self.beside: list[Callable[[], None]] = []
        self.titles: Callable[[], Mapping[str, Text]] = dict
        self._relays: Relays | None = None

    @classmethod
    def open(cls, home: Path) -> Hands:
        """The hands of the city in ``home``, whose store is upgraded. Raises :class:`Invalid` for one that plays history."""
        settings = Settings.load(home)
        if settings.clock == "virtual":
            raise Invalid(f"the city in {home} plays history", remedy=f"start it with: cityheart run {home}")
        hands = cls(settings, SystemClock())
        try:
            upgraded(hands.database, home)
            with hands.database.read() as conn:
                known = store.departments(conn)
        except Exception:
            hands.close()
            raise
        titles = {each.code: each.title for each in known}
        hands.titles = lambda: titles
        hands.register_departments(titles, departments.below(known))
        return hands

    def close(self) -> None:
        """Close the store."""
        self.database.close()

    def register_departments(self, titles: Mapping[str, Text], below: Mapping[str, frozenset[str]]) -> None:
        """Make departments known, by code with their titles, and which stand below which."""
        self.serve.register_departments(below)
        self.duty.register_departments(titles, below)
        self.command.register_units(titles, below)

    @property
    def relays(self) -> Relays:
        """What carries messages out, by the drop folder, the inbox, and the channels that the settings name.

        Raises :class:`Invalid` naming the channel that is wrong. A city on a virtual clock plays history: its messages
        go no further than the drop folder and the inbox.
        """
        if self._relays is None:
            live = not isinstance(self.clock, VirtualClock)
            opened = open_channels(self.settings.channels, plugins().channels()) if live else []
            sending = Sending(
                self.settings.home, self.database, self.settings.name, self.settings.title,
                ZoneInfo(self.settings.zone), self.settings.url, self.duty.addresses, lambda: self.titles(),
            )  # fmt: skip
            self._relays = Relays(self.database, sending, [*plugins().deliveries(), *opened])
        return self._relays

    def work(self, stop: threading.Event) -> None:
        """Work beside others until ``stop``: fire what is due when it is due, carry messages out.

        Raises :class:`Outdated` when a newer program has upgraded the store, :class:`Invalid` for a wrong channel.
        """
        self.relays.start()
        try:
            while not stop.is_set():
                stop.wait(self.look())
        finally:
            self.relays.stop()

    def look(self) -> float:
        """Fire what is due; in how many seconds to look again. Raises :class:`Outdated`, no other failure."""
        try:
            self.schema.check()
            now = self.clock.now()
            fired = self.command.tick(now)
            due = self.command.next_due()
            for each in list(self.beside):
                each()
            if due is not None and (fired or due > now):  # what is overdue is in other hands
                return min(LOOK_SECONDS, max(0.0, (due - now).total_seconds()))
        except migrate.Outdated:
            raise
        except Exception:  # the store is away for a moment: what is due stays due
            log.exception("work.failed")
            self.schema.doubt()
        return LOOK_SECONDS


def upgraded(database: Database, home: Path) -> None:
    """Bring a city's store to the schema of this program.

    Raises :class:`Invalid` for an empty store beside a lake that holds data: the store was lost, or is another one. A city
    without people, orders and history would look as if nothing were wrong.
    """
    if migrate.empty(database) and next((home / "lake").glob("*/**/*.parquet"), None) is not None:
        raise Invalid(
            f"the operational store is empty, but the lake of the city in {home} holds data",
            remedy="put the store back from its backup, or mend database_url; to begin anew, make another city",
        )
    migrate.upgrade(database)
