"""Recorded messages become rows: by the topic's pattern and the names agreed; what fits neither is kept with its bytes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityheart.kernel import limits
from cityheart.kernel.database import Database
from cityheart.share import formats
from cityheart.share.connectors.mqtt import Mqtt
from cityheart.share.formats.batch import Batch, Reading
from cityheart.share.formats.mqtt_json import Meaning, MeaningError
from cityheart.share.models import Refused

from .scene import BEGIN, OPTIONS, SOURCE, SYSTEM, body, city, delivery, messages, recorded, values

HAZARDS = {name: OPTIONS[name] for name in ("topic", "fields")}
TOPIC = "hazards/S1/T1/level_m"
MILLIS = int(BEGIN.timestamp() * 1000)


def decoded(said: list[tuple[str | None, bytes | None]], **options: object) -> list[Batch]:
    return list(formats.decode("m", recorded(said), "mqtt-json", Reading(frozenset(), HAZARDS | options)))


def rows(said: list[tuple[str | None, bytes | None]], **options: object) -> list[dict[str, object]]:
    return [row for batch in decoded(said, **options) for row in batch.table.to_pylist()]


def test_a_message_is_a_row() -> None:
    """The levels of the topic, the names of the payload, a time in its unit, and when it came."""
    said: list[tuple[str | None, bytes | None]] = [
        (TOPIC, b'{"t":%d,"v":3.06,"q":0}' % (MILLIS + 1)),
        ("hazards/S2/T9/gas_ppm", b' { "q" : 1 , "v" : "0.5" ,\n "t" : "%d" } ' % MILLIS),
    ]
    (batch,) = decoded(said)
    first, second = batch.table.to_pylist()
    moment = timedelta(milliseconds=1)
    assert first == {
        "site_id": "S1", "tank_id": "T1", "metric": "level_m", "time": BEGIN + moment, "value": "3.06", "quality": 0,
    }  # fmt: skip
    assert (second["site_id"], second["metric"], second["time"], second["quality"]) == ("S2", "gas_ppm", BEGIN, 1)
    assert batch.rows.tolist() == [1, 2]
    assert batch.arrived is not None
    assert batch.arrived.tolist() == [int((BEGIN + timedelta(days=1)).timestamp()) * 1_000_000] * 2


@pytest.mark.parametrize(
    ("topic", "payload", "code"),
    [
        ("hazards/S1/T1", body(0, 1), "topic"),
        ("hazards/S1/T1/level_m/more", body(0, 1), "topic"),
        (None, body(0, 1), "topic"),
        (TOPIC, None, "payload"),
        (TOPIC, b"", "payload"),
        (TOPIC, b"[1]", "payload"),
        (TOPIC, b"3.06", "payload"),
        (TOPIC, b"{}{}", "payload"),
        (TOPIC, b'{"t":1,"v":2},{"t":3,"v":4}', "payload"),
        (TOPIC, b'{"v":NaN}', "payload"),
        (TOPIC, b"\xff\xfe", "payload"),
        (TOPIC, b'{"v":' + b"1" * 5_000 + b"}", "payload"),
        (TOPIC, b'{"v":' * 3_000 + b"1" + b"}" * 3_000, "payload"),
        (TOPIC, b'{"v":"' + b"x" * limits.MQTT_PAYLOAD_BYTES + b'"}', "payload"),
        (TOPIC, b'{"t":"soon","v":1}', "payload"),
        (TOPIC, b'{"t":true,"v":1}', "payload"),
        (TOPIC, b'{"t":9e99,"v":1}', "payload"),
    ],
)
def test_what_fits_not_is_kept_with_its_bytes(topic: str | None, payload: bytes | None, code: str) -> None:
    """One bad message is one malformed piece; its neighbours are rows under their own numbers."""
    good = (TOPIC, body(0, 1))
    (batch,) = decoded([good, (topic, payload), good])
    assert batch.table["value"].to_pylist() in (["1", "1"], [1, 1])
    assert batch.rows.tolist() == [1, 3]
    (bad,) = batch.malformed
    assert (bad.row, bad.code, bad.raw) == (2, code, (topic or "").encode() + b"\n" + (payload or b""))


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
_OBJECT = st.dictionaries(st.text(max_size=3), _PLAIN | st.lists(_PLAIN, max_size=2), max_size=4)
_PAYLOAD = st.one_of(
    _OBJECT.map(lambda each: json.dumps(each).encode()),
    _OBJECT.map(lambda each: json.dumps(each, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.text(alphabet='{}[]",:\\ \n1e-.tfv', max_size=12).map(str.encode),
    st.binary(max_size=6),
)


def alone(payload: bytes) -> object:
    """The object of one payload as the standard's reader has it; None when it is none."""
    try:
        found = json.loads(payload, parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return None
    return found if isinstance(found, dict) else None


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_PAYLOAD, max_size=6))
def test_many_payloads_are_read_as_each_alone(payloads: list[bytes]) -> None:
    """Whatever lies beside it, a payload means what it means alone: none runs into another."""
    batches = decoded([("a/b", each) for each in payloads], topic="a/{level}", fields={"v": "value"})
    bodies = [alone(each) for each in payloads]
    bad = [number for number, each in enumerate(bodies, start=1) if each is None]
    assert [each.row for batch in batches for each in batch.malformed] == bad
    found = [value for batch in batches for value in batch.table["value"].to_pylist()]
    wanted = [each.get("v") for each in bodies if isinstance(each, dict)]
    assert [value is None for value in found] == [value is None for value in wanted]


