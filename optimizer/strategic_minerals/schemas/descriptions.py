"""Words for people: what a field of a plan means, and what was expected in place of a wrong value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from pydantic import BaseModel

from ..core.errors import near_miss
from ..core.letter_hints import foreign, latin
from ..core.names import UNIONS, country_codes, in_ascii, plain
from ..core.year_hints import YearKind, figure_hint, year_hint, year_list

EXPECTED = {
    "float_parsing": "a plain number such as 374 or 0.5: no comma, percent sign, unit or date",
    "float_type": "a number",
    "int_parsing": "an integer",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of at most 18 digits",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "missing": "a value",
    "tuple_type": "a list, such as [1, 2]; of tables: [[...]]",
    "list_type": "a list, such as [1, 2]; of tables: [[...]]",
    "dict_type": "a table, such as { 2027 = 100 }",
    "model_type": "a table with fields",
    "model_attributes_type": "a table with fields",
    "extra_forbidden": "a known field",
    "invalid_key": "names that are text",
    "string_type": "text",
    "string_unicode": "text in UTF-8",
    "date_from_datetime_parsing": "a date such as 2026-11-25",
    "date_parsing": "a date such as 2026-11-25",
    "date_from_datetime_inexact": "a date such as 2026-11-25, without a time",
    "date_type": "a date such as 2026-11-25",
    "finite_number": "a finite number",
}
LENGTHS = {
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_short": "a list of at least {min_length} (this has {actual_length})",
    "too_long": "a list of at most {max_length} (this has {actual_length})",
    "multiple_of": "a multiple of {multiple_of}",
    "union_tag_invalid": "one of {expected_tags}",
    "union_tag_not_found": "a field {discriminator} that states its kind",
}
"""The same, with the limits."""
TRUTHS = {
    "yes": "true",
    "y": "true",
    "on": "true",
    "x": "true",
    "true": "true",
    "no": "false",
    "n": "false",
    "off": "false",
    "false": "false",
    "none": "false",
}
COUNTRY, NAME = "^[A-Z]{3}$", "^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
ONE_HOME = "a country, or a union that the table homes names, such as EUU for the European Union"
PATTERNS = {
    COUNTRY: "three capital letters, a code of countries.csv such as AUS",
    "^[A-Z][A-Z]{2}$": "three capital letters, an ISO 4217 code of money such as JPY",
    NAME: "a name of letters, digits and _ . + - without spaces",
}


def expected(item: Mapping[str, Any], column: str = "", years: YearKind = "") -> str:
    """What was expected in place of a wrong value, in plain words and not those of the validator.

    column: where the value stands, where that is another than the last part of the error's place. years: kind of year that it is.
    """
    kind, value = str(item["type"]), item.get("input")
    if kind == "string_pattern_mismatch":
        place = column or next((str(part) for part in reversed(item.get("loc", ()))), "")
        return _pattern(item["ctx"]["pattern"], str(value), place)
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", item["ctx"]["expected"])
        return f"one of {item['ctx']['expected']}{near_miss(value, choices) if isinstance(value, str) else ''}"
    if kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than"):
        (limit,) = item["ctx"].values()
        sides = {"greater_than_equal": "at least", "less_than_equal": "at most", "greater_than": "more than"}
        place = column or next((str(part) for part in reversed(item.get("loc", ()))), "")
        upper = kind in ("less_than_equal", "less_than")
        of_one = (upper and limit in (0.5, 1)) or (place.endswith("_share") and limit not in (0, 1))
        share = _as_share(value) if of_one else ""
        year = year_hint(value, years) if years else ""
        return f"{sides.get(kind, 'less than')} {limit:g}{share}{f': {year}' if year else ''}"
    if kind in LENGTHS:
        return LENGTHS[kind].format(**item["ctx"])
    if kind == "value_error":
        words = str(item["msg"]).removeprefix("Value error, ")
    else:
        words = EXPECTED.get(kind, "a value of another type")
    place = column or next((str(part) for part in reversed(item.get("loc", ()))), "")
    return _with_hint(words, kind, value, place, years)


def _as_share(value: Any) -> str:
    """How a share is written, and what a value that is none would be as one."""
    words = "a share: 3 % is 0.03"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return f" ({words})"
    if abs(number) <= PERCENT and number != EXAMPLE:
        words += f", {number:g} % is {number / 100:g}"
    if LEAST_RISE <= number - 1 < 1:
        words += f", and {100 * (number - 1):.4g} % more is {number - 1:.4g}"
    return f" ({words})"


LEAST_RISE = 1e-3
"""A figure nearer to 1 was not meant as 1 and a rise."""
EXAMPLE = 3
"""Percentage by which it is said how a share is written."""
PERCENT = 1000.0
"""Beyond it a number is no percentage of anything."""


def _with_hint(words: str, kind: str, value: Any, column: str, years: YearKind) -> str:
    """What was expected, and what a text, or a date, in its place was meant to be."""
    is_number = words.startswith(("a number", "a plain number", "an integer"))
    if not isinstance(value, str):
        if not (years and is_number):
            return words
        if isinstance(value, list | tuple):
            return year_list(value, years) or words
        year = year_hint(value, years)
        return f"{words}: {year}" if year else words
    if kind in ("tuple_type", "list_type"):
        parts = [part for part in re.split(r"[\s,;]+", value.strip(" []")) if part]
        odd = f" ({foreign(value)})" if foreign(value[:LONGEST]) else ""
        listed = json.dumps([latin(part) for part in parts[:20]], ensure_ascii=False)
        return f"a list: {listed}{odd}" if parts and len(value) <= LONGEST else words
    if words.startswith("true or false"):
        meant = TRUTHS.get(value.strip().lower(), "")
        return f"{words}: {meant}" if meant else words
    if is_number:
        meant = figure_hint(value, column, years)
        if words.startswith("an integer") and meant == value.strip():
            return words
        short = words.partition(" such as")[0] if meant else words
        return f"{short}: {meant}" if meant else words
    return words


def _pattern(pattern: str, value: str, place: str = "") -> str:
    """What was expected of a text that is of another form, and what it may have been meant to be. place: the field."""
    words = PATTERNS.get(pattern, "text in another form")
    if pattern == COUNTRY and plain(value[:LONGEST]) in UNIONS:
        return f"{words}: {ONE_HOME if place == 'home' else 'one country'}"
    if pattern == COUNTRY:
        return words + near_miss(value, set(country_codes().values()))
    odd = f" ({foreign(value[:LONGEST])})" if foreign(value[:LONGEST]) else ""
    if len(value) > LONGEST or not value.strip():
        return words
    if value != value.strip() and re.fullmatch(pattern, value.strip()):
        return f"{value.strip()!r}, without the space before or after it"
    if pattern == NAME and not re.match("[A-Za-z0-9]", value):
        words += ", which begins with a letter or a digit"
    bare = re.sub(r"[^A-Za-z0-9_.+-]+", "_", in_ascii(latin(value)).strip(" '\"\u2018\u2019\u201c\u201d\u00a0")).strip(
        "_"
    )
    return f"{words}, such as {bare!r}{odd}" if re.fullmatch(pattern, bare) else f"{words}{odd}"


LONGEST = 60
"""Characters of a text for which something else is proposed."""


def field_meaning(model: type[BaseModel], field: str) -> str:
    """What a dotted field of a plan means: the description that its schema gives; empty where it has none."""
    schema = _schema(model)
    node: Any = schema
    for part in field.split("."):
        node = _settled(node, schema)
        node = node.get("items", {}) if part.isdigit() and "items" in node else node.get("properties", {}).get(part, {})
    return " ".join(str(node.get("description", "")).split())


def list_at(model: type[BaseModel], field: str) -> str:
    """Kind of the entries where a dotted field is a list of plain values, e.g. `string` or `number`; empty where it is none."""
    schema = _schema(model)
    node: Any = schema
    for part in field.split("."):
        node = _settled(node, schema)
        node = node.get("items", {}) if part.isdigit() and "items" in node else node.get("properties", {}).get(part, {})
    node = _settled(node, schema)
    return str(node.get("items", {}).get("type", "")) if node.get("type") == "array" else ""


def kinds_at(model: type[BaseModel], field: str) -> frozenset[str]:
    """Kinds of JSON that a dotted field may have, e.g. `string`, `number`, `null`; empty where there is no such field."""
    return frozenset(str(node["type"]) for node in _nodes_at(model, field) if "type" in node)


def default_at(model: type[BaseModel], field: str) -> Any:
    """What a dotted field has where a plan says nothing of it; None: nothing, or no such field."""
    return next((node["default"] for node in _nodes_at(model, field) if "default" in node), None)


def years_at(model: type[BaseModel], field: str) -> YearKind:
    """Which kind of year a dotted field, or each entry of its list, holds; empty where it holds none."""
    nodes = [*_nodes_at(model, field), *_inner_at(model, field)]
    kinds = {node.get("type") for node in nodes if (node.get("minimum"), node.get("maximum")) == YEARS}
    return "whole" if "integer" in kinds else "decimal" if "number" in kinds else ""


YEARS = (1900, 2200)
"""Limits by which a schema's node is known to be a year."""


