"""The chain of a chemical over production, storage, sale, use, transport and disposal, from the books of six departments.

:func:`balance` sets against each other what departments know of one site, chemical and month, each number with its error
and its source. :func:`follow` is a tonne's way: which site sent how much to which, by waybills, deals of controlled
chemicals, manifests of waste and port declarations. Both are pure; :func:`flow` and :func:`month` are what pages show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.grading import TANK_HOURS
from cityheart.apps.hazchem.names import listed
from cityheart.apps.hazchem.signals import books, flows, returns
from cityheart.sdk import Invalid, Reader, Text, text

__all__ = ["STAGES", "Link", "Node", "balance", "flow", "follow", "month"]

ROAD_ERROR = 0.01
"""Of a load: weighbridges at both ends."""

MOST_LINKS = 60
"""Links of a picture; the smaller ones are added up in the note."""

STAGES: Mapping[str, Text] = {
    "outside": text("市外来源", "From outside"),
    "production": text("生产", "Production"),
    "storage": text("储存", "Storage"),
    "sale": text("经营", "Sale"),
    "use": text("使用", "Use"),
    "disposal": text("处置", "Disposal"),
    "away": text("市外去向", "To outside"),
}
STAGE_OF = {"producer": "production", "storage": "storage", "dealer": "sale", "user": "use", "disposal": "disposal"}
DEPARTMENTS = {
    "approval_monthly_return": ("approval", text("行政审批局", "Administrative Approval Bureau")),
    "transport_waybill": ("transport", text("交通运输局", "Transport Bureau")),
    "police_flow": ("police", text("公安局", "Public Security Bureau")),
    "waste_manifest": ("ecology", text("生态环境局", "Ecology and Environment Bureau")),
    "maritime_declaration": ("maritime", text("海事局", "Maritime Bureau")),
    "hazchem_tank_hour": ("emergency", text("应急管理局", "Emergency Management Bureau")),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A site (or a firm, or somewhere outside) with the stage at which it stands."""

    id: str
    label: str
    stage: str
    site_id: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """What went from one node to another: t, its error in t, how many papers, and the dataset that says so."""

    origin: str
    to: str
    t: float
    error_t: float
    papers: int
    source: str


@dataclass(frozen=True, slots=True)
class Line:
    """One number of a balance: t and error in t (standard), ``None`` when not known."""

    item: Text
    t: float | None
    error_t: float | None
    source: str
    sign: int = 0


# ── the balance of a site, chemical and month ────────────────────────────────────────────────────────────────────────


def balance(
    tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, site_id: str, cas: str, month: int
) -> list[Line]:
    """What the return says, item by item, what is left over, and what the other departments say of the same items.

    ``month`` is as in :func:`books.month_named`. Empty when the firm has returned nothing for it. Takes the tables of
    :func:`returns.balances`.
    """
    months_back = {**returns.PARAMETERS, "months": 240.0}
    found = returns.balances(tables, now, zone, months_back)
    found = found.filter(pc.and_(pc.equal(found["site_id"], site_id), pc.equal(found["cas"], cas)))
    rows = found.filter(pc.equal(found["month"], month)).to_pylist()
    if not rows:
        return []
    row = rows[0]
    names = {
        "opening_t": (text("期初库存", "Opening stock"), 1, "change_share"),
        "produced_t": (text("生产", "Produced"), 1, "weighing_share"),
        "purchased_t": (text("购入", "Purchased"), 1, "weighing_share"),
        "used_t": (text("使用", "Used"), -1, "weighing_share"),
        "sold_t": (text("销售", "Sold"), -1, "weighing_share"),
        "disposed_t": (text("处置", "Disposed of"), -1, "weighing_share"),
        "closing_t": (text("期末库存", "Closing stock"), -1, "change_share"),
    }
    own = "approval_monthly_return"
    lines = []
    for name, (title, sign, share) in names.items():
        error = books.number(returns.PARAMETERS, share) * row[name]
        lines.append(Line(title, row[name], error, own, sign))
    lines.append(Line(text("不平衡量", "Left over"), row["residual_t"], row["sigma_t"], own))
    road = "transport_waybill"
    lines.append(Line(text("运单运入", "Brought, by waybills"), row["way_in_t"], ROAD_ERROR * row["way_in_t"], road))
    lines.append(Line(text("运单运出", "Taken, by waybills"), row["way_out_t"], ROAD_ERROR * row["way_out_t"], road))
    tank = None if np.isnan(row["tank_t"]) else row["tank_t"]
    room = _capacity(tables["hazard_tank"], site_id, cas)
    gauge = books.number(returns.PARAMETERS, "gauge_share") * room
    lines.append(
        Line(
            text("月末储罐存量", "In tanks at the month's end"),
            tank,
            gauge if tank is not None else None,
            "hazchem_tank_hour",
        )
    )
    lines += _controlled(tables, site_id, cas, month, zone)
    return lines


