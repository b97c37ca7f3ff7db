"""Playing a test city: a city is made from its folder, lives through what its systems hand out, and says what it found."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from cityheart import demo
from cityheart.city import City, applications, available_apps
from cityheart.kernel import duration, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock, stopwatch
from cityheart.kernel.errors import Conflict, Invalid, Unavailable
from cityheart.kernel.schema import canonical
from cityheart.kernel.settings import FILE, Settings
from cityheart.kernel.text import Text, text
from cityheart.sdk import App, load
from cityheart.share import departments
from cityheart.share.landing import Prepared
from cityheart.share.models import Delivery
from cityheart.share.wire import hj212, jt808
from cityheart.simulation.play import at_pace
from cityheart.simulation.player.bulk import in_windows
from cityheart.simulation.player.folder import CityFolder, Trouble
from cityheart.simulation.player.streams import Part, Played, parts, streams
from cityheart.simulation.player.wire import Framing

if TYPE_CHECKING:
    from cityheart.simulation.player.stage import Stage

__all__ = ["WINDOW", "Options", "findings", "run", "scored"]

WINDOW = timedelta(minutes=10)
READER = Actor.system("play")
PLACE = "play.json"  # in the city's folder: what it plays, and how far it has come
HOUSEKEEPING = timedelta(days=1)  # of city time between two times at which the lake is compacted and the log sealed
NOTICE = text(
    "测试城市：全部数据均为合成，由测试文件重放。",
    "A test city: all of its data is made up, and played from files.",
)
TURN_SECONDS = 0.1  # between two steps of the clock of a live play
STEP_SECONDS = 0.3  # of real time that one step makes up for at most
NOTED_SECONDS = 5.0  # between two times at which a live play puts on record how far it is
FINISH_SECONDS = 120.0  # at its end, until the city must have taken what is still on its way
WAITING = 4 * 2**20  # bytes that devices may have sent and nobody taken before time stands still
FRAMERS = {"jt808": jt808.framer, "hj212": hj212.framer}
SIMULATED_FROM = date(2020, 7, 4)
SIMULATED_LIVE = "2020-07-06"  # from here on the demonstration is live; on that day the areas of the city change
SELF_SPEAKING = ("folder", "push")  # connectors that bring whole files: without a schedule, at the moment they come


@dataclass(frozen=True)
class Options:
    """What to play and how. ``speed``: city seconds a second with everything live; ``None``: in bulk."""

    folder: Path
    into: Path | None = None
    speed: float | None = None
    until: str | None = None
    window: timedelta = WINDOW
    findings: Path | None = None
    report: Path | None = None
    apps: tuple[Path, ...] = ()
    port: int = 8460
    headless: bool = False
    hint: bool = True  # say how to look at the city that is kept


def run(screen: Console, options: Options) -> dict[str, object]:
    """Play it; returns the report. Raises :class:`Invalid` for what cannot be played, saying what to do."""
    folder = CityFolder.read(options.folder)
    until = _until(options.until, folder)
    if options.window < timedelta(seconds=1):
        raise Invalid("the window is shorter than a second", remedy="name a longer one, such as PT10M")
    for file in (options.findings, options.report):
        if file is not None:
            _place_for(file)
    home = options.into or Path(tempfile.mkdtemp(prefix="cityheart-play-")) / "city"
    try:
        mark = _ready(home, folder, options)
        if options.speed is None:
            with _city(home, folder, mark, options.window) as play:
                _bulk(screen, play, until)
                return _told(screen, play, options)
        with tempfile.TemporaryDirectory(prefix="cityheart-stage-") as work:
            return _live(screen, home, folder, mark, until, options, Path(work))
    finally:
        if options.into is None:
            shutil.rmtree(home.parent, ignore_errors=True)


def demonstrate(
    screen: Console, *, seed: int, speed: float, into: Path | None, port: int, headless: bool, report: Path | None
) -> None:
    """Simulate a small prefecture, let it live through its first days in bulk, and go on live with the console.

    ``into`` keeps the city, and its systems in a folder beside it. Headless, all of it is played in bulk.
    """
    from cityheart.simulation.world.write import write

    kept = into or Path(tempfile.mkdtemp(prefix="cityheart-demo-")) / "city"
    systems = kept.with_name(f"{kept.name}-systems")
    try:
        if not systems.exists():
            with screen.status("simulating 62 departments…"):
                part = systems.with_name(f".{systems.name}.part")
                shutil.rmtree(part, ignore_errors=True)
                write(part, seed=seed, firms=60, days=5, vehicles=30, start=SIMULATED_FROM)
                part.rename(systems)
        hint = into is not None
        if headless:
            run(screen, Options(systems, kept, report=report, hint=hint))
            return
        run(screen, Options(systems, kept, until=SIMULATED_LIVE, hint=False))
        run(screen, Options(systems, kept, speed=speed, port=port, report=report, hint=hint))
    finally:
        if into is None:
            shutil.rmtree(kept.parent, ignore_errors=True)


def scored(screen: Console, folder: Path, findings: Path, report: Path | None) -> dict[str, object]:
    """Compare findings with what was planted; nothing is played. Raises :class:`Invalid` for a city without truth."""
    from cityheart.simulation.player import score

    if not findings.is_file():
        raise Invalid(f"there is no file {findings}", remedy="play the city first, with --findings")
    told = score.score(score.read_cases(CityFolder.read(folder)), score.read_findings(findings))
    table = Table(
        Column("kind", no_wrap=True), "cases", "hits", "false alarms", "precision", "recall", "F1", "delay (h)"
    )
    for line in score.lines(told):
        table.add_row(*line)
    screen.print(table)
    screen.print(f"mean F1 over the kinds that were planted: {told['macro_f1']}", highlight=False)
    if report is not None:
        _place_for(report)
        _write(report, told)
    return told


def _write(file: Path, told: Mapping[str, object]) -> None:
    shown = json.dumps(json.loads(canonical(told)), ensure_ascii=False, indent=1, sort_keys=True)
    file.write_text(shown + "\n", "utf-8")


def _until(value: str | None, folder: CityFolder) -> datetime:
    if value is None:
        return folder.until
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Invalid(f"--until {value}: that is not a date", remedy="write it like 2026-03-25T06:00") from None
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(folder.zone))).astimezone(UTC)
    if moment <= folder.since:
        raise Invalid(f"--until {value} is before the city begins", remedy=f"it begins at {folder.since.isoformat()}")
    return min(moment, folder.until)


def _place_for(file: Path) -> None:
    if file.is_dir():
        raise Invalid(f"{file} is a folder", remedy="name a file")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(f"nothing can be written to {file}: {error.strerror}", remedy="name another file") from None


# ── the city ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Play:
    """A city at play: the folder it comes from, how far it is, and what went wrong on the way."""

    city: City
    folder: CityFolder
    window: timedelta
    at: datetime  # played up to here
    parts: list[Part]
    troubles: list[Trouble] = field(default_factory=list)
    seconds: float = 0.0
    kept: datetime | None = None  # the last housekeeping
    aside: ThreadPoolExecutor | None = None  # where the lake is compacted while the city lives on
    tidying: Future[object] | None = None

    def prepare(self, source: str, deliveries: Sequence[Delivery]) -> list[Prepared]:
        """Read and check what a source hands over."""
        return [
            self.city.share.prepare(source, deliveries[first : first + limits.LAND_DELIVERIES])
            for first in range(0, len(deliveries), limits.LAND_DELIVERIES)
        ]

    def land(self, ready: list[Prepared]) -> None:
        """Land what was prepared; it is let go piece by piece."""
        while ready:
            self.city.share.land_prepared(ready.pop(0))

    def live(self, until: datetime) -> None:
        """Detect, act on what is due, and now and then tidy up."""
        self.city.watch.detect(until)
        self.city.advance(until)
        if self.kept is None or until - self.kept >= HOUSEKEEPING:
            self.city.housekeeping()
            self.tidied()
            if self.aside is None:
                self.city.compactor.run()
            else:
                self.tidying = self.aside.submit(self.city.compactor.run)
            self.kept = until

    def tidied(self) -> None:
        """Wait until the lake is compacted as far as that was asked for."""
        if self.tidying is not None:
            self.tidying.result()
            self.tidying = None

    def note(self) -> None:
        """Put on record how far the play is, so that it goes on from here."""
        place = self.city.settings.home / PLACE
        beside = place.with_suffix(".part")
        beside.write_text(json.dumps(_mark(self.folder, self.window, self.at)), "utf-8")
        beside.replace(place)


def _mark(folder: CityFolder, window: timedelta, at: datetime) -> dict[str, object]:
    frame = hashlib.sha256(canonical(folder.frame).encode()).hexdigest()
    return {"frame": frame, "window": duration.iso(window), "until": at.isoformat()}


def _ready(home: Path, folder: CityFolder, options: Options) -> datetime:
    """Have a city in ``home``, new or gone on with; up to when it has played."""
    if not (home / FILE).exists():
        apps = _applications(folder, options.apps)
        _parts(folder, apps)  # what cannot be played leaves no city behind
        _make(home, folder, apps, options)
    return _place(home, folder, options.window)


@contextmanager
def _city(home: Path, folder: CityFolder, at: datetime, window: timedelta) -> Iterator[Play]:
    """The city in ``home``, at the moment up to which it has played."""
    found, troubles = _parts(folder, applications(Settings.load(home)))
    city = City.open(home)
    try:
        clock = city.clock
        if not isinstance(clock, VirtualClock):
            raise Invalid(f"the city in {home} lives in the present", remedy="name another folder with --into")
        clock.advance_to(at)
        yield Play(city, folder, window, at, found, troubles)
    finally:
        city.close()


def _parts(folder: CityFolder, apps: Sequence[App]) -> tuple[list[Part], list[Trouble]]:
    """What each source of the applications gets, and what nobody gets. Raises :class:`Invalid` when that is nothing."""
    sources = _played(apps)
    found, troubles = parts(folder, sources)
    if not found:
        what = "; ".join(str(trouble) for trouble in troubles[:5]) or "it has no systems"
        raise Invalid(f"nothing of {folder.path} can be played: {what}", remedy=_known(sources))
    return found, troubles


def _known(sources: Mapping[str, Played]) -> str:
    systems = sorted({id.partition(".")[0] for id in sources})
    return f"systems that applications know: {', '.join(systems) or 'none'}; bring an application with --app"


def _applications(folder: CityFolder, own: Sequence[Path]) -> list[App]:
    """The installed applications that read a system of the folder, and those that were brought."""
    systems = set(folder.systems())
    fitting = [
        app
        for app in available_apps().values()
        if any(source.id.partition(".")[0] in systems for source in app.sources)
    ]
    brought = [load(path) for path in own]
    return [*(app for app in fitting if app.id not in {each.id for each in brought}), *brought]


def _make(home: Path, folder: CityFolder, apps: Sequence[App], options: Options) -> None:
    """Make the city; what a kill leaves half made is made anew."""
    if home.exists():
        if not home.is_dir():
            raise Invalid(f"{home} is not a folder", remedy="name an empty or a new folder with --into")
        if any(home.iterdir()) and not (home / PLACE).is_file():
            raise Invalid(f"{home} is not empty", remedy="name an empty or a new folder with --into")
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / PLACE).write_text(json.dumps(_mark(folder, options.window, folder.since)), "utf-8")
    for file, name in (
        (folder.departments, departments.FILE),
        (folder.areas, "areas.geojson"),
        (folder.zones, "zones.geojson"),
    ):
        if file is not None:
            shutil.copyfile(file, home / name)
    for path, app in zip(options.apps, apps[len(apps) - len(options.apps) :], strict=True):
        shutil.copytree(path, home / "apps" / app.id)
    settings = Settings.checked(
        home=home,
        name=folder.name,
        title=_labelled(folder.title),
        zone=folder.zone,
        bounds=folder.bounds,
        apps=tuple(app.id for app in apps[: len(apps) - len(options.apps)]),
        seed=folder.seed,
        clock="virtual",
    )
    try:
        settings.save()
        city = City.open(home, VirtualClock(folder.since))
        with closing(city):
            city.share.grants.take_proposals()  # as in every new city
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _labelled(title: Text) -> Text:
    """A title that says, wherever it is shown, that nothing in the city is real."""
    chinese, english = title["zh-CN"], title["en"]
    if not any(word in chinese for word in ("测试", "模拟", "合成")):
        chinese += "（测试城市）"
    return text(chinese, english if "test city" in english else f"{english} (test city)")


def _place(home: Path, folder: CityFolder, window: timedelta) -> datetime:
    """How far the city in ``home`` has played this folder, in such windows."""
    try:
        mark = json.loads((home / PLACE).read_text("utf-8"))
        at, cut = datetime.fromisoformat(mark["until"]), duration.parse(mark["window"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Invalid(f"{home} is no city that plays a test city", remedy="name another folder with --into") from None
    if mark.get("frame") != _mark(folder, window, at)["frame"]:
        raise Conflict(f"the city in {home} plays another test city", remedy="name another folder with --into")
    if cut != window:
        raise Conflict(
            f"the city in {home} is played in windows of {mark['window']}",
            remedy=f"go on with --window {mark['window']}",
        )
    return at


def _played(apps: Sequence[App]) -> dict[str, Played]:
    """Every source of the applications by its id."""
    contracts = {contract.name: contract for app in apps for contract in app.contracts}
    found: dict[str, Played] = {}
    for source in (source for app in apps for source in app.sources):
        every = duration.parse(source.schedule) if source.schedule else None
        if every is None and source.connector not in SELF_SPEAKING:
            every = WINDOW
        found[source.id] = Played(source, contracts[source.dataset], every)
    return found


# ── in bulk ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _bulk(screen: Console, play: Play, until: datetime) -> None:
    """Everything up to ``until`` as fast as the city takes it. Ctrl-C ends it after the window it is at."""
    begun, started = play.folder.since, stopwatch()
    opened, troubles = streams(play.parts, begun, _framing)
    play.troubles += troubles
    with (
        ThreadPoolExecutor(1, thread_name_prefix="compaction") as play.aside,
        _interrupted() as interrupted,
        _bars(screen, play.folder, begun, until) as show,
    ):
        show(play.at)

        def done(moment: datetime) -> bool:
            play.at = moment
            play.note()
            show(moment)
            return not interrupted()

        if play.at < until:
            in_windows(
                play,
                opened,
                begun=begun,
                since=play.at,
                until=until,
                window=play.window,
                done=done,
                trouble=play.troubles.append,
            )
        play.tidied()
    play.aside = None
    play.city.housekeeping()
    play.seconds = stopwatch() - started


def _framing(protocol: str) -> Framing | None:
    """The framer of a protocol."""
    framer = FRAMERS.get(protocol)
    return None if framer is None else framer().frames


@contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Whether somebody pressed Ctrl-C; a second time ends at once."""
    pressed: list[int] = []

    def note(signum: int, frame: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(signum)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bars(
    screen: Console, folder: CityFolder, begun: datetime, until: datetime
) -> Iterator[Callable[[datetime], None]]:
    zone = ZoneInfo(folder.zone)
    with Progress(
        TextColumn("playing {task.description}"),
        BarColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=screen,
    ) as bars:
        bar = bars.add_task(folder.name, total=(until - begun).total_seconds(), shown="")

        def show(moment: datetime) -> None:
            local = moment.astimezone(zone)
            bars.update(bar, completed=(moment - begun).total_seconds(), shown=f"{local:%Y-%m-%d %H:%M}")

        yield show


# ── live ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _live(
    screen: Console, home: Path, folder: CityFolder, at: datetime, until: datetime, options: Options, work: Path
) -> dict[str, object]:
    """Everything up to ``until`` at a speed, by the city's own connectors and listeners."""
    from cityheart.simulation.player.stage import Stage

    assert options.speed is not None
    found, _ = _parts(folder, applications(Settings.load(home)))
    folders = {part.played.source.id: str(part.played.source.options.get("path", "")) for part in found}
    stage = Stage(
        found,
        work=work,
        folder=lambda source: home / folders[source],
        since=at,
        begun=folder.since,
        seed=folder.seed,
        speed=options.speed,
    )
    settings = Settings.load(home)
    own = {id: each for id, each in settings.sources.items() if id not in stage.differences}
    try:
        os.environ.update(stage.environment)
        settings.model_copy(update={"sources": {**own, **stage.differences}}).save()
        with _city(home, folder, at, options.window) as play:
            stage.addresses = play.city.share.addresses
            play.troubles += stage.troubles
            running = _Running(play, stage, options.speed, until)
            if options.headless:
                running.headless(screen)
            else:
                running.served(screen, options)
            play.troubles += [trouble for trouble in stage.troubles if trouble not in play.troubles]
            return _told(screen, play, options)
    finally:
        settings.model_copy(update={"sources": own}).save()  # nothing listens there when the play has ended
        stage.close()


