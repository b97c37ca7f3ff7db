"""The command line: make a city, run it, look after it, play history through it."""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from cityheart import __version__
from cityheart.kernel.disk import of_disk
from cityheart.kernel.errors import Invalid, Problem

if TYPE_CHECKING:
    from cityheart.city import City
    from cityheart.hands import Hands

__all__ = ["app", "main"]

app = typer.Typer(
    name="cityheart",
    help="CityHeart 城心, the city operating system.\n\nStart with: cityheart demo air",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
users = typer.Typer(help="The people who may sign in.", no_args_is_help=True)
app.add_typer(users, name="users")
reports = typer.Typer(help="What residents report, and the programs that hand reports over.", no_args_is_help=True)
app.add_typer(reports, name="reports")
plans = typer.Typer(help="Plans and decision tables as files.", no_args_is_help=True)
app.add_typer(plans, name="plans")

subjects = typer.Typer(help="Subjects under rules that changed.", no_args_is_help=True)
app.add_typer(subjects, name="subjects")

screen = Console()
complaints = Console(stderr=True)

Username = Annotated[str, typer.Argument(metavar="NAME", help="the name the person signs in with")]
AskPassword = Annotated[
    bool, typer.Option("--ask-password", help="ask for a password instead of giving a one-time code")
]
Home = Annotated[Path, typer.Argument(metavar="DIR", help="the city's folder")]
PLAYED_FROM, PLAYED_LIVE, PLAYED_TO = "2015-11-15", "2016-12-16T12:00", "2017-03-01"


def main() -> None:
    """The entry point: a refusal is a message and what to do, never a traceback."""
    try:
        app()
    except Problem as problem:
        _complain(problem.detail, problem.remedy)
    except OSError as error:
        if error.filename is None:  # not about a file that somebody named
            if (full := of_disk(error)) is None:
                raise
            _complain(full.detail, full.remedy)
        _complain(f"{error.filename}: {error.strerror}", "is it there, is it yours, is there room?")


def _complain(detail: str, remedy: str | None) -> NoReturn:
    complaints.print(f"cityheart: {detail}", markup=False, highlight=False, soft_wrap=True)
    if remedy:
        complaints.print(f"  → {remedy}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)


def _version(value: bool) -> None:
    if value:
        screen.print(f"cityheart {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """CityHeart 城心, the city operating system."""


def _day(value: str | None, zone: str, name: str) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{name} {value}: that is not a date", remedy="write it like 2015-11-25") from None


# ── making and running ─────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def init(
    home: Home,
    like: Annotated[
        str | None, typer.Option(help="a city to begin with, e.g. nantong, or one application, e.g. air")
    ] = None,
    name: Annotated[str | None, typer.Option(help="short name of the city; by default that of --like")] = None,
    database: Annotated[str, typer.Option(help="SQLAlchemy URL of the operational store; empty: SQLite in DIR")] = "",
    zone: Annotated[str | None, typer.Option(help="time zone of the city; by default Asia/Shanghai")] = None,
) -> None:
    """Make a city in DIR: its store, its lake, and an administrator who can sign in.

    --like nantong makes a whole prefecture with its departments, areas and every system they have; --like air installs
    one application. Put applications of your own into DIR/apps (see docs/tutorial).
    """
    from cityheart.city import City, available_apps
    from cityheart.kernel.actors import Actor
    from cityheart.kernel.clock import SystemClock
    from cityheart.kernel.hooks import plugins
    from cityheart.kernel.settings import Settings
    from cityheart.kernel.text import text
    from cityheart.sdk.template import read_templates

    templates = read_templates(plugins().cities())
    template = templates.get(like or "")
    chosen: dict[str, object] = dict(template.settings) if template else {}
    if like is not None and template is None:
        installed = available_apps()
        if like not in installed:
            there = ", ".join(sorted({*installed, *templates}))
            raise Invalid(f"there is no city and no application {like}", remedy=f"there are: {there}")
        chosen["apps"] = (like,)
    chosen |= {"name": name or (template.name if template else "city"), "database_url": database}
    if zone is not None:
        chosen["zone"] = zone
    settings = Settings.checked(home=home, **chosen)
    city = City.create(settings, SystemClock(), template.files if template else {})
    password = secrets.token_urlsafe(12)
    city.serve.create(
        Actor.system("init"), "admin", password, name=text("管理员", "Administrator"), department=None, roles=["admin"]
    )
    city.close()
    screen.print(f"A city was made in {home}.", highlight=False)
    screen.print(f"Sign in as [bold]admin[/] with the password [bold]{password}[/] (shown once).", highlight=False)
    screen.print(f"Start it with: cityheart run {home}", highlight=False)


@app.command()
def run(
    home: Home,
    host: Annotated[str | None, typer.Option(help="address to listen on; by default the city's setting")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="port to listen on; 0 picks a free one")] = None,
) -> None:
    """Run the city in DIR: pull its sources, watch, carry orders, serve the console. Stop it with Ctrl-C."""
    from cityheart.simulation.play import at_pace
    from cityheart.web import server

    with _opened(home) as city:
        server.Running(
            city,
            server.beat(city) if city.settings.clock == "system" else at_pace(city, speed=1.0),
            host=host or city.settings.host,
            port=city.settings.port if port is None else port,
            ready=lambda address: screen.print(f"CityHeart listens on {address} (Ctrl-C stops it)", highlight=False),
        ).run()


@app.command()
def work(home: Home) -> None:
    """Work for the city in DIR beside its other processes: fire what is due, carry messages out. Stop it with Ctrl-C.

    Any number may work at once, on PostgreSQL also on other machines that share the city's folder. `cityheart run` works
    too: this is for more hands, or for going on while the console is down.
    """
    import signal

    from cityheart.hands import Hands

    hands = Hands.open(home)
    stop = threading.Event()
    for end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(end, lambda *_: stop.set())
    rest = _Rest(home, hands, stop)
    screen.print(f"working for the city in {home} (Ctrl-C stops it)", highlight=False)
    try:
        hands.look()
        rest.start()
        hands.work(stop)
    finally:
        rest.end()


@app.command()
def demo(
    application: Annotated[str, typer.Argument(metavar="[air|nantong]", help="which city to show")] = "air",
    headless: Annotated[bool, typer.Option("--headless", help="no console: play, report, end")] = False,
    report: Annotated[Path | None, typer.Option(help="write what happened to this JSON file")] = None,
    since: Annotated[str | None, typer.Option("--from", help="first day to play, e.g. 2015-11-25")] = None,
    until: Annotated[str | None, typer.Option("--to", help="day at whose start the play ends")] = None,
    live: Annotated[str | None, typer.Option(help="day from which the console shows history at --speed")] = None,
    speed: Annotated[
        float | None, typer.Option(min=1, max=1e6, help="city seconds a second once the play is live; 600, nantong 60")
    ] = None,
    seed: Annotated[int, typer.Option(help="seed of ids and of the simulated staff")] = 1,
    into: Annotated[
        Path | None, typer.Option(help="keep the city in this folder; there it goes on when started again")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the console; 0 picks a free one")] = 8460,
) -> None:
    """Play a whole city on a fast clock: real history of Beijing's air, or a simulated prefecture of 62 departments.

    air, with a console: two Beijing winters in bulk up to --live, then hour by hour, so that you can step in.
    With --headless: everything from --from to --to, then a report. The same seed gives the same report.
    nantong: two days in bulk, then live with databases, interfaces, a broker and devices; --headless: all in bulk.
    """
    if application == "nantong":
        from cityheart import playing

        if since or until or live:
            raise Invalid("the simulated prefecture has days of its own", remedy="leave out --from, --to and --live")
        playing.demonstrate(
            screen, seed=seed, speed=speed or 60, into=into, port=port, headless=headless, report=report
        )
        return
    from cityheart import demo as show

    show.run(
        screen,
        show.Options(
            application=application,
            headless=headless,
            report=report,
            since=_day(since or (None if headless else PLAYED_FROM), show.ZONE, "--from"),
            until=_day(until or (None if headless else PLAYED_TO), show.ZONE, "--to"),
            live=None if headless else _day(live or PLAYED_LIVE, show.ZONE, "--live"),
            speed=speed or 600,
            seed=seed,
            into=into,
            port=port,
        ),
    )


@app.command()
def play(
    folder: Annotated[Path, typer.Argument(metavar="CITY", help="folder of a test city, whoever wrote it")],
    into: Annotated[
        Path | None, typer.Option(help="keep the city in this folder; there it goes on when started again")
    ] = None,
    bulk: Annotated[bool, typer.Option("--bulk", help="as fast as the city takes the data; the default")] = False,
    speed: Annotated[
        float | None, typer.Option(min=0.1, max=1e5, help="live, at so many city seconds a second, with the console")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="live without the console")] = False,
    until: Annotated[str | None, typer.Option(help="city time at which the play ends, e.g. 2026-03-25T06:00")] = None,
    window: Annotated[str, typer.Option(help="city time that is taken in at once in bulk")] = "PT10M",
    findings: Annotated[Path | None, typer.Option(help="write what was found to this file, as JSON lines")] = None,
    report: Annotated[Path | None, typer.Option(help="write counts and figures to this JSON file")] = None,
    score: Annotated[
        bool, typer.Option("--score", help="play nothing: compare --findings with what was planted in CITY")
    ] = False,
    own: Annotated[
        list[Path] | None, typer.Option("--app", help="install the application in this folder too; repeatable")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the console; 0 picks a free one")] = 8460,
) -> None:
    """Play a test city: its systems hand out again what they once handed out, and the city lives through it.

    In bulk nothing is served: rows go through the same decoders as fast as they are taken. With --speed the systems come
    up as what they are (databases, folders, HTTP servers, an MQTT broker, devices on TCP) and the console shows it.
    """
    from cityheart import playing
    from cityheart.kernel import duration

    if bulk and speed is not None:
        raise Invalid("--bulk and --speed exclude each other", remedy="give one of them")
    if score:
        if findings is None:
            raise Invalid("--score compares findings", remedy="name their file with --findings")
        playing.scored(screen, folder, findings, report)
        return
    playing.run(
        screen,
        playing.Options(
            folder=folder,
            into=into,
            speed=speed,
            until=until,
            window=duration.parse(window),
            findings=findings,
            report=report,
            apps=tuple(own or ()),
            port=port,
            headless=headless,
        ),
    )


class _Rest(threading.Thread):
    """Loads the rest of a worker's city while its hands are at work; what is wrong with it ends the work."""

    def __init__(self, home: Path, hands: Hands, stop: threading.Event) -> None:
        super().__init__(name="the-rest", daemon=True)
        self._home, self._hands, self._stop_all = home, hands, stop
        self._city: City | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Load it."""
        from cityheart.city import City

        try:
            self._city = City.open(self._home, hands=self._hands)
        except Exception as error:
            self._error = error
            self._stop_all.set()

    def end(self) -> None:
        """Close what is open. Raises what was wrong."""
        if self.ident is not None:
            self.join()
        (self._city or self._hands).close()
        if self._error is not None:
            raise self._error


# ── looking after a city ───────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _opened(home: Path) -> Iterator[City]:
    from cityheart.city import City

    city = City.open(home)
    try:
        yield city
    finally:
        city.close()


@app.command()
def doctor(home: Home) -> None:
    """Look for what is wrong with the city in DIR, and say what to do about it. Ends with 1 when something is."""
    from rich.markup import escape

    from cityheart import examine

    found = examine.doctor(home)
    table = Table("", "what", "finding", "what to do", title=f"city in {home}", title_justify="left")
    for column in table.columns:
        column.overflow = "fold"  # ids are copied from here
    for one in found:
        mark = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "bad": "[red]bad[/]"}[one.state]
        table.add_row(mark, escape(one.what), escape(one.finding), escape(one.remedy))
    screen.print(table)
    if any(one.state == "bad" for one in found):
        raise typer.Exit(1)


@app.command()
def verify(home: Home) -> None:
    """Prove that the books of the city in DIR are true: the event chain, custody, scores, and the lake's rows.

    Ends with 1 when anything does not add up.
    """
    from cityheart import examine

    with _opened(home) as city, screen.status("recomputing…"):
        proofs = examine.verify(city)
    for proof in proofs:
        mark = "[green]holds[/]" if not proof.broken else "[red]broken[/]"
        screen.print(f"{mark}  {proof.what} ({proof.looked_at:,} looked at)", highlight=False)
        for line in proof.broken[:20]:
            screen.print(f"   {line}", markup=False, highlight=False)
    if any(proof.broken for proof in proofs):
        raise typer.Exit(1)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder of the test city; must not be there or be empty")],
    seed: Annotated[int, typer.Option(min=0, help="another seed, another city; the same seed, the same bytes")] = 1,
    firms: Annotated[int, typer.Option(min=20, max=3_000, help="firms that deal with hazardous chemicals")] = 120,
    days: Annotated[int, typer.Option(min=1, max=120, help="days of sensors and tracks")] = 21,
    vehicles: Annotated[int, typer.Option(min=12, max=5_000, help="vehicles for hazardous goods")] = 60,
    start: Annotated[str, typer.Option(help="first day; the areas change on 2020-07-06")] = "2020-06-20",
) -> None:
    """Write a test city: a simulated prefecture's systems with all their faults, and the truth of what was planted.

    Everything in it is synthetic. Play it with: cityheart play OUT
    """
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    from cityheart.simulation.world.write import write

    zone = "Asia/Shanghai"
    first = _day(start, zone, "--start")
    assert first is not None
    begin = first.astimezone(ZoneInfo(zone)).date()
    with Progress(TextColumn("{task.description}"), TimeElapsedColumn(), console=screen, transient=True) as shown:
        task = shown.add_task("the city")

        def tell(stage: str, done: int, whole: int) -> None:
            shown.update(task, description=stage if whole <= 1 else f"{stage}: day {done + 1} of {whole}")

        written = write(out, seed=seed, firms=firms, days=days, vehicles=vehicles, start=begin, progress=tell)
    screen.print(f"{out}: {sum(written.rows.values()):,} rows, messages and packets", highlight=False)
    for kind, count in written.cases.items():
        screen.print(f"  {kind:22} {count:4}", highlight=False)
    if written.missing:
        screen.print(f"no room for: {', '.join(written.missing)} (more days or firms)", highlight=False)


@app.command()
def backtest(
    home: Home,
    detector: Annotated[str, typer.Argument(help="id of the detector, e.g. air.heavy_pollution")],
    since: Annotated[str, typer.Option("--from", help="first day to look at")],
    until: Annotated[str, typer.Option("--to", help="day at whose start to stop")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="try another parameter, NAME=VALUE; repeatable")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """What would this detector have raised, and when? Looks only at what the city knew at each moment."""
    from cityheart import examine
    from cityheart.kernel.actors import Actor
    from cityheart.kernel.schema import canonical

    with _opened(home) as city:
        first, last = _day(since, city.settings.zone, "--from"), _day(until, city.settings.zone, "--to")
        assert first is not None and last is not None
        if not first < last:
            raise Invalid(f"--from {since} is not before --to {until}", remedy="name the earlier day first")
        with screen.status("looking back…"):
            told = city.watch.backtest(
                Actor.system("backtest"), detector, first, last, parameters=examine.parameters(set_ or [])
            ).json()
    if json_:
        sys.stdout.write(canonical(told) + "\n")
        return
    examine.show_backtest(screen, told, city.settings.zone)


@app.command()
def scores(
    home: Home,
    since: Annotated[str | None, typer.Option("--from", help="first day; by default the first task's")] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="day at whose start to stop; by default the present")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="write the whole report to this HTML file, to be printed")] = None,
    language: Annotated[str, typer.Option("--lang", help="language of the file: zh-CN or en")] = "zh-CN",
    formula: Annotated[str | None, typer.Option(help="score by another formula, e.g. jinhua")] = None,
) -> None:
    """How departments handled their tasks over a period, with what the figures are made of."""
    from cityheart import examine

    with _opened(home) as city:
        zone = city.settings.zone
        examine.show_scores(
            screen, city, _day(since, zone, "--from"), _day(until, zone, "--to"), html, language, formula
        )


@app.command()
def history(
    home: Home,
    mapping: Annotated[Path, typer.Argument(help="TOML file that says which column means what")],
    file: Annotated[Path, typer.Argument(help="CSV file (or .csv.gz) of closed cases")],
) -> None:
    """Take closed cases of another system into the city in DIR, for custody and scores. The same file twice is once."""
    from cityheart.kernel.actors import Actor

    with _opened(home) as city, screen.status("reading…"):
        taken = city.account.take_in(Actor.system("cli"), mapping, file)
    screen.print(
        f"{taken.cases:,} cases were taken in ({taken.tasks:,} tasks, {taken.events:,} events), "
        f"{taken.late:,} of them ended late.",
        highlight=False,
    )
    for reason, count in sorted(taken.left.items()):
        screen.print(f"  {count:,} left out: {reason}", markup=False, highlight=False)


@app.command()
def accidents(
    home: Home,
    kind: Annotated[str, typer.Option(help="kind of matter that the cases are to be found for")] = "chemical_accident",
) -> None:
    """Make closed cases of the accidents that landed in the city in DIR (application accidents). Again changes nothing."""
    from cityheart.apps.accidents.learn import learn
    from cityheart.kernel import limits
    from cityheart.kernel.actors import Actor

    with _opened(home) as city, screen.status("reading…"):
        learned = learn(
            city.share, city.knowledge.import_cases, city.clock, Actor.system("cli"), kind=kind,
            most_bytes=limits.CASE_IMPORT_BYTES, most_cases=limits.CASE_IMPORT_ROWS,
        )  # fmt: skip
    if not learned.records:
        raise Invalid(
            "no accident has landed in this city yet",
            remedy="put a release into inbox/accident-releases and let the city run: docs/how-to/learn-from-accidents.md",
        )
    screen.print(
        f"{learned.records:,} records stand ({learned.withdrawn:,} withdrawn, {learned.corrected:,} corrected): "
        f"{learned.accidents:,} accidents, {learned.linked:,} with a chemical of the register.",
        highlight=False,
    )
    screen.print(
        f"{learned.imported:,} cases were taken in, {learned.revised:,} revised, {learned.known:,} were known, "
        f"{learned.refused:,} refused.",
        highlight=False,
    )
    for reason in learned.reasons:
        screen.print(f"  {reason}", markup=False, highlight=False)
    if learned.gone:
        screen.print(
            f"  {learned.gone:,} accidents are withdrawn altogether; a case made of one earlier is left.",
            highlight=False,
        )


# ── reports of residents ───────────────────────────────────────────────────────────────────────────────────────────


@reports.command("take")
def take_reports(
    home: Home,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, xlsx, JSON, XML, or a zip of these")],
    source: Annotated[str, typer.Option(help="the system the file comes from")] = "hotline",
) -> None:
    """Take in a file of a hotline system; the same file again changes nothing."""
    from cityheart.kernel.actors import Actor

    if not file.is_file():
        raise Invalid(f"there is no file {file}", remedy="name the file that the hotline system exported")
    with _opened(home) as city:
        counts = city.intake.take_file(Actor.system("cli"), source, file.name, file)
    shown = ", ".join(f"{count} {what}" for what, count in counts.items())
    screen.print(f"{shown}.", highlight=False)


@reports.command("key")
def issue_key(
    home: Home, name: Annotated[str, typer.Argument(metavar="NAME", help="the program, and who runs it")]
) -> None:
    """Issue an Open311 api_key for a program; it is printed once."""
    from cityheart.kernel.actors import Actor

    with _opened(home) as city:
        caller, key = city.intake.issue_key(Actor.system("cli"), name)
    screen.print(f"{caller.id} may hand reports over with the api_key [bold]{key}[/] (shown once).", highlight=False)


@reports.command("keys")
def list_keys(home: Home) -> None:
    """Every program that has or had a key."""
    from cityheart.kernel.actors import Actor

    table = Table("id", "name", "issued", "revoked")
    with _opened(home) as city:
        for caller in city.intake.callers(Actor.system("cli")):
            revoked = caller.revoked_at.isoformat() if caller.revoked_at else ""
            table.add_row(caller.id, caller.name, caller.issued_at.isoformat(), revoked)
    screen.print(table)


@reports.command("revoke")
def revoke_key(
    home: Home, caller: Annotated[str, typer.Argument(metavar="ID", help="the id that `reports keys` shows")]
) -> None:
    """Revoke a program's key."""
    from cityheart.kernel.actors import Actor

    with _opened(home) as city:
        city.intake.revoke_key(Actor.system("cli"), caller)
    screen.print(f"The key of {caller} is revoked.", highlight=False)


# ── plans ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@plans.command("check")
def check_plans(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="plans (.yaml, .bpmn), decision tables (.dmn, .yaml)")
    ],
    home: Annotated[
        Path | None,
        typer.Option("--city", metavar="DIR", help="check against the departments, tables and plans of DIR"),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="print what was found as JSON")] = False,
) -> None:
    """Look plans and decision tables over: everything that is wrong, by element, and hints. Ends with 2 when any is wrong."""
    from cityheart.command.library import files as library_files
    from cityheart.kernel.schema import canonical

    def look(sources: library_files.Sources) -> list[tuple[Path, library_files.Checked]]:
        return [(path, library_files.check(path, sources)) for path in files]

    if home is None:
        checked = look(library_files.among(files))
    else:
        with _opened(home) as city:
            checked = look(city.library.sources())
    if json_:
        told = [
            {"file": str(path), "ok": one.ok, "problems": [problem.json() for problem in one.problems]}
            for path, one in checked
        ]
        sys.stdout.write(canonical(told) + "\n")
    else:
        for path, one in checked:
            screen.print(f"{path}: {'ok' if one.ok else 'cannot be published'}", markup=False, highlight=False)
            for line in library_files.lines(one):
                screen.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    if not all(one.ok for _, one in checked):
        raise typer.Exit(2)


