"""The report of a period as one printable HTML page: no script, nothing from elsewhere, every word escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from cityheart.account.models import LESS_IS_BETTER, RATE_TITLES
from cityheart.kernel.text import Text, text

__all__ = ["page"]

Language = Literal["zh-CN", "en"]
_TEMPLATE = Path(__file__).parent / "page.html"

_WORDS: Mapping[str, Text] = {
    "title": text("行政问效报告", "Report on the handling of tasks"),
    "period": text("期间", "Period"),
    "before": text("上一期", "The period before"),
    "headline": text("总体情况", "At a glance"),
    "rate": text("指标", "Rate"),
    "value": text("本期", "This period"),
    "was": text("上期", "Before"),
    "change": text("变化（百分点）", "Change (points)"),
    "moved": text("变化最大的部门", "Departments that moved most"),
    "better": text("上升", "Better"),
    "worse": text("下降", "Worse"),
    "tasks": text("有关任务", "Tasks behind it"),
    "departments": text("各部门得分", "Scores of departments"),
    "department": text("部门", "Department"),
    "score": text("得分", "Score"),
    "rank": text("名次", "Rank"),
    "n": text("应处置", "Tasks"),
    "held": text("计入时长", "Time charged"),
    "unappealed": text("申诉更正前", "Before appeals"),
    "dispatchers": text("派遣准确率", "Dispatch accuracy"),
    "dispatcher": text("派遣人", "Dispatcher"),
    "supply": text("数据供给", "Supply of data"),
    "appeals": text("申诉", "Appeals"),
    "filed": text("提出", "filed"),
    "upheld": text("成立", "upheld"),
    "dismissed": text("不成立", "dismissed"),
    "open": text("待决定", "open"),
    "flags": text("值得核查的情形（仅为线索，不计分）", "Worth a look (leads only, they change no score)"),
    "caveats": text("阅读提示", "How to read this"),
    "formula": text("计分规则", "Formula"),
    "since": text("自{day}起施行", "in force from {day}"),
    "nothing": text("无", "none"),
    "hours": text("{hours} 小时", "{hours} h"),
}


def page(report: Mapping[str, object], city: Text, zone: ZoneInfo, language: Language) -> str:
    """The report, as :func:`cityheart.account.report.report` gives it, for printing; times are the city's."""
    return _Page(cast("Mapping[str, Any]", report), zone, language).whole(city)


