"""What the departments have on file: registry, enforcement, market register, fire inspections, port, lists of devices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from .business import Business, Ship
from .chance import numbers
from .files import Drops, archive, csv_bytes, workbook
from .firms import VEHICLES, Town, people, uscc, wording
from .hj212 import limits_of
from .models import Firm, Site
from .places import LAT_METRES, LON_METRES, Area
from .times import DAY

__all__ = ["Tables", "approval", "devices", "enforcement", "fire", "market", "port"]

HOUR = 60.0
Table = tuple[tuple[str, ...], list[tuple[object, ...]]]
Tables = Mapping[str, tuple[Sequence[str], Sequence[Sequence[object]]]]
_WIDE = str.maketrans("0123456789()", "０１２３４５６７８９（）")


def approval(business: Business) -> dict[str, Table]:
    """Tables of the registry of dangerous chemicals, without the monthly returns."""
    town, span = business.town, business.town.span
    rng = numbers(town.seed, "registry")
    firms: list[tuple[float, tuple[object, ...]]] = []
    for firm in town.firms:
        if not firm.id:
            continue
        row = (firm.id, firm.uscc, firm.name, firm.kind, firm.person, firm.phone, firm.address, "在业")
        entered = -float(rng.uniform(20, 900)) * DAY
        firms.append((entered, row))
        if rng.random() < 0.015:  # another person in charge
            at = float(rng.uniform(0, span.last))
            firms.append((at, (*row[:4], people(rng), *row[5:])))
    moves = _changes(town)
    sites = [row for site in town.sites if not site.beyond for row in _site_rows(town, site, moves, rng)]
    licences: list[tuple[float, tuple[object, ...]]] = []
    chemicals: list[tuple[float, tuple[object, ...]]] = []
    for one in town.licences:
        firm = town.firms[one.firm]
        place = town.sites[one.site].id if one.site >= 0 else None
        dates = (one.since.isoformat(), one.until.isoformat())
        licences.append((one.entered, (one.no, firm.id, place, one.kind, *dates, one.status)))
        for number in one.holdings:
            holding = town.holdings[number]
            chemical = town.chemicals[holding.chemical]
            annual = None if holding.uses or rng.random() < 0.1 else float(round(holding.allowed * rng.uniform(9, 14)))
            allowed = round(holding.allowed * one.factor, 1)
            chemicals.append((one.entered, (one.no, chemical.cas, chemical.name, allowed, annual)))
    front = ("updated_at", "_visible_from")
    return {
        "firm": (
            ("firm_id", "uscc", "name", "kind", "legal_person", "phone", "address", "status", *front),
            _stamped(town, firms),
        ),
        "site": (
            (
                "site_id", "firm_id", "name", "address", "district_code", "lon", "lat", "boundary_wkt",
                "residents_500m", *front,
            ),
            _stamped(town, sites),
        ),
        "licence": (
            ("licence_no", "firm_id", "site_id", "kind", "valid_from", "valid_to", "status", *front),
            _stamped(town, licences),
        ),
        "licensed_chemical": (
            ("licence_no", "cas", "chemical", "max_storage_t", "max_annual_t", *front),
            _stamped(town, chemicals),
        ),
    }  # fmt: skip


def _stamped(town: Town, rows: list[tuple[float, tuple[object, ...]]]) -> list[tuple[object, ...]]:
    span = town.span
    shown = sorted((row for row in rows if row[0] < span.last), key=lambda row: (row[0], str(row[1])))
    return [(*row, span.iso(at), span.iso(at)) for at, row in shown]


def _changes(town: Town) -> list[tuple[date, list[Area | None]]]:
    """The days within the city's time on which areas change, and for every site the area it is in from then on."""
    lon, lat = np.array([site.lon for site in town.sites]), np.array([site.lat for site in town.sites])
    last = town.span.day(town.span.last)
    days = sorted({area.since for area in town.areas.all if town.span.start < area.since <= last})
    return [(day, town.areas.of(lon, lat, day)) for day in days]


