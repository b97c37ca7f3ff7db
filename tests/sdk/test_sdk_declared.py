"""Declared pages: what is asked of the reader, what each kind of section holds, who may see it, and forms that are sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from cityheart.command.service import Command
from cityheart.engine.lake import Lake
from cityheart.entities.service import Entities
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Problem, TooLarge, Unavailable
from cityheart.kernel.events import read as read_events
from cityheart.sdk import App, load
from cityheart.sdk.api import router
from cityheart.sdk.content import checked
from cityheart.sdk.page import Section
from cityheart.sdk.pages import Pages
from cityheart.sdk.showing import Parts
from cityheart.share.service import Share
from cityheart.watch.service import Watch
from cityheart.web.app import _problem

from . import village

START = datetime(2015, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

PAGES = """
[[pages]]
id = "village.noise"
title = {"zh-CN" = "噪声", en = "Noise"}
order = 2
refresh = "PT1M"

[[pages.parameters]]
name = "least"
title = {"zh-CN" = "至少", en = "At least"}
kind = "number"
default = 50
minimum = 0

[[pages.parameters]]
name = "station"
title = {"zh-CN" = "站", en = "Station"}
kind = "select"
sql = "SELECT DISTINCT station AS value, station AS label FROM noise ORDER BY label"

[[pages.parameters]]
name = "month"
title = {"zh-CN" = "月", en = "Month"}
kind = "month"
default = "last"

[[pages.parameters]]
name = "day"
title = {"zh-CN" = "日", en = "Day"}
kind = "date"

[[pages.sections]]
id = "rows"
title = {"zh-CN" = "表", en = "Rows"}
kind = "table"
window = "P1D"
sql = "SELECT station, observed_at, level FROM noise WHERE level >= $least AND station = $station ORDER BY observed_at"
columns = [
  {name = "station", title = {zh-CN = "站", en = "S"}, link = {to = "page", page = "village.noise", set = {station = "station"}}},
  {name = "observed_at", title = {"zh-CN" = "时", en = "Time"}, kind = "time"},
  {name = "level", title = {"zh-CN" = "级", en = "Level"}, unit = "dB"},
]

[[pages.sections]]
id = "facts"
title = {"zh-CN" = "要点", en = "Facts"}
kind = "facts"
window = "P1D"
sql = "SELECT max(level) AS level, max(observed_at) AS at FROM noise"
columns = [{name = "level", title = {"zh-CN" = "最高", en = "Highest"}, unit = "dB", dataset = "noise", at = "at"}]

[[pages.sections]]
id = "line"
title = {"zh-CN" = "线", en = "Line"}
kind = "series"
window = "P1D"
sql = "SELECT observed_at, level FROM noise WHERE station = $station"
x = "observed_at"
unit = "dB"
lines = [{column = "level", name = {"zh-CN" = "级", en = "Level"}}]
thresholds = [{name = {"zh-CN" = "限", en = "Limit"}, value = 70}]

[[pages.sections]]
id = "bars"
title = {"zh-CN" = "条", en = "Bars"}
kind = "bar"
window = "P1D"
sql = "SELECT station, avg(level) AS level FROM noise GROUP BY station ORDER BY station"
x = "station"
value = "level"
unit = "dB"

[[pages.sections]]
id = "map"
title = {"zh-CN" = "图", en = "Map"}
kind = "map"
window = "P1D"
sql = "SELECT DISTINCT station AS key, lon, lat FROM noise"

[[pages.sections]]
id = "secret"
title = {"zh-CN" = "秘", en = "Secret"}
kind = "table"
window = "P1D"
sql = "WITH s AS (SELECT * FROM \\"secret\\") SELECT n.station, s.level FROM noise n, s"
columns = [{name = "level", title = {"zh-CN" = "级", en = "Level"}}]

[[pages.sections]]
id = "function"
title = {"zh-CN" = "函", en = "Function"}
kind = "group"
entry = "sections:both"

