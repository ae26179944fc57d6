"""The words of the report: the verdict with its figures, what to do first, and the scenarios that matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..answer.act_now import ActNow
from ..answer.notes import extended_by, floor_in_words, scenario_names
from ..answer.result import Result
from ..answer.summary import UNITS
from ..core.formats import SMALL_MUSD, capital, digits, musd
from ..core.frames import rows_of
from ..matrix.problem import FIRST_YEARS
from ..question.names import Names
from .compare import SIGNED, SMALL_T, money_unit, package_in_words, year_of

# What a reader sees first: the verdict, its figures, and what to do now.


MOST_ACTS = 7
"""Acts of the first screen; the rest is counted."""
DOES = {"buy": "Buy", "sell": "Sell", "support": "Support", "offtake": "Sign", "floor": "Guarantee"}
NOTHING_NOW = "Nothing in the first years: this plan buys, supports, signs and guarantees nothing before FY{year}."
NOTHING_TO_DO = "Nothing: within the rules and the budget of this plan, doing nothing is best."


@dataclass(frozen=True)
class Tile:
    """A figure of the verdict."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Act:
    """One thing to do now."""

    verb: str
    what: str
    amount: str
    sure: str
    """How sure it is, where samples say so."""


def headline(result: Result) -> list[str]:
    """The verdict in sentences: what the plan is worth, how sure that is, and under which loss function."""
    lines = [line.strip() for line in result.summary().split("\n\n")[0].splitlines()[1:]]
    code = result.plan.loss_function
    lines = [line.replace(f"Loss function: {code} (", f"Loss function: {function_in_words(code)} (") for line in lines]
    if does_nothing(result) and not result.outcome.relaxed and not extended_by(result.tables):
        best = -float(result.outcome.best_bound_musd or 0.0)
        kept = [f"Loss function: {line.partition('Loss function: ')[2]}" for line in lines if "Loss function: " in line]
        proof = f"no plan is worth more than {best:,.0f} million USD" if best > 0.5 else "no plan is worth more"
        return [f"Doing nothing is best: {proof} within the rules and the budget of this plan.", *kept]
    return lines


def function_in_words(code: str) -> str:
    """A loss function's code as one reads it: `usgs_2025` -> `USGS 2025`."""
    parts = code.split("_")
    return code if len(parts) == 1 else " ".join(part.upper() if len(part) <= 4 else part for part in parts)


def does_nothing(result: Result) -> bool:
    """Whether the plan buys, supports, signs and guarantees nothing, in planned years or in any scenario."""
    tables = result.tables
    supported = tables["projects"]
    supported = supported[(supported["share"] > SIGNED) & (supported["package"] != "none")]
    signed = supported[~supported["committed"]] if "committed" in supported else supported
    bought = float(tables["flows"]["acquired_t"].sum()) if len(tables["flows"]) else 0.0
    return bought <= SMALL_T and signed.empty and tables["contracts"].empty and tables["floors"].empty


def tiles(result: Result) -> list[Tile]:
    """Worth, losses, spending and proof."""
    if result.outcome.relaxed:
        return []
    figures, plan, tested = result.figures, result.plan, ActNow.of(result.tables)
    tested = None if tested is None or tested.why_not else tested
    worth = figures.value("worth_musd") if tested is None else tested.figure("worth_musd")
    before = figures.value("expected_loss_without_musd") if tested is None else tested.figure("loss_without_musd")
    after = figures.value("expected_loss_musd") if tested is None else tested.figure("loss_musd")
    budget = result.tables["budget"]
    spent, may = float(budget["outlay_musd"].sum()), float(budget["appropriation_musd"].sum())
    years = f"FY{plan.horizon.first_year}-{plan.horizon.first_year + plan.horizon.years - 1}"
    money = money_unit(result)
    both = f"{money}, without the plan and with it{'' if tested is None else ', in new scenarios'}"
    beside = "" if tested is None or tested.band.empty else _beside(tested)
    found = [
        Tile("Worth, net of cost", musd(worth), f"{money}, compared with doing nothing{beside}"),
        Tile("Expected shortage losses", f"{musd(before)} → {musd(after)}", both),
    ]
    if tested is None:
        what = f"of {musd(may)} million USD appropriated for {years}, if no disruption occurs"
        found.append(Tile("Spending", musd(spent), what))
        if result.outcome.relative_gap is not None and result.outcome.relative_gap < float("inf"):
            found.append(Tile("Gap", f"{result.outcome.relative_gap:.2%}", _proof(result)))
        return found
    whole = tested.money_by_year.iloc[-1]
    between = f"{musd(whole.low_musd)} to {musd(whole.high_musd)} in nine of ten futures"
    given = f"of {musd(may)} million USD appropriated for {years}, expected; {between}"
    found.append(Tile("Spending", musd(whole.expected_musd), given))
    if bool(tested.gap.most_says.iloc[0]):
        most = f"{money}: of any policy that signs on these dates, even if it knew every future"
        found.append(Tile("At most", musd(tested.figure("most_musd")), most))
    limit = f"in the model that made it no plan is worth over {musd(tested.figure('gap_limit_musd'))} million USD more"
    found.append(Tile("True gap", f"{tested.figure('gap_share'):.1%}", limit))
    return found


