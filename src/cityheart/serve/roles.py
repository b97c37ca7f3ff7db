"""Roles and permissions in words, for those who give them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

from cityheart.kernel.access import PERMISSIONS, ROLES
from cityheart.kernel.text import Text, text

__all__ = ["needs", "roles", "words"]


@cache
def words() -> Mapping[str, Mapping[str, object]]:
    """``roles.toml`` as it is written."""
    return tomllib.loads((Path(__file__).parent / "roles.toml").read_text("utf-8"))


def roles() -> dict[str, object]:
    """Every role with its title, what it is for and what it grants, and every permission in words.

    ``{"roles": [{"id", "title", "what", "grants": {permission: "city" | "department"}}], "permissions": [{"id", "title"}]}``
    """
    named = cast("Mapping[str, Mapping[str, Text]]", words()["roles"])
    chinese = cast("Mapping[str, str]", words()["permissions"])
    return {
        "roles": [
            {
                "id": role,
                "title": named.get(role, {}).get("title", text(role, role)),
                "what": named.get(role, {}).get("what", text("", "")),
                "grants": {name: "city" if whole else "department" for name, whole in granted.items()},
            }
            for role, granted in ROLES.items()
            if role != "system"
        ],
        "permissions": [
            {"id": name, "title": text(chinese.get(name, meaning), meaning)} for name, meaning in PERMISSIONS.items()
        ],
    }


def needs(permission: str, scope: str = "anywhere") -> dict[str, object]:
    """What somebody lacks who was refused: the permission in words, and the titles of the roles that hold it.

    ``scope``: ``anywhere``; ``everywhere``, the whole city; ``department``, one that may be another than the own. For the
    latter two only roles that hold it for the whole city are named.
    """
    named = cast("Mapping[str, Mapping[str, Text]]", words()["roles"])
    chinese = cast("Mapping[str, str]", words()["permissions"])
    meaning = PERMISSIONS[permission]
    return {
        "permission": permission,
        "title": text(chinese.get(permission, meaning), meaning),
        "scope": scope,
        "roles": [
            named.get(role, {}).get("title", text(role, role))
            for role, granted in ROLES.items()
            if role != "system" and (granted.get(permission) or (permission in granted and scope == "anywhere"))
        ],
    }
