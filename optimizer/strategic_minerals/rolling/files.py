"""Tables that a planner hands in when a year is over: what was really done, and which events began, were lifted or announced."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ..core.bounded_files import read_bounded, text_of
from ..core.errors import Fault, Faults, InputError, near_miss, shown
from ..schemas.base import Key, Names, NonNegative, Positive, Share
from ..schemas.descriptions import expected
from ..schemas.state_tables import Date

LARGEST_BYTES = 5_000_000


class Noted(BaseModel):
    """Base of a row that a planner hands in beside the tables."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
    file: ClassVar[str]
    """What the file is called in faults."""


class DoneRow(Noted):
    """Something that was done otherwise than planned; what is not named was done as planned."""

    file = "done.csv"
    kind: Literal["stock", "bought", "package", "contract", "market_floor", "users_missing", "spent", "money_kept"]
    """`stock`: tonnes in store at the end of the year, as counted. `bought`: tonnes bought through an offer in the year. `package`:
    share of a project that was supported (0: not signed). `contract`: tonnes a year under an offtake contract. `market_floor`: 1 or
    0. `users_missing`: share that users' own stock of a material lacks. `spent`: million USD that the year cost in all; what may be
    kept of the rest follows. `money_kept`: million USD that may be spent next year, stated."""
    item: Key | None = None
    """Material, offer, project, source or floor; empty for money."""
    detail: str = ""
    """Of a package its name; of users' stock the segment, empty for all."""
    amount: NonNegative
    unit: str = ""
    """For the reader: t, share, t a year, million USD."""


class HappenedRow(Noted):
    """An event that began, was announced, or was lifted since the last plan."""

    file = "events.csv"
    event: Key
    status: Literal["in force", "announced", "suspended", "ended"]
    """`in force`: it has begun and nobody knows when it ends. `announced`: it is to begin at `from_year`, with `probability`.
    `suspended`: not in force; with `from_year` and `probability` it may come back. `ended`: over."""
    hazard: Key | None = None
    """The hazard of which it is an event; it counts as evidence when it is in force."""
    from_year: Date | None = None
    probability: Share | None = None
    countries: Names | None = None
    materials: Names | None = None
    cut_share: Share | None = None
    price_multiplier: Positive | None = None
    severity: NonNegative | None = None
    stretch: Positive | None = None
    duration_years: Positive | None = None
    """Of what was announced or may come back; unset: the hazard's."""
    remaining_years: Positive | None = None
    """Of what is in force: expected further years; unset: by the hazard's law, given its age."""
    counted: bool = True
    """False: no evidence on its hazard, as where another event brought it on."""

    @model_validator(mode="after")
    def _complete(self) -> HappenedRow:
        if self.status in ("in force", "announced") and self.from_year is None:
            raise ValueError(f"from_year: the date from which it is {self.status}")
        if self.status == "announced" and self.probability is None:
            raise ValueError("probability with which it comes into force")
        if self.hazard is None and (self.status == "in force" or self.probability):
            needed = ["countries", "materials", "cut_share"]
            needed += ["remaining_years" if self.status == "in force" else "duration_years"]
            missing = [name for name in needed if getattr(self, name) is None]
            if missing:
                raise ValueError(f"a hazard of hazards.csv; an event without one needs {', '.join(missing)}")
        if self.status == "suspended" and self.probability and self.from_year is None:
            raise ValueError("from_year: the date from which it may come back")
        return self


Kind = TypeVar("Kind", bound=Noted)


def read_noted(path: Path, kind: type[Kind]) -> tuple[Kind, ...]:
    """Rows of a CSV file.

    path: the file. kind: what its rows are, `DoneRow` or `HappenedRow`. Raises InputError with every fault: file, line, column,
    found, expected.
    """
    content = read_bounded(path, LARGEST_BYTES, "a CSV table")
    text = content if isinstance(content, Fault) else text_of(content, path.name, "a CSV table in UTF-8")
    if isinstance(text, Fault):
        raise InputError([text])
    try:
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise InputError([Fault(path.name, "", "", str(error), "a CSV table")]) from None
    header = [cell.strip() for cell in lines[0]] if lines else []
    records = [(n, dict(zip(header, row, strict=False))) for n, row in enumerate(lines[1:], start=2) if any(row)]
    return validated(records, header, kind, path.name)


def noted(frame: pd.DataFrame, kind: type[Kind]) -> tuple[Kind, ...]:
    """Rows of a table in memory. Raises InputError."""
    records = [
        (n, {str(name): "" if pd.isna(value) else str(value) for name, value in row.items()})
        for n, row in enumerate(frame.to_dict("records"), start=2)
    ]
    return validated(records, [str(name) for name in frame.columns], kind, kind.file)


def validated(
    records: Iterable[tuple[int, Mapping[str, str]]], header: list[str], kind: type[Kind], file: str
) -> tuple[Kind, ...]:
    """Rows from records by line. Raises InputError with every fault."""
    faults, rows = Faults(), []
    fields = kind.model_fields
    for column in header:
        if column not in fields:
            faults.add(Fault(file, "1", column, shown(column), f"a known column{near_miss(column, fields)}"))
    for column in (name for name, field in fields.items() if field.is_required() and name not in header):
        faults.add(Fault(file, "1", column, "no such column", "a required column"))
    if faults:
        raise InputError(faults.told())
    for line, record in records:
        cells = {name: cell.strip() for name, cell in record.items() if cell is not None and cell.strip()}
        try:
            rows.append(kind.model_validate(cells))
        except ValidationError as error:
            faults.add(*_of_row(error, record, file, line))
    if faults:
        raise InputError(faults.told())
    return tuple(rows)


def _of_row(error: ValidationError, record: Mapping[str, Any], file: str, line: int) -> Iterator[Fault]:
    for item in error.errors(include_url=False):
        column = str(item["loc"][0]) if item["loc"] else ""
        found = shown(record.get(column, "")) if column else "the row as it stands"
        found = "an empty cell" if item["type"] == "missing" else found
        yield Fault(file, str(line), column, found, expected(item))
