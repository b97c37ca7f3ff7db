"""What an application declares in ``entities.toml``: which rows speak of which subjects, and which tie subjects together.

Data, valid without running code. A *role* is one way in which a dataset's rows speak of a subject: a waybill speaks of a
carrier, a consignor, a vehicle, a place of loading. ``self`` is what a register's row is about.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cityheart.entities.models import IDENTIFIERS, Relation
from cityheart.kernel.errors import Invalid, NotFound
from cityheart.kernel.text import LANGUAGES
from cityheart.share.contracts import Contract

__all__ = ["Declaration", "LinkDeclaration", "RowsDeclaration", "SubjectDeclaration", "check", "read_declaration"]


def _both(words: dict[str, str]) -> dict[str, str]:
    if set(words) != set(LANGUAGES) or not all(words.values()):
        raise ValueError(f"write it in both languages: {' and '.join(LANGUAGES)}")
    return words


Words = Annotated[dict[str, str], AfterValidator(_both)]
Column = Annotated[str, Field(pattern=r"^[^\W\d_]\w{0,79}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Kind = Literal["firm", "site", "vehicle", "tank", "outlet", "meter"]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SubjectDeclaration(_Declared):
    """``[[subjects]]``: rows of ``dataset`` speak of a subject in ``role``; ``key`` is how the dataset names it."""

    dataset: str
    role: Name = "self"
    kind: Kind
    title: Words
    key: Annotated[tuple[Column, ...], Field(min_length=1, max_length=4)]
    identifiers: dict[str, Column] = {}
    name: Column | None = None
    former: Column | None = None
    address: Column | None = None
    person: Column | None = Field(default=None, description="legal person; compared by keyed hash, never shown")
    phone: Column | None = Field(default=None, description="telephone; compared by keyed hash, never shown")
    where: tuple[Column, Column] | None = Field(default=None, description="columns of longitude and latitude, WGS84")
    of: Name | None = Field(default=None, description="role of the same row that it belongs to: a site's firm")
    since: Column | None = None
    until: Column | None = None

    @model_validator(mode="after")
    def _known(self) -> SubjectDeclaration:
        if unknown := sorted(set(self.identifiers) - set(IDENTIFIERS)):
            raise ValueError(f"no such identifier: {', '.join(unknown)}; there are {', '.join(IDENTIFIERS)}")
        if not self.identifiers and self.name is None:
            raise ValueError("give identifiers or a name: nothing else tells whom the rows speak of")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it reads."""
        single = (self.name, self.former, self.address, self.person, self.phone, self.since, self.until)
        named = [*self.key, *self.identifiers.values(), *(self.where or ()), *(one for one in single if one)]
        return tuple(dict.fromkeys(named))


class LinkDeclaration(_Declared):
    """``[[links]]``: rows of ``dataset`` say that one role's subject stands in ``relation`` to another role's.

    The tie is valid between ``from`` and ``to``, or was seen at the moments of ``seen``.
    """

    dataset: str
    subject: Name
    relation: Name
    object: Name
    since: Column | None = Field(default=None, alias="from")
    until: Column | None = Field(default=None, alias="to")
    seen: Column | None = None


class RowsDeclaration(_Declared):
    """``[[rows]]``: rows of a stream that belong to a subject by its identifiers, without naming new subjects."""

    dataset: str
    kind: Kind
    title: Words
    by: Annotated[dict[str, Column], Field(min_length=1)]
    window: timedelta = timedelta(days=1)


class RelationDeclaration(_Declared):
    """``[[relations]]``: a kind of tie, said from both ends."""

    id: Name
    title: Words
    back: Words


