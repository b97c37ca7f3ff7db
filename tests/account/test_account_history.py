"""Real cases: the receipts of a municipality's permits, taken in as closed cases, scored and accounted for."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cityheart.account import history, store
from cityheart.account.service import Account
from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Forbidden, Invalid, TooLarge
from cityheart.kernel.ids import Ids
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
