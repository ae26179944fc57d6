"""Results and run folders: complete, equal after a round trip, finished or recognisably not, openable anywhere."""

import hashlib
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from conftest import Cli
from strategic_minerals import InputError, Plan, Result, Runner, shipped, solve, verify
from strategic_minerals.answer.run_folder import is_run_folder
from strategic_minerals.page.page import write_report
from strategic_minerals.question.load import load_question
from support.instances import random_case
from support.tiny import offer, source, tiny

pytestmark = pytest.mark.long

SEED = 2


@cache
def result() -> Result:
    """A solved random problem with a sample, a project, floors and contracts."""
    return solve(
        *random_case(SEED, sample=True, cvar=True, half_years=True), gap=1e-4, quick=True, run=Runner(deadline_s=60.0)
    )


def awkward() -> Result:
    """A solved problem whose names a spreadsheet would run and a browser would draw."""
    plan, data = tiny(
        {"magnet": 100.0},
        sources={"home": source("USA", "magnet", 1.0)},
        demand={"magnet": 2.0},
        offers={"outside": offer("magnet", 1.0)},
    )
    basis = '<script>alert("t")</script>'
    materials = data.frame("materials").assign(name="=1+1", note="@x", source="-2+3", basis=basis)
    named = {**plan.to_toml_like(), "title": "</pre><script>alert(1)</script>", "description": "=cmd"}
    return solve(Plan.model_validate(named), data.replace(materials=materials), gap=0.0, quick=True)


def assert_same(one: Result, two: Result) -> None:
    """Everything that a result holds, equal."""
    assert two.plan == one.plan
    assert dict(two.data.tables) == dict(one.data.tables)
    assert two.outcome == one.outcome
    assert two.audited == one.audited
    for name in ("objective_parts", "reference_parts", "seconds", "counts", "options", "versions"):
        assert dict(getattr(two, name)) == dict(getattr(one, name)), name
    for which in ("solution", "reference"):
        left, right = getattr(one, which), getattr(two, which)
        assert right.purchases == left.purchases
        for name, value in vars(left).items():
            if isinstance(value, np.ndarray):
                assert value.shape == getattr(right, name).shape
                np.testing.assert_array_equal(value, getattr(right, name))
    assert set(two.tables) == set(one.tables)
    for name, table in one.tables.items():
        assert_frame_equal(two.tables[name], table, obj=name, check_dtype=len(table) > 0)  # no rows: no types to keep
    assert two.summary(full=True) == one.summary(full=True)


@pytest.mark.parametrize("make", [result, awkward])
def test_a_result_is_equal_after_a_round_trip(make: Callable[[], Result], tmp_path: Path) -> None:
    """Proves R33: through a folder, written over another run and moved elsewhere, all comes back equal: tables and types, tonnes to
    the last bit, names that start like formulas, an audit that passes."""
    one = make()
    folder = result().save(tmp_path / "here")  # has more tables than the other, of which none may stay
    one.save(folder)
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    (tmp_path / "far" / "away").mkdir(parents=True)
    shutil.move(folder, tmp_path / "far" / "away" / "there")
    two = Result.load(tmp_path / "far" / "away" / "there")
    assert_same(one, two)
    assert two.audit().passed


def test_a_result_stays_as_it_was_found_wherever_it_travels(tmp_path: Path) -> None:
    """Proves: neither figures nor decisions can be written to, also where they travelled; no file is taken for a folder."""
    assert_same(result(), one := pickle.loads(pickle.dumps(result())))
    with pytest.raises(TypeError):
        one.options["gap"] = 7
    with pytest.raises(ValueError, match="read-only"):
        one.solution.stock[0] = 7.0
    (tmp_path / "file").touch()
    for write, found in ((one.save, "a file"), (lambda path: write_report(one, path.parent), "a folder")):
        with pytest.raises(InputError, match=f"found {found}"):
            write(tmp_path / "file")


