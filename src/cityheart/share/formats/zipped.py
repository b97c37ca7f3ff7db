"""Archives: every member is unpacked and its checksum seen before the first row of any is taken.

A truncated archive, a wrong checksum, a bomb (``limits.ZIP_RATIO``, ``ZIP_BYTES``, ``ZIP_MEMBERS``) or a locked member
refuses the whole delivery: half a delivery is worse than none, because its sender believes it arrived.
"""

from __future__ import annotations

import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.formats.batch import Payload, opened
from cityheart.share.models import Refused

__all__ = ["members"]

_IGNORED = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def members(payload: Payload) -> Iterator[tuple[str, Path]]:
    """The files of an archive, unpacked beside each other in a folder that is gone afterwards. Raises Refused."""
    with tempfile.TemporaryDirectory(prefix="cityheart-") as folder:
        unpacked = list(_unpack(payload, Path(folder)))
        if not unpacked:
            raise Refused("empty", text("压缩包是空的", "the archive is empty"))
        yield from unpacked


def _unpack(payload: Payload, folder: Path) -> Iterator[tuple[str, Path]]:
    try:
        with opened(payload) as stream, zipfile.ZipFile(stream) as archive:
            files = [each for each in archive.infolist() if not each.is_dir() and not _ignored(each.filename)]
            if len(files) > limits.ZIP_MEMBERS:
                raise _too_large(f"{len(files)} files", f"{len(files)} 个文件")
            if sum(each.file_size for each in files) > limits.ZIP_BYTES:
                raise _too_large("its files together", "全部文件")
            for number, info in enumerate(files):
                if info.flag_bits & 0x1:
                    raise Refused(
                        "archive_locked", text(f"{info.filename} 有密码", f"{info.filename} is locked with a password")
                    )
                path = folder / f"{number}{Path(info.filename).suffix.lower()}"
                _copy(archive, info, path)
                yield _name(info), path
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError) as error:
        raise Refused("archive_broken", _broken(str(error))) from error


def _copy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    """Unpack one member, believing no size it states."""
    allowed = min(limits.ZIP_BYTES, max(2**20, info.compress_size * limits.ZIP_RATIO))
    size = 0
    with archive.open(info) as source, path.open("wb") as target:
        while piece := source.read(2**20):
            size += len(piece)
            if size > allowed:
                raise _too_large(info.filename, info.filename)
            target.write(piece)


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name; Windows in China writes it in GB 18030 without saying so."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("gb18030")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return info.filename


def _ignored(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in _IGNORED


def _broken(reason: str) -> Text:
    return text(f"压缩包损坏或不完整：{reason}", f"the archive is damaged or cut short: {reason}")


def _too_large(what: str, what_zh: str) -> Refused:
    return Refused("archive_too_large", text(f"压缩包解开后过大：{what_zh}", f"the archive unpacks too large: {what}"))
