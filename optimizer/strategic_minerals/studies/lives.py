"""The quick form of a year's two solves: what to sign and buy, and how to operate on what is known.

Planning: at most 25 scenarios and a small pricing sample; the linear relaxation is solved, what it signs in the first year is
rounded, fixed, and the rest solved again. Operating: what was signed stands in the tables, purchases are given; eight scenarios
say what may follow. Promises, limits on suppliers and days of cover are left out, as where rules of thumb are compared.
"""

from __future__ import annotations

import time
import types
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import UntrustedError
from ..core.formats import digits
from ..core.frames import Floats, Ints, rows_of, typed
from ..core.stats import estimated
from ..matrix.named import objective_costs
from ..matrix.problem import Problem, prepare
from ..matrix.solution import Solution, extract
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..solver.highs import SolvedRun
from ..solver.stages import FlatModel
from ..world.build import floored_tonnes
from ..world.instance import Instance
from ..world.producers import expected_payment
from .carry import Question, State, as_planned, carried_rows, signed_by
from .learning import HappenedRow, ScenarioPath
from .roll import moved_plan, next_question
from .worth import without_promises

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
        at, values = _rounded(problem, run.x)
        if len(at):
            lower, upper = problem.assembly.lower.copy(), problem.assembly.upper.copy()
            lower[at] = upper[at] = values
            model.load(replace(problem.assembly, lower=lower, upper=upper), cost)
            try:
                run = _run(model, cost, form)
            except UntrustedError:  # rounded up it does not fit the budget: nothing new is signed
                upper[at] = lower[at] = np.minimum(values, problem.assembly.lower[at])
                model.load(replace(problem.assembly, lower=lower, upper=upper), cost)
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
        given = dict.fromkeys(("total_musd", "liability_cap_musd"))
        free = {**given, "appropriation_musd": UNLIMITED_MUSD, "branch_money": "planned"}
        update["budget"] = asked.budget.model_copy(update=free)
    problem = prepare(asked.model_copy(update=update), data)
    cost = objective_costs(problem)["social_cost"]
    lower, upper, made = _limits(problem, bought, before, more=more)
    # what was bought before fits the year's money unless prices have risen: then less of it
    for share in (1.0, 0.5, 0.0):
        held = np.where(made > 0, np.minimum(upper, np.maximum(lower, share * made)), lower)
        model = FlatModel(replace(problem.assembly, lower=held, upper=upper), cost, integer=False)
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
    signed: dict[int, bool] = {}
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
            signed[place["sign", o]] = o == first and total >= ROUNDED_UP
    contracts = [k for k, contract in enumerate(problem.structure.contracts) if contract.start < year]
    for key in [*(("contract_signed", k) for k in contracts), *(("floor", m) for m in range(len(support.markets)))]:
        signed[place[key]] = bool(x[place[key]] >= ROUNDED_UP)
    return np.array(list(signed), dtype=np.int64), np.array(list(signed.values()), dtype=float)


def first_year_cost(solved: Solved) -> float:
    """Cost of the first year as it was lived: users, reserve and losses, discounted to its start, whatever the chances were
    [million USD]; without payments for what was signed."""
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


# A path lived through under a policy, year by year: what is planned, what happens, how it is operated, what it costs.


REPLANNED, TWO_STAGE, NOTHING = "planned again every year", "the plan as it was made", "nothing"
IN_INTEGERS = "planned again every year, in integers"


@dataclass(frozen=True)
class Policy:
    """What a policy buys and signs."""

    name: str
    bought: Mapping[str, Floats] | None
    """Purchase -> tonnes of each period of the plan; None: planned again every year."""
    signs: bool
    """Whether it signs what the plan signs."""


@dataclass(frozen=True)
class Year:
    """A year as it was lived."""

    cost: float
    """Discounted to its start [million USD]."""
    rest: float
    """What is expected of all years after it, discounted to its start [million USD]."""
    flows: tuple[Mapping[str, Any], ...]
    """By material: material, tight (share of the year), short_t, released_t, stock_t, bought_t."""
    planned: bool
    """Whether it was planned again."""
    gap: float
    seconds: float = field(compare=False)
    columns: int


