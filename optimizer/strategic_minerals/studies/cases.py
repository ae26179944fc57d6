"""Plans and their tables case by case: uncertain controls, rules of origin, requirements, observed losses, what data lack."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.notes import without_data
from ..answer.result import Result
from ..answer.solving import solve_once
from ..answer.study import Study
from ..answer.tables import frame, shortfalls
from ..audit.figures import ORIGIN
from ..core.errors import Fault, InfeasibleError, InputError, PlanError, near_miss
from ..core.formats import chance, digits, fiscal_years, in_tonnes, musd
from ..core.frames import Floats, rows_of
from ..core.runner import HERE, Runner
from ..core.stats import SMALL_T
from ..core.verb import GAP, Gap, verb
from ..matrix.problem import Problem, prepare
from ..matrix.solution import Solution
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import Control, Plan, Procurement
from ..question.references import opening_stock, select_materials
from ..question.sources import Replay, replays
from ..world.events import resolver, sampled
from ..world.instance import DEFENCE, ESSENTIAL, Instance

EPISODE_COLUMNS = (
    "control_event country material loss_function undelivered_t undelivered_t_low undelivered_t_high "
    "mean_depth_share depth_share trough_months loss_musd loss_musd_low loss_musd_high plant_weeks "
    "plant_weeks_low plant_weeks_high plant_weeks_known plant_weeks_most verdict reason"
).split()
TESTED = ("far too high", "too high", "plausible")
"""Verdicts of episodes that say something of a function."""
UNTESTED = ("not comparable", "not testable", "nothing was missing")
"""Verdicts that say nothing of it, the most telling first."""
TEST = (
    "The test: a function's loss (tonnes not delivered times loss per tonne) is turned into weeks of plants as large as the one "
    "known to have stopped, at the output of an average worker. It fails where that is more than the stops known by name, repeated "
    "for every stop that the widest survey of firms counted or expected. A function is held against shortages of about its "
    "own length alone: users live on what they hold. No total of an observed loss is compared: none has been "
    "published. A function that passes is not contradicted by what was seen, at that depth and length; it is not proven."
)
LOSS_TITLES = {"functions": "Loss functions against what was seen", "episodes": "What each would have said"}


@verb
def loss_replay(plan: Plan, data: Dataset, *, run: Runner = HERE) -> Study:
    """Test the loss functions on observed shortages: what each would have said, beside what is known to have stopped.

    The shortages are those of the home country of the tables; nothing else of the plan counts. Tables: functions: each with its
    horizon, whether it passes (yes or no; empty: nothing of its length was seen), and why, by the episode that it fails most, or
    passes; episodes: what each function would have said of each episode, and what is known to have stopped. Fact `test`: which.

    Raises nothing for tables that could be read: without observed shortages the study is empty."""
    found = replays(data)
    tables = {"functions": _functions(found), "episodes": _episodes(found)}
    return Study("losses", tables, _loss_words(tables["functions"]), {"test": TEST}, LOSS_TITLES)


def _loss_words(functions: pd.DataFrame) -> list[str]:
    """Verdict and reason of each function, and what the test is."""
    if not len(functions):
        return ["The tables have no observed shortage to replay (loss_replay.csv)."]
    lines = ["Loss functions against what is known to have stopped:"]
    for row in functions.to_dict("records"):
        months = row["horizon_months"]
        horizon = f"stated for {months:g} months" if months > 0 else "no horizon stated"
        lines.append(f"  {row['loss_function']} ({row['case']}; {horizon}): {row['verdict']}. {row['reason']}")
    return [*lines, TEST]


def _functions(found: Sequence[Replay]) -> pd.DataFrame:
    """One row a loss function."""
    rows = []
    for name in dict.fromkeys(replay.function for replay in found):
        mine = [r for r in found if r.function == name]
        tested = [r for r in mine if r.verdict in TESTED]
        deciding = min(tested or mine, key=lambda r: [*TESTED, *UNTESTED].index(r.verdict))
        verdict = deciding.verdict
        months = _or_nan(deciding.horizon_months)
        passes = ("no" if deciding.failed else "yes") if tested else ""
        rows.append((name, months, deciding.case, passes, len(tested), verdict, deciding.reason()))
    columns = ["loss_function", "horizon_months", "case", "passes", "tested_on", "verdict", "reason"]
    return pd.DataFrame(rows, columns=columns)


def _episodes(found: Sequence[Replay]) -> pd.DataFrame:
    """One row a loss function and episode."""
    rows = []
    for r in found:
        e = r.episode
        row: dict[str, Any] = {}
        row |= {"control_event": e.event, "country": e.country, "material": e.material, "loss_function": r.function}
        for column, figure in (("undelivered_t", e.tonnes), ("loss_musd", r.loss), ("plant_weeks", r.weeks)):
            low, central, high = figure or (math.nan, math.nan, math.nan)
            row |= {column: central, f"{column}_low": low, f"{column}_high": high}
        row |= {"mean_depth_share": _or_nan(e.mean_depth), "depth_share": _or_nan(e.depth)}
        row |= {"trough_months": _or_nan(e.months), "plant_weeks_known": e.stopped_weeks}
        row |= {"plant_weeks_most": _or_nan(e.most_weeks), "verdict": r.verdict, "reason": r.reason()}
        rows.append(row)
    return frame(rows, EPISODE_COLUMNS)


def _or_nan(value: float | None) -> float:
    """A figure, or that it is not known."""
    return math.nan if value is None else value


# One engine for plans that differ in a field: each case is solved by itself, and leaves the same figures.
@dataclass(frozen=True)
class Solved:
    """What a case leaves: figures of its plan, and what it decides."""

    figures: Mapping[str, float]
    """`FIGURES`; NaN where there is no plan."""
    supported: int
    """Projects signed with support."""
    closed: int
    """Offers, supports and contracts that rules of origin close."""
    decided: Mapping[tuple[str, str, str], float]
    """(kind, item, unit) -> amount: largest stocks, shares signed, tonnes a year reserved."""
    no_plan: InfeasibleError | None = None
    """Why there is none."""


FIGURES = "worth_musd bound_musd expected_loss_musd outlay_musd bought_musd covered_share unpublished_share".split()
"""bound: the most that the worth can be; outlay: of the planned years; bought, and the shares of it: on the baseline course."""


def solved_cases(
    plan: Plan, data: Dataset, cases: Sequence[Mapping[str, Any]], gap: float, run: Runner
) -> Iterator[Solved]:
    """Solve the plan once for each case, in order. cases: fields of the plan and their values there. Raises as `solve_once`."""
    yield from run.each("solves", partial(_solved_case, plan, data, gap), cases)


def _solved_case(plan: Plan, data: Dataset, gap: float, case: Mapping[str, Any]) -> Solved:
    """One case. It travels to other processes."""
    try:
        result = solve_once(plan.model_copy(update=dict(case)), data, gap=gap)
    except InfeasibleError as error:
        return Solved(dict.fromkeys(FIGURES, math.nan), 0, 0, {}, error)
    figures, projects, contracts = result.figures, result.tables["projects"], result.tables["contracts"]
    covered = {row.country for row in data.rows("countries") if row.tier == "covered"}
    paid = figures.items("bought_from_musd")
    total = sum(paid.values())
    from_covered = sum(money for item, money in paid.items() if item.partition(ORIGIN)[2] in covered)
    unpublished = sum(money for item, money in paid.items() if not item.partition(ORIGIN)[2])
    supported = (projects.share > 0) & ~((projects.package == "none") & projects.baseline)
    signed = projects[supported].groupby("project").share.sum()
    opening = opening_stock(plan, data)
    peaks = {item: v for item, v in figures.items("peak_stock_t").items() if v > opening.get(item, 0.0) + SMALL_T}
    decided = {("stock", str(item), "t"): float(v) for item, v in peaks.items()}
    decided |= {("support", str(item), "share"): float(v) for item, v in signed.items()}
    reserved = contracts.groupby("activity").contract_t_per_yr.max()
    decided |= {("contract", str(item), "t/yr"): float(v) for item, v in reserved.items()}
    money = figures.value("worth_musd"), -figures.value("bound_musd"), figures.value("expected_loss_musd")
    shares = [part / total if total > 0 else 0.0 for part in (from_covered, unpublished)]
    amounts = (*money, figures.total("outlay_by_year_musd"), total, *shares)
    closed = int(result.tables["dropped"].reason.str.contains("origin").sum())
    return Solved(dict(zip(FIGURES, amounts, strict=True)), len(signed), closed, decided)


# Controls of which nobody knows whether they are in force: the plan for each case, and what all of them have in common.
MOST_OPEN = 4
"""Open controls of a plan: each doubles the cases."""
CASES = "case probability in_force worth_musd expected_loss_musd outlay_musd bought_musd supported".split()
DECISIONS = ["kind", "item", "unit", "least", "most", "cases"]
CONTROL_TITLES = {"cases": "Cases", "decisions": "What each case decides"}


@verb
def control_cases(plan: Plan, data: Dataset, *, gap: Gap = GAP, run: Runner = HERE) -> Study:
    """Plan for each case of the controls that may or may not be in force, and show what all of them share.

    The plan is solved for every combination of its open controls: those with a probability. Tables:
    cases: a row a case. case: number; probability: product of those of its controls; in_force: names of the controls that are;
    worth_musd, expected_loss_musd, outlay_musd of the planned years, bought_musd on the baseline course, supported projects;
    decisions: what is decided in some case. kind: stock (largest, t), support (share signed), contract (t a year); least and most
    over all cases; cases: in how many it is chosen.
    Facts: gap; expected_worth_musd over the cases, each planned for by itself.

    Raises PlanError where no control is open, or too many are; otherwise as `solve_once`."""
    open_ones = [n for n, control in enumerate(plan.controls) if control.probability is not None]
    if not 1 <= len(open_ones) <= MOST_OPEN:
        expected = (
            f"1 to {MOST_OPEN} controls with a probability: whether they are in force is what the cases are about"
        )
        raise PlanError([Fault("plan", "", "controls", f"{len(open_ones)} with a probability", expected)])
    cases = [dict(zip(open_ones, case, strict=True)) for case in product((True, False), repeat=len(open_ones))]
    found = []
    for solved in solved_cases(plan, data, [{"controls": _controls(plan, case)} for case in cases], gap, run):
        if solved.no_plan is not None:
            raise solved.no_plan
        found.append(solved)
    table = pd.DataFrame(
        [
            {
                "case": n + 1,
                "probability": _chance(plan, case),
                "in_force": ", ".join(plan.controls[k].name for k, on in case.items() if on),
                **solved.figures,
                "supported": solved.supported,
            }
            for n, (case, solved) in enumerate(zip(cases, found, strict=True))
        ],
        columns=CASES,
    )
    rows = []
    for key in sorted({key for solved in found for key in solved.decided}):
        amounts = [solved.decided.get(key, 0.0) for solved in found]
        rows.append((*key, min(amounts), max(amounts), sum(amount > 0 for amount in amounts)))
    decisions = pd.DataFrame(rows, columns=DECISIONS)
    expected_worth = float((table.probability * table.worth_musd).sum())
    words = _control_words(table, decisions, expected_worth, Names.of(data))
    facts = {"gap": gap, "expected_worth_musd": expected_worth}
    return Study("controls", {"cases": table, "decisions": decisions}, words, facts, CONTROL_TITLES)


def _control_words(cases: pd.DataFrame, decisions: pd.DataFrame, expected: float, names: Names) -> list[str]:
    """In plain words. expected: worth over the cases [million USD]."""
    lines = ["CONTROLS IN FORCE are not known; each case planned for by itself (M: million USD):"]
    for row in rows_of(cases):
        text = f"in force: {row.in_force}" if row.in_force else "none of them in force"
        lines.append(
            f"  {text} (probability {chance(row.probability)}): worth {row.worth_musd:,.0f} M, expected loss "
            f"{row.expected_loss_musd:,.0f} M, purchases {row.bought_musd:,.0f} M, {row.supported} projects supported"
        )
    lines.append(f"  Expected worth over the cases: {expected:,.0f} M")
    in_all, count = decisions["cases"] == len(cases), len(cases)
    lines.append(
        "SAFE TO BEGIN, because every case decides it:" if in_all.any() else "Nothing is decided in every case."
    )
    lines += [f"  {_decision(row, names)}" for row in rows_of(decisions[in_all])]
    lines += ["DEPENDS ON THE CASE:"] * (not in_all.all())
    lines += [f"  {_decision(row, names)}; in {row.cases} of {count} cases" for row in rows_of(decisions[~in_all])]
    return lines


def _decision(row: Any, names: Names) -> str:
    if row.kind == "support":
        return f"support of {names.producer(row.item)}"
    name = names.material(row.item) if row.kind == "stock" else names.producer(row.item)
    what = "largest stock of" if row.kind == "stock" else "contract with"
    unit = "t" if row.kind == "stock" else "t a year"
    most = "" if math.isclose(row.least, row.most, rel_tol=1e-3) else f" to {digits(row.most, 4)}"
    return f"{what} {name}: {digits(row.least, 4)}{most} {unit}"


def _controls(plan: Plan, case: Mapping[int, bool]) -> tuple[Control, ...]:
    """The plan's controls, those of a case in force or not as it states."""
    return tuple(
        control.model_copy(update={"in_force": case.get(n, control.in_force)})
        for n, control in enumerate(plan.controls)
    )


