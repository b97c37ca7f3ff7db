"""What a person who was refused lacks, in words, and who holds it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from cityheart.kernel.access import PERMISSIONS, require, require_everywhere
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Forbidden
from cityheart.kernel.text import text
from cityheart.serve.roles import needs

CLERK = Actor(id="user-1", name=text("王敏", "Wang Min"), department="ecology", roles=frozenset({"clerk"}))


def lacking(refused: Forbidden) -> dict[str, Any]:
    return needs(str(refused.extra["permission"]), str(refused.extra["scope"]))


def holders(found: dict[str, Any]) -> list[str]:
    return [cast("dict[str, str]", title)["en"] for title in found["roles"]]


def test_a_refusal_names_the_permission_and_who_holds_it() -> None:
    with pytest.raises(Forbidden) as anywhere:
        require(CLERK, "event.read")
    found = lacking(anywhere.value)
    assert found["title"] == {"zh-CN": "查看审计日志", "en": "read the event log"}
    assert found["scope"] == "anywhere"
    assert "Coordinator" in holders(found) and "Clerk of a department" not in holders(found)


def test_who_holds_it_for_the_own_department_only_is_not_named_for_another() -> None:
    with pytest.raises(Forbidden) as other:
        require(CLERK, "task.read", "transport")
    with pytest.raises(Forbidden) as whole:
        require_everywhere(CLERK, "task.read")
    for refused, scope in ((other, "department"), (whole, "everywhere")):
        found = lacking(refused.value)
        assert found["scope"] == scope
        assert "Duty officer" in holders(found) and "Clerk of a department" not in holders(found)
    assert "Clerk of a department" in holders(needs("task.read"))


def test_every_permission_is_held_by_somebody() -> None:
    for permission in PERMISSIONS:
        assert "Administrator" in holders(needs(permission))
