"""Emission monitoring that is tampered with: a probe frozen for eight hours or more while production runs, or diluted.

Forging automatic monitoring data is forbidden (《环境保护法》, 2014, art. 42) and at key polluters a crime (《刑法》, art. 338,
with 法释〔2023〕7号, art. 1).

*Frozen*: every minute of hour after hour, flagged N (normal), gives one value to the last digit. *Diluted*: all pollutants of
an outlet fall to a fraction of their own past at once, while as much water or gas flows, or more (oxygen rises).

===========================  ========================================================================================
innocent                     how it is told
===========================  ========================================================================================
fault, calibration, service  flags D, C, M, T, F: those minutes are in no hourly figure
frozen for less than 8 h     devices hang for hours; counted to the minute at both ends
standstill, night            no flow: water that stands still in front of a probe does not change. Only hours in which
                             the outlet's own flow runs count for a frozen probe
coarse probe                 one that often repeats its value when all is well says nothing by repeating it
lower load                   pollutants fall with the flow, and with the power drawn
one pollutant alone          a changed process or a new filter: all pollutants must fall together
start, stop, batches         short, and not steady flow
===========================  ========================================================================================

Further witnesses are the other probes of the outlet (they live), and the site's power and traffic by day. What they say is
added up as log-odds; the tables are data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import activity, emissions, shown
from cityheart.apps.hazchem.signals.power import quantile
from cityheart.sdk import ALL_TIME, Input, Sighting, Survey, Text, View, text

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Truth = npt.NDArray[np.bool_]
Tables = Mapping[str, pa.Table]
Running = Callable[[Sequence[str]], Mapping[tuple[str, int], float]]
"""Sites → by site and local day (since 1970) how surely it produced."""

WITNESSES = ("approval_firm", "power_load")
"""What is read only when there is something to judge."""

PARAMETERS: Mapping[str, object] = {
    "window_h": 240.0,  # hours that are read
    "keep_days": 3.0,  # days for which a case that is over is shown
    "raise_at": 0.55,  # probability
    "zone_days": 10,  # local days of power that are looked at
    # frozen
    "frozen_h": 7.9,  # hours: eight, less the rounding of both ends
    "least_minutes": 15,  # minutes flagged N that an hour needs to be judged
    "edge_min": 5.0,  # minutes repeated in the hour before and after, which belong to the stretch
    "gap_h": 2,  # hours without data that a frozen stretch may hold
    "flowing_share": 0.1,  # of the usual flow, above which the outlet runs
    "design_share": 0.02,  # of the design flow, below which nothing runs
    "coarse_min": 20.0,  # minutes for which a coarse probe repeats its value
    "coarse_share": 0.2,  # of the hours, in which a coarse probe does so
    "live_share": 0.25,  # of its usual variation, above which a probe lives
    # diluted
    "steady_share": 0.5,  # of the usual flow, above which an hour is steady
    "least_hours": 24,  # steady hours that make a past
    "fall": 0.6,  # of the own past, to which every pollutant falls at least
    "thinned_flow": 1.2,  # of the usual flow: something was let in
    "thinned_load": 1.15,  # of the usual load (flow times pollutant), above which more goes out than usual
    "thinned_fall": 0.68,  # of the own past, to which every pollutant falls then
    "aired_fall": 0.8,  # and where there is more oxygen in flue gas
    "aired_oxygen": 1.5,  # percentage points above the usual
    "back_fall": 0.85,  # of the own past: an hour above it ends what is diluted
    "spreads": 1.5,  # robust standard deviations that every hour must be below the past; several hours are asked for
    "least_spread": 0.08,  # of the logarithm: no past is quieter than that
    "diluted_h": 3,  # steady hours in a row
    # log-odds
    "frozen": {
        "prior": -2.0,
        "flow_long": 3.0,  # the outlet ran in eight frozen hours, or in three quarters of them
        "flow_some": 0.5,  # in five: a short freeze, then a standstill, would look like that too
        "flow_none": -3.0,  # in fewer: it would not have changed anyway
        "flow_unknown": 0.5,  # it has no flow that can be believed
        "others_live": 1.0,  # the other probes of the outlet vary as usual
        "others_still": -1.0,  # none does
        "power_runs": 1.0,  # the site's other signals say that it produced on those days
        "power_stopped": -2.0,  # they say that it stood still
    },
    "diluted": {
        "prior": -2.5,
        "long": 1.0,  # five steady hours or more
        "deep": 1.0,  # to 40 % or less
        "shallow": -1.0,  # to no less than 45 %
        "washed": -3.0,  # that, with more in all than usual: rain brings some of its own
        "several": 1.5,  # two pollutants or more
        "flow_up": 1.5,  # a tenth more flows than usual
        "flow_same": 0.5,
        "flow_less": -1.0,  # less than 85 %
        "flow_down": -2.0,  # seven tenths or less: lower load
        "oxygen_up": 1.5,  # by 1.5 percentage points
        "sudden": 1.0,  # the steady hour before was as usual
        "back": 0.5,  # and so was the one after
        "power_runs": 0.5,
        "power_stopped": -2.0,
        "endless": -1.0,  # three days and more: rather a changed process
    },
}


def detectors() -> tuple[Survey, ...]:
    """What the application lists."""
    return (EmissionTampering(),)


@dataclass(frozen=True)
class EmissionTampering:
    """The survey; see :func:`evaluate`."""

    parameters: Mapping[str, object] = field(default_factory=lambda: PARAMETERS)
    id: str = "hazchem.emission_tampering"
    title: Text = field(default_factory=lambda: text("监测数据弄虚作假", "Tampering with emission monitoring"))
    kind: str = "emission_tampering"
    every: timedelta = timedelta(hours=3)
    phase: timedelta = timedelta(minutes=35)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """Emission hours of some days, the registers, and power."""
        hours = timedelta(hours=shown.number(self.parameters, "window_h"))
        columns = (
            "mn",
            "factor",
            "hour",
            "mean",
            "n_minutes",
            "minutes",
            "minimum",
            "maximum",
            "spread",
            "same_run_min",
        )
        return {
            "hazchem_emission_hour": Input(hours, columns),
            "emission_outlet": Input(ALL_TIME, ("mn", "site_id", "kind", "design_flow")),
            "approval_site": Input(ALL_TIME, activity.INPUTS["approval_site"]),
            "approval_firm": Input(ALL_TIME, activity.INPUTS["approval_firm"]),
            "power_load": Input(hours + timedelta(days=1), activity.INPUTS["power_load"]),
        }

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """The cases that stand or ended lately."""
        tables = {name: view.rows(name) for name in self.inputs if name not in WITNESSES}

        def running(sites: Sequence[str]) -> Mapping[tuple[str, int], float]:
            return by_day({**tables, **{name: view.rows(name) for name in WITNESSES}}, sites, view.now, view.zone)

        return evaluate(tables, running, view.now, view.zone, self.parameters)


def by_day(tables: Tables, sites: Sequence[str], now: datetime, zone: ZoneInfo) -> Mapping[tuple[str, int], float]:
    """How surely sites produced, by local day since 1970, from their power alone: emissions are what is in question."""
    site, firm, load = (tables[name] for name in ("approval_site", *WITNESSES))
    if not site.num_rows or not load.num_rows:
        return {}
    chosen = sorted(set(sites))
    given = {"approval_site": site, "approval_firm": firm, "power_load": load}
    found = activity.evaluate(given, now, zone, {"days": 12}, focus=chosen).table()
    found = found.filter(pc.is_in(found["site_id"], pa.array(chosen, pa.string())))
    day = found["day"].cast(pa.int32()).to_pylist()
    known = zip(found["site_id"].to_pylist(), day, found["running"].to_pylist(), strict=True)
    return {(site_id, at): running for site_id, at, running in known if running is not None and running == running}


@dataclass(frozen=True)
class _Cube:
    """Factors of outlets by hour, (series, hours), NaN where unknown. ``mn`` and ``factor`` by series."""

    first: int
    mn: Whole
    mns: list[str]
    factor: list[str]
    mean: Array
    minutes: Array
    varied: Array
    repeated: Array
    constant: Truth

    @property
    def hours(self) -> int:
        return int(self.mean.shape[1])

    def of(self, outlet: int) -> Whole:
        """The series of an outlet."""
        return np.flatnonzero(self.mn == outlet)


def _cube(hours: pa.Table, now: datetime, parameters: Mapping[str, object]) -> _Cube | None:
    hour = shown.micro(hours["hour"]) // shown.HOUR_US
    hours = hours.filter(pa.array(hour <= int(now.timestamp()) // 3600))
    if not hours.num_rows:
        return None
    hour = shown.micro(hours["hour"]) // shown.HOUR_US
    names = pc.binary_join_element_wise(hours["mn"], hours["factor"], "\t").combine_chunks().dictionary_encode()
    if isinstance(names, pa.ChunkedArray):
        names = names.unify_dictionaries().combine_chunks()
    keys = names.dictionary.to_pylist()
    place = names.indices.to_numpy()
    first = int(hour.min())
    shape = (len(keys), int(hour.max()) - first + 1)

    def spread_out(name: str) -> Array:
        values = np.full(shape, np.nan)
        values[place, hour - first] = shown.floats(hours[name])
        return values

    minutes, low, high = (spread_out(name) for name in ("n_minutes", "minimum", "maximum"))
    with np.errstate(invalid="ignore"):
        judged = minutes >= shown.number(parameters, "least_minutes")
        constant = judged & (low == high)
    mns = sorted({key.split("\t")[0] for key in keys})
    index = {mn: number for number, mn in enumerate(mns)}
    return _Cube(
        first,
        np.array([index[key.split("\t")[0]] for key in keys], dtype=np.int64),
        mns,
        [key.split("\t")[1] for key in keys],
        np.where(judged, spread_out("mean"), np.nan),
        minutes,
        np.where(judged, spread_out("spread"), np.nan),
        spread_out("same_run_min"),
        np.asarray(constant),
    )


@dataclass(frozen=True)
class _Flow:
    """Flow of outlets by hour beside its usual; ``runs`` NaN where it is unknown, else 0 or 1."""

    share: Array
    runs: Array


def _flow(cube: _Cube, outlets: pa.Table, parameters: Mapping[str, object]) -> _Flow:
    design = dict(zip(outlets["mn"].to_pylist(), outlets["design_flow"].to_pylist(), strict=True))
    share = np.full((len(cube.mns), cube.hours), np.nan)
    runs = np.full_like(share, np.nan)
    of_flow = np.flatnonzero([factor in emissions.FLOWS for factor in cube.factor])
    if not len(of_flow):
        return _Flow(share, runs)
    outlet, flow = cube.mn[of_flow], cube.mean[of_flow]
    designed = np.array([float(design.get(cube.mns[each]) or 0.0) for each in outlet.tolist()])
    with np.errstate(invalid="ignore"):
        above: Truth = flow > shown.number(parameters, "design_share") * designed[:, None]
        ever = np.asarray(above.any(axis=1))[:, None]
        flowing = np.where(above, flow, np.nan)
        high: Truth = flowing >= 0.3 * quantile(flowing, 0.9)[:, None]
        usual = quantile(np.where(high, flowing, np.nan), 0.5)[:, None]
        stuck = cube.constant[of_flow] & above  # a flow that repeats one value proves no flow
        ran = np.where(ever, flow > shown.number(parameters, "flowing_share") * usual, 0.0)
        share[outlet] = flow / usual
    runs[outlet] = np.where(np.isnan(flow) | (stuck & ever), np.nan, ran)
    return _Flow(share, runs)


def evaluate(
    tables: Tables, running: Running, now: datetime, zone: ZoneInfo, parameters: Mapping[str, object]
) -> list[Sighting]:
    """Tampering as known at ``now``, one :class:`Sighting` a case.

    ``tables`` holds ``hazchem_emission_hour``, ``emission_outlet`` and ``approval_site``; ``running`` is asked about the sites
    of candidates only.
    """
    outlets = tables["emission_outlet"]
    known = pc.is_in(tables["hazchem_emission_hour"]["mn"], outlets["mn"].combine_chunks())
    cube = _cube(tables["hazchem_emission_hour"].filter(known), now, parameters)
    if cube is None:
        return []
    flow = _flow(cube, outlets, parameters)
    stretches = [*_frozen(cube, flow, parameters), *_diluted(cube, flow, parameters)]
    if not stretches:
        return []
    site_of = dict(zip(outlets["mn"].to_pylist(), outlets["site_id"].to_pylist(), strict=True))
    produced = running([site_of[cube.mns[one.outlet]] for one in stretches])
    sites = tables["approval_site"]
    names = dict(zip(sites["site_id"].to_pylist(), sites["name"].to_pylist(), strict=True))
    sightings = []
    for case in _cases(stretches):
        site_id = site_of[cube.mns[case[0].outlet]]
        found = _sighting(cube, flow, case, site_id, names, produced, now, zone, parameters)
        if found is not None:
            sightings.append(found)
    return sightings


@dataclass(frozen=True)
class _Stretch:
    """Hours ``begin`` … ``end`` (places, the end not included) of an outlet; ``series`` is the frozen probe's, or -1."""

    outlet: int
    series: int
    begin: int
    end: int
    before_min: float
    after_min: float
    hours: float
    odds: float
    signs: Mapping[str, float]


