"""What happened while history was played, as one JSON file: the same play gives the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cityheart.account import api as account_api
from cityheart.city import City
from cityheart.command.models import Incident, Run, Task
from cityheart.kernel.actors import Actor
from cityheart.kernel.schema import canonical

__all__ = ["bound", "write_report"]

Responded = tuple[Incident, Run, list[Task]]
READER = Actor.system("report")
SECONDS = (10, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400)
MEBIBYTES = (256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768)
LAW = ("class", "level", "start_at", "area", "advice", "measures", "issuer", "issued_at")


def bound(value: float, steps: tuple[int, ...]) -> int:
    """The smallest step that ``value`` does not exceed."""
    return next((step for step in steps if value <= step), steps[-1])


def write_report(
    city: City, file: Path | None, *, since: datetime, until: datetime, seconds: float, memory: float
) -> dict[str, object]:
    """Gather the report of a play and write it to ``file``. ``seconds`` and ``memory`` (MiB) are as measured.

    In the file they stand as the step they stay within, so that the same play gives the same bytes on any run.
    """
    landed = city.share.landed_rows()
    sources = city.share.sources(READER)
    alerts = _alerts(city)
    runs = [
        (incident, run, tasks) for incident in _incidents(city) for run, tasks in city.command.runs(READER, incident.id)
    ]
    told: dict[str, object] = {
        "city": city.settings.name,
        "apps": [app.id for app in city.apps],
        "from": since,
        "to": until,
        "alerts": alerts,
        "runs": _runs(city, runs),
        "tasks": _tasks(runs),
        "scores": account_api.shown(city.account, city.account.scores(since, until)),
        "quarantine": city.share.quarantine_counts(READER),
        "judged": {
            app.id: app.judge(city.pages.reader(until), alerts, since, until)
            for app in city.apps
            if app.judge is not None
        },
        "figures": {
            "rows": sum(landed[source["dataset"]] for source in sources if source["dataset"] in landed),
            "seconds": bound(seconds, SECONDS),
            "memory": bound(memory, MEBIBYTES),
            "note": "rows landed from sources; seconds and memory (MiB) are upper bounds, each the next of "
            f"{SECONDS} and {MEBIBYTES}, so that equal plays give equal files",
        },
    }
    if file is not None:
        text = json.dumps(json.loads(canonical(told)), ensure_ascii=False, indent=1, sort_keys=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", "utf-8")
    return told


def _alerts(city: City) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    after: str | None = None
    while True:
        page: Mapping[str, Any] = city.watch.alerts(READER, state="all", limit=200, after=after)
        found += [_alert(city.watch.alert(READER, item["id"])) for item in page["items"]]
        after = page["next"]
        if after is None:
            return sorted(
                found, key=lambda alert: (str(alert["raised_at"]), str(alert["kind"]), canonical(alert["subject"]))
            )


def _alert(alert: Mapping[str, Any]) -> dict[str, object]:
    return {
        "kind": alert["kind"],
        "subject": alert["subject"],
        "state": alert["state"],
        "raised_at": alert["raised_at"],
        "ended_at": alert["ended_at"],
        "levels": [{"level": change["level"], "at": change["at"]} for change in alert["levels"] if change["level"]],
        "acknowledged_by": alert["acknowledged_by"],
        "law": {name: alert[name] for name in LAW},
    }


def _runs(city: City, runs: Sequence[Responded]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for incident, run, tasks in runs:
        plan = city.command.plan(run.plan)
        states = Counter(task.state for task in tasks)
        found.append(
            {
                "incident": incident.title,
                "incident_state": incident.state,
                "plan": {"id": plan.name, "version": plan.version, "digest": plan.digest},
                "state": run.state,
                "started_at": run.started_at,
                "closed_at": run.closed_at,
                "tasks": dict(sorted(states.items())),
            }
        )
    return sorted(found, key=lambda run: (str(run["started_at"]), canonical(run["plan"])))


def _incidents(city: City) -> list[Incident]:
    found: list[Incident] = []
    after: tuple[datetime, str] | None = None
    while True:
        page, total = city.command.incidents(READER, after=after)
        found += page
        if not page or len(found) >= total:
            return found
        after = (page[-1].opened_at, page[-1].id)


def _tasks(runs: Sequence[Responded]) -> dict[str, object]:
    states: Counter[str] = Counter()
    departments: dict[str, Counter[str]] = {}
    late: Counter[str] = Counter()
    for task in (task for _, _, tasks in runs for task in tasks):
        states[task.state] += 1
        departments.setdefault(task.unit, Counter())[task.state] += 1
        late[task.unit] += task.late
    return {
        "by_state": dict(sorted(states.items())),
        "by_department": {unit: dict(sorted(counted.items())) for unit, counted in sorted(departments.items())},
        "late_by_department": dict(sorted(late.items())),
    }
