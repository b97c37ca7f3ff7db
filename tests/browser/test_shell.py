"""The frame of the console when something is missing: a network, a server that works, a session, a permission, room."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text

from ..played import PASSWORD
from .conftest import OpenPage, Served

SYSTEM = Actor.system("test")
APP = Path(__file__).parents[2] / "console" / "src" / "App.tsx"
# Goes to another page as a link does, and waits until the page says what is wrong and how to go on.
GOES = """async ([path, patience]) => {
  window.asked = 0;
  history.pushState(null, '', path);
  const seen = element => element.checkVisibility() && element.getClientRects().length > 0;
  const said = () => {
    const main = document.querySelector('main');
    if (main === null || main.querySelector('.loading')) return 'it loads and loads';
    const alerts = [...main.querySelectorAll('[role=alert], .wall-nothing')].filter(seen);
    if (alerts.length === 0 && window.asked > 0) return 'it says nothing is wrong: ' + main.innerText.slice(0, 80);
    if (alerts.some(alert => alert.innerText.trim().length < 4)) return 'it says too little';
    if (![...document.querySelectorAll('main button, main a[href], .wall-head a')].some(seen)) return 'there is no way on';
    return null;
  };
  const end = performance.now() + patience;
  let why;
  do { await new Promise(done => setTimeout(done, 10)); why = said(); } while (why !== null && performance.now() < end);
  return why;
}"""
# The city's program has a fault in everything but saying who one is and which city this is; what is asked is counted.
FAULTS = """() => {
  const asked = window.fetch;
  window.faults = true;
  window.fetch = (url, ...more) => {
    const other = /^\\/api\\/(?!session$|city$)/.test(url);
    window.asked += other;
    return other && window.faults
      ? Promise.resolve(new Response('Internal Server Error', {status: 500})) : asked(url, ...more);
  };
}"""


@pytest.fixture(scope="module")
def everyone(served: Served) -> None:
    """Somebody who may see every page."""
    served.city.serve.create(
        SYSTEM, "everyone", PASSWORD, name=text("全权", "Everyone"), department=None, roles=["admin"]
    )


def _pages() -> list[str]:
    """An address for every page that the console declares; nothing has these ids."""
    routes = re.findall(r'<Route path="(/[^"]+)"', APP.read_text("utf-8"))
    assert len(routes) > 40
    return [re.sub(r":\w+", "none", route.replace(":view", "appeals")) for route in routes] + ["/wall"]


def test_every_page_says_what_is_wrong_and_leaves_a_way_on(everyone: None, open_page: OpenPage) -> None:
    with open_page("everyone") as page:
        page.evaluate(FAULTS)
        faults = {f"{path}, 500": page.evaluate(GOES, [path, 10_000]) for path in _pages()}
        page.evaluate("window.faults = false")
        page.context.set_offline(True)
        expect(page.get_by_test_id("wall-lost")).to_be_visible()
        faults |= {f"{path}, no network": page.evaluate(GOES, [path, 10_000]) for path in _pages()}
        page.context.set_offline(False)
    assert {where: why for where, why in faults.items() if why is not None} == {}


def test_words_stay_while_the_city_is_away_and_through_a_new_log_in(everyone: None, open_page: OpenPage) -> None:
    with open_page("everyone", "/matters/new", width=390, height=844) as page:
        words = page.get_by_test_id("take-text")
        words.fill("解放路的路灯坏了")
        page.context.set_offline(True)
        expect(page.get_by_test_id("link-lost")).to_contain_text("2015-11-28")  # as of when everything is
        page.get_by_test_id("take-confirm").click()
        expect(page.get_by_test_id("take-form").get_by_role("alert")).to_be_visible()
        page.get_by_test_id("palette-open").click()
        page.get_by_test_id("palette-input").fill("路灯")
        expect(page.get_by_test_id("palette").get_by_role("alert")).to_be_visible()  # not: nothing was found
        page.keyboard.press("Escape")
        page.context.set_offline(False)
        expect(page.get_by_test_id("link-lost")).to_have_count(0)
        page.reload()
        expect(words).to_have_value("解放路的路灯坏了")
        page.context.clear_cookies()  # the session has run out
        page.get_by_test_id("take-confirm").click()
        expect(page.get_by_test_id("session-ended")).to_be_visible()
        expect(words).not_to_be_visible()
        page.get_by_test_id("username").fill("everyone")
        page.get_by_test_id("password").fill(PASSWORD)
        page.get_by_test_id("login").click()
        expect(words).to_have_value("解放路的路灯坏了")
        page.get_by_test_id("take-confirm").click()
        expect(page.get_by_test_id("taken")).to_be_visible()
        # on a phone not every entry finds room at the bottom; the others are one press away, and none is cut
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_test_id("nav-more").click()
        page.locator("#nav-more").get_by_role("link", name="值班").click()
        page.wait_for_url("**/duty")
        expect(page.locator("#nav-more")).not_to_be_visible()


def test_a_page_that_one_may_not_see_names_the_permission(open_page: OpenPage) -> None:
    with open_page("ecology", "/audit") as page:
        said = page.get_by_role("alert").first
        expect(said).to_contain_text("缺少权限：查看审计日志")
        expect(said).to_contain_text("协调员")
        expect(page.get_by_test_id("audit-actor")).to_have_count(0)  # nor the forms of what one may not do
        page.evaluate("history.pushState(null, '', '/cases/import')")
        expect(said).to_contain_text("缺少权限：导入历史案例和法规条款")
        expect(page.get_by_test_id("import-origin")).to_have_count(0)
        page.evaluate("history.pushState(null, '', '/nowhere')")
        page.get_by_role("link", name="回到首页").click()
        page.wait_for_url("**/department/ecology")
