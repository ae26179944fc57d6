"""An independent audit of a solution: every rule of the formulation checked, social cost added up again.

Written from the formulation in plain loops over natural data (tonnes, million USD), one function a family of rules. Here: the
verdict, rules of policy, origin, commitments and money. Rules of operations are in `operations`, of packages in `packages`; what
was signed and its money in `accounts`, the facts behind in `producers`.

A violation counts where it exceeds `TOLERANCE * (1 + scale of the row)`, the scale being the material's yearly flow (for a
producer, that of its main output), or the money in the row: the solver works to a millionth of units of about that size."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.frames import Bools, Floats
from ..core.stats import MUSD_PER_T
from ..matrix.problem import Problem
from ..matrix.solution import Solution
from ..question.dataset import restated
from ..question.names import UNSUPPORTED
from ..world.events import DisruptionEvent
from ..world.instance import Instance
from .accounts import (
    DAYS,
    already_owed,
    cvar,
    differences,
    due_from_before,
    losses,
    open_accounts,
    outlays,
    purchase_terms,
    recomputed,
    social_cost,
)
from .figures import Figures
from .operations import OPERATING, AuditContext, Row, Rule, in_force
from .packages import SignedPackage, earned_on_existing_output, objections, signed_package
from .producers import PathData, asked_price, is_baseline, owner_npv, tightness, worst_state

# Rules of origin, checked by loops over the rows of the tables: where the authority bought, what it signed, of what feed.
UNKNOWN_ORIGINS = ("", "OTH")
"""They count as excluded."""


@dataclass(frozen=True)
class Excluded:
    """One rule that the plan turns on."""

    countries: tuple[str, ...]
    materials: tuple[str, ...]
    periods: tuple[bool, ...]
    back: bool
    purposes: tuple[str, ...]
    unbound: frozenset[str] = frozenset()
    """Materials of homes that the rule does not bind."""

    def country(self, country: str | None) -> bool:
        """Whether an origin is excluded."""
        return country in self.countries or (country or "") in UNKNOWN_ORIGINS

    def about(self, purpose: str, material: str) -> bool:
        """Whether it says anything of a purpose and a material."""
        named = "*" in self.materials or material in self.materials
        return purpose in self.purposes and named and material not in self.unbound


def rules_in_force(k: AuditContext) -> list[Excluded]:
    """Every rule of the table that the plan's switches turn on for its home, and the plan's own."""
    plan, data = k.n.plan, k.problem.data
    tiers = {row.country: row for row in data.rows("countries")}
    covered = tuple(name for name, row in tiers.items() if row.tier == "covered")
    month = next((row.fiscal_year_month for row in data.rows("homes") if row.home == plan.home), 1)
    step, first = k.n.calendar.step, k.n.calendar.first_year

    def day(months: int) -> float:
        """Days since the year 1 at which a month of the horizon begins."""
        begin = (first - (1 if month >= 7 else 0)) * 12 + month - 1 + months
        return float(dt.date(begin // 12, begin % 12 + 1, 1).toordinal())

    length = round(12 * step)
    edges = [(day(t * length), day((t + 1) * length)) for t in range(k.n.calendar.periods)]

    def listed(names: str) -> tuple[str, ...]:
        return tuple(c for name in names.split() for c in (covered if name == "covered" else (name,)))

    def with_forms(names: list[str]) -> tuple[str, ...]:
        return (*names, *(row.material for row in data.rows("materials") if row.qualified_of in names))

    found = []
    for row in data.rows("origin_rules"):
        on = row.switch in ("law", "practice", "policy") and getattr(plan.procurement, row.switch)
        bound = row.binds.split()
        unbound = [m.material for m in data.rows("materials") if not {"*", m.home or plan.home} & {*bound}]
        if on:
            begin = -1.0 if row.from_date is None else row.from_date.toordinal()
            end = 1e9 if row.to_date is None else row.to_date.toordinal()
            inside = tuple(min(end, until) - max(begin, since) > 1e-6 for since, until in edges)
            to = tuple(row.applies_to.split())
            named = with_forms(row.materials.split())
            free = frozenset(unbound)
            found.append(Excluded(listed(row.countries), named, inside, row.reach_back, to, free))
    for own in plan.procurement.exclusions:
        since = -1.0 if own.from_year is None else own.from_year
        inside = tuple(first + (t + 1) * step - since > 1e-9 for t in range(len(edges)))
        named = with_forms(own.materials.split())
        found.append(Excluded(listed(own.countries), named, inside, own.reach_back, tuple(own.applies_to)))
    return found


class OriginFacts:
    """What the rules make of the producers: who is clean, what is closed when."""

    def __init__(self, k: AuditContext) -> None:
        self.k, self.rules = k, rules_in_force(k)
        data = k.problem.data
        self.rows: dict[str, Any] = {row.activity: row for row in data.rows("activities")}
        self.rows |= {row.project: row for row in data.rows("projects")}
        self.feed = {r.producer: r.origins.split() for r in data.rows("feed_origins") if r.basis == "declared"}
        self.origins = {row.offer: row.origin for row in data.rows("offers")}

    def clean(self, j: int) -> bool:
        """Whether no rule with reach-back excludes a producer or its declared feed."""
        back = [rule for rule in self.rules if rule.back]
        name = self.k.n.producers[j].removesuffix(UNSUPPORTED)
        row, feed = self.rows[name], self.feed.get(name, [])
        takes_modelled = any(y < 0 for _, y in self.k.y[j])
        origins = [name for name in feed if name != "modelled"]
        if not feed or ("modelled" in feed and not takes_modelled):
            origins = [""]
        return not any(rule.country(origin) for rule in back for origin in [row.country, *origins])

    def closed(self, purpose: str, j: int, material: str) -> Floats:
        """(T,) 1 where a producer's output of a material is closed to a purpose."""
        shut = np.zeros(self.k.n.calendar.periods)
        for rule in self.rules:
            dirty = rule.back and not self.clean(j)
            if rule.about(purpose, material) and (rule.country(self.k.n.country[j]) or dirty):
                shut = np.maximum(shut, rule.periods)
        return shut

    def asks_clean(self, purpose: str, material: str) -> Floats:
        """(T,) 1 where a material has to be clean for a purpose."""
        asked = np.zeros(self.k.n.calendar.periods)
        for rule in self.rules:
            if rule.back and rule.about(purpose, material):
                asked = np.maximum(asked, rule.periods)
        return asked


