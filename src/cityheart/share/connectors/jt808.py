"""Vehicle terminals that send their positions by JT/T 808-2019 or 2013 over TCP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cityheart.kernel.clock import stopwatch
from cityheart.kernel.text import Text, text
from cityheart.share.connectors import devices
from cityheart.share.connectors.base import Listener, Listening, Pull, Pulled

__all__ = ["Jt808"]

_LIST_SECONDS = 60.0  # how long a list of known terminals is believed


class Jt808:
    """Listens for vehicle terminals."""

    name = "jt808"
    title = text("车载终端（JT/T 808）", "vehicle terminals (JT/T 808)")
    options: Mapping[str, Text] = {
        **devices.OPTIONS,
        "authenticate": text("是否要求先鉴权，默认否", "whether a terminal must authenticate first; false when absent"),
        "terminals": text(
            "允许的终端手机号所在的列，写作 数据集.字段", "the column that lists who may speak, as DATASET.FIELD"
        ),
    }

    def problems(self, options: Mapping[str, object]) -> list[str]:
        """Unknown options and values out of range."""
        found = devices.problems(options, self.options)
        if not isinstance(options.get("authenticate", False), bool):
            found.append("the option 'authenticate' must be true or false")
        if "terminals" in options and str(options["terminals"]).count(".") != 1:
            found.append("the option 'terminals' is written DATASET.FIELD")
        return found

    def pull(self, pull: Pull) -> Iterator[Pulled]:
        """Nothing: terminals speak first."""
        return iter(())

    def listen(self, listening: Listening) -> Listener:
        """Begin to listen. Raises SourceFailed when the address cannot be had."""
        from cityheart.share.wire.jt808_answers import Terminals  # machine code is loaded by those who listen only
        from cityheart.share.wire.server import Server

        listed = None
        if "terminals" in listening.options:
            dataset, _, column = str(listening.options["terminals"]).partition(".")
            listed = _Listed(listening, dataset, column)
        dialogue = Terminals(authenticate=bool(listening.options.get("authenticate", False)), listed=listed)
        return Server(listening, dialogue, devices.address(listening.options))


class _Listed:
    """A list of terminals out of the city's own data, asked for once a minute."""

    def __init__(self, listening: Listening, dataset: str, column: str) -> None:
        self._listening = listening
        self._place = (dataset, column)
        self._known: frozenset[str] = frozenset()
        self._asked: float | None = None

    def __call__(self) -> frozenset[str]:
        if self._asked is None or stopwatch() - self._asked > _LIST_SECONDS:
            self._known = self._listening.known(*self._place)
            self._asked = stopwatch()
        return self._known
