"""The stages of an aim, minimised one after the other by the flat model or by decomposition."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse

from ..core.errors import Fault, OnProgress, Outcome, PlanError, Reason, UntrustedError
from ..core.frames import INF, Bools, Floats, Ints
from ..core.logs import logger_of
from ..core.runner import current
from ..matrix.assembly import Assembly
from ..matrix.named import denominator, objective_costs
from ..matrix.problem import Problem, is_support, with_price_channel
from ..matrix.solution import Solution, extract
from ..model.sets import STAGES, TRUNK, Structure
from ..model.values import period_values
from ..world.loss_values import loss_values, undisturbed_values
from ..world.scenarios import quantile
from .highs import TOLERANCES, Model, Run, SmallProgram, SolvedRun, UnsolvedRun
from .infeasibility import NO_POINT, culprits, no_answer
from .lshaped.search import LShaped
from .lshaped.subproblems import limits_losses, separable

if TYPE_CHECKING:
    from .lshaped.subproblems import Cluster


# The one do-nothing reference among those that cost the same.
TIE = 1e-9
"""Reduced cost or price of a row, relative to the terms that it is made of, that counts as none; so does one within the solver's
own tolerance, as those of a scenario of next to no probability."""
NOTHING = 1e-9
"""Of a model's units of tonnes, none: an aim that counts no more of its dearest is at its least."""
AT_BOUND = 1e-6
"""Distance from a bound, relative to one more than the value, that is the solver's tolerance."""
DEARER = 1e-9
"""Cost that a face may add by rounding, relative to the terms of the cost."""


class Face:
    """Points of a linear program that cost as little as the best one found; each further aim narrows them."""

    def __init__(self, model: Model, assembly: Assembly, cost: Floats, run: SolvedRun) -> None:
        """model: has `assembly` loaded and has just answered with `run`; its bounds are narrowed from here on."""
        self._model, self._assembly, self.x = model, assembly, run.x
        rows, columns = len(assembly.row_lower), len(cost)
        held = (assembly.value, assembly.index, assembly.start)
        self._matrix = sparse.csr_array(held, shape=(rows, columns), copy=True)  # scipy sorts in place
        self._sizes = abs(self._matrix)
        self._lower, self._upper = assembly.lower.copy(), assembly.upper.copy()
        self._narrow(cost, run)

    def least(self, cost: Floats, time_limit_s: float) -> Floats:
        """The point of the face that an aim, with no negative cost, costs least at; from now on the face is all such points.

        Raises UntrustedError where the solver has no answer: the face contains a point."""
        # it cannot be less: what it counts stays where it is
        if float(cost @ self.x) <= NOTHING * float(cost.max(initial=0.0)):
            self._fix(np.flatnonzero(cost), self._lower)
            return self.x
        self._model.set_cost(cost)
        self._model.configure_feasible_start()
        run = self._model.run(time_limit_s=time_limit_s, phase="reference")
        if not isinstance(run, SolvedRun) or run.status != "optimal":
            raise UntrustedError(f"the reference without a plan was not made unique: {run.status}")
        self.x = run.x
        self._narrow(cost, run)
        return self.x

    def _narrow(self, cost: Floats, run: SolvedRun) -> None:
        """Fix every column and row with a nonzero price at its bound (complementary slackness: so are all best points)."""
        prices, reduced, a = run.prices.row, run.prices.column, self._assembly
        terms = np.abs(cost) + self._sizes.T @ np.abs(prices)
        least = TOLERANCES["dual_feasibility_tolerance"] * a.money.unit
        columns = np.flatnonzero(np.abs(reduced) > np.maximum(TIE * terms, least / a.column_unit))
        self._fix(columns, np.where(reduced > 0, self._lower, self._upper))
        rows = np.flatnonzero(np.abs(prices) > np.maximum(TIE * self._unit_price(terms), least / a.row_unit))
        at, stands = (
            np.where(prices[rows] > 0, a.row_lower[rows], a.row_upper[rows]),
            np.asarray(self._matrix @ self.x)[rows],
        )
        rows, at, stands = (values[_near(at, stands)] for values in (rows, at, stands))
        at = np.where(np.isfinite(at), at, stands)
        self._model.set_row_bounds(rows, at, at)

    def _fix(self, columns: Ints, where: Floats) -> None:
        """Fix columns at a bound, or at their current value if it is infinite. One elsewhere stays free: its price is within
        the solver's tolerance, and says nothing."""
        columns = columns[_near(where[columns], self.x[columns])]
        at = np.where(np.isfinite(where[columns]), where[columns], self.x[columns])
        self._lower[columns], self._upper[columns] = at, at
        self._model.set_bounds(columns, at, at)

    def _unit_price(self, terms: Floats) -> Floats:
        """(rows,) the largest price that a row's own columns suggest: their terms for each unit of the row."""
        length = np.diff(self._assembly.start)
        found, used = np.zeros(len(length)), np.flatnonzero(length)
        if len(used):
            each = terms[self._assembly.index] / np.abs(self._assembly.value)
            found[used] = np.maximum.reduceat(each, self._assembly.start[used])
        return found


