"""Pollution-source monitors that send their readings by HJ 212-2017 over TCP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from cityheart.kernel.text import Text, text
from cityheart.share.connectors import devices
from cityheart.share.connectors.base import Listener, Listening, Pull, Pulled

__all__ = ["Hj212"]


class Hj212:
    """Listens for pollution-source monitors."""

    name = "hj212"
    title = text("污染源监测设备（HJ 212）", "pollution-source monitors (HJ 212)")
    options: Mapping[str, Text] = {
        **devices.OPTIONS,
        "zone": text(
            "设备时间的时区，默认 Asia/Shanghai", "time zone of the devices' times; Asia/Shanghai when absent"
        ),
    }

    def problems(self, options: Mapping[str, object]) -> list[str]:
        """Unknown options and values out of range."""
        found = devices.problems(options, self.options)
        try:
            ZoneInfo(str(options.get("zone", "UTC")))
        except (KeyError, ValueError):
            found.append(f"{options['zone']!r} is no time zone")
        return found

    def pull(self, pull: Pull) -> Iterator[Pulled]:
        """Nothing: monitors speak first."""
        return iter(())

    def listen(self, listening: Listening) -> Listener:
        """Begin to listen. Raises SourceFailed when the address cannot be had."""
        from cityheart.share.wire.hj212_answers import Monitors  # machine code is loaded by those who listen only
        from cityheart.share.wire.server import Server

        return Server(listening, Monitors(), devices.address(listening.options))
