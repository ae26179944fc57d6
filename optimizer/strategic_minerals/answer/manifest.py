"""The manifest of a run folder: its schema, its one spelling, and the digest over all that it says.

A manifest is valid only in the spelling in which it is written, so that no byte of it can change unnoticed."""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from ..audit.audit import Audit
from ..core.errors import Fault, InputError, Outcome, expected, format_fault, shown
from ..core.files import PART, read_bounded
from ..core.frames import kinds_of, typed
from ..matrix.solution import Solution
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..question.read_csv import csv_pieces, dataset_texts, unguarded
from ..solver.highs import TOLERANCES
from ..solver.stages import Method
from .notes import unit_of
from .prices import versions
from .record import AXES, Record
from .year import noted_texts

MANIFEST = "manifest.json"
SEAL, STUDY, RESUMED = "seal.json", "study.json", "rows"
"""In the folder of a study: what closes it, what it states beside its tables, rows from which a sweep goes on."""
DIGEST = "digest"
"""Key of the digest, the last one."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=10**18)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Kind = Literal["boolean", "integer", "number", "text", "mixed"]


class Strict(BaseModel):
    """Nothing that is not foreseen, no text for numbers; data classes within follow the same rules. Numbers that `verify` works out
    again may be infinite: a bound where nothing was proven when a solve was stopped."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Asked(Strict):
    """Options of a solve, as far as a caller chooses them."""

    gap: Annotated[float, Field(ge=0, lt=1)]
    relax: bool
    method: Method


def _alike(name: str, base: type[BaseModel], kind: Any, names: Iterable[str]) -> Any:
    """A schema with fields of one kind."""
    fields_of: dict[str, Any] = dict.fromkeys(names, (kind, ...))
    return create_model(name, __base__=base, **fields_of)


COUNTS = "columns rows nonzeros binaries scenarios periods materials iterations nodes".split()
"""Sizes of the model and of the search."""


class Pricing(Strict):
    """The sample of scenarios that owners of projects reckon with."""

    scenarios: Count
    seed: Count


class Question(Strict):
    """What every manifest says of its question."""

    schema_version: int
    plan: str
    loss_function: str
    price_set: str
    price_year: int
    input_hashes: dict[str, Sha256]
    plan_hash: Sha256
    seed: int | None
    pricing_sample: Pricing | None
    files: dict[str, Sha256]


def _reached(outcome: Outcome) -> Outcome:
    """An outcome that has all of its figures."""
    if None in vars(outcome).values() or not outcome.stages:
        raise ValueError("an outcome without its figures")
    return outcome


@cache
def answered() -> Any:
    """Schema of the manifest of a run that found a plan."""
    return create_model(
        "Answered",
        __base__=Question,
        act_now=(dict[str, Any] | None, None),
        outcome=(Annotated[Outcome, AfterValidator(_reached)], ...),
        seconds=(dict[str, Amount], ...),
        counts=(_alike("Counts", Strict, Count, COUNTS), ...),
        audit=(Audit, ...),
        objective_parts=(dict[str, float], ...),
        reference_parts=(dict[str, float], ...),
        options=(_alike("Options", Asked, Amount, TOLERANCES), ...),
        versions=(_alike("Versions", Strict, str, versions()), ...),
        columns=(dict[str, dict[str, Kind]], ...),
    )


@cache
def unanswered() -> Any:
    """Schema of the manifest of a run that found none."""
    return create_model(
        "Unanswered",
        __base__=Question,
        outcome=(Outcome, ...),
        why=(str, ...),
        culprits=(list[str], ...),
        options=(Asked, ...),
        versions=(_alike("Versions", Strict, str, versions()), ...),
    )


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def spelled(content: Mapping[str, Any]) -> str:
    """The one spelling of some content as JSON."""
    return json.dumps(content, indent=1)


