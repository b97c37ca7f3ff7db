"""A synthetic city whose departments deliver: much, little, late, wrongly, not at all. For the pages of the flow."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cityheart.apps.prefecture as prefecture
from cityheart.city import City
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.errors import Unavailable
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text
from cityheart.share import departments
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Delivery, Department, Source

from ..played import PASSWORD

SYSTEM = Actor.system("test")
NOW = datetime(2026, 3, 24, 4, 12, 20, tzinfo=UTC)
HEADER = "编号,时间,数值\n"


def contract(name: str, owner: str, cycle: str) -> Contract:
    """Readings: a number, a moment, a value from 0 to 1,000."""
    return Contract.parse(
        {
            "name": name,
            "title": {"zh-CN": f"读数，{cycle}（合成）", "en": f"Readings, {cycle} (synthetic)"},
            "schema": {
                "fields": [
                    {"name": "id", "type": "string", "constraints": {"required": True}},
                    {"name": "at", "type": "datetime", "constraints": {"required": True}},
                    {"name": "value", "type": "number", "constraints": {"minimum": 0, "maximum": 1000}},
                ],
                "primaryKey": ["id", "at"],
            },
            "cityheart": {
                "owner": owner,
                "time": "at",
                "rename": {"编号": "id", "时间": "at", "数值": "value"},
                "update_cycle": cycle,
                "purpose": {"zh-CN": "演示数据流入", "en": "To show data coming in"},
                "sharing": 1 + len(name) % 3,
            },
        }
    )


def delivery(source: str, at: datetime, rows: int, wrong: int = 0, *, header: str = HEADER) -> Delivery:
    """Rows of a moment; the first `wrong` of them have a value that is out of range or no number."""
    lines = [
        f"{source}-{n},{at:%Y-%m-%d %H:%M:%S},{('9999', '十二', '<b>7</b>')[n % 3] if n < wrong else n % 900}\n"
        for n in range(rows)
    ]
    return Delivery(f"{source.rpartition('.')[2]}_{at:%Y%m%d_%H%M}.csv", at, (header + "".join(lines)).encode(), "csv")


def flowing(home: Path, *, quiet: bool = False, bad: int = 0, below: tuple[str, ...] = ()) -> City:
    """The departments of a prefecture at 12:12 of a day; `quiet`: registered, but nothing ever came; `bad`: so many
    rows of one delivery in quarantine; `below`: only these departments have sources."""
    settings = Settings(
        home=home,
        name="test",
        title=text("南通（合成演示）", "Nantong (synthetic)"),
        zone="Asia/Shanghai",
        seed=1,
        clock="virtual",
    )
    clock = VirtualClock(NOW - timedelta(hours=26))
    city = City.create(settings, clock)
    listed = departments.read(Path(prefecture.__file__).parent / "data" / "departments.csv")
    having = [each for n, each in enumerate(listed) if (each.code in below if below else n % 9 != 4)]
    datasets = [
        Dataset.of(contract(f"reading_{cycle.lower()}", having[0].code, cycle)) for cycle in ("PT10M", "PT1H", "P1D")
    ]
    sources = [
        Source(f"{each.code}.reading", each.code, text("业务读数", "Readings"), "push", {}, datasets[n % 3].name, None)
        for n, each in enumerate(having)
    ]
    broken = Source(
        "weather.station", listed[-1].code, text("气象观测接口", "Weather stations"), "http",
        {"url": "http://127.0.0.1:9/stations"}, datasets[-1].name, None,
    )  # fmt: skip
    city.share.register(listed, datasets, [*sources, broken] if not below else sources)
    city.serve.register_departments(city.share.departments_below())
    for name, department, role in (
        ("steward", None, "steward"),
        ("officer", None, "duty_officer"),
        ("water", "water", "clerk"),
    ):
        city.serve.create(SYSTEM, name, PASSWORD, name=text(name, name), department=department, roles=[role])
    if not quiet:
        _deliver(city, having, bad)
        if not below:
            with suppress(Unavailable):  # nobody listens there: the source is failing
                city.share.pull("weather.station", SYSTEM)
    return city


def _deliver(city: City, having: list[Department], bad: int) -> None:
    clock = city.clock
    assert isinstance(clock, VirtualClock)
    clock.advance_to(NOW)
    for n, each in enumerate(having):
        source = f"{each.code}.reading"
        last = NOW - timedelta(seconds=15 + 7 * n % 40)
        if n % 11 == 10:
            continue  # never delivered
        if n % 13 == 5:  # silent since the night
            found = [delivery(source, last - timedelta(hours=hours), 40 + n) for hours in range(24, 8, -1)]
        elif n % 3 == 0:  # a stream
            found = [
                delivery(source, last - timedelta(minutes=minutes), 3 + 5 * (n % 7), n % 4 == 3)
                for minutes in range(90, -1, -1)
            ]
        elif n % 3 == 1:  # hourly files
            found = [
                delivery(source, last - timedelta(hours=hours), 120 - 4 * hours + n) for hours in range(24, -1, -1)
            ]
        else:  # a file a day
            found = [delivery(source, last - timedelta(hours=3), 200 + 30 * n, n % 5)]
        if n == 7:
            found.append(delivery(source, last + timedelta(seconds=1), 5, header="编号,时间,读数\n"))
        if n == 1 and bad:
            found.append(delivery(source, last, bad + 50, bad))
        city.share.land(source, sorted(found, key=lambda one: one.received_at))
