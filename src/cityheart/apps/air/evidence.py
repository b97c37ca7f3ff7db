"""What a heavy-pollution finding shows: series with forecast and thresholds, the stations' rows, reasons in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from cityheart.apps.air import aqi, forecast, levels, series
from cityheart.apps.air.stations import stations
from cityheart.sdk import Text, text

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Point = list[object]

RECENT_HOURS = 60
"""Hours shown before a finding."""

LEVEL_NAMES: Mapping[int, Text] = {
    0: text("无预警", "no warning"),
    1: text("红色预警", "red warning"),
    2: text("橙色预警", "orange warning"),
    3: text("黄色预警", "yellow warning"),
    4: text("蓝色预警", "blue warning"),
}


@dataclass(frozen=True)
class Issued:
    """Row ``row`` of a forecast; ``learnt`` tells a learnt model from persistence."""

    forecast: forecast.Forecast
    row: int
    learnt: bool


@dataclass(frozen=True)
class Facts:
    """All that was known at the hour of index ``at``; ``day`` is its local day, ``daily`` the days ended before."""

    hours: Whole
    at: int
    cube: Array
    derived: series.Derived
    known_at: datetime
    daily: Array
    day: int
    run: levels.Run
    rule: levels.Rule
    issued: Issued


def _instant(hour: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(value: float, digits: int = 0) -> float | int | None:
    if np.isnan(value):
        return None
    return round(float(value), digits) if digits else round(float(value))


def _line(name: Text, points: list[Point], style: str) -> dict[str, object]:
    return {"name": name, "points": points, "style": style}


def _past(facts: Facts, values: Array, digits: int) -> list[Point]:
    begin = max(facts.at - RECENT_HOURS + 1, 0)
    return [[_instant(int(facts.hours[i])), _number(values[i], digits)] for i in range(begin, facts.at + 1)]


def index_series(facts: Facts) -> dict[str, object]:
    """The city's moving 24-hour AQI, the daily values of the days before, the forecast with its band."""

    def noon(day: int) -> str:
        return _instant(day * 24 - series.UTC_OFFSET_HOURS + 12)

    past: list[Point] = [[noon(facts.day - back), _number(facts.daily[-back])] for back in range(7, 0, -1)]
    lines = [
        _line(text("24 小时滑动 AQI", "Moving 24-hour AQI"), _past(facts, facts.derived.city_24h, 0), "observed"),
        _line(text("日 AQI", "Daily AQI"), past, "observed"),
    ]
    names = {
        "value": (text("日 AQI 预报", "Daily AQI, forecast"), "forecast"),
        "low": (text("预报下限(80%)", "Forecast, low (80 %)"), "band_low"),
        "high": (text("预报上限(80%)", "Forecast, high (80 %)"), "band_high"),
    }
    for field, (name, style) in names.items():
        values = getattr(facts.issued.forecast, field)[facts.issued.row]
        points: list[Point] = [[noon(facts.day + lead), _number(values[lead])] for lead in range(forecast.LEADS)]
        if any(point[1] is not None for point in points):
            lines.append(_line(name, points, style))
    return {
        "type": "series",
        "title": text("全市空气质量指数", "Air quality index of the city"),
        "unit": "AQI",
        "series": lines,
        "thresholds": [
            {"name": text("重度污染", "Heavily polluted"), "value": 200},
            {"name": text("严重污染", "Severely polluted"), "value": 300},
        ],
    }


def particulate_series(facts: Facts) -> dict[str, object]:
    """Hourly PM2.5, mean over the stations."""
    hourly = _past(facts, facts.derived.series[:, 0], 1)
    return {
        "type": "series",
        "title": text("全市 PM2.5 小时浓度", "Hourly PM2.5 of the city"),
        "unit": "µg/m³",
        "series": [_line(text("站点平均", "Mean of the stations"), hourly, "observed")],
        "thresholds": [{"name": text("24 小时重度污染限值", "24-hour limit of heavy pollution"), "value": 150}],
    }