def _frozen(cube: _Cube, flow: _Flow, parameters: Mapping[str, object]) -> list[_Stretch]:
    still = _bridged(cube, int(shown.number(parameters, "gap_h")))
    found = []
    for series in np.flatnonzero(still.sum(axis=1) >= shown.number(parameters, "frozen_h") - 2).tolist():
        if cube.factor[series] in emissions.STATES_OF_GAS or _coarse(cube, flow, series, parameters):
            continue
        for begin, end in _stretches(still[series], cube.mean[series]):
            judged = _judge_frozen(cube, flow, series, begin, end, parameters)
            if judged is not None:
                found.append(judged)
    return found


def _bridged(cube: _Cube, gap: int) -> Truth:
    """Hours in which a probe gave one value, with holes between hours of the same value."""
    still = cube.constant.copy()
    silent = ~(cube.minutes > 0)
    for width in range(1, gap + 1):
        if cube.hours <= width + 1:
            break
        left, right = cube.constant[:, : -width - 1], cube.constant[:, width + 1 :]
        same = left & right & (cube.mean[:, : -width - 1] == cube.mean[:, width + 1 :])
        for at in range(1, width + 1):
            same &= silent[:, at : at + left.shape[1]]
        for at in range(1, width + 1):
            still[:, at : at + left.shape[1]] |= same
    return still


