"""What the 96 points of a day's load say of whether a site produces: loads by site and day, beside the site's own past.

A load is kW drawn from the grid, a point every 15 minutes. What makes it hard, and what is done about it:

- Points are missing: up to an hour is filled in between its neighbours, more stays unknown.
- A meter may name no site: it belongs to the firm, and so to the firm's site that has no meter of its own. When several
  lack one, each is given it and counts as *shared*.
- One meter may feed two neighbours: a site near which an active site has no meter at all is *shared* too. What such a
  meter shows proves little of one of them.
- Own solar power takes away from the day, on bright days all of it. The highest hours decide, not the day's mean, and the
  quiet level is taken outside the bright hours.
- Security, heating and waste-water treatment make a quiet level that is not zero: everything is measured above the
  site's own. A plant that never stood still shows none; then it is at most ``quiet_share`` of its busy level.
- Short bursts (a test, a crane) are no production: hours are medians of their four points, and a day is judged by its six
  highest hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals.licences import local_date

__all__ = [
    "PARAMETERS",
    "Days",
    "Power",
    "Usual",
    "at_sites",
    "day_index",
    "days_of",
    "instants",
    "loads",
    "number",
    "quantile",
    "usual",
]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Dates = npt.NDArray[np.datetime64]
Places = npt.NDArray[np.int64]

POINTS = 96
HOURS = 24
HIGH_HOURS = 6
"""So many hours of a day, the highest, stand for what was produced in it: a night shift is eight."""

NIGHT = (22, 6)
BRIGHT = (8, 17)
"""Local hours in which own solar power may lower what is drawn."""

PARAMETERS: Mapping[str, object] = {
    "fill_points": 4,  # points: a longer hole stays unknown
    "least_hours": 6,  # known hours of a day, else the day is unknown
    "quiet_share": 0.18,  # the most that a standstill draws of the busy level, when none was ever seen
    "busy_share": 0.5,  # of the high days' level: a day above counts as one of production
    "shared_m": 1000.0,  # m: as far as a neighbour without a meter may hang on this one
}


@dataclass(frozen=True, slots=True)
class Power:
    """Loads by site and local day: ``load`` in kW, sites × days × 96, NaN where unknown.

    ``metered``: the site has a meter. ``shared``: what it shows may be somebody else's, too.
    """

    sites: npt.NDArray[np.str_]
    days: Dates
    load: Array
    metered: Mask
    shared: Mask


@dataclass(frozen=True, slots=True)
class Days:
    """What is said of each site and day (kW, NaN unknown): six highest hours, all hours, night hours, hour by hour."""

    high: Array
    mean: Array
    night: Array
    hours: Array


@dataclass(frozen=True, slots=True)
class Usual:
    """A site's own quiet and busy level (kW), its day (24 kW) when it produces, and on how many days that rests."""

    quiet: Array
    busy: Array
    mean: Array
    day: Array
    count: Places


def number(parameters: Mapping[str, object], name: str) -> float:
    """A parameter as a number, the default when it is not given."""
    value = parameters.get(name, PARAMETERS.get(name))
    assert isinstance(value, (int, float)), f"{name} is no number"
    return float(value)


def loads(
    power: pa.Table,
    site: pa.Table,
    firm: pa.Table,
    days: Dates,
    zone: ZoneInfo,
    parameters: Mapping[str, object] = PARAMETERS,
) -> Power:
    """Rows of ``power_load`` as loads by site (in the order of ``site``) and day, those of ``days`` (consecutive).

    A site without any meter has NaN throughout.
    """
    ids = np.array(site["site_id"].to_pylist(), dtype=np.str_) if site.num_rows else np.zeros(0, dtype=np.str_)
    empty = np.full((len(ids), len(days), POINTS), np.nan)
    nobody = np.zeros(len(ids), dtype=np.bool_)
    if not (len(ids) and len(days) and power.num_rows):
        return Power(ids, days, empty, nobody, nobody.copy())
    at = day_index(power["day"], days, zone)
    power = power.filter(pa.array(at >= 0))
    at = at[at >= 0]
    if not power.num_rows:
        return Power(ids, days, empty, nobody, nobody.copy())
    coded = power["meter_id"].combine_chunks().dictionary_encode()
    meter = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    cube = np.full((len(coded.dictionary), len(days), POINTS), np.nan)
    points = [f"p{point:02d}" for point in range(POINTS)]
    there = [point for point, name in enumerate(points) if name in power.column_names]
    columns = [pc.cast(power[points[point]], pa.float64()).to_numpy() for point in there]
    if len(there) == POINTS:
        cube[meter, at] = np.stack(columns, axis=1)
    elif there:
        cube[meter[:, None], at[:, None], np.array(there, dtype=np.int64)] = np.stack(columns, axis=1)
    cube = _filled(cube, int(number(parameters, "fill_points")))
    pairs, doubtful = _where_meters_are(power, meter, at, site, firm)
    load = empty
    load[pairs[::-1, 1]] = cube[pairs[::-1, 0]]
    first = np.zeros(len(pairs), dtype=np.bool_)
    first[np.unique(pairs[:, 1], return_index=True)[1]] = True
    np.add.at(load, pairs[~first, 1], cube[pairs[~first, 0]])  # a site with several meters draws the sum
    metered = np.bincount(pairs[:, 1], minlength=len(ids)) > 0
    shared = np.bincount(pairs[doubtful, 1], minlength=len(ids)) > 0
    shared |= metered & _near(site, firm, metered, number(parameters, "shared_m"))
    return Power(ids, days, load, metered, shared)


