"""A roster made in the console, and a deputy named by the person who goes on leave."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import OpenPage, Served


def test_a_shift_is_added_and_a_deputy_stands_in(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", "/duty", width=1440) as page:
        page.goto(served.address + "/duty")
        page.get_by_test_id("duty-unit").select_option("industry")
        page.get_by_test_id("duty-add").click()
        page.get_by_test_id("duty-title-zh").fill("全天")
        page.get_by_test_id("duty-title-en").fill("All day")
        page.get_by_label("开始").fill("00:00")
        page.get_by_label("结束").fill("00:00")
        page.get_by_test_id("duty-person-industry").check()
        page.get_by_test_id("duty-save").click()
        expect(page.get_by_test_id("duty-grid")).to_contain_text("industry")
        expect(page.get_by_test_id("duty-gaps")).to_have_count(0)
    (now,) = [row.person for row in served.city.duty.on_duty("industry")]
    assert now == served.city.serve.person("industry").id

    with open_page("officer", "/duty") as page:
        page.goto(served.address + "/duty")
        page.get_by_test_id("duty-deputy").click()
        page.get_by_test_id("duty-deputy-unit").select_option("industry")
        page.get_by_test_id("duty-absent").select_option("industry")
        page.get_by_test_id("duty-stand-in").select_option("coordinator")
        page.get_by_test_id("duty-reason").fill("年休")
        page.get_by_test_id("duty-save").dblclick()
        expect(page.get_by_test_id("duty-deputies")).to_contain_text("coordinator 代理 industry")
        expect(page.get_by_test_id("duty-now")).to_contain_text("（代 industry）")
    assert len(served.city.duty.standing_in(served.city.serve.person("coordinator").id)) == 1
