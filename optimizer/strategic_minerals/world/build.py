"""Plan and tables -> instance: rows become aligned arrays; series are laid out over periods, names become indices."""

from __future__ import annotations

import datetime as dt
import math
from calendar import monthrange as calendar_days
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ..core.frames import Bools, Floats, Ints
from ..core.stats import MONTHS_PER_YEAR, MUSD_PER_T, USD_PER_MUSD
from ..question.base import gathered, grouped
from ..question.dataset import Dataset, fiscal_month, home_row, members, restated, restating
from ..question.estimates import ore_ends
from ..question.names import UNSUPPORTED
from ..question.plan import Plan
from ..question.references import Forms, opening_stock, qualified_forms, select_materials
from ..question.tables import ActivityRow
from .instance import (
    DEFENCE,
    ESSENTIAL,
    OTHER,
    Calendar,
    Carried,
    Instance,
    Procurement,
    Unsure,
    build_market_floors,
    build_packages,
    build_projects,
    impossible,
    overlap,
    yearly,
)
from .producers import carried, ramped_share, signed_floors, unsure


# Whom an event or a measure touches: materials that a list names, producers in countries that it names.
def touched_producers(
    country: Sequence[str], yields: Floats, home: Bools, countries: str, touched: Bools, *, spares_home: bool = False
) -> tuple[Bools, Bools]:
    """(J,) producers in the named countries, and other foreign ones, that make a touched material.

    home: (J,) whether each is at home; `*` names all that are not. spares_home: those at home are not struck, even if named."""
    named = set(countries.split())
    makes = (yields[:, touched] > 0).any(axis=1)
    inside = np.array([c in named for c in country], dtype=bool) | (("*" in named) & ~home)
    inside &= ~(home & spares_home)
    return makes & inside, makes & ~home & ~inside


def named_materials(names: str, materials: Mapping[str, int]) -> Bools:
    """(I,) materials that a space-separated list names; `*`: all."""
    chosen = set(names.split())
    return np.array(["*" in chosen or name in chosen for name in materials], dtype=bool)


# Origin: from whom the authority may buy, reserve or support what, and when.
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
    """Of the rules that the plan's switches turn on, and of the plan's own; a rule on a material binds its qualified form."""
    form_of = _form_of(plan, data, materials)
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
        touched |= touched[form_of]
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

    producers: rows of activities, then of projects, aligned with `yields`; offers: rows."""
    J, I, T, O = len(producers), len(materials), calendar.periods, len(offers)  # noqa: E741
    rules = exclusions(plan, data, materials, calendar)
    purchase, offer = np.ones((J, I, T), dtype=bool), np.ones((O, T), dtype=bool)
    support, offtake = np.ones((J - sources, T), dtype=bool), np.ones((J, T), dtype=bool)
    clean_purchases, clean_support, clean_users = (np.zeros((I, T), dtype=bool) for _ in range(3))
    rows = data.rows("feed_origins")
    declared = {row.producer: row.origins.split() for row in rows if row.basis == "declared"}
    names = {getattr(row, "activity", getattr(row, "project", "")): j for j, row in enumerate(producers)}
    form_of = _form_of(plan, data, materials)
    is_form = form_of != np.arange(I)
    qualified = _qualified(data, materials, names, calendar) & (is_form & (yields > 0)[:, form_of])[:, :, None]
    own = {name: declared.get(name.removesuffix(UNSUPPORTED), []) for name in names}
    cleans = [_clean(producers[j].country, own[name], yields[j], rules) for name, j in names.items()]
    clean = np.array(cleans, dtype=bool)
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
        if "users" in rule.applies_to:
            qualified &= ~((shut[:, None] & rule.materials)[:, :, None] & when)
            if rule.reach_back:
                clean_users |= (rule.materials & is_form)[:, None] & when
        if "offtake" in rule.applies_to:  # users draw on a contract with whatever feed there is
            followed = rule.reach_back & (yields < 0).any(axis=1)
            offtake &= ~(((shut | followed) & makes)[:, None] & when)
    for o, row in enumerate(offers):
        if row.source_producer in names:
            offer[o] &= purchase[names[row.source_producer], materials[row.material]]
    found = Procurement(purchase, support, offtake, clean, clean_purchases, clean_support, clean_users, qualified, ())
    closed = tuple(_closed(found, offer, rules, producers, sources, yields, offers, materials, calendar))
    starts = calendar.first_year + calendar.step * np.arange(T) + 1e-9
    for o, row in enumerate(offers):
        offer[o] &= starts < (math.inf if row.until_year is None else row.until_year)
    return replace(found, closed=closed), offer


def _form_of(plan: Plan, data: Dataset, materials: Mapping[str, int]) -> Ints:
    """(I,) as `Instance.form_of`."""
    forms = qualified_forms(plan, data)
    return np.array([materials[forms.of(name)] for name in materials], dtype=int)


def _qualified(data: Dataset, materials: Mapping[str, int], names: Mapping[str, int], calendar: Calendar) -> Bools:
    """(J, I, T) who makes a form to grade: all of a form without rows, else those that have one, from its lead on."""
    lead = np.zeros((len(names), len(materials)))
    for name, rows in grouped(data.rows("qualifications"), "material").items():
        if name in materials:
            years = {row.producer: row.lead_yr for row in rows}
            others = years.get("*", math.inf)
            lead[:, materials[name]] = [years.get(j.removesuffix(UNSUPPORTED), others) for j in names]
    return np.asarray(calendar.step * np.arange(calendar.periods) >= lead[:, :, None] - 1e-9, dtype=bool)


def _clean(country: str, declared: Sequence[str], yields: Floats, rules: Sequence[Exclusion]) -> bool:
    """Whether no rule with reach-back excludes a producer's country or its declared feed; nothing declared is excluded.

    Rules with reach-back count together, whatever their materials: one chain feeds them all."""
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

    members: (J,) countries of the home that each producer serves."""
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


