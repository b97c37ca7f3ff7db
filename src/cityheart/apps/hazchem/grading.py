"""Major hazards graded by GB 18218-2018: R = α · Σ β · q/Q for each site, by what its tanks can hold and hold now.

The standard grades a unit (a tank farm within one wall) by the largest quantity that it is designed for; the registers
know tanks by site, so a site's tanks count as one unit, which never gives a lower grade. Beside it stands the same sum over
what the tanks hold at the moment: the grade in law does not follow it, who looks after the site does.

``data/grading.toml`` holds the tables. Chemicals that it does not name take no part and are listed as ungraded.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals.books import codes, numbers, seconds
from cityheart.sdk import Reader, Text, text

__all__ = ["GRADES", "TANK_HOURS", "Chemical", "critical_t", "grade_sites", "grades", "hazards", "masses", "rules"]

HOURS = 48
"""A tank that was not read for so many hours is not counted in what is held now."""

GRADES = pa.schema(
    [
        ("site_id", pa.string()),
        ("residents", pa.int64()),
        ("alpha", pa.float64()),
        ("ratio", pa.float64()),
        ("r", pa.float64()),
        ("grade", pa.int64()),
        ("ratio_now", pa.float64()),
        ("r_now", pa.float64()),
        ("grade_now", pa.int64()),
        ("unread", pa.int64()),
        ("ungraded", pa.list_(pa.string())),
    ]
)
"""``ratio`` is Σ q/Q, ``r`` is R, ``grade`` 1…4 or null when the site is no major hazard (Σ q/Q below 1); ``_now`` by what the
tanks hold, null when none was read; ``unread`` counts tanks without a reading; ``ungraded`` names chemicals without Q."""

TANK_HOURS = pa.schema(
    [
        ("tank_id", pa.string()),
        ("hour", pa.timestamp("us", tz="UTC")),
        ("level_last_m", pa.float64()),
        ("good", pa.int64()),
        ("frozen_min", pa.float64()),
    ]
)
"""The columns of ``hazchem_tank_hour`` that are read."""


@dataclass(frozen=True, slots=True)
class Chemical:
    """An entry of the standard: critical quantity in t and β, and the words that say that it is not meant."""

    cas: str
    name: str
    critical_t: float
    beta: float
    excluded: tuple[str, ...]
    table: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The tables of the standard."""

    source: str
    chemicals: Mapping[str, Chemical]
    alpha: tuple[tuple[int, float], ...]
    grades: tuple[tuple[float, int, Text], ...]


@cache
def rules() -> Rules:
    """The tables as they are in ``data/grading.toml``."""
    given: dict[str, Any] = tomllib.loads((Path(__file__).parent / "data" / "grading.toml").read_text(encoding="utf-8"))
    chemicals = {
        each["cas"]: Chemical(
            each["cas"],
            each["name"],
            float(each["critical_t"]),
            float(each["beta"]),
            tuple(each.get("not", ())),
            each.get("class", "1"),
        )
        for each in given["chemicals"]
    }
    alpha = sorted(((int(each["from"]), float(each["alpha"])) for each in given["alpha"]), reverse=True)
    steps = sorted(
        ((float(each["from"]), int(each["level"]), each["name"]) for each in given["grades"]), key=lambda e: -e[0]
    )
    return Rules(given["source"], chemicals, tuple(alpha), tuple(steps))


def critical_t(cas: str, chemical: str = "") -> float | None:
    """The critical quantity of a chemical in t; ``None`` for one that the tables do not name (or not in this form)."""
    found = rules().chemicals.get(cas)
    return None if found is None or any(word in chemical for word in found.excluded) else found.critical_t


def grades(r: np.ndarray[Any, np.dtype[np.float64]], ratio: np.ndarray[Any, np.dtype[np.float64]]) -> list[int | None]:
    """The grade 1…4 for each R, ``None`` where Σ q/Q is below 1 or not known."""
    steps = rules().grades
    return [
        None if not share >= 1.0 else next(level for low, level, _ in steps if value >= low)
        for value, share in zip(r.tolist(), ratio.tolist(), strict=True)
    ]


def masses(tank: pa.Table, tank_hour: pa.Table, now: datetime) -> pa.Table:
    """What each tank holds (``tank_id``, ``mass_t``; NaN when not read lately): level / height · capacity.

    Takes ``hazard_tank`` and ``hazchem_tank_hour``.
    """
    own, read = codes(tank["tank_id"], tank_hour["tank_id"])
    start, moment = seconds(tank_hour["hour"]), int(now.timestamp())
    fresh = (start <= moment) & (start > moment - HOURS * 3600) & (numbers(tank_hour["good"]) > 0)
    last = np.flatnonzero(fresh & np.isfinite(numbers(tank_hour["level_last_m"])))
    last = last[np.argsort(start[last], kind="stable")]
    level = np.full(int(max(own.max(initial=0), read.max(initial=0))) + 1, np.nan)
    level[read[last]] = numbers(tank_hour["level_last_m"])[last]
    height, capacity = numbers(tank["height_m"]), numbers(tank["capacity_t"])
    share = np.clip(level[own] / np.where(height > 0, height, np.nan), 0.0, 1.2)
    return pa.table({"tank_id": tank["tank_id"], "mass_t": share * capacity})


