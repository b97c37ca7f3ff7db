"""Judges the warnings against what happened: episodes, lead times, warned days, the skill of the forecast.

Everything is computed from a play of the past in the order in which the city knew it; days are local days of Beijing.
``python -m cityheart.apps.air.evaluate`` prints the judgement of the four years as JSON.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from cityheart.apps.air import feed, forecast, levels
from cityheart.apps.air.detectors import HeavyPollution
from cityheart.sdk import Finding, Reader

Array = npt.NDArray[np.float64]

DATA = Path(__file__).parent / "data" / "beijing-air.zip"
TUNED_UNTIL = date(2015, 1, 1)
"""Thresholds were chosen on the days before; what comes after judges them."""

EPISODES: tuple[tuple[date, date, int], ...] = (
    (date(2015, 11, 27), date(2015, 12, 1), 2),
    (date(2015, 12, 7), date(2015, 12, 9), 2),
    (date(2015, 12, 20), date(2015, 12, 23), 1),
    (date(2016, 12, 17), date(2016, 12, 21), 1),
    (date(2016, 12, 30), date(2017, 1, 7), 1),
)
"""Known episodes, first and last day, and the mildest level that counts (2 orange, 1 red)."""

LOCAL = timedelta(hours=8)
"""Beijing time minus UTC."""

_EPOCH = date(1970, 1, 1)
_HOUR = 3_600_000_000


def readings(data: Path = DATA) -> pa.Table:
    """The data set as rows of ``air_hourly`` with ``_known_at``, in the order in which the city knew them."""
    contract = json.loads((Path(__file__).parent / "contracts" / "air_hourly.json").read_text("utf-8"))
    renamed = contract["cityheart"]["rename"]
    tables = []
    with zipfile.ZipFile(data) as archive:
        for name in sorted(archive.namelist()):
            content = archive.read(name)
            tables.append(_typed(content, renamed))
    table = pa.concat_tables(tables)
    order = [("_known_at", "ascending"), ("observed_at", "ascending"), ("station", "ascending")]
    return table.sort_by(order).combine_chunks()


def _typed(content: bytes, renamed: Mapping[str, str]) -> pa.Table:
    numbers = {header: pa.float64() for header in renamed if header not in ("No", "day")}
    options = pa.csv.ConvertOptions(column_types=numbers, null_values=["NA"], strings_can_be_null=True)
    table = pa.csv.read_csv(pa.py_buffer(content), convert_options=options)
    hours = feed.hours_of(table)
    columns = {renamed.get(name, name): table[name] for name in table.column_names}
    for name in ("row_number", "year", "month", "day_of_month", "hour"):
        del columns[name]
    moment = pa.timestamp("us", "UTC")
    known = hours * _HOUR + _HOUR + feed.PUBLICATION_LAG // timedelta(microseconds=1)
    moments = {"observed_at": pa.array(hours * _HOUR).cast(moment), "_known_at": pa.array(known).cast(moment)}
    return pa.table(columns | moments)


@dataclass(frozen=True)
class Played:
    """What a play gave: the findings in order, and the rows of ``air_city``."""

    findings: Sequence[Finding]
    city: pa.Table


def play(rows: pa.Table, rows_a_batch: int = 168 * 12, detector: HeavyPollution | None = None) -> Played:
    """Steps the detector over ``rows`` in batches of the given size."""
    detector = detector or HeavyPollution()
    state = detector.init("")
    findings: list[Finding] = []
    tables: list[pa.Table] = []
    for start in range(0, rows.num_rows, rows_a_batch):
        step = detector.step(state, rows.slice(start, rows_a_batch))
        state = step.state
        findings += step.findings
        tables.append(step.outputs["air_city"])
    return Played(findings, pa.concat_tables(tables))


def teach(rows: pa.Table) -> Mapping[str, object]:
    """What the detector has learnt of ``rows`` when ``TUNED_UNTIL`` begins: the arrays of ``data/taught-2014.npz``."""
    first = (TUNED_UNTIL - _EPOCH).days
    hours = rows["observed_at"].cast(pa.int64()).to_numpy() // _HOUR
    before = int(np.searchsorted(hours, first * 24 - 8, side="right"))  # the first row of the day ends the day before
    detector = HeavyPollution()
    state = detector.init("")
    for start in range(0, before, 168 * 12):
        state = detector.step(state, rows.slice(start, min(168 * 12, before - start))).state
    return {"first_day": np.int64(first), "moments": state["moments"]}


def daily(city: pa.Table) -> dict[date, float]:
    """Daily AQI of every local day that has one: the moving 24-hour index at its last hour."""
    hours = _hours(city)
    last = (hours + 8) % 24 == 23
    values = city["aqi_24h"].to_numpy().astype(float)[last]
    days = ((hours[last] + 8) // 24).tolist()
    known = ((day, float(value)) for day, value in zip(days, values, strict=True) if not np.isnan(value))
    return {_EPOCH + timedelta(days=day): value for day, value in known}


def _hours(city: pa.Table) -> npt.NDArray[np.int64]:
    return np.asarray(city["observed_at"].cast(pa.int64()).to_numpy() // _HOUR)


@dataclass(frozen=True)
class Warning:
    """One warning from its raising to its end (None: it stands): levels with the moments they were reached."""

    levels: tuple[tuple[datetime, int], ...]
    ended: datetime | None

    @property
    def raised(self) -> datetime:
        """When it was raised."""
        return self.levels[0][0]

    def days(self, until: date) -> Iterator[date]:
        """Local days on which it stood, up to ``until``."""
        day, last = _local(self.raised), _local(self.ended) if self.ended else until
        while day <= last:
            yield day
            day += timedelta(days=1)

    def worst(self, since: datetime, until: datetime) -> int | None:
        """The most severe level in force at some moment of [since, until)."""
        ends = [moment for moment, _ in self.levels[1:]] + [self.ended or until]
        held = [level for (begin, level), end in zip(self.levels, ends, strict=True) if begin < until and end > since]
        return min(held, default=None)


def _local(moment: datetime) -> date:
    return (moment.astimezone(UTC) + LOCAL).date()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - LOCAL


def warnings(findings: Sequence[Finding]) -> list[Warning]:
    """Findings of one matter merged into warnings, as watch does."""
    merged: list[Warning] = []
    levels: list[tuple[datetime, int]] = []
    for finding in findings:
        if finding.level is not None:
            levels.append((finding.at, finding.level))
        elif levels:
            merged.append(Warning(tuple(levels), finding.at))
            levels = []
    return [*merged, Warning(tuple(levels), None)] if levels else merged


@dataclass(frozen=True)
class Episode:
    """A known episode: which level it had to reach, which it reached when, and how long before its first day above 200
    the warning was raised (hours from the raising to that day's local midnight; negative: after it began)."""

    first: str
    last: str
    wanted: int
    reached: int | None
    reached_at: datetime | None
    raised_at: datetime | None
    hours_before: float | None

    @property
    def met(self) -> bool:
        """Whether the level was reached before the end of the episode."""
        return self.reached is not None and self.reached <= self.wanted


def episodes(found: Sequence[Warning]) -> list[Episode]:
    """The known episodes against warnings."""
    judged = []
    for first, last, wanted in EPISODES:
        since, until = _midnight(first), _midnight(last + timedelta(days=1))
        standing = [each for each in found if each.raised < until and (each.ended is None or each.ended > since)]
        worst = min((level for each in standing if (level := each.worst(since, until))), default=None)
        reached = [moment for each in standing for moment, level in each.levels if level == worst and moment < until]
        raised = min((each.raised for each in standing), default=None)
        judged.append(
            Episode(
                first.isoformat(),
                last.isoformat(),
                wanted,
                worst,
                min(reached, default=None),
                raised,
                round((since - raised) / timedelta(hours=1), 1) if raised else None,
            )
        )
    return judged


@dataclass(frozen=True)
class Days:
    """Counts of local days: heavy (AQI above 200), warned at some hour, warned without being heavy, heavy without a
    warning; ``eve_or_morrow`` of the days warned in vain were the day before or after a heavy one."""

    heavy: int
    warned: int
    warned_not_heavy: int
    eve_or_morrow: int
    heavy_not_warned: int
    warnings: int
    warnings_without_heavy_day: int
    median_hours_before: float | None


def days(found: Sequence[Warning], values: Mapping[date, float], since: date, until: date) -> Days:
    """Warnings against the daily AQI of the local days in [since, until)."""
    known = {day: value for day, value in values.items() if since <= day < until}
    heavy = {day for day, value in known.items() if value > forecast.HEAVY}
    all_heavy = {day for day, value in values.items() if value > forecast.HEAVY}
    end = max(values)
    warned = {day for each in found for day in each.days(end)} & known.keys()
    vain = warned - heavy
    beside = {day for day in vain if {day - timedelta(days=1), day + timedelta(days=1)} & all_heavy}
    within = [each for each in found if since <= _local(each.raised) < until]
    led = []
    for each in within:
        first = min((day for day in each.days(end) if day in all_heavy), default=None)
        if first is not None:
            led.append((_midnight(first) - each.raised) / timedelta(hours=1))
    return Days(
        heavy=len(heavy),
        warned=len(warned),
        warned_not_heavy=len(vain),
        eve_or_morrow=len(beside),
        heavy_not_warned=len(heavy - warned),
        warnings=len(within),
        warnings_without_heavy_day=len(within) - len(led),
        median_hours_before=round(float(np.median(led)), 1) if led else None,
    )


@dataclass(frozen=True)
class Skill:
    """One lead of the forecast, issued at one local hour, beside persistence (the present 24-hour index) and climatology
    (the median of the ninety days before).

    Mean absolute errors in AQI. Hits, false alarms, misses and the critical success index for a day above 200, by the
    rule's own threshold or, where the lead has none, by forecasts above 200 in value. The Brier skill score of the
    probability against the share of heavy days, None when all days or none were heavy; the error of climatology is None
    before thirty days are known.
    """

    lead: int
    issued: int
    days: int
    error: float
    error_persistence: float
    error_climatology: float | None
    hits: int
    false_alarms: int
    misses: int
    csi: float
    csi_persistence: float
    brier_skill: float | None


def skill(city: pa.Table, thresholds: Sequence[float], since: date, until: date, hour: int = 19) -> list[Skill]:
    """Skill of the forecasts issued when the local hour ``hour`` was complete, on days of issue in [since, until).

    A lead without a day to judge is left out.
    """
    hours = _hours(city)
    issued = (hours + 8) // 24
    span = ((since - _EPOCH).days, (until - _EPOCH).days)
    learnt = city["days_learnt"].to_numpy() > 0
    chosen = ((hours + 8) % 24 == hour) & (issued >= span[0]) & (issued < span[1]) & learnt
    present = city["aqi_24h"].to_numpy().astype(float)
    usual = _usual(city, issued)
    truth = {(day - _EPOCH).days: value for day, value in daily(city).items()}
    judged = []
    for lead in range(forecast.LEADS):
        seen = np.array([truth.get(day + lead, np.nan) for day in issued.tolist()])
        value, heavy = (city[f"{name}_d{lead}"].to_numpy().astype(float) for name in ("aqi", "heavy"))
        used = chosen & ~np.isnan(seen) & ~np.isnan(value) & ~np.isnan(present)
        happened = seen[used] > forecast.HEAVY
        counts = thresholds[lead] <= 1.0
        said = heavy[used] > thresholds[lead] if counts else value[used] > forecast.HEAVY
        persisted = present[used] > forecast.HEAVY
        if not used.any():
            continue
        judged.append(
            Skill(
                lead,
                hour,
                int(used.sum()),
                round(float(np.abs(value[used] - seen[used]).mean()), 1),
                round(float(np.abs(present[used] - seen[used]).mean()), 1),
                _mean_error(usual[used], seen[used]),
                int((said & happened).sum()),
                int((said & ~happened).sum()),
                int((~said & happened).sum()),
                _csi(said, happened),
                _csi(persisted, happened),
                _brier_skill(heavy[used], happened),
            )
        )
    return judged


def _mean_error(said: Array, seen: Array) -> float | None:
    known = ~np.isnan(said)
    return round(float(np.abs(said[known] - seen[known]).mean()), 1) if known.any() else None


def _usual(city: pa.Table, issued: npt.NDArray[np.int64]) -> Array:
    """Median daily AQI of the ninety days before each day of issue; NaN before thirty of them are known."""
    truth = {(day - _EPOCH).days: value for day, value in daily(city).items()}
    medians = {}
    for day in np.unique(issued).tolist():
        known = [truth[back] for back in range(day - 90, day) if back in truth]
        medians[day] = float(np.median(known)) if len(known) >= 30 else np.nan
    return np.array([medians[day] for day in issued.tolist()])


def _csi(said: npt.NDArray[np.bool_], happened: npt.NDArray[np.bool_]) -> float:
    return round(float((said & happened).sum() / max((said | happened).sum(), 1)), 3)


def _brier_skill(heavy: Array, happened: npt.NDArray[np.bool_]) -> float | None:
    rate = float(happened.mean())
    if rate in (0.0, 1.0):
        return None
    return round(1.0 - float(((heavy - happened) ** 2).mean()) / (rate * (1.0 - rate)), 3)


def thresholds(city: pa.Table, until: date = TUNED_UNTIL, false_alarm_ratio: float = 0.5) -> list[float]:
    """The decision threshold of every lead from the days before ``until`` alone, over all hours of issue.

    Of the probabilities 0.05, 0.10 … the one with the best critical success index among those of whose forecasts at
    most ``false_alarm_ratio`` were false; 1.01, which is never reached, when there is none.
    """
    hours = _hours(city)
    issued = (hours + 8) // 24
    before = (until - _EPOCH).days
    truth = {(day - _EPOCH).days: value for day, value in daily(city).items()}
    chosen = []
    for lead in range(forecast.LEADS):
        seen = np.array([truth.get(day + lead, np.nan) for day in issued.tolist()])
        heavy = city[f"heavy_d{lead}"].to_numpy().astype(float)
        used = (issued + lead < before) & (city["days_learnt"].to_numpy() > 0) & ~np.isnan(seen) & ~np.isnan(heavy)
        happened = seen[used] > forecast.HEAVY
        best = (0.0, 1.01)
        for step in range(1, 20):
            said = heavy[used] > step / 20
            if said.sum() >= 24 and (said & ~happened).sum() <= false_alarm_ratio * said.sum():
                best = max(best, (_csi(said, happened), step / 20))
        chosen.append(best[1])
    return chosen


def judgement(played: Played, used: Sequence[float]) -> dict[str, object]:
    """Everything above, for the days the thresholds were chosen on, the days after, and all."""
    values = daily(played.city)
    found = warnings(played.findings)
    spans = {
        "2013-03/2017-02": (min(values), max(values) + timedelta(days=1)),
        "chosen on": (min(values), TUNED_UNTIL),
        "judged on": (TUNED_UNTIL, max(values) + timedelta(days=1)),
    }
    return {
        "episodes": [asdict(each) | {"met": each.met} for each in episodes(found)],
        "days": {name: asdict(days(found, values, *span)) for name, span in spans.items()},
        "skill": {name: [asdict(each) for each in skill(played.city, used, *span)] for name, span in spans.items()},
        "thresholds": {"used": list(used), "chosen again": thresholds(played.city)},
    }


def judge(read: Reader, alerts: Sequence[Mapping[str, object]], since: datetime, until: datetime) -> dict[str, object]:
    """What the city's own warnings from ``since`` to ``until`` were worth, for the report of a play.

    ``alerts`` as reports hold them; the daily index and the forecasts are read as the city knew them at the end. Known
    episodes are judged when they lie within the span.
    """
    rows = read.query("SELECT * FROM air_city ORDER BY observed_at", window=until - since + timedelta(days=1))
    values = daily(rows)
    if not values:
        return {}
    found = [_raised(alert) for alert in alerts if alert["kind"] == HeavyPollution().kind]
    first, last = _local(since), _local(until)
    heavy = sorted(day for day, value in values.items() if value > forecast.HEAVY)
    led = []
    for each in found:
        stood = set(each.days(max(values)))
        begun = next((day for day in heavy if day in stood), None)
        hours = None if begun is None else round((_midnight(begun) - each.raised) / timedelta(hours=1), 1)
        began = None if begun is None else begun.isoformat()
        led.append({"raised_at": each.raised, "first_heavy_day": began, "hours_before": hours})
    inside = [each for each in episodes(found) if first.isoformat() <= each.first and each.last < last.isoformat()]
    return {
        "warnings": led,
        "episodes": [asdict(each) | {"met": each.met} for each in inside],
        "days": asdict(days(found, values, first, last)),
        "skill": [asdict(each) for each in skill(rows, levels.rule(last).heavy_probability, first, last)],
    }


def _raised(alert: Mapping[str, object]) -> Warning:
    history = cast("Sequence[Mapping[str, object]]", alert["levels"])
    reached = tuple((cast(datetime, one["at"]), cast(int, one["level"])) for one in history)
    return Warning(reached, cast("datetime | None", alert["ended_at"]))


def table(played: Played, used: Sequence[float]) -> list[str]:
    """The judgement as lines of Markdown: episodes, days, skill on the days that judge."""
    values, found = daily(played.city), warnings(played.findings)
    end = max(values) + timedelta(days=1)
    colours = {1: "red", 2: "orange", 3: "yellow", 4: "blue"}
    lines = ["| episode | asked for | reached | at (UTC) | raised before its first day |", "|---|---|---|---|---|"]
    for one in episodes(found):
        reached = colours[one.reached] if one.reached else "none"
        at = f"{one.reached_at:%Y-%m-%dT%H:%M}" if one.reached_at else "—"
        lines.append(f"| {one.first} … {one.last} | {colours[one.wanted]} | {reached} | {at} | {one.hours_before} h |")
    lines += [
        "",
        "| days | heavy | not warned | warned | in vain | of these beside a heavy day |",
        "|---|---|---|---|---|---|",
    ]
    spans = {
        "2013-03 … 2014-12 (chosen on)": (min(values), TUNED_UNTIL),
        "2015-01 … 2017-02 (judged on)": (TUNED_UNTIL, end),
    }
    for name, span in {**spans, "2013-03 … 2017-02": (min(values), end)}.items():
        one_span = days(found, values, *span)
        lines.append(
            f"| {name} | {one_span.heavy} | {one_span.heavy_not_warned} | {one_span.warned} "
            f"| {one_span.warned_not_heavy} | {one_span.eve_or_morrow} |"
        )
    lines += [
        "",
        "| days ahead | error | persistence | climatology | hits | false | missed | CSI | CSI, persistence | Brier skill |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.lead} | {one.error} | {one.error_persistence} | {one.error_climatology} | {one.hits} | {one.false_alarms} "
        f"| {one.misses} | {one.csi} | {one.csi_persistence} | {one.brier_skill} |"
        for one in skill(played.city, used, TUNED_UNTIL, end)
    ]
    return lines


def main() -> None:
    """Prints the judgement of the data set: as JSON, with ``--table`` as Markdown; ``--teach FILE`` writes what 2013 and
    2014 taught."""
    if sys.argv[1:2] == ["--teach"]:
        np.savez_compressed(sys.argv[2], **teach(readings()))  # type: ignore[arg-type]
        return
    used = levels.rules()[0].heavy_probability
    played = play(readings())
    if sys.argv[1:] == ["--table"]:
        sys.stdout.write("\n".join(table(played, used)) + "\n")
    else:
        sys.stdout.write(
            json.dumps(judgement(played, used), ensure_ascii=False, indent=1, default=datetime.isoformat) + "\n"
        )


if __name__ == "__main__":
    main()
