"""Run folders: plan, tables used, results, log and, last of all, `manifest.json`. A folder without it is not finished."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .dataset import Dataset, csv_pieces, load_dataset, unguarded, write_dataset
from .errors import Fault, InfeasibleError, InputError, SolveError
from .frames import kinds_of, records, typed
from .plan import Plan
from .plan_file import parse_plan
from .result import SCHEMA_VERSION, Result, restored, versions
from .solution import OPERATIONS, Solution

MANIFEST = "manifest.json"
ANALYSES = "analyses"
"""Folder of a run folder for tables of other verbs about it: `analyses/explain/reasons.csv` and the like."""
DECISIONS = "decisions.npz"
UNREADABLE = (
    OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error,
    tokenize.TokenError, SyntaxError,
)  # fmt: skip
"""What numpy and zipfile raise for an archive that is none, or not whole."""
AXES = {
    **dict.fromkeys(("sign", "contract", "floor", "carry", "unspent", "purchases"), 1), **dict.fromkeys(OPERATIONS, 3),
    "extra": 3, "short_of_promise": 3,
}  # fmt: skip
"""Of each array of a solution."""
DICTIONARY = "dictionary"
UNITS = {
    "_usd_per_kg": "USD/kg", "_t_per_yr": "t/yr", "_musd": "million USD", "_share": "share", "_yr": "years", "_t": "t",
    "share": "share", "probability": "probability", "days_of_cover": "days of that year's use", "fiscal_year": "fiscal year",
    "period": "fiscal year, and the part of it where there are several",
}  # fmt: skip
"""Ending of a column's name -> unit, the longest first."""
TABLE = re.compile(r"[a-z][a-z0-9_]*")
"""Names of tables."""
PARTS = ("tables", "results")
"""Folders of CSV files in a run folder."""


def write_run(result: Result, folder: str | Path, *, log: str = "") -> Path:
    """Write a run folder. Every file appears whole under its name; the manifest comes last."""
    folder = Path(folder)
    _write_question(result.plan, result.data, folder)
    for name, table in result.tables.items():
        _write(folder / "results" / f"{name}.csv", csv_pieces(table))
    _write(folder / "results" / f"{DICTIONARY}.csv", csv_pieces(dictionary(result)))
    _write_decisions(folder / DECISIONS, {"solution": result.solution, "reference": result.reference})
    _write(folder / "summary.txt", [result.summary() + "\n"])
    _write(folder / "log.txt", [log])
    _write(folder / MANIFEST, [json.dumps(manifest(result, folder), indent=1)])
    return folder


def dictionary(result: Result) -> pd.DataFrame:
    """table, column, kind, unit: what stands in every column of the results; units are read off the columns' names."""
    rows = [
        {"table": name, "column": column, "kind": kind, "unit": unit_of(column, table)}
        for name, table in result.tables.items() for column, kind in kinds_of(table).items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["table", "column", "kind", "unit"])


def unit_of(column: str, table: pd.DataFrame) -> str:
    """Unit of a column by its name; for values with a unit beside them, that column."""
    if column == "value" and "unit" in table.columns:
        return "see column unit"
    return next((unit for ending, unit in UNITS.items() if column == ending.strip("_") or column.endswith(ending)), "")


