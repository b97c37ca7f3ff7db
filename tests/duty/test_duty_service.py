"""Rosters and deputies as departments use them, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cityheart.command.duty.service import Duty
from cityheart.kernel import limits
from cityheart.kernel.access import can
from cityheart.kernel.actors import Actor
from cityheart.kernel.calendar import Calendar
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound, Problem, TooMany
from cityheart.kernel.text import Text, text
from cityheart.serve.service import Serve

ADMIN = Actor.system("test")
TITLES: dict[str, Text] = {code: text(code, code) for code in ("rugao", "rugao-baipu", "ecology")}
BELOW = {"rugao": frozenset({"rugao-baipu"}), "rugao-baipu": frozenset[str](), "ecology": frozenset[str]()}
PEOPLE = {
    "boss": (None, "duty_officer"), "vice": (None, "coordinator"), "li": ("rugao", "clerk"), "wu": ("rugao", "analyst"),
    "sun": ("rugao-baipu", "clerk"), "he": ("ecology", "clerk"),
}  # fmt: skip
DAY = timedelta(days=1)


class Office:
    """A city's people and their rosters."""

    def __init__(self, database: Database, clock: VirtualClock) -> None:
        self.clock = clock
        self.serve = Serve(database, wall=clock)
        self.duty = Duty(database, self.serve, Calendar.load(), ZoneInfo("Asia/Shanghai"))
        self.serve.register_departments(BELOW)
        self.serve.register_deputies(self.duty.standing_in)
        self.duty.register_departments(TITLES, BELOW)
        for name, (department, role) in PEOPLE.items():
            self.serve.create(
                ADMIN, name, "correct horse", name=text(name, name), department=department, roles=[role],
                email=f"{name}@example.org",
            )  # fmt: skip
        self.clicks = 0

    def click(self) -> str:
        self.clicks += 1
        return f"click-{self.clicks:06d}"

    def who(self, name: str) -> Actor:
        return self.serve.acting(self.serve.person(name))

    def shift(self, unit: str, *people: str, by: Actor = ADMIN, **more: object) -> str:
        given: dict[str, object] = {
            "unit": unit, "title": text("全天", "All day"), "starts": "00:00", "ends": "00:00",
            "valid_from": "2015-10-01", "people": list(people), **more,
        }  # fmt: skip
        return str(self.duty.set_shift(by, self.click(), given)["shift_id"])

    def stand_in(self, person: str, deputy: str, by: Actor = ADMIN, days: int = 7) -> str:
        now = self.clock.now()
        made = self.duty.deputise(by, self.click(), person, deputy, now, now + DAY * days, "年休")
        return str(made["deputy_id"])

    def there(self, unit: str) -> list[tuple[str, str | None]]:
        found = self.duty.shown(self.duty.on_duty(unit))
        return [(_en(row["person"]), _en(row["instead_of"]) or None) for row in found]


def _en(person: object) -> str:
    return str(person["name"]["en"]) if isinstance(person, Mapping) else ""


@pytest.fixture
def office(database: Database, clock: VirtualClock) -> Office:
    return Office(database, clock)


def test_who_is_on_duty_and_the_department_above_when_nobody_is(office: Office) -> None:
    assert office.there("rugao-baipu") == []
    office.shift("rugao", "li")
    assert office.there("rugao-baipu") == [("li", None)], "the county answers for a township without a roster"
    office.shift("rugao-baipu", "sun", starts="08:00", ends="18:00")
    assert office.there("rugao-baipu") == [("sun", None)]  # the test's clock says 08:00 in China
    office.clock.advance_to(office.clock.now() + timedelta(hours=12))
    assert office.there("rugao-baipu") == [("li", None)], "at night the county answers"
    assert office.there("ecology") == []
    assert office.duty.addresses("rugao-baipu") == ["li@example.org"]


def test_a_deputy_is_on_duty_and_may_do_what_the_absent_may(office: Office) -> None:
    office.shift("rugao", "li")
    assert not can(office.who("wu"), "task.act", "rugao")
    row = office.stand_in("li", "wu", by=office.who("li"))
    assert office.there("rugao") == [("wu", "li")]
    acting = office.who("wu")
    assert acting.deputy_for == ("user-" + acting.deputy_for[0].removeprefix("user-"),)
    assert can(acting, "task.act", "rugao") and can(acting, "task.act", "rugao-baipu")
    assert not can(acting, "task.act", "ecology")
    office.duty.end_deputy(office.who("li"), office.click(), row)
    assert office.there("rugao") == [("li", None)]
    assert not can(office.who("wu"), "task.act", "rugao")


def test_a_deputy_of_the_centre_may_do_what_the_officer_may_until_the_time_is_over(office: Office) -> None:
    office.stand_in("boss", "vice", days=2)
    assert can(office.who("vice"), "alert.acknowledge")
    office.clock.advance_to(office.clock.now() + DAY * 2)
    assert not can(office.who("vice"), "alert.acknowledge")


