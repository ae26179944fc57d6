"""Plans nearly as good as the best: how far stocks, money and suppliers can move, and portfolios that look quite different.

Modelling to generate alternatives: the main aim may be worse by a stated share of what the plan is worth; within that, one thing
after the other is made as small and as large as possible, and portfolios are sought that share least with those found before
(Brill, Chang and Hopkins 1982; Hop-Skip-Jump). What every near-optimal plan has is firm; what ranges widely is a matter of taste.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from .aims import main_aim
from .compile import INF
from .errors import Fault, PlanError
from .forcing import Choices, with_row
from .frames import notebook_html
from .instance import Floats, Ints
from .price_words import Fixed, fixed_program
from .problem import Problem
from .result import Result
from .solver import Model, Run
from .workforce import workforce

SLACK = 0.05
COUNT = 3
GAP = 1e-3
"""Relative gap of an extreme; where the time limit comes first, the bound says how far it may still go."""
SMALLEST_FACTOR = 1e-9
"""HiGHS drops smaller entries of a row."""
KEEPS = 1e-6
"""Relative room of the limit on the main aim, for rounding."""
LEAST_SUPPLIER = 0.05
"""Share of home demand that a country must be able to make for its range to be looked for."""
SAME = 0.02
"""Share of a range's size, or of one unit, below which a thing counts as fixed."""
EXTREMES = ["kind", "item", "unit", "plan", "least", "least_bound", "most", "most_bound", "kept", "sentence"]


@dataclass(frozen=True)
class Measure:
    """A linear figure of commitments and of the trunk."""

    kind: str
    """stock, spending or supply."""
    item: str
    unit: str
    columns: Ints
    factors: Floats

    def of(self, x: Floats) -> float:
        """Its value at a point."""
        return float(self.factors @ x[self.columns])


@dataclass(frozen=True)
class Alternatives:
    """What near-optimal plans have in common, and how far apart they are."""

    extremes: pd.DataFrame
    """kind (stock: mean over planned periods [t]; spending: discounted [million USD]; supply: what a country makes against home
    demand in the last planned period), item, unit, plan, least and most with the bounds beyond which no near-optimal plan lies,
    kept (both points keep to the limit), sentence."""
    portfolios: pd.DataFrame
    """number (0: the plan), worth_musd, items, gained and lost against the plan, differences."""
    slack: float
    allowed_musd: float
    """What the main aim may be worse by."""
    aim: str

    def _repr_html_(self) -> str:
        """As notebooks show it."""
        return notebook_html(self.summary(), {"How far figures can move": self.extremes, "Other portfolios": self.portfolios})

    def summary(self) -> str:
        """In plain words."""
        lines = [
            f"NEARLY AS GOOD: {self.aim} worse by at most {self.slack:.1%} of what the plan is worth "
            f"({self.allowed_musd:,.4g} million USD). Within that:"
        ]
        lines += [f"  {row.sentence}" for row in self.extremes.itertuples()]
        if len(self.portfolios) > 1:
            lines.append("PORTFOLIOS that share least with the plan and with one another:")
            for row in self.portfolios.iloc[1:].itertuples():
                moves = [f"{word} {names}" for word, names in (("takes", row.gained), ("drops", row.lost)) if names]
                said = "; ".join(moves) or "the same items, other amounts"
                lines.append(f"  {row.number}: worth {row.worth_musd:,.1f} M; {said}")
            common = set.intersection(*(set(items) for items in self.portfolios["items"]))
            lines.append(f"  in all of them: {', '.join(sorted(common)) or 'nothing'}")
        return "\n".join(lines)


