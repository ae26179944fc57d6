"""Evaluate the recourse of a plan in other scenarios: commitments and baseline course fixed, operations re-optimised.

Scenarios are evaluated in chunks: one compiled structure is instantiated for each chunk, everything decided before an event is
fixed, and the rest decomposes into one small linear program per scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..audit.accounts import costs_by_scenario, losses, open_accounts, outlays_by_scenario
from ..audit.channel import Trade, saved_abroad, trade_of
from ..audit.producers import OwnerBook, PathData, path_data_along
from ..core.errors import UntrustedError
from ..core.frames import INF, Floats, Ints
from ..core.runner import checkpoint, current
from ..core.stats import MUSD_PER_T, Timings
from ..matrix.assembly import Templates, compile_templates, instantiate
from ..matrix.named import objective_costs
from ..matrix.problem import Problem, structure_of
from ..matrix.solution import Solution, embed, extract
from ..model.sets import Structure, build_structure
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..solver.highs import Model, SolvedRun
from ..solver.stages import ABROAD_LAST, bought_abroad
from ..world.events import DisruptionEvent, ScenarioSet, combine_events, short_of_promise
from ..world.instance import DEFENCE, Instance
from ..world.loss_values import loss_values
from ..world.packages import Support, signed_support

CHUNK = 16
"""Scenarios in one linear program."""
CHUNK_LIMIT_S = 600.0
"""Seconds for one of them, far more than a sound one takes."""
RAREST = 1e-6
"""Smallest probability of a scenario for weighing its promises against its costs."""
ROOM = 1e-6
"""Tolerance added to every row, in the solver's unit, if a first stage rounded by another solve leaves no slack."""
KEPT_ROWS = ("trunk_loss_sum",)
"""Commitment rows that define quantities used in branches."""


@dataclass(frozen=True)
class RecourseOutcome:
    """Costs of a plan by scenario; each array has one entry, or one row, per scenario."""

    cost: Floats
    """(S,) discounted cost of the whole course, commitments included [million USD]."""
    loss: Floats
    """(S,) discounted shortfall loss and substitution cost [million USD]."""
    by_material: Floats
    """(S, I) discounted shortfall loss by material [million USD]."""
    named: Floats
    """(S,) what the plan's loss function says of these shortfalls, the price of what is missing left out [million USD]."""
    defence: Floats
    """(S,) defence shortfall [t]."""
    short: Floats
    """(S, Q, T) shortfall of each demand [t]."""
    penalty: Floats
    """(S,) soft penalties of promises; each counts once, independent of the scenario's probability [million USD]."""
    outlay: Floats
    """(S, F) what the plan takes from the budget of each fiscal year, not discounted [million USD]."""
    stock: Floats
    """(S, I, Y) what the reserve holds at the end of each planned fiscal year [t]."""
    bill: Floats
    """(S,) discounted, what the plan spares home users by lower prices abroad, less what its own buying costs them; counted in the
    cost once it is compared with doing nothing (`beside`) [million USD]."""
    overrun: float = 0.0
    """Soft penalties of limits on the baseline course, weighted by the probability of being on it [million USD]."""
    trade: Trade | None = None
    """What is traded abroad; None where the plan moves no price."""

    @property
    def penalties(self) -> float:
        """All soft penalties, as counted in the objective [million USD]."""
        return float(self.penalty.sum()) + self.overrun

    @classmethod
    def joined(cls, parts: Sequence[RecourseOutcome]) -> RecourseOutcome:
        """Concatenate the results of chunks."""
        arrays = [f.name for f in fields(cls) if f.name not in ("overrun", "trade")]
        together = {name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays}
        trades = [part.trade for part in parts if part.trade is not None]
        return cls(**together, overrun=parts[0].overrun, trade=Trade.joined(trades) if trades else None)

    def beside(self, nothing: RecourseOutcome, beta: Floats) -> RecourseOutcome:
        """The same, with what the plan does to prices abroad against doing nothing in the same scenarios. beta: (T,)"""
        if self.trade is None or nothing.trade is None:
            return self
        bill = saved_abroad(self.trade, nothing.trade).sum(axis=1) @ beta
        return replace(self, cost=self.cost - bill, bill=bill, trade=None)


