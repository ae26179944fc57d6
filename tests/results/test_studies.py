"""One protocol of studies: each gives tables, facts, words, JSON and a notebook's view in the same way."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import (
    Dataset,
    Plan,
    Result,
    Study,
    alternatives,
    check,
    coalitions,
    compare,
    compare_rules,
    complete,
    control_cases,
    deals,
    diagnose,
    discover,
    explain,
    frontier,
    load_dataset,
    load_plan,
    load_result,
    loss_replay,
    origin_costs,
    published_requirements,
    reverse_stress,
    roll,
    scenario_outlook,
    shipped,
    simulate,
    solve,
    stress_test,
    sweep,
    value_of_planning,
    verify,
    write_run,
)
from strategic_minerals.answer.study import tables_of
from strategic_minerals.core.errors import FORMAT
from strategic_minerals.page import page
from strategic_minerals.page.page import read_analyses
from strategic_minerals.question.read_csv import csv_text
from strategic_minerals.studies.designs import Design, one_at_a_time
from strategic_minerals.verbs import VERBS
from support.allied import allied, event, home_tables
from support.drawn_cases import deciding, exposed
from support.one_mineral import one_mineral
from support.promising import promising


@cache
def question() -> tuple[Plan, Dataset]:
    return one_mineral(110.0)


@cache
def solved() -> Result:
    return solve(*question(), gap=0.0, quick=True)


@cache
def drawn() -> Result:
    return solve(*exposed(rate=0.3), gap=0.0, quick=True)


def agreed() -> tuple[Plan, Dataset]:
    """A shipped plan, whose tables have agreements that were signed."""
    plan = load_plan(shipped("models") / "rare-earths.toml", {"owners.sample": 16})
    return plan, load_dataset(shipped("inputs"))


def doubted() -> tuple[Plan, Dataset]:
    """The question, with a control of which nobody knows whether it is in force."""
    plan, data = question()
    known = {
        "name": "quota",
        "countries": "CHN",
        "materials": "*",
        "cut_share": 0.1,
        "until_year": 2028.0,
        "probability": 0.5,
    }
    return Plan.model_validate({**plan.to_toml_like(), "controls": [known]}), data


def printed() -> tuple[Plan, Dataset]:
    """The question, with a shortfall that a report printed."""
    plan, data = question()
    row = {
        "report": 2013,
        "item": "one",
        "name": "One",
        "materials": data.rows("materials")[0].material,
        "shortfall_t": 10.0,
    }
    return plan, data.replace(published_requirements=pd.DataFrame([row]))


def cases() -> pd.DataFrame:
    """Rows of which those with a long stop fail."""
    months = np.arange(80) % 20 + 0.5
    return pd.DataFrame(
        {"months": months, "other": np.arange(80) % 7, "loss_musd": np.where(months > 14, 900.0, 100.0)}
    )


def tornado() -> Design:
    return one_at_a_time({"discount_rate": (0.0, 0.05)})


STUDIES: dict[str, Callable[[], Study]] = {
    "losses": lambda: loss_replay(*agreed()),
    "scenarios": lambda: scenario_outlook(*exposed(rate=0.3), scenarios=50),
    "stress": lambda: stress_test(drawn(), scenarios=20),
    "discover": lambda: discover(cases(), "loss_musd <= 500"),
    "reverse": lambda: reverse_stress(drawn(), longest_yr=1.0),
    "worth": lambda: value_of_planning(*exposed(rate=0.3), fresh=10, gap=0.01),
    "sweep": lambda: sweep(*question(), tornado(), relax=True),
    "frontier": lambda: frontier(*question(), factors=(0.5, 1.0), tolerance=0.5, relax=True),
    "explain": lambda: explain(solved(), gap=0.0),
    "rules": lambda: compare_rules(solve(*deciding(), quick=True), samples=2, scenarios=10),
    "alternatives": lambda: alternatives(solved(), count=1, slack=0.3),
    "diagnose": lambda: diagnose(*promising()),
    "missing": lambda: complete(*question()),
    "deals": lambda: deals(*agreed(), beliefs=False),
    "requirements": lambda: published_requirements(*printed()),
    "origins": lambda: origin_costs(*question(), gap=0.01),
    "together": lambda: coalitions(
        allied({"both": (0.5, [event("ore")])}),
        {"USA": home_tables("USA"), "AUS": home_tables("AUS", loss=50.0, stock=0.5)},
        gap=0.0,
    ),
    "controls": lambda: control_cases(*doubted(), gap=0.01),
    "simulate": lambda: simulate(solve(*deciding(), quick=True), paths=3, exact=1, rules=(), grid_months=12),
    "roll": lambda: roll(solved(), learning=False, gap=0.0),
    "verify": lambda: verify(solved(), again=solved()),
    "compare": lambda: compare([solved(), solve(*one_mineral(70.0), gap=0.0, quick=True)]),
}


@cache
def study(kind: str) -> Study:
    """A study of each kind, made once."""
    return STUDIES[kind]()


KINDS = sorted(STUDIES)


def test_every_kind_of_study_is_looked_at_here() -> None:
    """Proves: every verb of the table but `solve`, which gives a plan, has a study here."""
    assert {*KINDS, "solve"} == set(VERBS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_keeps_the_protocol(kind: str) -> None:
    """Proves: what has a heading is a table; JSON is strict and whole, with tables and facts under their names, no name twice."""
    found = study(kind)
    assert found.kind == kind
    assert found.summary().strip()
    assert all(isinstance(table, pd.DataFrame) and len(table.columns) for table in found.tables.values())
    assert all(found.titles.values())
    told = found.to_dict()
    assert told["schema_version"] == FORMAT
    assert told["kind"] == kind
    assert len(told) == 2 + len(found.facts) + len(found.tables)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    for name, table in found.tables.items():
        assert len(told[name]) == len(table)
        assert all(list(row) == [str(column) for column in table.columns] for row in told[name])


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_shows_the_tables_that_have_a_heading(kind: str) -> None:
    found = study(kind)
    shown = found._repr_html_()
    for name, title in found.titles.items():
        assert (f"<h4>{title}</h4><table" in shown) == bool(len(found.tables.get(name, ()))), name
    assert "<details>" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_reads_back_from_its_folder(kind: str, tmp_path: Path) -> None:
    """Proves: cells are numbers and text, so that kind, words, facts, headings and tables come back as they were, empty ones too;
    figures in a column of words come back as text. A study of the same kind may be written over it."""
    found = study(kind)
    found.save(tmp_path / kind)
    assert {path.stem for path in (tmp_path / kind).glob("*.csv")} == set(found.tables)
    again = Study.load(tmp_path / kind)
    assert (again.kind, again.words, again.titles) == (kind, list(found.words), found.titles)
    told, said = found.to_dict(), again.to_dict()
    assert list(said) == list(told)
    assert {name: said[name] for name in found.facts} == {name: told[name] for name in found.facts}
    for name, table in found.tables.items():
        assert list(again.tables[name].columns) == list(table.columns), name
        assert len(said[name]) == len(told[name]), name
        for row, as_told in zip(said[name], told[name], strict=True):
            for column, cell in as_told.items():
                assert not isinstance(cell, list | dict), (name, column)
                if isinstance(cell, float):
                    assert float(row[column]) == pytest.approx(cell, rel=1e-9), (name, column)
                else:
                    assert row[column] in (cell, "" if cell is None else str(cell)), (name, column)
    found.save(tmp_path / kind)


def test_studies_stored_with_a_run_are_read_for_its_report_as_they_were_given(tmp_path: Path) -> None:
    """Proves: every study under `analyses` of a run is sealed and verified with it, and the report reads from the folder what it
    takes from the studies themselves, empty tables too."""
    write_run(solved(), tmp_path / "run")
    found = [study(kind) for kind in ("explain", "alternatives", "sweep", "frontier", "missing")]
    for one in found:
        one.save(tmp_path / "run" / "analyses" / one.kind)
    read, given = read_analyses(tmp_path / "run"), tables_of(found)
    assert set(read) == set(given)
    for name, table in given.items():
        assert list(read[name].columns) == list(table.columns), name
        assert len(read[name]) == len(table), name
    assert not verify(tmp_path / "run", again=solved()).facts["objections"]
    assert load_result(tmp_path / "run").outcome == solved().outcome


def test_the_report_takes_studies_as_their_functions_give_them() -> None:
    """Proves: the words of the page are the same from studies and from their tables by name."""
    from strategic_minerals.page.page import markdown

    found = [study("frontier"), study("sweep")]
    said = markdown(solved(), analyses=found)
    assert said == markdown(solved(), analyses=tables_of(found))
    assert "Budget against risk" in said
    assert said != markdown(solved())
    assert tables_of(None) == {}


def test_a_sweep_of_a_design_has_its_indices_and_says_what_moves_it() -> None:
    """Proves: asked with a design, tables, facts and words have what it estimates; asked with its points alone, they have not."""
    found, plain = study("sweep"), sweep(*question(), tornado().points, relax=True)
    assert list(found.tables["indices"]["address"]) == ["discount_rate"]
    assert found.facts["left_out_share"] == 0.0
    assert "WHAT MOVES THE ANSWER" in found.summary()
    assert "indices" not in plain.tables
    assert "left_out_share" not in plain.facts
    assert "WHAT MOVES THE ANSWER" not in plain.summary()
    pd.testing.assert_frame_equal(
        found.tables["points"].drop(columns="seconds"), plain.tables["points"].drop(columns="seconds")
    )


def test_changes_of_a_diagnosis_are_text_that_can_be_read() -> None:
    """Proves: what restores a plan can be put into it."""
    changes = study("diagnose").tables["changes"]
    assert len(changes)
    assert all(isinstance(json.loads(text), dict) for text in changes["put"])


def test_what_makes_results_incomparable_stands_first_in_a_notebook() -> None:
    """Proves: warnings of a comparison are seen without opening anything."""
    other = Plan.model_validate(solved().plan.to_toml_like() | {"discount_rate": 0.1})
    shown = compare([solved(), solve(other, solved().data, gap=0.0, quick=True)])._repr_html_()
    assert "<p>Doing nothing costs" in shown.partition("<details>")[0]


def test_a_question_that_lacks_nothing_still_has_columns() -> None:
    """Proves: empty tables of a study say what would stand in them."""
    found = complete(*question())
    assert csv_text(found.tables["influence"]).startswith("address,low,high")
    possible: Any = diagnose(*promising(0.15))
    assert csv_text(possible.tables["changes"]).startswith("change,unit,base")
    assert possible.to_dict()["missed"] == []


def test_what_check_verify_and_solve_found_becomes_json_as_studies_do(tmp_path: Path, cli: Any) -> None:
    """Proves: strict JSON with `schema_version` and `kind`; the verbs print the same, faults of a question included in Python."""
    told = check(*question()).to_dict()
    assert (told["schema_version"], told["kind"], told["faults"]) == (FORMAT, "check", [])
    assert {row["table"] for row in told["ranges"]} >= {"demand", "prices"}
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    unknown = Plan.model_validate(question()[0].to_toml_like() | {"price_set": "nowhere"})
    wrong = check(unknown, question()[1]).to_dict()
    assert "nowhere" in str(wrong["faults"])
    assert all(set(fault) == {"file", "row", "column", "found", "expected"} for fault in wrong["faults"])
    write_run(solved(), tmp_path / "run")
    found = verify(solved(), again=solved()).to_dict()
    assert (found["kind"], found["audit_passed"], found["objections"]) == ("verify", True, [])
    printed = json.loads(cli("verify", tmp_path / "run", "--json").stdout)
    assert set(printed) == set(found)
    assert printed["stated_musd"] == found["stated_musd"]
    facts = solved().facts
    assert set(facts) == {"outcome", "audit_passed", "counts", "options", "versions"}
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_the_report_asks_for_tables_that_studies_have() -> None:
    """Proves: every table of another verb that the page shows, draws or says is missing, is one of a study here."""
    given = {f"{kind}/{name}" for kind in KINDS for name in (*study(kind).tables, *study(kind).titles)}
    asked = set(re.findall(r'"([a-z]+/[a-z_]+)"', inspect.getsource(page)))
    assert {key for key, _ in page.STUDIES.values()} <= asked
    assert asked <= given