def struck_feed(shares: Sequence[tuple[tuple[str, float], ...]], countries: str) -> Floats:
    """(J,) published share of each producer's feed that comes from some of the countries."""
    named = set(countries.split())
    return np.array([sum(part for origin, part in mine if origin in named) for mine in shares], dtype=float)


# Demand, what it costs to leave it unserved, how that changes while a disruption lasts, and what users hold themselves.
PRIORITIES = {"defence": DEFENCE, "essential": ESSENTIAL}
"""Of segments by name, where no row of `demand` says it."""


def demands(
    plan: Plan, data: Dataset, materials: Mapping[str, int], base: Floats, calendar: Calendar
) -> dict[str, Any]:
    """Fields of an instance about demand, tiers and substitution. base: (I,) base prices."""
    wanted = [row for row in data.rows("demand") if row.material in materials]
    series = gathered(((row.material, row.segment), (row.from_year, row.demand_t_per_yr)) for row in wanted)
    keys, forms = tuple(series), qualified_forms(plan, data)  # a qualified form has the figures of its users' material
    ranks = {(row.material, row.segment): row.priority for row in data.rows("demand") if row.priority is not None}
    priority = [ranks.get(pair, PRIORITIES.get(pair[1], OTHER)) for pair in keys]
    demand = np.array([yearly(series[pair], calendar) for pair in keys]).reshape(-1, calendar.periods) * calendar.step
    losses = _losses(plan, data)
    tiers: list[tuple[int, int]] = []
    shares: list[float] = []
    loss: list[float] = []
    named: list[float] = []
    steps: list[tuple[int, int]] = []
    limits: list[float] = []
    costs: list[float] = []
    tier_rows, step_rows = data.rows("tiers"), data.rows("substitution")
    for q, (material, segment) in enumerate(keys):
        own = [r for r in tier_rows if r.material == material and r.segment == segment]
        own = own or [r for r in tier_rows if r.material == "*" and r.segment == segment]
        gross = losses.get((material, segment), losses.get((material, "*"), 0.0))
        for row in sorted(own, key=lambda r: r.tier):
            tiers.append((q, row.tier))
            shares.append(row.share)
            loss.append(base[materials[material]] + row.loss_multiplier * gross)
            named.append(row.loss_multiplier * gross)
        mine = [r for r in step_rows if (r.material, r.segment) == (material, segment)]
        for row in sorted(mine, key=lambda r: r.step):
            steps.append((q, row.step))
            limits.append(row.limit_share)
            costs.append(row.cost_usd_per_kg * MUSD_PER_T)
    pairs = tuple(forms.demand(*pair) for pair in keys)
    return {
        "demands": pairs,
        "priority": np.array(priority, dtype=np.int64),
        "demand_material": np.array([materials[m] for m, _ in pairs], dtype=int),
        "demand": demand,
        "tiers": tuple(tiers),
        "tier_share": np.array(shares, dtype=float),
        "tier_loss": np.array(loss, dtype=float),
        "tier_named": np.array(named, dtype=float),
        "adaptation": tuple(_adaptation(data, *pair) for pair in keys),
        "surges": _surges(data, keys),
        "steps": tuple(steps),
        "step_limit": np.array(limits, dtype=float),
        "step_cost": np.array(costs, dtype=float),
    }


def _losses(plan: Plan, data: Dataset) -> dict[tuple[str, str], float]:
    """Loss per tonne [million USD/t] by (material, segment) of the plan's loss function at its level."""
    suffix = {"low": "_low", "central": "", "high": "_high"}[plan.loss_level]
    losses = {}
    for row in data.rows("loss_functions"):
        if row.loss_function == plan.loss_function:
            value = getattr(row, f"loss_usd_per_t{suffix}")
            losses[row.material, row.segment] = (row.loss_usd_per_t if value is None else value) / USD_PER_MUSD
    return losses


