"""Run folders that were changed, by accident or by somebody who writes hashes and digests anew: none of them passes."""

import hashlib
import json
import math
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import Cli
from strategic_minerals import InputError, Plan, Result, Runner, Study, solve, verify
from strategic_minerals.answer.manifest import (
    MANIFEST,
    read_manifest,
    read_table,
    schema_faults,
    seal_faults,
    sealed,
    spelled,
)
from strategic_minerals.answer.record import restored
from strategic_minerals.answer.run_folder import write_run
from strategic_minerals.answer.verification import (
    Recomputed,
    against,
    against_another,
    misstated,
    of_figures,
    of_tables,
    recompute,
)
from strategic_minerals.answer.year import NOTED
from strategic_minerals.core.errors import FORMAT
from strategic_minerals.matrix.named import denominator
from strategic_minerals.matrix.solution import Solution
from strategic_minerals.page.page import read_analyses
from support.instances import random_case
from support.one_mineral import one_mineral
from support.plan_text import leaves, put

pytestmark = pytest.mark.long

Path_ = tuple[str | int, ...]


@cache
def solved() -> Result:
    """A run with a sample, projects, floors and contracts."""
    return solve(
        *random_case(2, sample=True, cvar=True, half_years=True), gap=1e-4, quick=True, run=Runner(deadline_s=60.0)
    )


@cache
def found() -> Recomputed:
    return recompute(solved())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with a study, as it was written."""
    run = write_run(solved(), tmp_path_factory.mktemp("forgery") / "run", log="told\n")
    reasons = pd.DataFrame({"item": ["A"], "sentence": ["it pays"]})
    Study("explain", {"reasons": reasons}).save(run / "analyses" / "explain")
    return run


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "run"))


def content(folder: Path) -> dict[str, Any]:
    return dict(read_manifest(folder)[1])


def forge(folder: Path, change: Callable[[dict[str, Any]], None] = lambda manifest: None) -> None:
    """Change a manifest, and make its hashes and its digest fit: somebody who knows how."""
    manifest = content(folder)
    change(manifest)
    manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
    (folder / MANIFEST).write_text(spelled(sealed(manifest)), encoding="utf-8")


DIGEST_ALONE = ("seconds", "versions", "options.gap", "options.method", "log.txt", "analyses")
"""What cannot be worked out again: a change of it is found by the manifest's digest, unless that was forged as well."""


def exempt(path: Path_) -> bool:
    """Whether only the digest guards a field."""
    dotted = ".".join(map(str, path))
    return any(dotted == name or dotted.startswith(f"{name}.") for name in DIGEST_ALONE)


def objected(manifest: dict[str, Any], path: Path_, folder: Path) -> bool:
    """Whether a manifest with a digest that fits, over files that are as they were, is found out; by the cheapest way that does."""
    if schema_faults(manifest):
        return True
    one = solved()
    tables = dict(one.tables)
    if path[0] == "columns":
        columns = manifest["columns"] if len(path) == 1 else {path[1]: manifest["columns"][path[1]]}
        tables = {name: table for name, table in tables.items() if name in manifest["columns"]}
        try:
            tables |= {name: read_table(folder / "results" / f"{name}.csv", kinds) for name, kinds in columns.items()}
        except (ValueError, KeyError, OSError):
            return True
    result = restored(Result, one.plan, one.data, one.solution, one.reference, tables, manifest)
    ways: list[Callable[[], Any]] = [
        lambda: misstated(result, manifest),
        lambda: of_figures(result, found()),
        lambda: against_another(result, one)[0],
        lambda: of_tables(result, found()),
    ]
    return any(list(way()) for way in ways)


