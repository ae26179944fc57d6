"""Tables of what happens in each scenario: operations, flows, shortfalls, losses and what they are worth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..audit.accounts import commitments, floors_at_crisis_prices, open_accounts, split_of_value
from ..core.arrays import Bools, Floats
from ..core.frames import named
from ..core.units import SMALL_T
from ..data.names import Names
from ..instance.instance import DEFENCE
from ..model.problem import Problem
from ..model.solution import Solution
from ..scenarios.events import describe
from ..scenarios.headlines import headlines
from ..scenarios.loss_values import loss_values
from .frames import LEAST_SHARE, named_paths, path_labels

PLANTS = "plants"
"""Who holds stock of an input that no segment wants."""


def operations(problem: Problem, solution: Solution) -> pd.DataFrame:
    """What each producer runs for users and for the reserve, on the baseline course and in every scenario's whole course."""
    n = problem.natural
    output, reserve_output = solution.output, solution.reserve_output
    kept = (output > SMALL_T) | (reserve_output > SMALL_T)
    path, j, t = np.nonzero(kept)
    names = [name for _, name in named_paths(problem)]
    return pd.DataFrame(
        {
            "scenario": named(names, path),
            "period": named(path_labels(problem), t),
            "tail": t >= n.calendar.planned,
            "producer": named(n.producers, j),
            "country": named(n.country, j),
            "output_t": output[kept],
            "reserve_output_t": reserve_output[kept],
        }
    )


