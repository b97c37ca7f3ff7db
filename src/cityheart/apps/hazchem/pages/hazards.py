"""Major hazards: tanks near their alarm values and how much there is, by site and substance, out of live readings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cityheart.apps.hazchem import grading
from cityheart.apps.hazchem.pages.common import SITE, TANK, column, table
from cityheart.apps.hazchem.pages.common import tanks as tanks_of
from cityheart.sdk import ALL_TIME, Reader, text

__all__ = ["grades", "near", "places", "stock"]

Given = Mapping[str, object]
WARN, NEAR, THERE = 0.8, 0.9, 0.97
"""Shares of an alarm value from which on a tank is yellow, orange and red on this page; it is no warning by itself."""
MOST = 200


def level(nearness: float | None) -> int | None:
    """The tone of a tank by its share of an alarm value; none below :data:`WARN`."""
    if nearness is None or nearness < WARN:
        return None
    return 1 if nearness >= THERE else 2 if nearness >= NEAR else 3


_WHAT = {
    "level": text("液位", "level"),
    "temperature": text("温度", "temperature"),
    "pressure": text("压力", "pressure"),
}


def near(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """The tanks nearest to an alarm value, two hundred at most."""
    rows = [one for one in tanks_of(read) if one["nearness"] is not None][:MOST]
    return table(
        [
            column("tone", "程度", "Tone", kind="level"),
            column("tank_id", "储罐", "Tank", link=TANK),
            column("site_id", "厂址", "Site", link=SITE),
            column("chemical", "化学品", "Chemical"),
            column("what", "最近的一项", "Nearest by"),
            column("nearness", "占报警值", "Of the alarm value", kind="share", digits=0),
            column("level_m", "液位", "Level", unit="m", digits=2),
            column("temperature_c", "温度", "Temperature", unit="°C", digits=1),
            column("pressure_kpa", "压力", "Pressure", unit="kPa", digits=1),
            column("mass_t", "存量", "Mass", unit="t", digits=1),
            column("hour", "截至", "As of", kind="time"),
        ],
        [{**one, "tone": level(one["nearness"]), "what": _WHAT.get(str(one["nearest"]))} for one in rows],  # type: ignore[arg-type]
        text(
            "黄 ≥80 %、橙 ≥90 %、红 ≥97 %，仅为本页的排序提示；预警由检测器给出。",
            "Yellow from 80 %, orange from 90 %, red from 97 %: an order for this page; warnings come from detectors.",
        ),
    )


_GRADES = (text("一级", "I"), text("二级", "II"), text("三级", "III"), text("四级", "IV"))


def grades(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """The graded sites; a grade is written as the standard writes it, for it is no level of a warning."""
    found = dict(grading.hazards(read, now, given))
    columns = [dict(one) for one in found["columns"]]  # type: ignore[attr-defined]
    at = [place for place, one in enumerate(columns) if one.get("kind") == "level"]
    for place in at:
        columns[place]["kind"] = None
    rows = [
        [_GRADES[cell - 1] if place in at and cell in (1, 2, 3, 4) else cell for place, cell in enumerate(row)]
        for row in found["rows"]  # type: ignore[attr-defined]
    ]
    return {**found, "columns": columns, "rows": rows}


def stock(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """How much of each chemical the tanks hold now, the most first."""
    sums: dict[str, float] = {}
    for one in tanks_of(read):
        mass = one["mass_t"]
        if isinstance(mass, float):
            sums[str(one["chemical"])] = sums.get(str(one["chemical"]), 0.0) + mass
    ranked = sorted(sums.items(), key=lambda pair: -pair[1])[:25]
    return {
        "type": "bar",
        "unit": "t",
        "bars": [{"label": name, "value": round(mass, 1)} for name, mass in ranked],
        "note": text(
            "罐内存量之和，按最近一小时液位计算。", "The sum over tanks, from the levels of their newest hour."
        ),
    }


def places(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Every site with tanks on the map, by its tank nearest to an alarm value."""
    sites = read.query("SELECT site_id, name, lon, lat FROM approval_site", window=ALL_TIME).to_pylist()
    nearest: dict[str, Mapping[str, object]] = {}
    for one in tanks_of(read):
        nearest.setdefault(str(one["site_id"]), one)
    points = []
    for site in sites:
        tank = nearest.get(site["site_id"])
        if tank is None or site["lon"] is None or site["lat"] is None:
            continue
        share = tank["nearness"]
        value = round(share * 100, 1) if isinstance(share, float) else None
        points.append(
            {"key": site["site_id"], "name": site["name"], "lon": site["lon"], "lat": site["lat"], "value": value,
             "level": level(share if isinstance(share, float) else None), "at": tank["hour"]}
        )  # fmt: skip
    return {"type": "map", "unit": "%", "points": points, "link": SITE}
