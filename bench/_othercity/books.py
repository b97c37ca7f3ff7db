"""The registers and books of the departments, in the forms they are handed out: SQL, CSV, workbooks, zipped XML."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import zipfile
from datetime import date, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

from bench._othercity.common import (
    DAY,
    HOUR,
    Order,
    Random,
    Row,
    chance,
    local,
    month_of,
    month_start,
    next_month,
    previous_month,
    rfc,
    seconds,
)
from bench._othercity.ledger import returns
from bench._othercity.life import Life, Ship, Trip
from bench._othercity.stories import Story
from bench._othercity.tanks import Gauge
from bench._othercity.world import Account, Firm, Licence, Site, degrees

LICENCES = {
    "producer": ("安全生产许可证", "(苏)WH安许证字[{year}]F{number:05d}"),
    "storage": ("危险化学品经营许可证", "苏通危化经字[{year}]{number:05d}"),
    "dealer": ("危险化学品经营许可证", "苏通危化经字[{year}]{number:05d}"),
    "user": ("危险化学品安全使用许可证", "苏通危化使字[{year}]{number:05d}"),
    "carrier": ("危险货物道路运输经营许可证", "苏交运管许可通字3206{year}{number:05d}号"),
    "disposal": ("危险废物经营许可证", "JSNT06{year}OOD{number:03d}"),
}


def sqlite_file(path: Path, tables: dict[str, tuple[dict[str, str], list[Row]]]) -> None:
    """A database with one table a resource; rows by the moment they can be seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        for name, (columns, rows) in tables.items():
            every = {**columns, "updated_at": "TEXT", "_visible_from": "TEXT"}
            database.execute(f'CREATE TABLE "{name}" ({", ".join(f"{c} {t}" for c, t in every.items())})')
            rows.sort(key=lambda row: row["_visible_from"])
            marks = ", ".join("?" for _ in every)
            database.executemany(
                f'INSERT INTO "{name}" VALUES ({marks})', [[row.get(c) for c in every] for row in rows]
            )
    database.close()


def _seen(row: Row, at: float) -> Row:
    return {**row, "updated_at": rfc(at), "_visible_from": rfc(at)}


# Licences


def _date(at: float) -> str:
    return local(at).date().isoformat()


def license_all(life: Life) -> list[Licence]:
    """Every site's licences, with ends and renewals as the plot wants them."""
    order = life.world.order
    random = chance(order.seed, "licences")
    stories = {id(s.subject): s for s in life.plot.of("expired_licence")}
    stored = {id(s.about["account"]): s for s in life.plot.of("over_storage")}
    found: list[Licence] = []
    for firm in life.world.firms:
        holders: list[Site | None] = list(firm.sites) if firm.kind != "carrier" else [None]
        for site in holders:
            story = stories.get(id(site if site is not None else firm))
            found.extend(_licences(order, random, firm, site, story, stored, len(found)))
    return found


def _licences(
    order: Order,
    random: Random,
    firm: Firm,
    site: Site | None,
    story: Story | None,
    stored: dict[int, Story],
    number: int,
) -> list[Licence]:
    kind, form = LICENCES[firm.kind]

    def licence(begin: float, end: float, entered: float, status: str = "有效", offset: int = 0) -> Licence:
        no = form.format(year=local(begin).year, number=(number + 1) * 7 + offset)
        named = (
            site
            if site is not None and not (len(firm.sites) == 1 and firm.kind == "user" and number % 9 == 0)
            else None
        )
        made = Licence(
            no, firm, named, kind, _date(begin), _date(end), [(int(entered), _date(begin), _date(end), status)]
        )
        for account in site.accounts if site is not None else []:
            made.chemicals.append(
                (account.chemical, account.limit, None if random.random() < 0.3 else account.limit * 12)
            )
        return made

    begin = order.books - float(random.integers(200, 850)) * DAY
    end = begin + 1094 * DAY
    told = next((stored[id(a)] for a in (site.accounts if site else []) if id(a) in stored), None)
    if told is not None and told.variant in ("raised", "licence_cut"):
        return _changed(licence, told, begin)
    if story is None:
        old = [
            licence(begin - 1095 * DAY, begin - DAY, begin - 1095 * DAY, "注销" if random.random() < 0.5 else "有效", 3)
        ]
        extra = []
        if firm.kind == "producer" and site is not None and random.random() < 0.4:
            extra = [licence(begin, end, begin, offset=5)]
            extra[0].kind, extra[0].no = "危险化学品经营许可证", f"苏通危化经字[{local(begin).year}]{number:04d}"
            extra[0].chemicals = []
        return [licence(begin, end, begin), *(old if random.random() < 0.25 else []), *extra]
    last = story.start - DAY  # the last day it is good
    first = licence(last - 1095 * DAY, last, last - 1095 * DAY)
    if story.variant == "renewed":
        return [first, licence(story.start, story.start + 1094 * DAY, story.start - 12 * DAY, offset=1)]
    if story.variant == "renewed_late":
        return [
            first,
            licence(story.start, story.start + 1094 * DAY, story.start + story.about["late"] * DAY, offset=1),
        ]
    if story.variant == "edited":  # the same number, a new end
        first.versions.append((int(story.start - 6 * DAY), first.valid_from, _date(story.start + 1094 * DAY), "有效"))
    if story.variant == "two":
        return [first, licence(begin, end, begin, offset=2)]
    return [first]


