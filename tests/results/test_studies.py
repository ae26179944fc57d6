"""One protocol of studies: each gives tables, facts, words, JSON and a notebook's view in the same way."""

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from strategic_minerals import Dataset, Plan, Result, Study, complete, explain, frontier, solve, sweep, verify
from strategic_minerals.answer.study import tables_of
from strategic_minerals.core.errors import FORMAT
from strategic_minerals.page import page
from strategic_minerals.service.api import _parquet
from strategic_minerals.studies.designs import one_at_a_time
from support.one_mineral import one_mineral


@cache
def question() -> tuple[Plan, Dataset]:
    return one_mineral(110.0)


@cache
def solved() -> Result:
    return solve(*question(), gap=0.0, quick=True)


STUDIES: dict[str, Callable[[], Study]] = {
    "sweep": lambda: sweep(*question(), one_at_a_time({"discount_rate": (0.0, 0.05)}), relax=True),
    "frontier": lambda: frontier(*question(), factors=(0.5, 1.0), tolerance=0.5, relax=True),
    "explain": lambda: explain(solved(), gap=0.0),
    "missing": lambda: complete(*question()),
}
"""Some of each sort; `test_every_verb.py` asks all of them."""


@cache
def study(kind: str) -> Study:
    """A study of each kind, made once."""
    return STUDIES[kind]()


@pytest.mark.parametrize("kind", STUDIES)
def test_a_study_keeps_the_protocol(kind: str) -> None:
    """Proves: JSON is strict and whole, with tables and facts under their names, no name twice; a notebook shows the tables that
    have a heading; `repr` is one line."""
    found = study(kind)
    assert found.kind == kind
    assert found.summary().strip()
    told = found.to_dict()
    assert (told["schema_version"], told["kind"]) == (FORMAT, kind)
    assert len(told) == 2 + len(found.facts) + len(found.tables)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    for name, table in found.tables.items():
        assert len(told[name]) == len(table)
        assert all(list(row) == [str(column) for column in table.columns] for row in told[name])
    shown = found._repr_html_()
    for name, title in found.titles.items():
        assert (f"<h4>{title}</h4><table" in shown) == bool(len(found.tables.get(name, ()))), name
    assert repr(found).startswith(f"<Study {kind}: ")
    assert "\n" not in repr(found)


def test_numbers_among_text_come_back_as_numbers(tmp_path: Path) -> None:
    """Proves: a column of both comes back as it was, missing cells too; where a code could be taken for a number all of it is text
    once it is stored, and other things stay what they are until then."""
    columns = {"x": ["proven best", 50.0, None, 3], "code": ["007", "x", 3, 1], "other": [{"a": 1.0}, 2.0, "x", True]}
    found = Study("own", {"t": pd.DataFrame(columns)})
    found.save(tmp_path)
    again = Study.load(tmp_path).tables["t"]
    for table in (found.tables["t"], again):
        assert table.x.tolist() == ["proven best", 50.0, None, 3.0]
    columnar = pd.read_parquet(io.BytesIO(_parquet(tmp_path / "t.csv", {"x": "mixed"})))
    assert columnar.x.fillna("").tolist() == ["proven best", "50.0", "", "3.0"], "Parquet has columns of one kind"
    assert again.code.tolist() == ["007", "x", "3", "1"]
    assert found.tables["t"].other.tolist() == columns["other"]


@pytest.mark.long
def test_studies_stored_with_a_run_are_read_for_its_report_as_they_were_given(tmp_path: Path) -> None:
    """Proves: every study under `analyses` of a run is sealed and verified with it, and the report reads from the folder what it
    takes from the studies themselves, empty tables too; it is the same from either."""
    solved().save(tmp_path / "run")
    found = [study(kind) for kind in STUDIES]
    for one in found:
        one.save(tmp_path / "run" / "analyses" / one.kind)
    stored = page.read_analyses(tmp_path / "run")
    read, given = tables_of(stored), tables_of(found)
    assert set(read) == set(given)
    for one in found:
        again = Study.load(tmp_path / "run" / "analyses" / one.kind)
        assert (again, again.words, again.titles) == (one, list(one.words), one.titles)
    for name, table in given.items():
        assert_frame_equal(read[name], table, obj=name)
    assert not verify(tmp_path / "run", again=solved()).facts["objections"]
    said = page.report(solved(), analyses=sorted(found, key=lambda one: one.kind))
    assert said == page.report(solved(), analyses=stored)
    assert "Budget against risk" in said
