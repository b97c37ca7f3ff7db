"""Emissions above limits and tampering with their monitoring: true cases are found, innocent look-alikes are silent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cityheart.apps.hazchem.detectors import emission_exceedance, emission_tampering
from cityheart.apps.hazchem.signals import emissions
from cityheart.kernel import limits
from cityheart.sdk import Sighting

from . import streams
from .streams import HOUR, START, ZONE, emission_hours, emitted, gas, outlet, sites

Array = npt.NDArray[np.float64]


def above(
    rows: pa.Table,
    *,
    now: datetime = START + 24 * HOUR,
    register: pa.Table | None = None,
    more: Mapping[str, object] | None = None,
) -> list[Sighting]:
    tables = {
        "hazchem_emission_hour": emission_hours(rows),
        "emission_outlet": outlet() if register is None else register,
        "approval_site": sites(),
    }
    return emission_exceedance.evaluate(tables, now, ZONE, {**emission_exceedance.PARAMETERS, **(more or {})})


def during(begin: int, end: int, factor: float) -> Callable[[Array], Array]:
    """Multiplies a value between two minutes."""

    def change(values: Array) -> Array:
        changed = values.copy()
        changed[begin:end] = np.round(changed[begin:end] * factor, 2)
        return changed

    return change


def test_one_hour_above_the_limit_is_a_case() -> None:
    (found,) = above(emitted(gas(24, a21026=during(600, 660, 3.0))))
    assert found.subject.id == "S1" and found.level == 3
    assert (found.start, found.end) == (START + 10 * HOUR, START + 11 * HOUR)
    assert "SO₂" in found.reasons[0]["en"] and "二氧化硫" in found.reasons[0]["zh-CN"]
    assert len(json.dumps(found.evidence, ensure_ascii=False)) < limits.EVIDENCE_BYTES


def test_hours_close_to_each_other_are_one_case_and_far_apart_two() -> None:
    close = gas(30, a21002=lambda v: during(780, 900, 3.5)(during(600, 660, 3.5)(v)))
    (found,) = above(emitted(close), now=START + 30 * HOUR)
    assert (found.start, found.end) == (START + 10 * HOUR, START + 15 * HOUR)
    apart = gas(30, a21002=lambda v: during(1500, 1560, 3.5)(during(600, 660, 3.5)(v)))
    assert len(above(emitted(apart), now=START + 30 * HOUR)) == 2


def test_it_stands_while_it_goes_on_and_is_serious_when_gross() -> None:
    rows = emitted(gas(24, a21026=during(1200, 1440, 6.0)))
    (found,) = above(rows)
    assert found.end is None and found.level == 2 and found.score > 0.9
    (later,) = above(rows, now=START + 40 * HOUR)
    assert later.end == START + 24 * HOUR and later.case == found.case
    assert above(rows, now=START + 24 * HOUR + timedelta(days=4)) == []


def test_a_case_longer_than_what_is_read_keeps_its_name() -> None:
    rows = emitted(gas(24, a21026=lambda v: v * 3.0))
    cases = {one.case for hour in (20, 22, 24) for one in above(rows, now=START + hour * HOUR, more={"window_h": 12.0})}
    assert cases == {"M1:a21026:long"}


def flagged(hours: int, begin: int, end: int, flag: str) -> list[str]:
    return [flag if begin <= minute < end else "N" for minute in range(hours * 60)]


@pytest.mark.parametrize("flag", ["C", "M", "D", "T", "S", "F", "B"])
def test_minutes_under_other_flags_do_not_count(flag: str) -> None:
    rows = gas(24, a21026=during(600, 720, 5.0))
    assert above(emitted(rows, {"a21026": flagged(24, 600, 720, flag)})) == []


def test_a_peak_at_start_up_and_an_hour_under_way_are_no_case() -> None:
    assert above(emitted(gas(24, a21026=during(600, 612, 4.0)))) == []
    rows = emitted(gas(24, a21026=during(600, 660, 3.0)))
    known = rows.filter(pa.compute.less(rows["_known_at"], pa.scalar(START + 10.9 * HOUR, streams.MOMENT)))
    assert above(known, now=START + 10.9 * HOUR) == []


def test_an_hour_needs_three_quarters_of_its_minutes() -> None:
    values = gas(24, a21026=during(600, 660, 3.0))
    rows = emitted(values, {"a21026": flagged(24, 640, 660, "M")})
    assert above(rows) == []
    assert len(above(emitted(values, {"a21026": flagged(24, 646, 660, "M")}))) == 1


@pytest.mark.parametrize("stated", ["", "a21026", "a21026=", "a21026=none;", "a21026=-5", "a21026=inf", None])
def test_limits_that_cannot_be_read_bind_nobody(stated: str | None) -> None:
    assert above(emitted(gas(24, a21026=during(600, 660, 9.0))), register=outlet(limits=stated)) == []


def test_limits_are_read_as_they_are_written() -> None:
    read = emissions.limits_of(outlet(limits=" w01018=500；w21003 = 45;bad;a=1e3 "))
    assert dict(zip(read["factor"].to_pylist(), read["limit"].to_pylist(), strict=True)) == {
        "w01018": 500.0,
        "w21003": 45.0,
        "a": 1000.0,
    }


def test_no_outlets_and_no_hours_are_no_cases() -> None:
    rows = emitted(gas(2, a21026=during(0, 60, 9.0)))
    assert above(rows, register=outlet().slice(0, 0)) == []
    assert above(rows, register=outlet(mn="M2")) == []
    tables = {
        "hazchem_emission_hour": emission_hours(rows).slice(0, 0),
        "emission_outlet": outlet(),
        "approval_site": sites(),
    }
    assert emission_exceedance.evaluate(tables, START, ZONE, emission_exceedance.PARAMETERS) == []


# ── tampering ──────────────────────────────────────────────────────────────────────────────────────────────────────

LENGTH = 96  # hours


def tampered(
    factors: Mapping[str, Array],
    flags: Mapping[str, Sequence[str]] | None = None,
    *,
    now: datetime = START + LENGTH * HOUR,
    power: float | None = None,
    kind: str = "废气",
) -> list[Sighting]:
    tables = {
        "hazchem_emission_hour": emission_hours(emitted(factors, flags)),
        "emission_outlet": outlet(kind=kind),
        "approval_site": sites(),
    }

    def running(asked: Sequence[str]) -> Mapping[tuple[str, int], float]:
        first = START.toordinal() - 719163
        return {(site, first + day): power for site in asked for day in range(-1, 7)} if power is not None else {}

    return emission_tampering.evaluate(tables, running, now, ZONE, emission_tampering.PARAMETERS)


def stuck(begin: float, end: float) -> Callable[[Array], Array]:
    """A probe that repeats its value between two hours."""

    def change(values: Array) -> Array:
        frozen = values.copy()
        frozen[int(begin * 60) : int(end * 60)] = frozen[int(begin * 60)]
        return frozen

    return change


def standing(*spans: tuple[float, float]) -> Callable[[Array], Array]:
    """No flow between these hours."""

    def change(values: Array) -> Array:
        stopped = values.copy()
        for begin, end in spans:
            stopped[int(begin * 60) : int(end * 60)] = 0.0
        return stopped

    return change


@pytest.mark.parametrize(("begin", "end"), [(50.0, 58.0), (50.3, 58.35), (40.7, 70.2), (70.0, 96.0)])
def test_a_probe_frozen_while_production_runs_is_found(begin: float, end: float) -> None:
    (found,) = tampered(gas(LENGTH, a21026=stuck(begin, end)))
    assert found.subject.id == "S1" and found.score > 0.7
    assert abs(found.start - (START + begin * HOUR)) <= timedelta(minutes=6)
    assert (found.end is None) == (end == 96.0)
    if found.end is not None:
        assert abs(found.end - (START + end * HOUR)) <= timedelta(minutes=6)
    assert len(json.dumps(found.evidence, ensure_ascii=False)) < limits.EVIDENCE_BYTES


def test_probes_of_an_outlet_that_freeze_together_are_one_case() -> None:
    (found,) = tampered(gas(LENGTH, a21026=stuck(50, 62), a21002=stuck(51, 64)))
    assert (found.start, found.end) == (START + 50 * HOUR, START + 64 * HOUR)
    assert any("NO" in reason["en"] for reason in found.reasons) and any(
        "SO" in reason["en"] for reason in found.reasons
    )


def test_what_power_says_counts() -> None:
    values = gas(LENGTH, a21026=stuck(50, 60))
    (sure,) = tampered(values, power=0.95)
    (unknown,) = tampered(values)
    assert sure.score > unknown.score
    stopped = tampered(values, power=0.05)
    assert not stopped or stopped[0].score < unknown.score


def test_a_frozen_probe_stays_one_case_over_a_short_hole() -> None:
    rows = emitted(gas(LENGTH, a21026=stuck(40, 60)))
    minute = (rows["time"].cast(pa.int64()).to_numpy() - START.timestamp() * 1e6) / 60e6
    held = rows.filter(pa.array((minute < 48 * 60) | (minute >= 49 * 60)))
    tables = {
        "hazchem_emission_hour": emission_hours(held),
        "emission_outlet": outlet(),
        "approval_site": sites(),
    }
    now = START + LENGTH * HOUR
    (found,) = emission_tampering.evaluate(tables, lambda _: {}, now, ZONE, emission_tampering.PARAMETERS)
    assert found.start == START + 40 * HOUR and found.end is not None and found.end >= START + 60 * HOUR


INNOCENT: Mapping[str, tuple[dict[str, Array], dict[str, Sequence[str]]]] = {
    "as always": (gas(LENGTH), {}),
    "seven hours": (gas(LENGTH, a21026=stuck(50, 57)), {}),
    "a fault, flagged": (gas(LENGTH, a21026=stuck(50, 70)), {"a21026": flagged(LENGTH, 3000, 4200, "D")}),
    "maintenance": (gas(LENGTH, a21026=stuck(50, 70)), {"a21026": flagged(LENGTH, 3000, 4200, "M")}),
    "standstill": (
        gas(LENGTH, **dict.fromkeys(("a21026", "a21002"), stuck(50, 70)), a00000=standing((50, 70))),
        {},
    ),
    "stale at night": (
        gas(LENGTH, a21026=stuck(44, 55), a00000=standing((44, 53))),
        {},
    ),
    "coarse": (gas(LENGTH, a21026=lambda v: np.round(80 * np.exp(0.1 * np.sin(np.arange(len(v)) / 400)), -1)), {}),
    "oxygen": (gas(LENGTH, a19001=stuck(40, 60)), {}),
    "half load": (
        gas(LENGTH, **dict.fromkeys(("a21026", "a21002", "a00000"), during(3000, 3900, 0.55))),
        {},
    ),
    "one pollutant": (gas(LENGTH, a21026=during(3000, 5000, 0.2)), {}),
    "two hours": (gas(LENGTH, **dict.fromkeys(("a21026", "a21002"), during(3000, 3120, 0.3))), {}),
    "a little lower": (gas(LENGTH, **dict.fromkeys(("a21026", "a21002"), during(3000, 3900, 0.75))), {}),
    "calibration": (
        gas(LENGTH, **dict.fromkeys(("a21026", "a21002"), during(3000, 3300, 0.02))),
        dict.fromkeys(("a21026", "a21002"), flagged(LENGTH, 2990, 3310, "C")),
    ),
}


@pytest.mark.parametrize("name", INNOCENT)
def test_what_looks_like_tampering_is_silent(name: str) -> None:
    factors, flags = INNOCENT[name]
    assert tampered(factors, flags) == []


def test_dilution_is_found_by_all_pollutants_falling_together() -> None:
    diluted = dict.fromkeys(("a21026", "a21002"), during(3000, 3720, 0.35))
    (found,) = tampered(gas(LENGTH, **diluted, a00000=during(3000, 3720, 1.3)))
    assert (found.start, found.end) == (START + 50 * HOUR, START + 62 * HOUR)
    assert found.score > 0.8 and "%" in found.reasons[0]["en"]
    (air,) = tampered(
        gas(
            LENGTH,
            **diluted,
            a19001=lambda v: v + np.where((np.arange(len(v)) // 60 >= 50) & (np.arange(len(v)) // 60 < 62), 6.0, 0.0),
        )
    )
    assert "Oxygen" in air.reasons[1]["en"]


def test_air_that_is_let_in_shows_in_flow_and_oxygen() -> None:
    """More gas with more oxygen and less of everything else: a fall that by itself would be none."""
    less = dict.fromkeys(("a21026", "a21002"), during(3000, 3720, 0.62))
    more = during(3000, 3720, 1.6)

    def oxygen(v: Array) -> Array:
        return v + np.where((np.arange(len(v)) >= 3000) & (np.arange(len(v)) < 3720), 4.0, 0.0)

    (found,) = tampered(gas(LENGTH, **less, a00000=more, a19001=oxygen))
    assert (found.start, found.end) == (START + 50 * HOUR, START + 62 * HOUR) and found.score > 0.6
    assert tampered(gas(LENGTH, **less, a00000=more)) == []  # another fuel, a filter
    assert tampered(gas(LENGTH, **less, a19001=oxygen)) == []


def test_dilution_of_waste_water() -> None:
    flue = gas(LENGTH)
    fallen = during(3000, 3600, 0.3)
    water = {
        "w00000": during(3000, 3600, 1.4)(flue["a00000"]),
        "w01018": fallen(flue["a21026"]),
        "w21003": fallen(flue["a21002"]),
    }
    (found,) = tampered(water, kind="废水")
    assert found.start == START + 50 * HOUR
    off = {
        "w00000": standing((50, 60))(flue["a00000"]),
        "w01018": fallen(flue["a21026"]),
        "w21003": fallen(flue["a21002"]),
    }
    assert tampered(off, kind="废水") == []


def test_thin_waste_water_is_told_from_rain() -> None:
    flue = gas(LENGTH)

    def water(flow: float, fall: float) -> Sequence[object]:
        rows = {"w00000": during(3000, 3720, flow)(flue["a00000"])}
        for ours, theirs in (("w01018", "a21026"), ("w21003", "a21002")):
            rows[ours] = during(3000, 3720, fall)(flue[theirs])
        return tampered(rows, kind="废水")

    assert len(water(1.6, 0.58)) == 1  # as much goes out as ever, in more water
    assert water(1.9, 0.62) == []  # more goes out: it was washed in
    assert water(1.0, 0.66) == []  # a better day


def test_short_or_empty_cities_are_silent() -> None:
    for hours in (1, 5):
        assert tampered(gas(hours), now=START + hours * HOUR) == []
    tables = {
        "hazchem_emission_hour": emission_hours(emitted(gas(1))).slice(0, 0),
        "emission_outlet": outlet(),
        "approval_site": sites(),
    }
    assert emission_tampering.evaluate(tables, lambda _: {}, START, ZONE, emission_tampering.PARAMETERS) == []
    nobody = tables | {
        "hazchem_emission_hour": emission_hours(emitted(gas(12))),
        "emission_outlet": outlet().slice(0, 0),
    }
    assert emission_tampering.evaluate(nobody, lambda _: {}, START, ZONE, emission_tampering.PARAMETERS) == []
