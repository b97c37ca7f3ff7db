"""Scoring by the rules of test cities, each rule with a case of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cityheart import playing
from cityheart.kernel.errors import Invalid
from cityheart.simulation.player.score import Case, Told, read_cases, read_findings, score

from . import tiny

DAY = timedelta(days=1)
START = datetime(2026, 3, 24, tzinfo=UTC)
OPEN = datetime.max.replace(tzinfo=UTC)


def case(day: float, until: float | None = None, *, kind: str = "k", subject: str = "S1") -> Case:
    return Case(
        f"{kind}-{subject}-{day}", kind, subject, START + day * DAY, OPEN if until is None else START + until * DAY
    )


def told(
    day: float, until: float | None = None, *, raised: float | None = None, kind: str = "k", subject: str = "S1"
) -> Told:
    end = OPEN if until is None else START + until * DAY
    return Told(kind, subject, START + day * DAY, end, START + (day if raised is None else raised) * DAY)


def figures(cases: list[Case], findings: list[Told]) -> dict[str, Any]:
    kinds: Any = score(cases, findings)["kinds"]
    found: dict[str, Any] = kinds["k"]
    return found


@pytest.mark.parametrize(
    ("cases", "findings", "hits", "false"),
    [
        ([case(1, 2)], [told(1.5, 3)], 1, 0),  # times overlap
        ([case(1, 2)], [told(3, 4, raised=7.9)], 1, 0),  # raised within seven days after the start
        ([case(1, 2)], [told(9, 10, raised=9)], 0, 1),  # too late
        ([case(1, 2)], [told(0.1, 0.2, raised=0.5)], 0, 1),  # before it began
        ([case(1, 2)], [told(1, 2, subject="S2")], 0, 1),
        ([case(1, 2)], [told(1, 2, kind="other")], 0, 0),
        ([case(1)], [told(60)], 1, 0),  # a case without an end goes on
        ([case(1, 2)], [told(1, 1.2), told(1.5, 1.7)], 1, 0),  # a further finding counts neither way
        ([case(1, 2), case(3, 4)], [told(1, 4)], 1, 0),  # a finding finds one case
        ([case(1, 2), case(3, 4)], [told(1, 3.2), told(3.1, 4)], 1, 0),  # findings that overlap count as one
        ([case(1, 2), case(3, 4)], [told(3, 3.5), told(1.2, 1.5)], 2, 0),
        ([case(1, 4, subject="121.0,32.0")], [told(2, 3, subject="121.003,32.0")], 1, 0),  # 283 m away
        ([case(1, 4, subject="121.0,32.0")], [told(2, 3, subject="121.0033,32.0")], 0, 1),  # 311 m away
        ([], [told(1, 2)], 0, 1),
        ([case(1, 2)], [], 0, 0),
    ],
)
def test_rules(cases: list[Case], findings: list[Told], hits: int, false: int) -> None:
    found = figures(cases, findings)
    assert (found["hits"], found["false_alarms"]) == (hits, false)
    assert found["recall"] == (hits / len(cases) if cases else None)


def test_as_many_cases_as_possible_are_found() -> None:
    cases = [case(1, 2), case(2.5, 3)]
    assert figures(cases, [told(1.9, 2.1, raised=2.6), told(1, 1.1, raised=1)])["hits"] == 2


def test_figures() -> None:
    both = score(
        [case(1, 2), case(1, 2, subject="S9"), case(1, kind="n")], [told(1.5, 2, raised=1.75), told(5, 6, raised=20)]
    )
    kinds: Any = both["kinds"]
    assert kinds["k"] == {
        "cases": 2, "findings": 2, "hits": 1, "false_alarms": 1, "precision": 0.5, "recall": 0.5, "f1": 0.5,
        "delay_hours": 18.0,
    }  # fmt: skip
    assert kinds["n"]["f1"] == 0.0 and both["macro_f1"] == 0.25


def _truth(folder: Path, lines: list[str]) -> None:
    (folder / "truth").mkdir(exist_ok=True)
    text = "\n".join(["case_id,kind,subject,from,to,detail", *lines]) + "\n"
    (folder / "truth" / "truth.csv").write_text(text, "utf-8")


def test_the_command_compares_and_plays_nothing(tmp_path: Path) -> None:
    (tmp_path / "city.json").write_text(json.dumps(tiny.FRAME))
    _truth(tmp_path, [f"C1,tank_full,T2,{tiny.at(-9000)},,", f"C2,mass_imbalance,S1,{tiny.at(-9000)},{tiny.at(0)},"])
    finding = {"kind": "tank_full", "subject": "T2", "from": tiny.at(60), "to": None, "raised_at": tiny.at(90)}
    (tmp_path / "f.jsonl").write_text(json.dumps(finding) + "\n\n")
    found = playing.scored(Console(quiet=True), tmp_path, tmp_path / "f.jsonl", tmp_path / "r.json")
    kinds: Any = json.loads((tmp_path / "r.json").read_text())["kinds"]
    assert kinds["tank_full"]["hits"] == 1 and found["macro_f1"] == 0.5
    assert kinds["tank_full"]["delay_hours"] == 1.5  # the case counts from the data's start
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["truth"]


def test_what_cannot_be_scored(tmp_path: Path) -> None:
    (tmp_path / "city.json").write_text(json.dumps(tiny.FRAME))
    folder = playing.CityFolder.read(tmp_path)
    with pytest.raises(Invalid, match="holds no"):
        read_cases(folder)
    _truth(tmp_path, ["C1,tank_full,T2,soon,,"])
    with pytest.raises(Invalid, match="no list of cases"):
        read_cases(folder)
    (tmp_path / "f.jsonl").write_text('{"kind": "k"}\n')
    with pytest.raises(Invalid, match=r"f\.jsonl, line 1"):
        read_findings(tmp_path / "f.jsonl")
    with pytest.raises(Invalid, match="no file"):
        playing.scored(Console(quiet=True), tmp_path, tmp_path / "none", None)