class _Running:
    """A live play: the clock moves, the systems show what there is, and the city asks, listens and acts."""

    def __init__(self, play: Play, stage: Stage, speed: float, until: datetime) -> None:
        self._play = play
        self._stage = stage
        self._speed = speed
        self._until = until
        self._noted = stopwatch()

    def headless(self, screen: Console) -> None:
        """Play to the end without a console; Ctrl-C ends it before."""
        stop = threading.Event()
        folder = self._play.folder
        with _interrupted() as interrupted, _bars(screen, folder, folder.since, self._until) as show:
            self._play.city.share.listen()
            try:
                self.drive(stop, lambda moment: stop.set() if interrupted() else show(moment))
            finally:
                self._play.city.share.stop_listening()

    def served(self, screen: Console, options: Options) -> None:
        """Play with the console, which stays up when all is played unless the end was named."""
        from cityheart.web import server

        city = self._play.city
        password = demo.first_password()
        demo.officers(city, password)
        ended = threading.Event()
        people = threading.Thread(target=demo.clerks, args=(city, password), name="clerks", daemon=True)

        def drive(stop: threading.Event) -> None:
            people.start()  # of many departments: nobody waits for all of them
            try:
                self.drive(stop, lambda moment: None)
            finally:
                people.join()
                ended.set()
            if options.until is not None or stop.is_set():
                running.stop()
            else:
                screen.print("All is played; the console stays up (Ctrl-C ends it).", highlight=False)
                at_pace(city, speed=1.0)(stop)

        def ready(address: str) -> None:
            screen.print(f"\nThe console is at [bold]{address}[/]  (Ctrl-C ends the play)", highlight=False)
            screen.print("Sign in as [bold]officer[/], coordinator, operator, inspector, steward, mayor or admin,")
            screen.print(f"or as a department's clerk by its code. Password of all: [bold]{password}[/]\n")

        running = server.Running(city, drive, host="127.0.0.1", port=options.port, ready=ready)
        running.run()
        if people.ident is not None:
            ended.wait()  # what was under way when somebody pressed Ctrl-C

    def drive(self, stop: threading.Event, show: Callable[[datetime], object]) -> None:
        """Move the clock at the speed, as long as the city keeps up, and take in everything at the end."""
        play, city = self._play, self._play.city
        city.share.listen()
        begun, before = stopwatch(), stopwatch()
        told = {"from": play.folder.since, "to": self._until, "notice": NOTICE}
        city.playing = {"playing": True, "speed": self._speed, **told}
        try:
            self._turn(play.at)
            while play.at < self._until and not stop.wait(TURN_SECONDS):
                now = stopwatch()
                passed, before = (
                    min(now - before, STEP_SECONDS),
                    now,
                )  # a city that is slow is played slower, not in leaps
                if self._stage.waiting > WAITING:
                    continue  # time stands still until the city has taken what was sent
                self._turn(min(self._until, play.at + timedelta(seconds=passed * self._speed)))
                show(play.at)
                if now - self._noted > NOTED_SECONDS:
                    self._noted = now
                    play.note()
            if play.at >= self._until:
                self._finish(stop)
            play.note()
        finally:
            city.playing = {**city.playing, "playing": False}
            play.seconds = stopwatch() - begun

    def _turn(self, moment: datetime) -> None:
        """One step of the clock."""
        play, city = self._play, self._play.city
        self._stage.show(moment)
        cast(VirtualClock, city.clock).advance_to(moment)
        city.share.tick(moment)
        play.live(moment)
        play.at = moment

    def _finish(self, stop: threading.Event) -> None:
        """Let the city take everything that is there: what devices sent, and once more what is asked for."""
        city, moment = self._play.city, self._play.at
        taken = _until_true(lambda: self._stage.waiting == 0, stop, lambda: self._stage.show(moment))
        self._stage.hang_up()
        if not _until_true(self._heard, stop) or not taken:
            self._play.troubles.append(Trouble("listeners", "not all that devices sent was taken in time"))
        city.share.stop_listening()
        waiting = {
            part.played.source.id for part in self._play.parts if part.artefact.kind in ("table", "records", "drops")
        }
        ends = stopwatch() + FINISH_SECONDS
        while waiting and stopwatch() < ends and not stop.is_set():
            for source in sorted(waiting):
                try:
                    if not city.share.pull(source):
                        waiting.discard(source)
                except Unavailable:  # 429 or 500: it is asked again
                    stop.wait(TURN_SECONDS)
        for source in sorted(waiting):
            self._play.troubles.append(Trouble(source, "did not hand over everything in time"))
        self._play.live(moment)

    def _heard(self) -> bool:
        """Whether the listeners have taken in all that was sent to them."""
        figures = self._play.city.share.listeners()
        published = self._stage.published
        return all(
            figures[id].get("frames", 0) >= published[id] if id in published else figures[id].get("connections", 0) == 0
            for id in figures
        )


