"""How surely a site was producing on each local day, from what four departments see independently of each other.

===========  ======================================================  ===================================================
signal       measured                                                as a ratio
===========  ======================================================  ===================================================
power        the day's six highest hours above the quiet level       of the same on the site's own days of production
emissions    flow of the outlets, and what is in it                  of the site's usual; the smaller of the two, since
                                                                     fans and water treatment run on at a standstill
tanks        what rises, and falls without a lorry (t)               of the site's usual day
traffic      lorries that change their load there, waybills          events beside those of the site's usual day
===========  ======================================================  ===================================================

The usual is the site's own past outside the days in which an order stopped it. Where there is none (the order is older
than the data), peers of the same kind of firm stand in: flow by design flow, rises by capacity, traffic a day; the power of
peers says nothing, a pattern of shifts does.

Each ratio is turned into log-odds by a table (``WEIGHTS``), the signals that a site has are added up, and ``running`` is the
probability that comes of it. A signal that a site does not have adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals import power as electric

__all__ = [
    "INPUTS",
    "OUTPUT",
    "PARAMETERS",
    "Activity",
    "Counted",
    "Moved",
    "activity",
    "chances",
    "evaluate",
    "looked_up",
    "pattern_odds",
    "power_odds",
    "power_signals",
    "traffic_odds",
    "trailing",
]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Dates = npt.NDArray[np.datetime64]
Places = npt.NDArray[np.int64]
Tables = Mapping[str, pa.Table]

INPUTS: Mapping[str, tuple[str, ...]] = {
    "approval_site": ("site_id", "firm_id", "name", "lon", "lat"),
    "approval_firm": ("firm_id", "uscc", "kind", "status"),
    "power_load": ("meter_id", "uscc", "site_id", "day", *(f"p{point:02d}" for point in range(electric.POINTS))),
    "emission_outlet": ("mn", "site_id", "kind", "design_flow"),
    "hazchem_emission_hour": ("mn", "factor", "hour", "mean", "n_minutes", "minutes", "flags"),
    "hazard_tank": ("tank_id", "site_id", "capacity_t", "height_m"),
    "hazchem_tank_hour": ("tank_id", "hour", "in_m", "out_m"),
    "transport_visit": ("terminal_phone", "since", "until", "layer", "place", "load_before", "load_after", "state"),
    "transport_waybill": (
        "waybill_no",
        "plate",
        "load_site",
        "unload_site",
        "planned_departure",
        "planned_arrival",
        "loaded_at",
        "unloaded_at",
        "status",
    ),
}
"""The datasets that are read when they are there, and of which columns."""

NEAR_M = 3_000.0
"""m within which meters of two sites are likely to be taken for each other."""

OUTPUT = pa.schema(
    [
        ("site_id", pa.string()),
        ("day", pa.date32()),
        ("power_ratio", pa.float64()),
        ("power_shape", pa.float64()),
        ("night_share", pa.float64()),
        ("emission_ratio", pa.float64()),
        ("tank_turnover", pa.float64()),
        ("visits", pa.int64()),
        ("loads", pa.int64()),
        ("running", pa.float64()),
    ]
)

PARAMETERS: Mapping[str, object] = {
    **electric.PARAMETERS,
    "days": 45,  # local days that are looked at, the day of `now` included
    "least_usual_days": 3,  # days of the site's own past, else its peers stand in
    "peers": 200,  # sites that stand for all others where only some are looked at
    "design_share": 0.6,  # of the design flow: what an outlet usually lets out, when neither past nor peers tell
    "tank_days": 3,  # days over which rises of tanks are averaged: deliveries are not daily
    "lorry_t": 35.0,  # t that a lorry takes away at most
    "least_minutes": 15,  # valid minutes of an hour of emissions
    # Ratio of the usual → log-odds that the site produces. At a standstill plants draw 10 to 30 % of their load for safety,
    # water treatment and heating (what of it was seen is taken off before), cleaning and repair come and go.
    "weights": {
        # More than twice the usual is another meter rather than more production.
        "power": [[0.05, -3], [0.12, -2.4], [0.2, -1.2], [0.27, 0], [0.34, 1.1], [0.5, 2.2], [0.8, 3.3], [1.6, 3.3], [2.5, 0.3]],
        "emission": [[0.04, -2.0], [0.12, -1.0], [0.2, 0.0], [0.33, 1.2], [0.6, 2.1], [0.9, 2.6]],
        "waste_water": [[0.04, -1.6], [0.15, -0.7], [0.3, 0.0], [0.5, 0.7], [0.9, 1.5]],
        "tank": [[0.04, -1.2], [0.12, -0.4], [0.2, 0.2], [0.35, 1.1], [0.7, 1.9]],
    },
    "flat_power": 0.5,  # what is left of power's log-odds where the site has no past, only a pattern
    "peers_weight": 0.6,  # what is left of the log-odds of tanks whose usual is that of peers
    "shared_power": 0.4,  # what is left of power's log-odds where a meter may be somebody else's, too
    "least_step": 0.3,  # of the busy level: such a difference between hours is a shift
    "flat_beside_peers": 0.25,  # of the peers' median load: a flat load below is no plant at work
    "stepped_beside_peers": 0.01,  # the same for a load with shifts
    "idle_events": 0.08,  # events a day at a site that stands still (visitors, wrong fixes, emptying)
    "least_events": [-1.0, 2.0],  # bounds of the log-odds of traffic
    "deliveries": 2.0,  # what brings goods counts so much more than what takes them away, as emptying does
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counted:
    """Sums by site and local day: events of traffic. ``brought`` and ``taken`` are deliveries to and loads from the site
    (the larger of lorries seen and waybills), ``visits`` all stays there, ``known`` whether anything could be seen."""

    visits: Array
    brought: Array
    taken: Array
    known: Mask


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved in a site's tanks beyond what lorries took: ``total`` t by site and day, ``exposed`` the part of the day that
    is known, ``usual`` t a day by site (NaN unknown), of its own past or else of its peers."""

    total: Array
    exposed: Array
    usual: Array
    own_past: Mask

    def ratio(self, days: int) -> Array:
        """Beside the usual, averaged over each day and the ``days - 1`` before it: sites × days."""
        usual = np.where(self.usual > 0, self.usual, np.nan)[:, None]
        known = np.where(self.exposed > 0, 1.0, np.nan)
        exposed = trailing(self.exposed, days)
        return np.asarray(known * trailing(self.total, days) / np.where(exposed > 0, exposed, np.nan) / usual)


