"""Rules of operations: what runs, flows, is stored and bought on every path, in tonnes.

`AuditContext` holds a solution beside the facts that all rules need. A rule is a function that yields its rows: where, by how
much the row is violated, and how large its amounts are."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from ..core.frames import Floats
from ..core.stats import BASELINE_COURSE
from ..matrix.problem import Problem
from ..matrix.solution import OPERATIONS, Solution
from ..world.instance import Instance, Purchase
from .accounts import Accounts, open_accounts
from .packages import SignedPackage
from .producers import PathData, begins, tier_room

Row = tuple[str, Any, Any]
"""(where, violation, scale): numbers, or arrays over years (1 axis) or over paths and periods (2 axes)."""


class AuditContext:
    """A solution beside the facts that its rules need."""

    def __init__(
        self, problem: Problem, solution: Solution, z0: Solution | None, path_data: PathData | None = None
    ) -> None:
        self.problem, self.x, self.z0 = problem, solution, z0
        self.n: Instance = problem.natural
        self.accounts: Accounts = open_accounts(problem, solution, path_data, z0)
        self.path_data = self.accounts.path_data
        self.y = [[(i, float(v)) for i, v in enumerate(row) if v != 0] for row in self.n.yields]
        known = {p.name: p for shape in problem.structure.component_sets for p in shape.purchases}
        self.purchases: list[Purchase] = [known[name] for name in solution.purchases]

    @cached_property
    def size(self) -> Floats:
        """(I,) largest flow of a material in a year, or its stock at the start [t]: the scale of its rows."""
        largest = self.n.opening * self.n.calendar.step
        for q, i in enumerate(self.n.demand_material):
            largest[i] = max(largest[i], self.path_data.demand[:, q].max())
        for j, row in enumerate(self.y):
            for i, y in row:
                largest[i] = max(largest[i], abs(y) * self.n.capacity[j].max())
        return np.asarray(largest / self.n.calendar.step)

    def scale(self, j: int) -> float:
        """Size of a producer's main output per unit of activity [t]."""
        i, y = max(self.y[j], key=lambda pair: pair[1])
        return float(self.size[i] / y)

    def use(self, j: int) -> Floats:
        """(W, T) run + hold."""
        return np.asarray(self.x.output[:, j] + self.x.reserve_output[:, j])

    def unmet(self, q: int) -> Floats:
        """(W, T) substitution and shortfall of a demand."""
        steps = [self.x.substitute[:, h] for h, (of, _) in enumerate(self.n.steps) if of == q]
        tiers = [self.x.shortfall[:, k] for k, (of, _) in enumerate(self.n.tiers) if of == q]
        return np.asarray(sum([*steps, *tiers], np.zeros_like(self.path_data.demand[:, q])))

    def bought(self, j: int, i: int | None = None) -> list[tuple[int, int]]:
        """(purchase, material) pairs from producer j."""
        return [(b, p.material) for b, p in enumerate(self.purchases) if p.source == j and i in (None, p.material)]

    def tight_output(self, j: int) -> Floats:
        """(W, T) share of the period in which an output of a producer is tight."""
        share = np.zeros(self.path_data.crisis[:, 0].shape)
        for i, y in self.y[j]:
            if y > 0:
                share = np.maximum(share, self.path_data.crisis[:, i])
        return share

    def kappa(self, j: int) -> Floats:
        """(W, T) kappa while an output is tight, 1 for the rest of the period."""
        share = self.tight_output(j)
        return np.asarray(share * float(self.n.kappa[j]) + (1 - share))

    def crisis(self, signing: SignedPackage) -> Floats:
        """(W, T) kappa + (1-kappa)*offtake while an output is tight, 1 for the rest of the period."""
        kappa = self.kappa(self.n.projects[signing.project].producer)
        return np.asarray(kappa + (1 - kappa) * signing.package.offtake)

    def signings(self, p: int) -> list[SignedPackage]:
        """Signed packages of a project."""
        return [signing for signing in self.accounts.signings if signing.project == p]

    def year(self, f: int) -> Any:
        """(T,) periods of a fiscal year."""
        return self.n.calendar.year_index == f

    def place(self, at: tuple[int, ...]) -> list[str]:
        """Path, period or fiscal year of an entry of a row."""
        calendar = self.n.calendar
        if len(at) < 2:
            return [f"FY{calendar.years[at[0]]}"] if at else []
        return [
            BASELINE_COURSE if at[0] == 0 else self.path_data.scenarios.names[at[0] - 1],
            calendar.period_label(at[1]),
        ]


