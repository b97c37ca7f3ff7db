"""Actors: on whose behalf something is read or done. No actor, no data."""

from __future__ import annotations

from dataclasses import dataclass

from cityheart.kernel.text import Text, text

__all__ = ["Actor"]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a part of the system that acts.

    ``department`` is the code of the department the person works for, ``None`` for the city as a whole; ``under`` are the
    departments below it (a county's townships). ``deputy_for`` are the people whose place this one takes at present.
    """

    id: str
    name: Text
    department: str | None
    roles: frozenset[str]
    under: frozenset[str] = frozenset()
    deputy_for: tuple[str, ...] = ()

    @classmethod
    def system(cls, part: str) -> Actor:
        """The system itself, acting through one of its parts, e.g. ``Actor.system("watch")``."""
        return cls(f"system:{part}", text(f"系统（{part}）", f"system ({part})"), None, frozenset({"system"}))
