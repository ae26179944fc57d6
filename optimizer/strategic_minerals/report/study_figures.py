"""Which figures a study has: those of the page, and of `plot` of the study itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from ..core.errors import Fault, InputError
from ..results.run_contents import ANALYSES
from .discovery_charts import TABLES, discovery_figures
from .figure import Figure
from .sensitivity_chart import indices_figure
from .study_bars import (
    explanation_figure,
    homes_figure,
    origins_figure,
    policies_figure,
    rules_figure,
    stress_figure,
)
from .study_charts import comparison_figure, frontier_figure, thumb_figure, tornado_figure
from .subject import Subject

Drawn = Callable[[pd.DataFrame, Subject], Iterator[Figure]]


def _fresh(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Rules of thumb in new scenarios."""
    return thumb_figure(table, "in new random scenarios", about)


def _own(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Rules of thumb in the plan's own scenarios."""
    return thumb_figure(table, "in the plan's own scenarios", about)


def _compared(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Results side by side."""
    return comparison_figure(table)


DRAWN: tuple[tuple[str, Drawn], ...] = (
    ("compare/outcome", _compared),
    ("worth/fresh_scenarios", _fresh),
    ("worth/alternatives", _own),
    ("rules/rules", rules_figure),
    ("simulate/policies", policies_figure),
    ("frontier/points", frontier_figure),
    ("sweep/indices", tornado_figure),
    ("tornado/indices", tornado_figure),
    ("sweep/indices", indices_figure),
    ("explain/reasons", explanation_figure),
    ("stress/scenarios", stress_figure),
    ("origins/costs", origins_figure),
    ("together/homes", homes_figure),
)
"""Table of a study -> what draws it. Of two that draw the same figure the first one does."""


def study_figures(tables: Mapping[str, pd.DataFrame], about: Subject) -> list[Figure]:
    """Every figure that some studies have something to show in, in the order of the page.

    tables: by `kind/table`, as run folders and `tables_of` name them. Raises InputError for a table without its columns.
    """
    found: dict[str, Figure] = {}
    for key, draw in DRAWN:
        if key not in tables:
            continue
        try:
            for figure in draw(tables[key], about):
                found.setdefault(figure.name, figure)
        except (KeyError, TypeError) as error:
            raise InputError(
                [Fault(ANALYSES, "", str(error), "a table without it", "tables as the verbs write them")]
            ) from None
    if "discover/cases" in tables:
        for figure in discovery_figures({name: tables[f"discover/{name}"] for name in TABLES}):
            found.setdefault(figure.name, figure)
    return list(found.values())
