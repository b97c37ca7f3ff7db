"""Makes the pictures in this folder, in Chromium: of a simulated prefecture with hazardous chemicals, and of real history.

.venv/bin/python docs/screenshots/make.py [--city HOME] [NAME…]    # without names all of them

The prefecture is simulated (all of it is synthetic, and its pages say so) and played; its staff is simulated, too.
With --city a copy of a city that was played before stands for it (`cityheart play CITY --into HOME --bulk`).
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast
from unittest.mock import patch

from playwright.sync_api import Browser, Page, sync_playwright

from cityheart.city import City
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.errors import Conflict
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import Text, text
from cityheart.simulation.office import Office
from cityheart.simulation.play import at_pace, in_bulk
from cityheart.simulation.staff import Staff
from cityheart.web.server import Running

HERE = Path(__file__).parent
ZONE = "Asia/Shanghai"
SINCE = datetime.fromisoformat("2015-11-15T00:00:00+08:00")
UNTIL = datetime.fromisoformat("2015-11-29T12:40:00+08:00")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SYSTEM = Actor.system("screenshots")
OVERDUE = "/scores?period=all&rate=overdue&department=ecology"
MOST_BYTES = 300_000
DESK, LOW, WALL, PHONE = (1280, 800), (1280, 720), (1920, 540), (390, 844)
PREFECTURE = ("--seed", "4711", "--firms", "100", "--days", "14", "--vehicles", "40")
WORKED = timedelta(hours=2)  # how long the simulated staff has been at it
HEAD_OF = text("市危险化学品专班", "Hazardous chemicals team")


@dataclass(frozen=True)
class Shot:
    """One picture: who looks where, how large, in which language and theme."""

    name: str
    user: str
    path: str
    size: tuple[int, int] = DESK
    language: Literal["zh-CN", "en-US"] = "zh-CN"
    theme: Literal["light", "dark"] = "light"


# of the flow of data, while it flows; names that lead with what is looked at, and end with the theme
FLOWING = (
    Shot("flow-light", "steward", "/flow?over=day", language="en-US"),
    Shot("stages-light", "officer", "/app/hazchem.stages", language="en-US"),
)
HISTORY = (
    Shot("scores-dark", "officer", "/scores", LOW, theme="dark"),
    Shot("scores-behind-light", "officer", OVERDUE, language="en-US"),
    Shot("formula-light", "inspector", "/scores/formulas?period=all&formula=jinhua@trial"),
)


def at_work(alert: str, incident: str, firm: str, unit: str) -> tuple[Shot, ...]:
    """Of the command centre while departments work; `firm` and `unit` as addresses name them."""
    return (
        Shot("command-dark", "officer", "/command", LOW, theme="dark"),
        Shot("alert-light", "team", f"/alerts/{alert}", language="en-US"),
        Shot("incident-light", "officer", f"/incidents/{incident}", language="en-US"),
        Shot("wall-dark", "mayor", "/wall", WALL, theme="dark"),
        Shot("firm-light", "team", f"/subjects/{firm}?tab=hazchem.firm"),
        Shot("inspection-light", "team", "/app/hazchem.inspection"),
        Shot("department-light", "clerk", f"/department/{unit}", language="en-US"),
        Shot("people-light", "team", "/people"),
        Shot("audit-light", "team", "/audit", language="en-US"),
        Shot("detectors-light", "team", "/detectors", language="en-US"),
        Shot("field-light", "clerk", "/field", PHONE),
    )


Wanted = Callable[[Shot], bool]


def prefecture(folder: Path, ready: Path | None) -> City:
    """A simulated prefecture, played up to its last moment."""
    home = folder / "prefecture"
    if ready is not None:
        shutil.copytree(ready, home)
    else:
        program, test = Path(sys.executable).with_name("cityheart"), folder / "test"
        for command in (("simulate", str(test), *PREFECTURE), ("play", str(test), "--into", str(home), "--bulk")):
            subprocess.run([program, *command], check=True)  # noqa: S603  (our own program)
    city = City.open(home, VirtualClock(SINCE))
    clock = city.clock
    assert isinstance(clock, VirtualClock)
    clock.advance_to(max(city.last_moment(), clock.now()))
    return city


def person(
    city: City, username: str, password: str, name: Text, roles: list[str], department: str | None = None
) -> None:
    """An account for the pictures."""
    try:
        city.serve.create(SYSTEM, username, password, name=name, department=department, roles=roles)
    except Conflict as conflict:
        raise SystemExit(f"{conflict}: give a city in which nobody is called {username}") from None


def firms_called(city: City, name: str) -> list[dict[str, Any]]:
    """The firms of this name, which what an alert is about may have from its firm."""
    return cast("list[dict[str, Any]]", city.entities.find(SYSTEM, text=name, kind="firm")["items"])


def picture_prefecture(password: str, wanted: Wanted, ready: Path | None) -> None:
    """The pictures of the simulated prefecture."""
    with tempfile.TemporaryDirectory() as folder:
        city = prefecture(Path(folder), ready)
        person(city, "steward", password, text("数据管家", "Data steward"), ["admin"])
        person(city, "officer", password, text("值班长", "Duty officer"), ["duty_officer"])
        person(city, "mayor", password, text("指挥大厅", "Command hall"), ["mayor"])
        person(city, "team", password, HEAD_OF, ["admin"])
        take(city, password, [shot for shot in FLOWING if wanted(shot)])
        city.participants.append(Staff(Office(city.database, city.watch, city.command), seed=1, zone=ZONE))
        city.advance(city.clock.now() + WORKED)
        alerts = cast("list[dict[str, Any]]", city.watch.alerts(SYSTEM)["items"])
        shown = next((one for one in alerts if one["kind"] == "suspended_producing"), alerts[0])
        incident = city.command.incident_of(shown["id"])
        assert incident is not None, "the staff opens an incident for every alert"
        found = next(filter(None, (firms_called(city, one["subject"]["name"]["zh-CN"]) for one in (shown, *alerts))))
        firm = str(found[0]["id"])
        busy = Counter(task.unit for task in city.command.tasks(SYSTEM, over=False, limit=200)[0])
        unit = busy.most_common(1)[0][0]
        person(city, "clerk", password, text("王敏", "Wang Min"), ["clerk"], unit)
        take(city, password, [shot for shot in at_work(shown["id"], incident, firm, unit) if wanted(shot)])
        city.close()


def picture_history(password: str, wanted: Wanted) -> None:
    """Two weeks of November 2015 in Beijing, a red warning: real readings, simulated staff."""
    shots = [shot for shot in HISTORY if wanted(shot)]
    if not shots:
        return
    with tempfile.TemporaryDirectory() as folder:
        title = text("北京（历史重放）", "Beijing (history replayed)")
        home = Path(folder) / "city"
        settings = Settings(home=home, title=title, zone=ZONE, apps=("air",), seed=1, clock="virtual")
        city = City.create(settings, VirtualClock(SINCE))
        city.participants.append(Staff(Office(city.database, city.watch, city.command), seed=1, zone=ZONE))
        person(city, "officer", password, text("值班长", "Duty officer"), ["duty_officer"])
        person(city, "inspector", password, text("督查员", "Inspector"), ["inspector"])
        (app,) = city.apps
        assert app.feed is not None
        in_bulk(city, app.feed.source, app.feed.deliveries(SINCE, UNTIL, timedelta(days=7)), UNTIL, lambda now: None)
        take(city, password, shots)
        city.close()


def take(city: City, password: str, shots: Sequence[Shot]) -> None:
    """Serve a city and take pictures of it."""
    if not shots:
        return
    with serving(city) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for shot in shots:
            picture(browser, address, password, shot)
        browser.close()


@contextmanager
def serving(city: City) -> Iterator[str]:
    """The address of a city while it is served."""
    ready, addresses = threading.Event(), []

    def listening(address: str) -> None:
        addresses.append(address)
        ready.set()

    running = Running(city, at_pace(city, speed=1.0), host="127.0.0.1", port=0, ready=listening)
    thread = threading.Thread(target=running.run, daemon=True)
    # no device is at hand, and another city on this machine may have the addresses where they would be heard
    with patch.object(city.share, "listen"):
        thread.start()
        ready.wait(30)
        yield addresses[0]
        running.stop()
        thread.join(15)


def picture(browser: Browser, address: str, password: str, shot: Shot) -> None:
    """One picture, as somebody who has just signed in sees it."""
    width, height = shot.size
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale=shot.language, color_scheme=shot.theme
    )
    signed = context.request.post(f"{address}/api/session", data={"username": shot.user, "password": password})
    assert signed.ok, signed.text()
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(address + shot.path)
    page.wait_for_load_state("load")
    prepare(shot.name, page)
    settled(page)
    file = HERE / f"{shot.name}.png"
    page.screenshot(path=file)
    context.close()
    size = file.stat().st_size
    assert size <= MOST_BYTES, f"{file.name} has {size} bytes: take a smaller part"


def prepare(name: str, page: Page) -> None:
    """What is done on a page before its picture is taken."""
    if name == "scores-behind-light":
        page.get_by_test_id("behind-task").first.click()
    if name == "formula-light":
        page.get_by_test_id("formula-new").click()


def settled(page: Page) -> None:
    """Until everything has come, and charts and map have drawn themselves."""
    page.wait_for_function(
        "() => document.querySelector('#root')?.children.length && !document.querySelector('.loading')"
    )
    if page.get_by_test_id("map").count():
        page.locator("[data-testid=map][data-ready=true]").first.wait_for()
    page.wait_for_timeout(4_000)


def main() -> None:
    """Simulate, play, serve, take, end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--city", type=Path, help="a city that was played before, of which a copy is used")
    parser.add_argument("names", nargs="*", metavar="NAME")
    asked = parser.parse_args()
    known = {shot.name for shot in (*FLOWING, *HISTORY, *at_work("", "", "", ""))}
    if unknown := set(asked.names) - known:
        parser.error(f"no picture is called {min(unknown)}; there are: {', '.join(sorted(known))}")

    def wanted(shot: Shot) -> bool:
        return not asked.names or shot.name in asked.names

    password = secrets.token_urlsafe(12)
    if any(wanted(shot) for shot in (*FLOWING, *at_work("", "", "", ""))):
        picture_prefecture(password, wanted, asked.city)
    picture_history(password, wanted)


if __name__ == "__main__":
    main()