def _changed(licence: object, told: Story, begin: float) -> list[Licence]:
    """A new licence from a day on, with another limit for one chemical."""
    account: Account = told.about["account"]
    first = licence(begin, told.start - DAY, begin)  # type: ignore[operator]
    then = licence(told.start, told.start + 1094 * DAY, told.start - 8 * DAY, offset=1)  # type: ignore[operator]
    factor = 1.3 if told.variant == "raised" else 0.93 / (1.05 + float(told.about["over"]))
    then.chemicals = [
        (c, round(limit * factor, 0) if c is account.chemical else limit, a) for c, limit, a in then.chemicals
    ]
    return [first, then]


def limit_at(licences: list[Licence], site: Site, account: Account, day: str) -> float:
    """t of a chemical that the licences in force on a day allow a site."""
    total = 0.0
    for licence in licences:
        if licence.firm is site.firm and (licence.site is site or licence.site is None):
            _, begin, end, status = licence.versions[-1]
            if begin <= day <= end and status == "有效":
                total += sum(limit for chemical, limit, _ in licence.chemicals if chemical is account.chemical)
    return total


def _firm_rows(life: Life, random: Random) -> tuple[list[Row], list[Row]]:
    """Rows of firms and of sites."""
    order = life.world.order
    long_ago = [order.books - float(random.integers(100, 900)) * DAY for _ in life.world.firms]
    firms: list[Row] = []
    sites: list[Row] = []
    for firm, at in zip(life.world.firms, long_ago, strict=True):
        row = {
            "firm_id": firm.id,
            "uscc": firm.uscc,
            "name": firm.name,
            "kind": firm.kind,
            "legal_person": firm.legal,
            "phone": firm.phone,
            "address": firm.address,
            "status": "在业",
        }
        firms.append(_seen(row, at))
        if random.random() < 0.02 * order.level.mess:
            later = order.start + float(random.uniform(0, order.days)) * DAY
            firms.append(_seen({**row, "legal_person": f"{firm.legal[0]}新"}, later))
        for site in firm.sites:
            lon, lat = degrees(site)
            box = None
            if random.random() < 0.55:
                w, h = float(random.uniform(0.0009, 0.0022)), float(random.uniform(0.0008, 0.0018))
                ring = [
                    (lon - w, lat - h),
                    (lon + w, lat - h * 0.9),
                    (lon + w * 0.95, lat + h),
                    (lon - w, lat + h),
                    (lon - w, lat - h),
                ]
                box = "POLYGON ((" + ", ".join(f"{x:.6f} {y:.6f}" for x, y in ring) + "))"
            sites.append(
                _seen(
                    {
                        "site_id": site.id,
                        "firm_id": firm.id,
                        "name": site.name,
                        "address": site.address,
                        "district_code": site.id.split("-")[1],
                        "lon": lon,
                        "lat": lat,
                        "boundary_wkt": box,
                        "residents_500m": site.residents,
                    },
                    at + HOUR,
                )
            )
    return firms, sites