def day_index(column: pa.ChunkedArray, days: Dates, zone: ZoneInfo) -> Places:
    """Where each day lies in ``days``, -1 outside."""
    local = column if pa.types.is_date(column.type) else local_date(column, zone)
    dates = pc.cast(local, pa.date32()).to_numpy().astype("datetime64[D]")
    at = (dates - days[0]).astype(np.int64)
    return np.where((at >= 0) & (at < len(days)), at, -1)


def _filled(cube: Array, most: int) -> Array:
    """Holes of up to ``most`` points (also over midnight) filled in a straight line between their neighbours."""
    flat = cube.reshape(-1)
    holes = np.flatnonzero(np.isnan(flat))
    if not len(holes):
        return cube
    starts = np.flatnonzero(np.diff(holes, prepend=holes[0] - 2) != 1)
    lengths = np.diff(starts, append=len(holes))
    first = holes[starts]
    row = cube.shape[1] * cube.shape[2]
    inside = (lengths <= most) & ((first - 1) // row == (first + lengths) // row)
    for length in range(1, most + 1):
        at = first[inside & (lengths == length)]
        left, right = flat[at - 1], flat[(at + length).clip(max=len(flat) - 1)]
        for step in range(length):
            flat[at + step] = left + (right - left) * (step + 1) / (length + 1)
    return cube


def _where_meters_are(
    power: pa.Table, meter: Places, at: Places, site: pa.Table, firm: pa.Table
) -> tuple[Places, Mask]:
    """Pairs (meter, site) and which of them are doubtful: the newest row of a meter says where it is."""
    order = np.lexsort((at, meter))
    last = order[np.append(np.diff(meter[order]) != 0, True)]
    newest = power.take(pa.array(last)).select(["uscc", "site_id"])
    place = {name: index for index, name in enumerate(site["site_id"].to_pylist())}
    code = dict(zip(firm["firm_id"].to_pylist(), firm["uscc"].to_pylist(), strict=True)) if firm.num_rows else {}
    of_firm: dict[str, list[int]] = {}
    for at_site, owner in enumerate(site["firm_id"].to_pylist()):
        of_firm.setdefault(str(code.get(owner)), []).append(at_site)
    named = [place.get(name) for name in newest["site_id"].to_pylist()]
    taken = {index for index in named if index is not None}
    pairs, doubtful = [], []
    for number_, (index, owner) in enumerate(zip(named, newest["uscc"].to_pylist(), strict=True)):
        theirs = of_firm.get(str(owner), [])
        lacking = [one for one in theirs if one not in taken]
        where = [index] if index is not None else theirs if len(theirs) == 1 else lacking
        pairs += [(int(meter[last[number_]]), one) for one in where]
        doubtful += [len(where) > 1] * len(where)
    return np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array(doubtful, dtype=np.bool_)


def _near(site: pa.Table, firm: pa.Table, metered: Mask, within_m: float) -> Mask:
    """Sites near which an active site of a kind that usually has a meter has none."""
    facts = {
        one: (kind, status)
        for one, kind, status in zip(*(firm[name].to_pylist() for name in ("firm_id", "kind", "status")), strict=True)
    }
    theirs = [facts.get(owner, ("", "")) for owner in site["firm_id"].to_pylist()]
    kinds = np.array([kind for kind, _ in theirs], dtype=np.str_)
    active = np.array([status == "在业" for _, status in theirs], dtype=np.bool_)
    usually = np.zeros(len(kinds), dtype=np.bool_)
    for kind in np.unique(kinds).tolist():
        usually[kinds == kind] = metered[kinds == kind].mean() >= 0.5
    lacking = np.flatnonzero(~metered & active & usually)
    lon, lat = (pc.cast(site[name], pa.float64()).to_numpy() for name in ("lon", "lat"))
    east = (lon[:, None] - lon[lacking]) * 111_320.0 * np.cos(np.radians(lat[:, None]))
    north = (lat[:, None] - lat[lacking]) * 110_574.0
    near = np.hypot(east, north) <= within_m
    return np.asarray(near.any(axis=1), dtype=np.bool_)


def at_sites(power: Power, which: Places) -> Power:
    """The power of some sites only."""
    return Power(power.sites[which], power.days, power.load[which], power.metered[which], power.shared[which])


def days_of(load: Array, parameters: Mapping[str, object] = PARAMETERS) -> Days:
    """Loads (… × 96) as what is said of each day. An hour counts with two of its four points, a day with ``least_hours``."""
    hours = _of_four(*np.moveaxis(load.reshape(*load.shape[:-1], HOURS, 4), -1, 0))
    there = np.count_nonzero(~np.isnan(hours), axis=-1)
    enough = there >= number(parameters, "least_hours")
    falling = -np.sort(-hours, axis=-1)  # NaN last
    most = falling[..., :HIGH_HOURS].mean(axis=-1)
    dark = np.r_[0 : NIGHT[1], NIGHT[0] : HOURS]
    return Days(
        high=np.where(enough, most, np.nan),
        mean=np.where(enough, _mean(hours), np.nan),
        night=np.where(enough, _mean(hours[..., dark]), np.nan),
        hours=hours,
    )


def _of_four(*points: Array) -> Array:
    """The median of four points of an hour, element by element, over those that are known; NaN with fewer than two."""
    known = sum((~np.isnan(each)).astype(np.int8) for each in points)
    one, two, three, four = (np.where(np.isnan(each), np.inf, each) for each in points)
    one, two = np.minimum(one, two), np.maximum(one, two)
    three, four = np.minimum(three, four), np.maximum(three, four)
    lowest, one = np.minimum(one, three), np.maximum(one, three)
    two = np.minimum(two, four)  # the highest is never in the middle
    second, third = np.minimum(one, two), np.maximum(one, two)
    low = np.where(known >= 3, second, lowest)
    high = np.where(known == 4, third, second)
    with np.errstate(invalid="ignore"):
        return np.where(known >= 2, (low + high) / 2, np.nan)


def usual(days: Days, ordinary: Mask, parameters: Mapping[str, object] = PARAMETERS) -> Usual:
    """Each site's own levels over its ``ordinary`` days (sites × days): those in which no order stopped it.

    NaN and a count of 0 where no such day is known.
    """
    high = np.where(ordinary, days.high, np.nan)
    ceiling = quantile(high, 0.8)
    producing = high >= number(parameters, "busy_share") * ceiling[:, None]
    busy = _median(np.where(producing, high, np.nan))
    mean = _median(np.where(producing, days.mean, np.nan))
    hours = np.where(ordinary[:, :, None], days.hours, np.nan)
    dim = np.r_[0 : BRIGHT[0], BRIGHT[1] : HOURS]
    seen = quantile(hours[:, :, dim].reshape(len(high), high.shape[1] * len(dim)), 0.1)
    quiet = np.minimum(seen, number(parameters, "quiet_share") * busy)
    day = _median(np.where(producing[:, :, None], hours, np.nan).transpose(0, 2, 1))
    return Usual(quiet, busy, mean, day, np.count_nonzero(producing, axis=1).astype(np.int64))


def _mean(values: Array) -> Array:
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    mean: Array = np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
    return mean


def quantile(values: Array, share: float) -> Array:
    """Along the last axis, over what is known; NaN when nothing is."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    rising = np.sort(values, axis=-1)
    known = np.count_nonzero(~np.isnan(values), axis=-1)
    where = share * np.maximum(known - 1, 0)
    low = np.floor(where).astype(np.int64)
    high = np.ceil(where).astype(np.int64)
    first = np.take_along_axis(rising, low[..., None], axis=-1)[..., 0]
    second = np.take_along_axis(rising, high[..., None], axis=-1)[..., 0]
    return np.asarray(first + (second - first) * (where - low), dtype=np.float64)


def _median(values: Array) -> Array:
    return quantile(values, 0.5)


def instants(days: Dates, zone: ZoneInfo) -> npt.NDArray[np.datetime64]:
    """The moment (UTC, µs) of each of the 96 points of these local days: days × 96."""
    midnights = [datetime.fromisoformat(str(day)).replace(tzinfo=zone).timestamp() for day in days.tolist()]
    starts = np.array([round(moment * 1e6) for moment in midnights], dtype="datetime64[us]")
    return np.asarray(starts[:, None] + np.arange(POINTS) * np.timedelta64(15, "m"), dtype="datetime64[us]")