def _chance(plan: Plan, case: Mapping[int, bool]) -> float:
    """Probability of a case: the product of those of its controls."""
    chances = ((plan.controls[n].probability or 0.0, on) for n, on in case.items())
    return math.prod(chance if on else 1 - chance for chance, on in chances)


# What rules of origin cost: the plan under none of them, under each switch alone, and under its own.
SWITCHES = ("law", "practice", "policy")
WORDS = {
    "none": "no rule of origin",
    "law": "law alone: the forms that statutes name",
    "practice": "practice alone: what supplier governments refuse to reserves",
    "policy": "policy alone: nothing from covered nations, nor of unpublished origin",
    "own": "the plan's own rules",
}


@verb
def origin_costs(plan: Plan, data: Dataset, *, gap: Gap = GAP, run: Runner = HERE) -> Study:
    """Show what rules of origin cost: no rule, law, practice of suppliers, policy, and the plan's own rules.

    Table `costs`, a row a case. rules: none, law, practice, policy, own; worth_musd: of the plan; cost_musd: worth without rules
    less worth with them; bound_musd: the most that the worth can be; expected_loss_musd; outlay_musd of the planned years;
    bought_musd: purchases of the baseline course; covered_share: of them from covered nations; unpublished_share: of no published
    origin; supported: projects signed with support; closed: offers, supports and contracts that the rules close; no_plan: why
    there is none, empty where there is one. Raises as `solve_once`."""
    cases = {"none": Procurement(), **{name: Procurement(**{name: True}) for name in SWITCHES}}
    if plan.procurement not in cases.values():
        cases["own"] = plan.procurement
    found = list(solved_cases(plan, data, [{"procurement": rules} for rules in cases.values()], gap, run))
    table = pd.DataFrame(
        [
            {"rules": name, **one.figures, "supported": one.supported, "closed": one.closed}
            for name, one in zip(cases, found, strict=True)
        ]
    )
    table["no_plan"] = [str(one.no_plan or "") for one in found]
    table.insert(2, "cost_musd", table.worth_musd[0] - table.worth_musd)
    titles = {"costs": "What rules of origin cost"}
    return Study("origins", {"costs": table}, _origin_words(table, gap), {"gap": gap}, titles)


