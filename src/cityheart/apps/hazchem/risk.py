"""How much there is to worry about at each site: a score with its parts, each of them from a dataset that can be looked up.

The parts and their points are data (``data/risk.toml``). A dataset that the reader may not see, or that the city does not
have, gives no part, and the answer says which were left out. Scores are compared with *peers*: sites of firms of the same kind.

The score says where to look first. It is no finding: nobody is ordered or penalised by it.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.grading import grade_sites
from cityheart.apps.hazchem.names import listed, title
from cityheart.apps.hazchem.signals import licences
from cityheart.apps.hazchem.signals import orders as standstills
from cityheart.sdk import ALL_TIME, Problem, Reader, Text, counted, text

__all__ = ["INPUTS", "Books", "Part", "Risk", "assess", "books", "fixed", "ranking", "read", "risk", "rules"]

INPUTS: Mapping[str, timedelta] = {
    "approval_site": ALL_TIME,
    "approval_firm": ALL_TIME,
    "approval_licence": ALL_TIME,
    "enforcement_order": timedelta(days=10 * 365),
    "enforcement_inspection": timedelta(days=5 * 365),
    "hazard_tank": ALL_TIME,
    "hazchem_tank_hour": timedelta(hours=26),
    "waste_manifest": timedelta(days=60),
}
"""What is read, and how far back."""

Event = tuple[datetime, str]
Rules = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """Points of a site for one reason, and the dataset that gives it."""

    id: str
    points: float
    reason: Text
    dataset: str


@dataclass(frozen=True, slots=True)
class Risk:
    """A site's score (0…100), its parts with the largest first, and the share of its peers (0…1) that have a lower one."""

    site: str
    score: float
    parts: tuple[Part, ...]
    peers: float | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """What is known of each site, put in order once: sites, then by site orders, inspections, licences, grades and so on.

    Events are sorted by time, so that the same books answer for any day.
    """

    zone: ZoneInfo
    sites: Mapping[str, Mapping[str, object]]
    kinds: Mapping[str, str]
    inspections: Mapping[str, list[Event]]
    orders: Mapping[str, list[Mapping[str, object]]]
    standing: Mapping[str, list[standstills.Order]]
    covered: Mapping[str, list[tuple[str, date, date]]]
    grades: Mapping[str, tuple[int, float]]
    nearness: Mapping[str, tuple[float, str]]
    waste: Mapping[str, list[datetime]]
    alerts: Mapping[str, list[Mapping[str, object]]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@cache
def rules() -> Rules:
    """The points as they are in ``data/risk.toml``."""
    given: dict[str, Any] = tomllib.loads((Path(__file__).parent / "data" / "risk.toml").read_text(encoding="utf-8"))
    return given


def read(reader: Reader, now: datetime) -> dict[str, pa.Table]:
    """What the reader may see of :data:`INPUTS`."""
    tables: dict[str, pa.Table] = {}
    for name, window in INPUTS.items():
        if reader.may(name):
            try:
                tables[name] = reader.rows(name, window=window)
            except Problem:  # closed, or not in this city: its part is left out
                continue
    return tables


def books(
    tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, alerts: Iterable[Mapping[str, object]] = ()
) -> Books:
    """Tables as :data:`INPUTS` names them (any may be missing) and alerts as the API shows them, put in order by site."""
    site = tables.get("approval_site", pa.table({}))
    sites = {str(row["site_id"]): row for row in site.to_pylist()}
    firm = tables.get("approval_firm", pa.table({})).to_pylist()
    of_firm = {str(row["firm_id"]): row for row in firm}
    kinds = {name: str(of_firm.get(str(row["firm_id"]), {}).get("kind", "")) for name, row in sites.items()}
    order, inspection = (tables.get(name, pa.table({})) for name in standstills.INPUTS)
    standing: dict[str, list[standstills.Order]] = {}
    for one in standstills.in_force(order, inspection, site, now) if sites else []:
        standing.setdefault(one.site, []).append(one)
    return Books(
        zone=zone,
        sites=sites,
        kinds=kinds,
        inspections=_inspections(inspection),
        orders=_orders(order, sites),
        standing=standing,
        covered=_covered(tables, site, zone),
        grades=_grades(tables, site, now),
        nearness=_nearness(tables, now),
        waste=_waste(tables, sites, of_firm, now),
        alerts=_by_site(alerts),
        missing=tuple(name for name in INPUTS if name not in tables),
    )


def _inspections(inspection: pa.Table) -> Mapping[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for row in inspection.to_pylist():
        if row["at"] is not None:
            found.setdefault(str(row["site_id"]), []).append((row["at"], str(row["result"])))
    return {name: sorted(events) for name, events in found.items()}


def _orders(order: pa.Table, sites: Mapping[str, Mapping[str, object]]) -> Mapping[str, list[Mapping[str, object]]]:
    of_firm: dict[str, list[str]] = {}
    for name, row in sites.items():
        of_firm.setdefault(str(row["firm_id"]), []).append(name)
    found: dict[str, list[Mapping[str, object]]] = {}
    for row in order.to_pylist():
        for name in [str(row["site_id"])] if row["site_id"] else of_firm.get(str(row["firm_id"]), []):
            found.setdefault(name, []).append(row)
    return found


def _covered(
    tables: Mapping[str, pa.Table], site: pa.Table, zone: ZoneInfo
) -> Mapping[str, list[tuple[str, date, date]]]:
    if "approval_licence" not in tables or not site.num_rows or not tables["approval_licence"].num_rows:
        return {}
    found: dict[str, list[tuple[str, date, date]]] = {}
    for row in licences.counting(tables["approval_licence"], site, zone).to_pylist():
        found.setdefault(str(row["site_id"]), []).append((str(row["kind"]), row["first"], row["last"]))
    return found


def _grades(tables: Mapping[str, pa.Table], site: pa.Table, now: datetime) -> Mapping[str, tuple[int, float]]:
    tank = tables.get("hazard_tank")
    if tank is None or not tank.num_rows or not site.num_rows:
        return {}
    hour = tables.get("hazchem_tank_hour")
    if hour is None:
        names = ("tank_id", "hour", "level_last_m", "good")
        kinds = (pa.string(), pa.timestamp("us", tz="UTC"), pa.float64(), pa.int64())
        hour = pa.table({name: pa.array([], kind) for name, kind in zip(names, kinds, strict=True)})
    graded = grade_sites(site, tank, hour, now).to_pylist()
    return {str(row["site_id"]): (row["grade"], row["r"]) for row in graded if row["grade"] is not None}


NEAR = (
    ("level_median_m", "alarm_level_m", text("液位", "level")),
    ("temperature_median_c", "alarm_temperature_c", text("温度", "temperature")),
    ("pressure_median_kpa", "alarm_pressure_kpa", text("压力", "pressure")),
)


def _nearness(tables: Mapping[str, pa.Table], now: datetime) -> Mapping[str, tuple[float, str]]:
    """By site how near a tank came to an alarm value in the last day (medians of hours: no spikes), and which tank."""
    tank, hour = tables.get("hazard_tank"), tables.get("hazchem_tank_hour")
    if tank is None or hour is None or not tank.num_rows or not hour.num_rows:
        return {}
    day = pa.scalar(now - timedelta(hours=24), hour["hour"].type)
    hour = hour.filter(pc.greater(hour["hour"], day))
    own = pc.fill_null(pc.index_in(hour["tank_id"], value_set=tank["tank_id"].combine_chunks()), -1).to_numpy()
    nearest = np.zeros(tank.num_rows)
    for value, alarm, _ in NEAR:
        if value not in hour.column_names:
            continue
        limit = pc.cast(tank[alarm], pa.float64()).to_numpy()
        share = (
            pc.cast(hour[value], pa.float64()).to_numpy()[own >= 0] / np.where(limit > 0, limit, np.nan)[own[own >= 0]]
        )
        np.maximum.at(nearest, own[own >= 0], np.nan_to_num(share))
    found: dict[str, tuple[float, str]] = {}
    for name, where, share in zip(
        tank["tank_id"].to_pylist(), tank["site_id"].to_pylist(), nearest.tolist(), strict=True
    ):
        found[str(where)] = max(found.get(str(where), (0.0, "")), (share, str(name)))
    return found


def _waste(
    tables: Mapping[str, pa.Table],
    sites: Mapping[str, Mapping[str, object]],
    of_firm: Mapping[str, Mapping[str, object]],
    now: datetime,
) -> Mapping[str, list[datetime]]:
    """By site when waste was sent off that nobody has received; a producer_site is a name within its firm."""
    named: dict[tuple[str, str], str] = {}
    for name, row in sites.items():
        code = str(of_firm.get(str(row["firm_id"]), {}).get("uscc", ""))
        named[code, str(row["name"])] = name
    found: dict[str, list[datetime]] = {}
    for row in tables.get("waste_manifest", pa.table({})).to_pylist():
        where = named.get((str(row["producer_uscc"]), str(row["producer_site"])))
        if where and row["received_at"] is None and row["shipped_at"] is not None and row["shipped_at"] <= now:
            found.setdefault(where, []).append(row["shipped_at"])
    return found


def _by_site(alerts: Iterable[Mapping[str, object]]) -> Mapping[str, list[Mapping[str, object]]]:
    found: dict[str, list[Mapping[str, object]]] = {}
    for alert in alerts:
        subject = alert.get("subject")
        if isinstance(subject, Mapping) and subject.get("kind") == "site":
            found.setdefault(str(subject["id"]), []).append(alert)
    return found


# ── the score ──────────────────────────────────────────────────────────────────────────────────────────────────────


Fixed = Mapping[str, Sequence[Part]]


def fixed(known: Books, table: Rules | None = None) -> Fixed:
    """By site the parts that are the same whatever the day: for those who :func:`assess` many days."""
    table = rules() if table is None else table
    made = {
        site: (_grade(known, site, table), _residents(known, site, table), _tanks(known, site, table))
        for site in known.sites
    }
    return {site: [part for part in parts if part is not None and part.points > 0] for site, parts in made.items()}


def assess(known: Books, at: datetime, table: Rules | None = None, same: Fixed | None = None) -> list[Risk]:
    """Every site with its score as of ``at``, the highest first; equal ones by their number.

    Orders and inspections count up to ``at`` only; grades, tanks, waste and alerts are those that the books were made with.
    """
    table = rules() if table is None else table
    same = fixed(known, table) if same is None else same
    scored = []
    for name in known.sites:
        parts = sorted([*same[name], *_parts(known, name, at, table)], key=lambda part: (-part.points, part.id))
        scored.append(Risk(name, min(round(sum(part.points for part in parts), 1), 100.0), tuple(parts)))
    among: dict[str, list[float]] = {}
    for one in scored:
        among.setdefault(known.kinds[one.site], []).append(one.score)
    ordered = {kind: sorted(values) for kind, values in among.items()}
    placed = [Risk(one.site, one.score, one.parts, _place(one.score, ordered[known.kinds[one.site]])) for one in scored]
    return sorted(placed, key=lambda one: (-one.score, one.site))


def _place(score: float, peers: Sequence[float]) -> float | None:
    return bisect_left(peers, score) / (len(peers) - 1) if len(peers) > 1 else None


def _parts(known: Books, site: str, at: datetime, table: Rules) -> list[Part]:
    found = [
        _licence(known, site, at, table),
        *_order(known, site, at, table),
        *_inspected(known, site, at, table),
        _alerts(known, site, table) if site in known.alerts else None,
        _wasted(known, site, at, table),
    ]
    return [part for part in found if part is not None and part.points > 0]


def _step(value: float, steps: Sequence[Mapping[str, float]]) -> float:
    """The points of the last step that the value reaches."""
    found = 0.0
    for step in steps:
        if value >= step["from"] and step["points"] > found:
            found = float(step["points"])
    return found


def _grade(known: Books, site: str, table: Rules) -> Part | None:
    if site not in known.grades:
        return None
    grade, r = known.grades[site]
    reason = text(f"{'一二三四'[grade - 1]}级重大危险源（R={r:.0f}）", f"Major hazard of grade {grade} (R = {r:.0f})")
    return Part("grade", float(table["grade"]["points"].get(str(grade), 0)), reason, "hazard_tank")


def _residents(known: Books, site: str, table: Rules) -> Part | None:
    people = known.sites[site].get("residents_500m")
    if not isinstance(people, int):
        return None
    points = _step(people, table["residents"]["steps"])
    if not points:
        return None
    reason = text(f"500 米内居民 {people} 人", f"{counted(people, 'person lives', 'people live')} within 500 m")
    return Part("residents", points, reason, "approval_site")


def _licence(known: Books, site: str, at: datetime, table: Rules) -> Part | None:
    wanted = licences.COVERS.get(known.kinds[site], ())
    if not wanted or not known.covered:
        return None
    day, rule = at.astimezone(known.zone).date(), table["licence"]
    spans = [(first, last) for kind, first, last in known.covered.get(site, ()) if kind in wanted and first <= day]
    last = max((last for _, last in spans), default=None)
    if last is None or last < day - timedelta(days=int(rule["grace_days"])):
        ended = (f"已于 {last} 到期", f"ended on {last}") if last else ("没有", "there is none")
        said = text(f"许可证（{wanted[0]}）{ended[0]}", f"Licence ({wanted[0]}): {ended[1]}")
        return Part("licence", float(rule["none"]), said, "approval_licence")
    if last <= day + timedelta(days=int(rule["ending_days"])):
        said = text(f"许可证将于 {last} 到期", f"The licence ends on {last}")
        return Part("licence", float(rule["ending"]), said, "approval_licence")
    return None


def _order(known: Books, site: str, at: datetime, table: Rules) -> list[Part]:
    rule, parts = table["orders"], []
    standing = [o for o in known.standing.get(site, ()) if o.since <= at and (o.until is None or o.until > at)]
    if standing:
        said = text(f"{standing[-1].kind}生效中（{standing[-1].order}）", f"Order {standing[-1].order} stops the site")
        parts.append(Part("stopped", float(rule["stopped"]), said, "enforcement_order"))
    if site not in known.orders:
        return parts
    rows = [row for row in known.orders[site] if _moment(row["effective_from"]) <= at]
    running = [row for row in rows if row["kind"] == "限期整改" and _runs(row, at)]
    if running:
        said = text(
            f"限期整改进行中（{running[-1]['order_id']}）", f"A deadline runs (order {running[-1]['order_id']})"
        )
        parts.append(Part("deadline", float(rule["deadline"]), said, "enforcement_order"))
    past = [row for row in rows if _moment(row["effective_from"]) > at - timedelta(days=int(rule["past_days"]))]
    if past and not parts:
        said = text(f"一年内有执法决定 {len(past)} 份", f"{counted(len(past), 'order')} within a year")
        parts.append(Part("orders", float(rule["past"]), said, "enforcement_order"))
    return parts


def _runs(row: Mapping[str, object], at: datetime) -> bool:
    return all(_moment(row[name]) > at for name in ("lifted_at", "effective_to") if row[name] is not None)


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime(1970, 1, 1, tzinfo=UTC)


def _inspected(known: Books, site: str, at: datetime, table: Rules) -> list[Part]:
    rule = table["inspection"]
    events = known.inspections.get(site, [])
    before = events[: bisect_left(events, (at, ""))]
    if "enforcement_inspection" in known.missing:
        return []
    if not before:
        said = text("没有检查记录", "There is no record of an inspection")
        return [Part("never", float(rule["never"]), said, "enforcement_inspection")]
    when, result = before[-1]
    days, parts = (at - when).days, []
    if points := float(rule["results"].get(result, 0)):
        day = when.astimezone(known.zone).date()
        said = text(f"最近一次检查（{day}）：{result}", f"The last inspection ({day}): {result}")
        parts.append(Part("result", points, said, "enforcement_inspection"))
    if points := _step(days, rule["steps"]):
        said = text(f"已 {days} 天未检查", f"{counted(days, 'day')} without an inspection")
        parts.append(Part("age", points, said, "enforcement_inspection"))
    return parts


def _alerts(known: Books, site: str, table: Rules) -> Part:
    rule, all_ = table["alerts"], known.alerts[site]
    standing = [one for one in all_ if one.get("state") != "ended"]
    level = min((int(str(one.get("level"))) for one in standing), default=None)
    points = float(rule["levels"].get(str(level), 0)) + min(len(all_) * float(rule["each"]), float(rule["most"]))
    titles = [one.get("kind_title") for one in standing] or [all_[0].get("kind_title")]
    named = titles[0] if isinstance(titles[0], Mapping) else {}
    said = text(
        f"预警 {len(all_)} 起，其中未结束 {len(standing)} 起：{named.get('zh-CN', '')}",
        f"{counted(len(all_), 'warning')}, {len(standing)} of them standing: {named.get('en', '')}",
    )
    return Part("alerts", points, said, "alerts")


def _tanks(known: Books, site: str, table: Rules) -> Part | None:
    if site not in known.nearness:
        return None
    share, tank = known.nearness[site]
    points = _step(share, table["tanks"]["steps"])
    if not points:
        return None
    said = text(f"储罐 {tank} 达到报警值的 {share:.0%}", f"Tank {tank} reached {share:.0%} of an alarm value")
    return Part("tanks", points, said, "hazchem_tank_hour")


def _wasted(known: Books, site: str, at: datetime, table: Rules) -> Part | None:
    rule = table["waste"]
    late = [sent for sent in known.waste.get(site, ()) if sent < at - timedelta(days=int(rule["wait_days"]))]
    if not late:
        return None
    said = text(f"危险废物 {len(late)} 车未见接收", f"{counted(len(late), 'shipment')} of waste without a receipt")
    return Part("waste", min(len(late) * float(rule["each"]), float(rule["most"])), said, "waste_manifest")


# ── for pages ──────────────────────────────────────────────────────────────────────────────────────────────────────


def known_to(reader: Reader, now: datetime) -> Books:
    """The books as this reader may see them, with the warnings about the sites."""
    tables = read(reader, now)
    names = tables["approval_site"]["site_id"].to_pylist() if "approval_site" in tables else []
    since = now - timedelta(days=int(rules()["alerts"]["days"]))
    seen = [
        one
        for one in _alerts_about(reader, [("site", str(name)) for name in names])
        if one.get("state") != "ended" or _moment(one.get("raised_at")) > since
    ]
    return books(tables, now, reader.zone, seen)


ASKED = 2_000
"""Sites whose warnings are asked for at once."""


def _alerts_about(reader: Reader, subjects: Sequence[tuple[str, str]]) -> list[dict[str, object]]:
    """The warnings about many sites, some at a time: fewer where there are too many for one answer."""
    found: list[dict[str, object]] = []
    waiting = [subjects[start : start + ASKED] for start in range(0, len(subjects), ASKED)]
    while waiting:
        asked = waiting.pop()
        try:
            found += reader.alerts(asked)
        except Problem:
            if len(asked) == 1:
                raise
            waiting += [asked[: len(asked) // 2], asked[len(asked) // 2 :]]
    return found


def risk(reader: Reader, now: datetime, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """The parts of the score of one site or of a firm's sites (``site_id``: one or several), as a declared page's table."""
    known = known_to(reader, now)
    given = parameters.get("site_id") or parameters.get("site") or []
    wanted = {str(one) for one in given} if isinstance(given, (list, tuple)) else {str(given)}
    rows: list[list[object]] = []
    said: list[str] = []
    for one in assess(known, now):
        if one.site in wanted:
            name = known.sites[one.site].get("name")
            rows += [
                [
                    name,
                    part.reason,
                    part.points,
                    title(part.dataset),
                    None if part.dataset == "alerts" else part.dataset,
                ]
                for part in one.parts
            ]
            place = "" if one.peers is None else f"，高于同类 {one.peers:.0%}"
            beside = "" if one.peers is None else f", above {one.peers:.0%} of its kind"
            said.append(f"{name} {one.score:.0f} 分{place}\x1f{name}: {one.score:.0f} points{beside}")
    zh, en = listed(known.missing)
    note = text(
        "；".join(each.split("\x1f")[0] for each in said) + (f"。未计入：{zh}" if zh else "") or "没有评分",
        "; ".join(each.split("\x1f")[1] for each in said) + (f". Left out: {en}" if en else "") or "No score",
    )
    columns: list[dict[str, object]] = [
        {"name": "site", "title": text("厂址", "Site")},
        {"name": "reason", "title": text("原因", "Reason")},
        {"name": "points", "title": text("分", "Points"), "kind": "number", "digits": 0},
        {"name": "dataset", "title": text("数据", "Data"), "link": {"to": "dataset", "column": "dataset_id"}},
        {"name": "dataset_id", "title": text("数据集编号", "Name of the dataset"), "hidden": True},
    ]
    return {"type": "table", "columns": columns, "rows": rows, "note": note}


def ranking(reader: Reader, now: datetime, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """All sites by their score, the highest first, as a declared page's table; ``district`` (a code) narrows it down."""
    known = known_to(reader, now)
    district = parameters.get("district")
    rows: list[list[object]] = []
    for one in assess(known, now):
        row = known.sites[one.site]
        if district and row.get("district_code") != district:
            continue
        reasons = [part.reason for part in one.parts[:3]]
        said = text("；".join(each["zh-CN"] for each in reasons), "; ".join(each["en"] for each in reasons))
        rows.append([one.site, row.get("name"), one.score, one.peers, said])
    columns: list[dict[str, object]] = [
        {"name": "site_id", "title": text("厂址编号", "Site number"), "hidden": True},
        {
            "name": "name",
            "title": text("厂址", "Site"),
            "link": {"to": "subject", "by": "site_id", "column": "site_id"},
        },
        {"name": "score", "title": text("风险分", "Risk"), "kind": "number", "digits": 0},
        {"name": "peers", "title": text("高于同类", "Above its kind"), "kind": "share", "digits": 0},
        {"name": "reasons", "title": text("主要原因", "Main reasons")},
    ]
    return {"type": "table", "columns": columns, "rows": rows[:MOST]}


MOST = 500
"""Sites shown in one table."""
