"""An application: a folder that declares datasets, sources, detectors, alerts, plans, layers and panels.

:func:`load` reads its manifest, then every file the manifest names, and checks that they fit together, so that what is
wrong is said before the city starts, with the file and the place in it.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import cast

from cityheart.command import plan as plan_language
from cityheart.command.decisions.compile import compile_decision
from cityheart.command.decisions.models import Decision
from cityheart.command.knowledge.clauses import read_clauses
from cityheart.command.knowledge.models import Clause
from cityheart.engine.tracks.parameters import Parameters
from cityheart.entities.declared import Declaration, read_declaration
from cityheart.entities.declared import check as check_entities
from cityheart.kernel import refusals
from cityheart.kernel.access import ROLES
from cityheart.kernel.errors import Invalid, NotFound, Problem
from cityheart.kernel.text import LANGUAGES, Text
from cityheart.sdk.manifest import (
    AlertDeclaration,
    GrantDeclaration,
    Layer,
    Manifest,
    Panel,
    read_alerts,
    read_manifest,
    read_pages,
    read_tracks,
)
from cityheart.sdk.page import Page, Section
from cityheart.sdk.reader import Reader
from cityheart.share.contracts import Contract
from cityheart.share.grants.condition import compiled
from cityheart.share.grants.models import Party, Proposal
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.watch.models import AlertKind, Detector, LevelText, inputs_of
from cityheart.watch.tracks.models import Sites, Tracking, contracts_of

__all__ = ["App", "Feed", "load"]

Judge = Callable[[Reader, Sequence[Mapping[str, object]], datetime, datetime], dict[str, object]]
Deliveries = Callable[[Path, datetime, datetime, timedelta], Iterator[Sequence[Delivery]]]


@dataclass(frozen=True)
class Feed:
    """History that can be played into a source: what the department's system would have sent, and when."""

    source: str
    data: Path
    since: datetime
    until: datetime
    entry: Deliveries = field(repr=False)

    def deliveries(self, since: datetime, until: datetime, batch: timedelta) -> Iterator[Sequence[Delivery]]:
        """Deliveries received from ``since`` to ``until``, in groups of at most ``batch``, in the order received."""
        return self.entry(self.data, since, until, batch)


@dataclass(frozen=True)
class App:
    """A whole application, checked. ``plans`` holds the text (YAML) of each plan, ``decisions`` the file of each table."""

    id: str
    version: str
    title: Text
    description: Text
    folder: Path
    departments: tuple[Department, ...]
    contracts: tuple[Contract, ...]
    sources: tuple[Source, ...]
    detectors: tuple[Detector, ...]
    alert_kinds: tuple[AlertKind, ...]
    tracks: tuple[Tracking, ...]
    plans: tuple[str, ...]
    decisions: tuple[bytes, ...]
    clauses: tuple[Clause, ...]
    layers: tuple[Layer, ...]
    panels: tuple[Panel, ...]
    pages: tuple[Page, ...]
    grants: tuple[Proposal, ...]
    functions: Mapping[str, Callable[..., object]] = field(repr=False)
    entities: Declaration | None = None
    feed: Feed | None = None
    judge: Judge | None = field(default=None, repr=False)
    simulated: bool = False
    notice: Text | None = None

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets that the contracts describe."""
        return tuple(Dataset.of(contract) for contract in self.contracts)

    @property
    def meanings(self) -> Mapping[str, Mapping[str, Text]]:
        """What parameters of detectors mean, by detector and name: ``parameters.toml`` beside the manifest, if there is one."""
        file = self.folder / "parameters.toml"
        if not file.is_file():
            return {}
        try:
            said = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"{file}: {error}", remedy="write it as TOML") from error
        for detector, names in said.items():
            for name, words in names.items() if isinstance(names, dict) else [("", None)]:
                if not isinstance(words, dict) or set(words) != set(LANGUAGES):
                    raise Invalid(f"{file}: {detector}.{name} is not said in {', '.join(LANGUAGES)}")
        return said


def load(folder: Path) -> App:
    """The application in ``folder``.

    Its Python functions are imported: as ``cityheart.apps.<id>`` when it lies among the city's own applications, as a
    package of its own otherwise. Raises :class:`NotFound` for a file that is missing, :class:`Invalid` for what does
    not fit, each naming file and place.
    """
    folder = folder.resolve()
    manifest = read_manifest(folder)
    _learn_refusals(folder / refusals.FILE)
    contracts = tuple(Contract.load(_file(folder, name)) for name in manifest.app.contracts)
    tracks = _tracks(folder, manifest.app.tracks)
    contracts += _followed(folder, tracks, contracts)
    alerts = read_alerts(_file(folder, manifest.app.alerts)) if manifest.app.alerts else ()
    package = _Package(folder, manifest.app.id)
    pages = (*manifest.pages, *(read_pages(_file(folder, manifest.app.pages)) if manifest.app.pages else ()))
    sections = (section for page in pages for section in page.sections)
    entries = {
        one.entry for shown in (manifest.panels, manifest.layers, sections) for one in shown if one.entry is not None
    }
    app = App(
        id=manifest.app.id,
        version=manifest.app.version,
        title=manifest.app.title,
        description=manifest.app.description,
        folder=folder,
        departments=tuple(Department(**one.model_dump()) for one in manifest.departments),
        contracts=contracts,
        sources=tuple(
            Source(one.id, one.department, one.title, one.connector, one.options, one.dataset, one.schedule)
            for one in manifest.sources
        ),
        detectors=_detectors(package, manifest.app.detectors),
        alert_kinds=tuple(_alert_kind(one) for one in alerts),
        tracks=tracks,
        plans=_plans(folder, manifest.app.plans),
        decisions=_decisions(folder, manifest.app.decisions),
        clauses=_clauses(folder, manifest.app.knowledge),
        layers=manifest.layers,
        panels=manifest.panels,
        pages=pages,
        grants=tuple(_proposals(manifest.app.id, manifest.grants)),
        functions={entry: package.function(entry) for entry in sorted(entries)},
        entities=read_declaration(_file(folder, manifest.app.entities)) if manifest.app.entities else None,
        feed=_feed(folder, package, manifest),
        judge=cast("Judge", package.function(manifest.app.judge)) if manifest.app.judge else None,
        simulated=manifest.app.simulated,
        notice=manifest.app.notice,
    )
    _Check(app).all()
    return app


def _learn_refusals(file: Path) -> None:
    """What the application's refusals are in Chinese, if it says so."""
    if file.is_file():
        try:
            refusals.add(file)
        except ValueError as error:
            raise Invalid(f"{file}: {error}", remedy="docs/how-to/refuse-in-both-languages.md shows one") from error