def _origin_words(table: pd.DataFrame, gap: float) -> list[str]:
    lines = ["RULES OF ORIGIN: what they cost in worth of the plan (M: million USD; each case solved by itself):"]
    for row in rows_of(table):
        if row.no_plan:
            lines.append(f"  {WORDS[row.rules]}: no plan keeps them together with the plan's promises ({row.no_plan})")
            continue
        cost = "" if row.rules == "none" else f", cost {row.cost_musd:,.0f} M"
        bought = f"purchases {row.bought_musd:,.0f} M"
        if row.bought_musd > 0:
            bought += f", {row.covered_share:.0%} of them from covered nations"
            bought += f", {row.unpublished_share:.0%} of unpublished origin"
        lines.append(
            f"  {WORDS[row.rules]}: worth {row.worth_musd:,.0f} M{cost}; {bought}; expected loss "
            f"{row.expected_loss_musd:,.0f} M; {row.supported} projects supported; {row.closed} ways closed"
        )
    lines.append(
        f"  Each worth is within {gap:.2%} of the best possible social cost; a cost smaller than that may be none."
    )
    return lines


# Shortfalls that a plan foresees if nothing is held, beside those that a government's own report printed.
REQUIREMENT_COLUMNS = (
    "report item name published_t published_musd after_extra_buy_t computed_t computed_musd lowest_t highest_t ratio "
    "within_factor_two reason"
).split()
ALL = "all_of_the_plan"
"""Row of all that a plan computes, in money."""
FACTOR = 2.0
"""Ratio up to which two ways of computing a requirement count as agreeing."""
REQUIREMENT_TITLES = {"comparison": "Computed and published shortfalls", "computed": "Computed shortfalls by scenario"}


