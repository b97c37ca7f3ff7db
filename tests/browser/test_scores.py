"""Scores as a mayor, a clerk and an inspector use them: the report, what is behind a number, appeals, formulas, paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text

from ..played import PASSWORD, played
from .conftest import OpenPage, Served, fits, serving

SYSTEM = Actor.system("test")
RULES = """async () => {
const rules = {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']};
return (await axe.run(document, rules)).violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' | '))
}"""
ALL = "/scores?period=all"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Beijing, 26 November to 8 December 2015, with simulated staff: tasks in time and late. The clock goes on."""
    city = played(tmp_path_factory.mktemp("scores") / "city", "2015-11-26", "2015-12-09", staff=True)
    for role in ("inspector", "mayor"):
        city.serve.create(SYSTEM, role, PASSWORD, name=text(role, role), department=None, roles=[role])
    with serving(city) as served:
        yield served


def _go(page: Page, served: Served, path: str) -> None:
    page.goto(served.address + path)


def test_every_number_stands_with_what_it_is_made_of_and_opens_it(served: Served, open_page: OpenPage) -> None:
    account = served.city.account
    first = account.first()
    assert first is not None
    scores = {each.department: each for each in account.scores(first, served.city.clock.now()).departments}
    ecology = scores["ecology"]
    few = next(each for each in scores.values() if each.n < 10)
    assert ecology.n >= 10
    assert ecology.rates["overdue"].num > 0
    with open_page("mayor", width=1440, height=900) as page:
        _go(page, served, ALL)
        page.get_by_test_id("scores-table").wait_for()
        for rate in ("on_time", "overdue", "sign_in"):
            expect(page.get_by_test_id("scores-table").locator("tr[data-department=ecology]")).to_contain_text(
                f"{ecology.rates[rate].num}/{ecology.rates[rate].den}"
            )
        ranks = page.locator("tr[data-department] [data-testid=rank]")
        row = page.locator(f"tr[data-department={few.department}] [data-testid=rank]")
        expect(page.locator("tr[data-department=ecology] [data-testid=rank]")).to_have_text(str(ecology.rank))
        expect(row).to_contain_text("不排名")
        assert sum(each.isdigit() for each in ranks.all_inner_texts()) == sum(
            s.rank is not None for s in scores.values()
        )
        expect(page.get_by_test_id("rank-why")).to_be_visible()

        page.locator("tr[data-department=ecology]").get_by_role("button", name=re.compile("超期率")).click()
        behind = page.get_by_test_id("behind-tasks")
        expect(behind).to_have_attribute("data-total", str(ecology.n))
        page.get_by_test_id("behind-against").click()
        expect(behind).to_have_attribute("data-total", str(ecology.rates["overdue"].num))
        expect(behind.locator("tbody tr[data-good=true]")).to_have_count(0)
        task = behind.locator("tbody tr").first.get_attribute("data-task")
        assert task is not None
        page.get_by_test_id("behind-task").first.click()
        item = account.item(SYSTEM, task)
        events, custody = item["events"], item["custody"]
        assert isinstance(events, list)
        assert isinstance(custody, list)
        expect(page.get_by_test_id("story-events").locator("tbody tr")).to_have_count(len(events))
        expect(page.get_by_test_id("story-custody").locator("tbody tr")).to_have_count(len(custody))
        told = page.get_by_test_id("story-events").locator("tbody tr")
        assert told.evaluate_all("all => all.map(row => row.dataset.event)") == [event["type"] for event in events]
        page.get_by_test_id("drill-back").click()
        expect(behind).to_have_attribute("data-total", str(ecology.rates["overdue"].num))
        page.keyboard.press("Escape")
        expect(behind).to_have_count(0)

        page.locator("tr[data-department=ecology]").get_by_test_id("score-made").click()
        assert ecology.score is not None
        expect(page.get_by_test_id("made-sum")).to_contain_text(f"{ecology.score:.2f}")


