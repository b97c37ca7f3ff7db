"""A city put together: the functions on one store, one lake and one clock, and the loop that drives them.

The loop is the same on the system's clock and on a virtual one: ask every part when it next has something to do, move
the clock there, let each part do it. See docs/adr/0005.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from cityheart.account.service import Account
from cityheart.account.supply import Supplier
from cityheart.account.taking import Taking
from cityheart.command.handover.service import Handover
from cityheart.command.intake.service import Intake
from cityheart.command.knowledge.models import Described
from cityheart.command.knowledge.service import Knowledge
from cityheart.command.knowledge.views import described
from cityheart.command.library.service import Library
from cityheart.command.models import Incident
from cityheart.command.store import units_in
from cityheart.engine.compaction import Compactor
from cityheart.engine.lake import Lake
from cityheart.entities.previewing import Previews
from cityheart.entities.service import Entities
from cityheart.hands import Hands, upgraded
from cityheart.kernel import duration, events
from cityheart.kernel.access import can
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock, StoreClock, SystemClock, VirtualClock
from cityheart.kernel.deliveries.relays import Relays
from cityheart.kernel.errors import Invalid, NotFound
from cityheart.kernel.hooks import plugins
from cityheart.kernel.jobs.service import Jobs
from cityheart.kernel.outbox import forget
from cityheart.kernel.secret import city_key
from cityheart.kernel.settings import FILE, Settings
from cityheart.kernel.text import Text
from cityheart.sdk.application import App, load
from cityheart.sdk.pages import Pages
from cityheart.sdk.showing import Parts
from cityheart.serve.inbox.service import Inbox
from cityheart.serve.models import Account as User
from cityheart.share import departments
from cityheart.share.grants.models import Person
from cityheart.share.models import Delivery, Landed, Source
from cityheart.share.service import Share
from cityheart.watch.service import Watch
from cityheart.watch.tracks.service import Tracks
from cityheart.watch.trials.service import Trials

__all__ = ["City", "Participant", "applications", "available_apps"]

SYSTEM = Actor.system("city")

log = structlog.get_logger("cityheart")


class Participant(Protocol):
    """Somebody who acts in the city on a schedule of their own, such as simulated staff."""

    def next_due(self) -> datetime | None:
        """When this participant next acts."""
        ...

    def act(self, now: datetime) -> None:
        """Do what is due at ``now``."""
        ...


def available_apps() -> dict[str, App]:
    """Every application that is installed for all cities, by id: those that plug-ins bring."""
    loaded = [load(folder) for folder in plugins().apps()]
    return {app.id: app for app in loaded}


def applications(settings: Settings) -> list[App]:
    """The applications of a city: those its settings name, then those in its ``apps`` folder.

    Raises :class:`NotFound` for one that is nowhere, :class:`Invalid` for one that is wrong or lies in a folder of another name.
    """
    named = {folder.name: folder for folder in plugins().apps()}  # nearly always called as the application
    wanted = [load(named[app_id]) for app_id in settings.apps if app_id in named]
    available = {app.id: app for app in wanted}
    if not available.keys() >= set(settings.apps):
        available |= available_apps()
    chosen: dict[str, App] = {}
    for app_id in settings.apps:
        own = settings.home / "apps" / app_id
        if app_id not in available and not (own / "manifest.toml").is_file():
            known = ", ".join(sorted(available))
            raise NotFound(
                f"there is no application {app_id}", remedy=f"installed are: {known}; one's own lies in {own}"
            )
        if app_id in available:
            chosen[app_id] = available[app_id]
    for manifest in sorted((settings.home / "apps").glob("*/manifest.toml")):
        app, folder = load(manifest.parent), manifest.parent
        if app.id != folder.name:
            mend = f"rename the folder: mv {folder} {folder.with_name(app.id)}"
            raise Invalid(f"the application in {folder} is called {app.id}", remedy=mend)
        chosen[app.id] = app
    return list(chosen.values())


def _holder(account: User) -> Person:
    """Somebody to whom something may be granted."""
    return Person(account.id, account.username, account.name, account.department, account.blocked_at is not None)


def _as_here(apps: Sequence[App], differences: Mapping[str, Mapping[str, object]]) -> list[App]:
    """The applications with their sources as the city's settings have them. Raises :class:`Invalid` for a source of none."""
    known = {source.id for app in apps for source in app.sources}
    for id in differences:
        if id not in known:
            raise Invalid(
                f'settings: sources: no application has the source "{id}"',
                remedy=f"there are: {', '.join(sorted(known)) or 'none'}",
            )
    return [
        replace(app, sources=tuple(_here(source, differences.get(source.id, {})) for source in app.sources))
        for app in apps
    ]


