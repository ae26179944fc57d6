"""The one do-nothing reference among those that cost the same (formulation section 12).

Where doing nothing has several best courses, risk measures, caps and avoided losses would hang on which of them a solver happens to
find. Ties are broken in order: cost; trunk shortfall weighted by its loss; trunk shortfall of each material and segment in the
order of the tables; the loss of each branch. All points of least cost are those that leave every column and row with a nonzero
price at its bound: what is left open is minimised in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from ..core.arrays import Bools, Floats, Ints
from ..core.errors import UntrustedError
from ..formulation.structure import TRUNK, Structure
from ..highs.run import SolvedRun
from ..highs.settings import TOLERANCES
from ..highs.solver import Model
from ..model.assembly import Assembly
from ..scenarios.loss_values import loss_values, undisturbed_values
from ..scenarios.risk_measures import quantile

if TYPE_CHECKING:
    from ..decomposition.lshaped import LShaped
    from ..decomposition.subproblems import Cluster

TIE = 1e-9
"""Reduced cost or price of a row, relative to the terms that it is made of, that counts as none; so does one within the solver's
own tolerance, as those of a scenario of next to no probability."""
NOTHING = 1e-9
"""Of a model's units of tonnes, none: an aim that counts no more of its dearest is at its least."""
AT_BOUND = 1e-6
"""Distance from a bound, relative to one more than the value, that is the solver's tolerance."""
DEARER = 1e-9
"""Cost that a face may add by rounding, relative to the terms of the cost."""


class Face:
    """Points of a linear program that cost as little as the best one found; each further aim narrows them."""

    def __init__(self, model: Model, assembly: Assembly, cost: Floats, run: SolvedRun) -> None:
        """model: has `assembly` loaded and has just answered with `run`; its bounds are narrowed from here on."""
        self._model, self._assembly, self.x = model, assembly, run.x
        rows, columns = len(assembly.row_lower), len(cost)
        held = (assembly.value, assembly.index, assembly.start)
        self._matrix = sparse.csr_array(held, shape=(rows, columns), copy=True)  # scipy sorts in place
        self._sizes = abs(self._matrix)
        self._lower, self._upper = assembly.lower.copy(), assembly.upper.copy()
        self._narrow(cost, run)

    def least(self, cost: Floats, time_limit_s: float) -> Floats:
        """The point of the face that an aim, with no negative cost, costs least at; from now on the face is all such points.

        Raises UntrustedError where the solver has no answer: the face holds a point.
        """
        if float(cost @ self.x) <= NOTHING * float(
            cost.max(initial=0.0)
        ):  # it cannot be less: what it counts stays where it is
            self._hold(np.flatnonzero(cost), self._lower)
            return self.x
        self._model.set_cost(cost)
        self._model.configure_feasible_start()
        run = self._model.run(time_limit_s=time_limit_s, phase="reference")
        if not isinstance(run, SolvedRun) or run.status != "optimal":
            raise UntrustedError(f"the reference without a plan was not made unique: {run.status}")
        self.x = run.x
        self._narrow(cost, run)
        return self.x

    def _narrow(self, cost: Floats, run: SolvedRun) -> None:
        """Hold every column and row with a nonzero price at its bound (complementary slackness: so are all best points)."""
        prices, reduced, a = run.prices.row, run.prices.column, self._assembly
        terms = np.abs(cost) + self._sizes.T @ np.abs(prices)
        least = TOLERANCES["dual_feasibility_tolerance"] * a.money_unit
        columns = np.flatnonzero(np.abs(reduced) > np.maximum(TIE * terms, least / a.column_unit))
        self._hold(columns, np.where(reduced > 0, self._lower, self._upper))
        rows = np.flatnonzero(np.abs(prices) > np.maximum(TIE * self._unit_price(terms), least / a.row_unit))
        at, stands = (
            np.where(prices[rows] > 0, a.row_lower[rows], a.row_upper[rows]),
            np.asarray(self._matrix @ self.x)[rows],
        )
        rows, at, stands = (values[_near(at, stands)] for values in (rows, at, stands))
        at = np.where(np.isfinite(at), at, stands)
        self._model.set_row_bounds(rows, at, at)

    def _hold(self, columns: Ints, where: Floats) -> None:
        """Hold columns at a bound, or where they stand if it is none. One that stands elsewhere is left open: its price is within
        the solver's tolerance, and says nothing.
        """
        columns = columns[_near(where[columns], self.x[columns])]
        at = np.where(np.isfinite(where[columns]), where[columns], self.x[columns])
        self._lower[columns], self._upper[columns] = at, at
        self._model.set_bounds(columns, at, at)

    def _unit_price(self, terms: Floats) -> Floats:
        """(rows,) the largest price that a row's own columns suggest: their terms for each unit of the row."""
        length = np.diff(self._assembly.start)
        found, used = np.zeros(len(length)), np.flatnonzero(length)
        if len(used):
            each = terms[self._assembly.index] / np.abs(self._assembly.value)
            found[used] = np.maximum.reduceat(each, self._assembly.start[used])
        return found


def _near(bound: Floats, value: Floats) -> Bools:
    """Whether values stand at their bounds, but for the solver's tolerance; none is as good as one."""
    return ~np.isfinite(bound) | (np.abs(bound - value) <= AT_BOUND * (1 + np.abs(value)))