def _file(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise Invalid(f"{folder / 'manifest.toml'}: {name} lies outside the application's folder")
    if not path.exists():
        raise NotFound(f"{path} is missing", remedy=f"add it, or mend the manifest that names {name}")
    return path


def _proposals(app: str, declared: Sequence[GrantDeclaration]) -> Iterator[Proposal]:
    for one in declared:
        to = Party(one.to.department, one.to.role, one.to.handlers)
        for dataset in one.datasets:
            origin = f"{app}/{one.id}/{dataset}"
            yield Proposal(origin, dataset, to, one.title, one.purpose, one.columns, one.rows, one.uses, one.lasts)


def _alert_kind(one: AlertDeclaration) -> AlertKind:
    levels = {int(level): LevelText(words.advice, words.measures) for level, words in one.levels.items()}
    return AlertKind(one.kind, one.department, one.title, one.classification, one.issuer, one.area, levels, one.source)


def _tracks(folder: Path, name: str | None) -> tuple[Tracking, ...]:
    if name is None:
        return ()
    file = _file(folder, name)
    found = []
    for one in read_tracks(file):
        sites = None if one.sites is None else Sites(**one.sites.model_dump())
        try:
            numbers = Parameters.of(one.parameters)
        except Invalid as error:
            raise Invalid(f"{file}: {one.name}: {error.detail}", remedy=error.remedy) from None
        found.append(
            Tracking(one.name, one.title, one.dataset, one.key, one.load, one.valid, one.zones, sites, numbers)
        )
    return tuple(found)


def _followed(folder: Path, tracks: Sequence[Tracking], contracts: Sequence[Contract]) -> tuple[Contract, ...]:
    """The contracts of the datasets that come of following vehicles."""
    known = {one.name: one for one in contracts}
    made: list[Contract] = []
    for one in tracks:
        for name in (one.dataset, *([one.sites.dataset] if one.sites else [])):
            if name not in known:
                raise Invalid(f"{folder / 'manifest.toml'}: tracks {one.name}: dataset {name} has no contract")
        if one.sites is not None:
            columns = {each.name for each in known[one.sites.dataset].stored}
            lacking = {one.sites.id, one.sites.boundary} - columns - {None}
            if lacking or known[one.sites.dataset].spec().lon is None:
                what = f"no column {min(map(str, lacking))}" if lacking else "no position"
                raise Invalid(f"{folder / 'manifest.toml'}: tracks {one.name}: {one.sites.dataset} has {what}")
        made += contracts_of(one, known[one.dataset])
    return tuple(made)


def _plans(folder: Path, name: str | None) -> tuple[str, ...]:
    if name is None:
        return ()
    files = sorted(_file(folder, name).glob("*.yaml"))
    if not files:
        raise NotFound(f"{folder / name} holds no plan", remedy="add *.yaml files, or leave `plans` out")
    return tuple(file.read_text("utf-8") for file in files)


def _decisions(folder: Path, name: str | None) -> tuple[bytes, ...]:
    if name is None:
        return ()
    files = sorted(file for file in _file(folder, name).iterdir() if file.suffix in (".yaml", ".dmn"))
    if not files:
        raise NotFound(f"{folder / name} holds no decision table", remedy="add *.yaml or *.dmn, or leave it out")
    return tuple(file.read_bytes() for file in files)


def _clauses(folder: Path, name: str | None) -> tuple[Clause, ...]:
    if name is None:
        return ()
    files = sorted(_file(folder, name).glob("*.toml"))
    if not files:
        raise NotFound(f"{folder / name} holds no clauses", remedy="add *.toml files, or leave `knowledge` out")
    return tuple(clause for file in files for clause in read_clauses(file.read_text("utf-8"), str(file)))


def _detectors(package: _Package, entry: str | None) -> tuple[Detector, ...]:
    return () if entry is None else tuple(cast(Callable[[], Sequence[Detector]], package.function(entry))())


def _feed(folder: Path, package: _Package, manifest: Manifest) -> Feed | None:
    declared = manifest.feed
    if declared is None:
        return None
    entry = cast(Deliveries, package.function(declared.entry))
    return Feed(declared.source, _file(folder, declared.data), declared.since, declared.until, entry)


class _Package:
    """The Python package of an application."""

    def __init__(self, folder: Path, id: str) -> None:
        self._folder = folder
        own = Path(__file__).resolve().parent.parent / "apps" / id
        place = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
        self._name = f"cityheart.apps.{id}" if folder == own else f"cityheart_app_{id}_{place}"

    def function(self, entry: str) -> Callable[..., object]:
        """What ``module:function`` names. Raises :class:`Invalid` when there is no such thing."""
        module, _, name = entry.partition(":")
        try:
            if self._name not in sys.modules:
                self._import()
            found = getattr(importlib.import_module(f"{self._name}.{module}"), name)
        except (ImportError, AttributeError) as error:
            raise Invalid(
                f"{self._folder / 'manifest.toml'}: {entry}: {error}", remedy="name module:function"
            ) from error
        if not callable(found):
            raise Invalid(f"{self._folder / 'manifest.toml'}: {entry} is no function")
        return cast(Callable[..., object], found)

    def _import(self) -> None:
        if self._name.startswith("cityheart."):
            importlib.import_module(self._name)
            return
        module = ModuleType(self._name)  # a namespace: the folder needs no __init__.py
        module.__path__ = [str(self._folder)]
        sys.modules[self._name] = module


class _Check:
    """Do the parts of an application fit together?"""

    def __init__(self, app: App) -> None:
        self._app = app
        self._codes = {one.code for one in app.departments}
        self._contracts = {one.name: one for one in app.contracts}
        self._kinds = {one.kind for one in app.alert_kinds}

    def all(self) -> None:
        """Raises :class:`Invalid` for the first thing that does not fit."""
        app = self._app
        for what, names in (
            ("department", [one.code for one in app.departments]),
            ("dataset", [one.name for one in app.contracts]),
            ("source", [one.id for one in app.sources]),
            ("detector", [one.id for one in app.detectors]),
            ("alert kind", [one.kind for one in app.alert_kinds]),
            ("layer", [one.id for one in app.layers]),
            ("panel", [one.id for one in app.panels]),
            ("page", [one.id for one in app.pages]),
            ("clause", [one.id for one in app.clauses]),
            ("track", [one.name for one in app.tracks]),
            ("grant", [one.origin for one in app.grants]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            self._need(not twice, f"{what} {', '.join(twice)} is declared twice")
        for contract in app.contracts:
            self._department(contract.owner, f"dataset {contract.name}")
        for source in app.sources:
            self._department(source.department, f"source {source.id}")
            self._dataset(source.dataset, f"source {source.id}")
        for kind in app.alert_kinds:
            self._department(kind.department, f"alert kind {kind.kind}")
        for detector in app.detectors:
            self._detector(detector)
        for layer in app.layers:
            self._layer(layer)
        for page in app.pages:
            for section in page.sections:
                self._section(section, f"page {page.id}, section {section.id}")
        for clause in app.clauses:
            for unit in sorted({mandate.unit for mandate in clause.mandates if mandate.unit is not None}):
                self._department(unit, f"clause {clause.id}")
        if app.feed is not None:
            known = {one.id for one in app.sources}
            self._need(app.feed.source in known, f"the feed's source {app.feed.source} is not declared")
        if app.entities is not None:
            check_entities(app.entities, app.contracts, f"{app.folder}, entities")
        for grant in app.grants:
            self._grant(grant)
        self._plans()

    def _grant(self, grant: Proposal) -> None:
        where = f"grant {grant.origin.partition('/')[2]}"
        contract = self._dataset(grant.dataset, where)
        if grant.to.department is not None:
            self._department(grant.to.department, where)
        self._need(grant.to.role is None or grant.to.role in ROLES, f"{where}: there is no role {grant.to.role}")
        columns = {one.name for one in contract.stored}
        for name in grant.columns:
            self._need(name in columns, f"{where}: {grant.dataset} has no column {name}")
        if grant.rows is not None:
            try:
                compiled(grant.rows, contract)
            except Invalid as error:
                raise Invalid(
                    f"{self._app.folder / 'manifest.toml'}: {where}: {error.detail}", remedy=error.remedy
                ) from None

    def _detector(self, detector: Detector) -> None:
        where = f"detector {detector.id}"
        self._need(detector.kind in self._kinds, f"{where}: alert kind {detector.kind} is not declared")
        for name in (*inputs_of(detector), *getattr(detector, "outputs", ())):
            self._dataset(name, where)

    def _layer(self, layer: Layer) -> None:
        where = f"layer {layer.id}"
        contract = self._dataset(layer.dataset, where)
        if layer.entry is not None:
            return
        columns = {one.name for one in contract.stored}
        for name in (layer.key, layer.value, *layer.fields):
            self._need(name in columns, f"{where}: {layer.dataset} has no column {name}")
        if layer.points is None:
            self._need(contract.position is not None, f"{where}: {layer.dataset} has no position, so it needs points")
        else:
            _file(self._app.folder, layer.points)

    def _section(self, section: Section, where: str) -> None:
        sources = {one.id for one in self._app.sources}
        for system in section.systems:
            self._department(system.department, where)
            for source in system.sources:
                self._need(source in sources, f"{where}: the source {source} is not declared")
        if section.act is not None:
            self._department(section.act.department, where)
        for column in section.columns:
            if column.dataset is not None:
                self._dataset(column.dataset, where)

    def _tables(self) -> dict[str, Decision]:
        found: dict[str, Decision] = {}
        for source in self._app.decisions:
            try:
                decision = compile_decision(source)
            except Problem as error:
                opening = source.strip().partition(b"\n")[0].decode("utf-8", "replace")
                raise Invalid(
                    f"{self._app.id}, the decision that begins {opening!r}: {error.detail}", remedy=error.remedy
                ) from None
            found[decision.name] = decision
        return found

    def _plans(self) -> None:
        decisions = self._tables()

        def table(name: str, digest: str | None) -> plan_language.Table | None:
            found = decisions.get(name)
            if found is None or digest not in (None, found.digest):
                return None
            inputs, outputs = (tuple(each.name for each in part) for part in (found.inputs, found.outputs))
            return plan_language.Table(found.digest, inputs, outputs)

        for source in self._app.plans:
            try:
                compiled = plan_language.compile(source, self._codes, tables=table)
            except Problem as error:
                opening = source.strip().partition("\n")[0]
                raise Invalid(
                    f"{self._app.id}, the plan that begins {opening!r}: {error.detail}", remedy=error.remedy
                ) from None
            known = compiled.kind is None or compiled.kind in self._kinds
            self._need(known, f"plan {compiled.name}: alert kind {compiled.kind} is not declared")

    def _department(self, code: str, where: str) -> None:
        self._need(code in self._codes, f"{where}: department {code} is not declared")

    def _dataset(self, name: str, where: str) -> Contract:
        self._need(name in self._contracts, f"{where}: dataset {name} has no contract")
        return self._contracts[name]

    def _need(self, holds: bool, what: str) -> None:
        if not holds:
            raise Invalid(f"{self._app.folder / 'manifest.toml'}: {what}", remedy="mend the manifest or what it names")
