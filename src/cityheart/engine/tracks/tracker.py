"""Tracks of all vehicles of a dataset: landed rows in, stays, trips and visits out, with a state for each vehicle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.keyed import State, keys_of
from cityheart.engine.layout import KNOWN_AT, SEQ, TIMESTAMP, epoch_us
from cityheart.engine.tracks import motion, paths
from cityheart.engine.tracks.areas import no_layer
from cityheart.engine.tracks.motion import CONTENT, KIND, KNOWN, NOTES, PLACE, RECORD, STATUS, WAY, Layer, follow
from cityheart.engine.tracks.parameters import Parameters

__all__ = ["Columns", "Records", "Tracked", "Tracker"]

Floats = npt.NDArray[np.float64]

_LONG_AGO = -1e18
_BOTH_CORES = 100_000  # rows from which two threads share the vehicles
_PARTS = 4  # of the vehicles, so that both threads have as much to do and memory holds few of the rows twice
_STATES = np.array(["open", "closed", "withdrawn"])
_ENDS = np.array(["moved_on", "silence", "jump"])


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of the rows say what: the vehicle, its position (WGS84 degrees) and time.

    ``load``: 0 empty, above 0 loaded. ``valid``: rows in which it is false are left out.
    """

    key: str
    time: str
    lon: str
    lat: str
    load: str | None = None
    valid: str | None = None


@dataclass(frozen=True)
class Records:
    """What is said of matters, oldest knowledge first for each vehicle: the newest row of a matter counts.

    ``vehicle``: the place of each row's vehicle in ``names``. ``values``: lines of ``motion.RECORD`` numbers. ``ways``: the
    lines that some of them name, none of which is line 0.
    """

    names: list[str]
    vehicle: npt.NDArray[np.int64]
    values: Floats
    ways: Floats

    def of(self, kind: int) -> Records:
        """Those of one kind."""
        return self.take(np.flatnonzero(self.values[:, KIND] == kind))

    def column(self, number: int) -> Floats:
        """One number of the content of each."""
        return self.values[:, CONTENT + number]

    @property
    def known(self) -> npt.NDArray[np.int64]:
        """When it was known, microseconds since 1970 UTC."""
        return self.values[:, KNOWN].astype(np.int64)

    def stays(self, key: str) -> pa.Table:
        """The stays as rows: see docs/reference/tracks.md."""
        some = self.of(motion.STAY)
        return some._table(
            key,
            {
                "lon": some.column(motion.LON),
                "lat": some.column(motion.LAT),
                "radius_m": some.column(motion.MOVED).round(1),
                **some._loads(),
            },
        )

    def trips(self, key: str) -> pa.Table:
        """The trips as rows."""
        some = self.of(motion.TRIP)
        return some._table(
            key,
            {
                "from_lon": some.column(motion.LON),
                "from_lat": some.column(motion.LAT),
                "to_lon": some.column(motion.LON2),
                "to_lat": some.column(motion.LAT2),
                "path": some._paths(),
                "distance_m": some.column(motion.MOVED).round(1),
                "fastest_kmh": (some.column(motion.FASTEST) * 3.6e6).round(1),
                **some._loads(),
            },
        )

    def visits(self, key: str, layer: str, ids: npt.NDArray[np.str_]) -> pa.Table:
        """The visits to the areas of a layer, which have these ids, as rows."""
        some = self.of(motion.VISIT)
        places = pa.array(ids[some.values[:, PLACE].astype(np.int64)].tolist(), pa.string())
        return some.at_places(key, layer, places, np.zeros(len(some.values)))

    def at_places(self, key: str, layer: str, places: pa.Array, distance: Floats) -> pa.Table:
        """As visits to places that are known otherwise; ``distance``: metres from the position to each place."""
        return self._table(
            key,
            {
                "layer": pa.repeat(pa.scalar(layer, pa.string()), len(places)),
                "place": places,
                "lon": self.column(motion.LON),
                "lat": self.column(motion.LAT),
                "distance_m": distance.round(1),
                "deepest_m": self.column(motion.DEEPEST).round(1),
                "deep_fixes": self.column(motion.DEEP).astype(np.int64),
                "path": self._paths(),
                **self._loads(),
            },
        )

    def take(self, chosen: npt.NDArray[np.int64]) -> Records:
        """Some of them."""
        return Records(self.names, self.vehicle[chosen], self.values[chosen], self.ways)

    def _loads(self) -> dict[str, pa.Array | Floats]:
        before, after = self.column(motion.LOAD_A), self.column(motion.LOAD_B)
        return {
            "load_before": pa.array(before.astype(np.int64), mask=before < 0),
            "load_after": pa.array(after.astype(np.int64), mask=after < 0),
            "loaded_s": self.column(motion.LOADED) / 1e6,
            "half_s": self.column(motion.HALF) / 1e6,
            "empty_s": self.column(motion.EMPTY) / 1e6,
        }

    def _paths(self) -> pa.ChunkedArray:
        """The way of each as text (see ``paths``), null where none is told."""
        told = self.values[:, STATUS] != motion.WITHDRAWN
        return paths.written(self.ways, np.where(told, self.values[:, motion.WAY], 0.0).astype(np.int64))

    def _table(self, key: str, own: Mapping[str, object]) -> pa.Table:
        status = self.values[:, STATUS].astype(np.int64)
        ended = _ENDS[self.column(motion.ENDED).astype(np.int64)]
        names = pa.array(self.names, pa.string())
        return pa.table(
            {
                key: names.take(pa.array(self.vehicle)),
                "since": _moments(self.column(motion.SINCE)),
                "until": _moments(self.column(motion.UNTIL)),
                **own,
                "fixes": self.column(motion.FIXES).astype(np.int64),
                "noise": self.column(motion.NOISE).astype(np.int64),
                "silence_s": self.column(motion.SILENCE) / 1e6,
                "state": pa.array(_STATES[status].tolist(), pa.string()),
                "ended": pa.array(ended.tolist(), pa.string(), mask=status != motion.CLOSED),
                KNOWN_AT: _moments(self.values[:, KNOWN]),
            }
        )


