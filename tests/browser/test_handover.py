"""A roster made in the console, a shift handed over by two people, forms that outlive a reload, an incident on paper."""

from __future__ import annotations

import re
import zlib
from datetime import timedelta

from playwright.sync_api import Page, expect

from cityheart.command.duty.models import CENTRE
from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text

from .conftest import OpenPage, Served

SYSTEM = Actor.system("test")
ZONE = timedelta(hours=8)  # the played city's, which has no summer time


def _roster(served: Served) -> None:
    """The officer's shift ends in about ten minutes; the coordinator's begins then."""
    now = served.city.clock.now() + ZONE
    end = (now + timedelta(minutes=10)).strftime("%H:%M")
    for id, title, person, starts, ends in (
        ("leaving", "夜班", "officer", (now - timedelta(hours=8)).strftime("%H:%M"), end),
        ("coming", "白班", "coordinator", end, (now + timedelta(hours=8)).strftime("%H:%M")),
    ):
        served.city.duty.set_shift(SYSTEM, f"browser-{id}", {
            "unit": CENTRE, "title": text(title, title), "starts": starts, "ends": ends, "people": [person],
            "valid_from": (now - timedelta(days=1)).date().isoformat(),
        })  # fmt: skip


def _incident(served: Served) -> str:
    """An incident of the open alert, with a receipt that has a photo."""
    city = served.city
    alert = city.watch.alerts(SYSTEM)["items"][0]  # type: ignore[index]
    plan = city.command.suggest(str(alert["kind"]), int(alert["level"] or 4), city.clock.now())[0].plan
    spec = {"alert_id": alert["id"], "title": alert["kind_title"], "kind": alert["kind"], "level": alert["level"]}
    incident = str(city.command.dispatch(SYSTEM, "for-the-paper", spec, plan.digest)["incident_id"])
    city.watch.follow_incidents()
    ((_, tasks),) = city.command.runs(SYSTEM, incident)
    task = next(task for task in tasks if task.state == "dispatched" and task.unit == "industry")
    city.command.act(SYSTEM, "paper-accept", task.id, "accept")
    for n in range(2):
        city.command.attach(SYSTEM, task.id, f"site-{n}.png", [_picture(n)])
    asked = city.command.plan_of(task.run).step(task.step).evidence
    form = {"summary": "停产 12 家"} if any(each.kind == "form" for each in asked) else None
    city.command.act(SYSTEM, "paper-submit", task.id, "submit", note="已按名单停产，现场核实。", form=form)
    return incident


def _picture(shade: int) -> bytes:
    """A PNG of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (1).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    pixel = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def test_two_people_hand_a_shift_over(served: Served, open_page: OpenPage) -> None:
    _roster(served)
    with open_page("officer", "/incidents") as officer:
        banner = officer.get_by_test_id("handover-banner")
        expect(banner).to_have_attribute("data-role", "leaving")
        banner.get_by_role("link").click()
        expect(officer.get_by_test_id("standing-alerts")).to_be_visible()
        officer.get_by_test_id("handover-sign").click()  # without words it may be a slip
        expect(officer.get_by_test_id("handover-sign-anyway")).to_be_visible()
        officer.get_by_test_id("handover-sign-not").click()
        officer.get_by_test_id("handover-words").fill("北部三个站仍在升高")
        officer.reload()  # nothing was saved: the words are still there
        expect(officer.get_by_test_id("handover-kept")).to_be_visible()
        expect(officer.get_by_test_id("handover-words")).to_have_value("北部三个站仍在升高")
        officer.get_by_test_id("handover-pin").first.click()
        expect(officer.get_by_test_id("handover-pinned")).to_have_count(1)
        officer.get_by_test_id("handover-sign").click()
        expect(officer.get_by_test_id("handover-note")).to_have_attribute("data-state", "signed")
        expect(officer.get_by_test_id("handover-verified")).to_be_visible()
        expect(officer.get_by_test_id("handover-take")).to_have_count(0)  # two people hand over

    with open_page("coordinator", "/incidents") as coming:
        banner = coming.get_by_test_id("handover-banner")
        expect(banner).to_have_attribute("data-role", "coming")
        banner.get_by_role("link").click()
        expect(coming.get_by_test_id("handover-note")).to_contain_text("北部三个站仍在升高")
        coming.get_by_test_id("handover-take").click()
        expect(coming.get_by_test_id("handover-note")).to_have_attribute("data-state", "taken")
        coming.get_by_test_id("handover-add-words").fill("已电话核实")
        coming.get_by_test_id("handover-add").click()
        expect(coming.get_by_test_id("handover-addition")).to_contain_text("已电话核实")
        expect(coming.get_by_test_id("handover-banner")).to_have_count(0)
    notes = served.city.handover.notes(SYSTEM)["items"]
    assert [note["state"] for note in notes] == ["taken"]  # type: ignore[attr-defined]


def test_an_incident_is_read_checked_and_printed(served: Served, open_page: OpenPage) -> None:
    incident = _incident(served)
    with open_page("officer", f"/incidents/{incident}?view=drawing") as page:
        page.get_by_test_id("run-timeline").first.click()
        expect(page).to_have_url(re.compile(f"/incidents/{incident}$"))
        expect(page.get_by_test_id("log-checked")).to_be_visible()
        photos = page.get_by_test_id("incident-receipts").get_by_test_id("photos").get_by_role("button")
        expect(photos).to_have_count(2)
        photos.first.press("Enter")
        large = page.get_by_test_id("photo-large")
        expect(large).to_have_attribute("data-at", "0")
        page.keyboard.press("ArrowRight")
        expect(large).to_have_attribute("data-at", "1")
        page.keyboard.press("Escape")
        expect(large).to_have_count(0)
        page.evaluate("window.print = () => { window.printed = true }")
        page.get_by_test_id("print").click()
        page.wait_for_function("() => window.printed === true")
        page.emulate_media(media="print")
        sheet = page.get_by_test_id("print-sheet")
        expect(sheet).to_contain_text(incident)
        expect(sheet).to_contain_text("已按名单停产，现场核实。")
        expect(sheet.get_by_role("img")).to_have_count(2)
        assert _seen_on_paper(page) == ["print-sheet"]


def _seen_on_paper(page: Page) -> list[str]:
    """What of the body is not hidden; nothing of it can be pressed."""
    seen: list[str] = page.evaluate(
        """() => [...document.body.children].filter(e => getComputedStyle(e).display !== 'none'
            && !['SCRIPT', 'STYLE'].includes(e.tagName)).map(e => e.className)"""
    )
    assert page.locator(".print-sheet button, .print-sheet a[href], .print-sheet input").count() == 0
    return seen


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