def _near(bound: Floats, value: Floats) -> Bools:
    """Whether values are at their bounds, within the solver's tolerance; true where a bound is infinite."""
    return ~np.isfinite(bound) | (np.abs(bound - value) <= AT_BOUND * (1 + np.abs(value)))


def settled(
    face: Face, structure: Structure, assembly: Assembly, own: Callable[[Floats], Floats], left: Callable[[], float]
) -> Floats:
    """The point of a face on which nothing is left open that anybody looks at.

    own: turns a cost of the whole model's columns into one of the face's. left: seconds left."""
    weighted = own(trunk_shortfall(structure, assembly, weighted=True))
    face.least(weighted, left())
    for q in (
        range(len(structure.instance.demands))
        if float(weighted @ face.x) > NOTHING * float(weighted.max(initial=0.0))
        else ()
    ):
        face.least(own(trunk_shortfall(structure, assembly, demand=q)), left())
    found = face.least(own(losses(structure, assembly)), left())
    return face.least(own(abroad), left()) if (abroad := bought_abroad(structure, assembly)).any() else found


def settled_decomposed(of: LShaped, cost: Floats, x: Floats, left: Callable[[], float]) -> Floats:
    """The same for a decomposed model: of the master first, with the columns that clusters use fixed, then of each cluster.

    cost: (columns,) of the whole model. x: (columns,) its best point."""
    parts, settled_x = of.parts, x.copy()
    y, own = x[parts.mine], len(parts.mine)
    leant_on = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(cluster.links for cluster in parts.clusters)]))
    lower, upper = parts.master.lower.copy(), parts.master.upper.copy()
    lower[leant_on], upper[leant_on] = y[leant_on], y[leant_on]
    master = replace(parts.master, lower=lower, upper=upper)

    def of_master(whole: Floats) -> Floats:
        return np.concatenate([whole[parts.mine], np.zeros(len(lower) - own)])

    model = Model(master, of_master(cost), integer=False)
    run = model.run(time_limit_s=left(), phase="reference")
    # where rounding leaves no room beside what is fixed, the master's point stays as it is
    if isinstance(run, SolvedRun):
        face = Face(model, master, of_master(cost), run)
        settled_x[parts.mine] = settled(face, of.structure, of.assembly, of_master, left)[:own]
    aims = losses(of.structure, of.assembly), bought_abroad(of.structure, of.assembly)
    points = of.in_clusters(lambda cluster: _least_loss(cluster, y, *aims, x, left))
    for cluster, point in zip(parts.clusters, points, strict=True):
        settled_x[cluster.columns] = point
    return settled_x


def _least_loss(
    cluster: Cluster, y: Floats, lost: Floats, abroad: Floats, x: Floats, left: Callable[[], float]
) -> Floats:
    """(own columns,) the point of a cluster's best ones at which its scenarios lose least, and then buy least abroad where that
    counts. Raises UntrustedError without an answer."""
    part, columns = cluster.part, cluster.columns
    counted = bool(abroad.any())
    if not counted and float(lost[columns] @ x[columns]) <= NOTHING * float(lost.max(initial=0.0)):
        return x[columns]
    rest = np.zeros(len(cluster.links))
    at, aim = y[cluster.links], np.concatenate([lost[columns], rest])
    if cluster.settled is not None:
        known_at, known_aim, known = cluster.settled
        if np.array_equal(known_at, at) and np.array_equal(known_aim, aim):
            return known
    lower, upper = part.assembly.lower.copy(), part.assembly.upper.copy()
    lower[part.own :] = upper[part.own :] = at
    fixed = replace(part.assembly, lower=lower, upper=upper)
    model = Model(fixed, part.cost, integer=False)
    basis = cluster.basis if cluster.model is None else cluster.model.save_basis()
    if basis is not None:
        model.restore_basis(basis)
    run = model.run(time_limit_s=left(), phase="reference")
    if not isinstance(run, SolvedRun):  # rounding leaves no room beside what the master fixes
        return x[columns]
    face = Face(model, fixed, part.cost, run)
    point = face.least(aim, left())
    if counted:
        point = face.least(np.concatenate([abroad[columns], rest]), left())
    point = point[: part.own]
    cluster.settled = at, aim, point
    return point


def trunk_shortfall(
    structure: Structure, assembly: Assembly, *, weighted: bool = False, demand: int | None = None
) -> Floats:
    """(columns,) a cost that adds up trunk shortfall: of one demand [unit], or weighted by its loss v [million USD]."""
    n, cost = structure.instance, np.zeros(len(assembly.lower))
    for part in assembly.operations:
        for variable, key in part.template.columns:
            if variable == "shortfall" and demand in (None, n.tiers[key][0]):
                trunk = part.columns(variable, key)[: n.calendar.periods]  # trunk instances come first
                cost[trunk] = undisturbed_values(n, [key])[0] if weighted else 1.0
    return cost


