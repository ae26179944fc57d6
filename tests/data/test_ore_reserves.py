"""A source that gives no more than its country's published reserves."""

import pandas as pd
import pytest

from strategic_minerals import Dataset, solve
from strategic_minerals.question.estimates import ore_ends
from strategic_minerals.question.read_csv import shipped_tables
from support.tiny import offer, source, tiny

KT = 1000.0


def question(reserves_kt, output_kt=2.0, stage="mine", **plan):
    """4 kt a year of a metal wanted, 2 from a home mine, 2 from an ally whose reserves were counted at the end of 2026."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"home": source("USA", "a", 2.0), "ally": source("AUS", "a", 2.0, stage=stage)},
        demand={"a": 4.0},
        offers={"spot": offer("a", 1.0)},
        years=4,
        **plan,
    )
    reserves = [("USA", 1e3), ("AUS", reserves_kt), ("WLD", 2e3)]
    mined = [("USA", 2.0), ("AUS", output_kt), ("WLD", 9.0)]
    extra = {
        "reserves": pd.DataFrame(
            [{"mineral": "a", "country": k, "year": 2026, "reserves_t": v * KT} for k, v in reserves]
        ),
        "production": pd.DataFrame(
            [
                {"mineral": "a", "country": k, "stage": "mine", "year": 2026, "edition": "one", "production_t": v * KT}
                for k, v in mined
            ]
        ),
    }
    return plan, Dataset.from_tables({**{name: data.frame(name) for name in data.tables}, **extra})


def supplied(result):
    """Kilotonnes of the ally by year on the baseline course."""
    table = result.tables["operations"]
    mine = table[(table.producer == "ally") & (table.scenario == "baseline course")]
    return (mine.groupby("period").output_t.sum() / KT).to_dict()


@pytest.mark.parametrize(("reserves", "left"), [(5.0, [2.0, 2.0, 1.0, 0.0]), (50.0, [2.0] * 4)])
def test_a_source_gives_no_more_than_its_country_holds(reserves, left):
    """Reserves of 5 kt at 2 kt a year last two and a half years from the start of 2027; so the ally gives 5 kt in all."""
    result = solve(*question(reserves, ore_runs_out=True), gap=0.0, quick=True)
    given = supplied(result)
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
