"""Time to a true gap of 1 %: the plan that `solve` makes and tests, and what the same would take with other tools.

A true gap takes the same solves by any tool: two plans, and the best plan of each of ten samples of scenarios that are kept
whole. For growing samples this prints the gap that is stated, what it takes here from end to end, and what the twelve solves
would take by a flat model in HiGHS and by mpi-sppy's extensive form, each from one sample that is solved to the same gap; what
those tools need for anything else is left out, in their favour. They are left out where a size before took longer than the limit.
Objectives of the tools on the same sample are compared. Nothing here passes or fails by the clock.

    python .ci/benchmarks/true_gap.py [--plan rare-earths] [--scenarios 4 25 50 100 200] [--limit 600] [--write]
                                                          needs the extra `bench` (mpi-sppy)"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import record
from peers import extensive_form_of

from strategic_minerals import Runner, load_dataset, load_plan, shipped, solve
from strategic_minerals.answer.act_now import ActNow
from strategic_minerals.core.frames import Floats
from strategic_minerals.matrix.named import denominator, objective_costs
from strategic_minerals.matrix.problem import Problem, prepare
from strategic_minerals.solver.highs import SolvedRun
from strategic_minerals.solver.lshaped.search import LShaped
from strategic_minerals.solver.optimise import sample_seeds, whole_sample
from strategic_minerals.solver.stages import FlatModel
from strategic_minerals.studies.solve import CANDIDATES, SAMPLES

GAP = 1e-3
SAME = 3e-3
"""Relative difference of two objectives of which each is within the gap."""
Found = tuple[float, float]
"""(seconds, cost of the best plan [million USD]; NaN without one)."""


def decomposed(problem: Problem, limit_s: float) -> Found:
    """One sample by the method of this package."""
    return _minimised(problem, limit_s, lambda cost: LShaped(problem.structure, problem.assembly, cost, integer=True))


def flat(problem: Problem, limit_s: float) -> Found:
    """One sample as one model in HiGHS."""
    return _minimised(problem, limit_s, lambda cost: FlatModel(problem.assembly, cost, integer=True))


def _minimised(problem: Problem, limit_s: float, made: Callable[[Floats], LShaped | FlatModel]) -> Found:
    cost = objective_costs(problem)["social_cost"]
    begin = time.perf_counter()
    run = made(cost).minimise(cost, None, gap=0.0, absolute_gap=GAP * denominator(problem, 0.0), time_limit_s=limit_s)
    best = run.objective if isinstance(run, SolvedRun) else math.nan
    return time.perf_counter() - begin, best


def extensive_form(problem: Problem, limit_s: float) -> Found:
    """One sample as mpi-sppy's extensive form, built in Pyomo and solved by HiGHS."""
    from pyomo.contrib.appsi.solvers import Highs

    begin = time.perf_counter()
    form = extensive_form_of(problem.structure)
    solver = Highs()
    solver.highs_options = {
        "time_limit": max(1.0, limit_s - (time.perf_counter() - begin)),
        "threads": 1,
        "mip_rel_gap": 0.0,
        "mip_abs_gap": GAP * denominator(problem, 0.0),
    }
    solver.config.load_solution = False
    told = solver.solve(form)
    best = told.best_feasible_objective
    return time.perf_counter() - begin, math.nan if best is None else float(best)


TOOLS: dict[str, Callable[[Problem, float], Found]] = {
    "this package": decomposed,
    "flat": flat,
    "extensive form": extensive_form,
}


def row(plan_name: str, scenarios: int, limit_s: float, out: set[str]) -> str:
    """One size of the samples. out: tools that are left out from here on, to which those are added that took too long."""
    plan, data = load_plan(shipped("models") / f"{plan_name}.toml"), load_dataset(shipped("inputs"))
    begin = time.perf_counter()
    answer = solve(plan, data, scenarios=scenarios, run=Runner(processes=2))
    seconds = time.perf_counter() - begin
    found = ActNow.of(answer.tables)
    assert found is not None
    assert plan.sample is not None
    gap = found.gap.iloc[0]
    problem = prepare(whole_sample(plan, sample_seeds(plan.sample.seed, 1, 1)[0], scenarios), data)
    told, best = [], math.nan
    for tool, timed in TOOLS.items():
        if tool in out:
            told.append("")
            continue
        taken, cost = timed(problem, limit_s)
        if taken >= limit_s or math.isnan(cost):
            out.add(tool)
            told.append(f"more than {limit_s:,.0f}")
            continue
        best = cost if math.isnan(best) else best
        if abs(cost - best) > SAME * denominator(problem, 0.0):
            raise AssertionError(f"{tool} finds {cost:,.2f} where this package finds {best:,.2f}")
        told.append(f"{taken:,.1f}")
    rivals = [
        f"{float(one.replace(',', '')) * (CANDIDATES + SAMPLES):,.0f}" if one[:1].isdigit() else one for one in told[1:]
    ]
    cells = [f"{scenarios}", f"{gap.gap_limit_musd:,.1f}", f"{gap.gap_share:.1%}", f"{seconds:,.0f}", *told, *rivals]
    return "| " + " | ".join([f"`{plan_name}`", *cells]) + " |"


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", default="rare-earths")
    parser.add_argument("--scenarios", type=int, nargs="+", default=[4, 25, 50, 100, 200])
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for one sample by one tool")
    parser.add_argument("--write", action="store_true", help="write the table into README.md beside this file")
    asked = parser.parse_args()
    told = record.Lines()
    told(
        "| plan | scenarios of a sample | true gap, at most, million USD | of the worth | this package, end to end, s "
        "| one sample: this package, s | flat, s | extensive form, s | twelve: flat, s | extensive form, s |"
    )
    told("|" + "---|" * 10)
    out: set[str] = set()
    for scenarios in asked.scenarios:
        told(row(asked.plan, scenarios, asked.limit, out))
    if asked.write:
        record.write("true-gap", told.lines)


if __name__ == "__main__":
    main()
