"""Plans nearly as good as the best: how far stocks, money and suppliers can move, and portfolios that are quite different.

Modelling to generate alternatives: the main aim may be worse by a stated share of what the plan is worth; within that, one thing
after the other is made as small and as large as possible, and portfolios are sought that share least with those found before
(Brill, Chang and Hopkins 1982; Hop-Skip-Jump). What every near-optimal plan has is firm; what ranges widely is a matter of taste.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.act_now import ActNow
from ..answer.result import Result
from ..answer.study import Study, listed
from ..audit.figures import Figures
from ..core.frames import INF, Floats, Ints, rows_of
from ..core.runner import HERE, Runner, current
from ..core.verb import verb
from ..matrix.problem import DecisionIndex, Problem, with_parts, with_row
from ..matrix.solution import decided_point
from ..model.sets import STAGES, main_aim
from ..question.names import Names
from ..solver.highs import Model, Run, UnsolvedRun
from ..world.producers import purchase_price
from .explain import Fixed, fixed_program

# What ranges over plans that are nearly as good: stocks, money and suppliers, as sums of columns.


SMALLEST_FACTOR = 1e-9
"""HiGHS drops smaller entries of a row."""
LEAST_SUPPLIER = 0.05
"""Share of home demand that a country must be able to make for its range to be looked for."""


@dataclass(frozen=True)
class Measure:
    """A linear figure of commitments and of the baseline course."""

    kind: str
    """stock, spending or supply."""
    item: str
    words: str
    """The item by its name."""
    unit: str
    columns: Ints
    factors: Floats

    def of(self, x: Floats) -> float:
        """Its value at a point."""
        return float(self.factors @ x[self.columns])


def measured(problem: Problem) -> Iterable[Measure]:
    """Every figure whose range the study looks for."""
    yield from _stocks(problem)
    yield from _spending(problem)
    yield from _suppliers(problem)


def _trunk(problem: Problem, c: int, variable: str, key: object) -> Ints:
    """(T,) columns of the baseline course."""
    return problem.assembly.operations[c].columns(variable, key)[: problem.natural.calendar.periods]


def _stocks(problem: Problem) -> Iterable[Measure]:
    n, unit, names = problem.natural, problem.instance.material_unit, Names.of(problem.data)
    planned = n.calendar.planned
    for c, shape in enumerate(problem.structure.component_sets):
        for i in shape.stocked:
            columns = _trunk(problem, c, "stock", i)[:planned]
            material = n.materials[i]
            factors = np.full(planned, float(unit[i]) / planned)
            yield Measure("stock", material, names.material(material), "t", columns, factors)


def _spending(problem: Problem) -> Iterable[Measure]:
    """Outlays discounted as the plan's spending is, by the first period of their fiscal year: purchases, each kind of capital,
    fees, floors."""
    n, structure, support = problem.natural, problem.structure, problem.structure.support
    weight, trunk = n.calendar.spending_weight, structure.trunk
    columns, factors = [], []
    for c, shape in enumerate(structure.component_sets):
        for p in shape.purchases:
            columns.append(_trunk(problem, c, "acquisition", p.name))
            factors.append(
                weight
                * purchase_price(problem.instance, p, trunk.price[0, p.material], trunk.market_gap[0, p.material])
            )
    if columns:
        yield _outlays("purchases for the reserve", columns, factors)
    root = problem.assembly.commitments
    signs = np.array([root.columns("sign", o)[0] for o in range(len(support.options))], dtype=np.int64)
    payments = np.array([float(weight @ option.payments) for option in support.options])
    names = [option.package.instrument.name for option in support.options]
    for name in dict.fromkeys(names):
        mine = np.array([other == name for other in names], dtype=bool) & (payments > 0)
        if mine.any():
            yield _outlays(f"support by {name}", [signs[mine]], [payments[mine]])
    topup = np.array([0.0 if o.floor is None else float(weight @ o.floor.budget) for o in support.options])
    floors = [root.columns("floor", m) for m in range(len(support.markets))]
    market = support.market_outlay @ weight
    if np.any(topup) or np.any(market):
        yield _outlays("price floors", [signs, *floors], [topup, market])
    fees = np.array(
        [float(problem.instance.contract_fee[k.source] * weight[k.start : k.end].sum()) for k in structure.contracts]
    )
    contracts = [root.columns("contract", k)[:1] for k in range(len(structure.contracts))]
    signed = np.array([float(weight @ o.fees) for o in support.options])
    if np.any(fees) or np.any(signed):
        yield _outlays("offtake fees", [*contracts, signs], [fees, signed])


def _outlays(what: str, columns: Sequence[Ints], factors: Sequence[Floats]) -> Measure:
    return Measure("spending", what, what, "million USD", np.concatenate(columns), np.concatenate(factors))


def _suppliers(problem: Problem) -> Iterable[Measure]:
    """What countries, and home with allies, make in the last planned period, against home demand; some of it may be exported."""
    n, t, names = problem.natural, problem.natural.calendar.planned - 1, Names.of(problem.data)
    for c, shape in enumerate(problem.structure.component_sets):
        for i in shape.materials:
            wanted = float(n.demand[n.demand_material == i, t].sum())
            producers = [j for j in (*shape.sources, *(n.sources + p for p in shape.projects)) if n.yields[j, i] > 0]
            if wanted <= 0 or not producers:
                continue
            able: dict[str, float] = defaultdict(float)
            for j in producers:
                if j < n.sources:
                    able[n.country[j]] += float(n.capacity[j, t] * n.yields[j, i])
            groups = [
                (country, [j for j in producers if n.country[j] == country])
                for country, most in able.items()
                if most >= LEAST_SUPPLIER * wanted
            ]
            groups.append(("home and allies", [j for j in producers if n.allied[j]]))
            for name, members in groups:
                if members:
                    columns = np.array([_trunk(problem, c, "output", j)[t] for j in members])
                    made = [float(n.yields[j, i] * problem.instance.producer_unit[j]) / wanted for j in members]
                    item = f"{n.materials[i]} made by {name} against home demand"
                    words = f"{names.material(n.materials[i])} made by {names.country(name)}, as a share of home demand"
                    yield Measure("supply", item, words, "share", columns, np.array(made))


SLACK = 0.05
GAP = 1e-3
"""Relative gap of an extreme; where the time limit comes first, the bound says how far it may still go."""
KEEPS = 1e-6
"""Relative room of the limit on the main aim, for rounding."""
SAME = 0.02
"""Share of a range's size, or of one unit, below which a thing counts as fixed."""
EXTREMES = ["kind", "item", "unit", "plan", "least", "least_bound", "most", "most_bound", "kept", "sentence"]


