"""How the values of a column come about: a verb for each way, with words after it as ``systems.toml`` writes them.

Numbers, days and moments are floats (moments in minutes of the span, NaN is none), texts are objects. Every column draws
from a chance of its own; a unit keeps its size, a category its level, and a day its weather in all of them.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..chance import Floats
from ..places import APP_DATA, gcj02
from ..times import DAY
from .declared import Column
from .frame import Frame, Texts

__all__ = ["Values", "values"]

Values = dict[str, NDArray[np.generic]]
"""The columns of a system's rows by name."""

_YEAR = 365.25


def values(frame: Frame) -> Values:
    """Every column of the frame's system."""
    made: Values = {}
    for column in frame.system.columns:
        made[column.name] = _VERBS[column.verb](frame, column, made)
    return made


# ── what a row is about ────────────────────────────────────────────────────────────────────────────────────────────


def _station(frame: Frame, column: Column, made: Values) -> Texts:
    first = frame.ground.at(frame.place, np.full(len(frame), float(frame.span.first)))
    per_area = int(frame.system.grain[1])
    codes = [area.code for area in frame.ground.areas]
    prefix = column.args[0]
    return _texts(
        f"{prefix}{codes[a]}{u % per_area + 1:02d}" for a, u in zip(first.tolist(), frame.unit.tolist(), strict=True)
    )


def _code(frame: Frame, column: Column, made: Values) -> Texts:
    codes = np.array([area.code for area in frame.ground.areas], dtype=object)
    return np.asarray(codes[frame.area], dtype=object)


def _area(frame: Frame, column: Column, made: Values) -> Texts:
    names = np.array([area.name for area in frame.ground.areas], dtype=object)
    return np.asarray(names[frame.area], dtype=object)


def _lon(frame: Frame, column: Column, made: Values) -> Floats:
    return _position(frame)[0]


def _lat(frame: Frame, column: Column, made: Values) -> Floats:
    return _position(frame)[1]


def _position(frame: Frame) -> tuple[Floats, Floats]:
    lon, lat = frame.ground.lon[frame.place], frame.ground.lat[frame.place]
    if frame.system.datum == "GCJ-02":
        lon, lat = gcj02(lon, lat)
    return np.round(lon, 6), np.round(lat, 6)


def _time(frame: Frame, column: Column, made: Values) -> Floats:
    return np.asarray(np.round(frame.minute * 60) / 60, dtype=np.float64)


def _day(frame: Frame, column: Column, made: Values) -> Floats:
    return np.asarray(frame.day * float(DAY), dtype=np.float64)


def _month(frame: Frame, column: Column, made: Values) -> Texts:
    return _texts(f"{frame.span.day(minute):%Y-%m}" for minute in frame.minute.tolist())


def _category(frame: Frame, column: Column, made: Values) -> Texts:
    assert frame.category is not None, f"{frame.system.source} has no categories"
    return frame.category


def _updated(frame: Frame, column: Column, made: Values) -> Floats:
    return np.full(len(frame), np.nan)  # filled in when it is known which version of a row this is


# ── quantities ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _level(frame: Frame, column: Column, made: Values) -> Floats:
    """``level BASE NOISE [day=AMPLITUDE@HOUR] [season=AMPLITUDE@MONTH] [week=FACTOR] [dec=] [low=] [high=]``."""
    base, noise = (float(word) for word in column.args[:2])
    rng = frame.rng(column.name)
    found = np.full(len(frame), base) * _of_category(frame, column, 0.45)
    found = np.where(frame.off, found * column.number("week", 1.0), found)
    found += _wave(column.options.get("day"), frame.hour, 24.0) + _season(frame, column.options.get("season"), 1.0)
    if frame.units:
        found += rng.normal(0, 1.5 * noise, frame.units)[frame.unit]
    days = frame.rng(column.name, "weather").normal(0, 2 * noise, frame.span.whole + 40)
    found += np.interp(frame.minute / DAY + 32, np.arange(len(days)), days) + rng.normal(0, noise, len(frame))
    return _bounded(found, column)