def material_balance(k: AuditContext) -> Iterable[Row]:
    """sum_j (y run + min(y,0) hold) + release + sum_k (substitute + shortfall + pull) = sum_k (delta demand + refill) + surplus
    [t]."""
    for i, name in enumerate(k.n.materials):
        left = k.x.release[:, i] - k.x.surplus[:, i]
        for j, row in enumerate(k.y):
            for made, y in row:
                if made == i:
                    left = left + y * k.x.output[:, j] + min(y, 0.0) * k.x.reserve_output[:, j]
        for q, wanted in enumerate(k.n.demand_material):
            if wanted == i:
                left = left + k.unmet(q) - k.path_data.demand[:, q]
        for u, (held, _) in enumerate(k.n.users):
            if held == i:
                left = left + k.x.users_pull[:, u] - k.x.users_refill[:, u]
        yield name, abs(left), k.size[i]


def segment_bound(k: AuditContext) -> Iterable[Row]:
    """sum_n shortfall + sum substitute + pull <= delta demand  [t]: nobody goes short of what he did not want."""
    for q, name in enumerate(k.n.demands):
        own = sum((k.x.users_pull[:, u] for u, (_, of) in enumerate(k.n.users) if of == q), np.zeros(1))
        yield "/".join(name), k.unmet(q) + own - k.path_data.demand[:, q], k.size[k.n.demand_material[q]]


def shortfall_tier(k: AuditContext) -> Iterable[Row]:
    """shortfall[n] <= share[n] delta demand  [t]; under `loss.spikes` of the part of the period under a cut alone."""
    for m, (q, tier) in enumerate(k.n.tiers):
        most = tier_room(k.path_data, m) * k.path_data.demand[:, q]
        yield f"{'/'.join(k.n.demands[q])} tier {tier}", k.x.shortfall[:, m] - most, k.size[k.n.demand_material[q]]


def substitution_limit(k: AuditContext) -> Iterable[Row]:
    """substitute[h] <= limit[h] delta demand  [t]."""
    for h, (q, step) in enumerate(k.n.steps):
        most = k.n.step_limit[h] * k.path_data.demand[:, q]
        yield f"{'/'.join(k.n.demands[q])} step {step}", k.x.substitute[:, h] - most, k.size[k.n.demand_material[q]]


def surplus_limit(k: AuditContext) -> Iterable[Row]:
    """surplus[i] <= sum_j max(y,0) run  [t]: stock does not leave through exports."""
    for i, name in enumerate(k.n.materials):
        made = sum((y * k.x.output[:, j] for j, row in enumerate(k.y) for m, y in row if m == i and y > 0), np.zeros(1))
        yield name, k.x.surplus[:, i] - made, k.size[i]


def stock_balance(k: AuditContext) -> Iterable[Row]:
    """stock[t] = (1-decay) stock[t-1] + sum buy + received - sent - release - sell  [t]; before period 1 the opening stock."""
    for i, name in enumerate(k.n.materials):
        before = np.concatenate([np.full((len(k.x.stock), 1), k.n.opening[i]), k.x.stock[:, i, :-1]], axis=1)
        bought = sum((k.x.acquisition[:, b] for b, p in enumerate(k.purchases) if p.material == i), np.zeros(1))
        now = (1 - k.n.decay[i]) * before + bought - k.x.release[:, i] - k.x.disposal[:, i]
        now = now + k.x.received[:, i] - k.x.sent[:, i]
        yield name, abs(k.x.stock[:, i] - now), k.size[i] + before


def pool_balance(k: AuditContext) -> Iterable[Row]:
    """sum of a pool received - sent = 0  [t]; a material of no pool moves nothing."""
    for name in dict.fromkeys(k.n.pool):
        mine = [i for i, pool in enumerate(k.n.pool) if pool == name]
        if name:
            moved = k.x.received[:, mine].sum(axis=1) - k.x.sent[:, mine].sum(axis=1)
            yield name, abs(moved), max(float(k.size[i]) for i in mine)
        else:
            for i in mine:
                yield k.n.materials[i], k.x.received[:, i] + k.x.sent[:, i], k.size[i]


def pool_when(k: AuditContext) -> Iterable[Row]:
    """received + sent <= 0  [t] in a disruption where stock is divided before it, and before one where it is given by need."""
    for i, name in enumerate(k.n.materials):
        if k.n.pool[i]:
            struck = k.path_data.branch[:, k.n.component[i]] | (k.path_data.cut[:, i] > 0)
            closed = struck != k.n.pooled_in_events[i]
            yield name, (k.x.received[:, i] + k.x.sent[:, i]) * closed, k.size[i]


