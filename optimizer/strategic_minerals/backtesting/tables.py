"""The files of a backtest: found by the end of their names, read row by row, every fault told at once with file, row and column.

A gap is an empty value and no fault. Nothing here says what may be read when: that is `gate.py`.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from ..core.errors import Fault, Faults, InputError, near_miss, shown
from ..schemas.base import Day, Number

GAP = "gap"
"""`confidence`, `frequency`, `gate` or `kind` of a row that says that there is nothing."""


def _blank(value: Any) -> Any:
    """An empty cell is no value."""
    return None if isinstance(value, str) and not value.strip() else value


Figure = Annotated[Number | None, BeforeValidator(_blank)]
"""A number, or nothing: a gap."""
Date = Annotated[Day | None, BeforeValidator(_blank)]
"""A day, or nothing."""


class Line(BaseModel):
    """Base of the rows: no unknown columns, no NaN; what is empty is a gap."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    backtest: str = ""
    source: str = ""
    year: str = ""
    confidence: str = ""
    note: str = ""
    available_from: Date = None
    """Day from which a plan may read the row; empty: never."""
    available_basis: str = ""


class KnownLine(Line):
    """A figure that was published: use, output, trade, stock, price, share of imports."""

    table_target: str = ""
    mineral: str = ""
    material: str = ""
    form: str = ""
    statistic: str
    country: str = ""
    period: str = ""
    value: Figure = None
    value_low: Figure = None
    value_high: Figure = None
    flag: str = ""
    """What the source prints instead of a figure, or beside it (withheld, more than)."""
    unit: str = ""
    edition: str = ""
    published: str = ""
    gate: str
    """In which runs a plan may read it."""
    usable_at_freeze: str = ""


class EventLine(Line):
    """A restriction or threat known before the freeze (`event`), or how many there were of a kind (`count`)."""

    kind: str
    event: str
    announced: Date = None
    effective: Date = None
    end: Date = None
    country: str = ""
    target: str = ""
    instrument: str = ""
    minerals: str = ""
    known_at_freeze: str = ""
    took_effect: str = ""
    export_cut_share: Figure = None
    export_cut_low: Figure = None
    export_cut_high: Figure = None
    observed_effect: str = ""
    count_in_hazard: str = ""
    rate_per_yr: Figure = None
    rate_per_yr_low: Figure = None
    rate_per_yr_high: Figure = None


class RealisedLine(Line):
    """What happened: a price, a flow, a control, a loss, an outcome."""

    material: str
    mineral: str = ""
    metric: str
    market: str = ""
    period_start: Date = None
    period_end: Date = None
    frequency: str = ""
    value: Figure = None
    value_low: Figure = None
    value_high: Figure = None
    unit: str = ""


class PolicyLine(Line):
    """What the government of the home country bought, sold, planned or ordered."""

    record: str
    fiscal_year: str = ""
    date: Date = None
    agency: str = ""
    mineral: str = ""
    material: str = ""
    action: str = ""
    quantity: Figure = None
    quantity_low: Figure = None
    quantity_high: Figure = None
    unit: str = ""
    usd_million: Figure = None
    usd_low: Figure = None
    usd_high: Figure = None
    price_usd_per_kg: Figure = None
    counterparty: str = ""


class ScoreLine(Line):
    """What the scorer needs of a material: normal use, prices, peak, attributed loss, outcome."""

    material: str
    normal_t_per_yr: Figure = None
    normal_basis: str = ""
    price_freeze_usd_per_kg: Figure = None
    price_freeze_basis: str = ""
    price_y1: Figure = None
    price_y2: Figure = None
    price_y3: Figure = None
    price_end_usd_per_kg: Figure = None
    price_end_low: Figure = None
    price_end_high: Figure = None
    price_end_basis: str = ""
    price_peak_usd_per_kg: Figure = None
    price_peak_low: Figure = None
    price_peak_high: Figure = None
    peak_date: str = ""
    control_in_force: Date = None
    """Day on which a control by a main supplier took effect; empty: none did."""
    outcome_3yr: Figure = None
    loss_t_attributed: Figure = None
    loss_t_low: Figure = None
    loss_t_high: Figure = None
    loss_t_net_vs_normal_y1: Figure = None
    loss_t_net_vs_normal_y2: Figure = None
    loss_t_net_vs_normal_y3: Figure = None
    amp_ceiling_t_per_yr: Figure = None


@dataclass(frozen=True)
class Kind:
    """A kind of file: the end of its name, the schema of its rows, and whether a folder must have it."""

    ending: str
    row: type[Line]
    needed: bool = True


KINDS: Mapping[str, Kind] = {
    "known": Kind("known.csv", KnownLine),
    "events": Kind("events_known.csv", EventLine),
    "rolling": Kind("rolling_known.csv", KnownLine, needed=False),
    "realised": Kind("realised.csv", RealisedLine),
    "policy": Kind("actual_policy.csv", PolicyLine, needed=False),
    "score_inputs": Kind("score_inputs.csv", ScoreLine),
}
"""Every kind of file by its name here."""


@dataclass(frozen=True)
class Table:
    """A file as read: its columns, the cells of each row as they stand, and the same rows with types."""

    file: str
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[Any, ...]


def kind_of(name: str) -> str | None:
    """The kind of a file: the longest ending that its name has, at its beginning or after an underscore."""
    fitting = [kind for kind, what in KINDS.items() if name == what.ending or name.endswith(f"_{what.ending}")]
    return max(fitting, key=lambda kind: len(KINDS[kind].ending), default=None)


