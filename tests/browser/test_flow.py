"""The flow of data as an officer sees it at a glance and a steward follows it down to one bad row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text

from .conftest import OpenPage, Served, fits, serving
from .flowing import NOW, SYSTEM, delivery, flowing


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A synthetic prefecture at noon: streams, hourly files, late, refused, failing and silent sources."""
    city = flowing(tmp_path_factory.mktemp("flow") / "city", bad=250)
    with serving(city) as served:
        yield served


def test_what_is_wrong_stands_first_and_the_table_says_what_the_picture_shows(
    served: Served, open_page: OpenPage
) -> None:
    with open_page("officer", "/flow", width=1280) as page:
        attention = page.get_by_test_id("flow-attention").locator("li")
        expect(attention.first).to_have_attribute("data-state", "failing")
        states = attention.evaluate_all("all => all.map(each => each.dataset.state)")
        assert states == sorted(states, key=["failing", "refused", "late"].index)
        expect(page.get_by_test_id("flow-department")).to_have_count(62)
        page.get_by_test_id("flow-view").get_by_role("button", name="表").click()
        rows = page.get_by_test_id("flow-table").locator("tbody tr")
        expect(rows).to_have_count(62)
        expect(page.get_by_test_id("flow-picture")).to_have_count(0)
        expect(rows.first).to_have_attribute("data-state", "failing")
        late = page.get_by_test_id("flow-states").locator("button[data-value=late]")
        late.press("Enter")
        expect(late).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_test_id("flow-table").locator("tbody tr:not([data-state=late])")).to_have_count(0)
        expect(rows).not_to_have_count(0)
        page.reload()  # what is chosen stands in the address
        expect(page.get_by_test_id("flow-states").locator("button[data-value=late]")).to_have_attribute(
            "aria-pressed", "true"
        )
        # a delivery is seen without anybody asking for it
        code = rows.first.get_attribute("data-department")
        assert code is not None
        gone = page.get_by_test_id("flow-table").locator(f"tr[data-department={code}]")
        expect(gone).to_have_count(1)
        now = served.city.clock.now()
        served.city.share.land(f"{code}.reading", [delivery(f"{code}.reading", now, 30)])
        expect(gone).to_have_count(0)
        page.set_viewport_size({"width": 390, "height": 900})
        page.goto(f"{served.address}/flow")
        expect(page.get_by_test_id("flow-picture")).to_be_visible()
        fits(page)
        page.emulate_media(reduced_motion="reduce")
        expect(page.locator(".flow-marks")).to_have_attribute("data-still", "true")
        # on a phone a row of the list is a little list of its own, its cells named by their columns
        page.goto(f"{served.address}/sources")
        expect(page.get_by_test_id("source-row").first.locator("[data-label=数据集]")).to_be_visible()
        fits(page)


def test_a_steward_goes_down_to_a_bad_row_and_replays(served: Served, open_page: OpenPage) -> None:
    share = served.city.share
    source = next(each for each in share.declared() if share.flow.deliveries(SYSTEM, each.id, bad=True)[1] > 0)
    share.land(source.id, [delivery(source.id, NOW + timedelta(minutes=2), 40, 3)])
    with open_page("steward", "/flow", language="en-US") as page:
        link = page.locator(f"[data-testid=flow-department][data-department={source.department}]")
        link.focus()
        page.keyboard.press("Enter")
        page.get_by_test_id("flow-source").first.get_by_role("link").click()
        expect(page.get_by_test_id("bars")).to_be_visible()
        page.get_by_test_id("deliveries-only").locator("button[data-value=bad]").click()
        page.get_by_test_id("delivery-row").first.get_by_role("link").click()
        expect(page.get_by_test_id("bad-row").first).to_be_visible()
        page.get_by_test_id("bad-row").first.get_by_role("link").click()
        expect(page.get_by_test_id("bad-why")).to_contain_text("value")
        expect(page.locator(".flow-record tr[data-wrong=true]")).to_contain_text("数值")
        page.get_by_test_id("bad-as").locator("button[data-value=hex]").click()
        expect(page.get_by_test_id("bad-bytes")).to_contain_text("000000  7b 22 e7 bc 96")
        page.get_by_test_id("replay-reason").click()
        expect(page.get_by_test_id("replay-result")).to_contain_text("still bad")
        page.get_by_test_id("bad-next").click()
        expect(page.get_by_test_id("replay-result")).to_have_count(0)
        page.get_by_test_id("dismiss").click()
        expect(page.get_by_test_id("bad-state")).to_have_text("Dismissed")
        expect(page.get_by_test_id("dismiss")).to_have_count(0)