def _capacity(tank: pa.Table, site_id: str, cas: str) -> float:
    """What a site's tanks of a chemical can hold, in t."""
    of = tank.filter(pc.and_(pc.equal(tank["site_id"], site_id), pc.equal(tank["cas"], cas)))
    return float(pc.sum(of["capacity_t"]).as_py() or 0.0)


def _controlled(tables: Mapping[str, pa.Table], site_id: str, cas: str, month: int, zone: ZoneInfo) -> list[Line]:
    """What the firm has told the police of the chemical in the month; nothing when it is not a controlled one."""
    given = tables.get("police_flow")
    if given is None or not given.num_rows:
        return []
    firm, site = tables["approval_firm"], tables["approval_site"]
    owner = books.looked_up(pa.array([site_id]), site["site_id"], site["firm_id"])
    holder = books.looked_up(owner, firm["firm_id"], firm["uscc"]).to_pylist()[0]
    moved = flows.movements(given.filter(pc.equal(given["cas"], cas)))
    moved = moved.filter(pc.equal(moved["holder"], holder or ""))
    moved = moved.filter(pa.array(books.month_of(moved["occurred_at"], zone) == month))
    if not moved.num_rows:
        return []
    titles = (
        text("流向：购入（全企业）", "Flows: bought (whole firm)"),
        text("流向：售出与转让（全企业）", "Flows: sold, passed on (whole firm)"),
        text("流向：使用（全企业）", "Flows: used (whole firm)"),
        text("流向：丢失（全企业）", "Flows: lost (whole firm)"),
    )
    what, kg = np.asarray(moved["what"]), books.numbers(moved["kg"])
    sums = [float(kg[what == n].sum()) / 1000.0 for n in range(4)]
    return [Line(title, t, ROAD_ERROR * t, "police_flow") for title, t in zip(titles, sums, strict=True)]


# ── a tonne followed ─────────────────────────────────────────────────────────────────────────────────────────────────


