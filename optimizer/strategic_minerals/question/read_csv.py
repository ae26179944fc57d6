"""Tables as CSV files: read within limits, and written so that a spreadsheet treats no cell as a formula."""

import csv
import io
import os
import re
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import pandas as pd

from ..core.errors import FORMAT, Fault, InputError, first_of, format_fault, near_miss, plain, shipped, shown
from ..core.files import read_bounded, text_of
from ..core.runner import checkpoint
from .base import USA, Row
from .dataset import MOST_ROWS, Dataset, required, validate_rows
from .estimates import Estimate
from .recipes import FUNCTIONS, rounded, without_recipes
from .tables import TABLES

# A table's CSV file as a header and rows of cells: what is read before the rows are checked one by one.
PROVENANCE = ("source", "year", "confidence")
"""Columns that every table file must have; frames made in memory may leave them out."""
LARGEST_TABLE_BYTES = 50_000_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def guarded(value: object) -> object:
    """One more apostrophe before text that would run as a formula, with or without apostrophes of its own."""
    return f"'{value}" if isinstance(value, str) and value.lstrip("'").startswith(FORMULA_STARTS) else value


def unguarded_cell(value: object) -> object:
    """Text as it was before `guarded`."""
    is_guarded = isinstance(value, str) and value.startswith("'") and value.lstrip("'").startswith(FORMULA_STARTS)
    return cast(str, value)[1:] if is_guarded else value


@dataclass(frozen=True)
class Sheet:
    """The rows of one table file, not yet read as values."""

    name: str
    """What the file is called in faults."""
    columns: list[str]
    lines: list[int]
    """Line of each record."""
    records: list[dict[str, object]]
    """Filled cells by column."""


def read_sheet(file: Path, name: str) -> Sheet | list[Fault]:
    """The rows of a file that is named as its table, or what is wrong with its shape. name: of the file, in faults."""
    content = read_bounded(file, LARGEST_TABLE_BYTES, "a CSV table")
    if isinstance(content, Fault):
        return [replace(content, file=name)]
    text = text_of(content, name, "a CSV table in UTF-8")
    if isinstance(text, Fault):
        return [text]
    if "\0" in text:
        return [Fault(name, str(text.count("\n", 0, text.index("\0")) + 1), "", "a zero byte", "only text")]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records, count, begins = list[list[str]](), 0, 1
    try:
        header = next(reader, [])
        begins = reader.line_num + 1
        for cells in reader:  # rows beyond the most that a table has are only counted
            count += any(cells)
            if count <= MOST_ROWS:
                records.append(cells)
            begins = reader.line_num + 1
    except csv.Error as error:
        wanted = 'quotation marks around text with a comma or a quotation mark, as in "text, and ""more"" of it"'
        return [Fault(name, str(begins), "", str(error), wanted)]
    if count > MOST_ROWS:
        return [Fault(name, "", "", f"{count:,} rows", f"at most {MOST_ROWS:,}")]
    columns = list(header)
    while columns and not columns[-1].strip():
        columns.pop()
    faults = first_of(_header_faults(file.stem, name, columns) or _length_faults(name, columns, records))
    if faults:
        return faults
    lines = [n for n, cells in enumerate(records, start=2) if any(cells)]
    filled = [
        {column: unguarded_cell(cell) for column, cell in zip(columns, records[n - 2], strict=False) if cell != ""}
        for n in lines
    ]
    return Sheet(name, columns, lines, filled)


def header_faults(table: str, place: str, columns: Sequence[str], at: Callable[[int], str]) -> list[Fault]:
    """What is wrong with the first row of a file or a sheet, other than unknown or missing columns.

    columns: its cells without those behind the last name. at: place of a column, counted from 0."""
    if not any(column in TABLES[table].model_fields for column in columns):
        needed = dict.fromkeys([*(name for name in TABLES[table].model_fields if name in required(table)), *PROVENANCE])
        return [Fault(place, at(0), "", shown(", ".join(columns)), f"a header of the columns {', '.join(needed)}")]
    twice = [k for k, column in enumerate(columns) if column and column in columns[:k]]
    return [Fault(place, at(k), columns[k], "the column twice", "each column once") for k in twice]


