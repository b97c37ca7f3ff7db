"""The proof of the books: what follows from the log is counted once more, task by task, and held against the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from cityheart.account import formula as formulas
from cityheart.account import plain, rates
from cityheart.account.books import READ as OF_TASKS
from cityheart.account.index import Index, tally
from cityheart.account.ledger import Ledger, Log, from_us, to_us
from cityheart.account.models import RATES, Appeal, Formula

__all__ = ["READ", "faults"]

READ = OF_TASKS | {"appeal.filed", "appeal.dismissed", "formula.published"}
_EVER = datetime(1, 1, 1, tzinfo=UTC)

Told = tuple[str, dict[str, Any], str]
Kept = tuple[list[tuple[dict[str, Any], datetime, str]], list[Appeal]]


def faults(
    told: Sequence[Told], kept: Kept, live: tuple[Log, Index], every: Sequence[Formula], now: datetime, zone: ZoneInfo
) -> list[str]:
    """Everything that does not hold, in words; ``live`` is what the service answers from, ``kept`` its tables."""
    log = Log()
    for type, data, actor in told:
        if type in OF_TASKS:
            log.feed(type, data, actor)
    log.freeze()
    of_tasks = [one for one in told if one[0] in OF_TASKS]
    newest = max((datetime.fromisoformat(data["at"]) for _, data, _ in of_tasks), default=now)
    now = max(now, newest + timedelta(microseconds=1))
    ledger = log.ledger()
    found = [f"{log.ids[task]}: {what}" for task, what in ledger.faults()]
    found += _custody(ledger, log, of_tasks, now)
    found += _figures(log, Index.of(log), of_tasks, every, now)
    found += _same_columns(log, live[0]) + _same_figures(log, live, now)
    return found + _formulas(told, kept[0], zone) + _appeals(told, kept[1])


def _custody(ledger: Ledger, log: Log, told: Sequence[Told], now: datetime) -> list[str]:
    pieces = ledger.pieces(to_us(now))
    opened, ended = ledger.span(to_us(now))
    held = np.zeros(ledger.tasks, dtype=np.int64)
    np.add.at(held, pieces.task, pieces.end - pieces.start)
    found = [f"{log.ids[task]}: custody does not add up" for task in np.flatnonzero(held != ended - opened)]
    gaps = (pieces.task[1:] == pieces.task[:-1]) & (pieces.end[:-1] != pieces.start[1:])
    found += [f"{log.ids[pieces.task[i]]}: custody has a gap or an overlap" for i in np.flatnonzero(gaps)]
    joints = [(a, b) for a, b in ledger.joints(log) if ended[a] != opened[b]]
    found += [f"{log.ids[b]}: its round does not begin where the one before ended" for a, b in joints]
    by_task: dict[str, list[tuple[str, datetime, datetime, bool, str]]] = {}
    for task, holder, start, end, charged, reason in zip(
        *(column.tolist() for column in (pieces.task, pieces.holder, pieces.start, pieces.end, pieces.charged)),
        pieces.reasons(),
        strict=True,
    ):
        piece = (log.names[holder], from_us(start), from_us(end), charged, reason)
        by_task.setdefault(log.ids[task], []).append(piece)
    for task, story in plain.stories(told).items():
        if by_task.get(task, []) != story.custody(now):
            found.append(f"{task}: the ledger and the count by hand differ")
    return found


def _figures(log: Log, index: Index, told: Sequence[Told], every: Sequence[Formula], now: datetime) -> list[str]:
    """Rates, dispatch accuracy and scores by every formula: all time, and up to the middle of it."""
    first = min((datetime.fromisoformat(data["at"]) for _, data, _ in told), default=now)
    upheld, found = plain.effects(told), []
    for since, until in ((_EVER, now), (_EVER, first + (now - first) / 2)):
        stories = plain.stories(told, until).values()
        counted = tally(log, index, to_us(since), to_us(until))
        hand = plain.rates(stories, since, until, upheld)
        nothing = dict.fromkeys(RATES, (0, 0))
        for formula in (each for each in every if each.of == "handling"):
            by_hand = dict(hand)
            for score in rates.scores(counted, log.names, log.pairs, formula):
                mine = {rate: (part.num, part.den) for rate, part in score.rates.items()}
                theirs = by_hand.pop(score.department, nothing)
                if mine != theirs:
                    found.append(f"scores of {score.department}: {mine} and by hand {theirs}")
                elif score.score is not None:
                    points = plain.points(formulas.mapping(formula), theirs)
                    if points is None or abs(points - score.score) > 1e-3:
                        found.append(f"score of {score.department} by {formula.id}: {score.score}, by hand {points}")
            for no_department in ("plan", "coordinator"):
                by_hand.pop(no_department, None)
            found += [f"scores of {unit} are missing" for unit, parts in by_hand.items() if _any(parts)]
        senders = {
            person: (int(right + wrong), int(wrong))
            for person, (right, wrong) in zip(log.people, counted.senders[1:].tolist(), strict=True)
            if right + wrong
        }
        by_hand_senders = {who: what for who, what in plain.dispatchers(stories, since, until).items() if who}
        if {who: what for who, what in senders.items() if who} != by_hand_senders:
            found.append(f"dispatches: {senders} and by hand {by_hand_senders}")
    return list(dict.fromkeys(found))


def _any(parts: Mapping[str, tuple[int, int]]) -> bool:
    return any(den for _, den in parts.values())


def _same_columns(log: Log, live: Log) -> list[str]:
    """What the service holds in memory, in part read from disk, against the log read afresh."""
    most = min(log.tasks, live.tasks)
    if live.ids[:most] != log.ids[:most]:
        return ["the columns kept are of other tasks than the log: delete the city's cache folder"]
    tasks = np.arange(most)
    mine, theirs = log.ledger(tasks), live.ledger(tasks)
    found = []
    for name in ("code", "at", "due", "value"):
        a, b = (getattr(each, name)[np.argsort(each.task, kind="stable")] for each in (mine, theirs))
        if len(a) == len(b) and not np.array_equal(a, b):
            found.append(f"the columns kept differ from the log in {name}: delete the city's cache folder")
    return found


def _same_figures(log: Log, live: tuple[Log, Index], now: datetime) -> list[str]:
    """The counts that the service makes from its index, against those made from the log read afresh."""
    if (live[0].tasks, len(live[0].names), len(live[0].pairs)) != (log.tasks, len(log.names), len(log.pairs)):
        return []  # something happened meanwhile
    log.freeze()
    ever = to_us(_EVER), to_us(now)
    mine, theirs = tally(log, Index.of(log), *ever), tally(*live, *ever)
    same = all(np.array_equal(mine.masks[clock], theirs.masks[clock]) for clock in mine.masks)
    if same and np.array_equal(mine.charged, theirs.charged) and np.array_equal(mine.senders, theirs.senders):
        return []
    return ["the sums kept differ from the log: delete the city's cache folder"]


def _formulas(told: Sequence[Told], kept: list[tuple[dict[str, Any], datetime, str]], zone: ZoneInfo) -> list[str]:
    found = []
    published = {
        (data["formula"]["id"], data["formula"]["version"]): data
        for type, data, _ in told
        if type == "formula.published"
    }
    for content, at, _ in kept:
        key = (content["id"], content["version"])
        data = published.pop(key, None)
        if data is None or data["formula"] != content:
            found.append(f"formula {' '.join(key)} is not the one that was published")
        elif content["valid_from"] <= at.astimezone(zone).date().isoformat():
            found.append(f"formula {' '.join(key)} changes the past")
    return found + [f"formula {' '.join(key)} was published and is gone" for key in published]


def _appeals(told: Sequence[Told], kept: list[Appeal]) -> list[str]:
    """Every appeal's state is what its events say; each was filed once and decided at most once."""
    states: dict[str, tuple[str, str, str | None]] = {}
    found = []
    for type, data, _ in told:
        if type == "appeal.filed":
            states[data["appeal"]] = ("open", data["task"], None)
        elif type in ("appeal.upheld", "appeal.dismissed"):
            was = states.get(data["appeal"])
            if was is None or was[0] != "open":
                found.append(f"{data['appeal']}: decided without having been open")
            states[data["appeal"]] = (type.removeprefix("appeal."), data["task"], data.get("effect"))
    found += [
        f"{appeal.id}: it is kept otherwise than its events say"
        for appeal in kept
        if states.pop(appeal.id, None) != (appeal.state, appeal.task, appeal.effect)
    ]
    return found + [f"{id}: events tell of it and it is gone" for id in states]
