"""Contracts: what a dataset promises, read from a JSON file that is valid without running code.

A contract file is a Frictionless Table Schema (https://specs.frictionlessdata.io/table-schema/, version 1) with a name,
titles and a ``cityheart`` section. Of the Table Schema, CityHeart takes

- ``fields`` with ``name``, ``type`` (string integer number boolean date datetime time), ``format`` (``default``,
  ``any`` or a ``strptime`` pattern), ``title``, ``description``, ``unit``, ``trueValues``/``falseValues``, the
  constraints ``required unique minimum maximum enum pattern minLength maxLength`` and, of version 2,
  ``categories`` of texts and integers: the values there are, each with its ``label`` in the languages of the city;
- of a field ``cityheart``: ``{"personal": true}`` (it tells of a person) or ``{"sensitive": true}``: outside the
  department that holds the dataset such a column is withheld, unless its owner granted it;
- ``primaryKey`` (mandatory: it says which rows are versions of one another) and ``missingValues``.

The ``cityheart`` section holds ``owner`` (department), ``time`` (the field that says what moment a row is about;
without one it is the moment of landing), ``rename`` (column of the source → field), ``computed`` (fields made from
others), ``clean`` (what is done to the values of a field before they are read: ``cleaning/steps.py``), ``omit`` (fields
checked but not stored), ``position`` with its datum (a list of them for a row with several places; the first is where
the row is), ``zone`` of times without an offset,
``sharing`` (1 unconditional, 2 conditional, 3 not shared), ``conditions`` (on which it is shared, or why it is not),
``classification``, ``purpose``, ``update_cycle`` and
``unchanged`` (``keep`` or ``drop`` rows that say nothing new). A key nobody knows is an error, so a slip of the pen
does not become a silent default.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal, cast, get_args
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.lake import TableSpec
from cityheart.kernel import duration
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text
from cityheart.share.cleaning.steps import Step, StepError
from cityheart.share.cleaning.steps import parse as parse_steps

FieldType = Literal["string", "integer", "number", "boolean", "date", "datetime", "time"]
Secrecy = Literal["", "personal", "sensitive"]
Datum = Literal["WGS84", "CGCS2000", "GCJ-02", "BD-09"]

ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", tz="UTC"),
    "time": pa.string(),  # "HH:MM:SS": Delta has no time of day
}
"""The column type in the lake of every field type."""

LANDED_AT = "landed_at"
"""The time of a dataset whose rows are about no moment (a register): when the city was told. Added by the landing."""

_NAME = re.compile(r"[^\W\d_]\w*")
_PART_NAMES = ("year", "month", "day", "hour", "minute", "second")
_TOP = {"name", "title", "description", "schema", "cityheart", "$schema", "profile", "version", "licenses", "sources"}
_SCHEMA = {"fields", "primaryKey", "missingValues", "$schema", "foreignKeys"}
_FIELD = {
    "name", "type", "format", "title", "description", "unit", "constraints", "trueValues", "falseValues", "example",
    "rdfType", "categories", "cityheart",
}  # fmt: skip
_CONSTRAINTS = {"required", "unique", "minimum", "maximum", "enum", "pattern", "minLength", "maxLength"}
_SECTION = {
    "owner", "time", "rename", "computed", "clean", "omit", "position", "zone", "sharing", "conditions", "classification",
    "purpose",
    "update_cycle", "unchanged",
}  # fmt: skip


class ContractError(Invalid):
    """A contract that cannot be used; the detail names the file and the place in it."""


@dataclass(frozen=True)
class Field:
    """One column of a dataset. `minimum`, `maximum` and `enum` hold values of the field's own type; `labels` says the
    values of `enum` as people read them, by their spelling.
    """

    name: str
    type: FieldType
    format: str = "default"
    title: Text | None = None
    description: Text | None = None
    unit: str | None = None
    required: bool = False
    unique: bool = False
    minimum: float | int | date | datetime | None = None
    maximum: float | int | date | datetime | None = None
    enum: tuple[object, ...] | None = None
    labels: Mapping[str, Text] = field(default_factory=dict)
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    true_values: tuple[str, ...] = ("true", "True", "TRUE", "1", "是")
    false_values: tuple[str, ...] = ("false", "False", "FALSE", "0", "否")
    secrecy: Secrecy = ""

    @property
    def arrow(self) -> pa.DataType:
        """The column type in the lake."""
        return ARROW[self.type]


@dataclass(frozen=True)
class Computed:
    """A field made from others: a datetime of `parts` (year, month, day … integers in `zone`) or of an `epoch` number,
    or a text that is the first value there is among `first_of`.
    """

    name: str
    parts: tuple[str, ...] = ()
    first_of: tuple[str, ...] = ()
    epoch: str | None = None
    unit: Literal["s", "ms", "us"] = "s"
    zone: str = "Asia/Shanghai"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields it is made from."""
        return self.parts or self.first_of or (cast("str", self.epoch),)


