"""Results of inspections that officers record on the page of a firm or site, beside what the systems deliver."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from cityheart.apps.hazchem.pages.common import column, table
from cityheart.sdk import Reader, text

__all__ = ["FORM", "listed", "recorded"]

FORM = "hazchem.firm/record"
"""The form, by its page and section."""


def recorded(read: Reader, subject: str | None) -> list[dict[str, object]]:
    """What was recorded (about a subject, or about all), newest first. Raises Forbidden for those whose it is not."""
    found = []
    for one in read.records(FORM):
        if subject is None or one["subject"] == subject:
            values = cast("Mapping[str, object]", one["values"])
            by = cast("Mapping[str, object]", one["by"])
            found.append(
                {
                    "by": text("现场填报", "Recorded here"), "at": one["at"], "subject": one["subject"],
                    "result": values.get("result"), "findings": values.get("findings"), "how": values.get("how"),
                    "person": by.get("name"),
                }
            )  # fmt: skip
    return found


def listed(read: Reader, now: datetime, given: Mapping[str, object]) -> dict[str, object]:
    """Everything that was recorded, newest first."""
    return table(
        [
            column("at", "时间", "Time", kind="time"),
            column("result", "结果", "Result"),
            column("how", "来由", "Because of"),
            column("findings", "发现", "Findings"),
            column("person", "填报人", "By"),
        ],
        recorded(read, None),
    )
