"""The wall: everything at a glance on a very wide screen, by itself and without a mouse; one column on a small one."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .conftest import OpenPage, Served

RULES = """async () => {
  const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  const {violations} = await axe.run(document, {runOnly, resultTypes: ['violations'], elementRef: false});
  return violations.flatMap(v => v.nodes.slice(0, 3).map(n => v.id + ': ' + n.html.slice(0, 160)));
}"""
PANELS = ("alerts", "map", "today", "tasks", "flow", "hazards")


def _open(page: Page, served: Served, how: str = "") -> None:
    page.goto(f"{served.address}/wall{how}")
    page.get_by_test_id("wall-alert").first.wait_for()
    expect(page.get_by_test_id("wall-link")).to_have_attribute("data-link", "open")


def _fits(page: Page) -> None:
    page.wait_for_function(
        "() => document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight"
    )


def test_it_turns_by_itself_until_the_space_bar(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", "/inbox", width=1920, height=1080, language="en-US") as page:
        _open(page, served, "?every=2")
        wall = page.get_by_test_id("wall")
        expect(page.get_by_test_id("wall-state")).to_have_text("turns every 2 s")
        expect(wall).not_to_have_attribute("data-turn", "0")
        page.keyboard.press("Space")
        expect(page.get_by_test_id("wall-pause")).to_have_attribute("aria-pressed", "true")
        shown = [name for name in ("tasks", "flow", "hazards") if page.get_by_test_id(f"wall-{name}").is_visible()]
        assert len(shown) == 1
        turn = int(wall.get_attribute("data-turn") or "")
        page.keyboard.press("ArrowRight")
        expect(wall).to_have_attribute("data-turn", str(turn + 1))
        expect(page.get_by_test_id(f"wall-{shown[0]}")).to_be_hidden()
        _fits(page)


def test_everything_stands_side_by_side_on_a_very_wide_screen(served: Served, open_page: OpenPage, axe: str) -> None:
    with open_page("officer", "/inbox", width=3840, height=1080) as page:
        page.emulate_media(reduced_motion="reduce")
        _open(page, served, "?every=2")
        expect(page.get_by_test_id("wall-state")).to_have_text("减少动态：不轮换")
        for name in PANELS:
            expect(page.get_by_test_id(f"wall-{name}")).to_be_visible()
        expect(page.get_by_test_id("wall-alerts")).to_contain_text("未结束 1 条")
        _fits(page)
        letters = page.get_by_test_id("wall-alert").first.evaluate("it => parseFloat(getComputedStyle(it).fontSize)")
        assert letters >= 24  # a fiftieth of the screen's height, which is what ten metres ask for
        small = (
            page.get_by_test_id("wall")
            .locator(".numeric:visible, .wall-legend li")
            .evaluate_all(
                """all => all.filter(it => /\\d/.test(it.textContent) && parseFloat(getComputedStyle(it).fontSize) < 28)
              .map(it => it.outerHTML.slice(0, 120))"""
            )
        )
        assert small == []  # whatever is a number
        page.evaluate(axe)
        assert page.evaluate(RULES) == []
        page.set_viewport_size({"width": 390, "height": 844})
        for name in PANELS:
            expect(page.get_by_test_id(f"wall-{name}")).to_be_visible()
        _fits(page)  # the page scrolls inside
        page.wait_for_function("() => document.querySelector('[data-testid=wall-alerts]').clientWidth > 340")


def test_it_says_what_one_may_not_see_and_when_the_link_is_gone(served: Served, open_page: OpenPage) -> None:
    with open_page("steward", "/inbox") as page:
        gone: list[bool] = []
        page.route_web_socket("**/api/live*", lambda socket: socket.close() if gone else socket.connect_to_server())
        gone.append(True)
        page.goto(f"{served.address}/wall")
        expect(page.get_by_test_id("wall-lost")).to_be_visible()
        expect(page.get_by_test_id("wall-alerts")).to_contain_text("本账号无权查看")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_test_id("wall-flow")).to_contain_text("正常来源")
        gone.clear()
        expect(page.get_by_test_id("wall-link")).to_have_attribute("data-link", "open", timeout=20_000)
        expect(page.get_by_test_id("wall-lost")).to_have_count(0)
