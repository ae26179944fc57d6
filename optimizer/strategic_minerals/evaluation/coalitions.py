"""What homes gain by planning together: every coalition against outsiders at plans of their own, and how the gain can be divided.

First each home plans alone, given what the others' plans take of what they share: homes answer each other in turn until nobody
changes. Then every coalition plans together while the outsiders keep these plans. All meet the same scenarios. What a coalition
saves against doing nothing is its worth; whether the worth of all can be divided so that nobody would rather leave is asked of it
(`coalition_game`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import pandas as pd

from ..api.solving import solve_once
from ..audit.accounts import open_accounts
from ..audit.by_home import costs_by_home, homes_of_materials
from ..core.errors import Fault, PlanError
from ..core.frames import rows_of
from ..core.parallel import workforce
from ..data.dataset import Dataset
from ..data.together import joint_question
from ..data.together_homes import Taken
from ..model.problem import Problem, prepare
from ..results.result import Result
from ..schemas.plan import Plan
from .coalition_game import Coalition, Division, coalitions_of, cost_of_stability, in_core, shapley
from .coalition_result import COALITIONS, EXISTS, HOMES, NONE, OPEN, STOCKS, Coalitions
from .own_plans import SAME, Count, OwnPlans

MOST_MEMBERS = 6
"""Members of a plan: each doubles the coalitions."""
ROUNDING = 1e-6
"""Relative difference of two worths that is none."""


def coalitions(
    plan: Plan,
    tables: Mapping[str, Dataset],
    *,
    gap: float = 1e-2,
    time_limit_s: float = 3600.0,
    workers: int = 1,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Coalitions:
    """Solve a plan of several homes for each home against the others, and for every coalition.

    plan: with a section `together` of 2 to `MOST_MEMBERS` members; scenarios that it draws are taken as they are drawn, without a
    reduction, which would choose others for each coalition. tables: of each member, by home (`load_members`).
    gap: relative gap of each solve. time_limit_s: wall-clock seconds for each. workers: spawned processes for the coalitions; 1:
    this one. executor: takes their place. on_progress: called with solves done, and how many there will be at least.

    Raises PlanError for other numbers of members, otherwise as `solve`.
    """
    members = [] if plan.together is None else [member.home for member in plan.together.members]
    if not 2 <= len(members) <= MOST_MEMBERS:
        expected = f"2 to {MOST_MEMBERS} homes that plan together (each one more doubles the coalitions)"
        raise PlanError([Fault("plan", "", "together.members", f"{len(members)} members", expected)])
    require_separable(plan)
    if plan.sample is not None and plan.sample.draws is not None:
        plan = plan.model_copy(update={"sample": plan.sample.model_copy(update={"draws": None})})
    every = coalitions_of(members)
    count = Count(len(members) + len(every), on_progress)
    alone = OwnPlans(plan, tables, members, gap, time_limit_s, count)
    settled = alone.settle()
    larger = [chosen for chosen in every if len(chosen) > 1]
    taken = [alone.taken_by([home for home in members if home not in chosen]) for chosen in larger]
    answers = [_Answer(alone.results[home]) for home in members]
    with workforce(executor, workers) as map_over:
        work = partial(_coalition, plan, dict(tables), gap, time_limit_s)
        groups = [tuple(home for home in members if home in chosen) for chosen in larger]
        for one in map_over(work, list(zip(groups, taken, strict=True))):
            answers.append(one)
            count.one()
    ordered = [frozenset({home}) for home in members] + larger
    return _told(plan, members, alone, dict(zip(ordered, answers, strict=True)), settled, gap)


class _Answer:
    """What is kept of one plan."""

    def __init__(self, result: Result) -> None:
        figures, outcome = result.figures, result.outcome
        self.cost = _cost_of(result)
        objective, bound = outcome.objective_musd, outcome.best_bound_musd
        self.open = max(0.0, objective - bound) if objective is not None and bound is not None else math.inf
        problem = prepare(result.plan, result.data)
        accounts = open_accounts(problem, result.solution)
        self.costs = costs_by_home(accounts)
        owners = homes_of_materials(accounts)
        self.stock, self.released = _stock_by_home(problem, accounts, owners)
        self.losses, self.outlays = _losses_by_home(result, problem, owners), _bought_by_home(result, problem, owners)
        self.largest = {str(material): float(t) for material, t in figures.items("peak_stock_t").items()}
        self.scenarios = int(result.counts["scenarios"])


def _stock_by_home(problem: Problem, accounts: Any, owners: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Home -> value of its stock at the end of the planned years on the baseline course, and expected value of releases."""
    n, x = problem.natural, accounts.solution
    last = n.calendar.planned - 1
    stock, released = dict.fromkeys(owners, 0.0), dict.fromkeys(owners, 0.0)
    weight = accounts.path_data.weight
    for i, owner in enumerate(owners):
        stock[owner] += float(x.stock[0, i, last] * n.price[i, last])
        expected = weight[:, n.component[i]] * x.release[:, i] * n.price[i]
        released[owner] += float(expected.sum())
    return stock, released


