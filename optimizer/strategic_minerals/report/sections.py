"""Tables of the page after the figures: studies, the most uncertain estimates, the age of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ..data.column_words import column_in_words, number_in_words, owner_in_words, unit_in_words
from ..data.names import Names
from ..results.notes import provenance
from ..results.readable import ALTERNATIVES
from ..results.result import Result
from .figure import money_unit

MOST_ESTIMATES = 15
YEAR = r"/\d{4}$"
"""How the key of a figure of one year ends."""
ESTIMATES = "estimates.csv"
"""File of the page with the estimates and their places."""
LABELS = {
    "reasons": "Reasons",
    "prices": "Prices",
    "break-evens": "Break-evens",
    "alternatives": "Alternatives",
    "rules-of-thumb": "Rules of thumb",
    "rules-of-ministries": "Ministries",
    "fresh-scenarios": "New scenarios",
    "stress": "Stress test",
    "switches": "Switches",
    "replay": "Observed",
}
"""Table of a study -> what the menu calls it."""
BESIDE = {"figure": "meaning", "below": "appropriation_below_musd", "above": "appropriation_above_musd"}
"""Columns for programs -> those that say the same to readers."""
REGRET = "Largest regret: how much worse, at most, than the best plan for the scenario that comes."


@dataclass(frozen=True)
class Section:
    """A table with its words."""

    name: str
    label: str
    """What the menu calls it."""
    title: str
    note: str
    table: pd.DataFrame


def sections(result: Result, analyses: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Tables of the page after the figures."""
    wide = estimates(result)
    found: list[Section] = [
        Section(name, LABELS[name], title, note, in_sentences(analyses[key]))
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
        found.append(Section("ore", "Ore", "Which countries hold the ore", note, _ore(ore)))
    return [
        *found,
        Section(
            "estimates",
            "Estimates",
            "Most uncertain estimates",
            "The estimates with the widest ranges among those that the plan uses. Spread: high end less low end, as a multiple of "
            f"the value. The cells of the tables that hold them are in {ESTIMATES}, among the files.",
            wide.drop(columns=["table", "key", "column"]),
        ),
        Section(
            "vintage",
            "Data",
            "Age of the data",
            "How many rows each table has, how many of them are estimates, and the oldest and the newest year to which they refer.",
            years,
        ),
    ]


def estimates(result: Result) -> pd.DataFrame:
    """estimate (in words), table, key, column, low, value, high, spread: those with the widest ranges first."""
    wide, names = provenance(result.plan, result.data).widest, Names.of(result.data)
    of = wide["key"].str.replace(YEAR, "", regex=True) + " " + wide["column"]
    alike = of.map(of.value_counts())
    first = ~of.duplicated()
    wide, alike = wide[first].head(MOST_ESTIMATES), alike[first].head(MOST_ESTIMATES)
    places = zip(wide["key"], wide["column"], alike, strict=True)
    said = [
        f"{owner_in_words(key, names)}{_beside(count)}: {column_in_words(column)}{_unit(column)}"
        for key, column, count in places
    ]
    return pd.concat([pd.Series(said, index=wide.index, name="estimate", dtype=object), wide], axis=1)


def _beside(count: int) -> str:
    """How many figures of other years an estimate stands for."""
    return f" and {count - 1} more like it" if count > 1 else ""


def _unit(column: str) -> str:
    """The unit of a column in brackets, where it has one."""
    unit = unit_in_words(column).strip()
    return f" [{unit}]" if unit else ""


def _ore(table: pd.DataFrame) -> pd.DataFrame:
    """Who holds the ore, for readers."""
    return pd.DataFrame(
        {
            "country": table["name"],
            "mineral": table["mineral"].str.replace("_", " "),
            "reserves_t": table["reserves_t"],
            "part_of_the_world": [f"{share:.1%}" if share == share else "" for share in table["world_share"]],
            "mine_output_t": table["mine_output_t"],
            "years_left": [number_in_words(years, 2) if years == years else "" for years in table["years_left"]],
        }
    )


def _vintage(result: Result) -> pd.DataFrame:
    rows = []
    for table in sorted(result.data.tables):
        found = result.data.rows(table)
        if not found:
            continue
        years = [row.year for row in found if getattr(row, "year", None) is not None]
        guessed = sum(getattr(row, "confidence", "") == "estimate" for row in found)
        rows.append(
            {
                "table": table.replace("_", " "),
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
