"""Sources of which nobody has said yet where they are.

An application cannot know a city's addresses. It writes one below ``.invalid`` (RFC 6761: a name that never resolves), which
shows the form, and the city gives its own in ``cityheart.toml``. Until then the source is idle: nothing is asked, nothing
fails, and its page says what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cityheart.kernel.text import Text, text

__all__ = ["awaited", "unset"]

_NOWHERE = re.compile(r"^[a-z][a-z0-9+.-]*://([^/@\s]*@)?([a-z0-9-]+\.)+invalid(:\d+)?(/|$)", re.IGNORECASE)


def unset(options: Mapping[str, object]) -> tuple[str, ...]:
    """The options that hold an address below ``.invalid``, by name."""
    if options.get("url_env"):
        return ()  # the city names the variable that holds the address
    return tuple(sorted(name for name, value in options.items() if isinstance(value, str) and _NOWHERE.match(value)))


def awaited(source: str, options: Mapping[str, object]) -> Text | None:
    """What a source that has never delivered waits for, so that a person knows what to do; ``None`` when nobody can tell."""
    if names := unset(options):
        listed = ", ".join(names)
        return text(
            f'尚未接入：请在 cityheart.toml 的 [sources."{source}"] 中填写 {listed}',
            f'not connected yet: give {listed} under [sources."{source}"] in cityheart.toml',
        )
    if path := options.get("path"):
        return text(f"等待文件：请放入 {path}", f"waits for files: put them into {path}")
    if port := options.get("port"):
        host = options.get("host", "127.0.0.1")
        return text(f"等待设备连接 {host}:{port}", f"waits for devices that connect to {host}:{port}")
    return None
