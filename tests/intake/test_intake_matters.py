"""What people do with matters: split, merge, dispatch, dismiss; versions, files, learning, decision tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from cityheart.command.intake.filing import Filing
from cityheart.command.intake.models import Sought
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Problem, TooLarge
from cityheart.kernel.events import read, verify

from .scene import LAMP, LAMP_AGAIN, PLACE, SYSTEM, Hotline


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Hotline:
    return Hotline(database, tmp_path)


def test_the_same_report_again_is_the_same_and_another_text_a_new_version(desk: Hotline) -> None:
    report, matter = desk.tell(LAMP, external="A1")
    assert desk.tell(LAMP, external="A1") == (report, matter)
    assert len(desk.reports(matter)) == 1 and desk.told(matter) == ["matter.opened"]
    assert desk.tell(LAMP + "，今天又坏了", external="A1") == (report, matter)
    changed = desk.reports(matter)[0]
    assert changed.version == 2 and "今天又坏了" in changed.given.text
    assert desk.told(matter)[-1] == "report.revised" and "今天又坏了" in desk.matter(matter).title


def test_no_person_is_kept(desk: Hotline, tmp_path: Path) -> None:
    _, matter = desk.tell("我叫李小龙，电话13912345678，解放路128号路灯不亮", phone="13912345678")
    kept = desk.reports(matter)[0].given
    assert "139" not in kept.text and "李小龙" not in kept.text and kept.caller and len(kept.caller) == 32
    with desk.database.read() as conn:
        told = json.dumps([event.data for event in read(conn)], ensure_ascii=False)
    assert "139" not in told and "李小龙" not in told and kept.caller not in told


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"text": "字" * 1_000_000}, TooLarge),
        ({"text": " \x00\x07 "}, Invalid),
        ({"lon": PLACE[1], "lat": PLACE[0]}, Invalid),
        ({"lon": 2.35, "lat": 48.85}, Invalid),
        ({"lon": float("nan"), "lat": 32.0}, Invalid),
        ({"lon": 120.9, "lat": None}, Invalid),
        ({"at": "ahead"}, Invalid),
        ({"at": "naive"}, Invalid),
        ({"service": "teleport"}, Invalid),
        ({"external": ""}, Invalid),
        ({"address": "路" * 1_000}, TooLarge),
        ({"media": "javascript:alert(1)"}, Invalid),
        ({"attributes": {f"a{n}": "x" for n in range(200)}}, TooLarge),
    ],
)
def test_what_cannot_be_taken_in_says_why(
    desk: Hotline, clock: VirtualClock, change: dict[str, object], what: type[Problem]
) -> None:
    times = {"ahead": clock.now() + timedelta(hours=1), "naive": datetime(2015, 11, 1)}
    if "at" in change:
        change = {"at": times[str(change["at"])]}
    values: dict[str, object] = {
        "source": "t",
        "external": "1",
        "text": LAMP,
        "lon": PLACE[0],
        "lat": PLACE[1],
    } | change
    with pytest.raises(what) as refused:
        desk.intake.take(SYSTEM, Filing(**values))  # type: ignore[arg-type]
    assert refused.value.remedy
    assert desk.intake.matters(SYSTEM)[0] == []


def test_control_characters_are_left_out(desk: Hotline) -> None:
    _, matter = desk.tell("解放路\x00128号\x07路灯\ud800不亮\n很黑")
    assert desk.reports(matter)[0].given.text == "解放路128号路灯不亮\n很黑"


def test_what_a_person_splits_is_never_merged_again_by_itself(desk: Hotline) -> None:
    first, matter = desk.tell(LAMP)
    second, _ = desk.tell(LAMP_AGAIN)
    click = desk.click()
    done = desk.intake.split(SYSTEM, click, matter, [second], "不是同一盏灯")
    assert desk.intake.split(SYSTEM, click, matter, [second], "不是同一盏灯") == done
    other = str(done["new_matter_id"])
    assert [report.id for report in desk.reports(matter)] == [first]
    assert [report.id for report in desk.reports(other)] == [second]
    assert desk.matter(other).reports == desk.matter(matter).reports == 1
    for _ in range(4):
        desk.tell(LAMP)
        desk.tell(LAMP_AGAIN)
    assert not {report.id for report in desk.reports(other)} & {report.id for report in desk.reports(matter)}
    assert second in {report.id for report in desk.reports(other)}
    assert first in {report.id for report in desk.reports(matter)}
    assert all(other != similar.id for similar, _ in desk.intake.similar(SYSTEM, matter))
    assert desk.told(matter)[2] == "matter.split" and desk.told(other)[0] == "matter.split_off"
    assert desk.intake.history(SYSTEM, matter)[2].data["reason"] == "不是同一盏灯"


def test_splitting_asks_for_reports_of_the_matter_and_a_reason(desk: Hotline) -> None:
    report, matter = desk.tell(LAMP)
    elsewhere, _ = desk.tell("文昌街9号没人清运垃圾桶", service="garbage", place=None)
    desk.tell(LAMP_AGAIN)
    for reports, reason in ([], "x"), ([elsewhere], "x"), ([report], " "), ([r.id for r in desk.reports(matter)], "x"):
        with pytest.raises(Invalid):
            desk.intake.split(SYSTEM, desk.click(), matter, reports, reason)
    with pytest.raises(NotFound):
        desk.intake.split(SYSTEM, desk.click(), "matter-none", [report], "x")


def test_a_person_merges_matters_and_may_overrule_a_split(desk: Hotline) -> None:
    _, matter = desk.tell(LAMP)
    second, _ = desk.tell(LAMP_AGAIN)
    other = str(desk.intake.split(SYSTEM, desk.click(), matter, [second], "x")["new_matter_id"])
    kept = str(desk.intake.merge(SYSTEM, desk.click(), [matter, other], "同一盏")["matter_id"])
    matter, other = kept, other if kept == matter else matter
    assert desk.matter(matter).reports == 2 and desk.matter(other).state == "merged"
    assert desk.matter(other).merged_into == matter
    assert [each.id for each in desk.intake.matters(SYSTEM, state="merged")[0]] == [other]
    with pytest.raises(Conflict):
        desk.intake.merge(SYSTEM, desk.click(), [matter, other], "again")
    assert desk.tell(LAMP)[1] == matter


def test_one_click_hands_a_matter_to_the_department_and_its_reports_follow(desk: Hotline, clock: VirtualClock) -> None:
    report, matter = desk.tell(LAMP)
    assert desk.matter(matter).proposal.unit == "urban-management"
    click = desk.click()
    done = desk.intake.dispatch(SYSTEM, click, matter)
    assert desk.intake.dispatch(SYSTEM, click, matter) == done
    incident = str(done["incident_id"])
    assert desk.matter(matter).state == "dispatched" and desk.matter(matter).handler == "urban-management"
    told = desk.intake.told(desk.command.incident(SYSTEM, incident))
    assert told is not None and "路灯" in told.text and (told.lon, told.lat) == PLACE
    (found,), counted = desk.intake.matters(SYSTEM, incident=incident)
    assert (found.id, counted) == (matter, {"dispatched": 1})
    assert desk.intake.matters(SYSTEM, incident="incident-none") == ([], {})
    (_, [task]), *more = desk.command.runs(SYSTEM, incident)
    assert (
        task.unit == "urban-management" and not more and desk.command.incident(SYSTEM, incident).kind == "street_light"
    )
    assert desk.tell(LAMP_AGAIN)[1] == matter, "what is told of it later still belongs to it"
    with pytest.raises(Conflict):
        desk.intake.dispatch(SYSTEM, desk.click(), matter)
    desk.close(incident)
    clock.advance_to(clock.now() + timedelta(minutes=1))
    desk.intake.tick(clock.now())
    assert desk.matter(matter).state == "closed" and desk.told(matter)[-1] == "matter.closed"
    told = desk.intake.request(report)
    assert told is not None and told[1].state == "closed"
    desk.intake.evaluate(SYSTEM, desk.click(), matter, True, "灯亮了")
    with desk.database.read() as conn:
        assert [event.data["satisfied"] for event in read(conn, types={"task.evaluated"})] == [True]
        assert verify(conn) == []


def test_another_department_than_the_proposed_one_needs_a_reason(desk: Hotline) -> None:
    _, matter = desk.tell(LAMP)
    with pytest.raises(Invalid):
        desk.intake.dispatch(SYSTEM, desk.click(), matter, unit="power")
    assert desk.matter(matter).state == "open"
    desk.intake.dispatch(SYSTEM, desk.click(), matter, unit="power", reason="灯杆带电")
    assert desk.matter(matter).handler == "power"
    with pytest.raises(Invalid):
        desk.intake.dispatch(SYSTEM, desk.click(), matter, unit="nobody")


def test_many_clicks_at_once_open_one_incident(desk: Hotline) -> None:
    _, matter = desk.tell(LAMP)
    outcomes: list[object] = []

    def click(number: int) -> None:
        try:
            outcomes.append(desk.intake.dispatch(SYSTEM, f"click-at-once-{number}", matter)["incident_id"])
        except Conflict:
            outcomes.append(None)

    threads = [Thread(target=click, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8 and len({each for each in outcomes if each}) == 1
    assert desk.command.incidents(SYSTEM)[1] == 1


def test_a_dispatch_cut_short_is_finished_by_whoever_comes_next(desk: Hotline, clock: VirtualClock) -> None:
    _, matter = desk.tell(LAMP)
    carried = desk.intake._carry_out
    desk.intake._carry_out = lambda matter: (_ for _ in ()).throw(SystemError("killed"))  # type: ignore[method-assign]
    with pytest.raises(SystemError):
        desk.intake.dispatch(SYSTEM, desk.click(), matter)
    assert desk.matter(matter).state == "dispatching"
    desk.intake._carry_out = carried  # type: ignore[method-assign]
    desk.intake.tick(clock.now())
    desk.intake.tick(clock.now())
    assert desk.matter(matter).state == "dispatched" and desk.command.incidents(SYSTEM)[1] == 1


def test_a_dispatch_that_command_refuses_leaves_the_matter_open(desk: Hotline, officer: Actor) -> None:
    _, matter = desk.tell(LAMP)
    plan = {
        "plan": "asks", "version": "1", "title": {"zh-CN": "问", "en": "asks"}, "parameters": {"n": 1},
        "steps": [{"id": "a", "title": {"zh-CN": "甲", "en": "a"}, "unit": "water", "accept_within": "PT1H", "due": "PT2H"}],
    }  # fmt: skip
    digest = desk.command.publish(SYSTEM, plan)
    desk.command.dispatch = lambda *_, **__: (_ for _ in ()).throw(Conflict("no", remedy="no"))  # type: ignore
    with pytest.raises(Conflict):
        desk.intake.dispatch(officer, desk.click(), matter, plan=digest)
    assert desk.matter(matter).state == "open"
    with pytest.raises(NotFound):
        desk.intake.dispatch(officer, desk.click(), matter, plan="0" * 64)


def test_dismissing_closes_with_the_reason(desk: Hotline) -> None:
    _, matter = desk.tell(LAMP)
    desk.intake.dismiss(SYSTEM, desk.click(), matter, "重复来电，已处理")
    assert desk.matter(matter).state == "dismissed" and desk.matter(matter).note == "重复来电，已处理"
    assert desk.tell(LAMP_AGAIN)[1] != matter


def test_departments_see_only_what_is_theirs(
    desk: Hotline, clerk: Callable[[str], Actor], nobody: Actor, coordinator: Actor
) -> None:
    _, lamp = desk.tell(LAMP)
    _, food = desk.tell("文昌街9号超市卖过期食品，吃了拉肚子", service="food_safety", place=None)
    assert desk.matter(food).proposal.unit == "market"
    found, counts = desk.intake.matters(clerk("market"))
    assert [each.id for each in found] == [food] and counts == {"open": 1}
    with pytest.raises(NotFound):
        desk.intake.matter(clerk("market"), lamp)
    with pytest.raises(NotFound):
        desk.intake.reports(clerk("market"), lamp)
    assert len(desk.intake.matters(coordinator)[0]) == 2
    desk.intake.dispatch(coordinator, desk.click(), food, unit="health", reason="有人住院")
    assert desk.intake.matters(clerk("market"))[0] == [] and len(desk.intake.matters(clerk("health"))[0]) == 1
    for verb in (
        lambda: desk.intake.matters(nobody),
        lambda: desk.intake.take(nobody, Filing("t", "1", LAMP)),
        lambda: desk.intake.split(clerk("market"), desk.click(), food, ["x"], "x"),
        lambda: desk.intake.dispatch(clerk("market"), desk.click(), lamp),
        lambda: desk.intake.dismiss(clerk("market"), desk.click(), lamp, "x"),
        lambda: desk.intake.issue_key(coordinator, "x"),
    ):
        with pytest.raises(Forbidden):
            verb()


def test_nobody_is_proposed_where_nothing_is_said(desk: Hotline) -> None:
    _, matter = desk.tell("有事情想说一下，就是那个", service=None, place=None)
    assert desk.matter(matter).proposal.unit is None
    with pytest.raises(Invalid):
        desk.intake.dispatch(SYSTEM, desk.click(), matter)


def test_local_matters_go_to_the_township_of_the_place(desk: Hotline) -> None:
    _, matter = desk.tell("村委会低保名额不公，宅基地纠纷没人管", service="village", place=(120.75, 31.95))
    assert desk.matter(matter).proposal.unit == "township-1"
    _, other = desk.tell("村委会低保名额不公，宅基地纠纷没人管", service="village", place=(121.05, 32.15))
    assert desk.matter(other).proposal.unit == "township-6"


def test_what_was_decided_is_learned_and_an_upheld_return_counts_for_the_other(
    desk: Hotline, clock: VirtualClock
) -> None:
    said = "飞行器起降坪噪点超标{n}号"
    for number in range(12):
        clock.advance_to(clock.now() + timedelta(days=30))
        _, matter = desk.tell(said.format(n=number * 30), service="other", place=None)
        before = [each.unit for each in desk.matter(matter).proposal.candidates]
        incident = str(desk.intake.dispatch(SYSTEM, desk.click(), matter, unit="ecology")["incident_id"])
        task = desk.command.runs(SYSTEM, incident)[0][1][0]
        desk.command.act(SYSTEM, desk.click(), task.id, "return", reason="归交通")
        desk.command.act(SYSTEM, desk.click(), task.id, "decide_return", approve=True, to="transport")
        task = desk.command.runs(SYSTEM, incident)[0][1][-1]
        for verb in ("accept", "submit", "verify"):
            desk.command.act(SYSTEM, desk.click(), task.id, verb, note="done")
        desk.command.lift(SYSTEM, desk.click(), incident, "done")
        clock.advance_to(clock.now() + timedelta(seconds=1))
    desk.intake.tick(clock.now())
    assert {each.handler for each in desk.intake.matters(SYSTEM, state="closed")[0]} == {"transport"}
    clock.advance_to(clock.now() + timedelta(days=30))
    _, matter = desk.tell(said.format(n=5000), service="other", place=None)
    found = {each.unit: each for each in desk.matter(matter).proposal.candidates}
    assert "transport" not in before and any("12" in reason["en"] for reason in found["transport"].reasons)
    assert "ecology" not in found, "who returned them with right has not got them"


def test_a_decision_table_of_the_city_wins(database: Database, tmp_path: Path) -> None:
    asked: list[Mapping[str, object]] = []

    def triage(name: str, inputs: Mapping[str, object], at: datetime) -> tuple[str, Mapping[str, object]] | None:
        asked.append({"name": name, **inputs})
        return ("d" * 64, {"unit": "power", "level": 2}) if name == "triage.street_light" else None

    desk = Hotline(database, tmp_path, triage)
    _, matter = desk.tell(LAMP)
    proposal = desk.matter(matter).proposal
    assert (proposal.unit, proposal.level, proposal.rule) == ("power", 2, "d" * 64)
    assert "urban-management" in [each.unit for each in proposal.candidates]
    assert asked[0]["name"] == "triage.street_light" and asked[0]["reports"] == 1
    incident = str(desk.intake.dispatch(SYSTEM, desk.click(), matter)["incident_id"])
    assert desk.command.incident(SYSTEM, incident).level == 2


CSV = f"""工单编号,受理时间,诉求类别,诉求内容,地址,经度,纬度,姓名,电话,回访
A1,2015-10-31 08:00,路灯照明,{LAMP},,120.9,32.0,张三,13912345678,是
A2,2015-10-31 09:00,不明类别,{LAMP_AGAIN},,,,李四,13812345678,否
A3,2035-01-01 09:00,路灯照明,未来的路灯,,,,,,
A4,2015-10-31 09:00,路灯照明,,,,,,,
A5,2015-10-31 09:00,路灯照明,电话13912345678的路灯,,32.0,120.9,,13912345678,
A6,不是时间,路灯照明,某路灯,,,,,,
"""


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_file_of_a_hotline_is_taken_in_and_bad_rows_are_kept_apart(desk: Hotline, encoding: str) -> None:
    counts = desk.intake.take_file(SYSTEM, "12345", "工单.csv", CSV.encode(encoding))
    assert counts == {"new": 2, "same": 0, "revised": 0, "refused": 4, "matters": 1, "mended": 0}
    again = desk.intake.take_file(SYSTEM, "12345", "工单.csv", CSV.encode(encoding))
    assert again == {"new": 0, "same": 2, "revised": 0, "refused": 4, "matters": 0, "mended": 0}
    found, _ = desk.intake.matters(SYSTEM)
    assert len(found) == 1 and found[0].reports == 2
    second = desk.reports(found[0].id)[-1].given
    assert second.service is None and second.attributes == {"category": "不明类别", "回访": "否"}
    refused, total, facets = desk.intake.refusals(SYSTEM)
    assert total == 4 and facets["file"] == {"工单.csv": 4} and facets["state"] == {"waiting": 4}
    assert {each.code for each in refused} == set(facets["code"]) == {"future", "text_empty", "swapped", "time"}
    assert all("139" not in each.raw and "张三" not in each.raw for each in refused)
    assert [(each.row, each.code) for each in desk.intake.refusals(SYSTEM, Sought(code="time"))[0]] == [(6, "time")]
    desk.intake.dismiss_refusals(SYSTEM, desk.click(), [each.id for each in refused], "已核对")
    assert desk.intake.refusals(SYSTEM)[1] == 0 and desk.intake.refusals(SYSTEM, Sought("dismissed"))[1] == 4
    desk.intake.take_file(SYSTEM, "12345", "工单.csv", CSV.encode(encoding))
    assert desk.intake.refusals(SYSTEM)[1] == 0  # what a person has left out stays so


def test_a_mended_file_closes_its_rows_and_the_desk_tells_what_was_done(desk: Hotline, clock: VirtualClock) -> None:
    desk.intake.take_file(SYSTEM, "12345", "工单.csv", CSV.encode())
    elsewhere = CSV.replace("不是时间", "2015-10-31 08:30").encode()
    others = desk.intake.take_file(SYSTEM, "another", "工单.csv", elsewhere)  # the same ids of another system
    assert others["mended"] == 0 and others["refused"] == 3
    mended = CSV.replace("A6,不是时间", "A6,2015-10-31 08:30").replace("A4,2015-10-31 09:00", "A4,昨天").encode()
    counts = desk.intake.take_file(SYSTEM, "12345", "更正.csv", mended)
    assert counts["mended"] == 1 and counts["new"] == 1 and counts["refused"] == 3
    (row,) = desk.intake.refusals(SYSTEM, Sought("mended"))[0]
    assert (row.row, row.code, row.file) == (6, "time", "工单.csv")
    waiting, _, facets = desk.intake.refusals(SYSTEM, Sought(file="更正.csv"))  # each where it stood last, and why then
    assert {(each.row, each.code) for each in waiting} == {(3, "future"), (4, "time"), (5, "swapped")}
    assert facets["file"] == {"工单.csv": 3, "更正.csv": 3}
    seen = desk.intake.refusals(SYSTEM)[0][0].at
    clock.advance_to(clock.now() + timedelta(hours=1))
    desk.intake.take_file(SYSTEM, "12345", "后来.csv", "编号,诉求内容\nB1,\n".encode())
    every = Sought(upto=seen)
    done = desk.intake.dismiss_refusals(SYSTEM, desk.click(), [], "整批作废", every=every)
    assert done == {"dismissed": 6} and [each.file for each in desk.intake.refusals(SYSTEM)[0]] == ["后来.csv"]
    with pytest.raises(Invalid):
        desk.intake.dismiss_refusals(SYSTEM, desk.click(), ["x"], "两种", every=every)
    told = desk.intake.desk(SYSTEM, limit=3)
    assert [event.type for event in told.events] == ["intake.dismissed", "intake.taken", "intake.taken"]
    assert told.events[0].data["reason"] == "整批作废" and told.events[0].data["rows"] == 6
    assert told.events[2].data["file"] == "更正.csv" and told.events[2].data["bytes"] == len(mended)
    (first, *_) = reversed(desk.intake.desk(SYSTEM, told.next).events)
    assert first.data["file"] == "工单.csv" and first.data["matters"] == 1 and first.data["sha256"]


def test_json_and_workbooks_are_taken_in_too(desk: Hotline, tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["某市热线导出"], ["工单编号", "受理时间", "诉求内容"], ["W1", "2015-10-31 08:00:00", LAMP]):
        sheet.append(row)
    book.save(tmp_path / "x.xlsx")
    assert desk.intake.take_file(SYSTEM, "book", "x.xlsx", tmp_path / "x.xlsx")["new"] == 1
    rows = [{"id": "J1", "description": LAMP_AGAIN, "lat": 32.0, "long": 120.9}]
    assert desk.intake.take_file(SYSTEM, "json", "x.json", json.dumps({"data": rows}).encode())["new"] == 1
    assert len(desk.intake.matters(SYSTEM)[0]) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r><row><id>1</id></row></r>',
        b"",
        b"PK\x03\x04broken",
        b"{broken",
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(desk: Hotline, payload: bytes) -> None:
    name = "x.xml" if payload.startswith(b"<") else "x.json" if payload.startswith(b"{") else "x.xlsx"
    with pytest.raises(Invalid):
        desk.intake.take_file(SYSTEM, "hotline", name, payload)
    assert desk.intake.matters(SYSTEM)[0] == []


def test_pages_of_matters_hold_everything_once(desk: Hotline, clock: VirtualClock) -> None:
    for number in range(7):
        clock.advance_to(clock.now() + timedelta(hours=1))
        desk.tell(f"文昌街{number * 200 + 1}号路灯不亮", place=None)
    seen: list[str] = []
    after = None
    while True:
        page, _ = desk.intake.matters(SYSTEM, after=after, limit=3)
        seen += [each.id for each in page]
        if len(page) < 3:
            break
        after = (page[-1].updated_at, page[-1].id)
    assert len(seen) == len(set(seen)) == 7 and limits.PAGE_ROWS >= 7