def losses(structure: Structure, assembly: Assembly) -> Floats:
    """(columns,) a cost that adds up the discounted losses of all branches, and of the trunk, each counted once [million USD]."""
    n, cost = structure.instance, np.zeros(len(assembly.lower))
    for part, sets, blocks in zip(assembly.operations, structure.component_sets, structure.block_index, strict=True):
        trunk, scenarios = loss_values(n, structure.scenarios, sets.tiers)
        t, s, place = blocks.period, np.maximum(blocks.scenario, 0), {key: k for k, key in enumerate(sets.tiers)}
        for variable, key in part.template.columns:
            if variable == "shortfall":
                k = place[key]
                worth = np.where(blocks.scenario == TRUNK, trunk[k, t], scenarios[s, k, t])
                cost[part.columns(variable, key)] = n.calendar.beta[t] * worth
            elif variable == "substitute":
                cost[part.columns(variable, key)] = n.calendar.beta[t] * n.step_cost[key]
    return cost


ABROAD_LAST = 1e-5
"""Of its price, what a tonne from abroad costs more, so that of makers that cost the same those at home run first."""


def bought_abroad(structure: Structure, assembly: Assembly) -> Floats:
    """(columns,) a cost that adds up what home users buy of existing sources abroad whose price the plan moves [million USD]."""
    n, cost = structure.instance, np.zeros(len(assembly.lower))
    for part, sets in zip(assembly.operations, structure.component_sets, strict=True):
        for of in sets.moved:
            for j in of.abroad:
                cost[part.columns("output", j)] += n.yields[j, of.material] * float(n.price[of.material].mean())
    return cost


def with_tail(structure: Structure, assembly: Assembly, x: Floats) -> Floats:
    """The point with value at risk and tails computed from its losses: the smallest alpha-quantile, and what lies beyond it.

    Where CVaR costs nothing the solver leaves these columns anywhere."""
    scenario = assembly.scenarios
    if scenario is None or not structure.uses_risk:
        return x
    found = x.copy()
    loss = x[scenario.columns("scenario_loss", None)]
    eta = quantile(loss, structure.scenarios.probability, structure.instance.plan.risk.alpha)
    found[assembly.commitments.columns("value_at_risk", None)] = eta
    found[scenario.columns("tail", None)] = np.maximum(0.0, loss - eta)
    return found


FREE = ("output", "clean_output", "surplus")
"""Columns of the baseline course that sources which cost the same leave to chance."""


def at_home_first(problem: Problem, x: Floats, cost: Floats) -> Floats:
    """The point with as much of the baseline course as costs nothing made by plants at home and under signed contracts, then by
    allies: of sources that cost the same the solver runs any, and a supported plant would be idle beside imports.

    min sum_j,t rank[j] y+ P run[j,t]  with all else unchanged and at the same cost;  rank 0 at home or under contract, 1 allied,
    2 elsewhere. The point itself where that has no answer."""
    assembly, structure, n = problem.assembly, problem.structure, problem.instance
    of = problem.assembly.commitments.columns
    under = {row.source for k, row in enumerate(structure.contracts) if (x[of("contract", k)] > LEAST_GAP).any()}
    rank = np.where(n.home, 0.0, np.where(n.allied, 1.0, 2.0))
    rank[list(under)] = 0.0
    weight, own = np.zeros(len(x)), []
    for c, part in enumerate(assembly.operations):
        T = n.calendar.periods
        for variable, key in part.template.columns:
            if variable in FREE and (structure.reach[c] > 0).any():
                columns = part.columns(variable, key)[:T]
                own.append(columns)
                if variable == "output":
                    weight[columns] = rank[key] * (np.maximum(n.yields[key], 0.0) @ n.price)
    mine = np.sort(np.concatenate(own)) if own else np.zeros(0, dtype=np.int64)
    return rearranged(assembly, x, mine, weight, [cost])


SELDOM = 1e-4
"""Probability of the baseline course in a period below which its costs are lost in the tolerance of the solver."""


def where_no_scenario_is(problem: Problem, x: Floats, costs: Sequence[Floats]) -> Floats:
    """The point with the baseline course at its least cost in periods that hardly a scenario of the plan reaches: there it weighs
    nothing, so that the solver leaves anything, and futures that are drawn anew may come there. All else is unchanged, and every
    aim of the plan (costs), terms of a caller's own among them, keeps its value."""
    assembly, structure, n = problem.assembly, problem.structure, problem.instance
    weight, own = np.zeros(len(x)), []
    for c, part in enumerate(assembly.operations):
        unreached = np.flatnonzero(structure.reach[c] < SELDOM)
        if len(unreached):
            values = period_values(structure, structure.component_sets[c], structure.block_index[c])
            where, coefficients = part.template.costs["social_cost"]
            begin = part.first_column + part.width * unreached[:, None]
            inside, own_costs = where < part.width, coefficients.at(part.template.xi(values, part.count)[unreached])
            weight[begin + where[inside]] = own_costs[:, inside] * n.calendar.beta[unreached][:, None]
            own.append((begin + np.arange(part.width)).ravel())
    return rearranged(assembly, x, np.unique(np.concatenate(own)), weight, costs) if own else x


