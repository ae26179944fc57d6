"""Whether rules of origin, and prices in and outside the countries that control a material, make sense (formulation sections 13
and 14)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..core.errors import Fault, near_miss
from ..data.dataset import Dataset
from ..schemas.base import key_of
from ..schemas.plan import Plan

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
