"""How subjects are shown: what every dataset says of one, in time, on the map, in its ties, with the reason for each part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

import pyarrow as pa

from cityheart.entities import store
from cityheart.entities.areas import Area, Areas
from cityheart.entities.declared import Declaration
from cityheart.entities.models import IDENTIFIERS, KIND_TITLES, Link, Record, Review, Subject
from cityheart.entities.resolving import Counts, evidence_of
from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.grants.reading import Through
from cityheart.share.service import Share

__all__ = ["EVIDENCE", "Graph", "Look", "counts", "dataset_shown", "rank", "short", "whole"]

Mask = Callable[[str, str, pa.Array], pa.Array]

EVIDENCE: Mapping[str, Text] = {
    "name_exact": text("名称一致", "the names are equal"),
    "name_core": text("名称主体一致，其一缺少地区", "the names are equal but for a region that one lacks"),
    "name_former": text("与曾用名一致", "one name is the former name of the other"),
    "name_stem": text("名称仅差通用词", "the names differ by common words only"),
    "name_sound": text("名称读音一致", "the names sound alike"),
    "name_swapped": text("名称用字相同，顺序不同", "the names have the same letters in another order"),
    "name_near": text("名称只差个别字", "the names differ by a letter or two"),
    "name_alike": text("名称相近", "the names are somewhat alike"),
    "name_other": text("名称不同", "the names differ"),
    "name_trade": text("名称末尾的行业相同", "the names end with the same trade"),
    "name_renamed": text("字号不同而行业、地址一致，疑为更名", "another brand, but trade and address agree: it looks renamed"),
    "name_rare": text("字号有三个字以上，少有重名", "the brand has three letters or more, which are seldom taken twice"),
    "name_sole": text("该名称下只有一个信用代码", "only one credit code is known under this name"),
    "name_shared": text("该名称下有多个信用代码", "several credit codes are known under this name"),
    "region_other": text("名称中的地区不同", "the names say different regions"),
    "form_other": text("组织形式不同", "the legal forms differ"),
    "address_same": text("地址一致（路名和门牌）", "the addresses are equal: road and number"),
    "address_road": text("在同一条路上", "both are on the same road"),
    "address_number": text("在同一条路上，门牌不同", "the road is the same, the numbers differ"),
    "address_other": text("路名不同", "the roads differ"),
    "area_other": text("所在区县不同", "the districts differ"),
    "address_sole": text("该地址只有一个信用代码", "only one credit code is known at this address"),
    "address_shared": text("该地址有多个信用代码", "several credit codes are known at this address"),
    "person_same": text("法定代表人一致（密钥散列比对）", "the legal person is the same, by keyed hash"),
    "person_other": text("法定代表人不同", "the legal persons differ"),
    "person_sole": text("该法定代表人名下只有一个信用代码", "only one credit code is known under this legal person"),
    "person_shared": text("该法定代表人名下有多个信用代码", "several credit codes are known under this legal person"),
    "phone_same": text("电话一致（密钥散列比对）", "the telephone number is the same, by keyed hash"),
    "phone_other": text("电话不同", "the telephone numbers differ"),
    "phone_sole": text("该电话只有一个信用代码", "only one credit code is known under this telephone number"),
    "phone_shared": text("该电话有多个信用代码", "several credit codes are known under this telephone number"),
    "registration_same": text("注册号一致", "the registration numbers are equal"),
    "registration_other": text("注册号不同", "the registration numbers differ"),
    "code_near": text("代码主体一致，校验未通过", "the codes are equal in the part that names the organisation, one is mistyped"),
    "of_same": text("属于同一企业", "both belong to the same firm"),
    "of_other": text("属于不同企业", "they belong to different firms"),
    "place_at": text("位置相距不到60米", "less than 60 m apart"),
    "place_near": text("位置相距不到150米", "less than 150 m apart"),
    "place_apart": text("位置相距不到1.5公里", "less than 1.5 km apart"),
    "place_far": text("位置相距超过1.5公里", "more than 1.5 km apart"),
    "several": text("依据双方多条记录合计", "counted over several records of both"),
}  # fmt: skip
_FIRST = text("该主体的第一条记录", "the first record of this subject")
_PERSON = text("由人工认定", "decided by a person")
_LAST = 10**6
_SHOWN_COLUMNS = 12  # of a row in the time line


def counts(found: Mapping[str, Counts]) -> dict[str, object]:
    """What a follow-up did, for its event."""
    names = ("new", "changed", "subjects", "merged", "split", "questions", "dropped", "barred")
    return {kind: {name: getattr(one, name) for name in names if getattr(one, name)} for kind, one in found.items()}


def rank(declared: Declaration, record: Record) -> int:
    """The place of the declaration of a record's role: the lower, the more it is believed."""
    for place, one in enumerate(declared.subjects):
        if (one.dataset, one.role) == (record.dataset, record.role):
            return place
    return _LAST


