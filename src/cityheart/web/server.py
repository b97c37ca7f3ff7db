"""Runs a city: the console on one address, and the loop that drives the city beside it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import structlog
import uvicorn

from cityheart.city import City
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.errors import Problem, Unavailable
from cityheart.web.app import create_app

__all__ = ["Driver", "beat", "serve"]

Driver = Callable[[threading.Event], None]

BEAT_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 300.0

log = structlog.get_logger("cityheart")


def beat(city: City) -> Driver:
    """The driver of a city on the system's clock: one turn a second, housekeeping every five minutes."""

    def drive(stop: threading.Event) -> None:
        kept = stopwatch()
        while not stop.wait(BEAT_SECONDS):
            try:
                city.beat()
                if stopwatch() - kept > HOUSEKEEPING_SECONDS:
                    city.housekeeping()
                    kept = stopwatch()
            except Problem as problem:
                log.error("beat.refused", detail=problem.detail, remedy=problem.remedy)
            except Exception:
                # one bad turn must not stop the city: what is due stays due and is tried again in a second
                log.exception("beat.failed")

    return drive


def serve(city: City, driver: Driver, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve the console until interrupted; ``ready`` is called with its address once it listens.

    Raises :class:`Unavailable` when the port is taken.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {host}:{port}: {error.strerror}", remedy="choose another port with --port"
        ) from None
    address = f"http://{'[' + host + ']' if ':' in host else host}:{listener.getsockname()[1]}"
    stop = threading.Event()
    thread = threading.Thread(target=driver, args=(stop,), name="city-loop", daemon=True)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            thread.start()
            ready(address)

    config = uvicorn.Config(
        create_app(city), log_level="warning", access_log=False, ws="websockets-sansio", timeout_graceful_shutdown=3
    )
    try:
        Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # Ctrl-C is how a city is stopped by hand
    finally:
        stop.set()
        if thread.is_alive():
            thread.join(10)
