"""Cities to begin with: what ``cityheart init DIR --like NAME`` writes besides an empty city.

A template is a TOML file named after the city, brought by a plug-in (hook ``cities``): the settings that differ from their
defaults (``title``, ``zone``, ``bounds``, ``apps``), and under ``[files]`` what is copied into the city's folder, by the name
it has there; paths are relative to the template.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cityheart.kernel.errors import Invalid

__all__ = ["Template", "read_templates"]

_ONE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    title: dict[str, str] | None = None
    zone: str | None = None
    bounds: tuple[float, float, float, float] | None = None
    apps: tuple[str, ...] = ()
    files: dict[Annotated[str, Field(pattern=_ONE_NAME)], str] = {}


@dataclass(frozen=True)
class Template:
    """A city to begin with: its ``settings`` and the ``files`` of its folder, by name."""

    name: str
    settings: Mapping[str, object]
    files: Mapping[str, Path]


def read_templates(files: Iterable[Path]) -> dict[str, Template]:
    """Templates by name. Raises :class:`Invalid` naming the file and the place in it."""
    found = {}
    for file in sorted(files):
        try:
            declared = _Declared.model_validate(tomllib.loads(file.read_text("utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"{file}: not valid TOML: {error}", remedy="mend the line it names") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise Invalid(f"{file}: {place}: {first['msg']}", remedy="mend it; unknown keys are errors too") from None
        copied = {name: (file.parent / path).resolve() for name, path in declared.files.items()}
        missing = sorted(str(path) for path in copied.values() if not path.is_file())
        if missing:
            raise Invalid(f"{file}: files: {missing[0]} is not there", remedy="add it, or leave it out")
        found[file.stem] = Template(file.stem, declared.model_dump(exclude={"files"}, exclude_unset=True), copied)
    return found
