"""Two languages: whatever a person reads is a :data:`Text` with ``zh-CN`` and ``en``."""

from __future__ import annotations

__all__ = ["LANGUAGES", "Text", "text"]

Text = dict[str, str]
LANGUAGES = ("zh-CN", "en")


def text(zh: str, en: str) -> Text:
    """A title or message in both languages."""
    return {"zh-CN": zh, "en": en}