def _header_faults(table: str, name: str, columns: Sequence[str]) -> list[Fault]:
    """What is wrong with the header of a file, other than unknown or missing columns."""
    found = header_faults(table, name, columns, lambda _: "1")
    if not TABLES[table].model_fields.keys() & {*columns}:
        return [replace(fault, expected=f"{fault.expected}, separated by commas") for fault in found]
    absent = [column for column in PROVENANCE if column not in columns]
    return found + [Fault(name, "1", each, "no such column", "this column, which every table has") for each in absent]


def _length_faults(name: str, columns: Sequence[str], records: Sequence[Sequence[str]]) -> Iterator[Fault]:
    """Rows with more filled cells than the header has columns, or with fewer cells."""
    wanted = f"{len(columns)}, as in the header (text with a comma needs quotation marks)"
    for number, cells in enumerate(records, start=2):
        filled = next((n for n in range(len(cells), 0, -1) if cells[n - 1] != ""), 0)
        if filled > len(columns) or (filled > 0 and len(cells) < len(columns)):
            yield Fault(name, str(number), "", f"{max(filled, len(cells))} cells", wanted)


# The tables of one home: `inputs/*.csv` hold the world, `inputs/homes/<HOME>/*.csv` are laid over them.
CODE = re.compile("[A-Z]{3}")
"""What folders of homes are called; other folders are ignored."""
HOMES = "homes"
"""Folder of the folders of homes."""
Read = tuple[tuple[Row, ...], list[Fault]]
"""Rows of a table, and what is wrong with them."""
Place = tuple[str, int]
"""File and line."""
MARK = "\N{SECTION SIGN}"
"""Before the number of a merged row, while it has no line."""
OF_PRODUCERS: Mapping[str, str] = {
    **dict.fromkeys(("yields", "feed_origins", "qualifications", "supported_producers", "commitments"), "producer"),
    **dict.fromkeys(("ramps", "packages"), "project"),
}
"""World tables with rows of single producers, and the column that names them."""


def homes_of(folder: Path) -> list[str]:
    """Homes that a folder of tables has folders for; none where it holds the tables of one home alone."""
    inside = folder / HOMES
    named = [each for each in inside.iterdir() if CODE.fullmatch(each.name)] if inside.is_dir() else []
    return sorted(each.name for each in named if any(each.glob("*.csv")))


def unknown_home(folder: Path, home: str) -> str:
    """What is expected of a home, in words; empty where a folder has tables for it, makes some, or is of one home alone."""
    homes = homes_of(folder)
    stated: list[str] = []
    if homes and home not in homes:
        stated = sorted({str(record["home"]) for record in _stated(folder, "demand_segments")})
    if not homes or home in (*homes, *stated):
        return ""
    named = {str(record.get("home")): str(record.get("name")) for record in _records(folder / f"{HOMES}.csv")}
    known = ", ".join(f"{each} for {named[each]}" if each in named else each for each in homes)
    others = f", or one of {len(stated)} countries of which something is known" if stated else ""
    codes = {
        plain(str(record.get("name"))): str(record.get("country")) for record in _records(folder / "countries.csv")
    }
    alike = [code for code in (*homes, *stated) if code[:2] == home.upper() or code == codes.get(plain(home))]
    others += f" (did you mean {alike[0]}?)" if len(alike) == 1 else ""
    if home in {record.get("country") for record in _records(folder / "countries.csv")}:
        missing = {str(r["name"]): str(r["next_source"]) for r in _stated(folder, "not_planned") if r["home"] == EVERY}
        sources = "; ".join(f"{name}: {source}" for name, source in sorted(missing.items()))
        text = f"of {home} nothing is known that it buys abroad. Next sources, by mineral: {sources or 'none'}"
        return f"a home with tables of its own: {known}{others}; {text}"
    return f"a home with tables of its own: {known}{others}"


def _records(file: Path) -> list[dict[str, object]]:
    """Records of a file; none where there is no such file, or something is wrong with it."""
    sheet = read_sheet(file, "") if file.is_file() else []
    return sheet.records if isinstance(sheet, Sheet) else []


