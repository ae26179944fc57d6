"""Tables for readers: names and units of columns, and scenarios told by what happens in them."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from ..schemas.columns import UNITS, stem_and_unit
from ..schemas.plan import Plan

NAMED_UNITS = {
    "share": "share",
    "probability": "probability",
    "days_of_use": "days of that year's use",
    "fiscal_year": "fiscal year",
    "period": "fiscal year, and the part of it where there are several",
}
"""How names of a result's columns end whose unit is no ending -> unit."""
HEADINGS = {
    "sentence": "in words",
    "gained": "added at the larger budget",
    "lost": "dropped at the larger budget",
    "appropriation below": "smaller budget",
    "appropriation above": "larger budget",
    "in sample": "in the plan's own scenarios",
    "do nothing": "without the plan",
    "do": "what to do",
}
"""A column's name, its unit taken away -> what readers read."""
PARTS = {"cvar": "CVaR", "defence short": "probability of a defence shortfall"}
"""Words within a column's name -> what readers read."""
ENDED = {
    "optimal": "proven best",
    "within_gap": "proven best but for the gap that is told",
    "time_limit": "stopped at the time limit",
    "stalled": "incomplete: the solver gave no answer in part of the search",
    "interrupted": "interrupted",
    "out_of_memory": "stopped at the memory limit",
}
"""Reason of an outcome -> how the solve ended."""
ALTERNATIVES = {
    "nothing": "doing nothing",
    "nothing before events": "crisis purchases only",
    "base-case shortfall filled": "stock for the base-case shortfall",
}
"""Alternatives of a plan that need other words than their own -> these words."""


def unit_of(column: str, table: pd.DataFrame) -> str:
    """Unit of a column by its name; for values with a unit beside them, that column."""
    if column == "value" and "unit" in table.columns:
        return "see column unit"
    units = {**UNITS, **NAMED_UNITS}
    return next((unit for ending, unit in units.items() if column == ending.strip("_") or column.endswith(ending)), "")


def heading(column: str) -> str:
    """A column's name for readers, its unit in brackets; `_low` and `_high` are the ends of a range or an interval."""
    for end in ("low", "high"):
        whole = str(column).removesuffix(f"_{end}")
        if whole == column:
            continue
        name, bracket, unit = heading(whole).partition(" [")
        if bracket or name in PARTS.values():
            return f"{name}, {end} end{bracket}{unit}"
    stem, unit = stem_and_unit(str(column))
    return f"{_words(stem)} [{unit}]" if unit else _words(stem)


def _words(column: str) -> str:
    """A column's name, its unit taken away, in words."""
    words = str(column).replace("_", " ")
    for part, said in PARTS.items():
        if f" {part} " in f" {words} ":
            return words.replace(part, said)
    return HEADINGS.get(words, words)


def scenario_names(plan: Plan, losses: pd.DataFrame, *, told: bool = False) -> dict[str, str]:
    """Scenario -> what readers are told of it, no two alike: one that the plan lists keeps its name, one that was drawn is told by
    what happens in it.

    losses: the table `scenario_losses`. told: whether what happens is told of listed scenarios too.
    """
    listed = {scenario.name for scenario in plan.scenarios}
    happens = dict(zip(losses["scenario"], losses["what_happens"], strict=True))
    times = Counter(words for code, words in happens.items() if code not in listed)
    found = {}
    for code, words in happens.items():
        if code in listed:
            found[code] = f"{code} ({words})" if told else code
        else:
            found[code] = words if times[words] == 1 else f"{words} ({code})"
    return found
