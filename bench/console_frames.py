"""Frames of the console's map with many vehicles, in real Chromium without a graphics card (software GL).

The console's own layer (told positions once a second, as over the live channel, moved between them on the card) beside
MapLibre's circle layer, whose source is set anew for every frame because it cannot move points by itself. Both draw the
same vehicles on the same ground in the same browser, one after the other. "JS" is the CPU time of script in the page's
main thread, as Chromium counts it, by frame drawn. Where pixels are painted by the CPU few frames are drawn a second, and each
carries a larger part of what comes once a second.
Memory is the heap and the arrays outside it, after a collection, with the map.
``python -m bench.console_frames [--seconds N]``
"""

from __future__ import annotations

import argparse
import functools
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, CDPSession, sync_playwright

from bench._harness import Measure, report
from cityheart.kernel.clock import stopwatch
from hatch_build import install_packages, npm

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SIZES = ((1280, 720), (1920, 1080))
CASES = ((20_000, 6.0), (100_000, 8.0))  # points, and ms of script a frame that are aimed at
HEAP_MB = 40.0
PATIENCE_MS = 60_000
ROUNDS = 1


@dataclass(frozen=True)
class Seen:
    """One look at a page."""

    script: float  # ms of script a frame
    frames: float  # a second
    heap: float  # MB


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the benchmark prints its own lines."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder's files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def look(browser: Browser, address: str, how: str, points: int, size: tuple[int, int], seconds: float) -> Seen:
    """Let a page draw for some seconds."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    page.goto(f"{address}/frames.html?how={how}&n={points}")
    page.wait_for_function("window.counted?.ready", timeout=PATIENCE_MS, polling=200)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    drawn, before, begun = int(page.evaluate("counted.frames")), _metrics(devtools), stopwatch()
    page.wait_for_timeout(seconds * 1_000)
    drawn, after, taken = int(page.evaluate("counted.frames")) - drawn, _metrics(devtools), stopwatch() - begun
    devtools.send("HeapProfiler.collectGarbage")
    used = devtools.send("Runtime.getHeapUsage")
    page.close()
    assert not thrown, thrown
    assert drawn > 0, f"{how} drew nothing of {points} points in {seconds} s"
    return Seen(
        script=(after["ScriptDuration"] - before["ScriptDuration"]) * 1_000 / drawn,
        frames=drawn / (taken),
        heap=(used["usedSize"] + used.get("backingStorageSize", 0)) / 1e6,
    )


def _metrics(devtools: CDPSession) -> dict[str, float]:
    return {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}


def measured(address: str, seconds: float) -> Iterator[Measure]:
    """All cases, the two ways in turn."""
    program = shutil.which("chromium")
    assert program is not None, "install Debian's chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        look(browser, address, "own", 1_000, SIZES[0], 2)  # programs are compiled
        for points, aim in CASES:
            for size in SIZES:
                looks: dict[str, list[Seen]] = {"own": [], "circle": []}
                for _ in range(ROUNDS):
                    for how, seen in looks.items():
                        seen.append(look(browser, address, how, points, size, seconds))
                where = f"{points:,} points that move, {size[0]}×{size[1]}"
                mine, peer = (
                    {name: median(getattr(one, name) for one in seen) for name in ("script", "frames", "heap")}
                    for seen in looks.values()
                )
                beside = "circle layer, setData"
                yield Measure(
                    f"{where}: JS a frame", "ms", mine["script"], peer["script"], aim, "at most", beside=beside
                )
                yield Measure(
                    f"{where}: frames drawn", "/s", mine["frames"], peer["frames"], smaller_is_better=False,
                    beside=beside,
                )  # fmt: skip
                heap = HEAP_MB if points == 100_000 else None
                yield Measure(f"{where}: heap", "MB", mine["heap"], peer["heap"], heap, "at most", beside=beside)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each page is looked at")
    seconds = parser.parse_args().seconds
    install_packages()
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
        npm(
            "exec", "--", "vite", "build", "--config", "bench/vite.config.ts", "--outDir", folder, "--logLevel", "error"
        )
        with served(Path(folder)) as address:
            report(
                "frames of the map, software GL",
                measured(address, seconds),
                notes=["the circle layer is given its points anew for every frame; it cannot move them by itself"],
            )


if __name__ == "__main__":
    main()
