"""A small city for block data: four departments that speak of the same firms, each in its own way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from cityheart.city import City
from cityheart.engine.lake import Lake
from cityheart.entities.declared import Declaration
from cityheart.entities.service import Entities
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.share.service import Share

KEY = b"k" * 32
DEPARTMENTS = ("approval", "market", "fire", "police")

STEWARD = Actor("user:steward", text("数据管理员", "steward"), None, frozenset({"steward"}))
MAYOR = Actor("user:mayor", text("市长", "mayor"), None, frozenset({"mayor"}))
FIRE = Actor("user:fire", text("消防员", "fire clerk"), "fire", frozenset({"clerk"}))
POLICE = Actor("user:police", text("民警", "police clerk"), "police", frozenset({"clerk"}))
MARKET = Actor("user:market", text("市监员", "market clerk"), "market", frozenset({"clerk"}))


def area(code: str, name: str, since: str, until: str | None, west: float, east: float) -> dict[str, object]:
    """A box of an area between two longitudes."""
    ring = [[west, 31.9], [east, 31.9], [east, 32.6], [west, 32.6], [west, 31.9]]
    properties = {"code": code, "name": name, "name_en": code, "kind": "district", "parent": "320600"}
    return {
        "type": "Feature",
        "properties": {**properties, "valid_from": since, "valid_to": until},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


AREAS = {
    "type": "FeatureCollection",
    "features": [
        area("320602", "崇川区", "2000-01-01", "2020-07-06", 120.8, 120.9),
        area("320611", "港闸区", "2000-01-01", "2020-07-06", 120.7, 120.8),
        area("320613", "崇川区", "2020-07-06", None, 120.7, 120.9),
        area("320684", "海门市", "2000-01-01", "2020-07-06", 120.9, 121.2),
        area("320614", "海门区", "2020-07-06", None, 120.9, 121.2),
        area("320623", "如东县", "2000-01-01", None, 121.2, 121.5),
    ],
}


def contract(
    name: str,
    owner: str,
    sharing: int,
    key: Sequence[str],
    fields: Mapping[str, str],
    labels: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
) -> Contract:
    """A contract whose fields are all optional but the key; ``labels`` say values of some as people read them."""
    categories = {
        field: {"categories": [{"value": value, "label": label} for value, label in said.items()]}
        for field, said in (labels or {}).items()
    }
    return Contract.parse({
        "name": name,
        "title": text(f"数据集{name}", name),
        "schema": {
            "fields": [{"name": k, "type": v} | categories.get(k, {}) for k, v in fields.items()],
            "primaryKey": list(key),
        },
        "cityheart": {"owner": owner, "sharing": sharing, "purpose": text("测试", "test")},
    })  # fmt: skip


def texts(*names: str, **others: str) -> dict[str, str]:
    """Fields of text, and others."""
    return {**dict.fromkeys(names, "string"), **others}


CONTRACTS = (
    contract("register", "approval", 2, ["firm_id"], texts("firm_id", "uscc", "name", "person", "address")),
    contract(
        "place", "approval", 1, ["site_id"],
        texts("site_id", "firm_id", "name", "address", lon="number", lat="number"),
    ),
    contract(
        "market", "market", 1, ["entry"], texts("entry", "uscc", "number", "name", "former", "person", "address")
    ),
    contract(
        "fire", "fire", 1, ["name", "address"], texts("name", "address", "result"),
        {"result": {"合格": text("合格", "Passed"), "不合格": text("不合格", "Failed")}},
    ),
    contract(
        "flow", "police", 3, ["flow_id"],
        texts("flow_id", "seller", "buyer", "loaded_at_site", day="date", lon="number", lat="number"),
    ),
)  # fmt: skip

_FIRM = {"kind": "firm", "title": text("企业", "firm")}
_SITE = {"kind": "site", "title": text("厂址", "site")}
DECLARED = {
    "subjects": [
        {**_FIRM, "dataset": "register", "key": ["firm_id"], "identifiers": {"firm_id": "firm_id", "uscc": "uscc"},
         "name": "name", "person": "person", "address": "address"},
        {**_FIRM, "dataset": "market", "key": ["entry"], "identifiers": {"uscc": "uscc", "registration": "number"},
         "name": "name", "former": "former", "person": "person", "address": "address"},
        {**_FIRM, "dataset": "place", "role": "firm", "key": ["firm_id", "site_id"], "identifiers": {"firm_id": "firm_id"},
         "address": "address"},
        {**_FIRM, "dataset": "fire", "key": ["name", "address"], "name": "name", "address": "address"},
        {**_FIRM, "dataset": "flow", "role": "seller", "key": ["seller"], "identifiers": {"uscc": "seller"}},
        {**_FIRM, "dataset": "flow", "role": "buyer", "key": ["buyer"], "identifiers": {"uscc": "buyer"}},
        {**_SITE, "dataset": "place", "key": ["site_id"], "identifiers": {"site_id": "site_id"}, "name": "name",
         "address": "address", "where": ["lon", "lat"], "of": "firm"},
        {**_SITE, "dataset": "flow", "role": "site", "key": ["seller", "loaded_at_site"], "name": "loaded_at_site",
         "where": ["lon", "lat"], "of": "seller"},
    ],
    "links": [
        {"dataset": "place", "subject": "self", "relation": "of", "object": "firm"},
        {"dataset": "flow", "subject": "seller", "relation": "sells_to", "object": "buyer", "seen": "day"},
    ],
    "relations": [
        {"id": "of", "title": text("属于", "belongs to"), "back": text("拥有", "has")},
        {"id": "sells_to", "title": text("销售给", "sells to"), "back": text("购自", "buys from")},
    ],
    "personal": {"market": ["person"], "register": ["person"]},
}  # fmt: skip

# codes with right check characters
CODE_A, CODE_B, CODE_C = "91320614MAY75K146K", "91320685MA5YLPN57B", "91320614MALPBN553H"


def settled(city: City) -> tuple[str, str]:
    """Put the small city's departments, rows and questions into a whole one: the id of a firm and of a question."""
    city.share.register(
        [
            Department(code, text(f"部门{code}", code))
            for code in DEPARTMENTS
            if code not in city.share.department_titles()
        ],
        [Dataset.of(one) for one in CONTRACTS],
        [
            Source(f"{one.name}.all", one.owner, text(f"来源{one.name}", one.name), "push", {}, one.name)
            for one in CONTRACTS
        ],
    )
    city.entities.register(Declaration.model_validate(DECLARED))
    rows: Mapping[str, Sequence[Mapping[str, object]]] = {
        "register": [
            {"firm_id": "F1", "uscc": CODE_A, "name": "南通天万化工有限公司", "person": "许超", "address": "海门区通海路47号"},
            {"firm_id": "F2", "uscc": CODE_B, "name": "海安利晨环保科技有限公司", "address": "海安市长安路2号"},
        ],
        "place": [
            {"site_id": "S1", "firm_id": "F1", "name": "南通天万化工有限公司二厂区", "lon": 121.3, "lat": 32.2}
        ],
        "fire": [{"name": "南通天万化工有限公司", "address": "海门区滨江路3号", "result": "合格"}],
        "flow": [{"flow_id": "L1", "seller": CODE_A, "buyer": CODE_B, "day": "2015-10-01"}],
    }  # fmt: skip
    for dataset, some in rows.items():
        payload = json.dumps(some, ensure_ascii=False).encode()
        city.share.land(f"{dataset}.all", [Delivery(f"{dataset}-1", city.clock.now(), payload, "json")])
    city.entities.follow()
    (question,) = cast("Sequence[Mapping[str, str]]", city.entities.reviews(STEWARD)["items"])
    firm = city.entities.subject_of("firm", {"firm_id": "F1"})
    assert firm is not None
    return firm, question["id"]


