"""The command page by keyboard and by address: looking back, any object beside the map, finding anything."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .conftest import OpenPage

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