@dataclass(frozen=True)
class _Solved:
    """The plan as all of its aims left it, and the program in which its main aim can be held."""

    fixed: Fixed
    x: Floats
    """(columns,) its commitments and the baseline course's operations; zeros in scenarios."""
    aim: float
    """Its main aim [million USD]."""
    nothing: float
    """The same of doing nothing."""
    allowed: float
    """What the main aim may be worse by [million USD]."""

    @property
    def most(self) -> float:
        """The most that the main aim may be [million USD]."""
        return self.aim + self.allowed


SEARCH_S = 60.0
"""Wall-clock seconds of each search, two for each material in stock, instrument and supplier: what is not found by then is a
bound."""
TITLES = {"extremes": "How far figures can move", "portfolios": "Other portfolios"}


@verb
def alternatives(
    result: Result,
    *,
    slack: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Share of the plan's worth that an alternative may give up. Default: the true gap of the run, or 0.05.",
        ),
    ] = None,
    count: Annotated[int, Field(ge=0, le=100, description="How many different portfolios to look for.")] = 3,
    search_s: Annotated[float, Field(ge=1, le=1e6, description="Time limit of each search, in seconds.")] = SEARCH_S,
    run: Runner = HERE,
) -> Study:
    """Find plans nearly as good as the best: the range of each stock, instrument and supplier, and other portfolios.

    Slack is a share of the plan's worth; of risk and spending, of what the plan takes off them or adds to them. Where other samples
    have tested the plan, the true gap gives the plans that no sample can tell from it.

    Tables: `extremes`, kind (stock: mean over planned periods [t]; spending: as in the plan's discounted spending [million USD];
    supply: what a country makes against home demand in the last planned period), item, unit, plan, least and most with the bounds
    beyond which no near-optimal plan lies, kept (both points keep to the limit), sentence. `portfolios`: number (0: the plan),
    aim_musd (the main aim against doing nothing), worth_musd (where the main aim is social cost, else NaN), items, gained (with
    its share where that is a part) and lost against the plan, differences. Facts: slack, share_of (in words), allowed_musd (what
    the main aim may be worse by), aim, firm (what all portfolios have, with the shares of what some have in part).

    Raises InputError for a relaxation or an extended plan, UntrustedError where the plan's own program was not solved.
    """
    slack = _true_gap(result) if slack is None else slack
    solved = _solved(result, slack)
    measures = list(measured(solved.fixed.problem))
    parts = min(len(measures), 8 if run.executor is not None else run.processes)
    tasks = [tuple(part.tolist()) for part in np.array_split(np.arange(len(measures)), max(1, parts)) if len(part)]
    rows = [row for part in run.each("searches", partial(_extremes, result, slack, search_s), tasks) for row in part]
    portfolios, firm = _portfolios(result, solved, count, search_s)
    stage = STAGES[result.plan.objective.kind][0]
    extremes = pd.DataFrame(rows, columns=EXTREMES)
    facts = {
        "slack": slack,
        "share_of": _share_of(stage, solved.aim - solved.nothing),
        "allowed_musd": solved.allowed,
        "aim": main_aim(result.plan),
        "firm": firm,
    }
    words = _words(extremes, portfolios, facts, SHOWN.get(stage, stage))
    tables = {"extremes": extremes, "portfolios": listed(portfolios, "items")}
    return Study("alternatives", tables, words, facts, TITLES)


