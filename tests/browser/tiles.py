"""A PMTiles file of version 3 with one vector tile, written by hand after the two specifications.

https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md and
https://github.com/mapbox/vector-tile-spec/tree/master/2.1: the tile 0/0/0 holds one polygon, in a layer `water`.
"""

from __future__ import annotations

import gzip
import json
import math
import struct

EXTENT = 4096 * 8  # units across the tile, which is the whole world


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _place(lon: float, lat: float) -> tuple[int, int]:
    x = (lon + 180) / 360
    y = (1 - math.log(math.tan(math.pi / 4 + math.radians(lat) / 2)) / math.pi) / 2
    return round(x * EXTENT), round(y * EXTENT)


def _tile(west: float, south: float, east: float, north: float) -> bytes:
    """One rectangle, degrees WGS84, in a layer `water`."""
    (left, bottom), (right, top) = _place(west, south), _place(east, north)
    steps = [(left, top), (right, top), (right, bottom), (left, bottom)]
    commands, at = b"", (0, 0)
    for number, (x, y) in enumerate(steps):
        commands += _varint({0: 1 << 3 | 1, 1: 3 << 3 | 2}[number]) if number < 2 else b""
        for value in (x - at[0], y - at[1]):
            commands += _varint(value << 1 if value >= 0 else (-value << 1) - 1)
        at = (x, y)
    commands += _varint(1 << 3 | 7)
    feature = _field(3, 3) + _field(4, commands)
    layer = _field(15, 2) + _field(1, b"water") + _field(2, feature) + _field(5, EXTENT)
    return _field(3, layer)


def pmtiles(west: float, south: float, east: float, north: float) -> bytes:
    """The file: header, root directory with one entry, metadata, the tile."""
    tile = gzip.compress(_tile(west, south, east, north), mtime=0)
    # one entry: tile 0, a run of one, its length, its offset plus one
    root = gzip.compress(b"".join(_varint(each) for each in (1, 0, 1, len(tile), 1)), mtime=0)
    metadata = gzip.compress(json.dumps({"vector_layers": [{"id": "water", "fields": {}}]}).encode(), mtime=0)
    ends = 127 + len(root) + len(metadata)
    places = (127, len(root), 127 + len(root), len(metadata), ends, 0, ends, len(tile), 1, 1, 1)
    header = b"PMTiles\x03" + struct.pack("<11Q", *places)
    header += bytes([1, 2, 2, 1, 0, 0])  # clustered, both compressed by gzip, vector tiles, zoom 0 to 0
    corners = [round(one * 1e7) for one in (west, south, east, north)]
    header += struct.pack("<4i", *corners) + struct.pack("<Bii", 0, corners[0], corners[1])
    assert len(header) == 127
    return header + root + metadata + tile
