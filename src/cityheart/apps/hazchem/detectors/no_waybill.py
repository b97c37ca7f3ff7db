"""Loaded trips between two sites for which no valid waybill exists.

A carrier fills in an electronic waybill for every loaded trip with dangerous goods before it begins (Measures on the safety of
the road transport of dangerous goods, Ministry of Transport order 2019/29, art. 24); here it may be filed up to 48 hours late.
Hazardous waste travels under a manifest, which counts as well.

Signal: a *haul* of the tracks (signals/vehicles.py): the vehicle is empty, stands at a place, drives loaded, stands at another
place, drives empty. Both places are registered sites, or such that waybills name. Each waybill covers one haul; they are
paired one to one within a plate, as many as can be, by time and places.

Innocent, and why it stays silent:

- empty returns, repositioning, ways to the workshop or the depot: not loaded;
- rests, lay-bys, queues, overnight parking on the way, gaps in tunnels: a haul goes on until the vehicle is empty;
- filed late: nothing is raised before the time for it is over, counted from the arrival;
- planned and actual times and places that differ: wide tolerances, and one end that fits is enough when the time does;
- several drops, or loading again where it was unloaded: the haul is divided where waybills of the plate name a place;
- a sensor that never changes: such a vehicle has no hauls. It says nothing;
- a system of waybills that is silent: nothing is raised while it has not told of the days in question, nor when a large part
  of all hauls has no waybill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import shown
from cityheart.apps.hazchem.signals.vehicles import (
    HOUR,
    Bools,
    Calendar,
    Documents,
    Floats,
    Hauls,
    Ints,
    Moves,
    Places,
    apart,
    assigned,
    hauls,
    micros,
    moment,
    moves,
    phones_of,
    stops,
)
from cityheart.sdk import ALL_TIME, Input, Sighting, SubjectRef, Text, View, read_path, text

__all__ = ["PARAMETERS", "NoWaybill", "detectors", "evaluate"]

PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "filing_h": 50.0,  # h after the arrival before a waybill is missed: 48 allowed, and two until it has come here
        "cancelled": ["作废"],  # statuses that make a waybill none
        "site_m": 400.0,  # m from a registered site, or from its boundary, that are at it
        "named_m": 600.0,  # m from a place of a waybill, whose positions are of offices and gates
        "fits_m": 1500.0,  # m between the end of a haul and the place of a waybill that are the same place
        "both_h": 14.0,  # h between a haul and a waybill both of whose places fit
        "one_h": 8.0,  # h, when only one of them fits
        "apart_m": 2000.0,  # m between the ends of a haul, below which it is a move within a site or its queue
        "loaded_share": 0.8,  # of the time with a known load that a haul was loaded
        "seen_s": 300.0,  # s with a known load, at least
        "silent_h": 26.0,  # h standing and silent at the beginning or end of a haul over which it is followed
        "longest_h": 72.0,  # h that a haul takes at most
        "stop_min": 15.0,  # min of a stop at which something is loaded or unloaded
        "hauls_day": 20,  # hauls of a day from which the share below means something
        "covered_share": 0.5,  # of all hauls of a day that have a waybill, below which waybills are missing and not hidden
        "keep_days": 7.0,  # days after the time for filing is over for which a case is shown
        "raise": 0.6,  # probability from which a case is raised
        # log-odds
        "weights": {
            "prior": 0.0,  # a haul of a vehicle with a load sensor that no waybill fits
            "registered": 0.6,  # for each end at a registered site
            "loading": 0.5,  # it was seen to become loaded
            "emptied": 0.7,  # and empty
            "gap": -0.8,  # nobody saw the vehicle for a while on the way
            "steady": 0.3,  # loaded all the way
            "usual": 0.5,  # other hauls of the plate have waybills
            "spare": -1.2,  # a waybill of the plate near in time that fits no other haul either
        },
    }
)
_DAY = 24 * HOUR


@dataclass(frozen=True)
class _Ends:
    """Where and when hauls begin and end.

    ``origin`` and ``goal``: longitude and latitude of where a vehicle stood before it fell silent, or after it was heard of
    again, when its first or last loaded move was seen in part only; not a number else.
    """

    since: Ints
    until: Ints
    from_lon: Floats
    from_lat: Floats
    to_lon: Floats
    to_lat: Floats
    origin: Floats
    goal: Floats


@dataclass(frozen=True)
class _Pairs:
    """Hauls and documents that may belong together, with how well they fit (hours and kilometres added up)."""

    haul: Ints
    document: Ints
    cost: Floats


def evaluate(
    tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Mapping[str, object] = PARAMETERS
) -> list[Sighting]:
    """The cases that stand. ``tables``: ``transport_trip``, ``transport_vehicle``, ``transport_waybill``, ``approval_site`` and,
    where there are any, ``waste_manifest`` and ``approval_firm``. Missing or empty ones give no case and no error."""
    needed = ("transport_trip", "transport_vehicle", "transport_waybill", "approval_site")
    if not all(name in tables and tables[name].num_rows for name in needed):
        return []
    of = moves(tables["transport_trip"])
    plates = phones_of(tables["transport_vehicle"])
    plate = [plates.get(phone.lstrip("0"), "") for phone in of.phones]
    documents = _documents(tables, parameters)
    calendar = Calendar.of(documents, plate)
    sensing = _sensing(of)
    runs = hauls(of, _divided(of, documents, calendar, parameters))
    if not len(runs):
        return []
    ends = _ends(of, runs, parameters)
    vehicle = of.vehicle[runs.first]
    pairs = _pairs(vehicle, ends, documents, calendar, parameters)
    taken, used = assigned(pairs.haul, pairs.document, pairs.cost, len(runs), len(documents))
    sites, named = Places.registered(tables["approval_site"]), Places.named(tables["transport_waybill"])
    asked = np.flatnonzero(taken < 0)
    near = _near(ends, asked, sites, named, parameters)
    ends = _followed(ends, near)
    near = _near(ends, asked, sites, named, parameters)
    wanted = _wanted(of, runs, ends, near, sensing, now, parameters) & np.array([each != "" for each in plate])[vehicle]
    wanted &= _told(tables["transport_waybill"], ends, wanted, taken >= 0, parameters)
    found = np.flatnonzero(wanted & (taken < 0))
    usual = np.bincount(vehicle[taken >= 0], minlength=len(of.phones)) > 0
    spare = _spare(vehicle, ends, calendar, used < 0)
    scene = _Scene(of, runs, ends, near, sites, named, plate, usual, spare, documents, calendar, zone, now, parameters)
    cases = [scene.sighting(int(each)) for each in found]
    return [each for each in cases if each.score >= shown.number(parameters, "raise")]


def _documents(tables: Mapping[str, pa.Table], parameters: Mapping[str, object]) -> Documents:
    cancelled = parameters["cancelled"]
    assert isinstance(cancelled, Sequence)
    documents = Documents.waybills(
        tables["transport_waybill"], [str(each) for each in cancelled], tables["approval_site"]
    )
    manifests = tables.get("waste_manifest")
    if manifests is None or not manifests.num_rows:
        return documents
    sites, firms = tables["approval_site"], tables.get("approval_firm")
    owners: dict[str, str] = {}
    if firms is not None and firms.num_rows:
        owners = dict(zip(firms["firm_id"].to_pylist(), firms["uscc"].to_pylist(), strict=True))
    by_name: dict[str, tuple[float, float]] = {}
    by_firm: dict[str, list[tuple[float, float]]] = {}
    columns = (sites[name].to_pylist() for name in ("name", "firm_id", "lon", "lat"))
    for name, firm, lon, lat in zip(*columns, strict=True):
        if lon is not None and lat is not None:
            by_name[str(name)] = (lon, lat)
            by_firm.setdefault(str(owners.get(firm)), []).append((lon, lat))
    unknown = (np.nan, np.nan)

    def only(firm: str) -> tuple[float, float]:
        places = by_firm.get(firm, [])
        return places[0] if len(places) == 1 else unknown

    return documents + Documents.manifests(manifests, lambda name, firm: by_name.get(name) or only(firm), only)


def _sensing(of: Moves) -> Bools:
    """Of each vehicle whether its load was ever seen to be empty and to be not."""
    count = len(of.phones)
    empty = np.bincount(of.vehicle[of.load == 0], minlength=count) > 0
    return np.asarray(empty & (np.bincount(of.vehicle[of.load > 0], minlength=count) > 0), dtype=np.bool_)


def _divided(of: Moves, documents: Documents, calendar: Calendar, parameters: Mapping[str, object]) -> Bools:
    """The moves after which a haul is divided: the vehicle stands, loaded before and after, where a waybill of its plate loads
    or unloads about that time."""
    divided = np.zeros(len(of), dtype=np.bool_)
    at = stops(of)
    before, after = of.load[at.before], of.load[np.minimum(at.before + 1, len(of) - 1)]
    long = at.until - at.since >= shown.number(parameters, "stop_min") * 60e6
    chosen = np.flatnonzero((before > 0) & (after > 0) & long)
    if not len(chosen) or not len(documents):
        return divided
    since, until = at.since[chosen], at.until[chosen]
    which, document = calendar.near(of.vehicle[at.before[chosen]], since, until, 24 * HOUR)
    came = at.before[chosen]  # a vehicle that falls silent as it leaves stood where it came to
    lon = np.where(at.same_place[chosen], at.lon[chosen], of.to_lon[came])[which]
    lat = np.where(at.same_place[chosen], at.lat[chosen], of.to_lat[came])[which]
    fits, hours = shown.number(parameters, "named_m"), shown.number(parameters, "one_h") * HOUR
    loads = documents.from_load(document, lon, lat) <= fits
    unloads = documents.from_unload(document, lon, lat) <= fits
    loads &= _off(until[which], documents.departures[document]) <= hours
    unloads &= _off(since[which], documents.arrivals[document]) <= hours
    divided[at.before[chosen[which[loads | unloads]]]] = True
    return divided


def _off(at: Ints, moments: Ints) -> Floats:
    """How far each moment is from the nearer of two, in microseconds."""
    return np.asarray(np.abs(moments.astype(np.float64) - at[:, None]).min(axis=1), dtype=np.float64)


def _ends(of: Moves, runs: Hauls, parameters: Mapping[str, object]) -> _Ends:
    """The end of a haul is where the next move begins, if that is where it came to: the mean of a stay is better than a fix."""
    first, last = runs.first, runs.last
    before, after = np.maximum(first - 1, 0), np.minimum(last + 1, len(of) - 1)
    came = apart(of.to_lon[before], of.to_lat[before], of.from_lon[first], of.from_lat[first])
    went = apart(of.to_lon[last], of.to_lat[last], of.from_lon[after], of.from_lat[after])
    stayed = (of.vehicle[after] == of.vehicle[last]) & (after > last) & (went <= 400.0)
    silent = shown.number(parameters, "silent_h") * HOUR

    def heard(near: Bools, there: Bools, gap: Ints, away: Floats, lon: Floats, lat: Floats) -> Floats:
        fast = away / 1000.0 > 110.0 * np.maximum(gap, 0) / HOUR + 1.0  # km, at 110 km/h
        known = there & ~near & (gap <= silent) & ~fast
        return np.where(known[:, None], np.column_stack([lon, lat]), np.nan)

    mine_before = (of.vehicle[before] == of.vehicle[first]) & (before < first)
    mine_after = (of.vehicle[after] == of.vehicle[last]) & (after > last)
    # of a stay that ends in silence the moves know the beginning and not the end
    came_gap, went_gap = of.since[first] - of.until[before], of.since[after] - of.until[last]
    return _Ends(
        of.since[first],
        of.until[last],
        of.from_lon[first],
        of.from_lat[first],
        np.where(stayed, of.from_lon[after], of.to_lon[last]),
        np.where(stayed, of.from_lat[after], of.to_lat[last]),
        heard(came <= 400.0, mine_before, came_gap, came, of.to_lon[before], of.to_lat[before]),
        heard(went <= 400.0, mine_after, went_gap, went, of.from_lon[after], of.from_lat[after]),
    )


def _pairs(
    vehicle: Ints, ends: _Ends, documents: Documents, calendar: Calendar, parameters: Mapping[str, object]
) -> _Pairs:
    if not len(documents):
        return _Pairs(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))
    within = (shown.number(parameters, "both_h") + 12) * HOUR  # a document may last so long longer than its haul
    haul, document = calendar.near(vehicle, ends.since, ends.until, int(within))
    off = np.minimum(
        _off(ends.since[haul], documents.departures[document]), _off(ends.until[haul], documents.arrivals[document])
    )
    from_m = np.fmin(
        documents.from_load(document, ends.from_lon[haul], ends.from_lat[haul]),
        documents.from_load(document, ends.origin[haul, 0], ends.origin[haul, 1]),
    )
    to_m = np.fmin(
        documents.from_unload(document, ends.to_lon[haul], ends.to_lat[haul]),
        documents.from_unload(document, ends.goal[haul, 0], ends.goal[haul, 1]),
    )
    fits = shown.number(parameters, "fits_m")
    loads, unloads = from_m <= fits, to_m <= fits  # unknown places fit nothing
    both = loads & unloads & (off <= shown.number(parameters, "both_h") * HOUR)
    one = (loads | unloads) & (off <= shown.number(parameters, "one_h") * HOUR)
    kept = np.flatnonzero(both | one)
    cost = off / HOUR + np.where(loads & unloads, 0.0, 24.0)
    return _Pairs(haul[kept], document[kept], cost[kept])


@dataclass(frozen=True)
class _Near:
    """At which registered site (-1: none) and at which place of waybills hauls without a document begin and end."""

    from_site: Ints
    from_named: Ints
    to_site: Ints
    to_named: Ints


def _near(ends: _Ends, asked: Ints, sites: Places, named: Places, parameters: Mapping[str, object]) -> _Near:
    """Of the hauls that are asked for; the others are nowhere."""
    nowhere = np.full(len(ends.since), -1, dtype=np.int64)

    def at(places: Places, lon: Floats, lat: Floats, name: str) -> Ints:
        found = nowhere.copy()
        found[asked] = places.nearest(lon[asked], lat[asked], shown.number(parameters, name))[0]
        return found

    return _Near(
        at(sites, ends.from_lon, ends.from_lat, "site_m"),
        at(named, ends.from_lon, ends.from_lat, "named_m"),
        at(sites, ends.to_lon, ends.to_lat, "site_m"),
        at(named, ends.to_lon, ends.to_lat, "named_m"),
    )


def _followed(ends: _Ends, near: _Near) -> _Ends:
    """Hauls that begin or end on the road, because the vehicle was silent there, do so where it stood before or after."""
    begin = (np.maximum(near.from_site, near.from_named) < 0) & np.isfinite(ends.origin[:, 0])
    end = (np.maximum(near.to_site, near.to_named) < 0) & np.isfinite(ends.goal[:, 0])
    return replace(
        ends,
        from_lon=np.where(begin, ends.origin[:, 0], ends.from_lon),
        from_lat=np.where(begin, ends.origin[:, 1], ends.from_lat),
        to_lon=np.where(end, ends.goal[:, 0], ends.to_lon),
        to_lat=np.where(end, ends.goal[:, 1], ends.to_lat),
    )


def _wanted(
    of: Moves, runs: Hauls, ends: _Ends, near: _Near, sensing: Bools, now: datetime, parameters: Mapping[str, object]
) -> Bools:
    """Hauls that need a waybill and whose time for filing one is over, but not for long."""
    filing = timedelta(hours=shown.number(parameters, "filing_h"))
    keep = timedelta(days=shown.number(parameters, "keep_days"))
    latest = int((now - filing - moment(0)).total_seconds() * 1e6)
    earliest = int((now - filing - keep - moment(0)).total_seconds() * 1e6)
    at_work = (np.maximum(near.from_site, near.from_named) >= 0) & (np.maximum(near.to_site, near.to_named) >= 0)
    between = apart(ends.from_lon, ends.from_lat, ends.to_lon, ends.to_lat) >= shown.number(parameters, "apart_m")
    different = (near.from_site < 0) | (near.from_site != near.to_site)
    # the last haul of a vehicle is over when it stood there long; a divided one when it was divided
    over = of.over[runs.last]
    fine = (runs.share >= shown.number(parameters, "loaded_share")) & (runs.seen >= shown.number(parameters, "seen_s"))
    short = ends.until - ends.since <= shown.number(parameters, "longest_h") * HOUR
    timely = (ends.until <= latest) & (ends.until >= earliest)
    wanted = at_work & between & different & over & fine & short & timely & sensing[of.vehicle[runs.first]]
    return np.asarray(wanted, dtype=np.bool_)


def _told(waybills: pa.Table, ends: _Ends, wanted: Bools, covered: Bools, parameters: Mapping[str, object]) -> Bools:
    """Whether the system of waybills has told of the days of each haul: it speaks of later ones, and covers most of them."""
    newest = int(max(micros(waybills["updated_at"]).max(), micros(waybills["planned_departure"]).max()))
    day = ends.since // _DAY
    first = int(day.min())
    turn = (day - first).astype(np.int64)
    judged = wanted | covered
    total = np.bincount(turn[judged], minlength=int(turn.max()) + 1)
    good = np.bincount(turn[covered], minlength=len(total))
    few = total < shown.number(parameters, "hauls_day")
    enough = few | (good >= shown.number(parameters, "covered_share") * total)
    return np.asarray((newest >= ends.until + 24 * HOUR) & enough[turn], dtype=np.bool_)


def _spare(vehicle: Ints, ends: _Ends, calendar: Calendar, unused: Bools) -> Bools:
    """Whether a document of the plate that fits no haul is near in time."""
    spare = np.zeros(len(vehicle), dtype=np.bool_)
    if unused.any():
        haul, document = calendar.near(vehicle, ends.since, ends.until, 6 * HOUR)
        spare[haul[unused[document]]] = True
    return spare


@dataclass(frozen=True)
class _Scene:
    """All that is needed to tell of a haul."""

    of: Moves
    runs: Hauls
    ends: _Ends
    near: _Near
    sites: Places
    named: Places
    plates: Sequence[str]
    usual: Bools
    spare: Bools
    documents: Documents
    calendar: Calendar
    zone: ZoneInfo
    now: datetime
    parameters: Mapping[str, object]

    def sighting(self, haul: int) -> Sighting:
        """The case of one haul."""
        weigh = shown.weights(self.parameters, "weights")
        vehicle = int(self.of.vehicle[self.runs.first[haul]])
        ends_at = int(self.near.from_site[haul] >= 0) + int(self.near.to_site[haul] >= 0)
        odds = weigh["prior"] + ends_at * weigh["registered"]
        for name, holds in (
            ("loading", self.runs.loading[haul]),
            ("emptied", self.runs.emptied[haul]),
            ("gap", self._gap(haul)),
            ("steady", self.runs.share[haul] >= 0.95),
            ("usual", self.usual[vehicle]),
            ("spare", self.spare[haul]),
        ):
            odds += weigh[name] if holds else 0.0
        plate = self.plates[vehicle]
        since, until = moment(self.ends.since[haul]), moment(self.ends.until[haul])
        begin = self._place(self.near.from_site[haul], self.near.from_named[haul])
        end = self._place(self.near.to_site[haul], self.near.to_named[haul])
        hours = (self.now - until).total_seconds() / 3600
        clock = shown.clock(since, self.zone)
        return Sighting(
            subject=SubjectRef("vehicle", plate, text(plate, plate)),
            level=3,
            start=since,
            end=until,
            score=round(shown.chance(odds), 3),
            reasons=(
                text(
                    f"{clock} 起载货由{begin}驶往{end}，抵达 {hours:.0f} 小时后仍无有效运单或联单",
                    f"Drove loaded from {begin} to {end} from {clock} on; {hours:.0f} h after the arrival there is no valid "
                    "waybill or manifest",
                ),
                text(
                    f"途中 {self.runs.share[haul]:.0%} 的时间为载货状态"
                    + ("，出发前为空车" if self.runs.loading[haul] else "")
                    + ("，卸后为空车" if self.runs.emptied[haul] else ""),
                    f"Loaded for {self.runs.share[haul]:.0%} of the way"
                    + (", empty before" if self.runs.loading[haul] else "")
                    + (", empty after" if self.runs.emptied[haul] else ""),
                ),
            ),
            evidence=(self._track(haul, plate, begin, end), *self._neighbours(haul)),
            case=shown.iso(since),
        )

    def _place(self, site: np.int64, named: np.int64) -> str:
        name = self.sites.names[site] if site >= 0 else self.named.names[named]
        return name or "?"

    def _gap(self, haul: int) -> bool:
        """Whether the vehicle was heard of again somewhere else than where it fell silent."""
        low, high = int(self.runs.first[haul]), int(self.runs.last[haul])
        if np.isfinite(self.ends.origin[haul, 0]) or np.isfinite(self.ends.goal[haul, 0]):
            return True
        a, b = slice(low, high), slice(low + 1, high + 1)
        away = apart(self.of.to_lon[a], self.of.to_lat[a], self.of.from_lon[b], self.of.from_lat[b])
        return bool((away > 2000.0).any())

    def _track(self, haul: int, plate: str, begin: str, end: str) -> Mapping[str, object]:
        points: list[list[object]] = []
        for move in range(int(self.runs.first[haul]), int(self.runs.last[haul]) + 1):
            path = self.of.path(move)
            if path:
                points += [
                    [shown.iso(at), lon, lat, None if load < 0 else load] for at, lon, lat, load in read_path(path)
                ]
            else:  # of a move that goes on there are two points
                of, load = self.of, int(self.of.load[move])
                for at, x, y in (
                    (of.since[move], of.from_lon[move], of.from_lat[move]),
                    (of.until[move], of.to_lon[move], of.to_lat[move]),
                ):
                    points.append([shown.iso(moment(at)), float(x), float(y), None if load < 0 else load])
        e = self.ends
        return {
            "type": "track",
            "title": text(f"{plate} 的载货行程", f"Loaded trip of {plate}"),
            "plate": plate,
            "points": points[:500],
            "places": [
                {"lon": round(float(e.from_lon[haul]), 6), "lat": round(float(e.from_lat[haul]), 6), "name": begin},
                {"lon": round(float(e.to_lon[haul]), 6), "lat": round(float(e.to_lat[haul]), 6), "name": end},
            ],
            "source": {
                "dataset": "transport_position",
                "key": self.of.phones[int(self.of.vehicle[self.runs.first[haul]])],
                "from": shown.iso(moment(e.since[haul]) - timedelta(minutes=30)),
                "to": shown.iso(moment(e.until[haul]) + timedelta(minutes=30)),
            },
        }

    def _neighbours(self, haul: int) -> list[Mapping[str, object]]:
        """The documents of the plate nearest in time, which do not fit or belong to other hauls."""
        one, since, until = self.of.vehicle[self.runs.first[[haul]]], self.ends.since[[haul]], self.ends.until[[haul]]
        _, mine = self.calendar.near(one, since, until, 3 * _DAY)
        off = self.documents.departures[mine, 0] - since
        order = np.argsort(np.abs(off), kind="stable")[:4]
        columns = ["number", "departure", "hours_apart"]
        found = [
            [
                self.documents.number[int(mine[each])].as_py(),
                shown.iso(moment(off[each] + since[0])),
                round(float(off[each]) / HOUR, 1),
            ]
            for each in order.tolist()
        ]
        title = text(
            "该车时间最近的运单、联单（均不对应此行程）",
            "The plate's nearest waybills and manifests, none of this trip",
        )
        return [shown.rows(title, "transport_waybill", "hazchem.no_waybill", self.now, columns, found)] if found else []


_TRIP = (
    "terminal_phone", "since", "until", "from_lon", "from_lat", "to_lon", "to_lat", "loaded_s", "half_s", "empty_s", "path",
    "state",
)  # fmt: skip
_WAYBILL = (
    "waybill_no", "plate", "trailer_plate", "load_site", "load_lon", "load_lat", "unload_site", "unload_lon", "unload_lat",
    "planned_departure", "planned_arrival", "loaded_at", "unloaded_at", "status", "updated_at",
)  # fmt: skip
_MANIFEST = (
    "manifest_no", "plate", "producer_uscc", "producer_site", "receiver_uscc", "shipped_at", "received_at", "status",
)  # fmt: skip


@dataclass(frozen=True)
class NoWaybill:
    """The survey of loaded trips without a waybill."""

    id: str = "hazchem.no_waybill"
    title: Text = field(default_factory=lambda: text("载货行程无运单", "Loaded trips without a waybill"))
    kind: str = "no_waybill"
    inputs: Mapping[str, Input] = field(
        default_factory=lambda: {
            "transport_trip": Input(timedelta(days=12), _TRIP),
            "transport_vehicle": Input(ALL_TIME, ("plate", "terminal_phone")),
            "transport_waybill": Input(timedelta(days=30), _WAYBILL, timedelta(days=3)),
            "waste_manifest": Input(timedelta(days=16), _MANIFEST, timedelta(days=3)),
            "approval_site": Input(ALL_TIME, ("site_id", "firm_id", "name", "lon", "lat", "boundary_wkt")),
            "approval_firm": Input(ALL_TIME, ("firm_id", "uscc")),
        }
    )
    every: timedelta = timedelta(hours=4)
    phase: timedelta = timedelta(minutes=20)
    parameters: Mapping[str, object] = field(default_factory=lambda: PARAMETERS)

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """All cases that stand now."""
        tables = {name: view.rows(name) for name in self.inputs}
        return evaluate(tables, view.now, view.zone, self.parameters)


def detectors() -> Sequence[NoWaybill]:
    """What this module adds to the application."""
    return [NoWaybill()]