def _words(extremes: pd.DataFrame, portfolios: pd.DataFrame, facts: Mapping[str, Any], unit_of_aim: str) -> list[str]:
    lines = [
        f"NEARLY AS GOOD: plans whose {facts['aim']} is worse by at most {facts['slack']:.1%} of {facts['share_of']} "
        f"({facts['allowed_musd']:,.4g} million USD). In these plans:"
    ]
    lines += [f"  {row.sentence}" for row in rows_of(extremes)]
    if len(portfolios) > 1:
        lines.append("PORTFOLIOS that have least in common with the plan and with one another (M: million USD):")
        for row in rows_of(portfolios.iloc[1:]):
            moves = [f"{word} {names}" for word, names in (("adds", row.gained), ("drops", row.lost)) if names]
            text = "; ".join(moves) or "the same items in other amounts"
            more = "more" if row.aim_musd > 0 else "less"
            aim = f"{unit_of_aim} {abs(row.aim_musd):,.1f} M {more} than doing nothing"
            if unit_of_aim == "worth":
                aim = f"worth {0.0 - row.aim_musd:,.1f} M"
            lines.append(f"  {row.number}: {aim}; {text}")
        lines.append(f"  In all of them: {', '.join(facts['firm']) or 'nothing'}")
    return lines


def _true_gap(result: Result) -> float:
    """Share of the plan's own worth that its true gap is; `SLACK` where no samples have tested it."""
    tested, worth = ActNow.of(result.tables), abs(result.outcome.objective_musd or 0.0)
    if tested is None or tested.why_not:
        return SLACK
    return min(1.0, max(0.0, tested.figure("gap_limit_musd")) / max(LEAST_SIZE, worth))


SHOWN = {"social_cost": "worth", "spending": "discounted spending"}
"""Main aim -> its name in the words of a portfolio; others keep their own."""
LEAST_SIZE = 1.0
"""Million USD of which the slack is a share at least."""


def _share_of(stage: str, difference: float) -> str:
    """What the slack is a share of. difference: the plan's main aim, against doing nothing."""
    if abs(difference) < LEAST_SIZE:
        return f"{LEAST_SIZE:g} million USD (the plan itself changes it by less)"
    if difference > 0:
        return "what the plan adds to it"
    return "the plan's worth" if stage == "social_cost" else "what the plan takes off it"


def _solved(result: Result, slack: float) -> _Solved:
    """The plan's point and its main aim, which later aims may have left above the best of its commitments. Raises as
    `fixed_program`."""
    fixed = fixed_program(result)
    stage, difference, *_ = result.outcome.stages[0]
    nothing = Figures.of(result.tables["figures"]).value("stage_without_musd", stage)
    aim = max(nothing + difference, float(fixed.cost @ fixed.run.x))
    allowed = slack * max(LEAST_SIZE, abs(difference))
    x = decided_point(fixed.problem.structure, fixed.problem.assembly, result.solution)
    return _Solved(fixed, x, aim, nothing, allowed)


def _limited(solved: _Solved) -> Model:
    """The model with its main aim held near the plan's."""
    fixed = solved.fixed
    used = np.flatnonzero(np.abs(fixed.cost) > SMALLEST_FACTOR)
    limited = with_row(fixed.problem.assembly, used, fixed.cost[used], -INF, solved.most, money=True)
    return Model(limited, np.zeros_like(fixed.cost), integer=True)


def _extremes(result: Result, slack: float, time_limit_s: float, numbers: Sequence[int]) -> list[list[object]]:
    """Rows of `EXTREMES` for some measures. It travels to other processes."""
    solved = _solved(result, slack)
    model = _limited(solved)
    measures = list(measured(solved.fixed.problem))
    rows: list[list[object]] = []
    for n in numbers:
        measure = measures[n]
        here = measure.of(solved.x)
        least, low, kept_low = _end(model, solved, measure, 1.0, time_limit_s)
        largest, high, kept_high = _end(model, solved, measure, -1.0, time_limit_s)
        least, largest = min(least, here), max(largest, here)  # searches end within a gap; the plan is one of them
        low, high = min(low, least), max(high, largest)
        sentence = _sentence(measure, here, (least, low), (largest, high))
        ends = (here, least, low, largest, high, kept_low and kept_high)
        rows.append([measure.kind, measure.item, measure.unit, *ends, sentence])
    return rows


