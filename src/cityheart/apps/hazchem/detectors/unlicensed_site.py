"""Places that are no registered site at which hazardous goods are loaded or unloaded again and again.

Producing, storing, selling or using hazardous chemicals takes a licence for the place (Regulations on the safety of hazardous
chemicals, art. 6, 14, 29, 33); a place that no register and no waybill knows is where the goods go that nobody is to see.

Signal: a vehicle stops, and its load after the stop is another than before, over the whole of the moves on both sides. The place
is no registered site and none that a waybill names as its load or unload site; and it happens there at least twice.

Innocent, and why it stays silent:

- lay-bys, service areas, parking, weighbridges, repair shops, homes, queues: the load is the same before and after;
- load sensors that flicker while parked: what counts is the class in which the vehicle was nearly all the time of a move;
- customers that are not registered but named in waybills, temporary filling places, jetties: named by a waybill of any status. As
  a waybill may be filed 48 hours late, the first time must be longer ago than that;
- producers of waste that are not registered: a manifest of the plate says that it was loaded then;
- a gate of a large site, a position that is wrong: a waybill of the plate names a place nearby, about that time;
- goods that are moved to another lorry after a breakdown: one occasion, however many lorries;
- a vehicle that was not heard of for a while: where it stood is not known, so its stop does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import shown
from cityheart.apps.hazchem.signals.vehicles import (
    HOUR,
    Bools,
    Calendar,
    Documents,
    Floats,
    Ints,
    Moves,
    Places,
    Stops,
    micros,
    moment,
    moves,
    phones_of,
    spread,
    stops,
)
from cityheart.sdk import ALL_TIME, Input, Sighting, SubjectRef, Text, View, read_path, text

__all__ = ["PARAMETERS", "UnlicensedSite", "detectors", "evaluate"]

PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "stop_min": 8.0,  # min of a stop at which something can be loaded or unloaded
        "stop_h": 40.0,  # h: a longer stop is parking, and what happened during it is not known
        "seen_s": 180.0,  # s with a known load of the moves before and after
        "steady": 0.75,  # of that time in the same class of load
        "site_m": 400.0,  # m from a registered site without a boundary
        "boundary_m": 250.0,  # m from the boundary of a registered site
        "named_m": 400.0,  # m from a place that a waybill names
        "together_m": 200.0,  # m between stops that are at one place
        "document_h": 12.0,  # h between a stop and what a document of the plate tells of
        "document_m": 1000.0,  # m between a stop and the place that a waybill of the plate names, where that is vague
        "occasion_h": 2.0,  # h between stops that are two occasions
        "occasions": 2,  # at least
        "filing_h": 50.0,  # h that the first occasion must be ago: a waybill may be filed 48 h late
        "stops_day": 5000,  # changes of load away from every known place that are looked at, the newest
        "raise": 0.6,  # probability from which a case is raised
        # log-odds
        "weights": {
            "prior": -0.4,  # a place with two occasions
            "two": 0.8,
            "three": 1.6,
            "five": 2.6,
            "vehicles": 0.5,  # more than one vehicle
            "days": 0.4,  # on more than one day
            "both": -0.3,  # some bring and some fetch: also what a yard where lorries change trailers looks like
            "whole": 0.4,  # all of the load came or went, not half of it
            "long": 0.3,  # a stop takes as long as loading does
            "near_site": -0.6,  # within twice the distance of a registered site
        },
    }
)
_DAY = 24 * HOUR


@dataclass(frozen=True)
class _Changes:
    """Stops away from every known place at which the load changed, by time."""

    move: Ints  # the move before
    since: Ints
    until: Ints
    lon: Floats
    lat: Floats
    before: Ints
    after: Ints
    site_m: Floats  # to the nearest registered site


def evaluate(
    tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Mapping[str, object] = PARAMETERS
) -> list[Sighting]:
    """The cases that stand. ``tables``: ``transport_trip``, ``approval_site``, ``transport_waybill``, ``transport_vehicle`` and,
    where there are any, ``waste_manifest``.

    Without trips or registered sites nothing can be said. Empty tables give no case and no error."""
    trips, registered = tables.get("transport_trip"), tables.get("approval_site")
    if trips is None or registered is None or not trips.num_rows or not registered.num_rows:
        return []
    of = moves(trips)
    at = stops(of)
    chosen = _changed(of, at, parameters)
    if not len(chosen):
        return []
    sites = Places.registered(registered)
    away, site_m = _away_from_sites(at.lon[chosen], at.lat[chosen], sites, parameters)
    chosen, site_m = chosen[away], site_m[away]
    waybills = tables.get("transport_waybill")
    if waybills is not None and waybills.num_rows:
        named = Places.named(waybills)
        within = shown.number(parameters, "named_m")
        unnamed = named.nearest(at.lon[chosen], at.lat[chosen], within)[0] < 0
        chosen, site_m = chosen[unnamed], site_m[unnamed]
    elif micros(trips["since"]).min() > int((now - timedelta(days=2) - moment(0)).total_seconds() * 1e6):
        return []  # no waybill has come yet: too early to say that none names a place
    vehicles = tables.get("transport_vehicle")
    plates = {} if vehicles is None else phones_of(vehicles)
    plate = [plates.get(phone.lstrip("0"), "") for phone in of.phones]
    explained = _by_manifest(of, at, chosen, tables.get("waste_manifest"), plate, parameters)
    explained |= _by_waybill(of, at, chosen, waybills, registered, plate, parameters)
    chosen, site_m = chosen[~explained], site_m[~explained]
    order = np.argsort(at.since[chosen], kind="stable")[-int(shown.number(parameters, "stops_day")) :]
    chosen, site_m = chosen[order], site_m[order]
    before = at.before[chosen]
    changes = _Changes(
        before,
        at.since[chosen],
        at.until[chosen],
        at.lon[chosen],
        at.lat[chosen],
        of.load[before],
        of.load[before + 1],
        site_m,
    )
    places = _places(changes, shown.number(parameters, "together_m"))
    cases = [
        _case(changes, np.flatnonzero(places == place), of, plates, now, zone, parameters)
        for place in np.unique(places)
    ]
    return [each for each in cases if each is not None]


def _changed(of: Moves, at: Stops, parameters: Mapping[str, object]) -> Ints:
    """The stops before and after which the load was for long, and steadily, not the same."""
    steady = (of.seen >= shown.number(parameters, "seen_s")) & (of.steady >= shown.number(parameters, "steady"))
    steady &= of.over
    # the move that goes on is good enough once its load has been seen for as long
    steady |= ~of.over & (of.seen >= shown.number(parameters, "seen_s")) & (of.steady >= 0.95)
    length = at.until - at.since
    fits = (length >= shown.number(parameters, "stop_min") * 60e6) & (
        length <= shown.number(parameters, "stop_h") * HOUR
    )
    changed = of.load[at.before] != of.load[at.before + 1]
    return np.flatnonzero(changed & fits & at.same_place & steady[at.before] & steady[at.before + 1])


def _away_from_sites(lon: Floats, lat: Floats, sites: Places, parameters: Mapping[str, object]) -> tuple[Bools, Floats]:
    """Which places are at no registered site, and how far the nearest is (infinite where it is farther than matters)."""
    site_m, boundary_m = shown.number(parameters, "site_m"), shown.number(parameters, "boundary_m")
    site, far = sites.nearest(lon, lat, 2 * max(site_m, boundary_m))
    near = np.where(sites.drawn[np.maximum(site, 0)], boundary_m, site_m) if len(sites.names) else np.zeros(len(lon))
    return (site < 0) | (far > near), far


def _by_manifest(
    of: Moves,
    at: Stops,
    chosen: Ints,
    manifests: pa.Table | None,
    plate: Sequence[str],
    parameters: Mapping[str, object],
) -> Bools:
    """Of each stop whether the vehicle was loaded there with waste that a manifest of its plate tells of."""
    explained = np.zeros(len(chosen), dtype=np.bool_)
    if manifests is None or not manifests.num_rows or not len(chosen):
        return explained
    before = at.before[chosen]
    loading = of.load[before + 1] > of.load[before]
    shipped, of_plate = micros(manifests["shipped_at"]), manifests["plate"].cast(pa.string())
    within = shown.number(parameters, "document_h") * HOUR
    for vehicle in np.unique(of.vehicle[before[loading]]).tolist():
        mine = np.flatnonzero(loading & (of.vehicle[before] == vehicle))
        moments = np.sort(shipped[np.asarray(pc.fill_null(pc.equal(of_plate, plate[vehicle]), False))])
        low = np.searchsorted(moments, at.since[chosen[mine]] - within)
        high = np.searchsorted(moments, at.until[chosen[mine]] + within)
        explained[mine] = high > low
    return explained


def _by_waybill(
    of: Moves,
    at: Stops,
    chosen: Ints,
    waybills: pa.Table | None,
    registered: pa.Table,
    plate: Sequence[str],
    parameters: Mapping[str, object],
) -> Bools:
    """Of each stop whether a waybill of its plate loads or unloads about there and then."""
    explained = np.zeros(len(chosen), dtype=np.bool_)
    if waybills is None or not waybills.num_rows or not len(chosen):
        return explained
    documents = Documents.waybills(waybills, (), registered)
    within, far = shown.number(parameters, "document_h") * HOUR, shown.number(parameters, "document_m")
    calendar = Calendar.of(documents, plate)
    stop, document = calendar.near(of.vehicle[at.before[chosen]], at.since[chosen], at.until[chosen], int(within))
    lon, lat = at.lon[chosen[stop]], at.lat[chosen[stop]]
    near = (documents.from_load(document, lon, lat) <= far) | (documents.from_unload(document, lon, lat) <= far)
    explained[stop[near]] = True
    return explained


def _places(changes: _Changes, within_m: float) -> Ints:
    """The number of the place of each stop: one place are stops that are near its first one or, in turn, each other.

    The stops are put onto a grid, so that only neighbours are compared."""
    count = len(changes.lon)
    label = np.arange(count)
    if count < 2:
        return label
    north = changes.lat * 111_194.93
    east = changes.lon * 111_194.93 * np.cos(np.radians(changes.lat.mean()))
    cell = np.floor(np.column_stack([east, north]) / within_m).astype(np.int64)
    key = cell[:, 0] * 1_000_003 + cell[:, 1]
    order = np.argsort(key, kind="stable")
    pairs: list[np.ndarray[tuple[int, int], np.dtype[np.int64]]] = []
    for right, up in ((0, 0), (1, 0), (0, 1), (1, 1), (1, -1)):
        other = (cell[:, 0] + right) * 1_000_003 + cell[:, 1] + up
        low, high = (np.searchsorted(key[order], other, side=side) for side in ("left", "right"))
        which, entry = spread(low, high)
        found = order[entry]
        near = np.hypot(east[which] - east[found], north[which] - north[found]) <= within_m
        pairs.append(np.column_stack([which[near], found[near]]))
    linked = np.concatenate(pairs)
    while True:  # each takes the smallest number among its neighbours, until nothing changes
        lowest = np.minimum(label[linked[:, 0]], label[linked[:, 1]])
        after = label.copy()
        np.minimum.at(after, linked[:, 0], lowest)
        np.minimum.at(after, linked[:, 1], lowest)
        after = after[after]
        if np.array_equal(after, label):
            return label
        label = after


def _case(
    changes: _Changes,
    here: Ints,
    of: Moves,
    plates: Mapping[str, str],
    now: datetime,
    zone: ZoneInfo,
    parameters: Mapping[str, object],
) -> Sighting | None:
    """The case of one place; ``here``: its stops, by time."""
    since, until = changes.since[here], changes.until[here]
    new = np.concatenate([[True], since[1:] - np.maximum.accumulate(until)[:-1] >= _gap(parameters)])
    occasions = int(new.sum())
    if occasions < shown.number(parameters, "occasions"):
        return None
    first, hours = moment(since[0]), shown.number(parameters, "filing_h")
    if moment(until[0]) > now - timedelta(hours=hours):
        return None
    second = int(np.flatnonzero(new)[1])
    lon, lat = (round(float(each[here[[0, second]]].mean()), 5) for each in (changes.lon, changes.lat))
    vehicles = np.unique(of.vehicle[changes.move[here]])
    odds = _odds(changes, here, occasions, len(vehicles), parameters)
    score = shown.chance(odds)
    if score < shown.number(parameters, "raise"):
        return None
    loaded = int((changes.after[here] > changes.before[here]).sum())
    named = [plates.get(of.phones[each].lstrip("0"), of.phones[each]) for each in vehicles.tolist()]
    listed_zh, listed_en = "、".join(named[:5]), ", ".join(named[:5])
    place = text(f"疑似无证地点 {lon:.5f},{lat:.5f}", f"Unregistered place {lon:.5f},{lat:.5f}")
    return Sighting(
        subject=SubjectRef("place", f"{lon:.5f},{lat:.5f}", place),
        level=2,
        start=first,
        score=round(score, 3),
        reasons=(
            text(
                f"自 {shown.clock(first, zone)} 起 {occasions} 次在此装卸危险货物"
                f"（装货 {loaded} 车次，卸货 {len(here) - loaded} 车次），涉及 {len(vehicles)} 辆车：{listed_zh}",
                f"Hazardous goods loaded or unloaded here on {occasions} occasions since {shown.clock(first, zone)} ({loaded} "
                f"loaded, {len(here) - loaded} unloaded) by {len(vehicles)} vehicle(s): {listed_en}",
            ),
            text(
                "停车前后载重状态稳定不同；不在任何登记厂址附近，也不是任何运单的装卸地点",
                "The load was steadily another before than after; it is near no registered site, and no waybill names it",
            ),
        ),
        evidence=_evidence(changes, here, of, plates, lon, lat, now),
    )


def _gap(parameters: Mapping[str, object]) -> float:
    return shown.number(parameters, "occasion_h") * HOUR


def _odds(changes: _Changes, here: Ints, occasions: int, vehicles: int, parameters: Mapping[str, object]) -> float:
    weigh = shown.weights(parameters, "weights")
    before, after = changes.before[here], changes.after[here]
    minutes = (changes.until[here] - changes.since[here]) / 60e6
    odds = weigh["prior"] + weigh["five" if occasions >= 5 else "three" if occasions >= 3 else "two"]
    for name, holds in (
        ("vehicles", vehicles > 1),
        ("days", len(np.unique(changes.since[here] // _DAY)) > 1),
        ("both", bool((after > before).any() and (after < before).any())),
        ("whole", bool((np.minimum(before, after) == 0).mean() >= 0.5)),
        ("long", bool(np.median(minutes) >= 15.0)),
        ("near_site", bool(np.isfinite(changes.site_m[here]).mean() > 0.5)),
    ):
        odds += weigh[name] if holds else 0.0
    return odds


def _evidence(
    changes: _Changes, here: Ints, of: Moves, plates: Mapping[str, str], lon: float, lat: float, now: datetime
) -> tuple[Mapping[str, object], ...]:
    """The stops as rows, and how the latest vehicles came and went."""

    def plate(each: int) -> str:
        phone = of.phones[int(of.vehicle[changes.move[each]])]
        return plates.get(phone.lstrip("0"), phone)

    found = [
        [
            plate(each),
            shown.iso(moment(changes.since[each])),
            shown.iso(moment(changes.until[each])),
            int(changes.before[each]),
            int(changes.after[each]),
            round(float(changes.lon[each]), 5),
            round(float(changes.lat[each]), 5),
        ]
        for each in here[-50:].tolist()
    ]
    columns = ["plate", "since", "until", "load_before", "load_after", "lon", "lat"]
    title = text("在此处停车前后载重变化", "Stops here with another load after than before")
    listed = shown.rows(title, "transport_trip", "hazchem.unlicensed_site", now, columns, found)
    return (listed, *(_track(changes, each, of, plate(each), lon, lat) for each in here[-3:].tolist()))


def _track(changes: _Changes, stop: int, of: Moves, plate: str, lon: float, lat: float) -> Mapping[str, object]:
    """How a vehicle came and went."""
    points: list[list[object]] = []
    for move in (int(changes.move[stop]), int(changes.move[stop]) + 1):
        path = of.path(move)
        if path:
            points += [[shown.iso(at), x, y, None if load < 0 else load] for at, x, y, load in read_path(path)]
    return {
        "type": "track",
        "title": text(f"{plate} 到达与离开此处的轨迹", f"How {plate} came here and left"),
        "plate": plate,
        "points": points[:500],
        "places": [{"lon": lon, "lat": lat, "name": "?"}],
        "source": {
            "dataset": "transport_position",
            "key": of.phones[int(of.vehicle[changes.move[stop]])],
            "from": shown.iso(moment(of.since[changes.move[stop]])),
            "to": shown.iso(moment(of.until[changes.move[stop] + 1])),
        },
    }


_TRIP = (
    "terminal_phone", "since", "until", "from_lon", "from_lat", "to_lon", "to_lat", "loaded_s", "half_s", "empty_s", "path",
    "state",
)  # fmt: skip
_WAYBILL = (
    "waybill_no", "plate", "trailer_plate", "load_site", "load_lon", "load_lat", "unload_site", "unload_lon", "unload_lat",
    "planned_departure", "planned_arrival", "loaded_at", "unloaded_at", "status",
)  # fmt: skip


@dataclass(frozen=True)
class UnlicensedSite:
    """The survey of places that no register knows."""

    id: str = "hazchem.unlicensed_site"
    title: Text = field(default_factory=lambda: text("未登记的装卸地点", "Places of loading that are not registered"))
    kind: str = "unlicensed_site"
    inputs: Mapping[str, Input] = field(
        default_factory=lambda: {
            "transport_trip": Input(timedelta(days=40), _TRIP),
            "transport_vehicle": Input(ALL_TIME, ("plate", "terminal_phone")),
            "transport_waybill": Input(timedelta(days=75), _WAYBILL, timedelta(days=3)),
            "waste_manifest": Input(timedelta(days=42), ("manifest_no", "plate", "shipped_at")),
            "approval_site": Input(ALL_TIME, ("site_id", "name", "lon", "lat", "boundary_wkt")),
        }
    )
    every: timedelta = timedelta(hours=6)
    phase: timedelta = timedelta(minutes=40)
    parameters: Mapping[str, object] = field(default_factory=lambda: PARAMETERS)

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """All cases that stand now."""
        tables = {name: view.rows(name) for name in self.inputs}
        return evaluate(tables, view.now, view.zone, self.parameters)


def detectors() -> Sequence[UnlicensedSite]:
    """What this module adds to the application."""
    return [UnlicensedSite()]
