"""Tomorrow's list of sites to inspect, and whether the lists of the past were any good.

Each area has room for so many inspections a day. Most go to the sites with the highest risk (:mod:`risk`), a share is drawn by
lot among the others (``random`` in ``data/inspection.toml``). The lot is seeded by the day and the area: whoever asks gets the
same list, and nobody can choose it. Without the lot a ranking proves itself right: where nobody looks nothing is found.

How it is judged: a listing that was followed by an inspection within ``match_days`` has an outcome; something was found when
its result is 整改 or 立案. The share found among the ranked is put beside that among those drawn by lot, with 95 % intervals
(Wilson), for the city and by area. Sites at which inspectors found something though neither list had them are *missed*.

Past lists are made again from what the books say of that morning: licences, orders and inspections by their dates, the rest
as it is now. So the judgement is a little kinder to parts that move slowly, and says so.

Areas change in time. A site lies in the area of its ``district_code`` as long as that code is in force on the day; otherwise in
the district whose boundary holds it then (``areas.geojson``).
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import shapely

from cityheart.apps.hazchem.names import listed as named
from cityheart.apps.hazchem.risk import Books, Risk, assess, fixed, known_to
from cityheart.sdk import Reader, Text, dice, text

__all__ = [
    "Area",
    "Outcome",
    "Pick",
    "Rate",
    "areas",
    "feedback",
    "inspection",
    "listed",
    "outcomes",
    "rules",
    "wilson",
]

Rules = Mapping[str, Any]
MOST = 400
"""Rows of the list that is shown."""


@dataclass(frozen=True, slots=True)
class Area:
    """A district in one of its versions; in force from ``since`` up to the day before ``until``."""

    code: str
    name: Text
    since: date
    until: date | None
    shape: shapely.Geometry | None

    def holds(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return self.since <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Pick:
    """A site on the list of a day. ``how`` is ``ranked`` or ``lot``."""

    day: date
    area: str
    site: str
    how: str
    risk: Risk


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a listing: ``result`` of the first inspection within the time, ``None`` when there was none."""

    pick: Pick
    result: str | None


@dataclass(frozen=True, slots=True)
class Rate:
    """So many found of so many inspected, with the 95 % interval of the share; ``None`` where nothing was inspected."""

    found: int
    inspected: int
    listed: int
    share: float | None
    low: float | None
    high: float | None


@cache
def rules() -> Rules:
    """Capacity, share of the lot and so on, as they are in ``data/inspection.toml``."""
    path = Path(__file__).parent / "data" / "inspection.toml"
    given: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return given


def areas(file: bytes | None) -> list[Area]:
    """The districts of ``areas.geojson`` in all their versions; zones that lie across districts are left out."""
    found = []
    for feature in json.loads(file)["features"] if file else []:
        has = feature.get("properties") or {}
        if has.get("kind") == "zone" or has.get("schematic") or not has.get("code"):
            continue
        shape = shapely.from_geojson(json.dumps(feature["geometry"])) if feature.get("geometry") else None
        name = str(has.get("name") or has["code"])
        since = date.fromisoformat(has["valid_from"]) if has.get("valid_from") else date.min
        until = date.fromisoformat(has["valid_to"]) if has.get("valid_to") else None
        found.append(Area(str(has["code"]), text(name, str(has.get("name_en") or name)), since, until, shape))
    return found


def placed(known: Books, all_areas: Sequence[Area], day: date) -> Mapping[str, str]:
    """The code of the area of each site on a day."""
    in_force = [area for area in all_areas if area.holds(day)]
    codes = {area.code for area in in_force}
    found: dict[str, str] = {}
    for name, row in known.sites.items():
        code = str(row.get("district_code") or "")
        if in_force and code not in codes:
            point = shapely.Point(float(str(row.get("lon") or 0)), float(str(row.get("lat") or 0)))
            code = next((area.code for area in in_force if area.shape is not None and area.shape.covers(point)), code)
        found[name] = code
    return found


def listed(
    known: Books,
    day: date,
    all_areas: Sequence[Area] = (),
    table: Rules | None = None,
    scored: Sequence[Risk] | None = None,
) -> list[Pick]:
    """The list of a day: by area, those ranked with the highest risk first, then those drawn by lot.

    A site inspected within ``rest_days`` before is left alone, unless its risk is ``urgent``.
    """
    table = rules() if table is None else table
    morning = datetime(day.year, day.month, day.day, tzinfo=known.zone)
    scored = assess(known, morning) if scored is None else scored
    where = placed(known, all_areas, day)
    rested = morning - timedelta(days=float(table["rest_days"]))
    by_area: dict[str, list[Risk]] = {}
    for one in scored:
        events = known.inspections.get(one.site, ())
        lately = bool(events) and any(rested < at <= morning for at, _ in events)
        if not lately or one.score >= float(table["urgent"]):
            by_area.setdefault(where[one.site], []).append(one)
    picks: list[Pick] = []
    for area, sites in sorted(by_area.items()):
        room = int(table.get("areas", {}).get(area, table["capacity"]))
        lots = min(max(round(room * float(table["random"])), 1), room) if float(table["random"]) > 0 else 0
        ranked, others = sites[: room - lots], sites[room - lots :]
        drawn = dice("hazchem.inspection", day.isoformat(), area).sample(
            sorted(others, key=lambda one: one.site), min(lots, len(others))
        )
        picks += [Pick(day, area, one.site, "ranked", one) for one in ranked]
        picks += [
            Pick(day, area, one.site, "lot", one) for one in sorted(drawn, key=lambda one: (-one.score, one.site))
        ]
    return picks


