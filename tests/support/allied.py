"""Two homes small enough to plan together on paper: each wants 1 kt of ore a year, at 10 USD/kg, and buys it from China.

Nothing is discounted, nothing costs anything to hold, and stock is worth its price at the end (`support.tiny`)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan
from support.tiny import KT, offer, source, tiny

HOMES = {"USA": "United States", "AUS": "Australia", "CAN": "Canada"}
PRICE = 10.0


def home_tables(
    home: str,
    *,
    loss: float = 100.0,
    stock: float = 0.0,
    depth: float = 0.0,
    demand: float = 1.0,
    projects: Mapping[str, dict[str, Any]] | None = None,
    sources: Mapping[str, dict[str, Any]] | None = None,
    more: Mapping[str, list[dict[str, Any]]] | None = None,
) -> Dataset:
    """Tables of one home. loss: USD/kg beyond the price; stock: kt; depth of the offer `spot`, demand: kt/yr. more: rows."""
    own = {"mine": source("CHN", "ore", demand)} if sources is None else dict(sources)
    _, data = tiny(
        {"ore": PRICE},
        sources=own,
        demand={"ore": demand},
        loss=loss,
        stock={"ore": stock} if stock else None,
        offers={"spot": offer("ore", depth)} if depth else None,
        projects=projects,
    )
    codes = [*HOMES, "CHN"]
    tiers = {code: "home" if code == home else "covered" if code == "CHN" else "ally" for code in codes}
    rows = {
        "countries": [{"country": c, "name": HOMES.get(c, c), "tier": t} for c, t in tiers.items()],
        "homes": [
            {"home": code, "name": name, "members": code, "currency": "USD", "fiscal_year_month": 1}
            for code, name in HOMES.items()
        ],
        **(more or {}),
    }
    return data.replace(**{name: pd.DataFrame(each) for name, each in rows.items()})


def event(materials: str, begin: float = 2028.0, years: float = 1.0, **changes: Any) -> dict[str, Any]:
    """China stops all exports of some materials for a year."""
    struck = {"start_year": begin, "duration_years": years, "countries": "CHN", "materials": materials}
    return {**struck, "cut_share": 1.0, **changes}


def allied(
    scenarios: Mapping[str, tuple[float, list[dict[str, Any]]]],
    homes: tuple[str, ...] = ("USA", "AUS"),
    freight: float = 0.0,
    **plan: Any,
) -> Plan:
    """A plan of several homes with equal shares of the money. scenarios: name -> (probability, events). freight: USD/kg."""
    question, _ = tiny({"ore": PRICE})
    together = {
        "members": [{"home": home, "money_share": 1 / len(homes)} for home in homes],
        "freight_usd_per_kg": freight,
        **plan.pop("together", {}),
    }
    listed = [{"name": name, "probability": p, "events": events} for name, (p, events) in scenarios.items()]
    return Plan.model_validate({**question.to_toml_like(), "scenarios": listed, "together": together, **plan})


def tonnes(kilotonnes: float) -> float:
    """Of kilotonnes."""
    return kilotonnes * KT
