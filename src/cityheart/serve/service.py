"""Accounts: sign in and out, one's own password and sessions. Passwords as argon2id, session tokens as SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property

import argon2

from cityheart.kernel import limits
from cityheart.kernel.access import departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock, SystemClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, NotFound, TooMany, Unauthenticated, Unavailable
from cityheart.kernel.text import Text
from cityheart.serve import store
from cityheart.serve.managing import Managing
from cityheart.serve.models import Account, Entry, Session

__all__ = ["Serve"]


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
        self.managing = Managing(database, self._wall, self._hasher.hash)

    def register_departments(self, below: Mapping[str, frozenset[str]]) -> None:
        """Make known which departments stand below which: whoever works for one also works for those below it."""
        self._below = dict(below)
        self.managing.register_departments(below)

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
        """Create an account with a password. Raises as :meth:`Managing.create` does, and :class:`Invalid` for the password."""
        self.check_password(username, password)
        account, _ = self.managing.create(
            actor, None, username, name=name, department=department, roles=roles, email=email, password=password
        )
        return account

    def set_password(self, actor: Actor, username: str, password: str) -> None:
        """Replace a password, which ends every session of the account. Raises :class:`NotFound`."""
        require(actor, "user.manage")
        self.check_password(username, password)
        hashed = self._hasher.hash(password)
        with self._database.work(actor) as work:
            account = self.managing.taken(work, actor, username)
            store.set_password(work.conn, account.id, hashed)
            work.emit(f"account:{account.id}", "account.password_set", {"username": username})

    def block(self, actor: Actor, username: str) -> None:
        """Block an account, which ends its sessions. Raises as :meth:`Managing.block` does."""
        self.managing.block(actor, username)

    def sign_in(self, username: str, password: str, agent: str | None = None) -> Session:
        """Open a session; ``agent`` is what the browser says it is.

        Raises :class:`Unauthenticated`, also for a one-time code that has run out, and :class:`TooMany` after repeated
        failures.
        """
        account = self._proved(username, password)
        now, token = self._wall.now(), secrets.token_urlsafe(32)
        if account.code_until is not None and account.code_until < now:
            raise Unauthenticated("the one-time code has run out", remedy="ask whoever gave it to you for a new one")
        expires_at = now + limits.SESSION_AGE
        shown = agent and "".join(letter for letter in agent if letter.isprintable())[: limits.SESSION_AGENT_CHARS]
        with self._database.work(account.actor()) as work:
            store.open_session(work.conn, _digest(token), account.id, now, expires_at, shown)
            work.emit(f"account:{account.id}", "session.opened", {"username": username})
        return Session(token, account, expires_at)

    def _proved(self, username: str, password: str) -> Account:
        """Whose name and password these are. A wrong one is remembered and takes as long as a right one."""
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
        return found[0]

    def entry(self, token: str) -> Entry | None:
        """Who comes in with this token, ``None`` when it is unknown, expired, or its account blocked.

        Whoever must change the password first has no role until then.
        """
        now, digest = self._wall.now(), _digest(token)
        with self._database.read() as conn:
            found = store.session_account(conn, digest, now)
        if found is None:
            return None
        account, seen_at = found
        if seen_at is None or now - seen_at >= limits.SESSION_SEEN:
            self._seen(digest, now)
        if account.must_change:
            return Entry(replace(account.actor(), roles=frozenset()), True)
        return Entry(self.acting(account), False)

    def _seen(self, digest: str, now: datetime) -> None:
        try:
            with self._database.work(Actor.system("serve")) as work:
                store.note_seen(work.conn, digest, now)
        except Unavailable:  # whoever reads does not have to wait for a store that cannot be written
            return

    def actor(self, token: str) -> Actor | None:
        """Whose session the token is, ``None`` when it is unknown, expired, or its account blocked."""
        entry = self.entry(token)
        return None if entry is None else entry.actor

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

    # ── one's own ──────────────────────────────────────────────────────────────────────────────────────────────

    def own(self, actor: Actor, token: str | None) -> dict[str, object]:
        """The account of who asks with its open sessions; ``current`` marks the one that ``token`` opened.

        Raises :class:`NotFound` for an actor without an account.
        """
        account = self._of(actor)
        with self._database.read() as conn:
            open_now = store.sessions_of(conn, account.id, self._wall.now())
        here = None if token is None else _digest(token)
        return {
            **account.json(),
            "sessions": [{**one.json(), "current": one.token_hash == here} for one in open_now],
        }

    def change_password(self, actor: Actor, token: str | None, current: str, new: str) -> dict[str, object]:
        """Change the own password; every other session of the account ends: ``{"ended": how many}``.

        Raises :class:`Unauthenticated` for a wrong ``current``, :class:`Invalid` for a ``new`` that is none.
        """
        account = self._of(actor)
        self.check_password(account.username, new)
        self._proved(account.username, current)
        if current == new:
            raise Invalid("the new password is the old one", remedy="choose another")
        hashed = self._hasher.hash(new)
        with self._database.work(actor) as work:
            ended = store.set_password(work.conn, account.id, hashed, but=None if token is None else _digest(token))
            told = {"username": account.username, "sessions": ended}
            work.emit(f"account:{account.id}", "account.password_changed", told)
        return {"ended": ended}

    def end_own(self, actor: Actor, session: str) -> dict[str, object]:
        """End one of the own sessions: ``{"ended": 1}``. Raises :class:`NotFound`."""
        account = self._of(actor)
        with self._database.work(actor) as work:
            return {"ended": self.managing.ended(work, account, session)}

    def _of(self, actor: Actor) -> Account:
        found = self.people([actor.id])
        if actor.id not in found:
            raise NotFound("there is no account behind this", remedy="sign in as a person")
        return found[actor.id]

    # ── for other parts ────────────────────────────────────────────────────────────────────────────────────────

    def accounts(self, actor: Actor) -> list[Account]:
        """Every account that the actor keeps."""
        require(actor, "user.manage")
        held = departments(actor, "user.manage")
        with self._database.read() as conn:
            found = store.list_accounts(conn)
        return [account for account in found if held is None or account.department in held]

    def ids_of(self, department: str) -> list[str]:
        """The ids of who works for a department, blocked or not, for other parts of the system."""
        with self._database.read() as conn:
            return store.ids_of(conn, department)

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

    def known(self, username: str) -> bool:
        """Whether there is an account of this user name."""
        with self._database.read() as conn:
            return store.by_username(conn, username) is not None

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
    def check_password(username: str, password: str) -> None:
        """Raise :class:`Invalid` for a password that is too short or easily guessed."""
        if len(password) < limits.PASSWORD_CHARS:
            raise Invalid(f"a password has at least {limits.PASSWORD_CHARS} characters", remedy="take a longer one")
        if password.lower().strip() == username.lower() or len(set(password)) < 4:
            raise Invalid(
                "the password is easily guessed", remedy="take several words that only you would put together"
            )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
