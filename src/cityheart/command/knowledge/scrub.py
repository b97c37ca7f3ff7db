"""Personal data is taken out of the words of cases: what stands there instead says what it was, never whose.

Telephone numbers, identity numbers, licence plates, mail addresses and names with a form of address become
``[phone:3f9a1c2e]``: the same value gives the same mark in one city and another one in the next, as the mark is a keyed
hash (HMAC-SHA256, 32 bits of it). A name that stands in the words without anything that announces it cannot be told
from other words.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from functools import partial

__all__ = ["Scrubber"]

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦"
    "邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_PLACES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"  # month and day of birth
_SIGN = "[A-HJ-NP-Z0-9]"
_PATTERNS = (
    ("mail", r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}"),
    ("identity", rf"(?<!\d)[1-9]\d{{5}}(?:19|20)\d{{2}}{_DAY}\d{{3}}[\dXx](?!\d)"),
    ("identity", rf"(?<!\d)[1-9]\d{{7}}{_DAY}\d{{3}}(?!\d)"),
    ("phone", r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d(?:[- ]?\d{4}){2}(?!\d)"),
    ("phone", r"(?<!\d)\(?0\d{2,3}\)?[- ]?[2-9]\d{6,7}(?:-\d{1,6})?(?!\d)"),
    (
        "plate",
        rf"[{_PLACES}][A-HJ-NP-Z][·.\- ]?(?:[DF]{_SIGN}\d{{4}}|\d{{5}}[DF]|{_SIGN}{{4}}[A-HJ-NP-Z0-9挂学警港澳])",
    ),
    ("name", rf"[{_SURNAMES}][\u4e00-\u9fff]{{0,2}}?(?=先生|女士|小姐|师傅|大爷|大妈|大娘|阿姨|老人家|同志)"),
    ("name", r"(?:(?<=姓名)|(?<=联系人)|(?<=来电人)|(?<=举报人))(?<=[名人])(?:[:： ]|是|为)[\u4e00-\u9fff·]{2,4}"),
    ("name", r"\b(?:Mr|Ms|Mrs)\.? [A-Z][a-z]+"),
)
_FOUND = tuple((what, re.compile(pattern)) for what, pattern in _PATTERNS)
_NARROW = {wide: wide - 0xFEE0 for wide in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_NARROW |= {0xFF0B: ord("+"), 0xFF0D: ord("-"), 0xFF20: ord("@"), 0xFF0E: ord("."), 0x3000: ord(" ")}


class Scrubber:
    """Takes personal data out of words, with the city's own ``key`` (at least 16 bytes)."""

    def __init__(self, key: bytes) -> None:
        assert len(key) >= 16, "a key that can be guessed hides nothing"
        self._key = key

    def clean(self, words: str) -> str:
        """The words in one line, without control characters, with marks in place of personal data."""
        plain = words.translate(_NARROW)  # full-width digits and letters hide nothing
        plain = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in plain)
        plain = " ".join(plain.split())
        for what, pattern in _FOUND:
            plain = pattern.sub(partial(self._mark, what), plain)
        return plain

    def _mark(self, what: str, found: re.Match[str]) -> str:
        value = re.sub(r"[-·.:： ()]", "", found[0]).upper()
        if what == "phone":
            value = value.removeprefix("+86") if len(value) > 11 else value
            value = value[2:] if len(value) == 13 and value.startswith("86") else value
        digest = hmac.new(self._key, f"{what}\x1f{value}".encode(), hashlib.sha256).hexdigest()
        return f"[{what}:{digest[:8]}]"
