"""Makes machine code of the loops that are compiled, so that nobody waits for it when the first device speaks.

It is kept beside the modules, for this machine. ``python -m cityheart.precompile``
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import shapely

from cityheart.apps.hazchem.detectors.emission_hours import EmissionHours
from cityheart.apps.hazchem.detectors.tank_hours import TankHours
from cityheart.engine.hot import HotWindow
from cityheart.engine.keyed import run_keyed
from cityheart.engine.polygons import Polygons
from cityheart.engine.sayings import Remembered
from cityheart.engine.tracks.areas import no_layer
from cityheart.engine.tracks.parameters import Parameters
from cityheart.engine.tracks.tracker import Columns, Tracker
from cityheart.share.formats.bodies import Bodies
from cityheart.share.wire import hj212, jt808
from cityheart.share.wire.framing import Framer
from cityheart.share.wire.hj212_answers import Monitors
from cityheart.share.wire.jt808_answers import Terminals

__all__ = ["main"]

_AT = datetime(2026, 7, 1, 4, tzinfo=UTC)
# the frames that describe the protocols (JT/T 808-2019, HJ 212-2017)
_POSITION = bytes.fromhex(
    "7e0200402201000000000139123456780007000000000000030301e8f45b073724710005026f005726070112000001040001e240de7e"
)
_PACKET = (
    b"##0170QN=20260701120000000;ST=32;CN=2011;PW=123456;MN=320600A8900016F000169DC0;Flag=5;CP=&&"
    b"DataTime=20260701120000;w00000-Rtd=12.5,w00000-Flag=N;w01018-Rtd=88.2,w01018-Flag=N&&3240\r\n"
)


def main() -> None:
    """Run every compiled loop once."""
    _protocol(jt808.framer(), _POSITION, Terminals())
    jt808.decode(pa.array([_POSITION], pa.binary()))
    _protocol(hj212.framer(), _PACKET, Monitors())
    hj212.decode(pa.array([_PACKET], pa.binary()))
    _vehicle()
    _memory()
    _messages()
    _areas()
    _hours()


def _protocol(framer: Framer, frame: bytes, dialogue: Terminals | Monitors) -> None:
    framer.feed(_AT, 1, frame)
    dialogue.hear(framer.take())


def _vehicle() -> None:
    moments = pa.array([_AT + timedelta(seconds=30 * number) for number in range(3)], pa.timestamp("us", tz="UTC"))
    rows = pa.table(
        {
            "car": pa.array(["a"] * 3, pa.string()),
            "at": moments,
            "lon": pa.array([121.0, 121.0, 121.01], pa.float64()),
            "lat": pa.array([32.0] * 3, pa.float64()),
            "_known_at": moments,
        }
    )
    Tracker(Columns("car", "at", "lon", "lat"), Parameters(), no_layer()).run({}, rows)
    window = HotWindow(lon="lon", lat="lat", time="at")
    window.add(rows.drop_columns(["_known_at"]))
    window.nearest(121.0, 32.0, 1, _AT, _AT + timedelta(hours=1))


def _messages() -> None:
    Bodies.of(pa.array([b'{"t":1,"v":2.5}'], pa.binary())).column("v")


def _areas() -> None:
    Polygons([shapely.box(121.0, 32.0, 121.1, 32.1)]).pairs(np.array([121.05]), np.array([32.05]))


def _hours() -> None:
    moments = pa.array([_AT, _AT + timedelta(hours=1)], pa.timestamp("us", tz="UTC"))
    shared = {"time": moments, "value": [1.0, 2.0], "_known_at": moments}
    quality = pa.array([0, 0], pa.int64())
    tanks = {"site_id": ["a"] * 2, "tank_id": ["b"] * 2, "metric": ["level_m"] * 2, "quality": quality}
    run_keyed(TankHours(), {}, pa.table({**tanks, **shared}), time="time")
    total = pa.array([None, None], pa.float64())
    outlets = {"mn": ["a"] * 2, "cn": [2011] * 2, "factor": ["b"] * 2, "total": total, "flag": ["N"] * 2}
    run_keyed(EmissionHours(), {}, pa.table({**outlets, **shared}), time="time")


def _memory() -> None:
    remembered, marks = Remembered(), np.ones(1, dtype=np.uint64)
    remembered.put(marks, marks)
    remembered.same(marks, marks)


if __name__ == "__main__":
    main()
