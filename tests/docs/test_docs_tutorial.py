"""The tutorial and the how-to pages are carried out: commands run, files are those of examples/, answers are as shown."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from cityheart import cli
from cityheart.city import City
from cityheart.command import plan as plan_language
from cityheart.command.models import ROLE_TITLES
from cityheart.kernel.clock import VirtualClock
from cityheart.web.app import create_app

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "first-alert.md"
HOW_TO = ROOT / "docs" / "how-to"
EXAMPLE = ROOT / "examples" / "hydrants"
MORNING = datetime(2026, 11, 23, 1, 0, 30, tzinfo=UTC)
ANYTHING = "…"


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    language: str
    body: str


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The blocks of a page, in order."""
    found = [
        Block(*pair) for pair in re.findall(r"^```(\w+)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    ]
    return [block for block in found if language in (None, block.language)]


# ── the tutorial, carried out ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Reader:
    """Somebody who types the tutorial: into a shell, with a city whose clock is moved on after every command."""

    folder: Path
    chdir: Callable[[Path], None]
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(MORNING))
    city: City | None = None
    browser: TestClient | None = None
    password: str = ""
    said: str = ""

    def type(self, line: str) -> None:
        """Carry out one line and let two minutes of the city pass."""
        words = shlex.split(line)
        match words[0]:
            case "make" | "export":
                return
            case "cd":
                self.folder /= words[1]
                self.chdir(self.folder)
            case "cityheart" if words[1] == "run":
                self.close()
                self.city = City.open(self.folder / words[2], self.clock)
                self.browser = TestClient(create_app(self.city), cookies=self.browser and self.browser.cookies)
                self.said = "CityHeart listens on http://127.0.0.1:8460 (Ctrl-C stops it)\n"
            case "cityheart":
                self._command(words[1:])
            case "curl":
                self._ask(words[1:])
            case _:
                subprocess.run(["bash", "-ec", line], cwd=self.folder, check=True)
        for _ in range(2):
            if self.city is not None:
                self.clock.advance_to(self.clock.now() + timedelta(minutes=1))
                self.city.beat()

    def _command(self, words: list[str]) -> None:
        ended = CliRunner().invoke(cli.app, words, catch_exceptions=False, env={"COLUMNS": "400"})
        assert ended.exit_code == 0, ended.output
        self.said = ended.output
        if (shown := re.search(r"admin with the password (\S+)", ended.output)) is not None:
            self.password = shown[1]

    def _ask(self, words: list[str]) -> None:
        assert self.browser is not None
        options = {"-b": "", "-c": "", "-H": "", "-d": None}
        address = ""
        while words:
            word = words.pop(0)
            if word in options:
                options[word] = words.pop(0)
            else:
                address = word
        path = address.removeprefix("http://127.0.0.1:8460")
        assert path != address, f"{address} is not the city's address"
        body = options["-d"]
        if body is None:
            answer = self.browser.get(path)
        else:
            name, _, value = str(options["-H"]).partition(": ")
            content = body.replace("PASSWORD", self.password).encode()
            answer = self.browser.post(path, content=content, headers={name: value})
        assert answer.status_code == 200, answer.text
        self.said = answer.text

    def close(self) -> None:
        """Stop the city."""
        if self.city is not None:
            self.city.close()
        self.city = None


def holds(shown: Any, said: Any) -> bool:
    """Whether ``said`` holds what the page shows: every member shown, an item of its own for each item."""
    if shown == ANYTHING:
        return True
    if isinstance(shown, Mapping):
        return isinstance(said, Mapping) and all(name in said and holds(shown[name], said[name]) for name in shown)
    if isinstance(shown, list):
        left = list(said) if isinstance(said, list) else []
        for item in shown:
            found = next((index for index, other in enumerate(left) if holds(item, other)), None)
            if found is None:
                return False
            del left[found]
        return not left
    return bool(shown == said)


def check_lines(shown: str, said: str) -> None:
    """Every line shown is there in what was said; … stands for anything."""
    flat = re.sub(r"\s+", " ", said)
    for line in shown.splitlines():
        pattern = ".*?".join(map(re.escape, re.sub(r"\s+", " ", line).split(ANYTHING)))
        assert re.search(pattern, flat), f"the page shows {line!r}; there is {said!r}"


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader in a folder that holds the examples and nothing else."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path, monkeypatch.chdir)
    yield reader
    reader.close()


def test_the_tutorial_does_what_it_says(reader: Reader) -> None:
    checked = 0
    for block in blocks(TUTORIAL):
        match block.language:
            case "sh":
                for line in block.body.splitlines():
                    reader.type(line)
            case "text":
                check_lines(block.body, reader.said)
                checked += 1
            case "json" if '"schema"' not in block.body:
                shown = json.loads(block.body.replace(ANYTHING, f'"{ANYTHING}"'))
                assert holds(shown, json.loads(reader.said)), reader.said
                checked += 1
    assert checked >= 8
    ended = CliRunner().invoke(
        cli.app, [*"backtest . hydrants.low_pressure --from 2026-11-23 --to 2026-11-24 --json --set least=0.30".split()]
    )
    told = json.loads(ended.output)
    assert len({alert["subject"]["id"] for alert in told["alerts"]}) == 5


def test_the_task_of_the_tutorial_can_be_done_by_one_person(reader: Reader) -> None:
    """What the page tells a reader to click: acknowledge, start the plan, accept, submit, verify."""
    for line in ("cityheart init mycity", "cd mycity", "mkdir -p inbox/hydrants apps/hydrants",
                 "cp -r ../examples/hydrants/. apps/hydrants/", "cityheart run .",
                 "cp apps/hydrants/rounds/east.csv inbox/hydrants/"):  # fmt: skip
        reader.type(line)
    browser = reader.browser
    assert browser is not None
    browser.post("/api/session", json={"username": "admin", "password": reader.password})
    alert = browser.get("/api/alerts").json()["items"][0]
    assert browser.post(f"/api/alerts/{alert['id']}/acknowledge", json={"command_id": "click-0001"}).json()["issued_at"]
    (suggested,) = browser.get(f"/api/alerts/{alert['id']}/suggestion").json()["plans"]
    order = {"command_id": "click-0002", "plan": suggested["digest"]}
    incident = browser.post(f"/api/alerts/{alert['id']}/dispatch", json=order).json()["incident_id"]
    (task,) = browser.get("/api/tasks").json()["items"]
    for number, (verb, said) in enumerate((("accept", {}), ("submit", {"note": "0.29 MPa"}), ("verify", {}))):
        done = browser.post(f"/api/tasks/{task['id']}/{verb}", json={"command_id": f"act-000{number}", **said})
        assert done.status_code == 200, done.text
    assert browser.get(f"/api/incidents/{incident}").json()["state"] == "open"
    reader.type("cp apps/hydrants/rounds/east-later.csv inbox/hydrants/")
    assert browser.get(f"/api/incidents/{incident}").json()["state"] == "closed"


@pytest.mark.parametrize(
    "file", sorted(path for path in EXAMPLE.rglob("*") if path.is_file()), ids=lambda path: path.name
)
def test_the_page_shows_the_example_files(file: Path) -> None:
    raw = file.read_bytes()
    encoding = "gb18030" if file.name.startswith("west") else "utf-8"
    text = raw.decode(encoding)
    name = file.relative_to(EXAMPLE).as_posix()
    assert text in [block.body for block in blocks(TUTORIAL)], f"docs/tutorial shows something else than {name}"


def test_the_western_file_is_not_utf_8() -> None:
    with pytest.raises(UnicodeDecodeError):
        (EXAMPLE / "rounds" / "west.csv").read_text("utf-8")