class Scene:
    """The city, with a way to land rows and to look at what became of them."""

    def __init__(self, database: Database, clock: VirtualClock, home: Path) -> None:
        (home / "areas.geojson").write_text(json.dumps(AREAS, ensure_ascii=False), "utf-8")
        self.database, self.clock = database, clock
        self.lake = Lake(home / "lake")
        self.share = Share(database, self.lake)
        self.share.register(
            [Department(code, text(f"部门{code}", code)) for code in DEPARTMENTS],
            [Dataset.of(one) for one in CONTRACTS],
            [
                Source(f"{one.name}.all", one.owner, text(f"来源{one.name}", one.name), "push", {}, one.name)
                for one in CONTRACTS
            ],
        )
        self.home = home
        self.entities = self.made()
        self._landed = 0

    def made(self) -> Entities:
        """The service, as another process would have it."""
        made = Entities(
            self.database, self.lake, self.share, key=lambda: KEY, zone="Asia/Shanghai", home=self.home, city="南通市"
        )  # fmt: skip
        made.register(Declaration.model_validate(DECLARED))
        return made

    def land(self, dataset: str, *rows: Mapping[str, object], follow: bool = True) -> int:
        """Land rows and follow; how many records were taken."""
        self._landed += 1
        payload = json.dumps(list(rows), ensure_ascii=False).encode()
        (landed,) = self.share.land(
            f"{dataset}.all", [Delivery(f"d{self._landed}", self.clock.now(), payload, "json")]
        )  # fmt: skip
        assert landed.rows == len(rows), landed
        return self.entities.follow() if follow else 0

    def one(self, text: str, kind: str = "firm", actor: Actor = STEWARD) -> str:
        """The id of the subject that is found by a text."""
        items = self.entities.find(actor, text=text, kind=kind)["items"]
        assert isinstance(items, list) and items, f"nothing is found by {text}"
        found: str = items[0]["id"]
        return found
