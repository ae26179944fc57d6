"""Tables of the page of a backtest: how cells are written, and which rows are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from ..core.frames import rows_of
from .result import Backtest

Cell = Callable[[Any], str]


def table(frame: pd.DataFrame, columns: Sequence[tuple[str, str, Cell]]) -> str:
    """A Markdown table: (column, heading, how a cell is written)."""
    if not len(frame):
        return "None."
    head = "| " + " | ".join(heading for _, heading, _ in columns) + " |"
    rule = "|" + "---|" * len(columns)
    rows = [
        "| " + " | ".join(_cell(getattr(row, name), write) for name, _, write in columns) + " |"
        for row in rows_of(frame)
    ]
    return "\n".join([head, rule, *rows])


def _cell(value: Any, write: Cell) -> str:
    return "gap" if value is None or (not isinstance(value, str) and pd.isna(value)) else write(value).replace("|", "/")


def text(value: Any) -> str:
    """As it stands."""
    return str(value)


def money(value: Any) -> str:
    """Million USD: whole from a hundred on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"


def tonnes(value: Any) -> str:
    """Tonnes with three digits or whole."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


def whole(value: Any) -> str:
    """A count."""
    return f"{int(value):,}"


def ratio(value: Any) -> str:
    """A share or multiple."""
    return f"{value:.2f}"


def score(value: Any) -> str:
    """A score."""
    return f"{value:.3f}"


def part(found: Backtest, name: str, **where: Any) -> pd.DataFrame:
    """Rows of a table, by the values of columns; none where there is no such table."""
    frame = found.found.get(name, pd.DataFrame())
    for column, value in where.items():
        if len(frame):
            frame = frame[frame[column] == value]
    return frame


def runs(found: Backtest) -> list[str]:
    """Names of the readings."""
    return [run["name"] for run in found.settings["runs"]]


def main_run(found: Backtest) -> str:
    """The reading that is shown in full: the last one that reads no more than `available_from` allows."""
    readings = found.settings["runs"]
    return str(([run["name"] for run in readings if run["controls"] == "available"] or [readings[-1]["name"]])[-1])


def span(low: Any, high: Any, write: Cell) -> str:
    """Two ends, or one where they look alike."""
    ends = str(write(low)), str(write(high))
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
