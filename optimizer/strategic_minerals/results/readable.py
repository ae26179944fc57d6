"""Tables for readers: names and units of columns, and scenarios told by what happens in them."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from ..data.column_words import UNITS
from ..schemas.plan import Plan


def unit_of(column: str, table: pd.DataFrame) -> str:
    """Unit of a column by its name; for values with a unit beside them, that column."""
    if column == "value" and "unit" in table.columns:
        return "see column unit"
    return next((unit for ending, unit in UNITS.items() if column == ending.strip("_") or column.endswith(ending)), "")


def heading(column: str) -> str:
    """A column's name for readers, its unit in brackets."""
    for ending, unit in UNITS.items():
        if ending.startswith("_") and column.endswith(ending):
            return f"{column.removesuffix(ending).replace('_', ' ')} [{unit}]"
    return str(column).replace("_", " ")


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