def _here(source: Source, differences: Mapping[str, object]) -> Source:
    options = {**source.options, **differences}
    schedule = options.pop("schedule", source.schedule) if "schedule" in differences else source.schedule
    return replace(source, options=options, schedule=None if schedule is None else str(schedule))


class City:
    """A running city. ``clock`` is its time; sessions of people live on the machine's own."""

    def __init__(self, settings: Settings, clock: Clock, hands: Hands | None = None) -> None:
        self.settings = settings
        self.hands = hands = hands or Hands(settings, clock)
        self.ids, self.database, self.clock, self.schema = hands.ids, hands.database, hands.clock, hands.schema
        self.calendar, self.command, self.decisions = hands.calendar, hands.command, hands.decisions
        self.serve, self.duty = hands.serve, hands.duty
        self.jobs = Jobs(
            self.database, settings.home / "jobs", self.clock if isinstance(self.clock, StoreClock) else None
        )
        self.lake = Lake(settings.home / "lake")
        self.compactor = Compactor(self.lake)
        self.share = Share(self.database, self.lake, home=settings.home, zone=settings.zone)
        self.entities = Entities(
            self.database, self.lake, self.share, key=self._key, zone=settings.zone, home=settings.home,
            city=settings.title["zh-CN"],
        )  # fmt: skip
        self.jobs.register_people(self._as_now)
        self.previews = Previews(
            self.database, self.jobs, lambda: self.entities.resolving, self.entities.readable
        )  # fmt: skip
        self.watch = Watch(self.database, self.lake, self.share, zone=settings.zone, folder=settings.home)
        self.trials = Trials(self.database, self.watch, self.jobs, ZoneInfo(settings.zone))
        self.tracks = Tracks(self.lake, self.share)
        self.intake = Intake(
            self.database,
            self.command,
            settings.home,
            bounds=settings.bounds,
            zone=settings.zone,
            triage=self._triage,
            key=self._key,
        )
        self.library = Library(self.database, self.command, self.share.department_titles, self.decisions)
        self.knowledge = Knowledge(
            self.database,
            self.command,
            key=self._key,
            zone=settings.zone,
            decisions=self.decisions,
        )
        self.knowledge.register_describer(self._described)
        self.knowledge.register_describer(self.intake.told)
        self.account = Account(
            self.database,
            zone=settings.zone,
            folder=settings.home / "cache",
            calendar=self.calendar,
        )
        self.taking = Taking(self.database, self.jobs, self.account.unit_title)
        self.account.register_steps(lambda run, step: self.command.plan_of(run).step(step).title)
        self.account.register_suppliers(self._suppliers)
        self.inbox = Inbox(self.database)
        self.handover = Handover(self.database, self.duty, self.command, self.watch, self.share)
        self.watch.rates.register_operators(self._operators)
        self.watch.register_handlers(self._handlers)
        self.apps: list[App] = []
        self.participants: list[Participant] = []
        self.playing: dict[str, object] | None = None
        self._beat = threading.Lock()
        self._looked = -1  # how many events there were at the last look
        self._timer: datetime | None = None
        self._watched: datetime | None = None
        hands.titles = self.share.department_titles
        hands.beside.append(self.jobs.tick)

    # ── making and opening ──────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def create(cls, settings: Settings, clock: Clock, files: Mapping[str, Path] | None = None) -> City:
        """Make a city in ``settings.home``, with copies of ``files`` under their names.

        Raises :class:`Invalid` when the folder holds a city already.

        When it cannot be made, nothing is left of it in the folder.
        """
        home = settings.home
        if (home / FILE).exists():
            raise Invalid(f"{home} is a city already", remedy=f"start it with: cityheart run {home}")
        there = home.exists()
        if there and not home.is_dir():
            raise Invalid(f"{home} is not a folder", remedy="name an empty or a new folder")
        if there and any(home.iterdir()):
            raise Invalid(f"{home} is not empty", remedy="name an empty or a new folder")
        home.mkdir(parents=True, exist_ok=True)
        try:
            settings.save()
            for name, file in (files or {}).items():
                shutil.copyfile(file, home / name)
            city = cls.open(home, clock)
            city.share.grants.take_proposals()  # the default policy of a new city; owners revoke what they will
            return city
        except Exception:
            shutil.rmtree(home, ignore_errors=True)
            if there:
                home.mkdir(exist_ok=True)
            raise

    @classmethod
    def open(cls, home: Path, clock: Clock | None = None, hands: Hands | None = None) -> City:
        """Open the city in ``home``, around its ``hands`` if they are open; its store is upgraded, its applications installed.

        A city that was played on a virtual clock goes on from its last event unless it is given a ``clock``.
        """
        settings = Settings.load(home)
        city = cls(settings, clock or SystemClock(), hands)
        try:
            if hands is None:
                upgraded(city.database, home)
            if clock is None and settings.clock == "virtual":
                city = city._at_its_last_moment()
            city.install()
        except Exception:
            city.close()
            raise
        return city

    @classmethod
    def look(cls, home: Path) -> City:
        """The city in ``home`` as it stands, to be read only: nothing is upgraded, installed or written."""
        settings = Settings.load(home)
        city = cls(settings, SystemClock())
        return city._at_its_last_moment() if settings.clock == "virtual" else city

    def _at_its_last_moment(self) -> City:
        """This city on a clock that stands at its last event."""
        moment = self.last_moment()
        self.close()
        return type(self)(self.settings, VirtualClock(moment))

    def install(self, apps: Sequence[App] | None = None) -> None:
        """Register what applications declare, by default the city's own. Raises as :func:`applications` does."""
        self.apps = _as_here(applications(self.settings) if apps is None else apps, self.settings.sources)
        for app in self.apps:
            self.share.register(app.departments, app.datasets, app.sources)
        listed = self.settings.home / departments.FILE
        if listed.is_file():
            self.share.register(departments.read(listed), (), ())
        titles, below = self.share.department_titles(), self.share.departments_below()
        self.hands.register_departments(titles, below)
        self.share.grants.register_people(
            lambda username: _holder(self.serve.person(username)),
            lambda ids: {id: _holder(account) for id, account in self.serve.people(ids).items()},
        )
        self.handover.register_departments(titles, below)
        self.intake.register_units(titles)
        for app in self.apps:
            self.watch.follow(app.tracks, self.settings.home)
            self.tracks.register(app.tracks)
            if app.entities is not None:
                self.entities.register(app.entities)
            self.watch.register(app.detectors, app.alert_kinds)
            for decision in app.decisions:
                self.decisions.publish(SYSTEM, decision)
            for plan in app.plans:
                self.command.publish(SYSTEM, plan)
        self.share.grants.propose(proposal for app in self.apps for proposal in app.grants)
        self.trials.register(
            {detector.id: {"id": app.id, "title": app.title} for app in self.apps for detector in app.detectors},
            {detector: said for app in self.apps for detector, said in app.meanings.items()},
        )
        self.knowledge.register_units(titles)
        for app in self.apps:
            self.knowledge.register_clauses(SYSTEM, f"app:{app.id}", app.clauses)
        self.account.register_units(titles)
        self.watch.follow_incidents()
        parts = Parts(self.database, self.share, self.entities, self.watch, self.command)
        self.pages = Pages(self.lake, self.apps, self.clock, parts, zone=self.settings.zone, home=self.settings.home)

    def _key(self) -> bytes:
        return city_key(self.settings.home, self.settings.seed)

    def _as_now(self, id: str) -> Actor | None:
        """A person with what that person may do at present; without any role when the account is blocked."""
        account = self.serve.people([id]).get(id)
        if account is None:
            return None
        return self.serve.acting(account) if account.blocked_at is None else replace(account.actor(), roles=frozenset())

    def _described(self, incident: Incident) -> Described | None:
        """What the alert of an incident says of it."""
        if incident.alert_id is None:
            return None
        try:
            return described(self.watch.alert(SYSTEM, incident.alert_id))
        except NotFound:
            return None

    def _triage(self, name: str, inputs: Mapping[str, object], at: datetime) -> tuple[str, Mapping[str, object]] | None:
        """What the decision table ``name`` in force says, with its digest; ``None`` where the city has none."""
        decision = self.decisions.find(name, at)
        return None if decision is None else (decision.digest, decision.decide(inputs).outputs)

    def _handlers(self, incident_id: str) -> set[str]:
        """The departments that have work in an incident."""
        with self.database.read() as conn:
            return units_in(conn, incident_id)

    def _operators(self, at: datetime) -> int:
        """How many of those on duty take alerts; by today's rosters."""
        units = [str(row["unit"]) for row in self.duty.now(SYSTEM)]
        on_duty = {row.person for unit in units for row in self.duty.on_duty(unit, at)}
        return sum(can(person.actor(), "alert.acknowledge") for person in self.serve.people(on_duty).values())

    def _suppliers(self) -> list[Supplier]:
        """The sources of the applications: whose they are, and how often something new is promised."""
        cycles = {dataset.name: dataset.update_cycle for app in self.apps for dataset in app.datasets}
        return [
            Supplier(
                source.id,
                source.department,
                cycles.get(source.dataset) or (duration.parse(source.schedule) if source.schedule else None),
            )
            for app in self.apps
            for source in app.sources
        ]

    def last_moment(self) -> datetime:
        """The time of the newest event, or the present for a city in which nothing has happened."""
        with self.database.read() as conn:
            return events.latest(conn) or SystemClock().now()

    def close(self) -> None:
        """Close the store."""
        self.jobs.close()
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
        self._looked = -1  # what landed since may have left findings, which wait without an event
        while (moment := self._next_due()) is not None and moment <= until:
            clock.advance_to(moment)
            self._act(clock.now())
        clock.advance_to(until)

    def beat(self) -> None:
        """One turn on the system's clock: pull what is due, detect, act."""
        with self._beat:
            self.schema.check()
            now = self.clock.now()
            self.share.tick(now)
            self.share.arrived.clear()
            self._act(now, everything=True)
            self.watch.follow_incidents()
            self.share.grants.tick(now)
            self.intake.tick(now)
            self.knowledge.ready()
            self._send()
            self.entities.follow()

    def glance(self) -> bool:
        """Between two turns: when something has landed, let the detectors look at it; whether it had."""
        if not self.share.arrived.is_set():
            return False
        with self._beat:
            self.share.arrived.clear()
            self.schema.check()
            now = self.clock.now()
            self.watch.detect(now)
            self.watch.apply(now)
        return True

    def _next_due(self) -> datetime | None:
        if self._looked != self.database.appended:
            # timers, silence and intentions change only when something happens, and nothing happens without an event
            self._looked = self.database.appended
            self._timer = self.command.next_due()
            self._watched = self.watch.next_due()
        moments = [self._watched, self._timer, *(p.next_due() for p in self.participants)]
        return min((moment for moment in moments if moment is not None), default=None)

    def _act(self, now: datetime, *, everything: bool = False) -> None:
        """Let each part do what is due; ``everything`` asks also those that have said they have nothing to do."""
        merged = 0
        if everything or (self._watched is not None and self._watched <= now):
            self._looked = -1
            self.watch.detect(now)
            merged = self.watch.apply(now)
        if everything or merged or (self._timer is not None and self._timer <= now):
            self.command.tick(now)
            self._looked = -1  # also when nothing happened: a run that cannot be carried on is not waited for
        for participant in self.participants:
            participant.act(now)

    def housekeeping(self) -> None:
        """What is done now and then: messages leave and old ones are dropped, closed incidents become cases, the log is sealed.

        The lake is compacted in its own thread.
        """
        self._send()
        while forget(self.database):
            pass
        self.share.grants.tick(self.clock.now())
        self.intake.tick(self.clock.now())
        self.knowledge.follow()
        self.entities.carry_out()
        self.entities.follow()
        with self.database.work(SYSTEM) as work:
            events.seal(work)

    def _send(self) -> None:
        if not self.relays.running:
            self.relays.carry()

    @property
    def relays(self) -> Relays:
        """What carries messages out. Raises :class:`Invalid` naming the channel that is wrong."""
        return self.hands.relays

    def work(self, stop: threading.Event) -> None:
        """Work beside others until ``stop``, see :meth:`Hands.work`."""
        self.hands.work(stop)

    # ── what the console asks of the city as a whole ────────────────────────────────────────────────────────────

    def clock_frame(self) -> dict[str, object]:
        """The city's time, and whether its clock moves: a virtual one does while history is played."""
        return {"now": self.clock.now(), "playing": self._moving()}

    def _moving(self) -> bool:
        return not isinstance(self.clock, VirtualClock) or bool(self.playing and self.playing.get("playing"))

    def about(self) -> dict[str, object]:
        """The city as ``GET /api/city`` shows it."""
        playing = self.playing or {}
        clock = {
            "kind": "virtual" if isinstance(self.clock, VirtualClock) else "system",
            "speed": playing.get("speed", 1),
            "playing": self._moving(),
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
            "simulated": bool(self.participants) or "notice" in playing,
            "notice": playing.get("notice") or next(iter(notices), None),
            "bounds": list(self.settings.bounds),
            "apps": [{"id": app.id, "title": app.title} for app in self.apps],
        }
