"""Figures that a question states and never uses, such as those of years outside the plan, and entries listed twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..data.dataset import Dataset
from ..schemas.base import key_of
from ..schemas.plan import Plan
from .idle import idle
from .overlaps import overlaps
from .shortage_tables import idle_shortage
from .without_effect import without_effect
from .zero_limits import zero_limits

UNUSED = "not used"
"""Kind of the notes on figures of years that the plan does not take."""
TWICE = "listed twice"
"""Kind of the notes on names and events that stand twice in a list."""
OLD = 5
"""Years before the first at which a row that a later one replaced is no more the last known value."""
MOST_KEYS = 3
SERIES = {"prices": ("price_set", "material"), "capacities": ("activity",), "demand": ("material", "segment")}
"""Tables of series by year, and the columns that name a series."""

Note = tuple[str, str, str]
"""Kind, item, text."""


def unused(plan: Plan, data: Dataset, years: Sequence[int], chosen: Collection[str]) -> Iterator[Note]:
    """Notes on what is stated and never used, on what is listed twice, and on limits of zero.

    years: fiscal years that are computed, those after the planned ones included; chosen: the planned materials.
    """
    yield from _amounts(plan, years)
    yield from _rows(plan, data, years, chosen)
    yield from _rules(plan, years)
    yield from _repeated(plan)
    yield from ((TWICE, place, text) for place, text in overlaps(plan, data))
    yield from ((UNUSED, place, text) for place, text in idle(plan, data, years, chosen))
    yield from ((UNUSED, place, text) for place, text in without_effect(plan, data, years, chosen))
    yield from ((UNUSED, place, text) for place, text in idle_shortage(plan, data, chosen))
    yield from zero_limits(plan, data, chosen)


def _span(years: Sequence[int]) -> str:
    return f"FY{years[0]}-{years[-1]}"


def _amounts(plan: Plan, years: Sequence[int]) -> Iterator[Note]:
    """Amounts by year of the budget: a year holds until the next that is named."""
    for name in ("appropriation_musd", "liability_cap_musd", "emergency_musd"):
        amounts = getattr(plan.budget, name)
        for year, why in _idle(amounts, years).items() if isinstance(amounts, Mapping) else ():
            place = f"budget.{name}.{year}"
            yield (
                UNUSED,
                place,
                f"plan {place}: {amounts[year]:,g} is not used: {why} (the plan computes {_span(years)})",
            )


def _idle(known: Collection[int], years: Sequence[int]) -> dict[int, str]:
    """Years of a series that no computed year takes a figure from, each with the reason."""
    first, last, found = years[0], years[-1], {}
    for year in sorted(known):
        if year > last:
            found[year] = f"it begins after the last computed year, {last}"
        elif later := min((other for other in known if year < other <= first), default=None):
            found[year] = f"the figure of {later} replaces it before the first year, {first}"
    return found


def _rows(plan: Plan, data: Dataset, years: Sequence[int], chosen: Collection[str]) -> Iterator[Note]:
    """Rows of the tables for years that the plan does not take, by table and reason.

    A series that goes on in its own steps serves longer plans as well, and one whose last known value is a few years old is as
    it should be: neither is told.
    """
    made = {row.producer for row in data.rows("yields") if row.material in chosen}
    for table, names in SERIES.items():
        series: dict[tuple[str, ...], dict[int, Any]] = defaultdict(dict)
        for row in data.rows(table):
            if getattr(row, "price_set", plan.price_set) == plan.price_set and (
                row.activity in made if table == "capacities" else row.material in chosen
            ):
                series[tuple(getattr(row, name) for name in names)][row.from_year] = row
        told: dict[str, list[str]] = defaultdict(list)
        for rows in series.values():
            known = sorted(rows)
            idle = _idle(known, years)
            if known[0] > years[-1]:
                why = f"its series begins after the last computed year, {years[-1]}, so all computed years use its first value"
                told[why].append(key_of(rows[known[0]]))
                idle.pop(known[0])
            elif known[0] > years[0]:
                why = f"its series begins after the first year, {years[0]}: all years before it take its first value"
                told[why].append(key_of(rows[known[0]]))
            for year, why in idle.items():
                if (year > years[-1] and _goes_on(known, year)) or years[0] - OLD <= year < years[0]:
                    continue
                told[f"not used: {why}"].append(key_of(rows[year]))
        for why, keys in told.items():
            more = f" and {len(keys) - MOST_KEYS:,} more" if len(keys) > MOST_KEYS else ""
            count = f"{len(keys):,} row{'s' * (len(keys) > 1)}"
            shown = ", ".join(keys[:MOST_KEYS])
            yield (
                UNUSED,
                keys[0],
                f"{table}.csv from_year: {count} ({shown}{more}): {why} (the plan computes {_span(years)})",
            )


def _goes_on(known: list[int], year: int) -> bool:
    """Whether a year of a series comes in the step that the series had before it."""
    n = known.index(year)
    return n >= 2 and known[n] - known[n - 1] <= known[n - 1] - known[n - 2]


def _rules(plan: Plan, years: Sequence[int]) -> Iterator[Note]:
    """Rules that begin after the last year, measures that end before the first."""
    for name in ("diversification", "days_of_cover"):
        for n, rule in enumerate(getattr(plan, name)):
            if rule.from_year > years[-1]:
                place = f"{name}.{n}.from_year"
                why = f"{rule.from_year} is after the last computed year, {years[-1]}: the rule has no effect"
                yield UNUSED, place, f"plan {place}: {why}"
    for n, control in enumerate(plan.controls):
        if control.until_year <= years[0]:
            place = f"controls.{n}.until_year"
            why = f"{control.until_year:g} is not after the first year, {years[0]}: the measure has no effect"
            yield UNUSED, place, f"plan {place}: {why}"


def _repeated(plan: Plan) -> Iterator[Note]:
    """Names and events that stand twice in a list of the plan."""
    lists: dict[str, tuple[Any, ...]] = {
        "materials": plan.materials,
        "instruments.packages": plan.instruments.packages,
        "instruments.project_list": plan.instruments.project_list,
        "sample.hazards": plan.sample.hazards if plan.sample is not None else (),
        "instruments.signing_years": plan.instruments.signing_years or (),
        "instruments.contract_years": plan.instruments.contract_years or (),
    }
    for n, level in enumerate(plan.service_levels):
        lists[f"service_levels.{n}.scenarios"] = level.scenarios
    for n, menu in enumerate(plan.instruments.price_floors):
        lists[f"instruments.price_floors.{n}.levels_usd_per_kg"] = menu.levels_usd_per_kg
    for place, names in lists.items():
        for name, times in Counter(names).items():
            if times > 1:
                yield TWICE, place, f"plan {place}: {name} is listed {times} times and counts once"
    for name in ("service_levels", "diversification", "days_of_cover", "controls", "hazards"):
        yield from _alike(name, getattr(plan, name), "exactly the same entry")
    for n, scenario in enumerate(plan.scenarios):
        struck = f"both events occur in scenario {scenario.name}, so their cuts and demand factors multiply"
        yield from _alike(f"scenarios.{n}.events", scenario.events, struck)
        same = next((other.name for other in plan.scenarios[:n] if other.events == scenario.events), None)
        if same is not None:
            text = f"plan scenarios.{n}: {scenario.name} has the same events as {same}; their probabilities add up"
            yield TWICE, f"scenarios.{n}", text


def _alike(place: str, entries: tuple[Any, ...], what: str) -> Iterator[Note]:
    """Entries of a list that say the same as one before."""
    for n, entry in enumerate(entries):
        if (first := entries.index(entry)) < n:
            yield TWICE, f"{place}.{n}", f"plan {place}.{n}: the same as {place}.{first}: {what}"
