"""Users and roles, the audit log and detectors as people use them."""

from __future__ import annotations

from playwright.sync_api import expect

from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text

from ..played import PASSWORD
from .conftest import OpenPage, Served

SYSTEM = Actor.system("test")
FRESH = "several words that fit"


def _admin(served: Served) -> None:
    served.city.serve.create(SYSTEM, "root", PASSWORD, name=text("根", "Root"), department=None, roles=["admin"])


def test_accounts_the_log_and_a_backtest(served: Served, open_page: OpenPage) -> None:
    _admin(served)
    with open_page("root", "/people") as page:
        page.get_by_test_id("person-add").click()
        page.get_by_test_id("person-username").fill("newcomer")
        page.get_by_test_id("person-name").fill("新来的")
        page.get_by_test_id("person-department").select_option("ecology")
        page.get_by_test_id("person-role-clerk").check()
        page.get_by_test_id("person-create").click()
        code = page.get_by_test_id("one-time-code").inner_text()
        page.keyboard.press("Escape")
        row = page.locator('[data-person="newcomer"]')
        expect(row.locator("[data-state]")).to_have_attribute("data-state", "must_change")

        other = page.context.browser.new_context()  # type: ignore[union-attr]
        sheet = other.new_page()
        sheet.goto(served.address)
        sheet.get_by_test_id("username").fill("newcomer")
        sheet.get_by_test_id("password").fill(code)
        sheet.get_by_test_id("login").click()
        sheet.get_by_test_id("must-change").wait_for()
        sheet.get_by_test_id("password-current").fill(code)
        sheet.get_by_test_id("password-new").fill(FRESH)
        sheet.get_by_test_id("password-again").fill(FRESH)
        sheet.get_by_test_id("password-change").click()
        sheet.get_by_test_id("user-menu").wait_for()

        row.get_by_role("button").click()
        page.get_by_test_id("person").wait_for()
        page.get_by_test_id("person-reason").fill("离职")
        page.get_by_test_id("person-block").click()
        page.get_by_test_id("person-unblock").wait_for()
        sheet.goto(served.address)
        sheet.get_by_test_id("username").wait_for()  # the session of who is blocked is over
        other.close()

        page.goto(f"{served.address}/audit?kind=account")
        page.get_by_test_id("audit-log").wait_for()
        expect(page.locator('[data-testid="audit-row"][data-type="account.blocked"]')).to_have_count(1)
        expect(page.locator('[data-testid="audit-row"][data-type="session.opened"]')).to_have_count(0)
        page.get_by_test_id("verify-start").click()
        proof = page.get_by_test_id("verify-result")
        expect(proof).to_have_attribute("data-state", "done")
        expect(proof).to_have_attribute("data-breaks", "0")
        with page.expect_download() as file:
            page.get_by_test_id("audit-export-jsonl").click()
        assert '"account.blocked"' in file.value.path().read_text("utf-8")


def test_a_backtest_is_tried_and_kept(served: Served, open_page: OpenPage) -> None:
    detector = served.city.watch.detectors(SYSTEM)[0]
    name = str(detector["id"])
    with open_page("analyst", f"/detectors/{name}") as page:
        page.get_by_test_id("trial-from").fill("2015-11-26")
        page.get_by_test_id("trial-to").fill("2015-11-27")
        page.get_by_test_id("trial-name").fill("试一试")
        page.get_by_test_id("trial-start").click()
        expect(page.get_by_test_id("trial")).to_have_attribute("data-state", "done")
        expect(page.get_by_test_id("trial-sum")).to_have_attribute("data-lost", "0")
        page.goto(f"{served.address}/detectors")
        expect(page.locator(f'[data-detector="{name}"]')).to_have_count(1)
        page.goto(f"{served.address}/jobs")
        mine = page.locator('[data-testid="job-row"][data-kind="trial"]')
        expect(mine.get_by_test_id("job-state")).to_have_attribute("data-state", "done")
        mine.get_by_role("link").click()
        page.get_by_test_id("job-open").click()
        expect(page.get_by_test_id("trial")).to_have_attribute("data-state", "done")
