"""Chinese map datums: GCJ-02 (the offset datum of Chinese maps) and BD-09 (Baidu's, on top of it) to WGS84.

The forward offset is the published approximation used by open-source map libraries (coordTransform, eviltransform);
its inverse is found by iteration and agrees with the forward one to well below a centimetre. Points outside the box
that the offset applies to (72.004…137.8347 E, 0.8293…55.8271 N) are WGS84 already. CGCS2000 is taken as WGS84: both are
realisations of ITRS whose ellipsoids differ by a tenth of a millimetre, a few decimetres at most by epoch.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["from_wgs84", "to_wgs84"]

Degrees = npt.NDArray[np.float64]

_A = 6378245.0  # semi-major axis of the Krassovsky 1940 ellipsoid, metres
_EE = 0.00669342162296594323  # its eccentricity squared
_X = np.pi * 3000.0 / 180.0


def to_wgs84(
    lon: Degrees, lat: Degrees, datum: Literal["WGS84", "CGCS2000", "GCJ-02", "BD-09"]
) -> tuple[Degrees, Degrees]:
    """Longitudes and latitudes in degrees of `datum`, as WGS84."""
    if datum in ("WGS84", "CGCS2000"):
        return lon, lat
    if datum == "BD-09":
        x, y = lon - 0.0065, lat - 0.006
        z = np.hypot(x, y) - 0.00002 * np.sin(y * _X)
        theta = np.arctan2(y, x) - 0.000003 * np.cos(x * _X)
        lon, lat = z * np.cos(theta), z * np.sin(theta)
    inside = _inside(lon, lat)
    x, y = lon.copy(), lat.copy()
    for _ in range(6):
        dx, dy = _offset(x, y)
        x, y = lon - dx, lat - dy
    return np.where(inside, x, lon), np.where(inside, y, lat)


def from_wgs84(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """WGS84 degrees as GCJ-02, for maps that are drawn in it."""
    dx, dy = _offset(lon, lat)
    inside = _inside(lon, lat)
    return np.where(inside, lon + dx, lon), np.where(inside, lat + dy, lat)


def _inside(lon: Degrees, lat: Degrees) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (lon >= 72.004) & (lon <= 137.8347) & (lat >= 0.8293) & (lat <= 55.8271)
    return inside


def _offset(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    x, y = lon - 105.0, lat - 35.0
    wave = 20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x)) + wave * 2.0 / 3.0
    north += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north += (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y * np.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x)) + wave * 2.0 / 3.0
    east += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east += (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    radians = lat / 180.0 * np.pi
    magic = 1.0 - _EE * np.sin(radians) ** 2
    root = np.sqrt(magic)
    north = north * 180.0 / ((_A * (1.0 - _EE)) / (magic * root) * np.pi)
    east = east * 180.0 / (_A / root * np.cos(radians) * np.pi)
    return east, north
