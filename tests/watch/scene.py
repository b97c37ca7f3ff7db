"""A small city to watch: noise readings of stations, keyed detectors per station and for the city, a query detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.keyed import State, Step
from cityheart.engine.lake import Lake, TableSpec
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.text import Text, text
from cityheart.watch.models import AlertKind, Finding, LevelText, QueryDetector, QueryFinding, SubjectRef
from cityheart.watch.service import Watch

START = datetime(2015, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAG = timedelta(minutes=5)
STATIONS = ("east", "north", "west")
TIME = pa.timestamp("us", "UTC")

NOISE = TableSpec(
    "noise",
    ("station", "observed_at"),
    "observed_at",
    pa.schema([("station", pa.string()), ("observed_at", TIME), ("level", pa.float64())]),
)
PEAK = TableSpec(
    "noise_peak", ("observed_at",), "observed_at", pa.schema([("observed_at", TIME), ("peak", pa.float64())])
)


def readings(hours: int, seed: int = 7) -> pa.Table:
    """Readings of every station for so many hours: loud spells and calm; gaps of the west, silences of the north."""
    rng = np.random.default_rng(seed)
    walk = np.zeros((hours, len(STATIONS)))
    for hour in range(1, hours):
        walk[hour] = 0.8 * walk[hour - 1] + rng.normal(0, 70, len(STATIONS))
    walk = np.abs(walk) + rng.normal(0, 6, walk.shape)
    rows = [
        {"station": station, "observed_at": START + hour * HOUR, "level": float(walk[hour, at])}
        for hour in range(hours)
        for at, station in enumerate(STATIONS)
        if not (station == "west" and hour % 5 == 4) and not (station == "north" and 20 <= hour % 60 < 36)
    ]
    return landed(rows)


def landed(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Rows as they land: known an hour and the publication lag after the observed hour began."""
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=NOISE.schema)
    known = pc.add(table["observed_at"], pa.scalar(HOUR + LAG, pa.duration("us")))
    table = table.append_column("_known_at", known.cast(TIME))
    for name in ("_source", "_batch"):
        table = table.append_column(name, pa.array(["test"] * table.num_rows, pa.string()))
    return table


def chunks(rows: pa.Table, span: timedelta) -> list[pa.Table]:
    """The rows cut by the moment known into pieces of ``span``."""
    known = rows["_known_at"].cast(pa.int64()).to_numpy()
    place = (known - known.min()) // int(span.total_seconds() * 1_000_000)
    return [rows.filter(pa.array(place == at)) for at in np.unique(place)]


def last_known(rows: pa.Table) -> datetime:
    """The moment at which all of the rows were known."""
    moment: datetime = pc.max(rows["_known_at"]).as_py()
    return moment