def _end(
    model: Model, solved: _Solved, measure: Measure, sign: float, time_limit_s: float
) -> tuple[float, float, bool]:
    """(the end found, a bound on it, whether the point keeps to the limit); the plan itself where none is found in time."""
    cost = np.zeros_like(solved.fixed.cost)
    np.add.at(cost, measure.columns, sign * measure.factors)
    run = _searched(model, cost, time_limit_s)
    if isinstance(run, UnsolvedRun):
        return measure.of(solved.x), sign * run.bound, True
    kept = float(solved.fixed.cost @ run.x) <= solved.most + KEEPS * (1 + abs(solved.most))
    return measure.of(run.x), sign * run.bound, kept


def _searched(model: Model, cost: Floats, time_limit_s: float) -> Run:
    """The least of a figure; without a point where none is found in time."""
    model.set_cost(cost)  # without a point to begin with: HiGHS has stated bounds above plans when given one
    return model.run(
        time_limit_s=min(time_limit_s, max(1.0, current().left())), gap=GAP, absolute_gap=1e-6, phase="alternatives"
    )


def _sentence(measure: Measure, here: float, least: tuple[float, float], most: tuple[float, float]) -> str:
    """A range in words, with what is not proven."""
    of_kind = {"stock": "average reserve of ", "spending": "discounted spending on ", "supply": ""}
    what = f"{of_kind[measure.kind]}{measure.words}"
    size = max(abs(most[0]), abs(here), 1e-9)
    least, most = ((0.0 if abs(end) < 1e-9 * size else end, bound) for end, bound in (least, most))
    scale, unit = (100.0, "%") if measure.unit == "share" else (1.0, f" {measure.unit}")
    ends = f"{scale * least[0]:,.4g} to {scale * most[0]:,.4g}{unit}"
    text = f"{what}: {ends} (this plan: {scale * here:,.4g})"
    open_ = [
        f"{word} {scale * bound:,.4g} could not be ruled out"
        for word, found, bound in (("down to", *least), ("up to", *most))
        if abs(found - bound) > max(SAME, 10 * GAP) * size
    ]
    return f"{text}; in the time limit, {' and '.join(open_)}" if open_ else text


def _portfolios(
    result: Result, solved: _Solved, count: int, time_limit_s: float
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """(the plan's portfolio, then those that share least with all before; what all of them have)."""
    fixed, choices = solved.fixed, DecisionIndex(solved.fixed.problem)
    names = Names.of(result.data)
    model = _limited(solved)
    units, kinds = ("projects", "market floors"), ("project", "floor")
    whole = [item for item in choices.items if item.kind in kinds and choices.decided(item).unit in units]
    stocks = [measure for measure in measured(fixed.problem) if measure.kind == "stock"]
    is_worth = STAGES[result.plan.objective.kind][0] == "social_cost"
    found, seen = [choices.portfolio(solved.x)], np.zeros_like(fixed.cost)
    rows: list[dict[str, Any]] = []
    for number in range(count + 1):
        x, aim = solved.x, solved.aim
        if number:
            other = _searched(model, seen, time_limit_s)
            if isinstance(other, UnsolvedRun):
                break
            has = choices.portfolio(other.x)
            if any(has.keys() == known.keys() for known in found):
                break  # what shares least has been there before: no further one
            x, aim = other.x, float(fixed.cost @ other.x)
            found.append(has)
        base, has = found[0], found[-1]
        gained = (with_parts(names.chosen(name), part) for name, part in has.items() if name not in base)
        rows.append(
            {
                "number": number,
                "aim_musd": aim - solved.nothing,
                "worth_musd": solved.nothing - aim if is_worth else math.nan,
                "items": tuple(has),
                "gained": ", ".join(gained),
                "lost": ", ".join(names.chosen(name) for name in base if name not in has),
                "differences": len(has.keys() ^ base.keys()),
            }
        )
        for item in whole:  # +1 where it was used, -1 where it was not: the least sum shares least
            seen[choices.decided(item).columns] += 1.0 if choices.chosen(item, x) else -1.0
        for stock in stocks:
            size = stock.of(x)
            if size > 1e-3:
                seen[stock.columns] += stock.factors / size
    common = sorted(name for name in found[0] if all(name in has for has in found))
    return pd.DataFrame(rows), tuple(with_parts(names.chosen(name), *(has[name] for has in found)) for name in common)