def _until_true(
    holds: Callable[[], bool], stop: threading.Event, meanwhile: Callable[[], object] = lambda: None
) -> bool:
    """Wait until something holds, for a bounded time; whether it does."""
    ends = stopwatch() + FINISH_SECONDS
    while not holds():
        if stopwatch() > ends or stop.wait(TURN_SECONDS / 4):
            return False
        meanwhile()
    return True


# ── what is told ───────────────────────────────────────────────────────────────────────────────────────────────────


def _told(screen: Console, play: Play, options: Options) -> dict[str, object]:
    """Write the findings and the report, and say the main of it."""
    found = findings(play.city)
    told = _report(play, found, options)
    if options.findings is not None:
        options.findings.write_text("".join(canonical(one) + "\n" for one in found), "utf-8")
    if options.report is not None:
        _write(options.report, told)
    figures = cast("dict[str, Any]", told["figures"])
    local = play.at.astimezone(ZoneInfo(play.folder.zone))
    screen.print(
        f"{play.folder.name} up to {local:%Y-%m-%d %H:%M}: {figures['rows']:,} rows, {figures['quarantined']:,} in quarantine, "
        f"{len(found):,} findings; {figures['seconds']:.1f} s, {figures['memory_mib']:,.0f} MiB at most",
        highlight=False,
    )
    for trouble in play.troubles:
        screen.print(f"  not played: {trouble}", markup=False, highlight=False)
    if play.at < _until(options.until, play.folder):
        screen.print(f"It was stopped; the same command goes on from there{_hint(options)}.", highlight=False)
    for what, file in (("findings are", options.findings), ("report is", options.report)):
        if file is not None:
            screen.print(f"The {what} in {file}", highlight=False)
    if options.into is not None and options.hint:
        screen.print(f"Look at the city with: cityheart run {options.into}", highlight=False)
        screen.print(
            f"Sign in after: cityheart users add {options.into} NAME --role mayor --role steward", highlight=False
        )
    return told


