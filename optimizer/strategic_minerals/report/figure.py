"""What a figure of the page is, and what all of them share: width, axes, the library that draws them."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..core.errors import missing_part
from ..data.names import Names
from ..results.readable import scenario_names
from ..results.result import Result

WIDTH = 720
TITLE_LETTERS = 72
"""Letters of a title that stand in a line above the narrowest chart."""
LABELS_ABOVE = {
    "labelAlign": "left",
    "labelPadding": 0,
    "labelOffset": -17,
    "ticks": False,
    "domain": False,
    "zindex": 1,
}
"""Axis of rows whose labels stand above them: for narrow screens, and wherever labels are sentences."""
ROWS_APART = {"type": "band", "paddingInner": 0.6, "paddingOuter": 0.45}
"""Scale of such rows, `ROW_STEP` pixels each, so that there is room for a label above each."""
ROW_STEP = 40
LINE = 56
"""Letters of a label that stand in a line on a narrow screen."""
_HEAD = f"lastindexof(slice(datum.label, 0, {LINE}), ' ')"
IN_TWO_LINES = (
    f"length(datum.label) > {LINE} ? [slice(datum.label, 0, {_HEAD}), slice(datum.label, {_HEAD} + 1)] : datum.label"
)
"""Label of a row, in the terms of Vega-Lite."""
NARROW = {
    "axis": {**LABELS_ABOVE, "orient": "left", "labelExpr": IN_TWO_LINES, "labelBaseline": "top", "labelOffset": -33},
    "scale": ROWS_APART,
    "row": ROW_STEP + 16,
}
"""How `page.js` draws rows where there is little room, in the terms of Vega-Lite; row: pixels of each."""


@dataclass(frozen=True)
class Figure:
    """One chart of the page."""

    name: str
    """File and anchor name."""
    label: str
    """What the menu calls it."""
    title: str
    note: str
    """What to look for, in a sentence."""
    alt: str
    """What the chart shows, for who cannot see it."""
    chart: Any
    """An altair chart."""
    table: pd.DataFrame
    """What it draws."""

    @property
    def titled(self) -> Any:
        """The chart with its title, in as many lines as it takes."""
        lines = textwrap.wrap(self.title, TITLE_LETTERS)
        return self.chart.properties(title=lines if len(lines) > 1 else self.title)


def altair() -> Any:
    """The module, which is an optional extra. Raises InputError where it is missing."""
    try:
        import altair as found
    except ImportError:
        raise missing_part("report", "altair", "report") from None
    return found


_ROWS = threading.Lock()
"""Held while altair's limit of rows, which is the process's, is taken away."""


@contextmanager
def all_rows() -> Iterator[None]:
    """Charts that are written out within have all their rows; altair's limit applies again afterwards."""
    with _ROWS, altair().data_transformers.disable_max_rows():
        yield


def money_unit(result: Result) -> str:
    """What money is counted in, and of which year."""
    return f"million USD of {result.plan.price_year}"


def years_axis(result: Result, *, until_the_end: bool) -> Any:
    """The x axis of fiscal years: a mark at the beginning of each planned year, nothing after the plan.

    until_the_end: whether the last year is drawn up to its end, as bars are, or as a point at its beginning.
    """
    alt, horizon = altair(), result.plan.horizon
    years = list(range(horizon.first_year, horizon.first_year + horizon.years))
    end = years[-1] + 1 if until_the_end else years[-1] + (1 - horizon.period_months / 12)
    return {
        "title": "fiscal year",
        "scale": alt.Scale(domain=[years[0], max(end, years[0] + 0.5)], nice=False, zero=False),
        "axis": alt.Axis(format="d", values=years, labelAlign="left" if until_the_end else "center", labelOverlap=True),
    }


def named(table: pd.DataFrame, result: Result) -> pd.DataFrame:
    """A table with names for readers in place of codes."""
    known = Names.of(result.data)
    scenarios = scenario_names(result.plan, result.tables["scenario_losses"], told=True)
    words: dict[str, Callable[[str], str]] = {
        "material": known.material,
        "supplier": known.country,
        "scenario": lambda code: scenarios.get(code, code),
    }
    told = {column: name for column, name in words.items() if column in table.columns}
    return table.assign(**{column: [name(value) for value in table[column]] for column, name in told.items()})
