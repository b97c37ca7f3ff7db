"""From an event on the wire to the alert in an open browser, while five thousand other events a second come in.

A real ``cityheart run`` listens for vehicle terminals (JT/T 808 over TCP). Two hundred connections of a process of their
own send 5,000 positions a second. Over one more connection a report with the emergency button pressed is sent now and
then, each of another vehicle, at moments that have nothing to do with the city's rhythm. The detector steps over all
rows. In Chromium the command page of a signed-in officer is open; the event has arrived when its row in the queue of
alerts has been painted. Both ends read the same machine's clock. There is no peer here.
``python -m bench.alert_latency [--events N] [--rate N]``
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from bench import _positions
from bench._harness import Measure, report
from cityheart.kernel.clock import SystemClock, stopwatch

CITYHEART = [sys.executable, "-m", "cityheart.cli"]
APP = Path(__file__).parent / "_alarms"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
CONNECTIONS = 200
FIRST = 500_000  # the number of the first vehicle with an emergency; those of the background stay below
GAP_SECONDS = (0.5, 1.5)
PATIENCE_SECONDS = 30.0
# Tells when each vehicle's row was on the screen: after the frame that shows it.
WATCH = """() => {
  window.seen = {};
  const look = () => {
    for (const row of document.querySelectorAll('[data-testid=alert-row]')) {
      const phone = row.textContent.match(/\\d{11,12}/)?.[0];
      if (phone && !(phone in window.seen)) {
        window.seen[phone] = null;
        requestAnimationFrame(() => setTimeout(() => { window.seen[phone] = Date.now(); }));
      }
    }
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true, characterData: true});
}"""


def made(home: Path) -> tuple[int, str]:
    """A city with the application: the port it will listen on for terminals, and its administrator's password."""
    said = subprocess.run([*CITYHEART, "init", str(home)], check=True, capture_output=True, text=True).stdout
    password = re.search(r"password (\S+)", said)
    assert password is not None, said
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    folder = home / "apps" / "alarms"
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = folder / "manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("PORT", str(port)), "utf-8")
    (folder / "contracts").mkdir()
    contract = json.dumps(_positions.CONTRACT_JSON, ensure_ascii=False)
    (folder / "contracts" / "transport_position.json").write_text(contract, "utf-8")
    return port, password[1]


@contextmanager
def running(home: Path) -> Iterator[str]:
    """The address of a city that runs in a process of its own."""
    command = [*CITYHEART, "run", str(home), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as city:
        try:
            assert city.stdout is not None
            found = next(found for line in city.stdout if (found := re.search(r"http://\S+", line)))
            yield found[0]
        finally:
            city.send_signal(signal.SIGINT)


@contextmanager
def background(port: int, rate: int, seconds: int) -> Iterator[None]:
    """Other vehicles, until the end of the block."""
    command = [sys.executable, "-m", "bench._terminals", str(port), str(CONNECTIONS), str(rate), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1]) as terminals:
        try:
            yield
            assert terminals.poll() is None, "the background ended too soon"
        finally:
            terminals.terminate()


def opened(page: Page, address: str, password: str) -> None:
    """The command page of somebody who has signed in."""
    page.goto(address)
    page.get_by_test_id("username").fill("admin")
    page.get_by_test_id("password").fill(password)
    page.get_by_test_id("login").click()
    page.get_by_test_id("user-menu").wait_for()
    page.goto(f"{address}/command")
    page.get_by_test_id("user-menu").wait_for()
    page.evaluate(WATCH)


def emergencies(port: int, first: int, count: int, page: Page) -> list[float]:
    """Press so many buttons; seconds from each to its row."""
    clock, dice, sent = SystemClock(), random.Random(1), {}
    terminal = socket.create_connection(("127.0.0.1", port))
    terminal.setblocking(False)
    for number in range(first, first + count):
        page.wait_for_timeout(dice.uniform(*GAP_SECONDS) * 1_000)
        at = clock.now()
        second = np.array([int(at.timestamp()) - _positions.START])
        (frame,) = _positions.frames(np.array([number]), second, np.array([number]), alarm=1)
        sent[f"{13_900_000_000 + number}"] = clock.now().timestamp()
        terminal.sendall(frame)
    ends = stopwatch() + PATIENCE_SECONDS
    while len(seen := {phone: at for phone, at in _seen(page).items() if phone in sent}) < count and stopwatch() < ends:
        page.wait_for_timeout(200)
    terminal.close()
    assert len(seen) == count, f"{count - len(seen)} of {count} alerts did not come within {PATIENCE_SECONDS:g} s"
    return [seen[phone] - at for phone, at in sent.items()]


def _seen(page: Page) -> dict[str, float]:
    found: dict[str, float | None] = page.evaluate("window.seen")
    return {phone.lstrip("0"): at / 1_000 for phone, at in found.items() if at is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--rate", type=int, default=5_000, help="positions a second beside them")
    asked = parser.parse_args()
    program = shutil.which("chromium")
    assert program is not None, "install Debian's chromium"
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder, sync_playwright() as playwright:
        home = Path(folder) / "city"
        port, password = made(home)
        with running(home) as address:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            opened(page, address, password)
            emergencies(port, FIRST - 2, 2, page)  # machine code is loaded
            with background(port, asked.rate, int(asked.events * 2 + 120)):
                time.sleep(5)
                taken = np.array(emergencies(port, FIRST, asked.events, page))
            browser.close()
    print(f"{asked.events} events: " + ", ".join(f"p{p} {np.percentile(taken, p):.2f} s" for p in (5, 50, 90, 99, 100)))
    where = f"event on the wire to alert on the screen, {asked.rate:,} other events/s"
    report(
        f"latency of alerts, {asked.events} events",
        [
            Measure(f"{where}, p50", "s", float(np.percentile(taken, 50)), target=1, aim="at most"),
            Measure(f"{where}, p99", "s", float(np.percentile(taken, 99)), target=3, aim="at most"),
        ],
    )


if __name__ == "__main__":
    main()