def _stretches(still: Truth, mean: Array) -> list[tuple[int, int]]:
    """Runs of still hours with one value."""
    places = np.flatnonzero(still)
    if not len(places):
        return []
    values = mean[places]
    known = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    values = values[known]
    cuts = np.flatnonzero((np.diff(places) > 1) | (np.diff(values) != 0)) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(places, cuts)]


def _coarse(cube: _Cube, flow: _Flow, series: int, parameters: Mapping[str, object]) -> bool:
    """Whether the probe repeats its value for long in hours in which it lives and the outlet runs."""
    lives = (flow.runs[cube.mn[series]] > 0) & ~cube.constant[series] & ~np.isnan(cube.repeated[series])
    if not bool(lives.any()):
        return False
    repeats = cube.repeated[series][lives] >= shown.number(parameters, "coarse_min")
    return bool(repeats.mean() > shown.number(parameters, "coarse_share") and repeats.sum() > 3)


def _judge_frozen(
    cube: _Cube, flow: _Flow, series: int, begin: int, end: int, parameters: Mapping[str, object]
) -> _Stretch | None:
    outlet = int(cube.mn[series])
    is_flow = cube.factor[series] in emissions.FLOWS
    if is_flow and not flow.share[outlet, begin] > shown.number(parameters, "flowing_share"):
        return None  # a flow of nothing, again and again: the outlet stands still
    part = slice(begin, end)
    edges = [cube.repeated[series, place] if 0 <= place < cube.hours else 0.0 for place in (begin - 1, end)]
    before, after = (float(edge) if edge >= shown.number(parameters, "edge_min") else 0.0 for edge in edges)
    whole = np.where(np.arange(begin, end) == cube.hours - 1, np.nan_to_num(cube.minutes[series, part]) / 60.0, 1.0)
    hours = float(whole.sum()) + (before + after) / 60.0
    if hours < shown.number(parameters, "frozen_h"):
        return None
    weight = shown.weights(parameters, "frozen")
    odds, signs = weight["prior"], {}
    runs = flow.runs[outlet, part]
    if is_flow or np.isnan(runs).all():
        odds += weight["flow_unknown"]
    else:
        signs["ran_h"] = float(np.nansum(runs))
        long = signs["ran_h"] >= 7.5 or signs["ran_h"] >= max(0.75 * np.count_nonzero(~np.isnan(runs)), 4)
        odds += weight["flow_long" if long else "flow_some" if signs["ran_h"] >= 5 else "flow_none"]
    alive = _alive(cube, flow, series, part, parameters)
    if alive is not None:
        signs["alive"] = alive
        odds += weight["others_live"] if alive >= 0.6 else weight["others_still"] if alive < 0.2 else 0.0
    return _Stretch(outlet, series, begin, end, before, after, hours, odds, signs)