@dataclass(frozen=True)
class Standing:
    """Where a path stands at the start of a year."""

    plan: Plan
    data: Dataset
    stock: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Start:
    """The question from which all paths begin, with its plan."""

    plan: Plan
    data: Dataset
    question: Question
    policies: tuple[Policy, ...]
    form: Form
    learning: bool


class Lives:
    """Paths of one group: what they share up to a date is worked out once."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._known: dict[tuple[Any, ...], tuple[Year, Standing]] = {}
        self._calm: dict[int, Solved] = {}

    def live(self, path: ScenarioPath, policy: Policy) -> list[Year]:
        """All planned years of a path under a policy."""
        plan, data = self._start.plan, self._start.data
        first, years = plan.horizon.first_year, plan.horizon.years
        standing, found = Standing(plan, data), []
        for k in range(years):
            key = (policy.name, k, path.history(first + k + 1.0))
            if key not in self._known:
                rest = (standing, first + k, k == years - 1)
                if policy.bought is None:
                    self._known[key] = self._planned_again(path, *rest)
                else:
                    self._known[key] = self._as_fixed(path, policy, policy.bought, *rest)
            year, standing = self._known[key]
            found.append(year)
        return found

    def _planned_again(self, path: ScenarioPath, at: Standing, year: int, last: bool) -> tuple[Year, Standing]:
        """Plan, then operate where anything is going on; else the year is as planned."""
        form, before = self._start.form, path.known(year, year)
        plan = at.plan.model_copy(update={"ongoing": before})
        planned = self._plan(plan, at.data, year, calm=not path.history(float(year)))
        now = path.known(year, year + 1.0)
        if not now and not last:
            lived = _lived(planned, _signed_now(planned) + signed_cost(planned), 0.0, planned)
            return lived, self._ahead(planned.question, plan, at.data, path, year)
        solution, per_year = planned.question.solution, planned.question.natural.calendar.per_year
        bought = {name: solution.acquisition[0, b, :per_year] for b, name in enumerate(solution.purchases)}
        signed = _with_signed(planned.question, plan, at.data)
        if last:  # all policies share the same beliefs about the years after the last
            entry = {name: self._start.data.rows(name) for name in ("hazards", "hazard_evidence")}
            signed = Dataset(types.MappingProxyType({**signed.tables, **entry}), signed.name)
        moved, share = plan.model_copy(update={"ongoing": now}), _unseen(path, year)
        acted = operating(moved, signed, bought, form, more=True, before=share)
        rest = acted.objective - first_year_cost(acted) + later_signed_cost(acted)
        lived = _lived(acted, signed_cost(acted), rest, planned)
        return lived, at if last else self._ahead(acted.question, moved, signed, path, year)

    def _plan(self, plan: Plan, data: Dataset, year: int, *, calm: bool) -> Solved:
        """The year's plan; that of a year before which nothing has happened is made once for all paths."""
        if not calm:
            return planning(plan, data, self._start.form)
        if year not in self._calm:
            self._calm[year] = planning(plan, data, self._start.form)
        return self._calm[year]

    def _ahead(self, question: Question, plan: Plan, data: Dataset, path: ScenarioPath, year: int) -> Standing:
        """The next year's question, before anything new is known."""
        happened = [e.happened() for e in path.events if year <= e.begin < year + 1]
        happened += [
            HappenedRow(event=e.name, status="ended", from_year=e.ended_year)
            for e in plan.ongoing
            if e.ended_year is not None
        ]
        start, state = self._start, as_planned(question, 1)
        plan, data = next_question(
            question, plan, data, state, happened, learning=start.learning, chances=start.form.draws
        )
        return Standing(plan.model_copy(update={"ongoing": ()}), data)

    def _as_fixed(
        self, path: ScenarioPath, policy: Policy, series: Mapping[str, Floats], at: Standing, year: int, last: bool
    ) -> tuple[Year, Standing]:
        """Buy and sign as fixed at the start, operate on what is known."""
        start, form = self._start, self._start.form
        k = year - start.plan.horizon.first_year
        n = start.question.natural
        P = k * n.calendar.per_year
        state = signed_by(start.question, P, P + n.calendar.per_year, packages=policy.signs)
        state = _at_start(state, n) if k == 0 else replace(state, stock=at.stock, users_missing=at.missing)
        data = _carried(start.question, state, start.data, f"year {year}")
        plan = moved_plan(start.plan, start.data, start.question, state, year, form.draws)
        now = path.known(year, year + 1.0)
        bought = {name: tonnes[P:] for name, tonnes in series.items()}
        share = 0.0 if path.known(year, float(year)) else _unseen(path, year)
        acted = operating(plan.model_copy(update={"ongoing": now}), data, bought, form, more=False, before=share)
        rest = acted.objective - first_year_cost(acted) + later_signed_cost(acted) if last else 0.0
        lived = _lived(acted, signed_cost(acted), rest, None)
        if last:
            return lived, at
        reached = as_planned(acted.question, 1)
        return lived, Standing(plan, data, reached.stock, reached.users_missing)


