"""Checks across tables and plan, all collected; a loader has already checked each row by itself."""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import Fault, Faults, InputError, PlanError, near_miss
from .base import key_of
from .dataset import Dataset, members
from .deflation import unknown_years
from .doubts import unit_slips
from .plan import Plan
from .references import missing_tables, references, select_materials

# Whether rules of origin, and prices in and outside the countries that control a material, make sense (formulation sections 13


PURPOSES = ("purchases", "support", "offtake")
"""What a rule of origin may close."""
ROUNDED = 0.005
"""Relative difference between a printed share or ratio and its parts that rounding explains."""
DAY = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
"""Day, month or year of a quote."""


def price_gaps_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A price gap is the quotient of its two prices, of a year that the index has where a plan asks for it."""
    asked = {name for control in plan.controls if control.outside_prices for name in control.materials.split()}
    index = {row.money_year for row in data.rows("deflators")}
    for row in data.rows("price_gaps"):
        if not DAY.fullmatch(row.date):
            yield Fault(
                "price_gaps.csv", key_of(row), "date", f"'{row.date}'", "a year, a month or a day, such as 2026-02"
            )
            continue
        if index and (row.material in asked or "*" in asked) and int(row.date[:4]) not in index:
            yield Fault("price_gaps.csv", key_of(row), "date", f"'{row.date}'", "a year of deflators.csv")
        ratio = row.outside_usd_per_kg / row.inside_usd_per_kg
        if abs(ratio - row.ratio) > ROUNDED * max(1.0, ratio):
            yield Fault("price_gaps.csv", key_of(row), "ratio", f"{row.ratio:g}", f"outside/inside ({ratio:.4g})")


def market_quotes_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Quotes have a date, and a range in order."""
    for row in data.rows("market_quotes"):
        if not DAY.fullmatch(row.date):
            expected = "a year, a month or a day, such as 2026-02"
            yield Fault("market_quotes.csv", key_of(row), "date", f"'{row.date}'", expected)
        if row.printed_unit == "USD/kg" and not row.printed_from <= row.usd_per_kg * (1 + ROUNDED) <= row.printed_to * (
            1 + 2 * ROUNDED
        ):
            expected = f"a figure of the printed range ({row.printed_from:g} to {row.printed_to:g})"
            yield Fault("market_quotes.csv", key_of(row), "usd_per_kg", f"{row.usd_per_kg:g}", expected)
        if row.printed_to < row.printed_from:
            expected = f"at least printed_from ({row.printed_from:g})"
            yield Fault("market_quotes.csv", key_of(row), "printed_to", f"{row.printed_to:g}", expected)


