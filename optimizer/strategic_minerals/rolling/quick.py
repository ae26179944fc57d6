"""The quick form of a year's two solves: what to sign and buy, and how to operate on what is known.

Planning: at most 25 scenarios and a small pricing sample; the linear relaxation is solved, what it signs in the first year is
rounded, fixed, and the rest solved again. Operating: what was signed stands in the tables, purchases are given; eight scenarios
say what may follow. Promises, limits on suppliers and days of cover are left out, as where rules of thumb are compared.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..core.arrays import Floats, Ints
from ..core.errors import UntrustedError
from ..data.dataset import Dataset
from ..evaluation.rules_of_thumb import without_promises
from ..highs.run import SolvedRun
from ..instance.carried_over import floored_tonnes
from ..instance.producer_economics import expected_payment
from ..model.assembly import Assembly
from ..model.objectives import objective_costs
from ..model.problem import Problem, prepare
from ..model.solution import Solution, extract
from ..optimization.stages import FlatModel
from ..schemas.plan import Plan
from .state import Question

ROUNDED_UP = 0.5
"""Share of a signature from which it is signed."""


@dataclass(frozen=True)
class Form:
    """Sizes of the quick form."""

    scenarios: int = 25
    draws: int = 256
    pricing: int = 128
    operating_scenarios: int = 8
    operating_draws: int = 64
    gap_musd: float = 0.1
    time_limit_s: float = 120.0
    integer: bool = False
    """True: signatures are found in integers, to `gap_musd`, and none is rounded."""


@dataclass(frozen=True)
class Solved:
    """A solved year."""

    question: Question
    problem: Problem
    x: Floats
    objective: float
    """Social cost [million USD]."""
    gap: float
    """What rounding costs against the relaxation [million USD]; 0 where nothing was rounded."""
    seconds: float


def planning(plan: Plan, data: Dataset, form: Form) -> Solved:
    """What to sign and buy this year, and what it would lead to. Raises UntrustedError where it is not solved."""
    begin = time.process_time()
    problem = prepare(_with_sample(without_promises(plan), form.scenarios, form.draws, form.pricing), data)
    cost = objective_costs(problem)["social_cost"]
    model = FlatModel(problem.assembly, cost, integer=form.integer)
    run = _run(model, cost, form)
    bound, gap = run.objective, 0.0
    if not form.integer:
        fixed = _rounded(problem, run.x)
        if len(fixed[0]):
            lower, upper = problem.assembly.lower.copy(), problem.assembly.upper.copy()
            lower[fixed[0]] = upper[fixed[0]] = fixed[1]
            held = _bounded(problem.assembly, lower, upper)
            model.load(held, cost)
            try:
                run = _run(model, cost, form)
            except UntrustedError:  # rounded up it does not fit the budget: nothing new is signed
                upper[fixed[0]] = lower[fixed[0]] = np.minimum(fixed[1], problem.assembly.lower[fixed[0]])
                model.load(_bounded(problem.assembly, lower, upper), cost)
                run = _run(model, cost, form)
            gap = max(0.0, run.objective - bound)
    return _solved(problem, run.x, run.objective, gap, time.process_time() - begin)


def operating(
    plan: Plan, data: Dataset, bought: Mapping[str, Floats], form: Form, *, more: bool, before: float = 1.0
) -> Solved:
    """How the year is operated where what was signed stands in the tables.

    bought: purchase -> tonnes of each period as planned. before: share of the year before anything was seen; that part of the first
    year's purchases has been made, as far as it was for sale. more: whether the rest of the year is free, with what the market
    still offers in it and the money of the year, and later years are planned; else no more is bought than planned, and of what has
    become dearer no more than the planned money buys.
    """
    begin = time.process_time()
    asked = _with_sample(without_promises(plan), form.operating_scenarios, form.operating_draws, None)
    menu = asked.instruments.model_copy(update={"projects": False, "price_floors": (), "offtake_contracts": False})
    owners = asked.owners.model_copy(update={"expectation": "trunk", "price_risk_premium": 0.0, "risk_charge": 0.0})
    risk = asked.risk.model_copy(update={"cvar_weight": 0.0})  # years are counted as they were lived
    update: dict[str, object] = {"instruments": menu, "owners": owners, "risk": risk}
    if not more:  # what a policy buys is given: no budget decides
        given = {
            "appropriation_musd": UNLIMITED_MUSD,
            "total_musd": None,
            "liability_cap_musd": None,
            "branch_money": "planned",
        }
        update["budget"] = asked.budget.model_copy(update=given)
    problem = prepare(asked.model_copy(update=update), data)
    cost = objective_costs(problem)["social_cost"]
    lower, upper, made = _limits(problem, bought, before, more=more)
    for share in (
        1.0,
        0.5,
        0.0,
    ):  # what was bought before fits the year's money unless prices have risen: then less of it
        held = np.where(made > 0, np.minimum(upper, np.maximum(lower, share * made)), lower)
        model = FlatModel(_bounded(problem.assembly, held, upper), cost, integer=False)
        try:
            run = _run(model, cost, form)
        except UntrustedError:
            if share == 0.0:
                raise
        else:
            break
    return _solved(problem, run.x, float(cost @ run.x), 0.0, time.process_time() - begin)


def _limits(
    problem: Problem, bought: Mapping[str, Floats], before: float, *, more: bool
) -> tuple[Floats, Floats, Floats]:
    """(columns,) lower and upper bounds, and what of the first year's purchases was made before anything was seen."""
    lower, upper = problem.assembly.lower.copy(), problem.assembly.upper.copy()
    made = np.zeros(len(lower))
    structure, n = problem.structure, problem.structure.instance
    year, known = n.calendar.per_year, {p.name: p for sets in structure.component_sets for p in sets.purchases}
    for part in problem.assembly.operations:
        for variable, key in part.template.columns:
            if variable != "acquisition":
                continue
            at = part.columns("acquisition", key)[: n.calendar.periods]
            p, i = known[key], structure.material_of_purchase[key]
            tonnes = np.zeros(len(at))
            series = bought.get(key, np.zeros(0))[: len(at)]
            tonnes[: len(series)] = series / float(n.material_unit[i])
            calm = n.purchase_price(p, n.price[i])
            now = n.purchase_price(p, structure.trunk.price[0, i], structure.trunk.market_gap[0, i])
            dearer = np.minimum(1.0, calm / np.where(now > 0, now, 1.0))
            most = np.minimum(tonnes, upper[at])
            made[at[:year]] = most[:year] * before
            if more:
                upper[at[:year]] = np.minimum(upper[at[:year]], most[:year] * before + (1 - before) * upper[at[:year]])
            else:
                share = np.where(np.arange(len(at)) < year, before + (1 - before) * dearer, dearer)
                upper[at] = most * share
    return lower, upper, made


