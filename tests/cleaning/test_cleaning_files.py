"""Files as departments really hand them over, and files that nobody should: read right, or refused with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import pytest
import sqlalchemy as sa

import cityheart
from cityheart.engine.lake import Lake
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Delivery, Department, Landed, Source
from cityheart.share.service import Share

SYSTEM = Actor.system("test")
BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
CONTRACTS = Path(cityheart.__file__).parent / "apps" / "hazchem" / "contracts"
SAMPLE = Path(__file__).parents[1] / "data" / "sample-city" / "systems"


def city(database: Database, home: Path, *names: str) -> Share:
    """A share with datasets of the hazardous-chemicals application, a source for each."""
    share = Share(database, Lake(home / "lake"), home=home)
    contracts = [Contract.load(CONTRACTS / f"{name}.json") for name in names]
    share.register(
        [Department(owner, text("局", "bureau")) for owner in {each.owner for each in contracts}],
        [Dataset.of(each) for each in contracts],
        [Source(each.name, each.owner, text("源", "source"), "push", {}, each.name) for each in contracts],
    )
    return share


def land(share: Share, dataset: str, name: str, payload: bytes) -> Landed:
    (landed,) = share.land(dataset, [Delivery(name, BEGIN, payload)])
    return landed


def cleaned(share: Share, source: str) -> dict[str, dict[str, int]]:
    fields = share.quality(SYSTEM, source)["fields"]
    return {field["name"]: field["cleaned"] for field in fields if field["cleaned"]}  # type: ignore[attr-defined,misc]


def test_the_sample_citys_files_land_whole(sqlite: Database, tmp_path: Path) -> None:
    """Workbooks by district, registers in gb18030, zipped declarations in gb18030: not one bad row, every date a date."""
    share = city(sqlite, tmp_path, "fire_inspection", "market_entity", "maritime_declaration")
    for folder, dataset in (
        ("fire-inspections", "fire_inspection"),
        ("market-register", "market_entity"),
        ("maritime-port", "maritime_declaration"),
    ):
        files = sorted((SAMPLE / folder / "drops").iterdir())
        landed = [land(share, dataset, file.name, file.read_bytes()) for file in files]
        assert [(each.refused, each.quarantined) for each in landed] == [(None, 0)] * len(files)
        assert sum(each.rows for each in landed) > 10
    inspected = share._lake.current("fire_inspection")["inspected_at"].to_pylist()
    assert all(datetime(2026, 1, 31, tzinfo=UTC) < each < datetime(2026, 3, 2, tzinfo=UTC) for each in inspected)
    tonnes = share._lake.current("maritime_declaration")["quantity"].to_pylist()
    assert all(1 < each < 5_000 for each in tonnes)
    assert {"inspected_at", "deadline"} <= set(cleaned(share, "fire_inspection"))
    assert set(cleaned(share, "maritime_declaration")) >= {"quantity"}


def workbook(sheets: dict[str, list[list[object]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=6)
    kept = BytesIO()
    book.save(kept)
    return kept.getvalue()


TITLE: list[object] = ["消防监督检查情况汇总表（2026年3月）"]
NAMES: list[object] = ["单位名称", "地址", "检查时间", "检查结果", "隐患描述", "整改期限"]


def test_a_workbook_as_it_is_kept_by_hand(sqlite: Database, tmp_path: Path) -> None:
    """Merged titles, blank lines between, other names for the same columns, dates of four kinds, one without a year."""
    book = workbook(
        {
            "崇川区": [
                TITLE, [], ["填报单位：崇川大队"], NAMES,
                ["甲　公司（一）", "路1号", 46082, "合格", None, None],
                [], ["乙公司", "路2号", datetime(2026, 3, 2, 9, 30), "整改", "堵塞通道", "2026.3.20"], [None, " "],
                ["丙公司", "路3号", "3月5日", "整改", "无灭火器", "2026年3月30日"],
            ],
            "海门区": [
                TITLE, ["单位名称（全称）", "单位地址", "检查日期", "检查结果", "存在隐患", "整改期限"],
                ["丁公司", "路4号", "2026/3/7", "合格", "", ""], ["戊公司", "路5号", "月底", "合格", "", ""],
            ],
            "说明": [TITLE, ["本表由各大队填报"]],
        }
    )  # fmt: skip
    share = city(sqlite, tmp_path, "fire_inspection")
    landed = land(share, "fire_inspection", "消防_202603.xlsx", book)
    assert (landed.rows, dict(landed.reasons), landed.refused) == (4, {"sheet_without_header": 1, "type": 1}, None)
    rows = {row["name"]: row for row in share._lake.current("fire_inspection").to_pylist()}
    local = {name: (row["inspected_at"] + timedelta(hours=8)).strftime("%m-%d %H:%M") for name, row in rows.items()}
    assert local == {
        "甲 公司(一)": "03-01 00:00",
        "乙公司": "03-02 09:30",
        "丙公司": "03-05 00:00",
        "丁公司": "03-07 00:00",
    }
    assert str(rows["乙公司"]["deadline"]) == "2026-03-20"
    entries = {entry.code: entry for entry in share.quarantine(SYSTEM)[0]}
    assert (entries["type"].member, "月底".encode() in entries["type"].raw) == ("海门区", True)
    assert entries["sheet_without_header"].member == "说明"


def test_two_columns_that_mean_the_same_are_not_guessed_at(sqlite: Database, tmp_path: Path) -> None:
    """Whoever adds a second date column hears which two it is about."""
    book = workbook({"表": [TITLE, [*NAMES, "检查日期"], ["甲", "路", "2026-03-01", "合格", "", "", "2026-03-02"]]})
    landed = land(city(sqlite, tmp_path, "fire_inspection"), "fire_inspection", "a.xlsx", book)
    assert landed.refused is not None
    assert "检查日期" in landed.refused["en"] and "检查时间" in landed.refused["en"]


# ── what nobody should send ────────────────────────────────────────────────────────────────────────────────────────

DECLARATION = """<?xml version="1.0" encoding="GB18030"?>{doctype}<declaration><declaration_no>{number}</declaration_no>
<vessel>嘉利油６５</vessel><berth>1号泊位</berth><operation>卸船</operation><un_number>UN2055</un_number><cargo>{cargo}</cargo>
<quantity>77.4吨</quantity><consignor>甲</consignor><consignee>乙</consignee>
<from>2026-03-01T10:00:00+08:00</from><to>2026-03-02T02:00:00+08:00</to></declaration>"""


def declaration(number: str = "NT1", *, doctype: str = "", cargo: str = "苯乙烯") -> bytes:
    return DECLARATION.format(number=number, doctype=doctype, cargo=cargo).encode("gb18030")


def zipped(members: dict[str, bytes]) -> bytes:
    kept = BytesIO()
    with ZipFile(kept, "w", ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return kept.getvalue()


BILLION = (
    '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"bomb.xml": declaration(cargo="0" * 40_000_000)}, "archive_too_large"),
        ({"inner.zip": zipped({"a.xml": declaration()})}, "archive_nested"),
        ({"a.xml": declaration(doctype=BILLION, cargo="&c;")}, "xml_forbidden"),
        ({"a.xml": declaration(doctype='<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>', cargo="&x;")}, "xml_forbidden"),
        ({"a.xml": declaration(doctype='<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd">')}, "xml_forbidden"),
        ({"a.xml": declaration()[:-20]}, "unreadable"),
        ({"a.xml": declaration().replace(b"GB18030", b"utf-8")}, "encoding"),
        ({"a.xml": b"<d>" * 100_000}, "unreadable"),
    ],
    ids=["bomb", "nested", "entities", "file", "dtd", "cut", "encoding", "deep"],
)  # fmt: skip
def test_an_archive_that_would_do_harm_is_refused_whole(
    sqlite: Database, tmp_path: Path, bad: dict[str, bytes], code: str
) -> None:
    """With its reason and its bytes; the good file beside the bad one does not land half a delivery."""
    share = city(sqlite, tmp_path, "maritime_declaration")
    archive = zipped({"NT0.xml": declaration("NT0"), **bad})
    landed = land(share, "maritime_declaration", "d.zip", archive)
    assert (landed.rows, dict(landed.reasons)) == (0, {code: 1})
    assert share._lake.current("maritime_declaration").num_rows == 0
    ((entry,), _) = share.quarantine(SYSTEM)
    assert (entry.code, entry.form, entry.raw) == (code, "delivery", archive[: limits.QUARANTINE_FILE_BYTES])
    assert land(share, "maritime_declaration", "e.zip", zipped({"NT0.xml": declaration("NT0")})).rows == 1
    (row,) = share._lake.current("maritime_declaration").to_pylist()
    assert (row["vessel"], row["cargo"], row["quantity"]) == ("嘉利油65", "苯乙烯", 77.4)


HEADER = "统一社会信用代码,注册号,企业名称,曾用名,住所,法定代表人,经营范围,成立日期,登记状态,变更类型\n"
FIRM = "91320614MAKKJDPA1B,,{name},,海门区,卢立,销售,2008年3月18日,存续,{change}\n"


def test_zero_bytes_and_lines_without_end(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zero byte costs nothing but is kept out of nobody's way; a line without end is refused before memory is gone."""
    monkeypatch.setattr(limits, "LINE_BYTES", 100_000)
    share = city(database, tmp_path, "market_entity")
    body = HEADER + FIRM.format(name="甲\x00公司", change="新\x00增") + FIRM.format(name="乙公司", change="新增")
    landed = land(share, "market_entity", "a.csv", body.encode("gb18030"))
    assert (landed.rows, dict(landed.reasons)) == (1, {"enum": 1})
    ((entry,), _) = share.quarantine(SYSTEM)
    assert (entry.code, entry.field, b"\\u0000" in entry.raw) == ("enum", "change", True)
    assert "\x00" not in entry.message["en"]
    endless = (HEADER + "9132" + "1" * 1_000_000).encode()
    for name, payload in (("b.csv", endless), ("c.csv", b"x" * 1_000_000), ("d.csv", HEADER.encode() + b'"' * 999_999)):
        refused = land(share, "market_entity", name, payload)
        assert (refused.rows, refused.refused is not None or refused.quarantined > 0) == (0, True)


