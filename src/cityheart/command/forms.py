"""Forms of receipts: what a plan says a form holds, as JSON Schema, and the mistakes of a filled one, field by field.

The part of JSON Schema (draft 2020-12) that a form needs, nothing that refers elsewhere or branches, so that checking
takes a time bounded by the form and its schema. Patterns are matched by an engine whose time is linear in the text.
``title`` and ``description`` may be in both languages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from pydantic import StringConstraints, TypeAdapter
from pydantic import ValidationError as Mismatch

from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import LANGUAGES, Text, text

__all__ = ["check_schema", "mistakes"]

_WORDS = frozenset({"title", "description", "default", "examples"})
_KEYWORDS = _WORDS | {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "format", "minItems",
    "maxItems", "uniqueItems",
}  # fmt: skip
_FORMATS = ("date", "date-time", "time", "email", "uri")


def check_schema(schema: object) -> dict[str, object]:
    """The schema of a form, as it is kept. Raises :class:`Invalid` saying what is wrong with it."""
    if not isinstance(schema, Mapping):
        raise Invalid("the schema of the form is not a mapping", remedy=_EXAMPLE)
    try:
        plain: dict[str, object] = json.loads(canonical(schema))
    except (TypeError, ValueError, RecursionError):
        raise Invalid("the schema of the form is not JSON", remedy=_EXAMPLE) from None
    if len(canonical(plain).encode()) > limits.FORM_SCHEMA_BYTES:
        raise TooLarge(
            f"the schema of a form has at most {limits.FORM_SCHEMA_BYTES} bytes", remedy="ask for less in one form"
        )
    if plain.get("type") != "object" or not isinstance(plain.get("properties"), dict):
        raise Invalid("the schema of a form is of type object and has properties", remedy=_EXAMPLE)
    _only_known(plain, 0)
    try:
        Draft202012Validator.check_schema(_without_words(plain))
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the schema"
        raise Invalid(f"the schema of the form, {where}: {error.message[:300]}", remedy=_EXAMPLE) from None
    return plain


def mistakes(schema: Mapping[str, object], form: Mapping[str, object]) -> list[dict[str, object]]:
    """What is wrong with a filled form, ``[{"field", "message"}]`` in the order of its fields; nothing when it is right.

    ``field`` is the path to the value, ``a/b/0``; ``message`` is in both languages. Raises :class:`TooLarge`.
    """
    if len(canonical(form).encode()) > limits.FORM_BYTES:
        raise TooLarge(f"a form has at most {limits.FORM_BYTES} bytes", remedy="attach a file instead")
    found: list[dict[str, object]] = []
    for error in _validator(canonical(schema)).iter_errors(json.loads(canonical(form))):
        for field, message in _told(error):
            found.append({"field": field, "message": message})
            if len(found) == limits.FORM_ERRORS:
                return found
    return sorted(found, key=lambda each: str(each["field"]))


_EXAMPLE = "e.g. schema: {type: object, properties: {count: {type: integer, minimum: 0}}, required: [count]}"


def _only_known(schema: object, depth: int) -> None:
    if depth > limits.FORM_SCHEMA_DEPTH:
        raise Invalid(f"a form is nested at most {limits.FORM_SCHEMA_DEPTH} deep", remedy="make it flatter")
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise Invalid("a part of the form's schema is not a mapping", remedy=_EXAMPLE)
    strange = sorted(schema.keys() - _KEYWORDS)
    if strange:
        raise Invalid(
            f"the schema of a form has no {', '.join(strange)}", remedy=f"it has {', '.join(sorted(_KEYWORDS))}"
        )
    for word in ("title", "description"):
        said = schema.get(word)
        if isinstance(said, dict) and (
            set(said) != set(LANGUAGES) or not all(isinstance(each, str) for each in said.values())
        ):
            raise Invalid(f"a {word} of the form is not in both languages", remedy="write {zh-CN: …, en: …}")
    if schema.get("format") not in (None, *_FORMATS):
        raise Invalid(f"a form has no format {schema['format']!r}", remedy=f"formats: {', '.join(_FORMATS)}")
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        try:
            if len(pattern) > limits.FORM_PATTERN_CHARS:
                raise ValueError
            _pattern(pattern)
        except Exception:  # of a kind that the library does not name
            raise Invalid(
                f"the pattern {pattern[:60]!r} cannot be used",
                remedy=f"at most {limits.FORM_PATTERN_CHARS} characters, without look-around and back-references",
            ) from None
    properties = schema.get("properties")
    parts = [schema[name] for name in ("items", "additionalProperties") if name in schema]
    for part in [*parts, *(properties.values() if isinstance(properties, dict) else ())]:
        _only_known(part, depth + 1)


def _without_words(schema: Any) -> Any:
    """The schema without what is written for people, whose titles in two languages JSON Schema does not know."""
    if not isinstance(schema, dict):
        return schema
    plain = {name: value for name, value in schema.items() if name not in _WORDS}
    for name in ("items", "additionalProperties"):
        if name in plain:
            plain[name] = _without_words(plain[name])
    if isinstance(plain.get("properties"), dict):
        plain["properties"] = {name: _without_words(part) for name, part in plain["properties"].items()}
    return plain


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> TypeAdapter[str]:
    kind: Any = Annotated[str, StringConstraints(pattern=pattern)]
    return TypeAdapter(kind)


def _matches(validator: Any, pattern: str, value: object, schema: object) -> Iterator[ValidationError]:
    if isinstance(value, str):
        try:
            _pattern(pattern).validate_python(value)
        except Mismatch:
            yield ValidationError(f"does not match {pattern}")


_Validator: Any = extend(Draft202012Validator, {"pattern": _matches})  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Any:
    return _Validator(_without_words(json.loads(schema)), format_checker=Draft202012Validator.FORMAT_CHECKER)


_TYPES: Mapping[str, Text] = {
    "string": text("文字", "a text"),
    "integer": text("整数", "a whole number"),
    "number": text("数字", "a number"),
    "boolean": text("是或否", "yes or no"),
    "array": text("列表", "a list"),
    "object": text("一组字段", "a group of fields"),
    "null": text("空", "nothing"),
}


def _told(error: ValidationError) -> Iterator[tuple[str, Text]]:
    """The mistake in words that whoever filled the form understands, at the field to mend."""
    path = [str(part) for part in error.absolute_path]
    rule = str(error.validator)
    limit: Any = error.validator_value
    given: Any = error.instance
    if rule == "required":
        # jsonschema tells each missing field by itself
        missing = [name for name in limit if error.message.startswith(repr(name))]
        for name in missing[:1]:
            yield "/".join([*path, str(name)]), text("必填", "is needed")
        return
    if rule == "additionalProperties" and limit is False:
        known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        for name in sorted(set(given) - set(known))[: limits.FORM_ERRORS]:
            yield "/".join([*path, str(name)[:60]]), text("表单中没有这一项", "is no field of this form")
        return
    yield "/".join(path), _words(rule, limit)


def _words(rule: str, limit: Any) -> Text:
    shown = str(limit)[:200]
    if rule == "type":
        kinds = [limit] if isinstance(limit, str) else list(limit)
        zh, en = ([_TYPES[kind][language] for kind in kinds if kind in _TYPES] for language in LANGUAGES)
        return text(f"应为{'或'.join(zh)}", f"must be {' or '.join(en)}")
    if rule in ("enum", "const"):
        allowed = [limit] if rule == "const" else list(limit)
        listed = ", ".join(str(each)[:60] for each in allowed[:20])
        return text(f"应为以下之一：{listed}", f"must be one of: {listed}")
    told = {
        "minimum": text(f"不得小于 {shown}", f"must not be less than {shown}"),
        "maximum": text(f"不得大于 {shown}", f"must not be more than {shown}"),
        "exclusiveMinimum": text(f"应大于 {shown}", f"must be more than {shown}"),
        "exclusiveMaximum": text(f"应小于 {shown}", f"must be less than {shown}"),
        "multipleOf": text(f"应为 {shown} 的倍数", f"must be a multiple of {shown}"),
        "minLength": text(f"至少 {shown} 个字", f"must have at least {shown} characters"),
        "maxLength": text(f"至多 {shown} 个字", f"must have at most {shown} characters"),
        "minItems": text(f"至少 {shown} 项", f"must have at least {shown} items"),
        "maxItems": text(f"至多 {shown} 项", f"must have at most {shown} items"),
        "uniqueItems": text("各项不得重复", "must not have the same item twice"),
        "pattern": text("格式不对", "is not in the right form"),
        "format": text(f"格式应为 {shown}", f"must be a {shown}"),
        "additionalProperties": text("此处不应有内容", "must be left out"),
    }
    return told.get(rule) or text("不符合要求", "is not acceptable")