def _stated(folder: Path, table: str) -> list[dict[str, object]]:
    """Rows of `homes/<table>.csv`: of homes without a folder, which a column `home` names. Raises InputError for a faulty file."""
    name = f"{HOMES}/{table}.csv"
    if not (folder / name).is_file():
        return []
    sheet = read_sheet(folder / name, name)
    if not isinstance(sheet, Sheet):
        raise InputError(sheet)
    if table != "countries":  # a name alone
        columns = [column for column in sheet.columns if column != "home"]
        found = [
            fault
            for record, line in zip(sheet.records, sheet.lines, strict=True)
            for fault in validate_rows(table, [_bare(record)], name, columns, [line])[1]
        ]
        if found:
            raise InputError(found)
    return sheet.records


def _made(folder: Path, home: str, homes: Sequence[str]) -> dict[str, Sheet]:
    """Tables of a home without a folder, as sheets that are laid over those of the world."""
    members = {str(r.get("home")): frozenset(str(r.get("members")).split()) for r in _records(folder / f"{HOMES}.csv")}
    union = next((name for name in homes if home in members.get(name, ()) and name != home), "")

    def tables(place: Path) -> dict[str, list[dict[str, object]]]:
        return {file.stem: _records(file) for file in place.glob("*.csv") if file.stem in TABLES}

    rows = [_records(folder / HOMES / each / "countries.csv") for each in homes]
    covered = [{str(row.get("country")) for row in of if row.get("tier") == "covered"} for of in rows]
    stated = {file.stem: _stated(folder, file.stem) for file in (folder / HOMES).glob("*.csv")}
    of_union = tables(folder / HOMES / union) if union else {}
    inside = members.get(union, frozenset())
    try:
        found = tables_of(Known(home, stated, tables(folder), of_union, inside, frozenset(set.intersection(*covered))))
    except (KeyError, ValueError) as error:
        expected = f"tables of the world{' and of ' + union if union else ''} without a fault, to estimate those of a home from"
        raise InputError([Fault(f"{folder.name}/{HOMES}", "", home, str(error), expected)]) from None
    return {
        table: Sheet(
            f"{HOMES}/{home}/{table}",
            list(dict.fromkeys(column for record in records for column in record)),
            list(range(1, len(records) + 1)),
            [{column: value for column, value in record.items() if value != ""} for record in records],
        )
        for table, records in found.items()
    }


def first_plan(folder: Path, data: Dataset, home: str) -> str:
    """A plan, as text, for a home that has none: the one of `homes/plan.toml`, with its code, its name and its loss function.

    folder: of all homes. data: the tables of the home."""
    text = (folder / HOMES / "plan.toml").read_text(encoding="utf-8")
    name = next((row.name for row in data.rows("countries") if row.country == home), home)
    loss = min((row.loss_function for row in data.rows("loss_functions")), default="")
    for mark, word in {"@NAME@": name, "@CODE@": home.lower(), "@HOME@": home, "@LOSS@": loss}.items():
        text = text.replace(mark, word)
    return text


def read_laid_over(table: str, folder: Path, home: str, made: Sheet | None = None) -> Read:
    """A table of the world with a home's laid over it; either may be missing. made: the home's, where no file has it."""
    own = f"{HOMES}/{home}/{table}.csv" if (folder / HOMES).is_dir() else f"{table}.csv"
    sheets: list[Sheet] = []
    for name in dict.fromkeys((f"{table}.csv", own)):
        if os.path.lexists(folder / name):
            sheet = read_sheet(folder / name, name)
            if not isinstance(sheet, Sheet):
                return (), sheet
            sheets.append(sheet)
    if made is not None and made.records:
        sheets.append(made)
    return _validated(table, sheets, own)


def _validated(table: str, sheets: Sequence[Sheet], own: str) -> Read:
    """Rows of the last sheet laid over those of the ones before. A fault is placed at its cell; a column that is in neither
    file is missed in the home's own."""
    records: list[dict[str, object]] = []
    places: list[dict[str, Place]] = []
    known: dict[tuple[str, ...], int] = {}
    for sheet in sheets:
        seen: dict[tuple[str, ...], int] = {}
        for line, record in zip(sheet.lines, sheet.records, strict=True):
            key = tuple(str(record.get(name, "")).strip() for name in TABLES[table].key)
            # twice in one file: both stay, and that is a fault
            at = seen[key] = known.get(key, len(records)) if key not in seen else len(records)
            if at == len(records):
                records.append({})
                places.append({})
            # a figure of the home's own is not made by the recipe of another
            if "note" in records[at] and "note" not in record:
                records[at]["note"] = without_recipes(str(records[at]["note"]), record)
            records[at].update(record)
            places[at].update(dict.fromkeys(("", *record), (sheet.name, line)))
        known |= seen
    columns = list(dict.fromkeys(column for sheet in sheets for column in sheet.columns))
    first = sheets[0].name
    rows, found = validate_rows(table, records, first, columns, [f"{MARK}{n}" for n in range(len(records))])
    return rows, [_placed(fault, places, sheets, own) for fault in found]