def rearranged(assembly: Assembly, x: Floats, mine: Ints, weight: Floats, costs: Sequence[Floats]) -> Floats:
    """The point with some columns where they weigh least, all else unchanged, at no higher cost; itself without an answer."""
    if not weight[mine].any():
        return x
    matrix = sparse.csr_array((assembly.value, assembly.index, assembly.start), shape=(len(assembly.row_lower), len(x)))
    inside, aims = matrix[:, mine], np.array([cost[mine] for cost in costs])
    rows = np.flatnonzero(np.diff(inside.indptr))
    inside = inside[rows].tocsr()
    own_part, now, dear = np.asarray(inside @ x[mine]), np.asarray(matrix[rows] @ x), aims @ x[mine]
    least, most = np.minimum(assembly.row_lower[rows], now), np.maximum(assembly.row_upper[rows], now)
    every = sparse.vstack([inside, sparse.csr_array(aims)]).tocoo()
    low = np.append(least - now + own_part, np.full(len(costs), -INF))
    high = np.append(most - now + own_part, dear)
    entries = every.row, every.col, np.asarray(every.data, dtype=float)
    try:
        program = SmallProgram(len(mine), len(rows) + len(costs), *entries)
        found = program.solve(assembly.lower[mine], assembly.upper[mine], weight[mine], low, high)
    except UntrustedError:  # costs that the solver takes for nothing leave the point as it is
        return x
    if found is None:
        return x
    better = x.copy()
    better[mine] = found
    return x if any(dearer(cost, x, better) for cost in costs) else better


def dearer(cost: Floats, before: Floats, after: Floats) -> bool:
    """Whether a point costs more than another, beyond rounding."""
    return float(cost @ (after - before)) > DEARER * (1.0 + float(np.abs(cost * before).sum()))


LOG = logger_of(__name__)

Method = Literal["flat", "decomposed", "auto"]
"""One model for all scenarios; master and clusters (`decomposition`); whichever is expected to be faster."""

LEAST_SCENARIOS = {True: 4, False: 25}
LEAST_COLUMNS = 20_000
"""Scenarios outside the master, with integers and without, and columns in all, from which `auto` decomposes.

Calibrated on the shipped plans (`.ci/benchmarks/solve_time.py`): relaxations are as fast by either method at 25 scenarios.
"""

LEAST_GAP = 1e-6
"""Relative gap that is rounding."""

LEAST_SLACK = 1e-9
"""Of the terms that make up an aim, and no less than of a million USD: sums of a million terms and rows kept to the solver's
tolerance leave a point beside its own value."""

SLACKS_TRIED = (LEAST_SLACK, 1e-7, 1e-6, 1e-5, 1e-4)
"""Least slacks tried in turn where the solver's bound for a later aim lies above a plan: under a limit that leaves next to nothing
HiGHS 1.16 has called a point optimal that is 2,600 million USD from the best (found on a random plan)."""


class FlatModel:
    """The undecomposed model, solved again and again with other costs."""

    def __init__(self, assembly: Assembly, cost: Floats, *, integer: bool) -> None:
        self._assembly, self._model = assembly, Model(assembly, cost, integer=integer)

    def load(self, assembly: Assembly, cost: Floats) -> None:
        """Take another model in place of this one, without the added limits; the last basis is the start for one of its size."""
        self._assembly = assembly
        self._model.load(assembly, cost)

    def minimise(
        self,
        cost: Floats,
        start: Floats | None,
        *,
        gap: float,
        absolute_gap: float,
        offset: float = 0.0,
        time_limit_s: float = 3600.0,
        phase: str = "solve",
        on_progress: OnProgress | None = None,
        presolve: bool = True,
    ) -> Run:
        """The best point; as `LShaped.minimise`, but for the start: HiGHS 1.16 has answered a point that it was given with
        the point, called optimal, and an objective 210 million USD better than it (found on a random plan)."""
        self._model.set_cost(cost, offset)
        return self._model.run(
            time_limit_s=time_limit_s,
            gap=gap,
            absolute_gap=absolute_gap,
            phase=phase,
            on_progress=on_progress,
            presolve=presolve,
        )

    def face(self, cost: Floats, run: SolvedRun) -> Face:
        """The points that cost as little as the one that it has just answered with; its bounds narrow until another model comes."""
        return Face(self._model, self._assembly, cost, run)

    def limit(self, cost: Floats, most: float) -> None:
        """Keep an aim at or below a value from now on."""
        used = np.flatnonzero(cost)
        self._model.add_row(used, cost[used], -INF, most, money=True)