@dataclass(frozen=True)
class Activity:
    """Everything by site (in the order of ``sites``) and local day (``days``), NaN where unknown.

    ``rate`` is the usual of traffic a day (sites × [brought, taken]), ``share`` how much of a day has passed and counts;
    ``own_past``: power has one, ``producing``: it can be one of production; ``place``: lon and lat (2 × sites).
    """

    sites: npt.NDArray[np.str_]
    days: Dates
    power: electric.Power
    spread: electric.Days
    usual: electric.Usual
    power_ratio: Array
    power_shape: Array
    night_share: Array
    emission: Array
    water: Array
    moved: Moved
    tanks: Array
    traffic: Counted
    rate: Array
    share: Array
    own_past: Mask
    producing: Mask
    place: Array
    odds: Mapping[str, Array]

    @cached_property
    def running(self) -> Array:
        """The probability that the site produced, NaN where no signal is known."""
        return chances(self.odds.values())

    def metres(self, site: int) -> Array:
        """How far every site is from one, in m."""
        lon, lat = self.place
        east = (lon - lon[site]) * 111_320.0 * np.cos(np.radians(lat[site]))
        return np.asarray(np.hypot(east, (lat - lat[site]) * 110_574.0), dtype=np.float64)

    def table(self) -> pa.Table:
        """Rows of :data:`OUTPUT` for the sites and days of which anything is known."""
        running = self.running
        site, day = np.nonzero(~np.isnan(running))
        emission = np.fmax(self.emission, self.water)
        columns: dict[str, object] = {
            "site_id": pa.array(self.sites[site].tolist(), pa.string()),
            "day": pa.array(self.days[day].astype("datetime64[D]"), pa.date32()),
            "visits": self.traffic.visits[site, day].astype(np.int64),
            "loads": (self.traffic.brought + self.traffic.taken)[site, day].astype(np.int64),
        }
        for name, values in (
            ("power_ratio", self.power_ratio),
            ("power_shape", self.power_shape),
            ("night_share", self.night_share),
            ("emission_ratio", emission),
            ("tank_turnover", self.tanks),
            ("running", running),
        ):
            columns[name] = pa.array(values[site, day], pa.float64(), from_pandas=True)
        return pa.table({name: columns[name] for name in OUTPUT.names}, schema=OUTPUT)


def activity(
    tables: Tables,
    now: datetime,
    zone: ZoneInfo,
    parameters: Mapping[str, object] = PARAMETERS,
    stopped: pa.Table | None = None,
    settling: pa.Table | None = None,
) -> pa.Table:
    """Site by local day: see :data:`OUTPUT` (ratios of the site's usual, NaN unknown; ``running`` 0…1).

    ``tables`` are those of :data:`INPUTS`, any may be missing. ``stopped`` (site_id, since, until; moments, ``until`` may be
    null) are times that are not the site's usual, such as orders in force; ``settling`` (the same columns) times that tell
    nothing either way and are left out, such as the winding down of a plant.
    """
    return evaluate(tables, now, zone, parameters, stopped, settling).table()