def alternatives(
    result: Result, *, slack: float = SLACK, count: int = COUNT, time_limit_s: float = 60.0, workers: int = 1,
    executor: Executor | None = None, on_progress: Callable[[int, int], None] | None = None,
) -> Alternatives:  # fmt: skip
    """Look for near-optimal plans beside a solved one.

    slack: share of the plan's worth by which its main aim may be worse. count: different portfolios sought. time_limit_s: for each
    of the searches, two for each material in stock, instrument and supplier. workers, executor: as in `sweep`. on_progress:
    searches done, and in all.

    Raises InputError for a relaxation, PlanError for a slack or a count that is none.
    """
    if not (0 <= slack <= 1 and count >= 0):
        meant = f"; {slack:g} % is {slack / 100:g}" if 1 < slack <= 100 else ""
        expected = f"a slack between 0 and 1, a share of what the plan is worth{meant}; a count of at least 0"
        raise PlanError([Fault("alternatives", "", "slack", f"slack {slack:g}, count {count}", expected)])
    fixed = fixed_program(result)
    assert fixed.run.x is not None
    measures = list(measured(fixed.problem))
    parts = 1 if executor is None and workers == 1 else min(len(measures), 8 if executor is not None else workers)
    tasks = [tuple(part.tolist()) for part in np.array_split(np.arange(len(measures)), max(1, parts)) if len(part)]
    rows: list[list[object]] = []
    of = len(measures) + bool(count)
    with workforce(executor, workers) as map_over:
        for part in map_over(partial(_extremes, result, slack, time_limit_s), tasks):
            rows += part
            if on_progress is not None:
                on_progress(len(rows), of)
    portfolios = _portfolios(result, fixed, slack, count, time_limit_s)
    if on_progress is not None:
        on_progress(of, of)
    aim = main_aim(result.plan)
    return Alternatives(pd.DataFrame(rows, columns=EXTREMES), portfolios, slack, _allowed(result, slack), aim)


def _allowed(result: Result, slack: float) -> float:
    """Million USD of the main aim."""
    return slack * max(1.0, abs(result.outcome.stages[0][1]))


def _limited(result: Result, fixed: Fixed, slack: float) -> tuple[Model, float]:
    """(the model with its main aim held near the best, the most that this may be [million USD])."""
    assert fixed.run.x is not None
    most = float(fixed.cost @ fixed.run.x) + _allowed(result, slack)
    used = np.flatnonzero(np.abs(fixed.cost) > SMALLEST_FACTOR)
    limited = with_row(fixed.problem.assembly, used, fixed.cost[used], -INF, most, money=True)
    return Model(limited, np.zeros_like(fixed.cost), integer=True), most


def _extremes(result: Result, slack: float, time_limit_s: float, numbers: Sequence[int]) -> list[list[object]]:
    """Rows of `EXTREMES` for some measures. It travels to other processes."""
    fixed = fixed_program(result)
    assert fixed.run.x is not None
    model, most = _limited(result, fixed, slack)
    measures = list(measured(fixed.problem))
    rows: list[list[object]] = []
    for n in numbers:
        measure = measures[n]
        least, low, kept_low = _end(model, fixed, most, measure, 1.0, time_limit_s)
        largest, high, kept_high = _end(model, fixed, most, measure, -1.0, time_limit_s)
        here = measure.of(fixed.run.x)
        row: list[object] = [measure.kind, measure.item, measure.unit, here, least, low, largest, high, kept_low and kept_high]
        rows.append([*row, _sentence(measure, here, (least, low), (largest, high))])
    return rows


def _end(model: Model, fixed: Fixed, most: float, measure: Measure, sign: float, time_limit_s: float) -> tuple[float, float, bool]:
    """(the end found, a bound on it, whether the point keeps to the limit)."""
    cost = np.zeros_like(fixed.cost)
    np.add.at(cost, measure.columns, sign * measure.factors)
    run = _searched(model, fixed, cost, time_limit_s)
    assert run.x is not None
    kept = float(fixed.cost @ run.x) <= most + KEEPS * (1 + abs(most))
    return measure.of(run.x), sign * run.bound, kept


