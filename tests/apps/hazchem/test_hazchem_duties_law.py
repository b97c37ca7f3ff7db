"""Cases are told by the law of the day on which they began; what was not compared with the official text says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.pages import law as pages
from cityheart.engine.lake import Lake
from cityheart.sdk import Input, Reader, Sighting, SubjectRef, Text, View, text

ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Scene:
    """A view of nothing."""

    now: datetime = datetime(2026, 6, 1, tzinfo=UTC)
    zone: ZoneInfo = ZONE

    def rows(self, dataset: str) -> pa.Table:
        """No rows."""
        raise AssertionError(dataset)

    def file(self, name: str) -> bytes | None:
        """No file."""
        return None


@dataclass(frozen=True)
class Fixed:
    """A survey that sees one case."""

    start: datetime
    kind: str = "controlled_diversion"
    id: str = "test.fixed"
    title: Text = field(default_factory=lambda: text("案", "case"))
    inputs: Mapping[str, Input] = field(default_factory=dict)
    every: timedelta = timedelta(days=1)
    phase: timedelta = timedelta(0)
    parameters: Mapping[str, object] = field(default_factory=dict)

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """The case."""
        name = text("某厂", "a works")
        return [Sighting(SubjectRef("firm", "x", name), 3, self.start, reasons=(text("因", "because"),))]


def test_the_law_follows_the_regulation_by_the_day_on_which_the_case_began() -> None:
    # 16:30 UTC is half past midnight of the next day here: the law has come into force
    before = Fixed(datetime(2026, 4, 30, 15, 30, tzinfo=UTC)).look(Scene())[0].reasons
    after = Fixed(datetime(2026, 4, 30, 16, 30, tzinfo=UTC)).look(Scene())[0].reasons
    assert [len(before), len(after)] == [2, 2]
    assert "《危险化学品安全管理条例》" in before[1]["zh-CN"] and "《危险化学品安全法》" not in before[1]["zh-CN"]
    assert "《危险化学品安全法》" in after[1]["zh-CN"] and "管理条例》" not in after[1]["zh-CN"]
    for words in (before[1], after[1]):
        assert "公安局" in words["zh-CN"] and "Public Security Bureau" in words["en"]
        assert "五日内" in words["zh-CN"] and "尚未与官方文本核对" in words["zh-CN"]
        assert "Not compared with the official texts" in words["en"]


def test_what_was_compared_no_longer_says_that_it_was_not(monkeypatch: pytest.MonkeyPatch) -> None:
    sure = law.Basis(law.basis("no_waybill", date(2024, 1, 1)).laws, (), ("transport",), True)
    monkeypatch.setattr(law, "basis", lambda kind, day: sure)
    words = Fixed(datetime(2024, 1, 1, tzinfo=UTC)).look(Scene())[0].reasons[1]
    assert "核对" not in words["zh-CN"] and "compared" not in words["en"]


def test_a_kind_without_a_law_says_nothing_of_it() -> None:
    assert law.basis("something_else", date(2026, 6, 1)).laws == ()
    assert len(Fixed(datetime(2026, 6, 1, tzinfo=UTC), kind="something_else").look(Scene())[0].reasons) == 1
    assert law.leads(date(1990, 1, 1)) is None


def test_every_kind_has_law_a_stage_and_departments_that_lead() -> None:
    stages = law.duties()[2]
    assert set(stages) == set(law.kinds())
    for kind in law.kinds():
        for day in (date(2020, 7, 1), date(2025, 6, 1), date(2026, 4, 30), date(2026, 5, 1)):
            found = law.basis(kind, day)
            assert found.laws and found.departments, (kind, day)
            assert set(found.departments) <= set(law.departments())
            assert all(kind in due.kinds for due in found.deadlines)
    ids = {one.id for one in law.laws()}
    assert {due.law for due in law.duties()[1]} <= ids


def test_the_page_shows_the_law_of_a_day(tmp_path_factory: pytest.TempPathFactory) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    read = Reader(Lake(tmp_path_factory.mktemp("lake")), now, lambda name: True, zone="Asia/Shanghai")
    for day, there, gone in (("2026-04-30", "国务院令第591号", "2025-12-27"), ("", "2025-12-27", "国务院令第591号")):
        rows = pages.listed(read, now, {"day": day})["rows"]
        assert isinstance(rows, list)
        numbers = " ".join(str(row[1]) for row in rows)
        assert there in numbers and gone not in numbers
        assert all(row[-1] == pages.UNVERIFIED and row[4]["zh-CN"] for row in rows)
        assert pages.deadlines(read, now, {"day": day})["rows"]
        led = pages.leads(read, now, {"day": day})["rows"]
        assert isinstance(led, list) and len(led) == 6
    assert pages.leads(read, now, {"day": "1990-01-01"})["type"] == "text"
