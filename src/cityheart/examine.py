"""Looking a city over: what is wrong with it (doctor), whether its books are true (verify), what a rule would have done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from cityheart import console
from cityheart.account import report as account_report
from cityheart.account.page import page
from cityheart.city import City, applications
from cityheart.engine.lake import TableSpec
from cityheart.kernel import events, limits, migrate, outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import SystemClock
from cityheart.kernel.database import Database
from cityheart.kernel.deliveries.channel import open_channels
from cityheart.kernel.errors import Invalid, Problem
from cityheart.kernel.hooks import plugins
from cityheart.kernel.ids import Ids
from cityheart.kernel.settings import Settings
from cityheart.watch import surveys
from cityheart.watch.models import QueryDetector, Survey
from cityheart.watch.runs import attempt
from cityheart.watch.surveys import Ground

__all__ = ["Finding", "Proof", "doctor", "of_source", "parameters", "show_backtest", "show_scores", "verify"]

SYSTEM = Actor.system("examine")
LEAST_FREE = 2 * 2**30  # bytes of disk below which a city is warned
HANGING = timedelta(minutes=5)  # what should have left or fired so long ago hangs
TINY = 200 * 2**20  # bytes below which it must not go on


@dataclass(frozen=True)
class Finding:
    """One thing the doctor looked at."""

    state: Literal["ok", "warning", "bad"]
    what: str
    finding: str
    remedy: str = ""


@dataclass(frozen=True)
class Proof:
    """One promise, how many things were recomputed for it, and where it does not hold."""

    what: str
    looked_at: int
    broken: list[str] = field(default_factory=list)


# ── doctor ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def doctor(home: Path) -> list[Finding]:
    """Everything that can be seen from outside and inside, worst first. Changes nothing in the city.

    What applications declare is tried in an empty city of its own, which is thrown away, and the SQL of their query
    detectors is asked once of the city's lake. Raises :class:`NotFound` when there is no city in ``home``.
    """
    try:
        settings = Settings.load(home)
    except Invalid as problem:
        return [_bad("settings", problem)]
    found = [Finding("ok", "settings", f"{settings.name}, {settings.zone}"), _disk(home), _console()]
    found += _channels(settings)
    store = _store(settings)
    found.append(store)
    if not (home / "lake").is_dir():
        found.append(Finding("bad", "lake", "its folder is missing", "restore the lake's folder from the last backup"))
    elif store.state == "ok":
        found += _inside(home)
    order = {"bad": 0, "warning": 1, "ok": 2}
    return sorted(found, key=lambda one: order[one.state])


def _bad(what: str, problem: Problem) -> Finding:
    return Finding("bad", what, problem.detail, problem.remedy or "")


def _disk(home: Path) -> Finding:
    free = shutil.disk_usage(home).free
    state: Literal["ok", "warning", "bad"] = "ok" if free > LEAST_FREE else "warning" if free > TINY else "bad"
    return Finding(state, "disk", f"{free / 2**30:.1f} GiB free", "" if state == "ok" else "make room on this disk")


def _console() -> Finding:
    if (Path(console.__file__).parent / "static" / "index.html").is_file():
        return Finding("ok", "console", "built")
    return Finding("bad", "console", "not built", "run: make setup")


def _store(settings: Settings) -> Finding:
    clock = SystemClock()
    if not settings.database_url and not (settings.home / "city.sqlite").is_file():
        return Finding("bad", "store", "city.sqlite is missing", "restore the last backup of the store")
    try:
        database = Database(settings.store_url, clock, Ids(clock))
        try:
            behind = migrate.pending(database)
            different = [] if behind else migrate.differences(database)
        finally:
            database.close()
    except Problem as problem:
        return _bad("store", problem)
    if behind:
        return Finding(
            "warning", "store", f"{len(behind)} migration(s) have not run", "they run when the city is started"
        )
    if different:
        return Finding(
            "bad", "store", f"{len(different)} table(s) differ from the code", "restore the last backup of the store"
        )
    return Finding("ok", "store", "answers, schema is the newest")


def _inside(home: Path) -> list[Finding]:
    city = City.look(home)
    try:
        lake = _lake(city)
        found = [_people(city), lake, *_hanging(city), *(of_source(source) for source in city.share.sources(SYSTEM))]
        if lake.state == "ok":
            found += _applications(city)
    finally:
        city.close()
    return found


def _channels(settings: Settings) -> list[Finding]:
    if not settings.channels:
        return []
    if settings.clock == "virtual":
        return [Finding("ok", "channels", "a city that plays history sends nothing outside")]
    try:
        opened = open_channels(settings.channels, plugins().channels())
    except Invalid as problem:
        return [_bad("channels", problem)]
    return [Finding("ok", "channels", ", ".join(way.name for way in opened))]


def _hanging(city: City) -> list[Finding]:
    """What should have happened by now: messages that did not leave, timers that did not fire."""
    now, found = city.clock.now(), []
    with city.database.read() as conn:
        hanging = outbox.hanging(conn)
    for one in hanging:
        what = f"outbox {one.channel}".strip()
        since = "" if one.oldest is None else f", the oldest for {_span(now - one.oldest)}"
        if one.given_up:
            told = f"{one.given_up} message(s) given up, {one.waiting} waiting{since}"
            found.append(
                Finding("bad", what, told, "see why under /api/outbox?state=given_up, mend it, send them again")
            )
        elif one.oldest is not None and now - one.oldest > HANGING:
            told = f"{one.waiting} message(s) waiting{since}"
            found.append(Finding("warning", what, told, "is the city running? does the receiver answer?"))
    if not found:
        found.append(Finding("ok", "outbox", f"{sum(one.waiting for one in hanging)} message(s) on their way"))
    count, oldest = city.command.overdue(now - HANGING)
    if count and oldest is not None:
        told = f"{count} timer(s) overdue, the oldest for {_span(now - oldest)}"
        found.append(
            Finding("bad", "timers", told, "start the city; when it runs, look for worker.run_left in its log")
        )
    else:
        found.append(Finding("ok", "timers", "nothing is overdue"))
    return found


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _applications(city: City) -> list[Finding]:
    """What the city's applications declare, tried in an empty city, and how their detectors are."""
    with TemporaryDirectory(prefix="cityheart-doctor-") as folder:
        settings = Settings(home=Path(folder), name=city.settings.name, zone=city.settings.zone)
        trial = City(settings, city.clock)
        try:
            apps = applications(city.settings)
            migrate.upgrade(trial.database)
            for table in city.lake.tables():
                trial.lake.ensure(_declared(city.lake.spec(table)))
            trial.install(apps)
            for app in apps:
                city.watch.declare(app.detectors, app.alert_kinds)
            named = ", ".join(f"{app.id} {app.version}" for app in apps) or "none"
            failures = _attempts(city, trial)
        except Problem as problem:
            return [_bad("applications", problem)]
        finally:
            trial.close()
    detectors = city.watch.detectors(SYSTEM)
    return [
        Finding("ok", "applications", named),
        *(_detector({**one, "failure": failures.get(str(one["id"])) or one["failure"]}) for one in detectors),
    ]


