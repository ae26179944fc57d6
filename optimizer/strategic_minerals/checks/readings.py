"""Figures that the schema accepts and that are probably in another notation: 5 for 5 %, 1.05 for 5 % more, 18 for 18 months.

Each is recognised by the usual range of its column and a reading that brings it there. A figure that is merely unusual, and that
no such reading makes usual, is not questioned.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from pydantic import BaseModel

from ..core.errors import Fault
from ..schemas.base import key_of, parse_multipliers
from ..schemas.plan import Plan
from .compare import PLAN as PLACE
from .compare import Figure
from .figures import Facts, row_counts
from .usual_ranges import EVENT, PLAN, TABLES, WHOLE_SCORE, Reading, Usual
from .words import MOST_ROWS, short, stated

BEYOND = 1.5
"""Times the longest that the record of a hazard holds, beyond which an event is longer than usual."""
NEAR = 4.0
"""Times by which a reading and what comparisons expect may differ and still say the same."""
SPREAD = 3.0
"""Times the mean, of a hazard without a longest: the 95 % point of an exponential law."""


@dataclass(frozen=True)
class Misread:
    """A figure outside its range, and the ways to read it that bring it within, the nearest to its neighbours first."""

    figure: Figure
    value: float
    usual: Usual
    readings: Sequence[Reading]
    middle: float | None = None
    """Of the figures of the column that lie in its range; None: there are none."""

    def beside(self, expected: float, known: bool) -> Misread | None:
        """The same with the reading first that is nearest to what comparisons expect.

        known: these say already in which unit the figure was given; then None where no reading comes to what they expect.
        """
        ordered = _sorted(self.readings, expected)
        far = abs(math.log(ordered[0].value / expected))
        return None if known and far > math.log(NEAR) else replace(self, readings=ordered)

    @property
    def as_if(self) -> str:
        """How it was probably given, in words."""
        return self.readings[0].as_if

    @property
    def question(self) -> str:
        """What to ask, with what would then be written."""
        return "; or ".join(reading.question for reading in self.readings)


def misread(facts: Facts) -> list[Misread]:
    """Figures of the tables and of the plan that are probably in another notation."""
    return [*_of_tables(facts), *_of_plan(facts)]


def told(found: Collection[Misread]) -> Iterator[tuple[Figure, Fault]]:
    """The faults: one for all rows of a column, and all entries of a list, that have the same reading."""
    alike: dict[tuple[str, str, str, Usual | None], list[Misread]] = defaultdict(list)
    for each in found:
        table, _, column = each.figure
        own = each.usual if table == PLACE else None  # how long a hazard lasts is its own
        alike[table, ".".join(_names(column)), each.as_if, own].append(each)
    for (table, _, as_if, _), group in alike.items():
        first, *more = group
        usual = first.usual
        _, key, column = first.figure
        beside = f"; the other rows are about {short(first.middle)}" if first.middle is not None else ""
        yield (
            first.figure,
            Fault(
                PLACE if table == PLACE else f"{table}.csv",
                key,
                column,
                f"{stated(first.value)}, outside the usual range, probably {as_if}{_alike(more)}",
                f"{usual.low:g} to {usual.high:g}, {usual.why}{beside}: {first.question}; if it is intended, leave it",
            ),
        )


def _alike(more: Sequence[Misread]) -> str:
    """Further rows or fields, in words."""
    names = [each.figure[1] or each.figure[2] for each in more]
    if not names:
        return ""
    what = "rows of the column" if more[0].figure[1] else "fields"
    rest = f" and {len(names) - MOST_ROWS:,} more" if len(names) > MOST_ROWS else ""
    return f", the same in {len(names) + 1:,} {what} ({', '.join(names[:MOST_ROWS])}{rest})"


def _names(field: str) -> list[str]:
    """The names in a dotted field, the numbers of list entries left out."""
    return [part for part in field.split(".") if not part.isdigit()]


def of_value(figure: Figure) -> Figure:
    """A figure; of an end of a range, the value that the range is of."""
    return (*figure[:2], figure[2].removesuffix("_low").removesuffix("_high"))


def _sorted(readings: Sequence[Reading], middle: float) -> list[Reading]:
    """The nearest first."""
    return sorted(readings, key=lambda reading: abs(math.log(reading.value / middle)))


def _of_tables(facts: Facts) -> Iterator[Misread]:
    """Figures of the tables, upper ends of ranges beside their value, factors by segment."""
    for table, columns in TABLES.items():
        rows = [row for row in facts.data.rows(table) if row_counts(facts, row)]
        for column, usual in columns.items():
            yield from _in_one_way(list(_of_column(table, column, usual, rows)))
    for row in facts.data.rows("hazards"):
        for factor in parse_multipliers(row.demand_multipliers).values():
            usual = EVENT["demand_multipliers"]
            if found := usual.read(factor):
                figure = ("hazards", key_of(row), "demand_multipliers")
                yield Misread(figure, factor, usual, _sorted(found, 1.0))
                break


def _in_one_way(found: Sequence[Misread]) -> Iterator[Misread]:
    """Figures of a column with the reading first that most of them have: who wrote one wrote the others."""
    first = Counter(each.as_if for each in found)
    had = Counter(reading.as_if for each in found for reading in each.readings)
    for each in found:
        ordered = sorted(each.readings, key=lambda reading: (-had[reading.as_if], -first[reading.as_if]))
        yield replace(each, readings=ordered)


def _of_column(table: str, column: str, usual: Usual, rows: Sequence[Any]) -> Iterator[Misread]:
    """Figures of one column."""
    stated = [(row, abs(value)) for row in rows if (value := getattr(row, column))]
    within = [value for _, value in stated if usual.low <= value <= usual.high]
    known = median(within) if within else None
    middle = known if known is not None else math.sqrt(max(usual.low, usual.high / 1e4) * usual.high)
    for row, value in stated:
        own = WHOLE_SCORE if column == "score" and row.kind != "loan" else usual
        if found := own.read(value):
            yield Misread((table, key_of(row), column), value, own, _sorted(found, middle), known)
        elif (high := getattr(row, f"{column}_high", None)) is not None and high > usual.high:
            nearer = [reading for reading in usual.read(high) if value <= reading.value <= high]
            if nearer:
                yield Misread((table, key_of(row), f"{column}_high"), high, usual, _sorted(nearer, value), known)


def _of_plan(facts: Facts) -> Iterator[Misread]:
    """Figures that the plan states."""
    lengths = _lengths(facts)
    for place, value in _numbers(facts.plan, ""):
        names = _names(place)
        if "demand_multipliers" in names:
            names = names[: names.index("demand_multipliers") + 1]
        usual = lengths.get(place) or PLAN.get(".".join(names))
        if usual is not None and (found := usual.read(value)):
            middle = math.sqrt(max(usual.low, usual.high / 1e4) * usual.high)
            yield Misread((PLACE, "", place), value, usual, _sorted(found, middle))


def _numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    """Dotted field and value of every number of a part of a plan."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield place, float(value)
    inner: Mapping[Any, Any] = {}
    if isinstance(value, BaseModel):
        inner = {name: getattr(value, name) for name in type(value).model_fields}
    elif isinstance(value, Mapping):
        inner = value
    elif isinstance(value, tuple):
        inner = dict(enumerate(value))
    for name, part in inner.items():
        yield from _numbers(part, f"{place}.{name}" if place else str(name))


def _lengths(facts: Facts) -> dict[str, Usual]:
    """Fields of the plan that say how long a hazard lasts -> the range that the record of the hazard gives."""
    plan: Plan = facts.plan
    rows = {row.hazard: row for row in facts.data.rows("hazards")}
    named = [(f"hazards.{n}.duration_yr", override.hazard) for n, override in enumerate(plan.hazards)]
    for n, scenario in enumerate(plan.scenarios):
        for e, event in enumerate(scenario.events):
            named.append((f"scenarios.{n}.events.{e}.duration_years", event.hazard or ""))
    return {place: _length(rows[name]) for place, name in named if name in rows}


def _length(row: Any) -> Usual:
    """From half the shortest of a hazard's record to half as long again as the longest [years]."""
    low = (row.duration_yr_low or row.duration_yr / SPREAD) / 2
    high = BEYOND * (row.duration_yr_high or SPREAD * row.duration_yr)
    return Usual(
        PLAN["hazards.duration_yr"].readings,
        float(f"{low:.2g}"),
        float(f"{high:.2g}"),
        f"the usual duration of {row.hazard} (hazards.csv)",
    )
