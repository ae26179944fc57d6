"""Years of a path planned again without foresight, each on what is known by then.

Planned: at most 25 scenarios and a small pricing sample; the linear relaxation is solved, what it signs in the first year is
rounded, fixed, and the rest solved again. Where something has begun in the year, it is planned once more with that known and
nothing new to sign. After the last planned year its plan is lived like any other (`forward`). Promises, limits on suppliers and
days of cover are left out, as where rules of thumb are compared."""

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..answer.year import NewsRow
from ..core.errors import UntrustedError
from ..core.frames import Floats, Ints
from ..matrix.named import objective_costs
from ..matrix.problem import Problem, prepare
from ..matrix.solution import Solution, extract
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..solver.highs import SolvedRun
from ..solver.stages import FlatModel
from ..world.events import ScenarioSet, combine_events
from ..world.instance import Instance
from ..world.producers import EARNINGS, expected_payment, floored_tonnes, net_revenue
from ..world.scenarios import trunk_course
from .carry import Question, State, as_planned, carried_rows, signed_by
from .forward import Simulator
from .learning import ScenarioPath
from .recourse import FirstStage
from .roll import next_question
from .rules import without_promises

ROUNDED_UP = 0.5
"""Share of a signature from which it is signed."""


SCENARIOS, DRAWS, PRICING = 25, 256, 128
"""Most scenarios of a year's plan, the draws that they are chosen from, and scenarios in which owners price."""
LIMIT_S = 120.0
"""Seconds for one of its programs."""


@dataclass(frozen=True)
class Planned:
    """A solved year."""

    plan: Plan
    data: Dataset
    question: Question
    problem: Problem
    x: Floats
    gap: float
    """What rounding costs against the relaxation [million USD]; 0 where nothing was rounded."""


def planned(plan: Plan, data: Dataset) -> Planned:
    """What to sign and buy this year, and what it would lead to. Raises UntrustedError where it is not solved."""
    asked = _with_sample(without_promises(plan))
    problem = prepare(asked, data)
    cost = objective_costs(problem)["social_cost"]
    model = FlatModel(problem.assembly, cost, integer=False)
    run = _run(model, cost)
    bound, gap = run.objective, 0.0
    at, values = _rounded(problem, run.x)
    if len(at):
        lower, upper = problem.assembly.lower.copy(), problem.assembly.upper.copy()
        lower[at] = upper[at] = values
        model.load(replace(problem.assembly, lower=lower, upper=upper), cost)
        try:
            run = _run(model, cost)
        except UntrustedError:  # rounded up it does not fit the budget: nothing new is signed
            upper[at] = lower[at] = np.minimum(values, problem.assembly.lower[at])
            model.load(replace(problem.assembly, lower=lower, upper=upper), cost)
            run = _run(model, cost)
        gap = max(0.0, run.objective - bound)
    solution = extract(problem.structure, problem.assembly, run.x)
    question = Question(problem.structure, problem.natural, solution)
    return Planned(asked, data, question, problem, run.x, gap)


def _run(model: FlatModel, cost: Floats) -> SolvedRun:
    run = model.minimise(cost, None, gap=0.0, absolute_gap=0.0, time_limit_s=LIMIT_S)
    if not isinstance(run, SolvedRun):
        raise UntrustedError(f"a year was not solved: {run.status}")
    return run


def _with_sample(plan: Plan) -> Plan:
    """The plan with a sample of another size."""
    update: dict[str, object] = {}
    if plan.sample is not None:
        count = min(SCENARIOS, plan.sample.scenarios)
        sizes = {"scenarios": count, "draws": max(DRAWS, count)}
        update["sample"] = plan.sample.model_copy(update=sizes)
    if plan.owners.expectation == "scenarios":
        update["owners"] = plan.owners.model_copy(update={"sample": min(PRICING, plan.owners.sample)})
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
    contracts = [k for k, one in enumerate(problem.structure.contracts) if one.start < year and one.lot > 0]
    for key in [*(("contract_signed", k) for k in contracts), *(("floor", m) for m in range(len(support.markets)))]:
        signed[place[key]] = bool(x[place[key]] >= ROUNDED_UP)
    return np.array(list(signed), dtype=np.int64), np.array(list(signed.values()), dtype=float)


def first_year_cost(solved: Planned) -> float:
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