UNLIMITED_MUSD = 1e6
"""A year's money where purchases are given [million USD]."""


def _bounded(assembly: Assembly, lower: Floats, upper: Floats) -> Assembly:
    return replace(assembly, lower=lower, upper=upper)


def _run(model: FlatModel, cost: Floats, form: Form) -> SolvedRun:
    absolute = form.gap_musd if form.integer else 0.0
    run = model.minimise(cost, None, gap=0.0, absolute_gap=absolute, time_limit_s=form.time_limit_s)
    if not isinstance(run, SolvedRun):
        raise UntrustedError(f"a year was not solved: {run.status}")
    return run


def _solved(problem: Problem, x: Floats, objective: float, gap: float, seconds: float) -> Solved:
    solution = extract(problem.structure, problem.assembly, x)
    return Solved(Question(problem.structure, problem.natural, solution), problem, x, objective, gap, seconds)


def _with_sample(plan: Plan, scenarios: int, draws: int, pricing: int | None) -> Plan:
    """The plan with a sample of another size."""
    update: dict[str, object] = {}
    if plan.sample is not None:
        count = min(scenarios, plan.sample.scenarios)
        sizes = {"scenarios": count, "draws": max(draws, count)}
        update["sample"] = plan.sample.model_copy(update=sizes)
    if pricing is not None and plan.owners.expectation == "scenarios":
        update["owners"] = plan.owners.model_copy(update={"sample": min(pricing, plan.owners.sample)})
    return plan.model_copy(update=update)


