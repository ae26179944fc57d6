"""The scenarios that matter, chosen by stated rules and told in sentences: what strikes, who goes short, what the plan does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..core.frames import rows_of
from ..data.column_words import number_in_words
from ..data.names import Names
from ..results.readable import scenario_names
from ..results.result import Result
from .figure_data import SMALL_T

MOST_STORIES = 5
MOST_NAMED = 3
"""Materials and users of each kind that a story names."""
SMALL_MUSD = 0.05
"""Million USD below which a loss counts as none."""
EVENT = re.compile(r"(.+?) from (\d+)(?:\.\d+)?: ")
"""How the table `scenario_losses` begins what it says of an event: its name, and the year in which it begins."""

Measure = Callable[[pd.DataFrame], pd.Series]
RULES: tuple[tuple[str, Measure], ...] = (
    ("largest loss without the plan", lambda t: t["loss_without_plan_musd"]),
    ("adds most to the expected loss", lambda t: t["probability"] * t["loss_without_plan_musd"]),
    ("the plan helps most", lambda t: t["probability"] * (t["loss_without_plan_musd"] - t["loss_musd"])),
    ("largest loss that remains", lambda t: t["loss_musd"]),
    ("closest to the average disruption", lambda t: -(t["loss_without_plan_musd"] - _mean(t)).abs()),
)
"""Why a scenario is told -> of which the largest is; each rule picks one, and one that several pick is told once."""
NEXT = "next by what it adds to the expected loss"
RULE_IN_WORDS = (
    "Chosen by rule: the largest loss without the plan; the largest probability times loss; the largest probability times loss "
    "avoided; the largest loss that remains; the loss closest to the average of all scenarios with one. Where one scenario is "
    "several of these, those that add most to the expected loss follow."
)


@dataclass(frozen=True)
class Story:
    """One scenario in words."""

    scenario: str
    """Its code."""
    title: str
    """What happens in it."""
    why: str
    """Why it is told."""
    probability: float
    loss_musd: float
    loss_without_musd: float
    sentences: tuple[str, ...]
    """What else strikes, who goes short, what the plan does about it."""

    def losses(self) -> str:
        """What it costs, with the plan and without, in a sentence."""
        with_plan, without = f"{self.loss_musd:,.0f}", f"{self.loss_without_musd:,.0f}"
        if with_plan == without:
            return f"Probability {self.probability:.2%}. Loss {without} million USD with the plan or without it."
        return f"Probability {self.probability:.2%}. Loss {without} million USD without the plan, {with_plan} with it."


def chosen(result: Result) -> dict[str, list[str]]:
    """Scenario -> why it is told, at most `MOST_STORIES`, the largest loss without the plan first; only scenarios with a loss."""
    table = result.tables["scenario_losses"]
    table = table[table[["loss_musd", "loss_without_plan_musd"]].max(axis=1) > SMALL_MUSD].set_index("scenario")
    if table.empty:
        return {}
    found: dict[str, list[str]] = {}
    for why, measure in RULES:
        values = measure(table)
        if why == "the plan helps most" and values.max() <= SMALL_MUSD * 1e-3:
            continue
        found.setdefault(str(values.idxmax()), []).append(why)
    adds = (table["probability"] * table["loss_without_plan_musd"]).sort_values(ascending=False, kind="stable")
    for scenario in adds.index:
        if len(found) < MOST_STORIES:
            found.setdefault(str(scenario), [NEXT])
    order = table.loc[list(found), "loss_without_plan_musd"].sort_values(ascending=False, kind="stable").index
    return {str(scenario): found[str(scenario)] for scenario in order}


def stories(result: Result) -> list[Story]:
    """The scenarios that matter, told for readers."""
    losses = {row.scenario: row for row in rows_of(result.tables["scenario_losses"])}
    titles = story_titles(result)
    names = Names.of(result.data)
    found = []
    for scenario, why in chosen(result).items():
        row = losses[scenario]
        told = [
            _others(str(row.events), titles[scenario], names),
            _short(result, scenario, names),
            _defence(row, result),
            _done(result, scenario, names),
        ]
        found.append(
            Story(
                scenario,
                titles[scenario],
                _capital("; ".join(why)),
                float(row.probability),
                float(row.loss_musd),
                float(row.loss_without_plan_musd),
                tuple(text for text in told if text),
            )
        )
    return found


def remaining(result: Result) -> pd.DataFrame:
    """Every scenario: what happens, probability, losses and shortfall, for readers; the largest loss without the plan first."""
    titles = story_titles(result)
    table = result.tables["scenario_losses"].sort_values("loss_without_plan_musd", ascending=False, kind="stable")
    return pd.DataFrame(
        {
            "what_happens": [titles[scenario] for scenario in table["scenario"]],
            "probability": [f"{share:.2%}" for share in table["probability"]],
            "loss_without_the_plan_musd": table["loss_without_plan_musd"],
            "loss_with_the_plan_musd": table["loss_musd"],
            "shortfall_with_the_plan_t": table["shortfall_t"],
        }
    )


def story_titles(result: Result) -> dict[str, str]:
    """Scenario -> what happens in it; for one that the plan lists, its name in brackets."""
    losses = result.tables["scenario_losses"]
    listed = {scenario.name for scenario in result.plan.scenarios}
    known = scenario_names(result.plan, losses)
    return {
        row.scenario: f"{_capital(row.what_happens)} ({row.scenario})"
        if row.scenario in listed
        else _capital(known[row.scenario])
        for row in rows_of(losses)
    }


def _mean(table: pd.DataFrame) -> float:
    """Mean loss without the plan, given that there is one [million USD]."""
    return float((table["probability"] * table["loss_without_plan_musd"]).sum() / table["probability"].sum())


def _others(events: str, title: str, names: Names) -> str:
    """Events of a scenario beside the one that its title tells."""
    found = [(names.hazard(one[1]), int(one[2])) for text in events.split("; ") if (one := EVENT.match(text))]
    rest = [
        f"{name} from {year}"
        for name, year in sorted(found, key=lambda one: one[1])
        if f"{name} from {year}" not in title
    ]
    if not rest:
        return ""
    kept, more = rest[:MOST_NAMED], len(rest) - MOST_NAMED
    return f"Also strikes: {', '.join(kept)}{f', and {more} more' if more > 0 else ''}."


def _short(result: Result, scenario: str, names: Names) -> str:
    """Who goes short with the plan, of what, when."""
    table = result.tables["shortfalls"]
    table = table[(table["scenario"] == scenario) & (table["shortfall_t"] > SMALL_T)]
    inside = {row.material for row in result.data.rows("materials") if row.embedded}
    goods = float(table.loc[table["material"].isin(inside), "shortfall_t"].sum())
    beside = (
        f" Imported goods lack {number_in_words(goods)} t inside them, which no plan can prevent."
        if goods > SMALL_T
        else ""
    )
    table = table[~table["material"].isin(inside)]
    if table.empty:
        return f"With the plan no user goes short.{beside}"
    total = table.groupby(["material", "segment"], sort=False).agg(
        tonnes=("shortfall_t", "sum"), loss=("loss_musd", "sum"), first=("period", "min"), last=("period", "max")
    )
    total = total.sort_values(["loss", "tonnes"], ascending=False, kind="stable")
    said = [
        f"{names.material(row.Index[0])} for {users_in_words(row.Index[1])} ({number_in_words(row.tonnes)} t, "
        f"{_years(str(row.first), str(row.last))})"
        for row in rows_of(total.head(MOST_NAMED))
    ]
    more = len(total) - MOST_NAMED
    rest = "; and a smaller shortfall" if more == 1 else f"; and {more} smaller shortfalls" if more > 1 else ""
    return f"Short with the plan: {'; '.join(said)}{rest}.{beside}"


def _defence(row: Any, result: Result) -> str:
    """What becomes of defence, where it has demand."""
    if not any(one.segment == "defence" for one in result.data.rows("demand")):
        return ""
    short, without = float(row.defence_shortfall_t), float(row.defence_shortfall_without_plan_t)
    if without <= SMALL_T and short <= SMALL_T:
        return ""
    if short <= SMALL_T:
        return f"Defence is fully supplied; without the plan it would lack {number_in_words(without)} t."
    return f"Defence lacks {number_in_words(short)} t; without the plan {number_in_words(without)} t."


def _done(result: Result, scenario: str, names: Names) -> str:
    """What the reserve gives in a scenario."""
    flows = result.tables["flows"]
    mine = flows[flows["scenario"] == scenario].groupby("material", sort=False)[["released_t", "acquired_t"]].sum()
    given = mine["released_t"].sort_values(ascending=False, kind="stable")
    said = [
        f"{number_in_words(float(tonnes))} t of {names.material(str(material))}"
        for material, tonnes in given.items()
        if tonnes > SMALL_T
    ]
    if not said:
        return "The reserve releases nothing."
    more = len(said) - MOST_NAMED
    return f"The reserve releases {', '.join(said[:MOST_NAMED])}{f', and of {more} more' if more > 0 else ''}."


def users_in_words(segment: str) -> str:
    """A segment of demand, as one speaks of its users."""
    return {"defence": "defence", "essential": "essential civilian users", "other": "other users"}.get(
        segment, f"{segment.replace('_', ' ')} users"
    )


def _years(first: str, last: str) -> str:
    """Fiscal years of two period labels."""
    one, two = first.partition(".")[0], last.partition(".")[0]
    return f"FY{one}" if one == two else f"FY{one}-{two}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
