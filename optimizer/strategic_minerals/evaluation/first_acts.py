"""What a plan does first, beside what all other plans do, and what comes later: rows of the tables that lead an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.stats import t as student

from ..core.units import MUSD_PER_T
from ..data.dataset import Dataset
from ..data.names import Names
from ..instance.instance import Package
from ..model.first_years import FIRST_YEARS, TRACE, UNITS, Act, acts
from ..model.problem import Problem
from ..model.solution import Solution, decided_point

ActName = tuple[str, str, int]
"""(kind, item, fiscal year to whose end it counts)"""
Amounts = dict[ActName, float]

SAME = 0.005
"""Share of an amount that is rounding of the solver."""
LIKELY = 0.05
"""Chance at which samples without any connection would show one as close, over all hazards and acts (Bonferroni)."""


def done(counted: Sequence[Act], amounts: Sequence[float]) -> Amounts:
    """Amounts of what is done at all."""
    return {act.name: float(amount) for act, amount in zip(counted, amounts, strict=True) if amount > TRACE[act.unit]}


def act_rows(
    problem: Problem,
    solution: Solution,
    plans: Sequence[tuple[str, Amounts]],
    ranges: Mapping[ActName, tuple[float, float]],
    names: Names,
) -> pd.DataFrame:
    """One row an act that some plan has, by the end of each of the first years.

    plans: what each plan of a sample does. ranges: (least, most) over plans that are nearly as good.
    firm = the least over both; what is chosen beyond it is open. An act that was not asked for has nothing firm.
    """
    x = decided_point(problem.structure, problem.assembly, solution)
    rows = []
    for act in acts(problem):
        trace = TRACE[act.unit]
        chosen = act.of(x) if act.of(x) > trace else 0.0
        others = [amounts.get(act.name, 0.0) for _, amounts in plans]
        if max(chosen, *others) <= trace:
            continue
        least, most = ranges.get(act.name, (0.0, max(others)))
        low, most = min(chosen, least, *others), most if np.isfinite(most) else max(others)
        firm = _firm(low if low > trace else 0.0, act.unit)
        spent, later = act.spent(x)
        rows.append(
            {
                "kind": act.kind,
                "item": act.item,
                "what": _what(act, names, problem, x),
                "through_year": act.through,
                "unit": act.unit,
                "chosen": chosen,
                "firm": firm,
                "open": chosen - firm,
                "least": low if low > trace else 0.0,
                "most": max(chosen, most, *others),
                "least_in_samples": min(others),
                "most_in_samples": max(others),
                "in_plans": sum(amount > trace for amount in others),
                "plans": len(others),
                "budget_musd": spent,
                "firm_musd": spent * firm / chosen if chosen > 0 else 0.0,
                "later_musd": later,
                "status": "open" if firm <= trace else "firm" if firm >= chosen * (1 - SAME) else "firm in part",
            }
        )
    columns = (
        "kind item what through_year unit chosen firm open least most least_in_samples most_in_samples in_plans plans"
    )
    return pd.DataFrame(rows, columns=[*columns.split(), "budget_musd", "firm_musd", "later_musd", "status"])


def _firm(least: float, unit: str) -> float:
    """A firm amount: the least; of what is signed whole, only what is signed in full."""
    return float(np.floor(least + TRACE[unit])) if unit in ("projects", "market floors") else least


def _what(act: Act, names: Names, problem: Problem, x: Any) -> str:
    """An act in words, without its amount."""
    if act.kind in ("buy", "sell"):
        return names.material(act.item)
    if act.kind == "floor":
        return act.item
    if act.kind == "offtake":
        return f"offtake from {names.producer(act.item)}"
    place = problem.assembly.commitments
    options = problem.structure.support.options
    taken = [place.template.columns[c - place.first_column][1] for c in act.columns if x[c] > TRACE[act.unit]]
    packages = sorted({_package(options[o].package, problem, names) for o in taken})
    return f"{names.producer(act.item)}{', with ' if packages else ''}{' or '.join(packages)}"


def _package(package: Package, problem: Problem, names: Names) -> str:
    """A package in words: its row, and the floor of the plan's menu that it has."""
    parts = [] if package.row == "none" else [package.row]
    if package.floor is not None:
        floor, unit = package.floor, problem.instance.material_unit
        level = floor.level / float(unit[floor.material]) / MUSD_PER_T
        parts.append(f"a floor of {level:.4g} USD/kg on {names.material(problem.natural.materials[floor.material])}")
    return " and ".join(parts) or "no support but a market floor"