class Landing:
    """Where outputs land in these tests: the lake itself, by the protocol that the share follows."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def derived(self, dataset: str, rows: pa.Table, *, transaction: tuple[str, int]) -> int:
        """Land rows of a derived dataset once."""
        for name in ("_source", "_batch"):
            rows = rows.append_column(name, pa.array([transaction[0]] * rows.num_rows, pa.string()))
        return self.lake.append(dataset, rows, transaction=transaction)


@dataclass(frozen=True)
class Loud:
    """Warns of a loud station: level by thresholds of the reading, over after ``calm`` readings below the lowest."""

    parameters: Mapping[str, object] = field(default_factory=lambda: {"lowest": 100.0, "step": 50.0, "calm": 2})
    id: str = "noise.loud"
    title: Text = field(default_factory=lambda: text("噪声", "Noise"))
    kind: str = "loud"
    dataset: str = "noise"
    key: str | None = "station"
    outputs: tuple[str, ...] = ()

    def init(self, key: str) -> State:
        """Quiet."""
        return {"level": 0, "calm": 0}

    def step(self, state: State, batch: pa.Table) -> Step[Finding]:
        """One reading after the other: these tables are small."""
        level, calm = int(state["level"]), int(state["calm"])  # type: ignore[arg-type]
        findings = []
        for row in batch.to_pylist():
            now = self._level(row["level"])
            calm = 0 if now else calm + 1
            if now == level or (not now and (not level or calm < int(str(self.parameters["calm"])))):
                continue
            level = now
            findings.append(self._finding(row, level or None))
        return Step({"level": level, "calm": calm}, findings)

    def _level(self, value: float) -> int:
        above = (value - float(str(self.parameters["lowest"]))) / float(str(self.parameters["step"]))
        return 0 if above < 0 else max(4 - int(above), 1)

    def _finding(self, row: Mapping[str, object], level: int | None) -> Finding:
        station, at = str(row["station"]), row["_known_at"]
        start = row["observed_at"]
        assert isinstance(at, datetime) and isinstance(start, datetime)
        value = float(str(row["level"]))
        reason = text(f"{value:.1f} 分贝", f"{value:.1f} dB")
        points = [[start.isoformat(), value], [at.isoformat(), float("nan")]]
        line = {"name": self.title, "points": points, "style": "observed"}
        evidence = {"type": "series", "title": self.title, "unit": "dB", "series": [line], "thresholds": []}
        subject = SubjectRef("station", station, text(station, station))
        return Finding(self.id, self.kind, subject, at, start, None, level, value, (reason,), (evidence,))


@dataclass(frozen=True)
class Peak:
    """Writes the loudest reading of every hour known; finds nothing. Its state holds the hour that is still open."""

    parameters: Mapping[str, object] = field(default_factory=dict)
    id: str = "noise.peak"
    title: Text = field(default_factory=lambda: text("峰值", "Peak"))
    kind: str = "loud"
    dataset: str = "noise"
    key: str | None = None
    outputs: tuple[str, ...] = ("noise_peak",)

    def init(self, key: str) -> State:
        """Nothing is remembered: every hour of this city is known at once."""
        return {}

    def step(self, state: State, batch: pa.Table) -> Step[Finding]:
        """The peak of each hour."""
        peaks = batch.group_by(["observed_at", "_known_at"]).aggregate([("level", "max")])
        table = peaks.rename_columns({"level_max": "peak"}).sort_by("observed_at")
        return Step(state, [], {"noise_peak": table})


@dataclass(frozen=True)
class Prophet(Loud):
    """Tries to look ahead: warns at a row because a later row of the batch it was given is loud."""

    id: str = "noise.prophet"

    def step(self, state: State, batch: pa.Table) -> Step[Finding]:
        """Warns at the first row if any row is loud."""
        rows = batch.to_pylist()
        if state["level"] or not any(self._level(row["level"]) for row in rows):
            return Step(dict(state))
        return Step({"level": 1, "calm": 0}, [self._finding(rows[0], 1)])


def silent(**changes: object) -> QueryDetector:
    """Stations without a reading for some hours."""
    sql = """
        SELECT station, max(observed_at) AS last_at,
               (arrow_cast($now, 'Int64') - arrow_cast(max(observed_at), 'Int64')) / 3600000000 - 1 AS hours
        FROM noise GROUP BY station
        HAVING arrow_cast(max(observed_at), 'Int64') < arrow_cast($now, 'Int64') - $hours * 3600000000
    """
    asked: dict[str, object] = {
        "id": "noise.silent",
        "title": text("站点静默", "Silent station"),
        "kind": "silent",
        "sql": sql,
        "inputs": ("noise",),
        "every": timedelta(hours=6),
        "window": timedelta(days=10),
        "parameters": {"hours": 3},
        "finding": QueryFinding(
            "station",
            "station",
            text("{station}", "{station}"),
            level=4,
            score="hours",
            start="last_at",
            reasons=(text("{hours} 小时无读数", "no reading for {hours} h"),),
        ),
    }
    return QueryDetector(**(asked | changes))  # type: ignore[arg-type]


def kinds() -> list[AlertKind]:
    """The alert kinds of these detectors."""
    levels = {
        level: LevelText((text(f"建议{level}", f"advice {level}"),), (text(f"措施{level}", f"measure {level}"),))
        for level in (1, 2, 3, 4)
    }
    area = text("{subject}周边", "around {subject}")
    issuer = text("市生态环境局", "Ecology bureau")
    return [
        AlertKind(
            "loud", "ecology", text("噪声预警", "Noise warning"), text("环境", "Environment"), issuer, area, levels
        ),
        AlertKind(
            "silent", "weather", text("站点静默", "Silent station"), text("设施", "Facility"), issuer, area, levels
        ),
    ]


def lake_at(folder: Path) -> Lake:
    """A lake with the tables of this city."""
    lake = Lake(folder)
    lake.ensure(NOISE)
    lake.ensure(PEAK)
    return lake


def watch_over(database: Database, lake: Lake, detectors: Sequence[object] = ()) -> Watch:
    """A watch with these detectors, by default all that tell the truth."""
    watch = Watch(database, lake, Landing(lake))
    watch.register(list(detectors) or [Loud(), Peak(), silent()], kinds())  # type: ignore[arg-type]
    return watch


def everything(watch: Watch, actor: Actor) -> list[dict[str, object]]:
    """Every alert whole, with level history, evidence and reasons, by id."""
    found: list[dict[str, object]] = []
    page: dict[str, Any] = {"next": None}
    while not found or page["next"] is not None:
        page = watch.alerts(actor, state="all", limit=200, after=page["next"])
        found += [watch.alert(actor, item["id"]) for item in page["items"]]
        if not page["items"]:
            break
    return sorted(found, key=lambda one: str(one["id"]))