def _searched(model: Model, fixed: Fixed, cost: Floats, time_limit_s: float) -> Run:
    """The least of a figure; the plan itself where nothing better is found in time."""
    assert fixed.run.x is not None
    model.set_cost(cost)  # without a point to begin with: HiGHS has stated bounds above plans when given one
    run = model.run(time_limit_s=time_limit_s, gap=GAP, absolute_gap=1e-6, phase="alternatives")
    if run.x is not None:
        return run
    return Run(run.status, fixed.run.x, float(cost @ fixed.run.x), run.bound, run.seconds, run.iterations, run.nodes)


def _sentence(measure: Measure, here: float, least: tuple[float, float], most: tuple[float, float]) -> str:
    """A range in words, with what is not proven."""
    what = {"stock": f"reserve of {measure.item}", "spending": f"spending on {measure.item}", "supply": measure.item}[measure.kind]
    size = max(abs(most[0]), abs(here), 1e-9)
    least, most = ((0.0 if abs(end) < 1e-9 * size else end, bound) for end, bound in (least, most))
    scale, unit = (100.0, "%") if measure.unit == "share" else (1.0, f" {measure.unit}")
    ends = f"{scale * least[0]:,.4g} to {scale * most[0]:,.4g}{unit}"
    text = f"{what}: {ends} (the plan {scale * here:,.4g})"
    open_ = [
        f"{word} {scale * bound:,.4g} not ruled out" for word, found, bound in (("down to", *least), ("up to", *most))
        if abs(found - bound) > max(SAME, 10 * GAP) * size
    ]  # fmt: skip
    return f"{text}; in the time given {', '.join(open_)}" if open_ else text


def measured(problem: Problem) -> Iterable[Measure]:
    """Every figure whose range is looked for."""
    yield from _stocks(problem)
    yield from _spending(problem)
    yield from _suppliers(problem)


def _trunk(problem: Problem, c: int, variable: str, key: object) -> Ints:
    """(T,) columns of the trunk."""
    part = next(part for part in problem.assembly.stamped if part.label == f"period:{problem.natural.components[c]}")
    return part.columns(variable, key)[: problem.natural.calendar.periods]


def _stocks(problem: Problem) -> Iterable[Measure]:
    n, unit = problem.natural, problem.instance.material_unit
    planned = n.calendar.planned
    for c, shape in enumerate(problem.layout.shapes):
        for i in shape.stocked:
            columns = _trunk(problem, c, "stock", i)[:planned]
            yield Measure("stock", n.materials[i], "t", columns, np.full(planned, float(unit[i]) / planned))


def _spending(problem: Problem) -> Iterable[Measure]:
    """Discounted outlays of planned years: purchases, each kind of capital, fees, floors."""
    n, layout, support = problem.natural, problem.layout, problem.layout.support
    planned = n.calendar.planned
    beta = n.calendar.beta[:planned]
    columns, factors = [], []
    for c, shape in enumerate(layout.shapes):
        for p in shape.purchases:
            columns.append(_trunk(problem, c, "buy", p.name)[:planned])
            factors.append(beta * problem.instance.price[p.material, :planned] * (1 + p.premium))
    if columns:
        yield Measure("spending", "purchases for the reserve", "million USD", np.concatenate(columns), np.concatenate(factors))
    root = problem.assembly.stamped[0]
    signs = np.array([root.columns("sign", o)[0] for o in range(len(support.options))], dtype=np.int64)
    payments = np.array([float(beta @ option.payments[:planned]) for option in support.options])
    names = [option.package.instrument.name for option in support.options]
    for name in dict.fromkeys(names):
        mine = np.array([other == name for other in names], dtype=bool) & (payments > 0)
        if mine.any():
            yield Measure("spending", f"support by {name}", "million USD", signs[mine], payments[mine])
    topup = np.array([0.0 if o.floor is None else float(beta @ o.floor.budget[:planned]) for o in support.options])
    floors = np.concatenate([root.columns("floor", m) for m in range(len(support.markets))]) if support.markets else signs[:0]
    market = support.market_outlay[:, :planned] @ beta
    if np.any(topup) or np.any(market):
        yield Measure("spending", "price floors", "million USD", np.concatenate([signs, floors]), np.concatenate([topup, market]))
    fees = [float(problem.instance.contract_fee[k.source] * beta[k.start : min(k.end, planned)].sum()) for k in layout.contracts]
    contracts = [int(root.columns("contract", k)[0]) for k in range(len(layout.contracts))]
    signed = np.array([float(beta @ o.fees[:planned]) for o in support.options])
    if any(fees) or np.any(signed):
        both = np.concatenate([np.array(contracts, dtype=np.int64), signs])
        yield Measure("spending", "offtake fees", "million USD", both, np.concatenate([np.array(fees), signed]))