def _licence_rows(order: Order, licences: list[Licence]) -> tuple[list[Row], list[Row]]:
    """Rows of licences and of their chemicals, as far as the city lives to see them."""
    rows: list[Row] = []
    chemicals: list[Row] = []
    for licence in licences:
        for entered, begin, end, status in licence.versions:
            if entered < order.end:
                rows.append(
                    _seen(
                        {
                            "licence_no": licence.no,
                            "firm_id": licence.firm.id,
                            "site_id": licence.site.id if licence.site else None,
                            "kind": licence.kind,
                            "valid_from": begin,
                            "valid_to": end,
                            "status": status,
                        },
                        entered,
                    )
                )
        for chemical, limit, annual in licence.chemicals:
            at = licence.versions[0][0]
            if at < order.end:
                chemicals.append(
                    _seen(
                        {
                            "licence_no": licence.no,
                            "cas": chemical.cas,
                            "chemical": chemical.name,
                            "max_storage_t": limit,
                            "max_annual_t": annual,
                        },
                        at,
                    )
                )
    return rows, chemicals


def registry(folder: Path, life: Life, licences: list[Licence], farm: list[Gauge]) -> None:
    """The approval bureau's register."""
    order = life.world.order
    random = chance(order.seed, "registry")
    firms, sites = _firm_rows(life, random)
    rows, chemicals = _licence_rows(order, licences)
    sqlite_file(
        folder / "approval-registry.sqlite",
        {
            "firm": (_text("firm_id uscc name kind legal_person phone address status"), firms),
            "site": (
                {
                    **_text("site_id firm_id name address district_code"),
                    "lon": "REAL",
                    "lat": "REAL",
                    "boundary_wkt": "TEXT",
                    "residents_500m": "INTEGER",
                },
                sites,
            ),
            "licence": (_text("licence_no firm_id site_id kind valid_from valid_to status"), rows),
            "licensed_chemical": (
                {**_text("licence_no cas chemical"), "max_storage_t": "REAL", "max_annual_t": "REAL"},
                chemicals,
            ),
            "monthly_return": (
                {
                    **_text("site_id month cas"),
                    **dict.fromkeys(
                        ["opening_t", "produced_t", "purchased_t", "used_t", "sold_t", "disposed_t", "closing_t"],
                        "REAL",
                    ),
                },
                returns(life, farm),
            ),
        },
    )


def _text(names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), "TEXT")


# Enforcement


def _past_orders(order: Order, random: Random, quiet: list[Site]) -> list[Row]:
    """Orders of earlier years, long lifted."""
    decrees: list[Row] = []
    past = [s for s in quiet if s.firm.kind in ("user", "producer")]
    for number in range(min(6, len(past))):
        site = past[random.integers(len(past))]
        at = order.books - float(random.integers(60, 420)) * DAY
        row = {
            "order_id": f"通应急令{local(at).year}-{number + 11}",
            "firm_id": site.firm.id,
            "site_id": site.id,
            "kind": "停产停业整顿",
            "scope": "全厂停产整顿",
            "issued_at": rfc(at),
            "effective_from": rfc(at + DAY),
            "effective_to": rfc(at + 31 * DAY),
            "lifted_at": rfc(at + 25 * DAY),
        }
        decrees.append(_seen(row, at + 40 * DAY))
    return decrees


