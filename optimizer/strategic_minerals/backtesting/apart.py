"""Materials without a price series, shown apart: what yearly ceilings would have covered, by a stated estimate of the price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .execution import KG_PER_T, MUSD
from .losses import LossFunctions
from .realised import CASES, Realised
from .rivals import CEILING, fiscal_quarters
from .settings import Settings
from .timeline import PER_YEAR

CENTRAL = CASES.index("central")


def scored_apart(
    settings: Settings, history: Realised, functions: LossFunctions, policy: Sequence[Any]
) -> list[dict[str, Any]]:
    """Rows: material, price estimate, tonnes lost, ceilings bought, tonnes covered, cost, and loss avoided under each function that
    has a value of its own; without limit of depth, for none is known."""
    rows: list[dict[str, Any]] = []
    for guess in settings.price_estimates:
        material, price = guess.material, guess.usd_per_kg
        lost = {quarter: ends[CENTRAL] for quarter, ends in history.losses(material).items()}
        first = history.first_release(material)
        asked: dict[int, float] = {}
        for line in policy:
            if line.record == CEILING and line.material == material and line.quantity and line.date:
                for quarter in fiscal_quarters(line.date):
                    asked[quarter] = asked.get(quarter, 0.0) + line.quantity / PER_YEAR
        stock = covered = bought = 0.0
        for quarter in sorted({*lost, *asked}):
            gone = min(stock, lost.get(quarter, 0.0)) if first is not None and quarter >= first else 0.0
            covered += gone
            stock += asked.get(quarter, 0.0) - gone
            bought += asked.get(quarter, 0.0)
        row: dict[str, Any] = {
            "material": material,
            "price_usd_per_kg": price.value,
            "price_low": price.low,
            "price_high": price.high,
            "reason": price.reason,
            "lost_t": sum(lost.values()),
            "ceilings_t": bought,
            "covered_t": covered,
            "purchases_musd": bought * price.value * KG_PER_T / MUSD,
            "purchases_low_musd": bought * price.low * KG_PER_T / MUSD,
            "purchases_high_musd": bought * price.high * KG_PER_T / MUSD,
        }
        for name in functions.names:
            ends = functions.values.get((name, material))
            rows.append(
                {**row, "function": name, "avoided_musd": None if ends is None else covered * ends[CENTRAL] / MUSD}
            )
        if not functions.names:
            rows.append({**row, "function": "", "avoided_musd": None})
    return rows