@dataclass(frozen=True)
class FirstStage:
    """First-stage decisions, ready to be evaluated in any scenario."""

    plan: Plan
    data: Dataset
    natural: Instance
    structure: Structure
    """Of the plan's own scenarios, in model units."""
    solution: Solution
    eta: float
    """Value at risk of the plan in its own scenarios, for the tail's weight in operations [million USD]; 0 of a course without
    scenarios, which can be lived alone: no period that is lived counts the tail."""
    is_reference: bool
    """The reference plan without action: nothing is bought in any scenario, and no promise is enforced."""

    @classmethod
    def of(
        cls,
        plan: Plan,
        data: Dataset,
        solution: Solution,
        *,
        is_reference: bool = False,
        problem: Problem | None = None,
    ) -> FirstStage:
        """From a plan, its tables and decisions (`Result.solution`; `Result.reference` is the reference). problem: of the same
        tables and plan, but for its rule of release, where it is there already."""
        structure, natural = structure_of(plan, data) if problem is None else (problem.structure, problem.natural)
        eta = 0.0
        if structure.uses_risk and len(solution.shortfall) > 1:
            never_compiled: Any = None
            problem = Problem(plan, data, natural, structure, never_compiled, never_compiled, Timings())
            found = losses(open_accounts(problem, solution))
            pi, alpha = structure.scenarios.probability, plan.risk.alpha
            eta = min(found, key=lambda e: float(e + pi @ np.maximum(0.0, found - e) / (1 - alpha)))
        return cls(plan, data, natural, structure, solution, float(eta), is_reference)

    def other(self, plan: Plan, solution: Solution) -> FirstStage:
        """Other decisions, or another rule of release, for the same question; for a plan without a weight on risk."""
        assert not self.structure.uses_risk
        return replace(self, plan=plan, solution=solution, is_reference=False)

    def is_of(self, plan: Plan) -> bool:
        """Whether it is of a plan's question, so that `other` may stand for it."""
        same = self.plan.model_copy(update={"release": plan.release}) == plan
        return same and not self.structure.uses_risk

    @cached_property
    def owners(self) -> OwnerBook:
        """What owners expected when the plan was made, whatever scenarios it meets."""
        pricing = self.structure.support.owners.pricing
        return OwnerBook(pricing and pricing.counted_in(1 / self.structure.instance.material_unit))

    @property
    def own_scenarios(self) -> ScenarioSet:
        """The scenarios that the plan was made with, in tonnes."""
        return self.structure.scenarios.counted_in(1 / self.structure.instance.material_unit)


def evaluate_recourse(first: FirstStage, scenarios: ScenarioSet) -> RecourseOutcome:
    """Optimise operations in every scenario (in tonnes). Raises UntrustedError if a chunk is not solved to optimality, StoppedError
    at a limit of the current call."""
    templates: Templates | None = None
    found: list[RecourseOutcome] = []
    for part, probability in chunks(scenarios):
        checkpoint()
        problem, shares, templates = along(first, part, templates)
        columns, values = fixed_columns(problem, first, shares)
        model, free = operations(problem, first, scenario_by_scenario(problem, probability) + home_first(problem))
        model.set_bounds(columns, values, values)
        x = best_course(problem, model, free)
        found.append(evaluate(problem, solution_of(problem, x, shares), part, first))
    return RecourseOutcome.joined(found)


def along(first: FirstStage, scenarios: ScenarioSet, templates: Templates | None) -> tuple[Problem, Floats, Templates]:
    """(the plan's problem along other scenarios, in tonnes; shares signed; templates, compiled where there are none yet)."""
    here = scenarios.counted_in(first.structure.instance.material_unit)
    support, shares = signed(first, here)
    structure = build_structure(first.structure.instance, here, support)
    if templates is None:
        templates = compile_templates(every_component(structure, support))
    assembly = instantiate(structure, templates)
    problem = Problem(first.plan, first.data, first.natural, structure, templates, assembly, Timings())
    return problem, shares, templates


def solution_of(problem: Problem, x: Floats, shares: Floats) -> Solution:
    """A chunk's solution in tonnes, out of the solver's columns."""
    return replace(extract(problem.structure, problem.assembly, x), sign=shares, floor=np.zeros(0))


