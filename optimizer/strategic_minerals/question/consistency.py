"""Checks across tables and plan, all collected; a loader has already checked each row by itself."""

import datetime as dt
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any

from ..core.errors import Fault, InputError, PlanError, first_of, near_miss
from .base import grouped, key_of
from .dataset import Dataset, home_row, members, unknown_years
from .doubts import unit_slips
from .plan import RULES, Plan
from .read_toml import parse_plan
from .references import missing_tables, qualified_forms, references, select_materials

# Whether rules of origin, and prices in and outside the countries that control a material, make sense.
PURPOSES = ("purchases", "support", "offtake", "users")
"""What a rule of origin may close."""
ROUNDED = 0.005
"""Difference between printed shares and their sum that rounding explains."""
DAY = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
"""Day, month or year of a quote."""


def _wrong(table: str, row: Any, column: str, expected: str, found: str = "") -> Fault:
    """A fault of a cell. found: what is wrong there, where that is not its value."""
    return Fault(f"{table}.csv", key_of(row), column, found or _written(getattr(row, column)), expected)


def _written(value: Any) -> str:
    """A cell as written in a table."""
    if value is None or value == "":
        return "an empty cell"
    if isinstance(value, bool | dt.date):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else f"'{value}'"


def price_gaps_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A price gap is dated, in a year that the index has where a plan asks for it."""
    asked = {name for control in plan.controls if control.outside_prices for name in control.materials.split()}
    index = {row.money_year for row in data.rows("deflators")}
    for row in data.rows("price_gaps"):
        if not DAY.fullmatch(row.date):
            yield _wrong("price_gaps", row, "date", "a year, a month or a day, such as 2026-02")
        elif index and (row.material in asked or "*" in asked) and int(row.date[:4]) not in index:
            yield _wrong("price_gaps", row, "date", "a year of deflators.csv")


def two_markets_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Two markets a material, not three: controls and hazards' prices split it by the same countries; no border floor on two."""
    of: dict[str, tuple[str, frozenset[str]]] = {}
    known = [row.material for row in data.rows("materials")]
    countries_of = {row.hazard: row.countries for row in data.rows("hazards")}
    for row in data.rows("hazard_prices"):
        countries = frozenset(countries_of.get(row.hazard, "").split())
        if row.market != "outside" or not plan.uses_hazard(row.hazard):
            continue
        if "*" in countries:
            expected = "inside: the hazard strikes all countries, and nobody sells outside them"
            yield _wrong("hazard_prices", row, "market", expected)
        first, others = of.setdefault(row.material, (f"hazard {row.hazard}", countries))
        if others != countries:
            expected = f"one with the countries of {first}, whose prices split the market of {row.material} too"
            yield _wrong("hazard_prices", row, "hazard", expected)
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
        for name in sorted({*row.applies_to.split()} - {*PURPOSES}):
            expected = f"{', '.join(PURPOSES)}, separated by spaces{near_miss(name, PURPOSES)}"
            yield _wrong("origin_rules", row, "applies_to", expected, f"'{name}'")
        for name in row.binds.split():
            if name != "*" and not re.fullmatch("[A-Z]{3}", name):
                yield _wrong("origin_rules", row, "binds", "ISO3 codes of homes, or '*'", f"'{name}'")
        if row.from_date is not None and row.to_date is not None and row.to_date <= row.from_date:
            yield _wrong("origin_rules", row, "to_date", f"a day after from_date ({row.from_date})")
        for column in ("applies_to", "materials", "countries", "binds") if row.switch != "none" else ():
            if not getattr(row, column):
                expected = f"something: the switch '{row.switch}' turns the rule on, and without it nothing happens"
                yield _wrong("origin_rules", row, column, expected)


