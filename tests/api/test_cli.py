"""The command line: whatever is typed wrong ends with one line that says what to do, and the doctor only looks."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from cityheart import cli, examine
from cityheart.city import City
from cityheart.kernel.errors import Unauthenticated

ROOT = Path(__file__).resolve().parents[2]
Said = tuple[int, str]
Type = Callable[..., Said]
SPAN = ("--from", "2015-11-26", "--to", "2015-11-27")
PAST = ("--from", "2015-01-01", "--to", "2015-02-01")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Type:
    """Types a command in a folder that holds a ``file``; gives the exit code and what was said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "screen", Console(width=400))
    (tmp_path / "file").touch()

    def type_(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["cityheart", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return type_


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city with the air application and one of its own."""
    home = tmp_path_factory.mktemp("cli") / "city"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["cityheart", "init", str(home), "--like", "air"])
        cli.main()
    assert not ended.value.code
    shutil.copytree(ROOT / "examples" / "hydrants", home / "apps" / "hydrants")
    City.open(home).close()
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """The city to be spoilt: a copy."""
    return shutil.copytree(made, tmp_path / "city")


def refused(said: Said) -> str:
    """The one line of a refusal that also says what to do."""
    code, text = said
    assert code == 2, text
    detail, remedy = text.splitlines()
    assert detail.startswith("cityheart: ") and remedy.startswith("  → ")
    return detail.removeprefix("cityheart: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("init", "file"), "file is not a folder"),
        (("init", "file/city"), "file/city: Not a directory"),
        (("init", "."), ". is not empty"),
        (("init", "new", "--like", "water"), "no application water"),
        (("init", "new", "--zone", "Mars/Olympus"), "zone: 'Mars/Olympus' is not a time zone such as Asia/Shanghai"),
        (("init", "new", "--name", "Bad Name"), "name: String should match pattern '^[a-z][a-z0-9-]{0,40}$'"),
        (("init", "new", "--database", "nonsense"), "the database URL cannot be read"),
        (("init", "new", "--database", "mysql://a/b"), "mysql is not supported"),
        (("init", "new", "--database", "sqlite:///a/b"), "does not answer: unable to open database file"),
        (("init", "new", "--database", "postgresql://nobody@127.0.0.1:1/x"), "Connection refused"),
        (("demo", "water"), "there is no demonstration water"),
        (("demo", "nantong", "--from", "2020-07-01"), "has days of its own"),
        (("demo", "air", "--from", "yesterday"), "--from yesterday: that is not a date"),
        (("demo", "air", "--from", "0001-01-01"), "--from 0001-01-01: that is not a date"),
        (("demo", "air", "--from", "2016-01-05", "--to", "2015-01-01"), "nothing to play between --from and --to"),
        (("demo", "air", "--headless", *SPAN, "--report", "."), ". is a folder"),
        (("demo", "air", "--headless", *SPAN, "--report", "file/r.json"), "no report can be written to file/r.json"),
        (("demo", "air", "--headless", *SPAN, "--into", "file"), "file is not a folder"),
        (("run", "nowhere"), "no city in nowhere"),
        (("run", "file"), "no city in file"),
        (("doctor", "nowhere"), "no city in nowhere"),
        (("verify", "nowhere"), "no city in nowhere"),
        (("backtest", "nowhere", "air.heavy_pollution", *PAST), "no city in nowhere"),
        (("users", "list", "nowhere"), "no city in nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_said_in_one_line(typed: Type, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    assert says in refused(typed(*words))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]  # nothing half made is left


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("init", "CITY"), "is a city already"),
        (("run", "CITY", "--host", "192.0.2.1", "--port", "0"), "cannot listen on 192.0.2.1:0"),
        (("demo", "air", "--headless", *SPAN, "--into", "CITY"), "is not a demonstration of air"),
        (("backtest", "CITY", "air.nonsense", *PAST), "no detector air.nonsense"),
        (("backtest", "CITY", "air.heavy_pollution", "--from", "bad", "--to", "2015-02-01"), "--from bad: that is not"),
        (("backtest", "CITY", "air.heavy_pollution", "--from", "2016-01-01", "--to", "2015-01-01"), "is not before"),
        (("backtest", "CITY", "air.heavy_pollution", "--from", "2999-01-01", "--to", "2999-01-02"), "has happened yet"),
        (("backtest", "CITY", "air.heavy_pollution", *PAST, "--set", "nonsense"), "'nonsense' is not NAME=VALUE"),
        (("backtest", "CITY", "air.heavy_pollution", *PAST, "--set", "a=1"), "has no parameter a"),
        (("backtest", "CITY", "air.heavy_pollution", *PAST, "--set", "rise_hours=x"), "rise_hours cannot be 'x'"),
        (("backtest", "CITY", "air.station_silent", *PAST, "--set", "hours=true"), "hours cannot be True"),
        (("users", "add", "CITY", "bob", "--role", "king"), "no such role: king"),
        (("users", "add", "CITY", "b b", "--role", "clerk"), "'b b' is not a user name"),
        (("users", "add", "CITY", "bob", "--role", "clerk", "--department", "moon"), "there is no department moon"),
        (("users", "add", "CITY", "admin", "--role", "admin"), "admin is taken"),
        (("users", "password", "CITY", "bob"), "no account bob"),
        (("users", "block", "CITY", "bob"), "no account bob"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_with_a_city_there_is(typed: Type, made: Path, words: tuple[str, ...], says: str) -> None:
    assert says in refused(typed(*(str(made) if word == "CITY" else word for word in words)))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("init",), "Missing argument 'DIR'"),
        (("run", ".", "--port", "99999"), "'--port'"),
        (("demo", "air", "--seed", "x"), "'--seed'"),
        (("demo", "air", "--speed", "0"), "'--speed'"),
        (("backtest", "."), "Missing argument"),
        (("users", "add", ".", "bob"), "Missing option '--role'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_words_that_are_missing_or_odd(typed: Type, words: tuple[str, ...], says: str) -> None:
    code, text = typed(*words)
    assert (code, says in text.splitlines()[-1], "Traceback" in text) == (2, True, False), text


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (b"zone = ", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"colour = 1", "colour: there is no such setting"),
        (b'port = "x"', "port: Input should be a valid integer"),
        (b'apps = ["water"]', "no application water"),
        (b'database_url = "sqlite:///none/city.sqlite"', "the operational store does not answer"),
    ],
)
def test_settings_that_are_wrong(typed: Type, home: Path, toml: bytes, says: str) -> None:
    (home / "cityheart.toml").write_bytes(toml)
    assert says in refused(typed("verify", str(home)))
    code, text = typed("doctor", str(home))
    assert code == 1
    assert "bad" in text and says in text


@pytest.mark.parametrize("broken", ["city.sqlite", "lake"])
def test_a_store_or_a_lake_that_is_something_else(typed: Type, home: Path, broken: str) -> None:
    shutil.rmtree(home / broken, ignore_errors=True)
    (home / broken).write_text("neither a database nor a folder")
    assert broken in " ".join(typed("users", "list", str(home))[1].splitlines())
    refused(typed("users", "list", str(home)))
    assert typed("doctor", str(home))[0] == 1


def test_a_store_that_was_lost_is_not_made_anew(typed: Type, home: Path) -> None:
    """Its lake holds data: an empty store beside it would look as if nothing were wrong."""
    (home / "city.sqlite").unlink()
    assert typed("users", "list", str(home))[0] == 0, "nothing has landed yet: a new city on another store"
    (home / "city.sqlite").unlink()
    day = home / "lake" / "air_hourly" / "day=2015-11-26"
    day.mkdir()
    (day / "part.parquet").touch()
    for command in ("work", "users list"):
        assert refused(typed(*command.split(), str(home))).startswith("the operational store is empty, but the lake")


def test_a_disk_without_room(typed: Type, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(home: Path) -> City:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(City, "open", full)
    assert refused(typed("scores", str(made))) == "there is no room left on the disk of the city"


def test_a_port_that_is_taken(typed: Type, made: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1:{port}" in refused(typed("run", str(made), "--port", port))


def test_a_folder_of_another_name_than_its_application(typed: Type, home: Path) -> None:
    (home / "apps" / "hydrants").rename(home / "apps" / "fire")
    code, text = typed("run", str(home))
    assert (code, text.splitlines()) == (
        2,
        [
            f"cityheart: the application in {home}/apps/fire is called hydrants",
            f"  → rename the folder: mv {home}/apps/fire {home}/apps/hydrants",
        ],
    )
    assert "is called hydrants" in typed("doctor", str(home))[1]


# ── the doctor ─────────────────────────────────────────────────────────────────────────────────────────────────────


def contents(home: Path) -> dict[str, str]:
    """Every file of a city by its content; not what Python compiles, nor SQLite's passing files."""
    files = (
        path for path in home.rglob("*") if "__pycache__" not in path.parts and not path.suffix.startswith(".sqlite-")
    )
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in files
    }


@pytest.fixture
def unknown(home: Path) -> Iterator[Path]:
    """A city into which an application was put since it was last started."""
    shutil.move(home / "apps" / "hydrants", home.parent / "hydrants")
    shutil.rmtree(home)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(sys, "argv", ["cityheart", "init", str(home)])
        cli.main()
    shutil.copytree(home.parent / "hydrants", home / "apps" / "hydrants")
    yield home


@pytest.mark.parametrize("which", ["home", "unknown"])
def test_the_doctor_changes_nothing(request: pytest.FixtureRequest, which: str) -> None:
    city: Path = request.getfixturevalue(which)
    before = contents(city)
    found = {one.what: one for one in examine.doctor(city)}
    assert contents(city) == before
    assert {one.what for one in found.values() if one.state == "bad"} <= {"console"}
    assert found["applications"].finding == ("air 1.0.0, hydrants 1.0.0" if which == "home" else "hydrants 1.0.0")
    assert found["detector hydrants.low_pressure"].state == "ok"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("FROM hydrants WHERE", "FROM hydrants WHEREVER", "BadRequest"),
        ("SELECT hydrant, street, pressure", "SELECT hydrant, street, presure", "presure"),
        ("END AS level", "END AS grade", "the SQL gives no column level"),
    ],
)
@pytest.mark.parametrize("which", ["home", "unknown"])
def test_the_doctor_shows_wrong_sql(request: pytest.FixtureRequest, which: str, old: str, new: str, says: str) -> None:
    city: Path = request.getfixturevalue(which)
    file = city / "apps" / "hydrants" / "detectors.py"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
    found = {one.what: one for one in examine.doctor(city)}
    wrong = found["detector hydrants.low_pressure"]
    assert (wrong.state, says in wrong.finding) == ("bad", True), wrong.finding


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("manifest.toml", 'connector = "folder"', 'connector = "pigeon"', "no kind of connector is called 'pigeon'"),
        ("manifest.toml", 'schedule = "PT10S"', 'schedule = "often"', "schedule"),
        ("contracts/hydrants.json", '"primaryKey": ["hydrant"]', '"primaryKey": ["street"]', "exists with key"),
        ("plans/mend.yaml", "unit: water", "unit: moon", "moon"),
    ],
)
def test_the_doctor_shows_what_would_stop_the_start(home: Path, file: str, old: str, new: str, says: str) -> None:
    path = home / "apps" / "hydrants" / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    (wrong,) = (one for one in examine.doctor(home) if one.what == "applications")
    assert (wrong.state, says in wrong.finding) == ("bad", True), wrong.finding


