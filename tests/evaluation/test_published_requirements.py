"""Shortfalls of a plan that holds nothing, beside those that a report printed."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from strategic_minerals import published_requirements
from strategic_minerals.core.errors import shipped
from strategic_minerals.question.read_csv import load_dataset
from support.tiny import cut, source, tiny

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
    assert found.within_factor_two.to_dict() == {"close": "yes", "far": "no", "none": ""}
    assert pd.isna(found.computed_t["none"])
    assert study.facts == {"compared": 2, "within_factor_two": 1}
    assert "not computed: not in these tables" in study.summary()
    assert "another definition" in study.summary()


def test_the_shipped_question_answers_all_eighteen_rows(cli):
    """The report's 18 materials: each has tonnes of ours, or why not; where the two differ by more than twice, a reason."""
    found = json.loads(cli("requirements", "stockpile-requirements-2013", "--json").stdout)
    rows = found["comparison"]
    assert len(rows) == 18
    for row in rows:
        assert row["reason"] or row["within_factor_two"] == "yes", row["name"]
    assert sum(row["within_factor_two"] == "yes" for row in rows) >= 3
    table = load_dataset(shipped("inputs")).rows("published_requirements")
    assert {row.item for row in table} == {row["item"] for row in rows}
