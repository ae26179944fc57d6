"""Plans nearly as good as the best: how far stocks, money and suppliers can move, and portfolios that are quite different.

Modelling to generate alternatives: the main aim may be worse by a stated share of what the plan is worth; within that, one thing
after the other is made as small and as large as possible, and portfolios are sought that share least with those found before
(Brill, Chang and Hopkins 1982; Hop-Skip-Jump). What every near-optimal plan has is firm; what ranges widely is a matter of taste.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..audit.figures import Figures
from ..core.arrays import INF, Floats
from ..core.frames import rows_of
from ..core.runner import HERE, Runner, current
from ..core.verb import verb
from ..data.names import Names
from ..formulation.aims import main_aim
from ..formulation.structure import STAGES
from ..highs.run import Run, UnsolvedRun
from ..highs.solver import Model
from ..model.decisions import DecisionIndex, with_parts
from ..model.enlarged import with_row
from ..model.solution import decided_point
from ..results.act_now import ActNow
from ..results.result import Result
from ..results.study import Study, listed
from .measures import SMALLEST_FACTOR, Measure, measured
from .price_ranging import Fixed, fixed_program

SLACK = 0.05
COUNT = 3
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
    count: Annotated[int, Field(ge=0, le=100, description="How many different portfolios to look for.")] = COUNT,
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
            said = "; ".join(moves) or "the same items in other amounts"
            lines.append(f"  {row.number}: {_aim_of(row.aim_musd, unit_of_aim)}; {said}")
        lines.append(f"  In all of them: {', '.join(facts['firm']) or 'nothing'}")
    return lines


def _aim_of(difference: float, unit_of_aim: str) -> str:
    """A portfolio's main aim in words."""
    if unit_of_aim == "worth":
        return f"worth {0.0 - difference:,.1f} M"
    return f"{unit_of_aim} {abs(difference):,.1f} M {'more' if difference > 0 else 'less'} than doing nothing"


def _true_gap(result: Result) -> float:
    """Share of the plan's own worth that its true gap is; `SLACK` where no samples have tested it."""
    tested, worth = ActNow.of(result.tables), abs(result.outcome.objective_musd or 0.0)
    if tested is None or tested.why_not:
        return SLACK
    return min(1.0, max(0.0, tested.figure("gap_limit_musd")) / max(LEAST_SIZE, worth))


SHOWN = {"social_cost": "worth", "spending": "discounted spending"}
"""What the main aim of a portfolio is told as; others as they are called."""
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
    return _Solved(
        fixed, decided_point(fixed.problem.structure, fixed.problem.assembly, result.solution), aim, nothing, allowed
    )


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
        row: list[object] = [
            measure.kind,
            measure.item,
            measure.unit,
            here,
            least,
            low,
            largest,
            high,
            kept_low and kept_high,
        ]
        rows.append([*row, _sentence(measure, here, (least, low), (largest, high))])
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
    what = {"stock": "average reserve of ", "spending": "discounted spending on ", "supply": ""}[
        measure.kind
    ] + measure.words
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
    whole = [
        item
        for item in choices.items
        if item.kind in ("project", "floor") and choices.decided(item).unit in ("projects", "market floors")
    ]
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
        rows.append(
            {
                "number": number,
                "aim_musd": aim - solved.nothing,
                "worth_musd": solved.nothing - aim if is_worth else math.nan,
                "items": tuple(has),
                "gained": ", ".join(
                    with_parts(names.chosen(name), part) for name, part in has.items() if name not in base
                ),
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
