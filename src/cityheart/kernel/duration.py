"""ISO 8601 durations of weeks, days, hours, minutes, seconds: what has one length everywhere (no months, no years)."""

from __future__ import annotations

import re
from datetime import timedelta

from cityheart.kernel.errors import Invalid

__all__ = ["iso", "parse"]

_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def parse(value: object) -> timedelta:
    """``PT3H`` → three hours. Raises :class:`Invalid` for anything else, and beyond ten years."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) <= 32 else None
    if match is None or not any(match.groups()) or str(value).endswith("T"):
        raise Invalid(f"{value!r} is not a duration", remedy="write it as ISO 8601, e.g. PT30M, PT3H, P2D")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if max(weeks, days, hours // 24, minutes // 1440, seconds // 86400) > 3660:
        raise Invalid(f"{value!r} is longer than ten years", remedy="use a shorter duration")
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def iso(value: timedelta) -> str:
    """The one spelling of a duration: ``P1DT2H``, ``PT30M``, ``PT0S``."""
    total = int(value.total_seconds())
    days, rest = divmod(total, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    time = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    if not days:
        return f"PT{time or '0S'}"
    return f"P{days}D" + (f"T{time}" if time else "")
