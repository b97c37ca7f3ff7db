"""The application's panels: the city's recent days with the forecast, and how good the forecast was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

from cityheart.apps.air import evaluate, forecast, levels
from cityheart.sdk import Reader, Text, text

RECENT = timedelta(days=7)
CHECKED = timedelta(days=90)
CHECKED_HOUR = 19


def city(read: Reader, now: datetime) -> Mapping[str, object]:
    """Moving 24-hour AQI of the last seven days and the newest forecast with its 80 % band, as a series."""
    rows = read.query("SELECT * FROM air_city ORDER BY observed_at", window=RECENT)
    observed = [
        [_instant(row["observed_at"]), row["aqi_24h"]] for row in rows.select(["observed_at", "aqi_24h"]).to_pylist()
    ]
    lines = [_line(text("24 小时滑动 AQI", "Moving 24-hour AQI"), observed, "observed")]
    if rows.num_rows:
        newest = rows.slice(rows.num_rows - 1).to_pylist()[0]
        local = newest["observed_at"].astimezone(UTC) + evaluate.LOCAL
        noon = datetime(local.year, local.month, local.day, 12, tzinfo=UTC) - evaluate.LOCAL
        for prefix, style, name in (
            ("aqi", "forecast", text("日 AQI 预报", "Daily AQI, forecast")),
            ("low", "band_low", text("预报下限(80%)", "Forecast, low (80 %)")),
            ("high", "band_high", text("预报上限(80%)", "Forecast, high (80 %)")),
        ):
            points = [
                [_instant(noon + timedelta(days=lead)), newest[f"{prefix}_d{lead}"]] for lead in range(forecast.LEADS)
            ]
            if any(value is not None for _, value in points):
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


def city_page(read: Reader, now: datetime, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """The same series on the page of the air."""
    return city(read, now)


def observations(read: Reader, now: datetime, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """What officers recorded on the page, newest first, as a table."""
    rows = []
    for one in read.records("air.now/observation"):
        values, by = cast("Mapping[str, object]", one["values"]), cast("Mapping[str, object]", one["by"])
        rows.append([one["at"], values["what"], values.get("visibility_km"), by["name"]])
    return {
        "type": "table",
        "columns": [
            {"name": "at", "title": text("时间", "Time"), "kind": "time"},
            {"name": "what", "title": text("看到了什么", "What was seen")},
            {"name": "visibility", "title": text("能见度", "Visibility"), "unit": "km"},
            {"name": "by", "title": text("填报人", "By")},
        ],
        "rows": rows,
    }


def skill(read: Reader, now: datetime) -> Mapping[str, object]:
    """Errors and hits of the forecasts issued at 20:00 in the last ninety days, beside persistence, as a table."""
    rows = read.query("SELECT * FROM air_city ORDER BY observed_at", window=CHECKED)
    today = (now.astimezone(UTC) + evaluate.LOCAL).date()
    rule = levels.rule(today)
    judged = evaluate.skill(rows, rule.heavy_probability, today - CHECKED, today, CHECKED_HOUR)
    return {
        "type": "table",
        "columns": [
            {"name": "lead", "title": text("提前", "Lead"), "unit": "d"},
            {"name": "days", "title": text("天数", "Days")},
            {"name": "error", "title": text("平均误差", "Mean error"), "unit": "AQI"},
            {"name": "persistence", "title": text("持续性误差", "Error of persistence"), "unit": "AQI"},
            {"name": "hits", "title": text("重污染命中", "Heavy days hit")},
            {"name": "false_alarms", "title": text("空报", "False alarms")},
            {"name": "misses", "title": text("漏报", "Missed")},
        ],
        "rows": [
            [one.lead, one.days, one.error, one.error_persistence, one.hits, one.false_alarms, one.misses]
            for one in judged
        ],
        "note": text(
            "每日 20 时起报,与“明天和现在一样”的持续性预报比较。第 3 日起预报重污染不可靠,不据此预警。",
            "Issued daily at 20:00, beside persistence (“tomorrow like now”). From day 3 on heavy pollution cannot be "
            "told reliably: no warning rests on it.",
        ),
    }


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _line(name: Text, points: list[list[object]], style: str) -> dict[str, object]:
    return {"name": name, "points": points, "style": style}