def plausible(value: Any) -> Any:
    """Another value of the same type that nobody would wonder at."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.01 if abs(value) > 1e-6 else value + 0.5
    if value in ("boolean", "integer", "number", "text"):
        return "text" if value == "number" else "number"
    other = {"optimal": "within_gap", "within_gap": "optimal", "flat": "decomposed", "auto": "flat"}
    return other.get(value, f"{value}x")


FORGED: dict[str, Callable[[Any], Any]] = {
    "null": lambda value: None,
    "nan": lambda value: math.nan,
    "minus one": lambda value: -1,
    "plausible": plausible,
    "another type": lambda value: 7 if isinstance(value, str) else str(value),
    "a list": lambda value: [value],
}


def test_no_field_of_the_manifest_can_be_forged(folder: Path) -> None:
    """Proves R44: each scalar of the manifest becomes null, nan, another type, -1, or another value of its kind, the digest fits
    again, and all of them are objected to but what `DIGEST_ALONE` lists; of that, too, what is no value at all."""
    manifest = content(folder)
    missed = []
    for kind, forged in FORGED.items():
        for path, value in leaves(manifest):
            changed = forged(value)
            spared = kind in ("plausible", "minus one") and exempt(path)
            alike = path[0] == "columns" and path[1] != "projects" and kind != "plausible"  # as that of another table
            if path[0] in ("files", "digest") or changed == value or spared or alike:
                continue
            if not objected(put(manifest, path, changed), path, folder):
                missed.append((kind, ".".join(map(str, path)), value, changed))
    assert missed == []


def test_no_key_of_the_manifest_can_be_taken_away_or_added(folder: Path) -> None:
    """Proves R44: every mapping of the manifest with one key less, and with one more, is objected to."""
    manifest = content(folder)
    missed = []
    firsts = [path for path, _ in leaves(manifest) if not set(range(1, 100)) & set(path)]  # of each list
    kept = [path for path in firsts if path[0] != "columns" or path[1] == "projects"]  # other tables are as this one is
    for path in sorted({of[:n] for of in kept for n in range(len(of))}, key=str):
        node: Any = manifest
        for key in path:
            node = node[key]
        if not isinstance(node, dict) or path in (("files",), ("seconds",), ("columns",)):
            continue
        given = (
            ((), "digest"),
            (("outcome",), "relaxed"),
            (("outcome",), "method"),
        )  # the latter two say what is said without them
        keys = [key for key in node if (path, key) not in given]
        less = [{k: v for k, v in node.items() if k != key} for key in keys]
        for changed in (*less, {**node, "more": 1.0}):
            forged = put(manifest, path, changed) if path else changed
            if not objected(forged, path or ("audit",), folder):
                missed.append((path, sorted(set(node) ^ set(changed))))
    assert missed == []


def test_no_byte_of_the_manifest_can_change(folder: Path) -> None:
    """Proves R44: a bit flipped anywhere in the manifest, a blank that becomes a tab, a line more at its end: each is found."""
    text = (folder / MANIFEST).read_bytes()
    changed = [text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :] for at in range(0, len(text), 61)]
    at = text.index(b'\n "')
    changed += [text[: at + 1] + b"\t" + text[at + 2 :], text + b"\n", text.replace(b"\n", b"\r\n"), b" " + text]
    for forged in changed:
        try:
            stated = json.loads(forged.decode())
        except ValueError:
            continue  # refused as it is no JSON
        assert stated.get("schema_version") != FORMAT or seal_faults(MANIFEST, stated, forged.decode())


def told(folder: Path) -> str:
    """What is said against a folder; a study is looked at last, with everything else in order."""
    try:
        Result.load(folder)
        read_analyses(folder)
    except InputError as error:
        return str(error)
    return ""


def test_no_byte_of_any_file_can_change(copied: Path) -> None:
    """Proves R44: a bit flipped in each file of a run folder and of its studies makes `verify` object, and names the file; so does
    a file that is missing, and one too many. Those that a planner fills in may change."""
    for path in sorted(copied.rglob("*")):
        name = path.relative_to(copied).as_posix()
        if path.is_dir() or name in (MANIFEST, *NOTED):
            continue
        before = path.read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        assert name in told(copied), name
        path.unlink()
        assert name in told(copied), name
        path.write_bytes(before)
    for name in ("more.txt", "tables/more.csv", "results/sub/more.csv", ".more", "analyses/explain/more.csv"):
        path = copied / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x", encoding="utf-8")
        assert name in told(copied), name
        path.unlink()
    (copied / "linked").symlink_to(copied / "plan.json")
    assert "linked" in told(copied)


def test_no_table_can_be_forged() -> None:
    """Proves R44: a cell of any column of a results table, a row less or twice, a column of another name, no table: each is
    objected to, whatever the hashes say."""
    one, missed = solved(), []
    for name in (*(name for name in found().tables if name != "notes"), "prices"):
        table = one.tables[name]
        forged: dict[str, pd.DataFrame] = {"another column": table.rename(columns={table.columns[-1]: "x"})}
        if len(table):
            forged["a row less"] = table.iloc[:-1]
            forged["a row twice"] = pd.concat([table, table.iloc[-1:]], ignore_index=True)
        for column in table.columns:
            values = table[column].tolist()
            at = next((k for k, value in enumerate(values) if value == value), None)
            if at is not None:
                values[at] = plausible(values[at])
                forged[column] = table.assign(**{column: pd.Series(values, dtype=table[column].dtype)})
        for what, changed in forged.items():
            result = replace(one, tables={**one.tables, name: changed})
            said = [*of_tables(result, found()), *against_another(result, one)[0]]
            if not any(f"results/{name}.csv" in objection for objection in said):
                missed.append((name, what))
        without = replace(one, tables={key: value for key, value in one.tables.items() if key != name})
        assert any(name in objection for objection in of_tables(without, found())), name
    assert missed == []


@pytest.mark.slow
def test_no_decision_can_be_forged() -> None:
    """Proves R44: in every array of the plan's decisions and of doing nothing, the largest entry by half more: the audit, a table,
    an objective or the second solve objects."""
    one, missed = solved(), []
    for which in ("solution", "reference"):
        held = getattr(one, which)
        for name in (f.name for f in fields(Solution) if f.name != "purchases" and getattr(held, f.name).size):
            values = getattr(held, name).copy()
            at = int(np.abs(values).argmax())
            values.flat[at] += 0.5 * max(1.0, abs(values.flat[at]))
            forged = replace(one, **{which: replace(held, **{name: values})})
            if not against_another(forged, one)[0] and not list(against(forged, recompute(forged))):
                missed.append((which, name))
    assert missed == []


def decisions(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Writes the decisions with one array changed, or without it (None)."""

    def forged(folder: Path) -> None:
        with np.load(folder / "decisions.npz") as held:
            arrays = {each: held[each] for each in held.files}
        arrays[name] = change(arrays[name])
        np.savez_compressed(folder / "decisions.npz", **{n: array for n, array in arrays.items() if array is not None})

    return forged