def _count(frame: Frame, column: Column, made: Values) -> Floats:
    """``count MEAN [per=100k] [day=SHARE@HOUR] [season=SHARE@MONTH] [week=FACTOR] [low=]``: Poisson."""
    mean = np.full(len(frame), float(column.args[0])) * _of_category(frame, column, 0.35)
    if "per" in column.options:
        mean *= frame.people
    rng = frame.rng(column.name)
    if frame.units:
        mean *= rng.lognormal(-0.06, 0.35, frame.units)[frame.unit]
    mean *= 1 + _wave(column.options.get("day"), frame.hour, 24.0) + _season(frame, column.options.get("season"), 1.0)
    mean = np.where(frame.off, mean * column.number("week", 1.0), mean)
    return np.maximum(rng.poisson(np.maximum(mean, 0)), column.number("low", 0)).astype(np.float64)


def _share(frame: Frame, column: Column, made: Values) -> Floats:
    """``share COLUMN PART``: how many of them."""
    return _part(frame, column, np.asarray(made[column.args[0]], np.float64), float(column.args[1]))


def _rest(frame: Frame, column: Column, made: Values) -> Floats:
    """``rest COLUMN OTHER PART``: how many of those that the other column lacks."""
    left = np.asarray(made[column.args[0]], np.float64) - np.asarray(made[column.args[1]], np.float64)
    return _part(frame, column, left, float(column.args[2]))


def _part(frame: Frame, column: Column, whole: Floats, part: float) -> Floats:
    drawn = frame.rng(column.name).binomial(np.maximum(whole, 0).astype(np.int64), part)
    return np.asarray(drawn, dtype=np.float64)


def _times(frame: Frame, column: Column, made: Values) -> Floats:
    """``times COLUMN UNIT SPREAD``: a sum that goes with a count."""
    other = np.asarray(made[column.args[0]], np.float64)
    unit, spread = (float(word) for word in column.args[1:])
    found = other * unit * frame.rng(column.name).lognormal(-spread * spread / 2, spread, len(frame))
    return np.round(found) if column.kind == "i" else np.round(found, 2)


def _money(frame: Frame, column: Column, made: Values) -> Floats:
    """``money MEAN``: very different from one to the next, of a unit much the same every time."""
    mean, rng = float(column.args[0]), frame.rng(column.name)
    if frame.units:
        found = mean * rng.lognormal(-0.3, 0.8, frame.units)[frame.unit] * rng.lognormal(0, 0.06, len(frame))
    else:
        found = mean * rng.lognormal(-0.4, 0.9, len(frame))
    return np.round(found, 2)


def _size(frame: Frame, column: Column, made: Values) -> Floats:
    """``size MEAN``: of a unit, the same every time."""
    sizes = np.round(float(column.args[0]) * frame.rng(column.name).lognormal(-0.1, 0.4, frame.units))
    return np.asarray(sizes[frame.unit], dtype=np.float64)


