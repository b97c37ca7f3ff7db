"""A real city served on loopback and a real Chromium that may talk to nobody else."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from cityheart.city import City
from cityheart.simulation.play import at_pace
from cityheart.web import server

from ..played import PASSWORD, again

INSTALL = "Chromium is not installed: apt-get install chromium fonts-noto-cjk"
PATIENCE_MS = 20_000  # a busy machine is slow, not wrong: for what is done and for what is expected alike
expect.set_options(timeout=PATIENCE_MS)
SLOW = float(
    os.environ.get("CITYHEART_TEST_SLOW", "1")
)  # so many times slower is every page, to find what depends on speed
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # The last such flag counts, so what Playwright turns off stands here as well. The address bar's popups are turned off
    # too: two pages of Chromium's own that every window loads, at half a second of a core.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,AvoidUnnecessaryBeforeUnloadCheckSync,"
    "DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,PaintHolding,"
    "ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,OptimizationHints,NetworkTimeServiceQuerying,"
    "AimEnabled,PreconnectToSearch",
]


AXE = Path(__file__).parents[2] / "console" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker that comes with the console's packages; skips where it is missing, fails in CI."""
    if not AXE.exists():
        if os.environ.get("CI"):
            pytest.fail("axe-core is not installed: make setup")
        pytest.skip("axe-core is not installed: make setup")
    return AXE.read_text("utf-8")


@dataclass
class Served:
    """A running city and its address."""

    city: City
    address: str


@contextmanager
def serving(city: City) -> Iterator[Served]:
    """The city served on loopback while its clock goes on; closed at the end."""
    ready, address = threading.Event(), []

    def listening(at: str) -> None:
        address.append(at)
        ready.set()

    running = server.Running(city, at_pace(city, speed=1.0), host="127.0.0.1", port=0, ready=listening)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        assert ready.wait(60)
        yield Served(city, address[0])
    finally:
        running.stop()
        thread.join(60)
        city.close()


@pytest.fixture(scope="module")
def served(two_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Beijing, 26 to 28 November 2015, nobody simulated: an open alert waits for people. The clock goes on."""
    with serving(again(two_days, tmp_path_factory.mktemp("browser") / "city", "2015-11-28")) as served:
        yield served


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; skips where it is missing, fails in CI."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(INSTALL)
        pytest.skip(INSTALL)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        if SLOW > 1:
            browser.on("context", lambda context: context.on("page", _slowed))
        yield browser
        browser.close()


# on a phone a table that stacks has each cell below the other, so that nothing hides at its side
FITS = """width => document.documentElement.scrollWidth <= width && (width > 640 ||
  [...document.querySelectorAll('.table.stacks')].every(one => one.scrollWidth <= one.clientWidth + 1
    && one.parentElement.scrollWidth <= one.parentElement.clientWidth + 1))"""


def fits(page: Page, width: int = 390) -> None:
    """Nothing is wider than so many pixels; charts and lists may take a moment after the window has changed."""
    page.wait_for_function(FITS, arg=width)


def _slowed(page: Page) -> None:
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOW})


OpenPage = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def open_page(chromium: Browser, served: Served, tmp_path: Path) -> OpenPage:
    """Opens a page as somebody; it fails the test when it asks anybody but loopback or an error is thrown in it."""

    @contextmanager
    def opened(
        username: str, path: str = "/", width: int = 1280, height: int = 800, language: str = "zh-CN"
    ) -> Iterator[Page]:
        strangers: list[str] = []
        thrown: list[str] = []

        def only_here(request: Request) -> None:
            if not request.url.startswith((served.address, "data:", "blob:")):
                strangers.append(request.url)  # nobody of that name is found: see FLAGS

        context: BrowserContext = chromium.new_context(viewport={"width": width, "height": height}, locale=language)
        context.on("request", only_here)
        signed_in = context.request.post(
            f"{served.address}/api/session", data={"username": username, "password": PASSWORD}
        )
        assert signed_in.ok  # test_axe and test_field go by the form
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: thrown.append(str(error)))
        page.goto(served.address + path)
        page.get_by_test_id("user-menu").wait_for()
        yield page
        context.close()
        assert not strangers and not thrown

    return opened
