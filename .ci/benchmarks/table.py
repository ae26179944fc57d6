"""Two tables of the README beside this file: set-up and re-solving against the alternatives, side by side in one run.

Set-up is compared on critical-minerals, each tool in a process of its own: raw numpy (the operations blocks' arrays by hand) and
`passModel`, ours, linopy, Pyomo's own interface, mpi-sppy's extensive form (these two at few scenarios, they take minutes at more).
Re-solving is compared between a session and solves from nothing. Medians, ratios, growth exponents
(slope of log seconds in log scenarios). Nothing here passes or fails by the clock.

    python .ci/benchmarks/table.py [--repeats 5] [--quick] [--only re-solves] [--write]
                                                          needs the extra `bench` (linopy, mpi-sppy)

`--write` puts both tables, re-solves with integers alone, into that README, with the day, the commit and the machine.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import platform
import resource
import statistics
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from typing import Any

import numpy as np
import peers
import record
import setup_time

from strategic_minerals import load_dataset, load_plan, shipped
from strategic_minerals.matrix.problem import structure_of
from strategic_minerals.question.names import edited
from strategic_minerals.solver.highs import version as highs_version
from strategic_minerals.solver.session import Session

TOOLS: dict[str, Any] = {
    "raw numpy + highspy": setup_time.raw,
    "strategic-minerals": setup_time.ours,
    "linopy": peers.linopy_twin,
    "Pyomo's HiGHS interface": peers.pyomo_interface,
    "mpi-sppy extensive form": peers.extensive_form,
}
SLOW = ("Pyomo's HiGHS interface", "mpi-sppy extensive form")
"""Tools compared at few scenarios only."""


def measured(tool: str, scenarios: int, repeats: int) -> tuple[float, float, int]:
    """(median seconds, peak MiB beyond what was there before, columns) in this process, after one run to warm up."""
    warnings.simplefilter("ignore")
    highs_version()  # the first of a process prints a banner, which this one keeps to itself
    plan = load_plan(
        shipped("models") / "critical-minerals.toml", {"sample.scenarios": scenarios, "sample.draws": scenarios}
    )
    structure, _ = structure_of(plan, load_dataset(shipped("inputs")))
    if tool not in SLOW:
        small = load_plan(shipped("models") / "quickstart.toml")
        TOOLS[tool](structure_of(small, load_dataset(shipped("inputs")))[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, shape = [], (0, 0, 0)
    for _ in range(repeats):
        start = time.perf_counter()
        shape = TOOLS[tool](structure)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, shape[1]


def apart(tool: str, scenarios: int, repeats: int) -> tuple[float, float, int]:
    """The same in a process of its own, so that no tool pays for another's memory."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, tool, scenarios, repeats).result()


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """Slope of log seconds in log scenarios."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]) if len(sizes) > 1 else math.nan


def set_up(sizes: list[int], few: list[int], repeats: int) -> list[str]:
    """Set-up and hand-over of critical-minerals by every tool."""
    print("\nSet-up and hand-over, critical-minerals\n")
    told = record.Lines()
    told("| tool | scenarios | columns | seconds | x raw | peak MiB | x raw | growth |")
    told("|---|---|---|---|---|---|---|---|")
    for tool in TOOLS:
        chosen = few if tool in SLOW else sizes
        found = [apart(tool, scenarios, 1 if tool in SLOW else repeats) for scenarios in chosen]
        growth = exponent(chosen, [seconds for seconds, _, _ in found])
        for scenarios, (seconds, peak, columns) in zip(chosen, found, strict=True):
            raw = apart("raw numpy + highspy", scenarios, repeats)
            told(
                f"| {tool} | {scenarios} | {columns:,} | {seconds:.2f} | {seconds / raw[0]:.1f} | {peak:,.0f} "
                f"| {peak / max(raw[1], 1.0):.1f} | {growth:.2f} |"
            )
    return told.lines


def re_solves(name: str, points: int, repeats: int, *, relax: bool) -> list[str]:
    """A sweep by every kind of figure, against solves from nothing with the same scenarios; wall-clock seconds, whole answers."""
    plan, data = load_plan(shipped("models") / f"{name}.toml"), load_dataset(shipped("inputs"))
    span = np.linspace(0.95, 1.2, points)
    axes = {
        "budget": "budget.appropriation_musd *",
        "loss value": f"loss_functions[{plan.loss_function}/*/*].loss_usd_per_t *",
        "probability": "scenarios.0.probability *",
        "price": f"prices[{plan.price_set}/*/*].price_usd_per_kg *",
        "floor cost": "instruments.price_floors.0.upside_share *",
        "demand": "demand[*/*/*].demand_t_per_yr *",
    }
    kind = "linear relaxation" if relax else "integers, gap 0.1 %"
    print(f"\nRe-solves, {name}, {kind}, {points} points from -5 % to +20 %\n")
    told = record.Lines()
    told("| figure | from nothing, s a point | sweep, s a point | ratio |")
    told("|---|---|---|---|")
    for figure, address in axes.items():
        session = Session(relax=relax)
        session.answer(*edited(plan, data, {address: 0.94}))
        cold = [_seconds(session.cold(), edited(plan, data, {address: 1.01})) for _ in range(repeats)]
        seconds = [_seconds(session, edited(plan, data, {address: float(at)})) for at in span]
        before, after = statistics.median(cold), statistics.median(seconds)
        told(f"| {figure} | {before:.2f} | {after:.2f} | {before / after:.1f} |")
    return told.lines


def _seconds(session: Session, question: Any) -> float:
    """How long a variant takes to answer."""
    start = time.perf_counter()
    session.answer(*question)
    return time.perf_counter() - start


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables into README.md beside this file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="few scenarios, once")
    parser.add_argument("--points", type=int, default=12, help="of re-solves")
    parser.add_argument("--only", choices=("set-up", "re-solves"), help="one kind of table")
    asked = parser.parse_args()
    repeats = 1 if asked.quick else asked.repeats
    names = ("highspy", "pyomo", "linopy", "mpi-sppy", "numpy")
    print(f"{platform.machine()}, Python {platform.python_version()}, " + ", ".join(f"{n} {version(n)}" for n in names))
    found = {}
    if asked.only != "re-solves":
        found["set-up"] = set_up([2, 5, 10] if asked.quick else [20, 60, 200], [2] if asked.quick else [2, 6], repeats)
    if asked.only != "set-up":
        points = 3 if asked.quick else asked.points
        re_solves("rare-earths", points, repeats, relax=True)  # printed alone
        found["re-solves-integer"] = re_solves("rare-earths", points, repeats, relax=False)
    if asked.write:
        for name, lines in found.items():
            record.write(name, lines)


if __name__ == "__main__":
    main()