def decomposition_pays(structure: Structure, assembly: Assembly, *, integer: bool) -> bool:
    """Whether decomposing a model is expected to be faster: from as many scenarios, and columns, as measured."""
    count = int((~structure.scenarios.design_basis).sum())
    return count >= LEAST_SCENARIOS[integer] and len(assembly.lower) >= LEAST_COLUMNS


def chosen_method(problem: Problem, method: Method, *, integer: bool) -> Literal["flat", "decomposed"]:
    """How to solve: as asked, or by the calibrated rule of `decomposition_pays`.

    PlanError where decomposition is asked for and impossible: several aims in turn, a limit on losses that binds scenarios
    together, or constraints of a caller's own on what is done in scenarios."""
    hindrance = _hindrance(problem)
    if method == "decomposed" and hindrance:
        raise PlanError([Fault("plan", "", *hindrance)])
    apart = method == "decomposed"
    if method == "auto":
        apart = not hindrance and decomposition_pays(problem.structure, problem.assembly, integer=integer)
    return "decomposed" if apart else "flat"


def _hindrance(problem: Problem) -> tuple[str, str, str] | None:
    """(field, found, expected) of what keeps a model from being decomposed; None: nothing does."""
    kind, otherwise = problem.plan.objective.kind, "or method 'flat' or 'auto'"
    if len(STAGES[kind]) > 1:
        return "objective", kind, f"social_cost without a limit on losses, {otherwise}"
    if limits_losses(problem.assembly):
        return "objective", "a limit on losses", f"social_cost without such a limit, {otherwise}"
    if not separable(problem.structure, problem.assembly):
        found = "constraints of one's own on what is done in scenarios"
        return "method", found, f"those on commitments and the course 'base' alone, {otherwise}"
    return None


def solver_of(
    problem: Problem, assembly: Assembly, cost: Floats, method: Method, *, integer: bool, threads: int = 0
) -> FlatModel | LShaped:
    """What minimises a model of the problem's columns. threads: for clusters of scenarios, as `LShaped`."""
    if method == "decomposed":
        return LShaped(problem.structure, assembly, cost, integer=integer, threads=threads)
    return FlatModel(assembly, cost, integer=integer)


@dataclass(frozen=True)
class Staged:
    """All stages of an aim."""

    run: SolvedRun
    """The last one."""
    reports: tuple[tuple[str, float, float, float], ...]
    """(stage, objective, bound, relative gap), each against Z0."""
    slacks: tuple[tuple[str, float], ...]
    """(stage, most) that later stages may cost the earlier ones."""
    limited: Reason | None
    """Why the search ended early; None where it did not."""
    iterations: int
    nodes: int


def stage_by_stage(
    problem: Problem,
    solver: FlatModel | LShaped,
    costs: dict[str, Floats],
    z0: Floats,
    start: Floats | None,
    *,
    gap: float,
    relax: bool,
    left: Callable[[], float],
    on_progress: OnProgress | None = None,
    least_slack: float = LEAST_SLACK,
) -> Staged:
    """Minimise each stage, the earlier ones kept within their slack, at least `least_slack` of the terms that make up an aim.
    `left` tells the seconds left.

    Raises InfeasibleError, StoppedError and UntrustedError where the first stage has no answer."""
    stages, slack = STAGES[problem.plan.objective.kind], problem.plan.objective.stage_slack
    reports: list[tuple[str, float, float, float]] = []
    slacks: list[tuple[str, float]] = []
    runs: list[SolvedRun] = []
    iterations = nodes = 0
    limited: Reason | None = None
    ended: dict[str, Reason] = {"time_limit": "time_limit", "limit": "stalled"}

    def minimised(stage: str, presolve: bool = True) -> Run:
        now = solver.minimise(
            costs[stage],
            runs[-1].x if runs else start,
            gap=gap,
            absolute_gap=gap * denominator(problem, 0.0),
            offset=-float(costs[stage] @ z0),
            time_limit_s=left(),
            phase=stage,
            on_progress=on_progress,
            **({} if presolve else {"presolve": False}),
        )
        problem.seconds.ran("solve", now)
        return now

    for n, stage in enumerate(stages):
        now = minimised(stage)
        if runs and now.status in NO_POINT:  # the stage before has a point that keeps every row: rounding hides it
            LOG.warning("%s: asked again without presolve, since it was called %s", stage, now.status)
            now = minimised(stage, presolve=False)
        iterations, nodes = iterations + now.iterations, nodes + now.nodes
        if runs and now.status in NO_POINT:
            raise UntrustedError(f"the solver finds no point for the aim '{stage}' where the aim before it has one")
        if isinstance(now, UnsolvedRun):
            if runs and now.status in ("time_limit", "interrupted"):
                limited = "time_limit" if now.status == "time_limit" else "interrupted"
                LOG.info("left out: %s and what comes after it (%s)", stage, now.status.replace("_", " "))
                break
            raise no_answer(now, problem, stage, lambda: culprits(problem, relax, left()), left(), relax=relax)
        runs.append(now)
        relative = (now.objective - now.bound) / denominator(problem, now.objective)
        reports.append((stage, now.objective, now.bound, relative))
        text = "%s: %s, objective %.3f, bound %.3f million USD against the reference, gap %.2g, %d nodes, %d iterations, %.3f s"
        effort = now.nodes, now.iterations, now.seconds
        LOG.info(text, stage, now.status.replace("_", " "), now.objective, now.bound, relative, *effort)
        if now.status == "optimal" and relative > max(gap, LEAST_GAP) * (1 + gap) + LEAST_GAP:
            limited = "stalled"  # called optimal, and farther from its own bound than was asked
        elif now.status != "optimal":
            limited = ended.get(now.status, "interrupted")
        if n < len(stages) - 1:
            allowed = _allowed(costs[stage], now.x, gap if slack is None else slack, least_slack)
            slacks.append((stage, float(costs[stage] @ now.x) + allowed))
            assert isinstance(solver, FlatModel)
            solver.limit(costs[stage], slacks[-1][1])
    return Staged(runs[-1], tuple(reports), tuple(slacks), limited, iterations, nodes)