def outcomes(picks: Iterable[Pick], known: Books, now: datetime, table: Rules | None = None) -> list[Outcome]:
    """What came of listings whose time is over or that were inspected; an inspection is the outcome of one listing of its
    site only, the first within whose time it lies."""
    table = rules() if table is None else table
    taken: set[tuple[str, datetime]] = set()
    found: list[Outcome] = []
    for pick in sorted(picks, key=lambda pick: (pick.day, pick.area, pick.site)):
        start = datetime(pick.day.year, pick.day.month, pick.day.day, tzinfo=known.zone)
        end = start + timedelta(days=float(table["match_days"]))
        events = [
            (at, result)
            for at, result in known.inspections.get(pick.site, ())
            if start <= at < min(end, now) and (pick.site, at) not in taken
        ]
        if events:
            taken.add((pick.site, events[0][0]))
            found.append(Outcome(pick, events[0][1]))
        elif end <= now:
            found.append(Outcome(pick, None))
    return found


def wilson(found: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), 0…1; of nothing all is possible."""
    if of <= 0:
        return 0.0, 1.0
    z, share = 1.959964, found / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def rate(all_outcomes: Iterable[Outcome], table: Rules | None = None) -> Rate:
    """How often something was found where it was looked."""
    table = rules() if table is None else table
    given = list(all_outcomes)
    results = [one.result for one in given if one.result is not None]
    found = sum(result in table["found"] for result in results)
    if not results:
        return Rate(0, 0, len(given), None, None, None)
    low, high = wilson(found, len(results))
    return Rate(found, len(results), len(given), found / len(results), low, high)


def missed(
    picks: Iterable[Pick], known: Books, since: datetime, now: datetime, table: Rules | None = None
) -> list[str]:
    """The sites (once for each inspection) at which something was found in [since, now) without a listing before it."""
    table = rules() if table is None else table
    days: dict[str, list[datetime]] = {}
    for pick in picks:
        days.setdefault(pick.site, []).append(datetime(pick.day.year, pick.day.month, pick.day.day, tzinfo=known.zone))
    span = timedelta(days=float(table["match_days"]))
    return [
        site
        for site, events in sorted(known.inspections.items())
        for at, result in events
        if site in known.sites
        and since <= at < now
        and result in table["found"]
        and not any(day <= at < day + span for day in days.get(site, ()))
    ]


def past(known: Books, now: datetime, all_areas: Sequence[Area], table: Rules) -> list[Pick]:
    """The lists of the last ``feedback_days``, made again from what the books say of each morning."""
    today = now.astimezone(known.zone).date()
    days = [today - timedelta(days=back) for back in range(int(table["feedback_days"]), 0, -1)]
    same = fixed(known)
    mornings = {day: datetime(day.year, day.month, day.day, tzinfo=known.zone) for day in days}
    return [
        pick
        for day, morning in mornings.items()
        for pick in listed(known, day, all_areas, table, assess(known, morning, same=same))
    ]


# ── for pages ──────────────────────────────────────────────────────────────────────────────────────────────────────

HOW: Mapping[str, Text] = {"ranked": text("按风险", "By risk"), "lot": text("随机抽取", "By lot")}


def _settings(parameters: Mapping[str, object]) -> Rules:
    """The rules, with what a person chose on the page: ``capacity``, ``random`` (a share), ``rest_days``."""
    chosen: dict[str, Any] = dict(rules())
    for name, low, high in (("capacity", 1, 100), ("random", 0, 1), ("rest_days", 0, 366)):
        value = parameters.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            chosen[name] = min(max(value, low), high)
    return chosen


def _day(parameters: Mapping[str, object], now: datetime, zone: ZoneInfo) -> date:
    """The day that was asked for, tomorrow when none (or none that can be read) was."""
    try:
        return date.fromisoformat(str(parameters.get("day") or ""))
    except ValueError:
        return now.astimezone(zone).date() + timedelta(days=1)


def inspection(reader: Reader, now: datetime, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """The list of ``day`` (tomorrow) as a declared page's table; ``district`` (a code) narrows it down."""
    known, table = known_to(reader, now), _settings(parameters)
    all_areas = areas(reader.file("areas.geojson"))
    day = _day(parameters, now, reader.zone)
    names = {area.code: area.name for area in all_areas if area.holds(day)}
    picks = listed(known, day, all_areas, table, assess(known, now))
    wanted = [pick for pick in picks if parameters.get("district") in (None, "", pick.area)]
    rows: list[list[object]] = []
    for pick in wanted[:MOST]:
        reasons = [part.reason for part in pick.risk.parts[:4]]
        said = text("；".join(each["zh-CN"] for each in reasons), "; ".join(each["en"] for each in reasons))
        row = known.sites[pick.site]
        area: object = names.get(pick.area, pick.area)
        rows.append([pick.site, area, row.get("name"), row.get("address"), HOW[pick.how], pick.risk.score, said])
    columns: list[dict[str, object]] = [
        {"name": "site_id", "title": text("厂址编号", "Site number"), "hidden": True},
        {"name": "area", "title": text("区域", "Area")},
        {
            "name": "name",
            "title": text("厂址", "Site"),
            "link": {"to": "subject", "by": "site_id", "column": "site_id"},
        },
        {"name": "address", "title": text("地址", "Address")},
        {"name": "how", "title": text("选取方式", "How chosen")},
        {"name": "score", "title": text("风险分", "Risk"), "kind": "number", "digits": 0},
        {"name": "reasons", "title": text("原因", "Reasons")},
    ]
    share = float(table["random"])
    zh, en = named(known.missing)
    note = text(
        f"{day} 共 {len(wanted)} 处，每区域每日 {table['capacity']} 处，其中 {share:.0%} 随机抽取（以日期和区域为种子）。"
        + (f"未计入的数据：{zh}。" if zh else ""),
        f"{day}: {len(wanted)} sites, {table['capacity']} a day and area, {share:.0%} of them by lot (seeded by day and area). "
        + (f"Left out: {en}." if en else ""),
    )
    return {"type": "table", "columns": columns, "rows": rows, "note": note}


