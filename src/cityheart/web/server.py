"""Runs a city: the console on one address, and the loop that drives the city beside it."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable

import structlog
import uvicorn

from cityheart.city import City
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.errors import Problem, Unavailable
from cityheart.web.app import create_app

__all__ = ["Driver", "Running", "beat"]

Driver = Callable[[threading.Event], None]

BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.05  # between two looks whether something has landed
HOUSEKEEPING_SECONDS = 300.0

log = structlog.get_logger("cityheart")


def beat(city: City) -> Driver:
    """The driver of a city on the system's clock: one turn a second, housekeeping every five minutes.

    Between turns the detectors look at what devices have handed over as soon as it has landed; after a look they rest for as
    long as it took, so that at most half of a core goes into it.
    """

    def drive(stop: threading.Event) -> None:
        kept = beaten = stopwatch()
        rested = 0.0  # from when on a look is due
        while not stop.wait(LOOK_SECONDS):
            now = stopwatch()
            try:
                if now - beaten >= BEAT_SECONDS:
                    try:
                        city.beat()
                    finally:
                        beaten = stopwatch()
                    if beaten - kept > HOUSEKEEPING_SECONDS:
                        city.housekeeping()
                        kept = stopwatch()
                elif now >= rested and city.glance():
                    rested = 2 * stopwatch() - now
            except Problem as problem:
                log.error("beat.refused", detail=problem.detail, remedy=problem.remedy)
            except Exception:
                # one bad turn must not stop the city: what is due stays due and is tried again in a second
                log.exception("beat.failed")
                city.schema.doubt()  # was the store upgraded under this program?

    return drive


class Running:
    """A city that is being served: its console on one address, its driver in a thread beside it.

    ``ready`` is called with the address once it listens. Raises :class:`Unavailable` when the port is taken.
    """

    def __init__(self, city: City, driver: Driver, *, host: str, port: int, ready: Callable[[str], None]) -> None:
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((host, port))
        except OSError as error:
            taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
            remedy = "choose another port with --port" if taken else "name an address of this machine with --host"
            raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}", remedy=remedy) from None
        address = f"http://{'[' + host + ']' if ':' in host else host}:{self._listener.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=driver, args=(self._stop,), name="city-loop", daemon=True)
        thread = self._thread

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                thread.start()
                ready(address)

        config = uvicorn.Config(
            create_app(city), log_level="warning", access_log=False, ws="websockets-sansio", timeout_graceful_shutdown=3
        )
        self._server = Server(config)
        self._compactor = city.compactor
        self._relays = city.relays
        self._jobs = city.jobs
        self._share = city.share

    def run(self) -> None:
        """Serve until :meth:`stop` or an interrupt."""
        self._compactor.start()
        self._relays.start()
        self._jobs.start()
        self._share.listen()
        try:
            self._server.run(sockets=[self._listener])
        except KeyboardInterrupt:
            pass  # Ctrl-C is how a city is stopped by hand
        finally:
            self._stop.set()
            self._jobs.close()
            self._share.stop_listening()
            self._compactor.stop()
            self._relays.stop()
            if self._thread.is_alive():
                self._thread.join(10)

    def stop(self) -> None:
        """End the serving from another thread."""
        self._stop.set()
        self._server.should_exit = True
