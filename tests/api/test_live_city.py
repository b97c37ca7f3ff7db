"""A city on the system's clock: one beat pulls a drop folder, raises the alert, and sends the order on its way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cityheart.city import City
from cityheart.kernel.actors import Actor
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text

OFFICER = Actor("user:officer", text("值班长", "officer"), None, frozenset({"duty_officer"}))
HEADER = '"No","year","month","day","hour","PM2.5","PM10","SO2","NO2","CO","O3","TEMP","PRES","DEWP","RAIN","wd","WSPM","station"'


class Standing:
    """A clock of the machine that stands at one moment, so that the test does not depend on the hour it runs at."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def _file(home: Path, hour: datetime) -> None:
    local = hour + timedelta(hours=8)
    row = f'1,{local.year},{local.month},{local.day},{local.hour},400,500,10,90,3000,5,1,1020,-5,0,"N",0.5,'
    stations = ("Dongsi", "Tiantan", "Guanyuan", "Wanliu", "Gucheng", "Huairou", "Shunyi", "Dingling", "Changping")
    lines = [
        HEADER,
        *(row + f'"{station}"' for station in (*stations, "Aotizhongxin", "Nongzhanguan", "Wanshouxigong")),
    ]
    (home / "inbox" / "air" / f"{hour:%Y%m%dT%H}.csv").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.mark.parametrize("hour", [3, 16, 17])
def test_from_a_file_in_a_folder_to_an_order_that_has_left(tmp_path: Path, hour: int) -> None:
    home = tmp_path / "city"
    now = datetime(2016, 12, 20, hour, tzinfo=UTC)  # 16:00 is midnight in Beijing
    city = City.create(Settings(home=home, apps=("air",)), Standing(now + timedelta(minutes=20)))
    assert city.clock_frame()["playing"] is True and city.about()["simulated"] is False
    for hours in range(60, 0, -1):
        _file(home, now - timedelta(hours=hours))
    city.beat()
    city.share.pull("ecology.air")
    city.beat()
    alerts = [alert for alert in city.watch.alerts(OFFICER)["items"] if alert["kind"] == "heavy_pollution"]  # type: ignore[attr-defined]
    assert len(alerts) == 1
    city.watch.acknowledge(OFFICER, alerts[0]["id"], "click-acknowledge")
    shown = city.watch.alert(OFFICER, alerts[0]["id"])
    plan = city.command.suggest("heavy_pollution", int(str(shown["level"])), now)[0].plan.digest
    city.command.dispatch(OFFICER, "click-dispatch", city.watch.incident_spec(shown), plan)
    city.beat()
    orders = (home / "outbox" / "orders.jsonl").read_text("utf-8")
    assert '"unit"' in orders
    assert city.watch.alert(OFFICER, alerts[0]["id"])["incident_id"]
    city.close()


def test_what_devices_hand_over_is_looked_at_before_the_next_turn(tmp_path: Path) -> None:
    home = tmp_path / "city"
    now = datetime(2016, 12, 20, 3, tzinfo=UTC)
    city = City.create(Settings(home=home, apps=("air",)), Standing(now + timedelta(minutes=20)))
    city.beat()
    assert not city.glance()
    for hours in range(60, 0, -1):
        _file(home, now - timedelta(hours=hours))
    city.share.pull("ecology.air")
    assert city.glance()
    assert [alert["kind"] for alert in city.watch.alerts(OFFICER)["items"]].count("heavy_pollution") == 1  # type: ignore[attr-defined]
    assert not city.glance()  # nothing has landed since
    city.close()
