"""One application out of the functions' routes, the live channel and the console."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from cityheart import __version__, console
from cityheart.account import api as account_api
from cityheart.city import City
from cityheart.command import api as command_api
from cityheart.command.decisions import api as decisions_api
from cityheart.command.duty import api as duty_api
from cityheart.command.handover import api as handover_api
from cityheart.command.intake import api as intake_api
from cityheart.command.intake import open311
from cityheart.command.knowledge import api as knowledge_api
from cityheart.command.library import api as library_api
from cityheart.entities import api as entities_api
from cityheart.kernel import events, limits, refusals
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.disk import of_disk
from cityheart.kernel.errors import BadRequest, Forbidden, Invalid, NotFound, Problem, Unavailable
from cityheart.kernel.refusals import language_of
from cityheart.kernel.text import Text, text
from cityheart.sdk import api as sdk_api
from cityheart.serve import api as serve_api
from cityheart.serve.inbox import api as inbox_api
from cityheart.serve.roles import needs
from cityheart.share import api as share_api
from cityheart.watch import api as watch_api
from cityheart.watch.past import Past
from cityheart.watch.tracks import api as tracks_api
from cityheart.watch.trials import api as trials_api
from cityheart.web import audit, desk, jobs, wall
from cityheart.web.find import Finder
from cityheart.web.ground import Ground
from cityheart.web.guard import Guard, problem_response
from cityheart.web.live import Live
from cityheart.web.vehicles import Vehicles

__all__ = ["create_app"]

_LOG = structlog.get_logger("web")
_EXPECTED = "see /api/openapi.json for what is expected"
STATIC = Path(console.__file__).parent / "static"


def create_app(city: City) -> FastAPI:
    """The city's web application."""
    app = FastAPI(
        title="CityHeart 城心",
        version=__version__,
        summary="The city operating system: every function of the console, for programs too.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Guard, serve=city.serve)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OSError, _disk)
    app.add_exception_handler(OverflowError, _out_of_range)
    app.add_exception_handler(UnicodeEncodeError, _half_a_character)
    titles = city.share.department_titles()

    def names(ids: Iterable[str]) -> dict[str, Text]:
        return {one: person.name for one, person in city.serve.people(ids).items()}

    app.include_router(serve_api.router(city.serve, titles, secure=city.settings.secure_cookies))
    app.include_router(inbox_api.router(city.inbox, city.database))
    app.include_router(share_api.router(city.share))
    app.include_router(entities_api.router(city.entities, city.previews))
    app.include_router(watch_api.router(city.watch, city.command, city.knowledge))
    app.include_router(trials_api.router(city.trials, lambda actor: _freshness(city, actor)))
    app.include_router(tracks_api.router(city.tracks))
    app.include_router(knowledge_api.router(city.knowledge, names))
    app.include_router(command_api.router(city.command, city.account))
    app.include_router(decisions_api.router(city.decisions))
    app.include_router(library_api.router(city.library, names))
    app.include_router(duty_api.router(city.duty))
    app.include_router(handover_api.router(city.handover))
    app.include_router(intake_api.router(city.intake, names))
    app.include_router(
        open311.router(city.intake, city.clock, city.ids, city.settings.name, city.settings.title["zh-CN"])
    )
    app.include_router(account_api.router(city.account, city.taking))
    app.include_router(sdk_api.router(city.pages))
    _city_routes(app, city)
    app.include_router(jobs.router(city.jobs))
    app.include_router(audit.router(audit.Audit(city.database, city.serve), audit.Verifying(city.database, city.jobs)))
    trackings = [tracking for each in city.apps for tracking in each.tracks]
    ground = Ground(city.settings, city.clock, [each.zones for each in trackings if each.zones])
    app.include_router(desk.router(Finder(city), Past(city.database), ground))
    zone = ZoneInfo(city.settings.zone)
    app.include_router(wall.router(wall.Wall(city.database, city.clock, zone, city.share.department_titles)))
    vehicles = Vehicles(city.lake, city.clock, trackings)
    live = Live(city.database, city.clock_frame, vehicles, city.share)

    @app.websocket("/api/live")
    async def live_channel(socket: WebSocket) -> None:
        """The live channel: events from ``?after=SEQ`` on, each once, and the city's clock once a second."""
        await live.serve(socket)

    _console(app)
    return app


def _freshness(city: City, actor: Actor) -> dict[str, dict[str, object]]:
    """Of each dataset of the catalogue its title, how fresh it is and how its sources stand, as far as one may see it."""
    shown = ("title", "freshness_seconds", "state")
    return {str(one["name"]): {key: one[key] for key in shown} for one in city.share.catalogue.datasets(actor)}


def _city_routes(app: FastAPI, city: City) -> None:
    @app.get("/api/health", tags=["city"], summary="Whether the city answers")
    def health() -> dict[str, object]:
        with city.database.read() as conn:
            return {"ok": True, "version": __version__, "events": events.last(conn)}

    @app.get("/api/city", tags=["city"], summary="The city, its clock, its applications")
    def about() -> dict[str, object]:
        return city.about()

    @app.get("/api/events", tags=["city"], summary="The event log")
    def log(request: Request, after: int = 0, stream: str | None = None, limit: int = 200) -> dict[str, object]:
        require(request.state.actor, "event.read")
        if not 0 <= after < 2**62 or not 1 <= limit <= limits.EVENTS_READ:
            raise Invalid("after or limit is out of range", remedy=f"limit is 1 to {limits.EVENTS_READ}")
        with city.database.read() as conn:
            found = events.read(conn, after=after, stream=stream, limit=limit)
            total = events.last(conn)
        following = found[-1].seq if len(found) == limit else None
        return {"items": [event.json() for event in found], "total": total, "next": following}


def _console(app: FastAPI) -> None:
    if (STATIC / "assets").is_dir():
        app.mount("/assets", StaticFiles(directory=STATIC / "assets"), name="assets")

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str) -> Response:
        if path.startswith("api/"):
            raise NotFound(f"there is no /{path}", remedy="see /api/openapi.json")
        file = (STATIC / path).resolve()
        if path and file.is_file() and file.is_relative_to(STATIC.resolve()):
            return FileResponse(file)
        if not (STATIC / "index.html").is_file():
            raise Unavailable("the console was not built", remedy="run: make setup")
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})


