"""From a compiled problem to a solved one: do-nothing reference, stages of the aim, fixed linear program.

Nothing here knows Pyomo or the solver's own names."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ..core.errors import Fault, InputError, OnProgress, Outcome, UntrustedError
from ..core.frames import Floats, Ints
from ..core.logs import logger_of
from ..core.stats import LEAST_TIME_LIMIT_S, Timings
from ..matrix.assembly import Assembly
from ..matrix.named import objective_costs
from ..matrix.own import Extend, with_rules
from ..matrix.problem import Act, Problem
from ..matrix.solution import Solution, decided, decided_point, extract, trunk_alone
from ..model.sets import STAGES
from ..question.plan import Plan, no_room_for_draws
from .highs import Duals, Model, Run, SolvedRun, canary
from .lshaped.search import LShaped
from .lshaped.subproblems import OutOfTimeError, separable
from .stages import (
    ABROAD_LAST,
    FlatModel,
    Method,
    against_nothing,
    bought_abroad,
    chosen_method,
    optimum,
    reference_model,
    solver_of,
    with_commitments,
    with_reference,
)

# One sample of scenarios, decomposed: the least that any plan costs in it, and what given decisions cost in it.
HELD_GAP_MUSD = 0.01
"""Gap of operations under given commitments and purchases [million USD]."""
REWARD = 100.0
"""Of what a purchase costs, what it earns where it is asked for: nothing else is worth as much."""
CARRIED = 1.0
"""What money carried over as it was decided earns likewise, a share of it: purchases come first."""
ROOM = 1e-6
"""Room in every row of the master, in the solver's unit, where decisions that another solve rounded leave none."""


@dataclass(frozen=True)
class Cost:
    """What decisions cost in a sample, as an expectation over its scenarios."""

    social_cost: float
    """[million USD, discounted]"""
    loss: float
    """Shortage losses in it that the plan's risk measures see [million USD, discounted]."""


@dataclass(frozen=True)
class SampleBest:
    """The best plan of a sample."""

    acts: tuple[float, ...]
    """Amounts of the acts asked for."""
    objective: float
    """Social cost [million USD]."""
    bound: float
    """What every plan costs at least in this sample [million USD]."""


def sample_seeds(seed: int, count: int, purpose: int) -> list[int]:
    """Seeds that follow from the plan's own and a purpose, independent of each other."""
    return [int(s) for s in np.random.SeedSequence((seed, purpose)).generate_state(count)] if count else []


def whole_sample(plan: Plan, seed: int, scenarios: int) -> Plan:
    """The plan with a sample that is kept whole: each of its scenarios is as likely as the others, so that it is fair."""
    assert plan.sample is not None
    update = {"seed": seed, "scenarios": scenarios, "draws": None}
    return plan.model_copy(update={"sample": plan.sample.model_copy(update=update)})


def unbounded(plan: Plan) -> str:
    """Why samples cannot say how good a plan is; empty where they can."""
    return other_aim(plan) or no_room_for_draws(plan)


def require_bounded(plan: Plan) -> None:
    """Raises InputError, naming fields of the plan, where samples cannot say how good it is."""
    risk, taken = plan.risk, sum(scenario.probability for scenario in plan.scenarios)
    fields: list[tuple[str, object, object]] = [
        ("objective.kind", plan.objective.kind, "social_cost"),
        ("risk.cvar_limit_musd", risk.cvar_limit_musd, None),
        ("risk.expected_loss_limit_musd", risk.expected_loss_limit_musd, None),
        ("risk.cvar_weight", risk.cvar_weight, 0.0),
    ]
    asked = [one for one in fields if one[1] != one[2]] or [("scenarios", f"probability {taken:g}", "less")]
    if reason := unbounded(plan):
        of = [(name, found, "no limit" if expected is None else expected) for name, found, expected in asked]
        raise InputError([Fault("plan", "", name, f"{found}", f"{expected}: {reason}") for name, found, expected in of])


def other_aim(plan: Plan) -> str:
    """Why expected worth alone does not say which plan is better; empty where it does."""
    limited = plan.risk.cvar_limit_musd is not None or plan.risk.expected_loss_limit_musd is not None
    if plan.objective.kind != "social_cost" or limited:
        return "bounds are for plans that minimise social cost, without a limit on losses"
    if plan.risk.cvar_weight > 0:
        return "bounds are for plans without a weight on CVaR, which is not the cost of a single scenario"
    return ""