def purchase_origin(k: AuditContext) -> Iterable[Row]:
    """buy <= 0  [t] from an origin that a rule closes to purchases, while it does."""
    known = OriginFacts(k)
    for b, purchase in enumerate(k.purchases):
        material = k.n.materials[purchase.material]
        if purchase.source >= 0:
            shut = known.closed("purchases", purchase.source, material)
        else:
            origin, shut = known.origins.get(purchase.name), np.zeros(k.n.calendar.periods)
            for rule in known.rules:
                if rule.about("purchases", material) and (rule.back or rule.country(origin)):
                    shut = np.maximum(shut, rule.periods)
        yield purchase.name, k.x.acquisition[:, b] * shut, k.size[purchase.material]


def support_origin(k: AuditContext) -> Iterable[Row]:
    """sign <= 0  [-] for a package of a project that a rule closes to support at the date of signature."""
    known = OriginFacts(k)
    for p, project in enumerate(k.n.projects):
        made = [k.n.materials[i] for i, y in k.y[project.producer] if y > 0]
        shut = np.max([known.closed("support", project.producer, material) for material in made], axis=0)
        for signing in k.signings(p):
            if signing.package.name != "none":
                yield signing.label, signing.share * float(shut[signing.signed]), 0.0


def offtake_origin(k: AuditContext) -> Iterable[Row]:
    """contract <= 0  [t/period] from a source that a rule closes to offtake when it begins."""
    known = OriginFacts(k)
    for number, contract in enumerate(k.problem.structure.contracts):
        j = contract.source
        made = [k.n.materials[i] for i, y in k.y[j] if y > 0]
        shut = np.max([known.closed("offtake", j, material) for material in made], axis=0)
        uses_feed = any(y < 0 for _, y in k.y[j])
        if uses_feed:  # what it makes of modelled feed may not be reserved where feed is followed back
            shut = np.max([shut, *(known.asks_clean("offtake", material) for material in made)], axis=0)
        label = f"{k.n.producers[j]} from {contract.start}"
        yield label, float(k.x.contract[number] * shut[contract.start]), k.scale(j)


def clean_share(k: AuditContext) -> Iterable[Row]:
    """clean <= run  [t], 0 for producers that rules with reach-back exclude."""
    known = OriginFacts(k)
    for j, name in enumerate(k.n.producers):
        most = k.x.output[:, j] if known.clean(j) else np.zeros(1)
        yield name, k.x.clean_output[:, j] - most, k.scale(j)


def clean_balance(k: AuditContext) -> Iterable[Row]:
    """What is made of clean feed for the reserve and by supported projects is matched by clean feed, input by input  [t].

    sum of clean outputs >= inputs of clean runs, of what is made for the reserve while its purchases have to be clean, and of whole
    runs of projects that support binds."""
    known = OriginFacts(k)
    if not any(rule.back for rule in known.rules):
        return
    for i, name in enumerate(k.n.materials):
        made, taken = np.zeros(k.x.output[:, 0].shape), np.zeros(k.x.output[:, 0].shape)
        sellers = [p.source for p in k.purchases if p.material == i]
        if sellers and k.n.opening[i] == 0 and all(j >= 0 and known.clean(j) for j in sellers):
            made += k.x.release[:, i]  # a stock of clean tonnes alone
        for j, row in enumerate(k.y):
            y = dict(row).get(i, 0.0)
            if y > 0:
                made += y * k.x.clean_output[:, j]
            elif y < 0:
                taken -= y * (_clean_run(k, known, j) + k.x.reserve_output[:, j] * _asked_of_purchases(k, known, j))
                taken -= y * k.x.output[:, j] * _asked_of_form(k, known, j)
        if (taken > 0).any():
            yield name, taken - made, k.size[i]