def test_names_nobody_agreed_stay_to_be_seen(database: Database, tmp_path: Path) -> None:
    """A new name in the payload is kept as a column that drifted in; paths lead into objects."""
    share = city(database, tmp_path)
    share.land(SOURCE, [delivery("1", [(TOPIC, body(0, 1)[:-1] + b', "battery": 87}')])])
    assert share._lake.query('SELECT "extra_battery" FROM reading__versions')["extra_battery"].to_pylist() == ["87"]
    nested = [(TOPIC, b'{"data":{"v":{"x":4}},"t":1}')]
    assert rows(nested, fields={"data.v.x": "value", "t": "time:s"}) == [
        {"site_id": "S1", "tank_id": "T1", "metric": "level_m", "value": 4,
         "time": BEGIN.replace(year=1970, month=1, day=1, second=1)},
    ]  # fmt: skip


def test_a_recording_lands_live_and_in_bulk_alike(database: Database, tmp_path: Path) -> None:
    """Sent twice, late, wrong: one row a reading, the bad one in quarantine, also when all of it comes again."""
    share = city(database, tmp_path)
    said = [
        *messages(range(20)),
        *messages(range(5)),
        (TOPIC, b"broken"),
        (TOPIC, body(30, "many")),
        (TOPIC, body(40, 1, 7)),
    ]
    first, second = share.land(SOURCE, [delivery("1", said), delivery("2", said[:10])])
    assert (first.rows, first.quarantined, dict(first.reasons)) == (20, 3, {"enum": 1, "payload": 1, "type": 1})
    assert (second.rows, second.quarantined) == (0, 0)
    assert values(share) == [number / 100 for number in range(20)]
    with pq.ParquetWriter(
        tmp_path / "all.parquet",
        pa.schema([("at", pa.timestamp("us", "UTC")), ("topic", pa.string()), ("payload", pa.binary())]),
    ) as writer:
        writer.write_table(pa.ipc.open_stream(recorded(messages(range(30)))).read_all())
    bulk = delivery("3", [])
    (landed,) = share.land(SOURCE, [type(bulk)("3", bulk.received_at, tmp_path / "all.parquet", "mqtt-json")])
    assert (landed.rows, values(share)) == (10, [number / 100 for number in range(30)])