[[pages.sections]]
id = "stages"
title = {"zh-CN" = "段", en = "Stages"}
kind = "stages"
stages = [{id = "one", title = {"zh-CN" = "一", en = "One"}}, {id = "two", title = {"zh-CN" = "二", en = "Two"}}]
systems = [{title = {"zh-CN" = "仪", en = "Meters"}, department = "ecology", stages = ["two"], sources = ["ecology.noise"]}]

[[pages.sections]]
id = "broken"
title = {"zh-CN" = "坏", en = "Broken"}
kind = "table"
entry = "sections:broken"

[[pages.sections]]
id = "words"
title = {"zh-CN" = "字", en = "Words"}
kind = "text"
text = {"zh-CN" = "好", en = "Good"}

[[pages.sections]]
id = "heard"
title = {"zh-CN" = "听到", en = "Heard"}
kind = "form"
act = {department = "ecology", button = {"zh-CN" = "记", en = "Send"}, done = {"zh-CN" = "已记", en = "Sent"}}

[pages.sections.form]
type = "object"
required = ["what"]
additionalProperties = false
properties = {what = {type = "string", minLength = 3}}

[[pages.sections]]
id = "records"
title = {"zh-CN" = "记录", en = "Records"}
kind = "table"
entry = "sections:records"

[[pages]]
id = "village.chosen"
title = {"zh-CN" = "选", en = "Chosen"}
order = 1

[[pages.parameters]]
name = "secret"
title = {"zh-CN" = "秘", en = "Secret"}
kind = "select"
sql = "SELECT station AS value, station AS label FROM secret"
required = true

[[pages.sections]]
id = "words"
title = {"zh-CN" = "字", en = "Words"}
kind = "text"
text = {"zh-CN" = "好", en = "Good"}

[[layers]]
id = "village.secret"
title = {"zh-CN" = "秘", en = "Secret"}
dataset = "secret"
key = "station"
value = "level"
unit = "dB"
"""

SECTIONS = """
from datetime import timedelta

DAY = timedelta(days=1)

def both(read, now, given):
    parts = [{"title": None, "content": {"type": "text", "text": {"zh-CN": "一", "en": given["station"]}}}]
    if read.may("secret"):
        rows = read.rows("secret", window=DAY, columns=["level"])
        table = {"type": "table", "columns": [{"name": "n", "title": {"zh-CN": "数", "en": "n"}}], "rows": [[rows.num_rows]]}
        parts.append({"title": None, "content": table})
    return {"type": "group", "parts": parts}

def broken(read, now, given):
    return {}["nothing"]

def records(read, now, given):
    column = {"name": "what", "title": {"zh-CN": "何", "en": "What"}}
    rows = [[one["values"]["what"]] for one in read.records("village.noise/heard")]
    return {"type": "table", "columns": [column], "rows": rows}
