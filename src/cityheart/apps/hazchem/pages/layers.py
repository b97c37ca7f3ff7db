"""Layers of the map that rows alone do not give: sites by how near their tanks are to an alarm value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cityheart.apps.hazchem.pages import hazards
from cityheart.sdk import Reader, text

__all__ = ["tanks"]


def tanks(read: Reader, now: datetime, given: Mapping[str, object]) -> list[dict[str, object]]:
    """Each site with tanks: the share of an alarm value that its nearest tank has reached, per cent."""
    found = hazards.places(read, now, given)["points"]
    assert isinstance(found, list)
    return [{**one, "name": text(one["name"], one["name"])} for one in found]