def later_rows(problem: Problem, solution: Solution, names: Names) -> pd.DataFrame:
    """What is bought and sold after the first years: on the course without a disruption, with its probability, and expected over
    all scenarios."""
    n, scenarios = problem.natural, problem.structure.scenarios
    first, end = min(FIRST_YEARS, len(n.calendar.planned_years)) * n.calendar.per_year, n.calendar.planned
    material = {p.name: p.material for sets in problem.structure.component_sets for p in sets.purchases}
    rows = []
    if first >= end:
        return pd.DataFrame(columns=LATER)
    years = f"FY{n.calendar.years[first // n.calendar.per_year]} to FY{n.calendar.planned_years[-1]}"
    for i, code in enumerate(n.materials):
        mine = [k for k, name in enumerate(solution.purchases) if material[name] == i]
        for kind, amounts in (("buy", solution.acquisition[:, mine]), ("sell", solution.disposal[:, [i]])):
            total = amounts[:, :, first:end].sum(axis=(1, 2))
            expected = float(scenarios.probability @ total[1:])
            if max(float(total[0]), expected) <= TRACE[UNITS["buy"]]:
                continue
            c = n.component[i]
            calm = float(scenarios.probability[scenarios.onset[:, c] >= end].sum())
            rows.append((kind, code, names.material(code), "t", years, float(total[0]), calm, expected))
    return pd.DataFrame(rows, columns=LATER)


LATER = ["kind", "item", "what", "unit", "years", "without_disruption", "probability", "expected"]
SETTLES = ["kind", "item", "through_year", "hazard", "correlation", "certain", "rate_per_yr", "rate_low", "rate_high"]


class Seen(Protocol):
    """What one sample says of hazards and of its best plan."""

    @property
    def acts(self) -> Amounts: ...

    @property
    def events(self) -> Mapping[str, float]: ...


def settling(tests: Sequence[Seen], data: Dataset, plans: Sequence[tuple[str, Amounts]]) -> pd.DataFrame:
    """For each act that differs from sample to sample: the hazard whose events in the samples go with it most closely.

    correlation: of the amounts with the mean number of events, over samples. certain: so close by chance with a probability of at
    most `LIKELY`, all hazards and acts looked at counted (Student's test).
    """
    rates = {row.hazard: row for row in data.rows("hazards")}
    hazards = sorted({hazard for test in tests for hazard in test.events if hazard in rates})
    names = sorted({act for _, amounts in plans for act in amounts})
    rows: list[tuple[Any, ...]] = []
    for name in names:
        amounts = np.array([test.acts.get(name, 0.0) for test in tests])
        if len(tests) < 3 or np.ptp(amounts) <= SAME * max(1e-9, float(amounts.max())):
            continue
        close = {}
        for hazard in hazards:
            counts = np.array([test.events.get(hazard, 0.0) for test in tests])
            if np.ptp(counts) > 0:
                close[hazard] = float(np.corrcoef(amounts, counts)[0, 1])
        if not close:
            continue
        hazard = max(close, key=lambda one: abs(close[one]))
        r, degrees = close[hazard], len(tests) - 2
        size = abs(r) * (degrees / max(1e-12, 1 - r * r)) ** 0.5
        chance = 2 * float(student.sf(size, degrees)) * len(close) * len({(kind, item) for kind, item, _ in names})
        row = rates[hazard]
        low, high = row.rate_per_yr_low, row.rate_per_yr_high
        rows.append((*name, hazard, r, chance <= LIKELY, row.rate_per_yr, low, high))
    return pd.DataFrame(rows, columns=SETTLES)
