"""Replayed agreements in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..data.column_words import number_in_words
from ..data.names import Names


def floor_words(row: Mapping[Any, Any], names: Names, steadfast: str) -> list[str]:
    """One agreement with a floor in words. steadfast: what to say where no belief turns the verdict."""
    fair = row["signed_fair_value_musd"]
    beside = "" if math.isnan(fair) else f" (booked by its owner at {fair:,.0f})"
    lines = [
        f"{row['agreement']} ({_named(row, names)}), signed {row['signed_year']}: {row['floor_usd_per_kg']:.4g} USD/kg of "
        f"{names.material(row['material'])} for {row['term_yr']:g} years at a price of {row['price_usd_per_kg']:.4g}.",
        f"  Financing gap {row['gap_without_musd']:,.0f} million USD without the floor, {row['gap_with_musd']:,.0f} with it; the "
        f"floor costs {row['expected_cost_musd']:,.0f}{beside}, at most {row['liability_musd']:,.0f} in a year.",
        f"  Hurdle rate {row['hurdle_rate']:.1%} on the baseline course, {row['hurdle_rate_expected']:.1%} in expectation, "
        f"{row['hurdle_rate_with_floor']:.1%} with the floor; of the output {row['output_kept_without_share']:.0%} is expected "
        f"without it, {row['output_kept_with_share']:.0%} with it.",
    ]
    if not math.isnan(row["closing_level_usd_per_kg"]):
        lines.append(
            f"  A floor of {row['closing_level_usd_per_kg']:.3g} USD/kg with the same terms would close the gap, at "
            f"{row['closing_cost_musd']:,.0f} million USD."
        )
    return [*lines, f"  {_verdict(row)}{_bought(row)}.{_belief_words(row) or steadfast}"]


def _verdict(row: Mapping[Any, Any]) -> str:
    """Whether the floor is the cheapest way to have the plants."""
    better = row["advantage_musd"]
    if row["cheapest"]:
        return f"The floor is the cheaper way, by {better:,.0f} million USD"
    if better > 0:
        return "The owner would not take the floor, or it would earn the government money"
    if row["gap_without_musd"] <= 0:
        return f"No support was needed to build; the floor costs {abs(better):,.0f} million USD"
    return f"A grant alone would be cheaper, by {abs(better):,.0f} million USD"


def _bought(row: Mapping[Any, Any]) -> str:
    """What a floor keeps open."""
    cost = row["cost_of_output_kept_usd_per_kg"]
    return "" if math.isnan(cost) else f", or {number_in_words(cost)} USD for each kg that would else not be made"


def _belief_words(row: Mapping[Any, Any]) -> str:
    """What must be believed otherwise; empty where nothing is known."""
    pays = row["owner_risk_price"]
    charge = f" (its owner pays {pays:.2g})" if pays > 0 else ""
    known = (
        (row["hazard_multiple_at_switch"], "hazards {:.2g} times as frequent"),
        (row["price_multiple_at_switch"], "prices of its chain {:.2g} times as high"),
        (row["premium_at_switch"], "a price-risk premium of {:.1%}"),
        (row["risk_charge_at_switch"], "a charge of {:.2g} USD for each USD of downside" + charge),
    )
    told = [words.format(value) for value, words in known if not math.isnan(value)]
    return f" That would turn at {' or '.join(told)}." if told else ""


def capital_words(row: Mapping[Any, Any], names: Names) -> str:
    covered = "" if math.isnan(row["of_gap_share"]) else f", {row['of_gap_share']:.0%} of the gap"
    signed = row["signed_loans_musd"] + row["signed_grants_musd"] + row["signed_equity_musd"]
    return (
        f"  {row['agreement']} ({_named(row, names)}): gap {row['gap_musd']:,.0f} million USD; {signed:,.0f} were signed, "
        f"{row['of_capex_share']:.0%} of the capital cost, worth {row['worth_to_owner_musd']:,.0f} to the owner{covered}."
    )


def _named(row: Mapping[Any, Any], names: Names) -> str:
    return ", ".join(names.producer(code) for code in row["producers"].split())
