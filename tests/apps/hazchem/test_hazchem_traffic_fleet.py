"""A fleet with all the trouble of real ones, and a few cases among it: all of them are found, and nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.detectors import no_waybill, restricted_zone, unlicensed_site
from cityheart.sdk import Sighting, Survey
from cityheart.watch.models import plain

from .test_hazchem_traffic_places import off
from .test_hazchem_traffic_zones import zones
from .traffic import (
    HOUR,
    JETTY,
    MINUTE,
    SITES,
    START,
    ZONE,
    Lorry,
    Place,
    as_known,
    at,
    sites,
    vehicles,
    versions,
    waybill,
    waybills,
)

DAYS = 9
LORRIES = 9
HIDDEN = at(17, 13)
DEPOT = at(9, 3)
OUTSIDE = at(-40, -22)
RESTS = [at(12, -2), at(18, 4), at(5, 17), at(-9, 11)]
GOODS = [*SITES.values(), JETTY, OUTSIDE]


@dataclass
class City:
    """What the fleet did, what was filed when, and what is to be found."""

    dice: random.Random
    lorries: list[Lorry] = field(default_factory=list)
    bills: list[tuple[datetime, dict[str, object]]] = field(default_factory=list)
    without: list[tuple[str, datetime]] = field(default_factory=list)
    closed: list[tuple[str, datetime]] = field(default_factory=list)
    hidden: list[datetime] = field(default_factory=list)
    versions: dict[str, pa.Table] = field(default_factory=dict)

    def file(self, plate: str, begin: Place, end: Place, departure: datetime, kept: bool) -> None:
        """A waybill, some of them late, some for other times and places than those of the trip."""
        dice = self.dice
        row = waybill(
            f"W{len(self.bills)}", plate, begin, end, departure + dice.gauss(0, 40) * MINUTE, 1.0 + dice.random(),
            loaded_at=departure if dice.random() < 0.5 else None,
        )  # fmt: skip
        row["load_lon"] = begin[0] + dice.gauss(0, 0.001)
        row["unload_lat"] = end[1] + dice.gauss(0, 0.001)
        filed = departure + (dice.uniform(0, 47) * HOUR if dice.random() < 0.2 else -2 * HOUR)
        row["updated_at"] = filed
        if dice.random() < 0.1:  # one that was cancelled before
            self.bills.append((filed - MINUTE, {**row, "waybill_no": f"X{len(self.bills)}", "status": "作废"}))
        if kept:
            self.bills.append((filed, row))

    def drive(self, lorry: Lorry, end: Place) -> None:
        """A way with what happens on ways: a rest, a silence, a jump, a sensor that is wrong now and then."""
        dice = self.dice
        flicker = 0.03 if dice.random() < 0.3 else 0.0
        what = dice.random()
        if what < 0.2:
            lorry.drive(dice.choice(RESTS), flicker=flicker).stay(dice.uniform(20, 60), noise_m=25)
        elif what < 0.3:
            middle = ((lorry.place[0] + end[0]) / 2, (lorry.place[1] + end[1]) / 2)
            lorry.silent(dice.uniform(10, 50), middle)
        elif what < 0.4:
            lorry.now += timedelta(seconds=lorry.period)
            lorry.see((lorry.place[0] + dice.uniform(0.05, 0.2), lorry.place[1] + 0.1))
        lorry.drive(end, kmh=dice.uniform(45, 65), flicker=flicker)

    def day(self, lorry: Lorry, plate: str, day: int, case: str) -> None:
        """Two loads a day, empty between them."""
        dice = self.dice
        lorry.until(START + timedelta(days=day, hours=6, minutes=dice.uniform(0, 60)))
        for load in range(2):
            begin, end = dice.sample(GOODS, 2)
            planted = case if load == 1 else ""
            if planted == "without":  # between two sites of the city
                begin, end = dice.sample([*SITES.values()], 2)
            self.drive(lorry, begin)
            lorry.stay(dice.uniform(25, 60), 3, noise_m=15)
            departure = lorry.now
            if planted == "hidden":
                self.hidden.append(departure)
                self.drive(lorry, HIDDEN)
                lorry.stay(dice.uniform(20, 50), dice.choice([0, 0, 1]))
            self.drive(lorry, end)
            lorry.stay(dice.uniform(25, 60), 0, noise_m=15)
            self.file(plate, begin, end, departure, planted != "without")
            if planted == "without":
                self.without.append((plate, departure))
        if case == "closed":
            lorry.until(START + timedelta(days=day, hours=22.5))
            self.closed.append((plate, lorry.now))
            lorry.drive(at(-0.5, 3)).drive(at(0.8, 14))
        lorry.drive(DEPOT).stay(30, noise_m=20)


@pytest.fixture(scope="module")
def city() -> City:
    return a_city(20260324)


def a_city(seed: int) -> City:
    made = City(random.Random(seed))
    for number in range(LORRIES):
        lorry = Lorry(f"139{number:08d}", DEPOT, seed=seed + number, period=made.dice.choice([30, 60]))
        for day in range(DAYS):
            case = ""
            if number in (2, 5, 8) and day == 1 + number // 2:
                case = "without"
            elif number in (4, 6) and day in (2, 4, 6):
                case = "hidden"
            elif number in (1, 7) and day == 5:
                case = "closed"
            made.day(lorry, f"苏F{number:04d}", day, case)
        made.lorries.append(lorry.until(START + timedelta(days=DAYS + 1)))
    made.versions = versions(made.lorries, zones())
    return made


def known(city: City, now: datetime) -> Mapping[str, pa.Table]:
    """What a city knows at a moment."""
    return {
        **as_known(city.versions, now),
        "transport_vehicle": vehicles({f"苏F{number:04d}": each.phone for number, each in enumerate(city.lorries)}),
        "transport_waybill": waybills([row for filed, row in city.bills if filed <= now]),
        "approval_site": sites(),
    }


def test_days_of_a_fleet(city: City) -> None:
    trips: dict[tuple[str, datetime], Sighting] = {}
    visits: dict[tuple[str, str], Sighting] = {}
    places: dict[str, Sighting] = {}
    rules = restricted_zone.rules_of(zones())
    for day in range(3, DAYS + 2):
        now = START + timedelta(days=day)
        tables = known(city, now)
        trips |= {(each.subject.id, each.start): each for each in no_waybill.evaluate(tables, now, ZONE)}
        places |= {each.subject.id: each for each in unlicensed_site.evaluate(tables, now, ZONE)}
        seen = restricted_zone.evaluate(tables["transport_visit"], tables["transport_vehicle"], rules, now, ZONE)
        visits |= {(each.subject.id, each.case): each for each in seen}
    assert sorted(plate for plate, _ in trips) == sorted(plate for plate, _ in city.without)
    for plate, departure in city.without:
        assert any(each == plate and abs(start - departure) < HOUR for each, start in trips)
    assert sorted(plate for plate, _ in visits) == sorted(plate for plate, _ in city.closed)
    for plate, departure in city.closed:
        assert any(
            each.subject.id == plate and 0 * HOUR < each.start - departure < 2 * HOUR for each in visits.values()
        )
    (place,) = places.values()
    assert off(place.subject.id, HIDDEN) < 50 and 0 * HOUR < place.start - min(city.hidden) < 2 * HOUR


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_what_is_missing_is_no_error(city: City, seed: int) -> None:
    """Any value of any column may be missing."""
    dice, now = random.Random(seed), START + timedelta(days=7)
    tables = dict(known(city, now))
    for _ in range(dice.randint(1, 4)):
        name = dice.choice(sorted(tables))
        rows = tables[name]
        column = dice.choice(rows.column_names)
        share = dice.choice([0.1, 0.9, 1.0])
        lost = pa.array([dice.random() < share for _ in range(rows.num_rows)])
        values = pa.compute.if_else(lost, pa.scalar(None, rows[column].type), rows[column])
        tables[name] = rows.set_column(rows.schema.get_field_index(column), column, values)
    found = [*no_waybill.evaluate(tables, now, ZONE), *unlicensed_site.evaluate(tables, now, ZONE)]
    rules = restricted_zone.rules_of(zones())
    found += restricted_zone.evaluate(tables["transport_visit"], tables["transport_vehicle"], rules, now, ZONE)
    assert all(0 <= each.score <= 1 and each.subject.id and json.dumps(plain(each.evidence)) for each in found)


@dataclass(frozen=True)
class Seen:
    """A view of some tables, with those columns alone that a survey says it reads."""

    survey: Survey
    tables: Mapping[str, pa.Table]
    now: datetime
    zone: ZoneInfo = ZONE

    def rows(self, dataset: str) -> pa.Table:
        """The table, empty where there is none."""
        wanted = list(self.survey.inputs[dataset].columns)
        if dataset in self.tables:
            return self.tables[dataset].select(wanted)
        return pa.table({name: pa.nulls(0, pa.string()) for name in wanted})

    def file(self, name: str) -> bytes | None:
        """The zones."""
        return zones() if name == "zones.geojson" else None


def test_surveys_declare_what_they_read(city: City) -> None:
    now = START + timedelta(days=7)
    tables = known(city, now)
    rules = restricted_zone.rules_of(zones())
    expected = {
        "no_waybill": no_waybill.evaluate(tables, now, ZONE),
        "unlicensed_site": unlicensed_site.evaluate(tables, now, ZONE),
        "restricted_zone": restricted_zone.evaluate(
            tables["transport_visit"], tables["transport_vehicle"], rules, now, ZONE
        ),
    }
    for module in (no_waybill, unlicensed_site, restricted_zone):
        (survey,) = module.detectors()
        found = survey.look(Seen(survey, tables, now))
        assert list(found) == law.cited(survey.kind, expected[survey.kind], ZONE) and survey.kind in survey.id
        assert survey.look(Seen(survey, {}, now)) == []
    assert expected["no_waybill"] and expected["unlicensed_site"]
