"""The verbs of those who keep the accounts: find, create, change, block, hand out a one-time code, end sessions.

Who manages people of one department only keeps accounts that hold nothing but the roles a department may give, so
that nobody comes by the rights of the whole city over somebody else's password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from cityheart.kernel import limits
from cityheart.kernel.access import GIVEN_BY_DEPARTMENTS, ROLES, departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from cityheart.kernel.ids import derive, unguessable
from cityheart.kernel.text import LANGUAGES, Text
from cityheart.serve import store
from cityheart.serve.models import Account, SignedIn

__all__ = ["Managing"]

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,59}")
_LETTERS = "23456789abcdefghijkmnpqrstuvwxyz"  # 32 that are not taken for each other
STATES = ("active", "blocked", "must_change")
_CHANGED = ("name", "department", "roles", "email")


class Managing:
    """The accounts of a city as their keepers see them. Every act is an event on the account's stream."""

    def __init__(self, database: Database, wall: Clock, hashed: Callable[[str], str]) -> None:
        self._database = database
        self._wall = wall
        self._hashed = hashed
        self._known: frozenset[str] = frozenset()

    def register_departments(self, codes: Iterable[str]) -> None:
        """Make known which departments there are; where there are none, any is taken."""
        self._known = frozenset(codes)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def accounts(
        self,
        actor: Actor,
        *,
        text: str | None = None,
        department: str | None = None,
        role: str | None = None,
        state: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> dict[str, object]:
        """A page of accounts by user name: ``{"items", "total", "next", "counts"}``; of the own people for a department's.

        ``text`` is part of a user name, name or address; ``state`` is active, blocked or must_change.
        """
        require(actor, "user.manage")
        held = departments(actor, "user.manage")
        if state is not None and state not in STATES:
            raise Invalid(f"state {state!r} is unknown", remedy=f"one of {', '.join(STATES)}")
        if not 1 <= limit <= limits.PAGE_ROWS:
            raise Invalid(f"limit {limit} is out of range", remedy=f"1 to {limits.PAGE_ROWS}")
        for given in (text, department, role, after):
            _printable(given or "")
        with self._database.read() as conn:
            found, total = store.find_accounts(
                conn,
                held,
                text=text,
                department=department,
                role=role,
                state=state,
                after=after,
                limit=limit + 1,
            )
            counts = store.states(conn, held)
        return {
            "items": [self._shown(actor, account) for account in found[:limit]],
            "total": total,
            "next": found[limit - 1].username if len(found) > limit else None,
            "counts": counts,
        }

    def account(self, actor: Actor, username: str) -> dict[str, object]:
        """One account with its open sessions. Raises :class:`NotFound` for one the actor does not keep."""
        account = self._seen(actor, username)
        with self._database.read() as conn:
            open_now = store.sessions_of(conn, account.id, self._wall.now())
        return {**self._shown(actor, account), "sessions": [one.json() for one in open_now]}

    def _shown(self, actor: Actor, account: Account) -> dict[str, object]:
        return {**account.json(), "manageable": _keeps(actor, account), "self": actor.id == account.id}

    def may_give(self, actor: Actor) -> list[str]:
        """The roles that the actor may give to somebody else, sorted."""
        if departments(actor, "user.manage") is None:
            return sorted(ROLES.keys() - {"system"})
        return sorted(GIVEN_BY_DEPARTMENTS) if departments(actor, "user.manage") else []

    # ── acts ───────────────────────────────────────────────────────────────────────────────────────────────────

    def create(
        self,
        actor: Actor,
        command_id: str | None,
        username: str,
        *,
        name: Text,
        department: str | None,
        roles: Iterable[str],
        email: str | None = None,
        password: str | None = None,
        must_change: bool = False,
    ) -> tuple[Account, str | None]:
        """Create an account; without a ``password`` with a one-time code, which is returned beside it, this once.

        Raises :class:`Invalid` for a bad name, role, address or department, :class:`Conflict` if the name is taken.
        """
        require(actor, "user.manage")
        given = frozenset(roles)
        if not _USERNAME.fullmatch(username):
            raise Invalid(f"{username!r} is not a user name", remedy="use 2 to 60 of a-z, 0-9, dot, dash, underscore")
        self._check(actor, {"name": name, "department": department, "roles": given, "email": email})
        code = None if password is not None else _code()
        until = self._wall.now() + limits.ONE_TIME_CODE_AGE if code or must_change else None
        hashed = self._hashed(code or password or "")
        fresh = Account(
            derive("user", username), username, name, department, given, self._wall.now(), None, email, until,
        )  # fmt: skip
        ran: list[Account] = []

        def do(work: Work) -> dict[str, object]:
            store.alone(work.conn)
            if store.by_username(work.conn, username) is not None:
                raise Conflict(f"{username} is taken", remedy="choose another name")
            store.write_account(work.conn, fresh, hashed)
            data = {"username": username, "roles": given, "department": department, "code_until": until}
            work.emit(_stream(fresh), "account.created", data)
            ran.append(fresh)
            return {}

        payload = {"username": username, "name": name, "department": department, "roles": given, "email": email}
        self._do(actor, command_id, "people.create", payload, do)
        return (ran[0] if ran else self._seen(actor, username)), (code if ran else None)

    def change(
        self, actor: Actor, username: str, command_id: str | None, changes: Mapping[str, object]
    ) -> dict[str, object]:
        """Change name, department, roles or e-mail address; what is not named stays.

        Nobody changes the own roles or department, and the last administrator stays one: :class:`Conflict`.
        """
        wanted = {key: value for key, value in changes.items() if key in _CHANGED}
        if "roles" in wanted:
            if wanted["roles"] is None:
                raise Invalid("roles are a list", remedy="give [] for none")
            wanted["roles"] = frozenset(_texts(wanted["roles"]))
        if not wanted:
            raise Invalid("nothing is to be changed", remedy=f"give some of {', '.join(_CHANGED)}")
        self._check(actor, wanted)

        def do(work: Work) -> dict[str, object]:
            account = self.taken(work, actor, username)
            after = replace(account, **wanted)  # type: ignore[arg-type]
            moved = {key for key in wanted if getattr(account, key) != getattr(after, key)}
            if actor.id == account.id and moved & {"roles", "department"}:
                raise Conflict("nobody changes the own roles or department", remedy="ask another administrator")
            if "admin" in account.roles - after.roles:
                _not_the_last(work, account, "keep the role admin")
            if moved:
                values = {key: sorted(after.roles) if key == "roles" else getattr(after, key) for key in moved}
                store.update_account(work.conn, account.id, values)
                # names and addresses are kept in the account alone: the log says that they changed
                told = {
                    key: {"from": getattr(account, key), "to": getattr(after, key)}
                    for key in sorted(moved & {"roles", "department"})
                }
                work.emit(
                    _stream(account),
                    "account.changed",
                    {"username": username, "fields": sorted(moved), "changes": told},
                )
            return {}

        self._do(actor, command_id, "people.change", {"username": username, "changes": wanted}, do)
        return self.account(actor, username)

    def block(self, actor: Actor, username: str, command_id: str | None = None, reason: str = "") -> None:
        """Block an account, which ends its sessions. Raises :class:`NotFound`, :class:`Conflict` for the last administrator."""
        require(actor, "user.manage")

        def do(work: Work) -> dict[str, object]:
            account = self.taken(work, actor, username)
            if actor.id == account.id:
                raise Conflict("nobody blocks the own account", remedy="ask another administrator")
            if account.blocked_at is None:
                if "admin" in account.roles:
                    _not_the_last(work, account, "not be blocked")
                store.block(work.conn, account.id, self._wall.now())
                work.emit(_stream(account), "account.blocked", {"username": username, "reason": reason})
            return {}

        self._do(actor, command_id, "people.block", {"username": username, "reason": reason}, do)

    def unblock(self, actor: Actor, username: str, command_id: str | None = None, reason: str = "") -> None:
        """Let somebody sign in again."""
        require(actor, "user.manage")

        def do(work: Work) -> dict[str, object]:
            account = self.taken(work, actor, username)
            if account.blocked_at is not None:
                store.unblock(work.conn, account.id)
                work.emit(_stream(account), "account.unblocked", {"username": username, "reason": reason})
            return {}

        self._do(actor, command_id, "people.unblock", {"username": username, "reason": reason}, do)

    def reset(self, actor: Actor, username: str, command_id: str | None = None) -> dict[str, object]:
        """Replace a password by a one-time code: ``{"username", "code", "code_until"}``; the account's sessions end.

        The code is not kept, so the same command a second time gives ``null`` for it.
        """
        require(actor, "user.manage")
        code = _code()
        until, hashed = self._wall.now() + limits.ONE_TIME_CODE_AGE, self._hashed(code)
        ran: list[bool] = []

        def do(work: Work) -> dict[str, object]:
            account = self.taken(work, actor, username)
            if actor.id == account.id:
                raise Conflict("the own password is changed, not reset", remedy="change it on the page of your account")
            ended = store.set_password(work.conn, account.id, hashed, code_until=until)
            told = {"username": username, "code_until": until, "sessions": ended}
            work.emit(_stream(account), "account.code_issued", told)
            ran.append(True)
            return {"username": username, "code_until": until}

        done = self._do(actor, command_id, "people.reset", {"username": username}, do)
        return {**done, "code": code if ran else None}

    def end_sessions(
        self, actor: Actor, username: str, command_id: str, session: str | None = None
    ) -> dict[str, object]:
        """End one session of somebody, or all: ``{"ended": how many}``. Raises :class:`NotFound`."""
        require(actor, "user.manage")

        def do(work: Work) -> dict[str, object]:
            return {"ended": self.ended(work, self.taken(work, actor, username), session)}

        return self._do(actor, command_id, "people.end_sessions", {"username": username, "session": session}, do)

    def ended(self, work: Work, account: Account, session: str | None) -> int:
        """End one session of an account, by its id, or all; returns how many."""
        open_now = store.sessions_of(work.conn, account.id, self._wall.now())
        chosen = [one for one in open_now if session is None or one.id == session]
        if session is not None and not chosen:
            raise NotFound(f"no open session {session}", remedy="it may have ended by itself")
        for one in chosen:
            self._close(work, account, one)
        return len(chosen)

    @staticmethod
    def _close(work: Work, account: Account, one: SignedIn) -> None:
        store.close_sessions(work.conn, account.id, only=one.token_hash)
        work.emit(_stream(account), "session.ended", {"username": account.username, "session": one.id})

    # ── rules ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _do(
        self,
        actor: Actor,
        command_id: str | None,
        verb: str,
        payload: Mapping[str, object],
        do: Callable[[Work], dict[str, object]],
    ) -> dict[str, object]:
        if command_id is not None:
            return self._database.once(actor, command_id, verb, payload, do)
        with self._database.work(actor) as work:
            return do(work)

    def _seen(self, actor: Actor, username: str) -> Account:
        require(actor, "user.manage")
        _printable(username)
        with self._database.read() as conn:
            found = store.by_username(conn, username)
        return _visible(actor, username, found[0] if found else None)

    def taken(self, work: Work, actor: Actor, username: str) -> Account:
        """The account to be changed; until the end of the transaction nobody else changes any."""
        _printable(username)
        store.alone(work.conn)
        found = store.by_username(work.conn, username)
        account = _visible(actor, username, found[0] if found else None)
        if not _keeps(actor, account):
            raise Forbidden(
                f"{username} holds roles that a department does not give", remedy="ask an administrator of the city"
            )
        return account

    def _check(self, actor: Actor, wanted: Mapping[str, object]) -> None:
        require(actor, "user.manage")
        held = departments(actor, "user.manage")
        if "roles" in wanted:
            roles = frozenset(_texts(wanted["roles"]))
            if unknown := (roles - ROLES.keys()) | (roles & {"system"}):
                raise Invalid(
                    f"no such role: {', '.join(sorted(unknown))}", remedy=f"one of {', '.join(sorted(ROLES))}"
                )
            if held is not None and (above := roles - GIVEN_BY_DEPARTMENTS):
                raise Forbidden(
                    f"a department does not give the role {', '.join(sorted(above))}",
                    remedy="ask an administrator of the city",
                )
        if "department" in wanted:
            department = wanted["department"]
            if held is not None and department not in held:
                raise Forbidden("these are people of another department", remedy="ask an administrator of the city")
            if department is not None and self._known and department not in self._known:
                raise Invalid(f"there is no department {department}", remedy="choose one of the city's departments")
        email = wanted.get("email")
        if email is not None and _EMAIL.fullmatch(str(email)) is None:
            raise Invalid(f"{email!r} is not an e-mail address", remedy="write it as name@example.org")
        if "name" in wanted:
            _check_name(wanted["name"])


