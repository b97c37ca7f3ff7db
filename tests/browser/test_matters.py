"""What residents report, worked by the people who do it: a call is taken down, merged, split, sent on, closed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from cityheart.command.intake.filing import Filing
from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text

from ..played import PASSWORD
from .conftest import OpenPage, Served, fits

SYSTEM = Actor.system("test")
RULES = """
const rules = {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']};
return (await axe.run(document, rules)).violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' | '))
"""
LAMP = (116.40, 39.90)
REPORTS = (  # (number, words, kind, address, place)
    ("1", "解放路128号门口的路灯不亮了，晚上黑漆漆的，请尽快处理", "street_light", "解放路128号", LAMP),
    ("2", "市民来电反映，解放路128号附近街灯坏了三天，老人走路看不见", None, "解放路128号", LAMP),
    ("3", "解放路128号路灯不亮，晚上看不见路", "street_light", "解放路128号", (116.4002, 39.9001)),
    ("4", "解放路152号路灯不亮了，晚上黑漆漆的", "street_light", "解放路152号", (116.4024, 39.9003)),
    ("5", "文昌街占道摆摊的流动商贩太多，路都走不通", "street_vendor", "文昌街20号", (116.35, 39.95)),
    ("6", "我想问问明天几点开门", None, "", None),
)


@pytest.fixture(scope="module")
def desk(served: Served) -> Iterator[Served]:
    """The served city with an operator and six reports, three of them about one lamp."""
    served.city.serve.create(
        SYSTEM, "operator", PASSWORD, name=text("热线一号", "Operator 1"), department=None, roles=["operator"]
    )
    for number, said, kind, address, place in REPORTS:
        lon, lat = place or (None, None)
        served.city.intake.take(SYSTEM, Filing("hotline", number, said, None, kind, address, lon, lat))
    yield served


def _matter(desk: Served, said: str) -> str:
    """The open matter whose title begins so."""
    found, _ = desk.city.intake.matters(SYSTEM, state="open")
    return next(matter.id for matter in found if matter.title.startswith(said))


def _go(page: Page, desk: Served, path: str) -> None:
    page.goto(desk.address + path)


def test_the_queue_is_worked_by_keys_and_filtered(desk: Served, open_page: OpenPage) -> None:
    lamp = _matter(desk, "解放路128号")
    assert desk.city.intake.matter(SYSTEM, lamp).reports == 3
    with open_page("officer", width=1440, height=900) as page:
        _go(page, desk, "/matters?order=reports")
        rows = page.get_by_test_id("matter-row")
        expect(rows).to_have_count(4)
        expect(rows.first).to_contain_text("3 个诉求")
        expect(rows.first).to_contain_text("建议：市城市管理委员会")
        expect(page.get_by_text("没有把握的部门，请人工指定")).to_have_count(1)
        page.locator("[data-testid=map][data-points='3']").wait_for()
        page.keyboard.press("j")
        expect(rows.first).to_have_attribute("aria-current", "true")
        page.keyboard.press("j")
        page.keyboard.press("k")
        expect(rows.first).to_be_focused()
        page.get_by_test_id("filter-service").select_option("street_vendor")
        expect(rows).to_have_count(1)
        page.get_by_test_id("filter-service").select_option("")
        expect(rows).to_have_count(4)
        page.keyboard.press("Tab")
        page.locator("h1").click()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/matters/{lamp}")
        reports = page.get_by_test_id("report-row")
        expect(reports).to_have_count(3)
        expect(reports.nth(1)).to_contain_text("系统归并")
        expect(reports.nth(1)).to_contain_text("门牌或楼号相同")


def test_reports_are_split_off_and_matters_merged_with_a_reason(desk: Served, open_page: OpenPage) -> None:
    lamp, other = _matter(desk, "解放路128号"), _matter(desk, "解放路152号")
    with open_page("coordinator") as page:
        _go(page, desk, f"/matters/{lamp}")
        page.get_by_test_id("split").click()
        expect(page.get_by_test_id("split-choose")).to_be_disabled()
        page.get_by_test_id("split-pick").last.check()
        page.get_by_test_id("split-choose").click()
        page.get_by_test_id("split-reason").fill("是另一盏灯")
        page.get_by_test_id("split-confirm").click()
        expect(page.get_by_test_id("report-row")).to_have_count(2)
        expect(page.get_by_text("是另一盏灯")).to_be_visible()
        similar = page.get_by_test_id("similar-row").filter(has_text="解放路152号")
        similar.get_by_test_id("merge").click()
        page.get_by_test_id("merge-reason").fill("同一段线路断电")
        page.get_by_test_id("merge-confirm").click()
        expect(page.get_by_test_id("report-row")).to_have_count(3)
        expect(page.get_by_text("人工归入").first).to_be_visible()
        kept = page.url.rsplit("/", 1)[1]
    (gone,) = {lamp, other} - {kept}
    merged = desk.city.intake.matter(SYSTEM, gone)
    assert merged.state == "merged" and merged.merged_into == kept


def test_a_matter_is_sent_with_one_click_and_once(desk: Served, open_page: OpenPage) -> None:
    lamp = next(matter.id for matter in desk.city.intake.matters(SYSTEM, state="open")[0] if matter.reports == 3)
    with open_page("officer") as page:
        _go(page, desk, f"/matters/{lamp}")
        send = page.get_by_test_id("decide-confirm")
        expect(send).to_have_text("派给市城市管理委员会")
        page.get_by_test_id("candidate").nth(1).get_by_role("radio").check()
        expect(page.get_by_test_id("decide-reason")).to_be_visible()  # another choice than the proposal says why
        page.get_by_test_id("candidate").first.get_by_role("radio").check()
        send.dblclick()
        page.wait_for_url("**/incidents/**")
        expect(page.get_by_role("heading", level=1)).to_contain_text("路灯照明")
        _go(page, desk, f"/matters/{lamp}")
        expect(page.get_by_test_id("matter-state")).to_have_attribute("data-state", "dispatched")
        expect(page.get_by_text("后来怎样")).to_be_visible()
    matter = desk.city.intake.matter(SYSTEM, lamp)
    assert matter.handler == "urban-management" and matter.incident is not None
    told = [event.type for event in desk.city.intake.history(SYSTEM, lamp)]
    assert told.count("matter.dispatched") == 1


def test_what_needs_nothing_is_closed_with_its_reason(desk: Served, open_page: OpenPage) -> None:
    question = _matter(desk, "我想问问")
    with open_page("officer") as page:
        _go(page, desk, f"/matters/{question}")
        expect(page.get_by_test_id("decide-confirm")).to_be_disabled()
        page.get_by_test_id("dismiss").click()
        page.get_by_test_id("dismiss-reason").fill("咨询，已当场答复")
        page.get_by_test_id("dismiss-confirm").click()
        expect(page.get_by_test_id("matter-state")).to_have_attribute("data-state", "dismissed")
    assert desk.city.intake.matter(SYSTEM, question).note == "咨询，已当场答复"


def test_an_operator_takes_down_a_call(desk: Served, open_page: OpenPage) -> None:
    vendor = _matter(desk, "文昌街")
    with open_page("operator") as page:
        page.get_by_role("link", name="诉求").first.click()
        page.get_by_test_id("take-open").click()
        expect(page.get_by_test_id("take-privacy")).to_contain_text("不保存")
        page.get_by_test_id("take-text").fill("文昌街20号门口占道摆摊，流动商贩把路堵死了，电话13912345678")
        page.get_by_test_id("take-service").select_option("street_vendor")
        page.get_by_test_id("take-address").fill("文昌街20号")
        page.get_by_test_id("take-phone").fill("13912345678")
        canvas = page.locator("[data-testid=map][data-ready=true] canvas")
        canvas.click(position={"x": 200, "y": 200})
        expect(page.get_by_test_id("take-lon")).to_have_value(re.compile(r"^11[567]\.\d{6}$"))
        page.get_by_test_id("take-lon").fill("116.35")
        page.get_by_test_id("take-lat").fill("39.95")
        page.get_by_test_id("take-confirm").click()
        expect(page.get_by_test_id("taken")).to_contain_text("已与另外 1 个诉求并为一件事")
        expect(page.get_by_test_id("take-text")).to_have_value("")
        expect(page.get_by_test_id("take-phone")).to_have_value("")
        page.get_by_test_id("taken-open").click()
        page.wait_for_url(f"**/matters/{vendor}")
        expect(page.get_by_test_id("report-row")).to_have_count(2)
        expect(page.get_by_test_id("decide")).to_have_count(0)  # an operator does not send it on
        assert "13912345678" not in page.content()


def test_a_coordinator_hands_a_file_over_and_looks_after_what_was_no_report(desk: Served, open_page: OpenPage) -> None:
    head = "编号,受理时间,诉求内容,地址,电话\n"
    good = "F1,2015-11-01 08:00,青年路12号井盖缺失,青年路12号,13912345678\n"
    with open_page("coordinator", width=390, height=844) as page:

        def hand(name: str, rows: str, came: str) -> None:
            page.get_by_test_id("hand-open").click()
            page.get_by_test_id("hand-source").fill("12345")
            file = {"name": name, "mimeType": "text/csv", "buffer": (head + rows).encode("gb18030")}
            page.get_by_test_id("hand-input").set_input_files(file)  # type: ignore[arg-type]
            page.get_by_test_id("hand-send").click()
            expect(page.get_by_test_id("handed-outcome")).to_have_text(came)
            page.keyboard.press("Escape")

        _go(page, desk, "/matters")
        page.get_by_test_id("files-open").click()
        rows, desk_rows = page.get_by_test_id("refused-row"), page.get_by_test_id("desk-row")
        page.get_by_test_id("hand-open").click()
        for name in ("一.csv", "二.csv"):  # chosen one after the other, both are there
            one = {"name": name, "mimeType": "text/csv", "buffer": head.encode()}
            page.get_by_test_id("hand-input").set_input_files(one)  # type: ignore[arg-type]
            expect(page.get_by_test_id("handed").last).to_contain_text(name)
        expect(page.get_by_test_id("handed")).to_have_count(2)
        page.keyboard.press("Escape")
        hand("上午.csv", f"{good}F2,昨天,电话13912345678的井盖,文昌街,\nF3,2015-11-01 08:10,,文昌街,\n",
             "新诉求 1 · 立为新事项 1 · 不能导入 2")  # fmt: skip
        expect(rows).to_have_count(2)
        expect(rows.filter(has_text="时间无法识别").locator("[data-wrong=true]")).to_have_text("时间昨天")
        assert "13912345678" not in page.content()
        expect(desk_rows.first).to_contain_text("待处理 2")
        hand("更正.csv", f"{good}F2,2015-11-01 08:05,井盖坏了,文昌街,\n", "新诉求 1 · 立为新事项 1 · 已有 1 · 补正 1")
        expect(rows).to_have_count(1)
        rows.get_by_role("checkbox").check()
        page.get_by_test_id("dismiss-chosen").click()
        page.get_by_test_id("leave-out-reason").fill("原系统作废")
        page.get_by_test_id("leave-out-confirm").click()
        expect(rows).to_have_count(0)
        expect(desk_rows.first).to_contain_text("理由：原系统作废")
        page.get_by_test_id("refused-state").select_option("mended")
        expect(rows).to_contain_text("时间无法识别")
        fits(page)
    (told,) = desk.city.intake.desk(SYSTEM, limit=1).events
    assert told.type == "intake.dismissed" and told.actor == desk.city.serve.person("coordinator").id


def test_the_pages_are_accessible_and_fit_a_phone(desk: Served, open_page: OpenPage, axe: str) -> None:
    lamp = next(matter.id for matter in desk.city.intake.matters(SYSTEM)[0] if matter.reports > 1)
    one = f"/matters/{lamp}"
    for language, width, dark, paths in (
        ("zh-CN", 1280, False, ("/matters?state=all", one)),
        ("en", 390, True, ("/matters/new", one)),
    ):
        with open_page("officer", width=width, height=844, language=language) as page:
            if dark:
                page.get_by_test_id("theme-switch").click()
            for path in paths:
                _go(page, desk, path)
                page.locator("[data-testid=map][data-ready=true]").wait_for()
                fits(page, width)
                assert page.evaluate(f"async () => {{ {axe}; {RULES} }}") == [], (path, language)
