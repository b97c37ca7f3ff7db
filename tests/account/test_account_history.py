"""Real cases: the receipts of a municipality's permits, taken in as closed cases, scored and accounted for."""

from __future__ import annotations

import csv
import gzip
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_
from hypothesis import strategies as st

from cityheart.account import history, store
from cityheart.account.service import Account
from cityheart.account.taking import Taking
from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound, TooLarge
from cityheart.kernel.ids import Ids
from cityheart.kernel.jobs.models import Sought
from cityheart.kernel.jobs.service import Jobs, Running
from cityheart.kernel.text import text
from tests.command.scene import SYSTEM

PERMITS = Path(__file__).parent / "permits"
FILE, MAPPING = PERMITS / "receipts.csv.gz", PERMITS / "permits.toml"
SINCE, UNTIL = datetime(2005, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
DEPARTMENTS = {"permits-general", "permits-experts", "permits-customer-contact"}


def some(into: Path, cases: int) -> Path:
    """The rows of the first cases, as a plain file."""
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    chosen = set(list(dict.fromkeys(row["case"] for row in rows))[:cases])
    with into.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(row for row in rows if row["case"] in chosen)
    return into


@pytest.fixture(scope="module")
def permits(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """A city with all 1,329 closed cases, on SQLite."""
    clock = VirtualClock(datetime(2015, 11, 1, tzinfo=UTC))
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('permits') / 'city.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    account = Account(database, zone="Europe/Amsterdam")
    taken = account.take_in(SYSTEM, MAPPING, FILE)
    assert (taken.cases, taken.late, dict(taken.left)) == (1329, 389, {"not closed": 105})
    return account


def test_389_of_1329_were_late(permits: Account) -> None:
    """Planned and real ends of the source: 389 of 1,329 cases ended after their planned end."""
    scores = [each for each in permits.scores(SINCE, UNTIL).departments if each.department in DEPARTMENTS]
    assert sum(each.rates["overdue"].num for each in scores) == 389
    assert sum(each.rates["overdue"].den for each in scores) == 1329
    assert sum(each.rates["concluded_on_time"].num for each in scores) == 1329 - 389
    assert sum(each.rates["concluded_on_time"].den for each in scores) == 1329


def test_which_groups_held_the_cases(permits: Account) -> None:
    """Activities have no due time: groups have custody and no rates of timeliness."""
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["ended"]]
    scores = {each.department: each for each in permits.scores(SINCE, UNTIL).departments}
    groups = {f"permits-{row['group'].lower().replace(' ', '-')}" for row in rows} - {"permits-empty"}
    assert groups <= scores.keys() and all(scores[group].n == 0 for group in groups)
    expected = 0.0
    before: dict[str, datetime] = {}
    for row in rows:
        at = datetime.fromisoformat(row["at"])
        named = [datetime.fromisoformat(row[name]) for name in ("started", "ended")]
        begun = before.get(row["case"], min(*named, at))
        if row["group"] == "Group 1":
            expected += (at - begun).total_seconds()
        before[row["case"]] = max(at, begun)
    assert scores["permits-group-1"].custody_seconds == pytest.approx(expected, abs=1)


def test_history_is_a_chain_of_today_about_days_long_ago(permits: Account) -> None:
    with permits._database.read() as conn:
        assert events.verify(conn) == []
        told = list(store.events_after(conn, 0, {"run.started", "task.closed"}))
    assert {event.data["imported"] for event in told} == {"permits"}
    assert {event.at for event in told} == {datetime(2015, 11, 1, tzinfo=UTC)}, "the chain says when it was taken in"
    assert max(str(event.data["at"]) for event in told) < "2013"


def test_behind_a_late_case(permits: Account) -> None:
    page, total = permits.counted(SYSTEM, "permits-general", "overdue", SINCE, UNTIL, only=True, limit=5)
    assert total > 300
    for each in page:
        assert each.submitted_at is not None and each.due is not None and each.submitted_at >= each.due
    told = permits.item(SYSTEM, page[0].task)
    assert [event["type"] for event in told["events"]] == [  # type: ignore[attr-defined]
        "run.started", "task.dispatched", "task.accepted", "task.overdue", "task.submitted", "task.closed",
    ]  # fmt: skip


def test_the_same_file_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    account = Account(database)
    file = some(tmp_path / "some.csv", 40)
    first = account.take_in(SYSTEM, MAPPING, file)
    scores = account.scores(SINCE, UNTIL)
    again = account.take_in(SYSTEM, MAPPING, file)
    assert (again.cases, again.events, again.left["there already"]) == (0, 0, first.cases)
    assert account.scores(SINCE, UNTIL) == scores
    assert account.verify() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("ended", "soon"), "a time that is none"), (("ended", "1999-01-01T00:00:00+00:00"), "ends before it starts"),
        (("at", "x"), "a time that is none"), (("case", ""), "no case number"), (("ended", ""), "not closed"),
    ],
)  # fmt: skip
def test_a_bad_case_is_left_out_with_the_reason(
    database: Database, tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    file = some(tmp_path / "some.csv", 2)
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows = [row for row in rows if row["case"] == rows[-1]["case"]]
    rows[0][change[0]] = change[1]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    taken = Account(database).take_in(SYSTEM, MAPPING, file)
    assert dict(taken.left) == {reason: 1}
    assert taken.cases == (reason == "no case number"), "its other rows name the case"


def test_files_that_are_none(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: Actor
) -> None:
    account = Account(database)
    with pytest.raises(Forbidden):
        account.take_in(nobody, MAPPING, FILE)
    for name, content in (
        ("a.csv", b"one,two\n1,2\n"),
        ("b.csv", b"\xff\xfe\x00"),
        ("c.csv.gz", b"no gzip"),
        ("d.csv", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Invalid):
            account.take_in(SYSTEM, MAPPING, tmp_path / name)
    monkeypatch.setattr(limits, "HISTORY_BYTES", 10_000)
    with pytest.raises(TooLarge):
        account.take_in(SYSTEM, MAPPING, FILE)
    monkeypatch.setattr(limits, "HISTORY_BYTES", 2**30)
    monkeypatch.setattr(limits, "HISTORY_ROWS", 10)
    with pytest.raises(TooLarge):
        account.take_in(SYSTEM, MAPPING, FILE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('case = "case"', ""),
        ('zone = "Europe/Amsterdam"', 'zone = "Mars"'),
        ("[title]", "[tilte]"),
        ('at = "at"', ""),
        ("[", ""),
    ],
)
def test_a_mapping_that_is_wrong(tmp_path: Path, old: str, new: str) -> None:
    text = MAPPING.read_text("utf-8")
    assert old in text
    (tmp_path / "m.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(Invalid, match=r"m\.toml"):
        history.mapping(tmp_path / "m.toml")


# ── given in the console ───────────────────────────────────────────────────────────────────────────────────────

STEWARD = Actor("user:steward", text("管家", "Steward"), None, frozenset({"steward"}))


def given(file: Path) -> list[bytes]:
    return [file.read_bytes()]


@pytest.fixture
def jobs(database: Database, tmp_path: Path) -> Iterator[Jobs]:
    jobs = Jobs(database, tmp_path / "jobs")
    yield jobs
    jobs.close()


@pytest.fixture
def taking(database: Database, jobs: Jobs) -> Taking:
    return Taking(database, jobs, lambda code: text(code, code))


def ended(jobs: Jobs, asked: dict[str, object]) -> dict[str, Any]:
    jobs.wait()
    return jobs.job(STEWARD, str(asked["id"]))


def test_a_given_file_is_looked_through_before_it_is_taken_in(
    taking: Taking, jobs: Jobs, database: Database, tmp_path: Path, nobody: Actor
) -> None:
    """What was said before is what happens; lines that are refused are named; nothing is written by looking."""
    file = some(tmp_path / "some.csv", 30)
    file.write_text(file.read_text("utf-8").replace("2010-10-", "2010-13-", 1), "utf-8")
    mapping = MAPPING.read_text("utf-8")
    with pytest.raises(Forbidden):
        taking.check(nobody, "given-0000", mapping, "some.csv", given(file), 2**20)
    with pytest.raises(Forbidden):
        taking.take(nobody, "click-0000", "job-none")
    with pytest.raises(NotFound):
        taking.take(STEWARD, "click-0000", "job-none")

    looked = taking.check(STEWARD, "given-0001", mapping, "some.csv", given(file), 2**20)
    assert taking.check(STEWARD, "given-0001", mapping, "some.csv", given(file), 2**20)["id"] == looked["id"]
    with pytest.raises(Conflict, match="used for something else"):
        taking.check(STEWARD, "given-0001", mapping, "some.csv", iter([b"another"]), 2**20)
    checked = ended(jobs, looked)
    look = checked["result"]
    assert checked["state"] == "done" and look["cases"] > 20 and look["late"] > 0
    assert {"code": "permits-general", "title": text("permits-general", "permits-general")} in look["departments"]
    assert sum(one["cases"] for one in look["left"]) == len(look["lines"]) == 30 - look["cases"] > 0
    lines = file.read_text("utf-8").splitlines()
    for one in look["lines"]:
        assert lines[one["line"] - 1].startswith(one["case"]) and one["reason"] in history.REASONS.values()
    with database.read() as conn:
        assert {event.stream.partition(":")[0] for event in events.read(conn)} == {"job"}

    asked = taking.take(STEWARD, "click-0001", checked["id"])
    done = ended(jobs, asked)
    assert (done["state"], done["result"]["cases"], done["result"]["late"]) == ("done", look["cases"], look["late"])
    assert (done["total"], done["unit"]) == (look["cases"], text("件", "cases"))
    with database.read() as conn:
        told = events.read(conn, types={"history.taken"})
    assert sum(int(str(event.data["cases"])) for event in told) == look["cases"] and {
        event.actor for event in told
    } == {STEWARD.id}
    assert taking.take(STEWARD, "click-0001", checked["id"])["id"] == asked["id"], "the same click is the same job"
    with pytest.raises(Conflict, match="no file"):
        taking.take(STEWARD, "click-0002", checked["id"])

    again = ended(jobs, taking.check(STEWARD, "given-0002", mapping, "some.csv", given(file), 2**20))["result"]
    assert again["cases"] == 0 and again["left"][0] == {
        "reason": history.REASONS["there already"],
        "cases": look["cases"],
    }


def test_the_same_click_while_its_file_still_comes_is_one_job_with_a_whole_file(
    taking: Taking, jobs: Jobs, tmp_path: Path
) -> None:
    file, mapping = some(tmp_path / "some.csv", 30), MAPPING.read_text("utf-8")
    content = file.read_bytes()
    second: list[dict[str, Any]] = []

    def slowly() -> Iterator[bytes]:
        yield content[:500]
        second.append(ended(jobs, taking.check(STEWARD, "given-0001", mapping, "some.csv", given(file), 2**20)))
        yield content[500:]

    first = ended(jobs, taking.check(STEWARD, "given-0001", mapping, "some.csv", slowly(), 2**20))
    assert first["id"] == second[0]["id"] and first["state"] == second[0]["state"] == "done"
    assert [one.name for one in jobs.folder("").iterdir()] == [first["id"]]


def test_taking_in_can_be_stopped_and_goes_on_where_it_was(
    taking: Taking, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands at the second batch until somebody stops it; the rest comes with the same file, which is still there."""
    monkeypatch.setattr(limits, "HISTORY_CASES", 10)
    reached = threading.Event()
    file = some(tmp_path / "some.csv", 30)
    mapping = MAPPING.read_text("utf-8")
    whole = Running.pace

    def pace(self: Running, share: float) -> None:
        if self.job.kind == "history-take" and share > 0:
            reached.set()
            assert self.halt.wait(60)
        whole(self, share)

    monkeypatch.setattr(Running, "pace", pace)
    looked = ended(jobs, taking.check(STEWARD, "given-0001", mapping, "some.csv", given(file), 2**20))
    cases = looked["result"]["cases"]
    asked = taking.take(STEWARD, "click-0001", looked["id"])
    assert reached.wait(60)
    assert taking.take(STEWARD, "click-0001", looked["id"])["id"] == asked["id"], "while it runs, too"
    with pytest.raises(Conflict, match="being taken in"):
        taking.take(STEWARD, "click-0002", looked["id"])
    other = ended_look(jobs, taking.check(STEWARD, "given-0002", mapping, "other.csv", given(file), 2**20))
    assert other["state"] in ("waiting", "running", "done"), "another file waits for nobody"
    jobs.stop(STEWARD, "click-0003", str(asked["id"]))
    assert ended(jobs, asked)["state"] == "stopped"
    monkeypatch.setattr(Running, "pace", whole)
    rest = ended(jobs, taking.take(STEWARD, "click-0004", looked["id"]))
    assert rest["state"] == "done" and 0 < rest["result"]["cases"] < cases
    look = ended(jobs, taking.check(STEWARD, "given-0003", mapping, "some.csv", given(file), 2**20))["result"]
    assert {"reason": history.REASONS["there already"], "cases": cases} in look["left"]
    given_before = [one["id"] for one in jobs.newest(STEWARD, Sought(mine=True, kinds=("history-look",)), 9)][1:]
    assert given_before and not any(jobs.folder(str(id)).exists() for id in given_before)


def ended_look(jobs: Jobs, asked: dict[str, object]) -> dict[str, Any]:
    return jobs.job(STEWARD, str(asked["id"]))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given_(
    content=st.one_of(
        st.binary(max_size=400),
        st.lists(st.sampled_from(["case", ",", '"', "\n", "\r", "\x00", "é", "2010-01-01", "started", "ended"])).map(
            lambda parts: ("case,department,started,planned,ended,activity,group,at\n" + "".join(parts)).encode()
        ),
        st.binary(max_size=200).map(lambda tail: gzip.compress(b"case,department\n1,2\n")[:-4] + tail),
    ),
    name=st.sampled_from(["a.csv", "a.csv.gz"]),
    mapping=st.one_of(st.just(MAPPING.read_text("utf-8")), st.text(max_size=60), st.just("{}"), st.just('{"id": 1}')),
)
def test_no_file_breaks_the_city(taking: Taking, jobs: Jobs, ids: Ids, content: bytes, name: str, mapping: str) -> None:
    """Any file ends in a look or in words about what is wrong with it."""
    try:
        asked = taking.check(STEWARD, ids.new("given"), mapping, name, [content], 1_000)
    except Invalid:
        return
    over = ended(jobs, asked)
    assert over["state"] in ("done", "failed"), over
    assert over["state"] == "done" or "→" in over["failure"]["en"], f"nobody thought of this: {over['failure']}"


def test_what_is_no_csv_and_what_is_too_long(taking: Taking, jobs: Jobs, tmp_path: Path) -> None:
    mapping = MAPPING.read_text("utf-8")
    for name in ("a.xlsx", "", "../x"):
        with pytest.raises(BadRequest):
            taking.check(STEWARD, "given-0001", mapping, name, [b""], 10)
    with pytest.raises(TooLarge):
        taking.check(STEWARD, "given-0001", mapping, "a.csv", [b"x" * 6, b"x" * 6], 10)
    assert jobs.jobs(STEWARD)["total"] == 0 and not list((tmp_path / "jobs").glob("*"))
