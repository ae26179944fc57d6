"""Tables about shortage, beside those of `tiny`: how losses change while a disruption lasts, and what users hold themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from strategic_minerals import Dataset, Plan
from support.tiny import KT


def adapting(
    case: tuple[Plan, Dataset], *steps: tuple[float, float], material: str = "*", segment: str = "*"
) -> tuple[Plan, Dataset]:
    """The same question with (month, multiplier) steps of the named loss."""
    plan, data = case
    rows = [
        {"material": material, "segment": segment, "from_month": month, "multiplier": multiplier}
        for month, multiplier in steps
    ]
    return plan, data.replace(adaptation=pd.DataFrame(rows)) if rows else data


def stocked(
    case: tuple[Plan, Dataset], levels: Mapping[str | tuple[str, str], float], *, months: Sequence[str] = ()
) -> tuple[Plan, Dataset]:
    """The same question with stocks of users: material, or (material, segment) -> kilotonnes, or months where named."""
    plan, data = case
    rows: list[dict[str, Any]] = []
    for key, level in levels.items():
        material, segment = (key, "*") if isinstance(key, str) else key
        amount = {"level_months": level} if material in months else {"level_t": level * KT}
        rows.append({"material": material, "segment": segment, **amount})
    return plan, data.replace(users_stock=pd.DataFrame(rows)) if rows else data


def with_spikes(case: tuple[Plan, Dataset]) -> tuple[Plan, Dataset]:
    """The same question with cuts that fall on their part of a period."""
    plan, data = case
    return Plan.model_validate(plan.to_toml_like() | {"loss": {"spikes": True}}), data


def pulled(result: Any, column: str, scenario: str, period: str, segment: str | None = None) -> float:
    """Kilotonnes in a column of the table `users_stock`."""
    table = result.tables["users_stock"]
    rows = table[(table.scenario == scenario) & (table.period == period)]
    return float(rows[rows.segment == segment if segment else rows.index == rows.index][column].sum()) / KT
