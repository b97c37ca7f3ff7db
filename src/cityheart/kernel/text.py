"""Two languages: whatever a person reads is a :data:`Text` with ``zh-CN`` and ``en``."""

from __future__ import annotations

__all__ = ["LANGUAGES", "Text", "counted", "text"]

Text = dict[str, str]
LANGUAGES = ("zh-CN", "en")


def text(zh: str, en: str) -> Text:
    """A title or message in both languages."""
    return {"zh-CN": zh, "en": en}


def counted(count: int, one: str, many: str | None = None) -> str:
    """So many of something in English: ``1 order``, ``2 orders``; ``many`` where it is not ``one`` with an s."""
    return f"{count} {one if count == 1 else many or one + 's'}"
