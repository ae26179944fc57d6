"""What stands in each file of a run folder, by name: the same text for writing and for comparing."""

from __future__ import annotations

import io
import json
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import Fault, InputError
from ..core.frames import kinds_of, typed
from ..data.csv_files import csv_pieces, dataset_texts, unguarded
from ..data.dataset import Dataset
from ..model.solution import OPERATIONS, Solution
from ..schemas.plan import Plan
from .readable import unit_of
from .result import Result

ANALYSES = "analyses"
"""Folder of a run folder for tables of other verbs about it: `analyses/explain/reasons.csv` and the like."""
PLAN, SUMMARY, LOG, DECISIONS, DIAGNOSIS = "plan.json", "summary.txt", "log.txt", "decisions.npz", "diagnosis.json"
LITTER = re.compile(
    r"\.DS_Store|\._.+|\.localized|(?:eh)?thumbs\.db|desktop\.ini|\.directory|\.git(?:ignore|attributes|keep)|\.~lock\..*#|~\$.*",
    re.IGNORECASE,
)
"""What file managers leave in any folder that they show, spreadsheets beside a file that is open, and what git reads: files by
their own names alone, never a folder with what is in it. Nothing of a run is called so, and nothing reads it."""
UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    SyntaxError,
)
"""What numpy and zipfile raise for an archive that is none, or not whole."""
AXES = {
    **dict.fromkeys(("sign", "contract", "floor", "carry", "unspent", "purchases"), 1),
    **dict.fromkeys(OPERATIONS, 3),
    "shared_money": 3,
    "short_of_promise": 3,
}
"""Of each array of a solution."""
OF_USERS = ("users_pull", "users_refill", "users_missing")
"""Arrays that are left out of a file where users hold no stock, as runs from before that have none."""
DICTIONARY = "dictionary"
TABLE = re.compile(r"[a-z][a-z0-9_]*")
"""Names of tables."""
PARTS = ("tables", "results")
"""Folders of CSV files in a run folder."""


def question_texts(plan: Plan, data: Dataset) -> Iterator[tuple[str, Iterable[str]]]:
    """(file, pieces of its text) of what was asked."""
    yield PLAN, [json.dumps(plan.to_toml_like(), indent=1)]
    for table, text in dataset_texts(data):
        yield f"tables/{table}.csv", [text]


def answer_texts(result: Result) -> Iterator[tuple[str, Iterable[str]]]:
    """(file, pieces of its text) of what was answered."""
    for name, table in result.tables.items():
        yield result_file(name), csv_pieces(table)
    yield result_file(DICTIONARY), csv_pieces(dictionary(result))
    yield SUMMARY, [result.summary() + "\n"]


def names_in(folder: Path) -> list[str]:
    """Everything in a folder that is no folder and no litter, by path from there."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in found if not is_litter(path))


def litter_in(folder: Path) -> list[str]:
    """Files of other programs in a folder, by path from there: they are no part of a run, and nothing of it."""
    found = (path for path in folder.rglob("*") if is_litter(path))
    return sorted(path.relative_to(folder).as_posix() for path in found)


def is_litter(path: Path) -> bool:
    """Whether a file of another program stands at a path; a folder is none, whatever it is called."""
    return LITTER.fullmatch(path.name) is not None and not path.is_dir()


def result_file(table: str) -> str:
    """Where a result table stands."""
    return f"results/{table}.csv"


def dictionary(result: Result) -> pd.DataFrame:
    """table, column, kind, unit: what stands in every column of the results; units are read off the columns' names."""
    rows = [
        {"table": name, "column": column, "kind": kind, "unit": unit_of(column, table)}
        for name, table in result.tables.items()
        for column, kind in kinds_of(table).items()
    ]
    return pd.DataFrame(rows, columns=["table", "column", "kind", "unit"])


def read_table(path: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    """A table as it was written; kinds: column -> kind, as `kinds_of` gave them."""
    text = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    return typed(unguarded(text), kinds)


def packed_decisions(solutions: Mapping[str, Solution]) -> bytes:
    """All arrays of some solutions as one compressed archive of numpy's: exact, and small where most is zero."""
    arrays: dict[str, Any] = {
        f"{name}.{field.name}": np.array(
            getattr(solution, field.name), dtype=str if field.name == "purchases" else float
        )
        for name, solution in solutions.items()
        for field in fields(Solution)
        if field.name not in OF_USERS or getattr(solution, field.name).size
    }
    into = io.BytesIO()
    np.savez_compressed(into, **arrays)
    return into.getvalue()


def read_decisions(path: Path) -> dict[str, Solution]:
    """What `packed_decisions` gave. Raises InputError for anything else, also for an array too many."""

    def refused(found: str) -> InputError:
        return InputError([Fault(path.name, "", "", found, "arrays of a solution and of its reference")])

    names = ("solution", "reference")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            strange = sorted(set(arrays.files) - {f"{name}.{f.name}" for name in names for f in fields(Solution)})
            held = {name: {f.name: _array(arrays, name, f.name) for f in fields(Solution)} for name in names}
    except UNREADABLE as error:
        raise refused(f"{type(error).__name__}: {error}") from None
    if strange:
        raise refused(f"{strange[0]!r}")
    for name, of in held.items():
        for field, array in of.items():
            kind = "U" if field == "purchases" else "f"
            if not isinstance(array, np.ndarray) or array.dtype.kind != kind or array.ndim != AXES[field]:
                raise refused(f"{name}.{field} of another kind")
            if kind == "f" and not np.isfinite(array).all():
                raise refused(f"{name}.{field} with a number that is not finite")
    return {name: Solution(**{**of, "purchases": tuple(map(str, of["purchases"]))}) for name, of in held.items()}


def _array(arrays: Mapping[str, Any], solution: str, field: str) -> Any:
    """An array of a solution; those of users' own stocks are empty where they are not there. KeyError for any other."""
    if field in OF_USERS and f"{solution}.{field}" not in arrays:
        paths, _, periods = np.shape(arrays[f"{solution}.shortfall"])
        return np.zeros((paths, 0, periods))
    return arrays[f"{solution}.{field}"]
