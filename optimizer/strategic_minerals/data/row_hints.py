"""Names of a plan that cannot be names, such as `War in the Pacific` or `MCS 2024`: the rows of the tables that were meant."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace

from ..core.errors import Fault, near_miss
from ..schemas.descriptions import NAME, PATTERNS
from .dataset import Dataset
from .known_names import Known, material_names, names_in, segment_names

TABLES_OF = {
    "price_set": ("prices", "price_set"),
    "loss_function": ("loss_functions", "loss_function"),
    "hazard": ("hazards", "hazard"),
}
"""Field of a plan -> table and column that define its names."""


def with_row_hints(faults: Iterable[Fault], data: Dataset | None) -> list[Fault]:
    """Faults of a plan; where one has a text that is no name, what the tables have that it may have meant.

    data: the tables; None: they could not be read.
    """
    return [fault if data is None else _with_row_hint(fault, data) for fault in faults]


def _with_row_hint(fault: Fault, data: Dataset) -> Fault:
    field = next((part for part in reversed(fault.column.split(".")) if not part.isdigit()), "")
    known = _known(field, data) if fault.expected.startswith(PATTERNS[NAME]) else None
    if known is None:
        return fault
    near = near_miss(_text(fault.found), known.names, known.called)
    return replace(fault, expected=f"{known.where}{near}") if near else fault


def _known(field: str, data: Dataset) -> Known | None:
    """Names that a field of a plan may have; None for one that names no row."""
    if field in TABLES_OF:
        table, column = TABLES_OF[field]
        return names_in(data, table, column, f"a {column.replace('_', ' ')} of {table}.csv")
    if field == "material":
        return material_names(data)
    return segment_names(data) if field == "segment" else None


def _text(found: str) -> str:
    """The text that a fault shows in quotation marks; empty where it was shortened."""
    try:
        return str(ast.literal_eval(found))
    except (ValueError, SyntaxError):
        return ""
