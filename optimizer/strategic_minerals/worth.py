"""What planning adds: the plan beside rules of thumb, perfect information and the plan for average events, on the same worlds.

Every alternative is reduced to what it decides before anything has happened: packages, contracts, floors and purchases on the
trunk. These are fixed in the plan's own model, operations are chosen anew in every world, and the differences are told.
EVPI, VSS and their order WS <= RP <= EEV: Birge and Louveaux, Introduction to Stochastic Programming, 2nd ed., chapter 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .checks import require
from .compile import INF
from .dataset import Dataset
from .errors import InfeasibleError, StoppedError
from .instance import Bools, Floats, Instance
from .layout import TRUNK, build_layout
from .optimize import RELAXED_IN_Z0, OnProgress, Solved, optimise
from .plan import DaysOfCover, Instruments, Objective, Plan
from .problem import Problem, Seconds, layout_of, objective_costs, prepare
from .recourse import FirstStage, Met, meet
from .reduction import cvar_of
from .solution import Solution, extract
from .solver import Model
from .stamp import compile_templates, stamp
from .stamp_data import net_imports
from .stress import SHORT_T
from .support import build_support
from .worlds import Worlds

COVER_DAYS = 60.0
"""The rule of thumb: sixty days of net imports."""


@dataclass(frozen=True)
class Decided:
    """What an alternative decides before anything has happened."""

    signed: dict[tuple[str, str, tuple[str, ...], int], float]
    """(project, package, market floors, period) -> share."""
    contracts: dict[tuple[str, int], float]
    """(source, period) -> tonnes per period."""
    floors: dict[str, float]
    bought: dict[str, Floats]
    """Purchase -> (T,) tonnes on the trunk."""
    at_most: bool = False
    """Purchases are limits: what was bought in an average world may not fit the money of the calm one."""


@dataclass(frozen=True)
class Worth:
    """The plan beside its alternatives, all in the plan's own worlds."""

    table: pd.DataFrame
    """alternative, worth against doing nothing, expected loss, CVaR, chance that defence goes short, spending, largest regret."""
    evpi_musd: float
    """What knowing the world beforehand would add: RP - WS."""
    vss_musd: float
    """What planning against worlds adds to planning for their average: EEV - RP."""
    wait_and_see_musd: float
    here_and_now_musd: float
    """Social cost of the plan without its promises (its own where it makes none)."""
    average_plan_musd: float
    gap_musd: float
    """Largest gap that any of the solves left open: the figures hold to this."""

    @property
    def information(self) -> pd.DataFrame:
        """EVPI, VSS and what they are made of, one row each."""
        told = {
            "evpi": self.evpi_musd, "vss": self.vss_musd, "wait_and_see": self.wait_and_see_musd,
            "here_and_now": self.here_and_now_musd, "average_plan": self.average_plan_musd, "largest_gap": self.gap_musd,
        }  # fmt: skip
        return pd.DataFrame({"figure": list(told), "musd": list(told.values())})

    def summary(self) -> str:
        """The table in words."""
        lines = ["WHAT PLANNING ADDS, in the plan's own worlds [million USD against doing nothing]:"]
        for row in self.table.itertuples():
            if pd.isna(row.worth_musd):
                lines.append(f"  {row.alternative}: {row.why}")
                continue
            lines.append(
                f"  {row.alternative}: worth {row.worth_musd:,.0f}, expected loss {row.expected_loss_musd:,.0f}, CVaR "
                f"{row.cvar_musd:,.0f}, defence short {row.defence_short:.1%}, spends {row.spending_musd:,.0f}, "
                f"largest regret {row.largest_regret_musd:,.0f}"
            )
        lines.append(
            f"  Knowing the world beforehand would add {self.evpi_musd:,.0f} (EVPI); planning for average events instead would "
            f"lose {self.vss_musd:,.0f} (VSS). Figures hold to {self.gap_musd:,.0f}."
        )
        return "\n".join(lines)


