"""A city with the air application through which some real days were played: what tests of the whole stand on."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cityheart.city import City
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text
from cityheart.simulation.office import Office
from cityheart.simulation.play import in_bulk
from cityheart.simulation.staff import Staff

PASSWORD = "a password for tests"
ZONE = "Asia/Shanghai"
PEOPLE = (
    ("officer", None, "duty_officer"),
    ("coordinator", None, "coordinator"),
    ("steward", None, "steward"),
    ("analyst", None, "analyst"),
    ("ecology", "ecology", "clerk"),
    ("industry", "industry", "clerk"),
)


def day(text: str) -> datetime:
    """Midnight of a day in Beijing, as UTC."""
    return (datetime.fromisoformat(text) - timedelta(hours=8)).replace(tzinfo=UTC)


def played(
    home: Path,
    since: str,
    until: str,
    *,
    staff: bool,
    batch: timedelta = timedelta(days=7),
    database_url: str = "",
    people: bool = True,
) -> City:
    """The city after these days (local midnights), with or without simulated staff."""
    settings = Settings(home=home, zone=ZONE, apps=("air",), seed=1, clock="virtual", database_url=database_url)
    city = City.create(settings, VirtualClock(day(since)))
    if staff:
        city.participants.append(Staff(Office(city.database, city.watch, city.command), seed=1, zone=ZONE))
    if people:
        for username, department, role in PEOPLE:
            city.serve.create(
                Actor.system("test"),
                username,
                PASSWORD,
                name=text(username, username),
                department=department,
                roles=[role],
            )
    go_on(city, since, until, batch)
    return city


def again(made: Path, home: Path, until: str) -> City:
    """A copy of a city that was played until then (a local midnight): it takes a tenth of playing it."""
    shutil.copytree(made, home)
    return City.open(home, VirtualClock(day(until)))


def go_on(city: City, since: str, until: str, batch: timedelta = timedelta(days=7)) -> None:
    """Play these days through the city."""
    (app,) = city.apps
    assert app.feed is not None
    groups = app.feed.deliveries(day(since), day(until), batch)
    in_bulk(city, app.feed.source, groups, day(until), lambda now: None)