@verb
def published_requirements(plan: Plan, data: Dataset, *, gap: Gap = GAP, run: Runner = HERE) -> Study:
    """Show what would be missing if nothing were held, beside the shortfalls that stockpile reports printed.

    The gap does not touch the reference without action, which is what is compared. Tables:
    comparison: report, item, name; published_t, published_musd, after_extra_buy_t: printed shortfall, its value, and what is left
    of it if users buy more abroad at a higher price; computed_t in the plan's first scenario and computed_musd, its value at base
    prices, lowest_t and highest_t over its scenarios; a last row has all materials that the plan has; ratio:
    computed/published; within_factor_two: yes or no, empty where nothing is computed; reason: why they differ, or why nothing is
    computed; computed: scenario, material, segment, shortfall_t, substituted_t over the whole horizon, in tonnes, if nothing is
    held. Facts: compared (rows with both figures), within_factor_two (how many of them agree to a factor of two).

    Raises PlanError for a plan without listed scenarios, and as `solve_once`."""
    names = [scenario.name for scenario in plan.scenarios]
    if not names:
        expected = "scenarios to compare: the emergency that the requirements are for"
        raise PlanError([data.placed(Fault("plan", "", "scenarios", "none", expected))])
    plan = plan.model_copy(update={"days_of_cover": (), "stock_rules": ()})  # rules on what is held
    data = data.replace(stock=data.frame("stock").assign(opening_t=0.0))
    result = solve_once(plan, data, gap=gap, run=run)
    problem = prepare(plan, data)
    short = shortfalls(problem, result.reference)
    mine = short[short.scenario.isin(names)]
    computed = mine.groupby(["scenario", "material", "segment"], sort=False, as_index=False)[
        ["shortfall_t", "substituted_t"]
    ].sum()
    planned = set(problem.natural.materials)
    total = mine.groupby(["scenario", "material"])["shortfall_t"].sum()
    base = dict(zip(problem.natural.materials, problem.natural.base_price.tolist(), strict=True))

    def worth(materials: Iterable[str]) -> float:
        return float(sum(total.get((names[0], m), 0.0) * base[m] for m in materials))

    rows: list[tuple[Any, ...]] = []
    for row in data.rows("published_requirements"):
        wanted = row.materials.split()
        known = bool(wanted) and set(wanted) <= planned
        tonnes = [float(sum(total.get((name, m), 0.0) for m in wanted)) for name in names] if known else [np.nan]
        ratio = tonnes[0] / row.shortfall_t if row.shortfall_t else np.nan
        agrees = "" if np.isnan(ratio) else "yes" if 1 / FACTOR <= ratio <= FACTOR else "no"
        money = tuple(map(_or_nan, (row.shortfall_t, row.shortfall_musd, row.after_extra_buy_t)))
        ours = tonnes[0], worth(wanted) if known else np.nan, min(tonnes), max(tonnes)
        reason = row.reason if known or not wanted else "the plan does not have it"
        rows.append((row.report, row.item, row.name, *money, *ours, ratio, agrees, reason))
    none = (np.nan,) * 3
    rows.append((plan.horizon.first_year, ALL, "All materials of this plan", *none, np.nan, worth(base), *none, "", ""))
    comparison = pd.DataFrame(rows, columns=REQUIREMENT_COLUMNS)
    both = comparison[comparison.ratio.notna()]
    facts = {"compared": len(both), "within_factor_two": int((both.within_factor_two == "yes").sum())}
    tables = {"comparison": comparison, "computed": computed}
    return Study("requirements", tables, _requirement_words(comparison, facts), facts, REQUIREMENT_TITLES)