def _clean_run(k: AuditContext, known: OriginFacts, j: int) -> Floats:
    """(W, T) part of a run that takes clean feed: what is stated as clean, and what support that was signed under a rule gives."""
    run = k.x.clean_output[:, j].copy()
    p = j - k.n.sources
    if p < 0:
        return np.asarray(run)
    asked = [known.asks_clean("support", k.n.materials[i]) for i, y in k.y[j] if y > 0]
    free, bound = np.zeros(run.shape), False
    for signing in k.signings(p):
        if signing.package.name != "none" and any(rule[signing.signed] for rule in asked):
            bound = True
            continue
        added = k.n.capacity[j, 0] * (1 - k.n.projects[p].chance)
        free = free + signing.share * added * k.path_data.rho[:, j] * signing.output * k.crisis(signing)
    return np.maximum(run, k.x.output[:, j] - free) if bound else np.asarray(run)


def _asked_of_purchases(k: AuditContext, known: OriginFacts, j: int) -> Floats:
    """(T,) 1 where something that the reserve may buy of a producer has to be clean."""
    asked = np.zeros(k.n.calendar.periods)
    for _, i in k.bought(j):
        asked = np.maximum(asked, known.asks_clean("purchases", k.n.materials[i]))
    return np.maximum(asked, _asked_of_form(k, known, j)) if k.bought(j) else asked


def form_made(k: AuditContext, j: int) -> tuple[int, int] | None:
    """(qualified form, material of which it is one) that a producer makes one of the other; None for others."""
    base = {row.material: row.qualified_of for row in k.problem.data.rows("materials") if row.qualified_of}
    made = ((i, base.get(k.n.materials[i])) for i, y in k.y[j] if y > 0)
    return next(((i, k.n.materials.index(of)) for i, of in made if of in k.n.materials), None)


def _asked_of_form(k: AuditContext, known: OriginFacts, j: int) -> Floats:
    """(T,) 1 where what a producer makes is a qualified form that has to be clean."""
    form = form_made(k, j)
    return np.zeros(k.n.calendar.periods) if form is None else known.asks_clean("users", k.n.materials[form[0]])


def qualified_supply(k: AuditContext) -> Iterable[Row]:
    """What is made into a qualified form <= what qualified makers made of its material, clean where a rule asks for it  [t].

    A maker is qualified where no rule on users excludes it, and the table of qualifications, if it knows the form, lets it in.
    """
    known = OriginFacts(k)
    years = k.n.calendar.step * np.arange(k.n.calendar.periods)
    for maker, name in enumerate(k.n.producers):
        form = form_made(k, maker)
        if form is None:
            continue
        material = k.n.materials[form[0]]
        leads = {r.producer: r.lead_yr for r in k.problem.data.rows("qualifications") if r.material == material}
        clean = known.asks_clean("users", material)
        everything, made = np.ones(len(years)), np.zeros(k.x.output[:, 0].shape)
        for j, other in enumerate(k.n.producers):
            y = dict(k.y[j]).get(form[1], 0.0)
            if y <= 0:
                continue
            lead = leads.get(other.removesuffix(UNSUPPORTED), leads.get("*", np.inf)) if leads else 0.0
            counts = (years >= lead - 1e-9) * (1 - known.closed("users", j, material))
            everything = everything * counts
            made += y * counts * np.where(clean > 0, k.x.clean_output[:, j], k.x.output[:, j])
        asked = np.maximum(clean, everything == 0)
        yield name, (k.use(maker) - made) * asked, k.size[form[1]]


ORIGIN: tuple[Rule, ...] = (purchase_origin, offtake_origin, clean_share, clean_balance, qualified_supply)
"""In tonnes."""
ORIGIN_OF_SUPPORT: tuple[Rule, ...] = (support_origin,)
"""In shares."""


# Rules of policy on operations, checked by loops over natural data: diversification, days of cover, service levels.
def diversification(k: AuditContext) -> Iterable[Row]:
    """Trunk: country's supply <= cap * use + excess, or group's supply - surplus >= share * use - excess  [t].

    In every period in which somebody can be on the trunk.
    use = sum_k (demand - substitute - shortfall) + inputs of run and hold; supply = sum y+ run."""
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
        over = supplied - rule.share * used
        over = over if rule.kind == "country_cap" else k.x.surplus[0, i] - over
        over = over - (0.0 if rule.hard else k.x.excess[0, r])
        ruled = _since(k, rule.from_year) & (k.path_data.reached[k.n.component[i]] > 0)
        yield f"{rule.kind} {rule.material}", (over * ruled)[None], k.size[i]