def _rain(frame: Frame, column: Column, made: Values) -> Floats:
    """``rain PART MEAN``: wet in that part of the hours, the same hours everywhere."""
    part, mean = (float(word) for word in column.args)
    hours = frame.rng("sky").random((frame.span.whole + 1) * 24)
    wet = hours[np.maximum(frame.minute // 60, 0).astype(np.int64)] < part
    fallen = np.round(frame.rng(column.name).exponential(mean, len(frame)), 1)
    return np.asarray(np.where(wet, fallen, 0.0), dtype=np.float64)


def _turn(frame: Frame, column: Column, made: Values) -> Floats:
    """A direction in degrees that turns slowly."""
    days = np.cumsum(frame.rng("wind").normal(0, 55, frame.span.whole + 2)) + 130
    slow = np.interp(frame.minute / DAY, np.arange(len(days)), days)
    return np.floor(np.mod(slow + frame.rng(column.name).normal(0, 14, len(frame)), 360))


def _unit(frame: Frame, column: Column, made: Values) -> Texts:
    """``unit MEAN SPELLINGS``: a mass as text with its unit, as people write it."""
    units = column.args[1].split(",")
    rng = frame.rng(column.name)
    tonnes = float(column.args[0]) * rng.lognormal(-0.25, 0.7, len(frame)) * _of_category(frame, column, 0.6)
    chosen = rng.choice(len(units), len(frame), p=_weights(len(units)))
    return _texts(_written(value, units[k]) for value, k in zip(tonnes.tolist(), chosen.tolist(), strict=True))


def _written(tonnes: float, unit: str) -> str:
    return f"{tonnes * 1000:.0f}{unit}" if unit in ("千克", "公斤", "kg") else f"{tonnes:.2f}{unit}"


# ── choices, names, keys ───────────────────────────────────────────────────────────────────────────────────────────


def _pick(frame: Frame, column: Column, made: Values) -> NDArray[np.generic]:
    """``pick A=3 B=1``: one of them, in these proportions."""
    drawn = frame.rng(column.name).choice(len(column.options), len(frame), p=_proportions(column))
    return _chosen(column, drawn)


def _fixed(frame: Frame, column: Column, made: Values) -> NDArray[np.generic]:
    """``fixed A=3 B=1``: of a unit always the same."""
    drawn = frame.rng(column.name).choice(len(column.options), frame.units, p=_proportions(column))
    return _chosen(column, drawn[frame.unit])


def _proportions(column: Column) -> Floats:
    weights = np.array([float(each) for each in column.options.values()])
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _chosen(column: Column, drawn: NDArray[np.int64]) -> NDArray[np.generic]:
    names = list(column.options)
    if column.kind == "i":
        return np.array([float(name) for name in names])[drawn]
    return np.asarray(np.array(names, dtype=object)[drawn], dtype=object)


def _flag(frame: Frame, column: Column, made: Values) -> Floats:
    """``flag PART``: true for that part."""
    return (frame.rng(column.name).random(len(frame)) < float(column.args[0])).astype(np.float64)


def _id(frame: Frame, column: Column, made: Values) -> Texts:
    """``id PREFIX``: a number of a register, or of an event with its day."""
    prefix = column.args[0]
    if frame.system.grain[0] == "register":
        return _texts(f"{prefix}{number:06d}" for number in (100_000 + frame.unit * 7).tolist())
    days = frame.day
    first = np.searchsorted(days, days)
    number = np.arange(len(frame)) - first + 1
    return _texts(
        f"{prefix}{frame.span.day(minute):%Y%m%d}{n:05d}"
        for minute, n in zip(frame.minute.tolist(), number.tolist(), strict=True)
    )


def _key(frame: Frame, column: Column, made: Values) -> Texts:
    """A keyed hash of somebody who is nobody."""
    drawn = frame.rng(column.name).integers(0, 2**63, len(frame))
    return _texts(f"{each * 2:016x}" for each in drawn.tolist())


def _name(frame: Frame, column: Column, made: Values) -> Texts:
    """``name shop|unit|bureau|soe``: what a register calls somebody; some write full-width brackets and blanks."""
    words, rng = _words(), frame.rng(column.name)
    count = len(frame)
    kind = column.args[0]
    if kind == "bureau":
        names = np.array(_bureaus(), dtype=object)[rng.integers(0, len(_bureaus()), count)]
    elif kind == "soe":
        drawn = frame.unit if frame.units else rng.integers(0, 99, count)
        names = _texts(f"南通{words['enterprises'][n % 10]}集团第{n // 10 + 1}公司" for n in drawn.tolist())
    elif kind == "shop":
        drawn = rng.integers(0, 10_000, (count, 3))
        shops, kinds = words["shops"], words["shop_kinds"]
        names = _texts(f"{shops[a % len(shops)]}{kinds[b % len(kinds)]}({c % 90 + 1}店)" for a, b, c in drawn.tolist())
    else:
        drawn = rng.integers(0, 10_000, count)
        towns, units = _area(frame, column, made), words["units"]
        names = _texts(f"{town}{units[n % len(units)]}" for town, n in zip(towns.tolist(), drawn.tolist(), strict=True))
    sloppy = rng.random(count) < 0.03
    wide = str.maketrans("()0123456789", "（）０１２３４５６７８９")
    return _texts(
        f"{name.translate(wide)} " if odd else name for name, odd in zip(names.tolist(), sloppy.tolist(), strict=True)
    )


def _address(frame: Frame, column: Column, made: Values) -> Texts:
    rng, roads = frame.rng(column.name), _words()["roads"]
    drawn = rng.integers(0, 5_000, (len(frame), 2)).tolist()
    towns = _area(frame, column, made).tolist()
    return _texts(f"{town}{roads[a % len(roads)]}{b % 380 + 1}号" for town, (a, b) in zip(towns, drawn, strict=True))


# ── days and moments ───────────────────────────────────────────────────────────────────────────────────────────────


def _date(frame: Frame, column: Column, made: Values) -> Floats:
    """``date FROM TO``: a day so many days from the first."""
    low, high = (int(word) for word in column.args)
    days = frame.span.first // DAY + frame.rng(column.name).integers(low, high, len(frame))
    return np.asarray(days * float(DAY), dtype=np.float64)


def _plus(frame: Frame, column: Column, made: Values) -> Floats:
    """``plus COLUMN DAYS``: the day so many days later."""
    return (np.floor(np.asarray(made[column.args[0]], np.float64) / DAY) + int(column.args[1])) * DAY


def _after(frame: Frame, column: Column, made: Values) -> Floats:
    """``after COLUMN HOURS [PART]``: so many hours later in the mean, for that part of them; for the others never."""
    rng = frame.rng(column.name)
    hours = float(column.args[1]) * rng.lognormal(-0.32, 0.8, len(frame))
    part = float(column.args[2]) if len(column.args) > 2 else 1.0
    ends = np.asarray(made[column.args[0]], np.float64) + hours * 60
    return np.where(rng.random(len(frame)) < part, np.round(ends * 60) / 60, np.nan)


def _progress(frame: Frame, column: Column, made: Values) -> Texts:
    """``progress OPEN DONE COLUMN``: done where that moment is there."""
    there = ~np.isnan(np.asarray(made[column.args[2]], np.float64))
    return np.where(there, column.args[1], column.args[0]).astype(object)


# ── small change ───────────────────────────────────────────────────────────────────────────────────────────────────


def _of_category(frame: Frame, column: Column, spread: float) -> Floats:
    """How much each category has of it."""
    if frame.category is None:
        return np.ones(len(frame))
    names, at = np.unique(frame.category.astype(str), return_inverse=True)
    return np.asarray(frame.rng(column.name, "category").lognormal(0, spread, len(names))[at], dtype=np.float64)


def _wave(word: str | None, at: Floats, length: float) -> Floats:
    """``AMPLITUDE@PEAK`` over a cycle."""
    if word is None:
        return np.zeros(len(at))
    amplitude, _, peak = word.partition("@")
    return np.asarray(float(amplitude) * np.cos((at - float(peak)) / length * 2 * np.pi), dtype=np.float64)


def _season(frame: Frame, word: str | None, base: float) -> Floats:
    months = (frame.span.base.timetuple().tm_yday + frame.minute / DAY) / _YEAR * 12
    return base * _wave(word, months + 0.5, 12.0)


def _bounded(found: Floats, column: Column) -> Floats:
    found = np.clip(found, column.number("low", -np.inf), column.number("high", np.inf))
    decimals = int(column.number("dec", 2))
    return np.round(found) if column.kind == "i" else np.round(found, decimals)


def _weights(count: int) -> Floats:
    """The first spelling is the usual one."""
    weights = np.array([0.7, *([0.3 / (count - 1)] * (count - 1))]) if count > 1 else np.ones(1)
    return np.asarray(weights, dtype=np.float64)


def _texts(found: object) -> Texts:
    listed = list(found)  # type: ignore[call-overload]
    made = np.empty(len(listed), dtype=object)
    made[:] = listed
    return made


@cache
def _words() -> Mapping[str, list[str]]:
    return tomllib.loads(Path(__file__).with_name("wording.toml").read_text("utf-8"))


@cache
def _bureaus() -> tuple[str, ...]:
    with (APP_DATA / "departments.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(row["name"] for row in csv.DictReader(lines) if row["kind"] == "government")


_VERBS: Mapping[str, Callable[[Frame, Column, Values], NDArray[np.generic]]] = {
    "station": _station, "code": _code, "area": _area, "lon": _lon, "lat": _lat, "time": _time, "day": _day,
    "month": _month, "cat": _category, "updated": _updated, "level": _level, "count": _count, "share": _share,
    "rest": _rest, "times": _times, "money": _money, "size": _size, "rain": _rain, "turn": _turn, "unit": _unit,
    "pick": _pick, "fixed": _fixed, "flag": _flag, "id": _id, "key": _key, "name": _name, "address": _address,
    "date": _date, "plus": _plus, "after": _after, "progress": _progress,
}  # fmt: skip
