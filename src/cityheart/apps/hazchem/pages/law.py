"""The page of the law: what held on a day for each kind of case, what is due by when, and which departments led."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.chain import STAGES
from cityheart.apps.hazchem.pages.common import column, nothing, table
from cityheart.sdk import Reader, Text, text

__all__ = ["deadlines", "leads", "listed"]

Given = Mapping[str, object]
UNVERIFIED = text("尚未与官方文本核对", "not compared with the official text")
VERIFIED = text("已核对", "compared")


def _day(read: Reader, now: datetime, given: Given) -> date:
    chosen = given.get("day")
    return date.fromisoformat(str(chosen)) if chosen else now.astimezone(read.zone).date()


def _words(verified: bool) -> Text:
    return VERIFIED if verified else UNVERIFIED


def _kinds(kinds: Iterable[str]) -> Text:
    titles = [title for kind, title in law.kinds().items() if kind in kinds]
    return text("、".join(one["zh-CN"] for one in titles), ", ".join(one["en"] for one in titles))


def listed(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Every law in force on the chosen day, with when it began and what follows it."""
    day = _day(read, now, given)
    rows = [
        {
            "title": one.title,
            "number": one.number,
            "since": one.since,
            "until": one.until,
            "kinds": _kinds(one.kinds),
            "verified": _words(one.verified),
        }
        for one in law.laws()
        if one.holds(day)
    ]
    return table(
        [
            column("title", "法律、标准", "Law or standard"),
            column("number", "文号", "Number"),
            column("since", "施行", "In force from"),
            column("until", "失效", "Until"),
            column("kinds", "涉及的预警", "Kinds of warning"),
            column("verified", "文本", "Text"),
        ],
        rows,
    )


def deadlines(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """What law wants done by when, on the chosen day."""
    day = _day(read, now, given)
    held = {one.id: one for one in law.laws() if one.holds(day)}
    rows = [
        {"what": one.what, "law": held[one.law].title, "article": one.article, "verified": _words(one.verified)}
        for one in law.duties()[1]
        if one.law in held
    ]
    return table(
        [
            column("what", "时限", "Due"),
            column("law", "依据", "By"),
            column("article", "条款", "Article"),
            column("verified", "文本", "Text"),
        ],
        rows,
    )


def leads(read: Reader, now: datetime, given: Given) -> dict[str, object]:
    """Which departments led in which stage on the chosen day, and by what."""
    division = law.leads(_day(read, now, given))
    if division is None:
        return nothing("这一天还没有职责划分。", "There was no division of duties on this day.")
    names, titles = law.departments(), {one.id: one.title for one in law.laws()}
    rows = []
    for stage, codes in division.stages.items():
        said = [names[code] for code in codes if code in names]
        rows.append(
            {
                "stage": STAGES[stage] if stage in STAGES else text("运输", "Transport"),
                "who": text("、".join(one["zh-CN"] for one in said), ", ".join(one["en"] for one in said)),
                "law": titles[division.law],
                "article": division.article,
                "verified": _words(division.verified),
            }
        )
    return table(
        [
            column("stage", "环节", "Stage"),
            column("who", "主管部门", "Departments that lead"),
            column("law", "依据", "By"),
            column("article", "条款", "Article"),
            column("verified", "文本", "Text"),
        ],
        rows,
    )
