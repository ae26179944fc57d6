"""Figures that are probably not meant: outside the usual range of their column, or at odds with what they are compared with.

Of figures that disagree, the one is doubted whose correction reconciles most comparisons; a column, or the rows of a material in
it, where correcting them together reconciles more.
"""

from __future__ import annotations

import math
from collections import ChainMap, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pydantic import BaseModel

from ..core.errors import Fault
from ..data.column_words import column_in_words, owner_in_words
from ..data.dataset import Dataset
from ..data.names import Names
from ..data.references import select_materials
from ..schemas.base import key_of, parse_multipliers
from ..schemas.columns import Column, column_of, unit_of
from ..schemas.plan import Plan
from ..schemas.tables import FACT_TABLES, TABLES
from .comparisons import PLAN, Comparison, Facts, Figure, comparisons, gather

KIND = "unlikely figure"
TRUSTED = (*FACT_TABLES, "yields")
"""Tables that are doubted only where doubting no other explains anything: published facts, and chemistry."""
THOUSANDS = (1e3, 1e-3, 1e6, 1e-6)
"""What figures in another unit are off by."""
MOST_DOUBTS = 50
MOST_SHOWN = 3
"""Rows, and comparisons, that are named."""
SLIPS: Mapping[str, tuple[tuple[float, str], ...]] = {
    "share": ((100, "percent"), (0.01, "a share divided by 100 once too often")),
    "": ((100, "percent"),),
    "%": ((0.01, "a share"),),
    "per year": ((100, "percent"), (1 / 12, "a rate per month")),
    "years": ((12, "months"), (365.25, "days")),
    "months": ((1 / 12, "years"), (30.4, "days")),
    "days": ((1 / 30.4, "months"), (1 / 365.25, "years")),
    "t": ((1e3, "kg"), (1e-3, "thousand tonnes"), (1e6, "grams")),
    "t/yr": ((1e3, "kg a year"), (1e-3, "thousand tonnes a year"), (1 / 12, "tonnes a month")),
    "USD/kg": ((1e3, "USD per tonne"), (1e-3, "thousand USD per kg"), (100, "cents")),
    "USD/t": ((1e-3, "USD per kg"), (1e-6, "million USD per tonne"), (1e3, "USD per thousand tonnes")),
    "million USD": ((1e3, "thousand USD"), (1e6, "USD"), (1e-3, "billion USD")),
}
"""Unit -> factors by which figures in another are off, and that one."""


@dataclass(frozen=True)
class Doubt:
    """Figures of one column that are doubted together."""

    figures: tuple[Figure, ...]
    """The one with the strongest evidence first."""
    found: str
    expected: str
    refused: bool = False
    """True: no opinion explains it, the question is refused."""


def unlikely(plan: Plan, data: Dataset, chosen: Collection[str] | None = None) -> list[tuple[str, str, str]]:
    """(kind, item, text) of figures of the tables and the plan that are probably not meant.

    chosen: materials that are looked at; None: all of the tables.
    """
    facts, names, told = gather(plan, data, chosen), Names.of(data), []
    compared = list(comparisons(facts, select_materials(plan, data)))
    unusual = list(_unusual(facts))
    odd = {figure for doubt in unusual for figure in doubt.figures}
    compared = [each for each in compared if odd.isdisjoint(each.figures)]
    for doubt in (*unusual, *contradictions(facts.values, compared)):
        (table, key, column), fault = doubt.figures[0], data.placed(_fault(doubt))
        place = " ".join(part for part in (fault.file, key, fault.column) if part)
        what = "" if table == PLAN else f" [{column_in_words(column)}: {owner_in_words(key, names)}]"
        told.append((KIND, key or column, f"{place}: {fault.found}; expected {fault.expected}{what}"))
    return told


