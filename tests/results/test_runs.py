"""Results and run folders: complete, equal after a round trip, finished or recognisably not, openable anywhere."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from conftest import PATIENCE_S, environment
from strategic_minerals import Dataset, InputError, Plan, Result, Runner, load_result, shipped, solve, verify, write_run
from strategic_minerals.matrix.solution import Solution
from strategic_minerals.question.load import load_question
from strategic_minerals.solver.highs import TOLERANCES
from support.instances import quick_first, random_case
from support.tiny import cut, offer, source, tiny

SEED = 2
TABLES = {
    "acquisitions",
    "stock",
    "projects",
    "contracts",
    "floors",
    "budget",
    "operations",
    "flows",
    "figures",
    "shortfalls",
    "scenario_losses",
    "value",
    "held_for_price",
    "notes",
    "dropped",
    "prices",
    "objective",
}


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
    materials = data.frame("materials").assign(
        name="=1+1", note="@x", source="-2+3", basis='<script>alert("t")</script>'
    )
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
    assert_frame_equal(two.profile, one.profile, obj="profile")
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
    assert two.summary() == one.summary()


# --- Result.to_dict -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [result, awkward])
def test_a_result_becomes_json_and_comes_back_the_same(make: Callable[[], Result]) -> None:
    """Proves: to_dict is strict JSON (no NaN, which other programs refuse), and from_dict gives an equal result: tables
    with their types, tonnes to the last bit, the same summary, an audit that passes, without a solve."""
    one = make()
    text = json.dumps(one.to_dict(), allow_nan=False)
    two = Result.from_dict(json.loads(text))
    assert_same(one, two)
    assert two.audit().passed
    assert json.dumps(two.to_dict(), allow_nan=False) == text


def test_a_table_without_rows_comes_back(tmp_path: Path) -> None:
    """Proves: a dataset whose table `stock` has a header and no row survives both round trips."""
    plan, data = tiny({"magnet": 100.0}, sources={"home": source("USA", "magnet", 1.0)}, demand={"magnet": 2.0})
    empty = Dataset({**data.tables, "stock": ()})
    one = solve(plan, empty, gap=0.0, quick=True)
    assert Result.from_dict(json.loads(json.dumps(one.to_dict()))).data.rows("stock") == ()
    assert load_result(write_run(one, tmp_path / "run")).data.rows("stock") == ()


@pytest.mark.parametrize("found", [0, 2, "1", True, None])
def test_another_format_is_refused(found: Any, tmp_path: Path) -> None:
    """Proves: a result or a folder of another format is not guessed at: one fault that states both formats."""
    payload = result().to_dict()
    payload["schema_version"] = found
    with pytest.raises(InputError, match="schema_version"):
        Result.from_dict(payload)
    folder = write_run(result(), tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "schema_version": found}), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_result(folder)
    (fault,) = error.value.faults
    assert (fault.file, fault.column) == ("manifest.json", "schema_version")
    assert fault.expected == "format 1, the only one that this version reads"


# --- run folders --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [result, awkward])
def test_a_run_folder_opens_to_the_same_result(make: Callable[[], Result], tmp_path: Path) -> None:
    """Proves R33: what is written is read back equal, tables, types and names that start like formulas included."""
    one = make()
    assert_same(one, load_result(write_run(one, tmp_path / "run")))


def test_the_manifest_says_what_was_asked_how_it_ended_and_why_to_trust_it(tmp_path: Path) -> None:
    """Proves R19: outcome with reason, objective, bound, gap and do-nothing; seconds by phase; counts; the largest
    residual of each constraint family; hashes of inputs; versions; gap and tolerances; seed."""
    one = result()
    folder = write_run(one, tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    outcome = manifest["outcome"]
    assert outcome["reason"] in ("optimal", "within_gap")
    for name in ("objective_musd", "best_bound_musd", "relative_gap", "do_nothing_musd"):
        assert outcome[name] == getattr(one.outcome, name)
        assert math.isfinite(outcome[name])
    assert set(manifest["seconds"]) >= {"build", "compile", "solve", "total"}
    parts = [manifest["seconds"][name] for name in ("build", "compile", "solve")]
    assert all(part > 0 for part in parts)
    assert sum(parts) <= manifest["seconds"]["total"]
    profile = pd.DataFrame(manifest["profile"]).set_index("phase")
    phases = profile.drop(index="total")
    assert phases.seconds.to_dict() == {k: v for k, v in manifest["seconds"].items() if k != "total"}
    assert phases.seconds.sum() <= profile.seconds["total"]
    assert (phases.highs_seconds <= phases.seconds).all()
    assert phases.highs_seconds.sum() == pytest.approx(profile.highs_seconds["total"])
    assert phases.iterations["solve"] == manifest["counts"]["iterations"]
    assert phases.highs_seconds[["do nothing", "solve", "prices"]].min() > 0
    assert (profile.peak_memory_mib.diff().dropna() >= 0).all()  # a peak never falls
    assert set(manifest["counts"]) >= {"columns", "rows", "nonzeros", "binaries", "scenarios"}
    assert all(manifest["counts"][name] > 0 for name in ("columns", "rows", "nonzeros", "binaries", "scenarios"))
    families = {residual["family"]: residual["largest"] for residual in manifest["audit"]["residuals"]}
    assert set(families) >= {"material_balance", "stock_balance", "budget", "source_capacity", "integrality"}
    assert all(0 <= largest < math.inf for largest in families.values())
    assert manifest["audit"]["passed"] is True
    assert manifest["input_hashes"] == one.data.hashes()
    assert manifest["plan_hash"] == hashlib.sha256(one.plan.model_dump_json().encode()).hexdigest()
    assert manifest["seed"] == one.plan.sample.seed == SEED  # type: ignore[union-attr]
    assert set(manifest["versions"]) >= {
        "python",
        "highs",
        "pyomo",
        "highspy",
        "numpy",
        "scipy",
        "pandas",
        "strategic-minerals",
    }
    assert manifest["options"]["gap"] == 1e-4
    assert {name: manifest["options"][name] for name in TOLERANCES} == TOLERANCES
    assert manifest["loss_function"] == one.plan.loss_function
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    on_disk = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {*manifest["files"], "manifest.json"}


def test_hashes_tell_inputs_apart() -> None:
    """Proves: a price changed by a cent changes the hash of `prices` and of no other table; the same rows hash the same."""
    data = result().data
    prices = data.frame("prices")
    assert data.replace(prices=prices).hashes() == data.hashes()
    prices.loc[0, "price_usd_per_kg"] += 0.01
    changed = data.replace(prices=prices).hashes()
    assert {name for name in changed if changed[name] != data.hashes()[name]} == {"prices"}


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
            self.count += 1
            if self.count == self.fail_at:
                raise OSError(28, "No space left on device")
            return real(*arguments, **options)

        return write


@pytest.mark.slow
def test_a_folder_is_finished_or_says_that_it_is_not(tmp_path: Path) -> None:
    """Proves R24: a full disk at any write leaves a folder without a manifest, which load_result refuses; written over
    an older run, never the older manifest beside newer files. The manifest is the last name that appears."""
    one = awkward()
    with pytest.MonkeyPatch.context() as patch:
        writes = Writes(patch, fail_at=0)
        write_run(one, tmp_path / "whole")
        total = writes.count
    assert total > 15
    for n in range(1, total + 1):
        folder = tmp_path / f"run-{n}"
        if n % 2:
            shutil.copytree(tmp_path / "whole", folder)
        with pytest.MonkeyPatch.context() as patch:
            Writes(patch, fail_at=n)
            with pytest.raises(OSError, match="No space left"):
                write_run(one, folder)
        assert not (folder / "manifest.json").exists(), f"write {n} of {total}"
        with pytest.raises(InputError, match="a finished run folder"):
            load_result(folder)
        if n % 12 and n < total - 1:
            continue
        assert_same(one, load_result(write_run(one, folder)))  # and writing again mends it
        assert not list(folder.rglob("*.part"))


WRITER = """
import os, signal, sys
from pathlib import Path
from test_runs import awkward
from strategic_minerals import write_run
one, folder, share, real, named = awkward(), Path(sys.argv[1]), float(sys.argv[2]), os.replace, []
def replace(*names):
    named.append(names)
    if len(named) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*names)
