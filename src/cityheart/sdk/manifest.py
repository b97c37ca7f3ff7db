"""The manifest of an application: the shape of ``manifest.toml`` and of its alerts file, checked as they are read.

Both are data, valid without running code. Paths are relative to the application's folder. Durations are ISO 8601,
moments carry an offset, whatever a person reads is there in zh-CN and en, and a key that nobody knows is an error.
"""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from cityheart.kernel.errors import Invalid, NotFound
from cityheart.sdk.page import Page
from cityheart.sdk.shapes import (
    Band,
    Column,
    ColumnDeclaration,
    Declared,
    Entry,
    Line,
    Link,
    Moment,
    Name,
    Scalar,
    Span,
    Threshold,
    Words,
)

__all__ = [
    "AlertDeclaration",
    "Band",
    "GrantDeclaration",
    "Layer",
    "Line",
    "Manifest",
    "Panel",
    "read_alerts",
    "read_manifest",
    "read_pages",
    "read_tracks",
]

FILE = "manifest.toml"
Shape = TypeVar("Shape", bound=BaseModel)


class AppSection(Declared):
    """``[app]``: what the application is and the files it is made of."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    version: Annotated[str, Field(min_length=1, max_length=40)]
    title: Words
    description: Words
    contracts: tuple[str, ...] = Field(default=(), description="contract files, one for each dataset")
    detectors: Entry | None = Field(default=None, description="module:function that gives the detectors")
    alerts: str | None = Field(default=None, description="file of alert kinds")
    tracks: str | None = Field(default=None, description="file of vehicles to follow")
    plans: str | None = Field(default=None, description="folder of plans (*.yaml)")
    decisions: str | None = Field(default=None, description="folder of decision tables (*.yaml, *.dmn)")
    knowledge: str | None = Field(default=None, description="folder of regulation clauses (*.toml)")
    pages: str | None = Field(default=None, description="file of pages, beside [[pages]]")
    entities: str | None = Field(default=None, description="file that says which rows speak of which subjects")
    judge: Entry | None = Field(default=None, description="module:function that judges its warnings by what happened")
    simulated: bool = Field(default=False, description="departments' answers are simulated in demonstrations")
    notice: Words | None = Field(default=None, description="what the console says about that")


class DepartmentDeclaration(Declared):
    """``[[departments]]``: a department that the application knows."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
    title: Words
    kind: str = "bureau"
    parent: str | None = Field(default=None, description="code of the department it stands below")
    level: Literal["city", "county", "township"] = "city"


class SourceDeclaration(Declared):
    """``[[sources]]``: a system of a department. Without ``schedule`` it is never asked: it delivers by itself."""

    id: Name
    department: str
    title: Words
    connector: str
    dataset: str
    schedule: str | None = Field(default=None, description="ISO 8601 duration between two pulls")
    options: dict[str, object] = Field(default={})


class FeedDeclaration(Declared):
    """``[feed]``: history that can be played; ``entry`` gives the deliveries of ``source``."""

    source: str
    entry: Entry
    data: str
    since: Moment = Field(alias="from")
    until: Moment = Field(alias="to")


class Layer(Declared):
    """``[[layers]]``: points on the map; each key's newest value known at a moment.

    Positions and names come from ``points`` (a CSV with key, lon, lat, zh-CN, en; WGS84) or from the dataset's own
    position. With ``entry`` a function gives the points instead: ``module:function(reader, now, parameters)``. Whoever may
    not read what a layer is made of is not shown it.
    """

    id: Name
    title: Words
    dataset: str
    key: Column = "key"
    value: Column = "value"
    unit: str
    entry: Entry | None = None
    fields: tuple[Column, ...] = ()
    stale_after: Span = timedelta(hours=6)
    lookback: Span = timedelta(days=3)
    points: str | None = None
    legend: Words | None = None
    bands: tuple[Band, ...] = ()
    link: Link | None = Field(default=None, description="where a point leads")


