"""What ranges over plans that are nearly as good: stocks, money and suppliers, as sums of columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats, Ints
from ..data.names import Names
from ..model.problem import Problem

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
    """Every figure whose range is looked for."""
    yield from _stocks(problem)
    yield from _spending(problem)
    yield from _suppliers(problem)


def _trunk(problem: Problem, c: int, variable: str, key: object) -> Ints:
    """(T,) columns of the baseline course."""
    part = problem.assembly.operations[c]
    return part.columns(variable, key)[: problem.natural.calendar.periods]


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
                weight * problem.instance.purchase_price(p, trunk.price[0, p.material], trunk.market_gap[0, p.material])
            )
    if columns:
        what = "purchases for the reserve"
        yield Measure("spending", what, what, "million USD", np.concatenate(columns), np.concatenate(factors))
    root = problem.assembly.commitments
    signs = np.array([root.columns("sign", o)[0] for o in range(len(support.options))], dtype=np.int64)
    payments = np.array([float(weight @ option.payments) for option in support.options])
    names = [option.package.instrument.name for option in support.options]
    for name in dict.fromkeys(names):
        mine = np.array([other == name for other in names], dtype=bool) & (payments > 0)
        if mine.any():
            what = f"support by {name}"
            yield Measure("spending", what, what, "million USD", signs[mine], payments[mine])
    topup = np.array([0.0 if o.floor is None else float(weight @ o.floor.budget) for o in support.options])
    floors = (
        np.concatenate([root.columns("floor", m) for m in range(len(support.markets))])
        if support.markets
        else signs[:0]
    )
    market = support.market_outlay @ weight
    if np.any(topup) or np.any(market):
        yield Measure(
            "spending",
            "price floors",
            "price floors",
            "million USD",
            np.concatenate([signs, floors]),
            np.concatenate([topup, market]),
        )
    fees = [float(problem.instance.contract_fee[k.source] * weight[k.start : k.end].sum()) for k in structure.contracts]
    contracts = [int(root.columns("contract", k)[0]) for k in range(len(structure.contracts))]
    signed = np.array([float(weight @ o.fees) for o in support.options])
    if any(fees) or np.any(signed):
        both = np.concatenate([np.array(contracts, dtype=np.int64), signs])
        yield Measure(
            "spending", "offtake fees", "offtake fees", "million USD", both, np.concatenate([np.array(fees), signed])
        )


def _suppliers(problem: Problem) -> Iterable[Measure]:
    """What countries, and home with allies, make in the last planned period, against home demand; some of it may be exported."""
    n, t, names = problem.natural, problem.natural.calendar.planned - 1, Names.of(problem.data)
    for c, shape in enumerate(problem.structure.component_sets):
        for i in shape.materials:
            wanted = float(n.demand[n.demand_material == i, t].sum())
            producers = [j for j in (*shape.sources, *(n.sources + p for p in shape.projects)) if n.yields[j, i] > 0]
            if wanted <= 0 or not producers:
                continue
            able: dict[str, float] = {}
            for j in producers:
                if j < n.sources:
                    able[n.country[j]] = able.get(n.country[j], 0.0) + float(n.capacity[j, t] * n.yields[j, i])
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