def _placed(fault: Fault, places: Sequence[Mapping[str, Place]], sheets: Sequence[Sheet], own: str) -> Fault:
    """A fault of a merged row with the file and the line of its cell; one of the header with the file that has the column."""
    if not fault.row.startswith(MARK):
        return replace(fault, file=next((s.name for s in sheets if fault.column in s.columns), own))
    cells = places[int(fault.row.removeprefix(MARK))]
    name, line = cells.get(fault.column, cells[""])
    expected = re.sub(f"{MARK}(\\d+)", lambda other: str(places[int(other[1])][""][1]), fault.expected)
    return replace(fault, file=name, row=str(line), expected=expected)


def of_the_home(tables: Mapping[str, tuple[Any, ...]], folder: Path, home: str) -> dict[str, tuple[Any, ...]]:
    """Tables without sources that the home cannot buy from and without projects that it does not name, nor what hangs on them."""
    named = {record.get("project") for record in _records(folder / HOMES / home / "projects.csv")}
    buys = {row.activity for row in tables.get("capacities", ())}
    gone = {row.activity for row in tables.get("activities", ())} - buys
    gone |= {row.project for row in tables.get("projects", ())} - named
    of = {"activities": "activity", "projects": "project", **OF_PRODUCERS}
    return {
        table: tuple(row for row in rows if getattr(row, of[table]) not in gone) if table in of else rows
        for table, rows in tables.items()
    }


BESIDE = "._"
"""How names of files begin in which macOS keeps what a disk of another kind cannot hold of a file; no table is among them."""
CSV_PIECE = 500_000
"""Rows of a table that are turned into text at once."""
STAMP, STAMP_TEXT = "format.toml", f"# The format of the tables in this folder.\nformat = {FORMAT}\n"
"""File of a folder of tables that states their format; without it, they have the only one that there is."""
LARGEST_STAMP_BYTES = 10_000


def load_dataset(path: str | Path, home: str = USA) -> Dataset:
    """Read every table that a folder holds as `<table>.csv`, those of a home laid over those of the world.

    path: the folder. Tables that it does not hold are empty. home: whose tables of `homes/` are wanted; a folder without `homes/`
    has those of one home alone.

    Raises InputError with what is wrong: file, line, column, value found, value expected; one fault for tables of another format.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError([Fault(str(folder), "", "", "not a folder", "a folder of tables (CSV)")])
    if (folder / STAMP).exists():
        _refuse_other_format(folder / STAMP)
    homes = homes_of(folder)
    if expected := unknown_home(folder, home):
        raise InputError([Fault(f"{folder.name}/{HOMES}", "", "home", f"'{home}'", expected)])
    made = _made(folder, home, homes) if homes and home not in homes else {}
    faults = list[Fault]()
    tables: dict[str, tuple[Row, ...]] = {}
    files = _files(folder, homes, home, faults)
    for file in [*files, *(Path(f"{name}.csv") for name in sorted(made.keys() - {file.stem for file in files}))]:
        checkpoint()
        tables[file.stem], found = read_laid_over(file.stem, folder, home, made.get(file.stem))
        faults += found
    if not tables and not faults:
        faults.append(Fault(str(folder), "", "", "no table in it", "CSV files with names as in inputs/README.md"))
    if faults:
        raise InputError(faults)
    if homes:
        tables = of_the_home(tables, folder, home)
    return Dataset(types.MappingProxyType(tables), folder.name)


@lru_cache(maxsize=8)  # homes are many, and each takes megabytes
def shipped_tables(home: str = USA) -> Dataset:
    """Those of the package for a home, read once. Raises InputError for a home without tables."""
    return load_dataset(shipped("inputs"), home)


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


def _files(folder: Path, homes: Sequence[str], home: str, faults: list[Fault]) -> list[Path]:
    """Files of tables, one of each name; a CSV file of another name is a fault."""
    found: dict[str, Path] = {}
    for place in [folder, *([folder / HOMES / home] if home in homes else [])]:
        for file in sorted(place.iterdir()):
            if file.suffix.lower() != ".csv" or file.name.startswith(BESIDE):
                continue
            if file.stem in TABLES and file.suffix == ".csv":
                found.setdefault(file.stem, file)
            else:
                expected = "the name of a table, and .csv in lower case" + near_miss(file.stem, TABLES)
                faults.append(Fault(str(file.relative_to(folder)), "", "", "not a table", expected))
    return sorted(found.values(), key=lambda file: file.stem)


def write_dataset(data: Dataset, folder: Path) -> None:
    """Write the tables as CSV, and their format; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, text in dataset_texts(data):
        (folder / f"{table}.csv").write_text(text, encoding="utf-8", newline="")
    (folder / STAMP).write_text(STAMP_TEXT, encoding="utf-8")


