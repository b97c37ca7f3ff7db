"""The track of one vehicle over some time: its way, simplified, with its stays, trips and visits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.lake import Lake
from cityheart.engine.layout import epoch_us
from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Invalid, NotFound
from cityheart.share.service import Share
from cityheart.watch.models import plain
from cityheart.watch.tracks.models import KINDS, Tracking

__all__ = ["Tracks"]

_Floats = npt.NDArray[np.float64]
_METRES = 6_371_008.8 * np.pi / 180.0  # of a degree of latitude
_MICROSECOND = timedelta(microseconds=1)


class Tracks:
    """Reads tracks as the sharing rules of their datasets allow."""

    def __init__(self, lake: Lake, share: Share) -> None:
        self._lake = lake
        self._share = share
        self._followed: dict[str, Tracking] = {}

    def register(self, trackings: Iterable[Tracking]) -> None:
        """Know what is followed."""
        self._followed.update({each.dataset: each for each in trackings})

    def followed(self, actor: Actor) -> list[dict[str, object]]:
        """Every dataset whose vehicles are followed: ``{dataset, name, title, key, outputs, sites, parameters}``."""
        require(actor, "dataset.read")
        return [
            {
                "dataset": each.dataset,
                "name": each.name,
                "title": each.title,
                "key": each.key,
                "outputs": dict(zip(KINDS, each.outputs, strict=True)),
                "sites": None if each.sites is None else each.sites.dataset,
                "parameters": each.parameters.declared(),
            }
            for each in self._followed.values()
        ]

    def track(
        self,
        actor: Actor,
        dataset: str,
        key: str,
        since: datetime,
        until: datetime,
        *,
        at: datetime | None = None,
        tolerance_m: float = 15.0,
    ) -> dict[str, object]:
        """The track of vehicle ``key`` from ``since`` up to ``until``, as known ``at`` a moment or now.

        ``pieces``: its way as lists of ``[time, lon, lat, load]`` (WGS84), a new piece after every silence that no trip
        bridges. Fixes are left out as long as the vehicle is
        never shown farther than ``tolerance_m`` from where it was, more where over ``limits.TRACK_POINTS`` would remain, and
        noise always. ``stays``, ``trips`` and ``visits`` are those that touch the time.
        Raises NotFound for a dataset that is not followed or a vehicle without a fix, Forbidden as the share does, Invalid
        for a time that is too long.
        """
        tracking = self._tracking(dataset)
        if not timedelta(0) < until - since <= limits.TRACK_SPAN:
            raise Invalid(f"the time is {until - since} long", remedy=f"more than nothing, at most {limits.TRACK_SPAN}")
        if not 0.0 <= tolerance_m <= 10_000.0:
            raise Invalid(f"tolerance_m is {tolerance_m}", remedy="0 to 10000")
        spec = self._lake.spec(dataset)
        needed = [tracking.key, spec.time, spec.lon, spec.lat, tracking.load, tracking.valid]
        self._share.admit(actor, dataset, at=at, columns=[name for name in needed if name is not None])
        for name in tracking.outputs:
            self._share.admit(actor, name, at=at)
        fixes, times, invalid = self._fixes(tracking, key, since, until, at)
        matters = {
            f"{kind}s": self._matters(tracking, name, key, since, until, at)
            for kind, name in zip(KINDS, tracking.outputs, strict=True)
        }
        if not len(fixes) and not any(matters.values()):
            raise NotFound(f"{dataset} has nothing of {key} in this time")
        from cityheart.engine.tracks.motion import real  # compiled code is loaded where a track is asked for

        kept = real(fixes, tracking.parameters.vector())
        pieces, used = _simplified(fixes[kept], tracking, tolerance_m)
        moments = times[kept]
        return {
            "dataset": dataset,
            "name": tracking.name,
            "key": key,
            "from": since,
            "to": until,
            "fixes": len(fixes),
            "noise": int(len(fixes) - kept.sum()),
            "invalid": invalid,
            "tolerance_m": used,
            "pieces": [
                [[moments[at], *_place(fixes[kept][at])] for at in piece.tolist()] for piece in pieces if len(piece)
            ],
            **matters,
        }

    def _tracking(self, dataset: str) -> Tracking:
        if dataset not in self._followed:
            listed = ", ".join(sorted(self._followed)) or "none"
            raise NotFound(f"the vehicles of {dataset} are not followed", remedy=f"followed are: {listed}")
        return self._followed[dataset]

    def _fixes(
        self, tracking: Tracking, key: str, since: datetime, until: datetime, at: datetime | None
    ) -> tuple[_Floats, npt.NDArray[np.object_], int]:
        """Time, position and load of each good fix, its time as text, and how many were no good."""
        spec = self._lake.spec(tracking.dataset)
        names = [spec.time, str(spec.lon), str(spec.lat), *([tracking.load] if tracking.load else [])]
        valid = [tracking.valid] if tracking.valid else []
        listed = ", ".join(f'"{name}"' for name in [*names, *valid])
        sql = f'SELECT {listed} FROM {tracking.dataset} WHERE "{tracking.key}" = $key ORDER BY "{spec.time}"'  # noqa: S608
        rows = self._lake.query(sql, {"key": key}, at=at, time=(since, until))
        good = pc.and_(rows[names[1]].is_valid(), rows[names[2]].is_valid())
        if tracking.valid is not None:
            good = pc.and_(good, pc.fill_null(rows[tracking.valid].cast(pa.bool_()), True))
        total, rows = rows.num_rows, rows.filter(good)
        fixes = np.full((rows.num_rows, 4), -1.0)
        fixes[:, 0] = epoch_us(rows[spec.time])
        for column, name in enumerate(names[1:], 1):
            fixes[:, column] = pc.fill_null(rows[name].cast(pa.float64()), -1.0).to_numpy()
        times = np.array([plain(each) for each in rows[spec.time].to_pylist()], dtype=object)
        return fixes, times, total - rows.num_rows

    def _matters(
        self, tracking: Tracking, name: str, key: str, since: datetime, until: datetime, at: datetime | None
    ) -> list[dict[str, object]]:
        sql = f"""
            SELECT * FROM {name} WHERE "{tracking.key}" = $key AND until >= $since AND state <> 'withdrawn' ORDER BY since
        """  # noqa: S608
        span = (since - limits.TRACK_SPAN, until)
        rows = self._lake.query(sql, {"key": key, "since": since}, at=at, time=span)
        columns = [column for column in rows.column_names if not column.startswith("_") and column != tracking.key]
        return [{column: plain(value) for column, value in row.items()} for row in rows.select(columns).to_pylist()]


def _place(fix: _Floats) -> list[object]:
    return [float(fix[1]), float(fix[2]), int(fix[3]) if fix[3] >= 0 else None]


def _simplified(fixes: _Floats, tracking: Tracking, tolerance_m: float) -> tuple[list[npt.NDArray[np.int64]], float]:
    """Which fixes to show, piece by piece, and the tolerance that brought them below the limit."""
    if not len(fixes):
        return [], tolerance_m
    silence = np.diff(fixes[:, 0]) > tracking.parameters.bridge / _MICROSECOND
    pieces = np.split(np.arange(len(fixes)), np.flatnonzero(silence) + 1)
    flat = fixes[:, :3] * (1.0, _METRES * np.cos(np.radians(fixes[:, 2].mean())), _METRES)
    while True:
        kept = [_thinned(piece, flat, tolerance_m) for piece in pieces]
        if sum(map(len, kept)) <= limits.TRACK_POINTS:
            return kept, tolerance_m
        if tolerance_m > 1e7:  # more silences than points that can be shown
            return kept[-limits.TRACK_POINTS // 2 :], tolerance_m
        tolerance_m = max(1.0, 2 * tolerance_m)


def _thinned(piece: npt.NDArray[np.int64], flat: _Floats, tolerance_m: float) -> npt.NDArray[np.int64]:
    """Of the fixes (time, metres east, metres north) so many that the vehicle is never farther from where it was *then*.

    Douglas and Peucker with distances at the same moment (TD-TR: Meratnia and de By, "Spatiotemporal compression
    techniques for moving point objects", 2004), so that a stay on the way remains a stay.
    """
    kept = np.zeros(len(piece), dtype=np.bool_)
    kept[[0, -1]] = True
    waiting = [(0, len(piece) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        part = flat[piece[first : last + 1]]
        share = (part[:, 0] - part[0, 0]) / (part[-1, 0] - part[0, 0])
        between = part[0, 1:] + share[:, None] * (part[-1, 1:] - part[0, 1:])
        away = np.hypot(*(part[:, 1:] - between).T)
        farthest = int(np.argmax(away))
        if away[farthest] > tolerance_m:
            kept[first + farthest] = True
            waiting += [(first, first + farthest), (first + farthest, last)]
    return piece[kept]
