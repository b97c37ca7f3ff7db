"""A drop folder: files that a department puts there, each taken once.

A file is known by its path in the folder, its size and its time of change: a file written again is a new delivery.
Names that begin with a dot or end in ``.part``, ``.tmp`` or ``.filepart`` are still being written and are left alone.
Files are never moved or changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.connectors.base import Pull, Pulled, SourceFailed
from cityheart.share.connectors.push import Push
from cityheart.share.models import Delivery

__all__ = ["Folder"]

_UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload")


class Folder:
    """Files in a folder and the folders below it, oldest first."""

    name = "folder"
    title = text("文件目录", "file folder")
    options: Mapping[str, Text] = {
        "path": text("目录，相对路径从城市目录算起", "the folder; a relative one is below the city's"),
        "pattern": text("文件名样式，如 *.csv", "which file names, such as *.csv"),
        "format": text("格式，默认自动识别", "format; found out when absent"),
        **Push.options,
    }

    def problems(self, options: Mapping[str, object]) -> list[str]:
        """Unknown options, no path."""
        unknown = [f"nobody knows the option {name!r}" for name in sorted(set(options) - set(self.options))]
        return unknown if options.get("path") else [*unknown, "the option 'path' is missing"]

    def pattern(self, options: Mapping[str, object]) -> str:
        """Those that are taken from the folder."""
        return str(options.get("pattern", "*"))

    def folder(self, options: Mapping[str, object], home: Path) -> Path:
        """The folder, relative to the city's."""
        return home / str(options["path"])

    def pull(self, pull: Pull) -> Iterator[Pulled]:
        """Files that are new or were written again, by time of change and name."""
        root = self.folder(pull.options, pull.home)
        if not root.is_dir():
            raise SourceFailed(text(f"目录 {root} 不存在", f"the folder {root} does not exist"))
        pattern = self.pattern(pull.options)
        found: list[tuple[int, str, str, Path]] = []
        try:
            for directory, folders, files in os.walk(root):
                folders[:] = sorted(each for each in folders if not each.startswith("."))
                for file in files:
                    if file.startswith(".") or file.lower().endswith(_UNFINISHED) or not fnmatch(file, pattern):
                        continue
                    path = Path(directory) / file
                    stat = path.stat()
                    name = path.relative_to(root).as_posix()
                    found.append((stat.st_mtime_ns, name, f"{stat.st_size}-{stat.st_mtime_ns}", path))
        except OSError as error:
            raise SourceFailed(text(f"目录无法读取：{error}", f"the folder cannot be read: {error}")) from error
        found.sort()
        known = pull.known([name for _, name, _, _ in found])
        format = pull.options.get("format")
        fresh = [each for each in found if (each[1], each[2]) not in known]
        for _, name, stamp, path in fresh[: limits.PULL_DELIVERIES]:
            payload: bytes | Path = path
            try:
                if path.stat().st_size <= limits.LAND_TOGETHER_BYTES:
                    payload = path.read_bytes()
            except OSError as error:
                raise SourceFailed(text(f"{name} 无法读取：{error}", f"{name} cannot be read: {error}")) from error
            yield Pulled(Delivery(name, pull.now, payload, None if format is None else str(format), stamp))
