"""Figures that are probably not intended: notes on unlikely ones, faults for those in another unit."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..core.errors import Fault
from ..data.column_words import column_in_words, owner_in_words
from ..data.dataset import Dataset
from ..data.names import Names
from ..data.references import select_materials
from ..schemas.plan import Plan
from ..schemas.tables import FACT_TABLES
from .columns import Together
from .compare import PLAN, Doubt, Figure, Pooled, doubts, off
from .facts import strict_evidence, table_evidence
from .figures import Facts, gather
from .plan_sizes import plan_evidence
from .pools import pooled
from .published import published
from .readings import Misread, misread, of_value, told
from .words import size, slip, suggestion

KIND = "unlikely figure"
TRUSTED = (*FACT_TABLES, "yields")
"""Tables that are doubted last where two figures may be wrong: published facts, and chemistry."""


def unlikely(plan: Plan, data: Dataset, chosen: Collection[str] | None = None) -> list[tuple[str, str, str]]:
    """(kind, item, text) of figures of the tables and the plan that do not fit what else is known of them.

    chosen: materials that are looked at; None: all of the tables.
    """
    facts = gather(plan, data, chosen)
    found, other = list(_found(facts)), {each.figure: each for each in misread(facts)}
    doubted = {of_value(figure) for doubt in found for figure in (doubt.figure, *doubt.others)}
    columns = {(doubt.figure[0], of_value(doubt.figure)[2]) for doubt in found if doubt.others}
    left = [
        each
        for figure, each in other.items()
        if (value := of_value(figure)) not in doubted and (value[0], value[2]) not in columns
    ]
    alike = {(each.figure[0], each.figure[2], each.as_if) for each in left if each.figure[0] != PLAN}
    told_of = []
    for doubt in found:
        near = other.get(doubt.figure)
        if near is not None and (doubt.figure[0], doubt.figure[2], near.as_if) in alike:
            left.append(near)  # one of many rows: reported with them
        else:
            told_of.append((doubt.figure, _fault(doubt, near)))
    names = Names.of(data)
    return [
        (KIND, figure[1] or figure[2], _note(data, figure, fault, names)) for figure, fault in (*told_of, *told(left))
    ]


def unit_slips(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Figures that disagree as if one were in another unit: the one that contradicts most of what is known."""
    facts = gather(plan, data)
    if all(off(each, lambda figure: facts.values.get(figure, 0.0)) == 1 for each in strict_evidence(facts)):
        return
    for doubt in _found(facts):
        if doubt.impossible:
            yield _fault(doubt)


def _found(facts: Facts) -> Iterator[Doubt]:
    """Figures that are off together, then single ones."""
    planned = select_materials(facts.plan, facts.data)
    evidence = [*table_evidence(facts), *plan_evidence(facts, planned)]
    known = published(facts)
    together = Together(facts.values, [*evidence, *pooled(evidence)], TRUSTED, known, facts.scopes(planned))
    yield from together.doubts()
    left = [each for each in together.evidence if not isinstance(each, Pooled)]
    yield from doubts(facts.values, left, TRUSTED, known)


def _fault(doubt: Doubt, other: Misread | None = None) -> Fault:
    """The fault of a doubt. other: readings of the figure that would make it usual."""
    table, key, column = doubt.figure
    near = other.beside(doubt.value / doubt.factor, bool(slip(column, doubt.factor))) if other is not None else None
    found, expected = size(doubt, near.as_if if near else ""), suggestion(doubt)
    question = f": {near.question}" if near else ""
    return Fault(PLAN if table == PLAN else f"{table}.csv", key, column, found, f"{expected}{question}")


def _note(data: Dataset, figure: Figure, fault: Fault, names: Names) -> str:
    """A fault as a note: its place, what is wrong there, and in brackets what the figure is."""
    fault = data.placed(fault)
    place = " ".join(part for part in (fault.file, figure[1], fault.column) if part)
    table, key, column = figure
    what = "" if table == PLAN else f" [{column_in_words(column)}: {owner_in_words(key, names)}]"
    return f"{place}: {fault.found}; expected {fault.expected}{what}"
