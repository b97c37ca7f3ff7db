"""Declared pages in a real browser: found, chosen, sorted, shared by address, a form sent; a phone shows all of it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .conftest import OpenPage, fits


def test_a_page_is_found_and_what_is_chosen_stands_in_the_address(open_page: OpenPage, axe: str) -> None:
    with open_page("officer", "/app", language="en-US") as page:
        page.get_by_test_id("app-air").get_by_role("link", name="The air today").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("The air today")
        expect(page.get_by_test_id("section-city").locator("canvas")).to_be_visible()
        expect(page.get_by_test_id("bars").get_by_role("row")).to_have_count(13)
        station = page.get_by_test_id("param-station")
        expect(station).to_have_value("Aotizhongxin")
        table = page.get_by_test_id("section-table").get_by_test_id("declared-table")
        table.get_by_role("button", name="Station").click()
        expect(table.get_by_role("columnheader").first).to_have_attribute("aria-sort", "ascending")
        expect(table.get_by_role("row").nth(1)).to_contain_text("Aotizhongxin")
        table.get_by_role("link", name="Wanliu").click()
        expect(page).to_have_url(re.compile(r"/app/air\.now\?station=Wanliu$"))
        expect(station).to_have_value("Wanliu")
        page.get_by_test_id("param-days").select_option("7")
        expect(page).to_have_url(re.compile(r"days=7"))
        shared = page.url
        page.go_back()
        expect(page.get_by_test_id("param-days")).to_have_value("2")
        page.goto(shared + "&at=2015-11-27T00:00:00Z")
        expect(page.get_by_role("status").filter(has_text="You see what was known at 2015-11-27 08:00")).to_be_visible()
        expect(page.get_by_test_id("param-days")).to_have_value("7")
        page.get_by_role("button", name="Back to now").click()
        expect(page).not_to_have_url(re.compile(r"at="))
        expect(page.locator(".loading")).to_have_count(0)
        page.evaluate(axe)
        faults = page.evaluate(
            "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}))"
            ".violations.map(one => one.id + ' ' + one.nodes[0].html)"
        )
        assert faults == []


def test_a_form_is_sent_once_and_its_record_is_there(open_page: OpenPage) -> None:
    with open_page("ecology", "/app/air.now", width=390, height=844) as page:
        form = page.get_by_test_id("section-observation")
        form.get_by_test_id("form-send").click()
        expect(form.get_by_role("alert")).to_be_visible()
        form.get_by_test_id("form-what").fill("东南方向有烟")
        form.get_by_test_id("form-send").click()
        expect(form.get_by_test_id("form-sent")).to_contain_text("观察已记录")
        expect(page.get_by_test_id("section-observations")).to_contain_text("东南方向有烟")
        fits(page)
    with open_page("industry", "/app/air.now") as page:
        expect(page.get_by_test_id("section-observation")).to_contain_text("由市生态环境局填写")
        expect(page.get_by_test_id("section-observations")).to_contain_text("东南方向有烟")