def follow(
    tables: Mapping[str, pa.Table],
    cas: str,
    since: datetime,
    until: datetime,
    site_id: str | None = None,
    waybill_no: str | None = None,
) -> tuple[list[Node], list[Link]]:
    """Who sent how much of a chemical to whom between two moments; the largest links first.

    With a site, only what comes from it or leads to it, over any number of stations. With a waybill, where its load can
    have gone: its own way, then what left the place of unloading afterwards. Takes ``approval_firm``, ``approval_site``,
    ``transport_waybill``, ``approval_licensed_chemical``, ``hazard_tank`` and, if there, ``police_flow``,
    ``waste_manifest`` (of the sites found) and ``maritime_declaration``.
    """
    firm, site = tables["approval_firm"], tables["approval_site"]
    book = _Places(firm, site)
    waybill = tables["transport_waybill"]
    chemical = returns.chemical_of(waybill, tables["approval_licensed_chemical"], tables["hazard_tank"])
    one = None
    if waybill_no is not None:
        chosen = pc.equal(waybill["waybill_no"], waybill_no)
        picked = waybill.filter(chosen).to_pylist()
        if not picked:
            return [], []
        one = picked[0]
        cas = chemical.filter(chosen.combine_chunks()).to_pylist()[0] or cas
        since = one["unloaded_at"] or one["planned_arrival"]
    links = _by_road(waybill, chemical, cas, since, until, firm, site, book)
    links += _by_deals(tables.get("police_flow"), cas, since, until, book, {(each.origin, each.to) for each in links})
    links += _by_ship(tables, cas, since, until, book)
    if one is not None:
        first = _by_road(
            waybill.filter(pc.equal(waybill["waybill_no"], waybill_no)), None, cas, None, None, firm, site, book
        )
        ends = {each.to for each in first}
        links = first + _reached(links, ends, down=True)
    elif site_id is not None:
        links = [*_reached(links, {site_id}, down=True), *_reached(links, {site_id}, down=False)]
        links = list(dict.fromkeys(links))
    here = {each for link in links for each in (link.origin, link.to)} | ({site_id} if site_id else set())
    if site_id is not None or one is not None:
        links += _by_manifests(tables.get("waste_manifest"), since, until, here, firm, site, book)
    links.sort(key=lambda each: (-each.t, each.origin, each.to, each.source))
    used = {each for link in links for each in (link.origin, link.to)}
    return [book.nodes[each] for each in sorted(used)], links


class _Places:
    """Nodes by site, by firm where the site is not known, and by name outside the register."""

    def __init__(self, firm: pa.Table, site: pa.Table) -> None:
        kinds = dict(zip(firm["firm_id"].to_pylist(), firm["kind"].to_pylist(), strict=True))
        self.nodes: dict[str, Node] = {}
        self._first: dict[str, str] = {}
        self._names: dict[str, str] = {}
        usccs = dict(zip(firm["firm_id"].to_pylist(), firm["uscc"].to_pylist(), strict=True))
        names = dict(zip(firm["firm_id"].to_pylist(), firm["name"].to_pylist(), strict=True))
        columns = (site[name].to_pylist() for name in ("site_id", "firm_id", "name"))
        for site_id, firm_id, name in zip(*columns, strict=True):
            stage = STAGE_OF.get(kinds.get(firm_id, ""), "use")
            self.nodes[site_id] = Node(site_id, name, stage, site_id)
            if firm_id in usccs:
                self._first.setdefault(usccs[firm_id], site_id)
                self._names.setdefault(names[firm_id], site_id)

    def of_firm(self, uscc: str | None) -> str | None:
        """The first site of a firm; ``None`` for one that is not registered here."""
        return None if uscc is None else self._first.get(uscc)

    def of_name(self, name: str) -> str | None:
        """The first site of a firm by its registered name."""
        return self._names.get(name)

    def outside(self, name: str, sends: bool) -> str:
        """A place outside the register."""
        stage = "outside" if sends else "away"
        key = f"{stage}:{name}"
        self.nodes.setdefault(key, Node(key, name, stage))
        return key


def _by_road(
    waybill: pa.Table,
    chemical: pa.Array | None,
    cas: str,
    since: datetime | None,
    until: datetime | None,
    firm: pa.Table,
    site: pa.Table,
    book: _Places,
) -> list[Link]:
    """Links of waybills that were not cancelled: site to site, those in the register by number, others by name."""
    if chemical is not None:
        keep = pc.fill_null(pc.equal(chemical, cas), False)
        waybill = waybill.filter(keep)
    waybill = waybill.filter(pc.not_equal(waybill["status"], "作废"))
    waybill = _between(waybill, pc.coalesce(waybill["loaded_at"], waybill["planned_departure"]), since, until)
    load = books.site_of(waybill["consignor_uscc"], waybill["load_site"], firm, site, sole=True)
    unload = books.site_of(waybill["consignee_uscc"], waybill["unload_site"], firm, site, sole=True)
    grouped = (
        pa.table(
            {
                "a": pc.coalesce(load, pc.binary_join_element_wise("~", waybill["load_site"].combine_chunks(), "")),
                "b": pc.coalesce(unload, pc.binary_join_element_wise("~", waybill["unload_site"].combine_chunks(), "")),
                "t": waybill["quantity_t"],
                "s": pc.power(waybill["quantity_t"], 2.0),
            }
        )
        .group_by(["a", "b"], use_threads=False)
        .aggregate([("t", "sum"), ("t", "count"), ("s", "sum")])
    )
    links = []
    for row in grouped.to_pylist():  # pairs of places, not loads
        origin = book.outside(row["a"][1:], sends=True) if row["a"].startswith("~") else row["a"]
        to = book.outside(row["b"][1:], sends=False) if row["b"].startswith("~") else row["b"]
        error = ROAD_ERROR * float(np.sqrt(row["s_sum"] or 0.0))
        links.append(Link(origin, to, float(row["t_sum"] or 0.0), error, row["t_count"], "transport_waybill"))
    return links