def write_unanswered(
    plan: Plan, data: Dataset, error: SolveError, folder: str | Path, *, options: Mapping[str, Any], log: str = "",
    diagnosis: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Write the run folder of a solve that gave no plan: the question, why there is no answer, and no numbers of a plan.

    diagnosis: what `Diagnosis.to_dict` gave, kept as `diagnosis.json`.
    """
    folder = Path(folder)
    _write_question(plan, data, folder)
    _write(folder / "summary.txt", [f"{error}\n"])
    if diagnosis is not None:
        _write(folder / "diagnosis.json", [json.dumps(diagnosis, indent=1)])
    _write(folder / "log.txt", [log])
    stated = {
        **_question(plan, data, folder), "outcome": asdict(error.outcome), "why": str(error),
        "culprits": list(error.culprits) if isinstance(error, InfeasibleError) else [],
        "options": dict(options), "versions": versions(),
    }  # fmt: skip
    _write(folder / MANIFEST, [json.dumps(stated, indent=1)])
    return folder


def _write_question(plan: Plan, data: Dataset, folder: Path) -> None:
    """Start a run folder: nothing of an earlier run stays, plan and tables are written."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for unfinished in folder.rglob("*.part"):
        unfinished.unlink()
    for part in PARTS:  # nothing of an earlier run may stay behind
        (folder / part).mkdir(parents=True, exist_ok=True)
        for stale in (folder / part).glob("*.csv"):
            stale.unlink()
    for study in (folder / ANALYSES).glob("*/*.csv"):  # they tell of the plan that was here
        study.unlink()
    for answer in (DECISIONS, "decisions.json", "diagnosis.json", "summary.txt", "log.txt"):
        (folder / answer).unlink(missing_ok=True)
    write_dataset(data, folder / "tables")
    _write(folder / "plan.json", [json.dumps(plan.to_toml_like(), indent=1)])


def _question(plan: Plan, data: Dataset, folder: Path) -> dict[str, Any]:
    """What was asked, with the hash of every file written so far."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {
        "schema_version": SCHEMA_VERSION,
        "plan": plan.name,
        "loss_function": plan.loss_function,
        "price_set": plan.price_set,
        "price_year": plan.price_year,
        "input_hashes": data.hashes(),
        "plan_hash": hashlib.sha256(plan.model_dump_json().encode()).hexdigest(),
        "seed": plan.sample.seed if plan.sample is not None else None,
        "files": {p.relative_to(folder).as_posix(): _digest(p) for p in files},
    }


def manifest(result: Result, folder: Path) -> dict[str, Any]:
    """What was asked, how it ended, how it can be trusted, and the hash of every file."""
    return {
        **_question(result.plan, result.data, folder),
        "outcome": asdict(result.outcome),
        "seconds": dict(result.seconds),
        "profile": records(result.profile),
        "counts": dict(result.counts),
        "audit": asdict(result.audited),
        "objective_parts": dict(result.objective_parts),
        "reference_parts": dict(result.reference_parts),
        "options": dict(result.options),
        "versions": dict(result.versions),
        "columns": {name: kinds_of(table) for name, table in result.tables.items()},
    }


def load_result(folder: str | Path) -> Result:
    """Open a run folder. Raises InputError where it is unfinished, of another schema version, or changed."""
    folder = Path(folder)
    stated = _read_json(folder / MANIFEST)
    if not isinstance(stated, dict) or stated.get("schema_version") != SCHEMA_VERSION:
        found = repr(stated.get("schema_version")) if isinstance(stated, dict) else "no manifest"
        expected = f"{SCHEMA_VERSION}, the version this package reads"
        raise InputError([Fault(MANIFEST, "", "schema_version", found, expected)])
    if "why" in stated:
        raise InputError([Fault(MANIFEST, "", "outcome", stated["why"], "a run that found a plan")])
    try:
        faults = list(_file_faults(folder, stated["files"]))
        if faults:
            raise InputError(faults)
        strange = [name for name in stated["columns"] if f"results/{name}.csv" not in stated["files"] or not TABLE.fullmatch(name)]
        if strange:
            raise InputError([Fault(MANIFEST, "", "columns", repr(strange[0]), "a table that `files` lists")])
        decisions = _read_decisions(folder / DECISIONS)
        tables = {
            name: read_table(folder / "results" / f"{name}.csv", kinds) for name, kinds in stated["columns"].items()
        }
        plan = parse_plan(_read_json(folder / "plan.json"), file="plan.json")
        data = load_dataset(folder / "tables")
        return restored(plan, data, decisions["solution"], decisions["reference"], tables, stated)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        found = f"{type(error).__name__}: {error}"
        raise InputError([Fault(str(folder), "", "", found, "a run folder as it was written")]) from None


def _file_faults(folder: Path, files: Mapping[str, str]) -> Iterator[Fault]:
    """Files that are missing, changed, outside the folder, or not of this run."""
    for name, digest in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            yield Fault(MANIFEST, "", "files", repr(name), "a file inside the run folder")
        elif not path.is_file():
            yield Fault(name, "", "", "no file", "the file that the manifest lists")
        elif _digest(path) != digest:
            yield Fault(name, "", "", "content that differs from the manifest's hash", "the file as it was written")
    for part in PARTS:
        for path in sorted((folder / part).glob("*")):
            name = f"{part}/{path.name}"
            if name not in files:
                yield Fault(name, "", "", "a file that the manifest does not list", "only files of this run")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        expected = (
            "a finished run folder (its manifest is written last)"
            if path.name == MANIFEST
            else "a file of a run folder"
        )
        raise InputError([Fault(str(path), "", "", "no file", expected)]) from None
    except (ValueError, RecursionError) as error:
        raise InputError([Fault(str(path), "", "", str(error), "JSON")]) from None


def read_table(path: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    """A table as it was written; kinds: column -> kind, as `kinds_of` gave them."""
    text = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    return typed(unguarded(text), kinds)


def _write_decisions(path: Path, solutions: Mapping[str, Solution]) -> None:
    """All arrays of some solutions as one compressed archive of numpy's: exact, and small where most is zero."""
    arrays: dict[str, Any] = {
        f"{name}.{field.name}": np.array(getattr(solution, field.name), dtype=str if field.name == "purchases" else float)
        for name, solution in solutions.items() for field in fields(Solution)
    }  # fmt: skip
    with _whole(path) as file:
        np.savez_compressed(file, **arrays)


def _read_decisions(path: Path) -> dict[str, Solution]:
    """What `_write_decisions` wrote. Raises InputError for anything else."""
    def refused(found: str) -> InputError:
        return InputError([Fault(path.name, "", "", found, "arrays of a solution and of its reference")])

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            held = {name: {f.name: arrays[f"{name}.{f.name}"] for f in fields(Solution)} for name in ("solution", "reference")}
    except UNREADABLE as error:
        raise refused(f"{type(error).__name__}: {error}") from None
    for name, of in held.items():
        for field, array in of.items():
            kind = "U" if field == "purchases" else "f"
            if not isinstance(array, np.ndarray) or array.dtype.kind != kind or array.ndim != AXES[field]:
                raise refused(f"{name}.{field} of another kind")
    return {name: Solution(**{**of, "purchases": tuple(map(str, of["purchases"]))}) for name, of in held.items()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, pieces: Iterable[str]) -> None:
    """Write text, so that it appears whole."""
    with _whole(path) as file:
        for piece in pieces:
            file.write(piece.encode())


@contextmanager
def _whole(path: Path) -> Iterator[Any]:
    """A file that is written under a temporary name, flushed to disk and renamed."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
