"""One contract for every kind of connector, and what each promises beyond it.

Whatever the kind: all that is there arrives, once; what is added or changed arrives at the next visit; a crash or a
failing source loses and doubles nothing; the source's state says why and when it is tried again.
"""

from __future__ import annotations

import json
import os
import threading
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO, StringIO
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from cityheart.engine.lake import Lake
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Unavailable
from cityheart.kernel.hooks import plugins
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.share.connectors.base import ConnectorKind, Pull, Pulled, SourceFailed
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.share.service import Share

SYSTEM = Actor.system("test")
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
Row = dict[str, object]

FIRM = Contract.parse(
    {
        "name": "firm",
        "schema": {
            "fields": [
                {"name": "firm_id", "type": "string"},
                {"name": "name", "type": "string"},
                {"name": "tonnes", "type": "number"},
                {"name": "updated_at", "type": "datetime", "constraints": {"required": True}},
            ],
            "primaryKey": "firm_id",
        },
        "cityheart": {"owner": "approval", "time": "updated_at", "unchanged": "drop"},
    }
)


def row(number: int, *, name: str | None = "华东化工", tonnes: float | None = 1.5, minute: int = 0) -> Row:
    at = (BEGIN + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"firm_id": f"F{number}", "name": name, "tonnes": tonnes, "updated_at": at}


class System(Protocol):
    """A department's system in a test: it holds rows, and can be broken and mended."""

    connector: str
    options: Mapping[str, object]

    def put(self, rows: list[Row]) -> None: ...

    def break_down(self) -> None: ...

    def mend(self) -> None: ...


class Files:
    """A drop folder: each put is another file."""

    connector = "folder"

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder / "drops"
        self.folder.mkdir()
        self.kind = kind
        self.options: dict[str, object] = {"path": str(self.folder)}
        self.count = 0

    def put(self, rows: list[Row]) -> None:
        self.count += 1
        path = self.folder / f"{self.count:03}.{self.kind}"
        path.write_bytes(encoded(self.kind, rows))
        os.utime(path, ns=(self.count * 10**9, self.count * 10**9))

    def break_down(self) -> None:
        self.folder.rename(self.folder.with_name("away"))

    def mend(self) -> None:
        self.folder.with_name("away").rename(self.folder)


def encoded(kind: str, rows: list[Row]) -> bytes:
    """Rows in a file format."""
    names = list(rows[0])
    if kind == "csv":
        lines = [",".join(names), *(",".join("" if each[n] is None else str(each[n]) for n in names) for each in rows)]
        return "\n".join(lines).encode("gb18030")
    if kind == "jsonl":
        return "\n".join(json.dumps(each, ensure_ascii=False) for each in rows).encode()
    sink = BytesIO()
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), sink)
    elif kind == "xlsx":
        book = openpyxl.Workbook()
        book.active.append(["企业名录"])
        book.active.append(names)
        for each in rows:
            book.active.append([each[name] for name in names])
        book.save(sink)
    elif kind == "xml":
        out = StringIO()
        out.write('<?xml version="1.0" encoding="gb18030"?><firms>')
        for each in rows:
            out.write("<firm>" + "".join(f"<{n}>{each[n]}</{n}>" for n in names if each[n] is not None) + "</firm>")
        return (out.getvalue() + "</firms>").encode("gb18030")
    else:
        with zipfile.ZipFile(sink, "w") as archive:
            for number, each in enumerate(rows):
                archive.writestr(f"{number}.csv", encoded("csv", [each]))
    return sink.getvalue()


class Table:
    """A database: each put inserts or updates."""

    connector = "sql"

    def __init__(self, url: str, folder: Path, *, full: bool) -> None:
        self.url = url
        self.file = folder / "source.sqlite"
        self.options: dict[str, object] = {"url": url, "table": "order"}  # a reserved word
        if not full:
            self.options["updated"] = "updated_at"
        engine = sa.create_engine(url)
        kind = "text" if engine.dialect.name == "sqlite" else "timestamptz"
        with engine.begin() as conn:
            conn.exec_driver_sql(
                f'CREATE TABLE "order" (firm_id text primary key, name text, tonnes numeric, updated_at {kind})'
            )
        engine.dispose()

    def put(self, rows: list[Row]) -> None:
        engine = sa.create_engine(self.url)
        statement = sa.text(
            'INSERT INTO "order" VALUES (:firm_id, :name, :tonnes, :updated_at) ON CONFLICT (firm_id) '
            "DO UPDATE SET name = excluded.name, tonnes = excluded.tonnes, updated_at = excluded.updated_at"
        )
        with engine.begin() as conn:
            conn.execute(statement, rows)
        engine.dispose()

    def rename(self, old: str, new: str) -> None:
        engine = sa.create_engine(self.url)
        with engine.begin() as conn:
            conn.exec_driver_sql(f'ALTER TABLE "{old}" RENAME TO "{new}"')
        engine.dispose()

    def break_down(self) -> None:
        self.rename("order", "away")

    def mend(self) -> None:
        self.rename("away", "order")


