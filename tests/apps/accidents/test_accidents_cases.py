"""Real accidents land through the connectors, are told apart, linked to chemicals, and found as similar cases."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityheart.apps.accidents.cases import NO_PLAN, ORIGIN, cases, level_of
from cityheart.apps.accidents.chemicals import TONNES_PER_POUND, chemicals, released
from cityheart.apps.accidents.learn import Learned, learn
from cityheart.apps.accidents.records import standing
from cityheart.city import City
from cityheart.command.knowledge.likeness import likeness
from cityheart.command.knowledge.models import Case, Matter
from cityheart.kernel import events
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.errors import Forbidden, NotFound
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text

from ..landing import APPS

DATA = Path(__file__).parent / "data"
SYSTEM = Actor.system("test")
SOURCES = ("epa-rmp.release", "epa-rmp.added", "epa-rmp.removed", "epa-rmp.changed")
RELEASES = ("2023-11", "2024-01", "2025-01", "2025-04")
NOW = datetime(2025, 6, 1, tzinfo=UTC)


def pull(city: City) -> None:
    """Visit every folder; nothing is refused as a whole."""
    for source in SOURCES:
        assert [landed.refused for landed in city.share.pull(source) if landed.refused is not None] == []


def learned(city: City, actor: Actor = SYSTEM, most_cases: int = 1_000) -> Learned:
    return learn(city.share, city.knowledge.import_cases, city.clock, actor, most_cases=most_cases)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[City, list[Learned]]]:
    """A city in which the release and then four change files landed; what was learned before, after, and again."""
    home = tmp_path_factory.mktemp("accidents")
    clock = VirtualClock(NOW)
    city = City.create(Settings(home=home, apps=("accidents",), clock="virtual", seed=1), clock)
    inbox = home / "inbox"
    for name in ("accident-releases", "accident-changes"):
        (inbox / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(DATA / "release.csv", inbox / "accident-releases" / "2023-07.csv")
    pull(city)
    told = [learned(city)]
    for release in RELEASES:
        clock.advance_to(clock.now() + timedelta(days=90))
        shutil.copy(DATA / f"{release}.json", inbox / "accident-changes" / f"{release}.json")
        pull(city)
    told += [learned(city), learned(city, most_cases=5)]
    yield city, told
    city.close()


@pytest.fixture
def city(first: tuple[City, list[Learned]]) -> City:
    return first[0]


def stands(city: City) -> dict[str, dict[str, object]]:
    read = (
        city.share.read(SYSTEM, name).to_pylist()
        for name in ("chemical_accident", "accident_withdrawal", "accident_correction")
    )
    return {str(row["history_id"]): row for row in standing(*read)}


def imported(city: City, words: str | None = None) -> list[Case]:
    return [case for _, case in city.knowledge.cases(SYSTEM, origin=ORIGIN, text=words)[0]]


def test_only_what_is_wrong_is_in_quarantine(city: City) -> None:
    page, _ = city.share.quarantine(SYSTEM)
    assert sorted((row.source, row.code) for row in page) == [
        ("epa-rmp.release", "maximum"),  # dated in the year 2202
        ("epa-rmp.release", "required"),  # names no chemical
    ]
    assert all(source["drift"] == [] for source in city.share.sources(SYSTEM))


def test_change_files_add_withdraw_correct_and_bring_back(city: City) -> None:
    found = stands(city)
    assert not {"1000084757", "1000079137"} & found.keys()  # withdrawn
    assert {"1000085439", "1000079546"} <= found.keys()  # came with a newer submission; withdrawn and added again
    assert found["1000077686"]["treated"] == 30.0
    before = city.share.read(SYSTEM, "chemical_accident").to_pylist()
    assert next(row for row in before if row["history_id"] == "1000077686")["treated"] == 10.0


def test_an_accident_of_several_records_is_one_case(first: tuple[City, list[Learned]]) -> None:
    city, (before, after, again) = first
    with (DATA / "release.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["AccidentChemicals"] and row["AccidentDate"] < "2100"]
    assert before.records == len(rows)
    told = {(row["EPAFacilityID"], row["AccidentDate"], row["AccidentTime"]) for row in rows}
    assert before.accidents == before.imported == len(told) < before.records
    assert before.refused == before.withdrawn == before.gone == 0
    # a newer submission of a known accident is the known case; a corrected one is revised, never doubled
    assert (after.withdrawn, after.corrected) == (2, 1)
    assert after.revised >= 1 and after.refused == 0 and after.reasons == ()
    assert after.accidents + after.gone == len(told) + after.imported
    assert (again.imported, again.revised, again.known, again.refused) == (0, 0, after.accidents, 0)
    assert len(imported(city)) == before.imported + after.imported


def test_a_corrected_accident_is_a_revised_case(city: City) -> None:
    revised = [case for case in imported(city) if case.revision > 1]
    [treated] = [case for case in revised if "受伤或就医 37 人" in case.text]
    assert treated.revision == 2 and treated.revised_at is not None and treated.revised_at > treated.known_at
    [before] = city.knowledge.revisions(SYSTEM, treated.id)
    changed = before["changed"][0]  # type: ignore[index]
    assert changed["field"] == "text" and "17 人" in changed["before"] and "37 人" in changed["after"]
    assert before["replaced_by"] == SYSTEM.id and before["until"] == treated.revised_at
    with city.database.read() as conn:
        told = events.read(conn, types={"case.revised"})
    assert {event.data["id"] for event in told} == {case.id for case in revised}


def test_a_case_tells_in_both_languages_what_happened(city: City) -> None:
    [two] = [case for case in imported(city) if case.opened_at == datetime(2015, 6, 10, 11, 45, tzinfo=UTC)]
    assert "正戊烷泄漏 1.27 吨（CAS 109-66-0）" in two.text and "Pentane (CAS 109-66-0) 1.27 t" in two.text  # 2,800 lb
    assert "正戊烷泄漏 0.0454 吨" in two.text  # 100 lb, of the other record
    assert two.plan == NO_PLAN and two.steps == () and two.kind == "chemical_accident"
    [worst] = [case for case in imported(city) if "死亡 25 人" in case.text]
    assert worst.level == 2 and "25 dead" in worst.text
    assert "液氨泄漏 0.0907 吨（CAS 7664-41-7，氨气，氨）" in worst.text
    assert len(imported(city, "CAS 7782-50-5")) >= 4  # chlorine, found by its number


def test_similar_accidents_are_found_for_a_matter_in_either_language(city: City) -> None:
    for words in ("氯气泄漏，液氯阀门泄漏", "chlorine gas release from a valve"):
        matter = Matter("chemical_accident", None, city.clock.now(), words)
        found = city.knowledge.advise(matter)
        assert found.cases and "7782-50-5" in found.cases[0][0].text
        assert found.plans == () and not found.confident  # no plan is known for it, and none is made up


def test_an_alert_of_another_kind_finds_accidents_with_its_substance_and_equipment(city: City) -> None:
    for words in ("液氯储罐液位超限", "level of a chlorine storage tank"):
        found = city.knowledge.advise(Matter("tank_excursion", 2, city.clock.now(), words))
        assert found.cases == () and found.related
        for case, _ in found.related:
            assert "7782-50-5" in case.text
            assert found.why[case.id][0] == text("同一物质：氯气", "same substance: chlorine")


def test_every_chemical_of_the_register_is_known_by_its_names() -> None:
    alike = likeness()
    for row in register():
        thing = f"substance:{row['cas']}"
        names = [str(row["name_en"]).lower(), *([str(row["name_zh"])] if len(str(row["name_zh"])) > 1 else [])]
        assert any(thing in alike.things(name) for name in names), row
        assert thing in alike.things(f"CAS {row['cas']}")


def test_most_accidents_are_linked_to_a_chemical_and_a_mixture_to_none(first: tuple[City, list[Learned]]) -> None:
    city, (_, after, _) = first
    assert 0 < after.accidents - after.linked <= 2
    register = chemicals(city.share.read(SYSTEM, "chemical").to_pylist())
    [mixture] = released("Flammable Mixture {79227}", register)
    assert mixture.chemical is None and mixture.tonnes == pytest.approx(35.937, abs=0.001)


def test_who_may_not_take_in_cases_makes_none(city: City) -> None:
    with pytest.raises(Forbidden):
        learned(city, Actor("resident", text("居民", "Resident"), None, frozenset()))


def test_without_the_application_it_says_so(tmp_path: Path) -> None:
    other = City.create(Settings(home=tmp_path, apps=(), clock="virtual", seed=1), VirtualClock(NOW))
    with pytest.raises(NotFound, match="not installed"):
        learned(other)
    other.close()


# ── the register ───────────────────────────────────────────────────────────────────────────────────────────────────


def register() -> list[dict[str, object]]:
    with (APPS / "accidents" / "data" / "chemicals.csv").open(encoding="utf-8", newline="") as lines:
        return [dict(row) for row in csv.DictReader(lines)]


def test_every_cas_number_of_the_register_has_its_check_digit() -> None:
    rows = register()
    assert len({row["cas"] for row in rows}) == len(rows) > 100
    for row in rows:
        *digits, check = (int(digit) for digit in str(row["cas"]).replace("-", ""))
        assert sum(place * digit for place, digit in enumerate(reversed(digits), 1)) % 10 == check
        assert row["name_zh"] and row["name_en"]


def test_names_with_blanks_and_case_of_their_own_are_the_same_chemical() -> None:
    known = chemicals(register())
    for told in ("Chlorine {5}", "  chlorine  {5}", "CHLORINE {5.0}"):
        [one] = released(told, known)
        assert one.chemical is not None and one.chemical.cas == "7782-50-5"
        assert one.tonnes == pytest.approx(5 * TONNES_PER_POUND)
    assert len(released("Chlorine {5} • Chlorine {5} • Chlorine {6}", known)) == 2
    assert [one.tonnes for one in released("Chlorine", known)] == [None]


@given(st.text(max_size=80))
def test_whatever_is_told_of_chemicals_raises_no_error(told: str) -> None:
    assert all(one.tonnes is None or one.tonnes >= 0 for one in released(told, {}))


# ── records and cases ──────────────────────────────────────────────────────────────────────────────────────────────


def record(**values: object) -> dict[str, object]:
    return {
        "history_id": "1", "facility_id": "f", "accident_date": date(2020, 2, 29), "accident_time": "0830",
        "chemicals": "Chlorine {1}", "_known_at": NOW, **values,
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    ["", "[", "[1]", "null", '{"Evacuated": "1"}', '{"Evacuated": ["x", "y"]}', '{"nothing": ["1", "2"]}',
     '{"Evacuated": ["7.0", "8.0"]}', '{"AccidentHistoryID": ["1", "2"]}'],
)  # fmt: skip
def test_a_correction_that_is_none_or_not_of_this_value_changes_nothing(changes: str) -> None:
    correction = {"history_id": "1", "changes": changes, "_known_at": NOW}
    assert standing([record(evacuated=3.0)], [], [correction]) == [record(evacuated=3.0)]


def test_corrections_of_several_releases_follow_one_another() -> None:
    told = [
        {"history_id": "1", "changes": json.dumps({"Evacuated": [old, new]}), "_known_at": NOW + timedelta(days=day)}
        for day, old, new in ((2, "4.0", "5.0"), (1, "3.0", "4.0"))
    ]
    assert standing([record(evacuated=3.0)], [], told)[0]["evacuated"] == 5.0


@pytest.mark.parametrize(("days", "stands_still"), [(-1, True), (0, False), (1, False)])
def test_a_withdrawal_holds_for_what_landed_before_it(days: int, stands_still: bool) -> None:
    gone = {"history_id": "1", "_known_at": NOW + timedelta(days=days)}
    assert bool(standing([record()], [gone], [])) is stands_still


def test_people_of_one_accident_are_counted_once() -> None:
    rows = [record(history_id="1", injuries_workers=2.0), record(history_id="2", injuries_workers=2.0, fire=True)]
    [case] = cases(rows, {})
    assert "2 injured or treated" in str(case["text"]) and "Fire" in str(case["text"])


@pytest.mark.parametrize("time", [None, "", "x", "2460", "99999"])
def test_an_accident_without_a_time_of_day_begins_with_its_day(time: object) -> None:
    [case] = cases([record(accident_time=time, duration="00130")], {})
    assert case["opened_at"] == "2020-02-29T00:00:00+00:00" and case["closed_at"] == "2020-02-29T01:30:00+00:00"


@pytest.mark.parametrize(
    ("deaths", "grave", "level"), [(30, 0, 1), (0, 100, 1), (29, 99, 2), (9, 10, 3), (2, 9, 4), (0, 0, 4), (3, 0, 3)]
)
def test_levels_follow_the_law(deaths: int, grave: int, level: int) -> None:
    assert level_of(deaths, grave) == level
