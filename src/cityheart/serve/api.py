"""Routes of accounts and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from cityheart.kernel import limits
from cityheart.kernel.access import permissions
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Unauthenticated
from cityheart.kernel.text import Text
from cityheart.serve.roles import roles
from cityheart.serve.service import Serve

__all__ = ["COOKIE", "router"]

COOKIE = "cityheart_session"


class SignIn(BaseModel):
    """Who signs in."""

    username: str = Field(min_length=1, max_length=60)
    password: str = Field(min_length=1, max_length=200)


class Order(BaseModel):
    """A click, counted once."""

    command_id: str = Field(min_length=8, max_length=80)


class NewAccount(BaseModel):
    """An account to create; without a password a one-time code is made and told in the answer, this once."""

    command_id: str | None = Field(default=None, min_length=8, max_length=80)
    username: str = Field(max_length=60)
    password: str | None = Field(default=None, max_length=200)
    name: Text
    department: str | None = Field(default=None, max_length=60)
    roles: list[str] = Field(max_length=20)
    email: str | None = Field(default=None, max_length=254)


class Change(Order):
    """What is to be different; what is not named stays."""

    name: Text | None = None
    department: str | None = Field(default=None, max_length=60)
    roles: list[str] | None = Field(default=None, max_length=20)
    email: str | None = Field(default=None, max_length=254)


class Reasoned(BaseModel):
    """Why somebody is blocked or may come back."""

    command_id: str | None = Field(default=None, min_length=8, max_length=80)
    reason: str = Field(default="", max_length=limits.TEXT_CHARS)


class EndSessions(Order):
    """One session, or all of them."""

    session: str | None = Field(default=None, max_length=80)


class OwnSession(BaseModel):
    """One of the own sessions."""

    session: str = Field(max_length=80)


class NewPassword(BaseModel):
    """The own password, as it was and as it shall be."""

    current: str = Field(min_length=1, max_length=200)
    new: str = Field(min_length=1, max_length=200)


def router(serve: Serve, department_titles: Mapping[str, Text], *, secure: bool) -> APIRouter:
    """The routes; ``secure`` marks the cookie for HTTPS only."""
    routes = APIRouter(prefix="/api", tags=["serve"])

    def session(actor: Actor, must_change: bool) -> dict[str, object]:
        return {
            "must_change": must_change,
            "actor": {
                "id": actor.id,
                "name": actor.name,
                "department": actor.department,
                "department_title": department_titles.get(actor.department or ""),
                "roles": sorted(actor.roles),
                "under": sorted(actor.under),
                "deputy_for": list(actor.deputy_for),
                "permissions": permissions(actor),
            },
        }

    def titled(account: Mapping[str, object]) -> dict[str, object]:
        return {**account, "department_title": department_titles.get(str(account["department"] or ""))}

    @routes.post("/session", summary="Sign in")
    def sign_in(request: Request, body: SignIn, response: Response) -> dict[str, object]:
        opened = serve.sign_in(body.username, body.password, request.headers.get("user-agent"))
        response.set_cookie(
            COOKIE,
            opened.token,
            max_age=int(limits.SESSION_AGE.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=secure,
            path="/",
        )
        entry = serve.entry(opened.token)
        if entry is None:
            raise Unauthenticated("the account was blocked just now", remedy="ask an administrator")
        return session(entry.actor, entry.must_change)

    @routes.get("/session", summary="Who is signed in")
    def who(request: Request) -> dict[str, object]:
        actor: Actor | None = request.state.actor
        if actor is None:
            raise Unauthenticated("nobody is signed in", remedy="sign in")
        return session(actor, request.state.must_change)

    @routes.delete("/session", summary="Sign out", status_code=204)
    def sign_out(request: Request, response: Response) -> None:
        token = request.cookies.get(COOKIE)
        if token:
            serve.sign_out(token)
        response.delete_cookie(COOKIE, path="/")

    @routes.get("/me", summary="One's own account with its open sessions")
    def me(request: Request) -> dict[str, object]:
        return titled(serve.own(request.state.actor, request.cookies.get(COOKIE)))

    @routes.post("/me/password", summary="Change one's own password; the other sessions end")
    def change_password(request: Request, body: NewPassword) -> dict[str, object]:
        return serve.change_password(request.state.actor, request.cookies.get(COOKIE), body.current, body.new)

    @routes.post("/me/sessions/end", summary="End one of one's own sessions")
    def end_own(request: Request, body: OwnSession) -> dict[str, object]:
        return serve.end_own(request.state.actor, body.session)

    _accounts(routes, serve, department_titles)
    return routes


def _accounts(routes: APIRouter, serve: Serve, department_titles: Mapping[str, Text]) -> None:
    """The routes of those who keep accounts."""
    managing = serve.managing

    def titled(account: Mapping[str, object]) -> dict[str, object]:
        return {**account, "department_title": department_titles.get(str(account["department"] or ""))}

    @routes.get("/roles", summary="What each role may do, in words, and which the asking person may give")
    def every_role(request: Request) -> dict[str, object]:
        return {**roles(), "may_give": managing.may_give(request.state.actor)}

    @routes.get("/accounts", summary="Accounts by user name, with how many are active, blocked, waiting for a password")
    def accounts(
        request: Request,
        q: Annotated[str | None, Query(max_length=limits.FIND_CHARS)] = None,
        department: Annotated[str | None, Query(max_length=60)] = None,
        role: Annotated[str | None, Query(max_length=60)] = None,
        state: Literal["active", "blocked", "must_change"] | None = None,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 100,
        after: Annotated[str | None, Query(max_length=60)] = None,
    ) -> dict[str, object]:
        page = managing.accounts(
            request.state.actor, text=q, department=department, role=role, state=state, limit=limit, after=after
        )
        items: list[dict[str, object]] = page["items"]  # type: ignore[assignment]
        return {**page, "items": [titled(account) for account in items]}

    @routes.post("/accounts", summary="Create an account", status_code=201)
    def create(request: Request, body: NewAccount) -> dict[str, object]:
        if body.password is not None:
            serve.check_password(body.username, body.password)
        account, code = managing.create(
            request.state.actor,
            body.command_id,
            body.username,
            password=body.password,
            name=body.name,
            department=body.department,
            roles=body.roles,
            email=body.email,
            must_change=True,
        )
        return titled({**account.json(), "code": code})

    @routes.get("/accounts/{username}", summary="One account with its open sessions")
    def account(request: Request, username: str) -> dict[str, object]:
        return titled(managing.account(request.state.actor, username))

    @routes.post("/accounts/{username}/change", summary="Change name, department, roles or address of an account")
    def change(request: Request, username: str, body: Change) -> dict[str, object]:
        given = body.model_dump(include=body.model_fields_set - {"command_id"})
        return titled(managing.change(request.state.actor, username, body.command_id, given))

    @routes.post("/accounts/{username}/block", summary="Block an account; its sessions end")
    def block(request: Request, username: str, body: Reasoned | None = None) -> dict[str, object]:
        why = body or Reasoned()
        managing.block(request.state.actor, username, why.command_id, why.reason)
        return titled(managing.account(request.state.actor, username))

    @routes.post("/accounts/{username}/unblock", summary="Let a blocked account sign in again")
    def unblock(request: Request, username: str, body: Reasoned | None = None) -> dict[str, object]:
        why = body or Reasoned()
        managing.unblock(request.state.actor, username, why.command_id, why.reason)
        return titled(managing.account(request.state.actor, username))

    @routes.post("/accounts/{username}/reset", summary="Replace a password by a one-time code, told this once")
    def reset(request: Request, username: str, body: Order) -> dict[str, object]:
        return managing.reset(request.state.actor, username, body.command_id)

    @routes.post("/accounts/{username}/sessions/end", summary="End one session of an account, or all")
    def end_sessions(request: Request, username: str, body: EndSessions) -> dict[str, object]:
        return managing.end_sessions(request.state.actor, username, body.command_id, body.session)