def _declared(spec: TableSpec) -> TableSpec:
    """A table without the lake's own columns."""
    return replace(spec, schema=pa.schema([field for field in spec.schema if not field.name.startswith("_")]))


def _attempts(city: City, trial: City) -> dict[str, str]:
    """Why query detectors and surveys cannot be asked, by id; asked of the city's lake, or of empty tables when it lacks some."""
    there = set(city.lake.tables())
    whole = {
        name for name in there if set(trial.lake.spec(name).schema.names) <= set(city.lake.spec(name).schema.names)
    }
    found = {}
    for detector in (detector for app in trial.apps for detector in app.detectors):
        if isinstance(detector, (QueryDetector, Survey)):
            lake = city.lake if whole.issuperset(detector.inputs) else trial.lake
            try:
                if isinstance(detector, QueryDetector):
                    attempt(lake, detector, city.clock.now())
                else:
                    surveys.attempt(
                        detector, Ground(lake, ZoneInfo(city.settings.zone), city.settings.home), city.clock.now()
                    )
            except Exception as error:  # whatever is wrong with it is what the doctor is asked for
                found[detector.id] = f"{type(error).__name__}: {error}"[: limits.DETECTOR_FAILURE_CHARS]
    return found


def _people(city: City) -> Finding:
    if city.serve.empty():
        return Finding(
            "warning", "people", "nobody can sign in", "add somebody with: cityheart users add DIR NAME --role admin"
        )
    return Finding("ok", "people", f"{len(city.serve.accounts(SYSTEM))} accounts")


def _lake(city: City) -> Finding:
    try:
        tables = city.lake.tables()
        for table in tables:
            city.lake.version(table)
    except Exception as error:  # whatever is wrong with a file of the lake is what the doctor is asked for
        return Finding(
            "bad", "lake", f"{type(error).__name__}: {error}"[:300], "restore the lake's folder from the last backup"
        )
    return Finding("ok", "lake", f"{len(tables)} tables")


def of_source(source: Mapping[str, Any]) -> Finding:
    """What the doctor says of a source as sharing tells of it."""
    state = source["state"]
    reason = (source.get("reason") or {}).get("en", "")
    if state == "idle":  # nobody has connected it yet: no fault, but something to do
        return Finding("ok", f"source {source['id']}", "idle", reason)
    finding = f"{state}: {reason}" if reason else str(state)
    if state in ("failing", "refused"):
        return Finding("bad", f"source {source['id']}", finding, "open the source in the console to see the delivery")
    if state == "late":
        return Finding("warning", f"source {source['id']}", finding, "ask the department that runs it")
    return Finding("ok", f"source {source['id']}", finding)


