"""Why an item was chosen or rejected, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.rounding import rounded_to_add_up
from ..finance.items import Item
from ..model.decisions import Decided, part_in_words

SMALL_MUSD = 0.05
"""Million USD below which nothing is said to bind, or to be brought."""


def has(item: Item, decided: Decided, amount: float) -> str:
    """How much the plan has of an item: tonnes, or the share of what is supported in part; empty for what is chosen whole."""
    told = f"{amount:,.4g} {decided.unit}" if decided.unit.startswith("t") else part_in_words(item, decided, amount)
    return f" ({told})" if told else ""


def least(item: Item, decided: Decided) -> str:
    """What an item is held in with."""
    if decided.unit.startswith("t"):
        together = " (all start years together)" if item.kind == "contract" else ""
        return f"at least {decided.least:,.4g} {decided.unit} of it{together}"
    part = part_in_words(item, decided, decided.least)
    return f"{'' if item.kind == 'project' else 'it for '}at least {part}" if part else "it"


PARTS = {
    "shortages": ("shortage losses avoided", "for more shortage losses"),
    "users": ("saved by users", "paid by users"),
    "government": ("saved by the government", "paid by the government"),
    "spending": ("less spending", "for more spending"),
    "risk": ("less risk of very large losses (CVaR)", "for more risk of very large losses (CVaR)"),
    "penalties": ("fewer penalties for broken soft rules", "for more penalties for broken soft rules"),
}
"""What is gained, and what is lost, of each part of a sum."""
MEANING = {
    "social_cost": "The figures after the colon add up to it: shortage losses avoided; what users pay for supply; what the "
    "government pays: spending, less sales and the value of the stock and plants that are left at the end.",
    "risk": "The figures after the colon add up to it, each with the weight that the plan's aim gives it.",
    "spending": "Spending is discounted, and counted as long as no disruption occurs.",
}
"""Aim of the plan -> what the parts of a reason are."""


def heading(aim: str, stage: str, gap: float) -> list[str]:
    """What the reasons are, before them. aim: in words; stage: its name."""
    return [
        f"REASONS: what each item changes in {aim}, in million USD (M): the plan is solved again without it, or with it.",
        f"  {MEANING[stage]}",
        f"  Each solve is within {gap:.2%} of the best; where that matters, the possible range is in brackets. An item can save "
        "money: without it, the plan may have to buy elsewhere at a higher price.",
    ]


def sentence(
    row: dict[str, Any],
    item: str,
    gains: Mapping[str, float],
    instead: str,
    note: str,
    what: str,
    *,
    built_anyway: bool = False,
) -> str:
    """A row in words.

    item, instead: the item, and what the plan takes in its place, by name. gains: what the item brings, by part of the aim; they
    add up to it. what: that it is chosen, and how much of it; or the item, and how much of it was held in. built_anyway: a
    project that its owner builds without support; the row is about supporting it.
    """
    name = f"{'support for ' if built_anyway else ''}{item}"
    note = f"{'its owner builds it without support; ' if built_anyway and note else ''}{note}"
    if note:
        return f"{name}: {what if row['chosen'] else 'rejected'}; {note}"
    total, effect = row["brings_musd"], _sum(row["brings_musd"], gains)
    if row["chosen"]:
        between = _between(row["brings_low_musd"], row["brings_high_musd"])
        does = (
            f"it makes the plan {total:,.1f} M better{between}"
            if total >= SMALL_MUSD
            else f"other items could take its place at no loss{between}"
        )
        other = f"; without it the plan takes {instead}" if instead else ""
        limit = f"; {row['binds']}" if row["binds"] else ""
        return f"{name}: {what}; {does}{effect}{other}{limit}"
    between = _between(-row["brings_high_musd"], -row["brings_low_musd"])
    worse = f"including {what} makes the plan {-total:,.1f} M worse"
    does = f"{worse if -total >= SMALL_MUSD else f'the plan is as good with {what}'}{between}"
    binds = f"; what stands in the way: {row['binds']}" if row["binds"] else ""
    return f"{name}: rejected{', its owner builds it without support' * built_anyway}; {does}{effect}{binds}"


def _sum(total: float, gains: Mapping[str, float]) -> str:
    """`: +4.7 M shortage losses avoided, -0.4 M paid by users`: parts that add up to the total as it is printed.

    Empty where they do not add up: a search that stopped within its gap may find a plan with
    the item held that is slightly better, of which nothing is counted.
    """
    found = rounded_to_add_up(total, list(gains.values()), 1)
    told = [(name, part) for name, part in zip(gains, found or (), strict=False) if part]
    return f": {', '.join(f'{part:+,.1f} M {PARTS[name][part < 0]}' for name, part in told)}" if told else ""


def _between(low: float, high: float) -> str:
    """The interval that the gaps of the two solves leave, where it is wider than a tenth of its middle."""
    return f" (between {low:,.1f} and {high:,.1f} M)" if high - low > max(SMALL_MUSD, 0.05 * (low + high)) else ""
