"""Growth with scenarios: seconds and memory of whole solves, set-up, audit and tables included, each in a process of its own.

Scenarios are drawn unreduced. The growth exponent is the slope of log seconds against log scenarios. Nothing here passes or fails
by the clock. Five thousand scenarios take six minutes as a relaxation, and some thirty with whole numbers.

    python .ci/benchmarks/many_scenarios.py [--plan critical-minerals] [--scenarios 100 400 1000 5000] [--mixed] [--quick]
    [--write]"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time

import record
from solve_time import exponent

from strategic_minerals import Runner, load_dataset, load_plan, shipped, solve

GAP = 1e-3
FIGURES = ("solve", "total", "peak", "objective", "gap")


def one(plan_name: str, scenarios: int, mixed: bool, limit_s: float) -> dict[str, float]:
    """A solve in this process: seconds of the search and in all, peak memory [GiB], objective [million USD], relative gap."""
    plan = load_plan(
        shipped("models") / f"{plan_name}.toml", overrides={"sample.scenarios": scenarios, "sample.draws": scenarios}
    )
    data = load_dataset(shipped("inputs"))
    begin = time.perf_counter()
    result = solve(
        plan, data, gap=GAP, relax=not mixed, method="decomposed", quick=True, run=Runner(deadline_s=limit_s)
    )
    return dict(
        zip(
            FIGURES,
            (
                result.seconds["solve"],
                time.perf_counter() - begin,
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
                result.outcome.objective_musd or math.nan,
                result.outcome.relative_gap or 0.0,
            ),
            strict=True,
        )
    )


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", default="critical-minerals")
    parser.add_argument("--scenarios", type=int, nargs="+", default=[100, 400, 1000, 5000])
    parser.add_argument("--mixed", action="store_true", help="integer commitments; without: the linear relaxation")
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds for each search")
    parser.add_argument("--quick", action="store_true", help="10 and 20 scenarios")
    parser.add_argument("--write", action="store_true", help="write the table into README.md beside this file")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        json.dump(one(asked.plan, asked.one, asked.mixed, asked.limit), sys.stdout)
        return
    sizes = [10, 20] if asked.quick else asked.scenarios
    print(f"{asked.plan}, {'integer' if asked.mixed else 'linear'}, gap {GAP:g}, decomposed, once each\n")
    lines = record.Lines()
    lines("| scenarios | search s | in all s | peak GiB | objective | gap |\n|---|---|---|---|---|---|")
    found = []
    for scenarios in sizes:
        command = [sys.executable, __file__, "--plan", asked.plan, "--one", str(scenarios), "--limit", str(asked.limit)]
        told = subprocess.run(
            [*command, *(["--mixed"] if asked.mixed else [])], capture_output=True, text=True, check=True
        )
        found.append(json.loads(told.stdout))
        search, whole, peak, objective, gap = (found[-1][name] for name in FIGURES)
        lines(f"| {scenarios} | {search:.1f} | {whole:.1f} | {peak:.1f} | {objective:,.1f} | {gap:.1e} |")
    for name in ("solve", "total"):
        print(f"\ngrowth with scenarios, {name}: exponent {exponent(sizes, [row[name] for row in found]):.2f}", end="")
    print()
    if asked.write:
        record.write("growth", lines.lines)


if __name__ == "__main__":
    main()
