"""An alert is silenced by the duty officer, stays out of the queue, is counted, and is back when it is lifted."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .conftest import OpenPage, Served


def test_an_alert_is_silenced_counted_and_lifted(served: Served, open_page: OpenPage, axe: str) -> None:
    with open_page("officer", "/alarms", width=1440) as page:
        page.goto(served.address + "/alarms")
        expect(page.get_by_test_id("alarm-measures").locator("li")).to_have_count(6)
        page.get_by_test_id("alarm-period").select_option("72")
        expect(page.get_by_test_id("alarm-worst").locator("tr").first).to_contain_text(re.compile("AQI|空气|重污染"))
        expect(page.get_by_test_id("alarm-chart").locator("svg")).to_be_visible()
        page.get_by_test_id("alarm-operators").select_option("2")
        expect(page.get_by_test_id("alarm-total")).to_contain_text("2 (指定)")
        page.get_by_test_id("alarm-worst").get_by_role("link").first.click()

        page.get_by_test_id("suppress-open").click()
        page.get_by_test_id("suppress-hours").select_option("24")
        expect(page.get_by_test_id("suppress-do")).to_be_disabled()
        page.get_by_test_id("suppress-reason").fill("已在处置，避免重复提醒")
        page.get_by_test_id("suppress-do").dblclick()
        expect(page.get_by_test_id("suppressed-note")).to_contain_text("已在处置，避免重复提醒")
        expect(page.get_by_test_id("suppress-open")).to_have_count(0)

        page.get_by_role("link", name="预警管理").click()
        expect(page.get_by_test_id("suppressed-alerts").locator("li")).to_have_count(1)
        expect(page.get_by_test_id("suppressions").locator("tbody tr")).to_have_count(1)
        page.evaluate(axe)  # past the page's own policy of scripts
        found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa']}).then((it) => it.violations)")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []

        page.get_by_test_id("suppression-lift").click()
        expect(page.get_by_test_id("suppressions-ended").locator("tbody tr")).to_contain_text("已解除")
        expect(page.get_by_test_id("suppressed-alerts")).to_have_count(0)
