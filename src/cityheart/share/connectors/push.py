"""Sources that deliver by themselves: a listener, an upload or a player hands deliveries to ``Share.land``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cityheart.kernel.text import Text, text
from cityheart.share.connectors.base import Pull, Pulled

__all__ = ["Push"]


class Push:
    """Nothing to ask: the source speaks first."""

    name = "push"
    title = text("推送", "push")
    options: Mapping[str, Text] = {
        "encoding": text("文件编码，默认自动识别", "encoding of files; found out when absent"),
        "delimiter": text("分隔符，默认自动识别", "delimiter of text tables; found out when absent"),
        "records": text("JSON 中记录列表的路径", "path of the list of records in a JSON document"),
        "record": text("XML 中代表一行的元素", "XML element that is a row"),
        "sheets": text("要读取的工作表", "names of the sheets to read"),
    }

    def problems(self, options: Mapping[str, object]) -> list[str]:
        """Unknown options."""
        return [f"nobody knows the option {name!r}" for name in sorted(set(options) - set(self.options))]

    def pattern(self, options: Mapping[str, object]) -> str:
        """Any."""
        return "*"

    def pull(self, pull: Pull) -> Iterator[Pulled]:
        """Nothing."""
        return iter(())