def signed_cost(solved: Planned) -> float:
    """Instalments, fees and floors' payments of the first year for what is in the tables, at the year's prices [million USD]."""
    n, structure = solved.problem.natural, solved.problem.structure
    year = n.calendar.per_year
    total = float(n.carried.instalments[0])
    unit = structure.instance.material_unit
    for paid in n.carried.floors:
        if paid.floor.kind == "border" or paid.payer != "plan":
            continue
        i, j = paid.floor.material, paid.producer
        calm_tonnes, _ = floored_tonnes(n, paid)
        price = structure.trunk.price[0, i] / unit[i]
        now = (1 + n.premium[j]) * n.market_price(i, bool(n.outside[j, i]), price, gap=structure.trunk.market_gap[0, i])
        now = np.minimum(now, (1 + n.premium[j]) * n.market_price(i, bool(n.outside[j, i]), n.price[i]))
        if paid.floor.kind == EARNINGS:
            now = net_revenue(n, j, i, now)
        share = structure.trunk.availability[0, j] / np.where(n.availability[j] > 0, n.availability[j], 1.0)
        total += float((calm_tonnes * share * expected_payment(n, now, paid.floor))[:year].sum())
    return total


def later_signed_cost(solved: Planned) -> float:
    """The same of all years after the first, on the undisturbed course, discounted to its start; less what plants are worth at the
    end [million USD]."""
    n = solved.problem.natural
    years = np.arange(len(n.calendar.years))
    beta = (1 + n.calendar.rate) ** -years.astype(float)
    return float((n.carried.due * beta)[1:].sum()) - n.carried.residual * float(n.calendar.beta[n.calendar.periods])


# A path lived year by year, planned again each year.
@dataclass(frozen=True)
class Year:
    """A year as it was lived."""

    cost: float
    """Discounted to its start [million USD]; that of the last planned year holds all that comes after it."""
    flows: tuple[Mapping[str, Any], ...]
    """By material: material, tight (share of the year), short_t, released_t, stock_t, bought_t."""
    gap: float
    """What rounding what is signed costs [million USD]."""


class Replanning:
    """Paths of one group: what they share up to a date is worked out once."""

    def __init__(self, plan: Plan, data: Dataset, learning: bool) -> None:
        """plan, data: the question from which all paths begin."""
        self._plan, self._data, self._learning = plan, data, learning
        self._known: dict[tuple[Any, ...], tuple[Year, Plan, Dataset]] = {}

    def live(self, path: ScenarioPath) -> list[Year]:
        """All planned years of a path."""
        plan, data = self._plan, self._data
        first, years = plan.horizon.first_year, plan.horizon.years
        found = []
        for k in range(years):
            last = k == years - 1
            key = (k, path.events if last else path.history(first + k + 1.0))
            if key not in self._known:
                self._known[key] = self._year(path, plan, data, first + k, last=last)
            year, plan, data = self._known[key]
            found.append(year)
        return found

    def _year(
        self, path: ScenarioPath, plan: Plan, data: Dataset, year: int, *, last: bool
    ) -> tuple[Year, Plan, Dataset]:
        """Plan on what is known when the year begins; sign; plan again on what has begun in it, with nothing more to sign."""
        before, now = path.known(year, float(year)), path.known(year, year + 1.0)
        at = plan.model_copy(update={"ongoing": before})
        signed = acted = planned(at, data)
        owed = _signed_now(signed) + signed_cost(signed)
        if now != before:
            at = _nothing_to_sign(plan, year).model_copy(update={"ongoing": now})
            acted = planned(at, _with_signed(signed.question, plan, data))
            owed = signed_cost(acted)
        whole = _to_the_end(acted, path) + signed_cost(acted) + later_signed_cost(acted) if last else 0.0
        cost = whole if last else first_year_cost(acted) + owed
        flows = tuple(year_flows(acted.question, acted.question.structure.trunk, acted.question.solution, 0, 0))
        lived = Year(cost, flows, signed.gap)
        if last:
            return lived, plan, data
        happened = [event.happened() for event in path.events if year <= event.begin < year + 1]
        happened += [
            NewsRow(item=e.name, status="ended", from_year=e.ended_year) for e in now if e.ended_year is not None
        ]
        # the menu of later years is the plan's own: what was closed for this year alone opens again
        moved, tables, _ = next_question(
            acted.question,
            plan.model_copy(update={"ongoing": now}),
            acted.data,
            as_planned(acted.question, 1),
            happened,
            learning={row.hazard for row in acted.data.rows("hazards")} if self._learning else (),
            chances=DRAWS,
        )
        return lived, moved.model_copy(update={"ongoing": ()}), tables


