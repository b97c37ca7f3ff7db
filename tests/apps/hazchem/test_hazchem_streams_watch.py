"""From readings to alerts through the watch, and the same again in a backtest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cityheart.apps.hazchem.detectors import emission_exceedance, emission_hours, tank_excursion, tank_hours
from cityheart.engine.lake import Lake
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.watch.service import Watch

from ...watch.scene import Landing, everything
from ..landing import application
from . import streams
from .streams import HOUR, START, gas, of_tank, quiet
from .test_hazchem_streams_emissions import during
from .test_hazchem_streams_tanks import noisy, rise

READ = ("hazard_reading", "hazard_tank", "approval_site", "emission_reading", "emission_outlet")


def landed(lake: Lake, dataset: str, rows: pa.Table) -> None:
    """Rows as they land: what nobody told is null, registers are there from the beginning."""
    spec = lake.spec(dataset)
    if "_known_at" not in rows.column_names:
        rows = rows.append_column("_known_at", pa.array([START] * rows.num_rows, streams.MOMENT))
    for field in spec.schema:
        if field.name in ("landed_at", "updated_at") and field.name not in rows.column_names:
            rows = rows.append_column(field.name, rows["_known_at"])
        elif field.name not in rows.column_names:
            rows = rows.append_column(field.name, pa.nulls(rows.num_rows, field.type))
    columns = {field.name: rows[field.name].cast(field.type) for field in spec.schema}
    for name in ("_source", "_batch"):
        columns[name] = pa.array(["test"] * rows.num_rows)
    lake.append(dataset, pa.table(columns | {"_known_at": rows["_known_at"]}))


@pytest.fixture
def city(tmp_path: Path) -> tuple[Watch, Lake, VirtualClock]:
    """A city of one site with a tank and an outlet, with what watches them."""
    clock = VirtualClock(START)
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    lake = Lake(tmp_path / "lake")
    app = application("hazchem")
    for contract in app.contracts:
        if contract.name in (*READ, "hazchem_tank_hour", "hazchem_emission_hour"):
            lake.ensure(contract.spec())
    landed(lake, "hazard_tank", streams.tanks())
    landed(lake, "approval_site", streams.sites())
    landed(lake, "emission_outlet", streams.outlet())
    watch = Watch(database, lake, Landing(lake))
    modules = (tank_hours, tank_excursion, emission_hours, emission_exceedance)
    watch.register([each for module in modules for each in module.detectors()], app.alert_kinds)
    return watch, lake, clock


def test_readings_become_alerts_within_minutes_and_a_backtest_says_the_same(
    city: tuple[Watch, Lake, VirtualClock], officer: Actor
) -> None:
    watch, lake, clock = city
    values = {**quiet(24), "pressure_kpa": noisy(rise(30.0, 105.0), 0.2)}
    tank, outlet = of_tank(values), streams.emitted(gas(24, a21026=during(600, 720, 3.0)))
    for hour in range(1, 16):
        now = START + hour * HOUR
        for dataset, rows in (("hazard_reading", tank), ("emission_reading", outlet)):
            known = pc.and_(
                pc.greater(rows["_known_at"], pa.scalar(now - HOUR, streams.MOMENT)),
                pc.less_equal(rows["_known_at"], pa.scalar(now, streams.MOMENT)),
            )
            if pc.any(known).as_py():
                landed(lake, dataset, rows.filter(known))
        watch.detect(now)
        while (due := watch.next_due()) is not None and due <= now:
            clock.advance_to(max(due, clock.now()))
            watch.apply(due)
        clock.advance_to(now)
    alerts = {str(alert["kind"]): alert for alert in everything(watch, officer)}
    assert set(alerts) == {"tank_excursion", "emission_exceedance"}
    raised = {kind: alert["raised_at"] for kind, alert in alerts.items()}
    first = START + timedelta(minutes=600 + 54)  # where 97 % is reached
    assert first <= raised["tank_excursion"] <= first + timedelta(minutes=40)  # type: ignore[operator]
    assert raised["emission_exceedance"] == START + 11 * HOUR + timedelta(minutes=5)
    for kind, moment in raised.items():
        report = watch.backtest(Actor.system("test"), f"hazchem.{kind}", START, clock.now())
        assert [alert.raised_at for alert in report.alerts] == [moment]
