"""What every test may ask for: both databases, a virtual clock, seeded ids, actors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text

from . import postgres

hypothesis.settings.load_profile("ci")  # the same examples everywhere, and no clock that a busy machine could miss

LONG = ("browser", "crash", "simulation", "air", "api")  # folders whose files take longest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, so that at the end no worker is alone with one."""
    tests = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(tests).parts[0] not in LONG)


@pytest.fixture(autouse=True)
def limits_stay() -> Iterator[None]:
    """A test that leaves a limit changed fails itself, not one that happens to run after it."""
    before = dict(vars(limits))
    yield
    changed = {name for name, value in vars(limits).items() if before.get(name, value) is not value}
    vars(limits).update(before)
    assert not changed, f"limits left changed: {sorted(changed)}"


@pytest.fixture
def clock() -> VirtualClock:
    """A virtual clock at 2015-11-01 00:00 UTC."""
    return VirtualClock(datetime(2015, 11, 1, tzinfo=UTC))


@pytest.fixture
def ids(clock: VirtualClock) -> Ids:
    """Seeded ids."""
    return Ids(clock, seed=1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The maintenance database of a fresh cluster; skips where PostgreSQL is missing, fails in CI."""
    if postgres.binaries() is None:
        if os.environ.get("CI"):
            pytest.fail(postgres.INSTALL)
        pytest.skip(postgres.INSTALL)
    with postgres.cluster("fsync=off") as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of its own."""
    name = f"t{abs(hash(request.node.nodeid)):x}"
    admin = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(sa.text(f"create database {name}"))
    yield postgres_url.replace("/postgres?", f"/{name}?")
    with admin.connect() as conn:
        conn.execute(sa.text(f"drop database {name} with (force)"))
    admin.dispose()


@pytest.fixture(scope="session")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of Beijing, 26 to 28 November 2015, nobody simulated; tests take copies of it: ``played.again``."""
    from .played import played

    home = tmp_path_factory.mktemp("two-days") / "city"
    played(home, "2015-11-26", "2015-11-28", staff=False).close()
    return home


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'city.sqlite'}"
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
def database(database_url: str, clock: VirtualClock, ids: Ids) -> Iterator[Database]:
    """A database with every imported table, once on SQLite and once on PostgreSQL."""
    database = Database(database_url, clock, ids)
    database.create_all()
    yield database
    database.close()


def _actor(name: str, department: str | None, *roles: str) -> Actor:
    return Actor(f"user:{name}", text(name, name), department, frozenset(roles))


@pytest.fixture
def officer() -> Actor:
    """A duty officer of the command centre."""
    return _actor("officer", None, "duty_officer")


@pytest.fixture
def steward() -> Actor:
    """A data steward."""
    return _actor("steward", None, "steward")


@pytest.fixture
def coordinator() -> Actor:
    """A coordinator of the command centre."""
    return _actor("coordinator", None, "coordinator")


@pytest.fixture
def nobody() -> Actor:
    """Signed in, but without any role."""
    return _actor("nobody", None)


@pytest.fixture
def clerk() -> Callable[[str], Actor]:
    """Makes a clerk of a department."""
    return lambda department: _actor(f"clerk-{department}", department, "clerk")