def settled(
    face: Face, structure: Structure, assembly: Assembly, own: Callable[[Floats], Floats], left: Callable[[], float]
) -> Floats:
    """The point of a face on which nothing is left open that anybody looks at.

    own: turns a cost of the whole model's columns into one of the face's. left: seconds left.
    """
    weighted = own(trunk_shortfall(structure, assembly, weighted=True))
    face.least(weighted, left())
    for q in (
        range(len(structure.instance.demands))
        if float(weighted @ face.x) > NOTHING * float(weighted.max(initial=0.0))
        else ()
    ):
        face.least(own(trunk_shortfall(structure, assembly, demand=q)), left())
    return face.least(own(losses(structure, assembly)), left())


def settled_decomposed(of: LShaped, cost: Floats, x: Floats, left: Callable[[], float]) -> Floats:
    """The same where the model is taken apart: of the master first, with what clusters lean on where it is, then of each cluster.

    cost: (columns,) of the whole model. x: (columns,) its best point.
    """
    parts, settled_x = of.parts, x.copy()
    y, own = x[parts.mine], len(parts.mine)
    leant_on = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(cluster.links for cluster in parts.clusters)]))
    lower, upper = parts.master.lower.copy(), parts.master.upper.copy()
    lower[leant_on], upper[leant_on] = y[leant_on], y[leant_on]
    master = replace(parts.master, lower=lower, upper=upper)

    def of_master(whole: Floats) -> Floats:
        return np.concatenate([whole[parts.mine], np.zeros(len(lower) - own)])

    model = Model(master, of_master(cost), integer=False)
    run = model.run(time_limit_s=left(), phase="reference")
    if isinstance(
        run, SolvedRun
    ):  # where rounding leaves no room beside what is held, the master's point stays as it is
        face = Face(model, master, of_master(cost), run)
        settled_x[parts.mine] = settled(face, of.structure, of.assembly, of_master, left)[:own]
    lost = losses(of.structure, of.assembly)
    for k, point in of.in_clusters(lambda cluster: _least_loss(cluster, y, lost, x, left)):
        settled_x[parts.clusters[k].columns] = point
    return settled_x


def _least_loss(cluster: Cluster, y: Floats, lost: Floats, x: Floats, left: Callable[[], float]) -> Floats:
    """(own columns,) the point of a cluster's best ones at which its scenarios lose least. Raises UntrustedError without an
    answer."""
    part, columns = cluster.part, cluster.columns
    if float(lost[columns] @ x[columns]) <= NOTHING * float(lost.max(initial=0.0)):
        return x[columns]
    lower, upper = part.assembly.lower.copy(), part.assembly.upper.copy()
    lower[part.own :] = upper[part.own :] = y[cluster.links]
    held = replace(part.assembly, lower=lower, upper=upper)
    model = Model(held, part.cost, integer=False)
    basis = cluster.last_basis
    if basis is not None:
        model.restore_basis(basis)
    run = model.run(time_limit_s=left(), phase="reference")
    if not isinstance(run, SolvedRun):  # rounding leaves no room beside what the master holds
        return x[columns]
    aim = np.concatenate([lost[columns], np.zeros(len(cluster.links))])
    return Face(model, held, part.cost, run).least(aim, left())[: part.own]


def trunk_shortfall(
    structure: Structure, assembly: Assembly, *, weighted: bool = False, demand: int | None = None
) -> Floats:
    """(columns,) a cost that adds up trunk shortfall: of one demand [unit], or weighted by its loss v [million USD]."""
    n, cost = structure.instance, np.zeros(len(assembly.lower))
    for part in assembly.operations:
        for variable, key in part.template.columns:
            if variable == "shortfall" and demand in (None, n.tiers[key][0]):
                trunk = part.columns(variable, key)[: n.calendar.periods]  # trunk instances come first
                cost[trunk] = undisturbed_values(n, [key])[0] if weighted else 1.0
    return cost


def losses(structure: Structure, assembly: Assembly) -> Floats:
    """(columns,) a cost that adds up the discounted losses of all branches, and of the trunk, each counted once [million USD]."""
    n, cost = structure.instance, np.zeros(len(assembly.lower))
    for part, sets, blocks in zip(assembly.operations, structure.component_sets, structure.block_index, strict=True):
        trunk, scenarios = loss_values(n, structure.scenarios, sets.tiers, at_risk=True)
        t, s, place = blocks.period, np.maximum(blocks.scenario, 0), {key: k for k, key in enumerate(sets.tiers)}
        for variable, key in part.template.columns:
            if variable == "shortfall":
                k = place[key]
                worth = np.where(blocks.scenario == TRUNK, trunk[k, t], scenarios[s, k, t])
                cost[part.columns(variable, key)] = n.calendar.beta[t] * worth
            elif variable == "substitute":
                cost[part.columns(variable, key)] = n.calendar.beta[t] * n.step_cost[key]
    return cost


def with_tail(structure: Structure, assembly: Assembly, x: Floats) -> Floats:
    """The point with value at risk and tails computed from its losses: the smallest alpha-quantile, and what lies beyond it.

    Where CVaR costs nothing the solver leaves these columns anywhere.
    """
    scenario = assembly.scenarios
    if scenario is None or not structure.uses_risk:
        return x
    found = x.copy()
    loss = x[scenario.columns("scenario_loss", None)]
    eta = quantile(loss, structure.scenarios.probability, structure.instance.plan.risk.alpha)
    found[assembly.commitments.columns("value_at_risk", None)] = eta
    found[scenario.columns("tail", None)] = np.maximum(0.0, loss - eta)
    return found


def dearer(cost: Floats, before: Floats, after: Floats) -> bool:
    """Whether a point costs more than another, beyond rounding."""
    return float(cost @ (after - before)) > DEARER * (1.0 + float(np.abs(cost * before).sum()))