def evaluate(
    tables: Tables,
    now: datetime,
    zone: ZoneInfo,
    parameters: Mapping[str, object] = PARAMETERS,
    stopped: pa.Table | None = None,
    settling: pa.Table | None = None,
    focus: Sequence[str] | None = None,
) -> Activity:
    """As :func:`activity`, as arrays.

    With ``focus``, emissions, tanks and lorries are looked at for these sites and ``peers`` others only, which is quicker.
    """
    settings = {**PARAMETERS, **parameters}
    tables = _focused(tables, focus, int(electric.number(settings, "peers")))
    count = int(electric.number(settings, "days"))
    today = np.datetime64(now.astimezone(zone).date(), "D")
    days = np.arange(today - count + 1, today + 1)
    site, firm = _table(tables, "approval_site"), _table(tables, "approval_firm")
    power = electric.loads(_table(tables, "power_load"), site, firm, days, zone, settings)
    ordinary = ~_within(stopped, power.sites, days, zone)
    moments = electric.instants(days, zone)
    settled = _Settling.of(settling, power.sites)
    power.load[settled.grid(moments)] = np.nan
    share = _shares(moments, settled, now)
    kinds = _kinds(site, firm)
    spread = electric.days_of(power.load, settings)
    usual = electric.usual(spread, ordinary, settings)
    own = usual.count >= electric.number(settings, "least_usual_days")
    ratio, shape, night = power_signals(spread, usual, own)
    scene = _Scene(power.sites, days, zone, share, settled, ordinary, kinds, settings)
    emission, water = _emissions(tables, scene)
    traffic, rate = _traffic(tables, site, scene)
    moved = _tanks(tables, scene, traffic.taken)
    tanks = moved.ratio(int(scene.number("tank_days")))
    producing = _producing(usual, kinds, settings)
    odds = {
        "power": power_odds(spread, ratio, own, producing, power.shared, settings),
        "emission": looked_up(emission, settings, "emission"),
        "waste_water": np.where(np.isnan(emission), looked_up(water, settings, "waste_water"), np.nan),
        "tank": looked_up(tanks, settings, "tank")
        * np.where(moved.own_past, 1.0, electric.number(settings, "peers_weight"))[:, None],
        "traffic": traffic_odds(traffic.brought, traffic.taken, traffic.known * share, rate[:, :, None], settings),
    }
    return Activity(
        sites=power.sites,
        days=days,
        power=power,
        spread=spread,
        usual=usual,
        power_ratio=ratio,
        power_shape=shape,
        night_share=night,
        emission=emission,
        water=water,
        moved=moved,
        tanks=tanks,
        traffic=traffic,
        rate=rate,
        share=share,
        own_past=own,
        producing=producing,
        place=np.array([_numbers(site[name]) for name in ("lon", "lat")]),
        odds=odds,
    )


@dataclass(frozen=True, slots=True)
class _Settling:
    """Times that tell nothing: for each site so many spans (spans × sites, µs since 1970), 0 to 0 where there is none."""

    since: Places
    until: Places

    @classmethod
    def of(cls, settling: pa.Table | None, sites: npt.NDArray[np.str_]) -> _Settling:
        spans: list[list[tuple[int, int]]] = [[] for _ in sites]
        place = {name: index for index, name in enumerate(sites.tolist())}
        rows = [] if settling is None else settling.to_pylist()
        for row in rows:
            if row["site_id"] in place:
                ends = (round(row[name].timestamp() * 1e6) for name in ("since", "until"))
                spans[place[row["site_id"]]].append((next(ends), next(ends)))
        most = max((len(each) for each in spans), default=0)
        filled = np.array([each + [(0, 0)] * (most - len(each)) for each in spans], dtype=np.int64)
        filled = filled.reshape(len(sites), most, 2).transpose(2, 1, 0)
        return cls(filled[0], filled[1])

    def at(self, site: Places, moment: Places) -> Mask:
        """Which rows (site, µs) lie in such a time."""
        found = np.zeros(len(moment), dtype=np.bool_)
        for since, until in zip(self.since, self.until, strict=True):
            found |= (moment >= since[site]) & (moment < until[site])
        return found

    def grid(self, moments: npt.NDArray[np.datetime64]) -> Mask:
        """The same for every site at each of these moments: sites × the shape of ``moments``."""
        at = moments.astype(np.int64)[None]
        found = np.zeros((self.since.shape[1], *moments.shape), dtype=np.bool_)
        for since, until in zip(self.since, self.until, strict=True):
            some = np.flatnonzero(until > since)
            one, other = (each[some].reshape(-1, *[1] * moments.ndim) for each in (since, until))
            found[some] |= (at >= one) & (at < other)
        return found


