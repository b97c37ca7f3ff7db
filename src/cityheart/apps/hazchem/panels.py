"""What the application shows beside the map: sites under an order that stops production, the tanks nearest to alarm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cityheart.apps.hazchem.pages import hazards
from cityheart.sdk import Reader

__all__ = ["tanks"]

SHOWN = 12
COLUMNS = ("tank_id", "chemical", "what", "nearness", "hour")


def tanks(read: Reader, now: datetime) -> Mapping[str, object]:
    """The dozen tanks nearest to an alarm value."""
    found = hazards.near(read, now, {})
    columns, rows = found["columns"], found["rows"]
    assert isinstance(columns, list) and isinstance(rows, list)
    places = [at for at, one in enumerate(columns) if one["name"] in COLUMNS]
    share = next(at for at, one in enumerate(columns) if one["name"] == "nearness")
    shown = [[round(row[at] * 100) if at == share else row[at] for at in places] for row in rows[:SHOWN]]
    titled = [{"name": columns[at]["name"], "title": columns[at]["title"], "unit": None} for at in places]
    for one in titled:
        if one["name"] == "nearness":
            one["unit"] = "%"
    return {"type": "table", "columns": titled, "rows": shown, "note": None}