def test_a_clerk_asks_the_owner_decides_and_revokes_and_a_file_is_handed_over(
    served: Served, open_page: OpenPage
) -> None:
    path = "/catalogue/reading_pt10m"  # shared on conditions, and not of the clerk's department
    share = served.city.share
    clerk = Actor("user:x", text("x", "x"), "water", frozenset({"clerk"}))
    other = Actor("user:y", text("y", "y"), "police", frozenset({"clerk"}))
    with open_page("water", path, language="en-US") as page:
        expect(page.get_by_test_id("sight")).to_contain_text("not shared with you")
        expect(page.get_by_test_id("give-open")).to_have_count(0)
        page.get_by_test_id("ask-grant").click()
        page.get_by_test_id("ask-purpose").fill("Flood levels beside the readings")
        page.get_by_test_id("ask-send").click()
        expect(page.get_by_test_id("request-row")).to_contain_text("Flood levels beside the readings")
        assert not share.open_to(clerk, "reading_pt10m")
        with open_page("steward", path, language="en-US") as steward:
            steward.get_by_test_id("request-grant").click()
            steward.get_by_test_id("grant-reason").fill("It serves the river duty")
            steward.get_by_test_id("grant-send").click()
            given = steward.locator("[data-testid=grant-row][data-state=given]")
            expect(given).to_contain_text("Flood levels beside the readings")
            assert share.sight(clerk, "reading_pt10m").shows("id", "at", "value")
            assert not share.open_to(other, "reading_pt10m")
            page.reload()
            expect(page.get_by_test_id("sight")).to_contain_text("All of its columns")
            page.get_by_test_id("rows-open").click()
            expect(page.get_by_test_id("rows-table").locator("tbody tr")).not_to_have_count(0)
            # without a request: to a role, some columns of some rows, once it was seen what that is
            steward.get_by_test_id("give-open").click()
            steward.get_by_test_id("give-role").select_option("analyst")
            steward.get_by_label("value", exact=False).first.check()
            steward.get_by_test_id("give-rows").fill("value > 100")
            steward.get_by_test_id("give-seen").click()
            expect(steward.get_by_test_id("give-table").locator("th")).to_have_text(["value"])
            steward.get_by_test_id("give-purpose").fill("To compare the stations")
            steward.get_by_test_id("give-send").click()
            mine = given.filter(has_text="To compare the stations")
            expect(mine).to_contain_text("value > 100")
            mine.get_by_test_id("grant-revoke").click()
            steward.get_by_test_id("grant-reason").fill("Given by mistake")
            steward.get_by_test_id("grant-send").click()
            expect(given).to_have_count(1)
            given.get_by_test_id("grant-revoke").click()
            steward.get_by_test_id("grant-reason").fill("The flood is over")
            steward.get_by_test_id("grant-send").click()
            expect(given).to_have_count(0)
            assert not share.open_to(clerk, "reading_pt10m")
            source = next(each for each in share.declared() if each.dataset == "reading_pt10m")
            file = delivery(source.id, NOW + timedelta(minutes=3), 12, 2)
            assert isinstance(file.payload, bytes)
            steward.goto(f"{served.address}/sources/{source.id}")
            steward.get_by_test_id("hand-open").click()
            steward.get_by_test_id("hand-input").set_input_files(
                {"name": "by hand.csv", "mimeType": "text/csv", "buffer": file.payload}
            )
            steward.get_by_test_id("hand-send").click()
            expect(steward.get_by_test_id("handed-outcome")).to_contain_text("Rows that landed: 10; in quarantine: 2.")
            steward.get_by_test_id("handed-delivery").click()
            expect(steward.get_by_role("heading", level=1)).to_contain_text("by hand.csv")
            expect(steward.get_by_test_id("bad-row")).to_have_count(2)
        page.reload()
        expect(page.get_by_test_id("sight")).to_contain_text("not shared with you")
