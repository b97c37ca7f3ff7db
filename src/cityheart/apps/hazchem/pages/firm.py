"""The page of a firm or a site: what the departments know of it, one section each."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem import risk as scores
from cityheart.apps.hazchem.pages.common import (
    ALERT,
    FIRM,
    OUTLET,
    PLATE,
    SITE,
    TANK,
    Subject,
    column,
    nothing,
    subject,
    table,
)
from cityheart.apps.hazchem.pages.common import tanks as tanks_of
from cityheart.apps.hazchem.pages.visits import recorded
from cityheart.sdk import ALL_TIME, Problem, Reader, text

__all__ = [
    "alerts",
    "contributed",
    "emissions",
    "inspections",
    "licences",
    "orders",
    "overview",
    "risk",
    "tanks",
    "tasks",
    "vehicles",
    "waybills",
]

Given = Mapping[str, object]
MONTH = timedelta(days=30)
RECENT = timedelta(days=2)
STOPS = ("停产停业整顿", "暂扣许可证", "吊销")
"""Orders that stop production."""


def overview(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """The few things one looks for first, each with the dataset that says it."""
    of = subject(read, given)
    items: list[dict[str, object]] = []

    def fact(zh: str, en: str, value: object, dataset: str, at: object = None, **more: object) -> None:
        items.append({"label": text(zh, en), "value": value, "dataset": dataset, "at": at, **more})

    sites = read.query(
        "SELECT count(*) AS n, max(residents_500m) AS residents FROM approval_site WHERE array_has($sites, site_id)",
        {"sites": of.sites},
        window=ALL_TIME,
    ).to_pylist()[0]
    if read.may("approval_firm") and of.firms:
        firm = read.query(
            "SELECT name, kind, status, updated_at FROM approval_firm WHERE array_has($firms, firm_id) ORDER BY updated_at DESC",
            {"firms": of.firms},
            window=ALL_TIME,
        ).to_pylist()
        if firm:
            fact("登记状态", "Registered as", firm[0]["status"], "approval_firm", firm[0]["updated_at"])
    fact("厂址", "Sites", sites["n"], "approval_site")
    if sites["residents"] is not None:
        fact("500 米内居民（最多）", "Residents within 500 m (most)", sites["residents"], "approval_site", unit="人")
    standing = [row for row in _orders(read, of) if _in_force(row, now)]
    stops = [row for row in standing if row["kind"] in STOPS]
    worst = (stops or standing)[0] if standing else None
    fact(
        "现行处理决定", "Orders in force", f"{worst['kind']} {worst['scope'] or ''}".strip() if worst else text("无", "none"),
        "enforcement_order", worst["effective_from"] if worst else None,
    )  # fmt: skip
    held = _licences(read, of)
    valid = [row for row in held if _valid(row, now, read)]
    fact("有效许可证", "Licences in force", len(valid), "approval_licence")
    if valid:
        fact("最近到期", "Next to end", min(str(row["valid_to"]) for row in valid), "approval_licence")
    last = _inspections(read, of, 1)
    if last:
        fact("最近检查", "Last inspection", last[0]["result"], "enforcement_inspection", last[0]["at"])
    near = tanks_of(read, of.sites)
    if near and near[0]["nearness"] is not None:
        fact(
            "储罐距报警值最近", "Tank nearest to alarm", near[0]["nearness"], "hazchem_tank_hour", near[0]["hour"],
            kind="share", digits=0, link=TANK, id=near[0]["tank_id"],
        )  # fmt: skip
    open_alerts = [one for one in read.alerts(of.about) if one["state"] != "ended"]
    items.append({"label": text("未了预警", "Open alerts"), "value": len(open_alerts)})
    return {"type": "facts", "items": items}


def risk(read: Reader, now: datetime, given: Given) -> Mapping[str, object]:
    """The score of the site, or of each of the firm's sites, with its parts."""
    return scores.risk(read, now, {"site_id": subject(read, given).sites})


# ── licences and orders ────────────────────────────────────────────────────────────────────────────────────────────


