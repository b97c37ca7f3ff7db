"""One played city for all tests of the web surface, and clients signed in as different people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fastapi.testclient import TestClient

from cityheart.city import City
from cityheart.web.app import create_app

from ..played import PASSWORD, played

SignIn = Callable[[str], TestClient]


@pytest.fixture(scope="package")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Beijing, 26 November to 4 December 2015, with simulated staff."""
    city = played(tmp_path_factory.mktemp("api") / "city", "2015-11-26", "2015-12-04", staff=True)
    yield city
    city.close()


@pytest.fixture(scope="package")
def sign_in(city: City) -> Iterator[SignIn]:
    """A client by user name; ``""`` is nobody."""
    app = create_app(city)
    clients: dict[str, TestClient] = {}
    stack = ExitStack()  # a client that is entered answers in one thread; otherwise each request starts one of its own

    def client(username: str) -> TestClient:
        if username not in clients:
            fresh = stack.enter_context(TestClient(app, base_url="http://testserver", raise_server_exceptions=True))
            if username:
                answer = fresh.post("/api/session", json={"username": username, "password": PASSWORD})
                assert answer.status_code == 200, answer.text
            clients[username] = fresh
        return clients[username]

    with stack:
        yield client
