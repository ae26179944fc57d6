"""Entries of a plan without effect: rules on unplanned materials, events that hit nothing, hazards that never occur."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..data.dataset import Dataset
from ..data.homes import members
from ..scenarios.events import DisruptionEvent, hazards, resolver, sampled
from ..schemas.base import key_of
from ..schemas.plan import Plan
from ..schemas.plan_sections import QUIET, Event

MONTHS = 12
"""Ages that are all multiples of this were probably given in months."""
MOST_KEYS = 3
DRAWN = frozenset({"rate_per_yr", "element_share", "after_probability", "after_lag_yr"})
"""Fields of a hazard that matter only for sampled scenarios."""

Finding = tuple[str, str]
"""Place in the plan, or table; text."""


def idle(plan: Plan, data: Dataset, years: Sequence[int], chosen: Collection[str]) -> Iterator[Finding]:
    """Entries of a plan without effect, and hazards that the plan uses and whose terms contradict each other.

    years: fiscal years that are computed; chosen: the planned materials.
    """
    known = _Known(plan, data, years, chosen)
    yield from _promises(known)
    yield from _controls(known)
    yield from _events(known)
    yield from _sample(known)
    yield from _overrides(known)
    yield from _ramps(known)
    yield from _no_money_yet(plan)
    yield from _without_source(data)


class _Known:
    """What a plan covers: its materials, where they are made, who uses them."""

    def __init__(self, plan: Plan, data: Dataset, years: Sequence[int], chosen: Collection[str]) -> None:
        self.members = members(data, plan.home)
        self.plan, self.data, self.end, self.chosen = plan, data, years[-1] + 1, frozenset(chosen)
        self.rows, self.resolved = hazards(plan, data), resolver(plan, data)
        self.drawn = {row.hazard: row for row in sampled(plan, data)}
        self.named = {event.hazard for scenario in plan.scenarios for event in scenario.events if event.hazard}
        country = {row.activity: row.country for row in data.rows("activities")}
        country |= {row.project: row.country for row in data.rows("projects")}
        self.makers = [
            (country[row.producer], row.material)
            for row in data.rows("yields")
            if row.yield_t_per_t > 0 and row.material in self.chosen and row.producer in country
        ]
        self.users = {(row.material, row.segment) for row in data.rows("demand") if row.material in self.chosen}

    def touched(self, materials: str) -> frozenset[str]:
        """Planned materials among those that a list names."""
        names = materials.split()
        return self.chosen if "*" in names else self.chosen & set(names)

    def cut(self, countries: str, touched: Collection[str]) -> bool:
        """Whether some of them are made in the countries."""
        return any(material in touched and self._struck(country, countries) for country, material in self.makers)

    def cut_elsewhere(self, countries: str, touched: Collection[str]) -> bool:
        """Whether some are made abroad outside the countries."""
        return any(
            material in touched and country not in self.members and not self._struck(country, countries)
            for country, material in self.makers
        )

    def _struck(self, country: str, countries: str) -> bool:
        names = countries.split()
        return country in names or ("*" in names and country not in self.members)

    def uses(self, segment: str, touched: Collection[str]) -> bool:
        """Whether a segment uses some of them."""
        return any((material, segment) in self.users for material in touched)


def _promises(known: _Known) -> Iterator[Finding]:
    """Rules on a material that is not planned, and rules that contradict another."""
    for name in ("diversification", "days_of_cover"):
        for n, rule in enumerate(getattr(known.plan, name)):
            if rule.material not in known.chosen:
                place = f"{name}.{n}.material"
                yield place, f"plan {place}: {rule.material} is not planned: the rule has no effect"
    yield from _both("days_of_cover", known.plan.days_of_cover, lambda rule: (rule.material, rule.from_year))
    yield from _both(
        "diversification",
        known.plan.diversification,
        lambda rule: (rule.material, rule.country, rule.group, rule.from_year),
    )
    yield from _both(
        "service_levels",
        known.plan.service_levels,
        lambda rule: (rule.material, rule.segment, frozenset(rule.scenarios), rule.per),
    )


def _both(name: str, rules: Sequence[Any], about: Callable[[Any], object]) -> Iterator[Finding]:
    """Different rules about the same thing: all apply, so the strictest decides."""
    first: dict[object, int] = {}
    for n, rule in enumerate(rules):
        before = first.setdefault(about(rule), n)
        if before < n and rules[before] != rule:
            yield (
                f"{name}.{n}",
                f"plan {name}.{n}: {name}.{before} is a different rule on the same: both apply, so the stricter decides",
            )


def _unplanned(materials: str) -> str:
    names = materials.split()
    return f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''} {'is' if len(names) == 1 else 'are'} not planned"


def _controls(known: _Known) -> Iterator[Finding]:
    """Measures in force that affect nothing planned."""
    for n, control in enumerate(known.plan.controls):
        place, touched = f"controls.{n}", known.touched(control.materials)
        cuts = any(control.cut_shares.get(material, control.cut_share) for material in touched)
        dear = control.price_multiplier != 1 or control.outside_prices or control.feed_cut_share > 0
        if not touched:
            yield place, f"plan {place}.materials: {_unplanned(control.materials)}: the measure has no effect"
        elif cuts and not known.cut(control.countries, touched):
            yield place, f"plan {place}.countries: {_nowhere(control, touched, dear, 'measure')}"
        elif not cuts and not dear:
            yield place, f"plan {place}: no cut and an unchanged price: the measure has no effect"


def _nowhere(struck: Any, touched: Collection[str], more: bool, what: str) -> str:
    """Why a cut hits no source. more: the event or measure has another effect."""
    names = sorted(touched)
    said = f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"
    rest = f"the {what} cuts nothing" if more else f"the {what} has no effect"
    return f"no planned source in {struck.countries} makes {said}: {rest}"


def _events(known: _Known) -> Iterator[Finding]:
    """Events of listed scenarios without effect, wholly or in part."""
    for n, scenario in enumerate(known.plan.scenarios):
        idle_ones = []
        for e, event in enumerate(scenario.events):
            place = f"scenarios.{n}.events.{e}"
            resolved = known.resolved(event)
            why = _nothing(known, resolved)
            if why:
                idle_ones.append((place, f"plan {place}: {why}"))
            else:
                yield from ((place, f"plan {place}: {part}") for part in _in_part(known, event, resolved))
        if len(idle_ones) == len(scenario.events):
            (place, text), *_ = idle_ones
            yield place, f"{text}: scenario {scenario.name} affects no planned material"
        else:
            yield from ((place, f"{text}: the event has no effect") for place, text in idle_ones)


def _nothing(known: _Known, resolved: DisruptionEvent) -> str:
    """Why an event has no effect on the plan; empty if it has one."""
    touched = known.touched(resolved.materials)
    if not touched:
        return _unplanned(resolved.materials)
    comes = resolved.start + resolved.flood < known.end
    cuts = resolved.cut > 0 and known.cut(resolved.countries, touched)
    cuts = cuts or (resolved.third_cut > 0 and known.cut_elsewhere(resolved.countries, touched))
    surges = any(factor != 1 and known.uses(segment, touched) for segment, factor in resolved.demand)
    if (resolved.flood > 0 and resolved.flood_price != 1) or (comes and (cuts or surges or resolved.moves_price)):
        return ""
    if not comes:
        return _late(known, resolved)
    if resolved.cut > 0 or resolved.third_cut > 0:
        made = ", ".join(sorted(touched)[:3])
        return f"no planned source in {resolved.countries} makes {made}, and prices and demand do not change"
    return "no cut, and unchanged price and demand"


def _late(known: _Known, resolved: DisruptionEvent) -> str:
    return (
        f"after a flood of {resolved.flood:g} years from {resolved.start:g} its cut would begin in "
        f"{resolved.start + resolved.flood:g}, after the last computed year, {known.end - 1}: it never occurs"
    )


def _in_part(known: _Known, event: Event, resolved: DisruptionEvent) -> Iterator[str]:
    """Parts without effect of an event that has some."""
    touched = known.touched(resolved.materials)
    if resolved.start + resolved.flood >= known.end:
        yield _late(known, resolved)
    elif resolved.cut > 0 and not known.cut(resolved.countries, touched):
        yield _nowhere(resolved, touched, more=True, what="event")
    elif event.hazard and event.cut_share == 0:
        yield f"cut_share 0 replaces the cut of {event.hazard}: nothing is cut in {resolved.countries}, the rest applies"
    if resolved.cut > 0 and resolved.price < 1 and not (resolved.profile is not None and resolved.profile.priced):
        yield (
            f"price_multiplier {resolved.price:g}: prices fall while supply is cut; a rise of {resolved.price:.0%} is "
            f"written {1 + resolved.price:g}"
        )
    yield from _flood(resolved.flood, resolved.flood_price, ("flood_years", "flood_multiplier"))
    for segment, factor in (event.demand_multipliers or {}).items():
        if factor != 1 and not known.uses(segment, touched):
            yield f"demand_multipliers.{segment}: {segment} uses no planned material of the event: no effect"


def _flood(years: float, price: float, names: tuple[str, str]) -> Iterator[str]:
    """A flood without a length, or without a price."""
    if years > 0 and price == 1:
        yield f"{names[0]} {years:g} with {names[1]} 1 or none: prices do not fall in these years, and the cut only begins later"
    elif years == 0 and price != 1:
        yield f"{names[1]} {price:g} with {names[0]} 0 or none: there is no flood to which it applies"


def _sample(known: _Known) -> Iterator[Finding]:
    """A sample without probability, or of hazards that affect nothing planned; hazards whose flood is stated only in part."""
    sample, place = known.plan.sample, "sample.hazards"
    if sample is not None:
        rest = 1 - sum(scenario.probability for scenario in known.plan.scenarios)
        quiet = min(max(rest, 0.0), sample.quiet_probability)
        if rest - quiet <= 1e-9:
            held = f"the scenario without an event takes {quiet:g}" + (
                f" ({QUIET:g} by default)" if sample.quiet_probability == QUIET else ""
            )
            said = f"the listed scenarios take {1 - rest:g} and {held}"
            yield (
                "sample.scenarios",
                f"plan sample.scenarios: the sample has no probability left: {said}; sampled scenarios have no weight",
            )
        idle_ones = {name: why for name, row in known.drawn.items() if (why := _never(known, row))}
        if "*" not in sample.hazards:
            for name, why in idle_ones.items():
                yield place, f"plan {place}: {name} affects no planned material: {why}"
        elif len(idle_ones) == len(known.drawn):
            yield (
                place,
                f"plan {place}: no hazard of hazards.csv affects any planned material: sampled scenarios have no events",
            )
    for name, row in known.rows.items():
        if (name in known.drawn or name in known.named) and known.touched(row.materials):
            for why in _flood(row.flood_yr, row.flood_multiplier, ("flood_yr", "flood_multiplier")):
                yield "hazards", f"hazards.csv {name}: {why}"


def _never(known: _Known, row: Any) -> str:
    """Why a hazard never affects sampled scenarios; empty if it may."""
    if not known.touched(row.materials):
        return _unplanned(row.materials)
    if not row.rate_per_yr and not any(parent in known.drawn for parent in row.after.split()):
        return "rate_per_yr is 0, and no sampled hazard triggers it"
    return _nothing(known, replace(known.resolved(Event(hazard=row.hazard, start_year=known.end - 1)), flood=0.0))


def _overrides(known: _Known) -> Iterator[Finding]:
    """Overrides of hazards that nothing uses, that are empty, or that override the same hazard."""
    first: dict[str, int] = {}
    for n, override in enumerate(known.plan.hazards):
        place, name = f"hazards.{n}", override.hazard
        stated: Mapping[str, Any] = override.model_dump(exclude={"hazard"}, exclude_none=True)
        before = first.setdefault(name, n)
        if not stated:
            yield place, f"plan {place}: it names {name} and states no field of it: no effect"
        elif name not in known.drawn and name not in known.named:
            yield place, f"plan {place}: neither the sample nor a scenario uses {name}: no effect"
        elif name not in known.drawn and set(stated) <= DRAWN:
            fields = ", ".join(sorted(stated))
            yield place, f"plan {place}: {fields}: used only for sampling, and no sample uses {name}: no effect"
        elif before < n and known.plan.hazards[before] != override:
            yield place, f"plan {place}: hazards.{before} overrides {name} as well: both apply"


def _ramps(known: _Known) -> Iterator[Finding]:
    """Ramps that begin some years after first output, and ramps whose ages are months."""
    projects = {row.project for row in known.data.rows("projects")}
    planned = projects & {row.producer for row in known.data.rows("yields") if row.material in known.chosen}
    ages: dict[str, list[int]] = defaultdict(list)
    for row in known.data.rows("ramps"):
        ages[row.project].append(row.age_yr)
    for name, found in ages.items():
        if not (planned - set(ages) if name == "*" else name in planned):
            continue
        first, later = min(found), [age for age in found if age > 0]
        months = ", probably months instead of years" if later and all(age % MONTHS == 0 for age in later) else ""
        if first > 0:
            idle_years = f"there is no output in the first {first:g} year{'s' * (first > 1)} after first output"
            yield name, f"ramps.csv {name} age_yr: the first is {first:g}: {idle_years}{months}"
        elif months:
            yield name, f"ramps.csv {name} age_yr: {', '.join(f'{age:g}' for age in sorted(found))}{months}"


def _no_money_yet(plan: Plan) -> Iterator[Finding]:
    """Money by year that begins after the plan does: years before the first one named have none."""
    money, first = plan.budget.appropriation_musd, plan.horizon.first_year
    if isinstance(money, dict) and first < min(money) < first + plan.horizon.years:
        until = f"FY{first}" if min(money) == first + 1 else f"FY{first}-{min(money) - 1}"
        place = "budget.appropriation_musd"
        yield place, f"plan {place}: the first year named is FY{min(money)}, so there is no money in {until}"


def _without_source(data: Dataset) -> Iterator[Finding]:
    """Rows of a table without a source where others have one: values that nobody can check."""
    for table in data.tables:
        rows = data.rows(table)
        bare = [row for row in rows if not row.source.strip()]
        if bare and len(bare) < len(rows):
            more = f" and {len(bare) - MOST_KEYS:,} more" if len(bare) > MOST_KEYS else ""
            keys, others = ", ".join(key_of(row) for row in bare[:MOST_KEYS]), len(rows) - len(bare)
            does = "the other row has one" if others == 1 else f"the other {others:,} have one"
            name = "have no source" if len(bare) > 1 else "has no source"
            yield (
                table,
                f"{table}.csv source: {len(bare):,} row{'s' * (len(bare) > 1)} ({keys}{more}) {name}; {does}",
            )
