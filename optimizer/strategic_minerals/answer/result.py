"""The answer: a solved plan with its words; outcome first, then tables, prices, objective parts, audit."""

import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import wrap
from typing import Self

from ..audit.audit import Audit, audit
from ..core.verb import verb
from ..matrix.problem import prepare
from ..question.base import stem_and_unit
from .brief import Brief, brief_of
from .notes import ENDED, Basis, extended_by
from .prices import bounds_of
from .record import Record
from .run_folder import ARRAYS, load_run, write_arrays, write_run
from .summary import summarise
from .tables import RESULT_TABLES


# Tables of a result in words, for `help(Result)`.
def tables_in_words() -> str:
    """The tables as paragraphs: name, what it holds, columns with their units in brackets."""

    def with_unit(column: str) -> str:
        """`cost_musd [million USD]`; a column without a unit as it is."""
        _, unit = stem_and_unit(column)
        return f"{column} [{unit}]" if unit else column

    texts = [f"{name}: {of.what} {', '.join(map(with_unit, of.columns))}." for name, of in RESULT_TABLES.items()]
    return "\n\n".join("\n".join(wrap(text, 100, subsequent_indent="    ")) for text in texts)


@dataclass(frozen=True, eq=False)
class Result(Record):
    """A solved plan. Values exist only where `outcome` allows them."""

    def audit(self) -> Audit:
        """Recompute every constraint and objective part from plan, data and decisions alone."""
        problem = prepare(self.plan, self.data)
        return audit(problem, self.solution, z0=self.reference, stated=self.figures, bounds=bounds_of(self.outcome))

    @verb
    def save(self, path: str | Path) -> Path:
        """Write a run folder, and return it; where the name ends in `.nc`, a netCDF file with every decision as `to_xarray` has it,
        and the run folder within. An earlier run there is replaced.

        Raises InputError where the folder has files that no run has, and touches nothing then; OSError of the disk."""
        return (write_arrays if Path(path).suffix == ARRAYS else write_run)(self, path)

    @classmethod
    @verb
    def load(cls, path: str | Path) -> Self:
        """What `save`, or `solve --out` of the command line, wrote.

        Raises InputError where it is unfinished, of another format, or changed, with every fault."""
        return load_run(path, cls)

    def __repr__(self) -> str:
        """Plan, how the solve ended, worth and gap, in one line."""
        outcome, unit = self.outcome, f"million USD of {self.plan.price_year}"
        lines = [f"plan {self.plan.name!r}", ENDED.get(outcome.reason, outcome.reason)]
        extended = extended_by(self.tables)
        lines[1] += {"terms": " with the terms of own code", "rules": " with the constraints added to it"}.get(
            extended, ", settled beforehand" * (extended == "settled")
        )
        if outcome.objective_musd is not None:
            meaning = "at most worth" if outcome.relaxed and extended != "terms" else "worth"
            lines.append(f"{meaning} {0.0 - outcome.objective_musd:,.4g} {unit} beyond doing nothing")
        if outcome.relative_gap is not None:
            lines.append(f"gap {outcome.relative_gap:.2%}")
        return f"<Result: {', '.join(lines)}; {len(self.tables)} tables>"

    @cached_property
    def _basis(self) -> Basis:
        return Basis(self)

    @cached_property
    def brief(self) -> Brief | None:
        """What the answer says first; None of a relaxation, which is no plan."""
        if self.outcome.relaxed:
            return None
        return brief_of(self.plan, self.figures, self.tables, self._basis)

    def summary(self, *, full: bool = False) -> str:
        """The answer in plain words: one screen. full: with all that it rests on."""
        if self.brief is None:
            return self.details()
        return "\n\n".join([self.brief.text(), *([self.details().partition("\n")[2]] * full)])

    def details(self) -> str:
        """All that the answer rests on, in sections with a blank line between: title and verdict first."""
        return summarise(self.figures, self.plan, self._basis)

    def _repr_html_(self) -> str:
        """The brief, as notebooks show it."""
        if self.brief is None:
            return f"<pre>{html.escape(self.summary())}</pre>"
        parts = [f"<h3>{html.escape(self.brief.title)}</h3>", f"<p>{html.escape(self.brief.recommendation)}</p>"]
        for head, table in self.brief.tables().items():
            parts.append(f"<h4>{html.escape(head)}</h4>{table.to_html(index=False, border=0, escape=True)}")
        parts += [f"<p><b>{html.escape(name)}</b> {html.escape(text)}</p>" for name, text in self.brief.points]
        text = html.escape(self.summary(full=True))
        return "".join([*parts, f"<details><summary>All in words</summary><pre>{text}</pre></details>"])


Result.__doc__ = f"""{(Result.__doc__ or "").rstrip()}

`tables` has these data frames; units in brackets, shares as fractions of one:

{tables_in_words()}
"""
