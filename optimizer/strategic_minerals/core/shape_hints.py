"""Interpret a value of the wrong type: a list written as text, a table of factors, text in a list."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

LONGEST = 200
"""Characters of a text in which another shape is looked for."""
MOST_YEARS = 60
PAIR = re.compile(r"(?P<name>[A-Za-z_][\w-]*)\s*[=: ]\s*(?P<factor>\d+(?:\.\d+)?|\.\d+)")
YEARS = re.compile(
    r"\[?\s*(?:FY\s*)?(?P<first>\d{4})\s*(?:-|\u2013|to|\.\.\.?|bis)\s*(?:FY\s*)?(?P<last>\d{4})\s*\]?", re.ASCII
)
FIGURES = re.compile(r"\[?\s*-?\d+(?:\.\d+)?(?:[\s,;]+-?\d+(?:\.\d+)?)*\s*\]?", re.ASCII)


def shape_hint(value: Any, kinds: Collection[str], items: Collection[str]) -> str:
    """What to write in place of a value, in words; empty where nothing is near.

    kinds: of JSON that the field takes. items: those of the entries of its list or table.
    """
    if isinstance(value, list | tuple):
        texts = value and all(isinstance(entry, str) for entry in value) and len(value) <= MOST_YEARS
        return f"text: {json.dumps(' '.join(value))}" if texts and "string" in kinds and "array" not in kinds else ""
    if "array" in kinds and isinstance(value, int | float | str) and not isinstance(value, bool):
        return _list(value, items) if {"integer", "number"} & {*items} else ""
    if (
        isinstance(value, str)
        and "object" in kinds
        and "string" not in kinds
        and "number" in items
        and len(value) <= LONGEST
    ):
        return _factors(value)
    return ""


def _list(value: float | str, items: Collection[str]) -> str:
    """Years or figures in a list."""
    if not isinstance(value, str):
        return f"a list: [{value}]"
    years = YEARS.fullmatch(value.strip()) if "integer" in items else None
    if years and 0 <= int(years["last"]) - int(years["first"]) <= MOST_YEARS:
        return f"a list: [{', '.join(map(str, range(int(years['first']), int(years['last']) + 1)))}]"
    if len(value) <= LONGEST and FIGURES.fullmatch(value.strip()):
        return f"a list: [{', '.join(re.findall(r'-?[0-9.]+', value))}]"
    return ""


def _factors(value: str) -> str:
    """Pairs of a name and a factor as a table."""
    found = list(PAIR.finditer(value))
    if not found or re.sub(r"[\s,;{}]+", "", PAIR.sub("", value)):
        return ""
    return f"a table: {{ {', '.join(f'{pair[1]} = {pair[2]}' for pair in found)} }}"
