"""What is missing from a question: materials without data, tables and fields without a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ..answer.notes import without_data
from ..answer.study import Study
from ..core.frames import rows_of
from ..core.verb import verb
from ..question.base import key_of
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import Plan
from ..question.references import select_materials
from ..world.events import resolver, sampled

WANTED = {
    "demand": "no demand: only the use by plants counts",
    "loss_functions": "no loss in the plan's loss function: a shortage costs nothing beyond the price",
    "prices": "no price in the plan's price set",
    "offers": "no offer: the reserve cannot buy it",
    "stock": "no known opening stock: counted as zero",
    "substitution": "no substitution step: users cannot replace it",
    "hazards": "no event and no sampled hazard of the plan affects it: its supply is never cut",
    "yields": "no known source",
}
"""Tables in which a planned material should have a row, and what it means where it has none."""
TITLES = {
    "gaps": "Materials without a row",
    "empty": "Empty fields",
    "listed": "The official list",
    "not_planned": "Left out of all plans",
}
"""Headings of the tables."""


@verb
def complete(plan: Plan, data: Dataset) -> Study:
    """List what the data lack: materials without data, and empty fields. A sweep ranks estimates by their effect on the answer.

    Tables: `gaps`, material, table, meaning: planned materials without a row where one is expected. `empty`, table, column, empty,
    rows: numbers that some rows have and others leave empty. `listed`, mineral, name, rank, planned: the official list of the home
    country; whether plans can use each. `not_planned`, kind, item, name, why, next_source: minerals and projects that plans leave
    out for want of a published figure. Fact `minerals_without_data`: minerals with published facts that no plan can use yet.
    """
    chosen = sorted(select_materials(plan, data))
    gaps = [
        (material, table, meaning)
        for table, meaning in WANTED.items()
        for material in chosen
        if not _covered(plan, data, table, material)
    ]
    not_planned = [(row.kind, row.item, row.name, row.why, row.next_source) for row in data.rows("not_planned")]
    tables = {
        "gaps": pd.DataFrame(gaps, columns=["material", "table", "meaning"]),
        "empty": _empty(plan, data, set(chosen)),
        "listed": _listed(data),
        "not_planned": pd.DataFrame(not_planned, columns=["kind", "item", "name", "why", "next_source"]),
    }
    lacking = tuple(without_data(data))
    words = _words(tables, lacking, Names.of(data))
    return Study("missing", tables, words, {"minerals_without_data": lacking}, TITLES)


def _words(tables: Mapping[str, pd.DataFrame], lacking: Sequence[str], names: Names) -> list[str]:
    lines = ["COMPLETENESS: what is missing from this question"]
    if len(tables["listed"]):
        planned = int(tables["listed"]["planned"].sum())
        lines.append(f"  of the {len(tables['listed'])} minerals of the official list plans can use {planned}")
    for row in rows_of(tables["not_planned"]):
        lines.append(f"  no plan has {row.name}: {row.why}; next source: {row.next_source}")
    if lacking:
        minerals = ", ".join(lacking).replace("_", " ")
        lines.append(f"  minerals with published facts but without planning data: {minerals}")
    for meaning, rows in tables["gaps"].groupby("meaning", sort=False):
        lines.append(f"  {meaning}: {', '.join(map(names.material, rows['material']))}")
    for row in rows_of(tables["empty"]):
        lines.append(f"  {row.table}.{row.column}: empty in {row.empty} of the {row.rows} rows that the plan reads")
    return lines


def _listed(data: Dataset) -> pd.DataFrame:
    """The official list, and whether the tables have all materials that each mineral is planned as."""
    known = {row.material for row in data.rows("materials")}
    rows = [
        [row.mineral, row.name, row.rank, bool(row.materials) and set(row.materials.split()) <= known]
        for row in data.rows("listed_minerals")
    ]
    return pd.DataFrame(rows, columns=["mineral", "name", "rank", "planned"]).astype({"planned": bool, "rank": "Int64"})


def _covered(plan: Plan, data: Dataset, table: str, material: str) -> bool:
    """Whether a table has a row for a material that this plan would read; of hazards, whether anything ever touches it."""
    if table == "hazards":
        resolved = resolver(plan, data)
        events = [resolved(event) for scenario in plan.scenarios for event in scenario.events]
        return any({material, "*"} & set(row.materials.split()) for row in (*events, *sampled(plan, data)))
    return any(
        row.material in (material, "*")
        and getattr(row, "yield_t_per_t", 1.0) > 0
        and getattr(row, "price_set", plan.price_set) == plan.price_set
        and getattr(row, "loss_function", plan.loss_function) == plan.loss_function
        for row in data.rows(table)
    )


def _empty(plan: Plan, data: Dataset, chosen: set[str]) -> pd.DataFrame:
    """Columns of numbers with both values and holes among the rows of planned materials."""
    found = []
    for table in WANTED:
        rows = [row for row in data.rows(table) if getattr(row, "material", "*") in (*chosen, "*") and key_of(row)]
        for column in type(rows[0]).model_fields if rows else ():
            values = [getattr(row, column) for row in rows]
            holes = sum(value is None for value in values)
            numeric = any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
            skipped = column.endswith(("_low", "_high")) or column == "year"
            if numeric and holes and not skipped:
                found.append((table, column, holes, len(rows)))
    return pd.DataFrame(found, columns=["table", "column", "empty", "rows"])
