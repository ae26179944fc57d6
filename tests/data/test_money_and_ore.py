"""What is stated otherwise than it is planned: money of other years, and capacity beyond a country's published reserves."""

import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, Plan, solve
from strategic_minerals.question.dataset import DATED
from strategic_minerals.question.estimates import ore_ends
from strategic_minerals.question.read_csv import shipped_tables
from support.tiny import KT, cut, imported, offer, project, source


def question(reserves_kt, output_kt=2.0, stage="mine", **plan):
    """4 kt a year of a metal wanted, 2 from a home mine, 2 from an ally whose reserves were counted at the end of 2026."""
    plan, data = imported(
        10.0,
        4.0,
        sources={"home": source("USA", "a", 2.0), "ally": source("AUS", "a", 2.0, stage=stage)},
        offers={"spot": offer("a", 1.0)},
        years=4,
        **plan,
    )
    reserves = [("USA", 1e3), ("AUS", reserves_kt), ("WLD", 2e3)]
    mined = [("USA", 2.0), ("AUS", output_kt), ("WLD", 9.0)]
    held = [{"mineral": "a", "country": k, "year": 2026, "reserves_t": v * KT} for k, v in reserves]
    of = {"mineral": "a", "stage": "mine", "year": 2026, "edition": "one"}
    made = [{**of, "country": k, "production_t": v * KT} for k, v in mined]
    return plan, data.replace(reserves=pd.DataFrame(held), production=pd.DataFrame(made))


def supplied(result):
    """Kilotonnes of the ally by year on the baseline course."""
    table = result.tables["operations"]
    mine = table[(table.producer == "ally") & (table.scenario == "baseline course")]
    return (mine.groupby("period").output_t.sum() / KT).to_dict()


@pytest.mark.parametrize(("reserves", "left"), [(5.0, [2.0, 2.0, 1.0, 0.0]), (50.0, [2.0] * 4)])
def test_a_source_gives_no_more_than_its_country_holds(reserves, left):
    """Reserves of 5 kt at 2 kt a year last two and a half years from the start of 2027; so the ally gives 5 kt in all."""
    given = supplied(solve(*question(reserves, ore_runs_out=True), gap=0.0, quick=True))
    assert [given.get(str(year), 0.0) for year in range(2027, 2031)] == pytest.approx(left)


def test_a_refinery_buys_its_ore_elsewhere_and_what_is_not_asked_limits_nothing():
    """The ally gives its 2 kt in each of four years, though its country holds 2 kt, or 5 that no rule counts."""
    refined = solve(*question(2.0, stage="refined", ore_runs_out=True), gap=0.0, quick=True)
    unasked = solve(*question(5.0), gap=0.0, quick=True)
    assert [sum(supplied(result).values()) for result in (refined, unasked)] == pytest.approx([8.0, 8.0])


def test_shipped_reserves_last_the_years_that_their_tables_say():
    """Molybdenum of Mexico, counted at the end of 2025. The platinum group's reserves stand with palladium, whose output alone
    would take 900 years: what several metals share lasts no number of years."""
    ends = ore_ends(shipped_tables())
    assert ends["mex_molybdenum"] == pytest.approx(2026 + 130_000 / 17_000)
    assert "usa_palladium_primary" not in ends


def case(years: dict[str, int], index: dict[int, float]) -> tuple[Plan, Dataset]:
    """A reserve of 10 kt against a cut, prices, losses and a plant stated in the money of the years given."""
    plan, data = imported(
        10.0,
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