def _alive(cube: _Cube, flow: _Flow, series: int, part: slice, parameters: Mapping[str, object]) -> float | None:
    """Of the other probes of the outlet, the share of hours in which they vary as they do; None without others."""
    outlet = int(cube.mn[series])
    shares = []
    for other in cube.of(outlet).tolist():
        if other == series:
            continue
        usual = cube.varied[other][(flow.runs[outlet] > 0) & ~cube.constant[other]]
        usual = usual[usual > 0]
        inside = cube.varied[other, part]
        inside = inside[~np.isnan(inside)]
        if len(usual) >= 6 and len(inside):
            lives = inside > shown.number(parameters, "live_share") * float(np.median(usual))
            shares.append(float(lives.mean()))
    return float(np.mean(shares)) if shares else None


def _diluted(cube: _Cube, flow: _Flow, parameters: Mapping[str, object]) -> list[_Stretch]:
    found = []
    for outlet in np.flatnonzero(_hopeful(cube, parameters)).tolist():
        series = [place for place in cube.of(outlet).tolist() if emissions.pollutant(cube.factor[place])]
        with np.errstate(invalid="ignore"):
            steady = flow.share[outlet] >= shown.number(parameters, "steady_share")
        pasts = [_drop(cube, place, steady, parameters) for place in series]
        drops = [past for past in pasts if past is not None]
        if not drops or len(drops) < len(series):
            continue
        least = np.max([drop for drop, _ in drops], axis=0)  # of the pollutant that fell least
        low = steady & (least <= _fallen(cube, flow, outlet, steady, parameters))
        for drop, spread in drops:
            low &= drop <= -shown.number(parameters, "spreads") * spread
        usual = steady & ~low & ~np.isnan(least)
        mean = np.mean([drop for drop, _ in drops], axis=0)
        found += [
            _judge_diluted(cube, flow, outlet, part, usual, mean, parameters)
            for part in _in_a_row(low, steady & (least > np.log(shown.number(parameters, "back_fall"))))
            if len(part) >= shown.number(parameters, "diluted_h")
        ]
    return found