os.replace, last = replace, -1
write_run(one, folder)
last = len(named) + 1 + round(share * (len(named) - 1))
write_run(one, folder)
"""
"""Writes a run, and dies while it writes over it: before the first file has its name, before the last one, or between."""


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_killed_writer_leaves_no_false_run(share: float, tmp_path: Path) -> None:
    """Proves R24: a process that writes over a run is killed early, half way and when all but the manifest is there; each time
    the folder is refused as unfinished, and never opens in part; writing again mends it."""
    folder = tmp_path / "run"
    command = [sys.executable, "-c", WRITER, str(folder), str(share)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, timeout=PATIENCE_S)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (folder / "manifest.json").exists()
    with pytest.raises(InputError, match="a finished run folder"):
        load_result(folder)
    assert set(load_result(write_run(awkward(), folder)).tables) == TABLES
    assert not list(folder.rglob("*.part"))


def test_a_run_folder_moves(tmp_path: Path) -> None:
    """Proves: no path is stored: moved elsewhere, and opened from another directory, a folder is the same run."""
    write_run(result(), tmp_path / "here")
    for path in (tmp_path / "here").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes()
    (tmp_path / "far" / "away").mkdir(parents=True)
    shutil.move(tmp_path / "here", tmp_path / "far" / "away" / "there")
    assert_same(result(), load_result(tmp_path / "far" / "away" / "there"))


def test_a_second_run_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    """Proves: written over a run that had more tables, a folder holds the second run alone. A table that stayed behind
    would be read as data of a run that never saw it, and `verify` would solve another problem."""
    first, second = result(), awkward()
    assert set(first.data.tables) - set(second.data.tables)
    folder = write_run(first, tmp_path / "run")
    write_run(second, folder)
    assert_same(second, load_result(folder))


@pytest.mark.parametrize("name", ["decisions.npz", "plan.json", "tables/prices.csv", "results/budget.csv"])
def test_a_missing_or_changed_file_is_named(name: str, tmp_path: Path) -> None:
    """Proves: a file taken away or edited is refused with its name."""
    folder = write_run(result(), tmp_path / "run")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content.replace(b"2", b"3", 1))
    with pytest.raises(InputError, match=rf"{name}.*differs from the manifest"):
        load_result(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name}.*no file"):
        load_result(folder)


def test_a_file_that_no_manifest_lists_is_not_read(tmp_path: Path) -> None:
    """Proves: a table slipped into `tables` is refused or ignored; it never becomes data of the run."""
    folder = write_run(awkward(), tmp_path / "run")
    header = "material,opening_t,source,year,confidence,note\nmagnet,5,,,estimate,\n"
    (folder / "tables" / "stock.csv").write_text(header, encoding="utf-8")
    found: object = None
    try:
        found = load_result(folder).data.rows("stock")
    except InputError as error:
        found = [fault.file for fault in error.faults]
    assert found in ((), ["tables/stock.csv"], ["stock.csv"])


def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    """Proves R35: a file name that leads out of the folder is refused, not opened."""
    folder = write_run(awkward(), tmp_path / "run")
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name in ("../secret", str(tmp_path / "secret")):
        forged = {**manifest, "files": {**manifest["files"], name: hashlib.sha256(b"x").hexdigest()}}
        (folder / "manifest.json").write_text(json.dumps(forged), encoding="utf-8")
        with pytest.raises(InputError, match="a file inside the run folder"):
            load_result(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"schema_version": 1}'])
def test_a_broken_manifest_is_a_fault_and_no_traceback(text: str, tmp_path: Path) -> None:
    """Proves: half a manifest, a list, or one without its entries is an InputError."""
    folder = write_run(awkward(), tmp_path / "run")
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        load_result(folder)


# --- tables -------------------------------------------------------------------------------------------------


def test_every_result_table_exists_and_is_tidy(tmp_path: Path) -> None:
    """Proves: all tables are there, also as files; one plain header of snake_case names, no index column, no nested
    value, tonnes and money with their unit in the name, nothing infinite."""
    one = result()
    assert set(one.tables) == TABLES
    folder = write_run(one, tmp_path / "run")
    assert {file.stem for file in (folder / "results").glob("*.csv")} == {*TABLES, "dictionary"}
    for name, table in one.tables.items():
        assert len(table.columns) == len(set(table.columns))
        assert all(str(column).isidentifier() and str(column) == str(column).lower() for column in table.columns), name
        assert list(table.index) == list(range(len(table))), name
        numbers = table.select_dtypes("number")
        assert not np.isinf(numbers.to_numpy(dtype=float)).any(), name
        assert not any(
            isinstance(value, list | dict | tuple | np.ndarray) for column in table for value in table[column]
        )
    assert {"fiscal_year", "material", "acquired_t", "cost_musd"} <= set(one.tables["acquisitions"].columns)


@pytest.mark.parametrize("seed", [0, 2, 5])
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


def test_no_cell_of_a_run_folder_starts_like_a_formula(tmp_path: Path) -> None:
    """Proves R33: in tables and results no text cell begins with = + - @ or a control character."""
    folder = write_run(awkward(), tmp_path / "run")
    guarded = 0
    for file in folder.rglob("*.csv"):
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
        for cell in frame.to_numpy().ravel():
            guarded += cell.startswith("'")
            number = cell.startswith("-") and cell[1:2].isdigit() and "+" not in cell.replace("e+", "")
            assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (file.name, cell)
    assert guarded >= 3


def test_an_audit_of_a_stored_result_needs_no_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: audit() of an opened folder recomputes from plan, data and decisions; HiGHS is not called."""
    from strategic_minerals.solver.highs import Model

    folder = write_run(result(), tmp_path / "run")
    opened = load_result(folder)

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the audit solved")

    monkeypatch.setattr(Model, "run", forbidden)
    found = opened.audit()
    assert found.passed
    assert found.objective == pytest.approx(sum(opened.objective_parts.values()), rel=1e-9)


