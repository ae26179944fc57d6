"""The words of the report: the verdict with its figures, what to do first, and the scenarios that matter."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..answer.act_now import ActNow
from ..answer.brief import UNITS
from ..answer.notes import scenario_names
from ..answer.result import Result
from ..core.formats import SMALL_MUSD, capital, chance, digits
from ..core.frames import rows_of
from ..question.names import Names
from .compare import SMALL_T

# What a reader sees first: the verdict, its figures, and what to do now.


DOES = {"buy": "buy", "sell": "sell", "support": "support", "offtake": "sign", "floor": "guarantee"}


def verdict(result: Result) -> str:
    """What the page says first: the recommendation; of a relaxation what it bounds."""
    if result.brief is not None:
        return result.brief.recommendation
    return " ".join(line.strip() for line in result.details().split("\n\n")[0].splitlines()[1:])


def all_acts(result: Result) -> pd.DataFrame | None:
    """What to do in the first years, one row an act, with its unit in every cell; None where no samples have tested the plan."""
    found = ActNow.of(result.tables)
    if found is None or found.acts.empty:
        return None
    rows = []
    for _, years in found.acts.groupby(["kind", "item"], sort=False):
        last = years.iloc[-1]
        unit = UNITS.get(str(last.unit), "")
        rows.append(
            {
                "do": f"{DOES[str(last.kind)]}: {last.what}",
                **{f"by FY{row.through_year}": _quantity(row.chosen, unit) for row in rows_of(years)},
                "verdict": {"sign": "sign", "free": "optional"}.get(str(last.verdict), ""),
                "in all samples": _quantity(last.least_in_samples, unit),
                "in plans": f"{last.in_plans} of {last.plans}",
            }
        )
    return pd.DataFrame(rows)


def _quantity(value: float, unit: str) -> str:
    """An amount with its unit; what is signed whole as yes or no."""
    if not unit and value in (0.0, 1.0):
        return "yes" if value else "no"
    return f"{digits(value, 3)}{unit}"


# The scenarios that matter, chosen by stated rules, in sentences: what strikes, who goes short, what the plan does.


MOST_STORIES = 5
MOST_NAMED = 3
"""Materials and users of each kind that a story names."""
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
"""Why a scenario matters -> the measure by which it is the largest. Several rules may pick the same scenario."""
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
    """Why it matters."""
    probability: float
    loss_musd: float
    loss_without_musd: float
    sentences: tuple[str, ...]
    """What else strikes, who goes short, what the plan does about it."""

    def losses(self) -> str:
        """What it costs, with the plan and without, in a sentence."""
        with_plan, without = f"{self.loss_musd:,.0f}", f"{self.loss_without_musd:,.0f}"
        if with_plan == without:
            return f"Probability {chance(self.probability)}. Loss {without} million USD with the plan or without it."
        return (
            f"Probability {chance(self.probability)}. Loss {without} million USD without the plan, {with_plan} with it."
        )


def chosen(result: Result) -> dict[str, list[str]]:
    """Scenario -> why it matters, at most `MOST_STORIES`, the largest loss without the plan first; only scenarios with a loss
    without it: what purchases make users do without in calm years is no story."""
    table = result.tables["scenario_losses"]
    table = table[table["loss_without_plan_musd"] > SMALL_MUSD].set_index("scenario")
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
    """The scenarios that matter, in words."""
    losses = {row.scenario: row for row in rows_of(result.tables["scenario_losses"])}
    titles = story_titles(result)
    names = Names.of(result.data)
    found = []
    for scenario, why in chosen(result).items():
        row = losses[scenario]
        lines = [
            _others(str(row.events), titles[scenario], names),
            _short(result, scenario, names),
            _defence(row, result),
            _done(result, scenario, names),
        ]
        figures = float(row.probability), float(row.loss_musd), float(row.loss_without_plan_musd)
        sentences = tuple(text for text in lines if text)
        found.append(Story(scenario, titles[scenario], capital("; ".join(why)), *figures, sentences))
    return found


def remaining(result: Result) -> pd.DataFrame:
    """Every scenario: what happens, probability, losses and shortfall, for readers; the largest loss without the plan first."""
    titles = story_titles(result)
    table = result.tables["scenario_losses"].sort_values("loss_without_plan_musd", ascending=False, kind="stable")
    return pd.DataFrame(
        {
            "what_happens": [titles[scenario] for scenario in table["scenario"]],
            "probability": [chance(share) for share in table["probability"]],
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
        row.scenario: f"{capital(row.what_happens)} ({row.scenario})"
        if row.scenario in listed
        else capital(known[row.scenario])
        for row in rows_of(losses)
    }


def _mean(table: pd.DataFrame) -> float:
    """Mean loss without the plan, given that there is one [million USD]."""
    return float((table["probability"] * table["loss_without_plan_musd"]).sum() / table["probability"].sum())


def _others(events: str, title: str, names: Names) -> str:
    """Events of a scenario beside the one that its title tells."""
    found = [(names.hazard(one[1]), int(one[2])) for text in events.split("; ") if (one := EVENT.match(text))]
    struck = [f"{name} from {year}" for name, year in sorted(found, key=lambda one: one[1])]
    rest = [event for event in struck if event not in title]
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
    lack = f" Imported goods lack {digits(goods)} t inside them, which no plan can prevent."
    beside = lack if goods > SMALL_T else ""
    table = table[~table["material"].isin(inside)]
    if table.empty:
        return f"With the plan no user goes short.{beside}"
    total = table.groupby(["material", "segment"], sort=False).agg(
        tonnes=("shortfall_t", "sum"), loss=("loss_musd", "sum"), first=("period", "min"), last=("period", "max")
    )
    total = total.sort_values(["loss", "tonnes"], ascending=False, kind="stable")
    lines = [
        f"{names.material(row.Index[0])} for {users_in_words(row.Index[1])} ({digits(row.tonnes)} t, "
        f"{_years(str(row.first), str(row.last))})"
        for row in rows_of(total.head(MOST_NAMED))
    ]
    more = len(total) - MOST_NAMED
    rest = "; and a smaller shortfall" if more == 1 else f"; and {more} smaller shortfalls" if more > 1 else ""
    return f"Short with the plan: {'; '.join(lines)}{rest}.{beside}"


def _defence(row: Any, result: Result) -> str:
    """What becomes of defence, where it has demand."""
    if not any(one.segment == "defence" for one in result.data.rows("demand")):
        return ""
    short, without = float(row.defence_shortfall_t), float(row.defence_shortfall_without_plan_t)
    if without <= SMALL_T and short <= SMALL_T:
        return ""
    if short <= SMALL_T:
        return f"Defence is fully supplied; without the plan it would lack {digits(without)} t."
    return f"Defence lacks {digits(short)} t; without the plan {digits(without)} t."


def _done(result: Result, scenario: str, names: Names) -> str:
    """What the reserve gives in a scenario."""
    flows = result.tables["flows"]
    mine = flows[flows["scenario"] == scenario].groupby("material", sort=False)[["released_t", "acquired_t"]].sum()
    given = mine["released_t"].sort_values(ascending=False, kind="stable")
    given = given[given > SMALL_T]
    lines = [f"{digits(float(tonnes))} t of {names.material(str(material))}" for material, tonnes in given.items()]
    if not lines:
        return "The reserve releases nothing."
    more = len(lines) - MOST_NAMED
    return f"The reserve releases {', '.join(lines[:MOST_NAMED])}{f', and of {more} more' if more > 0 else ''}."


def users_in_words(segment: str) -> str:
    """A segment of demand, as one speaks of its users."""
    known = {"defence": "defence", "essential": "essential civilian users", "other": "other users"}
    return known.get(segment, f"{segment.replace('_', ' ')} users")


def _years(first: str, last: str) -> str:
    """Fiscal years of two period labels."""
    one, two = first.partition(".")[0], last.partition(".")[0]
    return f"FY{one}" if one == two else f"FY{one}-{two}"