@plans.command("draw")
def draw_plan(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a plan as YAML")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="the BPMN file to write")],
) -> None:
    """Draw a plan as BPMN 2.0, with its picture, for any modeler."""
    from cityheart.command.library import files as library_files

    output.write_bytes(library_files.drawn(file))
    screen.print(f"{output} was written.", markup=False, highlight=False)


# ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _share_shown(what: str) -> Iterator[Callable[[float], None]]:
    """A bar for long work that says how far it is, and which Ctrl-C stops: nothing is written before it is at its end."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda share: shown.update(task, completed=share)


@subjects.command("preview")
def preview_subjects(home: Home) -> None:
    """What making all subjects of the city in DIR anew under its present rules would change. Nothing is written."""
    from cityheart.entities import commands

    with _opened(home) as city, _share_shown("comparing") as pace:
        table, lines = commands.preview(city.entities, pace)
    screen.print(table)
    for line in lines:
        screen.print(line, markup=False, highlight=False)


@subjects.command("rebuild")
def rebuild_subjects(
    home: Home, reason: Annotated[str, typer.Option(help="why; it is noted with what changes")]
) -> None:  # fmt: skip
    """Make all subjects of the city in DIR anew under its present rules. What people decided stands."""
    from cityheart.entities import commands

    with _opened(home) as city, _share_shown("comparing") as pace:
        commands.rebuild(city.entities, secrets.token_hex(8), reason, pace)
    screen.print("done; `cityheart subjects preview` shows what is left to do")


@subjects.command("train")
def train_subjects(
    records: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", exists=True, help="a city's folder, or a Parquet file")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="where the rules are written")],
    version: Annotated[str, typer.Option(help="the version they are given; it is noted with every link")] = "trained",
    areas: Annotated[Path | None, typer.Option(exists=True, help="areas.geojson, for a Parquet file")] = None,
    city: Annotated[str, typer.Option(help="the city's name as firms write it, for a Parquet file")] = "",
) -> None:
    """Estimate rules for firms on a city's own records, without labels, and set them beside the shipped ones.

    Nothing of the city changes. Needs the extra: pip install 'cityheart[train]'
    """
    from cityheart.entities import train

    if records.is_dir():
        with _opened(records) as opened, screen.status("reading…"):
            marks = opened.entities.marks("firm")
    else:
        marks = train.of_file(records, areas, city)
    with screen.status("estimating…"):
        text, table, lines = train.train(marks, version)
    out.write_text(text, "utf-8")
    screen.print(table)
    for line in [*lines, f"{out} was written; in the city's folder as subjects.toml it counts from the next start"]:
        screen.print(line, markup=False, highlight=False)


@users.command("add")
def add_user(
    home: Home,
    username: Username,
    role: Annotated[list[str], typer.Option(help="role; repeatable")],
    department: Annotated[str | None, typer.Option(help="code of the person's department")] = None,
    name: Annotated[str | None, typer.Option(help="the person's name")] = None,
    email: Annotated[str | None, typer.Option(help="where orders are sent when the person is on duty")] = None,
    ask: AskPassword = False,
) -> None:
    """Create an account; a one-time code is printed, once, with which the person signs in and sets a password."""
    from cityheart.kernel.actors import Actor
    from cityheart.kernel.text import text

    shown = name or username
    with _opened(home) as city:
        actor = Actor.system("cli")
        known = city.share.department_titles()
        if department is not None and department not in known:
            raise Invalid(
                f"there is no department {department}", remedy=f"there are: {', '.join(sorted(known)) or 'none'}"
            )
        if not ask:
            account, code = city.serve.managing.create(
                actor, None, username, name=text(shown, shown), department=department, roles=role, email=email
            )
            _show_code(city, username, code, account.code_until)
            return
        city.serve.create(
            actor, username, _asked(), name=text(shown, shown), department=department, roles=role, email=email
        )
    screen.print(f"{username} may sign in with that password.", highlight=False)


def _asked() -> str:
    password: str = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    return password


def _show_code(city: City, username: str, code: object, until: object) -> None:
    screen.print(
        f"{username} signs in with the one-time code [bold]{code}[/] (shown once) and sets a password.", highlight=False
    )
    if isinstance(until, datetime):
        local = until.astimezone(ZoneInfo(city.settings.zone))
        screen.print(f"It holds until {local:%Y-%m-%d %H:%M} ({city.settings.zone}).", highlight=False)


@users.command("list")
def list_users(home: Home) -> None:
    """Every account with its roles."""
    from cityheart.kernel.actors import Actor

    table = Table("name", "department", "roles", "blocked since")
    with _opened(home) as city:
        for account in city.serve.accounts(Actor.system("cli")):
            blocked = account.blocked_at.isoformat() if account.blocked_at else ""
            table.add_row(account.username, account.department or "", ", ".join(sorted(account.roles)), blocked)
    screen.print(table)


@users.command("password")
def new_password(home: Home, username: Username, ask: AskPassword = False) -> None:
    """Replace a forgotten password by a one-time code, printed once; the account's sessions end."""
    from cityheart.kernel.actors import Actor

    with _opened(home) as city:
        if not ask:
            given = city.serve.managing.reset(Actor.system("cli"), username)
            _show_code(city, username, given["code"], given["code_until"])
            return
        city.serve.person(username)  # before anybody types
        city.serve.set_password(Actor.system("cli"), username, _asked())
    screen.print(f"{username} may sign in with that password.", highlight=False)


@users.command("block")
def block_user(home: Home, username: Username) -> None:
    """Block an account; its sessions end."""
    from cityheart.kernel.actors import Actor

    with _opened(home) as city:
        city.serve.block(Actor.system("cli"), username)
    screen.print(f"{username} is blocked.", highlight=False)


@users.command("unblock")
def unblock_user(home: Home, username: Username) -> None:
    """Let a blocked account sign in again."""
    from cityheart.kernel.actors import Actor

    with _opened(home) as city:
        city.serve.managing.unblock(Actor.system("cli"), username)
    screen.print(f"{username} may sign in again.", highlight=False)


if __name__ == "__main__":
    main()