def test_a_period_is_compared_with_the_one_before(served: Served, open_page: OpenPage) -> None:
    now = served.city.clock.now()
    with open_page("mayor", width=1440, height=900) as page:
        _go(page, served, "/scores")
        page.get_by_test_id("period-7d").click()
        expect(page).to_have_url(re.compile("period=7d"))
        card = page.get_by_test_id("headlines").locator("[data-rate=on_time]")
        expect(card).to_contain_text(re.compile("好转|变差|持平"))
        expect(card).to_contain_text("上期")
        page.get_by_test_id("period-own").click()
        page.get_by_test_id("period-from").fill("2015-11-27")
        page.get_by_test_id("period-to").fill("2015-11-29")
        expect(page.get_by_test_id("report-period")).to_contain_text("2015-11-27 00:00 – 2015-11-30 00:00")
        expect(page.get_by_test_id("report-period")).to_contain_text("2015-11-24 00:00 – 2015-11-27 00:00")
        begin = now.replace(year=2015, month=11, day=26, hour=16, minute=0, second=0, microsecond=0)
        scores = served.city.account.scores(begin, begin + timedelta(days=3))
        one = scores.departments[0]
        on_time = one.rates["on_time"]
        expect(page.locator(f"tr[data-department={one.department}]")).to_contain_text(f"{on_time.num}/{on_time.den}")
        page.get_by_role("button", name="从日历选择").first.click()
        expect(page.get_by_role("button", name="2015年11月27日星期五")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("button", name="2015年11月28日星期六")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("period-from")).to_have_value("2015-11-28")
        page.get_by_test_id("period-from").fill("2015-11-31")
        page.get_by_test_id("period-to").focus()
        expect(page.get_by_text("请按“年-月-日”填写")).to_be_visible()
        page.get_by_test_id("period-from").fill("2015-12-01")
        expect(page.get_by_role("alert").first).to_contain_text("起始日在截止日之后")


def test_an_appeal_goes_from_the_clerk_to_the_inspector_and_into_the_score(served: Served, open_page: OpenPage) -> None:
    account = served.city.account
    first = account.first()
    assert first is not None

    def overdue() -> tuple[int, int]:
        (score,) = (s for s in account.scores(first, served.city.clock.now()).departments if s.department == "ecology")
        return score.rates["overdue"].num, score.rates["overdue"].den

    num, den = overdue()
    with open_page("ecology", width=390, height=844) as clerk:
        _go(clerk, served, f"{ALL}&department=ecology&rate=overdue&counts=against")
        clerk.get_by_test_id("appeal-open").last.click()
        expect(clerk.get_by_test_id("appeal-send")).to_be_disabled()
        clerk.get_by_test_id("appeal-reason").fill("停电两小时，平台无法提交")
        clerk.get_by_test_id("appeal-evidence").fill("供电公司通知 17 号")
        clerk.get_by_test_id("appeal-send").dblclick()
        expect(clerk.get_by_test_id("appeal-form")).to_have_count(0)
        expect(clerk.get_by_test_id("behind-tasks")).to_contain_text("已申诉")
        fits(clerk)
        _go(clerk, served, "/scores/appeals")
        clerk.get_by_test_id("appeal-row").click()
        expect(clerk.get_by_test_id("appeal")).to_have_attribute("data-state", "open")
        expect(clerk.get_by_test_id("decide")).to_have_count(0)
        _go(clerk, served, f"{ALL}&department=health&rate=overdue")
        expect(clerk.get_by_role("alert").first).to_contain_text("403")
    (filed,), _ = account.appeals(SYSTEM)
    assert (filed.rate, filed.reason) == ("overdue", "停电两小时，平台无法提交")
    assert overdue() == (num, den)

    with open_page("inspector", width=1440, height=900) as inspector:
        _go(inspector, served, "/scores/appeals?period=all")
        inspector.get_by_test_id("appeal-row").click()
        panel = inspector.get_by_test_id("appeal")
        expect(panel).to_contain_text("供电公司通知 17 号")
        expect(inspector.get_by_test_id("story-custody")).to_be_visible()
        expect(inspector.get_by_test_id("decide-confirm")).to_be_disabled()
        inspector.get_by_test_id("decide-uphold").check()
        inspector.get_by_test_id("decide-reason").fill("停电属实")
        inspector.get_by_test_id("decide-confirm").dblclick()
        expect(panel).to_have_attribute("data-state", "upheld")
        expect(inspector.get_by_test_id("impact-after").first).to_contain_text("▲")
        expect(inspector.get_by_test_id("impact").first).to_contain_text(f"{num - 1}/{den - 1}")
        inspector.keyboard.press("Escape")
        expect(inspector.get_by_test_id("appeals-table")).to_have_count(0)
        inspector.get_by_test_id("appeals-upheld").click()
        expect(inspector.get_by_test_id("appeals-table")).to_contain_text("停电两小时")
        _go(inspector, served, ALL)
        expect(inspector.locator("tr[data-department=ecology]").get_by_test_id("corrected")).to_contain_text("1")
        expect(inspector.get_by_test_id("caveats")).to_contain_text("申诉")
    assert overdue() == (num - 1, den - 1)


