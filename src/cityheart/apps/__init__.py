"""CityHeart's own applications: each folder declares what its matter needs and imports only ``cityheart.sdk``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cityheart.sdk import hookimpl

__all__ = ["apps", "cities"]


@hookimpl
def apps() -> Iterable[Path]:
    """The folders beside this file that have a manifest."""
    return sorted(path.parent for path in Path(__file__).parent.glob("*/manifest.toml"))


@hookimpl
def cities() -> Iterable[Path]:
    """The files of cities to begin with that applications bring."""
    return sorted(Path(__file__).parent.glob("*/cities/*.toml"))