def _surges(
    data: Dataset, pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[tuple[int, float, float, float], ...]]:
    """(surge, end of its range) -> (demand, from and to year of an event, factor on it): a material's own rows, or else `*`'s."""
    rows = grouped(sorted(data.rows("surges"), key=lambda row: row.from_month), "surge", "material", "segment")
    found: dict[tuple[str, str], list[tuple[int, float, float, float]]] = defaultdict(list)
    for surge in dict.fromkeys(name for name, _, _ in rows):
        for q, (material, segment) in enumerate(pairs):
            mine = rows.get((surge, material, segment)) or rows.get((surge, "*", segment), [])
            starts = [row.from_month / MONTHS_PER_YEAR for row in mine]
            for row, first, last in zip(mine, starts, [*starts[1:], math.inf], strict=False):
                low, high = row.multiplier_low, row.multiplier_high
                found[surge, "central"].append((q, first, last, row.multiplier))
                found[surge, "low"].append((q, first, last, row.multiplier if low is None else low))
                found[surge, "high"].append((q, first, last, row.multiplier if high is None else high))
    return {name: tuple(each) for name, each in found.items()}


def _adaptation(data: Dataset, material: str, segment: str) -> tuple[tuple[float, float], ...]:
    """(month, multiplier) pairs of a segment in order: its own rows, or else those of the material, the segment, or all."""
    rows = data.rows("adaptation")
    for pair in ((material, segment), (material, "*"), ("*", segment), ("*", "*")):
        own = sorted((row.from_month, row.multiplier) for row in rows if (row.material, row.segment) == pair)
        if own:
            return tuple(own)
    return ()


def users_stock(
    data: Dataset,
    materials: Mapping[str, int],
    forms: Forms,
    wanted: Mapping[str, Any],
    yields: Floats,
    capacity: Floats,
    calendar: Calendar,
) -> dict[str, Any]:
    """Fields of an instance about stock that users hold themselves; nobody holds less than nothing, so a level of 0 is none.

    wanted: as `demands` gives it. yields, capacity: (J, I) and (J, T) of existing sources, at the availability of the baseline
    course [t per period]."""
    users: list[tuple[int, int]] = []
    levels: list[float] = []
    missing: list[float] = []
    pairs = [(forms.of(material), segment) for material, segment in wanted["demands"]]
    rows = [row for row in data.rows("users_stock") if row.material in materials]
    named = {(row.material, row.segment) for row in rows}
    for row in rows:
        i = materials[row.material]
        segments = [q for q, (material, _) in enumerate(pairs) if material == row.material]
        if row.segment != "*":
            holders = [q for q in segments if pairs[q][1] == row.segment]
        else:
            holders = [q for q in segments if pairs[q] not in named] if segments else [-1]
        taken = np.maximum(-yields[:, i], 0.0) @ capacity
        course = {q: wanted["demand"][q] if q >= 0 else taken for q in holders}
        use = {q: float(of[: calendar.planned].mean()) / calendar.step for q, of in course.items()}
        total = sum(use.values())
        for q, of in use.items():
            share = of / total if total > 0 else 0.0
            level = (row.level_months or 0.0) / MONTHS_PER_YEAR * of if row.level_t is None else row.level_t * share
            if level > 0:
                users.append((i if q < 0 else int(wanted["demand_material"][q]), q))
                levels.append(level)
                missing.append(level * row.missing_share)
    return {
        "users": tuple(users),
        "users_level": np.array(levels, dtype=float),
        "users_missing": np.array(missing, dtype=float),
    }


# Measures in force when the plan starts, as baseline data: what they cut, what they do to prices, and the market outside them.
@dataclass(frozen=True)
class Measures:
    """What the measures in force leave of supply, and at which prices."""

    availability: Floats
    """(J, T) trunk availability."""
    price: Floats
    """(I, T) trunk price [million USD/t]."""
    outside_quote: Floats
    """(I,) price quoted outside the countries that apply a measure [million USD/t]; 0 where there is one market."""
    outside_share: Floats
    """(I, T) share of each period in which the market is split."""
    inside: tuple[frozenset[str], ...]
    """(I,) countries that apply a measure with a market of its own outside them, or may in an event."""

    def of_forms(self, form_of: Ints) -> Measures:
        """The same, qualified forms at the prices of what they are made of."""
        inside = tuple(self.inside[i] for i in form_of)
        price, quote, share = self.price[form_of], self.outside_quote[form_of], self.outside_share[form_of]
        return Measures(self.availability, price, quote, share, inside)

    def outside(self, country: Sequence[str], sells: Bools) -> Bools:
        """(J, I) whether a seller in each country has the market outside for what it `sells` (J, I)."""
        has_outside = np.array([[bool(of) and c not in of for of in self.inside] for c in country], dtype=bool)
        return np.asarray(sells & has_outside.reshape(sells.shape))


