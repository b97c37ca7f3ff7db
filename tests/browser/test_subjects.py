"""Subjects in a real browser: found by a part of a name, seen from all sides, a question decided by keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text

from ..entities.scene import settled
from ..played import PASSWORD
from .conftest import OpenPage, Served, fits

SYSTEM = Actor.system("test")


@pytest.fixture(scope="module")
def known(served: Served) -> Iterator[str]:
    """The served city with a few firms, one of which two departments may speak of; the id of a firm."""
    served.city.serve.register_departments({**served.city.share.departments_below(), "fire": frozenset()})
    for name, role, department in (("keeper", "steward", None), ("fireman", "clerk", "fire")):
        served.city.serve.create(
            SYSTEM, name, PASSWORD, name=text("管理员", name), department=department, roles=[role]
        )  # fmt: skip
    firm, _ = settled(served.city)
    yield firm


def test_found_seen_and_decided(known: str, open_page: OpenPage) -> None:
    with open_page("keeper", "/subjects", width=1440, height=900) as page:
        page.get_by_test_id("subject-search").fill("天方化工")
        expect(page.get_by_text("个相近的")).to_be_visible()  # the answer to the search, not the list before it
        rows = page.get_by_test_id("subject-row").filter(has_text="91320614MAY75K146K")
        expect(rows).to_have_count(1)
        rows.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("南通天万化工有限公司")
        expect(page.get_by_test_id("records")).to_contain_text("企业登记编号一致")
        ties = page.get_by_test_id("ties")
        expect(ties).to_contain_text("南通天万化工有限公司二厂区")
        expect(ties).to_contain_text("海安利晨环保科技有限公司")
        page.get_by_test_id("subject-sources").locator("tr", has_text="register").get_by_test_id("show-rows").click()
        expect(page.get_by_role("dialog").get_by_test_id("subject-rows")).to_contain_text("海门区通海路47号")
        expect(page.get_by_role("dialog")).not_to_contain_text("许超")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.goto(page.url.split("/subjects")[0] + "/subjects/reviews")
        question = page.get_by_test_id("review")
        expect(question).to_contain_text("海门区滨江路3号")
        expect(question).to_contain_text("路名不同")
        page.get_by_test_id("review-list").get_by_role("button").focus()
        page.keyboard.press("s")
        expect(page.get_by_test_id("review-same")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_text("没有待认定的记录")).to_be_visible()


def test_what_is_not_shared_is_said_to_be_there(known: str, open_page: OpenPage) -> None:
    with open_page("fireman", f"/subjects/{known}", width=390, height=844) as page:
        expect(page.get_by_test_id("restricted")).to_contain_text("数据集register")
        expect(page.get_by_test_id("records")).not_to_contain_text("F2")
        fits(page)