def test_a_relative_database_is_the_citys_own(typed: Type, tmp_path: Path) -> None:
    """Wherever its commands are typed, before and after."""
    assert typed("init", "new", "--database", "sqlite:///own.sqlite")[0] == 0
    assert (tmp_path / "new" / "own.sqlite").is_file()
    assert typed("users", "list", str(tmp_path / "new"))[0] == 0
    assert not (tmp_path / "own.sqlite").exists()


def test_a_new_person_signs_in_with_a_one_time_code_or_with_a_password_that_was_asked_for(
    typed: Type, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is no password yet: whoever brings it reaches nothing before setting one."""

    def signed_in(secret: str) -> bool:
        with closing(City.open(made)) as city:
            return city.serve.sign_in("wen", secret).account.must_change

    home = str(made)
    code, said = typed("users", "add", home, "wen", "--role", "clerk")
    given = re.search(r"one-time code (\S+)", said)
    assert code == 0 and given and "It holds until" in said, said
    assert signed_in(given[1])

    monkeypatch.setattr("getpass.getpass", lambda _: "five words put together")
    assert "wen may sign in with that password" in typed("users", "password", home, "wen", "--ask-password")[1]
    assert not signed_in("five words put together")

    again = re.search(r"one-time code (\S+)", typed("users", "password", home, "wen")[1])
    assert again and again[1] != given[1] and signed_in(again[1])
    with pytest.raises(Unauthenticated):
        signed_in("five words put together")

    monkeypatch.setattr("getpass.getpass", lambda _: "short")
    assert "at least" in typed("users", "add", home, "may", "--role", "clerk", "--ask-password")[1]