def measures_in_force(
    plan: Plan,
    data: Dataset,
    calendar: Calendar,
    materials: Mapping[str, int],
    country: Sequence[str],
    members: Sequence[Collection[str]],
    home: Bools,
    yields: Floats,
    feed: Sequence[tuple[str, ...]],
    usual: Floats,
    price: Floats,
) -> Measures:
    """Availability of the producers and prices of the materials under the plan's controls.

    availability[j,t] = prod (1 - phi[t] (1 - usual (1 - cut))) where it cuts,  phi[t]: share of the period in force
    cut: share lost of the usual flow (J, T), the deepest of what a producer makes; that of feed for those abroad that use it
    price[i,t] = P (1 + (multiplier - 1) phi[t])
    Of several that split one market the dearest quote counts, and the longest. Hazards with prices outside their countries split
    it in their events."""
    availability, price = np.ones((len(country), calendar.periods)), price.copy()
    controls = [control for control in plan.controls if control.in_force]
    for control in controls:
        touched = named_materials(control.materials, materials)
        cut, third = touched_producers(country, yields, home, control.countries, touched)
        phi = overlap(calendar, calendar.first_year, control.until_year)
        exposed = exposed_feed(feed, members, control.countries)
        shares = np.array([control.cut_shares.get(name, control.cut_share) for name in materials])
        deepest = np.where((yields > 0) & touched, shares, 0.0).max(axis=1, initial=0.0)
        deepest = np.where(cut, deepest, np.where(third & exposed, control.feed_cut_share, 0.0))
        struck = deepest > 0
        availability[struck] *= 1 - phi * (1 - usual[struck] * (1 - deepest[struck, None]))
        price[touched] *= 1 + (control.price_multiplier - 1) * phi
    quotes, split, inside = np.zeros(len(materials)), np.zeros_like(price), [frozenset[str]() for _ in materials]
    for control in (control for control in controls if control.outside_prices):
        phi = overlap(calendar, calendar.first_year, control.until_year)
        for row in latest_quotes(data, control, materials):
            i = materials[row.material]
            quote = row.outside_usd_per_kg * MUSD_PER_T * restating(plan, data, int(row.date[:4]))
            quotes[i], split[i] = max(quotes[i], quote), np.maximum(split[i], phi)
            inside[i] |= set(control.countries.split())
    countries = {row.hazard: row.countries.split() for row in data.rows("hazards")}
    for row in data.rows("hazard_prices"):
        if row.material in materials and row.market == "outside" and plan.uses_hazard(row.hazard):
            inside[materials[row.material]] |= set(countries.get(row.hazard, ()))
    return Measures(availability, price, quotes, split, tuple(inside))


def latest_quotes(data: Dataset, control: Any, materials: Mapping[str, int]) -> list[Any]:
    """The latest row of `price_gaps` of each planned material and country of a control."""
    named = {name for name, of in zip(materials, named_materials(control.materials, materials), strict=True) if of}
    latest: dict[tuple[str, str], Any] = {}
    for row in sorted(data.rows("price_gaps"), key=lambda row: str(row.date)):
        if row.material in named and row.country in control.countries.split():
            latest[row.material, row.country] = row
    return list(latest.values())


ALLIED_TIERS = ("home", "ally", "partner")


def build_instance(plan: Plan, data: Dataset, longest_event_years: float = 0.0) -> Instance:
    """Align plan and tables. Expects both to have passed `question.consistency`."""
    data = restated(plan, data)
    found = _aligned(plan, data, longest_event_years, {})
    if plan.owners.unsure == "by_sign" or not found.projects:
        return found
    some = unsure(found, {row.project: row for row in data.rows("projects")})
    return _aligned(plan, data, longest_event_years, some) if some else found


def _by_chance(row: Any) -> Any:
    """A project as a source that its owner may build."""
    same = "name country stage premium_share cash_usd_per_kg kappa restart_yr"
    return ActivityRow.model_construct(
        activity=f"{row.project}{UNSUPPORTED}", **{name: getattr(row, name) for name in same.split()}
    )