def _requirement_words(comparison: pd.DataFrame, facts: Mapping[str, int]) -> list[str]:
    lines = [
        "REQUIREMENTS: what would be missing if nothing were held, beside what reports printed [t]",
        f"  {facts['within_factor_two']} of {facts['compared']} materials with both figures agree within a factor of two.",
    ]
    for row in rows_of(comparison):
        printed = digits(row.published_t, 4)
        if np.isnan(row.published_t):
            money = row.computed_musd if row.item == ALL else row.published_musd
            detail = (
                "computed, at the prices of the plan" if row.item == ALL else f"printed in {row.report}: {row.reason}"
            )
            lines.append(f"  {row.name}: {digits(money, 4)} million USD {detail}")
            continue
        if np.isnan(row.computed_t):
            lines.append(f"  {row.name}: {printed} printed; not computed: {row.reason}")
            continue
        span = f"{digits(row.lowest_t, 4)} to {digits(row.highest_t, 4)}"
        why = f"; {row.reason}" if row.within_factor_two == "no" and row.reason else ""
        lines.append(f"  {row.name}: {printed} printed, {digits(row.computed_t, 4)} computed ({span}){why}")
    return lines


# What is missing from a question: materials without data.
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
MISSING_TITLES = {
    "gaps": "Materials without a row",
    "listed": "The official list",
    "not_planned": "Left out of all plans",
}
"""Headings of the tables."""


