"""Reserves whose best policy is known, of one material by dynamic programming, of chains by the tree of all courses: yearly
periods, stops that begin and end by chance."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from strategic_minerals import Dataset, Plan
from strategic_minerals.matrix.named import objective_costs
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.plan import Event, Release
from strategic_minerals.solver.highs import Model, SolvedRun
from strategic_minerals.studies.forward import Simulator
from strategic_minerals.studies.recourse import FirstStage, RecourseOutcome
from strategic_minerals.world.events import ScenarioSet, combine_events, resolver
from support.tiny import FIRST, hazard_row, offer, source, tiny

Question = tuple[Plan, Dataset]

Path = tuple[int, ...]
"""State of each year: 0 calm, k while the k-th stop lasts."""
SALVAGE = 0.9


@dataclass(frozen=True)
class Case:
    """10 kt a year from abroad at 10 USD/kg. Stops exclude each other; none is in force in the first year."""

    name: str
    stops: tuple[tuple[float, float, float], ...]
    """Of each: chance that it begins in a calm year, chance that it goes on for another, share of supply that it cuts."""
    tiers: tuple[tuple[float, float], ...] = ((0.8, 4.0), (0.2, 20.0))
    """(share of demand, loss beyond the price in tens of USD/kg), the cheapest first."""
    depth: float = 1.0
    """kt that can be bought in a calm year; none in a stop."""
    holding: float = 0.02
    rate: float = 0.03
    years: int = 10

    def lost(self, short: float) -> float:
        """What a year costs in which so many kt are short, the cheapest uses first [million USD]."""
        total = 0.0
        for share, loss in self.tiers:
            part = min(short, share * 10.0)
            total, short = total + part * (10.0 + 10.0 * loss), short - part
        return total


CASES = (
    Case("mild", ((0.15, 0.5, 0.3),)),
    Case("deep", ((0.1, 0.6, 0.6),)),
    Case("rare and long", ((0.04, 0.75, 0.5),)),
    Case("often and short", ((0.35, 0.2, 0.3),)),
    Case("a dear few", ((0.1, 0.5, 0.5),), tiers=((0.9, 2.0), (0.1, 60.0))),
    Case("all alike", ((0.15, 0.5, 0.5),), tiers=((1.0, 3.0),)),
    Case("thin market", ((0.12, 0.6, 0.5),), depth=0.5),
    Case("deep market", ((0.12, 0.6, 0.5),), depth=3.0),
    Case("dear to hold", ((0.12, 0.6, 0.5),), holding=0.08),
    Case("two stops", ((0.12, 0.5, 0.25), (0.04, 0.6, 0.7))),
    Case("two stops, a dear few", ((0.15, 0.4, 0.2), (0.05, 0.6, 0.8)), tiers=((0.9, 2.0), (0.1, 60.0))),
    Case("two stops, all alike", ((0.12, 0.5, 0.3), (0.05, 0.6, 0.7)), tiers=((1.0, 3.0),)),
    Case("two stops, thin market", ((0.12, 0.5, 0.25), (0.05, 0.6, 0.7)), depth=0.5),
    Case("two stops, one rare", ((0.2, 0.3, 0.2), (0.02, 0.7, 0.9))),
)


def best_worth(case: Case, unit: float = 0.25) -> float:
    """V*: what the best policy spares against doing nothing, by dynamic programming over stock [million USD]. Data are multiples of
    the unit of stock [kt], so values at its multiples are exact."""
    size, most = round(case.depth * case.years / unit) + 1, round(case.depth / unit)
    stock = np.arange(size) * unit
    value = np.tile(-SALVAGE * 10.0 * stock * (1 + case.rate) ** -case.years, (1 + len(case.stops), 1))
    nothing = np.zeros(1 + len(case.stops))
    for t in range(case.years - 1, -1, -1):
        beta = (1 + case.rate) ** -t
        last = t == case.years - 1
        ahead = value if last else _ahead(case, value)
        ahead_of_nothing = nothing if last else _ahead(case, nothing[:, None])[:, 0]
        value, nothing = np.empty_like(value), ahead_of_nothing.copy()
        kept = ahead + beta * case.holding * 10.0 * stock
        for s in range(size):
            bought = np.arange(min(most, size - 1 - s) + 1)
            value[0, s] = (beta * 10.0 * bought * unit + kept[0, s + bought]).min()
            for k, (_, _, cut) in enumerate(case.stops, start=1):
                released = np.arange(min(s, round(cut * 10.0 / unit)) + 1)
                losses = np.array([case.lost(cut * 10.0 - r * unit) for r in released])
                value[k, s] = (beta * losses + kept[k, s - released]).min()
        for k, (_, _, cut) in enumerate(case.stops, start=1):
            nothing[k] += beta * case.lost(cut * 10.0)
    return float(nothing[0] - value[0, 0])


def _ahead(case: Case, value: Any) -> Any:
    """(states, ...) expected values of the next year."""
    begin = [chance for chance, _, _ in case.stops]
    calm = (1 - sum(begin)) * value[0] + sum(p * value[k] for k, p in enumerate(begin, start=1))
    return np.stack([calm, *(g * value[k] + (1 - g) * value[0] for k, (_, g, _) in enumerate(case.stops, start=1))])


def paths(case: Case) -> dict[Path, float]:
    """Every course of the years and its probability."""
    found: dict[Path, float] = {(0,): 1.0}
    for _ in range(1, case.years):
        new: dict[Path, float] = {}
        for path, chance in found.items():
            for state, p in _next(case, path[-1]):
                new[(*path, state)] = chance * p
        found = new
    return found


def _next(case: Case, state: int) -> Iterator[tuple[int, float]]:
    if state:
        goes_on = case.stops[state - 1][1]
        yield from ((state, goes_on), (0, 1 - goes_on))
    else:
        yield 0, 1 - sum(chance for chance, _, _ in case.stops)
        yield from ((k, chance) for k, (chance, _, _) in enumerate(case.stops, start=1))


def drawn(case: Case, count: int, seed: int) -> dict[Path, float]:
    """So many courses, those that are alike together, and the share of each."""
    every = paths(case)
    keys, chances = list(every), np.array(list(every.values()))
    which = np.random.default_rng(seed).choice(len(keys), count, p=chances / chances.sum())
    places, number = np.unique(which, return_counts=True)
    return {keys[k]: float(n) / count for k, n in zip(places, number, strict=True)}


def stops_of(path: Path) -> Iterator[tuple[int, int, int]]:
    """(stop, first year, years) of a course."""
    begin = 0
    while begin < len(path):
        end = begin
        while end < len(path) and path[end] == path[begin]:
            end += 1
        if path[begin]:
            yield path[begin], begin, end - begin
        begin = end


def question(case: Case, courses: Mapping[Path, float], **plan: Any) -> Question:
    """The case as a plan with these courses as its scenarios."""
    return _question(
        case,
        courses,
        {"a": 10.0},
        "a",
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        loss=10.0,
        offers={"spot": offer("a", case.depth)},
        **plan,
    )


def _question(
    case: Case, courses: Mapping[Path, float], prices: Mapping[str, float], stopped: str, **of: Any
) -> Question:
    hazards = [
        hazard_row(
            f"stop{k}", stopped, chance, kind="outage", duration_yr=-1 / math.log(g), cut_share=cut, cut_law="fixed"
        )
        for k, (chance, g, cut) in enumerate(case.stops, start=1)
    ]
    scenarios = [
        {"name": f"s{n}", "probability": share, "events": [_event(case, *one) for one in stops_of(path)]}
        for n, (path, share) in enumerate(courses.items())
        if any(path)
    ]
    stored = {"haircut_share": 1 - SALVAGE, "holding_share_per_yr": case.holding}
    asked, data = tiny(
        dict(prices),
        materials=dict.fromkeys(prices, stored),
        tiers={"civil": case.tiers},
        scenarios=scenarios,
        years=case.years,
        rate=case.rate,
        budget={"branch_money": "appropriated"},
        **{"policy": "targets", **of},
    )
    return asked, data.replace(hazards=pd.DataFrame(hazards))


ONE_STOP = Case("one stop", ((0.12, 0.6, 0.6),), years=8)
TWO_STOPS = Case("two stops", ((0.12, 0.5, 0.3), (0.05, 0.6, 0.8)), years=8)
CHAINS: Mapping[str, tuple[Case, Mapping[str, Any]]] = {
    "ore alone stops": (ONE_STOP, {"stopped": "o", "abroad": 0.0, "plant": 4.0}),
    "both stop": (TWO_STOPS, {"abroad": 2.0, "plant": 2.0}),
    "a small plant": (ONE_STOP, {"abroad": 2.0, "plant": 2.5}),
    "dear goods": (TWO_STOPS, {"abroad": 0.0, "plant": 4.0, "premium": 0.2}),
}
"""4 kt of magnets a year at 30 USD/kg, each of half a tonne of oxide at 10 that comes from abroad: from a plant at home, or bought
abroad. Both can be stored, and a stop cuts both where `stopped` does not say otherwise."""


def chain(name: str, courses: Mapping[Path, float], **plan: Any) -> Question:
    """A chain as a plan with these courses as its scenarios."""
    case, of = CHAINS[name]
    made = {"mine": source("CHN", "o", 4.0), "plant": source("USA", {"m": 1.0, "o": -0.5}, of["plant"])}
    return _question(
        case,
        courses,
        {"o": 10.0, "m": 30.0},
        of.get("stopped", "o m"),
        sources=made | ({"abroad": source("CHN", "m", of["abroad"])} if of["abroad"] else {}),
        demand={"m": 4.0},
        loss={"o": 0.0, "m": 20.0},
        offers={"oxide": offer("o", 0.5), "magnets": offer("m", 0.5, premium=of.get("premium", 0.0))},
        **plan,
    )


def least_cost(asked: Question, courses: Mapping[Path, float]) -> float:
    """What the best policy costs at least [million USD]: operations of two courses are the same for as long as these are. The
    plan's scenarios are all courses that there are."""
    problem = prepare(asked[0].model_copy(update={"policy": "knowing"}), asked[1])
    assembly = problem.assembly
    order = [path for path in courses if any(path)]
    alike, cost = np.arange(len(assembly.lower)), np.zeros(len(assembly.lower))
    for part, index in zip(assembly.operations, problem.structure.block_index, strict=True):
        first: dict[Path, int] = {}
        for k in range(index.count):
            if index.scenario[k] >= 0:
                known = first.setdefault(order[index.scenario[k]][: index.period[k] + 1], k)
                place = part.first_column + part.width * np.array([k, known])
                alike[place[0] : place[0] + part.width] = place[1] + np.arange(part.width)
    np.add.at(cost, alike, objective_costs(problem)["social_cost"])
    together = replace(assembly, index=alike[assembly.index].astype(np.int32))
    run = Model(together, cost, integer=False).run(time_limit_s=600.0)
    assert isinstance(run, SolvedRun)
    return run.objective


def _event(case: Case, stop: int, begin: int, years: int) -> dict[str, Any]:
    cut = case.stops[stop - 1][2]
    return {"hazard": f"stop{stop}", "start_year": FIRST + begin, "duration_years": float(years), "cut_share": cut}


def futures(first: FirstStage, case: Case, courses: Mapping[Path, float]) -> ScenarioSet:
    """Courses as scenarios to be lived (in tonnes)."""
    resolved = resolver(first.plan, first.data)
    events = [tuple(resolved(Event.model_validate(_event(case, *one))) for one in stops_of(path)) for path in courses]
    weight, count = np.array(list(courses.values())), len(courses)
    names: Sequence[str] = [f"f{k}" for k in range(count)]
    return combine_events(first.natural, names, weight / weight.sum(), np.zeros(count, dtype=bool), events)


def live(first: FirstStage, scenarios: ScenarioSet, rule: Release | None = None) -> RecourseOutcome:
    """A plan lived through scenarios. rule: of release; None: the plan's own."""
    return Simulator(first, first.plan.release if rule is None else rule).live(scenarios)