def _site_rows(
    town: Town, site: Site, moves: list[tuple[date, list[Area | None]]], rng: np.random.Generator
) -> list[tuple[float, tuple[object, ...]]]:
    """A site's row, and a second one when the areas change while the city is told."""
    boundary = None
    if site.boundary:
        angle, wide, deep = rng.uniform(0, np.pi), rng.uniform(60, 190), rng.uniform(50, 140)
        corners = []
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)):
            east = x * wide * np.cos(angle) - y * deep * np.sin(angle)
            north = x * wide * np.sin(angle) + y * deep * np.cos(angle)
            corners.append(f"{site.lon + east / LON_METRES:.6f} {site.lat + north / LAT_METRES:.6f}")
        boundary = f"POLYGON (({', '.join(corners)}))"
    firm = town.firms[site.firm]
    back = (round(site.lon, 6), round(site.lat, 6), boundary, site.residents)
    rows: list[tuple[float, tuple[object, ...]]] = []
    rows.append((-float(rng.uniform(5, 800)) * DAY, (site.id, firm.id, site.name, site.address, site.district, *back)))
    for change, areas in moves:
        area = areas[site.number]
        if area is not None and area.code != site.district:
            before = next(one.name for one in town.areas.all if one.code == site.district)
            address = area.name + site.address.removeprefix(before)
            at = town.span.minute(change) + float(rng.uniform(0.3, 4)) * DAY
            rows.append((at, (site.id, firm.id, site.name, address, area.code, *back)))
    return rows


_FINDINGS = (
    ("未发现问题", "合格"), ("台账齐全", "合格"), ("现场管理较规范", "合格"), ("防爆电气缺失", "整改"),
    ("储罐区围堰破损", "整改"), ("应急预案未更新", "整改"), ("特种作业人员证件过期", "立案"),
)  # fmt: skip


def enforcement(business: Business) -> dict[str, Table]:
    """Tables of the enforcement system: inspections and orders."""
    town, span, plot = business.town, business.town.span, business.plot
    rng = numbers(town.seed, "enforcement")
    visits: list[tuple[float, int, str, str]] = [
        (at, site, told, result) for site, at, told, result in plot.inspections
    ]
    quiet = [site.number for site in town.sites if not site.beyond and site.role in ("", "ordered")]
    for _ in range(round(span.whole * len(quiet) / 90)):
        told, result = _FINDINGS[int(rng.integers(len(_FINDINGS)))]
        at = float(rng.integers(span.whole)) * DAY + float(rng.uniform(8.5, 17)) * HOUR
        visits.append((at, quiet[int(rng.integers(len(quiet)))], told, result))
    for order in plot.orders:  # somebody was there before the order
        if order.since > 0:
            site = order.site if order.site >= 0 else town.firms[order.firm].sites[0]
            visits.append((order.issued - float(rng.uniform(4, 60)) * HOUR, site, "重大事故隐患", "立案"))
    visits.sort()
    rows: list[tuple[float, tuple[object, ...]]] = []
    for at, site, told, result in visits:
        who = "、".join((people(rng), people(rng)))
        number = town.fresh(rng, "JC", 10_000, 999_999)
        row = (number, town.sites[site].id, span.iso(at), who, told, result)
        rows.append((at + float(rng.uniform(1, 16)) * HOUR, row))
    orders: list[tuple[float, tuple[object, ...]]] = []
    for order in plot.orders:
        place = town.sites[order.site].id if order.site >= 0 else None
        begun = (
            order.id, town.firms[order.firm].id, place, order.kind, order.scope, span.iso(order.issued),
            span.iso(order.since), None if order.until is None else span.iso(order.until),
        )  # fmt: skip
        at = order.issued + float(rng.uniform(0.5, 8)) * HOUR
        if order.entered_lift is None or order.entered_lift > 0:
            orders.append((at, (*begun, None)))
        if order.lifted is not None and order.entered_lift is not None:
            orders.append((order.entered_lift, (*begun, span.iso(order.lifted))))
    front = ("updated_at", "_visible_from")
    return {
        "inspection": (
            ("inspection_id", "site_id", "at", "inspectors", "findings", "result", *front),
            _stamped(town, rows),
        ),
        "order": (
            (
                "order_id", "firm_id", "site_id", "kind", "scope", "issued_at", "effective_from", "effective_to",
                "lifted_at", *front,
            ),
            _stamped(town, orders),
        ),
    }  # fmt: skip


