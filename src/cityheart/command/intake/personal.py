"""Keeping persons out: what callers say is scrubbed, who they are becomes a keyed hash.

The key is the city's own and never leaves its folder: with the hash alone nobody can be found, and the same caller is
still known again. Scrubbing knows patterns (telephone and identity numbers,
plates, mail addresses, names after 我叫); it cannot know every way to write a name.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from functools import cached_property

from cityheart.kernel.ids import unguessable

__all__ = ["Secret", "clean", "scrub"]

_SPOKEN = str.maketrans("〇零一二两三四五六七八九幺", "0012234567891")
_HAN_NUMBER = re.compile(r"[〇零一二两三四五六七八九幺]{7,}")
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-Z][·•\s-]?"
    r"(?:[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳]|[DF0-9][A-HJ-NP-Z0-9][0-9]{4}|[0-9]{5}[DF])(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"((?:我叫|本人叫|姓名[是为:：\s]{0,2}|联系人[是为:：\s]{0,2}|[Mm]y name is )\s?)"
    r"(?:[\u4e00-\u9fff·]{2,4}|[A-Z][a-z]+(?: [A-Z][a-z]+)?)"
)
_PATTERNS = (
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,32}){1,4}"), "[邮箱]"),
    (re.compile(r"(?<!\d)\d{6}[\s-]?(?:19|20)\d{2}[\s-]?\d{4}[\s-]?\d{3}[\dXx](?![\dA-Za-z])"), "[证件号]"),
    (re.compile(r"(?<!\d)\d{15}(?!\d)"), "[证件号]"),
    (re.compile(r"(?<!\d)(?:\d[\s-]?){15,18}\d(?!\d)"), "[卡号]"),
    (re.compile(r"(?<!\d)(?:\+?86[\s-]?)?1[3-9]\d(?:[\s-]?\d){8}(?!\d)"), "[电话]"),
    (re.compile(r"(?<!\d)(?:\(0\d{2,3}\)\s?|0\d{2,3}[\s-]?)\d{7,8}(?!\d)"), "[电话]"),
    (re.compile(r"(?<!\d)\+\d{1,3}[\s-]?(?:\d[\s-]?){6,12}\d(?!\d)"), "[电话]"),
    (re.compile(r"(?<=电话)[是为:：\s]{0,3}\d{7,8}(?!\d)"), "[电话]"),
    (re.compile(r"((?:微信|QQ|qq|wechat)号?[是为:：\s]{0,3})[A-Za-z0-9_-]{5,20}"), r"\1[账号]"),
    (_PLATE, "[车牌]"),
    (re.compile(r"(护照号?(?:码)?[是为:：\s]{0,3})[A-Z]{1,2}\d{7,8}", re.IGNORECASE), r"\1[证件号]"),
    (_NAMED, r"\1[姓名]"),
    (re.compile(r"[\u4e00-\u9fff](?=先生|女士)"), "某"),
)  # fmt: skip
_LINES = {"\n", "\t"}


def clean(said: str) -> str:
    """The text without control characters, halves of characters and NUL; lines and tabs stay. NFC."""
    kept = (
        char
        for char in unicodedata.normalize("NFC", said.replace("\r\n", "\n").replace("\r", "\n"))
        if char in _LINES or unicodedata.category(char) not in ("Cc", "Cs", "Cf", "Co", "Cn")
    )
    return "".join(kept).strip()


def scrub(said: str) -> str:
    """The text with telephone, identity and card numbers, plates, addresses of mail and named names replaced."""
    folded = "".join(unicodedata.normalize("NFKC", char) if "\uff10" <= char <= "\uff5a" else char for char in said)
    folded = _HAN_NUMBER.sub(lambda match: match[0].translate(_SPOKEN), folded)
    for pattern, mark in _PATTERNS:
        folded = pattern.sub(mark, folded)
    return folded


class Secret:
    """Keyed hashes of callers. ``key`` gives the city's own key, which is made on first use (kernel/secret.py)."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._make = key

    @cached_property
    def _key(self) -> bytes:
        return self._make()

    def hash(self, kind: str, *parts: str) -> str:
        """A keyed hash of ``parts``, 32 hexadecimal digits; another ``kind`` gives another one."""
        message = "\x1f".join((kind, *parts)).encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]

    def caller(self, name: str | None, phone: str | None) -> str | None:
        """The keyed hash of a caller: of the telephone number, else of the name; ``None`` for neither."""
        digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", phone or ""))
        digits = digits.removeprefix("0086").removeprefix("86") if len(digits) > 11 else digits
        if digits:
            return self.hash("phone", digits)
        spelled = "".join(unicodedata.normalize("NFKC", name or "").split()).lower()
        return self.hash("name", spelled) if spelled else None

    def token(self) -> str:
        """A new key for a calling program, which cannot be guessed."""
        return unguessable(24).hex()