@verb
def complete(plan: Plan, data: Dataset) -> Study:
    """List what the data lack: materials without data. A sweep ranks estimates by their effect on the answer.

    Tables: `gaps`, material, table, meaning: planned materials without a row where one is expected. `listed`, mineral, name, rank,
    planned: the official list of the home country; whether plans can use each. `not_planned`, kind, item, name, why, next_source:
    minerals and projects that plans leave out for want of a published figure. Fact `minerals_without_data`: minerals with published
    facts that no plan can use yet."""
    chosen = sorted(select_materials(plan, data))
    gaps = [
        (material, table, meaning)
        for table, meaning in WANTED.items()
        for material in chosen
        if not _has_row(plan, data, table, material)
    ]
    not_planned = [(row.kind, row.item, row.name, row.why, row.next_source) for row in data.rows("not_planned")]
    tables = {
        "gaps": pd.DataFrame(gaps, columns=["material", "table", "meaning"]),
        "listed": _official(data),
        "not_planned": pd.DataFrame(not_planned, columns=["kind", "item", "name", "why", "next_source"]),
    }
    lacking = tuple(without_data(data))
    words = _missing_words(tables, lacking, Names.of(data))
    return Study("missing", tables, words, {"minerals_without_data": lacking}, MISSING_TITLES)