def dataset_texts(data: Dataset) -> Iterator[tuple[str, str]]:
    """(table, its CSV text); columns without a value are left out, unless every table has them or there is no row yet."""
    for table in data.tables:
        frame = data.frame(table)
        # nobody knows the columns of an empty table
        named = (*PROVENANCE, *required(table)) if len(frame) else frame.columns
        used = [c for c in frame.columns if frame[c].notna().any() or c in named]
        beside = [c for c in Row.model_fields if c in used]
        yield table, csv_text(frame[[*(c for c in used if c not in beside), *beside]])


def _each_text(frame: pd.DataFrame, change: Callable[[object], object]) -> pd.DataFrame:
    """A copy with every cell of the columns that hold text changed."""
    changed = frame.copy()
    for column in changed.columns:
        if not pd.api.types.is_numeric_dtype(changed[column]):
            changed[column] = changed[column].map(change)
    return changed


def csv_pieces(frame: pd.DataFrame) -> Iterator[str]:
    """`csv_text` of a table of any length, a piece at a time."""
    for first in range(0, max(1, len(frame)), CSV_PIECE):
        yield csv_text(frame[first : first + CSV_PIECE], header=first == 0)


def csv_text(frame: pd.DataFrame, *, header: bool = True) -> str:
    """A table as CSV text that reads back as it is, formulas made inert."""
    safe = _each_text(frame, guarded)
    texts = (safe[column] for column in safe.columns if not pd.api.types.is_numeric_dtype(safe[column]))
    bare_return = any("\r" in str(value) for column in texts for value in column)
    return safe.to_csv(
        index=False, header=header, lineterminator="\n", quoting=csv.QUOTE_ALL if bare_return else csv.QUOTE_MINIMAL
    )