def _hopeful(cube: _Cube, parameters: Mapping[str, object]) -> Truth:
    """Outlets whose pollutants all lie low in some hours, beside hours in which they are high: the others need no look."""
    ordered = np.sort(cube.mean, axis=1)  # NaN last
    count = np.count_nonzero(~np.isnan(cube.mean), axis=1)
    high = ordered[np.arange(len(ordered)), np.maximum((0.9 * count).astype(np.int64) - 1, 0)]
    widest = max(shown.number(parameters, name) for name in ("fall", "thinned_fall", "aired_fall"))
    with np.errstate(invalid="ignore"):
        low = cube.mean <= widest * high[:, None]
    chosen = np.array([emissions.pollutant(factor) for factor in cube.factor], dtype=bool)
    not_low = np.zeros((len(cube.mns), cube.hours), dtype=np.int64)
    np.add.at(not_low, cube.mn[chosen], ~low[chosen])
    has = np.bincount(cube.mn[chosen], minlength=len(cube.mns)) > 0
    return np.asarray(has & ((not_low == 0).sum(axis=1) >= shown.number(parameters, "diluted_h")))


def _fallen(cube: _Cube, flow: _Flow, outlet: int, steady: Truth, parameters: Mapping[str, object]) -> Array:
    """The logarithm to which all pollutants must have fallen, by hour: less far where more flows.

    Where oxygen is measured in flue gas it must have risen.
    """
    fallen = np.full(cube.hours, np.log(shown.number(parameters, "fall")))
    if not steady.any():
        return fallen
    with np.errstate(invalid="ignore"):
        share = flow.share[outlet] / np.median(flow.share[outlet][steady])
        thinned = share >= shown.number(parameters, "thinned_flow")
        limit = shown.number(parameters, "thinned_fall")
        probes = [place for place in cube.of(outlet).tolist() if cube.factor[place] == "a19001"]
        if probes:
            oxygen = cube.mean[probes[0]]
            usual = np.nanmedian(oxygen[steady]) if (~np.isnan(oxygen[steady])).any() else np.inf
            thinned &= oxygen >= usual + shown.number(parameters, "aired_oxygen")
            limit = shown.number(parameters, "aired_fall")
    fallen[thinned] = np.log(limit)
    return fallen


