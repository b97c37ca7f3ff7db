"""CityHeart's own applications: each folder declares what its matter needs and imports only ``cityheart.sdk``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cityheart.sdk import hookimpl

__all__ = ["apps"]


@hookimpl
def apps() -> Iterable[Path]:
    """The folders beside this file that have a manifest."""
    return sorted(path.parent for path in Path(__file__).parent.glob("*/manifest.toml"))