def digest_of_content(content: Mapping[str, Any]) -> str:
    """SHA-256 over everything that a manifest says beside its digest."""
    return hashlib.sha256(spelled({key: value for key, value in content.items() if key != DIGEST}).encode()).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Content with its digest."""
    return {**content, DIGEST: digest_of_content(content)}


def seal_faults(file: str, content: Mapping[str, Any], text: str) -> list[Fault]:
    """Whether content is what was sealed, in the spelling in which it was written."""
    faults: list[Fault] = []
    if DIGEST not in content:
        faults.append(Fault(file, "", DIGEST, "none", "a digest"))
    elif content[DIGEST] != digest_of_content(content):
        faults.append(Fault(file, "", DIGEST, "content that differs from its digest", "the manifest as it was written"))
    elif text != spelled(content):
        faults.append(Fault(file, "", "", "another spelling of its content", "the file as it was written"))
    return faults


def schema_faults(content: Mapping[str, Any]) -> list[Fault]:
    """Everything in a manifest, except its digest, that is missing, not foreseen, or of another type."""
    schema, faults = unanswered() if "why" in content else answered(), list[Fault]()
    try:
        schema.model_validate_json(spelled({key: value for key, value in content.items() if key != DIGEST}))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            found = "nothing" if item["type"] == "missing" else shown(item["input"])
            faults.append(Fault(MANIFEST, "", ".".join(map(str, item["loc"])), found, expected(item)))
    return faults


RUN_FOLDER = "a finished run folder"


def read_manifest(folder: Path) -> tuple[str, dict[str, Any]]:
    """(text, content) of a manifest. Raises InputError where a folder has no manifest of this format."""
    if not (folder / MANIFEST).exists():
        found = f"a folder without {MANIFEST}" if folder.is_dir() else "a file" if folder.exists() else "no such folder"
        expected = f"{RUN_FOLDER}: what `solve --out` wrote (its manifest is written last)"
        raise InputError([Fault(str(folder), "", "", found, expected)])
    text, stated = read_json(folder / MANIFEST)
    version = stated.get("schema_version") if isinstance(stated, dict) else None
    fault = format_fault(MANIFEST, "", "schema_version", version)
    if fault is not None:
        raise InputError([fault])
    return text, stated


MOST_BYTES = 1_000_000_000
"""Of a JSON file of a run folder."""


def read_json(path: Path) -> tuple[str, Any]:
    """(text, content) of a JSON file."""
    wanted = f"{RUN_FOLDER} (its manifest is written last)" if path.name == MANIFEST else "a file of a run folder"
    content = read_bounded(path, MOST_BYTES, wanted) if path.exists() else Fault(str(path), "", "", "no file", wanted)
    if isinstance(content, Fault):
        raise InputError([content])
    try:
        text = content.decode()
        return text, json.loads(text)
    except (ValueError, RecursionError) as error:
        line = str(error.lineno) if isinstance(error, json.JSONDecodeError) else ""
        found = "no JSON any more: a byte was changed, or the file was cut"
        expected = "the file as it was written; a run folder that was changed is solved again"
        raise InputError([Fault(str(path), line, "", found, expected)]) from None


# Content of each file of a run folder, by name: the same text for writing and for comparing.
ANALYSES = "analyses"
"""Folder of a run folder for tables of other verbs about it: `analyses/explain/reasons.csv` and the like."""
PLAN, SUMMARY, LOG_FILE, DECISIONS = "plan.json", "summary.txt", "log.txt", "decisions.npz"
LITTER = re.compile(
    r"\.DS_Store|\._.+|\.localized|(?:eh)?thumbs\.db|desktop\.ini|\.directory|\.git(?:ignore|attributes|keep)|\.~lock\..*#|~\$.*",
    re.IGNORECASE,
)
"""What file managers leave in any folder that they show, spreadsheets beside a file that is open, and what git reads: files by
their own names alone, never a folder with what is in it. Nothing of a run is called so, and nothing reads it."""
FIELDS = [field.name for field in fields(Solution)]
DICTIONARY = "dictionary"
TABLE_FOLDERS = ("tables", "results")
"""Folders of CSV files in a run folder."""


def question_texts(plan: Plan, data: Dataset) -> Iterator[tuple[str, Iterable[str]]]:
    """(file, pieces of its text) of what was asked."""
    yield PLAN, [json.dumps(plan.to_toml_like(), indent=1)]
    for table, text in dataset_texts(data):
        yield f"tables/{table}.csv", [text]


def answer_texts(result: Record) -> Iterator[tuple[str, Iterable[str]]]:
    """(file, pieces of its text) of what was answered."""
    for name, table in result.tables.items():
        yield result_file(name), csv_pieces(table)
    yield result_file(DICTIONARY), csv_pieces(dictionary(result))
    yield SUMMARY, [result.summary(full=True) + "\n"]
    yield from noted_texts(result)


def names_in(folder: Path) -> list[str]:
    """Every file in a folder that is no litter, by path from there."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in found if not is_litter(path))


def is_litter(path: Path) -> bool:
    """Whether a path is a file of another program; a folder never counts, whatever its name."""
    return LITTER.fullmatch(path.name) is not None and not path.is_dir()


def is_study_file(name: str) -> bool:
    """Whether a file, by path from `analyses`, has a name that studies give."""
    study, *inside = PurePosixPath(name).parts
    if not inside or study == "..":
        return False
    rows = len(inside) == 2 and inside[0] == RESUMED and inside[1].endswith(".json")
    table = len(inside) == 1 and (inside[0].endswith(".csv") or inside[0] in (SEAL, STUDY))
    return rows or table or inside[-1].endswith(PART)


def remove_studies(folder: Path) -> None:
    """Take away all studies, and nothing else that somebody may have put beside them."""
    for name in names_in(folder):
        if is_study_file(name):
            (folder / name).unlink()


def result_file(table: str) -> str:
    """Where a result table is stored."""
    return f"results/{table}.csv"


def dictionary(result: Record) -> pd.DataFrame:
    """table, column, kind, unit: the content of every column of the results; units are read off the columns' names."""
    rows = [
        (name, column, kind, unit_of(column, table))
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
        f"{which}.{name}": np.array(getattr(solution, name), dtype=str if name == "purchases" else float)
        for which, solution in solutions.items()
        for name in FIELDS
    }
    into = io.BytesIO()
    np.savez_compressed(into, **arrays)
    return into.getvalue()


def read_decisions(path: Path) -> dict[str, Solution]:
    """What `packed_decisions` gave. Raises InputError for anything else, also for an array too many."""
    names = [(which, field) for which in ("solution", "reference") for field in FIELDS]
    found = ""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            held = {name: arrays[".".join(name)] for name in names}
            if len(arrays.files) > len(names):
                found = "an array too many"
    except Exception as error:  # whatever numpy and zipfile raise for a file that is no archive, or a damaged one
        held, found = {}, f"{type(error).__name__}: {error}"
    for (which, field), array in held.items():
        if array.dtype.kind != ("U" if field == "purchases" else "f") or array.ndim != len(AXES.get(field, (field,))):
            found = f"{which}.{field} of another kind"
        elif field != "purchases" and not np.isfinite(array).all():
            found = f"{which}.{field} with a number that is not finite"
    if found:
        raise InputError([Fault(path.name, "", "", found, "arrays of a solution and of its reference")])
    solutions = {which: {field: held[which, field] for field in FIELDS} for which in ("solution", "reference")}
    return {which: Solution(**{**of, "purchases": tuple(map(str, of["purchases"]))}) for which, of in solutions.items()}