def _drop(cube: _Cube, series: int, steady: Truth, parameters: Mapping[str, object]) -> tuple[Array, float] | None:
    """The logarithm of each hour beside the own past, and how much it spreads; None without a past."""
    mean = cube.mean[series]
    past = steady & (mean > 0) & ~cube.constant[series]
    if np.count_nonzero(past) < shown.number(parameters, "least_hours"):
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.where((mean > 0) & ~cube.constant[series], np.log(mean), np.nan)
    usual = float(np.median(logs[past]))
    spread = 1.48 * float(np.median(np.abs(logs[past] - usual)))
    return logs - usual, max(spread, shown.number(parameters, "least_spread"))


def _in_a_row(low: Truth, back: Truth) -> list[Whole]:
    """Low hours between which no hour is back at what is usual."""
    places = np.flatnonzero(low)
    if not len(places):
        return []
    normal = np.cumsum(back & ~low)
    cuts = np.flatnonzero((np.diff(normal[places]) > 0) | (np.diff(places) > 24)) + 1
    return [np.asarray(part) for part in np.split(places, cuts)]


def _judge_diluted(
    cube: _Cube, flow: _Flow, outlet: int, part: Whole, usual: Truth, drop: Array, parameters: Mapping[str, object]
) -> _Stretch:
    weight = shown.weights(parameters, "diluted")
    begin, end = int(part[0]), int(part[-1]) + 1
    fraction = float(np.exp(np.median(drop[part])))
    pollutants = sum(emissions.pollutant(cube.factor[place]) for place in cube.of(outlet).tolist())
    flowing = (
        float(np.median(flow.share[outlet, part])) / float(np.median(flow.share[outlet, usual])) if usual.any() else 1.0
    )
    signs = {"fraction": fraction, "pollutants": float(pollutants), "flow": flowing}
    odds = weight["prior"] + weight["long"] * (len(part) >= 5) + weight["deep"] * (fraction <= 0.4)
    odds += weight["shallow"] * (fraction > 0.45)
    odds += weight["washed"] * (fraction > 0.45 and fraction * flowing > shown.number(parameters, "thinned_load"))
    odds += weight["several"] * (pollutants >= 2) + weight["endless"] * (end - begin >= 72)
    if flowing >= 0.85:
        odds += weight["flow_up" if flowing >= 1.1 else "flow_same"]
    else:
        odds += weight["flow_down" if flowing <= 0.7 else "flow_less"]
    oxygen = _oxygen(cube, outlet, part, usual)
    if oxygen is not None:
        signs["oxygen"] = oxygen
        odds += weight["oxygen_up"] * (oxygen >= 1.5)
    before, after = np.flatnonzero(usual[:begin]), np.flatnonzero(usual[end:])
    odds += weight["sudden"] * (len(before) > 0 and begin - int(before[-1]) <= 3 and drop[before[-1]] > -0.35)
    odds += weight["back"] * (len(after) > 0 and int(after[0]) <= 3)
    return _Stretch(outlet, -1, begin, end, 0.0, 0.0, float(end - begin), odds, signs)