def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    permission = error.extra.get("permission")
    if isinstance(permission, str):
        error.extra["needs"] = lacking = needs(permission, str(error.extra.get("scope", "anywhere")))
        detail = text(f"缺少权限：{cast('Text', lacking['title'])['zh-CN']}", error.detail)
        error = Forbidden(detail, remedy=error.remedy, **error.extra)
    return problem_response(error, _accepted(request))


def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    detail = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    unreadable = first["type"].startswith("json")
    problem = BadRequest(detail, remedy=_EXPECTED) if unreadable else Invalid(detail, remedy=_EXPECTED)
    return problem_response(problem, _accepted(request))


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail, code = str(error.detail), f"http-{error.status_code}"
    title = refusals.say(detail, language_of(_accepted(request)))
    answer = problem_response(Problem(detail), _accepted(request), status=error.status_code, title=title, code=code)
    answer.status_code = error.status_code
    answer.headers.update(error.headers or {})
    return answer


def _disk(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)
    problem = of_disk(error)
    if problem is None:
        raise error
    return problem_response(problem, _accepted(request))


def _out_of_range(request: Request, error: Exception) -> JSONResponse:
    """A moment beyond the years 1 to 9999 in UTC, a number beyond 64 bits: it shows when it is first reckoned with."""
    _LOG.info("web.out_of_range", path=request.url.path, reason=str(error), where=_where(error))
    problem = Invalid("a number or a time is out of range", remedy="give one that can be")
    return problem_response(problem, _accepted(request))


def _half_a_character(request: Request, error: Exception) -> JSONResponse:
    _LOG.info("web.half_a_character", path=request.url.path, where=_where(error))
    problem = Invalid("the text holds half a character", remedy="send it as UTF-8, without lone surrogates")
    return problem_response(problem, _accepted(request))


def _where(error: Exception) -> str:
    """The line of code at which it showed, in case it is no fault of the request."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"


def _accepted(request: Request) -> str:
    return request.headers.get("accept-language", "")