def huge(folder: Path) -> None:
    """One array's header claims eight petabytes."""
    decisions("solution.output", lambda values: None)(folder)
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(folder / "decisions.npz", "a") as archive:
        archive.writestr("solution.output.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)


def text(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Replaces the first such text of a file."""

    def forged(folder: Path) -> None:
        before = (folder / name).read_text(encoding="utf-8")
        assert old in before
        (folder / name).write_text(before.replace(old, new, 1), encoding="utf-8", newline="")

    return forged


FORGERIES: dict[str, Callable[[Path], None]] = {
    "stock": decisions("solution.stock", lambda values: values + 50.0),
    "reference": decisions("reference.shortfall", lambda values: values + 1.0),
    "enormous": decisions("solution.stock", lambda values: values - 1e300),
    "nan": decisions("solution.carry", lambda values: values * math.nan),
    "huge": huge,
    "summary": text("summary.txt", "The plan is worth", "The plan is worth far more,"),
    "price": text("tables/prices.csv", "base,", "base ,"),
    "plan": text("plan.json", '"discount_rate": 0.', '"discount_rate": 0.0999'),
    "dictionary": text("results/dictionary.csv", "million USD", "thousand USD"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_no_file_can_be_forged(what: str, copied: Path) -> None:
    """Proves R44: decisions, words, tables, plan or dictionary changed and every hash made to fit: `verify` objects."""
    FORGERIES[what](copied)
    forge(copied)
    try:
        objections = verify(copied, again=solved()).facts["objections"]
    except InputError as error:
        objections = tuple(map(str, error.faults))
    assert objections


def test_what_was_written_verifies(folder: Path) -> None:
    """Proves: the folder that all forgeries begin from passes, solved again as well, and nothing of it is left uncompared."""
    done = verify(folder)
    assert done.facts["objections"] == ()
    assert done.facts["not_compared"] == ()
    assert verify(solved(), again=solved()).facts["objections"] == ()


@pytest.mark.parametrize(
    "options",
    [{"relax": True}, {"method": "decomposed"}, {"objective": "risk_within_budget"}, {"objective": "least_budget"}],
)
def test_other_kinds_of_runs_verify(options: dict[str, Any], tmp_path: Path) -> None:
    """Proves: relaxations, runs by clusters and runs with several aims in turn pass; an earlier aim's value, bound or gap that
    was forged does not."""
    kind = options.pop("objective", None)
    plan, data = one_mineral(110.0)
    if kind is not None:
        plan = Plan.model_validate({**plan.to_toml_like(), "objective": {"kind": kind}})
    one = solve(plan, data, gap=1e-3, **options, quick=True)
    run = one.save(tmp_path / "run")
    assert verify(run, again=one).facts["objections"] == ()
    for column, step in ((1, 1.0), (2, 1.0), (3, 0.5)):
        stage = list(one.outcome.stages[0])
        stage[column] -= step
        outcome = replace(one.outcome, stages=(tuple(stage), *one.outcome.stages[1:]))  # type: ignore[arg-type]
        assert verify(replace(one, outcome=outcome), again=one).facts["objections"]


def test_a_bound_that_nobody_proved_is_objected_to() -> None:
    """Proves R44: bound and gap forged together, so that they fit each other: the second solve has none so good; and a bound that
    lies above the optimum, whatever else differs between the two."""
    one = solved()
    objective = one.outcome.objective_musd
    worse = replace(one, outcome=_with_bound(one, objective - 50.0))
    assert list(against(worse, found()))
    for bound in (objective - 1e-3 * abs(objective), objective):
        honest = replace(one, outcome=_with_bound(one, bound - 0.2 * abs(objective)))
        assert against_another(replace(one, outcome=_with_bound(one, bound)), honest)[0]
    elsewhere = replace(one, versions={**one.versions, "highs": "0"}, outcome=_with_bound(one, objective + 1.0))
    assert "one solve's bound lies above the other's objective" in against_another(elsewhere, one)[0]


def _with_bound(result: Result, bound: float) -> Any:
    """An outcome of one aim with another bound, and the gap that goes with it."""
    (name, z, _, _), *_ = result.outcome.stages
    gap = (z - bound) / denominator(found().problem, z)
    return replace(result.outcome, best_bound_musd=bound, relative_gap=max(0.0, gap), stages=((name, z, bound, gap),))


def test_the_command_says_what_it_objects_to(copied: Path, cli: Cli) -> None:
    """Proves R44: `verify` ends with 5 and every objection for a forged worth, with 2 for null in its place, never with 70."""

    def worth(manifest: dict[str, Any]) -> None:
        manifest["outcome"]["objective_musd"] -= 1000
        manifest["outcome"]["do_nothing_musd"] += 1000
        manifest["plan"] = "another"

    forge(copied, worth)
    said = cli("verify", copied)
    assert said.returncode == 5, said.stderr
    for objection in ("manifest.json plan", "the stored decisions reach", "outcome.do_nothing_musd"):
        assert objection in said.stdout
    forge(copied, lambda manifest: manifest["outcome"].update(objective_musd=None))
    assert cli("verify", copied).returncode == 2


def test_studies_are_bound_to_their_run(copied: Path, tmp_path: Path) -> None:
    """Proves: a study carried into the folder of another run is refused there, one without a seal as unfinished; a run written
    anew takes the old one's studies away."""
    other = solve(*one_mineral(110.0), gap=0.0, quick=True).save(tmp_path / "other")
    shutil.copytree(copied / "analyses", other / "analyses")
    assert "a study of another run" in told(other)
    (other / "analyses" / "explain" / "seal.json").unlink()
    assert "no seal" in told(other)
    Study("explain", {"reasons": pd.DataFrame({"item": ["B"]})}).save(other / "analyses" / "explain")
    assert told(other) == ""
    Result.load(other).save(other)
    assert told(other) == ""
    assert not list(other.glob("analyses/*/*.csv"))


def test_nothing_hides_behind_names_of_files_of_other_programs(copied: Path) -> None:
    """Proves: what file managers and git leave is no fault; folders and links called so, and names that are like theirs, are."""
    (copied / "results" / ".DS_Store").write_bytes(b"x")
    assert told(copied) == ""
    for name in (".gitignore.csv", ".gitmodules", "tables/desktop.ini/hidden.csv"):
        path = copied / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        assert told(copied) != "", name
        path.unlink()
    (copied / "tables" / "desktop.ini").rmdir()
    (copied / "results" / "Thumbs.db").symlink_to(copied / "tables", target_is_directory=True)
    assert told(copied) != ""