def _unseen(path: ScenarioPath, year: int) -> float:
    """Share of a year before an event begins in it."""
    return min((event.begin for event in path.events if year <= event.begin < year + 1), default=year + 1.0) - year


def _at_start(state: State, n: Instance) -> State:
    """The state with stocks of the reserve and of users as they are when the plan begins."""
    missing = {
        (n.materials[i], n.demands[q][1] if q >= 0 else ""): float(lacking / level)
        for (i, q), lacking, level in zip(n.users, n.users_missing, n.users_level, strict=True)
    }
    stock = {name: float(n.opening[i]) for i, name in enumerate(n.materials)}
    return replace(state, stock=stock, users_missing=missing)


def _carried(question: Question, state: State, data: Dataset, source: str) -> Dataset:
    """The tables of a state."""
    rows = carried_rows(question, state, data, source)
    return Dataset(types.MappingProxyType({name: tuple(each) for name, each in rows.items()}), data.name)


def _with_signed(question: Question, plan: Plan, data: Dataset) -> Dataset:
    """The tables of the same year with what was signed in it."""
    n = question.natural
    return _carried(question, _at_start(signed_by(question, 0, n.calendar.per_year, packages=True), n), data, plan.name)


def _signed_now(planned: Solved) -> float:
    """Instalments, fees and floors of the first year for what is signed in it [million USD]."""
    structure, x, n = planned.question.structure, planned.question.solution, planned.question.natural
    year, support = n.calendar.per_year, structure.support
    total = float((x.sign @ support.outlay)[:year].sum() + (x.floor @ support.market_outlay)[:year].sum())
    for contract, tonnes in zip(structure.contracts, x.contract, strict=True):
        periods = max(0, min(year, contract.end) - contract.start)
        total += float(n.contract_fee[contract.source]) * float(tonnes) * periods
    return total


def _lived(acted: Solved, signed: float, rest: float, planned: Solved | None) -> Year:
    seconds = acted.seconds + (planned.seconds if planned is not None and planned is not acted else 0.0)
    return Year(
        cost=first_year_cost(acted) + signed,
        rest=rest,
        flows=tuple(_flows(acted)),
        planned=planned is not None,
        gap=0.0 if planned is None else planned.gap,
        seconds=seconds,
        columns=(planned or acted).problem.assembly.shape[1],
    )


def _flows(acted: Solved) -> list[dict[str, Any]]:
    """By stocked material: how tight the year was, what went short, what was released, kept and bought."""
    question = acted.question
    n, x, year = question.natural, question.solution, question.natural.calendar.per_year
    trunk, known = question.structure.trunk, {p.name: p for s in question.structure.component_sets for p in s.purchases}
    found = []
    for i, name in enumerate(n.materials):
        bought = sum(
            float(x.acquisition[0, b, :year].sum()) for b, p in enumerate(x.purchases) if known[p].material == i
        )
        released, stock = float(x.release[0, i, :year].sum()), float(max(0.0, x.stock[0, i, year - 1]))
        tight = float((trunk.tight[0, i, :year] * trunk.lasting[0, n.chain[i], :year]).mean())
        if max(bought, released, stock, tight, float(n.opening[i])) <= 0:
            continue
        tiers = [k for k, (q, _) in enumerate(n.tiers) if n.demand_material[q] == i]
        short = float(x.shortfall[0, tiers, :year].sum()) if tiers else 0.0
        found.append(
            {
                "material": name,
                "tight": tight,
                "short_t": short,
                "released_t": released,
                "opening_t": float(n.opening[i]),
                "stock_t": stock,
                "bought_t": bought,
            }
        )
    return found