def files_of(folder: Path, kinds: Sequence[str]) -> dict[str, Path]:
    """Kind -> its file, of the kinds asked for. Raises InputError where a needed one is missing, or one is there twice."""
    if not folder.is_dir():
        raise InputError([Fault(str(folder), "", "", "not a folder", "a folder with the files of a backtest")])
    found: dict[str, Path] = {}
    faults = Faults()
    for file in sorted(folder.glob("*.csv")):
        kind = kind_of(file.name)
        if kind is None or kind not in kinds:
            continue
        if kind in found:
            faults.add(Fault(file.name, "", "", f"a second file of this kind beside {found[kind].name}", "one"))
        found.setdefault(kind, file)
    for kind in kinds:
        if kind not in found and KINDS[kind].needed:
            faults.add(Fault(folder.name, "", "", "no such file", f"a file whose name ends in {KINDS[kind].ending}"))
    if faults:
        raise InputError(faults.told())
    return found


def read_tables(folder: Path, kinds: Sequence[str]) -> dict[str, Table]:
    """The files of these kinds that a folder has; one that it need not have and has not is left out.

    Raises InputError with every fault of all of them.
    """
    faults = Faults()
    found: dict[str, Table] = {}
    for kind, file in files_of(folder, kinds).items():
        found[kind] = _read(file, KINDS[kind].row, faults)
    if faults:
        raise InputError(faults.told())
    return found


def _read(file: Path, model: type[Line], faults: Faults) -> Table:
    """One file; what is wrong is added to the faults."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add(Fault(file.name, "", "", f"a byte that is not UTF-8 at {error.start:,}", "text in UTF-8"))
        return Table(file.name, (), (), ())
    lines = list(csv.reader(text.splitlines(keepends=True)))
    if not lines:
        faults.add(Fault(file.name, "1", "", "an empty file", "a header"))
        return Table(file.name, (), (), ())
    columns, cells = tuple(lines[0]), [tuple(line) for line in lines[1:] if line]
    faults.extend(_header(file.name, columns, model))
    rows: list[Line] = []
    for n, line in enumerate(cells, start=2):
        if len(line) != len(columns):
            found = f"{len(line)} cells"
            faults.add(Fault(file.name, str(n), "", found, f"{len(columns)}, as in the header"))
            continue
        record = {name: cell for name, cell in zip(columns, line, strict=True) if name in model.model_fields}
        try:
            row = model.model_validate(record)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                column = ".".join(str(part) for part in item["loc"] if part in record) or str(item["loc"][0])
                wanted = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
                faults.add(Fault(file.name, str(n), column, shown(record.get(column, "")), wanted))
            continue
        faults.extend(_ends(file.name, str(n), row))
        rows.append(row)
    return Table(file.name, columns, tuple(cells), tuple(rows))


def _header(file: str, columns: Sequence[str], model: type[Line]) -> Iterator[Fault]:
    """Columns that are none, that occur twice, and needed ones that are missing."""
    known = model.model_fields
    for column in columns:
        if column not in known:
            yield Fault(file, "1", column, "an unknown column", f"a column of this file{near_miss(column, known)}")
    for column in sorted({column for column in columns if list(columns).count(column) > 1}):
        yield Fault(file, "1", column, "the column twice", "it once")
    for column, field in known.items():
        if column not in columns and (field.is_required() or column == "available_from"):
            yield Fault(file, "1", column, "no such column", "the column")


def _ends(file: str, line: str, row: Line) -> Iterator[Fault]:
    """Ranges whose ends are in the wrong order, or which their figure lies outside of."""
    fields = type(row).model_fields
    for name in fields:
        low_name = _beside(name, fields, "low")
        if low_name is None:
            continue
        value = getattr(row, name)
        low, high = getattr(row, low_name), getattr(row, low_name.removesuffix("low") + "high")
        if low is not None and high is not None and low > high:
            yield Fault(file, line, low_name, f"{low:g}", f"no more than the high end, {high:g}")
        elif value is not None and low is not None and high is not None and not _between(low, value, high):
            yield Fault(file, line, name, f"{value:g}", f"a figure from {low:g} to {high:g}, its own ends")


def _beside(name: str, fields: Mapping[str, Any], end: str) -> str | None:
    """The column with an end of a figure's range, whatever its name is built from."""
    for stem in (name, name.removesuffix("_share"), name.removesuffix("_usd_per_kg"), name.removesuffix("_attributed")):
        if f"{stem}_{end}" in fields:
            return f"{stem}_{end}"
    return None


def _between(low: float, value: float, high: float) -> bool:
    """Whether a figure lies within its range, rounding allowed for."""
    room = 1e-6 * max(abs(low), abs(value), abs(high))
    return low - room <= value <= high + room


def write_rows(path: Path, table: Table, rows: Iterable[Sequence[str]]) -> None:
    """Rows of cells below the header of a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(rows)


def year_of(text: str) -> int | None:
    """The calendar year of a period that is a single year; None for any other."""
    return int(text) if len(text) == 4 and text.isdigit() else None


def last_year_of(text: str) -> int | None:
    """The last year of a period such as `2018-21`; None where there is none."""
    first, _, last = text.partition("-")
    if not (len(first) == 4 and first.isdigit()):
        return None
    return int(first[: 4 - len(last)] + last) if last.isdigit() and len(last) in (2, 4) else int(first)


def day_of(text: str) -> dt.date | None:
    """A day from a text that may say only month or year (its middle), as dates of peaks do; None where it is none."""
    parts = [part for part in text.split()[0].split("-") if part.isdigit()] if text.strip() else []
    if not parts or len(parts[0]) != 4:
        return None
    numbers = [int(part) for part in parts]
    try:
        return dt.date(numbers[0], numbers[1] if len(numbers) > 1 else 7, numbers[2] if len(numbers) > 2 else 1)
    except ValueError:
        return None