Menu = tuple[object, ...]
"""What plans of a sample may choose from."""


def menu_of(problem: Problem) -> Menu:
    """Signatures, market floors, contracts and purchases, in the order of the columns: decisions are carried by them."""
    structure, support = problem.structure, problem.structure.support
    signatures = tuple((o.project, o.package.name, o.market, o.signed) for o in support.options)
    markets = tuple(m.floor.name for m in support.markets)
    contracts = tuple((k.source, k.start, k.end) for k in structure.contracts)
    return signatures, markets, contracts, tuple(sorted(structure.material_of_purchase))


class SampleSearch:
    """A sample in memory, to be asked about one set of decisions after the other. Not safe to share between threads."""

    def __init__(
        self, problem: Problem, reference: Solution, *, deadline: float, threads: int = 1, extend: Extend | None = None
    ) -> None:
        """problem: of the sample (`prepare`). reference: doing nothing, as the plan's own solve found it (`Result.reference`).
        deadline: of every search and evaluation, as a time of `perf_counter`. threads: for clusters of scenarios. extend: adds
        constraints that every plan keeps.

        Raises ValueError for several aims in turn and for limits that bind scenarios together, UntrustedError as everything here.
        """
        if len(STAGES[problem.plan.objective.kind]) > 1 or not separable(problem.structure, problem.assembly):
            raise ValueError(
                "several aims in turn, and limits that bind scenarios together, cannot be bounded by samples"
            )
        nothing = decided_point(problem.structure, problem.assembly, reference)
        self._deadline, self._threads = deadline, threads
        self.problem = against_nothing(problem, nothing, self._operated(problem, reference))
        if extend is not None:
            self.problem, _ = with_rules(self.problem, nothing, extend)
            if not separable(self.problem.structure, self.problem.assembly):
                raise UntrustedError(
                    "constraints of one's own on what is done in scenarios cannot be bounded by samples"
                )
        self._cost = objective_costs(self.problem)["social_cost"]
        idle = reference_model(self.problem)
        self._solver = LShaped(self.problem.structure, idle, self._cost, integer=False, threads=threads)
        self.nothing = self.cost_of(reference)
        """What doing nothing costs."""
        self._solver.load(self.problem.structure, self.problem.assembly, self._cost, deadline, integer=True)

    def _operated(self, problem: Problem, reference: Solution) -> Solution | None:
        """Doing nothing in the sample's scenarios, where what the plan does to prices is measured against it."""
        if not problem.instance.market_trade.any():
            return None
        self.problem = problem
        self._cost = objective_costs(problem)["social_cost"] + ABROAD_LAST * bought_abroad(
            problem.structure, problem.assembly
        )
        idle = reference_model(problem)
        self._solver = LShaped(problem.structure, idle, self._cost, integer=False, threads=self._threads)
        found = self._solver.evaluate(self._master_point(reference), self._cost, 0.0, self._deadline)
        return extract(problem.structure, problem.assembly, self._solver.full(found))

    def cost_of(self, solution: Solution) -> Cost:
        """What decisions cost with the best operations of every scenario. Raises UntrustedError where they do not fit."""
        if len(solution.sign) != len(self.problem.structure.support.options):
            raise UntrustedError("another sample of scenarios leaves other ways of support to choose from")
        try:
            found = self._solver.evaluate(self._master_point(solution), self._cost, 0.0, self._deadline)
        except OutOfTimeError:
            raise UntrustedError("a sample of scenarios was not worked out in time") from None
        x = self._solver.full(found)
        return Cost(found.total, float(self.problem.assembly.costs["expected_loss"] @ x))

    def best(self, start: Solution, absolute_gap: float, acts: Sequence[Act] = ()) -> SampleBest:
        """The best plan of the sample, to a gap [million USD]. start: decisions to begin at. acts: figures to read off it.

        Raises UntrustedError where the search ends without a plan or a bound."""
        x = np.zeros(len(self._cost))
        x[self._solver.parts.mine] = self._master_point(start)
        zero = self.nothing.social_cost
        run = self._solver.minimise(
            self._cost, x, gap=0.0, absolute_gap=absolute_gap, offset=-zero, time_limit_s=self._left(), phase="sample"
        )
        if not isinstance(run, SolvedRun) or not np.isfinite(run.bound):
            raise UntrustedError(f"a sample of scenarios was not solved: {run.status}")
        return SampleBest(tuple(act.of(run.x) for act in acts), run.objective + zero, run.bound + zero)

    def least(self, absolute_gap: float) -> float:
        """What every plan of the sample costs at least, those that sign shares of a package among them [million USD], to a gap.

        Raises as `best`."""
        structure, assembly = self.problem.structure, self.problem.assembly
        self._solver.load(structure, assembly, self._cost, self._deadline, integer=False)
        try:
            run = self._solver.minimise(
                self._cost, None, gap=0.0, absolute_gap=absolute_gap, time_limit_s=self._left(), phase="bound"
            )
        finally:
            self._solver.load(structure, assembly, self._cost, self._deadline, integer=True)
        if not isinstance(run, SolvedRun) or not np.isfinite(run.bound):
            raise UntrustedError(f"a sample of scenarios was not bounded: {run.status}")
        return run.bound

    def under(self, base: Solution, bought: Mapping[str, Floats]) -> Solution | None:
        """The best operations of all scenarios where commitments are those of a plan, and what it buys, sells and gives before
        events, and carries over, comes as near as it can: a plant may give less, a budget hold less, a contract fill less than a
        lot. None where the commitments do not fit.

        bought: purchase -> (T,) tonnes on the baseline course, which are not exceeded; one without a series buys nothing.
        """
        structure, assembly = self.problem.structure, self.problem.assembly
        lower, upper, cost = assembly.lower.copy(), assembly.upper.copy(), self._cost.copy()
        columns, values = decided(structure, assembly, base)
        signed = np.isin(columns, _named_columns(assembly, ("sign", "operating", "floor", "contract")))
        lower[columns[signed]] = upper[columns[signed]] = values[signed]
        T, of = structure.instance.calendar.periods, np.zeros(len(cost))
        of[columns] = values

        def near(at: Ints, given: Floats, reward: Floats | float) -> None:
            lower[at] = np.maximum(lower[at], np.minimum(given, 0.0))
            upper[at] = np.minimum(upper[at], np.maximum(given, 0.0))
            cost[at] -= reward * np.sign(given)

        for part in assembly.operations:
            for variable, key in part.template.columns:
                if variable == "acquisition":
                    at = part.columns(variable, key)[:T]
                    unit = float(structure.instance.material_unit[structure.material_of_purchase[key]])
                    near(at, bought.get(key, np.zeros(T)) / unit, REWARD * np.abs(self._cost[at]))
                elif variable in ("release", "disposal"):
                    at = part.columns(variable, key)[:T]
                    near(at, of[at], REWARD * structure.instance.price[key][:T])
        carry = _named_columns(assembly, ("carry",))
        near(carry, of[carry], CARRIED)
        fixed = replace(assembly, lower=lower, upper=upper)
        self._solver.load(structure, fixed, self._cost, self._deadline, integer=False)
        try:
            run = self._solver.minimise(
                cost, None, gap=0.0, absolute_gap=HELD_GAP_MUSD, time_limit_s=self._left(), phase="rule"
            )
        finally:
            self._solver.load(structure, assembly, self._cost, self._deadline, integer=True)
        return trunk_alone(extract(structure, assembly, run.x)) if isinstance(run, SolvedRun) else None

    def _left(self) -> float:
        """Seconds left for a solve."""
        return max(1.0, self._deadline - time.perf_counter())

    def _master_point(self, solution: Solution) -> Floats:
        """(master's columns,) decisions fixed at their values, and the rest of the master at its best for them."""
        parts = self._solver.parts
        columns, values = decided(self.problem.structure, self.problem.assembly, solution)
        place = _places(parts.mine, columns)
        own = len(parts.mine)
        costs = np.concatenate([self._cost[parts.mine], np.zeros(parts.groups)])
        model = Model(parts.master, costs, integer=False)
        model.set_bounds(place, values, values)
        run = model.run(time_limit_s=self._left(), phase="sample")
        if not isinstance(run, SolvedRun):
            rows = np.arange(len(parts.master.row_lower))
            room = ROOM * parts.master.row_unit
            model.set_row_bounds(rows, parts.master.row_lower - room, parts.master.row_upper + room)
            run = model.run(time_limit_s=self._left(), phase="sample")
        if not isinstance(run, SolvedRun):
            raise UntrustedError(f"decisions do not fit into another sample of scenarios: {run.status}")
        y = run.x[:own].copy()
        y[place] = values
        return y