_MARKET = (
    "统一社会信用代码",
    "注册号",
    "企业名称",
    "曾用名",
    "住所",
    "法定代表人",
    "经营范围",
    "成立日期",
    "登记状态",
    "变更类型",
)
_SCOPE = {
    "carrier": "道路危险货物运输;货物专用运输", "disposal": "危险废物经营;环境治理", "dealer": "危险化学品经营;化工产品销售",
    "storage": "危险化学品仓储;港口经营", "producer": "化工产品生产与销售", "user": "工业产品制造与销售",
}  # fmt: skip


def market(business: Business, folder: Path) -> int:
    """Full files on the first of each month and a change file every day; the number of files."""
    town, span = business.town, business.town.span
    rng = numbers(town.seed, "market")
    drops = Drops(folder)
    entities: list[list[str]] = [_entity(rng, firm) for firm in town.firms if firm.id]
    entities += [_entity(rng, _bystander(town, rng)) for _ in range(len(entities) // 3)]
    entities += [_twin(rng, entities[int(k)]) for k in rng.choice(len(entities), max(1, len(entities) // 25))]
    entities = [entities[k] for k in rng.permutation(len(entities))]
    for day in range(span.whole):
        today = span.day(day * DAY)
        if today.day == 1:
            content = csv_bytes(_MARKET, [[*row, "新增"] for row in entities], "gb18030")
            drops.put(f"法人库_全量_{today:%Y%m%d}.csv", content, span.iso(day * DAY + 7 * HOUR))
        changes = [_changed(town, rng, entities) for _ in range(int(rng.poisson(len(entities) / 400)))]
        at = day * DAY + 23 * HOUR + float(rng.uniform(5, 40))
        drops.put(f"法人库_增量_{today:%Y%m%d}.csv", csv_bytes(_MARKET, changes, "gb18030"), span.iso(at))
    return drops.close()


def _dated(rng: np.random.Generator, day: date) -> str:
    return (
        f"{day:%Y-%m-%d}",
        f"{day.year}/{day.month}/{day.day}",
        f"{day.year}年{day.month}月{day.day}日",
    )[int(rng.integers(3))]


def _entity(rng: np.random.Generator, firm: Firm) -> list[str]:
    """A row of the register about a firm, with the register's own habits."""
    old = rng.random() < 0.06
    number = f"3206{int(rng.integers(10**10, 10**11))}" if old or rng.random() < 0.05 else ""
    name, address = firm.name, firm.address
    if rng.random() < 0.06:
        name = (
            name.replace("南通", "（南通）", 1)
            if not name.startswith("南通")
            else name.replace("有限公司", "（南通）有限公司")
        )
    if rng.random() < 0.06:
        address = address.translate(_WIDE)
    return [
        "" if old else firm.uscc, number, name, firm.former or (_former(firm) if rng.random() < 0.05 else ""), address,
        firm.person, _SCOPE.get(firm.kind, "日用百货销售"), _dated(rng, firm.founded), str(rng.choice(["在业", "存续"])),
    ]  # fmt: skip


def _former(firm: Firm) -> str:
    return re.sub("(化工|化学|仓储|物流|贸易)", "实业", firm.name, count=1) if "实业" not in firm.name else ""


def _bystander(town: Town, rng: np.random.Generator) -> Firm:
    """A firm that has nothing to do with dangerous goods."""
    told = wording()
    stems = told["stems"]
    pair = "".join(str(stems[k]) for k in rng.choice(len(stems), 2, replace=False))
    area = town.areas.at(town.span.start)[int(rng.integers(len(town.areas.at(town.span.start))))]
    address = f"{area.name}{rng.choice(told['roads'])}路{int(rng.integers(1, 300))}号"
    founded = date(int(rng.integers(1995, 2019)), int(rng.integers(1, 13)), int(rng.integers(1, 29)))
    name = f"南通{pair}{rng.choice(told['trades']['other'])}有限公司"
    return Firm("", uscc(rng, area.code), name, "other", people(rng), "", address, founded)


def _twin(rng: np.random.Generator, row: list[str]) -> list[str]:
    """The same firm once more, as an older register knew it."""
    return ["", f"3206{int(rng.integers(10**10, 10**11))}", row[2].replace("有限公司", " 有限公司"), "", *row[4:]]


def _changed(town: Town, rng: np.random.Generator, entities: list[list[str]]) -> list[str]:
    if rng.random() < 0.3:
        row = _entity(rng, _bystander(town, rng))
        entities.append(row)
        return [*row, "新增"]
    number = int(rng.integers(len(entities)))
    row = list(entities[number])
    if rng.random() < 0.1 and row[6] == "日用百货销售":
        row[8] = "注销"
        entities[number] = row
        return [*row, "注销"]
    row[5] = people(rng)
    entities[number] = row
    return [*row, "变更"]


_HEADERS = (
    ("单位名称", "地址", "检查时间", "检查结果", "隐患描述", "整改期限"),
    ("被检查单位", "单位地址", "检查日期", "结果", "存在隐患", "整改时限"),
    ("单位名称", "地址", "检查时间", "检查结果", "隐患描述", "整改期限"),
)
_HAZARDS = ("防火间距不足", "消防通道堵塞", "灭火器过期", "自动喷水系统故障", "安全出口锁闭")


def fire(business: Business, folder: Path) -> int:
    """One workbook a month with a sheet for each district as it was in that month; the number of files."""
    town, span = business.town, business.town.span
    rng = numbers(town.seed, "fire")
    drops = Drops(folder)
    months = [(span.base - timedelta(days=1)).replace(day=1), *(span.day(since) for since, _ in span.months())]
    for n, month in enumerate(months):
        after = (month + timedelta(days=32)).replace(day=1)
        at = span.minute(after) + float(rng.uniform(1.5, 4)) * DAY
        if at >= span.last:
            continue
        header = _HEADERS[n % len(_HEADERS)]
        sheets = []
        for area in town.areas.at(after - timedelta(days=1)):
            here = [s for s in town.sites if not s.beyond and s.district == area.code]
            chosen = [here[k] for k in rng.permutation(len(here))[: max(1, len(here) // 6)]]
            if here:
                sheets.append((area.name, _sheet(town, rng, month, area.name, header, chosen), 6))
        drops.put(f"消防监督检查_{month:%Y%m}.xlsx", workbook(sheets), span.iso(at))
    return drops.close()


def _sheet(
    town: Town, rng: np.random.Generator, month: date, area: str, header: tuple[str, ...], sites: list[Site]
) -> list[list[str | int | float | None]]:
    rows: list[list[str | int | float | None]] = [
        [f"{area}消防监督检查情况汇总表({month.year}年{month.month}月)"],
        [*header],
    ]
    for site in sites:
        day = month + timedelta(days=int(rng.integers(0, 28)))
        serial = (day - date(1899, 12, 30)).days
        told: str | int = (serial, f"{day:%Y-%m-%d}", f"{day.year}.{day.month}.{day.day}")[int(rng.integers(3))]
        bad = bool(rng.random() < 0.25)
        name = town.firms[site.firm].name
        if rng.random() < 0.1:
            name = name.replace("有限公司", "公司")
        hazard = str(rng.choice(_HAZARDS)) if bad else None
        limit = f"{day + timedelta(days=15):%Y-%m-%d}前" if bad else None
        rows.append([name, site.address, told, "不合格" if bad else "合格", hazard, limit])
        if rng.random() < 0.12:
            rows.append([])
    return rows


def port(business: Business, folder: Path) -> int:
    """Declarations of the port: a zip a day with one XML file each, the evening before; the number of archives."""
    town, span = business.town, business.town.span
    rng = numbers(town.seed, "port")
    drops = Drops(folder)
    days: dict[int, list[tuple[str, bytes]]] = {}
    told = wording()
    fleet = [f"{stem}油{int(rng.integers(3, 80))}" for stem in told["vessel_stems"]]
    fleet += [f"{stem} {int(rng.integers(10, 99))}" for stem in told["vessel_latin"]]
    for ship in business.ships:
        day = int(ship.since // DAY) - 1
        if day < 0:
            continue
        number = town.fresh(rng, "NT", 100_000, 999_999)
        days.setdefault(day, []).append((f"{number}.xml", _declaration(town, ship, number, fleet, rng)))
    for day, members in sorted(days.items()):
        name = f"declarations_{span.day(day * DAY):%Y%m%d}.zip"
        drops.put(name, archive(sorted(members)), span.iso(day * DAY + 20 * HOUR))
    return drops.close()


def _declaration(town: Town, ship: Ship, number: str, fleet: list[str], rng: np.random.Generator) -> bytes:
    holding = town.holdings[ship.holding]
    chemical = town.chemicals[holding.chemical]
    own, partner = town.sites[holding.site], town.sites[ship.partner]
    mass = abs(ship.mass)
    amount = (
        f"{mass:.1f}吨",
        f"{round(mass * 1000)}千克",
        f"{mass / chemical.density:.1f} 立方米",
        f"{mass:.1f} 吨",
    )[int(rng.choice(4, p=[0.6, 0.14, 0.16, 0.1]))]
    vessel = fleet[int(rng.integers(len(fleet)))]
    if rng.random() < 0.15:
        vessel = vessel.replace(" ", "") if " " in vessel else vessel.replace("油", "油 ")
    ends = (partner.name, own.name) if ship.mass > 0 else (own.name, partner.name)
    values = (
        ("declaration_no", number),
        ("vessel", vessel),
        ("berth", f"{own.name.removesuffix('有限公司')}{int(rng.integers(1, 4))}号泊位"),
        ("operation", "卸船" if ship.mass > 0 else "装船"),
        ("un_number", chemical.un),
        ("cargo", chemical.name),
        ("quantity", amount),
        ("consignor", ends[0]),
        ("consignee", ends[1]),
        ("from", town.span.iso(ship.since)),
        ("to", town.span.iso(ship.until)),
    )
    lines = "".join(f"  <{name}>{value}</{name}>\n" for name, value in values)
    return f'<?xml version="1.0" encoding="GB18030"?>\n<declaration>\n{lines}</declaration>\n'.encode("gb18030")


def devices(business: Business, folder: Callable[[str], Path]) -> int:
    """The lists of tanks, vehicles and outlets, delivered the day before the sensors begin."""
    town, span = business.town, business.town.span
    day = span.day(span.first - DAY)
    tanks = [
        (
            tank.id, town.sites[holding.site].id, chemical.cas, chemical.name, tank.capacity, tank.height,
            chemical.density, tank.alarm_level, tank.alarm_temperature, tank.alarm_pressure,
        )
        for tank in town.tanks
        for holding in [town.holdings[tank.holding]]
        for chemical in [town.chemicals[holding.chemical]]
    ]  # fmt: skip
    goods = {kind: "、".join(c.name for c in town.chemicals if c.carried == kind) or "危险废物" for kind in VEHICLES}
    vehicles = [
        (
            v.plate, v.phone, town.firms[v.carrier].uscc, VEHICLES[v.kind], goods[v.kind], v.tonnes, v.permit.isoformat(),
        )
        for v in town.vehicles
    ]  # fmt: skip
    outlets = [
        (o.mn, town.sites[o.site].id, town.firms[town.sites[o.site].firm].uscc, o.kind, limits_of(o), o.design)
        for o in town.outlets
    ]
    count = 0
    for system, name, hour, encoding, header, rows in (
        ("emergency-hazards", "tank", 6, "utf-8-sig", "tank_id,site_id,cas,chemical,capacity_t,height_m,density_t_m3,"
         "alarm_level_m,alarm_temperature_c,alarm_pressure_kpa", tanks),
        ("transport-positions", "vehicle", 8, "utf-8", "plate,terminal_phone,carrier_uscc,vehicle_kind,approved_goods,"
         "approved_t,permit_valid_to", vehicles),
        ("ecology-emissions", "outlet", 7, "utf-8", "mn,site_id,uscc,kind,limits,design_flow", outlets),
    ):  # fmt: skip
        drops = Drops(folder(system))
        content = csv_bytes(header.split(","), sorted(rows, key=lambda row: str(row[0])), encoding)
        drops.put(f"{name}_{day:%Y%m%d}.csv", content, span.iso(span.first - DAY + hour * HOUR))
        count += drops.close()
    return count
