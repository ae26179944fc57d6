"""The shipped mixed-integer plans solved by this package and by general solvers, on the same matrix and to the same gap.

Every tool gets the model of a plan as this package compiles it, in the same units, and stops once plan and bound are 0.1 % apart
(an absolute gap, so that all stop by the same rule). HiGHS solves it flat inside the package; SCIP and CBC read it as a file, whose
reading does not count. Wall-clock and processor seconds are reported: the first is what people wait for, the second hardly depends
on what else the machine does. Nothing here passes or fails by the clock.

    python .ci/benchmarks/other_solvers.py [--plans rare-earths] [--scenarios 25 100] [--limit 900] [--write]
                                                          needs the extra `bench` (PySCIPOpt; PuLP, which carries CBC)
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import tempfile
import time
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import record

from strategic_minerals import load_dataset, load_plan, shipped
from strategic_minerals.matrix.named import denominator, objective_costs
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.solver.highs import SolvedRun
from strategic_minerals.solver.highs import version as highs_version
from strategic_minerals.solver.lshaped.search import LShaped
from strategic_minerals.solver.stages import FlatModel, cap_trunk_shortfall, reference_model, solve_reference

GAP = 1e-3
Found = tuple[float, float, float | None]
"""(wall-clock seconds, processor seconds, social cost of the plan found [million USD]; None: none within the limit)."""


class Watch:
    """Wall-clock and processor seconds since it was made, child processes included."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), self._used()

    @staticmethod
    def _used() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    @property
    def seconds(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, self._used() - self._processor


def scip(path: Path, absolute_gap: float, limit_s: float) -> Found:
    """SCIP with its own settings."""
    from pyscipopt import Model

    model = Model()
    model.hideOutput()
    model.readProblem(str(path))
    model.setParam("limits/absgap", absolute_gap)
    model.setParam("limits/time", limit_s)
    watch = Watch()
    model.optimize()
    return *watch.seconds, model.getObjVal() if model.getNSols() else None


def cbc(path: Path, absolute_gap: float, limit_s: float) -> Found:
    """CBC's own program, with two threads."""
    from pulp import PULP_CBC_CMD

    command = [PULP_CBC_CMD().path, str(path), "allow", str(absolute_gap), "ratio", "0", "sec", str(limit_s)]
    watch = Watch()
    told = subprocess.run(
        [*command, "timemode", "elapsed", "threads", "2", "solve"], capture_output=True, text=True, check=True
    ).stdout
    best = re.search(r"Objective value:\s+(\S+)", told)
    return *watch.seconds, float(best[1]) if best else None


def compared(name: str, scenarios: int, limit_s: float) -> tuple[float, dict[str, Found]]:
    """(cost of doing nothing [million USD], what each tool found) for one shipped plan; the first is this package."""
    plan = load_plan(shipped("models") / f"{name}.toml", {"sample.scenarios": scenarios})
    problem = prepare(plan, load_dataset(shipped("inputs")))
    cost = objective_costs(problem)["social_cost"]
    idle = LShaped(problem.structure, reference_model(problem), cost, integer=False)
    z0 = solve_reference(problem, cost, limit_s, None, idle)
    problem = cap_trunk_shortfall(problem, z0)
    absolute_gap = GAP * denominator(problem, 0.0)
    idle_cost = float(cost @ z0)
    asked: dict[str, Any] = {"gap": GAP, "absolute_gap": absolute_gap, "offset": -idle_cost, "time_limit_s": limit_s}
    found: dict[str, Found] = {}
    for tool, solver, start in (
        ("this package, decomposed", LShaped(problem.structure, problem.assembly, cost, integer=True), z0),
        (f"HiGHS {highs_version()}, flat", FlatModel(problem.assembly, cost, integer=True), None),
    ):
        watch = Watch()
        run = solver.minimise(cost, start, **asked)
        found[tool] = (*watch.seconds, run.objective + idle_cost if isinstance(run, SolvedRun) else None)
    best = min(of for _, _, of in found.values() if of is not None)
    absolute_gap = max(absolute_gap, GAP * (idle_cost - best))  # what a relative gap comes to
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.mps"
        assert problem.assembly.money is None  # the file counts million USD too
        FlatModel(problem.assembly, cost, integer=True)._model._highs.writeModel(str(path))
        found[f"SCIP (PySCIPOpt {version('pyscipopt')})"] = scip(path, absolute_gap, limit_s)
        found[f"CBC (PuLP {version('pulp')})"] = cbc(path, absolute_gap, limit_s)
    return idle_cost, found


def main() -> None:
    """Print the table, and write it into the README beside this file where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", nargs="+", default=["rare-earths"])
    parser.add_argument("--scenarios", type=int, nargs="+", default=[25, 100])
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for each tool and plan")
    parser.add_argument("--write", action="store_true", help="write the table into README.md beside this file")
    asked = parser.parse_args()
    told = record.Lines()
    told(
        "| plan | scenarios | tool | seconds | processor seconds | times ours | worth of the plan found, million USD |"
    )
    told("|---|---|---|---|---|---|---|")
    for name, scenarios in product(asked.plans, asked.scenarios):
        idle_cost, found = compared(name, scenarios, asked.limit)
        ours = next(iter(found.values()))[1]
        for tool, (wall, used, cost) in found.items():
            worth = "none" if cost is None else f"{idle_cost - cost:,.1f}"
            stopped = "stopped after " if wall >= asked.limit else ""
            told(
                f"| `{name}` | {scenarios} | {tool} | {stopped}{wall:.0f} | {used:.0f} | {used / ours:.1f} | {worth} |"
            )
    if asked.write:
        record.write("other-solvers", told.lines)


if __name__ == "__main__":
    main()