def value_of_planning(
    plan: Plan, data: Dataset, *, gap: float = 1e-3, time_limit_s: float = 3600.0, on_progress: OnProgress | None = None
) -> Worth:
    """Solve the plan, its alternatives, and every world by itself, and compare them on the plan's worlds.

    Operations are compared without the plan's promises (service levels, diversification, days of cover), which rules of
    thumb do not give; the plan itself is made with them. Only for plans that minimise social cost. Raises PlanError and
    InputError with every fault, ValueError for another aim.
    """
    require(plan, data)
    if plan.objective.kind != "social_cost" or plan.risk.cvar_weight > 0:
        raise ValueError("what planning adds is told in social cost: a plan of another aim, or with a weight on CVaR, has another")
    problem = prepare(plan, data)

    def solved(one: Problem) -> Solved:
        return optimise(one, gap=gap, time_limit_s=time_limit_s, on_progress=on_progress)

    best = solved(problem)
    z0 = float(best.costs["social_cost"] @ best.z0)
    decided = {
        "optimised plan": decisions(problem, extract(problem.layout, problem.assembly, best.x)),
        "nothing before events": Decided(_baseline(problem), {}, {}, {}),
    }
    why: dict[str, str] = {}
    gaps = [_open(best)]
    for name, variant in _variants(plan, problem).items():
        try:
            found = prepare(variant, data)
            answer = solved(found)
        except (InfeasibleError, StoppedError) as error:
            why[name] = str(error)
            continue
        gaps.append(_open(answer))
        decided[name] = decisions(found, extract(found.layout, found.assembly, answer.x))
    average = along(plan, data, average_world)
    mean = solved(average)
    decided["plan for average events"] = decisions(average, extract(average.layout, average.assembly, mean.x), path=1)
    alone = _alone(plan, data, problem, solved)
    costs = {name: evaluated(problem, chosen) for name, chosen in decided.items()}
    free = _without_promises(plan)
    nothing = FirstStage.of(free, data, extract(problem.layout, problem.assembly, best.z0), nothing=True)
    met = {"nothing": meet(nothing, nothing.own_worlds)}
    for name, x in costs.items():
        if x is None:
            why[name] = "what it decides does not fit the budget or the promises of the plan"
            continue
        first = FirstStage.of(free, data, extract(problem.layout, problem.assembly, x))
        met[name] = meet(first, first.own_worlds)
    pi = problem.layout.worlds.probability
    see = np.array([z for z, _ in alone])
    rows = [_row(name, m, pi, see, met["nothing"], _spending(problem, costs.get(name)), plan.risk.alpha) for name, m in met.items()]
    rows += [{"alternative": name, "why": text} for name, text in why.items() if name not in met]
    here = float(pi @ met["optimised plan"].cost)
    if free != plan:  # information is valued without promises on all sides
        unbound = prepare(free, data)
        freely = solved(unbound)
        gaps.append(_open(freely))
        own = FirstStage.of(free, data, extract(unbound.layout, unbound.assembly, freely.x))
        here = float(pi @ meet(own, own.own_worlds).cost)
    without = float(pi @ met["plan for average events"].cost) if "plan for average events" in met else math.nan
    table = pd.DataFrame(rows).sort_values("worth_musd", ascending=False, na_position="last", ignore_index=True)
    gaps += [g for _, g in alone] + [_open(mean)]
    assert abs(z0 - float(pi @ met["nothing"].cost)) <= 1e-6 * max(1.0, abs(z0))
    return Worth(table, here - float(pi @ see), without - here, float(pi @ see), here, without, max(gaps))


def decisions(problem: Problem, solution: Solution, path: int = 0) -> Decided:
    """What a solution decides before anything has happened; `path` 1 takes purchases from its only world."""
    support, layout, n = problem.layout.support, problem.layout, problem.natural
    signed = {
        _signature(problem, o): float(share) for o, share in enumerate(solution.sign) if abs(share) > 1e-9
    }
    contracts = {
        (n.producers[k.source], k.start): float(tonnes)
        for k, tonnes in zip(layout.contracts, solution.contract, strict=True) if tonnes > 1e-9
    }  # fmt: skip
    floors = {m.floor.name: float(v) for m, v in zip(support.markets, solution.floor, strict=True) if v > 0.5}
    bought = {name: solution.buy[path, k] for k, name in enumerate(solution.purchases)}
    return Decided(signed, contracts, floors, bought, at_most=path > 0)


def _baseline(problem: Problem) -> dict[tuple[str, str, tuple[str, ...], int], float]:
    """What owners build anyway, without support."""
    support = problem.layout.support
    return {
        _signature(problem, o): 1.0 for o, option in enumerate(support.options)
        if support.baseline[option.project] and option.package.name == "none" and not option.market
    }  # fmt: skip


def _signature(problem: Problem, o: int) -> tuple[str, str, tuple[str, ...], int]:
    """A package at a date by names, the same in every menu that has it."""
    support = problem.layout.support
    option = support.options[o]
    floors = tuple(sorted(support.markets[m].floor.name for m in option.market))
    return problem.natural.projects[option.project].name, option.package.name, floors, option.signed