def flows(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Stock, acquisitions, releases, disposals and surplus of each material on every path."""
    n = problem.natural
    by_name = {p.name: p.material for shape in problem.structure.component_sets for p in shape.purchases}
    bought = np.zeros_like(solution.stock)
    for b, name in enumerate(solution.purchases):
        bought[:, by_name[name]] += solution.acquisition[:, b]
    values = {
        "stock_t": solution.stock,
        "acquired_t": bought,
        "released_t": solution.release,
        "sold_t": solution.disposal,
        "surplus_t": solution.surplus,
    }
    kept = np.any([v > SMALL_T for v in values.values()], axis=0)
    path, i, t = np.nonzero(kept)
    names = [name for _, name in named_paths(problem)]
    return pd.DataFrame(
        {
            "scenario": named(names, path),
            "period": named(path_labels(problem), t),
            "tail": t >= n.calendar.planned,
            "material": named(n.materials, i),
            **{name: v[kept] for name, v in values.items()},
        }
    )


def transfers(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Stock moved between homes on every path, by the material that gives it up or receives it; empty for a plan of one home."""
    n = problem.natural
    kept = np.maximum(solution.sent, solution.received) > SMALL_T
    path, i, t = np.nonzero(kept)
    names = [name for _, name in named_paths(problem)]
    return pd.DataFrame(
        {
            "scenario": named(names, path),
            "period": named(path_labels(problem), t),
            "tail": t >= n.calendar.planned,
            "material": named(n.materials, i),
            "sent_t": solution.sent[kept],
            "received_t": solution.received[kept],
        }
    )


def _by_demand(problem: Problem, solution: Solution) -> tuple[Floats, Floats, Floats, Floats]:
    """(1+S, Q, T) shortfall, substitution, shortfall loss and substitution cost by demand, undiscounted."""
    n = problem.natural
    W, T, Q = solution.output.shape[0], n.calendar.periods, len(n.demands)
    short, thrift, loss, cost = (np.zeros((W, Q, T)) for _ in range(4))
    trunk, scenarios = loss_values(n, problem.structure.scenarios, range(len(n.tiers)), at_risk=True)
    for k, (q, _) in enumerate(n.tiers):
        short[:, q] += solution.shortfall[:, k]
        loss[0, q] += trunk[k] * solution.shortfall[0, k]
        loss[1:, q] += scenarios[:, k] * solution.shortfall[1:, k]
    for h, (q, _) in enumerate(n.steps):
        thrift[:, q] += solution.substitute[:, h]
        cost[:, q] += n.step_cost[h] * solution.substitute[:, h]
    return short, thrift, loss, cost


def losses_by_scenario(problem: Problem, solution: Solution) -> tuple[Floats, Floats, Floats]:
    """Along each scenario's course: (S,) discounted loss of going short of what risk measures count, (S,) of what comes inside
    imported goods [million USD], and (S,) what defence goes short [t]."""
    n = problem.natural
    beta = n.calendar.beta[: n.calendar.periods]
    short, thrift = solution.shortfall[1:], solution.substitute[1:]
    defence = np.array([n.priority[q] == DEFENCE for q, _ in n.tiers], dtype=bool)
    of_tier, of_step = (np.array([n.demand_material[q] for q, _ in keys], dtype=int) for keys in (n.tiers, n.steps))
    worth = loss_values(n, problem.structure.scenarios, range(len(n.tiers)), at_risk=True)[1]
    beyond = worth - n.tier_loss[:, None]  # exactly 0 where losses do not change

    def lost(counted: Bools) -> Floats:
        tiers, steps = n.tier_loss * counted[of_tier], n.step_cost * counted[of_step]
        changed = ((short * beyond * counted[of_tier][:, None]) @ beta).sum(axis=1)
        return np.asarray((short @ beta) @ tiers + (thrift @ beta) @ steps + changed)

    return lost(n.at_risk), lost(n.embedded), short[:, defence].sum(axis=(1, 2))


def shortfalls(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Demand unmet and substituted, by scenario, material, segment and period."""
    n = problem.natural
    short, thrift, loss, cost = _by_demand(problem, solution)
    least = np.minimum(SMALL_T, LEAST_SHARE * n.demand.max(axis=1, initial=0.0))[None, :, None]
    kept = (short > least) | (thrift > least)
    path, q, t = np.nonzero(kept)
    names = [name for _, name in named_paths(problem)]
    return pd.DataFrame(
        {
            "scenario": named(names, path),
            "period": named(path_labels(problem), t),
            "tail": t >= n.calendar.planned,
            "material": named([m for m, _ in n.demands], q),
            "segment": named([k for _, k in n.demands], q),
            "shortfall_t": short[kept],
            "substituted_t": thrift[kept],
            "loss_musd": loss[kept],
            "discounted_loss_musd": (loss * n.calendar.beta[:-1])[kept],
            "substitution_cost_musd": cost[kept],
        }
    )


def users_stock(problem: Problem, solution: Solution) -> pd.DataFrame:
    """What users hold themselves in every scenario from the onset on: level at the end of a period, what is drawn and refilled."""
    n, first = problem.natural, problem.structure.scenarios.onset
    moved = np.zeros(solution.users_missing[1:].shape, dtype=bool)
    for u, (i, _) in enumerate(n.users):
        moved[:, u] = np.arange(n.calendar.periods) >= first[:, n.component[i], None]
    scenario, stock, period = np.nonzero(moved)
    level = n.users_level[:, None] - solution.users_missing[1:]
    return pd.DataFrame(
        {
            "scenario": named(problem.structure.scenarios.names, scenario),
            "period": named(path_labels(problem), period),
            "tail": period >= n.calendar.planned,
            "material": named([n.materials[i] for i, _ in n.users], stock),
            "segment": named([n.demands[q][1] if q >= 0 else PLANTS for _, q in n.users], stock),
            "level_t": level[moved],
            "pulled_t": solution.users_pull[1:][moved],
            "refilled_t": solution.users_refill[1:][moved],
        }
    )


def value(problem: Problem, solution: Solution, z0: Solution) -> pd.DataFrame:
    """Where Z0 - Z comes from, by component: shortage spared, price gain, users and authority at undisturbed prices; and
    commitments, with soft penalties and the charge for risk apart: nobody pays them."""
    accounts, reference = open_accounts(problem, solution), open_accounts(problem, z0)
    split = split_of_value(accounts, reference)
    rows = []
    for c, name in enumerate(problem.natural.components):
        members = [m for m, of in zip(problem.natural.materials, problem.natural.component, strict=True) if of == c]
        rows.append(
            {
                "component": name,
                "materials": " ".join(members),
                "shortage_avoided_musd": float(split["shortage"][c]),
                "price_gain_musd": float(split["price"][c]),
                "users_musd": float(split["users"][c]),
                "authority_musd": float(split["authority"][c]),
            }
        )
    before, after = commitments(reference), commitments(accounts)
    spared = {name: before[name] - after[name] for name in before}
    clawed, border = floors_at_crisis_prices(accounts), spared["users_border_surcharge"]
    penalties, risk = spared["soft_penalties"], spared["cvar"]
    rows.append(
        {
            "component": "commitments",
            "materials": "",
            "shortage_avoided_musd": 0.0,
            "price_gain_musd": clawed,
            "users_musd": border,
            "authority_musd": sum(spared.values()) - clawed - border - penalties - risk,
            "penalties_musd": penalties,
            "risk_charge_musd": risk,
        }
    )
    return pd.DataFrame(rows).fillna(0.0)


def held_for_price(problem: Problem, solution: Solution, calm: Solution | None) -> pd.DataFrame:
    """Expected purchases of each material, and what they would be were disrupted prices those of the trunk.

    The same commitments stand. What is bought at crisis prices alone is a bet on them. NaN where it was not worked out. Every
    material that can be bought has its row, so that which rows there are hangs on no further solve.
    """
    n = problem.natural
    known = {p.name: p.material for shape in problem.structure.component_sets for p in shape.purchases}
    pi = problem.structure.scenarios.probability

    def bought(x: Solution) -> Floats:
        total = np.zeros(len(n.materials))
        planned = x.acquisition[1:, :, : n.calendar.planned]
        np.add.at(total, [known[name] for name in x.purchases], np.einsum("s,sbt->b", pi, planned))
        return total

    own = bought(solution)
    other = bought(calm) if calm is not None else np.full(len(own), np.nan)
    return (
        pd.DataFrame(
            {
                "material": list(n.materials),
                "expected_acquired_t": own,
                "at_undisturbed_prices_t": other,
            }
        )
        .iloc[sorted(set(known.values()))]
        .reset_index(drop=True)
    )


def scenario_losses(problem: Problem, solution: Solution, z0: Solution) -> pd.DataFrame:
    """Discounted loss of every scenario, with the plan and without, and how much defence goes short; apart, the loss of materials
    inside imported goods, which no plan can prevent."""
    n, scenarios = problem.natural, problem.structure.scenarios
    rows = []
    counted = np.array([n.at_risk[n.demand_material[q]] for q, _ in n.tiers], dtype=bool)
    short, short_without = (x.shortfall[1:, counted].sum(axis=(1, 2)) for x in (solution, z0))
    (loss, embedded, defence), (loss_without, _, defence_without) = (
        losses_by_scenario(problem, solution),
        losses_by_scenario(problem, z0),
    )
    told = headlines(scenarios, n, Names.of(problem.data))
    for s, name in enumerate(scenarios.names):
        onset = int(scenarios.onset[s].min(initial=n.calendar.periods))
        rows.append(
            {
                "scenario": name,
                "probability": float(scenarios.probability[s]),
                "design_basis": bool(scenarios.design_basis[s]),
                "onset": n.calendar.period_label(onset) if onset < n.calendar.periods else "",
                "loss_musd": float(loss[s]),
                "loss_without_plan_musd": float(loss_without[s]),
                "embedded_loss_musd": float(embedded[s]),
                "shortfall_t": float(short[s]),
                "shortfall_without_plan_t": float(short_without[s]),
                "defence_shortfall_t": float(defence[s]),
                "defence_shortfall_without_plan_t": float(defence_without[s]),
                "hazards": " ".join(sorted({event.label for event in scenarios.events[s]})),
                "what_happens": told[s],
                "events": "; ".join(describe(event) for event in scenarios.events[s]),
            }
        )
    return pd.DataFrame(rows)
