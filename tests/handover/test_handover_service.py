"""A shift is handed over by two named persons, with what stands; on both databases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.command.duty.models import CENTRE
from cityheart.command.duty.service import Duty
from cityheart.command.handover import store
from cityheart.command.handover.service import Handover
from cityheart.engine.lake import Lake
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.calendar import Calendar
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound, Problem, TooMany
from cityheart.kernel.events import event_table
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import Text, text
from cityheart.share.service import Share

from ..command import scene as command_scene
from ..watch import scene as watch_scene
from ..watch.test_watch_suppress import Desk as Watching

ADMIN = Actor.system("test")
TITLES: dict[str, Text] = dict(command_scene.UNITS)
BELOW = {unit: frozenset[str]() for unit in command_scene.UNITS}
PEOPLE = {
    "night": (None, "duty_officer"), "day": (None, "duty_officer"), "spare": (None, "coordinator"),
    "mayor": (None, "mayor"), "eco": ("ecology", "clerk"), "ind": ("industry", "clerk"), "ana": (None, "steward"),
}  # fmt: skip
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Somebody:
    """An account, as far as duty cares."""

    id: str
    username: str
    name: Text
    department: str | None
    roles: frozenset[str]
    email: str | None = None
    blocked_at: datetime | None = None


class Folk:
    """The people above."""

    def __init__(self) -> None:
        self.all = {
            f"user:{name}": Somebody(f"user:{name}", name, text(name, name), unit, frozenset({role}))
            for name, (unit, role) in PEOPLE.items()
        }

    def staff(self, departments: Iterable[str] | None) -> list[Somebody]:
        return list(self.all.values())

    def people(self, ids: Iterable[str]) -> dict[str, Somebody]:
        return {id: self.all[id] for id in ids if id in self.all}

    def person(self, username: str) -> Somebody:
        return self.all[f"user:{username}"]


class Office:
    """A command centre with a roster: nights 20:00 to 08:00, days 08:00 to 20:00 local; it is 08:00 local at first."""

    def __init__(self, database: Database, clock: VirtualClock, folder: Path) -> None:
        self.database, self.clock = database, clock
        self.folk = Folk()
        self.duty = Duty(database, self.folk, Calendar.load(), ZoneInfo("Asia/Shanghai"))
        lake = Lake(folder / "lake")
        lake.ensure(watch_scene.NOISE)
        self.watching = Watching(database, watch_scene.watch_over(database, lake, [watch_scene.Loud()]), clock)
        self.command = command_scene.centre(database, folder)
        self.desk = command_scene.Desk(self.command)
        self.sources = Share(database, lake, home=folder)
        self.handover = Handover(database, self.duty, self.command, self.watching.watch, self.sources)
        self.duty.register_departments(TITLES, BELOW)
        self.handover.register_departments(TITLES, BELOW)
        self.clicks = 0

    def click(self) -> str:
        self.clicks += 1
        return f"handover-{self.clicks:06d}"

    def who(self, name: str) -> Actor:
        one = self.folk.person(name)
        absent = tuple(self.duty.standing_in(one.id))
        return Actor(one.id, one.name, one.department, one.roles, deputy_for=absent)

    def roster(self, unit: str = CENTRE, night: str = "night", day: str = "day") -> None:
        for title, starts, ends, person in (("夜班", "20:00", "08:00", night), ("白班", "08:00", "20:00", day)):
            self.duty.set_shift(ADMIN, self.click(), {
                "unit": unit, "title": text(title, title), "starts": starts, "ends": ends, "people": [person],
                "valid_from": "2015-10-01",
            })  # fmt: skip

    def write(self, who: str = "night", unit: str = CENTRE, **more: Any) -> dict[str, Any]:
        return self.handover.write(self.who(who), self.click(), unit, **more)

    def sign(self, who: str, note: dict[str, Any]) -> dict[str, Any]:
        return self.handover.sign(self.who(who), self.click(), note["note_id"], note["revision"])

    def take(self, who: str, note: dict[str, Any], reason: str = "") -> dict[str, Any]:
        return self.handover.take(self.who(who), self.click(), note["note_id"], reason)

    def due(self, who: str) -> list[tuple[str, str]]:
        return [(str(one["role"]), str(one["state"])) for one in self.handover.due(self.who(who))]

    def note(self, note: dict[str, Any], who: str = "mayor") -> dict[str, Any]:
        return self.handover.note(self.who(who), note["note_id"])

    def now(self, who: str = "night", unit: str | None = CENTRE, **more: Any) -> Any:
        return self.handover.now(self.who(who), unit, **more)

    def events(self) -> list[str]:
        with self.database.read() as conn:
            rows = conn.execute(sa.select(event_table.c.type).order_by(event_table.c.seq))
            return [row.type for row in rows if row.type.startswith("handover.")]


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    clock = database.clock
    assert isinstance(clock, VirtualClock)
    return Office(database, clock, tmp_path)  # 2015-11-01 00:00 UTC is 08:00 in Shanghai


def at(office: Office, hours: float) -> None:
    """So many hours after the first moment."""
    office.clock.advance_to(datetime(2015, 11, 1, tzinfo=UTC) + hours * HOUR)


def test_one_signs_another_takes_over_and_nothing_changes_afterwards(office: Office) -> None:
    office.roster()
    at(office, 23.6)  # 07:36 local: the night ends at 08:00
    assert (office.due("night"), office.due("day")) == ([("leaving", "missing")], [])
    office.watching.say("north", 2, after=MINUTE)
    alert = office.watching.alert("north")["id"]
    first = office.write(words="北站仍在响", pins=[{"kind": "alert", "id": alert, "note": "盯紧"}])
    second = office.write(words="北站仍在响，已通知环保", revision=1)
    assert second["note_id"] == first["note_id"] and second["revision"] == 2
    with pytest.raises(Conflict, match="meanwhile"):
        office.write("spare", words="我也写", revision=1)
    with pytest.raises(Conflict):  # what was signed must be what was seen
        office.sign("night", first)
    with pytest.raises(Conflict, match="not over"):
        office.take("day", second, "等不及")
    assert office.sign("night", second)["state"] == "signed"
    assert (office.due("night"), office.due("day")) == ([], [("coming", "signed")])
    signed = office.note(second)
    assert signed["standing"]["alerts"]["levels"] == {"1": 0, "2": 1, "3": 0, "4": 0}
    assert signed["signed"]["on_roster"] and signed["verified"] is True
    with pytest.raises(Conflict, match="does not change"):
        office.write(words="改口", revision=2)
    with pytest.raises(Conflict, match="does not take over"):
        office.take("night", second)
    office.watching.say("north", None, after=MINUTE)  # over: the note still says what stood
    assert office.take("day", second)["state"] == "taken"
    with pytest.raises(Conflict):
        office.take("spare", second)
    added = office.handover.add(office.who("night"), office.click(), second["note_id"], "更正：是北二站")
    assert added["n"] == 1
    kept = office.note(second)
    assert kept["standing"] == signed["standing"] and kept["words"] == "北站仍在响，已通知环保"
    assert [one["words"] for one in kept["additions"]] == ["更正：是北二站"]
    assert (kept["verified"], kept["taken"]["name"]["en"], office.due("day")) == (True, "day", [])
    assert office.events() == ["handover." + what for what in ("written", "written", "signed", "taken", "added")]


def test_a_note_that_was_changed_in_the_store_says_so(office: Office) -> None:
    office.roster()
    note = office.write("day", words="平安")
    office.sign("day", note)
    assert office.note(note)["verified"] is True
    with office.database.work(ADMIN) as work:
        work.conn.execute(store.note_table.update().values(words="一切正常"))
    assert office.note(note)["verified"] is False
    with office.database.work(ADMIN) as work:
        work.conn.execute(store.note_table.update().values(words="平安"))
    office.handover.add(office.who("day"), office.click(), note["note_id"], "补充")
    with office.database.work(ADMIN) as work:
        work.conn.execute(store.addition_table.update().values(words="没有补充"))
    assert office.note(note)["verified"] is False


def test_a_click_is_one_click(office: Office) -> None:
    office.roster()
    actor, id = office.who("day"), "the-same-click"
    made = office.handover.write(actor, id, CENTRE, words="x")
    assert office.handover.write(actor, id, CENTRE, words="x") == made
    with pytest.raises(Conflict):
        office.handover.write(actor, id, CENTRE, words="y")
    note_id, signed = str(made["note_id"]), "sign-it-once"
    for _ in range(2):
        assert office.handover.sign(actor, signed, note_id, 1)["state"] == "signed"
    for _ in range(2):
        office.handover.add(actor, "add-it-once", note_id, "再说一句")
    assert len(office.note(made)["additions"]) == 1


def test_a_shift_whose_note_nobody_signed_is_taken_over_with_a_reason(office: Office) -> None:
    office.roster()
    at(office, 24.5)  # 08:30: the night is over, the day is held
    assert office.due("night") == [("leaving", "missing")]
    assert office.due("day") == [("coming", "missing")]
    waiting = office.now("day")
    assert waiting["watch"]["people"][0]["name"]["en"] == "day" and waiting["may_write"]
    (night,) = [one for one in waiting["open"] if one["over"]]
    made = office.write("day", shift=night["shift"], day=date(2015, 11, 1), words="交班人突发疾病")
    with pytest.raises(Invalid, match="nobody signed"):
        office.take("day", made)
    office.take("day", made, "电话已核实")
    kept = office.note(made)
    assert (kept["state"], kept["signed"], kept["reason"]) == ("taken", None, "电话已核实")
    assert kept["verified"] is True and kept["standing"] is not None
    assert office.due("day") == [] and not [one for one in office.now("day")["open"] if one["over"]]


def test_who_goes_on_takes_over_from_themselves_when_the_roster_says_so(office: Office) -> None:
    office.roster(day="night")
    at(office, 23.9)
    note = office.write("night")
    office.sign("night", note)
    assert office.take("night", note)["state"] == "taken"


def test_a_deputy_signs_for_the_one_on_the_roster_and_a_stranger_is_named_as_one(office: Office) -> None:
    office.roster()
    now = office.clock.now()
    office.duty.deputise(ADMIN, office.click(), "day", "spare", now, now + 24 * HOUR, "年休")
    at(office, 11.9)
    assert office.due("spare") == [("leaving", "missing")]
    note = office.write("spare")
    office.sign("spare", note)
    office.take("night", note)
    kept = office.note(note)
    assert (kept["signed"]["on_roster"], kept["taken"]["on_roster"]) == (True, True)


def test_without_a_roster_a_note_covers_what_came_since_the_last(office: Office) -> None:
    empty = office.now("night", unit=None)
    assert (empty["unit"], empty["watch"], empty["next"], empty["note"], empty["open"]) == (
        CENTRE,
        None,
        None,
        None,
        [],
    )
    assert empty["since"] == office.clock.now() - limits.HANDOVER_LATE
    assert office.due("night") == []
    first = office.write("night", CENTRE, words="第一班")
    assert office.write("day", CENTRE, words="第一班，补一句", revision=1)["note_id"] == first["note_id"]
    office.sign("day", {**first, "revision": 2})
    with pytest.raises(Conflict):
        office.write("day", CENTRE, words="还没有人接", revision=2)
    at(office, 1)
    office.take("night", first)
    at(office, 5)
    second = office.write("night", CENTRE, words="第二班")
    assert second["note_id"] != first["note_id"]
    assert office.note(second)["from"] == office.clock.now() - 5 * HOUR  # from the first signature on
    page = office.handover.notes(office.who("mayor"), limit=1)
    rest = office.handover.notes(office.who("mayor"), limit=1, after=str(page["next"]))
    listed = [one["id"] for one in [*page["items"], *rest["items"]]]  # type: ignore[misc]
    assert (listed, page["total"], rest["next"]) == ([second["note_id"], first["note_id"]], 2, None)


def test_the_draft_says_what_stands_and_what_happened(office: Office) -> None:
    office.roster()
    office.watching.say("west", 3, after=MINUTE)  # before eight o'clock of the evening: not of the night
    at(office, 13)
    for station, level in (("east", 1), ("south", 4), ("north", 2)):
        office.watching.say(station, level, after=MINUTE)
    office.watching.say("south", None, after=MINUTE)
    office.watching.silence("north", hours=12)
    incident, _ = office.desk.start(
        command_scene.plan(command_scene.step("look", "ecology"), command_scene.step("mend", "industry"))
    )
    office.desk.act(incident, "mend", "accept")
    at(office, 14.5)
    office.command.tick(office.clock.now())
    drawn = office.now()["standing"]
    assert drawn["alerts"]["levels"] == {"1": 1, "2": 0, "3": 1, "4": 0}
    assert [one["subject"]["id"] for one in drawn["alerts"]["items"]] == ["east", "west"]
    assert [one["reason"] for one in drawn["suppressions"]["items"]] == ["检修"]
    (open_,) = drawn["incidents"]["items"]
    assert (open_["id"], open_["open"]) == (incident, 2)
    assert [(one["title"]["en"], one["clock"]) for one in open_["late"]] == [("look", "accept")]
    assert [(one["title"]["en"], one["clock"]) for one in open_["next"]] == [("mend", "due")]
    counts = drawn["shift"]["counts"]
    assert {name: counts[name] for name in ("raised", "ended", "opened", "dispatched", "closed")} == {
        "raised": 3, "ended": 1, "opened": 1, "dispatched": 1, "closed": 0,
    }  # fmt: skip
    assert drawn["sources"] == {"total": 0, "items": []}


def test_a_department_reads_and_writes_its_own_notes_only(office: Office) -> None:
    office.roster("ecology", "eco", "eco")
    note = office.write("eco", "ecology", words="本局情况")
    assert office.note(note, "eco")["words"] == "本局情况" == office.note(note, "mayor")["words"]
    assert office.now("eco", None)["unit"] == "ecology"
    office.desk.start(command_scene.plan(command_scene.step("mend", "industry")))
    assert office.now("eco", "ecology")["standing"]["incidents"]["total"] == 0
    for wrong, attempt in (
        (Forbidden, lambda: office.write("ind", "ecology")),
        (NotFound, lambda: office.note(note, "ind")),
        (Forbidden, lambda: office.write("eco", CENTRE)),
        (Forbidden, lambda: office.now("eco", CENTRE)),
        (Forbidden, lambda: office.write("mayor", "ecology")),
        (Forbidden, lambda: office.handover.notes(office.who("ana"))),
        (NotFound, lambda: office.write("day", "nowhere")),
        (Forbidden, lambda: office.handover.write(ADMIN, office.click(), "ecology")),
    ):
        with pytest.raises(wrong):
            attempt()
    assert office.handover.notes(office.who("ind"))["total"] == 0
    with pytest.raises(BadRequest):
        office.handover.notes(office.who("ind"), after=str(note["note_id"]))


def test_what_cannot_be_kept_is_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.roster()
    for wrong, spec in (
        (Invalid, {"words": "x" * (limits.TEXT_CHARS + 1)}),
        (Invalid, {"words": "a\x00b"}),
        (Invalid, {"words": "\ud800"}),
        (Invalid, {"pins": [{"kind": "person", "id": "x"}]}),
        (NotFound, {"pins": [{"kind": "alert", "id": "x"}]}),
        (NotFound, {"pins": [{"kind": "incident", "id": "x"}]}),
        (TooMany, {"pins": [{"kind": "alert", "id": str(n)} for n in range(limits.HANDOVER_PINS + 1)]}),
        (Conflict, {"revision": 3}),
        (NotFound, {"shift": "shift-of-nobody", "day": date(2015, 11, 1)}),
    ):
        with pytest.raises(wrong):
            office.write("day", **spec)  # type: ignore[arg-type]
    assert office.events() == []
    note = office.write("day")
    with pytest.raises(Conflict):
        office.handover.add(office.who("day"), office.click(), note["note_id"], "先加再签")
    office.sign("day", note)
    with pytest.raises(Invalid):
        office.handover.add(office.who("day"), office.click(), note["note_id"], "  ")
    monkeypatch.setattr(limits, "HANDOVER_ADDITIONS", 0)
    with pytest.raises(TooMany):
        office.handover.add(office.who("day"), office.click(), note["note_id"], "太多了")


@settings(max_examples=40)
@given(st.lists(st.integers(0, 40), max_size=30), st.integers(-1, 45))
def test_the_place_of_a_moment_in_the_log_is_found_by_halving(steps: list[int], moment: int) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    clock = VirtualClock(start)
    database = Database("sqlite://", clock, Ids(clock, seed=1))
    table = sa.Table(event_table.name, sa.MetaData(), *(column._copy() for column in event_table.columns))
    with database.engine.begin() as conn:
        table.create(conn)
        for n, minutes in enumerate(sorted(steps)):
            values = {"stream": "s", "n": n, "type": "t", "actor": "a", "data": {}, "prev": "", "hash": ""}
            conn.execute(table.insert().values(seq=3 * n + 2, at=start + minutes * MINUTE, **values))
        found = store.first_since(conn, start + moment * MINUTE)
    database.close()
    assert found == max((3 * n + 2 for n, minutes in enumerate(sorted(steps)) if minutes < moment), default=0)


def test_refusals_say_what_to_do(office: Office) -> None:
    office.roster()
    with pytest.raises(Problem) as refused:
        office.take("day", office.write("day"))
    assert refused.value.remedy