def _rounded(problem: Problem, x: Floats) -> tuple[Ints, Floats]:
    """(columns, values) of the first year's signatures and contracts, whole: one package a project, a lot or nothing."""
    root, support = problem.assembly.commitments, problem.structure.support
    place = {column: root.first_column + k for k, column in enumerate(root.template.columns)}
    year = problem.natural.calendar.per_year
    columns: list[int] = []
    values: list[float] = []
    whole = not problem.plan.instruments.partial_support
    best: dict[int, tuple[float, int]] = {}
    for o, option in enumerate(support.options):
        share = float(x[place["sign", o]])
        if option.signed < year and whole and not support.baseline[option.project]:
            total, first = best.get(option.project, (0.0, o))
            best[option.project] = (total + share, o if share > x[place["sign", first]] else first)
    for o, option in enumerate(support.options):
        if option.signed < year and option.project in best:
            total, first = best[option.project]
            columns.append(place["sign", o])
            values.append(1.0 if o == first and total >= ROUNDED_UP else 0.0)
    for k, contract in enumerate(problem.structure.contracts):
        if contract.start < year and ("contract_signed", k) in place:
            columns.append(place["contract_signed", k])
            values.append(1.0 if x[place["contract_signed", k]] >= ROUNDED_UP else 0.0)
    for m in range(len(support.markets)):
        columns.append(place["floor", m])
        values.append(1.0 if x[place["floor", m]] >= ROUNDED_UP else 0.0)
    return np.array(columns, dtype=np.int64), np.array(values)


def first_year_cost(solved: Solved) -> float:
    """What the first year costs as it was lived: users, reserve and losses, discounted to its start, whatever the chances were
    [million USD]. Payments for what was signed stand apart."""
    problem, x = solved.problem, solved.x
    cost, year = objective_costs(problem)["social_cost"], problem.natural.calendar.per_year
    beta, total = problem.natural.calendar.beta, 0.0
    for part in problem.assembly.operations:
        weight = part.weights.get("social_cost")
        for t in range(year):
            mine = slice(part.first_column + part.width * t, part.first_column + part.width * (t + 1))
            of = beta[t] if weight is None else float(weight[t])
            if of > 0:
                total += float(cost[mine] @ x[mine]) / of * float(beta[t])
    return total


def signed_cost(solved: Solved) -> float:
    """Instalments, fees and floors' payments of the first year for what stands in the tables, floors at the prices of the year
    [million USD]."""
    n, structure = solved.problem.natural, solved.problem.structure
    year = n.calendar.per_year
    total = float(n.carried.instalments[0])
    unit = structure.instance.material_unit
    for paid in n.carried.floors:
        if paid.floor.kind == "border":
            continue
        i, j = paid.floor.material, paid.producer
        calm_tonnes, calm_price = floored_tonnes(n, paid)
        price = structure.trunk.price[0, i] / unit[i]
        now = (1 + n.premium[j]) * n.market_price(i, bool(n.outside[j, i]), price, gap=structure.trunk.market_gap[0, i])
        if not n.plan.price_gain:
            now = np.minimum(now, calm_price)
        share = structure.trunk.availability[0, j] / np.where(n.availability[j] > 0, n.availability[j], 1.0)
        total += float((calm_tonnes * share * expected_payment(n, now, paid.floor))[:year].sum())
    return total


def later_signed_cost(solved: Solved) -> float:
    """The same of all years after the first, on the undisturbed course, discounted to its start; less what plants are worth at the
    end [million USD]."""
    n = solved.problem.natural
    years = np.arange(len(n.calendar.years))
    beta = (1 + n.calendar.rate) ** -years.astype(float)
    return float((n.carried.due * beta)[1:].sum()) - n.carried.residual * float(n.calendar.beta[n.calendar.periods])


def bought_in_first_year(solution: Solution, periods: int) -> dict[str, Floats]:
    """Purchase -> tonnes of each period of the first year."""
    return {name: solution.acquisition[0, b, :periods] for b, name in enumerate(solution.purchases)}
