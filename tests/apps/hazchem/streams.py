"""Scenes of tanks and outlets for the tests of what watches them: readings by the minute, registers, hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.apps.hazchem.detectors.emission_hours import EmissionHours
from cityheart.apps.hazchem.detectors.tank_hours import TankHours
from cityheart.sdk import run_keyed

Array = npt.NDArray[np.float64]

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 6, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def moments(minutes: npt.ArrayLike) -> pa.Array:
    """Minutes since START as moments."""
    base = int(START.timestamp() * 1_000_000)
    return pa.array((np.asarray(minutes, dtype=float) * 60e6).astype(np.int64) + base, MOMENT)


def readings(
    metric: str,
    values: Array,
    *,
    tank: str = "T1",
    site: str = "S1",
    minute: Array | None = None,
    quality: npt.ArrayLike | None = None,
    late: Array | float = 0.02,
) -> pa.Table:
    """Readings of one metric, by default one a minute from START on, known ``late`` minutes after their time."""
    minute = np.arange(len(values), dtype=float) if minute is None else minute
    quality = np.zeros(len(values)) if quality is None else quality
    same = len(values)
    return pa.table({
        "site_id": pa.array([site] * same),
        "tank_id": pa.array([tank] * same),
        "metric": pa.array([metric] * same),
        "time": moments(minute),
        "value": pa.array(np.asarray(values, dtype=float)),
        "quality": pa.array(np.asarray(quality, dtype=np.int64)),
        "_known_at": moments(minute + late),
    })  # fmt: skip


def quiet(hours: float, seed: int = 3, **changes: object) -> dict[str, Array]:
    """A tank at rest: level 5 m, 25 °C, 30 kPa with the noise of their sensors."""
    rng = np.random.default_rng(seed)
    size = int(hours * 60)
    return {
        "level_m": np.round(5.0 + rng.normal(0, 0.008, size), 2),
        "temperature_c": np.round(25.0 + rng.normal(0, 0.15, size), 2),
        "pressure_kpa": np.round(30.0 + rng.normal(0, 0.15, size), 2),
    }


def of_tank(metrics: Mapping[str, Array], tank: str = "T1", site: str = "S1", **more: object) -> pa.Table:
    """The readings of the metrics of one tank, in the order known."""
    parts = [readings(name, values, tank=tank, site=site, **more) for name, values in metrics.items()]  # type: ignore[arg-type]
    return pa.concat_tables(parts).sort_by([("_known_at", "ascending"), ("metric", "ascending")])


def newest(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The newest version of each key."""
    rows = {tuple(row[key] for key in keys): row for row in table.sort_by("_known_at").to_pylist()}
    return pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=table.schema)


