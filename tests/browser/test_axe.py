"""Every page of the console, in both languages and both themes, has no fault that axe finds (WCAG 2.2 AA)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from playwright.sync_api import Browser, Page, expect

from cityheart.command.duty.models import CENTRE
from cityheart.command.intake.filing import Filing
from cityheart.kernel.actors import Actor
from cityheart.kernel.text import text
from cityheart.share.models import Delivery

from ..entities.scene import settled
from ..played import PASSWORD
from .conftest import PATIENCE_MS, Served

CONSOLE = Path(__file__).parents[2] / "console"
AXE = CONSOLE / "node_modules" / "axe-core" / "axe.min.js"
SYSTEM = Actor.system("test")
# Of all rules only those on colours can change with the theme; all of them are tried in each language.
LOOK = """async (colours = false) => {
  const all = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  const runOnly = colours ? ['color-contrast', 'link-in-text-block'] : all;
  const {violations} = await axe.run(document, {runOnly, resultTypes: ['violations'], elementRef: false, preload: false});
  return violations.flatMap(v => v.nodes.slice(0, 3).map(n => v.id + ': ' + n.html.slice(0, 160)));
}"""
# Pressed and looked at within the page; nothing still fades from one theme to the other when it is looked at.
FOUR = """async patience => {
  const look = LOOK;
  const how = () => document.documentElement.lang + ' ' + document.documentElement.dataset.mantineColorScheme;
  const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds));
  const press = async id => {
    const before = how(), end = performance.now() + patience;
    document.querySelector(`[data-testid='${id}']`).click();
    while (how() === before) {
      if (performance.now() > end) throw new Error(id + ' has no effect');
      await pause(5);
    }
    await pause(20);
    const ends = each => Number.isFinite(each.effect.getComputedTiming().endTime);
    document.getAnimations().filter(ends).forEach(each => each.finish());
  };
  const found = {[how()]: await look()};
  for (const [id, colours] of [['theme-switch', true], ['lang-switch', false], ['theme-switch', true]]) {
    await press(id);
    found[how()] = await look(colours);
  }
  await press('lang-switch');
  return found;
}""".replace("LOOK", LOOK)
POLLING = 30  # milliseconds; a map that draws leaves no frames to those who wait for one
CASE = {
    "id": "one", "kind": "heavy_pollution", "level": 3, "plan": "air-yellow", "version": "1",
    "opened_at": "2015-10-01T00:00:00Z", "closed_at": "2015-10-02T06:00:00Z", "text": "空气重污染预警",
    "steps": [{"step": "sweep", "unit": "urban-management", "due": "PT6H", "took": "PT7H", "late": True}],
}  # fmt: skip
EVERY = {f"{language} {theme}" for language in ("zh-CN", "en") for theme in ("light", "dark")}
# what stands for each parameter of a page's address is found by _parts
APART = {"/field"}  # pages with a frame of their own, which hold several


def test_every_page_in_both_languages_and_themes(served: Served, chromium: Browser) -> None:
    parts = _parts(served)
    context = chromium.new_context(
        viewport={"width": 1280, "height": 800}, locale="zh-CN", color_scheme="light", reduced_motion="reduce"
    )
    context.add_init_script(path=AXE)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(served.address)
    page.get_by_test_id("username").wait_for()
    faults = {"log-in": page.evaluate(LOOK)}
    page.get_by_test_id("username").fill("everyone")
    page.get_by_test_id("password").fill(PASSWORD)
    page.get_by_test_id("login").click()
    page.get_by_test_id("user-menu").wait_for()
    for route in _routes():
        path = re.sub(r":\w+", parts.get(route, ""), route)
        if path.endswith("/"):
            faults[route] = ["this page is not tried: say in _parts what stands for its parameter"]
            continue
        faults |= _looked_at(page, served.address + path, route)
    page.set_viewport_size({"width": 390, "height": 844})
    for route in ("/field", "/field/:id"):
        path = route.replace(":id", parts["/tasks/:id"])
        faults |= _looked_at(page, served.address + path, route)
    page.get_by_test_id("field-accept").click()
    page.get_by_test_id("field-submit").click()
    page.get_by_test_id("field-confirm").click()  # everything is missing, and says so
    faults |= _four(page, "receipt on a phone")
    expect(page.get_by_test_id("field-link")).to_have_attribute("data-waits", "0")
    page.goto(f"{served.address}/tasks/{parts['/tasks/:id']}")
    page.get_by_test_id("task-submit").click()
    page.get_by_test_id("task-submit-confirm").click()
    faults |= _four(page, "receipt at a desk")
    context.close()
    assert {where.split(": ")[1] for where in faults if ": " in where} == EVERY
    assert {where: found for where, found in faults.items() if found} == {}


def _looked_at(page: Page, address: str, route: str) -> dict[str, list[str]]:
    page.goto(address)
    page.wait_for_function(
        """() => document.querySelector('[data-testid="user-menu"]') && !document.querySelector('.loading')""",
        polling=POLLING,
        timeout=60_000,
    )
    return _four(page, route)


def _four(page: Page, name: str) -> dict[str, list[str]]:
    """What axe finds on what is open: Chinese and English, each light and dark."""
    return {f"{name}: {how}": found for how, found in page.evaluate(FOUR, PATIENCE_MS).items()}


def _routes() -> list[str]:
    """The addresses of all pages, as the console declares them."""
    declared = re.findall(r'<Route path="(/[^"]+)"', (CONSOLE / "src" / "App.tsx").read_text())
    assert len(declared) > 12
    return [route for route in declared if route not in APART]


def _parts(served: Served) -> dict[str, str]:
    """For each address with a parameter, what stands for it: a city in which something of everything has happened."""
    city = served.city
    city.serve.create(SYSTEM, "everyone", PASSWORD, name=text("全权", "Everyone"), department=None, roles=["admin"])
    alert = cast("dict[str, Any]", city.watch.alerts(SYSTEM)["items"][0])  # type: ignore[index]
    kind, level = str(alert["kind"]), int(alert["level"] or 4)
    plan = city.command.suggest(kind, level, city.clock.now())[0].plan
    of_alert = {"alert_id": alert["id"], "title": alert["kind_title"], "kind": kind, "level": level}
    incident = str(city.command.dispatch(SYSTEM, "for-every-page", of_alert, plan.digest)["incident_id"])
    ((_, tasks),) = city.command.runs(SYSTEM, incident)
    said = "解放路128号门口的路灯不亮了，晚上黑漆漆的"
    city.intake.take(SYSTEM, Filing("hotline", "1", said, None, "street_light", "解放路128号", 116.4, 39.9))
    city.intake.take_file(SYSTEM, "12345", "热线.csv", "编号,诉求内容,地址\nA1,,解放路128号\n".encode())
    city.knowledge.import_cases(SYSTEM, "cases-0001", "archive", "json", json.dumps([CASE]))
    city.knowledge.import_cases(SYSTEM, "cases-0002", "archive", "json", json.dumps([CASE | {"level": 2}]))
    source = str(city.share.sources(SYSTEM)[0]["id"])
    refused = Delivery("no-columns.csv", city.clock.now(), "编号,数值\n1,2\n".encode())
    (landed,) = city.share.land(source, [refused])
    (entry,), _ = city.share.quarantine(SYSTEM, delivery=landed.delivery)
    draft = city.library.save(SYSTEM, "plan: draft", kind="yaml", command_id="draft-0001")
    city.library.save(SYSTEM, "plan: drafted", draft_id=draft.id, revision=1)
    firm, _ = settled(city)
    person = city.serve.acting(city.serve.person("everyone"))
    pins = [{"kind": "alert", "id": str(alert["id"]), "note": "夜里再看一次"}]
    note = city.handover.write(person, "note-0001", CENTRE, words="一切如常", pins=pins)
    note_id = str(note["note_id"])
    city.handover.sign(person, "sign-0001", note_id, 1)
    city.handover.take(city.serve.acting(city.serve.person("officer")), "take-0001", note_id)
    city.handover.add(person, "added-0001", note_id, "补充一句")
    job = str(city.previews.start(person, "preview-0001")["id"])
    city.jobs.wait()
    return {
        "/subjects/:id": firm,
        "/jobs/:id": job,
        "/alerts/:id": str(alert["id"]),
        "/app/:id": "air.now",
        "/detectors/:id": str(city.watch.detectors(SYSTEM)[0]["id"]),
        "/app/subject-of/:which": "plate=none",
        "/incidents/:id": incident,
        "/tasks/:id": next(task.id for task in tasks if task.state == "dispatched"),
        "/handover/notes/:id": note_id,
        "/matters/:id": city.intake.matters(SYSTEM, state="open")[0][0].id,
        "/cases/:id": city.knowledge.cases(SYSTEM)[0][0][1].id,
        "/scores/:view": "appeals",
        "/sources/:id": source,
        "/flow/:code": "ecology",
        "/department/:code": "ecology",
        "/deliveries/:id": landed.delivery,
        "/quarantine/:id": entry.id,
        "/catalogue/:name": city.share.datasets()[0].name,
        "/plans/drafts/:id": draft.id,
        "/plans/decisions/:digest": city.library.tables(SYSTEM)[0][0].decision.digest,
        "/plans/:digest": plan.digest,
    }