def seller_limit(k: AuditContext) -> Iterable[Row]:
    """Purchases of all offers of one seller, or under one ceiling, <= what it sells or allows in the period  [t]."""
    for g, name in enumerate(k.n.sellers):
        mine = [
            (b, p)
            for b, p in enumerate(k.purchases)
            if k.n.seller_offers[g, p.offer] * (p.offer >= 0)
            or (p.offer < 0 and k.n.form_of[p.material] == k.n.seller_material[g])
        ]
        bought = sum((k.x.acquisition[:, b] for b, _ in mine), np.zeros(1))
        if mine:
            yield name, bought - k.n.seller_depth[g], max(float(k.size[p.material]) for _, p in mine)


def stock_storage(k: AuditContext) -> Iterable[Row]:
    """stock <= storage  [t]."""
    yield from ((name, k.x.stock[:, i] - k.n.storage[i], k.size[i]) for i, name in enumerate(k.n.materials))


def reserve_production(k: AuditContext) -> Iterable[Row]:
    """y[j,i] hold[j] >= sum of the reserve's purchases of i from j  [t]: joint products are made together."""
    for j, name in enumerate(k.n.producers):
        for i in {i for _, i in k.bought(j)}:
            bought = sum(k.x.acquisition[:, b] for b, _ in k.bought(j, i))
            yield f"{name}/{k.n.materials[i]}", bought - k.n.yields[j, i] * k.x.reserve_output[:, j], k.size[i]


def reserve_production_limit(k: AuditContext) -> Iterable[Row]:
    """hold[j] <= sum_o buy[o]/y[j,i(o)]  [t]: nothing is made for the reserve that it does not buy."""
    for j, name in enumerate(k.n.producers):
        bought = sum((k.x.acquisition[:, b] / k.n.yields[j, i] for b, i in k.bought(j)), np.zeros(1))
        yield name, k.x.reserve_output[:, j] - bought, k.scale(j)


def source_capacity(k: AuditContext) -> Iterable[Row]:
    """use <= rho (kappa_t K + (1-kappa_t) honoured contracts in force)  [t]; kappa_t = kappa while tight, else 1."""
    yield from ((k.n.producers[j], k.use(j) - open_capacity(k, j), k.scale(j)) for j in range(k.n.sources))


def open_capacity(k: AuditContext, j: int) -> Floats:
    """(W, T) what a source gives home users and the reserve, its survival aside."""
    kappa = k.kappa(j)
    kept = (1 - kappa) * float(k.n.honoured[j])
    return np.asarray(k.path_data.rho[:, j] * (kappa * k.n.capacity[j] + kept * in_force(k, j)))


def in_force(k: AuditContext, j: int) -> Floats:
    """(T,) tonnes per period under offtake contracts with source j."""
    total = np.zeros(k.n.calendar.periods)
    for number, contract in enumerate(k.problem.structure.contracts):
        if contract.source == j:
            total[contract.start : contract.start + k.n.contract_term[j]] += k.x.contract[number]
    return total


def source_survival(k: AuditContext) -> Iterable[Row]:
    """use <= rho K (alive0 + sum_m floor (alive_m - alive0))  [t]: a plant shut by its price gives nothing."""
    yield from ((k.n.producers[j], k.use(j) - living_capacity(k, j), k.scale(j)) for j in range(k.n.sources))


def living_capacity(k: AuditContext, j: int) -> Floats:
    """(W, T) what a source can make while its price keeps it open."""
    alive = k.path_data.alive[:, j].copy()
    for market in k.accounts.markets:
        alive += market.share * (market.alive[:, j] - k.path_data.alive[:, j])
    return np.asarray(k.path_data.rho[:, j] * k.n.capacity[j] * alive)


def project_capacity(k: AuditContext) -> Iterable[Row]:
    """use <= K rho sum ramp alive crisis sign  [t]."""
    for p, project in enumerate(k.n.projects):
        yield project.name, k.use(project.producer) - signed_capacity(k, p), k.scale(project.producer)


def signed_capacity(k: AuditContext, p: int) -> Floats:
    """(W, T) what a project can make of what was signed for it."""
    j = k.n.projects[p].producer
    given = sum((signing.share * signing.output * k.crisis(signing) for signing in k.signings(p)), np.zeros(1))
    added = k.n.capacity[j, 0] * (1 - k.n.projects[p].chance)  # the rest is a source of its own
    return np.asarray(added * k.path_data.rho[:, j] * given)


