"""The demonstration: real history through a whole city, with simulated staff, with or without a console."""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cityheart.city import City, available_apps
from cityheart.command.duty.models import CENTRE
from cityheart.command.intake.filing import Filing
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock, stopwatch
from cityheart.kernel.errors import Invalid
from cityheart.kernel.hooks import plugins
from cityheart.kernel.settings import FILE, Settings
from cityheart.kernel.text import Text, text
from cityheart.report import write_report
from cityheart.sdk import App, Feed, load
from cityheart.simulation.hotline import tell
from cityheart.simulation.office import Office
from cityheart.simulation.play import at_pace, in_bulk
from cityheart.simulation.staff import Staff

__all__ = ["ZONE", "Options", "clerks", "first_password", "officers", "people", "rosters", "run"]

ZONE = "Asia/Shanghai"
BULK = timedelta(days=7)
HOUR = timedelta(hours=1)
CALLED_EVENTS = 16  # of the synthetic hotline
PATIENCE_SECONDS = 20  # of the visitor: so long an alert waits before the simulated duty officer takes it


@dataclass(frozen=True)
class Options:
    """What to show. ``live`` is the moment from which the console plays at ``speed``; ``None`` without a console."""

    application: str
    headless: bool
    report: Path | None
    since: datetime | None
    until: datetime | None
    live: datetime | None
    speed: float
    seed: int
    into: Path | None
    port: int


def run(screen: Console, options: Options) -> None:
    """Show it. Raises :class:`Invalid` for an application without history or a span that holds none."""
    app = _application(options.application)
    feed = app.feed
    assert feed is not None
    since = max(options.since or feed.since, feed.since)
    until = min(options.until or feed.until, feed.until)
    if since >= until:
        span = f"{feed.since.date()} to {feed.until.date()}"
        raise Invalid("there is nothing to play between --from and --to", remedy=f"the history reaches from {span}")
    if options.report is not None:
        _place_for(options.report)
    home = options.into or Path(tempfile.mkdtemp(prefix="cityheart-demo-")) / "city"
    try:
        begun = since
        city, since = _city(home, options, since)
        until = max(since, until)
        try:
            if options.headless:
                _headless(screen, city, feed, options, begun, since, until)
            else:
                _with_console(screen, city, feed, options, since, until)
        finally:
            city.close()
    finally:
        if options.into is None:
            shutil.rmtree(home.parent, ignore_errors=True)


def _place_for(report: Path) -> None:
    """Make the report's folder before anything is played for it. Raises :class:`Invalid` when nothing can be written there."""
    if report.is_dir():
        raise Invalid(f"{report} is a folder", remedy=f"name a file: --report {report / 'r.json'}")
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(f"no report can be written to {report}: {error.strerror}", remedy="name another file") from None


def _application(name: str) -> App:
    folders = {folder.name: folder for folder in plugins().apps()}
    app = load(folders[name]) if name in folders else None  # nearly always called as the application
    if app is None or app.id != name or app.feed is None:
        playable = {app.id: app for app in available_apps().values() if app.feed is not None}
        if name not in playable:
            there = ", ".join([*sorted(playable), "nantong"])
            raise Invalid(f"there is no demonstration {name}", remedy=f"there is: {there}")
        return playable[name]
    return app


def _city(home: Path, options: Options, since: datetime) -> tuple[City, datetime]:
    """The city to play in, new or gone on with, and from when to play."""
    if (home / FILE).exists():
        settings = Settings.load(home)
        if settings.clock != "virtual" or options.application not in settings.apps:
            raise Invalid(
                f"{home} is not a demonstration of {options.application}", remedy="name another folder with --into"
            )
        city = City.open(home)
        since = max(since, city.clock.now())
    else:
        settings = Settings(
            home=home,
            name=f"demo-{options.application}",
            title=text("北京（历史重放）", "Beijing (history replayed)"),
            zone=ZONE,
            apps=(options.application,),
            seed=options.seed,
            clock="virtual",
        )
        city = City.create(settings, VirtualClock(since))
    city.participants.append(Staff(Office(city.database, city.watch, city.command), seed=options.seed, zone=ZONE))
    return city, since


# ── without a console ──────────────────────────────────────────────────────────────────────────────────────────────


def _headless(
    screen: Console, city: City, feed: Feed, options: Options, begun: datetime, since: datetime, until: datetime
) -> None:
    """Play from ``since``, where an earlier play ended; the report is about all since ``begun``."""
    started = stopwatch()
    _bulk(screen, city, feed, since, until)
    seconds = stopwatch() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = write_report(city, options.report, since=begun, until=until, seconds=seconds, memory=memory)
    figures = told["figures"]
    assert isinstance(figures, dict)
    screen.print(
        f"{figures['rows']:,} rows in {seconds:.1f} s, {memory:.0f} MiB at most; "
        f"{len(_list(told['alerts']))} alerts, {len(_list(told['runs']))} runs",
        highlight=False,
    )
    if options.report is not None:
        screen.print(f"The report is in {options.report}", highlight=False)


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _bulk(screen: Console, city: City, feed: Feed, since: datetime, until: datetime) -> None:
    days = max(1, (until - since).days)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=screen,
    ) as bars:
        first, last = (moment.astimezone(ZoneInfo(ZONE)).date() for moment in (since, until))
        bar = bars.add_task(f"playing {first} → {last}", total=days)

        def progress(now: datetime) -> None:
            bars.update(bar, completed=min(days, (now - since).days))

        in_bulk(city, feed.source, feed.deliveries(since, until, BULK), until, progress)
        bars.update(bar, completed=days)