def trunk_shortfall(k: AuditContext) -> Iterable[Row]:
    """Trunk shortfall of a material under a diversification rule, or of a qualified form, <= its value in Z0  [t].

    The model leaves a millionth of its unit as room; a unit is less than four times the material's yearly demand."""
    forms = {form[0] for j in range(k.n.sources) if (form := form_made(k, j)) is not None}
    for i in forms | {k.n.materials.index(d.material) for d in k.n.plan.diversification if d.material in k.n.materials}:
        tiers = [m for m, (q, _) in enumerate(k.n.tiers) if k.n.demand_material[q] == i]
        if k.z0 is not None:
            more = (k.x.shortfall[0, tiers] - k.z0.shortfall[0, tiers]).sum(axis=0)
            yield k.n.materials[i], (more * (k.path_data.reached[k.n.component[i]] > 0))[None], 4 * k.size[i]


def days_of_cover(k: AuditContext) -> Iterable[Row]:
    """stock >= days/365 * (demand + inputs - output of existing home sources, per year), on the trunk  [t].

    What is wanted of qualified forms of the material counts, and what is made into them is no input."""
    for rule in k.n.plan.days_of_cover:
        if rule.material in k.n.materials:
            i = k.n.materials.index(rule.material)
            net = np.zeros(k.n.calendar.periods)
            for q, m in enumerate(k.n.demand_material):
                net += k.n.demand[q] * (m == i or k.n.form_of[m] == i)
            for j in range(k.n.sources):
                qualifies = any(y > 0 and k.n.form_of[m] != m for m, y in enumerate(k.n.yields[j]))
                if k.n.home[j] and not qualifies:
                    net = net - float(k.n.yields[j, i]) * k.n.capacity[j] * k.n.availability[j]
            needed = rule.days / DAYS * np.maximum(0.0, net) / k.n.calendar.step
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


def refill(k: AuditContext) -> Iterable[Row]:
    """stock by the end of n years after the last event >= share of what it was before the first, less decay  [t]."""
    n, x = k.n, k.x
    for rule in n.plan.stock_rules:
        if rule.refill_within_years is None or rule.material not in n.materials:
            continue
        i = n.materials.index(rule.material)
        c, scenarios = int(n.component[i]), k.path_data.scenarios
        for s, name in enumerate(scenarios.names):
            onset = int(scenarios.onset[s, c])
            last = int(scenarios.end[s, c]) - 1 + n.calendar.lasting(rule.refill_within_years)
            if onset < n.calendar.periods and last < n.calendar.periods:
                before = float(x.stock[0, i, onset - 1])
                for _ in range(onset, last + 1):
                    before *= 1 - float(n.decay[i])
                yield f"{rule.material} {name}", rule.refill_share * before - float(x.stock[1 + s, i, last]), k.size[i]


def release_rules(k: AuditContext) -> Iterable[Row]:
    """release <= 0 where less than the stated share of usual supply is lost; <= what the segments that it may serve want  [t]."""
    n, usual = k.n, k.n.usual
    for rule in n.plan.stock_rules:
        if rule.material not in n.materials:
            continue
        i = n.materials.index(rule.material)
        most = np.full(k.x.release[:, i].shape, np.inf)
        if rule.from_lost_share > 0:
            full, comes = np.zeros(n.calendar.periods), np.zeros_like(most)
            for j in range(n.sources):  # of a qualified form, those of what it is made of
                made = max(float(n.yields[j, n.form_of[i]]), 0.0) * n.capacity[j] * usual[j]
                full = full + made * n.availability[j]
                comes = comes + made * np.minimum(1.0, k.path_data.rho[:, j] / np.where(usual[j] > 0, usual[j], 1.0))
            lost = np.where(full > 0, 1 - comes / np.where(full > 0, full, 1.0), 0.0)
            most = np.where(lost >= rule.from_lost_share - 1e-9, most, 0.0)
        if "*" not in rule.segments:
            wanted = np.zeros_like(most)
            for q, (name, segment) in enumerate(n.demands):
                if name == rule.material and segment in rule.segments:
                    wanted = wanted + k.path_data.demand[:, q]
            most = np.minimum(most, wanted)
        yield rule.material, np.where(np.isfinite(most), k.x.release[:, i] - most, 0.0), k.size[i]


