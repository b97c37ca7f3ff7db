"""What the how-to tells people to paste works: its settings open, its receiver's code accepts ours and nothing else."""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cityheart.kernel.deliveries.channel import Channel, open_channels
from cityheart.kernel.deliveries.webhook import signed
from cityheart.kernel.hooks import plugins

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "send-orders-out.md").read_text("utf-8")
AT = datetime(2026, 11, 22, tzinfo=UTC)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_settings_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "x")
    monkeypatch.setenv("OFFICE_HOOK_SECRET", "whsec_" + base64.b64encode(b"k" * 32).decode())
    parsed = [Channel.model_validate(one) for block in blocks("toml") for one in tomllib.loads(block)["channels"]]
    assert [way.name for way in open_channels(parsed, plugins().channels())] == ["mail", "emergency-office"]


@pytest.mark.parametrize("secret", ["whsec_" + base64.b64encode(b"k" * 32).decode(), "plain but longer than 24 bytes"])
def test_the_receivers_code_verifies(secret: str) -> None:
    namespace: dict[str, Callable[..., bool]] = {}
    (code,) = blocks("python")
    exec(code, namespace)  # noqa: S102  (it is the page that is tried)
    verified = namespace["verified"]
    headers, body, now = signed(secret, "orders:1", AT, b"{}"), b"{}", AT.timestamp()
    assert verified(headers, body, secret, now) and verified(headers, body, secret, now + 299)
    assert not verified(headers, body, secret, now + 301)
    assert not verified(headers, body + b" ", secret, now)
    assert not verified(headers, body, "another secret of more than 24 bytes", now)
    assert not verified({**headers, "webhook-id": "orders:2"}, body, secret, now)
    assert not verified({**headers, "webhook-signature": "v1,", "webhook-id": "orders:1"}, body, secret, now)