# Whether the courses of disruptions make sense: cuts and prices of hazards by months since their onset.
def profiles_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Steps of a profile end after they begin and do not overlap, and every material of the hazard has some."""
    yield from _steps_follow(data, "hazard_profiles", "flow")
    steps = grouped(data.rows("hazard_profiles"), "hazard")
    for row in data.rows("hazards"):
        for low, high in (("severity_p05", "severity_p95"), ("stretch_p05", "stretch_p95")):
            a, b = getattr(row, low), getattr(row, high)
            if (a is None) != (b is None):
                empty, given = (low, high) if a is None else (high, low)
                yield _wrong("hazards", row, empty, f"a figure, as {given} has one")
            elif a is not None and not a <= 1 <= b:
                yield _wrong("hazards", row, low, "a range around 1, the median", f"{a:g} to {b:g}")
        named = {step.material for step in steps[row.hazard]}
        for material in sorted({*row.materials.split()} - named) if named else ():
            what = "materials by name, as its profile" if material == "*" else "steps for every material of the hazard"
            yield _wrong("hazards", row, "materials", what, f"'{material}' without a profile")


def _steps_follow(data: Dataset, table: str, column: str) -> Iterator[Fault]:
    """Steps of a hazard, a material and a flow or market (column) end after they begin and do not overlap."""
    for rows in grouped(data.rows(table), "hazard", "material", column).values():
        ordered = sorted(rows, key=lambda row: row.month_from)
        for row in ordered:
            if row.month_to <= row.month_from:
                yield _wrong(table, row, "month_to", f"more than month_from ({row.month_from:g})")
        for before, after in pairwise(ordered):
            if before.month_from < before.month_to and after.month_from < before.month_to - 1e-9:
                yield _wrong(table, after, "month_from", f"at least {before.month_to:g}, where the step before ends")


def hazard_prices_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Prices of a hazard are of its materials, follow each other, and end with the last cut of its profile."""
    yield from _steps_follow(data, "hazard_prices", "market")
    named = {row.hazard: row.materials.split() for row in data.rows("hazards")}
    last: dict[str, float] = defaultdict(float)
    for row in data.rows("hazard_profiles"):
        if row.cut_share > 0:
            last[row.hazard] = max(last[row.hazard], row.month_to)
    for row in data.rows("hazard_prices"):
        if row.hazard not in last:
            yield _wrong("hazard_prices", row, "hazard", "a hazard of hazard_profiles.csv")
        elif row.month_to > last[row.hazard] + 1e-9:
            expected = f"at most {last[row.hazard]:g}, the end of its last cut (hazard_profiles)"
            yield _wrong("hazard_prices", row, "month_to", expected)
        if row.hazard in named and row.material not in named[row.hazard]:
            yield _wrong("hazard_prices", row, "material", "a material of the hazard")


# Materials that come only inside imported goods: nothing that a plan decides may reach them.
ALONE = "no material inside imported goods (embedded = true in materials.csv): no stock and no plant can supply it"


