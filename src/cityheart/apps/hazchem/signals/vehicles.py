"""What the trips of hazardous-goods vehicles say: when they drove loaded, where the load changed, which document fits.

Everything here is worked out of rows of ``transport_trip`` (docs/reference/tracks.md) with numpy, for all vehicles at once.
A *move* is a trip with a load class: 0 empty, 1 half, 3 full, the class in which the vehicle spent most of the time, so a
sensor that flickers does not count. A *stop* is what lies between two moves. A *haul* is a run of moves with a load, from the
place where the vehicle was loaded to that where it became empty: rests, queues and overnight parking on the way belong to it.
Times are microseconds since 1970 UTC, places WGS84 degrees, distances metres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

__all__ = [
    "HOUR",
    "MINUTE",
    "Calendar",
    "Documents",
    "Hauls",
    "Moves",
    "Places",
    "Stops",
    "apart",
    "assigned",
    "hauls",
    "micros",
    "moment",
    "moves",
    "phones_of",
    "spread",
    "stops",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MINUTE = 60_000_000
HOUR = 60 * MINUTE
_METRES = 6_371_008.8 * np.pi / 180.0  # of a degree of latitude
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = np.inf
_NEVER = np.iinfo(np.int64).min // 4


def micros(column: pa.ChunkedArray | pa.Array) -> Ints:
    """Moments as microseconds since 1970 UTC; nulls become a number far below every other."""
    numbers = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return np.asarray(pc.fill_null(numbers, _NEVER).to_numpy(), dtype=np.int64)


def moment(at: int | np.int64) -> datetime:
    """A moment from microseconds since 1970 UTC."""
    return _EPOCH + timedelta(microseconds=int(at))


def _floats(column: pa.ChunkedArray | pa.Array) -> Floats:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), dtype=np.float64)


def _texts(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.object_]:
    return np.asarray(column.cast(pa.string()).to_numpy(zero_copy_only=False), dtype=np.object_)


def apart(lon: Floats, lat: Floats, lon2: Floats, lat2: Floats) -> Floats:
    """How far places are from each other, in metres (right within a city); not a number where one is unknown."""
    east = (lon2 - lon) * np.cos(np.radians((lat + lat2) / 2))
    return np.asarray(np.hypot(east, lat2 - lat) * _METRES, dtype=np.float64)


def _cells(lon: Floats, lat: Floats) -> Ints:
    """One number for all positions within about ten metres; one for all that are unknown."""
    cells = np.round(lon * 1e4) * 10_000_000 + np.round(lat * 1e4)
    return np.asarray(np.nan_to_num(cells, nan=-1.0), dtype=np.int64)


@lru_cache(maxsize=4)  # the boundaries of a register are drawn once and not at every look
def _areas(boundaries: tuple[str | None, ...]) -> npt.NDArray[np.object_]:
    """The areas that are drawn well; nothing for the others."""
    drawn = np.asarray(shapely.from_wkt(np.array(boundaries, dtype=object), on_invalid="ignore"), dtype=object)
    usable = shapely.is_valid(drawn) & np.isin(shapely.get_type_id(drawn), (3, 6)) & ~shapely.is_empty(drawn)
    drawn[~usable] = None
    return drawn


# ── places ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Places:
    """Places with names: points, or areas where a boundary is drawn. Those without a position are left out."""

    def __init__(
        self, names: Sequence[str], lon: Floats, lat: Floats, boundaries: Sequence[str | None] | None = None
    ) -> None:
        good = np.isfinite(lon) & np.isfinite(lat)
        areas = np.full(len(names), None, dtype=object) if boundaries is None else _areas(tuple(boundaries))
        self.drawn = np.asarray(shapely.get_type_id(areas) >= 0, dtype=np.bool_)
        good |= self.drawn
        self.names = [name for name, kept in zip(names, good.tolist(), strict=True) if kept]
        self.lon, self.lat, self.drawn, areas = lon[good], lat[good], self.drawn[good], areas[good]
        middle = float(np.nanmean(self.lat)) if len(self.names) and np.isfinite(self.lat).any() else 0.0
        self._scale = np.array([_METRES * float(np.cos(np.radians(middle))), _METRES])
        shapes = shapely.points(np.column_stack([self.lon, self.lat]) * self._scale)
        shapes[self.drawn] = shapely.transform(areas[self.drawn], lambda points: points * self._scale)
        self._tree = shapely.STRtree(shapes)

    @classmethod
    def registered(cls, sites: pa.Table) -> Places:
        """The sites of ``approval_site``."""
        boundaries = sites["boundary_wkt"].to_pylist() if "boundary_wkt" in sites.column_names else None
        names = ["" if each is None else str(each) for each in sites["name"].to_pylist()]
        return cls(names, _floats(sites["lon"]), _floats(sites["lat"]), boundaries)

    @classmethod
    def named(cls, waybills: pa.Table) -> Places:
        """Where waybills of any status say that something is loaded or unloaded, each place once."""
        names = np.concatenate([_texts(waybills["load_site"]), _texts(waybills["unload_site"])])
        lon = np.concatenate([_floats(waybills["load_lon"]), _floats(waybills["unload_lon"])])
        lat = np.concatenate([_floats(waybills["load_lat"]), _floats(waybills["unload_lat"])])
        first = np.sort(np.unique(_cells(lon, lat), return_index=True)[1])
        return cls([str(each) for each in names[first]], lon[first], lat[first])

    def nearest(self, lon: Floats, lat: Floats, within_m: float) -> tuple[Ints, Floats]:
        """Of each position the nearest place within a distance: its number (-1 without one) and how far it is."""
        place, far = np.full(len(lon), -1, dtype=np.int64), np.full(len(lon), _FAR)
        known = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
        if not len(self.names) or not len(known):
            return place, far
        _, first, turn = np.unique(_cells(lon[known], lat[known]), return_index=True, return_inverse=True)
        cells = np.column_stack([lon[known[first]], lat[known[first]]])  # lorries come back to where they were
        points = shapely.points(cells * self._scale)
        (which, found), away = self._tree.query_nearest(
            points, max_distance=within_m, return_distance=True, all_matches=False
        )
        at, of = np.full(len(cells), -1, dtype=np.int64), np.full(len(cells), _FAR)
        at[which], of[which] = found, away
        place[known], far[known] = at[turn.ravel()], of[turn.ravel()]
        return place, far


# ── moves and stops ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Moves:
    """Moves of all vehicles, by vehicle and time.

    ``load``: -1 unknown, 0 empty, 1 half, 3 full. ``share``: the part of the time with a known load that the vehicle was
    loaded (half or full) or empty, whichever it mostly was. ``seen``: seconds with a known load. ``steady``: the part of
    that time in the very class ``load``. ``rows``: the place of each move in the table of trips, whose ways are ``paths``.
    """

    phones: list[str]
    vehicle: Ints
    since: Ints
    until: Ints
    from_lon: Floats
    from_lat: Floats
    to_lon: Floats
    to_lat: Floats
    load: Ints
    share: Floats
    steady: Floats
    seen: Floats
    over: Bools
    rows: Ints
    paths: pa.ChunkedArray | None

    def __len__(self) -> int:
        return len(self.vehicle)

    def path(self, move: int) -> str | None:
        """The way of a move, as ``read_path`` reads it; None while it goes on."""
        return None if self.paths is None else cast("str | None", self.paths[int(self.rows[move])].as_py())


def moves(trips: pa.Table) -> Moves:
    """From rows of ``transport_trip``: what was withdrawn or has no time is left out."""
    paths = trips["path"] if "path" in trips.column_names else None
    known = pc.fill_null(pc.not_equal(trips["state"].cast(pa.string()), "withdrawn"), True)
    for name in ("terminal_phone", "since", "until"):
        known = pc.and_(known, trips[name].is_valid())
    rows = np.flatnonzero(np.asarray(known))
    if len(rows) < trips.num_rows:
        small = [name for name in trips.column_names if name != "path"]  # ways are long, and only a few are looked at
        trips = trips.select(small).filter(known)
    names = trips["terminal_phone"].cast(pa.string()).combine_chunks()
    coded = names.dictionary_encode() if not isinstance(names, pa.DictionaryArray) else names
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    vehicle = np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    since = micros(trips["since"])
    order = np.lexsort((since, vehicle))
    seconds = {name: np.nan_to_num(_floats(trips[name]))[order] for name in ("loaded_s", "half_s", "empty_s")}
    half = np.minimum(seconds["half_s"], seconds["loaded_s"])
    times = np.column_stack([seconds["empty_s"], half, seconds["loaded_s"] - half])
    seen = times.sum(axis=1)
    loaded = seconds["loaded_s"] >= seconds["empty_s"]
    best = np.where(loaded, np.where(times[:, 2] >= times[:, 1], 2, 1), 0)
    length = np.maximum(seen, 1e-9)
    places = [_floats(trips[name])[order] for name in ("from_lon", "from_lat", "to_lon", "to_lat")]
    return Moves(
        [str(each) for each in coded.dictionary.to_pylist()],
        vehicle[order],
        since[order],
        micros(trips["until"])[order],
        places[0],
        places[1],
        places[2],
        places[3],
        load=np.where(seen > 0, np.array([0, 1, 3])[best], -1),
        share=np.maximum(seconds["loaded_s"], seconds["empty_s"]) / length,
        steady=np.take_along_axis(times, best[:, None], axis=1)[:, 0] / length,
        seen=seen,
        over=np.asarray(pc.equal(trips["state"].cast(pa.string()), "closed").to_numpy(), dtype=np.bool_)[order],
        rows=rows[order],
        paths=paths,
    )


@dataclass(frozen=True)
class Stops:
    """Stops between two moves that follow each other; ``before`` is the place of the earlier in the moves.

    ``same_place``: the vehicle left from where it had come to; otherwise nobody saw where it was meanwhile.
    """

    before: Ints
    since: Ints
    until: Ints
    lon: Floats
    lat: Floats
    same_place: Bools


def stops(of: Moves, within_m: float = 400.0) -> Stops:
    """The stops of all vehicles. The place is the mean of the fixes of the stay, which the next move begins with."""
    before = np.flatnonzero(of.vehicle[1:] == of.vehicle[:-1])
    after = before + 1
    away = apart(of.to_lon[before], of.to_lat[before], of.from_lon[after], of.from_lat[after])
    return Stops(before, of.until[before], of.since[after], of.from_lon[after], of.from_lat[after], away <= within_m)


# ── hauls ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Hauls:
    """Loaded runs. ``first`` and ``last``: their moves. ``loading``, ``emptied``: whether the load was seen to come and go.

    ``share``: the part of the time with a known load that it was loaded; ``seen``: seconds with a known load.
    """

    first: Ints
    last: Ints
    loading: Bools
    emptied: Bools
    share: Floats
    seen: Floats

    def __len__(self) -> int:
        return len(self.first)


def hauls(of: Moves, splits: Bools | None = None) -> Hauls:
    """Runs of moves with a load. ``splits``: moves after which a run is divided, because something was loaded or unloaded
    there though the vehicle was not empty before and after."""
    count = len(of)
    if not count:
        none, nothing, no = np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=np.bool_)
        return Hauls(none, none, no, no, nothing, nothing)
    new = np.concatenate([[True], of.vehicle[1:] != of.vehicle[:-1]])
    known = of.load >= 0
    latest = np.maximum.accumulate(np.where(known | new, np.arange(count), 0))  # a move with an unknown load
    load = of.load[latest]  # has that of the one before
    loaded = load > 0
    cut = new.copy() if splits is None else new | np.concatenate([[False], splits[:-1]])
    begins = loaded & (cut | ~np.concatenate([[False], loaded[:-1]]))
    ends = loaded & (np.concatenate([cut[1:], [True]]) | ~np.concatenate([loaded[1:], [False]]))
    first, last = np.flatnonzero(begins), np.flatnonzero(ends)
    time = np.concatenate([[0.0], np.cumsum(of.seen)])
    under = np.concatenate([[0.0], np.cumsum(np.where(of.load > 0, of.share * of.seen, (1 - of.share) * of.seen))])
    seen = time[last + 1] - time[first]
    own = np.concatenate([new[1:], [True]])  # the last move of a vehicle
    return Hauls(
        first,
        last,
        loading=~new[first] & ~loaded[first - 1],
        emptied=~own[last] & ~loaded[np.minimum(last + 1, count - 1)],
        share=(under[last + 1] - under[first]) / np.maximum(seen, 1e-9),
        seen=seen,
    )


# ── documents ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Documents:
    """Waybills and manifests that allow a trip. Places that are unknown are not a number."""

    number: pa.ChunkedArray
    plate: pa.ChunkedArray
    trailer: pa.ChunkedArray
    departures: Ints  # as planned, as loaded: two columns, far below every moment where it is not known
    arrivals: Ints
    load_lon: Floats
    load_lat: Floats
    unload_lon: Floats
    unload_lat: Floats
    load_site: Floats  # longitude and latitude of the registered site of that name: two columns
    unload_site: Floats

    def __len__(self) -> int:
        return len(self.number)

    def from_load(self, documents: Ints, lon: Floats, lat: Floats) -> Floats:
        """How far places are from where documents load: from the position they give, or the site they name if it is nearer."""
        given = apart(lon, lat, self.load_lon[documents], self.load_lat[documents])
        return np.fmin(given, apart(lon, lat, self.load_site[documents, 0], self.load_site[documents, 1]))

    def from_unload(self, documents: Ints, lon: Floats, lat: Floats) -> Floats:
        """The same of where they unload."""
        given = apart(lon, lat, self.unload_lon[documents], self.unload_lat[documents])
        return np.fmin(given, apart(lon, lat, self.unload_site[documents, 0], self.unload_site[documents, 1]))

    @classmethod
    def waybills(cls, rows: pa.Table, cancelled: Sequence[str], sites: pa.Table) -> Documents:
        """Waybills but for those of a status that makes them none. ``sites``: ``approval_site``."""
        state = pc.is_in(rows["status"].cast(pa.string()), value_set=pa.array(list(cancelled), pa.string()))
        rows = rows.filter(pc.invert(state))
        return cls(
            rows["waybill_no"].cast(pa.string()),
            rows["plate"].cast(pa.string()),
            rows["trailer_plate"].cast(pa.string()),
            np.column_stack([micros(rows["planned_departure"]), micros(rows["loaded_at"])]),
            np.column_stack([micros(rows["planned_arrival"]), micros(rows["unloaded_at"])]),
            *(_floats(rows[name]) for name in ("load_lon", "load_lat", "unload_lon", "unload_lat")),
            *(_sites_named(rows[name], sites) for name in ("load_site", "unload_site")),
        )

    @classmethod
    def manifests(
        cls,
        rows: pa.Table,
        place: Callable[[str, str], tuple[float, float]],
        receiver: Callable[[str], tuple[float, float]],
    ) -> Documents:
        """Manifests of hazardous waste: they name the producer's site, and of the receiver the firm.

        ``place``: where the site of a name and firm is, ``receiver``: where the site of a firm is that has but one.
        """
        names, firms = _texts(rows["producer_site"]), _texts(rows["producer_uscc"])
        receivers = _texts(rows["receiver_uscc"])
        at = np.array([place(str(name), str(firm)) for name, firm in zip(names, firms, strict=True)]).reshape(-1, 2)
        to = np.array([receiver(str(each)) for each in receivers]).reshape(-1, 2)
        never = np.full(rows.num_rows, _NEVER)
        return cls(
            rows["manifest_no"].cast(pa.string()),
            rows["plate"].cast(pa.string()),
            pa.chunked_array([pa.nulls(rows.num_rows, pa.string())]),
            np.column_stack([micros(rows["shipped_at"]), never]),
            np.column_stack([micros(rows["received_at"]), never]),
            at[:, 0], at[:, 1], to[:, 0], to[:, 1], at, to,
        )  # fmt: skip

    def __add__(self, other: Documents) -> Documents:
        return Documents(
            pa.chunked_array(self.number.chunks + other.number.chunks, pa.string()),
            pa.chunked_array(self.plate.chunks + other.plate.chunks, pa.string()),
            pa.chunked_array(self.trailer.chunks + other.trailer.chunks, pa.string()),
            np.concatenate([self.departures, other.departures]),
            np.concatenate([self.arrivals, other.arrivals]),
            np.concatenate([self.load_lon, other.load_lon]),
            np.concatenate([self.load_lat, other.load_lat]),
            np.concatenate([self.unload_lon, other.unload_lon]),
            np.concatenate([self.unload_lat, other.unload_lat]),
            np.concatenate([self.load_site, other.load_site]),
            np.concatenate([self.unload_site, other.unload_site]),
        )


def _sites_named(names: pa.ChunkedArray, sites: pa.Table) -> Floats:
    """Where the registered sites of these names are, not a number where none or several have the name."""
    known = sites["name"].cast(pa.string())
    counted = pc.value_counts(known)
    only = pc.struct_field(counted.filter(pc.equal(pc.struct_field(counted, "counts"), 1)), "values")
    found = np.asarray(pc.fill_null(pc.index_in(names.cast(pa.string()), value_set=only), -1), dtype=np.int64)
    row = np.asarray(pc.index_in(only, value_set=known), dtype=np.int64)
    where = np.column_stack([_floats(sites["lon"]), _floats(sites["lat"])])
    place = np.full((len(found), 2), np.nan)
    place[found >= 0] = where[row[found[found >= 0]]]
    return place


@dataclass(frozen=True)
class Calendar:
    """Documents by vehicle and time, to find those of a vehicle that are near a moment.

    ``vehicle``, ``document`` and ``departure`` of each entry: a document has two when both its plate and its trailer are
    vehicles with a terminal, and none when neither is.
    """

    vehicle: Ints
    document: Ints
    departure: Ints

    @classmethod
    def of(cls, documents: Documents, plates: Sequence[str]) -> Calendar:
        """``plates``: of each vehicle, empty where it is not known."""
        known = pa.array([plate or None for plate in plates], pa.string())
        found = [
            np.asarray(pc.fill_null(pc.index_in(column, value_set=known, skip_nulls=True), -1), dtype=np.int64)
            for column in (documents.plate, documents.trailer)
        ]
        found[1] = np.where(found[1] == found[0], -1, found[1])
        vehicle, document = np.concatenate(found), np.tile(np.arange(len(documents)), 2)
        departure = np.tile(documents.departures[:, 0], 2)
        kept = np.flatnonzero(vehicle >= 0)
        kept = kept[np.lexsort((departure[kept], vehicle[kept]))]
        return cls(vehicle[kept], document[kept], departure[kept])

    def near(self, vehicle: Ints, since: Ints, until: Ints, within: int) -> tuple[Ints, Ints]:
        """Pairs of a time of a vehicle (its place in the arguments) and a document that departs at most so far from it."""
        if not len(self.vehicle) or not len(vehicle):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        base = int(min(since.min(), self.departure.min())) - within
        span = int(max(until.max(), self.departure.max())) + within - base + 1
        key = self.vehicle * span + (self.departure - base)
        low = np.searchsorted(key, vehicle * span + (since - within - base), side="left")
        high = np.searchsorted(key, vehicle * span + (until + within - base), side="right")
        which, entry = spread(low, high)
        return which, self.document[entry]


def spread(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Ranges of numbers written out: which range each number is of, and the number."""
    many = np.maximum(high - low, 0)
    which = np.repeat(np.arange(len(many)), many)
    offset = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    return which, np.repeat(low, many) + offset


