"""Where the vehicles of the city are: the newest position of each, and what of it is news to somebody who looks on.

A vehicle is known by its place in a list, so that a frame of positions is numbers only (docs/adr/0034).
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.lake import Lake
from cityheart.kernel import limits
from cityheart.kernel.clock import Clock
from cityheart.watch.tracks.models import Tracking

__all__ = ["FRAME", "RECORD", "Fleet", "Looking", "Vehicles"]

_Ints = npt.NDArray[np.int64]

FRAME = struct.Struct("<BBHId")  # version, whether it replaces all, which of the datasets followed, records, city's ms
RECORD = np.dtype([("vehicle", "<u4"), ("lon", "<i4"), ("lat", "<i4"), ("at", "<u4")])  # degrees·10⁶, s since 1970
VERSION = 1
_SCALE = 1e6
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class Looking:
    """One who looks on a fleet: what part of the map, and what of it has been told."""

    box: tuple[float, float, float, float]
    mark: int = -1  # the change of the fleet up to which positions were told; -1: nothing was
    named: int = 0  # vehicles whose names were told
    shown: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def turn(self, box: tuple[float, float, float, float]) -> None:
        """Look at another part of the map: everything in it is told anew."""
        self.box, self.mark, self.shown = box, -1, np.zeros(0, dtype=np.bool_)


class Fleet:
    """The newest position of every vehicle of one dataset."""

    def __init__(self, lake: Lake, tracking: Tracking) -> None:
        self._lake = lake
        self._tracking = tracking
        self._lock = threading.Lock()
        self._version: int | None = None
        self._index: dict[str, int] = {}
        self.names: list[str] = []
        self.mark = 0
        self._lon = np.zeros(0)
        self._lat = np.zeros(0)
        self._at: _Ints = np.zeros(0, dtype=np.int64)  # microseconds since 1970
        self._changed: _Ints = np.zeros(0, dtype=np.int64)  # at which mark a position came

    def __len__(self) -> int:
        return len(self.names)

    def needs(self) -> list[str]:
        """The columns that whoever follows the vehicles has to be shown: which it is, when and where it was."""
        spec, each = self._lake.spec(self._tracking.dataset), self._tracking
        return [each.key, spec.time, str(spec.lon), str(spec.lat)]

    def refresh(self, now: datetime) -> None:
        """Take in what has landed since the last time; the first time what is known of the last hours."""
        with self._lock:
            version = self._lake.version(self._tracking.dataset)
            if version == self._version:
                return
            if self._version is None or version < self._version:
                span = (now - limits.LIVE_POSITION_AGE, now + limits.LIVE_POSITION_AHEAD)
                rows = self._lake.current(self._tracking.dataset, time=span, columns=self._columns())
            else:
                found = self._lake.changes(self._tracking.dataset, self._version)
                rows, version = found.rows.select(self._columns()), found.version
            self._take(rows, now)
            self._version = version

    def _columns(self) -> list[str]:
        spec, each = self._lake.spec(self._tracking.dataset), self._tracking
        return [each.key, spec.time, str(spec.lon), str(spec.lat), *([each.valid] if each.valid else [])]

    def _take(self, rows: pa.Table, now: datetime) -> None:
        key, time, lon, lat, *valid = self._columns()
        latest = pa.scalar(now + limits.LIVE_POSITION_AHEAD, rows.schema.field(time).type)
        good = pc.and_(pc.and_(rows[lon].is_valid(), rows[lat].is_valid()), pc.less_equal(rows[time], latest))
        for column in valid:
            good = pc.and_(good, pc.fill_null(rows[column].cast(pa.bool_()), True))
        rows = rows.filter(pc.and_(good, rows[key].is_valid()))
        if rows.num_rows == 0:
            return
        codes = rows[key].cast(pa.string()).combine_chunks().dictionary_encode()
        own = np.array([self._number(name) for name in codes.dictionary.to_pylist()], dtype=np.int64)
        self._grow()
        who = own[codes.indices.to_numpy()]
        at = rows[time].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
        order = np.lexsort((at, who))
        last = order[np.append(who[order][1:] != who[order][:-1], True)]  # the newest row of each vehicle
        last = last[at[last] > self._at[who[last]]]
        if len(last) == 0:
            return
        self.mark += 1
        moved = who[last]
        self._lon[moved], self._lat[moved] = rows[lon].to_numpy()[last], rows[lat].to_numpy()[last]
        self._at[moved], self._changed[moved] = at[last], self.mark

    def _number(self, name: str) -> int:
        number = self._index.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number

    def _grow(self) -> None:
        more = len(self.names) - len(self._at)
        if more > 0:
            self._lon, self._lat = np.append(self._lon, np.zeros(more)), np.append(self._lat, np.zeros(more))
            self._at = np.append(self._at, np.full(more, np.iinfo(np.int64).min))
            self._changed = np.append(self._changed, np.zeros(more, dtype=np.int64))

    def news(self, looking: Looking, now: datetime, number: int = 0) -> tuple[Sequence[str], bytes | None]:
        """The names told first, and a frame of what moved in the view; ``None`` when nothing did.

        A vehicle that leaves the view is told once more, where it is; one that was silent for too long is not told.
        """
        with self._lock:
            west, south, east, north = looking.box
            oldest = int((now - limits.LIVE_POSITION_AGE).timestamp() * 1e6)
            inside = (self._lon >= west) & (self._lon <= east) & (self._lat >= south) & (self._lat <= north)
            inside &= self._at >= oldest
            whole = looking.mark < 0
            shown = np.zeros(len(self._at), dtype=np.bool_)
            shown[: len(looking.shown)] = looking.shown
            told = inside if whole else (inside & ((self._changed > looking.mark) | ~shown)) | (shown & ~inside)
            looking.mark, looking.shown = self.mark, inside
            names: Sequence[str] = ()
            if looking.named < len(self.names):
                names, looking.named = self.names[looking.named :], len(self.names)
            chosen = np.flatnonzero(told)
            if len(chosen) == 0 and not whole:
                return names, None
            records = np.zeros(len(chosen), dtype=RECORD)
            records["vehicle"] = chosen
            records["lon"] = np.round(self._lon[chosen] * _SCALE)
            records["lat"] = np.round(self._lat[chosen] * _SCALE)
            records["at"] = self._at[chosen] // 1_000_000
        head = FRAME.pack(VERSION, int(whole), number, len(chosen), now.timestamp() * 1e3)
        return names, head + records.tobytes()


class Vehicles:
    """The fleets of a city, by the dataset their positions are in; each is read once, however many look on."""

    def __init__(self, lake: Lake, clock: Clock, trackings: Sequence[Tracking]) -> None:
        self._clock = clock
        self._fleets = {each.dataset: Fleet(lake, each) for each in trackings}

    def known(self) -> list[str]:
        """The datasets whose vehicles can be followed."""
        return list(self._fleets)

    def fleet(self, dataset: str) -> Fleet | None:
        """The fleet of a dataset, if its vehicles are followed."""
        return self._fleets.get(dataset)

    def news(self, dataset: str, looking: Looking, number: int) -> tuple[int, Sequence[str], bytes | None]:
        """What is new in the view: the number of the first name, names, and a frame (see :meth:`Fleet.news`)."""
        fleet, now = self._fleets[dataset], self._clock.now()
        fleet.refresh(now)
        first = looking.named
        names, frame = fleet.news(looking, now, number)
        return first, names, frame