def two_markets_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Two markets a material, not three: what splits one, a control or a hazard's prices, has the same countries; no border floor
    on two prices."""
    of: dict[str, tuple[str, frozenset[str]]] = {}
    known = [row.material for row in data.rows("materials")]
    countries_of = {row.hazard: row.countries for row in data.rows("hazards")}
    for row in data.rows("hazard_prices"):
        countries = frozenset(countries_of.get(row.hazard, "").split())
        if row.market != "outside" or not plan.uses_hazard(row.hazard):
            continue
        if "*" in countries:
            expected = "inside: the hazard strikes all countries, and nobody sells outside them"
            yield Fault("hazard_prices.csv", key_of(row), "market", "'outside'", expected)
        first, others = of.setdefault(row.material, (f"hazard {row.hazard}", countries))
        if others != countries:
            expected = f"one with the countries of {first}, whose prices split the market of {row.material} too"
            yield Fault("hazard_prices.csv", key_of(row), "hazard", f"'{row.hazard}'", expected)
    for n, control in enumerate(plan.controls):
        countries, named = frozenset(control.countries.split()), control.materials.split()
        if not control.outside_prices:
            continue
        if "*" in countries:
            yield Fault("plan", "", f"controls.{n}.countries", "'*'", "countries by name, outside which others sell")
        for material in known if "*" in named else named:
            first, others = of.setdefault(material, (control.name, countries))
            if others != countries:
                expected = f"the countries of {first}, which splits the market of {material} too"
                yield Fault("plan", "", f"controls.{n}.countries", f"'{control.countries}'", expected)
                break
    for n, menu in enumerate(plan.instruments.price_floors):
        if menu.kind == "border" and menu.material in of:
            expected = "contract or purchase: a border charge on a material with two prices is not modelled"
            yield Fault("plan", "", f"instruments.price_floors.{n}.kind", "'border'", expected)


def origin_rules_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A rule of origin that a switch turns on says what it closes, of which materials, from which countries; dates are in order."""
    for row in data.rows("origin_rules"):
        purposes = row.applies_to.split()
        for name in sorted(set(purposes) - set(PURPOSES)):
            expected = f"{', '.join(PURPOSES)}, separated by spaces{near_miss(name, PURPOSES)}"
            yield Fault("origin_rules.csv", row.rule, "applies_to", f"'{name}'", expected)
        for name in row.binds.split():
            if name != "*" and not re.fullmatch("[A-Z]{3}", name):
                yield Fault("origin_rules.csv", row.rule, "binds", f"'{name}'", "ISO3 codes of homes, or '*'")
        if row.from_date is not None and row.to_date is not None and row.to_date <= row.from_date:
            yield Fault(
                "origin_rules.csv", row.rule, "to_date", f"{row.to_date}", f"a day after from_date ({row.from_date})"
            )
        if row.switch == "none":
            continue
        for column in ("applies_to", "materials", "countries", "binds"):
            if not getattr(row, column):
                expected = f"something: the switch '{row.switch}' turns the rule on, and without it nothing happens"
                yield Fault("origin_rules.csv", row.rule, column, "an empty cell", expected)


# Whether the courses of disruptions make sense: what was observed, and the cuts and prices of hazards by months since their onset


def observed_profiles_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Periods of a profile have a length and follow each other; its rows are of one flow; a loss is 1 - observed/normal."""
    first: dict[str, Any] = {}
    until: dict[str, float] = {}
    for row in sorted(data.rows("observed_profiles"), key=lambda row: row.month_from):
        head = first.setdefault(row.profile, row)
        for column in ("control_event", "materials", "form", "destination", "flow", "onset", "running"):
            mine, its = getattr(row, column), getattr(head, column)
            if mine != its:
                yield Fault("observed_profiles.csv", key_of(row), column, f"'{mine}'", f"'{its}', as in {key_of(head)}")
        begins = until.get(row.profile, row.month_from)
        if row.month_from < begins:
            expected = f"at least {begins:g}, where the period before it ends"
            yield Fault("observed_profiles.csv", key_of(row), "month_from", f"{row.month_from:g}", expected)
        if row.month_to <= row.month_from:
            expected = f"more than month_from ({row.month_from:g})"
            yield Fault("observed_profiles.csv", key_of(row), "month_to", f"{row.month_to:g}", expected)
        until[row.profile] = max(begins, row.month_to)
        if row.loss_share is not None and row.normal_per_month and row.observed_per_month is not None:
            share = 1 - row.observed_per_month / row.normal_per_month
            if abs(share - row.loss_share) > ROUNDED * max(1.0, abs(share)):
                expected = f"1 - observed/normal ({share:.4g})"
                yield Fault("observed_profiles.csv", key_of(row), "loss_share", f"{row.loss_share:g}", expected)


def profiles_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Steps of a profile end after they begin and do not overlap, and every material of the hazard has some."""
    steps: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for row in data.rows("hazard_profiles"):
        steps[row.hazard, row.material, row.flow].append(row)
    yield from _steps_follow("hazard_profiles.csv", steps)
    shaped = {hazard for hazard, _, _ in steps}
    for row in data.rows("hazards"):
        for low, high in (("severity_p05", "severity_p95"), ("stretch_p05", "stretch_p95")):
            a, b = getattr(row, low), getattr(row, high)
            if (a is None) != (b is None):
                empty, given = (low, high) if a is None else (high, low)
                yield Fault("hazards.csv", row.hazard, empty, "an empty cell", f"a figure, as {given} has one")
            elif a is not None and not a <= 1 <= b:
                yield Fault("hazards.csv", row.hazard, low, f"{a:g} to {b:g}", "a range around 1, the median")
        named = {material for hazard, material, _ in steps if hazard == row.hazard}
        for material in sorted(set(row.materials.split()) - named) if row.hazard in shaped else ():
            expected = (
                "steps for every material of the hazard" if material != "*" else "materials by name, as its profile"
            )
            yield Fault("hazards.csv", row.hazard, "materials", f"'{material}' without a profile", expected)


