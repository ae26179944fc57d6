"""Supply from year to year: plants built by chance go on, contracts give what they gave, makers come nearer to their grade."""

from typing import Any

import pandas as pd
import pytest

from strategic_minerals import roll, solve
from strategic_minerals.core.stats import BASELINE_COURSE
from support.tiny import cut, imported, project, ran, short, source, tiny


def test_a_plant_that_is_built_by_chance_stands_a_year_later():
    costs = {"capex_musd": 190.0, "capex_musd_low": 150.0, "capex_musd_high": 240.0, "cash_usd_per_kg": 5.0}
    more: dict[str, Any] = {"years": 4, "scenarios": [cut("stop", 0.5, 2030.0, 1.0)], "packages": {}}
    first = solve(*imported(10.0, 4.0, projects={"plant": project("a", 4.0, **costs)}, **more), quick=True)
    part = ran(first, "plant_unsupported", "stop", "2030")
    assert 2.0 < part < 3.0
    later = roll(first, years=2).result
    assert ran(later, "plant_unsupported", BASELINE_COURSE, "2029") > 0
    assert ran(later, "plant_unsupported", "stop", "2030") == pytest.approx(part)


def test_a_contract_gives_no_more_once_it_is_of_an_earlier_year():
    """Half of 2 kt is honoured; what others have bought stays theirs."""
    terms = {"kappa": 0.0, "lot_t_per_yr": 1.0, "fee_usd_per_kg": 0.01, "term_yr": 10.0}
    ally = source("AUS", "a", 4.0, **terms, honoured_share=0.5, sold_share=0.5)
    more: dict[str, Any] = {"years": 4, "scenarios": [cut("stop", 0.5, 2029.0, 1.0)]}
    more["instruments"] = {"contract_years": [2027], "reserve": False}
    first = solve(*imported(10.0, 4.0, sources={"far": source("CHN", "a", 9.0), "ally": ally}, **more), quick=True)
    assert ran(first, "ally", "stop", "2029") == pytest.approx(1.0)
    later = roll(first, years=1).result
    made = later.tables["operations"].query("scenario == 'stop' and period == '2029' and country == 'AUS'")
    assert made.output_t.sum() == pytest.approx(1000.0)


def test_makers_are_qualified_when_their_lead_has_passed():
    """The ally is qualified from the third year on, which is the second of the next plan; users' own stock goes along."""
    plan, data = tiny(
        {"magnet": 50.0, "form": 50.0},
        materials={"form": {"qualified_of": "magnet", "qualified_users": "defence"}},
        sources={
            "plant": source("USA", "magnet", 2.0),
            "ally": source("AUS", "magnet", 9.0, kappa=1.0),
            "check": source("USA", {"form": 1.0, "magnet": -1.0}, 9.0),
        },
        demand={("magnet", "defence"): 3.0},
        scenarios=[cut("stop", 0.5, 2029.0, 1.0, "magnet")],
        years=4,
    )
    rows = [{"material": "form", "producer": name, "lead_yr": lead} for name, lead in (("plant", 0.0), ("ally", 2.0))]
    held = [{"material": "magnet", "segment": "defence", "level_months": 1.0}]
    data = data.replace(qualifications=pd.DataFrame(rows), users_stock=pd.DataFrame(held))
    later = roll(solve(plan, data, quick=True), years=1).result
    assert {row.producer: row.lead_yr for row in later.data.rows("qualifications")} == {"plant": 0.0, "ally": 1.0}
    assert short(later, BASELINE_COURSE, "2028", "form") == pytest.approx(1.0)
    assert short(later, BASELINE_COURSE, "2029", "form") == pytest.approx(0.0, abs=1e-9)
