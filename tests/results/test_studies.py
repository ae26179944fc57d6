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
from strategic_minerals.answer.study import Study, StudyResult, refuse_mixed, store_study, tables_of
from strategic_minerals.cli.main import app
from strategic_minerals.core.errors import FORMAT
from strategic_minerals.core.frames import records
from strategic_minerals.page import page
from strategic_minerals.page.page import read_analyses
from strategic_minerals.question.read_csv import csv_text, unguarded
from strategic_minerals.studies.designs import Design, one_at_a_time
from strategic_minerals.studies.missing import Completeness
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
    "losses": lambda: loss_replay(load_dataset(shipped("inputs"))),
    "scenarios": lambda: scenario_outlook(*exposed(rate=0.3), scenarios=50),
    "stress": lambda: stress_test(drawn(), scenarios=20),
    "discover": lambda: discover(cases(), "loss_musd <= 500"),
    "reverse": lambda: reverse_stress(drawn(), longest_yr=1.0),
    "worth": lambda: value_of_planning(*exposed(rate=0.3), fresh=10, gap=0.01),
    "sweep": lambda: sweep(*question(), tornado(), relax=True),
    "frontier": lambda: frontier(*question(), (0.5, 1.0), tolerance=0.5, relax=True),
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
    "compare": lambda: compare([solved(), solve(*one_mineral(70.0), gap=0.0, quick=True)]),
}


@cache
def study(kind: str) -> Study:
    """A study of each kind, made once."""
    return STUDIES[kind]()


KINDS = sorted(STUDIES)


def test_every_kind_of_study_is_looked_at_here() -> None:
    """Proves: whatever is built on the base of studies is one of these, by the name of its verb."""
    found = {made.kind: made for made in StudyResult.__subclasses__()}
    assert sorted(found) == KINDS
    assert set(found) <= {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_keeps_the_protocol(kind: str) -> None:
    """Proves: tables have announced names, facts others; JSON is strict and whole, with tables under their names."""
    found = study(kind)
    assert isinstance(found, Study)
    assert found.kind == kind
    assert found.summary().strip()
    tables = found.tables
    assert tables
    assert set(tables) <= set(type(found).titles)
    assert all(isinstance(table, pd.DataFrame) and len(table.columns) for table in tables.values())
    told = found.to_dict()
    assert told["schema_version"] == FORMAT
    assert told["kind"] == kind
    assert set(told) == {"schema_version", "kind", *found.facts, *tables}
    assert len(told) == 2 + len(found.facts) + len(tables)
    assert json.loads(json.dumps(told, allow_nan=False)) == json.loads(json.dumps(told))
    for name, table in tables.items():
        assert len(told[name]) == len(table)
        assert all(list(row) == [str(column) for column in table.columns] for row in told[name])


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_shows_the_tables_that_have_a_heading(kind: str) -> None:
    found = study(kind)
    shown = found._repr_html_()
    for name, title in type(found).titles.items():
        filled = name in found.tables and len(found.tables[name])
        assert (f"<h4>{title}</h4><table" in shown) == bool(title and filled), name
    assert "<details>" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_a_study_read_back_from_their_files(kind: str, tmp_path: Path) -> None:
    """Proves: cells are numbers and text, so a table read from its file is the same, an empty one too."""
    found = study(kind)
    store_study(found, tmp_path / kind)
    assert {path.stem for path in (tmp_path / kind).glob("*.csv")} == set(found.tables)
    for name, table in found.tables.items():
        again = unguarded(
            pd.read_csv(tmp_path / kind / f"{name}.csv", keep_default_na=False, na_values=[""], low_memory=False)
        )
        assert list(again.columns) == list(table.columns), name
        assert len(again) == len(table), name
        for row, told in zip(records(again), records(table), strict=True):
            assert not any(isinstance(cell, list | tuple | dict | set) for cell in told.values()), name
            for column, cell in told.items():
                if isinstance(cell, float):
                    assert float(row[column]) == pytest.approx(cell, rel=1e-9), (name, column)
                elif cell is None or cell == "":
                    assert row[column] in (None, ""), (name, column)
                elif not isinstance(cell, str):
                    assert row[column] == cell, (name, column)
    refuse_mixed(tmp_path / kind, type(found).titles)  # a study of the same kind may be written over it


def test_studies_stored_with_a_run_are_read_for_its_report_as_they_were_given(tmp_path: Path) -> None:
    """Proves: every study under `analyses` of a run is sealed and verified with it, and the report reads from the folder what it
    takes from the studies themselves, empty tables too."""
    write_run(solved(), tmp_path / "run")
    found = [study(kind) for kind in ("explain", "alternatives", "sweep", "frontier", "missing")]
    for one in found:
        store_study(one, tmp_path / "run" / "analyses" / one.kind)
    read, given = read_analyses(tmp_path / "run"), tables_of(found)
    assert set(read) == set(given)
    for name, table in given.items():
        assert list(read[name].columns) == list(table.columns), name
        assert len(read[name]) == len(table), name
    assert not verify(tmp_path / "run", again=solved()).objections
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
    pd.testing.assert_frame_equal(found.tables["points"].drop(columns="seconds"), plain.points.drop(columns="seconds"))


def test_changes_of_a_diagnosis_are_objects_in_json_and_text_in_files() -> None:
    """Proves: what restores a plan can be put into it from either."""
    found = study("diagnose")
    told = found.to_dict()["changes"]
    assert told
    assert [json.loads(text) for text in found.tables["changes"]["put"]] == [row["put"] for row in told]
    assert all(isinstance(row["put"], dict) for row in told)


def test_a_promise_broken_by_a_hazard_on_its_material_alone_is_told_as_that() -> None:
    """Proves: the words of a reverse stress test say what the hazard strikes, and from when on the promise is broken."""
    row = {"material": "a", "segment": "civil", "level": 1.0, "per": "episode", "hazard": "stop", "scope": "alone"}
    figures = {"start_year": 2028.0, "shortest_yr": 0.5, "least_cut_share": 0.25, "held": False, "tried_yr": 2.0}
    said = type(study("reverse"))(pd.DataFrame([{**row, **figures}])).summary()
    assert "a, civil at 100%, stop on this material only: broken after 0.50 years when it starts in FY2028" in said


def test_what_makes_results_incomparable_stands_first_in_a_notebook() -> None:
    """Proves: warnings of a comparison are seen without opening anything."""
    other = Plan.model_validate(solved().plan.to_toml_like() | {"discount_rate": 0.1})
    shown = compare([solved(), solve(other, solved().data, gap=0.0, quick=True)])._repr_html_()
    assert "<p>Doing nothing costs" in shown.partition("<details>")[0]


def test_a_question_that_lacks_nothing_still_has_columns() -> None:
    """Proves: empty tables of a study say what would stand in them."""
    found = complete(*question())
    assert isinstance(found, Completeness)
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
    """Proves: every table of another verb that the page shows, draws or says is missing, is one that its study announces."""
    announced = {f"{made.kind}/{name}" for made in StudyResult.__subclasses__() for name in made.titles}
    asked = set(re.findall(r'"([a-z]+/[a-z_]+)"', inspect.getsource(page)))
    assert {key for key, _ in page.STUDIES.values()} <= asked
    assert asked <= announced