def _allowed(cost: Floats, x: Floats, slack: float, least: float) -> float:
    """What later aims may add to an aim whose value is at x: the slack, and no less than what rounding can hide  [million USD]."""
    return max(slack * max(abs(float(cost @ x)), 1.0), least * max(1.0, float(np.abs(cost * x).sum())))


def outcome_of(
    problem: Problem,
    staged: Staged,
    costs: dict[str, Floats],
    z0: Floats,
    x: Floats,
    *,
    relax: bool,
    method: Literal["flat", "decomposed"],
) -> Outcome:
    """What a search came to at a point x, the plan: every aim's difference to doing nothing is that of the plan, which may lie
    above what its own stage found by the slack that later aims may use."""
    reports = []
    for stage, _, bound, _ in staged.reports:
        objective = float(costs[stage] @ x - costs[stage] @ z0)
        bound = min(bound, objective)
        reports.append((stage, objective, bound, (objective - bound) / denominator(problem, objective)))
    last, objective, bound, relative = reports[-1]
    complete = staged.limited is None and len(reports) == len(STAGES[problem.plan.objective.kind])
    reason: Reason = ("optimal" if relative <= 1e-9 else "within_gap") if complete else staged.limited or "time_limit"
    return Outcome(reason, objective, bound, max(0.0, relative), float(costs[last] @ z0), relax, tuple(reports), method)


# The linear program with integers fixed: prices, and a check on the answer.
LEAST_CHECK_S, BEYOND_S = 60.0, 1.0
"""Seconds that the linear program with commitments fixed gets even where the limit is used up: it checks the answer; and how far it
may go beyond the deadline of the whole call."""


def solve_fixed_lp(
    problem: Problem,
    costs: dict[str, Floats],
    last: str,
    staged: Staged,
    solver: FlatModel | LShaped,
    gap: float,
    time_limit_s: float,
) -> SolvedRun | None:
    """Solve the linear program with the integer commitments at their rounded values: prices, and a check on big-M leaks.

    Too large for one solver, it is solved by the decomposition that found them, as closely as `LShaped.fixed` does. None where a
    limit ends it. Raises UntrustedError where its answer and the plan do not agree."""
    run, cost = staged.run, costs[last]
    offset = run.objective - float(cost @ run.x)
    if isinstance(solver, LShaped) and not solver.parts.kept:
        fixed = solver.fixed(
            cost, run.x, gap=gap, absolute_gap=gap * denominator(problem, 0.0), offset=offset, time_limit_s=time_limit_s
        )
    else:
        model = with_commitments(problem, cost, run.x, offset)
        for stage, most in staged.slacks:
            used = np.flatnonzero(costs[stage])
            model.add_row(used, costs[stage][used], -INF, most, money=True)
        fixed = model.run(time_limit_s=time_limit_s, phase="prices")
    problem.seconds.ran("prices", fixed)
    if isinstance(fixed, SolvedRun):
        worse = fixed.objective - run.objective
        if worse > 1e-6 * denominator(problem, run.objective):
            raise UntrustedError(
                f"rounding the integer decisions worsens the objective by {worse:g} million USD: the answer leans on tolerances"
            )
        if run.bound > fixed.objective + 1e-6 * denominator(problem, run.objective):
            raise UntrustedError(
                f"the solver's bound lies {run.bound - fixed.objective:g} million USD above a plan: it leans on tolerances"
            )
        return fixed
    if fixed.status in ("infeasible", "infeasible_or_unbounded"):
        raise UntrustedError(
            "the integer decisions, rounded, leave no feasible operations: the answer leans on tolerances"
        )
    return None


def with_commitments(problem: Problem, cost: Floats, x: Floats, offset: float) -> Model:
    """The linear program with the integer decisions fixed at those of a point, rounded. x: (columns,)"""
    model = Model(problem.assembly, cost, integer=False, offset=offset)
    binaries = np.flatnonzero(problem.assembly.integer)
    at = np.round(x[binaries])
    model.set_bounds(binaries, at, at)
    return model


