"""What every study gives: tables by the names of their files, figures beside them, words, JSON, a view for notebooks.

A study looks at a question or at a solved plan and finds more than one plan can say: a stress test, a sweep, an explanation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..core.format import FORMAT
from ..core.frames import notebook_html, plainly, records
from .plotting import Plotted

if TYPE_CHECKING:
    from .result import Result

LONGEST_LINE = 160
"""Letters of a study's first line that `repr` shows."""


@dataclass(frozen=True, repr=False)
class Study(Plotted):
    """What a study found, whatever it was about."""

    kind: str
    """The verb that makes it, e.g. `stress`."""
    tables: Mapping[str, pd.DataFrame]
    """Tables by name, which is that of their CSV file. Cells are numbers and text; one that does not apply is left out."""
    words: Sequence[str] = ()
    """The answer in plain words, a line each."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Single figures and options that belong to the tables, JSON-ready."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Tables that are short enough for a notebook -> their headings."""
    result: Result | None = None
    """The plan that a study made, of those that make one."""

    def summary(self) -> str:
        """The answer in plain words."""
        return "\n".join(self.words)

    def __repr__(self) -> str:
        """Kind and the first line of the answer."""
        first = self.words[0] if self.words else ""
        return f"<Study {self.kind}: {first[:LONGEST_LINE]}{'...' if len(first) > LONGEST_LINE else ''}>"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: `schema_version`, `kind`, the facts, and each table by its name as a list of records. Missing values and
        numbers that are not finite are None."""
        tables = {name: records(table) for name, table in self.tables.items()}
        return {"schema_version": FORMAT, "kind": self.kind, **plainly(self.facts), **tables}

    def save(self, folder: str | Path) -> None:
        """Write the study into a folder: each table as CSV, and `study.json`. In `analyses` of a run folder it is sealed with the
        run.

        Raises InputError for a folder that holds files of others.
        """
        from .study_files import refuse_mixed, store_study

        refuse_mixed(Path(folder), self.kind)
        store_study(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Study:
        """A study that `save` wrote. Raises InputError for a folder that holds none, or whose files have changed since."""
        from .study_files import open_study

        return open_study(Path(folder))

    def stated(self) -> str:
        """What `study.json` says: everything but the tables."""
        content = {"schema_version": FORMAT, "kind": self.kind, "words": list(self.words)}
        return json.dumps(content | {"facts": plainly(self.facts), "titles": dict(self.titles)}, indent=1) + "\n"

    def _repr_html_(self) -> str:
        """As notebooks show it: the first line, then the tables that have a heading."""
        headed = {title: self.tables[name] for name, title in self.titles.items() if title and name in self.tables}
        return notebook_html(self.summary(), headed)


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