def _steps_follow(file: str, steps: Mapping[tuple[str, str, str], Sequence[Any]]) -> Iterator[Fault]:
    """Steps end after they begin and do not overlap. steps: by hazard, material and flow or market."""
    for rows in steps.values():
        ordered = sorted(rows, key=lambda row: row.month_from)
        for row in ordered:
            if row.month_to <= row.month_from:
                expected = f"more than month_from ({row.month_from:g})"
                yield Fault(file, key_of(row), "month_to", f"{row.month_to:g}", expected)
        for before, after in itertools.pairwise(ordered):
            if before.month_from < before.month_to and after.month_from < before.month_to - 1e-9:
                expected = f"at least {before.month_to:g}, where the step before ends"
                yield Fault(file, key_of(after), "month_from", f"{after.month_from:g}", expected)


def hazard_prices_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Prices of a hazard are of its materials, follow each other, and end with the last cut of its profile."""
    steps: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for row in data.rows("hazard_prices"):
        steps[row.hazard, row.material, row.market].append(row)
    yield from _steps_follow("hazard_prices.csv", steps)
    named = {row.hazard: row.materials.split() for row in data.rows("hazards")}
    last: dict[str, float] = defaultdict(float)
    for row in data.rows("hazard_profiles"):
        if row.cut_share > 0:
            last[row.hazard] = max(last[row.hazard], row.month_to)
    for row in data.rows("hazard_prices"):
        if row.hazard not in last:
            yield Fault(
                "hazard_prices.csv", key_of(row), "hazard", f"'{row.hazard}'", "a hazard of hazard_profiles.csv"
            )
        elif row.month_to > last[row.hazard] + 1e-9:
            expected = f"at most {last[row.hazard]:g}, the end of its last cut (hazard_profiles)"
            yield Fault("hazard_prices.csv", key_of(row), "month_to", f"{row.month_to:g}", expected)
        if row.hazard in named and row.material not in named[row.hazard]:
            yield Fault("hazard_prices.csv", key_of(row), "material", f"'{row.material}'", "a material of the hazard")


# Materials that come only inside imported goods: nothing that a plan decides may reach them.


ALONE = "no material inside imported goods (embedded = true in materials.csv): no stock and no plant can supply it"


def inside_goods_stand_alone(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """What is embedded has foreign sources of its own and no more: no offer, stock, contract, project or plant at home, and no rule
    of the plan; its producers make and use nothing that is not embedded. Then it is a component without decisions, whose loss is
    the same with any plan."""
    inside = {row.material for row in data.rows("materials") if row.embedded}
    if inside:
        yield from _rows(plan, data, inside)
        yield from _plan(plan, inside)


def _rows(plan: Plan, data: Dataset, inside: set[str]) -> Iterator[Fault]:
    for row in data.rows("offers"):
        if row.material in inside:
            yield Fault("offers.csv", row.offer, "material", f"'{row.material}'", ALONE)
    for row in data.rows("stock"):
        if row.material in inside and row.opening_t > 0:
            yield Fault("stock.csv", row.material, "opening_t", f"{row.opening_t:g}", f"0: {ALONE}")
    touched: dict[str, set[str]] = defaultdict(set)
    for row in data.rows("yields"):
        touched[row.producer].add(row.material)
    projects = {row.project for row in data.rows("projects")}
    sources = {row.activity: row for row in data.rows("activities")}
    for producer, materials in touched.items():
        mine = sorted(materials & inside)
        if not mine:
            continue
        if producer in projects:
            yield Fault("yields.csv", f"{producer}/{mine[0]}", "material", f"'{mine[0]}', of a project", ALONE)
        elif materials - inside:
            other = sorted(materials - inside)[0]
            expected = f"'{mine[0]}' and nothing else that is not embedded"
            yield Fault("yields.csv", f"{producer}/{other}", "material", f"'{other}'", expected)
        elif sources[producer].country in members(data, plan.home):
            yield Fault(
                "activities.csv", producer, "country", f"'{sources[producer].country}'", f"a foreign country; {ALONE}"
            )
        elif sources[producer].lot_t_per_yr is not None:
            found = f"{sources[producer].lot_t_per_yr:g}"
            yield Fault("activities.csv", producer, "lot_t_per_yr", found, f"an empty cell; {ALONE}")


def _plan(plan: Plan, inside: set[str]) -> Iterator[Fault]:
    ruled: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("instruments.price_floors", plan.instruments.price_floors),
        ("service_levels", plan.service_levels),
        ("diversification", plan.diversification),
        ("days_of_cover", plan.days_of_cover),
    )
    for section, rules in ruled:
        for n, rule in enumerate(rules):
            if rule.material in inside:
                yield Fault("plan", "", f"{section}.{n}.material", f"'{rule.material}'", ALONE)


# What contradicts itself in the table of users' own stocks.


def shortage_tables_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A stock of users has one level, and a holder: a segment that demands the material, or plants that use it."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for row in data.rows("demand"):
        wanted[row.material].add(row.segment)
    used = {row.material for row in data.rows("yields") if row.yield_t_per_t < 0}
    for row in data.rows("users_stock"):
        key = f"{row.material}/{row.segment}"
        if (row.level_months is None) == (row.level_t is None):
            found = "neither level_months nor level_t" if row.level_t is None else "both level_months and level_t"
            yield Fault("users_stock.csv", key, "level_months", found, "one of the two")
        segments = wanted.get(row.material, set())
        if row.segment != "*" and row.segment not in segments:
            expected = f"one of {', '.join(sorted(segments))}, or '*'" if segments else "'*': the plants that use it"
            yield Fault("users_stock.csv", key, "segment", f"'{row.segment}', which demands none of it", expected)
        elif not segments and row.material not in used:
            yield Fault("users_stock.csv", key, "material", f"'{row.material}'", "a material that somebody uses")


Check = Callable[[Plan, Dataset], Iterator[Fault]]


def require(plan: Plan, data: Dataset) -> None:
    """Raise PlanError or InputError with the faults of a plan with its tables."""
    found = _found(plan, data)
    if found:
        placed = [data.placed(fault) for fault in found]
        raise (PlanError if all(fault.file in ("plan", "") for fault in found) else InputError)(placed)


def check_data(plan: Plan, data: Dataset) -> list[Fault]:
    """Faults of a plan with its tables. Tables that are not there and references first: later checks would only repeat them."""
    return [data.placed(fault) for fault in _found(plan, data)]


def _found(plan: Plan, data: Dataset) -> list[Fault]:
    """Faults as the checks name them: tables by file, rows by key."""
    faults = Faults()
    for checks in (TABLES_THERE, REFERENCES, MEANING):
        for check in checks if not faults else ():
            faults.extend(check(plan, data))
    return faults.told()


def one_home(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A plan of several homes is made the question of a coalition before it is looked at."""
    if plan.together is not None:
        found = f"{len(plan.together.members)} homes and one set of tables"
        expected = "load_question, or joint_question with the tables of every member: they make one plan of it"
        yield Fault("plan", "", "together", found, expected)


