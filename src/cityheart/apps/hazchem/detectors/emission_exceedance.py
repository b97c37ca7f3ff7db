"""Emissions above their limit: the mean of an hour of a factor, over its minutes flagged N, is above the outlet's limit.

Automatic monitoring data are evidence of an exceedance by the hourly mean (《生态环境行政处罚办法》, 2023; 《污染物排放自动监测
设备标记规则》, 2022): minutes that the operator marked as maintenance, calibration, fault or standstill do not count, and an hour
counts with at least 45 of its minutes (HJ 75, HJ 356: three quarters of the data).

Innocent, and how it is excluded: a peak at start-up that stays below the limit in the hour's mean (the mean decides, not the
highest minute); minutes under flags other than N (left out of the mean); hours with fewer than 45 minutes (not judged);
an hour under way (judged when it is over). A limit that cannot be read binds nobody.

Hours above that lie within a few hours of each other are one case; it begins with its first hour and ends with its last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import emissions, shown
from cityheart.sdk import ALL_TIME, Input, Sighting, SubjectRef, Survey, Text, View, text

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Tables = Mapping[str, pa.Table]

PARAMETERS: Mapping[str, object] = {
    "least_minutes": 45,  # minutes flagged N that an hour needs
    "join_h": 4,  # hours: episodes closer than this are one case
    "gross_share": 2.0,  # of the limit, from which a case is serious
    "long_h": 24,  # hours above the limit from which a case is serious
    "keep_days": 3.0,  # days for which a case that is over is shown
    "window_h": 144.0,  # hours that are read
    "sure_share": 0.02,  # of the limit, above which rounding and noise of the device are no question
}


def detectors() -> tuple[Survey, ...]:
    """What the application lists."""
    return (EmissionExceedance(),)


@dataclass(frozen=True)
class EmissionExceedance:
    """The survey; see :func:`evaluate`."""

    parameters: Mapping[str, object] = field(default_factory=lambda: PARAMETERS)
    id: str = "hazchem.emission_exceedance"
    title: Text = field(default_factory=lambda: text("排放超标", "Emissions above the limit"))
    kind: str = "emission_exceedance"
    every: timedelta = timedelta(hours=1)
    phase: timedelta = timedelta(minutes=5)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """Emission hours of some days, and the registers."""
        hours = timedelta(hours=shown.number(self.parameters, "window_h"))
        return {
            "hazchem_emission_hour": Input(hours, ("mn", "factor", "hour", "mean", "n_minutes", "maximum")),
            "emission_outlet": Input(ALL_TIME, ("mn", "site_id", "kind", "limits")),
            "approval_site": Input(ALL_TIME, ("site_id", "name")),
        }

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """The cases that stand or ended lately."""
        return evaluate({name: view.rows(name) for name in self.inputs}, view.now, view.zone, self.parameters)


@dataclass(frozen=True)
class Case:
    """Hours above the limit of one factor of one outlet: places of the hours in the sorted rows."""

    mn: str
    factor: str
    limit: float
    above: Whole
    shown: Whole


def evaluate(tables: Tables, now: datetime, zone: ZoneInfo, parameters: Mapping[str, object]) -> list[Sighting]:
    """Exceedances as known at ``now``, one :class:`Sighting` a case. ``tables`` holds what ``inputs`` names."""
    hours, outlets = tables["hazchem_emission_hour"], tables["emission_outlet"]
    limits = emissions.limits_of(outlets)
    if not hours.num_rows or not limits.num_rows:
        return []
    pairs = [
        f"{mn}\t{factor}" for mn, factor in zip(limits["mn"].to_pylist(), limits["factor"].to_pylist(), strict=True)
    ]
    asked = pa.compute.binary_join_element_wise(hours["mn"], hours["factor"], "\t")
    pair = shown.place_of(asked, pairs)
    hours, pair = hours.filter(pa.array(pair >= 0)), pair[pair >= 0]
    hour = shown.micro(hours["hour"]) // shown.HOUR_US
    order = np.lexsort((hour, pair))
    pair, hour = pair[order], hour[order]
    mean, minutes = (shown.floats(hours[name])[order] for name in ("mean", "n_minutes"))
    limit = shown.floats(limits["limit"])[pair]
    over = (hour + 1) * shown.HOUR_US <= int(now.timestamp()) * 1_000_000
    with np.errstate(invalid="ignore"):
        above = over & (minutes >= shown.number(parameters, "least_minutes")) & (mean > limit)
    if not bool(above.any()):
        return []
    rows = _Rows(pair, hour, mean, np.asarray(limit))
    site_of = dict(zip(outlets["mn"].to_pylist(), outlets["site_id"].to_pylist(), strict=True))
    sites = tables["approval_site"]
    names = dict(zip(sites["site_id"].to_pylist(), sites["name"].to_pylist(), strict=True))
    sightings = []
    for places in _cases(rows, np.flatnonzero(above), int(shown.number(parameters, "join_h"))):
        mn, factor = pairs[int(pair[places[0]])].split("\t")
        found = _sighting(rows, places, mn, factor, shown.site(site_of[mn], names), now, zone, parameters)
        if found is not None:
            sightings.append(found)
    return sightings


@dataclass(frozen=True)
class _Rows:
    """Hours of factors with a limit, sorted by factor of an outlet and hour (whole hours since 1970)."""

    pair: Whole
    hour: Whole
    mean: Array
    limit: Array


def _cases(rows: _Rows, above: Whole, join: int) -> list[Whole]:
    """Places of hours above, cut where another factor or a longer pause begins."""
    cuts = (np.diff(rows.pair[above]) != 0) | (np.diff(rows.hour[above]) > join + 1)
    return np.split(above, np.flatnonzero(cuts) + 1)


def _sighting(
    rows: _Rows,
    places: Whole,
    mn: str,
    factor: str,
    site: SubjectRef,
    now: datetime,
    zone: ZoneInfo,
    parameters: Mapping[str, object],
) -> Sighting | None:
    first, last = int(rows.hour[places[0]]), int(rows.hour[places[-1]])
    join, window = shown.number(parameters, "join_h"), shown.number(parameters, "window_h")
    start, ended = shown.moment(first * shown.HOUR_US), shown.moment((last + 1) * shown.HOUR_US)
    if ended < now - timedelta(days=shown.number(parameters, "keep_days")):
        return None
    goes_on = now < ended + timedelta(hours=join)
    cut = start < now - timedelta(hours=window - join)  # it began before what is read
    peak = int(places[np.argmax(rows.mean[places])])
    share = float(rows.mean[peak] / rows.limit[peak])
    gross = share >= shown.number(parameters, "gross_share") or len(places) >= shown.number(parameters, "long_h")
    sure = min((share - 1.0) / shown.number(parameters, "sure_share"), 1.0)
    return Sighting(
        site,
        2 if gross else 3,
        start,
        None if goes_on else ended,
        round(min(0.75 + 0.2 * sure + 0.04 * (len(places) > 1), 0.99), 3),
        (_reason(rows, places, peak, mn, factor, zone),),
        (_evidence(rows, places, mn, factor),),
        f"{mn}:{factor}:" + ("long" if cut else f"{start:%Y%m%dT%H}"),
    )


def _reason(rows: _Rows, places: Whole, peak: int, mn: str, factor: str, zone: ZoneInfo) -> Text:
    name, unit = emissions.name(factor), emissions.unit(factor)
    at = shown.clock(shown.moment(int(rows.hour[peak]) * shown.HOUR_US), zone)
    first = shown.clock(shown.moment(int(rows.hour[places[0]]) * shown.HOUR_US), zone)
    value, limit = float(rows.mean[peak]), float(rows.limit[peak])
    return text(
        f"排放口 {mn} 的{name['zh-CN']}自 {first} 起有 {len(places)} 个小时的均值超过限值 {limit:g} {unit}，"
        f"最高为 {at} 的 {value:.4g} {unit}（{value / limit:.2f} 倍）；均值只取标记为 N 的分钟，每小时不少于 45 分钟。",
        f"Outlet {mn}: since {first} the mean of {len(places)} hour(s) of {name['en']} was above the limit of {limit:g} {unit}, "
        f"at most {value:.4g} {unit} at {at} ({value / limit:.2f} times); over minutes flagged N, at least 45 an hour.",
    )


def _evidence(rows: _Rows, places: Whole, mn: str, factor: str) -> dict[str, object]:
    name, unit = emissions.name(factor), emissions.unit(factor)
    first, last = int(rows.hour[places[0]]), int(rows.hour[places[-1]])
    mine = rows.pair == rows.pair[places[0]]
    part = mine & (rows.hour >= first - 24) & (rows.hour <= last + 12)
    line = shown.line(text("小时均值", "Hourly means"), rows.hour[part] * shown.HOUR_US, rows.mean[part], digits=3)
    title = text(f"排放口 {mn} {name['zh-CN']}", f"Outlet {mn}, {name['en']}")
    return shown.series(title, unit, [line], [(text("限值", "Limit"), float(rows.limit[places[0]]))])