class _Page:
    def __init__(self, report: Mapping[str, Any], zone: ZoneInfo, language: Language) -> None:
        self._report, self._zone, self._language = report, zone, language

    def whole(self, city: Text) -> str:
        report = self._report
        return Template(_TEMPLATE.read_text("utf-8")).substitute(
            language=self._language,
            title=escape(f"{city[self._language]} · {_WORDS['title'][self._language]}"),
            period=f"{self._word('period')} {self._span(report)} · {self._word('before')} {self._span(report['before'])}",
            body="\n".join(
                self._section(name, content)
                for name, content in (
                    ("headline", self._headline()),
                    ("moved", self._moved()),
                    ("departments", self._departments()),
                    ("dispatchers", self._dispatchers()),
                    ("supply", self._supply()),
                    ("appeals", self._appeals()),
                    ("flags", self._flags()),
                    ("caveats", self._list(self._say(each) for each in report["caveats"])),
                    ("formula", self._formula()),
                )
            ),
        )

    # ── pieces; each gives HTML, what comes from outside is escaped here ────────────────────────────────────────

    def _say(self, words: Mapping[str, str]) -> str:
        return escape(words[self._language])

    def _word(self, name: str) -> str:
        return self._say(_WORDS[name])

    def _at(self, moment: datetime) -> str:
        return moment.astimezone(self._zone).strftime("%Y-%m-%d %H:%M")

    def _span(self, period: Mapping[str, Any]) -> str:
        return f"{self._at(period['from'])} – {self._at(period['to'])}"

    def _section(self, name: str, content: str) -> str:
        return f"<section><h2>{self._word(name)}</h2>\n{content or '<p>' + self._word('nothing') + '</p>'}</section>"

    def _table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        if not rows:
            return ""
        head = "".join(f"<th scope='col'>{one}</th>" for one in heads)
        body = "\n".join(
            f"<tr><th scope='row'>{row[0]}</th>" + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
            for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"

    def _list(self, items: Any) -> str:
        found = "".join(f"<li>{each}</li>" for each in items)
        return f"<ul>{found}</ul>" if found else ""

    @staticmethod
    def _share(rate: Mapping[str, Any]) -> str:
        if rate["rate"] is None:
            return "–"
        return f"{rate['rate'] * 100:.1f} % <small>{rate['num']:,}/{rate['den']:,}</small>"

    def _headline(self) -> str:
        rows = []
        for one in self._report["headline"]:
            change = one["change"]
            sign = "" if not change else "good" if (change > 0) != one["less_is_better"] else "bad"
            shown = "–" if change is None else f"<span class='{sign}'>{change * 100:{'+' if change else ''}.1f}</span>"
            rows.append((self._say(one["title"]), self._share(one), self._share(one["before"]), shown))
        return self._table([self._word(name) for name in ("rate", "value", "was", "change")], rows)

    def _moved(self) -> str:
        parts = []
        for way, found in (("better", self._report["best"]), ("worse", self._report["worst"])):
            items = [
                f"{self._say(each['title'])}: {each['change'] * 100:+.1f} "
                f"({self._share(each['before'])} → {self._share(each['on_time'])})"
                + self._list(
                    f"{self._say(task['step_title'])} <small>{escape(task['task'])} · {self._at(task['dispatched_at'])}</small>"
                    for task in each["tasks"]
                )
                for each in found
            ]
            if items:
                parts.append(f"<h3>{self._word(way)}</h3>{self._list(items)}")
        return "".join(parts)

    def _departments(self) -> str:
        terms = [term["rate"] for term in self._report["formula"]["terms"]]
        heads = [self._word("department"), self._word("score"), self._word("rank"), self._word("n")]
        heads += [self._say(RATE_TITLES[rate]) + (" ↓" if rate in LESS_IS_BETTER else "") for rate in terms]
        rows = []
        for each in self._report["departments"]:
            was = each["score_before_appeals"]
            score = "–" if each["score"] is None else f"{each['score']:.1f}"
            if was is not None:
                score += f" <small>{self._word('unappealed')} {was:.1f}</small>"
            hours = _WORDS["hours"][self._language].format(hours=f"{each['custody_seconds'] / 3600:,.1f}")
            cells = [self._say(each["title"]), score, str(each["rank"] or "–"), f"{each['n']:,}"]
            rows.append([*cells, *(self._share(each["rates"][rate]) for rate in terms), escape(hours)])
        return self._table([*heads, self._word("held")], rows)

    def _dispatchers(self) -> str:
        rows = [(escape(each["dispatcher"]), self._share(each["accuracy"])) for each in self._report["dispatchers"]]
        return self._table([self._word("dispatcher"), self._word("dispatchers")], rows)

    def _supply(self) -> str:
        found = self._report["supply"]["departments"]
        rates = list(found[0]["rates"]) if found else []
        heads = [self._word("department"), self._word("score"), *(self._say(RATE_TITLES[rate]) for rate in rates)]
        rows = [
            [
                self._say(each["title"]),
                "–" if each["score"] is None else f"{each['score']:.1f}",
                *(self._share(each["rates"][rate]) for rate in rates),
            ]
            for each in found
        ]
        return self._table(heads, rows)

    def _appeals(self) -> str:
        appeals = self._report["appeals"]
        told = " · ".join(f"{self._word(name)} {appeals[name]}" for name in ("filed", "upheld", "dismissed", "open"))
        items = (
            f"{self._say(each['department_title'])} · {self._say(each['rate_title'])} · {self._word(each['state'])}: "
            f"{escape(each['reason'])}"
            for each in appeals["items"]
        )
        return f"<p>{told}</p>{self._list(items)}"

    def _flags(self) -> str:
        return self._list(
            f"{self._say(each['department_title'])} · {self._say(each['title'])}: {self._say(each['words'])}"
            f"<br><small>{escape(', '.join(each['tasks'][:5]))}</small>"
            for each in self._report["flags"]
        )

    def _formula(self) -> str:
        found = []
        for formula in (self._report["formula"], self._report["supply"]["formula"]):
            since = _WORDS["since"][self._language].format(day=formula["valid_from"])
            found.append(
                f"{self._say(formula['title'])} ({escape(formula['id'])} {escape(formula['version'])}, {escape(since)})"
                f"<br><small>{self._say(formula['source'])}</small>"
            )
        return self._list(found)