class Api:
    """A paged HTTP API with a token; it can be told what to answer next."""

    connector = "http"

    def __init__(self, style: str, *, incremental: bool) -> None:
        self.rows: dict[object, Row] = {}
        self.fail_at: dict[str, tuple[int, dict[str, str], bytes]] = {}  # by page or cursor, once
        self.broken = False
        self.asked: list[str] = []
        self.style = style
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = api.answer(self.path, self.headers.get("authorization"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.options: dict[str, object] = {
            "url": f"http://127.0.0.1:{self.server.server_port}/firms",
            "style": style,
            "records": "data.items",
            "next": "data.next",
            "size_param": "limit",
            "size": 3,
            "token_env": "TEST_TOKEN",
            "seconds": 2,
        }
        if incremental:
            self.options |= {"since_param": "since", "since_field": "updated_at"}

    def answer(self, path: str, token: str | None) -> tuple[int, dict[str, str], bytes]:
        asked = {name: found[0] for name, found in parse_qs(urlsplit(path).query).items()}
        at = asked.get("page") or asked.get("cursor") or ""
        self.asked.append(at)
        if token != "Bearer sesame":
            return 401, {}, b""
        if self.broken:
            return 500, {}, b"oops"
        if at in self.fail_at:
            return self.fail_at.pop(at)
        rows = sorted(self.rows.values(), key=lambda each: (str(each["updated_at"]), str(each["firm_id"])))
        rows = [each for each in rows if str(each["updated_at"]) >= asked.get("since", "")]
        start = int(asked.get("cursor", 0)) if self.style == "cursor" else (int(asked.get("page", 1)) - 1) * 3
        page = rows[start : start + 3]
        following = str(start + 3) if start + 3 < len(rows) else None
        return 200, {}, json.dumps({"data": {"items": page, "next": following}}).encode()

    def put(self, rows: list[Row]) -> None:
        self.rows.update({each["firm_id"]: each for each in rows})

    def break_down(self) -> None:
        self.broken = True

    def mend(self) -> None:
        self.broken = False

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


SYSTEMS = [
    *(f"folder-{kind}" for kind in ("csv", "jsonl", "parquet", "xlsx", "xml", "zip")),
    "sql-sqlite", "sql-sqlite-full", "sql-postgresql", "http-page", "http-page-full", "http-cursor",
]  # fmt: skip


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """A system of every kind."""
    kind, _, variant = request.param.partition("-")
    if kind == "folder":
        yield Files(tmp_path, variant)
    elif kind == "sql":
        if variant == "postgresql":
            url = str(request.getfixturevalue("postgres_database")).replace("postgresql://", "postgresql+psycopg://")
        else:
            url = f"sqlite:///{tmp_path / 'source.sqlite'}"
        yield Table(url, tmp_path, full=variant.endswith("full"))
    else:
        monkeypatch.setenv("TEST_TOKEN", "sesame")
        api = Api("cursor" if variant == "cursor" else "page", incremental=not variant.endswith("full"))
        yield api
        api.close()


class City:
    """A share with the system as its only source, asked every five minutes."""

    def __init__(self, home: Path, system: System, kinds: list[ConnectorKind] | None = None) -> None:
        self.clock = VirtualClock(BEGIN)
        self.home = home
        self.system = system
        self.kinds = kinds
        self.database = Database(f"sqlite:///{home / 'city.sqlite'}", self.clock, Ids(self.clock, 1))
        self.database.create_all()
        self.restart()

    def restart(self) -> None:
        self.share = Share(self.database, Lake(self.home / "lake"), home=self.home, connectors=self.kinds)
        source = Source(
            "approval.firm",
            "approval",
            text("企业", "firms"),
            self.system.connector,
            self.system.options,
            "firm",
            "PT5M",
        )
        self.share.register([Department("approval", text("审批局", "approval"))], [Dataset.of(FIRM)], [source])

    def pull(self) -> int:
        return sum(each.rows for each in self.share.pull("approval.firm") if not each.repeated)

    def versions(self) -> list[tuple[object, ...]]:
        rows = self.share._lake.query("SELECT firm_id, name, tonnes FROM firm__versions ORDER BY firm_id, tonnes")
        return [tuple(each.values()) for each in rows.to_pylist()]

    def state(self) -> dict[str, object]:
        (source,) = self.share.sources(SYSTEM)
        return source


@pytest.fixture
def city(tmp_path: Path, system: System) -> Iterator[City]:
    """The city that asks the system."""
    city = City(tmp_path, system)
    yield city
    city.database.close()


def test_everything_arrives_once(city: City, system: System) -> None:
    """All rows with their Chinese text and their gaps; a second visit brings nothing."""
    system.put([row(1), row(2, name=None), row(3, tonnes=None), row(4, minute=1), row(5, minute=1), row(6, minute=2)])
    assert city.pull() == 6
    assert city.versions() == [
        ("F1", "华东化工", 1.5), ("F2", None, 1.5), ("F3", "华东化工", None),
        ("F4", "华东化工", 1.5), ("F5", "华东化工", 1.5), ("F6", "华东化工", 1.5),
    ]  # fmt: skip
    assert city.state()["state"] == "ok"
    assert city.pull() == 0
    assert len(city.versions()) == 6
    assert city.share.quarantine_counts(SYSTEM) == {}


def test_added_and_changed_rows_arrive_also_at_the_edge(city: City, system: System) -> None:
    """Rows with exactly the last moment seen are neither lost nor doubled; a change is a new version."""
    system.put([row(1), row(2, minute=5)])
    assert city.pull() == 2
    system.put([row(3, minute=5)])  # the same moment as the last one seen
    assert city.pull() == 1
    system.put([row(1, tonnes=2.0, minute=6)])
    assert city.pull() == 1
    system.put([row(3, tonnes=9.0, minute=6), row(4, minute=7)])
    assert city.pull() == 2
    assert city.pull() == 0
    assert [(id, tonnes) for id, _, tonnes in city.versions()] == [
        ("F1", 1.5), ("F1", 2.0), ("F2", 1.5), ("F3", 1.5), ("F3", 9.0), ("F4", 1.5),
    ]  # fmt: skip


def test_a_crash_loses_and_doubles_nothing(city: City, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the lake and the record: the next visit brings the same again, and it is there once."""
    system.put([row(number, minute=number) for number in range(1, 8)])

    def die(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(city.share, "_record", die)
        with pytest.raises(KeyboardInterrupt):
            city.pull()
    city.restart()
    city.pull()
    assert [id for id, _, _ in city.versions()] == [f"F{number}" for number in range(1, 8)]
    assert city.share.landed_rows() == {"firm": 7}
    assert city.pull() == 0


def test_a_failing_source_has_a_reason_and_a_next_try(city: City, system: System) -> None:
    """Each failure doubles the wait; after five the circuit waits an hour; it survives a restart; mended, it goes on."""
    system.put([row(1)])
    assert city.pull() == 1
    system.break_down()
    waits = []
    for _ in range(6):
        with pytest.raises(Unavailable):
            city.pull()
        waits.append(city.state()["next_try_at"] - city.clock.now())  # type: ignore[operator]
    seconds = [wait.total_seconds() for wait in waits]
    for wait, least in zip(seconds, (5, 10, 20, 40, 3600, 3600), strict=True):
        assert least <= wait <= least * 1.2
    state = city.state()
    assert state["state"] == "failing"
    assert state["reason"]["en"]  # type: ignore[index]
    city.restart()
    assert city.share.next_due() == state["next_try_at"]
    assert city.share.tick(city.clock.now()) == 0  # not yet
    system.mend()
    system.put([row(2, minute=1)])
    city.clock.advance_to(state["next_try_at"])  # type: ignore[arg-type]
    assert city.share.tick(city.clock.now()) == 1
    assert city.state()["state"] == "ok"
    assert [id for id, _, _ in city.versions()] == ["F1", "F2"]
    due = city.share.next_due()
    assert due is not None
    assert timedelta(minutes=5) <= due - city.clock.now() <= timedelta(minutes=5, seconds=30)


def test_options_are_checked(system: System) -> None:
    """A kind knows its options and says which it does not."""
    kind = next(each for each in plugins().connectors() if each.name == system.connector)
    assert kind.problems(system.options) == []
    assert kind.problems({**system.options, "colour": "red"}) == ["nobody knows the option 'colour'"]
    assert kind.problems({}) != []
    assert set(kind.title) == {"zh-CN", "en"}
    assert all(set(meaning) == {"zh-CN", "en"} for meaning in kind.options.values())


# ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_written_again_and_one_still_being_written(tmp_path: Path) -> None:
    """A changed file is a new delivery; unfinished names are left alone; the folder is not touched."""
    files = Files(tmp_path, "csv")
    city = City(tmp_path, files)
    files.put([row(1)])
    (files.folder / "half.csv.part").write_bytes(encoded("csv", [row(8)]))
    (files.folder / ".hidden.csv").write_bytes(encoded("csv", [row(9)]))
    assert city.pull() == 1
    path = files.folder / "001.csv"
    path.write_bytes(encoded("csv", [row(1, tonnes=7.0)]))
    os.utime(path, ns=(10**10, 10**10))
    assert city.pull() == 1
    path.write_bytes(encoded("csv", [row(1)]))  # and back again
    os.utime(path, ns=(2 * 10**10, 2 * 10**10))
    assert city.pull() == 1
    assert len(list(files.folder.iterdir())) == 3
    city.database.close()


def test_a_relative_folder_is_the_citys_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made below the city's folder, wherever the city is started; its absence is a state with a reason."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    files = Files(tmp_path, "csv")
    files.folder.rmdir()
    files.options = {"path": "drops"}
    city = City(tmp_path, files)
    assert files.folder.is_dir()
    assert list(elsewhere.iterdir()) == []
    files.put([row(1)])
    assert city.pull() == 1
    files.break_down()
    with pytest.raises(Unavailable):
        city.pull()
    assert city.state()["reason"]["en"] == f"the folder {files.folder} does not exist"  # type: ignore[index]
    files.options = {"path": "../elsewhere/other"}
    city.restart()
    assert list(elsewhere.iterdir()) == []
    city.database.close()


def test_a_relative_sqlite_file_is_the_citys_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(f"sqlite:///{tmp_path / 'source.sqlite'}", tmp_path, full=False)
    monkeypatch.chdir(tmp_path.parent)
    table.options["url"] = "sqlite:///source.sqlite"
    city = City(tmp_path, table)
    table.put([row(1), row(2)])
    assert city.pull() == 2
    city.database.close()


def test_a_refused_file_is_not_tried_again_and_the_next_one_lands(tmp_path: Path) -> None:
    """A truncated archive: the source's state says so until something good comes."""
    files = Files(tmp_path, "zip")
    city = City(tmp_path, files)
    files.put([row(1)])
    path = files.folder / "001.zip"
    path.write_bytes(path.read_bytes()[:-30])
    assert city.pull() == 0
    assert (city.state()["state"], "archive" in city.state()["reason"]["en"]) == ("refused", True)  # type: ignore[index]
    assert city.share.pull("approval.firm") == []
    assert city.state()["state"] == "refused"
    files.put([row(1)])
    assert city.pull() == 1
    assert city.state()["state"] == "ok"
    city.database.close()


# ── databases ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_many_rows_of_one_moment_over_several_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ties that span the edge of a batch, and rows without a time of change, arrive once."""
    monkeypatch.setattr(limits, "SQL_BATCH_ROWS", 4)
    table = Table(f"sqlite:///{tmp_path / 'source.sqlite'}", tmp_path, full=False)
    city = City(tmp_path, table)
    table.put([row(number, minute=1) for number in range(10, 20)])
    assert city.pull() == 10
    table.put([row(number, minute=1) for number in range(20, 27)])
    assert city.pull() == 7
    assert city.pull() == 0
    assert len(city.versions()) == 17
    table.put([{**row(30), "updated_at": None}])
    assert city.pull() == 0
    assert city.share.quarantine_counts(SYSTEM) == {"required": 1}
    assert city.pull() == 0
    assert city.share.quarantine_counts(SYSTEM) == {"required": 1}
    city.database.close()


def test_late_commits_within_the_overlap(tmp_path: Path) -> None:
    """A transaction that commits late with an early time is seen when the overlap reaches back to it."""
    table = Table(f"sqlite:///{tmp_path / 'source.sqlite'}", tmp_path, full=False)
    table.options["overlap"] = "PT10M"
    city = City(tmp_path, table)
    table.put([row(1, minute=20)])
    assert city.pull() == 1
    table.put([row(2, minute=12), row(3, minute=5)])
    assert city.pull() == 1
    assert [id for id, _, _ in city.versions()] == ["F1", "F2"]
    assert city.pull() == 0
    city.database.close()


def test_the_source_is_only_read(tmp_path: Path) -> None:
    """A file that is not there is not made."""
    table = Table(f"sqlite:///{tmp_path / 'source.sqlite'}", tmp_path, full=False)
    table.options["url"] = f"sqlite:///{tmp_path / 'other.sqlite'}"
    city = City(tmp_path, table)
    with pytest.raises(Unavailable, match="does not exist"):
        city.pull()
    assert not (tmp_path / "other.sqlite").exists()
    city.database.close()


# ── HTTP ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A paged API with ten firms."""
    monkeypatch.setenv("TEST_TOKEN", "sesame")
    api = Api("page", incremental=True)
    api.put([row(number, minute=number) for number in range(10)])
    yield api
    api.close()


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b""),
        (200, {}, b"<html>please sign in</html>"),
        (302, {"Location": "/elsewhere"}, b""),
        (200, {}, b'{"data": {"rows": []}}'),
    ],
)
def test_a_visit_goes_on_where_it_broke_off(
    tmp_path: Path, api: Api, answer: tuple[int, dict[str, str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever page three answers: two pages have landed, the next visit begins at page three."""
    monkeypatch.setattr(limits, "HTTP_TRIES", 1)
    city = City(tmp_path, api)
    api.fail_at["3"] = answer
    with pytest.raises(Unavailable):
        city.pull()
    assert len(city.versions()) == 6
    assert city.state()["state"] == "failing"
    assert api.asked == ["1", "2", "3"]
    city.restart()
    assert city.pull() == 4
    assert api.asked == ["1", "2", "3", "3", "4"]
    assert len(city.versions()) == 10
    assert city.pull() == 0
    city.database.close()


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        ((429, {"Retry-After": "120"}, b""), 120.0),
        ((503, {"Retry-After": "Sun, 01 Mar 2026 00:03:00 GMT"}, b""), 180.0),
        ((429, {"Retry-After": "9000"}, b""), None),
    ],
)
def test_a_source_that_asks_for_a_pause_gets_it(
    tmp_path: Path, api: Api, answer: tuple[int, dict[str, str], bytes], wait: float | None
) -> None:
    """In the middle of a visit that is no failure: the rest is asked for after the pause, or at the next visit due; at
    its beginning the source does not answer, and says until when."""
    city = City(tmp_path, api)
    api.fail_at["3"] = answer
    assert city.pull() == 6
    shown = city.state()
    assert shown["state"] == "ok"
    pause = (shown["next_try_at"] - city.clock.now()).total_seconds()  # type: ignore[operator]
    assert pause == wait if wait is not None else 300 <= pause <= 330
    api.fail_at["3"] = answer
    with pytest.raises(Unavailable):
        city.pull()
    assert city.state()["state"] == "failing"
    city.restart()
    assert city.pull() == 4
    assert api.asked == ["1", "2", "3", "3", "3", "4"]
    city.database.close()


def test_a_server_that_stumbles_is_asked_again(tmp_path: Path, api: Api) -> None:
    """One 500 among the pages is no failure of the source; three in a row are."""
    city = City(tmp_path, api)
    api.fail_at["2"] = (500, {}, b"oops")
    assert city.pull() == 10
    assert api.asked == ["1", "2", "2", "3", "4"]
    api.break_down()
    with pytest.raises(Unavailable, match="HTTP 500"):
        city.pull()
    assert len(api.asked) == 5 + limits.HTTP_TRIES
    city.database.close()


def test_what_became_visible_late_is_found_within_the_overlap(tmp_path: Path, api: Api) -> None:
    """A change that the system shows only after newer ones comes with the overlap, and nothing comes twice."""
    api.options["overlap"] = "PT5M"
    city = City(tmp_path, api)
    assert city.pull() == 10
    api.put([row(20, minute=6), row(21, minute=3)])  # the second is older than the overlap reaches
    assert city.pull() == 1
    assert city.pull() == 0
    assert len(city.versions()) == 11
    api.put([row(22, minute=12), row(23, minute=8)])
    assert city.pull() == 2
    city.database.close()


def test_a_source_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request ends at its limit; nobody is listening is told apart from nobody is answering."""
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("TEST_TOKEN", "sesame")
        api = Api("page", incremental=False)
        api.close()
        city = City(tmp_path, api)
        with pytest.raises(Unavailable, match="cannot be reached"):
            city.pull()
        api.options["url"] = f"http://127.0.0.1:{silent.getsockname()[1]}/firms"
        api.options["seconds"] = 0.2
        city.restart()
        with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
            city.pull()
    city.database.close()


def test_answers_and_lists_without_end(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes and pages are bounded; a cursor that does not move is noticed."""
    city = City(tmp_path, api)
    with monkeypatch.context() as patch:
        patch.setattr(limits, "HTTP_BYTES", 100)
        with pytest.raises(Unavailable, match="an answer above"):
            city.pull()
    monkeypatch.setattr(limits, "HTTP_PAGES", 2)
    with pytest.raises(Unavailable, match="no end after 2 pages"):
        city.pull()
    city.database.close()


def test_a_token_that_is_missing_or_wrong(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from the environment, and the message does not hold it."""
    city = City(tmp_path, api)
    monkeypatch.setenv("TEST_TOKEN", "wrong-secret")
    with pytest.raises(Unavailable, match="token is not accepted") as refused:
        city.pull()
    assert "wrong-secret" not in str(refused.value)
    monkeypatch.delenv("TEST_TOKEN")
    with pytest.raises(Unavailable, match="TEST_TOKEN is not set"):
        city.pull()
    city.database.close()


# ── plug-ins ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Pigeon:
    """A plug-in's kind: it delivers twice and then breaks down in its own way."""

    name = "pigeon"
    title = text("信鸽", "pigeon")
    options: Mapping[str, dict[str, str]] = {}

    def problems(self, options: Mapping[str, object]) -> list[str]:
        return []

    def pull(self, pull: Pull) -> Iterator[Pulled]:
        flown = int(str(pull.cursor.get("flown", 0)))
        if flown == 2:
            raise SourceFailed(text("鸽子丢了", "the pigeon is lost"), retry_after=timedelta(days=3))
        if flown == 3:
            raise ZeroDivisionError("wing")
        yield Pulled(Delivery(f"{flown}.csv", pull.now, encoded("csv", [row(flown)])), {"flown": flown + 1})


class Nest:
    connector = "pigeon"
    options: Mapping[str, object] = {}


def test_a_kind_of_ones_own(tmp_path: Path) -> None:
    """A plug-in's cursor is kept with what it delivered; its failures are states, never crashes of the city."""
    city = City(tmp_path, Nest(), [Pigeon()])  # type: ignore[arg-type]
    assert (city.pull(), city.pull()) == (1, 1)
    with pytest.raises(Unavailable, match="the pigeon is lost"):
        city.pull()
    assert city.state()["next_try_at"] == BEGIN + limits.RETRY_AFTER_LONGEST
    city.share.land("approval.firm", [], cursor={"flown": 3})
    with pytest.raises(Unavailable, match="ZeroDivisionError: wing"):
        city.pull()
    city.clock.advance_to(BEGIN + timedelta(days=9))
    assert city.share.tick(city.clock.now()) == 1  # failed again, and nobody was disturbed
    city.database.close()


def test_a_source_that_delivers_by_itself_cannot_be_asked(tmp_path: Path) -> None:
    """Push: the source speaks first."""

    class Post:
        connector = "push"
        options: Mapping[str, object] = {}

    city = City(tmp_path, Post())  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="delivers by itself"):
        city.pull()
    city.database.close()
