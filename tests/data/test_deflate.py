"""Money of different years: what is stated in one year's dollars is planned in another's."""

import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, Plan, solve
from strategic_minerals.question.dataset import DATED
from support.tiny import cut, offer, project, source, tiny


def case(years: dict[str, int], index: dict[int, float]) -> tuple[Plan, Dataset]:
    """A reserve of 10 kt against a cut, prices, losses and a plant stated in the money of the years given."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={"spot": offer("a", 4.0)},
        projects={"plant": project("a", 2.0, capex_musd=30.0, cash_usd_per_kg=4.0, life_yr=2.0)},
        packages={"grant": {"instrument": "grant"}},
        scenarios=[cut("cut", 0.5, 2029, 1)],
        loss=20.0,
        years=4,
    )
    frames = {name: data.frame(name).assign(money_year=year) for name, year in years.items()}
    frames["deflators"] = pd.DataFrame([{"money_year": y, "price_index": v} for y, v in index.items()])
    return plan, data.replace(**frames)


def test_money_of_another_year_is_restated_to_the_plans():
    """Proves: with prices a quarter higher in the plan's year than when everything was stated, all money of the answer
    (no holding or fee is stated apart) is a quarter more, and the tonnes are the same."""
    stated = solve(*case({}, {2026: 125.0}), gap=0.0, quick=True)
    older = solve(*case(dict.fromkeys(DATED, 2020), {2020: 100.0, 2026: 125.0}), gap=0.0, quick=True)
    assert stated.outcome.objective_musd < -1
    assert older.outcome.objective_musd == pytest.approx(1.25 * stated.outcome.objective_musd, rel=1e-9)
    assert older.outcome.do_nothing_musd == pytest.approx(1.25 * stated.outcome.do_nothing_musd, rel=1e-9)
    tonnes = [r.tables["acquisitions"].acquired_t.sum() for r in (stated, older)]
    assert tonnes[0] == pytest.approx(tonnes[1], rel=1e-9)
    assert older.audit().passed


def test_money_of_a_year_without_an_index_is_refused_by_row_and_year():
    with pytest.raises(InputError) as refused:
        solve(*case({"prices": 2020}, {2019: 100.0}), quick=True)
    told = {(f.file, f.row, f.column, f.found) for f in refused.value.faults}
    assert told == {("plan", "", "price_year", "2026"), ("prices.csv", "base/a/2027", "money_year", "2020")}