def _beside(tested: ActNow) -> str:
    """The interval of the draw, and the band over losses and beliefs."""
    low, high = (musd(tested.figure(f"worth_{end}_musd")) for end in ("low", "high"))
    least, most = musd(float(tested.band.worth_musd.min())), musd(float(tested.band.worth_musd.max()))
    drawn = f"{low} to {high} for the draw of scenarios ({tested.figure('confidence'):.0%})"
    return f"; {drawn}, {least} to {most} over all losses and beliefs"


def _proof(result: Result) -> str:
    """What a gap means, in a line."""
    if result.outcome.reason not in ("optimal", "within_gap"):
        return "not proven best: the search was stopped"
    extended = extended_by(result.tables)
    if extended == "terms":
        return "best for its worth and the terms of own code together; of its worth alone no bound is known"
    kept = " that keeps the constraints of own code" * (extended == "rules")
    best = f"no plan{kept} is worth more than {musd(-float(result.outcome.best_bound_musd or 0.0))} million USD"
    return f"proven: {best} in the plan's own scenarios"


def acts(result: Result) -> tuple[str, list[Act], str]:
    """(what the list is of, what to do in the first years, what is left out of it or why there is nothing)."""
    first = result.plan.horizon.first_year
    years = [first + n for n in range(min(FIRST_YEARS, result.plan.horizon.years))]
    head = " and ".join(f"FY{year}" for year in years)
    tested, known = ActNow.of(result.tables), Names.of(result.data)
    found = list(_planned(result, years[-1], known) if tested is None or tested.why_not else _tested(tested))
    if not found:
        return head, [], NOTHING_TO_DO if does_nothing(result) else NOTHING_NOW.format(year=years[-1] + 1)
    more = len(found) - MOST_ACTS
    return head, found[:MOST_ACTS], f"{more} more below." if more > 0 else ""


def _tested(tested: ActNow) -> Iterator[Act]:
    """Acts of a plan that samples have tested, what costs most first."""
    last = tested.last
    if last.empty:
        return
    for row in rows_of(last[last.chosen > 0].sort_values("budget_musd", ascending=False, kind="stable")):
        unit = UNITS.get(str(row.unit), "")
        amount = f"{digits(row.chosen)}{unit} by FY{row.through_year}" if unit else f"by FY{row.through_year}"
        sure = {"sign": "sign", "free": "free to choose"}.get(str(row.verdict), "")
        cost = f", {_cost(row.budget_musd)}" if row.budget_musd > SMALL_MUSD else ""
        yield Act(DOES[str(row.kind)], str(row.what), amount + cost, sure)


def _planned(result: Result, last: int, names: Names) -> Iterator[Act]:
    """Acts of a plan up to the end of a fiscal year, what costs most first within a kind."""
    bought = result.tables["acquisitions"]
    bought = bought[bought["fiscal_year"] <= last].groupby("material", sort=False)[["acquired_t", "cost_musd"]].sum()
    for row in rows_of(bought.sort_values("cost_musd", ascending=False, kind="stable")):
        yield Act("Buy", names.material(str(row.Index)), f"{digits(row.acquired_t)} t, {_cost(row.cost_musd)}", "")
    supported = result.tables["projects"]
    supported = supported[(supported["share"] > SIGNED) & (supported["package"] != "none")]
    for row in rows_of(supported.sort_values("support_cost_musd", ascending=False, kind="stable")):
        if year_of(result, row.signed) < last + 1:
            part = "" if row.share > 1 - SIGNED else f"{row.share:.0%} of it, "
            amount = f"{part}{package_in_words(row, names)}; {_cost(row.support_cost_musd)}, first output FY{row.first_output}"
            yield Act("Support", names.producer(row.project), amount, "")
    contracts = result.tables["contracts"].sort_values("fees_musd", ascending=False, kind="stable")
    for row in rows_of(contracts):
        if year_of(result, row.start) < last + 1:
            amount = f"{digits(row.contract_t_per_yr)} t a year for {row.term_yr:g} years"
            what = f"offtake from {names.producer(row.activity)}"
            yield Act("Sign", what, f"{amount}, {_cost(row.fees_musd)} of fees", "")
    for row in rows_of(result.tables["floors"]):
        if row.scope != "project" and year_of(result, row.start) < last + 1:
            who, material = floor_in_words(row, names)
            what = f"{material} at {row.level_usd_per_kg:g} USD/kg"
            yield Act("Guarantee", what, f"{who}, for {row.term_yr:g} years", "")


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
                "do": f"{DOES[str(last.kind)].lower()}: {last.what}",
                **{f"by FY{row.through_year}": _quantity(row.chosen, unit) for row in rows_of(years)},
                "verdict": {"sign": "sign", "free": "free to choose"}.get(str(last.verdict), ""),
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


def _cost(cost_musd: float) -> str:
    """Money in words."""
    return f"{musd(cost_musd)} million USD" if cost_musd >= SMALL_MUSD else "under 0.1 million USD"


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
            return f"Probability {self.probability:.2%}. Loss {without} million USD with the plan or without it."
        return f"Probability {self.probability:.2%}. Loss {without} million USD without the plan, {with_plan} with it."


def chosen(result: Result) -> dict[str, list[str]]:
    """Scenario -> why it matters, at most `MOST_STORIES`, the largest loss without the plan first; only scenarios with a loss."""
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
