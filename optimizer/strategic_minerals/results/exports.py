"""Results for other programs: Parquet files with types, units and provenance in their metadata; a formatted workbook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.atomic_files import staged, whole_file
from ..core.errors import missing_part
from ..core.format import FORMAT
from ..core.frames import whole
from ..data.workbook import new_book, write_cell
from .readable import unit_of
from .result import Result


def write_parquet(result: Result, folder: str | Path) -> list[Path]:
    """Every table of a result as `folder/<table>.parquet`, all of them or none; the paths written.

    Columns that have a unit carry it as the field's metadata `unit`; the file's metadata name the plan, its loss function, price
    year and format. Raises InputError where the extra `parquet` is not installed.
    """
    pa, pq = _arrow()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "schema_version": str(FORMAT),
        "plan": result.plan.name,
        "loss_function": result.plan.loss_function,
        "price_year": str(result.plan.price_year),
        "versions": json.dumps(dict(result.versions)),
    }
    with staged() as files:
        for name, frame in result.tables.items():
            table = pa.Table.from_pandas(whole(frame), preserve_index=False)
            units = {field.name: unit_of(field.name, frame) for field in table.schema}
            fields = [
                field.with_metadata({"unit": units[field.name]}) if units[field.name] else field
                for field in table.schema
            ]
            table = table.cast(pa.schema(fields, metadata={**(table.schema.metadata or {}), **about}))
            with files.file(folder / f"{name}.parquet") as file:
                pq.write_table(table, file)
    return [folder / f"{name}.parquet" for name in result.tables]


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise missing_part("parquet", "pyarrow", "parquet") from None
    return pyarrow, parquet


def write_results(result: Result, path: str | Path) -> None:
    """Summary and every table of a result as a formatted book. The file is whole or as it was before."""
    with whole_file(Path(path)) as file:
        book, formats = new_book(file)
        _show(book, formats, result)
        book.close()


def _show(book: Any, formats: Mapping[str, Any], result: Result) -> None:
    """All sheets of a result."""
    sheet = book.add_worksheet("summary")
    sheet.set_column(0, 0, 120)
    for row, line in enumerate(result.summary().splitlines()):
        sheet.write_string(row, 0, line, formats["title"] if row == 0 else formats["plain"])
    for name, table in result.tables.items():
        sheet = book.add_worksheet(name[:31])
        sheet.freeze_panes(1, 0)
        for k, column in enumerate(table.columns):
            sheet.write_string(0, k, str(column), formats["header"])
            sheet.set_column(k, k, min(40, max(10, len(str(column)) + 2)))
        for row, values in enumerate(table.itertuples(index=False, name=None), start=1):
            for k, value in enumerate(values):
                write_cell(sheet, row, k, value, formats["plain"])
        if len(table):
            sheet.autofilter(0, 0, len(table), max(0, len(table.columns) - 1))
