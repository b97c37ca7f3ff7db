"""Files that a person hands over: the same way in as for what a department pushes or puts into its folder.

A file is written to the city's disk as it comes (incoming.py), is landed as a delivery of its source, and is then removed:
what it held is in the lake or in quarantine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from fnmatch import fnmatch
from pathlib import Path

from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Invalid
from cityheart.share.connectors.base import ConnectorKind, FileKind
from cityheart.share.incoming import Incoming, file_name, incoming, of_size
from cityheart.share.models import Delivery, Landed, Source

__all__ = ["Handing"]


class Handing:
    """Takes files of sources from persons."""

    def __init__(
        self,
        database: Database,
        land: Callable[[str, Sequence[Delivery]], list[Landed]],
        kind: Callable[[str], ConnectorKind],
        home: Path | None,
    ) -> None:
        self._database, self._land, self._kind = database, land, kind
        self._home = home

    def takes(self, source: Source) -> dict[str, object] | None:
        """Which files of a source can be handed over, ``{pattern, most_bytes}``; None where its systems send none."""
        try:
            kind = self._kind(source.connector)
        except Invalid:  # of an extra that is not installed
            return None
        if not isinstance(kind, FileKind):
            return None
        return {"pattern": kind.pattern(source.options), "most_bytes": limits.HANDED_FILE_BYTES}

    def check(self, actor: Actor, source: Source, name: str, size: int) -> str:
        """The name of a file that may be handed over, before a byte of it is read.

        Raises Forbidden; Conflict for a source that takes no files; Invalid for a name that it does not take; TooLarge.
        """
        require(actor, "source.manage", source.department)
        takes = self.takes(source)
        if takes is None:
            raise Conflict(
                f"{source.id} takes no files: it is asked or speaks by itself ({source.connector})",
                remedy="look for a source of the same dataset that delivers files",
            )
        clean = file_name(name)
        if not fnmatch(clean, str(takes["pattern"])):
            raise Invalid(
                f"{source.id} takes files named {takes['pattern']}", remedy="rename the file, if it is one of these"
            )
        of_size(size)
        return clean

    def incoming(self) -> AbstractContextManager[Incoming]:
        """A place on the disk for a file; it is gone afterwards. Raises Unavailable when the disk takes no more."""
        return incoming(self._home)

    def take(self, actor: Actor, command_id: str, source: Source, name: str, file: Incoming) -> Landed:
        """Land a file that has come in whole, as a delivery of its source; the same file again lands nothing twice.

        Who handed over what is an event before anything of it lands. Raises Unavailable when the lake cannot be written;
        the same command then lands it once there is room.
        """
        name = self.check(actor, source, name, file.size)
        path = file.whole()
        handed = {"source": source.id, "name": name, "sha256": file.digest.hexdigest(), "bytes": file.size}

        def do(work: Work) -> dict[str, object]:
            work.emit(f"source:{source.id}", "source.handed_over", handed)
            return {}

        self._database.once(actor, command_id, "source.hand_over", handed, do)
        payload: bytes | Path = path
        if file.size <= limits.LAND_TOGETHER_BYTES:
            payload = path.read_bytes()
        format = source.options.get("format")
        delivery = Delivery(name, self._database.clock.now(), payload, None if format is None else str(format))
        (landed,) = self._land(source.id, [delivery])
        return landed
