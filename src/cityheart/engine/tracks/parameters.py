"""What a stay, a trip and a jump are: numbers with units, declared by applications as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from cityheart.kernel import duration, limits
from cityheart.kernel.errors import Invalid

__all__ = ["MEANINGS", "Parameters"]

_MICROSECOND = timedelta(microseconds=1)

MEANINGS: Mapping[str, str] = {
    "radius_m": "how far the fixes of a stay lie from its first fix, and later from its centre, at most",
    "stay": "how long a stay lasts at least",
    "stay_gap": "a silence up to which a vehicle that is heard again at the same place has stayed there",
    "bridge": "a silence up to which a trip goes on, as in a tunnel",
    "trip_m": "a shorter way is no trip",
    "speed_kmh": "a fix that could only be reached faster is noise",
    "jumps": "after so many fixes in a row that agree with each other the vehicle is really there",
    "update": "how often an open stay, trip or visit is written again, in the time of the fixes",
    "lateness": "how late a fix may come, by the time of the newest, and still correct what was said; "
    f"at most {limits.TRACK_ROWS} fixes of a vehicle are kept for that",
    "edge_m": "how far inside an area a fix must be to be there whatever the error of positions",
    "ahead": "how far a device's clock may be ahead of the city's",
}
"""What each parameter says."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Lengths in metres, speeds in km/h; what each of them says is in ``MEANINGS``."""

    radius_m: float = 150.0
    stay: timedelta = timedelta(minutes=10)
    stay_gap: timedelta = timedelta(hours=24)
    bridge: timedelta = timedelta(minutes=30)
    trip_m: float = 500.0
    speed_kmh: float = 150.0
    jumps: int = 3
    update: timedelta = timedelta(minutes=15)
    lateness: timedelta = timedelta(hours=12)
    ahead: timedelta = timedelta(minutes=10)
    edge_m: float = 50.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, timedelta):
                if not timedelta(0) < value <= timedelta(days=366):
                    raise Invalid(f"tracks: {each.name} is {value}", remedy="more than nothing, at most a year")
            elif not (np.isfinite(value) and value > 0):
                raise Invalid(f"tracks: {each.name} is {value}", remedy="a number above 0")

    @classmethod
    def of(cls, declared: Mapping[str, object]) -> Parameters:
        """From declared names and values, durations as ISO 8601. Invalid for a name or value that is none."""
        known = {each.name: each.default for each in fields(cls)}
        given: dict[str, object] = {}
        for name, value in declared.items():
            if name not in known:
                raise Invalid(f"tracks: there is no parameter {name!r}", remedy=f"there are: {', '.join(known)}")
            if isinstance(known[name], timedelta):
                given[name] = value if isinstance(value, timedelta) else duration.parse(str(value))
            elif isinstance(value, bool) or not isinstance(value, int | float):
                raise Invalid(f"tracks: {name} is {value!r}", remedy="write a number")
            else:
                given[name] = value
        return cls(**given)  # type: ignore[arg-type]

    def declared(self) -> dict[str, object]:
        """As :meth:`of` reads them."""
        return {
            each.name: duration.iso(value) if isinstance(value := getattr(self, each.name), timedelta) else value
            for each in fields(self)
        }

    def vector(self) -> npt.NDArray[np.float64]:
        """For the kernel: microseconds, metres, metres per microsecond."""
        spans = (self.stay, self.stay_gap, self.bridge, self.update, self.lateness, self.ahead)
        micros = [float(span // _MICROSECOND) for span in spans]
        speed = self.speed_kmh / 3.6 / 1e6
        return np.array(
            [self.radius_m, self.trip_m, speed, float(self.jumps), float(limits.TRACK_ROWS), *micros, self.edge_m]
        )
