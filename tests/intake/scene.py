"""A hotline's desk for tests: departments, areas, and short words for what people do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cityheart.command.intake.filing import Filing
from cityheart.command.intake.models import Area, Matter, Report
from cityheart.command.intake.placing import Triage
from cityheart.command.intake.rules import Rules
from cityheart.command.intake.service import Intake
from cityheart.command.service import Command
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.text import text
from cityheart.simulation import hotline

BOUNDS = (120.7, 31.9, 121.1, 32.2)
SYSTEM = Actor.system("test")
LAMP = "解放路128号门口的路灯不亮了，晚上黑漆漆的，请尽快处理"
LAMP_AGAIN = "市民来电反映，解放路128号附近街灯坏了三天，老人走路看不见"
PLACE = (120.9000, 32.0000)


def areas() -> tuple[Area, ...]:
    """The townships of the synthetic city as areas."""
    return tuple(
        Area(area.unit, "township", (((w, s), (e, s), (e, n), (w, n)),))
        for area in hotline.areas(BOUNDS)
        for w, s, e, n in [area.bounds]
    )


def rules() -> Rules:
    """The product's rules with these areas."""
    return replace(Rules.load(), areas=areas())


def units(rules: Rules) -> list[str]:
    """Every department that the rules name."""
    named = {duty.unit for duty in rules.duties if not duty.unit.startswith("@")}
    return sorted(named | {area.unit for area in rules.areas} | {"emergency-office"})


class Hotline:
    """An intake with everything around it."""

    def __init__(
        self, database: Database, home: Path, triage: Triage | None = None, known: Rules | None = None
    ) -> None:
        self.rules = known or rules()
        self.command = Command(database, home / "files")
        self.database = database
        titles = {code: text(f"{code}局", code) for code in units(self.rules)}
        self.command.register_units(titles)
        self.intake = Intake(
            database, self.command, home, bounds=BOUNDS, zone="Asia/Shanghai", triage=triage, rules=self.rules
        )
        self.intake.register_units(titles)
        self.clicks = 0

    def click(self) -> str:
        """A new command id."""
        self.clicks += 1
        return f"click-{self.clicks:06d}"

    def tell(
        self,
        said: str,
        at: datetime | None = None,
        *,
        service: str | None = "street_light",
        place: tuple[float, float] | None = PLACE,
        external: str | None = None,
        address: str = "",
        phone: str | None = None,
    ) -> tuple[str, str]:
        """A report: ``(report, matter)``."""
        lon, lat = place or (None, None)
        filing = Filing("test", external or f"R{self.click()}", said, at, service, address, lon, lat, phone=phone)
        done = self.intake.take(SYSTEM, filing)
        return str(done["report_id"]), str(done["matter_id"])

    def matter(self, id: str) -> Matter:
        """A matter as the system sees it."""
        return self.intake.matter(SYSTEM, id)

    def reports(self, matter: str) -> list[Report]:
        """The reports of a matter."""
        return [report for report, _ in self.intake.reports(SYSTEM, matter)]

    def told(self, matter: str) -> list[str]:
        """The types of the events of a matter."""
        return [event.type for event in self.intake.history(SYSTEM, matter)]

    def close(self, incident: str) -> None:
        """Let the department finish its one task, and lift the incident."""
        task = next(task for _, tasks in self.command.runs(SYSTEM, incident) for task in tasks)
        self.command.act(SYSTEM, self.click(), task.id, "accept")
        self.command.act(SYSTEM, self.click(), task.id, "submit", note="done")
        self.command.act(SYSTEM, self.click(), task.id, "verify")
        self.command.lift(SYSTEM, self.click(), incident, "handled")
