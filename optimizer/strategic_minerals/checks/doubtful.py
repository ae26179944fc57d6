"""Figures of a question that are probably not meant: notes where they are unlikely, faults where they are in another unit."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..core.errors import Fault
from ..data.dataset import Dataset
from ..data.references import select_materials
from ..schemas.plan import Plan
from ..schemas.tables import FACT_TABLES
from .columns import Together
from .compare import PLAN, Doubt, Pooled, doubts, off
from .facts import strict_evidence, table_evidence
from .figures import gather
from .plan_sizes import plan_evidence
from .pools import pooled
from .published import published
from .words import size, suggestion

KIND = "unlikely figure"
TRUSTED = (*FACT_TABLES, "yields")
"""Tables that are doubted last where two figures may be wrong: published facts, and chemistry."""


def unlikely(plan: Plan, data: Dataset, chosen: Collection[str] | None = None) -> list[tuple[str, str, str]]:
    """(kind, item, text) of figures of the tables and the plan that do not fit what else is known of them.

    chosen: materials that are looked at; None: all of the tables.
    """
    return [(KIND, doubt.figure[1] or doubt.figure[2], _note(data, doubt)) for doubt in _found(plan, data, chosen)]


def unit_slips(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Figures that stand to others as if one were in another unit: the one that most of what is known speaks against."""
    facts = gather(plan, data)
    if all(off(each, lambda figure: facts.values.get(figure, 0.0)) == 1 for each in strict_evidence(facts)):
        return
    for doubt in _found(plan, data, None):
        if doubt.impossible:
            yield _fault(doubt)


def _found(plan: Plan, data: Dataset, chosen: Collection[str] | None) -> Iterator[Doubt]:
    """Figures that are off together, then single ones."""
    facts, planned = gather(plan, data, chosen), select_materials(plan, data)
    evidence = [*table_evidence(facts), *plan_evidence(facts, planned)]
    known = published(facts)
    together = Together(facts.values, [*evidence, *pooled(evidence)], TRUSTED, known, facts.scopes(planned))
    yield from together.doubts()
    left = [each for each in together.evidence if not isinstance(each, Pooled)]
    yield from doubts(facts.values, left, TRUSTED, known)


def _fault(doubt: Doubt) -> Fault:
    table, key, column = doubt.figure
    return Fault(PLAN if table == PLAN else f"{table}.csv", key, column, size(doubt), suggestion(doubt))


def _note(data: Dataset, doubt: Doubt) -> str:
    fault = data.placed(_fault(doubt))
    place = " ".join(part for part in (fault.file, doubt.figure[1], fault.column) if part)
    return f"{place}: {fault.found}; expected {fault.expected}"