def _aligned(plan: Plan, data: Dataset, longest_event_years: float, some: Mapping[str, Unsure]) -> Instance:
    """As `build_instance`. some: projects that their owners may build without support."""
    calendar = _calendar(plan, longest_event_years)
    chosen = select_materials(plan, data)
    materials = {name: n for n, name in enumerate(chosen)}
    sources, projects, left_out = _select_producers(plan, data, materials)
    sources += [_by_chance(row) for row in projects if row.project in some]
    names = [row.activity for row in sources] + [row.project for row in projects]
    producers = {name: n for n, name in enumerate(names)}
    yields = np.zeros((len(names), len(materials)))
    for row in data.rows("yields"):
        if row.producer in producers:
            yields[producers[row.producer], materials[row.material]] = row.yield_t_per_t
    for name in some:
        yields[producers[f"{name}{UNSUPPORTED}"]] = yields[producers[name]]
    rows = {row.material: row for row in data.rows("materials")}
    M = [rows[name] for name in chosen]
    tier = {row.country: row.tier for row in data.rows("countries")}
    inside = _members(plan, data, M, yields)
    used = [row for row in data.rows("feed_origins") if row.basis == "declared" or plan.unpublished_feed == "imports"]
    declared = {row.producer: tuple(row.origins.split()) for row in used}
    shared = {row.producer: (row.origins.split(), [float(part) for part in row.shares.split()]) for row in used}
    both: list[Any] = [*sources, *projects]
    country = tuple(row.country for row in both)
    home = np.array([c in own for c, own in zip(country, inside, strict=True)], dtype=bool)
    allied = home | np.array([tier.get(c) in ALLIED_TIERS for c in country], dtype=bool)
    forms, form_of = qualified_forms(plan, data), _form_of(plan, data, materials)
    stated, base = _prices(plan, data, [forms.of(name) for name in materials], calendar)
    of = [name.removesuffix(UNSUPPORTED) for name in names]
    feed = tuple(declared.get(name, ()) for name in of)
    usual = _usual(data, sources, projects, calendar)
    measures = measures_in_force(plan, data, calendar, materials, country, inside, home, yields, feed, usual, stated)
    measures = measures.of_forms(form_of)
    availability = measures.availability
    pool = tuple((m.alike or m.material) if m.pooled != "no" else "" for m in M)
    cash = np.array([row.cash_usd_per_kg * MUSD_PER_T for row in both], dtype=float)
    premium = np.array([row.premium_share for row in both], dtype=float)
    signed = signed_floors(plan, data, materials, producers, yields, cash, calendar)
    in_force = tuple(
        tuple(one.floor for one in signed if one.producer == j and one.floor.term > 0) for j in range(len(both))
    )
    opening = opening_stock(plan, data)
    sold = [row for row in data.rows("offers") if _wanted(plan, row, materials, producers)]
    component, components = _components(chosen, yields, pool, sold)
    chain = _chains(yields, [m.home for m in M])
    procurement, offer_open = build_procurement(plan, data, materials, both, len(sources), yields, sold, calendar)
    supported = build_projects(plan, data, projects, len(sources), calendar, some)
    sure = ~np.array([name.endswith(UNSUPPORTED) for name in names], dtype=bool)
    market_floors = tuple(
        replace(m, eligible=m.eligible & sure)
        for m in build_market_floors(plan, materials, home, allied, yields, in_force, calendar)
    )
    not_given = tuple(impossible(plan, data, materials, supported, yields, market_floors))
    capacity = _capacities(data, sources, projects, calendar) * _ore_left(plan, data, sources, len(projects), calendar)
    for project, row in zip(supported, projects, strict=True):
        if project.chance > 0:  # it goes on from plan to plan: what was begun in earlier years exists
            start = (row.earliest_signing - calendar.first_year) * calendar.per_year + project.lead
            ramp = ramped_share(project, start, np.arange(calendar.periods))
            part = project.chance * capacity[project.producer, 0]
            capacity[producers[f"{project.name}{UNSUPPORTED}"]] = part * ramp
    wanted = demands(plan, data, materials, base, calendar)
    step, n, nothing = calendar.step, len(sources), np.zeros(len(calendar.years))
    haircut = np.array([m.haircut_share for m in M])
    response = _price_responses(plan, data, materials, form_of, step)
    resold = {r.material: r.resale_share for r in plan.stock_rules if r.resale_share is not None}  # the last one counts
    instance = Instance(
        plan=plan,
        calendar=calendar,
        materials=tuple(chosen),
        component=component,
        components=components,
        form_of=form_of,
        chain=chain,
        price=measures.price,
        outside_quote=measures.outside_quote,
        outside_share=measures.outside_share,
        outside=measures.outside(country, yields > 0),
        embedded=np.array([m.embedded for m in M], dtype=bool),
        pool=pool,
        pooled_in_events=np.array([m.pooled == "struck" for m in M], dtype=bool),
        freight=np.array([m.freight_usd_per_kg for m in M], dtype=float) * MUSD_PER_T,
        base_price=base,
        **response,
        haircut=haircut,
        holding=np.array([m.holding_share_per_yr for m in M]) * base,
        decay=np.array([1 - (1 - m.decay_share_per_yr) ** step for m in M]),
        salvage=np.array([m.salvage_share if m.salvage_share is not None else 1 - m.haircut_share for m in M]),
        resale=np.array([resold.get(m.material, m.resale_share) for m in M]),
        storage=np.array([math.inf if m.storage_t is None else m.storage_t for m in M]),
        drawdown=np.array([math.inf if m.drawdown_t_per_yr is None else m.drawdown_t_per_yr * step for m in M]),
        disposal=np.array([m.disposal_t_per_yr * step for m in M]),
        opening=np.array([opening.get(name, 0.0) for name in chosen], dtype=float),
        producers=tuple(names),
        sources=len(sources),
        country=country,
        members=inside,
        home=home,
        allied=allied,
        overland=_overland(data, country, inside),
        yields=yields,
        capacity=capacity,
        opens=_opens(data, names, capacity, calendar),
        feed=feed,
        feed_shares=tuple(tuple(zip(*shared.get(name, ((), ())), strict=False)) for name in of),
        usual=usual,
        availability=availability,
        premium=premium,
        cash=cash,
        kappa=np.where(home, 1.0, np.array([row.kappa for row in both], dtype=float)),
        restart=np.array([calendar.nearest(row.restart_yr) for row in both], dtype=int),
        in_force=in_force,
        **_contract_terms(plan, sources, home, calendar, procurement),
        **_offers(
            sold, offer_open, materials, producers, country, step, measures, response["market_trade"] > 0, home, premium
        ),
        **_sellers(
            plan, data, [row for row, at in zip(sold, offer_open, strict=True) if at.any()], materials, forms, calendar
        ),
        **wanted,
        **users_stock(data, materials, forms, wanted, yields[:n], (capacity * availability)[:n], calendar),
        projects=supported,
        packages=build_packages(plan, data, materials, producers, len(sources), calendar),
        market_floors=market_floors,
        state_factor=np.array([row.factor for row in data.rows("price_states")] or [1.0], dtype=float),
        state_probability=np.array([row.probability for row in data.rows("price_states")] or [1.0], dtype=float),
        material_unit=np.ones(len(chosen)),
        producer_unit=np.ones(len(names)),
        money_unit=1.0,
        procurement=procurement,
        left_out=(*left_out, *procurement.closed, *not_given),
        impossible=not_given,
        carried=Carried(nothing, nothing, nothing, nothing, (), 0.0),
    )
    return replace(instance, carried=carried(instance, data, signed))


