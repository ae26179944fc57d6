"""From what is known on a day to an ordinary plan and ordinary tables of this package, in memory.

- Sources: each origin of imports can sell its share of the imports of a usual year and the headroom more; the home country
  makes the rest of its use. Periods are quarters.
- Offers: three steps; the first is the smaller of a share of world output and a share of home use, the second and third twice and
  three times as deep, each at three times the premium of the one before. In a shortage what restricting countries do not make
  is left.
- Loss: price x a fixed multiple, by tiers of use. Haircut and holding follow from the price and how it varied.
- Money: what is left over the years that are left, in equal parts; what a year does not spend is kept.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from ..core.frames import plainly
from ..data.dataset import Dataset
from ..schemas.plan import Plan
from .facts import NAME, Known, MaterialFacts
from .hazards import in_force, rates, severity
from .settings import Estimates, Planning
from .timeline import PER_YEAR, decimal_year

STEPS = 3
"""Steps of an offer curve."""
STEEPER = 3.0
"""Premium of a step over that of the one before."""
PRICES, LOSS = "known", "price-multiple"
USE = "use"
"""The one segment."""
KG_PER_T = 1000.0


@dataclass(frozen=True)
class Depth:
    """What a reserve can buy of a material in a year: tonnes and premium of each step."""

    t_per_yr: tuple[float, ...]
    premium: tuple[float, ...]

    @property
    def total(self) -> float:
        """Tonnes a year of all steps."""
        return sum(self.t_per_yr)


def depth_of(facts: MaterialFacts, estimates: Estimates) -> Depth:
    """The offer curve of a material; output that nobody publishes leaves the limit by use alone."""
    by_use = estimates.depth_of_use.value * (facts.normal_t or 0.0)
    base = min(by_use, estimates.depth_of_output.value * facts.world_t) if facts.world_t > 0 else by_use
    steps = range(1, STEPS + 1)
    return Depth(
        tuple(base * step for step in steps), tuple(estimates.premium.value * STEEPER ** (step - 1) for step in steps)
    )


def haircut_of(price_cv: float, estimates: Estimates) -> float:
    """Share of the price that a sale costs."""
    return min(
        estimates.haircut_base.value + estimates.haircut_per_variation.value * price_cv, estimates.haircut_most.value
    )


def holding_of(price_usd_per_kg: float, estimates: Estimates) -> float:
    """Yearly cost of holding as a share of value."""
    return min(estimates.holding_base.value + estimates.holding_usd_per_kg.value / price_usd_per_kg, 1.0)


@dataclass(frozen=True)
class State:
    """What a plan is told of its own reserve: tonnes on its books, money left, and the quarters in which it may still buy."""

    day: dt.date
    first_quarter: int
    last_quarter: int
    money_musd: float
    stock_t: Mapping[str, float]
    may_sell: bool

    @property
    def first_year(self) -> int:
        """The plan's first year: it begins with the first quarter, whatever the calendar says."""
        return self.first_quarter // PER_YEAR

    @property
    def years(self) -> int:
        """Years of the plan."""
        return -(-(self.last_quarter - self.first_quarter + 1) // PER_YEAR)

    def quarter(self, period: str) -> int:
        """The quarter of a period of the plan such as `2023.1`; what lies after the last one falls into it."""
        year, _, number = period.partition(".")
        found = self.first_quarter + PER_YEAR * (int(year) - self.first_year) + int(number) - 1
        return min(found, self.last_quarter)

    def plan_year(self, day: dt.date) -> float:
        """A day as a decimal year of the plan."""
        return decimal_year(day) - self.first_quarter % PER_YEAR / PER_YEAR

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `TypeAdapter(State)` reads it."""
        found = TypeAdapter(State).dump_python(self, mode="json")
        return dict(plainly(found))


def planned(known: Known) -> list[MaterialFacts]:
    """Materials that can be planned, in the order of the files."""
    return [facts for facts in known.materials.values() if not facts.unplanned]


def question(known: Known, settings: Planning, state: State) -> tuple[Plan, Dataset]:
    """The plan and its tables. Raises ValueError where nothing can be planned."""
    facts = planned(known)
    if not facts:
        raise ValueError("no material can be planned")
    year = state.first_year
    hazards = _hazards(known, settings, state.day)
    named = [f.material for f in facts]
    controls = [control for control in in_force(known, settings, state.day) if control.material in named]
    plan: dict[str, Any] = {
        "name": "backtest",
        "home": settings.home,
        "price_year": year,
        "price_set": PRICES,
        "loss_function": LOSS,
        "discount_rate": settings.estimates.discount_rate.value,
        "price_gain": False,
        "materials": named,
        "horizon": {
            "first_year": year,
            "years": state.years,
            "tail_years": settings.tail_years,
            "period_months": 12 // PER_YEAR,
        },
        "budget": {"appropriation_musd": _by_year(state), "carry_over_share": 1.0, "members_pay_holding": True},
        "instruments": {
            "projects": False,
            "offtake_contracts": False,
            "packages": ["none"],
            "trunk_disposal": state.may_sell,
        },
        "controls": [
            {
                "name": f"{control.country}-{control.material}",
                "countries": control.country,
                "materials": control.material,
                "cut_share": control.cut,
                "until_year": max(float(year), state.plan_year(control.until)),
            }
            for control in controls
        ],
    }
    if hazards:
        sampling = settings.sampling
        plan["sample"] = {
            "scenarios": sampling.scenarios,
            "draws": max(sampling.draws, sampling.scenarios),
            "seed": sampling.seed,
        }
    tables = {**_tables(facts, known, settings, state), "hazards": hazards}
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items() if rows}
    return Plan.model_validate(plan), Dataset.from_tables(frames, name="what was known")


def _by_year(state: State) -> dict[int, float]:
    """Money in equal parts for each quarter that is left, by year of the plan; none afterwards."""
    count = state.last_quarter - state.first_quarter + 1
    found: dict[int, float] = {}
    for n in range(count):
        year = state.first_year + n // PER_YEAR
        found[year] = found.get(year, 0.0) + state.money_musd / count
    return {**found, state.first_year + state.years: 0.0}


def _tables(
    facts: list[MaterialFacts], known: Known, settings: Planning, state: State
) -> dict[str, list[dict[str, Any]]]:
    guess, home = settings.estimates, settings.home
    year = state.first_year
    rows: dict[str, list[dict[str, Any]]] = {
        "materials": [],
        "prices": [],
        "demand": [],
        "loss_functions": [],
        "activities": [],
        "capacities": [],
        "yields": [],
        "offers": [],
        "stock": [],
        "tiers": [
            {
                "material": "*",
                "segment": USE,
                "tier": n + 1,
                "share": tier.share,
                "loss_multiplier": tier.loss_multiplier,
            }
            for n, tier in enumerate(settings.tiers)
        ],
    }
    countries = {home}
    risky = rates(known, settings, state.day)
    for fact in facts:
        name, price, normal = fact.material, fact.price or 0.0, fact.normal_t or 0.0
        depth = depth_of(fact, guess)
        rows["materials"].append(
            {
                "material": name,
                "name": name.replace("_", " "),
                "mineral": fact.mineral if re.fullmatch(NAME, fact.mineral) else name,
                "stage": "refined",
                "basis": "t",
                "haircut_share": haircut_of(fact.price_cv, guess),
                "holding_share_per_yr": holding_of(price, guess),
                "disposal_t_per_yr": depth.total if state.may_sell else 0.0,
            }
        )
        rows["prices"].append({"price_set": PRICES, "material": name, "from_year": year, "price_usd_per_kg": price})
        rows["demand"].append({"material": name, "segment": USE, "from_year": year, "demand_t_per_yr": normal})
        loss = guess.loss_multiple.value * price * KG_PER_T
        rows["loss_functions"].append({"loss_function": LOSS, "material": name, "segment": "*", "loss_usd_per_t": loss})
        imported = normal * (fact.reliance if fact.reliance is not None else 1.0)
        usual = {code: imported * share for code, share in fact.shares.items() if code != home}
        usual[home] = normal - imported + imported * fact.shares.get(home, 0.0)
        for code, tonnes in sorted(usual.items()):
            if tonnes <= 0:
                continue
            countries.add(code)
            source = f"{code}_{name}"
            room = 1.0 if code == home else guess.headroom.value
            rows["activities"].append({"activity": source, "name": source, "country": code, "stage": "refined"})
            rows["capacities"].append(
                {"activity": source, "from_year": year, "capacity_t_per_yr": tonnes * room, "normal_t_per_yr": tonnes}
            )
            rows["yields"].append({"producer": source, "material": name, "yield_t_per_t": 1.0})
        left = 1 - sum(
            share for code, share in (fact.output_shares or fact.shares).items() if code in risky.get(name, {})
        )
        rows["offers"] += [
            {
                "offer": f"{name}_{n + 1}",
                "material": name,
                "source_producer": "outside",
                "depth_t_per_yr": tonnes,
                "premium_share": premium,
                "crisis_availability": min(1.0, max(0.0, left)),
            }
            for n, (tonnes, premium) in enumerate(zip(depth.t_per_yr, depth.premium, strict=True))
            if tonnes > 0
        ]
        if state.stock_t.get(name, 0.0) > 0:
            rows["stock"].append({"material": name, "opening_t": state.stock_t[name]})
    countries |= {country for by_country in risky.values() for country in by_country}
    rows["countries"] = [
        {"country": code, "name": code, "tier": "home" if code == home else "other"} for code in sorted(countries)
    ]
    return rows


def _hazards(known: Known, settings: Planning, day: dt.date) -> list[dict[str, Any]]:
    """One hazard for each country and material: it restricts, and supplies the home country or makes the material."""
    pooled = severity(known, settings, day)
    guess = settings.estimates
    could = {facts.material for facts in planned(known)}
    return [
        {
            "hazard": f"{country}_{material}",
            "name": f"restriction of {material.replace('_', ' ')} by {country}",
            "kind": "embargo",
            "countries": country,
            "materials": material,
            "rate_per_yr": rate,
            "duration_yr": pooled.duration_yr,
            "duration_law": "exponential",
            "cut_share": pooled.cut,
            "cut_share_low": pooled.cut_low,
            "cut_share_high": pooled.cut_high,
            "cut_law": "triangular",
            "price_multiplier": guess.price_multiplier.value,
        }
        for material, by_country in rates(known, settings, day).items()
        if material in could
        for country, rate in by_country.items()
    ]