def grade_sites(site: pa.Table, tank: pa.Table, tank_hour: pa.Table, now: datetime) -> pa.Table:
    """Every site that has tanks: a table of :data:`GRADES`, the highest R first.

    Takes ``approval_site``, ``hazard_tank`` and ``hazchem_tank_hour``.
    """
    if not tank.num_rows or not site.num_rows:
        return GRADES.empty_table()
    pairs = list(zip(tank["cas"].to_pylist(), tank["chemical"].to_pylist(), strict=True))
    named = {pair: critical_t(*pair) for pair in set(pairs)}
    quantity = np.array([named[pair] or np.nan for pair in pairs])
    beta = np.array([rules().chemicals[cas].beta if named[cas, word] else np.nan for cas, word in pairs])
    at, own = codes(site["site_id"], tank["site_id"])
    size = int(max(at.max(initial=0), own.max(initial=0))) + 1
    capacity, held = numbers(tank["capacity_t"]), numbers(masses(tank, tank_hour, now)["mass_t"])
    unread = np.bincount(own, np.isnan(held), size)
    tanks = np.bincount(own, minlength=size)

    def summed(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(np.bincount(own, np.nan_to_num(values), size)[at], dtype=np.float64)

    has = np.flatnonzero((tanks[at] > 0) & (at >= 0))
    residents = np.nan_to_num(numbers(site["residents_500m"]))
    steps = rules().alpha
    alpha = np.select([residents >= low for low, _ in steps], [factor for _, factor in steps], steps[-1][1])
    ratio, r = summed(capacity / quantity), alpha * summed(beta * capacity / quantity)
    known = unread[at] < tanks[at]
    ratio_now = np.where(known, summed(held / quantity), np.nan)
    r_now = np.where(known, alpha * summed(beta * held / quantity), np.nan)
    ungraded: dict[int, set[str]] = {}
    for place in np.flatnonzero(np.isnan(quantity)).tolist():  # tanks of chemicals without Q, not rows of readings
        ungraded.setdefault(int(own[place]), set()).add(pairs[place][1])
    made = pa.table(
        [
            pa.array(site["site_id"].to_pylist()),
            residents.astype(np.int64),
            alpha,
            ratio,
            r,
            pa.array(grades(r, ratio), pa.int64()),
            pa.array(ratio_now, from_pandas=True),
            pa.array(r_now, from_pandas=True),
            pa.array(grades(r_now, ratio_now), pa.int64()),
            pa.array(unread[at].astype(np.int64)),
            pa.array([sorted(ungraded.get(code, ())) for code in at.tolist()], pa.list_(pa.string())),
        ],
        schema=GRADES,
    )
    return made.take(pa.array(has)).sort_by([("r", "descending"), ("site_id", "ascending")])


def hazards(reader: Reader, now: datetime, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """The sites with tanks, graded, as a declared page shows them; ``district`` (a code) and ``site`` narrow them down."""
    site = reader.rows("approval_site")
    for name, column in (("district", "district_code"), ("site", "site_id")):
        if parameters.get(name):
            site = site.filter(pc.equal(site[column], str(parameters[name])))
    if reader.may("hazchem_tank_hour"):
        hour = reader.rows("hazchem_tank_hour", window=timedelta(hours=HOURS), columns=TANK_HOURS.names)
    else:  # not for this reader, or not yet made: by design alone
        hour = TANK_HOURS.empty_table()
    found = grade_sites(site, reader.rows("hazard_tank"), hour, now)
    names = dict(zip(site["site_id"].to_pylist(), site["name"].to_pylist(), strict=True))
    rows = [
        [
            each["site_id"],
            names[each["site_id"]],
            each["grade"],
            each["r"],
            each["r_now"],
            each["grade_now"],
            each["ratio"],
            each["residents"],
            each["alpha"],
            each["unread"],
            "、".join(each["ungraded"]) or None,
        ]
        for each in found.to_pylist()
    ]
    titles: list[dict[str, object]] = [
        {"name": "site_id", "title": text("厂址编号", "Site number"), "hidden": True},
        {
            "name": "name",
            "title": text("厂址", "Site"),
            "link": {"to": "subject", "by": "site_id", "column": "site_id"},
        },
        {"name": "grade", "title": text("级别", "Grade"), "kind": "level"},
        {"name": "r", "title": text("R（设计最大量）", "R (design)"), "kind": "number", "digits": 1},
        {"name": "r_now", "title": text("R（当前存量）", "R (held now)"), "kind": "number", "digits": 1},
        {"name": "grade_now", "title": text("当前存量折算级别", "By what is held now"), "kind": "level"},
        {"name": "ratio", "title": text("Σq/Q", "Σq/Q"), "kind": "number", "digits": 2},
        {"name": "residents", "title": text("500 米内人数", "People within 500 m"), "kind": "number", "digits": 0},
        {"name": "alpha", "title": text("α", "α"), "kind": "number", "digits": 1},
        {"name": "unread", "title": text("无读数储罐", "Tanks not read"), "kind": "number", "digits": 0},
        {"name": "ungraded", "title": text("未计入的化学品", "Chemicals left out")},
    ]
    note = text(
        f"依据 {rules().source}：R=α·Σβ·q/Q。以一个厂址的全部储罐为一个单元；标准未列明或不能确定临界量的化学品不计入。",
        f"By {rules().source}: R = α·Σβ·q/Q, all tanks of a site as one unit. Chemicals whose critical quantity is not certain "
        "are left out.",
    )
    return {"type": "table", "columns": titles, "rows": rows, "note": note}