def _missing_words(tables: Mapping[str, pd.DataFrame], lacking: Sequence[str], names: Names) -> list[str]:
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
    return lines


def _official(data: Dataset) -> pd.DataFrame:
    """The official list, and whether the tables have all materials that each mineral is planned as."""
    known = {row.material for row in data.rows("materials")}
    rows = [
        [row.mineral, row.name, row.rank, bool(row.materials) and set(row.materials.split()) <= known]
        for row in data.rows("listed_minerals")
    ]
    return pd.DataFrame(rows, columns=["mineral", "name", "rank", "planned"]).astype({"planned": bool, "rank": "Int64"})


def _has_row(plan: Plan, data: Dataset, table: str, material: str) -> bool:
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


# The report of a stockpile manager: what an emergency asks of each material, what would be missing, what is held, what to buy.
LINES = (
    "material requirement_t defence_t essential_t shortfall_t shortfall_defence_t shortfall_musd held_t ordered_t buy_t "
    "buy_from_year buy_musd target_t left_t left_defence_t"
).split()
STOCKPILE_TITLES = {"lines": "Requirements, shortfalls and purchases by material"}


@verb
def stockpile_report(
    result: Result,
    *,
    scenario: Annotated[
        str, Field(description="Listed scenario of the plan that is the emergency; none: its first design-basis one.")
    ] = "",
) -> Study:
    """Write the report of a stockpile manager: requirements, shortfalls and proposed purchases by material, for one emergency.

    Table `lines`: a row a material with a requirement, a stock or a purchase; in tonnes. requirement_t: what users want while the
    emergency lasts, of it defence_t and essential_t; shortfall_t, and of defence: what is missing if nothing more is bought or
    signed; shortfall_musd: at base prices; held_t when the plan starts, of it ordered_t; buy_t in the planned years as long as
    nothing happens, from buy_from_year on, at buy_musd; target_t: stock at the end of the planned years; left_t, and of defence:
    what is missing in the emergency with the plan. The run has the acquisitions by year.
    Facts: emergency (scenario), first and last fiscal year of it, shortfall_musd, buy_musd.

    Raises InputError for a plan without a listed scenario, or without the one that is asked for."""
    problem = prepare(result.plan, result.data)
    n, name = problem.natural, _emergency(result, scenario)
    s = problem.structure.scenarios.names.index(name)
    # (Q, T) share of each period
    window = np.asarray(problem.structure.scenarios.lasting[s, n.chain[n.demand_material]])
    inside = n.calendar.year_index[window.any(axis=0)] if window.size else np.zeros(0, dtype=int)
    first, last = (n.calendar.years[inside.min()], n.calendar.years[inside.max()]) if len(inside) else (0, 0)
    wanted = (n.demand * problem.structure.scenarios.demand_factor[s] * window).sum(axis=1)
    before, after = (_missing_tonnes(problem, x, s, window) for x in (result.reference, result.solution))
    bought = result.tables["acquisitions"].groupby("material")[["acquired_t", "cost_musd"]].sum()
    begun = result.tables["acquisitions"].groupby("material").fiscal_year.min()
    held = opening_stock(result.plan, result.data)
    listed = [row for row in result.data.rows("stock") if row.material in held]
    ordered = {row.material: min(row.ordered_t, row.opening_t) for row in listed}
    rows = []
    for i, material in enumerate(n.materials):
        buys = material in bought.index
        short, left = before[:, n.demand_material == i], after[:, n.demand_material == i]
        lines = (
            *(wanted[n.demand_material == i][:, None] * _counted(n, i)).sum(axis=0).tolist(),
            *(short.sum(axis=1)).tolist(),
            float(short[0].sum() * n.base_price[i]),
            *(held.get(material, 0.0), ordered.get(material, 0.0)),
            *(
                (*bought.loc[material, ["acquired_t"]], begun[material], bought.cost_musd[material])
                if buys
                else (0, 0, 0)
            ),
            max(0.0, float(result.solution.stock[0, i, n.calendar.planned - 1])),
            *(left.sum(axis=1)).tolist(),
        )
        if max(lines[0], lines[6], lines[8]) > SMALL_T:
            rows.append((material, *lines))
    table = pd.DataFrame(rows, columns=LINES).sort_values("shortfall_musd", ascending=False, ignore_index=True)
    facts = {
        "emergency": name,
        "first_year": first,
        "last_year": last,
        "shortfall_musd": float(table.shortfall_musd.sum()),
        "buy_musd": float(table.buy_musd.sum()),
    }
    words = _stockpile_words(table, facts, Names.of(result.data))
    return Study("stockpile", {"lines": table}, words, facts, STOCKPILE_TITLES)


