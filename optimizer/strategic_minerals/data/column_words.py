"""Figures of the tables in words: what a column holds, of what, and how much in which unit."""

from __future__ import annotations

import re

from ..schemas.columns import Column, column_of, stem_and_unit
from ..schemas.tables import TABLES
from .names import Names

ENDS = {"_low": "lowest estimate of the ", "_high": "highest estimate of the "}


KNOWN: dict[str, Column] = {
    name: column
    for model in reversed(TABLES.values())
    for name, field in model.model_fields.items()
    if (column := column_of(field)).label
}
"""Name of a column -> what the first table that has a label for it says of it."""


def column_in_words(column: str) -> str:
    """What a column holds: `largest quantity on offer`; for an end of a range that as well."""
    for end, words in ENDS.items():
        if column.endswith(end):
            return f"{words}{column_in_words(column.removesuffix(end))}"
    return KNOWN[column].label if column in KNOWN else stem_and_unit(column)[0].replace("_", " ")


def is_share(column: str) -> bool:
    """Whether a column holds a share, which is written as a percentage for people."""
    return column.endswith("_share") or (column in KNOWN and KNOWN[column].unit == "share")


def unit_in_words(column: str) -> str:
    """The unit of a column after a number, with a blank before it; empty where it has none that one says."""
    _, unit = stem_and_unit(_value_of(column))
    return f" {unit}" if unit and unit != "share" else ""


def amount_in_words(column: str, value: float) -> str:
    """A value with its unit: `15%`, `1.87 t/yr`."""
    if is_share(_value_of(column)):
        return f"{100 * value:.3g}%"
    return f"{number_in_words(value)}{unit_in_words(column)}"


def _value_of(column: str) -> str:
    """The column of whose range it is an end; itself where it is none."""
    return column.removesuffix("_low").removesuffix("_high")


def number_in_words(value: float, figures: int = 3) -> str:
    """So many figures, or all before the point where there are more; without an exponent from 0.0001 on."""
    return f"{value:,.0f}" if abs(value) >= 10**figures - 0.5 else f"{value:,.{figures}g}"


PARTS = {"*": "all", "direct": "the controlled flow", "effective": "arrivals of all origins"}
"""Parts of keys that are no names."""


def owner_in_words(key: str, names: Names) -> str:
    """Whose figure it is, by the names of the parts of its row's key: `Gallium, defence, 2026`; `*` in it stands for all, a number
    with a point for the month from which on a step of a profile counts."""
    return ", ".join(_part_in_words(part, names) for part in key.split("/"))


def _part_in_words(part: str, names: Names) -> str:
    if re.fullmatch(r"\d+\.\d+", part):
        return f"from month {float(part):g}"
    return PARTS.get(part) or names.any(part)


def range_in_words(key: str, column: str, low: float, value: float, high: float, names: Names) -> str:
    """An uncertain figure: `Gallium, defence, 2026: demand 1.87 t/yr (0.561 to 5.61)`."""
    unit = unit_in_words(column)
    first, last = (amount_in_words(column, end).removesuffix(unit) for end in (low, high))
    return (
        f"{owner_in_words(key, names)}: {column_in_words(column)} {amount_in_words(column, value)} ({first} to {last})"
    )
