"""A layer of areas in which positions are looked up by the million: polygons on a grid, tested edge by edge.

Positions are WGS84 degrees, edges straight lines in them. A position on the edge of an area may count as inside or
outside. The grid says for each cell which areas may cover it, so a position costs one look into the grid and, near an
area, a walk along its edges (the even-odd rule, which knows holes and parts).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely

from cityheart.engine.tracks.motion import AREAS, Layer
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge

__all__ = ["layer_of", "no_layer"]

_SIDE = 256  # cells of the grid along each side, at most


def no_layer() -> Layer:
    """A layer without an area."""
    return Layer(np.zeros(1, dtype=np.int32), np.zeros((1, 4)))


def layer_of(shapes: Sequence[shapely.Geometry]) -> Layer:
    """A layer of polygons and multipolygons, in their order.

    Invalid for another or a broken shape, and when more than ``AREAS`` of them cover one place; TooLarge beyond
    ``limits.TRACK_EDGES`` edges.
    """
    if not shapes:
        return no_layer()
    for number, shape in enumerate(shapes):
        if shape.geom_type not in ("Polygon", "MultiPolygon") or shape.is_empty or not shape.is_valid:
            why = (
                shapely.is_valid_reason(shape) if shape.geom_type.endswith("Polygon") else f"it is a {shape.geom_type}"
            )
            raise Invalid(f"area {number + 1} is no area: {why}", remedy="give valid polygons")
    tree = shapely.STRtree(shapes)
    met = tree.query(shapes, predicate="intersects")[0]
    if np.bincount(met).max() > AREAS and _deepest(shapes) > AREAS:
        raise Invalid(f"more than {AREAS} areas of one layer cover one place", remedy="divide them into several layers")
    edges = [_edges(shape) for shape in shapes]
    counts = np.array([len(each) for each in edges])
    if counts.sum() > limits.TRACK_EDGES:
        raise TooLarge(f"the areas have {counts.sum()} edges", remedy=f"simplify them to {limits.TRACK_EDGES}")
    west, south, east, north = shapely.total_bounds(np.array(shapes))
    side = int(min(_SIDE, max(8, 4 * np.sqrt(len(shapes)))))
    frame = np.array([west, south, side / max(east - west, 1e-9), side / max(north - south, 1e-9)])
    x, y = (each.ravel() for each in np.meshgrid(np.arange(side), np.arange(side)))
    lon, lat = west + x / frame[2], south + y / frame[3]
    margin = 0.01 / frame[2:]
    boxes = shapely.box(
        lon - margin[0], lat - margin[1], lon + 1 / frame[2] + margin[0], lat + 1 / frame[3] + margin[1]
    )
    cell, area = tree.query(boxes, predicate="intersects")
    head = 1 + side * side + 1 + len(shapes) + 1
    lists = head + np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=side * side))])
    starts = 1 + np.concatenate([[0], np.cumsum(counts)])
    grid = np.concatenate([[side], lists, starts, area[np.lexsort((area, cell))]]).astype(np.int32)
    return Layer(grid, np.concatenate([frame[None, :], *edges]))


def _deepest(shapes: Sequence[shapely.Geometry]) -> int:
    """How many areas cover one place, at most: counted inside each piece that their borders cut out."""
    lines = shapely.union_all([shape.boundary for shape in shapes])
    pieces = shapely.get_parts(shapely.polygonize([lines]))
    inside = shapely.STRtree(shapes).query(shapely.point_on_surface(pieces), predicate="within")[0]
    return int(np.bincount(inside, minlength=1).max())


def _edges(shape: shapely.Geometry) -> npt.NDArray[np.float64]:
    """Every edge of every ring, holes included."""
    found = []
    for part in shapely.get_parts(shape):
        for ring in (part.exterior, *part.interiors):
            points = np.asarray(shapely.get_coordinates(ring), dtype=np.float64)
            found.append(np.hstack([points[:-1], points[1:]]))
    return np.concatenate(found)
