"""Words for people: what a field of a plan means, and what was expected in place of a wrong value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from pydantic import BaseModel

from ..core.errors import near_miss
from ..core.names import country_codes

EXPECTED = {
    "missing": "a value",
    "extra_forbidden": "a known field",
    "greater_than": "more than {gt:.12g}",
    "greater_than_equal": "at least {ge:.12g}",
    "less_than": "less than {lt:.12g}",
    "less_than_equal": "at most {le:.12g}",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "float_parsing": "a plain number such as 374 or 0.5",
    "float_type": "a number",
    "int_parsing": "an integer",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of at most 18 digits",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "string_unicode": "text in UTF-8",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "date_type": "a date such as 2026-11-25",
    "date_parsing": "a date such as 2026-11-25",
    "date_from_datetime_parsing": "a date such as 2026-11-25",
    "date_from_datetime_inexact": "a date such as 2026-11-25, without a time",
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
    "tuple_type": 'a list, such as [2027] or ["gallium"]',
    "list_type": 'a list, such as [2027] or ["gallium"]',
    "too_short": "a list of at least {min_length} (this has {actual_length})",
    "too_long": "a list of at most {max_length} (this has {actual_length})",
    "dict_type": "a table with fields",
    "model_type": "a table with fields",
    "model_attributes_type": "a table with fields",
    "invalid_key": "names that are text",
    "union_tag_invalid": "one of {expected_tags}",
    "union_tag_not_found": "a field {discriminator} that states its kind",
    "value_error": "{error}",
}
"""Kind of error of pydantic -> what was expected, with what the error knows about it."""
PATTERNS = {
    "^[A-Z]{3}$": "three capital letters, an ISO 3166 code such as AUS",
    "^[A-Z][A-Z]{2}$": "three capital letters, an ISO 4217 code of money such as JPY",
    "^[A-Za-z0-9][A-Za-z0-9_.+-]*$": "a name of letters, digits and _ . + - without spaces",
}
"""Pattern -> what has it, in words."""
SHARE = " (a share: 3 % is 0.03)"
SHARES_END = (0.5, 1)
"""Upper limits of shares and rates."""


def expected(item: Mapping[str, Any]) -> str:
    """What one error of pydantic expected, in plain words, with the choice or the country that is near to what was found."""
    kind, value, about = str(item["type"]), item.get("input"), item.get("ctx", {})
    if kind == "string_pattern_mismatch":
        near = near_miss(str(value), set(country_codes().values())) if about["pattern"] == "^[A-Z]{3}$" else ""
        return PATTERNS.get(about["pattern"], "text in another form") + near
    words = EXPECTED.get(kind, "a value of another type").format(**about)
    if kind == "literal_error" and isinstance(value, str):
        words += near_miss(value, re.findall(r"'([^']*)'", about["expected"]))
    return words + (SHARE if kind.startswith("less_than") and next(iter(about.values())) in SHARES_END else "")


def field_meaning(model: type[BaseModel], field: str) -> str:
    """What a dotted field of a plan means: the description that its schema gives; empty where it has none."""
    return " ".join(
        next((str(node["description"]) for node in _nodes_at(model, field) if "description" in node), "").split()
    )


def list_at(model: type[BaseModel], field: str) -> str:
    """Kind of the entries where a dotted field is a list of plain values, e.g. `string` or `number`; empty where it is none."""
    return next((str(node["items"].get("type", "")) for node in _choices_at(model, field) if "items" in node), "")


def kinds_at(model: type[BaseModel], field: str) -> frozenset[str]:
    """Kinds of JSON that a dotted field may have, e.g. `string`, `number`, `null`; empty where there is no such field."""
    return frozenset(str(node["type"]) for node in _choices_at(model, field) if "type" in node)


def fields_at(model: type[BaseModel], field: str) -> list[str]:
    """Names of the fields of a dotted section, or of an entry of a list of sections; empty where it is neither."""
    return list(dict.fromkeys(name for node in _choices_at(model, field) for name in node.get("properties", ())))


def _choices_at(model: type[BaseModel], field: str) -> list[Any]:
    """The nodes of a schema that a dotted field may be, behind references and choices."""
    return [choice for node in _nodes_at(model, field) for choice in _choices(node, _schema(model))]


@lru_cache(maxsize=1024)  # callers choose the key
def _nodes_at(model: type[BaseModel], field: str) -> list[Any]:
    """The nodes of a schema at a dotted field, as they are written; the whole schema for no field."""
    schema = _schema(model)
    nodes = [schema]
    for part in field.split(".") if field else ():
        around = [choice for node in nodes for choice in _choices(node, schema)]
        nodes = [child for node in around if (child := _child(node, part)) is not None]
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