def _price_responses(
    plan: Plan, data: Dataset, materials: Mapping[str, int], form_of: Ints, step: float
) -> dict[str, Any]:
    """How prices abroad answer the plan, by material; nothing where it does not ask. A qualified form has no market of its own."""
    trade, slope, later = np.zeros(len(materials)), np.zeros((len(materials), 2)), np.zeros(len(materials), dtype=int)
    for row in data.rows("price_responses") if plan.price_channel else ():
        if row.material in materials:
            i, first = materials[row.material], row.supply_elasticity
            after = first if row.later_supply_elasticity is None else row.later_supply_elasticity
            trade[i], later[i] = row.trade_t_per_yr * step, round(row.later_from_month / MONTHS_PER_YEAR / step)
            slope[i] = 1 / (first + row.demand_elasticity), 1 / (after + row.demand_elasticity)
    trade[form_of != np.arange(len(materials))] = 0.0
    row = home_row(data, plan.home)
    lawful = not (plan.existing and row is not None and row.sales_above_price)
    return {"market_trade": trade, "price_slope": slope, "slope_later": later, "gives_for_price": lawful}


def _calendar(plan: Plan, longest_event_years: float) -> Calendar:
    step = plan.horizon.period_months / MONTHS_PER_YEAR
    tail = plan.horizon.tail_years
    tail = max(3, math.ceil(longest_event_years - 1e-9)) if tail is None else tail
    planned = round(plan.horizon.years / step)
    return Calendar(plan.horizon.first_year, step, planned + round(tail / step), planned, plan.discount_rate)


def _select_producers(
    plan: Plan, data: Dataset, materials: Mapping[str, int]
) -> tuple[list[Any], list[Any], list[tuple[str, str]]]:
    """Sources and projects all of whose materials are planned; the rest is reported, not bent to fit."""
    uses = gathered((row.producer, row.material) for row in data.rows("yields"))
    left_out: list[tuple[str, str]] = []
    forms = {row.material for row in data.rows("materials") if row.qualified_of}

    def fits(name: str) -> bool:
        touched = uses.get(name, [])
        missing = sorted(set(touched) - set(materials))
        if missing and len(missing) < len(set(touched)) and not {*missing} <= forms:
            left_out.append((name, f"its material {missing[0]} is not planned"))
        return bool(touched) and not missing

    sources = [row for row in data.rows("activities") if fits(row.activity)]
    projects = [row for row in data.rows("projects") if fits(row.project)]
    while True:  # a project whose need is left out is left out itself
        there = {row.project for row in projects}
        lacking = {row.project: next((q for q in row.needs.split() if q not in there), None) for row in projects}
        if not any(lacking.values()):
            return sources, projects, left_out
        left_out += [(name, f"it needs {need}, which is not planned") for name, need in lacking.items() if need]
        projects = [row for row in projects if not lacking[row.project]]


def _grouped(rows: Sequence[Any], key: str, value: str) -> dict[str, list[tuple[int, float]]]:
    return gathered((getattr(row, key), (row.from_year, getattr(row, value))) for row in rows)


def _prices(plan: Plan, data: Dataset, materials: Sequence[str], calendar: Calendar) -> tuple[Floats, Floats]:
    chosen = [row for row in data.rows("prices") if row.price_set == plan.price_set]
    groups = _grouped(chosen, "material", "price_usd_per_kg")
    price = np.array([yearly(groups[name], calendar) for name in materials]) * MUSD_PER_T
    price = price.reshape(len(materials), calendar.periods)
    return price, price[:, 0].copy()


NONE_YET = [(0, 0.0)]
"""Capacity of a source that its owner may build, before that is known."""


