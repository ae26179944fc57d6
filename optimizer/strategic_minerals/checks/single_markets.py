"""Materials under a control with a market of its own outside, of which nobody quotes a price there (formulation section 13)."""

from __future__ import annotations

from collections.abc import Iterator

from ..data.dataset import Dataset
from ..data.references import select_materials
from ..schemas.plan import Plan


def unquoted(plan: Plan, data: Dataset) -> Iterator[tuple[str, str]]:
    """(material, text) of such planned materials: their price is taken to be the same everywhere."""
    chosen = set(select_materials(plan, data))
    split = [
        control for control in plan.controls if control.outside_prices and control.until_year > plan.horizon.first_year
    ]
    for control in (control for control in split if control.in_force or control.probability is not None):
        named, countries = set(control.materials.split()), set(control.countries.split())
        quoted = {row.material for row in data.rows("price_gaps") if row.country in countries}
        for material in sorted((chosen if "*" in named else chosen & named) - quoted):
            yield (
                material,
                f"control {control.name}: price_gaps.csv has no quote of {material} outside {control.countries}: it is taken to "
                "cost the same everywhere",
            )