def inside_goods_stand_alone(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """What is embedded has foreign sources of its own and no more: no offer, stock, contract, project or plant at home, and no rule
    of the plan; its producers make and use nothing that is not embedded. Then it is a component without decisions, whose loss is
    the same with any plan."""
    inside = {row.material for row in data.rows("materials") if row.embedded}
    for row in data.rows("offers"):
        if row.material in inside:
            yield _wrong("offers", row, "material", ALONE)
    for row in data.rows("stock"):
        if row.material in inside and row.opening_t > 0:
            yield _wrong("stock", row, "opening_t", f"0: {ALONE}")
    if inside:
        yield from _who_makes(plan, data, inside)
    for section in ("instruments.price_floors", *RULES):
        for n, rule in enumerate(attrgetter(section)(plan)):
            if rule.material in inside:
                yield Fault("plan", "", f"{section}.{n}.material", f"'{rule.material}'", ALONE)


def _who_makes(plan: Plan, data: Dataset, inside: set[str]) -> Iterator[Fault]:
    """Producers of what is embedded that decide something, or make something else too."""
    projects = {row.project for row in data.rows("projects")}
    sources = {row.activity: row for row in data.rows("activities")}
    for producer, rows in grouped(data.rows("yields"), "producer").items():
        materials = {row.material for row in rows}
        mine, others = sorted(materials & inside), sorted(materials - inside)
        if not mine:
            continue
        source: Any = sources.get(producer)
        if producer in projects:
            yield Fault("yields.csv", f"{producer}/{mine[0]}", "material", f"'{mine[0]}', of a project", ALONE)
        elif others:
            expected = f"'{mine[0]}' and nothing else that is not embedded"
            yield Fault("yields.csv", f"{producer}/{others[0]}", "material", f"'{others[0]}'", expected)
        elif source.country in members(data, plan.home):
            yield _wrong("activities", source, "country", f"a foreign country; {ALONE}")
        elif source.lot_t_per_yr is not None:
            yield _wrong("activities", source, "lot_t_per_yr", f"an empty cell; {ALONE}")


def feed_shares_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A share for every origin that is named, or for none; they are numbers from 0 to 1 that add to at most 1."""
    for row in data.rows("feed_origins"):
        parts = row.shares.split()
        good = all(re.fullmatch(r"\d*\.?\d+", part) for part in parts) and math.fsum(map(float, parts)) <= 1 + ROUNDED
        if parts and not (good and len(parts) == len(row.origins.split())):
            expected = f"{len(row.origins.split())} shares, one for each origin, which add to at most 1"
            yield _wrong("feed_origins", row, "shares", expected, f"'{row.shares}'")
        if row.basis == "imports" and not parts:
            yield _wrong("feed_origins", row, "shares", "the shares of its country's imports", "nothing")


# Qualified forms of a material: who asks for them, and what makes them.
def forms_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A qualified form is of a planned material; users ask for one each, and one activity at home makes it, 1 t of 1 t, free."""
    chosen, rows = {*select_materials(plan, data)}, {row.material: row for row in data.rows("materials")}
    made = grouped(data.rows("yields"), "producer")
    activities, home = {row.activity: row for row in data.rows("activities")}, members(data, plan.home)
    asked: dict[tuple[str, str], str] = {}
    for row in (row for row in data.rows("qualifications") if row.material in chosen):
        of = rows[row.material].qualified_of if row.material in rows else None
        outputs = {y.material for y in made.get(row.producer, ()) if y.yield_t_per_t > 0}
        if of is None:
            yield _wrong("qualifications", row, "material", "a qualified form (qualified_of in materials.csv)")
        elif row.producer != "*" and of not in outputs:
            yield _wrong("qualifications", row, "producer", f"an activity or a project that makes {of}, or '*'")
    for row in (row for row in rows.values() if row.qualified_users and not row.qualified_of):
        yield _wrong("materials", row, "qualified_users", "an empty cell, or the material in `qualified_of`")
    for row in (row for row in rows.values() if row.qualified_of and row.material in chosen):
        base = rows.get(row.qualified_of)
        if base is not None and base.qualified_of:
            yield _wrong("materials", row, "qualified_of", "a material that is no qualified form itself")
        if row.qualified_of not in chosen:
            expected = f"'{row.qualified_of}' beside it, of which it is the qualified form"
            yield Fault("plan", "", "materials", f"'{row.material}'", expected)
        for segment in row.qualified_users.split() or [""]:
            other = asked.setdefault((row.qualified_of, segment), row.material)
            if not segment or other != row.material:
                expected = f"segments that do not ask for {other}" if segment else "segments that ask for the form"
                yield _wrong("materials", row, "qualified_users", expected)
        recipe = {row.qualified_of: -1.0, row.material: 1.0}
        makers = [name for name, of in made.items() if any(y.material == row.material for y in of)]
        for name in makers:
            maker, makes = activities.get(name), {y.material: y.yield_t_per_t for y in made[name]}
            if maker is None or makes != recipe or maker.country not in home:
                expected = f"an activity at home with the yields -1 of {row.qualified_of} and 1 of {row.material}"
                yield Fault("yields.csv", f"{name}/{row.material}", "yield_t_per_t", f"made by {name}", expected)
            elif maker.premium_share or maker.cash_usd_per_kg:
                column = "premium_share" if maker.premium_share else "cash_usd_per_kg"
                yield _wrong("activities", maker, column, "0: what qualifies a tonne adds no cost")
        if len(makers) != 1:
            found = " and ".join(makers) or "nobody"
            yield Fault("yields.csv", row.material, "producer", found, "one activity that makes the form")


# What contradicts itself in the table of users' own stocks.
def shortage_tables_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A stock of users has one level, and a holder: a segment that demands the material, or plants that use it."""
    wanted = grouped(data.rows("demand"), "material")
    used = {row.material for row in data.rows("yields") if row.yield_t_per_t < 0}
    for row in data.rows("users_stock"):
        if (row.level_months is None) == (row.level_t is None):
            found = "neither level_months nor level_t" if row.level_t is None else "both level_months and level_t"
            yield _wrong("users_stock", row, "level_months", "one of the two", found)
        segments = sorted({each.segment for each in wanted[row.material]})
        if row.segment != "*" and row.segment not in segments:
            expected = f"one of {', '.join(segments)}, or '*'" if segments else "'*': the plants that use it"
            yield _wrong("users_stock", row, "segment", expected, f"'{row.segment}', which demands none of it")
        elif not segments and row.material not in used:
            yield _wrong("users_stock", row, "material", "a material that somebody uses")


Check = Callable[[Plan, Dataset], Iterator[Fault]]


def require(plan: Plan, data: Dataset) -> None:
    """Raise PlanError or InputError with the faults of a plan with its tables."""
    found = _found(plan, data)
    if found:
        placed = [data.placed(fault) for fault in found]
        raise (PlanError if all(fault.file in ("plan", "") for fault in found) else InputError)(placed)


def check_data(plan: Plan, data: Dataset) -> list[Fault]:
    """Faults of a plan with its tables. Tables that are not there and references first: later checks would only repeat them."""
    return data.placed_all(_found(plan, data))


def _found(plan: Plan, data: Dataset) -> list[Fault]:
    """Faults as the checks name them: tables by file, rows by key."""
    faults = list[Fault]()
    try:  # `model_copy` puts values into a plan that nobody has checked
        parse_plan(plan.to_toml_like())
    except PlanError as error:
        return list(error.faults)
    for checks in (TABLES_THERE, REFERENCES, MEANING):
        for check in checks if not faults else ():
            faults += first_of(check(plan, data))
    return first_of(faults)


def one_home(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A plan of several homes is made the question of a coalition before it is looked at."""
    if plan.together is not None:
        found = f"{len(plan.together.members)} homes and one set of tables"
        expected = "load_question, or joint_question with the tables of every member: they make one plan of it"
        yield Fault("plan", "", "together", found, expected)


def sales_are_lawful(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Nobody sells what is held for defence because it has become dear, where the law says so."""
    row = home_row(data, plan.home)
    if plan.release.sell_above is not None and plan.existing and row is not None and row.sales_above_price:
        expected = f"nothing ({row.law} forbids it), or existing = false, for a reserve of its own"
        yield Fault("plan", "", "release.sell_above", f"{plan.release.sell_above:g}", expected)


def money_from_before_counts(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """No more was drawn early before the plan than its first year is given, and its loan is not over before it."""
    given, first, loan = plan.budget.appropriation_musd, plan.horizon.first_year, plan.budget.loan
    if loan is not None and loan.due_year is not None and loan.due_year < first:
        expected = f"nothing, or {first} or later: what is owed is paid back before"
        yield Fault("plan", "", "budget.loan.due_year", str(loan.due_year), expected)
    if isinstance(given, Mapping):
        given = given.get(max((year for year in given if year <= first), default=first), 0.0)
    if given + plan.budget.carried_in_musd < 0:
        expected = f"at least {0.0 - given:g}, for FY{first} has {given:g}"
        yield Fault("plan", "", "budget.carried_in_musd", f"{plan.budget.carried_in_musd:g}", expected)


def complete(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every planned material, source and segment has what the mathematics needs."""
    chosen = select_materials(plan, data)
    if not chosen:
        yield Fault("plan", "", "materials", repr(list(plan.materials)), "at least one material of materials.csv")
    priced = {row.material for row in data.rows("prices") if row.price_set == plan.price_set}
    forms = qualified_forms(plan, data)
    for name in chosen:
        if forms.of(name) not in priced:
            yield Fault("prices.csv", name, "price_usd_per_kg", "no row", f"a price in set '{plan.price_set}'")
    with_capacity = {row.activity for row in data.rows("capacities")}
    making = {row.producer for row in data.rows("yields") if row.yield_t_per_t > 0}
    for table, column in (("activities", "activity"), ("projects", "project")):
        for row in data.rows(table):
            name = getattr(row, column)
            if name not in making:
                yield _wrong(table, row, column, "an output in yields.csv", "no positive yield")
            if table == "activities" and name not in with_capacity:
                yield _wrong(table, row, column, "a row in capacities.csv", "no capacity")
    wide = {row.segment for row in data.rows("tiers") if row.material == "*"}
    own = {(row.material, row.segment) for row in data.rows("tiers")}
    for material, segment in unstated_losses(plan, data):
        expected = f"a loss per tonne in loss function '{plan.loss_function}'"
        yield Fault("loss_functions.csv", f"{material}/{segment}", "loss_usd_per_t", "no row", expected)
    for material, segment in _demands(plan, data):
        if segment not in wide and (material, segment) not in own:
            expected = "tiers for the segment, or for '*'" + near_miss(segment, wide)
            yield Fault("tiers.csv", f"{material}/{segment}", "share", "no row", expected)


def unstated_losses(plan: Plan, data: Dataset) -> Iterator[tuple[str, str]]:
    """(material, segment) of demands for which the plan's loss function states no loss."""
    losses = {(r.material, r.segment) for r in data.rows("loss_functions") if r.loss_function == plan.loss_function}
    return (one for one in _demands(plan, data) if one not in losses and (one[0], "*") not in losses)


def _demands(plan: Plan, data: Dataset) -> list[tuple[str, str]]:
    """(material, segment) of all demands of planned materials, in order."""
    chosen = {*select_materials(plan, data)}
    return sorted({(row.material, row.segment) for row in data.rows("demand") if row.material in chosen})


def one_priority(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A use has one priority, in all years for which its demand is stated."""
    for first, *others in grouped(data.rows("demand"), "material", "segment").values():
        for row in others:
            if row.priority != first.priority:
                expected = f"{_written(first.priority)}, as in the row of {first.from_year}"
                yield _wrong("demand", row, "priority", expected)


def tiers_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Tiers cover the demand, and later tiers hurt at least as much."""
    for (material, segment), rows in grouped(data.rows("tiers"), "material", "segment").items():
        total = math.fsum(row.share for row in rows)
        if total < 1 - 1e-9:
            expected = "shares that add to at least 1"
            yield Fault("tiers.csv", f"{material}/{segment}", "share", f"{total:g} in all", expected)
        for before, after in pairwise(sorted(rows, key=lambda row: row.tier)):
            if after.loss_multiplier < before.loss_multiplier:
                expected = f"at least {before.loss_multiplier:g}, that of tier {before.tier}"
                yield _wrong("tiers", after, "loss_multiplier", expected)


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
    outputs = {(row.producer, row.material) for row in data.rows("yields") if row.yield_t_per_t > 0}
    for row in data.rows("yields"):
        table, producer = producers[row.producer]
        haircut = rows[row.material].haircut_share
        if row.yield_t_per_t > 0 and -producer.premium_share > haircut + 1e-12:
            why = f"{row.material} is exported at that haircut, and a larger discount would be a risk-free profit"
            yield _wrong(table, producer, "premium_share", f"at least {-haircut:g}: {why}")
    for row in rows.values():
        if row.salvage_share is not None and row.salvage_share < 1 - row.haircut_share - 1e-12:
            expected = f"at least 1 - haircut_share ({1 - row.haircut_share:g})"
            yield _wrong("materials", row, "salvage_share", expected)
    for row in data.rows("offers"):
        if row.source_producer == "outside":
            if row.crisis_availability is None:
                yield _wrong("offers", row, "crisis_availability", "a share (mandatory for 'outside')")
        elif (row.source_producer, row.material) not in outputs:
            yield _wrong("offers", row, "material", f"an output of {row.source_producer}")
        facts, most = rows.get(row.material), 1.0
        if facts is not None:  # share of the price that a tonne loses at least, sold or left at the end
            most = float(facts.haircut_share if facts.salvage_share is None else 1 - facts.salvage_share)
        if -row.premium_share > most + 1e-12:
            why = "otherwise buying and selling, or holding to the end, would be a risk-free profit"
            yield _wrong("offers", row, "premium_share", f"a discount of at most {most:g}: {why}")


def _in_part(row: Any, columns: Sequence[str]) -> bool:
    """Whether a row has some of the columns and not all."""
    return len({getattr(row, column) is not None for column in columns}) > 1


def _listed(columns: Sequence[str]) -> str:
    return f"{', '.join(columns[:-1])} and {columns[-1]}"


PACKAGE_FLOOR = ("floor_material", "floor_usd_per_kg", "floor_kind", "floor_term_yr")
"""What the floor of a package consists of."""
AGREED_FLOOR = ("floor_usd_per_kg", "floor_material")
"""What a floor that was agreed on before consists of."""


def packages_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A floor is stated whole or not at all; equity and loans have terms."""
    for row in data.rows("packages"):
        if _in_part(row, PACKAGE_FLOOR):
            yield _wrong(
                "packages", row, "floor_material", f"{_listed(PACKAGE_FLOOR)}, all or none", "an incomplete floor"
            )
        if row.floor_kind == "purchase" and row.take_t_per_yr is None:
            yield _wrong("packages", row, "take_t_per_yr", "tonnes that a purchase floor covers")
    for row in data.rows("instruments"):
        if row.kind in ("loan", "equity") and row.tenor_yr <= 0:
            yield _wrong("instruments", row, "tenor_yr", f"years, for a {row.kind}")
        if row.kind == "loan" and row.grace_yr >= max(1, round(row.tenor_yr)):
            yield _wrong("instruments", row, "grace_yr", "less than tenor_yr, in whole years")


def agreed_floors_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A floor in force has a level and an output of its producer; of projects only a committed one has a floor."""
    outputs = {(row.producer, row.material) for row in data.rows("yields") if row.yield_t_per_t > 0}
    free = {row.project for row in data.rows("projects") if not row.committed}
    for row in data.rows("commitments"):
        if _in_part(row, AGREED_FLOOR):
            expected = f"{_listed(AGREED_FLOOR)}, both or none"
            yield _wrong("commitments", row, "floor_material", expected, "an incomplete floor")
        elif row.floor_material is not None and (row.producer, row.floor_material) not in outputs:
            yield _wrong("commitments", row, "floor_material", f"an output of {row.producer} in yields.csv")
        elif row.floor_from_year is not None and (row.floor_until_year or math.inf) <= row.floor_from_year:
            yield _wrong(
                "commitments", row, "floor_until_year", f"a date after floor_from_year ({row.floor_from_year:g})"
            )
        elif not row.indexed and row.money_year is None:
            yield _wrong("commitments", row, "money_year", "the year in whose money the level is fixed", "nothing")
        elif row.indexed and row.escalator_share_per_yr > 0:
            yield _wrong("commitments", row, "indexed", "false, where the level rises by an escalator of its own")
        elif row.producer in free:
            why = "who has support already has his finance, and what it leaves open is not asked"
            yield _wrong("commitments", row, "producer", f"an activity, or a project with committed = true: {why}")


def floors_do_not_overlap(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A producer has one floor at a time on a material: two would both be paid."""
    floors = [r for r in data.rows("commitments") if r.floor_usd_per_kg is not None and r.floor_material is not None]
    for rows in grouped(floors, "producer", "floor_material").values():
        ordered = sorted(rows, key=lambda row: row.floor_from_year or 0.0)
        for row, later in pairwise(ordered):
            end = row.floor_until_year or math.inf
            if end > (later.floor_from_year or 0.0):
                expected = f"a date from the end of {row.commitment} on, or 'market_floor' beside it"
                if later.kind != "market_floor" and row.kind != "market_floor":
                    yield _wrong("commitments", later, "floor_from_year", expected)


def committed_projects_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A project is not both committed before the plan and built only with the plan's support."""
    for row in data.rows("projects"):
        if row.committed and row.additional:
            yield _wrong("projects", row, "committed", "additional = false as well")


def relations_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """No project needs or excludes itself, or excludes what it needs over any number of steps: it could never be built.

    Projects that need each other are built together, or not at all."""
    needs = {row.project: {*row.needs.split()} for row in data.rows("projects")}
    excludes = {row.project: {*row.excludes.split()} for row in data.rows("projects")}
    for row in data.rows("projects"):
        name = row.project
        for column, others in (("needs", needs[name]), ("excludes", excludes[name])):
            if name in others:
                yield _wrong("projects", row, column, "other projects", f"'{name}', the project itself")
        together = _reached(name, needs) | {name}
        clash = sorted((one, other) for one in together for other in excludes.get(one, set()) & together - {one})
        for one, other in clash[:1]:
            which = f"'{row.needs}', of which {one} excludes {other}"
            found = which if one != name else f"'{other}', which it also excludes"
            yield _wrong("projects", row, "needs", "projects that can be built together with it", found)


def _reached(start: str, steps: Mapping[str, set[str]]) -> set[str]:
    """What is reached from a name over any number of steps."""
    reached, fresh = set[str](), steps.get(start, set())
    while fresh:
        reached |= fresh
        fresh = {name for step in fresh for name in steps.get(step, ())} - reached
    return reached


def hazards_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Elements are named where events come one by one; a lognormal length has its range; no hazard brings itself on."""
    after = {row.hazard: {*row.after.split()} for row in data.rows("hazards")}
    for row in data.rows("hazards"):
        if row.element_share < 1 and "*" in row.materials.split():
            yield _wrong("hazards", row, "element_share", "1 with materials = '*', or materials by name")
        for end in ("duration_yr_low", "duration_yr_high") if row.duration_law == "lognormal" else ():
            if not getattr(row, end):
                yield _wrong("hazards", row, end, "a figure, as duration_law is lognormal")
        if row.hazard in _reached(row.hazard, after):
            yield _wrong("hazards", row, "after", "hazards that this one does not trigger itself")
    for event in data.rows("policy_events"):
        if event.took_effect and event.effective is None:
            yield _wrong("policy_events", event, "effective", "the date on which it took effect")


def stock_fits_its_store(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """What the reserve holds at the start fits into its store."""
    store = {row.material: row.storage_t for row in data.rows("materials")}
    for row in (row for row in data.rows("stock") if plan.existing or row.carried):
        room = store.get(row.material)
        if room is not None and row.opening_t > room:
            yield _wrong("stock", row, "opening_t", f"at most storage_t ({room:g} t)")


TABLES_THERE: tuple[Check, ...] = (one_home, missing_tables)
REFERENCES: tuple[Check, ...] = (references,)
MEANING: tuple[Check, ...] = (
    complete,
    one_priority,
    sales_are_lawful,
    money_from_before_counts,
    tiers_make_sense,
    shortage_tables_make_sense,
    price_states_make_sense,
    trade_makes_sense,
    packages_make_sense,
    hazard_prices_make_sense,
    price_gaps_make_sense,
    two_markets_make_sense,
    unit_slips,
    hazards_make_sense,
    origin_rules_make_sense,
    feed_shares_make_sense,
    profiles_make_sense,
    agreed_floors_make_sense,
    floors_do_not_overlap,
    stock_fits_its_store,
    committed_projects_make_sense,
    relations_make_sense,
    inside_goods_stand_alone,
    forms_make_sense,
    unknown_years,
)
