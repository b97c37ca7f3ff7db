"""The frame of the console when something is missing: a network, a server that works, a session, a permission, room."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text

from ..played import PASSWORD
from .conftest import OpenPage, Served

SYSTEM = Actor.system("test")
APP = Path(__file__).parents[2] / "console" / "src" / "App.tsx"
# Goes to another page as a link does, and waits until the page says what is wrong and how to go on, or why it needs nothing.
GOES = """async ([path, patience]) => {
  history.pushState(null, '', path);
  const seen = element => element.checkVisibility() && element.getClientRects().length > 0;
  const said = () => {
    const main = document.querySelector('main');
    if (main === null || main.querySelector('.loading')) return 'it loads and loads';
    const alerts = [...main.querySelectorAll('[role=alert], [data-tone=lost], .wall-lost')].filter(seen);
    if (alerts.length === 0) return 'it says nothing is wrong: ' + main.innerText.slice(0, 80);
    if (alerts.some(alert => alert.innerText.trim().length < 4)) return 'it says too little';
    if (![...main.querySelectorAll('button, a[href]')].some(seen)) return 'there is no way on';
    return null;
  };
  const end = performance.now() + patience;
  let why = said();
  do { await new Promise(done => setTimeout(done, 20)); why = said(); } while (why !== null && performance.now() < end);
  return why;
}"""


@pytest.fixture
def everyone(served: Served) -> None:
    """Somebody who may see every page."""
    served.city.serve.create(
        SYSTEM, "everyone", PASSWORD, name=text("全权", "Everyone"), department=None, roles=["admin"]
    )


def _pages() -> list[str]:
    """An address for every page that the console declares; nothing has these ids."""
    routes = re.findall(r'<Route path="(/[^"]+)"', APP.read_text("utf-8"))
    assert len(routes) > 40
    return [re.sub(r":\w+", "none", route) for route in routes] + ["/wall"]


def test_every_page_says_what_is_wrong_and_leaves_a_way_on(everyone: None, open_page: OpenPage) -> None:
    def fails(route: Route) -> None:
        if route.request.url.endswith(("/api/session", "/api/city")):
            route.continue_()
        else:
            route.fulfill(status=500, body="Internal Server Error")

    with open_page("everyone") as page:
        page.route("**/api/**", fails)
        faults = {f"{path}, 500": page.evaluate(GOES, [path, 10_000]) for path in _pages()}
        page.unroute("**/api/**")
        page.context.set_offline(True)
        expect(page.get_by_test_id("link-lost").or_(page.get_by_test_id("wall-lost"))).to_be_visible()
        faults |= {f"{path}, no network": page.evaluate(GOES, [path, 10_000]) for path in _pages()}
        page.context.set_offline(False)
    assert {where: why for where, why in faults.items() if why is not None} == {}
