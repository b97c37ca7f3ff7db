"""Accounts and sessions, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, TooMany, Unauthenticated
from cityheart.kernel.text import text
from cityheart.serve.service import Serve
from cityheart.serve.store import account_table, session_table

ADMIN = Actor.system("test")


@pytest.fixture
def serve(database: Database, clock: VirtualClock) -> Serve:
    serve = Serve(database, wall=clock)
    serve.create(ADMIN, "wang", "correct horse", name=text("王", "Wang"), department="ecology", roles=["clerk"])
    return serve


def test_signing_in_gives_the_person_with_department_and_roles(serve: Serve) -> None:
    session = serve.sign_in("wang", "correct horse")
    actor = serve.actor(session.token)
    assert actor is not None and actor.department == "ecology" and actor.roles == {"clerk"}
    serve.sign_out(session.token)
    assert serve.actor(session.token) is None


@pytest.mark.parametrize(
    ("username", "password"), [("wang", "wrong"), ("nobody", "correct horse"), ("' or 1=1 --", "x")]
)
def test_a_wrong_name_and_a_wrong_password_look_the_same(serve: Serve, username: str, password: str) -> None:
    with pytest.raises(Unauthenticated, match="the name or the password is wrong"):
        serve.sign_in(username, password)


def test_guessing_is_stopped_and_may_go_on_after_a_while(serve: Serve, clock: VirtualClock) -> None:
    for _ in range(limits.SIGN_IN_FAILURES):
        with pytest.raises(Unauthenticated):
            serve.sign_in("wang", "guess")
    with pytest.raises(TooMany):
        serve.sign_in("wang", "correct horse")
    clock.advance_to(clock.now() + limits.SIGN_IN_WINDOW + timedelta(seconds=1))
    assert serve.sign_in("wang", "correct horse")


def test_a_session_ends_with_its_age_with_blocking_and_with_a_new_password(serve: Serve, clock: VirtualClock) -> None:
    session = serve.sign_in("wang", "correct horse")
    serve.set_password(ADMIN, "wang", "another horse")
    assert serve.actor(session.token) is None
    session = serve.sign_in("wang", "another horse")
    clock.advance_to(clock.now() + limits.SESSION_AGE + timedelta(seconds=1))
    assert serve.actor(session.token) is None
    session = serve.sign_in("wang", "another horse")
    serve.block(ADMIN, "wang")
    assert serve.actor(session.token) is None
    with pytest.raises(Unauthenticated):
        serve.sign_in("wang", "another horse")


def test_neither_password_nor_token_is_stored(serve: Serve, database: Database) -> None:
    session = serve.sign_in("wang", "correct horse")
    with database.read() as conn:
        stored = str(conn.execute(sa.select(account_table)).all()) + str(conn.execute(sa.select(session_table)).all())
    assert "correct horse" not in stored and session.token not in stored and "$argon2id$" in stored


@pytest.mark.parametrize(
    ("username", "password", "roles", "error"),
    [
        ("wang", "long enough", ["clerk"], Conflict),
        ("X", "long enough", ["clerk"], Invalid),
        ("li", "short", ["clerk"], Invalid),
        ("li", "long enough", ["emperor"], Invalid),
        ("li", "long enough", ["system"], Invalid),
    ],
)
def test_what_is_not_acceptable_is_refused(
    serve: Serve, username: str, password: str, roles: list[str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        serve.create(ADMIN, username, password, name=text("李", "Li"), department=None, roles=roles)


def test_only_who_manages_users_may(serve: Serve, officer: Actor) -> None:
    with pytest.raises(Forbidden):
        serve.create(officer, "li", "long enough", name=text("李", "Li"), department=None, roles=["admin"])
    with pytest.raises(Forbidden):
        serve.accounts(officer)