def items_at(model: type[BaseModel], field: str) -> frozenset[str]:
    """Kinds of what a list or a table of figures at a dotted field holds; empty where it is neither."""
    return frozenset(str(node["type"]) for node in _inner_at(model, field) if "type" in node)


def _inner_at(model: type[BaseModel], field: str) -> list[Any]:
    """What the schema says of the entries of a list or a table of figures at a dotted field."""
    schema = _schema(model)
    inner = [node.get("items", node.get("additionalProperties")) for node in _nodes_at(model, field)]
    return [choice for node in inner if isinstance(node, dict) for choice in _choices(node, schema)]


@lru_cache(maxsize=1024)  # callers choose the key
def _nodes_at(model: type[BaseModel], field: str) -> list[Any]:
    """What the schema says of a dotted field, a node for each choice."""
    schema = _schema(model)
    nodes = _choices(schema, schema)
    for part in field.split("."):
        inner = [child for node in nodes if (child := _child(node, part)) is not None]
        nodes = [choice for child in inner for choice in _choices(child, schema)]
    return nodes


def _child(node: Any, part: str) -> Any:
    """What the schema of a node says of one of its parts; None: nothing."""
    if part.isdigit() and "items" in node:
        return node["items"]
    other = node.get("additionalProperties")
    return node.get("properties", {}).get(part, other if isinstance(other, dict) else None)


def _choices(node: Any, schema: Mapping[str, Any]) -> list[Any]:
    """A schema's node as the nodes behind its references and choices."""
    if "$ref" in node:
        return _choices(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    options = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    return [found for option in options for found in _choices(option, schema)] if options else [node]


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _settled(node: Any, schema: Mapping[str, Any]) -> Any:
    """A schema's node behind references and choices."""
    while "$ref" in node or "anyOf" in node:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        else:
            node = next((option for option in node["anyOf"] if "$ref" in option or "items" in option), {})
    return node
