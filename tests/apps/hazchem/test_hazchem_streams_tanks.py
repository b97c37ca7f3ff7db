"""Tank excursions and over-storage: true cases are found, each innocent look-alike is silent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cityheart.apps.hazchem.detectors import over_storage, tank_excursion
from cityheart.kernel import limits
from cityheart.sdk import Sighting

from . import streams
from .streams import HOUR, MINUTE, START, ZONE, of_tank, quiet, readings, sites, tank_hours, tanks

Array = npt.NDArray[np.float64]
HOURS = 24


def excursions(
    rows: pa.Table, *, now: datetime = START + HOURS * HOUR, register: pa.Table | None = None
) -> list[Sighting]:
    tables = {
        "hazchem_tank_hour": tank_hours(streams.at_once(rows)),
        "hazard_tank": tanks() if register is None else register,
        "approval_site": sites(),
    }
    return tank_excursion.evaluate(tables, now, ZONE, tank_excursion.PARAMETERS)


def rise(low: float, high: float, *, begin: int = 600, up: int = 60, held: int = 40, down: int = 60) -> Array:
    """A value by the minute that rises, holds and falls, without noise."""
    course = np.concatenate([np.linspace(low, high, up), np.full(held, high), np.linspace(high, low, down)])
    return np.concatenate([np.full(begin, low), course, np.full(HOURS * 60 - begin - len(course), low)])


def noisy(values: Array, noise: float, seed: int = 4) -> Array:
    return np.round(values + np.random.default_rng(seed).normal(0, noise, len(values)), 2)


@pytest.mark.parametrize(
    ("metric", "low", "high", "noise", "up"),
    [
        ("level_m", 5.0, 8.9, 0.008, 90),
        ("temperature_c", 25.0, 51.0, 0.15, 60),
        ("pressure_kpa", 30.0, 104.0, 0.2, 25),
        ("pressure_kpa", 30.0, 98.5, 1.2, 120),
    ],
)
def test_a_true_excursion_is_found_where_it_begins(metric: str, low: float, high: float, noise: float, up: int) -> None:
    alarm = {"level_m": 9.0, "temperature_c": 50.0, "pressure_kpa": 100.0}[metric]
    values = rise(low, high, up=up)
    (found,) = excursions(of_tank({**quiet(HOURS), metric: noisy(values, noise)}))
    assert (found.subject.kind, found.subject.id) == ("site", "S1")
    first = int(np.flatnonzero(values >= 0.97 * alarm)[0])
    last = int(np.flatnonzero(values >= 0.97 * alarm)[-1])
    assert abs(found.start - (START + first * MINUTE)) <= timedelta(minutes=8)
    assert found.end is not None and abs(found.end - (START + last * MINUTE)) <= timedelta(minutes=10)
    assert found.score > 0.8
    assert all(reason["zh-CN"] and reason["en"] for reason in found.reasons)
    size = len(json.dumps(found.evidence, ensure_ascii=False))
    assert size < limits.EVIDENCE_BYTES and {each["type"] for each in found.evidence} == {"series", "rows"}


def test_it_stands_while_it_lasts_and_is_seen_within_minutes() -> None:
    values = noisy(rise(30.0, 105.0), 0.2)
    rows = of_tank({**quiet(HOURS), "pressure_kpa": values})
    now = START + 690 * MINUTE
    known = rows.filter(pa.compute.less(rows["_known_at"], pa.scalar(now, streams.MOMENT)))
    (found,) = excursions(known, now=now)
    assert found.end is None and found.level == 2
    near = {"hazchem_tank_hour": tank_hours(known), "hazard_tank": tanks(), "approval_site": sites(residents_500m=40)}
    (crowded,) = tank_excursion.evaluate(near, now, ZONE, tank_excursion.PARAMETERS)
    assert crowded.level == 1
    (later,) = excursions(rows)
    assert later.level == 3 and later.case == found.case and later.start == found.start
    assert excursions(rows, now=START + 4 * 24 * HOUR) == []


def wire(values: Array, at: int, until: int, to: float) -> Array:
    broken = values.copy()
    broken[at:until] = to
    return broken


def spikes(values: Array, high: float) -> Array:
    spiked = values.copy()
    for at in (100, 101, 400, 701, 702, 703, 1000, 1100, 1101):
        spiked[at] = high
    return spiked


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("level_m", wire(noisy(np.full(1440, 5.0), 0.008), 500, 560, 10.0)),
        ("level_m", wire(noisy(np.full(1440, 8.2), 0.008), 500, 1440, 10.0)),
        ("level_m", wire(noisy(np.full(1440, 5.0), 0.008), 500, 505, 9.5)),
        ("temperature_c", wire(noisy(np.full(1440, 25.0), 0.15), 0, 200, 150.0)),
        ("pressure_kpa", wire(wire(noisy(np.full(1440, 30.0), 0.2), 500, 700, 160.0), 580, 640, 0.0)),
        ("pressure_kpa", spikes(noisy(np.full(1440, 30.0), 0.2), 140.0)),
        ("level_m", noisy(rise(5.0, 8.65), 0.008)),
        ("temperature_c", noisy(rise(25.0, 47.9), 0.15)),
        ("level_m", np.full(1440, 9.0)),
    ],
    ids=["wire", "wire for good", "five minutes", "from the first", "up and down", "spikes", "96 %", "nearly", "stuck"],
)
def test_what_looks_like_an_excursion_is_silent(metric: str, values: Array) -> None:
    assert excursions(of_tank({**quiet(HOURS), metric: values})) == []


def test_readings_of_quality_two_are_no_excursion() -> None:
    values = noisy(rise(30.0, 110.0), 0.2)
    quality = np.where(values > 60, 2, 0)
    parts = [of_tank(quiet(HOURS)).filter(pa.compute.not_equal(of_tank(quiet(HOURS))["metric"], "pressure_kpa"))]
    rows = pa.concat_tables([*parts, readings("pressure_kpa", values, quality=quality)]).sort_by("_known_at")
    assert excursions(rows) == []


def test_a_value_after_a_hole_is_not_believed_at_once() -> None:
    values = np.concatenate([np.full(600, 30.0), np.full(840, 120.0)])
    minute = np.delete(np.arange(1440.0), np.arange(570, 660))
    kept = noisy(values, 0.2)[minute.astype(int)]
    assert excursions(readings("pressure_kpa", kept, minute=minute)) == []


def test_two_interleaved_clocks_are_no_excursion() -> None:
    shifted = readings("level_m", noisy(np.full(60, 8.9), 0.008), minute=np.arange(60.0) + 600.5, late=90.0)
    rows = pa.concat_tables([of_tank(quiet(HOURS)), shifted]).sort_by("_known_at")
    assert excursions(rows) == []


def test_a_tank_that_is_too_full_when_it_is_first_read() -> None:
    values = noisy(np.concatenate([np.full(900, 8.85), np.linspace(8.85, 5.0, 240), np.full(300, 5.0)]), 0.008)
    (found,) = excursions(of_tank({**quiet(HOURS), "level_m": values}))
    assert found.start == START and found.end is not None and "first read" in found.reasons[0]["en"]
    assert found.score > 0.6 and "long" not in found.case
    (standing,) = excursions(of_tank({**quiet(HOURS), "level_m": noisy(np.full(1440, 8.85), 0.008)}))
    assert standing.end is None
    brief = noisy(np.concatenate([np.full(60, 8.85), np.full(1380, 5.0)]), 0.008)
    assert excursions(of_tank({**quiet(HOURS), "level_m": brief})) == []


def test_several_metrics_of_a_site_are_one_case() -> None:
    rows = of_tank({
        **quiet(HOURS),
        "temperature_c": noisy(rise(25.0, 52.0), 0.15),
        "pressure_kpa": noisy(rise(30.0, 108.0, begin=620), 0.2),
    })  # fmt: skip
    (found,) = excursions(rows)
    assert len(found.reasons) == 2 and found.score > 0.95


def test_without_tanks_alarms_or_rows_there_is_nothing() -> None:
    hours = tank_hours(of_tank({**quiet(HOURS), "pressure_kpa": rise(30.0, 110.0)}))

    def judged(rows: pa.Table, register: pa.Table, places: pa.Table) -> list[Sighting]:
        tables = {"hazchem_tank_hour": rows, "hazard_tank": register, "approval_site": places}
        return tank_excursion.evaluate(tables, START + HOURS * HOUR, ZONE, tank_excursion.PARAMETERS)

    assert judged(hours, tanks().slice(0, 0), sites()) == []
    assert judged(hours, tanks({"alarm_pressure_kpa": 0.0}), sites()) == []
    assert judged(hours, tanks({"tank_id": "T9"}), sites()) == []
    assert judged(hours.slice(0, 0), tanks(), sites()) == []
    (found,) = judged(hours, tanks(), sites().slice(0, 0))
    assert found.subject.name["en"] == "S1"


# ── over-storage ───────────────────────────────────────────────────────────────────────────────────────────────────

DAYS = 4


def level_hours(levels: Mapping[str, Sequence[float | None]], **changes: object) -> pa.Table:
    """``hazchem_tank_hour`` of tanks whose level is told by the hour."""
    rows = []
    for tank, values in levels.items():
        for number, level in enumerate(values):
            row = {"tank_id": tank, "hour": START + number * HOUR, "frozen_min": 4.0, "jumps": None}
            row |= dict.fromkeys(("level_median_m", "level_last_m", "level_max_m"), level)
            rows.append(row | {name: value[number] for name, value in changes.items() if isinstance(value, list)})
    schema = pa.schema([
        ("tank_id", pa.string()), ("hour", streams.MOMENT), ("frozen_min", pa.float64()), ("jumps", pa.string()),
        *((name, pa.float64()) for name in ("level_median_m", "level_last_m", "level_max_m")),
    ])  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema)


def stored(
    hours: pa.Table,
    stock: float = 1000.0,
    *,
    now: datetime = START + DAYS * 24 * HOUR,
    papers: tuple[pa.Table, pa.Table] | None = None,
    register: pa.Table | None = None,
    near: int = 0,
) -> list[Sighting]:
    licence, named = papers or streams.licence(stock)
    tables = {
        "hazchem_tank_hour": hours,
        "hazard_tank": tanks({}, {"tank_id": "T2"}) if register is None else register,
        "approval_site": sites(residents_500m=near),
        "approval_licence": licence,
        "approval_licensed_chemical": named,
    }
    return over_storage.evaluate(tables, now, ZONE, over_storage.PARAMETERS)


def levels(values: Sequence[tuple[int, float]]) -> list[float]:
    """A level by the hour: so many hours of each, a little different every hour."""
    flat = np.concatenate([np.full(count, level) for count, level in values])
    return [float(level) for level in np.round(flat + 0.003 * np.sin(np.arange(len(flat))), 3)]


def test_more_of_a_chemical_than_licensed_is_found_over_all_tanks() -> None:
    hours = level_hours({"T1": levels([(40, 4.0), (56, 6.0)]), "T2": levels([(96, 5.0)])})
    (found,) = stored(hours)  # 1,000 t allowed, 1,100 t there
    assert found.subject.id == "S1" and found.level == 3 and found.end is None
    assert found.start == START + 40 * HOUR
    assert found.score > 0.8 and "1000.0 t" in found.reasons[0]["en"]
    assert len(json.dumps(found.evidence, ensure_ascii=False)) < limits.EVIDENCE_BYTES


def test_a_small_excess_counts_when_every_tank_was_read_for_hours() -> None:
    hours = level_hours({"T1": levels([(40, 4.0), (6, 5.3), (50, 4.0)]), "T2": levels([(96, 5.0)])})
    (found,) = stored(hours)  # 1,030 t for six hours; gauges are wrong by 7 t
    assert (found.start, found.end) == (START + 40 * HOUR, START + 46 * HOUR) and found.score < 0.6
    part = level_hours({"T1": levels([(40, 4.0), (6, 5.3), (50, 4.0)])})
    assert stored(part, 515.0) == []  # half of the tanks say nothing


def test_it_ends_and_is_shown_for_some_days() -> None:
    hours = level_hours({"T1": levels([(20, 4.0), (30, 6.5), (46, 4.0)]), "T2": levels([(96, 5.0)])})
    (found,) = stored(hours)
    assert (found.start, found.end) == (START + 20 * HOUR, START + 50 * HOUR)
    assert stored(hours, now=START + 9 * 24 * HOUR) == []


def test_a_gross_excess_near_people_is_a_danger_to_life() -> None:
    hours = level_hours({"T1": levels([(96, 9.0)]), "T2": levels([(96, 9.0)])})
    assert stored(hours)[0].level == 2
    assert stored(hours, near=500)[0].level == 1


JUMP = json.dumps({"level_m": [[12.0, 4.0, 9.5, 1.0]]})
BACK = json.dumps({"level_m": [[5.0, 9.5, 4.0, 1.0]]})


@pytest.mark.parametrize(
    ("hours", "why"),
    [
        (level_hours({"T1": levels([(96, 5.0)]), "T2": levels([(96, 5.05)])}), "measuring error"),
        (level_hours({"T1": levels([(50, 4.0), (3, 6.0), (43, 4.0)]), "T2": levels([(96, 5.0)])}), "brief overlap"),
        (
            level_hours(
                {"T1": levels([(40, 4.0), (20, 9.5), (36, 4.0)])},
                jumps=[*[None] * 40, JUMP, *[None] * 19, BACK, *[None] * 35],
            ),
            "a broken wire",
        ),
        (level_hours({"T1": levels([(40, 4.0), (56, 10.6)])}), "above its height"),
        (level_hours({"T1": [None] * 96, "T2": levels([(96, 5.0)])}), "no readings"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_looks_like_over_storage_is_silent(hours: pa.Table, why: str) -> None:
    stock = 480.0 if why == "above its height" else 1000.0 if why != "a broken wire" else 600.0
    assert stored(hours, stock) == [], why


def test_a_frozen_level_counts_for_a_day() -> None:
    frozen = [*levels([(10, 4.0)]), *[6.0] * 86]
    hours = level_hours({"T1": frozen, "T2": levels([(96, 5.0)])}, frozen_min=[4.0] * 10 + [60.0] * 86)
    (found,) = stored(hours)
    assert found.end is not None and found.end <= START + (10 + 25 + 13) * HOUR


def test_several_licences_and_the_days_of_renewal() -> None:
    hours = level_hours({"T1": levels([(96, 6.0)]), "T2": levels([(96, 5.0)])})
    first, named = streams.licence(1000.0)
    second, more = streams.licence(500.0, licence_no="L2", kind="安全生产许可证", site_id=None)
    both = (pa.concat_tables([first, second]), pa.concat_tables([named, more]))
    assert stored(hours, papers=both) == []  # two kinds add up
    assert stored(hours, papers=streams.licence(1200.0, last=date(2026, 5, 30))) == []  # renewal on its way
    assert stored(hours, papers=streams.licence(900.0, last=date(2026, 4, 1))) == []  # expired: another matter
    assert len(stored(hours, papers=streams.licence(900.0, last=date(2026, 5, 30)))) == 1


def test_a_chemical_that_no_licence_names_counts_where_that_is_rare() -> None:
    hours = level_hours({"T1": levels([(96, 6.0)])})
    papers = streams.licence(1000.0)
    other = tanks({"cas": "67-56-1", "chemical": "甲醇"})
    (found,) = stored(hours, papers=papers, register=other)
    assert "甲醇" in found.reasons[0]["zh-CN"] and found.level == 2
    many = tanks({"cas": "67-56-1"}, *({"tank_id": f"T{n}", "cas": f"{n}-00-0"} for n in range(3, 9)))
    assert stored(hours, papers=papers, register=many) == []


def test_over_storage_without_books_or_rows_is_nothing() -> None:
    hours = level_hours({"T1": levels([(96, 9.0)])})
    licence, named = streams.licence(100.0)
    assert stored(hours.slice(0, 0)) == []
    assert stored(hours, papers=(licence.slice(0, 0), named.slice(0, 0))) == []
    assert stored(hours, register=tanks().slice(0, 0)) == []
    assert stored(hours, 100.0, register=tanks({"height_m": 0.0})) == []
    assert stored(hours, 100.0, now=datetime(2026, 5, 1, tzinfo=UTC)) == []
