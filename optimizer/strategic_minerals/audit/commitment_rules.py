"""Rules of what is signed, checked by loops over natural data: packages, market floors, offtake contracts."""

from __future__ import annotations

from collections.abc import Iterable

from .operations import AuditContext, Row, Rule, in_force
from .packages import SignedPackage, earned_on_existing_output, objections, signed_package
from .producers import is_baseline


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
            yield market.market.name, earned_on_existing_output(k.path_data, market), 0.0


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


SIGNING: tuple[Rule, ...] = (one_package, project_logic, one_market_floor, beside_market_floor, integrality)
"""In shares."""
ELIGIBILITY: tuple[Rule, ...] = (package_eligibility,)
"""In million USD."""
CONTRACTS: tuple[Rule, ...] = (contract_lot, contracts_in_force)
"""In tonnes."""