def _by_deals(
    flow: pa.Table | None, cas: str, since: datetime, until: datetime, book: _Places, known: set[tuple[str, str]]
) -> list[Link]:
    """Links of deals in controlled chemicals; what waybills show already is not told twice. A deal of two sides is one."""
    if flow is None or not flow.num_rows:
        return []
    flow = flow.filter(
        pc.and_(pc.equal(flow["cas"], cas), pc.is_in(flow["kind"], pa.array(["sale", "purchase", "transfer"])))
    )
    flow = _between(flow, flow["occurred_at"], since, until)
    flow = flow.filter(pc.and_(pc.is_valid(flow["seller_uscc"]), pc.is_valid(flow["buyer_uscc"])))
    flow = flow.append_column("t", pc.divide(flow["quantity_kg"], 1000.0))
    by = flow.group_by(["seller_uscc", "buyer_uscc", "kind"], use_threads=False).aggregate(
        [("t", "sum"), ("t", "count")]
    )
    told: dict[tuple[str, str], dict[str, tuple[float, int]]] = {}
    for row in by.to_pylist():  # pairs of firms
        pair = told.setdefault((row["seller_uscc"], row["buyer_uscc"]), {})
        pair[row["kind"]] = (row["t_sum"], row["t_count"])
    links = []
    for (seller, buyer), kinds in told.items():
        sides = [kinds.get(kind, (0.0, 0)) for kind in ("sale", "purchase")]
        moved = kinds.get("transfer", (0.0, 0))
        t, papers = max(sides)[0] + moved[0], max(sides)[1] + moved[1]
        origin = book.of_firm(seller) or book.outside(seller, sends=True)
        to = book.of_firm(buyer) or book.outside(buyer, sends=False)
        if (origin, to) not in known:
            links.append(Link(origin, to, t, ROAD_ERROR * t, papers, "police_flow"))
    return links


def _by_ship(tables: Mapping[str, pa.Table], cas: str, since: datetime, until: datetime, book: _Places) -> list[Link]:
    """Links of port declarations whose cargo has the chemical's name: vessels as places outside."""
    given = tables.get("maritime_declaration")
    if given is None or not given.num_rows:
        return []
    names = {
        name
        for table in (tables["approval_licensed_chemical"], tables["hazard_tank"])
        for name in table.filter(pc.equal(table["cas"], cas))["chemical"].to_pylist()
    }
    given = given.filter(pc.is_in(given["cargo"], pa.array(sorted(names), pa.string())))
    given = _between(given, given["from"], since, until)
    columns = ["operation", "consignor", "consignee", "vessel"]
    by = given.group_by(columns, use_threads=False).aggregate([("quantity", "sum"), ("quantity", "count")])
    links = []
    for row in by.to_pylist():  # vessels and firms
        t, papers = float(row["quantity_sum"]), row["quantity_count"]
        if row["operation"] == "卸船":
            ends = (
                book.outside(row["vessel"], sends=True),
                book.of_name(row["consignee"]) or book.outside(row["consignee"], sends=False),
            )
        else:
            ends = (
                book.of_name(row["consignor"]) or book.outside(row["consignor"], sends=True),
                book.outside(row["vessel"], sends=False),
            )
        links.append(
            Link(*ends, t, 0.005 * t, papers, "maritime_declaration")
        )  # draught surveys are good to half a per cent
    return links


