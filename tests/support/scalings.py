"""Scalings of a problem by known factors: the answer is the small problem's times tonnes * prices."""

from typing import Any

from strategic_minerals import Dataset, Plan
from support.tiny import cut, offer, project, source, tiny

SCALINGS: tuple[tuple[float, float], ...] = ((1e-3, 1.0), (1e7, 1.0), (1.0, 2e5), (1.0, 1e7), (1e3, 1e3), (1e-3, 1e7))
"""(tonnes, prices): every tonnage and every price per tonne times a factor, sums of money times both."""

BY_UNIT = {"_usd_per_kg": (0, 1), "_usd_per_t": (0, 1), "_musd": (1, 1)}
BY_UNIT |= {"_t_per_t": (0, 0), "_t_per_yr": (1, 0), "_t": (1, 0)}
"""Ending of a field's name -> powers of the two factors, the first that fits; estimates' low and high ends likewise."""


def factor(field: str, tonnes: float, prices: float) -> float:
    """What a field is multiplied by."""
    name = field.removesuffix("_low").removesuffix("_high")
    powers = next((p for ending, p in BY_UNIT.items() if name.endswith(ending)), (0, 0))
    return float(tonnes ** powers[0] * prices ** powers[1])


def scaled(plan: Plan, data: Dataset, tonnes: float, prices: float) -> tuple[Plan, Dataset]:
    """The same problem in other sizes."""

    def of_plan(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: of_plan(v, key if str(k).isdigit() else str(k)) for k, v in value.items()}
        if isinstance(value, list):
            return [of_plan(v, key) for v in value]
        by = factor(key, tonnes, prices)
        return value * by if isinstance(value, int | float) and not isinstance(value, bool) and by != 1 else value

    frames = {}
    for name in data.tables:
        frame = data.frame(name).copy()
        for column in frame.columns:
            by = factor(column, tonnes, prices)
            if by != 1:
                frame[column] = [v * by if isinstance(v, int | float) else v for v in frame[column]]
        frames[name] = frame
    return Plan.model_validate(of_plan(plan.to_toml_like())), Dataset.from_tables(frames)


def small() -> tuple[Plan, Dataset]:
    """Three materials, two projects, one scenario, and a little of everything that counts money."""
    return tiny(
        {"oxide": 60.0, "magnet": 80.0, "gallium": 400.0},
        sources={
            "mine": source("CHN", "oxide", 10.0),
            "plant": source("CHN", {"magnet": 1.0, "oxide": -0.4}, 12.0),
            "smelter": source("CHN", "gallium", 0.05),
            "ally": source("AUS", "oxide", 1.0, premium_share=0.1, kappa=0.5),
        },
        demand={("magnet", "civil"): 10.0, ("magnet", "defence"): 0.5, ("gallium", "civil"): 0.04},
        loss=90.0,
        offers={"magnets": offer("magnet", 2.0, 0.05), "metal": offer("gallium", 0.02, 0.1)},
        projects={
            "home": project(
                {"magnet": 1.0, "oxide": -0.4}, 3.0, cash_usd_per_kg=50.0, capex_musd=120.0, hurdle_rate=0.1
            ),
            "pit": project(
                "oxide", 2.0, cash_usd_per_kg=53.0, capex_musd=90.0, hurdle_rate=0.1, country="AUS", kappa=0.5
            ),
        },
        packages={
            "grant": {"instrument": "grant"},
            "right": {"instrument": "grant", "offtake_share": 0.5, "offtake_fee_usd_per_kg": 0.4},
        },
        scenarios=[cut("stop", 0.3, 2029.0, 1.5, share=0.8)],
        years=5,
        rate=0.03,
        money=60.0,
        budget={"carry_over_share": 0.5, "liability_cap_musd": 50.0},
        risk={"alpha": 0.9, "cvar_weight": 0.1},
        instruments={"price_floors": [{"material": "magnet", "levels_usd_per_kg": [95.0], "term_years": 5}]},
        states=[(0.8, 0.5), (1.2, 0.5)],
    )
