"""Tables as CSV files: read within limits, and written so that a spreadsheet treats no cell as a formula."""

from __future__ import annotations

import csv
import tomllib
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from ..core.bounded_files import NOWHERE, read_bounded, text_of
from ..core.errors import Fault, Faults, InputError, near_miss
from ..core.format import FORMAT, format_fault
from ..core.runner import checkpoint
from ..schemas.base import USA, Row
from ..schemas.tables import TABLES
from .csv_shape import PROVENANCE, guarded, read_csv_table, unguarded_cell
from .dataset import Dataset
from .home_overlay import HOMES, homes_in_words, homes_of, of_the_home, read_laid_over
from .row_checks import required

BESIDE = "._"
"""How names of files begin in which macOS keeps what a disk of another kind cannot hold of a file; no table is among them."""
CSV_PIECE = 500_000
"""Rows of a table that are turned into text at once."""
STAMP, STAMP_TEXT = "format.toml", f"# The format of the tables in this folder.\nformat = {FORMAT}\n"
"""File of a folder of tables that states their format; without it, they have the only one that there is."""
LARGEST_STAMP_BYTES = 10_000


def load_dataset(path: str | Path, home: str = USA) -> Dataset:
    """Read every table that a folder holds as `<table>.csv`, those of a home laid over those of the world (`home_overlay`).

    path: the folder. Tables that it does not hold are empty. home: whose tables of `homes/` are wanted; a folder without `homes/`
    has those of one home alone.

    Raises InputError with what is wrong: file, line, column, value found, value expected; one fault for tables of another format.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = NOWHERE if folder.is_symlink() and not folder.exists() else "not a folder"
        raise InputError([Fault(str(folder), "", "", what, "a folder of tables (CSV)")])
    if (folder / STAMP).exists():
        _refuse_other_format(folder / STAMP)
    homes = homes_of(folder)
    if homes and home not in homes:
        expected = homes_in_words(folder, homes) + near_miss(home, homes)
        raise InputError([Fault(f"{folder.name}/{HOMES}", "", "home", f"'{home}'", expected)])
    faults = Faults()
    tables: dict[str, tuple[Row, ...]] = {}
    lines: dict[str, tuple[int | str, ...]] = {}
    for file in _files(folder, homes, home, faults):
        checkpoint()
        rows, found, lines[file.stem] = (
            read_laid_over(file.stem, folder, home) if homes else read_csv_table(folder / file.name)
        )
        tables[file.stem] = rows
        faults.extend(found)
    if not tables and not faults:
        faults.add(Fault(str(folder), "", "", "no table in it", "CSV files with names as in inputs/README.md"))
    if faults:
        raise InputError(faults.told())
    if homes:
        tables, lines = of_the_home(tables, lines, folder, home)
    return Dataset(types.MappingProxyType(tables), folder.name, lines=lines)


def _refuse_other_format(file: Path) -> None:
    """Raise InputError where a file states another format, or none."""
    content = read_bounded(file, LARGEST_STAMP_BYTES, STAMP_TEXT)
    text = content if isinstance(content, Fault) else text_of(content, STAMP, "a TOML file in UTF-8")
    if isinstance(text, Fault):
        raise InputError([text])
    try:
        stated = tomllib.loads(text).get("format")
    except ValueError:
        stated = None
    line = next((n for n, one in enumerate(text.splitlines(), start=1) if one.lstrip().startswith("format")), 1)
    fault = format_fault(STAMP, str(line), "format", stated)
    if fault is not None:
        raise InputError([fault])


def _files(folder: Path, homes: Sequence[str], home: str, faults: Faults) -> list[Path]:
    """Files of tables, one of each name; what bears another name is a fault."""
    found: dict[str, Path] = {}
    for place in [folder, *([folder / HOMES / home] if homes else [])]:
        inside = sorted(place.iterdir())
        named = [file for file in inside if file.suffix == ".csv" and not file.name.startswith(BESIDE)]
        for file in named:
            if file.stem in TABLES:
                found.setdefault(file.stem, file)
            else:
                expected = "the name of a table" + near_miss(file.stem, TABLES)
                faults.add(Fault(str(file.relative_to(folder)), "", "", "not a table", expected))
        faults.extend(_misnamed(inside, {file.stem for file in named}))
    return sorted(found.values(), key=lambda file: file.stem)


def _misnamed(inside: Sequence[Path], tables: set[str]) -> Iterator[Fault]:
    """Files named like a table that are not read, such as `demand.CSV` or `demand.xlsx`; a copy next to the table may stay."""
    for file in inside:
        stem = file.name.partition(".")[0].lower()
        if file.suffix == ".csv" or stem not in TABLES or (file.name == HOMES and file.is_dir()):
            continue
        if file.suffix.lower() == ".csv" or stem not in tables:
            yield Fault(file.name, "", "", f"'{file.name}'", f"{stem}.csv (a CSV file, name in lower case)")


def write_dataset(data: Dataset, folder: Path) -> None:
    """Write the tables as CSV, and their format; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, text in dataset_texts(data):
        (folder / f"{table}.csv").write_text(text, encoding="utf-8", newline="")
    (folder / STAMP).write_text(STAMP_TEXT, encoding="utf-8")


def dataset_texts(data: Dataset) -> Iterator[tuple[str, str]]:
    """(table, its CSV text); columns without a value are left out, unless every table has them."""
    for table in data.tables:
        frame = data.frame(table)
        used = [c for c in frame.columns if frame[c].notna().any() or c in (*PROVENANCE, *required(table))]
        beside = [c for c in Row.model_fields if c in used]
        yield table, csv_text(frame[[*(c for c in used if c not in beside), *beside]])


def safe_csv(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy in which no text cell starts like a formula."""
    safe = frame.copy()
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(guarded)
    return safe


def csv_pieces(frame: pd.DataFrame) -> Iterator[str]:
    """`csv_text` of a table of any length, a piece at a time."""
    yield csv_text(frame[:CSV_PIECE])
    for first in range(CSV_PIECE, len(frame), CSV_PIECE):
        yield csv_text(frame[first : first + CSV_PIECE], header=False)


def csv_text(frame: pd.DataFrame, *, header: bool = True) -> str:
    """A table as CSV text that reads back as it is, formulas made inert."""
    safe = safe_csv(frame)
    bare_return = any(
        "\r" in str(v) for c in safe.columns if not pd.api.types.is_numeric_dtype(safe[c]) for v in safe[c]
    )
    return safe.to_csv(
        index=False,
        header=header,
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if bare_return else csv.QUOTE_MINIMAL,
    )


def unguarded(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy of a table read back, its text as it was before it was written."""
    plain = frame.copy()
    for column in plain.columns:
        if not pd.api.types.is_numeric_dtype(plain[column]):
            plain[column] = plain[column].map(unguarded_cell)
    return plain
