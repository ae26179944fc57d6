"""What homes gain by planning together: every coalition against outsiders at plans of their own, and how the gain can be divided.

First each home plans alone, given what the others' plans take of what they share: homes answer each other in turn until nobody
changes. Then every coalition plans together while the outsiders keep these plans. All meet the same scenarios. What a coalition
saves against doing nothing is its worth; the study asks whether the worth of all can be divided so that nobody would rather leave.

A game gives every coalition what it can get by itself. A division is in the core where no member, pair or larger group gets more
apart (Gillies 1959); where there is none, the least to add from outside is its cost of stability (Bachrach and others 2009)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from ..answer.result import Result
from ..answer.solving import solve_once
from ..answer.study import Study
from ..audit.accounts import costs_by_home, homes_of_materials, open_accounts
from ..core.errors import Fault, PlanError, Progress
from ..core.formats import digits, musd
from ..core.frames import rows_of
from ..core.runner import HERE, Runner, current
from ..core.verb import Gap, verb
from ..matrix.problem import prepare
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import Plan
from ..question.together import Taken, joint_question, shared_plants

MOST_MEMBERS = 6
"""Members of a plan: each doubles the coalitions."""
ROUNDING = 1e-6
"""Relative difference below which two worths are the same."""
ROUNDS = 8
"""Times that each home may answer the others."""
SAME = 1e-3
"""Relative change below which a plan takes the same."""
TRACE = 1e-3
"""Share of what all gain below which nobody counts as paid."""
EXISTS, NONE, OPEN = "exists", "none", "cannot be told"

TITLES = {"homes": "Homes", "coalitions": "Coalitions"}
Coalition = frozenset[str]


@verb
def coalitions(plan: Plan, tables: Mapping[str, Dataset], *, gap: Gap = 1e-2, run: Runner = HERE) -> Study:
    """Plan for each home of a plan of several against the others, and for every coalition: who gains, and who would leave.

    plan: with a section `together` of 2 to `MOST_MEMBERS` members; scenarios that it draws are taken as they are drawn, without a
    reduction, which would choose others for each coalition. tables: of each member, by home (`load_members`). Tables:
    homes: a row a home. Money in million USD, discounted and expected. alone_musd: what its own plan is worth while the others keep
    theirs. before_payments_musd: what the joint plan gains it where nobody pays anybody;
    division_musd: what it keeps after payment_musd (received; negative: paid), missing where no division lasts.
    loss_...: expected shortage loss, of its own plan where together nothing is gained;
    coalitions: a row a coalition. worth_musd: what its plan is worth while outsiders keep plans of their own; open_musd: by how
    much more it may be at most (gap); apart_musd: what its members' own plans are worth; gain_musd: the difference;
    division_musd: what the division of all gives its members together.
    Facts: core (whether a division exists that no coalition would leave: exists, none, or cannot be told at the gap), paid_musd
    (what that division takes in payments between members; missing where there is none), missing_musd (what somebody else would have
    to add for one to exist); settled (whether the homes' own plans are answers to each other; otherwise they went on changing),
    rounds; scenarios, gap; names of the homes.

    Raises PlanError for other numbers of members, otherwise as `solve_once`."""
    members = [] if plan.together is None else [member.home for member in plan.together.members]
    if not 2 <= len(members) <= MOST_MEMBERS:
        expected = f"2 to {MOST_MEMBERS} homes that plan together (each one more doubles the coalitions)"
        raise PlanError([Fault("plan", "", "together.members", f"{len(members)} members", expected)])
    require_separable(plan)
    if plan.sample is not None and plan.sample.draws is not None:
        plan = plan.model_copy(update={"sample": plan.sample.model_copy(update={"draws": None})})
    every = coalitions_of(members)
    larger = [chosen for chosen in every if len(chosen) > 1]
    alone = OwnPlans(plan, tables, members, gap, least=2 * len(members) + len(larger))
    settled = alone.settle()
    taken = [alone.taken_by([home for home in members if home not in chosen]) for chosen in larger]
    groups = [tuple(home for home in members if home in chosen) for chosen in larger]
    tasks = list(zip(groups, taken, strict=True))
    work = partial(_coalition, plan, dict(tables), gap)
    answers = [_Answer(alone.results[home]) for home in members]
    answers += run.each("solves", work, tasks, done=alone.done, of=alone.done + len(tasks))
    return _study(plan, members, alone, dict(zip(every, answers, strict=True)), settled, gap)


class _Answer:
    """Figures of one plan."""

    def __init__(self, result: Result) -> None:
        figures, outcome = result.figures, result.outcome
        self.cost = figures.value("do_nothing_musd") - figures.value("worth_musd")
        objective, bound = outcome.objective_musd, outcome.best_bound_musd
        self.open = max(0.0, objective - bound) if objective is not None and bound is not None else math.inf
        problem = prepare(result.plan, result.data)
        accounts = open_accounts(problem, result.solution, nothing=result.reference)
        self.costs = costs_by_home(accounts)
        owner = dict(zip(problem.natural.materials, homes_of_materials(accounts), strict=True))
        self.losses: dict[str, float] = defaultdict(float)
        """Home -> expected shortage loss [million USD]."""
        for material, lost in figures.items("remaining_loss_musd").items():
            self.losses[owner[str(material)]] += float(lost)
        self.scenarios = int(result.counts["scenarios"])


def _coalition(plan: Plan, tables: Mapping[str, Dataset], gap: float, asked: tuple[tuple[str, ...], Taken]) -> _Answer:
    """The plan of a coalition, given what outsiders take. It travels to other processes."""
    return _Answer(solve_once(*joint_question(plan, tables, *asked), gap=gap))


def require_separable(plan: Plan) -> None:
    """Raise PlanError for aims and limits that bind the losses of all homes together: no home has a part of them by itself."""
    risk = plan.risk
    wanted = [
        ("risk.cvar_weight", risk.cvar_weight, risk.cvar_weight == 0),
        ("risk.cvar_limit_musd", risk.cvar_limit_musd, risk.cvar_limit_musd is None),
        ("risk.expected_loss_limit_musd", risk.expected_loss_limit_musd, risk.expected_loss_limit_musd is None),
        ("objective.kind", f"'{plan.objective.kind}'", plan.objective.kind == "social_cost"),
    ]
    text = "none: it binds the losses of all homes together, of which no coalition has a part"
    faults = [Fault("plan", "", field, str(found), text) for field, found, right in wanted if not right]
    if faults:
        raise PlanError(faults)


def _study(
    plan: Plan, members: list[str], alone: OwnPlans, answers: Mapping[Coalition, _Answer], settled: bool, gap: float
) -> Study:
    """Tables and verdict."""
    # against one fixed cost of doing nothing for each home, whoever plans together and whatever others have taken
    idle = {home: alone.unopposed[home].figures.value("do_nothing_musd") for home in members}
    whole = answers[frozenset(members)]
    worth = {chosen: sum(idle[home] for home in chosen) - answer.cost for chosen, answer in answers.items()}
    single = {home: worth[frozenset({home})] for home in members}
    before = _before_payments(plan, alone, whole, idle, worth, members)
    total = worth[frozenset(members)]
    tied = abs(total - sum(single.values())) <= ROUNDING * max(1.0, abs(total))  # the joint plan is one of many
    division, verdict, missing = _verdict(members, answers, worth, before)
    nothing = dict.fromkeys(members, math.nan)
    shares, payments = (nothing, nothing) if division is None else (division.shares, division.payments)
    homes = []
    for home in members:
        own = answers[frozenset({home})]
        homes.append(
            {
                "home": home,
                "alone_musd": single[home],
                "before_payments_musd": before[home],
                "division_musd": shares[home],
                "payment_musd": payments[home],
                "loss_alone_musd": own.losses.get(home, 0.0),
                "loss_together_musd": (own if tied else whole).losses.get(home, 0.0),
            }
        )
    every = []
    for chosen, answer in answers.items():
        separate = sum(single[home] for home in chosen)
        every.append(
            {
                "members": " ".join(home for home in members if home in chosen),
                "size": len(chosen),
                "worth_musd": worth[chosen],
                "open_musd": answer.open,
                "apart_musd": separate,
                "gain_musd": worth[chosen] - separate,
                "division_musd": sum(shares[home] for home in chosen),
            }
        )
    tables = {"homes": pd.DataFrame(homes), "coalitions": pd.DataFrame(every)}
    titles = {row.home: row.name for data in alone.tables.values() for row in data.rows("homes")}
    names = {home: titles.get(home, Names.of(alone.tables[home]).country(home)) for home in members}
    facts = {
        "core": verdict,
        "paid_musd": math.nan if division is None else division.paid,
        "missing_musd": missing,
        "settled": settled,
        "rounds": alone.rounds,
        "scenarios": whole.scenarios,
        "gap": gap,
        "names": names,
    }
    return Study("together", tables, _words(tables, facts, names), facts, TITLES)


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
    beyond what the searches have left open, everybody keeps a plan of its own: the joint one is one of many then."""
    total, separate = worth[frozenset(members)], {home: worth[frozenset({home})] for home in members}
    gain = total - sum(separate.values())
    if gain <= whole.open + ROUNDING * max(1.0, abs(total)):
        return {home: value + gain / len(members) for home, value in separate.items()}
    money = {} if plan.together is None else {member.home: member.money_share for member in plan.together.members}
    named = {
        home: money[home]
        for home in members
        if {row.project for row in alone.tables[home].rows("projects")} & alone.plants.keys()
    }
    bearing = named if sum(named.values()) > 0 else money
    saved = {home: idle[home] - whole.costs.get(home, 0.0) for home in members}
    common, parts = total - sum(saved.values()), sum(bearing.values())
    return {home: saved[home] + common * bearing.get(home, 0.0) / parts for home in members}


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
    missing = 0.0 if division is not None else cost_of_stability(members, worth)
    if not all(math.isfinite(answer.open) for answer in answers.values()):
        return division, OPEN, missing
    if division is not None:
        dearest = {chosen: value + answers[chosen].open for chosen, value in worth.items()}
        dearest[everybody] = worth[everybody]
        return division, (OPEN if in_core(members, dearest, before) is None else EXISTS), missing
    cheapest = {**worth, everybody: worth[everybody] + answers[everybody].open}
    return None, (NONE if cost_of_stability(members, cheapest) > 0 else OPEN), missing


class OwnPlans:
    """Each home's plan against the others'.

    Homes meet where several buy of one seller and where several would build one plant; what one takes the next does not find.
    """

    def __init__(
        self, plan: Plan, tables: Mapping[str, Dataset], members: Sequence[str], gap: float, least: int
    ) -> None:
        """least: solves that there will be in all."""
        self.plan, self.tables, self.members = plan, tables, members
        self.gap, self.least, self.done = gap, least, 0
        self.results: dict[str, Result] = {}
        self.unopposed: dict[str, Result] = {}
        self.takes: dict[str, Taken] = {}
        self.plants = shared_plants(plan, tables)
        self.rounds = 0

    def settle(self) -> bool:
        """Let the homes answer each other in turn until nobody takes anything else; False where they never stop."""
        answered: dict[str, Taken] = {}
        for self.rounds in range(1, ROUNDS + 1):
            changed = False
            for home in self.members:
                others = self._taken_from(home)
                if home in answered and _alike(answered[home], others):
                    continue
                answered[home] = others
                result = self.results[home] = self._solve(home, others)
                if self.rounds == 1 and not others.purchases and not others.plants:
                    self.unopposed[home] = result
                takes = _takes(self.plan, home, result, self.plants)
                changed |= home not in self.takes or not _alike(self.takes[home], takes)
                self.takes[home] = takes
            if not changed:
                break
        for home in self.members:
            if home not in self.unopposed:
                self.unopposed[home] = self._solve(home, Taken())
        return all(_alike(answered[home], self._taken_from(home)) for home in self.members)

    def _taken_from(self, home: str) -> Taken:
        """What the plans of all others take of what all share."""
        return self.taken_by([other for other in self.members if other != home])

    def _solve(self, home: str, others: Taken) -> Result:
        question = joint_question(self.plan, self.tables, [home], others)
        result = solve_once(*question, gap=self.gap)
        self.done += 1
        call = current()
        call.report(Progress("solves", call.seconds, done=self.done, of=max(self.least, self.done)))
        return result

    def taken_by(self, homes: Sequence[str]) -> Taken:
        """What the plans of some homes take of what all share."""
        purchases: dict[tuple[str, int], float] = defaultdict(float)
        plants: dict[str, float] = defaultdict(float)
        for takes in (self.takes[home] for home in homes if home in self.takes):
            for key, tonnes in takes.purchases.items():
                purchases[key] += tonnes
            for project, tonnes in takes.plants.items():
                plants[project] += tonnes
        return Taken(purchases, plants)


def _takes(plan: Plan, home: str, result: Result, plants: Mapping[str, float]) -> Taken:
    """What a home's own plan takes of sellers, on its baseline course, and of plants that others name too."""
    sellers = {row.offer: row.seller for row in result.data.rows("offers")}
    purchases: dict[tuple[str, int], float] = defaultdict(float)
    for row in rows_of(result.tables["acquisitions"]):
        if seller := sellers.get(row.offer):
            purchases[seller, int(row.fiscal_year)] += float(row.acquired_t)
    rows = {row.project: row for row in result.data.rows("projects")}
    taken: dict[str, float] = defaultdict(float)
    for row in rows_of(result.tables["projects"]):
        project = str(row.project).removeprefix(f"{home}.")
        if project in plants and row.share > 0:
            stated = rows[str(row.project)]
            part = stated.kappa + (1 - stated.kappa) * float(row.offtake_share)
            taken[project] += float(row.share) * stated.capacity_t_per_yr * part
    return Taken(purchases, taken)


def _alike(one: Taken, other: Taken) -> bool:
    """Whether two plans take the same, but for rounding."""
    return all(
        math.isclose(a.get(key, 0.0), b.get(key, 0.0), rel_tol=SAME, abs_tol=SAME)
        for a, b in ((one.purchases, other.purchases), (one.plants, other.plants))
        for key in {*a, *b}
    )


@dataclass(frozen=True)
class Division:
    """What each member gets, and what is paid for it."""

    shares: Mapping[str, float]
    payments: Mapping[str, float]
    """What each receives of the others, negative where it pays."""
    paid: float
    """Sum of what is paid."""


def coalitions_of(members: Sequence[str]) -> list[Coalition]:
    """Every coalition, from single members to all of them, in the order of the members."""
    return [frozenset(chosen) for size in range(1, len(members) + 1) for chosen in combinations(members, size)]


def in_core(members: Sequence[str], worth: Mapping[Coalition, float], before: Mapping[str, float]) -> Division | None:
    """The division of the core that takes the least payments from what members have before any; None where the core is empty.

    worth: of every coalition. before: what each member gains where nobody pays anybody; adds up to the worth of all.
    Among divisions that take the same payments, the one that spreads them: the most that one pays and that one receives are least.
    """
    n, everybody = len(members), frozenset(members)
    # x (n), t (n) >= |x - before|; minimise sum t / 2
    rows, limits = _keeping(members, worth, extra=n)
    for k, name in enumerate(members):
        for sign in (1.0, -1.0):
            row = np.zeros(2 * n)
            row[k], row[n + k] = sign, -1.0
            rows.append(row)
            limits.append(sign * before[name])
    whole = np.concatenate([np.ones(n), np.zeros(n)])
    bounds = [(None, None)] * n + [(0, None)] * n
    cost = np.concatenate([np.zeros(n), np.full(n, 0.5)])
    total = [worth[everybody]]
    found = linprog(cost, np.array(rows), limits, whole[None], total, bounds, method="highs")
    if found.status != 0:
        return None
    least = float(found.fun or 0.0)
    # of all that cost as little: the one in which the most that one pays, and the most that one receives, are least
    spread = np.zeros((2 * n, 2 * n + 2))
    for k in range(n):
        spread[k, [k, 2 * n]] = -1.0, -1.0
        spread[n + k, [k, 2 * n + 1]] = 1.0, -1.0
    own = [before[name] for name in members]
    wide = np.vstack([np.pad(np.array([*rows, cost]), ((0, 0), (0, 2))), spread])
    room = [*limits, least + 1e-9 * max(1.0, abs(least)), *(-v for v in own), *own]
    objective = np.concatenate([np.zeros(2 * n), [1.0, 1.0]])
    even = linprog(
        objective, wide, room, np.append(whole, [0, 0])[None], total, [*bounds, *[(0, None)] * 2], method="highs"
    )
    x = np.asarray((even if even.status == 0 else found).x)[:n]
    shares = {name: float(v) for name, v in zip(members, x, strict=True)}
    payments = {name: shares[name] - before[name] for name in members}
    return Division(shares, payments, sum(max(0.0, v) for v in payments.values()))


def cost_of_stability(members: Sequence[str], worth: Mapping[Coalition, float]) -> float:
    """The least that somebody else has to add so that no coalition gets more alone; 0 where the core is not empty."""
    rows, limits = _keeping(members, worth, extra=0)
    found = linprog(np.ones(len(members)), np.array(rows), limits, bounds=[(None, None)] * len(members), method="highs")
    return max(0.0, float(found.fun or 0.0) - worth[frozenset(members)])


def _keeping(
    members: Sequence[str], worth: Mapping[Coalition, float], extra: int
) -> tuple[list[np.ndarray[tuple[int], np.dtype[np.float64]]], list[float]]:
    """Rows that say that no proper coalition gets more alone: -sum of its shares <= -its worth; `extra` columns of zeros follow."""
    rows, limits = [], []
    for coalition in coalitions_of(members)[:-1]:
        row = np.zeros(len(members) + extra)
        row[[k for k, name in enumerate(members) if name in coalition]] = -1.0
        rows.append(row)
        limits.append(-worth[coalition])
    return rows, limits


def _words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Verdict, who gains, every coalition. names: of homes, by code."""
    homes, groups = list(rows_of(tables["homes"])), list(rows_of(tables["coalitions"]))
    settled = (
        f"Plans of their own answer each other after {facts['rounds']} rounds."
        if facts["settled"]
        else f"Plans of their own had not stopped answering each other after {facts['rounds']} rounds; the last ones are taken."
    )
    return [
        *_verdict_words(homes, groups[-1], facts, names),
        "",
        *_home_words(homes, names),
        "",
        *_coalition_words(groups, names),
        "",
        f"BASED ON {facts['scenarios']} scenarios, the same for all; each plan solved to a gap of {facts['gap']:.1%}. {settled}",
        "  Outsiders keep what their own plan does on the baseline course. Losses of homes may come from different studies: who "
        "gains hangs on them.",
    ]


def _listed(members: str, names: Mapping[str, str]) -> str:
    """Homes by their names: `A, B and C`."""
    *first, last = [names[home] for home in members.split()]
    return f"{', '.join(first)} and {last}"


def _verdict_words(homes: Sequence[Any], whole: Any, facts: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    missing = f"{digits(facts['missing_musd'], 2)} M"
    head = (
        f"{_listed(whole.members, names)} planning together save {musd(whole.worth_musd)} M, {musd(whole.gain_musd)} M "
        f"more than with plans of their own ({musd(whole.apart_musd)} M; million USD against doing nothing, expected)."
    )
    if facts["core"] == NONE:
        text = "No division of it lasts: whatever each gets, some of them would do better apart."
        return [head, f"{text} {missing} from outside would mend that."]
    text = "A division exists that no member, pair or larger group would leave"
    if facts["core"] == OPEN:
        text = (
            "Whether a division exists that nobody would leave cannot be told at this gap; at the plans found there is "
        )
        text += f"none, for want of {missing}" if math.isnan(facts["paid_musd"]) else "one"
    if math.isnan(facts["paid_musd"]):
        return [head, f"{text}."]
    least = max(TRACE * abs(whole.gain_musd), ROUNDING * max(1.0, abs(whole.worth_musd)))
    paid = [row for row in homes if abs(row.payment_musd) > least]
    if not paid:
        return [head, f"{text}, and it takes no payments: everybody keeps what the joint plan brings it."]
    payments = "; ".join(
        f"{names[row.home]} {'receives' if row.payment_musd > 0 else 'pays'} {digits(abs(row.payment_musd), 2)} M"
        for row in paid
    )
    return [head, f"{text}. The least payments between members that make one: {payments}."]


def _home_words(homes: Sequence[Any], names: Mapping[str, str]) -> list[str]:
    lines = ["WHO GAINS [M]: alone, with the others at plans of their own -> together before payments -> after them"]
    for row in homes:
        after = "" if math.isnan(row.division_musd) else f" -> {musd(row.division_musd)}"
        lines.append(
            f"  {names[row.home]}: {musd(row.alone_musd)} -> {musd(row.before_payments_musd)}{after}; expected "
            f"loss {musd(row.loss_alone_musd)} -> {musd(row.loss_together_musd)}"
        )
    return lines


def _coalition_words(groups: Sequence[Any], names: Mapping[str, str]) -> list[str]:
    lines = ["WHAT EACH COALITION CAN GET [M], outsiders at plans of their own:"]
    for row in groups:
        if row.size > 1:
            nan = math.isnan(row.division_musd)
            divided = "" if nan else f"; the division gives its members {musd(row.division_musd)}"
            lines.append(
                f"  {_listed(row.members, names)}: {musd(row.worth_musd)} (open: {musd(row.open_musd)}), "
                f"{musd(row.gain_musd)} more than apart{divided}"
            )
    return lines
