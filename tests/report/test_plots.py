"""Figures from Python: of a result and of every study, by name or all; files of figures; the page as a file; short `repr`."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from strategic_minerals import (
    InputError,
    Result,
    add_term,
    charts,
    compare,
    explain,
    frontier,
    load_result,
    origin_costs,
    solve,
    stress_test,
    sweep,
    value_of_planning,
    write_report,
    write_run,
)
from strategic_minerals.answer.result import RESULT_TABLES
from strategic_minerals.page.charts import TITLE_LETTERS, figures
from strategic_minerals.page.page import save_figures
from strategic_minerals.studies.designs import morris, one_at_a_time, sobol
from support.drawn_cases import deciding, exposed
from support.one_mineral import one_mineral


@cache
def solved(amount: float = 110.0) -> Result:
    return solve(*one_mineral(amount), gap=0.0, quick=True)


@cache
def drawn() -> Result:
    return solve(*exposed(rate=0.3), gap=0.0, quick=True)


def test_a_result_plots_the_figures_of_its_page() -> None:
    """Proves: `plot` gives the charts of the page by name, one of them alone by its name, each with its title; another name is an
    error that tells the names."""
    found = solved().plot()
    assert list(found) == [figure.name for figure in figures(solved())]
    assert list(found) == list(charts(solved()))
    titles = {figure.name: figure.title for figure in figures(solved())}
    for name, drawing in found.items():
        title = drawing.to_dict()["title"]
        assert (title if isinstance(title, str) else " ".join(title)) == titles[name]
    assert solved().plot("budget").to_dict() == found["budget"].to_dict()
    with pytest.raises(InputError, match="did you mean 'budget'") as caught:
        solved().plot("buget")
    assert all(name in str(caught.value) for name in found)


STUDIES = {
    "side-by-side": lambda: compare([solved(), solved(70.0)]),
    "tornado": lambda: sweep(*one_mineral(110.0), one_at_a_time({"discount_rate": (0.0, 0.05)}), relax=True),
    "frontier": lambda: frontier(*one_mineral(110.0), factors=(0.5, 1.0), tolerance=0.5, relax=True),
    "beside-rules-of-thumb": lambda: value_of_planning(*exposed(rate=0.3), fresh=0, gap=0.01),
    "stress-losses": lambda: stress_test(drawn(), scenarios=20),
    "what-items-bring": lambda: explain(solved(), gap=0.0),
    "origins": lambda: origin_costs(*one_mineral(110.0), gap=0.01),
}


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_a_study_plots_what_it_found(name: str) -> None:
    """Proves: a study has its figure under the name that the help lists, drawn from its own tables without a result beside it; its
    `repr` is one line, whatever its tables hold."""
    study: Any = STUDIES[name]()
    assert list(study.plot()) == [name]
    spec = study.plot(name).to_dict()
    assert spec["title"]
    assert any(spec["datasets"].values())
    assert name in (charts.__doc__ or "")
    said = repr(study)
    assert said.startswith(f"<Study {study.kind}: ")
    assert "\n" not in said
    assert len(said) < 260
    with pytest.raises(InputError, match=name):
        study.plot("no such figure")


def test_probabilities_of_losses_fall_to_that_of_the_largest() -> None:
    """Proves: in the figure of a stress test all losses are at least the smallest, and the curve falls with the amount."""
    table = stress_test(drawn(), scenarios=20).plot("stress-losses").to_dict()
    (rows,) = [rows for rows in table["datasets"].values() if rows and "at_least" in rows[0]]
    for case in {row["case"] for row in rows}:
        mine = [row for row in rows if row["case"] == case]
        assert max(row["at_least"] for row in mine) == pytest.approx(1.0)
        falling = [row["at_least"] for row in sorted(mine, key=lambda row: -row["loss_musd"])]
        assert falling == sorted(falling)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where Altair is missing, `plot` says which part to install, and a result can be made, shown and summed up."""
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(InputError, match=r"strategic-minerals\[report\]"):
        solved().plot()
    assert repr(solved())


def test_a_result_is_shown_in_one_line() -> None:
    """Proves: plan, how the solve ended, worth, gap; no frame, no data."""
    said = repr(solved())
    worth = 0.0 - solved().outcome.objective_musd  # type: ignore[operator]
    assert said.startswith("<Result: plan 'tiny', proven best, worth ")
    assert f"worth {worth:,.4g} million USD of {solved().plan.price_year}" in said
    assert "gap 0.00%" in said
    assert len(said) < 200
    relaxed = solve(*one_mineral(110.0), relax=True, quick=True)
    assert "at most worth" in repr(relaxed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["html", "json"])