def test_hashes_tell_inputs_apart() -> None:
    """Proves: a price changed by a cent changes the hash of `prices` and of no other table; the same rows hash the same."""
    data = result().data
    prices = data.frame("prices")
    assert data.replace(prices=prices).hashes() == data.hashes()
    prices.loc[0, "price_usd_per_kg"] += 0.01
    changed = data.replace(prices=prices).hashes()
    assert {name for name in changed if changed[name] != data.hashes()[name]} == {"prices"}


OPENED = Path.open


class Writes:
    """Counts everything that puts bytes under a name, and fails at the n-th."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail_at: int) -> None:
        self.count, self.fail_at = 0, fail_at
        for owner, name in (
            (os, "replace"),
            (os, "fsync"),
            (pd.DataFrame, "to_csv"),
            (Path, "open"),
            (Path, "write_text"),
        ):
            monkeypatch.setattr(owner, name, self.wrapped(getattr(owner, name)))

    def wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **options: Any) -> Any:
            if real is OPENED and options.get("mode", [*arguments, "r"][1])[0] == "r":
                return real(*arguments, **options)  # what is read asks no room of a disk
            self.count += 1
            if self.count == self.fail_at:
                raise OSError(28, "No space left on device")
            return real(*arguments, **options)

        return write


def test_a_folder_is_finished_or_says_that_it_is_not(tmp_path: Path) -> None:
    """Proves R24, D12: a full disk at any write leaves nothing in a new folder, and an older run whole; where it comes while names
    are given, what is there is refused, and stays a run folder that the next run mends."""
    one, kept = awkward(), 0
    with pytest.MonkeyPatch.context() as patch:
        writes = Writes(patch, fail_at=0)
        one.save(tmp_path / "whole")
        total = writes.count
    assert total > 15
    for n in (1, 2, 3, 4, *range(5, total - 1, 17), total - 1, total):
        folder = tmp_path / f"run-{n}"
        if n % 2:
            shutil.copytree(tmp_path / "whole", folder, dirs_exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            Writes(patch, fail_at=n)
            with pytest.raises(OSError, match="No space left"):
                one.save(folder)
        if (folder / "manifest.json").exists():
            assert n % 2, f"write {n} of {total}"
            assert_same(one, Result.load(folder))
            kept += 1
            continue
        with pytest.raises(InputError, match="a finished run folder"):
            Result.load(folder)
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
        assert is_run_folder(folder) or not files, f"write {n} of {total}"
    assert kept >= 3
    assert_same(one, Result.load(one.save(folder)))
    assert not list(folder.rglob("*.part"))
    shutil.rmtree(folder)
    assert not is_run_folder(folder)


def test_a_killed_writer_leaves_no_false_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R24: what kill -9 leaves of a run that is written over an older one, before the manifest has its name, is an
    unfinished folder, which the next one mends."""
    one, killed, real = awkward(), tmp_path / "killed", os.replace
    folder = one.save(tmp_path / "run")

    def replace(part: Any, name: Any) -> None:
        if str(name).endswith("manifest.json"):
            shutil.copytree(folder, killed)
        real(part, name)

    monkeypatch.setattr(os, "replace", replace)
    one.save(folder)
    monkeypatch.undo()
    with pytest.raises(InputError, match="a finished run folder"):
        Result.load(killed)
    assert_same(one, Result.load(one.save(killed)))
    assert not list(killed.rglob("*.part"))