def _emergency(result: Result, asked: str) -> str:
    """The scenario that the report is for."""
    names = [one.name for one in result.plan.scenarios]
    if asked and asked not in names:
        expected = f"a listed scenario of the plan{near_miss(asked, names)}"
        raise InputError([Fault("", "", "scenario", f"'{asked}'", expected)])
    if not names:
        expected = "a listed scenario: the emergency that the stockpile is for"
        raise InputError([Fault(result.plan.name, "", "scenarios", "none", expected)])
    basis = [one.name for one in result.plan.scenarios if one.design_basis]
    return asked or (basis or names)[0]


def _counted(n: Instance, material: int) -> Floats:
    """(demands of a material, 3) 1 where a demand is counted: all, defence, essential."""
    of = n.priority[n.demand_material == material]
    return np.stack([np.ones(len(of)), of == DEFENCE, of == ESSENTIAL], axis=1).astype(float)


def _missing_tonnes(problem: Problem, x: Solution, s: int, window: Floats) -> Floats:
    """(2, Q) tonnes that each demand misses in the periods of an emergency; and those of defence alone."""
    n = problem.natural
    every = np.zeros(len(n.demands))
    for k, (q, _) in enumerate(n.tiers):
        every[q] += float((x.shortfall[1 + s, k] * (window[q] > 0)).sum())
    return np.stack([every, every * (n.priority == DEFENCE)])


def _stockpile_words(table: pd.DataFrame, facts: Mapping[str, Any], names: Names) -> list[str]:
    lines = [
        f"STOCKPILE REPORT for '{facts['emergency']}', {fiscal_years(facts['first_year'], facts['last_year'])}:",
        f"  With nothing more bought or signed, materials worth {musd(facts['shortfall_musd'])} million USD (M) would be missing; "
        f"proposed purchases cost {musd(facts['buy_musd'])} M as long as nothing happens.",
    ]
    for row in rows_of(table):
        defence = f", {in_tonnes(row.defence_t)} of it for defence" if row.defence_t > SMALL_T else ""
        parts = [f"wanted {in_tonnes(row.requirement_t)}{defence}"]
        parts += [f"held {in_tonnes(row.held_t)}"] * (row.held_t > SMALL_T)
        beyond = " beyond it" * (row.held_t > SMALL_T)
        parts.append(f"missing{beyond} {in_tonnes(row.shortfall_t)}")
        if row.shortfall_defence_t > SMALL_T:
            parts[-1] += f" ({in_tonnes(row.shortfall_defence_t)} of defence)"
        if row.buy_t > SMALL_T:
            parts.append(f"buy {in_tonnes(row.buy_t)} from FY{row.buy_from_year:.0f} for {digits(row.buy_musd)} M")
        parts += [f"still missing {in_tonnes(row.left_t)}"] * (row.left_t > SMALL_T)
        lines.append(f"  {names.material(row.material)}: {'; '.join(parts)}.")
    return lines
