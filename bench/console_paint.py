"""How soon the console shows something, and how many bytes it is, in real Chromium on the machine that serves it.

A city with the air application runs in a process of its own. Every load is cold: a browser context of its own, nothing
in its cache. First paint is the browser's own first contentful paint, from the navigation on: of the page that asks
for a name, and of the command page of somebody who is signed in. Beside it the time until the queue of alerts is there
with its answer, and until the map stands still. Bytes are those of the script a page needs, compressed, after the
manifest of the build: the shell, a field officer's page, the command page with map, worker and charts.
``python -m bench.console_paint [--loads N]``
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

from bench._harness import Measure, report
from cityheart.kernel.clock import stopwatch

CITYHEART = [sys.executable, "-m", "cityheart.cli"]
STATIC = Path(__file__).parents[1] / "src" / "cityheart" / "console" / "static"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PAGES = {  # name: where it begins in the manifest, kB that are aimed at
    "shell": (None, 150),
    "field officer's page": ("src/field/FieldApp.tsx", 200),
    "command page with map, worker and charts": ("src/pages/Command.tsx", 750),
}
PAINTED = """() => new Promise(done => {
  const found = () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
  if (found() !== undefined) return done(found());
  new PerformanceObserver(() => found() !== undefined && done(found())).observe({type: 'paint', buffered: true});
})"""


@contextmanager
def running(home: Path) -> Iterator[tuple[str, str]]:
    """A new city that runs: its address, and its administrator's password."""
    made = subprocess.run(
        [*CITYHEART, "init", str(home), "--like", "air"], check=True, capture_output=True, text=True
    ).stdout
    (home / "inbox" / "air").mkdir(parents=True, exist_ok=True)
    password = made.split("password ")[1].split()[0]
    command = [*CITYHEART, "run", str(home), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as city:
        try:
            assert city.stdout is not None
            line = next(line for line in city.stdout if "http://" in line)
            yield line[line.index("http://") :].split()[0], password
        finally:
            city.send_signal(signal.SIGINT)


@contextmanager
def cold(browser: Browser, address: str, password: str | None) -> Iterator[Page]:
    """A page of a browser that has never been here; with a password, of somebody who is signed in."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    if password is not None:
        signed = context.request.post(f"{address}/api/session", data={"username": "admin", "password": password})
        assert signed.ok, signed.text()
    yield context.new_page()
    context.close()


def loads(browser: Browser, address: str, password: str, count: int) -> dict[str, list[float]]:
    """Seconds of so many cold loads, by what was waited for."""
    taken: dict[str, list[float]] = {}
    for number in range(count + 1):  # the first is not counted: the browser itself is cold
        with cold(browser, address, None) as page:
            page.goto(address, wait_until="commit")
            found = {"page that asks for a name: first paint": page.evaluate(PAINTED) / 1_000}
            page.get_by_test_id("login").wait_for()
        with cold(browser, address, password) as page:
            begun = stopwatch()
            page.goto(f"{address}/command", wait_until="commit")
            found["command page: first paint"] = page.evaluate(PAINTED) / 1_000
            page.locator("[data-testid=alert-row], .queue-empty, .state").first.wait_for()
            found["command page: the queue is there"] = stopwatch() - begun
            page.locator("[data-testid=map][data-ready=true]").wait_for(timeout=60_000)
            found["command page: the map stands still"] = stopwatch() - begun
        if number:
            for name, seconds in found.items():
                taken.setdefault(name, []).append(seconds)
    return taken


def kilobytes(manifest: Mapping[str, Mapping[str, object]], start: str | None) -> float:
    """Compressed kB of the script of the shell, and of a page with all that it may load later."""
    files: set[str] = set()

    def take(name: str, lazy: bool) -> None:
        chunk = manifest[name]
        if chunk["file"] in files:
            return
        files.add(str(chunk["file"]))
        files.update(asset for asset in _names(chunk, "assets") if asset.endswith(".js"))
        for other in _names(chunk, "imports") + (_names(chunk, "dynamicImports") if lazy else []):
            take(other, lazy)

    take("index.html", False)
    if start is not None:
        take(start, True)
    return sum(len(gzip.compress((STATIC / file).read_bytes())) for file in files) / 1_000


def _names(chunk: Mapping[str, object], what: str) -> list[str]:
    named = chunk.get(what, [])
    assert isinstance(named, list)
    return named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=9)
    count = parser.parse_args().loads
    program = shutil.which("chromium")
    assert program is not None, "install Debian's chromium"
    with (
        tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder,
        sync_playwright() as playwright,
        running(Path(folder) / "city") as (address, password),
    ):
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        taken = loads(browser, address, password, count)
        browser.close()
    manifest = json.loads((STATIC / ".vite" / "manifest.json").read_text("utf-8"))
    report(
        f"the console's first paint, {count} cold loads, software GL",
        [
            *(
                Measure(name, "s", median(seconds), target=1 if "first paint" in name else None, aim="at most")
                for name, seconds in taken.items()
            ),
            *(
                Measure(
                    f"script of the {name}, compressed", "kB", kilobytes(manifest, start), target=aim, aim="at most"
                )
                for name, (start, aim) in PAGES.items()
            ),
        ],
    )


if __name__ == "__main__":
    main()
