"""Keeping accounts: who may change whom, one-time codes, sessions; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cityheart.kernel import events, limits
from cityheart.kernel.access import GIVEN_BY_DEPARTMENTS, PERMISSIONS, ROLES, require_everywhere
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from cityheart.kernel.text import text
from cityheart.serve.roles import words
from cityheart.serve.service import Serve

SYSTEM = Actor.system("test")
PASSWORD = "correct horse"


class Cheap:
    """Hashes at once: how passwords are hashed is tried elsewhere."""

    @staticmethod
    def hash(password: str) -> str:
        return f"hashed {password}"

    @staticmethod
    def verify(hashed: str, password: str) -> bool:
        import argon2

        if hashed != f"hashed {password}":
            raise argon2.exceptions.VerifyMismatchError
        return True


@pytest.fixture
def serve(database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Serve:
    monkeypatch.setattr("argon2.PasswordHasher", Cheap)
    serve = Serve(database, wall=clock)
    serve.register_departments({"ecology": frozenset({"ecology-lab"}), "ecology-lab": frozenset(), "fire": frozenset()})
    for name, department, role in (
        ("root", None, "admin"),
        ("boss", "ecology", "department_admin"),
        ("wang", "ecology", "clerk"),
        ("lab", "ecology-lab", "clerk"),
        ("stew", "ecology", "steward"),
        ("zhao", "fire", "clerk"),
    ):
        serve.create(SYSTEM, name, PASSWORD, name=text(f"姓{name}", name.title()), department=department, roles=[role])
    return serve


Who = Callable[[str], Actor]


@pytest.fixture
def who(serve: Serve) -> Who:
    return lambda name: serve.acting(serve.person(name))


def _names(page: dict[str, Any]) -> list[str]:
    return [account["username"] for account in page["items"]]


def test_accounts_are_found_by_name_department_role_and_state_page_by_page(serve: Serve, who: Who) -> None:
    root, find = who("root"), serve.managing.accounts
    assert _names(find(root)) == ["boss", "lab", "root", "stew", "wang", "zhao"]
    assert _names(find(root, text="姓WANG")) == ["wang"] and _names(find(root, text="%")) == []
    assert _names(find(root, department="ecology", role="clerk")) == ["wang"]
    serve.managing.block(root, "zhao", "command-1", "left")
    assert _names(find(root, state="blocked")) == ["zhao"]
    assert find(root)["counts"] == {"active": 5, "blocked": 1, "must_change": 0}
    first: Any = find(root, limit=4)
    assert (first["total"], first["next"]) == (6, "stew")
    assert _names(find(root, limit=4, after="stew")) == ["wang", "zhao"]
    with pytest.raises(Invalid):
        find(root, text="a\x00b")


def test_a_department_keeps_its_own_clerks_and_nobody_else(serve: Serve, who: Who) -> None:
    boss, managing = who("boss"), serve.managing
    assert _names(managing.accounts(boss)) == ["boss", "lab", "stew", "wang"]
    assert set(managing.may_give(boss)) == GIVEN_BY_DEPARTMENTS
    managing.create(boss, "command-1", "li", name=text("李", "Li"), department="ecology-lab", roles=["clerk"])
    managing.reset(boss, "wang", "command-2")
    with pytest.raises(NotFound):
        managing.account(boss, "zhao")
    with pytest.raises(Forbidden):  # a one-time code for a steward would be a way to the steward's rights
        managing.reset(boss, "stew", "command-3")
    with pytest.raises(Forbidden):
        managing.change(boss, "wang", "command-4", {"roles": ["clerk", "steward"]})
    with pytest.raises(Forbidden):
        managing.change(boss, "wang", "command-5", {"department": "fire"})
    with pytest.raises(Forbidden):
        managing.create(boss, "command-6", "mole", name=text("米", "Mi"), department=None, roles=["clerk"])
    for verb in (lambda: managing.accounts(who("wang")), lambda: managing.block(who("wang"), "lab", "command-7")):
        with pytest.raises(Forbidden):
            verb()


def test_nobody_raises_the_own_role_and_the_last_administrator_stays(serve: Serve, who: Who) -> None:
    root, managing = who("root"), serve.managing
    for changes in ({"roles": ["admin", "mayor"]}, {"department": "fire"}):
        with pytest.raises(Conflict, match="own roles"):
            managing.change(root, "root", f"command-{changes}"[:60], changes)
    assert managing.change(root, "root", "command-1", {"name": text("根", "Root")})["name"] == text("根", "Root")
    with pytest.raises(Conflict, match="own account"):
        managing.block(root, "root", "command-2")
    with pytest.raises(Conflict, match="last administrator"):
        managing.block(SYSTEM, "root", "command-3")
    with pytest.raises(Conflict, match="last administrator"):
        managing.change(SYSTEM, "root", "command-4", {"roles": ["mayor"]})
    managing.change(root, "wang", "command-5", {"roles": ["admin"]})
    managing.block(who("wang"), "root", "command-6")
    with pytest.raises(Conflict, match="last administrator"):  # one who is blocked does not count
        managing.block(SYSTEM, "wang", "command-7")
    deputy = replace(who("stew"), roles=frozenset({"steward", "admin"}), deputy_for=(root.id,))
    with pytest.raises(Conflict, match="own roles"):
        managing.change(deputy, "stew", "command-8", {"roles": ["admin"]})


def test_a_one_time_code_is_told_once_lets_do_one_thing_and_runs_out(
    serve: Serve, who: Who, database: Database, clock: VirtualClock
) -> None:
    old = serve.sign_in("wang", PASSWORD)
    given: Any = serve.managing.reset(who("root"), "wang", "command-1")
    assert serve.entry(old.token) is None
    again = serve.managing.reset(who("root"), "wang", "command-1")
    assert again["code"] is None and again["code_until"] is not None
    session = serve.sign_in("wang", given["code"], "Mozilla/5.0 \x00(X11)")
    entry = serve.entry(session.token)
    assert entry is not None and entry.must_change and entry.actor.roles == frozenset()
    with pytest.raises(Invalid):
        serve.change_password(entry.actor, session.token, given["code"], given["code"])
    with pytest.raises(Invalid, match="easily guessed"):
        serve.change_password(entry.actor, session.token, given["code"], "aaaaaaaaaaaa")
    assert serve.change_password(entry.actor, session.token, given["code"], "quite another") == {"ended": 0}
    entry = serve.entry(session.token)
    assert entry is not None and not entry.must_change and entry.actor.roles == {"clerk"}
    with pytest.raises(Unauthenticated):
        serve.sign_in("wang", given["code"])
    late: Any = serve.managing.reset(who("root"), "wang", "command-2")
    clock.advance_to(clock.now() + limits.ONE_TIME_CODE_AGE + timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="run out"):
        serve.sign_in("wang", late["code"])
    with database.read() as conn:
        log = "".join(str(event.data) for event in events.read(conn))
    assert given["code"] not in log and late["code"] not in log


def test_sessions_are_listed_and_ended_by_their_person_and_by_a_keeper(
    serve: Serve, who: Who, clock: VirtualClock
) -> None:
    here, there = serve.sign_in("wang", PASSWORD, "Firefox"), serve.sign_in("wang", PASSWORD, "Phone")
    wang = who("wang")
    own: Any = serve.own(wang, here.token)
    assert {(one["agent"], one["current"]) for one in own["sessions"]} == {("Firefox", True), ("Phone", False)}
    assert own["last_sign_in_at"] == clock.now()
    other = next(one["id"] for one in own["sessions"] if not one["current"])
    assert serve.end_own(wang, other) == {"ended": 1}
    assert serve.entry(there.token) is None and serve.entry(here.token) is not None
    with pytest.raises(NotFound):
        serve.end_own(who("zhao"), own["sessions"][0]["id"])
    clock.advance_to(clock.now() + limits.SESSION_SEEN)
    serve.entry(here.token)
    kept: Any = serve.managing.account(who("root"), "wang")["sessions"]
    assert [one["seen_at"] for one in kept] == [clock.now()] and here.token not in str(kept)
    assert serve.managing.end_sessions(who("root"), "wang", "command-1") == {"ended": 1}
    assert serve.entry(here.token) is None


def test_every_act_is_an_event_without_anything_personal(serve: Serve, who: Who, database: Database) -> None:
    root, managing = who("root"), serve.managing
    managing.change(root, "wang", "command-1", {"roles": ["clerk", "analyst"], "email": "wang@example.org"})
    managing.change(root, "wang", "command-1", {"roles": ["clerk", "analyst"], "email": "wang@example.org"})
    managing.block(root, "wang", "command-2", "on leave")
    managing.unblock(root, "wang", "command-3", "is back")
    with database.read() as conn:
        found = events.read(conn, stream=f"account:{who('wang').id}")
    assert [event.type for event in found] == [
        "account.created", "account.changed", "account.blocked", "account.unblocked"
    ]  # fmt: skip
    assert found[1].data == {
        "username": "wang",
        "fields": ["email", "roles"],
        "changes": {"roles": {"from": ["clerk"], "to": ["analyst", "clerk"]}},
    }
    assert "example.org" not in str([event.data for event in found]) and found[1].actor == root.id


@pytest.mark.parametrize(
    "changes",
    [{}, {"roles": None}, {"roles": ["system"]}, {"department": "nowhere"}, {"email": "x"}, {"name": "only"}],
)
def test_changes_that_are_none_are_refused(serve: Serve, who: Who, changes: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        serve.managing.change(who("root"), "wang", "command-1", changes)


def test_every_role_and_permission_is_said_in_both_languages() -> None:
    said: Any = words()
    assert set(said["roles"]) == set(ROLES) and set(said["permissions"]) == set(PERMISSIONS)


def test_what_is_the_whole_citys_is_not_for_a_departments_keeper() -> None:
    boss = Actor("user:boss", text("b", "b"), "ecology", frozenset({"department_admin"}))
    with pytest.raises(Forbidden):
        require_everywhere(boss, "user.manage")
    require_everywhere(SYSTEM, "user.manage")
