"""The command page by keyboard and by address, and a department's own page, where a clerk's day begins."""

from __future__ import annotations

import re
from typing import Any, cast

from playwright.sync_api import Page, expect

from cityheart.kernel.actors import Actor

from .conftest import OpenPage, Served, fits

SYSTEM = Actor.system("test")

RULES = """async () => {
  const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  const {violations} = await axe.run(document, {runOnly, resultTypes: ['violations'], elementRef: false});
  return violations.flatMap(v => v.nodes.slice(0, 3).map(n => v.id + ': ' + n.html.slice(0, 160)));
}"""


def _ready(page: Page) -> None:
    page.get_by_test_id("alert-row").first.wait_for()
    expect(page.locator("[data-testid=map][data-ready=true]")).to_be_visible()


def test_an_earlier_moment_shows_what_stood_then(open_page: OpenPage) -> None:
    with open_page("officer", width=1440, height=900) as page:
        _ready(page)
        page.keyboard.press("j")
        expect(page).to_have_url(re.compile(r"[?&]alert="))
        page.get_by_test_id("span-720").click()
        brush = page.get_by_test_id("brush")
        brush.focus()
        page.keyboard.press("Home")  # thirty days ago nothing stood
        expect(page.get_by_test_id("past-banner")).to_be_visible()
        expect(page.get_by_test_id("queue-count")).to_have_text("0")
        expect(page.get_by_test_id("alert-row")).to_have_count(0)
        expect(page.get_by_test_id("acknowledge")).to_have_count(0)
        expect(page.get_by_test_id("dispatch-open")).to_have_count(0)
        expect(page).to_have_url(re.compile(r"[?&]at=2015-10-2"))
        there = page.url
        page.goto(there)  # the address alone says it all
        expect(page.get_by_test_id("past-banner")).to_be_visible()
        expect(page.get_by_test_id("span-720")).to_have_attribute("aria-pressed", "true")
        page.get_by_test_id("brush").wait_for()
        page.keyboard.press("n")
        expect(page.get_by_test_id("past-banner")).to_have_count(0)
        page.get_by_test_id("alert-row").first.wait_for()


def test_keys_help_and_palette_need_no_mouse(open_page: OpenPage, axe: str) -> None:
    with open_page("officer", language="en") as page:
        _ready(page)
        page.keyboard.press("?")
        page.get_by_test_id("keys-help").wait_for()
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("keys-help")).to_have_count(0)
        page.keyboard.press("Control+k")
        field = page.get_by_test_id("palette-input")
        expect(field).to_be_focused()
        field.fill("air")
        expect(page.get_by_test_id("palette")).to_have_attribute("data-waits", "false")
        expect(page.locator("[data-testid=palette-item][data-kind=plan]").first).to_be_visible()
        page.evaluate(axe)
        assert page.evaluate(RULES) == []
        field.fill("incid")
        expect(page.get_by_test_id("palette-item").first).to_have_attribute("data-kind", "page")
        page.keyboard.press("Enter")
        page.wait_for_url("**/incidents")
        page.keyboard.press("Control+k")
        expect(page.get_by_test_id("palette-item").first).to_contain_text("Incidents")  # opened lately


def test_a_clerk_finds_only_what_a_clerk_may_open(open_page: OpenPage) -> None:
    with open_page("steward", "/sources") as page:
        page.get_by_test_id("source-row").first.wait_for()
        page.get_by_test_id("palette-open").click()
        field = page.get_by_test_id("palette-input")
        field.fill("空气")
        expect(page.get_by_test_id("palette")).to_have_attribute("data-waits", "false")
        expect(page.locator("[data-testid=palette-item][data-kind=dataset]").first).to_be_visible()
        assert page.locator("[data-testid=palette-item][data-kind=alert]").count() == 0


def _ordered(served: Served) -> tuple[str, list[str]]:
    """A department with several tasks to be accepted, and their ids: the plan was dispatched."""
    city = served.city
    alert = cast("dict[str, Any]", city.watch.alerts(SYSTEM)["items"][0])  # type: ignore[index]
    kind, level = str(alert["kind"]), int(alert["level"] or 4)
    plan = city.command.suggest(kind, level, city.clock.now())[0].plan
    for command in ("for-a-department-1", "for-a-department-2"):
        incident = {"title": alert["kind_title"], "kind": kind, "level": level}
        city.command.dispatch(SYSTEM, command, incident, plan.digest)
    waiting = [task for task in city.command.tasks(SYSTEM, over=False, limit=200)[0] if task.state == "dispatched"]
    units = [task.unit for task in waiting]
    most = max(sorted(set(units)), key=units.count)
    return most, [task.id for task in waiting if task.unit == most]


def test_a_day_begins_on_the_own_page_and_tasks_are_accepted_together(served: Served, open_page: OpenPage) -> None:
    unit, tasks = _ordered(served)
    assert len(tasks) > 1
    with open_page(unit) as page:
        page.wait_for_url(f"**/department/{unit}")
        expect(page.get_by_test_id("home-task")).to_have_count(len(tasks))
        expect(page.get_by_test_id("home-figures")).to_contain_text(f"待签收{len(tasks)}")
        page.get_by_test_id("accept-all").click()
        expect(page.get_by_test_id("accept-one")).to_have_count(len(tasks))
        page.get_by_test_id("accept-one").first.uncheck()
        page.get_by_test_id("accept-confirm").dblclick()
        expect(page.get_by_test_id("home-figures")).to_contain_text("待签收1")
        expect(page.get_by_test_id("accept-all")).to_have_count(0)  # one alone is opened and read
        page.set_viewport_size({"width": 390, "height": 844})
        fits(page)
    states = [served.city.command.task(SYSTEM, task).state for task in tasks]
    assert sorted(states) == ["accepted"] * (len(tasks) - 1) + ["dispatched"]


def test_others_see_it_too_and_what_is_none_says_so(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", "/department/ecology", language="en-US") as page:
        expect(page.get_by_test_id("department-home")).to_contain_text("To do")
        expect(page.get_by_test_id("home-source").first).to_be_visible()
        expect(page.get_by_test_id("accept-all")).to_have_count(0)  # it is not the officer's department
        page.goto(f"{served.address}/department/nowhere")
        expect(page.get_by_role("main")).to_contain_text("No department has the code nowhere")