def evaluated(problem: Problem, chosen: Decided) -> Floats | None:
    """The best operations in every world of the problem for decisions that are fixed; None where they do not fit.

    Promises, limits and rules of thumb of the plan are left out, as in the do-nothing reference.
    """
    assembly, layout, n = problem.assembly, problem.layout, problem.natural
    model = Model(assembly, objective_costs(problem)["social_cost"], integer=False)
    for family in RELAXED_IN_Z0:
        rows = assembly.rows_of(family)
        model.set_row_bounds(rows, np.full(len(rows), -INF), np.full(len(rows), INF))
    root = assembly.stamped[0]

    def fix(name: str, key: int, value: float) -> None:
        column = root.columns(name, key)
        model.set_bounds(column, np.array([value]), np.array([value]))

    signs = [chosen.signed.get(_signature(problem, o), 0.0) for o in range(len(layout.support.options))]
    if sum(signs) < sum(chosen.signed.values()) - 1e-6:
        return None
    for o, share in enumerate(signs):
        fix("sign", o, share)
    for m, market in enumerate(layout.support.markets):
        fix("floor", m, chosen.floors.get(market.floor.name, 0.0))
    for k, contract in enumerate(layout.contracts):
        tonnes = chosen.contracts.get((n.producers[contract.source], contract.start), 0.0)
        fix("contract", k, tonnes / layout.instance.producer_unit[contract.source])
        if contract.lot > 0:
            fix("contract_signed", k, float(tonnes > 0))
    for c, name in enumerate(n.components):
        part = next(p for p in assembly.stamped if p.label == f"period:{name}")
        trunk = np.flatnonzero(layout.stamps[c].world == TRUNK)
        for k, (variable, key) in enumerate(part.template.columns):
            if variable == "buy":
                unit = layout.instance.material_unit[layout.material_of_purchase[key]]
                tonnes = np.maximum(0.0, chosen.bought.get(key, np.zeros(len(trunk)))) / unit
                columns = part.first_column + k + part.width * trunk
                slack = 1e-9 * (1 + tonnes)
                low = np.zeros(len(trunk)) if chosen.at_most else np.maximum(0.0, tonnes - slack)
                model.set_bounds(columns, low, np.minimum(tonnes + slack, assembly.upper[columns]))
    run = model.run(time_limit_s=600.0, phase="evaluate")
    return run.x if run.status == "optimal" else None


def along(plan: Plan, data: Dataset, choose: Callable[[Worlds], Worlds]) -> Problem:
    """The plan's problem with other worlds made from its own."""
    own, natural = layout_of(plan, data)
    worlds = choose(own.worlds)
    layout = build_layout(own.instance, worlds, build_support(own.instance, worlds))
    templates = compile_templates(layout)
    return Problem(plan, data, natural, layout, templates, stamp(layout, templates), Seconds())


def only(world: int) -> Callable[[Worlds], Worlds]:
    """One world, certain to come."""
    return lambda worlds: _mixed(worlds, np.eye(len(worlds.names))[world], worlds.names[world])


def average_world(worlds: Worlds) -> Worlds:
    """The one world in which availability, demand and prices are their means."""
    return _mixed(worlds, worlds.probability, "average")


def _mixed(worlds: Worlds, weight: Floats, name: str) -> Worlds:
    """One world, the weighted mean of several; it is touched when any of them is, and tight as long as the longest."""

    def mean(values: Any) -> Floats:
        return np.tensordot(weight, np.asarray(values, dtype=float), axes=1)[None]

    counted = weight > 0
    return Worlds(
        (name,), np.ones(1), np.zeros(1, dtype=bool), ((),), mean(worlds.availability), mean(worlds.demand_factor),
        mean(worlds.price), np.asarray(worlds.tight[counted].any(axis=0))[None], worlds.lasting[counted].max(axis=0)[None],
        worlds.onset[counted].min(axis=0)[None], worlds.end[counted].max(axis=0)[None],
    )  # fmt: skip


def _alone(plan: Plan, data: Dataset, problem: Problem, solved: Callable[[Problem], Solved]) -> list[tuple[float, float]]:
    """(social cost, open gap) of every world planned for by itself: what perfect information would reach."""
    found = []
    for s in range(len(problem.layout.worlds.names)):
        answer = solved(along(_without_promises(plan), data, only(s)))
        z = float(answer.costs["social_cost"] @ answer.x)
        found.append((z - _open(answer), _open(answer)))
    return found