def bought_by(solution: Solution) -> dict[str, Floats]:
    """Purchase -> tonnes of each period on the baseline course."""
    return {name: np.asarray(solution.acquisition[0, b]) for b, name in enumerate(solution.purchases)}


# What a simulation says: worth of policies on the same paths, paired differences, strata, drawdown and refill.


FEWEST = 3
"""Paths that a stratum of its own has at least."""
REFILLED = 0.95
"""Share of the stock before an event from which it counts as refilled."""
POLICIES = dict.fromkeys("policy paths worth_musd error_musd low_musd high_musd worst_musd".split(), "number")
POLICIES |= {"policy": "text"}
DIFFERENCES = dict.fromkeys(
    "of policy stratum paths difference_musd error_musd low_musd high_musd told".split(), "number"
) | dict.fromkeys(("of", "policy", "stratum", "told"), "text")
PATHS = dict.fromkeys("path struck first_event policy cost_musd worth_musd".split(), "number")
PATHS |= {"struck": "text", "policy": "text"}
YEARS = dict.fromkeys(
    "path policy fiscal_year material tight_share short_t released_t opening_t stock_t bought_t".split(), "number"
) | {"policy": "text", "material": "text"}
DRAWDOWN = dict.fromkeys(
    (
        "material years_tight releases_share of_stock of_short kept_share events_over refilled_1yr refilled_3yr peak_stock_t"
    ).split(),
    "number",
) | {"material": "text"}
REPLANS = dict.fromkeys("plans seconds columns mean_gap_musd largest_gap_musd".split(), "number")
"""Columns of the tables and their kinds."""
TITLES = {
    "policies": "Worth of each policy on the same paths",
    "differences": "What planning again is worth beyond it",
    "drawdown": "When the reserve releases, and how it refills",
}
"""Headings of the short tables."""