def area_shown(area: Area) -> dict[str, object]:
    """An area as the API shows it."""
    return {
        "code": area.code,
        "title": area.title,
        "kind": area.kind,
        "parent": area.parent,
        "valid_from": area.valid_from,
        "valid_to": area.valid_to,
        "schematic": area.schematic,
    }


def dataset_shown(share: Share, name: str) -> dict[str, object]:
    """A dataset by name, with its title and owner."""
    found = share.dataset(name)
    titles = share.department_titles()
    return {
        "dataset": name,
        "title": found.contract.title,
        "department": found.owner,
        "department_title": titles.get(found.owner, text(found.owner, found.owner)),
    }


def short(
    subject: Subject, records: Sequence[Record], declared: Declaration, areas: Areas, now: datetime
) -> dict[str, object]:  # fmt: skip
    """A subject in a list, out of the records that the reader may see."""
    ranked = sorted(records, key=lambda one: (rank(declared, one), one.id))
    named = next((one.name for one in ranked if one.name), None)
    placed = next((one for one in ranked if one.lon is not None and one.lat is not None), None)
    area = None
    if placed is not None and placed.lon is not None and placed.lat is not None:
        area = areas.area_at(placed.lon, placed.lat, now)
    address = next((one.address for one in ranked if one.address), None)
    identifiers: dict[str, str] = {}
    for one in ranked:
        for type, value in one.identifiers.items():
            identifiers.setdefault(type, value)
    return {
        "id": subject.id,
        "kind": subject.kind,
        "kind_title": KIND_TITLES[subject.kind],
        "name": named,
        "address": address,
        "identifiers": _identified(identifiers),
        "lon": placed.lon if placed else None,
        "lat": placed.lat if placed else None,
        "area": area_shown(area) if area else None,
        "datasets": len({one.dataset for one in records}),
        "records": len(records),
    }


def _identified(identifiers: Mapping[str, str]) -> list[dict[str, object]]:
    return [
        {"type": type, "title": IDENTIFIERS[type], "value": identifiers[type]}
        for type in IDENTIFIERS
        if type in identifiers
    ]


def whole(
    subject: Subject,
    records: Sequence[Record],
    beside: Mapping[int, Record],
    areas: Areas,
    look: Look,
    readable: frozenset[str],
) -> dict[str, object]:
    """The 360° view, out of the records that the reader may see."""
    declared = look.declared
    shown = short(subject, records, declared, areas, look.now)
    ranked = sorted(records, key=lambda one: (rank(declared, one), one.id))
    since = [one.since for one in ranked if one.since is not None]
    until = [one.until for one in ranked if one.until is not None]
    sources = look.sources(subject.kind, ranked, readable)
    return shown | {
        "since": min(since, default=None),
        "until": max(until, default=None),
        "made_at": subject.made_at,
        "names": _gathered([(one.name, one.dataset) for one in ranked]),
        "former_names": _gathered([(one.former, one.dataset) for one in ranked]),
        "addresses": _gathered([(one.address, one.dataset) for one in ranked]),
        "identifiers": look.identifiers(ranked),
        "places": look.places(ranked, areas),
        "sources": sources,
        "records": [look.record(one, beside.get(one.beside or 0), readable) for one in ranked],
        "timeline": look.timeline(ranked),
    }


def _gathered(values: Sequence[tuple[str | None, str]]) -> list[dict[str, object]]:
    found: dict[str, list[str]] = {}
    for value, dataset in values:
        if value and dataset not in found.setdefault(value, []):
            found[value].append(dataset)
    return [{"value": value, "datasets": datasets} for value, datasets in found.items()]


