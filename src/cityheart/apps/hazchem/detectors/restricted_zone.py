"""Hazardous-goods vehicles inside a closed zone in its closed hours.

The police close areas to vehicles with hazardous goods, for ever or for hours of the day (Regulations on the safety of hazardous
chemicals, art. 49: no entry without their consent; Rules on the road transport of dangerous goods, JT/T 617). Loaded or
empty makes no difference to whether it is a case, only to how serious it is.

Signal: the visits to zones that the tracks tell, with how deep inside the zone the vehicle was, and its way in the zone.
Innocent, and why it stays silent:

- along the edge, or parked beside it: a fix counts only if it is deeper in the zone than positions are wrong; beside one such
  fix less deep ones count where several on a way are well inside on average, as errors of positions even out;
- drift while parked, jumps of kilometres: two such fixes in a row are needed at least, and what counts is how many there are,
  how far the vehicle drove between them, and whether they came as close together as those of a vehicle under way;
- inside in open hours: only the time in closed hours counts; of a visit that goes over their border some minutes are allowed.

The fact lasts from the first to the last moment inside in closed hours. One alert for each plate, one case for each visit;
visits of the same zone shortly after each other are one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from shapely.geometry import shape

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import shown
from cityheart.apps.hazchem.signals.vehicles import apart, phones_of
from cityheart.sdk import ALL_TIME, Input, Sighting, SubjectRef, Text, View, counted, read_path, text

__all__ = ["PARAMETERS", "RestrictedZone", "Rule", "closed_times", "detectors", "evaluate", "rules_of"]

PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "edge_m": 50.0,  # m inside the zone that a fix must be: what positions and drawn edges are wrong by
        "fixes": 2,  # such fixes in closed hours, at least
        "along_m": 15.0,  # m inside that the others must be where one is clearly inside
        "along_fixes": 5,  # fixes in all in closed hours, at least, on a way of way_m
        "along_mean_m": 30.0,  # m inside that these must be on average
        "border_min": 5.0,  # min of a visit over the border of closed hours that are allowed
        "way_m": 300.0,  # m driven in the zone, from which it is no drift
        "dwell_min": 10.0,  # min in the zone without a way, from which it is a stay
        "cadence_s": 150.0,  # s between fixes, up to which the vehicle is under way and not parked with the ignition off
        "merge_min": 30.0,  # min between two visits to one zone that are one matter
        "open_min": 90.0,  # min without news after which an open visit is over: tracks tell of it once an hour
        "keep_days": 1.0,  # days for which a visit that is over is shown
        "raise": 0.6,  # probability from which a case is raised
        # log-odds
        "weights": {
            "prior": -1.0,  # two fixes inside, of any kind
            "two_fixes": 0.5,
            "three_fixes": 1.2,
            "five_fixes": 2.5,
            "deep_100": 0.5,  # m inside, at most reached
            "deep_300": 1.0,
            "drove": 1.5,
            "dwelt": 0.5,
            "sparse": -2.0,  # a few fixes far apart in time and place: jumps while parked
        },
    }
)
_HAZARDOUS = re.compile("hazard|dangerous|all|危", re.IGNORECASE)
_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*[-–~至]\s*(\d{1,2}):(\d{2})")
_FEW = 24  # points of a way: with fewer fixes the way has them all


@dataclass(frozen=True, slots=True)
class Rule:
    """A closed zone: when (minutes of the local day, an end before its beginning is on the next day) and where (WGS84)."""

    id: str
    name: str
    hours: tuple[tuple[int, int], ...]
    area: shapely.Geometry

    @property
    def always(self) -> bool:
        """Whether it is never open."""
        return (0, 1440) in self.hours


def rules_of(file: bytes | None) -> dict[str, Rule]:
    """The zones closed to hazardous goods in a GeoJSON file, by id. What is no zone or has no hours is left out."""
    try:
        features = json.loads(file or b"{}").get("features", [])
    except (ValueError, AttributeError):
        return {}
    found: dict[str, Rule] = {}
    for feature in features if isinstance(features, list) else []:
        try:
            about = feature["properties"]
            id, closed = str(about["id"]), str(about.get("closed") or "")
            area = shape(feature["geometry"])
        except (LookupError, TypeError, AttributeError, ValueError, shapely.errors.ShapelyError):
            continue
        hours = _hours(closed)
        if hours and _HAZARDOUS.search(str(about.get("goods") or "all")) and area.is_valid and not area.is_empty:
            found[id] = Rule(id, str(about.get("name") or id), hours, area)
    return found


def _hours(closed: str) -> tuple[tuple[int, int], ...]:
    if closed.strip().lower() in ("always", "全天", "全时段"):
        return ((0, 1440),)
    spans = []
    for parts in _HOURS.findall(closed):
        begin, end = (int(parts[at]) * 60 + int(parts[at + 1]) for at in (0, 2))
        if begin < 1440 and end <= 1440 and begin != end:
            spans.append((begin, end))
    return tuple(spans)


def closed_times(rule: Rule, since: datetime, until: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """The parts of a time that lie in the closed hours of a zone (UTC), one after the other."""
    if rule.always:
        return [(since, until)]
    day, last = since.astimezone(zone).date() - timedelta(days=1), until.astimezone(zone).date()
    found = []
    while day <= last:
        for begin, end in rule.hours:
            start = _at(day, begin, zone)
            stop = _at(day, end if end > begin else end + 1440, zone)
            if max(start, since) <= min(stop, until):
                found.append((max(start, since), min(stop, until)))
        day += timedelta(days=1)
    return sorted(found)


def _at(day: date, minute: int, zone: ZoneInfo) -> datetime:
    midnight = datetime.combine(day, time(), zone)
    return (midnight.replace(tzinfo=None) + timedelta(minutes=minute)).replace(tzinfo=zone).astimezone(UTC)


@dataclass(slots=True)
class _Visit:
    """A visit that counts, or several of one zone shortly after each other."""

    phone: str
    rule: Rule
    since: datetime  # of the visit itself
    until: datetime
    start: datetime  # in closed hours
    end: datetime
    open: bool
    loaded: bool
    odds: float
    deepest_m: float
    fixes: int
    points: list[tuple[datetime, float, float, int]]


def evaluate(
    visits: pa.Table,
    vehicles: pa.Table,
    rules: Mapping[str, Rule],
    now: datetime,
    zone: ZoneInfo,
    parameters: Mapping[str, object] = PARAMETERS,
) -> list[Sighting]:
    """The cases that stand: rows of ``transport_visit`` and ``transport_vehicle``, both with any number of rows."""
    if not rules or not visits.num_rows:
        return []
    counted = [
        each
        for row in _candidates(visits, rules).to_pylist()
        if (each := _visit(row, rules[row["place"]], now, zone, parameters)) is not None
    ]
    counted.sort(key=lambda each: (each.phone, each.rule.id, each.since))
    apart_at_most = timedelta(minutes=shown.number(parameters, "merge_min"))
    cases: list[_Visit] = []
    for each in counted:
        last = cases[-1] if cases else None
        same = last is not None and (last.phone, last.rule.id) == (each.phone, each.rule.id)
        if last is not None and same and each.since - last.until <= apart_at_most:
            cases[-1] = _joined(last, each)
        else:
            cases.append(each)
    plates = phones_of(vehicles)
    keep = timedelta(days=shown.number(parameters, "keep_days"))
    least = shown.number(parameters, "raise")
    return [
        _sighting(each, plates.get(each.phone.lstrip("0"), each.phone), zone)
        for each in cases
        if shown.chance(each.odds) >= least and (each.open or each.end >= now - keep)
    ]


def _candidates(visits: pa.Table, rules: Mapping[str, Rule]) -> pa.Table:
    """Visits to closed zones in which some fix was clearly inside."""
    chosen = pc.and_(pc.equal(visits["layer"].cast(pa.string()), "zone"), pc.greater_equal(visits["deep_fixes"], 1))
    chosen = pc.and_(chosen, pc.not_equal(visits["state"].cast(pa.string()), "withdrawn"))
    for name in ("terminal_phone", "since", "until"):
        chosen = pc.and_(chosen, visits[name].is_valid())
    known = pc.is_in(visits["place"].cast(pa.string()), value_set=pa.array(list(rules), pa.string()))
    return visits.filter(pc.fill_null(pc.and_(chosen, known), False))


def _visit(
    row: Mapping[str, object], rule: Rule, now: datetime, zone: ZoneInfo, parameters: Mapping[str, object]
) -> _Visit | None:
    since, until = row["since"], row["until"]
    assert isinstance(since, datetime) and isinstance(until, datetime)
    spans = closed_times(rule, since, until, zone)
    points = read_path(str(row["path"])) if row["path"] else []
    if not spans or len(points) < 2:
        return None
    minutes = sum((end - start).total_seconds() for start, end in spans) / 60
    within = spans[0][0] <= since and spans[-1][1] >= until and len(spans) == 1
    if not within and minutes < shown.number(parameters, "border_min"):
        return None
    places = np.array([[lon, lat] for _, lon, lat, _ in points])
    depth = _depth(rule.area, places)
    # seconds are rounded in a way: a fix half a second before the closing is in it
    second = timedelta(seconds=1)
    closed = np.array([any(start - second <= at <= end + second for start, end in spans) for at, *_ in points])
    deep = _clear(closed, depth, places, parameters)
    if deep is None:
        return None
    ended = row["state"] == "closed" or until < now - timedelta(minutes=shown.number(parameters, "open_min"))
    seen = int(str(row["fixes"] or 0))
    few = seen <= _FEW
    loads = [row.get("load_before"), row.get("load_after"), *(load for *_, load in points)]
    return _Visit(
        phone=str(row["terminal_phone"]),
        rule=rule,
        since=since,
        until=until,
        start=spans[0][0],
        end=spans[-1][1],
        open=not ended and spans[-1][1] >= until,
        loaded=any(isinstance(load, int) and load > 0 for load in loads),
        odds=_odds(points, places, deep, depth, minutes, few, parameters),
        deepest_m=float(depth[deep].max()),
        fixes=int(deep.sum()) if few else max(int(deep.sum()), int(str(row["deep_fixes"] or 0))),
        points=points,
    )


def _clear(
    closed: np.ndarray[tuple[int], np.dtype[np.bool_]],
    depth: shown.Array,
    places: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    parameters: Mapping[str, object],
) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
    """Which positions say that the vehicle was inside in closed hours; None where they do not."""
    deep: np.ndarray[tuple[int], np.dtype[np.bool_]] = closed & (depth >= shown.number(parameters, "edge_m"))
    along: np.ndarray[tuple[int], np.dtype[np.bool_]] = closed & (depth >= shown.number(parameters, "along_m"))
    several = deep.any() and along.sum() >= shown.number(parameters, "along_fixes")
    if several and depth[along].mean() >= shown.number(parameters, "along_mean_m"):
        if _way(places[along]) >= shown.number(parameters, "way_m"):
            return along
    return deep if deep.sum() >= shown.number(parameters, "fixes") else None


def _way(places: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
    """How far (m) from the first place the furthest is."""
    lon, lat = places[:, 0], places[:, 1]
    return float(apart(lon[:1], lat[:1], lon, lat).max())


def _depth(area: shapely.Geometry, places: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> shown.Array:
    """How many metres inside an area each place lies; below 0 outside."""
    scale = np.array([np.cos(np.radians(places[:, 1].mean())), 1.0]) * 111_194.93
    flat = shapely.transform(area, lambda points: points * scale)
    points = shapely.points(places * scale)
    depth: shown.Array = shapely.distance(points, shapely.boundary(flat))
    return np.where(shapely.contains(flat, points), depth, -depth)


def _odds(
    points: Sequence[tuple[datetime, float, float, int]],
    places: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    deep: np.ndarray[tuple[int], np.dtype[np.bool_]],
    depth: shown.Array,
    minutes: float,
    few: bool,
    parameters: Mapping[str, object],
) -> float:
    """Log-odds that the vehicle was inside and not only its positions."""
    weigh = shown.weights(parameters, "weights")
    count = int(deep.sum())
    odds = weigh["prior"]
    odds += weigh["five_fixes" if count >= 5 else "three_fixes" if count >= 3 else "two_fixes"]
    deepest = float(depth[deep].max())
    odds += weigh["deep_300"] if deepest >= 300 else weigh["deep_100"] if deepest >= 100 else 0.0
    if _way(places[deep]) >= shown.number(parameters, "way_m"):
        odds += weigh["drove"]
        times = [at.timestamp() for (at, *_), inside in zip(points, deep, strict=True) if inside]
        if few and count < 5 and float(np.median(np.diff(times))) > shown.number(parameters, "cadence_s"):
            odds += weigh["sparse"]
    elif minutes >= shown.number(parameters, "dwell_min"):
        odds += weigh["dwelt"]
    return odds


def _joined(one: _Visit, other: _Visit) -> _Visit:
    """Two visits as one matter: as sure as the surer of them."""
    one.until, one.end, one.open = other.until, max(one.end, other.end), other.open
    one.loaded |= other.loaded
    one.odds, one.deepest_m = max(one.odds, other.odds), max(one.deepest_m, other.deepest_m)
    one.fixes += other.fixes
    one.points += other.points
    return one


def _sighting(case: _Visit, plate: str, zone: ZoneInfo) -> Sighting:
    rule, clock = case.rule, (partial(shown.clock, zone=zone))
    minutes = max(1, round((case.end - case.start).total_seconds() / 60))
    spoken = {
        "zh-CN": "全天"
        if rule.always
        else "、".join(f"{a // 60:02d}:{a % 60:02d}–{b // 60 % 24:02d}:{b % 60:02d}" for a, b in rule.hours),
        "en": "at all times"
        if rule.always
        else ", ".join(f"{a // 60:02d}:{a % 60:02d}-{b // 60 % 24:02d}:{b % 60:02d}" for a, b in rule.hours),
    }
    middle = shapely.point_on_surface(rule.area)
    track = {
        "type": "track",
        "title": text(f"{plate} 在{rule.name}内的轨迹", f"Way of {plate} in {rule.name}"),
        "plate": plate,
        "points": [[shown.iso(at), lon, lat, None if load < 0 else load] for at, lon, lat, load in case.points[:500]],
        "places": [{"lon": round(middle.x, 6), "lat": round(middle.y, 6), "name": rule.name}],
        "zone": rule.id,
        "source": {"dataset": "transport_position", "key": case.phone,
                   "from": shown.iso(case.since - timedelta(minutes=30)), "to": shown.iso(case.until + timedelta(minutes=30))},
    }  # fmt: skip
    loaded = text("载货", "loaded") if case.loaded else text("空车", "empty")
    return Sighting(
        subject=SubjectRef("vehicle", plate, text(plate, plate)),
        level=2 if case.loaded else 3,
        start=case.start,
        end=None if case.open else case.end,
        score=round(shown.chance(case.odds), 3),
        reasons=(
            text(
                f"{clock(case.start)} 起在{rule.name}（{spoken['zh-CN']}禁止危货车辆通行）内约 {minutes} 分钟，{loaded['zh-CN']}",
                f"In {rule.name} (closed to hazardous goods {spoken['en']}) for about {minutes} min from {clock(case.start)}, "
                f"{loaded['en']}",
            ),
            text(
                f"{case.fixes} 个定位明确在区内，最深 {case.deepest_m:.0f} 米，超出定位误差",
                f"{counted(case.fixes, 'position')} clearly inside, up to {case.deepest_m:.0f} m, more than positions are wrong",
            ),
        ),
        evidence=(track,),
        case=f"{rule.id} {shown.iso(case.since)}",
    )


_COLUMNS = (
    "terminal_phone", "since", "until", "layer", "place", "deep_fixes", "path", "load_before", "load_after", "fixes", "state",
)  # fmt: skip


@dataclass(frozen=True)
class RestrictedZone:
    """The survey of closed zones."""

    id: str = "hazchem.restricted_zone"
    title: Text = field(
        default_factory=lambda: text("危货车辆驶入限行区域", "Hazardous-goods vehicles in closed zones")
    )
    kind: str = "restricted_zone"
    inputs: Mapping[str, Input] = field(
        default_factory=lambda: {
            "transport_visit": Input(timedelta(days=3), _COLUMNS),
            "transport_vehicle": Input(ALL_TIME, ("plate", "terminal_phone")),
        }
    )
    every: timedelta = timedelta(minutes=15)
    phase: timedelta = timedelta(0)
    parameters: Mapping[str, object] = field(default_factory=lambda: PARAMETERS)

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """All cases that stand now."""
        rules = rules_of(view.file("zones.geojson"))
        if not rules:
            return []
        visits, vehicles = view.rows("transport_visit"), view.rows("transport_vehicle")
        return evaluate(visits, vehicles, rules, view.now, view.zone, self.parameters)


def detectors() -> Sequence[RestrictedZone]:
    """What this module adds to the application."""
    return [RestrictedZone()]