def _losses_by_home(result: Result, problem: Problem, owners: Sequence[str]) -> dict[str, float]:
    """Home -> expected shortage loss [million USD]."""
    of = dict(zip(problem.natural.materials, owners, strict=True))
    found = dict.fromkeys(owners, 0.0)
    for material, value in result.figures.items("remaining_loss_musd").items():
        found[of[str(material)]] += float(value)
    return found


def _bought_by_home(result: Result, problem: Problem, owners: Sequence[str]) -> dict[str, float]:
    """Home -> what is bought in its name on the baseline course in planned years [million USD]."""
    of = dict(zip(problem.natural.materials, owners, strict=True))
    found = dict.fromkeys(owners, 0.0)
    for row in rows_of(result.tables["acquisitions"]):
        found[of[str(row.material)]] += float(row.cost_musd)
    return found


def _coalition(
    plan: Plan,
    tables: Mapping[str, Dataset],
    gap: float,
    time_limit_s: float,
    asked: tuple[tuple[str, ...], Taken],
) -> _Answer:
    """The plan of a coalition, given what outsiders take. It travels to other processes."""
    return _Answer(solve_once(*joint_question(plan, tables, *asked), gap=gap, time_limit_s=time_limit_s))


def require_separable(plan: Plan) -> None:
    """Raise PlanError for aims and limits that bind the losses of all homes together: no home has a part of them by itself."""
    risk = plan.risk
    wanted = [
        ("risk.cvar_weight", risk.cvar_weight, risk.cvar_weight == 0),
        ("risk.cvar_limit_musd", risk.cvar_limit_musd, risk.cvar_limit_musd is None),
        ("risk.expected_loss_limit_musd", risk.expected_loss_limit_musd, risk.expected_loss_limit_musd is None),
        ("objective.kind", f"'{plan.objective.kind}'", plan.objective.kind == "social_cost"),
    ]
    said = "none: it binds the losses of all homes together, of which no coalition has a part"
    faults = [Fault("plan", "", field, str(found), said) for field, found, right in wanted if not right]
    if faults:
        raise PlanError(faults)


def _told(
    plan: Plan,
    members: list[str],
    alone: OwnPlans,
    answers: Mapping[Coalition, _Answer],
    settled: bool,
    gap: float,
) -> Coalitions:
    """Tables and verdict."""
    everybody = frozenset(members)
    # against one fixed cost of doing nothing for each home, whoever plans together and whatever others have taken
    idle = {home: alone.unopposed[home].figures.value("do_nothing_musd") for home in members}
    whole = answers[everybody]
    worth = {chosen: sum(idle[home] for home in chosen) - answer.cost for chosen, answer in answers.items()}
    before = _before_payments(plan, alone, whole, idle, worth, members)
    division, verdict, missing = _verdict(members, answers, worth, before)
    added = shapley(members, worth)
    held, given = sum(whole.stock.values()), sum(whole.released.values())
    titles = {row.home: row.name for data in alone.tables.values() for row in data.rows("homes")}
    rows = []
    for home in members:
        own = answers[frozenset({home})]
        rows.append(
            {
                "home": home,
                "alone_musd": worth[frozenset({home})],
                "unopposed_musd": idle[home] - _cost_of(alone.unopposed[home]),
                "before_payments_musd": before[home],
                "division_musd": math.nan if division is None else division.shares[home],
                "payment_musd": math.nan if division is None else division.payments[home],
                "shapley_musd": added[home],
                "loss_alone_musd": own.losses.get(home, 0.0),
                "loss_together_musd": whole.losses.get(home, 0.0),
                "spends_alone_musd": own.outlays.get(home, 0.0),
                "spends_together_musd": whole.outlays.get(home, 0.0),
                "stock_musd": whole.stock.get(home, 0.0),
                "stock_share": whole.stock.get(home, 0.0) / held if held > 0 else math.nan,
                "released_musd": whole.released.get(home, 0.0),
                "released_share": whole.released.get(home, 0.0) / given if given > 0 else math.nan,
            }
        )
    table = [
        {
            "members": " ".join(home for home in members if home in chosen),
            "size": len(chosen),
            "worth_musd": worth[chosen],
            "open_musd": answer.open,
            "apart_musd": sum(worth[frozenset({home})] for home in chosen),
            "gain_musd": worth[chosen] - sum(worth[frozenset({home})] for home in chosen),
            "division_musd": math.nan if division is None else sum(division.shares[home] for home in chosen),
        }
        for chosen, answer in answers.items()
    ]
    return Coalitions(
        homes=pd.DataFrame(rows, columns=HOMES),
        coalitions=pd.DataFrame(table, columns=COALITIONS),
        stocks=_stocks(members, answers, whole),
        names=_material_names(alone.tables) | {home: titles.get(home, home) for home in members},
        core=verdict,
        paid_musd=math.nan if division is None else division.paid,
        missing_musd=missing,
        settled=settled,
        rounds=alone.rounds,
        scenarios=whole.scenarios,
        gap=gap,
    )


