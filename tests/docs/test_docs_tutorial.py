"""The tutorial and the how-to pages are carried out: commands run, files are those of examples/, answers are as shown."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from cityheart import city, cli
from cityheart.city import City
from cityheart.command import plan as plan_language
from cityheart.engine.keyed import State, run_keyed
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.errors import Invalid
from cityheart.kernel.hooks import plugins
from cityheart.report import write_report
from cityheart.sdk import Survey
from cityheart.sdk.manifest import Manifest
from cityheart.web.app import create_app

from ..played import day, played

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
    monkeypatch.setattr(city, "SystemClock", lambda: reader.clock)
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
    (asked,) = (line for block in blocks(TUTORIAL, "sh") for line in block.body.splitlines() if " backtest " in line)
    told = json.loads(CliRunner().invoke(cli.app, [*shlex.split(asked)[1:], "--json"]).output)
    assert len({alert["subject"]["id"] for alert in told["alerts"]}) == 5


def test_the_task_of_the_tutorial_can_be_done_by_one_person(reader: Reader) -> None:
    """What the page tells a reader to click: acknowledge, start the plan, accept, submit, verify."""
    for line in ("cityheart init mycity", "cd mycity", "mkdir -p apps/hydrants",
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


# ── how to write a plan ────────────────────────────────────────────────────────────────────────────────────────────

PLAN_PAGE = HOW_TO / "write-a-plan.md"


def test_the_plans_of_the_page_compile_and_show_every_key() -> None:
    first, second = blocks(PLAN_PAGE, "yaml")
    plain = plan_language.compile(first.body, {"water", "emergency", "education"})
    assert [step.id for step in plain.steps] == ["warn", "close-gates", "close-schools"]
    whole = plan_language.compile(
        second.body,
        {"gas", "rescue", "east", "west", "water", "emergency", "education"},
        tables=lambda name, digest: plan_language.Table("0" * 64, ("reading",), ("danger", "owner")),
        plans=lambda name, version: plain,
    )
    assert whole.variables == {"ppm", "danger", "owner", "closed"} and set(whole.calls) == {"all-clear"}
    written = [yaml.safe_load(block.body) for block in (first, second)]
    steps = [step for each in written for step in each["steps"]]
    known = _known({**written[0], "nonsense": 1})
    for does in ("task", "message", "decide", "wait"):
        known |= _known({**written[0], "steps": [{**written[0]["steps"][0], "does": does, "nonsense": 1}]})
    known |= {"call"}
    shown = {key for each in written for key in each} | {key for step in steps for key in step}
    assert shown == known - {"calls", "drawn", "decision", "outputs"}, "all but what is filled in"
    named = set(
        re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", PLAN_PAGE.read_text("utf-8"), re.MULTILINE)))
    )
    assert named == known


def _known(plan: Mapping[str, Any]) -> set[str]:
    """The keys that the compiler knows where it met one that it does not."""
    with pytest.raises(Invalid) as refused:
        plan_language.compile(plan)
    return set(re.findall(r"\w+", str(refused.value.remedy).removeprefix("fields are ")))


def test_the_conditions_of_the_page_can_be_read() -> None:
    written = yaml.safe_load(blocks(PLAN_PAGE, "yaml")[0].body)
    (conditions,) = blocks(PLAN_PAGE, "text")
    for condition in conditions.body.splitlines():
        plan_language.compile({**written, "steps": [{**written["steps"][0], "when": condition}]})
    for length in ("PT30M", "PT3H", "P2D", "P1W", "P1DT12H"):
        assert f"`{length}`" in PLAN_PAGE.read_text("utf-8")
        plan_language.compile({**written, "steps": [{**written["steps"][0], "accept_within": "PT1S", "due": length}]})


# ── how to write a keyed detector ──────────────────────────────────────────────────────────────────────────────────


def test_the_keyed_detector_of_the_page_finds_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = blocks(HOW_TO / "write-a-keyed-detector.md", "python")
    (tmp_path / "falling_hydrants.py").write_text(block.body, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    detector = __import__("falling_hydrants").Falling()
    pressures = [0.31, 0.30, None, 0.28, 0.27, 0.26, 0.29, 0.28]
    known = [MORNING + timedelta(days=number) for number in range(len(pressures))]
    rows = pa.table({
        "hydrant": ["E-001"] * len(pressures),
        "street": ["Nanmen Street"] * len(pressures),
        "pressure": pressures,
        "landed_at": pa.array(known, pa.timestamp("us", "UTC")),
        "_known_at": pa.array(known, pa.timestamp("us", "UTC")),
    })  # fmt: skip
    at_once = run_keyed(detector, {}, rows, time="landed_at").findings
    states: dict[str, State] = {}
    one_by_one = []
    for number in range(rows.num_rows):
        ran = run_keyed(detector, states, rows.slice(number, 1), time="landed_at")
        states.update(ran.states)
        one_by_one += ran.findings
    assert [(finding.level, finding.at) for finding in at_once] == [(4, known[4]), (None, known[6])]
    assert one_by_one == at_once


def test_the_survey_of_the_page_sees_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = blocks(HOW_TO / "write-a-survey.md", "python")
    (tmp_path / "leaking_hydrants.py").write_text(block.body, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (survey,) = __import__("leaking_hydrants").detectors()
    assert isinstance(survey, Survey)
    tables = {
        "hydrants": pa.table({
            "hydrant": ["E-001", "E-001", "E-002", "E-003"],
            "street": ["Nanmen Street", "Nanmen Street", "Renmin Road", "Renmin Road"],
            "pressure": [0.9, 1.8, 1.2, 1.7],
            "measured_at": pa.array([MORNING + timedelta(hours=n) for n in range(4)], pa.timestamp("us", "UTC")),
        }),
        "works": pa.table({"street": pa.array([], pa.string())}),
    }  # fmt: skip

    class Shown:
        now, rows = MORNING + timedelta(days=1), staticmethod(tables.__getitem__)

    assert [(seen.subject.id, seen.start) for seen in survey.look(Shown())] == [("E-002", MORNING + timedelta(hours=2))]
    tables["works"] = pa.table({"street": ["Renmin Road"]})
    assert survey.look(Shown()) == []
    assert {name for each in survey.inputs.values() for name in each.columns} <= set(tables["hydrants"].column_names)


# ── how to connect a source, replay quarantine, use PostgreSQL ─────────────────────────────────────────────────────

SOURCES_PAGE = HOW_TO / "connect-a-source.md"


def test_the_sources_of_the_page_are_taken() -> None:
    kinds = {kind.name: kind for kind in plugins().connectors()}
    shown = []
    for block in blocks(SOURCES_PAGE, "toml"):
        app = {"id": "page", "version": "1", "title": BOTH, "description": BOTH}
        manifest = Manifest.model_validate({**tomllib.loads(block.body), "app": app})
        for source in manifest.sources:
            assert kinds[source.connector].problems(source.options) == []
            shown.append(source.connector)
    assert set(shown) == set(kinds) - {"push"}


BOTH = {"zh-CN": "页", "en": "page"}


@pytest.mark.parametrize(("kind", "title"), [("folder", "A folder"), ("sql", "An SQL"), ("http", "An HTTP")])
def test_every_option_of_a_connector_is_on_the_page(kind: str, title: str) -> None:
    options = next(each for each in plugins().connectors() if each.name == kind).options
    section = SOURCES_PAGE.read_text("utf-8").partition(f"## {title}")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(options)


def test_every_reason_of_quarantine_is_on_the_page() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "src/cityheart/share").rglob("*.py"))
    written = set(re.findall(r'Refused\(\s*"([a-z_]+)"', code))
    written |= set(re.findall(r'Malformed\([^",]*,\s*"([a-z_]+)"', code))
    written |= set(re.findall(r'found\.add\([^"]*?"([a-z_]+)"', code))
    assert {"type", "missing_column", "ragged_row"} <= written
    page = (HOW_TO / "replay-quarantine.md").read_text("utf-8")
    assert sorted(name for name in written if f"`{name}`" not in page) == []


def test_a_city_on_postgresql_is_made_as_the_page_says(tmp_path: Path, postgres_database: str) -> None:
    page = HOW_TO / "run-on-postgresql.md"
    (line,) = (block.body.strip() for block in blocks(page, "sh") if " init " in block.body)
    words = shlex.split(line)[1:]
    words[words.index("--database") + 1] = postgres_database
    home = tmp_path / words[1]
    made = CliRunner().invoke(cli.app, [words[0], str(home), *words[2:]], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    assert tomllib.loads((home / "cityheart.toml").read_text("utf-8"))["database_url"] == postgres_database
    looked = CliRunner().invoke(cli.app, ["doctor", str(home)], env={"COLUMNS": "400"}, catch_exceptions=False)
    assert "answers, schema is the newest" in re.sub(r"[\s│]+", " ", looked.output)
    assert not list(home.glob("*.sqlite"))


# ── how to read the report ─────────────────────────────────────────────────────────────────────────────────────────

MAPS = {
    "by_state": "STATE",
    "late_by_department": "DEPARTMENT",
    "weights": "RATE",
    "rates": "RATE",
    "quarantine": "CODE",
}


def fields(value: Any, at: str = "", within: str = "") -> Iterator[str]:
    """The dotted paths of a report: [] for lists, capital words for keys that are data, a text as one field."""
    if isinstance(value, Mapping) and set(value) != {"zh-CN", "en"} and value:
        for key, inner in value.items():
            if within == "by_department":
                yield from fields(inner, f"{at}.DEPARTMENT", "by_state")
            elif within == "tasks" and at.startswith("runs"):
                yield f"{at}.STATE"
            else:
                name = MAPS.get(within, key)
                yield from fields(inner, f"{at}.{name}" if at else name, key)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for inner in value:
            yield from fields(inner, f"{at}[]")
    else:
        yield at


def test_every_field_of_a_report_is_on_the_page_and_every_moment_written_alike(tmp_path: Path) -> None:
    since, until = "2015-11-26", "2015-12-02"
    city = played(tmp_path / "city", since, until, staff=True, people=False)
    write_report(city, tmp_path / "r.json", since=day(since), until=day(until), seconds=1, memory=1)
    city.close()
    written = (tmp_path / "r.json").read_text("utf-8")
    assert re.search(r'"reached_at": "2015-11-29T\d\d:05:00.000000Z"', written)
    assert re.findall(r'"\d{4}-\d\d-\d\dT[^"]*[^"Z]"', written) == []
    there = set(fields(json.loads(written)))
    rows = re.findall(r"^\| (`.*?) \|", (HOW_TO / "read-the-report.md").read_text("utf-8"), re.MULTILINE)
    page = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert sorted(there - {name.replace("[]", "") for name in page} - page) == []
    assert (
        sorted(name for name in page - there if not name.startswith(("judged.", "quarantine.")) and name not in LISTS)
        == []
    )


LISTS = {"alerts[].acknowledged_by"}


# ── what the README states ─────────────────────────────────────────────────────────────────────────────────────────


def tables(page: Path) -> list[str]:
    """The tables of a page as text."""
    return re.findall(r"(?:^\|.*\n)+", page.read_text("utf-8"), re.MULTILINE)


def test_the_readme_states_the_figures_of_the_pages_that_measure() -> None:
    stated = tables(ROOT / "README.md")
    judged = tables(ROOT / "src" / "cityheart" / "apps" / "air" / "README.md")
    wanted = [table for table in judged if table.startswith(("| episode", "| days"))]
    assert len(wanted) == 3
    for table in (*wanted, tables(ROOT / "docs" / "benchmarks.md")[0]):
        assert table in stated


def test_every_benchmark_is_on_the_page() -> None:
    there = {path.stem for path in (ROOT / "bench").glob("*.py") if not path.stem.startswith("_")}
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == there