def _opens(data: Dataset, names: Sequence[str], capacity: Floats, calendar: Calendar) -> Ints:
    """(J,) as `Instance.opens`."""
    rows = data.rows("capacities")
    before = {r.activity for r in rows if r.from_year <= calendar.first_year and r.capacity_t_per_yr > 0}
    return np.where([name in before for name in names], 0, (capacity > 0).argmax(axis=1))


def _capacities(data: Dataset, sources: Sequence[Any], projects: Sequence[Any], calendar: Calendar) -> Floats:
    groups = _grouped(data.rows("capacities"), "activity", "capacity_t_per_yr")
    existing = [yearly(groups.get(row.activity, NONE_YET), calendar) for row in sources]
    new = [np.full(calendar.periods, row.capacity_t_per_yr) for row in projects]
    return np.array([*existing, *new], dtype=float).reshape(-1, calendar.periods) * calendar.step


def _ore_left(plan: Plan, data: Dataset, sources: Sequence[Any], projects: int, calendar: Calendar) -> Floats:
    """(J, T) share of each period before a source's country has mined its reserves; 1 where the plan does not ask, for what is
    recycled and for projects, whose life is their own.

    Of several minerals that a source makes the one that ends first counts."""
    left = np.ones((len(sources) + projects, calendar.periods))
    if not plan.ore_runs_out:
        return left
    ends = ore_ends(data)
    for j, row in enumerate(sources):
        if row.activity in ends:
            left[j] = overlap(calendar, calendar.first_year, ends[row.activity])
    return left


def _usual(data: Dataset, sources: Sequence[Any], projects: Sequence[Any], calendar: Calendar) -> Floats:
    """(J, T) usual flow over capacity, at most 1; 1 where a row states none."""
    series: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in data.rows("capacities"):
        known = row.normal_t_per_yr is not None and row.capacity_t_per_yr > 0
        share = min(1.0, row.normal_t_per_yr / row.capacity_t_per_yr) if known else 1.0
        series[row.activity].append((row.from_year, share))
    existing = [yearly(series.get(row.activity, [(0, 1.0)]), calendar) for row in sources]
    return np.array([*existing, *np.ones((len(projects), calendar.periods))]).reshape(-1, calendar.periods)


def _members(plan: Plan, data: Dataset, materials: Sequence[Any], yields: Floats) -> tuple[frozenset[str], ...]:
    """(J,) countries of the home whose users a producer serves: that of its first material with a home, else the plan's."""
    homes = [row.home for row in materials]
    served = [next((homes[i] for i in np.flatnonzero(row) if homes[i]), None) or plan.home for row in yields]
    known = {home: members(data, home) for home in dict.fromkeys(served)}
    return tuple(known[home] for home in served)


def _overland(data: Dataset, country: Sequence[str], inside: Sequence[frozenset[str]]) -> Bools:
    """(J,) producers in a country that borders the home they serve on land."""
    borders = {row.country: set(row.land_neighbours.split()) for row in data.rows("countries")}
    beside = {own: set().union(*(borders.get(c, set()) for c in own)) - own for own in dict.fromkeys(inside)}
    return np.array([c in beside[own] for c, own in zip(country, inside, strict=True)], dtype=bool)


def _components(
    chosen: Sequence[str], yields: Floats, pool: Sequence[str], offers: Sequence[Any]
) -> tuple[Ints, tuple[str, ...]]:
    """Materials linked by a producer, a pool or a seller form a component, named after its first material."""
    at = {name: i for i, name in enumerate(chosen)}
    shared: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, name in enumerate(pool):
        shared["pool", name] += [i] if name else []
    for row in offers:
        shared["seller", row.seller or ""] += [at[row.material]] if row.seller else []
    links = np.zeros((len(shared), len(chosen)))
    for k, linked in enumerate(shared.values()):
        links[k, linked] = 1.0
    component, first = _linked(np.concatenate([yields, links]))
    return component, tuple(chosen[i] for i in first)


def _chains(yields: Floats, homes: Sequence[str | None]) -> Ints:
    """(I,) materials linked by a producer of one home; what a plant built by several takes and makes is a chain of its own."""
    of = np.array([home or "" for home in homes], dtype=str)
    within = [np.where(of == home, row, 0.0) for row in yields for home in dict.fromkeys(of[row != 0].tolist())]
    return _linked(np.array(within).reshape(-1, len(homes)))[0]


