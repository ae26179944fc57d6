"""Why an item was chosen or rejected, in a sentence."""

from __future__ import annotations

from typing import Any

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


def sentence(row: dict[str, Any], item: str, instead: str, note: str, what: str, *, built_anyway: bool = False) -> str:
    """A row in words.

    item, instead: the item, and what the plan takes in its place, by name. what: that it is chosen, and how much of it; or the
    item, and how much of it was held in. built_anyway: a project that its owner builds without support; the row is about supporting
    it.
    """
    name = f"{'support for ' if built_anyway else ''}{item}"
    note = f"{'its owner builds it without support; ' if built_anyway and note else ''}{note}"
    if note:
        return f"{name}: {what if row['chosen'] else 'rejected'}; {note}"
    loss, spent = row["loss_change_musd"], row["spending_change_musd"]
    effect = f"{_change('expected losses', loss)}, {_change('discounted spending', spent)}"
    if row["chosen"]:
        gain, between = row["brings_musd"], _between(row["brings_low_musd"], row["brings_high_musd"])
        does = (
            f"it makes the plan {gain:,.1f} M better{between}"
            if gain >= SMALL_MUSD
            else f"other items could take its place at no loss{between}"
        )
        other = f"; without it the plan takes {instead}" if instead else ""
        limit = f"; {row['binds']}" if row["binds"] else ""
        return f"{name}: {what}; {does}: {effect}{other}{limit}"
    cost, between = -row["brings_musd"], _between(-row["brings_high_musd"], -row["brings_low_musd"])
    worse = f"including {what} makes the plan {cost:,.1f} M worse"
    does = f"{worse if cost >= SMALL_MUSD else f'the plan is as good with {what}'}{between}"
    binds = f"; what stands in the way: {row['binds']}" if row["binds"] else ""
    return f"{name}: rejected{', its owner builds it without support' * built_anyway}; {does}: {effect}{binds}"


def _between(low: float, high: float) -> str:
    """The interval that the gaps of the two solves leave, where it is wider than a tenth of its middle."""
    return f" (between {low:,.1f} and {high:,.1f})" if high - low > max(SMALL_MUSD, 0.05 * (low + high)) else ""


def _change(name: str, value: float) -> str:
    return f"{name} {value:+,.1f} M" if abs(value) >= SMALL_MUSD else f"{name} unchanged"
