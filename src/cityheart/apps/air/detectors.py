"""The detectors of the air application: heavy pollution of the city, and stations that fall silent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.apps.air import evidence, forecast, levels, outputs, series
from cityheart.apps.air.stations import stations
from cityheart.sdk import Finding, KeyedDetector, QueryDetector, QueryFinding, State, Step, SubjectRef, Text, text

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

CITY = SubjectRef("city", "beijing", text("北京市", "Beijing"))
RING_HOURS = 96
"""Hours that the state remembers of every station: the look-back of the features and room for rows that come late."""

REMEMBERED_DAYS = 14
SILENT_WINDOW = timedelta(days=10)
LEAST_HOURS_OF_DAY = 12
"""A day without a valid daily index counts by the index of its hours, if that saw at least so many hours."""


def detectors() -> Sequence[KeyedDetector | QueryDetector]:
    """What the manifest names."""
    return (HeavyPollution(), station_silent())


@dataclass(frozen=True)
class HeavyPollution:
    """Warns of a run of heavily polluted days of the city (daily AQI above 200), observed and forecast.

    Each hour known is evaluated at the moment it became known: the index of the city, the forecast, the expected run
    and its level by the dated rule table. A finding is given when the level in force changes. The newest hour is
    evaluated again when more of its stations report; rows up to four days late complete the past from then on, without
    revising what was said; older ones are left out.

    ``parameters`` are the thresholds and the hysteresis of ``levels.Rule``, by the names of its fields.
    """

    parameters: Mapping[str, object] = field(default_factory=levels.parameters)
    id: str = "air.heavy_pollution"
    title: Text = field(default_factory=lambda: text("空气重污染监测预警", "Heavy air pollution"))
    kind: str = "heavy_pollution"
    dataset: str = "air_hourly"
    key: str | None = None
    outputs: tuple[str, ...] = ("air_aqi", "air_city")

    def init(self, key: str) -> State:
        """The state before the first row."""
        models = forecast.unsolved()
        return {
            "newest": None,
            "ring": np.full((RING_HOURS, len(stations()), len(series.VARIABLES)), np.nan),
            "today": None,
            "daily": np.full(REMEMBERED_DAYS, np.nan),
            "closing": np.nan,
            "rows": np.full((forecast.LEADS, 24, forecast.FEATURES), np.nan),
            "bases": np.full((forecast.LEADS, 24), np.nan),
            "moments": np.zeros((forecast.BLOCKS, forecast.PACKED)),
            **_arrays(models),
            "level": 0,
            "rising": 0,
            "falling": 0,
            "told": 0,
        }

    def step(self, state: State, batch: pa.Table) -> Step:
        """Rows of ``air_hourly`` in the order known → the next state, findings, ``air_aqi`` and ``air_city``."""
        run = _Run(self, dict(state))
        for rows in _segments(series.read(batch), run.newest):
            run.take(rows)
        tables = {"air_aqi": outputs.aqi_table(run.stations), "air_city": outputs.city_table(run.hours)}
        return Step(run.state, run.findings, tables)


def _segments(rows: series.Rows, newest: int | None) -> Iterator[series.Rows]:
    """Cuts rows where an hour comes that is not newer than those known before, or after a hole longer than the ring.

    Within a part every hour is known whole when the next begins, so the part can be worked on as one array.
    """
    if not len(rows.known):
        return
    starts = np.flatnonzero(np.diff(rows.known, prepend=rows.known[0] - 1))
    low, high = (each.reduceat(rows.hour, starts) for each in (np.minimum, np.maximum))
    first = int(low[0]) - 1 if newest is None else newest
    before = np.maximum.accumulate(np.concatenate([[first], high[:-1]]))
    cuts = (low <= before) | (low > before + RING_HOURS)
    cuts[0] = True
    bounds = [*starts[np.flatnonzero(cuts)].tolist(), len(rows.known)]
    for begin, end in itertools.pairwise(bounds):
        part = slice(begin, end)
        yield series.Rows(rows.known[part], rows.hour[part], rows.station[part], rows.values[part])


@dataclass
class _Run:
    """One step: takes the parts of a batch in turn and keeps what comes of them. ``state`` is a copy of its own; its
    arrays are replaced, never written into."""

    detector: HeavyPollution
    state: State
    findings: list[Finding] = field(default_factory=list)
    stations: list[outputs.StationHours] = field(default_factory=list)
    hours: list[outputs.CityHours] = field(default_factory=list)

    def take(self, rows: series.Rows) -> None:
        """Works on one part: fills the cube, derives, evaluates every hour that is new or still the newest."""
        newest = self.newest
        if newest is None or int(rows.hour.min()) > newest + RING_HOURS:
            newest = int(rows.hour.min()) - 1
            self.state["ring"] = np.full((RING_HOURS, len(stations()), len(series.VARIABLES)), np.nan)
        hours = np.arange(newest - RING_HOURS + 1, max(newest, int(rows.hour.max())) + 1)
        taken = rows.hour >= hours[0]
        at, station = rows.hour[taken] - hours[0], rows.station[taken]
        cube = np.full((len(hours), len(stations()), len(series.VARIABLES)), np.nan)
        cube[:RING_HOURS] = self.array("ring")
        cube[at, station] = rows.values[taken]
        known = np.zeros(cube.shape[:2], dtype=np.int64)
        known[at, station] = rows.known[taken]
        derived = series.derive(cube, hours)
        self.stations.append(outputs.StationHours(hours, cube, derived, known))
        moments = known.max(axis=1)
        evaluated = np.flatnonzero((moments > 0) & (hours >= newest))
        if len(evaluated):
            ending = evaluated[np.diff(moments[evaluated], append=0) != 0]
            self.evaluate(_Part(hours, cube, derived, moments, frozenset(ending.tolist())), evaluated)
        self.state["newest"] = int(hours[-1])
        self.state["ring"] = cube[-RING_HOURS:].copy()

    def evaluate(self, part: _Part, evaluated: Whole) -> None:
        """Forecasts and levels of the hours ``evaluated``, local day by local day."""
        days = series.local_day(part.hours)
        season = np.asarray(2.0 * np.pi * (days % 365.25) / 365.25, dtype=np.float64)
        features = forecast.hourly_features(part.derived.series, part.derived.day_pm25, season)
        for day in np.unique(days[evaluated]).tolist():
            at = evaluated[days[evaluated] == day]
            self.begin_day(day)
            daily = self.array("daily")
            rows = forecast.with_days(features[at], float(daily[-1]), float(daily[-2]))
            base = part.derived.so_far[at]
            clock = series.local_hour(part.hours[at])
            models = self.models()
            ready = models.ready
            present = part.derived.city_24h[at]
            issued = forecast.predict(models, rows, base, clock) if ready else forecast.persistence(present, base)
            self.remember(rows, base, clock, part.derived, at)
            self.judge(part, at, day, issued, ready)

    def begin_day(self, day: int) -> None:
        """Ends the days before ``day``: their index is known, so the day five days back can be learnt."""
        today = self.whole("today")
        if today is None or day - today > REMEMBERED_DAYS:
            empty = self.detector.init("")
            self.state |= {name: empty[name] for name in ("daily", "closing", "rows", "bases")}
            self.state["today"] = today = day
        for ended in range(today, day):
            daily = np.append(self.array("daily")[1:], float(self.state["closing"]))  # type: ignore[arg-type]
            rows, bases = self.array("rows"), self.array("bases")
            known = daily[-forecast.LEADS :]
            moments = forecast.learn(self.array("moments"), self.models(), rows[-1], bases[-1], known)
            solved = forecast.solve(moments) if (ended + 1) % forecast.SOLVE_EVERY_DAYS == 0 else None
            if solved is not None:
                self.state |= _arrays(solved)
            self.state |= {
                "moments": moments,
                "daily": daily,
                "closing": np.nan,
                "rows": np.concatenate([np.full_like(rows[:1], np.nan), rows[:-1]]),
                "bases": np.concatenate([np.full_like(bases[:1], np.nan), bases[:-1]]),
                "today": ended + 1,
            }
        taught = forecast.taught()
        if day >= taught.first_day and not self.models().ready:
            solved = forecast.solve(taught.moments)
            assert solved is not None
            self.state |= {"moments": taught.moments, **_arrays(solved)}

    def remember(self, rows: Array, base: Array, clock: Whole, derived: series.Derived, at: Whole) -> None:
        """Keeps the day's features for learning, and what its index would be if it ended now."""
        kept_rows, kept_bases = self.array("rows").copy(), self.array("bases").copy()
        kept_rows[0, clock], kept_bases[0, clock] = rows, base
        self.state |= {"rows": kept_rows, "bases": kept_bases}
        last = int(at[-1])
        whole = float(derived.city_24h[last]) if clock[-1] == 23 else np.nan
        enough = np.count_nonzero(~np.isnan(kept_bases[0])) >= LEAST_HOURS_OF_DAY
        self.state["closing"] = whole if not np.isnan(whole) else float(base[-1]) if enough else np.nan

    def judge(self, part: _Part, at: Whole, day: int, issued: forecast.Forecast, ready: bool) -> None:
        """Follows the level through the hours ``at`` of one local day and gives findings where it changed."""
        rule = levels.rule(date(1970, 1, 1) + timedelta(days=day), self.detector.parameters)
        kept_thresholds = [each * rule.keep_factor for each in rule.heavy_probability]
        daily = self.array("daily")
        light = np.flatnonzero(~(daily > rule.aqi_above))
        past = REMEMBERED_DAYS - 1 - int(light[-1]) if len(light) else REMEMBERED_DAYS
        moving = part.derived.city_24h[at].tolist()
        runs, in_force = np.zeros(len(at), dtype=np.int64), np.zeros(len(at), dtype=np.int64)
        for i, hour in enumerate(at.tolist()):
            chances = issued.heavy[i].tolist()
            run = levels.expected(past, chances, rule.heavy_probability)
            if not np.isnan(chances[0]):
                kept = rule.kept(levels.expected(past, chances, kept_thresholds).days, moving[i])
                self.standing = levels.follow(self.standing, rule.level(run.days), kept, rule)
            runs[i], in_force[i] = run.days, self.standing.level
            if hour in part.ending and self.standing.level != self.state["told"]:
                self.state["told"] = self.standing.level
                self.findings.append(self.finding(part, hour, day, run, rule, evidence.Issued(issued, i, ready)))
        learnt = self.learnt() if ready else 0
        hours, known, yesterday = part.hours[at], part.known[at], float(daily[-1])
        self.hours.append(outputs.CityHours(hours, known, part.derived, at, issued, runs, in_force, yesterday, learnt))

    def finding(
        self, part: _Part, hour: int, day: int, run: levels.Run, rule: levels.Rule, issued: evidence.Issued
    ) -> Finding:
        """The finding of a change of level at the hour ``hour`` of the part."""
        level = self.standing.level
        midnight = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day, hours=-series.UTC_OFFSET_HOURS)
        chances = issued.forecast.heavy[issued.row]
        daily = self.array("daily")
        facts = evidence.Facts(
            part.hours, hour, part.cube, part.derived, part.moment(hour), daily, day, run, rule, issued
        )
        return Finding(
            detector=self.detector.id,
            kind=self.detector.kind,
            subject=CITY,
            at=part.moment(hour),
            start=midnight + timedelta(days=run.start),
            end=_end(part.moment(hour), midnight, level, run),
            level=level or None,
            score=round(float(np.nan_to_num(chances[max(run.start, 0)])), 3),
            reasons=evidence.reasons(facts, level),
            evidence=(evidence.index_series(facts), evidence.particulate_series(facts), evidence.station_rows(facts)),
        )

    @property
    def standing(self) -> levels.Standing:
        """The level in force with its counts, as the state has it."""
        return levels.Standing(*(self.whole(name) or 0 for name in ("level", "rising", "falling")))

    @standing.setter
    def standing(self, new: levels.Standing) -> None:
        self.state |= {"level": new.level, "rising": new.rising, "falling": new.falling}

    @property
    def newest(self) -> int | None:
        """The newest hour known."""
        return self.whole("newest")

    def whole(self, name: str) -> int | None:
        """A whole number of the state, or None."""
        value = self.state[name]
        assert value is None or isinstance(value, int)
        return value

    def array(self, name: str) -> Array:
        """An array of the state."""
        value = self.state[name]
        assert isinstance(value, np.ndarray)
        return value.astype(np.float64, copy=False)

    def models(self) -> forecast.Models:
        """The models in force."""
        return forecast.Models(self.array("weights"), self.array("centre"), self.array("error"))

    def learnt(self) -> int:
        """Number of days learnt."""
        return int(self.array("moments")[0, 0]) // forecast.BLOCK_HOURS