def _named_columns(assembly: Assembly, names: Sequence[str]) -> Ints:
    """Columns of some variables of the commitments."""
    root = assembly.commitments
    mine = [k for k, (name, _) in enumerate(root.template.columns) if name in names]
    return root.first_column + np.array(mine, dtype=np.int64)


def _places(mine: Ints, columns: Ints) -> Ints:
    """Positions of columns of the whole model among the master's, which are sorted."""
    return np.searchsorted(mine, columns)


LOG = logger_of(__name__)


@dataclass(frozen=True)
class Solved:
    """A solved problem: the point, its bounds, the fixed linear program's duals."""

    problem: Problem
    outcome: Outcome
    x: Floats
    z0: Floats
    """The do-nothing point."""
    fixed: SolvedRun | None
    """The linear program of the last stage with commitments fixed; None where it was not solved."""
    prices: Duals | None
    """Duals of the same for the first stage, the plan's main aim; None likewise."""
    costs: dict[str, Floats]
    iterations: int
    nodes: int
    seconds: Timings = field(default_factory=Timings)


def optimise(
    problem: Problem,
    *,
    gap: float,
    time_limit_s: float,
    relax: bool = False,
    method: Method = "auto",
    threads: int = 0,
    on_progress: OnProgress | None = None,
    z0: Floats | None = None,
) -> Solved:
    """Solve all stages and the fixed linear program.

    z0: (columns,) doing nothing, of a problem that has its limits already (`stages.with_reference`); None: solved first.

    Raises PlanError for a method that cannot solve the problem (`chosen_method`), InfeasibleError (checked again without presolve),
    StoppedError (a limit before any plan), UntrustedError."""
    canary()
    seconds = problem.seconds
    begin = time.perf_counter()

    def left() -> float:
        return max(LEAST_TIME_LIMIT_S, time_limit_s - (time.perf_counter() - begin))

    costs = objective_costs(problem)
    stages = STAGES[problem.plan.objective.kind]
    method = chosen_method(problem, method, integer=not relax)
    LOG.info("method: %s; aims in turn: %s", method, ", ".join(stages))
    reference: FlatModel | LShaped | None = None
    if z0 is None:
        with seconds.measure("do nothing"):
            make = partial(solver_of, problem, method=method, threads=threads)
            reference = make(reference_model(problem), costs["social_cost"], integer=False)
            problem, z0 = with_reference(problem, left(), on_progress, reference)
            costs = objective_costs(problem)
    make = partial(solver_of, problem, method=method, threads=threads)
    with seconds.measure("hand over"):
        if isinstance(reference, LShaped):  # its clusters go on from their last bases
            solver: FlatModel | LShaped = reference
            deadline = time.perf_counter() + left()
            reference.load(problem.structure, problem.assembly, costs[stages[0]], deadline, integer=not relax)
        else:
            del reference  # half of the memory
            solver = make(problem.assembly, costs[stages[0]], integer=not relax)
    anew = partial(make, problem.assembly, costs[stages[0]], integer=not relax)
    solver, best = optimum(
        problem, solver, anew, z0, z0, gap=gap, relax=relax, method=method, left=left, on_progress=on_progress
    )
    staged, fixed, run = best.staged, best.fixed, best.staged.run
    with seconds.measure("prices"):
        priced: Run | None = fixed
        if not relax and len(stages) > 1:
            again = with_commitments(problem, costs[stages[0]], run.x, 0.0)
            priced = seconds.ran("prices", again.run(time_limit_s=left(), phase="prices"))
    duals = priced.duals if isinstance(priced, SolvedRun) else None
    return Solved(problem, best.outcome, best.x, z0, fixed, duals, costs, staged.iterations, staged.nodes, seconds)