# The do-nothing reference Z0 and what is measured against it.
REFERENCE_GAP = 1e-9
"""Relative gap to which a decomposed do-nothing reference is solved; the flat one is exact."""


RELAXED_IN_Z0 = tuple(
    ("service_level cvar_limit expected_loss_limit diversification trunk_shortfall days_of_cover project_logic").split()
)
"""Constraint families that the do-nothing reference leaves out."""


def solve_reference(
    problem: Problem,
    cost: Floats,
    time_limit_s: float,
    on_progress: OnProgress | None = None,
    solver: FlatModel | LShaped | None = None,
) -> Floats:
    """The reference Z0: no discretionary commitment, nothing bought, baseline projects built, operations optimised. Of all
    that cost the same it is the one that `settled` finds.

    solver: has `reference_model` loaded; None: the flat model."""
    begin = time.perf_counter()
    assembly, structure = reference_model(problem), problem.structure
    solver = solver or FlatModel(assembly, cost, integer=False)
    what = "do nothing"
    run = solver.minimise(
        cost, None, gap=REFERENCE_GAP, absolute_gap=0.0, time_limit_s=time_limit_s, phase=what, on_progress=on_progress
    )
    problem.seconds.ran(what, run)
    if not isinstance(run, SolvedRun) or run.status != "optimal":
        if run.status in NO_POINT:
            raise UntrustedError(
                "the solver finds no point for doing nothing, which keeps every rule by construction: not trusted"
            )
        raise no_answer(replace(run, bound=-math.inf), problem, "the do-nothing reference", list, time_limit_s)

    def left() -> float:
        return max(LEAST_CHECK_S, time_limit_s - (time.perf_counter() - begin))

    if isinstance(solver, LShaped):
        x = settled_decomposed(solver, cost, run.x, left)
    else:
        x = settled(solver.face(cost, run), structure, assembly, lambda whole: whole, left)
    x = where_no_scenario_is(replace(problem, assembly=assembly), with_tail(structure, assembly, x), [cost])
    if dearer(cost, run.x, x):
        raise UntrustedError("the reference without a plan became dearer when its ties were broken")
    LOG.info("reference without a plan: social cost %.3f million USD", float(cost @ x))
    return x


def reference_model(problem: Problem) -> Assembly:
    """The model of doing nothing: decisions fixed, demands on the plan and a caller's own left out."""
    assembly, support = problem.assembly, problem.structure.support
    lower, upper = assembly.lower.copy(), assembly.upper.copy()
    row_lower, row_upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    for rows in (*(assembly.rows_of(family) for family in RELAXED_IN_Z0), np.flatnonzero(assembly.row_block < 0)):
        row_lower[rows], row_upper[rows] = -INF, INF
    zero = _decided(problem)
    root = assembly.commitments
    built = [
        int(root.columns("sign", o)[0]) for o, option in enumerate(support.options) if not is_support(problem, option)
    ]
    one = np.array(built, dtype=np.int64)
    zero = np.setdiff1d(zero, one)
    lower[zero], upper[zero], lower[one], upper[one] = 0.0, 0.0, 1.0, 1.0
    return replace(assembly, lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper)


def _decided(problem: Problem) -> Ints:
    """Columns that doing nothing leaves at zero: signatures, contracts, floors, and every purchase."""
    columns = [
        part.first_column + k + part.width * np.arange(part.count)
        for part in problem.assembly.blocks
        for k, (name, _) in enumerate(part.template.columns)
        if name in ("sign", "contract", "contract_signed", "floor", "acquisition", "sent", "received")
    ]
    return np.sort(np.concatenate(columns)) if columns else np.zeros(0, dtype=np.int64)


def cap_trunk_shortfall(problem: Problem, z0: Floats) -> Problem:
    """The problem with trunk shortfall of materials that must not lack more limited to that of Z0; the one given stays as it is."""
    row_upper = problem.assembly.row_upper.copy()
    for row, (*_, most) in trunk_shortfall_caps(problem, z0).items():
        row_upper[row] = most
    return replace(problem, assembly=replace(problem.assembly, row_upper=row_upper))


def trunk_shortfall_caps(problem: Problem, z0: Floats) -> dict[int, tuple[str, int, int, float]]:
    """Row -> (component, period, material, cap): trunk shortfall of such materials in Z0, with a hair's room."""
    assembly, caps = problem.assembly, {}
    for row in assembly.rows_of("trunk_shortfall"):
        entries = slice(assembly.start[row], assembly.start[row + 1])
        short = float(assembly.value[entries] @ z0[assembly.index[entries]])
        _, material, component, period = assembly.row_name(int(row))
        reach = problem.structure.reach[problem.structure.instance.component[material]]
        if period < len(reach) and reach[period] > 0:  # instances of the trunk come first
            most = min(float(assembly.row_upper[row]), max(0.0, short) + 1e-6)
            caps[int(row)] = (problem.natural.components[component], period, material, most)
    return caps


