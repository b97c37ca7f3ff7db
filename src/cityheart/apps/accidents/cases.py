"""Closed cases made of accident records: one case for one accident, however many submissions and processes tell of it.

An accident is a facility, a day and a time of day. People are counted once (the largest number that a record tells),
chemicals are put together, and a flag stands when any record raises it. A case says in both languages what was
released, what happened, who was hurt, why, and what was done; which plan anybody followed is not told by the source.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cityheart.apps.accidents.chemicals import Chemical, Released, released
from cityheart.apps.accidents.records import contract
from cityheart.sdk import Text, text

__all__ = ["KIND", "NO_PLAN", "ORIGIN", "accident_of", "cases", "level_of"]

KIND = "chemical_accident"
ORIGIN = "epa-rmp"
NO_PLAN = "not-recorded"  # a case names a plan; the source tells of none
Row = Mapping[str, object]

_CHARS = 4_000  # a case has no more
_TOLD_CHARS = 400  # of one note of a facility
_FEW = 6  # chemicals in the first sentence
_LONGEST = timedelta(hours=999, minutes=99)

_ABOUT = "美国 EPA 风险管理计划申报，时刻为当地时间。Reported to the US EPA Risk Management Program; local time."

_DEATHS = ("deaths_workers", "deaths_responders", "deaths_public", "deaths_offsite")
_INJURIES = ("injuries_workers", "injuries_responders", "injuries_public", "treated")
_HOSPITAL = ("hospitalised",)
_BEGINNINGS = {
    "a": text("设备故障", "equipment failure"),
    "b": text("人为失误", "human error"),
    "c": text("自然因素", "natural causes"),
    "d": text("原因不详", "an unknown cause"),
}


def cases(rows: Iterable[Row], known: dict[str, Chemical], *, kind: str = KIND) -> list[dict[str, object]]:
    """Cases as the knowledge base takes them in, one for each accident, by their id.

    ``rows`` are records that stand (:func:`~cityheart.apps.accidents.records.standing`), ``known`` the register of
    chemicals, ``kind`` the kind of matter they are to be found for.
    """
    told: dict[str, list[Row]] = {}
    for row in rows:
        told.setdefault(accident_of(row), []).append(row)
    return [_case(id, records, known, kind) for id, records in sorted(told.items())]


def accident_of(row: Row) -> str:
    """The id of the accident that a record tells of: facility, day, and the time of day where it is one."""
    return f"{row['facility_id']}-{row['accident_date']}-{_clock(row) or 'unknown'}"[:120]


def _clock(row: Row) -> str | None:
    spelled = str(row.get("accident_time") or "").strip().zfill(4)
    return spelled if re.fullmatch(r"([01]\d|2[0-3])[0-5]\d", spelled) and row.get("accident_time") else None


def _case(id: str, records: Sequence[Row], known: dict[str, Chemical], kind: str) -> dict[str, object]:
    first = records[0]
    opened = _opened(first)
    what = _released(records, known)
    return {
        "id": id,
        "kind": kind,
        "level": level_of(_sum(records, _DEATHS), _sum(records, _HOSPITAL)),
        "opened_at": opened.isoformat(),
        "closed_at": (opened + max(_lasted(row) for row in records)).isoformat(),
        "text": _text(records, what)[:_CHARS],
        "plan": NO_PLAN,
    }


def _opened(row: Row) -> datetime:
    """Day and local time of the accident. The source gives no zone: the clock on the wall, taken for UTC."""
    day, clock = row["accident_date"], _clock(row)
    assert isinstance(day, date)
    return datetime(
        day.year, day.month, day.day, int(clock[:2]) if clock else 0, int(clock[2:]) if clock else 0, tzinfo=UTC
    )


def _lasted(row: Row) -> timedelta:
    """``HHHMM`` as time; nothing where it cannot be read."""
    spelled = str(row.get("duration") or "").strip()
    if not re.fullmatch(r"\d{3,5}", spelled):
        return timedelta(0)
    return min(_LONGEST, timedelta(hours=int(spelled[:-2]), minutes=int(spelled[-2:])))


def _released(records: Sequence[Row], known: dict[str, Chemical]) -> list[Released]:
    found: dict[tuple[str, float | None], Released] = {}
    for row in records:
        for one in released(str(row["chemicals"]), known):
            found.setdefault((one.reported, one.tonnes), one)
    return sorted(found.values(), key=lambda one: (-(one.tonnes or 0.0), one.reported))


# ── how grave ──────────────────────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def _levels() -> list[dict[str, int]]:
    text = (Path(__file__).parent / "data" / "levels.toml").read_text("utf-8")
    levels: list[dict[str, int]] = tomllib.loads(text)["levels"]
    return levels


def level_of(deaths: int, grave: int) -> int:
    """1 (most grave) to 4, by deaths and gravely injured (``data/levels.toml``)."""
    return next(
        one["level"] for one in _levels() if deaths >= one["deaths"] or (one["grave"] and grave >= one["grave"])
    )  # fmt: skip


def _most(records: Sequence[Row], name: str) -> int:
    """The largest number that a record tells; 0 where none tells any."""
    return max((int(value) for row in records if isinstance(value := row.get(name), int | float)), default=0)


def _sum(records: Sequence[Row], names: Iterable[str]) -> int:
    return sum(_most(records, name) for name in names)


# ── in words ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _text(records: Sequence[Row], what: Sequence[Released]) -> str:
    said = [
        _headline(records, what),
        _where_from(records),
        _hurt(records),
        _harm(records),
        _why(records),
        _done(records),
    ]
    parts = [one for one in said if one is not None]
    zh, en = "。".join(one["zh-CN"] for one in parts), ". ".join(one["en"] for one in parts)
    return f"{zh}。\n{en}.\n{_ABOUT}"


def _headline(records: Sequence[Row], what: Sequence[Released]) -> Text:
    first = records[0]
    at = _clock(first)
    when = f"{first['accident_date']}" + (f" {at[:2]}:{at[2:]}" if at else "")
    happened = _flags(records, ("gas", "spill", "fire", "explosion", "reaction"))
    zh = "、".join(_spelled(one, "zh-CN") for one in what[:_FEW])
    en = ", ".join(_spelled(one, "en") for one in what[:_FEW])
    if len(what) > _FEW:
        zh, en = f"{zh}等 {len(what)} 种", f"{en} and {len(what) - _FEW} more"
    if not happened:
        return text(f"{when} 化学事故：{zh}", f"{when} chemical accident: {en}")
    return text(
        f"{when} 化学事故：{zh}，{_joined(happened, 'zh-CN')}",
        f"{when} chemical accident: {en}; {_joined(happened, 'en')}",
    )


def _spelled(one: Released, language: str) -> str:
    cas = f"CAS {one.chemical.cas}" if one.chemical else ""
    amount = ""
    if one.tonnes is not None:
        amount = f" {one.tonnes:,.0f}" if one.tonnes >= 1000 else f" {one.tonnes:.3g}"
    if language != "zh-CN":
        name = one.chemical.name[language] if one.chemical else one.reported
        return name + (f" ({cas})" if cas else "") + (f"{amount} t" if amount else "")
    # As people say and search it: 氯气泄漏, where the register has 氯.
    names = [*(one.also.split("、") if one.also else ()), one.chemical.name["zh-CN"] if one.chemical else one.reported]
    more = "，".join([*([cas] if cas else ()), *names[1:]])
    return f"{names[0]}泄漏" + (f"{amount} 吨" if amount else "") + (f"（{more}）" if more else "")


def _where_from(records: Sequence[Row]) -> Text | None:
    found = _flags(
        records,
        ("from_storage", "from_piping", "from_process", "from_hose", "from_valve", "from_pump", "from_joint"),
        "from_other",
    )
    told = [text(f"{one['zh-CN']}泄漏" if one["zh-CN"] != one["en"] else one["zh-CN"], one["en"]) for one in found]
    return _said(told, text("泄漏部位：", "Released from: "))


def _hurt(records: Sequence[Row]) -> Text | None:
    counted = (
        (_sum(records, _DEATHS), text("死亡 {} 人", "{} dead")),
        (_sum(records, _INJURIES), text("受伤或就医 {} 人", "{} injured or treated")),
        (_sum(records, _HOSPITAL), text("厂外住院 {} 人", "{} in hospital")),
        (_most(records, "evacuated"), text("疏散群众 {} 人", "{} evacuated")),
        (_most(records, "sheltered"), text("就地避险 {} 人", "{} sheltered in place")),
    )
    found = [text(words["zh-CN"].format(n), words["en"].format(n)) for n, words in counted if n]
    return _said(found, text("", "")) or text("没有人员伤亡和疏散", "Nobody was hurt or evacuated")


def _harm(records: Sequence[Row]) -> Text | None:
    found = _flags(records, ("harm_animals", "harm_plants", "harm_water", "harm_soil"), "harm_other")
    for name in ("damage_onsite_usd", "damage_offsite_usd"):
        if usd := _most(records, name):
            title = _title(name)
            found.append(text(f"{title['zh-CN']} {usd:,}", f"{title['en']} {usd:,}"))
    return _said(found, text("后果：", "Consequences: "))


def _why(records: Sequence[Row]) -> Text | None:
    begun = [_BEGINNINGS[code] for code in sorted({str(row.get("initiating")) for row in records} & _BEGINNINGS.keys())]
    by = _flags(records, tuple(name for name in _names() if name.startswith("by_") and name != "by_other"), "by_other")
    return _said(list({one["en"].casefold(): one for one in [*begun, *by]}.values()), text("原因：", "Because of: "))


def _done(records: Sequence[Row]) -> Text | None:
    did = tuple(name for name in _names() if name.startswith("did_") and name not in ("did_other", "did_nothing"))
    found = _flags(records, did, "did_other")
    if answered := _notes(records, "responders"):
        found.insert(0, text(f"场外救援：{answered}", f"off-site responders: {answered}"))
    return _said(found, text("处置与改进：", "What was done: "))


def _flags(records: Sequence[Row], names: Iterable[str], other: str | None = None) -> list[Text]:
    found = [_title(name) for name in names if any(row.get(name) for row in records)]
    if other and (noted := _notes(records, other)):
        found.append(text(noted, noted))
    return found


def _notes(records: Sequence[Row], name: str) -> str:
    """What facilities wrote, each note once; one that says that there is nothing to say is left out."""
    told = dict.fromkeys(" ".join(str(row.get(name) or "").split()) for row in records)
    return "; ".join(one for one in told if one.casefold() not in ("", "none", "n/a", "na", "0", "unknown"))[
        :_TOLD_CHARS
    ]


def _said(found: Sequence[Text], lead: Text) -> Text | None:
    if not found:
        return None
    return text(lead["zh-CN"] + _joined(found, "zh-CN"), lead["en"] + _joined(found, "en"))


def _joined(found: Sequence[Text], language: str) -> str:
    return ("、" if language == "zh-CN" else ", ").join(one[language] for one in found)


@functools.cache
def _names() -> dict[str, Text]:
    return {field.name: field.title or text(field.name, field.name) for field in contract().fields}


def _title(name: str) -> Text:
    return _names()[name]
