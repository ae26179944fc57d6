"""Flat against decomposed: seconds to solve the shipped plans at growing numbers of scenarios, side by side in one run.

Scenarios are drawn unreduced. Each pair is solved in turn, `--repeats` times, in this process; medians, ratios and growth exponents
(slope of log seconds against log scenarios) are printed. Seconds are those of solving alone: set-up, prices and tables are the
same. Nothing here passes or fails by the clock.

    python .ci/benchmarks/solve_time.py [--plan rare-earths] [--scenarios 25 50 100 200] [--mixed] [--repeats 3] [--quick]
    [--write]"""

from __future__ import annotations

import argparse
import math
import statistics
import time

import numpy as np
import record

from strategic_minerals import load_dataset, load_plan, shipped
from strategic_minerals.matrix.named import denominator, objective_costs
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.solver.highs import SolvedRun
from strategic_minerals.solver.lshaped.search import LShaped
from strategic_minerals.solver.stages import FlatModel, cap_trunk_shortfall, reference_model, solve_reference

GAP = 1e-3
LINEAR_GAP = 1e-6


def seconds(plan_name: str, scenarios: int, method: str, mixed: bool, limit_s: float) -> tuple[float, float, float]:
    """(seconds, objective, bound) of one solve against doing nothing; the bound tells whether the limit cut it short."""
    plan = load_plan(
        shipped("models") / f"{plan_name}.toml", overrides={"sample.scenarios": scenarios, "sample.draws": scenarios}
    )
    problem = prepare(plan, load_dataset(shipped("inputs")))
    cost = objective_costs(problem)["social_cost"]
    idle = LShaped(problem.structure, reference_model(problem), cost, integer=False)
    z0 = solve_reference(problem, cost, limit_s, None, idle)
    problem = cap_trunk_shortfall(problem, z0)
    begin = time.perf_counter()
    solver = (
        FlatModel(problem.assembly, cost, integer=mixed)
        if method == "flat"
        else LShaped(problem.structure, problem.assembly, cost, integer=mixed)
    )
    run = solver.minimise(
        cost,
        z0 if method == "decomposed" else None,
        gap=GAP if mixed else LINEAR_GAP,
        absolute_gap=GAP * denominator(problem, 0.0) if mixed else 0.0,
        offset=-float(cost @ z0),
        time_limit_s=limit_s,
    )
    return time.perf_counter() - begin, run.objective if isinstance(run, SolvedRun) else math.nan, run.bound


def exponent(sizes: list[int], times: list[float]) -> float:
    """Slope of log seconds in log scenarios."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0]) if len(sizes) > 1 else math.nan


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", default="rare-earths")
    parser.add_argument("--scenarios", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--mixed", action="store_true", help="integer commitments; without: the linear relaxation")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds for each solve")
    parser.add_argument("--quick", action="store_true", help="10 and 20 scenarios, once")
    parser.add_argument("--write", action="store_true", help="write the table into README.md beside this file")
    asked = parser.parse_args()
    sizes, repeats = ([10, 20], 1) if asked.quick else (asked.scenarios, asked.repeats)
    kind = f"integer, gap {GAP:g}" if asked.mixed else f"linear, gap {LINEAR_GAP:g}"
    print(f"{asked.plan}, {kind}, median of {repeats}\n")
    told = record.Lines()
    told(
        "| plan | scenarios | flat s | decomposed s | flat / decomposed | objectives differ by |\n|---|---|---|---|---|---|"
    )
    times: dict[str, list[float]] = {"flat": [], "decomposed": []}
    for scenarios in sizes:
        found: dict[str, list[tuple[float, float, float]]] = {"flat": [], "decomposed": []}
        for _ in range(repeats):
            for method, runs in found.items():
                runs.append(seconds(asked.plan, scenarios, method, asked.mixed, asked.limit))
        middle = {method: statistics.median(run[0] for run in runs) for method, runs in found.items()}
        for method, value in middle.items():
            times[method].append(value)
        (_, a, _), (_, b, _) = found["flat"][-1], found["decomposed"][-1]
        differ = "no plan in time" if math.isnan(a + b) else f"{abs(a - b) / max(1.0, abs(a)):.1e}"
        ratio = middle["flat"] / middle["decomposed"]
        pair = f"{middle['flat']:.2f} | {middle['decomposed']:.2f}"
        told(f"| `{asked.plan}` | {scenarios} | {pair} | {ratio:.2f} | {differ} |")
    print(
        "\ngrowth with scenarios: "
        + ", ".join(f"{method} exponent {exponent(sizes, t):.2f}" for method, t in times.items())
    )
    if asked.write:
        record.write("solve-time", told.lines)


if __name__ == "__main__":
    main()