def stock_targets(k: AuditContext) -> Iterable[Row]:
    """In branches stock, and what is bought less what is sold in a period, <= the trunk's stock, had it released nothing, and what
    could not be sold while it was tight; summed over pools [t]. Sales <= the trunk's and what could not be sold before  [t]."""
    n, x = k.n, k.x
    if n.plan.policy != "targets":
        return
    allowed, sold = np.zeros_like(x.stock), np.zeros_like(x.disposal)
    for i in range(len(n.materials)):
        keep, c = 1 - float(n.decay[i]), int(n.component[i])
        released, unsold = 0.0, np.zeros(len(x.stock))
        for t in range(n.calendar.periods):
            released = keep * released + float(x.release[0, i, t])
            sold[:, i, t] = x.disposal[:, i, t] - x.disposal[0, i, t] - keep * unsold
            stuck = k.path_data.branch[:, c, t] & k.path_data.tight[:, i, t] & n.plan.instruments.trunk_disposal
            unsold = keep * unsold + stuck * float(x.disposal[0, i, t])
            allowed[:, i, t] = x.stock[0, i, t] + released + unsold
    bought = -x.disposal
    for b, purchase in enumerate(k.purchases):
        bought[:, purchase.material] += x.acquisition[:, b]
    pools: dict[Any, list[int]] = {}
    for i, pool in enumerate(n.pool):
        pools.setdefault(pool or i, []).append(i)
    for members in pools.values():
        for taken in (x.stock, bought):
            over = (taken[1:, members] - allowed[1:, members]).sum(axis=1)
            yield n.materials[members[0]], over, max(float(k.size[i]) for i in members)
    for i, name in enumerate(n.materials):
        c = int(n.component[i])
        yield f"{name} sold", (sold[1:, i] * k.path_data.branch[1:, c]).max(initial=0.0), k.size[i]


POLICY: tuple[Rule, ...] = (
    diversification,
    trunk_shortfall,
    days_of_cover,
    service_level,
    refill,
    release_rules,
    stock_targets,
)
"""In tonnes."""


# Rules of budgets and risk, checked by loops over natural data.
def branch_purchases(k: AuditContext) -> Iterable[Row]:
    """Branch purchases at branch prices <= the trunk's planned ones + extra  [million USD], per component and year."""
    paid = np.zeros_like(k.path_data.weight)
    for b, bought in enumerate(purchase_terms(k.accounts)):
        if k.purchases[b].offer >= 0:
            prices = k.path_data.price, k.path_data.gap
            paid[:, k.n.component[bought.material]] += bought.paid(k.n, prices) * k.x.acquisition[:, b]
    later = k.path_data.branch[1:]
    for f in range(len(k.n.calendar.years)):
        spent, planned = ((later * money)[:, :, k.year(f)].sum(axis=2) for money in (paid[1:], paid[:1]))
        over = spent - planned - k.x.shared_money[:, :, f]
        for c, name in enumerate(k.n.components):
            yield f"{name} FY{k.n.calendar.years[f]}", over[:, c].max(initial=0.0), planned[:, c].max(initial=0.0)


def calm_purchases(k: AuditContext) -> Iterable[Row]:
    """Where branches may spend what is unspent: their purchases of what is not tight <= the trunk's planned + emergency."""
    if k.n.plan.budget.branch_money != "appropriated" or k.n.plan.policy != "foresight":
        return
    most = k.n.by_year(k.n.plan.budget.emergency_musd)
    for c, name in enumerate(k.n.components):
        calm, planned = np.zeros_like(k.path_data.price[:, 0]), np.zeros_like(k.path_data.price[0, 0])
        for b, bought in enumerate(purchase_terms(k.accounts)):
            i = bought.material
            if k.purchases[b].offer >= 0 and k.n.component[i] == c:
                paid = bought.paid(k.n, (k.path_data.price, k.path_data.gap)) * k.x.acquisition[:, b]
                flooded = k.path_data.price[:, i] < k.n.price[i] * (1 - 1e-9)
                calm, planned = calm + paid * (~k.path_data.tight[:, i] | flooded), planned + paid[0]
        later = k.path_data.branch[1:, c]
        for f, year in enumerate(k.n.calendar.years):
            inside = k.year(f)
            over = (later * calm[1:])[:, inside].sum(axis=1) - (later * planned)[:, inside].sum(axis=1) - most[f]
            yield f"{name} FY{year}", over.max(initial=0.0), planned[inside].sum()


def shared_money(k: AuditContext) -> Iterable[Row]:
    """sum_c extra[c,f,s] <= emergency[f] + unspent[f]; unspent = 0 unless the plan leaves it to branches; up to each year in all
    for a bound on policies that carry over what they do not spend  [million USD]."""
    plan, most = k.n.plan, k.n.by_year(k.n.plan.budget.emergency_musd)
    used = k.x.shared_money.sum(axis=1)
    if plan.budget.branch_money == "appropriated":
        most = most + k.x.unspent
        if plan.policy == "knowing" and plan.budget.carry_over_share > 0:
            most, used = most.cumsum(), used.cumsum(axis=1)
    for s, name in enumerate(k.path_data.scenarios.names):
        yield name, used[s] - most, most


def budget(k: AuditContext) -> Iterable[Row]:
    """trunk outlay[f] + due[f] + unspent[f] + carry[f] - carry[f-1] <= max(appropriation[f], owed[f])  [million USD].

    due: what was signed before the plan; owed: that, and what holding the opening stock costs if it stays, which no decision can
    save. Money kept from before the first year is added to its appropriation."""
    spent, carried, owed, due = outlays(k.accounts), 0.0, already_owed(k.n), due_from_before(k.n)["plan"]
    money = k.n.appropriation.copy()
    money[0] += k.n.plan.budget.carried_in_musd
    for f, year in enumerate(k.n.calendar.years):
        outlay = float(spent[k.year(f)].sum()) + due[f]
        over = outlay + k.x.unspent[f] + k.x.carry[f] - carried - max(money[f], owed[f])
        yield f"FY{year}", over, max(abs(outlay), k.n.appropriation[f])
        carried = float(k.x.carry[f])


