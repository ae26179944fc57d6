"""Where the reserve's purchases come from, in words: countries as declared, and what rests on one of them."""

from __future__ import annotations

from ..audit.figures import ORIGIN, Figures
from ..data.names import Names

ONE_COUNTRY = 0.8
"""Share of a material's purchases from which on they are said to rest on one country."""
SMALL = 0.01
"""Share of all purchases below which countries are counted, not named."""
MOST = 6
"""Materials named at most in a line."""


def origin_of_purchases(figures: Figures, names: Names) -> list[str]:
    """Lines for the summary; none where nothing is bought."""
    money, tonnes = figures.items("bought_from_musd"), figures.items("bought_from_t")
    total = sum(money.values())
    if total <= 0:
        return []
    by_country: dict[str, float] = {}
    by_material: dict[str, dict[str, float]] = {}
    for item, paid in money.items():
        material, _, country = item.partition(ORIGIN)
        by_country[country] = by_country.get(country, 0.0) + paid
        by_material.setdefault(material, {})[country] = tonnes[item]
    parts = sorted(by_country.items(), key=lambda pair: -pair[1])
    large = [(country, paid) for country, paid in parts if paid >= SMALL * total]
    said = [f"{_country(names, country)} {paid / total:.0%}" for country, paid in large]
    rest = len(parts) - len(large)
    said += [f"{rest} more below {SMALL:.0%} each"] if rest > 1 else [f"one more below {SMALL:.0%}"] if rest else []
    lines = [f"  Origin of these purchases as declared, by cost: {', '.join(said)}"]
    one: dict[str, list[str]] = {}
    for material, amounts in by_material.items():
        country = max(amounts, key=lambda name: amounts[name])
        if amounts[country] >= ONE_COUNTRY * sum(amounts.values()):
            one.setdefault(country, []).append(names.material(material))
    unknown = one.pop("", [])
    resting = [f"{_some(materials)} on {names.country(country)}" for country, materials in one.items()]
    lines += (
        [f"  Rest on one country for {ONE_COUNTRY:.0%} or more of their tonnes: {'; '.join(resting)}"]
        if resting
        else []
    )
    lines += (
        [f"  Origin not published for {ONE_COUNTRY:.0%} or more of their tonnes: {_some(unknown)}"] if unknown else []
    )
    return lines


def _some(materials: list[str]) -> str:
    """Names, the first ones where there are many."""
    shown = materials if len(materials) <= MOST else [*materials[:MOST], f"{len(materials) - MOST} more"]
    return ", ".join(shown)


def _country(names: Names, country: str) -> str:
    return names.country(country) if country else "origin not published"
