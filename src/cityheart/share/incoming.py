"""A file that a person sends, on its way in: written to the city's disk piece by piece, read from there, then removed.

The name that it had is a label; nothing on the disk is ever called by it.
"""

from __future__ import annotations

import hashlib
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge, Unavailable

__all__ = ["Incoming", "file_name", "incoming", "of_size"]

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
        of_size(self.size)
        self.digest.update(piece)
        with _on_disk():
            self.file.write(piece)

    def whole(self) -> Path:
        """Where all of it is now. Raises Unavailable when the disk takes no more."""
        with _on_disk():
            self.file.flush()
        return self.path


@contextmanager
def incoming(home: Path | None) -> Iterator[Incoming]:
    """A place on the disk of the city at ``home`` for a file; it is gone afterwards. Raises Unavailable."""
    with _on_disk():
        folder = (home or Path(tempfile.gettempdir())) / _FOLDER
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


def file_name(name: str) -> str:
    """The name of a file as it is kept and shown. Raises Invalid for one that is no name of a file."""
    clean = unicodedata.normalize("NFC", name)
    if not clean.strip() or len(clean) > limits.FILE_NAME_CHARS or not clean.isprintable() or set(clean) & set("/\\"):
        raise Invalid(
            "the file has no usable name",
            remedy=f"a name without folders, at most {limits.FILE_NAME_CHARS} characters",
        )
    return clean


def of_size(size: int) -> None:
    """Raises TooLarge for a file that cannot be handed over."""
    if size > limits.HANDED_FILE_BYTES:
        raise TooLarge(
            f"a file that is handed over has at most {limits.HANDED_FILE_BYTES // 10**6} MB",
            remedy="hand it over in parts",
        )


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
