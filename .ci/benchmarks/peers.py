"""The same problem by other tools: linopy, Pyomo's own interfaces, mpi-sppy's extensive form. Development only."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from oracle.flat import flat_model
from strategic_minerals.model.sets import Structure, build_structure
from strategic_minerals.model.values import period_values, period_weights

INF = float("inf")


def linopy_twin(structure: Structure) -> tuple[int, int, int]:
    """The operations blocks of all components with linopy, in its own vectorised style, handed to HiGHS."""
    import linopy
    import pandas as pd
    import xarray as xr

    m, instance = linopy.Model(), structure.instance
    y, D = instance.yields, instance.calendar.step
    objective: list[Any] = []

    def index(name: str, items: Sequence[Any]) -> Any:
        return pd.Index(list(items), name=name)

    def data(values: Any, *coords: Any) -> Any:
        return xr.DataArray(np.asarray(values, dtype=float), coords=[(c.name, c) for c in coords])

    def grouped(variable: Any, name: str, items: Any, share: Any, n: Any, into: Any, group: Sequence[int]) -> Any:
        """sum over the items of each group of share * variable, by stamp and group."""
        terms = variable.sel({name: list(items)}) * data(share, n, index(name, items))
        by = pd.Series(list(group), index=pd.Index(list(items), name=name), name=into.name)
        return terms.groupby(by).sum()

    classes = m.add_variables(
        lower=0, upper=1, coords=[index("class", range(len(structure.support.classes)))], name="operating"
    )
    contracts = m.add_variables(lower=0, coords=[index("contract", range(len(structure.contracts)))], name="contract")
    floors = m.add_variables(
        lower=0, upper=1, coords=[index("market", range(len(structure.support.markets)))], name="floor"
    )
    for c, (shape, blocks) in enumerate(zip(structure.component_sets, structure.block_index, strict=True)):
        v, w = period_values(structure, shape, blocks), period_weights(structure, blocks, c)
        n, I = index("stamp", range(blocks.count)), list(shape.materials)  # noqa: E741
        producers = [*shape.sources, *(instance.sources + p for p in shape.projects)]
        J, M = index("producer", producers), index("material", I)
        price = v["price"]
        factor = np.where(
            y[np.ix_(producers, I)] > 0,
            y[np.ix_(producers, I)] * (1 + instance.premium[producers])[:, None],
            y[np.ix_(producers, I)],
        )
        floored = {j for j, _ in shape.floors}
        restricted = floored | {structure.contracts[k].source for k in shape.contracts} | set(shape.holders)
        upper = np.full((blocks.count, len(producers)), INF)
        for k, j in enumerate(shape.sources):
            if j not in restricted:
                upper[:, producers.index(j)] = v["open_capacity"][:, k]

        def add(name: str, upper: Any, *coords: Any, c: int = c) -> Any:
            return m.add_variables(lower=0, upper=upper, coords=list(coords), name=f"{name}{c}")

        run = add("run", data(upper, n, J), n, J)
        objective.append((run * data(w[:, None] * (price @ factor.T), n, J)).sum())
        balance = (run * data(y[np.ix_(producers, I)], J, M)).sum("producer")
        Q = index("demand", shape.demands)
        of = (
            data([[float(instance.demand_material[q] == i) for i in I] for q in shape.demands], Q, M)
            if len(Q)
            else None
        )
        wanted = np.zeros((blocks.count, len(I)))
        for k, q in enumerate(shape.demands):
            wanted[:, I.index(int(instance.demand_material[q]))] += v["demand"][:, k]
        hold = buy = None
        if shape.holders:
            H = index("producer", shape.holders)
            hold = add("hold", INF, n, H)
            inputs = np.minimum(y[np.ix_(list(shape.holders), I)], 0.0)
            objective.append((hold * data(w[:, None] * (price @ inputs.T), n, H)).sum())
            balance = balance + (hold * data(inputs, H, M)).sum("producer")
        if shape.purchases:
            B = index("offer", [p.name for p in shape.purchases])
            depth, most = iter(v["depth"].T), np.full((blocks.count, len(shape.purchases)), INF)
            for k, p in enumerate(shape.purchases):
                if p.offer >= 0:
                    most[:, k] = next(depth)
            buy = add("buy", data(most, n, B), n, B)
            paid = np.array([(1 + p.premium) * price[:, I.index(p.material)] for p in shape.purchases]).T
            objective.append((buy * data(w[:, None] * paid, n, B)).sum())
        if shape.stocked:
            K = index("stocked", shape.stocked)
            at = [I.index(i) for i in shape.stocked]
            release = add("release", data(v["release_limit"], n, K), n, K)
            sell = add("sell", data(v["disposal_limit"], n, K), n, K)
            stock = add("stock", data(np.tile(instance.storage[list(shape.stocked)], (blocks.count, 1)), n, K), n, K)
            haircut = 1 - instance.haircut[list(shape.stocked)]
            objective.append((sell * data(-w[:, None] * price[:, at] * haircut, n, K)).sum())
            held = w[:, None] * (instance.holding[list(shape.stocked)] * D - v["salvage_value"])
            objective.append((stock * data(held, n, K)).sum())
            kept = data(1 - instance.decay[list(shape.stocked)], K)
            before = stock.sel(instantiate=np.maximum(blocks.previous, 0)).assign_coords(instantiate=n)
            there = data((blocks.previous >= 0).astype(float), n)
            flow = stock - before * (kept * there) + release + sell
            if buy is not None:
                into = data([[float(p.material == i) for i in shape.stocked] for p in shape.purchases], B, K)
                flow = flow - (buy * into).sum("offer")
            opening = (1 - instance.decay[list(shape.stocked)]) * v["opening"]
            m.add_constraints(flow == data(opening, n, K), name=f"stock_balance{c}")
            balance = balance + (release * data(np.eye(len(I))[at], K, M)).sum("stocked")
        if shape.steps:
            S = index("step", shape.steps)
            whose = [shape.demands.index(instance.steps[h][0]) for h in shape.steps]
            top = instance.step_limit[list(shape.steps)] * v["demand"][:, whose]
            thrift = add("substitute", data(top, n, S), n, S)
            objective.append((thrift * data(w[:, None] * instance.step_cost[list(shape.steps)], n, S)).sum())
            into = data(
                [[float(instance.demand_material[instance.steps[h][0]] == i) for i in I] for h in shape.steps], S, M
            )
            balance = balance + (thrift * into).sum("step")
        if shape.tiers:
            N = index("tier", shape.tiers)
            whose = [shape.demands.index(instance.tiers[k][0]) for k in shape.tiers]
            top = instance.tier_share[list(shape.tiers)] * v["demand"][:, whose]
            short = add("shortfall", data(top, n, N), n, N)
            objective.append((short * data(w[:, None] * instance.tier_loss[list(shape.tiers)], n, N)).sum())
            into = data(
                [[float(instance.demand_material[instance.tiers[k][0]] == i) for i in I] for k in shape.tiers], N, M
            )
            balance = balance + (short * into).sum("tier")
            if shape.steps and of is not None:
                mine = data([[float(instance.tiers[k][0] == q) for q in shape.demands] for k in shape.tiers], N, Q)
                other = data([[float(instance.steps[h][0] == q) for q in shape.demands] for h in shape.steps], S, Q)
                bound = (short * mine).sum("tier") + (thrift * other).sum("step")
                m.add_constraints(bound <= data(v["demand"], n, Q), name=f"segment{c}")
        out = [i for i in I if any(y[j, i] > 0 for j in producers)]
        if out:
            W = index("output", out)
            surplus = add("surplus", INF, n, W)
            price_of = price[:, [I.index(i) for i in out]] * (1 - instance.haircut[out])
            objective.append((surplus * data(-w[:, None] * price_of, n, W)).sum())
            of_output = data(np.maximum(y[np.ix_(producers, out)], 0.0), J, W)
            m.add_constraints(surplus - (run * of_output).sum("producer") <= 0, name=f"surplus{c}")
            balance = balance - (surplus * data(np.eye(len(I))[[I.index(i) for i in out]], W, M)).sum("output")
        m.add_constraints(balance == data(wanted, n, M), name=f"balance{c}")
        tied = [j for j in shape.sources if j in restricted]
        if tied:
            R = index("tied", tied)
            left = (run * data(np.eye(len(producers))[:, [producers.index(j) for j in tied]], J, R)).sum("producer")
            if hold is not None:
                same = data([[float(j == k) for k in tied] for j in shape.holders], H, R)
                left = left + (hold * same).sum("producer")
            if shape.contracts:
                left = left - grouped(
                    contracts,
                    "contract",
                    shape.contracts,
                    v["contract_share"],
                    n,
                    R,
                    [structure.contracts[k].source for k in shape.contracts],
                )
            open_ = v["open_capacity"][:, [shape.sources.index(j) for j in tied]]
            m.add_constraints(left <= data(open_, n, R), name=f"capacity{c}")
        if shape.projects:
            P = index("project", [instance.sources + p for p in shape.projects])
            own = data(np.eye(len(producers))[:, [producers.index(j) for j in P]], J, P)
            left = (run * own).sum("producer") - grouped(
                classes,
                "class",
                shape.classes,
                v["project_share"],
                n,
                P,
                [instance.sources + structure.support.classes[g].project for g in shape.classes],
            )
            m.add_constraints(left <= 0, name=f"project{c}")
    m.add_objective(sum(objective[1:], objective[0]))
    del floors
    with contextlib.redirect_stdout(io.StringIO()):
        highs = m.to_highspy()
    return highs.getNumRow(), highs.getNumCol(), highs.getNumNz()


def pyomo_interface(structure: Structure) -> tuple[int, int, int]:
    """The flat model written out and handed over by Pyomo's own HiGHS interface; the solver is stopped at once."""
    from pyomo.contrib.appsi.solvers import Highs

    solver = Highs()
    solver.highs_options = {"time_limit": 1e-3, "threads": 1}
    solver.config.load_solution = False
    model = flat_model(structure)
    solver.solve(model)
    return sum(1 for _ in model.component_data_objects(pyo.Constraint)), model.nvariables(), 0