def _material_names(tables: Mapping[str, Dataset]) -> dict[str, str]:
    """Code -> name of the materials of all homes."""
    return {row.material: row.name for data in tables.values() for row in data.rows("materials")}


def _cost_of(result: Result) -> float:
    """Social cost of a plan [million USD]."""
    return result.figures.value("do_nothing_musd") - result.figures.value("worth_musd")


def _before_payments(
    plan: Plan,
    alone: OwnPlans,
    whole: _Answer,
    idle: Mapping[str, float],
    worth: Mapping[Coalition, float],
    members: Sequence[str],
) -> dict[str, float]:
    """What the joint plan gains each home where nobody pays anybody; adds up to the worth of all.

    What plants built together cost is borne by the homes that name one, by their money. Where planning together gains nothing
    beyond what the searches have left open, everybody keeps a plan of its own: the joint one is one of many then.
    """
    everybody = frozenset(members)
    apart = {home: worth[frozenset({home})] for home in members}
    if worth[everybody] - sum(apart.values()) <= whole.open + ROUNDING * max(1.0, abs(worth[everybody])):
        left = (worth[everybody] - sum(apart.values())) / len(members)
        return {home: value + left for home, value in apart.items()}
    money = {} if plan.together is None else {member.home: member.money_share for member in plan.together.members}
    named = {
        home: money[home]
        for home in members
        if {row.project for row in alone.tables[home].rows("projects")} & alone.plants.keys()
    }
    bearing = named if sum(named.values()) > 0 else money
    common = worth[everybody] - sum(idle[home] - whole.costs.get(home, 0.0) for home in members)
    total = sum(bearing.values())
    return {home: idle[home] - whole.costs.get(home, 0.0) + common * bearing.get(home, 0.0) / total for home in members}


def _verdict(
    members: Sequence[str],
    answers: Mapping[Coalition, _Answer],
    worth: Mapping[Coalition, float],
    before: Mapping[str, float],
) -> tuple[Division | None, str, float]:
    """The division with the least payments; whether one exists whatever the searches have left open; what is missing for one.

    A coalition may be worth as much more as its search has left open: the verdict stands where it is the same at both ends.
    """
    everybody = frozenset(members)
    slack = ROUNDING * max(1.0, abs(worth[everybody]))  # figures are rounded, too
    worth = {chosen: value - (slack if chosen != everybody else 0.0) for chosen, value in worth.items()}
    division = in_core(members, worth, before)
    if not all(math.isfinite(answer.open) for answer in answers.values()):
        missing = 0.0 if division is not None else cost_of_stability(members, worth)
        return division, OPEN, missing
    dearest = {
        chosen: value + (answers[chosen].open if chosen != everybody else 0.0) for chosen, value in worth.items()
    }
    cheapest = {
        chosen: value + (answers[chosen].open if chosen == everybody else 0.0) for chosen, value in worth.items()
    }
    if division is not None:
        careful = in_core(members, dearest, before)
        return division, (EXISTS if careful is not None else OPEN), 0.0
    missing = cost_of_stability(members, worth)
    return None, (NONE if cost_of_stability(members, cheapest) > 0 else OPEN), missing


def _stocks(members: Sequence[str], answers: Mapping[Coalition, _Answer], whole: _Answer) -> pd.DataFrame:
    rows = []
    for home in members:
        own = answers[frozenset({home})].largest
        for material in sorted({*own, *(m for m in whole.largest if m.startswith(f"{home}."))}):
            alone, together = own.get(material, 0.0), whole.largest.get(material, 0.0)
            if max(alone, together) > SAME:
                rows.append((material.removeprefix(f"{home}."), home, alone, together))
    return pd.DataFrame(sorted(rows), columns=STOCKS)
