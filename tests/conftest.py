"""What every test may ask for: both databases, a virtual clock, seeded ids, actors."""

from __future__ import annotations

import os
import shutil
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


MEMORY = Path("/dev/shm")  # where files are written and nothing waits for a disk
MEMORY_BYTES = 4 * 2**30  # what the tests' files may need of it


def pytest_configure() -> None:
    """Temporary folders in memory, where it has room: some tests would spend half their time waiting for a disk."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


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
    quick = ("fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0", "max_wal_size=256MB")
    with postgres.cluster(*quick, "checkpoint_timeout=1h", "autovacuum=off") as url:
        yield url


def _name(request: pytest.FixtureRequest) -> str:
    return f"t{abs(hash(request.node.nodeid)):x}"


@pytest.fixture
def postgres_database(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of its own."""
    name = _name(request)
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


def _make_tables(url: str) -> None:
    import cityheart.city  # noqa: F401  (every table of the system)

    clock = VirtualClock(datetime(2015, 11, 1, tzinfo=UTC))
    database = Database(url, clock, Ids(clock, seed=1))
    database.create_all()
    database.close()


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and nothing in them; tests take copies of it."""
    file = tmp_path_factory.mktemp("tables") / "city.sqlite"
    _make_tables(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_tables(postgres_url: str) -> postgres.Lent:
    """A PostgreSQL database with every table and nothing in them; tests have it one after the other."""
    return postgres.Lent(postgres_url, _make_tables)


@pytest.fixture
def sqlite_url(sqlite_tables: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database of its own, with every table and nothing in them."""
    shutil.copyfile(sqlite_tables, tmp_path / "city.sqlite")
    return f"sqlite:///{tmp_path / 'city.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def tables_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database with every table and nothing in them, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    lent: postgres.Lent = request.getfixturevalue("postgres_tables")
    with lent.lend(_name(request)) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'city.sqlite'}"
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
def database(tables_url: str, clock: VirtualClock, ids: Ids) -> Iterator[Database]:
    """A database with every table, once on SQLite and once on PostgreSQL."""
    database = Database(tables_url, clock, ids)
    yield database
    database.close()


@pytest.fixture
def sqlite(sqlite_url: str, clock: VirtualClock, ids: Ids) -> Iterator[Database]:
    """A database for the tests that are not about databases: on SQLite alone."""
    database = Database(sqlite_url, clock, ids)
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