def _oxygen(cube: _Cube, outlet: int, part: Whole, usual: Truth) -> float | None:
    """How many percentage points more oxygen was in the flue gas; None where it is not measured."""
    for place in cube.of(outlet).tolist():
        if cube.factor[place] == "a19001":
            inside, outside = cube.mean[place, part], cube.mean[place, usual]
            inside, outside = inside[~np.isnan(inside)], outside[~np.isnan(outside)]
            if len(inside) and len(outside):
                return float(np.median(inside) - np.median(outside))
    return None


def _cases(stretches: Sequence[_Stretch]) -> list[list[_Stretch]]:
    """Frozen probes of one outlet whose stretches overlap are one case; the surest first."""
    cases: list[list[_Stretch]] = []
    for one in sorted(stretches, key=lambda each: (each.outlet, each.series < 0, each.begin, each.end)):
        before = cases[-1] if cases else []
        same = before and before[0].outlet == one.outlet and (before[0].series < 0) == (one.series < 0)
        if same and one.begin <= max(each.end for each in before):
            before.append(one)
        else:
            cases.append([one])
    return [sorted(case, key=lambda each: (-each.odds, each.series)) for case in cases]


def _sighting(
    cube: _Cube,
    flow: _Flow,
    case: Sequence[_Stretch],
    site_id: str,
    names: Mapping[str, str],
    produced: Mapping[tuple[str, int], float],
    now: datetime,
    zone: ZoneInfo,
    parameters: Mapping[str, object],
) -> Sighting | None:
    first = case[0]
    start, ended = min(_begins(cube, one) for one in case), max(_ends(cube, one) for one in case)
    goes_on = any(one.end >= cube.hours for one in case)
    if not goes_on and ended < now - timedelta(days=shown.number(parameters, "keep_days")):
        return None
    weight = shown.weights(parameters, "frozen" if first.series >= 0 else "diluted")
    since, until = (at.astimezone(zone).date().toordinal() - shown.EPOCH.toordinal() for at in (start, min(ended, now)))
    days = [produced[site_id, day] for day in range(since, until + 1) if (site_id, day) in produced]
    ran = float(np.mean(days)) if days else None
    odds = first.odds
    if ran is not None:
        odds += weight["power_runs"] if ran >= 0.6 else weight["power_stopped"] if ran <= 0.25 else 0.0
    score = shown.chance(odds)
    if score < shown.number(parameters, "raise_at"):
        return None
    mn = cube.mns[first.outlet]
    cut = start < now - timedelta(hours=shown.number(parameters, "window_h") - 2)
    return Sighting(
        shown.site(site_id, names),
        2 if score >= 0.8 else 3,
        start,
        None if goes_on else ended,
        round(score, 3),
        tuple(reason for one in case[:3] for reason in _reasons(cube, one, mn, zone)) + _powered(ran),
        tuple(_evidence(cube, flow, first, mn)),
        f"{mn}:{'frozen' if first.series >= 0 else 'diluted'}:" + ("long" if cut else f"{start:%Y%m%dT%H}"),
    )


def _begins(cube: _Cube, one: _Stretch) -> datetime:
    return shown.moment((cube.first + one.begin) * shown.HOUR_US) - timedelta(minutes=one.before_min)


def _ends(cube: _Cube, one: _Stretch) -> datetime:
    return shown.moment((cube.first + one.end) * shown.HOUR_US) + timedelta(minutes=one.after_min)


def _powered(ran: float | None) -> tuple[Text, ...]:
    if ran is None or ran < 0.6:
        return ()
    return (
        text(
            f"用电显示该厂址在生产（概率 {ran:.0%}）。", f"Its power shows that the site produced ({ran:.0%} likely)."
        ),
    )


