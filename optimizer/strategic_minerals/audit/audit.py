"""An independent audit of a solution: every rule of the formulation checked, social cost added up again.

Written from sections 3 to 7 of the formulation in plain loops over natural data (tonnes, million USD), one function a
family of rules. Here: the verdict, and the families of policy, commitments and money; those of operations are in
`audit.operations`, what was signed and its money in `audit.accounts`, the facts behind in `audit.scenario_data`. A violation
counts where it exceeds `TOLERANCE * (1 + scale of the row)`, the scale being the material's yearly flow (for a
producer, that of its main output), or the money in the row: the solver works to a millionth of units of about that
size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import Bools
from ..model.problem import Problem
from ..model.solution import Solution
from .accounts import already_owed, cvar, losses, open_accounts, outlays, purchase_terms, social_cost
from .figures import Figures
from .operations import OPERATING, AuditContext, Row, Rule, in_force
from .packages import SignedPackage, objections, signed_package
from .scenario_data import is_baseline, tightness, worst_state
from .statements import differences, recomputed

TOLERANCE = 1e-6
BEYOND = 1e300
"""Violation of what is no number, or another text."""
STATEMENTS = "statements"
"""The family of what an answer states of itself."""
DAYS_PER_YEAR = 365.0


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


def supplier_share(k: AuditContext) -> Iterable[Row]:
    """Trunk: country's supply <= cap * use + excess, or group's supply - surplus >= share * use - excess  [t].

    In every period in which somebody can be on the trunk.
    use = sum_k (demand - substitute - shortfall) + inputs of run and hold; supply = sum y+ run.
    """
    for r, rule in enumerate(k.n.plan.diversification):
        if rule.material not in k.n.materials:
            continue
        i = k.n.materials.index(rule.material)
        used = sum(
            (k.path_data.demand[0, q] - k.unmet(q)[0] for q, m in enumerate(k.n.demand_material) if m == i), np.zeros(1)
        )
        supplied = np.zeros(k.n.calendar.periods)
        for j, row in enumerate(k.y):
            group = k.n.home[j] if rule.group == "home" else k.n.allied[j]
            member = k.n.country[j] == rule.country if rule.kind == "country_cap" else group
            for m, y in row:
                if m == i:
                    used = used + max(-y, 0.0) * k.use(j)[0]
                    supplied += max(y, 0.0) * k.x.output[0, j] * bool(member)
        over = (
            supplied - rule.share * used
            if rule.kind == "country_cap"
            else rule.share * used - supplied + k.x.surplus[0, i]
        )
        over = over - (0.0 if rule.hard else k.x.excess[0, r])
        ruled = _since(k, rule.from_year) & (k.path_data.reached[k.n.component[i]] > 0)
        yield f"{rule.kind} {rule.material}", (over * ruled)[None], k.size[i]


def trunk_shortfall(k: AuditContext) -> Iterable[Row]:
    """Trunk shortfall of a material under a diversification rule <= its value in Z0  [t].

    The model leaves a millionth of its unit as room; a unit is less than four times the material's yearly demand.
    """
    for i in {k.n.materials.index(d.material) for d in k.n.plan.diversification if d.material in k.n.materials}:
        tiers = [m for m, (q, _) in enumerate(k.n.tiers) if k.n.demand_material[q] == i]
        if k.z0 is not None:
            yield (
                k.n.materials[i],
                (
                    (k.x.shortfall[0, tiers] - k.z0.shortfall[0, tiers]).sum(axis=0)
                    * (k.path_data.reached[k.n.component[i]] > 0)
                )[None],
                4 * k.size[i],
            )


def days_of_cover(k: AuditContext) -> Iterable[Row]:
    """stock >= days/365 * (demand + inputs - output of existing home sources, per year), on the trunk  [t]."""
    for rule in k.n.plan.days_of_cover:
        if rule.material in k.n.materials:
            i = k.n.materials.index(rule.material)
            net = sum(
                (k.n.demand[q] for q, m in enumerate(k.n.demand_material) if m == i), np.zeros(k.n.calendar.periods)
            )
            for j in range(k.n.sources):
                if k.n.home[j]:
                    net = net - float(k.n.yields[j, i]) * k.n.capacity[j] * k.n.availability[j]
            needed = rule.days / DAYS_PER_YEAR * np.maximum(0.0, net) / k.n.calendar.step
            yield rule.material, (_since(k, rule.from_year) * (needed - k.x.stock[0, i]))[None], k.size[i]


def service_level(k: AuditContext) -> Iterable[Row]:
    """sum over onset..end of shortfall - slack <= (1-level) * sum of delta demand, in the scenarios it names  [t]."""
    for r, level in enumerate(k.n.plan.service_levels):
        if (level.material, level.segment) not in k.n.demands:
            continue
        q = k.n.demands.index((level.material, level.segment))
        i = int(k.n.demand_material[q])
        tiers = [m for m, (of, _) in enumerate(k.n.tiers) if of == q]
        for s, name in enumerate(k.path_data.scenarios.names):
            begin, end = (
                int(edge[s, k.n.component[i]]) for edge in (k.path_data.scenarios.onset, k.path_data.scenarios.end)
            )
            window = np.array([begin <= t < end for t in range(k.n.calendar.periods)])
            if name not in level.scenarios or not window.any():
                continue
            years = range(len(k.n.calendar.years)) if level.per == "fiscal_year" else [-1]
            for f in years:
                inside = window & (k.year(f) if f >= 0 else True)
                short = (
                    k.x.shortfall[1 + s, tiers][:, inside].sum()
                    - (1 - level.level) * k.path_data.demand[1 + s, q, inside].sum()
                )
                slack = k.x.short_of_promise[s, r, f] if level.penalty_usd_per_kg is not None else 0.0
                yield f"{level.material}/{level.segment} {name}", short - slack, k.size[i]


def _since(k: AuditContext, year: int) -> Bools:
    """(T,) periods of fiscal years from one on."""
    return np.array([k.n.calendar.years[f] >= year for f in k.n.calendar.year_index], dtype=bool)


def one_package(k: AuditContext) -> Iterable[Row]:
    """sum_{l,t0} sign <= 1 for each project; = 1 where its owner builds it anyway  [-]."""
    for p, project in enumerate(k.n.projects):
        total = sum(signing.share for signing in k.signings(p))
        yield project.name, abs(total - 1) if is_baseline(k.n, project) else total - 1, 0.0


def project_logic(k: AuditContext) -> Iterable[Row]:
    """p needs q: sum sign[p] <= sum sign[q]; p excludes q: sum sign[p] + sum sign[q] <= 1  [-]."""
    total = [sum(signing.share for signing in k.signings(p)) for p in range(len(k.n.projects))]
    for p, project in enumerate(k.n.projects):
        yield from ((f"{project.name} needs", total[p] - total[q], 0.0) for q in project.needs)
        yield from ((f"{project.name} excludes", total[p] + total[q] - 1, 0.0) for q in project.excludes)


def one_market_floor(k: AuditContext) -> Iterable[Row]:
    """sum_m floor[i,m] <= 1  [-] for each material; one that earns money on existing producers is not offered."""
    for i, name in enumerate(k.n.materials):
        mine = [market for market in k.accounts.markets if market.market.floor.material == i]
        yield name, sum(market.share for market in mine) - 1, 0.0
        for market in mine:
            yield market.market.name, -sum(b.expected + b.terminal for b in market.bills), 0.0


def beside_market_floor(k: AuditContext) -> Iterable[Row]:
    """With a market floor a project takes the variant that counts on it, and only then  [-].

    sum_{l with m} sign <= floor[m];  sum_{l without} sign + floor[m] <= 1, unless the variant fails participation; a package with
    a floor of its own on the material has no variant.
    """
    for p, project in enumerate(k.n.projects):
        for m, market in enumerate(k.accounts.floors):
            chosen, label = float(k.x.floor[m]), f"{project.name} beside {market.name}"
            yield label, sum(d.share for d in k.signings(p) if m in d.markets) - chosen, 0.0
            if chosen > 0 and market.eligible[project.producer]:
                without = sum(d.share for d in k.signings(p) if excluded(k, d, m))
                yield label, without + chosen - 1 if without > 0 else 0.0, 0.0


def excluded(k: AuditContext, signing: SignedPackage, m: int) -> bool:
    """Whether the deal may not stand beside market floor m: it has a floor of its own on the material, or leaves m aside although
    its variant with m could be signed."""
    floors = k.accounts.floors
    if m in signing.markets or floors[m].floor.material in [floors[a].floor.material for a in signing.markets]:
        return False
    if signing.own is not None and signing.own.material == floors[m].floor.material:
        return True
    chosen = [(a, floors[a]) for a in (*signing.markets, m)]
    return not objections(
        k.path_data, signed_package(k.path_data, signing.project, signing.package, chosen, signing.signed), floors
    )


def package_eligibility(k: AuditContext) -> Iterable[Row]:
    """Signed packages close the gap, leave the owner no worse off, earn the treasury nothing  [million USD, or 1]."""
    for signing in k.accounts.signings:
        for amount, why in objections(k.path_data, signing, k.accounts.floors):
            yield f"{signing.label}: {why}", amount, k.n.projects[signing.project].capex


def contract_lot(k: AuditContext) -> Iterable[Row]:
    """contract = 0 or in [lot, K]  [t/period]."""
    for number, contract in enumerate(k.problem.structure.contracts):
        j, x = contract.source, float(k.x.contract[number])
        lot, most = float(k.n.contract_lot[j]), float(k.n.capacity[j].max())
        yield f"{k.n.producers[j]} from {contract.start}", max(min(x, lot - x), x - most), k.scale(j)


def contracts_in_force(k: AuditContext) -> Iterable[Row]:
    """All contracts in force with a source <= K  [t/period]."""
    for j in range(k.n.sources):
        yield k.n.producers[j], (in_force(k, j) - k.n.capacity[j])[None], k.scale(j)


def integrality(k: AuditContext) -> Iterable[Row]:
    """Market floors, and packages unless they may be signed in part, are signed or not  [-]."""
    yield "market floors", float(abs(k.x.floor - k.x.floor.round()).max(initial=0.0)), 0.0
    if not k.n.plan.instruments.partial_support:
        yield "packages", float(abs(k.x.sign - k.x.sign.round()).max(initial=0.0)), 0.0


def branch_purchases(k: AuditContext) -> Iterable[Row]:
    """Branch purchases at branch prices <= the trunk's planned ones + extra  [million USD], per component and year."""
    paid = np.zeros_like(k.path_data.weight)
    for (i, premium), b, purchase in zip(purchase_terms(k.accounts), range(len(k.purchases)), k.purchases, strict=True):
        if purchase.offer >= 0:
            paid[:, k.n.component[i]] += (1 + premium) * k.path_data.price[:, i] * k.x.acquisition[:, b]
    later = k.path_data.branch[1:]
    for f in range(len(k.n.calendar.years)):
        spent, planned = ((later * money)[:, :, k.year(f)].sum(axis=2) for money in (paid[1:], paid[:1]))
        over = spent - planned - k.x.shared_money[:, :, f]
        for c, name in enumerate(k.n.components):
            yield f"{name} FY{k.n.calendar.years[f]}", over[:, c].max(initial=0.0), planned[:, c].max(initial=0.0)