def chunks(scenarios: ScenarioSet) -> Iterator[tuple[ScenarioSet, Floats]]:
    """(scenarios, their probabilities) in order, chunk by chunk; within its chunk each counts once."""
    for begin in range(0, len(scenarios.names), CHUNK):
        rows = slice(begin, begin + CHUNK)
        part = replace(scenarios.rows(rows), probability=np.ones(len(scenarios.names[rows])))
        yield part, scenarios.probability[rows]


def signed(first: FirstStage, scenarios: ScenarioSet) -> tuple[Support, Floats]:
    """The support restricted to signed packages, and the shares signed."""
    signed = [o for o, share in enumerate(first.solution.sign) if abs(share) > 1e-9]
    floors = [m for m, share in enumerate(first.solution.floor) if share > 0.5]
    support = signed_support(first.structure.instance, scenarios, first.structure.support, signed, floors)
    return support, first.solution.sign[signed]


def every_component(structure: Structure, support: Support) -> Structure:
    """A layout of one scenario that touches every component: what is compiled from it fits any chunk."""
    calendar = structure.instance.calendar
    everything = DisruptionEvent(
        start=calendar.first_year + calendar.step,
        flood=0.0,
        duration=calendar.step,
        countries="*",
        materials="*",
        cut=1.0,
        price=2.0,
        flood_price=1.0,
        third_cut=0.0,
        demand=(),
        surge=("", "", 0.0),
        tight=None,
        label="all",
    )
    trunk, none = structure.scenarios.trunk, np.zeros(1, dtype=bool)
    scenarios = combine_events(structure.instance, ["all"], np.ones(1), none, [(everything,)], trunk)
    return build_structure(structure.instance, scenarios, support)


def fixed_columns(problem: Problem, first: FirstStage, shares: Floats) -> tuple[Ints, Floats]:
    """(columns, values) of everything decided before an event."""
    assembly, structure = problem.assembly, problem.structure
    operating = np.zeros(len(structure.support.classes))
    np.add.at(operating, [o.output_class for o in structure.support.options], shares)
    own = replace(first.solution, sign=shares, floor=np.zeros(0))
    columns, values = embed(structure, assembly, own, operating)
    if structure.uses_risk:
        eta = assembly.commitments.columns("value_at_risk", None)
        columns, values = np.concatenate([columns, eta]), np.concatenate([values, [first.eta]])
    return columns, values


def home_first(problem: Problem) -> Floats:
    """(columns,) a cost by which, of makers that cost the same, those at home run first, with the plan as without: what is bought
    abroad is no chance. 0 where the plan moves no price  [million USD]."""
    return ABROAD_LAST * bought_abroad(problem.structure, problem.assembly)


def scenario_by_scenario(problem: Problem, probability: Floats) -> Floats:
    """Costs of all columns if each scenario counts once: penalties of promises, which the plan counts once in every scenario,
    independent of its probability, count 1/probability relative to the scenario's own costs  [million USD]."""
    costs = objective_costs(problem)["social_cost"]
    penalty = problem.assembly.costs.get("penalty")
    if penalty is None or not penalty.any():
        return costs
    weighed = penalty.copy()
    for c, part in problem.assembly.branches.items():
        own = np.maximum(probability[list(problem.structure.block_index[c].branches)], RAREST)
        weighed[part.own] /= np.repeat(own, part.width)
    return np.asarray(costs - penalty + weighed)


def operations(problem: Problem, first: FirstStage, costs: Floats) -> tuple[Model, Ints]:
    """The linear program of all operations, and the rows that fixed decisions satisfy already; for the reference, nothing is
    bought and no promise enforced."""
    assembly = problem.assembly
    model = Model(assembly, costs, integer=False)
    free = before_events(problem)
    if first.is_reference:
        free = np.union1d(free, assembly.rows_of("service_level"))
        for part in assembly.blocks:
            for k, (name, _) in enumerate(part.template.columns):
                if name == "acquisition":
                    bought = part.first_column + k + part.width * np.arange(part.count)
                    model.set_bounds(bought, np.zeros(len(bought)), np.zeros(len(bought)))
    return model, free