@pytest.mark.parametrize(
    ("person", "deputy", "by", "error"),
    [
        ("li", "li", "li", Invalid),
        ("li", "he", "li", Invalid),  # of another department
        ("li", "nobody", "li", NotFound),
        ("he", "li", "li", Forbidden),  # somebody else's deputy, of a department that is not one's own
        ("boss", "vice", "li", Forbidden),
    ],
)
def test_who_may_not_be_named_a_deputy(office: Office, person: str, deputy: str, by: str, error: type[Problem]) -> None:
    with pytest.raises(error):
        office.stand_in(person, deputy, by=office.who(by))


def test_nobody_stands_in_for_each_other_or_for_ever(office: Office) -> None:
    office.stand_in("li", "wu")
    with pytest.raises(Conflict):
        office.stand_in("wu", "li")
    with pytest.raises(Invalid, match="at most"):
        office.stand_in("sun", "li", days=limits.DEPUTY_SPAN.days + 1)


def test_a_clerk_changes_the_own_roster_and_those_below_only(office: Office) -> None:
    li = office.who("li")
    assert office.shift("rugao-baipu", "sun", by=li)
    with pytest.raises(Forbidden):
        office.shift("ecology", "he", by=li)
    with pytest.raises(Forbidden):
        office.shift("rugao", "li", by=office.who("sun"))


def test_a_roster_shows_its_shifts_exchanges_and_gaps(office: Office) -> None:
    day = office.shift("rugao", "li", "wu", starts="08:00", ends="20:00", rotation="daily")
    since = datetime(2015, 11, 1, tzinfo=UTC)  # 08:00 in China
    office.duty.exchange(ADMIN, office.click(), day, date(2015, 11, 2), ["sun"], "换班")
    shown = office.duty.roster(office.who("he"), "rugao", since, since + DAY * 3)
    watches: list[dict[str, object]] = shown["watches"]  # type: ignore[assignment]
    named = [[_en(person) for person in watch["people"]] for watch in watches]  # type: ignore[attr-defined]
    assert named == [["wu"], ["sun"], ["wu"]]
    half = timedelta(hours=12)
    assert shown["gaps"] == [{"from": since + half + DAY * n, "to": since + DAY * (n + 1)} for n in range(3)]
    assert shown["may_change"] is False
    office.duty.end_shift(ADMIN, office.click(), day, date(2015, 11, 1))
    assert office.there("rugao") == []


def test_the_same_click_sets_one_shift(office: Office) -> None:
    given = {
        "unit": "rugao", "title": text("白班", "Day"), "starts": "08:00", "ends": "20:00", "valid_from": "2015-10-01",
        "people": ["li"],
    }  # fmt: skip
    first = office.duty.set_shift(ADMIN, "the-same-click", given)
    assert office.duty.set_shift(ADMIN, "the-same-click", given) == first
    changed = {**given, "id": first["shift_id"], "people": ["wu"]}
    assert office.duty.set_shift(ADMIN, office.click(), changed) == first
    assert office.there("rugao") == [("wu", None)]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"starts": "8 o'clock"}, "cannot be read"),
        ({"starts": "08:00+08:00"}, "local"),
        ({"title": {"en": "x"}}, "both languages"),
        ({"days": "weekends"}, "days"),
        ({"rotation": "random"}, "rotation"),
        ({"valid_until": "2015-10-01"}, "not after"),
        ({"unit": "nowhere"}, "no department"),
        ({"people": []}, "nobody is named"),
        ({"people": ["stranger"]}, "stranger"),
        ({"people": ["li"] * (limits.DUTY_PEOPLE + 1)}, "at most"),
        ({"id": "shift-unknown"}, "no shift"),
    ],
)
def test_a_shift_that_is_wrong_says_why(office: Office, more: dict[str, object], said: str) -> None:
    given = {"unit": "rugao", "people": ["li"]} | more
    unit, people = str(given.pop("unit")), given.pop("people")
    with pytest.raises((Invalid, NotFound, TooMany), match=said):
        office.shift(unit, *people, **given)  # type: ignore[misc]


def test_only_people_of_the_same_line_are_offered(office: Office) -> None:
    offered = [row["username"] for row in office.duty.staff(office.who("li"), "rugao-baipu")]
    assert offered == ["boss", "li", "sun", "vice", "wu"]
    with pytest.raises(Forbidden):
        office.duty.staff(office.who("li"), "ecology")


def test_a_roster_is_shown_for_a_while_only(office: Office) -> None:
    now = office.clock.now()
    for until in (now, now - DAY, now + limits.ROSTER_SPAN + DAY):
        with pytest.raises(BadRequest):
            office.duty.roster(ADMIN, "rugao", now, until)
    with pytest.raises(NotFound):
        office.duty.roster(ADMIN, "nowhere", now, now + DAY)
    with pytest.raises(Forbidden):
        office.duty.roster(Actor("user:x", text("某", "X"), None, frozenset()), "rugao", now, now + DAY)
