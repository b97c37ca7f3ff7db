"""Orders that stop production, site by site: from when, until when, and by what they ended.

An order stops a whole site when it is of a kind that does (``data/orders.toml``) and its scope names no part of the site. One
that names the firm only holds for all its sites, or for the one whose name is in its scope.

It is in force from ``effective_from`` until the first of: ``effective_to``; ``lifted_at``, which is filled in weeks later; and
an inspection of the site with the result 合格 after it began, since production may start again then although the books do
not say so yet. Orders of a site that overlap are one time of standstill; the first gives it its number.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pyarrow as pa

__all__ = ["INPUTS", "Order", "in_force", "spans", "stops_all"]

INPUTS: Mapping[str, tuple[str, ...]] = {
    "enforcement_order": (
        "order_id",
        "firm_id",
        "site_id",
        "kind",
        "scope",
        "issued_at",
        "effective_from",
        "effective_to",
        "lifted_at",
    ),
    "enforcement_inspection": ("inspection_id", "site_id", "at", "result"),
}

_RULES = Path(__file__).parent.parent / "data" / "orders.toml"


@dataclass(frozen=True, slots=True)
class Order:
    """A time in which a whole site had to stand still. ``until`` is ``None`` while it goes on; ``ended`` says what ended it:
    ``term``, ``lifted`` or ``inspection``."""

    site: str
    order: str
    kind: str
    scope: str
    issued: datetime
    since: datetime
    until: datetime | None
    ended: str = ""


@cache
def _rules() -> Mapping[str, object]:
    return tomllib.loads(_RULES.read_text(encoding="utf-8"))


def stops_all(kind: str, scope: str) -> bool:
    """Whether an order of this kind and scope stops a whole site."""
    rules = _rules()
    stopping = rules["stopping"]
    assert isinstance(stopping, list)
    if kind not in stopping:
        return False
    return bool(re.search(str(rules["whole"]), scope)) or not re.search(str(rules["part"]), scope)


def in_force(order: pa.Table, inspection: pa.Table, site: pa.Table, now: datetime) -> list[Order]:
    """Every time in which a whole site had to stand still, that began by ``now``, in the order of sites and time.

    ``until`` may lie ahead of ``now``. Orders whose site or firm is in no register are kept under the number that they give.
    """
    passed = _passed(inspection, now)
    of_firm, names = _sites(site)
    found: dict[str, list[Order]] = {}
    for row in order.to_pylist():
        since = row["effective_from"] or row["issued_at"]
        if since is None or since > now or not stops_all(str(row["kind"]), str(row["scope"] or "")):
            continue
        for place in _held(row, of_firm, names):
            until, ended = _end(row, since, passed.get(place, ()), now)
            if until is None or until > since:
                scope, issued = str(row["scope"] or ""), row["issued_at"] or since
                one = Order(place, str(row["order_id"]), str(row["kind"]), scope, issued, since, until, ended)
                found.setdefault(place, []).append(one)
    return [one for place in sorted(found) for one in _joined(found[place])]


def _passed(inspection: pa.Table, now: datetime) -> Mapping[str, list[datetime]]:
    """Inspections with the result 合格, by site."""
    passed: dict[str, list[datetime]] = {}
    for row in inspection.to_pylist():
        if row["result"] == "合格" and row["at"] is not None and row["at"] <= now:
            passed.setdefault(str(row["site_id"]), []).append(row["at"])
    return passed


def _sites(site: pa.Table) -> tuple[Mapping[str, list[str]], Mapping[str, str]]:
    of_firm: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for row in site.select(["site_id", "firm_id", "name"]).to_pylist():
        of_firm.setdefault(str(row["firm_id"]), []).append(str(row["site_id"]))
        names[str(row["site_id"])] = str(row["name"] or "")
    return of_firm, names


def _held(row: Mapping[str, object], of_firm: Mapping[str, list[str]], names: Mapping[str, str]) -> Sequence[str]:
    """The sites for which an order holds."""
    if row["site_id"]:
        return (str(row["site_id"]),)
    theirs = of_firm.get(str(row["firm_id"]), [])
    ward = re.search(str(_rules()["ward"]), str(row["scope"] or ""))
    named = [one for one in theirs if ward and ward.group().lstrip("第") in names[one]]
    return named or theirs


def _end(
    row: Mapping[str, object], since: datetime, passed: Sequence[datetime], now: datetime
) -> tuple[datetime | None, str]:
    ends = [(at, name) for at, name in ((row["lifted_at"], "lifted"), (row["effective_to"], "term")) if at is not None]
    ends += [(at, "inspection") for at in passed if at > since]
    known = [(at, name) for at, name in ends if isinstance(at, datetime)]
    return min(known, default=(None, ""))


def _joined(orders: list[Order]) -> list[Order]:
    """Orders of one site, those that overlap or follow each other at once made one."""
    joined: list[Order] = []
    for one in sorted(orders, key=lambda each: (each.since, each.order)):
        before = joined[-1] if joined else None
        if before is None or (before.until is not None and before.until + timedelta(minutes=1) < one.since):
            joined.append(one)
        elif before.until is not None and (one.until is None or one.until > before.until):
            joined[-1] = replace(before, until=one.until, ended=one.ended)
    return joined


def spans(orders: Sequence[Order]) -> pa.Table:
    """Orders as (site_id, since, until): what :mod:`activity` leaves out of a site's usual."""
    moment = pa.timestamp("us", tz="UTC")
    schema = pa.schema([("site_id", pa.string()), ("since", moment), ("until", moment)])
    return pa.Table.from_pylist(
        [{"site_id": o.site, "since": o.since, "until": o.until} for o in orders], schema=schema
    )