class Panel(Declared):
    """``[[panels]]``: something shown beside the map, from ``sql``, from a function (``entry``), or a ``text``.

    The SQL reads the datasets as known now, with ``$now`` and the panel's ``parameters`` bound; ``window`` keeps event
    times in (now - window, now + ahead].
    """

    id: Name
    title: Words
    kind: Literal["series", "table", "text"]
    page: Literal["command", "incident"] = "command"
    sql: str | None = None
    entry: Entry | None = None
    text: Words | None = None
    parameters: dict[str, Scalar] = Field(default={})
    window: Span = timedelta(days=3)
    ahead: timedelta = timedelta(0)
    columns: tuple[ColumnDeclaration, ...] = ()
    note: Words | None = None
    x: str | None = None
    unit: str = ""
    lines: tuple[Line, ...] = ()
    thresholds: tuple[Threshold, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Panel:
        given = [name for name in ("sql", "entry", "text") if getattr(self, name) is not None]
        if len(given) != 1 or (self.kind == "text") != (given == ["text"]):
            raise ValueError("a text panel has text; a series or table panel has either sql or entry")
        if self.sql is not None and self.kind == "series" and (self.x is None or not self.lines):
            raise ValueError("a series from sql names x and lines")
        if self.sql is not None and self.kind == "table" and not self.columns:
            raise ValueError("a table from sql names its columns")
        return self


class PartyDeclaration(Declared):
    """To whom: the people of a department, of a role (or both at once), or whoever has work in the alert's incident."""

    department: str | None = None
    role: str | None = None
    handlers: bool = False


class GrantDeclaration(Declared):
    """``[[grants]]``: what the application proposes that others may read; the owners of the datasets decide.

    ``columns`` are those of every dataset named; without them all that are not classified. ``uses``: ``alert`` the
    evidence of alerts, ``live`` positions on the live map, ``read`` everything. A city that is made takes them over.
    """

    id: Name
    title: Words
    purpose: Words
    datasets: tuple[str, ...] = Field(min_length=1)
    to: PartyDeclaration
    columns: tuple[Column, ...] = ()
    rows: str | None = Field(default=None, description="a condition on the columns, such as kind == 'x'")
    uses: tuple[Literal["read", "alert", "live"], ...] = Field(default=("read",), min_length=1)
    lasts: Span | None = Field(default=None, description="from when the city takes it over; without it till revoked")

    @model_validator(mode="after")
    def _whole(self) -> GrantDeclaration:
        to = self.to
        if not (to.department or to.role or to.handlers):
            raise ValueError("it says to nobody")
        if to.handlers and set(self.uses) != {"alert"}:
            raise ValueError("who handles an alert sees its evidence: uses is alert alone")
        return self


class Manifest(Declared):
    """The whole of ``manifest.toml``."""

    app: AppSection
    departments: tuple[DepartmentDeclaration, ...] = ()
    sources: tuple[SourceDeclaration, ...] = ()
    feed: FeedDeclaration | None = None
    layers: tuple[Layer, ...] = ()
    panels: tuple[Panel, ...] = ()
    pages: tuple[Page, ...] = ()
    grants: tuple[GrantDeclaration, ...] = ()


class LevelDeclaration(Declared):
    """``[alerts.levels.N]``: what the public is advised and what departments do at level N."""

    advice: tuple[Words, ...]
    measures: tuple[Words, ...]


class AlertDeclaration(Declared):
    """``[[alerts]]``: a kind of alert with the fields that art. 64 of the Emergency Response Law asks for."""

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
    department: str
    title: Words
    classification: Words = Field(alias="class")
    issuer: Words
    area: Words
    source: str | None = None
    levels: dict[Literal["1", "2", "3", "4"], LevelDeclaration] = Field(min_length=1)


class SitesDeclaration(Declared):
    """``[tracks.sites]``: places of a dataset; who stays within ``within_m`` metres of one visits it."""

    dataset: str
    id: Column
    boundary: Column | None = Field(default=None, description="column with a polygon as WKT, WGS84")
    within_m: Annotated[float, Field(gt=0, le=10_000)] = 200.0


class TrackDeclaration(Declared):
    """``[[tracks]]``: vehicles to follow; their stays, trips and visits become ``<name>_stay``, ``_trip``, ``_visit``."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=60)]
    title: Words
    dataset: str
    key: Column
    load: Column | None = Field(default=None, description="column of the load: 0 empty, above 0 loaded")
    valid: Column | None = Field(default=None, description="column that is false where a position is none")
    zones: Annotated[str, Field(pattern=r"^[\w.-]+\.geojson$")] | None = Field(
        default=None, description="file of areas in the city's folder"
    )
    sites: SitesDeclaration | None = None
    parameters: dict[str, float | int | str] = Field(default={}, description="see docs/reference/tracks.md")


class _TrackFile(Declared):
    tracks: tuple[TrackDeclaration, ...]


class _PageFile(Declared):
    pages: tuple[Page, ...]


class _AlertFile(Declared):
    alerts: tuple[AlertDeclaration, ...]


def read_manifest(folder: Path) -> Manifest:
    """The manifest in an application's folder. Raises :class:`NotFound`, :class:`Invalid` naming the place in it."""
    file = folder / FILE
    if not file.is_file():
        raise NotFound(
            f"{folder} is no application: {FILE} is missing", remedy="an application is a folder with a manifest.toml"
        )
    return _checked(Manifest, file)


def read_alerts(file: Path) -> tuple[AlertDeclaration, ...]:
    """The alert kinds in a file. Raises :class:`NotFound`, :class:`Invalid` naming the place in the file."""
    if not file.is_file():
        raise NotFound(f"{file} is missing", remedy="write it, or mend `alerts` in the manifest")
    return _checked(_AlertFile, file).alerts


def read_tracks(file: Path) -> tuple[TrackDeclaration, ...]:
    """The vehicles to follow in a file. Raises :class:`NotFound`, :class:`Invalid` naming the place in the file."""
    if not file.is_file():
        raise NotFound(f"{file} is missing", remedy="write it, or mend `tracks` in the manifest")
    return _checked(_TrackFile, file).tracks


def read_pages(file: Path) -> tuple[Page, ...]:
    """The pages in a file. Raises :class:`NotFound`, :class:`Invalid` naming the place in the file."""
    if not file.is_file():
        raise NotFound(f"{file} is missing", remedy="write it, or mend `pages` in the manifest")
    return _checked(_PageFile, file).pages


def _checked(shape: type[Shape], file: Path) -> Shape:
    try:
        return shape.model_validate(tomllib.loads(file.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{file}: not valid TOML: {error}", remedy="mend the line it names") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise Invalid(f"{file}: {place}: {first['msg']}{more}", remedy="mend it; unknown keys are errors too") from None
