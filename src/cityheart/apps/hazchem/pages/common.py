"""What the pages share: how far back books are read, sites of a subject, tanks as they stand, tables as content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import cast

import pyarrow as pa

from cityheart.sdk import ALL_TIME, Reader, Text, text

__all__ = ["Subject", "column", "day", "nothing", "subject", "table", "tanks"]

"""How far back registers are read: what was entered long ago still stands."""
TODAY = timedelta(hours=26)
"""Tank hours that can say how a tank stands: a sensor that has been silent for a day says nothing any more."""


class Subject:
    """A firm with all its sites, or one site with its firm."""

    def __init__(self, sites: Sequence[str], firms: Sequence[str], usccs: Sequence[str], one_site: bool) -> None:
        self.sites, self.firms, self.usccs, self.one_site = list(sites), list(firms), list(usccs), one_site

    @property
    def about(self) -> list[tuple[str, str]]:
        """The subjects by whose names warnings call it."""
        firms = [] if self.one_site else [("firm", code) for code in self.usccs]
        return [("site", id) for id in self.sites] + firms


def subject(read: Reader, parameters: Mapping[str, object]) -> Subject:
    """The subject of a page. The credit code of a site's firm comes from its outlets, when the registry is not open."""
    given = {name: cast("list[str]", parameters.get(name) or []) for name in ("site_id", "firm_id", "uscc")}
    one_site = parameters.get("kind") == "site"
    if one_site:
        sites = given["site_id"]
        found = read.query(
            "SELECT DISTINCT firm_id FROM approval_site WHERE array_has($sites, site_id)",
            {"sites": sites},
            window=ALL_TIME,
        )
        firms = _texts(found, "firm_id")
        usccs = given["uscc"]
        if not usccs and read.may("approval_firm"):
            rows = read.query(
                "SELECT DISTINCT uscc FROM approval_firm WHERE array_has($firms, firm_id)",
                {"firms": firms},
                window=ALL_TIME,
            )
            usccs = _texts(rows, "uscc")
        if not usccs:
            rows = read.query(
                "SELECT DISTINCT uscc FROM emission_outlet WHERE array_has($sites, site_id)",
                {"sites": sites},
                window=ALL_TIME,
            )
            usccs = _texts(rows, "uscc")
    else:
        firms, usccs = given["firm_id"], given["uscc"]
        rows = read.query(
            "SELECT DISTINCT site_id FROM approval_site WHERE array_has($firms, firm_id) ORDER BY site_id",
            {"firms": firms},
            window=ALL_TIME,
        )
        sites = _texts(rows, "site_id")
    return Subject(sites, firms, usccs, one_site)


def _texts(rows: pa.Table, name: str) -> list[str]:
    return [value for value in rows[name].to_pylist() if value is not None]


def tanks(read: Reader, sites: Sequence[str] | None = None) -> list[dict[str, object]]:
    """Every tank (of these sites) with its newest hour: level, mass, and how near it is to an alarm value (1 = there).

    A tank without a reading for a day has no level. Sorted by nearness, the nearest first.
    """
    bound = {"sites": list(sites or []), "all": sites is None}
    books = read.query("SELECT * FROM hazard_tank WHERE $all OR array_has($sites, site_id)", bound, window=ALL_TIME)
    hours = read.query(
        """
        SELECT tank_id, hour, level_last_m, temperature_max_c, pressure_max_kpa, gas_max_ppm, frozen_min FROM (
          SELECT *, row_number() OVER (PARTITION BY tank_id ORDER BY hour DESC) AS newest FROM hazchem_tank_hour
          WHERE $all OR array_has($sites, site_id)
        ) WHERE newest = 1""",
        bound,
        window=TODAY,
    )
    newest = {row["tank_id"]: row for row in hours.to_pylist()}
    found = []
    for tank in books.to_pylist():
        now = newest.get(tank["tank_id"], {})
        level = now.get("level_last_m")
        ratios = {
            "level": _ratio(level, tank["alarm_level_m"]),
            "temperature": _ratio(now.get("temperature_max_c"), tank["alarm_temperature_c"]),
            "pressure": _ratio(now.get("pressure_max_kpa"), tank["alarm_pressure_kpa"]),
        }
        known = {name: value for name, value in ratios.items() if value is not None}
        nearest = max(known, key=known.__getitem__) if known else None
        mass = None if level is None or not tank["height_m"] else level / tank["height_m"] * tank["capacity_t"]
        found.append(
            {
                **{name: tank[name] for name in tank if not name.startswith("_")},
                "hour": now.get("hour"),
                "level_m": level,
                "mass_t": mass,
                "temperature_c": now.get("temperature_max_c"),
                "pressure_kpa": now.get("pressure_max_kpa"),
                "gas_ppm": now.get("gas_max_ppm"),
                "frozen_min": now.get("frozen_min"),
                "nearest": nearest,
                "nearness": None if nearest is None else known[nearest],
            }
        )
    return sorted(found, key=lambda one: (-cast("float", one["nearness"] or -1.0), str(one["tank_id"])))


def _ratio(value: float | None, alarm: float | None) -> float | None:
    return None if value is None or not alarm or alarm <= 0 else value / alarm


def day(value: object) -> date | None:
    """A day of a row, whether it is one or a moment."""
    return value.date() if isinstance(value, datetime) else cast("date | None", value)


def column(name: str, zh: str, en: str, **more: object) -> dict[str, object]:
    """A column of a table."""
    return {"name": name, "title": text(zh, en), **more}


def table(
    columns: Sequence[Mapping[str, object]], rows: Iterable[Mapping[str, object]], note: Text | None = None
) -> dict[str, object]:
    """Rows as a table: of each row the columns that are named."""
    cells = [[row.get(str(one["name"])) for one in columns] for row in rows]
    return {"type": "table", "columns": list(columns), "rows": cells, "note": note}


def nothing(zh: str, en: str) -> dict[str, object]:
    """That there is nothing to show, and why."""
    return {"type": "text", "text": text(zh, en)}


SITE = {"to": "subject", "by": "site_id"}
TANK = {"to": "subject", "by": "tank_id"}
PLATE = {"to": "subject", "by": "plate"}
FIRM = {"to": "subject", "by": "uscc"}
OUTLET = {"to": "subject", "by": "mn"}
ALERT = {"to": "alert"}