def test_a_dictionary_with_units_goes_with_the_tables(tmp_path: Path) -> None:
    """Proves: every column of every result table is listed; those that hold money, tonnes or shares state their unit."""
    asked = tiny(
        {"a": 10.0}, sources={"far": source("CHN", "a", 10.0)}, demand={"a": 10.0}, offers={"spot": offer("a", 5.0)}
    )
    result = solve(*asked, quick=True)
    write_run(result, tmp_path / "run")
    listed = pd.read_csv(tmp_path / "run" / "results" / "dictionary.csv", keep_default_na=False)
    assert set(zip(listed["table"], listed["column"], strict=True)) == {
        (n, c) for n, t in result.tables.items() for c in t.columns
    }
    by_name = listed.set_index(["table", "column"])["unit"]
    assert by_name["budget", "outlay_musd"] == "million USD"
    assert by_name["stock", "stock_t"] == "t"
    assert by_name["contracts", "contract_t_per_yr"] == "t/yr"
    assert not [c for c in listed[listed["unit"] == ""]["column"] if c.endswith(("_musd", "_t", "_kg", "_share"))]
    assert load_result(tmp_path / "run").tables.keys() == result.tables.keys()


def test_a_notebook_shows_what_to_do() -> None:
    """Proves: the rich view has the verdict and tables, names inert."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={"spot": offer("a", 5.0)},
        loss=300.0,
        scenarios=[cut("cut", 0.4, 2028, 1)],
        title="<b>bold</b>",
    )
    shown = solve(plan, data, quick=True)._repr_html_()
    assert "&lt;b&gt;bold" in shown
    assert "<b>" not in shown
    assert "<h4>Purchases</h4><table" in shown


def _archive(**changed: Any) -> bytes:
    """Decisions of a result with some arrays replaced, or left out (None)."""
    arrays: dict[str, Any] = {
        f"{name}.{f.name}": np.array(getattr(of, f.name))
        for name, of in (("solution", result().solution), ("reference", result().reference))
        for f in fields(Solution)
    }
    arrays |= {f"solution.{name}": array for name, array in changed.items()}
    kept = {name: array for name, array in arrays.items() if array is not None}
    into = io.BytesIO()
    np.savez_compressed(into, **kept)
    return into.getvalue()


def _with_member(content: bytes) -> bytes:
    into = io.BytesIO(_archive(output=None))
    with zipfile.ZipFile(into, "a") as archive:
        archive.writestr("solution.output.npy", content)
    return into.getvalue()


def _header(shape: str) -> bytes:
    """Start of an array file that says how large it is."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