def _linked(links: Floats) -> tuple[Ints, list[int]]:
    """(I,) number of the group of each column that rows link, counted in the order of their first columns, and these columns."""
    touches = csr_array(links != 0).astype(np.int8)
    _, found = connected_components(touches.T @ touches, directed=False)
    _, first, group = np.unique(found, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return order[group].astype(int), sorted(first.tolist())


def _contract_terms(
    plan: Plan, sources: Sequence[Any], home: Bools, calendar: Calendar, procurement: Procurement
) -> dict[str, Any]:
    allowed, projects = plan.instruments.offtake_contracts, len(home) - len(sources)
    offers = [
        allowed
        and row.lot_t_per_yr is not None
        and row.term_yr is not None
        and row.kappa < 1
        and not home[j]
        and bool(procurement.offtake_open[j].any())
        for j, row in enumerate(sources)
    ]
    both = list(zip(sources, offers, strict=True))
    lots = [row.lot_t_per_yr * calendar.step if offered else math.nan for row, offered in both]
    fees = [row.fee_usd_per_kg * MUSD_PER_T for row in sources]
    terms = [calendar.lasting(row.term_yr) if offered else 0 for row, offered in both]
    return {
        "contract_lot": np.array([*lots, *[math.nan] * projects], dtype=float),
        "contract_fee": np.array([*fees, *[0.0] * projects], dtype=float),
        "contract_rise": np.zeros(len(home)),
        "honoured": np.array([*(row.honoured_share for row in sources), *[1.0] * projects], dtype=float),
        "sold": np.array([*(row.sold_share for row in sources), *[0.0] * projects], dtype=float),
        "contract_term": np.array([*terms, *[0] * projects], dtype=int),
    }


def _wanted(plan: Plan, row: Any, materials: Mapping[str, int], producers: Mapping[str, int]) -> bool:
    """Whether a row of `offers` is of the plan's materials and producers, and the plan may buy at all."""
    sold = row.source_producer == "outside" or row.source_producer in producers
    return plan.instruments.reserve and row.material in materials and sold


def _sellers(
    plan: Plan, data: Dataset, offers: Sequence[Any], materials: Mapping[str, int], forms: Forms, calendar: Calendar
) -> dict[str, Any]:
    """What several open offers share: sellers and, where the plan keeps to them, the latest published ceilings."""
    series = _grouped(data.rows("sellers"), "seller", "depth_t_per_yr")
    named = [name for name in dict.fromkeys(row.seller for row in offers if row.seller) if name in series]
    depth = [yearly(series[name], calendar) for name in named]
    shared = [[row.seller == name for row in offers] for name in named]
    limited = [-1] * len(named)
    if plan.procurement.ceilings:
        for material, tonnes in published_ceilings(data).items():
            mine = [forms.of(row.material) == material for row in offers]
            if any(mine):
                named, shared = [*named, f"ceiling of {material}"], [*shared, mine]
                limited.append(materials.get(material, -1))
                depth.append(np.full(calendar.periods, tonnes))
    return {
        "sellers": tuple(named),
        "seller_offers": np.array(shared, dtype=bool).reshape(len(named), len(offers)),
        "seller_material": np.array(limited, dtype=int),
        "seller_depth": np.array(depth, dtype=float).reshape(-1, calendar.periods) * calendar.step,
    }


def published_ceilings(data: Dataset) -> dict[str, float]:
    """Material -> the latest published ceiling [t a year]."""
    rows = sorted(data.rows("purchase_ceilings"), key=lambda row: row.fiscal_year)
    return {row.material: row.ceiling_t_per_yr for row in rows}


def _offers(
    wanted: Sequence[Any],
    offer_open: Bools,
    materials: Mapping[str, int],
    producers: Mapping[str, int],
    country: Sequence[str],
    step: float,
    measures: Measures,
    moved: Bools,
    home: Bools,
    own: Floats,
) -> dict[str, Any]:
    """Offers of which something may be bought at some time. moved: (I,) materials whose price own buying abroad raises: a premium
    beyond the seller's `own` would count that rise twice. home, own: (J,)"""
    ever = np.flatnonzero(offer_open.any(axis=1)).tolist()
    rows = [wanted[o] for o in ever]
    outside = [row.source_producer == "outside" for row in rows]
    material = np.array([materials[row.material] for row in rows], dtype=int)
    both = list(zip(rows, outside, strict=True))
    origin = tuple((row.origin or "") if out else country[producers[row.source_producer]] for row, out in both)
    sells = material[:, None] == np.arange(len(materials))
    premium = np.array([row.premium_share for row in rows], dtype=float)
    source = np.array([producers.get(row.source_producer, -1) for row in rows], dtype=int)
    sells_outside = measures.outside(origin, sells).any(axis=1)
    split = np.isin(material, material[sells_outside])
    abroad = np.array([j < 0 or not home[j] for j in source], dtype=bool)
    asked = np.array([0.0 if j < 0 else max(0.0, own[j]) for j in source])
    moves = moved[material] & abroad & (sells_outside | ~split)
    return {
        "offers": tuple(row.offer for row in rows),
        "offer_material": material,
        "offer_source": source,
        "offer_country": origin,
        "offer_outside": sells_outside,
        "offer_moves": moves,
        "offer_depth": np.array([row.depth_t_per_yr * step for row in rows], dtype=float),
        "offer_open": offer_open[ever].astype(float),
        "offer_premium": np.where(moves, np.minimum(asked, premium), premium),
        "offer_crisis": np.array([row.crisis_availability if out else 1.0 for row, out in both], dtype=float),
    }