class Bottlenecks:
    """What keeps a material that is short from being made: the stage of its chain whose makers give all that they can."""

    def __init__(self, k: AuditContext) -> None:
        self.k, self.project = k, {project.producer: p for p, project in enumerate(k.n.projects)}
        self._most: dict[int, Floats] = {}

    def of(self, i: int, w: int, t: int) -> tuple[int, ...]:
        """Materials, stages of the chain of i, that limit it on a path and in a period; itself where its own makers do."""
        return tuple(sorted(self._limits(i, w, t, False, frozenset())))

    def _idle(self, j: int, w: int, t: int, clean: bool) -> bool:
        """Whether a producer could make more, of clean feed where that is asked for."""
        if j not in self._most:
            n = self.k.n
            if j in self.project:
                most = signed_capacity(self.k, self.project[j])
            else:
                most = np.minimum(open_capacity(self.k, j), living_capacity(self.k, j))
            self._most[j] = np.broadcast_to(most, (len(self.k.x.output), n.calendar.periods))
        run = self.k.x.clean_output[w, j, t] + self.k.x.reserve_output[w, j, t] if clean else self.k.use(j)[w, t]
        return bool(self._most[j][w, t] - run > IDLE * self.k.scale(j))

    def _limits(self, i: int, w: int, t: int, clean: bool, above: frozenset[int]) -> set[int]:
        n, rules, base = self.k.n, self.k.n.procurement, int(self.k.n.form_of[i])
        makers = [j for j in np.flatnonzero(n.yields[:, base] > 0).tolist() if rules.clean[j] or not clean]
        if base != i:  # what a form is made of, and of that what counts for it
            clean = bool(rules.clean_users[i, t])
            makers = [j for j in makers if rules.qualified[j, i, t]]
        found: set[int] = set()
        for j in makers:
            if not self._idle(j, w, t, clean):
                continue
            inputs = [m for m in np.flatnonzero(n.yields[j] < 0).tolist() if m not in above]
            lacking = [limits for m in inputs if (limits := self._limits(m, w, t, clean, above | {base}))]
            if not lacking:
                return set()  # more could be made
            found |= set.union(*lacking)
        return found or {i}


IDLE = 1e-4
"""Share of a material's yearly flow that a producer can make more, above which it is idle."""


def floor_purchase(k: AuditContext) -> Iterable[Row]:
    """buy <= min(take, K y) ramp rho alive crisis sign  [t] while the purchase floor is in force, else 0."""
    periods = np.arange(k.n.calendar.periods)
    for b, purchase in enumerate(k.purchases):
        if purchase.offer < 0:
            j, i, most = purchase.source, purchase.material, np.zeros(1)
            for signing in k.signings(j - k.n.sources):
                if signing.own is not None and (signing.own.kind, signing.own.material) == ("purchase", i):
                    take = min(signing.own.take, k.n.capacity[j, 0] * k.n.yields[j, i])
                    begin = begins(signing.own, signing.signed + k.n.projects[signing.project].lead)
                    take = take * ((periods >= begin) & (periods < begin + signing.own.term))
                    take = take * (1 - k.n.projects[signing.project].chance)
                    most = most + signing.share * take * signing.output * k.path_data.rho[:, j] * k.crisis(signing)
            yield purchase.name, k.x.acquisition[:, b] - most, k.size[i]


def offer_depth(k: AuditContext) -> Iterable[Row]:
    """buy <= depth times the availability of the source's controlled flow, or an outside offer's own while tight  [t]."""
    for b, purchase in enumerate(k.purchases):
        if purchase.offer >= 0:
            o, i = purchase.offer, purchase.material
            j = int(k.n.offer_source[o])
            squeezed = k.path_data.crisis[:, i]
            share = k.path_data.direct[:, j] if j >= 0 else squeezed * k.n.offer_crisis[o] + (1 - squeezed)
            yield purchase.name, k.x.acquisition[:, b] - k.n.offer_depth[o] * share, k.size[i]


def release_limit(k: AuditContext) -> Iterable[Row]:
    """release <= drawdown where tight, else 0; on the trunk 0 unless the plan lets it  [t]."""
    for i, name in enumerate(k.n.materials):
        branch = k.path_data.branch[:, k.n.component[i]]
        opened = k.path_data.tight[:, i] | (~branch & k.n.plan.instruments.trunk_release)
        yield name, k.x.release[:, i] - np.where(opened, k.n.drawdown[i], 0.0), k.size[i]