def _shares(moments: npt.NDArray[np.datetime64], settled: _Settling, now: datetime) -> Array:
    """How much of each day has passed and counts: sites × days, 0…1."""
    passed = moments.astype(np.int64) < round(now.timestamp() * 1e6)
    return np.asarray((passed[None] & ~settled.grid(moments)).mean(axis=-1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What every signal is measured in: sites × days, how much of each day counts, which days are ordinary, the kind of
    firm of each site."""

    sites: npt.NDArray[np.str_]
    days: Dates
    zone: ZoneInfo
    share: Array
    settled: _Settling
    ordinary: Mask
    kinds: npt.NDArray[np.str_]
    settings: Mapping[str, object]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.sites), len(self.days)

    def number(self, name: str) -> float:
        return electric.number(self.settings, name)

    def day(self, column: pa.ChunkedArray, site: Places) -> Places:
        """The day of each row, -1 outside, for a row of no site (-1) and in a time that tells nothing."""
        at = electric.day_index(column, self.days, self.zone)
        if not len(self.settled.since):
            return np.where(site < 0, -1, at)
        moment = pc.cast(column, pa.timestamp("us", tz="UTC"))
        out = (site < 0) | self.settled.at(np.maximum(site, 0), pc.cast(moment, pa.int64()).to_numpy())
        return np.where(out, -1, at)


def _focused(tables: Tables, focus: Sequence[str] | None, peers: int) -> Tables:
    """The tables with the rows of tanks and outlets of some sites only, those in ``focus`` and evenly chosen others."""
    if focus is None:
        return tables
    tables = _around(tables, focus, peers)
    others = sorted(set(_table(tables, "approval_site")["site_id"].to_pylist()) - set(focus))
    step = max(len(others) // max(peers, 1), 1)
    wanted = pa.array([*focus, *others[::step]], pa.string())
    kept = dict(tables)
    for register, measured, key in (
        ("hazard_tank", "hazchem_tank_hour", "tank_id"),
        ("emission_outlet", "hazchem_emission_hour", "mn"),
    ):
        if register in tables and measured in tables:
            kept[register] = tables[register].filter(pc.is_in(tables[register]["site_id"], value_set=wanted))
            ids = kept[register][key].combine_chunks()
            kept[measured] = tables[measured].filter(pc.is_in(tables[measured][key], value_set=ids))
    return kept


def _around(tables: Tables, focus: Sequence[str], peers: int) -> Tables:
    """The tables with sites and meters of some firms only: those of ``focus``, of evenly chosen others, and of all sites near
    those of ``focus``, whose meters may be mixed up with theirs."""
    site, power = _table(tables, "approval_site"), _table(tables, "power_load")
    if site.num_rows <= 2 * peers:
        return tables
    ids = np.array(site["site_id"].to_pylist(), dtype=np.str_)
    chosen = np.isin(ids, np.array(list(focus), dtype=np.str_))
    lon, lat = _numbers(site["lon"]), _numbers(site["lat"])
    east = (lon[:, None] - lon[chosen]) * 111_320.0 * np.cos(np.radians(lat))[:, None]
    near = np.hypot(east, (lat[:, None] - lat[chosen]) * 110_574.0) <= NEAR_M
    chosen |= near.any(axis=1)
    others = np.flatnonzero(~chosen)
    chosen[others[np.argsort(ids[others])][:: max(len(others) // max(peers, 1), 1)]] = True
    firms = pc.unique(site["firm_id"].filter(pa.array(chosen)))
    theirs = pc.fill_null(pc.is_in(site["firm_id"], value_set=firms), False)
    kept = {**tables, "approval_site": site.filter(theirs)}
    firm = _table(tables, "approval_firm")
    codes = pc.unique(firm["uscc"].filter(pc.is_in(firm["firm_id"], value_set=firms))) if firm.num_rows else None
    mine = pc.is_in(power["site_id"], value_set=kept["approval_site"]["site_id"].combine_chunks())
    if codes is not None and power.num_rows:
        elsewhere = pc.is_in(power["site_id"], value_set=site["site_id"].combine_chunks())
        mine = pc.or_(mine, pc.and_(pc.is_in(power["uscc"], value_set=codes), pc.invert(elsewhere)))
    return {**kept, "power_load": power.filter(mine)}


def _table(tables: Tables, name: str) -> pa.Table:
    """The table, or an empty one with the columns that are read."""
    table = tables.get(name)
    if table is not None:
        return table
    return pa.table({column: pa.array([], pa.string()) for column in INPUTS[name]})


def _kinds(site: pa.Table, firm: pa.Table) -> npt.NDArray[np.str_]:
    kind = dict(zip(firm["firm_id"].to_pylist(), firm["kind"].to_pylist(), strict=True))
    return np.array([str(kind.get(owner, "")) for owner in site["firm_id"].to_pylist()], dtype=np.str_)


def _within(stopped: pa.Table | None, sites: npt.NDArray[np.str_], days: Dates, zone: ZoneInfo) -> Mask:
    """Sites × days on which a time of ``stopped`` holds, for any part of the day."""
    held = np.zeros((len(sites), len(days)), dtype=np.bool_)
    if stopped is None or not stopped.num_rows:
        return held
    place = {name: index for index, name in enumerate(sites.tolist())}
    for name, since, until in zip(*(stopped[c].to_pylist() for c in ("site_id", "since", "until")), strict=True):
        if name in place:
            first = np.datetime64(since.astimezone(zone).date(), "D")
            last = days[-1] if until is None else np.datetime64(until.astimezone(zone).date(), "D")
            held[place[name]] |= (days >= first) & (days <= last)
    return held


# ── power ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def power_signals(spread: electric.Days, usual: electric.Usual, own: Mask) -> tuple[Array, Array, Array]:
    """Ratio of the six highest hours to the usual, both above the quiet level; likeness of the day's shape to the usual
    (correlation, NaN for a flat one); share of the night (22 to 6) in what is above the quiet level."""
    span = (usual.busy - usual.quiet)[:, None]
    ratio = np.where(
        own[:, None] & (span > 0), (spread.high - usual.quiet[:, None]) / np.where(span > 0, span, 1), np.nan
    )
    pattern = usual.day - np.nanmean(np.where(np.isnan(usual.day), 0.0, usual.day), axis=1, keepdims=True)
    swing = np.nanmax(np.nan_to_num(usual.day), axis=1) - np.nanmin(np.nan_to_num(usual.day), axis=1)
    known = ~np.isnan(spread.hours)
    flat = np.where(known, spread.hours, 0.0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    here = np.where(known, spread.hours - flat[:, :, None], 0.0)
    there = np.nan_to_num(pattern)[:, None, :] * known
    across = (here * there).sum(axis=-1)
    size = np.sqrt((here**2).sum(axis=-1) * (there**2).sum(axis=-1))
    telling = (swing > 0.3 * usual.busy)[:, None] & (size > 0) & ~np.isnan(spread.mean)
    shape = np.where(telling, across / np.where(size > 0, size, 1), np.nan)
    above = np.maximum(spread.hours - usual.quiet[:, None, None], 0.0)
    dark = np.r_[0 : electric.NIGHT[1], electric.NIGHT[0] : electric.HOURS]
    total = np.where(known, above, 0.0).sum(axis=-1)
    night = np.where(known, above, 0.0)[:, :, dark].sum(axis=-1)
    share = np.where((total > 0) & ~np.isnan(spread.mean), night / np.where(total > 0, total, 1), np.nan)
    return ratio, shape, share


def _producing(usual: electric.Usual, kinds: npt.NDArray[np.str_], settings: Mapping[str, object]) -> Mask:
    """Whether a site's own busy days can be days of production: a site that stood still all the time has a usual, too."""
    peers = _of_peers(usual.busy, kinds)
    beside = np.where(peers > 0, usual.busy / np.where(peers > 0, peers, 1), 1.0)
    day = np.nan_to_num(usual.day)
    low, high = electric.quantile(day, 0.1), electric.quantile(day, 0.9)
    stepped = high - low > electric.number(settings, "least_step") * np.maximum(high, 1e-9)
    small, smallest = (electric.number(settings, name) for name in ("flat_beside_peers", "stepped_beside_peers"))
    return np.where(stepped, beside >= smallest, beside >= small)


def power_odds(
    spread: electric.Days, ratio: Array, own: Mask, producing: Mask, shared: Mask, settings: Mapping[str, object]
) -> Array:
    """Log-odds of power: by the ratio; without a past of its own by the steps of shifts, which weigh less."""
    odds = looked_up(ratio, settings, "power")
    odds = np.where(producing[:, None], odds, np.minimum(odds, 0.0))
    steps = pattern_odds(spread) * electric.number(settings, "flat_power")
    odds = np.where(own[:, None], odds, steps)
    return np.where(shared[:, None], odds * electric.number(settings, "shared_power"), odds)


def pattern_odds(spread: electric.Days) -> Array:
    """Log-odds from the day's own pattern: hours that draw several times what the lowest do are shifts at work.

    A flat day may be a standstill or a plant that runs round the clock: it says nothing.
    """
    low = np.sort(spread.hours, axis=-1)[:, :, :4].mean(axis=-1)
    step = np.where(spread.high > 0, 1 - low / np.where(spread.high > 0, spread.high, 1), np.nan)
    return np.where(np.isnan(step), np.nan, np.interp(np.nan_to_num(step), [0.3, 0.5, 0.75], [0.0, 0.6, 2.4]))


# ── emissions ──────────────────────────────────────────────────────────────────────────────────────────────────────

FLOWS = ("w00000", "a00000")
NOT_POLLUTING = ("w01001", "a19001", "a01012")  # pH, oxygen, temperature: they do not grow with production


def _emissions(tables: Tables, scene: _Scene) -> tuple[Array, Array]:
    """Ratio of flue gas and of waste water to the usual: sites × days each."""
    outlet, rows = _table(tables, "emission_outlet"), _table(tables, "hazchem_emission_hour")
    nothing = np.full(scene.shape, np.nan)
    if not (outlet.num_rows and rows.num_rows and len(scene.sites)):
        return nothing, nothing.copy()
    names = outlet["mn"].to_pylist()
    site = _places(outlet["site_id"], scene.sites)
    owner = _places(rows["mn"], np.array(names, dtype=np.str_))
    at = scene.day(rows["hour"], np.where(owner >= 0, site[owner], -1))
    minutes = _numbers(rows["n_minutes"])
    # An outlet that says it is stopped (flag F) lets out nothing; other minutes without flag N are unknown.
    stopped = pc.fill_null(pc.match_substring(pc.cast(rows["flags"], pa.string()), '"F"'), False).to_numpy()
    value = np.where(minutes >= scene.number("least_minutes"), _numbers(rows["mean"]), np.where(stopped, 0.0, np.nan))
    factor = rows["factor"].combine_chunks().dictionary_encode()
    codes = pc.fill_null(factor.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    usable = (owner >= 0) & (at >= 0) & ~np.isnan(value)
    flow, quality = np.full((len(names), len(scene.days)), np.nan), np.full((len(names), len(scene.days)), np.nan)
    ordinary = np.where((site >= 0)[:, None], scene.ordinary[np.maximum(site, 0)], True)
    parts: list[Array] = []
    for code, name in enumerate(factor.dictionary.to_pylist()):
        if name in NOT_POLLUTING:
            continue
        mine = usable & (codes == code)
        mean = _mean_by(owner[mine], at[mine], value[mine], flow.shape)
        if name in FLOWS:
            flow = np.where(np.isnan(flow), _of_usual_flow(mean, ordinary, outlet, site, scene), flow)
        else:
            parts.append(_of_usual(mean, ordinary, scene))
    if parts:
        stack = np.stack(parts, axis=-1)
        quality = electric.quantile(stack, 0.5)
    ratio = np.fmin(flow, quality)
    gas = np.array([kind == "废气" for kind in outlet["kind"].to_pylist()], dtype=np.bool_)
    return _largest(ratio[gas], site[gas], scene.shape), _largest(ratio[~gas], site[~gas], scene.shape)


def _of_usual(mean: Array, ordinary: Mask, scene: _Scene) -> Array:
    """Values beside the median of the ordinary days; NaN where those are too few."""
    past = np.where(ordinary, mean, np.nan)
    centre = electric.quantile(past, 0.5)
    known = np.count_nonzero(~np.isnan(past), axis=-1) >= scene.number("least_usual_days")
    return np.where((known & (centre > 0))[:, None], mean / np.where(centre > 0, centre, 1)[:, None], np.nan)


def _of_usual_flow(mean: Array, ordinary: Mask, outlet: pa.Table, site: Places, scene: _Scene) -> Array:
    """Flows beside their usual; without a past beside that share of the design flow that peers let out."""
    own = _of_usual(mean, ordinary, scene)
    design = _numbers(outlet["design_flow"])
    share = mean / np.where(design > 0, design, np.nan)[:, None]
    among = electric.quantile(np.where(ordinary, share, np.nan), 0.5)
    peers = float(np.nanmedian(among)) if np.count_nonzero(~np.isnan(among)) >= 5 else scene.number("design_share")
    return np.where(np.isnan(own), share / max(peers, 0.1), own)


def _largest(ratio: Array, site: Places, shape: tuple[int, int]) -> Array:
    """The largest ratio of a site's outlets."""
    found = np.full(shape, -np.inf)
    mine = site >= 0
    np.maximum.at(found, site[mine], np.where(np.isnan(ratio[mine]), -np.inf, ratio[mine]))
    return np.where(np.isinf(found), np.nan, found)


# ── tanks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _tanks(tables: Tables, scene: _Scene, taken: Array) -> Moved:
    """What moved in a site's tanks, hours of it known, and the usual a day of its own past or of its peers by capacity.

    Rises (product comes, deliveries come) and falls (feed is used, goods are sold) both tell of work, but not what lorries
    took away: of the falls of a day, ``lorry_t`` for each of them is left out.
    """
    tank, rows = _table(tables, "hazard_tank"), _table(tables, "hazchem_tank_hour")
    if not (tank.num_rows and rows.num_rows and len(scene.sites)):
        nothing = np.zeros(scene.shape)
        return Moved(nothing, nothing, np.full(len(scene.sites), np.nan), np.zeros(len(scene.sites), dtype=np.bool_))
    site = _places(tank["site_id"], scene.sites)
    height, capacity = _numbers(tank["height_m"]), _numbers(tank["capacity_t"])
    owner = _places(rows["tank_id"], np.array(tank["tank_id"].to_pylist(), dtype=np.str_))
    at = scene.day(rows["hour"], np.where(owner >= 0, site[owner], -1))
    per_metre = np.where(height > 0, capacity / np.where(height > 0, height, 1), np.nan)[owner]
    risen, fallen = (_numbers(rows[name]) * per_metre for name in ("in_m", "out_m"))
    usable = (at >= 0) & ~np.isnan(risen)
    flat = site[owner[usable]] * len(scene.days) + at[usable]
    size = len(scene.sites) * len(scene.days)
    came, went = (
        np.bincount(flat, weights=np.nan_to_num(values[usable]), minlength=size).reshape(scene.shape).astype(np.float64)
        for values in (risen, fallen)
    )
    total: Array = came + np.maximum(went - scene.number("lorry_t") * taken, 0.0)
    # The day that goes on, and days with holes, count by the hours known.
    count = np.bincount(site[site >= 0], minlength=len(scene.sites))[:, None]
    exposed = np.bincount(flat, minlength=size).reshape(scene.shape) / (24.0 * np.maximum(count, 1.0))
    past = np.where(scene.ordinary, exposed, 0.0).sum(axis=1)
    own = past >= scene.number("least_usual_days")
    mean = np.where(scene.ordinary, total, 0.0).sum(axis=1) / np.maximum(past, 1e-9)
    whole = np.bincount(site[site >= 0], weights=np.nan_to_num(capacity[site >= 0]), minlength=len(scene.sites))
    turned = np.where(own & (whole > 0), mean / np.where(whole > 0, whole, 1), np.nan)
    return Moved(total, exposed, np.where(own, mean, _of_peers(turned, scene.kinds) * whole), own)


def trailing(values: Array, days: int) -> Array:
    """Sums over each day and the ``days - 1`` before it."""
    running = np.cumsum(values, axis=1)
    before = np.pad(running, ((0, 0), (days, 0)))[:, : values.shape[1]]
    return np.asarray(running - before, dtype=np.float64)


# ── traffic ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _traffic(tables: Tables, site: pa.Table, scene: _Scene) -> tuple[Counted, Array]:
    """Events by site and day, and the usual a day (sites × [brought, taken]), of its own or its peers."""
    visit, waybill = _table(tables, "transport_visit"), _table(tables, "transport_waybill")
    visits, brought, taken = (np.zeros(scene.shape) for _ in range(3))
    known = np.zeros(scene.shape, dtype=np.bool_)
    if visit.num_rows:
        here = pc.and_(pc.equal(visit["layer"], "site"), pc.not_equal(visit["state"], "withdrawn"))
        visit = visit.filter(pc.fill_null(here, False))
        place = _places(visit["place"], scene.sites)
        at = scene.day(visit["since"], place)
        before, after = _numbers(visit["load_before"]), _numbers(visit["load_after"])
        usable = (at >= 0) & (place >= 0)
        visits = _count(place[usable], at[usable], scene.shape)
        down, up = usable & (after < before), usable & (after > before)
        brought = _count(place[down], at[down], scene.shape)
        taken = _count(place[up], at[up], scene.shape)
        known |= _span(at, scene)
    if waybill.num_rows:
        waybill = waybill.filter(pc.fill_null(pc.not_equal(waybill["status"], "作废"), False))
        names = np.array(site["name"].to_pylist(), dtype=np.str_)
        for end, moment, planned, counted in (
            ("unload_site", "unloaded_at", "planned_arrival", "brought"),
            ("load_site", "loaded_at", "planned_departure", "taken"),
        ):
            place = _places(waybill[end], names)
            at = scene.day(pc.coalesce(waybill[moment], waybill[planned]), place)
            happened = np.asarray(pc.is_valid(waybill[moment]).to_numpy()) | np.asarray(
                pc.is_in(waybill["status"], pa.array(["在途", "完成"])).to_numpy()
            )
            usable = (at >= 0) & (place >= 0) & happened
            events = _count(place[usable], at[usable], scene.shape)
            if counted == "brought":
                brought = np.maximum(brought, events)
            else:
                taken = np.maximum(taken, events)
            known |= _span(at, scene)
    counted_ = Counted(visits, brought, taken, known)
    past = known & scene.ordinary
    exposed = past.sum(axis=1)
    own = exposed >= scene.number("least_usual_days")
    rates = np.stack(
        [np.where(past, one, 0.0).sum(axis=1) / np.maximum(exposed, 1) for one in (brought, taken)], axis=1
    )
    peers = np.stack([_of_peers(np.where(own, one, np.nan), scene.kinds) for one in rates.T], axis=1)
    return counted_, np.where(own[:, None], rates, peers)


def traffic_odds(brought: Array, taken: Array, exposed: Array, rate: Array, settings: Mapping[str, object]) -> Array:
    """Log-odds of so many events in ``exposed`` days, beside the usual ``rate`` a day (sites × 2 × …) and an idle site's.

    Poisson: of production at the usual rate or a third of it (whichever suits better) against ``idle_events``. What is
    taken away never speaks for production: a site is emptied so.
    """
    idle = electric.number(settings, "idle_events") * exposed
    bounds = settings["least_events"]
    assert isinstance(bounds, (list, tuple))
    total = np.zeros(np.broadcast_shapes(brought.shape, rate[:, 0].shape))
    for index, seen in enumerate((brought, taken)):
        expected = rate[:, index] * exposed
        best = np.full(total.shape, -np.inf)
        for share in (1.0, 1 / 3):
            mean = np.maximum(expected * share, idle) + 1e-9
            best = np.maximum(best, seen * np.log(mean / (idle + 1e-9)) - (mean - idle))
        best = np.where(np.isnan(expected), 0.0, best)
        total = total + (best if index == 0 else np.minimum(best, 0.3))
    return np.where(exposed > 0, np.clip(total, float(bounds[0]), float(bounds[1])), np.nan)


# ── what they share ────────────────────────────────────────────────────────────────────────────────────────────────


def chances(odds: object, prior: float = 0.0, most: float = 4.0) -> Array:
    """Log-odds of several signals (NaN: not known) as one probability; NaN where none is known."""
    stack = np.stack([np.asarray(one, dtype=np.float64) for one in odds], axis=-1)  # type: ignore[attr-defined]
    known = ~np.isnan(stack)
    total = np.where(known, stack, 0.0).sum(axis=-1) + prior
    return np.where(known.any(axis=-1), 1 / (1 + np.exp(-np.clip(total, -most, most))), np.nan)


def looked_up(ratio: Array, settings: Mapping[str, object], name: str) -> Array:
    """Log-odds of ratios by a table of ``weights``: in straight lines between its rows, level beyond."""
    weights = settings["weights"]
    assert isinstance(weights, Mapping)
    table = np.array(weights[name], dtype=np.float64)
    return np.where(np.isnan(ratio), np.nan, np.interp(np.nan_to_num(ratio), table[:, 0], table[:, 1]))


def _places(column: pa.ChunkedArray, among: npt.NDArray[np.str_]) -> Places:
    """Where each value lies in ``among``, -1 when nowhere."""
    found = pc.index_in(pc.cast(column, pa.string()), value_set=pa.array(among.tolist(), pa.string()))
    return pc.fill_null(found, -1).to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def _numbers(column: pa.ChunkedArray) -> Array:
    """A column as floats, NaN where null."""
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)


def _count(place: Places, at: Places, shape: tuple[int, int]) -> Array:
    return np.bincount(place * shape[1] + at, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def _span(at: Places, scene: _Scene) -> Mask:
    """Days between the first and last of which there is anything, and on to today: then a day without is a day of none."""
    seen = at[at >= 0]
    if not len(seen):
        return np.zeros(scene.shape, dtype=np.bool_)
    return np.broadcast_to(np.arange(len(scene.days)) >= int(seen.min()), scene.shape)


def _mean_by(owner: Places, at: Places, value: Array, shape: tuple[int, int]) -> Array:
    """The mean by owner and day; NaN where there is none."""
    flat = owner * shape[1] + at
    size = shape[0] * shape[1]
    count = np.bincount(flat, minlength=size).reshape(shape)
    total = np.bincount(flat, weights=value, minlength=size).reshape(shape)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _of_peers(values: Array, kinds: npt.NDArray[np.str_]) -> Array:
    """For each site the median of what is known of its kind, NaN when nothing is."""
    found = np.full(len(kinds), np.nan)
    for kind in np.unique(kinds).tolist():
        known = values[(kinds == kind) & ~np.isnan(values)]
        if len(known):
            found[kinds == kind] = np.median(known)
    return found