# ── with the console ───────────────────────────────────────────────────────────────────────────────────────────────


def _with_console(screen: Console, city: City, feed: Feed, options: Options, since: datetime, until: datetime) -> None:
    from cityheart.web import server

    password = first_password()
    people(city, password)
    rosters(city)
    live = min(max(options.live or since, since), until)
    city.playing = {"playing": True, "speed": options.speed, "from": since, "to": until}

    def drive(stop: threading.Event) -> None:
        if live > since:
            _bulk(screen, city, feed, since, live)
            _calls(city, options.seed)
            screen.print(
                f"History now plays hour by hour, {options.speed:,.0f} city seconds a second.", highlight=False
            )
        for participant in city.participants:
            if isinstance(participant, Staff):
                participant.patience = timedelta(seconds=PATIENCE_SECONDS * options.speed)
        hours = feed.deliveries(live, until, HOUR)
        at_pace(city, speed=options.speed, source=feed.source, groups=hours, until=until)(stop)

    def ready(address: str) -> None:
        screen.print(f"\nThe console is at [bold]{address}[/]  (Ctrl-C ends the demonstration)", highlight=False)
        clerks = ", ".join(sorted(city.share.department_titles()))
        screen.print(
            "Sign in as [bold]officer[/], coordinator, operator, inspector, steward, mayor or admin,", highlight=False
        )
        screen.print(f"or as a department's clerk: {clerks}", highlight=False)
        screen.print(f"Password of all: [bold]{password}[/]", highlight=False)
        screen.print(
            f"An alert waits {PATIENCE_SECONDS} seconds for you, then simulated staff takes it.\n", highlight=False
        )

    server.Running(city, drive, host="127.0.0.1", port=options.port, ready=ready).run()


def first_password() -> str:
    """The password of everybody in a demonstration: the one that the environment names, else one that is made up."""
    return os.environ.get("CITYHEART_DEMO_PASSWORD") or secrets.token_urlsafe(9)


def people(city: City, password: str) -> None:
    """Accounts for the roles and for a clerk of every department, all with this password."""
    officers(city, password)
    clerks(city, password)


def officers(city: City, password: str) -> None:
    """Accounts for the roles that belong to no department."""
    _accounts(city, password, [
        ("officer", text("值班长", "Duty officer"), None, "duty_officer"),
        ("coordinator", text("协调员", "Coordinator"), None, "coordinator"),
        ("operator", text("热线话务员", "Hotline operator"), None, "operator"),
        ("inspector", text("督查员", "Inspector"), None, "inspector"),
        ("steward", text("数据管家", "Data steward"), None, "steward"),
        ("mayor", text("市领导", "Mayor"), None, "mayor"),
        ("admin", text("管理员", "Administrator"), None, "admin"),
    ])  # fmt: skip


def clerks(city: City, password: str) -> None:
    """An account for a clerk of every department, named by its code; a fifth of a second each."""
    titles = sorted(city.share.department_titles().items())
    _accounts(city, password, [(code, title, code, "clerk") for code, title in titles])


def _accounts(city: City, password: str, everybody: Sequence[tuple[str, Text, str | None, str]]) -> None:
    actor = Actor.system("demo")
    known = {account.username for account in city.serve.accounts(actor)}
    for username, name, department, role in everybody:
        if username in known:
            city.serve.set_password(actor, username, password)
        else:
            city.serve.create(actor, username, password, name=name, department=department, roles=[role])


def rosters(city: City) -> None:
    """Everybody's clerk is on duty round the clock: one account a department is all a demonstration has.

    The command centre has two shifts of twelve hours, each with both of its people, so that either can hand over.
    """
    actor = Actor.system("demo")
    first = city.clock.now().astimezone(ZoneInfo(ZONE)).date()
    if not city.duty.on_duty(CENTRE):
        for name, title, starts, ends in (
            ("day", text("白班", "Day shift"), "08:00", "20:00"),
            ("night", text("夜班", "Night shift"), "20:00", "08:00"),
        ):
            city.duty.set_shift(actor, f"demo-roster-{CENTRE}-{name}", {
                "unit": CENTRE, "title": title, "starts": starts, "ends": ends,
                "people": ["officer", "coordinator"], "valid_from": first.isoformat(),
            })  # fmt: skip
    for unit in sorted(city.share.department_titles()):
        if city.duty.on_duty(unit):
            continue
        city.duty.set_shift(actor, f"demo-roster-{unit}", {
            "unit": unit, "title": text("全天值班", "Round the clock"), "starts": "00:00", "ends": "00:00",
            "people": [unit], "valid_from": first.isoformat(),
        })  # fmt: skip


def _calls(city: City, seed: int) -> None:
    """A day of a hotline that never was, told in the source of every report: nobody's real words are at hand."""
    now = city.clock.now()
    west, south, east, north = city.settings.bounds
    middle = ((3 * west + east) / 4, (3 * south + north) / 4, (west + 3 * east) / 4, (south + 3 * north) / 4)
    told = tell("development", seed=seed, events=CALLED_EVENTS, start=now - timedelta(days=1), days=1, bounds=middle)
    for one in told:
        if one.at <= now:
            city.intake.take(Actor.system("demo"), Filing(
                "synthetic-hotline", one.id, one.text, one.at, one.category, one.address, one.lon, one.lat,
            ))  # fmt: skip