def disposal_limit(k: AuditContext) -> Iterable[Row]:
    """sell <= disposal ceiling; nothing while tight; on the trunk 0 unless the plan lets it  [t]."""
    for i, name in enumerate(k.n.materials):
        branch = k.path_data.branch[:, k.n.component[i]]
        opened = ~k.path_data.tight[:, i] & (branch | k.n.plan.instruments.trunk_disposal)
        yield name, k.x.disposal[:, i] - np.where(opened, k.n.disposal[i], 0.0), k.size[i]


def users_stock_balance(k: AuditContext) -> Iterable[Row]:
    """level[t] = level[t-1] + refill - pull, with level = L - missing; before the first period as the plan states it  [t]."""
    for u, (i, _) in enumerate(k.n.users):
        missing = k.x.users_missing[:, u]
        lacking = np.full((len(missing), 1), k.n.users_missing[u])
        before = np.concatenate([lacking, missing[:, :-1]], axis=1)
        now = before + k.x.users_pull[:, u] - k.x.users_refill[:, u]
        yield stock_of_users(k, u), abs(missing - now), k.size[i]


def users_stock_level(k: AuditContext) -> Iterable[Row]:
    """0 <= level; pull where tight, refill where not, in branches alone; full on a trunk where nothing has begun or lacks [t]."""
    for u, (i, _) in enumerate(k.n.users):
        begun = k.n.users_missing[u] > 0 or bool(k.path_data.cut[0, i].any())
        branch, tight = k.path_data.branch[:, k.n.component[i]] | begun, k.path_data.tight[:, i]
        level = float(k.n.users_level[u])
        for name, flow, allowed in (
            ("missing", k.x.users_missing, branch),
            ("pull", k.x.users_pull, branch & tight),
            ("refill", k.x.users_refill, branch & ~tight),
        ):
            yield f"{stock_of_users(k, u)} {name}", flow[:, u] - np.where(allowed, level, 0.0), k.size[i]


def plant_pull(k: AuditContext) -> Iterable[Row]:
    """pull <= sum_j max(-y,0) use  [t], of stocks that plants hold: they serve nobody else."""
    for u, (i, of) in enumerate(k.n.users):
        if of < 0:
            used = sum((-y * k.use(j) for j, row in enumerate(k.y) for m, y in row if m == i and y < 0), np.zeros(1))
            yield stock_of_users(k, u), k.x.users_pull[:, u] - used, k.size[i]


def stock_of_users(k: AuditContext, u: int) -> str:
    """Whose stock it is, and of what."""
    i, q = k.n.users[u]
    return f"{k.n.materials[i]}/{k.n.demands[q][1] if q >= 0 else 'plants'}"


def nonnegativity(k: AuditContext) -> Iterable[Row]:
    """All decisions >= 0  [t, million USD or share]."""
    largest = float(k.size.max(initial=0.0))
    for name in (*OPERATIONS, "sign", "contract", "floor", "unspent", "shared_money", "short_of_promise"):
        values = getattr(k.x, name)
        yield name, -values.min(initial=0.0), largest if name in OPERATIONS else 1.0


def non_anticipativity(k: AuditContext) -> Iterable[Row]:
    """Until its component is touched a scenario does what the trunk does  [t]."""
    n = k.n
    of = {
        "output": [next(i for i, _ in row) for row in k.y],
        "acquisition": [p.material for p in k.purchases],
        "release": range(len(n.materials)),
        "substitute": [n.demand_material[q] for q, _ in n.steps],
        "shortfall": [n.demand_material[q] for q, _ in n.tiers],
    }
    of |= {name: [i for i, _ in n.users] for name in ("users_pull", "users_refill", "users_missing")}
    of |= dict.fromkeys(("reserve_output", "clean_output"), of["output"])
    of |= dict.fromkeys(("disposal", "stock", "sent", "received", "surplus"), of["release"])
    for name, materials in of.items():
        values = getattr(k.x, name)
        for a, i in enumerate(materials):
            difference = np.where(k.path_data.branch[:, n.component[i]], 0.0, abs(values[:, a] - values[:1, a]))
            yield f"{name} {n.materials[i]}", difference, k.size[i]


Rule = Callable[[AuditContext], Iterable[Row]]

OPERATING: tuple[Rule, ...] = (
    material_balance,
    segment_bound,
    shortfall_tier,
    substitution_limit,
    surplus_limit,
    stock_balance,
    stock_storage,
    pool_balance,
    pool_when,
    seller_limit,
    reserve_production,
    reserve_production_limit,
    source_capacity,
    source_survival,
    project_capacity,
    floor_purchase,
    offer_depth,
    release_limit,
    disposal_limit,
    users_stock_balance,
    users_stock_level,
    plant_pull,
    nonnegativity,
    non_anticipativity,
)
"""Every rule of operations."""