def calm_purchases(k: AuditContext) -> Iterable[Row]:
    """Where branches may spend what is unspent: their purchases of what is not tight <= the trunk's planned + emergency."""
    if k.n.plan.budget.branch_money != "appropriated":
        return
    most = k.n.by_year(k.n.plan.budget.emergency_musd)
    for c, name in enumerate(k.n.components):
        calm, planned = np.zeros_like(k.path_data.price[:, 0]), np.zeros_like(k.path_data.price[0, 0])
        for (i, premium), b, purchase in zip(
            purchase_terms(k.accounts), range(len(k.purchases)), k.purchases, strict=True
        ):
            if purchase.offer >= 0 and k.n.component[i] == c:
                paid = (1 + premium) * k.path_data.price[:, i] * k.x.acquisition[:, b]
                flooded = k.path_data.price[:, i] < k.path_data.price[:1, i] * (1 - 1e-9)
                calm, planned = calm + paid * (~k.path_data.tight[:, i] | flooded), planned + paid[0]
        later = k.path_data.branch[1:, c]
        for f, year in enumerate(k.n.calendar.years):
            inside = k.year(f)
            over = (later * calm[1:])[:, inside].sum(axis=1) - (later * planned)[:, inside].sum(axis=1) - most[f]
            yield f"{name} FY{year}", over.max(initial=0.0), planned[inside].sum()