def test_a_clock_that_runs_ahead_is_set_to_the_arrival(database: Database, tmp_path: Path) -> None:
    """A reading of tomorrow is a reading of now, counted as such; one of yesterday stays."""
    share = city(database, tmp_path)
    day = 86_400
    share.land(SOURCE, [delivery("1", [(TOPIC, body(3 * day, 1)), (TOPIC, body(0, 2)), (TOPIC, body(day + 60, 3))])])
    found = share._lake.current("reading")
    times = dict(zip(found["value"].to_pylist(), found["time"].to_pylist(), strict=True))
    arrival = BEGIN + timedelta(days=1)
    assert times == {1.0: arrival, 2.0: BEGIN, 3.0: arrival + timedelta(seconds=60)}
    fields = {each["name"]: each for each in share.quality(SYSTEM, SOURCE)["fields"]}  # type: ignore[attr-defined,misc]
    assert fields["time"]["cleaned"] == {"clock": 1}
    assert fields["time"]["max"] == f"{arrival + timedelta(seconds=60):%Y-%m-%dT%H:%M:%S.%fZ}"


@pytest.mark.parametrize("payload", [b"no arrow", recorded([])[:60]])
def test_a_damaged_recording_is_refused(payload: bytes) -> None:
    """Bytes that are no recording, and a recording without its columns."""
    with pytest.raises(Refused) as refused:
        list(formats.decode("m", payload, "mqtt-json", Reading(frozenset(), HAZARDS)))
    assert refused.value.code == "unreadable"


@pytest.mark.parametrize(
    ("topic", "subscribed"),
    [
        ("hazards/{site}/{tank}", "hazards/+/+"),
        ("plain/topic", "plain/topic"),
        ("a/+/{b}/#", "a/+/+/#"),
        ("{any}", "+"),
    ],
)
def test_patterns_are_subscribed_to(topic: str, subscribed: str) -> None:
    """A column in braces is any level."""
    assert Meaning.of({"topic": topic}).filter == subscribed


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": ""}, {"topic": "/a"}, {"topic": "$SYS/#"}, {"topic": "a/#/b"}, {"topic": "a{b}/c"}, {"topic": "a/{1}"},
        {"topic": "{v}/{v}"}, {"topic": "{value}", "fields": {"v": "value"}}, {"fields": {}}, {"fields": {"t": "time:h"}},
        {"fields": {"t": ":ms"}}, {"fields": ["v"]}, {"topic": 7},
    ],
)  # fmt: skip
def test_meanings_that_mean_nothing(wrong: dict[str, object]) -> None:
    """The message names the option."""
    with pytest.raises(MeaningError, match=r"the options? '(topic|fields)'"):
        Meaning.of({"topic": "a/{b}"} | wrong)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "http://x:1"}, "'url' must be mqtt"),
        ({"url": "mqtt://:1883"}, "'url' must be mqtt"),
        ({"url": "mqtt://city:secret@x:1883"}, "must not hold a name or password"),
        ({"url": "mqtt://x:99999"}, "'url'"),
        ({"version": 4}, "'version' must be 3 or 5"),
        ({"version": 3, "group": "city"}, "'group' needs version 5"),
        ({"group": "a/b"}, "'group' must have no"),
        ({"password_env": "P"}, "'password_env' needs 'username'"),
        ({"batch_seconds": 2}, "'batch_seconds' must be a number from 0.01 to 1"),
        ({"batch_messages": 0}, "'batch_messages'"),
        ({"qos": 2}, "nobody knows the option 'qos'"),
        ({"topic": "#/a"}, "# stands at the end"),
    ],
)
def test_options_that_are_wrong(options: dict[str, object], said: str) -> None:
    """Each problem names its option."""
    assert any(said in problem for problem in Mqtt().problems(OPTIONS | options))
    assert Mqtt().problems(OPTIONS) == []
