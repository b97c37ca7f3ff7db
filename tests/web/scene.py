"""A small city with vehicles on its roads, and people who may and may not see them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from cityheart.city import City
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text

PASSWORD = "a password for tests"
SYSTEM = Actor.system("test")
START = datetime(2026, 3, 24, 8, tzinfo=UTC)
POSITIONS = "transport_position"
PEOPLE = (
    ("officer", None, "duty_officer"),
    ("analyst", None, "analyst"),
    ("steward", None, "steward"),
    ("carrier", "transport", "clerk"),
)

Fix = tuple[str, float, float, float]  # terminal, seconds after START, lon, lat


def area(code: str, west: float, since: str, until: str | None, **more: object) -> dict[str, object]:
    """An area one degree wide."""
    ring = [[west, 31.0], [west + 1, 31.0], [west + 1, 32.0], [west, 32.0], [west, 31.0]]
    own = {"code": code, "name": f"{code}区", "name_en": f"District {code}", "kind": "district", "parent": None}
    own |= {"valid_from": since, "valid_to": until, "schematic": False, **more}
    return {"type": "Feature", "properties": own, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def road_city(home: Path, **settings: object) -> City:
    """A city on a virtual clock at START with the hazardous-goods application."""
    chosen = Settings.checked(
        home=home, apps=("hazchem",), seed=1, clock="virtual", bounds=(120.0, 31.0, 122.0, 33.0), **settings
    )
    files = home.parent / "areas.geojson"
    collection = {
        "type": "FeatureCollection",
        "features": [area("old", 120, "2000-01-01", "2026-04-01"), area("new", 120, "2026-04-01", None)],
    }
    files.write_text(json.dumps(collection), "utf-8")
    city = City.create(chosen, VirtualClock(START), {"areas.geojson": files})
    for username, department, role in PEOPLE:
        city.serve.create(
            SYSTEM, username, PASSWORD, name=text(username, username), department=department, roles=[role]
        )
    return city


def drive(city: City, fixes: Sequence[Fix], valid: bool = True) -> None:
    """Land positions as the city's clock stands."""
    known = pa.array([city.clock.now()] * len(fixes), pa.timestamp("us", tz="UTC"))
    columns = {
        "terminal_phone": pa.array([one[0] for one in fixes], pa.string()),
        "time": pa.array([START + timedelta(seconds=one[1]) for one in fixes], pa.timestamp("us", tz="UTC")),
        "lon": pa.array([one[2] for one in fixes], pa.float64()),
        "lat": pa.array([one[3] for one in fixes], pa.float64()),
        "valid": pa.array([valid] * len(fixes), pa.bool_()),
        "_known_at": known,
        "_source": pa.array(["test"] * len(fixes), pa.string()),
        "_batch": pa.array(["test"] * len(fixes), pa.string()),
    }
    city.lake.append(POSITIONS, pa.table(columns))