def _without_promises(plan: Plan) -> Plan:
    return plan.model_copy(update={"service_levels": (), "diversification": (), "days_of_cover": ()})


def _open(solved: Solved) -> float:
    """Million USD between objective and bound."""
    return max(0.0, (solved.outcome.objective_musd or 0.0) - (solved.outcome.best_bound_musd or 0.0))


def _variants(plan: Plan, problem: Problem) -> dict[str, Plan]:
    """Rules of thumb as plans of their own."""
    base = _without_promises(plan)
    menu = plan.instruments

    def having(**changes: Any) -> Plan:
        return base.model_copy(update={"instruments": Instruments.model_validate({**menu.model_dump(), **changes})})

    stock = having(projects=False, offtake_contracts=False, price_floors=())
    found = {
        "stockpile only": stock,
        "projects only": having(reserve=False, offtake_contracts=False, price_floors=()),
        "floors only": having(reserve=False, offtake_contracts=False, packages=("none",)),
    }
    least = stock.model_copy(update={
        "objective": Objective(kind="least_budget"), "budget": plan.budget.model_copy(update={"branch_money": "planned"}),
    })  # fmt: skip
    n = problem.natural
    imports = {name: net_imports(n, i) for i, name in enumerate(n.materials)}
    found[f"{COVER_DAYS:g} days of cover"] = least.model_copy(
        update={"days_of_cover": tuple(_reachable(problem, {m: v.max() * COVER_DAYS / 365 for m, v in imports.items()}))}
    )
    short = _base_case_shortfall(problem.natural, problem.layout.worlds)
    if short:
        found["base-case shortfall filled"] = least.model_copy(update={"days_of_cover": tuple(_reachable(problem, short))})
    return found


def _reachable(problem: Problem, tonnes: dict[str, float]) -> Iterable[DaysOfCover]:
    """Rules that hold a stock from the year in which the market can have filled it; what it never fills is left out."""
    n = problem.natural
    for i, name in enumerate(n.materials):
        depth = float(n.offer_depth[n.offer_material == i].sum()) / n.calendar.step * 0.9
        usual = net_imports(n, i)
        if tonnes.get(name, 0.0) <= 0 or depth <= 0 or usual.min() <= 0:
            continue
        wait = math.ceil(tonnes[name] / depth)
        if wait < len(n.calendar.planned_years):
            yield DaysOfCover(material=name, days=tonnes[name] / float(usual.max()) * 365, from_year=n.calendar.first_year + wait)


def _base_case_shortfall(n: Instance, worlds: Worlds) -> dict[str, float]:
    """Tonnes of each material that defence and essential users lack in the design-basis scenarios if nothing is done."""
    chosen = np.flatnonzero(worlds.design_basis)
    if not len(chosen):
        return {}
    lacking: dict[str, float] = {}
    for i, name in enumerate(n.materials):
        mine: Bools = np.array([m == name and k in ("defence", "essential") for m, k in n.demands], dtype=bool)
        if not mine.any():
            continue
        made = np.maximum(n.yields[: n.sources, i], 0.0)[:, None] * n.capacity[: n.sources]
        wanted = n.demand[n.demand_material == i].sum(axis=0)
        for s in chosen:
            left = (made * worlds.availability[s, : n.sources]).sum(axis=0)
            share = np.clip(1 - np.divide(left, wanted, out=np.ones_like(left), where=wanted > 0), 0.0, 1.0)
            gone = float((n.demand[mine].sum(axis=0) * share).sum())
            lacking[name] = max(lacking.get(name, 0.0), gone)
    return {name: tonnes for name, tonnes in lacking.items() if tonnes > SHORT_T}


def _spending(problem: Problem, x: Floats | None) -> float:
    costs = problem.assembly.costs.get("spending")
    return 0.0 if x is None or costs is None else float(costs @ x)


def _row(name: str, met: Met, pi: Floats, see: Floats, nothing: Met, spending: float, alpha: float) -> dict[str, Any]:
    return {
        "alternative": name, "worth_musd": float(pi @ (nothing.cost - met.cost)), "expected_loss_musd": float(pi @ met.loss),
        "cvar_musd": cvar_of(met.loss, pi, alpha), "defence_short": float(pi[met.defence > SHORT_T].sum()),
        "spending_musd": spending, "largest_regret_musd": float((met.cost - see)[pi > 0].max()), "why": "",
    }  # fmt: skip
