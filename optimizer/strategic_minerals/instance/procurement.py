"""Origin: from whom the authority may buy, reserve or support what, and when (formulation section 14).

An exclusion closes what the authority does with an origin; what users buy for themselves it leaves alone, so that doing nothing
costs the same with and without it. With reach-back it follows the feed to the mine: what the authority buys then has to be made of
clean feed in the model (`formulation.origin`), and feed whose origin nobody declares excludes its maker.
"""

from __future__ import annotations

import datetime as dt
from calendar import monthrange as calendar_days
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.arrays import Bools, Floats
from ..data.dataset import Dataset
from ..data.homes import fiscal_month
from ..schemas.plan import Plan
from .calendar import Calendar, overlap
from .instance import Procurement
from .touched import named_materials

COVERED = "covered"
"""In a list of countries: all of that tier."""
MODELLED = "modelled"
"""In a list of origins of feed: it is all material of the tables."""
UNKNOWN = "OTH"
"""Code of other countries: which ones is not published."""
SECOND_HALF = 7
"""A fiscal year that begins in this month or later is called by the calendar year in which it ends."""


@dataclass(frozen=True)
class Exclusion:
    """Origins that something of the authority's may not have."""

    label: str
    """The rule, as readers know it."""
    countries: frozenset[str]
    materials: Bools
    """(I,)"""
    active: Bools
    """(T,) periods in which it applies at any time."""
    reach_back: bool
    applies_to: frozenset[str]

    def excludes(self, country: str) -> bool:
        """Whether a country of origin is excluded; one that is not known is."""
        return country in self.countries or country in ("", UNKNOWN)


def fiscal_year(day: dt.date, first_month: int) -> float:
    """A day as a decimal fiscal year, in months and the part of the month: 2027-01-01 is 2027.25 where years begin in October."""
    year = day.year if day.month >= first_month else day.year - 1
    named = year + (first_month >= SECOND_HALF)
    month = (day.month - first_month) % 12 + (day.day - 1) / calendar_days(day.year, day.month)[1]
    return named + month / 12


def exclusions(plan: Plan, data: Dataset, materials: Mapping[str, int], calendar: Calendar) -> tuple[Exclusion, ...]:
    """Of the rules that the plan's switches turn on, and of the plan's own."""
    rows = data.rows("countries")
    covered = {row.country for row in rows if row.tier == "covered"}
    month = fiscal_month(data, plan.home)
    last = calendar.first_year + calendar.step * calendar.periods
    wanted_by = {row.material: row.home or plan.home for row in data.rows("materials")}
    found: list[Exclusion] = []

    def add(
        label: str,
        countries: str,
        named: str,
        begin: float,
        end: float,
        back: bool,
        to: Sequence[str],
        binds: Collection[str] = ("*",),
    ) -> None:
        chosen = set(countries.split())
        chosen = (chosen - {COVERED}) | (covered if COVERED in chosen else set())
        inside = overlap(calendar, begin, end) > 0
        touched = named_materials(named, materials)
        touched &= np.array(["*" in binds or wanted_by[name] in binds for name in materials], dtype=bool)
        if inside.any() and touched.any():
            found.append(Exclusion(label, frozenset(chosen), touched, inside, back, frozenset(to)))

    for row in data.rows("origin_rules"):
        binds = row.binds.split()
        if row.switch != "none" and getattr(plan.procurement, row.switch):
            begin = calendar.first_year if row.from_date is None else fiscal_year(row.from_date, month)
            end = last if row.to_date is None else fiscal_year(row.to_date, month)
            to = row.applies_to.split()
            add(f"{row.rule}, {row.authority}", row.countries, row.materials, begin, end, row.reach_back, to, binds)
    for n, own in enumerate(plan.procurement.exclusions):
        begin = calendar.first_year if own.from_year is None else own.from_year
        add(f"the plan's exclusion {n + 1}", own.countries, own.materials, begin, last, own.reach_back, own.applies_to)
    return tuple(found)