def _reasons(cube: _Cube, one: _Stretch, mn: str, zone: ZoneInfo) -> tuple[Text, ...]:
    at = shown.clock(_begins(cube, one), zone)
    if one.series >= 0:
        name = emissions.name(cube.factor[one.series])
        value = cube.mean[one.series, one.begin]
        reasons = [
            text(
                f"排放口 {mn} 的{name['zh-CN']}自 {at} 起 {one.hours:.1f} 小时每分钟都是 {value:g}，标记为 N（正常）。",
                f"Outlet {mn}: for {one.hours:.1f} h from {at} on every minute of {name['en']} was {value:g}, flagged N.",
            )
        ]
        if "ran_h" in one.signs:
            reasons.append(
                text(
                    f"其间该排放口有 {one.signs['ran_h']:.0f} 小时有流量。",
                    f"Meanwhile the outlet had flow in {one.signs['ran_h']:.0f} h.",
                )
            )
        if one.signs.get("alive", 0.0) >= 0.6:
            reasons.append(text("同一排放口的其他因子照常波动。", "The other factors of the outlet varied as usual."))
    else:
        fraction, flowing = one.signs["fraction"], one.signs["flow"]
        reasons = [
            text(
                f"排放口 {mn} 的污染物自 {at} 起同时降至自身平时的 {fraction:.0%}，流量为平时的 {flowing:.0%}，疑似稀释。",
                f"Outlet {mn}: from {at} on its pollutants fell together to {fraction:.0%} of their own past while its flow was "
                f"{flowing:.0%} of it: as if diluted.",
            )
        ]
        if one.signs.get("oxygen", 0.0) >= 1.5:
            points = one.signs["oxygen"]
            reasons.append(
                text(f"氧含量升高 {points:.1f} 个百分点。", f"Oxygen rose by {points:.1f} percentage points.")
            )
    return tuple(reasons)


def _evidence(cube: _Cube, flow: _Flow, one: _Stretch, mn: str) -> list[dict[str, object]]:
    begin, end = max(one.begin - 48, 0), min(one.end + 24, cube.hours)
    at = (cube.first + np.arange(begin, end)) * shown.HOUR_US
    shown_series = [one.series] if one.series >= 0 else []
    shown_series += [
        place
        for place in cube.of(one.outlet).tolist()
        if place != one.series and emissions.pollutant(cube.factor[place])
    ]
    found = []
    for place in shown_series[:3]:
        name, unit = emissions.name(cube.factor[place]), emissions.unit(cube.factor[place])
        line = shown.line(text("小时均值", "Hourly means"), at, cube.mean[place, begin:end], digits=3)
        lines = [line, *_usual(cube, flow, one, place, at)]
        title = text(f"排放口 {mn} {name['zh-CN']}", f"Outlet {mn}, {name['en']}")
        found.append(shown.series(title, unit, lines, []))
    line = shown.line(text("流量（平时为 100%）", "Flow (usual 100 %)"), at, 100 * flow.share[one.outlet, begin:end])
    if line["points"]:
        found.append(shown.series(text(f"排放口 {mn} 流量", f"Outlet {mn}, flow"), "%", [line], []))
    return found


def _usual(cube: _Cube, flow: _Flow, one: _Stretch, place: int, at: Whole) -> list[dict[str, object]]:
    """The band in which eight of ten of the probe's own running hours outside the stretch lie."""
    outside = np.ones(cube.hours, dtype=bool)
    outside[one.begin : one.end] = False
    values = cube.mean[place][outside & (flow.runs[one.outlet] > 0) & ~cube.constant[place]]
    values = values[~np.isnan(values)]
    if len(values) < 12:
        return []
    ends = np.array([at[0], at[-1]])
    low, high = np.quantile(values, [0.1, 0.9])
    return [
        shown.line(text("平时下限", "Usual, low"), ends, np.full(2, low), "band_low", 3),
        shown.line(text("平时上限", "Usual, high"), ends, np.full(2, high), "band_high", 3),
    ]
