"""What every study gives: tables by the names of their files, figures beside them, words, JSON, a view for notebooks.

A study looks at a question or at a solved plan and finds more than one plan can say: a stress test, a sweep, an explanation.
Whoever shows, stores or sends one needs nothing but this protocol.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import pandas as pd

from ..core.format import FORMAT
from ..core.frames import notebook_html, plainly, records
from .plotting import Plotted

LONGEST_LINE = 160
"""Letters of a study's first line that `repr` shows."""


@runtime_checkable
class Study(Protocol):
    """What a study found, whatever it was about: tables, figures beside them, words and JSON."""

    kind: ClassVar[str]
    """The verb of the command line that makes it, e.g. `stress`."""
    titles: ClassVar[Mapping[str, str]]
    """Every table that it may have -> its heading in a notebook; empty: too long to be shown there."""

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Tables by name, which is that of their CSV file. Cells are numbers and text; one that does not apply is left out."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Single figures and options that belong to the tables, JSON-ready."""
        ...

    def summary(self) -> str:
        """What was found, in plain words."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: `schema_version`, `kind`, the facts, and each table by its name as a list of records."""
        ...

    def plot(self, name: str | None = None) -> Any:
        """A figure as an Altair chart by its name, or all of them as a dictionary; studies without figures have none."""
        ...

    def _repr_html_(self) -> str:
        """As notebooks show it."""
        ...


class StudyResult(Plotted, ABC):
    """Base of what studies give: JSON and the view for notebooks follow from tables, facts and words."""

    kind: ClassVar[str]
    titles: ClassVar[Mapping[str, str]]

    def __init_subclass__(cls, **options: Any) -> None:
        """A study is shown by what it found; a data class would write out every frame."""
        super().__init_subclass__(**options)
        if "__repr__" not in vars(cls):
            setattr(cls, "__repr__", StudyResult.__repr__)  # noqa: B010  (before the data class writes its own)

    def __repr__(self) -> str:
        """Class, verb and the first line of what was found, in one line."""
        first = next(iter(self.summary().splitlines()), "")
        return (
            f"<{type(self).__name__} ({self.kind}): {first[:LONGEST_LINE]}{'...' if len(first) > LONGEST_LINE else ''}>"
        )

    @property
    @abstractmethod
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """As `Study.tables`."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """As `Study.facts`."""
        return {}

    @abstractmethod
    def summary(self) -> str:
        """As `Study.summary`."""

    def to_dict(self) -> dict[str, Any]:
        """As `Study.to_dict`. Missing values and numbers that are not finite are None."""
        tables = {name: records(table) for name, table in self.tables.items()}
        return {"schema_version": FORMAT, "kind": self.kind, **plainly(self.facts), **tables}

    def _repr_html_(self) -> str:
        """As `Study._repr_html_`: the first line, then the tables that have a heading."""
        tables = self.tables
        return notebook_html(
            self.summary(), {title: tables[name] for name, title in self.titles.items() if title and name in tables}
        )


Analyses = Mapping[str, pd.DataFrame] | Iterable[Study]
"""Studies, or their tables by `kind/table`."""


def tables_of(analyses: Analyses | None) -> Mapping[str, pd.DataFrame]:
    """Tables by `kind/table`, as a run folder names them under `analyses`; of several studies of a kind, those of the last one."""
    if analyses is None or isinstance(analyses, Mapping):
        return analyses or {}
    latest = {study.kind: study for study in analyses}
    return {f"{kind}/{name}": table for kind, study in latest.items() for name, table in study.tables.items()}


def listed(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A table whose column of names is text: separated by semicolons, as files and records hold it."""
    return table.assign(**{column: ["; ".join(names) for names in table[column]]})