def feedback(reader: Reader, now: datetime, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """Whether the ranking finds more than the lot, for the city and by area, as a declared page's table."""
    known, table = known_to(reader, now), _settings(parameters)
    all_areas = areas(reader.file("areas.geojson"))
    today = now.astimezone(known.zone).date()
    names = {area.code: area.name for area in all_areas if area.holds(today)}
    picks = past(known, now, all_areas, table)
    results = outcomes(picks, known, now, table)
    since = now - timedelta(days=float(table["feedback_days"]))
    where = placed(known, all_areas, today)
    unlisted = [where[site] for site in missed(picks, known, since, now, table)]
    rows: list[list[object]] = []
    for area in (None, *sorted({pick.area for pick in picks})):
        here = [one for one in results if area in (None, one.pick.area)]
        ranked, lot = (rate([one for one in here if one.pick.how == how], table) for how in ("ranked", "lot"))
        name: object = text("全市", "The city") if area is None else names.get(area, area)
        overlooked = len(unlisted) if area is None else unlisted.count(area)
        rows.append([name, *_told(ranked), *_told(lot), overlooked, _verdict(ranked, lot)])
    titles = {"ranked": text("按风险", "by risk"), "lot": text("随机", "by lot")}
    columns: list[dict[str, object]] = [{"name": "area", "title": text("区域", "Area")}]
    for how, title in titles.items():
        columns += [
            {
                "name": f"{how}_inspected",
                "title": text(f"{title['zh-CN']}：检查", f"Inspected, {title['en']}"),
                "kind": "number",
                "digits": 0,
            },
            {
                "name": f"{how}_share",
                "title": text(f"{title['zh-CN']}：发现问题", f"Found, {title['en']}"),
                "kind": "share",
                "digits": 0,
            },
            {"name": f"{how}_range", "title": text(f"{title['zh-CN']}：95% 区间", f"95 % interval, {title['en']}")},
        ]
    columns += [
        {"name": "missed", "title": text("漏列", "Missed"), "kind": "number", "digits": 0},
        {"name": "verdict", "title": text("结论", "Verdict")},
    ]
    note = text(
        f"最近 {table['feedback_days']} 天，清单按各日早晨的登记推算；列入后 {table['match_days']} 天内的检查为其结果，"
        "整改、立案为发现问题。漏列：发现问题而两种方式都未列入的检查。",
        f"The last {table['feedback_days']} days; lists are made again from what the books say of each morning. An inspection "
        f"within {table['match_days']} days is a listing's outcome; faults to be put right and cases opened count as found. "
        "Missed: inspections that found something at a site on neither list.",
    )
    return {"type": "table", "columns": columns, "rows": rows, "note": note}


def _told(found: Rate) -> list[object]:
    span = None if found.low is None or found.high is None else f"{found.low:.0%}–{found.high:.0%}"
    return [found.inspected, found.share, span]


def _verdict(ranked: Rate, lot: Rate) -> Text:
    """What may be said with so few inspections."""
    if ranked.low is None or ranked.high is None or lot.low is None or lot.high is None:
        return text("样本不足，无法比较", "Too few inspections to compare")
    if ranked.low > lot.high:
        return text("排序明显优于随机", "The ranking finds clearly more")
    if ranked.high < lot.low:
        return text("排序不如随机，应当复核", "The ranking finds less: look into it")
    return text("差异尚不显著", "No clear difference yet")
