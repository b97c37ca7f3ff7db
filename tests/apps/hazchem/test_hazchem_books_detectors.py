"""The four detectors of the books as surveys: what they say, to whom it can be shown, and when they are silent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from cityheart.apps.hazchem.detectors import controlled_diversion, expired_licence, mass_imbalance, waste_leak
from cityheart.apps.hazchem.signals import activity, licences
from cityheart.kernel import limits
from cityheart.sdk import Input, Sighting

from .books import (
    OLD,
    USCC,
    anything,
    at,
    contracted,
    firm_table,
    licence_table,
    licensed_table,
    return_row,
    site_table,
    table,
    track_table,
    vehicle_table,
)

ZONE = ZoneInfo("Asia/Shanghai")
NOW = at("04-08 12:00")
CAS = "7722-64-7"
ALL = [
    *waste_leak.detectors(),
    *mass_imbalance.detectors(),
    *controlled_diversion.detectors(),
    *expired_licence.detectors(),
]
Row = dict[str, Any]


class Scene:
    """A view of hand-made tables; a dataset that is not given is empty."""

    def __init__(self, inputs: Mapping[str, Input], tables: Mapping[str, pa.Table], now: datetime = NOW) -> None:
        self.now, self.zone = now, ZONE
        self._inputs, self._tables = inputs, tables

    def rows(self, dataset: str) -> pa.Table:
        """The declared columns of a dataset."""
        wanted = self._inputs[dataset].columns
        given = self._tables.get(dataset)
        whole = contracted(dataset, wanted) if given is None else given
        return (
            whole.select([*wanted, "_known_at"] if "_known_at" in whole.column_names else wanted) if wanted else whole
        )

    def file(self, name: str) -> bytes | None:
        """No files."""
        return None


def look(detector: Any, tables: Mapping[str, pa.Table], now: datetime = NOW) -> list[Sighting]:
    """What a detector sees; every sighting must be fit to be shown."""
    found = list(detector.look(Scene(detector.inputs, tables, now)))
    for each in found:
        assert each.level in (1, 2, 3, 4)
        assert each.start.utcoffset() == timedelta(0)
        assert each.end is None or each.end >= each.start
        assert 0.5 <= each.score <= 1.0
        assert each.reasons and all(words["zh-CN"] and words["en"] for words in each.reasons)
        assert len(json.dumps(each.evidence, allow_nan=False).encode()) <= limits.EVIDENCE_BYTES
    assert len({(each.subject.kind, each.subject.id, each.case) for each in found}) == len(found)
    return found


SITES = site_table([("S1", "F1", "甲"), ("S2", "F2", "乙固废"), ("S4", "F4", "丁电镀"), ("S4b", "F4", "丁电镀二厂")])
REGISTER = {"approval_firm": firm_table(), "approval_site": SITES}


@pytest.mark.parametrize("detector", ALL, ids=lambda each: each.id)
def test_an_empty_city_and_one_of_registers_alone(detector: Any) -> None:
    assert look(detector, {}) == []
    assert look(detector, REGISTER) == []
    assert look(detector, REGISTER, now=at("01-01 00:00")) == []


@pytest.mark.parametrize("detector", ALL, ids=lambda each: each.id)
@pytest.mark.parametrize("seed", range(5))
def test_books_full_of_nonsense_and_holes(detector: Any, seed: int) -> None:
    dice = np.random.default_rng(seed)
    look(detector, {name: anything(name, each.columns, dice, NOW) for name, each in detector.inputs.items()})


# ── waste ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def shipment(no: str, **more: object) -> Row:
    """Waste from S4 to F2."""
    return {
        "manifest_no": no,
        "producer_uscc": USCC["F4"],
        "producer_site": "丁电镀",
        "waste_code": "900-041-49",
        "shipped_t": 5.0,
        "shipped_at": at("04-01 09:00"),
        "carrier_uscc": USCC["F3"],
        "plate": "苏F0000A",
        "receiver_uscc": USCC["F2"],
        "received_t": 4.95,
        "received_at": at("04-01 12:00"),
        "status": "已接收",
        "updated_at": at("04-02 09:00"),
        **more,
    }


def wasted(*rows: Row, now: datetime = NOW, licence: str = "2027-01-01") -> list[Sighting]:
    """What the detector of waste says of shipments."""
    tables = {
        **REGISTER,
        "waste_manifest": table("waste_manifest", rows),
        "approval_licence": licence_table([("W", "F2", None, licences.WASTE, "2024-01-01", licence, "有效")]),
    }
    return look(waste_leak.WasteLeak(), tables, now)


def test_shipments_that_leak_are_cases_of_their_producer() -> None:
    found = wasted(shipment("M1"), shipment("M2", received_t=1.0), shipment("M3", producer_site="?", received_t=1.0))
    assert [(each.subject.id, each.case, each.level) for each in found] == [("S4", "M2", 2)]
    assert (found[0].start, found[0].end) == (at("04-01 09:00"), at("04-01 12:00"))
    assert "80.0 %" in found[0].reasons[1]["en"]
    assert [each.level for each in wasted(shipment("M2", received_t=4.5))] == [3]
    assert wasted(shipment("M2", received_t=1.0), now=at("04-30 09:00")) == []  # shown for a while
    assert len(wasted(shipment("M1"), licence="2026-03-01")) == 1


def test_shipments_to_one_receiver_without_a_licence_are_one_case() -> None:
    more = {"shipped_at": at("04-02 09:00"), "received_at": at("04-02 12:00")}
    found = wasted(shipment("M1"), shipment("M2", **more), shipment("M3", received_t=1.0), licence="2026-03-01")
    assert sorted(each.case for each in found) == [
        "M3",
        f"unlicensed {USCC['F2']}",
    ]  # what was lost as well stays its own
    (one,) = (each for each in found if each.case != "M3")
    assert (one.start, one.end, one.level) == (at("04-01 09:00"), at("04-02 12:00"), 2)
    assert "2 such shipments of 10.00 t" in " ".join(reason["en"] for reason in one.reasons)
    assert len(one.evidence[0]["rows"]) == 2  # type: ignore[arg-type]


def test_the_place_where_a_load_was_got_rid_of_is_shown() -> None:
    def day(n: int, hour: str) -> datetime:
        return at(f"03-{n:02} {hour}")

    sites = table(
        "approval_site",
        [
            {"site_id": s, "firm_id": f, "name": n, "lon": 121.0, "lat": 32.0, "updated_at": OLD}
            for s, f, n in (("S4", "F4", "丁电镀"), ("S2", "F2", "乙固废"))
        ],
    )
    ship, truck = [], {"terminal_phone": "1A", "layer": "site"}
    visits = []
    for n in range(20, 29):
        ship.append(shipment(f"N{n}", shipped_at=day(n, "09:00"), received_at=day(n, "12:00")))
        visits.append({**truck, "since": day(n, "08:30"), "until": day(n, "08:55"), "place": "S4", "load_before": 0})
        visits.append({**truck, "since": day(n, "11:30"), "until": day(n, "12:00"), "place": "S2", "load_before": 1})
    ship.append(shipment("M", shipped_at=day(29, "09:00"), received_t=None, received_at=None))
    visits.append({**truck, "since": day(29, "08:30"), "until": day(29, "08:55"), "place": "S4", "load_before": 0})
    dump = {"terminal_phone": "1A", "since": day(29, "10:00"), "until": day(29, "10:30"), "lon": 121.5, "lat": 32.5}
    trips = [{"terminal_phone": "1A", "since": day(n, "00:00"), "until": day(n, "23:59")} for n in range(18, 32)]
    tables = {
        "approval_firm": firm_table(),
        "approval_site": sites,
        "waste_manifest": table("waste_manifest", ship),
        "approval_licence": licence_table([("W", "F2", None, licences.WASTE, "2024-01-01", "2027-01-01", "有效")]),
        "transport_vehicle": vehicle_table([("苏F0000A", "1A", USCC["F3"])]),
        "transport_visit": track_table(visits),
        "transport_stay": track_table([{**dump, "load_before": 3, "load_after": 0}]),
        "transport_trip": track_table(trips),
    }
    found = look(waste_leak.WasteLeak(), tables, now=day(31, "00:00"))
    assert [(each.case, each.level) for each in found] == [("M", 2)]
    track = next(each for each in found[0].evidence if each["type"] == "track")
    assert [each[1:3] for each in track["points"]] == [[121.0, 32.0], [121.5, 32.5]]  # type: ignore[attr-defined]
    assert look(waste_leak.WasteLeak(), tables, now=day(29, "20:00")) == []


# ── returns and flows ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_site_and_month_is_one_case_whatever_the_chemicals() -> None:
    bad = (200.0, 0.0, 500.0, 390.0, 0.0, 0.0, 250.0)
    rows = [return_row("S4", "2026-03", cas, bad) for cas in ("67-56-1", "71-43-2")]
    rows.append(return_row("S1", "2026-03", "67-56-1", (200.0, 0, 500.0, 450.0, 0, 0, 250.0)))
    tables = {**REGISTER, "approval_monthly_return": table("approval_monthly_return", rows)}
    (case,) = look(mass_imbalance.MassImbalance(), tables)
    assert (case.subject.kind, case.subject.id, case.case, case.level) == (
        "site",
        "S4",
        "2026-03",
        2,
    )  # 60 t of benzene
    assert (case.start, case.end) == (at("03-01 00:00"), at("04-01 00:00"))
    assert len(case.reasons) == 3  # and the law
    assert len(case.evidence[0]["rows"]) == 2  # type: ignore[arg-type]
    corrected = [*rows[1:], return_row("S4", "2026-03", "67-56-1", (200.0, 0, 500.0, 450.0, 0, 0, 250.0))]
    again = look(
        mass_imbalance.MassImbalance(),
        {**tables, "approval_monthly_return": table("approval_monthly_return", corrected)},
    )
    assert len(again[0].reasons) == 2


def test_a_holder_is_a_case_of_the_month_and_strangers_are_not() -> None:
    def told(kind: str, when: str, kg: float, seller: str | None, buyer: str | None) -> Row:
        moment = at(when)
        names = ("kind", "quantity_kg", "seller_uscc", "buyer_uscc", "occurred_at", "reported_at", "updated_at")
        return {**dict(zip(names, (kind, kg, seller, buyer, moment, moment, moment), strict=True)), "cas": CAS}

    rows = [
        told("purchase", "03-05 10:00", 5000.0, "9131OUTSIDE", USCC["F4"]),
        told("use", "03-15 10:00", 1000.0, None, USCC["F4"]),
        told("purchase", "03-05 10:00", 5000.0, "9131OUTSIDE", "9131STRANGER"),
    ]
    tables = {
        **REGISTER,
        "police_flow": table("police_flow", [{"flow_id": str(n), **row} for n, row in enumerate(rows)]),
        "approval_monthly_return": table(
            "approval_monthly_return", [return_row("S4", "2026-03", CAS, (1.0, 0, 2.0, 1.0, 0, 0, 2.0))]
        ),
        "approval_licensed_chemical": licensed_table([("L", CAS, 5.0)]),
    }
    (case,) = look(controlled_diversion.ControlledDiversion(), tables)
    assert (case.subject.kind, case.subject.id, case.case, case.level) == ("firm", USCC["F4"], "2026-03", 2)
    assert case.start == at("03-01 00:00")
    assert "3000 kg" in case.reasons[1]["en"]
    assert look(controlled_diversion.ControlledDiversion(), tables, now=at("06-01 00:00")) == []


# ── licences ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def waybills(*days: str, consignee: str = "F4", **more: object) -> pa.Table:
    """A delivery to S4 on each day."""
    return table(
        "transport_waybill",
        [
            {
                "waybill_no": f"Y{day}",
                "carrier_uscc": USCC["F3"],
                "consignor_uscc": "9131OUTSIDE",
                "load_site": "外地",
                "consignee_uscc": USCC[consignee],
                "unload_site": "丁电镀",
                "loaded_at": at(f"{day} 08:00"),
                "unloaded_at": at(f"{day} 10:00"),
                "status": "完成",
                **more,
            }
            for day in days
        ],
    )


USED = ("L", "F4", "S4", licences.USE, "2023-04-01", "2026-03-20", "有效")


def expired(*rows: tuple[object, ...], now: datetime = NOW, **more: pa.Table) -> list[Sighting]:
    """What the detector of licences says."""
    tables = {**REGISTER, "approval_licence": licence_table(rows), "transport_waybill": waybills(*DAYS), **more}
    return look(expired_licence.ExpiredLicence(), tables, now)


DAYS = ("03-22", "03-24", "03-27", "03-30", "04-02")


def test_deliveries_after_the_last_licence() -> None:
    (case,) = expired(USED)
    assert (case.subject.id, case.case, case.level, case.end) == ("S4", "2026-03-20", 3, None)
    assert case.start == at("03-21 00:00")
    assert "5 deliveries" in case.reasons[1]["en"]


@pytest.mark.parametrize(
    ("rows", "more"),
    [
        ([USED, ("N", "F4", "S4", licences.USE, "2026-03-21", "2029-03-20", "有效")], {}),
        ([USED, ("N", "F4", "S4", licences.USE, "2026-03-25", "2029-03-20", "有效")], {}),  # four days late
        ([USED, ("N", "F4", None, licences.USE, "2025-03-25", "2029-03-20", "有效")], {}),
        ([USED, ("N", "F4", "S4", licences.PRODUCTION, "2025-03-25", "2029-03-20", "有效")], {}),
        ([USED], {"transport_waybill": waybills("03-10", "03-15", "03-20")}),  # stopped in time
        ([USED], {"transport_waybill": waybills("03-22")}),  # one alone
        ([USED], {"transport_waybill": waybills(*DAYS, status="作废")}),
        ([USED], {"transport_waybill": waybills(*DAYS, unload_site="丁电镀二厂")}),
        ([], {}),  # never licensed: another matter
    ],
    ids=["renewed", "late", "firm's", "covers", "stopped", "one", "cancelled", "other site", "never"],
)
def test_what_is_no_expired_licence(rows: list[tuple[object, ...]], more: dict[str, pa.Table]) -> None:
    assert expired(*rows, **more) == []


def test_the_days_in_which_a_renewal_may_still_be_entered() -> None:
    assert expired(USED, now=at("03-25 23:00")) == []
    assert len(expired(USED, now=at("03-27 11:00"))) == 1
    renewed = ("N", "F4", "S4", licences.USE, "2026-04-01", "2029-03-20", "有效")
    (case,) = expired(USED, renewed)
    assert case.end == at("04-01 00:00")
    assert expired(USED, renewed, now=at("04-20 00:00")) == []


def test_a_carrier_is_a_case_as_a_firm() -> None:
    road = ("R", "F3", None, licences.ROAD, "2023-04-01", "2026-03-20", "有效")
    (case,) = expired(road)
    assert (case.subject.kind, case.subject.id) == ("firm", USCC["F3"])
    trips = [{"terminal_phone": "1A", "since": at(f"{day} 09:00"), "loaded_s": 7200.0} for day in DAYS]
    vehicles = vehicle_table([("苏F0000A", "1A", USCC["F3"])])
    nothing = {"transport_waybill": waybills(), "transport_vehicle": vehicles}
    assert len(expired(road, **nothing, transport_trip=track_table(trips))) == 1
    assert expired(road, **nothing, transport_trip=track_table([{**trip, "loaded_s": 0.0} for trip in trips])) == []


def test_days_at_work_and_a_firm_that_only_empties_its_store() -> None:
    tables = {name: contracted(name, each.columns) for name, each in expired_licence.INPUTS.items()}
    tables |= {**REGISTER, "approval_licence": licence_table([USED])}
    lapses = expired_licence.lapsed(tables, NOW, ZONE, expired_licence.PARAMETERS)

    def judged(running: Sequence[float], **more: pa.Table) -> float:
        rows = [
            {"site_id": "S4", "day": date(2026, 3, 15) + timedelta(days=n), "power_ratio": 1.0, "running": each}
            for n, each in enumerate(running)
        ]
        found = expired_licence.operating(
            lapses,
            {**tables, **more},
            pa.Table.from_pylist(rows, schema=activity.OUTPUT),
            NOW,
            ZONE,
            expired_licence.PARAMETERS,
        )
        return float(found["probability"][0].as_py())

    assert judged([0.9] * 20) > 0.9
    assert judged([0.9] * 6 + [0.1] * 14) < 0.5  # it stopped on the day
    assert judged([0.1] * 20) == 0.0
    taken = waybills(
        *DAYS, consignor_uscc=USCC["F4"], load_site="丁电镀", consignee_uscc="9131OUTSIDE", unload_site="外地"
    )
    assert judged([0.1] * 20, transport_waybill=taken) < 0.5
    assert judged([0.9] * 20, transport_waybill=taken) > 0.9
    closed = firm_table()
    closed = closed.set_column(
        5 if closed.column_names[5] == "status" else closed.column_names.index("status"),
        "status",
        pa.array(["停业"] * closed.num_rows),
    )
    assert judged([0.1] * 20, approval_firm=closed, transport_waybill=waybills("03-22", "03-24")) < 0.5
