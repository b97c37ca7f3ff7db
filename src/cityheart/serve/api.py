"""Routes of accounts and sessions."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from cityheart.kernel import limits
from cityheart.kernel.access import permissions
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Unauthenticated
from cityheart.kernel.text import Text
from cityheart.serve.service import Serve

__all__ = ["COOKIE", "router"]

COOKIE = "cityheart_session"


class SignIn(BaseModel):
    """Who signs in."""

    username: str = Field(min_length=1, max_length=60)
    password: str = Field(min_length=1, max_length=200)


class NewAccount(BaseModel):
    """An account to create."""

    username: str
    password: str = Field(max_length=200)
    name: Text
    department: str | None = None
    roles: list[str]
    email: str | None = Field(default=None, max_length=254)


def router(serve: Serve, department_titles: Mapping[str, Text], *, secure: bool) -> APIRouter:
    """The routes; ``secure`` marks the cookie for HTTPS only."""
    routes = APIRouter(prefix="/api", tags=["serve"])

    def session(actor: Actor) -> dict[str, object]:
        return {
            "actor": {
                "id": actor.id,
                "name": actor.name,
                "department": actor.department,
                "department_title": department_titles.get(actor.department or ""),
                "roles": sorted(actor.roles),
                "under": sorted(actor.under),
                "deputy_for": list(actor.deputy_for),
                "permissions": permissions(actor),
            }
        }

    @routes.post("/session", summary="Sign in")
    def sign_in(body: SignIn, response: Response) -> dict[str, object]:
        opened = serve.sign_in(body.username, body.password)
        response.set_cookie(
            COOKIE,
            opened.token,
            max_age=int(limits.SESSION_AGE.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=secure,
            path="/",
        )
        return session(serve.acting(opened.account))

    @routes.get("/session", summary="Who is signed in")
    def who(request: Request) -> dict[str, object]:
        actor: Actor | None = request.state.actor
        if actor is None:
            raise Unauthenticated("nobody is signed in", remedy="sign in")
        return session(actor)

    @routes.delete("/session", summary="Sign out", status_code=204)
    def sign_out(request: Request, response: Response) -> None:
        token = request.cookies.get(COOKIE)
        if token:
            serve.sign_out(token)
        response.delete_cookie(COOKIE, path="/")

    @routes.get("/accounts", summary="Every account")
    def accounts(request: Request) -> dict[str, object]:
        items = [account.json() for account in serve.accounts(request.state.actor)]
        return {"items": items, "total": len(items), "next": None}

    @routes.post("/accounts", summary="Create an account", status_code=201)
    def create(request: Request, body: NewAccount) -> dict[str, object]:
        return serve.create(
            request.state.actor,
            body.username,
            body.password,
            name=body.name,
            department=body.department,
            roles=body.roles,
            email=body.email,
        ).json()

    @routes.post("/accounts/{username}/block", summary="Block an account", status_code=204)
    def block(request: Request, username: str) -> None:
        serve.block(request.state.actor, username)

    return routes