def _suppliers(problem: Problem) -> Iterable[Measure]:
    """What countries, and home with allies, make in the last planned period, against home demand; some of it may be exported."""
    n, t = problem.natural, problem.natural.calendar.planned - 1
    for c, shape in enumerate(problem.layout.shapes):
        for i in shape.materials:
            wanted = float(n.demand[n.demand_material == i, t].sum())
            producers = [j for j in (*shape.sources, *(n.sources + p for p in shape.projects)) if n.yields[j, i] > 0]
            if wanted <= 0 or not producers:
                continue
            able: dict[str, float] = {}
            for j in producers:
                if j < n.sources:
                    able[n.country[j]] = able.get(n.country[j], 0.0) + float(n.capacity[j, t] * n.yields[j, i])
            groups = [(country, [j for j in producers if n.country[j] == country])
                      for country, most in able.items() if most >= LEAST_SUPPLIER * wanted]  # fmt: skip
            groups.append(("home and allies", [j for j in producers if n.allied[j]]))
            for name, members in groups:
                if members:
                    columns = np.array([_trunk(problem, c, "run", j)[t] for j in members])
                    made = [float(n.yields[j, i] * problem.instance.producer_unit[j]) / wanted for j in members]
                    item = f"{n.materials[i]} made by {name} against home demand"
                    yield Measure("supply", item, "share", columns, np.array(made))


def _portfolios(result: Result, fixed: Fixed, slack: float, count: int, time_limit_s: float) -> pd.DataFrame:
    """The plan's portfolio, then those that share least with all before."""
    assert fixed.run.x is not None
    choices = Choices(fixed.problem)
    model, _ = _limited(result, fixed, slack)
    whole = [item for item in choices.items if item.kind in ("project", "floor") and choices.decided(item).unit in (
        "projects", "market floors")]  # fmt: skip
    stocks = [measure for measure in measured(fixed.problem) if measure.kind == "stock"]
    zero = float(fixed.cost @ fixed.run.x) - result.outcome.stages[0][1]
    found, seen = [fixed.run.x], np.zeros_like(fixed.cost)
    rows: list[dict[str, Any]] = []
    for number in range(count + 1):
        x = found[-1]
        if number:
            x = np.asarray(_searched(model, fixed, seen, time_limit_s).x)
            found.append(x)
        has = choices.portfolio(x)
        if any(has == row["items"] for row in rows):
            break  # what shares least has been there before: no further one
        base = choices.portfolio(found[0])
        rows.append({
            "number": number, "worth_musd": zero - float(fixed.cost @ x), "items": has,
            "gained": ", ".join(name for name in has if name not in base),
            "lost": ", ".join(name for name in base if name not in has), "differences": len(set(has) ^ set(base)),
        })  # fmt: skip
        for item in whole:  # +1 where it was used, -1 where it was not: the least sum shares least
            seen[choices.decided(item).columns] += 1.0 if choices.chosen(item, x) else -1.0
        for stock in stocks:
            size = stock.of(x)
            if size > 1e-3:
                seen[stock.columns] += stock.factors / size
    return pd.DataFrame(rows)