# How every solve of a plan goes, whoever asks: the reference first, then what is measured against it, then every stage.
@dataclass(frozen=True)
class Optimum:
    """The best point of a problem, and how it was found."""

    x: Floats
    """(columns,)"""
    outcome: Outcome
    staged: Staged
    fixed: SolvedRun | None
    """The linear program of the last stage with integers fixed; None of a relaxation, and where a limit ended it."""


def with_reference(
    problem: Problem,
    time_limit_s: float,
    on_progress: OnProgress | None = None,
    solver: FlatModel | LShaped | None = None,
) -> tuple[Problem, Floats]:
    """(the problem with the limits that are measured against the do-nothing reference, that reference: (columns,)).

    solver: has `reference_model` loaded; None: a flat one is made. Raises as `solve_reference`."""
    z0 = solve_reference(problem, objective_costs(problem)["social_cost"], time_limit_s, on_progress, solver)
    return against_nothing(problem, z0), z0


def against_nothing(problem: Problem, z0: Floats, nothing: Solution | None = None) -> Problem:
    """The problem with all that is measured against doing nothing: limits on trunk shortfall, and what the plan does to prices.

    nothing: what z0 means; None: read off z0, which then has every scenario."""
    if problem.instance.market_trade.any():
        nothing = nothing or extract(problem.structure, problem.assembly, z0)
        problem = with_price_channel(problem, nothing)
    return cap_trunk_shortfall(problem, z0)


def optimum(
    problem: Problem,
    solver: FlatModel | LShaped,
    anew: Callable[[], FlatModel | LShaped],
    z0: Floats,
    start: Floats | None,
    *,
    gap: float,
    relax: bool,
    method: Literal["flat", "decomposed"],
    left: Callable[[], float],
    prices: bool = True,
    on_progress: OnProgress | None = None,
) -> tuple[FlatModel | LShaped, Optimum]:
    """(the solver in the end, what it found) of a problem with its reference z0.

    solver: has the problem loaded; anew: loads another one. left: tells the seconds left. prices: False, without the linear program
    with integers fixed where the search itself has made them whole and all else at its best beside them. Raises InfeasibleError,
    StoppedError and UntrustedError where there is no answer."""
    costs = objective_costs(problem)
    solver, staged, fixed = _stages_met(
        problem, solver, anew, costs, z0, start, gap=gap, relax=relax, left=left, prices=prices, on_progress=on_progress
    )
    x = with_tail(problem.structure, problem.assembly, (fixed or staged.run).x)
    outcome = outcome_of(problem, staged, costs, z0, x, relax=relax, method=method)
    if prices:
        x = at_home_first(problem, where_no_scenario_is(problem, x, [*costs.values()]), costs["social_cost"])
    return solver, Optimum(x, outcome, staged, fixed)


def _stages_met(
    problem: Problem,
    solver: FlatModel | LShaped,
    anew: Callable[[], FlatModel | LShaped],
    costs: dict[str, Floats],
    z0: Floats,
    start: Floats | None,
    *,
    gap: float,
    relax: bool,
    left: Callable[[], float],
    prices: bool,
    on_progress: OnProgress | None = None,
) -> tuple[FlatModel | LShaped, Staged, SolvedRun | None]:
    """(solver, all stages, the linear program with integers fixed; None of a relaxation, where it is not asked for, and where a
    limit ended it).

    anew: loads another solver, for aims that have to be met again with more slack (`SLACKS_TRIED`). Raises as `stage_by_stage` and
    `solve_fixed_lp`."""
    stages, seconds = STAGES[problem.plan.objective.kind], problem.seconds
    meet = partial(stage_by_stage, gap=gap, relax=relax, left=left, on_progress=on_progress)
    for slack in SLACKS_TRIED if len(stages) > 1 else SLACKS_TRIED[:1]:
        try:
            with seconds.measure("solve"):
                staged = meet(problem, solver, costs, z0, start, least_slack=slack)
            if relax or (not prices and _settled(problem, solver, staged)):
                return solver, staged, None
            with seconds.measure("prices"):
                check_s = max(left(), min(LEAST_CHECK_S, current().left() + BEYOND_S))
                fixed = solve_fixed_lp(problem, costs, stages[-1], staged, solver, gap, check_s)
        except UntrustedError as error:
            if len(stages) == 1 or slack == SLACKS_TRIED[-1]:
                raise
            LOG.warning("the aims are met again with more slack than %g: %s", slack, error)
            solver = anew()
        else:
            return solver, staged, fixed
    raise AssertionError("the last slack either gives an answer or raises")


def _settled(problem: Problem, solver: FlatModel | LShaped, staged: Staged) -> bool:
    """Whether a search has made its integers exact and asked what all else costs beside them: a decomposition does, as far as a
    start that it was given and did not better was exact."""
    x = staged.run.x[problem.assembly.integer]
    return isinstance(solver, LShaped) and bool((x == np.round(x)).all())
