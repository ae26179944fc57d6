"""Rules of policy on operations, checked by loops over natural data: diversification, days of cover, service levels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..core.arrays import Bools
from .operations import AuditContext, Row, Rule

DAYS_PER_YEAR = 365.0


def diversification(k: AuditContext) -> Iterable[Row]:
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
            for j in range(n.sources):
                made = max(float(n.yields[j, i]), 0.0) * n.capacity[j] * usual[j]
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


POLICY: tuple[Rule, ...] = (diversification, trunk_shortfall, days_of_cover, service_level, refill, release_rules)
"""In tonnes."""