def at_once(rows: pa.Table, hours: int = 12) -> pa.Table:
    """The readings as if they were known twice a day: the hours come out the same, in fewer steps."""
    known = rows["_known_at"].cast(pa.int64()).to_numpy()
    order = np.argsort(known, kind="stable")
    block = hours * 3_600_000_000
    column = pa.array(-(-known[order] // block) * block, MOMENT)
    return rows.take(pa.array(order)).set_column(rows.column_names.index("_known_at"), "_known_at", column)


def tank_hours(rows: pa.Table) -> pa.Table:
    """``hazchem_tank_hour`` as it stands after these readings; a late reading of another site moves the clock on."""
    last = (rows["_known_at"].cast(pa.int64()).to_numpy().max() - START.timestamp() * 1e6) / 60e6
    others = pa.concat_tables([
        readings("gas_ppm", np.ones(1), tank="T0", site=site, minute=np.array([last + 20.0]), late=0.0)
        for site in sorted(set(rows["site_id"].to_pylist()))
    ])  # fmt: skip
    ran = run_keyed(TankHours(), {}, pa.concat_tables([rows, others]), time="time")
    return newest(ran.outputs["hazchem_tank_hour"], ["tank_id", "hour"])


def tanks(*changes: Mapping[str, object]) -> pa.Table:
    """The register of tanks: one T1 of the site S1 unless told otherwise."""
    usual: dict[str, object] = {
        "tank_id": "T1", "site_id": "S1", "cas": "64-17-5", "chemical": "乙醇", "capacity_t": 1000.0, "height_m": 10.0,
        "density_t_m3": 0.789, "alarm_level_m": 9.0, "alarm_temperature_c": 50.0, "alarm_pressure_kpa": 100.0,
    }  # fmt: skip
    return pa.Table.from_pylist([usual | dict(change) for change in changes or ({},)])


def sites(**changes: object) -> pa.Table:
    """The register of sites: S1 of the firm F1."""
    usual: dict[str, object] = {
        "site_id": "S1", "firm_id": "F1", "name": "城东化工一厂", "lon": 121.0, "lat": 32.0, "residents_500m": 0,
    }  # fmt: skip
    return pa.Table.from_pylist([usual | changes])


def licence(
    stock: float, *, first: date = date(2024, 1, 1), last: date = date(2030, 1, 1), **changes: object
) -> tuple[pa.Table, pa.Table]:
    """A licence of the site S1 for ethanol, and what it names."""
    kept = {
        "licence_no": "L1",
        "firm_id": "F1",
        "site_id": "S1",
        "kind": "危险化学品经营许可证",
        "status": "有效",
    } | changes
    updated = {"updated_at": datetime(2024, 1, 1, tzinfo=UTC)}
    schema = pa.schema([
        *((name, pa.string()) for name in ("licence_no", "firm_id", "site_id", "kind", "status")),
        ("valid_from", pa.date32()), ("valid_to", pa.date32()), ("updated_at", MOMENT),
    ])  # fmt: skip
    papers = pa.Table.from_pylist([kept | {"valid_from": first, "valid_to": last} | updated], schema=schema)
    named = pa.Table.from_pylist([
        {"licence_no": kept["licence_no"], "cas": "64-17-5", "chemical": "乙醇", "max_storage_t": stock} | updated
    ])  # fmt: skip
    return papers, named


# ── outlets ────────────────────────────────────────────────────────────────────────────────────────────────────────


def outlet(**changes: object) -> pa.Table:
    """The register of outlets: the device M1 of the site S1, flue gas."""
    usual: dict[str, object] = {
        "mn": "M1", "site_id": "S1", "uscc": "91320600MA1XXXXX0A", "kind": "废气",
        "limits": "a21026=200;a21002=150", "design_flow": 8.0,
    }  # fmt: skip
    return pa.Table.from_pylist([usual | changes])


def gas(hours: int, **changes: Callable[[Array], Array]) -> dict[str, Array]:
    """A flue that runs day and night, by the minute; ``changes`` alter a factor's values."""
    rng = np.random.default_rng(5)
    size = hours * 60
    swing = np.exp(0.1 * np.sin(np.arange(size) / 400.0))

    def noisy(level: float, noise: float, digits: int) -> Array:
        return np.round(level * swing * np.exp(rng.normal(0, noise, size)), digits)

    values = {
        "a00000": noisy(5.0, 0.02, 2),
        "a21026": noisy(80.0, 0.04, 1),
        "a21002": noisy(60.0, 0.04, 1),
        "a19001": np.round(8.0 + rng.normal(0, 0.1, size), 2),
    }
    return {name: changes[name](series) if name in changes else series for name, series in values.items()}


def emitted(
    factors: Mapping[str, Array], flags: Mapping[str, Sequence[str]] | None = None, mn: str = "M1", cn: int = 2011
) -> pa.Table:
    """Real-time readings of a device, one a minute from START on."""
    parts = []
    for factor, values in factors.items():
        size = len(values)
        flag = list((flags or {}).get(factor, ["N"] * size))
        parts.append(
            pa.table({
                "mn": pa.array([mn] * size),
                "time": moments(np.arange(size)),
                "cn": pa.array([cn] * size, pa.int64()),
                "factor": pa.array([factor] * size),
                "value": pa.array(np.asarray(values, dtype=float), pa.float64()),
                "total": pa.array([None] * size, pa.float64()),
                "flag": pa.array(flag, pa.string()),
                "_known_at": moments(np.arange(size) + 0.02),
            })
        )  # fmt: skip
    return pa.concat_tables(parts).sort_by([("_known_at", "ascending"), ("factor", "ascending")])


def emission_hours(rows: pa.Table) -> pa.Table:
    """``hazchem_emission_hour`` as it stands after these readings; the clock goes on for an hour."""
    rows = at_once(rows)
    last = (rows["_known_at"].cast(pa.int64()).to_numpy().max() - START.timestamp() * 1e6) / 60e6
    after = rows.slice(0, 1).to_pylist()[0]
    late = moments([last + 40.0])[0]
    ahead = pa.Table.from_pylist([after | {"factor": "x", "time": late, "_known_at": late}], schema=rows.schema)
    ran = run_keyed(EmissionHours(), {}, pa.concat_tables([rows, ahead]), time="time")
    table = newest(ran.outputs["hazchem_emission_hour"], ["mn", "factor", "hour"])
    return table
