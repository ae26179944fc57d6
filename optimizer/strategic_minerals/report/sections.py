"""Tables of the page after the figures: studies, the most uncertain estimates, the age of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ..data.column_words import owner_in_words
from ..data.names import Names
from ..results.notes import provenance
from ..results.readable import ALTERNATIVES, heading
from ..results.result import Result
from .charts import money_unit

MOST_ESTIMATES = 25
BESIDE = {"figure": "meaning", "below": "appropriation_below_musd", "above": "appropriation_above_musd"}
"""Columns for programs -> those that say the same to readers."""
REGRET = "Largest regret: how much worse, at most, than the best plan for the scenario that comes."


@dataclass(frozen=True)
class Section:
    """A table with its words."""

    name: str
    title: str
    note: str
    table: pd.DataFrame


def sections(result: Result, analyses: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Tables of the page after the figures."""
    wide, names = provenance(result.plan, result.data).widest.head(MOST_ESTIMATES), Names.of(result.data)
    keys = zip(wide["key"], wide["column"], strict=True)
    said = [f"{owner_in_words(key, names)}: {heading(column)}" for key, column in keys]
    wide = pd.concat([pd.Series(said, index=wide.index, name="estimate", dtype=object), wide], axis=1)
    found: list[Section] = [
        Section(name, title, note, in_sentences(analyses[key]))
        for key, name, title, note in (
            (
                "explain/reasons",
                "reasons",
                "Why each item was chosen or rejected",
                "How much better or worse the plan is with each item, solved again with the item and without it. M: "
                f"{money_unit(result)}, discounted. The codes in brackets are those that the command explain takes.",
            ),
            (
                "explain/prices",
                "prices",
                "What one more unit is worth",
                f"Shadow prices in {money_unit(result)}, for the commitments of this plan and for small changes.",
            ),
            (
                "explain/break_evens",
                "break-evens",
                "What would change the decision",
                "Solved again at each value, with the item and without it.",
            ),
            (
                "alternatives/extremes",
                "alternatives",
                "Plans that are nearly as good",
                "How far each figure can move in plans that are nearly as good as this one.",
            ),
            (
                "worth/alternatives",
                "rules-of-thumb",
                "Compared with rules of thumb",
                f"All alternatives, in the plan's own scenarios; {money_unit(result)}, discounted. {REGRET}",
            ),
            (
                "rules/rules",
                "rules-of-ministries",
                "Beside what ministries do",
                f"In the same new scenarios, each rule at its own money and at as much as the plan spends; {money_unit(result)}, "
                "discounted, with 95% intervals.",
            ),
            (
                "worth/fresh_scenarios",
                "fresh-scenarios",
                "Compared with rules of thumb, in new random scenarios",
                f"Each figure with the low and the high end of its 95% confidence interval; {money_unit(result)}, discounted.",
            ),
            (
                "stress/figures",
                "stress",
                "Stress test",
                "The plan in new random scenarios, which were not used to make it, with the low and the high end of each "
                f"confidence interval; {money_unit(result)}, discounted.",
            ),
            (
                "frontier/switches",
                "switches",
                "Budgets at which the plan changes",
                f"Somewhere between the two budgets of a row the choice of projects, floors and contracts changes "
                f"({money_unit(result)}, discounted).",
            ),
            (
                "scenarios/replay",
                "replay",
                "Observed disruptions and what the hazards say of them",
                "Years of normal supply lost: as observed, and in events of the hazard (mean, 5 % and 95 % points).",
            ),
        )
        if key in analyses and len(analyses[key])
    ]
    years = _vintage(result)
    ore = result.tables.get("ore_reserves")
    if ore is not None:
        runs = " In this plan a mine ends when they do." if result.plan.ore_runs_out else ""
        note = f"Reserves as published, and how many years of the latest mine output they are; exploration adds to them.{runs}"
        found.append(Section("ore", "Who holds the ore", note, ore.drop(columns=["materials", "country"])))
    return [
        *found,
        Section(
            "estimates",
            "Most uncertain estimates",
            "The estimates with the widest ranges among those that the plan uses, and the cells of the tables that have them. "
            "Spread: high end less low end, as a share of the value.",
            wide,
        ),
        Section(
            "vintage",
            "Age of the data",
            "How many rows each table has, how many of them are estimates, and the oldest and the newest year to which they refer.",
            years,
        ),
    ]


def _vintage(result: Result) -> pd.DataFrame:
    rows = []
    for table in result.data.tables:
        found = result.data.rows(table)
        years = [row.year for row in found if getattr(row, "year", None) is not None]
        guessed = sum(getattr(row, "confidence", "") == "estimate" for row in found)
        rows.append(
            {
                "table": table,
                "rows": len(found),
                "estimates": guessed,
                "oldest": min(years, default=None),
                "newest": max(years, default=None),
            }
        )
    return pd.DataFrame(rows)


def in_sentences(table: pd.DataFrame) -> pd.DataFrame:
    """A table for readers: its sentences alone where it has them, names in place of codes. The file to download has all."""
    if "sentence" in table.columns:
        return pd.DataFrame({"sentence": [said[:1].upper() + said[1:] for said in table["sentence"].astype(str)]})
    if "alternative" in table.columns:
        return table.replace({"alternative": ALTERNATIVES})
    return table.drop(columns=[column for column, beside in BESIDE.items() if {column, beside} <= set(table.columns)])