class Look:
    """What one reader sees at one moment."""

    def __init__(self, declared: Declaration, lake: Through, share: Share, now: datetime, mask: Mask) -> None:
        self.declared, self.now = declared, now
        self._lake, self._share, self._mask = lake, share, mask
        self._titles = share.department_titles()

    def dataset(self, name: str) -> dict[str, object]:
        """A dataset by name, with its title and owner."""
        return dataset_shown(self._share, name)

    def role_title(self, record: Record) -> Text:
        """How a record's role is called."""
        declared = self.declared.role(record.dataset, record.role)
        return declared.title if declared else text(record.role, record.role)

    # ── records ────────────────────────────────────────────────────────────────────────────────────────────────

    def record(self, one: Record, beside: Record | None, readable: frozenset[str]) -> dict[str, object]:
        """A record with the reason why it is there."""
        hidden = beside is not None and beside.dataset not in readable
        return {
            "id": str(one.id),
            "dataset": one.dataset,
            "dataset_title": self._share.dataset(one.dataset).contract.title,
            "department": self._share.dataset(one.dataset).owner,
            "role": one.role,
            "role_title": self.role_title(one),
            "key": list(one.key),
            "name": one.name,
            "former": one.former,
            "address": one.address,
            "lon": one.lon,
            "lat": one.lat,
            "identifiers": _identified(one.identifiers),
            "known_at": one.known_at,
            "why": {
                "rule": one.rule,
                "title": self._rule_title(one),
                "score": one.score,
                "evidence": _evidence(one.evidence),
                "model": one.model,
                "at": one.joined_at,
                "by": one.joined_by,
                "beside": None
                if beside is None or hidden
                else {"id": str(beside.id), "dataset": beside.dataset, "name": beside.name, "address": beside.address},
            },
        }

    def _rule_title(self, one: Record) -> Text:
        if one.rule == "first":
            return _FIRST
        if one.rule == "person":
            return _PERSON
        if one.rule.startswith("identifier:"):
            name = IDENTIFIERS[one.rule.removeprefix("identifier:")]
            return text(f"{name['zh-CN']}一致", f"the {name['en']} is equal")
        return text(f"按规则比对，得分 {one.score or 0:g}", f"by rules, with {one.score or 0:g} points")

    def identifiers(self, records: Sequence[Record]) -> list[dict[str, object]]:
        """Identifiers with the datasets that say them."""
        found: dict[tuple[str, str], list[str]] = {}
        for one in records:
            for type, value in one.identifiers.items():
                datasets = found.setdefault((type, value), [])
                if one.dataset not in datasets:
                    datasets.append(one.dataset)
        order = list(IDENTIFIERS)
        return [
            {"type": type, "title": IDENTIFIERS[type], "value": value, "datasets": datasets}
            for (type, value), datasets in sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
        ]

    def places(self, records: Sequence[Record], areas: Areas) -> list[dict[str, object]]:
        """Where the datasets say it is, and in which area that lies now."""
        found = []
        for one in records:
            if one.lon is not None and one.lat is not None:
                area = areas.area_at(one.lon, one.lat, self.now)
                shown = area_shown(area) if area else None
                found.append({"lon": one.lon, "lat": one.lat, "dataset": one.dataset, "role": one.role, "area": shown})
        return found

    def review(
        self, one: Review, records: Mapping[int, Record], readable: frozenset[str]
    ) -> dict[str, object]:  # fmt: skip
        """A question with both records side by side."""
        sides = []
        for id in (one.a, one.b):
            record = records[id]
            if record.dataset in readable:
                sides.append({**self.record(record, None, readable), "subject": record.subject, "restricted": False})
            else:
                sides.append(
                    {**self.dataset(record.dataset), "id": str(id), "subject": record.subject, "restricted": True}
                )
        return {
            "id": one.id,
            "kind": one.kind,
            "kind_title": KIND_TITLES[one.kind],
            "department": one.department,
            "department_title": self._titles.get(one.department, text(one.department, one.department)),
            "score": one.score,
            "evidence": _evidence(one.evidence),
            "model": one.model,
            "state": one.state,
            "raised_at": one.raised_at,
            "decided_by": one.decided_by,
            "decided_at": one.decided_at,
            "reason": one.reason,
            "records": sides,
        }

    # ── rows ───────────────────────────────────────────────────────────────────────────────────────────────────

    def sources(
        self, kind: str, records: Sequence[Record], readable: frozenset[str]
    ) -> list[dict[str, object]]:  # fmt: skip
        """By dataset and role: how many rows speak of it, and from when to when. Streams by their latest window."""
        found = []
        for dataset in dict.fromkeys(one.dataset for one in records):
            mine = [one for one in records if one.dataset == dataset]
            time = self._lake.spec(dataset).time
            where, params = _where(mine)
            sql = f'SELECT count(*) AS n, min("{time}") AS a, max("{time}") AS b FROM {dataset} WHERE {where}'  # noqa: S608
            (row,) = self._lake.query(sql, params).to_pylist()
            roles = list(dict.fromkeys(one.role for one in mine))
            titles = [self.role_title(next(one for one in mine if one.role == role)) for role in roles]
            found.append({
                **self.dataset(dataset), "roles": titles, "rows": row["n"], "from": row["a"], "to": row["b"],
                "window_hours": None,
            })  # fmt: skip
        found += [
            {
                **self.dataset(stream.dataset), "roles": [stream.title], "rows": None, "from": None, "to": None,
                "window_hours": stream.window.total_seconds() / 3600,
            }
            for stream in self.declared.rows
            if stream.kind == kind and stream.dataset in readable and _stream_where(stream.by, records)[0]
        ]  # fmt: skip
        return found

    def rows(self, dataset: str, records: Sequence[Record], *, after: int, limit: int) -> dict[str, object]:
        """Rows about the subject of these records, the newest first."""
        mine = [one for one in records if one.dataset == dataset]
        stream = next((one for one in self.declared.rows if one.dataset == dataset), None)
        where, params = _where(mine) if mine else ("", {})
        span = None
        if not where and stream is not None:
            where, params = _stream_where(stream.by, records)
            span = (self.now - stream.window, self.now)
        contract = self._share.dataset(dataset).contract
        names = [field.name for field in contract.stored]
        withheld = self._lake.withheld(dataset)
        columns = [
            {
                "name": field.name, "title": field.title or text(field.name, field.name), "unit": field.unit,
                "labels": field.labels, "withheld": field.name in withheld,
            }
            for field in contract.stored
        ]  # fmt: skip
        items: list[dict[str, object]] = []
        if where:
            listed = ", ".join(f'"{name}"' for name in names)
            time = self._lake.spec(dataset).time
            sql = (
                f'SELECT {listed}, "_known_at" FROM {dataset} WHERE {where} '  # noqa: S608
                f'ORDER BY "{time}" DESC, "_seq" DESC LIMIT {limit + 1:d} OFFSET {after:d}'
            )
            items = self._plain(dataset, self._lake.query(sql, params, time=span))
        more = len(items) > limit
        return {"items": items[:limit], "columns": columns, "next": after + limit if more else None}

    def timeline(self, records: Sequence[Record]) -> list[dict[str, object]]:
        """The newest rows of all datasets together, newest first; dates of a register are when the city was told."""
        found: list[dict[str, object]] = []
        for dataset in dict.fromkeys(one.dataset for one in records):
            mine = [one for one in records if one.dataset == dataset]
            spec = self._lake.spec(dataset)
            contract = self._share.dataset(dataset).contract
            keys = {column for one in mine for column in self._key_columns(one)}
            names = [field.name for field in contract.stored if field.name not in keys and field.name != spec.time]
            listed = ", ".join(f'"{name}"' for name in names[:_SHOWN_COLUMNS])
            where, params = _where(mine)
            sql = (
                f'SELECT "{spec.time}" AS "_at", "_known_at"{", " if listed else ""}{listed} FROM {dataset} '  # noqa: S608
                f'WHERE {where} ORDER BY "{spec.time}" DESC, "_seq" DESC LIMIT {limits.TIMELINE_ROWS:d}'
            )
            fields = {field.name: field for field in contract.stored}
            for row in self._plain(dataset, self._lake.query(sql, params)):
                at, known = row.pop("_at"), row.pop("known_at")
                said = [
                    {
                        "name": name, "title": fields[name].title or text(name, name), "value": value,
                        "label": fields[name].labels.get(str(value)),
                    }
                    for name, value in row.items() if value is not None
                ]  # fmt: skip
                found.append({
                    "at": at, "known_at": known, "dataset": dataset, "title": contract.title,
                    "department": self._share.dataset(dataset).owner, "values": said,
                })  # fmt: skip
        found.sort(key=lambda row: (str(row["at"]), str(row["dataset"])), reverse=True)
        return found[: limits.PAGE_ROWS]

    def _key_columns(self, record: Record) -> tuple[str, ...]:
        declared = self.declared.role(record.dataset, record.role)
        return declared.key if declared else ()

    def _plain(self, dataset: str, rows: pa.Table) -> list[dict[str, object]]:
        for column in self.declared.personal.get(dataset, ()):
            at = rows.schema.get_field_index(column)
            if at >= 0:
                rows = rows.set_column(at, column, self._mask(dataset, column, rows[column].combine_chunks()))
        listed: list[dict[str, object]] = rows.to_pylist()
        for row in listed:
            if "_known_at" in row:
                row["known_at"] = row.pop("_known_at")
            for name, value in row.items():
                if isinstance(value, date) and not isinstance(value, datetime):
                    row[name] = value.isoformat()
                elif isinstance(value, float) and value != value:
                    row[name] = None
                elif isinstance(value, bytes):
                    row[name] = value.hex()
        return listed


