"""Makes the pictures in this folder: plays a red warning of real history and takes them in Chromium.

.venv/bin/python docs/screenshots/make.py [NAME…]    # without names all of them
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from cityheart.city import City
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text
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


def play(home: Path, password: str) -> City:
    """Two weeks of November 2015; the picture is taken while the red plan is being carried out."""
    title = text("北京（历史重放）", "Beijing (history replayed)")
    settings = Settings(home=home, title=title, zone=ZONE, apps=("air",), seed=1, clock="virtual")
    city = City.create(settings, VirtualClock(SINCE))
    city.participants.append(Staff(Office(city.database, city.watch, city.command), seed=1, zone=ZONE))
    city.serve.create(
        SYSTEM, "officer", password, name=text("值班长", "Duty officer"), department=None, roles=["duty_officer"]
    )
    city.serve.create(
        SYSTEM, "steward", password, name=text("数据管家", "Data steward"), department=None, roles=["steward"]
    )
    city.serve.create(
        SYSTEM, "inspector", password, name=text("督查员", "Inspector"), department=None, roles=["inspector"]
    )
    (app,) = city.apps
    assert app.feed is not None
    in_bulk(city, app.feed.source, app.feed.deliveries(SINCE, UNTIL, timedelta(days=7)), UNTIL, lambda now: None)
    return city


def prepare(name: str, page: Page) -> None:
    """What is done on a page before its picture is taken."""
    if name.startswith("draft-"):
        page.get_by_test_id("inspect").select_option(index=4)
    if name.startswith("decision-"):
        page.get_by_test_id("try-level").select_option("2")
        page.get_by_test_id("try-ask").click()
    if name.startswith("scores-behind-"):
        page.get_by_test_id("behind-task").first.click()
    if name.startswith("formula-"):
        page.get_by_test_id("formula-new").click()
    if name.startswith("run-"):
        page.get_by_test_id("run-drawing").first.click()


def take(
    browser: Browser, address: str, password: str, alert: str, incident: str, plan: str, draft: str, table: str
) -> None:
    """Every picture: name, who looks, where, size, language, theme."""
    wanted = set(sys.argv[1:])
    for name, user, path, size, language, theme in (
        ("command-dark", "officer", "/command", (1440, 900), "zh-CN", "dark"),
        ("command-light", "officer", "/command", (1440, 900), "en-US", "light"),
        ("alert-light", "officer", f"/alerts/{alert}", (1440, 900), "en-US", "light"),
        ("incident-light", "officer", f"/incidents/{incident}", (1440, 900), "en-US", "light"),
        ("scores-dark", "officer", "/scores", (1280, 720), "zh-CN", "dark"),
        ("scores-behind-light", "officer", OVERDUE, (1440, 900), "en-US", "light"),
        (
            "formula-light",
            "inspector",
            "/scores/formulas?period=all&formula=jinhua@trial",
            (1440, 900),
            "zh-CN",
            "light",
        ),
        ("source-light", "steward", "/sources/ecology.air", (1280, 720), "en-US", "light"),
        ("plan-light", "officer", f"/plans/{plan}", (1440, 900), "en-US", "light"),
        ("draft-dark", "officer", f"/plans/drafts/{draft}", (1440, 900), "zh-CN", "dark"),
        ("decision-light", "officer", f"/plans/decisions/{table}", (1280, 720), "zh-CN", "light"),
        ("run-light", "officer", f"/incidents/{incident}", (1440, 900), "zh-CN", "light"),
    ):
        if wanted and name not in wanted:
            continue
        picture(browser, address, user, password, path, size, language, theme, name)


def flow(password: str) -> None:
    """The flow of a small simulated prefecture, written and played for this picture: all of it is synthetic."""
    wanted = set(sys.argv[1:])
    if wanted and not any(name.startswith("flow-") for name in wanted):
        return
    with tempfile.TemporaryDirectory() as folder:
        test, home = Path(folder) / "test", Path(folder) / "city"
        size = ("--seed", "7", "--firms", "30", "--days", "8", "--vehicles", "12")
        for command in (("simulate", str(test), *size), ("play", str(test), "--into", str(home), "--bulk")):
            program = Path(sys.executable).with_name("cityheart")
            subprocess.run([program, *command], check=True)  # noqa: S603  (our own program)
        city = City.open(home, VirtualClock(SINCE))
        clock = city.clock
        assert isinstance(clock, VirtualClock)
        clock.advance_to(max(city.last_moment(), clock.now()))
        city.serve.create(
            SYSTEM, "steward", password, name=text("数据管家", "Data steward"), department=None, roles=["admin"]
        )
        with serving(city) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            for name, path, language, theme in (
                ("flow-light", "/flow?over=day", "en-US", "light"),
                ("flow-dark", "/flow?over=day", "zh-CN", "dark"),
            ):
                if not wanted or name in wanted:
                    picture(browser, address, "steward", password, path, (1440, 900), language, theme, name)
            browser.close()
        city.close()


@contextmanager
def serving(city: City) -> Iterator[str]:
    """The address of a city while it is served."""
    ready, addresses = threading.Event(), []

    def listening(address: str) -> None:
        addresses.append(address)
        ready.set()

    running = Running(city, at_pace(city, speed=1.0), host="127.0.0.1", port=0, ready=listening)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    ready.wait(30)
    yield addresses[0]
    running.stop()
    thread.join(15)


def picture(
    browser: Browser,
    address: str,
    user: str,
    password: str,
    path: str,
    size: tuple[int, int],
    language: str,
    theme: str,
    name: str,
) -> None:
    """One picture, as somebody who has just signed in sees it."""
    width, height = size
    scheme: Literal["dark", "light"] = "dark" if theme == "dark" else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, locale=language, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.get_by_test_id("username").fill(user)
    page.get_by_test_id("password").fill(password)
    page.get_by_test_id("login").click()
    page.get_by_test_id("user-menu").wait_for()
    page.goto(address + path)
    page.wait_for_load_state("load")
    prepare(name, page)
    page.wait_for_timeout(2_500)  # charts and map draw themselves; nothing here is asserted
    page.screenshot(path=HERE / f"{name}.png")
    context.close()


def main() -> None:
    """Play, serve, take, end."""
    flow(secrets.token_urlsafe(12))
    if sys.argv[1:] and all(name.startswith("flow-") for name in sys.argv[1:]):
        return
    password = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory() as folder:
        city = play(Path(folder) / "city", password)
        (alert,) = [one for one in city.watch.alerts(SYSTEM)["items"] if one["kind"] == "heavy_pollution"]
        incident = city.command.incident_of(alert["id"])
        assert incident is not None
        plan = next(one.digest for one in city.command.plans(SYSTEM) if one.name == "air-red")
        draft = city.library.save(SYSTEM, city.library.source(SYSTEM, plan, "bpmn"), kind="bpmn")
        table = city.decisions.find("triage.heavy_pollution", city.clock.now())
        assert table is not None
        with serving(city) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            take(browser, address, password, alert["id"], incident, plan, draft.id, table.digest)
            browser.close()
        city.close()


if __name__ == "__main__":
    main()