def words_of_paths(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> list[str]:
    """A simulation in plain words."""
    policies, differences = tables["policies"], tables["differences"]
    lines = [
        _head(differences),
        f"{facts['paths_drawn']} paths, the same for all; million USD, discounted; {facts['confidence']:.0%} intervals:",
    ]
    for row in rows_of(policies[policies.policy != IN_INTEGERS]):
        interval = f"({digits(row.low_musd)} to {digits(row.high_musd)})"
        lines.append(f"  {row.policy}: worth {digits(row.worth_musd)} {interval}, at worst {digits(row.worst_musd)}")
    for of in (REPLANNED, TWO_STAGE):
        mine = differences[(differences.of == of) & (differences.stratum == ALL)]
        others = [row for row in rows_of(mine) if row.policy != IN_INTEGERS]
        lines += [f"What '{of}' is worth beyond each:"] * bool(others)
        lines += [f"  {row.policy}: {_in_words(row)}" for row in others]
    return [*lines, *_form(tables["replans"], differences, facts["scenarios"]), *_released(tables["drawdown"])]


def _head(differences: pd.DataFrame) -> str:
    """Whether the plan is worth planning again, or is beaten by something simpler."""
    every = differences[differences.stratum == ALL]
    beaten = every[(every.of == TWO_STAGE) & (every.difference_musd < 0) & (every.told == "yes")]
    if len(beaten):
        worst = next(rows_of(beaten.sort_values("difference_musd")))
        by = digits(-worst.difference_musd)
        return f"A SIMPLER RULE DOES BETTER than the plan as it was made: {worst.policy}, by {by} million USD."
    again = every[(every.of == REPLANNED) & (every.policy == TWO_STAGE)]
    row = next(rows_of(again))
    if row.told != "yes":
        return f"WHETHER PLANNING AGAIN EVERY YEAR PAYS cannot be told at {row.paths:.0f} paths."
    word = "IS WORTH" if row.difference_musd > 0 else "LOSES"
    by = digits(abs(row.difference_musd))
    return f"PLANNING AGAIN EVERY YEAR {word} {by} million USD against the plan as it was made."


def _form(replans: pd.DataFrame, differences: pd.DataFrame, scenarios: int) -> list[str]:
    """How the years were planned."""
    lines = [
        f"Quick form: {row.plans:.0f} years planned on at most {scenarios} scenarios, {row.seconds:.1f} processor "
        f"seconds and {row.columns:,.0f} columns each; rounding what is signed costs {digits(row.mean_gap_musd)} million USD "
        f"on average, {digits(row.largest_gap_musd)} at most."
        for row in rows_of(replans)
    ]
    exact = differences[(differences.policy == IN_INTEGERS) & (differences.stratum == ALL)]
    return lines + [
        f"Against plans in integers on {row.paths:.0f} of the paths: {_in_words(row)}." for row in rows_of(exact)
    ]


def _released(drawdown: pd.DataFrame) -> list[str]:
    lines = []
    for row in rows_of(drawdown.head(8)):
        back = "" if pd.isna(row.refilled_3yr) else f"; {row.refilled_3yr:.0%} of stocks are back within three years"
        lines.append(
            f"  {row.material}: in short supply in {row.years_tight:.0f} years; the reserve releases in "
            f"{row.releases_share:.0%} of them, {row.of_stock:.0%} of its stock, {row.of_short:.0%} of what is short{back}"
        )
    return ["When the reserve releases:", *lines] if lines else []


def _in_words(row: Any) -> str:
    text = "" if row.told == "yes" else f": cannot be told at {row.paths:.0f} paths"
    interval = f"{digits(row.low_musd)} to {digits(row.high_musd)}"
    return f"{digits(row.difference_musd)} (standard error {digits(row.error_musd)}, {interval}){text}"


ALL = "all paths"


def tables_of_paths(
    plan: Plan,
    n: Instance,
    drawn: Sequence[ScenarioPath],
    lived: Mapping[tuple[int, str], list[Year]],
    names: Sequence[str],
    confidence: float,
) -> dict[str, pd.DataFrame]:
    """All tables of a simulation."""
    rate, first = plan.discount_rate, plan.horizon.first_year
    cost = {key: path_cost(years, rate) for key, years in lived.items()}
    policies = [*names, *sorted({name for _, name in lived} - set(names))]
    rows = []
    for path in drawn:
        begins = min((event.begin for event in path.events), default=float("nan"))
        for name in policies:
            if (path.number, name) in cost:
                value = cost[path.number, name]
                rows.append((path.number, path.struck, begins, name, value, cost[path.number, NOTHING] - value))
    table = typed(pd.DataFrame(rows, columns=list(PATHS)), PATHS)
    years = _years(lived, drawn, first)
    return {
        "policies": _policies(table, [p for p in policies if p != NOTHING], confidence),
        "differences": _differences(table, policies, confidence),
        "paths": table,
        "years": years,
        "drawdown": drawdown(years[years.policy == REPLANNED]),
        "replans": _replans(lived),
    }


def path_cost(years: Sequence[Year], rate: float) -> float:
    """Discounted cost of a path: its years as they were lived, and what is expected after the last [million USD]."""
    total = sum(year.cost * (1 + rate) ** -k for k, year in enumerate(years))
    return float(total + years[-1].rest * (1 + rate) ** -(len(years) - 1))


def _policies(table: pd.DataFrame, names: Sequence[str], confidence: float) -> pd.DataFrame:
    rows = []
    for name in names:
        worth = table[table.policy == name].worth_musd.tolist()
        if worth:
            found = estimated(worth, confidence)
            rows.append([name, len(worth), found.mean, found.standard_error, found.low, found.high, min(worth)])
    return typed(pd.DataFrame(rows, columns=list(POLICIES)), POLICIES)


def _differences(table: pd.DataFrame, policies: Sequence[str], confidence: float) -> pd.DataFrame:
    """Paired differences, over all paths and by which hazards strike."""
    worth = table.pivot(index="path", columns="policy", values="worth_musd")
    struck = table.drop_duplicates("path").set_index("path").struck
    common = struck.value_counts()
    stratum = struck.where(struck.map(common) >= FEWEST, "others")
    pairs = [(REPLANNED, name) for name in policies if name not in (NOTHING, REPLANNED)]
    pairs += [(TWO_STAGE, name) for name in policies if name not in (NOTHING, REPLANNED, TWO_STAGE, IN_INTEGERS)]
    rows = []
    for of, name in pairs:
        both = worth[[of, name]].dropna()
        difference = both[of] - both[name]
        groups = {ALL: difference, **{str(k): part for k, part in difference.groupby(stratum.loc[difference.index])}}
        for group, values in groups.items():
            found = estimated(values.tolist(), confidence)
            text = "yes" if len(values) > 1 and not found.low <= 0 <= found.high else "cannot be told"
            rows.append([of, name, group, len(values), found.mean, found.standard_error, found.low, found.high, text])
    return typed(pd.DataFrame(rows, columns=list(DIFFERENCES)), DIFFERENCES)


def _years(lived: Mapping[tuple[int, str], list[Year]], drawn: Sequence[ScenarioPath], first: int) -> pd.DataFrame:
    rows = []
    for path in drawn:
        for name in (REPLANNED, TWO_STAGE):
            for k, year in enumerate(lived.get((path.number, name), ())):
                of = {"path": path.number, "policy": name, "fiscal_year": first + k}
                rows += [{**of, **flow, "tight_share": flow["tight"]} for flow in year.flows]
    return typed(pd.DataFrame(rows, columns=list(YEARS)), YEARS)


def drawdown(years: pd.DataFrame) -> pd.DataFrame:
    """When each material's stock is released and how it refills, over all paths.

    An event over: a year without short supply after one with it; the stock it has to come back to is that before the first of the
    years in short supply.
    """
    rows = []
    for material, mine in years.groupby("material", sort=True):
        tight = mine[mine.tight_share > 0]
        peak = float(mine.stock_t.max())
        if not len(tight) or peak <= 0:
            continue
        held = tight[tight.opening_t > 0]
        firsts: list[float] = []
        back: dict[int, list[bool]] = defaultdict(list)
        for _, path in mine.groupby("path"):
            course = path.sort_values("fiscal_year")
            is_tight, opening, stock = (course[c].to_numpy() for c in ("tight_share", "opening_t", "stock_t"))
            before = None
            for k in np.flatnonzero(is_tight > 0):
                if k == 0 or is_tight[k - 1] == 0:
                    before = opening[k]
                    if before > 0:
                        firsts.append(float(min(1.0, stock[k] / before)))
                if k + 1 < len(course) and is_tight[k + 1] == 0 and before:
                    for within in (1, 3):
                        if k + within < len(course):
                            back[within].append(bool((stock[k + 1 : k + 1 + within] >= REFILLED * before).any()))
        short = float((tight.short_t + tight.released_t).sum())
        share = float((held.released_t > 0).mean()) if len(held) else float("nan")
        of_stock = float(held.released_t.sum() / held.opening_t.sum()) if len(held) else float("nan")
        of_short = float(tight.released_t.sum() / short) if short > 0 else float("nan")
        kept, *refilled = (float(np.mean(part)) if part else float("nan") for part in (firsts, back[1], back[3]))
        rows.append([material, len(tight), share, of_stock, of_short, kept, len(back[1]), *refilled, peak])
    return typed(pd.DataFrame(rows, columns=list(DRAWDOWN)), DRAWDOWN)


def _replans(lived: Mapping[tuple[int, str], list[Year]]) -> pd.DataFrame:
    again = [year for (_, name), years in lived.items() if name == REPLANNED for year in years if year.planned]
    rows = []
    if again:
        means = (float(np.mean([getattr(year, name) for year in again])) for name in ("seconds", "columns", "gap"))
        rows = [(len(again), *means, max(year.gap for year in again))]
    return typed(pd.DataFrame(rows, columns=list(REPLANS)), REPLANS)
