"""What a reader sees first: the verdict, its figures, and what to do now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from ..core.frames import rows_of
from ..data.column_words import number_in_words
from ..data.names import Names
from ..model.first_years import FIRST_YEARS
from ..results.act_now import ActNow
from ..results.act_now_words import UNITS
from ..results.evidence import floor_in_words
from ..results.own_table import extended_by
from ..results.result import Result
from .figure_data import SIGNED, SMALL_T, package_in_words, year_of

MOST_ACTS = 7
"""Acts of the first screen; the rest is counted."""
SMALL_MUSD = 0.05
"""Million USD below which money counts as none."""
DOES = {"buy": "Buy", "sell": "Sell", "support": "Support", "offtake": "Sign", "floor": "Guarantee"}
NOTHING_NOW = "Nothing in the first years: this plan buys, supports, signs and guarantees nothing before FY{year}."
NOTHING = "Nothing: within the rules and the budget of this plan, doing nothing is best."


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
    money = f"million USD of {plan.price_year}"
    where = "" if tested is None else ", in new scenarios"
    found = [
        Tile("Worth, net of cost", _musd(worth), f"{money}, compared with doing nothing"),
        Tile(
            "Expected shortage losses",
            f"{_musd(before)} → {_musd(after)}",
            f"{money}, without the plan and with it{where}",
        ),
        Tile(
            "Spending", _musd(spent), f"of {_musd(may)} million USD appropriated for {years}, if no disruption occurs"
        ),
    ]
    if tested is not None:
        limit = f"no plan is worth over {_musd(tested.figure('gap_limit_musd'))} million USD more"
        found.append(Tile("True gap", f"{tested.figure('gap_share'):.1%}", limit))
    elif result.outcome.relative_gap is not None and result.outcome.relative_gap < float("inf"):
        found.append(Tile("Gap", f"{result.outcome.relative_gap:.2%}", _proof(result)))
    return found


def _proof(result: Result) -> str:
    """What a gap means, in a line."""
    if result.outcome.reason not in ("optimal", "within_gap"):
        return "not proven best: the search was stopped"
    extended = extended_by(result.tables)
    if extended == "terms":
        return "best for its worth and the terms of own code together; of its worth alone no bound is known"
    kept = " that keeps the constraints of own code" * (extended == "rules")
    best = f"no plan{kept} is worth more than {_musd(-float(result.outcome.best_bound_musd or 0.0))} million USD"
    return f"proven: {best} in the plan's own scenarios"


def acts(result: Result) -> tuple[str, list[Act], str]:
    """(what the list is of, what to do in the first years, what is left out of it or why there is nothing)."""
    first = result.plan.horizon.first_year
    years = [first + n for n in range(min(FIRST_YEARS, result.plan.horizon.years))]
    head = " and ".join(f"FY{year}" for year in years)
    tested = ActNow.of(result.tables)
    known = Names.of(result.data)
    found = (
        list(_tested(tested)) if tested is not None and not tested.why_not else list(_planned(result, years[-1], known))
    )
    if not found:
        return head, [], NOTHING if does_nothing(result) else NOTHING_NOW.format(year=years[-1] + 1)
    more = len(found) - MOST_ACTS
    return head, found[:MOST_ACTS], f"{more} more below." if more > 0 else ""


def _tested(tested: ActNow) -> Iterator[Act]:
    """Acts of a plan that samples have tested, what costs most first."""
    last = tested.last
    if last.empty:
        return
    for row in rows_of(last[last.chosen > 0].sort_values("budget_musd", ascending=False, kind="stable")):
        unit = UNITS.get(str(row.unit), "")
        amount = f"{number_in_words(row.chosen)}{unit} by FY{row.through_year}" if unit else f"by FY{row.through_year}"
        sure = {"firm": "firm", "open": "open"}.get(str(row.status), f"firm up to {number_in_words(row.firm)}{unit}")
        verb = DOES[str(row.kind)]
        yield Act(
            verb, str(row.what), f"{amount}, {_cost(row.budget_musd)}" if row.budget_musd > SMALL_MUSD else amount, sure
        )


def _planned(result: Result, last: int, names: Names) -> Iterator[Act]:
    """Acts of a plan up to the end of a fiscal year, what costs most first within a kind."""
    bought = result.tables["acquisitions"]
    bought = bought[bought["fiscal_year"] <= last].groupby("material", sort=False)[["acquired_t", "cost_musd"]].sum()
    for row in rows_of(bought.sort_values("cost_musd", ascending=False, kind="stable")):
        yield Act(
            "Buy", names.material(str(row.Index)), f"{number_in_words(row.acquired_t)} t, {_cost(row.cost_musd)}", ""
        )
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
            amount = f"{number_in_words(row.contract_t_per_yr)} t a year for {row.term_yr:g} years, {_cost(row.fees_musd)} of fees"
            yield Act("Sign", f"offtake from {names.producer(row.activity)}", amount, "")
    for row in rows_of(result.tables["floors"]):
        if row.scope != "project" and year_of(result, row.start) < last + 1:
            who, material = floor_in_words(row, names)
            yield Act(
                "Guarantee", f"{material} at {row.level_usd_per_kg:g} USD/kg", f"{who}, for {row.term_yr:g} years", ""
            )


def all_acts(result: Result) -> pd.DataFrame | None:
    """What to do in the first years, one row an act, with its unit in every cell; None where no samples have tested the plan."""
    found = ActNow.of(result.tables)
    if found is None or found.acts.empty:
        return None
    rows = []
    for _, years in found.acts.groupby(["kind", "item"], sort=False):
        last = years.iloc[-1]
        unit = UNITS.get(str(last.unit), "")
        told = {"do": f"{DOES[str(last.kind)].lower()}: {last.what}"}
        told |= {f"by FY{row.through_year}": _quantity(row.chosen, unit) for row in rows_of(years)}
        told |= {
            "firm": _quantity(last.firm, unit),
            "in all samples": _quantity(last.least_in_samples, unit),
            "in plans": f"{last.in_plans} of {last.plans}",
            "nearly as good": f"{number_in_words(last['least'])} to {number_in_words(last['most'])}{unit}"
            if unit
            else "yes or no",
        }
        rows.append(told)
    return pd.DataFrame(rows)


def _quantity(value: float, unit: str) -> str:
    """An amount with its unit; what is signed whole as yes or no."""
    if not unit and value in (0.0, 1.0):
        return "yes" if value else "no"
    return f"{number_in_words(value, 3)}{unit}"


def _cost(musd: float) -> str:
    """Money in words."""
    return f"{_musd(musd)} million USD" if musd >= SMALL_MUSD else "under 0.1 million USD"


def _musd(value: float) -> str:
    """Million USD with about three figures, never -0."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= SMALL_MUSD else "0"


CODE = re.compile(r"`([^`]+)`")
"""What the words of a summary set apart as something to type."""
