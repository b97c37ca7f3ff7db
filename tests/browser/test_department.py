"""A clerk's day: it begins on the department's own page, and several tasks are signed for at once."""

from __future__ import annotations

from typing import Any, cast

from playwright.sync_api import expect

from cityheart.kernel.actors import Actor

from .conftest import OpenPage, Served

SYSTEM = Actor.system("test")


def _ordered(served: Served) -> tuple[str, list[str]]:
    """A department with several tasks to be accepted, and their ids: the plan was dispatched."""
    city = served.city
    alert = cast("dict[str, Any]", city.watch.alerts(SYSTEM)["items"][0])  # type: ignore[index]
    kind, level = str(alert["kind"]), int(alert["level"] or 4)
    plan = city.command.suggest(kind, level, city.clock.now())[0].plan
    for command in ("for-a-department-1", "for-a-department-2"):
        incident = {"title": alert["kind_title"], "kind": kind, "level": level}
        city.command.dispatch(SYSTEM, command, incident, plan.digest)
    waiting = [task for task in city.command.tasks(SYSTEM, over=False, limit=200)[0] if task.state == "dispatched"]
    units = [task.unit for task in waiting]
    most = max(sorted(set(units)), key=units.count)
    return most, [task.id for task in waiting if task.unit == most]


def test_a_day_begins_on_the_own_page_and_tasks_are_accepted_together(served: Served, open_page: OpenPage) -> None:
    unit, tasks = _ordered(served)
    assert len(tasks) > 1
    with open_page(unit) as page:
        page.wait_for_url(f"**/department/{unit}")
        expect(page.get_by_test_id("home-task")).to_have_count(len(tasks))
        expect(page.get_by_test_id("home-figures")).to_contain_text(f"待签收{len(tasks)}")
        page.get_by_test_id("accept-all").click()
        expect(page.get_by_test_id("accept-one")).to_have_count(len(tasks))
        page.get_by_test_id("accept-one").first.uncheck()
        page.get_by_test_id("accept-confirm").dblclick()
        expect(page.get_by_test_id("home-figures")).to_contain_text("待签收1")
        expect(page.get_by_test_id("accept-all")).to_have_count(0)  # one alone is opened and read
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    states = [served.city.command.task(SYSTEM, task).state for task in tasks]
    assert sorted(states) == ["accepted"] * (len(tasks) - 1) + ["dispatched"]


def test_others_see_it_too_and_what_is_none_says_so(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", "/department/ecology", language="en-US") as page:
        expect(page.get_by_test_id("department-home")).to_contain_text("To do")
        expect(page.get_by_test_id("home-source").first).to_be_visible()
        expect(page.get_by_test_id("accept-all")).to_have_count(0)  # it is not the officer's department
        page.goto(f"{served.address}/department/nowhere")
        expect(page.get_by_role("main")).to_contain_text("No department has the code nowhere")