class Declaration(_Declared):
    """The whole of ``entities.toml``. ``personal``: columns shown only to the department that holds the dataset."""

    subjects: tuple[SubjectDeclaration, ...] = ()
    links: tuple[LinkDeclaration, ...] = ()
    rows: tuple[RowsDeclaration, ...] = ()
    relations: tuple[RelationDeclaration, ...] = ()
    personal: dict[str, tuple[Column, ...]] = {}

    def role(self, dataset: str, role: str) -> SubjectDeclaration | None:
        """What is declared of a role."""
        return next((one for one in self.subjects if (one.dataset, one.role) == (dataset, role)), None)

    def ties(self) -> dict[str, Relation]:
        """The relations by id."""
        return {one.id: Relation(one.id, one.title, one.back) for one in self.relations}

    def joined(self, more: Declaration) -> Declaration:
        """This declaration and another one, of another application. The first one's subjects rank before."""
        return Declaration(
            subjects=(*self.subjects, *more.subjects),
            links=(*self.links, *more.links),
            rows=(*self.rows, *more.rows),
            relations=(*self.relations, *(one for one in more.relations if one.id not in self.ties())),
            personal={**self.personal, **more.personal},
        )


def read_declaration(file: Path) -> Declaration:
    """The declaration in a file. Raises :class:`NotFound`, :class:`Invalid` naming the place in it."""
    if not file.is_file():
        raise NotFound(f"{file} is missing", remedy="write it, or mend `entities` in the manifest")
    try:
        return Declaration.model_validate(tomllib.loads(file.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{file}: not valid TOML: {error}", remedy="mend the line it names") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise Invalid(f"{file}: {place}: {first['msg']}", remedy="mend it; unknown keys are errors too") from None


def check(declared: Declaration, contracts: Sequence[Contract], where: str) -> None:
    """Raise :class:`Invalid` for datasets, columns, roles or relations that are not there, or have another type."""
    by_name = {contract.name: contract for contract in contracts}

    def need(holds: bool, what: str) -> None:
        if not holds:
            raise Invalid(f"{where}: {what}", remedy="mend it, or the contract it speaks of")

    def types(dataset: str) -> Mapping[str, str]:
        need(dataset in by_name, f"dataset {dataset} has no contract")
        return {field.name: field.type for field in by_name[dataset].stored}

    seen: set[tuple[str, str]] = set()
    for one in declared.subjects:
        place = f"subject {one.dataset}.{one.role}"
        need((one.dataset, one.role) not in seen, f"{place} is declared twice")
        seen.add((one.dataset, one.role))
        known = types(one.dataset)
        for column in one.columns:
            need(column in known, f"{place}: {one.dataset} has no column {column}")
        texts = (*one.key, *one.identifiers.values(), one.name, one.former, one.address, one.person, one.phone)
        for text in texts:
            need(text is None or known[text] == "string", f"{place}: {text} is no text")
        for column in one.where or ():
            need(known[column] == "number", f"{place}: {column} is no number")
        for moment in (one.since, one.until):
            need(moment is None or known[moment] in ("date", "datetime"), f"{place}: {moment} is no moment")
        if one.of is not None:
            owner = declared.role(one.dataset, one.of)
            need(owner is not None and owner.kind == "firm", f"{place}: {one.of} is no role of a firm of {one.dataset}")
    ties = declared.ties()
    for link in declared.links:
        place = f"link {link.dataset}: {link.subject} {link.relation} {link.object}"
        known = types(link.dataset)
        need(link.relation in ties, f"{place}: relation {link.relation} is not declared")
        for role in (link.subject, link.object):
            need(declared.role(link.dataset, role) is not None, f"{place}: {role} is no role of {link.dataset}")
        for moment in (link.since, link.until, link.seen):
            right = moment is None or known.get(moment) in ("date", "datetime")
            need(right, f"{place}: {moment} is no column with a moment")
    for rows in declared.rows:
        known = types(rows.dataset)
        for type, column in rows.by.items():
            need(type in IDENTIFIERS, f"rows {rows.dataset}: no such identifier: {type}")
            need(known.get(column) == "string", f"rows {rows.dataset}: {column} is no column of text")
    for dataset, columns in declared.personal.items():
        known = types(dataset)
        for column in columns:
            need(column in known, f"personal {dataset}: no column {column}")