def _to_the_end(acted: Planned, path: ScenarioPath) -> float:
    """Cost of the last planned year and all after it as they are lived, discounted to its start [million USD]."""
    first = FirstStage.of(acted.plan, acted.data, acted.question.solution)
    simulator = Simulator(first, acted.plan.release)
    _, found = simulator.lived(scenarios_of(first, [path]))
    return float(found.cost[0])


def scenarios_of(first: FirstStage, paths: Sequence[ScenarioPath]) -> ScenarioSet:
    """Paths as scenarios of a plan, equally likely."""
    n, count = first.natural, len(paths)
    names = [f"path-{path.number}" for path in paths]
    events = [tuple(each.event for each in path.events) for path in paths]
    chances, none = np.full(count, 1 / count), np.zeros(count, dtype=bool)
    return combine_events(n, names, chances, none, events, trunk_course(n, first.data))


def _nothing_to_sign(plan: Plan, year: int) -> Plan:
    """The plan with no signature in a year."""
    later = tuple(range(year + 1, year + plan.horizon.years))
    menu = plan.instruments
    years = {
        name: tuple(y for y in (later if getattr(menu, name) is None else getattr(menu, name)) if y > year)
        for name in ("signing_years", "contract_years")
    }
    closed = {
        "projects": menu.projects and bool(years["signing_years"]),
        "offtake_contracts": menu.offtake_contracts and bool(years["contract_years"]),
        "price_floors": (),
        **{name: some or None for name, some in years.items()},
    }
    return plan.model_copy(update={"instruments": menu.model_copy(update=closed)})


def _at_start(state: State, n: Instance) -> State:
    """The state with stocks of the reserve and of users as they are when the plan begins."""
    missing = {
        (n.materials[i], n.demands[q][1] if q >= 0 else ""): float(lacking / level)
        for (i, q), lacking, level in zip(n.users, n.users_missing, n.users_level, strict=True)
    }
    stock = {name: float(n.opening[i]) for i, name in enumerate(n.materials)}
    return replace(state, stock=stock, users_missing=missing)


def _with_signed(question: Question, plan: Plan, data: Dataset) -> Dataset:
    """The tables of the same year with what was signed in it."""
    n = question.natural
    state = _at_start(signed_by(question, 0, n.calendar.per_year), n)
    rows = carried_rows(question, state, data, plan.name)
    return Dataset(types.MappingProxyType({name: tuple(each) for name, each in rows.items()}), data.name)


def _signed_now(planned: Planned) -> float:
    """Instalments, fees and floors of the first year for what is signed in it [million USD]."""
    structure, x, n = planned.question.structure, planned.question.solution, planned.question.natural
    year, support = n.calendar.per_year, structure.support
    total = float((x.sign @ support.outlay)[:year].sum() + (x.floor @ support.market_outlay)[:year].sum())
    for contract, tonnes in zip(structure.contracts, x.contract, strict=True):
        periods = max(0, min(year, contract.end) - contract.start)
        total += float(n.contract_fee[contract.source]) * float(tonnes) * periods
    return total


def year_flows(
    question: Question, scenarios: ScenarioSet, x: Solution, s: int, year: int, course: int = 0
) -> Iterator[dict[str, Any]]:
    """By stocked material: how tight a year was, what went short, what was released, kept and bought. x: in tonnes. s: place among
    the scenarios; course: place in the solution, 0 for the baseline."""
    n, material = question.natural, question.structure.material_of_purchase
    mine = slice(year * n.calendar.per_year, (year + 1) * n.calendar.per_year)
    for i, name in enumerate(n.materials):
        bought = sum(float(x.acquisition[course, b, mine].sum()) for b, p in enumerate(x.purchases) if material[p] == i)
        released, stock = float(x.release[course, i, mine].sum()), float(max(0.0, x.stock[course, i, mine][-1]))
        tight = float((scenarios.tight[s, i, mine] * scenarios.lasting[s, n.chain[i], mine]).mean())
        opening = float(n.opening[i] if year == 0 else x.stock[course, i, mine.start - 1])
        if max(bought, released, stock, tight, opening) <= 0:
            continue
        tiers = [k for k, (q, _) in enumerate(n.tiers) if n.demand_material[q] == i]
        yield {
            "material": name,
            "tight": tight,
            "short_t": float(x.shortfall[course, tiers, mine].sum()) if tiers else 0.0,
            "released_t": released,
            "opening_t": opening,
            "stock_t": stock,
            "bought_t": bought,
        }