def build_procurement(
    plan: Plan,
    data: Dataset,
    materials: Mapping[str, int],
    producers: Sequence[Any],
    sources: int,
    yields: Floats,
    offers: Sequence[Any],
    calendar: Calendar,
) -> tuple[Procurement, Bools]:
    """What the plan leaves open, and (O, T) whether the reserve may buy from each offer.

    producers: rows of activities, then of projects, aligned with `yields`; offers: rows.
    """
    J, I, T, O = len(producers), len(materials), calendar.periods, len(offers)  # noqa: E741
    rules = exclusions(plan, data, materials, calendar)
    purchase, offer = np.ones((J, I, T), dtype=bool), np.ones((O, T), dtype=bool)
    support, offtake = np.ones((J - sources, T), dtype=bool), np.ones((J, T), dtype=bool)
    clean_purchases, clean_support = np.zeros((I, T), dtype=bool), np.zeros((I, T), dtype=bool)
    declared = {row.producer: row.origins.split() for row in data.rows("feed_origins")}
    names = {getattr(row, "activity", getattr(row, "project", "")): j for j, row in enumerate(producers)}
    clean = np.array(
        [_clean(producers[j].country, declared.get(name, []), yields[j], rules) for name, j in names.items()],
        dtype=bool,
    )
    for rule in rules:
        shut = np.array([rule.excludes(row.country) for row in producers], dtype=bool)
        shut |= rule.reach_back & ~clean
        made = (yields > 0) & rule.materials
        when = rule.active
        if "purchases" in rule.applies_to:
            purchase &= ~((shut[:, None] & made)[:, :, None] & when)
            for o, row in enumerate(offers):
                unknown = row.source_producer not in names
                excluded = rule.excludes(row.origin or "") or rule.reach_back
                if unknown and excluded and rule.materials[materials[row.material]]:
                    offer[o] &= ~when
            if rule.reach_back:
                clean_purchases |= rule.materials[:, None] & when
        makes = made.any(axis=1)
        if "support" in rule.applies_to:
            support &= ~((shut & makes)[sources:, None] & when)
            if rule.reach_back:
                clean_support |= rule.materials[:, None] & when
        if (
            "offtake" in rule.applies_to
        ):  # users draw on a contract with whatever feed there is: none that is followed back
            followed = rule.reach_back & (yields < 0).any(axis=1)
            offtake &= ~(((shut | followed) & makes)[:, None] & when)
    for o, row in enumerate(offers):
        if row.source_producer in names:
            offer[o] &= purchase[names[row.source_producer], materials[row.material]]
    found = Procurement(purchase, support, offtake, clean, clean_purchases, clean_support, ())
    closed = tuple(_closed(found, offer, rules, producers, sources, yields, offers, materials, calendar))
    return replace(found, closed=closed), offer


def _clean(country: str, declared: Sequence[str], yields: Floats, rules: Sequence[Exclusion]) -> bool:
    """Whether no rule with reach-back excludes a producer's country or its declared feed; nothing declared is excluded.

    Rules with reach-back count together, whatever their materials: one chain feeds them all.
    """
    modelled = MODELLED in declared and bool((yields < 0).any())
    origins = [name for name in declared if name != MODELLED] or ([] if modelled else [""])
    return not any(rule.excludes(origin) for rule in rules if rule.reach_back for origin in (country, *origins))


def _closed(
    found: Procurement,
    offer_open: Bools,
    rules: Sequence[Exclusion],
    producers: Sequence[Any],
    sources: int,
    yields: Floats,
    offers: Sequence[Any],
    materials: Mapping[str, int],
    calendar: Calendar,
) -> Iterator[tuple[str, str]]:
    """(what, why) of what is closed in every planned period."""
    planned = slice(0, calendar.planned)

    def why(country: str, touched: Bools, clean: bool, what: str) -> str:
        closing = [
            rule
            for rule in rules
            if what in rule.applies_to
            and (rule.materials & touched).any()
            and (rule.excludes(country) or (rule.reach_back and (not clean or what == "offtake")))
        ]
        first = max(closing, key=lambda rule: int(rule.active[planned].sum()))  # the first of those that last longest
        if first.excludes(country):
            return f"its origin is excluded ({first.label})"
        if clean:
            return f"nobody can say of what feed its deliveries would be made ({first.label})"
        return f"its feed is of excluded or unpublished origin ({first.label})"

    by_name = {getattr(row, "activity", getattr(row, "project", "")): j for j, row in enumerate(producers)}
    for o, row in enumerate(offers):
        if not offer_open[o, planned].any():
            j = by_name.get(row.source_producer, -1)
            touched = np.arange(len(materials)) == materials[row.material]
            country = producers[j].country if j >= 0 else row.origin or ""
            clean = bool(found.clean[j]) if j >= 0 else False
            yield f"offer {row.offer}", why(country, touched, clean, "purchases")
    for p in range(len(producers) - sources):
        j = sources + p
        if not found.support_open[p, planned].any():
            reason = why(producers[j].country, yields[j] > 0, bool(found.clean[j]), "support")
            yield f"support of {producers[j].project}", reason
    for j in range(sources):
        if producers[j].lot_t_per_yr is not None and not found.offtake_open[j, planned].any():
            reason = why(producers[j].country, yields[j] > 0, bool(found.clean[j]), "offtake")
            yield f"offtake from {producers[j].activity}", reason


def exposed_feed(feed: Sequence[tuple[str, ...]], members: Sequence[Collection[str]], countries: str) -> Bools:
    """(J,) producers whose declared feed comes from some of the countries, or which declare none; `*`: from abroad.

    members: (J,) countries of the home that each producer serves.
    """
    named = set(countries.split())
    return np.array(
        [
            not declared
            or bool({*named, UNKNOWN} & set(declared))
            or ("*" in named and bool({*declared} - {*inside, MODELLED}))
            for declared, inside in zip(feed, members, strict=True)
        ],
        dtype=bool,
    )