def total_budget(k: AuditContext) -> Iterable[Row]:
    """Outlays of the planned years, and what they leave to branches, <= total, or what is owed anyway  [million USD]."""
    total = k.n.plan.budget.total_musd
    if total is not None:
        total = max(total, sum(already_owed(k.n)[: len(k.n.calendar.planned_years)]))
        spent = sum(due_from_before(k.n)["plan"][: len(k.n.calendar.planned_years)])
        spent += (
            outlays(k.accounts)[: k.n.calendar.planned].sum() + k.x.unspent[: len(k.n.calendar.planned_years)].sum()
        )
        yield "planned years", float(spent) - total, total


def carry(k: AuditContext) -> Iterable[Row]:
    """-advance * appropriation[f+1] <= carry[f] <= share * appropriation[f], last year 0  [million USD]."""
    most = k.n.plan.budget.carry_over_share * k.n.appropriation
    most[-1] = 0.0
    yield "carry-over", k.x.carry - most, most
    least = k.n.plan.budget.advance_share * np.append(k.n.appropriation[1:], 0.0)
    yield "drawn early", -k.x.carry - least, least


def contingent_liability(k: AuditContext) -> Iterable[Row]:
    """Payments of all floors on trunk survival at w*, net of receipts, <= cap[f] less that of floors from before  [million USD]."""
    cap = k.n.plan.budget.liability_cap_musd
    if cap is None:
        return
    owed, most = np.zeros(k.n.calendar.periods), np.maximum(0.0, k.n.by_year(cap) - due_from_before(k.n)["worst"])
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
)
"""In million USD."""


# Rules of what is signed, checked by loops over natural data: packages, market floors, offtake contracts.
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
    a floor of its own on the material has no variant."""
    for p, project in enumerate(k.n.projects):
        for m, market in enumerate(k.accounts.floors):
            chosen, label = float(k.x.floor[m]), f"{project.name} beside {market.name}"
            yield label, sum(d.share for d in k.signings(p) if m in d.markets) - chosen, 0.0
            if chosen > 0 and market.eligible[project.producer]:
                without = sum(d.share for d in k.signings(p) if excluded(k, d, m))
                yield label, without + chosen - 1 if without > 0 else 0.0, 0.0


def excluded(k: AuditContext, signing: SignedPackage, m: int) -> bool:
    """Whether the deal excludes market floor m: it has a floor of its own on the material, or leaves m aside although
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
    """contract = 0 or in [lot, K], but for what is sold to others  [t/period]."""
    for number, contract in enumerate(k.problem.structure.contracts):
        j, x = contract.source, float(k.x.contract[number])
        lot, most = float(k.n.contract_lot[j]), float(k.n.capacity[j].max() * (1 - k.n.sold[j]))
        yield f"{k.n.producers[j]} from {contract.start}", max(min(x, lot - x), x - most), k.scale(j)


def contracts_in_force(k: AuditContext) -> Iterable[Row]:
    """All contracts in force with a source <= K, but for what is sold to others  [t/period]."""
    for j in range(k.n.sources):
        yield k.n.producers[j], (in_force(k, j) - k.n.capacity[j] * (1 - k.n.sold[j]))[None], k.scale(j)


def option_price(k: AuditContext) -> Iterable[Row]:
    """A contract costs at least what the seller is expected to give up of what arrives while prices are up, whoever pays it
    [million USD/t and period]."""
    n, kind = k.n, k.n.plan.instruments.offtake_price
    sample = k.problem.scenarios if k.problem.pricing is None else k.problem.pricing.scenarios
    if kind == "fee" or sample is None:  # nothing is asked, or the problem is along other scenarios
        return
    beta = n.calendar.beta[:-1]
    for j in {contract.source for contract in k.problem.structure.contracts}:
        given_up, lost, cut = np.zeros((3, *sample.availability[:, j].shape))
        for i, y in k.y[j]:
            if y > 0:
                lost = np.maximum(lost, sample.tight[:, i] * sample.squeeze[:, i])
                cut = np.maximum(cut, sample.lasting[:, n.chain[i]])
                usual = asked_price(n, i, bool(n.outside[j, i]), n.price[i][None])
                met = asked_price(n, i, bool(n.outside[j, i]), sample.price[:, i], sample.market_gap[:, i])
                given_up += y * (1 + float(n.premium[j])) * np.maximum(met - usual, 0.0)
        cut[cut == 0] = 1.0  # what is lost of a period is lost in the part of it that is cut
        lost = np.minimum(lost / cut, 1.0)
        comes = 1 - lost + lost * float(n.kappa[j] + (1 - n.kappa[j]) * n.honoured[j])
        comes *= np.maximum(n.availability[j] * (1 - 1 / cut) + sample.availability[:, j] / cut, 0.0)
        worth = float(beta @ (sample.probability @ (given_up * comes)) / beta.sum())
        paid = float(n.contract_fee[j]) + float(n.contract_rise[j])
        yield n.producers[j], worth - paid, worth


