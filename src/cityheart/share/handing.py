"""Files that a person hands over: the same way in as for what a department pushes or puts into its folder.

A file is written to the city's disk as it comes, is landed as a delivery of its source, and is then removed: what it held
is in the lake or in quarantine. The name that it had is a label; nothing on the disk is ever called by it.
"""

from __future__ import annotations

import hashlib
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Invalid, TooLarge, Unavailable
from cityheart.share.connectors.base import ConnectorKind, FileKind
from cityheart.share.models import Delivery, Landed, Source

__all__ = ["Handing", "Incoming"]

_FOLDER = "incoming"
_LEFT_BEHIND = 86_400.0  # seconds after which a file that a killed process left is removed


@dataclass
class Incoming:
    """A file that is coming in: its bytes so far, and what they are known by."""

    file: IO[bytes]
    path: Path
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, piece: bytes) -> None:
        """Take a piece. Raises TooLarge, Unavailable when the disk takes no more."""
        self.size += len(piece)
        if self.size > limits.HANDED_FILE_BYTES:
            raise _too_large()
        self.digest.update(piece)
        with _on_disk():
            self.file.write(piece)


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
        self._home = home or Path(tempfile.gettempdir())

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
        clean = unicodedata.normalize("NFC", name)
        if (
            not clean.strip()
            or len(clean) > limits.FILE_NAME_CHARS
            or not clean.isprintable()
            or set(clean) & set("/\\")
        ):
            raise Invalid(
                "the file has no usable name",
                remedy=f"a name without folders, at most {limits.FILE_NAME_CHARS} characters",
            )
        if not fnmatch(clean, str(takes["pattern"])):
            raise Invalid(
                f"{source.id} takes files named {takes['pattern']}", remedy="rename the file, if it is one of these"
            )
        if size > limits.HANDED_FILE_BYTES:
            raise _too_large()
        return clean

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """A place on the disk for a file; it is gone afterwards. Raises Unavailable when the disk takes no more."""
        with _on_disk():
            folder = self._home / _FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            file = tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115  (closed below)
        path = Path(file.name)
        try:
            _sweep(folder, path)
            yield Incoming(file, path)
        finally:
            with suppress(OSError):
                file.close()
            path.unlink(missing_ok=True)

    def take(self, actor: Actor, command_id: str, source: Source, name: str, file: Incoming) -> Landed:
        """Land a file that has come in whole, as a delivery of its source; the same file again lands nothing twice.

        Who handed over what is an event before anything of it lands. Raises Unavailable when the lake cannot be written;
        the same command then lands it once there is room.
        """
        name = self.check(actor, source, name, file.size)
        with _on_disk():
            file.file.flush()
        handed = {"source": source.id, "name": name, "sha256": file.digest.hexdigest(), "bytes": file.size}

        def do(work: Work) -> dict[str, object]:
            work.emit(f"source:{source.id}", "source.handed_over", handed)
            return {}

        self._database.once(actor, command_id, "source.hand_over", handed, do)
        payload: bytes | Path = file.path
        if file.size <= limits.LAND_TOGETHER_BYTES:
            payload = file.path.read_bytes()
        format = source.options.get("format")
        delivery = Delivery(name, self._database.clock.now(), payload, None if format is None else str(format))
        (landed,) = self._land(source.id, [delivery])
        return landed


def _sweep(folder: Path, fresh: Path) -> None:
    """Remove what a process that was killed left long before this file."""
    now = fresh.stat().st_mtime
    for left in folder.iterdir():
        with suppress(OSError):
            if now - left.stat().st_mtime > _LEFT_BEHIND:
                left.unlink()


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the file cannot be kept: {error.strerror or error}", remedy="make room on the disk of the city's folder"
        ) from error


def _too_large() -> TooLarge:
    return TooLarge(
        f"a file that is handed over has at most {limits.HANDED_FILE_BYTES // 10**6} MB",
        remedy="put a larger one into the folder of the source, or hand it over in parts",
    )