def _hint(options: Options) -> str:
    return "" if options.into is not None else ", if the city is kept with --into"


def findings(city: City) -> list[dict[str, object]]:
    """What the city found, one entry a case, in the shape of a test city's scoring, by time."""
    return city.watch.cases(READER)


def _report(play: Play, found: Sequence[Mapping[str, object]], options: Options) -> dict[str, object]:
    city, share = play.city, play.city.share
    sources = [cast("dict[str, Any]", each) for each in share.sources(READER)]
    reasons = share.quarantine_counts(READER)
    by_department: dict[str, dict[str, int]] = {}
    for source in sources:
        counted = by_department.setdefault(source["department"], {"sources": 0, "rows": 0, "quarantined": 0})
        counted["sources"] += 1
        counted["rows"] += source["rows"]
        counted["quarantined"] += source["quarantined"]
    rows = sum(source["rows"] for source in sources)
    days = (play.at - play.folder.since) / timedelta(days=1)
    alerts: dict[str, int] = {}
    for one in found:
        alerts[str(one["kind"])] = alerts.get(str(one["kind"]), 0) + 1
    return {
        "city": play.folder.name,
        "generator": play.folder.frame.get("generator"),
        "apps": [app.id for app in city.apps],
        "from": play.folder.since,
        "to": play.at,
        "mode": "bulk" if options.speed is None else f"live at {options.speed:g}",
        "datasets": share.landed_rows(),
        "sources": {source["id"]: _source(city, source, reasons) for source in sources},
        "departments": by_department,
        "quarantine": reasons,
        "alerts": alerts,
        "not_played": [{"system": each.system, "what": each.what} for each in play.troubles],
        "figures": {
            "rows": rows,
            "quarantined": sum(source["quarantined"] for source in sources),
            "seconds": round(play.seconds, 2),
            "rows_per_second": round(rows / play.seconds, 1) if play.seconds else None,
            "city_days": round(days, 3),
            "seconds_per_city_day": round(play.seconds / days, 2) if days > 0 else None,
            "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        },
    }


def _source(city: City, source: Mapping[str, Any], reasons: Mapping[str, int]) -> dict[str, object]:
    """A source's counts; its quarantined rows by reason."""
    counted: dict[str, int] = {}
    if source["quarantined"]:
        for reason in reasons:
            _, number = city.share.quarantine(READER, source=source["id"], reason=reason, state=None, limit=1)
            if number:
                counted[reason] = number
    shown = {name: source[name] for name in ("department", "dataset", "state", "rows", "quarantined", "deliveries")}
    return {**shown, "quarantine": counted, "drift": [each["column"] for each in source["drift"]]}
