"""Small questions whose scenarios are drawn."""

from typing import Any

import pandas as pd

from strategic_minerals import Dataset, Plan
from support.tiny import hazard_row, imported, offer, tiny


def exposed(*, rate: float, demand: Any = None, **hazard: Any) -> tuple[Plan, Dataset]:
    """10 kt a year from abroad, missed at 60 a kg where they are stopped for just a year; nothing can be done about it."""
    plan, data = imported(10.0, demand=demand or {"a": 10.0}, loss=50.0, years=6)
    law = {"kind": "embargo", "duration_law": "fixed", "cut_share": 1.0, **hazard}
    row = hazard_row("stop", "a", rate, **law)
    told = plan.to_toml_like() | {
        "sample": {"scenarios": 4, "seed": 1, "quiet_probability": 0.0, "events_per_hazard": 1, "rates": "known"}
    }
    return Plan.model_validate(told), data.replace(hazards=pd.DataFrame([row]))


def deciding() -> tuple[Plan, Dataset]:
    """10 kt a year that stop at .3 a year; up to 3 kt a year may be bought at 10 before, and a tenth of them is lost."""
    plan, data = exposed(rate=0.3)
    _, selling = tiny({"a": 10.0}, offers={"spot": offer("a", 3.0)})
    materials = data.frame("materials").assign(haircut_share=0.3, holding_share_per_yr=0.2)
    told = plan.to_toml_like()
    told["sample"] |= {"scenarios": 8, "quiet_probability": 0.1}
    return Plan.model_validate(told), data.replace(offers=selling.frame("offers"), materials=materials)