BROKEN: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "cut short": lambda: b"PK\x03\x04 nothing more",
    "truncated": lambda: _archive()[:-200],
    "an array missing": lambda: _archive(output=None),
    "text": lambda: _archive(output=np.array(["a"])),
    "wrong axes": lambda: _archive(output=np.zeros(3)),
    "complex": lambda: _archive(acquisition=np.zeros((1, 1, 1), dtype=complex)),
    "no array": lambda: _with_member(b"no array"),
    "huge": lambda: _with_member(_header("(1000000000000000,)")),
    "half a header": lambda: _with_member(_header("(3,)")[:40]),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_decisions_that_are_none_are_refused(kind: str, tmp_path: Path) -> None:
    """Proves: whoever forges hashes too gets a fault that names the file, not an error of numpy or zipfile."""
    folder, content = write_run(result(), tmp_path / "run"), BROKEN[kind]()
    (folder / "decisions.npz").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["decisions.npz"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InputError, match=r"decisions\.npz"):
        load_result(folder)


def test_reports_and_runs_never_take_the_place_of_what_a_planner_wrote(cli: Any, tmp_path: Path) -> None:
    """Proves: a report is not written over a plan, a table or a workbook with a plan, Parquet not among other files, a run not
    inside another run; a manifest that is a pipe is a fault and stops nobody."""
    run, plan = tmp_path / "run", tmp_path / "p"
    assert cli("init", plan).returncode == 0
    assert cli("init", tmp_path / "b", "--excel").returncode == 0
    assert cli("solve", "quickstart", "--out", run).returncode == 0
    before = {path: path.read_bytes() for path in (*plan.rglob("*.*"), tmp_path / "b" / "plan.xlsx") if path.is_file()}
    for words in (
        ("report", run, "-o", plan / "plan.toml"),
        ("report", run, "-o", plan / "tables" / "demand.csv", "--format", "md"),
        ("report", run, "-o", plan / "tables", "--format", "parquet"),
        ("report", run, "-o", tmp_path / "b" / "plan.xlsx", "--format", "xlsx"),
        ("solve", "quickstart", "--out", run / "results" / "x"),
    ):
        said = cli(*words)
        assert said.returncode == 2, (words, said.stdout, said.stderr)
    assert before == {path: path.read_bytes() for path in before}
    (run / "manifest.json").unlink()
    os.mkfifo(run / "manifest.json")
    assert cli("verify", run).returncode == 2


@pytest.mark.parametrize("kind", quick_first(["toml", "json"], 1))
def test_what_is_doubted_is_the_same_wherever_the_plan_stands(kind: str, tmp_path: Path) -> None:
    """Proves: notes of an answer do not name the file that the plan came from, so that `verify` makes the same of the run folder,
    whatever the plan was written in."""
    text = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^appropriation_musd = .*$", "appropriation_musd = 5e7", text)
    file = tmp_path / f"plan.{kind}"
    file.write_text(json.dumps(tomllib.loads(text)) if kind == "json" else text, encoding="utf-8")
    solved = solve(*load_question(file, shipped("inputs")), gap=0.01, quick=True)
    doubts = [note for note in solved.tables["notes"].note if "appropriation_musd" in note]
    assert doubts
    assert not any(file.name in note for note in doubts)
    assert verify(write_run(solved, tmp_path / "run")).facts["objections"] == ()