def unguarded(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy of a table read back, its text as it was before it was written."""
    return _each_text(frame, unguarded_cell)


# Tables of a home that nobody compiled: estimates from trade, and from what a union uses that it is a member of.
Record = Mapping[str, Any]
"""Filled cells of a row by column."""
Records = Mapping[str, Sequence[Record]]
"""Rows by table."""
EVERY, OTHERS = "*", "other"
"""All materials; what begins the record of the part that stands for materials whose trade is not known."""
LOSS, PRICE_SET, HIGHEST = "price_rise", "mcs2024", 20
"""Loss function of homes without a study, the price set whose prices it multiplies, and its high as a multiple of the price."""
PLANNED_FROM = 2026
"""First year of the figures, as in the tables of other homes."""
CONTRACT_YEARS = 10
"""Years of offtake contracts, as in the tables of other homes."""
SCALED = {
    "demand": "demand_t_per_yr",
    "capacities": "capacity_t_per_yr",
    "offers": "depth_t_per_yr",
    "materials": "disposal_t_per_yr",
}
"""Tables of a union of which a member has a part -> the column with the tonnes."""


@dataclass(frozen=True)
class Known:
    """What tables say that concerns a home without a folder."""

    home: str
    stated: Records
    """Rows of `homes/<TABLE>.csv`."""
    world: Records
    union: Records
    """Tables in the folder of the union that it is a member of; empty where it is of none."""
    members: frozenset[str]
    """Countries of that union."""
    covered: frozenset[str]
    """Countries against whose controls every home with a folder plans."""

    @property
    def figures(self) -> dict[str, Record]:
        """Facts about the home's use, by record."""
        return {row["record"]: row for row in self.stated.get("demand_segments", ()) if row["home"] == self.home}


def tables_of(known: Known) -> dict[str, list[dict[str, Any]]]:
    """Tables of the home, rows as a folder of its own would hold them; empty where nothing is known of what it uses."""
    if not known.figures:
        return {}
    found = _part_of_union(known) if known.union else _from_trade(known)
    planned = {row["material"] for row in found["demand"]}
    called = {row["country"]: _bare(row) for row in known.stated.get("countries", ()) if row["home"] == known.home}
    found["countries"] = [row | called.get(row["country"], {}) for row in found["countries"]]
    names = [row for row in known.stated.get("not_planned", ()) if row["item"] not in planned]
    lost = {"why": "the tables of its union do not have it"}  # though its trade is known
    found["not_planned"] = [
        _bare(row) | (lost if f"{row['item']}.use.part_of_union" in known.figures else {}) for row in names
    ]
    return found if planned else {}


def _bare(row: Record) -> dict[str, Any]:
    """A row of `homes/<TABLE>.csv` without the name of the home."""
    return {column: value for column, value in row.items() if column != "home"}


def _estimated(column: str, function: str, *given: float | str | tuple[str, Any]) -> dict[str, Any]:
    """A figure, its range and the recipe in the note. given: numbers and words, and (reference, value) of figures of tables."""
    values = [float(each[1]) if isinstance(each, tuple) else each for each in given]
    found: Estimate = FUNCTIONS[function](*values)
    arguments = ", ".join(
        each[0] if isinstance(each, tuple) else f"{each:.10g}" if isinstance(each, float) else each for each in given
    )
    ends = {f"{column}_low": rounded(found.low), column: rounded(found.central), f"{column}_high": rounded(found.high)}
    return {**ends, "confidence": "estimate", "note": f"{column} = {function}({arguments})"}


def _with(*parts: Record) -> dict[str, Any]:
    """Parts of a row together, their notes one after the other."""
    notes = "; ".join(part["note"] for part in parts if part.get("note"))
    return {column: value for part in parts for column, value in part.items()} | {"note": notes}


def _use(record: str, figures: Mapping[str, Record]) -> list[tuple[str, Any]]:
    """Low, central and high of a fact about the home, with the reference to each."""
    return [(f"demand_segments[{record}].{end}", figures[record][end]) for end in ("low", "central", "high")]


# A member of a union.
def _part_of_union(known: Known) -> dict[str, list[dict[str, Any]]]:
    """Its part of the union's demand, sources and offers; the origins, losses and hazards are those of the union's market."""
    figures, union = known.figures, known.union
    traded = {row["material"] for row in known.stated["demand_segments"]}
    made = [*known.world.get("yields", ()), *union.get("yields", ())]
    makes = {row["producer"]: row["material"] for row in reversed(made) if float(row["yield_t_per_t"]) > 0}

    def part(material: str) -> str:
        record = f"{material if material in traded else OTHERS}.use.part_of_union"
        return record if record in figures else ""

    found: dict[str, list[dict[str, Any]]] = {
        table: [dict(row) for row in union.get(table, ())] for table in ("loss_functions", "hazards", "import_shares")
    }
    for table, column in SCALED.items():
        found[table] = []
        for row in union.get(table, ()):
            record = part(row["material"] if "material" in row else makes[row["activity"]])
            if record:
                found[table].append(_scaled(row, column, _use(record, figures)))
    whole = {row["activity"]: float(row["capacity_t_per_yr"]) for row in union.get("capacities", ())}
    parts = {row["activity"]: row["capacity_t_per_yr"] / whole[row["activity"]] for row in found["capacities"]}
    found["yields"] = [dict(row) for row in union.get("yields", ()) if row["producer"] in parts]
    found["activities"] = [_owned(dict(row), known, parts) for row in union.get("activities", ())]
    found["demand_segments"] = [_bare(row) for row in figures.values()]
    inside = [{"country": known.home, "tier": "home"}] + [
        {"country": row["country"], "tier": "ally"}
        for row in union["countries"]
        if row["tier"] == "home" and row["country"] != known.home
    ]
    others = [dict(row) for row in union["countries"] if row["tier"] != "home"]
    provenance = {"source": "table homes", "year": PLANNED_FROM, "confidence": "derived", "note": "member of the union"}
    found["countries"] = [*(row | provenance for row in inside), *others]
    return found


def _scaled(row: Record, column: str, part: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A row of a union with the tonnes of a member. A usual flow is the same part of the new figure."""
    whole = [float(row.get(f"{column}{end}", row[column])) for end in ("_low", "", "_high")]
    new = _estimated(column, "part_of", *whole, *part)
    if "normal_t_per_yr" in row:
        new["normal_t_per_yr"] = rounded(float(row["normal_t_per_yr"]) * new[column] / whole[1])
    return _with({**row, "note": ""}, new, {"note": without_recipes(str(row.get("note", "")), {column})})


def _owned(row: dict[str, Any], known: Known, parts: Mapping[str, float]) -> dict[str, Any]:
    """A source of the union as the member sees it: in another member it is an ally's, and contracts are as small as its part."""
    world = {one["activity"]: one for one in known.world.get("activities", ())}
    country = row.get("country", world.get(row["activity"], {}).get("country"))
    if "lot_t_per_yr" in row:
        row["lot_t_per_yr"] = rounded(float(row["lot_t_per_yr"]) * parts.get(row["activity"], 1.0))
    if country not in known.members or country == known.home:
        return row
    return _with(row, _estimated("kappa", "allied_kappa", "ally"))


# A country of no union with tables.
def _from_trade(known: Known) -> dict[str, list[dict[str, Any]]]:
    """Use and origins by the country's own trade; losses by the rise of the price; tiers by what it shares with others."""
    figures, home = known.figures, known.home
    materials = {row["material"]: row for row in known.world["materials"]}
    tiers = _tiers(known)
    named = {row["country"]: row["name"] for row in known.world["countries"]}
    shares = [_bare(row) for row in known.stated.get("import_shares", ()) if row["home"] == home]
    why = "ally: in NATO with it; partner: in the MSP with it; covered: for every home"
    lists = {"source": "NATO and MSP member lists", "year": PLANNED_FROM, "confidence": "estimate", "note": why}
    found: dict[str, list[dict[str, Any]]] = {
        "countries": [{"country": country, "tier": tier, **lists} for country, tier in tiers.items()],
        "demand_segments": [_bare(row) for row in figures.values()],
        "import_shares": shares,
    }
    for table in ("materials", "demand", "activities", "capacities", "yields", "offers", "loss_functions"):
        found[table] = []
    for record, fact in figures.items():
        material, _, kind = record.partition(".")
        loss = _price_loss(material, known) if kind == "use.annual_demand" else None
        origins = [row for row in shares if row["mineral"] == materials[material]["mineral"]]
        if loss is None or not origins:
            continue
        origin = {column: fact[column] for column in ("source", "year")}
        low, use, high = _use(record, figures)
        own = figures.get(f"{material}.home.output", {}).get("central", 0.0)
        output = (f"demand_segments[{material}.home.output].central", own) if own else 0.0
        row = {"material": material, **origin}
        found["materials"].append(_with(row, _estimated("disposal_t_per_yr", "disposal_ceiling", use)))
        for segment, priority in (("essential", 2), ("other", 3)):
            need = _estimated("demand_t_per_yr", "home_segment", low, use, high, segment, "general", 0.0)
            users = {"segment": segment, "from_year": PLANNED_FROM, "priority": priority}
            note = {"note": "what defence uses is not published, and is in these segments"}
            found["demand"].append(_with(row, users, need, note))
        found["loss_functions"].append(_with(row, loss))
        sources = [(home, _estimated("capacity_t_per_yr", "home_output", output))] if own else []
        sellers = [f"{share['country'].lower()}_{material}" for share in origins]
        for share, seller in zip(origins, sellers, strict=True):
            key = f"{share['mineral']}/{share['form']}/{share['country']}"
            named_share = f"import_shares[{key}].import_share_pct", share["import_share_pct"]
            capacity = _estimated("capacity_t_per_yr", "origin_capacity", use, output, named_share)
            flow = f"normal_t_per_yr = usual_flow(capacities[{seller}/{PLANNED_FROM}].capacity_t_per_yr)"
            normal = rounded(capacity["capacity_t_per_yr"] / 1.1)
            sources.append((share["country"], _with(capacity, {"normal_t_per_yr": normal, "note": flow})))
        for country, capacity in sources:
            producer = {"activity": f"{country.lower()}_{material}", **origin}
            title = {"name": f"{materials[material]['name']}, {named.get(country, country)}", "country": country}
            stage = {"stage": materials[material]["stage"], "premium_share": 0.0}
            tier = "home" if country == home else tiers.get(country, "other")
            kappa = _estimated("kappa", "allied_kappa", tier)
            contract = _contract(producer["activity"], material, capacity, known) if tier in ("ally", "partner") else {}
            found["activities"].append(_with(producer, title, stage, kappa, contract))
            found["capacities"].append(_with(producer, {"from_year": PLANNED_FROM}, capacity))
            made = {"producer": producer["activity"], "material": material, "yield_t_per_t": 1.0, **origin}
            found["yields"].append(made | {"confidence": "derived", "note": "main output"})
        for step in (1, 2, 3):
            depth = _estimated("depth_t_per_yr", "offer_depth", 0.0, use, float(step))
            premium = _estimated("premium_share", "offer_premium", float(step))
            offer = {"offer": f"{material}_{step}", **row, "source_producer": sellers[min(step, len(sellers)) - 1]}
            found["offers"].append(_with(offer, depth, premium))
    return found


def _contract(activity: str, material: str, capacity: Record, known: Known) -> dict[str, Any]:
    """Smallest offtake contract of a source and its fee, for as long as in the tables of other homes."""
    price = next(row for row in known.world["prices"] if (row["price_set"], row["material"]) == (PRICE_SET, material))
    figure = f"capacities[{activity}/{PLANNED_FROM}].capacity_t_per_yr", capacity["capacity_t_per_yr"]
    lot = _estimated("lot_t_per_yr", "offtake_lot", figure)
    fee = _estimated("fee_usd_per_kg", "offtake_fee", _price(price))
    lot = {column: lot[column] for column in ("lot_t_per_yr", "note")}
    honoured = _estimated("honoured_share", "contract_honoured", "spare")
    return _with(lot, fee, honoured, {"term_yr": CONTRACT_YEARS, "money_year": price.get("money_year", "")})


def _price(row: Record) -> tuple[str, Any]:
    """A price with the reference to it."""
    return f"prices[{row['price_set']}/{row['material']}/{row['from_year']}].price_usd_per_kg", row["price_usd_per_kg"]


def _price_loss(material: str, known: Known) -> dict[str, Any] | None:
    """Loss of a missing tonne by the rise of its price in the worst disruption; None without a price or a disruption."""
    prices = [row for row in known.world["prices"] if (row["price_set"], row["material"]) == (PRICE_SET, material)]
    threats = [row for row in known.world["hazards"] if {material, EVERY} & {*row["materials"].split()}]
    if not prices or not threats:
        return None
    price, worst = prices[0], max(threats, key=lambda row: float(row["price_multiplier"]))
    hazard = f"hazards[{worst['hazard']}].price_multiplier"
    low = f"{hazard}_low", worst.get("price_multiplier_low", worst["price_multiplier"])
    figure = _estimated(
        "loss_usd_per_t", "price_loss", _price(price), low, (hazard, worst["price_multiplier"]), float(HIGHEST)
    )
    about = {"loss_function": LOSS, "segment": EVERY, "horizon_months": 12, "money_year": price.get("money_year", "")}
    event = {"event": "price rise of the worst disruption: no study of this home is compiled"}
    return _with(about, event, figure)


def _tiers(known: Known) -> dict[str, str]:
    """Tier of every country: in NATO with the home, in the MSP with it, covered for every home with a folder, or another."""
    flags = {row["country"]: row for row in known.world["countries"]}

    def together(country: str, club: str) -> bool:
        return all(flags.get(one, {}).get(club) == "true" for one in (country, known.home))

    def tier(country: str) -> str:
        if country == known.home:
            return "home"
        if together(country, "nato"):
            return "ally"
        if together(country, "msp"):
            return "partner"
        # who is in neither with anybody does not plan against these
        allied = any(flags.get(known.home, {}).get(club) == "true" for club in ("nato", "msp"))
        return "covered" if allied and country in known.covered else "other"

    return {country: tier(country) for country in (*flags, *({known.home} - flags.keys()))}