@dataclass(frozen=True)
class Position:
    """Where a row is: the fields of longitude and latitude in degrees, and the datum the source gives them in."""

    lon: str
    lat: str
    datum: Datum = "WGS84"


@dataclass(frozen=True)
class Contract:
    """What one dataset promises. `digest` is the SHA-256 of the document, so a landed row's contract can be named."""

    name: str
    title: Text
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    owner: str
    time: str
    missing: tuple[str, ...] = ("",)
    rename: Mapping[str, str] = field(default_factory=dict)
    computed: tuple[Computed, ...] = ()
    omit: frozenset[str] = frozenset()
    positions: tuple[Position, ...] = ()
    clean: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    zone: str = "Asia/Shanghai"
    sharing: Literal[1, 2, 3] = 1
    classification: str = "public"
    conditions: Text = field(default_factory=dict)
    purpose: Text = field(default_factory=dict)
    update_cycle: timedelta | None = None
    unchanged: Literal["keep", "drop"] = "keep"
    digest: str = ""
    document: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def load(cls, path: Path) -> Contract:
        """The contract in a JSON file. Raises ContractError with the file's name and the place in it."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ContractError(f"{path}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ContractError(f"{path}: not JSON: {error}", remedy="A contract is a JSON file in UTF-8.") from error
        return cls.parse(document, where=str(path))

    @classmethod
    def parse(cls, document: object, *, where: str = "contract") -> Contract:
        """The contract in a JSON document; `where` opens every error message. Raises ContractError."""
        return _Reader(where).contract(document)

    @property
    def position(self) -> Position | None:
        """Where a row is: the first of its places."""
        return self.positions[0] if self.positions else None

    def field(self, name: str) -> Field:
        """The field of that name. Raises KeyError."""
        return self._by_name[name]

    @property
    def _by_name(self) -> dict[str, Field]:
        return {each.name: each for each in self.fields}

    @property
    def delivered(self) -> tuple[Field, ...]:
        """The fields a delivery must bring: all but the computed ones."""
        made = {each.name for each in self.computed}
        return tuple(each for each in self.fields if each.name not in made)

    @property
    def stored(self) -> tuple[Field, ...]:
        """The fields the lake keeps: all but the omitted ones."""
        return tuple(each for each in self.fields if each.name not in self.omit)

    @property
    def classified(self) -> frozenset[str]:
        """The fields that are withheld outside the department that holds the dataset, unless they were granted."""
        return frozenset(each.name for each in self.fields if each.secrecy)

    @property
    def headers(self) -> frozenset[str]:
        """Every column name of a source that means a field: the fields' own names and the renamed ones."""
        return frozenset(self.rename) | {each.name for each in self.delivered}

    def spec(self, extra: Sequence[str] = ()) -> TableSpec:
        """The lake table of this dataset; `extra` names the kept columns nobody declared (strings)."""
        columns = [pa.field(each.name, each.arrow) for each in self.stored]
        if self.time == LANDED_AT:
            columns.append(pa.field(LANDED_AT, ARROW["datetime"]))
        columns += [pa.field(name, pa.string()) for name in extra]
        position = self.position
        return TableSpec(
            name=self.name,
            key=self.key,
            time=self.time,
            schema=pa.schema(columns),
            lon=position.lon if position else None,
            lat=position.lat if position else None,
        )


