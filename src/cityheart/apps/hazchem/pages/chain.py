"""The page of a chemical: where it went, and the balance of a site and month. A site is chosen as a subject."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from cityheart.apps.hazchem import chain
from cityheart.apps.hazchem.pages.common import nothing
from cityheart.sdk import Reader

__all__ = ["balance", "flow"]

Given = Mapping[str, object]


def _site(given: Given) -> str | None:
    identifiers = cast("Mapping[str, list[str]]", given.get("site_identifiers") or {})
    return next(iter(identifiers.get("site_id", [])), None)


def flow(read: Reader, now: datetime, given: Given) -> Mapping[str, object]:
    """The chemical from where it is made or comes in to where it is used or disposed of, over the chosen days."""
    return chain.flow(read, now, {**given, "site": _site(given)})


def balance(read: Reader, now: datetime, given: Given) -> Mapping[str, object]:
    """The balance of the chosen site, chemical and month, each number with its witness."""
    site = _site(given)
    if site is None:
        return nothing(
            "选定一处厂址后，这里显示它这个月的物料平衡。", "Choose a site to see its balance of this month."
        )
    return chain.month(read, now, {**given, "site": site})
