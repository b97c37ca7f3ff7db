"""Over-storage: all tanks of a site together hold more of one chemical than the licences in force allow.

《安全生产法》 (2021, art. 39) and, up to 2026-04-30, 《危险化学品安全管理条例》 (State Council order 591), from then on
the law on the safety of hazardous chemicals: chemicals are stored in the kinds and quantities that were approved. The
mass in a tank is level / height × capacity; it is summed over the tanks of a site for one chemical and compared, hour by
hour, with what the licences allowed on that day.

Innocent, and how it is excluded:

- *measuring error*: gauges err by about half a percent of the tank; the excess must be above twice the error of the sum and
  above one percent of what is allowed.
- *brief overlap* of filling one tank and drawing another, or a ship that unloads while lorries load: some hours in a row.
- *a failed sensor*: a level that jumps between two readings, or stands above the tank's height, is not believed until it
  jumps back; a level that repeats one value for hours, with no other, is worth only what it was when it froze, and nothing
  after a day.
- *readings missing*: the last known level stands for some hours, then the tank counts as unknown and the sum as too small.
- *a renewal entered late*: a licence counts for five days after it ended. What is held after the last licence for a
  chemical ended is the matter of an expired licence, not of over-storage.
- *a register without the chemical*: a chemical that no licence of the site ever named counts only where that is rare
  among the sites of the city; else the register is what is incomplete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import licences, shown
from cityheart.sdk import ALL_TIME, Input, Sighting, Survey, Text, View, text

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Tables = Mapping[str, pa.Table]

PARAMETERS: Mapping[str, object] = {
    "gauge_share": 0.005,  # of the capacity of a tank: standard error of its mass
    "errors": 2.0,  # times the error of the sum that the excess must be above
    "least_share": 0.01,  # of what is allowed, above which the excess must be
    "least_h": 4,  # hours in a row
    "join_h": 12,  # hours: pauses of a case, unknown or below
    "stale_h": 12,  # hours for which the last known level of a tank stands
    "frozen_h": 24,  # hours after which a frozen level is unknown
    "jump_share": 0.06,  # of the height: a sudden change of so much is no liquid
    "above_height": 1.02,  # of the height: no level
    "strangers_share": 0.05,  # of pairs of site and chemical without any licence, above which the register is incomplete
    "gross_share": 1.5,  # of what is allowed, from which a case is serious
    "residents": 100,  # people within 500 m, with whom a gross case is a danger to life
    "keep_days": 3.0,  # days for which a case that is over is shown
    "window_h": 744.0,  # hours that are read
    "raise_at": 0.5,  # probability
    # log-odds
    "weights": {
        "prior": -0.45,  # an excess beyond the error for the least time
        "held": 1.0,  # for twelve hours or more
        "clear": 1.5,  # five times the error or more
        "whole": 0.5,  # every tank of the chemical was measured
        "few": -1.0,  # less than half of the capacity was
        "unnamed": -0.5,  # no licence ever named the chemical
    },
}


def detectors() -> tuple[Survey, ...]:
    """What the application lists."""
    return (OverStorage(),)


@dataclass(frozen=True)
class OverStorage:
    """The survey; see :func:`evaluate`."""

    parameters: Mapping[str, object] = field(default_factory=lambda: PARAMETERS)
    id: str = "hazchem.over_storage"
    title: Text = field(default_factory=lambda: text("超许可量储存", "More in store than licensed"))
    kind: str = "over_storage"
    every: timedelta = timedelta(hours=3)
    phase: timedelta = timedelta(minutes=5)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """Tank hours of a month, and the registers."""
        hours = timedelta(hours=shown.number(self.parameters, "window_h"))
        return {
            "hazchem_tank_hour": Input(
                hours, ("tank_id", "hour", "level_median_m", "level_last_m", "level_max_m", "frozen_min", "jumps")
            ),
            "hazard_tank": Input(ALL_TIME, ("tank_id", "site_id", "cas", "chemical", "capacity_t", "height_m")),
            "approval_site": Input(ALL_TIME, ("site_id", "firm_id", "name", "residents_500m")),
            "approval_licence": Input(ALL_TIME),
            "approval_licensed_chemical": Input(ALL_TIME),
        }

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """The cases that stand or ended lately."""
        return evaluate({name: view.rows(name) for name in self.inputs}, view.now, view.zone, self.parameters)


@dataclass(frozen=True)
class Case:
    """One chemical of a site: by hour (since 1970) its mass, what is allowed, the error, and the share that is known."""

    site_id: str
    cas: str
    chemical: str
    tanks: tuple[int, ...]
    hour: Whole
    mass: Array
    allowed: Array
    error: Array
    known: Array
    named: bool


def evaluate(tables: Tables, now: datetime, zone: ZoneInfo, parameters: Mapping[str, object]) -> list[Sighting]:
    """Over-storage as known at ``now``, one :class:`Sighting` a case. ``tables`` holds what ``inputs`` names."""
    hours, tanks = tables["hazchem_tank_hour"], tables["hazard_tank"]
    if not hours.num_rows or not tanks.num_rows or not tables["approval_licensed_chemical"].num_rows:
        return []
    permits = licences.permits(
        tables["approval_licence"], tables["approval_licensed_chemical"], tables["approval_site"], zone
    )
    pairs, pair_of = _pairs(tanks)
    named = {(site, cas) for site, cas in zip(permits["site_id"].to_pylist(), permits["cas"].to_pylist(), strict=True)}
    grid = _Grid.of(hours, tanks, now)
    if grid is None:
        return []
    hopeful = _hopeful(grid, tanks, pair_of, _least(permits, pairs), parameters)
    unnamed = [pair for pair in pairs if pair not in named]
    licensed = set(permits["site_id"].to_pylist())
    strangers = [pair for pair in unnamed if pair[0] in licensed]
    incomplete = len(strangers) > shown.number(parameters, "strangers_share") * max(len(pairs), 20)
    sightings = []
    for place in np.flatnonzero(hopeful).tolist():
        pair = pairs[place]
        if pair not in named and (incomplete or pair[0] not in licensed):
            continue
        mine = np.flatnonzero(pair_of == place)
        case = _case(grid, hours, tanks, pair, mine, permits, pair in named, zone, parameters)
        sightings += _sightings(case, tables, now, zone, parameters)
    return sightings


def _pairs(tanks: pa.Table) -> tuple[list[tuple[str, str]], Whole]:
    """Sites and chemicals of tanks, and for each tank the place of its own."""
    both = list(zip(tanks["site_id"].to_pylist(), tanks["cas"].to_pylist(), strict=True))
    pairs = sorted(set(both))
    index = {pair: place for place, pair in enumerate(pairs)}
    return pairs, np.array([index[pair] for pair in both], dtype=np.int64)


@dataclass(frozen=True)
class _Grid:
    """Levels by tank and hour; ``row`` is the place of the hour's row, -1 without one; ``jumped`` by row."""

    first: int
    row: Whole
    level: Array
    frozen: Array
    jumped: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, hours: pa.Table, tanks: pa.Table, now: datetime) -> _Grid | None:
        tank = shown.place_of(hours["tank_id"], tanks["tank_id"].to_pylist())
        hour = shown.micro(hours["hour"]) // shown.HOUR_US
        # An hour under way counts with what is known of it, none that lies ahead does.
        chosen = (tank >= 0) & (hour <= int(now.timestamp()) // 3600)
        if not bool(chosen.any()):
            return None
        first, last = int(hour[chosen].min()), int(hour[chosen].max())
        row = np.full((tanks.num_rows, last - first + 1), -1)
        row[tank[chosen], hour[chosen] - first] = np.flatnonzero(chosen)
        columns = [np.append(shown.floats(hours[name]), np.nan) for name in ("level_median_m", "frozen_min")]
        jumped = np.append(hours["jumps"].is_valid().to_numpy(), False)
        return cls(first, row, columns[0][row], columns[1][row], jumped)


def _least(permits: pa.Table, pairs: Sequence[tuple[str, str]]) -> Array:
    """For each pair the smallest quantity that any licence of it names; 0 without one."""
    index = {pair: place for place, pair in enumerate(pairs)}
    least = np.full(len(pairs), np.inf)
    columns = (permits[name].to_pylist() for name in ("site_id", "cas", "max_storage_t"))
    for site, cas, stock in zip(*columns, strict=True):
        place = index.get((site, cas))
        if place is not None and stock is not None:
            least[place] = min(least[place], stock)
    return np.where(np.isinf(least), 0.0, least)


def _hopeful(
    grid: _Grid, tanks: pa.Table, pair_of: Whole, least: Array, parameters: Mapping[str, object]
) -> npt.NDArray[np.bool_]:
    """Pairs whose tanks, taken at their word, together held more in some hours than the least that was allowed."""
    capacity, height = shown.floats(tanks["capacity_t"]), shown.floats(tanks["height_m"])
    with np.errstate(invalid="ignore", divide="ignore"):
        mass = np.nan_to_num(_filled(grid.level, parameters) / height[:, None] * capacity[:, None], posinf=0.0)
    order = np.argsort(pair_of, kind="stable")
    total = np.add.reduceat(mass[order], np.searchsorted(pair_of[order], np.arange(len(least))), axis=0)
    return np.asarray(np.count_nonzero(total > least[:, None], axis=1) >= shown.number(parameters, "least_h"))


def _filled(level: Array, parameters: Mapping[str, object]) -> Array:
    """Levels (…, hours) with the last known one standing for some hours."""
    at = np.arange(level.shape[-1])
    last = np.maximum.accumulate(np.where(np.isnan(level), -1, at), axis=-1)
    stands = (last >= 0) & (at - last <= shown.number(parameters, "stale_h"))
    return np.where(stands, np.take_along_axis(level, np.maximum(last, 0), axis=-1), np.nan)


def _case(
    grid: _Grid,
    hours: pa.Table,
    tanks: pa.Table,
    pair: tuple[str, str],
    mine: Whole,
    permits: pa.Table,
    named: bool,
    zone: ZoneInfo,
    parameters: Mapping[str, object],
) -> Case:
    capacity, height = shown.floats(tanks["capacity_t"])[mine], shown.floats(tanks["height_m"])[mine]
    told = hours["jumps"]
    levels = np.stack([
        _believed(grid, tank, float(tall), told, parameters) for tank, tall in zip(mine.tolist(), height, strict=True)
    ])  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        mass = np.clip(levels, 0.0, None) / height[:, None] * capacity[:, None]
    known = ~np.isnan(mass)
    gauge = shown.number(parameters, "gauge_share") * capacity[:, None]
    hour = grid.first + np.arange(levels.shape[1])
    return Case(
        *pair,
        str(tanks["chemical"][int(mine[0])].as_py()),
        tuple(mine.tolist()),
        hour,
        np.where(known.any(axis=0), np.nansum(mass, axis=0), np.nan),
        _allowed(permits, pair, hour, zone),
        np.sqrt((np.where(known, gauge, 0.0) ** 2).sum(axis=0)),
        np.asarray((known * capacity[:, None]).sum(axis=0) / max(float(capacity.sum()), 1e-9)),
        named,
    )


def _believed(grid: _Grid, tank: int, height: float, told: pa.ChunkedArray, parameters: Mapping[str, object]) -> Array:
    """The levels of a tank by hour: without what lies behind a jump, above the height or frozen; gaps of hours filled."""
    level, rows = grid.level[tank].copy(), grid.row[tank]
    level[level > shown.number(parameters, "above_height") * height] = np.nan
    least = shown.number(parameters, "jump_share") * height
    home: float | None = None  # where the level was before it jumped away
    since = 0
    for place in np.flatnonzero((rows >= 0) & grid.jumped[rows]).tolist():
        for _, before, after, pauses in json.loads(told[int(rows[place])].as_py()).get("level_m", ()):
            if abs(after - before) < least * min(max(pauses, 1.0), 3.5):
                continue
            if home is None:
                home, since = before, place
            elif abs(after - home) <= 2 * least:
                level[since : place + 1] = np.nan
                home = None
    if home is not None:
        level[since:] = np.nan
    most = int(shown.number(parameters, "frozen_h"))
    stuck = np.nan_to_num(grid.frozen[tank]) >= 59.0
    same = stuck & np.r_[False, level[1:] == level[:-1]]
    last = np.maximum.accumulate(np.where(same, 0, np.arange(len(level))))
    level[np.arange(len(level)) - last > most] = np.nan
    return _filled(level, parameters)


def _allowed(permits: pa.Table, pair: tuple[str, str], hour: Whole, zone: ZoneInfo) -> Array:
    """What the licences allowed in each hour: of each kind the largest in force, added up; NaN after the last one ended."""
    mine = permits.filter(pc.and_(pc.equal(permits["site_id"], pair[0]), pc.equal(permits["cas"], pair[1])))
    days = licences.local_date(pa.array(hour * shown.HOUR_US, pa.timestamp("us", tz="UTC")), zone)
    day = days.cast(pa.int32()).to_numpy().astype(np.int64)
    if not mine.num_rows:
        return np.zeros(len(hour))
    total = np.zeros(len(hour))
    any_in_force = np.zeros(len(hour), dtype=bool)
    for kind in sorted(set(mine["kind"].to_pylist())):
        best, graced = np.zeros(len(hour)), np.zeros(len(hour))
        of_kind = mine.filter(pc.equal(mine["kind"], kind))
        dates = (of_kind[name].cast(pa.int32()).to_pylist() for name in ("first", "last"))
        for first, last, stock in zip(*dates, of_kind["max_storage_t"].to_pylist(), strict=True):
            best = np.maximum(best, np.where((day >= first) & (day <= last), stock, 0.0))
            late = (day >= first) & (day <= last + licences.RENEWAL_DAYS)
            graced = np.maximum(graced, np.where(late, stock, 0.0))
            any_in_force |= late
        total += np.where(best > 0, best, graced)
    return np.where(any_in_force, total, np.nan)


def _sightings(
    case: Case, tables: Tables, now: datetime, zone: ZoneInfo, parameters: Mapping[str, object]
) -> list[Sighting]:
    excess = case.mass - case.allowed
    with np.errstate(invalid="ignore"):
        enough = np.maximum(
            shown.number(parameters, "errors") * case.error, shown.number(parameters, "least_share") * case.allowed
        )
        above = excess > enough
    join, least = int(shown.number(parameters, "join_h")), int(shown.number(parameters, "least_h"))
    places = np.flatnonzero(above)
    found = []
    for part in np.split(places, np.flatnonzero(np.diff(places) > join) + 1):
        if len(part) < least or _longest(part) < least:
            continue
        sighting = _sighting(case, excess, part, tables, now, zone, parameters)
        if sighting is not None:
            found.append(sighting)
    return found


def _longest(places: Whole) -> int:
    """The length of the longest run of places in a row."""
    cuts = np.flatnonzero(np.diff(places) > 1)
    return int(np.diff(np.r_[-1, cuts, len(places) - 1]).max())


def _sighting(
    case: Case,
    excess: Array,
    part: Whole,
    tables: Tables,
    now: datetime,
    zone: ZoneInfo,
    parameters: Mapping[str, object],
) -> Sighting | None:
    start, ended = (shown.moment(int(h) * shown.HOUR_US) for h in (case.hour[part[0]], case.hour[part[-1]] + 1))
    if ended < now - timedelta(days=shown.number(parameters, "keep_days")):
        return None
    weight = shown.weights(parameters, "weights")
    odds = weight["prior"] + weight["held"] * (len(part) >= 12)
    odds += weight["clear"] * (float(np.median(excess[part] / case.error[part])) >= 5)
    known = float(np.median(case.known[part]))
    odds += weight["whole"] * (known > 0.99) + weight["few"] * (known < 0.5) + weight["unnamed"] * (not case.named)
    score = shown.chance(odds)
    if score < shown.number(parameters, "raise_at"):
        return None
    sites = tables["approval_site"]
    names = dict(zip(sites["site_id"].to_pylist(), sites["name"].to_pylist(), strict=True))
    near = dict(zip(sites["site_id"].to_pylist(), sites["residents_500m"].to_pylist(), strict=True))
    goes_on = now < ended + timedelta(hours=shown.number(parameters, "join_h"))
    peak = int(part[np.argmax(excess[part])])
    gross = case.mass[peak] >= shown.number(parameters, "gross_share") * case.allowed[peak]
    crowded = (near.get(case.site_id) or 0) >= shown.number(parameters, "residents")
    cut = start < now - timedelta(hours=shown.number(parameters, "window_h") - shown.number(parameters, "join_h"))
    return Sighting(
        shown.site(case.site_id, names),
        (1 if crowded else 2) if gross and goes_on else 3,
        start,
        None if goes_on else ended,
        round(score, 3),
        (_reason(case, part, peak, zone),),
        (_series(case, part), _tank_rows(case, tables, now)),
        f"{case.cas}:" + ("long" if cut else f"{start:%Y%m%dT%H}"),
    )


def _reason(case: Case, part: Whole, peak: int, zone: ZoneInfo) -> Text:
    first, at = (shown.clock(shown.moment(int(case.hour[p]) * shown.HOUR_US), zone) for p in (int(part[0]), peak))
    mass, allowed, error = case.mass[peak], case.allowed[peak], case.error[peak]
    if not case.named:
        return text(
            f"{case.chemical}（{case.cas}）未列入该厂址任何许可证，自 {first} 起储存，最多 {mass:.1f} t"
            f"（{at}，误差 ±{error:.1f} t）。",
            f"{case.chemical} ({case.cas}) is named in no licence of the site; held since {first}, at most {mass:.1f} t ({at}, "
            f"error ±{error:.1f} t).",
        )
    return text(
        f"{case.chemical}（{case.cas}）自 {first} 起有 {len(part)} 小时超过许可储存量 {allowed:.1f} t："
        f"{len(case.tanks)} 座储罐合计最多 {mass:.1f} t（{at}，{mass / allowed:.0%}，误差 ±{error:.1f} t）。",
        f"{case.chemical} ({case.cas}): above the {allowed:.1f} t licensed in {len(part)} hour(s) since {first}; its "
        f"{len(case.tanks)} tank(s) held at most {mass:.1f} t together ({at}, {mass / allowed:.0%}, error ±{error:.1f} t).",
    )


def _series(case: Case, part: Whole) -> dict[str, object]:
    begin, end = max(int(part[0]) - 48, 0), min(int(part[-1]) + 24, len(case.hour) - 1) + 1
    at = case.hour[begin:end] * shown.HOUR_US
    lines = [
        shown.line(text("各罐合计", "All tanks"), at, case.mass[begin:end]),
        shown.line(text("许可储存量", "Licensed"), at, case.allowed[begin:end], "expected"),
    ]
    title = text(f"{case.chemical} 储存量", f"{case.chemical} in store")
    return shown.series(title, "t", lines, [(text("许可储存量", "Licensed"), float(case.allowed[part[-1]]))])


def _tank_rows(case: Case, tables: Tables, now: datetime) -> dict[str, object]:
    tanks = tables["hazard_tank"].take(pa.array(case.tanks))
    columns = ["tank_id", "site_id", "cas", "chemical", "capacity_t", "height_m"]
    title = text("储罐台账", "Register of the tanks")
    found = [list(row.values()) for row in tanks.select(columns).to_pylist()]
    return shown.rows(title, "hazard_tank", "emergency-hazards.tank", now, columns, found)
