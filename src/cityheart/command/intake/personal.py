"""Keeping persons out: what callers say is scrubbed, who they are becomes a keyed hash.

The key lies in the city's folder (``callers.key``, readable by its owner only) and never leaves it: with the hash alone
nobody can be found, and the same caller is still known again. Scrubbing knows patterns (telephone and identity numbers,
plates, mail addresses, names after 我叫); it cannot know every way to write a name.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from pathlib import Path

from cityheart.kernel.errors import Unavailable

__all__ = ["Secret", "clean", "scrub"]

FILE = "callers.key"
_BYTES = 32

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
    """The city's key for callers. Made on first use; raises :class:`Unavailable` when it cannot be read or made."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._key: bytes | None = None

    def hash(self, kind: str, *parts: str) -> str:
        """A keyed hash of ``parts``, 32 hexadecimal digits; another ``kind`` gives another one."""
        message = "\x1f".join((kind, *parts)).encode()
        return hmac.new(self._loaded(), message, hashlib.sha256).hexdigest()[:32]

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
        return secrets.token_urlsafe(24)

    def _loaded(self) -> bytes:
        if self._key is None:
            try:
                self._key = self._read() or self._made()
            except OSError as error:
                raise Unavailable(
                    f"the key of callers cannot be used: {error.strerror}", remedy=f"look at {self._file}"
                ) from error
        return self._key

    def _read(self) -> bytes | None:
        if not self._file.exists():
            return None
        key = self._file.read_bytes()
        if len(key) != _BYTES:
            raise Unavailable(f"{self._file} is no key", remedy="bring it back from a copy: callers are known by it")
        return key

    def _made(self) -> bytes:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(f".{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, self._file)  # whoever is first makes the key; the other takes that one
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        key = self._read()
        assert key is not None, "the key was just made"
        return key