def extensive_form(structure: Structure) -> tuple[int, int, int]:
    """mpi-sppy's extensive form, built and handed over likewise."""
    from pyomo.contrib.appsi.solvers import Highs

    with contextlib.redirect_stdout(io.StringIO()):
        form = extensive_form_of(structure)
        solver = Highs()
        solver.highs_options = {"time_limit": 1e-3, "threads": 1}
        solver.config.load_solution = False
        solver.solve(form)
    return sum(1 for _ in form.component_data_objects(pyo.Constraint)), form.nvariables(), 0


def extensive_form_of(structure: Structure) -> pyo.ConcreteModel:
    """mpi-sppy's extensive form: one Pyomo model a scenario, commitments and trunk tied together."""
    from mpisppy.opt.ef import ExtensiveForm
    from mpisppy.scenario_tree import ScenarioNode

    names = list(structure.scenarios.names)

    def creator(name: str) -> Any:
        one = scenario_alone(structure, names.index(name))
        m = flat_model(one)
        aim = next(o for o in m.component_data_objects(pyo.Objective, active=True))
        m.cost = pyo.Objective(expr=aim.expr)
        aim.deactivate()
        first = [m.commitments.sign, m.commitments.contract, m.commitments.floor, m.commitments.carry]
        first += [var for (c, s, t), block in m.period.items() if s < 0 for var in block.component_objects(pyo.Var)]
        m._mpisppy_node_list = [ScenarioNode("ROOT", 1.0, 1, 0.0, [var for var in first if len(var)], m)]
        m._mpisppy_probability = float(structure.scenarios.probability[names.index(name)])
        return m

    with contextlib.redirect_stdout(io.StringIO()):
        return ExtensiveForm({"solver": "appsi_highs"}, names, creator).ef


def scenario_alone(structure: Structure, s: int) -> Structure:
    """The layout of one scenario as if it were certain, with the support of all."""
    scenarios, support = structure.scenarios, structure.support
    own_arrays = {
        field.name: getattr(scenarios, field.name)[[s]]
        for field in fields(scenarios)
        if isinstance(getattr(scenarios, field.name), np.ndarray)
    }
    one = replace(
        scenarios,
        **own_arrays | {"probability": np.ones(1)},
        names=scenarios.names[s : s + 1],
        events=scenarios.events[s : s + 1],
    )
    classes = tuple(replace(k, scenarios=k.scenarios[[s]]) for k in support.classes)
    markets = tuple(replace(m, scenarios=m.scenarios[[s]]) for m in support.markets)
    own = replace(support, classes=classes, markets=markets, scenarios_alive=support.scenarios_alive[[s]])
    return build_structure(structure.instance, one, own)
