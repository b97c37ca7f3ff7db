"""From a test city's folder to streams: which source of the city gets what, in bulk."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from cityheart.sdk import Contract, Delivery, Invalid, Source
from cityheart.simulation.player import store
from cityheart.simulation.player.folder import Artefact, CityFolder, Drop, Trouble, read_drops
from cityheart.simulation.player.handed import Asked, DropLog, RecordLog
from cityheart.simulation.player.wire import Framing, Messages, Packets

__all__ = ["Part", "Played", "Stream", "parts", "streams"]

PROTOCOLS = ("jt808", "hj212")
MQTT = "mqtt"


class Stream(Protocol):
    """What a source gets, a stretch of time after another."""

    source: str

    def skip(self, until: datetime) -> None:
        """Pass over what came by ``until``; only before anything is taken."""
        ...

    def take(self, until: datetime) -> list[Delivery]:
        """What came up to ``until`` and was not taken before. Raises :class:`Invalid` for what is damaged."""
        ...


@dataclass(frozen=True)
class Played:
    """A source of the city that a test city feeds: its declaration, its contract, and the time between two visits."""

    source: Source
    contract: Contract
    every: timedelta | None

    @property
    def key(self) -> tuple[str, ...]:
        """The key's fields by the names that the source uses."""
        named = {field: header for header, field in self.contract.rename.items()}
        return tuple(named.get(field, field) for field in self.contract.key)


@dataclass(frozen=True)
class Part:
    """What one source gets of one artefact: a table of it, some of its files, or all."""

    played: Played
    artefact: Artefact
    table: str | None = None
    drops: tuple[Drop, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The key as columns of the table; empty where the table lacks one of them."""
        names = store.tables(self.artefact.path)[self.table or ""]
        return self.played.key if set(self.played.key) <= set(names) else ()


def parts(folder: CityFolder, sources: Mapping[str, Played]) -> tuple[list[Part], list[Trouble]]:
    """Which source gets what, and what nobody gets."""
    artefacts, troubles = folder.artefacts()
    found: list[Part] = []
    for artefact in artefacts:
        of_system = {
            id.partition(".")[2]: played
            for id, played in sorted(sources.items())
            if id.partition(".")[0] == artefact.system
        }
        try:
            found += _parts(artefact, of_system, troubles)
        except (Invalid, OSError) as problem:
            troubles.append(Trouble(artefact.system, str(problem)))
    return found, troubles


def _parts(artefact: Artefact, sources: Mapping[str, Played], troubles: list[Trouble]) -> list[Part]:
    match artefact.kind:
        case "table":
            found, unknown = [], []
            for table in store.tables(artefact.path):
                if table in sources:
                    found.append(Part(sources[table], artefact, table=table))
                else:
                    unknown.append(f"no source for the table {table}")
        case "records":
            resource = artefact.resource or ""
            found = [Part(sources[resource], artefact)] if resource in sources else []
            unknown = [] if found else [f"no source for {artefact.path.name}"]
        case "messages" | "packets":
            kinds = (MQTT,) if artefact.kind == "messages" else PROTOCOLS
            speaking = [each for each in sources.values() if each.source.connector in kinds]
            found = [Part(each, artefact) for each in speaking[:1]]
            unknown = [] if found else [f"no source that listens, for {artefact.path.name}"]
        case "drops":
            drops, unknown = read_drops(artefact.path)
            found, strangers = _dropped(artefact, drops, sources)
            unknown += strangers
    troubles += [Trouble(artefact.system, what) for what in unknown]
    return found


def _dropped(artefact: Artefact, drops: Sequence[Drop], sources: Mapping[str, Played]) -> tuple[list[Part], list[str]]:
    """Files by the source they are for, and what no source takes."""
    folders = {name: each for name, each in sources.items() if each.source.connector in ("folder", "push")}
    taken: dict[str, list[Drop]] = {}
    strangers: list[str] = []
    for drop in drops:
        resource = _resource(drop.path, folders)
        if resource is None:
            strangers.append(drop.name)
        else:
            taken.setdefault(resource, []).append(drop)
    unknown = [f"no source for {len(strangers)} files, such as {strangers[0]}"] if strangers else []
    return [Part(folders[name], artefact, drops=tuple(each)) for name, each in sorted(taken.items())], unknown


def _resource(path: Path, folders: Mapping[str, Played]) -> str | None:
    """Which resource a file holds: by the pattern of the source, the resource's name in its own, or as the only one."""
    fitting = [
        name for name, each in folders.items() if fnmatch(path.name, str(each.source.options.get("pattern", "*")))
    ]
    if len(fitting) == 1:
        return fitting[0]
    named = [name for name in fitting if re.search(rf"(?<![a-z]){re.escape(name)}(?![a-z])", path.name)]
    return max(named, key=len) if named else None


def streams(
    parts: Sequence[Part],
    since: datetime,
    framing: Callable[[str], Framing | None],
) -> tuple[list[Stream], list[Trouble]]:
    """A stream for every part, by source, and what cannot be played. ``framing`` gives a protocol's framer."""
    found: list[Stream] = []
    troubles: list[Trouble] = []
    for part in sorted(parts, key=lambda each: (each.played.source.id, str(each.artefact.path))):
        try:
            found.append(_stream(part, since, framing))
        except (Invalid, OSError) as problem:
            troubles.append(Trouble(part.artefact.system, str(problem)))
    return found, troubles


def _stream(part: Part, since: datetime, framing: Callable[[str], Framing | None]) -> Stream:
    source, path = part.played.source, part.artefact.path
    match part.artefact.kind:
        case "table":
            assert part.table is not None
            return Asked(source.id, store.TableLog(path, part.table, part.key), since, part.played.every)
        case "records":
            return Asked(source.id, RecordLog(path, part.played.key), since, part.played.every)
        case "messages":
            return Messages(source.id, path)
        case "packets":
            frames = framing(source.connector)
            if frames is None:
                raise Invalid(f"nobody reads {source.connector}", remedy="install a connector of this kind")
            return Packets(source.id, path, source.connector, frames)
        case "drops":
            format = source.options.get("format")
            log = DropLog(part.drops, None if format is None else str(format))
            return Asked(source.id, log, since, part.played.every)
