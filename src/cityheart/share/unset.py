"""Sources of which nobody has said yet where they are.

An application cannot know a city's addresses. It writes one below ``.invalid`` (RFC 6761: a name that never resolves), which
shows the form, and the city gives its own in ``cityheart.toml``. Until then the source is idle: nothing is asked, nothing
fails, and its page says what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cityheart.kernel.text import Text, text

__all__ = ["unset", "what_to_do"]

_NOWHERE = re.compile(r"^[a-z][a-z0-9+.-]*://([^/@\s]*@)?([a-z0-9-]+\.)+invalid(:\d+)?(/|$)", re.IGNORECASE)


def unset(options: Mapping[str, object]) -> tuple[str, ...]:
    """The options that hold an address below ``.invalid``, by name."""
    if options.get("url_env"):
        return ()  # the city names the variable that holds the address
    return tuple(sorted(name for name, value in options.items() if isinstance(value, str) and _NOWHERE.match(value)))


def what_to_do(source: str, names: tuple[str, ...]) -> Text:
    """What a person does about a source that has no address yet."""
    listed = ", ".join(names)
    return text(
        f'尚未接入：请在 cityheart.toml 的 [sources."{source}"] 中填写 {listed}',
        f'not connected yet: give {listed} under [sources."{source}"] in cityheart.toml',
    )
