"""The systems of a test city at work: everything comes up as what it is, and shows what there is at a moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cityheart.sdk import Invalid
from cityheart.simulation.player.broker import Broker
from cityheart.simulation.player.devices import Address, Devices
from cityheart.simulation.player.folder import Trouble
from cityheart.simulation.player.handed import RecordLog
from cityheart.simulation.player.serving import DropFolder, Interface, Interfaces
from cityheart.simulation.player.store import ServedDatabase
from cityheart.simulation.player.streams import PROTOCOLS, Part

__all__ = ["Stage"]

TOKEN = "CITYHEART_PLAY_TOKEN"  # noqa: S105  (the environment variable that holds it)


class _Shown(Protocol):
    def show(self, until: datetime) -> None: ...


class Stage:
    """Every system of ``parts``, begun at ``since`` (a play that goes on shows nothing twice on the wire).

    ``folder`` says where the drop folder of a source lies, ``work`` is a folder of the stage's own. ``differences`` are
    the options by which the city's sources find their systems, ``environment`` the secrets they need. What cannot come up
    is told as ``troubles``, and the others do.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        work: Path,
        folder: Callable[[str], Path],
        since: datetime,
        begun: datetime,
        seed: int,
        speed: float,
    ) -> None:
        self.differences: dict[str, dict[str, object]] = {}
        self.environment: dict[str, str] = {}
        self.troubles: list[Trouble] = []
        self.addresses: Callable[[], Mapping[str, Address | None]] = dict
        self._shown: list[tuple[str, _Shown]] = []
        self._databases: list[ServedDatabase] = []
        self._devices: list[Devices] = []
        self._broker: Broker | None = None
        self._interfaces: Interfaces | None = None
        self._work = work
        self._since, self._begun, self._seed = since, begun, seed
        try:
            self._tables([part for part in parts if part.artefact.kind == "table"])
            self._records([part for part in parts if part.artefact.kind == "records"], speed)
            for part in parts:
                if part.artefact.kind == "drops":
                    self._put(part, DropFolder(part.drops, folder(part.played.source.id)))
            self._packets([part for part in parts if part.artefact.kind == "packets"])
            self._messages([part for part in parts if part.artefact.kind == "messages"])
        except BaseException:
            self.close()
            raise

    def show(self, until: datetime) -> None:
        """Let everything be there, and be sent, that was by ``until``."""
        for system, shown in list(self._shown):
            try:
                shown.show(until)
            except (Invalid, OSError) as problem:
                self.troubles.append(Trouble(system, f"breaks off: {problem}"))
                self._shown.remove((system, shown))

    @property
    def waiting(self) -> int:
        """Bytes and messages that devices have sent and that nobody has taken yet."""
        return sum(each.waiting for each in self._devices) + (self._broker.waiting if self._broker else 0)

    def hang_up(self) -> None:
        """The devices end their connections, after what they had to say."""
        for device in self._devices:
            device.close()
        self._devices.clear()

    @property
    def published(self) -> Mapping[str, int]:
        """Messages that the broker has taken, by source."""
        return self._broker.published if self._broker else {}

    def close(self) -> None:
        """End it all."""
        self.hang_up()
        if self._broker is not None:
            self._broker.close()
        if self._interfaces is not None:
            self._interfaces.close()
        for database in self._databases:
            database.close()
        self._databases.clear()

    # ── how it comes up ────────────────────────────────────────────────────────────────────────────────────────

    def _put(self, part: Part, shown: _Shown) -> None:
        self._shown.append((part.artefact.system, shown))

    def _failed(self, part: Part, problem: Exception) -> None:
        self.troubles.append(Trouble(part.artefact.system, str(problem)))

    def _tables(self, parts: Sequence[Part]) -> None:
        for path in sorted({part.artefact.path for part in parts}):
            here = [part for part in parts if part.artefact.path == path and part.table is not None]
            file = self._work / f"{here[0].artefact.system}.sqlite"
            try:
                database = ServedDatabase(path, file, {str(part.table): part.key for part in here})
            except Invalid as problem:
                self._failed(here[0], problem)
                continue
            self._databases.append(database)
            self._put(here[0], database)
            for part in here:
                self._named(part, "url", f"sqlite:///{file}")
                self.differences[part.played.source.id]["table"] = part.table

    def _records(self, parts: Sequence[Part], speed: float) -> None:
        found: list[tuple[Part, Interface]] = []
        for part in parts:
            source = part.played.source
            try:
                log = RecordLog(part.artefact.path, part.played.key)
            except Invalid as problem:
                self._failed(part, problem)
                continue
            found.append((part, Interface(source.id, log, part.played.key, source.options, self._seed)))
            self._put(*found[-1])
        if not found:
            return
        self._interfaces = Interfaces([interface for _, interface in found], self._seed, speed)
        for part, interface in found:
            self._named(part, "token", self._interfaces.token)
            self.differences[part.played.source.id]["url"] = self._interfaces.address + interface.path

    def _packets(self, parts: Sequence[Part]) -> None:
        for part in parts:
            source = part.played.source
            try:
                devices = Devices(source.id, part.artefact.path, self._address_of(source.id))
            except Invalid as problem:
                self._failed(part, problem)
                continue
            if self._since > self._begun:
                devices.skip(self._since)
            self._devices.append(devices)
            self._put(part, devices)
            assert source.connector in PROTOCOLS
            self.differences[source.id] = {"host": "127.0.0.1", "port": 0}

    def _address_of(self, source: str) -> Callable[[], Address | None]:
        return lambda: self.addresses().get(source)

    def _messages(self, parts: Sequence[Part]) -> None:
        if not parts:
            return
        try:
            broker = self._broker = Broker(self._work)
        except Invalid as problem:
            for part in parts:
                self._failed(part, problem)
            return
        for part in parts:
            source = part.played.source
            try:
                publisher = broker.publisher(source.id, part.artefact.path)
            except Invalid as problem:
                self._failed(part, problem)
                continue
            if self._since > self._begun:
                publisher.skip(self._since)
            self._put(part, publisher)
            self._named(part, "url", broker.url)
            self.differences.setdefault(source.id, {}).update(broker.options)

    def _named(self, part: Part, option: str, value: str) -> None:
        """Give a source an option, by the environment where its application reads it from there."""
        source = part.played.source
        mine = self.differences.setdefault(source.id, {})
        variable = source.options.get(f"{option}_env")
        if variable is not None:
            self.environment[str(variable)] = value
        elif option == "token":
            self.environment[TOKEN] = value
            mine["token_env"] = TOKEN
        else:
            mine[option] = value
