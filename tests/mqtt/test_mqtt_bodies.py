"""Bodies of messages read by compiled code are what Python's own reading of JSON makes of them."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.kernel import limits
from cityheart.share.formats.bodies import Bodies
from cityheart.share.formats.json_records import column_of

numbers = st.one_of(
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-(10**6), 10**6, places=3, allow_nan=False).map(float),
    st.sampled_from([0, -0.0, 1e300, 1e-300, 999999999999999, 0.1, 123456789.012345, 9007199254740993]),
    st.none(),
)
odd = st.one_of(st.text(max_size=5), st.booleans(), st.lists(st.integers(), max_size=2))
names = st.sampled_from(["t", "v", "q", "value", "a b", "温度"])
objects = st.dictionaries(names, st.one_of(numbers, numbers, numbers, odd), max_size=4)
broken = st.sampled_from(
    [b"", b"{", b"{}", b"[1]", b"3", b'{"t":01}', b'{"t":1,}', b'{"t":-}', b'{"t":1.}', b'{"t":NaN}', b'{"t" 1}',
     b'{"t":1} x', b'{"t":1}{"t":2}', b'\xff{"t":1}', b'{"t":1,"t":2}', b'{"t":nul}', b'{"v":1e5}', b' {\t"t" :\n1 , "v":2\r} ',
     b'{"t":+1}', b'{"\\u0074":5}', b'{"t":0.1234567890123456789}', b'{"t":' + b"9" * 5_000 + b"}"]
)  # fmt: skip


@st.composite
def payloads(draw: st.DrawFn) -> list[bytes | None]:
    """Messages as devices send them, and some as they should not."""
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    said = objects.map(lambda each: json.dumps(each, ensure_ascii=draw(st.booleans()), separators=spaced).encode())
    return draw(st.lists(st.one_of(said, said, said, broken, st.none()), max_size=12))


@settings(deadline=None)  # the first run compiles
@given(payloads())
def test_compiled_reading_gives_what_python_gives(messages: list[bytes | None]) -> None:
    found = Bodies.of(pa.array(messages, pa.binary()))
    expected = [_plain(each) for each in messages]
    assert found.wrong == [row for row, body in enumerate(expected) if body is None]
    assert found.names() == sorted({name for body in expected if body for name in body})
    for name in [*found.names(), "absent"]:
        column = column_of([None if body is None else body.get(name) for body in expected])
        made = found.column(name, inside=False)
        assert made.type == column.type
        assert [str(each) for each in made.to_pylist()] == [str(each) for each in column.to_pylist()]  # -0.0 is not 0.0


def _plain(payload: bytes | None) -> dict[str, object] | None:
    def refuse(constant: str) -> object:
        raise ValueError(constant)

    try:
        body = json.loads(payload or b"", parse_constant=refuse)
    except (ValueError, UnicodeDecodeError):
        return None
    return body if isinstance(body, dict) else None


def test_a_message_that_is_too_long_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MQTT_PAYLOAD_BYTES", 20)
    found = Bodies.of(pa.array([b'{"t":1}', b'{"t":1}' + b" " * 20, b'{"t":"long enough"}   '], pa.binary()))
    assert found.wrong == [1, 2]
    assert found.column("t").to_pylist() == [1, None, None]


def test_dots_lead_into_objects_where_no_name_has_them() -> None:
    found = Bodies.of(pa.array([b'{"a.b":1}', b'{"a":{"b":2.5}}', b'{"a":{"b":null}}', b'{"a":7}'], pa.binary()))
    assert found.column("a.b").to_pylist() == [1.0, 2.5, None, None]
