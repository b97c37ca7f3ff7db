"""Accounts: create, sign in, sign out, block. Passwords as argon2id, session tokens as SHA-256."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property

import argon2

from cityheart.kernel import limits
from cityheart.kernel.access import ROLES, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock, SystemClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Invalid, NotFound, TooMany, Unauthenticated
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text
from cityheart.serve import store
from cityheart.serve.models import Account, Session

__all__ = ["Serve"]

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,59}")


class Serve:
    """The accounts of a city.

    Sessions live on the ``wall`` clock, not the city's: a city played at a thousand times real time must not sign
    its people out every few seconds.
    """

    def __init__(self, database: Database, wall: Clock | None = None) -> None:
        self._database = database
        self._wall = wall or SystemClock()
        self._hasher = argon2.PasswordHasher()
        self._below: Mapping[str, frozenset[str]] = {}
        self._stands_in: Callable[[str], Iterable[str]] = lambda account_id: ()

    def register_departments(self, below: Mapping[str, frozenset[str]]) -> None:
        """Make known which departments stand below which: whoever works for one also works for those below it."""
        self._below = dict(below)

    def register_deputies(self, stands_in: Callable[[str], Iterable[str]]) -> None:
        """Make known in whose place somebody acts: ``stands_in(account id)`` gives the ids of the absent."""
        self._stands_in = stands_in

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash(secrets.token_hex(16))  # checked for unknown names, so that they take as long

    def create(
        self,
        actor: Actor,
        username: str,
        password: str,
        *,
        name: Text,
        department: str | None,
        roles: Iterable[str],
        email: str | None = None,
    ) -> Account:
        """Create an account. Raises :class:`Invalid` for a bad name, role, address or password, :class:`Conflict` if taken."""
        require(actor, "user.manage")
        roles = frozenset(roles)
        if not _USERNAME.fullmatch(username):
            raise Invalid(f"{username!r} is not a user name", remedy="use 2 to 60 of a-z, 0-9, dot, dash, underscore")
        if unknown := roles - ROLES.keys() | roles & {"system"}:
            raise Invalid(f"no such role: {', '.join(sorted(unknown))}", remedy=f"one of {', '.join(sorted(ROLES))}")
        if email is not None and _EMAIL.fullmatch(email) is None:
            raise Invalid(f"{email!r} is not an e-mail address", remedy="write it as name@example.org")
        self._check_password(password)
        with self._database.work(actor) as work:
            if store.by_username(work.conn, username) is not None:
                raise Conflict(f"{username} is taken", remedy="choose another name")
            account = Account(
                derive("user", username), username, name, department, roles, self._wall.now(), None, email
            )
            store.write_account(work.conn, account, self._hasher.hash(password))
            work.emit(f"account:{account.id}", "account.created", {"username": username, "roles": roles})
        return account

    def set_password(self, actor: Actor, username: str, password: str) -> None:
        """Replace a password, which ends every session of the account. Raises :class:`NotFound`."""
        require(actor, "user.manage")
        self._check_password(password)
        account, _ = self._find(username)
        with self._database.work(actor) as work:
            store.set_password(work.conn, account.id, self._hasher.hash(password))
            work.emit(f"account:{account.id}", "account.password_set", {"username": username})

    def block(self, actor: Actor, username: str) -> None:
        """Block an account, which ends its sessions. Raises :class:`NotFound`."""
        require(actor, "user.manage")
        account, _ = self._find(username)
        with self._database.work(actor) as work:
            store.block(work.conn, account.id, self._wall.now())
            work.emit(f"account:{account.id}", "account.blocked", {"username": username})

    def sign_in(self, username: str, password: str) -> Session:
        """Open a session. Raises :class:`Unauthenticated`, and :class:`TooMany` after repeated failures."""
        now = self._wall.now()
        with self._database.read() as conn:
            found = store.by_username(conn, username)
            failed = store.failures(conn, username[:60], now - limits.SIGN_IN_WINDOW)
        if failed >= limits.SIGN_IN_FAILURES:
            raise TooMany("too many wrong passwords", remedy="wait ten minutes, or ask an administrator")
        try:
            self._hasher.verify(found[1] if found else self._nobody, password)
            right = found is not None and found[0].blocked_at is None
        except argon2.exceptions.VerifyMismatchError:
            right = False
        if found is None or not right:
            with self._database.work(Actor.system("serve")) as work:
                store.note_failure(work.conn, username[:60], now)
            raise Unauthenticated("the name or the password is wrong", remedy="try again")
        account, token = found[0], secrets.token_urlsafe(32)
        expires_at = now + limits.SESSION_AGE
        with self._database.work(account.actor()) as work:
            store.open_session(work.conn, _digest(token), account.id, now, expires_at)
            work.emit(f"account:{account.id}", "session.opened", {"username": username})
        return Session(token, account, expires_at)

    def actor(self, token: str) -> Actor | None:
        """Whose session the token is, ``None`` when it is unknown, expired, or its account blocked."""
        with self._database.read() as conn:
            account = store.session_account(conn, _digest(token), self._wall.now())
        return None if account is None else self.acting(account)

    def acting(self, account: Account) -> Actor:
        """The person as an actor with all that the person may do now, also below the own department and as a deputy.

        A deputy has the roles of those for whom the deputy stands in, as far as they work for the same department or
        for one above or below it: a role over a department is of no use elsewhere.
        """
        actor = account.actor()
        under = self._below.get(actor.department or "", frozenset())
        absent: list[Account] = []
        if ids := list(self._stands_in(account.id)):
            with self._database.read() as conn:
                absent = store.accounts_by_id(conn, ids)
        for other in absent:
            if other.blocked_at is not None:
                continue
            whole = other.department is None
            kin = other.department == actor.department or other.department in under
            above = actor.department in self._below.get(other.department or "", frozenset())
            if whole or kin or above:
                department = other.department if whole or above else actor.department
                under |= self._below.get(department or "", frozenset())
                actor = replace(
                    actor,
                    department=department,
                    roles=actor.roles | other.roles,
                    deputy_for=(*actor.deputy_for, other.id),
                )
        return replace(actor, under=under)

    def sign_out(self, token: str) -> None:
        """End the session."""
        with self._database.work(Actor.system("serve")) as work:
            store.close_session(work.conn, _digest(token))

    def accounts(self, actor: Actor) -> list[Account]:
        """Every account."""
        require(actor, "user.manage")
        with self._database.read() as conn:
            return store.list_accounts(conn)

    def people(self, ids: Iterable[str]) -> dict[str, Account]:
        """The accounts of these ids, for other parts of the system; who is unknown is left out."""
        with self._database.read() as conn:
            return {account.id: account for account in store.accounts_by_id(conn, list(ids))}

    def staff(self, departments: Iterable[str] | None) -> list[Account]:
        """Who works for these departments (``None``: for any, or for the city) and is not blocked, for other parts."""
        wanted = None if departments is None else set(departments)
        with self._database.read() as conn:
            accounts = store.list_accounts(conn)
        return [
            account
            for account in accounts
            if account.blocked_at is None and (wanted is None or account.department in wanted)
        ]

    def person(self, username: str) -> Account:
        """The account of this user name, for other parts of the system. Raises :class:`NotFound`."""
        return self._find(username)[0]

    def empty(self) -> bool:
        """Whether nobody has an account yet."""
        with self._database.read() as conn:
            return store.count(conn) == 0

    def _find(self, username: str) -> tuple[Account, str]:
        with self._database.read() as conn:
            found = store.by_username(conn, username)
        if found is None:
            raise NotFound(f"no account {username}", remedy="list them with: cityheart users list")
        return found

    @staticmethod
    def _check_password(password: str) -> None:
        if len(password) < limits.PASSWORD_CHARS:
            raise Invalid(f"a password has at least {limits.PASSWORD_CHARS} characters", remedy="take a longer one")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