def test_names_that_no_database_takes(database: Database, tmp_path: Path) -> None:
    """Zero bytes in a column's name, in a file's and in what a message quotes: kept, shown as what cannot be seen."""
    share = city(database, tmp_path, "market_entity", "maritime_declaration")
    body = HEADER.replace("变更类型", "变更类型,新\x00列") + FIRM.format(name="甲", change="新增").replace("\n", ",9\n")
    assert land(share, "market_entity", "a.csv", body.encode()).rows == 1
    ((drifted,), *_) = [each["drift"] for each in share.sources(SYSTEM) if each["drift"]]
    assert drifted["column"] == "新\ufffd列"  # type: ignore[index]
    landed = land(share, "market_entity", "b.json", b'[{"a\\u0000b": "\\ud800"}]')
    assert landed.refused is not None


def test_a_table_with_a_reserved_name_and_times_as_text(sqlite: Database, tmp_path: Path) -> None:
    """The sample city's orders: read by their column of change, again at its edge, each version once."""
    kept = sa.create_engine(f"sqlite:///{tmp_path / 'enforcement.sqlite'}")
    sample = sa.create_engine(f"sqlite:///{SAMPLE / 'emergency-enforcement' / 'emergency-enforcement.sqlite'}")
    with sample.connect() as there, kept.begin() as here:
        orders = sa.Table("order", sa.MetaData(), autoload_with=there)
        orders.create(here)
        rows = [dict(row._mapping) for row in there.execute(sa.select(orders))]
        here.execute(orders.insert(), rows)
    contract = Contract.load(CONTRACTS / "enforcement_order.json")
    share = Share(sqlite, Lake(tmp_path / "lake"), home=tmp_path)
    options = {"url": "sqlite:///enforcement.sqlite", "table": "order", "updated": "updated_at"}
    share.register(
        [Department(contract.owner, text("局", "bureau"))],
        [Dataset.of(contract)],
        [Source("order", contract.owner, text("令", "orders"), "sql", options, contract.name)],
    )
    first = share.pull("order")
    assert (sum(each.rows for each in first), sum(each.quarantined for each in first)) == (len(rows), 0)
    assert share.pull("order") == []
    newest = max(rows, key=lambda row: row["updated_at"])
    with kept.begin() as here:  # two more of the very moment that was read last
        here.execute(orders.insert(), [newest | {"order_id": f"late-{number}"} for number in range(2)])
    assert sum(each.rows for each in share.pull("order")) == 2
    known = set(share._lake.current(contract.name)["order_id"].to_pylist())
    assert known == {row["order_id"] for row in rows} | {"late-0", "late-1"}
    sample.dispose()
    kept.dispose()
