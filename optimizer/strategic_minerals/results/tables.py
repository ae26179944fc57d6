"""Solutions as tidy tables: one row a fact of the plan, names instead of numbers, units in the column names.

Plan tables show planned years; `operations`, `flows` and `shortfalls` hold the tail too and say so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..checks.doubts import KIND as DOUBT
from ..checks.doubts import unlikely
from ..checks.idle import unused
from ..checks.loss_replay import objections
from ..checks.period_length import averaged_away
from ..checks.single_markets import unquoted
from ..core.arrays import Floats
from ..core.units import DAYS_PER_YEAR, MUSD_PER_T, SMALL_T
from ..data.names import Names
from ..data.ore_reserves import ore_reserves
from ..data.recipes import outdated
from ..model.problem import Problem, trunk_prices
from ..model.solution import Solution
from .frames import frame, use_of
from .notes import AVERAGED, ONE_MARKET, REPLAYED, notes
from .operation_tables import (
    flows,
    held_for_price,
    operations,
    scenario_losses,
    shortfalls,
    transfers,
    users_stock,
    value,
)


def build_tables(problem: Problem, solution: Solution, z0: Solution, calm: Solution | None) -> dict[str, pd.DataFrame]:
    """Every result table but `prices`, by name. `calm`: operations were disrupted prices those of the baseline course."""
    names, tables = Names.of(problem.data), problem.data.without_places()
    return {
        "acquisitions": acquisitions(problem, solution),
        "stock": stock(problem, solution),
        "projects": projects(problem, solution),
        "contracts": contracts(problem, solution),
        "floors": floors(problem, solution),
        "budget": budget(problem, solution),
        "operations": operations(problem, solution),
        "flows": flows(problem, solution),
        "shortfalls": shortfalls(problem, solution),
        **({"transfers": transfers(problem, solution)} if any(problem.natural.pool) else {}),
        **({"users_stock": users_stock(problem, solution)} if problem.natural.users else {}),
        **({"ore_reserves": ore} if len(ore := ore_table(problem, names)) else {}),
        "scenario_losses": scenario_losses(problem, solution, z0),
        "value": value(problem, solution, z0),
        "held_for_price": held_for_price(problem, solution, calm),
        "notes": pd.DataFrame(
            [
                *unlikely(problem.plan, tables, problem.natural.materials),
                *((DOUBT, "", text) for text in outdated(tables)),
                *unused(problem.plan, tables, problem.natural.calendar.years, problem.natural.materials),
                *((REPLAYED, material, text) for material, text in objections(problem.plan, tables)),
                *((AVERAGED, hazard, text) for hazard, text in averaged_away(problem.plan, tables)),
                *((ONE_MARKET, material, text) for material, text in unquoted(problem.plan, tables)),
                *notes(problem.instance, problem.structure.scenarios, problem.structure.support, names),
            ],
            columns=["kind", "item", "note"],
        ),
        "dropped": pd.DataFrame(
            [*problem.structure.support.dropped, *problem.natural.left_out], columns=["item", "reason"]
        ),
    }


def ore_table(problem: Problem, names: Names) -> pd.DataFrame:
    """Who holds the ore of what is planned, and how many years of today's output it is."""
    of: dict[str, list[str]] = {}
    for row in problem.data.rows("materials"):
        if row.material in problem.natural.materials:
            of.setdefault(row.mineral, []).append(row.material)
    return pd.DataFrame(
        [
            [
                one.mineral,
                " ".join(of[one.mineral]),
                one.country,
                names.country(one.country),
                one.reserves_t,
                one.share,
                one.output_t,
                one.years,
            ]
            for one in ore_reserves(problem.data, of)
        ],
        columns=["mineral", "materials", "country", "name", "reserves_t", "world_share", "mine_output_t", "years_left"],
    ).astype({"world_share": float, "mine_output_t": float, "years_left": float})


