"""Vehicles in closed zones: those that are there, and all that only looks like it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
import shapely

from cityheart.apps.hazchem.detectors.restricted_zone import (
    PARAMETERS,
    RestrictedZone,
    closed_times,
    evaluate,
    rules_of,
)
from cityheart.sdk import Sighting

from .traffic import HOUR, MINUTE, START, ZONE, Lorry, Place, at, followed, vehicles

WEST, EAST, SOUTH, NORTH = (-2.0, 2.0, 6.0, 10.0)  # km


def zones(closed: str = "22:00-06:00", goods: str = "hazardous", **more: object) -> bytes:
    corners = [at(WEST, SOUTH), at(EAST, SOUTH), at(EAST, NORTH), at(WEST, NORTH), at(WEST, SOUTH)]
    feature = {
        "type": "Feature",
        "properties": {"id": "Z1", "name": "老城禁行区", "closed": closed, "goods": goods, **more},
        "geometry": {"type": "Polygon", "coordinates": [[list(map(float, each)) for each in corners]]},
    }
    return json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()


def found(lorry: Lorry, file: bytes | None = None, now: datetime | None = None) -> list[Sighting]:
    file = file or zones()
    now = now or lorry.now + HOUR
    tables = followed([lorry], file, now)
    return evaluate(tables["transport_visit"], vehicles({"苏F0001": lorry.phone}), rules_of(file), now, ZONE)


def clock(hour: float, day: int = 1) -> datetime:
    return START + timedelta(days=day, hours=hour)


def before(hour: float, place: Place, load: int = 3, **more: int) -> Lorry:
    """Stands at a place until so many hours after the second midnight."""
    return Lorry("13900000001", place, clock(hour - 2), load, **more).until(clock(hour))


THROUGH = (at(0, 0), at(0, 16))


@pytest.mark.parametrize("period", [15, 30, 60])
@pytest.mark.parametrize("load", [0, 3])
def test_a_way_through_at_night_is_a_case(period: int, load: int) -> None:
    lorry = before(23, THROUGH[0], load, period=period).drive(THROUGH[1]).stay(20)
    (case,) = found(lorry)
    assert case.subject.kind == "vehicle" and case.subject.id == "苏F0001"
    assert case.level == (2 if load else 3) and case.score > 0.9
    # 6 km from the start at 50 km/h to the south edge, 10 km to the north edge
    assert case.start == pytest.approx(clock(23) + 7.2 * MINUTE, abs=timedelta(seconds=2 * period))
    assert case.end == pytest.approx(clock(23) + 12 * MINUTE, abs=timedelta(seconds=2 * period))
    (track,) = case.evidence
    assert track["type"] == "track" and track["plate"] == "苏F0001"
    points = track["points"]
    assert isinstance(points, list) and 3 <= len(points) <= 24
    assert all(at(WEST, 0)[0] <= lon <= at(EAST, 0)[0] and load == shown for _, lon, _, shown in points)
    assert all(set(each) == {"zh-CN", "en"} for each in case.reasons)


def test_it_is_seen_while_the_vehicle_is_inside() -> None:
    lorry = before(23, THROUGH[0]).drive(THROUGH[1]).stay(20)
    inside = clock(23) + 9.5 * MINUTE
    (case,) = found(lorry, now=inside)
    assert case.end is None and case.start < inside
    (after,) = found(lorry)
    assert after.end is not None and (after.case, after.start) == (case.case, case.start) and after.score >= case.score


def test_two_fixes_are_enough_when_they_agree() -> None:
    corner = before(23, at(-3.55, 2), period=60).drive(at(5.65, 11.2))  # cuts the corner in two minutes
    (case,) = found(corner.stay(20))
    assert 0.6 < case.score < 0.95


def test_a_zone_that_is_always_closed_is_so_at_noon() -> None:
    lorry = before(12, THROUGH[0]).drive(THROUGH[1]).stay(20)
    assert not found(lorry)
    (case,) = found(lorry, zones("always"))
    assert "全天" in case.reasons[0]["zh-CN"]


def test_standing_inside_over_night_counts_from_the_closing_on() -> None:
    lorry = before(19, at(0, 0)).drive(at(0, 8)).until(clock(31)).drive(at(0, 16)).stay(30)
    (case,) = found(lorry)
    assert case.start == clock(22) and case.end == clock(30)
    (now,) = found(lorry, now=clock(25))
    assert now.start == clock(22) and now.end is None and now.case == case.case


def test_what_spans_the_border_of_hours_counts_beyond_some_minutes() -> None:
    late = before(21 + 46 / 60, at(0, 0)).drive(at(0, 8), 50).stay(9).drive(at(0, 16)).stay(30)
    (case,) = found(late)
    assert case.start == clock(22) and 5 * MINUTE <= (case.end or case.start) - case.start <= 9 * MINUTE
    just = before(21 + 46 / 60, at(0, 0)).drive(at(0, 16)).stay(30)  # leaves the zone two minutes before ten
    assert not found(just)
    over = before(21 + 50 / 60, at(0, 0)).drive(at(0, 16)).stay(30)  # and two minutes after
    assert not found(over)


def test_visits_shortly_after_each_other_are_one_case() -> None:
    lorry = before(23, at(0, 0))
    for north in (8, 12, 8, 12):
        lorry.drive(at(0, north))
    (case,) = found(lorry.stay(20))
    later = lorry.until(clock(26)).drive(at(0, 2)).stay(20)
    first, second = found(later)
    assert first.case == case.case and second.case != case.case and second.start >= clock(26)


def test_what_only_looks_like_it_is_no_case() -> None:
    beside = before(23, at(WEST - 0.02, 3)).drive(at(WEST - 0.02, 13)).stay(20)  # 20 m outside
    along = before(23, at(WEST + 0.03, 3)).drive(at(WEST + 0.03, 13)).stay(20)  # 30 m inside: within the error
    assert not found(beside) and not found(along)
    clear = before(23, at(WEST + 0.3, 3)).drive(at(WEST + 0.3, 13)).stay(20)
    assert found(clear)
    other = before(23, THROUGH[0]).drive(THROUGH[1]).stay(20)
    assert not found(other, zones(goods="livestock"))
    assert not found(other, zones("sometimes")) and not found(other, zones(""))


def test_a_way_just_inside_the_edge_counts_when_its_fixes_agree() -> None:
    inward = (WEST + 0.016, 6.2), (WEST + 0.065, 9.9)  # from 16 to 65 m inside
    lorry = before(23, at(WEST + 0.016, 3)).drive(at(*inward[0])).drive(at(*inward[1])).drive(at(WEST - 2, 10)).stay(20)
    (case,) = found(lorry)
    assert case.score > 0.9 and case.start >= clock(23)


@pytest.mark.parametrize("seed", range(6))
def test_drift_beside_the_edge_is_no_case(seed: int) -> None:
    lorry = Lorry("13900000001", at(WEST - 0.06, 8), clock(21), seed=seed)
    lorry.until(clock(23)).stay(300, noise_m=60.0)  # deep inside at times, by chance
    assert not found(lorry)


def test_jumps_into_the_zone_are_no_case() -> None:
    driving = before(23, at(4, 0))
    driving.drive(at(4, 8))
    driving.now += 30 * timedelta(seconds=1)
    driving.see(at(0, 8))  # four kilometres aside and back
    driving.drive(at(4, 16)).stay(20)
    assert not found(driving)
    parked = before(23, at(3, 8))
    for place in (at(1.2, 8.0), at(0.4, 8.6)):  # two jumps of a parked vehicle, five minutes apart
        parked.now += 5 * MINUTE
        parked.see(place)
    assert not found(parked.stay(60))


def test_the_hours_of_a_zone() -> None:
    rule = rules_of(zones("07:00-09:00, 17:00-19:00"))["Z1"]
    assert rule.hours == ((420, 540), (1020, 1140)) and not rule.always
    spans = closed_times(rule, clock(8), clock(18), ZONE)
    assert spans == [(clock(8), clock(9)), (clock(17), clock(18))]
    night = rules_of(zones())["Z1"]
    assert closed_times(night, clock(5), clock(23), ZONE) == [(clock(5), clock(6)), (clock(22), clock(23))]
    assert closed_times(night, clock(7), clock(20), ZONE) == []
    (day,) = closed_times(night, clock(-12), clock(12), ZONE)
    assert day == (clock(-2), clock(6))
    berlin = ZoneInfo("Europe/Berlin")  # the night on which an hour is left out has seven
    ((start, end),) = closed_times(
        night, datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC), berlin
    )
    assert end - start == 7 * HOUR


def test_a_file_of_zones_that_is_none() -> None:
    for file in (None, b"", b"{", b"[]", b'{"features": 3}', b'{"features": [{}, 3, {"properties": {"id": 1}}]}'):
        assert rules_of(file) == {}
    assert list(rules_of(zones("全天"))) == ["Z1"]
    bow = json.loads(zones())
    bow["features"][0]["geometry"]["coordinates"] = [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]
    assert rules_of(json.dumps(bow).encode()) == {}
    assert isinstance(rules_of(zones())["Z1"].area, shapely.Polygon)


def test_nothing_to_look_at() -> None:
    lorry = before(23, THROUGH[0]).drive(THROUGH[1])
    visits = followed([lorry], zones())["transport_visit"]
    rules, now = rules_of(zones()), lorry.now + HOUR
    assert evaluate(visits.slice(0, 0), vehicles({}), rules, now, ZONE) == []
    assert evaluate(visits, vehicles({}), {}, now, ZONE) == []
    (unknown,) = evaluate(visits, vehicles({}), rules, now, ZONE)  # a vehicle in no list has its terminal's number
    assert unknown.subject.id == lorry.phone
    nulls = visits.set_column(visits.schema.get_field_index("path"), "path", pa.nulls(visits.num_rows, pa.string()))
    assert evaluate(nulls, vehicles({}), rules, now, ZONE) == []
    assert evaluate(visits, vehicles({}), rules, now + timedelta(days=3), ZONE, PARAMETERS) == []  # long over


def test_the_survey_says_what_it_reads() -> None:
    survey = RestrictedZone()
    assert set(survey.inputs) == {"transport_visit", "transport_vehicle"} and survey.kind == "restricted_zone"
    assert {"path", "deep_fixes"} <= set(survey.inputs["transport_visit"].columns)