class _Reader:
    """Reads one document, keeping the place for the error message."""

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, place: str, what: str, remedy: str | None = None) -> ContractError:
        return ContractError(f"{self.where}: {place}: {what}", remedy=remedy)

    def contract(self, document: object) -> Contract:
        top = self.mapping(document, "the file")
        self.known(top, _TOP, "the file")
        name = self.string(top, "name", "the file")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise self.fail("name", f"{name!r} must be small letters, digits and underscores, a letter first")
        schema = self.mapping(top.get("schema"), "schema")
        self.known(schema, _SCHEMA, "schema")
        section = self.mapping(top.get("cityheart"), "cityheart")
        self.known(section, _SECTION, "cityheart")

        fields = self.fields(schema)
        names = {each.name: each for each in fields}
        computed = self.computed(section, names)
        key = self.key(schema, names)
        time = self.string(section, "time", "cityheart") if "time" in section else LANDED_AT
        if LANDED_AT in names:
            raise self.fail(f"field {LANDED_AT!r}", "the landing has a column of this name itself")
        if time != LANDED_AT and time not in names:
            raise self.fail("cityheart.time", f"{time!r} is no field")
        if time != LANDED_AT and names[time].type != "datetime":
            raise self.fail(
                "cityheart.time", f"{time!r} is of type {names[time].type}; it must be a datetime",
                remedy="A datetime field also reads plain dates, as midnight in the contract's zone.",
            )  # fmt: skip
        omit = frozenset(self.strings(section.get("omit", []), "cityheart.omit"))
        for each in sorted(omit):
            if each not in names:
                raise self.fail("cityheart.omit", f"{each!r} is no field")
            if each in key or each == time:
                raise self.fail("cityheart.omit", f"{each!r} is part of the key or the time and must be stored")
        sharing = section.get("sharing", 1)
        if sharing not in (1, 2, 3):
            raise self.fail(
                "cityheart.sharing", f"{sharing!r} must be 1 (unconditional), 2 (conditional) or 3 (not shared)"
            )
        if time != LANDED_AT and names[time].secrecy:
            raise self.fail("cityheart.time", f"{time!r} is classified; rows without their time say nothing")
        unchanged = section.get("unchanged", "keep")
        if unchanged not in ("keep", "drop"):
            raise self.fail("cityheart.unchanged", f"{unchanged!r} must be keep or drop")
        classification = section.get("classification", "public")
        if not isinstance(classification, str):
            raise self.fail("cityheart.classification", "must be text")
        return Contract(
            name=name,
            title=self.text(top.get("title", name), "title"),
            fields=tuple(fields),
            key=key,
            owner=self.string(section, "owner", "cityheart"),
            time=time,
            missing=tuple(self.strings(schema.get("missingValues", [""]), "schema.missingValues")),
            rename=self.rename(section, names, {each.name for each in computed}),
            computed=computed,
            omit=omit,
            positions=self.positions(section, names),
            clean=self.clean(section, names, {each.name for each in computed}),
            zone=self.zone(section.get("zone", "Asia/Shanghai"), "cityheart.zone"),
            sharing=sharing,
            classification=classification,
            conditions=self.conditions(section, sharing),
            purpose=self.text(section.get("purpose", ""), "cityheart.purpose"),
            update_cycle=self.cycle(section),
            unchanged=unchanged,
            digest=hashlib.sha256(json.dumps(top, sort_keys=True, ensure_ascii=False).encode()).hexdigest(),
            document=top,
        )

    def fields(self, schema: Mapping[str, object]) -> list[Field]:
        listed = schema.get("fields")
        if not isinstance(listed, list) or not listed:
            raise self.fail("schema.fields", "must be a list with at least one field")
        fields = [self.one_field(each, index) for index, each in enumerate(listed)]
        seen: set[str] = set()
        for each in fields:
            if each.name in seen:
                raise self.fail("schema.fields", f"{each.name!r} is declared twice")
            seen.add(each.name)
        return fields

    def one_field(self, value: object, index: int) -> Field:
        place = f"schema.fields[{index}]"
        raw = self.mapping(value, place)
        name = self.string(raw, "name", place)
        place = f"field {name!r}"
        if not _NAME.fullmatch(name):
            raise self.fail(
                place, "a field's name is letters, digits and underscores, a letter first",
                remedy="Give the source's own column name under cityheart.rename.",
            )  # fmt: skip
        self.known(raw, _FIELD, place)
        kind = raw.get("type", "string")
        if kind not in ARROW:
            raise self.fail(place, f"type {kind!r} is not one of {', '.join(ARROW)}")
        constraints = self.mapping(raw.get("constraints", {}), f"{place}: constraints")
        self.known(constraints, _CONSTRAINTS, f"{place}: constraints")
        for bound in ("minimum", "maximum"):
            if bound in constraints and kind in ("string", "boolean", "time"):
                raise self.fail(place, f"{bound} has no meaning for type {kind}")
        for length in ("pattern", "minLength", "maxLength"):
            if length in constraints and kind != "string":
                raise self.fail(place, f"{length} is for type string only, this is {kind}")
        pattern = constraints.get("pattern")
        if pattern is not None:
            self.pattern(pattern, place)
        enum, labels = self.categories(raw, constraints, str(kind), place)
        defaults = Field(name=name, type=cast("FieldType", kind))
        return Field(
            name=name,
            type=cast("FieldType", kind),
            format=str(raw.get("format", "default")),
            title=self.text(raw["title"], f"{place}: title") if "title" in raw else None,
            description=self.text(raw["description"], f"{place}: description") if "description" in raw else None,
            unit=str(raw["unit"]) if "unit" in raw else None,
            required=self.flag(constraints, "required", place),
            unique=self.flag(constraints, "unique", place),
            minimum=self.bound(constraints.get("minimum"), str(kind), f"{place}: minimum"),
            maximum=self.bound(constraints.get("maximum"), str(kind), f"{place}: maximum"),
            enum=enum,
            labels=labels,
            pattern=cast("str | None", pattern),
            min_length=self.length(constraints.get("minLength"), f"{place}: minLength"),
            max_length=self.length(constraints.get("maxLength"), f"{place}: maxLength"),
            true_values=tuple(self.strings(raw["trueValues"], place)) if "trueValues" in raw else defaults.true_values,
            false_values=tuple(self.strings(raw["falseValues"], place))
            if "falseValues" in raw
            else defaults.false_values,
            secrecy=self.secrecy(raw, place),
        )

    def categories(
        self, raw: Mapping[str, object], constraints: Mapping[str, object], kind: str, place: str
    ) -> tuple[tuple[object, ...] | None, dict[str, Text]]:
        """The values that a field may have, and the labels of those that have one."""
        listed, there = constraints.get("enum"), f"{place}: enum"
        labels: dict[str, Text] = {}
        if "categories" in raw:
            if listed is not None:
                raise self.fail(place, "give its values once, in categories or in enum")
            if kind not in ("string", "integer"):
                raise self.fail(place, f"categories are for types string and integer, this is {kind}")
            listed, there = raw["categories"], f"{place}: categories"
        if listed is None:
            return None, labels
        if not isinstance(listed, list) or not listed:
            raise self.fail(there, "must be a list with at least one value")
        values: list[object] = []
        for each in listed:
            entry = each if "categories" in raw and isinstance(each, Mapping) else {"value": each}
            self.known(entry, {"value", "label"}, there)
            if entry.get("value") is None:
                raise self.fail(there, "one has no value")
            values.append(self.value(entry["value"], kind, there))
            if "label" in entry:
                labels[str(values[-1])] = self.text(entry["label"], f"{there}: label")
        if labels and len({str(each) for each in values}) < len(values):
            raise self.fail(there, "a value is there twice")
        return tuple(values), labels

    def secrecy(self, raw: Mapping[str, object], place: str) -> Secrecy:
        section = self.mapping(raw.get("cityheart", {}), f"{place}: cityheart")
        self.known(section, {"personal", "sensitive"}, f"{place}: cityheart")
        personal, sensitive = (self.flag(section, each, f"{place}: cityheart") for each in ("personal", "sensitive"))
        return "personal" if personal else "sensitive" if sensitive else ""

    def pattern(self, value: object, place: str) -> None:
        if not isinstance(value, str):
            raise self.fail(place, "pattern must be text")
        try:
            pc.match_substring_regex(pa.array([""]), pattern=f"^(?:{value})$")
        except pa.ArrowInvalid as error:
            raise self.fail(
                place,
                f"pattern {value!r} cannot be used: {error}",
                remedy="Patterns follow RE2: no look-around, no back-references.",
            ) from error

    def value(self, raw: object, kind: str, place: str) -> object:
        if kind == "string" or kind == "time":
            if isinstance(raw, str):
                return raw
        elif kind == "boolean":
            if isinstance(raw, bool):
                return raw
        else:
            return self.bound(raw, kind, place)
        raise self.fail(place, f"{raw!r} is no value of type {kind}")

    def bound(self, raw: object, kind: str, place: str) -> float | int | date | datetime | None:
        if raw is None:
            return None
        try:
            if kind == "integer" and isinstance(raw, int) and not isinstance(raw, bool):
                return raw
            if kind == "number" and isinstance(raw, int | float) and not isinstance(raw, bool):
                return float(raw)
            if kind == "date" and isinstance(raw, str):
                return date.fromisoformat(raw)
            if kind == "datetime" and isinstance(raw, str):
                moment = datetime.fromisoformat(raw)
                if moment.tzinfo is None:
                    raise self.fail(place, f"{raw!r} needs an offset, such as 2015-01-01T00:00:00+08:00")
                return moment
        except ValueError as error:
            raise self.fail(place, f"{raw!r}: {error}") from error
        raise self.fail(place, f"{raw!r} is no value of type {kind}")

    def length(self, raw: object, place: str) -> int | None:
        if raw is None or (isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0):
            return raw
        raise self.fail(place, f"{raw!r} must be a whole number, 0 or more")

    def flag(self, raw: Mapping[str, object], key: str, place: str) -> bool:
        value = raw.get(key, False)
        if not isinstance(value, bool):
            raise self.fail(place, f"{key} must be true or false")
        return value

    def key(self, schema: Mapping[str, object], names: Mapping[str, Field]) -> tuple[str, ...]:
        raw = schema.get("primaryKey")
        key = (raw,) if isinstance(raw, str) else tuple(self.strings(raw or [], "schema.primaryKey"))
        if not key:
            raise self.fail(
                "schema.primaryKey", "is missing",
                remedy="Name the fields that tell one row from another: rows with an equal key are versions of one.",
            )  # fmt: skip
        for each in key:
            if each not in names:
                raise self.fail("schema.primaryKey", f"{each!r} is no field")
        return key

    def computed(self, section: Mapping[str, object], names: Mapping[str, Field]) -> tuple[Computed, ...]:
        raw = section.get("computed", [])
        if not isinstance(raw, list):
            raise self.fail("cityheart.computed", "must be a list")
        made = []
        for index, each in enumerate(raw):
            place = f"cityheart.computed[{index}]"
            one = self.mapping(each, place)
            self.known(one, {"name", "parts", "epoch", "unit", "zone", "first_of"}, place)
            name = self.string(one, "name", place)
            if "first_of" in one:
                made.append(Computed(name, first_of=self.first_of(one, name, names, place)))
                continue
            if name not in names or names[name].type != "datetime":
                raise self.fail(place, f"{name!r} must be declared in schema.fields with type datetime")
            parts = tuple(self.strings(one.get("parts", []), f"{place}.parts"))
            epoch = one.get("epoch")
            if bool(parts) == bool(epoch):
                raise self.fail(
                    place, "give one of parts (year, month, day …), epoch (a number since 1970) and first_of (texts)"
                )
            if parts and not 3 <= len(parts) <= len(_PART_NAMES):
                raise self.fail(f"{place}.parts", f"3 to 6 fields in the order {', '.join(_PART_NAMES)}")
            for part in parts:
                if part not in names or names[part].type != "integer":
                    raise self.fail(f"{place}.parts", f"{part!r} must be a declared field of type integer")
            if epoch is not None and (
                epoch not in names or names[cast("str", epoch)].type not in ("integer", "number")
            ):
                raise self.fail(f"{place}.epoch", f"{epoch!r} must be a declared field of type integer or number")
            unit = one.get("unit", "s")
            if unit not in ("s", "ms", "us"):
                raise self.fail(f"{place}.unit", f"{unit!r} must be s, ms or us")
            zone = self.zone(one.get("zone", section.get("zone", "Asia/Shanghai")), f"{place}.zone")
            made.append(Computed(name, parts, epoch=cast("str | None", epoch), unit=unit, zone=zone))
        return tuple(made)

    def first_of(self, one: Mapping[str, object], name: str, names: Mapping[str, Field], place: str) -> tuple[str, ...]:
        if name not in names or names[name].type != "string":
            raise self.fail(place, f"{name!r} must be declared in schema.fields with type string")
        if set(one) != {"name", "first_of"}:
            raise self.fail(place, "first_of goes without parts, epoch, unit and zone")
        sources = tuple(self.strings(one["first_of"], f"{place}.first_of"))
        if not sources:
            raise self.fail(f"{place}.first_of", "must name at least one field")
        for each in sources:
            if each == name or each not in names or names[each].type != "string":
                raise self.fail(f"{place}.first_of", f"{each!r} must be another declared field of type string")
        return sources

    def rename(self, section: Mapping[str, object], names: Mapping[str, Field], made: set[str]) -> dict[str, str]:
        raw = self.mapping(section.get("rename", {}), "cityheart.rename")
        result: dict[str, str] = {}
        for header, target in raw.items():
            if not isinstance(target, str) or target not in names:
                raise self.fail("cityheart.rename", f"{header!r} goes to {target!r}, which is no field")
            if target in made:
                raise self.fail("cityheart.rename", f"{header!r} goes to {target!r}, which is computed")
            result[header] = target
        return result

    def positions(self, section: Mapping[str, object], names: Mapping[str, Field]) -> tuple[Position, ...]:
        raw = section.get("position", [])
        if not isinstance(raw, list):
            return (self.position(raw, "cityheart.position", names),)
        places = tuple(self.position(each, f"cityheart.position[{index}]", names) for index, each in enumerate(raw))
        used = [name for each in places for name in (each.lon, each.lat)]
        if len(set(used)) < len(used):
            raise self.fail("cityheart.position", "a field belongs to one place only")
        return places

    def position(self, raw: object, place: str, names: Mapping[str, Field]) -> Position:
        given = self.mapping(raw, place)
        self.known(given, {"lon", "lat", "datum"}, place)
        lon, lat = self.string(given, "lon", place), self.string(given, "lat", place)
        for each in (lon, lat):
            if each not in names or names[each].type != "number":
                raise self.fail(place, f"{each!r} must be a declared field of type number")
        datum = given.get("datum", "WGS84")
        if datum not in get_args(Datum):
            raise self.fail(place, f"datum {datum!r} must be one of {', '.join(get_args(Datum))}")
        return Position(lon, lat, cast("Datum", datum))

    def clean(
        self, section: Mapping[str, object], names: Mapping[str, Field], made: set[str]
    ) -> dict[str, tuple[Step, ...]]:
        raw = self.mapping(section.get("clean", {}), "cityheart.clean")
        result: dict[str, tuple[Step, ...]] = {}
        for name, steps in raw.items():
            place = f"cityheart.clean.{name}"
            if name not in names:
                raise self.fail(place, f"{name!r} is no field")
            try:
                result[name] = parse_steps(steps, names[name].type, computed=name in made)
            except StepError as error:
                raise self.fail(place, str(error)) from error
        return result

    def conditions(self, section: Mapping[str, object], sharing: object) -> Text:
        if "conditions" not in section:
            return {}
        if sharing == 1:
            raise self.fail("cityheart.conditions", "what is shared unconditionally has no conditions")
        return self.text(section["conditions"], "cityheart.conditions")

    def zone(self, raw: object, place: str) -> str:
        try:
            return ZoneInfo(str(raw)).key
        except (KeyError, ValueError) as error:
            raise self.fail(
                place, f"{raw!r} is no time zone", remedy="Use a name such as Asia/Shanghai or UTC."
            ) from error

    def cycle(self, section: Mapping[str, object]) -> timedelta | None:
        raw = section.get("update_cycle")
        if raw is None:
            return None
        try:
            return duration.parse(str(raw))
        except Invalid as error:
            raise self.fail("cityheart.update_cycle", str(error)) from error

    def text(self, raw: object, place: str) -> Text:
        if isinstance(raw, str):
            return {"zh-CN": raw, "en": raw}
        if (
            isinstance(raw, Mapping)
            and {"zh-CN", "en"} <= set(raw)
            and all(isinstance(each, str) for each in raw.values())
        ):
            return {str(tag): str(each) for tag, each in raw.items()}
        raise self.fail(place, 'must be text or {"zh-CN": …, "en": …}')

    def mapping(self, raw: object, place: str) -> Mapping[str, object]:
        if not isinstance(raw, Mapping):
            raise self.fail(place, "must be an object" if raw is not None else "is missing")
        return raw

    def string(self, raw: Mapping[str, object], key: str, place: str) -> str:
        value = raw.get(key)
        if not isinstance(value, str) or not value:
            raise self.fail(f"{place}: {key}", "is missing" if value is None else f"{value!r} must be text")
        return value

    def strings(self, raw: object, place: str) -> list[str]:
        if not isinstance(raw, list | tuple) or not all(isinstance(each, str) for each in raw):
            raise self.fail(place, "must be a list of texts")
        return list(raw)

    def known(self, raw: Mapping[str, object], allowed: set[str], place: str) -> None:
        unknown = sorted(set(raw) - allowed)
        if unknown:
            raise self.fail(
                place,
                f"nobody knows {', '.join(map(repr, unknown))}",
                remedy=f"Known here: {', '.join(sorted(allowed))}.",
            )