def acquisitions(problem: Problem, solution: Solution) -> pd.DataFrame:
    """What the reserve buys on the baseline course in planned years."""
    n, rows = problem.natural, []
    prices, gaps = trunk_prices(problem)
    by_name = {p.name: p for shape in problem.structure.component_sets for p in shape.purchases}
    for b, name in enumerate(solution.purchases):
        purchase = by_name[name]
        source = n.producers[purchase.source] if purchase.source >= 0 else "outside"
        country = n.country[purchase.source] if purchase.source >= 0 else n.offer_country[purchase.offer]
        for t in range(n.calendar.planned):
            tonnes = float(solution.acquisition[0, b, t])
            if tonnes > SMALL_T:
                price = float(n.purchase_price(purchase, prices[purchase.material], gaps[purchase.material])[t])
                rows.append(
                    {
                        "fiscal_year": n.calendar.years[n.calendar.year_index[t]],
                        "period": n.calendar.period_label(t),
                        "material": n.materials[purchase.material],
                        "offer": name,
                        "source": source,
                        "country": country,
                        "acquired_t": tonnes,
                        "price_usd_per_kg": price / MUSD_PER_T,
                        "cost_musd": tonnes * price,
                    }
                )
    columns = [
        "fiscal_year",
        "period",
        "material",
        "offer",
        "source",
        "country",
        "acquired_t",
        "price_usd_per_kg",
        "cost_musd",
    ]
    return frame(rows, columns).sort_values(["fiscal_year", "period", "material"], ignore_index=True)