def _by_manifests(
    manifest: pa.Table | None,
    since: datetime,
    until: datetime,
    here: set[str],
    firm: pa.Table,
    site: pa.Table,
    book: _Places,
) -> list[Link]:
    """Waste that the sites shown gave to its receivers, whatever chemical it comes from."""
    if manifest is None or not manifest.num_rows:
        return []
    manifest = _between(manifest, manifest["shipped_at"], since, until)
    origin = books.site_of(manifest["producer_uscc"], manifest["producer_site"], firm, site, sole=True)
    table = pa.table({"a": origin, "b": manifest["receiver_uscc"], "t": manifest["shipped_t"]})
    table = table.filter(pc.is_in(table["a"], pa.array(sorted(here), pa.string())))
    links = []
    for row in table.group_by(["a", "b"], use_threads=False).aggregate([("t", "sum"), ("t", "count")]).to_pylist():
        to = book.of_firm(row["b"]) or book.outside(row["b"], sends=False)
        links.append(Link(row["a"], to, row["t_sum"], ROAD_ERROR * row["t_sum"], row["t_count"], "waste_manifest"))
    return links


def _between(table: pa.Table, moments: Any, since: datetime | None, until: datetime | None) -> pa.Table:
    """Rows whose moment lies in [since, until)."""
    if since is None or until is None:
        return table
    low, high = (pa.scalar(each, pa.timestamp("us", tz="UTC")) for each in (since, until))
    return table.filter(pc.and_(pc.greater_equal(moments, low), pc.less(moments, high)))


def _reached(links: Iterable[Link], start: set[str], *, down: bool) -> list[Link]:
    """The links that lead away from (or to) a place, over any number of stations."""
    waiting, seen = set(start), set(start)
    every = list(links)
    found: list[Link] = []
    while waiting:
        step = [each for each in every if (each.origin if down else each.to) in waiting]
        found += step
        waiting = {each.to if down else each.origin for each in step} - seen
        seen |= waiting
    return found


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_OPTIONAL = ("police_flow", "waste_manifest", "maritime_declaration", "hazchem_tank_hour")
_BOOKS = timedelta(days=100)


def _tables(reader: Reader, wanted: Iterable[str]) -> tuple[dict[str, pa.Table], list[str]]:
    """The tables that the reader may read, and the names of those that are left out for want of permission."""
    tables, closed = {}, []
    for name in wanted:
        if name in _OPTIONAL and not reader.may(name):
            closed.append(name)
            continue
        tables[name] = reader.rows(name, window=_BOOKS) if name in _DATED else reader.rows(name)
    return tables, closed


_DATED = {"transport_waybill", "police_flow", "waste_manifest", "maritime_declaration", "approval_monthly_return"}


