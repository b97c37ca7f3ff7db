"""Tank excursions: level, temperature or pressure of a tank rises to 97 % or more of its alarm value, in truth.

Major-hazard tanks are watched on line (《危险化学品重大危险源监督管理暂行规定》, art. 13); the alarm values are the firm's own.

What a true excursion looks like, and how each innocent look-alike differs:

==================  =================================================================================================
look-alike          how it is told from a true rise
==================  =================================================================================================
broken wire         the value jumps between two readings (recorded by the hour, ``jumps``); what lies behind a jump is
                    detached and believed again only after a jump back to where the value was
spike               medians of five minutes do not show one or two readings; a lone part between low ones is refused
noise of quality 2  is not among the good readings at all; many bad readings in the hour weigh against
stuck at the end    repeats one value: weighs against, and mostly has no approach
wrong clock         times that run ahead are set right on landing; what comes for hours that are closed is left out;
                    two interleaved series make jumps to and fro
gap                 a value after a hole has no approach and is not judged before it is seen to rise or fall
==================  =================================================================================================

A rise must be seen: the parts (five minutes) before the value reached 97 % are known and lead up to it in steps that
liquid and heat can make. Where a tank is above from its first reading on, nobody saw the rise; it counts when it stands
there for hours, alive and without a jump. Level, temperature and pressure of one tank that move together weigh for each
other. Episodes of a site within two hours are one case; it is shown for some days after it ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import shown
from cityheart.apps.hazchem.signals.tanks import METRICS
from cityheart.sdk import ALL_TIME, Input, Sighting, Survey, Text, View, text

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Truth = npt.NDArray[np.bool_]
Tables = Mapping[str, pa.Table]

PARTS = 12  # of an hour
PART_US = shown.HOUR_US // PARTS
HIGHEST = ("level_max_m", "temperature_max_c", "pressure_max_kpa")
ALARMS = ("alarm_level_m", "alarm_temperature_c", "alarm_pressure_kpa")
UNITS = ("m", "°C", "kPa")
NAMES = (text("液位", "level"), text("温度", "temperature"), text("压力", "pressure"))
CANDIDATES = 400  # tanks and metrics judged at one instant; a city with more of them has another problem

PARAMETERS: Mapping[str, object] = {
    "share": 0.97,  # of the alarm value, from which it is an excursion
    "jump_share": 0.06,  # of the alarm value: a smaller sudden change detaches nothing
    "jump_pauses": 3.5,  # usual pauses between readings: across a longer hole, so many times as much is a jump
    "back_share": 0.12,  # of the alarm value: a jump back lands so near to what was before
    "step_share": 0.6,  # of the alarm value, which a real change may make in five minutes: a wire would be a jump
    "hole_share": 0.25,  # of the alarm value, which it may make across a hole
    "approach_parts": 6,  # parts before the rise that are looked at
    "approach_known": 2,  # parts of these that must be known
    "join_h": 2.0,  # hours: episodes of a site closer than this are one case
    "stood_parts": 24,  # known parts above the share, of a tank that was never seen below it
    "stood_most": 1.1,  # of the alarm value, at most: more is rather a broken wire
    "over_parts": 3,  # known parts below the share after which it is over
    "raise_at": 0.5,  # probability
    "keep_days": 2.0,  # days for which an excursion that is over is shown
    "window_h": 72.0,  # hours that are read
    # log-odds
    "weights": {
        "prior": -2.0,  # a value above 97 % of the alarm, and nothing else known
        "approach": 3.0,  # it rose there in steps that are possible
        "stood": 2.0,  # it stood there when it was first seen
        "held": 1.0,  # for ten minutes or more
        "brief": -0.5,  # for less
        "fell": 0.5,  # and fell back in such steps, or is still there
        "broke_off": -1.5,  # or ended with a jump or a hole
        "together": 1.0,  # another metric of the tank moved with it
        "constant": -1.5,  # it repeated one value for half an hour or more
        "bad": -1.0,  # a third of the readings or more were suspect or bad
    },
}


def detectors() -> tuple[Survey, ...]:
    """What the application lists."""
    return (TankExcursion(),)


@dataclass(frozen=True)
class TankExcursion:
    """The survey; see :func:`evaluate`."""

    parameters: Mapping[str, object] = field(default_factory=lambda: PARAMETERS)
    id: str = "hazchem.tank_excursion"
    title: Text = field(default_factory=lambda: text("储罐参数超限", "Tank excursion"))
    kind: str = "tank_excursion"
    every: timedelta = timedelta(minutes=15)
    phase: timedelta = timedelta(minutes=5)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """Tank hours of some days, and the registers."""
        hours = timedelta(hours=shown.number(self.parameters, "window_h"))
        return {
            "hazchem_tank_hour": Input(
                hours,
                ("tank_id", "hour", "site_id", *HIGHEST, "good", "suspect", "bad", "profile", "jumps"),
                timedelta(hours=2),
            ),
            "hazard_tank": Input(ALL_TIME, ("tank_id", "site_id", "chemical", "capacity_t", *ALARMS)),
            "approval_site": Input(ALL_TIME, ("site_id", "name", "residents_500m")),
        }

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """The excursions that stand or ended lately."""
        tables = {name: view.rows(name) for name in self.inputs}
        return evaluate(tables, view.now, view.zone, self.parameters)


@dataclass(frozen=True)
class Episode:
    """One metric of a tank above its share, between places of ``at`` (microseconds, a part each); ``r`` its shares."""

    tank: int
    metric: int
    start: datetime
    end: datetime | None
    peak: float
    score: float
    at: Whole
    values: Array
    together: tuple[int, ...]
    stood: bool


def evaluate(tables: Tables, now: datetime, zone: ZoneInfo, parameters: Mapping[str, object]) -> list[Sighting]:
    """Excursions as known at ``now``, one :class:`Sighting` a case. ``tables`` holds what ``inputs`` names."""
    hours, tanks = tables["hazchem_tank_hour"], tables["hazard_tank"]
    if not hours.num_rows or not tanks.num_rows:
        return []
    ids = tanks["tank_id"].to_pylist()
    tank = shown.place_of(hours["tank_id"], ids)
    alarms = np.stack([shown.floats(tanks[name]) for name in ALARMS], axis=1)
    alarms[~(alarms > 0)] = np.nan
    high = np.stack([shown.floats(hours[name]) for name in HIGHEST], axis=1)
    with np.errstate(invalid="ignore"):
        reached = (high >= shown.number(parameters, "share") * alarms[tank]) & (tank >= 0)[:, None]
    pairs = np.unique((tank[:, None] * len(METRICS) + np.arange(len(HIGHEST)))[reached])[:CANDIDATES]
    if not len(pairs):
        return []
    wanted = np.unique(pairs // len(METRICS))
    profiles = _profiles(hours, tank, wanted)
    episodes: list[Episode] = []
    for pair in pairs.tolist():
        place, metric = divmod(pair, len(METRICS))
        episodes += _episodes(profiles[place], place, metric, alarms[place], parameters)
    return _sightings(episodes, tables, now, zone, parameters)


Jump = tuple[int, float, float, float]  # part, from, to, how many usual pauses after the reading before


@dataclass(frozen=True)
class _Profile:
    """The parts of a tank without holes in time: values (metrics, parts), NaN where unknown; jumps; readings by hour."""

    at: Whole
    values: Array
    jumps: tuple[tuple[Jump, ...], ...]
    doubtful: Array


def _profiles(hours: pa.Table, tank: Whole, wanted: Whole) -> dict[int, _Profile]:
    """The profiles of some tanks; ``tank``: whose each hour is."""
    chosen = np.flatnonzero(np.isin(tank, wanted))
    hour = shown.micro(hours["hour"])[chosen] // shown.HOUR_US
    order = np.lexsort((hour, tank[chosen]))
    chosen, hour = chosen[order], hour[order]
    rows = hours.select(["profile", "jumps"]).take(pa.array(chosen))
    told, jumps = rows["profile"].to_pylist(), rows["jumps"].to_pylist()
    counts = np.stack([shown.floats(hours[name])[chosen] for name in ("good", "suspect", "bad")])
    doubtful = counts[1:].sum(axis=0) / np.maximum(counts.sum(axis=0), 1.0)
    starts = np.searchsorted(tank[chosen], wanted, side="left").tolist()
    ends = np.searchsorted(tank[chosen], wanted, side="right").tolist()
    return {
        place: _profile(hour[low:high], told[low:high], jumps[low:high], doubtful[low:high])
        for place, low, high in zip(wanted.tolist(), starts, ends, strict=True)
    }


def _profile(hour: Whole, told: Sequence[str | None], jumped: Sequence[str | None], doubtful: Array) -> _Profile:
    first, last = int(hour[0]), int(hour[-1])
    at = (first * PARTS + np.arange((last - first + 1) * PARTS)) * PART_US
    values = np.full((last - first + 1, len(HIGHEST), PARTS), np.nan)
    values[hour - first] = [_decoded(each) for each in told]
    doubts = np.zeros((last - first + 1, PARTS))
    doubts[hour - first] = doubtful[:, None]
    jumps: list[list[Jump]] = [[] for _ in HIGHEST]
    for place, each in enumerate(jumped):
        for name, entries in json.loads(each).items() if each else ():
            if name in METRICS[: len(HIGHEST)]:
                begin = int(hour[place] - first) * PARTS
                jumps[METRICS.index(name)] += [
                    (begin + min(int(minute / 60 * PARTS), PARTS - 1), before, after, gap)
                    for minute, before, after, gap in entries
                ]
    flat = np.ascontiguousarray(values.transpose(1, 0, 2)).reshape(len(HIGHEST), -1)
    return _Profile(at, flat, tuple(tuple(sorted(each)) for each in jumps), doubts.reshape(-1))


@lru_cache(maxsize=1 << 15)  # an hour is looked at hundreds of times
def _decoded(profile: str | None) -> Array:
    if profile is None:
        return np.full((len(HIGHEST), PARTS), np.nan)
    return np.array(json.loads(profile), dtype=np.float64)


def _detached(profile: _Profile, metric: int, alarm: float, parameters: Mapping[str, object]) -> tuple[Truth, Truth]:
    """Which parts lie behind a jump that never came back, and which parts hold a jump."""
    least = shown.number(parameters, "jump_share") * alarm
    near = shown.number(parameters, "back_share") * alarm
    slowest = shown.number(parameters, "jump_pauses")
    values = profile.values[metric]
    detached, broken = np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=bool)
    home: float | None = None  # where the value was before it jumped away
    since = 0
    for place, before, after, gap in profile.jumps[metric]:
        if abs(after - before) < least * min(max(gap, 1.0), slowest):
            continue
        broken[place] = True
        if home is None:
            home, since = before, place
        elif abs(after - home) <= near:
            detached[since : place + 1] = True
            home = None
    if home is not None:
        detached[since:] = True
    return detached, broken


def _episodes(
    profile: _Profile, tank: int, metric: int, alarms: Array, parameters: Mapping[str, object]
) -> list[Episode]:
    alarm = float(alarms[metric])
    share = profile.values[metric] / alarm
    detached, broken = _detached(profile, metric, alarm, parameters)
    share = np.where(detached, np.nan, share)
    known = np.flatnonzero(~np.isnan(share))
    above = known[share[known] >= shown.number(parameters, "share")]
    over = int(shown.number(parameters, "over_parts"))
    episodes = []
    while len(above):
        first = int(above[0])
        below = known[(known > first) & (share[known] < shown.number(parameters, "share"))]
        end, last = None, int(above[-1])
        for place in below.tolist():
            after = known[known >= place][:over]
            if len(after) == over and bool((share[after] < shown.number(parameters, "share")).all()):
                end, last = place, int(above[above < place][-1])
                break
        episodes.append(_judged(profile, tank, metric, alarms, share, broken, (first, last, end), parameters))
        above = above[above > last]
    return [episode for episode in episodes if episode.score >= shown.number(parameters, "raise_at")]


def _judged(
    profile: _Profile,
    tank: int,
    metric: int,
    alarms: Array,
    share: Array,
    broken: Truth,
    span: tuple[int, int, int | None],
    parameters: Mapping[str, object],
) -> Episode:
    first, last, end = span
    weight = shown.weights(parameters, "weights")
    part = share[first : last + 1]
    values = part[~np.isnan(part)]
    odds = weight["prior"]
    if _leads(share, first, -1, parameters) and not broken[max(first - 1, 0) : first + 1].any():
        odds += weight["approach"]
    stood = bool(np.isnan(profile.values[metric, :first]).all()) and not broken[first : last + 3].any()
    stood &= len(values) >= shown.number(parameters, "stood_parts") and float(np.ptp(values)) > 0.0
    stood &= float(values.max()) <= shown.number(parameters, "stood_most")
    odds += weight["stood"] * stood
    odds += weight["held"] if len(values) >= 2 else weight["brief"]
    goes_on = end is None and last >= int(np.flatnonzero(~np.isnan(share))[-1]) - 1
    fell = _leads(share, last, +1, parameters) and not broken[last : last + 2].any()
    odds += weight["fell"] if goes_on or fell else weight["broke_off"]
    together = _together(profile, metric, alarms, first, last)
    odds += weight["together"] * bool(together)
    if len(values) >= PARTS // 2 and float(np.ptp(values)) == 0.0:
        odds += weight["constant"]
    if float(profile.doubtful[first : last + 1].mean()) >= 1 / 3:
        odds += weight["bad"]
    return Episode(
        tank,
        metric,
        shown.moment(profile.at[first]),
        None if end is None else shown.moment(profile.at[last] + PART_US),
        float(values.max()),
        shown.chance(odds),
        profile.at,
        profile.values[metric],
        together,
        stood,
    )


def _leads(share: Array, place: int, way: int, parameters: Mapping[str, object]) -> bool:
    """Whether the parts on one side of a place lead to it in possible steps, from below the share."""
    reach = int(shown.number(parameters, "approach_parts"))
    side = np.array([other for n in range(1, reach + 1) if 0 <= (other := place + way * n) < len(share)], dtype=int)
    known = side[~np.isnan(share[side])] if len(side) else side
    if len(known) < shown.number(parameters, "approach_known"):
        return False
    path = np.r_[place, known]
    most = np.where(
        np.abs(np.diff(path)) == 1, shown.number(parameters, "step_share"), shown.number(parameters, "hole_share")
    )
    return bool((np.abs(np.diff(share[path])) <= most).all() and share[known[0]] < share[place] + 0.05)


def _together(profile: _Profile, metric: int, alarms: Array, first: int, last: int) -> tuple[int, ...]:
    """The other metrics of the tank that rose with it, by more than a twentieth of their alarm value and their noise."""
    moved = []
    for other in range(len(HIGHEST)):
        if other == metric or np.isnan(alarms[other]):
            continue
        values = profile.values[other] / alarms[other]
        before, during = values[max(first - 2 * PARTS, 0) : first], values[first : last + 1]
        before, during = before[~np.isnan(before)], during[~np.isnan(during)]
        if len(before) < 3 or not len(during):
            continue
        usual = float(np.median(before))
        noise = 1.48 * float(np.median(np.abs(np.diff(before))))
        if float(np.median(during)) - usual > max(0.05, 4 * noise):
            moved.append(other)
    return tuple(moved)


def _sightings(
    episodes: Sequence[Episode], tables: Tables, now: datetime, zone: ZoneInfo, parameters: Mapping[str, object]
) -> list[Sighting]:
    """Episodes of a site put together to cases; those that ended too long ago are left out."""
    tanks, sites = tables["hazard_tank"], tables["approval_site"]
    names = dict(zip(sites["site_id"].to_pylist(), sites["name"].to_pylist(), strict=True))
    near = dict(zip(sites["site_id"].to_pylist(), sites["residents_500m"].to_pylist(), strict=True))
    site_of = tanks["site_id"].to_pylist()
    gap = timedelta(hours=shown.number(parameters, "join_h"))
    kept = now - timedelta(days=shown.number(parameters, "keep_days"))
    cases: list[list[Episode]] = []
    for one in sorted(episodes, key=lambda e: (site_of[e.tank], e.start, e.tank, e.metric)):
        before = cases[-1] if cases and site_of[cases[-1][0].tank] == site_of[one.tank] else None
        if before is not None and one.start <= max(e.end or now for e in before) + gap:
            before.append(one)
        else:
            cases.append([one])
    sightings = []
    for case in cases:
        end = None if any(one.end is None for one in case) else max(one.end for one in case if one.end)
        if end is not None and end < kept:
            continue
        site_id = site_of[case[0].tank]
        first = case[0]
        cut = first.stood and first.start < now - timedelta(hours=shown.number(parameters, "window_h") - 2)
        sightings.append(
            Sighting(
                shown.site(site_id, names),
                _level(case, end, near.get(site_id) or 0),
                min(one.start for one in case),
                end,
                round(max(one.score for one in case), 3),
                tuple(_reason(one, tanks, zone) for one in case[:6]),
                (*(_evidence(one, tanks) for one in case[:3]), _tank_rows(case, tanks, now)),
                f"{tanks['tank_id'][first.tank].as_py()}:{METRICS[first.metric]}:"
                + ("long" if cut else f"{first.start:%Y%m%dT%H}"),
            )
        )
    return sightings


def _level(case: Sequence[Episode], end: datetime | None, residents: float) -> int:
    """Above the alarm value and people near: red; above it: orange; from 97 % of it, and once it is over: yellow."""
    if end is not None or max(one.peak for one in case) < 1.0:
        return 3
    return 1 if residents > 0 else 2


def _reason(one: Episode, tanks: pa.Table, zone: ZoneInfo) -> Text:
    row = tanks.slice(one.tank, 1).to_pylist()[0]
    alarm, unit, name = row[ALARMS[one.metric]], UNITS[one.metric], NAMES[one.metric]
    peak = one.peak * alarm
    others = [NAMES[other] for other in one.together]
    zh = "、".join(other["zh-CN"] for other in others)
    en = " and ".join(other["en"] for other in others)
    until_zh = f"，{shown.clock(one.end, zone)} 回落" if one.end else "，尚未回落"
    until_en = f", back below at {shown.clock(one.end, zone)}" if one.end else ", not yet back"
    return text(
        f"储罐 {row['tank_id']}（{row['chemical']}）{name['zh-CN']}自 {shown.clock(one.start, zone)} 起达到报警值的 97%，"
        f"最高 {peak:.2f} {unit}（报警值 {alarm:g}，{one.peak:.0%}）{until_zh}；"
        + ("自有读数起即如此" if one.stood else "上升过程连续")
        + (f"，{zh}同时上升。" if zh else "。"),
        f"Tank {row['tank_id']} ({row['chemical']}): its {name['en']} reached 97 % of the alarm value at "
        f"{shown.clock(one.start, zone)}, at most {peak:.2f} {unit} (alarm {alarm:g}, {one.peak:.0%}){until_en}; "
        + ("it stood there when it was first read" if one.stood else "it rose step by step")
        + (f", and {en} rose with it." if en else "."),
    )


def _evidence(one: Episode, tanks: pa.Table) -> dict[str, object]:
    row = tanks.slice(one.tank, 1).to_pylist()[0]
    alarm, name = row[ALARMS[one.metric]], NAMES[one.metric]
    start = int(one.start.timestamp() * 1_000_000)
    until = int(one.end.timestamp() * 1_000_000) + 6 * shown.HOUR_US if one.end else int(one.at[-1])
    part = (one.at >= start - 12 * shown.HOUR_US) & (one.at <= until)
    title = text(f"储罐 {row['tank_id']} {name['zh-CN']}", f"Tank {row['tank_id']}, {name['en']}")
    line = shown.line(text("五分钟中位数", "Medians of five minutes"), one.at[part], one.values[part])
    thresholds = [(text("报警值", "Alarm value"), alarm), (text("报警值的 97%", "97 % of it"), round(0.97 * alarm, 2))]
    return shown.series(title, UNITS[one.metric], [line], thresholds)


def _tank_rows(case: Sequence[Episode], tanks: pa.Table, now: datetime) -> dict[str, object]:
    columns = [name for name in tanks.column_names if not name.startswith("_")]
    found = tanks.select(columns).take(pa.array(sorted({one.tank for one in case}))).to_pylist()
    title = text("储罐台账", "Register of the tanks")
    return shown.rows(
        title, "hazard_tank", "emergency-hazards.tank", now, columns, [list(row.values()) for row in found]
    )
