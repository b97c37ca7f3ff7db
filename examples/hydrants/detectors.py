"""What watches the hydrants."""

from __future__ import annotations

from datetime import timedelta

from cityheart.sdk import QueryDetector, QueryFinding, text


def detectors() -> list[QueryDetector]:
    """Hydrants below 0.14 MPa (blue), and below 0.10 MPa (yellow)."""
    return [
        QueryDetector(
            id="hydrants.low_pressure",
            title=text("消火栓压力不足", "Hydrant without pressure"),
            kind="low_pressure",
            sql="""
                SELECT hydrant, street, pressure, CASE WHEN pressure < $fire THEN 3 ELSE 4 END AS level
                FROM hydrants WHERE pressure < $least
            """,
            inputs=("hydrants",),
            every=timedelta(minutes=1),
            window=timedelta(days=3650),
            parameters={"least": 0.14, "fire": 0.10},
            finding=QueryFinding(
                subject_kind="hydrant",
                subject="hydrant",
                name=text("{street}消火栓 {hydrant}", "hydrant {hydrant}, {street}"),
                level="level",
                score="pressure",
                reasons=(text("压力 {pressure:.2f} MPa", "pressure {pressure:.2f} MPa"),),
            ),
        )
    ]
