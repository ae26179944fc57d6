"""Rules of thumb as plans: one instrument alone, days of cover, the base-case shortfall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import Bools, Floats
from ..core.units import DAYS_PER_YEAR
from ..data.names import Names
from ..formulation.parameters import net_imports
from ..instance.instance import ESSENTIAL, Instance
from ..model.problem import Problem
from ..scenarios.scenario_set import ScenarioSet
from ..schemas.plan import Plan
from ..schemas.plan_sections import DaysOfCover, Instruments, Objective
from .stress_test import SHORT_T

COVER_DAYS = 60.0
"""The rule of thumb: sixty days of net imports."""
FILLED = "base-case shortfall filled"
LEAST_SLACK = 1e-7
"""A rule spends as little as possible: within the slack of a gap the next objective could buy anything."""
OF_DEPTH = 0.9
"""Share of the offers on the market that a rule assumes to be available."""


@dataclass(frozen=True)
class Rule:
    """An alternative as a plan; if there is none, `note` says why."""

    name: str
    plan: Plan | None
    note: str = ""
    """What it leaves out."""


def without_promises(plan: Plan) -> Plan:
    """The plan without its promises: rules of thumb make none."""
    return plan.model_copy(update={"service_levels": (), "diversification": (), "days_of_cover": ()})


def rules_of_thumb(plan: Plan, problem: Problem) -> list[Rule]:
    """One instrument alone; sixty days of net imports; the shortfall of the base case filled (as RAMF sets requirements)."""
    base = without_promises(plan)
    menu = plan.instruments

    def having(**changes: Any) -> Plan:
        return base.model_copy(update={"instruments": Instruments.model_validate({**menu.model_dump(), **changes})})

    stock = having(projects=False, offtake_contracts=False, price_floors=())
    least = stock.model_copy(
        update={
            "objective": Objective(kind="least_budget", stage_slack=LEAST_SLACK),
            "budget": plan.budget.model_copy(update={"branch_money": "planned"}),
        }
    )
    n, names = problem.natural, Names.of(problem.data)
    imports = {name: net_imports(n, i) for i, name in enumerate(n.materials)}
    short = _base_case_shortfall(n, problem.structure.scenarios)
    filled = (
        Rule(FILLED, None, "the plan has no design-basis scenario")
        if short is None
        else _holding(FILLED, least, n, short, names)
    )
    return [
        Rule("stockpile only", stock),
        Rule("projects only", having(reserve=False, offtake_contracts=False, price_floors=())),
        Rule("floors only", having(reserve=False, offtake_contracts=False, packages=("none",))),
        _holding(
            f"{COVER_DAYS:g} days of cover",
            least,
            n,
            {m: float(v.max()) * COVER_DAYS / DAYS_PER_YEAR for m, v in imports.items()},
            names,
        ),
        filled,
    ]


def _holding(name: str, least: Plan, n: Instance, tonnes: dict[str, float], names: Names) -> Rule:
    """A stock of each material from the year by which the market can supply it; materials that cannot be bought are named."""
    rules, never = [], []
    for i, material in enumerate(n.materials):
        depth = float(n.offer_depth[n.offer_material == i].sum()) / n.calendar.step * OF_DEPTH
        usual = net_imports(n, i)
        if tonnes.get(material, 0.0) <= 0:
            continue
        wait = math.ceil(tonnes[material] / depth) if depth > 0 else math.inf
        if usual.min() <= 0 or wait >= len(n.calendar.planned_years):
            never.append(material)
            continue
        days = tonnes[material] / float(usual.max()) * DAYS_PER_YEAR
        rules.append(DaysOfCover(material=material, days=days, from_year=n.calendar.first_year + int(wait)))
    left = ", ".join(map(names.material, never))
    note = f"without {left}: not offered, or not in time" if never else ""
    return Rule(name, least.model_copy(update={"days_of_cover": tuple(rules)}), note)


def _missing(wanted: Floats, left: Floats) -> Floats:
    """(T,) unavailable share of what is needed."""
    there = np.divide(left, wanted, out=np.ones_like(left), where=wanted > 0)
    return np.asarray(np.clip(1 - there, 0.0, 1.0))


def _base_case_shortfall(n: Instance, scenarios: ScenarioSet) -> dict[str, float] | None:
    """Tonnes of each material that defence and essential users lack in the worst design-basis scenario if nothing is done.

    None if there is no such scenario. From the onset to the end of the event, beyond the undisturbed shortfall; in a crisis
    sources supply their crisis share (kappa). A material's shortage is divided among its users by demand.
    """
    chosen = np.flatnonzero(scenarios.design_basis)
    if not len(chosen):
        return None
    lacking: dict[str, float] = {}
    for i, name in enumerate(n.materials):
        mine: Bools = (n.demand_material == i) & (n.priority <= ESSENTIAL)
        if not mine.any():
            continue
        users, c = n.demand_material == i, n.component[i]
        makes = np.flatnonzero(n.yields[: n.sources, i] > 0)
        made = n.yields[makes, i][:, None] * n.capacity[makes]
        usual = _missing(n.demand[users].sum(axis=0), (made * n.availability[makes]).sum(axis=0))
        for s in chosen:
            asked = scenarios.demand(n)[s]
            crisis = np.where(scenarios.tight[s, i], scenarios.squeeze[s, i], 0.0)
            kept = scenarios.availability[s, makes] * (1 - crisis * (1 - n.kappa[makes])[:, None])
            beyond = np.maximum(0.0, _missing(asked[users].sum(axis=0), (made * kept).sum(axis=0)) - usual)
            inside = (np.arange(n.calendar.periods) >= scenarios.onset[s, c]) & (
                np.arange(n.calendar.periods) < scenarios.end[s, c]
            )
            gone = float((asked[mine].sum(axis=0) * beyond * inside).sum())
            lacking[name] = max(lacking.get(name, 0.0), gone)
    return {name: tonnes for name, tonnes in lacking.items() if tonnes > SHORT_T}
