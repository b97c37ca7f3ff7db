"""One journey through the loop, as people go it: alert → dispatch → accept → submit → verify → closed."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from cityheart.kernel.actors import Actor

from .conftest import OpenPage, Served, fits

SYSTEM = Actor.system("test")


def _open_task(page: Page, title: str) -> None:
    page.get_by_test_id("task-row").filter(has_text=title).first.click()
    page.get_by_test_id("task-panel").wait_for()


def test_from_the_alert_to_the_closed_task(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", width=1440, height=900) as officer:
        officer.get_by_test_id("alert-row").first.wait_for()
        officer.keyboard.press("j")
        officer.keyboard.press("a")
        expect(officer.get_by_test_id("alert-row").first).to_contain_text(re.compile("已确认|处置"))
        officer.get_by_test_id("dispatch-open").first.click()
        confirm = officer.get_by_test_id("dispatch-confirm")
        expect(confirm).to_be_focused()
        officer.reload()  # the open sheet is in the address
        expect(confirm).to_be_focused()
        officer.keyboard.press("Escape")
        expect(officer.get_by_test_id("alert-row").first).to_be_focused()
        officer.keyboard.press("d")
        confirm.dblclick()
        officer.wait_for_url("**/incidents/**")
        incident = officer.url.rsplit("/", 1)[1].split("?")[0]
        expect(officer.get_by_test_id("task-row").first).to_be_visible()

    runs = served.city.command.runs(SYSTEM, incident)
    assert len(runs) == 1, "a double click is one click"
    (_, tasks) = runs[0]
    task = next(task for task in tasks if task.unit == "industry" and task.state == "dispatched")
    step = served.city.command.plan_of(task.run).step(task.step)
    title = step.title["zh-CN"]

    with open_page("industry", width=390, height=844) as clerk:
        clerk.get_by_test_id("home-task").filter(has_text=title).get_by_role("link").click()
        clerk.get_by_test_id("task-panel").wait_for()
        clerk.get_by_test_id("task-accept").first.click()
        clerk.get_by_test_id("task-submit").first.click()
        clerk.get_by_test_id("task-note").fill("已按名单停产，现场核实。")
        if any(evidence.kind == "form" for evidence in step.evidence):
            clerk.get_by_test_id("form-summary").fill("停产 12 家")
        if any(evidence.kind == "photo" for evidence in step.evidence):
            picture = {"name": "site.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n" + b"0" * 64}
            clerk.get_by_test_id("task-files").set_input_files([picture])
        clerk.reload()  # the form is as it was
        expect(clerk.get_by_test_id("task-note")).to_have_value("已按名单停产，现场核实。")
        clerk.get_by_test_id("task-submit-confirm").dblclick()
        expect(clerk.get_by_test_id("task-panel")).to_have_attribute("data-state", "submitted")
        fits(clerk)

    with open_page("coordinator", f"/incidents/{incident}") as coordinator:
        coordinator.goto(f"{served.address}/incidents/{incident}")
        _open_task(coordinator, title)
        verifier = step.verify_by
        if verifier is None:
            coordinator.get_by_test_id("task-verify").first.click()
            expect(coordinator.get_by_test_id("task-panel")).to_have_attribute("data-state", "closed")

    if step.verify_by is not None:
        with open_page(step.verify_by) as verifying:
            verifying.goto(f"{served.address}/incidents/{incident}")
            _open_task(verifying, title)
            verifying.get_by_test_id("task-verify").first.click()
            expect(verifying.get_by_test_id("task-panel")).to_have_attribute("data-state", "closed")
    assert served.city.command.task(SYSTEM, task.id).state == "closed"
    assert len(served.city.command.receipts([task.id])[task.id]) == 1, "a double click is one receipt"

    with open_page("officer") as page:
        page.get_by_role("link", name="问效").first.click()
        expect(page.get_by_test_id("scores-table")).to_contain_text("经济和信息化局")


def test_the_map_draws_and_every_point_is_in_the_list_too(open_page: OpenPage) -> None:
    with open_page("officer", width=1280, height=800) as page:
        expect(page.locator("[data-testid=map][data-ready=true]")).to_be_visible()
        expect(page.get_by_test_id("point-row")).to_have_count(12)


def test_language_and_theme_switch_and_stay(open_page: OpenPage) -> None:
    with open_page("officer") as page:
        assert page.evaluate("document.documentElement.lang") == "zh-CN"
        page.get_by_test_id("lang-switch").first.click()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_test_id("theme-switch").first.click()
        page.wait_for_function("b => getComputedStyle(document.body).backgroundColor !== b", arg=before)
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_steward_opens_a_source(open_page: OpenPage) -> None:
    with open_page("steward", "/sources") as page:
        page.get_by_test_id("source-row").first.click()
        expect(page.get_by_text("stations-2015-11-27").first).to_be_visible()
