"""Questions that tests carry on from year to year, and their answers."""

from functools import cache
from typing import Any

import pandas as pd

from strategic_minerals import NewsRow, Result, solve
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan
from support.tiny import FIRST, KT, cut, imported, offer, project, source

YEARS = 10
STOP: dict[str, Any] = {"hazard": "stop", "name": "stop", "kind": "licence", "countries": "CHN", "materials": "gallium"}
STOP |= {"duration_yr": 0.5, "cut_share": 0.4, "cut_law": "fixed"}
QUIET = [NewsRow(item="stop", hazard="stop", source="customs, month by month")]
"""Somebody looked, and the hazard did not strike."""
CALM: dict[str, Any] = {"learning": False, "gap": 0.0}


def reserve(years: int = YEARS, **changes: Any) -> tuple[Plan, Dataset]:
    """Demand of 10 kt from China; one stop a year is possible, each with 4 %; the reserve may buy 1 kt a year."""
    stops = [cut(f"stop-{year}", 0.04, float(year), 1.0, share=0.3) for year in range(FIRST + 1, FIRST + years)]
    case = {
        "materials": {"gallium": {"holding_share_per_yr": 0.01, "haircut_share": 0.1}},
        "loss": 10.0,
        "offers": {"spot": offer("gallium", 1.0)},
        "scenarios": stops,
        "years": years,
        "rate": 0.03,
    }
    return imported(1.0, of="gallium", **case | changes)


@cache
def reserved(years: int) -> Result:
    return solve(*reserve(years), gap=0.0, quick=True)


def struck(case: tuple[Plan, Dataset], row: dict[str, Any], **sample: Any) -> tuple[Plan, Dataset]:
    """A question with a hazard in place of listed scenarios."""
    plan, data = case
    asked = {**plan.to_toml_like(), "scenarios": [], "sample": {"scenarios": 64, "seed": 1, **sample}}
    return Plan.model_validate(asked), data.replace(hazards=pd.DataFrame([STOP | row]))


def hazard() -> tuple[Plan, Dataset]:
    """The reserve against a hazard of 0.3 a year, known from three onsets in ten years."""
    return struck(reserve(6), {"rate_per_yr": 0.3, "onsets_elsewhere": 3, "observed_yr": 10.0})


@cache
def under_hazard() -> Result:
    return solve(*hazard(), quick=True)


def helped(
    deal: dict[str, Any], plant: dict[str, Any], right: float, begin: float, menus: Any = (), **asked: Any
) -> Result:
    """10 kt are wanted, 8 come from China, which stops, 2 from an ally who signs a deal; a plant needs help, which brings a right
    to a share of its output."""
    question = imported(
        2.0,
        of="gallium",
        sources={"china": source("CHN", "gallium", 8.0), "ally": source("AUS", "gallium", 2.0, **deal)},
        loss=100.0,
        projects={"plant": plant},
        packages={"help": {"instrument": "grant", "offtake_share": right, "offtake_fee_usd_per_kg": 0.02}},
        instruments={"signing_years": [FIRST], "contract_years": [FIRST], "price_floors": menus},
        scenarios=[cut("stop", 0.5, begin, 2.0, share=0.8)],
        **asked,
    )
    return solve(*question, gap=0.0, quick=True)


@cache
def support_signed() -> Result:
    """A plant of 4 kt that needs a floor of 3 USD/kg for five years and a grant, and a source that signs contracts."""
    deal = {"kappa": 0.5, "lot_t_per_yr": 0.1 * KT, "fee_usd_per_kg": 0.01, "term_yr": 4}
    terms = {"capex_musd": 20.0, "cash_usd_per_kg": 2.5, "lead_yr": 2.0, "life_yr": 6.0, "hurdle_rate": 0.05}
    floor = {"material": "gallium", "levels_usd_per_kg": [3.0], "term_years": 5, "upside_share": 0.2}
    plant = project("gallium", 4.0, additional=True, **terms)
    return helped(deal, plant, 0.5, FIRST + 3.0, menus=[floor], years=8, rate=0.02)
