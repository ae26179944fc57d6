"""Set-up time of critical-minerals.toml: ours against hand-written numpy and against Pyomo's own HiGHS interface.

Raw: the operations blocks' arrays assembled by hand with numpy from the same data, and `passModel`. Ours: the Pyomo blocks
compiled and stamped, and `passModel`. Pyomo: the flat model written out and handed over by Pyomo's own interface, at fewer
scenarios, scaled by columns. Reports medians and ratios; nothing here passes or fails by the clock.

    python .ci/benchmarks/setup_time.py [--scenarios 200] [--quick]"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import highspy
import numpy as np
from peers import pyomo_interface

from strategic_minerals import load_dataset, load_plan, shipped
from strategic_minerals.matrix.assembly import compile_templates, instantiate
from strategic_minerals.matrix.problem import structure_of
from strategic_minerals.model.sets import Structure
from strategic_minerals.model.values import period_values, period_weights
from strategic_minerals.solver.highs import Model

INF = float("inf")


class Raw:
    """Columns, rows and entries of the operations blocks, appended family by family."""

    def __init__(self) -> None:
        self.columns = self.rows = 0
        self.lower: list[Any] = []
        self.upper: list[Any] = []
        self.cost: list[Any] = []
        self.row_lower: list[Any] = []
        self.row_upper: list[Any] = []
        self.row: list[Any] = []
        self.column: list[Any] = []
        self.value: list[Any] = []

    def var(self, n: int, upper: Any = INF) -> Any:
        at = np.arange(self.columns, self.columns + n)
        self.columns += n
        self.lower.append(np.zeros(n))
        self.upper.append(np.broadcast_to(upper, n))
        self.cost.append(np.zeros(n))
        return at, self.cost[-1]

    def rows_of(self, n: int, lower: Any, upper: Any) -> Any:
        at = np.arange(self.rows, self.rows + n)
        self.rows += n
        self.row_lower.append(np.broadcast_to(lower, n))
        self.row_upper.append(np.broadcast_to(upper, n))
        return at

    def add(self, row: Any, column: Any, value: Any) -> None:
        value = np.broadcast_to(value, row.shape)
        keep = value != 0
        self.row.append(row[keep])
        self.column.append(column[keep])
        self.value.append(value[keep])

    def load(self) -> tuple[int, int, int]:
        row, column, value = (np.concatenate(part) for part in (self.row, self.column, self.value))
        order = np.argsort(row, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=self.rows))]).astype(np.int32)
        lower, upper, cost, row_lower, row_upper = (
            np.concatenate(part) for part in (self.lower, self.upper, self.cost, self.row_lower, self.row_upper)
        )
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.passModel(
            len(cost),
            self.rows,
            len(value),
            2,
            1,
            0.0,
            cost,
            lower,
            upper,
            row_lower,
            row_upper,
            start,
            column[order].astype(np.int32),
            value[order],
            np.zeros(len(cost), np.int32),
        )
        return self.rows, self.columns, len(value)


def raw(structure: Structure) -> tuple[int, int, int]:
    """The operations blocks of all components by hand; commitments and cross-period rows left out."""
    r, instance = Raw(), structure.instance
    y, D = instance.yields, instance.calendar.step
    sign, _ = r.var(len(structure.support.classes))
    contract, _ = r.var(len(structure.contracts))
    floor, _ = r.var(len(structure.support.markets))
    for c, (shape, blocks) in enumerate(zip(structure.component_sets, structure.block_index, strict=True)):
        v, n, w = period_values(structure, shape, blocks), blocks.count, period_weights(structure, blocks, c)
        price = dict(zip(shape.materials, v["price"].T, strict=True))
        producers = [*shape.sources, *(instance.sources + p for p in shape.projects)]
        floored = {j for j, _ in shape.floors}
        restricted = floored | {structure.contracts[k].source for k in shape.contracts} | set(shape.holders)
        open_ = dict(zip(shape.sources, v["open_capacity"].T, strict=True))
        run, hold, buy, release, sell, stock, surplus, thrift, short = ({} for _ in range(9))
        for j in producers:
            run[j], cost = r.var(n, open_[j] if j in open_ and j not in restricted else INF)
            outputs = sum(y[j, i] * (1 + instance.premium[j]) * price[i] for i in shape.materials if y[j, i] > 0)
            cost[:] = w * (outputs + sum(y[j, i] * price[i] for i in shape.materials if y[j, i] < 0))
        for j in shape.holders:
            hold[j], cost = r.var(n)
            cost[:] = w * sum(y[j, i] * price[i] for i in shape.materials if y[j, i] < 0)
        depth = iter(v["depth"].T)
        for p in shape.purchases:
            buy[p.name], cost = r.var(n, next(depth) if p.offer >= 0 else INF)
            cost[:] = w * (1 + p.premium) * price[p.material]
        for k, i in enumerate(shape.stocked):
            release[i], _ = r.var(n, v["release_limit"][:, k])
            sell[i], cost = r.var(n, v["disposal_limit"][:, k])
            cost[:] = -w * (1 - instance.haircut[i]) * price[i]
            stock[i], cost = r.var(n, instance.storage[i])
            cost[:] = w * (instance.holding[i] * D - v["salvage_value"][:, k])
        demand = dict(zip(shape.demands, v["demand"].T, strict=True))
        for h in shape.steps:
            thrift[h], cost = r.var(n, instance.step_limit[h] * demand[instance.steps[h][0]])
            cost[:] = w * instance.step_cost[h]
        for k in shape.tiers:
            short[k], cost = r.var(n, instance.tier_share[k] * demand[instance.tiers[k][0]])
            cost[:] = w * instance.tier_loss[k]
        for i in shape.materials:
            if any(y[j, i] > 0 for j in producers):
                surplus[i], cost = r.var(n)
                cost[:] = -w * (1 - instance.haircut[i]) * price[i]
        one = np.ones(n)
        for i in shape.materials:
            mine = [q for q in shape.demands if instance.demand_material[q] == i]
            wanted = sum((demand[q] for q in mine), np.zeros(n))
            row = r.rows_of(n, wanted, wanted)
            for j in producers:
                if y[j, i]:
                    r.add(row, run[j], y[j, i])
            for j in shape.holders:
                if y[j, i] < 0:
                    r.add(row, hold[j], y[j, i])
            for k in shape.tiers:
                if instance.tiers[k][0] in mine:
                    r.add(row, short[k], 1.0)
            for h in shape.steps:
                if instance.steps[h][0] in mine:
                    r.add(row, thrift[h], 1.0)
            if i in release:
                r.add(row, release[i], 1.0)
            if i in surplus:
                r.add(row, surplus[i], -1.0)
                row = r.rows_of(n, -INF, 0.0)
                r.add(row, surplus[i], 1.0)
                for j in producers:
                    if y[j, i] > 0:
                        r.add(row, run[j], -y[j, i])
        for q in shape.demands:
            tiers = [k for k in shape.tiers if instance.tiers[k][0] == q]
            steps = [h for h in shape.steps if instance.steps[h][0] == q]
            if instance.tier_share[tiers].sum() + instance.step_limit[steps].sum() > 1:
                row = r.rows_of(n, -INF, demand[q])
                for column in (*(short[k] for k in tiers), *(thrift[h] for h in steps)):
                    r.add(row, column, 1.0)
        for k, i in enumerate(shape.stocked):
            kept = 1 - instance.decay[i]
            row = r.rows_of(n, kept * v["opening"][:, k], kept * v["opening"][:, k])
            r.add(row, stock[i], 1.0)
            before = blocks.previous >= 0
            r.add(row[before], stock[i][blocks.previous[before]], -kept)
            for p in shape.purchases:
                if p.material == i:
                    r.add(row, buy[p.name], -1.0)
            r.add(row, release[i], 1.0)
            r.add(row, sell[i], 1.0)
        for j in shape.holders:
            bought = [p for p in shape.purchases if p.source == j]
            for i in sorted({p.material for p in bought}):
                row = r.rows_of(n, 0.0, INF)
                r.add(row, hold[j], y[j, i])
                for p in bought:
                    if p.material == i:
                        r.add(row, buy[p.name], -1.0)
            row = r.rows_of(n, -INF, 0.0)
            r.add(row, hold[j], 1.0)
            for p in bought:
                r.add(row, buy[p.name], -1.0 / y[j, p.material])
        for j in shape.sources:
            if j in restricted:
                row = r.rows_of(n, -INF, open_[j])
                r.add(row, run[j], 1.0)
                if j in hold:
                    r.add(row, hold[j], 1.0)
                for k, at in enumerate(shape.contracts):
                    if structure.contracts[at].source == j:
                        r.add(row, np.full(n, contract[at]), -v["contract_share"][:, k])
        for k, j in enumerate(sorted(floored)):
            row = r.rows_of(n, -INF, v["survival_open"][:, k])
            r.add(row, run[j], 1.0)
            if j in hold:
                r.add(row, hold[j], 1.0)
            for a, (source, m) in enumerate(shape.floors):
                if source == j:
                    r.add(row, np.full(n, floor[m]), -v["survival_floor"][:, a])
        for p in shape.projects:
            row = r.rows_of(n, -INF, 0.0)
            r.add(row, run[instance.sources + p], one)
            if instance.sources + p in hold:
                r.add(row, hold[instance.sources + p], one)
            for k, g in enumerate(shape.classes):
                if structure.support.classes[g].project == p:
                    r.add(row, np.full(n, sign[g]), -v["project_share"][:, k])
    return r.load()


def ours(structure: Structure) -> tuple[int, int, int]:
    """Compile, stamp, hand over."""
    assembly = instantiate(structure, compile_templates(structure))
    Model(assembly, assembly.costs["social_cost"], integer=True)
    return assembly.shape


def timed(run: Callable[[Structure], Any], structure: Structure, repeats: int) -> tuple[float, Any]:
    """Median seconds of several runs after one to warm up."""
    seconds, answer = [], None
    for _ in range(repeats + 1):
        start = time.perf_counter()
        answer = run(structure)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:]), answer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenarios", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="2 repeats, and Pyomo's interface on 2 scenarios only")
    given = parser.parse_args()
    repeats, few = (2, 2) if given.quick else (given.repeats, 10)
    data, path = load_dataset(shipped("inputs")), shipped("models") / "critical-minerals.toml"
    plan = load_plan(path, {"sample.scenarios": given.scenarios})
    start = time.perf_counter()
    structure, _ = structure_of(plan, data)
    build = time.perf_counter() - start
    by_hand, raw_shape = timed(raw, structure, repeats)
    blocks, shape = timed(ours, structure, repeats)
    small, _ = structure_of(load_plan(path, {"sample.scenarios": few}), data)
    columns = ours(small)[1]
    start = time.perf_counter()
    pyomo_interface(small)
    pyomo = (time.perf_counter() - start) / columns * shape[1]
    print(
        f"critical-minerals, {given.scenarios} scenarios: {shape[1]:,} columns, {shape[0]:,} rows, {shape[2]:,} nonzeros"
    )
    print(f"  scenarios, support and structure from the tables: {build:.2f} s (needed by all three)")
    print(f"  raw numpy, operations blocks only ({raw_shape[1]:,} columns, {raw_shape[2]:,} nonzeros): {by_hand:.2f} s")
    print(f"  compiled and stamped: {blocks:.2f} s = {blocks / by_hand:.1f} x raw (aim: at most 3)")
    print(f"  Pyomo's own interface, from {few} scenarios by columns: {pyomo:.0f} s = {pyomo / blocks:.0f} x stamped")


if __name__ == "__main__":
    main()