def enforcement(folder: Path, life: Life) -> None:
    """Inspections and orders of the emergency bureau."""
    order = life.world.order
    random = chance(order.seed, "enforcement")
    visits: list[Row] = []
    decrees: list[Row] = []

    def visit(site: Site, at: float, result: str, findings: str) -> None:
        seen = at + float(random.uniform(1, 20)) * HOUR
        if seen < order.end:
            visits.append(
                _seen(
                    {
                        "inspection_id": f"ZF{local(at):%y%m}{len(visits) + 1:05d}",
                        "site_id": site.id,
                        "at": rfc(at),
                        "inspectors": "、".join(random.permutation(["周正", "高原", "方圆", "石磊", "文静"])[:2]),
                        "findings": findings,
                        "result": result,
                    },
                    seen,
                )
            )

    for told in life.plot.visits:
        visit(told.site, told.at, told.result, told.findings)
    quiet = [s for s in life.world.sites if s.firm.kind != "carrier" and "work" not in s.stories]
    for _ in range(min(len(quiet), max(4, order.firms // 3))):
        result = ("合格", "合格", "整改", "立案")[random.integers(4)]
        at = (
            order.books
            + float(random.uniform(0, (order.end - order.books) / DAY)) // 1 * DAY
            + float(random.uniform(8.5, 17)) * HOUR
        )
        visit(
            quiet[random.integers(len(quiet))],
            at,
            result,
            "台账齐全" if result == "合格" else "可燃气体报警器未定期检定",
        )
    for number, decree in enumerate(life.plot.decrees):
        row = {
            "order_id": f"通应急令{local(decree.issued).year}-{number + 101}",
            "firm_id": decree.firm.id,
            "site_id": decree.site.id if decree.site else None,
            "kind": decree.kind,
            "scope": decree.scope,
            "issued_at": rfc(decree.issued),
            "effective_from": rfc(decree.start),
            "effective_to": rfc(decree.end),
            "lifted_at": None,
        }
        decrees.append(_seen(row, decree.issued + float(random.uniform(0.5, 9)) * HOUR))
        if decree.lifted and decree.entered and decree.entered < order.end:
            decrees.append(_seen({**row, "lifted_at": rfc(decree.lifted)}, decree.entered))
    decrees.extend(_past_orders(order, random, quiet))
    sqlite_file(
        folder / "emergency-enforcement.sqlite",
        {
            "inspection": (_text("inspection_id site_id at inspectors findings result"), visits),
            "order": (
                _text("order_id firm_id site_id kind scope issued_at effective_from effective_to lifted_at"),
                decrees,
            ),
        },
    )


# The market register


def _wide(text: str) -> str:
    return text.translate({ord(c): chr(ord(c) + 0xFEE0) for c in "0123456789()"})


def _founded(random: Random, firm: Firm) -> str:
    day = date(firm.founded, int(random.integers(1, 13)), int(random.integers(1, 28)))
    return (f"{day.year}/{day.month}/{day.day}", f"{day.year}年{day.month}月{day.day}日", day.isoformat())[
        random.integers(3)
    ]


def market(folder: Path, life: Life) -> None:
    """A full file at the beginning of each month, a change file a day, both in gb18030."""
    order = life.world.order
    random = chance(order.seed, "market")
    scopes = {
        "producer": "危险化学品生产;化工产品销售",
        "storage": "危险化学品仓储;港口货物装卸",
        "dealer": "危险化学品经营(不带储存)",
        "user": "一般项目:产品制造与销售",
        "carrier": "危险货物道路运输",
        "disposal": "危险废物收集、贮存、处置",
    }
    header = [
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
    ]
    rows: list[list[str]] = []
    for firm in (*life.world.firms, *life.world.shops):
        shop = firm.id in {s.id for s in life.world.shops} and firm in life.world.shops
        name = firm.name.replace("化工", "日化") if shop else firm.name
        name = _wide(name) if random.random() < 0.3 else name
        address = _wide(firm.address) if random.random() < 0.2 else firm.address
        if random.random() < order.level.missing / 2:
            continue  # a firm the register does not know
        row = [
            "" if firm.old else firm.uscc,
            firm.old or "",
            name,
            firm.former or "",
            address,
            firm.legal,
            "日用百货销售" if shop else scopes[firm.kind],
            _founded(random, firm),
            "存续" if random.random() < 0.6 else "在业",
            "新增",
        ]
        rows.append(row)
        if random.random() < 0.03 * order.level.mess:
            rows.append([row[0] and firm.uscc, row[1], firm.name.replace("有限公司", "有限公司 "), "", *row[4:]])
    drops = folder / "drops"
    drops.mkdir(parents=True, exist_ok=True)
    listed = ["path,delivered_at"]

    def drop(name: str, content: list[list[str]], at: float) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows([header, *content])
        (drops / name).write_bytes(text.getvalue().encode("gb18030"))
        listed.append(f"drops/{name},{rfc(at)}")

    for day in range((order.end - order.books) // DAY):
        at = order.books + day * DAY
        if local(at).day == 1:
            drop(f"法人库_全量_{local(at):%Y%m%d}.csv", rows, at + 6 * HOUR)
        changed = []
        for _ in range(int(random.poisson(0.7))):
            place = int(random.integers(len(rows)))
            rows[place] = [*rows[place][:5], rows[place][5][0] + "伟", *rows[place][6:9], "变更"]
            changed.append(rows[place])
        drop(f"法人库_增量_{local(at):%Y%m%d}.csv", changed, at + 22.3 * HOUR + float(random.uniform(0, 3000)))
    (folder / "drops.csv").write_text("\n".join(listed) + "\n", encoding="utf-8")


# Fire inspections: workbooks


def fire(folder: Path, life: Life) -> None:
    """A workbook for the month before the books, and for each month that ended a few days before the city does."""
    from openpyxl import Workbook  # type: ignore[import-untyped]

    order = life.world.order
    random = chance(order.seed, "fire")
    drops = folder / "drops"
    drops.mkdir(parents=True, exist_ok=True)
    listed = ["path,delivered_at"]
    month = previous_month(month_of(order.books))
    heads = [
        ["单位名称", "地址", "检查时间", "检查结果", "隐患描述", "整改期限"],
        ["被检查单位", "单位地址", "检查日期", "检查结果", "存在隐患", "整改期限"],
    ]
    number = 0
    while True:
        at = month_start(next_month(month)) + float(random.uniform(1.2, 3.4)) * DAY
        if at >= order.end:
            break
        book = Workbook()
        book.remove(book.active)
        by_area: dict[str, list[Site]] = {}
        for site in life.world.sites:
            if site.firm.kind in ("producer", "storage", "user") and random.random() < 0.3:
                by_area.setdefault(site.firm.district_name, []).append(site)
        for area, sites in sorted(by_area.items()) or [("崇川区", [])]:
            sheet = book.create_sheet(area)
            sheet.append([f"{area}{int(month[5:])}月份消防监督检查一览表"])
            sheet.merge_cells("A1:F1")
            sheet.append(heads[number % 2])
            for site in sites:
                _inspected(random, sheet, site, month)
        name = f"消防监督检查_{month.replace('-', '')}.xlsx"
        book.properties.created = book.properties.modified = local(at).replace(tzinfo=None)
        book.save(drops / name)
        _still(drops / name)
        listed.append(f"drops/{name},{rfc(at)}")
        month, number = next_month(month), number + 1
    (folder / "drops.csv").write_text("\n".join(listed) + "\n", encoding="utf-8")


def _inspected(random: Random, sheet: object, site: Site, month: str) -> None:
    day = date(int(month[:4]), int(month[5:]), int(random.integers(1, 28)))
    serial = (day - date(1899, 12, 30)).days
    when: object = (serial, day.isoformat(), f"{day.year}.{day.month}.{day.day}", f"{day.month}月{day.day}日")[
        random.integers(4)
    ]
    good = random.random() < 0.7
    name = site.firm.name.replace("有限公司", "公司") if random.random() < 0.15 else site.firm.name
    until = (day + timedelta(days=20)).isoformat()
    row = [
        name,
        site.address,
        when,
        "合格" if good else "不合格",
        None if good else "疏散通道堵塞",
        None if good else f"{until}前",
    ]
    sheet.append(row)  # type: ignore[attr-defined]
    if random.random() < 0.12:
        sheet.append([None] * 6)  # type: ignore[attr-defined]


def _still(path: Path) -> None:
    """Give the workbook's members one date, so that the same seed gives the same bytes."""
    with zipfile.ZipFile(path) as book:
        members = [(name, book.read(name)) for name in book.namelist()]
    stamp = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    _zip(path, [(name, stamp.sub(b"2026-01-01T00:00:00Z", data) if "core" in name else data) for name, data in members])


def _zip(path: Path, members: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w") as out:
        for name, data in members:
            out.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


# The port


def _quantity(random: Random, ship: Ship) -> str:
    tonnes = abs(ship.tonnes)
    form = int(random.integers(4))
    if form == 0:
        return f"{tonnes * 1000:.0f}千克"
    if form == 1:
        return f"{tonnes / ship.account.chemical.density:.1f}立方米"
    return f"{tonnes:.1f}吨" if form == 2 else f"{tonnes:.2f} 吨"


def port(folder: Path, life: Life) -> None:
    """Declarations, a zip of XML files each evening there are any."""
    order = life.world.order
    random = chance(order.seed, "port")
    drops = folder / "drops"
    drops.mkdir(parents=True, exist_ok=True)
    days: dict[int, list[tuple[str, bytes]]] = {}
    for number, ship in enumerate(life.ships):
        at = ship.start - float(random.uniform(8, 40)) * HOUR
        vessel = f"{'江海通润'[number % 4]}{'顺达'[number % 2]}油{number % 17 + 1}"
        vessel = vessel.replace("油", "油 ") if random.random() < 0.3 else vessel
        site = ship.account.site
        inward = ship.tonnes > 0
        values = {
            "declaration_no": f"HS{local(ship.start):%y%m%d}{number:04d}",
            "vessel": vessel,
            "berth": f"{site.name[:6]}{number % 2 + 1}号泊位",
            "operation": "卸船" if inward else "装船",
            "un_number": ship.account.chemical.un,
            "cargo": ship.account.chemical.name,
            "quantity": _quantity(random, ship),
            "consignor": ship.partner.name if inward else site.firm.name,
            "consignee": site.firm.name if inward else ship.partner.name,
            "from": rfc(ship.start),
            "to": rfc(ship.end),
        }
        body = "".join(f"  <{key}>{escape(str(value))}</{key}>\n" for key, value in values.items())
        data = f'<?xml version="1.0" encoding="GB18030"?>\n<declaration>\n{body}</declaration>\n'.encode("gb18030")
        days.setdefault(seconds(local(at).date()), []).append((f"{values['declaration_no']}.xml", data))
    listed = ["path,delivered_at"]
    for day, members in sorted(days.items()):
        if day + 21 * HOUR < order.end:
            name = f"declarations_{local(day):%Y%m%d}.zip"
            _zip(drops / name, members)
            listed.append(f"drops/{name},{rfc(day + 20.5 * HOUR)}")
    (folder / "drops.csv").write_text("\n".join(listed) + "\n", encoding="utf-8")


# Waste manifests


def _manifest(random: Random, trip: Trip, number: int) -> list[Row]:
    assert trip.vehicle is not None and trip.waste is not None and trip.origin.site is not None
    receiver = trip.paper or trip.target
    variant = trip.waste["variant"]
    row: Row = {
        "manifest_no": f"2026{3206000000 + number * 13}",
        "producer_uscc": trip.origin.uscc,
        "producer_site": trip.origin.name,
        "waste_code": trip.waste["code"],
        "shipped_t": trip.tonnes,
        "shipped_at": rfc(trip.load_to),
        "carrier_uscc": trip.vehicle.carrier.uscc,
        "plate": trip.vehicle.plate,
        "receiver_uscc": receiver.uscc,
        "received_t": None,
        "received_at": None,
        "disposal_method": None,
        "status": "已发运",
    }
    rows = [_seen(row, trip.load_to - float(random.uniform(0.1, 1.5)) * HOUR)]
    if variant in ("never", "missing") or (not variant and random.random() < 0.05):
        return rows
    weight = 1 + float(random.normal(0, 0.006))
    if variant == "light":
        weight = 1 - float(trip.waste["light"])
    elif variant == "within":
        weight = 1 - float(random.uniform(0.03, 0.044))
    got = {
        "received_at": rfc(trip.unload_to),
        "status": "已接收",
        "received_t": round(trip.tonnes * min(max(weight, 0.6), 1.02), 2),
    }
    wait = (
        float(random.uniform(2, 6)) * DAY
        if variant == "late" or random.random() < 0.12
        else float(random.gamma(2.0, 3.0)) * HOUR
    )
    rows.append(_seen({**row, **got}, trip.unload_to + wait))
    method = ("D10", "R1", "D9", "R4")[number % 4]
    rows.append(
        _seen(
            {**row, **got, "disposal_method": method, "status": "已处置"},
            trip.unload_to + wait + float(random.uniform(1, 6)) * DAY,
        )
    )
    return rows


def waste(folder: Path, life: Life) -> None:
    """The ecology bureau's manifests."""
    order = life.world.order
    random = chance(order.seed, "manifests")
    rows: list[Row] = []
    for number, trip in enumerate(t for t in life.trips if t.waste is not None):
        rows.extend(_manifest(random, trip, number))
    columns = {
        **_text("manifest_no producer_uscc producer_site waste_code"),
        "shipped_t": "REAL",
        "shipped_at": "TEXT",
        **_text("carrier_uscc plate receiver_uscc"),
        "received_t": "REAL",
        **_text("received_at disposal_method status"),
    }
    seen = [row for row in rows if row["_visible_from"] < str(rfc(order.end))]
    sqlite_file(folder / "ecology-waste.sqlite", {"manifest": (columns, seen)})