@dataclass
class Tracked:
    """States of the vehicles that had rows, and the records. ``skipped``: rows without a vehicle, place or time."""

    states: dict[str, State] = field(default_factory=dict)
    records: Records = field(
        default_factory=lambda: Records(
            [], np.empty(0, dtype=np.int64), np.empty((0, RECORD)), np.zeros((1, 2 * motion.POINTS))
        )
    )
    skipped: int = 0


class Tracker:
    """Follows the vehicles of one dataset. ``layer``: areas whose visits are told."""

    def __init__(self, columns: Columns, parameters: Parameters, layer: Layer | None = None) -> None:
        self.columns = columns
        self.parameters = parameters
        self._vector = parameters.vector()
        self._layer = no_layer() if layer is None else layer
        self._drawn = hashlib.sha256(self._layer.grid.tobytes() + self._layer.edges.tobytes()).hexdigest()[:16]

    def run(self, states: Mapping[str, State], rows: pa.Table) -> Tracked:
        """Goes through landed rows; ``states`` is left as it is, vehicles without one begin anew.

        The result does not depend on how rows were cut into batches: what is said as of a moment is the same.
        """
        total = rows.num_rows
        rows = self._usable(rows)
        if rows.num_rows == 0:
            return Tracked(skipped=total)
        names, landed = self._by_vehicle(rows)

        def some(part: range) -> list[tuple[State, Floats, Floats]]:
            done = []
            for vehicle, rows in zip(part, landed.of(part), strict=True):
                base, kept, notes = _unpacked(states.get(names[vehicle]), self._drawn)
                records, ways, kept = follow(base, self._vector, self._layer, kept, rows, notes)
                done.append((_packed(base, kept, notes, self._drawn), records, ways))
            return done

        if rows.num_rows > _BOTH_CORES:
            size = -(-len(names) // _PARTS)
            with ThreadPoolExecutor(2, thread_name_prefix="tracks") as pool:
                parts = [range(start, min(start + size, len(names))) for start in range(0, len(names), size)]
                done = [each for part in pool.map(some, parts) for each in part]
        else:
            done = some(range(len(names)))
        return Tracked(
            {name: state for name, (state, _, _) in zip(names, done, strict=True)},
            _gathered(names, [(records, ways) for _, records, ways in done]),
            total - rows.num_rows,
        )

    def _usable(self, rows: pa.Table) -> pa.Table:
        c = self.columns
        chosen = pc.and_(
            pc.less_equal(pc.abs(rows[c.lon]), pa.scalar(180.0)), pc.less_equal(pc.abs(rows[c.lat]), pa.scalar(90.0))
        )
        for name in (c.key, c.time):
            if rows[name].null_count:
                chosen = pc.and_(chosen, rows[name].is_valid())
        if c.valid is not None:
            chosen = pc.and_(chosen, pc.fill_null(rows[c.valid].cast(pa.bool_()), True))
        wanted = [
            c.key,
            c.time,
            c.lon,
            c.lat,
            KNOWN_AT,
            *([c.load] if c.load else []),
            *([SEQ] if SEQ in rows.column_names else []),
        ]
        rows = rows.select(wanted)
        good = pc.sum(chosen).as_py()
        return rows if good == rows.num_rows and not chosen.null_count else rows.filter(chosen)

    def _by_vehicle(self, rows: pa.Table) -> tuple[list[str], _Landed]:
        """The vehicles' names, and the rows by vehicle."""
        c = self.columns
        names, codes = keys_of(c.key, rows)
        short = codes.astype(np.int32)
        load = np.full(len(codes), -1.0)
        if c.load is not None:
            load = np.clip(pc.fill_null(rows[c.load].cast(pa.int64()), -1).to_numpy(), -1, 127).astype(np.float64)
        lon, lat = (np.asarray(rows[name].to_numpy(), dtype=np.float64) for name in (c.lon, c.lat))
        seq = rows[SEQ].to_numpy() if SEQ in rows.column_names else None
        starts = np.concatenate([[0], np.cumsum(np.bincount(short, minlength=len(names)))])
        return names, _Landed(short, starts, epoch_us(rows[KNOWN_AT]), epoch_us(rows[c.time]), seq, lon, lat, load)


@dataclass(frozen=True, slots=True)
class _Landed:
    """Rows as they landed. ``codes``: whose each of them is; ``starts``: how many rows those before a vehicle have."""

    codes: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    known: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    seq: npt.NDArray[np.int64] | None
    lon: Floats
    lat: Floats
    load: Floats

    def of(self, vehicles: range) -> Iterator[Floats]:
        """The rows of some, one after another (time, lon, lat, load, known) in the order of known, time, landing."""
        low, high = vehicles.start, vehicles.stop
        first = self.starts[low : high + 1] - self.starts[low]
        lines, where = np.empty((int(first[-1]), 5)), np.empty(int(first[-1]), dtype=np.int64)
        motion.sort_out(
            self.codes, low, high, first[:-1].copy(), self.time, self.lon, self.lat, self.load, self.known, lines, where
        )
        for start, end in zip(first[:-1].tolist(), first[1:].tolist(), strict=True):
            rows = lines[start:end]
            if not _ascending(rows):
                timed = rows[np.argsort(rows[:, 0])]
                if not _ascending(timed):  # known in another order than it happened, or said twice
                    landing = where[start:end] if self.seq is None else self.seq[where[start:end]]
                    timed = rows[np.lexsort((landing, rows[:, 0], rows[:, 4]))]
                rows = timed
            yield rows


def _gathered(names: list[str], said: Sequence[tuple[Floats, Floats]]) -> Records:
    """The records of all vehicles; their ways are lines of one array."""
    counts = np.array([len(records) for records, _ in said])
    values = np.concatenate([records for records, _ in said])
    ways = np.concatenate([np.zeros((1, 2 * motion.POINTS)), *(lines[1:] for _, lines in said)])
    before = np.cumsum([0, *(len(lines) - 1 for _, lines in said[:-1])])
    values[:, WAY] += np.where(values[:, WAY] > 0, np.repeat(before, counts), 0)
    return Records(names, np.repeat(np.arange(len(names)), counts), values, ways)


def _ascending(rows: Floats) -> bool:
    """Whether every row is later known, or known together with the one before and later in time."""
    later = np.diff(rows[:, 4])
    return bool(((later > 0) | ((later == 0) & (np.diff(rows[:, 0]) > 0))).all())


def _unpacked(state: State | None, drawn: str) -> tuple[Floats, Floats, Floats]:
    """The numbers of a vehicle, its kept fixes and its notes; without visits when the areas were drawn otherwise."""
    base = np.zeros(motion.STATE_SIZE)
    if not state or state.get("size") != motion.STATE_SIZE:  # nothing known, or kept by another version
        return base, np.empty((0, 4)), np.array([_LONG_AGO, _LONG_AGO, _LONG_AGO, 0.0, 0.0])
    at, values, notes = _array(state, "at"), _array(state, "is"), _array(state, "notes")
    base[at] = values
    if state["drawn"] != drawn:
        base[motion.VISITS] = base[motion.VISITED] = 0.0
    time = _array(state, "time")
    kept = np.empty((len(time), 4))
    kept[:, 0], kept[:, 3] = time, _array(state, "load")
    kept[:, 1], kept[:, 2] = _array(state, "lon") * motion.UNIT, _array(state, "lat") * motion.UNIT
    assert len(notes) == NOTES
    return base, kept, notes.astype(np.float64)


def _packed(base: Floats, kept: Floats, notes: Floats, drawn: str) -> State:
    at = np.flatnonzero(base).astype(np.uint16)
    return {
        "drawn": drawn,
        "size": motion.STATE_SIZE,
        "at": at,
        "is": base[at],
        "notes": notes,
        "time": kept[:, 0].astype(np.int64),
        "lon": np.round(kept[:, 1] / motion.UNIT).astype(np.int32),
        "lat": np.round(kept[:, 2] / motion.UNIT).astype(np.int32),
        "load": kept[:, 3].astype(np.int8),
    }


def _array(state: State, name: str) -> npt.NDArray[np.int64]:
    value = state[name]
    assert isinstance(value, np.ndarray)
    return cast("npt.NDArray[np.int64]", value)


def _moments(values: Floats) -> pa.Array:
    return pa.array(values.astype(np.int64)).cast(TIMESTAMP)