def test_a_broken_manifest_is_a_fault_and_nothing_outside_is_opened(tmp_path: Path) -> None:
    """Proves R35: half a manifest, one of another format, and file names that lead out of the folder are refused."""
    folder = awkward().save(tmp_path / "run")
    path, outside = folder / "manifest.json", tmp_path / "secret"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    outside.write_text("x", encoding="utf-8")
    for name in ("../secret", str(outside)):
        forged = {**manifest, "files": {**manifest["files"], name: hashlib.sha256(b"x").hexdigest()}}
        path.write_text(json.dumps(forged), encoding="utf-8")
        with pytest.raises(InputError, match="a file inside the run folder"):
            Result.load(folder)
    for version in (2, "1", None):
        path.write_text(json.dumps({**manifest, "schema_version": version}), encoding="utf-8")
        with pytest.raises(InputError) as error:
            Result.load(folder)
        assert [(fault.file, fault.column) for fault in error.value.faults] == [("manifest.json", "schema_version")]
    for text in ("", "{", "[]", "{}", '{"schema_version": 1}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError):
            Result.load(folder)


def test_every_column_of_every_table_is_explained_with_its_unit(tmp_path: Path) -> None:
    """Proves: each table is a file, and the dictionary beside them has every column; money, tonnes and shares state their unit."""
    folder = result().save(tmp_path / "run")
    assert {file.stem for file in (folder / "results").glob("*.csv")} == {*result().tables, "dictionary"}
    listed = pd.read_csv(folder / "results" / "dictionary.csv", keep_default_na=False)
    columns = {(name, column) for name, table in result().tables.items() for column in table.columns}
    assert set(zip(listed["table"], listed["column"], strict=True)) == columns
    units = listed.set_index(["table", "column"])["unit"]
    assert (units["budget", "outlay_musd"], units["contracts", "contract_t_per_yr"]) == ("million USD", "t/yr")
    assert not [c for c in listed[listed["unit"] == ""]["column"] if c.endswith(("_musd", "_t", "_kg", "_share"))]


@pytest.mark.parametrize("seed", [SEED, 5])
def test_tables_add_up(seed: int) -> None:
    """Proves: purchases in `budget` are the costs in `acquisitions`, the parts of `objective` add up to the stated
    objective, and the probabilities of `scenario_losses` to one."""
    one = result() if seed == SEED else solve(*random_case(seed), gap=1e-4, quick=True)
    bought = one.tables["acquisitions"].groupby("fiscal_year").cost_musd.sum()
    stated = one.tables["budget"].set_index("fiscal_year").purchases_musd
    assert stated.to_numpy() == pytest.approx(bought.reindex(stated.index).fillna(0.0).to_numpy(), abs=1e-4)
    parts = one.tables["objective"]
    total = float((parts.plan_musd - parts.do_nothing_musd).sum())
    assert total == pytest.approx(one.outcome.objective_musd, rel=1e-6, abs=1e-6)
    assert one.tables["scenario_losses"].probability.sum() == pytest.approx(1.0)


def test_names_are_escaped_where_a_notebook_draws_them() -> None:
    """Proves R42: a title `</pre><script>` is drawn as text."""
    drawn = awkward()._repr_html_()
    assert "<script" not in drawn
    assert "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in drawn


def test_a_report_never_takes_the_place_of_a_plan(cli: Cli, tmp_path: Path) -> None:
    """Proves: a report is not written over a plan or a workbook with a plan."""
    run, plan, book = awkward().save(tmp_path / "run"), tmp_path / "p", tmp_path / "b" / "plan.xlsx"
    assert cli("init", plan).returncode == 0
    assert cli("init", book.parent, "--excel").returncode == 0
    for place in (plan / "plan.toml", plan, book):
        said = cli("report", run, "-o", place)
        assert said.returncode == 2, (place, said.stdout, said.stderr)


def test_what_is_doubted_is_the_same_wherever_the_plan_stands(tmp_path: Path) -> None:
    """Proves: the summary doubts 50 million million USD, and does not name the file of the plan, so that the run verifies."""
    text = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    file = tmp_path / "plan.toml"
    doubtful = re.sub(r"(?m)^appropriation_musd = .*$", "appropriation_musd = 5e7", text)
    file.write_text(doubtful, encoding="utf-8")
    solved = solve(*load_question(file, shipped("inputs")), gap=0.01, quick=True)
    doubts = [note for note in solved.tables["notes"].note if "appropriation_musd" in note]
    assert doubts
    assert not any(file.name in note for note in doubts)
    assert "budget.appropriation_musd" in solved.summary(full=True).partition("DOUBTFUL")[2]
    assert verify(solved.save(tmp_path / "run")).facts["objections"] == ()
