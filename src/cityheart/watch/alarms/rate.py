"""How many alerts the people on duty have to take: rate, floods, who makes them, what is taken in time, what goes stale.

Everything is counted anew from the event log. An *annunciation* is what calls for somebody: an alert was raised, its
level rose, or it came back from a suppression; what is silenced at the moment is counted apart. The measures and their
targets are those of ANSI/ISA-18.2 and EEMUA 191 (``targets.toml``).
"""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, cast
from zoneinfo import ZoneInfo

from cityheart.kernel import limits
from cityheart.kernel.access import departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, TooMany
from cityheart.kernel.text import Text
from cityheart.watch.alarms import store
from cityheart.watch.models import LEVELS

__all__ = ["Annunciation", "Rates", "Told", "count", "floods", "targets"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Operators = Callable[[datetime], int]


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened to an alert: ``what`` is raised, rose, fell, returned, acknowledged, suppressed, ended."""

    what: str
    at: datetime
    level: int | None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Annunciation:
    """An alert called for somebody at ``at``. ``acknowledged``: when somebody took note; ``over``: when it ended or was
    silenced without that."""

    alert: str
    at: datetime
    level: int
    silent: bool
    acknowledged: datetime | None
    over: datetime | None


@cache
def targets() -> Mapping[str, Any]:
    """The targets of ``targets.toml``."""
    return tomllib.loads((Path(__file__).parent / "targets.toml").read_text("utf-8"))


class Rates:
    """Counts the alerts of one city. ``zone`` is only told to who reads."""

    def __init__(self, database: Database, zone: str) -> None:
        self._database = database
        self._zone = ZoneInfo(zone)
        self._operators: Operators | None = None

    def register_operators(self, operators: Operators) -> None:
        """Who says how many people are on duty for alerts at a moment; 0 where there is no roster."""
        self._operators = operators

    def rate(
        self, actor: Actor, *, hours: int = 24, operators: int | None = None, until: datetime | None = None
    ) -> dict[str, object]:
        """What the last ``hours`` before ``until`` (the city's present) asked of each of ``operators``.

        Without ``operators`` those of the roster at that moment, without a roster one. The answer is described in
        docs/how-to/silence-an-alert.md. Raises :class:`Invalid` for what is out of range, :class:`TooMany` when there
        are more than ``limits.RATE_ALERTS`` alerts, :class:`Forbidden`.
        """
        require(actor, "alert.read")
        if not 1 <= hours <= limits.RATE_HOURS:
            raise Invalid(f"hours {hours} is out of range", remedy=f"1 to {limits.RATE_HOURS}")
        if operators is not None and not 1 <= operators <= limits.RATE_OPERATORS:
            raise Invalid(f"operators {operators} is out of range", remedy=f"1 to {limits.RATE_OPERATORS}")
        if until is not None and until.tzinfo is None:
            raise Invalid("until has no offset", remedy="write it as 2026-05-01T08:00:00+08:00")
        now = self._database.clock.now()
        until = now if until is None else min(until.astimezone(UTC), now)
        width = timedelta(minutes=targets()["rate"]["bin_minutes"])
        last = _EPOCH + (until - _EPOCH) // width * width
        since = last + width - timedelta(hours=hours)
        held = departments(actor, "alert.read")
        stale_before = until - timedelta(hours=targets()["own"]["stale_hours"])
        with self._database.read() as conn:
            alerts, told = store.annunciations(conn, held, since, until)
            if len(alerts) > limits.RATE_ALERTS:
                raise TooMany(f"more than {limits.RATE_ALERTS} alerts in {hours} hours", remedy="ask for fewer hours")
            stale, stale_total = store.standing(conn, held, stale_before, limits.RATE_SHOWN)
        on_duty, whence = self._people(operators, until)
        happened: dict[str, list[Told]] = defaultdict(list)
        for row in told:
            happened[row.stream.removeprefix("alert:")].append(_told(row))
        calls = [call for alert, each in happened.items() for call in called(alert, each, until)]
        counted = count(calls, since, until, on_duty)
        named = {row.id: row for row in alerts}
        top = self._worst(calls, named, since, until)
        lasting = [_stale(row, until) for row in stale]
        chattering = _chattering(calls, named, since, until)
        report: dict[str, object] = {
            "since": since,
            "until": until,
            "zone": self._zone.key,
            "operators": {"n": on_duty, "from": whence},
            **counted,
            **top,
            "chattering": chattering,
            "stale": {"total": stale_total, "hours": targets()["own"]["stale_hours"], "items": lasting},
        }
        report["verdicts"] = _verdicts(report)
        return report

    def _people(self, given: int | None, at: datetime) -> tuple[int, str]:
        if given is not None:
            return given, "given"
        listed = 0 if self._operators is None else self._operators(at)
        return (listed, "roster") if listed else (1, "assumed")

    @staticmethod
    def _worst(
        calls: Iterable[Annunciation], named: Mapping[str, Any], since: datetime, until: datetime
    ) -> dict[str, object]:
        heard = [call for call in calls if since <= call.at <= until and not call.silent]
        kinds = Counter(named[call.alert].kind for call in heard)
        matters = Counter(_matter(named[call.alert]) for call in heard)
        newest = {_matter(named[call.alert]): named[call.alert] for call in sorted(heard, key=lambda one: one.at)}
        titles: dict[str, Text] = {row.kind: row.wording["title"] for row in named.values()}
        most = targets()["own"]["worst"]
        ranked = sorted(matters.items(), key=lambda one: (-one[1], one[0]))
        total = len(heard)
        return {
            "kinds": [
                {"kind": kind, "title": titles[kind], "alerts": n, "share": n / total}
                for kind, n in sorted(kinds.items(), key=lambda one: (-one[1], one[0]))[: limits.RATE_SHOWN]
            ],
            "matters": [{**_who(newest[key]), "alerts": n, "share": n / total} for key, n in ranked[:most]],
            # the ten most frequent say something only where there are more than ten to choose from
            "top_share": sum(n for _, n in ranked[:most]) / total if len(ranked) > most else None,
        }


# ── from events to annunciations ───────────────────────────────────────────────────────────────────────────────


def _told(row: Any) -> Told:
    data = cast("Mapping[str, Any]", row.data)
    what = row.type.removeprefix("alert.")
    level = data.get("level")
    if what == "level_changed":
        what = "rose" if level < data["from_level"] else "fell"
    known = data.get("known_at")
    at = datetime.fromisoformat(known) if isinstance(known, str) else row.at
    return Told(what, at, level, bool(data.get("suppressed_by")))


def called(alert: str, happened: Sequence[Told], until: datetime) -> list[Annunciation]:
    """The annunciations of one alert: what happened to it, in order, up to ``until``."""
    found: list[Annunciation] = []
    waiting: Told | None = None
    level = 4

    def close(at: datetime | None, *, taken: bool) -> None:
        nonlocal waiting
        if waiting is not None:
            found.append(
                Annunciation(
                    alert, waiting.at, waiting.level or 4, waiting.silent, at if taken else None, None if taken else at
                )
            )
        waiting = None

    for one in happened:
        if one.at > until:
            break
        level = one.level or level
        if one.what in ("raised", "rose", "returned"):
            close(one.at, taken=False)
            waiting = Told(one.what, one.at, level, one.silent)
        elif one.what == "acknowledged":
            close(one.at, taken=True)
        elif one.what in ("suppressed", "ended"):
            close(one.at, taken=False)
    close(None, taken=False)
    return found


# ── counting ───────────────────────────────────────────────────────────────────────────────────────────────────


def count(calls: Sequence[Annunciation], since: datetime, until: datetime, operators: int) -> dict[str, object]:
    """Bins, totals, average, peak, floods, priorities, what was acknowledged in time; for one operator of several."""
    rule = targets()["rate"]
    width = timedelta(minutes=rule["bin_minutes"])
    bins = (until - since) // width + 1
    by_level = [[0, 0, 0, 0] for _ in range(bins)]
    silent = 0
    heard: list[Annunciation] = []
    for call in calls:
        if not since <= call.at <= until:
            continue
        if call.silent:
            silent += 1
            continue
        heard.append(call)
        by_level[(call.at - since) // width][call.level - 1] += 1
    each = [sum(levels) / operators for levels in by_level]
    highest = max(range(bins), key=lambda n: (each[n], -n))
    flooded, share = floods(each)
    total = len(heard)
    return {
        "bin_minutes": rule["bin_minutes"],
        "bins": [
            {
                "at": since + n * width,
                "alerts": sum(levels),
                "per_operator": each[n],
                "levels": {str(level): levels[level - 1] for level in LEVELS},
            }
            for n, levels in enumerate(by_level)
        ],
        "total": total,
        "silent": silent,
        "average": sum(each) / bins,
        "peak": {"at": since + highest * width, "per_operator": each[highest]},
        "floods": [
            {
                "from": since + first * width,
                "to": since + (last + 1) * width,
                "alerts": sum(sum(levels) for levels in by_level[first : last + 1]),
                "peak": max(each[first : last + 1]),
            }
            for first, last in flooded
        ],
        "flood_share": share,
        "priorities": {
            str(level): sum(levels[level - 1] for levels in by_level) / total if total else None for level in LEVELS
        },
        "acknowledged": _acknowledged(heard, until),
        "fleeting": sum(
            call.over is not None and call.over - call.at <= timedelta(minutes=targets()["own"]["fleeting_minutes"])
            for call in heard
        ),
    }


def floods(rates: Sequence[float]) -> tuple[list[tuple[int, int]], float]:
    """The floods among rates for each bin, as (first bin, last bin), and the share of bins in flood.

    One begins with a bin above ``flood_above`` and goes on until a bin is below ``flood_below``, which is not in it.
    """
    rule = targets()["rate"]
    found: list[tuple[int, int]] = []
    first: int | None = None
    for n, rate in enumerate(rates):
        if first is None and rate > rule["flood_above"]:
            first = n
        elif first is not None and rate < rule["flood_below"]:
            found.append((first, n - 1))
            first = None
    if first is not None:
        found.append((first, len(rates) - 1))
    return found, sum(last - first + 1 for first, last in found) / len(rates)


def _acknowledged(heard: Iterable[Annunciation], until: datetime) -> dict[str, object]:
    """Of the annunciations whose time to be acknowledged has come: how many were in it."""
    allowed = {int(level): minutes for level, minutes in targets()["own"]["acknowledge_minutes"].items()}
    due, timely = Counter[int](), Counter[int]()
    took: dict[int, list[float]] = defaultdict(list)
    for call in heard:
        last = call.at + timedelta(minutes=allowed[call.level])
        if call.acknowledged is not None:
            took[call.level].append((call.acknowledged - call.at).total_seconds())
        elif call.over is not None and call.over <= last:
            continue  # it was over, or another took its place, before its time was
        elif until <= last:
            continue
        due[call.level] += 1
        timely[call.level] += call.acknowledged is not None and call.acknowledged <= last
    n = sum(due.values())
    return {
        "due": n,
        "in_time": sum(timely.values()),
        "share": sum(timely.values()) / n if n else None,
        "levels": {
            str(level): {
                "minutes": allowed[level],
                "due": due[level],
                "in_time": timely[level],
                "median_s": median(took[level]) if took[level] else None,
            }
            for level in LEVELS
        },
    }


def _chattering(
    calls: Iterable[Annunciation], named: Mapping[str, Any], since: datetime, until: datetime
) -> list[dict[str, object]]:
    """Matters that called again and again within an hour, the worst first."""
    own = targets()["own"]
    times: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    rows: dict[tuple[str, str, str], Any] = {}
    for call in calls:
        if since <= call.at <= until and not call.silent:
            row = named[call.alert]
            times[_matter(row)].append(call.at)
            rows[_matter(row)] = row
    within, least = timedelta(minutes=own["chattering_minutes"]), own["chattering_times"]
    found = []
    for matter, moments in times.items():
        moments.sort()
        spells = [last - first for first, last in zip(moments, moments[least - 1 :], strict=False)]
        if spells and min(spells) <= within:
            found.append((len(moments), matter))
    found.sort(key=lambda one: (-one[0], one[1]))
    return [{**_who(rows[matter]), "alerts": n} for n, matter in found[: limits.RATE_SHOWN]]


def _verdicts(report: Mapping[str, Any]) -> list[dict[str, object]]:
    """Each measure with its target: good, watch (above the target, still manageable) or bad."""
    rule = targets()["rate"]
    measured: list[tuple[str, float | None, float, float]] = [
        ("average", report["average"], rule["average_good"], rule["average_most"]),
        ("peak", report["peak"]["per_operator"], rule["peak_good"], rule["peak_good"]),
        ("flood_share", report["flood_share"], rule["flood_share_good"], rule["flood_share_good"]),
        ("top_share", report["top_share"], rule["top_share_good"], rule["top_share_good"]),
        ("chattering", float(len(report["chattering"])), 0.0, 0.0),
        ("stale", float(report["stale"]["total"]), rule["stale_good"] - 1, rule["stale_good"] - 1),
    ]
    return [
        {
            "measure": name,
            "value": value,
            "target": good,
            "most": most,
            "verdict": "none" if value is None else "good" if value <= good else "watch" if value <= most else "bad",
        }
        for name, value, good, most in measured
    ]


def _matter(row: Any) -> tuple[str, str, str]:
    return row.kind, row.subject_kind, row.subject_id


def _who(row: Any) -> dict[str, object]:
    return {
        "alert_id": row.id,
        "kind": row.kind,
        "title": row.wording["title"],
        "subject": {"kind": row.subject_kind, "id": row.subject_id, "name": row.subject_name},
    }


def _stale(row: Any, until: datetime) -> dict[str, object]:
    return {
        **_who(row),
        "level": row.level,
        "state": row.state,
        "raised_at": row.raised_at,
        "hours": (until - row.raised_at).total_seconds() / 3600,
        "incident_id": row.incident_id,
    }