def _where(records: Sequence[Record]) -> tuple[str, dict[str, object]]:
    """The condition that rows speak of one of these records of one dataset, with its parameters."""
    terms: list[str] = []
    params: dict[str, object] = {}
    for record in records[: limits.SUBJECT_KEYS]:
        parts = []
        for column, value in zip(record.columns, record.key, strict=True):
            if value is None:
                parts.append(f'"{column}" IS NULL')
            else:
                parts.append(f'"{column}" = $k{len(params)}')
                params[f"k{len(params)}"] = value
        terms.append("(" + " AND ".join(parts) + ")")
    return " OR ".join(terms), params


def _stream_where(by: Mapping[str, str], records: Sequence[Record]) -> tuple[str, dict[str, object]]:
    """The condition that rows of a stream belong to the subject of these records, by one of its identifiers."""
    terms: list[str] = []
    params: dict[str, object] = {}
    for type, column in by.items():
        for value in sorted({one.identifiers[type] for one in records if type in one.identifiers})[
            : limits.SUBJECT_KEYS
        ]:
            terms.append(f'"{column}" = $k{len(params)}')
            params[f"k{len(params)}"] = value
    return " OR ".join(terms), params


def _evidence(stored: str) -> list[dict[str, object]]:
    return [
        {"name": name, "title": EVIDENCE.get(name, text(name, name)), "points": points}
        for name, points in evidence_of(stored).items()
    ]