def integrality(k: AuditContext) -> Iterable[Row]:
    """Market floors, and packages unless they may be signed in part, are signed or not  [-]."""
    yield "market floors", float(abs(k.x.floor - k.x.floor.round()).max(initial=0.0)), 0.0
    if not k.n.plan.instruments.partial_support:
        yield "packages", float(abs(k.x.sign - k.x.sign.round()).max(initial=0.0)), 0.0


SIGNING: tuple[Rule, ...] = (one_package, project_logic, one_market_floor, beside_market_floor, integrality)
"""In shares."""
ELIGIBILITY: tuple[Rule, ...] = (package_eligibility, option_price)
"""In million USD."""
CONTRACTS: tuple[Rule, ...] = (contract_lot, contracts_in_force)
"""In tonnes."""


# What events do to prices in each of two markets: the audit's own reckoning, in plain loops.
Steps = Sequence[tuple[float, float, float]]


def prices_by_market(n: Instance, events: Sequence[DisruptionEvent]) -> tuple[Floats, Floats]:
    """(I, T) twice: prices inside and outside in one scenario  [million USD/t]: the largest rise times the deepest fall."""
    T, D = n.calendar.periods, n.calendar.step
    inside, outside = np.empty((len(n.materials), T)), np.empty((len(n.materials), T))
    for i, of in enumerate(n.form_of):
        name = n.materials[of]  # a qualified form is as dear as what it is made of
        struck = [e for e in events if name in e.materials.split() or "*" in e.materials.split()]
        for t in range(T):
            opens = n.calendar.first_year + D * t
            factors = [(1.0, 1.0), *(pair for e in struck for pair in _factors(e, name, opens, opens + D))]
            falls = min(min(a, 1.0) for a, _ in factors)
            inside[i, t] = n.price[i, t] * max(a for a, _ in factors) * falls
            outside[i, t] = n.price[i, t] * max(b for _, b in factors) * falls
    return inside, outside


def _factors(event: DisruptionEvent, name: str, opens: float, closes: float) -> list[tuple[float, float]]:
    """(inside, outside) means over a period of what a flood, and then a cut, multiply a price by."""
    begin = event.start + event.flood
    flood = 1 + (event.flood_price - 1) * _share(event.start, begin, opens, closes)
    profile = event.profile
    if profile is None or name not in profile.priced:
        cut = 1 + (event.price**event.direct_severity - 1) * _share(begin, begin + event.duration, opens, closes)
        return [(flood, flood), (cut, cut)]
    here, there = dict(profile.inside).get(name, ()), dict(profile.outside).get(name)
    turns = sorted(
        {begin + event.stretch * edge for steps in (here, there or ()) for a, b, _ in steps for edge in (a, b)}
    )
    low = high = 1.0
    most = next(highest for of, highest in profile.highest if of == name)
    for a, b in pairwise(turns):
        age = ((a + b) / 2 - begin) / event.stretch
        lower = _raised(_at(here, age), event.direct_severity, most)
        upper = lower if there is None else max(lower, _raised(_at(there, age), event.direct_severity, most))
        share = _share(a, b, opens, closes)
        low, high = low + (lower - 1) * share, high + (upper - 1) * share
    return [(flood, flood), (low, high)]


def _share(begin: float, end: float, opens: float, closes: float) -> float:
    return max(0.0, min(end, closes) - max(begin, opens)) / (closes - opens)


def _at(steps: Steps, age: float) -> float:
    found = [multiple for a, b, multiple in steps if a <= age < b]
    return found[0] if found else 1.0


def _raised(multiple: float, severity: float, highest: float) -> float:
    return float(min(multiple**severity, max(highest, multiple)))


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
    path_data: PathData | None = None,
) -> Audit:
    """Check every rule and recompute social cost. `z0`, doing nothing, adds the limit on trunk shortfall.

    stated: what the answer states of itself, compared with what its decisions amount to; bounds: aim -> bound that the solver gave.
    path_data: of the problem (`path_data_of`), where it was read already."""
    check = AuditContext(problem, solution, z0, path_data)
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
    """Materials and periods in which the scenarios' tightness is not what the formulation says  [count]."""
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
            ratio = scenarios.price[s] / instance.price
            for mine, its in ((inside, ratio), (outside, ratio * scenarios.market_gap[s])):
                yield name, float(np.abs(its / mine - 1).max(initial=0.0)), 0.0