def flow(reader: Reader, now: datetime, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """The flow picture of a chemical: ``cas``, and perhaps ``site``, ``waybill`` and ``days`` (31) back from now."""
    cas = str(parameters.get("cas") or "")
    number = str(parameters.get("waybill") or "") or None
    if not cas and number is None:
        raise Invalid("no chemical is chosen", remedy="choose a chemical, or give the number of a waybill")
    days = int(str(parameters.get("days") or 31))
    names = ["approval_firm", "approval_site", "approval_licensed_chemical", "hazard_tank", "transport_waybill"]
    tables, closed = _tables(reader, [*names, *_OPTIONAL[:3]])
    since = now - timedelta(days=min(max(days, 1), _BOOKS.days))
    nodes, links = follow(tables, cas, since, now, str(parameters.get("site") or "") or None, number)
    shown, rest = links[:MOST_LINKS], links[MOST_LINKS:]
    used = {each for link in shown for each in (link.origin, link.to)}
    return {
        "type": "flow",
        "stages": [{"id": stage, "title": title} for stage, title in STAGES.items()],
        "nodes": [_shown(node) for node in nodes if node.id in used],
        "links": [
            {"from": each.origin, "to": each.to, "t": each.t, "error_t": each.error_t, "source": each.source}
            for each in shown
        ],
        "note": _note(closed, rest),
    }


def _shown(node: Node) -> dict[str, object]:
    there: dict[str, object] = {"id": node.id, "label": node.label, "stage": node.stage}
    if node.site_id is not None:
        there |= {"department": "approval", "link": {"to": "subject", "by": "site_id"}, "link_id": node.site_id}
    return there


def _note(closed: list[str], rest: list[Link]) -> Text:
    zh = ["来源：运单（交通运输局）、流向（公安局）、联单（生态环境局）、港口申报（海事局）"]
    en = ["From waybills (transport), flows (police), manifests (ecology) and port declarations (maritime)"]
    if rest:
        total = sum(each.t for each in rest)
        zh.append(f"另有 {len(rest)} 条较小的流向共 {total:.1f} 吨未画出")
        en.append(f"{len(rest)} smaller links, {total:.1f} t together, are not drawn")
    if closed:
        closed_zh, closed_en = listed(closed)
        zh.append(f"无权查看或尚无数据而未计入：{closed_zh}")
        en.append(f"left out, not there or not for you: {closed_en}")
    return text("；".join(zh) + "。", "; ".join(en) + ".")


def month(reader: Reader, now: datetime, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """The balance of a ``site``, chemical (``cas``) and ``month`` (``YYYY-MM``; else the last that is over) as a table."""
    site_id, cas = str(parameters.get("site") or ""), str(parameters.get("cas") or "")
    zone = reader.zone
    today = now.astimezone(zone)
    which = 12 * today.year + today.month - 2
    if parameters.get("month"):
        which = int(books.month_named(pa.array([str(parameters["month"])]))[0])
        if which < 12:
            raise Invalid(f"{parameters['month']!r} is no month", remedy="e.g. 2026-03")
    names = [f"approval_{each}" for each in ("firm", "site", "licence", "licensed_chemical", "monthly_return")]
    tables, closed = _tables(reader, [*names, "hazard_tank", "transport_waybill", "police_flow"])
    end = books.month_begin(which + 1, zone)
    tables["hazchem_tank_hour"] = TANK_HOURS.empty_table()
    if reader.may("hazchem_tank_hour"):
        back = max(now - end, timedelta(0))  # only the last hours of the month
        tables["hazchem_tank_hour"] = reader.rows(
            "hazchem_tank_hour", window=back + timedelta(hours=4), ahead=-back, columns=TANK_HOURS.names
        )
    else:
        closed.append("hazchem_tank_hour")
    lines = balance(tables, now, zone, site_id, cas, which)
    columns_shown: list[dict[str, object]] = [
        {"name": "item", "title": text("项目", "Item")},
        {"name": "t", "title": text("数量", "Quantity"), "unit": "t", "kind": "number", "digits": 2},
        {"name": "error", "title": text("误差（1σ）", "Error (1 σ)"), "unit": "t", "kind": "number", "digits": 2},
        {"name": "source", "title": text("数据集", "Dataset"), "link": {"to": "dataset"}},
        {"name": "department", "title": text("部门", "Department")},
    ]
    rows = [[each.item, each.t, each.error_t, each.source, DEPARTMENTS[each.source][1]] for each in lines]
    note = text(
        f"{books.month_text(which)}：期初+生产+购入−使用−销售−处置−期末=不平衡量。"
        + ("" if lines else "该月没有月报。"),
        f"{books.month_text(which)}: opening + produced + purchased - used - sold - disposed - closing = left over."
        + ("" if lines else " Nothing was returned for it."),
    )
    if closed:
        closed_zh, closed_en = listed(closed)
        note = text(
            f"{note['zh-CN']}无权查看或尚无数据：{closed_zh}。",
            f"{note['en']} Not there or not for you: {closed_en}.",
        )
    return {"type": "table", "columns": columns_shown, "rows": rows, "note": note}
