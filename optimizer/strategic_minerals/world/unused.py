"""Entries of a plan that change nothing, or something else than they seem to; limits of zero where an empty cell means no limit."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.formats import listed
from ..core.stats import MONTHS_PER_YEAR
from ..question.base import key_of
from ..question.dataset import Dataset, members
from ..question.names import Names
from ..question.plan import RULES, Event, Plan, Release
from ..question.references import opening_stock, qualified_forms, select_materials
from .events import DisruptionEvent, Steps, hazards, profiles_of, resolver, sampled

KIND = "without effect"
"""Kind of these notes."""
MOST_KEYS = 3
ZERO_LIMITS = {"storage_t": "store none of it", "drawdown_t_per_yr": "release none of it to users"}
"""Limits on the reserve that an empty cell does without -> what the reserve can with 0."""
THINNED = 0.2
"""Probability of listed scenarios above which a note says what they leave to the sample; shipped plans that draw list less."""

Finding = tuple[str, str]
"""Dotted field of the plan, or what a table's row is about; why nothing, or something else, comes of it."""


def unused(plan: Plan, data: Dataset, years: Sequence[int], chosen: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """(kind, item, text) of such entries, and of rows of the tables that a planner should know of.

    years: fiscal years that are computed, those after the planned ones included; chosen: the planned materials."""
    known = _Known(plan, data, years, chosen)
    for check in (_rules, _controls, _events, _sample, _overrides, _money, _switches):
        yield from ((KIND, place, f"plan {place}: {why}") for place, why in check(known))
    yield from ((KIND, item, text) for item, text in _limits(known))


class _Known:
    """What a plan covers: its materials, where they are made, who uses them."""

    def __init__(self, plan: Plan, data: Dataset, years: Sequence[int], chosen: Collection[str]) -> None:
        self.plan, self.data, self.years, self.chosen = plan, data, years, frozenset(chosen)
        self.end, self.members = years[-1] + 1, members(data, plan.home)
        self.rows, self.resolved = hazards(plan, data), resolver(plan, data)
        self.drawn = {row.hazard: row for row in sampled(plan, data)}
        country = {key_of(row): row.country for table in ("activities", "projects") for row in data.rows(table)}
        made = [row for row in data.rows("yields") if row.yield_t_per_t > 0]
        self.country = country
        self.makers = {(country[row.producer], row.material) for row in made if row.producer in country}
        self.producers = {row.producer for row in made if row.material in self.chosen}
        self.forms = qualified_forms(plan, data)

    def touched(self, materials: str) -> frozenset[str]:
        """Planned materials among those that a list names."""
        names = materials.split()
        return self.chosen if "*" in names else self.chosen & set(names)

    def cut(self, countries: str, touched: Collection[str]) -> bool:
        """Whether some of them are made in the countries."""
        names = countries.split()
        return any(
            material in touched and (country in names or ("*" in names and country not in self.members))
            for country, material in self.makers
        )


def _unplanned(materials: str) -> str:
    names = materials.split()
    return f"{listed(names, MOST_KEYS)} {'is' if len(names) == 1 else 'are'} not planned"


def _nowhere(countries: str, touched: Collection[str]) -> str:
    return f"no planned source in {countries} makes {listed(sorted(touched), MOST_KEYS)}"


def _rules(known: _Known) -> Iterator[Finding]:
    """Rules on a material that is not planned, of years that are not, or on what no source makes."""
    for name in RULES:
        for n, rule in enumerate(getattr(known.plan, name)):
            country = getattr(rule, "country", None)
            if rule.material not in known.chosen:
                yield f"{name}.{n}.material", f"{rule.material} is not planned: the rule has no effect"
            elif (year := getattr(rule, "from_year", 0)) > known.years[-1]:
                why = f"{year} is after the last computed year, {known.years[-1]}"
                yield f"{name}.{n}.from_year", f"{why}: the rule has no effect"
            elif country is not None and (country, rule.material) not in known.makers:
                yield f"{name}.{n}.country", f"{_nowhere(country, [rule.material])}: the cap has no effect"


def _controls(known: _Known) -> Iterator[Finding]:
    """Measures in force that affect nothing planned."""
    for n, control in enumerate(known.plan.controls):
        place, touched = f"controls.{n}", known.touched(control.materials)
        cuts = any(control.cut_shares.get(material, control.cut_share) for material in touched)
        dear = control.price_multiplier != 1 or control.outside_prices or control.feed_cut_share > 0
        if control.until_year <= known.years[0]:
            why = f"{control.until_year:g} is not after the first year, {known.years[0]}"
            yield f"{place}.until_year", f"{why}: the measure has no effect"
        elif not touched:
            yield f"{place}.materials", f"{_unplanned(control.materials)}: the measure has no effect"
        elif cuts and not known.cut(control.countries, touched):
            effect = "cuts nothing" if dear else "has no effect"
            yield f"{place}.countries", f"{_nowhere(control.countries, touched)}: the measure {effect}"
        elif not cuts and not dear:
            yield place, "no cut and an unchanged price: the measure has no effect"


def _events(known: _Known) -> Iterator[Finding]:
    """Events of listed scenarios without effect, wholly or in part."""
    listed = [(n, e, event) for n, one in enumerate(known.plan.scenarios) for e, event in enumerate(one.events)]
    for n, e, event in listed:
        place, resolved = f"scenarios.{n}.events.{e}", known.resolved(event)
        if why := _nothing(known, resolved):
            yield place, f"{why}: the event has no effect"
            continue
        if event.surge_level != "central" and not resolved.surge[0]:
            yield f"{place}.surge_level", "neither the event nor its hazard names a surge: the level has no effect"
        touched = known.touched(resolved.materials)
        if resolved.cut > 0 and not known.cut(resolved.countries, touched):
            yield place, f"{_nowhere(resolved.countries, touched)}: the event cuts nothing"


def _nothing(known: _Known, resolved: DisruptionEvent) -> str:
    """Why an event has no effect on the plan; empty if it has one."""
    touched, start = known.touched(resolved.materials), resolved.start + resolved.flood
    if not touched:
        return _unplanned(resolved.materials)
    if resolved.flood > 0 and resolved.flood_price != 1:
        return ""
    if start >= known.end:
        flood = f"after a flood of {resolved.flood:g} years from {resolved.start:g} its cut would begin in {start:g}"
        return f"{flood}, after the last computed year, {known.end - 1}"
    firms = resolved.producers.split()
    if firms and not any(known.country.get(name) in resolved.countries.split() for name in firms):
        return f"no firm that it names is in {resolved.countries}"
    dear = resolved.price != 1 or (resolved.profile is not None and resolved.profile.priced)
    changes = resolved.demand or resolved.surge[0] or resolved.third_cut > 0 or dear
    if changes or (resolved.cut > 0 and known.cut(resolved.countries, touched)):
        return ""
    if resolved.cut > 0:
        return f"{_nowhere(resolved.countries, touched)}, and prices and demand do not change"
    return "no cut, and unchanged price and demand"


def _sample(known: _Known) -> Iterator[Finding]:
    """A sample without probability, or of hazards that affect nothing planned."""
    sample = known.plan.sample
    if sample is None:
        return
    listed = sum(scenario.probability for scenario in known.plan.scenarios)
    quiet = min(max(1 - listed, 0.0), sample.quiet_probability)
    if 1 - listed - quiet <= 1e-9:
        why = f"the listed scenarios take {listed:g} and the scenario without an event {quiet:g}"
        yield "sample.scenarios", f"the sample has no probability left: {why}; sampled scenarios have no weight"
    elif listed > THINNED:
        share = f"{listed:.0%} of the probability, so a sampled hazard counts for {1 - listed:.0%} of its rate"
        yield "sample.scenarios", f"the listed scenarios take {share}"
    for name, row in known.drawn.items():
        if "*" not in sample.hazards and (why := _never(known, row)):
            yield "sample.hazards", f"{name} affects no planned material: {why}"


def _never(known: _Known, row: Any) -> str:
    """Why a hazard never affects sampled scenarios; empty if it may."""
    if known.touched(row.materials) and not row.rate_per_yr and known.drawn.keys().isdisjoint(row.after.split()):
        return "rate_per_yr is 0, and no sampled hazard triggers it"
    return _nothing(known, replace(known.resolved(Event(hazard=row.hazard, start_year=known.end - 1)), flood=0.0))


def _overrides(known: _Known) -> Iterator[Finding]:
    """Overrides of hazards that nothing uses."""
    for n, own in enumerate(known.plan.hazards):
        if not known.plan.uses_hazard(own.hazard):
            yield f"hazards.{n}", f"neither the sample nor a scenario uses {own.hazard}: no effect"


def _money(known: _Known) -> Iterator[Finding]:
    """Amounts of years that are not computed, and years without money."""
    budget, years = known.plan.budget, known.years
    for name in ("appropriation_musd", "liability_cap_musd", "emergency_musd"):
        amounts = getattr(budget, name)
        for year in sorted(amounts) if isinstance(amounts, Mapping) else ():
            if year > years[-1]:
                why = f"the last computed year is {years[-1]}"
                yield f"budget.{name}.{year}", f"{amounts[year]:,g} is not used: {why}"
    money = budget.appropriation_musd
    if isinstance(money, dict) and years[0] < min(money) <= years[-1]:
        yield "budget.appropriation_musd", f"the first year named is FY{min(money)}: there is no money before it"


def _switches(known: _Known) -> Iterator[Finding]:
    """What is switched on and finds no rows in the tables, or no other field that it needs."""
    plan, data = known.plan, known.data
    if plan.price_channel and not {row.material for row in data.rows("price_responses")} & known.chosen:
        yield "price_channel", "no planned material has a row in price_responses.csv: the plan moves no price"
    homes = {"*", *known.members}
    for name in ("law", "practice", "policy"):
        rules = (row for row in data.rows("origin_rules") if row.switch == name and homes & set(row.binds.split()))
        if getattr(plan.procurement, name) and not any(known.touched(row.materials) for row in rules):
            why = "no rule of origin_rules.csv has this switch, binds the home and names a planned material"
            yield f"procurement.{name}", f"{why}: nothing is excluded"
    if plan.procurement.ceilings and not {row.material for row in data.rows("purchase_ceilings")} & known.chosen:
        yield "procurement.ceilings", "no planned material has a row in purchase_ceilings.csv: nothing is limited"
    if plan.release.sell_above is None and plan.release.sell_share != Release().sell_share:
        yield "release.sell_share", "sell_above is not set: no price is a reason to give"


# --- rows of the tables --------------------------------------------------------------------------------------------
def _limits(known: _Known) -> Iterator[Finding]:
    """Limits of 0 on a reserve that is offered or holds the material."""
    plan, data = known.plan, known.data
    wanted = set(opening_stock(plan, data))
    if plan.instruments.reserve:
        wanted |= {row.material for row in data.rows("offers") if row.depth_t_per_yr > 0}
        wanted |= {menu.material for menu in plan.instruments.price_floors if menu.kind == "purchase"}
        wanted |= {rule.material for rule in plan.days_of_cover if rule.days > 0}
    for row in data.rows("materials"):
        for column, can in ZERO_LIMITS.items() if row.material in wanted & known.chosen else ():
            if getattr(row, column) == 0:
                why = f"0: the reserve can {can}, although it holds or may buy some; leave the cell empty for no limit"
                yield row.material, f"materials.csv {row.material} {column}: {why}"


# What periods longer than the steps of a disruption's profile average away.
HIDDEN = 0.1
"""Share of supply by which the deepest step exceeds the mean of a period, from which on it is reported."""


def averaged_away(plan: Plan, data: Dataset) -> Iterator[tuple[str, str]]:
    """(hazard, text) of the hazards in the plan whose deepest cut lasts for less than a period; of the material hidden most."""
    period = plan.horizon.period_months / MONTHS_PER_YEAR
    used = {row.hazard for row in sampled(plan, data)}
    # an event that states none of these has the profile as recorded
    own = ("cut_share", "severity", "stretch", "duration_years")
    listed = [event for scenario in plan.scenarios for event in scenario.events]
    used |= {event.hazard for event in listed if all(getattr(event, name) is None for name in own)}
    chosen, names = set(select_materials(plan, data)), Names.of(data)
    for hazard, profile in profiles_of(plan, data).items():
        cuts = [(*_cuts(steps, period), material) for material, steps in profile.effective if material in chosen]
        if hazard not in used or not cuts:
            continue
        deepest, mean, material = max(cuts, key=lambda cut: cut[0] - cut[1])
        if deepest - mean > HIDDEN:
            yield (
                hazard,
                f"{names.any(hazard)}: as recorded, in its worst month {deepest:.0%} of {names.material(material)} is cut, over a "
                f"period of {plan.horizon.period_months} months {mean:.0%} at most; shorter periods (horizon.period_months) show "
                "more losses",
            )


def _cuts(steps: Steps, period: float) -> tuple[float, float]:
    """Deepest cut of a step, and the largest mean over a period of so many years that begins with a step or ends with one."""
    starts = {begin for begin, _, _ in steps} | {end - period for _, end, _ in steps}
    means = [
        sum(share * max(0.0, min(end, start + period) - max(begin, start)) for begin, end, share in steps) / period
        for start in starts
    ]
    return max(share for *_, share in steps), max(means)
