"""Personal data is found in words and something else put in its place.

Telephone, identity, passport and card numbers, accounts, licence plates, mail addresses, and names that something
announces (我叫…, 联系人：…, …先生). A name that stands in the words without anything that announces it cannot be told
from other words.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from functools import partial

__all__ = ["keyed", "named", "replaced"]

Mark = Callable[[str, str], str]
"""From what was found (mail, identity, card, phone, account, plate, name) and its value to what stands there instead."""

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦"
    "邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_TITLES = "先生|女士|小姐|师傅|大爷|大妈|大娘|阿姨|老人家|同志"
_PLACES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_SIGN = "[A-HJ-NP-Z0-9]"
_IS = r"[是为:：\s]{0,3}"
_HAN = r"[\u4e00-\u9fff·]"
# What is announced by words before it keeps these words: they are the group `kept`.
_PATTERNS = tuple(
    (what, re.compile(pattern, re.IGNORECASE if what in ("plate", "account") else 0))
    for what, pattern in (
        ("mail", r"[\w.%+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,63}){1,5}"),
        ("identity", r"(?<!\d)\d{6}[\s-]?(?:19|20)\d{2}[\s-]?\d{4}[\s-]?\d{3}[\dXx](?![\dA-Za-z])"),
        ("identity", r"(?<!\d)\d{15}(?!\d)"),
        ("identity", rf"(?P<kept>护照号?(?:码)?{_IS})[A-Za-z]{{1,2}}\d{{7,8}}"),
        ("card", r"(?<!\d)(?:\d[\s-]?){15,18}\d(?!\d)"),
        ("phone", r"(?<!\d)(?:\+?86[\s-]?)?1[3-9]\d(?:[\s-]?\d){8}(?!\d)"),
        ("phone", r"(?<!\d)(?:\(0\d{2,3}\)\s?|0\d{2,3}[\s-]?)\d{7,8}(?:-\d{1,6})?(?!\d)"),
        ("phone", r"(?<!\d)\+\d{1,3}[\s-]?(?:\d[\s-]?){6,12}\d(?!\d)"),
        ("phone", rf"(?P<kept>电话{_IS})\d{{7,8}}(?!\d)"),
        ("account", rf"(?P<kept>(?:微信|QQ|wechat)号?{_IS})[A-Za-z0-9_-]{{5,20}}"),
        (
            "plate",
            rf"[{_PLACES}][A-HJ-Z][·•.\s-]?(?:[DF]{_SIGN}\d{{4}}|[0-9]{_SIGN}\d{{4}}|\d{{5}}[DF]"
            rf"|{_SIGN}{{4}}[A-HJ-NP-Z0-9挂学警港澳])(?![A-Za-z0-9])",
        ),
        ("name", rf"[{_SURNAMES}][\u4e00-\u9fff]{{0,2}}?(?={_TITLES})"),
        ("name", rf"(?P<kept>(?:我叫|本人叫|(?:姓名|联系人|来电人|举报人)(?:[:：\s]|是|为){{1,2}})\s?){_HAN}{{2,4}}"),
        ("name", r"(?P<kept>\b(?:[Mm]y name is|Mr\.?|Ms\.?|Mrs\.?) )[A-Z][a-z]+(?: [A-Z][a-z]+)?"),
    )
)
_TITLES_SHOWN = {
    "mail": "邮箱", "identity": "证件号", "card": "卡号", "phone": "电话", "account": "账号", "plate": "车牌", "name": "姓名",
}  # fmt: skip
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: ord(" ")}
_KEPT_WIDE = {ord(sign) for sign in "，：；？！（）"}
_FOLD = {wide: narrow for wide, narrow in _NARROW.items() if wide not in _KEPT_WIDE}
_SPOKEN = str.maketrans("〇零一二两三四五六七八九幺", "0012234567891")
_SPOKEN_NUMBER = re.compile(r"[〇零一二两三四五六七八九幺]{7,}")


def replaced(words: str, mark: Mark) -> str:
    """The words with a mark in place of personal data; full-width signs and spoken numbers hide nothing."""
    plain = _SPOKEN_NUMBER.sub(lambda found: found[0].translate(_SPOKEN), words.translate(_FOLD))
    for what, pattern in _PATTERNS:
        plain = pattern.sub(partial(_marked, mark, what), plain)
    return plain


def _marked(mark: Mark, what: str, found: re.Match[str]) -> str:
    kept = found.groupdict().get("kept") or ""
    return kept + mark(what, found[0][len(kept) :])


def named(what: str, value: str) -> str:
    """A mark that says what it was: ``[电话]``."""
    return f"[{_TITLES_SHOWN[what]}]"


def keyed(key: bytes) -> Mark:
    """Marks by which the same value is known again, with the city's own ``key`` (at least 16 bytes): ``[phone:3f9a1c2e]``.

    However a number is written it gives one mark, and another one in the next city: a keyed hash (HMAC-SHA256, 32 bits).
    """
    assert len(key) >= 16, "a key that can be guessed hides nothing"

    def mark(what: str, value: str) -> str:
        plain = re.sub(r"[-·•.:： ()\s]", "", value).upper()
        if what == "phone":
            plain = plain.removeprefix("+86") if len(plain) > 11 else plain
            plain = plain[2:] if len(plain) == 13 and plain.startswith("86") else plain
        digest = hmac.new(key, f"{what}\x1f{plain}".encode(), hashlib.sha256).hexdigest()
        return f"[{what}:{digest[:8]}]"

    return mark