def built_by_chance(k: AuditContext) -> Iterable[Row]:
    """Of a project whose owner may build it without support the likely part is a source, and support adds the rest  [t]: low and
    high ends of its costs are 5 and 95 % of what they may be, its owner's worth straight between them."""
    n = k.n
    rows = {row.project: row for row in restated(n.plan, k.problem.data).rows("projects")}
    tied = {name for row in rows.values() for name in f"{row.needs} {row.excludes}".split()}
    for project in n.projects:
        j, row, worth = project.producer, rows[project.name], []
        for end in ("_low", "", "_high"):
            capex, cash = (getattr(row, f"{name}{end}") for name in ("capex_musd", "cash_usd_per_kg"))
            costs = n.cash.copy()
            costs[j] = costs[j] if cash is None else cash * MUSD_PER_T
            own = project.capex if capex is None or project.committed else capex
            worth.append(owner_npv(replace(n, cash=costs), replace(project, capex=own), (), project.earliest))
        low, middle, high = worth
        decided = project.committed or project.additional or project.earliest + project.lead >= n.calendar.periods
        decided = decided or bool(row.needs or row.excludes) or project.name in tied
        chance, spread = 0.0, (0.0, 0.0)
        if n.plan.owners.unsure == "by_chance" and not decided and high < 0 <= low:
            chance = 0.05 + 0.45 * low / (low - middle) if middle < 0 else 0.5 + 0.45 * middle / (middle - high)
            spread = low - middle, middle - high
        made = np.zeros(n.calendar.periods)
        begin = (row.earliest_signing - n.calendar.first_year) * n.calendar.per_year + project.lead
        for t in range(max(0, begin), min(n.calendar.periods, begin + project.life)):
            made[t] = chance * n.capacity[j, 0] * project.ramp[t - begin]
        source = f"{project.name}{UNSUPPORTED}"
        there = n.capacity[n.producers.index(source)] if source in n.producers else np.zeros(1)
        stated = abs(project.chance - chance) + sum(abs(a - b) for a, b in zip(project.spread, spread, strict=True))
        yield project.name, np.maximum(abs(there - made), stated)[None], k.scale(j)


def feed_cut(k: AuditContext) -> Iterable[Row]:
    """A foreign source of countries that an event does not name gives no more than the rest of its published feed  [share of its
    usual flow]; users' arrivals by all routes count that already, and a licence stop leaves others their feed."""
    n, D, rows = k.n, k.n.calendar.step, k.problem.data.rows("feed_origins")
    published = {row.producer: row for row in rows if row.basis == "declared" or n.plan.unpublished_feed == "imports"}
    licences = {row.hazard for row in k.problem.data.rows("hazards") if row.kind == "licence"}
    for s, name in enumerate(k.path_data.scenarios.names):
        for event in k.path_data.scenarios.events[s]:
            struck, named = event.countries.split(), event.materials.split()
            if event.label in licences:
                continue
            routes = event.profile is not None and event.profile.all_routes
            scenarios = k.path_data.scenarios
            direct = routes or event.severity == 0
            arrives = scenarios.direct[s] if direct else scenarios.availability[s]
            for j, source in enumerate(n.producers):
                row = published.get(source.removesuffix(UNSUPPORTED))
                if row is None or n.home[j] or n.country[j] in struck or "*" in struck:
                    continue
                parts = zip(row.origins.split(), row.shares.split(), strict=False)
                fed = sum(float(part) for origin, part in parts if origin in struck)
                made = [n.materials[i] for i, y in k.y[j] if y > 0 and ("*" in named or n.materials[i] in named)]
                if not fed or not made:
                    continue
                for t in range(n.calendar.periods):
                    opens = n.calendar.first_year + D * t
                    lost = fed * max(_cut_of(event, direct, material, opens, opens + D) for material in made)
                    yield name, float(arrives[j, t]) - 1 + lost, 0.0


def _cut_of(event: DisruptionEvent, direct: bool, material: str, opens: float, closes: float) -> float:
    """Mean over a period of what an event cuts of a material's direct or effective flow."""
    begin = event.start + event.flood
    if event.profile is None:
        return event.cut * _share(begin, begin + event.duration, opens, closes)
    steps = dict(event.profile.direct if direct else event.profile.effective).get(material, ())
    x, z = event.direct_severity if direct else event.severity, event.stretch
    return sum(min(1.0, x * lost) * _share(begin + z * a, begin + z * b, opens, closes) for a, b, lost in steps)


FAMILIES: dict[str, tuple[str, Rule]] = {
    **{rule.__name__: ("t", rule) for rule in (*OPERATING, *POLICY, *CONTRACTS, *ORIGIN, built_by_chance)},
    **{rule.__name__: ("million USD", rule) for rule in (*MONEY, *ELIGIBILITY)},
    **{rule.__name__: ("-", rule) for rule in (*SIGNING, *ORIGIN_OF_SUPPORT)},
    "tightness": ("count", tight),
    "scenario_prices": ("-", scenario_prices),
    "feed_cut": ("-", feed_cut),
}
"""Every family of rules with its unit and the function that checks it."""
