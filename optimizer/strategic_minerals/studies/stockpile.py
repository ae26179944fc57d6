"""The report of a stockpile manager: what an emergency asks of each material, what would be missing, what is held, what to buy.

A stockpile law asks for these lines (of the United States, 50 USC 98h-5: requirements, shortfalls and proposed acquisitions).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.result import Result
from ..answer.study import Study
from ..core.errors import Fault, InputError, near_miss
from ..core.formats import digits, in_tonnes, musd
from ..core.frames import Floats, rows_of
from ..core.stats import SMALL_T
from ..core.verb import verb
from ..matrix.problem import Problem, prepare
from ..matrix.solution import Solution
from ..question.names import Names
from ..question.references import opening_stock
from ..world.instance import DEFENCE, ESSENTIAL, Instance

LINES = (
    "material requirement_t defence_t essential_t shortfall_t shortfall_defence_t shortfall_musd held_t ordered_t buy_t "
    "buy_from_year buy_musd target_t left_t left_defence_t"
).split()
ACQUISITIONS = "fiscal_year material buy_t cost_musd".split()
TITLES = {"lines": "Requirements, shortfalls and purchases by material", "acquisitions": "Proposed acquisitions"}


@verb
def stockpile_report(
    result: Result,
    *,
    scenario: Annotated[
        str, Field(description="Listed scenario of the plan that is the emergency; none: its first design-basis one.")
    ] = "",
) -> Study:
    """Write the report of a stockpile manager: requirements, shortfalls and proposed purchases by material, for one emergency.

    Tables:
    lines: a row a material with a requirement, a stock or a purchase; in tonnes. requirement_t: what users want while the emergency
    lasts, of it defence_t and essential_t; shortfall_t, and of defence: what is missing if nothing more is
    bought or signed; shortfall_musd: at base prices; held_t when the plan starts, of it ordered_t; buy_t in the planned years as
    long as nothing happens, from buy_from_year on, at buy_musd; target_t: stock at the end of the planned years; left_t, and of
    defence: what is missing in the emergency with the plan; acquisitions: fiscal_year, material, buy_t, cost_musd.
    Facts: emergency (scenario), first and last fiscal year of it, shortfall_musd, buy_musd.

    Raises InputError for a plan without a listed scenario, or without the one that is asked for.
    """
    problem = prepare(result.plan, result.data)
    n, name = problem.natural, _emergency(result, scenario)
    s = problem.structure.scenarios.names.index(name)
    window = _window(problem, s)
    first, last = _years(n, window)
    wanted = (n.demand * problem.structure.scenarios.demand_factor[s] * window).sum(axis=1)
    before, after = (_missing(problem, x, s, window) for x in (result.reference, result.solution))
    bought = result.tables["acquisitions"].groupby("material")[["acquired_t", "cost_musd"]].sum()
    begun = result.tables["acquisitions"].groupby("material").fiscal_year.min()
    held = opening_stock(result.plan, result.data)
    listed = [row for row in result.data.rows("stock") if row.material in held]
    ordered = {row.material: min(row.ordered_t, row.opening_t) for row in listed}
    rows = []
    for i, material in enumerate(n.materials):
        buys = material in bought.index
        short, left = before[:, n.demand_material == i], after[:, n.demand_material == i]
        lines = (
            *(wanted[n.demand_material == i][:, None] * _of(n, i)).sum(axis=0).tolist(),
            *(short.sum(axis=1)).tolist(),
            float(short[0].sum() * n.base_price[i]),
            *(held.get(material, 0.0), ordered.get(material, 0.0)),
            *(
                (*bought.loc[material, ["acquired_t"]], begun[material], bought.cost_musd[material])
                if buys
                else (0, 0, 0)
            ),
            max(0.0, float(result.solution.stock[0, i, n.calendar.planned - 1])),
            *(left.sum(axis=1)).tolist(),
        )
        if max(lines[0], lines[6], lines[8]) > SMALL_T:
            rows.append((material, *lines))
    table = pd.DataFrame(rows, columns=LINES).sort_values("shortfall_musd", ascending=False, ignore_index=True)
    yearly = (
        result.tables["acquisitions"]
        .groupby(["fiscal_year", "material"], as_index=False)[["acquired_t", "cost_musd"]]
        .sum()
    )
    tables = {"lines": table, "acquisitions": yearly.set_axis(ACQUISITIONS, axis=1)}
    facts = {
        "emergency": name,
        "first_year": first,
        "last_year": last,
        "shortfall_musd": float(table.shortfall_musd.sum()),
        "buy_musd": float(table.buy_musd.sum()),
    }
    return Study("stockpile", tables, _words(tables, facts, Names.of(result.data)), facts, TITLES)


def _emergency(result: Result, asked: str) -> str:
    """The scenario that the report is for."""
    names = [one.name for one in result.plan.scenarios]
    if asked and asked not in names:
        expected = f"a listed scenario of the plan{near_miss(asked, names)}"
        raise InputError([Fault("", "", "scenario", f"'{asked}'", expected)])
    if not names:
        expected = "a listed scenario: the emergency that the stockpile is for"
        raise InputError([Fault(result.plan.name, "", "scenarios", "none", expected)])
    basis = [one.name for one in result.plan.scenarios if one.design_basis]
    return asked or (basis or names)[0]


def _window(problem: Problem, s: int) -> Floats:
    """(Q, T) share of each period in which the emergency lasts for what each demand wants."""
    n = problem.natural
    return np.asarray(problem.structure.scenarios.lasting[s, n.chain[n.demand_material]])


def _years(n: Instance, window: Floats) -> tuple[int, int]:
    """First and last fiscal year in which an emergency lasts."""
    inside = n.calendar.year_index[window.any(axis=0)] if window.size else np.zeros(0, dtype=int)
    return (n.calendar.years[inside.min()], n.calendar.years[inside.max()]) if len(inside) else (0, 0)


def _of(n: Instance, material: int) -> Floats:
    """(demands of a material, 3) 1 where a demand is counted: all, defence, essential."""
    of = n.priority[n.demand_material == material]
    return np.stack([np.ones(len(of)), of == DEFENCE, of == ESSENTIAL], axis=1).astype(float)


def _missing(problem: Problem, x: Solution, s: int, window: Floats) -> Floats:
    """(2, Q) tonnes that each demand misses in the periods of an emergency; and those of defence alone."""
    n = problem.natural
    every = np.zeros(len(n.demands))
    for k, (q, _) in enumerate(n.tiers):
        every[q] += float((x.shortfall[1 + s, k] * (window[q] > 0)).sum())
    return np.stack([every, every * (n.priority == DEFENCE)])


def _words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], names: Names) -> list[str]:
    lines = [
        f"STOCKPILE REPORT for '{facts['emergency']}', FY{facts['first_year']} to FY{facts['last_year']}:",
        f"  With nothing more bought or signed, materials worth {musd(facts['shortfall_musd'])} million USD (M) would be missing; "
        f"proposed purchases cost {musd(facts['buy_musd'])} M as long as nothing happens.",
    ]
    for row in rows_of(tables["lines"]):
        defence = f", {in_tonnes(row.defence_t)} of it for defence" if row.defence_t > SMALL_T else ""
        parts = [f"wanted {in_tonnes(row.requirement_t)}{defence}"]
        parts += [f"held {in_tonnes(row.held_t)}"] * (row.held_t > SMALL_T)
        beyond = " beyond it" * (row.held_t > SMALL_T)
        parts.append(f"missing{beyond} {in_tonnes(row.shortfall_t)}")
        if row.shortfall_defence_t > SMALL_T:
            parts[-1] += f" ({in_tonnes(row.shortfall_defence_t)} of defence)"
        if row.buy_t > SMALL_T:
            parts.append(f"buy {in_tonnes(row.buy_t)} from FY{row.buy_from_year:.0f} for {digits(row.buy_musd)} M")
        parts += [f"still missing {in_tonnes(row.left_t)}"] * (row.left_t > SMALL_T)
        lines.append(f"  {names.material(row.material)}: {'; '.join(parts)}.")
    return lines