def stock(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Stock on the trunk at the end of each planned period, and how many days of that year's use it covers."""
    n, rows = problem.natural, []
    used = use_of(problem, solution) / n.calendar.step / DAYS_PER_YEAR
    held = sorted({i for shape in problem.structure.component_sets for i in shape.stocked})
    for i in held:
        for t in range(n.calendar.planned):
            tonnes = max(0.0, float(solution.stock[0, i, t]))
            rows.append(
                {
                    "fiscal_year": n.calendar.years[n.calendar.year_index[t]],
                    "period": n.calendar.period_label(t),
                    "material": n.materials[i],
                    "stock_t": tonnes,
                    "days_of_use": tonnes / used[i, t] if used[i, t] > 0 else float("nan"),
                    "value_musd": tonnes * float(n.price[i, t]),
                    "sold_t": float(solution.disposal[0, i, t]),
                    "released_t": float(solution.release[0, i, t]),
                }
            )
    columns = ["fiscal_year", "period", "material", "stock_t", "days_of_use", "value_musd", "sold_t", "released_t"]
    return frame(rows, columns)


def projects(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Every project: what is signed for it and when, its hurdle rates and gap, and what closes it.

    hurdle_rate: of its row, on the baseline course. hurdle_rate_expected: of what its owner expects, without a package.
    """
    n, support, rows = problem.natural, problem.structure.support, []
    signed = {o: float(share) for o, share in enumerate(solution.sign) if share > 1e-6}
    chosen = {support.options[o].project for o in signed}
    for o, share in signed.items():
        option = support.options[o]
        project = n.projects[option.project]
        package = next(p for p in n.packages if p.name == option.package.name)
        floor = package.floor
        first = n.calendar.period_label(option.start)
        rows.append(
            {
                "project": project.name,
                "signed": n.calendar.period_label(option.signed),
                "package": package.name,
                "instrument": package.instrument.name,
                "offtake_share": package.offtake,
                "floor_material": n.materials[floor.material] if floor else "",
                "floor_usd_per_kg": floor.level / MUSD_PER_T if floor else float("nan"),
                "market_floors": " ".join(support.markets[m].floor.name for m in option.market),
                "first_output": first,
                "share": share,
                "baseline": bool(support.baseline[option.project]),
                "committed": n.projects[option.project].committed,
                "capacity_t_per_yr": float(n.capacity[project.producer, 0] / n.calendar.step),
                "capex_musd": project.capex,
                "hurdle_rate": project.hurdle,
                "hurdle_rate_expected": option.expected_hurdle,
                "hurdle_rate_with_package": option.hurdle,
                "financing_gap_musd": option.gap,
                "support_cost_musd": option.scored * share,
                "offtake_fees_musd": float(option.fees.sum()) * share,
                "floor_expected_musd": option.floor.expected * share if option.floor else 0.0,
                "terminal_liability_musd": option.floor.terminal * share if option.floor else 0.0,
                "residual_credit_musd": option.residual * problem.plan.residual * share,
                "risk_transfer_musd": option.risk_charge * share,
            }
        )
    for p, project in enumerate(n.projects):
        if p not in chosen:
            rows.append(
                {
                    **dict.fromkeys(
                        ("signed", "package", "instrument", "floor_material", "market_floors", "first_output"), ""
                    ),
                    "project": project.name,
                    "share": 0.0,
                    "baseline": bool(support.baseline[p]),
                    "committed": project.committed,
                    "capacity_t_per_yr": float(n.capacity[project.producer, 0] / n.calendar.step),
                    "capex_musd": project.capex,
                    "hurdle_rate": project.hurdle,
                }
            )
    columns = [
        "project",
        "signed",
        "package",
        "instrument",
        "offtake_share",
        "floor_material",
        "floor_usd_per_kg",
        "market_floors",
        "first_output",
        "share",
        "baseline",
        "committed",
        "capacity_t_per_yr",
        "capex_musd",
        "hurdle_rate",
        "hurdle_rate_expected",
        "hurdle_rate_with_package",
        "financing_gap_musd",
        "support_cost_musd",
        "offtake_fees_musd",
        "floor_expected_musd",
        "terminal_liability_musd",
        "residual_credit_musd",
        "risk_transfer_musd",
    ]
    return frame(rows, columns)


def with_residual_at_zero(problem: Problem, table: pd.DataFrame, signed: Floats | None) -> pd.DataFrame:
    """The project table with the share signed had unexpired life no worth at the end: signed (options,), None where not known."""
    table = table.copy()
    if signed is None:
        table["share_at_residual_0"] = float("nan")
        return table
    shares = dict.fromkeys(table.project, 0.0)
    for o, option in enumerate(problem.structure.support.options):
        shares[problem.natural.projects[option.project].name] += float(signed[o])
    table["share_at_residual_0"] = [round(shares[name], 9) for name in table.project]
    return table


def contracts(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Offtake contracts signed."""
    n, rows = problem.natural, []
    for k, contract in enumerate(problem.structure.contracts):
        tonnes = float(solution.contract[k])
        if tonnes > SMALL_T:
            fee = float(n.contract_fee[contract.source])
            periods = contract.end - contract.start
            rows.append(
                {
                    "activity": n.producers[contract.source],
                    "country": n.country[contract.source],
                    "start": n.calendar.period_label(contract.start),
                    "term_yr": periods * n.calendar.step,
                    "contract_t_per_yr": tonnes / n.calendar.step,
                    "fee_usd_per_kg": fee / MUSD_PER_T,
                    "fees_musd": fee * tonnes * periods,
                }
            )
    return frame(rows, ["activity", "country", "start", "term_yr", "contract_t_per_yr", "fee_usd_per_kg", "fees_musd"])


def floors(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Price floors guaranteed, market-wide and in packages, with what they are expected to cost."""
    n, support, rows = problem.natural, problem.structure.support, []
    columns = [
        "floor",
        "scope",
        "kind",
        "material",
        "level_usd_per_kg",
        "upside_share",
        "start",
        "term_yr",
        "expected_cost_musd",
        "terminal_liability_musd",
        "users_pay_musd",
        "tariff_revenue_musd",
        "tariff_inversion",
    ]
    for m, market in enumerate(support.markets):
        if solution.floor[m] > 1e-6:
            floor = next(f for f in n.market_floors if f.name == market.floor.name).floor
            start, last = n.calendar.period_label(0), floor.term * n.calendar.step
            values: list[Any] = [
                market.floor.name,
                "market",
                floor.kind,
                n.materials[floor.material],
                floor.level / MUSD_PER_T,
                floor.upside,
                start,
                last,
                market.money.expected,
                market.money.terminal,
                market.users,
                market.treasury,
                market.inverted,
            ]
            rows.append(dict(zip(columns, values, strict=True)))
    for o, option in enumerate(support.options):
        package = next(p for p in n.packages if p.name == option.package.name)
        share = float(solution.sign[o])
        if share > 1e-6 and package.floor is not None and option.floor is not None:
            floor = package.floor
            values = [
                f"{n.projects[option.project].name}: {package.name}",
                "project",
                floor.kind,
                n.materials[floor.material],
                floor.level / MUSD_PER_T,
                floor.upside,
                n.calendar.period_label(option.start),
                floor.term * n.calendar.step,
                share * option.floor.expected,
                share * option.floor.terminal,
                0.0,
                0.0,
                False,
            ]
            rows.append(dict(zip(columns, values, strict=True)))
    return frame(rows, columns)


def budget(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Outlays by line against the appropriation of each planned year; liability and sales beside it, not in it."""
    n, support, structure, rows = problem.natural, problem.structure.support, problem.structure, []
    calendar = n.calendar
    by_name = {p.name: p for shape in structure.component_sets for p in shape.purchases}
    prices, gaps = trunk_prices(problem)
    bought = [by_name[b] for b in solution.purchases]
    price = np.array([n.purchase_price(p, prices[p.material], gaps[p.material]) for p in bought])
    price = price.reshape(len(solution.purchases), calendar.periods)
    purchases = (price * solution.acquisition[0]).sum(axis=0)
    holding = (n.budget_holding[:, None] * solution.stock[0] * calendar.step).sum(axis=0)
    sales = ((1 - n.haircut)[:, None] * prices * solution.disposal[0]).sum(axis=0)
    fees = np.zeros(calendar.periods)
    for k, contract in enumerate(structure.contracts):
        fees[contract.start : contract.end] += n.contract_fee[contract.source] * solution.contract[k]
    zero = np.zeros(calendar.periods)
    capital, offtake, topup, liability = zero.copy(), zero.copy(), zero.copy(), zero.copy()
    for o, option in enumerate(support.options):
        share = solution.sign[o]
        if share > 0:
            capital += share * option.payments
            offtake += share * option.fees
            if option.floor is not None:
                topup += share * option.floor.budget
                liability += share * option.floor.liability
    for m, market in enumerate(support.markets):
        topup += solution.floor[m] * market.money.budget
        liability += solution.floor[m] * market.money.liability
    cap = problem.plan.budget.liability_cap_musd
    most = n.by_year(cap) if cap is not None else np.full(len(calendar.years), np.nan)
    for f, year in enumerate(calendar.planned_years):
        mine = calendar.year_index == f
        lines = {
            "purchases": purchases,
            "holding": holding,
            "contract_fees": fees,
            "offtake_fees": offtake,
            "capital_support": capital,
            "floor_top_ups": topup,
        }
        amounts = {f"{name}_musd": float(series[mine].sum()) for name, series in lines.items()}
        amounts["signed_before_musd"] = float(n.carried.due[f])
        rows.append(
            {
                "fiscal_year": year,
                **amounts,
                "outlay_musd": sum(amounts.values()),
                "appropriation_musd": float(n.appropriation[f]),
                "carried_in_musd": float(solution.carry[f - 1]) if f else problem.plan.budget.carried_in_musd,
                "carried_out_musd": float(solution.carry[f]),
                "sales_musd": float(sales[mine].sum()),
                "liability_musd": float(liability[mine].sum() + n.carried.liability[f]),
                "liability_cap_musd": float(most[f]),
            }
        )
    return pd.DataFrame(rows)