def test_each_figure_is_a_file_of_its_own(tmp_path: Path, cli: Any, kind: str) -> None:
    """Proves: `report --figures` writes every figure of the page as Vega-Lite, or as a page that fetches nothing."""
    write_run(solved(), tmp_path / "run")
    done = cli(
        "report", tmp_path / "run", "-o", tmp_path / "r.html", "--figures", tmp_path / "figures", "--image", kind
    )
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "figures").iterdir())
    assert {file.stem for file in files} == {figure.name for figure in figures(solved())}
    for file in files:
        text = file.read_text(encoding="utf-8")
        if kind == "json":
            assert json.loads(text)["description"]
            assert "vega-lite" in json.loads(text)["$schema"]
        else:
            assert text.startswith("<!doctype html>")
            assert "<script src" not in text
    assert save_figures(solved(), tmp_path / "again", kind)


def test_the_page_is_written_from_python(tmp_path: Path) -> None:
    """Proves: from a result, from a run folder with its studies, and from several of either; `compare` takes folders as well."""
    folder = write_run(solved(), tmp_path / "run")
    other = write_run(solved(70.0), tmp_path / "other")
    page = write_report(solved(), tmp_path / "new" / "one.html")
    assert page.read_text(encoding="utf-8") == write_report(load_result(folder), tmp_path / "b.html").read_text("utf-8")
    both = write_report(
        [folder, solved(70.0)], tmp_path / "two.html", names=["rich", "poor"], studies=[explain(solved(), gap=0.0)]
    )
    text = both.read_text(encoding="utf-8")
    assert 'id="comparison"' in text
    assert "Why each item was chosen or rejected" in text
    assert compare([str(folder), other]).tables["inputs"].equals(compare([solved(), solved(70.0)]).tables["inputs"])
    with pytest.raises(InputError):
        compare([folder, tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="a report needs a result"):
        write_report([], tmp_path / "none.html")


def test_help_names_every_table_with_its_columns_and_units() -> None:
    """Proves: what is declared of tables is what results have, column by column in order, and `help` tells it with the units."""
    told = Result.__doc__ or ""
    own = solve(
        *one_mineral(110.0), extend=lambda m: add_term(m, "own", 0.1 * next(iter(m.stock.values()))), quick=True
    )
    for result in (solved(), drawn(), solve(*deciding(), samples=2, scenarios=20), own):
        assert set(result.tables) <= set(RESULT_TABLES)
        assert {name for name, table in RESULT_TABLES.items() if not table.sometimes} <= set(result.tables)
        for name, table in result.tables.items():
            if len(table.columns):
                assert tuple(table.columns) == RESULT_TABLES[name].columns, name
    for name, declared in RESULT_TABLES.items():
        assert f"\n{name}: {declared.what}"[:60] in told
    assert "cost_musd [million USD]" in told
    assert "capacity_t_per_yr [t/yr]" in told
    assert told.startswith("A solved plan.")


def test_long_titles_stand_in_several_lines() -> None:
    """Proves: a title that is longer than its chart is wide is broken, none of it lost."""
    figure = figures(solved())[0]
    said = "It fails when the licence stop lasts over fourteen months, and the demand for magnets is over 1.3 times the table"
    lines = replace(figure, title=said).titled.to_dict()["title"]
    assert " ".join(lines) == said
    assert max(map(len, lines)) <= TITLE_LETTERS


@pytest.mark.parametrize("design", [partial(sobol, samples=4), partial(morris, trajectories=4)])
def test_indices_are_drawn_with_their_intervals(design: Any) -> None:
    """Proves: each figure that is varied has a bar for each index, with the interval that the table states."""
    ranges = {"discount_rate": (0.0, 0.05), "budget.appropriation_musd": (1.0, 200.0)}
    found = sweep(*one_mineral(110.0), design(ranges, seed=1), relax=True)
    spec = found.plot("indices").to_dict()
    (rows,) = [rows for rows in spec["datasets"].values() if rows and "counts" in rows[0]]
    indices = found.tables["indices"]
    name = "total" if "total" in indices.columns else "mu_star"
    drawn = {row["figure"]: (row["low"], row["high"]) for row in rows if row["counts"] == rows[0]["counts"]}
    assert sorted(drawn.values()) == sorted(
        (value - conf, value + conf) for value, conf in zip(indices[name], indices[f"{name}_conf"], strict=True)
    )