def test_a_formula_is_tried_on_the_past_before_it_is_published(served: Served, open_page: OpenPage) -> None:
    account = served.city.account
    now = served.city.clock.now()
    with open_page("mayor") as mayor:
        _go(mayor, served, "/scores/formulas")
        mayor.get_by_test_id("formulas-table").wait_for()
        expect(mayor.get_by_test_id("formula-new")).to_have_count(0)
    with open_page("inspector", width=1440, height=900) as page:
        # Written anew with the very terms of an offered formula, it says what the city itself computes by that.
        _go(page, served, "/scores/formulas?period=own&from=2015-11-27&to=2015-12-02&formula=jinhua@trial")
        page.get_by_test_id("formula-new").click()
        preview = page.get_by_test_id("preview-table")
        preview.wait_for()
        begin = now.replace(year=2015, month=11, day=26, hour=16, minute=0, second=0, microsecond=0)
        by_jinhua = account.scores(begin, begin + timedelta(days=6), "jinhua").departments
        for score in by_jinhua:
            assert score.score is not None
            cells = preview.locator(f"tr[data-department={score.department}] td")
            expect(cells.nth(2)).to_have_text(f"{score.score:.1f}")
        page.get_by_test_id("formula-version").fill("2016-1")
        page.get_by_test_id("formula-from").fill("2016-01-01")
        for index in (1, 2, 3):
            page.get_by_test_id(f"term-weight-{index}").fill("0" if index == 3 else "40")
        expect(page.get_by_test_id("formula-missing")).to_be_visible()
        expect(page.get_by_test_id("formula-publish")).to_be_disabled()
        page.get_by_test_id("term-weight-3").fill("15")
        expect(page.get_by_test_id("formula-sum")).to_contain_text("100")
        page.get_by_test_id("formula-publish").dblclick()
        expect(page.get_by_test_id("formula-form")).to_have_count(0)
        expect(page.get_by_test_id("formulas-table")).to_contain_text("jinhua 2016-1")
    (made,) = [each for each in account.formulas() if (each.id, each.version) == ("jinhua", "2016-1")]
    assert made.valid_from.isoformat() == "2016-01-01"
    assert [term.weight for term in made.terms] == [40, 40, 15, 5]
    offered = next(each for each in account.formulas() if (each.id, each.version) == ("jinhua", "trial"))
    assert [term.deductions for term in made.terms] == [term.deductions for term in offered.terms]


def test_the_report_prints_whole_on_white(served: Served, open_page: OpenPage) -> None:
    with open_page("mayor", width=1440, height=900, language="en-US") as page:
        page.emulate_media(color_scheme="dark")
        _go(page, served, ALL)
        page.get_by_test_id("scores-table").wait_for()
        page.emulate_media(media="print", color_scheme="dark")
        expect(page.get_by_test_id("print")).to_be_hidden()
        expect(page.get_by_test_id("period-7d")).to_be_hidden()
        expect(page.get_by_test_id("score-bars")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        # A4 across, less its margins, at 96 dots an inch: nothing may be cut off, down or across.
        page.set_viewport_size({"width": 1031, "height": 703})
        fits(page, 1031)
        assert page.evaluate("document.documentElement.scrollHeight") > 1200
        page.wait_for_function(
            "() => [...document.querySelectorAll('.flush')].every(n => n.scrollWidth <= n.clientWidth + 1)"
        )
        assert page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") >= 2


def test_every_page_of_scores_can_be_used_by_everybody(served: Served, open_page: OpenPage, axe: str) -> None:
    pages = (
        (ALL, "scores-table"),
        (f"{ALL}&rate=overdue&department=ecology", "behind-tasks"),
        ("/scores/appeals?period=all&state=all", "scores-tab-appeals"),
        ("/scores/formulas?period=all", "formula-new"),
    )
    with open_page("inspector", width=1280, height=800) as page:
        looks: list[tuple[str, Literal["light", "dark"], tuple[tuple[str, str], ...]]] = [
            ("zh-CN", "light", pages),
            ("en", "dark", (pages[0], pages[3])),
        ]
        for language, theme, looked in looks:
            page.emulate_media(color_scheme=theme)
            page.evaluate("language => localStorage.setItem('cityheart.language', language)", language)
            for path, there in looked:
                _go(page, served, path)
                page.get_by_test_id(there).wait_for()
                if there == "behind-tasks":
                    page.get_by_test_id("behind-task").first.click()
                    page.get_by_test_id("story-events").wait_for()
                if there == "scores-tab-appeals" and served.city.account.appeals(SYSTEM)[0]:
                    page.get_by_test_id("appeal-row").first.click()
                    page.get_by_test_id("story-events").wait_for()
                if there == "formula-new":
                    page.get_by_test_id(there).click()
                    page.get_by_test_id("preview-table").wait_for()
                page.evaluate(axe)
                assert page.evaluate(RULES) == [], (path, language)