def unit_slips(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Figures that disagree as if one were in another unit, so that no opinion explains it."""
    facts = gather(plan, data)
    compared = list(comparisons(facts, select_materials(plan, data)))
    if any(each.refuses(facts.values) for each in compared):
        yield from (_fault(doubt) for doubt in contradictions(facts.values, compared) if doubt.refused)


def _fault(doubt: Doubt) -> Fault:
    table, key, column = doubt.figures[0]
    return Fault(PLAN if table == PLAN else f"{table}.csv", key, column, doubt.found, doubt.expected)


# --- figures outside the usual range of their column ---------------------------------------------------------------


def _unusual(facts: Facts) -> Iterator[Doubt]:
    """Figures outside their range; those of a column that are probably in the same other unit together."""
    alike: dict[tuple[str, str, str], list[tuple[Figure, float, Column]]] = defaultdict(list)
    for figure, value, column in (*_of_tables(facts), *_of_sections(facts.plan, "", Column())):
        if value and not column.low <= abs(value) <= column.high:
            name = ".".join(part for part in figure[2].split(".") if not part.isdigit())
            alike[figure[0], name, _misread(name, abs(value), column)].append((figure, value, column))
    for (_, _, misread), found in alike.items():
        _, value, column = found[0]
        figures = tuple(figure for figure, _, _ in found)
        range_ = f"at least {column.low:g}" if math.isinf(column.high) else f"{column.low:g} to {column.high:g}"
        guess = f", probably {misread}" if misread else ""
        yield Doubt(
            figures,
            f"{_stated(value)}, outside the usual range{guess}{_more(figures)}",
            f"{range_}, the usual range of such figures; if it is intended, leave it",
        )


def _of_tables(facts: Facts) -> Iterator[tuple[Figure, float, Column]]:
    """Figures of columns that have a usual range; of factors by segment each."""
    for table, model in TABLES.items():
        ranged = {name: column for name, field in model.model_fields.items() if (column := column_of(field)).has_range}
        for row in facts.rows(table) if ranged else ():
            for name, column in ranged.items():
                value = getattr(row, name)
                for one in parse_multipliers(value).values() if isinstance(value, str) else [value]:
                    yield (table, key_of(row), name), one, column


def _of_sections(value: Any, place: str, column: Column) -> Iterator[tuple[Figure, float, Column]]:
    """Figures of a plan that have a usual range, with their dotted fields."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _of_sections(getattr(value, name), f"{place}.{name}".strip("."), column_of(field))
    elif isinstance(value, Mapping | tuple):
        parts: Mapping[Any, Any] = value if isinstance(value, Mapping) else dict(enumerate(value))
        for part in parts:
            yield from _of_sections(parts[part], f"{place}.{part}", column)
    elif isinstance(value, int | float) and column.has_range:
        yield (PLAN, "", place), float(value), column


def _misread(name: str, value: float, column: Column) -> str:
    """The unit in which a figure would be usual, in words; empty where none would do."""
    unit = unit_of(name, column)
    if unit == "share" and 1 < value < 2 and column.low <= value - 1 <= column.high:
        return "1 + the share"
    return next((words for factor, words in SLIPS[unit] if column.low <= value / factor <= column.high), "")


# --- figures that contradict others --------------------------------------------------------------------------------


def contradictions(values: dict[Figure, float], compared: Iterable[Comparison]) -> Iterator[Doubt]:
    """Figures whose correction reconciles most, one after the other, with the comparisons of each."""
    search = _Search(values, list(compared))
    for _ in range(MOST_DOUBTS):
        best = search.best()
        if best is None:
            return
        yield search.doubt(*best)
        search.settle(best[0])


Candidate = tuple[Figure, ...]
"""Figures that are corrected together."""
Score = tuple[bool, bool, bool, int, float, int, float]
"""Whether a comparison that no opinion explains fails; whether a correction reconciles more than it breaks; whether the table is
not trusted; comparisons mended less twice those broken; by how many factors of ten ratios come nearer to what is usual; minus the
figures; how near the factor is to the evidence."""


class _Search:
    """Comparisons that still count, and what correcting figures would do to them."""

    def __init__(self, values: dict[Figure, float], compared: Sequence[Comparison]) -> None:
        self.values = values
        self.failing = {id(each): each for each in compared if each.fails(values)}
        self.of: dict[Figure, dict[int, Comparison]] = defaultdict(dict)
        for each in compared if self.failing else ():
            for figure in each.figures:
                self.of[figure][id(each)] = each
        groups: dict[tuple[str, ...], list[Figure]] = defaultdict(list)
        for figure in self.of:
            table, key, column = figure
            column = column.removesuffix("_low").removesuffix("_high") if table != PLAN else column
            for group in {(table, column), (table, column, key.split("/")[0]), (table, column, key, "row")}:
                groups[group].append(figure)
        self.candidates: dict[Figure, list[Candidate]] = defaultdict(list)
        for candidate in {tuple(figures) for figures in groups.values()}:
            for figure in candidate:
                self.candidates[figure].append(candidate)
        self.scores: dict[Candidate, tuple[Score, float]] = {}

    def best(self) -> tuple[Candidate, float] | None:
        """The figures to doubt next, and by which factor they are off; None where nothing is left to explain."""
        failed = {figure for each in self.failing.values() for figure in each.figures}
        asked = {candidate for figure in failed for candidate in self.candidates[figure]}
        for candidate in asked - self.scores.keys():
            self.scores[candidate] = self._score(candidate)
        if not asked:
            return None
        best = max(sorted(asked), key=lambda candidate: self.scores[candidate][0])
        return best, self.scores[best][1]

    def _touching(self, candidate: Candidate) -> dict[int, Comparison]:
        return {key: each for figure in candidate for key, each in self.of[figure].items()}

    def _score(self, candidate: Candidate) -> tuple[Score, float]:
        """The best of the factors by which figures may be off."""
        mine = self._touching(candidate)
        failed = {key: each for key, each in mine.items() if key in self.failing}
        refused, trust = any(each.refuses(self.values) for each in failed.values()), candidate[0][0] not in TRUSTED
        guess, found = self._guess(candidate, failed.values()), []
        for factor in dict.fromkeys((guess, *THOUSANDS)):
            values, net, nearer = self._corrected(candidate, factor), 0, 0.0
            for key, each in mine.items():
                fails, before, after = each.fails(values), each.ratio(self.values), each.ratio(values)
                net += (not fails) if key in failed else -2 * fails
                if before > 0 and after > 0:
                    nearer += abs(math.log10(before / each.usual)) - abs(math.log10(after / each.usual))
            size, distance = -len(candidate), -abs(math.log(factor / guess))
            found.append(((refused, net > 0, trust, net, round(nearer), size, distance), factor))
        return max(found)

    def _guess(self, candidate: Candidate, failed: Iterable[Comparison]) -> float:
        """By what factor failing comparisons have figures too large, in the middle of them."""
        halves, logs = self._corrected(candidate, 2.0), []
        for each in failed:
            ratio, half = each.ratio(self.values), each.ratio(halves)
            if half != ratio:
                logs.append(math.log(ratio / each.usual) * (1 if half < ratio else -1))
        return math.exp(min(max(median(logs), -60.0), 60.0)) if logs else 1.0

    def _corrected(self, candidate: Candidate, factor: float) -> Mapping[Figure, float]:
        """Sizes of figures, those of a candidate divided by a factor."""
        return ChainMap({figure: self.values[figure] / factor for figure in candidate}, self.values)

    def settle(self, candidate: Candidate) -> None:
        """Take out what doubted figures explain."""
        for key, each in self._touching(candidate).items():
            self.failing.pop(key, None)
            for figure in each.figures:
                self.of[figure].pop(key, None)
                for other in self.candidates[figure]:
                    self.scores.pop(other, None)

    def doubt(self, candidate: Candidate, factor: float) -> Doubt:
        """Figures in doubt in words: how far they are off, in which unit they probably are, and compared with what."""
        failed = [each for key, each in self._touching(candidate).items() if key in self.failing]
        failed.sort(key=lambda each: -abs(math.log(each.ratio(self.values) / each.usual)))
        values = [figure for figure in candidate if not figure[2].endswith(("_low", "_high"))] or list(candidate)
        first = max(values, key=lambda figure: sum(figure in each.figures for each in failed))
        figures = (first, *(figure for figure in values if figure != first))
        times, where = (factor, "high") if factor > 1 else (1 / factor, "low")
        near = [words for off, words in SLIPS.get(unit_of(first[2]), ()) if 0.25 < factor / off < 4]
        guess = f", probably {near[0]}" if near else ""
        beside = "; ".join(list(dict.fromkeys(self._other(each, candidate) for each in failed))[:MOST_SHOWN])
        return Doubt(
            figures,
            f"{_stated(self.values[first])}, about {_short(times)} times too {where}{guess}{_more(figures)}",
            f"about {_short(self.values[first] / factor)}, compared with {beside}",
            any(each.refuses(self.values) for each in failed),
        )

    def _other(self, each: Comparison, candidate: Candidate) -> str:
        """What a comparison holds figures in doubt against: its label, or a figure that is not in doubt."""
        below = {figure for _, product in each.below for figure in product}
        if each.label and below.isdisjoint(candidate):
            return each.label
        others = sorted(set(each.figures) - set(candidate), key=lambda figure: (figure in below, figure))
        if not others:
            return "other figures of the column"
        (table, key, column), value = others[0], f"{self.values[others[0]]:,g}"
        return f"{column} {value} of {key} ({table}.csv)" if key else f"{column} {value} of the plan"


# --- words ---------------------------------------------------------------------------------------------------------


def _more(figures: Sequence[Figure]) -> str:
    """Further rows, or fields, in words."""
    if len(figures) == 1:
        return ""
    names = [key or column for _, key, column in figures[1 : 1 + MOST_SHOWN]]
    rest = f" and {len(figures) - 1 - MOST_SHOWN:,} more" if len(figures) > 1 + MOST_SHOWN else ""
    return f", the same in {len(figures):,} {'rows' if figures[0][1] else 'fields'} ({', '.join(names)}{rest})"


def _stated(value: float) -> str:
    """A figure as written: exact if it has few digits."""
    return f"{value:.6g}" if 1e-4 <= abs(value) < 1000 else _short(value)


def _short(value: float) -> str:
    """A number with three significant figures, written out if that is readable."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e12 else f"{rounded:.3g}"