def _arrays(models: forecast.Models) -> State:
    return {"weights": models.weights, "centre": models.centre, "error": models.error}


def _end(at: datetime, midnight: datetime, level: int, run: levels.Run) -> datetime | None:
    """When the matter ends: now when it is over, with the expected run, or nobody knows."""
    if not level:
        return at
    return midnight + timedelta(days=run.start + run.days) if run.days else None


@dataclass(frozen=True)
class _Part:
    """A part of a batch as dense arrays: ``known`` is the moment of each hour's last row, 0 for hours of before;
    ``ending`` the hours that are the last of those known in one moment, when a finding may be given."""

    hours: Whole
    cube: Array
    derived: series.Derived
    known: Whole
    ending: frozenset[int]

    def moment(self, hour: int) -> datetime:
        """When the city knew the hour at index ``hour``."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(self.known[hour]))


def station_silent() -> QueryDetector:
    """Once a day, stations that have been without a valid reading of any pollutant for more than six hours.

    A station of which nothing valid was heard within ``SILENT_WINDOW`` is taken for closed.
    """
    return QueryDetector(
        id="air.station_silent",
        title=text("监测站失联", "Silent monitoring station"),
        kind="station_silent",
        sql="""
            SELECT station, max(observed_at) AS last_at,
              (date_part('epoch', $now) - date_part('epoch', max(observed_at))) / 3600 - 1 AS silent_hours
            FROM air_hourly WHERE coalesce(pm25, pm10, so2, no2, co, o3) IS NOT NULL GROUP BY station
            HAVING date_part('epoch', $now) - date_part('epoch', max(observed_at)) > ($hours + 1) * 3600
            ORDER BY station""",
        inputs=("air_hourly",),
        every=timedelta(days=1),
        window=SILENT_WINDOW,
        parameters={"hours": 6},
        finding=QueryFinding(
            subject_kind="station",
            subject="station",
            name=text("{station}站", "{station} station"),
            names={one.code: text(f"{one.name['zh-CN']}站", f"{one.name['en']} station") for one in stations()},
            level=4,
            score="silent_hours",
            start="last_at",
            reasons=(text("{silent_hours:.0f} 小时无有效读数。", "No valid reading for {silent_hours:.0f} hours."),),
        ),
    )
