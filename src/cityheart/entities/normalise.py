"""How records are made comparable: names of firms, addresses, codes, a column at a time.

Every distinct text is looked at once. What comes out are numbers (see :mod:`cityheart.entities.hashing`), so that two
records are compared without touching text again, except where names are only similar.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.entities.areas import Areas
from cityheart.entities.hashing import Hashes, hashes, scattered

__all__ = [
    "Address", "Gazetteer", "Names", "codes", "credit_codes", "packed_codes", "registration", "repaired_codes", "sounds",
    "spelling", "tidy", "valid_codes",
]  # fmt: skip

_CODE_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015: no I, O, S, V, Z
_CODE_WEIGHTS = np.array([pow(3, place, 31) for place in range(17)], dtype=np.int64)
_PIECE = 50_000
_NO_SIGNS = r"""[\s·・•,，.。、;；:：'"“”‘’`~!！?？*#@&|\\/_<>《》\[\]【】{}+=-]+"""


@dataclass(frozen=True)
class Spelling:
    """What ``spelling.toml`` says."""

    version: str
    forms: tuple[tuple[str, tuple[str, ...]], ...]
    fillers: tuple[str, ...]
    trades: tuple[str, ...]
    brackets: tuple[str, ...]
    endings: tuple[str, ...]
    provinces: tuple[str, ...]
    towns: tuple[str, ...]
    roads: tuple[str, ...]


@cache
def spelling() -> Spelling:
    """The project's own spelling rules."""
    given = tomllib.loads((Path(__file__).parent / "spelling.toml").read_text("utf-8"))
    return Spelling(
        given["version"],
        tuple((one["group"], tuple(one["endings"])) for one in given["forms"]),
        tuple(given["fillers"]["words"]),
        tuple(given["trades"]["words"]),
        tuple(given["brackets"]["words"]),
        tuple(given["areas"]["endings"]),
        tuple(given["areas"]["provinces"]),
        tuple(given["areas"]["towns"]),
        tuple(given["areas"]["roads"]),
    )


@dataclass(frozen=True)
class Names:
    """Names of firms or sites taken apart; all columns are of one length.

    ``core``: without legal form, brackets and the region; ``stem``: also without words that come and go; ``sound``: how
    the stem is said; ``letters``: its letters in any order; ``head`` and ``tail``: its two halves; ``ending``: its last
    two letters, mostly of the trade; ``brand``: how many letters stand before the trade; ``form``: the group of the legal
    form (0 none, 1 cut short).
    """

    core: Hashes
    stem: Hashes
    sound: Hashes
    letters: Hashes
    head: Hashes
    tail: Hashes
    ending: Hashes
    region: Hashes
    brand: npt.NDArray[np.int64]
    form: npt.NDArray[np.int64]
    text: pa.Array  # the stem itself


@dataclass(frozen=True)
class Address:
    """Addresses taken apart: the area (as it is called now), the road and the number on it."""

    area: Hashes
    road: Hashes
    number: Hashes


class Gazetteer:
    """The names of the city's areas, those of the past included, and what they are called now."""

    def __init__(self, areas: Areas, city: str) -> None:
        rules = spelling()
        self.city = _plain(city)
        now = areas.successors()
        known: dict[str, str] = {}  # as it is written -> the code of the area now
        for area in sorted(areas.all(), key=lambda area: area.valid_from):
            name = _plain(area.title["zh-CN"])
            for written in {name, _without(name, rules.endings)}:
                if len(written) >= 2:
                    known[written] = now[area.code]
        self._known = known
        places = sorted(known, key=len, reverse=True)
        stems = {_without(place, rules.endings) for place in places} | {_without(self.city, ("市",))}
        home = _without(self.city, ("市",))
        province = "(?:" + "|".join(rules.provinces) + ")(?:省|市|壮族自治区|回族自治区|维吾尔自治区|自治区)?"
        city = f"(?:{re.escape(home)}市?)" if home else "(?:)"
        written = "|".join(re.escape(place) for place in places) or r"[^\s\S]"
        stem = "|".join(re.escape(one) for one in sorted(stems - {""}, key=len, reverse=True)) or r"[^\s\S]"
        ends = "|".join(sorted(rules.endings, key=len, reverse=True))
        self.name_region = rf"^(?:{province})?(?P<region>(?:{stem})(?:{ends})?)?(?P<rest>.*)$"
        self.name_place = rf"\((?:{province}|(?:{stem})(?:{ends})?|{'|'.join(rules.brackets)})\)"
        town = "|".join(rules.towns)
        road = "|".join(rules.roads)
        self.address = (
            rf"^(?:{province})?{city}?(?P<area>(?:{written})(?:{ends})?)?"
            rf"(?:[^0-9]{{0,12}}?(?:{town})){{0,3}}(?P<road>[^0-9号]{{1,12}}?(?:{road}))?(?P<number>[0-9]{{1,6}})?.*$"
        )
        self._area_codes = {name + end: code for name, code in known.items() for end in ("", *rules.endings)}

    def area(self, written: pa.Array) -> pa.Array:
        """The present code of each area name; null for one that is not of this city."""
        return pa.array([self._area_codes.get(name) for name in written.to_pylist()], pa.string())

    # ── columns ────────────────────────────────────────────────────────────────────────────────────────────────

    def names(self, values: pa.Array) -> Names:
        """Names taken apart."""
        distinct, back = _distinct(values)
        core, stem, region, form = _columnwise(self._name_parts, distinct)
        length = pc.fill_null(pc.utf8_length(stem), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        head, tail = _halves(stem, length)
        (brand,) = _columnwise(_brands, stem)
        last = pc.if_else(pa.array(length > 3), pc.utf8_slice_codeunits(stem, -2), pa.scalar(None, pa.string()))
        sound, letters = _said(stem)
        return Names(
            hashes(core, "core")[back], hashes(stem, "stem")[back], sound[back], letters[back], head[back], tail[back],
            hashes(last, "ending")[back], hashes(region, "region")[back],
            brand.to_numpy(zero_copy_only=False)[back], form.to_numpy(zero_copy_only=False)[back], stem.take(pa.array(back)),
        )  # fmt: skip

    def _name_parts(self, distinct: pa.Array) -> tuple[pa.Array, ...]:
        """Core, stem, region and form of each name."""
        rules = spelling()
        whole = tidy(distinct)
        whole = pc.replace_substring_regex(whole, self.name_place, "")
        form = np.zeros(len(distinct), dtype=np.int64)
        core = whole
        for group, (name, endings) in enumerate(rules.forms, 2):
            pattern = "(" + "|".join(endings) + ")$"
            has = pc.fill_null(pc.match_substring_regex(core, pattern), False).to_numpy(zero_copy_only=False)
            fresh = has & (form == 0)
            form[fresh] = 1 if name == "short" else group
            core = pc.if_else(pa.array(fresh), pc.replace_substring_regex(core, pattern, ""), core)
        core = pc.replace_substring_regex(core, r"[()]", "")
        parts = pc.extract_regex(core, self.name_region)
        region, rest = pc.struct_field(parts, "region"), pc.struct_field(parts, "rest")
        core = pc.if_else(pc.greater(pc.utf8_length(rest), 0), rest, core)
        stem = pc.replace_substring_regex(
            core, "(" + "|".join(sorted(rules.fillers, key=len, reverse=True)) + ")+$", ""
        )
        stem = pc.if_else(pc.greater(pc.utf8_length(stem), 1), stem, core)
        region = pc.replace_substring_regex(region, "(" + "|".join(rules.endings) + ")$", "")
        return core, stem, region, pa.array(form)

    def addresses(self, values: pa.Array) -> Address:
        """Addresses taken apart."""
        distinct, back = _distinct(values)
        area, road, number = _columnwise(self._address_parts, distinct)
        written, area_back = _distinct(area)
        found = hashes(self.area(written), "area")[area_back]
        return Address(found[back], hashes(road, "road")[back], hashes(number, "number")[back])

    def _address_parts(self, distinct: pa.Array) -> tuple[pa.Array, ...]:
        plain = pc.replace_substring_regex(tidy(distinct), r"[()]", "")
        parts = pc.extract_regex(plain, self.address)
        return tuple(pc.struct_field(parts, name) for name in ("area", "road", "number"))


def _brands(stem: pa.Array) -> tuple[pa.Array, ...]:
    """How many letters of each stem stand before its trade; of one that is all trade, all but the last two."""
    trades = "(?:" + "|".join(sorted(spelling().trades, key=len, reverse=True)) + ")+$"
    left = pc.utf8_length(pc.replace_substring_regex(stem, trades, ""))
    whole = pc.utf8_length(stem)
    brand = pc.if_else(pc.greater(left, 1), left, pc.max_element_wise(pc.subtract(whole, 2), 2))
    return (pc.cast(pc.fill_null(brand, 0), pa.int64()),)


# ── texts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def tidy(values: pa.Array) -> pa.Array:
    """Full-width letters and digits made half-width, upper case, without spaces and signs; empty becomes null."""
    plain = pc.utf8_upper(pc.utf8_normalize(values, form="NFKC"))
    plain = pc.replace_substring_regex(plain, _NO_SIGNS, "")
    return pc.if_else(pc.equal(pc.utf8_length(plain), 0), pa.scalar(None, pa.string()), plain)


def sounds(values: pa.Array) -> Hashes:
    """How each text is said, without tones: texts that sound alike are equal numbers."""
    return _said(values)[0]


def _said(values: pa.Array) -> tuple[Hashes, Hashes]:
    """How each text is said, and its letters whatever their order (0 for less than three: too many share them)."""
    texts = pc.fill_null(values, "")
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    letters = np.frombuffer("".join(texts.to_pylist()).encode("utf-32-le"), dtype=np.uint32)
    said, where = np.unique(letters, return_inverse=True)
    syllables = np.array([_syllable(chr(letter)) for letter in said.tolist()], dtype=np.uint64)
    value = syllables[where] if len(letters) else np.zeros(0, dtype=np.uint64)
    mixed = scattered(letters.astype(np.uint64))
    ends = np.cumsum(lengths)
    starts = ends - lengths
    place = np.arange(len(letters)) - np.repeat(starts, lengths)
    powers = _powers(int(lengths.max(initial=0)) + 1)
    with np.errstate(over="ignore"):
        sums = np.concatenate([[np.uint64(0)], np.cumsum(value * powers[place], dtype=np.uint64)])
        total = sums[ends] - sums[starts]
        plain = np.concatenate([[np.uint64(0)], np.cumsum(mixed, dtype=np.uint64)])
        heap = plain[ends] - plain[starts]
    sound: Hashes = np.where(lengths > 0, total | np.uint64(1), np.uint64(0)).view(np.int64)
    unordered: Hashes = np.where(lengths > 2, heap | np.uint64(1), np.uint64(0)).view(np.int64)
    return sound, unordered


@lru_cache(maxsize=40_000)
def _syllable(letter: str) -> int:
    """A number for how a character is said; characters said alike have the same."""
    from pypinyin import lazy_pinyin  # its dictionary takes half a second: not at every start

    said = lazy_pinyin(letter)[0] if "\u3400" <= letter <= "\u9fff" else letter
    return int(hashes([said], "said")[0]) & 0xFFFFFFFFFFFFFFFF


@cache
def _powers(length: int) -> npt.NDArray[np.uint64]:
    powers = np.ones(length, dtype=np.uint64)
    with np.errstate(over="ignore"):
        np.multiply.accumulate(np.concatenate([[1], np.full(length - 1, 0x100000001B3)]).astype(np.uint64), out=powers)
    return powers


def _halves(stem: pa.Array, length: npt.NDArray[np.int64]) -> tuple[Hashes, Hashes]:
    """The first and the last half of each stem of four characters and more."""
    head = np.zeros(len(stem), dtype=np.int64)
    tail = np.zeros(len(stem), dtype=np.int64)
    for count in np.unique(length[length >= 4]).tolist():
        which = np.flatnonzero(length == count)
        some = stem.take(pa.array(which))
        head[which] = hashes(pc.utf8_slice_codeunits(some, 0, (count + 1) // 2), "head")
        tail[which] = hashes(pc.utf8_slice_codeunits(some, count // 2), "tail")
    return head, tail


# ── codes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def codes(values: pa.Array) -> pa.Array:
    """Codes, plates, device numbers: half-width, upper case, without spaces and signs; empty becomes null."""
    return tidy(values)


def credit_codes(values: pa.Array) -> pa.Array:
    """Of tidied texts what was meant as a unified social credit code: it has no I, O, S, Z, which were 1, 0, 5, 2."""
    code = pc.fill_null(pc.match_substring_regex(values, "^[0-9A-Z]{18}$"), False)
    plain = values
    for wrong, right in ("I1", "O0", "S5", "Z2"):
        plain = pc.replace_substring(plain, wrong, right)
    return pc.if_else(code, plain, values)


def valid_codes(values: pa.Array) -> pa.Array:
    """Of tidied texts those that are unified social credit codes with a right check character (GB 32100); else null.

    What somebody typed to fill the field (all noughts pass the check) is none.
    """
    digits, which = _digits(values)
    body = digits[:, 8:17]
    good = np.zeros(len(values), dtype=bool)
    good[which] = (
        ((digits[:, :17] @ _CODE_WEIGHTS + digits[:, 17]) % 31 == 0)
        & (digits[:, 2:8] < 10).all(axis=1)
        & (body != body[:, :1]).any(axis=1)
    )
    return pc.if_else(pa.array(good), values, pa.scalar(None, pa.string()))


def packed_codes(values: pa.Array) -> tuple[Hashes, Hashes]:
    """Both halves of each text of 18 letters that a code may have, five bits a letter; 0 and 0 for others."""
    digits, which = _digits(values)
    high, low = np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=np.int64)
    high[which], low[which] = _packed(digits)
    return high, low


def repaired_codes(high: Hashes, low: Hashes) -> tuple[npt.NDArray[np.int64], Hashes, Hashes]:
    """The right codes that packed codes with a wrong check character may have been before one slip of the hand.

    One letter for another, or two neighbours swapped: ``(position of the wrong code, high, low)`` of each. At every place
    exactly one other letter makes the check right, so that these are some twenty a code.
    """
    shifts = np.arange(8, -1, -1) * 5
    halves = ((high[:, None] >> shifts & 31), (low[:, None] >> shifts & 31))
    digits = np.concatenate(halves, axis=1)
    weights = np.append(_CODE_WEIGHTS, 1)
    rest = digits @ weights % 31
    inverse = np.array([pow(int(weight), -1, 31) for weight in weights], dtype=np.int64)
    wrong = np.flatnonzero((rest != 0) & (high != 0))
    found, whose = [], []
    for place in range(18):
        other = digits[wrong].copy()
        other[:, place] = (other[:, place] - rest[wrong] * inverse[place]) % 31
        found.append(other)
        whose.append(wrong)
    for place in range(17):
        one, next = digits[wrong, place], digits[wrong, place + 1]
        mended = ((next - one) * (weights[place] - weights[place + 1]) + rest[wrong]) % 31 == 0
        other = digits[wrong[mended]].copy()
        other[:, [place, place + 1]] = other[:, [place + 1, place]]
        found.append(other)
        whose.append(wrong[mended])
    return np.concatenate(whose), *_packed(np.concatenate(found))


def _digits(values: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The letters of codes as numbers from 0 to 30, one row for each text that has 18 of them, and which texts these are."""
    right = pc.fill_null(pc.match_substring_regex(values, f"^[{_CODE_LETTERS}]{{18}}$"), False)
    which = np.flatnonzero(right.to_numpy(zero_copy_only=False))
    letters = "".join(values.take(pa.array(which)).to_pylist()).encode("ascii")
    table = np.zeros(256, dtype=np.int64)
    table[np.frombuffer(_CODE_LETTERS.encode(), dtype=np.uint8)] = np.arange(31)
    return table[np.frombuffer(letters, dtype=np.uint8)].reshape(-1, 18), which


def _packed(digits: npt.NDArray[np.int64]) -> tuple[Hashes, Hashes]:
    shifts = np.arange(8, -1, -1) * 5
    high: Hashes = (digits[:, :9] << shifts).sum(axis=1)
    low: Hashes = (digits[:, 9:] << shifts).sum(axis=1)
    return high, low


def registration(values: pa.Array) -> pa.Array:
    """Of tidied texts those that are 15-digit registration numbers of the time before the unified code; else null."""
    right = pc.fill_null(pc.match_substring_regex(values, "^[0-9]{15}$"), False)
    return pc.if_else(right, values, pa.scalar(None, pa.string()))


def _columnwise(function: Callable[[pa.Array], tuple[pa.Array, ...]], values: pa.Array) -> tuple[pa.Array, ...]:
    """What ``function`` makes of a column; of a long one piece by piece, on two cores."""
    if len(values) <= _PIECE:
        return function(values)
    pieces = [values.slice(start, _PIECE) for start in range(0, len(values), _PIECE)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(function, pieces))
    return tuple(pa.concat_arrays(list(column)) for column in zip(*found, strict=True))


def _distinct(values: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """The distinct values (null among them) and for each value which of them it is."""
    encoded = values.dictionary_encode(null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.dictionary.cast(pa.string()), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _plain(written: str) -> str:
    return cast("str", tidy(pa.array([re.sub(r"[(（].*$", "", written)], pa.string()))[0].as_py() or "")


def _without(name: str, endings: Sequence[str]) -> str:
    for ending in sorted(endings, key=len, reverse=True):
        if name.endswith(ending) and len(name) - len(ending) >= 2:
            return name.removesuffix(ending)
    return name