def station_rows(facts: Facts) -> dict[str, object]:
    """The stations' readings of the hour, concentrations in µg/m³ (CO mg/m³), wind in m/s."""
    columns = ["station", *aqi.POLLUTANTS, "wspm", "dewp"]
    places = [series.VARIABLES.index(name) for name in columns[1:]]
    values = facts.cube[facts.at][:, places]
    return {
        "type": "rows",
        "title": text("各站本小时读数", "Readings of the stations at this hour"),
        "dataset": "air_hourly",
        "source": "ecology.air",
        "known_at": facts.known_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "columns": columns,
        "rows": [
            [station.code, *(_number(value, 1) for value in row)]
            for station, row in zip(stations(), values, strict=True)
        ],
    }


def reasons(facts: Facts, level: int) -> tuple[Text, ...]:
    """Why the level is what it is, with the numbers, in both languages."""
    chances, values = facts.issued.forecast.heavy[facts.issued.row], facts.issued.forecast.value[facts.issued.row]
    hour = int(series.local_hour(facts.hours[facts.at : facts.at + 1])[0]) + 1
    today = date(1970, 1, 1) + timedelta(days=facts.day)
    lines = [_conclusion(facts, level)]
    if facts.run.past:
        shown = "、".join(f"{value:.0f}" for value in facts.daily[-facts.run.past :])
        lines.append(
            text(
                f"截至昨日已连续 {facts.run.past} 天日 AQI 大于 200:{shown}。",
                f"Daily AQI above 200 on {facts.run.past} day(s) up to yesterday: {shown.replace('、', ', ')}.",
            )
        )
    so_far, moving = facts.derived.so_far[facts.at], facts.derived.city_24h[facts.at]
    lines.append(
        text(
            f"{today:%Y-%m-%d} {hour} 时:今日截至目前 AQI {_shown(so_far)},24 小时滑动 AQI {_shown(moving)}。",
            f"{today:%Y-%m-%d} {hour}:00: AQI of today so far {_shown(so_far)}, moving 24-hour AQI {_shown(moving)}.",
        )
    )
    if not facts.issued.learnt:
        lines.append(
            text(
                "历史不足,预报暂用持续性(以当前值为预报)。",
                "Too little history: the forecast is persistence, the present value.",
            )
        )
        return tuple(lines)
    counted = [lead for lead, threshold in enumerate(facts.rule.heavy_probability) if threshold <= 1.0]
    for lead in counted:
        chance, threshold = 100.0 * chances[lead], 100.0 * facts.rule.heavy_probability[lead]
        words = (text("今日", "Today"), text("明日", "Tomorrow"), text("后日", "In two days"))[min(lead, 2)]
        lines.append(
            text(
                f"{words['zh-CN']}预报 AQI {_shown(values[lead])},重污染概率 {chance:.0f}%(判据 {threshold:.0f}%)。",
                f"{words['en']}: forecast AQI {_shown(values[lead])}, "
                f"heavy pollution {chance:.0f} % likely (counts above {threshold:.0f} %).",
            )
        )
    return tuple(lines)


def _shown(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:.0f}"


def _conclusion(facts: Facts, level: int) -> Text:
    name = LEVEL_NAMES[level]
    if not level:
        return text(
            f"24 小时滑动 AQI 不高于 200,且连续 {facts.rule.end_hours} 小时未再预计出现重污染日,预警解除。",
            f"The moving 24-hour AQI is not above 200 and for {facts.rule.end_hours} hours no heavily polluted day "
            "has been expected: the warning ends.",
        )
    if facts.rule.level(facts.run.days) != level:
        return text(
            f"形势缓解:按判据预计重污染 {facts.run.days} 天,按保留判据与 24 小时滑动 AQI 降为{name['zh-CN']}。",
            f"Easing: {facts.run.days} heavily polluted day(s) expected; by the lowered thresholds and the moving "
            f"24-hour AQI it falls to a {name['en']}.",
        )
    return text(
        f"预计连续重污染(日 AQI 大于 200){facts.run.days} 天,{name['zh-CN']}(规则 {facts.rule.id})。",
        f"{facts.run.days} heavily polluted day(s) in a row expected (daily AQI above 200): "
        f"{name['en']} (rule {facts.rule.id}).",
    )
