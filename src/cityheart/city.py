"""A city put together: the functions on one store, one lake and one clock, and the loop that drives them.

The loop is the same on the system's clock and on a virtual one: ask every part when it next has something to do, move
the clock there, let each part do it. See docs/adr/0005.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cityheart.account.service import Account
from cityheart.command.service import Command
from cityheart.engine.compaction import Compactor
from cityheart.engine.lake import Lake
from cityheart.kernel import events, migrate
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock, SystemClock, VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, NotFound
from cityheart.kernel.hooks import plugins
from cityheart.kernel.ids import Ids
from cityheart.kernel.outbox import relay
from cityheart.kernel.settings import FILE, Settings
from cityheart.kernel.text import Text
from cityheart.sdk.application import App, load
from cityheart.sdk.pages import Pages
from cityheart.serve.service import Serve
from cityheart.share.models import Delivery, Landed
from cityheart.share.service import Share
from cityheart.watch.service import Watch

__all__ = ["City", "Participant", "available_apps"]

SYSTEM = Actor.system("city")
SEAL_EVERY = timedelta(days=1)


class Participant(Protocol):
    """Somebody who acts in the city on a schedule of their own, such as simulated staff."""

    def next_due(self) -> datetime | None:
        """When this participant next acts."""
        ...

    def act(self, now: datetime) -> None:
        """Do what is due at ``now``."""
        ...


def available_apps(home: Path | None = None) -> dict[str, App]:
    """Every application that is installed, by id: those of plug-ins and, with ``home``, those in its ``apps`` folder."""
    folders = list(plugins().apps())
    if home is not None:
        folders += sorted(path.parent for path in (home / "apps").glob("*/manifest.toml"))
    loaded = [load(folder) for folder in folders]
    return {app.id: app for app in loaded}


class City:
    """A running city. ``clock`` is its time; sessions of people live on the machine's own."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.ids = Ids(clock, settings.seed)
        self.database = Database(settings.store_url, clock, self.ids)
        self.lake = Lake(settings.home / "lake")
        self.compactor = Compactor(self.lake)
        self.share = Share(self.database, self.lake, home=settings.home)
        self.watch = Watch(self.database, self.lake, self.share, zone=settings.zone)
        self.command = Command(self.database, settings.home / "files")
        self.account = Account(self.database)
        self.serve = Serve(self.database)
        self.apps: list[App] = []
        self.participants: list[Participant] = []
        self.playing: dict[str, object] | None = None
        self._beat = threading.Lock()
        self._looked = -1  # how many events there were at the last look
        self._timer: datetime | None = None
        self._relays = plugins().deliveries()

    # ── making and opening ──────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def create(cls, settings: Settings, clock: Clock) -> City:
        """Make a city in ``settings.home``. Raises :class:`Invalid` when the folder holds one already."""
        home = settings.home
        if (home / FILE).exists():
            raise Invalid(f"{home} is a city already", remedy=f"start it with: cityheart run {home}")
        if home.exists() and any(home.iterdir()):
            raise Invalid(f"{home} is not empty", remedy="name an empty or a new folder")
        home.mkdir(parents=True, exist_ok=True)
        settings.save()
        return cls.open(home, clock)

    @classmethod
    def open(cls, home: Path, clock: Clock | None = None) -> City:
        """Open the city in ``home``; its store is upgraded, its applications installed.

        A city that was played on a virtual clock goes on from its last event unless it is given a ``clock``.
        """
        settings = Settings.load(home)
        city = cls(settings, clock or SystemClock())
        migrate.upgrade(city.database)
        if clock is None and settings.clock == "virtual":
            city = cls(settings, VirtualClock(city.last_moment()))
        city.install()
        return city

    def install(self) -> None:
        """Register what the city's applications declare. Raises :class:`NotFound` for an unknown application."""
        available = available_apps(self.settings.home)
        wanted = dict.fromkeys([*self.settings.apps, *_local(self.settings.home)])
        for app_id in wanted:
            if app_id not in available:
                known = ", ".join(sorted(available))
                raise NotFound(f"there is no application {app_id}", remedy=f"installed are: {known}")
        self.apps = [available[app_id] for app_id in wanted]
        for app in self.apps:
            self.share.register(app.departments, app.datasets, app.sources)
        titles = self.share.department_titles()
        self.command.register_units(titles)
        for app in self.apps:
            self.watch.register(app.detectors, app.alert_kinds)
            for plan in app.plans:
                self.command.publish(SYSTEM, plan)
        self.account.register_units(titles)
        self.watch.follow_incidents()
        self.pages = Pages(self.lake, self.apps, self.clock)

    def last_moment(self) -> datetime:
        """The time of the newest event, or the present for a city in which nothing has happened."""
        with self.database.read() as conn:
            return events.latest(conn) or SystemClock().now()

    def close(self) -> None:
        """Close the store."""
        self.database.close()

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, source: str, deliveries: Sequence[Delivery]) -> list[Landed]:
        """Land what a source hands over and let the detectors look at it; returns after it is durable."""
        landed = self.share.land(source, deliveries)
        self.watch.detect(max(delivery.received_at for delivery in deliveries))
        return landed

    def advance(self, until: datetime) -> None:
        """Live through everything that is due up to ``until``, in the order of time (virtual clock only)."""
        clock = self.clock
        assert isinstance(clock, VirtualClock), "a system clock moves by itself"
        while (moment := self._next_due()) is not None and moment <= until:
            clock.advance_to(moment)
            self._act(clock.now())
        clock.advance_to(until)

    def beat(self) -> None:
        """One turn on the system's clock: pull what is due, detect, act."""
        with self._beat:
            now = self.clock.now()
            self.share.tick(now)
            self._act(now, everything=True)
            self.watch.follow_incidents()

    def _next_due(self) -> datetime | None:
        if self._looked != self.database.appended:
            # timers and intentions change only when something happens, and nothing happens without an event
            self._looked = self.database.appended
            self._timer = self.command.next_due()
        moments = [self.watch.next_due(), self._timer, *(p.next_due() for p in self.participants)]
        return min((moment for moment in moments if moment is not None), default=None)

    def _act(self, now: datetime, *, everything: bool = False) -> None:
        """Let each part do what is due; ``everything`` asks also those that have said they have nothing to do."""
        watched = self.watch.next_due()
        merged = 0
        if everything or (watched is not None and watched <= now):
            self.watch.detect(now)
            merged = self.watch.apply(now)
        if everything or merged or (self._timer is not None and self._timer <= now):
            self.command.tick(now)
        for participant in self.participants:
            participant.act(now)

    def housekeeping(self) -> None:
        """What is done now and then: messages leave, the log is sealed. The lake is compacted in its own thread."""
        for delivery in self._relays:
            while relay(self.database, self.settings.home, delivery):
                pass
        with self.database.work(SYSTEM) as work:
            events.seal(work)

    # ── what the console asks of the city as a whole ────────────────────────────────────────────────────────────

    def clock_frame(self) -> dict[str, object]:
        """The city's time, and whether history is being played."""
        return {"now": self.clock.now(), "playing": bool(self.playing and self.playing.get("playing"))}

    def about(self) -> dict[str, object]:
        """The city as ``GET /api/city`` shows it."""
        playing = self.playing or {}
        clock = {
            "kind": "virtual" if isinstance(self.clock, VirtualClock) else "system",
            "speed": playing.get("speed", 1),
            "playing": bool(playing.get("playing", False)),
            "from": playing.get("from"),
            "to": playing.get("to"),
        }
        notices: Iterable[Text] = (app.notice for app in self.apps if app.notice and self.participants)
        return {
            "name": self.settings.name,
            "title": self.settings.title,
            "zone": self.settings.zone,
            "now": self.clock.now(),
            "clock": clock,
            "simulated": bool(self.participants),
            "notice": next(iter(notices), None),
            "bounds": list(self.settings.bounds),
            "apps": [{"id": app.id, "title": app.title} for app in self.apps],
        }


def _local(home: Path) -> list[str]:
    return [path.parent.name for path in sorted((home / "apps").glob("*/manifest.toml"))]
