"""Plans as their authors make them: drawn, checked, published by a second person, compared; a run changed meanwhile."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from cityheart.kernel.actors import Actor

from .conftest import OpenPage, Served

SYSTEM = Actor.system("test")
RULES = """
const rules = {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']};
return (await axe.run(document, rules)).violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' | '))
"""


def _drawn(page: Page) -> None:
    page.locator("[data-testid=drawing][data-ready=true]").first.wait_for()


def _good(page: Page) -> None:
    expect(page.get_by_test_id("check-state")).to_have_attribute("data-ok", "true")


def _new(page: Page, kind: str) -> str:
    """A new draft of this kind; its address."""
    page.get_by_test_id("new-draft").click()
    page.get_by_test_id(f"new-{kind}").check()
    page.get_by_test_id("new-confirm").click()
    page.wait_for_url("**/plans/drafts/**")
    return page.url


def _choose(page: Page, part: str) -> None:
    """Choose a part of the drawing in the panel, by what its name begins with."""
    field = page.get_by_test_id("inspect")
    value = field.locator("option").filter(has_text=part).first.get_attribute("value")
    field.select_option(value)  # what it is called may change while it is being checked


def _go(page: Page, served: Served, path: str) -> None:
    page.goto(served.address + path)


def test_a_plan_is_drawn_by_one_person_and_published_by_another(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", width=1440, height=900) as officer:
        _go(officer, served, "/plans")
        address = _new(officer, "bpmn")
        _drawn(officer)
        expect(officer.get_by_test_id("check-state")).to_have_attribute("data-ok", "false")
        expect(officer.get_by_test_id("draft-submit")).to_be_disabled()
        officer.get_by_test_id("plan-name").fill("flood-drill")
        officer.get_by_test_id("plan-title-zh").fill("防汛演练")
        officer.get_by_test_id("plan-title-en").fill("Flood drill")
        _choose(officer, "第一项任务")
        officer.get_by_test_id("step-unit").select_option("emergency-office")
        officer.get_by_test_id("then-task").click()
        officer.get_by_test_id("step-title-zh").fill("关闭闸门")
        officer.get_by_test_id("step-title-en").fill("Close the gates")
        officer.get_by_test_id("step-unit").select_option("ecology")
        officer.get_by_test_id("step-due").fill("4")
        officer.get_by_test_id("evidence-photo").check()
        officer.get_by_test_id("ladder-add").click()
        _good(officer)
        officer.get_by_test_id("draft-submit").click()
        expect(officer.get_by_test_id("draft-approve")).to_have_count(0)
        expect(officer.get_by_text("请另一位有发布权限的同事核准")).to_be_visible()

    assert "flood-drill" not in {plan.name for plan in served.city.command.plans(SYSTEM)}
    with open_page("coordinator", width=1440, height=900) as coordinator:
        _go(coordinator, served, "/plans")
        coordinator.get_by_test_id("draft-row").filter(has_text="防汛演练").get_by_role("link").click()
        expect(coordinator).to_have_url(address)
        coordinator.get_by_test_id("draft-approve").click()
        coordinator.wait_for_url(re.compile(r"/plans/[0-9a-f]{64}$"))
        _drawn(coordinator)
        expect(coordinator.get_by_test_id("step-table")).to_contain_text("关闭闸门")

    plan = next(plan for plan in served.city.command.plans(SYSTEM) if plan.name == "flood-drill")
    first, gates = plan.steps
    assert gates.after == (first.id,) and gates.unit == "ecology" and gates.due.total_seconds() == 4 * 3600
    assert [asked.kind for asked in gates.evidence] == ["photo"] and gates.escalate and plan.drawn

    with open_page("officer", width=1440, height=900) as officer:
        _go(officer, served, f"/plans/{plan.digest}")
        officer.get_by_test_id("new-version").click()
        officer.wait_for_url("**/plans/drafts/**")
        _drawn(officer)
        expect(officer.get_by_test_id("plan-version")).to_have_value("2")
        _choose(officer, "关闭闸门")
        officer.get_by_test_id("step-due").fill("6")
        _good(officer)
        officer.get_by_test_id("draft-submit").click()
        draft = officer.url
        expect(officer.get_by_text("请另一位有发布权限的同事核准")).to_be_visible()
    with open_page("coordinator", width=1440, height=900) as coordinator:
        coordinator.goto(draft)
        coordinator.get_by_test_id("draft-reject").click()
        coordinator.get_by_test_id("draft-reason").fill("请写明依据")
        coordinator.get_by_test_id("draft-reason-confirm").click()
        expect(coordinator.get_by_role("note")).to_contain_text("请写明依据")
    with open_page("officer", width=1440, height=900) as officer:
        officer.goto(draft)
        expect(officer.get_by_role("note")).to_contain_text("请写明依据")
        _good(officer)
        officer.get_by_test_id("draft-submit").click()
        expect(officer.get_by_text("请另一位有发布权限的同事核准")).to_be_visible()
    with open_page("coordinator", width=1440, height=900) as coordinator:
        coordinator.goto(draft)
        coordinator.get_by_test_id("draft-approve").click()
        coordinator.wait_for_url(re.compile(r"/plans/[0-9a-f]{64}$"))
        coordinator.get_by_test_id("diff-with").select_option(plan.digest)
        expect(coordinator.get_by_test_id("diff-table")).to_contain_text("4 小时")
        expect(coordinator.get_by_test_id("diff-table")).to_contain_text("6 小时")
        expect(coordinator.locator(".djs-element.at-changed")).to_have_count(2)  # the step, in both drawings


def test_what_is_wrong_is_shown_on_its_element_and_a_press_leads_there(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", width=1440, height=900) as page:
        _go(page, served, "/plans")
        _new(page, "bpmn")
        _drawn(page)
        _choose(page, "第一项任务")
        page.get_by_test_id("step-unit").select_option("ecology")
        page.get_by_test_id("then-message").click()
        expect(page.locator(".djs-element.at-wrong")).not_to_have_count(0)
        _choose(page, "整个预案")
        page.get_by_test_id("problem").filter(has_text="主题").get_by_role("button").click()
        expect(page.get_by_test_id("inspect").locator("option:checked")).to_have_text("自动通知")
        page.get_by_test_id("delete-element").click()
        _good(page)  # what came before leads on again
        expect(page.locator(".djs-element.at-wrong")).to_have_count(0)


def test_two_people_save_the_same_draft(served: Served, open_page: OpenPage) -> None:
    with open_page("officer") as mine:
        _go(mine, served, "/plans")
        address = _new(mine, "yaml")
        expect(mine.get_by_test_id("draft-text")).not_to_have_value("")
        text = mine.get_by_test_id("draft-text").input_value()
        with open_page("coordinator") as theirs:
            theirs.goto(address)
            theirs.get_by_test_id("draft-text").fill(text.replace("第一项任务", "巡堤"))
            theirs.get_by_test_id("draft-save").click()
            expect(theirs.get_by_test_id("draft-saved")).to_have_attribute("data-dirty", "false")
        mine.get_by_test_id("draft-text").fill(text.replace("PT3H", "PT5H"))
        mine.get_by_test_id("draft-save").click()
        mine.get_by_test_id("draft-conflict").wait_for()
        mine.get_by_test_id("keep-mine").click()
        expect(mine.get_by_test_id("draft-saved")).to_have_attribute("data-dirty", "false")
        _drawn(mine)
        revisions = mine.get_by_test_id("revision-row")
        expect(revisions).to_have_count(3)
        revisions.nth(1).get_by_test_id("revision-look").click()
        expect(mine.get_by_test_id("revision-changes")).to_contain_text("巡堤")
        mine.get_by_test_id("revision-take-up").click()
        expect(mine.get_by_test_id("draft-text")).to_have_value(text.replace("第一项任务", "巡堤"))
        mine.get_by_test_id("draft-save").click()
        expect(revisions).to_have_count(4)
    with open_page("coordinator") as theirs:
        theirs.goto(address)
        expect(theirs.get_by_test_id("draft-text")).to_have_value(text.replace("第一项任务", "巡堤"))


def test_what_is_typed_while_a_draft_is_saved_stays(served: Served, open_page: OpenPage) -> None:
    with open_page("officer") as page:
        held: list[Route] = []
        _go(page, served, "/plans")
        _new(page, "yaml")
        written = page.get_by_test_id("draft-text")
        expect(written).not_to_have_value("")
        text = written.input_value()
        page.route("**/api/library/drafts/*", lambda route: held.append(route))
        written.fill(text + "# one\n")
        with page.expect_request(lambda request: request.method == "PUT"):
            page.get_by_test_id("draft-save").click()
        written.fill(text + "# one\n# two\n")
        with page.expect_response(lambda response: response.request.method == "PUT"):
            held[0].continue_()
        page.unroute("**/api/library/drafts/*")
        expect(page.get_by_test_id("draft-save")).to_be_enabled()
        expect(written).to_have_value(text + "# one\n# two\n")
        expect(page.get_by_test_id("draft-saved")).to_have_attribute("data-dirty", "true")
        page.get_by_test_id("draft-save").click()
        expect(page.get_by_test_id("draft-saved")).to_have_attribute("data-dirty", "false")
        page.reload()
        expect(written).to_have_value(text + "# one\n# two\n")


def test_leaving_with_unsaved_work_is_asked_about(served: Served, open_page: OpenPage) -> None:
    with open_page("officer") as page:
        asked: list[str] = []
        _go(page, served, "/plans")
        address = _new(page, "yaml")
        expect(page.get_by_test_id("draft-text")).not_to_have_value("")
        text = page.get_by_test_id("draft-text").input_value()
        page.get_by_test_id("draft-text").fill(text + "# note\n")
        page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        page.get_by_role("link", name="任务").first.click()
        assert len(asked) == 1 and page.url == address
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("link", name="任务").first.click()
        page.wait_for_url("**/tasks")
        page.goto(address)  # what was not saved is still in this browser
        page.get_by_role("button", name="接着改").click()
        expect(page.get_by_test_id("draft-text")).to_have_value(text + "# note\n")


def test_a_decision_table_is_read_tried_and_given_a_new_version(served: Served, open_page: OpenPage) -> None:
    with open_page("officer", width=1440, height=900) as officer:
        _go(officer, served, "/plans/decisions")
        officer.get_by_test_id("table-row").filter(has_text="triage.heavy_pollution").get_by_role("link").click()
        officer.get_by_test_id("try-level").select_option("2")
        officer.get_by_test_id("try-ask").click()
        expect(officer.get_by_test_id("try-outcome")).to_contain_text("空气重污染橙色预警响应")
        expect(officer.locator("[data-rule=orange][data-matched=true]")).to_be_visible()
        officer.get_by_test_id("new-version").click()
        officer.get_by_label("规则 2：unit").fill("ecology")
        officer.get_by_label("规则 2：unit").press("Tab")
        _good(officer)
        officer.get_by_test_id("draft-submit").click()
        expect(officer.get_by_text("请另一位有发布权限的同事核准")).to_be_visible()
        draft = officer.url
    with open_page("coordinator", width=1440, height=900) as coordinator:
        coordinator.goto(draft)
        coordinator.get_by_test_id("draft-approve").click()
        coordinator.wait_for_url(re.compile(r"/plans/decisions/[0-9a-f]{64}$"))
        expect(coordinator.get_by_test_id("decision-table")).to_contain_text("生态环境局")
    table = served.city.decisions.find("triage.heavy_pollution", served.city.clock.now())
    assert table is not None and table.version == "2015.2"
    assert table.decide({"level": 2}).outputs["unit"] == "ecology"
    assert table.decide({"level": 1}).outputs["unit"] == "emergency-office"


@pytest.fixture
def incident(served: Served) -> str:
    """An incident with the plan of its alert dispatched, once for this file."""
    (alert, *_) = served.city.watch.alerts(SYSTEM)["items"]
    found = served.city.command.incident_of(alert["id"])
    if found is not None:
        return found
    plan = next(plan for plan in served.city.command.plans(SYSTEM) if plan.name == "air-yellow")
    done = served.city.command.dispatch(SYSTEM, "test-plans", {"alert_id": alert["id"]}, plan.digest)
    return str(done["incident_id"])


def test_a_commander_changes_a_run_and_everybody_sees_why(served: Served, open_page: OpenPage, incident: str) -> None:
    def tasks() -> dict[str, str]:
        ((_, found),) = served.city.command.runs(SYSTEM, incident)
        return {task.step: task.unit for task in found}

    with open_page("officer", width=1440, height=900) as officer:
        _go(officer, served, f"/incidents/{incident}")

        def change(op: str, step: str | None, reason: str) -> None:
            officer.get_by_test_id("run-change").click()
            officer.get_by_test_id(f"change-{op}").check()
            if step is not None:
                officer.get_by_test_id("change-step").select_option(step)
            if op == "add":
                officer.get_by_test_id("change-title-zh").fill("增派巡查车")
            if op in ("add", "reassign"):
                officer.get_by_test_id("change-unit").select_option("ecology")
            officer.get_by_test_id("change-reason").fill(reason)
            officer.get_by_test_id("change-confirm").click()
            expect(officer.get_by_test_id("run-changes")).to_contain_text(reason)

        first, second, third = [step for step, unit in tasks().items() if unit != "ecology"][:3]
        change("add", None, "现场烟尘大")
        change("skip", first, "已由区里办理")
        change("reassign", second, "职责调整")
        change("extend", third, "道路积水，车辆未到")
        expect(officer.get_by_test_id("task-row").filter(has_text="增派巡查车")).to_contain_text("生态环境局")
        officer.get_by_test_id("run-drawing").click()
        _drawn(officer)
        expect(officer.locator(f"[data-element-id='{first}'].at-skipped")).to_be_visible()
        expect(officer.locator(f"[data-element-id='{second}'].at-open")).to_be_visible()
    ((run, _),) = served.city.command.runs(SYSTEM, incident)
    assert [patch.op for patch in run.patches] == ["add", "skip", "reassign", "extend"]

    with open_page("ecology") as clerk:  # a clerk sees the run, and cannot change it
        _go(clerk, served, f"/incidents/{incident}")
        clerk.get_by_test_id("run-timeline").wait_for()
        expect(clerk.get_by_test_id("run-change")).to_have_count(0)


def test_an_incident_that_only_a_person_knows_of_is_opened(served: Served, open_page: OpenPage) -> None:
    with open_page("officer") as officer:
        _go(officer, served, "/incidents")
        officer.get_by_test_id("incident-open").click()
        officer.get_by_test_id("open-what").fill("锅炉房冒黑烟，居民来电")
        officer.get_by_test_id("open-kind").select_option("heavy_pollution")
        expect(officer.get_by_test_id("open-confirm")).to_be_disabled()
        officer.get_by_test_id("open-level-3").get_by_role("radio").check()
        suited = officer.get_by_test_id("open-plan").locator("optgroup").first
        expect(suited).to_have_attribute("label", "适用于此类别和级别")
        officer.get_by_test_id("open-plan").select_option(suited.locator("option").first.get_attribute("value") or "")
        officer.get_by_test_id("open-confirm").click()
        officer.wait_for_url("**/incidents/incident-**")
        opened = officer.url.rsplit("/", 1)[1]
    found = served.city.command.incident(SYSTEM, opened)
    assert (found.title["en"], found.kind, found.level) == ("锅炉房冒黑烟，居民来电", "heavy_pollution", 3)
    ((run, tasks),) = served.city.command.runs(SYSTEM, opened)
    assert served.city.command.plan(run.plan).kind == "heavy_pollution" and tasks


def test_pages_that_only_look_load_no_drawing_tools(served: Served, open_page: OpenPage, incident: str) -> None:
    with open_page("officer", width=1440, height=900) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        (plan, *_) = served.city.command.plans(SYSTEM)
        for path in ("/command", f"/incidents/{incident}", "/plans", f"/plans/{plan.digest}"):
            _go(page, served, path)
            page.wait_for_load_state("networkidle")
        _drawn(page)
        assert any(re.search(r"/Drawing-[^/]*\.js", url) for url in asked)
        assert not any(re.search(r"/Editor-[^/]*\.js", url) for url in asked)
        # the mark of the drawing's makers is seen in full
        mark = page.locator(".bjs-powered-by")
        mark.scroll_into_view_if_needed()
        expect(mark).to_be_in_viewport(ratio=1)
        uncovered = """link => {
            const box = link.getBoundingClientRect();
            const right = box.width - 2, low = box.height - 2;
            return [[2, 2], [right, 2], [2, low], [right, low], [box.width / 2, box.height / 2]]
                .every(([x, y]) => link.contains(document.elementFromPoint(box.left + x, box.top + y)));
        }"""
        assert mark.evaluate(uncovered)


def test_every_plan_page_can_be_used_by_everybody(served: Served, open_page: OpenPage, incident: str, axe: str) -> None:
    """With drafts of both kinds opened; the other languages and themes are looked at with all other pages."""
    plan = next(plan for plan in served.city.command.plans(SYSTEM) if plan.name == "air-red")
    table = served.city.decisions.find("triage.heavy_pollution", served.city.clock.now())
    assert table is not None
    with open_page("officer", width=1440, height=900, language="en-US") as page:
        page.emulate_media(color_scheme="dark")
        _go(page, served, "/plans")
        drafts = [_new(page, kind) for kind in ("bpmn", "dmn") if _go(page, served, "/plans") is None]
        for path in ("/plans", f"/plans/{plan.digest}", "/plans/decisions", f"/plans/decisions/{table.digest}", *drafts,
                     f"/incidents/{incident}"):  # fmt: skip
            page.goto(path if path.startswith("http") else served.address + path)
            page.wait_for_load_state("networkidle")
            if "drafts" in path:
                expect(page.get_by_test_id("check-state")).not_to_have_attribute("data-ok", "unknown")
            page.evaluate(axe)
            assert page.evaluate(f"(async () => {{ {RULES} }})()") == [], path