def best_course(problem: Problem, model: Model, free: Ints) -> Floats:
    """The optimum with some rows left out. Raises UntrustedError if the solver finds none, StoppedError once time is up."""
    assembly = problem.assembly
    model.set_row_bounds(free, np.full(len(free), -INF), np.full(len(free), INF))
    run = model.run(time_limit_s=min(CHUNK_LIMIT_S, current().left()), phase="recourse")
    if run.status == "infeasible":  # fixed decisions satisfy their rows only to the solver's tolerance
        kept = np.setdiff1d(np.arange(len(assembly.row_lower)), free)
        room = ROOM * assembly.row_unit[kept]
        model.set_row_bounds(kept, assembly.row_lower[kept] - room, assembly.row_upper[kept] + room)
        run = model.run(time_limit_s=min(CHUNK_LIMIT_S, current().left()), phase="recourse")
    if not isinstance(run, SolvedRun):
        checkpoint()
        raise UntrustedError(f"the operations in new scenarios were not solved to optimality: {run.status}")
    return run.x


def before_events(problem: Problem) -> Any:
    """Rows of commitments and of the baseline course: fixed, and satisfied by the plan already."""
    assembly, T = problem.assembly, problem.natural.calendar.periods
    periods = np.array([block.kind == "period" for block in assembly.blocks])
    trunk = periods[assembly.row_block] & (assembly.row_instance < T)
    root = assembly.row_block == 0
    for family in KEPT_ROWS:
        root[assembly.rows_of(family)] = False
    return np.flatnonzero(trunk | root)


def evaluate(
    problem: Problem, solution: Solution, scenarios: ScenarioSet, first: FirstStage, course: PathData | None = None
) -> RecourseOutcome:
    """Costs and losses of a chunk by the audit's evaluator, the plan's own packages and floors priced along its scenarios. course:
    of these scenarios, where it was read already."""
    n = first.natural
    course = course or path_data_along(n, scenarios, first.owners)
    whole = replace(solution, sign=first.solution.sign, floor=first.solution.floor)
    accounts = open_accounts(replace(problem, structure=first.structure), whole, course)
    beta = n.calendar.beta[:-1]
    by_material, named = np.zeros((len(scenarios.names), len(n.materials))), np.zeros(len(scenarios.names))
    defence = np.zeros(len(scenarios.names))
    missing = np.zeros((len(scenarios.names), len(n.demands), n.calendar.periods))
    worth = loss_values(n, scenarios, range(len(n.tiers)))[1]
    for k, (q, _) in enumerate(n.tiers):
        short = solution.shortfall[1:, k]
        changed = (short * (worth[:, k] - n.tier_loss[k])) @ beta  # exactly 0 where losses do not change
        by_material[:, n.demand_material[q]] += n.tier_loss[k] * (short @ beta) + changed
        missing[:, q] += short
        named += n.tier_named[k] * (short @ beta) + (changed if n.adaptation[q] else 0.0)
        if n.priority[q] == DEFENCE:
            defence += short[:, : n.calendar.planned].sum(axis=1)
    for h, (q, _) in enumerate(n.steps):
        by_material[:, n.demand_material[q]] += n.step_cost[h] * (solution.substitute[1:, h] @ beta)
    penalty, overrun = np.zeros(len(scenarios.names)), 0.0
    held = solution.stock[1:, :, n.calendar.per_year - 1 : n.calendar.planned : n.calendar.per_year]
    bill, trade = np.zeros(len(scenarios.names)), None
    if n.market_trade.any():
        trade = trade_of(accounts.problem, whole, course).scenarios
    if first.is_reference:  # the reference keeps no promise
        found = costs_by_scenario(accounts), losses(accounts), by_material, named, defence, missing, penalty
        none = np.zeros((len(scenarios.names), len(n.calendar.years)))
        return RecourseOutcome(*found, none, held, bill, trade=trade)
    for level in n.plan.service_levels:
        if level.penalty_usd_per_kg is not None and (level.material, level.segment) in n.demands:
            beyond, _ = short_of_promise(n, scenarios, missing, level)
            asked = [name in level.scenarios for name in scenarios.names]
            penalty += level.penalty_usd_per_kg * MUSD_PER_T * np.where(asked, beyond.sum(axis=1), 0.0)
    for k, rule in enumerate(n.plan.diversification):
        if rule.material in n.materials:
            reached = first.structure.reach[n.component[n.materials.index(rule.material)]]
            overrun += (rule.penalty_usd_per_kg or 0.0) * MUSD_PER_T * float(reached @ first.solution.excess[0, k])
    found = costs_by_scenario(accounts), losses(accounts), by_material, named, defence, missing, penalty
    return RecourseOutcome(*found, outlays_by_scenario(accounts), held, bill, overrun, trade)