def shared_money(k: AuditContext) -> Iterable[Row]:
    """sum_c extra[c,f,s] <= emergency[f] + unspent[f]; unspent = 0 unless the plan leaves it to branches  [million USD]."""
    most = k.n.by_year(k.n.plan.budget.emergency_musd)
    if k.n.plan.budget.branch_money == "appropriated":
        most = most + k.x.unspent
    for s, name in enumerate(k.path_data.scenarios.names):
        yield name, k.x.shared_money[s].sum(axis=0) - most, most


def budget(k: AuditContext) -> Iterable[Row]:
    """trunk outlay[f] + unspent[f] + carry[f] - carry[f-1] <= max(appropriation[f], owed[f])  [million USD].

    owed: what holding the opening stock costs if it stays, which no decision can spare.
    """
    spent, carried, owed = outlays(k.accounts), 0.0, already_owed(k.n)
    for f, year in enumerate(k.n.calendar.years):
        outlay = float(spent[k.year(f)].sum())
        over = outlay + k.x.unspent[f] + k.x.carry[f] - carried - max(k.n.appropriation[f], owed[f])
        yield f"FY{year}", over, max(abs(outlay), k.n.appropriation[f])
        carried = float(k.x.carry[f])


def total_budget(k: AuditContext) -> Iterable[Row]:
    """Outlays of the planned years, and what they leave to branches, <= total, or what is owed anyway  [million USD]."""
    total = k.n.plan.budget.total_musd
    if total is not None:
        total = max(total, sum(already_owed(k.n)[: len(k.n.calendar.planned_years)]))
        spent = outlays(k.accounts)[: k.n.calendar.planned].sum() + k.x.unspent[: len(k.n.calendar.planned_years)].sum()
        yield "planned years", float(spent) - total, total


