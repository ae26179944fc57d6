"""An independent audit of a solution: every rule of the formulation checked, social cost added up again.

Written from sections 3 to 7 and 14 of the formulation in plain loops over natural data (tonnes, million USD), one function a
family of rules. Here: the verdict. The families are in `operations`, `policy_rules`, `origin_rules`, `commitment_rules` and
`money_rules`; what was signed and its money in `accounts`, the facts behind in `scenario_data`.

A violation counts where it exceeds `TOLERANCE * (1 + scale of the row)`, the scale being the material's yearly flow (for a
producer, that of its main output), or the money in the row: the solver works to a millionth of units of about that size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..model.problem import Problem
from ..model.solution import Solution
from .accounts import open_accounts, social_cost
from .commitment_rules import CONTRACTS, ELIGIBILITY, SIGNING
from .event_prices import prices_by_market
from .figures import Figures
from .money_rules import MONEY
from .operations import OPERATING, AuditContext, Row, Rule
from .origin_rules import ORIGIN, ORIGIN_OF_SUPPORT
from .policy_rules import POLICY
from .scenario_data import tightness
from .statements import differences, recomputed

TOLERANCE = 1e-6
BEYOND = 1e300
"""Violation of what is no number, or another text."""
STATEMENTS = "statements"
"""The family of what an answer states of itself."""


@dataclass(frozen=True)
class Residual:
    """The worst violation of a family of rules."""

    family: str
    largest: float
    """Violation, 0 or more, at the row where it exceeds what is tolerated by the largest factor."""
    unit: str
    where: str
    tolerated: float = TOLERANCE

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        return (
            f"largest residual {self.largest:.1e} {self.unit} in {self.family}{place}, {self.tolerated:.1e} tolerated"
        )

    @property
    def holds(self) -> bool:
        """Whether the family is kept within tolerance."""
        return self.largest <= self.tolerated


@dataclass(frozen=True)
class Audit:
    """What the audit found."""

    residuals: tuple[Residual, ...]
    parts: dict[str, float]
    """Parts of social cost, discounted expectation [million USD]."""
    objective: float
    """Social cost Z, recomputed [million USD]."""
    passed: bool

    def broken(self) -> tuple[str, ...]:
        """Families that are violated."""
        return tuple(r.family for r in self.residuals if not r.holds)

    def worst(self) -> Residual:
        """The residual that is largest against its tolerance."""
        return max(self.residuals, key=lambda r: r.largest / r.tolerated)

    def frame(self) -> Any:
        """Residuals as a data frame."""
        import pandas as pd

        return pd.DataFrame([{**vars(r), "holds": r.holds} for r in self.residuals])


def audit(
    problem: Problem,
    solution: Solution,
    *,
    z0: Solution | None = None,
    stated: Figures | None = None,
    bounds: Mapping[str, float] | None = None,
) -> Audit:
    """Check every rule and recompute social cost. `z0`, doing nothing, adds the limit on trunk shortfall (section 6).

    stated: what the answer states of itself, compared with what its decisions amount to; bounds: aim -> bound that the solver gave.
    """
    check = AuditContext(problem, solution, z0)
    residuals = [residual(check, family, unit, rows(check)) for family, (unit, rows) in FAMILIES.items()]
    if stated is not None and z0 is not None:
        found = recomputed(check.accounts, open_accounts(problem, z0, check.path_data), bounds or {})
        residuals.append(residual(check, STATEMENTS, "stated", differences(stated, found)))
    parts = social_cost(problem, solution, check.accounts)
    return Audit(tuple(residuals), parts, sum(parts.values()), all(r.holds for r in residuals))


def residual(k: AuditContext, family: str, unit: str, rows: Iterable[Row]) -> Residual:
    """The row that exceeds what is tolerated by the largest factor."""
    worst, largest, tolerated, where = 0.0, 0.0, TOLERANCE, ""
    for label, violation, scale in rows:
        v = np.maximum(0.0, np.nan_to_num(np.asarray(violation, dtype=float), nan=BEYOND, posinf=BEYOND))
        allowed = np.broadcast_to(TOLERANCE * (1 + np.abs(np.asarray(scale, dtype=float))), v.shape)
        if v.size and float((v / allowed).max()) > worst:
            at = np.unravel_index(int((v / allowed).argmax()), v.shape)
            worst, largest, tolerated = float(v[at] / allowed[at]), float(v[at]), float(allowed[at])
            where = ", ".join([label, *k.place(tuple(int(a) for a in at))])
    return Residual(family, largest, unit, where, tolerated)


def tight(k: AuditContext) -> Iterable[Row]:
    """Materials and periods in which the scenarios' tightness is not what section 3 says  [count]."""
    own = tightness(k.n, k.path_data.scenarios)
    for s, name in enumerate(k.path_data.scenarios.names):
        for scenarios in (k.path_data.scenarios, k.problem.structure.scenarios):
            yield name, float((scenarios.tight[s] != own[s]).sum()), 0.0


def scenario_prices(k: AuditContext) -> Iterable[Row]:
    """Prices inside and outside the countries of an event are what its multiples make of the baseline's  [share of the price]."""
    structure = k.problem.structure
    for s, name in enumerate(k.path_data.scenarios.names):
        inside, outside = (price / k.n.price for price in prices_by_market(k.n, k.path_data.scenarios.events[s]))
        for scenarios, instance in ((k.path_data.scenarios, k.n), (structure.scenarios, structure.instance)):
            told = scenarios.price[s] / instance.price
            for mine, its in ((inside, told), (outside, told * scenarios.market_gap[s])):
                yield name, float(np.abs(its / mine - 1).max(initial=0.0)), 0.0


FAMILIES: dict[str, tuple[str, Rule]] = {
    **{rule.__name__: ("t", rule) for rule in (*OPERATING, *POLICY, *CONTRACTS, *ORIGIN)},
    **{rule.__name__: ("million USD", rule) for rule in (*MONEY, *ELIGIBILITY)},
    **{rule.__name__: ("-", rule) for rule in (*SIGNING, *ORIGIN_OF_SUPPORT)},
    "tightness": ("count", tight),
    "scenario_prices": ("-", scenario_prices),
}
"""Every family of rules with its unit and the function that checks it."""