def complete(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every planned material, source and segment has what the mathematics needs."""
    chosen = select_materials(plan, data)
    if not chosen:
        yield Fault("plan", "", "materials", repr(list(plan.materials)), "at least one material of materials.csv")
    priced = {row.material for row in data.rows("prices") if row.price_set == plan.price_set}
    for name in chosen:
        if name not in priced:
            yield Fault("prices.csv", name, "price_usd_per_kg", "no row", f"a price in set '{plan.price_set}'")
    with_capacity = {row.activity for row in data.rows("capacities")}
    outputs: dict[str, list[float]] = defaultdict(list)
    for row in data.rows("yields"):
        outputs[row.producer].append(row.yield_t_per_t)
    for table, column in (("activities", "activity"), ("projects", "project")):
        for row in data.rows(table):
            name = getattr(row, column)
            if not any(y > 0 for y in outputs.get(name, [])):
                yield Fault(f"{table}.csv", name, column, "no positive yield", "an output in yields.csv")
            if table == "activities" and name not in with_capacity:
                yield Fault("activities.csv", name, column, "no capacity", "a row in capacities.csv")
    losses = {(r.material, r.segment) for r in data.rows("loss_functions") if r.loss_function == plan.loss_function}
    wide = {row.segment for row in data.rows("tiers") if row.material == "*"}
    own = {(row.material, row.segment) for row in data.rows("tiers")}
    for material, segment in sorted({(r.material, r.segment) for r in data.rows("demand") if r.material in chosen}):
        if (material, segment) not in losses and (material, "*") not in losses:
            expected = f"a loss per tonne in loss function '{plan.loss_function}'"
            yield Fault("loss_functions.csv", f"{material}/{segment}", "loss_usd_per_t", "no row", expected)
        if segment not in wide and (material, segment) not in own:
            expected = "tiers for the segment, or for '*'" + near_miss(segment, wide)
            yield Fault("tiers.csv", f"{material}/{segment}", "share", "no row", expected)


def one_priority(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A use has one priority, in whatever years its demand is told."""
    said: dict[tuple[str, str], Any] = {}
    for row in data.rows("demand"):
        first = said.setdefault((row.material, row.segment), row)
        if row.priority != first.priority:
            expected = f"{'empty' if first.priority is None else first.priority}, as in the row of {first.from_year}"
            found = "empty" if row.priority is None else str(row.priority)
            yield Fault("demand.csv", f"{row.material}/{row.segment}/{row.from_year}", "priority", found, expected)


def tiers_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Tiers cover the demand, and later tiers hurt at least as much."""
    groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in data.rows("tiers"):
        groups[row.material, row.segment].append(row)
    for (material, segment), rows in groups.items():
        ordered = sorted(rows, key=lambda row: row.tier)
        total = math.fsum(row.share for row in ordered)
        key = f"{material}/{segment}"
        if total < 1 - 1e-9:
            yield Fault("tiers.csv", key, "share", f"{total:g} in all", "shares that add to at least 1")
        for before, after in itertools.pairwise(ordered):
            if after.loss_multiplier < before.loss_multiplier:
                expected = f"at least {before.loss_multiplier:g}, that of tier {before.tier}"
                yield Fault(
                    "tiers.csv", f"{key}/{after.tier}", "loss_multiplier", f"{after.loss_multiplier:g}", expected
                )


def price_states_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Probabilities add to one and the factor's mean is one."""
    rows = data.rows("price_states")
    if not rows:
        return
    total = math.fsum(row.probability for row in rows)
    mean = math.fsum(row.probability * row.factor for row in rows)
    if abs(total - 1) > 1e-9:
        yield Fault("price_states.csv", "", "probability", f"{total:.12g} in all", "probabilities that add to 1")
    elif abs(mean - 1) > 1e-6:
        yield Fault("price_states.csv", "", "factor", f"a mean of {mean:.9g}", "a probability-weighted mean of 1")


def trade_makes_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """No risk-free profit in prices: production for export at a discount, salvage value below the sales price."""
    rows = {row.material: row for row in data.rows("materials")}
    producers = {row.activity: ("activities", row) for row in data.rows("activities")}
    producers |= {row.project: ("projects", row) for row in data.rows("projects")}
    for row in data.rows("yields"):
        table, producer = producers[row.producer]
        haircut = rows[row.material].haircut_share
        if row.yield_t_per_t > 0 and -producer.premium_share > haircut + 1e-12:
            why = f"{row.material} is exported at that haircut, and a larger discount would be a risk-free profit"
            expected = f"at least {-haircut:g}: {why}"
            yield Fault(f"{table}.csv", row.producer, "premium_share", f"{producer.premium_share:g}", expected)
    for name, row in rows.items():
        if row.salvage_share is not None and row.salvage_share < 1 - row.haircut_share - 1e-12:
            expected = f"at least 1 - haircut_share ({1 - row.haircut_share:g})"
            yield Fault("materials.csv", name, "salvage_share", f"{row.salvage_share:g}", expected)
    for row in data.rows("offers"):
        if row.source_producer == "outside":
            if row.crisis_availability is None:
                yield Fault(
                    "offers.csv", row.offer, "crisis_availability", "an empty cell", "a share (mandatory for 'outside')"
                )
        elif not any(
            y.producer == row.source_producer and y.material == row.material and y.yield_t_per_t > 0
            for y in data.rows("yields")
        ):
            yield Fault("offers.csv", row.offer, "material", f"'{row.material}'", f"an output of {row.source_producer}")
        if row.material in rows and -row.premium_share > rows[row.material].haircut_share:
            expected = (
                "a discount of at most the haircut: otherwise buying and selling at once would be a risk-free profit"
            )
            yield Fault("offers.csv", row.offer, "premium_share", f"{row.premium_share:g}", expected)


def packages_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A floor is stated whole or not at all; equity and loans have terms."""
    for row in data.rows("packages"):
        stated = [row.floor_material, row.floor_usd_per_kg, row.floor_kind, row.floor_term_yr]
        if any(v is not None for v in stated) and any(v is None for v in stated):
            expected = "floor_material, floor_usd_per_kg, floor_kind and floor_term_yr, all or none"
            yield Fault("packages.csv", row.package, "floor_material", "an incomplete floor", expected)
        if row.floor_kind == "purchase" and row.take_t_per_yr is None:
            yield Fault(
                "packages.csv", row.package, "take_t_per_yr", "an empty cell", "tonnes that a purchase floor covers"
            )
    for row in data.rows("instruments"):
        if row.kind in ("loan", "equity") and row.tenor_yr <= 0:
            yield Fault("instruments.csv", row.instrument, "tenor_yr", f"{row.tenor_yr:g}", f"years, for a {row.kind}")
        if row.kind == "loan" and row.grace_yr >= row.tenor_yr:
            yield Fault("instruments.csv", row.instrument, "grace_yr", f"{row.grace_yr:g}", "less than tenor_yr")


def agreed_floors_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A floor in force has a level, an output of its source, and an end: all or none."""
    outputs = {(row.producer, row.material) for row in data.rows("yields") if row.yield_t_per_t > 0}
    producers = [("activities.csv", row.activity, row) for row in data.rows("activities")]
    producers += [("projects.csv", row.project, row) for row in data.rows("projects")]
    for file, name, row in producers:
        stated = (row.floor_usd_per_kg, row.floor_material, row.floor_until_year)
        if any(v is not None for v in stated) and any(v is None for v in stated):
            expected = "floor_usd_per_kg, floor_material and floor_until_year, all or none"
            yield Fault(file, name, "floor_material", "an incomplete floor", expected)
        elif row.floor_material is not None and (name, row.floor_material) not in outputs:
            yield Fault(file, name, "floor_material", f"'{row.floor_material}'", f"an output of {name} in yields.csv")
        elif row.floor_material is not None and file == "projects.csv" and not row.committed:
            expected = "committed = true: who has a floor already has his finance, and what it leaves open is not asked"
            yield Fault(file, name, "floor_material", f"'{row.floor_material}'", expected)


def committed_projects_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A project is not both committed before the plan and built only with the plan's support."""
    first = plan.horizon.first_year
    for row in data.rows("projects"):
        if row.committed and row.additional:
            yield Fault("projects.csv", row.project, "committed", "true", "additional = false as well")
        if row.committed and row.earliest_signing < first:
            expected = f"{first} or later, with the remaining lead time; a plant that already runs is an activity"
            yield Fault("projects.csv", row.project, "earliest_signing", str(row.earliest_signing), expected)


def relations_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """No project needs or excludes itself, or excludes what it needs over any number of steps: it could never be built.

    Projects that need each other are built together, or not at all.
    """
    needs = {row.project: set(row.needs.split()) for row in data.rows("projects")}
    excludes = {row.project: set(row.excludes.split()) for row in data.rows("projects")}
    for row in data.rows("projects"):
        name = row.project
        for column, others in (("needs", needs[name]), ("excludes", excludes[name])):
            if name in others:
                yield Fault("projects.csv", name, column, f"'{name}', the project itself", "other projects")
        together = _reached(name, needs) | {name}
        clash = sorted(
            (one, other) for one in together for other in excludes.get(one, ()) if other in together and one != other
        )
        for one, other in clash[:1]:
            found = (
                f"'{row.needs}', of which {one} excludes {other}"
                if one != name
                else f"'{other}', which it also excludes"
            )
            yield Fault("projects.csv", name, "needs", found, "projects that can be built together with it")


def _reached(start: str, steps: Mapping[str, set[str]]) -> set[str]:
    """What is reached from a name over any number of steps."""
    reached, fresh = set[str](), set(steps.get(start, ()))
    while fresh:
        reached |= fresh
        fresh = {name for step in fresh for name in steps.get(step, ())} - reached
    return reached


def hazards_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Elements are named where events come element by element; no hazard brings itself on, over any number of steps."""
    after = {row.hazard: set(row.after.split()) for row in data.rows("hazards")}
    for row in data.rows("hazards"):
        if row.element_share < 1 and "*" in row.materials.split():
            expected = "1 with materials = '*', or materials by name"
            yield Fault("hazards.csv", row.hazard, "element_share", f"{row.element_share:g}", expected)
        if row.hazard in _reached(row.hazard, after):
            yield Fault(
                "hazards.csv", row.hazard, "after", f"'{row.after}'", "hazards that this one does not trigger itself"
            )
    for event in data.rows("policy_events"):
        if event.took_effect and event.effective is None:
            yield Fault(
                "policy_events.csv", event.event, "effective", "an empty cell", "the date on which it took effect"
            )


def stock_fits_its_store(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """What the reserve holds at the start fits into its store."""
    store = {row.material: row.storage_t for row in data.rows("materials")}
    for row in data.rows("stock"):
        room = store.get(row.material)
        if room is not None and row.opening_t > room:
            yield Fault("stock.csv", row.material, "opening_t", f"{row.opening_t:g}", f"at most storage_t ({room:g} t)")


def dates_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Measures end after they begin, and a measure that never took effect is not called in force."""
    for row in data.rows("policy_events"):
        if row.took_effect and row.effective and row.end_or_review and row.end_or_review < row.effective:
            expected = f"a date from {row.effective.isoformat()} on"
            yield Fault("policy_events.csv", row.event, "end_or_review", row.end_or_review.isoformat(), expected)
        if row.announced and row.effective and row.effective < row.announced:
            expected = f"a date from {row.announced.isoformat()} on"
            yield Fault("policy_events.csv", row.event, "effective", row.effective.isoformat(), expected)
        if row.status == "announced" and row.took_effect:
            yield Fault(
                "policy_events.csv", row.event, "took_effect", "true", "false: according to status it never took effect"
            )


TABLES_THERE: tuple[Check, ...] = (one_home, missing_tables)
REFERENCES: tuple[Check, ...] = (references,)


MEANING: tuple[Check, ...] = (
    complete,
    one_priority,
    tiers_make_sense,
    shortage_tables_make_sense,
    price_states_make_sense,
    trade_makes_sense,
    packages_make_sense,
    dates_make_sense,
    observed_profiles_make_sense,
    hazard_prices_make_sense,
    price_gaps_make_sense,
    market_quotes_make_sense,
    two_markets_make_sense,
    unit_slips,
    hazards_make_sense,
    origin_rules_make_sense,
    profiles_make_sense,
    agreed_floors_make_sense,
    stock_fits_its_store,
    committed_projects_make_sense,
    relations_make_sense,
    inside_goods_stand_alone,
    unknown_years,
)
