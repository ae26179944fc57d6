"""What a plan may read on a day. The only code that opens the files that plans rest on: it writes the rows that pass into an
empty folder, and the planner is given that folder.

- Rows without `available_from` never pass; others from that day on.
- `known`: rows of the gates strict and vintage, and of the gate proxy in runs that allow it.
- `events`: events and counts.
- At a re-plan, besides: rows of the rolling file, and realised rows that were measured or announced (`MEASURED`, controls).
  What was worked out afterwards (availability, losses, outcomes, prices over a base) has other metrics and never passes; nor
  does a measured row whose period has not ended on the day, whatever its `available_from` says.
- Score inputs and policy never pass.
- Of a row that passes, an end that lies after the day is left empty: nobody knew it. So is the cut of a control that is known
  from its day of effect alone (runs that read controls so).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .settings import CONTROL, Run
from .tables import GAP, Table, read_tables, write_rows

MEASURED = frozenset(
    {
        "price",
        "consumption",
        "production",
        "world_production",
        "imports",
        "exports",
        "net_import_reliance_pct",
        "stocks_yearend",
        "government_stock_shipments",
    }
)
"""Metrics of what is measured; a print or edition in brackets may follow."""
GATES = frozenset({"strict", "vintage"})
PROXY = "proxy"
REPLAN = "replan"
"""How the gate of rows for re-plans begins."""
NAMES = {"known": "known.csv", "events": "events_known.csv", "rolling": "rolling_known.csv", "realised": "realised.csv"}
"""Files of a gated folder."""


def write_gated(folder: Path, out: Path, day: dt.date, run: Run, *, replan: bool) -> dict[str, int]:
    """Write into an empty folder the rows that a plan of a run may read on a day; how many of each file.

    Raises InputError with the faults of the files, ValueError where the folder is not empty.
    """
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"the folder for the gated rows is not empty: {out.name}")
    out.mkdir(parents=True, exist_ok=True)
    tables = read_tables(folder, tuple(NAMES))
    passes: dict[str, Callable[[Any], bool]] = {
        "known": lambda row: _open(row, day) and row.gate in (GATES | ({PROXY} if run.proxies else set())),
        "events": lambda row: _open(row, day) and row.kind in ("event", "count"),
        "rolling": lambda row: replan and _open(row, day) and row.gate.startswith(REPLAN),
        "realised": lambda row: replan and _realised(row, day, run),
    }
    counts = {}
    for kind, name in NAMES.items():
        if kind in tables:
            table = tables[kind]
            keep = [n for n, row in enumerate(table.rows) if passes[kind](row)]
            if keep:
                write_rows(out / name, table, [_cells(table, n, day) for n in keep])
            counts[kind] = len(keep)
    return counts


ENDS = ("end", "period_end")
"""Columns with the end of an event or control."""


def _cells(table: Table, n: int, day: dt.date) -> tuple[str, ...]:
    """The cells of a row as they stand, but for what nobody knew on the day."""
    row = table.rows[n]
    hidden = {name for name in ENDS if (end := getattr(row, name, None)) is not None and end > day}
    if not _open(row, day):
        hidden |= {"value", "value_low", "value_high", "source", "year", "confidence", "note"}
    return tuple("" if name in hidden else cell for name, cell in zip(table.columns, table.cells[n], strict=True))


def _open(row: Any, day: dt.date) -> bool:
    return row.available_from is not None and row.available_from <= day


def _realised(row: Any, day: dt.date, run: Run) -> bool:
    """Whether a realised row may be read: a measured one after its period, a control once it is known."""
    if row.confidence == GAP or row.frequency == GAP:
        return False
    if row.metric.startswith(CONTROL):
        if run.controls == "effective":
            return row.period_start is not None and row.period_start <= day
        return _open(row, day)
    base = row.metric.partition(" (")[0]
    return base in MEASURED and _open(row, day) and row.period_end is not None and row.period_end <= day
