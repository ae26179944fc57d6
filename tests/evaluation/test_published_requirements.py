"""Shortfalls of a plan that holds nothing, beside those that a report printed."""

import json

import pandas as pd
import pytest

from strategic_minerals import InputError, published_requirements, solve, stockpile_report
from strategic_minerals.core.errors import shipped
from strategic_minerals.question.read_csv import load_dataset
from support.tiny import cut, imported, offer, source, tiny

PRINTED = [
    ("close", "A", "a", 900.0, "one source"),
    ("far", "Twice A and B", "a b", 100.0, "another definition"),
    ("none", "Unknown", "", 50.0, "not in these tables"),
]


def question():
    """1 kt of a and 1 kt of b a year from China, cut for a year; in the second scenario for half a year."""
    plan, data = tiny(
        {"a": 10.0, "b": 10.0},
        sources={f"china_{m}": source("CHN", m, 1.0) for m in "ab"},
        demand={"a": 1.0, "b": 1.0},
        scenarios=[cut("year", 0.1, 2028.0, 1.0), cut("half", 0.1, 2028.0, 0.5)],
    )
    rows = [
        {"report": 2013, "item": item, "name": name, "materials": m, "shortfall_t": t, "reason": reason}
        for item, name, m, t, reason in PRINTED
    ]
    return plan, data.replace(published_requirements=pd.DataFrame(rows))


def test_tonnes_of_the_first_scenario_stand_beside_the_printed_ones():
    """A year's kilotonne of a: 1,000 t beside 900. Both metals: 2,000 beside 100. Half a year is the lowest. What is not computed
    shows no tonnes but why."""
    study = published_requirements(*question())
    found = study.tables["comparison"].set_index("item")
    assert found.computed_t[["close", "far"]].tolist() == pytest.approx([1000.0, 2000.0])
    assert found.lowest_t[["close", "far"]].tolist() == pytest.approx([500.0, 1000.0])
    assert found.highest_t[["close", "far"]].tolist() == pytest.approx([1000.0, 2000.0])
    assert found.ratio[["close", "far"]].tolist() == pytest.approx([1000 / 900, 20.0])
    assert found.within_factor_two.to_dict() == {"close": "yes", "far": "no", "none": "", "all_of_the_plan": ""}
    assert found.computed_musd[["close", "all_of_the_plan"]].tolist() == pytest.approx([10.0, 20.0])
    assert pd.isna(found.computed_t["none"])
    assert study.facts == {"compared": 2, "within_factor_two": 1}
    assert "not computed: not in these tables" in study.summary()
    assert "another definition" in study.summary()


@pytest.mark.long
def test_the_shipped_question_answers_all_eighteen_rows(cli):
    """The report's 18 materials: each has tonnes of ours, or why not; where the two differ by more than twice, a reason."""
    found = json.loads(cli("requirements", "stockpile-requirements-2013", "--json").stdout)
    rows = found["comparison"]
    *lines, of_2013, of_2023, whole = rows
    assert len(lines) == 18
    assert (of_2013["published_musd"], of_2023["published_musd"]) == (1221.41, 13500)
    assert whole["computed_musd"] > of_2013["published_musd"], (
        "18 materials against those of the plan, at prices of 2024"
    )
    for row in lines:
        assert row["reason"] or row["within_factor_two"] == "yes", row["name"]
    assert sum(row["within_factor_two"] == "yes" for row in lines) >= 3
    table = load_dataset(shipped("inputs")).rows("published_requirements")
    assert {row.item for row in table} == {row["item"] for row in (*lines, of_2013, of_2023)}


def test_a_stockpile_manager_reports_what_an_emergency_asks_and_what_to_buy():
    """Proves: 2 kt of defence and 3 of essential users a year come from China, which stops for a year; half a kilotonne is held, of
    it 0.2 ordered, and 1.5 more can be bought at 10 USD/kg. 5 kt are wanted, 4.5 missing, 3 with the plan, and none of defence."""
    plan, data = imported(
        10.0,
        demand={("a", "defence"): 2.0, ("a", "essential"): 3.0},
        tiers={"defence": [(1.0, 3.0)]},
        offers={"spot": offer("a", 5.0)},
        stock={"a": 0.5},
        money={2027: 15.0, 2028: 0.0},
        scenarios=[cut("other", 0.1, 2028.0, 1.0, share=0.1), cut("stop", 0.5, 2029.0, 1.0, design_basis=True)],
    )
    told = data.frame("stock").assign(ordered_t=200.0)
    ranked = data.frame("demand").assign(priority=lambda rows: rows.segment.map({"defence": 1, "essential": 2}))
    study = stockpile_report(solve(plan, data.replace(stock=told, demand=ranked), gap=0.0))
    row = study.tables["lines"].iloc[0]
    assert (study.facts["emergency"], study.facts["first_year"], study.facts["last_year"]) == ("stop", 2029, 2029)
    assert row.loc["requirement_t":"essential_t"].tolist() == pytest.approx([5000.0, 2000.0, 3000.0])
    assert row.loc["shortfall_t":"shortfall_musd"].tolist() == pytest.approx([4500.0, 1500.0, 45.0])
    assert row.loc["held_t":"buy_musd"].tolist() == pytest.approx([500.0, 200.0, 1500.0, 2027, 15.0])
    assert row.loc["target_t":"left_defence_t"].tolist() == pytest.approx([2000.0, 3000.0, 0.0], abs=1e-6)
    assert "buy 1,500 t from FY2027 for 15 M; still missing 3,000 t" in study.summary()
    with pytest.raises(InputError, match="did you mean 'stop'"):
        stockpile_report(solve(plan, data, quick=True), scenario="stopp")