"""


def declared(folder: Path) -> Path:
    """The village with pages, and a second dataset that is shared on conditions."""
    village.write(folder)
    manifest = folder / "manifest.toml"
    text = manifest.read_text("utf-8").replace("noise.json", 'noise.json", "contracts/secret.json', 1)
    manifest.write_text(text + PAGES, "utf-8")
    secret = json.loads(json.dumps(village.CONTRACT)) | {"name": "secret"}
    secret["cityheart"] |= {"sharing": 2, "conditions": {"zh-CN": "履职", "en": "duties"}}
    (folder / "contracts/secret.json").write_text(json.dumps(secret), "utf-8")
    (folder / "sections.py").write_text(SECTIONS, "utf-8")
    return folder


@pytest.fixture
def app(tmp_path: Path) -> App:
    return load(declared(tmp_path / "village"))


@pytest.fixture
def pages(app: App, database: Database, clock: VirtualClock, tmp_path: Path) -> Pages:
    lake = Lake(tmp_path / "lake")
    share = Share(database, lake, home=tmp_path)
    share.register(app.departments, app.datasets, app.sources)
    key = b"k" * 32
    entities = Entities(database, lake, share, key=lambda: key, zone="Asia/Shanghai", home=tmp_path, city="村")
    watch = Watch(database, lake, share, zone="Asia/Shanghai")
    parts = Parts(database, share, entities, watch, Command(database, tmp_path / "files"))
    for name in ("noise", "secret"):
        rows = [
            {
                "station": station,
                "observed_at": START + hour * HOUR,
                "level": base + hour,
                "source": "m",
                "lon": 116.5,
                "lat": 39.9,
            }
            for station, base in (("east", 50.0), ("west", 40.0))
            for hour in range(4)
        ]
        table = pa.Table.from_pylist(rows, schema=lake.spec(name).schema)
        known = pa.array([row["observed_at"] + HOUR for row in rows], pa.timestamp("us", "UTC"))  # type: ignore[operator]
        table = table.append_column("_known_at", known)
        for column in ("_source", "_batch"):
            table = table.append_column(column, pa.array(["x"] * len(rows)))
        lake.append(name, table)
    clock.advance_to(START + 6 * HOUR)
    return Pages(lake, [app], clock, parts, zone="Asia/Shanghai", home=tmp_path)


def content(pages: Pages, actor: Actor, section: str, at: datetime | None = None, **given: str) -> Any:
    return pages.showing.section(actor, "village.noise", section, given, at)["content"]


def told(database: Database, type: str) -> list[Mapping[str, object]]:
    with database.read() as conn:
        return [one.data for one in read_events(conn) if one.type == type]


def test_pages_are_listed_in_their_order_with_values_and_choices(pages: Pages, officer: Actor) -> None:
    assert [one["id"] for one in pages.showing.listed(officer)] == ["village.chosen", "village.noise"]
    page: Any = pages.showing.page(officer, "village.noise", {"least": "51"})
    assert page["values"] == {"least": 51.0, "station": "east", "month": "2015-10", "day": None}
    assert [one["value"] for one in page["parameters"][1]["options"]] == ["east", "west"]
    assert page["parameters"][0]["schema"] == {"type": "number", "minimum": 0.0}
    assert (page["refresh_seconds"], len(page["sections"])) == (60.0, 12)


def test_what_cannot_be_is_refused(pages: Pages, officer: Actor) -> None:
    for given, says in (
        ({"colour": "red"}, "no parameter colour"),
        ({"least": "loud"}, "least = loud"),
        ({"least": "-1"}, "least = -1"),
        ({"month": "2015-13"}, "month = 2015-13"),
        ({"day": "2015-02-30"}, "day"),
        ({"station": "x" * 201}, "station"),
    ):
        with pytest.raises(Invalid, match=says):
            pages.showing.page(officer, "village.noise", given)
        with pytest.raises(Invalid, match=says):
            pages.showing.section(officer, "village.noise", "words", given)


def test_sections_hold_what_was_known(pages: Pages, officer: Actor) -> None:
    assert [row[2] for row in content(pages, officer, "rows")["rows"]] == [50.0, 51.0, 52.0, 53.0]
    assert [row[2] for row in content(pages, officer, "rows", least="52.5")["rows"]] == [53.0]
    assert content(pages, officer, "rows", station="' OR 1=1 --")["rows"] == []
    then = START + timedelta(hours=2, minutes=30)
    assert [row[2] for row in content(pages, officer, "rows", then)["rows"]] == [50.0, 51.0]
    fact = content(pages, officer, "facts")["items"][0]
    assert (fact["value"], fact["dataset"], fact["at"]) == (53.0, "noise", "2015-11-01T03:00:00Z")
    line = content(pages, officer, "line", station="west")
    assert [value for _, value in line["series"][0]["points"]] == [40.0, 41.0, 42.0, 43.0]
    assert line["thresholds"][0]["value"] == 70.0
    bars = content(pages, officer, "bars")["bars"]
    assert [(one["label"], one["value"]) for one in bars] == [("east", 51.5), ("west", 41.5)]
    assert {one["key"] for one in content(pages, officer, "map")["points"]} == {"east", "west"}
    (meters,) = content(pages, officer, "stages")["systems"]
    assert (meters["stages"], meters["state"], meters["department_title"]["en"]) == (["two"], "idle", "Ecology")
    answer: Any = pages.showing.section(officer, "village.noise", "bars", {})
    assert [(one["dataset"], one["department_title"]["en"]) for one in answer["sources"]] == [("noise", "Ecology")]
    for page, section in (("village.nothing", "rows"), ("village.noise", "nothing")):
        with pytest.raises(NotFound):
            pages.showing.section(officer, page, section, {})
    with pytest.raises(Unavailable, match="broken"):
        content(pages, officer, "broken")


def test_restricted_data_is_for_its_department(
    pages: Pages, database: Database, officer: Actor, clerk: Callable[[str], Actor], clock: VirtualClock
) -> None:
    own, other = clerk("ecology"), clerk("police")
    for actor in (officer, other):
        closed = content(pages, actor, "secret")
        assert (closed["type"], closed["datasets"][0]["department"], closed["datasets"][0]["sharing"]) == (
            "closed",
            "ecology",
            2,
        )
        assert len(content(pages, actor, "function")["parts"]) == 1
        chosen: Any = pages.showing.page(actor, "village.chosen", {})
        assert (chosen["parameters"][0]["closed"], chosen["parameters"][0]["options"]) == ("secret", [])
        waiting: Any = pages.showing.section(actor, "village.chosen", "words", {})
        assert waiting["content"] == {"type": "waiting", "missing": ["secret"]}
        assert "village.secret" not in [one["id"] for one in pages.layers(actor)]
        for act in (
            lambda actor=actor: pages.features(actor, "village.secret"),
            lambda actor=actor: pages.series(actor, "village.secret", "east"),
        ):
            with pytest.raises(Forbidden, match="secret"):
                act()
    assert told(database, "section.read") == told(database, "layer.read") == []
    assert len(content(pages, own, "secret")["rows"]) == 64
    assert content(pages, own, "function")["parts"][1]["content"]["rows"] == [[8]]
    assert "village.secret" in [one["id"] for one in pages.layers(own)]
    assert len(pages.features(own, "village.secret")["features"]) == 2  # type: ignore[arg-type]
    read = {"page": "village.noise", "datasets": ["secret"], "subject": None}
    assert told(database, "section.read") == [{**read, "section": "secret"}, {**read, "section": "function"}]
    assert told(database, "layer.read") == [{"layer": "village.secret", "datasets": ["secret"]}]
    content(pages, own, "secret")  # what stays on a screen is told once in a while
    assert len(told(database, "section.read")) == 2
    clock.advance_to(clock.now() + limits.READ_TOLD)
    content(pages, own, "secret")
    assert len(told(database, "section.read")) == 3


def test_a_form_becomes_a_record_and_an_event(
    pages: Pages, database: Database, officer: Actor, clerk: Callable[[str], Actor], clock: VirtualClock
) -> None:
    own, other = clerk("ecology"), clerk("police")

    def send(actor: Actor, what: object, command: str = "command-1") -> dict[str, object]:
        values = {"what": what}
        return pages.showing.submit(actor, "village.noise", "heard", command, values, {"station": "west"})

    with pytest.raises(Forbidden):
        send(other, "a bang")
    with pytest.raises(Invalid) as refused:
        send(own, "x")
    assert refused.value.extra["mistakes"][0]["field"] == "what"  # type: ignore[index]
    assert told(database, "form.submitted") == []
    first = send(own, "a bang")
    assert send(own, "a bang") == first
    with pytest.raises(Conflict):
        send(own, "two bangs")
    clock.advance_to(clock.now() + HOUR)
    send(officer, "a whistle", "command-2")
    (one, two) = told(database, "form.submitted")
    assert one == {"record": first["id"], "form": "village.noise/heard", "subject": None}
    assert "bang" not in json.dumps([one, two])
    assert content(pages, own, "records")["rows"] == [["a whistle"], ["a bang"]]
    assert content(pages, own, "records", START + HOUR)["rows"] == []
    closed = content(pages, other, "records")
    assert (closed["type"], closed["datasets"][0]["department"]) == ("closed", "ecology")
    assert (content(pages, own, "heard")["may"], content(pages, other, "heard")["may"]) == (True, False)
    with pytest.raises(NotFound):
        pages.showing.submit(own, "village.noise", "rows", "command-3", {}, {})


def test_who_may_not_see_layers_sees_no_page(pages: Pages, nobody: Actor) -> None:
    for act in (
        lambda: pages.showing.listed(nobody),
        lambda: pages.showing.page(nobody, "village.noise", {}),
        lambda: pages.showing.section(nobody, "village.noise", "words", {}),
        lambda: pages.showing.subject(nobody, "plate", "A1"),
    ):
        with pytest.raises(Forbidden):
            act()


def test_routes(pages: Pages, clerk: Callable[[str], Actor]) -> None:
    app = FastAPI()
    app.include_router(router(pages))
    app.add_exception_handler(Problem, _problem)

    @app.middleware("http")
    async def signed_in(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        request.state.actor = clerk("ecology")
        return await call(request)

    web = TestClient(app)
    assert [one["id"] for one in web.get("/api/pages").json()] == ["village.chosen", "village.noise"]
    assert web.get("/api/pages/village.noise", params={"station": "west"}).json()["values"]["station"] == "west"
    path = "/api/pages/village.noise/sections/rows"
    found = web.get(path, params={"station": "west", "least": "0", "at": "2015-11-01T02:30:00Z"}).json()
    assert [row[2] for row in found["content"]["rows"]] == [40.0, 41.0]
    assert found["as_of"] == "2015-11-01T02:30:00Z"
    assert web.get(path, params={"at": "2015-11-01T02:30:00"}).status_code == 422
    assert web.get(path, params={f"p{n}": "1" for n in range(limits.PAGE_PARAMETERS + 1)}).status_code == 422
    body = {"command_id": "command-9", "values": {"what": "a bang"}, "parameters": {"station": "east"}}
    assert set(web.post("/api/pages/village.noise/sections/heard", json=body).json()) == {"id", "at"}
    wrong = web.post("/api/pages/village.noise/sections/heard", json={**body, "command_id": "command-8", "values": {}})
    assert (wrong.status_code, wrong.json()["mistakes"][0]["field"]) == (422, "what")
    assert web.get("/api/pages/subject", params={"by": "plate", "value": "苏F00001"}).status_code == 404
    assert web.get("/api/pages/subject", params={"by": "name", "value": "x"}).status_code == 422


WORDS = {"zh-CN": "一", "en": "one"}
COLUMN = {"name": "a", "title": WORDS}
NODE = {"id": "a", "label": "A", "stage": "one"}


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("table", {"type": "bar", "bars": []}, "gives 'bar'"),
        ("table", None, "gives None"),
        ("table", {"type": "table", "columns": [COLUMN], "rows": [[1, 2]]}, "does not have 1 cells"),
        ("table", {"type": "table", "columns": [{"name": "a"}], "rows": []}, "columns.0.title"),
        ("table", {"type": "table", "columns": [{**COLUMN, "link": {"to": "moon"}}], "rows": []}, "link.to"),
        ("table", {"type": "table", "columns": [{**COLUMN, "link": {"to": "alert", "column": "b"}}], "rows": []}, "takes b"),
        ("table", {"type": "table", "columns": [COLUMN], "rows": [[object()]]}, "rows.0.0"),
        ("flow", {"type": "flow", "nodes": [NODE], "links": [{"from": "a", "to": "b", "t": 1}]}, "the end b"),
        ("flow", {"type": "flow", "nodes": [NODE, NODE], "links": []}, "two nodes"),
        ("map", {"type": "map", "points": [{"key": "a", "lon": 200, "lat": 0, "name": "A"}]}, "points.0.lon"),
        ("bar", {"type": "bar", "bars": [{"label": "a", "value": 1, "level": 9}]}, "bars.0.level"),
        ("series", {"type": "series", "series": [{"name": WORDS, "points": [["now"]]}]}, "series.0.points.0"),
        ("group", {"type": "group", "parts": [{"content": {"type": "group", "parts": []}}]}, "parts.0.content"),
    ],
)  # fmt: skip
def test_content_that_does_not_fit_is_named(kind: str, given: object, says: str) -> None:
    section = Section.model_validate({"id": "x", "title": WORDS, "kind": kind, "entry": "m:f"})
    with pytest.raises(Invalid, match=says):
        checked(section, given, "page p, section x")


def test_content_has_limits() -> None:
    section = Section.model_validate({"id": "x", "title": WORDS, "kind": "group", "entry": "m:f"})
    table = {"type": "table", "columns": [COLUMN], "rows": [[1]] * (limits.PANEL_ROWS + 1)}
    with pytest.raises(TooLarge):
        checked(section, {"type": "group", "parts": [{"content": table}]}, "here")
    bars = Section.model_validate({"id": "x", "title": WORDS, "kind": "bar", "entry": "m:f"})
    with pytest.raises(TooLarge):
        checked(bars, {"type": "bar", "bars": [{"label": "a", "value": 1}] * (limits.BARS + 1)}, "here")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "number"', 'kind = "colour"', r"pages.0.parameters.0.kind"),
        (
            "minimum = 0",
            "minimum = 0\noptions = [{value = 1, title = {zh-CN = '一', en = 'one'}}]",
            r"select, and no other",
        ),
        ('name = "least"', 'name = "now"', r"bound by itself"),
        ('name = "day"', 'name = "month"', r"parameter month is declared twice"),
        ('id = "facts"', 'id = "rows"', r"section rows is declared twice"),
        ("$least AND", "$most AND", r"\$most is no parameter"),
        ('stages = ["two"]', 'stages = ["three"]', r"stages that are not there: three"),
        ('sources = ["ecology.noise"]', 'sources = ["ecology.smell"]', r"the source ecology.smell is not declared"),
        ('act = {department = "ecology"', 'act = {department = "moon"', r"department moon"),
        ("minLength = 3", "minLongitude = 3", r"minLongitude"),
        ('act = {department = "ecology",', 'act = {department = "ecology", permission = "fly",', r"no permission fly"),
        ('entry = "sections:both"', 'entry = "sections:nobody"', r"sections:nobody"),
        ('x = "station"\nvalue = "level"', 'x = "station"', r"bars x and value"),
        ('dataset = "noise", at', 'dataset = "smell", at', r"dataset smell has no contract"),
        ('set = {station = "station"}', 'set = {}, by = "plate"', r"to a subject, and no other"),
        ('id = "village.chosen"', 'id = "village.noise"', r"page village.noise is declared twice"),
        ("refresh = ", "width = ", r"pages.0.width"),
    ],
)
def test_declarations_that_do_not_fit_are_named(old: str, new: str, says: str, tmp_path: Path) -> None:
    folder = declared(tmp_path / "village")
    manifest = folder / "manifest.toml"
    before = manifest.read_text("utf-8")
    at = before.index("[[pages]]")
    assert old in before[at:]
    manifest.write_text(before[:at] + before[at:].replace(old, new, 1), "utf-8")
    with pytest.raises(Invalid, match=says):
        load(folder)


def test_pages_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    folder = declared(tmp_path / "village")
    manifest = folder / "manifest.toml"
    before = manifest.read_text("utf-8")
    at, end = before.index("[[pages]]"), before.index('[[layers]]\nid = "village.secret"')
    (folder / "pages.toml").write_text(before[at:end], "utf-8")
    manifest.write_text(
        before[:at].replace('plans = "plans"', 'plans = "plans"\npages = "pages.toml"') + before[end:], "utf-8"
    )
    assert [one.id for one in load(folder).pages] == ["village.noise", "village.chosen"]
    (folder / "pages.toml").unlink()
    with pytest.raises(NotFound, match=r"pages\.toml"):
        load(folder)