def _check_name(name: object) -> None:
    said = name if isinstance(name, Mapping) else {}
    for language in LANGUAGES:
        value = said.get(language)
        if not isinstance(value, str) or not 0 < len(value.strip()) <= limits.NAME_CHARS:
            raise Invalid(
                f"a name has 1 to {limits.NAME_CHARS} characters in each language", remedy="give zh-CN and en"
            )
        _printable(value)


def _visible(actor: Actor, username: str, account: Account | None) -> Account:
    held = departments(actor, "user.manage")
    if account is None or (held is not None and account.department not in held):
        raise NotFound(f"no account {username}", remedy="list them with: cityheart users list")
    return account


def _keeps(actor: Actor, account: Account) -> bool:
    """Whether the actor may change the account."""
    held = departments(actor, "user.manage")
    return held is None or (account.department in held and account.roles <= GIVEN_BY_DEPARTMENTS)


def _not_the_last(work: Work, account: Account, must: str) -> None:
    if account.blocked_at is None and store.active_with(work.conn, "admin") <= 1:
        raise Conflict(
            f"{account.username} is the last administrator and must {must}",
            remedy="give the role admin to somebody else first",
        )


def _texts(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, (list, tuple, set, frozenset)) else []


def _printable(value: str) -> None:
    if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in value):
        raise Invalid("there are control characters in the text", remedy="leave them out")


def _stream(account: Account) -> str:
    return f"account:{account.id}"


def _code() -> str:
    """Twelve characters that nobody can guess (60 bits), in groups that are easily read aloud."""
    drawn = "".join(_LETTERS[each % 32] for each in unguessable(12))
    return "-".join(drawn[start : start + 4] for start in (0, 4, 8))