def carry(k: AuditContext) -> Iterable[Row]:
    """carry[f] <= share * appropriation[f], last year 0  [million USD]."""
    most = k.n.plan.budget.carry_over_share * k.n.appropriation
    most[-1] = 0.0
    yield "carry-over", k.x.carry - most, most


def contingent_liability(k: AuditContext) -> Iterable[Row]:
    """Payments of all floors on trunk survival at w*, net of receipts, <= cap[f]  [million USD]."""
    cap = k.n.plan.budget.liability_cap_musd
    if cap is None:
        return
    owed, most = np.zeros(k.n.calendar.periods), k.n.by_year(cap)
    for holder in k.accounts.holders:
        owed += holder.share * sum((bill.liability for bill in holder.bills), np.zeros_like(owed))
    label = f"at {worst_state(k.n):g} of the price"
    yield label, np.array([owed[k.year(f)].sum() for f in range(len(most))]) - most, most


def cvar_limit(k: AuditContext) -> Iterable[Row]:
    """min_eta eta + E[max(0, loss - eta)]/(1-alpha) <= limit  [million USD]."""
    risk = k.n.plan.risk
    if risk.cvar_limit_musd is not None:
        tail = cvar(losses(k.accounts), k.path_data.scenarios.probability, risk.alpha)
        yield f"alpha {risk.alpha:g}", tail - risk.cvar_limit_musd, max(tail, risk.cvar_limit_musd)


def expected_loss_limit(k: AuditContext) -> Iterable[Row]:
    """sum_s pi[s] loss[s] <= limit  [million USD]."""
    limit = k.n.plan.risk.expected_loss_limit_musd
    if limit is not None:
        expected = float(k.path_data.scenarios.probability @ losses(k.accounts))
        yield "all scenarios", expected - limit, limit


def tight(k: AuditContext) -> Iterable[Row]:
    """Materials and periods in which the scenarios' tightness is not what section 3 says  [count]."""
    own = tightness(k.n, k.path_data.scenarios)
    for s, name in enumerate(k.path_data.scenarios.names):
        for scenarios in (k.path_data.scenarios, k.problem.structure.scenarios):
            yield name, float((scenarios.tight[s] != own[s]).sum()), 0.0


TONNES: tuple[Rule, ...] = (
    *OPERATING,
    supplier_share,
    trunk_shortfall,
    days_of_cover,
    service_level,
    contract_lot,
    contracts_in_force,
)
MONEY: tuple[Rule, ...] = (
    branch_purchases,
    calm_purchases,
    shared_money,
    budget,
    total_budget,
    contingent_liability,
    cvar_limit,
    expected_loss_limit,
    carry,
    package_eligibility,
)
SHARES: tuple[Rule, ...] = (one_package, project_logic, one_market_floor, beside_market_floor, integrality)

FAMILIES: dict[str, tuple[str, Rule]] = {
    **{rule.__name__: ("t", rule) for rule in TONNES},
    **{rule.__name__: ("million USD", rule) for rule in MONEY},
    **{rule.__name__: ("-", rule) for rule in SHARES},
    "tightness": ("count", tight),
}
"""Every family of rules with its unit and the function that checks it."""
