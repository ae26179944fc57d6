"""The verbs sweep, frontier, explain, alternatives and missing: words, tables and JSON from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import solve, write_run
from strategic_minerals.cli.common import time_left
from strategic_minerals.question.read_csv import write_dataset
from support.one_mineral import one_mineral
from support.plan_text import toml_of


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small plan, its tables and its solved run."""
    folder = tmp_path_factory.mktemp("question")
    plan, data = one_mineral(110.0)
    (folder / "plan.toml").write_text(toml_of(plan), encoding="utf-8")
    write_dataset(data, folder / "tables")
    write_run(solve(plan, data, gap=0.0, quick=True), folder / "run")
    return folder


def test_sweep_writes_its_tables_and_goes_on(question: Path, tmp_path: Path, cli: Any) -> None:
    """Proves: words on standard output, tables in the folder; asked again it solves nothing anew; as JSON it is the same."""
    study = tmp_path / "study.toml"
    ranges = 'discount_rate = [0.0, 0.05]\n"projects[C].capex_musd" = [20.0, 80.0]\n'
    study.write_text(f'kind = "one_at_a_time"\ngap = 0.0\n[ranges]\n{ranges}')
    asked = ("sweep", question / "plan.toml", study, "--workers", "1", "--out", tmp_path / "out")
    first = cli(*asked)
    assert first.returncode == 0, first.stderr
    assert "WHAT MOVES THE ANSWER" in first.stdout
    assert "CHOSEN AT EVERY POINT" in first.stdout
    points = pd.read_csv(tmp_path / "out" / "points.csv")
    assert len(points) == 5
    assert set(pd.read_csv(tmp_path / "out" / "indices.csv")["address"]) == {"discount_rate", "projects[C].capex_musd"}
    again = cli(*asked, "--json")
    told = json.loads(again.stdout)
    assert [row["objective_musd"] for row in told["points"]] == pytest.approx(
        points["objective_musd"].tolist(), rel=1e-9
    )
    assert [row["seconds"] for row in told["points"]] == pytest.approx(
        points["seconds"].tolist(), rel=1e-6
    )  # not solved again
    assert told["failed_share"] == 0.0
    (tmp_path / "file").write_text("")
    assert cli(*asked[:-1], tmp_path / "file").returncode == 2
    wrong = cli("sweep", question / "plan.toml", study, "--set", "discount_rate=0.01", "--out", tmp_path / "out")
    assert wrong.returncode == 2
    assert "rows of another sweep" in wrong.stderr


def test_morris_from_the_command_line(question: Path, tmp_path: Path, cli: Any) -> None:
    """Proves: SALib's design, solved and read, with the share left out told."""
    study = tmp_path / "study.toml"
    ranges = "discount_rate = [0.0, 0.05]\nresidual = [0.0, 1.0]\n"
    study.write_text(f'kind = "morris"\nrelax = true\ntrajectories = 3\n[ranges]\n{ranges}')
    said = cli("sweep", question / "plan.toml", study, "--workers", "1")
    assert said.returncode == 0, said.stderr
    assert "mean effect" in said.stdout
    assert "0.0% of the points left out" in said.stdout


def test_frontier_tells_its_switches(question: Path, cli: Any) -> None:
    """Proves: points, switches and what comes and goes, in words and as JSON."""
    asked = ("frontier", question / "plan.toml", "--workers", "1")
    said = cli(*asked, "--factor", "0.5", "--factor", "1", "--tolerance", "0.2", "--gap", "0")
    assert said.returncode == 0, said.stderr
    assert "SWITCHES" in said.stdout
    told = json.loads(cli(*asked, "--factor", "1", "--json").stdout)
    assert told["points"][0]["portfolio"] == "project A"
    assert told["switches"] == []


@pytest.mark.slow
def test_explain_tells_prices_and_reasons(question: Path, tmp_path: Path, cli: Any) -> None:
    """Proves: all items with prices; one item with what would flip it; an unknown one is a fault."""
    said = cli("explain", question / "run", "--gap", "0", "--workers", "1", "--out", tmp_path / "why")
    assert said.returncode == 0, said.stderr
    assert "PRICES: what one unit more is worth (for the commitments of this plan" in said.stdout
    assert "project C: rejected" in said.stdout
    assert len(pd.read_csv(tmp_path / "why" / "reasons.csv")) == 4
    every = cli("explain", question / "run", "--gap", "0", "--workers", "1", "--json").stdout
    strict = json.loads(every, parse_constant=pytest.fail)
    assert strict["aim"] == "social cost"
    told = json.loads(cli("explain", question / "run", "project A", "--gap", "0", "--json").stdout)
    assert {row["figure"] for row in told["break_evens"]} >= {"capex", "loss value"}
    assert cli("explain", question / "run", "project Z").returncode == 2


def test_alternatives_and_what_is_missing(question: Path, cli: Any) -> None:
    """Proves: ranges and portfolios, gaps and estimates, in words and as JSON."""
    said = cli("alternatives", question / "run", "--slack", "0.3", "--workers", "1")
    assert said.returncode == 0, said.stderr
    assert "NEARLY AS GOOD" in said.stdout
    told = json.loads(cli("alternatives", question / "run", "--count", "0", "--workers", "1", "--json").stdout)
    assert {row["kind"] for row in told["extremes"]} == {"stock", "spending", "supply"}
    gaps = cli("missing", question / "plan.toml")
    assert gaps.returncode == 0, gaps.stderr
    assert "COMPLETENESS" in gaps.stdout


@pytest.mark.parametrize(
    ("done", "left", "seconds", "words"),
    [
        (1, 9, 10.0, ", about 2 min left"),
        (5, 5, 10.0, ", about 10 s left"),
        (3, 0, 9.0, ""),
        (0, 9, 1.0, ""),
    ],
)
def test_time_left_goes_by_the_pace_so_far(done: int, left: int, seconds: float, words: str) -> None:
    """Proves: what is left at the pace of what is done."""
    assert time_left(done, left, seconds) == words
