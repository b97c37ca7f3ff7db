"""Field officers with phones: hours without a signal, and nothing is lost, doubled, or seen by the wrong person."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

from cityheart.command.models import Task
from cityheart.kernel import outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.text import text

from ..played import PASSWORD
from .conftest import PATIENCE_MS, OpenPage, Served, fits

SYSTEM = Actor.system("test")
FORM = {
    "type": "object",
    "properties": {
        "sites": {"type": "integer", "minimum": 1, "title": {"zh-CN": "检查工地数", "en": "Sites seen"}},
        "result": {"enum": ["合格", "整改"], "title": {"zh-CN": "结论", "en": "Result"}},
        "names": {"type": "array", "items": {"type": "string"}, "title": {"zh-CN": "工地名称", "en": "Names"}},
        "sealed": {"type": "boolean", "title": {"zh-CN": "已查封", "en": "Sealed"}},
        "until": {"type": "string", "format": "date", "title": {"zh-CN": "整改期限", "en": "To be mended by"}},
    },
    "required": ["sites", "result"],
    "additionalProperties": False,
}
PLAN = {
    "plan": "field-check", "version": "1", "title": {"zh-CN": "工地抽查", "en": "Check of sites"},
    "steps": [
        {
            "id": "look", "title": {"zh-CN": "现场检查工地扬尘", "en": "Look at the dust of sites"}, "unit": "ecology",
            "accept_within": "PT1H", "due": "P1D", "clock": "working",
            "evidence": [
                {"kind": "note", "min": 1}, {"kind": "photo", "min": 1}, {"kind": "place", "min": 1},
                {"kind": "form", "min": 1, "schema": FORM},
            ],
        },
        {"id": "tell", "title": {"zh-CN": "告知街道", "en": "Tell the street"}, "unit": "ecology", "accept_within": "PT1H",
         "due": "P1D", "evidence": [{"kind": "note", "min": 1}]},
    ],
}  # fmt: skip
# A picture larger than a phone sends, painted so that it does not compress, with a camera's notes spliced in.
PICTURE = """async () => {
  const canvas = document.createElement('canvas');
  canvas.width = 2600; canvas.height = 1800;
  const paper = canvas.getContext('2d');
  for (let n = 0; n < 6000; n++) {
    paper.fillStyle = `hsl(${n * 47 % 360} 80% ${n * 13 % 90}%)`;
    paper.fillRect(n * 131 % 2600, n * 197 % 1800, 40, 30);
  }
  const blob = await new Promise(done => canvas.toBlob(done, 'image/jpeg', 0.95));
  const read = new FileReader();
  await new Promise(done => { read.onload = done; read.readAsDataURL(blob); });
  return read.result.split(',')[1];
}"""
EXIF = b"Exif\x00\x00MM\x00*secret place"


@contextmanager
def phone(chromium: Browser, served: Served) -> Iterator[tuple[BrowserContext, Page]]:
    """A phone with a position; it fails the test when an error is thrown in its page."""
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, locale="zh-CN", has_touch=True, permissions=["geolocation"],
        geolocation={"longitude": 116.397, "latitude": 39.916, "accuracy": 12},
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{served.address}/field")
    yield context, page
    context.close()
    assert not thrown


def log_in(page: Page, username: str) -> None:
    page.get_by_test_id("username").fill(username)
    page.get_by_test_id("password").fill(PASSWORD)
    page.get_by_test_id("login").click()
    expect(page.get_by_test_id("field-link")).to_have_attribute("data-link", "idle")
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")


def waits(page: Page, count: int) -> None:
    expect(page.get_by_test_id("field-link")).to_have_attribute("data-waits", str(count))


@pytest.fixture(scope="module")
def staffed(served: Served) -> Served:
    """A second person of ecology has an account."""
    served.city.serve.create(
        SYSTEM, "colleague", PASSWORD, name=text("吴敏", "Wu Min"), department="ecology", roles=["clerk"]
    )
    shift: dict[str, object] = {
        "unit": "ecology", "title": text("全天", "All day"), "starts": "00:00", "ends": "00:00", "days": "all",
        "rotation": "everyone", "people": ["colleague"], "valid_from": "2015-11-01",
    }  # fmt: skip
    served.city.duty.set_shift(SYSTEM, "a-shift-for-the-field", shift)
    return served


@pytest.fixture
def tasks(staffed: Served) -> dict[str, Task]:
    """Two tasks of ecology by their steps, dispatched."""
    served, command = staffed, staffed.city.command
    digest = command.publish(SYSTEM, PLAN)
    title = text("工地抽查", "Check of sites")
    made = command.dispatch(SYSTEM, served.city.ids.new("test"), {"title": title, "kind": "check", "level": 4}, digest)
    ((_, found),) = command.runs(SYSTEM, str(made["incident_id"]))
    return {task.step: task for task in found}


def fill(page: Page, picture: bytes) -> None:
    """The whole receipt, and what is missing is said first."""
    page.get_by_test_id("field-submit").click()
    page.get_by_test_id("field-confirm").click()
    expect(page.get_by_role("alert").filter(has_text="还差 5 处")).to_be_visible()
    page.get_by_test_id("field-note").fill("两处裸土未覆盖，已责令整改。")
    page.get_by_test_id("form-sites").fill("0")
    expect(page.get_by_text("不得小于 1")).to_be_visible()
    page.get_by_test_id("form-sites").fill("2")
    page.get_by_test_id("form-result").select_option("整改")
    page.get_by_test_id("form-names-add").click()
    page.get_by_test_id("form-names/0").fill("东风路工地")
    page.get_by_test_id("form-until").fill("2015-12-01")
    page.get_by_test_id("place-take").click()
    expect(page.get_by_test_id("place-shown")).to_contain_text("39.91600")
    page.get_by_test_id("photo-choose").set_input_files(
        FilePayload(name="site.jpg", mimeType="image/jpeg", buffer=picture)
    )
    expect(page.get_by_test_id("photo")).to_have_count(1)


def test_a_day_without_a_signal_is_handed_in_once(served: Served, chromium: Browser, tasks: dict[str, Task]) -> None:
    look = tasks["look"]
    with phone(chromium, served) as (mine, page), phone(chromium, served) as (theirs, other):
        log_in(page, "ecology")
        log_in(other, "colleague")
        pixels = base64.b64decode(page.evaluate(PICTURE))
        notes = len(EXIF) + 2
        picture = pixels[:2] + b"\xff\xe1" + notes.to_bytes(2, "big") + EXIF + pixels[2:]
        mine.set_offline(True)
        theirs.set_offline(True)

        page.locator(f"[data-task='{look.id}']").click()
        page.get_by_test_id("field-accept").dblclick()
        expect(page.get_by_test_id("field-task")).to_have_attribute("data-state", "accepted")
        fill(page, picture)
        assert page.evaluate("caches.match('/index.html').then(kept => kept !== undefined)")
        page.reload()  # the battery died while the form was open: every letter is there again
        expect(page.get_by_test_id("field-link")).to_contain_text("离线，自")
        expect(page.get_by_test_id("field-note")).to_have_value("两处裸土未覆盖，已责令整改。")
        expect(page.get_by_test_id("photo")).to_have_count(1)
        page.get_by_test_id("field-confirm").click()
        waits(page, 3)
        page.reload()
        waits(page, 3)
        expect(page.get_by_test_id("queued")).to_have_count(2)
        fits(page)
        assert served.city.command.task(SYSTEM, look.id).state == "dispatched"

        other.locator(f"[data-task='{look.id}']").click()
        other.get_by_test_id("field-accept").click()
        fill(other, picture)
        other.get_by_test_id("field-confirm").click()
        waits(other, 3)

        mine.set_offline(False)
        waits(page, 0)
        expect(page.get_by_test_id("field-link")).to_have_attribute("data-link", "idle")
        (receipt,) = served.city.command.receipts([look.id])[look.id]
        assert receipt.note == "两处裸土未覆盖，已责令整改。"
        assert receipt.form == {"sites": 2, "result": "整改", "names": ["东风路工地"], "until": "2015-12-01"}
        assert receipt.place is not None and (receipt.place.lon, receipt.place.accuracy) == (116.397, 12)
        assert receipt.done_at is not None and receipt.done_at <= receipt.at
        (file,) = receipt.files
        content = served.city.command.files.path(file.sha256).read_bytes()
        assert file.media == "image/jpeg" and b"secret" not in content and len(content) <= 2 * 2**20

        theirs.set_offline(False)
        why = other.get_by_test_id("refused-why")
        expect(why.filter(has_text="签收")).to_contain_text("ecology 已于")
        expect(why.filter(has_text="提交")).to_contain_text("ecology 已于")
        waits(other, 0)
        for left in (1, 0):
            other.get_by_test_id("refused-drop").first.click()
            expect(other.get_by_test_id("refused-drop")).to_have_count(left)
        expect(other.get_by_test_id("refused")).to_have_count(0)
        page.get_by_test_id("field-retry").or_(page.get_by_test_id("user-menu")).first.wait_for()
        page.reload()
        expect(page.get_by_test_id("field-link")).to_have_attribute("data-link", "idle")
    assert len(served.city.command.receipts([look.id])[look.id]) == 1


def test_what_one_person_did_is_sent_by_that_person_only(
    served: Served, chromium: Browser, tasks: dict[str, Task]
) -> None:
    tell = tasks["tell"]
    with phone(chromium, served) as (context, page):
        log_in(page, "ecology")
        context.set_offline(True)
        page.locator(f"[data-task='{tell.id}']").click()
        page.get_by_test_id("field-accept").click()
        waits(page, 1)
        context.clear_cookies()  # meanwhile the session has run out
        context.set_offline(False)
        expect(page.get_by_test_id("field-over")).to_contain_text("1 项")
        expect(page.get_by_text("告知街道")).to_have_count(0)

        log_in(page, "industry")  # a colleague of another department takes the phone
        expect(page.locator(f"[data-task='{tell.id}']")).to_have_count(0)
        waits(page, 0)
        assert served.city.command.task(SYSTEM, tell.id).state == "dispatched"
        page.get_by_test_id("user-menu").click()
        page.get_by_test_id("logout").click()

        log_in(page, "ecology")
        waits(page, 0)
        page.wait_for_function(
            "id => fetch('/api/tasks/' + id).then(r => r.json()).then(t => t.state === 'accepted')", arg=tell.id
        )
        page.get_by_test_id("user-menu").click()
        page.get_by_test_id("logout").click()
        page.get_by_test_id("username").wait_for()
        kept = page.evaluate("indexedDB.databases().then(all => all.map(one => one.name))")
        assert [name for name in kept if name.startswith("cityheart")] == []
        context.set_offline(True)
        page.reload()
        expect(page.get_by_text("第一次使用需要联网")).to_be_visible()
    accepted = served.city.command.task(SYSTEM, tell.id)
    assert accepted.person is not None and accepted.person["id"] == served.city.serve.person("ecology").id


def test_a_date_counts_as_it_is_written_when_the_form_is_sent_from_it(
    served: Served, chromium: Browser, tasks: dict[str, Task]
) -> None:
    tell = tasks["tell"]
    with phone(chromium, served) as (_, page):
        log_in(page, "ecology")
        page.locator(f"[data-task='{tell.id}']").click()
        page.get_by_test_id("field-accept").click()
        page.get_by_test_id("field-request-extension").click()
        page.get_by_test_id("field-reason").fill("雨停之后再查")
        until = page.locator("input[data-date]")
        until.fill("2015-12-3 8:3x")
        until.press("Enter")
        expect(until).to_be_visible()  # what is no date is not sent
        until.fill("2015-12-3 8:30")
        until.press("Enter")
        expect(until).to_have_count(0)
        waits(page, 0)
        expect(page.get_by_test_id("field-link")).to_have_attribute("data-link", "idle")
    asked = served.city.command.task(SYSTEM, tell.id).extension_until
    assert asked is not None and asked.isoformat() == "2015-12-03T00:30:00+00:00"


def _all_delivered(served: Served, page: Page) -> None:
    """No letter is under way any more, so that they can be counted."""
    for _ in range(PATIENCE_MS // 50):
        with served.city.database.read() as conn:
            if not outbox.hanging(conn):
                return
        page.wait_for_timeout(50)
    raise AssertionError("letters are under way and do not arrive")


def test_the_verifier_counts_when_it_was_done_and_orders_are_in_the_inbox(
    served: Served, open_page: OpenPage, tasks: dict[str, Task]
) -> None:
    look = tasks["look"]
    with open_page("ecology", "/inbox") as page:
        page.goto(f"{served.address}/inbox")
        _all_delivered(served, page)
        clerk = served.city.serve.acting(served.city.serve.person("ecology"))
        before = served.city.inbox.messages(clerk)[2]
        unread = page.get_by_test_id("inbox-link")
        expect(unread).to_have_attribute("data-unread", str(before))
        letter = page.get_by_test_id("letter").filter(has_text="工地扬尘").first
        expect(letter).to_have_attribute("data-unread", "true")
        letter.get_by_test_id("letter-read").click()
        expect(unread).to_have_attribute("data-unread", str(before - 1))
        page.goto(f"{served.address}/tasks/{look.id}")
        expect(page.get_by_test_id("task-panel")).to_contain_text("按工作时间计算")
        expect(page.get_by_test_id("task-on-duty")).to_contain_text("吴敏")
        page.get_by_test_id("task-return").click()
        page.get_by_test_id("task-reason").fill("属住建部门职责")
        page.get_by_test_id("task-clause").fill("三定方案 2.4")
        page.get_by_test_id("task-return-confirm").click()
        expect(page.get_by_test_id("task-panel")).to_have_attribute("data-state", "returned")
    with open_page("coordinator") as page:
        page.goto(f"{served.address}/tasks/{look.id}")
        page.get_by_test_id("task-decide-return").click()
        page.get_by_test_id("task-to").select_option("housing")
        page.get_by_test_id("task-approve").click()
        expect(page.get_by_test_id("task-rounds").locator("li")).to_have_count(2)
        expect(page.get_by_test_id("task-rounds")).to_contain_text("退单改派")


def test_a_late_receipt_counts_from_when_the_work_was_done_and_the_person_is_called_back(
    staffed: Served, open_page: OpenPage
) -> None:
    command, clock = staffed.city.command, staffed.city.clock
    assert isinstance(clock, VirtualClock)
    step = {"id": "quick", "title": {"zh-CN": "关闸", "en": "Close the gate"}, "unit": "ecology"}
    times = {"accept_within": "PT10M", "due": "PT20M", "evidence": [{"kind": "note", "min": 1}]}
    title = text("关闸", "The gate")
    digest = command.publish(SYSTEM, {"plan": "gate", "version": "1", "title": title, "steps": [{**step, **times}]})
    made = command.dispatch(SYSTEM, "gate-0001", {"title": title, "kind": "gate", "level": 4}, digest)
    ((_, (task,)),) = command.runs(SYSTEM, str(made["incident_id"]))
    command.act(SYSTEM, "gate-0002", task.id, "accept")
    done = clock.now()
    clock.advance_to(done + timedelta(minutes=30))  # the phone is without a signal for so long
    with open_page("coordinator") as page:
        page.goto(f"{staffed.address}/tasks/{task.id}")
        panel = page.get_by_test_id("task-panel")
        expect(panel).to_contain_text("超时")
        page.wait_for_function(
            "id => fetch('/api/tasks/' + id).then(answer => answer.json()).then(task => task.late)", arg=task.id
        )
        now = clock.now()
        command.act(SYSTEM, "gate-0003", task.id, "submit", note="已关闸", done_at=done, sent_at=now)
        page.get_by_test_id("task-verify").click()
        page.get_by_test_id("task-count-offline").check()
        page.get_by_test_id("task-verify-confirm").click()
        expect(panel).to_have_attribute("data-state", "closed")
        expect(page.get_by_test_id("receipt-done")).to_be_visible()
        page.get_by_test_id("task-evaluate").click()
        page.get_by_test_id("task-satisfied-yes").check()
        page.get_by_test_id("task-evaluate-confirm").click()
        expect(panel).to_contain_text("回访结果")
    closed = command.task(SYSTEM, task.id)
    assert (closed.late, closed.satisfied) == (False, "yes")