def _licences(read: Reader, of: Subject) -> list[dict[str, object]]:
    rows = read.query(
        """SELECT licence_no, kind, firm_id, site_id, valid_from, valid_to, status FROM approval_licence
        WHERE array_has($sites, site_id) OR (array_has($firms, firm_id) AND (site_id IS NULL OR site_id = '' OR $all))
        ORDER BY valid_to DESC, licence_no""",
        {"sites": of.sites, "firms": of.firms, "all": not of.one_site},
        window=ALL_TIME,
    )
    return cast("list[dict[str, object]]", rows.to_pylist())


def _valid(row: Mapping[str, object], now: datetime, read: Reader) -> bool:
    """Dates decide: an ended licence stays 有效 in the registry until somebody edits it."""
    today = now.astimezone(read.zone).date()
    return row["status"] == "有效" and row["valid_from"] <= today <= row["valid_to"]  # type: ignore[operator]


def licences(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Every licence, with what it allows to be kept, and whether it is in force today by its dates."""
    of = subject(read, given)
    held = _licences(read, of)
    if not held:
        return nothing(
            "许可系统没有记录。若确在经营危险化学品，请核实许可。",
            "The licence registry has no record. If the firm does handle hazardous chemicals, its licence is to be verified.",
        )
    chemicals = read.query(
        """SELECT licence_no, string_agg(chemical || ' ' || round(max_storage_t, 1) || ' t', '、') AS allowed
        FROM approval_licensed_chemical WHERE array_has($numbers, licence_no) GROUP BY licence_no""",
        {"numbers": [row["licence_no"] for row in held]},
        window=ALL_TIME,
    )
    allowed = dict(zip(chemicals["licence_no"].to_pylist(), chemicals["allowed"].to_pylist(), strict=True))
    today = now.astimezone(read.zone).date()
    for row in held:
        row["allowed"] = allowed.get(row["licence_no"])
        row["left"] = (row["valid_to"] - today).days  # type: ignore[operator]
        row["stands"] = text("有效", "in force") if _valid(row, now, read) else text("已失效", "not in force")
    return table(
        [
            column("kind", "许可", "Licence"),
            column("licence_no", "编号", "Number"),
            column("site_id", "厂址", "Site", link=SITE),
            column("stands", "按日期", "By its dates"),
            column("left", "剩余", "Left", unit="d", kind="number", digits=0),
            column("valid_to", "有效至", "Valid to", kind="day"),
            column("status", "登记状态", "As registered"),
            column("allowed", "载明的化学品", "Chemicals allowed"),
        ],
        held,
    )


def _orders(read: Reader, of: Subject) -> list[dict[str, object]]:
    rows = read.query(
        """SELECT order_id, kind, scope, site_id, issued_at, effective_from, effective_to, lifted_at FROM enforcement_order
        WHERE array_has($sites, site_id) OR (array_has($firms, firm_id) AND (site_id IS NULL OR site_id = '' OR $all))
        ORDER BY effective_from DESC, order_id""",
        {"sites": of.sites, "firms": of.firms, "all": not of.one_site},
        window=ALL_TIME,
    )
    return cast("list[dict[str, object]]", rows.to_pylist())


def _in_force(row: Mapping[str, object], now: datetime) -> bool:
    begins, ends, lifted = (
        cast("datetime | None", row[name]) for name in ("effective_from", "effective_to", "lifted_at")
    )
    return (begins is None or begins <= now) and (ends is None or now < ends) and (lifted is None or now < lifted)


def orders(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Orders of the safety administration, those in force first."""
    rows = _orders(read, subject(read, given))
    for row in rows:
        row["stands"] = text("生效中", "in force") if _in_force(row, now) else text("已结束", "over")
    rows.sort(key=lambda row: row["stands"] != text("生效中", "in force"))
    return table(
        [
            column("stands", "状态", "State"),
            column("kind", "决定", "Order"),
            column("scope", "范围", "Scope"),
            column("site_id", "厂址", "Site", link=SITE),
            column("effective_from", "生效", "From", kind="time"),
            column("effective_to", "至", "To", kind="time"),
            column("lifted_at", "解除", "Lifted", kind="time"),
            column("order_id", "编号", "Number"),
        ],
        rows,
    )


def _inspections(read: Reader, of: Subject, limit: int) -> list[dict[str, object]]:
    rows = read.query(
        """SELECT inspection_id, site_id, at, inspectors, findings, result FROM enforcement_inspection
        WHERE array_has($sites, site_id) ORDER BY at DESC, inspection_id LIMIT $limit""",
        {"sites": of.sites, "limit": limit},
        window=ALL_TIME,
    )
    return cast("list[dict[str, object]]", rows.to_pylist())


def inspections(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Inspections by the safety administration and by fire and rescue (which knows firms by their name only)."""
    of = subject(read, given)
    rows = [
        {"by": text("应急管理", "Emergency management"), "at": row["at"], "site_id": row["site_id"],
         "result": row["result"], "findings": row["findings"]}
        for row in _inspections(read, of, 100)
    ]  # fmt: skip
    fire = read.query(
        """SELECT inspected_at AS at, result, hazards AS findings FROM fire_inspection
        WHERE name IN (SELECT name FROM market_entity WHERE array_has($usccs, uscc))""",
        {"usccs": of.usccs},
        window=ALL_TIME,
    ).to_pylist()
    rows += [{"by": text("消防救援", "Fire and rescue"), **row} for row in fire]
    with suppress(Problem):  # the records of the form are for its department; others see what the systems hold
        rows += recorded(read, str(given.get("subject")))
    rows.sort(key=lambda row: str(row["at"]), reverse=True)
    return table(
        [
            column("at", "时间", "Time", kind="time"),
            column("by", "部门", "Department"),
            column("site_id", "厂址", "Site", link=SITE),
            column("result", "结果", "Result"),
            column("findings", "发现", "Findings"),
        ],
        rows,
    )


# ── what is there and what moves ───────────────────────────────────────────────────────────────────────────────────


def tanks(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Tanks with their newest hour beside the alarm values."""
    return table(
        [
            column("tank_id", "储罐", "Tank", link=TANK),
            column("site_id", "厂址", "Site", link=SITE),
            column("chemical", "化学品", "Chemical"),
            column("nearness", "距报警值", "Of the alarm value", kind="share", digits=0),
            column("level_m", "液位", "Level", unit="m", digits=2),
            column("alarm_level_m", "报警液位", "Alarm level", unit="m", digits=2),
            column("mass_t", "存量", "Mass", unit="t", digits=1),
            column("temperature_c", "温度", "Temperature", unit="°C", digits=1),
            column("pressure_kpa", "压力", "Pressure", unit="kPa", digits=1),
            column("hour", "截至", "As of", kind="time"),
        ],
        tanks_of(read, subject(read, given).sites),
        text(
            "存量 = 液位 ÷ 罐高 × 容量；取最近一天内最新的一小时。",
            "Mass = level / height × capacity, of the newest hour of the last day.",
        ),
    )


def vehicles(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Vehicles registered for the firm as a carrier."""
    rows = read.query(
        """SELECT plate, vehicle_kind, approved_goods, approved_t, permit_valid_to FROM transport_vehicle
        WHERE array_has($usccs, carrier_uscc) ORDER BY plate""",
        {"usccs": subject(read, given).usccs},
        window=ALL_TIME,
    ).to_pylist()
    return table(
        [
            column("plate", "车牌", "Plate", link=PLATE),
            column("vehicle_kind", "车型", "Kind"),
            column("approved_goods", "核准货物", "Approved goods"),
            column("approved_t", "核准载重", "Approved load", unit="t", digits=1),
            column("permit_valid_to", "营运证有效至", "Permit valid to", kind="day"),
        ],
        rows,
    )


def waybills(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Waybills of the last thirty days in which the firm carries, sends or receives."""
    rows = read.query(
        """SELECT waybill_no, plate, cargo, quantity_t, load_site, unload_site, planned_departure, status,
        carrier_uscc, consignor_uscc, consignee_uscc FROM transport_waybill
        WHERE array_has($usccs, carrier_uscc) OR array_has($usccs, consignor_uscc) OR array_has($usccs, consignee_uscc)
        ORDER BY planned_departure DESC, waybill_no LIMIT 2000""",
        {"usccs": subject(read, given).usccs},
        window=MONTH,
        ahead=timedelta(days=2),
    ).to_pylist()
    return table(
        [
            column("planned_departure", "计划发车", "Departure planned", kind="time"),
            column("cargo", "货物", "Cargo"),
            column("quantity_t", "数量", "Quantity", unit="t", digits=1),
            column("load_site", "装货地", "Loads at", link={**FIRM, "column": "consignor_uscc"}),
            column("unload_site", "卸货地", "Unloads at", link={**FIRM, "column": "consignee_uscc"}),
            column("plate", "车牌", "Plate", link=PLATE),
            column("status", "状态", "State"),
            column("waybill_no", "运单号", "Waybill"),
            column("consignor_uscc", "托运人", "Consignor", hidden=True),
            column("consignee_uscc", "收货人", "Consignee", hidden=True),
        ],
        rows,
    )


def emissions(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Outlets with the newest hour of each factor beside its limit."""
    of = subject(read, given)
    outlets = read.query(
        "SELECT mn, site_id, kind, limits FROM emission_outlet WHERE array_has($sites, site_id) ORDER BY mn",
        {"sites": of.sites},
        window=ALL_TIME,
    ).to_pylist()
    if not outlets:
        return nothing("没有联网的排放口。", "There is no outlet on line.")
    hours = read.query(
        """SELECT mn, factor, hour, mean, n_minutes FROM (
          SELECT *, row_number() OVER (PARTITION BY mn, factor ORDER BY hour DESC) AS newest
          FROM hazchem_emission_hour WHERE array_has($mns, mn)
        ) WHERE newest = 1 ORDER BY mn, factor""",
        {"mns": [row["mn"] for row in outlets]},
        window=RECENT,
    ).to_pylist()
    by = {row["mn"]: row for row in outlets}
    for row in hours:
        outlet = by[row["mn"]]
        limit = _limits(outlet["limits"]).get(row["factor"])
        row |= {"kind": outlet["kind"], "site_id": outlet["site_id"], "limit": limit}
        row["share"] = row["mean"] / limit if limit and row["mean"] is not None else None
    return table(
        [
            column("mn", "排放口", "Outlet", link=OUTLET),
            column("kind", "类别", "Kind"),
            column("factor", "因子", "Factor"),
            column("mean", "小时均值", "Hourly mean", digits=2),
            column("limit", "限值", "Limit", digits=2),
            column("share", "占限值", "Of the limit", kind="share", digits=0),
            column("n_minutes", "有效分钟", "Minutes", digits=0),
            column("hour", "截至", "As of", kind="time"),
        ],
        hours,
        text("小时均值只取标记为 N 的分钟值。", "The mean is of minutes flagged N only."),
    )


def _limits(said: object) -> dict[str, float]:
    found = {}
    for pair in str(said or "").replace("；", ";").split(";"):
        factor, _, value = pair.partition("=")
        try:
            found[factor.strip()] = float(value)
        except ValueError:
            continue
    return found


# ── what was made of it ────────────────────────────────────────────────────────────────────────────────────────────


def alerts(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Warnings about the sites, the firm and its vehicles, open ones first."""
    of = subject(read, given)
    plates = read.query(
        "SELECT plate FROM transport_vehicle WHERE array_has($usccs, carrier_uscc) ORDER BY plate LIMIT 4000",
        {"usccs": of.usccs},
        window=ALL_TIME,
    )
    found = read.alerts(of.about + ([] if of.one_site else [("vehicle", one) for one in plates["plate"].to_pylist()]))
    states = {
        "raised": text("待处置", "open"),
        "acknowledged": text("已签发", "issued"),
        "ended": text("已结束", "over"),
    }
    rows = [
        {
            "id": one["id"], "level": one["level"], "kind": one["kind_title"],
            "subject": cast("Mapping[str, object]", one["subject"])["name"], "state": states.get(str(one["state"])),
            "raised_at": one["raised_at"], "incident": one.get("incident_id"),
        }
        for one in found
    ]  # fmt: skip
    return table(
        [
            column("level", "等级", "Level", kind="level"),
            column("kind", "预警", "Warning", link={**ALERT, "column": "id"}),
            column("subject", "对象", "Subject"),
            column("state", "状态", "State"),
            column("raised_at", "发现", "Raised", kind="time"),
            column("id", "编号", "Number", hidden=True),
        ],
        rows,
    )


def tasks(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Tasks of the incidents that answer these warnings."""
    found = read.alerts(subject(read, given).about)
    incidents = [str(one["incident_id"]) for one in found if one.get("incident_id")]
    rows = read.tasks(incidents[:50])
    rows.sort(key=lambda row: str(row["opened_at"]), reverse=True)
    return table(
        [
            column("title", "任务", "Task", link={"to": "task", "column": "id"}),
            column("unit_title", "承办", "Department"),
            column("state", "状态", "State"),
            column("due", "时限", "Due", kind="time"),
            column("closed_at", "办结", "Closed", kind="time"),
            column("id", "编号", "Number", hidden=True),
        ],
        [{**row, "state": _STATES.get(str(row["state"]), text(str(row["state"]), str(row["state"])))} for row in rows],
    )


_STATES = {
    "scheduled": text("待下达", "not yet due"), "dispatched": text("待签收", "to be accepted"),
    "accepted": text("办理中", "under way"), "submitted": text("待核查", "to be verified"),
    "verified": text("已核查", "verified"), "closed": text("已办结", "closed"), "returned": text("已退单", "returned"),
    "suspended": text("已挂账", "suspended"), "cancelled": text("已取消", "cancelled"),
}  # fmt: skip

_SAYS: tuple[tuple[str, str, str], ...] = (
    ("approval_site", "site_id", "sites"),
    ("approval_licence", "firm_id", "firms"),
    ("approval_monthly_return", "site_id", "sites"),
    ("hazard_tank", "site_id", "sites"),
    ("enforcement_inspection", "site_id", "sites"),
    ("enforcement_order", "firm_id", "firms"),
    ("market_entity", "uscc", "usccs"),
    ("police_flow", "buyer_uscc", "usccs"),
    ("transport_waybill", "consignor_uscc", "usccs"),
    ("transport_vehicle", "carrier_uscc", "usccs"),
    ("waste_manifest", "producer_uscc", "usccs"),
    ("emission_outlet", "site_id", "sites"),
    ("power_load", "uscc", "usccs"),
)
"""Datasets, and by which of the subject's names their rows are found."""
_RESTRICTED = text("未向您共享", "not shared with you")


def contributed(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """What each department's systems have said of this subject: how many rows, and since when the city knows the newest."""
    of = subject(read, given)
    rows: list[dict[str, object]] = []
    for dataset, name, which in _SAYS:
        known = read.described(dataset)
        said: dict[str, object] = {
            "dataset": dataset, "title": known.get("title"), "department": known.get("department_title")
        }  # fmt: skip
        if not read.may(dataset):
            rows.append({**said, "rows": None, "newest": None, "seen": _RESTRICTED})
            continue
        keys = cast("list[str]", getattr(of, which))
        found = read.rows(dataset, columns=[name])
        mine = found.filter(pc.is_in(found[name], value_set=pa.array(keys, pa.string())))
        newest = pc.max(mine["_known_at"]).as_py() if mine.num_rows else None
        rows.append({**said, "rows": mine.num_rows, "newest": newest, "seen": text("可查看", "open")})
    return table(
        [
            column("department", "部门", "Department"),
            column("title", "数据集", "Dataset", link={"to": "dataset", "column": "dataset"}),
            column("dataset", "数据集名", "Name", hidden=True),
            column("rows", "记录", "Rows", kind="number", digits=0),
            column("newest", "最近获知", "Newest known", kind="time"),
            column("seen", "权限", "Access"),
        ],
        rows,
    )