def _detector(detector: Mapping[str, Any]) -> Finding:
    failure = detector.get("failure")
    if failure:
        return Finding(
            "bad", f"detector {detector['id']}", str(failure), "mend the application; it goes on where it stopped"
        )
    return Finding("ok", f"detector {detector['id']}", "watching")


# ── verify ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def verify(city: City) -> list[Proof]:
    """Recompute every promise of the books: chain, custody and scores, and that each landed row is in the lake once."""
    with city.database.read() as conn:
        breaks = events.verify(conn)
        count = events.last(conn)
    chain = Proof("the event log is what was written", count, [f"{b.stream} #{b.n}: {b.what}" for b in breaks])
    custody = Proof("custody adds up to the elapsed time, scores follow from events", count, city.account.verify())
    landed = city.share.landed_rows()
    broken = []
    for dataset, ledger in landed.items():
        held = city.lake.query(f"SELECT count(*) AS n FROM {dataset}__versions")["n"][0].as_py()  # noqa: S608  (a table of ours)
        if held != ledger:
            broken.append(f"{dataset}: {ledger:,} rows were acknowledged, the lake holds {held:,}")
    return [chain, custody, Proof("every acknowledged row is in the lake once", sum(landed.values()), broken)]


# ── backtests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def parameters(pairs: Sequence[str]) -> dict[str, object]:
    """``NAME=VALUE`` pairs as parameters; values as JSON, else as text. Raises :class:`Invalid` without ``=``."""
    found: dict[str, object] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise Invalid(f"{pair!r} is not NAME=VALUE", remedy="e.g. --set heavy=200")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def show_backtest(screen: Console, told: Mapping[str, Any], zone: str) -> None:
    """A backtest for people, times of the city."""
    local = ZoneInfo(zone)

    def at(moment: datetime | None) -> str:
        return moment.astimezone(local).strftime("%Y-%m-%d %H:%M") if moment else ""

    names = {1: "red", 2: "orange", 3: "yellow", 4: "blue"}
    table = Table(
        "subject",
        "raised",
        "ended",
        "levels",
        title=f"{told['detector']}: what it would have raised",
        title_justify="left",
    )
    for alert in told["alerts"]:
        levels = " → ".join(
            f"{names[change['level']]} {at(change['at'])}" for change in alert["levels"] if change["level"]
        )
        table.add_row(alert["subject"]["name"]["en"], at(alert["raised_at"]), at(alert["ended_at"]) or "stands", levels)
    screen.print(table)
    asked = f", asked {told['runs']:,} times" if told["runs"] else ""
    screen.print(
        f"{len(told['alerts'])} alerts over {told['alerted_days']} days ({told['alerted_hours']:.0f} hours), "
        f"from {told['rows']:,} rows as they were known{asked}.",
        highlight=False,
    )


# ── scores ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def show_scores(
    screen: Console,
    city: City,
    since: datetime | None,
    until: datetime | None,
    html: Path | None,
    language: str,
    formula: str | None,
) -> None:
    """Scores of a period for people, and the whole report as a page when ``html`` names a file."""
    if language not in ("zh-CN", "en"):
        raise Invalid(f"there is no language {language}", remedy="zh-CN or en")
    until = until or city.clock.now()
    since = since or city.account.first() or until - timedelta(days=30)
    found = city.account.scores(since, until, formula)
    table = Table("department", "score", "rank", "tasks", "on time", "rework", "charged", title_justify="left")
    table.title = (
        f"{found.formula.title['en']} ({found.formula.id} {found.formula.version}), out of {found.formula.out_of:g}"
    )
    for each in found.departments:
        on_time, rework = each.rates["on_time"], each.rates["rework"]
        table.add_row(
            city.account.unit_title(each.department)["en"],
            "" if each.score is None else f"{each.score:.2f}",
            str(each.rank or ""),
            f"{each.n:,}",
            f"{on_time.num:,}/{on_time.den:,}",
            f"{rework.num:,}/{rework.den:,}",
            f"{each.custody_seconds / 3600:,.1f} h",
        )
    screen.print(table)
    if html is not None:
        told = account_report.report(city.account, SYSTEM, since, until, formula)
        html.parent.mkdir(parents=True, exist_ok=True)
        chosen: Literal["zh-CN", "en"] = "en" if language == "en" else "zh-CN"
        html.write_text(page(told, city.settings.title, city.account.zone, chosen), "utf-8")
        screen.print(f"The report is in {html}.", highlight=False)
