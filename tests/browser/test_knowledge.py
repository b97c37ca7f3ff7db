"""What was done before, where a decision is made: reasons for plans, cases, clauses, changes written into the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text

from .conftest import OpenPage, Served, fits

SYSTEM = Actor.system("test")
RULES = """
const rules = {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']};
return (await axe.run(document, rules)).violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' | '))
"""
CLINICS = {"zh-CN": "通知各医院增加门诊", "en": "Hospitals open more clinics"}


def _archive(served: Served) -> list[dict[str, Any]]:
    """Seven invented yellow days."""
    now = served.city.clock.now()
    return [
        {
            "id": f"day-{n}", "kind": "heavy_pollution", "level": 3, "plan": "air-yellow", "version": "1",
            "opened_at": (now - timedelta(days=20 * (n + 1))).isoformat(),
            "closed_at": (now - timedelta(days=20 * (n + 1)) + timedelta(hours=30)).isoformat(),
            "text": f"空气重污染预警，全市站点读数持续升高，第 {n} 次",
            "steps": [
                {"step": "sweep", "unit": "urban-management", "due": "PT6H", "took": "PT7H", "late": n == 0},
                {"step": "monitor", "unit": "ecology", "due": "PT8H", "took": "PT5H"},
            ],
            "changes": [
                {"op": "add", "step": "call-hospitals", "unit": "health", "title": CLINICS, "due": "PT3H",
                 "reason": "老人就诊增多"}
            ],
        }
        for n in range(7)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def learned(served: Served) -> Iterator[Served]:
    """The served city with seven invented yellow days of an archive; in each of them clinics were added."""
    rows = _archive(served)
    result = served.city.knowledge.import_cases(SYSTEM, "import-0001", "archive-2014", "json", json.dumps(rows))
    assert result["imported"] == 7
    yield served


def _alert(page: Page) -> str:
    return str(page.evaluate("fetch('/api/alerts?state=open').then(r => r.json()).then(d => d.items[0].id)"))


def test_a_plan_is_chosen_with_reasons_and_the_ticked_changes_are_in_the_run(
    learned: Served, open_page: OpenPage
) -> None:
    with open_page("officer", width=1440, height=900) as page:
        page.goto(f"{learned.address}/alerts/{_alert(page)}")
        plans = page.get_by_test_id("suggested-plans")
        expect(plans).to_contain_text("7 个相似案例中有 7 个采用")
        expect(page.get_by_test_id("similar-case")).to_have_count(5)
        page.get_by_test_id("dispatch-open").first.click()
        sheet = page.get_by_role("dialog")
        choices = sheet.get_by_test_id("plan-choice")
        expect(choices.nth(1)).to_be_visible()
        assert choices.count() <= 3
        expect(sheet).to_contain_text("7 个相似案例中有 7 个执行了此步骤")
        changes = sheet.get_by_test_id("proposed-changes")
        expect(changes).to_contain_text("通知各医院增加门诊")
        expect(changes).to_contain_text("指挥员说：老人就诊增多")
        before = changes.locator(".change").filter(has_text="通知各医院增加门诊").get_by_test_id("change-pick")
        expect(before).not_to_be_checked()
        mandated = changes.locator(".change").filter(has_text="条款要求").first.get_by_test_id("change-pick")
        expect(mandated).to_be_checked()
        before.check()
        sheet.get_by_test_id("known-cases").locator("> summary").click()
        expect(sheet.get_by_test_id("similar-case")).to_have_count(5)
        sheet.get_by_test_id("known-clauses").locator("> summary").click()
        expect(sheet.get_by_test_id("known-clauses")).to_contain_text("文字未与正式文本核对")
        page.get_by_test_id("dispatch-confirm").dblclick()
        page.wait_for_url("**/incidents/**")
        incident = page.url.rsplit("/", 1)[1]
        expect(page.get_by_test_id("run-changes")).to_contain_text("通知各医院增加门诊")
        expect(page.get_by_test_id("incident-advice")).to_contain_text("相似案例")
        expect(page.get_by_test_id("advice-apply")).to_have_count(0)  # what was proposed is in the run already
    ((_, tasks),) = learned.city.command.runs(SYSTEM, incident)
    added = {task.step: task.unit for task in tasks}
    assert added["call-hospitals"] == "health"


def test_nothing_fits_is_said_plainly(learned: Served, open_page: OpenPage) -> None:
    plan = learned.city.intake.handling_plan("ecology")
    spec = {"title": text("从未有过的事", "Never seen"), "kind": "meteorite", "level": 2}
    incident = str(learned.city.command.dispatch(SYSTEM, "click-00000001", spec, plan)["incident_id"])
    with open_page("coordinator", language="en") as page:
        page.goto(f"{learned.address}/incidents/{incident}")
        expect(page.get_by_test_id("advice-silent")).to_contain_text("Nothing fits")
        page.get_by_test_id("incident-dispatch").click()
        sheet = page.get_by_role("dialog")
        expect(sheet.get_by_test_id("advice-silent")).to_contain_text("no plan is for meteorite")
        expect(sheet.get_by_test_id("dispatch-confirm")).to_have_count(0)


def test_cases_are_searched_and_read(learned: Served, open_page: OpenPage) -> None:
    with open_page("analyst", width=390, height=844) as page:
        page.goto(f"{learned.address}/cases")
        rows = page.get_by_test_id("case-row")
        expect(rows).to_have_count(7)
        page.get_by_test_id("case-search").fill("第 0 次")
        expect(rows).to_have_count(1)
        expect(rows.first).to_contain_text("1 项逾期")
        rows.first.get_by_role("link").click()
        expect(page.get_by_test_id("case-step")).to_have_count(2)
        expect(page.get_by_text("老人就诊增多")).to_be_visible()
        corrected = _archive(learned)[:1]
        corrected[0]["level"], corrected[0]["steps"][0]["took"] = 2, "PT9H"
        learned.city.knowledge.import_cases(SYSTEM, "import-0002", "archive-2014", "json", json.dumps(corrected))
        revision = page.get_by_test_id("case-revision")
        page.reload()
        expect(revision).to_contain_text("第 1 版改为第 2 版")
        expect(revision.locator("tr").filter(has_text="级别")).to_contain_text("黄色")
        expect(revision.locator("tr").filter(has_text="用时")).to_contain_text("7 小时")
        page.goto(f"{learned.address}/clauses")
        before = page.get_by_test_id("clause")
        expect(before).to_have_count(3)  # the law of 2016 is not in force yet in November 2015
        page.get_by_test_id("clauses-on").fill("2016-06-01")
        expect(before).to_have_count(4)
        page.get_by_test_id("clauses-on").fill("2010-06-01")
        expect(page.get_by_text("没有这样的条款")).to_be_visible()
        page.get_by_test_id("clauses-all").click()
        expect(before.nth(3)).to_be_visible()
        fits(page)


def test_the_pages_are_accessible(learned: Served, open_page: OpenPage, axe: str) -> None:
    case = learned.city.knowledge.cases(SYSTEM)[0][0][1].id
    with open_page("officer", language="en") as page:
        alert = _alert(page)
        for path, ready in (
            ("/cases", "case-row"),
            (f"/cases/{case}", "case-step"),
            ("/clauses", "clause"),
            (f"/alerts/{alert}", "suggested-plans"),
        ):
            page.goto(learned.address + path)
            page.get_by_test_id(ready).first.wait_for()
            assert page.evaluate(f"async () => {{ {axe}; {RULES} }}") == [], path
            page.get_by_test_id("theme-switch").click()  # every second page in the dark
        page.get_by_test_id("dispatch-open").first.click()
        page.get_by_test_id("dispatch-confirm").wait_for()
        assert page.evaluate(f"async () => {{ {axe}; {RULES} }}") == []


def test_a_steward_sees_what_a_file_holds_before_it_is_taken_over(learned: Served, open_page: OpenPage) -> None:
    """Cases from a spreadsheet of an office program, then closed cases for the scores: lines, reasons, the taking in."""
    moments = "2014-03-01T08:00:00+08:00,2014-03-01T20:00:00+08:00"
    sheet = (
        "id,kind,level,opened_at,closed_at,text,plan\n"
        f"1,heavy_pollution,3,{moments},烟尘持续,air-yellow\n"
        f"2,heavy_pollution,9,{moments},级别写错,air-yellow\n"
    )
    closed = (
        "case,department,started,planned,ended\n"
        "A-1,ecology,2014-03-01T08:00:00,2014-03-02T08:00:00,2014-03-01T20:00:00\n"
        "A-2,ecology,2014-03-01T08:00:00,2014-03-02T08:00:00,2014-03-03T20:00:00\n"
        "A-3,ecology,2014-03-01T08:00:00,,\n"
    )
    with open_page("steward", "/cases", width=390, height=844) as page:
        page.get_by_test_id("import-open").click()
        given = {"name": "archive-2014b.csv", "mimeType": "text/csv", "buffer": sheet.encode("gb18030")}
        page.get_by_test_id("import-file").set_input_files(given)  # type: ignore[arg-type]
        expect(page.get_by_test_id("import-origin")).to_have_value("archive-2014b")
        page.get_by_test_id("import-check").click()
        expect(page.get_by_test_id("import-counts")).to_contain_text("将导入 1")
        expect(page.get_by_test_id("import-refusals")).to_contain_text("level")
        expect(page.get_by_test_id("import-items")).to_contain_text("烟尘持续")
        fits(page)
        page.get_by_test_id("import-take").click()
        expect(page.get_by_test_id("import-done")).to_contain_text("已导入 1 条，更正 0 条，退回 1 条")

        page.get_by_role("link", name="其他系统的办结件").click()
        given = {"name": "permits.csv", "mimeType": "text/csv", "buffer": closed.encode()}
        page.get_by_test_id("history-file").set_input_files(given)  # type: ignore[arg-type]
        expect(page.get_by_test_id("history-column-ended")).to_have_value("ended")
        page.get_by_test_id("history-zh").fill("许可")
        page.get_by_test_id("history-check").click()
        expect(page.get_by_test_id("history")).to_contain_text("将接收 2 件（0 个环节），其中 1 件超期办结")
        expect(page.get_by_test_id("history-lines")).to_contain_text("尚未办结")
        fits(page)
        page.get_by_test_id("history-take").click()
        expect(page.get_by_test_id("history-done")).to_contain_text("已接收 2 件（2 个任务），其中 1 件超期办结")