class Graph:
    """Subjects tied to each other, grown from one, as far as a reader may see."""

    def __init__(self, conn: store.Connection, declared: Declaration, readable: frozenset[str]) -> None:
        self._conn, self._declared, self._readable = conn, declared, readable
        self.nodes: dict[str, None] = {}
        self.cut: set[str] = set()
        self.hidden: set[str] = set()
        self._edges: dict[tuple[str, str, str], tuple[set[str], list[datetime], list[datetime], bool]] = {}

    def grow(self, start: str, hops: int) -> None:
        """Follow ties from a subject, so many steps."""
        self.nodes[start] = None
        frontier = [start]
        for _ in range(hops):
            reached: list[str] = []
            for subject in frontier:
                reached += self._from(subject)
            frontier = reached

    def _from(self, subject: str) -> list[str]:
        records = store.members(self._conn, [subject])
        links = store.links_of(self._conn, records, limits.LINKS_OF_SUBJECT * 20)
        owners = store.neighbours(self._conn, {end for link in links for end in (link.a, link.b)})
        reached: list[str] = []
        seen: set[str] = set()
        for link in links:
            if link.dataset not in self._readable:
                self.hidden.add(link.dataset)
                continue
            a, b = owners.get(link.a), owners.get(link.b)
            if a is None or b is None or a == b:
                continue
            other = b if a == subject else a
            if other not in seen and (len(seen) >= limits.LINKS_OF_SUBJECT or len(self.nodes) >= limits.GRAPH_SUBJECTS):
                self.cut.add(subject)
                continue
            seen.add(other)
            if other not in self.nodes:
                self.nodes[other] = None
                reached.append(other)
            self._add(a, b, link)
        return reached

    def _add(self, a: str, b: str, link: Link) -> None:
        datasets, since, until, _ = self._edges.setdefault((a, b, link.relation), (set(), [], [], False))
        datasets.add(link.dataset)
        if link.since is not None:
            since.append(link.since)
        if link.until is not None:
            until.append(link.until)

    def edges(self) -> list[dict[str, object]]:
        """The ties, each once, with the datasets that speak of them and the time they are known for."""
        ties = self._declared.ties()
        return [
            {
                "from": a,
                "to": b,
                "relation": relation,
                "title": ties[relation].title,
                "back": ties[relation].back,
                "since": min(since, default=None),
                "until": max(until, default=None),
                "datasets": sorted(datasets),
            }
            for (a, b, relation), (datasets, since, until, _) in sorted(self._edges.items())
            if relation in ties
        ]
