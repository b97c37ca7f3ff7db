"""Files of receipts, kept under their own SHA-256: the same photo is stored once, and cannot be changed unseen."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cityheart.command.models import File
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, NotFound, TooLarge

__all__ = ["FileStore"]

# first bytes -> what it is; whatever else is a plain file, whatever its name says
_MEDIA = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"....ftyp(heic|heix|mif1|avif)", re.DOTALL), "image/heic"),
    (re.compile(rb"%PDF-"), "application/pdf"),
)


class FileStore:
    """A folder of files by content: ``ab/abcdef…``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, content: Iterable[bytes]) -> File:
        """Store ``content`` durably and say under which digest.

        Raises :class:`TooLarge` past ``limits.RECEIPT_FILE_BYTES``, :class:`Invalid` for an empty file.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        digest, size, start = hashlib.sha256(), 0, b""
        descriptor, draft = tempfile.mkstemp(dir=self._folder, prefix="draft-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in content:
                    size += len(chunk)
                    if size > limits.RECEIPT_FILE_BYTES:
                        raise TooLarge(
                            f"the file is larger than {limits.RECEIPT_FILE_BYTES // 2**20} MB",
                            remedy="send a smaller one",
                        )
                    start = start if len(start) >= 16 else start + chunk[:16]
                    digest.update(chunk)
                    file.write(chunk)
                if not self._place_of(digest.hexdigest()).is_file():
                    file.flush()
                    os.fsync(file.fileno())
            if not size:
                raise Invalid("the file is empty", remedy="send a file with content")
            self._place(Path(draft), digest.hexdigest())
        finally:
            Path(draft).unlink(missing_ok=True)
        media = next((media for pattern, media in _MEDIA if pattern.match(start)), "application/octet-stream")
        return File(_shown(name), digest.hexdigest(), size, media)

    def path(self, sha256: str) -> Path:
        """Where the file is. Raises :class:`NotFound`."""
        if re.fullmatch(r"[0-9a-f]{64}", sha256):
            path = self._place_of(sha256)
            if path.is_file():
                return path
        raise NotFound(f"there is no file {sha256}", remedy="look at the receipts of the task")

    def _place_of(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def _place(self, draft: Path, sha256: str) -> None:
        final = self._place_of(sha256)
        final.parent.mkdir(exist_ok=True)
        if final.is_file():
            return
        draft.replace(final)
        for folder in (final.parent, self._folder):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _shown(name: str) -> str:
    """A name that is safe to show and to save under: no folders, no control characters."""
    plain = re.sub(r"[\x00-\x1f\x7f/\\:]+", "_", name).strip(" .")
    return plain[-200:] or "file"
