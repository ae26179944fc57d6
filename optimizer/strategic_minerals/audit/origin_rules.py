"""Rules of origin, checked by loops over the rows of the tables: where the authority bought, what it signed, of what feed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import Floats
from .operations import AuditContext, Row, Rule

NOT_SAID = ("", "OTH")
"""Origins that are not known, which count as excluded."""


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
        return country in self.countries or (country or "") in NOT_SAID

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
            named = tuple(row.materials.split())
            free = frozenset(unbound)
            found.append(Excluded(listed(row.countries), named, inside, row.reach_back, to, free))
    for own in plan.procurement.exclusions:
        since = -1.0 if own.from_year is None else own.from_year
        inside = tuple(first + (t + 1) * step - since > 1e-9 for t in range(len(edges)))
        named = tuple(own.materials.split())
        found.append(Excluded(listed(own.countries), named, inside, own.reach_back, tuple(own.applies_to)))
    return found


class OriginFacts:
    """What the rules make of the producers: who is clean, what is closed when."""

    def __init__(self, k: AuditContext) -> None:
        self.k, self.rules = k, rules_in_force(k)
        data = k.problem.data
        self.rows: dict[str, Any] = {row.activity: row for row in data.rows("activities")}
        self.rows |= {row.project: row for row in data.rows("projects")}
        self.feed = {row.producer: row.origins.split() for row in data.rows("feed_origins")}
        self.origins = {row.offer: row.origin for row in data.rows("offers")}

    def clean(self, j: int) -> bool:
        """Whether no rule with reach-back excludes a producer or its declared feed."""
        back = [rule for rule in self.rules if rule.back]
        row = self.rows[self.k.n.producers[j]]
        feed = self.feed.get(self.k.n.producers[j], [])
        takes_modelled = any(y < 0 for _, y in self.k.y[j])
        said = [name for name in feed if name != "modelled"]
        if not feed or ("modelled" in feed and not takes_modelled):
            said = [""]
        return not any(rule.country(origin) for rule in back for origin in [row.country, *said])

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
    runs of projects that support binds.
    """
    known = OriginFacts(k)
    if not any(rule.back for rule in known.rules):
        return
    for i, name in enumerate(k.n.materials):
        made, taken = np.zeros(k.x.output[:, 0].shape), np.zeros(k.x.output[:, 0].shape)
        for j, row in enumerate(k.y):
            y = dict(row).get(i, 0.0)
            if y > 0:
                made += y * k.x.clean_output[:, j]
            elif y < 0:
                taken -= y * (_clean_run(k, known, j) + k.x.reserve_output[:, j] * _asked_of_purchases(k, known, j))
        if (taken > 0).any():
            yield name, taken - made, k.size[i]


def _clean_run(k: AuditContext, known: OriginFacts, j: int) -> Floats:
    """(W, T) part of a run that takes clean feed: what is said to be clean, and what support that was signed under a rule gives."""
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
        free = free + signing.share * k.n.capacity[j, 0] * k.path_data.rho[:, j] * signing.output * k.crisis(signing)
    return np.maximum(run, k.x.output[:, j] - free) if bound else np.asarray(run)


def _asked_of_purchases(k: AuditContext, known: OriginFacts, j: int) -> Floats:
    """(T,) 1 where something that the reserve may buy of a producer has to be clean."""
    asked = np.zeros(k.n.calendar.periods)
    for _, i in k.bought(j):
        asked = np.maximum(asked, known.asks_clean("purchases", k.n.materials[i]))
    return asked


ORIGIN: tuple[Rule, ...] = (purchase_origin, offtake_origin, clean_share, clean_balance)
"""In tonnes."""
ORIGIN_OF_SUPPORT: tuple[Rule, ...] = (support_origin,)
"""In shares."""