def phones_of(vehicles: pa.Table) -> dict[str, str]:
    """The plate of each terminal; numbers are compared without leading zeros, as terminals pad them."""
    phones, plates = vehicles["terminal_phone"].to_pylist(), vehicles["plate"].to_pylist()
    return {str(phone).lstrip("0"): str(plate) for phone, plate in zip(phones, plates, strict=True) if phone and plate}


def assigned(left: Ints, right: Ints, cost: Floats, lefts: int, rights: int) -> tuple[Ints, Ints]:
    """Pairs of which each left and each right one belongs to one at most, as many as there can be, cheap ones first.

    ``left`` and ``right`` are the ends of the possible pairs. Returns the partner of each left and of each right one, -1
    where there is none. Mutually cheapest pairs are taken together; for what is left over, others make room (the augmenting
    paths of Kuhn, "The Hungarian method", 1955).
    """
    of_left, of_right = np.full(lefts, -1, dtype=np.int64), np.full(rights, -1, dtype=np.int64)
    order = np.lexsort((right, left, cost))
    a, b = left[order], right[order]
    while len(a):
        first_a, first_b = np.zeros(len(a), dtype=np.bool_), np.zeros(len(a), dtype=np.bool_)
        first_a[np.unique(a, return_index=True)[1]] = True
        first_b[np.unique(b, return_index=True)[1]] = True
        taken = first_a & first_b
        of_left[a[taken]], of_right[b[taken]] = b[taken], a[taken]
        free = (of_left[a] < 0) & (of_right[b] < 0)
        a, b = a[free], b[free]
    a, b = left[order], right[order]
    lonely = np.unique(a[of_left[a] < 0])
    if len(lonely):
        turn = np.argsort(a, kind="stable")
        starts, ends = (np.searchsorted(a[turn], np.arange(lefts), side=side) for side in ("left", "right"))
        for one in lonely.tolist():
            _make_room(one, b[turn], starts, ends, of_left, of_right)
    return of_left, of_right


def _make_room(one: int, partners: Ints, starts: Ints, ends: Ints, of_left: Ints, of_right: Ints) -> None:
    """Finds a partner for a left one, by giving others another partner where that is needed."""
    came: dict[int, int] = {}  # a right one and the left one that asked for it
    waiting = [one]
    for asking in waiting:
        for partner in partners[starts[asking] : ends[asking]].tolist():
            if partner in came:
                continue
            came[partner] = asking
            if of_right[partner] >= 0:
                waiting.append(int(of_right[partner]))
                continue
            while True:
                giver = came[partner]
                given_up = int(of_left[giver])
                of_left[giver], of_right[partner] = partner, giver
                if giver == one:
                    return
                partner = given_up
